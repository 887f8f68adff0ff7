"""How a notebook is run headless: what its kernel gets to see, and that no news is no good news."""

import json
import os

import papermill
import pytest

from alnb import headless, plans


@pytest.fixture
def run(monkeypatch, tmp_path):
    """execute() with a kernel that does what `does` says; gives what it returned and the environment the kernel saw."""
    monkeypatch.setenv("ALNB_EXECUTED", str(tmp_path))

    def run(does=lambda made: None, **given):
        made, seen = plans.plan("00_active_learning", "smoke"), {}

        def execute_notebook(*args, **kwargs):
            seen.update(os.environ)
            does(made)

        monkeypatch.setattr(papermill, "execute_notebook", execute_notebook)
        return headless.execute(made, **given), seen

    return run


def note(made, **more):
    path = plans.outcome_path(made)
    path.write_text(json.dumps({"computed": 3, "failed": {}} | more))


def test_a_notebook_that_says_nothing_of_what_it_did_has_failed(run):
    (well, done), _ = run()
    assert not well
    assert "left no word" in done["error"]
    for damaged in ("{half", "[" * 20_000):
        (well, done), _ = run(lambda made, damaged=damaged: plans.outcome_path(made).write_text(damaged))
        assert not well


def test_one_that_noted_what_it_did_went_well_unless_a_run_failed(run):
    assert run(note)[0] == (True, {"computed": 3, "failed": {}, "error": ""})
    assert not run(lambda made: note(made, failed={"a run": "why"}))[0][0]


def test_a_foreign_kernel_and_what_was_set_before_do_not_reach_it_and_come_back(run, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", "/somewhere/else")
    monkeypatch.setenv("ALNB_PROFILE", "paper")
    _, seen = run(note, workers=2, cluster="tls://h:1")
    assert "JUPYTER_PATH" not in seen
    assert {name: seen[name] for name in ("ALNB_PROFILE", "ALNB_WORKERS", "ALNB_CLUSTER")} == {
        "ALNB_PROFILE": "smoke", "ALNB_WORKERS": "2", "ALNB_CLUSTER": "tls://h:1",
    }  # fmt: skip
    assert (os.environ["JUPYTER_PATH"], os.environ["ALNB_PROFILE"]) == ("/somewhere/else", "paper")
    assert "ALNB_CLUSTER" not in os.environ


def test_sockets_of_a_killed_run_are_swept_and_those_of_a_live_one_stay(tmp_path):
    dead, alive, other = (tmp_path / name for name in ("alnb-999999999-1-1", f"alnb-{os.getpid()}-1-1", "kernel-1.json"))
    for path in (dead, alive, other):
        path.touch()
    headless._sweep(tmp_path)
    assert [path.exists() for path in (dead, alive, other)] == [False, True, True]
