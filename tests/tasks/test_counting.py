"""Counting as a task: what it trains, shows and measures, with L2R-AL's modules beside it, and what it refuses."""

import dataclasses

import numpy as np
import pytest
import torch

from alnb import cycle, tasks
from alnb.acquisition import get
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.learning import density
from alnb.methods import learning_to_rank as l2r
from alnb.runs import State
from alnb.store import Store
from alnb.tasks import classification, counting

SMALL = {"dataset": "crowds-small", "pool": 24, "initial": 6, "budget": 4, "cycles": 1, "network": "counting_small",
         "epochs": 2, "batch": 4, "smallest_batch": 2, "lr": 0.003, "optimiser": "adam", "sigma": 1.5, "window": 7,
         "density_scale": 7.0}  # fmt: skip


def grid(*arms, shared=(), **more):
    few = {"few": {}, "sorter": "tiny", "epochs": 7, "network": "small"} | dict(shared)
    return l2r.grid(**few, counts={**SMALL, "arms": list(arms), **more})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("counting"))
    assert not drive(grid("l2r", "random", "ll4al"), store, workers=1).failed
    return store


def test_tasks_are_found_by_what_they_serve_and_agree_on_defaults():
    found = tasks.by_kind()
    assert found["counting"] is counting
    whole = l2r.Settings()
    for module in found.values():
        for field in dataclasses.fields(module.Settings):
            assert getattr(whole, field.name) == getattr(module.Settings(), field.name), (module.KIND, field.name)


def test_a_race_of_another_task_takes_nothing_that_is_shared():
    (run,) = grid("random", shared={"border": 2, "gamma": 0.5, "epochs": 9}.items())
    assert (run.options.epochs, run.options.border, run.options.gamma) == (2, -1, 0.2)
    assert run.race == "counts"
    classes = l2r.grid({"dataset": "digits", "arms": ["random"], "pool": 100, "initial": 20, "budget": 10, "cycles": 1}, gamma=0.5)
    assert classes[0].options.gamma == 0.5


def test_the_network_is_the_plain_one_bit_for_bit_and_the_module_has_learnt(store):
    first = {run.method: run.needs[cycle.FIRST] for run in grid("random", "l2r")}
    plain, carried = (store.final(first[name]).blobs["weights"] for name in ("random", "l2r"))
    assert all(torch.equal(value, carried[f"body.{key}"]) for key, value in plain.items())
    errors = [[row["mae"] for row in store.final(run).rows if row["kind"] == "test"] for run in first.values()]
    assert errors[0] == errors[1]
    (run,) = grid("l2r")
    task = l2r.task_of("counting")(run, State(needs={role: store.final(needed) for role, needed in run.needs.items()}))
    network = task.restore(carried)
    fresh = task.build(0)
    moved = zip(network.predictors["l2r"].parameters(), fresh.predictors["l2r"].parameters())
    assert any(not torch.equal(ours, theirs) for ours, theirs in moved)


def test_what_a_strategy_sees_and_what_is_measured(store):
    (run,) = grid("l2r")
    task = l2r.task_of("counting")(run, State(needs={role: store.final(needed) for role, needed in run.needs.items()}))
    network = task.restore(store.final(run.needs[cycle.FIRST]).blobs["weights"])
    candidates, labelled = np.arange(10), [20, 21]
    view = cycle.View(task, network, 0, candidates, labelled, task.labels(labelled, {}), None, True)
    made, features = density.maps(network, task.images[:10], **task.look_with)
    torch.testing.assert_close(view.embeddings, features)
    assert view.labelled_embeddings.shape == (2, 64)
    torch.testing.assert_close(view.predicted_counts, made.double().mean((1, 2)) * 48 * 64 / 7)
    assert torch.equal(get("largest_count")(view), view.predicted_counts)
    assert torch.equal(get("map_entropy")(view), density.entropies(made, 48 * 64))
    assert view.truth.tolist() == [len(points) for points in task.data.train_points[:10]]
    assert view.predicted_losses.shape == (10,)
    assert torch.equal(get("l2r")(view), view.predicted_losses)
    off = [float(task.counts(density.maps(network, task.test_images[i : i + 1], **task.look_with)[0])) - len(points)
           for i, points in enumerate(task.data.test_points)]  # fmt: skip
    found = task.evaluate(network)
    assert found["mae"] == pytest.approx(np.abs(off).mean(), rel=1e-4)
    assert found["rmse"] == pytest.approx(np.sqrt(np.square(off).mean()), rel=1e-4)


def test_the_losses_that_rankings_are_held_against_are_those_of_training(store):
    (run,) = grid("random")
    task = counting.Counting(run)
    network = task.restore(store.final(run.needs[cycle.FIRST]).blobs["weights"])
    free, true = task.judged(network, np.arange(3))
    y = task.densities([task.points[i] for i in range(3)])
    with torch.no_grad():
        from alnb.learning.augment import normalise

        outputs = network(normalise(task.images[:3], task.data.mean, task.data.std))
    expected = density.squared_error(outputs, y, 0, None, scale=7.0)
    torch.testing.assert_close(true, expected.double(), rtol=1e-3, atol=1e-4)
    assert set(free) == {"_entropy", "_count"}


def test_the_rows_of_a_run(store):
    rows = store.read(grid("l2r")[0]).rows
    tests = [row for row in rows if row["kind"] == "test"]
    assert [row["labelled"] for row in tests] == [6, 10]
    assert tests[0]["heads"] < tests[1]["heads"]
    for row in (row for row in rows if row["kind"] == "ranking"):
        assert row["over_count"] == row["spearman"] - row["spearman_count"]
        assert "over_p_max" not in row
    joint = next(run for run in grid("ll4al") if run.method == "ll4al")
    assert joint.options.joint == 0.6
    assert store.read(joint).done


def test_the_loop_in_memory_gives_the_rows_of_the_run(store):
    (run,) = grid("random")
    task = l2r.task_of("counting")(run)
    kept = [row for row in store.read(run).rows if row["kind"] == "test"]
    assert list(cycle.loop(task, get("random"), run.options.budget, run.options.cycles)) == kept


def test_a_persons_heads_are_taken_and_those_outside_refused():
    task = counting.Counting(grid("random")[0])
    answered = task.labels([0, 1], {1: [(3.0, 4.0), (63.5, 47.5)]})
    assert answered[1].tolist() == [[3.0, 4.0], [63.5, 47.5]]
    assert len(answered[0]) == len(task.points[0])
    assert float(task.densities(answered)[1].sum()) == pytest.approx(2, abs=1e-4)
    with pytest.raises(BadRequest, match="expected heads within 64 x 48 pixels"):
        task.labels([0], {0: [(64.0, 1.0)]})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"network": "resnet18"}, "network = 'resnet18': expected one of"),
        ({"weights": "imagenet"}, "'counting_small' has no weights of ImageNet"),
        ({"sigma": 0.0}, "sigma = 0.0: expected above 0"),
        ({"window": 8}, "window = 8: expected an odd number"),
        ({"dropout": 0.5}, "dropout = 0.5: counting has no classes and no dropout"),
        ({"initial_labels": "balanced"}, "initial_labels = 'balanced': counting has no classes"),
        ({"pool": 500}, "pool = 500: the dataset has 160"),
        ({"module_lr": 0.0}, "module_lr = 0.0: expected above 0"),
        ({"arms": ["entropy"]}, "entropy needs 'log_probabilities', which learning_to_rank on crowds-small does not offer"),
    ],
)
def test_what_cannot_be_is_refused(more, said):
    with pytest.raises(BadRequest, match=said):
        grid(*more.pop("arms", ["random"]), **more)


def test_classes_are_refused_crowds():
    with pytest.raises(BadRequest, match="crowds-small is a dataset of counting, not of classification"):
        classification.check(l2r.Settings(), "crowds-small")
