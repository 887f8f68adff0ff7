"""ResNet-18 for small images: 3 x 3 stem, no max-pool."""

from __future__ import annotations

from torch import nn

from alnb.learning.networks._resnet import ResNet, fan_out

INPUT = "images"
COST = (52.0, 14.0)


class ResNet18(ResNet):
    """He et al. 2016; 11.17 M weights for ten classes.

    The blocks are torchvision's. This is the network of LL4AL, SRAAL and CBAL, not the variant that keeps the max-pool.
    """

    widths = (64, 128, 256, 512)

    def __init__(self, classes: int, channels: int = 3):
        from torchvision.models import resnet18

        body = resnet18(num_classes=classes)
        body.conv1 = fan_out(nn.Conv2d(channels, 64, 3, padding=1, bias=False))
        body.maxpool = nn.Identity()
        super().__init__(body)
