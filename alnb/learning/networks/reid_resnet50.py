"""ResNet-50 with stride 1 in its last block and a BN neck: re-identification's standard."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from alnb.errors import BadRequest
from alnb.learning.networks._neck import Necked

INPUT = "images"
COST = (310.0, 92.0)  # at 256 x 128


class ReIDResNet50(Necked):
    """He et al. 2016; the last stage keeps its resolution (Sun et al. 2018), 23.5 M weights before the head.

    weights "imagenet": torchvision's IMAGENET1K_V1, from this machine's cache of torch.hub; BadRequest where it is not
    there, nothing is downloaded. The stages are the stem with its max-pool, and layer1 to layer4.
    """

    def __init__(self, classes: int, channels: int = 3, weights: str = "random"):
        super().__init__()
        from torchvision.models import resnet50

        if weights not in ("random", "imagenet"):
            raise BadRequest(f"weights = {weights!r}: expected 'random' or 'imagenet'")
        body = resnet50()
        if weights == "imagenet":
            if channels != 3:
                raise BadRequest(f"ImageNet's weights are for 3 channels, given {channels}")
            body.load_state_dict(_cached())
        elif channels != 3:
            body.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
            nn.init.kaiming_normal_(body.conv1.weight, mode="fan_out", nonlinearity="relu")
        for part in (body.layer4[0].conv2, body.layer4[0].downsample[0]):
            part.stride = (1, 1)
        stem = nn.Sequential(body.conv1, body.bn1, body.relu, body.maxpool)
        self.stages = nn.ModuleList([stem, body.layer1, body.layer2, body.layer3, body.layer4])
        self.finish(2048, classes)


def _cached():
    import torch
    from torchvision.models import ResNet50_Weights

    url = ResNet50_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if not path.is_file():
        raise BadRequest(f"weights = 'imagenet': no {path}; get {url} and put it there, or take weights = 'random'")
    return torch.load(path, weights_only=True, map_location="cpu")
