"""The camera, what it has seen so far, and the two things that every surface is drawn with: a texture and stripes."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from alnb.worlds.roads import assets
from alnb.worlds.roads.scene import Scene

EYE = 1.4  # metres above the road
NEAR = 1.6  # metres: nothing nearer is drawn
ENDLESS = 1e4  # depth of the sky, metres


@dataclass(frozen=True)
class Camera:
    """A pinhole that looks along +z; swaying moves its principal point."""

    width: int
    height: int
    f: float  # pixels
    x: float
    z: float
    cx: float
    cy: float

    @functools.cached_property
    def right(self) -> np.ndarray:
        """(W,) float32: how far to the right a column looks, per metre ahead."""
        return (np.arange(self.width, dtype=np.float32) + 0.5 - self.cx) / self.f

    @functools.cached_property
    def up(self) -> np.ndarray:
        """(H,) float32: how far up a row looks, per metre ahead."""
        return (self.cy - np.arange(self.height, dtype=np.float32) - 0.5) / self.f

    def u(self, x, depth):
        return self.cx + self.f * (x - self.x) / depth

    def v(self, y, depth):
        return self.cy - self.f * (y - EYE) / depth

    def window(self, u0, v0, u1, v1) -> tuple[slice, slice] | None:
        """The rows and columns whose centres lie within; None if there are none in the image."""
        left, right = max(math.ceil(u0 - 0.5), 0), min(math.floor(u1 - 0.5) + 1, self.width)
        top, bottom = max(math.ceil(v0 - 0.5), 0), min(math.floor(v1 - 0.5) + 1, self.height)
        return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None


def camera(scene: Scene, t: float, width: int, height: int, focal: float) -> Camera:
    """The camera at frame t; focal: focal length in image widths. Plain floats: arrays stay float32."""
    f, s, w = focal * width, t / scene.fps, scene.wobble
    pitch = 0.004 * math.sin(7.0 * s + w[2]) + 0.003 * math.sin(2.3 * s + w[3])
    yaw = 0.012 * math.sin(0.6 * s + w[4])
    x, z = scene.ego(t)
    return Camera(width, height, f, x, z, float(width / 2 - f * yaw), float(0.44 * height + f * pitch))


@dataclass
class Buffers:
    """What is drawn so far, (H, W) each."""

    rgb: np.ndarray  # (H, W, 3) float32, 0 to 255
    depth: np.ndarray  # float32, metres
    instances: np.ndarray  # int32
    semantics: np.ndarray  # uint8
    glow: np.ndarray | None  # float32 0 to 1: how little the night darkens it; None by day


def noise(a, b, pixel, scale: float = 1.0) -> np.ndarray:
    """The texture at (a, b) metres, blurred over as much as a pixel covers, metres; arrays that broadcast, float32."""
    table = assets.texture()
    step = assets.PER_METRE * scale
    if isinstance(pixel, float):
        level = min(int(math.log2(max(pixel * step, 1))), assets.LEVELS - 1)
    else:
        level = np.minimum(np.log2(np.maximum(pixel * step, 1)), assets.LEVELS - 1).astype(np.int32)
    at = (np.floor(a * step).astype(np.int32) & 255) * 256 + (np.floor(b * step).astype(np.int32) & 255)
    return table[level].ravel()[at] if isinstance(level, int) else table.ravel()[level * 65536 + at]


def ramp(value) -> np.ndarray:
    """0 below -1/2, 1 above 1/2, straight between: the share of a pixel behind an edge at distance `value` pixels."""
    return np.minimum(np.maximum(value + 0.5, 0), 1)


def stripe(at, low, high, blur) -> np.ndarray:
    """The share of a pixel as wide as `blur` around `at` that lies within [low, high]."""
    return ramp((high - at) / blur) - ramp((low - at) / blur)
