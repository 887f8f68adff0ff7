"""Feeds: what a training draws its batches from.

A feed knows how its samples look in a batch and how chance changes them, so that whatever belongs to an image (boxes,
masks, joints, densities) moves with it. It is any object with

    device                              where its batches are, and where the network is trained
    len(feed)                           number of samples
    feed.draw(generator) -> drawn       one epoch's random choices, in order of presentation; None: nothing moves
    feed.batch(rows, part, drawn)       (x, y) of the samples rows[part], changed as drawn for the places `part`

`rows` (n,) int64 on the device: a whole epoch's samples in order of presentation; `part`: the slice of it that makes a
batch. All chance is drawn from the CPU generator given, as much in every epoch: a training that goes on in the middle
draws what it skips.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch

from alnb.errors import BadRequest
from alnb.learning import augment

KEPT_BYTES = 31 << 20  # just under the largest block (32 MiB) whose release teaches glibc to keep freed memory


class Feed(Protocol):
    """See above."""

    device: Any

    def __len__(self) -> int: ...

    def draw(self, generator: torch.Generator | None) -> Any: ...

    def batch(self, rows: torch.Tensor, part: slice, drawn: Any) -> tuple[Any, Any]: ...


class Images:
    """Images (n, C, H, W) uint8, cropped at random from a border of `crop` zeros, mirrored with chance 1/2 if `flip`,
    normalised; targets (n, ...) that do not move. Both are taken to `device` once. BadRequest for other images.
    """

    def __init__(self, images, targets, *, mean, std, crop: int = 0, flip: bool = False, device="cpu"):
        if len(targets) == 0 or len(images) != len(targets):
            raise BadRequest(
                f"training takes as many images as targets, at least one: given {len(images)} and {len(targets)}"
            )
        if images.dtype != torch.uint8:
            raise BadRequest(f"images must be uint8, given {images.dtype}")
        self.mean, self.std, self.crop, self.flip, self.device = mean, std, crop, flip, device
        self.windows, self.targets = augment.windows(images.to(device), crop, flip), targets.to(device)

    def __len__(self):
        return len(self.targets)

    def draw(self, generator):
        if generator is None:
            return torch.tensor([0, self.crop, self.crop], device=self.device)[:, None].expand(3, len(self))
        return augment.draw(len(self), self.crop, self.flip, generator).to(self.device)

    def batch(self, rows, part, drawn):
        rows = rows[part]
        images = augment.gather(self.windows, rows, drawn[:, part])
        return augment.normalise(images, self.mean, self.std), self.targets[rows]


class Tensors:
    """x (n, ...) and y (n, ...) as they are: points, features of a frozen network. On x's device; nothing is drawn."""

    def __init__(self, x, y):
        if len(y) == 0 or len(x) != len(y):
            raise BadRequest(f"training takes as many inputs as targets, at least one: given {len(x)} and {len(y)}")
        self.x, self.y, self.device = x, y.to(x.device), x.device

    def __len__(self):
        return len(self.y)

    def draw(self, generator):
        return None

    def batch(self, rows, part, drawn):
        return self.x[rows[part]], self.y[rows[part]]


def batches(n: int, size: int, smallest: int = 8) -> list[slice]:
    """Consecutive slices of `size` that cover n; a last one under `smallest` samples joins the one before it: its
    batch statistics would be noise, and it would be an epoch's last word."""
    starts = list(range(0, n, size))
    if len(starts) > 1 and n - starts[-1] < smallest:
        starts.pop()
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], n])]


def keep_freed_memory() -> None:
    """Before a loop on a CPU: else each of its steps may fault its memory in anew, a quarter of the time."""
    torch.empty(KEPT_BYTES, dtype=torch.uint8)  # released at once
