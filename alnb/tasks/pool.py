"""Which rows of a dataset a run may see: all, the first n, or fewer of some classes than of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from alnb.errors import BadRequest
from alnb.runs import numpy_stream


@dataclass(frozen=True)
class PoolSettings:
    """pool: the first so many training samples, 0 all of them.

    tail: "step" leaves every second class, in the order of `tail_classes`, with a share `imbalance` of its samples;
    "exponential" lets the share fall geometrically from 1 to `imbalance` over the classes.
    tail_classes: the order of the classes is their own ("fixed") or drawn by the seed ("per_seed"), so that tail and
    difficulty part.
    """

    pool: int = 0
    tail: Literal["none", "step", "exponential"] = "none"
    imbalance: float = 1.0
    tail_classes: Literal["fixed", "per_seed"] = "fixed"


def check(settings: PoolSettings, available: int) -> None:
    """BadRequest for a pool that cannot be, of a dataset with `available` training samples."""
    if not 0 <= settings.pool <= available:
        raise BadRequest(f"pool = {settings.pool}: the dataset has {available} training samples; 0 means all")
    if not 0 < settings.imbalance <= 1:
        raise BadRequest(f"imbalance = {settings.imbalance}: expected a share above 0, up to 1")


def pool_rows(settings: PoolSettings, targets, seed: int):
    """(size,) ascending rows of the training set with targets (N,) that `settings` leaves; which samples of a class are
    kept is drawn, once for a fixed tail, else by the seed."""
    import numpy as np

    size = settings.pool or len(targets)
    if settings.tail == "none":
        return np.arange(size)
    targets = np.asarray(targets[:size])
    classes = np.unique(targets)
    drawn = seed if settings.tail_classes == "per_seed" else 0
    if settings.tail_classes == "per_seed":
        classes = numpy_stream(seed, "tail classes").permutation(classes)
    place = np.arange(len(classes)) / max(1, len(classes) - 1)
    shares = settings.imbalance**place if settings.tail == "exponential" else np.where(
        np.arange(len(classes)) % 2 == 1, settings.imbalance, 1.0
    )  # fmt: skip
    order, kept = numpy_stream(drawn, "tail").permutation(size), []
    for label, share in zip(classes, shares):
        own = order[targets[order] == label]
        kept.append(own[: max(1, round(share * len(own)))])
    return np.sort(np.concatenate(kept))
