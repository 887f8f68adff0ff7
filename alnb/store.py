"""What is done: the run store, a folder of small files that are whole or absent.

    <root>/<study>/<first 24 hex of the key>/
        run.json                what was asked
        0000.json 0001.json     one finished step each: rows, queries, state, provenance, checksum
        0001.weights.pt         tensors a later step or another run starts from; the last two steps' are kept
        0000.answers.json       what a human answered to the queries of step 0
        error.json              the traceback of the last attempt, if it failed

Only the driver of a run writes, under the run's lock. Every file is written aside, synced and renamed, blobs before
the step that names them. A step counts if it verifies; a damaged file is set aside with a warning and done again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from collections.abc import Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from alnb.errors import BadRequest
from alnb.runs import Run, State, canonical, study, with_needs


def current(rows: list[dict]) -> list[dict]:
    """Rows as they are written today: what was once of kind "accuracy" is of kind "test"."""
    return [row | {"kind": "test"} if row["kind"] == "accuracy" else row for row in rows]


class Busy(Exception):
    """Another process drives this run; `owner` says which."""

    def __init__(self, owner: str):
        super().__init__(owner)
        self.owner = owner


@dataclass
class Progress:
    """The verified steps of a run, 0..n-1, and where its next step starts.

    `start` is n, or earlier where step n needs tensors that no longer verify; n is `len(steps)`.
    """

    steps: list[dict]
    error: dict | None = None

    @property
    def done(self) -> bool:
        return bool(self.steps) and self.steps[-1]["done"]

    @property
    def rows(self) -> list[dict]:
        return [row for step in self.steps for row in step["rows"]]


class Store:
    """The store under `root` (default: $ALNB_STORE, else data/store of the repository)."""

    def __init__(self, root: str | Path | None = None):
        from alnb import REPOSITORY

        self.root = Path(root or os.environ.get("ALNB_STORE") or REPOSITORY / "data" / "store")

    def folder(self, run: Run) -> Path:
        return self.root / run.study / run.key[:24]

    # --- reading

    def read(self, run: Run) -> Progress:
        """The steps of `run` that verify; damaged files are set aside, with a warning."""
        folder, steps = self.folder(run), []
        while (path := folder / f"{len(steps):04d}.json").is_file():
            step = self._verified(path, run)
            if step is None:
                break
            steps.append(step)
            if step["done"]:
                break
        return Progress(steps, self._json(folder / "error.json"))

    def _verified(self, path: Path, run: Run) -> dict | None:
        try:
            step = json.loads(path.read_bytes())
            body = step.pop("sha256")
            if body == hashlib.sha256(canonical(step)).hexdigest() and step["key"] == run.key:
                return step | {"rows": current(step["rows"])}
            reason = "its checksum does not match"
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"unreadable ({type(error).__name__})"
        except OSError as error:
            reason = error.strerror or str(error)
        self._set_aside(path, reason)
        return None

    def _set_aside(self, path: Path, reason: str) -> None:
        warnings.warn(f"{path}: {reason}; set aside, its step is done again", stacklevel=3)
        with suppress(OSError):  # it is never trusted, wherever it lies
            os.replace(path, path.with_name(path.name + ".damaged"))

    @staticmethod
    def _json(path: Path) -> dict | None:
        try:
            return json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None

    def blobs(self, run: Run, step: dict) -> dict[str, dict] | None:
        """The tensors that `step` left, loaded with `weights_only`; None if one is missing or damaged."""
        import torch

        loaded = {}
        for name, digest in step["blobs"].items():
            path = self.folder(run) / f"{step['index']:04d}.{name}.pt"
            try:
                body = path.read_bytes()
            except OSError:
                return None
            if hashlib.sha256(body).hexdigest() != digest:
                self._set_aside(path, "its checksum does not match")
                return None
            loaded[name] = torch.load(io.BytesIO(body), weights_only=True, map_location="cpu")
        return loaded

    def final(self, run: Run) -> State | None:
        """The final state of a finished run, for the runs that need it; None if it is not done or does not verify."""
        progress = self.read(run)
        if not progress.done:
            return None
        last = progress.steps[-1]
        blobs = self.blobs(run, last)
        if blobs is None:
            return None
        return State(last["index"], last["state"], last["queries"], self.answers(run, last), blobs, progress.rows)

    def resume(self, run: Run, *, again: bool = False) -> State:
        """Where the next step starts: after the last step whose tensors verify. `again`: the last step is done again
        though it verifies (its tensors, which another run needs, do not)."""
        progress = self.read(run)
        usable = progress.steps[:-1] if again else progress.steps
        for last in reversed(usable):
            blobs = self.blobs(run, last)
            if blobs is not None:
                rows = [row for step in progress.steps[: last["index"] + 1] for row in step["rows"]]
                answers = self.answers(run, last)
                return State(last["index"] + 1, last["state"], last["queries"], answers, blobs, rows)
        return State()

    def answers(self, run: Run, step: dict) -> list | None:
        """What a human answered to the queries of `step`; None if nothing was, or the file does not fit them."""
        path = self.folder(run) / f"{step['index']:04d}.answers.json"
        answers = (self._json(path) or {}).get("answers")
        if answers is not None and len(answers) != len(step["queries"]):
            self._set_aside(path, "it does not answer the queries of its step")
            return None
        return answers

    # --- writing, by the driver, under the lock

    @contextmanager
    def lock(self, run: Run):
        """Hold the run; raises Busy, which names the owner, if another process does. Freed when the process dies."""
        lock = self.acquire(run)
        try:
            yield
        finally:
            lock.release()

    def acquire(self, run: Run):
        from filelock import FileLock, Timeout

        folder = self.folder(run)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise BadRequest(f"{folder} cannot be made: {error.filename} is a file; move it away") from None
        lock = FileLock(folder / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            owner = self._json(folder / "owner.json") or {}
            raise Busy(f"PID {owner.get('pid', 'unknown')}") from None
        for leftover in folder.glob("*.tmp"):  # of a writer that was killed
            leftover.unlink(missing_ok=True)
        self._write(folder / "owner.json", json.dumps({"pid": os.getpid()}).encode())
        if not (folder / "run.json").exists():
            self._write(folder / "run.json", json.dumps(run.description, indent=1).encode())
        return lock

    def write(self, run: Run, index: int, result: dict) -> dict:
        """Add step `index`: `result` holds rows, queries, state, done, blobs (name -> bytes) and provenance.

        Raises OSError (disk full, file too large): then no part of the step is visible and the steps before it stand.
        """
        folder = self.folder(run)
        digests = {}
        for name, body in result["blobs"].items():
            self._write(folder / f"{index:04d}.{name}.pt", body)
            digests[name] = hashlib.sha256(body).hexdigest()
        step = {"key": run.key, "index": index, "blobs": digests}
        step |= {name: result[name] for name in ("rows", "queries", "state", "done", "provenance")}
        step["sha256"] = hashlib.sha256(canonical(step)).hexdigest()
        self._write(folder / f"{index:04d}.json", json.dumps(step).encode())
        (folder / "error.json").unlink(missing_ok=True)
        for old in folder.glob("*.pt"):
            if int(old.name[:4]) < index - 1:
                old.unlink(missing_ok=True)
        return step

    def write_answers(self, run: Run, index: int, answers: list) -> None:
        self._write(self.folder(run) / f"{index:04d}.answers.json", json.dumps({"answers": answers}).encode())

    def write_error(self, run: Run, error: dict) -> None:
        self._write(self.folder(run) / "error.json", json.dumps(error, indent=1).encode())

    @staticmethod
    def _write(path: Path, body: bytes) -> None:
        aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            with open(aside, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename itself survives a power cut
        finally:
            os.close(folder)

    # --- the tidy frame

    def frame(self, runs: Iterable[Run]):
        """One tidy frame of the rows of `runs` that are in the store: a row of results per line, the run's columns
        beside it; `kind == "timing"` rows hold the seconds of each step."""
        return frame((run, self.read(run).steps) for run in runs)


def frame(pairs):
    """(run, steps) pairs -> one tidy pandas frame; `world` is True where a stand-in had a part in it."""
    import pandas

    rows = []
    for run, steps in pairs:
        about = {"study": run.study, "dataset": run.dataset, "world": is_world(run), "race": run.race}
        about |= {"method": run.arm or run.method.split("@")[0], "seed": run.seed, "key": run.key}
        about |= {"network": study(run.study).network(run)}
        for step in steps:
            rows += [about | {"step": step["index"]} | row for row in step["rows"]]
            timings = step["provenance"].get("timings", {})
            rows += [about | {"step": step["index"], "kind": "timing", **timings}] if timings else []
    columns = ["study", "dataset", "world", "race", "method", "seed", "key", "network", "step", "kind"]
    return pandas.DataFrame(rows) if rows else pandas.DataFrame(columns=columns)


def is_world(run: Run) -> bool:
    """Whether `run`, or a run that it starts from, is on a stand-in: a stand-in source model makes a stand-in result."""
    from alnb import datasets

    for one in with_needs([run]):
        try:
            if not datasets.info(one.dataset).real:
                return True
        except BadRequest:  # a study with data of its own
            if not study(one.study).synthetic:
                return True
    return False
