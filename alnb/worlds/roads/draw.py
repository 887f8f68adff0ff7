"""One frame of a scene: rays against planes and solids, figures as upright cards, nearer before farther, in numpy alone.

A frame is drawn as light (colours by day), with what it shows (instance, semantics, depth) beside it; season, weather
and night come from `looks`. Flow is exact: every pixel's point goes with its thing to the next or last frame.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from alnb.worlds.roads import assets, looks
from alnb.worlds.roads.scene import (
    AREAS,
    BICYCLE,
    CAR,
    FAR,
    LIGHT,
    OTHER,
    PERSON,
    POLE,
    RIDER,
    SIGN,
    VEGETATION,
    Scene,
)  # fmt: skip

EYE = 1.4  # metres above the road
NEAR = 1.6
ENDLESS = 1e4  # depth of the sky, metres
ROAD, PAVEMENT, TERRAIN, SKY = 0, 1, 9, 10


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

    def project(self, x, y, z):
        """World metres -> (u, v) pixels and depth."""
        depth = z - self.z
        return self.cx + self.f * (x - self.x) / depth, self.cy - self.f * (y - EYE) / depth, depth


def camera(scene: Scene, t: float, width: int, height: int, focal: float) -> Camera:
    """focal: focal length in image widths."""
    f, s, w = focal * width, t / scene.fps, scene.wobble
    pitch = 0.004 * np.sin(7.0 * s + w[2]) + 0.003 * np.sin(2.3 * s + w[3])
    yaw = 0.012 * np.sin(0.6 * s + w[4])
    x, z = scene.ego(t)
    return Camera(width, height, f, x, z, width / 2 - f * yaw, 0.44 * height + f * pitch)


@dataclass
class Buffers:
    """What is drawn so far, (H, W) each."""

    rgb: np.ndarray  # (H, W, 3) float32, 0 to 255
    depth: np.ndarray
    instances: np.ndarray  # int32
    semantics: np.ndarray  # uint8
    glow: np.ndarray  # float32 0 to 1: how little the night darkens it


@functools.lru_cache(maxsize=4)
def _grid(width, height):
    u, v = np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32) + 0.5
    return u, v


def noise(a, b, depth_per_pixel, scale=1.0):
    """The texture at (a, b) metres, as blurred as a pixel is large (metres)."""
    table = assets.texture()
    step = assets.PER_METRE * scale
    level = np.minimum(np.log2(np.maximum(depth_per_pixel * step, 1)), assets.LEVELS - 1).astype(np.int32)
    at = (np.floor(a * step).astype(np.int32) & 255) * 256 + (np.floor(b * step).astype(np.int32) & 255)
    return table.reshape(assets.LEVELS, -1)[level, at]


def stripe(at, low, high, blur):
    """1 within [low, high], 0 outside, with edges as wide as a pixel: `blur`."""
    return np.clip((at - low) / blur + 0.5, 0, 1) * np.clip((high - at) / blur + 0.5, 0, 1)


# --- what does not move -------------------------------------------------------------------------------------


def ground_and_sky(scene: Scene, cam: Camera) -> Buffers:
    u, v = _grid(cam.width, cam.height)
    look, area = looks.LOOKS[scene.condition], AREAS[scene.area]
    shape = cam.height, cam.width
    rgb, depth = np.empty((*shape, 3), np.float32), np.full(shape, ENDLESS, np.float32)
    semantics = np.full(shape, SKY, np.uint8)
    first = int(np.clip(np.ceil(cam.cy - 0.5) + 1, 0, cam.height))
    # Sky: a gradient, clouds and a line of trees, all at infinity.
    right, up = (u - cam.cx) / cam.f, (cam.cy - v[:first]) / cam.f
    mix = np.clip(up / 0.5, 0, 1)[:, None, None]
    sky = look.haze * (1 - mix) + look.sky * mix
    cloud = noise(*np.broadcast_arrays(right[None] * 1.2, up[:, None] * 3.0), 0.012)
    rgb[:first] = sky + look.clouds * np.clip(cloud, -0.5, 2)[..., None]
    hills = 0.016 + 0.012 * noise(right * 2.0 + scene.wobble[0], np.full_like(right, 0.3), 0.05)
    trees = np.clip((hills[None] - up[:, None]) * cam.f + 0.5, 0, 1)[..., None]
    rgb[:first] += trees * (0.55 * look.haze + 0.45 * look.leaves - rgb[:first])
    semantics[:first][trees[..., 0] > 0.5] = VEGETATION
    # Ground.
    below = v[first:, None] - cam.cy
    far = cam.f * EYE / below
    x = cam.x + right * far
    z = np.broadcast_to(cam.z + far, x.shape)
    pixel = far / cam.f * np.sqrt(np.maximum(far / EYE, 1))
    wide = np.broadcast_to(pixel, x.shape)
    side = np.abs(x)
    edge = far / cam.f
    road = stripe(x, -area.half, area.half, edge)[..., None]
    walk = stripe(side, area.half, area.pavement, edge)[..., None] if area.pavement > area.half else 0
    grain = noise(x, z, wide)[..., None]
    coarse = noise(x + 7, z, wide, 0.16)[..., None]
    colour = look.ground + (7 * grain + 14 * coarse) * look.rough
    colour += walk * (look.pavement + 6 * grain - colour)
    colour += road * (look.asphalt + 5 * grain + 5 * coarse - colour)
    white = _markings(scene, area, x, z, side, far, edge)
    colour += (white * look.paint)[..., None] * ((226, 226, 220) - colour)
    kerb = stripe(side, area.half - 0.05, area.half + 0.12, edge)[..., None] * (area.pavement > area.half)
    colour += kerb * (look.kerb - colour)
    if area.pavement > area.half:
        slabs = stripe(np.abs((z % 1.5) - 0.75), 0, 0.03, far * edge / EYE)[..., None] * walk
        colour -= slabs * 16
    rgb[first:] = colour
    depth[first:] = np.broadcast_to(far, x.shape)
    semantics[first:] = np.where(side < area.half, ROAD, np.where(side < area.pavement, PAVEMENT, TERRAIN))
    zeros = np.zeros(shape, np.int32)
    return Buffers(rgb, depth, zeros, semantics, np.zeros(shape, np.float32))


def _markings(scene, area, x, z, side, far, edge):
    """(h, W) how white the paint on the road is."""
    along = far * edge / EYE  # a pixel along the road
    white = np.zeros_like(x)
    dashes = stripe(np.abs((z % 6) - 3), 0, 1.5, along)
    if scene.area == "highway":
        for at in (4.8, 8.4):
            white += stripe(side, at - 0.08, at + 0.08, edge) * dashes
        white += stripe(side, area.half - 0.6, area.half - 0.4, edge) + stripe(side, 1.1, 1.3, edge)
    else:
        white += stripe(side, 0, 0.08, edge) * dashes
        if area.parking:
            white += stripe(side, 3.2, 3.3, edge)
        for at in scene.crossings[(scene.crossings > z.min() - 3) & (scene.crossings < z.min() + 60)]:
            bars = stripe(np.abs((x % 1.0) - 0.5), 0, 0.27, edge) * (side < area.half - 0.15)
            white = np.maximum(white, bars * stripe(z, at - 1.5, at + 1.5, along))
    return np.minimum(white, 1)


def walls(scene: Scene, cam: Camera, to: Buffers) -> None:
    """Every column's nearest block: blocks are boxes, so a column meets one at one depth."""
    all_blocks, look = scene.blocks, looks.LOOKS[scene.condition]
    u, v = _grid(cam.width, cam.height)
    slope = (u - cam.cx) / cam.f
    seen = (all_blocks.z1 > cam.z + NEAR) & (all_blocks.z0 < cam.z + 1.4 * FAR)
    for sign in (-1, 1):
        columns = np.flatnonzero(sign * slope > 1e-4)
        mine = np.flatnonzero(seen & (sign * (all_blocks.x - cam.x) > 0))
        if not len(columns) or not len(mine):
            continue
        cut = slice(columns[0], columns[-1] + 1)
        b = {name: getattr(all_blocks, name)[mine] for name in ("x", "z0", "z1", "height", "roof", "deep", "style")}
        s = slope[cut]
        side = (b["x"] - cam.x)[:, None] / s
        front = (b["z0"] - cam.z)[:, None]
        gable = front > side
        depth = np.where(gable, front, side)
        valid = (depth < (b["z1"] - cam.z)[:, None]) & (depth > NEAR)
        depth = np.where(valid, depth, np.inf)
        x = cam.x + s * depth
        centre = b["x"] + sign * b["deep"] / 2
        ridge = np.maximum(1 - np.abs(np.where(valid, x, 0) - centre[:, None]) / (b["deep"][:, None] / 2 + 0.3), 0)
        top = b["height"][:, None] + b["roof"][:, None] * np.where(gable, ridge, 1)
        high, low = cam.cy - cam.f * (top - EYE) / depth, cam.cy + cam.f * EYE / depth
        hit = (v[:, None] >= high[:, None]) & (v[:, None] < low[:, None]) & valid[:, None]
        order = np.where(hit, depth[:, None], np.inf)  # (B, H, columns)
        which = order.argmin(0)
        near = np.take_along_axis(order, which[None], 0)[0]
        rows, cols = np.nonzero(near < np.inf)
        which, depth = which[rows, cols], near[rows, cols]
        y = EYE + (cam.cy - v[rows]) * depth / cam.f
        is_gable = gable[which, cols]
        a = np.where(is_gable, cam.x + s[cols] * depth, cam.z + depth)
        pixel = depth / cam.f
        # Along the side a pixel is longer, the more so the farther.
        long = np.where(is_gable, pixel, pixel / np.maximum(np.abs(s[cols]), 0.03))
        colour = all_blocks.colour[mine[which]]
        lit = np.where(is_gable, 0.82, 1.0 if sign > 0 else 0.92)[:, None]
        shade, shine = _facades(look, b, which, a, y, pixel, long, colour)
        cols = cols + columns[0]
        to.rgb[rows, cols] = shade * lit
        to.depth[rows, cols] = depth
        to.semantics[rows, cols] = all_blocks.semantics[mine[which]]
        to.glow[rows, cols] = shine


def _facades(look, b, which, a, y, pixel, long, colour):
    """(P, 3) colours and (P,) glow of points (a along, y up) of the blocks `which`."""
    style = b["style"][which]
    blur = np.sqrt(pixel * long)
    grain = noise(a, y, blur, 0.7)
    rough = np.choose(style, (7, 5, 6, 20, 2)).astype(np.float32)
    colour = colour + (rough * grain + 5 * noise(a + 3, y + 5, blur, 0.12))[:, None]
    hedge = style == 3
    colour[hedge] = look.leaves * 0.9 + (rough * grain)[hedge, None]
    shine = np.zeros(len(which), np.float32)
    for kind, wide, high, w, h in ((1, 2.6, 3.1, 0.95, 1.0), (2, 2.4, 2.7, 0.6, 0.7)):
        mine = np.flatnonzero(style == kind)
        if not len(mine):
            continue
        px, py, ax, yy = long[mine], pixel[mine], a[mine], y[mine]
        eaves = b["height"][which[mine]]
        windows = stripe(np.abs((ax % wide) - wide / 2), 0, w, px) * stripe(np.abs((yy % high) - 1.6), 0, h, py)
        windows *= (yy < eaves - 0.35) & (yy > 0.3)
        pane = noise(np.floor(ax / wide) * 1.7, np.floor(yy / high) * 2.3 + which[mine], 0.0)
        glass = look.glass + 14 * pane[:, None]
        colour[mine] += windows[:, None] * (glass - colour[mine])
        frame = stripe(np.abs(yy % high - 0.45), 0, 0.09, py) * (yy < eaves)
        colour[mine] -= (frame * 18)[:, None]
        shine[mine] = windows * (pane > 0.5)
        roof = yy > eaves
        if kind == 2 and roof.any():
            tile = look.roof + 10 * noise(ax[roof], yy[roof] * 2, px[roof], 0.5)[:, None]
            colour[mine[roof]] = tile - 14 * stripe(np.abs(yy[roof] % 0.5 - 0.25), 0, 0.06, py[roof])[:, None]
    rail = np.flatnonzero(style == 4)
    if len(rail):
        colour[rail] -= (
            60 * stripe(y[rail], -1, 0.32, pixel[rail]) * stripe(np.abs(a[rail] % 4 - 2), 0.12, 9, long[rail])
        )[:, None]
        colour[rail] -= (25 * stripe(np.abs(y[rail] - 0.55), 0, 0.05, pixel[rail]))[:, None]
    return colour, shine


# --- what stands and moves ----------------------------------------------------------------------------------


def shadow(cam: Camera, to: Buffers, x, z, wide, long, depth) -> None:
    """Darkens the ground under a thing."""
    rows = cam.cy + cam.f * EYE / np.array([depth + long, max(depth - long, NEAR)])
    top, bottom = int(max(rows[0] - 1, 0)), int(min(rows[1] + 2, cam.height))
    reach = cam.f * wide / max(depth - long, NEAR)
    u0 = cam.cx + cam.f * (x - cam.x) / depth
    left, right = int(max(u0 - reach - 1, 0)), int(min(u0 + reach + 2, cam.width))
    if top >= bottom or left >= right:
        return
    u, v = _grid(cam.width, cam.height)
    cut = slice(top, bottom), slice(left, right)
    far = to.depth[cut]
    across = (u[left:right] - cam.cx) * far / cam.f + cam.x - x
    along = far + cam.z - z
    dark = np.clip(1.5 - 1.5 * ((across / wide) ** 2 + (along / long) ** 2), 0, 0.55)
    dark *= (to.semantics[cut] <= PAVEMENT) | (to.semantics[cut] == TERRAIN)
    to.rgb[cut] *= 1 - dark[..., None]


PROPS = {  # semantics and glow by part
    "lamp": ((POLE, POLE), (0, 1)),
    "sign": ((POLE, SIGN, SIGN), (0, 0, 0)),
    "signal": ((POLE, LIGHT, LIGHT), (0, 0, 1)),
    "pillar": ((OTHER,) * 3, (0, 0, 0)),
    "hydrant": ((OTHER,) * 2, (0, 0)),
    "bin": ((OTHER,) * 2, (0, 0)),
    "poster": ((SIGN,) * 8, (0,) * 8),
    "round": ((VEGETATION,) * 2, (0, 0)),
    "tall": ((VEGETATION,) * 2, (0, 0)),
    "bush": ((VEGETATION,) * 2, (0, 0)),
    "pedestrian": ((PERSON,) * 7, (0,) * 7),
    "cyclist": ((RIDER,) * 5 + (BICYCLE,) * 2, (0,) * 7),
    "wheelchair": ((PERSON,) * 7, (0,) * 7),
}


@functools.cache
def _kind(kind):
    semantics, glow = PROPS[kind]
    return np.array(semantics, np.uint8), np.array(glow, np.float32)


def card(cam: Camera, to: Buffers, levels, colours, kind, x, z, depth, scale, identity, mirror=False) -> None:
    """An upright, camera-facing figure at (x, z): coverage maps of its parts and their colours."""
    span = assets.SPAN * scale
    u0, u1 = (cam.cx + cam.f * (x - cam.x + d) / depth for d in (-span / 2, span / 2))
    v0, v1 = (cam.cy - cam.f * (y - EYE) / depth for y in (span, 0.0))
    left, right = max(int(np.ceil(u0 - 0.5)), 0), min(int(np.floor(u1 - 0.5)) + 1, cam.width)
    top, bottom = max(int(np.ceil(v0 - 0.5)), 0), min(int(np.floor(v1 - 0.5)) + 1, cam.height)
    if left >= right or top >= bottom:
        return
    level = int(np.clip(np.log2(assets.SIDE / max(u1 - u0, 1)), 0, len(levels) - 1))
    cover = levels[level]
    size = cover.shape[-1]
    i = ((np.arange(top, bottom) + 0.5 - v0) / (v1 - v0) * size).astype(np.int64)
    j = ((np.arange(left, right) + 0.5 - u0) / (u1 - u0) * size).astype(np.int64)
    if mirror:
        j = size - 1 - j
    i, j = np.clip(i, 0, size - 1), np.clip(j, 0, size - 1)
    parts = cover[:, i[:, None], j]
    alpha = parts.sum(0)
    cut = slice(top, bottom), slice(left, right)
    alpha = np.where(depth < to.depth[cut], alpha, 0)
    if not alpha.any():
        return
    metres = span / size
    cloth = noise((i[:, None] * metres + 3 * scale), (j * metres + x * 0.37 + 0 * i[:, None]), depth / cam.f, 0.8)
    rough = 16 if kind in ("round", "tall", "bush") else 7
    light = (
        np.einsum("phw,pc->hwc", parts, colours) / np.maximum(parts.sum(0), 1e-6)[..., None]
        + (rough * cloth)[..., None]
    )
    to.rgb[cut] += alpha[..., None] * (light - to.rgb[cut])
    solid = alpha > 0.5
    semantics, glow = _kind(kind)
    to.depth[cut][solid] = depth
    to.instances[cut][solid] = identity
    to.semantics[cut][solid] = semantics[parts.argmax(0)][solid]
    shine = np.einsum("phw,p->hw", parts, glow)
    to.glow[cut] = np.where(solid, shine, to.glow[cut] * (1 - alpha))


def vehicle(cam: Camera, to: Buffers, thing, x, z, heading, depth, identity, look, braking) -> None:
    """A vehicle's solids, their planes hit by the ray of every pixel near it."""
    car, half = thing.vehicle, np.hypot(thing.vehicle.length, thing.vehicle.width) / 2
    near = max(depth - half, NEAR / 2)
    corners = np.array([(sx * car.width / 2, sz * car.length / 2) for sx in (-1, 1) for sz in (-1, 1)])
    cos, sin = np.cos(heading), np.sin(heading)
    wx, wz = (
        x - cam.x + corners[:, 0] * cos + corners[:, 1] * sin,
        z - cam.z - corners[:, 0] * sin + corners[:, 1] * cos,
    )
    wz = np.maximum(wz, NEAR / 2)
    us = cam.cx + cam.f * wx / wz
    left, right = max(int(us.min() - 1), 0), min(int(us.max() + 2), cam.width)
    top = max(int(cam.cy - cam.f * (car.height - EYE) / (near if car.height > EYE else depth + half) - 1), 0)
    bottom = min(int(cam.cy + cam.f * EYE / near + 2), cam.height)
    if left >= right or top >= bottom:
        return
    u, v = _grid(cam.width, cam.height)
    right_, down = np.meshgrid((u[left:right] - cam.cx) / cam.f, (v[top:bottom] - cam.cy) / cam.f)
    dx, dy = right_.ravel(), -down.ravel()
    # The ray and the eye in the vehicle's own axes.
    ray = np.stack([dx * cos - sin, dy, dx * sin + cos], 1).astype(np.float32)
    ex, ez = cam.x - x, cam.z - z
    eye = np.array([ex * cos - ez * sin, EYE, ex * sin + ez * cos], np.float32)
    best = np.full(len(ray), np.inf, np.float32)
    cabin = np.zeros(len(ray), bool)
    face = np.zeros(len(ray), np.int64)
    for n, (normals, offsets) in enumerate(car.solids):
        rate = ray @ normals.T
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (offsets - normals @ eye) / rate
        enter = np.where(rate < 0, t, -np.inf)
        hit = enter.max(1)
        good = (hit < np.where(rate > 0, t, np.inf).min(1)) & (hit > NEAR / 2) & (hit < best)
        best[good], cabin[good], face[good] = hit[good], n == 1, enter.argmax(1)[good]
    cut = slice(top, bottom), slice(left, right)
    shape = bottom - top, right - left
    good = (best < to.depth[cut].ravel()) & (best < np.inf)
    if not good.any():
        return
    point = eye + ray[good] * best[good, None]
    colour, glow = _bodywork(car, thing.colours[0], point, cabin[good], face[good], look, depth / cam.f, braking)
    flat = np.flatnonzero(good)
    rows, cols = top + flat // shape[1], left + flat % shape[1]
    to.rgb[rows, cols], to.glow[rows, cols], to.depth[rows, cols] = colour, glow, best[good]
    to.instances[rows, cols], to.semantics[rows, cols] = identity, CAR


def _bodywork(car, paint, point, cabin, face, look, pixel, braking):
    """Colours (P, 3) and glow (P,) of points (P, 3) on a vehicle, in its own axes."""
    x, y, z = point.T
    blur = max(pixel, 0.01)
    shade = np.where(
        cabin,
        np.array((0.78, 0.78, 1.12, 0.5, 0.95, 0.9, 1, 1))[face],
        np.array((0.78, 0.78, 1.12, 0.3, 0.86, 0.86, 1.0, 1.0))[face],
    )
    colour = paint * shade[:, None] + 3 * noise(z + 2 * x, y, blur)[:, None]
    snow = look.snow * ((face == 2) & (cabin | (car.height > 1.7)))
    colour += snow[:, None] * (np.float32((236, 238, 242)) - colour)
    glass = cabin & (face != 2) & (face != 3)
    edge = stripe(y, car.belt + 0.05, car.height - 0.07, blur)
    sides = glass & (face < 2)
    pillar = stripe(np.abs(z + 0.25), 0, 0.06, blur) * sides
    pane = np.where(glass, edge * (1 - pillar), 0)[:, None]
    colour += pane * (look.pane + 0.12 * look.sky * (y > car.belt + 0.25)[:, None] - colour)
    flank = ~cabin & (face < 2)
    base = car.length * 0.31
    wheel = np.minimum(np.hypot(z - base, y - car.wheel), np.hypot(z + base, y - car.wheel))
    arch = np.where(flank, np.clip((car.wheel + 0.02 - wheel) / blur + 0.5, 0, 1), 0)[:, None]
    colour += arch * (np.float32((26, 26, 28)) - colour)
    hub = np.where(flank, np.clip((car.wheel * 0.55 - wheel) / blur + 0.5, 0, 1), 0)[:, None]
    colour += hub * (np.float32((132, 134, 138)) - colour)
    ends = ~cabin & ((face == 4) | (face == 5))
    dark = np.where(ends, stripe(y, 0, 0.4, blur) * 0.75, np.where(flank, stripe(y, 0, 0.3, blur) * 0.6, 0))
    tyre = np.where(ends, stripe(np.abs(x), car.width / 2 - 0.24, 9, blur) * stripe(y, -1, 0.34, blur), 0)
    colour *= (1 - np.maximum(dark, tyre))[:, None]
    plate = np.where(ends, stripe(np.abs(x), 0, 0.26, blur) * stripe(y, 0.42, 0.54, blur), 0)[:, None]
    colour += plate * (np.float32((226, 226, 214)) - colour)
    lamp = np.where(
        ends, stripe(np.abs(x), car.width / 2 - 0.36, car.width / 2 - 0.06, blur) * stripe(y, 0.6, 0.78, blur), 0
    )
    front = face == 4
    light = np.where(front[:, None], np.float32((250, 246, 226)), np.float32((206 + 40 * braking, 30, 26)))
    colour += lamp[:, None] * (light - colour)
    return colour, lamp


# --- the frame ----------------------------------------------------------------------------------------------


def draw(scene: Scene, t: int, width: int, height: int, focal: float):
    """(Camera, Buffers, places) of frame t, by day, without weather."""
    cam, look = camera(scene, t, width, height, focal), looks.LOOKS[scene.condition]
    to = ground_and_sky(scene, cam)
    walls(scene, cam, to)
    x, z, heading = places = scene.places(t)
    depth = z - cam.z
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs(cam.cx + cam.f * (x - cam.x) / depth - width / 2) > width / 2 + cam.f * 4.5 / depth
    seen = np.flatnonzero((depth > NEAR) & (depth < FAR) & ~off)
    seen = seen[np.argsort(-depth[seen], kind="stable")]
    for k in seen:
        thing = scene.things[k]
        if thing.kind == "vehicle":
            shadow(cam, to, x[k], z[k], thing.vehicle.width * 0.62, thing.vehicle.length * 0.56, depth[k])
        elif thing.kind not in ("bush", "lamp", "sign", "signal"):
            shadow(cam, to, x[k], z[k], 0.45 if thing.cls >= 0 else 0.6, 0.35, depth[k])
    for k in seen:
        thing = scene.things[k]
        identity = k + 1 if thing.cls >= 0 else 0
        if thing.kind == "vehicle":
            turn = heading[k] + (np.pi if thing.back else 0)
            vehicle(cam, to, thing, x[k], z[k], turn, depth[k], identity, look, braking=0.0)
            continue
        mirror, colours = False, thing.colours
        if thing.cls >= 0:
            view = "side" if abs(np.sin(heading[k])) > 0.7 else "front"
            phase = int(t / scene.fps * thing.steps + thing.x * 7) % assets.PHASES
            waits = thing.dx and view == "front"
            levels = assets.figure(thing.kind, view, 0 if waits else phase, thing.variant, scene.assets)
            mirror = view == "side" and np.sin(heading[k]) < 0
        elif thing.kind in ("round", "tall", "bush"):
            levels = assets.plant("bare" if look.bare and thing.kind != "bush" else thing.kind, thing.variant)
            colours = np.stack([thing.colours[0], look.leaves * (0.85 + 0.1 * thing.variant)])
        else:
            levels = assets.prop(thing.kind, thing.variant)
        card(cam, to, levels, colours, thing.kind, x[k], z[k], depth[k], thing.scale, identity, mirror)
    return cam, to, places


def flow(scene: Scene, cam: Camera, to: Buffers, places, t: int, step: int) -> np.ndarray:
    """(H, W, 2) float32: from every pixel of frame t to where its point is in frame t + step. Exact for what is rigid;
    limbs go with their body."""
    other = camera(scene, t + step, cam.width, cam.height, cam.f / cam.width)
    u, v = _grid(cam.width, cam.height)
    depth = to.depth.astype(np.float64)
    x = cam.x + (u - cam.cx) * depth / cam.f
    y = EYE + (cam.cy - v)[:, None] * depth / cam.f
    z = cam.z + depth
    moved = np.flatnonzero(np.bincount(to.instances.ravel(), minlength=1)[1:])
    if len(moved):
        # One row a thing of this frame, row 0 for what stands still.
        row = np.zeros(len(scene.things) + 1, np.int64)
        row[moved + 1] = np.arange(1, len(moved) + 1)
        row = row[to.instances]
        ax, az, ah = (np.append(0, values[moved]) for values in places)
        bx, bz, bh = (np.append(0, values[moved]) for values in scene.places(t + step))
        rigid = np.append(False, [scene.things[k].kind == "vehicle" for k in moved])
        turn = np.where(rigid, bh - ah, 0)
        cos, sin = np.cos(turn)[row], np.sin(turn)[row]
        rx, rz = x - ax[row], z - az[row]
        x, z = bx[row] + rx * cos + rz * sin, bz[row] - rx * sin + rz * cos
    ahead = np.maximum(z - other.z, 0.05)
    endless = to.depth >= ENDLESS
    out = np.empty((cam.height, cam.width, 2), np.float32)
    out[..., 0] = np.where(endless, other.cx - cam.cx, other.cx + other.f * (x - other.x) / ahead - u)
    out[..., 1] = np.where(endless, other.cy - cam.cy, other.cy - other.f * (y - EYE) / ahead - v[:, None])
    return out


def boxes(scene: Scene, cam: Camera, to: Buffers, places, least: float):
    """(ids (M,), visible hulls (M, 4), amodal hulls (M, 4), visible pixels (M,)) of the participants of whom more than
    `least` pixels are seen, in the order of their ids."""
    seen = to.instances
    count = np.bincount(seen.ravel(), minlength=len(scene.things) + 1)
    count[0] = 0
    ids = np.flatnonzero(count > least)
    hulls, amodal = np.zeros((len(ids), 4), np.float32), np.zeros((len(ids), 4), np.float32)
    for n, identity in enumerate(ids):
        mask = seen == identity
        rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        hulls[n] = cols[0], rows[0], cols[-1] + 1, rows[-1] + 1
        whole = _extent(scene.things[identity - 1], cam, *(values[identity - 1] for values in places))
        amodal[n] = *np.minimum(whole[:2], hulls[n, :2]), *np.maximum(whole[2:], hulls[n, 2:])
    return ids, hulls, amodal, count[ids]


def _extent(thing, cam, x, z, heading):
    """The hull of a thing without occlusion, also outside the image."""
    if thing.kind == "vehicle":
        car = thing.vehicle
        sx, sz, sy = np.meshgrid((-car.width / 2, car.width / 2), (-car.length / 2, car.length / 2), (0.19, car.height))
        turn = heading + (np.pi if thing.back else 0)
        wx, wz = x + sx * np.cos(turn) + sz * np.sin(turn), z - sx * np.sin(turn) + sz * np.cos(turn)
        u, v, _ = cam.project(wx, sy, np.maximum(wz, cam.z + NEAR / 2))
        return np.array([u.min(), v.min(), u.max(), v.max()])
    wide = {"pedestrian": 0.3, "cyclist": 0.4, "wheelchair": 0.35}[thing.kind]
    if abs(np.sin(heading)) > 0.7:
        wide = {"pedestrian": 0.4, "cyclist": 0.87, "wheelchair": 0.55}[thing.kind]
    tall = {"pedestrian": 1.78, "cyclist": 1.8, "wheelchair": 1.42}[thing.kind]
    u, v, _ = cam.project(
        np.array([x - wide * thing.scale, x + wide * thing.scale]), np.array([0.0, tall * thing.scale]), z
    )
    return np.array([u[0], v[1], u[1], v[0]])
