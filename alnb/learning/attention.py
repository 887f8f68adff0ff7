"""Attention agents at the five sites of a backbone, and the critics that judge them: the networks of SCAL.

Chen et al., *Self-critical attention learning for person re-identification*, ICCV 2019 (SCAL), in its symbols: X_l are the
feature maps of stage l, A_l the attention the agent gives them, G_l = X_l A_l what is passed on, V_l the critic's value.
What they are trained by is in alnb/methods/self_critical_attention.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from alnb.errors import BadRequest

SITES = 5


# --- agents and critic ------------------------------------------------------------------------------------------------


class SpatialAgent(nn.Module):
    """A^s = sigmoid(W_2 max(0, W_1 mean_c X)), (B, C, H, W) -> (B, 1, H, W) between 0 and 1. SCAL eq. 6.

    Two linear layers on the H W positions, so the size of the image is fixed. r: how much narrower the middle is.
    """

    def __init__(self, channels: int, height: int, width: int, r: int):
        super().__init__()
        positions = height * width
        hidden = max(1, positions // r)
        self.W1, self.W2 = nn.Linear(positions, hidden, bias=False), nn.Linear(hidden, positions, bias=False)

    def forward(self, X):
        mean = X.mean(1).flatten(1)
        return torch.sigmoid(self.W2(F.relu(self.W1(mean)))).view(len(X), 1, *X.shape[2:])


class ChannelAgent(nn.Module):
    """A^c = sigmoid(W_2 max(0, W_1 X_pool)), (B, C, H, W) -> (B, C, 1, 1) between 0 and 1. SCAL eq. 7; squeeze and
    excitation (Hu et al. 2018)."""

    def __init__(self, channels: int, height: int, width: int, r: int):
        super().__init__()
        hidden = max(1, channels // r)
        self.W1, self.W2 = nn.Linear(channels, hidden, bias=False), nn.Linear(hidden, channels, bias=False)

    def forward(self, X):
        return torch.sigmoid(self.W2(F.relu(self.W1(X.mean((2, 3))))))[:, :, None, None]


AGENTS = {"spatial": SpatialAgent, "channel": ChannelAgent}


class Critic(nn.Module):
    """V = C(X, A | phi), (B, C, H, W) and the attention -> (B,) values. SCAL eq. 3 and its text.

    State branch: a convolution and a linear layer; attention branch: a linear layer; both joined, a linear layer gives V.
    With that one layer V is a sum, u(X) + w(A): what A is worth does not depend on X. joint=True puts a hidden layer between,
    with which it can. Widths are not printed: `width` features a branch, the convolution to 32 channels of stride 2.
    """

    POOLED = (6, 3)

    def __init__(self, channels: int, attention: int, width: int = 64, joint: bool = False):
        super().__init__()
        self.convolution = nn.Conv2d(channels, 32, 3, stride=2, padding=1)
        self.state = nn.Linear(32 * self.POOLED[0] * self.POOLED[1], width)
        self.attention = nn.Linear(attention, width)
        self.hidden = nn.Linear(2 * width, width) if joint else None
        self.value = nn.Linear(width if joint else 2 * width, 1)

    def forward(self, X, A):
        state = F.adaptive_avg_pool2d(F.relu(self.convolution(X)), self.POOLED).flatten(1)
        joined = torch.cat([F.relu(self.state(state)), F.relu(self.attention(A.flatten(1)))], 1)
        if self.hidden is not None:
            joined = F.relu(self.hidden(joined))
        return self.value(joined).squeeze(1)


# --- the network with its agents --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """What `Attentive` says of a batch: f (B, D) pooled, z (B, D) after the batch norm, logits (B, K), and of each site the
    feature maps X before the attention and the attention A; None without an agent."""

    f: torch.Tensor
    z: torch.Tensor
    logits: torch.Tensor
    X: list[torch.Tensor]
    A: list[torch.Tensor | None]


class Attentive(nn.Module):
    """A network of re-identification with five stages, an agent on top of each: f is the mean over positions of what the last
    one passes on, z = BN(f), logits of z.

    network: `alnb.learning.networks.build("reid_small", ...)`, whose parts it takes over. size: (height, width) of the
    images. Without agents, which `attend` adds, it is that network. Its parameters are two players: `theta`, the agents', and
    `psi`, all others.
    """

    def __init__(self, network, size: tuple[int, int]):
        super().__init__()
        if len(network.stages) != SITES:
            raise BadRequest(
                f"attention wants a network of {SITES} stages; {type(network).__name__} has {len(network.stages)}"
            )
        self.stages, self.neck, self.head = network.stages, network.neck, network.head
        self.agents = nn.ModuleList()
        self.shapes = _shapes(self.stages, size)  # (C, H, W) of each site

    def forward(self, x, replaced: Callable[[int, torch.Tensor], torch.Tensor] | None = None) -> Seen:
        """replaced(site, A): what is multiplied with X in the place of A, for a reference."""
        maps, gates = [], []
        for site, stage in enumerate(self.stages):
            X = stage(x)
            A = self.agents[site](X) if len(self.agents) else None
            maps.append(X)
            gates.append(A)
            x = X if A is None else X * (A if replaced is None else replaced(site, A))
        f = x.mean((2, 3))
        z = self.neck(f)
        return Seen(f, z, self.head(z), maps, gates)

    def pooled(self, x):
        """f (B, D)."""
        return self(x).f

    def embed(self, x):
        """z (B, D), what retrieval compares."""
        return self(x).z

    def attend(self, attention: str, r: int) -> None:
        """Put an agent on top of each stage: "spatial" or "channel"."""
        self.agents = nn.ModuleList(AGENTS[attention](*shape, r) for shape in self.shapes)

    @property
    def theta(self) -> list[nn.Parameter]:
        return list(self.agents.parameters())

    @property
    def psi(self) -> list[nn.Parameter]:
        agents = {id(p) for p in self.theta}
        return [p for p in self.parameters() if id(p) not in agents and p.requires_grad]

    def critics(self, joint: bool = False) -> nn.ModuleList:
        """phi: a critic for each site, of the attention its agent gives."""
        spatial = isinstance(self.agents[0], SpatialAgent)
        return nn.ModuleList(Critic(c, h * w if spatial else c, joint=joint) for c, h, w in self.shapes)


def _shapes(stages, size) -> list[tuple[int, int, int]]:
    """(C, H, W) of what each stage gives; batch statistics are neither used nor changed."""
    x, shapes = torch.zeros(1, 3, *size), []
    modes = [stage.training for stage in stages]
    with torch.no_grad():
        for stage in stages:
            x = stage.eval()(x)
            shapes.append(tuple(x.shape[1:]))
    for stage, mode in zip(stages, modes):
        stage.train(mode)
    return shapes


@contextmanager
def batch_statistics(network):
    """Batch norms normalise by the batch, and their running statistics stay as they are, bit for bit: a second look at a
    batch that leaves no trace. The network is in train mode inside, afterwards as it was."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    kept = [(norm, norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    training = network.training
    network.train()
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, tracked in kept:
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(tracked)
        network.train(training)


@dataclass
class Players:
    """The network (theta and psi), its critics (phi; None without), and the optimisers of both (learning.optimisers)."""

    network: Attentive
    critics: nn.ModuleList | None
    main: Any
    second: Any = None

    def state(self) -> dict[str, dict]:
        """What a later step goes on from."""
        blobs = {"network": self.network.state_dict(), "main": self.main.state()}
        if self.critics is not None:
            blobs |= {"critics": self.critics.state_dict(), "second": self.second.state()}
        return blobs

    def load(self, blobs: Mapping[str, dict]) -> None:
        self.network.load_state_dict(blobs["network"])
        self.main.load(blobs["main"])
        if self.critics is not None:
            self.critics.load_state_dict(blobs["critics"])
            self.second.load(blobs["second"])
