"""What the roads are drawn from: a texture, figures as coverage maps, vehicles as convex solids.

All of it is computed, nothing is read. `assets = 1` is another set (other proportions, vehicles and colours), for
pre-training a detector on things that look alike but are not the same.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

TEXELS, LEVELS = 256, 7  # of the texture: a texel of level k is the mean of about 2^k x 2^k
PER_METRE = 40  # texels of level 0
SIDE = 96  # pixels of a figure's finest coverage map; it spans SPAN metres
SPAN = 2.1
PHASES = 8  # of a step
SKIN, HAIR, SHIRT, TROUSERS, SHOES, METAL, TYRE = range(7)
PARTS = 7


@functools.cache
def texture() -> np.ndarray:
    """(LEVELS, TEXELS, TEXELS) float32: one tiling noise, mean 0, deviation 1 at level 0, and its blurred versions."""
    rng = np.random.default_rng(8)
    noise = np.zeros((TEXELS, TEXELS), np.float32)
    for octave, weight in ((1, 0.5), (2, 0.8), (4, 1.0), (8, 1.0), (16, 0.9), (32, 0.8)):
        noise += weight * _smooth(rng.standard_normal((TEXELS, TEXELS), np.float32), octave)
    noise = (noise - noise.mean()) / noise.std()
    return np.stack([noise, *(_smooth(noise, 2**k, scale=False) for k in range(1, LEVELS))]).astype(np.float32)


def _smooth(values, reach, scale=True):
    """Two box blurs of side `reach` along both axes, wrapped around; `scale`: back to deviation 1."""
    for axis in (0, 1, 0, 1):
        total = np.cumsum(np.concatenate([values, np.take(values, range(reach), axis)], axis), axis, dtype=np.float64)
        start = np.take(total, range(values.shape[axis]), axis)
        values = np.take(total, range(reach, reach + values.shape[axis]), axis) - start
        values = np.roll(values / reach, (reach + 1) // 2, axis)
    return values / values.std() if scale else values


# --- figures ------------------------------------------------------------------------------------------------


class _Canvas:
    """Coverage (PARTS, SIDE, SIDE) of what is painted over one another, metres: x from -SPAN / 2, y from 0 upwards."""

    def __init__(self):
        at = (np.arange(SIDE) + 0.5) / SIDE * SPAN
        self.x, self.y = at[None] - SPAN / 2, at[::-1, None]
        self.cover = np.zeros((PARTS, SIDE, SIDE), np.float32)

    def paint(self, part, distance):
        """`distance`: metres to the shape, negative inside."""
        alpha = np.clip(0.5 - distance * SIDE / SPAN, 0, 1)
        self.cover *= 1 - alpha
        self.cover[part] += alpha

    def limb(self, part, x0, y0, x1, y1, r0, r1=None):
        """A rounded stroke from (x0, y0) to (x1, y1), its radius from r0 to r1."""
        dx, dy = x1 - x0, y1 - y0
        along = np.clip(((self.x - x0) * dx + (self.y - y0) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
        radius = r0 + ((r0 if r1 is None else r1) - r0) * along
        self.paint(part, np.hypot(self.x - x0 - along * dx, self.y - y0 - along * dy) - radius)

    def ring(self, part, x, y, radius, half, squeeze=1.0):
        self.paint(part, np.abs(np.hypot((self.x - x) / squeeze, self.y - y) - radius) - half)

    def head(self, x, y, r, view="front"):
        self.limb(HAIR, x, y + 0.03, x, y, r * 1.08)
        if view != "back":
            self.limb(SKIN, x + 0.01, y - 0.03, x + 0.01, y - 0.05, r * 0.86)


def _walker(view, phase, build):
    canvas, swing = _Canvas(), np.sin(2 * np.pi * phase / PHASES)
    wide = build
    if view == "side":
        for sign in (-1, 1):
            reach, lift = 0.34 * swing * sign, 0.05 * max(0.0, np.cos(2 * np.pi * phase / PHASES) * sign)
            canvas.limb(TROUSERS, 0, 0.9, reach * 0.55 + 0.03, 0.48, 0.1 * wide, 0.075)
            canvas.limb(TROUSERS, reach * 0.55 + 0.03, 0.48, reach - 0.02, 0.1 + lift, 0.075, 0.055)
            canvas.limb(SHOES, reach - 0.03, 0.05 + lift, reach + 0.12, 0.04 + lift, 0.05)
        canvas.limb(SHIRT, 0, 0.95, 0.02, 1.38, 0.13 * wide, 0.14 * wide)
        canvas.limb(SHIRT, 0.01, 1.36, -0.2 * swing, 1.08, 0.06, 0.05)
        canvas.limb(SKIN, -0.2 * swing, 1.06, -0.3 * swing + 0.06, 0.86, 0.04)
        canvas.head(0.04, 1.63, 0.115)
    else:
        for sign in (-1, 1):
            lift = 0.07 * max(0.0, swing * sign)
            canvas.limb(TROUSERS, sign * 0.09, 0.88, sign * 0.1, 0.1 + lift, 0.1 * wide, 0.06)
            canvas.limb(SHOES, sign * 0.1, 0.05 + lift, sign * 0.12, 0.05 + lift, 0.06)
            canvas.limb(SHIRT, sign * 0.21 * wide, 1.36, sign * 0.27 * wide, 1.08 + lift, 0.06, 0.05)
            canvas.limb(SKIN, sign * 0.27 * wide, 1.05 + lift, sign * 0.26 * wide, 0.86 + lift, 0.04)
        canvas.limb(SHIRT, 0, 0.95, 0, 1.32, 0.17 * wide, 0.2 * wide)
        canvas.head(0, 1.63, 0.115, view)
    return canvas.cover


def _cyclist(view, phase, build):
    canvas, turn = _Canvas(), 2 * np.pi * phase / PHASES
    if view == "side":
        for x in (-0.52, 0.52):
            canvas.ring(TYRE, x, 0.34, 0.31, 0.035)
        pedal = (0.14 * np.cos(turn), 0.3 + 0.14 * np.sin(turn))
        for x0, y0, x1, y1 in ((-0.52, 0.34, 0, 0.3), (0, 0.3, 0.42, 0.8), (-0.14, 0.8, 0.42, 0.8), (-0.52, 0.34, -0.14, 0.8),
                               (0, 0.3, -0.16, 0.86), (0.42, 0.8, 0.52, 0.34), (0.42, 0.8, 0.4, 1.0)):  # fmt: skip
            canvas.limb(METAL, x0, y0, x1, y1, 0.028)
        for sign in (-1, 1):
            foot = sign * pedal[0], 0.3 + sign * (pedal[1] - 0.3)
            knee = 0.2 + 0.25 * foot[0], 0.62 + 0.5 * (foot[1] - 0.3)
            canvas.limb(TROUSERS, -0.14, 0.95, *knee, 0.1 * build, 0.075)
            canvas.limb(TROUSERS, *knee, foot[0], foot[1] + 0.08, 0.07, 0.05)
            canvas.limb(SHOES, foot[0] - 0.02, foot[1] + 0.02, foot[0] + 0.11, foot[1] + 0.03, 0.045)
        canvas.limb(SHIRT, -0.14, 1.0, 0.14, 1.4, 0.13 * build, 0.14 * build)
        canvas.limb(SHIRT, 0.16, 1.38, 0.3, 1.14, 0.055)
        canvas.limb(SKIN, 0.3, 1.14, 0.44, 1.02, 0.04)
        canvas.head(0.24, 1.64, 0.12)
    else:
        canvas.limb(TYRE, 0, 0.06, 0, 0.62, 0.055)
        canvas.limb(METAL, 0, 0.5, 0, 0.95, 0.03)
        canvas.limb(METAL, -0.27, 1.0, 0.27, 1.0, 0.03)
        for sign in (-1, 1):
            up = 0.12 * np.sin(turn) * sign
            canvas.limb(TROUSERS, sign * 0.1, 0.95, sign * 0.14, 0.6 + up, 0.1 * build, 0.08)
            canvas.limb(TROUSERS, sign * 0.14, 0.6 + up, sign * 0.11, 0.3 + up, 0.07, 0.05)
            canvas.limb(SHOES, sign * 0.11, 0.24 + up, sign * 0.13, 0.23 + up, 0.055)
            canvas.limb(SHIRT, sign * 0.2 * build, 1.36, sign * 0.27, 1.06, 0.06, 0.05)
        canvas.limb(SHIRT, 0, 1.02, 0, 1.36, 0.17 * build, 0.19 * build)
        canvas.head(0, 1.65, 0.12, view)
    return canvas.cover


def _wheelchair(view, phase, build):
    canvas, push = _Canvas(), 0.1 * np.sin(2 * np.pi * phase / PHASES)
    if view == "side":
        canvas.limb(METAL, -0.3, 0.95, -0.24, 0.5, 0.03)
        canvas.limb(METAL, -0.38, 0.95, -0.3, 0.95, 0.03)
        canvas.limb(METAL, -0.24, 0.5, 0.24, 0.5, 0.045)
        canvas.limb(METAL, 0.24, 0.5, 0.42, 0.12, 0.03)
        canvas.limb(TROUSERS, -0.12, 0.62, 0.28, 0.64, 0.1 * build, 0.085)
        canvas.limb(TROUSERS, 0.28, 0.62, 0.38, 0.2, 0.07, 0.055)
        canvas.limb(SHOES, 0.36, 0.14, 0.5, 0.13, 0.05)
        canvas.limb(SHIRT, -0.15, 0.65, -0.1, 1.05, 0.14 * build, 0.14 * build)
        canvas.ring(TYRE, -0.12, 0.31, 0.28, 0.032)
        canvas.ring(TYRE, 0.36, 0.09, 0.06, 0.03)
        canvas.limb(SHIRT, -0.1, 1.02, -0.06 + push, 0.78, 0.055)
        canvas.limb(SKIN, -0.06 + push, 0.78, 0.04 + push, 0.6, 0.04)
        canvas.head(-0.04, 1.28, 0.115)
    else:
        for sign in (-1, 1):
            canvas.ring(TYRE, sign * 0.31, 0.31, 0.26, 0.045, squeeze=0.13)
            canvas.limb(METAL, sign * 0.23, 0.9, sign * 0.23, 0.45, 0.03)
            canvas.limb(TROUSERS, sign * 0.1, 0.6, sign * 0.11, 0.2, 0.09, 0.06)
            canvas.limb(SHOES, sign * 0.11, 0.13, sign * 0.12, 0.13, 0.06)
        canvas.limb(METAL, -0.24, 0.48, 0.24, 0.48, 0.05)
        canvas.limb(SHIRT, 0, 0.66, 0, 1.0, 0.18 * build, 0.2 * build)
        for sign in (-1, 1):
            canvas.limb(SHIRT, sign * 0.21 * build, 1.02, sign * 0.3, 0.75 + push, 0.055)
            canvas.limb(SKIN, sign * 0.3, 0.75 + push, sign * 0.31, 0.6 + push, 0.04)
        canvas.head(0, 1.28, 0.115, view)
    return canvas.cover


FIGURES = {"pedestrian": _walker, "cyclist": _cyclist, "wheelchair": _wheelchair}
BUILDS = ((0.92, 1.1), (0.75, 1.35))  # slim and stout, of each set of assets


@dataclass(frozen=True)
class Card:
    """Coverage (parts, h, w) float32 of a figure: of its finest pixels, and its mean over 2 x 2, 4 x 4, ... of them, cut to
    what is not empty: x from x0 to x1, y from y0 up to y1, in spans, x = 0 in the middle. Parts sum to the opacity."""

    levels: tuple[np.ndarray, ...]
    x0: float
    x1: float
    y0: float
    y1: float


def _card(cover: np.ndarray) -> Card:
    """The card of a canvas' coverage (parts, SIDE, SIDE); it is cut at multiples of 16 pixels, so that all levels are."""
    cells = cover.sum(0).reshape(SIDE // 16, 16, SIDE // 16, 16).max((1, 3)) > 1e-3
    rows, cols = (np.flatnonzero(cells.any(axis)) for axis in (1, 0))
    (top, bottom), (left, right) = (16 * part[[0, -1]] + (0, 16) for part in (rows, cols))
    levels = [cover[:, top:bottom, left:right].astype(np.float32)]
    while len(levels) < 5:
        c, h, w = levels[-1].shape
        levels.append(levels[-1].reshape(c, h // 2, 2, w // 2, 2).mean((2, 4)))
    edges = left / SIDE - 0.5, right / SIDE - 0.5, 1 - bottom / SIDE, 1 - top / SIDE
    return Card(tuple(levels), *(float(edge) for edge in edges))


@functools.cache
def figure(kind: str, view: str, phase: int, stout: int, assets: int) -> Card:
    """kind: pedestrian, cyclist, wheelchair; view: side (towards +x), front or back."""
    return _card(FIGURES[kind](view, phase, BUILDS[assets][stout]))


@functools.cache
def plant(kind: str, variant: int) -> Card:
    """Trunk and leaves; kind: round, tall, bush, bare."""
    rng = np.random.default_rng([9, variant, ["round", "tall", "bush", "bare"].index(kind)])
    canvas = _Canvas()
    x, y = canvas.x / SPAN * 2, canvas.y / SPAN  # -1..1, 0..1
    trunk = np.clip(0.5 - (np.hypot(x, 0 * y) - 0.045) * 40, 0, 1) * (y < 0.6)
    leaves = np.zeros((SIDE, SIDE))
    cx, cy, wide, high = {"round": (0, 0.66, 0.8, 0.3), "tall": (0, 0.58, 0.36, 0.4), "bush": (0, 0.45, 0.9, 0.42),
                          "bare": (0, 0.66, 0.8, 0.3)}[kind]  # fmt: skip
    for _ in range(26):
        angle, out = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform(0, 1)) * 0.75
        px, py, r = cx + wide * out * np.cos(angle), cy + high * out * np.sin(angle), rng.uniform(0.2, 0.38)
        leaves = np.maximum(leaves, np.clip(0.5 - (np.hypot((x - px) / wide, (y - py) / high) - r) * 12, 0, 1))
    if kind == "bush":
        trunk *= 0
    if kind == "bare":  # in winter: twigs
        leaves *= texture()[1, :SIDE, :SIDE] > 0.55
    return _card(np.stack([trunk * (1 - leaves), leaves]))


@functools.cache
def prop(kind: str, variant: int) -> Card:
    """A thing that stands there."""
    if kind == "poster":  # a person, printed on a board
        return _card(_poster())
    canvas = _Canvas()
    if kind == "lamp":
        reach = 0.42 * (1 - 2 * variant)
        canvas.limb(0, 0, 0, 0, 1.95, 0.026, 0.016)
        canvas.limb(0, 0, 1.95, reach, 2.0, 0.016)
        canvas.limb(1, reach, 1.98, reach * 1.25, 1.98, 0.03)
    elif kind == "sign":
        canvas.limb(0, 0, 0, 0, 1.9, 0.024)
        canvas.limb(1, 0, 1.72, 0, 1.72, 0.27)
        canvas.limb(2, 0, 1.72, 0, 1.72, 0.17)
    elif kind == "signal":
        canvas.limb(0, 0, 0, 0, 1.6, 0.03)
        canvas.paint(1, np.maximum(np.abs(canvas.x) - 0.11, np.abs(canvas.y - 1.72) - 0.28))
        canvas.limb(2, 0, 1.9, 0, 1.9, 0.06)
    elif kind == "pillar":
        canvas.paint(0, np.maximum(np.abs(canvas.x) - 0.34, np.abs(canvas.y - 0.85) - 0.85))
        canvas.paint(2, np.maximum(np.abs(canvas.x + 0.05) - 0.2, np.abs(canvas.y - 1.1) - 0.35))
        canvas.limb(1, -0.25, 1.74, 0.25, 1.74, 0.11)
    elif kind == "hydrant":
        canvas.limb(0, 0, 0.1, 0, 0.85, 0.14)
        canvas.limb(1, -0.16, 0.6, 0.16, 0.6, 0.07)
        canvas.limb(0, 0, 0.9, 0, 1.0, 0.1)
    else:  # a bin
        canvas.paint(0, np.maximum(np.abs(canvas.x) - 0.3, np.abs(canvas.y - 0.5) - 0.5))
        canvas.paint(1, np.maximum(np.abs(canvas.x) - 0.34, np.abs(canvas.y - 1.05) - 0.06))
    return _card(canvas.cover[: {"lamp": 2, "hydrant": 2, "bin": 2}.get(kind, 3)])


def _poster():
    canvas = _Canvas()
    canvas.paint(0, np.maximum(np.abs(canvas.x) - 0.5, np.abs(canvas.y - 1.05) - 0.92))
    board = canvas.cover[0]
    person = _walker("front", 0, 1.0) * board
    return np.concatenate([(board * (1 - person.sum(0)))[None], person])


# --- vehicles -----------------------------------------------------------------------------------------------


CLEAR = 0.19  # metres between the road and a vehicle's body


@dataclass(frozen=True)
class Vehicle:
    """Sizes in metres; z runs forwards from the middle, y up from the ground."""

    length: float
    width: float
    height: float
    belt: float  # height of the lower edge of the windows
    bonnet: float  # z at which the windscreen starts
    boot: float  # z at which the rear window starts
    slope: tuple[float, float]  # how far windscreen and rear window lean, metres
    wheel: float = 0.31

    @functools.cached_property
    def solids(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """[(normals (n, 3), offsets (n,))]: body and cabin; a point p is inside where normals @ p <= offsets."""
        half, wide, belt, rise = self.length / 2, self.width / 2, self.belt, self.height - self.belt
        front, rear = self.slope
        sides, bevel = rise * (wide - 0.04) + 0.22 * belt, 0.8 * belt + 0.6 * half - 0.09
        body = [(1, 0, 0, wide), (-1, 0, 0, wide), (0, 1, 0, belt), (0, -1, 0, -CLEAR), (0, 0, 1, half), (0, 0, -1, half),
                (0, 0.8, 0.6, bevel), (0, 0.8, -0.6, bevel)]  # fmt: skip
        cabin = [(rise, 0.22, 0, sides), (-rise, 0.22, 0, sides), (0, 1, 0, self.height), (0, -1, 0, -belt + 0.02),
                 (0, front, rise, rise * self.bonnet + front * belt),
                 (0, rear, -rise, -rise * self.boot + rear * belt)]  # fmt: skip
        return [(part[:, :3], part[:, 3]) for part in (np.array(body, np.float32), np.array(cabin, np.float32))]


VEHICLES = (
    (
        Vehicle(4.3, 1.76, 1.46, 0.88, 1.0, -2.0, (0.75, 0.35)),  # hatchback
        Vehicle(4.7, 1.82, 1.44, 0.88, 1.0, -1.55, (0.8, 0.7)),  # saloon
        Vehicle(4.6, 1.9, 1.72, 1.02, 1.15, -2.2, (0.6, 0.25), 0.36),  # off-road
        Vehicle(3.6, 1.64, 1.5, 0.9, 1.0, -1.75, (0.6, 0.2), 0.28),  # small
    ),
    (
        Vehicle(4.9, 1.95, 2.0, 1.1, 2.0, -2.4, (0.5, 0.05), 0.33),  # van
        Vehicle(5.3, 1.95, 1.8, 1.05, 1.1, -0.6, (0.5, 0.1), 0.4),  # pick-up
        Vehicle(4.2, 1.85, 1.2, 0.8, 0.6, -1.3, (0.9, 0.9), 0.32),  # sports car
        Vehicle(3.2, 1.55, 1.6, 0.85, 1.3, -1.55, (0.4, 0.1), 0.26),  # box on wheels
    ),
)


def _colours(*rows: str) -> tuple[np.ndarray, ...]:
    """A table (n, 3) of colours a row of hexadecimal numbers."""
    return tuple(np.array([tuple(bytes.fromhex(one)) for one in row.split()], np.float32) for row in rows)


PAINTS = _colours(
    "c8c8cc 2d2f34 961c20 243e76 767a80 e8e8e4 465c4a b0966e",
    "d6b41e 1e783c d26018 783c82 5aaabe 3c2824 dc8ca0 f0f0fa",
)
CLOTHES = _colours(
    "3c4660 962c2e d0ccc4 303032 546e54 be9e58 6e5478 4682a0",
    "e65a28 28a096 f0dc3c b43ca0 5ac85a fafafa 1e3cc8 82461e",
)
SKINS = np.array([(226, 184, 152), (196, 146, 110), (142, 98, 70), (92, 62, 46)], np.float32)
HAIRS = np.array([(40, 30, 26), (92, 62, 36), (170, 140, 90), (120, 118, 116)], np.float32)
