"""Minutes of a lesson: counted by the rule, and current in every notebook."""

import json

import pytest

from alnb import lesson, plans


def cell(kind, *lines, name="x"):
    return {"cell_type": kind, "id": name, "source": [line + "\n" for line in lines]}


def test_text_what_is_looked_at_and_exercises_are_counted_section_by_section():
    words = " ".join(["word"] * 150)
    cells = [
        cell("markdown", "# The title", words),
        cell("markdown", "## First: *one*", words, "[a link](https://example.org/which/nobody/reads) and `code`"),
        cell("code", "alnb.show(a)"),
        cell("markdown", words, "$$x = 1$$", "", "$$y = 2$$"),
        cell("code", 'nb.save("fig-1", drawn.fig_1(results))', 'nb.save("fig-2", drawn.fig_2(results));'),
        cell("markdown", "## What will be counted", "no word of it", name=lesson.CELL),
        cell("markdown", "## Second", "short", "## Third", "shorter"),
        cell("code", "answer = None", 'alnb.exercise("one", answer, "x:y")'),
        cell("markdown", "<details><summary>Solution</summary>", words * 9),
        cell("code", "go = False", 'if go:', '    nb.race("mine")'),
        cell("code", "x = 1"),
    ]  # fmt: skip
    # 304 words are 1.5 minutes, two listings, two equations and two figures... one listing: 1 + 2 + 2
    assert lesson.sections(cells) == [("First: *one*", 7, 0), ("Second", 1, 0), ("Third", 1, 2)]


@pytest.mark.parametrize("name", plans.names())
def test_every_notebook_says_its_minutes_as_they_are_counted_today(name):
    """`python -m alnb.lesson` writes them anew."""
    cells = json.loads((plans.FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    ids = [cell["id"] for cell in cells]
    assert "".join(cells[ids.index(lesson.CELL)]["source"]) == lesson.told(name)
    assert ids.index(lesson.CELL) == ids.index(lesson.AFTER) + 1


@pytest.mark.parametrize("name", plans.names())
def test_every_section_has_its_minutes_and_together_they_are_those_of_the_whole(name):
    told = lesson.told(name)
    cells = json.loads((plans.FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    found = lesson.sections(cells)
    assert len(found) > 8
    assert sum(asked for *_, asked in found) >= 2
    assert f"About {sum(read for _, read, _ in found)} to read" in told
    assert told.split("\n\n")[1].count(" · ") == len(found) - 1


def test_the_cell_is_made_where_there_is_none_and_the_rest_is_as_it_was(tmp_path, monkeypatch):
    name = plans.names()[0]
    source = (plans.FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    monkeypatch.setattr(plans, "FOLDER", tmp_path)
    whole = json.loads(source)
    (tmp_path / f"{name}.ipynb").write_text(
        json.dumps(whole | {"cells": [cell for cell in whole["cells"] if cell["id"] != lesson.CELL]})
    )
    for _ in range(2):
        lesson.write()
        assert (tmp_path / f"{name}.ipynb").read_text(encoding="utf-8") == source
