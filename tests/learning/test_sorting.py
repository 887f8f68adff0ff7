"""Ranks against scipy, the soft ranking against its limit, the lists a sorter is trained on, and a training that stops."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from alnb.errors import BadRequest
from alnb.learning import sorting
from alnb.learning.recipe import Recipe
from alnb.learning.train import train

LISTS = st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=30)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@given(LISTS)
def test_ranks_are_scipys_of_equal_values_the_first_is_lower(values):
    found = sorting.ranks(torch.tensor(values))
    assert found.tolist() == rankdata(np.array(values, np.float32), method="ordinal").tolist()


def test_ranks_are_along_the_last_axis():
    x = torch.tensor([[3.0, 1.0, 2.0], [5.0, 6.0, 4.0]])
    assert sorting.ranks(x).tolist() == [[3, 1, 2], [2, 3, 1]]


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 40))
def test_soft_ranks_tend_to_the_ranks_and_follow_any_order(seed, d):
    x = torch.randperm(d, generator=generator(seed)).double()
    assert torch.allclose(d * sorting.soft_ranks(x, slope=1e4), sorting.ranks(x))
    order = torch.randperm(d, generator=generator(seed + 1))
    soft = sorting.soft_ranks(x)
    assert torch.allclose(sorting.soft_ranks(x[order]), soft[order])
    assert torch.allclose(sorting.soft_ranks(3 * x - 7), soft)  # neither scale nor place matters
    assert (soft.argsort() == x.argsort()).all()
    assert soft.mean().item() == pytest.approx((d + 1) / 2 / d)  # sigmoids of a pair sum to one


def test_soft_ranks_have_a_gradient_that_is_right():
    x = torch.randn(7, dtype=torch.float64, generator=generator(), requires_grad=True)
    assert torch.autograd.gradcheck(sorting.soft_ranks, (x,))


def test_a_list_of_equal_values_is_no_nan():
    for f in (sorting.standardised, sorting.soft_ranks, sorting.Sorter(4)):
        assert f(torch.full((2, 5), 3.0)).isfinite().all()


def test_standardising_leaves_the_ranks_and_takes_the_scale():
    x = torch.randn(3, 50, generator=generator()) * 1e4 + 7
    once = sorting.standardised(x)
    assert torch.equal(sorting.ranks(once), sorting.ranks(x))
    assert once.mean(1).abs().max() < 1e-4
    assert torch.allclose(once.square().mean(1), torch.ones(3), atol=1e-4)


@pytest.mark.parametrize("d", [64, 32, 4, 1])
def test_a_sorter_takes_any_length_and_gives_shares(d):
    out = sorting.Sorter(6, 2)(torch.randn(3, d, generator=generator()))
    assert out.shape == (3, d)
    assert ((out > 0) & (out < 1)).all()


def test_a_squashed_list_is_what_sodeep_reads():
    torch.manual_seed(0)
    squashed, raw = sorting.Sorter(4, scale="squashed"), sorting.Sorter(4, scale="raw")
    raw.load_state_dict(squashed.state_dict())
    x = torch.randn(2, 9, generator=generator())
    assert torch.equal(squashed(x), raw(1 / (1 + (-(x / 2 + 1)).exp()))) or torch.allclose(
        squashed(x), raw(1 / (1 + (-(x / 2 + 1)).exp())), atol=1e-6
    )
    with pytest.raises(BadRequest, match="scale 'log'"):
        sorting.Sorter(4, scale="log")


@pytest.mark.parametrize("family", [*sorting.FAMILIES, "joined", ""])
@pytest.mark.parametrize("d", [64, 4, 2])
def test_lists_are_of_their_size_in_their_range_and_of_their_generator(family, d):
    x = sorting.sequences(40, d, generator(3), family)
    assert x.shape == (40, d)
    assert torch.equal(x, sorting.sequences(40, d, generator(3), family))
    assert x.abs().max() <= (6 if family in ("normal", "joined", "") else 1)
    if family == "whole":
        assert torch.allclose(x.sort(1).values, torch.linspace(-1, 1, d).expand(40, d))
    if family == "ordered":
        assert (x.diff(dim=1).sign() == x.diff(dim=1).sign()[:, :1]).all()
    if family in ("uniform", "normal", "even") and d == 64:
        assert abs(np.corrcoef(np.arange(d), sorting.ranks(x).mean(0))[0, 1]) < 0.5  # no place is always high


def test_a_joined_list_is_the_beginning_of_one_kind_and_the_end_of_another(monkeypatch):
    monkeypatch.setattr(
        sorting, "FAMILIES", {"a": lambda n, d, rng: torch.zeros(n, d), "b": lambda n, d, rng: torch.ones(n, d)}
    )
    x = sorting.sequences(300, 8, generator(), "joined")
    changes = x.diff(dim=1).ne(0).sum(1)
    assert set(changes.tolist()) == {0, 1}  # 0: both of one kind
    assert x[:, 0].mean().item() == pytest.approx(0.5, abs=0.1)
    mixed = sorting.sequences(2000, 8, generator())
    assert (mixed.diff(dim=1).ne(0).any(1)).float().mean().item() == pytest.approx(sorting.JOINED / 2, abs=0.03)
    with pytest.raises(BadRequest, match="lists of 1"):
        sorting.sequences(3, 1, generator(), "joined")


def test_sodeeps_own_lists_are_its_ten_types_each_as_likely():
    """Against dataset.py of SoDeep's code, type by type; of the joined ones, where a list of 50 is cut."""
    n, d = 400, 50
    made = [sorting.sodeep_lists(n, d, generator(kind), kind) for kind in range(sorting.TYPES)]
    uniform, steps = lambda x: bool(x.abs().le(1).all()), lambda x: x.diff(dim=1)
    for kind in (0, 1, 7):
        assert uniform(made[kind])
        assert made[kind].std().item() == pytest.approx(3**-0.5, abs=0.02)
    assert made[2].std().item() == pytest.approx(1, abs=0.02)
    even, shuffled = made[3], made[4].sort(1).values
    for x in (even, shuffled):
        assert torch.allclose(steps(x), steps(x)[:, :1].expand(n, d - 1), atol=1e-5)
        assert x.min() >= 0
        assert x.max() <= 1
    assert not torch.allclose(steps(made[4]), steps(made[4])[:, :1].expand(n, d - 1), atol=1e-5)
    assert torch.allclose(made[9], torch.arange(-1, 1, 2 / d).expand(n, d), atol=1e-6)  # not shuffled, 1 left out
    for kind in (5, 6):
        beyond = made[kind].abs().gt(1).float()
        assert beyond[:, 0].sum() == 0  # one uniform value at least
        assert beyond.mean(0)[-5:].mean() > 0.25  # P(|N(0, 1)| > 1) is 0.317; nearly all are cut before
    assert made[8][:, 0].min() >= 0  # one of even steps at least
    assert made[8][:, -1].min() < -0.5
    mixed = sorting.sequences(4000, d, generator(1), "sodeep")
    assert (mixed == made[9][0]).all(1).float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert (steps(mixed).sign() == steps(mixed).sign()[:, :1]).all(1).float().mean().item() == pytest.approx(
        0.2, abs=0.02
    )


def test_the_head_of_sodeeps_eighth_type_is_shuffled_even_steps(monkeypatch):
    monkeypatch.setattr(sorting, "_uniform", lambda n, d, rng: torch.full((n, d), -1.0))  # the tail, marked
    heads = [x[x >= 0] for x in sorting.sodeep_lists(300, 6, generator(3), 8)]
    assert {len(head) for head in heads} == set(range(1, 7))
    for head in heads:
        gaps = head.sort().values.diff()
        assert torch.allclose(gaps, gaps[:1].expand_as(gaps), atol=1e-5)
    whole = [head for head in heads if len(head) == 6]
    assert len({tuple(head.argsort().tolist()) for head in whole}) > 10


def test_what_is_fed_are_lists_and_their_ranks_and_passing_over_an_epoch_costs_nothing():
    feed = sorting.Sequences(20, 8)
    drawn = feed.draw(generator())
    x, y = feed.batch(torch.arange(20), slice(4, 12), drawn)
    assert torch.equal(y, sorting.ranks(x) / 8)
    assert torch.equal(x, feed.batch(torch.arange(20), slice(4, 12), drawn)[0])
    assert not torch.equal(x, feed.batch(torch.arange(20), slice(12, 20), drawn)[0])
    assert isinstance(drawn, int)


def test_a_training_of_three_and_three_epochs_is_one_of_six():
    recipe = Recipe(epochs=6, batch=16, lr=0.01, optimiser="adam", weight_decay=0.0, milestones=(0.5,), gamma=0.5)
    loss = lambda outputs, y, epoch, rows: (outputs - y).abs().mean(1)

    def trained(*parts):
        torch.manual_seed(0)
        sorter, state = sorting.Sorter(4), None
        for begin, end in parts:
            done = train(sorter, sorting.Sequences(48, 6), recipe, loss=loss, order=None, augment=generator(5),
                         begin=begin, end=end, state=copy.deepcopy(state))  # fmt: skip
            state = done.state
        return sorter.state_dict(), done.losses[-1]

    (whole, last), (parts, same) = trained((0, 6)), trained((0, 3), (3, 6))
    assert last == same
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_sorter_learns_to_sort_and_a_frozen_one_stays():
    torch.manual_seed(0)
    sorter = sorting.Sorter(16)
    recipe = Recipe(epochs=8, batch=32, lr=0.01, optimiser="adam", weight_decay=0.0)
    loss = lambda outputs, y, epoch, rows: (outputs - y).abs().mean(1)
    train(sorter, sorting.Sequences(640, 6), recipe, loss=loss, order=None, augment=generator(5))
    x = sorting.sequences(200, 6, generator(9), "uniform")
    assert sorting.rank_error(sorter(x).detach(), x) < 0.08  # a place is 0.167
    kept = sorting.frozen(type("S", (), {"hidden": 16, "layers": 1, "scale": "standardised"}), sorter.state_dict())
    given = x[:1].clone().requires_grad_()
    kept(given).square().sum().backward()
    assert given.grad.abs().sum() > 0
    assert all(p.grad is None for p in kept.parameters())


def test_the_rank_error_by_hand():
    values = torch.tensor([[3.0, 1.0, 2.0, 4.0]])  # places 3 1 2 4
    assert sorting.rank_error(torch.tensor([[0.75, 0.5, 0.25, 1.0]]), values) == pytest.approx(
        (0 + 0.25 + 0.25 + 0) / 4
    )
