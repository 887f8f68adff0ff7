"""ResNet-101, ImageNet's, from scratch or from its weights."""

from __future__ import annotations

from alnb.errors import BadRequest
from alnb.learning.networks._resnet import ResNet, fan_out, stem

INPUT = "images"
COST = (64.0, 17.0)  # at 64 x 64


class ResNet101(ResNet):
    """He et al. 2016, torchvision's, with its 7 x 7 stem and max-pool; 42.5 M weights before the head."""

    widths = (256, 512, 1024, 2048)

    def __init__(self, classes: int, channels: int = 3):
        from torchvision.models import resnet101

        body = resnet101(num_classes=classes)
        if channels != 3:
            body.conv1 = fan_out(stem(channels))
        super().__init__(body)

    def pretrain(self):
        """Give the body torchvision's IMAGENET1K_V1, from this machine's cache of torch.hub; the head stays as it was drawn.
        BadRequest where they are not there, or are damaged: nothing is downloaded."""
        from alnb.learning.encoders import torchvision as cache

        if self.body.conv1.in_channels != 3:
            raise BadRequest(f"ImageNet's weights are for 3 channels, given {self.body.conv1.in_channels}")
        known = cache.state_dict("resnet101")
        self.body.load_state_dict({name: value for name, value in known.items() if not name.startswith("fc.")})
