"""People seen by several cameras: a world for re-identification, drawn by numpy.

Every box is a pure function of (world, identity, camera, frame): it does not depend on what else is drawn, in which
order, or how many.

What makes it hard, and what a method can use
- siblings: in market half of the people belong to groups of two to four that share build, hair colour and clothes, and differ in
  details: what they carry (never the same), hat, scarf, shoes, hair, a logo.
- cameras: each has its own cast, gamma, light, blur, noise, compression and street, and a direction that people mostly
  walk in.
- views: from the front a logo is seen and a backpack is two straps; from behind it is the other way round.
- passages: a person's boxes of one walk past one camera are near-duplicates, numbered as one track.
- occluders and second pedestrians cover or crowd; a detector's boxes are shifted and scaled.
- junk (a third to two thirds of a right box: IoU 0.2 to 0.5) and distractors (less) in the gallery, as Market defines
  them.

Presets stand in for a benchmark each: market, duke (eight cameras; more coats and grey, other streets), cuhk01 (two
views of two boxes each), cuhk03 with labelled (tight) and detected boxes of the same people. The nulls take a mechanism
away: no siblings; nobody hidden or crowded. `pedestrians-tiny` is for smoke tests.

How hard it is: tuned with plain cross entropy alone (`reid_small` from scratch, Adam 3.5e-3, one epoch of warm-up, then
a cosine, batch 64, crop of 4, flip; cosine distance of z with the flip test), on the development seed 1000 of world and
training, blind to attention, triplets and selection. Per cent, and CPU seconds of the training on one core:

    preset                 people  boxes  epochs  rank 1  rank 5   mAP  seconds
    market                    150  2,613      20    54.4    77.6  46.7       42
    market, more people       450  7,911      10    67.4    84.6  60.3       62
    market-no-siblings        150  2,613      15    75.5    88.6  62.1       31
    duke                      150  2,365      15    42.2    62.8  37.7       28
    cuhk01                    200    800      30    53.8    79.4  64.0       19
    cuhk03-labelled           300  1,819      18    51.5    73.0  60.8       26
    cuhk03-detected           300  1,819      18    44.5    66.0  53.2       25
    market-no-occluders       150  2,613      15    64.3    87.3  59.5       30
Of market's wrong nearest boxes three quarters are of the query's own camera, half are siblings, a tenth distractors.
With three times the siblings' share and twice the casts rank 1 was 13. One seed each, 427 to 526 queries (cuhk01 320,
cuhk03 200): two points, three there, are noise.
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
    siblings: float = 0.25  # share of groups that are more than one person
    occluded: float = 0.25  # share of passages behind something
    crowded: float = 0.35  # share of passages with a second pedestrian
    jitter: float = 0.06  # sd of a box's shift and scale, in box sides
    cast: float = 0.08  # sd of the log gain of a camera's colour channels
    grey: float = 0.4  # share of clothes without colour
    winter: float = 0.3  # share of coats and jackets
    junk: float = 0.12  # boxes in the gallery, as shares of its boxes of people
    distractors: float = 0.15
    both: bool = True  # queries from every camera; else camera 1 asks camera 2


_MARKET = Preset("six cameras before a market", 1)
_CUHK03 = Preset("two cameras of a campus", 4, cameras=2, train=300, test=100, seen=(2, 2), frames=(2, 4), again=0.0,
                 siblings=0.1, occluded=0.1, crowded=0.1, cast=0.03, junk=0.0, distractors=0.0, winter=0.4,
                 grey=0.3)  # fmt: skip
PRESETS = {
    "pedestrians-market": _MARKET,
    "pedestrians-market-no-siblings": replace(_MARKET, siblings=0.0, title=_MARKET.title + ", no two alike"),
    "pedestrians-market-no-occluders": replace(_MARKET, occluded=0.0, crowded=0.0, title=_MARKET.title + ", nobody hidden"),
    "pedestrians-duke": Preset("eight cameras of a campus", 2, cameras=8, seen=(2, 5), frames=(2, 5), occluded=0.3,
                               crowded=0.25, cast=0.05, grey=0.5, winter=0.6, junk=0.0, distractors=0.25),
    "pedestrians-cuhk01": Preset("two cameras, two boxes each", 3, cameras=2, train=200, test=160, seen=(2, 2), frames=(2, 2),
                                 again=0.0, jitter=0.02, occluded=0.1, crowded=0.15, junk=0.0, distractors=0.0,
                                 grey=0.3, both=False),
    "pedestrians-cuhk03-labelled": replace(_CUHK03, jitter=0.01, title=_CUHK03.title + ", tight boxes"),
    "pedestrians-cuhk03-detected": replace(_CUHK03, jitter=0.05, title=_CUHK03.title + ", a detector's boxes"),
    "pedestrians-tiny": replace(_MARKET, stream=5, cameras=3, train=24, test=20, seen=(2, 3), frames=(2, 3), siblings=0.15,
                                occluded=0.1, crowded=0.15, cast=0.04, title="three cameras, few people, for smoke tests"),
}  # fmt: skip

# fewer people: for lessons of minutes, and other people than the tiny world's to start from
PRESETS |= {
    "pedestrians-market-small": replace(_MARKET, train=60, test=60, title=_MARKET.title + ", fewer people"),
    "pedestrians-duke-small": replace(PRESETS["pedestrians-duke"], train=100, test=30,
                                      title="eight cameras of a campus, fewer people"),
    "pedestrians-tiny-source": replace(PRESETS["pedestrians-tiny"], stream=6, train=16, test=8,
                                       title="other people, for smoke tests"),
}  # fmt: skip

# --- who passes where -----------------------------------------------------------------------------------------

# Streams of numbers: a group's looks, a person's own, who walks where, a passage, a frame, a camera, its street
_GROUP, _OWN, _SIBLINGS, _WALKS, _PASSAGE, _FRAME, _CAMERA, _STREET, _OTHERS = range(9)
_BAD = 10  # passages from this one on: boxes that a detector got wrong, each a walk of its own


def _generator(seed, preset, stream, *at):
    """Counter-based (Salmon et al. 2011): whatever is counted by `at`, up to three whole numbers, has 2^64 of its own."""
    counter = [0, *map(int, at), *[0] * (3 - len(at))]
    return np.random.Generator(np.random.Philox(key=[seed, 16 * preset.stream + stream], counter=counter))


@dataclass(frozen=True)
class Table:
    """The boxes of a split, (N,) int64 each, in the order of their names in Market-1501's layout."""

    identities: np.ndarray  # who is drawn, 1, 2, ...
    cameras: np.ndarray  # from 0
    frames: np.ndarray  # a hundred a passage
    kinds: np.ndarray  # PERSON, JUNK or DISTRACTOR
    tracks: np.ndarray

    @property
    def ids(self) -> np.ndarray:
        """As in Market-1501: -1 for junk, 0 for distractors."""
        return np.select([self.kinds == JUNK, self.kinds == DISTRACTOR], [-1, 0], self.identities)


@functools.lru_cache(maxsize=16)
def table(name: str, split: str, seed: int = 0) -> Table:
    """Which boxes a split ("train", "query", "gallery") holds. BadRequest for a name or split that does not exist."""
    preset = _preset(name)
    if split not in SPLITS:
        raise BadRequest(f"unknown split {split!r}: there are {', '.join(SPLITS)}")
    first, last = (1, preset.train) if split == "train" else (preset.train + 1, preset.train + preset.test)
    found = []  # identity, camera, frame, kind
    for identity in range(first, last + 1):
        u = iter(_generator(seed, preset, _WALKS, identity).random(4 + 4 * preset.cameras))
        count = _between(preset.seen, next(u))
        cameras = np.argsort([next(u) for _ in range(preset.cameras)])[:count]
        for camera in sorted(cameras.tolist()):
            frames = list(range(_between(preset.frames, next(u))))
            more, again = _between(preset.frames, next(u)), next(u) < preset.again
            frames += [100 + k for k in range(more)] * int(again)
            asks = frames[:1] if preset.both else frames * int(camera == 0)
            stays = frames[1:] if preset.both else frames * int(camera == 1)
            rows = {"train": frames, "query": asks, "gallery": stays}[split]
            found += [(identity, camera, frame, PERSON) for frame in rows]
    if split == "gallery":
        people = len(found)
        for kind, share in ((JUNK, preset.junk), (DISTRACTOR, preset.distractors)):
            for k in range(round(share * people)):
                who, where = _generator(seed, preset, _OTHERS, k, kind).random(2)
                who, where = first + int(who * preset.test), int(where * preset.cameras)
                found.append((who, where, 100 * (_BAD * kind + k), kind))
    rows = np.array(found, np.int64).reshape(-1, 4)
    boxes = Table(*rows.T, tracks=rows[:, 0])
    rows = rows[np.lexsort((rows[:, 2], rows[:, 1], boxes.ids))]
    boxes = Table(*rows.T, tracks=rows[:, 0])
    passages = list(zip(boxes.ids.tolist(), rows[:, 1].tolist(), (rows[:, 2] // 100).tolist()))
    number = {passage: at for at, passage in enumerate(dict.fromkeys(passages))}
    return replace(boxes, tracks=np.array([number[passage] for passage in passages], np.int64))


def _between(range_, u):
    return range_[0] + int(u * (range_[1] - range_[0] + 1))


def _preset(name):
    if name not in PRESETS:
        raise BadRequest(f"unknown world of pedestrians {name!r}: there are {', '.join(PRESETS)}")
    return PRESETS[name]


# --- what they look like ----------------------------------------------------------------------------------------

CARRIED = ("nothing", "backpack", "handbag", "cross-strap")
PATTERNS = ("plain", "stripes", "pinstripes", "checks", "two halves")
TROUSERS, SHORTS, SKIRT = range(3)
CAP, BEANIE = range(2)  # further numbers: no hat
_SKIN = np.array([[0.96, 0.80, 0.69], [0.88, 0.67, 0.53], [0.72, 0.50, 0.36], [0.50, 0.33, 0.23], [0.34, 0.22, 0.16]])
_HAIR = np.array([[0.08, 0.07, 0.07], [0.20, 0.13, 0.09], [0.36, 0.23, 0.13], [0.66, 0.50, 0.28], [0.55, 0.54, 0.52],
                  [0.48, 0.20, 0.10]])  # fmt: skip
_PLAIN_LEGS = np.array([[0.08, 0.08, 0.10], [0.16, 0.18, 0.28], [0.22, 0.30, 0.46], [0.36, 0.46, 0.62], [0.30, 0.30, 0.31],
                        [0.58, 0.50, 0.38], [0.78, 0.76, 0.72]])  # fmt: skip
_MOST = 4  # people in a group of siblings


@functools.lru_cache(maxsize=16)
def siblings(preset: Preset, seed: int = 0) -> np.ndarray:
    """(identities + 1, 2) int64: of identity 1, 2, ... its group's number and its place in it. No group is in training
    and test."""
    found = [(0, 0)]
    for last in (preset.train, preset.train + preset.test):
        while (identity := len(found)) <= last:
            alone, size = _generator(seed, preset, _SIBLINGS, identity).random(2)
            size = 1 if alone >= preset.siblings else min(_between((2, _MOST), size), last - identity + 1)
            found += [(identity, place) for place in range(size)]
    return np.array(found, np.int64)


def _rgb(hue, saturation, value):
    wheel = np.clip(np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    return value * (1 - saturation * (1 - wheel))


def _apart(colour, ground):
    """The colour, darker or lighter where it would not be seen on the ground."""
    weights = np.array([0.299, 0.587, 0.114])
    if abs(float(weights @ (colour - ground))) > 0.2:
        return colour
    return 0.35 * colour if weights @ ground > 0.5 else 0.65 + 0.35 * colour


@functools.lru_cache(maxsize=8192)
def _person(preset, seed, identity):
    """What an identity looks like: names to numbers and to colours (3,). What siblings share comes first."""
    group, place = siblings(preset, seed)[identity]
    u = iter(_generator(seed, preset, _GROUP, group).random(48))
    own = iter(_generator(seed, preset, _OWN, identity).random(32))

    def cloth(u):
        grey, hue, saturation, value = next(u) < preset.grey, next(u), next(u), next(u)
        return _rgb(
            hue, 0.05 if grey else 0.3 + 0.55 * saturation, 0.06 + 0.86 * value**1.3 if grey else 0.25 + 0.6 * value
        )

    top, bottom, second = cloth(u), cloth(u), cloth(u)
    plain, which = next(u) < 0.6, int(next(u) * len(_PLAIN_LEGS))
    winter, legs, pattern, sort = next(u) < preset.winter, next(u), next(u), next(u)
    sleeves, coat, opened = next(u), next(u), next(u)
    found = {
        "tall": 0.93 + 0.12 * next(u), "wide": 0.9 + 0.35 * next(u),
        "skin": _SKIN[int(next(u) * len(_SKIN))], "hair": _HAIR[int(next(u) * len(_HAIR))],
        "top": top, "bottom": _PLAIN_LEGS[which] if plain else bottom, "second": second,
        "pattern": 0 if pattern < 0.55 else 1 + int(sort * (len(PATTERNS) - 1)), "period": 0.08 + 0.05 * next(u),
        "long_sleeves": winter or sleeves < 0.45, "coat": winter and coat < 0.5, "open": winter and opened < 0.6,
        "legs": TROUSERS if winter or legs < 0.6 else SHORTS if legs < 0.82 else SKIRT,
    }  # fmt: skip
    return found | {
        "carried": (int(next(u) * len(CARRIED)) + place) % len(CARRIED),  # so that no two siblings carry the same
        "bag": _apart(cloth(own), top), "shoes": cloth(own), "hat": int(next(own) * 5), "hat_colour": cloth(own),
        "scarf": next(own) < 0.2, "scarf_colour": cloth(own), "long_hair": next(own) < 0.35,
        "logo": next(own) < 0.5, "logo_colour": _apart(cloth(own), top),
    }  # fmt: skip


def _columns(dicts, rows=slice(None)):
    """Dicts of numbers and colours as one dict of float32 columns."""
    return {key: np.array([each[key] for each in dicts], np.float32)[rows] for key in dicts[0]}


# --- what a camera does -----------------------------------------------------------------------------------------

POLE, WALL, BUSH = range(3)
_STREET_SIZE = (96, 128)  # pixels of a street, which goes round; a box of 64 x 32 shows about as many of it


@functools.lru_cache(maxsize=64)
def _camera(preset, seed, camera):
    rng = _generator(seed, preset, _CAMERA, camera)
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
def _street(preset, seed, camera):
    """(96, 128, 3) float32: houses, hedges and windows over paving, and what stands about."""
    rng = _generator(seed, preset, _STREET, camera)
    height, width = _STREET_SIZE
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


def _seen_by(images, eye, noise):
    """Images (n, 3, H, W) in [0, 1] as the camera gives them, in place where it can be: colour, light, blur, noise and the
    blocks of a compression."""
    n, _, height, width = images.shape
    images = np.matmul(eye["mix"] * eye["gain"][:, :, None], images.reshape(n, 3, -1)).reshape(images.shape)
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32)
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    images *= (1 + _wide(eye["light"][:, 0]) * across + _wide(eye["light"][:, 1]) * down)[:, None]
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


# --- drawing ----------------------------------------------------------------------------------------------------

_CHUNK = 24  # boxes at once: their floats fit into the cache


def render(name: str, identities, cameras, frames, kinds=None, *, seed: int = 0, size: tuple[int, int] = SIZE,
           masks: bool = False) -> np.ndarray:  # fmt: skip
    """Boxes (n, 3, H, W) uint8 of identities 1, 2, ... in cameras 0, 1, ... and frames 0, 1, ... (a hundred are a
    passage) of the world `seed`; kinds (n,), default PERSON.

    masks: (n, 2, H, W) bool in their place, where the person is seen, and of that what they carry or wear beside their
    clothes. BadRequest for what does not exist.
    """
    preset = _preset(name)
    rows = [np.asarray(each, np.int64).reshape(-1) for each in (identities, cameras, frames)]
    rows.append(np.zeros(len(rows[0]), np.int64) if kinds is None else np.asarray(kinds, np.int64).reshape(-1))
    if len({len(each) for each in rows}) > 1:
        raise BadRequest(
            f"identities, cameras, frames, kinds: as many of each, given {', '.join(str(len(r)) for r in rows)}"
        )
    accepted = ((1, preset.train + preset.test), (0, preset.cameras - 1), (0, 10**9), (PERSON, DISTRACTOR))
    for what, each, (low, high) in zip(("identities", "cameras", "frames", "kinds"), rows, accepted):
        if len(each) and not low <= each.min() <= each.max() <= high:
            raise BadRequest(f"{what} {each.min()} to {each.max()}: {name} has {low} to {high}")
    if seed < 0:
        raise BadRequest(f"seed = {seed}: expected 0 or more")
    found = np.empty((len(rows[0]), 2 if masks else 3, *size), bool if masks else np.uint8)
    for start in range(0, len(found), _CHUNK):
        part = slice(start, start + _CHUNK)
        found[part] = _render(preset, seed, *(each[part] for each in rows), size, masks)
    return found


def _wide(values):
    return np.asarray(values, np.float32)[:, None, None]


def _render(preset, seed, identities, cameras, frames, kinds, size, masks):
    n, passages, k = len(identities), frames // 100, frames % 100
    people = [_person(preset, seed, i) for i in identities.tolist()]
    eye = _columns([_camera(preset, seed, c) for c in cameras.tolist()])
    at = np.stack([passages, cameras, identities], 1)
    w = iter(np.stack([_generator(seed, preset, _PASSAGE, *each).random(24) for each in at]).T)
    moments = [_generator(seed, preset, _FRAME, *each) for each in np.stack([frames, cameras, identities], 1)]
    normal = np.stack([g.standard_normal(3) for g in moments]).T
    s = iter(np.stack([g.random(4) for g in moments]).T)

    # The walk, and where in the box the person stands: middle of the crown, stature, both in sides of the box
    yaw = eye["yaw"] + (next(w) + next(w) + next(w) - 1.5) + np.pi * (next(w) < 0.35)
    phase = 2 * np.pi * next(w) + 0.9 * k
    stature = 0.86 * np.exp(np.clip(preset.jitter * normal[0], -0.3, 0.3))
    dx, dy = np.clip(preset.jitter * normal[1:], -0.3, 0.3)
    overlap = np.where(kinds == JUNK, (1 + next(s)) / 3, next(s) / 3)  # of the right box; IoU = overlap / (2 - overlap)
    share, side, bad = next(s), next(s), kinds != PERSON
    dx = np.where(bad, np.where(side < 0.5, -1, 1) * (1 - overlap**share), dx)
    dy = np.where(bad, np.where(side * 2 % 1 < 0.5, -1, 1) * (1 - overlap ** (1 - share)), dy)

    images = _background(preset, seed, cameras, size, next(w), next(w), next(w), 1.2 * k * np.sin(yaw))
    crowd, near = next(w) < preset.crowded, next(w) < 0.3
    others = [_person(preset, seed, 1 + int(u * (preset.train + preset.test))) for u in next(w)]
    beside = dx + np.where(next(w) < 0.5, -1, 1) * (0.38 + 0.2 * next(w))
    other_yaw, other_stature = 2 * np.pi * next(w), stature * (0.85 + 0.2 * next(w))

    def second(which):
        rows = np.flatnonzero(which)
        if not len(rows):
            return
        figure = _Figure(images[rows], [others[row] for row in rows], other_stature[rows], beside[rows], dy[rows] + 0.02,
                         eye["tilt"][rows], other_yaw[rows], phase[rows] + 1)  # fmt: skip
        images[rows] = figure.images
        seen[rows] *= 1 - figure.seen[:, :1]

    seen = np.zeros((n, 2, *size), np.float32)
    second(crowd & ~near)
    figure = _Figure(images, people, stature, dx, dy, eye["tilt"], yaw, phase)
    images, seen = figure.images, figure.seen
    second(crowd & near)
    _occlude(images, seen, eye, next(w) < preset.occluded, next(w))
    if masks:
        return seen > 0.5
    noise = np.stack([g.standard_normal((3, *size), dtype=np.float32) for g in moments])
    return _seen_by(images, eye, noise)


def _background(preset, seed, cameras, size, zoom, along, lift, walked):
    """(n, 3, H, W) float32: a window of the camera's street, which moves with who walks."""
    streets = np.stack([_street(preset, seed, c) for c in cameras.tolist()])
    zoom = (0.85 + 0.5 * zoom)[:, None]
    down, across = ((np.arange(side) + 0.5) / side - 0.5 for side in size)
    row = (_STREET_SIZE[0] / 2 + 64 * down * zoom + 10 * (lift[:, None] - 0.5)).clip(0, _STREET_SIZE[0] - 1).astype(int)
    column = (32 * across * zoom + (along * _STREET_SIZE[1] + walked)[:, None]).astype(int) % _STREET_SIZE[1]
    window = streets[np.arange(len(cameras))[:, None, None], row[:, :, None], column[:, None, :]]
    return np.ascontiguousarray(window.transpose(0, 3, 1, 2))


def _occlude(images, seen, eye, hidden, where):
    """Lay what stands before the camera over people, in place."""
    if not len(rows := np.flatnonzero(hidden)):
        return
    height, width = images.shape[2:]
    x, y = ((np.arange(side) + 0.5) / side for side in (width, height))
    x, y, sort, at = x[None, None], y[None, :, None], _wide(eye["hides"][rows]), _wide(where[rows])
    pole = np.abs(x - (0.2 + 0.6 * at)) < 0.08
    wall = y > 0.5 + 0.35 * at
    ripple = 0.06 * np.sin(40 * x) * np.sin(31 * y)
    bush = ((x - np.rint(at)) / 0.55) ** 2 + ((y - 1) / (0.4 + 0.3 * (at * 2 % 1))) ** 2 + ripple < 1
    cover = np.select([sort == POLE, sort == WALL], [pole, wall], bush)[:, None]
    shade = (1 + 0.15 * np.sin(25 * x) * np.sin(19 * y)).astype(np.float32)[:, None]
    images[rows] = np.where(cover, eye["hide"][rows][:, :, None, None] * shade, images[rows])
    seen[rows] *= ~cover


class _Figure:
    """People, painted from back to front into `images` (n, 3, H, W) float32; `seen` (n, 2, H, W): how far they, and
    what they carry, cover each pixel.

    Lengths are in statures: x from the middle of the body, y from the crown down. Yaw 0 faces the camera, pi / 2 walks
    to the right. A shape is (first y, last y, distance): how far inside of it the points of some people and rows are.
    """

    def __init__(self, images, people, stature, dx, dy, tilt, yaw, phase):
        self.images, (n, _, height, width) = images, images.shape
        self.seen = np.zeros((n, 2, height, width), np.float32)
        self.none, self.person = np.zeros(n, np.float32), _columns(people)
        self.tall = (stature * self.person["tall"]).astype(np.float32)
        self.crown = (0.5 + dy - self.tall / 2).astype(np.float32)
        self.px = _wide(self.tall * height)
        down, across = ((np.arange(side, dtype=np.float32) + 0.5) / side for side in (height, width))
        self.y = (down[None, :, None] - _wide(self.crown)) / _wide(self.tall)
        self.x = (across - _wide(0.5 + dx)) / _wide(self.tall * height / width) + _wide(tilt) * (self.y - 0.5)
        self.cos, self.sin = np.cos(yaw).astype(np.float32), np.sin(yaw).astype(np.float32)
        self.swing = np.sin(phase).astype(np.float32)
        wide = self.person["wide"]
        self.shoulder, self.waist, self.hip = (self._across(wide * a, wide * b) for a, b in (
            (0.125, 0.075), (0.1, 0.075), (0.105, 0.08)))  # fmt: skip
        self._draw()

    def _across(self, width, depth):
        """Half of what is seen of a body's width."""
        return np.sqrt((width * self.cos) ** 2 + (depth * self.sin) ** 2)

    # Shapes

    def _full(self, *values):
        return [(np.asarray(value, np.float32) + self.none)[:, None, None] for value in values]

    def _ellipse(self, cx, cy, rx, ry):
        cx, cy, rx, ry = self._full(cx, cy, rx, ry)

        def distance(who, x, y):
            u, v = (x - cx[who]) / rx[who], (y - cy[who]) / ry[who]
            return (1 - np.sqrt(u * u + v * v)) * np.minimum(rx, ry)[who]

        return cy - ry, cy + ry, distance

    def _limb(self, ax, ay, bx, by, ra, rb):
        """From (ax, ay), ra thick, to (bx, by), rb thick, b below a."""
        ax, ay, ux, uy, ra, dr = self._full(ax, ay, bx - ax, by - ay, ra, rb - ra)
        length = ux * ux + uy * uy

        def distance(who, x, y):
            dx, dy = x - ax[who], y - ay[who]
            t = np.clip((dx * ux[who] + dy * uy[who]) / length[who], 0, 1)
            dx, dy = dx - t * ux[who], dy - t * uy[who]
            return ra[who] + t * dr[who] - np.sqrt(dx * dx + dy * dy)

        return ay - ra, ay + uy + ra + dr, distance

    def _body(self, *points):
        """Symmetric; points (y, half of the width) from above."""
        ys, widths = ([*self._full(*each)] for each in zip(*points))

        def distance(who, x, y):
            half = widths[0][who]
            for i in range(1, len(ys)):
                slope = (widths[i] - widths[i - 1]) / (ys[i] - ys[i - 1])
                half = half + slope[who] * np.clip(y - ys[i - 1][who], 0, (ys[i] - ys[i - 1])[who])
            return np.minimum(half - np.abs(x), np.minimum(y - ys[0][who], ys[-1][who] - y))

        return ys[0], ys[-1], distance

    def _box(self, cx, cy, rx, ry, corner):
        cx, cy, rx, ry, corner = self._full(cx, cy, rx, ry, corner)

        def distance(who, x, y):
            qx = np.abs(x - cx[who]) - (rx - corner)[who]
            qy = np.abs(y - cy[who]) - (ry - corner)[who]
            outside = np.sqrt(np.square(np.maximum(qx, 0)) + np.square(np.maximum(qy, 0)))
            return corner[who] - outside - np.minimum(np.maximum(qx, qy), 0)

        return cy - ry, cy + ry, distance

    def _paint(self, shape, colour, when=None, accessory=False):
        """Lay colour (n, 3), or one that is a function of people and rows, over a shape of the people `when` (n,)."""
        first, last, distance = shape
        height, crown, tall = self.images.shape[2], _wide(self.crown), _wide(self.tall)
        who = slice(None)
        if when is not None:
            who = np.flatnonzero(when)
            if not len(who):
                return
        top = int(np.floor(((first * tall + crown)[who] * height).min())) - 1
        end = int(np.ceil(((last * tall + crown)[who] * height).max())) + 1
        rows = slice(max(top, 0), min(end, height))
        if rows.start >= rows.stop:
            return
        coverage = distance(who, self.x[who, rows], self.y[who, rows])
        coverage = np.clip(coverage * self.px[who] + np.float32(0.5), 0, 1)
        over = colour(who, rows) if callable(colour) else colour.astype(np.float32)[who][:, :, None, None]
        part = self.images[who, :, rows]
        self.images[who, :, rows] = part + coverage[:, None] * (over - part)
        self.seen[who, 0, rows] = np.maximum(self.seen[who, 0, rows], coverage)
        carried = self.seen[who, 1, rows]
        self.seen[who, 1, rows] = np.maximum(carried, coverage) if accessory else carried * (1 - coverage)

    # The parts of a person

    def _draw(self):
        p, sin, cos = self.person, self.sin, self.cos
        back, far = cos < 0, np.where(sin > 0, -1, 1).astype(np.float32)
        carries = {name: p["carried"] == number for number, name in enumerate(CARRIED)}
        pack = self._box(-0.125 * sin, 0.3, 0.055 + 0.035 * np.abs(cos), 0.115, 0.03)
        self._shadow()
        self._paint(pack, p["bag"], carries["backpack"] & ~back, True)
        self._arm(far, carries["handbag"], 0.82)
        self._leg(far, 0.82)
        self._leg(-far, 1.0)
        skirt = self._body((0.46, self.hip), (0.52, self.hip), (0.68, self.hip * 1.35))
        self._paint(skirt, p["bottom"], p["legs"] == SKIRT)
        self._paint(self._body((0.46, self.hip), (0.56, self.hip * 0.95)), p["bottom"])
        self._paint(self._ellipse(0.005 * sin, 0.15, 0.035, 0.04), p["skin"])
        end = np.where(p["coat"] > 0, 0.67, 0.5)
        chest = (0.155, self.shoulder * 0.55), (0.185, self.shoulder), (0.35, self.waist), (end, self.hip * 1.05)
        self._paint(self._body(*chest), self._cloth)
        self._paint(self._box(0.07 * sin + 0.045 * cos, 0.25, 0.04 * np.maximum(np.abs(cos), 0.3), 0.036, 0.008),
                    p["logo_colour"], (p["logo"] > 0) & (cos > 0.25), True)  # fmt: skip
        for side in (-1, 1):
            line = side * 0.065 * np.abs(cos) * p["wide"] + 0.02 * sin
            self._paint(self._limb(line, 0.175, line, 0.36, 0.018, 0.018), p["bag"], carries["backpack"] & ~back, True)
        to = np.sign(cos)
        strap = self._limb(-0.6 * to * self.shoulder, 0.175, to * self.hip, 0.46, 0.018, 0.018)
        self._paint(strap, p["bag"], carries["cross-strap"], True)
        self._paint(self._box(to * self.hip, 0.49, 0.052, 0.046, 0.012), p["bag"], carries["cross-strap"], True)
        self._paint(pack, p["bag"], carries["backpack"] & back, True)
        self._arm(-far, carries["handbag"], 1.0)
        self._head(back)

    def _shadow(self):
        """On the ground: part of no mask."""
        _, _, distance = self._ellipse(0, 0.985, 0.17, 0.03)
        rows = slice(self.images.shape[2] * 2 // 3, None)
        shade = np.clip(distance(slice(None), self.x[:, rows], self.y[:, rows]) * self.px + np.float32(0.5), 0, 1)
        self.images[:, :, rows] *= 1 - np.float32(0.35) * shade[:, None]

    def _arm(self, side, handbag, light):
        p = self.person
        shoulder = side * (self.shoulder - 0.02) * np.where(np.abs(self.cos) < 0.25, 0.3, 1)
        reach = -0.09 * side * self.swing * self.sin
        elbow, hand = (
            shoulder + reach / 2 + 0.03 * side * np.abs(self.cos),
            shoulder + reach + 0.035 * side * np.abs(self.cos),
        )
        sleeve = np.where(p["long_sleeves"][:, None] > 0, p["top"], p["skin"]) * light
        self._paint(self._limb(elbow, 0.335, hand, 0.455, 0.028, 0.022), sleeve)
        self._paint(self._limb(shoulder, 0.2, elbow, 0.335, 0.036 * p["wide"], 0.03), p["top"] * light)
        self._paint(self._ellipse(hand, 0.475, 0.022, 0.025), p["skin"] * light)
        held = handbag & (side > 0)
        self._paint(self._limb(hand, 0.46, hand, 0.52, 0.012, 0.012), p["bag"], held, True)
        self._paint(self._box(hand, 0.55, 0.065, 0.058, 0.015), p["bag"], held, True)

    def _leg(self, side, light):
        p = self.person
        hip = 0.048 * side * self.cos * p["wide"]
        foot = hip + 0.13 * side * self.swing * self.sin
        knee = (hip + foot) / 2 + 0.015 * self.sin
        sole = 0.965 - 0.015 * (side * self.swing * np.sign(self.cos) > 0.3) * np.abs(self.cos)
        shin, thigh = (
            self._limb(knee, 0.72, foot, sole - 0.025, 0.034, 0.026),
            self._limb(hip, 0.5, knee, 0.72, 0.05, 0.038),
        )
        self._paint(shin, np.where(p["legs"][:, None] > TROUSERS, p["skin"], p["bottom"]) * light)
        self._paint(thigh, np.where(p["legs"][:, None] == SKIRT, p["skin"], p["bottom"]) * light)
        self._paint(self._ellipse(foot + 0.025 * self.sin, sole, 0.03 + 0.03 * np.abs(self.sin), 0.022), p["shoes"])

    def _cloth(self, who, rows):
        """Colours (n, 3, h, W) of the top: its pattern, what an open jacket shows, the round of the body."""
        p = {key: self.person[key][who] for key in ("top", "second", "pattern", "period", "open")}
        x, y, cos, sin = self.x[who, rows], self.y[who, rows], _wide(self.cos[who]), _wide(self.sin[who])
        u, pattern = x / _wide(self.shoulder[who]), _wide(p["pattern"])
        down = np.sin(y * (2 * np.pi / _wide(p["period"])))
        along = np.sin(u * (2 * np.pi * np.float32(1.4)))
        second = np.select([pattern == 1, pattern == 2, pattern == 3, pattern == 4],
                           [np.broadcast_to(down > 0, u.shape), along > 0.2, down * along > 0, np.broadcast_to(y > 0.33, u.shape)],
                           False)  # fmt: skip
        shows = np.abs(x - 0.05 * sin) < 0.03 * np.clip(4 * cos + 0.5, 0, 1)
        second = (second | (shows & (_wide(p["open"]) > 0)))[:, None]
        colours = np.where(second, p["second"][:, :, None, None], p["top"][:, :, None, None])
        return colours * (1 - np.float32(0.18) * np.clip(u * u, 0, 1))[:, None]

    def _head(self, back):
        p, sin, cos = self.person, self.sin, self.cos
        long = p["long_hair"] > 0
        self._paint(self._ellipse(0, 0.165, 0.055, 0.025), p["scarf_colour"], p["scarf"] > 0, True)
        self._paint(self._ellipse(-0.015 * sin, 0.12, 0.056, 0.1), p["hair"], long & back)
        self._paint(self._ellipse(0, 0.077, 0.053, 0.073), p["hair"])
        self._paint(self._ellipse(-0.03 * sin, 0.12, 0.045, 0.075), p["hair"], long & ~back)
        turned = np.clip((cos + 0.45) / 0.7, 1e-3, 1)
        self._paint(self._ellipse(0.022 * sin, 0.095, 0.042 * turned, 0.052 * turned), p["skin"], turned > 0.1)
        first, _, round_ = self._ellipse(0, 0.06, 0.06, 0.062)
        cap = lambda who, x, y: np.minimum(round_(who, x, y), np.float32(0.065) - y)
        self._paint((first, np.full_like(first, 0.065), cap), p["hat_colour"], p["hat"] <= BEANIE, True)
        brim = self._ellipse(0.06 * sin, 0.062, 0.045, 0.012)
        self._paint(brim, p["hat_colour"], (p["hat"] == CAP) & ~back, True)


# --- the datasets -----------------------------------------------------------------------------------------------


# Boxes of training and gallery (a test compares): counted here so that asking what exists takes no time.
COUNTS = {
    "pedestrians-market": (2_594, 2_025),
    "pedestrians-market-no-siblings": (2_594, 2_025),
    "pedestrians-market-no-occluders": (2_594, 2_025),
    "pedestrians-duke": (2_372, 1_838),
    "pedestrians-cuhk01": (800, 320),
    "pedestrians-cuhk03-labelled": (1_803, 407),
    "pedestrians-cuhk03-detected": (1_803, 407),
    "pedestrians-tiny": (183, 142),
}  # fmt: skip
COUNTS |= {"pedestrians-market-small": (1_033, 1_014), "pedestrians-duke-small": (1_535, 498), "pedestrians-tiny-source": (135, 56)}


def _info(name, preset):
    train, gallery = COUNTS[name]
    return Info(title=f"pedestrians, {preset.title}", real=False, classes=preset.train, source="embedded",
                terms="drawn here (MIT)", train=train, test=gallery, task="re-identification",
                plumbing=name.startswith("pedestrians-tiny"))  # fmt: skip


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


def write(name: str, folder: str | Path, *, seed: int = 0, size: tuple[int, int] = SIZE) -> None:
    """A world as PNG files in Market-1501's layout, which `alnb.datasets.reid.read` reads back to the bit."""
    from PIL import Image

    for split, part in zip(SPLITS, ("bounding_box_train", "query", "bounding_box_test")):
        boxes, target = table(name, split, seed), Path(folder, part)
        target.mkdir(parents=True, exist_ok=True)
        images = render(name, boxes.identities, boxes.cameras, boxes.frames, boxes.kinds, seed=seed, size=size)
        for image, who, camera, frame in zip(images, boxes.ids.tolist(), boxes.cameras.tolist(), boxes.frames.tolist()):
            whose = f"{who:04d}" if who >= 0 else "-1"
            path = target / f"{whose}_c{camera + 1}s{frame // 100 + 1:04d}_{frame % 100:06d}_00.png"
            Image.fromarray(image.transpose(1, 2, 0)).save(path)


def masks(name: str, split: str, rows, size: tuple[int, int] | None = None) -> np.ndarray:
    """(n, 2, H, W) bool, see `alnb.datasets.reid.masks`."""
    boxes = table(name, split)
    picked = (each[rows] for each in (boxes.identities, boxes.cameras, boxes.frames, boxes.kinds))
    return render(name, *picked, size=size or SIZE, masks=True)
