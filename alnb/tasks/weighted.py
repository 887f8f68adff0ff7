"""Classification trained in two other ways, for images and, the first, for features.

A loss that weighs the classes mends in the training what a tail in the labels does there, and not by what is asked: the control of
thesis ch. 4, must balance come from the selection? And a network may begin as ImageNet left it, as the thesis' for Tiny ImageNet.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

from alnb.errors import BadRequest
from alnb.tasks import features


@dataclass(frozen=True)
class Settings(features.Settings):
    """class_weights: "balanced" weighs a labelled sample by n / (C n_c), n labels of C classes that have any and n_c of its own
    class, so that all classes weigh alike ("the inverse of their class-frequency", thesis 4.2); "none": all samples alike.
    pretrained: "imagenet" begins every training from torchvision's weights (IMAGENET1K_V1), which must be on this machine."""

    class_weights: Literal["none", "balanced"] = "none"
    pretrained: Literal["none", "imagenet"] = "none"


PRETRAINED = ("resnet101",)
"""The networks that have `pretrain()`."""


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
    """In front of a task of classification: its training with the weights of the labels it is given."""

    def train(self, samples, labels, *rest, **more):
        self.weights = balanced_weights(labels, self.classes)
        return super().train(samples, labels, *rest, **more)

    def loss(self, network, cycle: int, member: int = 0):
        return functools.partial(weighted_cross_entropy, weights=self.weights)


class Pretrained:
    """In front of the task of images: every network begins with the weights of its kind that ImageNet gave, but for its head."""

    def build(self, cycle: int, member: int = 0):
        network = super().build(cycle, member)
        network.pretrain()
        return network


def task_of(settings) -> type:
    """Classification of images or of features, plain, weighted or pre-trained, as the settings choose."""
    chosen = (Weighted,) * (settings.class_weights != "none") + (Pretrained,) * (settings.pretrained != "none")
    return _joined(*chosen, features.task_of(settings))


@functools.cache
def _joined(*bases: type) -> type:
    return bases[0] if len(bases) == 1 else type("And".join(base.__name__ for base in bases), bases, {})


def check(run) -> None:
    """BadRequest as `features.check`, for weights of a head that has no such loss, and for a network that nobody pre-trained."""
    features.check(run)
    o = run.options
    if o.pretrained != "none" and (features.is_features(o) or o.network not in PRETRAINED):
        what = f"network = {o.network!r} has no such weights"
        what = "task = 'features' trains a linear head" if features.is_features(o) else what
        raise BadRequest(f"pretrained = {o.pretrained!r}: {what}; of {', '.join(PRETRAINED)} there are some")
    if o.class_weights != "none" and features.is_features(o) and o.head == "svm":
        raise BadRequest(f"class_weights = {o.class_weights!r}: an SVM has another loss; head = 'sgd' has it")


def prepare(run, say) -> None:
    """As `features.prepare`; BadRequest, before anything is trained, where ImageNet's weights are not on this machine."""
    features.prepare(run, say)
    if run.options.pretrained != "none":
        from alnb.learning.encoders import torchvision

        torchvision.weights(run.options.network)
