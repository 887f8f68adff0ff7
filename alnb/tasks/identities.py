"""Re-identification as it is mostly trained: classes are people, batches P people with K images each, Adam and a step schedule;
tested by retrieval. What any such study has among its settings, and how its network is tested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from alnb import datasets
from alnb.errors import BadRequest
from alnb.learning.recipe import Recipe
from alnb.runs import Run
from alnb.tasks import Metric, training

METRICS = tuple(Metric(name, "%", low=0, high=100) for name in ("mAP", "rank 1", "rank 5", "rank 10", "mINP"))


@dataclass(frozen=True)
class IdentitySettings:
    """SCAL's, sec. 3.4, as printed where they are.

    network: ResNet-50 with stride 1 in its last block, or five convolutions for worlds. weights: what it starts from. height,
    width: pixels. A batch has `identities` people with `images` each. milestones: fractions of the epochs at which the rate
    falls to its share `gamma`; warmup: epochs of linear warm-up. margin, squared: of the triplet loss; smoothing: of the
    cross entropy. crop: pixels of border; erasing: its chance.
    """

    network: Literal["reid_resnet50", "reid_small"] = "reid_resnet50"
    weights: Literal["imagenet", "random"] = "imagenet"
    height: int = 384
    width: int = 192
    identities: int = 24
    images: int = 4
    epochs: int = 160
    lr: float = 4e-4
    weight_decay: float = 1e-3
    milestones: tuple[float, ...] = (0.25, 0.5, 0.75)
    gamma: float = 0.1
    warmup: float = 0.0
    margin: float = 0.3
    squared: bool = False
    smoothing: float = 0.1
    crop: int = 10
    erasing: float = 0.5


def recipe(o: IdentitySettings) -> Recipe:
    """Adam on batches of people; BadRequest for a recipe that cannot be."""
    return training.recipe(o, batch=o.identities * o.images, optimiser="adam")


def scaled_by(o: IdentitySettings, data) -> tuple:
    """(mean, std) of the channels that images are normalised by: ImageNet's where the backbone comes from there."""
    if o.weights == "imagenet":
        from alnb.learning.encoders.torchvision import MEAN, STD

        return MEAN, STD
    return data.mean, data.std


def retrieved(network, data, *, mean, std, device: str, flip: bool) -> dict:
    """The row of kind "test", at cycle 1: retrieval by the cosine of z, of the image or (flip) of image and mirror image, whose
    mean has the direction of their sum. data: a `reid.ReID`. SCAL sec. 3.4: "the cosine distance"."""
    from alnb.learning.reid import extract
    from alnb.metrics.reid import evaluate

    look = dict(mean=mean, std=std, device=device, flip=flip)
    query, gallery = (extract(network, boxes.images, **look) for boxes in (data.query, data.gallery))
    found = evaluate(query, gallery, data.ids, data.cameras, distance="cosine")
    return {"kind": "test", "cycle": 1, "labelled": len(data.train), **{m.name: found[m.name] for m in METRICS}}


def check_identities(run: Run) -> None:
    """BadRequest for data and settings that cannot be."""
    from alnb.datasets import reid

    o = run.options
    datasets.check_task(run.dataset, reid.TASK)
    for name, least in (("height", 16), ("width", 16), ("identities", 2), ("images", 2), ("epochs", 1), ("crop", 0)):
        if getattr(o, name) < least:
            raise BadRequest(f"{name} = {getattr(o, name)}: expected at least {least}")
    for name, most in (("smoothing", 0.999), ("erasing", 1)):
        if not 0 <= getattr(o, name) <= most:
            raise BadRequest(f"{name} = {getattr(o, name)}: expected a share from 0 to {most}")
    for name in ("lr", "weight_decay", "margin"):
        if getattr(o, name) < 0:
            raise BadRequest(f"{name} = {getattr(o, name)}: expected 0 or more")
    if not all(0 < m < 1 for m in o.milestones):
        raise BadRequest(f"milestones = {list(o.milestones)}: expected fractions of the epochs, between 0 and 1")
    if o.weights == "imagenet" and o.network != "reid_resnet50":
        raise BadRequest(f"network {o.network!r} has no weights of ImageNet; accepted: weights = 'random'")
    if (people := datasets.info(run.dataset).classes) < o.identities:
        raise BadRequest(f"identities = {o.identities}: {run.dataset} has {people} people to train on")
    recipe(o)


def prepare(run: Run, say) -> None:
    """BadRequest where ImageNet's weights are wanted and not there, before anything starts."""
    if run.options.weights == "imagenet":
        from alnb.learning.encoders import torchvision

        torchvision.weights("resnet50")
