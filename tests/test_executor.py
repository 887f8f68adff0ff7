"""The executor: serial and two processes give the same rows; a step that raises, dies or is interrupted loses nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alnb.executor import backend, drive
from alnb.store import Store
from tests import toy_study


@pytest.fixture(autouse=True, scope="module")
def no_worker_outlives_the_module():
    yield
    backend.close(kill=True)


def rows(store, runs):
    frame = store.frame(runs)
    return frame[frame["kind"] != "timing"].drop(columns=["seconds"]).to_dict("records")


def quiet(line):
    pass


def test_two_processes_give_the_rows_of_one(tmp_path):
    runs = toy_study.runs([0, 1, 2])
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    assert drive(runs, one, workers=1, oracle=toy_study.human).computed == 3 * (2 + 4)
    assert drive(runs, two, workers=2, oracle=toy_study.human).computed == 3 * (2 + 4)
    assert rows(one, runs) == rows(two, runs)


def test_a_human_answers_between_steps_and_is_never_asked_twice(tmp_path):
    store, (run,) = Store(tmp_path), toy_study.runs([0])
    asked = []

    def human(asking, queries):
        asked.append(queries)
        if len(asked) == 2:
            raise KeyboardInterrupt  # the human leaves
        return toy_study.human(asking, queries)

    with pytest.raises(KeyboardInterrupt):
        drive([run], store, workers=1, oracle=human)
    drive([run], store, workers=1, oracle=human)
    assert [queries[0][1] for queries in asked] == [0, 10, 10, 20]
    assert rows(store, [run])[-1]["same"] == 3


def test_a_step_that_raises_is_reported_with_traceback_and_log_and_the_others_go_on(tmp_path):
    store = Store(tmp_path)
    bad, good = toy_study.runs([0], fault="raise")[0], toy_study.runs([1])[0]
    said = []
    outcome = drive([bad, good], store, workers=2, oracle=toy_study.human, say=said.append)
    assert good in outcome.done
    assert set(outcome.failed) == {bad, bad.needs["encoder"]}  # what needs a failed run has failed with it
    error = store.read(bad.needs["encoder"]).error
    assert "the toy was told to raise" in error["error"]
    assert error["log"] == "about to raise\n"
    assert said == [f"{run}: failed" for run in (bad.needs["encoder"], bad)]  # why is for the caller to say, once
    assert len(store.read(bad.needs["encoder"]).steps) == 1  # what was finished stands


@pytest.mark.alone
def test_a_lost_worker_costs_its_step_only(tmp_path):
    store = Store(tmp_path / "s")
    run = toy_study.runs([0], fault=f"die_once:{tmp_path / 'flag'}")[0]
    other = toy_study.runs([1])[0]
    outcome = drive([run, other], store, workers=2, oracle=toy_study.human, say=quiet)
    assert not outcome.failed
    plain = Store(tmp_path / "plain")
    drive(toy_study.runs([0, 1]), plain, workers=1, oracle=toy_study.human)
    same = ["method", "seed", "kind", "part", "norm", "round", "same", "start"]
    pick = lambda found: [{name: str(row.get(name)) for name in same} for row in found]
    assert pick(rows(store, [run, other])) == pick(rows(plain, toy_study.runs([0, 1])))


@pytest.mark.alone
def test_a_step_that_always_kills_its_worker_fails_alone(tmp_path):
    store = Store(tmp_path)
    bad, good = toy_study.runs([0], fault="die_always")[0], toy_study.runs([1])[0]
    outcome = drive([bad, good], store, workers=2, oracle=toy_study.human, say=quiet)
    assert good in outcome.done
    assert "lost its worker" in outcome.failed[bad.needs["encoder"]]


DRIVER = """
import sys, time
from alnb.executor import drive
from alnb.store import Store
from tests import toy_study
runs = toy_study.runs(range(4), fault="{fault}", rounds=6)
try:
    drive(runs, Store({store!r}), workers={workers}, oracle=toy_study.human, on_step=lambda *a: print("step", flush=True))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def start(store, workers, fault):
    program = DRIVER.format(store=str(store), workers=workers, fault=fault)
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True)


def children(pid):
    """The processes below this one, zombies left out."""
    parents = {int(path.name): fields for path in Path("/proc").glob("[0-9]*") if (fields := state(path.name))}
    found = [child for child, (status, parent) in parents.items() if parent == pid and status != "Z"]
    return [*found, *(g for child in found for g in children(child))]


def alive(pids):
    return [pid for pid in pids if (found := state(pid)) and found[0] != "Z"]


def command_line(pid):
    """Of a process, "" if it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def state(pid):
    """Of a process: its state and its parent; None if it has gone."""
    try:
        status, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return status, int(parent)


@pytest.mark.alone
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_or_killed_a_driver_leaves_no_worker_and_its_steps(tmp_path, workers, sign):
    driver = start(tmp_path / "s", workers, "slow:0.3")
    for _ in range(3):
        assert driver.stdout.readline() == "step\n"
    workers_then = children(driver.pid)
    os.kill(driver.pid, sign)
    driver.wait(timeout=120)
    deadline = time.monotonic() + 60
    while alive(workers_then) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive(workers_then) == []
    finished = len(list((tmp_path / "s").rglob("0???.json")))
    assert finished >= 3
    runs = toy_study.runs(range(4), fault="slow:0.3", rounds=6)
    outcome = drive(runs, Store(tmp_path / "s"), workers=1, oracle=toy_study.human)
    assert outcome.computed == 4 * (2 + 7) - finished  # nothing that was in place is computed again


def test_two_drivers_on_the_same_runs_compute_every_step_once(tmp_path):
    counted = tmp_path / "counted"
    drivers = [start(tmp_path / "s", 1, f"count:{counted}") for _ in range(2)]
    for driver in drivers:
        driver.communicate(timeout=120)
    assert counted.read_text() == "x" * 4 * (2 + 7)
    assert [driver.returncode for driver in drivers] == [0, 0]
