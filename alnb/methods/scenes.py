"""Active learning for semantic segmentation: SRAAL's Fig. 5, for any strategy that looks at images, features or pixels.

The task is in alnb/tasks/segmentation.py, the races are in the grid of methods/state_relabeling.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from alnb import cycle, datasets, races
from alnb.acquisition import describe
from alnb.cycle import CycleSettings
from alnb.runs import Run, State, Step, Study
from alnb.tasks import dense, segmentation
from alnb.tasks.segmentation import Segmentation


@dataclass(frozen=True)
class Settings(CycleSettings, segmentation.Settings):
    """Those of the cycle and of segmentation."""


def step(run: Run, state: State) -> Step:
    return cycle.step(run, state, Segmentation)


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core."""
    o, size, test = run.options, dense.pool_size(run), datasets.info(run.dataset).test
    if run.method in (cycle.ALL, cycle.FIRST):
        return segmentation.seconds(run, [size if run.method == cycle.ALL else o.initial], test)
    trained = [o.initial + o.budget * c for c in range(o.cycles + 2 - cycle.trainings(run), o.cycles + 1)]
    about = {} if run.method == cycle.RETRAINED else describe(run.method).parameters | dict(o.strategy)
    chosen = [o.initial + o.budget * c for c in range(o.cycles)] if about else []
    others = about.get("members", 0)  # of a committee; one is the target model itself at most
    taken = segmentation.seconds(run, trained + chosen * others, len(trained) * (test + size))
    if {"steps", "batch", "width"} <= set(about):  # a game of VAAL's kind: measured on images of 48 x 32
        taken += 1.5e-3 * about["steps"] * 2 * about["batch"] * (about["width"] / 16) ** 2 * len(chosen)
    return taken


def check(run: Run) -> None:
    """BadRequest for a recipe or sizes that cannot be."""
    segmentation.check(run.options, run.dataset)
    races.check_cycles(run, dense.pool_size(run))


STUDY = Study(
    "scenes", 1, step, Settings, cycle.steps, seconds, Segmentation.metrics, lambda dataset: Segmentation.offers, check
)
