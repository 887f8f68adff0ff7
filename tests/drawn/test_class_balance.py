"""The artefacts of chapter 4, on frames made up by hand."""

import pandas
import pytest
from matplotlib.pyplot import close

from alnb import figures, published
from alnb.drawn import class_balance as drawn
from alnb.drawn import class_balance_extra as extra
from alnb.methods.class_balance import l1_floor, l1_score
from tests.result_frames import results

ABOUT = {"study": "class_balance", "dataset": "digits", "world": True, "race": "few"}
CURVES = {
    ("random", 0): [50, 60, 70], ("random", 1): [50, 62, 72], ("entropy", 0): [50, 59, 68], ("entropy", 1): [50, 60, 69],
    ("entropy_cb(lam=2.0)", 0): [50, 60.5, 70], ("entropy_cb(lam=2.0)", 1): [50, 61, 71.5], ("entropy_pseudo", 0): [50, 60, 69],
}  # fmt: skip
BATCHES = {"random": "6 3 1", "entropy": "7 2 1", "entropy_cb(lam=2.0)": "4 3 3", "entropy_pseudo": "5 3 2"}


def frame():
    tests = results(CURVES, "digits", True, race="few", study="class_balance")
    tests["key"] = tests["method"] + tests["seed"].astype(str)
    rows = []
    for method, seed in CURVES:
        about, have = ABOUT | {"method": method, "seed": seed, "key": f"{method}{seed}"}, [10, 10, 10]
        for cycle in (0, 1):
            batch = [int(n) for n in BATCHES[method].split()]
            have = [a + b for a, b in zip(have, batch)]
            scores = {"l1": l1_score(batch), "l1_labelled": l1_score(have)}
            classes = {"batch": BATCHES[method], "labelled_classes": " ".join(map(str, have)), "left": "60 30 9"}
            rows.append(about | scores | classes | {"kind": "balance", "cycle": cycle})
        if method == "entropy":
            sweep = [("entropy_cb", lam, 20 - lam, 9 / (1 + 9 * lam)) for lam in (0.0, 1.0, 2.0)]
            rows += [about | {"kind": "lambda", "rule": rule, "lam": lam, "entropy": e, "l1_loss": l1, "l1_labelled": 0.1}
                     for rule, lam, e, l1 in [*sweep, ("entropy_pseudo", None, 19.0, 3.0)]]  # fmt: skip
        if method.startswith("entropy_cb"):
            rows.append(
                about | {"kind": "programme", "cycle": 0, "lam": 2.0, "objective": -20.0, "bound": -20.5, "gap": 0.5}
            )
    return pandas.concat([tests, pandas.DataFrame(rows)], ignore_index=True)


FRAME = frame()


@pytest.fixture(autouse=True)
def _closed():
    yield
    close("all")


def test_the_distributions_say_the_l1_score_of_each_cycle():
    one = drawn.fig_4_3(FRAME)
    assert f"entropy {l1_score([17, 12, 11]):.2f}, {l1_score([24, 14, 12]):.2f}" in one.alt
    assert f"entropy_cb(lam=2.0) {l1_score([14, 13, 13]):.2f}" in one.alt
    assert len(one.figure.axes) == 4  # two arms, two cycles; k_center did not run
    assert [bar.get_height() for bar in one.figure.axes[0].patches] == [17, 12, 11]
    assert "random" in drawn.fig_4_2(FRAME).alt


def test_the_curve_of_balance_is_against_the_labels_after_the_batch():
    one = drawn.balance_4(FRAME)
    assert set(one.data["labelled"]) == {150, 200}
    assert one.alt.index("entropy_cb") < one.alt.index("random")


def test_where_a_class_runs_out_the_least_score_is_drawn():
    assert "least" not in drawn.balance_4(FRAME).alt + drawn.fig_4_3(FRAME).alt
    scarce = FRAME.assign(left=FRAME["left"].replace("60 30 9", "60 30 2"))  # 12 of the third class
    least = l1_floor([70, 40, 12], 40)
    assert least == pytest.approx(2 * (40 / 3 - 12) / (2 * 40 * 2 / 3))
    one = drawn.balance_4(scarce)
    assert f"the least there can be is {least:.2f} after cycle 1" in one.alt
    dotted = next(line for line in one.figure.axes[0].lines if line.get_linestyle() == ":")
    assert dotted.get_ydata()[0] == pytest.approx(least)
    assert dotted.get_ydata()[1] == pytest.approx(l1_floor([70, 40, 12], 50))
    bars = drawn.fig_4_3(scarce)
    assert f"(least {least:.2f})" in bars.figure.axes[0].get_title()
    assert bars.figure.axes[0].collections  # what there is of the third class
    assert drawn.balance_severe_4(FRAME) is None
    assert drawn.balance_severe_4(FRAME.assign(race="severe")).alt == drawn.balance_4(FRAME).alt


def test_lambda_is_picked_by_the_rule_and_said():
    one = drawn.fig_4_4(FRAME)
    assert "The rule picks 2. Entropy-CB ran with 2." in one.alt
    many = pandas.concat([FRAME, FRAME.assign(race="many", dataset="others", lam=FRAME["lam"].replace(2.0, 1.5))])
    assert "on others" in drawn.fig_4_4(many).alt  # as printed, of many classes
    assert "Entropy-CB ran with 1.5." in drawn.fig_4_4(many).alt
    colours = {line.get_label(): line.get_color() for line in one.figure.axes[0].lines}
    for label, arm in {"Entropy-CB": "entropy_cb", "Entropy": "entropy", "by pseudo-labels": "entropy_pseudo"}.items():
        assert colours[label] == figures.looks([arm])[arm]["color"]  # as in every other figure


def test_the_gains_are_paired_and_stand_beside_the_printed_ones():
    table = drawn.table_4_1(FRAME, published.published("thesis", "Table 4.1")).data
    assert table[["IF", "cycle", "printed", "seeds"]].values.tolist() == [["0.3", 1, 0.4, 2], ["0.3", 2, 1.11, 2]]
    assert table["ours"].tolist() == pytest.approx([1.25, 2.25])


def renamed(names, **about):
    """The frame with arms called otherwise, those of no new name left out."""
    rows = FRAME[FRAME["method"].isin(names)]
    return rows.assign(method=rows["method"].replace(names), **about)


def test_tiny_imagenets_table_and_figure_are_of_the_arms_it_prints_whatever_their_options():
    arms = {"random": "random", "entropy": "bald(dropout=0.5)", "entropy_cb(lam=2.0)": "bald_cb(dropout=0.5, lam=0.1)"}
    rows = renamed(arms, race="large_severe")
    table = drawn.table_4_3(rows, published.published("thesis", "Table 4.3"))
    assert table.data[["IF", "cycle", "printed"]].values.tolist() == [["0.1", 1, 0.31], ["0.1", 2, 0.10]]
    assert table.data["ours"].tolist() == pytest.approx([1.25, 2.25])
    assert "bald_cb" in drawn.fig_4_11c(rows).alt
    assert drawn.fig_4_11a(rows) is drawn.fig_4_11b(rows) is None


def test_vaal_has_its_rows_in_table_4_1():
    rows = renamed({"random": "random", "entropy": "vaal", "entropy_cb(lam=2.0)": "vaal_cb(lam=0.15)"})
    table = drawn.table_4_1(rows, published.published("thesis", "Table 4.1")).data
    assert table["printed"].tolist() == [0.28, 0.24]
    assert "vaal_cb" in drawn.fig_4_5b(rows).alt


def test_a_loss_with_weights_is_drawn_beside_the_programme_where_it_ran():
    both = pandas.concat([FRAME, renamed({"entropy": "entropy(class_weights='balanced')"})], ignore_index=True)
    one = extra.loss_4(both)
    assert "entropy(class_weights='balanced')" in one.alt
    assert set(one.data["method"]) == {"random", "entropy", "entropy(class_weights='balanced')", "entropy_cb(lam=2.0)"}
    assert extra.loss_4(FRAME) is None


def test_the_pool_and_the_programme_are_told():
    assert "60 samples of the most frequent class, 9 of the rarest" in drawn.data_4(FRAME).alt
    assert "1 choices, gap up to 0.500" in extra.programme_4(FRAME[FRAME["seed"] == 0]).alt


def test_the_variant_by_pseudo_labels_is_drawn_where_it_ran():
    assert "entropy_pseudo" in drawn.fig_4_7(FRAME).alt
    assert drawn.fig_4_7(FRAME[FRAME["method"] != "entropy_pseudo"]) is None


@pytest.mark.parametrize("draw", [drawn.data_4, drawn.fig_4_2, drawn.fig_4_3, drawn.fig_4_4, drawn.fig_4_5a, drawn.fig_4_6b,
                                  drawn.fig_4_7, drawn.fig_4_8, drawn.fig_4_11b, drawn.balance_4, extra.loss_4, extra.programme_4,
                                  drawn.rivals_4])  # fmt: skip
@pytest.mark.parametrize(
    "rows", [FRAME[:0], FRAME[FRAME["kind"] == "nothing"], FRAME[(FRAME["kind"] == "test") & (FRAME["cycle"] == 0)]]
)
def test_what_did_not_run_is_passed_over(draw, rows, capsys):
    one = draw(rows)
    assert one is not None or capsys.readouterr().out.count("\n") == 1


def test_a_table_without_a_pair_is_passed_over():
    printed = published.published("thesis", "Table 4.1")
    assert drawn.table_4_1(FRAME[FRAME["method"] == "random"], printed) is None
    assert drawn.table_4_2(FRAME, printed) is None
