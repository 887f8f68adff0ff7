"""Of which classes the batches were: counted again from what runs say they labelled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alnb import datasets
from alnb.asked import asked, imbalance
from alnb.executor import drive
from alnb.methods import label_dispersion as ch3
from alnb.methods.class_balance import l1_score
from alnb.store import Store


def test_each_batch_is_counted_and_further_cycles_are_apart(tmp_path):
    few = {"dataset": "digits", "seeds": 1, "arms": ["random(further=1)", "margin", "all_data"]}
    sizes = {"pool": 100, "initial": 10, "budget": 7, "cycles": 2, "epochs": 1, "batch": 16, "network": "small"}
    runs, store = ch3.grid(few, **sizes), Store(tmp_path)
    assert not drive(runs, store, workers=1).failed
    table = asked(runs, store)
    assert table[["method", "cycle", "asked"]].values.tolist() == [
        ["random", 0, 7],
        ["random", 1, 7],
        ["margin", 0, 7],
        ["margin", 1, 7],
    ]
    targets = datasets.load("digits").train_targets
    (margin,) = (run for run in runs if run.method == "margin")
    batches = [step["queries"] for step in store.read(margin).steps if step["queries"]]
    for batch, row in zip(batches, table[table["method"] == "margin"].to_dict("records"), strict=True):
        counts = np.bincount(targets[batch], minlength=10)
        assert row["l1"] == pytest.approx(l1_score(counts))
        assert row["largest"] == pytest.approx(100 * counts.max() / 7)
        assert row["absent"] == (counts == 0).sum()
        assert row["blank"] != row["blank"]  # nothing is known of it


def test_what_is_neither_done_nor_kept_has_no_row(tmp_path):
    runs = ch3.grid({"dataset": "digits", "arms": ["margin"]}, pool=100, initial=10, budget=7, cycles=2)
    table = asked(runs, Store(tmp_path))
    assert len(table) == 0
    assert "l1" in table


@given(st.lists(st.integers(0, 20), min_size=2, max_size=12).filter(any))
def test_imbalance_is_0_for_equal_counts_and_1_for_one_class(counts):
    assert 0 <= imbalance(counts) <= 1 + 1e-12
    assert imbalance([3] * len(counts)) == 0
    assert imbalance([5] + [0] * len(counts)) == pytest.approx(1)
    assert imbalance(counts) == pytest.approx(l1_score(counts))
