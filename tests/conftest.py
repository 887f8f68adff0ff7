"""Every test has a store, figures and executed notebooks of its own; on all cores, what must be alone is.

`make test` spreads the tests over the cores (pytest-xdist). Tests that share a fixture of their module go to one worker,
so that it is made once; those marked `alone` go to one worker too, and take a lock that holds on the whole machine.
"""

import os
import tempfile
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

from alnb.machine import cores

os.environ.setdefault("OMP_NUM_THREADS", "1")
MOST = 8  # workers: each imports torch
LOCK = Path(tempfile.gettempdir()) / f"alnb-tests-{getattr(os, 'getuid', int)()}.lock"

# how long an example takes says how busy the machine is
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    return min(MOST, cores())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """On several cores: which tests go to one worker; the longest begin first."""
    if not hasattr(config, "workerinput"):
        return
    groups = {item: "alone" if alone(item) else shares_a_fixture(item) and item.path.stem for item in items}
    for item, group in groups.items():
        if group:
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: (groups[item] != "alone", not groups[item]))


def alone(item) -> bool:
    return any(item.get_closest_marker(name) for name in ("alone", "bench"))


def shares_a_fixture(item) -> bool:
    """Whether a fixture of the test's own module is made once for the module."""
    found = [item._fixtureinfo.name2fixturedefs.get(name, [None])[-1] for name in item.fixturenames]
    return any(fixture and fixture.scope == "module" and fixture.baseid == item.parent.nodeid for fixture in found)


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


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)
