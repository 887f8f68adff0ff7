"""The frames of videos as a detection task keeps them: drawn or read when first wanted, and fed with their boxes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from alnb.errors import BadRequest

KEPT_BYTES = 3 << 30  # of frames and their flow a process keeps; others are read, drawn or estimated again



class Reel:
    """The frames of videos, drawn or read when they are first wanted, and kept while there is room: the first `most` of each, one
    in `every`, of `spread` videos, 0: all. video, time, rows (n,): which they are, rows as the dataset numbers them. complete (c,):
    those whose every object is annotated."""

    def __init__(self, videos, most: int = 0, every: int = 1, spread: int = 0):
        import numpy as np

        self.videos = list(videos)
        starts = np.concatenate([[0], np.cumsum([video.length for video in self.videos])])[:-1]
        whole = len(self.videos)
        chosen = [i * whole // spread for i in range(spread)] if 0 < spread < whole else range(whole)
        times = [np.arange(0, min(self.videos[i].length, most or self.videos[i].length), every) for i in chosen]
        self.video = np.repeat(np.array(chosen, dtype=int), [len(t) for t in times])
        self.time = np.concatenate([*times, np.empty(0, int)]).astype(int)
        self.rows = starts[self.video] + self.time if whole else self.time
        known = [np.asarray(self.videos[i].complete, dtype=bool)[t] for i, t in zip(chosen, times)]
        self.complete = np.flatnonzero(np.concatenate([*known, np.empty(0, bool)]))
        self.sizes = np.zeros((len(self), 2), dtype=int)  # (width, height), of those that were looked at
        self._kept, self._bytes, self._decoys = {}, 0, {}

    def __len__(self):
        return len(self.time)

    def __getitem__(self, i: int) -> Shot:
        if i not in self._kept:
            shot = Shot.of(self.videos[self.video[i]].frame(int(self.time[i])))
            self.sizes[i] = shot.image.shape[:0:-1]
            if (self._bytes + shot.bytes) > KEPT_BYTES:
                return shot
            self._bytes += shot.bytes
            self._kept[i] = shot
        return self._kept[i]

    @property
    def knows_decoys(self) -> bool:
        return bool(self.videos) and all(hasattr(video, "decoys") for video in self.videos)

    def decoys(self, i: int):
        """Where it `knows_decoys`: boxes (K, 4) of what frame i shows that looks like an object and is none, and (K,) bool, whether
        that is there for this one frame."""
        if i not in self._decoys:
            self._decoys[i] = self.videos[self.video[i]].decoys(int(self.time[i]))
        return self._decoys[i]


@dataclass
class Shot:
    """What is kept of a frame: image (3, H, W) uint8 tensor, boxes (m, 4), classes (m,), and when first asked for: tracks (m,), -1
    where the data has none; the flow to the next and to the last frame (H, W, 2) in half precision, None where the data has
    none; what was `estimated` in its place, by direction."""

    image: Any
    boxes: Any
    classes: Any
    known: Callable[[], Any]  # the data's tracks, or None
    motion: Callable[[int], Any] | None
    estimated: dict[int, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, frame) -> Shot:
        import numpy as np
        import torch

        image = torch.from_numpy(np.ascontiguousarray(frame.rgb.transpose(2, 0, 1)))
        boxes, classes = np.asarray(frame.boxes, np.float32).reshape(-1, 4), np.asarray(frame.classes, np.int64)
        return cls(image, boxes, classes, lambda: frame.tracks, frame.flow)

    @functools.cached_property
    def tracks(self):
        import numpy as np

        known = self.known()
        return np.full(len(self.boxes), -1) if known is None else known

    @functools.cached_property
    def forward(self):
        return self.motion(1).astype("float16") if self.motion else None

    @functools.cached_property
    def backward(self):
        return self.motion(-1).astype("float16") if self.motion else None

    @property
    def bytes(self) -> int:
        return 12 * self.image.numel()  # roughly, with its flow both ways and what that is computed from


class Frames:
    """The feed of a detector (see learning.feed): frames of a reel and their boxes, mirrored together with chance 1/2.

    boxes, classes: of each sample, (m, 4) and (m,). y is the list of targets, which x holds too.
    """

    def __init__(self, reel, samples, boxes, classes, where):
        self.reel, self.samples, self.boxes, self.classes, self.device = reel, list(samples), boxes, classes, where
        if not self.samples:
            raise BadRequest("training takes at least one frame: given none")

    def __len__(self):
        return len(self.samples)

    def draw(self, generator):
        import torch

        n = len(self)
        return torch.zeros(n, dtype=torch.bool) if generator is None else torch.rand(n, generator=generator) < 0.5

    def batch(self, rows, part, drawn):
        import torch

        images, targets = [], []
        for i, mirrored in zip(rows[part].tolist(), drawn[part].tolist()):
            image, boxes = (
                self.reel[self.samples[i]].image.to(self.device).float() / 255,
                torch.as_tensor(self.boxes[i]).float(),
            )
            if mirrored:
                image = image.flip(2)
                boxes = torch.stack(
                    [image.shape[2] - boxes[:, 2], boxes[:, 1], image.shape[2] - boxes[:, 0], boxes[:, 3]], 1
                )
            images.append(image)
            labels = torch.as_tensor(self.classes[i]) + 1  # 0 is the background
            targets.append({"boxes": boxes.to(self.device), "labels": labels.to(self.device)})
        return (images, targets), targets
