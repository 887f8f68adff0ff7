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
from tests.result_frames import errors, results


def noisy(methods, seeds, rng, cycles=4, sd=0.5, **where):
    """Arms with a shared part per seed (what pairing removes), noise of their own and a gain each."""
    curves = {}
    for seed in range(seeds):
        shared = 60 + 3 * np.arange(cycles + 1) + rng.normal(0, 3)
        for method, gain in methods.items():
            curve = shared + gain * (np.arange(cycles + 1) > 0) + rng.normal(0, sd, cycles + 1)
            curves[method, seed] = curve.round(2)  # of 10,000 test images
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
        (frame.assign(accuracy=frame["accuracy"] * 2), "accuracy is in %, 0 to 100; given 120"),
        (frame.drop(columns="seed"), "seed"),
        (frame.assign(world=[True, False, False]), "both real and stand-in"),
        (frame.assign(network=["small", "small", "resnet18"]), "networks"),
    ):
        with pytest.raises(BadRequest, match=said):
            endpoint(wrong)


@pytest.mark.parametrize(
    ("labels", "step"),
    [([300], 1), ([200, 300], 1 / 2), ([200, 300, 400, 500], 1 / 6), ([100, 150, 250], 1 / 6), ([1, 2.5], 0)],
)
def test_an_area_moves_in_steps_that_its_trapezoids_give(labels, step):
    assert statistics.aubc_resolution(labels, 0.2) == pytest.approx(0.2 * step)
    if step:  # every area over multiples of 0.2 is a multiple, and none coarser
        rng = np.random.default_rng(0)
        areas = [statistics.aubc(labels, 0.2 * rng.integers(0, 500, len(labels))) for _ in range(200)]
        multiples = np.array(areas) / (0.2 * step)
        assert np.allclose(multiples, np.round(multiples), atol=1e-6)
        assert np.gcd.reduce(np.round(multiples - multiples[0]).astype(int)) == 1


def test_the_metric_of_a_frame_is_what_its_study_declares():
    few, joints = results({("margin", 0): [50, 60]}), errors({("margin", 0): [9, 8]})
    assert statistics.metric_of(few).name == "accuracy"
    assert statistics.metric_of(few).resolution == 0.01  # of 10,000 test images
    assert statistics.metric_of(few.drop(columns="study")) == statistics.metric_of(few)
    assert (statistics.metric_of(joints).name, statistics.metric_of(joints, "pck").unit) == ("mae", "%")
    for wrong, name in ((joints, "mAP"), (joints.assign(dataset="nothing"), ""), (joints[:0], "")):
        with pytest.raises(BadRequest, match="no metric"):
            statistics.metric_of(wrong, name)


def test_an_endpoint_is_of_any_metric_and_says_which_way_is_better():
    frame = errors({("margin", 0): [9, 8, 4], ("random", 0): [9, 8, 6]}).assign(pck=[10, 20, 40, 10, 25, 30])
    ends = endpoint(frame).set_index("method")
    assert ends["aubc"].to_dict() == {"margin": 6, "random": 7}
    assert set(ends["metric"] + ends["better"]) == {"maelower"}
    assert set(ends["aubc_resolution"]) == {0}
    other = endpoint(frame, value="pck").set_index("method")
    assert other[["final", "better", "final_resolution", "aubc_resolution"]].loc["margin"].tolist() == [
        40,
        "higher",
        0.5,
        0.25,
    ]
    with pytest.raises(BadRequest, match="mae is in px, 0 to inf; given -1"):
        endpoint(frame.assign(mae=-1.0))
    with pytest.raises(BadRequest, match="no metric mAP on joints; there is: mae, pck"):
        endpoint(frame, value="mAP")
    with pytest.raises(BadRequest, match="need the column pck"):
        endpoint(frame.drop(columns="pck"), value="pck")


def test_races_are_told_apart_and_a_run_may_stand_in_two():
    few = results({("margin", 0): [50, 60, 70]}, race="few")
    both = pd.concat([few, few.assign(race="mine"), errors({("margin", 0): [9, 8, 7]}, race="px")])
    ends = endpoint(both)
    assert ends[["race", "aubc", "metric"]].values.tolist() == [
        ["few", 65, "accuracy"],
        ["mine", 65, "accuracy"],
        ["px", 7.5, "mae"],
    ]
    assert endpoint(both, value="mae")["race"].tolist() == ["px"]  # the others do not have it
    assert endpoint(few.drop(columns="race"))["race"].tolist() == [""]
    with pytest.raises(BadRequest, match="few, margin, seed 0, cycle 1 occurs more than once"):
        endpoint(pd.concat([few, few]))
    for ask in (paired, lambda frame, *_: statistics.pairwise(frame), lambda frame, *_: statistics.overview(frame)):
        with pytest.raises(BadRequest, match=r"within one race; given \['few', 'mine'\]"):
            ask(pd.concat([few, few.assign(race="mine")]), "margin", "random")


def test_an_area_may_be_over_what_is_spent():
    frame = results({("a", 0): [0, 50, 60, 70], ("b", 0): [0, 40, 60, 80]})
    boxes = frame.assign(boxes=[5, 10, 20, 30, 5, 16, 24, 32])
    ends = endpoint(boxes, x="boxes").set_index("method")
    # shared: 16 to 30 boxes; a is 56, 60, 70 at 16, 20, 30 and b 40, 60, 75 at 16, 24, 30
    assert ends["aubc"].to_dict() == pytest.approx({"a": (4 * 58 + 10 * 65) / 14, "b": (8 * 50 + 6 * 67.5) / 14})
    assert ends["final"].to_dict() == pytest.approx({"a": 70, "b": 75})
    assert ends["labelled"].tolist() == [250, 250]
    same = endpoint(frame.assign(cost=2 * frame["labelled"]), x="cost")
    assert same["aubc"].tolist() == endpoint(frame)["aubc"].tolist()
    for wrong, said in (
        (boxes.assign(boxes=7), "does not grow.* a seed 0"),
        (frame, "no column boxes"),
        (boxes.assign(boxes=[1, 2, 3, 4, 5, 6, 7, 8]), "share"),
    ):
        with pytest.raises(BadRequest, match=said):
            endpoint(wrong, x="boxes")


def test_seconds_are_summed_up_to_each_evaluation():
    frame = results({("a", 0): [0, 50, 60], ("b", 0): [0, 40, 60]}).assign(step=[0, 1, 2] * 2)
    about = {"study": "label_dispersion", "dataset": "cifar-10", "world": False, "seed": 0, "kind": "timing"}
    timing = [about | {"method": m, "step": t, "seconds": s} for m, s in (("a", 4), ("b", 5)) for t in (0, 1, 2)]
    ends = endpoint(pd.concat([frame, pd.DataFrame(timing)]), x="seconds").set_index("method")
    # a is evaluated at 8 and 12 seconds, b at 10 and 15: over 10 to 12, a goes from 55 to 60 and b from 40 to 48
    assert ends["aubc"].to_dict() == pytest.approx({"a": 57.5, "b": 44})
    with pytest.raises(BadRequest, match="seconds is missing"):
        endpoint(pd.concat([frame, pd.DataFrame(timing[2::3])]), x="seconds")


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


def test_equal_gaps_are_as_uncertain_as_the_steps_they_are_counted_in():
    # two gaps of 0.4 in steps of 0.2: deviation 0.2 / sqrt(12), so t = 0.4 / 0.0408 with one degree of freedom
    gap = difference([0.4, 0.4 + 1e-13], resolution=0.2)
    assert gap.sd == pytest.approx(0.2 / math.sqrt(12))
    assert gap.p == pytest.approx(2 * stats.t.sf(0.4 / (gap.sd / math.sqrt(2)), 1))
    assert gap.half_width == pytest.approx(gap.sd / math.sqrt(2) * stats.t.ppf(0.975, 1))
    same = difference([0.0, 1e-14, 0.0], resolution=0.2)
    assert (same.mean, same.p) == (0, 1)
    assert -0.15 < same.low < 0 < same.high < 0.15
    wide = difference([0.4, 1.4, 2.4], resolution=0.2)
    assert (wide.sd, wide.p) == pytest.approx((1, difference([0.4, 1.4, 2.4]).p))


@pytest.mark.parametrize("gap", [0, 1e-14, 0.5, 1e-3])
def test_rounding_noise_is_never_an_effect(gap):
    noise = np.array([1, -1, 2, 0]) * 1e-14  # what is left of 71.3 - 70.8 and the like
    d = difference(gap + noise, scale=71.3)
    assert d.p == 1
    assert math.isnan(d.sd)
    assert verdict(d, 10) == verdict(d) == "cannot be told"
    assert "no interval" in str(d)
    arms = pd.DataFrame(
        {"method": ["a"] * 4 + ["b"] * 4, "seed": [*range(4)] * 2, "mae": [*(71.3 + gap + noise), *[71.3] * 4]}
    )
    assert paired(arms, "a", "b", "mae").p == 1
    assert difference(np.array([1, -1, 2.0]) * 1e-14).p > 0.1  # small by itself is not noise


def test_curves_of_equal_areas_are_equal_whatever_their_sums_are_rounded_to():
    rises, falls = [50, 60.1, 70.3, 80.7], [50, 60.2, 70.2, 80.8]  # equal areas: the steps cancel in the trapezoids
    frame = results({(m, s): [v + s * 0.1 for v in curve] for m, curve in (("a", rises), ("b", falls)) for s in (0, 1)})
    d = paired(frame, "a", "b")
    assert (d.mean, d.p) == (0, 1)
    assert verdict(d) == "cannot be told"
    assert verdict(d, 0.3) == "equivalent"
    up = paired(frame.assign(accuracy=frame["accuracy"] + (frame["method"] == "a") * 0.01), "a", "b")
    assert up.mean == pytest.approx(0.01)
    assert up.p == pytest.approx(difference([0.01, 0.01], resolution=0.01 / 4).p)  # one image at each cycle, twice
    assert 0.01 < up.p < 0.05


SHARED, OWN, IMAGES = 450, 50, 500


def null_gaps(rng, ledgers, claims, seeds):
    """(ledgers, claims, seeds) gaps of areas of two arms that are equally good: four accuracies each on 500 test
    images. A seed and a run have a level of their own; of nine images in ten both models say the same."""
    shape = (ledgers, claims, seeds)
    level = np.array([0.66, 0.72, 0.76, 0.79]) + rng.normal(0, 0.02, (*shape, 1, 1))
    alike = rng.binomial(SHARED, level)
    apart = rng.binomial(OWN, level + rng.normal(0, 0.004, (*shape, 2, 1)))
    areas = (alike + apart) * 100 / IMAGES @ (np.array([1, 2, 2, 1]) / 6)
    return areas[..., 0] - areas[..., 1]


def p_values(gaps, resolution, floor):
    """Two-sided p over the last axis, of many differences at once; floor: the least deviation."""
    gaps = np.round(gaps / resolution) * resolution
    sd = np.maximum(gaps.std(-1, ddof=1), floor)
    sd[sd < 1e-9] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(gaps.mean(-1)) / (sd / math.sqrt(gaps.shape[-1]))
    return np.where(np.abs(gaps.mean(-1)) < 1e-9, 1.0, 2 * stats.t.sf(t, gaps.shape[-1] - 1))


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_of_ledgers_without_any_effect_one_in_twenty_says_something_false(seeds):
    ledgers, claims = 2000, 20
    step = statistics.aubc_resolution([200, 300, 400, 500], 100 / IMAGES)
    gaps = null_gaps(np.random.default_rng(seeds), ledgers, claims, seeds)
    assert 0.3 < gaps.std() < 0.7  # the pilot's was 0.6
    ours = p_values(gaps, step, step / math.sqrt(12))
    for values, p in zip(gaps[:20].reshape(-1, seeds), ours[:20].ravel()):
        assert difference(values, resolution=step).p == pytest.approx(p, abs=1e-12)
    # where no claim is true, Holm says something false exactly where the least p is at most 0.05 / claims
    said = ours.min(1) <= 0.05 / claims
    for i in [*range(10), *np.flatnonzero(said)[:10]]:
        family = holm_intervals([difference(values, resolution=step) for values in gaps[i]])
        assert any(verdict(d) in ("holds", "reversed") for d in family) == said[i]
    false = said.mean()
    error = math.sqrt(0.05 * 0.95 / ledgers)  # 0.5 %
    assert false <= 0.05 + 2 * error
    if seeds == 2:  # the rule before, a deviation of the gaps alone, at the size that has equal gaps most often
        assert (p_values(gaps, step, 0).min(1) <= 0.05 / claims).mean() > 0.25


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("spread", [0.5, 1, 2, 10])
def test_a_coarse_metric_is_no_more_certain(seeds, spread):
    gaps = np.round(np.random.default_rng(seeds).normal(0, spread, (2000, 20, seeds)))  # in steps
    false = (p_values(gaps, 1.0, 1 / math.sqrt(12)).min(1) <= 0.05 / 20).mean()
    assert false <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 2000)


def test_no_comparator_is_against_zero():
    frame = pd.DataFrame({"method": "a", "seed": [0, 1, 2], "slope": [-1.0, -2, -3]})
    d = paired(frame, "a", value="slope")
    assert d.p == pytest.approx(stats.ttest_1samp([-1, -2, -3], 0).pvalue)
    assert d.mean == -2


def test_paired_refuses_two_datasets_and_two_values_for_a_seed():
    two = pd.concat([results({("a", 0): [1, 2]}), results({("a", 0): [1, 2]}, dataset="digits")])
    with pytest.raises(BadRequest, match="within one dataset"):
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
    equal = "holds" if said == "equivalent" else "reversed" if low > 0.3 else "cannot be told"
    assert verdict(interval(low, high), 0.3, "equal") == verdict(interval(-high, -low), 0.3, "equal") == equal


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


def test_equivalence_is_held_for_each_claim_and_not_for_the_family():
    rng = np.random.default_rng(8)
    single = [verdict(difference(rng.normal(0.3, 0.2, 10)), 0.3) for _ in range(2000)]
    assert 0.018 < single.count("equivalent") / 2000 < 0.035  # 2.5 %: the effect is as large as what matters
    families = [holm_intervals([difference(rng.normal(0.3, 0.2, 10)) for _ in range(20)]) for _ in range(400)]
    false = np.mean([any(verdict(d, 0.3) == "equivalent" for d in family) for family in families])
    assert 0.1 < false < 0.22  # 15.6 % of 20,000 such families
    assert not any(verdict(d, 0.3) == "reversed" for family in families for d in family)


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


def test_what_is_better_stands_first_in_either_direction():
    curves = {("good", 0): [9, 5, 4], ("bad", 0): [9, 8, 7], ("random", 0): [9, 7, 6]}
    for frame, order in (
        (results(curves), ["bad", "random", "good"]),
        (errors(curves), ["good", "random", "bad"]),
        (errors(curves, dataset="misnamed", metric="accuracy"), ["good", "random", "bad"]),
    ):
        table = statistics.summary(frame)
        assert table[table["cycle"] == 2]["method"].tolist() == order
        assert table["mean"].notna().all()
        assert list(statistics.pairwise(frame)["mean"]) == order
        assert statistics.pairwise(frame)["mean"].loc["good", "bad"] == -3  # a difference keeps its sign
        assert statistics.overview(frame)["method"].tolist() == order


def test_labels_saved_cross_downwards_where_lower_is_better():
    frame = errors(
        {("margin", 0): [9, 7, 5], ("random", 0): [9, 8, 6, 4], ("margin", 1): [9, 7, 3], ("random", 1): [9, 8, 6, 4]}
    )
    saved = statistics.labels_saved(frame, "margin")
    assert saved["needed"].tolist() == [225, 250]  # 6 at 200 labels, 4 at 250
    assert saved["bound"].tolist() == ["", ">="]
    assert saved["final"].tolist() == [5, 3]
    worse = statistics.labels_saved(errors({("margin", 0): [9, 9, 9.5], ("random", 0): [9, 8, 6]}), "margin")
    assert worse["bound"].tolist() == ["<="]
    assert len(statistics.labels_saved(frame, "margin", "absent")) == 0


# --- overview -----------------------------------------------------------------------------------------------


def test_the_overview_of_a_hand_worked_grid():
    curves = {("random", 0): [50, 60, 70, 74], ("random", 1): [50, 62, 72, 74], ("m", 0): [50, 61, 75], ("m", 1): [50, 65, 73]}
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
    assert best.saved == ">= 38 labels (n = 2, 1 never got there)"  # 50, where it stopped, and 25
    assert math.isnan(random.gain)
    assert math.isnan(random.choosing)
    assert random.saved == ""


@pytest.mark.parametrize(
    ("random", "m", "saved"),
    [
        ([50, 60, 70, 74], 75, ""),  # only where Random stopped
        ([50, 60, 70], 75, ""),
        ([50, 60, 70], 65, ""),  # with no further cycle labels can only be lost
        ([50, 60, 70, 74], 65, "-25 labels (n = 1)"),
        ([50, 60, 70, 80], 75, "25 labels (n = 1)"),
    ],
)
def test_labels_saved_are_left_out_where_they_say_nothing(random, m, saved):
    table = statistics.overview(results({("random", 0): random, ("m", 0): [50, 61, m]})).set_index("method")
    assert table.loc["m", "saved"] == saved


def test_a_gain_is_an_improvement_in_either_direction():
    rng = np.random.default_rng(2)
    curves = {(m, s): [9, 8 - g + rng.normal(0, 0.1), 7 - g] for m, g in (("m", 1), ("random", 0)) for s in range(4)}
    best, last = statistics.overview(errors(curves)).itertuples()
    higher = {run: [100 - v for v in curve] for run, curve in curves.items()}
    mirrored, _ = statistics.overview(results(higher)).itertuples()
    assert (best.method, last.method) == ("m", "random")
    assert best.gain_low < best.gain < best.gain_high
    assert (best.gain, best.gain_low, best.gain_high) == pytest.approx(
        (mirrored.gain, mirrored.gain_low, mirrored.gain_high), abs=0.01
    )
    assert best.aubc == pytest.approx(100 - mirrored.aubc, abs=0.01)


@pytest.mark.parametrize("make", [results, errors])
def test_an_overview_needs_no_random_and_no_second_seed(make):
    curves = {("margin", 0): [50, 60, 70], ("entropy", 0): [50, 61, 72], ("random_again", 0): [50, 60, 69]}
    table = statistics.overview(make(curves))
    order = ["entropy", "margin", "random_again"]
    assert table["method"].tolist() == (order if make is results else order[::-1])
    assert table[["gain", "gain_low", "gain_high", "aubc_low"]].isna().all(axis=None)
    assert set(table["saved"]) == {""}
    assert table["seeds"].tolist() == [1, 1, 1]
    assert statistics.baseline_of(make(curves)) is None
    with_random = make(curves | {("random", 0): [50, 60, 70]})
    assert statistics.baseline_of(with_random) == "random"
    assert statistics.overview(with_random)["gain"].notna().sum() == 3
    assert statistics.overview(with_random.drop(columns="kind"))["choosing"].isna().all()
    assert statistics.overview(with_random, "absent")["gain"].isna().all()


def test_where_no_run_is_finished_tables_are_empty():
    frame = results({("margin", 0): [50, 60, math.nan], ("random", 0): [50, math.nan]})
    with pytest.warns(statistics.Incomplete):
        assert len(statistics.overview(frame)) == 0
    assert statistics.summary(frame[:0])["mean"].tolist() == []


def test_seconds_go_on_where_a_run_goes_on():
    """A further run counts its steps anew: what it spent is added to what the run before it had."""
    about = {"study": "label_dispersion", "dataset": "d", "world": True, "method": "random", "seed": 0}
    frame = pd.DataFrame(
        [about | {"key": key, "step": step, "kind": "test", "cycle": cycle, "labelled": 10 * cycle, "accuracy": 50.0 + cycle}
         for key, step, cycle in (("a", 0, 0), ("a", 1, 1), ("a", 2, 2), ("b", 1, 3), ("b", 2, 4))]
        + [about | {"key": key, "step": step, "kind": "timing", "seconds": seconds}
           for key, step, seconds in (("a", 0, 1.0), ("a", 1, 2.0), ("a", 2, 4.0), ("b", 0, 0.5), ("b", 1, 8.0), ("b", 2, 16.0))]
    )  # fmt: skip
    rows = statistics.test_rows(frame)
    assert statistics._spent(frame, rows, "seconds").tolist() == [1.0, 3.0, 7.0, 15.5, 31.5]


def test_seeds_on_a_published_list_of_samples_are_no_sample():
    frame = noisy({"random": 0, "margin": 2}, 4, np.random.default_rng(0), race="few")
    listed = frame.assign(published_list="theirs@01234567")
    plain, one = (paired(rows, "margin", "random") for rows in (frame, listed))
    assert (one.mean, one.n, plain.low > 0) == (plain.mean, 4, True)
    assert math.isnan(one.low)
    assert math.isnan(one.at(0.99).half_width)
    assert paired(endpoint(listed), "margin", "random").mean == one.mean
    assert math.isnan(paired(endpoint(listed), "margin", "random").half_width)
    assert statistics.pairwise(endpoint(listed))["half_width"].isna().all().all()
    assert statistics.pairwise(endpoint(listed))["n"].loc["margin", "random"] == 4
    over = statistics.overview(listed)
    assert over[["aubc_low", "gain_low"]].isna().all().all()
    assert "published_list" not in endpoint(frame)
