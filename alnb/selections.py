"""What runs asked to have labelled, in order: data/records/<study>.selections.json.xz, beside their records.

Short key -> {dataset, method, seed, pool, labelled, batches}: `labelled` are positions in the training set in the order they
were asked for, `batches` how many at a time, the first labels before the queries.
"""

from __future__ import annotations

import json
import lzma
import os
from pathlib import Path

from alnb.errors import BadRequest
from alnb.runs import Run

LARGEST = 1 << 28  # bytes that a file of selections may come to when it is inflated
FIELDS = {"dataset": str, "method": str, "seed": int, "pool": int, "labelled": list, "batches": list}


def path_of(where: Path, study: str) -> Path:
    return where / f"{study}.selections.json.xz"


def of_study(where: Path, study: str) -> dict[str, dict]:
    """Short key -> selection of the runs of a study; {} where none is kept."""
    path = path_of(where, study)
    return read(path) if path.exists() else {}


def read(path: Path) -> dict[str, dict]:
    """What a file of selections holds, JSON or JSON.xz. BadRequest for a file that is none, or whose indices cannot be."""
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():  # a pipe would be waited for
        raise BadRequest(f"{path} is not a file")
    try:
        body = path.read_bytes()
        if path.suffix == ".xz":
            inflated = lzma.LZMADecompressor()
            body = inflated.decompress(body, LARGEST + 1)
            if not inflated.eof:
                large = len(body) > LARGEST
                raise ValueError(f"it inflates to more than {LARGEST >> 20} MiB" if large else "it ends too early: was it cut?")
        content = json.loads(body)
        for key, one in content.items():
            if wrong := _wrong(one):
                raise ValueError(f"{key[:8]}: {wrong}")
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror or error}") from None
    except (ValueError, AttributeError, EOFError, RecursionError, lzma.LZMAError) as error:
        raise BadRequest(f"{path} is not a file of selections ({type(error).__name__}: {error})") from None
    return content


def _wrong(one) -> str:
    """Why `one` can be no selection; empty if it can."""
    if not isinstance(one, dict):
        return f"it is a {type(one).__name__}"
    if bad := [name for name, kind in FIELDS.items() if not _is(one.get(name), kind)]:
        return f"{bad[0]} is {str(one.get(bad[0]))[:40]!r}"
    labelled, batches = one["labelled"], one["batches"]
    if not all(map(_place, labelled)) or len(set(map(str, labelled))) != len(labelled):
        return "labelled should be different positions from 0, or groups of such"
    if not all(_is(size, int) and size >= 0 for size in batches) or sum(batches) != len(labelled):
        return f"batches should come to the {len(labelled)} labelled"
    return ""


def _place(value) -> bool:
    """A position, or what a task asks about as a whole: a pair."""
    many = value if isinstance(value, list) and value else [value]
    return all(_is(one, int) and one >= 0 for one in many)


def _is(value, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def write(path: Path, selections: dict[str, dict]) -> None:
    body = json.dumps(selections, sort_keys=True, separators=(",", ":")).encode()
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        aside.write_bytes(lzma.compress(body))
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def of_run(run: Run, steps: list[dict]) -> dict | None:
    """What `run` asked for in its `steps`. None for a run that asks nothing."""
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
