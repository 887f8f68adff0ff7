"""Seasons, rain and night: colours to draw with, and what happens between the light and the pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


def _c(*rgb):
    return np.array(rgb, np.float32)


@dataclass(frozen=True)
class Look:
    sky: np.ndarray  # overhead
    haze: np.ndarray  # at the horizon, and what distance fades to
    clouds: float
    leaves: np.ndarray
    ground: np.ndarray  # beside the road
    rough: float
    asphalt: np.ndarray
    pavement: np.ndarray
    kerb: np.ndarray
    roof: np.ndarray
    glass: np.ndarray
    pane: np.ndarray  # of vehicles
    paint: float = 0.85  # how white the road's markings are
    visibility: float = 220.0  # metres to 1 / e
    snow: float = 0.0
    bare: bool = False
    gain: float = 1.0
    colour: float = 1.0  # saturation
    noise: float = 2.5  # of the sensor, grey levels
    lit: float = 0.0  # how much of a lit window is lamp


_SPRING = Look(
    sky=_c(104, 156, 214), haze=_c(206, 216, 222), clouds=22, leaves=_c(74, 112, 52), ground=_c(96, 124, 66), rough=1.0,
    asphalt=_c(98, 98, 100), pavement=_c(158, 154, 148), kerb=_c(186, 184, 178), roof=_c(140, 78, 58), glass=_c(70, 84, 98),
    pane=_c(38, 44, 52),
)  # fmt: skip
LOOKS = {
    "S": _SPRING,
    "F": replace(_SPRING, sky=_c(150, 170, 192), haze=_c(214, 208, 196), leaves=_c(168, 96, 34), ground=_c(140, 112, 58),
                 rough=1.5, visibility=160.0),
    "W": replace(_SPRING, sky=_c(172, 184, 196), haze=_c(216, 220, 224), clouds=10, leaves=_c(120, 112, 104),
                 ground=_c(224, 228, 232), rough=0.5, asphalt=_c(126, 128, 132), pavement=_c(206, 208, 212),
                 kerb=_c(220, 222, 224), roof=_c(228, 230, 234), paint=0.4, visibility=130.0, snow=0.85, bare=True,
                 colour=0.75),
    "R": replace(_SPRING, sky=_c(112, 118, 126), haze=_c(150, 156, 162), clouds=14, leaves=_c(56, 86, 46),
                 ground=_c(74, 92, 58), asphalt=_c(70, 72, 78), pavement=_c(118, 118, 118), kerb=_c(134, 134, 132),
                 visibility=60.0, gain=0.84, colour=0.7, noise=4.0),
    "N": replace(_SPRING, sky=_c(24, 30, 52), haze=_c(46, 50, 70), clouds=4, visibility=140.0, gain=0.24, noise=5.0,
                 lit=1.0),
}  # fmt: skip


def light(scene, cam, to, rng) -> np.ndarray:
    """(H, W, 3) float32: what reaches the lens, through the air, by night or rain."""
    look = LOOKS[scene.condition]
    sky = (to.depth > 1e3)[..., None]
    fade = np.exp(np.minimum(to.depth, 1e3) / -look.visibility)[..., None]
    rgb = np.where(sky, to.rgb, look.haze + fade * (to.rgb - look.haze))
    if look.colour < 1:
        rgb += (1 - look.colour) * (rgb.mean(2, keepdims=True) - rgb)
    if scene.condition == "N":
        return _night(cam, to, rgb, sky, look)
    if look.gain != 1:
        rgb *= look.gain
    if scene.condition == "R":
        _rain(rng, rgb)
    return rgb


def expose(scene, rgb, rng, flicker: float, noise: float) -> np.ndarray:
    """(H, W, 3) uint8: the camera's tint, its exposure (deviation `flicker`) and its noise, times `noise`."""
    rgb = rgb * (scene.tint * np.float32(1 + flicker * rng.standard_normal()))
    rgb += np.float32(LOOKS[scene.condition].noise * noise) * rng.standard_normal(rgb.shape, np.float32)
    return np.minimum(np.maximum(rgb, 0), 255).astype(np.uint8)


def _night(cam, to, rgb, sky, look):
    """Dark but for headlights on what is near, lit windows and lamps, and a halo around each of these."""
    right, down = cam.right, -cam.up[:, None]
    beam = np.exp(-((right / 0.34) ** 2) - ((down - 0.05) / 0.15) ** 2 - np.minimum(to.depth, 500) / 26)
    ambient, headlights = np.array((0.8, 0.9, 1.25), np.float32), np.array((1.25, 1.2, 1.0), np.float32)
    glow = to.glow[..., None]
    out = np.where(sky, rgb, rgb * np.minimum(look.gain * ambient + beam[..., None] * headlights, 1))
    out += glow * (np.minimum(rgb * 1.15 + 40, 255) - out)
    halo = rgb * glow
    for reach in (1, 2):
        for axis in (0, 1):
            halo = (np.roll(halo, reach, axis) + halo + np.roll(halo, -reach, axis)) / 3
    return out + 1.6 * np.minimum(halo, 90)


def _rain(rng, rgb):
    """Streaks, in place."""
    height, width = rgb.shape[:2]
    drops = max(4, height * width // 160)
    long = max(2, height // 14)
    x, y = rng.integers(0, width, drops), rng.integers(-long, height, drops)
    strength = rng.uniform(8, 34, drops).astype(np.float32)
    for k in range(long):
        rows, cols = y + k, (x + k // 4) % width
        inside = (rows >= 0) & (rows < height)
        rgb[rows[inside], cols[inside]] += strength[inside, None]
