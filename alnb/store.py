"""What is done: the run store, a folder of small files that are whole or absent.

    <root>/<study>/<first 24 hex of the key>/
        run.json                what was asked
        0000.json 0001.json     one finished step each: rows, queries, what it adds to the state, the digest of the step
                                before it, provenance, checksum
        0001.weights.pt         tensors a later step or another run starts from; the last two steps' are kept
        0000.answers.json       what was answered to the queries of step 0
        0001.asked.jsonl        what a person is asked in step 1, question by question (alnb/conversation.py)
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
from dataclasses import dataclass, field
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
    """The verified steps of a run, 0..n-1, as they are stored; their rows, and the whole state after the last of them."""

    steps: list[dict] = field(default_factory=list)
    error: dict | None = None
    state: dict = field(default_factory=dict)
    rows: list[dict] = field(default_factory=list)

    def add(self, step: dict) -> None:
        self.steps.append(step)
        self.rows += step["rows"]
        self.state = _whole(self.state, step)

    def until(self, n: int) -> Progress:
        """The first n of them."""
        part = Progress()
        for step in self.steps[:n]:
            part.add(step)
        return part

    @property
    def done(self) -> bool:
        return bool(self.steps) and self.steps[-1]["done"]


def _whole(before: dict, step: dict) -> dict:
    """The state after `step`, which holds what it adds to the lists of the state `before` it; those lists are extended."""
    state = {name: list(value) if isinstance(value, list) else value for name, value in step["state"].items()}
    for name, more in step.get("adds", {}).items():
        state[name] = before[name]
        state[name].extend(more)
    return state


def _added(before: dict, state: dict) -> tuple[dict, dict]:
    """`state` as it is stored: what does not go on from the list of that name `before`, and what the others add to theirs."""
    kept, adds = {}, {}
    for name, value in state.items():
        known = before.get(name)
        if isinstance(value, list) and known:
            if value[: len(known)] != known:  # as a tuple is not the list it is stored as
                value = json.loads(canonical(value))
            if value[: len(known)] == known:
                adds[name] = json.loads(canonical(value[len(known) :]))
                continue
        kept[name] = json.loads(canonical(value))
    return kept, adds


RESULT = ("key", "index", "before", "rows", "queries", "state", "adds", "done", "blobs")


ASKED = ("query", "answer", "seconds", "at")


def _digest(step: dict) -> str:
    """SHA-256 of what a step found, whoever computed it and when."""
    return hashlib.sha256(canonical({name: step[name] for name in RESULT if name in step})).hexdigest()


class Store:
    """The store under `root` (default: $ALNB_STORE, else data/store of the repository)."""

    def __init__(self, root: str | Path | None = None):
        from alnb import REPOSITORY

        self.root = Path(root or os.environ.get("ALNB_STORE") or REPOSITORY / "data" / "store")

    def folder(self, run: Run) -> Path:
        return self.root / run.study / run.key[:24]

    # --- reading

    def read(self, run: Run) -> Progress:
        """The steps of `run` that verify, the last with its whole state; damaged files, and what follows none that is
        here, are set aside, with a warning."""
        if not self.folder(run).is_dir():  # most of a grid that has just been planned
            return Progress()
        progress = self._read_on(run, Progress())
        if progress.steps:
            progress.steps[-1] = progress.steps[-1] | {"state": _whole({}, {"state": progress.state})}
        progress.error = self._json(self.folder(run) / "error.json")
        return progress

    def _read_on(self, run: Run, progress: Progress) -> Progress:
        """`progress` and the steps that follow it."""
        folder = self.folder(run)
        while not progress.done and (path := folder / f"{len(progress.steps):04d}.json").is_file():
            step = self._verified(path, run, progress)
            if step is None:
                break
            progress.add(step)
        return progress

    def _verified(self, path: Path, run: Run, progress: Progress) -> dict | None:
        n = len(progress.steps)
        try:
            step = json.loads(path.read_bytes())
            body = step.pop("sha256")
            if body != hashlib.sha256(canonical(step)).hexdigest() or step["key"] != run.key:
                reason = "its checksum does not match"
            elif step["index"] != n:
                reason = f"it is step {step['index']}"
            elif "before" in step and step["before"] != (progress.steps[-1]["digest"] if n else ""):
                reason = f"it follows another step {n - 1} than the one that is here"
            else:
                return step | {"rows": current(step["rows"]), "digest": _digest(step)}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
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
            found = json.loads(path.read_bytes())
            return found if isinstance(found, dict) else None
        except (OSError, ValueError, RecursionError):
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

    def resume(self, run: Run, progress: Progress | None = None, *, again: bool = False) -> State:
        """Where the next step starts: after the last step whose tensors verify. `progress`: what is known to be done, if
        the caller holds the run. `again`: the last step is done again though it verifies (its tensors, which another run
        needs, do not)."""
        progress = progress or self.read(run)
        usable = progress.steps[:-1] if again else progress.steps
        for last in reversed(usable):
            blobs = self.blobs(run, last)
            if blobs is not None:
                n = last["index"] + 1
                known = progress if n == len(progress.steps) else progress.until(n)
                return State(n, known.state, last["queries"], self.answers(run, last), blobs, known.rows)
        return State()

    def answers(self, run: Run, step: dict) -> list | None:
        """What a human answered to the queries of `step`; None if nothing was, or the file does not fit them."""
        path = self.folder(run) / f"{step['index']:04d}.answers.json"
        kept = self._json(path) or {}
        answers, asked = kept.get("answers"), kept.get("queries", step["queries"])
        fits = isinstance(answers, list) and len(answers) == len(step["queries"]) and asked == step["queries"]
        if answers is not None and not fits:
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

    def write(self, run: Run, index: int, result: dict, progress: Progress | None = None) -> dict:
        """Add step `index`: `result` holds rows, queries, state, done, blobs (name -> bytes) and provenance. `progress`, what
        was done before, if the caller knows it, then knows the new step, and those that follow it.

        Raises OSError (disk full, file too large): then no part of the step is visible and the steps before it stand.
        """
        folder = self.folder(run)
        progress = progress or self.read(run)
        if index < len(progress.steps):
            progress.__dict__ |= progress.until(index).__dict__
        digests = {}
        for name, body in result["blobs"].items():
            self._write(folder / f"{index:04d}.{name}.pt", body)
            digests[name] = hashlib.sha256(body).hexdigest()
        step = {"key": run.key, "index": index, "before": progress.steps[-1]["digest"] if index else "", "blobs": digests}
        step |= {name: result[name] for name in ("rows", "queries", "done", "provenance")}
        step["state"], step["adds"] = _added(progress.state, result["state"])
        checksum = {"sha256": hashlib.sha256(canonical(step)).hexdigest()}
        self._write(folder / f"{index:04d}.json", json.dumps(step | checksum).encode())
        (folder / "error.json").unlink(missing_ok=True)
        for name in progress.steps[index - 2]["blobs"] if index > 1 else ():
            (folder / f"{index - 2:04d}.{name}.pt").unlink(missing_ok=True)
        progress.add(step | {"digest": _digest(step)})
        self._read_on(run, progress)
        return progress.steps[index]

    def write_answers(self, run: Run, index: int, queries: list, answers: list) -> None:
        kept = {"queries": queries, "answers": answers}
        self._write(self.folder(run) / f"{index:04d}.answers.json", json.dumps(kept).encode())

    # --- what a person is asked in a step, answer by answer

    def _asked_path(self, run: Run, index: int) -> Path:
        return self.folder(run) / f"{index:04d}.asked.jsonl"

    def asked(self, run: Run, index: int) -> list[dict]:
        """The answers given so far in step `index`, in order, without those taken back: query, answer, seconds, at. A line
        that was not written to its end counts for nothing, and goes."""
        path, found = self._asked_path(run, index), []
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError:
            return []
        for n, line in enumerate(lines[:-1]):
            try:
                one = json.loads(line)
                found = found[:-1] if one.get("undo") else [*found, {name: one[name] for name in ASKED}]
            except (ValueError, KeyError, AttributeError, RecursionError):
                warnings.warn(f"{path}: line {n + 1} is unreadable; it and what follows is asked again", stacklevel=2)
                self._aside(path)
                lines = [*lines[:n], b"damaged"]
                break
        if lines[-1]:
            self._write(path, b"".join(line + b"\n" for line in lines[:-1]))
        return found

    def append_asked(self, run: Run, index: int, line: dict) -> None:
        """Keep one answer, at once. Raises OSError if it cannot be kept: then the log is as it was."""
        with open(self._asked_path(run, index), "ab", buffering=0) as file:
            size = file.tell()
            try:
                body = canonical(line) + b"\n"
                if file.write(body) < len(body):
                    raise OSError("the answer could not be written to its end")
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    os.ftruncate(file.fileno(), size)
                raise

    def forget_asked(self, run: Run, index: int, kept: int) -> None:
        """Keep the first `kept` answers of a step; all are set aside first."""
        path, lines = self._asked_path(run, index), self.asked(run, index)[:kept]
        self._aside(path)
        self._write(path, b"".join(canonical(line) + b"\n" for line in lines))

    def _aside(self, path: Path) -> None:
        """A copy of a log that is about to lose lines, under a name of its own."""
        names = (path.with_name(f"{path.name}.damaged{n or ''}") for n in range(1000))
        self._write(next(name for name in names if not name.exists()), path.read_bytes())

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
        beside it; `kind == "timing"` rows hold the seconds of each step, "answer" rows those of each answer a person gave."""
        return frame((run, self.read(run).steps) for run in runs)


def frame(pairs):
    """(run, steps) pairs -> one tidy pandas frame; `world` is True where a stand-in had a part in it. `published_list`, of
    frames that have any: the list of samples that was the pool."""
    import pandas

    rows = []
    for run, steps in pairs:
        about = {"study": run.study, "dataset": run.dataset, "world": is_world(run), "race": run.race}
        about |= {"method": run.arm or run.method.split("@")[0], "seed": run.seed, "key": run.key}
        about |= {"network": study(run.study).network(run)}
        if split := run.settings.get("split"):
            about["published_list"] = split
        for step in steps:
            rows += [about | {"step": step["index"]} | row for row in step["rows"]]
            timings = step["provenance"].get("timings", {})
            rows += [about | {"step": step["index"], "kind": "timing", **timings}] if timings else []
            answered = step["provenance"].get("answered", ())
            said = {"step": step["index"], "kind": "answer"}
            rows += [about | said | {"asked": json.dumps(one["query"]), "seconds": one["seconds"]} for one in answered]
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
