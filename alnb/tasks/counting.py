"""Counting people: a network that regresses a map of densities, the squared error of each image's map, the error of the count."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alnb import datasets
from alnb.datasets.heads import TASK as KIND
from alnb.errors import BadRequest
from alnb.machine import device
from alnb.runs import Run, State, torch_stream
from alnb.tasks import Metric, classification
from alnb.tasks.training import check_recipe, recipe

OFFERS = {
    "embeddings": "(U, D) float, what is left of the last features when they are averaged over the image",
    "labelled_embeddings": "(L, D) float",
    "predicted_counts": "(U,) float, people",
    "map_entropies": "(U,) float, nats: of the softmax over the pixels of the map",
    "share_entropies": "(U,) float, nats: of the map divided by its sum",
    "images": "(U, 3, H, W) uint8",
    "labelled_images": "(L, 3, H, W) uint8",
    "truth": "(U,) float, people that are there: for strategies marked oracle=True only",
}
"""U candidates, D features, L labelled."""

LOOKED_AT = 3 << 20  # pixels looked at together


@dataclass(frozen=True)
class Settings(classification.Settings):
    """Of classification's: network (one that answers with maps), batch, precision, smallest_batch, pool, and the recipe.

    optimiser, schedule: see learning.recipe.Recipe; "exponential" multiplies the rate by gamma after each epoch. weights: what
    a ResNet starts from. sigma, window: of the Gaussian on a head, pixels. density_scale: maps are so many times the density.
    crop_height, crop_width: of the random part of an image that is trained on, 0: all of it.
    """

    optimiser: Literal["sgd", "adam"] = "sgd"
    schedule: Literal["step", "cosine", "exponential"] = "step"
    weights: Literal["random", "imagenet"] = "random"
    sigma: float = 4.0
    window: int = 15
    density_scale: float = 100.0
    crop_height: int = 0
    crop_width: int = 0


def check(settings: Settings, dataset: str) -> None:
    """BadRequest for a recipe that cannot train, a network that gives no maps, and what only classes have."""
    from alnb.learning import networks

    datasets.check_task(dataset, KIND)
    if settings.network not in (known := networks.names("images to maps")):
        raise BadRequest(f"network = {settings.network!r}: expected one of {', '.join(map(repr, known))}")
    check_recipe(settings)
    if settings.weights == "imagenet" and settings.network != "counting_resnet50":
        raise BadRequest(f"network {settings.network!r} has no weights of ImageNet; accepted: weights = 'random'")
    for name, least in (("batch", 2), ("smallest_batch", 1), ("crop_height", 0), ("crop_width", 0)):
        if getattr(settings, name) < least:
            raise BadRequest(f"{name} = {getattr(settings, name)}: expected at least {least}")
    for name in ("sigma", "density_scale"):
        if getattr(settings, name) <= 0:
            raise BadRequest(f"{name} = {getattr(settings, name)}: expected above 0")
    if settings.window < 1 or settings.window % 2 == 0:
        raise BadRequest(f"window = {settings.window}: expected an odd number of pixels")
    for name in ("dropout", "tail", "reserved", "split", "acquisition_transform", "initial_labels"):
        default = {"initial_labels": "random"}.get(name, getattr(Settings, name, None))
        if getattr(settings, name, default) != default and (name != "initial_labels" or settings.initial_labels in
                                                            ("balanced", "reserved")):  # fmt: skip
            raise BadRequest(f"{name} = {getattr(settings, name)!r}: counting has no classes and no dropout; accepted: {default!r}")
    if not 0 <= settings.pool <= (most := datasets.info(dataset).train):
        raise BadRequest(f"pool = {settings.pool}: the dataset has {most} training images; 0 means all")


def seconds(run: Run, labelled: Sequence[int], recorded: int) -> float:
    """Rough seconds on one core: one training per entry of `labelled`."""
    from alnb.learning import networks

    return run.options.epochs * sum(labelled) * networks.cost(run.options.network)[0] / 1000


def pool_size(run: Run) -> int:
    return run.options.pool or datasets.info(run.dataset).train


@functools.lru_cache(maxsize=1)
def _resident(name: str):
    import torch

    data = datasets.load(name)
    return data, torch.from_numpy(data.train_images), torch.from_numpy(data.test_images)


class Counting:
    """One run's images, heads and network (see tasks.Task). Samples are positions in the pool. Images stay on the CPU, a batch at a
    time goes to the device."""

    offers: Mapping[str, str] = OFFERS
    recorded: frozenset[str] = frozenset()

    @staticmethod
    def metrics(dataset: str) -> tuple[Metric, ...]:
        """Mean absolute error of the count, and the root of the mean squared one (which the field prints as MSE)."""
        return Metric("mae", "people", "lower", low=0), Metric("rmse", "people", "lower", low=0)

    def __init__(self, run: Run, state: State | None = None):
        import numpy as np
        import torch

        self.run, self.options, self.device = run, run.options, device()
        self.timings: dict[str, float] = {}
        self.data, images, self.test_images = _resident(run.dataset)
        self.size = pool_size(run)
        self.rows, self.images = np.arange(self.size), images[: self.size]
        self.height, self.width = self.images.shape[2:]
        self.points, self.pixels = self.data.train_points[: self.size], self.height * self.width
        self.targets = torch.tensor([len(points) for points in self.points], dtype=torch.float64)
        self.look_with = {"mean": self.data.mean, "std": self.data.std, "device": self.device,
                          "precision": self.options.precision, "batch": max(1, LOOKED_AT // self.pixels)}  # fmt: skip

    def labels(self, samples: Sequence[int], answers: Mapping[int, Any]) -> list:
        """The heads (n, 2) of each sample: a human's, a list of (x, y), else the dataset's."""
        import numpy as np

        known = []
        for sample in samples:
            points = np.asarray(answers.get(sample, self.points[sample]), dtype=np.float32).reshape(-1, 2)
            if ((points < 0) | (points >= (self.width, self.height))).any():
                raise BadRequest(f"answer to image {sample}: expected heads within {self.width} x {self.height} pixels")
            known.append(points)
        return known

    def cost(self, samples: Sequence[int]) -> dict[str, float]:
        """{"heads": that had to be marked}."""
        return {"heads": int(sum(len(self.points[sample]) for sample in samples))}

    def build(self, cycle: int, member: int = 0):
        """The untrained network of a cycle."""
        from alnb.learning import networks

        o, given = self.options, {}
        if o.network == "counting_resnet50":
            given["weights"] = o.weights
        return networks.build(o.network, 1, self.images.shape[1], generator=self._stream("model init", cycle, member), **given)

    def loss(self, network, cycle: int, member: int = 0):
        """What training minimises (see `learning.losses`)."""
        from alnb.learning.density import squared_error

        return functools.partial(squared_error, scale=self.options.density_scale)

    def densities(self, labels):
        """(n, H, W) of the heads of n images."""
        import torch

        from alnb.learning.density import density

        o = self.options
        return torch.stack([density(points, self.height, self.width, o.sigma, o.window) for points in labels])

    def train(self, samples, labels, cycle: int, watched=None, *, member: int = 0, start=None) -> tuple[Any, dict | None]:
        """See tasks.Task. Nothing is recorded."""
        from alnb.learning.density import Densities
        from alnb.learning.train import train

        network, o = self.build(cycle, member), self.options
        if start is not None:
            network.load_state_dict(start.state_dict())
        crop = (min(o.crop_height, self.height) or self.height, min(o.crop_width, self.width) or self.width)
        feed = Densities(
            self.images[list(samples)], self.densities(labels), mean=self.data.mean, std=self.data.std, crop=crop,
            flip=self.data.flip, device=self.device,
        )  # fmt: skip
        order, augment = (self._stream(name, cycle, member) for name in ("data order", "augmentation"))
        train(network, feed, recipe(o), loss=self.loss(network, cycle, member), order=order, augment=augment)
        return network.eval(), None

    def restore(self, weights: dict):
        """The network of the shared first training, or of the cycle before."""
        network = self.build(0)
        network.load_state_dict(weights)
        return network.to(self.device).eval()

    def _acquisition_images(self, samples, cycle: int):
        return self.images[samples]

    def infer(self, network, samples, cycle: int):
        """(maps (n, h, w), features (n, D)) of samples of the pool."""
        from alnb.learning.density import maps

        return maps(network, self.images[samples], **self.look_with)

    def counts(self, made):
        """(N,) people in maps (N, h, w)."""
        from alnb.learning.density import counts

        return counts(made, self.pixels, self.options.density_scale)

    def judged(self, network, samples=None):
        """({signal: (N,)}, losses (N,)) of samples of the pool, None: of the test set; on the CPU, double. Signals that need no
        module: the entropy of the map, and the count."""
        import torch

        from alnb.learning.density import entropies, maps, squared_error

        images, points = self.test_images, self.data.test_points
        if samples is not None:
            images, points = self.images[samples], [self.points[sample] for sample in samples]
        made, _ = maps(network, images, **self.look_with)
        made = made.cpu()
        loss = functools.partial(squared_error, scale=self.options.density_scale)
        losses = [loss(one[None, None], self.densities([own]), 0, None) for one, own in zip(made, points)]
        free = {"_entropy": entropies(made, self.pixels), "_count": self.counts(made)}
        return free, torch.cat(losses).double()

    def look(self, model, cycle: int, candidates, labelled, labels, record: dict | None) -> Seen:
        return Seen(self, model, cycle, candidates, labelled)

    def evaluate(self, network) -> dict[str, float]:
        """{"mae", "rmse"} on the test set, people."""
        import torch

        from alnb.learning.density import maps

        made, _ = maps(network, self.test_images, **self.look_with)
        there = torch.tensor([len(points) for points in self.data.test_points], dtype=torch.float64)
        off = self.counts(made).cpu() - there
        return {"mae": float(off.abs().mean()), "rmse": float(off.square().mean().sqrt())}

    def _stream(self, name: str, cycle: int, member: int = 0):
        return torch_stream(self.run.seed, f"{name}, member {member}" if member else name, cycle)


class Seen:
    """What `OFFERS` names, of one cycle's candidates, computed once when asked for."""

    def __init__(self, task: Counting, model, cycle: int, candidates, labelled):
        self._task, self._model, self._cycle, self._candidates, self._labelled = task, model, cycle, candidates, labelled

    @functools.cached_property
    def _outputs(self):
        return self._task.infer(self._model, self._candidates, self._cycle)

    @property
    def embeddings(self):
        return self._outputs[1]

    @functools.cached_property
    def labelled_embeddings(self):
        return self._task.infer(self._model, list(self._labelled), self._cycle)[1]

    def _of_maps(self, name: str):
        from alnb.learning import density

        return getattr(density, name)(self._outputs[0], self._task.pixels)

    @functools.cached_property
    def predicted_counts(self):
        return self._task.counts(self._outputs[0])

    @functools.cached_property
    def map_entropies(self):
        return self._of_maps("entropies")

    @functools.cached_property
    def share_entropies(self):
        return self._of_maps("share_entropies")

    @property
    def images(self):
        return self._task.images[self._candidates]

    @property
    def labelled_images(self):
        return self._task.images[list(self._labelled)]

    @property
    def truth(self):
        return self._task.targets[self._candidates].to(self._task.device)


TASK = Counting
