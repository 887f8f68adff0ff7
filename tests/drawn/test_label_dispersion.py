"""The artefacts of chapter 3, on frames made up by hand."""

import io
from types import SimpleNamespace

import numpy
import pandas
import pytest
from matplotlib.pyplot import close

from alnb import figures
from alnb.drawn import label_dispersion as drawn
from alnb.drawn import samples
from tests.result_frames import results

CURVES = {
    ("random", 0): [50, 60, 70, 75], ("random", 1): [50, 62, 72, 76], ("dispersion", 0): [50, 64, 76],
    ("dispersion", 1): [50, 65, 78], ("qbc", 0): [50, 64, 75], ("all_data", 0): [95],
}  # fmt: skip
FEW = results(CURVES, "digits", True, race="few", key="k")
DATA = SimpleNamespace(
    name="digits", class_names=[str(c) for c in range(10)], info=SimpleNamespace(real=False),
    train_images=numpy.zeros((40, 3, 8, 8), numpy.uint8), train_targets=numpy.arange(40) % 10,
)  # fmt: skip
ABOUT = {
    "study": "label_dispersion",
    "dataset": "digits",
    "world": True,
    "race": "few",
    "method": "dispersion",
    "key": "k",
}


def examples(seed):
    return [
        ABOUT | {"kind": "example", "seed": seed, "panel": panel, "sample": i + seed, "true": i, "confidence": 0.9,
                 "dispersion": 0.1 * i, "epoch_-1": 3.0, "epoch_0": 4.0}
        for i, panel in enumerate("ab")
    ]  # fmt: skip


def histogram(seed, cycle, counts):
    return [
        ABOUT | {"kind": "histogram", "seed": seed, "cycle": cycle, "low": b / 10, "samples": n, "correct": n - b}
        for b, n in enumerate(counts)
    ]


def informativeness(method, seed, values):
    return [
        ABOUT
        | {"kind": "informativeness", "method": method, "seed": seed, "portion": 0.05 * (i + 1), "accuracy": value}
        for i, value in enumerate(values)
    ]


def pairs(race="few"):
    """Two cycles of a pair, its retrained network, CEAL and Random, which goes on for a cycle."""
    curves = {
        ("pseudo_labels", "a+b 10%", "A"): [(10, 50.0, 5, 80.0), (20, 60.0, 5, 90.0)],
        ("pseudo_labels", "a+b 10%", "B"): [(10, 55.0, 5, 80.0), (20, 65.0, 5, 90.0)],
        ("pseudo_labels", "ceal", "B"): [(10, 50.0, 0, None), (20, 70.0, 8, 100.0)],
        ("label_dispersion", "a+b 10% retrained", None): [(10, 50.0, None, None), (20, 58.0, None, None)],
        ("label_dispersion", "random", None): [(10, 50.0, None, None), (20, 52.0, None, None), (30, 54.0, None, None)],
    }
    names, about = ("labelled", "accuracy", "pseudo", "pseudo_right"), ABOUT | {"race": race, "kind": "test", "seed": 0}
    return pandas.DataFrame(
        [about | {"study": study, "method": method, "model": model, "key": method, "cycle": c} | dict(zip(names, row))
         for (study, method, model), curve in curves.items() for c, row in enumerate(curve)]
    )  # fmt: skip


def paired_up():
    """The pairs at the labels that the other arms have."""
    rows = pairs()[lambda r: r.method != "random"]
    return rows.assign(labelled=100 + 50 * rows["cycle"])


WHOLE = pandas.concat([
    FEW, pandas.DataFrame([
        *examples(1), *examples(0), *histogram(0, 0, [20, 30, 9, 0]), *histogram(1, 0, [20, 30, 0, 0]),
        *histogram(0, 1, [100, 0, 0, 0]), *informativeness("random", 0, [60, 62]), *informativeness("random", 1, [62, 64]),
        *informativeness("dispersion", 0, [30, 40]), *informativeness("bald(dropout=0.5)", 0, [10, 20]),
        *informativeness("entropy", 0, [10, 20]), *informativeness("qbc", 0, [10, 20]),
    ]),
])  # fmt: skip
OF_RESULTS = (
    drawn.fig_3_3, drawn.fig_3_4, drawn.fig_3_5a, drawn.fig_3_5b, drawn.fig_3_6a, drawn.fig_3_6b, drawn.rivals_3,
    drawn.table_3_1, drawn.fig_3_8, drawn.fig_3_9, drawn.pseudo_3,
)  # fmt: skip


def svg(drawing) -> bytes:
    """What `figures.save` would write."""
    figures.title(drawing.figure, "A caption", "thesis-fig-1", ["digits"], [figures.STAND_IN])
    body = io.BytesIO()
    with figures.style():
        drawing.figure.savefig(body, format="svg", metadata={"Date": None})
    close(drawing.figure)
    return body.getvalue()


def note(drawing) -> str:
    return " ".join(drawing.figure._supxlabel.get_text().split())


def curves(ax):
    return {line.get_label(): list(line.get_ydata()) for line in ax.lines if len(line.get_xdata())}


@pytest.mark.parametrize("draw", OF_RESULTS, ids=[draw.__name__ for draw in OF_RESULTS])
@pytest.mark.parametrize("race", ["few", "many", "null"])
def test_what_did_not_run_is_said_in_one_line(draw, race, capsys):
    every = pandas.concat([WHOLE, paired_up()]).assign(race=race)
    for rows in (
        every,
        every[every.method == "random"],
        every[every.seed == 0],
        every[every.kind == "choice"],
        every[every.cycle == 0],
        every[:0],
    ):
        drawing, said = draw(rows), capsys.readouterr().out
        assert said.count("\n") == (drawing is None)
        if drawing is not None:
            assert "nan" not in drawing.alt
            drawing.figure.draw_without_rendering()
            close(drawing.figure)


def test_every_artefact_is_drawn_twice_in_equal_bytes():
    few = pandas.concat([WHOLE, paired_up()])
    rows = pandas.concat([few, few.assign(race="many")])
    made = [lambda: samples.of_classes(DATA, 3), lambda: drawn.fig_3_1(rows, DATA), *(lambda f=f: f(rows) for f in OF_RESULTS)]
    for draw in made:
        assert svg(draw()) == svg(draw())


def test_the_data_looked_at_and_images_that_are_missing(capsys):
    named = f"samples each of the classes {', '.join('0123456789')} of digits."
    assert [samples.of_classes(DATA, each).alt for each in (2, 3)] == [f"Two {named}", f"Three {named}"]
    assert samples.of_classes(None, 3) is None
    assert drawn.fig_3_1(WHOLE, None) is None
    assert capsys.readouterr().out.count("the images are not here\n") == 2


def test_examples_are_those_of_the_first_seed_with_their_numbers():
    drawing = drawn.fig_3_1(WHOLE, DATA)
    assert drawing.data["seed"].unique().tolist() == [0]
    assert "(b) a 1, last predicted 3, 4, confidence 0.90, dispersion 0.10" in drawing.alt
    assert note(drawing).startswith("Seed 0,")


def test_histograms_pool_the_seeds_and_no_bar_is_beyond_all():
    drawing = drawn.fig_3_4(WHOLE)
    first, second = drawing.figure.axes
    assert "0.0: 37 % of the pool, 100 % right, 0.1: 55 % of the pool, 97 % right. cycle 1" in drawing.alt
    assert [round(bar.get_height(), 1) for bar in first.patches][:3] == [36.7, 55.0, 8.3]
    assert max(bar.get_height() for bar in second.patches) == 100
    assert second.get_ylim()[1] > 100
    assert numpy.isnan(first.lines[0].get_ydata()[2])  # nine samples say nothing
    assert "The pools of 2 seeds together" in note(drawing)


def test_informativeness_has_entropy_beside_what_is_printed_and_leaves_out_arms_with_a_network_of_their_own():
    drawing = drawn.fig_3_5a(WHOLE)
    assert curves(drawing.figure.axes[0]) == {"random": [61, 63], "dispersion": [30, 40], "entropy": [10, 20]}
    assert "lowest at the end first: entropy 10.0 to 20.0 %; dispersion 30.0 to 40.0 %; random 61.0 to 63.0 %" in drawing.alt
    assert "from 5 to 10 on digits, mean of 2 seeds (dispersion, entropy: 1)" in drawing.alt


def test_the_race_holds_the_printed_arms_and_the_rivals_need_one():
    assert list(curves(drawn.fig_3_6a(WHOLE).figure.axes[0])) == ["random", "dispersion"]
    assert list(curves(drawn.rivals_3(WHOLE).figure.axes[0])) == ["random", "dispersion", "qbc"]
    assert drawn.rivals_3(WHOLE[WHOLE.method != "qbc"]) is None


def test_table_3_1_is_at_the_last_budget_of_the_arms_and_relative_to_every_label():
    many = FEW.assign(race="many", dataset="glyphs-100")
    null = FEW.assign(race="null", dataset="digits-null")
    table = drawn.table_3_1(pandas.concat([FEW, many[many.method != "all_data"], null])).data
    assert set(table["dataset"]) == {"digits", "glyphs-100"}
    rows = table.set_index(["dataset", "method"])
    assert rows.loc[("digits", "random"), ["labels", "acc", "seeds"]].tolist() == [
        200,
        71.0,
        2,
    ]  # not its further cycle
    assert rows.loc[("digits", "dispersion"), "rel"] == pytest.approx(100 * 77 / 95)
    assert rows.loc["glyphs-100"]["rel"].isna().all()
    assert table["acc"][:3].tolist() == [95, 77, 75]  # best first


def test_the_table_of_pairs_holds_the_last_budget_of_each_model():
    drawing = drawn.pseudo_3(pairs())
    pair, ceal = drawing.data.to_dict("records")
    assert (pair["pair"], pair["pseudo-labels"], pair["% right"], pair["seeds"]) == ("a+b 10%", 5, 85.0, 1)
    assert (pair["A"], pair["B"], pair["retrained"]) == (60.0, 65.0, 58.0)
    assert (ceal["pair"], ceal["pseudo-labels"], ceal["% right"], ceal["B"]) == ("ceal", 8, 100.0, 70.0)
    assert not ceal["A"] > 0  # CEAL has one model
    said = "a+b 10%: A 60.0 %, B 65.0 %, the plain network on its queries 58.0 %; 85.0 % of its pseudo-labels right"
    assert said in drawing.alt
    assert "ceal: B 70.0 %; 100.0 % of its pseudo-labels right" in drawing.alt


def test_pairs_have_b_and_a_on_the_left_and_the_retrained_on_the_right():
    drawing = drawn.fig_3_8(pairs())
    left, right = drawing.figure.axes
    assert curves(left) == {"random": [50, 52, 54], "a+b 10%": [55, 65], "ceal": [50, 70], "a+b 10% A": [50, 60]}
    assert curves(right) == {"random": [50, 52, 54], "a+b 10%": [50, 58]}
    b, a = (line for line in left.lines if line.get_label().startswith("a+b"))
    assert b.get_color() == a.get_color()
    assert (b.get_linestyle(), a.get_linestyle()) == ("-", "--")
    assert [text.get_text() for text in drawing.figure.legends[0].get_texts()] == ["random", "a+b 10%", "ceal"]
    assert note(drawing) == "One seed, so no band. A's bands are left out."


def test_pairs_that_were_not_retrained_have_one_panel():
    rows = pairs()
    assert len(drawn.fig_3_8(rows[~rows.method.str.endswith("retrained")]).figure.axes) == 1


def test_what_looking_at_the_pool_took_is_a_share_of_the_rest():
    rows = pandas.DataFrame([ABOUT | {"kind": "timing", "seed": 0, "step": s, "seconds": 10.0, "choosing": 1.0, "watching": w}
                             for s, w in ((0, None), (1, 6.0))])  # fmt: skip
    said = drawn.watching_3(rows)
    assert said == "few: dispersion's runs spent 6 s of looking beside 12 s of training and testing, 50% of it."
    for other in (rows.drop(columns="watching"), rows.assign(method="margin"), rows[:0]):
        assert "was not timed here" in drawn.watching_3(other)
