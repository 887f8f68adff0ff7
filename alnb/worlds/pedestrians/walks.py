"""Who passes which camera, and how often: the boxes of a split; and the streams of numbers that everything is drawn from."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from alnb.errors import BadRequest
from alnb.worlds.pedestrians.presets import DISTRACTOR, JUNK, PERSON, SPLITS, preset_of

# Streams of numbers: a group's looks, a person's own, who walks where, a passage, a frame, a camera, its street
GROUP, OWN, SIBLINGS, WALKS, PASSAGE, FRAME, CAMERA, STREET, OTHERS = range(9)
_BAD = 10  # passages from this one on: boxes that a detector got wrong, each a walk of its own


def generator(seed, preset, stream, *at):
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
    preset = preset_of(name)
    if split not in SPLITS:
        raise BadRequest(f"unknown split {split!r}: there are {', '.join(SPLITS)}")
    first, last = (1, preset.train) if split == "train" else (preset.train + 1, preset.train + preset.test)
    found = []  # identity, camera, frame, kind
    for identity in range(first, last + 1):
        u = iter(generator(seed, preset, WALKS, identity).random(4 + 4 * preset.cameras))
        count = between(preset.seen, next(u))
        cameras = np.argsort([next(u) for _ in range(preset.cameras)])[:count]
        for camera in sorted(cameras.tolist()):
            frames = list(range(between(preset.frames, next(u))))
            more, again = between(preset.frames, next(u)), next(u) < preset.again
            frames += [100 + k for k in range(more)] * int(again)
            asks = frames[:1] if preset.both else frames * int(camera == 0)
            stays = frames[1:] if preset.both else frames * int(camera == 1)
            rows = {"train": frames, "query": asks, "gallery": stays}[split]
            found += [(identity, camera, frame, PERSON) for frame in rows]
    if split == "gallery":
        people = len(found)
        for kind, share in ((JUNK, preset.junk), (DISTRACTOR, preset.distractors)):
            for k in range(round(share * people)):
                who, where = generator(seed, preset, OTHERS, k, kind).random(2)
                who, where = first + int(who * preset.test), int(where * preset.cameras)
                found.append((who, where, 100 * (_BAD * kind + k), kind))
    rows = np.array(found, np.int64).reshape(-1, 4)
    boxes = Table(*rows.T, tracks=rows[:, 0])
    rows = rows[np.lexsort((rows[:, 2], rows[:, 1], boxes.ids))]
    boxes = Table(*rows.T, tracks=rows[:, 0])
    passages = list(zip(boxes.ids.tolist(), rows[:, 1].tolist(), (rows[:, 2] // 100).tolist()))
    number = {passage: at for at, passage in enumerate(dict.fromkeys(passages))}
    return replace(boxes, tracks=np.array([number[passage] for passage in passages], np.int64))


def between(range_, u):
    return range_[0] + int(u * (range_[1] - range_[0] + 1))
