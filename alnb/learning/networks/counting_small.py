"""Three convolutions and a map of densities, 26k weights: counting on one CPU core."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from alnb.learning.networks.base import MapNetwork

INPUT = "images to maps"
COST = (2.1, 0.6)  # at 128 x 96


class CountingSmall(MapNetwork):
    """Convolutions 16-32-64 (batch norm, ReLU), max-pools between them: maps an eighth as high and wide; then 1 x 1 convolutions to
    32 and to `maps`, each with a ReLU. The last bias begins at 0.1, or the last ReLU may never open."""

    widths = (16, 32, 64)

    def __init__(self, maps: int, channels: int = 3):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(channels, 16, 5, 2, 2, bias=False), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.conv3, self.norm3 = nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
        self.inner, self.outer = nn.Conv2d(64, 32, 1), nn.Conv2d(32, maps, 1)
        nn.init.constant_(self.outer.bias, 0.1)

    def blocks(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        yield x
        x = F.relu(self.norm2(self.conv2(F.max_pool2d(x, 2))))
        yield x
        yield F.relu(self.norm3(self.conv3(F.max_pool2d(x, 2))))

    def decode(self, features):
        return F.relu(self.outer(F.relu(self.inner(features))))
