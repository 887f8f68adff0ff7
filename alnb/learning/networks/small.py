"""Three convolutions, 95k weights: made for one CPU core."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from alnb.learning.networks.base import Network

INPUT = "images"
COST = (0.39, 0.11)


class Stem(nn.Conv2d):
    """A 3 x 3 convolution of stride 2, but of stride 1 for inputs under 16 px, which three max-pools use up."""

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, stride=2 if min(x.shape[-2:]) >= 16 else 1, padding=1)


class Small(Network):
    """Convolutions 32-64-128 (3 x 3, batch norm, max-pool, ReLU), mean over positions, linear.

    94,762 weights for ten classes of RGB images; inputs of 8 px or more, made for 8 to 64. The stem halves the image
    from 16 px on. Max-pool and ReLU commute, to the last bit and in the gradient too: pooled first, ReLU has a
    quarter of the work.
    """

    widths = (32, 64, 128)

    def __init__(self, classes: int, channels: int = 3):
        super().__init__()
        self.conv1, self.norm1 = Stem(channels, 32, 3, bias=False), nn.BatchNorm2d(32)
        self.conv2, self.norm2 = nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
        self.conv3, self.norm3 = nn.Conv2d(64, 128, 3, padding=1, bias=False), nn.BatchNorm2d(128)
        self.head = nn.Linear(128, classes)

    def blocks(self, x):
        for conv, norm in ((self.conv1, self.norm1), (self.conv2, self.norm2), (self.conv3, self.norm3)):
            x = F.relu(F.max_pool2d(norm(conv(x)), 2))
            yield x

    def embed(self, x):
        *_, last = self.blocks(x)
        return self.pooled(last)
