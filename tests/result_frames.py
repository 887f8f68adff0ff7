"""Frames of results made up by hand, as `alnb.store.frame` would return them."""

from __future__ import annotations

import pandas as pd


def results(curves, dataset="cifar-10", world=False, labelled=None, **more):
    """Accuracy rows from {(method, seed): accuracies of the cycles 0, 1, ...}; labelled: labels of each cycle, by default
    100, 150, 200, ...; more: further columns."""
    about = {"study": "x", "dataset": dataset, "world": world, "kind": "accuracy"} | more
    return pd.DataFrame(
        [
            about
            | {"method": method, "seed": seed, "cycle": cycle, "accuracy": accuracy}
            | {"labelled": labelled[cycle] if labelled else 100 + 50 * cycle}
            for (method, seed), curve in curves.items()
            for cycle, accuracy in enumerate(curve)
        ]
    )
