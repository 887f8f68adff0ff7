"""Classification whose loss weighs the classes: what a tail in the labels does to a training, mended there and not by what is
asked. The control of thesis ch. 4: must balance come from the selection?"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

from alnb.errors import BadRequest
from alnb.tasks import classification, features


@dataclass(frozen=True)
class Settings(features.Settings):
    """class_weights: "balanced" weighs a labelled sample by n / (C n_c), n labels of C classes that have any and n_c of its own
    class, so that all classes weigh alike ("the inverse of their class-frequency", thesis 4.2); "none": all samples alike."""

    class_weights: Literal["none", "balanced"] = "none"


def balanced_weights(labels, classes: int):
    """(C,) fp32 n / (C' n_c) of `labels` (n,), C' the classes that have a label; 0 for the others, which no sample is of."""
    counts = labels.bincount(minlength=classes).float()
    return (counts.sum() / ((counts > 0).sum() * counts)).where(counts > 0, 0.0)


def weighted_cross_entropy(outputs, y, epoch, rows, *, weights):
    """(B,) nats times the weight of the sample's class: a loss as in learning.losses. A batch's mean is not divided by its
    weights, so a step is longer where a batch holds more of the rare classes; over an epoch the weights' mean is one."""
    from alnb.learning.losses import cross_entropy

    return weights[y] * cross_entropy(outputs, y, epoch, rows)


class Weighted:
    """Before a task of classification: its training with the weights of the labels it is given."""

    def train(self, samples, labels, *rest, **more):
        self.weights = balanced_weights(labels, self.classes)
        return super().train(samples, labels, *rest, **more)

    def loss(self, network, cycle: int, member: int = 0):
        return functools.partial(weighted_cross_entropy, weights=self.weights)


class WeightedImages(Weighted, classification.Classification):
    """Images."""


class WeightedFeatures(Weighted, features.Features):
    """Frozen features."""


def task_of(settings) -> type:
    """Classification of images or of features, plain or weighted, whichever the settings choose."""
    plain = features.task_of(settings)
    if settings.class_weights == "none":
        return plain
    return WeightedFeatures if plain is features.Features else WeightedImages


def check(run) -> None:
    """BadRequest as `features.check`, and for weights of a head that has no such loss."""
    features.check(run)
    o = run.options
    if o.class_weights != "none" and features.is_features(o) and o.head == "svm":
        raise BadRequest(f"class_weights = {o.class_weights!r}: an SVM has another loss; head = 'sgd' has it")
