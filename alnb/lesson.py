"""How long a notebook takes whoever reads it: minutes a section, counted from its cells by one rule.

A text is read at `WORDS` words a minute; what is looked at (a figure, a table, a listing of source, an equation set apart)
takes one; an exercise `EXERCISE`, whose folded solution is not counted. A section is rounded up to a whole minute. What the
runs take is what `alnb status` says of them. `python -m alnb.lesson` writes the cell `minutes` of each notebook anew.
"""

from __future__ import annotations

import json
import math
import re

from alnb import plans, records
from alnb.exercises import SOLUTION
from alnb.runs import study, with_needs

WORDS = 200  # a minute
EXERCISE = 5  # minutes
CORES = 2  # of the laptop that `laptop` is meant for
CELL, AFTER = "minutes", "goals"  # ids: the cell that is made, and the one it stands behind
SHOWN = re.compile(r"\b(?:alnb\.show|nb\.save|nb\.show|alnb\.offers|nb\.annotate)\(")
ASKED = re.compile(r"\balnb\.exercise\(|^go = False", re.MULTILINE)  # it checks itself, or runs what the reader wrote
NOT_READ = re.compile(r"```.*?```|\]\([^)]*\)|<[^>]*>|\$\$.*?\$\$", re.DOTALL)
WORD = re.compile(r"[^\W_][\w'’]*")


def sections(cells: list[dict]) -> list[tuple[str, int, int]]:
    """(heading, minutes to read and look, exercises) of each section of a notebook's cells, in order; what stands before
    the first heading is the title's, and short."""
    found: list[list] = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell.get("id") == CELL or source.startswith(SOLUTION):
            continue
        if cell["cell_type"] == "markdown":
            before, *parts = re.split(r"^## +(.+)$", source, flags=re.MULTILINE)
            for heading, text in zip(["", *parts[::2]], [before, *parts[1::2]]):
                found += [[heading, 0.0, 0]] if heading else []
                if found:
                    found[-1][1] += len(WORD.findall(NOT_READ.sub(" ", text))) / WORDS + text.count("$$") // 2
        elif found:
            found[-1][1] += len(SHOWN.findall(source))
            found[-1][2] += bool(ASKED.search(source))
    return [(heading.strip(), max(1, math.ceil(read)), asked) for heading, read, asked in found]


def computing(name: str) -> float:
    """Seconds of `CORES` cores for the notebook's runs at laptop, none done, beside what is kept for them to start from."""
    wanted = plans.plan(name).runs
    asked = set(wanted)
    todo = [run for run in with_needs(wanted) if run in asked or not records.starts_from(run)]
    return sum(study(run.study).seconds(run) for run in todo) / CORES


def told(name: str) -> str:
    """The text of the cell `minutes`."""
    found = sections(_read(name)["cells"])
    read, asked = sum(minutes for _, minutes, _ in found), sum(n for *_, n in found)
    parts = " · ".join(f"{_plain(heading)} ({minutes + EXERCISE * n})" for heading, minutes, n in found)
    return (
        f"**Minutes.** About {read} to read and look and {EXERCISE * asked} for {asked} exercises; the runs of `laptop` compute "
        f"{plans.duration(computing(name))} on two cores beside that, once.\n\n{parts}\n\n"
        f"*Counted, not tried: {WORDS} words a minute, one for a figure, a listing or an equation, {EXERCISE} for an exercise.*"
    )


def _plain(heading: str) -> str:
    return re.sub(r"[*`]", "", heading)


def _read(name: str) -> dict:
    return json.loads((plans.FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))


def write() -> None:
    """The cell `minutes` of every notebook, behind what one will learn."""
    import nbformat

    for name in plans.names():
        path = plans.FOLDER / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        ids = [cell.id for cell in notebook.cells]
        if CELL not in ids:
            ids.insert(place := ids.index(AFTER) + 1, CELL)
            notebook.cells.insert(place, nbformat.v4.new_markdown_cell(id=CELL))
        notebook.cells[ids.index(CELL)].source = told(name)
        nbformat.write(notebook, path)


if __name__ == "__main__":
    write()
