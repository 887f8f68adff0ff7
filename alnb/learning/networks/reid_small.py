"""Five convolutions and a BN neck, 170k weights: people at 64 x 32 on one CPU core."""

from __future__ import annotations

from torch import nn

from alnb.learning.networks._neck import Necked

INPUT = "images"
COST = (0.85, 0.2)
WIDTHS = (16, 24, 48, 96, 128)
STRIDES = (2, 1, 2, 2, 1)


class ReIDSmall(Necked):
    """3 x 3 convolutions of 16, 24, 48, 96 and 128 channels, each with batch norm and ReLU; 64 x 32 pixels become 32 x
    16, 32 x 16, 16 x 8, 8 x 4 and, as the last stride of re-identification's ResNet-50, 8 x 4 again."""

    def __init__(self, classes: int, channels: int = 3):
        super().__init__()
        self.stages, before = nn.ModuleList(), channels
        for width, stride in zip(WIDTHS, STRIDES):
            conv = nn.Conv2d(before, width, 3, stride, padding=1, bias=False)
            self.stages.append(nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True)))
            before = width
        self.finish(before, classes)
