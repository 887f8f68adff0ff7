"""What decides what a strategy of a cell does, its helper modules among it."""

import hashlib
import sys

import pytest

from alnb.fingerprint import fingerprint

HELPER = "def weight(): return {}\n"
OTHER = "import {name}_helper\ndef f(): return {name}_helper.weight()\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("mine_")]:
        del sys.modules[name]


def digest(function):
    made = hashlib.sha256()
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
    after = [digest(function) for function in functions]
    assert [a != b for a, b in zip(before, after)] == [True, True, True, False]
    assert mine_other.f() == 1  # the process still has the old one: what was hashed is what others will import


def test_what_is_installed_is_left_to_the_versions():
    def whole(view):
        import json

        import numpy

        return numpy.asarray(json.loads("[1]"))

    assert digest(whole) == digest(whole)
