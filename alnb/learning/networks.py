"""The networks of the classification studies: found by name, initialised from a given generator only."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from alnb.errors import BadRequest


class Network(nn.Module):
    """What every network here has: features, a linear head on them, and a faster copy of itself for inference.

    embed(x) gives the penultimate features (B, D) of normalised images x (B, channels, H, W); `head` is the nn.Linear
    from D features to the logits (B, classes). A batch norm that is the next child of its module after a convolution
    must be fed by it. `dropout` is the probability with which a feature is dropped before the head in training.
    """

    head: nn.Linear
    dropout = 0.0

    def forward(self, x):
        x = self.embed(x)
        return self.head(F.dropout(x, self.dropout, self.training) if self.dropout else x)

    def folded(self) -> nn.Module:
        """A copy in eval mode with every batch norm folded into its convolution: the same function up to rounding."""
        network = copy.deepcopy(self).eval()
        for part in list(network.modules()):
            for (_, conv), (name, norm) in pairwise(list(part.named_children())):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    conv.weight, conv.bias = fuse_conv_bn_weights(
                        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
                    )
                    setattr(part, name, nn.Identity())
        return network


class Stem(nn.Conv2d):
    """A 3 x 3 convolution of stride 2, but of stride 1 for inputs under 16 px, which three max-pools use up."""

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, stride=2 if min(x.shape[-2:]) >= 16 else 1, padding=1)


class Small(Network):
    """Convolutions 32-64-128 (3 x 3, batch norm, max-pool, ReLU), mean over positions, linear: made for one CPU core.

    94,762 weights for ten classes of RGB images; inputs of 8 px or more, made for 8 to 64. The stem halves the image
    from 16 px on. Max-pool and ReLU commute, to the last bit and in the gradient too: pooled first, ReLU has a
    quarter of the work.
    """

    def __init__(self, classes: int, channels: int = 3):
        super().__init__()
        self.conv1, self.norm1 = Stem(channels, 32, 3, bias=False), nn.BatchNorm2d(32)
        self.conv2, self.norm2 = nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
        self.conv3, self.norm3 = nn.Conv2d(64, 128, 3, padding=1, bias=False), nn.BatchNorm2d(128)
        self.head = nn.Linear(128, classes)

    def embed(self, x):
        x = F.relu(F.max_pool2d(self.norm1(self.conv1(x)), 2))
        x = F.relu(F.max_pool2d(self.norm2(self.conv2(x)), 2))
        x = F.relu(F.max_pool2d(self.norm3(self.conv3(x)), 2))
        return x.mean((2, 3))


class ResNet18(Network):
    """ResNet-18 for small images (He et al. 2016): 3 x 3 stem, no max-pool; 11.17 M weights for ten classes.

    The blocks are torchvision's. This is the network of LL4AL, SRAAL and CBAL, not the variant that keeps the max-pool.
    """

    def __init__(self, classes: int, channels: int = 3):
        super().__init__()
        from torchvision.models import resnet18

        self.body = resnet18(num_classes=classes)
        self.body.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.body.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.body.maxpool = nn.Identity()
        self.head, self.body.fc = self.body.fc, nn.Identity()

    def embed(self, x):
        return self.body(x)


_NETWORKS = {"small": Small, "resnet18": ResNet18}


def names() -> list[str]:
    """The networks that `build` knows."""
    return list(_NETWORKS)


def build(name: str, classes: int, channels: int = 3, *, generator: torch.Generator) -> Network:
    """A freshly initialised network on the CPU, by PyTorch's default initialisation (torchvision's for its ResNet).

    All its randomness is one draw from `generator`; the global generator is left as it was. BadRequest for an unknown
    name.
    """
    if name not in _NETWORKS:
        raise BadRequest(f"network {name!r} is unknown: one of {', '.join(_NETWORKS)}")
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _NETWORKS[name](classes, channels)
