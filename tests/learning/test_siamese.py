"""The siamese network and what watches it, against libraries and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from alnb.learning import networks
from alnb.learning.siamese import Siamese, knn_accuracy, spread


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def siamese(**options):
    return Siamese(networks.build("small", 10, generator=generator()), 12, 5, **options)


def test_views_pass_one_after_the_other_and_predictions_are_of_codes():
    network, views = siamese(), torch.randn(2, 16, 3, 16, 16, generator=generator(1))
    p1, p2, z1, z2 = network(tuple(views))
    assert p1.shape == z2.shape == (16, 12)
    assert torch.equal(p1, network.predictor(z1))
    assert torch.equal(z2, network.projector(network.backbone.embed(views[1])))
    assert z1.mean(0).abs().max() < 1e-5  # batch norm has the statistics of this view alone
    assert not torch.equal(p1, p2)


def test_what_is_trained_and_how_deep_it_is():
    network = siamese(layers=3, predictor=False)
    linear = [part for part in network.projector if isinstance(part, torch.nn.Linear)]
    assert [part.weight.shape for part in linear] == [(12, 128), (12, 12), (12, 12)]
    assert isinstance(network.projector[-1], torch.nn.BatchNorm1d)
    assert not any(p.requires_grad for p in network.backbone.head.parameters())
    p1, _, z1, _ = network(tuple(torch.randn(2, 8, 3, 16, 16)))
    assert p1 is z1


@pytest.mark.parametrize("k", [1, 7, 500])
def test_the_nearest_neighbours_vote_as_scikit_learns(k):
    rng = np.random.default_rng(3)
    bank, queries = rng.normal(size=(60, 5)), rng.normal(size=(40, 5))
    labels, truth = rng.integers(0, 4, 60), rng.integers(0, 4, 40)
    weights = lambda distance: np.exp((1 - distance) / 0.1)  # distance: 1 - cosine
    theirs = KNeighborsClassifier(min(k, 60), metric="cosine", weights=weights).fit(bank, labels)
    arrays = (torch.tensor(bank), torch.tensor(labels), torch.tensor(queries), torch.tensor(truth))
    assert knn_accuracy(*arrays, 4, k) == pytest.approx(100 * theirs.score(queries, truth))


def test_the_spread_is_one_over_the_sphere_and_zero_in_a_point():
    assert spread(torch.randn(20_000, 50, generator=generator(2))) == pytest.approx(1.0, abs=0.01)
    assert spread(torch.randn(1, 50).expand(30, -1) * torch.rand(30, 1)) == pytest.approx(0.0, abs=1e-3)
    assert spread(torch.tensor([[3.0, 0.0], [0.0, 2.0]])) == pytest.approx(
        0.5 * 2**0.5
    )  # by hand: 1/2 in both channels
