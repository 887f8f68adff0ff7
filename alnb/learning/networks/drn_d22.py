"""DRN-D-22, the smallest dilated residual network of Yu, Koltun and Funkhouser (CVPR 2017), stride 8.

A 7 x 7 convolution of 16 channels; 3 x 3 ones of 16 and, stride 2, 32; two residual blocks each of 64 and 128 at stride 2, then
of 256 dilated by 2 and of 512 by 4, in the place of strides; last, against the grid that dilation leaves, two plain
convolutions of 512, dilated by 2 and by 1. Parts are named so that the authors' weights of ImageNet fit; what SRAAL and VAAL
start from is not said.
"""

from __future__ import annotations

import math
from pathlib import Path

from torch import nn
from torch.nn import functional as F

from alnb.errors import BadRequest
from alnb.learning.networks._dense import Dense

INPUT = "images to maps"
COST = (8200.0, 2700.0)  # 1024 x 512
WEIGHTS = "drn_d_22-4bd2f8ea.pth"
HOME = "http://dl.yf.io/drn/"


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside the input, which a 1 x 1 one fits where its shape changes."""

    def __init__(self, before: int, after: int, stride: int, dilation: int):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


def _plain(before: int, after: int, size: int = 3, stride: int = 1, dilation: int = 1):
    convolution = nn.Conv2d(before, after, size, stride, dilation * (size // 2), dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())


def _residual(before: int, after: int, stride: int = 1, dilation: int = 1):
    return nn.Sequential(_Block(before, after, stride, dilation), _Block(after, after, 1, dilation))


class DrnD22(Dense):
    """15.9 M weights for 19 classes; convolutions start normal with deviation sqrt(2 / (kernel area x outputs))."""

    widths = (16, 16, 32, 64, 128, 256, 512, 512, 512)

    def __init__(self, classes: int, channels: int = 3):
        super().__init__()
        self.layer0 = _plain(channels, 16, size=7)
        self.layer1 = _plain(16, 16)
        self.layer2 = _plain(16, 32, stride=2)
        self.layer3 = _residual(32, 64, stride=2)
        self.layer4 = _residual(64, 128, stride=2)
        self.layer5 = _residual(128, 256, dilation=2)
        self.layer6 = _residual(256, 512, dilation=4)
        self.layer7 = _plain(512, 512, dilation=2)
        self.layer8 = _plain(512, 512)
        self.head = nn.Conv2d(512, classes, 1)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, 0, math.sqrt(2 / (part.weight[0, 0].numel() * part.out_channels)))
        nn.init.zeros_(self.head.bias)

    def blocks(self, x):
        for i in range(9):
            x = getattr(self, f"layer{i}")(x)
            yield x


def weights() -> dict:
    """The authors' weights of ImageNet, without their head. BadRequest where the file is not in torch's cache."""
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    if not path.is_file():
        raise BadRequest(
            f"the weights of drn_d22 are not in torch's cache ({path}); their authors have them at {HOME}{WEIGHTS}; or give "
            "weights = 'random'"
        )
    found = torch.load(path, map_location="cpu", weights_only=True)
    return {name: value for name, value in found.items() if not name.startswith("fc.")}
