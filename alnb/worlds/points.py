"""Points in the plane, in two or three classes: a world in which the whole pool fits into one picture.

No images, so it is no dataset of `alnb.datasets`; `alnb.tasks.points` trains on it. A preset is always the same
points: seeds of runs differ in what is labelled first and in the training, as with a real dataset.

Presets
- `points-arms`: three curved arms of a pinwheel, crowded at the inner end, thin outside. Random keeps asking for what
  is crowded.
- `points-islands`: two classes, each a mainland and, beyond the other's mainland, a small island. A learner that never
  saw an island is wrong about it and sure of it. A gap separates the classes: every point can be classified.
- `points-islands-null`: the same without islands; nothing lies where the learner does not doubt.

Fixed with Random and with all labels, on the development seeds 1000 to 1004 of the training, before any strategy ran
on it: see `tests/tasks/test_points.py` for what it must do.
"""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass

import numpy as np

from alnb.errors import BadRequest

SEED = 20  # of the worlds themselves
TURN = 0.45  # radians by which the islands are turned: no class border along an axis


@dataclass(frozen=True)
class World:
    """Coordinates (N, 2) float32, roughly within [-2.6, 2.6], and classes (N,) int64 of a pool and a test set."""

    name: str
    classes: int
    class_names: tuple[str, ...]
    train_points: np.ndarray
    train_targets: np.ndarray
    test_points: np.ndarray
    test_targets: np.ndarray


def _arms(n: int, rng: np.random.Generator):
    """Three arms: the angle grows with the radius, the density falls with it."""
    targets = rng.permutation(np.arange(n) % 3)
    along = rng.random(n) ** 1.7  # 0: inner end
    angle, radius = 2 * np.pi * targets / 3 + 2.2 * along, 0.35 + 1.9 * along
    centres = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return centres + 0.13 * rng.standard_normal((n, 2)), targets


def _islands(n: int, rng: np.random.Generator, share: float = 0.2):
    """Two ellipses side by side; `share` of each class in a disc behind the other class."""
    targets = rng.permutation(np.arange(n) % 2)
    side = np.where(targets == 0, -1.0, 1.0)[:, None]
    island = (rng.random(n) < share)[:, None]
    radius, angle = np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)  # uniform in the unit disc
    disc = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    mainland = side * [0.85, 0.0] + disc * [0.73, 1.6]
    points = np.where(island, -side * [2.05, 1.25] + 0.35 * disc, mainland)
    turned = [[np.cos(TURN), np.sin(TURN)], [-np.sin(TURN), np.cos(TURN)]]
    return points @ turned, targets


# name -> how it is drawn, classes, points in the pool
PRESETS = {
    "points-arms": (_arms, 3, 450),
    "points-islands": (_islands, 2, 160),
    "points-islands-null": (functools.partial(_islands, share=0.0), 2, 160),
}
TEST = 2000
NAMES = {2: ("circle", "star"), 3: ("circle", "star", "triangle")}


def size(name: str) -> int:
    """Points in the pool of the preset `name`; BadRequest for an unknown one."""
    return _preset(name)[2]


@functools.lru_cache(maxsize=4)
def load(name: str) -> World:
    """The preset `name`, always the same; treat its arrays as read-only. BadRequest for an unknown one."""
    draw, classes, n = _preset(name)
    arrays = []
    for split, count in (("train", n), ("test", TEST)):
        points, targets = draw(count, np.random.default_rng([SEED, split == "test"]))
        arrays += [points.astype(np.float32), targets.astype(np.int64)]
    return World(name, classes, NAMES[classes], *arrays)


def _preset(name: str):
    if name not in PRESETS:
        near = difflib.get_close_matches(str(name), PRESETS, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise BadRequest(f"no world of points {name!r}: {hint}there are {', '.join(PRESETS)}")
    return PRESETS[name]
