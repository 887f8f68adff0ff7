"""What a dataset of labelled maps is: images with a class at every pixel, read or drawn one at a time.

A loader (`alnb.datasets`) or a world (`alnb.worlds`) whose `Info` says `task="segmentation"` returns a `Stills` from `load`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alnb.datasets import Info

IGNORED = 255
"""The class of a pixel that has none: not trained on, not counted."""

CITYSCAPES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain", "sky",
    "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""Cityscapes' 19 training classes, in the order of their numbers."""


@dataclass(eq=False)
class Stills:
    """A segmentation dataset: the pool is made of `train`, `test` is only ever evaluated on. Item i of either is (pixels
    (H, W, 3) uint8, classes (H, W) uint8, IGNORED where there is none); all have one size."""

    name: str
    info: Info
    class_names: tuple[str, ...]
    train: Sequence[tuple[np.ndarray, np.ndarray]]
    test: Sequence[tuple[np.ndarray, np.ndarray]]
    crop: int  # zero padding of the random crop, pixels
    flip: bool  # whether a mirror image is as good
