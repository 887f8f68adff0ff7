"""What stands and moves: figures and props as upright cards, vehicles as solids, and the shadows under them."""

from __future__ import annotations

import functools
import math

import numpy as np

from alnb.worlds.roads import assets
from alnb.worlds.roads.scene import (
    BICYCLE,
    CAR,
    LIGHT,
    OTHER,
    PERSON,
    POLE,
    RIDER,
    SIGN,
    VEGETATION,
)
from alnb.worlds.roads.street import PAVEMENT, TERRAIN
from alnb.worlds.roads.view import EYE, NEAR, Buffers, Camera, noise, ramp, stripe

PARTS = {  # semantics and glow of a card's parts
    "lamp": ((POLE, POLE), (0, 1)),
    "sign": ((POLE, SIGN, SIGN), ()),
    "signal": ((POLE, LIGHT, LIGHT), (0, 0, 1)),
    "pillar": ((OTHER,) * 3, ()),
    "hydrant": ((OTHER,) * 2, ()),
    "bin": ((OTHER,) * 2, ()),
    "poster": ((SIGN,) * 8, ()),
    "round": ((VEGETATION,) * 2, ()),
    "tall": ((VEGETATION,) * 2, ()),
    "bush": ((VEGETATION,) * 2, ()),
    "pedestrian": ((PERSON,) * 7, ()),
    "cyclist": ((RIDER,) * 5 + (BICYCLE,) * 2, ()),
    "wheelchair": ((PERSON,) * 7, ()),
}
PLANTS = ("round", "tall", "bush")


@functools.cache
def _parts(kind):
    """A card's semantics, one number where all parts have the same, and its glow, None where nothing glows."""
    semantics, glow = PARTS[kind]
    same = len(set(semantics)) == 1
    return semantics[0] if same else np.array(semantics, np.uint8), np.array(glow, np.float32) if glow else None


def shadow(cam: Camera, to: Buffers, x, z, wide, long) -> None:
    """Darkens the ground under a thing that is 2 wide across and 2 long along the road."""
    depth = z - cam.z
    near, far = max(depth - long, NEAR), depth + long
    reach, u = cam.f * wide / near, cam.u(x, depth)
    cut = cam.window(u - reach - 1, cam.v(0.0, far) - 1, u + reach + 1, cam.v(0.0, near) + 1)
    if cut is None:
        return
    ahead = to.depth[cut]
    across, along = (cam.right[cut[1]] * ahead + (cam.x - x)) / wide, (ahead - depth) / long
    dark = np.minimum(np.maximum(1.5 - 1.5 * (across * across + along * along), 0), 0.55)
    ground = to.semantics[cut]
    dark *= (ground <= PAVEMENT) | (ground == TERRAIN)
    to.rgb[cut] *= (1 - dark)[..., None]


def card(cam: Camera, to: Buffers, figure: assets.Card, colours, kind, x, z, scale, identity, mirror=False) -> None:
    """An upright, camera-facing figure whose feet are at (x, z); colours: (parts, 3)."""
    depth, span = z - cam.z, assets.SPAN * scale
    x0, x1 = (-figure.x1, -figure.x0) if mirror else (figure.x0, figure.x1)
    u0, u1 = cam.u(x + x0 * span, depth), cam.u(x + x1 * span, depth)
    v0, v1 = cam.v(figure.y1 * span, depth), cam.v(figure.y0 * span, depth)
    cut = cam.window(u0, v0, u1, v1)
    if cut is None:
        return
    level = min(max(int(math.log2(max(assets.SIDE * depth / (cam.f * span), 1))), 0), len(figure.levels) - 1)
    cover = figure.levels[level]
    rows, cols = (np.arange(part.start, part.stop) + 0.5 for part in cut)
    i = ((rows - v0) * (cover.shape[1] / (v1 - v0))).astype(np.int64)[:, None]
    j = ((cols - u0) * (cover.shape[2] / (u1 - u0))).astype(np.int64)
    if mirror:
        j = cover.shape[2] - 1 - j
    parts = cover[:, i, j]
    full = parts.sum(0)
    alpha = full * (depth < to.depth[cut])
    solid = alpha > 0.5
    if not alpha.any():
        return
    texel = span / assets.SIDE * 2**level
    cloth = noise(i * texel + 3 * scale, j * texel + 0.37 * scale, depth / cam.f, 0.8)
    light = parts.reshape(len(parts), -1).T @ colours / np.maximum(full, 1e-6).reshape(-1, 1)
    light += (16 if kind in PLANTS else 7) * cloth.reshape(-1, 1)
    rgb = to.rgb[cut]
    rgb += alpha[..., None] * (light.reshape(rgb.shape) - rgb)
    semantics, glow = _parts(kind)
    to.depth[cut][solid], to.instances[cut][solid] = depth, identity
    to.semantics[cut][solid] = semantics if isinstance(semantics, int) else semantics[parts.argmax(0)[solid]]
    if to.glow is not None:
        to.glow[cut] *= 1 - alpha
        if glow is not None:
            to.glow[cut] += np.tensordot(glow, parts, 1) * (alpha > 0)


def vehicle(cam: Camera, to: Buffers, thing, x, z, heading, identity, look) -> None:
    """A vehicle's solids: where the ray of every pixel near it enters them, and through which plane."""
    car, depth = thing.vehicle, z - cam.z
    cos, sin = math.cos(heading), math.sin(heading)
    corners = [(sx * car.width / 2, sz * car.length / 2) for sx in (-1, 1) for sz in (-1, 1)]
    ahead = [max(depth - a * sin + b * cos, NEAR / 2) for a, b in corners]
    us = [cam.u(x + a * cos + b * sin, d) for (a, b), d in zip(corners, ahead)]
    near, top = min(ahead), min(ahead) if car.height > EYE else max(ahead)
    cut = cam.window(min(us), cam.v(car.height, top), max(us), cam.v(0.0, near))
    if cut is None:
        return
    right, up = (part.ravel() for part in np.broadcast_arrays(cam.right[None, cut[1]], cam.up[cut[0], None]))
    # The ray and the eye in the vehicle's own axes.
    ray = np.stack([right * cos - sin, up, right * sin + cos], 1)
    ex, ez = cam.x - x, cam.z - z
    eye = np.array([ex * cos - ez * sin, EYE, ex * sin + ez * cos], np.float32)
    best, face = np.full(len(ray), 1e9, np.float32), np.zeros(len(ray), np.int64)
    for n, (normals, offsets) in enumerate(car.solids):
        rate = ray @ normals.T
        rate[rate == 0] = 1e-12
        t = (offsets - normals @ eye) / rate
        enter = np.where(rate < 0, t, np.float32(-1e9))
        hit = enter.max(1)
        good = (hit < np.where(rate > 0, t, np.float32(1e9)).min(1)) & (hit > NEAR / 2) & (hit < best)
        best[good], face[good] = hit[good], enter.argmax(1)[good] + 8 * n
    shown = np.flatnonzero(best < to.depth[cut].ravel())
    if not len(shown):
        return
    best, wide = best[shown], cut[1].stop - cut[1].start
    colour, glow = _bodywork(
        car, thing.colours[0], eye + ray[shown] * best[:, None], face[shown], look, max(depth / cam.f, 0.01)
    )
    at = cut[0].start + shown // wide, cut[1].start + shown % wide
    to.rgb[at], to.depth[at], to.instances[at], to.semantics[at] = colour, best, identity, CAR
    if to.glow is not None:
        to.glow[at] = glow


# How much light falls on the planes of the body and, from 8 on, of the cabin: sides, top, bottom, ends, edges.
SHADE = np.array((0.78, 0.78, 1.12, 0.3, 0.86, 0.86, 1, 1, 0.78, 0.78, 1.12, 0.5, 0.95, 0.9, 1, 1), np.float32)
FLANKS, ENDS, CABIN = (0, 1), (4, 5), 8
TYRES, HUB, PLATE, HEADLIGHT, TAIL_LIGHT, SNOW = (
    np.array(colour, np.float32)
    for colour in ((26, 26, 28), (132, 134, 138), (226, 226, 214), (250, 246, 226), (206, 30, 26), (236, 238, 242))
)


def _bodywork(car, paint, point, face, look, blur):
    """Colours (P, 3) and glow (P,) of points (P, 3) on a vehicle, in its own axes, seen through its planes `face`."""
    x, y, z = point.T
    glow = np.zeros(len(x), np.float32)
    colour = paint * SHADE[face][:, None] + 3 * noise(z + 2 * x, y, blur)[:, None]
    if look.snow:
        colour[face == CABIN + 2] += look.snow * (SNOW - colour[face == CABIN + 2])
    some = np.flatnonzero((face >= CABIN) & (face != CABIN + 2) & (face != CABIN + 3))
    if len(some):
        up = y[some]
        pane = stripe(up, car.belt + 0.05, car.height - 0.07, blur)
        pane *= 1 - (face[some] < CABIN + 2) * stripe(np.abs(z[some] + 0.25), -9, 0.06, blur)
        glass = look.pane + 0.12 * look.sky * (up > car.belt + 0.25)[:, None]
        colour[some] += pane[:, None] * (glass - colour[some])
    some = np.flatnonzero(face < 2)
    if len(some):
        up, along = y[some], np.abs(z[some]) - 0.31 * car.length
        wheel = np.sqrt(along * along + (up - car.wheel) ** 2)
        flank = colour[some] * (1 - 0.6 * stripe(up, -9, 0.3, blur))[:, None]
        flank += ramp((car.wheel + 0.02 - wheel) / blur)[:, None] * (TYRES - flank)
        colour[some] = flank + ramp((0.55 * car.wheel - wheel) / blur)[:, None] * (HUB - flank)
    some = np.flatnonzero((face == 4) | (face == 5))
    if len(some):
        up, out, half = y[some], np.abs(x[some]), car.width / 2
        low = stripe(up, -9, 0.4, blur)
        tyre = stripe(out, half - 0.24, 9, blur) * stripe(up, -9, 0.34, blur)
        end = colour[some] * (1 - np.maximum(0.75 * low, tyre))[:, None]
        end += (stripe(out, -9, 0.26, blur) * stripe(up, 0.42, 0.54, blur))[:, None] * (PLATE - end)
        lamp = stripe(out, half - 0.36, half - 0.06, blur) * stripe(up, 0.6, 0.78, blur)
        light = np.where((face[some] == 4)[:, None], HEADLIGHT, TAIL_LIGHT)
        colour[some] = end + lamp[:, None] * (light - end)
        glow[some] = lamp
    return colour, glow
