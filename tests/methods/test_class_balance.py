"""Thesis chapter 4: its strategies against the plain rules, its rows against hand-worked numbers."""

import hashlib
import itertools
import math

import numpy as np
import pandas
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alnb import published
from alnb.acquisition import balance, get, vaal
from alnb.audits import class_balance as audits
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.methods import class_balance as ch4
from alnb.store import Store
from tests.acquisition.test_balance import instance
from tests.acquisition.toy_view import QUICK, toy_view

TINY = {"pool": 400, "initial": 30, "budget": 20, "cycles": 1, "epochs": 2, "batch": 32, "network": "small",
        "tail": "step", "imbalance": 0.3, "tail_classes": "per_seed"}  # fmt: skip


def rows(name, view, budget=12, seed=3, **options):
    return get(name).choose(view, budget, torch.Generator().manual_seed(seed), **options).rows


def plain_greedy(x, labelled, P, omega, lam, budget):
    """Thesis algorithm 2 as printed: the matrix of distances grows, Q loses a row."""
    z, left, picks = np.zeros(len(x)), list(range(len(x))), []
    D = np.array([[math.dist(a, b) for b in labelled] for a in x])
    for _ in range(budget):
        d, Q = D[left].min(1), P[left]
        chosen = left[int(np.argmin(-d + lam * np.abs(omega[:, None] - Q.T - (P.T @ z)[:, None]).sum(0)))]
        z[chosen] = 1
        left.remove(chosen)
        picks.append(chosen)
        D = np.hstack([D, np.array([[math.dist(a, x[chosen])] for a in x])])
    return picks


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(1, 5), st.floats(0, 50))
def test_the_greedy_variant_is_algorithm_2(seed, n, c, lam):
    rng = np.random.default_rng(seed)
    x, labelled = rng.normal(size=(n, 3)), rng.normal(size=(4, 3))
    _, P = instance(n, c, seed)
    omega, budget = balance.wanted(rng.integers(0, 9, c), n // 2), n // 2
    found = ch4.greedy(torch.tensor(x), torch.tensor(labelled), P, omega, lam, budget)
    assert found.tolist() == plain_greedy(x, labelled, P, omega, lam, budget)


def test_without_lambda_the_greedy_variant_is_k_center():
    view = toy_view(U=120, C=4)
    assert rows("k_center_cb", view, 30, lam=0.0).tolist() == rows("k_center", view, 30).tolist()


def test_the_greedy_variant_starts_by_balance_where_nothing_is_labelled():
    P = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    picks = ch4.greedy(torch.eye(3), torch.empty(0, 3), P, np.array([0.0, 1.0]), 1.0, 2)
    assert picks[0] == 1


def test_entropy_with_and_without_balance():
    view = toy_view(U=200, C=5)
    assert set(rows("entropy_cb", view, lam=0.0).tolist()) == set(rows("entropy", view).tolist())
    omega = ch4.required(view, 40)
    _, P = ch4.informative(view.log_probabilities)
    off = {lam: np.abs(omega - P[rows("entropy_cb", view, 40, lam=lam)].sum(0)).sum() for lam in (0.0, 0.6, 5.0)}
    assert off[5.0] <= off[0.6] <= off[0.0]
    U, _ = ch4.informative(view.log_probabilities)
    assert pytest.approx(get("entropy")(view).double().numpy(), abs=1e-5) == -U


def least_of_all(view, u, lam, budget):
    """Eq. 4.9 by trying every choice there is: (objective, rows)."""
    P, omega = view.probabilities.double().numpy(), ch4.required(view, budget)
    return min(
        (u[list(z)].sum() + lam * np.abs(omega - P[list(z)].sum(0)).sum(), z)
        for z in itertools.combinations(range(view.size), budget)
    )


@pytest.mark.parametrize("lam", [0.0, 0.05, 0.4])
@pytest.mark.parametrize("seed", range(3))
def test_vaal_with_balance_is_the_least_of_eq_4_9_with_how_surely_labelled_as_cost(seed, lam):
    view, quick = toy_view(seed, U=9, C=3), QUICK["vaal"]
    chosen = rows("vaal_cb", view, 4, lam=lam, **quick)
    shared, rest = view.priority.argsort(), {"beta": 1.0, "adversary": 1.0, "lr": 1e-3}
    sure = vaal.certainty(view.images[shared], view.labelled_images, torch.Generator().manual_seed(3), **quick, **rest)
    u = np.empty(9)
    u[shared] = 1 / (1 + np.exp(-sure.double().numpy()))
    _, best = least_of_all(view, u, lam, 4)
    assert set(chosen.tolist()) == set(best)
    if not lam:  # the sign: what is asked is what the discriminator least believes to be labelled
        assert set(chosen.tolist()) == set(np.argsort(u)[:4].tolist()) == set(rows("vaal", view, 4, **quick).tolist())


@pytest.mark.parametrize("lam", [0.0, 0.05, 0.4])
@pytest.mark.parametrize("seed", range(3))
def test_bald_with_balance_is_the_least_with_minus_the_mutual_information_as_cost(seed, lam):
    view = toy_view(seed, U=9, C=3)
    p = view.dropout_probabilities(20).double().numpy()
    entropy = lambda p: -(p * np.log(p)).sum(-1)
    u = -(entropy(p.mean(0)) - entropy(p).mean(0))
    chosen = rows("bald_cb", view, 4, lam=lam, passes=20)
    _, best = least_of_all(view, u, lam, 4)
    assert set(chosen.tolist()) == set(best)
    if not lam:
        assert set(chosen.tolist()) == set(np.argsort(u)[:4].tolist()) == set(rows("bald", view, 4, passes=20).tolist())


@pytest.mark.parametrize("arm", ["entropy_cb", "entropy_cb_permuted", "k_center_cb", "vaal_cb", "bald_cb"])
def test_a_lambda_below_zero_is_refused_in_the_grid(arm):
    race = {"dataset": "digits", "seeds": 1, "arms": [f"{arm}(lam=-0.5)"], "dropout": 0.5}
    with pytest.raises(BadRequest, match=r"few: .*lam = -0.5; accepted: a finite number, 0 or more"):
        ch4.grid(race, **TINY)


def test_omega_is_from_the_labels_so_far():
    view = toy_view(C=3).replaced(labelled_targets=torch.tensor([0, 0, 0, 1]))
    assert ch4.required(view, 5).tolist() == [0, 2, 3]  # (5 + 4) / 3 = 3 of each


def test_quotas_by_hand():
    scores, classes = np.array([9.0, 8, 7, 6, 5, 4]), np.array([0, 0, 0, 1, 1, 2])
    assert ch4.quotas(scores, classes, np.array([1.0, 1.5, 2]), 4).tolist() == [0, 3, 5, 1]  # one of 0, 1 and 2, then 8
    assert ch4.quotas(scores, classes, np.zeros(3), 3).tolist() == [0, 1, 2]
    assert ch4.quotas(scores, classes, np.full(3, 9.0), 2).tolist() == [0, 1]  # more is wanted than can be


def test_the_rivals_keep_the_most_uncertain_of_each_predicted_class():
    view = toy_view(U=300, C=4).replaced(labelled_targets=torch.arange(12) % 4)
    predicted = view.probabilities.argmax(1)
    for name, least in (("entropy_pseudo", 5), ("entropy_topped_up", 2)):
        assert predicted[rows(name, view, 20)].bincount(minlength=4).min() >= least
    same = rows("entropy_topped_up", view, 20, least=1.0)
    assert same.tolist() == rows("entropy_pseudo", view, 20).tolist()
    assert set(rows("entropy_topped_up", view, 20, least=0.0).tolist()) == set(rows("entropy", view, 20).tolist())
    with pytest.raises(BadRequest, match="least = 2"):
        rows("entropy_topped_up", view, 20, least=2.0)


def test_balanced_random_is_as_balanced_as_can_be_and_else_the_shared_order():
    view = toy_view(U=90, C=3, oracle=True).replaced(
        truth=torch.tensor([0] * 60 + [1] * 28 + [2] * 2), labelled_targets=torch.tensor([0, 0, 1])
    )
    chosen = rows("balanced_random", view, 12)
    asked = view.truth[chosen].bincount(minlength=3).tolist()
    assert asked in ([4, 6, 2], [5, 5, 2])  # totals 6 and 7, or 7 and 6: class 2 has no more than two
    of_class = [r for r in chosen.tolist() if r < 60]
    assert of_class == sorted(range(60), key=lambda r: view.priority[r])[: len(of_class)]


def test_the_placebo_keeps_the_entropies_and_loses_the_classes():
    view = toy_view(U=400, C=6).replaced(labelled_targets=torch.zeros(12, dtype=torch.long))
    omega = ch4.required(view, 40)
    U, P = ch4.informative(view.log_probabilities)
    real, placebo = rows("entropy_cb", view, 40, lam=2.0), rows("entropy_cb_permuted", view, 40, lam=2.0)
    off = lambda chosen: np.abs(omega - P[chosen].sum(0)).sum()
    assert off(real) < off(placebo)
    assert -U[placebo].sum() <= -U[rows("entropy", view, 40)].sum() + 1e-9


@pytest.mark.parametrize(("counts", "score"), [([6, 0, 0], 1), ([2, 2, 2], 0), ([3, 3, 0], 0.5), ([4, 2], 1 / 3)])
def test_the_l1_score_by_hand(counts, score):
    assert ch4.l1_score(counts) == pytest.approx(score)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=30).filter(any))
def test_the_l1_score_is_between_zero_and_one(counts):
    assert -1e-12 <= ch4.l1_score(counts) <= 1 + 1e-12


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=4), st.integers(1, 12))
def test_the_least_l1_score_is_that_of_the_best_of_all_counts(available, labels):
    if labels > sum(available):
        return
    every = itertools.product(*(range(n + 1) for n in available))
    best = min(ch4.l1_score(n) for n in every if sum(n) == labels)
    C, floor = len(available), ch4.l1_floor(available, labels)
    assert floor <= best + 1e-12
    if labels % C == 0:  # else equal shares are no whole numbers
        assert floor == pytest.approx(best)


def test_the_smallest_lambda_after_which_the_loss_does_not_diminish():
    assert ch4.smallest_lambda({0: 100, 0.5: 40, 1: 10, 2: 10, 3: 10}) == 1
    assert ch4.smallest_lambda({0: 100, 0.5: 10, 1: 30, 2: 10, 3: 10.5}) == 2  # it rose once more
    assert ch4.smallest_lambda({0: 100, 1: 50, 2: 0}) == 2
    assert ch4.smallest_lambda({0: 5, 1: 5, 2: 5}) == 0
    with pytest.raises(BadRequest, match="1 values of lambda"):
        ch4.smallest_lambda({1: 2})


def test_the_rows_of_a_run(tmp_path):
    arms = ["entropy", "entropy_cb(lam=2.0)", "balanced_random", "random"]
    runs = ch4.grid({"dataset": "digits", "seeds": [1], "arms": arms}, **TINY)
    store = Store(tmp_path)
    assert not drive(runs, store, workers=1).failed
    found = {run.method: store.read(run).rows for run in runs}
    first = {m: next(r for r in rs if r["kind"] == "balance") for m, rs in found.items()}
    for row in first.values():
        batch, after, left = (ch4.counts(row[name]) for name in ("batch", "labelled_classes", "left"))
        assert sum(batch) == 20
        assert [a - b for a, b in zip(after, batch)] == [3] * 10  # what was set aside is balanced
        assert all(b <= n for b, n in zip(batch, left))
        assert row["l1"] == pytest.approx(ch4.l1_score(batch))
        assert row["l1_labelled"] == pytest.approx(ch4.l1_score(after))
    assert first["balanced_random"]["l1"] == 0
    assert first["entropy_cb"]["l1"] <= first["entropy"]["l1"]
    curve = [r for r in found["entropy"] if r["kind"] == "lambda" and r["rule"] == "entropy_cb"]
    assert [r["lam"] for r in curve] == list(ch4.LAMBDAS)
    losses = [r["l1_loss"] for r in curve]
    assert all(after <= before + 0.5 for before, after in itertools.pairwise(losses))  # rounding moves it a little
    programme = [r for r in found["entropy_cb"] if r["kind"] == "programme"]
    assert [r["lam"] for r in programme] == [2.0]
    assert programme[0]["bound"] <= programme[0]["objective"]


def test_the_first_labels_are_set_aside_in_every_race():
    few = {"dataset": "digits", "arms": ["random"], "seeds": 1}
    runs = ch4.grid(few, {"like": "few", "imbalance": 1.0}, {"like": "few", "initial": 20}, many={}, **TINY)
    assert {run.race: (run.options.initial, run.options.reserved) for run in runs} == {
        "few": (30, 30), "even": (30, 30), "severe": (20, 20)
    }  # fmt: skip
    assert all(run.options.initial_labels == "reserved" for run in runs)
    with pytest.raises(BadRequest, match="more than the pool's"):
        ch4.grid(few, **TINY | {"imbalance": 0.01, "cycles": 12})
    with pytest.raises(BadRequest, match="give one number"):
        ch4.STUDY.check(ch4.races.grid("class_balance", {"few": few}, TINY | {"initial_labels": "reserved"})[0])


def test_a_race_on_a_published_list_is_that_pool_and_its_rows_say_so(tmp_path, monkeypatch):
    rows = [*range(0, 300, 3), *range(400, 430)]
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "theirs.txt").write_text("\n".join(map(str, rows)))
    monkeypatch.setenv("ALNB_DATA", str(tmp_path))
    split = f"theirs@{hashlib.sha256(chr(10).join(map(str, rows)).encode()).hexdigest()[:8]}"
    few = {"dataset": "digits", "seeds": 2, "arms": ["random"], "split": split}
    runs = [run for run in ch4.grid(few, many=few | {"split": ""}, **TINY) if run.method == "random"]
    assert {(run.race, run.options.tail, run.options.pool, run.options.reserved) for run in runs} == {
        ("few", "none", 0, 30), ("many", "step", 400, 30)
    }  # fmt: skip
    store = Store(tmp_path / "store")
    listed = [run for run in runs if run.race == "few"]
    assert not drive(listed, store, workers=1).failed
    frame = store.frame(listed)
    assert set(frame["published_list"]) == {split}
    first = frame[frame["kind"] == "balance"].iloc[0]
    assert sum(ch4.counts(first["left"])) == 100
    asked = [row for step in store.read(listed[0]).steps for row in step["queries"]]
    assert set(asked) <= set(rows[:100])
    for name, value in {"imbalance": 0.1, "tail": "step", "pool": 100}.items():
        with pytest.raises(BadRequest, match=f"severe: split = 'theirs@.*' is the pool: it takes no {name} beside it"):
            ch4.grid(few, severe={"like": "few", name: value}, **TINY)


def test_the_footnote_is_held_against_what_was_measured():
    costs = pandas.DataFrame({"pool": [1000, 2000, 4000], "seconds": [0.01, 0.04, 0.16]})  # as N^2
    (row,) = audits.infeasible(costs)(None)
    assert row["computed"] == pytest.approx(0.01 * 90**2)
    assert (row["agrees"], math.isnan(row["printed"])) == (False, True)
    assert "up to 4,000 made-up samples of 512 features, beyond as N^2.0" in row["note"]
    assert next(audits.infeasible(costs.assign(seconds=costs["seconds"] * 100))(None))["agrees"]
    assert list(audits.infeasible(costs[:1])(None)) == []


def test_the_chapters_own_arithmetic():
    found = published.audit("thesis", "4", checks=audits.CHECKS).set_index("check")
    assert len(found) >= 6
    assert found.loc["Fig. 4.6: mean gain, cifar-100, vaal_cb", "computed"] == pytest.approx(2.8525)
    assert not found.loc["Table 4.3: least gain, tiny-imagenet, entropy_cb", "agrees"]
    assert found.loc["Table 4.3: least gain, tiny-imagenet, bald_cb", "computed"] == 0.07
    step = found.loc["Fig. 4.5: least step of the gain, cifar-10, vaal_cb"]
    assert step["agrees"]
    assert step["computed"] == pytest.approx(1.19 - 1.08)
    rise = {method: found.loc[f"Fig. 4.6: least rise of the gain, cifar-100, {method}"] for method in ("entropy_cb", "vaal_cb")}
    assert rise["entropy_cb"]["computed"] == pytest.approx((1.16 + 1.76 + 1.44 + 1.63 - 1.37 - 1.40 - 1.96 - 1.82) / 4)
    assert [bool(row["agrees"]) for row in rise.values()] == [False, True]
    (saved,) = found.loc[found.index.str.contains("labels saved"), "computed"]
    assert saved == 5000
