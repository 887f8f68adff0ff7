from __future__ import annotations

import pytest
import torch
from scipy.special import entr

from alnb import acquisition
from tests.acquisition.toy_view import toy_view

HAND = torch.tensor([[0.5, 0.25, 0.25], [0.625, 0.375, 0.0], [0.9375, 0.03125, 0.03125]])


def scores(name, view):
    return acquisition.get(name)(view)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("name", "worked"),
    [("least_confidence", [0.5, 0.375, 0.0625]), ("margin", [-0.25, -0.25, -0.90625])],
)
def test_scores_equal_those_worked_by_hand(name, worked):
    view = toy_view(U=3, C=3).replaced(probabilities=HAND)
    assert scores(name, view).tolist() == worked


def test_entropy_equals_scipys():
    view = toy_view(U=200, C=7)
    expected = entr(view.probabilities.double().numpy()).sum(1)
    assert scores("entropy", view).numpy() == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("gap", [50.0, 200.0, float("inf")])
def test_entropy_of_a_softmax_that_underflows_is_zero(gap):
    log_p = torch.tensor([[0.0, -gap, -gap]])
    assert scores("entropy", toy_view(U=1).replaced(log_probabilities=log_p)).tolist() == pytest.approx(
        [0.0], abs=1e-15
    )


def test_entropy_is_greatest_where_all_classes_are_equal():
    log_p = torch.full((1, 8), 1 / 8).log()
    assert scores("entropy", toy_view(U=1).replaced(log_probabilities=log_p)).item() == pytest.approx(2.0794415)


def test_uncertainty_strategies_agree_on_two_classes():
    view = toy_view(U=100, C=2)
    chosen = {tuple(acquisition.get(n).choose(view, 30, rng()).rows.tolist()) for n in ("least_confidence", "margin")}
    assert len(chosen) == 1


def test_random_takes_the_first_of_the_shared_order():
    view = toy_view(U=50)
    chosen = acquisition.get("random").choose(view, 20, rng()).rows
    assert view.priority[chosen].tolist() == list(range(20))
    assert acquisition.get("random").choose(view, 20, rng(1)).rows.tolist() == chosen.tolist()


def test_random_again_has_a_stream_of_its_own():
    view = toy_view(U=400)
    one, other = (acquisition.get("random_again").choose(view, 200, rng(seed)).rows.tolist() for seed in (1, 2))
    first = acquisition.get("random").choose(view, 200, rng(1)).rows.tolist()
    for a, b in ((one, other), (one, first)):
        assert 70 < len(set(a) & set(b)) < 130  # 100 expected of independent halves, deviation 5


def test_random_again_takes_every_candidate_equally_often():
    view = toy_view(U=10)
    taken = torch.zeros(10)
    for seed in range(600):
        taken[acquisition.get("random_again").choose(view, 3, rng(seed)).rows] += 1
    assert ((taken - 180).abs() < 50).all()  # deviation of each count 11


def test_oracle_takes_mistakes_first_each_group_in_the_shared_order():
    view = toy_view(U=80, oracle=True)
    wrong = view.probabilities.argmax(1) != view.truth
    choice = acquisition.get("oracle").choose(view, 80, rng())
    order = view.priority.argsort()
    assert choice.rows.tolist() == order[wrong[order]].tolist() + order[~wrong[order]].tolist()


def test_oracle_is_refused_the_labels_by_a_view_that_keeps_them():
    with pytest.raises(PermissionError):
        acquisition.get("oracle").choose(toy_view(), 5, rng())
