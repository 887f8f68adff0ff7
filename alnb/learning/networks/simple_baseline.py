"""Simple Baselines for pose (Xiao, Wu, Wei, ECCV 2018): ResNet-50, three transposed convolutions."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from alnb.errors import BadRequest
from alnb.learning.networks._dense import Dense

INPUT = "images to maps"
COST = (2400.0, 800.0)  # 256 x 256
WEIGHTS = "resnet50-0676ba61.pth"


class SimpleBaseline(Dense):
    """torchvision's ResNet-50 without its head; three 4 x 4 transposed convolutions of 256 channels and stride 2, each with
    batch norm and ReLU, normal with deviation 0.001 as the head's 1 x 1 convolution; 34.0 M weights for sixteen joints."""

    widths = (256, 512, 1024, 2048)

    def __init__(self, classes: int, channels: int = 3):
        super().__init__()
        from torchvision.models import resnet50

        self.trunk = resnet50()
        self.trunk.fc = nn.Identity()
        if channels != 3:
            self.trunk.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
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
        body = self.trunk
        x = body.maxpool(body.relu(body.bn1(body.conv1(x))))
        for layer in (body.layer1, body.layer2, body.layer3, body.layer4):
            x = layer(x)
            yield x

    def upper(self, features):
        return self.up(features)


def weights() -> dict:
    """torchvision's weights of ImageNet for the body. BadRequest where the file is not in torch's cache."""
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    if not path.is_file():
        raise BadRequest(
            f"the weights of ResNet-50 are not in torch's cache ({path}); to fetch them: python -c 'import torchvision; "
            "torchvision.models.resnet50(weights=\"IMAGENET1K_V1\")'; or give weights = 'random'"
        )
    found = torch.load(path, map_location="cpu", weights_only=True)
    return {f"trunk.{name}": value for name, value in found.items() if not name.startswith("fc.")}
