"""Image classification: a dataset on the device, a network, cross-entropy, accuracy."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alnb import datasets
from alnb.cycle import CycleSettings
from alnb.errors import BadRequest
from alnb.machine import device
from alnb.runs import Run, torch_stream


@dataclass(frozen=True)
class Settings(CycleSettings):
    """The cycle's sizes, the network and its recipe (see learning.recipe.Recipe); milestones are fractions of epochs.

    dropout: probability on the features before the head, in training (BALD keeps it on for its passes).
    acquisition_transform: what the pool is scored on, the test transform or (as some public code does) one random
    training transform of each image.
    """

    network: Literal["small", "resnet18"] = "resnet18"
    epochs: int = 100
    batch: int = 128
    lr: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 5e-4
    nesterov: bool = False
    milestones: tuple[float, ...] = (0.6, 0.8)
    gamma: float = 0.2
    precision: Literal["fp32", "bf16"] = "fp32"
    dropout: float = 0.0
    acquisition_transform: Literal["test", "train"] = "test"


def check(settings: Settings) -> None:
    """BadRequest for a recipe that cannot train."""
    for name, least in (("epochs", 1), ("batch", 2), ("lr", 0.0), ("weight_decay", 0.0), ("gamma", 0.0)):
        if getattr(settings, name) < least:
            raise BadRequest(f"{name} = {getattr(settings, name)}: expected at least {least}")
    if not all(0 < m < 1 for m in settings.milestones):
        raise BadRequest(f"milestones = {settings.milestones}: expected fractions of the epochs, between 0 and 1")
    if settings.lr == 0:
        raise BadRequest("lr = 0: nothing would be learnt")
    if not 0 <= settings.dropout < 1:
        raise BadRequest(f"dropout = {settings.dropout}: expected a probability, 0 or more and under 1")


def seconds(run: Run, labelled: Sequence[int], recorded: int) -> float:
    """Rough seconds on one core: one training per entry of `labelled`, `recorded` images looked at every epoch."""
    from alnb.learning import networks

    train, forward = networks.cost(run.options.network)
    return run.options.epochs * (sum(labelled) * train + recorded * forward) / 1000


@functools.lru_cache(maxsize=1)
def _resident(name: str, pool: int, where: str):
    """The dataset's images and labels as tensors on the device, once per process."""
    import torch

    data = datasets.load(name)
    size = pool or len(data.train_targets)
    tensors = (data.train_images[:size], data.train_targets[:size], data.test_images, data.test_targets)
    return data, *(torch.from_numpy(array).to(where) for array in tensors)


class Classification:
    """One run's data and network. Indices are positions in the pool, the first `pool` training samples."""

    def __init__(self, run: Run):
        self.run, self.options, self.device = run, run.options, device()
        loaded = _resident(run.dataset, self.options.pool, self.device)
        self.data, self.images, self.targets, self.test_images, self.test_targets = loaded
        self.size, self.classes = len(self.targets), self.data.info.classes
        self.look = {"mean": self.data.mean, "std": self.data.std, "device": self.device}
        self.look["precision"] = self.options.precision
        self.timings: dict[str, float] = {}  # seconds by name, of this step

    def labels(self, indices: Sequence[int], answers: Mapping[int, int]):
        """(L,) int64: the human's answers where there are some, else the dataset's labels."""
        labels = self.targets[list(indices)].clone()
        for position, index in enumerate(indices):
            if index in answers:
                if not 0 <= int(answers[index]) < self.classes:
                    raise BadRequest(f"answer {answers[index]!r} to sample {index}: expected 0 to {self.classes - 1}")
                labels[position] = int(answers[index])
        return labels

    def _stream(self, name: str, cycle: int, member: int = 0):
        return torch_stream(self.run.seed, f"{name}, member {member}" if member else name, cycle)

    def _build(self, cycle: int, member: int = 0):
        from alnb.learning import networks

        init, o = self._stream("model init", cycle, member), self.options
        network = networks.build(o.network, self.classes, self.test_images.shape[1], generator=init)
        network.dropout = o.dropout
        return network

    def train(
        self, indices: Sequence[int], labels, cycle: int, candidates=None, *, member: int = 0, start=None
    ) -> tuple[Any, dict | None]:
        """A network trained from scratch, or on from the weights of `start`, and what each epoch predicted for
        `candidates` (None: not looked at). `member` names the random streams: members of a committee differ in them.

        The record holds predictions (T, n), mean_confidence (n,) and rows (pool size,), a sample's column, else -1. The
        network's `presented` (T, L) bool: whether sample l was classified correctly when epoch t presented it.
        """
        import torch

        from alnb.learning.feed import Images
        from alnb.learning.infer import Recorder
        from alnb.learning.recipe import Recipe
        from alnb.learning.train import train

        o = self.options
        recipe = Recipe(
            o.epochs, o.batch, o.lr, o.momentum, o.weight_decay, o.nesterov, o.milestones, o.gamma, o.precision
        )
        network, recorder = self._build(cycle, member), None
        if start is not None:
            network.load_state_dict(start.state_dict())
        if candidates is not None:
            recorder = Recorder(self._acquisition_images(candidates, cycle), classes=self.classes, **self.look)
        watch = recorder and self._timed(recorder)
        feed = Images(
            self.images[list(indices)], labels, mean=self.data.mean, std=self.data.std,
            crop=self.data.crop, flip=self.data.flip, device=self.device,
        )  # fmt: skip
        order, augment = (self._stream(name, cycle, member) for name in ("data order", "augmentation"))
        network.presented = train(network, feed, recipe, order=order, augment=augment, after_epoch=watch).correct
        network.eval()
        if recorder is None:
            return network, None
        rows = torch.full((self.size,), -1, dtype=torch.long)
        rows[torch.as_tensor(candidates)] = torch.arange(len(candidates))
        record = {"predictions": recorder.predictions.cpu(), "mean_confidence": recorder.mean_confidence.cpu()}
        return network, record | {"rows": rows}

    def _timed(self, recorder):
        """The recorder, with its seconds added to timings["watching"]: what looking at the pool every epoch costs."""
        import time

        import torch

        def watch(epoch, network):
            began = time.perf_counter()
            recorder(epoch, network)
            if self.device.startswith("cuda"):
                torch.cuda.synchronize()
            self.timings["watching"] = self.timings.get("watching", 0.0) + time.perf_counter() - began

        return watch

    def restore(self, weights: dict):
        """The network of the shared first training."""
        network = self._build(0)
        network.load_state_dict(weights)
        return network.to(self.device).eval()

    def _acquisition_images(self, indices, cycle: int):
        """Pool samples as the strategy's model sees them; a random transform is drawn once a cycle, for every sample."""
        images = self.images[indices]
        if self.options.acquisition_transform == "test":
            return images
        import torch

        from alnb.learning.augment import draw, gather, windows

        crop, flip = self.data.crop, self.data.flip
        drawn = draw(self.size, crop, flip, torch_stream(self.run.seed, "acquisition transform", cycle))
        drawn = drawn[:, torch.as_tensor(indices)].to(self.device)
        return gather(windows(images, crop, flip), torch.arange(len(images), device=self.device), drawn)

    def infer(self, network, indices, cycle: int):
        """Logits (n, C) fp32 and embeddings (n, D) of pool samples, eval mode."""
        from alnb.learning.infer import infer

        return infer(network, self._acquisition_images(indices, cycle), embeddings=True, **self.look)

    def infer_dropout(self, network, indices, cycle: int, passes: int):
        """(passes, n, C) logits with dropout on before the head, batch norm in eval mode: MC dropout (Gal and
        Ghahramani 2016). A pass has one mask for all samples. BadRequest if the network was trained without dropout."""
        import torch

        p = self.options.dropout
        if not p:
            raise BadRequest("MC dropout wants a network trained with dropout: give the arm, e.g., dropout=0.5")
        if passes < 2:
            raise BadRequest(f"passes = {passes}: expected at least 2")
        _, features = self.infer(network, indices, cycle)
        kept = torch.rand(passes, features.shape[1], generator=self._stream("dropout", cycle)) >= p
        with torch.no_grad():
            return torch.stack([network.head(features * mask / (1 - p)) for mask in kept.to(features.device)])

    def committee(self, network, members: int, labelled, labels, indices, cycle: int):
        """(members, n) classes predicted by `network` and `members` - 1 others trained alike on the same labels."""
        import torch

        if members < 2:
            raise BadRequest(f"members = {members}: expected at least 2")
        others = (self.train(labelled, labels, cycle, member=member)[0] for member in range(1, members))
        return torch.stack([self.infer(one, indices, cycle)[0].argmax(1) for one in (network, *others)])

    def evaluate(self, network) -> dict[str, float]:
        """{"accuracy": percent of the test set} of the last epoch's network."""
        from alnb.learning.infer import infer

        logits = infer(network, self.test_images, **self.look)
        correct = int((logits.argmax(1) == self.test_targets).sum())
        return {"accuracy": 100 * correct / len(self.test_targets)}
