"""The pages in docs/ that are made, not written: `python -m alnb.pages` makes them anew.

reference.md from the docstrings; deviations.md from what the notebooks say under "Where it breaks"; findings.md, and some
lines and two pictures of README.md, from what `alnb reproduce` drew of the kept runs; the minutes in the notebooks are made
by alnb/lesson.py.
"""

from __future__ import annotations

import csv
import hashlib
import inspect
import json
import re
import shutil
import sys

import alnb
from alnb import acquisition, claims, cycle, lesson, notebooks, plans, tasks
from alnb.claims import INTERIM, NULL_SCORES, SETTINGS
from alnb.errors import BadRequest
from alnb.glance import glance, tally

DOCS = alnb.REPOSITORY / "docs"

# --- what a notebook calls ------------------------------------------------------------------------------------------------

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


def reference() -> str:
    from alnb.tasks.classes import DECISIONS, OFFERS

    made = "Made from the docstrings by `python -m alnb.pages`; every name is also in `help(...)`."
    lines = ["# What a notebook calls", "", made, ""]
    for title, entries in PARTS.items():
        lines += [f"## {title}", ""]
        for name, thing in entries:
            lines += [f"### `{name}{_signature(thing)}`", "", *_words(thing), ""]
        if thing is acquisition.select:
            lines += _view(OFFERS | DECISIONS)
    return "\n".join(lines).rstrip() + "\n"


def _view(fields: dict[str, str]) -> list[str]:
    lines = ["### The view", "", "What a strategy is given. `view.size` is U, the number of candidates, `view.priority` (U,) "
             "the order that settles ties, the same for every method of a seed, `view.device` where tensors lie. What else it "
             "reads it names in `needs=(...)`; `alnb.offers(study, dataset)` lists what a task has. For classification:", ""]
    rows = [f"| `{name}` | {what} |" for name, what in fields.items()]
    return [*lines, "| field | what it is |", "|---|---|", *rows, ""]


def _signature(thing) -> str:
    if inspect.isclass(thing):
        return ""
    parameters = [p for p in inspect.signature(thing).parameters.values() if p.name != "self"]
    plain = [p.replace(default=...) if callable(p.default) and p.default is not p.empty else p for p in parameters]
    shown = [str(p.replace(annotation=p.empty)).replace("Ellipsis", "...") for p in plain]
    if stars := [i for i, p in enumerate(parameters) if p.kind is p.KEYWORD_ONLY]:
        shown.insert(stars[0], "*")
    return f"({', '.join(shown)})"


def _words(thing) -> list[str]:
    found = inspect.getdoc(thing)
    if not found:
        raise ValueError(f"{thing} has no docstring")
    return found.splitlines()


# --- what the papers leave open -------------------------------------------------------------------------------------------

BREAKS = re.compile(r"^## Where it breaks[^\n]*\n", re.MULTILINE)


def deviations() -> str:
    """What each notebook says under "Where it breaks": limits, what the paper leaves open, what was chosen, its switch."""
    lines = ["# What the papers leave open, and what we do instead", "",
             "Made from the notebooks' sections \"Where it breaks\" by `python -m alnb.pages`.", ""]  # fmt: skip
    for name in plans.names():
        cells = json.loads((plans.FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
        found = [text[mark.end() :].strip() for text in texts if (mark := BREAKS.search(text))]
        lines += [f"## {plans.config(name)['title']}", "", *(found or ["Nothing is said yet."]), ""]
    return "\n".join(lines).rstrip() + "\n"


# --- what was found ---------------------------------------------------------------------------------------------------------

LINES = 7  # of README
BEGIN, END = "<!-- findings: python -m alnb.pages -->", "<!-- end of findings -->"


def evidence() -> str:
    """A digest of what findings rest on: claims and kept runs."""
    body = hashlib.sha256()
    for folder in ("claims", "records"):
        for path in sorted((alnb.REPOSITORY / "data" / folder).glob("*.csv")):
            body.update(path.name.encode() + path.read_bytes())
    return body.hexdigest()[:16]


def ledgers(name: str) -> list[tuple[str, list[dict]]]:
    """(profile, rows of the ledger) that were drawn of a notebook's kept runs, the nearest to the paper first."""
    found = []
    for profile in reversed(plans.FROM_RECORDS):
        manifest = plans.figures_folder() / profile / "manifest.json"
        entries = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else []
        for entry in entries:
            if entry["notebook"] == name and "-extra-claims" in entry["id"]:
                with open(manifest.parent / f"{entry['id']}.csv", newline="", encoding="utf-8") as file:
                    found.append((profile, list(csv.DictReader(file))))
    return found


def findings() -> tuple[str, list[str]]:
    """The page, and README's lines (see `leading`)."""
    lines = ["# What was found", "", "Verdicts of the kept runs, made by `python -m alnb.pages` after `alnb reproduce`. A "
             "difference is the method's less its rival's, with its interval; what the words mean stands in the gallery.", ""]
    ledgers_of = {name: glance(ledgers(name)) for name in plans.names()}
    for name, entries in ledgers_of.items():
        if not entries:
            continue
        lines += [f"## {plans.config(name)['title']}", ""]
        settings = (*SETTINGS[:3], NULL_SCORES, *SETTINGS[3:])
        said = [f"{setting}: {text}" for setting in settings if (text := tally(entries, setting))]
        lines += ["; ".join(said) + ".", "", "| claim | contrast | " + " | ".join(SETTINGS) + " |", "|---" * 6 + "|"]
        for entry in entries:
            contrast = ", ".join(filter(None, [entry["contrast"], entry["race"]]))
            said = _plain(entry["quote"]) + f"<br>*{_plain(entry['caveat'])}*" * bool(entry["caveat"])
            cells = [said, contrast, *map(_cell, entry["cells"])]
            lines.append(f"| {' | '.join(cells)} |")
        lines += ["", *_lost(name, entries)]
    lines += [f"Evidence {evidence()}."]
    return "\n".join(lines).rstrip() + "\n", [_line(entry, name) for name, entry in leading(ledgers_of, LINES)]


def leading(ledgers_of: dict[str, list[dict]], most: int) -> list[tuple[str, dict]]:
    """(notebook, entry of `glance`) of the claims in README, chosen whatever came of them: of each notebook the first
    primary claim about the area under the budget curve that ran on real data on all the seeds it planned, in the order of
    its file of claims, which was written before the runs; then the second of each; until there are `most`. In the order of
    notebooks."""
    queues = {name: sorted(filter(_told, entries), key=_place(name)) for name, entries in ledgers_of.items()}
    turns = [(turn, name, entry) for name, queue in queues.items() for turn, entry in enumerate(queue)]
    return sorted(((name, entry) for _, name, entry in sorted(turns, key=lambda one: one[:2])[:most]), key=lambda one: one[0])


def _place(name: str):
    """Where a claim stands in its notebook's file; what is not there comes last."""
    known = list(claims.read(name)["id"])
    return lambda entry: known.index(entry["id"]) if entry["id"] in known else len(known)


def _told(entry: dict) -> bool:
    cell = entry["cells"][SETTINGS.index("real data")]
    ran = cell is not None and not cell["interim"] and bool(cell["text"])
    return ran and entry["kind"] == "primary" and entry["metric"] == "aubc"


def _plain(text: str) -> str:
    return text.replace("|", "\\|")


def _cell(cell: dict | None) -> str:
    if cell is None:
        return "–"
    where = f"<br>{cell['text']}<br>{cell['dataset']}, {cell['profile']}" * bool(cell["text"])
    named = f"{cell['named']}: " * bool(cell["named"])
    return f"{named}**{cell['verdict']}**{INTERIM * cell['interim']}{where}"


def _lost(name: str, entries: list[dict]) -> list[str]:
    """Where the method loses to what it is held against, whatever is claimed of it: its interval lies on the worse side of 0."""
    found = [(entry, cell) for entry in entries for cell in entry["cells"][:2] if cell and _loses(name, entry, cell)]
    lines = [
        f"- {entry['contrast']}, {entry['metric']}: {cell['text']}, on {cell['dataset']} ({cell['profile']})"
        + INTERIM * cell["interim"]
        for entry, cell in found
    ]
    return ["Where it loses:", "", *lines, ""] if lines else []


def _loses(name: str, entry: dict, cell: dict) -> bool:
    """By the metric's own better side; where the metric has none ("mistakes found"), where the claim is reversed."""
    if cell["low"] is None or cell["high"] is None:
        return False
    own, _, what = entry["metric"].rpartition(".")
    metrics = plans.method(name).STUDY.metrics(cell["dataset"])
    metric = next((one for one in metrics if one.name == own), None) if own else metrics[0]
    if what not in ("aubc", "final") or metric is None:
        return cell["verdict"] == "reversed"
    return cell["low"] > 0 if metric.better == "lower" else cell["high"] < 0


SAID = {
    "holds": "holds", "reversed": "does not hold, the opposite does", "equivalent": "does not hold, the two are alike",
}  # fmt: skip


def _line(entry: dict, name: str) -> str:
    cell = entry["cells"][0]
    where = f"{cell['text']}, {cell['dataset']} at `{cell['profile']}`"
    where += f" ({entry['caveat']})" * (f"`{cell['profile']}`" in entry["caveat"])  # what that profile cannot show
    return f"- `{name[:2]}` “{entry['quote']}” ({entry['contrast']}): **{SAID.get(cell['verdict'], cell['verdict'])}**, {where}."


PICTURES = [("frozen", "thesis-fig-3.6a"), ("frozen", "thesis-extra-gains-4")]  # profile and artefact, for README
SHOWN = "<!-- pictures: python -m alnb.pages -->", "<!-- end of pictures -->"


def pictures() -> list[str]:
    """README's pictures, copied to figures/readme, with their alternative texts."""
    lines, target = [], alnb.REPOSITORY / "figures" / "readme"
    target.mkdir(parents=True, exist_ok=True)
    for profile, artefact in PICTURES:
        source = plans.figures_folder() / profile
        try:
            about = json.loads((source / f"{artefact}.json").read_text(encoding="utf-8"))
            shutil.copyfile(source / f"{artefact}.png", target / f"{artefact}.png")
        except OSError as error:
            raise BadRequest(f"{error.filename} is not there: run alnb reproduce first") from None
        lines += [f"![{about['alt'].replace(']', ')')}](figures/readme/{artefact}.png)", ""]
    return lines[:-1]


def _into_readme(lines: list[str], begin: str, end: str) -> None:
    path = alnb.REPOSITORY / "README.md"
    text = path.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        raise BadRequest(f"{path} has no place for what is made: {begin} ... {end}")
    before, after = text.split(begin)[0], text.split(end)[1]
    path.write_text(f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{after}", encoding="utf-8")


def write() -> None:
    lesson.write()
    DOCS.mkdir(exist_ok=True)
    (DOCS / "reference.md").write_text(reference(), encoding="utf-8")
    (DOCS / "deviations.md").write_text(deviations(), encoding="utf-8")
    page, lines = findings()
    if not lines:
        raise BadRequest(f"no ledger of kept runs lies in {plans.figures_folder()}: run alnb reproduce first")
    (DOCS / "findings.md").write_text(page, encoding="utf-8")
    _into_readme(lines, BEGIN, END)
    _into_readme(pictures(), *SHOWN)


if __name__ == "__main__":
    try:
        write()
    except BadRequest as error:
        sys.exit(f"alnb: {error}")
