from __future__ import annotations

import dataclasses

import numpy
import torch

from alnb.learning.footage import Truth
from tests.toy_footage import random_footage

FLOATS = (
    "probabilities", "log_probabilities", "decisions", "embeddings", "mean_confidence", "labelled_embeddings", "predicted_losses",
    "distances", "similarity", "q_values", "density", "rewards", "predicted_counts", "map_entropies", "share_entropies",
    "heatmap_entropies",
)  # fmt: skip
OF_MAPS = ("predicted_counts", "map_entropies", "share_entropies")
OF_THE_LABELLED = (
    "labelled_embeddings", "labelled_targets", "labelled_images", "labelled_video", "labelled_time", "query_truth", "exploring",
)  # or of no sample  # fmt: skip
OF_CLASSES = ("probabilities", "log_probabilities", "counts", "decisions", "dropout_probabilities")  # a number a class
CLASSES = ("predictions", "labelled_targets", "truth", "committee", "query_truth")  # classes themselves
# strategy -> options with which a test of its contract takes no minute
QUICK = {
    "vaal": {"steps": 2, "batch": 8, "width": 2, "latent": 4},
    "vaal_cb": {"steps": 2, "batch": 8, "width": 2, "latent": 4},
    "sraal": {"steps": 2, "batch": 8, "width": 2, "latent": 4, "semantic": 4},
    "latent_k_center": {"steps": 2, "batch": 8, "width": 2, "latent": 4},
}


class Labels(torch.Tensor):
    """The true classes of the candidates; called, as where a task offers detections, the objects of their frames: one at each
    detection, of its candidate's class."""

    def __call__(self):
        shots, classes = self.footage, self.as_subclass(torch.Tensor).numpy()
        own = numpy.flatnonzero(shots.row[shots.frame] >= 0)
        frame = shots.frame[own]
        return Truth(frame, shots.boxes[own], classes[shots.row[frame]], own)


class ToyView:
    """A stand-in for the cycle's view. `offers`: the only fields it has (None: all); `asked`: those that were read."""

    def __init__(self, fields, classes, offers=None, oracle=False):
        self.priority = fields["priority"]
        self.size, self.classes, self.device = len(self.priority), classes, self.priority.device
        self.asked = set()
        self._fields, self._offers, self._oracle = fields, offers, oracle

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._fields:
            raise AttributeError(name)
        if self._offers is not None and name not in self._offers:
            raise AttributeError(f"{name} is not among the declared needs {self._offers}")
        self.asked.add(name)
        if name != "truth":
            return self._fields[name]
        if not self._oracle:
            raise PermissionError("the labels of the pool are not for strategies")
        labels = self._fields["truth"].as_subclass(Labels)
        labels.footage = self._fields["detections"]()
        return labels

    def restricted(self, offers, oracle=False):
        return ToyView(self._fields, self.classes, offers, oracle)

    def replaced(self, **fields):
        return ToyView(self._fields | fields, self.classes, self._offers, self._oracle)

    def permuted(self, order):
        """The same candidates stored in another order: row i of the result is row order[i] of this view."""
        fields = {
            name: _reordered(value, order) if callable(value)
            else value if name in OF_THE_LABELLED
            else value[:, order] if name == "predictions"
            else value[order]
            for name, value in self._fields.items()
        }  # fmt: skip
        return ToyView(fields, self.classes, self._offers, self._oracle)

    def renamed(self, names):
        """The same candidates where class c is called names[c]."""
        order = names.argsort()  # the old class of each new column
        fields = {name: _renamed(value, name, names, order) for name, value in self._fields.items()}
        return ToyView(fields, self.classes, self._offers, self._oracle)

    def poisoned(self, field, row=0):
        """NaN in one number of `field`."""
        value = self._fields[field].clone()
        value[row].view(-1)[-1] = float("nan")
        return self.replaced(**{field: value})


def _reordered(function, order):
    if function.__name__ == "detections":
        return _shown(lambda: _placed(function(), order))
    if function.__name__ == "pixels":
        return _of_pixels(lambda *how: function(*how, lambda p: p)[:, order])
    return lambda count: function(count)[:, order]


def _placed(footage, order):
    """The same frames, whose candidates are rows of another order."""
    place = numpy.append(order.argsort().numpy(), -1)  # the last: no candidate
    return dataclasses.replace(footage, row=place[footage.row])


def _shown(function):
    def detections():
        return function()

    return detections


def _of_pixels(probabilities):
    """What a task of maps offers: function(how..., score) -> score of probabilities(how...) (members, U, P, C)."""

    def pixels(*how):
        *count, score = how
        return score(probabilities(*count))

    return pixels


def _renamed(value, name, names, order):
    if callable(value) and value.__name__ == "pixels":
        return _of_pixels(lambda *how: value(*how, lambda p: p)[..., order])
    if name == "detections":
        footage = value()
        return _shown(lambda: dataclasses.replace(footage, classes=names.numpy()[footage.classes]))
    if callable(value):
        return lambda count: _renamed(value(count), name, names, order)
    if name in OF_CLASSES:
        return value[..., order]
    return names[value.long()].to(value.dtype) if name in CLASSES else value


def toy_view(seed=0, U=60, C=4, D=5, T=8, L=12, *, offers=None, oracle=False):
    """Random but consistent: counts are those of predictions; the last epoch is the argmax of probabilities.

    Embeddings are float32 values on a coarse grid with large gaps, so that no choice hangs on rounding.
    """
    rng = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(U, C, generator=rng)
    epochs = logits + torch.linspace(2, 0, T)[:, None, None] * torch.randn(T, U, C, generator=rng)
    predictions = epochs.argmax(-1)
    fields = {
        "priority": torch.randperm(U, generator=rng),
        "probabilities": logits.softmax(1),
        "log_probabilities": logits.log_softmax(1),
        "decisions": logits,
        "embeddings": torch.randint(-1000, 1001, (U, D), generator=rng).float(),
        "predictions": predictions.to(torch.uint8),
        "counts": (predictions[..., None] == torch.arange(C)).sum(0),
        "mean_confidence": epochs.softmax(-1).amax(-1).mean(0),
        "images": torch.randint(0, 256, (U, 3, 8, 8), generator=rng, dtype=torch.uint8),
        "labelled_embeddings": torch.randint(-1000, 1001, (L, D), generator=rng).float(),
        "labelled_images": torch.randint(0, 256, (L, 3, 8, 8), generator=rng, dtype=torch.uint8),
        "labelled_targets": torch.randint(0, C, (L,), generator=rng),
        "truth": torch.randint(0, C, (U,), generator=rng),
        "predicted_losses": logits.sin().sum(1),
        "heatmap_entropies": logits.cos().sum(1),
    }
    fields |= {name: logits.cos().sum(1).abs() + i for i, name in enumerate(OF_MAPS)}  # what a task of maps offers
    pair = torch.Generator().manual_seed(seed + 1000)  # what a task of pairs offers: candidates of one query
    fields |= {name: torch.rand(U, generator=pair) for name in ("distances", "similarity", "q_values", "density")}
    fields |= {
        "rewards": torch.rand(U, 2, generator=pair),
        "query_truth": torch.tensor(1),
        "exploring": torch.tensor(0.3),
    }
    noise = torch.randn(50, U, C, generator=rng)
    fields |= _videos(seed, U, L, C)
    fields["dropout_probabilities"] = lambda passes: (logits + noise[:passes]).softmax(2)
    fields["committee"] = lambda members: (logits + noise[:members]).argmax(2)
    maps = logits[:, None] + torch.randn(50, U, 3, C, generator=pair)
    for name in ("pixels", "pixel_passes", "pixel_committee"):
        fields[name] = _of_pixels(lambda count=1, bootstrap=False: maps[:count].softmax(-1))
    return ToyView(fields, C, offers, oracle)


def _videos(seed, U, L, C):
    """U candidates and L labelled frames among the frames of videos."""
    rng = numpy.random.default_rng(seed)
    lengths = [20] * ((U + L) // 20) + [(U + L) % 20] * bool((U + L) % 20)
    kind = rng.permutation(U + L) < U  # which frames are candidates
    row = numpy.full(U + L, -1)
    row[kind] = rng.permutation(U)
    footage = random_footage(seed, lengths, C, row=row)
    at = lambda values, frames: torch.from_numpy(values[frames])
    own, others = row[kind].argsort(), numpy.flatnonzero(~kind)
    return {
        "video": at(footage.video[kind], own), "time": at(footage.time[kind], own),
        "labelled_video": at(footage.video, others), "labelled_time": at(footage.time, others),
        "detections": _shown(lambda: footage),
    }  # fmt: skip


def alike_view(seed=0, U=200, C=10, kinds=6, T=30, *, offers=None, oracle=False):
    """A toy view of `kinds` candidates, each many times over: the copies differ in the names of their classes alone. Scores
    that are equal on paper are equal in bits, or ties go astray."""
    rng = torch.Generator().manual_seed(seed)
    few = toy_view(seed, kinds, C, T=T)._fields
    kind, names = torch.randint(kinds, (U,), generator=rng), torch.rand(U, C, generator=rng).argsort(1)
    orders = names.argsort(1)
    fields = dict(toy_view(seed, U, C, T=T)._fields)
    for name in OF_CLASSES[:4]:
        fields[name] = few[name][kind].gather(1, orders)
    fields["predictions"] = names.gather(1, few["predictions"][:, kind].T.long()).T.to(torch.uint8)
    fields["truth"] = names.gather(1, few["truth"][kind][:, None])[:, 0]
    for name in ("mean_confidence", "predicted_losses", "heatmap_entropies", *OF_MAPS):
        fields[name] = few[name][kind]
    dropout, committee = few["dropout_probabilities"], few["committee"]
    fields["dropout_probabilities"] = lambda passes: dropout(passes)[:, kind].gather(2, orders.expand(passes, U, C))
    fields["committee"] = lambda members: names.gather(1, committee(members)[:, kind].T).T
    return ToyView(fields, C, offers, oracle)
