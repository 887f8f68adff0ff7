"""Which rows of a dataset a run may see; what leaves the run is numbered as the dataset is."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alnb import datasets, races, records
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.store import Store
from alnb.tasks.classification import Classification
from alnb.tasks.pool import PoolSettings, check, pool_rows
from tests.tiny import TINY, grid

targets_of = st.lists(st.integers(0, 5), min_size=8, max_size=120).map(numpy.array)
shares = st.floats(0.01, 1.0)
TAILED = {"tail": "step", "imbalance": 0.2, "pool": 300}


def kept_per_class(targets, rows, size):
    return {
        c: (int((targets[rows] == c).sum()), int((targets[:size] == c).sum())) for c in set(targets[:size].tolist())
    }


@given(targets_of, st.integers(0, 8), st.integers(0, 3))
def test_without_a_tail_a_pool_is_the_first_rows_and_all_of_them_for_0(targets, pool, seed):
    rows = pool_rows(PoolSettings(pool=pool), targets, seed)
    assert rows.tolist() == list(range(pool or len(targets)))


@given(targets_of, shares, st.integers(0, 3), st.booleans(), st.integers(0, 20))
def test_a_step_leaves_every_second_class_with_its_share_and_the_others_whole(targets, share, seed, drawn, cut):
    size = max(1, len(targets) - cut)
    settings = PoolSettings(size, "step", share, "per_seed" if drawn else "fixed")
    rows = pool_rows(settings, targets, seed)
    assert sorted(set(rows.tolist())) == rows.tolist()
    assert rows.max() < size
    counts = kept_per_class(targets, rows, size)
    cut_short = {c for c, (kept, had) in counts.items() if kept < had}
    classes = sorted(counts)
    if not drawn:
        assert cut_short <= set(classes[1::2])
        for c in classes[1::2]:
            assert counts[c][0] == max(1, round(share * counts[c][1]))
    assert len(cut_short) <= len(classes) // 2
    assert all(kept in (had, max(1, round(share * had))) for kept, had in counts.values())


@given(targets_of, shares, st.integers(0, 3), st.booleans())
def test_an_exponential_tail_falls_geometrically_from_all_to_the_share(targets, share, seed, drawn):
    rows = pool_rows(PoolSettings(0, "exponential", share, "per_seed" if drawn else "fixed"), targets, seed)
    assert sorted(set(rows.tolist())) == rows.tolist()
    counts = kept_per_class(targets, rows, len(targets))
    n = len(counts)
    wanted = [share ** (place / max(1, n - 1)) for place in range(n)]
    if not drawn:
        for place, c in enumerate(sorted(counts)):
            assert counts[c][0] == max(1, round(wanted[place] * counts[c][1]))
    else:  # each class has one of the places
        for c, (kept, had) in counts.items():
            assert kept in {max(1, round(w * had)) for w in wanted}, c


def test_the_order_of_the_tail_is_fixed_or_drawn_and_so_are_its_samples():
    targets = numpy.arange(600) % 6
    some = lambda how, seed: pool_rows(PoolSettings(0, "step", 0.1, how), targets, seed)
    assert some("fixed", 0).tolist() == some("fixed", 7).tolist()
    assert some("per_seed", 1).tolist() == some("per_seed", 1).tolist() != some("per_seed", 2).tolist()
    short = {tuple(c for c in range(6) if (targets[some("per_seed", s)] == c).sum() < 100) for s in range(12)}
    assert len(short) > 4
    assert all(len(classes) == 3 for classes in short)


def test_equal_shares_leave_everything():
    targets = numpy.arange(60) % 6
    for tail in ("step", "exponential"):
        assert pool_rows(PoolSettings(0, tail, 1.0), targets, 0).tolist() == list(range(60))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pool": 1001}, "pool = 1001: the dataset has 1000"),
        ({"pool": -1}, "pool = -1"),
        ({"imbalance": 0.0}, "imbalance = 0.0"),
        ({"imbalance": 1.5}, "imbalance = 1.5"),
    ],
)
def test_a_pool_that_cannot_be_is_refused(change, says):
    with pytest.raises(BadRequest, match=says):
        check(PoolSettings(**change), 1000)
    with pytest.raises(BadRequest, match=r"tail = 'stairs'.*'none', 'step', 'exponential'"):
        grid(["random"], tail="stairs")


def test_a_tail_changes_the_key_and_no_tail_does_not():
    plain = grid(["random"])[0]
    assert grid(["random"], tail="none", imbalance=1.0)[0].key == plain.key
    assert len({plain.key, *(grid(["random"], **TAILED | c)[0].key for c in ({}, {"imbalance": 0.3}))}) == 3


@pytest.fixture(scope="module")
def tailed(tmp_path_factory):
    """Runs whose pool has holes: positions in the pool and numbers of the dataset differ."""
    store = Store(tmp_path_factory.mktemp("tailed"))
    runs = grid(["random", "dispersion"], **TAILED)
    again = [races.retrained_run(runs[0]), races.further_run(runs[1], 1)]
    assert not drive([*runs, *again], store, workers=1).failed
    return store, runs, again


def test_what_leaves_a_run_is_numbered_as_the_dataset_is(tailed):
    store, runs, (_, further) = tailed
    targets = datasets.load("digits").train_targets
    rows = pool_rows(PoolSettings(300, "step", 0.2), targets, 0)
    gaps = sorted(set(range(300)) - set(rows.tolist()))
    assert len(rows) < 250
    for run in (*runs, further):
        steps = store.read(run).steps
        labelled, queries = steps[-1]["state"]["labelled"], [q for step in steps for q in step["queries"]]
        assert set(labelled) <= set(rows.tolist())
        assert not set(labelled) & set(gaps)
        assert labelled[-len(queries) :] == queries
        assert len(set(labelled)) == len(labelled)
        assert max(labelled) >= len(rows)  # a position of the pool never is
        shown = [row["sample"] for row in store.read(run).rows if row["kind"] == "example"]
        assert set(shown) <= set(rows.tolist())
    first = store.read(runs[0].needs["cycle_0"]).steps[-1]["state"]["labelled"]
    assert store.read(runs[0]).steps[0]["state"]["labelled"] == first
    assert Classification(runs[0]).targets.tolist() == targets[rows].tolist()


def test_retraining_what_was_chosen_from_a_tail_equals_the_run(tailed, tmp_path):
    store, (run, _), (again, _) = tailed
    accuracies = lambda one: [row["accuracy"] for row in store.read(one).rows if row["kind"] == "test"]
    assert len(accuracies(run)) == 3
    assert accuracies(again) == accuracies(run)
    records.export([run], store, tmp_path)
    (selection,) = records.selections(tmp_path, run.study).values()
    assert selection["labelled"] == store.read(run).steps[-1]["state"]["labelled"]
    (published,) = races.retrained_selections(run.study, [selection], TINY | TAILED)
    assert not drive([published], store, workers=1).failed
    assert accuracies(published) == accuracies(run)


def test_retraining_samples_that_a_tail_does_not_have_is_one_clear_line(tmp_path):
    targets = datasets.load("digits").train_targets
    rows = set(pool_rows(PoolSettings(300, "step", 0.2), targets, 0).tolist())
    gone = next(i for i in range(300) if i not in rows)
    about = {"dataset": "digits", "method": "theirs", "seed": 0, "pool": 300}
    (run,) = races.retrained_selections(
        "label_dispersion", [about | {"labelled": [*sorted(rows)[:20], gone], "batches": [20, 1]}], TINY | TAILED
    )
    (why,) = drive([run], Store(tmp_path), workers=1, say=str).failed.values()
    assert f"sample {gone} is not in the pool of {len(rows)}" in why
