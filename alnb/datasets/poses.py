"""What a dataset of poses is: images of one person each and where sixteen joints are, read or drawn one at a time.

A loader (`alnb.datasets`) or a world (`alnb.worlds`) whose `Info` says `task="pose"` returns a `Poses` from `load`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alnb.datasets import Info

JOINTS = (
    "right ankle", "right knee", "right hip", "left hip", "left knee", "left ankle", "pelvis", "thorax", "upper neck", "head top",
    "right wrist", "right elbow", "right shoulder", "left shoulder", "left elbow", "left wrist",
)  # fmt: skip
"""MPII's, in its order; left and right are the person's own."""

MIRRORED = (5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 15, 14, 13, 12, 11, 10)
"""Which joint a joint is in the mirror."""

LIMBS = (
    (0, 1), (1, 2), (2, 6), (6, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 9), (10, 11), (11, 12), (12, 7), (7, 13), (13, 14),
    (14, 15),
)  # fmt: skip
"""Joints that a line joins where a figure is drawn."""


@dataclass(frozen=True)
class Pose:
    """pixels (H, W, 3) uint8; joints (16, 2) x y in pixels; visible (16,) bool: those that are annotated; head: the length that
    PCKh measures by, 0.6 of the diagonal of the head's box, in pixels, NaN where it is not known."""

    pixels: np.ndarray
    joints: np.ndarray
    visible: np.ndarray
    head: float


@dataclass(eq=False)
class Poses:
    """A pose dataset: the pool is made of `train`, `test` is only ever evaluated on. All images have one size, a square."""

    name: str
    info: Info
    train: Sequence[Pose]
    test: Sequence[Pose]
