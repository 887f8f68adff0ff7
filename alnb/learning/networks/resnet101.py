"""ResNet-101, ImageNet's, from scratch or from its weights."""

from __future__ import annotations

import torch
from torch import nn

from alnb.errors import BadRequest
from alnb.learning.networks.base import Network

INPUT = "images"
COST = (64.0, 17.0)  # at 64 x 64


class ResNet101(Network):
    """He et al. 2016, torchvision's, with its 7 x 7 stem and max-pool; 42.5 M weights before the head."""

    widths = (256, 512, 1024, 2048)

    def __init__(self, classes: int, channels: int = 3):
        super().__init__()
        from torchvision.models import resnet101

        self.body = resnet101(num_classes=classes)
        if channels != 3:
            self.body.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
            nn.init.kaiming_normal_(self.body.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.head, self.body.fc = self.body.fc, nn.Identity()

    def pretrain(self):
        """Give the body torchvision's IMAGENET1K_V1, from this machine's cache of torch.hub; the head stays as it was drawn.
        BadRequest where they are not there, or are damaged: nothing is downloaded."""
        from alnb.learning.encoders import torchvision as cache

        if self.body.conv1.in_channels != 3:
            raise BadRequest(f"ImageNet's weights are for 3 channels, given {self.body.conv1.in_channels}")
        cache.weights("resnet101")
        known = torch.load(cache.path("resnet101"), weights_only=True, map_location="cpu")
        self.body.load_state_dict({name: value for name, value in known.items() if not name.startswith("fc.")})

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
