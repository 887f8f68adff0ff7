"""Simple Baselines for pose (Xiao, Wu, Wei, ECCV 2018): ResNet-50, three transposed convolutions."""

from __future__ import annotations

from torch import nn

from alnb.learning.networks._dense import Dense
from alnb.learning.networks._resnet import resnet50, stages

INPUT = "images to maps"
COST = (2400.0, 800.0)  # 256 x 256


class SimpleBaseline(Dense):
    """torchvision's ResNet-50 without its head; three 4 x 4 transposed convolutions of 256 channels and stride 2, each with
    batch norm and ReLU, normal with deviation 0.001 as the head's 1 x 1 convolution; 34.0 M weights for sixteen joints."""

    widths = (256, 512, 1024, 2048)

    def __init__(self, classes: int, channels: int = 3):
        super().__init__()
        self.trunk = resnet50(channels, "random")
        self.trunk.fc = nn.Identity()
        up = [
            (nn.ConvTranspose2d(before, 256, 4, 2, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU())
            for before in (2048, 256, 256)
        ]
        self.up = nn.Sequential(*(part for parts in up for part in parts))
        self.head = nn.Conv2d(256, classes, 1)
        for part in (*self.up, self.head):
            if isinstance(part, (nn.ConvTranspose2d, nn.Conv2d)):
                nn.init.normal_(part.weight, std=0.001)
        nn.init.zeros_(self.head.bias)

    def blocks(self, x):
        return stages(self.trunk, x)

    def upper(self, features):
        return self.up(features)


def weights() -> dict:
    """torchvision's weights of ImageNet for the body. BadRequest where the file is not in torch's cache, or is damaged."""
    from alnb.learning.encoders import torchvision as cache

    return {f"trunk.{name}": value for name, value in cache.state_dict("resnet50").items() if not name.startswith("fc.")}
