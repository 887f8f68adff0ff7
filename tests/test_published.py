"""alnb.published: the files as printed, ours beside them, and the audit against arithmetic done by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alnb import published
from alnb.errors import BadRequest
from alnb.methods.label_dispersion import granularity
from tests import result_frames
from tests.result_frames import errors

TABLE = published.published("thesis", "Table 3.1")


def results(dataset, world, arms, labelled, seeds=3):
    """Arms that gain five points a cycle, from 70 and one more for each seed, and `arms[method]` from cycle 1 on."""
    curves = {
        (method, seed): [70 + 5 * cycle + gain * bool(cycle) + seed for cycle in range(len(labelled))]
        for method, gain in arms.items()
        for seed in range(seeds)
    }
    return result_frames.results(curves, dataset, world, labelled)


FULL = [5000, 7500, 10000, 12500, 15000]


# --- files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", sorted(path.stem for path in (published.DATA / "published").glob("*.csv")))
def test_every_source_is_complete_numbers_once_each(source):
    frame = published.published(source)
    assert np.isfinite(frame["value"]).all()
    assert (frame["paper"] == source).all()
    assert (frame[["artefact", "metric"]] != "").all().all()
    assert not frame.duplicated(["artefact", "dataset", "method", "setting", "metric"]).any()
    assert published.audit(source)["agrees"].isin([True, False]).all()


def test_table_3_1_is_whole():
    accuracy = TABLE[TABLE["metric"] == "accuracy"]
    assert len(TABLE) == 2 * 8 * 2
    assert set(TABLE["metric"]) == {"accuracy", "relative accuracy"}
    assert accuracy.groupby("dataset")["value"].sum().round(2).to_dict() == {"cifar-10": 720.0, "cifar-100": 490.99}
    relative = TABLE[(TABLE["metric"] == "relative accuracy") & (TABLE["method"] != "all_data")]
    assert relative.groupby("dataset")["value"].sum().round(2).to_dict() == {"cifar-10": 669.15, "cifar-100": 562.68}
    assert set(accuracy["decimals"]) == {2}


def test_text_without_numbers_stays_text():
    frame = published.published("thesis")
    assert not frame.drop(columns=["value", "decimals"]).isna().any().any()
    assert published.settings("labelled=15000; network=resnet18;") == {"labelled": "15000", "network": "resnet18"}
    assert published.settings("") == {}


def test_unknown_names_are_refused_with_what_there_is():
    with pytest.raises(BadRequest, match="thesis"):
        published.published("theses")
    with pytest.raises(BadRequest, match=r"Table 3\.1"):
        published.published("thesis", "Table 3.2")


# --- beside -------------------------------------------------------------------------------------------------


def test_a_difference_is_taken_where_dataset_network_and_labels_match():
    ours = results("cifar-10", False, {"random": 0, "dispersion": 2}, FULL)
    table = published.beside(TABLE, ours, network="resnet18")
    row = table[(table["dataset"] == "cifar-10") & (table["method"] == "dispersion")].iloc[0]
    assert (row.ours, row.sd, row.n, row.ran_on, row.data, row.labelled) == (93, 1, 3, "cifar-10", "real", 15000)
    assert row.difference == pytest.approx(93 - 90.74)
    assert row.why == ""
    assert row.published_gain == pytest.approx(3.09)
    assert row.our_gain == pytest.approx(2)
    assert row.sign == "same"


@pytest.mark.parametrize(
    ("ours", "network", "why"),
    [
        (results("cifar-10", False, {"random": 0, "dispersion": 2}, FULL), "small", "network small, printed resnet18"),
        (results("cifar-10", False, {"random": 0, "dispersion": 2}, FULL), None, "network not stated"),
        (
            results("cifar-10", False, {"random": 0, "dispersion": 2}, [1000, 1500]),
            "resnet18",
            "1,500 labels, printed 15000",
        ),
        (results("glyphs-10", True, {"random": 0, "dispersion": 2}, FULL), "resnet18", "stand-in, not cifar-10"),
        (results("cifar-10", False, {"random": 0}, FULL), "resnet18", "not run"),
        (pd.DataFrame(), "resnet18", "not run"),
    ],
)
def test_else_the_difference_is_blank_and_the_reason_is_given(ours, network, why):
    table = published.beside(TABLE, ours, network=network, stand_ins={"glyphs-10": "cifar-10"})
    row = table[(table["dataset"] == "cifar-10") & (table["method"] == "dispersion")].iloc[0]
    assert math.isnan(row.difference)
    assert why in row.why
    assert row.data == ("stand-in" if "stand-in" in why else "" if why == "not run" else "real")
    if why != "not run":
        assert row.our_gain == pytest.approx(2)
        assert row.sign == "same"


def test_signs_and_order_of_gains_are_compared_among_what_both_have():
    ours = results("glyphs-10", True, {"random": 0, "dispersion": -1, "margin": 3, "k_center": 1}, [100, 150, 200])
    further = results("glyphs-10", True, {"random": 0}, [100, 150, 200, 250, 300])
    ours = pd.concat([ours[ours["method"] != "random"], further])
    table = published.beside(TABLE, ours, stand_ins={"glyphs-10": "cifar-10"})
    table = table[table["dataset"] == "cifar-10"].set_index("method")
    assert table.loc[["dispersion", "margin", "k_center"], "sign"].tolist() == ["opposite", "same", "same"]
    assert table.loc[["dispersion", "margin", "k_center"], "published_rank"].tolist() == [1, 2, 3]
    assert table.loc[["dispersion", "margin", "k_center"], "our_rank"].tolist() == [3, 1, 2]
    assert table.loc["random", "labelled"] == 200
    assert table["our_rank"].notna().sum() == 3
    assert table.loc["bald", "why"] == "not run"


def test_ours_is_taken_at_the_printed_number_of_labels_where_we_have_it():
    ours = results("cifar-10", False, {"random": -15, "dispersion": -13}, [*FULL, 17500, 20000])
    table = published.beside(TABLE, ours, network="resnet18").set_index(["dataset", "method"])
    assert table.loc[("cifar-10", "dispersion"), ["ours", "labelled"]].tolist() == [78, 15000]


def test_full_data_of_a_stand_in_is_its_own():
    ours = pd.concat(
        [results("glyphs-10", True, {"random": 0}, [100, 150]), results("glyphs-10", True, {"all_data": 0}, [9000])]
    )
    table = published.beside(TABLE, ours, stand_ins={"glyphs-10": "cifar-10"}).set_index(["dataset", "method"])
    row = table.loc["cifar-10", "all_data"]
    assert (row.ours, row.labelled) == (71, 9000)
    assert math.isnan(row.difference)


def test_full_data_is_set_beside_full_data():
    ceiling = results("cifar-10", False, {"all_data": 0}, [50_000])
    ours = pd.concat([results("cifar-10", False, {"random": 0}, FULL), ceiling])
    table = published.beside(TABLE, ours, network="resnet18").set_index(["dataset", "method"])
    row = table.loc["cifar-10", "all_data"]
    assert (row.ours, row.labelled) == (71, 50_000)
    assert row.difference == pytest.approx(71 - 93.61)


@pytest.mark.parametrize(
    ("ran", "named"),
    [
        ({"bald(dropout=0.5)"}, {"bald(dropout=0.5)": "bald"}),
        ({"random", "dispersion"}, {}),
        ({"bald", "bald(dropout=0.5)"}, {}),  # the plain strategy ran: it is the printed one
        ({"bald(dropout=0.5)", "bald(dropout=0.2)"}, {}),  # which of two would be a choice
        ({"bald(dropout=0.5)", "random(dropout=0.5)", "random"}, {"bald(dropout=0.5)": "bald"}),
        ({"core_set(subset=500)", "k_center(subset=500)"},
         {"core_set(subset=500)": "core_set", "k_center(subset=500)": "k_center"}),
        ({"bald(dropout=0.5, passes=20)", "ceal", "entropy+entropy 10% B"}, {"bald(dropout=0.5, passes=20)": "bald"}),
        ({"random(dropout=0.5) retrained", "random(subset=9) retrained"}, {}),
        ({"a(text='(')"}, {"a(text='(')": "a"}),
    ],
)  # fmt: skip
def test_an_arm_with_options_stands_under_its_strategys_name_where_it_is_the_only_one(ran, named):
    rows = pd.DataFrame([{"method": arm, "accuracy": i} for i in range(2) for arm in sorted(ran)])
    found = published._named_as_printed(rows)
    assert found["method"].tolist() == [named.get(arm, arm) for arm in rows["method"]]
    assert found["run_as"].tolist() == rows["method"].tolist()
    assert found["accuracy"].tolist() == rows["accuracy"].tolist()
    assert "run_as" not in rows  # a copy


def test_what_ran_only_with_options_is_set_beside_the_printed_method_and_said():
    arms = {"random": 0, "bald(dropout=0.5)": 1.5, "dispersion": 2}
    table = published.beside(TABLE, results("cifar-10", False, arms, FULL), network="resnet18")
    table = table[table["dataset"] == "cifar-10"].set_index("method")
    assert table.loc["bald", "why"] == "run as bald(dropout=0.5)"
    assert math.isnan(table.loc["bald", "difference"])  # another recipe than the printed one
    assert (table.loc["bald", "ours"], table.loc["bald", "our_gain"]) == pytest.approx((92.5, 1.5))
    assert (table.loc["dispersion", "our_rank"], table.loc["bald", "our_rank"]) == (1, 2)
    assert table.loc["dispersion", "why"] == table.loc["random", "why"] == ""
    assert not any("(" in method for method in table.index)


def test_the_plain_strategy_is_preferred_and_two_arms_with_options_are_not_chosen_between():
    both = {"random": 0, "bald": 3, "bald(dropout=0.5)": 1, "margin(dropout=0.1)": 1, "margin(dropout=0.2)": 2}
    table = published.beside(TABLE, results("cifar-10", False, both, FULL), network="resnet18")
    table = table[table["dataset"] == "cifar-10"].set_index("method")
    assert (table.loc["bald", "our_gain"], table.loc["bald", "why"]) == (3, "")
    assert table.loc["margin", "why"] == "not run"


def test_an_arm_is_named_on_each_dataset_by_what_ran_there():
    ours = pd.concat([
        results("cifar-10", False, {"random": 0, "bald(dropout=0.5)": 1}, FULL),
        results("glyphs-10", True, {"random": 0, "bald": 2, "bald(dropout=0.5)": 1}, [100, 150]),
    ])  # fmt: skip
    table = published.beside(TABLE, ours, network="resnet18", stand_ins={"glyphs-10": "cifar-10"})
    table = table[table["method"] == "bald"].set_index("ran_on")
    assert table.loc[["cifar-10", "glyphs-10"], "our_gain"].tolist() == [1, 2]
    assert table.loc["cifar-10", "why"] == "run as bald(dropout=0.5)"
    assert "run as" not in table.loc["glyphs-10", "why"]


PRINTED = pd.DataFrame(
    [
        {
            "artefact": "Table 2",
            "dataset": "joints",
            "method": method,
            "setting": "labelled=200",
            "metric": "mae",
            "value": value,
        }
        for method, value in (("random", 7.0), ("margin", 5.0), ("entropy", 6.0), ("vaal", 8.0))
    ]
)


def test_where_lower_is_better_the_least_stands_first():
    finals = {"random": 6, "margin": 5.5, "entropy": 4, "vaal": 7}
    ours = errors({(m, seed): [9, 8, v + seed] for m, v in finals.items() for seed in range(2)})
    table = published.beside(PRINTED, ours, "mae").set_index("method")
    assert table["ours"].to_dict() == {"random": 6.5, "margin": 6, "entropy": 4.5, "vaal": 7.5}
    assert table["our_gain"].drop("random").to_dict() == {"margin": -0.5, "entropy": -2, "vaal": 1}  # in pixels
    assert table["sign"].drop("random").tolist() == ["same"] * 3
    assert table["published_rank"].drop("random").to_dict() == {"margin": 1, "entropy": 2, "vaal": 3}
    assert table["our_rank"].drop("random").to_dict() == {"entropy": 1, "margin": 2, "vaal": 3}
    with pytest.raises(BadRequest, match="need the column pck"):
        published.beside(PRINTED, ours, "pck")
    misnamed = ours.rename(columns={"mae": "accuracy"}).assign(dataset="misnamed")
    table = published.beside(PRINTED.assign(dataset="misnamed", metric="accuracy"), misnamed).set_index("method")
    assert table["our_rank"].drop("random").to_dict() == {"entropy": 1, "margin": 2, "vaal": 3}


def test_without_random_there_is_no_gain():
    table = published.beside(PRINTED, errors({("margin", 0): [9, 8, 5], ("entropy", 0): [9, 8, 4]}), "mae")
    table = table.set_index("method")
    assert table["our_gain"].isna().all()
    assert table["our_rank"].isna().all()
    assert table.loc["entropy", "ours"] == 4
    assert table.loc["random", "why"] == "not run"


def test_each_race_stands_beside_by_itself():
    few = results("cifar-10", False, {"random": 0, "dispersion": 2}, FULL).assign(race="few")
    mine = results("cifar-10", False, {"random": 0, "dispersion": 1}, FULL).assign(race="mine")
    table = published.beside(TABLE, pd.concat([few, mine]), network="resnet18").set_index(["race", "method"])
    assert table.loc[("few", "dispersion"), "our_gain"] == pytest.approx(2)
    assert table.loc[("mine", "dispersion"), "our_gain"] == pytest.approx(1)


# --- audit --------------------------------------------------------------------------------------------------

AUDIT = published.audit("thesis", "3", checks=(granularity,)).set_index("check")


def test_cifar_10_ratios_follow_from_the_printed_full_accuracy():
    rows = AUDIT[AUDIT.index.str.startswith("Table 3.1: relative accuracy, cifar-10,")]
    assert len(rows) == 7
    assert rows["agrees"].all()
    assert AUDIT.loc["Table 3.1: denominator of relative accuracy, cifar-10", "agrees"]


def test_cifar_100_ratios_follow_from_74_00_and_not_from_the_printed_74_61():
    rows = AUDIT[AUDIT.index.str.startswith("Table 3.1: relative accuracy, cifar-100,")]
    assert len(rows) == 7
    assert not rows["agrees"].any()
    found = AUDIT.loc["Table 3.1: denominator of relative accuracy, cifar-100"]
    assert (found.printed, found.computed, found.agrees) == (74.61, 74.0, False)
    for accuracy, ratio in ((60.66, 81.97), (59.87, 80.91), (59.78, 80.78)):
        assert round(100 * accuracy / 74.0, 2) == ratio


@pytest.mark.parametrize(
    ("check", "printed", "computed", "agrees"),
    [
        ("Fig. 3.6: gain, cifar-10, dispersion", 7.5, 90.74 - 87.65, False),
        ("Fig. 3.6: labels saved, cifar-10, dispersion, as the gain's share of the training set", 4000, 3750, True),
        ("Fig. 3.6: labels saved, cifar-10, dispersion, upper bound", 4000, 3.09 / 5.96 * 35000, True),
        ("sec. 3.4.2: relative accuracy, cifar-10, dispersion", 97, 96.934, True),
        ("sec. 3.4.2: relative accuracy, cifar-100, dispersion", 82, 81.303, False),
        ("sec. 3.4.1: total budget", 30, 30, True),
        ("sec. 3.5: total budget", 35, 30, False),
    ],
)
def test_what_the_text_says_against_the_table(check, printed, computed, agrees):
    row = AUDIT.loc[check]
    assert (row.printed, row.agrees) == (printed, agrees)
    assert row.computed == pytest.approx(computed, abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(st.floats(50, 100), st.lists(st.floats(20, 50), min_size=1, max_size=8))
def test_denominators_always_hold_the_true_one(full, accuracies):
    printed = [round(a, 2) for a in accuracies]
    ratios = [round(100 * a / full, 2) for a in accuracies]
    low, high = published.denominators(printed, ratios)
    assert low - 1e-9 <= full <= high + 1e-9


def test_what_only_a_chapter_knows_is_a_check_of_its_own():
    name = "Fig. 3.1: dispersion, dispersion"
    assert AUDIT.loc[name, ["printed", "computed", "agrees"]].tolist() == [0.01, 0.01, True]
    plain = published.audit("thesis", "3")
    assert name not in set(plain["check"])
    assert len(plain) == len(AUDIT) - 1


def test_an_audit_keeps_to_its_chapter(monkeypatch, tmp_path):
    other = "thesis,{},,,initial=8; per_cycle=4; cycles=5,total budget,30,%,"
    lines = (published.DATA / "published" / "thesis.csv").read_text() + "\n".join(
        map(other.format, ["Table 4.1", "sec. 13.1", "sec. 30", "remark"])
    )
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "thesis.csv").write_text(lines + "\n")
    monkeypatch.setattr(published, "DATA", tmp_path)
    found = lambda *scope: set(published.audit("thesis", *scope)["check"])
    assert (
        found("3")
        == found("3.")
        == set(published.audit("thesis", "3")["check"])
        == set(AUDIT.index) - {"Fig. 3.1: dispersion, dispersion"}
    )
    assert found("4") == {"Table 4.1: total budget"}
    assert found(["remark", "sec. 30"]) == {"remark: total budget", "sec. 30: total budget"}
    assert found() > found("3") | found("4")
    assert not published.audit("thesis", "4")["agrees"].any()
    with pytest.raises(BadRequest, match="no number of '77'"):
        published.audit("thesis", "77")


def test_denominators_agree_with_a_search():
    accuracies, ratios = [60.66, 59.78, 58.42], [81.97, 80.78, 78.95]
    steps = (-0.005, -0.0025, 0, 0.0025, 0.005)
    possible = [
        d
        for d in np.arange(73.9, 74.1, 0.0005)
        if all(any(abs(100 * (a + e) / d - r) <= 0.005 for e in steps) for a, r in zip(accuracies, ratios))
    ]
    low, high = published.denominators(accuracies, ratios)
    assert (low, high) == pytest.approx((min(possible), max(possible)), abs=6e-4)
    low, high = published.denominators([50, 50], [80, 90])
    assert low > high


def test_the_audit_notices_a_changed_number(monkeypatch, tmp_path):
    text = (published.DATA / "published" / "thesis.csv").read_text()
    (tmp_path / "published").mkdir()
    for old, new in (("90.74", "90.84"), ("accuracy,93.61", "accuracy,93.71")):
        (tmp_path / "published" / "thesis.csv").write_text(text.replace(old, new, 1))
        with monkeypatch.context() as patch:
            patch.setattr(published, "DATA", tmp_path)
            changed = published.audit("thesis").set_index("check")
        before, after = AUDIT["agrees"], changed["agrees"]
        assert (before & ~after).any()


def test_numbers_of_a_table_that_are_missing_are_named(monkeypatch, tmp_path):
    lines = (published.DATA / "published" / "thesis.csv").read_text().splitlines()
    (tmp_path / "published").mkdir()
    kept = [line for line in lines if not (line.startswith("thesis,Table 3.1,cifar-100,vaal,") and ",accuracy," in line)]
    assert len(kept) == len(lines) - 1
    (tmp_path / "published" / "thesis.csv").write_text("\n".join(kept) + "\n")
    monkeypatch.setattr(published, "DATA", tmp_path)
    with pytest.raises(BadRequest, match=r"Table 3\.1 has 0 numbers for accuracy of vaal on cifar-100"):
        published.audit("thesis")


def test_reading_needs_no_heavy_import():
    import subprocess
    import sys

    code = (
        "import sys, alnb.published, alnb.statistics, alnb.claims; "
        "print([m for m in ('torch', 'pandas', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
