"""What reviewers would ask of chapter 3, drawn from frames made up by hand."""

import pandas
import pytest
from matplotlib.pyplot import close

from alnb.drawn import doubt as drawn
from alnb.methods.doubt import CONFIDENCES
from tests.drawn.test_label_dispersion import ABOUT, FEW, curves, note, svg
from tests.result_frames import results


def looked(seed, race="few"):
    about = ABOUT | {"race": race, "method": "doubt", "study": "doubt", "seed": seed}
    rows = [
        about
        | {"kind": "doubt", "score": name, "auroc": 60.0 + i + seed, "ece": 10.0 + i, "excess": 5.0 - i, "sure": 20.0}
        for i, name in enumerate(CONFIDENCES)
    ]
    rows += [
        about
        | {
            "kind": "reliability",
            "score": "dispersion",
            "low": low,
            "samples": n,
            "correct": n // 2,
            "confidence": 100 * n * low,
        }
        for low, n in ((0.3, 4), (0.6, 10), (0.9, 20))
    ]
    return rows + [
        about | {"kind": "overlap", "epochs": T, "of": 50, "shared": share + seed, "rank": 0.9, "tied": 10.0}
        for T, share in ((10, 60.0), (50, 99.0))
    ]


LOOKED = pandas.DataFrame(looked(0) + looked(1))
BATCHES = pandas.DataFrame([
    ABOUT | {"study": "label_dispersion", "race": race, "method": method, "seed": seed, "cycle": cycle, "asked": 10,
             "l1": l1 + 0.1 * seed, "largest": 30.0, "absent": 2, "blank": blank}
    for race, blank in (("few", None), ("trap", 50.0)) for method, l1 in (("random", 0.2), ("dispersion", 0.4))
    for seed in (0, 1) for cycle in (0, 1)
])  # fmt: skip
RECIPES = results(
    {("random", 0): [50, 60, 70], ("dispersion", 0): [50, 62, 74], ("random", 1): [50, 60, 72], ("dispersion", 1): [50, 62, 73],
     ("random(lr=0.02)", 0): [50, 60, 70], ("dispersion(lr=0.02)", 0): [50, 58, 66]},
    "digits", True, race="recipes", key="k",
)  # fmt: skip


def test_every_score_is_told_with_its_numbers():
    drawing = drawn.calibration_3(LOOKED)
    assert drawing.data["score"].tolist() == list(CONFIDENCES)[::-1]  # the best first
    said = "digits, dispersion: AUROC 62.5 %, calibration error 12.0 points, confidence +3.0 points above accuracy, 20 % of"
    assert said in drawing.alt
    reliability, _, _ = drawing.figure.axes
    # 4 and 4 samples of two seeds are too few; the others are right half of the time
    assert curves(reliability)["dispersion"] == [50, 50]
    assert list(reliability.lines[0].get_xdata()) == [60, 90]
    assert "2 seeds" in note(drawing)


def test_both_races_have_their_panels_and_are_drawn_twice_in_equal_bytes():
    rows = pandas.concat([LOOKED, pandas.DataFrame(looked(0, "many"))])
    assert len(drawn.calibration_3(rows).figure.axes) == 6
    for draw in (drawn.calibration_3, drawn.snapshots_3):
        assert svg(draw(rows)) == svg(draw(rows))


def test_a_network_without_mistakes_is_drawn_too():
    rows = LOOKED.assign(auroc=None, sure=None).astype({"auroc": float})
    drawing = drawn.calibration_3(rows.dropna(axis=1, how="all"))
    drawing.figure.draw_without_rendering()
    close(drawing.figure)


def test_the_table_of_snapshots():
    drawing = drawn.snapshots_3(LOOKED)
    assert drawing.data[["T", "looked at", "seeds"]].values.tolist() == [[50, 10, 2], [50, 50, 2]]
    assert [str(share) for share in drawing.data["batch in common, %"]] == ["60", "100"]  # the same decimals
    assert (
        "digits, 10 of 50 epochs: 60 % of the batch in common, rank correlation 0.900, 10 % of the batch decided"
        in drawing.alt
    )


def test_balance_is_the_mean_over_the_batches_of_a_run():
    drawing = drawn.balance_3(BATCHES)
    assert drawing.data["method"].tolist() == ["random", "dispersion"]
    assert drawing.data["mean"].tolist() == pytest.approx([0.25, 0.45])
    assert "random 0.250, its largest class 30 % of a batch, 2.0 classes absent" in drawing.alt
    assert svg(drawn.balance_3(BATCHES)) == svg(drawn.balance_3(BATCHES))


def test_the_trap_says_what_was_spent_on_cards_of_no_class():
    drawing = drawn.trap_3(FEW.assign(race="trap"), BATCHES)
    assert drawing.alt.endswith("Of what was asked, cards of no class: random 50 %, dispersion 50 %.")
    assert note(drawing).endswith("random 50 %, dispersion 50 %.")
    assert (
        drawn.trap_3(FEW.assign(race="trap"), BATCHES[:0]).alt
        == drawn.standard.race(FEW.assign(race="trap"), "trap").alt
    )


def test_recipes_are_held_against_random_of_the_same_recipe():
    drawing = drawn.recipes_3(RECIPES)
    assert drawing.data["recipe"].tolist() == ["as the other races", "lr=0.02"]
    assert drawing.data["gain"].tolist() == pytest.approx([(3 + 1.5) / 2, -3])
    assert drawing.data["seeds"].tolist() == [2, 1]
    assert "lr=0.02: -3.00 (one seed), Random at 65.0" in drawing.alt


@pytest.mark.parametrize(
    "draw", [drawn.calibration_3, drawn.snapshots_3, drawn.recipes_3, lambda rows: drawn.trap_3(rows, BATCHES)]
)
@pytest.mark.parametrize(
    "rows", [FEW, FEW[:0], FEW[FEW.cycle == 0].assign(race="recipes"), RECIPES[RECIPES.method == "random"]]
)
def test_what_did_not_run_is_said_in_one_line(draw, rows, capsys):
    assert draw(rows) is None
    assert capsys.readouterr().out.count("\n") == 1


def test_what_was_asked_and_is_not_known_is_said(capsys):
    assert drawn.balance_3(BATCHES, "many") is None
    assert drawn.balance_3(BATCHES[:0]) is None
    assert capsys.readouterr().out.count("few: what was asked is not known") == 1
