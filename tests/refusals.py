"""What every request that cannot be served has to look like: one line, exit code 2, nothing begun."""

import warnings

import pytest

from alnb import cli, headless


@pytest.fixture
def nothing_begins(monkeypatch):
    def begun(*args, **kwargs):
        raise AssertionError("it began")

    monkeypatch.setattr(headless, "execute", begun)
    monkeypatch.setattr("alnb.executor.drive", begun)


def one_line(capsys, *words):
    """What `alnb` says, which is one line and exit code 2."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cli.main([str(word) for word in words]) == cli.BAD
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("alnb: ")
    assert said.err.count("\n") == 1
    assert len(said.err) < 700
    return said.err
