"""ResNet-18 as for ImageNet: 7 x 7 stem and max-pool."""

from __future__ import annotations

from torch import nn

from alnb.learning.networks.base import Network

INPUT = "images"
COST = (160.0, 43.0)  # at 220 px


class ResNet18Classical(Network):
    """He et al. 2016, torchvision's and initialised as there; no pretrained weights. SRAAL's network for Caltech-101."""

    widths = (64, 128, 256, 512)

    def __init__(self, classes: int, channels: int = 3):
        super().__init__()
        from torchvision.models import resnet18

        self.body = resnet18(num_classes=classes)
        if channels != 3:
            self.body.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
            nn.init.kaiming_normal_(self.body.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.head, self.body.fc = self.body.fc, nn.Identity()

    def blocks(self, x):
        body = self.body
        x = body.maxpool(body.relu(body.bn1(body.conv1(x))))
        for layer in (body.layer1, body.layer2, body.layer3, body.layer4):
            x = layer(x)
            yield x

    def pooled(self, features):
        return self.body.avgpool(features).flatten(1)

    def embed(self, x):
        return self.body(x)
