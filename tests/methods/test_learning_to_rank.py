"""L2R-AL and LL4AL: equations against scipy and by hand, what a run trains and leaves alone, what is refused."""

import copy
import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from alnb import cycle, published, races
from alnb.acquisition import describe, get
from alnb.audits import learning_to_rank as audits
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.learning import sorting
from alnb.learning.loss_prediction import pair_loss
from alnb.methods import learning_to_rank as l2r
from alnb.metrics.ranking import correlation, top_overlap
from alnb.runs import State, study, torch_stream
from alnb.store import Store
from alnb.tasks import loss_prediction
from tests.acquisition.toy_view import toy_view

TINY = {"pool": 150, "initial": 36, "budget": 20, "cycles": 1, "epochs": 2, "batch": 16, "lr": 0.05, "network": "small",
        "sorter": "tiny"}  # fmt: skip
LOSSES = st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=40, unique=True)


def grid(*arms, **more):
    return l2r.grid({"dataset": "digits", "arms": list(arms)}, **TINY | more)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Runs that several tests look at, the sorter and the shared trainings among them."""
    store = Store(tmp_path_factory.mktemp("l2r"))
    runs = grid("l2r", "random", "ll4al", "random_joint")
    assert not drive(runs, store, workers=1).failed
    return store


# --- equations -------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(LOSSES, st.integers(0, 10**6))
def test_equation_3_is_spearmans_correlation(values, seed):
    tg = torch.tensor(values, dtype=torch.float64)
    pre = tg[torch.randperm(len(tg), generator=generator(seed))]
    assert float(l2r.r_s(l2r.rk(tg), l2r.rk(pre))) == pytest.approx(spearmanr(tg, pre).statistic)


def test_equation_3_by_hand():
    assert l2r.rk(torch.tensor([0.1, 2.0, 0.5, 1.0])).tolist() == [1, 4, 2, 3]
    assert float(l2r.r_s(torch.tensor([1.0, 4, 2, 3]), torch.tensor([2.0, 4, 1, 3]))) == pytest.approx(0.8)


@settings(deadline=None)
@given(LOSSES, st.integers(0, 10**6))
def test_the_ranking_loss_is_equation_6_and_says_the_correlation(values, seed):
    tg, d = torch.tensor(values, dtype=torch.float64), len(values)
    pre = tg[torch.randperm(d, generator=generator(seed))]
    loss = float(l2r.ranking_loss(tg, pre, lambda x: sorting.ranks(x) / d))
    by_hand = sum((a - b) ** 2 for a, b in zip(l2r.rk(tg).tolist(), l2r.rk(pre).tolist())) / d  # (6), with whole ranks
    assert d**2 * loss == pytest.approx(by_hand)
    assert 1 - 6 * d**2 * loss / (d**2 - 1) == pytest.approx(spearmanr(tg, pre).statistic)


@pytest.mark.parametrize("sorter", [sorting.soft_ranks, sorting.Sorter(4).double().requires_grad_(False)])
def test_the_ranking_loss_has_its_gradient_in_the_predictions_alone(sorter):
    tg = torch.randn(6, dtype=torch.float64, generator=generator(), requires_grad=True)
    pre = torch.randn(6, dtype=torch.float64, generator=generator(1), requires_grad=True)
    f_sort = (lambda x: sorter(x[None])[0]) if isinstance(sorter, torch.nn.Module) else sorter
    assert torch.autograd.gradcheck(lambda x: l2r.ranking_loss(tg, x, f_sort), (pre,))
    l2r.ranking_loss(tg, pre, f_sort).backward()
    assert tg.grad is None
    assert pre.grad.abs().sum() > 0


def test_descending_its_gradient_sorts():
    tg, pre = torch.arange(12.0), torch.randn(12, generator=generator(2), requires_grad=True)
    optimiser = torch.optim.Adam([pre], 0.05)
    for _ in range(300):
        optimiser.zero_grad()
        l2r.ranking_loss(tg, pre, sorting.soft_ranks).backward()
        optimiser.step()
    assert spearmanr(tg, pre.detach()).statistic > 0.99


def test_the_two_systems_of_figure_2_are_what_it_says():
    made = l2r.two_systems()
    true, one, two = made.values()
    assert ((one - true) ** 2).mean() < ((two - true) ** 2).mean()
    assert one.argmax() != true.argmax() == two.argmax()
    assert spearmanr(true, two).statistic > 0.999 > spearmanr(true, one).statistic


# --- signals ---------------------------------------------------------------------------------------------------------------


def test_signals_and_losses_by_hand():
    p = np.array([[0.5, 0.25, 0.25], [0.9, 0.05, 0.05]])
    logits = torch.tensor(np.log(p) + 3.0)
    found = loss_prediction.signals(logits)
    assert found["_entropy"].numpy() == pytest.approx(-(p * np.log(p)).sum(1))
    assert found["_p_max"].numpy() == pytest.approx(-np.log(p.max(1)))
    assert loss_prediction.losses(logits, torch.tensor([0, 1])).numpy() == pytest.approx(-np.log([0.5, 0.05]))


def test_the_overlap_at_the_top_by_hand():
    signal, true = torch.tensor([9.0, 8, 7, 1, 2]), torch.tensor([1.0, 9, 8, 7, 0])
    assert top_overlap(signal, true, 2) == 0.5  # asked 0 1, worst 1 2
    assert top_overlap(signal, true, 5) == 1
    assert correlation(torch.ones(5), true) == 0


def test_the_sorters_error_on_real_lists():
    values = torch.randn(70, generator=generator())
    assert sorting.lists(values, 32).shape == (2, 32)
    assert torch.equal(sorting.lists(values, 32).flatten(), values[:64])
    assert sorting.lists(values, 100).shape == (1, 70)
    exact = lambda x: sorting.ranks(x) / x.shape[-1]
    assert sorting.sorter_error(exact, sorting.lists(values, 32)) == 0
    assert sorting.sorter_error(sorting.soft_ranks, sorting.lists(values, 32)) < 0.03


def test_every_module_is_a_strategy_that_asks_for_what_it_predicts():
    view = toy_view()
    for name in l2r.MODULES:
        assert describe(name).needs == ("predicted_losses",)
        assert torch.equal(get(name)(view), view.predicted_losses)
    truth = toy_view(oracle=True)
    assert torch.allclose(get("true_loss")(truth), -truth.probabilities.log().gather(1, truth.truth[:, None])[:, 0])
    assert describe("true_loss").oracle


# --- what is trained ---------------------------------------------------------------------------------------------------------


def trained(run, store, samples=range(40)):
    needs = {role: store.final(needed) for role, needed in run.needs.items()}
    task = l2r.Ranked(run, State(needs=needs))
    network, _ = task.train(samples, task.labels(samples, {}), 1)
    return task, network


def body(network):
    return {
        name.removeprefix("body."): value
        for name, value in network.state_dict().items()
        if not name.startswith("predictors")
    }


def test_a_module_apart_leaves_the_target_bit_for_bit(store):
    runs = {
        run.method: run
        for run in grid("random", "l2r", "l2r_exact", "l2r_permuted", "rank_all_features", "pairs_apart")
    }
    plain = body(trained(runs.pop("random"), store)[1])
    for name, run in runs.items():
        task, network = trained(run, store)
        assert list(task.modules) == [name]
        assert all(torch.equal(value, body(network)[key]) for key, value in plain.items()), name


def test_the_first_training_is_the_same_with_all_modules_and_with_none(store):
    first = {run.method: run.needs[cycle.FIRST] for run in grid("random", "l2r")}
    assert first["random"] != first["l2r"]  # the one needs no sorter
    plain, carried = (store.final(first[name]).blobs["weights"] for name in ("random", "l2r"))
    assert {key.split(".")[1] for key in carried if key.startswith("predictors.")} == set(l2r.APART)
    assert all(torch.equal(value, carried[f"body.{key}"]) for key, value in plain.items())
    accuracy = [[row["accuracy"] for row in store.final(run).rows if row["kind"] == "test"] for run in first.values()]
    assert accuracy[0] == accuracy[1]


def test_a_run_takes_its_module_from_the_first_training(store):
    (run,) = grid("l2r")
    needs = {role: store.final(needed) for role, needed in run.needs.items()}
    task = l2r.Ranked(run, State(needs=needs))
    network = task.restore(needs[cycle.FIRST].blobs["weights"])
    assert list(network.predictors) == ["l2r"]
    kept = needs[cycle.FIRST].blobs["weights"]
    assert all(torch.equal(v, kept[f"predictors.l2r.{n}"]) for n, v in network.predictors["l2r"].state_dict().items())
    view = cycle.View(task, network, 0, np.arange(30), [40], task.labels([40], {}), None, False)
    asked = get("l2r")(view)
    assert torch.allclose(asked, task.predicted_losses(network, task.images[:30])["l2r"])


def test_what_each_module_is_told(store):
    run = next(run for run in grid("l2r"))
    needs = {role: store.final(needed) for role, needed in run.needs.items()}
    task = l2r.Ranked(run, State(needs=needs))
    losses, l_pre = torch.rand(16, generator=generator()), torch.randn(16, generator=generator(1))
    told = lambda name: float(task.criterion(3, 0)({name: l_pre}, losses))
    gru = lambda x: task.sorter(x[None])[0]
    dealt = losses[torch.randperm(16, generator=torch_stream(run.seed, "placebo", 3))]
    assert told("l2r") == pytest.approx(float(l2r.ranking_loss(losses, l_pre, gru)), abs=1e-6)
    assert told("rank_all_features") == pytest.approx(told("l2r"))
    assert told("l2r_permuted") == pytest.approx(float(l2r.ranking_loss(dealt, l_pre, gru)), abs=1e-6)
    assert told("l2r_exact") == pytest.approx(float(l2r.ranking_loss(losses, l_pre, sorting.soft_ranks)), abs=1e-6)
    assert told("pairs_apart") == told("ll4al") == pytest.approx(float(pair_loss(l_pre, losses, 1.0)))
    both = float(task.criterion(3, 0)({"l2r": l_pre, "pairs_apart": l_pre}, losses))
    assert both == pytest.approx(told("l2r") + told("pairs_apart"), abs=1e-6)
    assert all(not p.requires_grad for p in task.sorter.parameters())


def test_the_rows_of_a_run(store):
    rows = store.read(next(run for run in grid("l2r"))).rows
    ranking = [row for row in rows if row["kind"] == "ranking"]
    assert [row["cycle"] for row in ranking] == [0, 1]  # the last cycle's too
    for row in ranking:
        assert row["over_p_max"] == row["spearman"] - row["spearman_p_max"]
        assert -1 <= row["spearman"] <= 1
        assert 0 <= row["overlap"] <= 1
        assert 0 < row["error"] < 0.25
    assert {row["lists"] for row in rows if row["kind"] == "sorter"} == {*sorting.FAMILIES, "joined"}
    ends = [row["end"] for row in rows if row["kind"] == "example"]
    assert ends == ["most"] * 6 + ["least"] * 6
    plain = store.read(next(run for run in grid("random"))).rows
    assert not [row for row in plain if row["kind"] in ("ranking", "sorter", "example")]


# --- LL4AL -----------------------------------------------------------------------------------------------------------------


def test_the_arm_of_ll4al_is_on_a_target_of_its_own_and_retrained_on_the_plain_one(store):
    joint, plain = (run for run in grid("ll4al"))
    assert (joint.method, plain.arm) == ("ll4al", "ll4al retrained")
    assert joint.options.joint == 0.6
    assert plain.options.joint == 0
    assert plain.needs["selection"] == joint
    (alone,) = grid("random_joint")
    assert (alone.method, alone.arm) == ("random", "random_joint")
    assert alone.needs[cycle.FIRST] == joint.needs[cycle.FIRST]  # one joint first training for both
    first = store.final(joint.needs[cycle.FIRST]).blobs["weights"]
    unjoined = store.final(grid("random")[0].needs[cycle.FIRST]).blobs["weights"]
    assert not all(torch.equal(value, first[f"body.{key}"]) for key, value in unjoined.items())
    labels = lambda run: [store.read(run).steps[c]["state"]["labelled"] for c in (0, 1)]
    assert labels(plain) == labels(joint)
    first_batch = store.read(grid("random")[0]).steps[0]["queries"]
    assert store.read(alone).steps[0]["queries"] == first_batch  # Random is Random


def test_the_two_presets():
    ours, theirs = (grid(f"ll4al(preset='{preset}', retrain=False)")[0].options for preset in ("l2r", "yoo"))
    assert (ours.module_optimiser, theirs.module_optimiser) == ("adam", "target")
    task = l2r.Ranked(grid("ll4al(preset='yoo', retrain=False)", epochs=10, milestones=[0.8], gamma=0.1)[0])
    loss = task.loss(task.build(0), 0)
    assert [loss.rate(epoch) for epoch in (0, 7, 8)] == pytest.approx([0.05, 0.05, 0.005])
    assert loss.optimiser.settings["momentum"] == 0.9
    assert loss.joint == 6  # of ten epochs


def test_other_papers_race_ll4al_by_name():
    special = functools.partial(study("learning_to_rank").arm, "label_dispersion")
    plain = {name: value for name, value in TINY.items() if name != "sorter"}
    race = {"few": {"dataset": "digits", "arms": ["random", "ll4al", "random_joint"]}}
    made = races.grid("label_dispersion", race, plain | {"acquisition_transform": "test"}, special)
    assert [(run.study, run.arm or run.method) for run in made] == [
        ("label_dispersion", "random"), ("learning_to_rank", "ll4al"), ("label_dispersion", "ll4al retrained"),
        ("learning_to_rank", "random_joint"),
    ]  # fmt: skip
    assert made[1] == grid("ll4al")[0]
    with pytest.raises(BadRequest, match="needs 'predicted_losses', which label_dispersion on digits does not offer"):
        races.grid("label_dispersion", {"few": {"dataset": "digits", "arms": ["ll4al"]}}, plain)


# --- frozen features ----------------------------------------------------------------------------------------------------------

FROZEN = {"dataset": "digits", "task": "features", "encoder": "pixels", "px": 0}


def test_modules_beside_a_head_on_frozen_features_leave_it_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("ALNB_DATA", str(tmp_path))  # where features are kept, and below what they are
    monkeypatch.setattr("alnb.learning.frozen.DESCRIBED", tmp_path / "described")
    arms = ["l2r", "pairs_apart", "random"]
    runs = {run.method: run for run in l2r.grid(FROZEN | {"arms": arms}, **TINY)}
    store = Store(tmp_path / "store")
    assert not drive(runs.values(), store, workers=1).failed
    firsts = {name: store.final(run.needs[cycle.FIRST]) for name, run in runs.items()}
    with_modules, without = firsts["l2r"].blobs["weights"], firsts["random"].blobs["weights"]
    assert set(with_modules) > {f"body.{key}" for key in without}
    assert all(torch.equal(value, with_modules[f"body.{key}"]) for key, value in without.items())
    run = runs["pairs_apart"]
    task = l2r.RankedFeatures(run, State(needs={role: store.final(needed) for role, needed in run.needs.items()}))
    network = task.restore(with_modules)
    assert list(network.predictors) == ["pairs_apart"]
    assert network.predictors["pairs_apart"].alpha == 0.0  # as LL4AL's
    view = cycle.View(task, network, 0, np.arange(20), [40], task.labels([40], {}), None, False)
    module = network.predictors["pairs_apart"]
    by_hand = module.last(torch.relu(module.blocks[0](task.x[:20]))).squeeze(1)
    torch.testing.assert_close(get("pairs_apart")(view), by_hand)
    ranking = [row for row in store.read(runs["l2r"]).rows if row["kind"] == "ranking"]
    assert [row["cycle"] for row in ranking] == [0, 1]
    logits = network(task.given()).detach()
    said = correlation(loss_prediction.signals(logits)["_p_max"], loss_prediction.losses(logits, task.test_targets))
    assert ranking[0]["spearman_p_max"] == pytest.approx(said)
    assert {row["network"] for row in store.frame([run]).to_dict("records") if row["kind"] == "test"} == {"linear head on pixels"}


@pytest.mark.parametrize(
    ("arm", "more", "said"),
    [
        ("ll4al", {}, "frozen features learn nothing from it; pairs_apart"),
        ("random_joint", {}, "frozen features learn nothing from it; pairs_apart"),
        ("l2r", {"head": "svm"}, "modules are trained beside a network"),
    ],
)
def test_what_has_no_sense_on_frozen_features_is_refused(arm, more, said):
    with pytest.raises(BadRequest, match=said):
        l2r.grid(FROZEN | {"arms": [arm]} | more, **TINY)


# --- grids -----------------------------------------------------------------------------------------------------------------


def test_the_sorter_is_as_long_as_a_batch_and_only_where_it_is_needed():
    runs = {run.method: run for run in grid("random", "l2r", "entropy", "all_data")}
    assert runs["l2r"].needs["sorter"].options.length == 16
    assert "sorter" not in runs["random"].needs
    other = grid("l2r(batch=32)")[0]
    assert other.needs["sorter"].options.length == other.needs[cycle.FIRST].needs["sorter"].options.length == 32
    looked_at = [run for run in grid("random", lengths=[8, 4]) if run.study == "sorter"]
    assert [run.options.length for run in looked_at] == [8, 4]


def test_a_border_of_the_papers_crop(store):
    (run,) = grid("random", border=2)
    assert l2r.Ranked(run).data.crop == 2
    assert l2r.Ranked(grid("random")[0]).data.crop == 1  # digits' own


@pytest.mark.parametrize(
    ("arm", "more", "said"),
    [
        ("l2r", {"sorter": "large"}, "sorter = 'large'"),
        ("l2r(joint=0.5)", {}, "joint = 0.5: only ll4al and random_joint"),
        ("ll4al(joint=0)", {}, "joint = 0 is pairs_apart"),
        ("ll4al(joint=1.5)", {}, "joint = 1.5: expected a share"),
        ("ll4al(preset='mine')", {}, "preset 'mine'; accepted: 'l2r', 'yoo'"),
        ("ll4al(budget=5)", {}, "budget is no option of an arm"),
        ("l2r(hidden=3)", {}, "unknown setting hidden"),
        ("random", {"joint": 0.5}, "joint is for ll4al and random_joint alone"),
        ("random", {"lengths": [1]}, "length = 1"),
        ("random", {"module_hidden": 0}, "module_hidden = 0"),
        ("random", {"module_lr": 0.0}, "module_lr = 0.0"),
        ("random", {"border": -2}, "border = -2"),
        ("random", {"margin": -1.0}, "margin = -1.0"),
    ],
)
def test_what_cannot_be_is_refused(arm, more, said):
    with pytest.raises(BadRequest, match=said):
        grid(arm, **more)


# --- the audit -----------------------------------------------------------------------------------------------------------------


def test_the_audit_finds_what_words_and_numbers_disagree_on():
    table = published.audit("l2r-al", checks=audits.CHECKS).set_index("check")
    failing = set(table.index[~table["agrees"].astype(bool)])
    assert failing == {"sec. IV-B: l2r above entropy, Fig. 4", "eq. 3: otherwise"}
    assert table.loc["sec. IV-B: l2r above entropy, Fig. 4", "computed"] == pytest.approx(90.95 - 90.64)
    assert table.loc["eq. 3: otherwise", "computed"] == pytest.approx(spearmanr([1, 2, 3, 4], [2, 1, 3, 4]).statistic)


def test_states_are_left_as_they_are(store):
    """Training beside a kept state changes no tensor of it."""
    (run,) = grid("l2r")
    needs = {role: store.final(needed) for role, needed in run.needs.items()}
    before = copy.deepcopy(needs[cycle.FIRST].blobs)
    trained(run, store)
    assert all(torch.equal(v, needs[cycle.FIRST].blobs["weights"][k]) for k, v in before["weights"].items())
