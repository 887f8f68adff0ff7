"""SimSiam: its loss by hand and against PyTorch, its training in parts, what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from alnb import datasets, races
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.methods import simsiam
from alnb.runs import Run
from alnb.store import Store

TINY = {"network": "small", "width": 16, "bottleneck": 4, "epochs": 3, "batch": 32, "pool": 70, "neighbours": 5}


def run(seed=0, **options):
    return Run("simsiam", "digits", "simsiam", seed, TINY | options)


def codes(seed=0):
    return torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(seed)).unbind(0)


def test_the_loss_by_hand_and_by_pytorchs_cosine():
    p, z = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[4.0, 3.0], [-2.0, 0.0]])
    assert simsiam.D(p, z).tolist() == pytest.approx([-0.96, 1.0])
    p1, p2, z1, z2 = codes()
    expected = -(F.cosine_similarity(p1, z2) + F.cosine_similarity(p2, z1)) / 2
    assert simsiam.L(p1, p2, z1, z2) == pytest.approx(expected)
    assert simsiam.L(z2, z1, z1, z2).tolist() == pytest.approx([-1.0] * 6)


@pytest.mark.parametrize("stop", [True, False])
def test_no_gradient_flows_through_the_codes_unless_asked(stop):
    p1, p2, z1, z2 = (each.clone().requires_grad_() for each in codes(1))
    simsiam.L(p1, p2, z1, z2, stop).sum().backward()
    assert p1.grad is not None
    assert (z1.grad is None) == (z2.grad is None) == stop


def test_in_parts_it_is_the_whole_bit_for_bit(tmp_path, monkeypatch):
    whole = Store(tmp_path / "whole")
    assert not drive([run()], whole, workers=1).failed
    monkeypatch.setattr(simsiam, "PART", 1)
    parts = Store(tmp_path / "parts")
    assert run().steps == 3
    assert not drive([run()], parts, workers=1).failed
    rows = parts.read(run()).rows
    assert rows == whole.read(run()).rows
    first, second = (store.final(run()).blobs["weights"] for store in (whole, parts))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert [row.get("epoch") for row in rows] == [0, 1, 2, 3, None]
    assert "loss" not in rows[0]
    assert rows[-1] == {"kind": "encoder", "knn": rows[-2]["knn"], "spread": rows[-2]["spread"], "collapsed": False}


def test_what_it_leaves_is_the_bare_network(tmp_path):
    from alnb.learning import encoders

    store = Store(tmp_path)
    assert not drive([run(epochs=1)], store, workers=1).failed
    data = datasets.load("digits")
    encoder = encoders.of_run("small", store.final(run(epochs=1)).blobs["weights"], data.mean, data.std)
    assert encoder.load()(torch.zeros(2, 3, 8, 8)).shape == (2, 128)


def test_letters_are_never_mirrored_and_photographs_are():
    assert not simsiam.policy(simsiam.Settings(), flips=False).flip
    assert simsiam.policy(simsiam.Settings(), flips=True).flip
    assert not simsiam.policy(simsiam.Settings(flip=False), flips=True).flip


def test_the_recipe_is_chen_and_hes():
    recipe = simsiam.recipe(simsiam.Settings())
    assert (recipe.lr, recipe.schedule, recipe.epochs, recipe.weight_decay) == (
        pytest.approx(0.06),
        "cosine",
        800,
        5e-4,
    )
    assert recipe.lr_at(400) == pytest.approx(0.03)


def test_without_stop_gradient_all_codes_become_one():
    """On two directions of noise, where the whole takes a second: the loss is won by collapse alone."""
    from alnb.learning.siamese import spread

    generator = torch.Generator().manual_seed(0)
    found = {}
    for stop in (True, False):
        torch.manual_seed(0)
        encoder = torch.nn.Linear(6, 4)
        predictor = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
        steps = torch.optim.SGD([*encoder.parameters(), *predictor.parameters()], lr=0.3)
        for _ in range(300):
            x = torch.randn(64, 6, generator=generator)
            z1, z2 = (encoder(x + 0.3 * torch.randn(64, 6, generator=generator)) for _ in range(2))
            loss = simsiam.L(predictor(z1), predictor(z2), z1, z2, stop).mean()
            steps.zero_grad()
            loss.backward()
            steps.step()
        found[stop] = spread(encoder(torch.randn(500, 6, generator=generator)).detach())
    assert found[False] < found[True] / 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"network": "perceptron"}, "expected one of"), ({"epochs": -1}, "epochs = -1: expected at least 0"),
        ({"crop": 0}, "crop = 0.0: expected above 0"), ({"crop": 1.2}, "crop = 1.2: expected 0 to 1"),
        ({"hue": 0.6}, "hue = 0.6: expected 0 to 0.5"), ({"contrast": -1}, "contrast = -1.0: expected 0 or more"),
        ({"pool": 99999}, "pool = 99999: the dataset has"), ({"warmup": 9}, "warmup = 9.0"), ({"base_lr": 0}, "base_lr = 0"),
        ({"momentum": 1}, "momentum = 1.0"), ({"blur": 2}, "blur = 2.0"), ({"nothing": 2}, "unknown setting nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(options, says):
    with pytest.raises(BadRequest, match=says) as refused:
        simsiam.check(run(**options))
    assert "\n" not in str(refused.value)


def test_its_race_has_its_own_arms():
    race = {"dataset": "digits", "arms": ["simsiam", "simsiam(blur=0.5)"], **TINY}
    made = races.grid("simsiam", {"pretraining": race}, {}, simsiam.arm)
    assert [str(one.arm) for one in made] == ["simsiam", "simsiam(blur=0.5)"]
    with pytest.raises(BadRequest, match="accepted: simsiam"):
        races.grid("simsiam", {"pretraining": race | {"arms": ["byol"]}}, {}, simsiam.arm)
    with pytest.raises(BadRequest, match="SimSiam wants images"):
        simsiam.check(Run("simsiam", "features-10", "simsiam", 0, TINY))
