"""Which rows of a dataset a run may see; what leaves the run is numbered as the dataset is."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alnb import datasets, races, records, selections
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.store import Store
from alnb.tasks.classification import Classification
from alnb.tasks.pool import PoolSettings, check, expected_size, pool_rows, reserved_rows
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
        shown = [row for row in store.read(run).rows if row["kind"] == "example"]
        assert len(shown) > 1 or run is not runs[1]
        assert all(targets[row["sample"]] == row["true"] and row["sample"] in rows for row in shown)
    first = store.read(runs[0].needs["cycle_0"]).steps[-1]["state"]["labelled"]
    assert store.read(runs[0]).steps[0]["state"]["labelled"] == first
    assert Classification(runs[0]).targets.tolist() == targets[rows].tolist()


def test_retraining_what_was_chosen_from_a_tail_equals_the_run(tailed, tmp_path):
    store, (run, _), (again, _) = tailed
    accuracies = lambda one: [row["accuracy"] for row in store.read(one).rows if row["kind"] == "test"]
    assert len(accuracies(run)) == 3
    assert accuracies(again) == accuracies(run)
    records.export([run], store, tmp_path)
    (selection,) = selections.of_study(tmp_path, run.study).values()
    assert selection["labelled"] == store.read(run).steps[-1]["state"]["labelled"]
    (published,) = races.retrained_selections(run.study, [selection], TINY | TAILED)
    assert not drive([published], store, workers=1).failed
    assert accuracies(published) == accuracies(run)


def test_a_published_selection_is_retrained_whatever_the_tail_of_its_pool_was(tmp_path):
    """What is labelled is all that such a run sees: samples that this notebook's tail leaves out are trained on too."""
    targets = datasets.load("digits").train_targets
    rows = set(pool_rows(PoolSettings(300, "step", 0.2), targets, 0).tolist())
    gone = next(i for i in range(300) if i not in rows)
    about = {"dataset": "digits", "method": "theirs", "seed": 0, "pool": 300}
    one = about | {"labelled": [*sorted(rows)[:20], gone], "batches": [20, 1]}
    (run,), (plain,) = (races.retrained_selections("label_dispersion", [one], TINY | more) for more in (TAILED, {}))
    assert run.key == plain.key
    assert not drive([run], Store(tmp_path), workers=1).failed


# --- what is reserved before the tail, and published lists (thesis ch. 4) -------------------------------------------------

EVEN = numpy.arange(50_000) % 10


@given(targets_of, shares, st.integers(0, 3), st.sampled_from(["fixed", "last", "per_seed"]), st.integers(1, 7))
def test_what_is_reserved_is_balanced_and_out_of_the_reach_of_the_tail(targets, share, seed, order, reserved):
    settings = PoolSettings(0, "step", share, order, reserved)
    aside, rows = reserved_rows(settings, targets, seed), pool_rows(settings, targets, seed)
    assert len(set(aside.tolist())) == reserved
    assert set(aside.tolist()) <= set(rows.tolist())
    assert sorted(set(rows.tolist())) == rows.tolist()
    counts = numpy.bincount(targets[aside], minlength=6)
    most = counts.max()
    assert all(counts[c] >= min(most - 1, (targets == c).sum()) for c in set(targets.tolist()))
    rest = numpy.setdiff1d(rows, aside)
    for c in set(targets.tolist()):
        left = int((targets == c).sum()) - counts[c]
        assert int((targets[rest] == c).sum()) in (left, min(left, max(1, round(share * left))))


@pytest.mark.parametrize(("imbalance", "size"), [(1.0, 50_000), (0.3, 34_250), (0.1, 29_750)])
def test_the_sizes_of_the_class_balance_chapter(imbalance, size):
    settings = PoolSettings(0, "step", imbalance, "last", 5_000)
    rows = pool_rows(settings, EVEN, 0)
    assert len(rows) == size == expected_size(settings, 50_000, 10)
    assert numpy.bincount(EVEN[rows]).tolist() == [5_000] * 5 + [500 + round(4_500 * imbalance)] * 5
    assert numpy.bincount(EVEN[reserved_rows(settings, EVEN, 0)]).tolist() == [500] * 10
    assert rows.tolist() != pool_rows(settings, EVEN, 1).tolist() or imbalance == 1


def test_a_tail_without_new_words_is_what_it_was():
    """Rows and settings of kept runs: nothing reserved, fixed or per seed."""
    targets = numpy.arange(60) % 6
    assert PoolSettings(0, "step", 0.2).drawn_by == "nothing"
    assert (
        pool_rows(PoolSettings(0, "step", 0.2), targets, 3).tolist()
        == pool_rows(PoolSettings(0, "step", 0.2), targets, 0).tolist()
    )
    assert numpy.bincount(targets[pool_rows(PoolSettings(0, "step", 0.2), targets, 0)]).tolist() == [10, 2] * 3


def test_a_published_list_is_the_pool_and_its_end_what_is_reserved(tmp_path, monkeypatch):
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "mine.txt").write_text("7\n3\n9\n1\n")
    monkeypatch.setenv("ALNB_DATA", str(tmp_path))
    with pytest.raises(BadRequest, match="holds mine@") as refused:
        pool_rows(PoolSettings(split="mine"), numpy.zeros(10), 0)
    split = str(refused.value).split()[-1]
    settings = PoolSettings(split=split, reserved=2)
    assert pool_rows(settings, numpy.zeros(10), 5).tolist() == [1, 3, 7, 9]
    assert reserved_rows(settings, numpy.zeros(10), 5).tolist() == [1, 9]
    assert expected_size(settings, 10, 2) == 4
    with pytest.raises(BadRequest, match="distinct rows from 0 to 8"):
        pool_rows(settings, numpy.zeros(9), 0)
    with pytest.raises(datasets.Missing, match="split 'other' is missing"):
        pool_rows(PoolSettings(split="other@00000000"), numpy.zeros(10), 0)
    with pytest.raises(BadRequest, match="takes no pool and no tail"):
        check(PoolSettings(split=split, tail="step"), 10)
    with pytest.raises(BadRequest, match="reserved = 10: expected 0 up to 9"):
        check(PoolSettings(reserved=10), 10)


AUTHORS = Path(os.environ.get("ALNB_CBAL_SPLITS") or datasets.default_root() / "splits")
LISTS = {
    "cifar10-long_tailed_dataset_IF_3": 0.3, "cifar10-long_tailed_dataset_IF_10": 0.1,
    "cifar100-long_tailed_dataset_IF_3": 0.3, "cifar100-long_tailed_dataset_IF_10": 0.1,
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_the_authors_lists_are_pools_of_ours(name, tmp_path, monkeypatch):
    """Public code of thesis ch. 4. ALNB_CBAL_SPLITS: the folder that holds their lists."""
    path = AUTHORS / f"{name}.txt.gz"
    if not path.is_file():
        pytest.skip(f"the authors' lists are not in {AUTHORS}")
    (tmp_path / "splits").symlink_to(AUTHORS)
    monkeypatch.setenv("ALNB_DATA", str(tmp_path))
    words = gzip.decompress(path.read_bytes()).decode().split()
    split = f"{name}@{hashlib.sha256(chr(10).join(words).encode()).hexdigest()[:8]}"
    settings = PoolSettings(split=split, reserved=5_000)
    rows, aside = pool_rows(settings, numpy.zeros(50_000), 0), reserved_rows(settings, numpy.zeros(50_000), 0)
    assert sorted(map(int, words)) == rows.tolist()
    first = gzip.decompress((AUTHORS / f"{name.split('-')[0]}-active_set_cycle_0.txt.gz").read_bytes()).decode().split()
    assert sorted(map(int, first)) == aside.tolist()
    built = PoolSettings(0, "step", LISTS[name], "last", 5_000)
    assert len(pool_rows(built, EVEN, 0)) == len(rows)
    training = name.split("-")[0].replace("cifar", "cifar-")
    if datasets.status(training)[0] == "there":  # the labels say which classes are the tail
        targets = datasets.load(training).train_targets
        kept, ours = (numpy.bincount(targets[one]) for one in (rows, pool_rows(built, targets, 0)))
        assert kept.tolist() == ours.tolist()
        assert len(set(numpy.bincount(targets[aside]).tolist())) == 1
