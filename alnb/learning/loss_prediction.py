"""Modules that predict a network's loss on a sample from its features, and how they are trained beside it, whatever the
network's outputs are: logits of classes, or maps.

Two papers meet here: LL4AL (Yoo and Kweon 2019) looks at every block, lets its ranking loss train the network too, and
compares pairs; L2R-AL looks at the last block, and the network never hears of it. What a module is told is a criterion,
(predictions (B,), losses (B,)) -> a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from alnb.learning.augment import normalise
from alnb.learning.losses import cross_entropy
from alnb.learning.modes import evaluating, fp32
from alnb.learning.networks.base import MapNetwork, Network


class Predictor(nn.Module):
    """Pooled features of some blocks, a list of (B, width), -> predicted losses (B,), in no unit.

    Each block has a linear layer to `hidden` values and a leaky ReLU of slope alpha (0: a ReLU); what these give, side by
    side, is summed up by one more. L2R-AL sec. III-C with one block; LL4AL with all of them and alpha = 0.
    """

    def __init__(self, widths, hidden: int = 128, alpha: float = 0.01):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(width, hidden) for width in widths])
        self.last = nn.Linear(hidden * len(widths), 1)
        self.alpha = alpha

    def forward(self, pooled):
        pooled = pooled[-len(self.blocks) :]
        hidden = [F.leaky_relu(layer(x), self.alpha) for layer, x in zip(self.blocks, pooled, strict=True)]
        return self.last(torch.cat(hidden, 1)).squeeze(1)


class Predicting(MapNetwork):
    """A network and the predictors that look at it: logits or maps are its own, bit for bit. `seen`: the pooled features of
    every block for the last batch of a training, with their graph."""

    def __init__(self, body: Network, predictors: Mapping[str, Predictor]):
        super().__init__()
        self.body, self.predictors, self.seen = body, nn.ModuleDict(predictors), []

    @property
    def head(self):
        return self.body.head

    def forward(self, x):
        return super().forward(x) if isinstance(self.body, MapNetwork) else Network.forward(self, x)

    def blocks(self, x):
        """The body's, whose pooled features are remembered in training."""
        seen = []
        for features in self.body.blocks(x):
            if self.training:
                seen.append(self.body.pooled(features).float())
            yield features
        self.seen = seen

    def decode(self, features):
        return self.body.decode(features)

    def pools(self, x):
        """The pooled features of each block, fp32; the last are what `embed` gives."""
        return [self.body.pooled(features).float() for features in self.body.blocks(x)]

    def embed(self, x):
        pooled = self.pools(x)
        if self.training:
            self.seen = pooled
        return pooled[-1]


def predict(network: Predicting, images, *, mean, std, device, precision: str = "fp32", batch: int = 250):
    """{predictor: (N,) fp32} of images (N, C, H, W) uint8, in eval mode and by the test transform (see `infer`)."""
    from alnb.learning.modes import autocast

    found = {name: torch.empty(len(images), device=device) for name in network.predictors}
    with evaluating(network), torch.no_grad():
        network.to(device, memory_format=torch.channels_last)
        quick = network.folded() if torch.device(device).type == "cpu" else network
        for start in range(0, len(images), batch):
            part = slice(start, start + batch)
            with autocast(device, precision):
                pooled = quick.pools(normalise(images[part].to(device), mean, std))
            for name, predictor in quick.predictors.items():
                found[name][part] = predictor(pooled)
    return found


# --- criteria and training ------------------------------------------------------------------------------------------------------


def pair_loss(predicted, losses, margin: float = 1.0):
    """LL4AL's loss: the mean over floor(B / 2) pairs of max(0, -1(l_i, l_j) (lhat_i - lhat_j) + margin), where 1(l_i, l_j) is
    1 if l_i > l_j, else -1. Sample i is paired with B - 1 - i, as in its public code; of an odd batch the middle one waits.
    """
    half = len(predicted) // 2
    ours, others = predicted[:half], predicted.flip(0)[:half]
    sign = torch.where(losses[:half] > losses.flip(0)[:half], 1.0, -1.0)
    return (margin - sign * (ours - others)).clamp_min(0).mean()


class Beside:
    """A training's loss (see `learning.losses`): the network's `own`, and beside it, every step, one update of the network's
    predictors by `optimiser`, which has their parameters and no others. Their truth is what `own` gives, one value a sample.

    criterion({name: predictions (B,)}, losses (B,)) -> a number; it sees both on the batch as it was presented, in training
    mode, and reaches the predictors alone: their features are detached. For the first `joint` epochs `weight` times the
    criterion is also in what trains the network, which then is another network than without (LL4AL). rate(epoch) -> the
    predictors' learning rate.

    A training with it is done in one go (`whole`): its optimiser and what the criterion draws are in no state of `train`.
    Between cycles the predictors go on with the network's weights.
    """

    whole = True

    def __init__(
        self, network: Predicting, criterion: Callable, optimiser, rate, joint: int = 0, weight: float = 1.0,
        own: Callable = cross_entropy,
    ):  # fmt: skip
        self.network, self.criterion, self.optimiser, self.rate = network, criterion, optimiser, rate
        self.joint, self.weight, self.own = joint, weight, own

    def __call__(self, outputs, y, epoch, rows):
        own = self.own(outputs, y, epoch, rows)
        losses, seen, self.network.seen = own.detach(), self.network.seen, []
        with fp32(outputs.device):
            if epoch < self.joint:  # through copies of the weights, which the update below leaves as they are
                own = own + self.weight * self.criterion(self._predict(seen, frozen=True), losses)
            apart = self.criterion(self._predict([features.detach() for features in seen]), losses)
        self.optimiser.lr = self.rate(epoch)
        self.optimiser.minimise(self.weight * apart)
        return own

    def _predict(self, seen, frozen: bool = False):
        if not frozen:
            return {name: one(seen) for name, one in self.network.predictors.items()}
        copies = {
            name: {k: v.detach().clone() for k, v in one.named_parameters()}
            for name, one in self.network.predictors.items()
        }
        return {name: functional_call(one, copies[name], (seen,)) for name, one in self.network.predictors.items()}
