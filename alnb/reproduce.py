"""`alnb reproduce`: every notebook on embedded data and, beside and after them, every profile of which records tell more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from alnb import headless, plans
from alnb.errors import FAILED, OK
from alnb.machine import cores
from alnb.plans import Plan
from alnb.store import Store

MOST_DRAWN = 8  # notebooks side by side: each is two processes and a gigabyte
SECONDS_TO_END = 5  # an interrupted one has to leave
BESIDE = 10  # niceness of what is drawn while a notebook computes: it takes what the workers leave


def reproduce(names: list[str], *, workers: int | None = None, cluster: str | None = None) -> int:
    """Run the notebooks of these names at `laptop` and draw their other profiles; the worst exit code. A notebook's
    profiles are drawn once its own `laptop` is done, one beside each notebook that follows, the rest side by side."""
    store, at_once = Store(), min(cores(), MOST_DRAWN)
    plans.check_writable(store.root, plans.figures_folder(), plans.executed_folder(""))
    with Drawing() as drawing:
        code, waiting = OK, []
        for name in names:
            if at_once > 1 and waiting and not drawing.working:
                drawing.begin(waiting.pop(0)[1], niceness=BESIDE)
            code = max(code, headless.told(plans.plan(name), workers=workers, cluster=cluster))
            drawing.collect()
            waiting = sorted(waiting + _tell_more(name, store), key=lambda one: -one[0])  # the longest first
        return max(code, drawing.to_the_end([made for _, made in waiting], at_once))


def _tell_more(name: str, store: Store) -> list[tuple[int, Plan]]:
    """The profiles of which more is known than laptop's runs, and how many runs more."""
    own, found = set(plans.plan(name).runs), []
    for profile in plans.FROM_RECORDS:
        if profile in plans.profiles(name):
            made = plans.plan(name, profile)
            now = plans.standing(made.runs, profile, store)
            if more := len({*now.recorded, *now.done} - own):
                found.append((more, made))
    return found


class Drawing:
    """Plans that are drawn from what is kept, computing nothing, each in a process of its own: what one says is printed
    in one piece when it ends. Leaving the context ends what still works, kernels too: an interrupt ends all."""

    def __enter__(self) -> Drawing:
        self.code, self.working, self._folder = OK, [], TemporaryDirectory()
        return self

    def begin(self, made: Plan, niceness: int = 0) -> None:
        command = [sys.executable, "-u", "-m", "alnb.cli", "run", made.name, "--profile", made.profile]
        log = Path(self._folder.name) / f"{made.name}-{made.profile}"
        with log.open("wb") as said:
            process = subprocess.Popen(
                command, env=os.environ | {"ALNB_DRAW": "1"}, stdin=subprocess.DEVNULL, stdout=said,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.working.append((made, process, log))
        if niceness:
            os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, 0) + niceness)

    def collect(self) -> None:
        """Tell what has ended."""
        for ended in [one for one in self.working if one[1].poll() is not None]:
            self.working.remove(ended)
            made, process, log = ended
            print(f"== {made.name}, {made.profile}\n{log.read_text(errors='replace').rstrip()}", flush=True)
            if process.returncode:
                print(f"alnb: drawing {made.name} at {made.profile} failed", file=sys.stderr)
                self.code = max(self.code, process.returncode if process.returncode > 0 else FAILED)

    def to_the_end(self, waiting: list[Plan], at_once: int) -> int:
        """Draw these and what works already; the worst exit code of all."""
        waiting = list(waiting)
        while waiting or self.working:
            while waiting and len(self.working) < at_once:
                self.begin(waiting.pop(0))
            time.sleep(0.1)
            self.collect()
        return self.code

    def __exit__(self, *_) -> None:
        for _, process, _ in self.working:  # none, but at an interrupt; a kernel whose process was killed ends by itself
            process.send_signal(signal.SIGINT)
        until = time.monotonic() + SECONDS_TO_END
        for _, process, _ in self.working:
            try:
                process.wait(max(0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()
