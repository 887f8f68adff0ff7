from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import chisquare

from alnb import acquisition
from alnb.acquisition import badge as module
from alnb.acquisition.badge import seeding
from alnb.errors import BadRequest
from tests.acquisition.toy_view import toy_view


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def factors(n, classes, dimensions, seed=0, dtype=torch.float64):
    """Errors p - e_c of a softmax, from sure to doubtful, and embeddings far from isotropic."""
    draw = lambda *shape: torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)
    p = (draw(n, classes) * torch.linspace(0.5, 8, n, dtype=torch.float64)[:, None]).softmax(1)
    errors = p - torch.nn.functional.one_hot(p.argmax(1), classes)
    return errors.to(dtype), (draw(n, 12) @ draw(12, dimensions)).relu().to(dtype)


def plain(points, budget, rng, largest_first=False):
    """k-means++ on the points themselves, a pass over all of them a pick: the draw is a race of exponentials over D^2."""
    points, picks, nearest = np.asarray(points, dtype=np.float64), [], None
    for _ in range(budget):
        noise = -np.log1p(-torch.rand(len(points), dtype=torch.float64, generator=rng).numpy())
        if nearest is None:
            pick = np.square(points).sum(1).argmax() if largest_first else noise.argmin()
            nearest = np.full(len(points), np.inf)
        elif nearest.max() > 0:
            with np.errstate(divide="ignore"):
                pick = (noise / nearest).argmin()
        else:
            pick = next(i for i in range(len(points)) if i not in picks)
        picks.append(int(pick))
        nearest = np.minimum(nearest, cdist(points, points[pick : pick + 1], "sqeuclidean")[:, 0])
    return picks


def whole(errors, embeddings):
    return (errors[:, :, None] * embeddings[:, None, :]).flatten(1)


@pytest.fixture
def small_blocks(monkeypatch):
    """Several blocks, leaders that change and several tiles, on instances that the plain rule can still do."""
    for name, value in {"BLOCK": 3, "LEADERS": 2, "TILE": 7}.items():
        monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("largest_first", [False, True])
@pytest.mark.parametrize(
    ("n", "classes", "dimensions", "budget"),
    [(200, 10, 8, 60), (120, 3, 20, 120), (90, 2, 1, 40), (2, 4, 3, 2), (1, 3, 2, 1)],
)
def test_the_picks_are_those_of_the_plain_rule(small_blocks, n, classes, dimensions, budget, largest_first):
    for seed in range(3):
        errors, embeddings = factors(n, classes, dimensions, seed)
        ours = seeding(errors, embeddings, budget, seeded(seed), largest_first=largest_first)
        assert ours.tolist() == plain(whole(errors, embeddings), budget, seeded(seed), largest_first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_picks_are_those_of_the_plain_rule_at_the_real_block_sizes(dtype):
    errors, embeddings = factors(2500, 10, 16, dtype=dtype)
    ours = seeding(errors, embeddings, 300, seeded(1))
    assert ours.tolist() == plain(whole(errors.double(), embeddings.double()), 300, seeded(1))


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_points_that_are_equal_or_at_the_origin_are_picked_by_the_plain_rule_too(data):
    n, classes, dimensions = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    errors, embeddings = rng.integers(-1, 2, (n, classes)), rng.integers(0, 3, (n, dimensions))
    errors, embeddings = (torch.from_numpy(each).double() for each in (errors, embeddings))
    budget = data.draw(st.integers(1, n))
    assert seeding(errors, embeddings, budget, seeded(2)).tolist() == plain(
        whole(errors, embeddings), budget, seeded(2)
    )


def test_the_second_pick_is_drawn_with_the_probabilities_of_k_means_plus_plus():
    errors, embeddings = factors(5, 3, 2, seed=4)
    squared = cdist(whole(errors, embeddings), whole(errors, embeddings), "sqeuclidean")
    law = (squared / squared.sum(1, keepdims=True)).mean(0)  # the first is any of the five
    rng, draws = seeded(0), 3000
    first, second = np.transpose([seeding(errors, embeddings, 2, rng).tolist() for _ in range(draws)])
    assert chisquare(np.bincount(first, minlength=5)).pvalue > 0.01
    assert chisquare(np.bincount(second, minlength=5), draws * law).pvalue > 0.01


def test_no_centre_is_there_that_nobody_picked():
    """With a centre at the origin to begin with, the one candidate without a gradient would come last."""
    errors = torch.tensor([[0.0, 0.0]] + [[-0.5, 0.5]] * 6)
    for seed in range(20):
        assert 0 in seeding(errors, torch.ones(7, 3), 2, seeded(seed)).tolist()


def test_copies_are_never_picked_twice_and_come_last_in_the_shared_order():
    errors, embeddings = factors(4, 3, 2)
    rows = torch.arange(4).repeat(5)
    picks = seeding(errors[rows], embeddings[rows], 12, seeded(0)).tolist()
    assert {pick % 4 for pick in picks[:4]} == {0, 1, 2, 3}
    assert picks[4:] == [i for i in range(20) if i not in picks[:4]][:8]


def test_a_candidate_stands_where_the_gradient_of_its_loss_at_its_own_guess_does():
    view = toy_view(seed=3)
    picks = acquisition.get("badge").choose(view, 25, seeded(6)).rows
    shared = view.priority.argsort()
    gradients = []
    for h, log_p in zip(view.embeddings[shared].double(), view.log_probabilities[shared].double()):
        weight = torch.zeros(4, 5, dtype=torch.float64, requires_grad=True)
        logits = weight @ h + log_p  # a layer whose answer is this candidate's
        torch.nn.functional.cross_entropy(logits, log_p.argmax()).backward()
        gradients.append(weight.grad.flatten())
    assert picks.tolist() == shared[plain(torch.stack(gradients), 25, seeded(6))].tolist()


def test_doubt_below_the_rounding_of_one_is_still_doubt(monkeypatch):
    given = []
    monkeypatch.setattr(module, "seeding", lambda errors, *rest, **options: given.append(errors) or torch.tensor([0]))
    p = torch.tensor([[1e-9, 1.0, 3e-9]])
    view = toy_view(U=1, C=3).replaced(probabilities=p)
    acquisition.get("badge").choose(view, 1, seeded(0))
    torch.testing.assert_close(given[0], torch.tensor([[1e-9, -4e-9, 3e-9]]), rtol=1e-6, atol=0)


def test_it_refuses_gradients_without_finite_distances():
    with pytest.raises(BadRequest, match="badge: gradients whose squares are not finite"):
        seeding(torch.ones(3, 2), torch.full((3, 2), 1e30), 2, seeded(0))
