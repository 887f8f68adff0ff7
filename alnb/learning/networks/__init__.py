"""The networks that can be asked for by name.

Each is one file of this folder, found by itself and read, not imported, until it is built:

    the docstring's first line              what it is
    INPUT = "images" or "vectors"           what it is fed: (B, channels, H, W) or (B, channels); "images to maps": a
                                            `base.MapNetwork`, whose `classes` are the maps it gives
    COST = (0.39, 0.11)                     seconds on one AVX2 core per 1,000 samples: a training step, a forward pass
    class Small(Network)                    its one public class derived from `base.Network`, (classes, channels, ...)
"""

from __future__ import annotations

import ast
import functools
import importlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alnb.errors import BadRequest


@dataclass(frozen=True)
class About:
    """What a file says of its network."""

    description: str
    input: str
    cost: tuple[float, float]
    pretrained: bool = False  # its file has a function `weights`, those of ImageNet


@functools.cache
def _catalogue() -> dict[str, About]:
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assigned = [
            node for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        ]
        says = {node.targets[0].id: node.value for node in assigned if node.targets[0].id in ("INPUT", "COST")}
        if path.stem == "base":
            continue
        if len(says) < 2 or not ast.get_docstring(tree):
            raise RuntimeError(f"{path}: a network's file has a docstring, INPUT and COST")
        description = ast.get_docstring(tree).partition("\n")[0]
        pretrained = any(isinstance(node, ast.FunctionDef) and node.name == "weights" for node in tree.body)
        found[path.stem] = About(description, ast.literal_eval(says["INPUT"]), ast.literal_eval(says["COST"]), pretrained)
    return found


def names(input: str = "") -> list[str]:
    """The networks that `build` knows; with `input` those fed with it, "images" or "vectors"."""
    return [name for name, about in _catalogue().items() if input in ("", about.input)]


def about(name: str) -> About:
    """What the network's file says of it. BadRequest for an unknown name."""
    if name not in _catalogue():
        raise BadRequest(f"network {name!r} is unknown: one of {', '.join(names())}")
    return _catalogue()[name]


def cost(name: str) -> tuple[float, float]:
    """Seconds on one core per 1,000 samples: (a training step, a forward pass)."""
    return about(name).cost


def build(name: str, classes: int, channels: int = 3, *, generator, **options):
    """A freshly initialised `base.Network` on the CPU, by PyTorch's default initialisation (torchvision's for its
    ResNet). `options` are its class's own. All its randomness is one draw from `generator`. BadRequest for an unknown
    name."""
    about(name)
    from alnb.learning.networks.base import Network

    module = importlib.import_module(f"{__name__}.{name}")
    (network,) = [
        value for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Network) and value.__module__ == module.__name__
    ]  # fmt: skip
    with drawn_from(generator):
        return network(classes, channels, **options)


@contextmanager
def drawn_from(generator):
    """Here PyTorch's initialisers, which know only the global generator, follow one draw from `generator`; the global
    generator is left as it was."""
    import torch

    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
