"""A toy paper: regression asks where its ensemble disagrees."""

from dataclasses import dataclass

from alnb.tasks.regression import Regression

from alnb import cycle, races
from alnb.cycle import CycleSettings
from alnb.runs import Study
from alnb.tasks import regression


@dataclass(frozen=True)
class Settings(CycleSettings, regression.Settings):
    """Those of the cycle and of regression."""


def step(run, state):
    return cycle.step(run, state, Regression)


STUDY = Study(
    "toy_paper", 1, step, Settings, cycle.steps, lambda run: 0.01 * run.steps,
    Regression.metrics, lambda dataset: Regression.offers, lambda run: races.check_cycles(run, 200),
)  # fmt: skip


def grid(bumps, **shared):
    return races.grid(STUDY.name, {"bumps": bumps}, shared)
