"""The gallery: one page, figures/gallery.html, of every artefact drawn so far and of those that are not.

It opens from disk: the picture of an artefact's strongest evidence is inside, those of the same at other profiles are the
PNGs beside it (all inside had come to 17 MB); there is no script, a policy in its head forbids the network. It is made from
the manifests, the CSVs and what executed notebooks left: neither torch nor matplotlib is imported. What cannot be read
becomes a note on the page. This module gathers; how it looks is in report.html.j2 and report.css.j2 beside it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import re
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

from alnb import __version__, figures, plans
from alnb.claims import INTERIM, SETTINGS
from alnb.errors import BadRequest
from alnb.glance import glance, tally
from alnb.machine import cores

PROFILES = tuple(reversed(plans.PROFILES))  # nearest to the paper first
# strongest evidence first
KINDS = {"real": "Real data", "stand-in": "Stand-in", "formula": "Formulas, printed numbers", "custom": "Changed by hand",
         "plumbing": "Plumbing only"}  # fmt: skip
SHORT, MOST = 40, 400  # rows: a CSV up to SHORT is shown whole; no table shows more than MOST
WIDE = 700  # CSS pixels: a wider figure has a row of its own
PRINTED = 13  # columns of a table that fit on paper
NARROW = 7  # columns of a table that fit on half of the page
TOP = {
    "claims": ("Claims and verdicts", "-extra-claims",
               "One line a claim, written down before its runs; a verdict is computed from the runs when it is drawn. The "
               "difference is the method's less its rival's, with its 95 % interval, in points of the claim's metric: where "
               "none is named, the area, the mean height of the curve over the budgets after the first. World: on a "
               "stand-in drawn by a program. Null world: the same without what the claim is about, where it must not hold. "
               "Placebo: against the method with its signal destroyed, which it must beat."),
    "beside": ("Published beside ours", "-beside",
               "A number of ours is a reproduction only on real data with the paper's network and budgets."),
}  # fmt: skip
EQUAL, NEAR = "equal", "within a point"  # what `records.compare` says, unless runs differ
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

    folder = Path(folder or plans.figures_folder())
    notes: list[str] = []
    versions = _versions(folder, notes)
    names = sorted({*plans.names(), *(notebook for notebook, _ in versions)})
    sections = [_section(name, versions, folder, notes) for name in names]
    artefacts = [artefact for section in sections for artefact in section["artefacts"]]
    counts = Counter(artefact["state"] for artefact in artefacts)
    for artefact in artefacts:
        shown = [version for version in artefact["versions"] if version["kind"] != "custom"]
        ledgers = [(v["label"], v["table"]["ledger"]) for v in shown if v["table"] and v["table"]["ledger"]]
        artefact |= {"evidence": shown, "glance": glance(ledgers) if artefact["top"] == "claims" else []}
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alnb", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    page = environment.get_template("report.html.j2").render(
        printed=PRINTED, version=__version__, now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), notes=notes,
        installed=_installed(), computed=_computed_with(versions), sections=sections, most=MOST, counts=counts,
        total=len(artefacts), settings=SETTINGS, kinds=KINDS | {"none": "not drawn yet"},
        verdicts={section["name"]: [tally([entry for a in section["artefacts"] for entry in a["glance"]], setting)
                                    for setting in ("real data", "world")] for section in sections},
        drawn={section["name"]: _drawn(section["artefacts"]) for section in sections},
        top=[(anchor, title, text, [artefact for artefact in artefacts if artefact["top"] == anchor])
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
    """(notebook, artefact) -> its drawn versions: the strongest evidence first, then by profile."""
    found, entries = defaultdict(list), []
    for path in sorted(folder.glob("*/manifest.json")):
        for place, entry in enumerate(_read_json(path, list, notes) or []):
            if wrong := _wrong(entry, _ENTRY):
                notes.append(f"{_name(path)}: entry {place + 1} is left out: {wrong}.")
            else:
                entries.append((entry, path.parent))
    for version in (_version(*one) for one in entries):
        found[version["notebook"], version["id"]].append(version)
    for name, some in found.items():
        some.sort(key=lambda version: (list(KINDS).index(version["kind"]), _rank(version["label"])))
        found[name] = _distinct(some)
    strongest = [some[0]["image"] for some in found.values() if some[0]["image"]]
    with ThreadPoolExecutor(cores()) as pool:  # images are packed on all of them
        for image, packed in zip(strongest, pool.map(_packed, [image["path"] for image in strongest])):
            image["src"] = packed
    return found


def _distinct(versions: list[dict]) -> list[dict]:
    """Without those that show what one before them shows, which then names their profiles in `also`."""
    kept: dict[tuple, dict] = {}
    for version in versions:
        same = kept.setdefault((version["kind"], version["alt"], version["digest"]), version)
        if same is not version and version["digest"] and not version["notes"]:
            same["also"].append(version["label"])
        elif same is not version:
            kept[version["anchor"],] = version
    return list(kept.values())


def _drawn(artefacts: list[dict]) -> str:
    """ "12 on real data, 3 on stand-ins only, 1 not drawn yet": what the strongest evidence of each is."""
    words = {"real": "on real data", "stand-in": "on stand-ins only", "formula": "from formulas or printed numbers",
             "custom": "with changed values only", "plumbing": "as plumbing only", "none": "not drawn yet"}  # fmt: skip
    counts = Counter(artefact["state"] for artefact in artefacts)
    return ", ".join(f"{counts[kind]} {said}" for kind, said in words.items() if counts[kind])


def _rank(label: str) -> tuple:
    base = plans.profile_of(label.split(" ")[0])
    return PROFILES.index(base) if base in PROFILES else len(PROFILES), label


def _version(entry: dict, folder: Path) -> dict:
    """A manifest entry with its image, its table and links to its files; `notes` says what is amiss."""
    notes = [] if entry["alt"].strip() else ["It has no alt text."]
    files = {Path(str(name)).suffix: folder / Path(str(name)).name for name in entry["files"]}
    for path in ({".png": folder / f"{entry['id']}.png"} | files).values():
        if not path.is_file():
            notes.append(f"{_name(path)} is missing: draw it again.")
    files = {kind: path for kind, path in files.items() if path.is_file()}
    whole = entry.get("table", "-table-" in entry["id"]) or _top(entry["id"]) is not None
    table = _table(files[".csv"], whole, notes) if ".csv" in files else None
    image = _image(files[".png"], notes) if ".png" in files and not (table and table["open"]) else None  # nothing twice
    digest = hashlib.sha256(files[".csv"].read_bytes()).hexdigest() if table else ""
    by = {what: values for what, values in entry["computed_with"].items() if isinstance(values, list)}
    profile = entry["profile"]
    return entry | {
        "kind": figures.evidence(entry), "changed": entry.get("changed", []),
        "label": profile if profile == folder.name else f"{profile} (in {folder.name}/)",
        "anchor": _anchor(f"{folder.name}.{entry['id']}"), "image": image, "notes": notes,
        "links": [(kind[1:].upper(), quote(_name(path))) for kind, path in files.items()],
        "table": table, "digest": digest, "also": [],
        "wide": bool((image and image["wide"]) or (table and table["open"] and len(table["header"]) > NARROW)),
        "took": plans.duration(entry["seconds"]), "computed_with": by, "by": _by(by),
    }  # fmt: skip


def _image(path: Path, notes: list[str]) -> dict | None:
    """A PNG for the page, with its size in CSS pixels."""
    from PIL import Image

    try:
        with path.open("rb") as file:
            if file.read(8) != b"\x89PNG\r\n\x1a\n":
                raise ValueError
        with Image.open(path) as picture:
            picture.load()
            width, height = (round(side * 96 / figures.STYLE["savefig.dpi"]) for side in picture.size)
    except (OSError, ValueError, SyntaxError):
        notes.append(f"{_name(path)} is no PNG image: draw it again.")
        return None
    return {"path": path, "src": quote(_name(path)), "width": width, "height": height, "wide": width > WIDE}


def _packed(path: Path) -> str:
    """A PNG as an address that holds it: the same pixels as WebP, in base64, where that is shorter (by more than half, as a
    rule)."""
    from PIL import Image, features

    kind, data, made = "png", path.read_bytes(), io.BytesIO()
    if features.check("webp"):
        with Image.open(io.BytesIO(data)) as picture:
            picture.save(made, "WEBP", lossless=True, method=2, quality=50)
    if 0 < len(made.getvalue()) < len(data):
        kind, data = "webp", made.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _by(computed_with: dict) -> list[str]:
    """With what it was computed, in words: torch 2.14.1, numpy 2.4.0, CPU ..., device cpu."""
    words = {"torch": "torch", "numpy": "numpy", "cpu": "CPU", "device": "device"}
    there = {what: computed_with[what] for what in words if computed_with.get(what)}
    return [f"{words[what]} {' or '.join(map(str, values))}" for what, values in there.items()]


def _table(path: Path, is_table: bool, notes: list[str]) -> dict | None:
    """The CSV for the page: header, cells (of no row if it is long and no table), count of all rows."""
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
    ledger = [dict(zip(header, row)) for row in rows] if "verdict" in header else []
    if ledger:  # what is looked for first, in a table too wide for the page
        order = sorted(range(len(header)), key=lambda i: i and header[i] not in ("setting", "verdict"))
        header, *rows = ([row[i] for i in order if i < len(row)] for row in (header, *rows))
    same = {}
    if is_table and not ledger and len(header) > NARROW and 1 < total <= MOST:
        header, rows, same = _without_same(header, rows)
    shown = rows if is_table or total <= SHORT else []
    places = [_places(row[i] for row in shown if i < len(row)) for i in range(len(header))]
    cells = [[_cell(*one) for one in zip(row, header, places)] for row in shown]
    rounded = any(text != short for row, made in zip(shown, cells) for text, (short, _) in zip(row, made))
    numeric = {i for made in cells for i, (_, kind) in enumerate(made) if kind == "number"}
    header = [(name, "number" if i in numeric else "") for i, name in enumerate(header)]
    return {"header": header, "rows": cells, "total": total, "rounded": rounded, "open": is_table,
            "ledger": ledger, "same": same, "kind": "many" if len(header) > PRINTED else "few"}  # fmt: skip


def _without_same(header: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]], dict[str, str]]:
    """A table without the columns that hold the same in every row, and what that is, by name; rows of unequal length keep
    all."""
    if any(len(row) != len(header) for row in rows):
        return header, rows, {}
    columns = list(zip(*rows))
    left = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    same = {name: column[0] for i, (name, column) in enumerate(zip(header, columns)) if i not in left}
    return [header[i] for i in left], [[row[i] for i in left] for row in rows], same


def _places(texts) -> int:
    """Decimals that the numbers of a column are worth on a page: fewer, the larger its largest."""
    largest = max((abs(float(text)) for text in texts if _FLOAT.fullmatch(text)), default=0)
    return 2 if largest >= 10 else 3 if largest >= 1 else 4


def _cell(text: str, column: str, places: int) -> tuple[str, str]:
    """A cell's text and class: more decimals are rounded, a hash cut, all else stands as in the CSV."""
    if column == "verdict":
        said = text.removesuffix(INTERIM)
        return text, f"verdict {said.replace(' ', '-')}" + " interim" * (said != text)
    if _FLOAT.fullmatch(text):
        if len(text.partition(".")[2]) > places or "e" in text:
            short = f"{float(text):.{places}f}"
            text = short if float(short) or not float(text) else f"{float(text):.1g}"
        return text, "number"
    if re.fullmatch(r"[0-9a-f]{32,}", text):
        return text[:16] + "…", ""
    return text, "long" if len(text) > 40 else ""


# --- by notebook --------------------------------------------------------------------------------------------


def _section(name: str, versions: dict, folder: Path, notes: list[str]) -> dict:
    """A notebook: its artefacts in the order of its YAML, then those it does not name; its sessions."""
    here = {artefact: shown for (notebook, artefact), shown in versions.items() if notebook == name}
    about, own = {"title": name, "source": "", "artefacts": {}}, []
    try:
        about = plans.config(name)
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
    """`places`: kind of evidence -> where the contents point to; plumbing only where there is nothing else."""
    anchor = _anchor(name)
    places = {version["kind"]: version["anchor"] for version in reversed(versions)} or {"none": anchor}
    state = next(kind for kind in (*KINDS, "none") if kind in places)
    places = {kind: place for kind, place in places.items() if kind != "plumbing" or kind == state}
    return {"id": name, "anchor": anchor, "caption": caption, "versions": versions, "top": _top(name),
            "places": places, "state": state}  # fmt: skip


def _top(artefact: str) -> str | None:
    return next((anchor for anchor, (_, mark, _) in TOP.items() if mark in artefact), None)


def _sessions(name: str, folder: Path, notes: list[str]) -> list[dict]:
    """What each profile's last session of the notebook did, as its outcome and its executed notebook say."""
    base = plans.executed_folder("")
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
                                plans.duration(outcome["seconds"])]  # fmt: skip
            if plans.profile_of(label) not in plans.FROM_RECORDS:
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
    except (OSError, ValueError, RecursionError) as failure:
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
