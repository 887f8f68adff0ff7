"""kill -9 at random moments, then again until done: rows equal to an undisturbed run's, nothing finished done twice.

A short storm here; ALNB_KILLS=100 for the long one (python -m pytest tests/test_kill.py).
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from alnb import REPOSITORY, plans
from alnb.executor import drive
from alnb.store import Store

pytestmark = pytest.mark.alone
KILLS = int(os.environ.get("ALNB_KILLS", 6))
TINY = {"few.arms": "[random, dispersion]", "few.seeds": "1", "many": "{}",
        "pool": "90", "initial": "20", "budget": "10", "cycles": "2", "epochs": "4"}  # fmt: skip


def command(verb, workers):
    overrides = [part for name, value in TINY.items() for part in ("-p", name, value)]
    return [sys.executable, "-m", "alnb.cli", verb, "01", "--profile", "smoke", "--workers", str(workers), *overrides]


def plan():
    overrides = {name: plans.parse_override("01_label_dispersion", name, value) for name, value in TINY.items()}
    return plans.plan("01_label_dispersion", "smoke", overrides)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("undisturbed"))
    assert not drive(plan().runs, store, workers=1).failed
    return results(store)


def results(store):
    """Every step file's rows, queries and state; and of every step when it was written."""
    found, written = {}, {}
    for path in sorted(store.root.rglob("0???.json")):
        step = json.loads(path.read_bytes())
        found[path.relative_to(store.root)] = (step["rows"], step["queries"], step["state"], step["blobs"])
        written[path.relative_to(store.root)] = path.stat().st_mtime_ns
    return found, written


@pytest.mark.parametrize(("verb", "workers"), [("compute", 1), ("compute", 2), ("run", 1)])
def test_a_storm_of_kills_changes_no_result_and_repeats_no_finished_step(undisturbed, tmp_path, verb, workers):
    store, rng = Store(tmp_path / "store"), random.Random(workers + len(verb))
    for _ in range(max(1, KILLS // 3)):
        _, before = results(store)
        process = subprocess.Popen(
            command(verb, workers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=REPOSITORY,
            start_new_session=True,
        )  # fmt: skip
        steps = len(before)
        deadline = time.monotonic() + 120  # wait until it is at work, then strike at a random moment
        while (
            process.poll() is None and len(list(store.root.rglob("0???.json"))) <= steps and time.monotonic() < deadline
        ):
            time.sleep(0.02)
        time.sleep(rng.random() * 0.5)
        process.kill()  # nothing, where it was done by then
        process.wait()
        _, after = results(store)
        assert {name: after[name] for name in before} == before  # not a finished step was written again
        if process.returncode == 0:  # a long storm outlives its runs: the next one
            assert_undisturbed(store, undisturbed)
            shutil.rmtree(store.root)
    done = subprocess.run(command(verb, workers), capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert_undisturbed(store, undisturbed)


def assert_undisturbed(store, undisturbed):
    found, _ = results(store)  # the notebook's exercise adds a run of its own
    assert {name: found.get(name) for name in undisturbed[0]} == undisturbed[0]


def test_a_killed_kernel_leaves_no_worker(tmp_path):
    from tests.test_executor import alive, children, command_line

    process = subprocess.Popen(command("run", 2), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=REPOSITORY)
    store = Store()
    deadline = time.monotonic() + 120
    while process.poll() is None and not list(store.root.rglob("0???.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    below = children(process.pid)
    assert below, "no kernel was started"
    for pid in below:
        if "ipykernel" in command_line(pid):
            os.kill(pid, signal.SIGKILL)
    process.wait(timeout=300)
    assert process.returncode == 1
    deadline = time.monotonic() + 60
    while alive(below) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive(below) == []
