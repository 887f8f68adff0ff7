"""Thesis eq. 3.1-3.2 against hand-worked numbers, scipy's mode and properties; the figures' rows against brute force."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from alnb import cycle
from alnb.acquisition import get
from alnb.errors import BadRequest
from alnb.methods import label_dispersion as ch3
from alnb.tasks.classes import count_predictions
from tests.acquisition.toy_view import toy_view

labels = st.integers(1, 30).flatmap(
    lambda t: st.lists(st.lists(st.integers(0, 5), min_size=t, max_size=t), min_size=1, max_size=8)
)


def test_eq_3_1_by_hand():
    predictions = torch.tensor([[2, 0, 1], [2, 1, 0], [2, 0, 1], [2, 1, 2], [2, 0, 0]])
    counts = count_predictions(predictions, 3)
    assert ch3.dispersion(counts).tolist() == pytest.approx([0.0, 0.4, 0.6], abs=1e-6)


@given(labels)
def test_dispersion_is_one_minus_the_share_of_the_mode(samples):
    y = torch.tensor(samples).T  # (T, U)
    found = ch3.dispersion(count_predictions(y, 6))
    f_x = [stats.mode(sample).count for sample in samples]
    assert found.tolist() == pytest.approx([1 - f / len(y) for f in f_x], abs=1e-6)
    assert found.min() >= 0
    assert found.max() <= 1 - 1 / min(6, len(y)) + 1e-6


@given(labels, st.randoms())
def test_dispersion_does_not_depend_on_names_of_classes_or_order_of_epochs(samples, random):
    y = torch.tensor(samples).T
    names, epochs = list(range(6)), list(range(len(y)))
    random.shuffle(names)
    random.shuffle(epochs)
    again = torch.tensor(names)[y][epochs]
    assert torch.equal(ch3.dispersion(count_predictions(y, 6)), ch3.dispersion(count_predictions(again, 6)))


def test_the_rivals_against_numpy_and_scipy():
    view = toy_view(T=16)
    entropy = stats.entropy(view.counts.numpy(), axis=1)
    torch.testing.assert_close(get("count_entropy")(view).double(), torch.tensor(entropy), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(get("mean_confidence")(view), 1 - view.mean_confidence)
    assert get("count_entropy")(view).min() >= 0


def test_a_steady_sample_is_asked_last_and_a_wavering_one_first():
    counts = torch.tensor([[10, 0], [5, 5], [7, 3]])
    view = toy_view(U=3, C=2).replaced(counts=counts, priority=torch.arange(3))
    assert get("dispersion").choose(view, 3, None).rows.tolist() == [1, 2, 0]


def test_the_histogram_holds_every_sample_once_and_counts_the_correct():
    d, correct = torch.tensor([0.0, 0.1, 0.1, 0.55, 0.9, 0.98]), torch.tensor([1, 1, 0, 0, 1, 0]).bool()
    rows = ch3.histogram(d, correct, 2)
    assert [row["samples"] for row in rows] == [1, 2, 0, 0, 0, 1, 0, 0, 0, 2]
    assert [row["correct"] for row in rows] == [1, 1, 0, 0, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("T", [7, 15, 50, 100])
def test_a_multiple_of_one_over_t_falls_into_the_bin_that_holds_it(T):
    counts = torch.tensor([[T - k, k] for k in range(T // 2 + 1)])
    d = ch3.dispersion(counts)
    rows = ch3.histogram(d, torch.ones(len(d)).bool(), 0)
    by_hand = [0] * 10
    for k in range(T // 2 + 1):
        by_hand[math.floor(k * 10 / T)] += 1
    assert [row["samples"] for row in rows] == by_hand


def test_the_examples_are_a_steady_hit_and_three_confident_mistakes():
    U, C = 40, 4
    view = toy_view(U=U, C=C, T=8)
    truth = view.probabilities.argmax(1).clone()
    truth[:10] = (truth[:10] + 1) % C
    sure = torch.full((U, C), 0.01)
    sure[torch.arange(U), view.probabilities.argmax(1)] = 0.97
    view = view.replaced(probabilities=sure)
    view.samples = torch.arange(100, 100 + U)
    d = ch3.dispersion(view.counts)
    rows = ch3.examples(view, truth, d, sure.argmax(1) == truth)
    assert [row["panel"] for row in rows] == list("abcd")
    assert rows[0]["sample"] >= 110
    assert rows[0]["dispersion"] == pytest.approx(d[10:].min().item())
    worst = sorted(d[:10].tolist(), reverse=True)[:3]
    assert [row["dispersion"] for row in rows[1:]] == pytest.approx(worst)
    assert all(row["epoch_0"] == view.predictions[-1, row["sample"] - 100] for row in rows)


def test_informativeness_ranks_the_pool_as_the_choice_did():
    view = toy_view(U=200, C=4, T=8)
    truth = torch.where(torch.arange(200) % 3 == 0, view.predictions[-1].long(), (view.predictions[-1].long() + 1) % 4)
    choice = get("entropy").choose(view, 5, None)
    rows = ch3.informativeness(view, truth, choice)
    order = sorted(range(200), key=lambda i: (-choice.scores[i].item(), view.priority[i].item()))
    assert [row["asked"] for row in rows] == [10, 20, 30, 40, 50, 60]
    for row in rows:
        asked = order[: row["asked"]]
        right = [view.predictions[-1, i] == truth[i] for i in asked]
        assert row["accuracy"] == pytest.approx(100 * sum(map(int, right)) / len(right), abs=1e-4)


SETTINGS = {"pool": 100, "initial": 10, "budget": 5, "network": "small"}


def test_the_grid_is_seed_major_and_refuses_what_does_not_exist():
    few = {"dataset": "digits", "seeds": 2, "arms": ["random", "dispersion", "all_data"]}
    runs = ch3.grid(few, **SETTINGS)
    assert [(r.seed, r.method) for r in runs] == [(s, m) for s in (0, 1) for m in ("random", "dispersion", cycle.ALL)]
    for change, says in (
        ({"arms": ["randm"]}, "few: did you mean|few: no strategy 'randm'; did you mean 'random'"),
        ({"dataset": "digit"}, "digits"),
        ({"seeds": []}, r"few: seeds = \[\]: expected a count"),
        ({"arms": ["random"] * 2}, "few: arms repeats 'random'"),
    ):
        with pytest.raises(BadRequest, match=says):
            ch3.grid(few | change, **SETTINGS)


def test_planned_seconds_grow_with_what_is_looked_at():
    plain, dispersion = ch3.grid({"dataset": "digits", "arms": ["random", "dispersion"]}, **SETTINGS)
    assert 0 < ch3.seconds(plain) < ch3.seconds(dispersion)


def test_permuted_dispersion_is_a_uniform_draw_that_keeps_scores_and_forgets_samples():
    view, strategy = toy_view(U=12, T=6), get("dispersion_permuted")
    asked = torch.zeros(12)
    for seed in range(600):
        asked[strategy.choose(view, 3, torch.Generator().manual_seed(seed)).rows] += 1
    assert stats.chisquare(asked.numpy()).pvalue > 1e-3
    long, short = (strategy.choose(view, n, torch.Generator().manual_seed(1)).rows.tolist() for n in (9, 4))
    assert long[:4] == short


def test_races_of_the_trap_and_of_recipes_are_the_grids():
    few = {"dataset": "digits", "arms": ["random", "dispersion"]}
    recipes = {"like": "few", "arms": ["random", "random(batch=32, lr=0.02)"]}
    runs = ch3.grid(few, trap={"like": "few", "arms": ["dispersion_permuted"]}, recipes=recipes, **SETTINGS)
    assert [(run.race, run.arm or run.method) for run in runs] == [
        ("few", "random"), ("few", "dispersion"), ("trap", "dispersion_permuted"), ("recipes", "random"),
        ("recipes", "random(batch=32, lr=0.02)")]  # fmt: skip
    assert runs[3].key == runs[0].key
    assert runs[4].options.batch == 32
