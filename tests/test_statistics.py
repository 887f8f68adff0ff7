"""alnb.statistics: against hand-worked numbers, scipy, the definitions written out, and a simulation."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from alnb import statistics
from alnb.errors import BadRequest
from alnb.statistics import Difference, difference, endpoint, holm, holm_intervals, paired, verdict
from tests.result_frames import results


def noisy(methods, seeds, rng, cycles=4, sd=0.5, **where):
    """Arms with a shared part per seed (what pairing removes), noise of their own and a gain each."""
    curves = {}
    for seed in range(seeds):
        shared = 60 + 3 * np.arange(cycles + 1) + rng.normal(0, 3)
        for method, gain in methods.items():
            curves[method, seed] = shared + gain * (np.arange(cycles + 1) > 0) + rng.normal(0, sd, cycles + 1)
    return results(curves, **where)


# --- aubc ---------------------------------------------------------------------------------------------------


def test_aubc_of_a_hand_worked_curve():
    # areas 100 * 55 and 300 * 70 over a width of 400
    assert statistics.aubc([100, 200, 500], [50, 60, 80]) == pytest.approx((5500 + 21000) / 400)


curve = st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 100)), min_size=2, max_size=8, unique_by=lambda p: p[0])


@settings(deadline=None)
@given(curve, st.randoms(use_true_random=False))
def test_aubc_is_a_mean_height_whatever_the_order(points, random):
    x, y = zip(*sorted(points))
    area = statistics.aubc(x, y)
    assert area == pytest.approx(np.trapezoid(y, x) / (x[-1] - x[0]), abs=1e-9)
    assert min(y) - 1e-9 <= area <= max(y) + 1e-9
    random.shuffle(points)
    assert statistics.aubc(*zip(*points)) == pytest.approx(area, abs=1e-9)


@settings(deadline=None)
@given(curve, st.floats(-50, 50), st.integers(1, 9))
def test_aubc_moves_with_the_accuracy_and_not_with_the_unit_of_labels(points, shift, scale):
    x, y = map(np.array, zip(*points))
    area = statistics.aubc(x, y)
    assert statistics.aubc(x, y + shift) == pytest.approx(area + shift, abs=1e-8)
    assert statistics.aubc(scale * x + 7, y) == pytest.approx(area, abs=1e-8)


def test_aubc_of_one_budget_is_its_accuracy():
    assert statistics.aubc([300], [71.5]) == 71.5


@pytest.mark.parametrize(("x", "y"), [([], []), ([1, 2], [3]), ([1, 1], [3, 4]), ([1, 2], [3, math.nan])])
def test_aubc_refuses_what_has_no_area(x, y):
    with pytest.raises(BadRequest):
        statistics.aubc(x, y)


# --- endpoint -----------------------------------------------------------------------------------------------


def test_endpoint_leaves_out_cycle_0_and_the_further_cycles_of_random():
    frame = results({("margin", 0): [90, 50, 60], ("random", 0): [10, 40, 50, 99, 99]})
    ends = endpoint(frame).set_index("method")
    assert ends["aubc"].to_dict() == {"margin": 55, "random": 45}
    assert ends.loc["random", ["cycles", "labelled", "final"]].tolist() == [2, 200, 50]


def test_endpoint_reports_every_run_it_leaves_out():
    frame = results(
        {
            ("margin", 0): [50, 60, 70],
            ("margin", 1): [50, 60],
            ("random", 0): [50, math.nan, 60],
            ("random", 1): [50, 60, 70],
        }
    )
    said = r"2 unfinished.*margin seed 1 \(no cycle 2\).*random seed 0 \(no cycle 1\)"
    with pytest.warns(statistics.Incomplete, match=said):
        ends = endpoint(frame)
    assert list(zip(ends["method"], ends["seed"])) == [("margin", 0), ("random", 1)]
    assert [(run["method"], run["seed"], run["missing"]) for run in ends.attrs["dropped"]] == [
        ("margin", 1, [2]),
        ("random", 0, [1]),
    ]


def test_endpoint_keeps_to_the_planned_last_cycle():
    frame = results({("margin", 0): [50, 60, 70], ("random", 0): [50, 60, 65, 70]})
    with pytest.warns(statistics.Incomplete, match="margin seed 0"):
        ends = endpoint(frame, last=3)
    assert ends["method"].tolist() == ["random"]
    with pytest.raises(BadRequest, match="from 1 on"):
        endpoint(frame, last=0)


def test_endpoint_of_finished_runs_is_silent_and_ignores_other_rows():
    frame = results({("margin", 0): [50, 60, 70]})
    timing = pd.DataFrame([{"dataset": "cifar-10", "world": False, "method": "margin", "seed": 0, "kind": "timing"}])
    ceiling = results({("all_data", 0): [95]}, labelled=[50_000])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ends = endpoint(pd.concat([frame, timing, ceiling]))
    assert ends["method"].tolist() == ["margin"]
    assert not ends.attrs["dropped"]


def test_what_would_be_averaged_silently_is_refused():
    frame = results({("margin", 0): [50, 60, 70]})
    other = results({("margin", 1): [50, 60, 70]}, labelled=[100, 120, 140])
    for wrong, said in (
        (pd.concat([frame, frame]), "more than once"),
        (pd.concat([frame, other]), "labels at cycle 1"),
        (frame.assign(accuracy=frame["accuracy"] * 2), "percent"),
        (frame.drop(columns="seed"), "seed"),
        (frame.assign(world=[True, False, False]), "both real and stand-in"),
        (frame.assign(network=["small", "small", "resnet18"]), "networks"),
    ):
        with pytest.raises(BadRequest, match=said):
            endpoint(wrong)


# --- paired -------------------------------------------------------------------------------------------------


def test_difference_of_a_hand_worked_example():
    # 1, 2, 3: mean 2, deviation 1, t(0.975, 2) = 4.30265
    d = difference([1, 2, 3])
    assert (d.mean, d.sd, d.n, d.level) == (2, 1, 3, 0.95)
    assert d.half_width == pytest.approx(4.30265 / math.sqrt(3), abs=1e-5)
    assert (d.low, d.high) == pytest.approx((2 - d.half_width, 2 + d.half_width))
    assert d.p == pytest.approx(0.0741799, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=2, max_size=12), st.floats(0.5, 0.999))
def test_paired_is_scipys_paired_t_test(pairs, level):
    a, b = map(np.array, zip(*pairs))
    if np.std(a - b) < 1e-6:
        return
    frame = pd.DataFrame(
        {
            "method": ["a"] * len(a) + ["b"] * len(b),
            "seed": [*range(len(a)), *range(len(b))],
            "aubc": np.concatenate([a, b]),
        }
    )
    ours, theirs = paired(frame, "a", "b", level=level), stats.ttest_rel(a, b)
    assert ours.p == pytest.approx(theirs.pvalue, abs=1e-9)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval(level)), abs=1e-6)


def test_paired_joins_on_the_seed_not_on_the_order():
    rng = np.random.default_rng(0)
    frame = noisy({"a": 1, "b": 0}, 6, rng, sd=0.1)
    straight = paired(frame, "a", "b")
    assert paired(frame.sample(frac=1, random_state=1), "a", "b") == straight
    assert straight.n == 6
    assert straight.half_width < 0.3
    swapped = frame.copy()  # the same numbers under other seeds: another pairing, so another interval
    swapped.loc[swapped["method"] == "b", "seed"] = (swapped.loc[swapped["method"] == "b", "seed"] + 1) % 6
    unpaired = paired(swapped, "a", "b")
    assert unpaired.mean == pytest.approx(straight.mean)
    assert unpaired.half_width > 3 * straight.half_width


def test_paired_leaves_out_seeds_that_only_one_has_and_says_which_it_used():
    frame = results(
        {
            ("a", 0): [50, 60],
            ("a", 2): [50, 64],
            ("b", 2): [50, 61],
            ("b", 3): [50, 10],
            ("a", 5): [50, 62],
            ("b", 5): [50, 61],
        }
    )
    d = paired(frame, "a", "b")
    assert (d.n, d.seeds, d.mean) == (2, (2, 5), 2)


def test_fewer_than_two_seeds_have_no_interval():
    one, none = difference([1.5]), difference([])
    assert (one.mean, one.n) == (1.5, 1)
    assert math.isnan(none.mean)
    assert none.n == 0
    for d in (one, none):
        assert all(math.isnan(x) for x in (d.sd, d.low, d.high, d.half_width, d.p))
        assert verdict(d, 10) == "cannot be told"
    assert "no interval" in str(one)
    assert str(none) == "not run"
    assert str(difference([0, 1, 2])) == "+1.00 +- 2.48 (n = 3)"


def test_identical_arms_differ_by_nothing_for_certain():
    same, shifted = difference([0, 0, 0]), difference([0.5, 0.5])
    assert (same.low, same.high, same.p) == (0, 0, 1)
    assert (shifted.low, shifted.high, shifted.p) == (0.5, 0.5, 0)


def test_no_comparator_is_against_zero():
    frame = pd.DataFrame({"method": "a", "seed": [0, 1, 2], "slope": [-1.0, -2, -3]})
    d = paired(frame, "a", value="slope")
    assert d.p == pytest.approx(stats.ttest_1samp([-1, -2, -3], 0).pvalue)
    assert d.mean == -2


def test_paired_refuses_two_datasets_and_two_values_for_a_seed():
    two = pd.concat([results({("a", 0): [1, 2]}), results({("a", 0): [1, 2]}, dataset="digits")])
    with pytest.raises(BadRequest, match="one dataset"):
        paired(two, "a", "b")
    with pytest.raises(BadRequest, match="more than one"):
        paired(pd.DataFrame({"method": "a", "seed": [1, 1], "aubc": [2.0, 3]}), "a", "b")
    with pytest.raises(BadRequest, match="level"):
        difference([1, 2], level=95)


def test_pairwise_is_row_minus_column():
    rng = np.random.default_rng(1)
    frame = noisy({"low": 0, "high": 5, "middle": 2}, 4, rng)
    pairs = statistics.pairwise(frame)
    for row, column in itertools.permutations(["low", "high", "middle"], 2):
        d = paired(frame, row, column)
        assert pairs["mean"].loc[row, column] == d.mean
        assert pairs["p"].loc[row, column] == d.p
        assert pairs["half_width"].loc[row, column] == d.half_width
        assert pairs["n"].loc[row, column] == 4
    assert pairs["mean"].loc["high", "low"] > 3
    assert pairs["mean"].loc["low", "high"] < -3
    assert (np.diag(pairs["mean"]) == 0).all()
    assert np.isnan(np.diag(pairs["p"])).all()


# --- Holm ---------------------------------------------------------------------------------------------------


def test_holm_of_a_hand_worked_example():
    # sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and never below the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def by_definition(p, alpha):
    """Holm's procedure itself: reject in ascending order while p <= alpha / (claims left); then stop."""
    left, rejected = len(p), set()
    for index in sorted(range(len(p)), key=lambda i: p[i]):
        if not p[index] <= alpha / left:
            break
        rejected.add(index)
        left -= 1
    return rejected


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.5))
def test_holm_rejects_what_its_procedure_rejects(p, alpha):
    adjusted = holm(p)
    if any(abs(a - alpha) < 1e-9 for a in adjusted):
        return
    assert {i for i, a in enumerate(adjusted) if a <= alpha} == by_definition(p, alpha)
    assert all(q <= a <= 1 for q, a in zip(p, adjusted))


def test_holm_counts_a_claim_that_was_not_run():
    adjusted = holm([0.01, math.nan, 0.02])
    assert adjusted[[0, 2]] == pytest.approx([0.03, 0.04])
    assert math.isnan(adjusted[1])
    with pytest.raises(BadRequest):
        holm([1.5])


values = st.lists(st.floats(-5, 5), min_size=2, max_size=6).filter(lambda v: np.std(v) > 1e-3)


@settings(max_examples=60, deadline=None)
@given(st.lists(values, min_size=1, max_size=6), st.integers(0, 2))
def test_a_holm_interval_excludes_zero_exactly_when_holm_rejects(samples, not_run):
    family = [difference(v) for v in samples] + [difference([])] * not_run
    p = [d.p for d in family]
    if any(abs(a - 0.05) < 1e-9 for a in holm(p)):
        return
    intervals = holm_intervals(family)
    assert {i for i, d in enumerate(intervals) if d.low > 0 or d.high < 0} == by_definition(p, 0.05)
    for before, after in zip(family, intervals):
        assert (after.mean, after.n, after.seeds) == (before.mean, before.n, before.seeds)
        assert not after.half_width < before.half_width  # never narrower than the plain 95 % interval


def test_holm_intervals_of_a_hand_worked_family():
    family = [difference([5.0, 5.1, 4.9]), difference([0.1, -0.2, 0.3]), difference([1.0, 1.3, 0.7])]
    levels = [d.level for d in holm_intervals(family)]
    # p about .0001, .7, .03: 1 - .05/3; then .03 > .05/2 stops, and both that are left keep 1 - .05/2
    assert levels == pytest.approx([1 - 0.05 / 3, 0.975, 0.975])
    assert [d.level for d in holm_intervals(family[:1])] == [0.95]


# --- verdict ------------------------------------------------------------------------------------------------


def interval(low, high):
    return Difference((low + high) / 2, 1, 5, low, high, (high - low) / 2, 0.5)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.2, 0.2, "equivalent"),
        (0.05, 0.25, "equivalent"),
        (-0.25, -0.05, "equivalent"),
        (0.1, 0.5, "holds"),
        (0.4, 0.5, "holds"),
        (-0.5, -0.1, "reversed"),
        (-0.5, 0.1, "cannot be told"),
        (-0.3, 0.1, "cannot be told"),
        (-0.1, 0.3, "cannot be told"),
        (0.0, 0.5, "cannot be told"),
        (math.nan, math.nan, "cannot be told"),
    ],
)
def test_verdict_reads_the_interval(low, high, said):
    assert verdict(interval(low, high), 0.3) == said
    opposite = {"holds": "reversed", "reversed": "holds"}.get(said, said)
    assert verdict(interval(low, high), 0.3, "lower") == opposite
    assert verdict(interval(-high, -low), 0.3) == opposite


def test_without_a_band_nothing_is_equivalent():
    assert verdict(interval(-0.01, 0.01)) == "cannot be told"
    assert verdict(interval(0.01, 0.02)) == "holds"
    for wrong in ({"band": -1}, {"direction": "up"}):
        with pytest.raises(BadRequest):
            verdict(interval(0, 1), **wrong)


def test_on_a_a_data_a_claim_rarely_holds_and_a_real_effect_does():
    rng = np.random.default_rng(7)
    said = {0.0: [], 2.0: []}
    for effect, verdicts in said.items():
        for _ in range(150):
            family = [difference(rng.normal(effect, 0.6, 5)) for _ in range(6)]
            verdicts.append([verdict(d, 0.3) for d in holm_intervals(family)])
    false = np.mean([bool({"holds", "reversed"} & set(family)) for family in said[0.0]])
    assert false < 0.1, "the chance of any false statement in a family is at most 0.05"
    assert np.mean([family.count("holds") for family in said[2.0]]) > 4


# --- as the papers report it --------------------------------------------------------------------------------


def test_summary_is_mean_and_sample_deviation():
    frame = results({("a", 0): [50, 60], ("a", 1): [52, 64], ("a", 2): [51]})
    table = statistics.summary(frame).set_index("cycle")
    assert table.loc[1, ["mean", "sd", "n", "labelled"]].tolist() == pytest.approx([62, math.sqrt(8), 2, 150])
    assert table.loc[0, "n"] == 3


def test_labels_saved_interpolates_the_comparators_curve_per_seed():
    frame = results(
        {
            ("margin", 0): [50, 60, 72],
            ("random", 0): [50, 58, 64, 70, 74],
            ("margin", 1): [50, 60, 80],
            ("random", 1): [50, 58, 64, 70, 74],
            ("margin", 2): [50, 40, 45],
            ("random", 2): [50, 58, 64, 70, 74],
        }
    )
    saved = statistics.labels_saved(frame, "margin")
    # seed 0: half way between 250 and 300; seed 1: not at 300; seed 2: already at 100
    assert saved["needed"].tolist() == [275, 300, 100]
    assert saved["saved"].tolist() == [75, 100, -100]
    assert saved["bound"].tolist() == ["", ">=", "<="]
    assert statistics.saved_text(saved[:2]) == ">= 88 labels (n = 2, 1 never got there)"
    assert statistics.saved_text(saved[:1]) == "75 labels (n = 1)"
    assert statistics.saved_text(saved).startswith("cannot be told")
    assert statistics.saved_text(saved[:0]) == "not run"


def test_labels_saved_takes_the_first_crossing():
    frame = results({("margin", 0): [50, 60, 61], ("random", 0): [50, 62, 55, 70]})
    assert statistics.labels_saved(frame, "margin")["needed"].tolist() == pytest.approx([100 + 50 * 11 / 12])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=4, max_size=7), st.floats(0, 100))
def test_labels_needed_lie_on_the_comparators_curve(random_curve, final):
    frame = results({("margin", 0): [0, 0, final], ("random", 0): random_curve})
    one = statistics.labels_saved(frame, "margin").iloc[0]
    height = np.interp(one["needed"], 100 + 50 * np.arange(len(random_curve)), random_curve)
    if one["bound"] == "":
        assert height == pytest.approx(final, abs=1e-6)
    else:
        assert (max(random_curve) < final) if one["bound"] == ">=" else (random_curve[0] > final)


# --- ledger -------------------------------------------------------------------------------------------------


def claim(id="c1", **more):
    return {
        "id": id,
        "kind": "primary",
        "metric": "aubc",
        "dataset": "cifar-10",
        "method": "dispersion",
        "comparator": "random",
        "direction": "higher",
        "planned_seeds": 10,
        "planned_world_seeds": 12,
        "band": 0.3,
        "published_effect": 3.09,
        "world": "glyphs-10",
        "null": "glyphs-10-null",
        "placebo": "random_again",
        "note": "",
    } | more


ARMS = {"random": 0, "random_again": 0, "dispersion": 3, "margin": 1}


def test_ledger_has_a_row_per_claim_and_setting_also_without_runs():
    table = statistics.ledger(pd.DataFrame(), pd.DataFrame([claim(), claim("c2", comparator="margin", placebo="")]))
    assert table[["id", "setting"]].values.tolist() == [
        ["c1", "real data"],
        ["c1", "world"],
        ["c1", "null world"],
        ["c1", "placebo"],
        ["c2", "real data"],
        ["c2", "world"],
        ["c2", "null world"],
    ]
    assert set(table["verdict"]) == {"not run"}
    assert set(table["seeds"]) == {0}
    assert table["planned"].tolist() == [10, 12, 12, 12, 10, 12, 12]


def test_ledger_computes_each_setting_from_its_own_data():
    rng = np.random.default_rng(3)
    frame = pd.concat(
        [
            noisy(ARMS, 8, rng, dataset="cifar-10"),
            noisy(ARMS | {"dispersion": -3}, 6, rng, dataset="glyphs-10", world=True),
            noisy(ARMS | {"dispersion": 0}, 4, rng, dataset="glyphs-10-null", world=True),
        ]
    )
    table = statistics.ledger(frame, pd.DataFrame([claim(planned_world_seeds=6)])).set_index("setting")
    assert table["verdict"].to_dict() == {  # planned are 10 seeds of real data and 6 of the worlds
        "real data": "holds (interim)",
        "world": "reversed",
        "null world": "cannot be told (interim)",
        "placebo": "holds (interim)",
    }
    assert table["seeds"].tolist() == [8, 6, 4, 8]
    real = paired(frame[frame["dataset"] == "cifar-10"], "dispersion", "random")
    again = paired(frame[frame["dataset"] == "cifar-10"], "random_again", "random")
    row = table.loc["real data"]
    assert (row.difference, row.low, row.high, row.p) == (real.mean, real.low, real.high, real.p)
    assert (row.aa_difference, row.aa_low, row.aa_high) == (again.mean, again.low, again.high)
    assert table.loc["placebo", "comparator"] == "random_again"


@pytest.mark.parametrize(("planned", "mark"), [(9, " (interim)"), (8, ""), (7, "")])
def test_a_verdict_on_fewer_seeds_than_planned_is_interim(planned, mark):
    frame = noisy(ARMS, 8, np.random.default_rng(3))
    row = statistics.ledger(frame, pd.DataFrame([claim(planned_seeds=planned)])).iloc[0]
    assert row.verdict == "holds" + mark


def test_ledger_takes_the_placebo_on_the_world_where_it_did_not_run_on_real_data():
    frame = noisy(ARMS, 3, np.random.default_rng(4), dataset="glyphs-10", world=True)
    table = statistics.ledger(frame, pd.DataFrame([claim()])).set_index("setting")
    assert table.loc["placebo", ["dataset", "verdict"]].tolist() == ["glyphs-10", "holds (interim)"]


def test_ledger_never_takes_a_stand_in_for_real_data():
    frame = noisy(ARMS, 3, np.random.default_rng(4), dataset="cifar-10", world=True)
    assert set(statistics.ledger(frame, pd.DataFrame([claim()]))["verdict"]) == {"not run"}


def test_ledger_adjusts_over_all_primary_claims_and_only_those():
    frame = noisy(ARMS, 8, np.random.default_rng(5))
    claims = pd.DataFrame(
        [
            claim("c1"),
            claim("c2", comparator="margin"),
            claim("c3", comparator="absent"),
            claim("c4", kind="secondary", comparator="margin"),
        ]
    )
    table = statistics.ledger(frame, claims)
    real = table[table["setting"] == "real data"].set_index("id")
    again = [paired(frame, "dispersion", "random_again").p] * 3  # each primary claim's placebo counts too
    plain = [paired(frame, "dispersion", "random").p, paired(frame, "dispersion", "margin").p, math.nan, *again]
    assert real["p_holm"].tolist()[:2] == holm(plain)[:2].tolist()
    assert real["p_holm"].isna().tolist()[2:] == [True, True]
    assert set(real.loc[["c1", "c2"], "level"]) <= {1 - 0.05 / m for m in range(1, 7)}
    assert real.loc["c4", "level"] == 0.95
    assert real.loc["c3", "verdict"] == "not run"


def test_ledger_says_which_runs_it_left_out():
    frame = noisy(ARMS, 3, np.random.default_rng(6))
    cut = frame[~((frame["method"] == "dispersion") & (frame["seed"] == 2) & (frame["cycle"] == 4))]
    row = statistics.ledger(cut, pd.DataFrame([claim(note="as planned")])).iloc[0]
    assert row.seeds == 2
    assert row.note == "as planned | left out, unfinished: cifar-10 dispersion seed 2 (no cycle 4)"


def test_ledger_takes_other_rows_by_kind_and_column():
    rows = [
        {
            "dataset": "cifar-10",
            "world": False,
            "method": method,
            "seed": seed,
            "kind": "informativeness",
            "accuracy": 50 - gain * portion + seed * (1 + gain / 50),
        }
        for method, gain in (("dispersion", 5), ("random", 0))
        for seed in range(3)
        for portion in (1, 3)
    ]
    lower = claim(metric="informativeness.accuracy", direction="lower", kind="secondary")
    row = statistics.ledger(pd.DataFrame(rows), pd.DataFrame([lower])).iloc[0]
    assert row.verdict == "holds (interim)"
    assert row.difference == pytest.approx(-9.9)
    assert row.seeds == 3
    with pytest.raises(BadRequest, match="accepted: aubc"):
        statistics.ledger(noisy(ARMS, 2, np.random.default_rng(0)), pd.DataFrame([claim(metric="area")]))


def test_trend_is_the_rank_correlation_along_the_bins():
    def bins(seed, cycle, correct):
        return [
            {
                "dataset": "cifar-10",
                "world": False,
                "method": "dispersion",
                "seed": seed,
                "cycle": cycle,
                "kind": "histogram",
                "low": k / 10,
                "samples": 10 * bool(c + 1),
                "correct": max(c, 0),
            }
            for k, c in enumerate(correct)
        ]

    frame = pd.DataFrame(
        bins(0, 0, [9, 7, 5, 1])
        + bins(0, 1, [9, 5, 7, -1])
        + bins(1, 0, [1, 2, -1, 5])
        + bins(2, 0, [9, 5, -1, -1])
        + bins(3, 0, [5, 5, 5, 5])
    )
    found = statistics.trend(frame).droplevel(["dataset", "world", "method"])
    assert found.iloc[:2].tolist() == pytest.approx([(-1 - 0.5) / 2, 1])
    assert found.iloc[2:].isna().all()
    falls = claim(metric="histogram.trend", comparator="", direction="lower", kind="secondary", band=math.nan)
    row = statistics.ledger(frame, pd.DataFrame([falls])).iloc[0]
    assert row.seeds == 2
    assert row.verdict == "cannot be told (interim)"
    assert math.isnan(row.aa_difference)


# --- overview -----------------------------------------------------------------------------------------------


def test_the_overview_of_a_hand_worked_grid():
    curves = {("random", 0): [50, 60, 70], ("random", 1): [50, 62, 72], ("m", 0): [50, 61, 75], ("m", 1): [50, 65, 73]}
    about = {"dataset": "cifar-10", "world": False, "method": "m"}
    choices = [about | {"kind": "choice", "seed": s, "cycle": c, "tied_share": c / 2} for s in (0, 1) for c in (0, 1)]
    timings = [about | {"kind": "timing", "seed": s, "choosing": 4.0, "watching": 3.0} for s in (0, 1)]
    best, random = statistics.overview(pd.concat([results(curves), pd.DataFrame(choices + timings)])).itertuples()
    assert (best.method, random.method) == ("m", "random")
    assert best.aubc == pytest.approx((68 + 69) / 2)  # over cycles 1 and 2: (61 + 75) / 2 and (65 + 73) / 2
    assert best.gain == pytest.approx(((68 - 65) + (69 - 67)) / 2)
    low, high = stats.t.interval(0.95, 1, 2.5, stats.sem([3, 2]))
    assert (best.gain_low, best.gain_high) == pytest.approx((low, high))
    assert best.choosing == 2.0  # 8 seconds, four choices
    assert best.watching == 3.0  # 6 seconds, two choices after cycle 0, whose training is shared
    assert best.tied == 0.25
    assert best.saved.startswith(">=")
    assert math.isnan(random.gain)
    assert math.isnan(random.choosing)
    assert random.saved == ""
