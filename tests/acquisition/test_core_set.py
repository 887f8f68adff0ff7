from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from alnb import acquisition
from alnb.acquisition import core_set as module
from alnb.acquisition.core_set import robust_k_center
from alnb.acquisition.k_center import greedy
from alnb.errors import BadRequest
from tests.acquisition.toy_view import toy_view


def radius(pool, labelled, rows, spare=0):
    """The definition: the largest distance to the nearest centre once the `spare` worst candidates are left out."""
    centres = np.concatenate([labelled, pool[list(rows)]])
    return sorted(cdist(pool, centres).min(1))[len(pool) - 1 - spare]


def greedy_radius(pool, labelled, budget, spare=0):
    rows, _ = greedy(torch.from_numpy(pool), torch.from_numpy(labelled), budget)
    return radius(pool, labelled, rows.tolist(), spare)


def solved(pool, labelled, budget, **options):
    rows, reached, proven = robust_k_center(torch.from_numpy(pool), torch.from_numpy(labelled), budget, **options)
    assert rows.dtype == torch.int64
    assert sorted(set(rows.tolist())) == sorted(rows.tolist())
    assert len(rows) == budget
    assert reached == pytest.approx(radius(pool, labelled, rows.tolist(), options.get("spare", 0)), abs=1e-12)
    return rows.tolist(), reached, proven


def line(*places):
    return np.array(places, dtype=float)[:, None]


def features(n, labelled, seed=0):
    """Ten clusters after a ReLU, as float64: pool and labelled."""
    rng = np.random.default_rng(seed)
    inner = 3 * rng.normal(size=(10, 12))[rng.integers(0, 10, n + labelled)] + rng.normal(size=(n + labelled, 12))
    points = np.maximum(inner @ rng.normal(size=(12, 32)), 0)
    return points[:n], points[n:]


def undecided(monkeypatch):
    """A solver that always gives up."""
    monkeypatch.setattr(module, "_cover", lambda *_: (None, False))


def test_worked_by_hand_on_a_line():
    """Labelled 0; greedy takes 12, then 6, and leaves 3 and 9 at 3; 4 and 10 leave 2, 6, 8 and 12 at 2, and 3 at 1.
    No two can do better: 1 would need centres for 2..3, 6, 8..9, 12."""
    pool, labelled = line(2, 3, 4, 6, 8, 9, 10, 12), line(0)
    assert greedy_radius(pool, labelled, 2) == 3
    rows, reached, proven = solved(pool, labelled, 2)
    assert (reached, proven) == (2, True)
    assert rows == [6, 2]  # 10, the farthest from the labelled, then 4


def test_one_outlier_worked_by_hand():
    """100 alone pays for the whole budget unless it may be left out: then 5 covers all the rest within 1."""
    pool, labelled = line(4, 5, 6, 100), line(0)
    rows, reached, proven = solved(pool, labelled, 1)
    assert (rows, reached, proven) == ([3], 6, True)
    rows, reached, proven = solved(pool, labelled, 1, spare=1)
    assert (rows, reached, proven) == ([1], 1, True)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_the_radius_is_the_smallest_of_all_subsets(data):
    """On a small integer grid: ties and duplicates everywhere. The bisection is exact in its radius, not only near."""
    n, dimensions = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 3))
    budget, spare = data.draw(st.integers(1, min(3, n))), data.draw(st.integers(0, min(2, n - 1)))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    points = rng.integers(0, data.draw(st.integers(1, 12)), (n + 3, dimensions)).astype(float)
    pool, labelled = points[:n], points[n : n + data.draw(st.integers(0, 3))]
    _, reached, proven = solved(pool, labelled, budget, spare=spare)
    optimum = min(radius(pool, labelled, rows, spare) for rows in combinations(range(n), budget))
    assert reached == optimum
    assert proven


@pytest.mark.parametrize("seed", range(10))
def test_the_radius_is_the_smallest_of_all_subsets_of_real_numbers(seed):
    points = np.random.default_rng(seed).normal(size=(12, 2))
    pool, labelled, spare = points[:9], points[9:], seed % 3
    _, reached, _ = solved(pool, labelled, 3, spare=spare)
    assert reached == min(radius(pool, labelled, rows, spare) for rows in combinations(range(9), 3))


@pytest.mark.parametrize("spare", [0, 3])
@pytest.mark.parametrize("seed", range(3))
def test_it_improves_on_greedy_and_says_that_no_radius_is_smaller(seed, spare):
    pool, labelled = features(150, 60, seed)
    _, reached, proven = solved(pool, labelled, 30, spare=spare)
    assert reached < greedy_radius(pool, labelled, 30, spare)
    assert proven
    # the programme itself, asked at the next smaller distance there is
    between, nearest = module._distances(pool, labelled)
    every = np.unique(np.concatenate([between.ravel(), nearest]))
    below = every[np.searchsorted(every, reached) - 1]
    assert module._cover(between, nearest, below, 30, spare, 1000) == (None, True)


def test_where_less_than_the_budget_would_do_the_rest_is_greedy():
    """Eight copies of two points: two rows cover all at 0, and six copies are left to choose among."""
    pool = line(1, 5, 1, 5, 1, 5, 1, 5)
    rows, reached, proven = solved(pool, line(0), 4)
    assert (reached, proven) == (0, True)
    assert set(rows[:2]) <= set(range(8))
    assert {pool[row, 0] for row in rows[:2]} == {1, 5}


def test_picks_left_over_go_where_greedy_would_put_them(monkeypatch):
    """Two suffice for what greedy needs more than three for; the third is then a farthest one, the lowest row of 2."""
    pool, labelled = line(2, 3, 4, 6, 8, 9, 10, 12), line(0)
    assert greedy_radius(pool, labelled, 3) == 3
    monkeypatch.setattr(module, "_cover", lambda *asked: (np.array([2, 6]) if asked[2] >= 2 else None, True))
    rows, reached, _ = solved(pool, labelled, 3)
    assert (sorted(rows), reached) == ([0, 2, 6], 2)


@pytest.mark.parametrize("spare", [0, 2])
def test_if_the_solver_always_gives_up_greedy_is_what_remains(monkeypatch, spare):
    pool, labelled = features(120, 30)
    undecided(monkeypatch)
    rows, reached, proven = solved(pool, labelled, 20, spare=spare)
    expected, _ = greedy(torch.from_numpy(pool), torch.from_numpy(labelled), 20)
    assert rows == expected.tolist()
    assert reached == greedy_radius(pool, labelled, 20, spare)
    assert not proven


def cube(dimensions):
    return np.array(list(np.ndindex(*[2] * dimensions)), dtype=float), np.empty((0, dimensions))


@pytest.mark.parametrize(("dimensions", "codewords"), [(4, 4), (5, 7), (6, 12)])
def test_it_finds_the_smallest_covering_codes(dimensions, codewords):
    """K(n, 1), how many corners have every other one next to them, is a known number, larger than a bound by volume."""
    assert solved(*cube(dimensions), codewords)[1:] == (1, True)
    assert solved(*cube(dimensions), codewords - 1, nodes=1000)[1:] == (pytest.approx(2**0.5), True)


def test_one_node_covers_no_worse_than_greedy_and_says_that_it_proves_nothing():
    """Whether 11 corners cover the cube is not seen at the root: the relaxation needs 64 / 7."""
    _, reached, proven = solved(*cube(6), 11, nodes=1)
    assert (reached, proven) == (greedy_radius(*cube(6), 11), False)


def test_a_radius_given_up_is_passed_over_and_a_larger_one_still_improves_on_greedy(monkeypatch):
    pool, labelled = features(150, 60)
    _, optimum, _ = solved(pool, labelled, 30)
    real, limit = module._cover, 1.005 * optimum
    monkeypatch.setattr(module, "_cover", lambda *a: (None, False) if a[2] < limit else real(*a))
    _, reached, proven = solved(pool, labelled, 30)
    assert not proven
    assert optimum <= reached < greedy_radius(pool, labelled, 30)


def test_the_rows_are_in_the_order_of_k_center_among_themselves():
    view = toy_view(U=200, L=12)
    rows = acquisition.get("core_set").choose(view, 25, torch.Generator()).rows
    labelled = view.labelled_embeddings.double().numpy()
    chosen = view.embeddings[rows].double().numpy()
    assert cdist(chosen, labelled).min(1).argmax() == 0
    order, _ = greedy(torch.from_numpy(chosen), torch.from_numpy(labelled), 25)
    assert order.tolist() == list(range(25))


@pytest.mark.parametrize(("share", "spare"), [(0.29, 29), (0.0, 0), (0, 0), (1e-4, 0), (0.039, 3)])
def test_the_share_of_outliers_is_rounded_down(monkeypatch, share, spare):
    seen = []
    real = robust_k_center
    monkeypatch.setattr(module, "robust_k_center", lambda *a, **k: seen.append(k) or real(*a, **k))
    acquisition.get("core_set").choose(toy_view(U=100), 10, torch.Generator(), outliers=share, nodes=3)
    assert seen == [{"spare": spare, "nodes": 3}]


def test_outliers_are_not_chased():
    view = toy_view(U=100, L=0)
    points = view.embeddings.clone()
    points[:3] *= 1e4
    view = view.replaced(embeddings=points)
    choose = lambda **options: acquisition.get("core_set").choose(view, 10, torch.Generator(), **options).rows.tolist()
    assert {0, 1, 2} <= set(choose())
    assert not {0, 1, 2} & set(choose(outliers=0.03))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_embeddings_equal_gives_the_shared_order(dtype):
    same = torch.full((60, 5), 3.3, dtype=dtype)
    view = toy_view().replaced(embeddings=same, labelled_embeddings=same[:2])
    chosen = acquisition.get("core_set").choose(view, 20, torch.Generator()).rows
    assert view.priority[chosen].tolist() == list(range(20))


def test_the_order_of_the_pool_does_not_matter_even_where_rounding_decides():
    pool, labelled = (torch.from_numpy(part).float() for part in features(200, 80))
    view = toy_view(U=200).replaced(embeddings=pool, labelled_embeddings=labelled)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(7))
    core_set = acquisition.get("core_set")
    chosen, elsewhere = (core_set.choose(v, 40, torch.Generator()).rows for v in (view, view.permuted(order)))
    assert order[elsewhere].tolist() == chosen.tolist()


def test_the_same_question_has_the_same_answer_even_where_the_search_is_cut_short():
    pool, labelled = (torch.from_numpy(part) for part in cube(6))
    first, again = (robust_k_center(pool, labelled, 11, nodes=1)[0].tolist() for _ in range(2))
    assert first == again


def test_too_many_candidates_are_refused_before_anything_is_computed(monkeypatch):
    view = toy_view(U=61)
    monkeypatch.setattr(module, "MOST", 60)
    with pytest.raises(BadRequest, match=r"core_set: 61 candidates; accepted: 60 at most.*core_set\(subset=500\)"):
        acquisition.get("core_set").choose(view, 5, torch.Generator())
    assert len(acquisition.get("core_set").choose(toy_view(U=60), 5, torch.Generator()).rows) == 5


@pytest.mark.parametrize(
    ("option", "value"),
    [("outliers", -0.1), ("outliers", 0.6), ("outliers", float("nan")), ("outliers", True), ("outliers", "few"),
     ("nodes", 0), ("nodes", 2.5), ("nodes", True), ("nodes", None)],
)  # fmt: skip
def test_options_out_of_range_are_refused_in_one_line(option, value):
    with pytest.raises(BadRequest, match=f"core_set: {option} = {value!r}: expected") as refused:
        acquisition.get("core_set").choose(toy_view(), 5, torch.Generator(), **{option: value})
    assert "\n" not in str(refused.value)


def test_distances_that_are_not_finite_are_refused():
    points = toy_view().embeddings.clone()
    points[2, 1] = float("inf")
    with pytest.raises(BadRequest, match="embeddings whose squares are not finite"):
        acquisition.get("core_set").choose(toy_view().replaced(embeddings=points), 5, torch.Generator())


def test_what_is_given_is_not_changed():
    pool, labelled = (torch.from_numpy(part) for part in features(80, 20))
    before = pool.clone(), labelled.clone()
    robust_k_center(pool, labelled, 10)
    assert torch.equal(pool, before[0])
    assert torch.equal(labelled, before[1])
