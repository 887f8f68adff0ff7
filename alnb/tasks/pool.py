"""Which rows of a dataset a run may see: all, the first n, or fewer of some classes than of others."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from alnb.errors import BadRequest
from alnb.runs import numpy_stream


@dataclass(frozen=True)
class PoolSettings:
    """pool: the first so many training samples, 0 all of them.

    tail: "step" leaves every second class, in the order of `tail_classes`, with a share `imbalance` of its samples;
    "exponential" lets the share fall geometrically from 1 to `imbalance` over the classes.
    tail_classes: the order of the classes is their own ("fixed"), their own with the step after its first half ("last", as
    the public code of thesis ch. 4) or drawn by the seed ("per_seed"), so that tail and difficulty part.
    reserved: so many samples, of each class as many, are taken out before the tail: the first labels, where
    `initial_labels` is "reserved". With it, and with "last", the seed draws which samples of a class are kept.
    split: a published list of rows instead of all of this, `name@hash` (see `listed`), its last `reserved` rows reserved.
    """

    pool: int = 0
    tail: Literal["none", "step", "exponential"] = "none"
    imbalance: float = 1.0
    tail_classes: Literal["fixed", "last", "per_seed"] = "fixed"
    reserved: int = 0
    split: str = ""

    @classmethod
    def of(cls, options) -> PoolSettings:
        """The pool's part of a run's settings."""
        return cls(**{field.name: getattr(options, field.name) for field in dataclasses.fields(cls)})

    @property
    def drawn_by(self) -> str:
        """ "seed" where the rows differ from seed to seed, else "nothing"."""
        own = self.tail_classes != "fixed" and self.tail != "none"
        return "seed" if not self.split and (own or self.reserved) else "nothing"


def check(settings: PoolSettings, available: int, classes: int = 0) -> None:
    """BadRequest for a pool that cannot be, of a dataset with `available` training samples, or that cannot hold a sample of each
    of its `classes`; 0: they are not counted."""
    if not 0 <= settings.pool <= available:
        raise BadRequest(f"pool = {settings.pool}: the dataset has {available} training samples; 0 means all")
    if not 0 < settings.imbalance <= 1:
        raise BadRequest(f"imbalance = {settings.imbalance}: expected a share above 0, up to 1")
    size = settings.pool or available
    if not 0 <= settings.reserved < size:
        raise BadRequest(f"reserved = {settings.reserved}: expected 0 up to {size - 1}, below the pool's size")
    if settings.split and (settings.tail != "none" or settings.pool):
        raise BadRequest(f"split = {settings.split!r} is the pool: it takes no pool and no tail beside it")
    if size < classes and not settings.split:
        raise BadRequest(f"pool = {size}: fewer samples than the {classes} classes of the dataset, some of which it must lack")


def pool_rows(settings: PoolSettings, targets, seed: int):
    """(size,) ascending rows of the training set with targets (N,) that `settings` leaves; which samples of a class are
    kept is drawn, once for a fixed tail, else by the seed."""
    import numpy as np

    if settings.split:
        return np.sort(listed(settings.split, len(targets)))
    size = settings.pool or len(targets)
    if settings.tail == "none":
        return np.arange(size)
    targets = np.asarray(targets[:size])
    classes = np.unique(targets)
    drawn = seed if settings.drawn_by == "seed" else 0
    if settings.tail_classes == "per_seed":
        classes = numpy_stream(seed, "tail classes").permutation(classes)
    kept = [reserved_rows(settings, targets, seed)] if settings.reserved else []
    free = np.ones(size, dtype=bool)
    free[np.concatenate(kept) if kept else []] = False
    order = numpy_stream(drawn, "tail").permutation(size)
    for label, share in zip(classes, shares(settings, len(classes))):
        own = order[(targets[order] == label) & free[order]]
        kept.append(own[: max(1, round(share * len(own)))])
    return np.sort(np.concatenate(kept))


def check_classes(name: str, targets, classes: int) -> None:
    """BadRequest where the pool of dataset `name`, whose labels are `targets` (size,), lacks one of its `classes`: the first so
    many samples of data that is sorted by class do."""
    import numpy as np

    if len(lacking := np.setdiff1d(np.arange(classes), targets)):
        raise BadRequest(
            f"{name}: the pool of {len(targets)} samples has none of {len(lacking)} of the {classes} classes (the first: "
            f"{lacking[0]}); accepted: a larger pool, 0 for all of it"
        )


def reserved_rows(settings: PoolSettings, targets, seed: int):
    """(reserved,) ascending rows that are taken out before the tail, of each class as many as of any other or one more."""
    import numpy as np

    if settings.split:
        rows = listed(settings.split, len(targets))
        return np.sort(rows[len(rows) - settings.reserved :])
    size = settings.pool or len(targets)
    targets, rng = np.asarray(targets[:size]), numpy_stream(seed, "reserved")
    order, classes = rng.permutation(size), rng.permutation(np.unique(targets))
    place = np.empty(size)
    for turn, label in enumerate(classes):
        own = order[targets[order] == label]
        place[own] = np.arange(len(own)) * len(classes) + turn
    return np.sort(np.argsort(place, kind="stable")[: settings.reserved])


def shares(settings: PoolSettings, classes: int):
    """(classes,) the share of its samples that a class keeps, in the order of `tail_classes`; 1 without a tail."""
    import numpy as np

    place = np.arange(classes)
    if settings.tail == "exponential":
        return settings.imbalance ** (place / max(1, classes - 1))
    cut = place >= classes - classes // 2 if settings.tail_classes == "last" else place % 2 == 1
    return np.where(cut & (settings.tail == "step"), settings.imbalance, 1.0)


def expected_size(settings: PoolSettings, available: int, classes: int) -> int:
    """Samples of the pool where all classes have as many; of a published list, its length."""
    if settings.split:
        return len(listed(settings.split, available))
    size = settings.pool or available
    return round(settings.reserved + (size - settings.reserved) * float(shares(settings, classes).mean()))


def listed(split: str, available: int):
    """The rows of a published list, in its order: one number a line in splits/<name>.txt or .txt.gz below the downloads
    (ALNB_DATA). split: `name@` and the first eight digits of the SHA-256 of the numbers, one a line, so that another list
    under the same name is another question. BadRequest where it is not there, is another one, or has rows that are not."""
    import gzip
    import hashlib

    import numpy as np

    from alnb import datasets

    name, _, digest = split.partition("@")
    folder = datasets.default_root() / "splits"
    found = [path for path in (folder / f"{name}.txt", folder / f"{name}.txt.gz") if path.is_file()]
    if not found:
        raise datasets.Missing(f"split {name!r} is missing: no {name}.txt or {name}.txt.gz in {folder}")
    raw = found[0].read_bytes()
    words = (gzip.decompress(raw) if found[0].suffix == ".gz" else raw).decode().split()
    right = hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]
    if digest != right:
        raise BadRequest(f"split {split!r}: {found[0]} holds {name}@{right}")
    rows = np.array(words, dtype=np.int64)
    if len(np.unique(rows)) < len(rows) or rows.min(initial=0) < 0 or rows.max(initial=0) >= available:
        raise BadRequest(f"split {split!r}: expected distinct rows from 0 to {available - 1}")
    return rows
