"""docs/reference.md: what a notebook calls, made from the docstrings. `python -m alnb.reference` writes it anew."""

from __future__ import annotations

import inspect

import alnb
from alnb import acquisition, cycle, notebooks, tasks

PARTS = {
    "In a notebook": [
        ("alnb.notebook", notebooks.notebook), ("nb.run", notebooks.Notebook.run), ("nb.save", notebooks.Notebook.save),
        ("nb.race", notebooks.Notebook.race), ("nb.annotate", notebooks.Notebook.annotate),
        ("nb.show", notebooks.Notebook.show), ("nb.load", notebooks.Notebook.load),
        ("nb.provenance", notebooks.Notebook.provenance), ("alnb.show", alnb.show), ("alnb.offers", alnb.offers),
        ("alnb.check", alnb.check), ("alnb.exercise", alnb.exercise),
    ],
    "A strategy of your own": [("alnb.score", acquisition.score), ("alnb.select", acquisition.select)],
    "Without a notebook": [
        ("alnb.loop", cycle.loop), ("alnb.evaluate", alnb.evaluate), ("alnb.drive", alnb.drive), ("alnb.Run", alnb.Run),
        ("alnb.Study", alnb.Study), ("alnb.Step", alnb.Step), ("alnb.Store.read", alnb.Store.read),
        ("alnb.Store.frame", alnb.Store.frame), ("tasks.Task", tasks.Task), ("tasks.Metric", tasks.Metric),
    ],
}  # fmt: skip


def text() -> str:
    """The page."""
    from alnb.tasks.classes import DECISIONS, OFFERS

    made = "Made from the docstrings by `python -m alnb.reference`; every name is also in `help(...)`."
    lines = ["# What a notebook calls", "", made, ""]
    for title, entries in PARTS.items():
        lines += [f"## {title}", ""]
        for name, thing in entries:
            lines += [f"### `{name}{_signature(thing)}`", "", *_words(thing), ""]
        if thing is acquisition.select:
            lines += _view(OFFERS | DECISIONS)
    return "\n".join(lines).rstrip() + "\n"


def _view(fields: dict[str, str]) -> list[str]:
    lines = ["### The view", "", "What a strategy is given. `view.size` is U, the number of candidates, `view.priority` (U,) the order "
             "that settles ties, the same for every method of a seed, `view.device` where tensors lie. What else it reads it "
             "names in `needs=(...)`; `alnb.offers(study, dataset)` lists what a task has. For classification:", ""]  # fmt: skip
    rows = [f"| `{name}` | {what} |" for name, what in fields.items()]
    return [*lines, "| field | what it is |", "|---|---|", *rows, ""]


def _signature(thing) -> str:
    if inspect.isclass(thing):
        return ""
    parameters = [p for p in inspect.signature(thing).parameters.values() if p.name != "self"]
    shown = [str(p.replace(annotation=inspect.Parameter.empty)) for p in parameters]
    if stars := [i for i, p in enumerate(parameters) if p.kind is p.KEYWORD_ONLY]:
        shown.insert(stars[0], "*")
    return f"({', '.join(shown)})"


def _words(thing) -> list[str]:
    found = inspect.getdoc(thing)
    if not found:
        raise ValueError(f"{thing} has no docstring")
    return found.splitlines()


def write() -> None:
    (alnb.REPOSITORY / "docs" / "reference.md").write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    write()
