"""What a detector said of the frames of videos, and what was there: flat NumPy arrays over all frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Footage:
    """F frames in the order of their videos and times, and the D detections in them. NumPy arrays.

    video, time, row (F,): row of the candidate, -1 for another frame. size: (width, height) of all frames, or (F, 2) of each.
    Detections: frame (D,), boxes (D, 4) x0 y0 x1 y1 in pixels, classes (D,), scores (D,), probabilities (D, 1 + C), the
    background first.
    motion(frames (n,), direction 1 or -1, points (n, 2)) -> (n, 2) pixels that the image moves there to the next frame, or to
    the one before. picture(frame) -> (H, W, 3) uint8, for a tracker that looks; None where there are no images.
    """

    video: Any
    time: Any
    row: Any
    size: Any
    frame: Any
    boxes: Any
    classes: Any
    scores: Any
    probabilities: Any
    motion: Callable[[Any, int, Any], Any]
    picture: Callable[[int], Any] | None = None

    @property
    def sizes(self):
        """(F, 2) width and height of each frame."""
        import numpy as np

        return np.broadcast_to(self.size, (len(self.video), 2))

    def goes_on(self, frame, direction: int):
        """(n,) bool: whether the frame after (before) `frame` (n,) is here and of the same video, right after (before) it."""
        to = (frame + direction).clip(0, max(len(self.video) - 1, 0))
        return (self.video[to] == self.video[frame]) & (self.time[to] == self.time[frame] + direction)

    def of_candidates(self, values):
        """(U,) of values (F,): those of the candidates, row by row."""
        import numpy as np

        here = self.row >= 0
        of = np.empty(here.sum(), dtype=np.asarray(values).dtype)
        of[self.row[here]] = values[here]
        return of

    def shuffled(self, rng):
        """The same detections with the frames of each video dealt to each other's places, and the place (F,) of each frame."""
        import numpy as np
        import torch

        place = np.arange(len(self.video))
        for video in np.unique(self.video):
            own = np.flatnonzero(self.video == video)
            place[own] = own[torch.randperm(len(own), generator=rng).numpy()]
        picture, back = self.picture, np.argsort(place)
        mixed = (lambda frame: picture(int(back[frame]))) if picture else None
        return dataclasses.replace(self, frame=place[self.frame], picture=mixed), place


@dataclass(frozen=True)
class Truth:
    """The objects of the frames of a Footage: frame (M,), boxes (M, 4) of what is visible, classes (M,), tracks (M,)."""

    frame: Any
    boxes: Any
    classes: Any
    tracks: Any
