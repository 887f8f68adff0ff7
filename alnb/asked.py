"""Of which classes the samples were that runs asked for, batch by batch, from their selections: nothing is trained again."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from alnb import datasets, records, selections
from alnb.cycle import BEFORE
from alnb.runs import Run
from alnb.store import Store

if TYPE_CHECKING:
    import pandas


def asked(runs: Iterable[Run], store: Store) -> pandas.DataFrame:
    """A row a batch: race, dataset, world, study, method, seed, key, cycle, asked, and of that batch `l1` (see `imbalance`),
    `largest` (%, of the class asked most), `absent` (classes not asked at all), `blank` (%, of samples that a world says have
    no class; NaN where it says nothing).

    Of runs that choose single samples, their further cycles apart; those whose dataset is not here are named in one line.
    """
    import numpy as np
    import pandas

    found, missing, kept = [], set(), functools.cache(lambda study: selections.of_study(records.folder(), study))
    for run in runs:
        if BEFORE in run.needs or (one := _selection(run, store, kept)) is None or run.dataset in missing:
            continue
        try:
            data = datasets.load(run.dataset)
        except datasets.Missing:
            missing.add(run.dataset)
            print(f"{run.dataset}: what was asked is known, of which class it was is not: the data are not here")
            continue
        ends = np.cumsum(one["batches"])
        blank = data.details.get("blank")
        for cycle, (begin, end) in enumerate(itertools.pairwise(ends)):
            rows = one["labelled"][begin:end]
            counts = np.bincount(data.train_targets[rows], minlength=data.info.classes)
            found.append({
                "race": run.race, "dataset": run.dataset, "world": not data.info.real, "study": run.study,
                "method": run.arm or run.method, "seed": run.seed, "key": run.key, "cycle": cycle, "asked": len(rows),
                "l1": imbalance(counts), "largest": 100 * counts.max() / counts.sum(), "absent": int((counts == 0).sum()),
                "blank": 100 * float(blank[rows].mean()) if blank is not None and blank.any() else math.nan,
            })  # fmt: skip
    columns = [
        "race",
        "dataset",
        "world",
        "study",
        "method",
        "seed",
        "key",
        "cycle",
        "asked",
        "l1",
        "largest",
        "absent",
        "blank",
    ]
    return pandas.DataFrame(found, columns=columns)


def imbalance(counts) -> float:
    """L1 distance of the counts of C classes (C,) from equal ones over that of a single class: 0 where all are asked alike, 1
    where one class is asked alone. Thesis ch. 4, its L1 score."""
    import numpy as np

    n = np.asarray(counts, float)
    return float(np.abs(n - n.mean()).sum() / (2 * n.sum() * (1 - 1 / len(n))))


def _selection(run: Run, store: Store, kept) -> dict | None:
    """What `run` asked, from the store or else from the records; None where it asked no single samples, or is not done."""
    progress = store.read(run)
    one = selections.of_run(run, progress.steps) if progress.done else kept(run.study).get(run.key[: records.SHORT])
    return one if one and all(isinstance(sample, int) for sample in one["labelled"]) else None
