"""Images and a point on every head in them: what datasets of counting people load as."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alnb.datasets import Info

TASK = "counting"


@dataclass
class Heads:
    """A dataset of counting in memory. `datasets.load` caches it: treat the arrays as read-only."""

    name: str
    info: Info
    train_images: np.ndarray  # (N, 3, H, W) uint8
    train_points: list[np.ndarray]  # of each image (n, 2) float32, x and y of the heads in pixels
    test_images: np.ndarray  # (M, 3, H, W) uint8
    test_points: list[np.ndarray]
    mean: tuple[float, float, float]  # of the training set's channels, pixels scaled to [0, 1]
    std: tuple[float, float, float]
    flip: bool = True  # whether a mirror image is as good
