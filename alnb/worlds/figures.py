"""Jointed figures before clutter, with MPII's sixteen joints: what stands in for MPII.

An image of 64 x 64 is a pure function of its index. Four of five figures stand upright, more or less; of the others each does
something rare: it lies, stands on its hands, squats or does the splits. A network that has seen few of these misses them.

- `figures`: as above, in the test set as in the pool.
- `figures-null`: all upright, so that no image is of a rare kind.

How hard it is: with Random, on development seed 1000 of the training (`pose_small`, 25 epochs, Adam 5e-3 by a cosine, a pool of
1,000), PCKh@0.5 is 40.4, 53.9 and 55.4 at 100, 250 and 400 labels: a small network from scratch on 64 pixels levels off well under
the 70 where the paper's pretrained ResNet-50 ends on MPII.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alnb.datasets import Info
from alnb.datasets.poses import Pose, Poses
from alnb.errors import BadRequest

SIDE = 64
DRAWN_AT = 3  # times as large, then averaged
RARE = ("lying", "handstand", "squat", "splits")
SHARE = 0.2  # of figures in a rare pose
TRAIN, TEST = 2000, 300
SEED = 21
# lengths, in heights of a figure
THIGH, SHIN, TRUNK, NECK, HEAD, HIP, SHOULDER, UPPER, FORE = 0.25, 0.25, 0.26, 0.05, 0.14, 0.055, 0.1, 0.17, 0.16


def _info(title: str) -> Info:
    return Info(
        title=title, real=False, classes=16, source="embedded", terms="drawn by this package",
        note=f"{SIDE} x {SIDE} images of one figure each", train=TRAIN, test=TEST, task="pose",
    )  # fmt: skip


INFO = {
    "figures": _info("jointed figures, a fifth in rare poses"),
    "figures-null": _info("jointed figures, all upright"),
}


class Drawn:
    """One split; item i is drawn when it is asked for."""

    def __init__(self, rare: float, part: int, count: int):
        self.rare, self.part, self.count = rare, part, count

    def __len__(self):
        return self.count

    def kind(self, i: int) -> str:
        """ "upright" or one of RARE."""
        return _kind(np.random.default_rng((SEED, self.part, i)), self.rare)

    def __getitem__(self, i: int) -> Pose:
        if not 0 <= i < self.count:
            raise IndexError(f"there are {self.count} figures, there is no figure {i}")
        rng = np.random.default_rng((SEED, self.part, i))
        kind = _kind(rng, self.rare)
        height = rng.uniform(38, 52)
        joints = _placed(_skeleton(rng, kind) * height, rng)
        visible = ((joints >= 0) & (joints < SIDE)).all(1)
        head = 0.6 * HEAD * height * np.hypot(1, 2 / 3)  # of the diagonal of a box two thirds as wide as high
        return Pose(_picture(rng, joints, height), joints.astype(np.float32), visible, float(head))


def _kind(rng, rare: float) -> str:
    drawn, which = rng.random(), rng.integers(len(RARE))
    return RARE[which] if drawn < rare else "upright"


def _turned(angle: float):
    """(2,) a step of length 1 that hangs down at angle 0 and points right, in the image, at a quarter turn."""
    return np.array([np.sin(angle), np.cos(angle)])


def _skeleton(rng, kind: str):
    """(16, 2) joints about the pelvis, y down, in heights; the figure's right is on the image's left."""
    lean = rng.normal(0, 0.12)
    spread = {"squat": 1.15, "splits": 1.35}.get(kind, 0.1) + abs(rng.normal(0, 0.12))
    bend = {"squat": -1.2, "splits": 0.0}.get(kind, -0.1) * rng.uniform(0.7, 1.2)
    joints = np.zeros((16, 2))
    up, across = -_turned(lean), np.array([np.cos(lean), -np.sin(lean)])
    joints[7] = TRUNK * up
    joints[8] = joints[7] + NECK * up
    joints[9] = joints[8] + HEAD * -_turned(lean + rng.normal(0, 0.15))
    for side, (ankle, knee, hip, wrist, elbow, shoulder) in ((-1, (0, 1, 2, 10, 11, 12)), (1, (5, 4, 3, 15, 14, 13))):
        joints[hip] = side * HIP * across
        thigh = side * (spread + abs(rng.normal(0, 0.08)))
        joints[knee] = joints[hip] + THIGH * _turned(thigh)
        joints[ankle] = joints[knee] + SHIN * _turned(thigh + side * bend)
        joints[shoulder] = joints[7] + side * SHOULDER * across
        arm = side * (np.pi - abs(rng.normal(0.25, 0.2)) if kind == "handstand" else abs(rng.normal(0.5, 0.5)))
        joints[elbow] = joints[shoulder] + UPPER * _turned(arm)
        joints[wrist] = joints[elbow] + FORE * _turned(arm + side * rng.uniform(-0.3, 1.4) * (kind != "handstand"))
    turn = {"lying": rng.choice([-1, 1]) * np.pi / 2, "handstand": np.pi}.get(kind, 0.0) + rng.normal(0, 0.06)
    turning = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return joints @ turning.T


def _placed(joints, rng):
    """The same in pixels: the middle of what the joints span is near that of the image."""
    middle = (joints.min(0) + joints.max(0)) / 2
    return joints - middle + SIDE / 2 + rng.uniform(-5, 5, 2)


def _colour(rng, low: int = 20, high: int = 235):
    return tuple(int(c) for c in rng.integers(low, high, 3))


def _picture(rng, joints, height: float):
    """(SIDE, SIDE, 3) uint8: clutter, the figure in its clothes, noise."""
    from PIL import Image, ImageDraw

    k = DRAWN_AT
    image = Image.new("RGB", (SIDE * k, SIDE * k), _colour(rng, 60, 200))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(5, 12)):  # boxes and poles, about as thick as limbs
        x, y, w, h = rng.uniform((-0.1, -0.1, 0.03, 0.03), (1.0, 1.0, 0.35, 0.35)) * SIDE * k
        if rng.random() < 0.5:
            draw.rectangle((x, y, x + w, y + h), fill=_colour(rng))
        else:
            draw.line((x, y, x + 3 * (w - h), y + 2 * h), fill=_colour(rng), width=int(rng.uniform(0.05, 0.1) * height * k))
    skin, shirt, trousers = (int(rng.uniform(0.4, 1) * c) for c in (235, 195, 160)), _colour(rng), _colour(rng)
    skin = tuple(skin)
    at = [tuple(joint) for joint in joints * k]

    def limb(a, b, thick, colour):
        width = max(1, round(thick * height * k))
        draw.line((*at[a], *at[b]), fill=colour, width=width)
        for x, y in (at[a], at[b]):
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=colour)

    for ankle, knee, hip in ((0, 1, 2), (5, 4, 3)):
        limb(ankle, knee, 0.055, trousers)
        limb(knee, hip, 0.07, trousers)
    draw.polygon([at[2], at[3], at[13], at[12]], fill=shirt)
    limb(6, 7, 0.13, shirt)
    limb(12, 13, 0.06, shirt)
    limb(7, 8, 0.05, skin)
    for wrist, elbow, shoulder in ((10, 11, 12), (15, 14, 13)):
        limb(elbow, shoulder, 0.055, shirt)
        limb(wrist, elbow, 0.045, skin)
    (x, y), half = (np.array(at[8]) + np.array(at[9])) / 2, HEAD * height * k / 2
    draw.ellipse((x - half * 0.8, y - half, x + half * 0.8, y + half), fill=skin)
    small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
    return (small + rng.normal(0, 6, small.shape)).clip(0, 255).astype(np.uint8)


def load(name: str, root: Path | None = None) -> Poses:
    """The preset `name`; nothing is drawn yet."""
    if name not in INFO:
        raise BadRequest(f"unknown preset {name!r}: there are {', '.join(INFO)}")
    rare = 0.0 if name == "figures-null" else SHARE
    return Poses(name, INFO[name], Drawn(rare, 0, TRAIN), Drawn(rare, 1, TEST))
