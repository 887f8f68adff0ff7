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


_SPRING = Look(
    sky=_c(104, 156, 214), haze=_c(206, 216, 222), clouds=22, leaves=_c(74, 112, 52), ground=_c(96, 124, 66), rough=1.0,
    asphalt=_c(98, 98, 100), pavement=_c(158, 154, 148), kerb=_c(186, 184, 178), roof=_c(140, 78, 58), glass=_c(70, 84, 98),
    pane=_c(38, 44, 52),
)  # fmt: skip
LOOKS = {
    "S": _SPRING,
    "F": replace(_SPRING, sky=_c(150, 170, 192), haze=_c(214, 208, 196), leaves=_c(168, 96, 34), ground=_c(140, 112, 58), rough=1.5,
                 visibility=160.0),
    "W": replace(_SPRING, sky=_c(172, 184, 196), haze=_c(216, 220, 224), clouds=10, leaves=_c(120, 112, 104), ground=_c(224, 228, 232),
                 rough=0.5, asphalt=_c(126, 128, 132), pavement=_c(206, 208, 212), kerb=_c(220, 222, 224), roof=_c(228, 230, 234),
                 paint=0.4, visibility=130.0, snow=0.85, bare=True, colour=0.75),
    "R": replace(_SPRING, sky=_c(112, 118, 126), haze=_c(150, 156, 162), clouds=14, leaves=_c(56, 86, 46), ground=_c(74, 92, 58),
                 asphalt=_c(70, 72, 78), pavement=_c(118, 118, 118), kerb=_c(134, 134, 132), visibility=60.0, gain=0.84, colour=0.7,
                 noise=4.0),
    "N": replace(_SPRING, sky=_c(24, 30, 52), haze=_c(46, 50, 70), clouds=4, visibility=140.0, gain=0.24, noise=5.0),
}  # fmt: skip


def develop(scene, cam, to, t: int, preset) -> np.ndarray:
    """(H, W, 3) uint8: the frame as a camera sees it. The air, the night's lights, rain, reflections in the windscreen,
    exposure and the sensor's noise, from a random stream of (sequence, frame)."""
    look = LOOKS[scene.condition]
    rng = np.random.default_rng((*scene.key, t, 1))
    rgb, depth = to.rgb, to.depth
    fade = np.exp(-np.minimum(depth, 1e3) / look.visibility)[..., None]
    sky = (depth > 1e3)[..., None]
    rgb = np.where(sky, rgb, look.haze + fade * (rgb - look.haze))
    if look.colour < 1:
        rgb = rgb.mean(2, keepdims=True) * (1 - look.colour) + rgb * look.colour
    if scene.condition == "N":
        rgb = _night(cam, to, rgb, depth, look)
    elif look.gain != 1:
        rgb = rgb * look.gain
    if scene.condition == "R":
        _rain(rng, rgb)
    for _ in range(rng.poisson(preset.ghosts)):
        _ghost(rng, rgb, preset.assets)
    rgb = rgb * scene.tint * (1 + preset.flicker * rng.standard_normal())
    rgb += (look.noise * preset.noise) * rng.standard_normal(rgb.shape, np.float32)
    return np.clip(rgb, 0, 255).astype(np.uint8)


def _night(cam, to, rgb, depth, look):
    """Dark but for headlights on what is near, lit windows and lamps, and a halo around each of these."""
    u = (np.arange(cam.width, dtype=np.float32) + 0.5 - cam.cx) / cam.f
    v = (np.arange(cam.height, dtype=np.float32) + 0.5 - cam.cy)[:, None] / cam.f
    beam = np.exp(-((u / 0.3) ** 2)) * np.exp(-(((v - 0.05) / 0.13) ** 2)) * np.exp(-np.minimum(depth, 500) / 22)
    light = look.gain * np.array((0.8, 0.9, 1.25), np.float32) + (1.1 * beam)[..., None] * np.array(
        (1, 0.95, 0.8), np.float32
    )
    sky = (depth > 1e3)[..., None]
    glow = to.glow[..., None]
    out = np.where(sky, rgb, rgb * np.minimum(light, 1))
    out = out * (1 - glow) + glow * np.minimum(rgb * 1.15 + 40, 255)
    bright = rgb * glow
    halo = bright
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


def _ghost(rng, rgb, which):
    """A reflection in the windscreen, for one frame: a shape of a participant's size and colours, half transparent."""
    from alnb.worlds.roads import assets

    height, width = rgb.shape[:2]
    kind = ("pedestrian", "cyclist", "vehicle")[rng.integers(3)]
    tall = rng.uniform(0.16, 0.42) * height
    colour = assets.CLOTHES[which][rng.integers(len(assets.CLOTHES[which]))]
    size = max(int(tall), 4)
    j = (np.arange(size) * assets.SIDE // size).astype(int)
    if kind == "vehicle":
        a = np.abs(np.linspace(-1, 1, size))
        alpha = ((a[None] < 0.95) & (np.linspace(0, 1, size)[:, None] > 0.55)) | (
            (a[None] < 0.68) & (np.linspace(0, 1, size)[:, None] > 0.3)
        )
        alpha = alpha.astype(np.float32)
    else:
        view = ("side", "front")[rng.integers(2)]
        alpha = assets.figure(kind, view, int(rng.integers(8)), 0, which)[0].sum(0)[np.ix_(j, j)]
    top, left = int(rng.uniform(0.25, 0.8) * height - size / 2), int(rng.uniform(0, 1) * width - size / 2)
    rows, cols = np.arange(top, top + size), np.arange(left, left + size)
    r, c = (rows >= 0) & (rows < height), (cols >= 0) & (cols < width)
    if not r.any() or not c.any():
        return
    cut = slice(rows[r][0], rows[r][-1] + 1), slice(cols[c][0], cols[c][-1] + 1)
    alpha = alpha[np.ix_(r, c)][..., None] * rng.uniform(0.35, 0.75)
    rgb[cut] += alpha * (colour - rgb[cut])
