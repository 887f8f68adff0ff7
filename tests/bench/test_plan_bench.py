"""Planning: how it grows with the number of runs, and beside making them.

    python -m pytest -m bench -s tests/bench/test_plan_bench.py
"""

import pytest

from alnb.executor import _Driver
from alnb.methods import label_dispersion as ch3
from alnb.plans import standing
from alnb.runs import with_needs
from alnb.store import Store
from tests.bench.interleave import seconds, slope
from tests.tiny import TINY

ARMS = ["random", "random_again", "margin", "entropy", "least_confidence", "dispersion", "mean_confidence", "count_entropy",
        "k_center"]  # fmt: skip


def timed(seeds: int, folder) -> tuple[int, float, float, float]:
    """Of a grid of so many seeds: its runs, CPU seconds to make them, to see where they stand in an empty store, and to queue
    them."""
    runs, store = [], Store(folder)
    few = {"dataset": "digits", "seeds": seeds, "arms": ARMS}
    made = seconds(lambda: runs.extend(with_needs(ch3.grid(few, **TINY))))
    stood = seconds(lambda: standing(runs, "laptop", store))
    nothing = lambda *about: None
    return len(runs), made, stood, seconds(lambda: _Driver(runs, store, 1, None, nothing, nothing, nothing))


@pytest.mark.bench
def test_a_grid_of_twenty_thousand_runs_none_done_stands_in_the_time_that_making_it_takes(tmp_path):
    timed(10, tmp_path)
    counts, made, stood, queued = zip(*(timed(seeds, tmp_path) for seeds in (250, 500, 1000, 2000)))
    print(f"\n{counts[-1]} runs: {made[-1]:.1f} s to make")
    for what, took in (("place", stood), ("queue", queued)):
        growth, fit = slope(counts, took)
        print(f"{took[-1]:.1f} s to {what}; growth {growth:.2f} ({fit:.2f})")
        assert growth < 1.3
        assert took[-1] < 1.5 * made[-1]
