"""What every paper has, on frames made up by hand: the numbers that are said, and everything that may be missing."""

import re
import warnings

import pandas
import pytest
from matplotlib.pyplot import close

from alnb import figures
from alnb.drawn import standard
from tests.result_frames import errors, results

CURVES = {
    ("random", 0): [50, 60, 70], ("random", 1): [50, 62, 72], ("random", 2): [51, 61, 70],
    ("random_again", 0): [50, 61, 70], ("random_again", 1): [50, 61, 71], ("random_again", 2): [51, 62, 70],
    ("margin", 0): [50, 64, 76], ("margin", 1): [50, 65, 78], ("margin", 2): [51, 66, 75],
    ("bald(dropout=0.5)", 0): [20, 60, 75],
}  # fmt: skip
ACCURACY = results(CURVES, "digits", True, race="few", key="k")
ERROR = errors(
    {run: [100 - value for value in curve] for run, curve in CURVES.items()}, world=True, race="few", key="k"
)
DRAWINGS = (standard.race, standard.gains, standard.pairs, standard.overview)


def only(frame, *arms, seeds=(0, 1, 2), cycles=(0, 1, 2)):
    kept = frame["method"].isin(arms) if arms else frame["method"].notna()
    return frame[kept & frame["seed"].isin(seeds) & frame["cycle"].isin(cycles)]


DEGENERATE = {
    "whole": lambda f: f,
    "no race column": lambda f: f.drop(columns="race"),
    "no Random": lambda f: only(f, "margin", "bald(dropout=0.5)"),
    "a copy of Random alone": lambda f: only(f, "random_again", "margin"),
    "Random alone": lambda f: only(f, "random"),
    "one arm": lambda f: only(f, "margin"),
    "one seed": lambda f: only(f, seeds=[0]),
    "no common seed": lambda f: pandas.concat([only(f, "random", seeds=[0]), only(f, "margin", seeds=[1])]),
    "one cycle": lambda f: only(f, cycles=[0, 1]),
    "the first training alone": lambda f: only(f, cycles=[0]),
    "an unfinished run": lambda f: f.drop(f.index[-1]),
    "equal arms": lambda f: pandas.concat([only(f, "random"), only(f, "random").assign(method="margin")]),
    "an unknown arm": lambda f: f.replace({"method": {"margin": "mine"}}),
    "no row": lambda f: f[:0],
    "no test row": lambda f: f.assign(kind="choice"),
    "another race": lambda f: f.assign(race="many"),
    "no number": lambda f: f.assign(**{name: float("nan") for name in ("accuracy", "mae") if name in f}),
}  # fmt: skip


@pytest.mark.parametrize("frame", [ACCURACY, ERROR], ids=["accuracy", "error"])
@pytest.mark.parametrize("what", DEGENERATE)
@pytest.mark.parametrize("draw", DRAWINGS, ids=[draw.__name__ for draw in DRAWINGS])
def test_what_cannot_be_drawn_is_said_in_one_line_and_never_raises(draw, what, frame, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawing = draw(DEGENERATE[what](frame), "few")
    said = capsys.readouterr().out
    if drawing is None:
        assert re.fullmatch(r"few: .+\n", said)
        return
    assert not said
    assert "nan" not in drawing.alt
    assert len(drawing.data)
    assert set(drawing.rows["race" if "race" in drawing.rows else "dataset"])
    figures.title(drawing.figure, "A caption", "thesis-fig-1", ["digits"], [])
    drawing.figure.draw_without_rendering()
    close(drawing.figure)


@pytest.mark.parametrize("draw", DRAWINGS, ids=[draw.__name__ for draw in DRAWINGS])
def test_the_whole_race_is_drawn_twice_in_equal_bytes(draw, tmp_path):
    for side in "ab":
        drawing = draw(ACCURACY, "few")
        figures.title(drawing.figure, "A caption", "thesis-fig-1", ["digits"], [figures.STAND_IN])
        figures.save(tmp_path / side, "thesis-fig-1", drawing.figure, drawing.data, drawing.alt, {})
    for kind in ("svg", "png", "csv"):
        assert (tmp_path / "a" / f"thesis-fig-1.{kind}").read_bytes() == (
            tmp_path / "b" / f"thesis-fig-1.{kind}"
        ).read_bytes()


def note(drawing) -> str:
    return " ".join(drawing.figure._supxlabel.get_text().split())


def test_a_race_says_its_numbers_its_seeds_and_what_every_label_reaches():
    full = results({("all_data", 0): [90], ("all_data", 1): [92]}, "digits", True, race="few", key="k", labelled=[900])
    drawing = standard.race(pandas.concat([ACCURACY, full]), "few")
    assert "margin 50.3 to 76.3 %; bald(dropout=0.5) 20.0 to 75.0 %" in drawing.alt
    assert "highest at the end first" in drawing.alt
    assert "all_data" not in set(drawing.data["method"])  # a line of one point would stretch the axis
    assert "Mean of 3 seeds (bald(dropout=0.5): 1); band: one standard deviation" in note(drawing)
    assert "Every label: 91.0 % (2 seeds)." in note(drawing)
    assert "Every label: 91.0 %" in drawing.alt
    assert [ax.get_ylabel() for ax in drawing.figure.axes] == ["test accuracy, %", ""]  # bald stands apart


def test_the_arms_that_are_named_are_found_with_their_options_and_in_that_order():
    drawing = standard.race(ACCURACY, "few", arms=["margin", "bald", "vaal", "random"])
    labels = [line.get_label() for ax in drawing.figure.axes for line in ax.lines if len(line.get_xdata())]
    assert list(dict.fromkeys(labels)) == ["margin", "random", "bald(dropout=0.5)"]
    assert set(drawing.data["method"]) == {"margin", "bald(dropout=0.5)", "random"}


def axis_label(drawing):
    return " ".join(drawing.figure.axes[0].get_xlabel().split())


def test_an_error_reads_right_everywhere():
    race = standard.race(ERROR, "few")
    assert "Lines of test mae, px against labelled" in race.alt
    assert "lowest at the end first: margin 49.7 to 23.7 px" in race.alt
    assert "Lower is better." in note(race)
    gains = standard.gains(ERROR, "few")
    margin = gains.alt.split("best first: ")[1].split(";")[0]
    assert margin.startswith("margin +4.83")  # less error is a gain
    assert ", in px, positive is better" in gains.alt
    pairs = standard.pairs(ERROR, "few")
    assert "lowest first; its first row: margin minus" in pairs.alt
    assert "margin minus random: -4.83" in pairs.alt  # a difference keeps its sign
    assert "to the right is better" in axis_label(gains)
    assert "px; best first by gain in area on random over common seeds. margin: area 29.33" in standard.overview(ERROR, "few").alt


def test_a_second_metric_can_be_asked_for_and_one_that_is_not_there_is_said(capsys):
    both = ERROR.assign(pck=100 - ERROR["mae"])
    assert "test pck, %" in standard.race(both, "few", metric="pck").alt
    assert standard.race(both, "few", metric="mAP") is None
    assert "few: no metric mAP on joints" in capsys.readouterr().out


def test_another_cost_than_labels_and_one_that_is_not_there(capsys):
    drawing = standard.race(ACCURACY.assign(cost=ACCURACY["labelled"] * 2 + ACCURACY["seed"]), "few", x="cost")
    assert "against cost from 200 to 401" in drawing.alt
    assert standard.race(ACCURACY, "few", x="boxes") is None
    assert "few: no row has boxes" in capsys.readouterr().out


def test_gains_name_the_interval_of_the_second_random_and_leave_out_arms_without_one():
    drawing = standard.gains(ACCURACY, "few")
    labels = [text.get_text() for text in drawing.figure.axes[0].get_yticklabels()]
    assert labels == ["margin", "random_again"]  # bald ran on one seed
    assert "Paired by seed, 3 seeds; bar: 95 % t interval. Shaded: that of random_again." in note(drawing)
    assert set(drawing.data["method"]) == {"random", "random_again", "margin", "bald(dropout=0.5)"}
    assert re.search(r"margin \+4\.83 \(\+\d\.\d\d to \+\d\.\d\d, 3 seeds\)", drawing.alt)
    alone = standard.gains(only(ACCURACY, seeds=[0]), "few")
    assert "Paired by seed, one seed, so no interval." in note(alone)
    assert "(one seed)" in alone.alt


def test_pairs_hold_every_arm_against_every_other():
    drawing = standard.pairs(ACCURACY, "few")
    assert len(drawing.data) == 4 * 3
    row = drawing.data.set_index(["method", "against"]).loc[("margin", "random")]
    assert row["mean"] == pytest.approx(4.8333, abs=1e-3)
    assert row["n"] == 3


def test_an_overview_leaves_out_what_nobody_measured():
    drawn = [text.get_text() for text in standard.overview(ACCURACY, "few").figure.axes[0].texts]
    assert drawn[:4] == ["arm", "seeds", "area, %", "margin"]  # and labels saved, where Random went no further than the others
    assert "choosing, s" not in drawn
    choice = results({("margin", 0): [0, 0]}, "digits", True, race="few", key="k").assign(kind="choice", tied_share=0.5)
    timing = results({("margin", 0): [0]}, "digits", True, race="few", key="k").assign(kind="timing", choosing=3.0)
    table = standard.overview(pandas.concat([ACCURACY, choice, timing]), "few")
    assert "1.50 s choosing" in table.alt


def test_what_was_retrained_and_the_runs_of_another_study_stand_in_no_race():
    other = only(ACCURACY, "margin").assign(study="pseudo_labels", method="a+b 10%", key="p")
    two = pandas.concat([other.assign(model="A"), other.assign(model="B")])
    again = only(ACCURACY, "margin").assign(method="a+b 10% retrained")
    frame = pandas.concat([ACCURACY, two, again])
    assert set(standard.chosen(frame, "few")["method"]) == set(ACCURACY["method"])
    assert set(standard.chosen(frame, "few", ["a+b 10% A"])["method"]) == {"a+b 10% A"}
    assert {"a+b 10% A", "a+b 10% B", "a+b 10% retrained"} < set(standard.models(frame)["method"])


def test_the_first_race_with_an_evaluation_is_taken_where_none_is_named(capsys):
    both = pandas.concat([ACCURACY, only(ACCURACY, "random", "margin").assign(race="many", dataset="glyphs-10")])
    assert set(standard.race(both).data["race"]) == {"few"}
    assert set(standard.race(both, "many").data["dataset"]) == {"glyphs-10"}
    assert standard.race(both, "null") is None
    assert capsys.readouterr().out == "null: no runs at this profile\n"


def test_printed_numbers_beside_ours(capsys):
    from alnb.published import published

    printed, stand_ins = published("thesis", "Table 3.1"), {"digits": "cifar-10"}
    drawing = standard.beside(ACCURACY, printed, stand_ins=stand_ins, network="small")
    assert "margin: 90.44 printed for cifar-10, 76.33 here on digits" in drawing.alt
    assert "vaal" in drawing.alt.split("Not run here: ")[1]
    assert standard.beside(ACCURACY, printed) is None
    assert standard.beside(ACCURACY[:0], printed, stand_ins=stand_ins) is None
    assert (
        capsys.readouterr().out.splitlines() == ["Table 3.1 beside ours: none of its methods ran at this profile"] * 2
    )


def test_numbers_below_one_have_the_decimals_that_tell_them_apart(monkeypatch):
    from alnb import claims
    from alnb.published import published

    cells = lambda drawing: [text.get_text() for text in drawing.figure.axes[0].texts]
    small = ACCURACY.assign(accuracy=ACCURACY["accuracy"] / 100)
    printed = published("thesis", "Table 3.1").assign(value=lambda t: t["value"] / 100)
    assert {"0.904", "0.763"} <= set(cells(standard.beside(small, printed, stand_ins={"digits": "cifar-10"})))
    one = dict.fromkeys(claims.COLUMNS, "") | {"quote": "so it is"} | dict.fromkeys(claims.NUMBERS, float("nan"))
    one |= {"id": "c-1", "kind": "primary", "metric": "aubc", "race": "few", "method": "margin", "comparator": "random",
            "direction": "lower", "planned_world_seeds": 3, "band": 0.003}  # fmt: skip
    monkeypatch.setattr(claims, "read", lambda notebook: pandas.DataFrame([one]))
    drawing = standard.claims(ERROR.assign(mae=ERROR["mae"] / 100), "01")
    assert any(text.startswith("-0.048 (") for text in cells(drawing))


def test_the_audit_says_what_fails():
    drawing = standard.audit("thesis", "3")
    checks, fail = len(drawing.data), int((~drawing.data["agrees"].astype(bool)).sum())
    assert 0 < fail < checks
    assert f"{checks} checks of printed numbers, {fail} fail: " in drawing.alt
    assert f"{checks} checks, {fail} fail: those shown." in note(drawing)
    assert drawing.alt.count("printed ") == fail + 1
    shown = drawing.figure.shown[0]
    assert len(shown) == fail
    assert shown["note"].any()
    assert all(row.printed != row.computed for row in shown.itertuples() if row.printed)


@pytest.mark.parametrize(
    ("printed", "computed", "told"),
    [(2.0, 1.0, ("2", "1")), (50.0, 50.0, ("50", "50")), (0.997, 1.0, ("0.997", "1.000")), (60.75, 60.8, ("60.75", "60.80")),
     (1 / 3, 2 / 3, ("0.333", "0.667")), (10 / 3, 20 / 3, ("3.33", "6.67")),
     (float("nan"), 3.0, ("", "3")), (1.0, 1.00001, ("1.0000", "1.0000"))],
)  # fmt: skip
def test_numbers_of_an_audit_have_the_decimals_that_tell_them_apart(printed, computed, told):
    assert tuple(standard._apart(printed, computed).values()) == told


def test_claims_say_their_verdicts_and_what_holds_where_it_should_not(monkeypatch, capsys):
    from alnb import claims

    one = dict.fromkeys(claims.COLUMNS, "") | {"quote": "so it is"} | dict.fromkeys(claims.NUMBERS, float("nan"))
    one |= {"id": "c-1", "kind": "primary", "metric": "aubc", "race": "few", "null_race": "null", "method": "margin",
            "comparator": "random", "direction": "higher", "planned_seeds": 3, "planned_world_seeds": 3, "band": 0.1}  # fmt: skip
    monkeypatch.setattr(claims, "read", lambda notebook: pandas.DataFrame([one]))
    frame = pandas.concat([ACCURACY, only(ACCURACY, "random", "margin").assign(race="null", dataset="glyphs-10-null")])
    drawing = standard.claims(frame, "01")
    assert "c-1 (world, digits): holds" in drawing.alt
    assert "Where it should not: c-1 holds on glyphs-10-null too, +4.83" in drawing.alt
    assert "margin - random" in [text.get_text() for text in drawing.figure.axes[0].texts]
    shown, _, _, above = drawing.figure.shown
    assert above == ["“so it is”", ""]  # not again beneath itself
    assert shown["is"].str.contains(" to ").all()
    few = standard.claims(only(frame, seeds=[0, 1]), "01")
    assert few.figure.shown[0]["is"].tolist()[0] == "+4.75"  # an interval of two seeds says nothing
    assert few.data["low"].notna().all()
    assert standard.claims(frame.assign(race="many"), "01") is None
    assert capsys.readouterr().out == "claims of 01: none was put to the test at this profile\n"


def test_a_claims_note_begins_beside_its_first_verdict_and_a_small_effect_is_said(monkeypatch):
    from alnb import claims

    one = dict.fromkeys(claims.COLUMNS, "") | {"quote": "so it is"} | dict.fromkeys(claims.NUMBERS, float("nan"))
    one |= {"id": "c-1", "kind": "primary", "metric": "aubc", "race": "few", "null_race": "placebo", "method": "margin",
            "comparator": "random", "placebo": "random_again", "direction": "higher", "planned_seeds": 3,
            "planned_world_seeds": 3, "band": 0.1, "published_effect": 30.0, "note": "a small net; more of it"}  # fmt: skip
    monkeypatch.setattr(claims, "read", lambda notebook: pandas.DataFrame([one]))
    drawing = standard.claims(ACCURACY, "01")
    cells = [text.get_text() for text in drawing.figure.axes[0].texts]
    assert cells.count("a small net") == 1
    assert "holds, less than half of the printed\n30" in cells
    assert drawing.data["setting"].tolist() == ["world", "null scores", "placebo"]
    better = ACCURACY.assign(accuracy=ACCURACY["accuracy"] + 5 * (ACCURACY["method"] == "random_again"))
    assert "Where it should not: c-1 holds with its scores permuted too, +5" in standard.claims(better, "01").alt
