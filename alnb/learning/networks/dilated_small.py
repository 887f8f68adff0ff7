"""Six convolutions of stride 4 in all, the last three dilated, 43k weights: made for one CPU core."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from alnb.learning.networks._dense import Dense

INPUT = "images to maps"
COST = (1.8, 0.35)  # 64 x 48


class DilatedSmall(Dense):
    """Convolutions 16-32-32-32-32-32 (3 x 3, batch norm, ReLU), the first two of stride 2, the last three dilated by 2, 4 and
    8, so that a position sees 127 x 127 pixels; linear at every position."""

    widths = (16, 32, 32, 32, 32, 32)
    dilations = (1, 1, 1, 2, 4, 8)

    def __init__(self, classes: int, channels: int = 3):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, 2 if i < 2 else 1, dilation, dilation, bias=False), nn.BatchNorm2d(after)
            )
            for i, (before, after, dilation) in enumerate(zip((channels, *self.widths), self.widths, self.dilations))
        )
        self.head = nn.Conv2d(self.widths[-1], classes, 1)

    def blocks(self, x):
        for layer in self.layers:
            x = F.relu(layer(x))
            yield x
