"""Scalar regression by an ensemble of ridge regressions on random features; mean absolute error, lower is better."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy

from alnb import datasets
from alnb.runs import torch_stream
from alnb.tasks import Metric


@dataclass(frozen=True)
class Settings:
    """members of the ensemble, cosine features of each, ridge penalty."""

    members: int = 5
    features: int = 30
    ridge: float = 1e-2


class Regression:
    """One run's data and ensemble (see tasks.Task)."""

    offers = {"ensemble": "(M, U) float, what each member predicts"}
    recorded = frozenset()
    device = "cpu"

    @staticmethod
    def metrics(dataset):
        return (Metric("mae", "units", "lower", low=0),)

    def __init__(self, run, state=None):
        import torch

        self.run, self.options, self.timings = run, run.options, {}
        self.x, self.y, self.test_x, self.test_y = map(torch.tensor, datasets.load(run.dataset))
        self.size, self.rows = len(self.x), numpy.arange(len(self.x))

    def labels(self, samples, answers):
        return self.y[list(samples)]

    def cost(self, samples):
        return {"minutes": 2 * len(samples)}

    def _embed(self, x, cycle):
        import torch

        o, rng = self.options, torch_stream(self.run.seed, "features", cycle)
        scale = torch.randn(o.members, 1, o.features, generator=rng, dtype=torch.double) * 15
        shift = torch.rand(o.members, 1, o.features, generator=rng, dtype=torch.double) * 6.3
        return torch.cos(x[:, None] * scale + shift)

    def train(self, samples, labels, cycle, watched=None, *, member=0, start=None):
        import torch

        x = self._embed(self.x[list(samples)], cycle)
        gram = x.mT @ x + self.options.ridge * torch.eye(x.shape[2])
        weights = torch.linalg.solve(gram, x.mT @ labels.expand(len(x), -1)[..., None])
        return SimpleNamespace(cycle=cycle, weights=weights, state_dict=lambda: {"weights": weights}), None

    def restore(self, weights):
        return SimpleNamespace(cycle=0, **weights)

    def _predict(self, model, x):
        return (self._embed(x, model.cycle) @ model.weights).squeeze(2)

    def look(self, model, cycle, candidates, labelled, labels, record):
        return SimpleNamespace(ensemble=self._predict(model, self.x[candidates]).float())

    def evaluate(self, model):
        return {"mae": (self._predict(model, self.test_x).mean(0) - self.test_y).abs().mean().item()}
