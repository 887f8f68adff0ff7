"""People seen by several cameras: a world for re-identification, drawn by numpy.

Every box is a pure function of (world, identity, camera, frame): it does not depend on what else is drawn, in which
order, or how many.

What makes it hard, and what a method can use
- siblings: identities come in groups of one to four that share build, hair colour and clothes, and differ in details:
  what they carry, hat, shoes, hair, a logo.
- cameras: each has its own cast, gamma, light, blur, noise, compression and background, and a direction that people
  mostly walk in.
- views: from the front a logo is seen and a backpack is two straps; from behind it is the other way round.
- passages: a person's boxes of one walk past one camera are near-duplicates, numbered as one track.
- occluders and second pedestrians cover or crowd; a detector's boxes are shifted and scaled.
- junk (boxes that hold a third of somebody) and distractors (less of somebody, or nobody) in the gallery.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from alnb.datasets import Info
from alnb.errors import BadRequest

SIZE = (64, 32)  # height and width, pixels
SPLITS = ("train", "query", "gallery")
PERSON, JUNK, DISTRACTOR = range(3)  # kinds of boxes


@dataclass(frozen=True)
class Preset:
    """One world. Presets of one stream have the same people, cameras and passages."""

    title: str
    stream: int
    cameras: int = 6
    train: int = 150  # identities
    test: int = 120
    seen: tuple[int, int] = (3, 6)  # how many cameras a person passes
    frames: tuple[int, int] = (2, 4)  # boxes of a passage
    again: float = 0.3  # chance of a second passage of the same camera
    siblings: float = 0.75  # share of groups that are more than one person
    occluded: float = 0.25  # share of passages behind something
    crowded: float = 0.35  # share of passages with a second pedestrian
    jitter: float = 0.06  # sd of a box's shift and scale, in box sides
    cast: float = 0.15  # sd of the log gain of a camera's colour channels
    grey: float = 0.4  # share of clothes without colour
    winter: float = 0.3  # share of coats and jackets
    junk: float = 0.12  # boxes in the gallery, as shares of its boxes of people
    distractors: float = 0.15
    both: bool = True  # queries from every camera; else camera 1 asks camera 2


_MARKET = Preset("six cameras before a market", 1)
_CUHK03 = Preset("two cameras of a campus", 4, cameras=2, train=140, test=120, seen=(2, 2), frames=(4, 6), again=0.0,
                 junk=0.0, distractors=0.0, winter=0.4, grey=0.35)  # fmt: skip
_DUKE = Preset("eight cameras of a campus", 2, cameras=8, seen=(2, 5), frames=(2, 5), occluded=0.35, crowded=0.25, cast=0.1,
               grey=0.6, winter=0.7, junk=0.0, distractors=0.25)  # fmt: skip
PRESETS = {
    "pedestrians-market": _MARKET,
    "pedestrians-market-no-siblings": replace(_MARKET, siblings=0.0, title=_MARKET.title + ", no two alike"),
    "pedestrians-market-no-occluders": replace(_MARKET, occluded=0.0, crowded=0.0, title=_MARKET.title + ", nobody hidden"),
    "pedestrians-duke": _DUKE,
    "pedestrians-duke-small": replace(_DUKE, train=100, test=30, title=_DUKE.title + ", fewer people"),
    "pedestrians-cuhk01": Preset("two cameras, two boxes each", 3, cameras=2, train=200, test=160, seen=(2, 2), frames=(2, 2),
                                 again=0.0, jitter=0.02, occluded=0.1, crowded=0.15, junk=0.0, distractors=0.0,
                                 grey=0.3, both=False),
    "pedestrians-cuhk03-labelled": replace(_CUHK03, jitter=0.02, title=_CUHK03.title + ", tight boxes"),
    "pedestrians-cuhk03-detected": replace(_CUHK03, jitter=0.08, title=_CUHK03.title + ", a detector's boxes"),
    "pedestrians-tiny": replace(_MARKET, stream=5, cameras=3, train=24, test=20, seen=(2, 3), frames=(2, 3),
                                title="three cameras, few people, for smoke tests"),
    "pedestrians-market-small": replace(_MARKET, train=60, test=60, title="six cameras before a market, fewer people"),
    "pedestrians-tiny-source": replace(_MARKET, stream=6, cameras=3, train=16, test=8, seen=(2, 3), frames=(2, 3),
                                       title="other people, for smoke tests to start from"),
}  # fmt: skip

# --- who passes where -----------------------------------------------------------------------------------------

_GROUP, _OWN, _CAMERA, _PASSAGE, _FRAME, _WALKS, _SCENE, _OTHERS = range(8)  # streams of numbers
_EXTRA = 1000  # frames from here on are junk, from twice this on distractors


def _numbers(seed, stream, part, count, *at):
    """(count,) uniform: counter-based (Salmon et al. 2011), so that everything has numbers of its own."""
    counter = [0, *at, *[0] * (3 - len(at))]
    return np.random.Generator(np.random.Philox(key=[seed, 16 * stream + part], counter=counter)).random(count)


@dataclass(frozen=True)
class Table:
    """The boxes of a split, (N,) int64 each."""

    identities: np.ndarray  # who is drawn
    cameras: np.ndarray
    frames: np.ndarray
    kinds: np.ndarray
    tracks: np.ndarray

    @property
    def ids(self) -> np.ndarray:
        """As in Market-1501: -1 for junk, 0 for distractors."""
        return np.select([self.kinds == JUNK, self.kinds == DISTRACTOR], [-1, 0], self.identities)


@functools.lru_cache(maxsize=16)
def table(name: str, split: str, seed: int = 0) -> Table:
    """Which boxes a split holds. BadRequest for a name or split that does not exist."""
    preset = _preset(name)
    if split not in SPLITS:
        raise BadRequest(f"unknown split {split!r}: there are {', '.join(SPLITS)}")
    people = range(1, preset.train + 1) if split == "train" else range(preset.train + 1, preset.train + preset.test + 1)
    found = []  # identity, camera, frame, kind
    for identity in people:
        u = iter(_numbers(seed, preset.stream, _WALKS, 8 + 4 * preset.cameras, identity))
        low, high = preset.seen
        count = low + int(next(u) * (high - low + 1))
        cameras = np.argsort([next(u) for _ in range(preset.cameras)])[:count]
        for camera in sorted(cameras.tolist()):
            low, high = preset.frames
            frames = [k for k in range(low + int(next(u) * (high - low + 1)))]
            if next(u) < preset.again:
                frames += [100 + k for k in range(low + int(next(u) * (high - low + 1)))]
            asks = frames[:1] if preset.both else frames * (camera == 0)
            stays = frames[1:] if preset.both else frames * (camera == 1)
            rows = {"train": frames, "query": asks, "gallery": stays}[split]
            found += [(identity, camera, frame, PERSON) for frame in rows]
    if split == "gallery":
        whole = len(found)
        for kind, share in ((JUNK, preset.junk), (DISTRACTOR, preset.distractors)):
            for k in range(round(share * whole)):
                u = _numbers(seed, preset.stream, _OTHERS, 2, k, kind)
                who = people[int(u[0] * len(people))]
                found.append((who, int(u[1] * preset.cameras), kind * _EXTRA + k, kind))
    identities, cameras, frames, kinds = np.array(found, np.int64).reshape(-1, 4).T
    tracks = (identities * preset.cameras + cameras) * 100 + frames // 100
    return Table(identities, cameras, frames, kinds, np.unique(tracks, return_inverse=True)[1])


def _preset(name):
    if name not in PRESETS:
        raise BadRequest(f"unknown world of pedestrians {name!r}: there are {', '.join(PRESETS)}")
    return PRESETS[name]


# --- what they look like ----------------------------------------------------------------------------------------

CARRIED = ("nothing", "backpack", "handbag", "cross-strap")
PATTERNS = ("plain", "stripes", "pinstripes", "checks", "two halves")
_SKIN = np.array([[0.96, 0.80, 0.69], [0.88, 0.67, 0.53], [0.72, 0.50, 0.36], [0.50, 0.33, 0.23], [0.34, 0.22, 0.16]])
_HAIR = np.array([[0.08, 0.07, 0.07], [0.20, 0.13, 0.09], [0.36, 0.23, 0.13], [0.66, 0.50, 0.28], [0.55, 0.54, 0.52],
                  [0.48, 0.20, 0.10]])  # fmt: skip
_MOST = 4  # people in a group of siblings


@functools.lru_cache(maxsize=16)
def _groups(preset, seed):
    """(train + test + 1, 2) int64: of identity 1, 2, ... its group's number and its place in it."""
    found, identity = [(0, 0)], 1
    for last in (preset.train, preset.train + preset.test):  # no group is in training and test
        while identity <= last:
            u = _numbers(seed, preset.stream, _WALKS, 2, identity, 1)
            size = 2 + int(u[1] * (_MOST - 1)) if u[0] < preset.siblings else 1
            size = min(size, last - identity + 1)
            found += [(identity, place) for place in range(size)]
            identity += size
    return np.array(found, np.int64)


def _hsv(hue, saturation, value):
    wheel = np.clip(np.abs((np.asarray(hue)[..., None] * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    return np.asarray(value)[..., None] * (1 - np.asarray(saturation)[..., None] * (1 - wheel))


@functools.lru_cache(maxsize=4096)
def _person(preset, seed, identity):
    """What an identity looks like, as a flat dict of floats and colours (3,)."""
    group, place = _groups(preset, seed)[identity]
    u = iter(_numbers(seed, preset.stream, _GROUP, 40, int(group)))
    own = iter(_numbers(seed, preset.stream, _OWN, 24, identity))

    def cloth(u):
        hue, saturation, value = next(u), 0.35 + 0.6 * next(u), 0.25 + 0.7 * next(u)
        grey = next(u) < preset.grey
        return _hsv(hue, 0.06 * saturation if grey else saturation, next(u) ** 1.3 * 0.9 + 0.06 if grey else value)

    top, bottom, second = cloth(u), cloth(u), cloth(u)
    winter = next(u) < preset.winter
    kind = next(u)
    hair = _HAIR[int(next(u) * len(_HAIR))]
    pattern = 0 if next(u) < 0.55 else 1 + int(next(u) * (len(PATTERNS) - 1))
    found = {
        "tall": 0.93 + 0.12 * next(u), "wide": 0.9 + 0.35 * next(u), "skin": _SKIN[int(next(u) * len(_SKIN))],
        "hair": hair, "top": top, "bottom": bottom, "second": second, "pattern": float(pattern),
        "long_sleeves": float(winter or next(u) < 0.45), "coat": float(winter and next(u) < 0.5),
        "open": float(winter and next(u) < 0.6),
        "legs": 0.0 if winter or kind < 0.6 else 1.0 if kind < 0.82 else 2.0,  # trousers, shorts, skirt
        "period": 0.075 + 0.05 * next(u),
    }  # fmt: skip
    first = int(next(u) * len(CARRIED))
    found |= {
        "carried": float((first + place) % len(CARRIED)), "bag": cloth(own), "shoes": cloth(own),
        "hat": float(int(next(own) * 5)), "hat_colour": cloth(own),  # 0 cap, 1 beanie, else none
        "long_hair": float(next(own) < 0.35), "logo": float(next(own) < 0.5), "logo_colour": cloth(own),
    }  # fmt: skip
    return found


@functools.lru_cache(maxsize=64)
def _camera(preset, seed, camera):
    u = np.random.Generator(np.random.Philox(key=[seed, 16 * preset.stream + _CAMERA], counter=[0, camera, 0, 0]))
    mix = np.eye(3) + 0.06 * u.standard_normal((3, 3))
    return {
        "gain": np.exp(preset.cast * u.standard_normal(3)), "mix": mix / mix.sum(1, keepdims=True),
        "gamma": np.exp(0.2 * u.standard_normal()), "light": 0.35 * u.standard_normal(2).clip(-1, 1),
        "noise": 0.01 + 0.025 * u.random(), "blur": 0.45 * u.random(), "quality": 0.02 + 0.06 * u.random(),
        "yaw": 2 * np.pi * u.random(), "tilt": 0.06 * u.standard_normal(), "occluder": u.random(3) * 0.7,
        "sort": float(int(u.random() * 3)),
    }  # fmt: skip


_SCENE_SIZE = (96, 384)


@functools.lru_cache(maxsize=64)
def _scene(preset, seed, camera):
    """(96, 384, 3) float32: the wall of a street, its furniture and its ground, longer than a box is wide."""
    height, width = _SCENE_SIZE
    rng = np.random.Generator(np.random.Philox(key=[seed, 16 * preset.stream + _SCENE], counter=[0, camera, 0, 0]))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    horizon = height * (0.35 + 0.3 * rng.random())
    wall, ground = (0.25 + 0.5 * rng.random(3) for _ in range(2))
    scene = np.where((y < horizon)[..., None], wall, ground)
    for _ in range(26):
        colour = np.clip(rng.normal(0.45, 0.22) + 0.14 * rng.standard_normal(3), 0, 1)
        left, wide = rng.random() * width, 6 + 40 * rng.random()
        if rng.random() < 0.75:
            top, tall = rng.random() * horizon * 0.8 - 6, 8 + 50 * rng.random()
            inside = (x > left) & (x < left + wide) & (y > top) & (y < min(top + tall, horizon + 3))
        else:
            inside = ((x - left) / wide) ** 2 + ((y - horizon) / (4 + 14 * rng.random())) ** 2 < 1
        scene[inside] = colour
    noise = sum(
        np.kron(rng.standard_normal((height // cell, width // cell, 1)), np.ones((cell, cell, 1))) * weight
        for cell, weight in ((2, 0.03), (8, 0.04), (16, 0.04))
    )
    return np.clip(scene + noise, 0, 1).astype(np.float32)


# --- drawing ----------------------------------------------------------------------------------------------------

_CHUNK = 32  # boxes at once: their floats fit into the cache


def render(name: str, identities, cameras, frames, kinds=None, *, seed: int = 0, size: tuple[int, int] = SIZE,
           masks: bool = False) -> np.ndarray:  # fmt: skip
    """Boxes (n, 3, H, W) uint8 of identities 1, 2, ... in cameras 0, 1, ... and frames 0, 1, ... (a hundred are a
    passage); with masks (n, 2, H, W) bool in their place: where the person is seen, and what they carry or wear beside
    their clothes. BadRequest for what does not exist."""
    preset = _preset(name)
    rows = [np.asarray(each, np.int64).reshape(-1) for each in (identities, cameras, frames)]
    rows.append(np.zeros(len(rows[0]), np.int64) if kinds is None else np.asarray(kinds, np.int64).reshape(-1))
    if len({len(each) for each in rows}) > 1:
        raise BadRequest(
            f"{', '.join(str(len(each)) for each in rows)} identities, cameras, frames, kinds: expected as many"
        )
    people = preset.train + preset.test
    for what, each, low, high in (("identities", rows[0], 1, people), ("cameras", rows[1], 0, preset.cameras - 1)):
        if len(each) and (each.min() < low or each.max() > high):
            raise BadRequest(f"{what} {each.min()} to {each.max()}: {name} has {low} to {high}")
    if seed < 0 or (rows[2] < 0).any():
        raise BadRequest(f"seed and frames count from 0: given seed {seed}, smallest frame {rows[2].min(initial=0)}")
    found = np.empty((len(rows[0]), 2 if masks else 3, *size), bool if masks else np.uint8)
    for start in range(0, len(found), _CHUNK):
        part = slice(start, start + _CHUNK)
        found[part] = _render(preset, seed, *(each[part] for each in rows), size, masks)
    return found


def _wide(values):
    return np.asarray(values, np.float32)[:, None, None]


def _render(preset, seed, identities, cameras, frames, kinds, size, masks):
    n, (height, width) = len(identities), size
    stream, passages = preset.stream, frames // 100
    people = [_person(preset, seed, int(i)) for i in identities]
    eyes = [_camera(preset, seed, int(c)) for c in cameras]
    walk = np.stack([_numbers(seed, stream, _PASSAGE, 24, int(p), int(c), int(i))
                     for p, c, i in zip(passages, cameras, identities)])  # fmt: skip
    step = [np.random.Generator(np.random.Philox(key=[seed, 16 * stream + _FRAME], counter=[0, int(f), int(c), int(i)]))
            for f, c, i in zip(frames, cameras, identities)]  # fmt: skip
    shake = np.stack([g.random(12) for g in step])
    normal = np.stack([g.standard_normal(4) for g in step])
    eye = {key: np.stack([each[key] for each in eyes]) for key in eyes[0]}
    w, s = iter(walk.T), iter(shake.T)

    # Where the person stands in the box
    k = frames % 100
    yaw = eye["yaw"] + 0.5 * (next(w) + next(w) + next(w) - 1.5) * 2 + np.pi * (next(w) < 0.35)
    phase = 2 * np.pi * next(w) + 0.9 * k
    scale = 0.86 * np.exp(np.clip(preset.jitter * normal[:, 0], -0.25, 0.25))
    dx, dy = (np.clip(preset.jitter * normal[:, i], -0.3, 0.3) for i in (1, 2))
    share = np.where(kinds == JUNK, (1 + next(s)) / 3, next(s) / 3)  # overlap with the right box: IoU = o / (2 - o)
    split, bad = next(s), kinds != PERSON
    left, up = np.where(next(s) < 0.5, -1, 1), np.where(next(s) < 0.5, -1, 1)
    dx = np.where(bad, left * (1 - share**split), dx)
    dy = np.where(bad, up * (1 - share ** (1 - split)), dy)

    # The street
    scenes = np.stack([_scene(preset, seed, int(c)) for c in cameras])
    zoom, at = 0.8 + 0.5 * next(w), next(w)
    ys = (np.arange(height) + 0.5) / height * 64
    xs = (np.arange(width) + 0.5) / width * 32
    row = np.clip(_SCENE_SIZE[0] / 2 + (ys - 32) * zoom[:, None] * 1.1 + 12 * (next(w)[:, None] - 0.5), 0, 95).astype(
        int
    )
    walked = 1.5 * k * np.sin(yaw)
    column = ((xs - 16) * zoom[:, None] * 1.1 + (at * 384 + walked)[:, None]).astype(int) % 384
    images = scenes[np.arange(n)[:, None, None], row[:, :, None], column[:, None, :]].transpose(0, 3, 1, 2)
    images = np.ascontiguousarray(images)
    seen = np.zeros((n, 2, height, width), np.float32)

    def figure(rows, who, yaw, phase, scale, dx, dy, mark):
        person = {key: np.stack([each[key] for each in who]) for key in who[0]}
        tall = scale * person["tall"]
        aspect = height / width
        gx = (((np.arange(width) + 0.5) / width)[None, None] - _wide(0.5 + dx)) / _wide(tall) / aspect
        gy = (((np.arange(height) + 0.5) / height)[None, :, None] - _wide(0.5 + dy - tall / 2)) / _wide(tall)
        gx = (gx + _wide(eye["tilt"][rows]) * (gy - 0.5)).astype(np.float32)
        gy = np.broadcast_to(gy, gx.shape).astype(np.float32)
        own = images[rows]
        _figure(own, seen if mark else None, gx, gy, (tall * height).astype(np.float32), person, yaw, phase)
        images[rows] = own

    # A second pedestrian, behind or before; the person; something before them
    crowd, near = next(w) < preset.crowded, next(w) < 0.3
    others = [_person(preset, seed, 1 + int(v * (preset.train + preset.test))) for v in next(w)]
    side = np.where(next(w) < 0.5, -1, 1) * (0.38 + 0.2 * next(w))
    other_yaw, other_scale = 2 * np.pi * next(w), scale * (0.85 + 0.2 * next(w))

    def second(which):
        rows = np.flatnonzero(which)
        if len(rows):
            figure(rows, [others[r] for r in rows], other_yaw[rows], phase[rows] + 1, other_scale[rows],
                   (dx + side)[rows], (dy + 0.02)[rows], False)  # fmt: skip
        return rows

    second(crowd & ~near)
    figure(np.arange(n), people, yaw, phase, scale, dx, dy, True)
    if (rows := np.flatnonzero(crowd & near)).size:
        before = images[rows].copy()
        second(crowd & near)
        seen[rows] *= (np.abs(images[rows] - before).max(1) < 0.02)[:, None]
    hidden, where = next(w) < preset.occluded, next(w)
    px = np.arange(width)[None, None] / width
    py = np.arange(height)[None, :, None] / height
    if (rows := np.flatnonzero(hidden)).size:
        sort, at = _wide(eye["sort"][rows]), _wide(where[rows])
        pole = np.abs(px - (0.15 + 0.7 * at)) < 0.07
        wall = py > 0.55 + 0.3 * at
        bush = ((px - np.round(at)) / 0.5) ** 2 + ((py - 1) / 0.55) ** 2 < 1
        cover = np.where(sort == 0, pole, np.where(sort == 1, wall, bush))
        colour = eye["occluder"][rows][:, :, None, None]
        images[rows] = np.where(cover[:, None], colour, images[rows])
        seen[rows] *= ~cover[:, None]
    if masks:
        return seen > 0.5

    # The camera
    images = np.einsum("nij,njhw->nihw", eye["mix"].astype(np.float32), images, optimize=True)
    images *= (eye["gain"].astype(np.float32))[:, :, None, None]
    images *= (1 + _wide(eye["light"][:, 0]) * (px - 0.5) + _wide(eye["light"][:, 1]) * (py - 0.5))[:, None]
    images = np.clip(images, 0, 1) ** eye["gamma"].astype(np.float32)[:, None, None, None]
    b = eye["blur"].astype(np.float32)[:, None, None, None]
    for axis in (2, 3):
        inner = (np.roll(images, 1, axis) + np.roll(images, -1, axis)) / 2
        images = images + b * (inner - images)
    noise = np.stack([g.standard_normal((3, height, width), dtype=np.float32) for g in step])
    images += eye["noise"].astype(np.float32)[:, None, None, None] * noise
    return np.rint(np.clip(images, 0, 1) * np.float32(255)).astype(np.uint8)


def _figure(images, seen, x, y, px, person, yaw, phase):
    """Paint people into images (n, 3, H, W). x, y (n, H, W): in statures from the middle of the crown; px (n,): pixels
    a stature. seen (n, 2, H, W): coverage of person and accessories, or None."""
    px = px[:, None, None]
    cos, sin = np.cos(yaw).astype(np.float32), np.sin(yaw).astype(np.float32)
    wide = person["wide"].astype(np.float32)
    n = len(yaw)

    def paint(distance, colour, when=None, accessory=False):
        """Lay colour (n, 3) or (n, 3, H, W) where distance (n, H, W) >= 0, in statures."""
        coverage = np.clip(distance * px + np.float32(0.5), 0, 1)
        if when is not None:
            coverage = coverage * _wide(when)
        if colour.ndim == 2:
            colour = colour[:, :, None, None].astype(np.float32)
        images[:] += coverage[:, None] * (colour - images)
        if seen is not None:
            seen[:, 0] = np.maximum(seen[:, 0], coverage)
            if accessory:
                seen[:, 1] = np.maximum(seen[:, 1], coverage)
            else:
                seen[:, 1] *= 1 - coverage

    def ellipse(cx, cy, rx, ry):
        return (1 - np.hypot((x - _wide(cx)) / _wide(rx), (y - _wide(cy)) / _wide(ry))) * _wide(np.minimum(rx, ry))

    def limb(ax, ay, bx, by, ra, rb):
        ux, uy = _wide(bx - ax), _wide(by - ay)
        t = np.clip(((x - _wide(ax)) * ux + (y - _wide(ay)) * uy) / (ux * ux + uy * uy), 0, 1)
        return _wide(ra) + t * _wide(rb - ra) - np.hypot(x - _wide(ax) - t * ux, y - _wide(ay) - t * uy)

    def profile(cx, heights, widths):
        half = np.stack([np.interp(y[i], heights[i], widths[i]) for i in range(n)]).astype(np.float32)
        inside = np.minimum(y - _wide(heights[:, 0]), _wide(heights[:, -1]) - y)
        return np.minimum(half - np.abs(x - _wide(cx)), inside)

    def box(cx, cy, rx, ry, round):
        qx, qy = np.abs(x - _wide(cx)) - _wide(rx - round), np.abs(y - _wide(cy)) - _wide(ry - round)
        return round - np.hypot(np.maximum(qx, 0), np.maximum(qy, 0)) - np.minimum(np.maximum(qx, qy), 0)

    one = np.ones(n, np.float32)
    across = lambda w, d: np.sqrt((w * cos) ** 2 + (d * sin) ** 2)  # half-width of a body w wide and d deep
    shoulder, waist, hip = (
        across(0.125 * wide, 0.075 * wide),
        across(0.1 * wide, 0.075 * wide),
        across(0.105 * wide, 0.08 * wide),
    )
    skin, top, bottom = person["skin"], person["top"], person["bottom"]
    swing = np.sin(phase).astype(np.float32)
    back, winter_coat = cos < 0, person["coat"]
    facing = np.clip(cos * 4 + 0.5, 0, 1)
    bare, skirt = person["legs"] > 0, person["legs"] == 2
    shadow = ellipse(0 * one, 0.985 * one, 0.17 * one, 0.03 * one)
    cov = np.clip(shadow * px + 0.5, 0, 1) * np.float32(0.35)
    images *= 1 - cov[:, None]

    carried = person["carried"]
    bag_x, bag = -sin * 0.125, person["bag"]
    pack = box(bag_x, 0.3 * one, np.float32(0.055) + 0.03 * np.abs(cos), 0.105 * one, np.float32(0.03))
    paint(pack, bag, (carried == 1) & ~back, True)

    def arm(side):
        sx = side * (shoulder - 0.02) * np.where(np.abs(cos) < 0.25, 0.3, 1)
        reach = -side * swing * sin * 0.09
        ex, hx = sx + reach * 0.5 + side * 0.03 * np.abs(cos), sx + reach + side * 0.035 * np.abs(cos)
        paint(
            limb(ex, 0.335 * one, hx, 0.455 * one, 0.028 * one, 0.022 * one),
            np.where(person["long_sleeves"][:, None] > 0, top, skin),
        )
        paint(limb(sx, 0.2 * one, ex, 0.335 * one, 0.036 * wide, 0.03 * one), top)
        paint(ellipse(hx, 0.475 * one, 0.022 * one, 0.025 * one), skin)
        held = (carried == 2) & (side > 0)
        paint(box(hx, 0.55 * one, 0.06 * one, 0.05 * one, np.float32(0.015)), bag, held, True)
        paint(limb(hx, 0.46 * one, hx, 0.52 * one, 0.012 * one, 0.012 * one), bag, held, True)

    def leg(side):
        hx = side * 0.048 * cos * wide
        foot = hx + side * swing * sin * 0.13
        knee = (hx + foot) / 2 + sin * 0.015
        lift = np.where(side * swing * np.sign(cos) > 0.3, 0.015, 0.0) * np.abs(cos)
        paint(
            limb(knee, 0.72 * one, foot, 0.94 - lift, 0.034 * one, 0.026 * one), np.where(bare[:, None], skin, bottom)
        )
        paint(limb(hx, 0.5 * one, knee, 0.72 * one, 0.052 * wide, 0.038 * one), bottom, ~skirt)
        paint(limb(hx, 0.5 * one, knee, 0.72 * one, 0.045 * one, 0.034 * one), skin, skirt)
        paint(ellipse(foot + sin * 0.025, 0.965 - lift, 0.03 + 0.03 * np.abs(sin), 0.022 * one), person["shoes"])

    far = np.where(sin > 0, -1, 1).astype(np.float32)
    arm(far)
    leg(far)
    leg(-far)
    paint(
        profile(0 * one, np.stack([0.46 * one, 0.52 * one, 0.68 * one], 1), np.stack([hip, hip, hip * 1.35], 1)),
        bottom,
        skirt,
    )
    paint(profile(0 * one, np.stack([0.46 * one, 0.56 * one], 1), np.stack([hip, hip * 0.95], 1)), bottom)
    paint(ellipse(sin * 0.005, 0.15 * one, 0.035 * one, 0.04 * one), skin)

    # The top, its pattern, what is worn over it
    u, v = (x / _wide(shoulder)), y
    period = _wide(person["period"])
    turn = lambda z: np.sin(2 * np.pi * z)
    pattern = _wide(person["pattern"])
    tone = np.where(
        pattern == 1,
        turn(v / period) > 0,
        np.where(
            pattern == 2,
            turn(u * 1.6) > 0.2,
            np.where(pattern == 3, turn(v / period) * turn(u * 1.3) > 0, (pattern == 4) & (v > 0.33)),
        ),
    )
    cloth = np.where(tone[:, None], person["second"][:, :, None, None], top[:, :, None, None]).astype(np.float32)
    opened = (np.abs(x - _wide(0.05 * sin)) < _wide(0.03 * facing)) & (_wide(person["open"]) > 0)
    cloth = np.where(opened[:, None], person["second"][:, :, None, None].astype(np.float32), cloth)
    end = np.where(winter_coat > 0, 0.67, 0.5)
    heights = np.stack([0.155 * one, 0.185 * one, 0.35 * one, end], 1)
    paint(profile(0 * one, heights, np.stack([shoulder * 0.55, shoulder, waist, hip * 1.05], 1)), cloth)
    paint(
        box(
            sin * 0.07 + 0.045 * cos,
            0.25 * one,
            0.034 * one * np.maximum(np.abs(cos), 0.3),
            0.03 * one,
            np.float32(0.008),
        ),
        person["logo_colour"],
        (person["logo"] > 0) & (cos > 0.25),
        True,
    )
    for side in (-1, 1):
        line = side * 0.065 * np.abs(cos) * wide + sin * 0.02
        paint(limb(line, 0.175 * one, line, 0.36 * one, 0.014 * one, 0.014 * one), bag, (carried == 1) & ~back, True)
    strap = carried == 3
    paint(
        limb(-shoulder * 0.6 * np.sign(cos), 0.175 * one, hip * np.sign(cos), 0.46 * one, 0.014 * one, 0.014 * one),
        bag,
        strap,
        True,
    )
    paint(box(hip * np.sign(cos), 0.49 * one, 0.045 * one, 0.04 * one, np.float32(0.012)), bag, strap, True)
    paint(pack, bag, (carried == 1) & back, True)
    arm(-far)

    # The head
    long = person["long_hair"] > 0
    hair = person["hair"]
    paint(ellipse(-sin * 0.015, 0.12 * one, 0.056 * one, 0.1 * one), hair, long & back)
    paint(ellipse(0 * one, 0.077 * one, 0.053 * one, 0.073 * one), hair)
    paint(ellipse(-sin * 0.03, 0.12 * one, 0.045 * one, 0.075 * one), hair, long & ~back)
    size = np.clip((cos + 0.45) / 0.7, 0, 1)
    paint(
        ellipse(sin * 0.022, 0.095 * one, np.maximum(0.042 * size, 1e-3), np.maximum(0.052 * size, 1e-3)),
        skin,
        size > 0.1,
    )
    hat = person["hat"]
    paint(
        np.minimum(ellipse(0 * one, 0.06 * one, 0.06 * one, 0.062 * one), 0.065 - y),
        person["hat_colour"],
        hat < 2,
        True,
    )
    paint(ellipse(sin * 0.06, 0.062 * one, 0.045 * one, 0.012 * one), person["hat_colour"], (hat == 0) & ~back, True)


# --- the datasets -----------------------------------------------------------------------------------------------


def _info(name, preset):
    train, gallery = (len(table(name, split).ids) for split in ("train", "gallery"))
    return Info(title=f"pedestrians, {preset.title}", real=False, classes=preset.train, source="embedded",
                terms="drawn here (MIT)", train=train, test=gallery, task="re-identification")  # fmt: skip


INFO = {name: _info(name, preset) for name, preset in PRESETS.items()}


def load(name: str, root: Path):
    """World 0 of a preset as `alnb.datasets.reid.ReID`. root is not used."""
    from alnb.datasets import reid

    return reid.load(name, root)


def draw(name: str, root: Path, size: tuple[int, int]):
    """The same at any size; uncached."""
    from alnb.datasets import reid

    parts = []
    for split in SPLITS:
        boxes = table(name, split)
        images = render(name, boxes.identities, boxes.cameras, boxes.frames, boxes.kinds, size=size)
        parts.append((images, boxes.ids, boxes.cameras, boxes.tracks))
    return reid.gather(name, INFO[name], parts, reid.PROTOCOLS["market" if PRESETS[name].both else "cuhk01"])


def masks(name: str, split: str, rows, size: tuple[int, int] | None = None) -> np.ndarray:
    """(n, 2, H, W) bool, see `alnb.datasets.reid.masks`."""
    boxes = table(name, split)
    picked = (each[rows] for each in (boxes.identities, boxes.cameras, boxes.frames, boxes.kinds))
    return render(name, *picked, size=size or SIZE, masks=True)
