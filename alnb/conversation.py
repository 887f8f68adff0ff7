"""A run that a person answers, question by question: `Study.talk` in a process of its own, each answer kept as it is given.

The generator stays suspended there between two answers. What was answered in the current step lies in the run's folder,
NNNN.asked.jsonl, one line an answer; after a restart, and to take an answer back, the step is begun again and is given those
answers first. The steps are those that the dataset's own labels would have led to, had they been these answers.
"""

from __future__ import annotations

import atexit
import threading
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from alnb import records
from alnb.errors import BadRequest
from alnb.runs import Question, Run, State, Step, canonical, seed_globals, study
from alnb.store import Busy, Store

# --- where the study thinks -------------------------------------------------------------------------------------------------


class _Stop(BaseException):
    """The step is left: it is to be begun again, or nobody asks any longer."""


def _think(pipe) -> None:
    """In a process of its own: one step after the other as it is sent, its questions through `pipe`, and their answers."""
    import signal

    import cloudpickle

    from alnb.worker import computed

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted cell is not meant

    def step(run: Run, state: State) -> Step:
        talk, answer = study(run.study).talk(run, state), None
        while True:
            try:
                query = talk.send(answer)
            except StopIteration as end:
                return end.value
            pipe.send(("asked", query))
            kind, answer = pipe.recv()
            if kind != "answer":
                raise _Stop(kind)

    try:
        while True:
            kind, task = pipe.recv()
            if kind == "end":
                return
            try:
                pipe.send(("step", computed(*cloudpickle.loads(task), step)))
            except _Stop as stop:
                if stop.args[0] == "end":
                    return
    except (EOFError, OSError):  # whoever asked has gone
        return


def _spawned():
    """Our end of the pipe, and the process that thinks at the other."""
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_think, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    return ours, process


# --- who asks ---------------------------------------------------------------------------------------------------------------

ASKING, THINKING, DONE, FAILED, CLOSED = "asking", "thinking", "done", "failed", "closed"

_open: weakref.WeakValueDictionary[tuple, Conversation] = weakref.WeakValueDictionary()


class Conversation:
    """Holds one run while a person answers it.

    status: "asking" (`query` waits for an answer; `number` counts the questions put), "thinking", "done", "failed" (`why`),
    "closed". `given` answers were kept so far, `finished` of them in steps that are finished; `said`: what a person should know
    of them. on_change() is called, from another thread, whenever these change.

    BadRequest for a run whose study asks nothing question by question, that needs a run which is not done, or that another
    process holds.
    """

    def __init__(self, run: Run, store: Store | None = None, on_change: Callable[[], None] = lambda: None):
        self.run, self.store, self.on_change = run, store or Store(), on_change
        if study(run.study).talk is None:
            raise BadRequest(f"{run.study} asks nothing question by question")
        self.status, self.why, self.said, self.query, self.number = THINKING, "", "", None, 0
        self._answers: list[dict] = []  # of the current step, as they are kept
        self._behind = 0  # how many of them the step has been told
        self._guard, self._changed = threading.RLock(), threading.Condition()
        self._pipe = self._process = self._hold = None
        needs = _started_from(run, self.store)
        try:
            self._hold = self.store.acquire(run)
        except Busy as busy:
            raise BadRequest(f"{run}: {busy.owner} asks it already") from None
        except OSError as error:
            raise BadRequest(f"{run}: its folder cannot be used ({error.strerror or error}: {error.filename})") from None
        self._needs, self._progress = needs, self.store.read(run)
        _open[self.store.root, run.key] = self
        if self._progress.done:
            return self._end(DONE)
        self._start()

    # --- what a person does

    @property
    def given(self) -> int:
        return self.finished + len(self._answers)

    @property
    def finished(self) -> int:
        """Answers in steps that are finished: they cannot be taken back."""
        return sum(len(step["provenance"].get("answered", ())) for step in self._progress.steps)

    @property
    def questions(self) -> int | None:
        """How many questions the run asks, at most; None where its study does not say."""
        count = study(self.run.study).questions
        return None if count is None else count(self.run)

    @property
    def share(self) -> float:
        """The share of the run that is done: of its questions, else of its steps."""
        if self._progress.done:
            return 1.0
        if self.questions:
            return min(1.0, self.given / self.questions)
        return len(self._progress.steps) / self.run.steps

    def question(self) -> Question | None:
        """What is asked now, as a person sees it."""
        query = self.query
        return None if query is None else study(self.run.study).question(self.run, query)

    def answer(self, number: int, answer: Any, seconds: float = 0.0) -> bool:
        """Keep the answer to question `number`, then go on. False, and nothing happens, if that is not what is asked now: it
        was answered already (a double click), or belongs to a step that has begun again."""
        with self._guard:
            if self.status != ASKING or number != self.number:
                return False
            line = {"query": self.query, "answer": answer, "seconds": round(seconds, 2), "at": _now()}
            if not self._kept(line):
                return False
            self._answers.append(line)
            self._behind = len(self._answers)
            self._set(THINKING)
            self._pipe.send(("answer", answer))
        return True

    def undo(self) -> bool:
        """Take the last answer back; False if there is none in this step, or the study is thinking."""
        with self._guard:
            if self.status != ASKING or not self._answers:
                return False
            if not self._kept({"undo": True, "at": _now()}):
                return False
            self._answers.pop()
            self._behind = 0
            self._set(THINKING)
            self._pipe.send(("anew", None))
            self._pipe.send(("task", self._task))
        return True

    def _kept(self, line: dict) -> bool:
        try:
            self.store.append_asked(self.run, len(self._progress.steps), line)
        except OSError as error:
            self._end(FAILED, f"the answer could not be kept ({error.strerror or error}); those before it are")
            return False
        return True

    def wait(self, timeout: float = 60.0) -> str:
        """The status once the study thinks no longer."""
        with self._changed:
            self._changed.wait_for(lambda: self.status != THINKING, timeout)
        return self.status

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the run; it goes on with the next conversation."""
        with self._guard:
            if self.status in (ASKING, THINKING):
                self._end(CLOSED)

    # --- what happens meanwhile

    def _start(self) -> None:
        self._pipe, self._process = _spawned()
        self._begin()
        threading.Thread(target=self._listen, daemon=True).start()

    def _begin(self) -> None:
        """Send the next step, and have what was answered in it before at hand."""
        import cloudpickle

        state = self.store.resume(self.run, self._progress)
        state.needs, state.carry = self._needs, self.run.carry
        self._answers, self._behind = self.store.asked(self.run, state.index), 0
        self._task = cloudpickle.dumps((self.run, state))
        self._pipe.send(("task", self._task))

    def _listen(self) -> None:
        while True:
            try:
                kind, value = self._pipe.recv()
            except (EOFError, OSError):
                kind, value = "gone", None
            with self._guard:
                if self.status not in (ASKING, THINKING):
                    return
                if kind == "gone":
                    return self._end(FAILED, "its process ended; what was answered is kept")
                try:
                    (self._asked if kind == "asked" else self._step)(value)
                except Exception as error:  # of the store: a full disk
                    what = getattr(error, "strerror", None) or error
                    return self._end(FAILED, f"{type(error).__name__}: {what}; what was answered is kept")

    def _asked(self, query: Any) -> None:
        if self._behind < len(self._answers):
            known = self._answers[self._behind]
            if canonical(known["query"]) == canonical(query):
                self._behind += 1
                return self._pipe.send(("answer", known["answer"]))
            self.store.forget_asked(self.run, len(self._progress.steps), self._behind)
            left = len(self._answers) - self._behind
            self.said = f"{left} answers are to other questions; asked again"
            warnings.warn(f"{self.run}: {self.said}", stacklevel=2)
            del self._answers[self._behind :]
        self.query, self.number = query, self.number + 1
        self._set(ASKING)

    def _step(self, result: dict) -> None:
        index = len(self._progress.steps)
        if "error" in result:
            self.store.write_error(self.run, {"step": index, **result})
            return self._end(FAILED, result["what"])
        told = [{name: line[name] for name in ("query", "seconds", "at")} for line in self._answers]
        result["provenance"]["answered"] = told
        self.store.write(self.run, index, result, self._progress)
        self._answers = []
        if self._progress.done:
            return self._end(DONE)
        self._begin()

    def _set(self, status: str) -> None:
        self.status = status
        if status != ASKING:
            self.query = None
        with self._changed:
            self._changed.notify_all()
        try:
            self.on_change()
        except Exception as error:  # of whoever looks on: the answers are not concerned
            warnings.warn(f"{self.run}: {type(error).__name__}: {error}", stacklevel=2)

    def _end(self, status: str, why: str = "") -> None:
        self.why = why
        if self._process is not None:
            with suppress(OSError):
                self._pipe.send(("end", None))
            self._process.join(0.5)
            if self._process.is_alive():  # deep in a step
                self._process.terminate()
                self._process.join(2)
            self._pipe.close()
        if self._hold is not None:
            self._hold.release()
            self._hold = None
        _open.pop((self.store.root, self.run.key), None)
        self._set(status)


def _started_from(run: Run, store: Store) -> dict[str, State]:
    needs = {}
    for role, needed in run.needs.items():
        needs[role] = store.final(needed) or records.final(needed)
        if needs[role] is None:
            raise BadRequest(f"{run} starts from {needed}, which is not done: run the grid first")
    return needs


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def conversation(run: Run, store: Store | None = None, on_change: Callable[[], None] = lambda: None) -> Conversation:
    """The conversation about `run` that this process has open already (a tab was closed, a cell run again), or a new one."""
    store = store or Store()
    there = _open.get((store.root, run.key))
    if there is None:
        return Conversation(run, store, on_change)
    there.on_change = on_change
    return there


def first_question(run: Run, store: Store | None = None) -> Question | None:
    """What whoever answers `run` is asked first, None where nothing is. BadRequest where it needs a run that is not done."""
    talk = study(run.study).talk(run, State(needs=_started_from(run, store or Store()), carry=run.carry))
    seed_globals(run, 0)
    query = next(talk, None)
    talk.close()
    return None if query is None else study(run.study).question(run, query)


@atexit.register
def _close_all() -> None:
    for talk in list(_open.values()):
        talk.close()


