"""What is made of torchvision's ResNets (He et al. 2016): classifiers around a whole one, and bodies that others go on from."""

from __future__ import annotations

from torch import nn

from alnb.errors import BadRequest
from alnb.learning.networks.base import Network


def fan_out(convolution: nn.Conv2d) -> nn.Conv2d:
    """The convolution, started as torchvision starts those of its ResNets."""
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution


def stem(channels: int) -> nn.Conv2d:
    """ImageNet's first convolution for images of other `channels`, by PyTorch's default initialisation."""
    return nn.Conv2d(channels, 64, 7, 2, 3, bias=False)


def stages(body: nn.Module, x):
    """The maps (B, C, H, W) after each of the four stages of a torchvision ResNet, one after the other."""
    x = body.maxpool(body.relu(body.bn1(body.conv1(x))))
    for layer in (body.layer1, body.layer2, body.layer3, body.layer4):
        x = layer(x)
        yield x


def keep_resolution(layer: nn.Sequential) -> None:
    """A stage of a ResNet-50 at stride 1 in the place of 2; its weights stay."""
    for part in (layer[0].conv2, layer[0].downsample[0]):
        part.stride = (1, 1)


def resnet50(channels: int, weights: str) -> nn.Module:
    """torchvision's ResNet-50. weights: "random", or "imagenet", IMAGENET1K_V1 from this machine's cache of torch.hub: nothing is
    downloaded. BadRequest for others, where they are not there, and for weights of images of other channels."""
    from torchvision import models

    from alnb.learning.encoders import torchvision as cache

    if weights not in ("random", "imagenet"):
        raise BadRequest(f"weights = {weights!r}: expected 'random' or 'imagenet'")
    body = models.resnet50()
    if weights == "imagenet":
        if channels != 3:
            raise BadRequest(f"ImageNet's weights are for 3 channels, given {channels}")
        body.load_state_dict(cache.state_dict("resnet50"))
    elif channels != 3:
        body.conv1 = stem(channels)
    return body


class ResNet(Network):
    """A torchvision ResNet, `body`, whose last linear layer is the `head`."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body
        self.head, self.body.fc = body.fc, nn.Identity()

    def blocks(self, x):
        return stages(self.body, x)

    def pooled(self, features):
        return self.body.avgpool(features).flatten(1)

    def embed(self, x):
        return self.body(x)
