"""Every test has a store, figures and executed notebooks of its own; on all cores, what must be alone is.

`make test` spreads the tests over the cores (pytest-xdist). Tests that share a fixture of their module go to one worker,
so that it is made once; those marked `alone` go to one worker too, and take a lock that holds on the whole machine.
"""

import functools
import os
import re
import tempfile
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

from alnb import REPOSITORY
from alnb.machine import cores

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("ALNB_DEVICE", "cpu")  # results are held against a CPU's; ALNB_DEVICE=cuda asks for a GPU's
MOST = 8  # workers: each imports torch
LOCK = Path(tempfile.gettempdir()) / f"alnb-tests-{getattr(os, 'getuid', int)()}.lock"

# how long an example takes says how busy the machine is
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    return min(MOST, cores() + 1)  # one is often waiting: for a browser, for a process that is to be killed


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """By `together`, in the order of collection. xdist's own loadgroup loses its groups with pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return together(nodeid.partition("::")[0]) or nodeid

    config.option.loadscopereorder = False
    return Together(config, log)


def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):  # on several cores the longest begin first: what is alone, then what is together
        groups = {item: together(item.nodeid.partition("::")[0]) for item in items}
        items.sort(key=lambda item: (groups[item] != "alone", not groups[item]))


@functools.cache
def together(file: str) -> str:
    """Why the tests of a file stay on one worker: they are "alone", with those of other files, or share a fixture of their
    module, then it is the file; "" if each may go where there is room."""
    text = (REPOSITORY / file).read_text()
    return "alone" if re.search(r"mark\.(alone|bench)\b", text) else file if 'scope="module"' in text else ""


def alone(item) -> bool:
    return any(item.get_closest_marker(name) for name in ("alone", "bench"))


@pytest.fixture(autouse=True)
def one_at_a_time(request):
    if alone(request.node):
        with FileLock(LOCK):
            yield
    else:
        yield


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("ALNB_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("ALNB_FIGURES", str(tmp_path / "figures"))
    monkeypatch.setenv("ALNB_EXECUTED", str(tmp_path / "executed"))
    monkeypatch.delenv("ALNB_PROFILE", raising=False)
    monkeypatch.delenv("ALNB_PARAMETERS", raising=False)


@pytest.fixture(scope="session")
def smoke_store(tmp_path_factory):
    """The store of whatever draws a whole notebook at `smoke`: its runs are computed once, on whichever worker asks first."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "smoke-store"


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)
