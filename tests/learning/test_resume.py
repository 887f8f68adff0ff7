"""A training in parts, stopped, saved and gone on with, is the whole training bit for bit."""

import io
from dataclasses import replace

import pytest
import torch

from alnb.errors import BadRequest
from alnb.learning.recipe import Recipe
from tests.learning.toy import SHORT, data, generator, network, run, same

PARTS = {
    "sgd, step": {"milestones": (0.4, 0.7), "gamma": 0.5},
    "sgd by nesterov, cosine, warm-up": {"schedule": "cosine", "warmup": 2.5, "nesterov": True},
    "sgd without momentum": {"momentum": 0.0},
    "adam, step, warm-up over the break": {"optimiser": "adam", "lr": 1e-3, "warmup": 4.0},
    "adam, cosine": {"optimiser": "adam", "lr": 1e-3, "schedule": "cosine"},
}


def in_parts(images, targets, recipe, breaks, dropout=0.0):
    """Networks, losses and corrects of a training that is stopped at `breaks`, saved, and gone on with elsewhere."""
    state, weights, losses, correct, global_state = None, network().state_dict(), [], [], generator(7).get_state()
    for begin, end in zip([0, *breaks], [*breaks, recipe.epochs]):
        net = network(seed=99)
        net.load_state_dict(weights)
        net.dropout = dropout
        torch.set_rng_state(global_state)
        trained = run(net, images, targets, recipe, begin=begin, end=end, state=state)
        global_state = torch.get_rng_state()
        file = io.BytesIO()
        torch.save({"weights": net.state_dict(), "state": trained.state}, file)
        file.seek(0)
        loaded = torch.load(file, weights_only=True)
        weights, state = loaded["weights"], loaded["state"]
        losses += trained.losses
        correct.append(trained.correct)
    return {"weights": dict(weights), "state": state, "losses": losses, "correct": torch.cat(correct)}


@pytest.mark.parametrize("settings", PARTS.values(), ids=PARTS)
def test_three_and_three_epochs_are_six_bit_for_bit(settings):
    images, targets = data(75)
    recipe = replace(Recipe(epochs=6, batch=16, lr=0.05), **settings)
    whole = in_parts(images, targets, recipe, [])
    assert same(whole, in_parts(images, targets, recipe, [3]))
    assert same(whole, in_parts(images, targets, recipe, [1, 2, 5]))
    assert not same(whole["weights"], in_parts(images, targets, replace(recipe, epochs=5), [])["weights"])


def test_in_parts_with_dropout_equals_the_whole_where_the_global_generator_is_kept():
    images, targets = data(60)
    recipe = Recipe(epochs=4, batch=16, lr=0.05)
    whole = in_parts(images, targets, recipe, [], dropout=0.5)
    assert same(whole, in_parts(images, targets, recipe, [2], dropout=0.5))
    assert not same(whole["losses"], in_parts(images, targets, recipe, [])["losses"])


def test_going_on_leaves_the_state_it_was_given_as_it_was():
    images, targets = data(40)
    net = network()
    first = run(net, images, targets, replace(SHORT, epochs=3), end=1)
    kept = {name: value.clone() for name, value in first.state["optimiser"]["momenta"].items()}
    run(net, images, targets, replace(SHORT, epochs=3), begin=1, state=first.state)
    assert same(first.state["optimiser"]["momenta"], kept)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"begin": 1}, "go on from epoch 1, its state ended at 0"),
        ({"begin": 0, "state": "ended at 1"}, "go on from epoch 0, its state ended at 1"),
        ({"begin": 1, "end": 1, "state": "ended at 1"}, "epochs 1 to 1 of 2: expected 0 <= begin < end <= 2"),
        ({"end": 3}, "epochs 0 to 3 of 2"),
        ({"begin": -1}, "epochs -1 to 2 of 2"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(part, says):
    images, targets = data(20)
    if "state" in part:
        part = part | {"state": run(network(), images, targets, SHORT, end=1).state}
    with pytest.raises(BadRequest, match=says):
        run(network(), images, targets, SHORT, **part)
