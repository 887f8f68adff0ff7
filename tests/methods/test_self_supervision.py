"""Chapter 5: its strategy and its rule by hand, which runs it asks for, what it refuses, what it audits."""

from __future__ import annotations

import math

import pandas
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alnb import claims, datasets, published
from alnb.acquisition import get
from alnb.audits import self_supervision as audits
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.methods import pretraining_gain
from alnb.methods import self_supervision as ch5
from alnb.runs import Run
from alnb.store import Store
from tests import test_any_parameters as any_parameters
from tests.acquisition.toy_view import toy_view
from tests.result_frames import results

PRETRAINING = {"dataset": "digits", "arms": ["simsiam"], "network": "small", "width": 16, "bottleneck": 4, "epochs": 1,
               "batch": 32}  # fmt: skip
FEW = {"dataset": "digits", "seeds": 2, "budgets": [5, 10], "arms": ["random", "entropy"]}
SCRATCH = {"like": "few", "task": "images", "network": "small", "epochs": 2, "lr": 0.05, "budgets": [10]}
MIXTURES = {"datasets": ["features-10"], "per_class": [2], "pool": 0}
SMALL = {"pool": 300, "cycles": 1, "epochs": 5}

# --- the strategy and the rule ------------------------------------------------------------------------------------------------


def test_the_least_margin_by_hand():
    decisions = torch.tensor([[1.5, -1.2, -0.9], [0.2, -0.1, -2.0], [0.6, -1.0, -0.5]])
    assert ch5.svm_min_margin(toy_view(U=3, C=3).replaced(decisions=decisions)).tolist() == pytest.approx(
        [-0.9, -0.1, -0.5]
    )


@pytest.mark.parametrize(
    ("gains", "where"),
    [
        ([-2, -1, 1, 3], 8.0),  # half way, on a log scale, between 4 and 16
        ([-3, 1, 2, 3], 4**0.75),  # three quarters of the way from 1 to 4
        ([1, -1, 1, 3], 8.0),  # the last crossing counts
        ([1, 2, 3, 4], 0.0), ([1, 2, 3, -1], math.inf), ([-1, -1, -1, -1], math.inf),
        ([-1, 0, 2, 3], 4.0),  # no gain at 4 itself
        ([-1, 2, 0, 3], 16.0),
    ],
)  # fmt: skip
def test_thresholds_of_curves_made_by_hand(gains, where):
    assert ch5.crossing([1, 4, 16, 64], gains) == pytest.approx(where)


@given(st.lists(st.floats(-5, 5).filter(lambda gain: abs(gain) > 1e-6), min_size=2, max_size=8), st.floats(0.01, 3))
def test_a_larger_gain_never_raises_the_threshold(gains, more):
    budgets = [2.0**i for i in range(len(gains))]
    low, high = ch5.crossing(budgets, [gain + more for gain in gains]), ch5.crossing(budgets, gains)
    assert low <= high * (1 + 1e-9)
    assert low == 0 or low == math.inf or budgets[0] <= low <= budgets[-1]


@pytest.mark.parametrize("budgets", [[1], [1, 1], [2, 1], [0, 1], [1, 2, 3]])
def test_budgets_that_do_not_ascend_are_refused(budgets):
    with pytest.raises(BadRequest, match="two at least, ascending"):
        ch5.crossing(budgets, [1, 2])


def test_the_interval_of_a_threshold_is_where_the_ends_of_the_gains_cross():
    rows = [("w", 10, "entropy", b, g, g - 1, g + 1) for b, g in ((4, -0.5), (1, -2), (16, 1.5), (64, 3))]
    frame = pandas.DataFrame(rows, columns=["dataset", "classes", "method", "per_class", "gain", "low", "high"])
    (row,) = ch5.thresholds(frame).itertuples()
    assert (row.budget, row.low) == (pytest.approx(4 * 4**0.25), pytest.approx(4 ** (1 / 1.5)))
    assert row.high == pytest.approx(4 * 4**0.75)  # low ends: -1.5 at 4, +0.5 at 16
    assert row.low < row.budget < row.high
    assert ch5.thresholds(frame.head(1)).empty
    (alone,) = ch5.thresholds(frame.assign(low=math.nan, high=math.nan)).itertuples()  # one seed
    assert alone.budget == row.budget
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)


def test_a_correlation_and_its_chance():
    assert ch5.correlation([1, 2, 3, 4], [2, 4, 6, 8]) == (pytest.approx(1.0), pytest.approx(0.0, abs=1e-6))
    r, p = ch5.correlation([10, 100, 200], [50, 90, 250])
    t = r / math.sqrt(1 - r * r)  # one degree of freedom: Cauchy
    assert p == pytest.approx(1 - 2 / math.pi * math.atan(t))
    assert math.isnan(ch5.correlation([1, 2], [1, 2])[1])
    assert math.isnan(ch5.correlation([1, 1, 1], [1, 2, 3])[0])


# --- which runs -------------------------------------------------------------------------------------------------------------


def grid(**changed):
    return ch5.grid(**{"pretraining": PRETRAINING, "few": FEW, "scratch": SCRATCH, **SMALL} | changed)


def test_one_encoder_serves_all_seeds_races_and_heads():
    made = grid(svm={"like": "few", "head": "svm", "arms": ["random", "svm_min_margin"]})
    heads = [run for run in made if run.study == ch5.STUDY.name and run.options.task == "features"]
    (encoder,) = {run.needs["encoder"].key for run in heads}
    assert encoder == made[0].key
    assert {run.seed for run in heads} == {0, 1}
    assert all(run.needs["cycle_0"].needs["encoder"].key == encoder for run in heads)
    scratch = [run for run in made if run.race.startswith("scratch")]
    assert scratch
    assert not any("encoder" in run.needs for run in scratch)
    assert {ch5.network(run) for run in scratch} == {"small"}
    assert {ch5.network(run) for run in heads} == {"linear head on SimSiam, small", "linear SVM on SimSiam, small"}


def test_the_encoder_sees_the_pool_of_its_race():
    many = {"like": "few", "dataset": "glyphs-10", "pool": 500}
    pools = {run.race: run.needs["encoder"].options.pool for run in grid(many=many, scratch={}) if run.study == ch5.STUDY.name}
    assert pools == {"few 5%": 300, "few 10%": 300, "many 5%": 500, "many 10%": 500}
    assert grid()[0].options.pool == 300


def test_every_encoder_that_a_head_stands_on_is_listed_whatever_the_arms_are():
    many = {"like": "few", "dataset": "glyphs-10", "pool": 500}
    made = grid(many=many, pretraining=PRETRAINING | {"arms": ["simsiam(predictor=False)"]}, scratch={})
    listed = [run for run in made if run.race == "pretraining"]
    assert [(run.dataset, run.arm or run.method) for run in listed] == [
        ("digits", "simsiam(predictor=False)"), ("digits", "simsiam"), ("glyphs-10", "simsiam")]  # fmt: skip
    assert {run.needs["encoder"].key for run in made if run.study == ch5.STUDY.name} == {run.key for run in listed[1:]}
    assert len([run for run in grid() if run.race == "pretraining"]) == 1  # no encoder twice


def test_a_budget_is_a_race_and_as_many_labels_first_as_in_each_cycle():
    sizes = {run.race: (run.options.initial, run.options.budget) for run in grid() if run.race != "pretraining"}
    assert sizes == {"few 5%": (15, 15), "few 10%": (30, 30), "scratch 10%": (30, 30)}
    classes = {"datasets": ["features-10", "features-20"], "per_class": [2, 5], "arms": ["random"], "encoder": "given"}
    made = ch5.grid(classes=classes, cycles=1)
    assert {run.race: run.options.initial for run in made} == {
        "features-10 x 2": 20, "features-10 x 5": 50, "features-20 x 2": 40, "features-20 x 5": 100}  # fmt: skip
    assert all(run.options.initial_labels == "balanced" for run in made)


def test_a_budget_may_differ_from_the_others_in_its_arms():
    few = FEW | {"budgets": [5, 10], "at": {"10": {"arms": ["random"], "seeds": 1}}}
    made = grid(few=few, scratch={})
    assert {(run.race, run.method) for run in made if run.race != "pretraining"} == {
        ("few 5%", "random"), ("few 5%", "entropy"), ("few 10%", "random")}  # fmt: skip
    assert {run.seed for run in made if run.race == "few 10%"} == {0}
    classes = {"datasets": ["features-10", "features-20"], "per_class": [2, 5], "arms": ["random"], "encoder": "given"}
    made = ch5.grid(classes=classes | {"at": {"features-20": {"per_class": [3]}}}, cycles=1)
    assert {run.race for run in made} == {"features-10 x 2", "features-10 x 5", "features-20 x 3"}


def test_the_head_as_it_stands_is_the_chapters():
    o = ch5.Settings()
    assert (o.lr, o.schedule, o.epochs, o.weight_decay, o.momentum, o.batch, o.svm_c) == (
        30,
        "cosine",
        100,
        0,
        0.9,
        256,
        5,
    )
    assert not o.standardise


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"pretraining": {}}, "few 5%: encoder = 'run' is that of the race pretraining, which is left out"),
        ({"few": FEW | {"budgets": []}}, "few: budgets = \\[\\]: expected a list"),
        ({"few": FEW | {"budgets": [5, 5]}}, "expected a list of different ones"),
        ({"few": FEW | {"budgets": [0.1]}}, "0.1 % of a pool of 300: expected one label"),
        ({"few": FEW | {"budgets": [120]}}, "120 % of a pool"),
        ({"few": FEW | {"budgets": [60]}}, "more than the pool's 300"),
        ({"few": FEW | {"arms": ["svm_min_margin"]}}, "svm_min_margin needs the decisions of an SVM"),
        ({"scratch": SCRATCH | {"arms": ["svm_min_margin"]}}, "needs the decisions of an SVM"),
        ({"classes": {"datasets": ["features-10"], "arms": ["random"]}}, "classes: per_class = None"),
        ({"classes": MIXTURES | {"arms": ["vaal"], "encoder": "given"}}, "looks at images"),
        ({"classes": MIXTURES | {"arms": ["random"]}}, "SimSiam wants images"),
        ({"pretraining": PRETRAINING | {"crop": 3}}, "crop = 3.0: expected 0 to 1"),
        ({"few": FEW | {"arms": ["entropy(further=2)"]}}, "only the plain random and random_again go further"),
        ({"few": FEW | {"arms": ["all_data(lr=2.0)"]}}, "all_data takes seeds"),
        ({"images": [300]}, "300 is not in the pool of 300"),
        ({"pretraining": {"seeds": 2, "width": 16}}, "pretraining: no dataset, in seeds, width"),
        ({"pretraining": PRETRAINING | {"dataset": ""}}, "race pretraining, which is left out"),
        ({"few": FEW | {"initial": 50}}, "few: initial = 50: budgets says it"),
        ({"few": FEW | {"budget": 50}}, "few: budget = 50: budgets says it"),
        ({"few": FEW | {"at": {"7": {"seeds": 1}}}}, "few: at has '7'; accepted: 5, 10"),
        ({"few": FEW | {"at": {"5": {"budget": 9}}}}, "few: budget = 9: budgets says it"),
        ({"classes": MIXTURES | {"arms": ["random"], "encoder": "given", "initial": 7}}, "classes: initial = 7: per_class says it"),
        ({"few": FEW | {"budgets": [5, 5.0000001]}}, "few: budgets = .*: two of them are 5 %"),
        ({"few": FEW | {"arms": ["vaal(steps=-1)"]}}, "vaal: steps = -1; accepted: a whole number from 1"),
        ({"few": FEW | {"initial_labels": "latent_k_center(first=0)"}},
         "latent_k_center: first = 0; accepted: a whole number from 1"),
        ({"few": FEW | {"initial_labels": "latent_k_center(steps=-1)"}},
         "latent_k_center: steps = -1; accepted: a whole number from 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_runs(changed, says):
    with pytest.raises(BadRequest, match=says) as refused:
        grid(**changed)
    assert "\n" not in str(refused.value)


def test_a_network_of_a_race_is_that_of_its_training_from_scratch_and_not_the_heads():
    plain = {run.key for run in grid(scratch={})}
    assert {run.key for run in grid(few=FEW | {"network": "small"}, scratch={})} == plain


def test_everything_left_out_is_refused():
    with pytest.raises(BadRequest, match="every race is left out"):
        ch5.grid()


def test_heads_learn_from_a_frozen_network_and_svms_have_decisions(tmp_path, monkeypatch):
    monkeypatch.setenv("ALNB_DATA", str(tmp_path / "data"))
    arms = ["random", "vaal(steps=2, batch=8, width=2, latent=4)"]  # the adversary looks at images, the head at features
    few = {"dataset": "digits", "seeds": 1, "budgets": [10], "arms": arms}
    made = ch5.grid(pretraining=PRETRAINING, few=few, svm={"like": "few", "head": "svm", "arms": ["random", "svm_min_margin"]},
                    pool=300, cycles=1, epochs=40, lr=1.0)  # fmt: skip
    store = Store(tmp_path / "store")
    assert not drive(made, store, workers=1).failed
    for run in made[1:]:
        first, second = (row["accuracy"] for row in store.read(run).rows if row["kind"] == "test")
        assert second > 50  # ten classes; a network nobody trained
        assert run.seed == 0
        assert first > 30


# --- audit and claims -------------------------------------------------------------------------------------------------------------


def test_the_audit_finds_what_three_points_cannot_show():
    table = published.audit("thesis", "5", checks=audits.CHECKS)
    by = table.set_index("check")
    (correlation,) = table[table["check"].str.contains("correlation")].itertuples()
    assert not correlation.agrees
    assert correlation.computed == pytest.approx(99.692, abs=1e-3)  # of the table of critical r, one degree of freedom
    assert "p = 0.09" in correlation.note
    assert by.loc["Fig. 5.3: labels saved by pre-training, cifar-10", "computed"] == 10_000
    assert by.loc["Fig. 5.3: rank, cifar-10, entropy", "computed"] == 1
    assert by.loc["Table 5.1: least gain of pre-training, points", "computed"] == pytest.approx(0.3)


def test_the_audit_holds_the_budgets_of_the_text_against_each_other():
    table = published.audit("thesis", "5", checks=audits.CHECKS)
    by = table.set_index("check")
    low = "from which budget active learning gains, {}; low is under 2 %"
    assert not by.loc[f"Fig. 5.3: {low.format('cifar-10')}", "agrees"]  # gains from 1 % on, and yet 1 % is low
    assert by.loc[f"Fig. 5.4: {low.format('cifar-100')}", "agrees"]
    same = by.loc["Fig. 5.6: labels a class from which active learning gains, cifar-100 above cifar-10"]
    assert (same["printed"], same["computed"], bool(same["agrees"])) == (50, 50, False)
    ends = table[table["check"].str.contains("catches up")]
    assert ends["computed"].tolist() == [50, 50]
    assert ends["agrees"].all()
    failing = table[~table["agrees"].astype(bool)]
    assert len(failing) == 3


def test_what_pretraining_gains_is_paired_with_the_same_strategy_from_scratch():
    about = {"study": "self_supervision", "dataset": "digits", "world": True}
    few = results(
        {("random", 0): [0, 60, 70], ("entropy", 0): [0, 50, 60], ("random", 1): [0, 80, 90]}, race="few 1%", **about
    )
    scratch = results({("random", 0): [0, 40, 40], ("entropy", 0): [0, 20, 40]}, race="scratch 1%", **about)
    other = results({("random", 0): [0, 1, 1]}, race="scratch 2%", **about)
    frame = pandas.concat([few, scratch, other])
    found = pretraining_gain.claimed(frame)["test.gain_of_pretraining"](None)
    assert found.to_dict() == {
        ("few 1%", "digits", True, "random", 0): pytest.approx(25), ("few 1%", "digits", True, "entropy", 0): pytest.approx(25)
    }  # fmt: skip


ABOUT = {"study": "self_supervision", "dataset": "digits", "world": True}


def test_what_pretraining_gains_is_of_the_cycles_that_both_races_reached():
    few = results({("entropy", 0): [0, 50, 60, 70]}, race="few 1%", **ABOUT)
    running = results({("entropy", 0): [0, 20, 40]}, race="scratch 1%", **ABOUT)  # one cycle short
    gain = pretraining_gain.gain_of_pretraining(pandas.concat([few, running]))
    assert gain.tolist() == [pytest.approx(25)]  # 55 - 30; a whole curve of 60 less a shorter one's 30 would be 30
    first = running[running["cycle"] == 0]
    assert pretraining_gain.gain_of_pretraining(pandas.concat([few, first])).empty
    other = results({("entropy", 0): [0, 20, 40]}, race="scratch 1%", labelled=[7, 14, 21], **ABOUT)
    assert pretraining_gain.gain_of_pretraining(pandas.concat([few, other])).empty  # areas over other labels


def test_the_gain_of_pretraining_falls_by_what_it_was_at_one_percent_less_what_it_is():
    parts = [("few 1%", 60), ("scratch 1%", 20), ("few 10%", 80), ("scratch 10%", 70), ("many 10%", 50), ("many_scratch 10%", 49)]
    frame = pandas.concat([results({("entropy", 0): [0, at, at], ("random", 1): [0, at, at]}, race=race, **ABOUT)
                           for race, at in parts])  # fmt: skip
    found = pretraining_gain.claimed(frame)["test.fall_of_the_gain"](None)
    assert found.to_dict() == {("few 10%", "digits", True, "entropy", 0): 30, ("few 10%", "digits", True, "random", 1): 30}
    assert pretraining_gain.fall_of_the_gain(frame[frame["race"] != "scratch 1%"]).empty
    asked = claims.read("03_self_supervision")
    row = claims.ledger(frame, asked, special=pretraining_gain.claimed(frame)).set_index("id").loc["thesis-5-10"]
    assert (row.difference, row.seeds) == (30, 1)


def test_claims_stand_at_the_budgets_of_their_sentences():
    """5.5: less than 1 %, from 1 % onward, low is lower than 2 %; a stand-in is asked what it has, and says so."""
    table = claims.read("03_self_supervision")
    real = table[table["planned_seeds"].notna()]
    percent = real["race"].str.extract(r"([\d.]+)%")[0].astype(float)
    text = real["quote"]
    low = float(published.published("thesis", "sec. 5.5").query("setting == 'regime=low'")["value"].iloc[0])
    assert low == 2
    assert (percent[text.str.contains("less than 1%")] < 1).all()
    assert sorted(set(percent[text.str.contains("from 1% budget onward")])) == [1, 2, 10]
    assert (percent[text.str.contains("low budget|low labeling budget")] < low).all()
    ten = real["race"].str.startswith("few ")  # CIFAR-10, where from 1 % on active learning is said to gain
    assert (percent[ten & text.str.contains("low labeling budget")] < 1).all()
    assert {"many 1%", "many_scratch 1%"} <= set(real.loc[text.str.contains("regardless of using self-training"), "race"])
    alone = table[table["planned_seeds"].isna()]
    assert alone["note"].str.startswith("stand-in regime, of no real data").all()
    for one in table[table["metric"] == "aubc"].itertuples():
        assert one.band == pytest.approx(min(0.3, one.published_effect / 2) if one.published_effect > 0 else 0.3)


def test_the_strategy_is_in_the_catalogue_and_named_in_the_text():
    assert get("svm_min_margin").needs == ("decisions",)
    assert isinstance(Run("self_supervision", "digits", "random", 0).options, ch5.Settings)
    assert not datasets.info("features-10").images


# --- the notebook on other parameters -------------------------------------------------------------------------------------------

TINY = {
    "pretraining": PRETRAINING | {"pool": 100}, "few": FEW | {"seeds": 1, "budgets": [10]}, "svm": {}, "scratch": {},
    "classes": {}, "pool": 200, "cycles": 1, "epochs": 5, "images": [0],
}  # fmt: skip


@pytest.mark.parametrize(
    "overrides",
    [
        {"few": {}, "images": [], "pretraining.arms": ["simsiam(predictor=False)"]},  # pre-training alone
        {"pretraining": {}, "few": {"dataset": "features-10", "encoder": "given", "budgets": [2], "arms": ["margin"]}},
        {"svm": {"like": "few", "head": "svm", "arms": ["svm_min_margin"]}, "few.arms": ["k_center"], "cycles": 0},
    ],
)
def test_the_notebook_runs_to_its_end_whatever_is_asked(overrides, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ALNB_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(any_parameters.SMALL, "03_self_supervision", TINY)
    run = any_parameters.test_it_runs_to_its_end_and_saves_what_can_be_drawn
    run("03_self_supervision", overrides, tmp_path, monkeypatch, capsys)
