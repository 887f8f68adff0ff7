"""Boxes as a camera gives them: street, people, what hides them, the camera itself."""

from __future__ import annotations

import numpy as np

from alnb.errors import BadRequest
from alnb.worlds.pedestrians.cameras import POLE, STREET_SIZE, WALL, camera_of, seen_by, spread, street_of
from alnb.worlds.pedestrians.figure import Figure
from alnb.worlds.pedestrians.people import columns, person_of
from alnb.worlds.pedestrians.presets import DISTRACTOR, JUNK, PERSON, SIZE, preset_of
from alnb.worlds.pedestrians.walks import FRAME, PASSAGE, generator

_CHUNK = 24  # boxes at once: their floats fit into the cache


def render(name: str, identities, cameras, frames, kinds=None, *, seed: int = 0, size: tuple[int, int] = SIZE,
           masks: bool = False) -> np.ndarray:  # fmt: skip
    """Boxes (n, 3, H, W) uint8 of identities 1, 2, ... in cameras 0, 1, ... and frames 0, 1, ... (a hundred are a
    passage) of the world `seed`; kinds (n,), default PERSON.

    masks: (n, 2, H, W) bool in their place, where the person is seen, and of that what they carry or wear beside their
    clothes. BadRequest for what does not exist.
    """
    preset = preset_of(name)
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


def _render(preset, seed, identities, cameras, frames, kinds, size, masks):
    n, passages, k = len(identities), frames // 100, frames % 100
    people = [person_of(preset, seed, i) for i in identities.tolist()]
    eye = columns([camera_of(preset, seed, c) for c in cameras.tolist()])
    at = np.stack([passages, cameras, identities], 1)
    w = iter(np.stack([generator(seed, preset, PASSAGE, *each).random(24) for each in at]).T)
    moments = [generator(seed, preset, FRAME, *each) for each in np.stack([frames, cameras, identities], 1)]
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
    others = [person_of(preset, seed, 1 + int(u * (preset.train + preset.test))) for u in next(w)]
    beside = dx + np.where(next(w) < 0.5, -1, 1) * (0.38 + 0.2 * next(w))
    other_yaw, other_stature = 2 * np.pi * next(w), stature * (0.85 + 0.2 * next(w))

    def second(which):
        rows = np.flatnonzero(which)
        if not len(rows):
            return
        figure = Figure(images[rows], [others[row] for row in rows], other_stature[rows], beside[rows], dy[rows] + 0.02,
                         eye["tilt"][rows], other_yaw[rows], phase[rows] + 1)  # fmt: skip
        images[rows] = figure.images
        seen[rows] *= 1 - figure.seen[:, :1]

    seen = np.zeros((n, 2, *size), np.float32)
    second(crowd & ~near)
    figure = Figure(images, people, stature, dx, dy, eye["tilt"], yaw, phase)
    images, seen = figure.images, figure.seen
    second(crowd & near)
    _occlude(images, seen, eye, next(w) < preset.occluded, next(w))
    if masks:
        return seen > 0.5
    noise = np.stack([g.standard_normal((3, *size), dtype=np.float32) for g in moments])
    return seen_by(images, eye, noise)


def _background(preset, seed, cameras, size, zoom, along, lift, walked):
    """(n, 3, H, W) float32: a window of the camera's street, which moves with who walks."""
    streets = np.stack([street_of(preset, seed, c) for c in cameras.tolist()])
    zoom = (0.85 + 0.5 * zoom)[:, None]
    down, across = ((np.arange(side) + 0.5) / side - 0.5 for side in size)
    row = (STREET_SIZE[0] / 2 + 64 * down * zoom + 10 * (lift[:, None] - 0.5)).clip(0, STREET_SIZE[0] - 1).astype(int)
    column = (32 * across * zoom + (along * STREET_SIZE[1] + walked)[:, None]).astype(int) % STREET_SIZE[1]
    window = streets[np.arange(len(cameras))[:, None, None], row[:, :, None], column[:, None, :]]
    return np.ascontiguousarray(window.transpose(0, 3, 1, 2))


def _occlude(images, seen, eye, hidden, where):
    """Lay what stands before the camera over people, in place."""
    if not len(rows := np.flatnonzero(hidden)):
        return
    height, width = images.shape[2:]
    x, y = ((np.arange(side) + 0.5) / side for side in (width, height))
    x, y, sort, at = x[None, None], y[None, :, None], spread(eye["hides"][rows]), spread(where[rows])
    pole = np.abs(x - (0.2 + 0.6 * at)) < 0.08
    wall = y > 0.5 + 0.35 * at
    ripple = 0.06 * np.sin(40 * x) * np.sin(31 * y)
    bush = ((x - np.rint(at)) / 0.55) ** 2 + ((y - 1) / (0.4 + 0.3 * (at * 2 % 1))) ** 2 + ripple < 1
    cover = np.select([sort == POLE, sort == WALL], [pole, wall], bush)[:, None]
    shade = (1 + 0.15 * np.sin(25 * x) * np.sin(19 * y)).astype(np.float32)[:, None]
    images[rows] = np.where(cover, eye["hide"][rows][:, :, None, None] * shade, images[rows])
    seen[rows] *= ~cover
