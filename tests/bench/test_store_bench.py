"""The store: what a step costs after twenty, after hundreds and after thousands of steps before it."""

from __future__ import annotations

import pytest

from alnb.executor import drive
from alnb.store import Store
from tests import toy_study
from tests.bench.interleave import seconds, slope

pytestmark = pytest.mark.bench


def test_a_step_costs_after_thousands_what_it_costs_after_twenty(tmp_path):
    """Of a run whose oracle answers between the steps, and whose state grows with the answers."""
    counts, used = (20, 200, 2_000), []
    drive(toy_study.runs([1]), Store(tmp_path / "warm"), workers=1, oracle=toy_study.human)
    for rounds in counts:
        (run,), store = toy_study.runs([0], rounds=rounds), Store(tmp_path / str(rounds))
        used.append(seconds(lambda: drive([run], store, workers=1, oracle=toy_study.human)) / rounds)  # noqa: B023
        assert len(store.read(run).steps) == rounds + 1
    growth, fit = slope(counts, used)
    each = ", ".join(f"{1000 * one:.1f} ms of {n:,}" for n, one in zip(counts, used))
    print(f"\na step: {each}; n^{growth:.2f}, r2 {fit:.2f}")
    assert growth < 0.5
