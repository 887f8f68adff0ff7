"""ResNet-50 to its third stage, at an eighth of the resolution: the C-3 framework's for crowds."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from alnb.learning.networks._resnet import keep_resolution, resnet50
from alnb.learning.networks.base import MapNetwork

INPUT = "images to maps"
COST = (26000.0, 8700.0)  # at 1024 x 768


class CountingResNet50(MapNetwork):
    """He et al. 2016 without layer4; layer3 keeps its resolution (stride 1), so that maps are an eighth as high and wide. Then
    1 x 1 convolutions to 128 and to `maps`, each with a ReLU. (L2R-AL says "decoder and deonvolutional layers": the framework's
    Res50 has none of the latter, it enlarges its map by repeating values.)

    weights "imagenet": torchvision's IMAGENET1K_V1, from this machine's cache of torch.hub; nothing is downloaded.
    """

    widths = (256, 512, 1024)

    def __init__(self, maps: int, channels: int = 3, weights: str = "random"):
        super().__init__()
        body = resnet50(channels, weights)
        keep_resolution(body.layer3)
        self.stem = nn.Sequential(body.conv1, body.bn1, body.relu, body.maxpool)
        self.stages = nn.ModuleList([body.layer1, body.layer2, body.layer3])
        self.inner, self.outer = nn.Conv2d(1024, 128, 1), nn.Conv2d(128, maps, 1)
        for part in (self.inner, self.outer):
            nn.init.normal_(part.weight, std=0.01)
            nn.init.zeros_(part.bias)

    def blocks(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
            yield x

    def decode(self, features):
        return F.relu(self.outer(F.relu(self.inner(features))))
