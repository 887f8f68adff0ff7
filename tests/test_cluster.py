"""Dask's own scheduler and workers on loopback, started as a user would."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import alnb
from alnb.errors import BadRequest
from alnb.executor import backend, drive
from alnb.store import Store
from tests import toy_study

# what Dask's defaults get wrong here: a worker's step may start processes, memory is the user's business, a step that
# killed a few workers is given up, and the dashboard has no business on a fixed port
SETTINGS = {
    "DASK_DISTRIBUTED__WORKER__DAEMON": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "3",
}


class Cluster:
    def __init__(self, folder: Path):
        self.folder, self.processes, self.address = folder, [], ""
        self.environment = os.environ | SETTINGS | {"PYTHONPATH": str(alnb.REPOSITORY)}
        found = folder / "scheduler.json"
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0",
                    "--scheduler-file", str(found))  # fmt: skip
        self._wait(found.exists)
        import json

        self._wait(lambda: found.stat().st_size > 0)
        self.address = json.loads(found.read_text())["address"]

    def _start(self, what, *options, environment=None):
        command = [sys.executable, "-m", "dask", what, *options]
        with open(self.folder / f"{what}-{len(self.processes)}.log", "w") as log:  # the child has its own copy of it
            process = subprocess.Popen(
                command,
                env=environment or self.environment,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def worker(self, environment=None):
        return self._start("worker", self.address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1",
                           environment=environment)  # fmt: skip

    @staticmethod
    def _wait(true, seconds=120):
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, "Dask did not start"
            time.sleep(0.1)

    def wait_for_workers(self, count):
        from distributed import Client

        with Client(self.address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=120)

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    backend.close()
    made.close()


@pytest.mark.alone
def test_a_grid_survives_a_worker_that_is_killed(cluster, tmp_path):
    workers = [cluster.worker(), cluster.worker()]
    cluster.wait_for_workers(2)
    runs = toy_study.runs(range(3), fault="slow:0.4")
    killed = []

    def on_step(run, step):
        if not killed:
            killed.append(workers[0].pid)
            os.killpg(workers[0].pid, signal.SIGKILL)

    store = Store(tmp_path / "s")
    outcome = drive(runs, store, cluster=cluster.address, oracle=toy_study.human, on_step=on_step)
    assert killed
    assert not outcome.failed
    assert outcome.computed == 3 * (2 + 4)
    plain = Store(tmp_path / "plain")
    drive(runs, plain, workers=1, oracle=toy_study.human)
    a, b = (s.frame(runs).query("kind != 'timing'").drop(columns="seconds").to_dict("records") for s in (store, plain))
    assert a == b


@pytest.mark.alone
def test_workers_of_another_version_and_none_at_all_are_refused(cluster, tmp_path):
    with pytest.raises(BadRequest, match="has no workers"):
        drive(toy_study.runs([0]), Store(tmp_path / "s"), cluster=cluster.address)
    other = tmp_path / "other"
    shutil.copytree(alnb.REPOSITORY / "alnb", other / "alnb")
    init = other / "alnb" / "__init__.py"
    init.write_text(init.read_text().replace(f'"{alnb.__version__}"', '"0.0.1"'))
    cluster.worker(cluster.environment | {"PYTHONPATH": str(other)})
    cluster.wait_for_workers(1)
    with pytest.raises(BadRequest, match=r"alnb 0\.0\.1, here"):
        drive(toy_study.runs([0]), Store(tmp_path / "s"), cluster=cluster.address)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:8786", "expected tcp://"),
        ("tcp://10.0.0.7:8786", "use tls://"),
        ("tcp://0.0.0.0:8786", "use tls://"),
        ("tcp://127.0.0.1:1", "no Dask scheduler answers"),
    ],
)
def test_addresses_that_cannot_serve_are_refused(address, says, tmp_path):
    with pytest.raises(BadRequest, match=says):
        drive(toy_study.runs([0]), Store(tmp_path / "s"), cluster=address)
