"""What a camera does to its pictures, and the street that it sees."""

from __future__ import annotations

import functools

import numpy as np

from alnb.worlds.pedestrians.walks import CAMERA, STREET, generator

POLE, WALL, BUSH = range(3)
STREET_SIZE = (96, 128)  # pixels of a street, which goes round; a box of 64 x 32 shows about as many of it


@functools.lru_cache(maxsize=64)
def camera_of(preset, seed, camera):
    rng = generator(seed, preset, CAMERA, camera)
    mix = np.eye(3) + preset.cast / 3 * rng.standard_normal((3, 3))
    hides = int(rng.random() * 3)
    colour = [[0.35, 0.35, 0.37], [0.55, 0.50, 0.45], [0.20, 0.34, 0.16]][hides]
    return {
        "gain": np.exp(preset.cast * rng.standard_normal(3)), "mix": mix / mix.sum(1, keepdims=True),
        "gamma": np.exp(preset.cast * rng.standard_normal()), "light": 0.3 * rng.standard_normal(2).clip(-1, 1),
        "noise": 0.01 + 0.02 * rng.random(), "blur": 0.45 * rng.random(), "coarse": 0.02 + 0.06 * rng.random(),
        "yaw": 2 * np.pi * rng.random(), "tilt": 0.06 * rng.standard_normal(), "hides": hides,
        "hide": np.clip(colour + 0.08 * rng.standard_normal(3), 0, 1),
    }  # fmt: skip


def _smooth(rng, height, width, cell):
    """(height, width, 1): normal numbers every `cell` pixels, linear between them."""
    coarse = rng.standard_normal((height // cell + 2, width // cell + 2))
    down, along = (np.arange(length) / cell for length in (height, width))
    across = [np.maximum(1 - np.abs(at[:, None] - np.arange(n)), 0) for at, n in zip((down, along), coarse.shape)]
    return (across[0] @ coarse @ across[1].T)[..., None]


@functools.lru_cache(maxsize=64)
def street_of(preset, seed, camera):
    """(96, 128, 3) float32: houses, hedges and windows over paving, and what stands about."""
    rng = generator(seed, preset, STREET, camera)
    height, width = STREET_SIZE
    y, x = np.mgrid[:height, :width].astype(np.float64)
    tint = lambda: np.clip(0.2 + 0.55 * rng.random() + 0.05 * rng.standard_normal(3), 0, 1)
    horizon = height * (0.1 + 0.5 * rng.random())
    depth = np.clip(y - horizon, 0, None) + 6
    paving = np.sin(2 * np.pi * 160 / depth) * np.sin(2 * np.pi * (x - width / 2) / depth * (0.5 + rng.random()))
    street = tint() + 0.06 * np.sign(paving)[..., None] + 0.002 * (depth[..., None] - 40)
    left = 0.0
    while left < width:
        wide = 24 + 70 * rng.random()
        front = (y < horizon) & (x >= left) & (x < left + wide)
        if rng.random() < 0.25:  # a hedge
            colour = np.array([0.18, 0.32, 0.14]) + 0.05 * rng.standard_normal(3) + 0.1 * _smooth(rng, height, width, 3)
        else:  # a house
            rows, columns = 8 + 12 * rng.random(), 8 + 14 * rng.random()
            window = (y % rows < rows * 0.6) & (x % columns < columns * 0.55) & (rng.random() < 0.7)
            colour = np.where(window[..., None], tint() * 0.6, tint())
        street = np.where(front[..., None], colour, street)
        left += wide
    for _ in range(5):  # bins, benches, posters, cars
        colour = np.clip(rng.normal(0.45, 0.2) + 0.12 * rng.standard_normal(3), 0, 1)
        cx, cy = rng.random() * width, horizon + (rng.random() - 0.4) * 30
        rx, ry = 3 + 12 * rng.random(), 3 + 12 * rng.random()
        power = 2.0 if rng.random() < 0.3 else 8.0
        street[(np.abs(x - cx) / rx) ** power + (np.abs(y - cy) / ry) ** power < 1] = colour
    street = street.mean((0, 1)) + 0.7 * (street - street.mean((0, 1)))  # people stand out
    street = street + 0.02 * _smooth(rng, height, width, 2) + 0.03 * _smooth(rng, height, width, 12)
    return np.clip(street, 0, 1).astype(np.float32)


def spread(values):
    """(n,) as (n, 1, 1) float32, to meet images."""
    return np.asarray(values, np.float32)[:, None, None]


def seen_by(images, eye, noise):
    """Images (n, 3, H, W) in [0, 1] as the camera gives them, in place where it can be: colour, light, blur, noise and the
    blocks of a compression."""
    n, _, height, width = images.shape
    images = np.matmul(eye["mix"] * eye["gain"][:, :, None], images.reshape(n, 3, -1)).reshape(images.shape)
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32)
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    images *= (1 + spread(eye["light"][:, 0]) * across + spread(eye["light"][:, 1]) * down)[:, None]
    np.clip(images, 1e-4, 1, out=images)
    images = np.exp(np.log(images) * eye["gamma"][:, None, None, None])  # quicker than a power
    blur = eye["blur"][:, None, None, None] / 2
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    padded = padded[:, :, 1:-1] * (1 - 2 * blur) + blur * (padded[:, :, :-2] + padded[:, :, 2:])
    images = padded[..., 1:-1] * (1 - 2 * blur) + blur * (padded[..., :-2] + padded[..., 2:])
    images += eye["noise"][:, None, None, None] * noise
    if height % 8 == 0 and width % 8 == 0:
        images = _compressed(images, eye["coarse"])
    return np.rint(np.clip(images, 0, 1) * np.float32(255)).astype(np.uint8)


def _cosines():
    k = np.arange(8)
    basis = np.cos(np.pi * (2 * k + 1) * k[:, None] / 16) / 2
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


_COSINES = _cosines()
_COARSER = (1 + np.add.outer(np.arange(8), np.arange(8))).astype(np.float32) / 2


def _compressed(images, coarse):
    """Every 8 x 8 block's cosine transform rounded to steps of `coarse` (n,) that grow with the frequency, as JPEG."""
    n, _, height, width = images.shape
    blocks = images.reshape(n, 3, height // 8, 8, width // 8, 8).swapaxes(3, 4)
    steps = coarse[:, None, None, None, None, None] * _COARSER
    found = _COSINES @ blocks @ _COSINES.T
    np.divide(found, steps, out=found)
    np.rint(found, out=found)
    found *= steps
    return (_COSINES.T @ found @ _COSINES).swapaxes(3, 4).reshape(images.shape)
