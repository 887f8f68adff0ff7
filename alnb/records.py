"""Runs worth keeping, in git: data/records/<study>.csv, their selections apart and compressed.

One line of kind "run" says what was asked (its settings as JSON), with what it was computed, and the checksum of its
rows; the run's rows follow. A record is used only if its checksum holds and its key is the one asked for. What another
run starts from (a sorter, a small encoder) may lie beside it, in data/weights/<first 16 hex of the key>/, up to 1 MB a
run, with its hashes in the record: then it is not computed again.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import warnings
from collections.abc import Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from alnb import selections
from alnb.errors import BadRequest
from alnb.runs import Run, State, canonical
from alnb.runs import study as study_of
from alnb.store import Store, current

SHORT = 16  # hex digits of the key that name a run in the file
MEASURED = ("cpu", "torch", "python", "numpy", "device", "threads")
TIMINGS = ("seconds", "choosing", "watching", "detecting")  # sums over the steps
LARGEST = 1 << 20  # bytes of weights kept for one run
CELL = 1 << 24  # characters of the longest cell that is read


def folder() -> Path:
    from alnb import REPOSITORY

    return REPOSITORY / "data" / "records"


def steps(run: Run, where: Path | None = None) -> list[dict] | None:
    """The steps of `run` as the store would give them (index, rows, provenance), None if there is no record of it."""
    return load(run.study, where).get(run.key[:SHORT])


_loaded: dict[Path, tuple[tuple, dict]] = {}


def load(study: str, where: Path | None = None) -> dict[str, list[dict]]:
    """Short key -> steps of every record of a study; a record that does not verify is left out, with a warning. A file that
    cannot be read at all holds none."""
    path = (where or folder()) / f"{study}.csv"
    if not path.is_file():
        return {}
    about = path.stat()
    seen = about.st_mtime_ns, about.st_size, about.st_ino
    if _loaded.get(path, (None,))[0] != seen:
        _loaded[path] = seen, _parse(path)
    return _loaded[path][1]


def _parse(path: Path) -> dict[str, list[dict]]:
    try:
        lines, amiss = _lines(path)
    except BadRequest as error:
        warnings.warn(f"{error}; none of its records is used", stacklevel=3)
        return {}
    for what in amiss:
        warnings.warn(f"{path.name}: {what}; left out", stacklevel=3)
    found = {}
    for key, rows in lines.items():
        try:
            found[key] = _verified(path.stem, key, rows)
        except BadRequest as error:
            warnings.warn(f"{path.name}: {error}; left out", stacklevel=3)
    return found


def _verified(study: str, key: str, lines: list[dict]) -> list[dict]:
    """The steps of a record from its lines; BadRequest unless checksum and key are those of what it says."""
    try:
        (about,) = (line for line in lines if line["kind"] == "run")
        rows = [line for line in lines if line is not about]
        if _digest(rows) != about["sha256"]:
            raise BadRequest(f"the rows of {key[:8]} do not match their checksum")
        if _key(study, about) != key:
            raise BadRequest(f"{key[:8]} is not the key of what it says")
        provenance = {name: about.get(name) for name in MEASURED}
        provenance["timings"] = {name: about[name] for name in TIMINGS if name in about}
        rows = current(rows)
        indices = sorted({row["step"] for row in rows})
        return [
            {"index": i, "rows": [_without_step(r) for r in rows if r["step"] == i],
             "provenance": provenance if i == indices[-1] else {}, "about": about}
            for i in indices
        ]  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, BadRequest):
            raise
        raise BadRequest(f"{key[:8]} is no record ({type(error).__name__}: {error})") from None


def _key(study: str, about: dict) -> str:
    """The key that a record's own description hashes to: swapped or forged, it is another."""
    asked = {name: about.get(name) for name in ("revision", "dataset", "method", "seed", "settings", "needs")}
    asked |= {name: json.loads(asked[name]) for name in ("settings", "needs") if isinstance(asked[name], str)}
    with suppress(ImportError):  # a file is called as its study is asked for, which may be by a module's path
        study = study_of(study).name
    return hashlib.sha256(canonical({"study": study, **asked})).hexdigest()[:SHORT]


def _without_step(row: dict) -> dict:
    return {name: value for name, value in row.items() if name != "step"}


def _digest(rows: list[dict]) -> str:
    """Of the rows as they come back from the file: a None and an absent value are the same there."""
    return hashlib.sha256(canonical(rows)).hexdigest()


def _rows(run: Run, steps: list[dict]) -> list[dict]:
    """What is kept of the rows of a run's steps, or of its record: its study may have one row tell of many."""
    return [
        {"step": step["index"]} | {name: value for name, value in row.items() if value is not None}
        for step in steps
        for row in study_of(run.study).kept(run, step["rows"])
    ]


@dataclass
class Exported:
    """What `export` did: records added (or mended), replaced, found equal, and found to differ and left as they are."""

    added: int = 0
    replaced: int = 0
    equal: int = 0
    differing: int = 0

    def __str__(self) -> str:
        differ = f"{self.differing} differ from what is kept (--replace takes this machine's)"
        return f"{self.added} added, {self.replaced} replaced, {self.equal} equal" + f", {differ}" * bool(self.differing)


def export(runs: Iterable[Run], store: Store, where: Path | None = None, weights: bool = False,
           replace: bool = False) -> Exported:  # fmt: skip
    """Add every finished run to its study's records, and mend what is damaged there. A record with other results is left
    as it is, unless `replace`. One process at a time.

    A run that chose samples also leaves its selection: what it labelled, in order, in <study>.selections.json.xz, unless its
    study keeps none.
    weights: also keep what the last step of a run left for others to start from, where it is no more than LARGEST.
    BadRequest, and nothing written, for a file with lines that cannot be read.
    """
    where, told = where or folder(), Exported()
    by_study: dict[str, list[Run]] = {}
    for run in runs:
        by_study.setdefault(run.study, []).append(run)
    for study, members in by_study.items():
        with _locked(where):
            _export(study, members, store, where, weights, replace, told)
    return told


def _export(study: str, members: list[Run], store: Store, where: Path, weights: bool, replace: bool, told: Exported) -> None:
    path = where / f"{study}.csv"
    lines, whole = _whole_lines(path), load(study, where)
    chosen = selections.of_study(where, study)
    for run in {run.key: run for run in members}.values():
        progress = store.read(run)
        if not progress.done:
            continue
        key, rows = run.key[:SHORT], _rows(run, progress.steps)
        known = lines[key] if key in whole else None
        hashes = _keep_weights(run, progress.steps[-1], store, where) if weights else {}
        if known and (known[0].get("sha256") == _digest(rows) or current(known[1:]) == rows):
            if hashes and hashes != known[0].get("weights"):
                told.added += 1
                lines[key] = [known[0] | {"weights": hashes}, *known[1:]]
            else:
                told.equal += 1
        elif known and not replace:
            told.differing += 1
        else:
            told.replaced += bool(known)
            told.added += not known
            lines[key] = [_about(run, progress.steps, rows) | ({"weights": hashes} if hashes else {}), *rows]
            if study_of(study).selections and (selection := selections.of_run(run, progress.steps)):
                chosen[key] = selection
    if lines:
        _write(path, lines)
        if kept := {key: chosen[key] for key in lines if key in chosen}:
            selections.write(selections.path_of(where, study), kept)


def _about(run: Run, steps: list[dict], rows: list[dict]) -> dict:
    """The line of kind "run": what was asked, with what it was computed, the checksum of its rows."""
    about = {"kind": "run", "sha256": _digest(rows)}
    about |= {name: run.description[name] for name in ("revision", "dataset", "method", "seed", "settings", "needs")}
    about |= {name: steps[-1]["provenance"].get(name) for name in MEASURED}
    for name in TIMINGS:
        seconds = [step["provenance"]["timings"].get(name) for step in steps]
        if known := [s for s in seconds if s is not None]:
            about[name] = round(sum(known), 2)
    return about


@contextmanager
def _locked(where: Path):
    """One process at a time writes records."""
    from filelock import FileLock

    where.mkdir(parents=True, exist_ok=True)
    with FileLock(where / ".lock"):
        yield


def _keep_weights(run: Run, last: dict, store: Store, where: Path) -> dict[str, str]:
    """Copy the tensors and the state that `last`, the last step of a run, left; file name -> SHA-256, {} if too large."""
    source, target = store.folder(run), where.parent / "weights" / run.key[:SHORT]
    bodies = {f"{name}.pt": (source / f"{last['index']:04d}.{name}.pt").read_bytes() for name in last["blobs"]}
    if not bodies or sum(map(len, bodies.values())) > LARGEST:
        return {}
    bodies["state.json"] = canonical({name: last[name] for name in ("index", "state")})
    target.mkdir(parents=True, exist_ok=True)
    for name, body in bodies.items():
        (target / name).write_bytes(body)
    return {name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()}


def starts_from(run: Run, where: Path | None = None) -> bool:
    """Whether what `run` left for others to start from is kept beside its record."""
    record = steps(run, where)
    hashes = record[0]["about"].get("weights", {}) if record else {}
    folder_ = (where or folder()).parent / "weights" / run.key[:SHORT]
    return bool(hashes) and all((folder_ / name).is_file() for name in hashes)


def final(run: Run, where: Path | None = None) -> State | None:
    """The final state of a recorded run whose weights are kept, as `Store.final` gives it; None if a file is missing or is
    not what its hash says, with a warning."""
    import io

    import torch

    if not starts_from(run, where):
        return None
    record, folder_ = steps(run, where), (where or folder()).parent / "weights" / run.key[:SHORT]
    bodies = {}
    for name, digest in record[0]["about"]["weights"].items():
        bodies[name] = (folder_ / name).read_bytes()
        if hashlib.sha256(bodies[name]).hexdigest() != digest:
            warnings.warn(f"{folder_ / name} is not what the record says; its run is computed again", stacklevel=2)
            return None
    about = json.loads(bodies.pop("state.json"))
    blobs = {
        name.removesuffix(".pt"): torch.load(io.BytesIO(body), weights_only=True, map_location="cpu")
        for name, body in bodies.items()
    }
    rows = [row for step in record for row in step["rows"]]
    return State(about["index"], about["state"], blobs=blobs, rows=rows)


def _lines(path: Path) -> tuple[dict[str, list[dict]], list[str]]:
    """key -> its lines, the run's own first, as they stand in the file; and what of the file cannot be read, in words.
    BadRequest for a file that is none of records."""
    lines: dict[str, list[dict]] = {}
    amiss = []
    csv.field_size_limit(CELL)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if absent := {"key", "kind", "step", "sha256"} - set(reader.fieldnames or ()):
                raise BadRequest(f"{path} is not a file of records: it has no column {', '.join(sorted(absent))}")
            for cells in reader:
                try:
                    row = {name: json.loads(cell, parse_constant=_refuse) for name, cell in cells.items() if name and cell}
                    key, _ = row.pop("key"), row["kind"]
                    if None in cells or not isinstance(key, str):
                        raise ValueError("it has more cells than there are columns" if None in cells else "its key")
                except (ValueError, KeyError, RecursionError) as error:
                    amiss.append(f"line {reader.line_num} cannot be read ({type(error).__name__}: {str(error)[:60]})")
                    continue
                lines.setdefault(key, []).append(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadRequest(f"{path} is not a file of records ({type(error).__name__}: {error})") from None
    for rows in lines.values():
        rows.sort(key=lambda row: row["kind"] != "run")
    return lines, amiss


def _place(about: dict, key: str) -> tuple:
    """Where a record stands in its file: by dataset, seed, method."""
    seed = about.get("seed")
    return str(about.get("dataset")), seed if isinstance(seed, int) else -1, str(about.get("method")), key


def _refuse(constant: str):
    raise ValueError(f"{constant} is no number")


def _whole_lines(path: Path) -> dict[str, list[dict]]:
    """`_lines` of a file that is about to be written anew: BadRequest if a line of it cannot be read, and would be lost."""
    lines, amiss = _lines(path) if path.exists() else ({}, [])
    if amiss:
        raise BadRequest(f"{path}: {'; '.join(amiss[:3])}: mend these lines or take them out first")
    return lines


def _write(path: Path, lines: dict[str, list[dict]]) -> None:
    names = ["key"]
    for rows in lines.values():
        for row in rows:
            names += [name for name in row if name not in names]
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(aside, "w", newline="", encoding="utf-8") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(names)
            for key in sorted(lines, key=lambda key: _place(lines[key][0], key)):
                for row in lines[key]:
                    row = {"key": key} | row
                    out.writerow(["" if row.get(n) is None else json.dumps(row[n], sort_keys=True) for n in names])
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def import_file(source: Path, where: Path | None = None) -> int:
    """`import_files` of one."""
    return import_files([source], where)[0]


def import_files(sources: Iterable[Path], where: Path | None = None) -> list[int]:
    """Add the records of other files <study>.csv to ours, and the selections beside them; returns how many of each are new.

    All or nothing: BadRequest, and nothing is taken of any, if one is no file of records of a study that is known here, if a run
    in it does not verify, or if its selections cannot be. What fails while it is written (a full disk) leaves ours as they were.
    """
    sources, where = [Path(source) for source in sources], where or folder()
    checked = [_importable(source) for source in sources]
    with _locked(where):
        ours = {path for source in sources for path in (where / source.name, selections.path_of(where, source.stem))}
        before = {path: path.read_bytes() if path.exists() else None for path in ours}
        try:
            return [_import(source, *theirs, where) for source, theirs in zip(sources, checked)]
        except BaseException:
            for path, body in before.items():
                path.unlink(missing_ok=True) if body is None else path.write_bytes(body)
            raise


def _importable(source: Path) -> tuple[dict, dict]:
    """The lines of a file of records and the selections beside it, by key; BadRequest for what `import_files` refuses."""
    if not source.is_file():
        raise BadRequest(f"{source} is not a file of records")
    try:
        study_of(source.stem)
    except (ImportError, ValueError, AttributeError, TypeError):
        raise BadRequest(f"{source}: no study is called {source.stem}; a file of records is called as its study") from None
    theirs, amiss = _lines(source)
    if amiss:
        raise BadRequest(f"{source}: {'; '.join(amiss[:3])}")
    for key, lines in theirs.items():
        try:
            _verified(source.stem, key, lines)
        except BadRequest as error:
            raise BadRequest(f"{source}: {error}") from None
    asked = selections.of_study(source.parent, source.stem)
    for key in asked.keys() & theirs.keys():
        if wrong := _another(theirs[key], asked[key]):
            raise BadRequest(f"{source}: the selection of {key} is not that of its record: {wrong}")
    return theirs, asked


def _import(source: Path, theirs: dict, asked: dict, where: Path) -> int:
    ours, chosen = _whole_lines(where / source.name), selections.of_study(where, source.stem)
    new = [key for key in theirs if key not in ours]
    if more := {key: asked[key] for key in new if key in asked}:
        selections.write(selections.path_of(where, source.stem), chosen | more)
    if new:
        _write(where / source.name, ours | {key: theirs[key] for key in new})
    return len(new)


def _another(lines: list[dict], selection: dict) -> str:
    """Why a selection is not that of the record with these lines; empty if it can be."""
    from alnb import datasets

    about = next(line for line in lines if line["kind"] == "run")
    for name in ("dataset", "seed"):
        if selection[name] != about[name]:
            return f"{name} {selection[name]!r}, not {about[name]!r}"
    with suppress(BadRequest):  # a study with data of its own
        most, places = datasets.info(about["dataset"]).train, selection["labelled"]
        last = max((max(one) if isinstance(one, list) else one for one in places), default=0)
        return f"position {last} of {most:,}" if most and last >= most else ""
    return ""


def compare(run: Run, store: Store, where: Path | None = None) -> str | None:
    """ "equal", "within a point" or what differs, for a run that is both in the store and in the records; else None.

    Exact where CPU type, torch and numpy are those of the record, else within a point (of a metric in percent; of any
    other, within a hundredth of the largest value).
    """
    record, progress = steps(run, where), store.read(run)
    if record is None or not progress.done:
        return None
    theirs, ours = _rows(run, record), _rows(run, progress.steps)
    if theirs == ours:
        return "equal"
    about, here = record[0]["about"], progress.steps[-1]["provenance"]
    same = all(about.get(name) == here.get(name) for name in ("cpu", "torch", "numpy", "device"))
    tests = [[row for row in rows if row["kind"] == "test"] for rows in (theirs, ours)]
    places = [[(row.get("cycle"), row.get("model")) for row in rows] for rows in tests]
    if places[0] != places[1]:
        return "differs: other evaluations"
    pairs = list(zip(*tests))
    said, near = [], not same
    for metric in study_of(run.study).metrics(run.dataset):
        values = [(a[metric.name], b[metric.name]) for a, b in pairs if metric.name in a and metric.name in b]
        if values:
            apart, percent = max(abs(a - b) for a, b in values), metric.unit == "%"
            near &= apart <= (1 if percent else max(abs(a) for a, _ in values) / 100)
            said.append(f"{metric.name} by up to {apart:.2f} {'points' if percent else metric.unit}".rstrip())
    if said and near:
        return "within a point"
    return "differs" + f": {'; '.join(said)}" * bool(said)
