"""What strategies spend on networks of their own, for the estimate before a grid starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alnb import datasets
from alnb.acquisition import describe
from alnb.runs import Run

PASS = 6e-8  # one core: a pass with dropout, for each candidate and class; the head alone passes
GAME = 1e-3  # one core: an image in an update of VAAL's or SRAAL's networks of the smallest width
SMALLEST = 16  # that width


def seconds(run: Run, labelled: Sequence[int], pool: int, take: Callable[[Run, Sequence[int], int], float]) -> float:
    """Rough seconds of one core that the strategy of `run` spends so in all its choices, one for each entry of `labelled`:
    the other members of a committee, trained and looking; passes with dropout; a game.

    labelled: how many samples are labelled at each choice, of `pool`. take(run, sizes, recorded): the task's seconds for a
    training on each of `sizes`, and for looks at `recorded` samples every epoch.
    """
    o, about = run.options, describe(run.method)
    own = about.parameters | dict(o.strategy)
    seen = sum(min(pool - n, o.subset or pool) for n in labelled)
    taken = game(own) * len(labelled)
    if "committee" in about.needs:
        others = own["members"] - 1
        taken += take(run, [n for n in labelled for _ in range(others)], 0) + take(run, [], others * seen) / o.epochs
    if "dropout_probabilities" in about.needs:
        taken += own["passes"] * seen * datasets.info(run.dataset).classes * PASS
    return taken


def game(options: Mapping[str, Any]) -> float:
    """Rough seconds of a choice by a model of its own, if that has steps, batch and width; else 0. options: all of them."""
    if not {"steps", "batch", "width"} <= set(options):
        return 0.0
    twice = 2 if options.get("code") or options.get("quirks") else 1
    return GAME * options["steps"] * 2 * options["batch"] * (options["width"] / SMALLEST) ** 2 * twice
