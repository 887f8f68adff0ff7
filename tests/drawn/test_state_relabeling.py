"""The artefacts of SRAAL, on frames made up by hand."""

import pandas
import pytest
from matplotlib.pyplot import close

from alnb import published
from alnb.drawn import state_relabeling as drawn
from tests.result_frames import results

ENTROPY, NONE, PERMUTED = (f"sraal(indicator={kind!r})" for kind in ("entropy", "none", "permuted"))
ARMS = ("random", "sraal", ENTROPY, NONE, PERMUTED, "indicator", "vaal(steps=8)")


def race(name, more=0.0):
    curves = {(arm, seed): [50, 60 + i + seed + more * (1 + seed), 70 + i + 3 * seed + more * (1 + seed)]
              for i, arm in enumerate(ARMS) for seed in (0, 1)}  # fmt: skip
    tests = results(curves, "digits", True, race=name, study="state_relabeling")
    asked = [
        {"study": "state_relabeling", "dataset": "digits", "world": True, "race": name, "kind": "asked", "method": arm,
         "seed": seed, "cycle": cycle, "indicator": 0.1 * i, "indicator_pool": 0.2, "wrong": 5.0 * i, "wrong_pool": 12.0}
        for i, arm in enumerate(ARMS) for seed in (0, 1) for cycle in (0, 1)
    ]  # fmt: skip
    frame = pandas.concat([tests, pandas.DataFrame(asked)], ignore_index=True)
    return frame.assign(key=frame["race"] + frame["method"] + frame["seed"].astype(str))


FEW = race("few")
FRAME = pandas.concat([FEW, race("many"), race("start", 5.0), race("caltech")], ignore_index=True)
TABLE = published.published("sraal", "Table 1")


@pytest.fixture(autouse=True)
def _closed():
    yield
    close("all")


def test_the_indicator_is_drawn_with_its_counterexamples():
    one = drawn.indicator_5()
    assert "(.5, .5, 0, ...) 0.778; (.4, flat) 0.600; uniform 0.900" in one.alt
    assert "(.4, flat) scores -0.36" in one.alt
    assert set(one.data["path"]) >= {"rest flat", "rest in one class", "rest flat, (4) as printed"}


def test_what_is_asked_is_told_beside_the_candidates():
    one = drawn.asked_5(FRAME)
    assert f"{ENTROPY} 0.20 (candidates 0.20), wrong 10 % (12 %)" in one.alt
    assert one.data["method"].iloc[0] == "random"


def test_the_races_have_the_arms_of_their_figures():
    assert "vaal(steps=8)" in drawn.fig_3a(FRAME).alt
    assert ENTROPY not in drawn.fig_3b(FRAME).alt
    ablation = drawn.fig_7(FRAME)
    assert NONE in ablation.alt
    assert PERMUTED not in ablation.alt
    assert set(drawn.rivals_5(FRAME).data["method"]) == {"random", "sraal", PERMUTED, "indicator", "vaal(steps=8)"}


def test_rivals_are_of_the_race_in_which_most_of_them_ran():
    fewer = FRAME[(FRAME["race"] == "few") | (FRAME["method"] != "indicator")]
    assert set(drawn.rivals_5(fewer).data["race"]) == {"few"}
    assert set(drawn.rivals_5(FRAME).data["race"]) == {"many"}


def test_ll4al_stands_on_the_plain_target_where_its_questions_were_retrained():
    own = results({("ll4al(joint=0.5)", 0): [50, 65, 75], ("random_joint", 0): [50, 60, 66]}, "digits", True, race="few",
                  study="learning_to_rank")  # fmt: skip
    again = results({("ll4al(joint=0.5) retrained", 0): [50, 63, 73]}, "digits", True, race="few", study="state_relabeling")
    alone, both = pandas.concat([FEW, own]), pandas.concat([FEW, own, again])
    assert set(drawn.fig_3a(both).data["method"]) == {"random", "vaal(steps=8)", "ll4al(joint=0.5) retrained", "sraal"}
    assert "ll4al(joint=0.5)" in set(drawn.fig_3a(alone).data["method"])
    assert set(drawn.joint_5(both).data["method"]) == {"random", "random_joint", "ll4al(joint=0.5)", "ll4al(joint=0.5) retrained"}
    assert drawn.on_one_target(both) == [*ARMS, "ll4al(joint=0.5) retrained"]
    assert drawn.on_one_target(alone) == list(ARMS)
    assert drawn.joint_5(FEW) is None


def test_ablations_are_of_many_classes_or_of_ten_where_these_did_not_run():
    assert set(drawn.fig_7(FRAME).data["race"]) == {"many"}
    assert set(drawn.fig_7(FEW).data["race"]) == {"few"}
    assert drawn.fig_7(FEW[FEW["method"] != NONE]) is None


def test_two_starts_have_a_mean_a_deviation_and_a_paired_difference():
    one = drawn.fig_6(FRAME)
    assert "k-center less random, paired by seed: +5.62 (-18.20 to +29.45)" in one.alt
    assert [line.get_linestyle() for line in one.figure.axes[1].lines] == [":", ":"]
    alone = drawn.fig_6(FRAME[FRAME["seed"] == 0])
    assert len(alone.figure.axes) == 1
    assert "+3.75." in alone.alt


def test_table_1_has_all_that_is_printed_and_the_gains_of_the_same_cycle():
    one = drawn.table_1(FRAME, TABLE)
    table = one.data
    assert sorted(table["printed"].dropna()) == sorted(TABLE["value"])
    assert len(table) == 3 * 6
    assert table["printed at"].tolist()[::3] == ["", "20%", "25%", "30%", "35%", "40%"]
    entropy = table[table["indicator"] == "Entropy"]
    assert entropy["labels"].dropna().tolist() == [150, 200]
    assert entropy["gain here"].dropna().tolist() == [-1, -1]
    assert entropy["printed gain"].isna().tolist() == [True] + 5 * [False]
    assert entropy["printed gain"].iloc[1] == pytest.approx(1.0)  # 20 %: 55.0 and 54.0
    assert table.loc[table["indicator"] == "SD", ["here", "gain here"]].isna().all().all()
    assert "Entropy: 20% printed 54.0, 200 labels here 73.5, gain -1.00" in one.alt
    assert drawn.table_1(FRAME[FRAME["method"] != ENTROPY], TABLE) is None


def table_1(rows):
    return drawn.table_1(rows, TABLE)


DRAWINGS = (drawn.asked_5, drawn.fig_3a, drawn.fig_3b, drawn.fig_4, drawn.fig_6, drawn.fig_7, drawn.rivals_5, table_1)
FIRST = FRAME[(FRAME["kind"] == "test") & (FRAME["cycle"] == 0)]


@pytest.mark.parametrize("draw", DRAWINGS)
@pytest.mark.parametrize("rows", [FRAME[:0], FRAME[FRAME["kind"] == "nothing"]])
def test_what_did_not_run_is_passed_over_in_one_line(draw, rows, capsys):
    assert draw(rows) is None
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize("draw", DRAWINGS)
def test_after_the_first_training_curves_begin_and_nothing_that_needs_a_choice_is_drawn(draw, capsys):
    one = draw(FIRST)
    if draw in (drawn.asked_5, table_1):
        assert one is None
        assert capsys.readouterr().out.count("\n") == 1
    else:
        assert set(one.data["cycle"]) == {0}
        assert "sraal" in set(one.data["method"])
