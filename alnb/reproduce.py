"""`alnb reproduce`: every notebook on embedded data, then, side by side, every profile of which records tell more."""

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
from alnb.store import Store

MOST_DRAWN = 8  # notebooks side by side: each is two processes and a gigabyte
SECONDS_TO_END = 5  # an interrupted one has to leave


def reproduce(names: list[str], *, workers: int | None = None, cluster: str | None = None) -> int:
    """Run the notebooks of these names at `laptop`, then draw their other profiles; the worst exit code."""
    code, store, drawn = OK, Store(), []
    plans.check_writable(store.root, plans.figures_folder(), plans.executed_folder(""))
    for name in names:
        code = max(code, headless.told(plans.plan(name), workers=workers, cluster=cluster))
    for name in names:  # then every profile of which more is known than laptop's runs, computing nothing
        own = set(plans.plan(name).runs)
        for profile in plans.FROM_RECORDS:
            if profile in plans.profiles(name):
                made = plans.plan(name, profile)
                now = plans.standing(made.runs, profile, store)
                if more := len({*now.recorded, *now.done} - own):
                    drawn.append((more, made))
    longest_first = [made for _, made in sorted(drawn, key=lambda one: -one[0])]
    return max(code, draw(longest_first, min(cores(), MOST_DRAWN)))


def draw(drawn: list, at_once: int) -> int:
    """Draw plans from what is kept, computing nothing, `at_once` side by side, each in a process of its own: what one
    says is printed in one piece when it ends. Returns the worst exit code. An interrupt ends all, kernels too."""
    waiting, working, code = list(drawn), [], OK
    with TemporaryDirectory() as folder:
        try:
            while waiting or working:
                while waiting and len(working) < at_once:
                    made = waiting.pop(0)
                    command = [sys.executable, "-u", "-m", "alnb.cli", "run", made.name, "--profile", made.profile]
                    log = Path(folder) / f"{made.name}-{made.profile}"
                    with log.open("wb") as said:
                        process = subprocess.Popen(
                            command, env=os.environ | {"ALNB_DRAW": "1"}, stdin=subprocess.DEVNULL, stdout=said,
                            stderr=subprocess.STDOUT, start_new_session=True,
                        )  # fmt: skip
                    working.append((made, process, log))
                time.sleep(0.1)
                for ended in [one for one in working if one[1].poll() is not None]:
                    working.remove(ended)
                    made, process, log = ended
                    print(f"== {made.name}, {made.profile}\n{log.read_text(errors='replace').rstrip()}", flush=True)
                    if process.returncode:
                        print(f"alnb: drawing {made.name} at {made.profile} failed", file=sys.stderr)
                        code = max(code, process.returncode if process.returncode > 0 else FAILED)
        finally:  # nothing works any more, but at an interrupt; a kernel whose process was killed ends by itself
            for _, process, _ in working:
                process.send_signal(signal.SIGINT)
            until = time.monotonic() + SECONDS_TO_END
            for _, process, _ in working:
                try:
                    process.wait(max(0, until - time.monotonic()))
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
    return code
