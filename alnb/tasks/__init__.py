"""What is learned: one file a task, each with its data, network, loss per sample, prediction and metrics."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Metric:
    """A number that `evaluate` gives, by the name its column has in the rows of kind "test".

    better: which direction is. resolution: the smallest step it can take (100 / test images for an accuracy in percent;
    0: any). low, high: the range outside which a value is an error of the program.
    """

    name: str
    unit: str = ""
    better: Literal["higher", "lower"] = "higher"
    resolution: float = 0.0
    low: float = -math.inf
    high: float = math.inf

    @property
    def label(self) -> str:
        """What an axis says: test accuracy, %"""
        return f"test {self.name}" + f", {self.unit}" * bool(self.unit)


class Task(Protocol):
    """One run's data, network and metrics, made by `TaskClass(run, state)`: a run it needs reaches it in `state.needs`.

    A task knows no cycle. Its samples are numbered 0 to size - 1 within the pool; `rows` (size,) says which samples of the
    dataset these are. The cycle draws the order, asks the strategy and counts the labels.
    """

    offers: Mapping[str, str]  # fields of the view that a strategy may need -> their shapes, for U candidates
    recorded: frozenset[str]  # those among them that training must record, epoch by epoch
    rows: Any
    size: int
    device: str
    timings: dict[str, float]  # seconds by name, of this step

    @staticmethod
    def metrics(dataset: str) -> tuple[Metric, ...]:
        """What `evaluate` gives, the primary metric first."""

    def labels(self, samples: Sequence[int], answers: Mapping[int, Any]) -> Any:
        """What `samples` are labelled with: a human's answer where there is one, else the dataset's own labels."""

    def train(self, samples, labels, cycle: int, watched=None, *, member: int = 0, start=None) -> tuple[Any, dict | None]:
        """A model trained on `samples` and what training recorded of the samples `watched` (None: nothing). `start`: a
        model from whose weights it goes on, None for scratch. `member` names the random streams of one of several."""

    def build(self, cycle: int) -> Any:
        """The untrained model of a cycle: what a strategy that chooses the very first labels looks through."""

    def restore(self, weights: dict) -> Any:
        """The model whose `state_dict` another step stored."""

    def look(self, model, cycle: int, candidates, labelled, labels, record: dict | None) -> Any:
        """An object that has what `offers` names as attributes, each computed when it is first asked for."""

    def evaluate(self, model) -> dict[str, float]:
        """Metrics on the test set, by name."""

    def cost(self, samples: Sequence[int]) -> dict[str, float]:
        """What labelling `samples` cost, by unit (boxes, clicks); empty where a label is a label."""


@functools.cache
def by_kind() -> dict[str, ModuleType]:
    """The tasks that any study of labelled images may be run on, found by themselves: what `datasets.Info.task` says -> the
    module of this folder that has

    KIND                              what it serves
    TASK                              its Task
    Settings                          a frozen dataclass that derives from classification's, whose defaults no other task's
                                      contradict, so that one study may have those of all
    check(settings, dataset)          BadRequest for what cannot be
    seconds(run, labelled, recorded)  rough seconds of one training per entry of `labelled` on one core
    pool_size(run)                    samples of the pool, without loading them
    """
    import importlib
    import re
    from pathlib import Path

    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if not re.search(r"^(KIND = |from .* as KIND$)", path.read_text(encoding="utf-8"), re.MULTILINE):
            continue  # others may import torch, which a plan does not wait for
        module = importlib.import_module(f"{__name__}.{path.stem}")
        if module.KIND in found:
            raise RuntimeError(f"tasks of {module.KIND}: {found[module.KIND].__name__} and {module.__name__}")
        found[module.KIND] = module
    return found
