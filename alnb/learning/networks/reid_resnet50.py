"""ResNet-50 with stride 1 in its last block and a BN neck: re-identification's standard."""

from __future__ import annotations

from torch import nn

from alnb.learning.networks._neck import Necked
from alnb.learning.networks._resnet import fan_out, keep_resolution, resnet50

INPUT = "images"
COST = (310.0, 92.0)  # at 256 x 128


class ReIDResNet50(Necked):
    """He et al. 2016; the last stage keeps its resolution (Sun et al. 2018), 23.5 M weights before the head.

    weights "imagenet": torchvision's IMAGENET1K_V1, from this machine's cache of torch.hub; BadRequest where it is not
    there, nothing is downloaded. The stages are the stem with its max-pool, and layer1 to layer4.
    """

    def __init__(self, classes: int, channels: int = 3, weights: str = "random"):
        super().__init__()
        body = resnet50(channels, weights)
        if channels != 3:
            fan_out(body.conv1)
        keep_resolution(body.layer4)
        stem = nn.Sequential(body.conv1, body.bn1, body.relu, body.maxpool)
        self.stages = nn.ModuleList([stem, body.layer1, body.layer2, body.layer3, body.layer4])
        self.finish(2048, classes)
