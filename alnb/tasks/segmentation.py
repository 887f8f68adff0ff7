"""Semantic segmentation: a class at every pixel, cross-entropy over the labelled ones, mean intersection over union.

A sample is an image, its label a map of classes that moves with it, cropped and mirrored. The network answers at a fraction of
the image's size; its logits are made larger, bilinear, before they are judged. What strategies see of pixels is handed to them
part by part, since the probabilities of a pool's pixels fill no memory: see `pixels` in OFFERS.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from alnb import datasets
from alnb.datasets.stills import IGNORED
from alnb.errors import BadRequest
from alnb.runs import Run, State
from alnb.tasks import Metric, dense

OFFERS = {
    "probabilities": "(U, C) float, the mean over an image's pixels of their softmax",
    "embeddings": "(U, D) float, features of the last block, mean over positions",
    "labelled_embeddings": "(L, D) float",
    "images": "(U, 3, h, w) uint8, at the setting seen_height",
    "labelled_images": "(L, 3, h, w) uint8",
    "labelled_targets": "(L, h, w) uint8 classes, 255 none",
    "pixels": "function: (score) -> (U,): score((1, u, P, C) softmax of P positions) -> (u,), part by part",
    "pixel_passes": "function: (passes, score) -> (U,): the same of (passes, u, P, C), dropout on, one mask a pass for all",
    "pixel_committee": "function: (members, bootstrap, score) -> (U,): the same of networks trained alike from other streams, on"
    " all the labels, or each on a bootstrap sample of them",
    "truth": "(U, H, W) uint8, true classes: for strategies marked oracle=True only",
}
"""U candidates, L labelled, C classes, P positions of the network's answer. The view also has `classes`, C."""


@dataclass(frozen=True)
class Settings(dense.Settings):
    """height: what images are resized to, their width in proportion, 0: not; maps take the nearest pixel's class. seen_height:
    the same for what a strategy's own networks are fed, VAAL's and SRAAL's games; 0: as the target's."""

    height: int = 0
    seen_height: int = 0


def check(settings: Settings, dataset: str) -> None:
    """BadRequest for what cannot be trained on this dataset."""
    dense.check(settings, dataset, "segmentation")
    for name in ("height", "seen_height"):
        if getattr(settings, name) != 0 and getattr(settings, name) < 8:
            raise BadRequest(f"{name} = {getattr(settings, name)}: expected 0, for the dataset's own, or rows from 8")


def seconds(run: Run, labelled: Sequence[int], looks: int = 0) -> float:
    """Rough seconds on one core of trainings on so many images each, and of looks at `looks` images."""
    from alnb.learning import networks

    train, look = networks.cost(run.options.network)
    return (run.options.epochs * sum(labelled) * train + looks * look) / 1000


@functools.lru_cache(maxsize=2)
def _resident(name: str, part: str, most: int, height: int, where: str):
    """Images (n, 3, H, W) and maps (n, H, W) uint8 of a dataset on the device, once per process; most: the first so many."""
    import torch

    items = getattr(datasets.load(name), part)
    pairs = [_resized(*items[i], height) for i in range(most or len(items))]
    images, maps = (torch.stack(list(each)) for each in zip(*pairs))
    return images.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last).to(where), maps.to(where)


def _resized(pixels, classes, height: int):
    """(H, W, 3), (H, W) tensors of that height, the pixels antialiased; 0: as they are."""
    import numpy as np
    import torch
    from PIL import Image

    if height and height != len(pixels):
        size = (round(pixels.shape[1] * height / len(pixels)), height)
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0))
        classes = np.asarray(Image.fromarray(classes).resize(size, Image.Resampling.NEAREST))
    return torch.from_numpy(np.array(pixels)), torch.from_numpy(np.array(classes))


class Maps:
    """The feed: images with their maps, cropped from a border of `crop` zeros (classes: none) and mirrored together; see
    `learning.feed.Images`. y (B, H, W) int64."""

    def __init__(self, images, maps, *, mean, std, crop: int, flip: bool, device):
        from alnb.learning import augment
        from alnb.learning.feed import Images

        self.inner = Images(images, maps, mean=mean, std=std, crop=crop, flip=flip, device=device)
        self.device = device
        # a border of zeros, so class 0 is kept as 1 and none, 255, as 0
        self.windows = augment.windows((maps.to(device) + 1)[:, None], crop, flip)

    def __len__(self):
        return len(self.inner)

    def draw(self, generator):
        return self.inner.draw(generator)

    def batch(self, rows, part, drawn):
        from alnb.learning import augment

        x, _ = self.inner.batch(rows, part, drawn)
        return x, (augment.gather(self.windows, rows[part], drawn[:, part])[:, 0] - 1).long()


def enlarged(logits, size):
    """(B, C, h, w) -> (B, C, *size), bilinear."""
    from torch.nn import functional as F

    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)


def pixel_cross_entropy(outputs, y, epoch, rows):
    """(B,) nats: the mean over the labelled pixels of an image, y (B, H, W); 0 where it has none. outputs (B, C, h, w)."""
    from torch.nn import functional as F

    each = F.cross_entropy(enlarged(outputs, y.shape[1:]), y, ignore_index=IGNORED, reduction="none")
    return each.sum((1, 2)) / (y != IGNORED).sum((1, 2)).clamp(min=1)


class Segmentation(dense.Dense):
    """One run's images, maps and network (see tasks.Task). Samples are positions in the pool."""

    offers = OFFERS

    @staticmethod
    def metrics(dataset: str) -> tuple[Metric, ...]:
        return Metric("mean IoU", "%", low=0, high=100), Metric("pixel accuracy", "%", low=0, high=100)

    def __init__(self, run: Run, state: State | None = None):
        import numpy as np

        super().__init__(run, state)
        self.data = datasets.load(run.dataset)
        self.classes = self.outputs = self.data.info.classes
        self.images, self.maps = self._part("train", self.options.height)
        self.size, self.rows = len(self.images), np.arange(len(self.images))
        self.mean, self.std = datasets.channel_statistics(self.images.cpu().numpy())

    def _part(self, part: str, height: int):
        return _resident(self.run.dataset, part, self.options.pool if part == "train" else 0, height, self.device)

    @functools.cached_property
    def seen(self):
        """(images, maps) of the pool at `seen_height`."""
        return self._part("train", self.options.seen_height or self.options.height)

    def labels(self, samples, answers):
        return self.maps[list(samples)]

    def feed(self, samples, labels):
        about = {"mean": self.mean, "std": self.std, "crop": self.data.crop, "flip": self.data.flip}
        return Maps(self.images[list(samples)], labels, device=self.device, **about)

    def loss(self, network, cycle: int, member: int = 0):
        return pixel_cross_entropy

    def look(self, model, cycle: int, candidates, labelled, labels, record) -> Seen:
        return Seen(self, model, cycle, candidates, labelled, labels)

    def evaluate(self, network) -> dict[str, float]:
        """Percent, of one confusion of all test pixels that have a class."""
        import torch

        from alnb.metrics.segmentation import confusion, mean_iou, pixel_accuracy

        images, maps = self._part("test", self.options.height)
        table = 0
        for part, decoded, _ in self.swept(network, images):
            with torch.no_grad():
                predicted = enlarged(network.answer(decoded), maps.shape[1:]).argmax(1)
            table = table + confusion(predicted, maps[part], self.classes, IGNORED)
        return {"mean IoU": mean_iou(table), "pixel accuracy": pixel_accuracy(table)}


class Seen:
    """What OFFERS names, of one cycle's candidates; computed when it is first asked for."""

    def __init__(self, task: Segmentation, model, cycle: int, candidates, labelled, labels):
        self._task, self._model, self._cycle = task, model, cycle
        self._candidates, self._labelled, self._labels = candidates, labelled, labels
        self._committees: dict[tuple[int, bool], list] = {}

    @functools.cached_property
    def _outputs(self):
        """(probabilities (U, C), embeddings (U, D))."""
        import torch

        with torch.no_grad():
            found = [
                (self._model.answer(decoded).softmax(1).mean((2, 3)), pooled)
                for _, decoded, pooled in self._task.swept(self._model, self._task.images[self._candidates])
            ]
        return tuple(map(torch.cat, zip(*found)))

    @property
    def probabilities(self):
        return self._outputs[0]

    @property
    def embeddings(self):
        return self._outputs[1]

    @functools.cached_property
    def labelled_embeddings(self):
        import torch

        return torch.cat([pooled for *_, pooled in self._task.swept(self._model, self._task.images[self._labelled])])

    @property
    def images(self):
        return self._task.seen[0][self._candidates]

    @property
    def labelled_images(self):
        return self._task.seen[0][self._labelled]

    @property
    def labelled_targets(self):
        return self._task.seen[1][self._labelled]

    @property
    def truth(self):
        return self._task.maps[self._candidates]

    def pixels(self, score: Callable):
        return self._scored([self._model], score, lambda network, decoded: [network.answer(decoded)])

    def pixel_passes(self, passes: int, score: Callable):
        """BadRequest if the network was trained without dropout."""
        import torch

        p = self._task.options.dropout
        if not p:
            raise BadRequest("MC dropout wants a network trained with dropout: give the arm, e.g., dropout=0.5")
        if passes < 2:
            raise BadRequest(f"passes = {passes}: expected at least 2")
        drawn = torch.rand(passes, self._model.head.in_channels, generator=self._task._stream("dropout", self._cycle)) >= p
        masks = drawn.to(self._task.device).float()[:, :, None, None] / (1 - p)

        def answers(network, decoded):
            return [network.head(decoded * mask) for mask in masks]

        return self._scored([self._model], score, answers)

    def pixel_committee(self, members: int, bootstrap: bool, score: Callable):
        """Without `bootstrap` the target model is the first of them. BadRequest for fewer than two."""
        if members < 2:
            raise BadRequest(f"members = {members}: expected at least 2")
        if (members, bootstrap) not in self._committees:
            self._committees[members, bootstrap] = list(self._trained(members, bootstrap))
        return self._scored(self._committees[members, bootstrap], score, lambda network, decoded: [network.answer(decoded)])

    def _trained(self, members: int, bootstrap: bool):
        import torch

        task, cycle = self._task, self._cycle
        if not bootstrap:
            yield self._model
        for member in range(1, members + bootstrap):
            samples, labels = self._labelled, self._labels
            if bootstrap:
                rows = torch.randint(len(samples), (len(samples),), generator=task._stream("bootstrap", cycle, member))
                samples, labels = [samples[i] for i in rows.tolist()], labels[rows.to(labels.device)]
            yield task.train(samples, labels, cycle, member=member)[0]

    def _scored(self, models, score: Callable, answers: Callable[[Any, Any], list]):
        """(U,) score of the softmax of what all models answer, part by part."""
        import torch

        images, found = self._task.images[self._candidates], []
        for looks in zip(*(self._task.swept(model, images) for model in models)):
            with torch.no_grad():
                logits = [one for model, (_, decoded, _) in zip(models, looks) for one in answers(model, decoded)]
                p = torch.stack([one.float().softmax(1).flatten(2).mT for one in logits])  # (members, u, P, C)
                found.append(score(p))
        return torch.cat(found)
