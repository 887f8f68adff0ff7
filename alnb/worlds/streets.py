"""Frames of the road world as single images with Cityscapes' 19 classes at every pixel: what stands in for Cityscapes.

An image is a pure function of its index: one of `FRAMES` frames, a second apart, of one of many short videos (see
`alnb.worlds.roads`), in an order dealt once, so that the first n are a fair part of all. Fourteen of the 19 classes occur.

- `streets`: cities, highways and towns, spring to winter, rain and, in every eighth video for training, night; in the test set
  every fourth is rain and every fourth night, so that labels of what is rare in the pool are worth more.
- `streets-null`: the same videos, all in one kind of city, in spring, by day: no image is of a rare kind.

How hard it is: with Random under the profile `world` of notebook 05, which uses it (its network there, 20 epochs, batch 4),
mean IoU of development seeds 1000 and 1001 in per cent is 19.6, 24.0, 26.9 and 27.6 at 40, 60, 80 and 100 labels and 37.6
with all 400; pixel accuracy 79.9, 83.8, 86.2, 86.7 and 91.9. So at 100 labels ten points are left to gain.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from alnb.datasets import Info
from alnb.datasets.stills import CITYSCAPES, Stills
from alnb.errors import BadRequest
from alnb.worlds import roads

FRAMES = 4  # of a video
VIDEOS, TEST_VIDEOS = (100, 32, 18, 0, 0, 0), (0, 0, 0, 0, 36, 0)  # of each subset of `roads.TABLE`
_PRESET = replace(
    roads.PRESETS["roads-tiny"], width=64, height=48, sequences=tuple(map(sum, zip(VIDEOS, TEST_VIDEOS))),
    seconds=(float(FRAMES), float(FRAMES)), fps=1.0, seed=11, ghosts=0.0,
)  # fmt: skip
NULL = ("city", "S")  # area and condition of every video


def _info(title: str) -> Info:
    return Info(
        title=title,
        real=False,
        classes=len(CITYSCAPES),
        source="embedded",
        terms="drawn by this package",
        note=f"{sum(VIDEOS)} and {sum(TEST_VIDEOS)} videos of {FRAMES} frames",
        train=FRAMES * sum(VIDEOS),
        test=FRAMES * sum(TEST_VIDEOS),
        task="segmentation",
    )


INFO = {
    "streets": _info("street scenes, 64 x 48, with rare kinds"),
    "streets-null": _info("street scenes, 64 x 48, all of one kind"),
}


class Drawn:
    """The frames of some videos in a shuffled order; item i is drawn when it is asked for."""

    def __init__(self, videos, seed: int):
        self.videos, count = videos, FRAMES * len(videos)
        self.order = np.random.default_rng((_PRESET.seed, seed)).permutation(count)

    def __len__(self):
        return len(self.order)

    def __getitem__(self, i: int):
        video, t = divmod(int(self.order[i]), FRAMES)
        frame = self.videos[video].frame(t)
        return frame.rgb, frame.semantics


def load(name: str, root: Path | None = None) -> Stills:
    """The preset `name`; nothing is drawn yet."""
    if name not in INFO:
        raise BadRequest(f"unknown preset {name!r}: there are {', '.join(INFO)}")
    videos = roads.make(_PRESET, name)
    if name == "streets-null":
        for video in videos.train + videos.test:
            video.area, video.condition = NULL
    return Stills(name, INFO[name], CITYSCAPES, Drawn(videos.train, 0), Drawn(videos.test, 1), crop=2, flip=True)
