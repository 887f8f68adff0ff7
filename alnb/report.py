"""The gallery: one page, figures/gallery.html, of every artefact drawn so far and of those that are not.

It opens from disk and needs nothing beside it: images are inside, there is no script, a policy in its head
forbids the network. It is made from the manifests, the CSVs and what executed notebooks left: neither torch
nor matplotlib is imported. What cannot be read becomes a note on the page.
"""

from __future__ import annotations

import base64
import csv
import json
import os
import re
import struct
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

from alnb import __version__, figures, notebooks
from alnb.errors import BadRequest

PROFILES = ("paper", "reduced", "world", "laptop", "smoke")  # nearest to the paper first
SHORT, MOST = 40, 400  # rows: a CSV up to SHORT is shown whole; no table shows more than MOST
WIDE = 700  # CSS pixels: a wider figure has a row of its own
PRINTED = 13  # columns of a table that fit on paper
TOP = {
    "claims": ("Claims and verdicts", "-extra-claims",
               "Verdicts are computed from the runs when the table is drawn."),
    "beside": ("Published beside ours", "-beside",
               "A number of ours is a reproduction only on real data with the paper's network and budgets."),
}  # fmt: skip
EQUAL, NEAR = "equal", "within a point"  # what `records.compare` says, unless runs differ
VERDICTS = ("holds", "equivalent", "reversed", "cannot be told", "not run")
_FLOAT = re.compile(r"-?\d+(\.\d+)?(e[-+]\d+)?")  # as Python writes it: a hash such as 12e45 is none
_NUMBER = (int, float)
_ENTRY = {
    "id": str, "notebook": str, "profile": str, "caption": str, "alt": str, "real": bool,
    "datasets": list, "files": list, "runs": list, "seconds": _NUMBER, "computed_with": dict,
}  # fmt: skip
_OUTCOME = {"computed": int, "seconds": _NUMBER, "failed": dict, "runs": dict, "reruns": dict}


def write(folder: Path | None = None) -> Path:
    """Write gallery.html into `folder`, of the manifests in its folders and what executed notebooks left."""
    import jinja2

    folder = Path(folder or notebooks.figures_folder())
    notes: list[str] = []
    versions = _versions(folder, notes)
    names = sorted({*notebooks.names(), *(notebook for notebook, _ in versions)})
    sections = [_section(name, versions, folder, notes) for name in names]
    artefacts = [artefact for section in sections for artefact in section["artefacts"]]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    page = environment.from_string(PAGE.lstrip()).render(
        style=STYLE.replace("PRINTED", str(PRINTED + 1)), version=__version__,
        now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), notes=notes, installed=_installed(),
        computed=_computed_with(versions), sections=sections, most=MOST,
        counts=Counter(artefact["state"] for artefact in artefacts), total=len(artefacts),
        top=[(anchor, title, text, [a for a in artefacts if a["top"] == anchor])
             for anchor, (title, _, text) in TOP.items()],
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "gallery.html"
    aside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        aside.write_text(page, encoding="utf-8")
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
    return target


# --- what was drawn -----------------------------------------------------------------------------------------


def _versions(folder: Path, notes: list[str]) -> dict[tuple[str, str], list[dict]]:
    """(notebook, artefact) -> its drawn versions: real before stand-in, then by profile."""
    found = defaultdict(list)
    for path in sorted(folder.glob("*/manifest.json")):
        for place, entry in enumerate(_read_json(path, list, notes) or []):
            if wrong := _wrong(entry, _ENTRY):
                notes.append(f"{_name(path)}: entry {place + 1} is left out: {wrong}.")
            else:
                found[entry["notebook"], entry["id"]].append(_version(entry, path.parent))
    for some in found.values():
        some.sort(key=lambda version: (not version["real"], _rank(version["label"])))
    return found


def _rank(label: str) -> tuple:
    base = label.removesuffix("-custom").split(" ")[0]
    return PROFILES.index(base) if base in PROFILES else len(PROFILES), label


def _version(entry: dict, folder: Path) -> dict:
    """A manifest entry with its image, its table and links to its files; `notes` says what is amiss."""
    notes = [] if entry["alt"].strip() else ["It has no alt text."]
    files = {Path(str(name)).suffix: folder / Path(str(name)).name for name in entry["files"]}
    for path in ({".png": folder / f"{entry['id']}.png"} | files).values():
        if not path.is_file():
            notes.append(f"{_name(path)} is missing: draw it again.")
    files = {kind: path for kind, path in files.items() if path.is_file()}
    image = _image(files[".png"], notes) if ".png" in files else None
    by = {what: values for what, values in entry["computed_with"].items() if isinstance(values, list)}
    profile = entry["profile"]
    return entry | {
        "label": profile if profile == folder.name else f"{profile} (in {folder.name}/)",
        "anchor": _anchor(f"{folder.name}.{entry['id']}"), "image": image, "notes": notes,
        "links": [(kind[1:].upper(), quote(_name(path))) for kind, path in files.items()],
        "table": _table(files[".csv"], entry["id"], notes) if ".csv" in files else None,
        "took": notebooks.duration(entry["seconds"]), "computed_with": by, "by": _by(by),
    }  # fmt: skip


def _image(path: Path, notes: list[str]) -> dict | None:
    """A PNG as base64, with its size in CSS pixels."""
    data = path.read_bytes()
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 24:
        notes.append(f"{_name(path)} is no PNG image: draw it again.")
        return None
    scale = 96 / figures.STYLE["savefig.dpi"]
    width, height = (round(side * scale) for side in struct.unpack(">II", data[16:24]))
    data = base64.b64encode(data).decode()
    return {"data": data, "width": width, "height": height, "wide": width > WIDE}


def _by(computed_with: dict) -> list[str]:
    """With what it was computed, in words: torch 2.14.1, numpy 2.4.0, CPU ..., device cpu."""
    words = {"torch": "torch", "numpy": "numpy", "cpu": "CPU", "device": "device"}
    there = {what: computed_with[what] for what in words if computed_with.get(what)}
    return [f"{words[what]} {' or '.join(map(str, values))}" for what, values in there.items()]


def _table(path: Path, artefact: str, notes: list[str]) -> dict | None:
    """The CSV for the page: header, cells (of no row if it is long and no table), count of all rows."""
    is_table = "-table-" in artefact or _top(artefact) is not None
    rows, total = [], 0
    try:
        with open(path, newline="", encoding="utf-8") as file:
            lines = csv.reader(file)
            header = next(lines, [])
            for line in lines:
                total += 1
                if total <= MOST:
                    rows.append(line)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        notes.append(f"{_name(path)} cannot be read: {error}.")
        return None
    tally = _tally(header, rows)
    if "verdict" in header:  # what is looked for first, in a table too wide for the page
        order = sorted(range(len(header)), key=lambda i: i and header[i] not in ("setting", "verdict"))
        header, *rows = ([row[i] for i in order if i < len(row)] for row in (header, *rows))
    shown = rows if is_table or total <= SHORT else []
    places = [_places(row[i] for row in shown if i < len(row)) for i in range(len(header))]
    cells = [[_cell(*one) for one in zip(row, header, places)] for row in shown]
    rounded = any(text != short for row, made in zip(shown, cells) for text, (short, _) in zip(row, made))
    numeric = {i for made in cells for i, (_, kind) in enumerate(made) if kind == "number"}
    header = [(name, "number" if i in numeric else "") for i, name in enumerate(header)]
    return {"header": header, "rows": cells, "total": total, "rounded": rounded, "open": is_table,
            "tally": tally, "kind": "many" if len(header) > PRINTED else "few"}  # fmt: skip


def _places(texts) -> int:
    """Decimals that the numbers of a column are worth on a page: fewer, the larger its largest."""
    largest = max((abs(float(text)) for text in texts if _FLOAT.fullmatch(text)), default=0)
    return 2 if largest >= 10 else 3 if largest >= 1 else 4


def _cell(text: str, column: str, places: int) -> tuple[str, str]:
    """A cell's text and class: more decimals are rounded, a hash cut, all else stands as in the CSV."""
    if column == "verdict":
        return text, f"verdict {text.replace(' ', '-')}"
    if _FLOAT.fullmatch(text):
        if len(text.partition(".")[2]) > places or "e" in text:
            short = f"{float(text):.{places}f}"
            text = short if float(short) or not float(text) else f"{float(text):.1g}"
        return text, "number"
    if re.fullmatch(r"[0-9a-f]{32,}", text):
        return text[:16] + "…", ""
    return text, "long" if len(text) > 40 else ""


def _tally(header: list[str], rows: list[list[str]]) -> str:
    """How often each verdict was given, by setting."""
    if "verdict" not in header:
        return ""
    counts = defaultdict(Counter)
    for row in (dict(zip(header, row)) for row in rows):
        counts[row.get("setting", "")][row.get("verdict", "")] += 1
    lines = [", ".join(f"{word} {n[word]}" for word in VERDICTS if n[word]) for n in counts.values()]
    return "; ".join(f"{setting}: {line}" if setting else line for setting, line in zip(counts, lines))


# --- by notebook --------------------------------------------------------------------------------------------


def _section(name: str, versions: dict, folder: Path, notes: list[str]) -> dict:
    """A notebook: its artefacts in the order of its YAML, then those it does not name; its sessions."""
    here = {artefact: shown for (notebook, artefact), shown in versions.items() if notebook == name}
    about, own = {"title": name, "source": "", "artefacts": {}}, []
    try:
        about = notebooks.config(name)
    except (BadRequest, OSError) as error:
        notes.append(f"{name}: {error}")
    captions = dict(about["artefacts"])
    for artefact in sorted(set(here) - set(captions)):
        own.append(f"{artefact} was drawn, but nbconfig/{name}.yaml does not name it.")
        captions[artefact] = here[artefact][0]["caption"]
    artefacts = [_artefact(artefact, text, here.get(artefact, [])) for artefact, text in captions.items()]
    return {"name": name, "anchor": _anchor(name), "title": about["title"], "source": about["source"],
            "notes": own, "artefacts": artefacts, "sessions": _sessions(name, folder, notes)}  # fmt: skip


def _artefact(name: str, caption: str, versions: list[dict]) -> dict:
    real, stand_in = ([v["anchor"] for v in versions if v["real"] is wanted] for wanted in (True, False))
    state = "real" if real else "stand-in" if stand_in else "none"
    return {"id": name, "anchor": _anchor(name), "caption": caption, "versions": versions,
            "top": _top(name), "real": real[:1], "stand_in": stand_in[:1], "state": state}  # fmt: skip


def _top(artefact: str) -> str | None:
    return next((anchor for anchor, (_, mark, _) in TOP.items() if mark in artefact), None)


def _sessions(name: str, folder: Path, notes: list[str]) -> list[dict]:
    """What each profile's last session of the notebook did, as its outcome and its executed notebook say."""
    base = notebooks.executed_folder("")
    kinds = (".outcome.json", ".html", ".ipynb")
    labels = {path.parent.name for kind in kinds for path in base.glob(f"*/{name}{kind}")}
    found = []
    for label in sorted(labels, key=_rank):
        noted, page, executed = (base / label / f"{name}{kind}" for kind in kinds)
        session = {"profile": label, "page": "", "facts": [], "failed": {}, "differ": []}
        if page.is_file():
            session["page"] = quote(Path(os.path.relpath(page.resolve(), folder.resolve())).as_posix())
        if executed.is_file() and (why := _stopped(_read_json(executed, dict, notes) or {})):
            session["failed"]["the notebook stopped"] = why
        outcome = _read_json(noted, dict, notes) if noted.is_file() else None
        if outcome is not None and (wrong := _wrong(outcome, _OUTCOME)):
            notes.append(f"{_name(noted)} is left out: {wrong}.")
        elif outcome is not None:
            runs, reruns = outcome["runs"], outcome["reruns"]
            session["failed"] |= outcome["failed"]
            session["facts"] = [f"{len(runs)} run{'s' * (len(runs) != 1)}",
                                f"{outcome['computed']} steps computed",
                                notebooks.duration(outcome["seconds"])]  # fmt: skip
            if label.removesuffix("-custom") not in notebooks.FROM_RECORDS:
                session["facts"].append(reruns_sentence(reruns, len(runs)))
            differ = sorted(key for key, verdict in reruns.items() if verdict not in (EQUAL, NEAR))
            session["differ"] = [f"{runs.get(key, key[:8])} {reruns[key]}" for key in differ]
        found.append(session)
    return found


def reruns_sentence(reruns: dict[str, str], runs: int) -> str:
    """How the runs of a session compare with their records: re-run here: 7 of 8 equal, 1 within a point."""
    if not reruns:
        return "no record to compare with"
    equal, near = (sum(verdict == one for verdict in reruns.values()) for one in (EQUAL, NEAR))
    differ, rest = len(reruns) - equal - near, runs - len(reruns)
    parts = [f"re-run here: {equal} of {len(reruns)} equal"] + [f"{near} {NEAR}"] * bool(near)
    parts += [f"{differ} differ{'s' * (differ == 1)}"] * bool(differ)
    return ", ".join(parts) + f" ({rest} more without a record)" * (rest > 0)


def _stopped(notebook: dict) -> str:
    """The error that stopped an executed notebook, as papermill kept it; empty if it ran through."""
    if not notebook.get("metadata", {}).get("papermill", {}).get("exception"):
        return ""
    outputs = [output for cell in notebook.get("cells", []) for output in cell.get("outputs", [])]
    errors = [f"{o.get('ename')}: {o.get('evalue')}" for o in outputs if o.get("output_type") == "error"]
    return (errors or ["an error that it does not name"])[0]


# --- small things -------------------------------------------------------------------------------------------


def _read_json(path: Path, kind: type, notes: list[str]):
    """What a JSON file holds, or None and a note."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, kind):
            return content
        error = f"it holds a {type(content).__name__}"
    except (OSError, ValueError) as failure:
        error = str(failure)
    notes.append(f"{_name(path)} cannot be read: {error}. Running the notebook again writes it anew.")
    return None


def _wrong(entry, fields: dict) -> str:
    """The first field that is missing or of another type than expected; empty if all is well."""
    if not isinstance(entry, dict):
        return f"it is {entry!r}"
    bad = [name for name, kind in fields.items() if not isinstance(entry.get(name), kind)]
    return f"{entry.get('id', '')}: {bad[0]} is {entry.get(bad[0])!r}".removeprefix(": ") if bad else ""


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _anchor(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)


def _installed() -> list[str]:
    found = []
    for name in ("torch", "torchvision", "numpy", "scikit-learn", "matplotlib"):
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    return found


def _computed_with(versions: dict) -> list[str]:
    """With what the runs behind all artefacts were computed."""
    seen = defaultdict(set)
    for version in (version for some in versions.values() for version in some):
        for what, values in version["computed_with"].items():
            seen[what] |= set(map(str, values))
    return _by({what: sorted(values) for what, values in seen.items()})


# --- the page -----------------------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --page: #fff; --card: #f6f8fa; --ink: #1b1f24; --soft: #57606a;
  --line: #d0d7de; --link: #0b57a4; --real: #0f5f33; --real-ink: #fff; --stand: #fff1d6; --stand-ink: #7a3e00;
  --bad: #fdeceb; --bad-ink: #8c1d18 }
@media screen and (prefers-color-scheme: dark) { :root { --page: #14181d; --card: #1d232a; --ink: #e6e9ed;
  --soft: #a8b1bb; --line: #3a434d; --link: #82bbff; --real: #8fdcae; --real-ink: #06270f; --stand: #4a3208;
  --stand-ink: #ffd99a; --bad: #44191a; --bad-ink: #ffb9b3 } }
* { box-sizing: border-box } html { scroll-padding-top: 1rem }
body { margin: 0 auto; max-width: 72rem; padding: 0 clamp(1rem, 3vw, 2rem) 4rem; background: var(--page);
  color: var(--ink); font: 1rem/1.55 system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif }
h1, h2, h3, h4 { line-height: 1.25; text-wrap: balance } h1 { margin: 2.5rem 0 .5rem; font-size: 2rem }
h2 { margin: 3.5rem 0 .75rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: 1.45rem }
h3 { margin: 2.25rem 0 .75rem; font-size: 1.1rem } h3.id { font-size: 1.05rem; font-weight: 700 }
h4 { margin: 0 0 .75rem; font-size: .95rem; font-weight: 500 }
p { margin: .5rem 0; max-width: 48rem } ul { padding-left: 1.25rem } li { margin: .2rem 0 }
a { color: var(--link) } :focus-visible { outline: 3px solid var(--link); outline-offset: 2px }
article:target { border-color: var(--link) } .soft { color: var(--soft); font-size: .9rem }
.id { font: .92em ui-monospace, "Cascadia Mono", Menlo, "DejaVu Sans Mono", monospace }
.skip { position: absolute; left: -100vw; padding: .5rem 1rem; background: var(--page) }
.skip:focus { left: 1rem; top: .5rem; z-index: 1 } .lead { font-size: 1.1rem }
.alert { max-width: none; margin: 1rem 0; padding: .75rem 1rem; border-left: 4px solid var(--bad-ink);
  background: var(--bad); color: var(--bad-ink); overflow-wrap: anywhere } .alert a { color: inherit }
.badge { padding: .1rem .55rem; border: 1px solid transparent; border-radius: 1rem; margin-right: .4rem;
  font-size: .85rem; font-weight: 600; -webkit-box-decoration-break: clone; box-decoration-break: clone }
.real { background: var(--real); color: var(--real-ink) }
.stand-in { background: var(--stand); color: var(--stand-ink); border: 1px dashed currentColor }
.none { border: 1px solid var(--line); color: var(--soft) }
.versions { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 29rem), 1fr)); gap: 1rem }
article { min-width: 0; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem;
  background: var(--card) } .wide { grid-column: 1 / -1 }
figure { margin: 0 } figcaption { margin-top: .5rem }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; padding: .25rem; background: #fff;
  border-radius: .25rem }
details { margin-top: .5rem } summary { cursor: pointer; padding: .15rem 0; font-size: .92rem }
details p { white-space: pre-line } .scroll { overflow: auto; max-height: 34rem; margin: .5rem 0 }
table { border-collapse: collapse; font-size: .86rem; line-height: 1.4 }
caption { padding: .25rem 0; text-align: left; color: var(--soft) }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }
thead th { border-bottom: 0; box-shadow: inset 0 -2px var(--line) }
.scroll thead th { position: sticky; top: 0; background: var(--page) }
article .scroll thead th { background: var(--card) } .scroll :is(td, th) { white-space: nowrap }
:is(td, th).number { text-align: right; font-variant-numeric: tabular-nums }
.scroll .long { min-width: 18rem; white-space: normal } .many .long { min-width: 70rem }
.verdict { font-weight: 600 } .not-run { color: var(--soft); font-weight: 400 }
#contents table { width: 100%; font-size: .9rem } #contents thead th, .links { white-space: nowrap }
#contents tbody th { width: 26%; font-weight: 500 }
#contents td .id { display: inline-block; margin: 0 .6rem .1rem 0; overflow-wrap: anywhere }
@media (max-width: 46rem) { #contents thead { position: absolute; left: -100vw }
  #contents :is(table, tbody, tr, th, td) { display: block; width: auto; border: 0; padding: .15rem 0 }
  #contents tbody th { width: auto } #contents tr { padding: .6rem 0; border-bottom: 1px solid var(--line) }
  #contents td::before { content: attr(data-label) ": "; color: var(--soft) } article { padding: .75rem } }
@media print { body { max-width: none; font-size: 10pt } .skip, .back, .links { display: none }
  a { color: inherit } article, tr, img { break-inside: avoid } h2, h3, h4 { break-after: avoid }
  .versions { display: block } article { margin-bottom: 1rem; background: none }
  .scroll { overflow: visible; max-height: none } .scroll thead th { position: static }
  .scroll :is(td, th) { white-space: normal; padding: .2rem .3rem } .many { font-size: 7pt }
  .many table { font-size: inherit } .many :is(td, th):nth-child(n + PRINTED) { display: none }
  .many::after { content: "Columns further to the right are in the CSV." }
  details::details-content { content-visibility: visible; block-size: auto } }
"""

PAGE = """
{% macro badge(v) %}<span class="badge {{ 'real' if v.real else 'stand-in' }}">
{{- 'real data' if v.real else 'stand-in: ' ~ v.datasets | join(', ') }}</span>
{{ v.datasets | join(', ') ~ ' · ' if v.real }}profile {{ v.label }}
{{- ', a trial of the machinery, no evidence' if v.profile == 'smoke' }}{% endmacro %}
{% macro alert(lines) %}{% for line in lines %}<p class="alert">{{ line }}</p>
{% endfor %}{% endmacro %}
{% macro csv(v, words) %}
<div class="scroll {{ v.table.kind }}" tabindex="0" role="region" aria-label="{{ words }}"><table>
<caption>{{ words }}</caption>
<thead><tr>
{% for name, kind in v.table.header %}
<th scope="col"{% if kind %} class="{{ kind }}"{% endif %}>{{ name }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for row in v.table.rows %}
<tr>{% for text, kind in row %}<td{% if kind %} class="{{ kind }}"{% endif %}>{{ text }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
{% if v.table.total > most %}<p class="soft">The first {{ most }} of {{ v.table.total }} rows.</p>{% endif %}
{% if v.table.rounded %}<p class="soft">Shortened here; the CSV has every digit.</p>{% endif %}
{% endmacro %}
{% macro links(v) %}<span class="links">{% for kind, target in v.links %}
<a href="{{ target }}" aria-label="{{ kind }} of {{ v.id }}, {{ v.label }}">{{ kind }}</a>
{{- ' · ' if not loop.last }}{% endfor %}</span>{% endmacro %}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>alnb: the gallery</title>
<link rel="icon" href="data:,">
<style>{{ style | safe }}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the contents</a>
<header>
<h1>alnb: the gallery</h1>
<p class="lead">alnb reproduces systems that choose what a human should label next, or learn where to look:
one notebook a paper, which computes every table and data-bearing figure anew. What was computed on a stand-in
(a small world drawn by a program) says so and is evidence about that world only.</p>
<p>{{ total }} artefacts: {{ counts['real'] }} drawn on real data, {{ counts['stand-in'] }} on stand-ins only,
{{ counts['none'] }} not drawn yet.</p>
<p class="soft">Written <time>{{ now }}</time> by alnb {{ version }}; installed: {{ installed | join(', ') }}.
{% if computed %}<br>The runs shown were computed with {{ computed | join('; ') }}.{% endif %}</p>
{% for section in sections %}{% for s in section.sessions if s.failed %}
<p class="alert">{{ section.title }}, profile {{ s.profile }}: {{ s.failed | length }}
failure{{ 's' if s.failed | length > 1 }}. <a href="#{{ section.anchor }}">See what failed</a></p>
{% endfor %}{% endfor %}
{{ alert(notes) }}
</header>
<main id="main" tabindex="-1">
<section id="contents" aria-labelledby="contents-title">
<h2 id="contents-title">Contents</h2>
<table role="table">
<thead role="rowgroup"><tr role="row">
{% for label in ('Notebook', 'Real data', 'Stand-in', 'Not drawn yet') %}
<th scope="col" role="columnheader">{{ label }}</th>
{% endfor %}
</tr></thead>
<tbody role="rowgroup">
{% for section in sections %}
<tr role="row"><th scope="row" role="rowheader"><a href="#{{ section.anchor }}">{{ section.title }}</a><br>
<span class="soft id">{{ section.name }}</span></th>
{% for label, place in (('Real data', 'real'), ('Stand-in', 'stand_in')) %}
<td role="cell" data-label="{{ label }}">{% for a in section.artefacts %}{% for target in a[place] %}
<a class="id" href="#{{ target }}">{{ a.id }}</a> {% endfor %}{% endfor %}</td>
{% endfor %}
<td role="cell" data-label="Not drawn yet">{% for a in section.artefacts if a.state == 'none' %}
<a class="id" href="#{{ a.anchor }}">{{ a.id }}</a> {% endfor %}</td></tr>
{% endfor %}
</tbody></table>
</section>
{% for anchor, title, text, artefacts in top if artefacts %}
<section id="{{ anchor }}" aria-labelledby="{{ anchor }}-title">
<h2 id="{{ anchor }}-title">{{ title }}</h2>
<p>{{ text }}</p>
{% for a in artefacts %}
<h3>{{ a.caption }} <span class="id soft">{{ a.id }}</span></h3>
{% for v in a.versions %}
<details{% if loop.first %} open{% endif %}><summary>{{ badge(v) }}</summary>
{% if v.table %}
{% if v.table.tally %}<p>{{ v.table.tally }}.</p>{% endif %}
{{ csv(v, v.caption ~ ', profile ' ~ v.label) }}
{% else %}{{ alert(v.notes) }}{% endif %}
<p class="soft"><a href="#{{ v.anchor }}">Its figure and where it comes from</a></p>
</details>
{% else %}<p><span class="badge none">not drawn yet</span></p>
{% endfor %}
{% endfor %}
</section>
{% endfor %}
{% for section in sections %}
<section id="{{ section.anchor }}" aria-labelledby="{{ section.anchor }}-title">
<h2 id="{{ section.anchor }}-title">{{ section.title }}</h2>
<p class="soft"><span class="id">{{ section.name }}</span>{{ ' · ' ~ section.source if section.source }} ·
<a class="back" href="#contents">Contents</a></p>
{{ alert(section.notes) }}
{% if section.sessions %}
<ul>
{% for s in section.sessions %}
<li>profile {{ s.profile }}:
{% if s.page %}<a href="{{ s.page }}">the executed notebook</a>{% else %}no executed notebook{% endif %}
{% for fact in s.facts %} · {{ fact }}{% endfor %}

{% for run, why in s.failed.items() %}
<p class="alert"><strong>Failed:</strong> {{ run }}: {{ why }}</p>
{% endfor %}
{% if s.differ %}<ul>{% for line in s.differ %}<li>{{ line }}</li>{% endfor %}</ul>{% endif %}</li>
{% endfor %}
</ul>
{% endif %}
{% for a in section.artefacts if a.versions %}
<h3 id="{{ a.anchor }}" class="id">{{ a.id }}</h3>
<div class="versions">
{% for v in a.versions %}
<article id="{{ v.anchor }}"{% if v.image and v.image.wide %} class="wide"{% endif %}>
<h4>{{ badge(v) }}</h4>
{{ alert(v.notes) }}
<figure>
{% if v.image %}
<img src="data:image/png;base64,{{ v.image.data }}" alt="{{ v.alt }}" width="{{ v.image.width }}"
 height="{{ v.image.height }}">
{% endif %}
<figcaption>{{ v.caption }}</figcaption>
</figure>
<details><summary>In words</summary><p>{{ v.alt }}</p></details>
{% if v.table %}
{% if a.top %}<p class="soft">As a table: <a href="#{{ a.top }}">above</a>.</p>
{% elif v.table.rows %}
<details{% if v.table.open %} open{% endif %}><summary>The data</summary>{{ csv(v, v.id ~ '.csv') }}</details>
{% else %}<p class="soft">The CSV behind it has {{ v.table.total }} rows.</p>{% endif %}
{% endif %}
<p class="soft">Rests on {{ v.runs | length }} run{{ 's' if v.runs | length != 1 }}, {{ v.took }} of computing
{%- for line in v.by %}; {{ line }}{% endfor %}. {{ links(v) }}</p>
</article>
{% endfor %}
</div>
{% endfor %}
{% if section.artefacts | rejectattr('versions') | list %}
<h3>Not drawn yet</h3>
<ul>
{% for a in section.artefacts if not a.versions %}
<li id="{{ a.anchor }}"><span class="id">{{ a.id }}</span>: {{ a.caption }}</li>
{% endfor %}
</ul>
{% endif %}
</section>
{% endfor %}
</main>
</body>
</html>
"""
