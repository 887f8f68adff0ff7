"""ResNet-18 for small images: 3 x 3 stem, no max-pool."""

from __future__ import annotations

from torch import nn

from alnb.learning.networks.base import Network

INPUT = "images"
COST = (52.0, 14.0)


class ResNet18(Network):
    """He et al. 2016; 11.17 M weights for ten classes.

    The blocks are torchvision's. This is the network of LL4AL, SRAAL and CBAL, not the variant that keeps the max-pool.
    """

    widths = (64, 128, 256, 512)

    def __init__(self, classes: int, channels: int = 3):
        super().__init__()
        from torchvision.models import resnet18

        self.body = resnet18(num_classes=classes)
        self.body.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.body.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.body.maxpool = nn.Identity()
        self.head, self.body.fc = self.body.fc, nn.Identity()

    def blocks(self, x):
        body = self.body
        x = body.relu(body.bn1(body.conv1(x)))
        for layer in (body.layer1, body.layer2, body.layer3, body.layer4):
            x = layer(x)
            yield x

    def pooled(self, features):
        return self.body.avgpool(features).flatten(1)

    def embed(self, x):
        return self.body(x)
