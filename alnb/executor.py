"""How runs get done: `drive` takes the missing steps of runs to an executor and the results home to the store.

The seam is `concurrent.futures.Executor`: in this process, a pool of spawned processes (loky), or a Dask cluster.
One task is one step. The driver alone reads and writes the store, asks the oracle and holds the locks.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from alnb import records
from alnb.errors import BadRequest
from alnb.machine import check_device, cores, has_gpu, versions
from alnb.runs import WAIT, Run, State, asks_a_person, study, truth, with_needs
from alnb.store import Busy, Progress, Store
from alnb.worker import execute

SOLO_TRIES = 2  # a step that loses its worker this often, alone on the executor, has failed


# --- executors ----------------------------------------------------------------------------------------------------------


class Serial(Executor):
    """In this process, at once: what a GPU, a debugger and a test want. An interrupt reaches the caller."""

    def submit(self, function, /, *args):
        future = Future()
        future.set_result(function(*args))
        return future


def _prepare_worker(parent: int) -> None:
    """In a worker: leave interrupts to the driver; end when the driver is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Backend:
    """An executor that is started at the first missing step, once per process, and can be started again."""

    def __init__(self):
        self.executor, self.kind = None, None

    def get(self, workers: int, cluster: str | None) -> Executor:
        kind = (workers, cluster)
        if self.kind != kind:
            self.close()
        if self.executor is None:
            self.executor, self.kind = _start(workers, cluster), kind
        return self.executor

    def close(self, kill: bool = False) -> None:
        executor, self.executor, self.kind = self.executor, None, None
        if executor is None:
            return
        if hasattr(executor, "_client"):  # Dask's: the cluster is not ours to stop
            executor.shutdown(wait=False)
            executor._client.close()
        elif isinstance(executor, Serial):
            executor.shutdown()
        else:
            executor.shutdown(wait=True, kill_workers=kill)


backend = _Backend()
atexit.register(backend.close, kill=True)


def _start(workers: int, cluster: str | None) -> Executor:
    if cluster:
        return _connect(cluster)
    if workers <= 1:
        return Serial()
    from joblib.externals.loky import ProcessPoolExecutor

    # one BLAS thread a process, before it imports torch
    env = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")
    return ProcessPoolExecutor(workers, env=env, initializer=_prepare_worker, initargs=(os.getpid(),))


def check_cluster(address: str) -> None:
    """BadRequest for what can be no address of a scheduler that may be used."""
    scheme, _, place = address.partition("://")
    host, _, port = place.rpartition(":")
    if scheme not in ("tcp", "tls") or not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise BadRequest(f"--cluster {address!r}: expected tcp://127.0.0.1:PORT or tls://HOST:PORT")
    if scheme == "tcp" and host.strip("[]") not in ("127.0.0.1", "localhost", "::1"):
        raise BadRequest(f"--cluster {address}: tcp:// runs code for anyone who can reach it; use tls:// off loopback")


def _connect(address: str) -> Executor:
    """An executor on the Dask scheduler at `address`: tcp:// on this machine, tls:// elsewhere."""
    check_cluster(address)
    from distributed import Client

    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise BadRequest(f"no Dask scheduler answers at {address} ({error})") from None
    except (TypeError, ValueError, RuntimeError) as error:  # tls:// without distributed.comm.tls in Dask's configuration
        raise BadRequest(f"--cluster {address}: Dask cannot connect as it is configured ({error})") from None
    found = client.run(versions)
    if not found:
        client.close()
        raise BadRequest(f"the scheduler at {address} has no workers; start some: dask worker {address} --nthreads 1")
    ours = versions()
    for worker, theirs in found.items():
        if differ := [f"{name} {theirs[name]}, here {ours[name]}" for name in ours if theirs[name] != ours[name]]:
            client.close()
            raise BadRequest(f"worker {worker} has other versions: {'; '.join(differ)}")
    return client.get_executor(pure=False)


MOST_WORKERS = 1024


def default_workers() -> int:
    """$ALNB_WORKERS, else the cores this process may use; 1 on a machine with a GPU (its one process feeds it)."""
    if given := os.environ.get("ALNB_WORKERS"):
        count = int(given) if given.isdecimal() and len(given) < 10 else 0  # int() gives up on thousands of digits
        if not 1 <= count <= MOST_WORKERS:
            raise BadRequest(f"ALNB_WORKERS={given}: expected a whole number from 1 to {MOST_WORKERS:,}")
        return count
    return 1 if has_gpu() else cores()


# --- the driver ---------------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What `drive` did: steps computed, runs done, why others are not (run -> one line), and those that wait for answers."""

    computed: int = 0
    done: list[Run] = field(default_factory=list)
    failed: dict[Run, str] = field(default_factory=dict)
    waiting: list[Run] = field(default_factory=list)

    def told(self) -> dict[Run, str]:
        """The failed, but one for each reason where several failed for the same (what they share cannot be made)."""
        first = {why: run for run, why in reversed(self.failed.items())}
        others = {why: list(self.failed.values()).count(why) - 1 for why in first}
        return {run: why + f" (and {others[why]} more)" * bool(others[why]) for why, run in reversed(first.items())}


@dataclass
class _Active:
    """A run this driver holds the lock of: what is done, verified once, and what it starts from."""

    run: Run
    lock: object
    progress: Progress
    needs: dict[str, State] = field(default_factory=dict)
    index: int = 0
    tries: int = 0  # times its step lost its worker while alone on the executor
    suspect: bool = False  # its worker was lost: it goes alone, so that the guilty step is known


def drive(
    runs: Iterable[Run],
    store: Store,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    oracle: Callable[[Run, list], Any] | None = None,
    on_step: Callable[[Run, dict], None] = lambda run, step: None,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> Outcome:
    """Do every missing step of `runs` and of the runs they need, in the order given.

    oracle(run, queries) -> answers is asked between steps (default: runs.truth). None stands for the dataset's own labels,
    WAIT for no answer yet: the run is parked and the others go on; another number of answers than there are queries is a
    BadRequest. A run whose study asks question by question is parked for alnb/conversation.py. A step that raises is reported
    and its run left; the others go on. An interrupt stops all within seconds and keeps what is finished.
    """
    check_device()
    driver = _Driver(list(runs), store, workers or default_workers(), cluster, oracle or truth, on_step, say)
    try:
        driver.prepare()
        return driver.loop()
    except BaseException:
        backend.close(kill=True)
        raise
    finally:
        for active in driver.active.values():
            active.lock.release()


class _Driver:
    def __init__(self, wanted, store, workers, cluster, oracle, on_step, say):
        self.store, self.workers, self.cluster, self.oracle = store, workers, cluster, oracle
        self.on_step, self.say = on_step, say
        self.outcome = Outcome()
        self.active: dict[str, _Active] = {}  # by key: the runs under our lock
        self.futures: dict[Future, _Active] = {}
        self.announced: set[str] = set()
        self.again: set[str] = set()  # done runs whose tensors are needed and do not verify
        self.outcome.done = [run for run in wanted if store.read(run).done]
        # what a finished run needed is not looked at again
        done, asked = set(self.outcome.done), set(wanted)
        missing = with_needs(run for run in wanted if run not in done)
        self.queue = dict.fromkeys(  # in order; looked up once a run and step, so no list
            run for run in missing if not store.read(run).done and (run in asked or not records.starts_from(run))
        )

    def prepare(self) -> None:
        """What the runs share, once, on all cores; runs for which it cannot be made have failed, which is said once.
        Workers of a cluster have no file of ours: they make their own."""
        if self.cluster:
            return
        for run in list(self.queue):
            try:
                study(run.study).prepare(run, self.say)
            except BadRequest as error:
                if str(error) not in self.outcome.failed.values():
                    self.say(f"{run}: failed")
                self.outcome.failed[run] = str(error)
                del self.queue[run]

    def loop(self) -> Outcome:
        while self.queue or self.futures:
            self._submit()
            if not self.futures:
                if self.queue:  # every run left is held by another process
                    time.sleep(0.2)
                continue
            for future in wait(self.futures, timeout=0.2, return_when=FIRST_COMPLETED).done:
                self._collect(future)
        return self.outcome

    def _submit(self) -> None:
        """Give the executor what it has room for: the earliest runs first, a suspect alone."""
        for run in list(self.queue):
            active = self.active.get(run.key)
            if any(a.suspect for a in self.futures.values()) or len(self.futures) >= self._capacity():
                return
            if active in self.futures.values() or (active and active.suspect and self.futures):
                continue
            if not self._ready(run):
                continue
            if asks_a_person(run):  # whoever asks holds the run
                self._park(run)
                continue
            if active is None and (active := self._hold(run)) is None:
                continue
            self._next(active)
            if self.workers <= 1 and not self.cluster and self.futures:
                return

    def _capacity(self) -> int:
        if not self.cluster:
            return max(1, self.workers)
        executor = backend.get(self.workers, self.cluster)
        return max(1, sum(executor._client.nthreads().values())) * 2  # the next step waits beside the one that runs

    def _ready(self, run: Run) -> bool:
        """True if all it needs is done; a run whose need failed has failed too."""
        for needed in run.needs.values():
            if needed in self.outcome.failed:
                self._fail(run, f"needs {needed}, which failed")
                return False
            if needed in self.outcome.waiting:
                self._park(run)
                return False
        return not any(needed in self.queue for needed in run.needs.values())

    def _hold(self, run: Run) -> _Active | None:
        try:
            lock = self.store.acquire(run)
        except OSError as error:
            self._fail(run, f"its folder cannot be used ({error.strerror or error}: {error.filename})")
            return None
        except Busy as busy:
            if run.key not in self.announced:
                self.announced.add(run.key)
                self.say(f"{run}: {busy.owner} is at it; waiting for it")
            return None
        active = self.active[run.key] = _Active(run, lock, self.store.read(run))  # another process may have moved it
        return active

    def _next(self, active: _Active) -> None:
        """Submit the next step of a run, or park it where a person is to answer first."""
        import cloudpickle

        run = active.run
        if active.progress.done and run.key not in self.again:
            return self._finish(run)
        for role, needed in run.needs.items():
            if role in active.needs:
                continue
            final = self.store.final(needed) or records.final(needed)
            if final is None:  # done once, but what it left is damaged or gone: its last step again
                self.again.add(needed.key)
                self.queue = {needed: None} | self.queue
                return
            active.needs[role] = final
        state = self.store.resume(run, active.progress, again=run.key in self.again)
        if state.queries and state.answers is None:
            state.answers = self._asked(run, state.queries)
            if state.answers is WAIT:
                return self._park(run)
            if state.answers is not None:
                try:
                    self.store.write_answers(run, state.index - 1, state.queries, state.answers)
                except OSError as error:
                    return self._fail(run, f"the answers could not be stored ({error.strerror or error})")
        state.needs, state.carry, active.index = active.needs, run.carry, state.index
        executor = backend.get(self.workers, self.cluster)
        expected = versions() if self.cluster else None
        task = cloudpickle.dumps((run, state, expected))
        try:
            self.futures[executor.submit(execute, task)] = active
        except BrokenExecutor:
            self._lost(active)

    def _asked(self, run: Run, queries: list) -> list | None:
        """One answer a query, in order; None where the oracle leaves it to the dataset's own labels, WAIT where it has none."""
        answers = self.oracle(run, queries)
        if answers is None or answers is WAIT:
            return answers
        answers = list(answers)
        if len(answers) != len(queries):
            raise BadRequest(f"{run}: {len(queries)} queries got {len(answers)} answers")
        return answers

    def _collect(self, future: Future) -> None:
        active = self.futures.pop(future)
        run = active.run
        try:
            result = future.result()
        except BrokenExecutor:
            return self._lost(active)
        except Exception as error:  # the executor's own: Dask's KilledWorker, a task that does not unpickle
            result = {"error": traceback.format_exc(), "what": f"{type(error).__name__}: {error}", "log": ""}
        if "error" in result:
            with suppress(OSError):  # a full disk must not hide what went wrong
                self.store.write_error(run, {"step": active.index, **result})
            return self._fail(run, result["what"])
        active.suspect, active.tries = False, 0
        try:
            step = self.store.write(run, active.index, result, active.progress)
        except OSError as error:
            what = f"step {active.index} could not be stored ({error.strerror or error}); the steps before it stand"
            return self._fail(run, what)
        self.again.discard(run.key)
        self.outcome.computed += 1
        self.on_step(run, step)
        if step["done"]:
            self._finish(run)

    def _lost(self, active: _Active) -> None:
        """The pool broke under this step: start a new pool, and try those that were on it one at a time."""
        backend.close(kill=True)
        active.tries += active.suspect
        active.suspect = True
        if active.tries >= SOLO_TRIES:
            what = f"step {active.index} lost its worker {active.tries + 1} times (killed, or out of memory?)"
            with suppress(OSError):
                self.store.write_error(active.run, {"step": active.index, "error": what, "what": what, "log": ""})
            return self._fail(active.run, what)
        self.say(f"{active.run}: its worker was lost at step {active.index}; another takes it")

    def _finish(self, run: Run) -> None:
        self.outcome.done.append(run)
        self._leave(run)

    def _fail(self, run: Run, what: str) -> None:
        self.outcome.failed[run] = what
        self.say(f"{run}: failed")  # why is for the caller to say, who says it of all that failed alike
        self._leave(run)

    def _park(self, run: Run) -> None:
        self.outcome.waiting.append(run)
        self._leave(run)

    def _leave(self, run: Run) -> None:
        self.queue.pop(run, None)
        if active := self.active.pop(run.key, None):
            active.lock.release()
