"""Forgetting events against brute force over presentations; the rows, grids and pictures of chapter 1."""

import math

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alnb import acquisition, cycle, datasets
from alnb.acquisition.clusters import nearest_to_centres
from alnb.drawn import plane
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.learning.feed import Images
from alnb.learning.recipe import Recipe
from alnb.learning.train import train
from alnb.methods import active_learning as ch1
from alnb.runs import Run
from alnb.store import Store
from alnb.tasks.classification import Classification
from alnb.worlds import points
from tests.acquisition.toy_view import toy_view

histories = st.integers(1, 12).flatmap(
    lambda t: st.lists(st.lists(st.booleans(), min_size=t, max_size=t), min_size=1, max_size=6)
)
RACE = {"dataset": "points-arms", "arms": ["random", "margin"], "initial": 9, "budget": 6, "cycles": 2}
ON_POINTS = {"epochs": 60, "lr": 0.3, "weight_decay": 1e-3, "hidden": 16}
TINY = {"pool": 150, "network": "small", "epochs": 4, "batch": 32, "lr": 0.05}
WATCHED = {"dataset": "digits", "arms": ["forgetting"], **TINY}


# --- forgetting ----------------------------------------------------------------------------------------------------------


def by_hand(history):
    """Walk through the presentations of one sample, remembering the last: (events, ever right)."""
    events, last, ever = 0, False, False
    for right in history:
        if last and not right:
            events += 1
        last, ever = right, ever or right
    return events, ever


@given(histories)
def test_forgetting_events_against_a_walk_through_the_presentations(samples):
    correct = torch.tensor(samples).T  # (T, n)
    wanted = [by_hand(history) for history in samples]
    found = ch1.forgetting_events(correct)
    assert found.dtype == torch.int64
    assert found.tolist() == [events for events, _ in wanted]
    assert ch1.never_learnt(correct).tolist() == [not ever for _, ever in wanted]
    assert ch1.forgettability(correct).tolist() == [events if ever else math.inf for events, ever in wanted]
    assert found.max() <= len(correct) // 2


def test_the_worked_example():
    correct = torch.tensor([[0, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0]]).bool()
    assert ch1.forgetting_events(correct).tolist() == [0, 2, 1, 0]
    assert ch1.forgettability(correct).tolist() == [0, 2, 1, math.inf]


@given(histories, st.integers(0, 5))
def test_the_histogram_counts_every_sample_once_in_its_part(samples, seed):
    correct, targets = torch.tensor(samples).T, numpy.zeros(len(samples), int)
    parts = ["easy" if i % 2 else "rare" for i in range(len(samples))]
    rows = [r for r in ch1.forgetting_rows(correct, targets, parts, seed) if r["kind"] == "forgetting_histogram"]
    for part in ("easy", "rare"):
        wanted = [by_hand(h) for h, p in zip(samples, parts) if p == part]
        for row in rows:
            if row["part"] == part:
                assert row["samples"] == sum(w == (row["events"], row["learnt"]) for w in wanted)
        assert sum(r["samples"] for r in rows if r["part"] == part) == len(wanted)


def test_the_shown_samples_are_the_extremes_of_their_class_and_the_never_learnt_come_last():
    rng = numpy.random.default_rng(0)
    correct = torch.tensor(rng.random((15, 200)) < rng.random(200) ** 0.5)
    correct[:, 7] = False
    targets = numpy.arange(200) % 7
    rows = [r for r in ch1.forgetting_rows(correct, targets, ["all"] * 200, 3) if r["kind"] == "forgetting"]
    sortable = ch1.forgettability(correct).numpy()
    assert sorted({r["class"] for r in rows}) == list(range(ch1.CLASSES))
    for label in range(ch1.CLASSES):
        own = numpy.sort(sortable[targets == label])
        for side, wanted in (("unforgettable", own[: ch1.SHOWN]), ("forgettable", own[::-1][: ch1.SHOWN])):
            shown = sorted((r for r in rows if r["class"] == label and r["side"] == side), key=lambda r: r["rank"])
            assert all(targets[r["sample"]] == label for r in shown)
            assert [sortable[r["sample"]] for r in shown] == wanted.tolist()
    (never,) = [r for r in rows if r["sample"] == 7]
    assert (never["side"], never["rank"], never["learnt"], never["first_learnt"]) == ("forgettable", 0, False, None)
    for row in rows:
        if row["learnt"]:
            history = correct[:, row["sample"]].tolist()
            assert row["first_learnt"] == history.index(True) + 1


def test_ties_are_broken_by_the_seed_and_only_by_it():
    correct, targets = torch.ones(4, 60).bool(), numpy.zeros(60, int)
    shown = [[r["sample"] for r in ch1.forgetting_rows(correct, targets, ["all"] * 60, seed) if "sample" in r]
             for seed in (0, 0, 1)]  # fmt: skip
    assert shown[0] == shown[1] != shown[2]


def test_the_run_counts_what_the_engine_presented(tmp_path):
    """The same training by the engine itself, without task and store."""
    run = ch1.grid(watched=WATCHED)[0]
    store = Store(tmp_path)
    assert not drive([run], store, workers=1).failed
    task = Classification(run)
    o, recipe = run.options, Recipe(4, 32, 0.05)
    assert o.milestones == recipe.milestones
    look = {"mean": task.data.mean, "std": task.data.std, "crop": task.data.crop, "flip": task.data.flip}
    order, augment = (task._stream(name, 0) for name in ("data order", "augmentation"))
    correct = train(
        task.build(0), Images(task.images, task.targets, **look), recipe, order=order, augment=augment
    ).correct
    counts = {}
    for history in correct.T.tolist():
        counts[by_hand(history)] = counts.get(by_hand(history), 0) + 1
    rows = [r for r in store.read(run).rows if r["kind"] == "forgetting_histogram"]
    assert {(r["events"], r["learnt"]): r["samples"] for r in rows} == counts


def test_the_samples_of_a_pool_with_gaps_are_numbered_as_the_dataset_is(tmp_path):
    tail = {"pool": 300, "tail": "step", "imbalance": 0.2}
    watched = {"dataset": "digits", "arms": ["forgetting"], "network": "small", "epochs": 2, "batch": 32, "lr": 0.05}
    run, store = ch1.grid(watched=watched | tail)[0], Store(tmp_path)
    assert not drive([run], store, workers=1).failed
    targets, rows = datasets.load("digits").train_targets, Classification(run).rows
    shown = [row for row in store.read(run).rows if row["kind"] == "forgetting"]
    assert all(targets[row["sample"]] == row["class"] and row["sample"] in rows for row in shown)
    assert max(row["sample"] for row in shown) >= len(rows)


def test_a_world_tells_its_parts_and_real_data_does_not():
    data = datasets.load("glyphs-10-16px")
    parts = ch1._parts(data, numpy.arange(500))
    assert set(parts) == {"easy", "medium", "rare", "ambiguous"}
    assert parts.count("ambiguous") == int(data.details["ambiguous"][:500].sum())
    assert set(ch1._parts(datasets.load("digits"), numpy.arange(10))) == {"all"}


# --- batches from clusters ---------------------------------------------------------------------------------------------------


def test_cluster_centres_finds_the_middle_of_each_of_three_clumps_largest_first():
    rng = torch.Generator().manual_seed(0)
    sizes, middles = (30, 20, 10), torch.tensor([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]])
    clumps = [m + torch.randn(n, 2, generator=rng) for n, m in zip(sizes, middles)]
    view = toy_view(U=60, D=2).replaced(embeddings=torch.cat(clumps))
    rows = acquisition.get("cluster_centres").choose(view, 3, torch.Generator().manual_seed(1)).rows
    assert [int(r >= 30) + int(r >= 50) for r in rows] == [0, 1, 2]
    for row, clump, start in zip(rows, clumps, (0, 30, 50)):
        distances = (clump - clump.mean(0)).norm(dim=1)
        assert int(row) - start == int(distances.argmin())


def test_weights_pull_the_centre():
    spread = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
    for weights, nearest in (([1.0, 1, 1, 0], 1), ([0.0, 0, 0, 5], 3), ([9.0, 0, 0, 0], 0)):
        assert nearest_to_centres(spread, torch.tensor(weights), 1, torch.Generator().manual_seed(0)).tolist() == [
            nearest
        ]


def test_beta_1_is_margin_and_a_larger_beta_keeps_to_its_candidates():
    view = toy_view(U=200, C=3)
    by_margin = acquisition.get("margin").choose(view, 60, None).rows.tolist()
    rng = torch.Generator().manual_seed(4)
    assert set(acquisition.get("diverse_margin").choose(view, 12, rng, beta=1).rows.tolist()) == set(by_margin[:12])
    assert set(acquisition.get("diverse_margin").choose(view, 12, rng, beta=5).rows.tolist()) < set(by_margin)
    with pytest.raises(BadRequest, match="beta = 0"):
        acquisition.get("diverse_margin").choose(view, 12, rng, beta=0)


def test_equal_points_still_give_distinct_rows():
    rows = nearest_to_centres(torch.zeros(9, 2), torch.zeros(9), 6, torch.Generator().manual_seed(0))
    assert len(set(rows.tolist())) == 6


# --- views ----------------------------------------------------------------------------------------------------------------------


def test_views_are_seeded_distorted_and_leave_the_global_generator_alone():
    image = torch.randint(0, 256, (3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    before = torch.get_rng_state()
    first, again, other = (ch1.augmented_views(image, seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["view 1"], other["view 1"])
    assert not torch.equal(first["view 1"], first["view 2"])
    assert torch.equal(first["original"], image)
    assert torch.equal(first["flipping"], image.flip(2))
    assert all(view.shape == image.shape and view.dtype == torch.uint8 for view in first.values())
    assert first["blur"].float().var() < image.float().var()


# --- the study ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def race(tmp_path_factory):
    store, runs = Store(tmp_path_factory.mktemp("toy")), ch1.grid(RACE, **ON_POINTS)
    assert not drive(runs, store, workers=1).failed
    return store, runs, store.frame(runs)


def test_rows_hold_what_was_labelled_when_and_the_classifier_that_was_trained(race):
    store, runs, frame = race
    world = points.load("points-arms")
    for run in runs:
        rows, steps = frame[frame["key"] == run.key], store.read(run).steps
        assert plane.labelled(rows, 0, 2) == steps[-1]["state"]["labelled"]
        for c in (0, 1):
            assert plane.labelled(rows, c + 1, c + 1) == steps[c]["queries"]
        for c in (0, 1, 2):
            with torch.no_grad():
                said = plane.classifier(rows, c)(torch.tensor(world.test_points)).argmax(1).numpy()
            assert plane.accuracy(rows, c)["accuracy"] == pytest.approx(100 * (said == world.test_targets).mean())


def test_the_grid_is_seed_major_its_keys_are_stable_and_it_refuses_what_does_not_exist():
    runs = ch1.grid(RACE | {"seeds": 2}, watched=WATCHED, **ON_POINTS)
    assert [(r.seed, r.method) for r in runs] == [
        (0, ch1.FORGETTING), (0, "random"), (0, "margin"), (1, "random"), (1, "margin")
    ]  # fmt: skip
    assert len({run.needs[cycle.FIRST].key for run in runs[1:3]}) == 1
    assert ch1.seconds(runs[1]) > 0
    assert ch1.seconds(Run("active_learning", "digits", ch1.FORGETTING, 0, TINY | {"epochs": 8})) == pytest.approx(
        2 * ch1.seconds(runs[0])
    )
    for change, says in (
        ({"first": RACE | {"arms": ["margn"]}}, "first: .*did you mean 'margin'"),
        ({"first": RACE | {"dataset": "points-arm"}}, "did you mean points-arms"),
        ({"first": RACE | {"seeds": [1, 1]}}, "first: seeds repeats 1"),
        ({"first": RACE | {"arms": []}}, "first: arms is empty"),
        ({"first": RACE | {"cycles": 200}}, "first: .*more than the pool's 450"),
        ({"first": RACE | {"arms": ["diverse_margin(beta='many')"]}}, "diverse_margin: beta = 'many'"),
        ({"first": RACE | {"acquisition_transform": "train"}}, "points have no training transform"),
        ({"first": {}}, "every race is left out"),
        ({"watched": WATCHED | {"dataset": "digit"}}, "unknown dataset 'digit'"),
        ({"watched": WATCHED | {"pool": 5000}}, "digits has 1297 training samples|pool = 5000"),
        ({"watched": WATCHED | {"arms": ["random"]}}, "arm 'random'; accepted: forgetting"),
        ({"watched": WATCHED, "images": [2000]}, "2000 is not in the pool"),
    ):
        with pytest.raises(BadRequest, match=says):
            ch1.grid(**{"first": RACE} | change, **ON_POINTS)


def test_what_is_shared_by_the_races_on_points_does_not_reach_the_training_that_is_watched():
    """Else another learning rate on points would train the images anew."""
    key = lambda **shared: ch1.grid(RACE, watched=WATCHED, **ON_POINTS | shared)[0].key
    assert key() == key(hidden=3, lr=0.1) == ch1.grid(watched=WATCHED)[0].key


def test_a_run_that_goes_on_shows_its_own_cycles_and_a_retrained_one_its_networks(tmp_path):
    store, arms = Store(tmp_path), ["random(further=1)", "margin(retrain=True)"]
    runs = ch1.grid(RACE | {"arms": arms}, **ON_POINTS)
    assert not drive(runs, store, workers=1).failed
    frame = store.frame(runs)
    shown = frame[(frame["method"] == "random") & (frame["kind"] == "classifier")]
    assert shown["cycle"].tolist() == [0, 1, 2, 3]
    asked = frame[(frame["method"] == "random") & (frame["kind"] == "labelled")]
    assert asked.groupby("cycle")["sample"].size().tolist() == [9, 6, 6, 6]
    assert not asked["sample"].duplicated().any()
    assert (frame.loc[frame["method"] == "margin retrained", "kind"] != "classifier").all()
