"""The estimate counts what strategies do by networks of their own."""

import pytest

from alnb.acquisition import work
from alnb.learning import networks
from alnb.methods import label_dispersion as ch3
from alnb.methods import state_relabeling

SIZES = {"dataset": "glyphs-10", "seeds": 1}
SHARED = {"pool": 1000, "initial": 100, "budget": 50, "cycles": 2, "epochs": 10, "network": "small"}


def seconds(arm, **more):
    (run,) = (run for run in ch3.grid(SIZES | {"arms": [arm]}, **SHARED | more) if run.needs)
    return ch3.seconds(run)


def test_a_committee_of_m_trains_m_minus_one_more_and_each_looks_once():
    train, look = networks.cost("small")
    alone = seconds("margin")
    assert alone == pytest.approx(10 * (150 + 200) * train / 1000)  # of 150 and 200: the first training is another run
    others = (10 * (100 + 150) * train + (900 + 850) * look) / 1000
    for members in (2, 5, 20):
        assert seconds(f"qbc(members={members})") == pytest.approx(alone + (members - 1) * others)


def test_passes_and_a_game_count_as_often_as_something_is_chosen():
    plain = seconds("random(dropout=0.5)")
    assert seconds("bald(passes=40, dropout=0.5)") - plain == pytest.approx(2 * (seconds("bald(passes=20, dropout=0.5)") - plain))
    assert seconds("bald(passes=20, dropout=0.5)") > plain
    game = work.game({"steps": 300, "batch": 32, "width": 32})
    assert seconds("vaal(steps=300, width=32)") == pytest.approx(seconds("random") + 2 * game)
    assert seconds("vaal", subset=100) == seconds("vaal")  # it is trained for its steps, whoever is asked


def test_a_subset_is_all_that_a_committee_looks_at():
    look = networks.cost("small")[1]
    assert seconds("qbc(members=2)") - seconds("qbc(members=2)", subset=100) == pytest.approx((1750 - 200) * look / 1000)


def test_sraals_game_counts_once_a_choice():
    race = SIZES | {"arms": ["sraal", "random"]}
    sizes = dict(pool=1000, initial=100, budget=50, cycles=2, network="small")
    seconds = {run.method: state_relabeling.seconds(run) for run in state_relabeling.grid(race, **sizes, game_steps=300)}
    assert seconds["sraal"] == pytest.approx(seconds["random"] + 2 * work.game({"steps": 300, "batch": 32, "width": 16}))
