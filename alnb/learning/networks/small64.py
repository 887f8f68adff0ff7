"""`small` for images of 64 px, with a stem of stride 4: as quick as that one is at 32 px."""

from __future__ import annotations

from torch import nn

from alnb.learning.networks.small import Small

INPUT = "images"
COST = (0.4, 0.12)  # at 64 x 64


class Small64(Small):
    """See small: its first convolution is 5 x 5 and leaves a quarter of the image's sides, and is not pooled further."""

    def __init__(self, classes: int, channels: int = 3):
        super().__init__(classes, channels)
        self.conv1 = nn.Conv2d(channels, 32, 5, 4, 2, bias=False)
