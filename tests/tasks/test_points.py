"""The worlds of points and the task on them: geometry, freezing, and the interface the cycle asks of a task."""

import copy
import math

import numpy
import pytest
import torch

from alnb import acquisition, cycle, races
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.learning import networks
from alnb.learning.feed import Tensors
from alnb.learning.recipe import Recipe
from alnb.learning.train import train
from alnb.methods import active_learning as ch1
from alnb.runs import Run, numpy_stream, study, torch_stream
from alnb.store import Store
from alnb.tasks.points import Points
from alnb.worlds import points

SETTINGS = {"initial": 9, "budget": 5, "cycles": 2, "epochs": 150, "lr": 0.3, "hidden": 8}


def task(name="points-arms", **settings):
    return Points(Run("active_learning", name, cycle.ALL, 0, SETTINGS | settings))


# --- the worlds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(points.PRESETS))
def test_a_world_is_always_the_same_and_balanced_and_its_test_set_is_other_points(name):
    first = points.load(name)
    points.load.cache_clear()
    again = points.load(name)
    assert numpy.array_equal(first.train_points, again.train_points)
    assert first.train_points.dtype == numpy.float32
    assert len(first.train_points) == points.size(name)
    shares = numpy.bincount(first.train_targets) / len(first.train_targets)
    assert len(shares) == first.classes == len(first.class_names)
    assert shares.max() - shares.min() < 0.02
    assert not set(map(tuple, first.train_points)) & set(map(tuple, first.test_points))
    assert abs(first.train_points).max() < 2.7


def behind(world, where):
    """Share of points that lie on the other class's side of the straight line between the mainlands."""
    turned = [[math.cos(points.TURN), -math.sin(points.TURN)], [math.sin(points.TURN), math.cos(points.TURN)]]
    x = (where[0] @ numpy.array(turned))[:, 0]
    return numpy.mean((x > 0) == (where[1] == 0))


def test_a_fifth_of_the_points_live_on_islands_and_none_in_the_null():
    world = points.load("points-islands")
    assert behind(world, (world.test_points, world.test_targets)) == pytest.approx(0.2, abs=0.03)
    null = points.load("points-islands-null")
    assert behind(null, (null.test_points, null.test_targets)) == 0


def test_a_gap_separates_the_classes_of_the_islands():
    world = points.load("points-islands")
    a, b = (torch.tensor(world.test_points[world.test_targets == c]) for c in (0, 1))
    assert torch.cdist(a, b).min() > 0.1


@pytest.mark.parametrize(("name", "initial"), [("points-arms", 9), ("points-islands", 6)])
def test_random_still_gains_and_all_labels_are_nearly_right(name, initial):
    """What the worlds were frozen on: Random and full data, development seeds."""
    world = points.load(name)
    x, y, tx, ty = (torch.tensor(a) for a in
                    (world.train_points, world.train_targets, world.test_points, world.test_targets))  # fmt: skip
    curve = []
    for seed in (1000, 1001, 1002):
        order = numpy_stream(seed, "initial pool").permutation(len(x))
        row = []
        for n in (initial, initial + 12, len(x)):
            init, feed = torch_stream(seed, "model init", n), Tensors(x[order[:n]], y[order[:n]])
            network = networks.build("perceptron", world.classes, 2, generator=init)
            train(network, feed, Recipe(200, n, 0.3, 0.9, 1e-3), order=None, augment=None)
            row.append(100 * (network(tx).argmax(1) == ty).float().mean().item())
        curve.append(row)
    few, more, every = numpy.mean(curve, 0)
    assert few + 5 < more < every - 3
    assert every > 98


def test_an_unknown_world_is_refused_with_what_is_near():
    with pytest.raises(BadRequest, match="did you mean points-islands"):
        points.load("points-island")


# --- the task ---------------------------------------------------------------------------------------------------------------


def test_what_a_strategy_is_told_of_the_embeddings_of_points_is_that_they_are_coordinates():
    offers = study("active_learning").offers("points-arms")
    assert "images" not in offers
    assert all("coordinates" in offers[name] for name in ("embeddings", "labelled_embeddings"))


def test_building_and_training_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    one = task()
    one.train(range(9), one.targets[:9], 0)
    assert torch.equal(before, torch.get_rng_state())


def test_evaluate_counts_the_test_set_and_the_whole_pool():
    one = task()
    network, record = one.train(range(one.size), one.targets, 0)
    found = one.evaluate(network)
    with torch.no_grad():
        right = sum(int(network(p[None]).argmax() == t) for p, t in zip(one.test_images, one.test_targets))
        wrong = sum(int(network(p[None]).argmax() != t) for p, t in zip(one.images, one.targets))
    assert found == {"accuracy": pytest.approx(100 * right / 2000), "pool_errors": wrong}
    assert record is None


def test_the_record_holds_what_every_step_predicted_for_the_candidates():
    one = task(epochs=20)
    candidates = numpy.arange(20, 50)
    network, record = one.train(range(9), one.targets[:9], 0, candidates)
    assert record["predictions"].shape == (20, 30)
    logits, embeddings = one.infer(network, candidates, 0)
    assert torch.equal(record["predictions"][-1].long(), logits.argmax(1))
    assert torch.equal(embeddings, one.images[candidates])
    assert record["rows"][20:50].tolist() == list(range(30))
    assert (record["rows"][:20] == -1).all()
    assert ((record["mean_confidence"] > 1 / 3) & (record["mean_confidence"] <= 1)).all()


def test_a_committee_is_trained_beside_the_network_not_instead_of_it():
    one = task(epochs=30)
    network, _ = one.train(range(9), one.targets[:9], 0)
    before = copy.deepcopy(network.state_dict())
    votes = one.committee(network, 3, range(9), one.targets[:9], numpy.arange(100), 0)
    assert votes.shape == (3, 100)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert torch.equal(votes[0], one.infer(network, numpy.arange(100), 0)[0].argmax(1))


def test_dropout_passes_differ_and_average_to_about_the_network():
    one = task(dropout=0.3, hidden=64)
    network, _ = one.train(range(60), one.targets[:60], 0)
    passes = one.infer_dropout(network, numpy.arange(40), 0, 600)
    assert passes.shape == (600, 40, 3)
    assert passes.std(0).min() > 0
    torch.testing.assert_close(passes.mean(0), one.infer(network, numpy.arange(40), 0)[0], atol=0.6, rtol=0.15)
    with pytest.raises(BadRequest, match="trained with dropout"):
        task().infer_dropout(network, numpy.arange(4), 0, 5)


OFFERED = study("active_learning").offers("points-arms")
PLAIN = [name for name in sorted(acquisition.catalogue()) if set(acquisition.describe(name).needs) <= set(OFFERED)]
ARMS = [f"{name}(dropout=0.3)" if name in ("bald", "bald_cb") else name for name in PLAIN]


@pytest.mark.parametrize("arm", ARMS)
def test_every_strategy_of_the_catalogue_runs_on_points(arm, tmp_path):
    run = races.method_run("active_learning", "points-arms", arm, 0, SETTINGS | {"epochs": 10})
    store = Store(tmp_path)
    outcome = drive([run], store, workers=1)
    assert not outcome.failed, outcome.failed
    assert len(store.read(run).steps[-1]["state"]["labelled"]) == 19


def test_a_strategy_that_looks_at_images_is_refused_before_anything_runs():
    says = "vaal needs 'images', which active_learning on points-arms does not offer"
    with pytest.raises(BadRequest, match=says):
        races.method_run("active_learning", "points-arms", "vaal", 0, SETTINGS)


def test_bad_settings_are_refused():
    for change, says in (
        ({"hidden": -1}, "hidden = -1"),
        ({"epochs": 0}, "epochs = 0"),
        ({"initial": 500}, "more than the pool's 450"),
    ):
        with pytest.raises(BadRequest, match=says):
            ch1.grid({"dataset": "points-arms", "arms": ["random"]}, **SETTINGS | change)
