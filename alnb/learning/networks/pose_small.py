"""Four convolutions to an eighth, one transposed back to a quarter, 113k weights: for one CPU core."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from alnb.learning.networks._dense import Dense

INPUT = "images to maps"
COST = (1.3, 0.4)  # 64 x 64


class PoseSmall(Dense):
    """Convolutions 24-32-64 of stride 2 and one of 64 dilated by 2 (3 x 3, batch norm, ReLU); then a transposed 4 x 4 one of
    stride 2 to 48; linear at every position."""

    widths = (24, 32, 64, 64)

    def __init__(self, classes: int, channels: int = 3):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, stride, dilation, dilation, bias=False), nn.BatchNorm2d(after))
            for before, after, stride, dilation in zip((channels, *self.widths), self.widths, (2, 2, 2, 1), (1, 1, 1, 2))
        )
        self.up = nn.Sequential(nn.ConvTranspose2d(64, 48, 4, 2, 1, bias=False), nn.BatchNorm2d(48), nn.ReLU())
        self.head = nn.Conv2d(48, classes, 1)

    def blocks(self, x):
        for layer in self.layers:
            x = F.relu(layer(x))
            yield x

    def upper(self, features):
        return self.up(features)
