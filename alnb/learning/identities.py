"""The batches that re-identification trains on, P people with K images each: cropped, mirrored, normalised, erased."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from alnb.learning import augment
from alnb.learning.erasing import erase
from alnb.learning.feed import Images, keep_freed_memory
from alnb.learning.reid import identity_batches


class IdentityFeed:
    """Epochs of batches (x, y) of `boxes` (`alnb.datasets.reid.Boxes`), `people` x `images` samples each.

    crop: pixels of the random crop's border; erasing: its chance. stream(name, epoch) gives the generator of what is drawn
    there ("order", "augmentation", "erasing"), so that an epoch depends on no other.
    """

    def __init__(self, boxes, people: int, images: int, *, crop: int, erasing: float, mean, std, device,
                 stream: Callable[[str, int], torch.Generator]):  # fmt: skip
        self.labels, self.people, self.images = boxes.labels, people, images
        self.crop, self.erasing, self.device, self.stream = crop, erasing, device, stream
        self.feed = Images(boxes.images, self.labels, crop=crop, flip=True, mean=mean, std=std, device=device)
        keep_freed_memory()

    def epoch(self, epoch: int) -> Iterator[tuple[float, torch.Tensor, torch.Tensor]]:
        """(share of the epoch that is over after this batch, x (B, 3, H, W), y (B,))."""
        groups = identity_batches(self.labels, self.people, self.images, self.stream("order", epoch))
        order, size = torch.cat(groups).to(self.device), self.people * self.images
        drawn = augment.draw(len(order), self.crop, True, self.stream("augmentation", epoch)).to(self.device)
        erasing = self.stream("erasing", epoch)
        for number, start in enumerate(range(0, len(order), size)):
            x, y = self.feed.batch(order, slice(start, start + size), drawn)
            yield (number + 1) / len(groups), erase(x, self.erasing, erasing), y
