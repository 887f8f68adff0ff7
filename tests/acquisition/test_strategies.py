from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
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


# --- disagreement: BALD, committees, the last epochs --------------------------------------------------------------------


def passes_of(p):
    """A view whose dropout passes are `p` (passes, U, C)."""
    asked = []
    view = toy_view(U=p.shape[1], C=p.shape[2]).replaced(dropout_probabilities=lambda k: (asked.append(k), p[:k])[1])
    return view, asked


def test_bald_by_hand():
    """Two masks that disagree fully, that agree, that are both unsure, and that are sure and unsure in turn."""
    sure, other, unsure = [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]
    p = torch.tensor([[sure, other, unsure, sure], [other, other, unsure, unsure]])
    last = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) - math.log(2) / 2
    found = acquisition.get("bald")(passes_of(p)[0], passes=2)
    assert found.tolist() == pytest.approx([math.log(2), 0, 0, last], abs=1e-6)


def test_bald_is_scipys_entropy_of_the_mean_less_the_mean_of_the_entropies():
    p = torch.softmax(3 * torch.randn(20, 100, 6, generator=rng(), dtype=torch.double), 2)
    view, asked = passes_of(p)
    for passes in (2, 7, 20):
        some = p[:passes].numpy()
        expected = stats.entropy(some.mean(0), axis=1) - stats.entropy(some, axis=2).mean(0)
        assert acquisition.get("bald")(view, passes=passes).numpy() == pytest.approx(expected, abs=1e-12)
    assert acquisition.get("bald").parameters == {"passes": 50}
    acquisition.get("bald")(view)
    assert asked == [2, 7, 20, 50]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(2, 9), st.floats(0.1, 30), st.integers(0, 10**6))
def test_bald_lies_between_nothing_and_what_classes_and_passes_can_say(classes, passes, scale, seed):
    p = torch.softmax(scale * torch.randn(passes, 5, classes, generator=rng(seed), dtype=torch.double), 2)
    found = acquisition.get("bald")(passes_of(p)[0], passes=passes)
    assert found.min() >= -1e-12
    assert found.max() <= math.log(min(classes, passes)) + 1e-12
    again = acquisition.get("bald")(passes_of(p.flip(0).flip(2))[0], passes=passes)
    torch.testing.assert_close(again, found, atol=1e-12, rtol=0)  # names of classes and order of passes say nothing


def votes_of(votes, classes):
    view = toy_view(U=votes.shape[1], C=classes)
    return view.replaced(committee=lambda members: votes[:members])


def test_qbc_by_hand():
    """Of five members: all agree; one differs; two against two against one; all differ."""
    votes = torch.tensor([[4, 4, 0, 0], [4, 4, 0, 1], [4, 4, 1, 2], [4, 4, 1, 3], [4, 0, 2, 4]])
    assert acquisition.get("qbc")(votes_of(votes, 5)).tolist() == pytest.approx([0, 0.2, 0.6, 0.8], abs=1e-6)
    assert acquisition.get("qbc")(votes_of(votes, 5), members=3).tolist() == pytest.approx([0, 0, 1 / 3, 2 / 3])
    assert acquisition.get("qbc").parameters == {"members": 5}


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 8), st.integers(2, 7), st.integers(0, 10**6))
def test_qbc_is_scipys_variation_ratio(members, classes, seed):
    votes = torch.randint(0, classes, (members, 30), generator=rng(seed))
    f = stats.mode(votes.numpy(), axis=0).count
    found = acquisition.get("qbc")(votes_of(votes, classes), members=members)
    assert found.numpy() == pytest.approx(1 - f / members, abs=1e-6)


def test_late_dispersion_by_hand():
    """Eight epochs, of which the last two, four or all count."""
    y = torch.tensor([[0, 1, 2], [0, 2, 1], [0, 1, 2], [0, 2, 1], [1, 0, 0], [2, 0, 0], [1, 0, 0], [1, 1, 0]])
    view = toy_view(U=3, C=3).replaced(predictions=y.to(torch.uint8))
    late = acquisition.get("late_dispersion")
    assert late(view).tolist() == pytest.approx([0, 0.5, 0])
    assert late(view, share=0.5).tolist() == pytest.approx([0.25, 0.25, 0])
    assert late(view, share=1.0).tolist() == pytest.approx([0.5, 0.625, 0.5])


@pytest.mark.parametrize(
    ("T", "share", "last"), [(15, 0.25, 4), (50, 0.25, 12), (100, 0.25, 25), (9, 0.3, 3), (1, 0.25, 1), (8, 0.01, 1)]
)
def test_late_dispersion_counts_a_rounded_number_of_epochs_and_at_least_one(T, share, last):
    """The k-th epoch before the end is the first to say class 1: late dispersion is 0 until it counts."""
    y = torch.zeros(T, T, dtype=torch.long)
    y[torch.arange(T), T - 1 - torch.arange(T)] = 1  # sample k differs in epoch T - 1 - k alone
    found = acquisition.get("late_dispersion")(toy_view(U=T, C=2).replaced(predictions=y), share=share)
    assert (found > 0).tolist() == [k < last and last > 1 for k in range(T)]


def test_late_dispersion_of_all_epochs_is_dispersion():
    view = toy_view(U=100, T=13)
    assert torch.equal(acquisition.get("late_dispersion")(view, share=1.0), acquisition.get("dispersion")(view))
