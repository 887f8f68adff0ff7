"""What every classification has, of images, points or features: labels, the fields of the view, MC dropout, committees."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from alnb import datasets
from alnb.errors import BadRequest
from alnb.runs import Run, State, torch_stream
from alnb.tasks import Metric
from alnb.tasks.pool import reserved_rows

OFFERS = {
    "probabilities": "(U, C) float, softmax",
    "log_probabilities": "(U, C) float, log-softmax",
    "embeddings": "(U, D) float, penultimate features",
    "predictions": "(T, U) int, class predicted after each epoch, last epoch last",
    "counts": "(U, C) int, how often each class was predicted over the T epochs",
    "mean_confidence": "(U,) float, mean over the T epochs of the largest probability",
    "images": "(U, 3, H, W) uint8",
    "labelled_embeddings": "(L, D) float",
    "labelled_images": "(L, 3, H, W) uint8",
    "labelled_targets": "(L,) int",
    "dropout_probabilities": "function: (passes) -> (passes, U, C) float, dropout on, one mask a pass for all candidates",
    "committee": "function: (members) -> (members, U) int, classes predicted by networks that differ in their seed",
    "truth": "(U,) int, true classes: for strategies marked oracle=True only",
}
"""U candidates, C classes, D features, T epochs of this cycle's training, L labelled. The view also has `classes`, C."""

DECISIONS = {"decisions": "(U, C) float, one class against the rest: positive inside, 1 at the margin's edge"}
"""What a support vector machine offers beside: no other head has a margin."""


def accuracy(dataset: str) -> tuple[Metric, ...]:
    """Percent of the test set, in steps of one sample."""
    try:
        samples = datasets.info(dataset).test
    except BadRequest:  # a study with data of its own
        samples = 0
    return (Metric("accuracy", "%", resolution=100 / samples if samples else 0.0, low=0, high=100),)


def count_predictions(predictions, classes: int):
    """(T, U) classes predicted after each epoch -> (U, C) int64: how often each class was."""
    import torch

    predictions = predictions.long()
    counts = torch.zeros(predictions.shape[1], classes, dtype=torch.long, device=predictions.device)
    return counts.scatter_add_(1, predictions.T, torch.ones_like(predictions.T))


class Classes:
    """The base of the classification tasks (see tasks.Task), which set images (n, ...), targets (n,), rows, size, classes,
    train_targets (of all that there is) and have `build(cycle, member)`, `train`, `infer` and `evaluate`."""

    offers: Mapping[str, str] = OFFERS
    recorded = frozenset({"predictions", "counts", "mean_confidence"})
    metrics = staticmethod(accuracy)

    def __init__(self, run: Run, state: State | None, device: str):
        self.run, self.options, self.device = run, run.options, device
        self.timings: dict[str, float] = {}

    def labels(self, samples: Sequence[int], answers: Mapping[int, int]):
        """(L,) int64: the human's answers where there are some, else the dataset's labels."""
        labels = self.targets[list(samples)].clone()
        for position, sample in enumerate(samples):
            if sample in answers:
                if not 0 <= int(answers[sample]) < self.classes:
                    raise BadRequest(f"answer {answers[sample]!r} to sample {sample}: expected 0 to {self.classes - 1}")
                labels[position] = int(answers[sample])
        return labels

    @functools.cached_property
    def reserved(self) -> list[int]:
        """Positions in the pool of what it sets aside for the first labels (pool.PoolSettings)."""
        return self.rows.searchsorted(reserved_rows(self.options, self.train_targets, self.run.seed)).tolist()

    def cost(self, samples: Sequence[int]) -> dict[str, float]:
        return {}

    def restore(self, weights: dict):
        """The network of the shared first training, or of the cycle before."""
        network = self.build(0)
        network.load_state_dict(weights)
        return network.to(self.device).eval()

    def loss(self, network, cycle: int, member: int = 0):
        """What training minimises (see `learning.losses`): a task of its own may bring another."""
        from alnb.learning.losses import cross_entropy

        return cross_entropy

    def look(self, model, cycle: int, candidates, labelled, labels, record: dict | None) -> Seen:
        return Seen(self, model, cycle, candidates, labelled, labels, record)

    def features(self, network, samples, cycle: int):
        """(n, D) what the head is given."""
        return self.infer(network, samples, cycle)[1]

    def infer_dropout(self, network, samples, cycle: int, passes: int):
        """(passes, n, C) logits with dropout on before the head, batch norm in eval mode: MC dropout (Gal and
        Ghahramani 2016). A pass has one mask for all samples. BadRequest if the network was trained without dropout."""
        import torch

        p = self.options.dropout
        if not p:
            raise BadRequest("MC dropout wants a network trained with dropout: give the arm, e.g., dropout=0.5")
        if passes < 2:
            raise BadRequest(f"passes = {passes}: expected at least 2")
        features = self.features(network, samples, cycle)
        kept = torch.rand(passes, features.shape[1], generator=self._stream("dropout", cycle)) >= p
        with torch.no_grad():
            return torch.stack([network.head(features * mask / (1 - p)) for mask in kept.to(features.device)])

    def committee(self, network, members: int, labelled, labels, samples, cycle: int):
        """(members, n) classes predicted by `network` and `members` - 1 others trained alike on the same labels."""
        import torch

        if members < 2:
            raise BadRequest(f"members = {members}: expected at least 2")
        others = (self.train(labelled, labels, cycle, member=member)[0] for member in range(1, members))
        return torch.stack([self.infer(one, samples, cycle)[0].argmax(1) for one in (network, *others)])

    def _stream(self, name: str, cycle: int, member: int = 0):
        return torch_stream(self.run.seed, f"{name}, member {member}" if member else name, cycle)

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

    def _record(self, predictions, mean_confidence, watched) -> dict:
        """What training recorded: predictions (T, n), mean_confidence (n,), rows (size,): a sample's column, else -1."""
        import torch

        rows = torch.full((self.size,), -1, dtype=torch.long)
        rows[torch.as_tensor(watched)] = torch.arange(len(watched))
        return {"predictions": predictions.cpu(), "mean_confidence": mean_confidence.cpu(), "rows": rows}


class Seen:
    """What `OFFERS` names, of one cycle's candidates; fp32, computed once when asked for."""

    def __init__(self, task: Classes, model, cycle: int, candidates, labelled, labels, record):
        import torch

        self._task, self._model, self._cycle, self._candidates = task, model, cycle, candidates
        self._labelled, self._labels, self._record = labelled, labels, record
        self._committees: dict[int, Any] = {}
        self.labelled_targets = torch.as_tensor(labels, device=task.device)

    @functools.cached_property
    def _outputs(self):
        return self._task.infer(self._model, self._candidates, self._cycle)

    @functools.cached_property
    def log_probabilities(self):
        return self._outputs[0].float().log_softmax(1)

    @functools.cached_property
    def probabilities(self):
        return self._outputs[0].float().softmax(1)

    @property
    def decisions(self):
        return self._outputs[0].float()

    @property
    def embeddings(self):
        return self._outputs[1]

    @functools.cached_property
    def labelled_embeddings(self):
        return self._task.infer(self._model, self._labelled, self._cycle)[1]

    @property
    def images(self):
        return self._task.images[self._candidates]

    @property
    def labelled_images(self):
        return self._task.images[self._labelled]

    def dropout_probabilities(self, passes: int):
        """(passes, U, C): as if `passes` networks looked, each with one dropout mask for all candidates."""
        logits = self._task.infer_dropout(self._model, self._candidates, self._cycle, passes)
        return logits.float().softmax(2)

    def committee(self, members: int):
        """(members, U) classes: the network itself, then others trained alike from other random streams."""
        if members not in self._committees:
            about = self._labelled, self._labels, self._candidates, self._cycle
            self._committees[members] = self._task.committee(self._model, members, *about)
        return self._committees[members]

    def _recorded(self, name):
        if self._record is None:
            raise BadRequest(f"nothing was recorded in training: declare needs=({name!r},) with the strategy")
        return self._record[name][..., self._record["rows"][self._candidates]].to(self._task.device)

    @functools.cached_property
    def predictions(self):
        return self._recorded("predictions")

    @functools.cached_property
    def mean_confidence(self):
        return self._recorded("mean_confidence")

    @functools.cached_property
    def counts(self):
        return count_predictions(self.predictions, self._task.classes)

    @property
    def truth(self):
        return self._task.targets[self._candidates]
