"""The artefacts of L2R-AL, on frames made up by hand."""

import numpy as np
import pandas
import pytest
from matplotlib.pyplot import close

from alnb import published
from alnb.drawn import learning_to_rank as drawn
from alnb.drawn import poses, standard
from tests.result_frames import results

ABOUT = {"study": "learning_to_rank", "dataset": "digits", "world": True, "race": "few"}
CURVES = {
    ("random", 0): [50, 60, 70], ("random", 1): [50, 62, 72], ("l2r", 0): [50, 63, 74], ("l2r", 1): [50, 61, 75],
    ("l2r_exact", 0): [50, 64, 74], ("l2r_permuted", 0): [50, 59, 69], ("ll4al", 0): [48, 60, 73],
    ("random_joint", 0): [48, 59, 69],
    ("ll4al retrained", 0): [50, 62, 73],
}  # fmt: skip


def frame():
    tests = results(CURVES, "digits", True, race="few", study="learning_to_rank")
    tests["key"] = tests["method"] + tests["seed"].astype(str)
    rows = []
    for method, seed in CURVES:
        about = ABOUT | {"method": method, "seed": seed, "key": f"{method}{seed}"}
        if method in ("l2r", "l2r_exact", "ll4al"):
            for cycle in range(3):
                row = {
                    "kind": "ranking",
                    "cycle": cycle,
                    "labelled": 100 + 50 * cycle,
                    "spearman": 0.5 + cycle / 10 + seed / 50,
                }
                row |= {"spearman_entropy": 0.7, "spearman_p_max": 0.8, "overlap": 0.1 * (cycle + 1), "overlap_entropy": 0.35,
                        "overlap_p_max": 0.25, "over_p_max": row["spearman"] - 0.8}  # fmt: skip
                row |= {"error": 0.05, "error_exact": 0.02} if method == "l2r" else {}
                rows.append(about | row)
        if method == "l2r":
            rows += [about | {"kind": "sorter", "cycle": 0, "lists": lists, "length": 32, "error": error, "error_exact": 0.01,
                              "error_middle": 0.25} for lists, error in (("normal", 0.03), ("joined", 0.06))]  # fmt: skip
            rows += [about | {"kind": "example", "cycle": 0, "end": end, "place": i, "sample": i, "loss": loss, "rank": 9 - i,
                              "candidates": 60} for end, loss in (("most", 2.0), ("least", 0.5)) for i in range(3)]  # fmt: skip
    return pandas.concat([tests, pandas.DataFrame(rows)], ignore_index=True)


FRAME = frame()


class Data:
    name = "digits"
    train_images = np.zeros((5, 3, 8, 8), np.uint8)


@pytest.fixture(autouse=True)
def _closed():
    yield
    close("all")


def test_figure_2_says_both_errors_and_who_is_asked():
    one = drawn.fig_2()
    first, second = one.data.set_index("system").loc[["system 1", "system 2"]].to_dict("records")
    assert first["mse"] < second["mse"]
    assert first["asked"] != second["asked"] == one.data["asked"].iloc[0]
    assert f"system 1: MSE {first['mse']:.3f}, r_s 0.90, asks {first['asked']}" in one.alt
    assert len(one.figure.axes[0].patches) == 15
    assert one.rows is None


def test_figure_4_has_the_printed_arms_alone():
    one = drawn.fig_4(FRAME)
    assert set(one.data["method"]) == {"random", "l2r", "ll4al"}
    assert "l2r 50.0 to 74.5 %" in one.alt


def test_figure_5_has_a_line_a_module_and_two_that_need_none():
    one = drawn.fig_5(FRAME)
    assert "l2r 0.510 to 0.710" in one.alt
    assert "-log p_max (l2r) 0.800 to 0.800" in one.alt
    assert "entropy (l2r) 0.350 to 0.350" in one.alt  # the right panel
    assert "l2r_exact 0.500 to 0.700" in one.alt
    lines = {line.get_label() for line in one.figure.axes[0].get_lines()}
    assert {"l2r", "l2r_exact", "ll4al", "entropy (l2r)", "-log p_max (l2r)"} <= lines
    others = drawn.fig_5(FRAME[FRAME["method"] != "l2r"])
    assert "-log p_max (l2r_exact)" in others.alt


def test_figure_5_as_numbers_is_paired_by_seed():
    one = drawn.ranks_gains(FRAME)
    table = one.data.set_index(["of", "rival"])
    rho, share = "Spearman's correlation", "share of the top b"
    # by hand: seeds 0 and 1 have means .6 and .62, so .2 and .18 below .8; t of one degree of freedom is 12.706
    gap = table.loc[rho, "-log p_max"]
    assert gap[["l2r above", "low", "high"]].tolist() == pytest.approx([-0.19, -0.19 - 0.12706, -0.19 + 0.12706], abs=1e-5)
    assert table.loc[(share, "entropy"), "l2r above"] == pytest.approx(0.2 - 0.35)
    assert table.loc[(rho, "ll4al"), ["l2r above", "seeds"]].tolist() == pytest.approx([0.0, 1])  # seed 0 is all they share
    assert f"{rho} -0.190 (-0.317 to -0.063) on -log p_max, 2 seeds" in one.alt
    assert f"{rho} +0.000 on ll4al, 1 seed" in one.alt
    unfinished = FRAME[(FRAME["seed"] == 0) | (FRAME["cycle"] < 2)]
    assert (drawn.ranks_gains(unfinished).data["seeds"] == 1).all()
    assert drawn.ranks_gains(FRAME[FRAME["method"] != "l2r"]) is None


def test_figure_5_stands_beside_what_is_printed():
    one = drawn.ranks_beside(FRAME, published.published("l2r-al", "Fig. 5"))
    assert "l2r: 0.977 printed, 0.710 here, -log p_max 0.800" in one.alt
    assert "l2r_exact: 0.700 here" in one.alt
    assert one.data.set_index("method").loc["l2r", "n"] == 2


def test_the_sorters_table_has_lists_held_out_and_real_ones():
    one = drawn.sorter(FRAME)
    assert "normal, 32 long: 0.030, sigmoids 0.010" in one.alt
    assert "few: predicted by l2r, 32 long: 0.050, sigmoids 0.020" in one.alt
    assert len(one.data) == 3
    assert (one.data["length"] == 32).all()
    short = FRAME[FRAME["kind"].isin(["sorter", "ranking"])].assign(race="counts", length=4.0, error=0.2)
    alone = FRAME[FRAME["kind"] == "sorter"].assign(race="", length=16.0)  # looked at, and asked by no arm
    both = drawn.sorter(pandas.concat([FRAME, short, alone], ignore_index=True))
    held = both.data[~both.data["lists"].str.contains("predicted")]
    assert held["length"].tolist() == [32, 32, 16, 16, 4, 4]
    assert "few: predicted by l2r, 32 long: 0.050" in both.alt
    assert "counts: predicted by l2r, 4 long: 0.200" in both.alt


def test_the_examples_say_the_true_losses():
    one = drawn.examples(FRAME, Data)
    assert (
        "3 candidates of most predicted loss have a true loss of 2.00 nats on average, the 3 of least 0.50" in one.alt
    )
    assert len(one.figure.axes) == 6
    assert drawn.examples(FRAME, None) is None


def test_rivals_and_the_joint_loss_have_their_arms():
    assert set(drawn.rivals(FRAME).data["method"]) == {"random", "l2r", "l2r_exact", "l2r_permuted"}
    assert set(drawn.joint(FRAME).data["method"]) == {"random", "random_joint", "ll4al", "ll4al retrained"}
    full = FRAME.assign(method=FRAME["method"].replace("l2r_exact", "random_joint(joint_weight=1.0)"))
    assert len(set(drawn.joint(full).data["method"])) == 5


@pytest.mark.parametrize("draw", [standard.gains, standard.pairs, standard.overview])
def test_what_ll4al_asked_is_ranked_on_the_plain_target_where_that_ran(draw):
    arms = drawn.on_one_target(FRAME)
    assert "ll4al retrained" in arms
    assert "ll4al" not in arms
    assert len(arms) == len({method for method, _ in CURVES}) - 1
    assert set(draw(FRAME, "few", arms=arms).data["method"]) >= {"l2r", "ll4al retrained"}
    assert "ll4al" not in set(draw(FRAME, "few", arms=arms).data["method"])
    alone = FRAME[FRAME["method"] != "ll4al retrained"]
    assert "ll4al" in drawn.on_one_target(alone)
    assert drawn.on_one_target(FRAME[:0]) == []


@pytest.mark.parametrize("draw", [drawn.fig_4, drawn.fig_5, drawn.rivals, drawn.joint, drawn.sorter])
def test_what_cannot_be_drawn_is_said(draw, capsys):
    nothing = FRAME[(FRAME["method"] == "random") & (draw is not drawn.fig_4)]
    assert draw(nothing) is None
    assert capsys.readouterr().out.strip()


def test_poses_ranks_have_the_placebo_and_entropy_on_the_same_networks():
    about = {"study": "learning_to_rank", "dataset": "figures", "world": True, "race": "poses", "kind": "ranking", "key": "one"}
    rows = [
        about | {"method": method, "seed": seed, "cycle": cycle, "labelled": 100 + 50 * cycle, "spearman": first + cycle / 10,
                 "spearman_entropy": entropy}
        for method, first, entropy in (("l2r_permuted", 0.0, 0.9), ("l2r", 0.6, -0.4)) for seed in (0, 1) for cycle in (0, 1)
    ]  # fmt: skip
    drawing = poses.ranks(pandas.DataFrame(rows))
    assert "l2r 0.600 to 0.700" in drawing.alt
    assert "l2r_permuted 0.000 to 0.100" in drawing.alt
    assert "entropy (l2r) -0.400 to -0.400" in drawing.alt
    assert poses.ranks(pandas.DataFrame(rows).assign(race="few")) is None


def test_the_entropy_of_a_map_does_not_see_where_its_peak_is():
    drawing = poses.maps(FRAME[:0])
    table = drawing.data.set_index("map")
    right, wrong, torn = (table.loc[name] for name in ("right and sure", "wrong and sure", "torn between two"))
    assert wrong["entropy"] == pytest.approx(right["entropy"], abs=1e-12)
    peak = sum(np.exp(-(x * x + y * y) / 4.0) for x in range(-6, 7) for y in range(-6, 7))  # of squares, deviation 2
    assert right["loss"] == 0
    assert wrong["loss"] == pytest.approx(0.5 * 2 * peak / 64**2, rel=1e-5)
    assert torn["loss"] == pytest.approx(0.25 * wrong["loss"], rel=1e-5)
    assert table.loc["nothing", "entropy"] == pytest.approx(np.log(64**2)) == table["entropy"].max()
    assert table["entropy"].max() - table["entropy"].min() < 0.003
    assert "wrong and sure: entropy 8.3154 nats" in drawing.alt


def test_the_null_worlds_stand_in_one_table_and_less_error_is_a_gain():
    few = results({("random", 0): [50, 60], ("l2r", 0): [50, 61], ("random", 1): [50, 60], ("l2r", 1): [50, 63]}, "digits", True,
                  race="null", study="learning_to_rank")  # fmt: skip
    one = drawn.nulls(pandas.concat([FRAME, few.assign(key=few["method"] + few["seed"].astype(str))], ignore_index=True))
    assert one.data[["race", "arm", "seeds"]].to_numpy().tolist() == [["null", "l2r", 2]]
    assert one.data["gain"].iloc[0] == pytest.approx(2.0)
    assert "l2r on digits +2.00 (-10.71 to +14.71) points" in one.alt  # 2 +- 12.706 * sqrt(2) / sqrt(2)
    assert drawn.nulls(FRAME) is None
