import json
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib
import pandas
import pytest

from alnb import figures
from alnb.errors import BadRequest

ROWS = pandas.DataFrame(
    [{"dataset": "d", "method": m, "seed": s, "labelled": n, "accuracy": 10.0 * i + s + n / 10}
     for i, m in enumerate(["random", "margin"]) for s in (0, 1) for n in (10, 20)]
)  # fmt: skip


def draw(folder, artefact="thesis-fig-1", alt="Two lines."):
    fig = figures.curves(ROWS, "labelled", "accuracy", "method")
    return figures.save(folder, artefact, fig, ROWS, alt, {"real": True})


def test_equal_data_give_equal_bytes_png_and_svg(tmp_path):
    draw(tmp_path / "a")
    draw(tmp_path / "b")
    for kind in ("png", "svg", "csv", "json"):
        a, b = ((tmp_path / side / f"thesis-fig-1.{kind}").read_bytes() for side in "ab")
        assert a == b, kind


def test_the_line_is_the_mean_over_seeds_and_the_band_its_deviation_cut_at_the_metric_s_ends():
    fig = figures.curves(ROWS, "labelled", "accuracy", "method", high=12.6)
    (ax,) = fig.axes
    lines = [line for line in ax.lines if len(line.get_xdata())]
    assert [list(line.get_ydata()) for line in lines] == [[1.5, 2.5], [11.5, 12.5]]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 2  # told apart without colour
    edges = [band.get_paths()[0].vertices[:, 1] for band in ax.collections]
    sd = 0.5**0.5
    assert [(round(e.min(), 6), round(e.max(), 6)) for e in edges] == [
        (round(1.5 - sd, 6), round(2.5 + sd, 6)), (round(11.5 - sd, 6), 12.6),
    ]  # fmt: skip


def test_one_seed_has_no_band():
    assert not figures.curves(ROWS[ROWS.seed == 0], "labelled", "accuracy", "method").axes[0].collections


@pytest.mark.parametrize(
    ("lines", "kept", "alone"),
    [
        ({"a": (60, 90), "b": (61, 88), "c": (20, 85)}, "", ["c"]),
        ({"a": (60, 90), "b": (61, 88), "c": (50, 85)}, "", []),  # the others keep 0.75 of the height
        ({"a": (60, 90), "b": (61, 88), "c": (20, 85)}, "c", []),  # what all are compared with stays
        ({"a": (60, 90), "b": (20, 85)}, "", []),  # two lines: which would squash which?
        ({"a": (60, 90), "b": (61, 88), "c": (20, 85), "d": (21, 85)}, "", []),  # half of the arms are no exception
        ({n: (60, 90) for n in "abef"} | {"c": (20, 85), "d": (21, 85)}, "", ["c", "d"]),
        ({"a": (0.2, 0.3), "b": (0.2, 0.31), "c": (0.2, 4.0)}, "", ["c"]),  # an error that explodes
    ],
)  # fmt: skip
def test_arms_that_squash_the_rest_stand_apart(lines, kept, alone):
    assert figures.apart(lines, kept) == alone


def test_an_arm_apart_has_a_panel_of_its_own_beside_the_baseline_and_one_legend():
    more = pandas.concat([ROWS, *(ROWS[ROWS.method == "margin"].assign(method=m) for m in ("entropy", "qbc"))])
    low = ROWS[ROWS.method == "random"].assign(method="bald(dropout=0.5)", accuracy=lambda r: r.accuracy - 80)
    fig = figures.curves(pandas.concat([more, low]), "labelled", "accuracy", "method", beside="random")
    left, right = ([line.get_label() for line in ax.lines if len(line.get_xdata())] for ax in fig.axes)
    assert left == ["random", "margin", "entropy", "qbc"]
    assert right == ["random", "bald(dropout=0.5)"]
    assert fig.axes[1].get_title() == "on a scale of its own"
    assert not any(ax.get_legend() for ax in fig.axes)
    assert [text.get_text() for text in fig.legends[0].get_texts()] == [*left, "bald(dropout=0.5)"]


def test_the_manifest_is_rebuilt_from_the_sidecars(tmp_path):
    draw(tmp_path, "thesis-fig-2")
    draw(tmp_path, "thesis-fig-1")
    (tmp_path / "manifest.json").write_text("garbage")
    figures.rebuild(tmp_path)
    assert [entry["id"] for entry in json.loads((tmp_path / "manifest.json").read_text())] == [
        "thesis-fig-1",
        "thesis-fig-2",
    ]


@pytest.mark.parametrize("damage", ["", "{", "[" * 20_000, b"\xff\xfe"])
def test_a_damaged_sidecar_is_left_out_with_a_warning(tmp_path, damage):
    draw(tmp_path)
    (tmp_path / "thesis-fig-0.json").write_bytes(damage if isinstance(damage, bytes) else damage.encode())
    with pytest.warns(UserWarning, match=r"thesis-fig-0.json cannot be read .* draw its artefact again"):
        entries = figures.rebuild(tmp_path)
    assert [entry["id"] for entry in entries] == ["thesis-fig-1"]
    assert json.loads((tmp_path / "manifest.json").read_text()) == entries


def test_what_a_user_prefers_for_his_own_figures_changes_no_byte_of_ours(tmp_path):
    def draw(folder):
        fig, ax = figures.subplots()
        ax.plot([1, 2, 4], marker="o", label="a line")
        ax.legend(title="lines")
        figures.save(folder, "thesis-fig-1", fig, ROWS, "A line.", {})

    draw(tmp_path / "a")
    own = {"font.family": "serif", "legend.frameon": True, "lines.markeredgewidth": 3}
    with matplotlib.rc_context(own):  # as a matplotlibrc leaves it
        draw(tmp_path / "c")
        figures.plain()  # which a notebook begins with
        draw(tmp_path / "b")
    for kind in ("png", "svg"):
        a, b, c = ((tmp_path / side / f"thesis-fig-1.{kind}").read_bytes() for side in "abc")
        assert a == b != c, kind


def test_no_alt_text_or_no_data_is_refused(tmp_path):
    with pytest.raises(BadRequest, match="no alt text"):
        draw(tmp_path, alt=" ")
    with pytest.raises(BadRequest, match="nothing to draw"):
        figures.curves(ROWS.assign(accuracy=float("nan")), "labelled", "accuracy", "method")


def test_the_description_holds_the_numbers_that_are_drawn():
    said = figures.describe_curves(ROWS, "labelled", "accuracy", "method")
    assert "margin 11.5 to 12.5 %" in said
    assert said.index("margin") < said.index("random")  # best at the end first
    assert "mean of 2 seeds" in said


def test_the_description_of_an_error_puts_the_lowest_first_with_its_unit():
    said = figures.describe_curves(ROWS, "labelled", "accuracy", "method", "px", "lower", "test mae, px")
    assert "Lines of test mae, px against labelled" in said
    assert "lowest at the end first" in said
    assert said.index("random") < said.index("margin")
    assert "12.5 px" in said


def test_seeds_and_decimals_in_words():
    counts = pandas.DataFrame([{"method": m, "seed": s} for m, n in (("a", 3), ("b", 1), ("c", 1)) for s in range(n)])
    assert figures.seeds(counts) == "3 seeds (b, c: 1)"
    named = counts.replace({"method": {"b": "fine-tuned, pre-trained", "c": "sraal(indicator='none', steps=5)"}})
    assert figures.seeds(named) == "3 seeds (\"fine-tuned, pre-trained\", sraal(indicator='none', steps=5): 1)"
    assert figures.seeds(counts[counts.seed == 0]) == "one seed"
    assert figures.seeds(counts[:0]) == "no seed"
    many = pandas.DataFrame([{"method": m, "seed": s} for i, m in enumerate("abcdefgh") for s in range(2 + (i == 0))])
    assert figures.seeds(many) == "2 to 3 seeds"
    assert [figures.places([v]) for v in (83.1, 5.2, 0.34, 0.004, 1200, float("nan"), 0)] == [1, 2, 3, 5, 1, 1, 1]


def test_a_table_shows_blanks_for_what_is_not_known_and_wraps_long_texts():
    frame = pandas.DataFrame({"method": ["a", "b " * 40], "acc": [1.234, float("nan")], "n": [pandas.NA, 3]})
    (ax,) = figures.table(frame).axes
    texts = [text.get_text() for text in ax.texts]
    assert texts[:6] == ["method", "acc", "n", "a", "1.23", ""]
    assert texts[7:] == ["", "3"]
    assert all(len(line) <= 46 for line in texts[6].splitlines())
    assert [text.get_ha() for text in ax.texts[:2]] == ["left", "right"]


def boxes(fig, texts):
    fig.canvas.draw()
    return [text.get_window_extent() for text in texts]


@pytest.mark.parametrize(
    "caption", ["Short", "A caption of so many words that one line could never hold them all " * 3]
)
def test_the_title_is_the_caption_wrapped_above_everything_and_small_beneath_it_the_id(caption):
    fig = figures.curves(ROWS, "labelled", "accuracy", "method")
    fig.axes[0].set_title("a title of the axes")
    figures.note(fig, "Mean of 2 seeds; band: one standard deviation.")
    before = fig.get_size_inches().copy()
    figures.title(fig, caption, "thesis-fig-1", ["glyphs-10"], [figures.STAND_IN, "reduced"])
    assert fig.get_size_inches()[0] == before[0]
    assert fig.get_size_inches()[1] > before[1]
    *title, small = [text for text in fig.texts if text is not fig._supxlabel]
    said = " ".join(text.get_text() for text in title)
    assert said.split() == caption.split()
    assert small.get_text() == "thesis-fig-1  ·  glyphs-10  ·  STAND-IN DATA  ·  reduced"
    assert small.get_fontsize() < title[0].get_fontsize()
    ax = fig.axes[0]
    (own, *above) = boxes(fig, [ax.title, *title, small])
    assert all(box.y0 > own.y1 for box in above)
    assert all(box.x1 <= fig.bbox.x1 for box in above)
    assert all(lower.y1 <= upper.y0 + 1 for upper, lower in pairwise(above))
    note = fig._supxlabel.get_window_extent()
    assert note.y0 >= 0
    assert note.y1 <= ax.xaxis.label.get_window_extent().y0


def test_a_forest_has_a_dot_a_row_and_its_interval_where_there_is_one():
    rows = pandas.DataFrame({"m": ["a", "b", "c"], "gain": [1.0, -2.0, float("nan")], "low": [0.5, float("nan"), 0],
                             "high": [2.0, float("nan"), 0]})  # fmt: skip
    fig = figures.forest(rows, label="m", mean="gain", low="low", high="high", x="points")
    (ax,) = fig.axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
    assert [list(c.lines[0].get_xdata()) for c in ax.containers] == [[1.0], [-2.0]]
    (bar,) = ax.containers[0].lines[2][0].get_segments()
    assert bar[:, 0].tolist() == [0.5, 2.0]
    assert not ax.containers[1].has_xerr
    with pytest.raises(BadRequest, match="nothing to draw"):
        figures.forest(rows[2:], label="m", mean="gain", low="low", high="high", x="points")


def test_a_matrix_says_its_numbers_bold_where_the_interval_leaves_out_0():
    names = ["a", "b"]
    means = pandas.DataFrame([[0, 1.5], [-1.5, 0]], names, names)
    halves = pandas.DataFrame([[float("nan"), 1.0], [2.0, float("nan")]], names, names)
    texts = {t.get_text(): t.get_weight() for t in figures.matrix(means, halves, decimals=1).axes[0].texts}
    assert texts == {"+1.5\n±1.0": "bold", "-1.5\n±2.0": "normal"}


def test_a_matrix_has_a_bar_one_symmetric_scale_and_blue_for_the_better_row():
    names = ["a", "b"]
    means = pandas.DataFrame([[0, 1.5], [-3.0, float("nan")]], names, names)
    nothing = means * float("nan")
    for better, positive_is_blue in (("higher", True), ("lower", False)):
        fig = figures.matrix(means, nothing, better=better, unit="px")
        cells, bar = fig.axes
        assert bar.get_ylabel() == "row minus column, px"
        mesh = cells.collections[0]
        assert mesh.get_clim() == (-3, 3)
        red, _, blue, _ = mesh.cmap(mesh.norm(1.5))
        assert (blue > red) == positive_is_blue
        assert all(t.get_weight() == "normal" for t in cells.texts)  # no interval, nothing is bold
        assert mesh.get_array().compressed() == pytest.approx([1.5 * figures.PALE, -3 * figures.PALE])
    halves = pandas.DataFrame([[0, 1.4], [3.1, 0]], names, names)
    cells = figures.matrix(means, halves).axes[0]
    assert cells.collections[0].get_array().compressed() == pytest.approx([1.5, -3 * figures.PALE])  # its interval holds 0
    assert [t.get_weight() for t in cells.texts] == ["bold", "normal"]


def test_what_no_data_is_behind_is_no_evidence_on_real_data():
    entry = {"profile": "laptop", "plumbing": False, "real": True, "datasets": ["cifar-10"]}
    assert figures.evidence(entry) == "real"
    assert figures.evidence(entry | {"real": False, "datasets": ["glyphs-10"]}) == "stand-in"
    for nothing in ([], [figures.PRINTED_NUMBERS]):
        assert figures.evidence(entry | {"datasets": nothing}) == "formula"
    assert figures.evidence(entry | {"datasets": [], "profile": "smoke", "plumbing": True}) == "plumbing"


def test_a_table_is_shown_cell_by_cell_with_the_sentence_above_its_row():
    frame = pandas.DataFrame({"<arm>": ["a & b", "c"], "value": [1.005, float("nan")]})
    fig = figures.table(frame, decimals=1, above=["say <so>", ""])
    figures.note(fig, "two\nseeds")
    page = ElementTree.fromstring(figures.page(fig, 'alt "text"', "T", "t-1", ["glyphs-10"], ["STAND-IN"]))
    assert [cell.text for cell in page.iter("th")] == ["<arm>", "value"]
    rows = [["".join(cell.itertext()) for cell in row.iter("td")] for row in page.find("table/tbody")]
    assert rows == [["say <so>"], ["a & b", "1.0"], ["c", ""]]
    assert page.find("table").get("aria-label") == 'alt "text"'
    assert "".join(page.find("figcaption").itertext()) == "Tt-1  ·  glyphs-10  ·  STAND-IN"
    assert page.findall("small")[-1].text == "two seeds"


def test_a_table_is_kept_as_markdown_too(tmp_path):
    frame = pandas.DataFrame({"method": ["a|b", "c\nd"], "value": [1.005, float("nan")], "n": [1, 2]})
    about = {"notebook": "x", "profile": "smoke"}
    entry = figures.save(tmp_path, "t", figures.table(frame), frame, "words", about)
    assert entry["files"][-1] == "t.md"
    assert entry["table"]
    lines = (tmp_path / "t.md").read_text().splitlines()
    assert lines == ["| method | value | n |", "| --- | --- | --- |", "| a\\|b | 1.00 | 1 |", "| c d |  | 2 |"]
    fig, _ = figures.subplots()
    assert not figures.save(tmp_path, "f", fig, frame, "words", about)["table"]
