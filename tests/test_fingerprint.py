"""What decides what a strategy of a cell does, its helper modules among it."""

import pickle
import sys

import cloudpickle
import pytest

import alnb
from alnb import acquisition
from alnb import fingerprint as fingerprints
from alnb.errors import BadRequest
from alnb.fingerprint import Digest, fingerprint

HELPER = "def weight(): return {}\n"
OTHER = "import {name}_helper\ndef f(): return {name}_helper.weight()\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(fingerprints, "_first_seen", {})
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("mine_")]:
        del sys.modules[name]


def digest(function):
    made = Digest()
    fingerprint(function, "a strategy", function.__module__, made)
    return made.hexdigest()


def test_a_helper_module_that_changes_changes_the_strategy(place):
    (place / "mine_helper.py").write_text(HELPER.format(1))
    (place / "mine_other.py").write_text(OTHER.format(name="mine"))
    import mine_helper
    import mine_other

    def by_module(view, helper=mine_helper):
        return helper.weight()

    def by_import(view):
        import mine_other

        return mine_other.f()

    def by_function(view, weight=mine_helper.weight):
        return weight()

    def by_none(view):
        return 1

    functions = (by_module, by_import, by_function, by_none)
    before = [digest(function) for function in functions]
    assert before == [digest(function) for function in functions]
    (place / "mine_helper.py").write_text(HELPER.format(2))
    for function in functions[:3]:  # the process still has the old one, which would run under the new name
        with pytest.raises(BadRequest, match=r"the module mine_helper has changed since it was loaded, .*: restart"):
            digest(function)
    assert digest(by_none) == before[3]
    assert mine_other.f() == 1
    fingerprints._first_seen.clear()  # as a kernel that was restarted begins
    after = [digest(function) for function in functions]
    assert [a != b for a, b in zip(before, after)] == [True, True, True, False]


def test_a_helper_module_that_changes_before_a_worker_loads_it_is_refused_there(place):
    """And one that a worker, which lives on, loaded before it changed."""
    (place / "mine_helper.py").write_text(HELPER.format(1))
    parcel = []

    def made():
        import mine_helper

        @alnb.score("by_helper")
        def by_helper(view, *, helper=mine_helper):
            return helper.weight()

        strategy = acquisition.local.pop("by_helper")
        parcel[:] = [cloudpickle.dumps(strategy)]
        return strategy

    assert [name for name, _ in made().helpers] == ["mine_helper"]
    assert pickle.loads(parcel[0]).function(None) == 1
    (place / "mine_helper.py").write_text(HELPER.format(2))
    with pytest.raises(BadRequest, match="mine_helper has changed"):
        made()
    old = parcel[0]
    for forget in (True, False):
        if forget:  # as a worker that starts now
            fingerprints._first_seen.clear()
            del sys.modules["mine_helper"]
        with pytest.raises(BadRequest, match="a worker has another version of the module mine_helper"):
            pickle.loads(old)
    acquisition.local.pop("by_helper", None)


def test_what_is_installed_is_left_to_the_versions():
    def whole(view):
        import json

        import numpy

        return numpy.asarray(json.loads("[1]"))

    assert digest(whole) == digest(whole)
