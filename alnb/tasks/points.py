"""Classification of points in the plane: the cycle on data one can see whole. Its "images" are the coordinates, and so
are the embeddings: distance means distance on paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from alnb.errors import BadRequest
from alnb.machine import device
from alnb.runs import Run, State
from alnb.tasks import Metric
from alnb.tasks.classes import OFFERS, Classes
from alnb.tasks.pool import PoolSettings, pool_rows
from alnb.tasks.pool import check as check_pool
from alnb.tasks.training import TrainingSettings, check_recipe, recipe
from alnb.worlds import points


@dataclass(frozen=True)
class Settings(PoolSettings, TrainingSettings):
    """A perceptron and its training, an epoch a step on all labelled samples at once. hidden: tanh units, 0: logistic
    regression."""

    hidden: int = 16


SECONDS = 0.0005  # of one step on one core


def check(settings: Settings, dataset: str) -> None:
    """BadRequest for a recipe that cannot train a perceptron, or a pool that the world does not have."""
    check_recipe(settings)
    if settings.hidden < 0:
        raise BadRequest(f"hidden = {settings.hidden}: expected at least 0")
    check_pool(settings, points.size(dataset))


def network(settings: Settings) -> str:
    return f"perceptron, {settings.hidden} hidden units" if settings.hidden else "logistic regression"


class Points(Classes):
    """One run's points and perceptron (see tasks.Task). Samples are positions in the pool."""

    offers = {name: shape for name, shape in OFFERS.items() if name not in ("images", "labelled_images")} | {
        "embeddings": "(U, D) float, coordinates in the plane",
        "labelled_embeddings": "(L, D) float, coordinates in the plane",
    }

    @staticmethod
    def metrics(dataset: str) -> tuple[Metric, ...]:
        accuracy = Metric("accuracy", "%", resolution=100 / points.TEST, low=0, high=100)
        return accuracy, Metric("pool_errors", "points", "lower", resolution=1, low=0)

    def __init__(self, run: Run, state: State | None = None):
        import torch

        super().__init__(run, state, device())
        data = points.load(run.dataset)
        self.train_targets = data.train_targets
        self.rows = pool_rows(self.options, data.train_targets, run.seed)
        arrays = (data.train_points[self.rows], data.train_targets[self.rows], data.test_points, data.test_targets)
        tensors = [torch.tensor(a, device=self.device) for a in arrays]
        self.images, self.targets, self.test_images, self.test_targets = tensors
        self.size, self.classes = len(self.targets), data.classes

    def build(self, cycle: int, member: int = 0):
        """The untrained perceptron of a cycle."""
        from alnb.learning import networks

        init = self._stream("model init", cycle, member)
        network = networks.build("perceptron", self.classes, 2, hidden=self.options.hidden, generator=init)
        network.dropout = self.options.dropout
        return network

    def train(self, samples, labels, cycle: int, watched=None, *, member: int = 0, start=None) -> tuple[Any, dict | None]:
        """See tasks.Task: a perceptron, and what each step predicted for `watched`."""
        import torch

        from alnb.learning.feed import Tensors
        from alnb.learning.train import train

        network = self.build(cycle, member)
        if start is not None:
            network.load_state_dict(start.state_dict())
        predictions, confidence = [], 0.0
        seen = None if watched is None else self.images[watched]

        def look(epoch, network):
            nonlocal confidence
            best, predicted = network(seen).softmax(1).max(1)
            predictions.append(predicted.to(torch.uint8))
            confidence = confidence + best

        feed, watch = Tensors(self.images[list(samples)], labels), None if seen is None else look
        train(network, feed, recipe(self.options, batch=len(labels)), order=None, augment=None, after_epoch=watch)
        network.eval()
        if seen is None:
            return network, None
        return network, self._record(torch.stack(predictions), confidence / self.options.epochs, watched)

    def infer(self, network, samples, cycle: int):
        """Logits (n, C) fp32 and the coordinates (n, 2) of pool samples, eval mode."""
        import torch

        x = self.images[samples]
        with torch.no_grad():
            return network.eval()(x), x

    def features(self, network, samples, cycle: int):
        """(n, hidden): what the head is given, not the coordinates."""
        return network.embed(self.images[samples])

    def evaluate(self, network) -> dict[str, float]:
        """{"accuracy": percent of the test set, "pool_errors": points of the whole pool it gets wrong}."""
        import torch

        with torch.no_grad():
            right = network(self.test_images).argmax(1) == self.test_targets
            wrong = network(self.images).argmax(1) != self.targets
        return {"accuracy": 100 * int(right.sum()) / len(right), "pool_errors": int(wrong.sum())}


def seconds(run: Run, trainings: int) -> float:
    """Rough seconds of `trainings` trainings on one core."""
    return run.options.epochs * SECONDS * trainings
