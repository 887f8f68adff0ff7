"""torchvision's classifiers of ImageNet, where their weights lie in torch's cache: "torchvision:resnet18".

Features are what the last linear layer is given. The weights are IMAGENET1K_V1; "torchvision:resnet50/IMAGENET1K_V2" names
others. They are only looked for: `torchvision.models.resnet18(weights="IMAGENET1K_V1")` fetches them, if you wish.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from alnb.errors import BadRequest

SECONDS = 0.02
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _known(option: str):
    """(name of the model, its weights) as torchvision lists them."""
    from torchvision import models

    name, _, version = option.partition("/")
    classifiers = models.list_models(module=models)
    if name not in classifiers:
        raise BadRequest(f"encoder 'torchvision:{option}': torchvision has no such classifier, e.g. resnet18, resnet50")
    versions = models.get_model_weights(name)
    version = version or "IMAGENET1K_V1"
    if version not in versions.__members__:
        raise BadRequest(f"encoder 'torchvision:{option}': its weights are {', '.join(versions.__members__)}")
    return name, versions[version]


def path(option: str) -> Path:
    """Where the weights lie. BadRequest where they do not, with what fetches them."""
    import torch

    name, about = _known(option)
    file = Path(torch.hub.get_dir()) / "checkpoints" / about.url.rpartition("/")[2]
    if not file.is_file():
        raise BadRequest(
            f"the weights of torchvision:{name} are not in torch's cache ({file}); to fetch them: "
            f'python -c \'import torchvision; torchvision.models.get_model("{name}", weights="{about.name}")\''
        )
    return file


@functools.cache
def weights(option: str) -> str:
    """The file's SHA-256, whose first digits stand in its name. BadRequest if they do not."""
    file = path(option)
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if not found.startswith(stated := file.stem.rpartition("-")[2]):
        raise BadRequest(f"{file} is damaged: its SHA-256 begins with {found[:8]}, not {stated}")
    return found


def state_dict(option: str) -> dict:
    """The weights themselves, on the CPU, as torchvision's network names them. BadRequest where they are not there or damaged."""
    import torch

    weights(option)
    return torch.load(path(option), weights_only=True, map_location="cpu")


def load(option: str, px: int):
    import torch
    from torchvision import models

    name, _ = _known(option)
    network = models.get_model(name, weights=None)
    network.load_state_dict(state_dict(option))
    last = [each for each, part in network.named_modules() if isinstance(part, torch.nn.Linear)][-1]
    parent, _, child = last.rpartition(".")
    setattr(network.get_submodule(parent), child, torch.nn.Identity())

    class Penultimate(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network
            self.register_buffer("mean", 255 * torch.tensor(MEAN).view(1, 3, 1, 1))
            self.register_buffer("std", 255 * torch.tensor(STD).view(1, 3, 1, 1))

        def forward(self, x):
            return self.network((x - self.mean) / self.std)

    return Penultimate().eval()
