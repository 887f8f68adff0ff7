"""Classification of points in the plane: the cycle on data one can see whole. Its "images" are the coordinates, and so
are the embeddings: distance means distance on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alnb.errors import BadRequest
from alnb.machine import device
from alnb.runs import Run
from alnb.tasks import classification
from alnb.tasks.classification import Classification
from alnb.worlds import points


@dataclass(frozen=True)
class Settings(classification.Settings):
    """classification's settings, of which a perceptron reads epochs (steps on all samples at once), lr, momentum,
    weight_decay, nesterov, milestones, gamma and dropout. hidden: its tanh units, 0: logistic regression."""

    hidden: int = 16


SECONDS = 0.00035  # of one step on one core


def check(settings: Settings) -> None:
    """BadRequest for a recipe that cannot train a perceptron."""
    classification.check(settings)
    if settings.hidden < 0:
        raise BadRequest(f"hidden = {settings.hidden}: expected at least 0")
    if settings.acquisition_transform != "test":
        raise BadRequest("acquisition_transform = 'train': points have no training transform; expected 'test'")


class Points(Classification):
    """One run's points and perceptron, with the interface of Classification. Indices are positions in the pool.

    network: the perceptron that was trained or restored last, members of a committee aside.
    """

    def __init__(self, run: Run):
        import torch

        self.run, self.options, self.device, self.network = run, run.options, device(), None
        self.data = points.load(run.dataset)
        size = self.options.pool or len(self.data.train_targets)
        arrays = (self.data.train_points[:size], self.data.train_targets[:size])
        tensors = [
            torch.tensor(a, device=self.device) for a in (*arrays, self.data.test_points, self.data.test_targets)
        ]
        self.images, self.targets, self.test_images, self.test_targets = tensors
        self.size, self.classes = len(self.targets), self.data.classes
        self.timings: dict[str, float] = {}

    def _build(self, cycle: int, member: int = 0):
        from alnb.learning import networks

        init = self._stream("model init", cycle, member)
        network = networks.build("perceptron", self.classes, 2, hidden=self.options.hidden, generator=init)
        network.dropout = self.options.dropout
        return network

    def train(
        self, indices: Sequence[int], labels, cycle: int, candidates=None, *, member: int = 0, start=None
    ) -> tuple[Any, dict | None]:
        """As Classification.train: a perceptron, and what each step predicted for `candidates` (None: no record)."""
        import torch

        from alnb.learning.feed import Tensors
        from alnb.learning.recipe import Recipe
        from alnb.learning.train import train

        o = self.options
        recipe = Recipe(o.epochs, len(labels), o.lr, o.momentum, o.weight_decay, o.nesterov, o.milestones, o.gamma)
        network = self._build(cycle, member)
        if start is not None:
            network.load_state_dict(start.state_dict())
        predictions, confidence = [], 0.0
        seen = None if candidates is None else self.images[candidates]

        def look(epoch, network):
            nonlocal confidence
            best, predicted = network(seen).softmax(1).max(1)
            predictions.append(predicted.to(torch.uint8))
            confidence = confidence + best

        feed, watch = Tensors(self.images[list(indices)], labels), None if seen is None else look
        train(network, feed, recipe, order=None, augment=None, after_epoch=watch)
        network.eval()
        if member == 0:
            self.network = network
        if seen is None:
            return network, None
        rows = torch.full((self.size,), -1, dtype=torch.long)
        rows[torch.as_tensor(candidates)] = torch.arange(len(candidates))
        mean = (confidence / o.epochs).cpu()
        return network, {"predictions": torch.stack(predictions).cpu(), "mean_confidence": mean, "rows": rows}

    def restore(self, weights: dict):
        """The perceptron of the shared first training."""
        self.network = super().restore(weights)
        return self.network

    def infer(self, network, indices, cycle: int):
        """Logits (n, C) fp32 and the coordinates (n, 2) of pool samples, eval mode."""
        import torch

        x = self.images[indices]
        with torch.no_grad():
            return network.eval()(x), x

    def infer_dropout(self, network, indices, cycle: int, passes: int):
        """As Classification.infer_dropout, but its features are the hidden units, not the coordinates."""
        import torch

        p = self.options.dropout
        if not p or passes < 2:
            raise BadRequest(f"MC dropout wants dropout over 0 and 2 passes or more; given {p} and {passes}")
        features = network.embed(self.images[indices])
        kept = torch.rand(passes, features.shape[1], generator=self._stream("dropout", cycle)) >= p
        with torch.no_grad():
            return torch.stack([network.head(features * mask / (1 - p)) for mask in kept.to(features.device)])

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
