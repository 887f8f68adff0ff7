"""What is learned: one file a task, each with its data, network, loss per sample, prediction and metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


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


def accuracy(dataset: str) -> tuple[Metric, ...]:
    """The metrics of classification: percent of the test set, in steps of one image."""
    from alnb import datasets
    from alnb.errors import BadRequest

    try:
        images = datasets.info(dataset).test
    except BadRequest:  # a study with data of its own
        images = 0
    return (Metric("accuracy", "%", resolution=100 / images if images else 0.0, low=0, high=100),)
