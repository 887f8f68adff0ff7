"""Image classification: a dataset on the device, a network, cross-entropy, accuracy."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alnb import datasets
from alnb.errors import BadRequest
from alnb.machine import device
from alnb.runs import Run, State, torch_stream
from alnb.tasks.classes import Classes
from alnb.tasks.pool import PoolSettings, check_classes, expected_size, pool_rows
from alnb.tasks.pool import check as check_pool
from alnb.tasks.training import TrainingSettings, check_recipe, recipe

KIND = "classification"


@dataclass(frozen=True)
class Settings(PoolSettings, TrainingSettings):
    """The network and its training.

    smallest_batch: a last batch of fewer samples joins the one before it. An epoch that ends on a small batch leaves
    batch norm with the statistics of few samples, right before the pool is looked at.
    acquisition_transform: what the pool is scored on, the test transform or (as some public code does) one random
    training transform of each image.
    """

    network: str = "resnet18"
    batch: int = 128
    precision: Literal["fp32", "bf16"] = "fp32"
    acquisition_transform: Literal["test", "train"] = "test"
    smallest_batch: int = 8


def check(settings: Settings, dataset: str) -> None:
    """BadRequest for a recipe that cannot train, or a pool that the dataset does not have. Of settings with cycles also for a
    batch of one sample, of which batch norm can take no statistics."""
    from alnb.learning import networks

    datasets.check_task(dataset, "classification")
    about = datasets.info(dataset)
    if not about.images:
        raise BadRequest(f"{dataset} holds features, no images: give the race task = 'features', encoder = 'given', px = 0")
    if settings.network not in networks.names("images"):
        known = ", ".join(map(repr, networks.names("images")))
        raise BadRequest(f"network = {settings.network!r}: expected one of {known}")
    check_recipe(settings)
    for name, least in (("batch", 2), ("smallest_batch", 1)):
        if getattr(settings, name) < least:
            raise BadRequest(f"{name} = {getattr(settings, name)}: expected at least {least}")
    check_pool(settings, about.train, about.classes)
    if not hasattr(settings, "cycles"):
        return
    for cycle in range(min(settings.cycles, about.train // max(1, settings.budget)) + 1):  # no more than the pool can answer
        labels = settings.initial + settings.budget * cycle
        if labels == 1 or (settings.smallest_batch == 1 and labels % settings.batch == 1):
            raise BadRequest(
                f"batch = {settings.batch} leaves a batch of one sample of the {labels} labels of cycle {cycle}, too few for batch "
                "norm: give smallest_batch = 2 or more, and 2 labels or more"
            )


def seconds(run: Run, labelled: Sequence[int], recorded: int) -> float:
    """Rough seconds on one core: one training per entry of `labelled`, `recorded` images looked at every epoch."""
    from alnb.learning import networks

    train, forward = networks.cost(run.options.network)
    return run.options.epochs * (sum(labelled) * train + recorded * forward) / 1000


def pool_size(run: Run) -> int:
    """Samples of the pool, without loading them; of a tail, what classes of equal size would leave."""
    about = datasets.info(run.dataset)
    return expected_size(PoolSettings.of(run.options), about.train, about.classes)


@functools.lru_cache(maxsize=1)
def _resident(name: str, pool: PoolSettings, seed: int, where: str):
    """The dataset's rows, images and labels as tensors on the device, once per process."""
    import torch

    data = datasets.load(name)
    rows = pool_rows(pool, data.train_targets, seed)
    check_classes(name, data.train_targets[rows], data.info.classes)
    tensors = (data.train_images[rows], data.train_targets[rows], data.test_images, data.test_targets)
    return data, rows, *(torch.from_numpy(array).to(where) for array in tensors)


class Classification(Classes):
    """One run's data and network (see tasks.Task). Samples are positions in the pool."""

    def __init__(self, run: Run, state: State | None = None):
        super().__init__(run, state, device())
        o = self.options
        pool = PoolSettings.of(o)
        loaded = _resident(run.dataset, pool, run.seed if pool.drawn_by == "seed" else 0, self.device)
        self.data, self.rows, self.images, self.targets, self.test_images, self.test_targets = loaded
        self.train_targets = self.data.train_targets
        self.size, self.classes = len(self.targets), self.data.info.classes
        self.look_with = {"mean": self.data.mean, "std": self.data.std, "device": self.device, "precision": o.precision}

    def build(self, cycle: int, member: int = 0):
        """The untrained network of a cycle."""
        from alnb.learning import networks

        init, o = self._stream("model init", cycle, member), self.options
        network = networks.build(o.network, self.classes, self.test_images.shape[1], generator=init)
        network.dropout = o.dropout
        return network

    def train(self, samples, labels, cycle: int, watched=None, *, member: int = 0, start=None) -> tuple[Any, dict | None]:
        """See tasks.Task; `watched`: every epoch's predictions are recorded.

        The network's `presented` (T, L) bool: whether sample l was classified correctly when epoch t presented it.
        """
        from alnb.learning.feed import Images
        from alnb.learning.infer import Recorder
        from alnb.learning.train import train

        network, recorder = self.build(cycle, member), None
        if start is not None:
            network.load_state_dict(start.state_dict())
        if watched is not None:
            recorder = Recorder(self._acquisition_images(watched, cycle), classes=self.classes, **self.look_with)
        feed = Images(
            self.images[list(samples)], labels, mean=self.data.mean, std=self.data.std, crop=self.data.crop,
            flip=self.data.flip, device=self.device,
        )  # fmt: skip
        order, augment = (self._stream(name, cycle, member) for name in ("data order", "augmentation"))
        watch = recorder and self._timed(recorder)
        trained = train(
            network, feed, recipe(self.options), loss=self.loss(network, cycle, member), order=order, augment=augment,
            after_epoch=watch,
        )  # fmt: skip
        network.presented = trained.correct
        network.eval()
        if recorder is None:
            return network, None
        return network, self._record(recorder.predictions, recorder.mean_confidence, watched)

    def _acquisition_images(self, samples, cycle: int):
        """Pool samples as the strategy's model sees them; a random transform is drawn once a cycle, for every sample."""
        images = self.images[samples]
        if self.options.acquisition_transform == "test":
            return images
        import torch

        from alnb.learning.augment import draw, gather, windows

        crop, flip = self.data.crop, self.data.flip
        drawn = draw(self.size, crop, flip, torch_stream(self.run.seed, "acquisition transform", cycle))
        drawn = drawn[:, torch.as_tensor(samples)].to(self.device)
        return gather(windows(images, crop, flip), torch.arange(len(images), device=self.device), drawn)

    def infer(self, network, samples, cycle: int):
        """Logits (n, C) fp32 and embeddings (n, D) of pool samples, eval mode."""
        from alnb.learning.infer import infer

        return infer(network, self._acquisition_images(samples, cycle), embeddings=True, **self.look_with)

    def evaluate(self, network) -> dict[str, float]:
        """{"accuracy": percent of the test set} of the last epoch's network."""
        from alnb.learning.infer import infer

        logits = infer(network, self.test_images, **self.look_with)
        correct = int((logits.argmax(1) == self.test_targets).sum())
        return {"accuracy": 100 * correct / len(self.test_targets)}


TASK = Classification
