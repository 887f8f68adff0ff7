"""The special metrics of chapter 4's claims, against numbers worked by hand."""

import pandas
import pytest

from alnb import claims, statistics
from alnb.methods import balance_gains
from tests.result_frames import results

BATCHES = [100, 150, 200]  # labels at the cycles 0, 1, 2: an area is the mean of cycles 1 and 2
MANY = {
    ("random", 0): [50, 60, 70], ("random", 1): [50, 61, 71],
    ("entropy", 0): [50, 61, 72], ("entropy", 1): [50, 61, 70],
    ("entropy_cb(lam=2.5)", 0): [50, 62, 75], ("entropy_cb(lam=2.5)", 1): [50, 63, 70.5], ("entropy_cb(lam=2.5)", 2): [50, 1, 1],
}  # fmt: skip
EVEN = {
    ("entropy", 0): [50, 70, 80], ("entropy", 1): [50, 70, 80],
    ("entropy_cb(lam=2.5)", 0): [50, 70, 81], ("entropy_cb(lam=2.5)", 1): [50, 70, 79],
}  # fmt: skip


def frame(**races):
    return pandas.concat([results(curves, race=race, labelled=BATCHES) for race, curves in races.items()])


FRAME = frame(many=MANY, many_even=EVEN)


def by_seed(metric, race="many", rows=FRAME):
    found = balance_gains.claimed(rows)[metric](rows[rows["race"] == race])
    assert found.index.names == ["race", "dataset", "world", "method", "seed"]
    return {run[-1]: value for run, value in found.items()}


def test_the_gain_at_the_last_budget_less_the_point_that_is_claimed():
    assert by_seed("test.beyond_a_point") == pytest.approx({0: 3 - 1, 1: 0.5 - 1})


def test_the_gain_less_what_the_arm_gains_on_random():
    # areas: random 65, 66; entropy 66.5, 65.5; with balance 68.5, 66.75
    assert by_seed("test.beyond_what_it_improves") == pytest.approx({0: 2 - 1.5, 1: 1.25 - -0.5})
    assert by_seed("test.beyond_what_it_improves", rows=FRAME[FRAME["method"] != "random"]) == {}


def test_what_the_tail_adds_is_the_gain_with_it_less_the_gain_without():
    assert by_seed("test.of_the_tail") == pytest.approx({0: 2 - 0.5, 1: 1.25 - -0.5})
    shorter = FRAME[(FRAME["race"] == "many") | (FRAME["cycle"] < 2)]  # still running: cycle 1 alone counts in both
    assert by_seed("test.of_the_tail", rows=shorter) == pytest.approx({0: 1 - 0, 1: 2 - 0})
    for rows in (FRAME[FRAME["race"] == "many"], FRAME[FRAME["cycle"] == 0], FRAME[:0]):
        assert balance_gains.claimed(rows)["test.of_the_tail"](rows).empty
    assert by_seed("test.of_the_tail", "many_even") == {}


def test_an_arm_is_held_against_the_same_without_balance():
    ran = ["random", "entropy(class_weights='balanced')", "entropy", "k_center(subset=5)", "vaal(steps=300)", "bald(dropout=0.2)"]
    arms = ["entropy_cb", "entropy_cb(lam=2.0)", "k_center_cb", "vaal_cb(steps=300)", "bald_cb", "random", "entropy_cb_permuted"]
    plain = ["entropy", "entropy", "k_center(subset=5)", "vaal(steps=300)", "bald(dropout=0.2)", None, None]
    assert [balance_gains.counterpart(arm, ran) for arm in arms] == plain
    assert balance_gains.counterpart("entropy_cb", ["random"]) is None


def test_the_chapters_ledger_reads_them():
    asked = claims.read("02_class_balance")
    special = balance_gains.claimed(FRAME)
    assert set(special) == {metric for metric in asked["metric"] if metric.startswith("test.")}
    table = claims.ledger(FRAME, asked, special=special).set_index("id")
    assert table.loc["thesis-4-33", "difference"] == pytest.approx((2 - 0.5) / 2)
    assert table.loc["thesis-4-36", "difference"] == pytest.approx((0.5 + 1.75) / 2)
    assert table.loc["thesis-4-37", "difference"] == pytest.approx((65 + 66 - 66.5 - 65.5) / 2)
    assert table.loc["thesis-4-38", "difference"] == pytest.approx((1.5 + 1.75) / 2)
    assert table.loc["thesis-4-41", "verdict"] == "not run"
    ends = statistics.endpoint(FRAME)
    gap = statistics.paired(ends[ends["race"] == "many"], "entropy_cb(lam=2.5)", "entropy", "final")
    assert gap.mean - 1 == pytest.approx(table.loc["thesis-4-33", "difference"])
