"""The gallery: one page, figures/gallery.html, of every artefact drawn so far and of those that are not.

It opens from disk and needs nothing beside it: images are inside, there is no script, and a policy in its head forbids
the network. It is made from the manifests, the CSVs and the notes of executed notebooks alone, so neither torch nor
matplotlib is imported. What cannot be read becomes a note on the page.
"""

from __future__ import annotations

import base64
import csv
import json
import os
import re
import struct
from collections import Counter, defaultdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

from alnb import __version__, figures, notebooks
from alnb.errors import BadRequest

PROFILES = ("paper", "reduced", "world", "laptop", "smoke")  # in this order on the page, nearest to the paper first
SHORT, MOST = 40, 400  # rows: a CSV up to SHORT is shown whole; no table shows more than MOST
WIDE = 700  # CSS pixels: a wider figure has a row of its own
TOP = {
    "claims": ("Claims and verdicts", "-extra-claims", "Verdicts are computed from the runs when the table is drawn."),
    "beside": ("Published beside ours", "-beside",
               "A number of ours is a reproduction only on real data, with the network and budgets of the paper."),
}  # fmt: skip
_NUMBER = (int, float)
_ENTRY = {
    "id": str, "notebook": str, "profile": str, "caption": str, "alt": str, "real": bool, "datasets": list,
    "files": list, "runs": list, "seconds": _NUMBER, "computed_with": dict,
}  # fmt: skip
_OUTCOME = {"computed": int, "seconds": _NUMBER, "failed": dict, "runs": dict, "reruns": dict}


def write(folder: Path | None = None) -> Path:
    """Draw gallery.html from the manifests in `folder`/*/ and the outcomes of executed notebooks; returns its path."""
    import jinja2

    folder = Path(folder or notebooks.figures_folder())
    notes: list[str] = []
    versions = _versions(folder, notes)
    sections = [_section(name, versions, folder, notes) for name in notebooks.names()]
    known = {section["name"] for section in sections}
    strays = {key: versions[key] for key in sorted(versions) if key[0] not in known}
    if strays:
        artefacts = [_artefact(name, shown[0]["caption"], shown) for (_, name), shown in strays.items()]
        sections.append({"name": "other", "title": "Drawn by notebooks that are not here", "source": "", "notes": [],
                         "artefacts": artefacts, "sessions": []})  # fmt: skip
    artefacts = [artefact for section in sections for artefact in section["artefacts"]]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    page = environment.from_string(PAGE).render(
        style=STYLE, version=__version__, now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), notes=notes,
        installed=_installed(), computed=_computed_with(versions), sections=sections, most=MOST,
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
        where = f"{path.parent.name}/manifest.json"
        content = _read_json(path, list, notes, where)
        for place, entry in enumerate(content or []):
            if wrong := _wrong(entry, _ENTRY):
                notes.append(f"{where}: entry {place + 1} is left out: {wrong}")
            else:
                found[entry["notebook"], entry["id"]].append(_version(entry, path.parent))
    return {key: sorted(some, key=lambda v: (not v["real"], _rank(v["label"]))) for key, some in found.items()}


def _rank(label: str) -> tuple:
    base = label.removesuffix("-custom").split(" ")[0]
    return PROFILES.index(base) if base in PROFILES else len(PROFILES), label


def _version(entry: dict, folder: Path) -> dict:
    """A manifest entry with its image, its table and links to its files; `notes` says what is amiss."""
    notes = [] if entry["alt"].strip() else ["It has no alt text."]
    files = {Path(str(name)).suffix: Path(str(name)).name for name in entry["files"]}
    here = {kind: name for kind, name in files.items() if (folder / name).is_file()}
    notes += [f"{folder.name}/{name} is missing: draw it again." for kind, name in files.items() if kind not in here]
    image = None
    if ".png" in here:
        data = (folder / here[".png"]).read_bytes()
        if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 24:
            scale = 96 / figures.STYLE["savefig.dpi"]
            width, height = (round(side * scale) for side in struct.unpack(">II", data[16:24]))
            image = {"data": base64.b64encode(data).decode(), "width": width, "height": height}
        else:
            notes.append(f"{folder.name}/{here['.png']} is not a PNG image: draw it again.")
    same = entry["profile"] == folder.name
    return entry | {
        "label": entry["profile"] if same else f"{entry['profile']} (in {folder.name}/)",
        "anchor": _anchor(f"{folder.name}.{entry['id']}"), "notes": notes, "image": image,
        "wide": bool(image) and image["width"] > WIDE,
        "links": [(kind[1:].upper(), quote(f"{folder.name}/{name}")) for kind, name in here.items()],
        "table": _table(folder / here[".csv"], entry["id"], notes) if ".csv" in here else None,
        "took": notebooks.duration(entry["seconds"]), "by": _by(entry["computed_with"]),
    }  # fmt: skip


def _by(computed_with: dict) -> list[str]:
    """With what it was computed, in words: torch 2.14.1, numpy 2.4.0, CPU ..., device cpu."""
    words = {"torch": "torch", "numpy": "numpy", "cpu": "CPU", "device": "device"}
    named = {what: values if isinstance(values, list) else [values] for what, values in computed_with.items()}
    return [f"{words.get(what, what)} {', '.join(map(str, named[what]))}" for what in [*words, *sorted(set(named) - set(words))]
            if named.get(what)]  # fmt: skip


def _table(path: Path, artefact: str, notes: list[str]) -> dict | None:
    """The CSV for the page: header, cells of at most MOST rows (none, if it is long and no table), count of all rows."""
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
        notes.append(f"{path.parent.name}/{path.name} cannot be read: {error}.")
        return None
    tally = _tally(header, rows)
    if "verdict" in header:  # what is looked for first, in a table too wide for the page
        order = sorted(range(len(header)), key=lambda i: (i > 0, header[i] not in ("setting", "verdict"), i))
        header = [header[i] for i in order]
        rows = [[row[i] for i in order if i < len(row)] for row in rows]
    shown = rows if is_table or total <= SHORT else []
    cells = [[_cell(text, name) for text, name in zip(row, header)] for row in shown]
    rounded = any(text != cell[0] for row, made in zip(shown, cells) for text, cell in zip(row, made))
    return {"header": header, "rows": cells, "total": total, "rounded": rounded, "open": is_table, "tally": tally}


def _cell(text: str, column: str) -> tuple[str, str]:
    """A cell's text, long numbers and hashes shortened, and its class."""
    if column == "verdict":
        return text, f"verdict {text.replace(' ', '-')}"
    if re.fullmatch(r"-?\d+", text):
        return text, "number"
    if re.fullmatch(r"-?\d+\.\d+(e[-+]?\d+)?", text, re.IGNORECASE):
        value = float(text)
        short = f"{value:.1f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"
        return min(text, short, key=len), "number"
    if re.fullmatch(r"[0-9a-f]{32,}", text):
        return text[:16] + "…", ""
    return text, "long" if len(text) > 40 else ""


def _tally(header: list[str], rows: list[list[str]]) -> str:
    """How often each verdict was given, by setting."""
    if "verdict" not in header:
        return ""
    counts = defaultdict(Counter)
    for row in (dict(zip(header, row)) for row in rows):
        counts[row.get("setting", "")][row.get("verdict") or "none"] += 1
    lines = (", ".join(f"{word} {n}" for word, n in verdicts.most_common()) for verdicts in counts.values())
    return "; ".join(f"{setting}: {line}" if setting else line for setting, line in zip(counts, lines))


# --- by notebook --------------------------------------------------------------------------------------------


def _section(name: str, versions: dict, folder: Path, notes: list[str]) -> dict:
    """A notebook: its artefacts in the order of its configuration, those it no longer has after them, its sessions."""
    here = {artefact: shown for (notebook, artefact), shown in versions.items() if notebook == name}
    about, own = {"title": name, "source": "", "artefacts": {}}, []
    try:
        about = notebooks.config(name)
    except BadRequest as error:
        notes.append(str(error))
    artefacts = [_artefact(artefact, caption, here.get(artefact, [])) for artefact, caption in about["artefacts"].items()]
    for artefact in sorted(set(here) - set(about["artefacts"])):
        own.append(f"{artefact} was drawn, but nbconfig/{name}.yaml does not name it.")
        artefacts.append(_artefact(artefact, here[artefact][0]["caption"], here[artefact]))
    return {"name": name, "title": about["title"], "source": about["source"], "notes": own, "artefacts": artefacts,
            "sessions": _sessions(name, folder, notes)}  # fmt: skip


def _artefact(name: str, caption: str, versions: list[dict]) -> dict:
    real, stand_in = ([v["anchor"] for v in versions if v["real"] is wanted] for wanted in (True, False))
    state = "real" if real else "stand-in" if stand_in else "none"
    return {"id": name, "anchor": _anchor(name), "caption": caption, "versions": versions, "top": _top(name),
            "real": real[:1], "stand_in": stand_in[:1], "state": state}  # fmt: skip


def _top(artefact: str) -> str | None:
    return next((anchor for anchor, (_, mark, _) in TOP.items() if mark in artefact), None)


def _sessions(name: str, folder: Path, notes: list[str]) -> list[dict]:
    """What each profile's last session of the notebook did, as its outcome file and its executed notebook say."""
    base = notebooks.executed_folder("")
    kinds = (".outcome.json", ".html", ".ipynb")
    labels = {path.parent.name for kind in kinds for path in base.glob(f"*/{name}{kind}")}
    found = []
    for label in sorted(labels, key=_rank):
        outcome_at, page, executed = (base / label / f"{name}{kind}" for kind in kinds)
        session = {"profile": label, "page": "", "facts": [], "failed": {}, "differ": []}
        if page.is_file():
            session["page"] = quote(Path(os.path.relpath(page.resolve(), folder.resolve())).as_posix())
        if executed.is_file() and (stopped := _stopped(_read_json(executed, dict, notes, f"executed {label}/{name}.ipynb"))):
            session["failed"]["the notebook stopped"] = stopped
        outcome = _read_json(outcome_at, dict, notes, f"executed {label}/{outcome_at.name}") if outcome_at.is_file() else None
        if outcome is not None and (wrong := _wrong(outcome, _OUTCOME)):
            notes.append(f"executed {label}/{outcome_at.name} is left out: {wrong}")
        elif outcome is not None:
            count = len(outcome["runs"])
            session["facts"] = [f"{count} run{'s' * (count != 1)}", f"{outcome['computed']} steps computed",
                                notebooks.duration(outcome["seconds"])]  # fmt: skip
            if label.removesuffix("-custom") not in notebooks.FROM_RECORDS:
                session["facts"].append(reruns_sentence(outcome["reruns"], count))
            session["failed"] |= outcome["failed"]
            session["differ"] = [(outcome["runs"].get(key, key[:8]), verdict) for key, verdict in
                                 sorted(outcome["reruns"].items()) if str(verdict).startswith("differs")]  # fmt: skip
        found.append(session)
    return found


def reruns_sentence(reruns: dict[str, str], runs: int) -> str:
    """How the runs of a session compare with their records: re-run here: 7 of 8 equal, 1 within a point."""
    if not reruns:
        return "no record to compare with"
    counts = Counter(verdict if verdict in ("equal", "within a point") else "differs" for verdict in reruns.values())
    parts = [f"re-run here: {counts['equal']} of {len(reruns)} equal"]
    parts += [f"{counts['within a point']} within a point"] * bool(counts["within a point"])
    parts += [f"{counts['differs']} differ{'s' * (counts['differs'] == 1)}"] * bool(counts["differs"])
    rest = runs - len(reruns)
    return ", ".join(parts) + f" ({rest} more without a record)" * (rest > 0)


def _stopped(notebook: dict | None) -> str:
    """The error that stopped an executed notebook, as papermill kept it; empty if it ran through."""
    if not (notebook or {}).get("metadata", {}).get("papermill", {}).get("exception"):
        return ""
    outputs = [output for cell in notebook.get("cells", []) for output in cell.get("outputs", [])]
    errors = [f"{o.get('ename')}: {o.get('evalue')}" for o in outputs if o.get("output_type") == "error"]
    return (errors or ["an error that it does not name"])[0]


# --- small things -------------------------------------------------------------------------------------------


def _read_json(path: Path, kind: type, notes: list[str], where: str):
    """What a JSON file holds, or None and a note."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        notes.append(f"{where} cannot be read: {error}. Running the notebook again writes it anew.")
        return None
    if not isinstance(content, kind):
        notes.append(f"{where} cannot be read: it holds no {kind.__name__}. Running the notebook again writes it anew.")
        return None
    return content


def _wrong(entry, fields: dict) -> str:
    """The first field that is missing or of another type than expected; empty if all is well."""
    if not isinstance(entry, dict):
        return f"it is no mapping but {entry!r}"
    bad = [name for name, kind in fields.items() if not isinstance(entry.get(name), kind)]
    return f"{bad[0]} is {entry.get(bad[0])!r}" + f" (id {entry['id']})" * ("id" in entry) if bad else ""


def _anchor(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)


def _installed() -> list[str]:
    found = []
    for name in ("torch", "torchvision", "numpy", "scikit-learn", "matplotlib"):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    return found


def _computed_with(versions: dict) -> list[str]:
    """With what the runs behind all artefacts were computed."""
    seen = defaultdict(set)
    for what, values in (pair for shown in versions.values() for v in shown for pair in v["computed_with"].items()):
        seen[what] |= set(map(str, values if isinstance(values, list) else [values]))
    return _by({what: sorted(values) for what, values in seen.items()})


# --- the page -----------------------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --page: #fff; --card: #f6f8fa; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de;
  --link: #0b57a4; --real: #0f5f33; --real-ink: #fff; --stand: #fff1d6; --stand-ink: #7a3e00; --bad: #fdeceb;
  --bad-ink: #8c1d18 }
@media screen and (prefers-color-scheme: dark) { :root { --page: #14181d; --card: #1d232a; --ink: #e6e9ed;
  --soft: #a8b1bb; --line: #3a434d; --link: #82bbff; --real: #8fdcae; --real-ink: #06270f; --stand: #4a3208;
  --stand-ink: #ffd99a; --bad: #44191a; --bad-ink: #ffb9b3 } }
* { box-sizing: border-box }
html { scroll-padding-top: 1rem }
body { margin: 0 auto; max-width: 72rem; padding: 0 clamp(1rem, 3vw, 2rem) 4rem; background: var(--page);
  color: var(--ink); font: 1rem/1.55 system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif }
h1, h2, h3, h4 { line-height: 1.25; text-wrap: balance } h1 { margin: 2.5rem 0 .5rem; font-size: 2rem }
h2 { margin: 3.5rem 0 .75rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: 1.45rem }
h3 { margin: 2.25rem 0 .75rem; font-size: 1.1rem } h4 { margin: 0 0 .75rem; font-size: .95rem; font-weight: 500 }
p { margin: .5rem 0; max-width: 48rem } ul { padding-left: 1.25rem } li { margin: .2rem 0 }
a { color: var(--link) } :focus-visible { outline: 3px solid var(--link); outline-offset: 2px }
:target { scroll-margin-top: 1rem } article:target { border-color: var(--link) }
code, .id { font: .92em ui-monospace, "Cascadia Mono", Menlo, "DejaVu Sans Mono", monospace }
.skip { position: absolute; left: -100vw } .skip:focus { left: 1rem; top: .5rem; padding: .5rem 1rem; z-index: 1;
  background: var(--page) } .soft { color: var(--soft); font-size: .9rem } .lead { font-size: 1.1rem }
.alert { max-width: none; margin: 1rem 0; padding: .75rem 1rem; border-left: 4px solid var(--bad-ink);
  background: var(--bad); color: var(--bad-ink); overflow-wrap: anywhere } .alert a { color: inherit }
.badge { display: inline-block; padding: .1rem .55rem; border-radius: 1rem; font-size: .85rem; font-weight: 600;
  margin-right: .4rem; border: 1px solid transparent } .real { background: var(--real); color: var(--real-ink) }
.stand-in { background: var(--stand); color: var(--stand-ink); border: 1px dashed currentColor }
.none { border: 1px solid var(--line); color: var(--soft) }
.versions { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 29rem), 1fr)); gap: 1rem }
article { min-width: 0; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--card) }
.wide { grid-column: 1 / -1 } figure { margin: 0 } figcaption { margin-top: .5rem }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; padding: .25rem; background: #fff;
  border-radius: .25rem }
details { margin-top: .5rem } summary { cursor: pointer; padding: .15rem 0; font-size: .92rem }
details p { white-space: pre-line } .scroll { overflow-x: auto; margin: .5rem 0 }
table { border-collapse: collapse; font-size: .86rem; line-height: 1.4 } caption { text-align: left; padding: .25rem 0 }
.scroll caption { color: var(--soft) } th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line);
  text-align: left; vertical-align: top } thead th { border-bottom: 2px solid var(--line) }
.scroll td, .scroll th { white-space: nowrap } td.number, th.number { text-align: right;
  font-variant-numeric: tabular-nums } .scroll td.long { min-width: 18rem; white-space: normal }
.verdict { font-weight: 600 } .holds { color: var(--real) } .reversed { color: var(--bad-ink) }
@media screen { .holds { color: light-dark(#0f5f33, #8fdcae) } }
#contents table { width: 100%; font-size: .9rem } #contents tbody th { width: 26%; font-weight: 500 }
#contents td .id { display: inline-block; margin: 0 .6rem .1rem 0; overflow-wrap: anywhere }
@media (max-width: 46rem) { #contents thead { position: absolute; left: -100vw }
  #contents :is(table, tbody, tr, th, td) { display: block; width: auto; border: 0; padding: .15rem 0 }
  #contents tbody th { width: auto } #contents tr { padding: .6rem 0; border-bottom: 1px solid var(--line) }
  #contents td::before { content: attr(data-label) ": "; color: var(--soft) } article { padding: .75rem } }
@media print { body { max-width: none; font-size: 10pt } .skip, .back, .links { display: none } a { color: inherit }
  article, tr, img { break-inside: avoid } h2, h3, h4 { break-after: avoid } article { background: none }
  .scroll { overflow: visible } .scroll td, .scroll th { white-space: normal; overflow-wrap: anywhere }
  .versions { display: block } article { margin-bottom: 1rem } details::details-content { content-visibility: visible;
  block-size: auto } }
"""

PAGE = """
{% macro badge(v) %}<span class="badge {{ 'real' if v.real else 'stand-in' }}">
{{- 'real data' if v.real else 'stand-in: ' ~ v.datasets | join(', ') }}</span>
{{ v.datasets | join(', ') ~ ' · ' if v.real }}profile {{ v.label }}{% endmacro %}
{% macro alert(lines) %}{% for line in lines %}<p class="alert">{{ line }}</p>
{% endfor %}{% endmacro %}
{% macro csv(v, words) %}
<div class="scroll" tabindex="0" role="region" aria-label="{{ words }}, {{ v.label }}"><table>
<caption>{{ words }}</caption>
<thead><tr>{% for name in v.table.header %}<th scope="col"{% if v.table.rows and v.table.rows[0][loop.index0] is defined
  and v.table.rows[0][loop.index0][1] == 'number' %} class="number"{% endif %}>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in v.table.rows %}
<tr>{% for text, kind in row %}<td{% if kind %} class="{{ kind }}"{% endif %}>{{ text }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
{% if v.table.total > v.table.rows | length %}<p class="soft">The first {{ most }} of {{ v.table.total }} rows.</p>{% endif %}
{% if v.table.rounded %}<p class="soft">Long numbers are rounded here; the CSV has them in full.</p>{% endif %}
{% endmacro %}
{% macro links(v) %}<span class="links">{% for kind, target in v.links %}
<a href="{{ target }}" aria-label="{{ kind }} of {{ v.id }}, {{ v.label }}">{{ kind }}</a>
{{- ' · ' if not loop.last }}{% endfor %}</span>{% endmacro %}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>alnb: the gallery</title>
<link rel="icon" href="data:,">
<style>{{ style | safe }}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the contents</a>
<header>
<h1>alnb: the gallery</h1>
<p class="lead">alnb reproduces systems that choose what a human should label next, or learn where to look: one notebook
a paper, which computes every table and data-bearing figure anew. What was computed on a stand-in, a small world drawn by
a program, says so and is evidence about that world only.</p>
<p>{{ total }} artefacts: {{ counts['real'] }} drawn on real data, {{ counts['stand-in'] }} on stand-ins only,
{{ counts['none'] }} not drawn yet.</p>
<p class="soft">Written <time>{{ now }}</time> by alnb {{ version }}; installed: {{ installed | join(', ') }}.
{% if computed %}<br>The runs shown were computed with {{ computed | join('; ') }}.{% endif %}</p>
{% for section in sections %}{% for s in section.sessions if s.failed %}
<p class="alert">{{ section.title }}, profile {{ s.profile }}: {{ s.failed | length }}
failure{{ 's' if s.failed | length > 1 }}. <a href="#{{ section.name }}">See what failed</a></p>
{% endfor %}{% endfor %}
{{ alert(notes) }}
</header>
<main id="main" tabindex="-1">
<section id="contents" aria-labelledby="contents-title">
<h2 id="contents-title">Contents</h2>
<table role="table">
<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Notebook</th>
{% for label in ('Real data', 'Stand-in', 'Not drawn yet') %}<th scope="col" role="columnheader">{{ label }}</th>
{% endfor %}</tr></thead>
<tbody role="rowgroup">
{% for section in sections %}
<tr role="row"><th scope="row" role="rowheader"><a href="#{{ section.name }}">{{ section.title }}</a><br>
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
{{ csv(v, v.caption) }}
{% else %}{{ alert(v.notes) }}{% endif %}
<p class="soft"><a href="#{{ v.anchor }}">Its figure and where it comes from</a></p>
</details>
{% else %}<p><span class="badge none">not drawn yet</span></p>
{% endfor %}
{% endfor %}
</section>
{% endfor %}
{% for section in sections %}
<section id="{{ section.name }}" aria-labelledby="{{ section.name }}-title">
<h2 id="{{ section.name }}-title">{{ section.title }}</h2>
<p class="soft"><span class="id">{{ section.name }}</span>{{ ' · ' ~ section.source if section.source }} ·
<a class="back" href="#contents">Contents</a></p>
{{ alert(section.notes) }}
{% if section.sessions %}
<ul>
{% for s in section.sessions %}
<li>profile {{ s.profile }}: {% if s.page %}<a href="{{ s.page }}">the executed notebook</a>{% else %}no executed
notebook{% endif %}{% for fact in s.facts %} · {{ fact }}{% endfor %}
{% for run, why in s.failed.items() %}<p class="alert"><strong>Failed:</strong> {{ run }}: {{ why }}</p>{% endfor %}
{% if s.differ %}<ul>{% for run, verdict in s.differ %}<li>{{ run }} {{ verdict }}</li>{% endfor %}</ul>{% endif %}</li>
{% endfor %}
</ul>
{% endif %}
{% for a in section.artefacts if a.versions %}
<h3 id="{{ a.anchor }}">{{ a.caption }} <span class="id soft">{{ a.id }}</span></h3>
<div class="versions">
{% for v in a.versions %}
<article id="{{ v.anchor }}"{% if v.wide %} class="wide"{% endif %}>
<h4>{{ badge(v) }}</h4>
{{ alert(v.notes) }}
<figure>
{% if v.image %}
<img src="data:image/png;base64,{{ v.image.data }}" alt="{{ v.alt }}" width="{{ v.image.width }}"
 height="{{ v.image.height }}" decoding="async">
{% endif %}
<figcaption>{{ v.caption }}</figcaption>
</figure>
<details><summary>In words</summary><p>{{ v.alt }}</p></details>
{% if v.table %}
{% if a.top %}<p class="soft">As a table: <a href="#{{ a.top }}">above</a>.</p>
{% elif v.table.rows %}<details{% if v.table.open %} open{% endif %}><summary>The data</summary>{{ csv(v, v.caption) }}</details>
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
