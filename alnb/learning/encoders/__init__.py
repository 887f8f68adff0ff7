"""Frozen networks that turn images into features, by name.

Each is one file of this folder, found by itself and imported when it is asked for; `_` in the file's name is `-` in the
encoder's. A name with a dot is the module path of one outside the package. A file has

    SECONDS                     rough seconds of one image of 128 x 128 pixels on one core
    weights(option) -> str      SHA-256 of the weights; BadRequest, one line, where they are not here
    load(option, px) -> module  (B, 3, px, px) float pixels of 0 to 255 -> (B, D) features, in eval mode

`option` is what follows a colon in the name ("torchvision:resnet18"), else "". Nothing is ever downloaded. `of_run` makes an
encoder of the network that another run trained.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alnb.errors import BadRequest

OF_RUN = "run"  # the network of the run that is needed as "encoder"


@dataclass(frozen=True)
class Encoder:
    """name: as asked for. weights: SHA-256 of what decides its function. px: images are resized to this side, 0: as they
    are. seconds: rough, of one image on one core. load: () -> module, see above."""

    name: str
    weights: str
    px: int
    seconds: float
    load: Callable[[], Any] = field(compare=False, repr=False)


def names() -> list[str]:
    """The encoders of this folder; those that take an option without it."""
    return [path.stem.replace("_", "-") for path in sorted(Path(__file__).parent.glob("[!_]*.py"))]


def module(name: str):
    """The module of an encoder. BadRequest for an unknown name."""
    base = name.partition(":")[0]
    if "." in base:
        try:
            return importlib.import_module(base)
        except ModuleNotFoundError as error:
            raise BadRequest(f"encoder {name!r}: {error}") from None
    if base not in names():
        raise BadRequest(f"encoder {name!r} is unknown: one of {', '.join(names())}, {OF_RUN!r}, or a module's path")
    return importlib.import_module(f"{__name__}.{base.replace('-', '_')}")


def find(name: str, px: int) -> Encoder:
    """The encoder of that name. BadRequest where it is unknown or its weights are not here."""
    found, option = module(name), name.partition(":")[2]
    seconds = found.SECONDS * ((px or 32) / 128) ** 2
    return Encoder(name, found.weights(option), px, seconds, lambda: found.load(option, px))


def of_run(network: str, weights: Mapping[str, Any], mean, std, px: int = 0) -> Encoder:
    """The body of a network of ours, up to what its head is given.

    network: its name. weights: its `state_dict`, where what the head holds is passed over. mean, std: of the channels
    that it was trained on, pixels in [0, 1]. BadRequest for weights that are not that network's.
    """
    from alnb.learning import networks

    body = {name: value for name, value in sorted(weights.items()) if not name.startswith("head.")}
    digest = hashlib.sha256(f"{network} {tuple(mean)} {tuple(std)}".encode())
    for name, value in body.items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    seconds = networks.cost(network)[1] / 1000 * ((px or 32) / 32) ** 2
    return Encoder(OF_RUN, digest.hexdigest(), px, seconds, lambda: _body(network, body, mean, std))


def _body(name: str, weights: dict, mean, std):
    import torch

    from alnb.learning import networks

    network = networks.build(name, 1, generator=torch.Generator().manual_seed(0))
    try:
        lost, unknown = network.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise BadRequest(f"these weights are not those of {name!r}: {str(error).splitlines()[-1].strip()}") from None
    if wrong := unknown + [each for each in lost if not each.startswith("head.")]:
        raise BadRequest(f"these weights are not those of {name!r}: {wrong[0]}")

    class Body(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network.folded()
            self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

        def forward(self, x):
            return self.network.embed((x / 255 - self.mean) / self.std)

    return Body().eval()
