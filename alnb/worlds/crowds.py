"""Crowds in perspective, a dot on every head: a stand-in for counting people in photographs of streets.

Image `index` of a split is a pure function of (seed, preset, split, index). How many people it holds is log-normal, cut to a
range; a camera with a height, a tilt and a lens looks at a square, a street or steps; people stand in groups and alone, farther
before nearer, so that the nearer hide the farther but for their heads' dots, which are all annotated. Lamps, bollards and
trees look a little like heads; light, haze and noise differ from image to image.

Presets
- `crowds`: 128 x 96 px, 10 to 580 people, mean 120 (ShanghaiTech Part B has 9 to 578, mean 123), 400 images to learn from as
  there, 200 to test on.
- `crowds-small`: a quarter of the pixels and of the people, 160 and 80 images: for a lesson.
- `crowds-null`: as `crowds`, but each image has about as many people, seen by the same camera in the same light: none has more
  to teach than another.

How hard it is: fixed with Random alone, before any method under test ran; development seeds 1000 and 1001 of the training,
counting_small, 20 epochs of Adam at 0.003 in batches of 4 (profile `world`). Mean absolute error in people, seed 1000, at
20, 40, 60, 80 and 100 labels: Random 25.0 20.5 23.2 17.4 16.3; "sees errors", which asks for the largest error of the
count, 25.0 23.8 19.9 25.6 15.4. A training's own chance is worth some people, so a seed tells little. With 30 epochs Random
has 27.9, 17.2 and, all labels, 13.0 at 20, 100 and 400.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alnb.datasets import Info, channel_statistics
from alnb.datasets.heads import TASK, Heads

SEED = 17
FINE = 3  # drawn so much finer, then averaged
SPREAD, CUT = 0.75, 1.06  # of the logarithm of a count; what cutting the largest takes from the mean
FAR = 4.5  # the farthest person is so many times as far as the nearest


@dataclass(frozen=True)
class Preset:
    """width, height in px; counts between fewest and most, mean about `mean`; train, test images."""

    width: int = 128
    height: int = 96
    fewest: int = 10
    most: int = 580
    mean: float = 120.0
    train: int = 400
    test: int = 200
    null: bool = False


PRESETS = {
    "crowds": Preset(),
    "crowds-small": Preset(64, 48, 5, 145, 30.0, 160, 80),
    "crowds-null": Preset(null=True),
}

SKIN = np.array([[236, 196, 170], [214, 166, 132], [172, 120, 88], [120, 82, 60], [84, 58, 44]])
HAIR = np.array([[34, 28, 26], [60, 42, 30], [104, 76, 48], [150, 142, 136], [180, 150, 96], [26, 26, 34]])
CLOTH = np.array([
    [40, 42, 52], [70, 74, 86], [120, 124, 130], [200, 200, 198], [232, 228, 220], [150, 40, 44], [52, 76, 130], [70, 110, 90],
    [176, 140, 70], [96, 70, 110], [30, 60, 70], [196, 110, 120],
])  # fmt: skip


# --- one image ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Camera:
    """Rows are fractions of the image's height: a person `depth` times as far as the nearest stands at `foot(depth)`, and is
    `tall / depth` high."""

    horizon: float
    tall: float

    def foot(self, depth):
        return self.horizon + (1.02 - self.horizon) / depth


def count_of(preset: Preset, rng) -> int:
    """People in an image: log-normal of mean `mean`, drawn again outside the range."""
    if preset.null:
        return int(rng.integers(round(0.9 * preset.mean), round(1.1 * preset.mean) + 1))
    while True:
        count = round(CUT * preset.mean * math.exp(SPREAD * rng.standard_normal() - SPREAD**2 / 2))
        if preset.fewest <= count <= preset.most:
            return count


def draw(name: str, split: int, index: int):
    """((3, H, W) uint8, (n, 2) float32 x and y of the heads in pixels) of image `index`; split: 0 training, 1 test."""
    from PIL import Image, ImageDraw

    preset = PRESETS[name]
    rng = np.random.default_rng([SEED, list(PRESETS).index(name), split, index])
    count = count_of(preset, rng)
    crowding = count / preset.mean
    look = np.random.default_rng(SEED) if preset.null else rng  # the same camera and light
    camera = Camera(
        horizon=look.uniform(0.06, 0.3),
        tall=look.uniform(0.24, 0.4) * min(1.3, max(0.55, crowding**-0.3)),  # of many people one stands farther away
    )
    wide, high = preset.width * FINE, preset.height * FINE
    picture = Image.new("RGB", (wide, high))
    pen = ImageDraw.Draw(picture)
    _scenery(pen, camera, wide, high, look)
    depth, x = _places(count, rng)
    foot, tall = camera.foot(depth) * high, camera.tall / depth * high
    people = _people(foot, x * wide, tall, rng)
    things = [(d, draw_one, args) for d, draw_one, args in zip(depth, [_person] * count, people)]
    for d in rng.uniform(1.1, FAR, rng.integers(3, 9)):
        things.append((d, _thing, (rng.uniform(0, 1) * wide, camera.foot(d) * high, camera.tall / d * high, rng)))
    for _, draw_one, args in sorted(things, key=lambda one: -one[0]):
        draw_one(pen, *args)
    heads = np.array([person[0] for person in people])
    small = np.asarray(picture.reduce(FINE), dtype=float)
    gain, haze = look.uniform(0.7, 1.1), look.uniform(0, 0.35)
    rows = np.arange(preset.height) / preset.height
    fog = haze * np.clip(1 - (rows - camera.horizon) / 0.5, 0, 1)[:, None, None]
    lit = gain * small * np.array(look.uniform(0.92, 1.06, 3)) * (1 - fog) + fog * 205
    noisy = lit + rng.normal(0, look.uniform(2, 7), lit.shape)
    image = noisy.round().clip(0, 255).astype(np.uint8).transpose(2, 0, 1)
    edge = np.array([preset.width, preset.height], np.float32)
    return image, np.clip(heads / FINE, 0, edge - 0.01).astype(np.float32)


def _places(count: int, rng):
    """(count,) depths, 1 to FAR, and x in the image, 0 to 1: two of three people in groups, the others alone."""
    alone = rng.random(count) < 1 / 3
    depth, x = FAR ** rng.beta(1.6, 1.0, count), rng.uniform(0.01, 0.99, count)
    groups = 1 + count // 12
    centre, beside = FAR ** rng.beta(1.6, 1.0, groups), rng.uniform(0.05, 0.95, groups)
    own = rng.integers(groups, size=count)
    near = centre[own] * np.exp(0.16 * rng.standard_normal(count))
    spread = 0.14 / centre[own]
    depth = np.where(alone, depth, near).clip(1, FAR)
    x = np.where(alone, x, beside[own] + spread * rng.standard_normal(count))
    return depth, np.where((x > 0.01) & (x < 0.99), x, rng.uniform(0.01, 0.99, count))


def _people(foot, x, tall, rng) -> list[tuple]:
    """What `_person` draws of each: the middle of the head, its diameter, shoulders, feet, colours, whether the face shows, and
    whether there is a hat. foot, x, tall (n,) in pixels."""
    n = len(x)
    wide, head = tall * rng.uniform(0.24, 0.31, n), tall * rng.uniform(0.145, 0.17, n)
    stoop, turned, hat = rng.normal(0, 0.03, n) * tall, rng.random(n) < 0.55, rng.random(n) < 0.12
    shade = rng.uniform(0.75, 1.05, (n, 1))
    coloured = lambda palette, vary: (palette[rng.integers(len(palette), size=n)] + rng.integers(-vary, vary + 1, (n, 3))) * shade
    skin, hair, top, legs = (coloured(p, v) for p, v in ((SKIN, 4), (HAIR, 4), (CLOTH, 14), (CLOTH * 0.7, 10)))
    colours = np.stack([skin, hair, top, legs, 0.8 * top], 1).clip(0, 255).astype(int)
    middle = np.stack([x + stoop, foot - tall + head / 2], 1)
    return list(zip(middle.tolist(), head.tolist(), wide.tolist(), x.tolist(), foot.tolist(), tall.tolist(),
                    [[tuple(c) for c in own] for own in colours.tolist()], turned.tolist(), hat.tolist()))  # fmt: skip


def _person(pen, middle, head, wide, x, foot, tall, colours, turned, hat):
    skin, hair, top, legs, band = colours
    hip, neck, at = foot - 0.47 * tall, foot - tall + head, (x + middle[0]) / 2
    pen.ellipse((x - 0.7 * wide, foot - 0.05 * tall, x + 1.1 * wide, foot + 0.04 * tall), fill=(62, 62, 66))
    pen.rectangle((x - 0.3 * wide, hip - 1, x + 0.3 * wide, foot), fill=legs)
    pen.ellipse((at - wide / 2, neck, at + wide / 2, neck + wide), fill=top)  # shoulders
    pen.rectangle((at - wide / 2, neck + wide / 2, at + wide / 2, hip), fill=top)
    cx, cy = middle
    pen.ellipse((cx - head / 2, cy - head / 2, cx + head / 2, cy + head / 2), fill=hair)
    if turned:  # towards us: a face below the hair
        r, low = 0.36 * head, cy + 0.16 * head
        pen.ellipse((cx - r, low - r, cx + r, low + r), fill=skin)
    if hat:
        pen.rectangle((cx - 0.62 * head, cy - 0.4 * head, cx + 0.62 * head, cy - 0.15 * head), fill=band)


def _thing(pen, x, foot, tall, rng):
    """A lamp, a bollard, a tree or a sign: round things on posts."""
    kind, thick = rng.integers(4), max(1.0, 0.05 * tall)
    grey = int(rng.integers(50, 130))
    if kind == 0:
        pen.rectangle((x - thick / 2, foot - 1.7 * tall, x + thick / 2, foot), fill=(grey, grey, grey))
        r = 0.11 * tall
        pen.ellipse((x - r, foot - 1.7 * tall - r, x + r, foot - 1.7 * tall + r), fill=(235, 228, 200))
    elif kind == 1:
        r = 0.09 * tall
        pen.rectangle((x - 0.6 * r, foot - 0.5 * tall, x + 0.6 * r, foot), fill=(grey, grey, grey + 10))
        pen.ellipse((x - r, foot - 0.5 * tall - r, x + r, foot - 0.5 * tall + r), fill=(grey // 2, grey // 2, grey // 2))
    elif kind == 2:
        pen.rectangle((x - thick, foot - 1.2 * tall, x + thick, foot), fill=(86, 66, 48))
        for _ in range(9):
            cx, cy, r = x + 0.4 * tall * rng.standard_normal(), foot - (1.5 + 0.25 * rng.standard_normal()) * tall, 0.28 * tall
            green = int(rng.integers(70, 120))
            pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=(green - 30, green, green - 40))
    else:
        board = tuple(CLOTH[rng.integers(len(CLOTH))].tolist())
        pen.rectangle((x - 0.3 * tall, foot - 0.9 * tall, x + 0.3 * tall, foot - 0.3 * tall), fill=board)
        pen.rectangle((x - thick / 2, foot - 0.3 * tall, x + thick / 2, foot), fill=(grey, grey, grey))


def _scenery(pen, camera, wide, high, rng):
    """Sky, house fronts with windows, and a paved ground whose joints run to the vanishing point."""
    line = camera.horizon * high
    sky = int(rng.integers(150, 225))
    pen.rectangle((0, 0, wide, line + 1), fill=(sky - 12, sky, min(255, sky + 16)))
    x = -0.05 * wide
    while x < wide:
        breadth, top = rng.uniform(0.12, 0.3) * wide, line - rng.uniform(0.1, 1.0) * line
        front = rng.integers(95, 190, 3) * 0.5 + rng.integers(100, 180) * 0.5
        pen.rectangle((x, top, x + breadth, line + 0.03 * high), fill=tuple(int(c) for c in front))
        step, pane = 0.034 * wide, tuple(int(c * 0.55) for c in front)
        for wx in np.arange(x + step / 2, x + breadth - step / 2, step):
            for wy in np.arange(top + step / 2, line - step / 2, step * 1.3):
                pen.rectangle((wx, wy, wx + 0.45 * step, wy + 0.7 * step), fill=pane)
        x += breadth
    ground = rng.integers(110, 170) + rng.integers(-12, 13, 3)
    pen.rectangle((0, line + 0.03 * high, wide, high), fill=tuple(int(c) for c in ground))
    joint = tuple(int(c * rng.uniform(0.82, 0.94)) for c in ground)
    centre = rng.uniform(0.3, 0.7) * wide
    for slope in np.linspace(-4, 4, 25):
        pen.line((centre, line, centre + slope * wide, line + high), fill=joint, width=FINE // 2)
    for depth in np.geomspace(1, 8, 16):
        y = camera.foot(depth) * high
        pen.line((0, y, wide, y), fill=joint, width=FINE // 2)


# --- a dataset --------------------------------------------------------------------------------------------------------------

INFO = {
    name: Info(
        title=f"crowds drawn by a program, {preset.width} x {preset.height} px", real=False, classes=1, source="embedded",
        terms="drawn here (MIT), free to use", train=preset.train, test=preset.test, task=TASK,
        note="null: about as many people in each, one camera" if preset.null
        else f"{preset.fewest} to {preset.most} people, mean about {preset.mean:g}",
    )
    for name, preset in PRESETS.items()
}  # fmt: skip


def load(name: str, root: Path) -> Heads:
    """A preset, always the same. root is not used."""
    preset = PRESETS[name]
    parts = []
    for split, size in enumerate((preset.train, preset.test)):
        images, points = zip(*(draw(name, split, index) for index in range(size)))
        parts += [np.stack(images), list(points)]
    return Heads(name, INFO[name], *parts, *channel_statistics(parts[0]), flip=True)
