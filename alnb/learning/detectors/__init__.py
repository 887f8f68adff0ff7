"""Object detectors, by name: torchvision's Faster R-CNN on different bodies, and what all of them are asked.

Each is one file of this folder, found by itself and read, not imported, until it is built:

    the docstring's first line              what it is
    COST = (12.0, 5.0)                      seconds on one AVX2 core per 1,000 frames: a training step, a look; of frames
                                            of `FRAME`, or of the size that it resizes them to
    build(classes, size, height, coco)      a torchvision FasterRCNN of `classes` classes and the background; size: (width,
                                            height) of a frame; height: what frames are resized to, 0: not; coco: from the
                                            weights that torchvision has of COCO
    weights()                               optional: those weights, BadRequest where their file is not here
"""

from __future__ import annotations

import ast
import functools
import importlib
from pathlib import Path

from alnb.errors import BadRequest


@functools.cache
def _catalogue() -> dict[str, tuple[str, tuple[float, float]]]:
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        (cost,) = [ast.literal_eval(node.value) for node in tree.body
                   if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "COST"]  # fmt: skip
        found[path.stem] = ast.get_docstring(tree).partition("\n")[0], cost
    return found


def names() -> list[str]:
    return list(_catalogue())


FRAME = (96, 64)  # (width, height) of the frames that the small detectors were timed on
GROWTH = 0.6  # a frame of three times as many pixels, 160 x 120, was measured to take twice as long


def cost(name: str, frame: tuple[int, int] | None = None) -> tuple[float, float]:
    """Seconds on one core per 1,000 frames: (a training step, a look). frame: (width, height), None: what it was timed on.
    BadRequest for an unknown name."""
    if name not in _catalogue():
        raise BadRequest(f"network = {name!r}: expected one of {', '.join(map(repr, names()))}")
    larger = (frame[0] * frame[1] / (FRAME[0] * FRAME[1])) ** GROWTH if frame else 1.0
    step, look = _catalogue()[name][1]
    return step * larger, look * larger


def check_coco(name: str) -> None:
    """BadRequest for a detector without COCO's weights, or where their file is not here."""
    cost(name)
    module = importlib.import_module(f"{__name__}.{name}")
    if not hasattr(module, "weights"):
        raise BadRequest(f"network = {name!r} has no COCO weights: give it pretraining on a world, or none")
    module.weights()


def build(name: str, classes: int, size: tuple[int, int], *, height: int = 0, coco: bool = False, generator):
    """A `Detector` on the CPU; all its randomness is one draw from `generator`."""
    from alnb.learning.detectors._faster_rcnn import Detector
    from alnb.learning.networks import drawn_from

    cost(name)
    module = importlib.import_module(f"{__name__}.{name}")
    with drawn_from(generator):
        return Detector(module.build(classes, size, height, coco))
