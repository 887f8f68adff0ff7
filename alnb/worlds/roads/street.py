"""What does not move: sky, ground, road markings, houses, walls, hedges and rails."""

from __future__ import annotations

import math

import numpy as np

from alnb.worlds.roads import looks
from alnb.worlds.roads.scene import AREAS, FAR, VEGETATION, Scene
from alnb.worlds.roads.view import ENDLESS, EYE, NEAR, Buffers, Camera, noise, ramp, stripe

ROAD, PAVEMENT, TERRAIN, SKY = 0, 1, 9, 10
WHITE, LAMP = np.array(((226, 226, 220), (216, 168, 96)), np.float32)


def ground_and_sky(scene: Scene, cam: Camera) -> Buffers:
    """An empty world: the ground's plane below the horizon, the sky with a far line of trees above it."""
    shape = cam.height, cam.width
    rgb, depth = np.empty((*shape, 3), np.float32), np.full(shape, ENDLESS, np.float32)
    glow = np.zeros(shape, np.float32) if scene.condition == "N" else None
    to = Buffers(rgb, depth, np.zeros(shape, np.int32), np.full(shape, SKY, np.uint8), glow)
    first = min(max(math.ceil(cam.cy - 0.5) + 1, 0), cam.height)
    _sky(scene, cam, to, first)
    _ground(scene, cam, to, first)
    return to


def _sky(scene, cam, to, first):
    look = looks.LOOKS[scene.condition]
    right, up = cam.right[None], cam.up[:first, None]
    mix = np.minimum(np.maximum(up / 0.5, 0), 1)[..., None]
    cloud = noise(right * 2.5 + float(scene.wobble[5]), up * 7, 5 / cam.f)
    rgb = look.haze * (1 - mix) + look.sky * mix + (look.clouds * np.minimum(np.maximum(cloud, -0.5), 2))[..., None]
    hills = 0.016 + 0.012 * noise(right * 2 + float(scene.wobble[0]), np.zeros_like(right), 0.05)
    trees = ramp((hills - up) * cam.f)
    rgb += trees[..., None] * (0.55 * look.haze + 0.45 * look.leaves - rgb)
    to.rgb[:first] = rgb
    to.semantics[:first][trees > 0.5] = VEGETATION


def _ground(scene, cam, to, first):
    look, area = looks.LOOKS[scene.condition], AREAS[scene.area]
    far = EYE / -cam.up[first:, None]
    edge, along = far / cam.f, far * far / (cam.f * EYE)  # what a pixel covers across and along the road
    x, z = cam.x + cam.right * far, cam.z + far
    side, wide = np.abs(x), np.sqrt(edge * along)
    grain = noise(x, z, wide)[..., None]
    coarse = noise(x + 7, z, wide, 0.16)[..., None]
    road = stripe(x, -area.half, area.half, edge)[..., None]
    colour = look.ground + (7 * grain + 14 * coarse) * look.rough
    if area.pavement > area.half:
        slabs = stripe(np.abs((z % 1.5) - 0.75), -1, 0.03, along)[..., None]
        walk = stripe(side, area.half, area.pavement, edge)[..., None]
        colour += walk * (look.pavement + 6 * grain - 22 * slabs - colour)
    colour += road * (look.asphalt + 5 * grain + 5 * coarse - colour)
    colour += (_markings(scene, area, x, z, side, edge, along) * look.paint)[..., None] * (WHITE - colour)
    if area.pavement > area.half:
        colour += stripe(side, area.half - 0.05, area.half + 0.12, edge)[..., None] * (look.kerb - colour)
    to.rgb[first:], to.depth[first:] = colour, far
    to.semantics[first:] = np.where(side < area.half, ROAD, np.where(side < area.pavement, PAVEMENT, TERRAIN))


def _markings(scene, area, x, z, side, edge, along):
    """(h, W) how white the paint on the road is."""
    dashes = stripe(np.abs((z % 6) - 3), -1, 1.5, along)
    if scene.area == "highway":
        white = (stripe(side, 4.72, 4.88, edge) + stripe(side, 8.32, 8.48, edge)) * dashes
        return white + stripe(side, area.half - 0.6, area.half - 0.4, edge) + stripe(side, 1.1, 1.3, edge)
    white = stripe(side, -1, 0.08, edge) * dashes
    if area.parking:
        white += stripe(side, 3.2, 3.32, edge)
    start = float(z.min())
    near = scene.crossings[(scene.crossings > start - 3) & (scene.crossings < start + 60)]
    if len(near):
        bars = stripe(np.abs((x % 1.0) - 0.5), -1, 0.27, edge) * (side < area.half - 0.15)
        for at in near.tolist():
            white = np.maximum(white, bars * stripe(z, at - 1.5, at + 1.5, along))
    return white


def walls(scene: Scene, cam: Camera, to: Buffers) -> None:
    """Houses and what else is a box beside the road: each column's ray meets each box at one depth, the nearest shows."""
    blocks, look = scene.blocks, looks.LOOKS[scene.condition]
    seen = (blocks.z1 > cam.z + NEAR) & (blocks.z0 < cam.z + 1.4 * FAR)
    for sign in (-1, 1):
        columns = np.flatnonzero(sign * cam.right > 1e-4)
        mine = np.flatnonzero(seen & (sign * (blocks.x - cam.x) > 0))
        if len(columns) and len(mine):
            _side(blocks, mine, look, cam, to, sign, columns[0], cam.right[columns[0] : columns[-1] + 1])


def _side(blocks, mine, look, cam, to, sign, first, right):
    """One side of the road: the columns from `first` on, that look `right` (C,)."""
    x, z0, z1, height, roof, deep = (
        getattr(blocks, name)[mine, None] for name in ("x", "z0", "z1", "height", "roof", "deep")
    )
    flank, front, end = (x - cam.x) / right, z0 - cam.z, z1 - cam.z
    gable = front > flank
    depth = np.where(gable, front, flank)
    valid = (depth < end) & (depth > NEAR)
    depth = np.where(valid, depth, 1e9)
    # The roof rises from the eaves to the ridge, half the depth of the house further out; where it is seen above the wall,
    # it shows in the wall's own plane. Beyond the ridge a gable ends in its slope.
    ridge = (x + sign * deep / 2 - cam.x) / right
    last = np.minimum(np.maximum(ridge, depth), np.maximum(end, depth))
    rise = np.minimum((right * last + cam.x - x) * sign / (deep / 2), 1)
    slope = height + roof * (1 - np.abs(np.where(valid, right * depth + cam.x - x, 0) * sign / (deep / 2) - 1))
    top = np.maximum(EYE + (height + roof * rise - EYE) * depth / last, height)
    top = np.where(gable, np.where(ridge > depth, np.maximum(top, slope), slope), top)
    high, low = cam.v(top, depth), cam.v(0.0, depth)
    v = np.arange(cam.height, dtype=np.float32)[:, None] + 0.5
    hit = (v >= high[:, None]) & (v < low[:, None]) & valid[:, None]  # (B, H, C)
    order = np.where(hit, depth[:, None], np.float32(1e9))
    nearest = order.argmin(0)
    shown = np.take_along_axis(order, nearest[None], 0)[0]
    rows, cols = np.nonzero(shown < 1e9)
    which, depth = nearest[rows, cols], shown[rows, cols]
    y = EYE + cam.up[rows] * depth
    is_gable = gable[which, cols]
    at = np.where(is_gable, cam.x + right[cols] * depth, cam.z + depth)
    pixel = depth / cam.f
    long = np.where(is_gable, pixel, pixel / np.maximum(np.abs(right[cols]), 0.03))  # what a pixel covers along a wall
    eaves = np.where(is_gable, slope[which, cols], height[which, 0])
    block = mine[which]
    colour, shine = _facades(look, blocks, block, at, y, pixel, long, eaves)
    colour *= np.where(is_gable, np.float32(0.82), np.float32(1.0 if sign > 0 else 0.92))[:, None]
    cols = cols + first
    to.rgb[rows, cols], to.depth[rows, cols], to.semantics[rows, cols] = colour, depth, blocks.semantics[block]
    if to.glow is not None:
        to.glow[rows, cols] = shine


ROUGH = np.array((7, 5, 6, 20, 2), np.float32)  # of each style
WINDOWS = {1: (2.6, 3.1, 0.95, 1.0), 2: (2.4, 2.7, 0.6, 0.7)}  # style: metres from one to the next, half their size


def _facades(look, blocks, block, at, y, pixel, long, eaves):
    """(P, 3) colours and (P,) glow of points `at` metres along and y up a wall of the blocks `block`."""
    style = blocks.style[block]
    blur = np.sqrt(pixel * long)
    grain = ROUGH[style] * noise(at, y, blur, 0.7)
    colour = blocks.colour[block] + (grain + 5 * noise(at + 3, y + 5, blur, 0.12))[:, None]
    hedge = style == 3
    if hedge.any():
        colour[hedge] = look.leaves * 0.9 + grain[hedge, None]
    shine = np.zeros(len(block), np.float32)
    for kind, (wide, high, w, h) in WINDOWS.items():
        some = np.flatnonzero(style == kind)
        if not len(some):
            continue
        px, py, a, up, top = long[some], pixel[some], at[some], y[some], eaves[some]
        windows = stripe(np.abs((a % wide) - wide / 2), -9, w, px) * stripe(np.abs((up % high) - 1.6), -9, h, py)
        windows *= (up < top - 0.35) & (up > 0.3)
        pane = noise(np.floor(a / wide) * 1.7, np.floor(up / high) * 2.3 + block[some], 0.0)
        wall = colour[some] - (18 * stripe(np.abs(up % high - 0.45), -9, 0.09, py))[:, None]
        lamp = (pane > 0.9)[:, None] * np.float32(look.lit)
        glass = look.glass + 14 * pane[:, None]
        wall += windows[:, None] * (glass + lamp * (LAMP - glass) - wall)
        shine[some] = windows * lamp[:, 0] * 0.75
        roof = up > top
        if kind == 2 and roof.any():
            tile = 10 * noise(a[roof], up[roof] * 2, px[roof], 0.5) - 14 * stripe(
                np.abs(up[roof] % 0.5 - 0.25), -9, 0.06, py[roof]
            )
            wall[roof] = look.roof + tile[:, None]
        colour[some] = wall
    rail = np.flatnonzero(style == 4)
    if len(rail):
        up, px = y[rail], pixel[rail]
        below = stripe(up, -9, 0.32, px) * (1 - stripe(np.abs(at[rail] % 4 - 2), -9, 0.12, long[rail]))
        colour[rail] -= (60 * below + 25 * stripe(np.abs(up - 0.55), -9, 0.05, px))[:, None]
    return colour, shine
