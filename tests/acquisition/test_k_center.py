from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from alnb import acquisition
from alnb.acquisition import k_center as module
from alnb.acquisition.k_center import greedy
from alnb.errors import BadRequest
from tests.acquisition.toy_view import toy_view


def brute_force(candidates, labelled, budget):
    """The rule itself, from the full distance matrices: rows and distances in the order picked."""
    between = cdist(candidates, candidates)
    nearest = cdist(candidates, labelled).min(1) if len(labelled) else np.full(len(candidates), np.inf)
    rows, distances = [], []
    for _ in range(budget):
        left = [i for i in range(len(candidates)) if i not in rows]
        best = max(left, key=lambda i: (nearest[i], -i))
        rows.append(best)
        distances.append(nearest[best])
        nearest = np.minimum(nearest, between[best])
    return rows, np.array(distances)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def clustered(n, seed=0, dtype=torch.float64):
    """Ten clusters of 12 intrinsic dimensions in 64, as features of a classifier are: far from isotropic."""
    rng = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=rng, dtype=dtype)
    inner = 3 * draw(10, 12)[torch.randint(0, 10, (n,), generator=rng)] + draw(n, 12)
    return (inner @ draw(12, 64)).relu()


@pytest.fixture
def small_blocks(monkeypatch):
    """Several levels of blocks, and several tiles, on instances that brute force can still do."""
    monkeypatch.setattr(module, "SMALL", 6)
    monkeypatch.setattr(module, "TILE", 7)


@pytest.mark.parametrize(
    "draw", [lambda n, seed: normal(n, 8, seed=seed), clustered, lambda n, seed: normal(n, 3, seed=seed) ** 5]
)
@pytest.mark.parametrize(
    ("n", "labelled", "budget"), [(200, 10, 60), (300, 1, 300), (5, 3, 5), (150, 0, 40), (1, 0, 1)]
)
def test_the_picks_are_those_of_brute_force(small_blocks, draw, n, labelled, budget):
    points = draw(n + labelled, n + budget)
    rows, distances = greedy(points[:n], points[n:], budget)
    expected_rows, expected_distances = brute_force(points[:n].numpy(), points[n:].numpy(), budget)
    assert rows.tolist() == expected_rows
    np.testing.assert_allclose(distances.numpy(), expected_distances, rtol=1e-7)


@pytest.mark.parametrize("draw", [lambda n: normal(n, 32), clustered])
def test_the_picks_are_those_of_brute_force_at_the_real_block_sizes(draw):
    points = draw(1600)
    rows, distances = greedy(points[:1500], points[1500:], 200)
    expected_rows, expected_distances = brute_force(points[:1500].numpy(), points[1500:].numpy(), 200)
    assert rows.tolist() == expected_rows
    np.testing.assert_allclose(distances.numpy(), expected_distances, rtol=1e-9)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_points_with_any_ties_are_picked_greedily(data):
    """Points of a small integer grid: ties and duplicates everywhere, and all distances exact in float64."""
    n, dimensions = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    side, labelled = data.draw(st.integers(1, 9)), data.draw(st.integers(0, 4))
    points = rng.integers(0, side, (n + labelled, dimensions)).astype(float)
    budget = data.draw(st.integers(1, n))
    sizes = module.SMALL, module.TILE
    module.SMALL, module.TILE = 4, 5
    try:
        rows, distances = greedy(torch.from_numpy(points[:n]), torch.from_numpy(points[n:]), budget)
    finally:
        module.SMALL, module.TILE = sizes
    assert sorted(set(rows.tolist())) == sorted(rows.tolist())
    # each pick is a farthest one, whichever of equals it is: rounding may settle a tie
    centres = list(points[n:])
    for row, distance in zip(rows.tolist(), distances.tolist()):
        nearest = cdist(points[:n], centres).min(1) if centres else np.full(n, np.inf)
        assert distance == pytest.approx(nearest.max(), abs=1e-6)
        assert nearest[row] == pytest.approx(nearest.max(), abs=1e-6)
        centres.append(points[row])


@pytest.mark.parametrize("draw", [lambda n, dtype: normal(n, 64, dtype=dtype), clustered])
def test_float32_covers_as_well_and_each_pick_is_farthest_up_to_rounding(draw):
    points = draw(1300, dtype=torch.float32)
    pool, labelled = points[:1200].double().numpy(), points[1200:].double().numpy()
    rows, distances = greedy(points[:1200], points[1200:], 150)
    _, expected = brute_force(pool, labelled, 150)
    np.testing.assert_allclose(distances.numpy(), expected, rtol=1e-4)
    nearest = cdist(pool, labelled).min(1)
    for row in rows.tolist():
        assert nearest[row] >= nearest.max() * (1 - 1e-4)
        nearest = np.minimum(nearest, cdist(pool[row : row + 1], pool)[0])


def test_distances_never_grow():
    points = clustered(900, dtype=torch.float32)
    _, distances = greedy(points[:800], points[800:], 800)
    assert (distances.diff() <= 0).all()


@pytest.mark.parametrize("seed", range(8))
def test_the_covering_radius_is_at_most_twice_the_optimum(seed):
    points = normal(13, 2, seed=seed).numpy()
    pool, labelled = points[:11], points[11:]
    rows, _ = greedy(torch.from_numpy(pool), torch.from_numpy(labelled), 3)
    radius = lambda centres: cdist(pool, np.concatenate([labelled, pool[list(centres)]])).min(1).max()
    optimum = min(radius(centres) for centres in combinations(range(11), 3))
    assert optimum <= radius(rows.tolist()) <= 2 * optimum


def test_worked_by_hand_on_a_line():
    rows, distances = greedy(torch.tensor([[0.0], [1], [4], [9], [10]]), torch.tensor([[0.0]]), 4)
    assert rows.tolist() == [4, 2, 1, 3]  # 10 first, then 4 (4 from 0), then 1 and 9 (1 away each): the lower row
    assert distances.tolist() == pytest.approx([10, 4, 1, 1], rel=1e-5)


def test_with_nothing_labelled_the_first_pick_is_the_first_of_the_shared_order():
    view = toy_view(U=300, L=0)
    chosen = acquisition.get("k_center").choose(view, 40, torch.Generator()).rows
    assert view.priority[chosen[0]] == 0
    order = view.priority.argsort()
    expected, _ = brute_force(view.embeddings[order].double().numpy(), np.empty((0, 5)), 40)
    assert chosen.tolist() == order[expected].tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_copies_come_last_in_the_shared_order(dtype):
    """Exact copies of a labelled point, or of a pick, are at distance 0 however the products round."""
    base = clustered(40, dtype=dtype) + 50
    pool = base.repeat(20, 1)
    rows, distances = greedy(pool, base[:10], 800)
    assert sorted(rows.tolist()) == list(range(800))
    assert {row % 40 for row in rows[:30].tolist()} == set(range(10, 40))
    assert (distances[:30] > 0).all()
    assert (distances[30:] == 0).all()
    assert rows[30:].tolist() == sorted(rows[30:].tolist())


def test_all_embeddings_equal_gives_the_shared_order():
    view = toy_view(U=700).replaced(embeddings=torch.full((700, 5), 3.3), labelled_embeddings=torch.full((2, 5), 3.3))
    chosen = acquisition.get("k_center").choose(view, 500, torch.Generator()).rows
    assert view.priority[chosen].tolist() == list(range(500))


def test_the_order_of_the_pool_does_not_matter_even_where_rounding_decides():
    """The candidates are put into the shared order before anything is computed, so all sums are the same ones."""
    view = toy_view(U=900, L=30).replaced(
        embeddings=normal(900, 33, dtype=torch.float32), labelled_embeddings=normal(30, 33, seed=1, dtype=torch.float32)
    )
    order = torch.randperm(900, generator=torch.Generator().manual_seed(7))
    k_center = acquisition.get("k_center")
    chosen, elsewhere = (k_center.choose(v, 600, torch.Generator()).rows for v in (view, view.permuted(order)))
    assert order[elsewhere].tolist() == chosen.tolist()


def test_distances_do_not_depend_on_the_origin():
    """Features after a ReLU lie far from the origin: without centring, float32 would lose the small distances."""
    points = normal(400, 16)
    _, expected = greedy(points[:350], points[350:], 100)
    _, moved = greedy((points[:350] + 1000).float(), (points[350:] + 1000).float(), 100)
    np.testing.assert_allclose(moved.numpy(), expected.numpy(), rtol=1e-3)


@pytest.mark.parametrize("bad", [float("inf"), 1e30])
@pytest.mark.parametrize("where", ["pool", "labelled", "pool, nothing labelled"])
def test_distances_that_overflow_are_refused(bad, where):
    pool, labelled = normal(20, 4, dtype=torch.float32), normal(5, 4, dtype=torch.float32)
    (labelled if where == "labelled" else pool)[2, 1] = bad
    labelled = labelled[:0] if "nothing" in where else labelled
    with pytest.raises(BadRequest, match="k_center: embeddings whose squares are not finite"):
        greedy(pool, labelled, 5)


def test_what_is_given_is_not_changed():
    pool, labelled = normal(400, 4), normal(5, 4)
    before = pool.clone(), labelled.clone()
    greedy(pool, labelled, 50)
    assert torch.equal(pool, before[0])
    assert torch.equal(labelled, before[1])
