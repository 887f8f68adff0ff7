"""The networks of the classification studies: found by name, initialised from a given generator only.

Every network has `forward(x) -> logits (B, C)`, `embed(x) -> (B, D)` penultimate features and `head`, the last
`nn.Linear` from the features to the logits; x is (B, channels, H, W), normalised.
"""
from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from alnb.errors import BadRequest


class Stem(nn.Conv2d):
    """A 3 x 3 convolution that strides by 2, but by 1 for inputs under 16 px, which three max-pools would use up."""

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, stride=2 if min(x.shape[-2:]) >= 16 else 1, padding=1)


class Small(nn.Module):
    """Convolutions 32-64-128 (3 x 3, batch norm, ReLU, max-pool each), mean over positions, linear: for two CPU cores.

    94,762 weights for ten classes of RGB images; inputs of 8 to 64 px. The stem strides by 2 from 16 px on.
    """

    def __init__(self, classes: int, channels: int = 3):
        super().__init__()
        self.conv1, self.bn1 = Stem(channels, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.conv2, self.bn2 = nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
        self.conv3, self.bn3 = nn.Conv2d(64, 128, 3, padding=1, bias=False), nn.BatchNorm2d(128)
        self.head = nn.Linear(128, classes)

    def embed(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        x = F.max_pool2d(F.relu(self.bn3(self.conv3(x))), 2)
        return x.mean((2, 3))

    def forward(self, x):
        return self.head(self.embed(x))


class ResNet18(nn.Module):
    """ResNet-18 for small images: 3 x 3 stem, no max-pool; 11.17 M weights for ten classes (He et al. 2016).

    The blocks are torchvision's. This is the variant of LL4AL, SRAAL and CBAL, not the one that keeps the max-pool.
    """

    def __init__(self, classes: int, channels: int = 3):
        super().__init__()
        from torchvision.models import resnet18

        body = resnet18(num_classes=classes)
        body.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(body.conv1.weight, mode="fan_out", nonlinearity="relu")
        body.maxpool = nn.Identity()
        self.head, body.fc = body.fc, nn.Identity()
        self.body = body

    def embed(self, x):
        return self.body(x)

    def forward(self, x):
        return self.head(self.embed(x))


_NETWORKS = {"small": Small, "resnet18": ResNet18}


def names() -> list[str]:
    """The networks that `build` knows."""
    return list(_NETWORKS)


def build(name: str, classes: int, channels: int = 3, *, generator: torch.Generator) -> nn.Module:
    """A freshly initialised network on the CPU. All its randomness is one draw from `generator`.

    The global generator is left as it was. BadRequest for an unknown name.
    """
    if name not in _NETWORKS:
        raise BadRequest(f"network {name!r} is unknown: one of {', '.join(_NETWORKS)}")
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _NETWORKS[name](classes, channels)
