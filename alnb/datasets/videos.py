"""What a video dataset is: lists of videos, each a sequence of frames with boxes, read or drawn one at a time.

A loader (`alnb.datasets`) or a world (`alnb.worlds`) whose `Info` says `task="detection"` returns a `Videos` from `load`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from alnb.datasets import Info


@dataclass(eq=False)
class Frame:
    """One frame and what is known about it; None: the dataset does not say. What is costly to read may be read when asked for.

    Boxes are x0 y0 x1 y1 in pixels, half open: the box of a single pixel (u, v) is u v u+1 v+1. Flow is (x, y).
    """

    rgb: np.ndarray  # (H, W, 3) uint8
    boxes: np.ndarray  # (M, 4) float32, the hull of what is visible
    classes: np.ndarray  # (M,) int64, index into class_names
    tracks: np.ndarray | None = None  # (M,) int64, the same for one object in all frames of its video
    amodal: np.ndarray | None = None  # (M, 4) float32, the hull with what is hidden or outside the image
    instances: np.ndarray | None = None  # (H, W) int32, 0 or the track + 1 of the object seen there
    semantics: np.ndarray | None = None  # (H, W) uint8, Cityscapes' 19 training ids, 255: none of them
    depth: np.ndarray | None = None  # (H, W) float32, metres along the optical axis
    flow: Callable[[int], np.ndarray] | None = field(default=None, repr=False)  # +1 or -1 -> (H, W, 2) float32

    @cached_property
    def forward(self) -> np.ndarray | None:
        """(H, W, 2) float32: a pixel here is seen at its own place + forward in the next frame; None where unknown."""
        return self.flow(1) if self.flow else None

    @cached_property
    def backward(self) -> np.ndarray | None:
        """(H, W, 2) float32, the same towards the frame before."""
        return self.flow(-1) if self.flow else None


class Video(Protocol):
    """A sequence of frames; `complete[t]` says whether every object of frame t is annotated, so that t may be asked for.

    A world's may also have `decoys(t)`, what frame t shows that looks like an object and is none: boxes (K, 4), and (K,) bool, True
    for what is there for this one frame."""

    name: str
    length: int
    complete: np.ndarray  # (length,) bool

    def frame(self, t: int) -> Frame:
        """Frame 0 <= t < length, else IndexError; read or drawn anew at each call."""


@dataclass(eq=False)
class Videos:
    """A video dataset: the pool is made of the frames of `train`; `test` is only ever evaluated on."""

    name: str
    info: Info
    class_names: tuple[str, ...]
    train: list[Video]
    test: list[Video]


def clipped(boxes: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (M, 4) cut to the image, and which of them (M,) are left with an area."""
    boxes = np.clip(np.asarray(boxes, np.float32).reshape(-1, 4), 0, np.array([width, height] * 2, np.float32))
    return boxes, (boxes[:, 2:] > boxes[:, :2]).all(1)
