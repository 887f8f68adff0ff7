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
import lzma
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from alnb.errors import BadRequest
from alnb.runs import Run, State, canonical
from alnb.runs import study as study_of
from alnb.store import Store, current

SHORT = 16  # hex digits of the key that name a run in the file
MEASURED = ("cpu", "torch", "python", "numpy", "device", "threads")
TIMINGS = ("seconds", "choosing", "watching", "detecting")  # sums over the steps
LARGEST = 1 << 20  # bytes of weights kept for one run


def folder() -> Path:
    from alnb import REPOSITORY

    return REPOSITORY / "data" / "records"


def steps(run: Run, where: Path | None = None) -> list[dict] | None:
    """The steps of `run` as the store would give them (index, rows, provenance), None if there is no record of it."""
    return load(run.study, where).get(run.key[:SHORT])


_loaded: dict[Path, tuple[int, dict]] = {}


def load(study: str, where: Path | None = None) -> dict[str, list[dict]]:
    """Short key -> steps of every record of a study; a record whose checksum fails is left out, with a warning."""
    path = (where or folder()) / f"{study}.csv"
    if not path.is_file():
        return {}
    changed = path.stat().st_mtime_ns
    if _loaded.get(path, (None,))[0] != changed:
        _loaded[path] = changed, _parse(path)
    return _loaded[path][1]


def _parse(path: Path) -> dict[str, list[dict]]:
    abouts, rows = {}, {}
    with open(path, newline="") as file:
        for line in csv.DictReader(file):
            row = {name: json.loads(value) for name, value in line.items() if name and value}
            key = row.pop("key")
            if row["kind"] == "run":
                abouts[key] = row
            else:
                rows.setdefault(key, []).append(row)
    found = {}
    for key, about in abouts.items():
        if _digest(rows.get(key, [])) != about["sha256"]:
            warnings.warn(f"{path.name}: the rows of {key[:8]} do not match their checksum; left out", stacklevel=3)
            continue
        if _key(path.stem, about) != key:
            warnings.warn(f"{path.name}: {key[:8]} is not the key of what it says; left out", stacklevel=3)
            continue
        provenance = {name: about.get(name) for name in MEASURED}
        provenance["timings"] = {name: about[name] for name in TIMINGS if name in about}
        rows[key] = current(rows[key])
        indices = sorted({row["step"] for row in rows[key]})
        found[key] = [
            {"index": i, "rows": [_without_step(r) for r in rows[key] if r["step"] == i],
             "provenance": provenance if i == indices[-1] else {}, "about": about}
            for i in indices
        ]  # fmt: skip
    return found


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


def _rows(steps: list[dict]) -> list[dict]:
    return [
        {"step": step["index"]} | {name: value for name, value in row.items() if value is not None}
        for step in steps
        for row in step["rows"]
    ]


def export(runs: Iterable[Run], store: Store, where: Path | None = None, weights: bool = False) -> int:
    """Add every finished run to its study's records, replacing the same keys. Returns how many were added or changed.

    A run that chose samples also leaves its selection: what it labelled, in order, in <study>.selections.json.xz.
    weights: also keep what the last step of a run left for others to start from, where it is no more than LARGEST.
    """
    where, changed = where or folder(), 0
    by_study: dict[str, list[Run]] = {}
    for run in runs:
        by_study.setdefault(run.study, []).append(run)
    for study, members in by_study.items():
        path = where / f"{study}.csv"
        lines = _lines(path)
        chosen = selections(where, study)
        for run in members:
            progress = store.read(run)
            if not progress.done:
                continue
            rows = _rows(progress.steps)
            last = progress.steps[-1]["provenance"]
            about = {"kind": "run", "sha256": _digest(rows)}
            about |= {name: run.description[name] for name in ("revision", "dataset", "method", "seed")}
            about |= {"settings": run.description["settings"], "needs": run.description["needs"]}
            about |= {name: last.get(name) for name in MEASURED}
            for name in TIMINGS:
                seconds = [step["provenance"]["timings"].get(name) for step in progress.steps]
                if known := [s for s in seconds if s is not None]:
                    about[name] = round(sum(known), 2)
            key = run.key[:SHORT]
            old = lines.get(key, [{}])
            same = old[0].get("sha256") == about["sha256"] or current(old[1:]) == rows
            hashes = _keep_weights(run, progress.steps[-1], store, where) if weights else {}
            if same and hashes and hashes != old[0].get("weights"):
                changed += 1
                lines[key] = [old[0] | {"weights": hashes}, *old[1:]]
            elif not same:
                changed += 1
                lines[key] = [about | ({"weights": hashes} if hashes else {}), *rows]
                if selection := _selection(run, progress.steps):
                    chosen[key] = selection
        if lines:
            _write(path, lines)
            if kept := {key: chosen[key] for key in lines if key in chosen}:
                _write_selections(where, study, kept)
    return changed


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


def _lines(path: Path) -> dict[str, list[dict]]:
    """key -> its lines, the run's own first, as they stand in the file."""
    lines: dict[str, list[dict]] = {}
    if path.is_file():
        with open(path, newline="") as file:
            for line in csv.DictReader(file):
                row = {name: json.loads(value) for name, value in line.items() if name and value}
                lines.setdefault(row.pop("key"), []).append(row)
    return lines


def _write(path: Path, lines: dict[str, list[dict]]) -> None:
    names = ["key"]
    for rows in lines.values():
        for row in rows:
            names += [name for name in row if name not in names]
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp")
    with open(aside, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(names)
        ordered = sorted(lines, key=lambda k: (lines[k][0]["dataset"], lines[k][0]["seed"], lines[k][0]["method"], k))
        for key in ordered:
            for row in lines[key]:
                row = {"key": key} | row
                out.writerow(["" if row.get(n) is None else json.dumps(row[n], sort_keys=True) for n in names])
    aside.replace(path)


def _selection(run: Run, steps: list[dict]) -> dict | None:
    """What `run` asked for: dataset, method, seed, the pool's size, `labelled` in order, and how many in each batch, the
    first labels (0 where there are none) before the queries. None for a run that asks nothing."""
    queries = [step["queries"] for step in steps if step["queries"]]
    if not queries:
        return None
    asked = [sample for batch in queries for sample in batch]
    labelled = steps[-1]["state"].get("labelled", asked)
    about = {"dataset": run.dataset, "method": run.arm or run.method, "seed": run.seed}
    about |= {"pool": getattr(run.options, "pool", 0), "labelled": labelled}
    return about | {"batches": [*_before(run, len(labelled) - len(asked)), *map(len, queries)]}


def _before(run: Run, known: int) -> list[int]:
    """The batches of the `known` labels that a run begins with: its first labels, or those of the run it goes on from."""
    before = run.needs.get("before")
    if before is None:
        return [known]
    asked = [before.options.budget] * (before.steps - 1)
    return [*_before(before, known - sum(asked)), *asked]


def selections(where: Path, study: str) -> dict[str, dict]:
    """Short key -> selection of the runs of a study: see `read_selections`."""
    path = where / f"{study}.selections.json.xz"
    return read_selections(path) if path.is_file() else {}


def read_selections(path: Path) -> dict[str, dict]:
    """Short key -> {dataset, method, seed, pool, labelled, batches} of a file of selections, JSON or JSON.xz.

    `labelled` are positions in the training set in the order they were asked for, `batches` how many at a time, the
    initial pool first. BadRequest for a file that is none.
    """
    path = Path(path)
    try:
        body = path.read_bytes()
        content = json.loads(lzma.decompress(body) if path.suffix == ".xz" else body)
        wanted = {"dataset": str, "method": str, "seed": int, "pool": int, "labelled": list, "batches": list}
        for one in content.values():
            if not all(isinstance(one[name], kind) for name, kind in wanted.items()):
                raise ValueError("wrong types")
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, lzma.LZMAError) as error:
        raise BadRequest(f"{path} is not a file of selections ({type(error).__name__}: {error})") from None
    return content


def _write_selections(where: Path, study: str, selections: dict) -> None:
    body = json.dumps(selections, sort_keys=True, separators=(",", ":")).encode()
    path = where / f"{study}.selections.json.xz"
    aside = path.with_suffix(".tmp")
    aside.write_bytes(lzma.compress(body))
    aside.replace(path)


def import_file(source: Path, where: Path | None = None) -> int:
    """Add the records of another file <study>.csv to ours, every checksum verified first; returns how many are new.

    BadRequest if the file is no record or one of its runs fails its checksum: then nothing is taken.
    """
    source, where = Path(source), where or folder()
    if not source.is_file():
        raise BadRequest(f"{source} is not a file of records")
    try:
        theirs, verified = _lines(source), _parse_strictly(source)
    except (ValueError, KeyError) as error:
        raise BadRequest(f"{source} is not a file of records ({type(error).__name__}: {error})") from None
    if bad := sorted(set(theirs) - set(verified)):
        raise BadRequest(f"{source}: the rows of {', '.join(key[:8] for key in bad)} do not match their checksum")
    ours = _lines(where / source.name)
    new = [key for key in theirs if key not in ours]
    if new:
        _write(where / source.name, ours | {key: theirs[key] for key in new})
        merged = selections(source.parent, source.stem) | selections(where, source.stem)
        _write_selections(where, source.stem, merged)
    return len(new)


def _parse_strictly(path: Path) -> dict:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _parse(path)


def compare(run: Run, store: Store, where: Path | None = None) -> str | None:
    """ "equal", "within a point" or what differs, for a run that is both in the store and in the records; else None.

    Exact where CPU type, torch and numpy are those of the record, else within a point (of a metric in percent; of any
    other, within a hundredth of the largest value).
    """
    record, progress = steps(run, where), store.read(run)
    if record is None or not progress.done:
        return None
    theirs, ours = _rows(record), _rows(progress.steps)
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
