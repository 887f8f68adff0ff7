import json

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


def test_the_line_is_the_mean_over_seeds_and_the_bar_its_deviation(tmp_path):
    fig = figures.curves(ROWS, "labelled", "accuracy", "method")
    lines = [container.lines[0] for container in fig.axes[0].containers]
    assert [list(line.get_ydata()) for line in lines] == [[1.5, 2.5], [11.5, 12.5]]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 2  # told apart without colour


def test_the_manifest_is_rebuilt_from_the_sidecars(tmp_path):
    draw(tmp_path, "thesis-fig-2")
    draw(tmp_path, "thesis-fig-1")
    (tmp_path / "manifest.json").write_text("garbage")
    figures.rebuild(tmp_path)
    assert [entry["id"] for entry in json.loads((tmp_path / "manifest.json").read_text())] == [
        "thesis-fig-1",
        "thesis-fig-2",
    ]


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


def test_a_table_shows_blanks_for_what_is_not_known():
    fig = figures.table(pandas.DataFrame({"method": ["a", "b"], "acc": [1.234, float("nan")]}))
    (drawn,) = [child for child in fig.axes[0].get_children() if type(child).__name__ == "Table"]
    assert [drawn[row, 1].get_text().get_text() for row in range(3)] == ["acc", "1.23", ""]


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
    texts = {t.get_text(): t.get_weight() for t in figures.matrix(means, halves).axes[0].texts}
    assert texts == {"+1.5\n±1.0": "bold", "-1.5\n±2.0": "normal"}
