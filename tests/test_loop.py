"""`alnb.loop`, the whole of active learning in fifteen lines, is the stepped and resumable run, row for row."""

import pytest

import alnb
from alnb import acquisition
from alnb.executor import drive
from alnb.methods import active_learning as ch1
from alnb.store import Store
from alnb.tasks.classification import Classification
from alnb.tasks.points import Points
from tests.tiny import grid

POINTS = {"initial": 9, "budget": 5, "cycles": 3, "epochs": 40, "lr": 0.3}


def on_points(arm, **settings):
    return ch1.grid({"dataset": "points-arms", "arms": [arm], **POINTS | settings})[0]


RUNS = {
    "digits": (Classification, lambda: grid(["dispersion"], cycles=3)[0]),
    "two seeds differ": (Classification, lambda: grid(["dispersion"], seeds=[1])[0]),
    "dropout, which draws from the global generator": (Classification, lambda: grid(["dispersion(dropout=0.5)"])[0]),
    "dropout in choosing": (Classification, lambda: grid(["bald(dropout=0.5)"])[0]),
    "a stream of its own": (Classification, lambda: grid(["random_again"])[0]),
    "a subset": (Classification, lambda: grid(["dispersion(subset=30)"])[0]),
    "rows, not scores, on a subset": (Classification, lambda: grid(["k_center(subset=30)"])[0]),
    "options of the strategy": (Classification, lambda: grid(["bald(dropout=0.5, passes=3)"])[0]),
    "a committee": (Classification, lambda: grid(["qbc"], cycles=1)[0]),
    "a tail, balanced first labels": (
        Classification,
        lambda: grid(["margin"], pool=300, tail="step", imbalance=0.2, initial_labels="balanced")[0],
    ),
    "first labels by a strategy": (
        Classification,
        lambda: grid(["random"], initial_labels="k_center")[0],
    ),
    "points": (Points, lambda: on_points("diverse_margin")),
    "points, from the last weights": (Points, lambda: on_points("margin", start="last")),
    "points, dropout": (Points, lambda: on_points("bald(dropout=0.3)")),
    "points, what training records": (Points, lambda: on_points("late_dispersion", subset=100)),
}


@pytest.mark.parametrize("which", RUNS)
def test_the_loop_is_the_stepped_run(which, tmp_path):
    task, made = RUNS[which]
    run, store = made(), Store(tmp_path)
    assert not drive([run], store, workers=1).failed
    stepped = [row for row in store.read(run).rows if row["kind"] == "test"]
    strategy = acquisition.get(run.method)
    rows = list(alnb.loop(task(run), strategy, run.options.budget, run.options.cycles))
    assert rows == stepped
    assert [row["cycle"] for row in rows] == list(range(run.options.cycles + 1))
    assert len({row["accuracy"] for row in rows}) > 1  # something was learnt between


def test_a_strategy_of_ones_own_needs_no_run_of_its_own():
    task = Points(on_points("random"))

    def choose(view, budget, rng):
        return view.priority.argsort()[:budget]

    mine = acquisition.Strategy("random", "select", choose, (), False, "", True, "random")
    by_name = list(alnb.loop(task, acquisition.get("random"), 5, 2))
    assert list(alnb.loop(task, mine, 5, 2)) == by_name
    assert [row["labelled"] for row in by_name] == [9, 14, 19]
