"""Frames of results made up by hand, as `nb.run` would return them, and a study of errors: lower is better there."""

from __future__ import annotations

import pandas as pd

from alnb.runs import Step, Study
from alnb.tasks import Metric


def results(curves, dataset="cifar-10", world=False, labelled=None, metric="accuracy", **more):
    """Test rows from {(method, seed): values of the metric at the cycles 0, 1, ...}; labelled: labels of each cycle, by
    default 100, 150, 200, ...; more: further columns (race, study, network)."""
    about = {"study": "label_dispersion", "dataset": dataset, "world": world, "kind": "test"} | more
    return pd.DataFrame(
        [
            about
            | {"method": method, "seed": seed, "cycle": cycle, metric: value}
            | {"labelled": labelled[cycle] if labelled else 100 + 50 * cycle}
            for (method, seed), curve in curves.items()
            for cycle, value in enumerate(curve)
        ]
    )


def errors(curves, dataset="joints", metric="mae", **more):
    """As `results`, of the study below: a mean error in pixels."""
    return results(curves, dataset, metric=metric, study=__name__, **more)


METRICS = {
    "joints": (
        Metric("mae", "px", "lower", low=0),
        Metric("pck", "%", resolution=0.5, low=0, high=100),
    ),
    "misnamed": (Metric("accuracy", "px", "lower", low=0),),  # an error by that name
    "nothing": (),
}
STUDY = Study("px", 1, lambda run, state: Step([]), dict, lambda run: 1, metrics=METRICS.__getitem__)
