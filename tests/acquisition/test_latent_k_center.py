"""Algorithm 1 of SRAAL against the plain rule, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from alnb import acquisition
from alnb.acquisition import latent_k_center as module
from alnb.errors import BadRequest
from alnb.learning import vae
from tests.acquisition.toy_view import toy_view

QUICK = {"steps": 5, "batch": 8, "width": 2, "latent": 4}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rows(view, budget=20, seed=5, **changed):
    return acquisition.get("latent_k_center").choose(view, budget, generator(seed), **QUICK | changed).rows


def codes(images, seed=5, **changed):
    named = QUICK | changed
    return module.reconstructed(images, generator(seed), *named.values(), beta=1.0, lr=1e-3)


@pytest.mark.parametrize("first", [1, 3, 20, 30])
def test_each_is_the_farthest_from_all_before_it_after_the_first_at_random(first):
    view = toy_view()
    chosen, shared = rows(view, first=first), view.priority.argsort()
    z = codes(view.images[shared]).double()
    at = shared.argsort()[chosen].tolist()
    assert at[:first] == list(range(min(first, 20)))
    for i in range(min(first, 20), 20):
        nearest = torch.cdist(z, z[at[:i]]).amin(1)
        assert nearest[at[i]] >= nearest.max() - 1e-4


def test_the_reconstructor_is_trained_also_where_gradients_are_off():
    images = toy_view().images
    with torch.no_grad():
        assert not torch.allclose(codes(images), codes(images, steps=0), atol=1e-2)
    x = vae.pixels(images, torch.arange(60))
    assert codes(images).shape == (60, 4)
    assert x.shape == (60, 3, 8, 8)


def test_training_lowers_its_loss(monkeypatch):
    losses, inner = [], vae.reconstruction_loss
    monkeypatch.setattr(vae, "reconstruction_loss", lambda *a: losses.append(one := inner(*a)) or one)
    codes(torch.full((60, 3, 8, 8), 200, dtype=torch.uint8), steps=60)
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"first": 0}, "first = 0; accepted: a whole number from 1"),
        ({"steps": -1}, "steps = -1; accepted: a whole number from 0"),
        ({"batch": 1}, "batch = 1; accepted: a whole number from 2"),
        ({"lr": 0.0}, "lr = 0.0, beta = 1.0; accepted: numbers above 0"),
        ({"beta": -1.0}, "lr = 0.001, beta = -1.0"),
        ({"lr": 1e30}, r"training diverged.*lr 1e\+30 is too high"),
    ],
)
def test_it_refuses_an_option_out_of_range(changed, says):
    with pytest.raises(BadRequest, match=f"^latent_k_center: {says}") as refusal:
        rows(toy_view(), **changed)
    assert "\n" not in str(refusal.value)


def test_it_refuses_small_images():
    view = toy_view()
    with pytest.raises(BadRequest, match=r"latent_k_center: images of shape .3, 8, 7.; accepted: 8 px or more"):
        rows(view.replaced(images=view.images[..., :7]))
