"""One frame of a scene: rays against planes and solids, figures as upright cards, farther before nearer, in numpy alone.

A frame is drawn as light (colours by day), with what it shows (instance, semantics, depth) beside it; season, weather
and night come from `looks`. Flow is exact: every pixel's point goes with its thing to the next or last frame.
"""

from __future__ import annotations

import numpy as np

from alnb.worlds.roads import actors, assets, looks, street
from alnb.worlds.roads.scene import FAR, LOOKALIKES, Scene, participant
from alnb.worlds.roads.view import ENDLESS, EYE, NEAR, Buffers, Camera, camera


def draw(
    scene: Scene, t: int, width: int, height: int, focal: float, lookalikes=False
) -> tuple[Camera, Buffers, tuple]:
    """(camera, what is seen, `scene.places(t)`) of frame t, by day, without weather; lookalikes: the instances are those
    of the scenery that looks like participants, in place of the participants'."""
    cam = camera(scene, t, width, height, focal)
    to = street.ground_and_sky(scene, cam)
    street.walls(scene, cam, to)
    x, z, heading = places = scene.places(t)
    depth = z - cam.z
    ahead = np.maximum(depth, NEAR)
    off = np.abs(cam.u(x, ahead) - width / 2) > width / 2 + cam.f * 4.5 / ahead
    tiny = scene.sizes * cam.f < 2.5 * ahead  # scenery of a pixel or two is left out
    seen = np.flatnonzero((depth > NEAR) & (depth < FAR) & ~off & ~tiny)
    seen = seen[np.argsort(-depth[seen], kind="stable")].tolist()
    x, z, heading = x.tolist(), z.tolist(), heading.tolist()
    for k in seen:
        thing = scene.things[k]
        if thing.vehicle:
            actors.shadow(cam, to, x[k], z[k], thing.vehicle.width * 0.62, thing.vehicle.length * 0.56)
        elif depth[k] < 40 and thing.kind not in ("bush", "lamp", "sign", "signal"):
            actors.shadow(cam, to, x[k], z[k], 0.45 if thing.cls >= 0 else 0.6, 0.35)
    for k in seen:
        thing = scene.things[k]
        if thing.vehicle:
            turn = heading[k] + (np.pi if thing.back else 0.0)
            actors.vehicle(cam, to, thing, x[k], z[k], turn, 0 if lookalikes else k + 1, looks.LOOKS[scene.condition])
        else:
            figure, colours, mirror = _card(scene, thing, t, heading[k])
            identity = k + 1 if (thing.kind in LOOKALIKES if lookalikes else thing.cls >= 0) else 0
            actors.card(cam, to, figure, colours, thing.kind, x[k], z[k], thing.scale, identity, mirror)
    return cam, to, places


def _card(scene, thing, t, heading):
    """(figure, colours, whether it is mirrored) of a thing at frame t."""
    look = looks.LOOKS[scene.condition]
    if thing.cls >= 0:
        across, phase = abs(np.sin(heading)) > 0.7, int(t / scene.fps * thing.steps + thing.x * 7) % assets.PHASES
        view = "side" if across else "front" if thing.vz < 0 or thing.dx else "back"
        if thing.dx and not across:
            phase = 0  # waits
        return (
            assets.figure(thing.kind, view, phase, thing.variant, scene.assets),
            thing.colours,
            across and heading < 0,
        )
    if thing.kind in actors.PLANTS:
        leaves = look.leaves * np.float32(0.85 + 0.1 * thing.variant)
        bare = look.bare and thing.kind != "bush"
        return assets.plant("bare" if bare else thing.kind, thing.variant), np.stack([thing.colours[0], leaves]), False
    return assets.prop(thing.kind, thing.variant), thing.colours, False


def picture(scene: Scene, cam: Camera, to: Buffers, t: int, preset) -> tuple[np.ndarray, list[np.ndarray]]:
    """(H, W, 3) uint8, frame t as the camera records it, and the hulls of the reflections in it; its chance is of the
    stream (sequence, frame)."""
    rng = np.random.default_rng((*scene.key, t, 1))
    rgb = looks.light(scene, cam, to, rng)
    shown = [_reflect(scene, cam, rgb, rng) for _ in range(rng.poisson(preset.ghosts))]
    hulls = [hull(mask) for mask in shown if mask.any()]
    if preset.glare:
        _dazzle(scene, to, rgb, np.random.default_rng((*scene.key, t, 2)), preset)
    return looks.expose(scene, rgb, rng, preset.flicker, preset.noise), hulls


def empty(rgb: np.ndarray) -> Buffers:
    """Buffers in which nothing is drawn before the colours (H, W, 3)."""
    shape = rgb.shape[:2]
    return Buffers(rgb, np.full(shape, ENDLESS, np.float32), np.zeros(shape, np.int32), np.zeros(shape, np.uint8), None)


def hull(mask: np.ndarray) -> np.ndarray:
    """(4,) float32, the smallest box around what is true."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([cols[0], rows[0], cols[-1] + 1, rows[-1] + 1], np.float32)


def _reflect(scene, cam, rgb, rng):
    """A reflection in the windscreen, there for this one frame: a participant, half transparent, where none is. Returns
    where it is."""
    look = looks.LOOKS[scene.condition]
    to = empty(rgb.copy())
    z = cam.z + float(rng.uniform(7, 22))
    x = cam.x + float(rng.uniform(-0.45, 0.45)) * (z - cam.z) * cam.width / cam.f
    kind = ("vehicle", "pedestrian", "cyclist")[rng.integers(3)]
    thing = participant(rng, kind, x, z, scene.assets)
    if thing.vehicle:
        actors.vehicle(cam, to, thing, x, z, float(rng.choice((0.0, np.pi))), 1, look)
    else:
        view = ("side", "front", "back")[rng.integers(3)]
        figure = assets.figure(kind, view, int(rng.integers(assets.PHASES)), thing.variant, scene.assets)
        actors.card(cam, to, figure, thing.colours, kind, x, z, thing.scale, 1)
    strength = float(rng.uniform(0.4, 0.85))
    there = to.instances > 0
    rgb[there] += strength * (to.rgb[there] * min(1.0, look.gain * 1.5) - rgb[there])
    return there


def _dazzle(scene, to, rgb, rng, preset):
    """Reflections of the sun in the windscreen, in place, there for this one frame: they veil a participant, each with the chance
    `preset.glare`."""
    high, wide = to.instances.shape
    for identity in np.flatnonzero(np.bincount(to.instances.ravel())[1:] > preset.seeable) + 1:
        if rng.random() >= preset.glare:
            continue
        x0, y0, x1, y1 = hull(to.instances == identity)
        middle, reach = ((x0 + x1) / 2, (y0 + y1) / 2), max(x1 - x0, y1 - y0) * float(rng.uniform(0.7, 1.0)) + 1
        u, v = np.arange(wide) + 0.5 - middle[0], np.arange(high)[:, None] + 0.5 - middle[1]
        veil = np.exp(-(((u**2 + v**2) / reach**2) ** 2)).astype(np.float32)[..., None] * 0.92
        light = np.float32((244, 240, 226)) * max(0.45, min(1.0, looks.LOOKS[scene.condition].gain))
        rgb += veil * (light - rgb)


def flow(scene: Scene, cam: Camera, to: Buffers, places, t: int, step: int) -> np.ndarray:
    """(H, W, 2) float32: from every pixel of frame t to where its point is in frame t + step. Exact for what is rigid;
    limbs go with their body, and what turns its side to the camera goes with its middle."""
    other = camera(scene, t + step, cam.width, cam.height, cam.f / cam.width)
    depth = to.depth.astype(np.float64)
    x, y, z = cam.x + cam.right * depth, EYE + cam.up[:, None] * depth, cam.z + depth
    moved = np.flatnonzero(np.bincount(to.instances.ravel(), minlength=1)[1:])
    if len(moved):
        row = np.zeros(len(scene.things) + 1, np.int64)  # of a thing among those that move, 0 for what stands still
        row[moved + 1] = np.arange(1, len(moved) + 1)
        row = row[to.instances]
        ax, az, ah = (np.append(0, values[moved]) for values in places)
        bx, bz, bh = (np.append(0, values[moved]) for values in scene.places(t + step))
        turn = np.where(np.append(False, [scene.things[k].vehicle is not None for k in moved]), bh - ah, 0)
        cos, sin = np.cos(turn)[row], np.sin(turn)[row]
        rx, rz = x - ax[row], z - az[row]
        x, z = bx[row] + rx * cos + rz * sin, bz[row] - rx * sin + rz * cos
    ahead = np.maximum(z - other.z, 0.05)
    endless = to.depth >= ENDLESS
    u, v = np.arange(cam.width) + 0.5, np.arange(cam.height)[:, None] + 0.5
    out = np.empty((cam.height, cam.width, 2), np.float32)
    out[..., 0] = np.where(endless, other.cx - cam.cx, other.u(x, ahead) - u)
    out[..., 1] = np.where(endless, other.cy - cam.cy, other.v(y, ahead) - v)
    return out


def boxes(scene: Scene, cam: Camera, to: Buffers, places, least: float):
    """(ids (M,), visible hulls (M, 4), amodal hulls (M, 4)) of the participants of whom more than `least` pixels are
    seen, in the order of their ids."""
    ids = np.flatnonzero(np.bincount(to.instances.ravel())[1:] > least) + 1
    hulls, amodal = np.zeros((len(ids), 4), np.float32), np.zeros((len(ids), 4), np.float32)
    for n, identity in enumerate(ids):
        hulls[n] = hull(to.instances == identity)
        whole = _extent(scene.things[identity - 1], cam, *(float(values[identity - 1]) for values in places))
        amodal[n] = *np.minimum(whole[:2], hulls[n, :2]), *np.maximum(whole[2:], hulls[n, 2:])
    return ids, hulls, amodal


# Half the width of a figure from the front and from the side, and its height, metres.
SIZES = {"pedestrian": (0.3, 0.4, 1.78), "cyclist": (0.4, 0.87, 1.8), "wheelchair": (0.35, 0.55, 1.42)}


def _extent(thing, cam, x, z, heading):
    """The hull of a thing without occlusion, also outside the image."""
    if thing.vehicle:
        car, turn = thing.vehicle, heading + (np.pi if thing.back else 0)
        a, b, y = np.meshgrid(
            (-car.width / 2, car.width / 2), (-car.length / 2, car.length / 2), (assets.CLEAR, car.height)
        )
        ahead = np.maximum(z - a * np.sin(turn) + b * np.cos(turn) - cam.z, NEAR / 2)
        u, v = cam.u(x + a * np.cos(turn) + b * np.sin(turn), ahead), cam.v(y, ahead)
        return np.array([u.min(), v.min(), u.max(), v.max()])
    front, side, tall = SIZES[thing.kind]
    wide = (side if abs(np.sin(heading)) > 0.7 else front) * thing.scale
    depth = z - cam.z
    return np.array(
        [cam.u(x - wide, depth), cam.v(tall * thing.scale, depth), cam.u(x + wide, depth), cam.v(0.0, depth)]
    )
