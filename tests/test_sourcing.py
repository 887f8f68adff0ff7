"""A seed is drawn from one source."""

import pytest

from alnb import records
from alnb.executor import drive
from alnb.runs import Run
from alnb.sourcing import sourced
from alnb.store import Store


@pytest.fixture
def four(tmp_path, monkeypatch):
    """Runs of one seed, `done(which)` those of them in a store, `kept(which)` those in the records."""
    runs = [Run("tests.toy_study", "people", "encoder", 0, {"parts": n}) for n in range(1, 5)]
    monkeypatch.setattr(records, "folder", lambda: tmp_path / "records")

    def done(which, name="store"):
        store = Store(tmp_path / name)
        assert not drive([runs[i] for i in which], store, workers=1, say=lambda line: None).failed
        return store

    def kept(which):
        records.export([runs[i] for i in which], done(which, "exporter"))

    return runs, done, kept


@pytest.mark.parametrize(("ours", "theirs", "drawn", "said"), [
    ([0, 1, 2], [0, 1, 2, 3], "records", ""),  # the store lacks one: all from the records
    ([0, 1], [0, 1], "store", ""),
    ([0, 1, 2], [0, 1], "store", ""),  # it lacks none of theirs
    ([0, 1], [1, 2, 3], "records", "left out: 1 this machine's of the runs on people seed 0: a seed is"),
    ([0, 1, 2], [2, 3], "store", "left out: 1 recorded of the runs on people seed 0: a seed is"),
    ([0, 1], [2, 3], "records", "left out: 2 this machine's"),
])  # fmt: skip
def test_a_seed_is_drawn_from_one_source_whichever_holds_more_of_it(four, ours, theirs, drawn, said):
    runs, done, kept = four
    kept(theirs)
    store, lines = done(ours), []
    pairs = sourced([*runs, runs[0]], "world", store, lines.append)
    which = ours if drawn == "store" else theirs
    assert [runs.index(run) for run, _ in pairs] == which + [0] * (0 in which)
    assert {"records" if "about" in step else "store" for _, steps in pairs for step in steps} == {drawn}
    assert len(lines) == bool(said)
    assert "".join(lines).startswith(said)
