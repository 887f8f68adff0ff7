"""alnb.claims: the files, the power that they state, and the ledger against hand-worked grids."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alnb import claims, published
from alnb.acquisition import parse_arm
from alnb.claims import ledger
from alnb.errors import BadRequest
from alnb.methods.label_dispersion import trend
from alnb.statistics import difference, holm, paired
from tests.result_frames import errors, results
from tests.test_statistics import noisy

FILES = sorted(path.stem for path in (published.DATA / "claims").glob("*.csv"))


# --- files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("notebook", FILES)
def test_claims_are_complete_and_hold_no_verdict(notebook):
    table = claims.read(notebook)
    assert list(table) == claims.COLUMNS
    assert table["id"].is_unique
    assert "verdict" not in table
    assert table["kind"].isin(["primary", "secondary"]).all()
    assert table["direction"].isin(["higher", "lower", "equal"]).all()
    assert (table[["quote", "place", "metric", "race", "method"]] != "").all().all()
    planned = table[["planned_seeds", "planned_world_seeds"]]
    assert planned.notna().any(axis=1).all()  # a row may be of real data alone, or of a stand-in alone
    assert (planned.isna() | (planned >= 2)).all().all()
    assert (table["null_race"] == "")[table["planned_world_seeds"].isna()].all()
    assert (table["placebo"] != "")[table["null_race"] == claims.PERMUTED].all()
    assert (table["kind"] == "secondary")[table["metric"].str.contains("@")].all()  # Holm has no place for a worst of several
    for one in table.itertuples():
        if one.pilot_half_width > abs(one.published_effect):
            assert "exceeds the published effect" in one.note


@pytest.mark.parametrize("notebook", FILES)
def test_the_power_of_a_claim_is_that_of_its_pilot_at_the_planned_seeds(notebook):
    table = claims.read(notebook)
    family = claims.family(table)
    for one in table.itertuples():
        members = family if one.kind == "primary" else 1
        sd = claims.deviation(one.pilot_half_width)
        for share, written in ((1, one.power), (0.5, one.power_half)):
            if one.planned_seeds != one.planned_seeds:  # of a stand-in alone
                assert written != written, one.id
                continue
            power = claims.power(share * one.published_effect, sd, int(one.planned_seeds), members)
            assert written == pytest.approx(power, abs=5e-4, nan_ok=True), one.id


WHY = ("no pilot", "no world profile", "not planned there")  # a claim states no power


@pytest.mark.parametrize("notebook", FILES)
def test_a_claim_with_a_printed_effect_states_its_power_or_why_not(notebook):
    table = claims.read(notebook).set_index("id")

    def stated(name):
        one = table.loc[name]
        other = re.match(r"as ([a-z0-9-]+), ", one["note"])
        return one["power"] == one["power"] or any(why in one["note"] for why in WHY) or bool(other and stated(other[1]))

    printed = table.index[table["published_effect"].notna() & table["planned_seeds"].notna()]
    assert [name for name in printed if not stated(name)] == []


def test_chapter_3_tests_what_it_prints():
    table = claims.read("01_label_dispersion")
    assert len(table) == 57
    assert set(table["race"]) == {"few", "many", "trap"}
    assert set(table["null_race"]) == {"", "null", claims.PERMUTED}
    assert (table.loc[table["null_race"] == claims.PERMUTED, "placebo"] == "dispersion_permuted").all()
    assert (table.loc[table["null_race"] == "null", "comparator"] == "k_center").all()  # which rare and ambiguous cards decide
    for one in table[table["metric"] == "aubc"].itertuples():
        half = abs(one.published_effect) / 2
        assert one.band == pytest.approx(min(0.3, half) if half == half else 0.3), one.id
    cells = published.published("thesis", "Table 3.1")
    cells = cells[cells["metric"] == "accuracy"].set_index(["dataset", "method"])["value"]
    printed = table[table["published_effect"].notna()]
    assert len(printed) >= 4
    for one in printed.itertuples():
        dataset = {"few": "cifar-10", "many": "cifar-100"}[one.race]
        method, comparator = (parse_arm(arm)[0] for arm in (one.method, one.comparator))
        assert one.published_effect == pytest.approx(cells[dataset, method] - cells[dataset, comparator])


def test_a_notebook_without_claims_has_none():
    table = claims.read("00_active_learning")
    assert list(table) == claims.COLUMNS
    assert len(table) == 0
    assert len(ledger(noisy(ARMS, 2, np.random.default_rng(0), race="few"), table)) == 0


def test_columns_of_power_may_be_left_out_and_others_not(monkeypatch, tmp_path):
    monkeypatch.setattr(published, "DATA", tmp_path)
    (tmp_path / "claims").mkdir()
    whole = pd.DataFrame([claim(planned_seeds="10", planned_world_seeds="12", band="", published_effect="3.09",
                                pilot_half_width="", quote="q", place="p")])  # fmt: skip
    whole.drop(columns=claims.OPTIONAL).to_csv(tmp_path / "claims" / "x.csv", index=False)
    found = claims.read("x")
    assert found["power"].isna().all()
    assert found["band"].isna().all()
    assert found["planned_seeds"].tolist() == [10]
    whole.drop(columns="race").to_csv(tmp_path / "claims" / "x.csv", index=False)
    with pytest.raises(BadRequest, match=r"accepted: .*null_race"):
        claims.read("x")


# --- power --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 5, 20])
@pytest.mark.parametrize("family", [1, 11])
@pytest.mark.parametrize("effect", [0.0, 0.3, -1.0, 3.0])
def test_power_is_the_chance_that_the_interval_excludes_zero_on_that_side(n, family, effect):
    critical = stats.t.ppf(1 - 0.05 / family / 2, n - 1)
    found = claims.power(effect, 0.62, n, family)
    assert found == pytest.approx(stats.nct.sf(critical, n - 1, abs(effect) / (0.62 / math.sqrt(n))), abs=1e-6)


def test_power_agrees_with_a_simulation():
    rng = np.random.default_rng(0)
    draws = rng.normal(0.6, 0.62, (20_000, 8))
    t = draws.mean(1) / (draws.std(1, ddof=1) / math.sqrt(8))
    assert claims.power(0.6, 0.62, 8, 4) == pytest.approx((t > stats.t.ppf(1 - 0.05 / 8, 7)).mean(), abs=0.012)
    assert claims.power(0.0, 0.62, 8) == pytest.approx(0.025)
    assert math.isnan(claims.power(math.nan, 1, 5))
    pilot = rng.normal(0, 2, 5)
    assert claims.deviation(difference(pilot).half_width) == pytest.approx(pilot.std(ddof=1))


# --- ledger -------------------------------------------------------------------------------------------------


def claim(id="c1", **more):
    given = {
        "id": id, "quote": "", "place": "", "kind": "primary", "metric": "aubc", "race": "few", "null_race": "null",
        "method": "dispersion", "comparator": "random", "placebo": "random_again", "direction": "higher",
        "planned_seeds": 10, "planned_world_seeds": 12, "band": 0.3, "published_effect": 3.09,
        "pilot_half_width": math.nan, "power": math.nan, "power_half": math.nan, "note": "",
    }  # fmt: skip
    return given | more


ARMS = {"random": 0, "random_again": 0, "dispersion": 3, "margin": 1}


def test_ledger_has_a_row_per_claim_and_setting_also_without_runs():
    asked = pd.DataFrame([claim(), claim("c2", comparator="margin", placebo="", null_race="")])
    settings = [["c1", "real data"], ["c1", "null world"], ["c1", "placebo"], ["c2", "real data"]]
    table = ledger(pd.DataFrame(), asked)
    assert table[["id", "setting"]].values.tolist() == settings
    assert set(table["verdict"]) == {"not run"}
    assert set(table["seeds"]) == {0}
    assert set(table["excludes_half"]) == {None}
    assert table["planned"].tolist() == [10, 12, 10, 10]
    elsewhere = ledger(noisy(ARMS, 2, np.random.default_rng(0), world=True, race="many"), asked)
    assert elsewhere["setting"].tolist() == ["world", "null world", "placebo", "world"]  # all rows are stand-ins
    assert elsewhere["planned"].tolist() == [12, 12, 12, 12]
    assert set(elsewhere["verdict"]) == {"not run"}


def test_ledger_computes_each_setting_from_its_own_data():
    rng = np.random.default_rng(3)
    frame = pd.concat(
        [
            noisy(ARMS, 8, rng, dataset="cifar-10", race="few"),
            noisy(ARMS | {"dispersion": -3}, 6, rng, dataset="glyphs-10", world=True, race="many"),
            noisy(ARMS | {"dispersion": 0}, 4, rng, dataset="glyphs-10-null", world=True, race="null"),
        ]
    )
    other = claim("c2", race="many", null_race="", placebo="", planned_world_seeds=6)
    table = ledger(frame, pd.DataFrame([claim(), other])).set_index(["id", "setting"])
    assert table["verdict"].to_dict() == {  # planned are 10 seeds of real data, 12 of its worlds and 6 of the other's
        ("c1", "real data"): "holds (interim)",
        ("c1", "null world"): "cannot be told (interim)",
        ("c1", "placebo"): "holds (interim)",
        ("c2", "world"): "reversed",
    }
    assert table["seeds"].tolist() == [8, 4, 8, 6]
    assert table["dataset"].tolist() == ["cifar-10", "glyphs-10-null", "cifar-10", "glyphs-10"]
    few = frame[frame["race"] == "few"]
    real, again = paired(few, "dispersion", "random"), paired(few, "random_again", "random")
    row = table.loc["c1", "real data"]
    assert (row.difference, row.sd, row.p) == (real.mean, real.sd, real.p)
    assert (row.aa_difference, row.aa_low, row.aa_high) == (again.mean, again.low, again.high)
    assert table.loc[("c1", "placebo"), "comparator"] == "random_again"
    assert table["level"].tolist() == pytest.approx([0.95, 0.95, 0.975, 0.95])  # families of two, one, one


def test_the_arm_that_is_repeated_need_not_be_random():
    frame = noisy({"dispersion": 3, "margin": 1, "margin(again=1)": 1}, 4, np.random.default_rng(5), race="few")
    asked = pd.DataFrame([claim(comparator="margin", placebo="", null_race="")])
    (row,) = ledger(frame, asked, repeated=("margin", "margin(again=1)")).itertuples()
    expected = paired(frame, "margin(again=1)", "margin")
    assert (row.aa_difference, row.aa_low, row.aa_high) == (expected.mean, expected.low, expected.high)
    assert math.isnan(ledger(frame, asked)["aa_difference"].iloc[0])


def test_a_claim_that_plans_no_stand_in_has_no_row_there():
    asked = pd.DataFrame([claim(planned_world_seeds=math.nan, null_race="")])
    rng = np.random.default_rng(0)
    assert len(ledger(noisy(ARMS, 2, rng, world=True, race="few"), asked)) == 0
    assert ledger(noisy(ARMS, 2, rng, race="few"), asked)["setting"].tolist() == ["real data", "placebo"]


def test_a_claim_that_only_a_world_can_test_has_no_row_on_real_data_and_counts_in_no_family_there():
    asked = pd.DataFrame(
        [claim(placebo="", null_race=""), claim("c2", planned_seeds=math.nan, placebo="", null_race="")]
    )
    real, world = (noisy(ARMS, 3, np.random.default_rng(0), world=world, race="few") for world in (False, True))
    table = ledger(real, asked).set_index("id")
    assert table.loc["c1", "setting"] == "real data"
    assert table.loc["c1", "level"] == pytest.approx(0.95)  # a family of one
    assert "c2" not in table.index
    assert ledger(world, asked).set_index(["id", "setting"]).loc[("c2", "world"), "planned"] == 12


def test_results_without_races_are_refused():
    with pytest.raises(BadRequest, match="no column race"):
        ledger(noisy(ARMS, 2, np.random.default_rng(0)), pd.DataFrame([claim()]))


@pytest.mark.parametrize(("planned", "mark"), [(9, " (interim)"), (8, ""), (7, "")])
def test_a_verdict_on_fewer_seeds_than_planned_is_interim(planned, mark):
    frame = noisy(ARMS, 8, np.random.default_rng(3), race="few")
    row = ledger(frame, pd.DataFrame([claim(planned_seeds=planned)])).iloc[0]
    assert row.verdict == "holds" + mark


@pytest.mark.parametrize(("dataset", "world"), [("glyphs-10", True), ("cifar-10", True), ("cifar-10", False)])
def test_whether_a_race_is_real_is_said_by_its_rows(dataset, world):
    frame = noisy(ARMS, 3, np.random.default_rng(4), dataset=dataset, world=world, race="few")
    table = ledger(frame, pd.DataFrame([claim()])).set_index("setting")
    assert table.loc["world" if world else "real data", ["dataset", "verdict"]].tolist() == [dataset, "holds (interim)"]
    assert table.loc["placebo", ["dataset", "planned"]].tolist() == [dataset, 12 if world else 10]


@pytest.mark.parametrize(
    ("published_effect", "values", "excluded"),
    [
        (3.0, [0.1, 0.2, 0.3], True),
        (3.0, [1.4, 1.5, 1.6], False),
        (3.0, [2.9, 3.0, 3.1], False),
        (3.0, [-2.9, -3.0, -3.1], True),
        (-3.0, [-0.1, -0.2, -0.3], True),
        (-3.0, [-2.9, -3.0, -3.1], False),
        (math.nan, [0.1, 0.2, 0.3], None),
        (3.0, [0.1], None),
    ],
)
def test_half_of_the_published_effect_is_excluded_by_an_interval_short_of_it(published_effect, values, excluded):
    assert claims.excludes_half(difference(values), published_effect) is excluded
    frame = noisy({"random": 0, "dispersion": 0.2}, 6, np.random.default_rng(1), sd=0.1, race="few")
    row = ledger(frame, pd.DataFrame([claim(published_effect=published_effect)])).iloc[0]
    assert row["excludes_half"] is (None if math.isnan(published_effect) else True)  # about 0.2, in both signs


def test_no_arm_is_assumed():
    frame = noisy({"margin": 1, "entropy": 0}, 3, np.random.default_rng(2), race="few")
    one = claim(method="margin", comparator="entropy", planned_seeds=3, band=math.nan)
    table = ledger(frame, pd.DataFrame([one, claim("c2")])).set_index(["id", "setting"])
    assert table.loc[("c1", "real data"), "seeds"] == 3
    assert math.isnan(table.loc[("c1", "real data"), "aa_difference"])
    assert (table.drop(("c1", "real data"))["verdict"] == "not run").all()
    one_seed = ledger(frame[frame["seed"] == 0], pd.DataFrame([one])).iloc[0]
    assert (one_seed.verdict, one_seed.seeds) == ("cannot be told (interim)", 1)


@pytest.mark.parametrize(
    ("ran", "seeds"),
    [
        (["vaal(steps=8)", "random"], 2),
        (["vaal(steps=8)", "vaal(steps=9)", "random"], 0),  # which of the two?
        (["vaal", "vaal(steps=9)", "random"], 2),  # the one with these options, if with other numbers
        (["vaal", "random"], 0),
        (["vaal(quirks=True)", "random"], 0),  # an ablation is not another
        (["vaal", "vaal(steps=9, quirks=True)", "random"], 0),
    ],
)
def test_an_arm_with_other_options_stands_for_a_claims_where_it_is_the_only_one_of_its_strategy(ran, seeds):
    frame = noisy(dict.fromkeys(ran, 1), 2, np.random.default_rng(2), race="few")
    asked = pd.DataFrame([claim(method="vaal(steps=5)", placebo="", null_race="")])
    assert ledger(frame, asked).iloc[0]["seeds"] == seeds


def test_a_claim_says_which_way_its_number_goes_whatever_is_better():
    curves = {
        (m, s): [9, 8 - g * (1 + s / 10) + s, 7 - 2 * g * (1 + s / 10)]
        for m, g in (("dispersion", 2), ("random", 0))
        for s in range(3)
    }
    frame = errors(curves, race="few").assign(pck=50.0)
    frame.loc[frame["method"] == "dispersion", "pck"] += 3 + frame["seed"]
    asked = [claim("c1", direction="lower"), claim("c2"), claim("c3", metric="final", direction="lower"),
             claim("c4", metric="pck.final"), claim("c5", metric="test.pck", kind="secondary")]  # fmt: skip
    table = ledger(frame, pd.DataFrame(asked).assign(placebo="", null_race="", planned_seeds=3)).set_index("id")
    assert table["difference"].tolist() == pytest.approx([-3.3, -3.3, -4.4, 4, 4])
    assert table["verdict"].tolist()[:3] == ["holds", "reversed", "holds"]
    assert table.loc["c4", "sd"] == pytest.approx(1)
    assert table.loc["c5", "verdict"] == "holds"


def test_a_metric_of_a_race_that_did_not_run_is_not_missed():
    asked = pd.DataFrame([claim(), claim("c2", metric="pck.final", race="px", null_race="")]).assign(placebo="")
    table = ledger(noisy(ARMS, 2, np.random.default_rng(0), race="few"), asked).set_index(["id", "setting"])
    assert table.loc[("c1", "real data"), "seeds"] == 2
    assert table.loc[("c2", "real data"), "verdict"] == "not run"


def test_equal_gaps_do_not_hold_for_certain():
    curves = {(m, s): [50, 60 + s, v + s] for m, v in (("dispersion", 70.01), ("random", 70)) for s in range(2)}
    row = ledger(results(curves, race="few"), pd.DataFrame([claim(band=math.nan, placebo="", null_race="")])).iloc[0]
    assert row.difference == pytest.approx(0.005)
    assert row.sd == pytest.approx(0.005 / math.sqrt(12))
    assert row.verdict == "cannot be told (interim)"


def test_ledger_adjusts_over_all_primary_claims_and_only_those():
    frame = noisy(ARMS, 8, np.random.default_rng(5), race="few")
    asked = pd.DataFrame(
        [
            claim("c1"),
            claim("c2", comparator="margin"),
            claim("c3", comparator="absent"),
            claim("c4", kind="secondary", comparator="margin"),
        ]
    )
    table = ledger(frame, asked)
    real = table[table["setting"] == "real data"].set_index("id")
    again = [paired(frame, "dispersion", "random_again").p] * 3  # each primary claim's placebo counts too
    plain = [paired(frame, "dispersion", "random").p, paired(frame, "dispersion", "margin").p, math.nan, *again]
    assert real["p_holm"].tolist()[:2] == holm(plain)[:2].tolist()
    assert real["p_holm"].isna().tolist()[2:] == [True, True]
    assert set(real.loc[["c1", "c2"], "level"]) <= {1 - 0.05 / m for m in range(1, 7)}
    assert real.loc["c4", "level"] == 0.95
    assert real.loc["c3", "verdict"] == "not run"


def test_ledger_says_which_runs_it_left_out():
    frame = noisy(ARMS, 3, np.random.default_rng(6), race="few")
    cut = frame[~((frame["method"] == "dispersion") & (frame["seed"] == 2) & (frame["cycle"] == 4))]
    row = ledger(cut, pd.DataFrame([claim(note="as planned")])).iloc[0]
    assert row.seeds == 2
    assert row.note == "as planned | left out, unfinished: few cifar-10 dispersion seed 2 (no cycle 4)"


def test_ledger_takes_other_rows_by_kind_and_column():
    rows = [
        {
            "race": "few",
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
    row = ledger(pd.DataFrame(rows), pd.DataFrame([lower])).iloc[0]
    assert row.verdict == "holds (interim)"
    assert row.difference == pytest.approx(-9.9)
    assert row.seeds == 3
    with pytest.raises(BadRequest, match="accepted: aubc"):
        ledger(noisy(ARMS, 2, np.random.default_rng(0), race="few"), pd.DataFrame([claim(metric="area")]))


def test_trend_is_the_rank_correlation_along_the_bins():
    def bins(seed, cycle, correct):
        return [
            {
                "race": "few",
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
    found = trend(frame).droplevel(["race", "dataset", "world", "method"])
    assert found["trend"].iloc[:2].tolist() == pytest.approx([(-1 - 0.5) / 2, 1])
    assert found["trend"].iloc[2:].isna().all()
    # one exchange of neighbours among four bins in one of two cycles (0.2 / 2), among three in one (0.5)
    assert found["trend_resolution"].iloc[:2].tolist() == pytest.approx([0.1, 0.5])
    falls = claim(metric="histogram.trend", comparator="", direction="lower", kind="secondary", band=math.nan)
    with pytest.raises(BadRequest, match=r"special ones \(none\)"):
        ledger(frame, pd.DataFrame([falls]))
    row = ledger(frame, pd.DataFrame([falls]), special={"histogram.trend": trend}).iloc[0]
    assert row.seeds == 2
    assert row.verdict == "cannot be told (interim)"
    assert math.isnan(row.aa_difference)


def test_a_claim_about_doubt_has_its_own_scores_permuted_as_its_null():
    arms = ARMS | {"dispersion_permuted": 0}
    frame = noisy(arms, 8, np.random.default_rng(8), race="few")
    null = noisy(arms, 8, np.random.default_rng(9), world=True, race="null")
    asked = pd.DataFrame([claim(placebo="dispersion_permuted", null_race=claims.PERMUTED)])
    table = ledger(pd.concat([frame, null]), asked).set_index("setting")
    assert table.index.tolist() == ["real data", "null scores", "placebo"]  # no null world, though it ran
    assert table.loc["null scores", ["race", "method", "comparator", "verdict"]].tolist() == [
        "few", "dispersion_permuted", "random", "cannot be told (interim)"]  # fmt: skip
    assert table.loc["null scores", "difference"] == pytest.approx(paired(frame, "dispersion_permuted", "random").mean)
    assert table.loc["placebo", ["comparator", "verdict"]].tolist() == ["dispersion_permuted", "holds (interim)"]
    # a family of its own: the real data's has the claim and its placebo, whatever the null says
    assert table.loc["null scores", "p_holm"] == pytest.approx(paired(frame, "dispersion_permuted", "random").p)
    better = frame.assign(accuracy=frame["accuracy"] + 5 * (frame["method"] == "dispersion_permuted"))
    assert ledger(better, asked).set_index("setting").loc["null scores", "verdict"].startswith("holds")


def at_portions(gains, seeds=8, sd=0.5):
    """Rows of informativeness: dispersion less random is gains[portion] on average."""
    rng = np.random.default_rng(3)
    return pd.DataFrame([
        {"race": "few", "dataset": "cifar-10", "world": False, "kind": "informativeness", "method": method, "seed": seed,
         "portion": portion, "accuracy": 50 + (gain + rng.normal(0, sd)) * (method == "dispersion")}
        for portion, gain in gains.items() for method in ("dispersion", "random") for seed in range(seeds)
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("gains", "verdict", "worst"),
    [
        ({0.05: -5, 0.1: -3, 0.3: -2}, "holds", 0.3),
        ({0.05: -5, 0.1: -3, 0.3: 0.2}, "cannot be told", 0.3),
        ({0.05: -5, 0.1: 3, 0.3: -2}, "reversed", 0.1),
    ],
)
def test_a_claim_over_all_of_something_is_tested_at_each_of_it(gains, verdict, worst):
    frame = at_portions(gains)
    one = claim(metric="informativeness.accuracy@portion", direction="lower", kind="secondary", planned_seeds=8)
    one |= {"placebo": "", "null_race": ""}
    row = ledger(frame, pd.DataFrame([one])).iloc[0]
    own = frame[frame["portion"] == worst].pivot(index="seed", columns="method", values="accuracy")
    alone = difference(own["dispersion"] - own["random"], 0.95 if gains[worst] < 0 else 1 - 0.05 / 3)
    assert row.verdict == verdict
    assert (row.difference, row.low, row.high) == pytest.approx((alone.mean, alone.low, alone.high))
    assert row["at"] == f"portion {worst:g}"
    mean_alone = ledger(frame, pd.DataFrame([one | {"metric": "informativeness.accuracy"}])).iloc[0]
    assert mean_alone.verdict == "holds" or gains[worst] > 0


def test_at_each_is_seldom_wrong_where_nothing_differs():
    """Of six portions without any effect: no more than 5 % said to hold at all, or to be reversed at one."""
    rng, said = np.random.default_rng(0), []
    for _ in range(400):
        common = rng.normal(0, 1, 6)
        gaps = {k: difference(common + rng.normal(0, 0.5, 6)) for k in range(6)}
        _, gap = claims.weakest(gaps, "lower")
        said.append((gap.high < 0, gap.low > 0))
    holds, reverses = np.mean(said, axis=0)
    assert holds <= 0.04
    assert reverses <= 0.05


def test_an_evaluation_is_tested_at_each_cycle_but_the_shared_one():
    curves = {(m, s): [50, 60 + g + s / 10, 70 + 2 * g] for m, g in (("dispersion", 1), ("random", 0)) for s in range(3)}
    curves[("random", 0)] += [90]  # which goes further
    one = claim(metric="test.accuracy@cycle", kind="secondary", placebo="", null_race="", planned_seeds=3)
    row = ledger(results(curves, race="few"), pd.DataFrame([one])).iloc[0]
    assert (row.difference, row.verdict, row["at"]) == (pytest.approx(1), "holds", "cycle 1")
    for other in (results(curves, race="many"), results({run: curve[:1] for run, curve in curves.items()}, race="few")):
        assert ledger(other, pd.DataFrame([one])).iloc[0].verdict == "not run"
    with pytest.raises(BadRequest, match="direction equal"):
        ledger(results(curves, race="few"), pd.DataFrame([one | {"direction": "equal"}]))


def test_a_number_that_has_ends_has_an_interval_that_keeps_to_them():
    about = {"race": "few", "dataset": "cifar-10", "world": False, "method": "dispersion", "cycle": 0, "kind": "histogram"}
    rows = [about | {"seed": seed, "low": k / 10, "samples": 20, "correct": c}
            for seed, correct in enumerate(([9, 8, 7, 6], [9, 8, 6, 7], [9, 8, 7, 6])) for k, c in enumerate(correct)]  # fmt: skip
    frame = pd.DataFrame(rows)
    one = claim(metric="histogram.trend", comparator="", placebo="", null_race="", direction="lower", band=math.nan)
    row = ledger(frame, pd.DataFrame([one]), special={"histogram.trend": trend}).iloc[0]
    assert row.low == -1
    assert row.difference - row.half_width < -1
    few = frame.assign(samples=frame["samples"] - 11 * (frame["low"] > 0.05))  # nine: the figure shows no share of them
    assert trend(few)["trend"].isna().all()


def test_a_published_list_of_samples_is_one_comparison_without_interval_or_verdict():
    frame = noisy(ARMS, 6, np.random.default_rng(1), race="few")
    asked = [claim(null_race=""), claim("c2", metric="test.accuracy@cycle", kind="secondary", placebo="", null_race="")]
    plain = ledger(frame, pd.DataFrame(asked))
    assert plain["verdict"].tolist() == ["holds (interim)"] * 3
    table = ledger(frame.assign(published_list="theirs@01234567"), pd.DataFrame(asked))
    assert table["verdict"].tolist() == ["no verdict"] * 3
    assert table["difference"].iloc[0] == plain["difference"].iloc[0]
    assert table[["low", "high", "half_width", "sd", "p"]].isna().all().all()
    assert table["note"].str.contains("one published list of samples").all()
    assert (ledger(frame.assign(split="query"), pd.DataFrame(asked))["verdict"] != "no verdict").all()  # a kind's own column
    listed = frame.assign(published_list=np.where(frame["race"] == "few", "theirs@01234567", None))
    both = pd.concat([listed, noisy(ARMS, 6, np.random.default_rng(2), race="many")])
    verdicts = ledger(both, pd.DataFrame([asked[0], claim("c3", race="many", null_race="", placebo="")]))["verdict"]
    assert verdicts.tolist() == ["no verdict", "no verdict", "holds (interim)"]
