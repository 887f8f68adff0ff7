"""ResNet-18 as for ImageNet: 7 x 7 stem and max-pool."""

from __future__ import annotations

from alnb.learning.networks._resnet import ResNet, fan_out, stem

INPUT = "images"
COST = (160.0, 43.0)  # at 220 px


class ResNet18Classical(ResNet):
    """He et al. 2016, torchvision's and initialised as there; no pretrained weights. SRAAL's network for Caltech-101."""

    widths = (64, 128, 256, 512)

    def __init__(self, classes: int, channels: int = 3):
        from torchvision.models import resnet18

        body = resnet18(num_classes=classes)
        if channels != 3:
            body.conv1 = fan_out(stem(channels))
        super().__init__(body)
