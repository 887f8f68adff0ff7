"""What every strategy owes the cycle, checked for each one that the catalogue finds."""

from __future__ import annotations

import pytest
import torch

from alnb import acquisition
from alnb.errors import BadRequest
from tests.acquisition.toy_view import FLOATS, QUICK, alike_view, toy_view

NAMES = sorted(acquisition.catalogue())
BUDGET = 17


@pytest.fixture(params=NAMES)
def strategy(request):
    return acquisition.get(request.param)


def offered(strategy, **sizes):
    """A view that has what the strategy declares, and nothing else."""
    return toy_view(**sizes, offers=strategy.needs, oracle=strategy.oracle)


def rows(strategy, view, budget=BUDGET, seed=5):
    return strategy.choose(view, budget, torch.Generator().manual_seed(seed), **QUICK.get(strategy.name, {})).rows


def test_a_grid_refuses_numbers_that_cannot_be_before_anything_runs():
    """Every strategy with numbers for options has a check beside it, which knows all of them."""
    refused = {}
    for name in NAMES:
        for option, default in acquisition.describe(name).parameters.items():
            if isinstance(default, (int, float)) and not isinstance(default, bool):
                with pytest.raises(BadRequest, match=option):
                    acquisition.check_options(name, {option: -1 if isinstance(default, int) else float("nan")})
                refused.setdefault(name, []).append(option)
        acquisition.check_options(name, {})
    assert refused["core_set"] == ["outliers", "nodes"]


@pytest.mark.parametrize("budget", [1, BUDGET, 60])
def test_it_chooses_exactly_the_budget_of_distinct_candidates(strategy, budget):
    chosen = rows(strategy, offered(strategy), budget)
    assert chosen.shape == (budget,)
    assert chosen.dtype == torch.int64
    assert len(set(chosen.tolist())) == budget
    assert set(chosen.tolist()) <= set(range(60))


def test_it_is_deterministic_in_the_seed_and_leaves_the_global_generators_alone(strategy):
    torch.manual_seed(1)
    first = rows(strategy, offered(strategy))
    torch.manual_seed(2)
    before = torch.get_rng_state()
    again = rows(strategy, offered(strategy))
    assert first.tolist() == again.tolist()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_pool_does_not_matter(strategy, seed):
    view = offered(strategy, seed=seed, U=400)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(100 + seed))
    chosen, elsewhere = rows(strategy, view, 90), rows(strategy, view.permuted(order), 90)
    assert order[elsewhere].tolist() == chosen.tolist()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [toy_view, alike_view])
def test_the_names_of_the_classes_do_not_matter(strategy, make, seed):
    """Among candidates that differ in nothing but the names of their classes too: what is equal on paper is equal in bits."""
    view = make(seed=seed, offers=strategy.needs, oracle=strategy.oracle)
    names = torch.randperm(view.classes, generator=torch.Generator().manual_seed(50 + seed))
    chosen, elsewhere = rows(strategy, view, 40), rows(strategy, view.renamed(names), 40)
    assert elsewhere.tolist() == chosen.tolist()


def test_a_sum_over_classes_in_the_order_of_their_names_would_be_caught():
    def by_sum(view):
        return -(view.probabilities * view.log_probabilities).sum(1)

    naive = acquisition.Strategy("naive", "score", by_sum, ("probabilities",), False, "", True, "naive")
    moved = 0
    for seed in range(3):
        view = alike_view(seed=seed)
        names = torch.randperm(view.classes, generator=torch.Generator().manual_seed(50 + seed))
        moved += rows(naive, view, 40).tolist() != rows(naive, view.renamed(names), 40).tolist()
    assert moved > 0


def test_a_nested_choice_of_a_smaller_budget_begins_a_larger_one(strategy):
    if strategy.nested:
        view = offered(strategy, U=100)
        assert rows(strategy, view, 30).tolist() == rows(strategy, view, 60).tolist()[:30]


def test_it_changes_nothing_in_the_view(strategy):
    view = offered(strategy)
    before = {name: value.clone() for name, value in view._fields.items() if not callable(value)}
    rows(strategy, view)
    assert all(torch.equal(view._fields[name], value) for name, value in before.items())


def test_only_an_oracle_reads_the_labels_of_the_pool(strategy):
    view = toy_view(oracle=strategy.oracle)
    rows(strategy, view)
    assert ("truth" in view.asked) == strategy.oracle


def test_other_labels_in_the_pool_change_nothing_but_an_oracle(strategy):
    view = toy_view(oracle=strategy.oracle)
    other = view.replaced(truth=(view._fields["truth"] + 1) % 4)
    same = rows(strategy, view).tolist() == rows(strategy, other).tolist()
    assert same != strategy.oracle


def test_it_reads_what_it_declares_and_declares_what_it_reads(strategy):
    view = offered(strategy)
    given = (view, BUDGET, torch.Generator().manual_seed(0))[: 1 if strategy.kind == "score" else 3]
    strategy(*given, **QUICK.get(strategy.name, {}))
    assert view.asked == set(strategy.needs)


def test_it_refuses_nan_by_name(strategy):
    needed = [field for field in strategy.needs if field in FLOATS]
    for field in needed:
        with pytest.raises(BadRequest, match=f"{strategy.name}.*{field} holds NaN"):
            rows(strategy, offered(strategy).poisoned(field, row=3))


@pytest.mark.parametrize("budget", [0, -1, 61, 2.0, True, None])
def test_it_refuses_a_budget_outside_the_pool(strategy, budget):
    with pytest.raises(BadRequest, match=f"{strategy.name}.*budget {budget} for 60 candidates.*from 1 to 60"):
        rows(strategy, offered(strategy), budget)


def test_what_its_source_says_is_what_it_is(strategy):
    entry = acquisition.describe(strategy.name)
    for fact in ("name", "kind", "needs", "oracle", "source", "nested", "parameters"):
        assert getattr(entry, fact) == getattr(strategy, fact)
    assert strategy.function.__module__ == entry.module
    assert strategy.function.__doc__
