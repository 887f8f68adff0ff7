"""The artefacts of chapter 1, on frames made up by hand: a classifier drawn at random, labels by their number."""

import io
from types import SimpleNamespace

import numpy
import pandas
import pytest
import torch
from matplotlib.pyplot import close

from alnb import figures
from alnb.drawn import active_learning as drawn
from alnb.learning.networks.perceptron import Perceptron, to_text


def run(method, seed, race="first", dataset="points-arms", classes=3, cycles=2):
    """The rows of one run on points: 6 labels at the start, 6 more a cycle."""
    about = {"study": "active_learning", "dataset": dataset, "world": True, "race": race, "method": method, "seed": seed,
             "key": f"{race} {method} {seed}"}  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + len(method))
        network = Perceptron(classes, 2, 4)
    rows = []
    for c in range(cycles + 1):
        reached = 60.0 + 10 * c + seed + len(method)
        rows += [
            about | {"kind": "test", "cycle": c, "labelled": 6 * c + 6, "accuracy": reached, "pool_errors": 9.0 - 3 * c}
        ]
        rows += [about | {"kind": "labelled", "cycle": c, "sample": sample} for sample in range(6 * c, 6 * c + 6)]
        rows += [about | {"kind": "classifier", "cycle": c, "hidden": 4, "weights": to_text(network)}]
    return rows


def islands(method, seed, race="islands", dataset="points-islands"):
    return run(method, seed, race, dataset, 2)


WATCHED = {"study": "active_learning", "dataset": "digits", "world": False, "race": "watched", "method": "forgetting",
           "seed": 0, "key": "w"}  # fmt: skip
FORGOTTEN = [
    WATCHED | {"kind": "forgetting", "side": side, "class": label, "rank": rank, "sample": 2 * rank + label,
               "learnt": events is not None, "events": events or 0}
    for label in (0, 1) for side, counts in (("unforgettable", (0, 0)), ("forgettable", (None, 3)))
    for rank, events in enumerate(counts)
] + [
    WATCHED | {"kind": "forgetting_histogram", "part": part, "learnt": learnt, "events": events, "samples": n}
    for part, learnt, events, n in (("easy", True, 0, 30), ("easy", True, 2, 10), ("rare", True, 1, 5), ("rare", False, 0, 2))
]  # fmt: skip
WHOLE = pandas.DataFrame([
    *(row for m in ("random", "random_again", "margin") for s in (3, 4) for row in run(m, s)),
    *(row for m in ("random", "margin", "diverse_margin", "diverse_margin(beta=50)") for s in (0, 1) for row in islands(m, s)),
    *(row for m in ("margin", "diverse_margin") for row in islands(m, 0, "null", "points-islands-null")),
    *FORGOTTEN,
])  # fmt: skip
DATA = SimpleNamespace(
    name="digits", class_names=["zero", "one"], info=SimpleNamespace(real=True),
    train_images=numpy.random.default_rng(0).integers(0, 255, (20, 3, 32, 32), numpy.uint8),
    train_targets=numpy.arange(20) % 2,
)  # fmt: skip
OF_RESULTS = (drawn.fig_1_1, drawn.race_1, drawn.fig_1_2, drawn.criteria_1, drawn.forgetting_1)


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


@pytest.mark.parametrize("draw", [*OF_RESULTS, lambda rows: drawn.fig_1_4(rows, DATA)])
def test_what_did_not_run_is_said_in_one_line(draw, capsys):
    random, margin = WHOLE[WHOLE.method == "random"], WHOLE[WHOLE.method == "margin"]
    for rows in (random, margin, WHOLE[WHOLE.seed == 0], WHOLE.assign(race="another"), WHOLE[:0]):
        drawing, said = draw(rows), capsys.readouterr().out
        assert said.count("\n") == (drawing is None)
        if drawing is not None:
            assert "nan" not in drawing.alt
            drawing.figure.draw_without_rendering()
            close(drawing.figure)


def test_every_artefact_is_drawn_twice_in_equal_bytes():
    made = [lambda f=f: f(WHOLE) for f in OF_RESULTS]
    made += [lambda: drawn.fig_1_4(WHOLE, DATA), lambda: drawn.fig_1_6(DATA, [3, 5])]
    for draw in made:
        assert svg(draw()) == svg(draw())


def test_the_cycle_is_that_of_the_first_seed_without_the_second_random():
    drawing = drawn.fig_1_1(WHOLE)
    assert len(drawing.figure.axes) == 2 * 3
    assert note(drawing).startswith("One seed, 3.")
    assert "margin, cycle 1: 12 labels, 79.0 % right on the test set, asks for 6 more" in drawing.alt
    assert "margin, cycle 2: 18 labels, 89.0 % right on the test set, asks for no more" in drawing.alt
    assert "random_again" not in drawing.alt


def test_the_slider_changes_the_picture_and_its_words(capsys):
    box = drawn.browse(WHOLE, "margin")
    (slider, chosen), shown = box.children[0].children, box.children[1]
    assert (slider.description, slider.min, slider.max) == ("cycle", 0, 2)
    seen = {shown.value}
    for value in (1, 2):
        slider.value = value
        assert f"margin, cycle {value}" in shown.value
        seen.add(shown.value)
    chosen.value = "random"
    assert "random, cycle 2" in shown.value
    assert len(seen | {shown.value}) == 4
    assert drawn.browse(WHOLE[WHOLE.race == "null"]) is None
    assert capsys.readouterr().out == "first: no runs at this profile\n"


def test_panels_are_the_arms_but_random_with_their_numbers_of_all_seeds():
    drawing = drawn.fig_1_2(WHOLE)
    titles = [ax.get_title() for ax in drawing.figure.axes]
    assert [title.partition("\n")[0] for title in titles] == [
        "(a) the pool: 160 points", "(b) informative: margin", "(c) both: diverse_margin",
        "(d) both: diverse_margin(beta=50)", "", "",
    ]  # fmt: skip
    assert "all seeds: 86 (sd 1) %" in titles[1]
    assert "(b) informative, margin: 86.0 % on the test set, 3 of the pool wrong" in drawing.alt
    assert note(drawing) == "Panels: seed 0; their titles: mean test accuracy of 2 seeds."
    one = drawn.fig_1_2(WHOLE[(WHOLE.seed == 0) & (WHOLE.method == "random")])  # Random alone is better than nothing
    assert "all seeds: 86 %" in one.figure.axes[1].get_title()


def test_criteria_against_numpy():
    rows = pandas.DataFrame(
        [{"study": "active_learning", "kind": "test", "race": "islands", "dataset": "points-islands", "method": m, "seed": s,
          "cycle": c, "accuracy": a, "pool_errors": e}
         for m, s, c, a, e in (("margin", 0, 0, 1.0, 9), ("margin", 0, 2, 80.0, 4), ("margin", 1, 2, 90.0, 0),
                               ("diverse_margin", 1, 2, 99.0, 0), ("diverse_margin", 0, 2, 85.0, 2))]
    )  # fmt: skip
    table = drawn.criteria(rows)
    margin = table.set_index("method").loc["margin"]
    assert margin[["accuracy", "wrong", "none wrong", "seeds"]].tolist() == [85.0, 2.0, 1, 2]
    assert margin["sd"] == pytest.approx(numpy.std([80, 90], ddof=1))
    assert margin["diverse_margin minus it"] == pytest.approx(numpy.mean([85 - 80, 99 - 90]))
    assert margin["low"] < 7 < margin["high"]
    assert "margin: 85.0 %" in drawn.describe_criteria(table)
    assert "diverse_margin minus it" not in drawn.criteria(rows[rows.method == "margin"])


def test_forgotten_samples_and_their_histogram_say_their_numbers(capsys):
    assert "zero: 0 at most on the left, on the right never learnt, 3; one:" in drawn.fig_1_4(WHOLE, DATA).alt
    said = drawn.forgetting_1(WHOLE).alt
    assert "easy: 40 samples, 75 % unforgettable, 0 never learnt, 0.5 forgetting events on average" in said
    assert "rare: 7 samples, 0 % unforgettable, 2 never learnt" in said
    counts, shares = drawn.forgetting_1(WHOLE).figure.axes
    assert [text.get_text() for text in counts.texts] == ["30", "5", "10", "2"]  # 0, 1 and 2 events, and never learnt
    assert [sum(bars[i].get_height() for bars in shares.containers) for i in range(4)] == pytest.approx([100] * 4)
    assert drawn.fig_1_4(WHOLE, None) is None
    assert capsys.readouterr().out == "watched: the images are not here\n"


def test_views_say_how_far_they_are_from_their_image(capsys):
    drawing = drawn.fig_1_6(DATA, [3])
    row = drawing.data.set_index("view").loc["flipping"]
    image = DATA.train_images[3].astype(float)
    assert row["difference"] == pytest.approx(numpy.abs(image[:, :, ::-1] - image).mean(), rel=1e-5)
    assert f"sample 3, a one: cropping {drawing.data['difference'][1]:.0f}" in drawing.alt
    assert drawn.fig_1_6(DATA, []) is None
    assert drawn.fig_1_6(None, [3]) is None
    assert capsys.readouterr().out.count("\n") == 2


def test_leads_are_those_larger_than_what_chance_makes():
    from tests.result_frames import results

    curves = {("random", 0): [50, 60, 70], ("random_again", 0): [52, 60, 70], ("k_center", 0): [55, 65, 69],
              ("margin", 0): [50, 58, 65], ("entropy", 0): [50, 61, 72]}  # fmt: skip
    rows = results(curves, "points-arms", True, race="first")
    said = drawn.leads_1(rows)
    assert said == (
        "Random and its copy differ by up to 2.0 points; no gap of entropy is larger; k_center leads Random by more at "
        "100, 150 labels, by up to 5.0; margin trails it by more at 200 labels, by up to 5.0."
    )
    for few in (rows[rows["method"] != "random_again"], rows[:0]):
        assert drawn.leads_1(few).startswith("Random or its copy did not run")
