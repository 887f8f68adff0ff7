"""The task on frozen features: heads, records, refusals, and that no key of a run on images changed by it."""

import csv
import json

import numpy as np
import pandas
import pytest
import torch
from scipy.optimize import minimize
from sklearn.svm import LinearSVC

from alnb import REPOSITORY, cycle, notebooks, plans, races
from alnb.acquisition import get
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.learning import encoders, frozen
from alnb.methods import label_dispersion as ch3
from alnb.runs import Run, canonical, study
from alnb.store import Store
from alnb.tasks import features
from alnb.tasks.features import Features

TOY, TOY_STUDY = "tests.learning.toy_encoder", "tests.toy_frozen_study"
SHARED = {
    "pool": 400,
    "initial": 20,
    "budget": 20,
    "cycles": 2,
    "epochs": 8,
    "batch": 16,
    "lr": 0.01,
    "network": "small",
}
RACE = {"dataset": "digits", "task": "features", "encoder": TOY, "px": 16}


@pytest.fixture(autouse=True, scope="module")
def folder(tmp_path_factory):
    """The features of this file are computed once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALNB_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setattr(frozen, "DESCRIBED", tmp_path_factory.mktemp("described"))
        features._resident.cache_clear()
        yield
    features._resident.cache_clear()


def runs(*arms, **changed):
    return ch3.grid(RACE | {"seeds": 1, "arms": list(arms)} | changed, **SHARED)


def task(**settings):
    settings = SHARED | {k: v for k, v in RACE.items() if k != "dataset"} | settings
    del settings["network"]
    return Features(Run("label_dispersion", "digits", "random", 0, settings))


# --- the task -------------------------------------------------------------------------------------------------------------


def test_features_are_standardised_over_the_pool_and_are_the_embeddings():
    one = task()
    assert one.x.shape == (400, 24)
    moving = one.x.std(0, correction=0) > 0
    torch.testing.assert_close(one.x.mean(0), torch.zeros(24), atol=1e-5, rtol=0)
    torch.testing.assert_close(one.x.std(0, correction=0)[moving], torch.ones(int(moving.sum())))
    network, _ = one.train(range(20), one.targets[:20], 0)
    logits, embeddings = one.infer(network, np.arange(5), 0)
    assert torch.equal(embeddings, one.x[:5])
    torch.testing.assert_close(logits, one.x[:5] @ network.head.weight.T + network.head.bias)


def test_features_may_be_left_as_the_encoder_gives_them():
    plain, standard = task(standardise=False), task()
    assert abs(float(plain.x.mean())) > 0.01
    mean, std = plain.x.mean(0), plain.x.std(0, correction=0).clamp_min(1e-6)
    assert torch.allclose((plain.x - mean) / std, standard.x, atol=1e-3)
    assert torch.allclose((plain.test_x - mean) / std, standard.test_x, atol=1e-3)


def test_only_an_svm_has_decisions():
    one, other = task(head="svm"), task()
    labels = one.labels(range(60), {})
    model, record = one.train(range(60), labels, 0)
    seen = cycle.View(one, model, 0, np.arange(60, 90), range(60), labels, record, False)
    theirs = LinearSVC(C=5.0, dual="auto", max_iter=5000).fit(one.x[:60].numpy(), labels.numpy())
    assert seen.decisions.numpy() == pytest.approx(theirs.decision_function(one.x[60:90].numpy()), abs=0.02)
    head, record = other.train(range(60), labels, 0)
    with pytest.raises(AttributeError, match="offers no 'decisions'"):
        cycle.View(other, head, 0, np.arange(60, 90), range(60), labels, record, False).decisions  # noqa: B018


def test_what_a_dataset_brings_itself_is_prepared_by_nobody(monkeypatch):
    monkeypatch.setattr(frozen, "prepare", lambda *given: pytest.fail("a process for nothing"))
    features.prepare(Run("label_dispersion", "features-10", "random", 0, {"task": "features", "encoder": "given", "px": 0}), print)


def test_the_head_learns_and_the_record_holds_what_every_epoch_predicted():
    one, candidates = task(epochs=30), np.arange(100, 400)
    network, record = one.train(range(100), one.targets[:100], 0, candidates)
    assert record["predictions"].shape == (30, 300)
    assert torch.equal(record["predictions"][-1].long(), one.infer(network, candidates, 0)[0].argmax(1))
    assert one.evaluate(network)["accuracy"] > 50
    assert "watching" in one.timings
    again, nothing = one.train(range(100), one.targets[:100], 0)
    assert nothing is None
    assert torch.equal(again.head.weight, network.head.weight)
    other, _ = one.train(range(100), one.targets[:100], 0, member=1)
    assert not torch.equal(other.head.weight, network.head.weight)


def test_images_are_there_for_what_looks_at_them():
    assert task().images.shape == (400, 3, 8, 8)


@pytest.mark.parametrize("classes", [range(10), (3, 7), (4,)])
def test_an_svm_is_scikit_learns_and_a_class_without_labels_is_never_predicted(classes):
    one = task(head="svm")
    own = [i for i in range(400) if int(one.targets[i]) in classes][:120]
    network, record = one.train(own, one.targets[own], 0)
    assert record is None
    logits, _ = one.infer(network, np.arange(400), 0)
    assert set(logits.argmax(1).tolist()) <= set(classes)
    if len(classes) > 1:
        machine = LinearSVC(C=5.0, max_iter=20000, tol=1e-6, random_state=1).fit(one.x[own], one.targets[own])
        agree = (torch.tensor(machine.predict(one.x)) == logits.argmax(1)).float().mean()
        assert agree > 0.97
    assert torch.equal(one.restore(network.state_dict()).head.weight, network.head.weight)
    assert "counts" not in one.offers


@pytest.mark.parametrize("labelled", [20, 60, 200])  # fewer than the 24 features, and up to and over four times as many
def test_an_svm_stands_where_its_objective_is_least(labelled):
    """w'w / 2 + C sum_i max(0, 1 - y_i f(x_i))^2, the intercept in w too, as scikit-learn has it; found by L-BFGS here."""
    one = task(head="svm")
    rows = np.arange(labelled)
    network, _ = one.train(rows, one.targets[rows], 0)
    x = np.hstack([one.x[rows].numpy(), np.ones((labelled, 1))])
    for c in (0, 7):
        y = np.where(one.targets[rows].numpy() == c, 1.0, -1.0)

        def objective(w, y=y):
            missing = np.maximum(0, 1 - y * (x @ w))
            return w @ w / 2 + 5.0 * missing @ missing, w - 10.0 * x.T @ (y * missing)

        least = minimize(objective, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-12}).fun
        w = np.append(network.head.weight[c].detach(), network.head.bias[c].detach())
        assert least * (1 - 1e-6) <= objective(w)[0] < least * 1.001


# --- its study ------------------------------------------------------------------------------------------------------------


ARMS = (
    "random",
    "margin",
    "dispersion",
    "mean_confidence",
    "late_dispersion",
    "k_center",
    "all_data",
    "bald(dropout=0.3)",
)


def test_the_notebook_s_grid_runs_on_features_and_every_test_row_says_which(tmp_path):
    made = runs(*ARMS, dropout=0.0)
    store = Store(tmp_path)
    outcome = drive(made, store, workers=1, say=lambda line: None)
    assert not outcome.failed
    rows = store.frame(made)
    tests = rows[rows["kind"] == "test"]
    assert set(tests["features"]) == {task().sha256}
    assert set(tests["network"]) == {f"linear head on {TOY}, 16 px"}
    assert tests.groupby("method")["cycle"].nunique().to_dict() == {arm: 1 if arm == "all_data" else 3 for arm in ARMS}
    assert {"histogram", "informativeness", "example"} <= set(rows["kind"])


def test_the_loop_gives_the_rows_of_the_stepped_run(tmp_path):
    (run,) = runs("margin")
    store = Store(tmp_path)
    drive([run], store, workers=1, say=lambda line: None)
    stepped = [row for row in store.read(run).rows if row["kind"] == "test"]
    assert list(cycle.loop(Features(run), get("margin"), run.options.budget, run.options.cycles)) == stepped


def test_an_svm_runs_and_what_needs_epochs_is_refused(tmp_path):
    (run,) = runs("margin", head="svm")
    assert not drive([run], Store(tmp_path), workers=1, say=lambda line: None).failed
    with pytest.raises(BadRequest, match="dispersion needs counts: an SVM has no epochs"):
        runs("dispersion", head="svm")
    with pytest.raises(BadRequest, match=r"dropout = 0\.3: an SVM has none"):
        runs("random", head="svm", dropout=0.3)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"network": "small"}, "few: network = 'small': task = 'features' trains a linear head"),
        ({"encoder": "efficientnet"}, "few: encoder 'efficientnet' is unknown"),
        ({"encoder": "run"}, "few: encoder = 'run': label_dispersion needs no run as 'encoder'"),
        ({"px": -1}, "px = -1: expected at least 0"),
        ({"svm_c": 0}, "svm_c = 0.0: expected above 0"),
        ({"head": "mlp"}, "head = 'mlp': expected one of 'sgd', 'svm'"),
        ({"pool": 4000}, "pool = 4000"),
        ({"task": "images"}, "encoder = 'tests.learning.toy_encoder': only task = 'features' has it"),
    ],
)
def test_what_cannot_be_is_refused(changed, says):
    with pytest.raises(BadRequest, match=says):
        runs("random", **changed)


def test_an_encoder_that_is_not_here_fails_its_runs_and_is_said_once(tmp_path, monkeypatch):
    made, lines = runs("random", "margin", encoder="torchvision:resnet18"), []
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    outcome = drive(made, Store(tmp_path), workers=1, say=lines.append)
    assert set(made) < set(outcome.failed)
    assert lines == [f"{next(iter(outcome.failed))}: failed"]
    ((_, why),) = outcome.told().items()
    assert "not in torch's cache" in why
    assert why.endswith("(and 2 more)")


def test_what_the_figures_say():
    assert features.mark(runs("random")[0].options, False) == "real data, frozen features"
    options = study("label_dispersion").settings(task="features")
    assert features.mark(options, False) == "real data, frozen ImageNet features"
    assert features.mark(options, True) == "frozen ImageNet features"
    assert features.mark(study("label_dispersion").settings(), False) == ""


def test_a_seed_whose_runs_rest_on_several_features_is_named():
    rows = [("a", 0, "x"), ("a", 0, "x"), ("a", 1, "x"), ("a", 1, "y"), ("b", 1, None)]
    results = pandas.DataFrame([(*row, "head") for row in rows], columns=["dataset", "seed", "features", "network"])
    assert notebooks.mixed_features(results) == {"a, head seed 1": ["x", "y"]}
    assert notebooks.mixed_features(results.drop(columns="features")) == {}


# --- keys -------------------------------------------------------------------------------------------------------------------


def test_a_race_on_features_takes_nothing_of_an_image_network():
    (run,) = runs("random")
    assert "network" not in run.description["settings"]
    assert run.description["settings"]["task"] == "features"
    assert races.resolved("few", {"few": RACE}) == RACE  # nothing else is changed


def test_every_kept_record_has_the_key_it_had():
    """Its description, made of its settings by the study as it is now."""
    with open(REPOSITORY / "data" / "records" / "label_dispersion.csv", newline="") as file:
        lines = [line for line in csv.DictReader(file) if json.loads(line["kind"]) == "run"]
    assert lines
    for line in lines:
        about = {
            name: json.loads(line[name]) for name in ("revision", "dataset", "method", "seed", "settings", "needs")
        }
        run = Run("label_dispersion", about["dataset"], about["method"], about["seed"], about["settings"])
        assert canonical(run.description | {"needs": about["needs"]}) == canonical(
            {"study": "label_dispersion"} | about
        )


def test_the_frozen_profile_is_the_protocol_of_its_pilot():
    made = plans.plan("01_label_dispersion", "frozen")
    few = [run for run in made.runs if run.race == "few"]
    assert {run.options.task for run in made.runs} == {"features"}
    o = few[0].options
    assert (o.pool, o.initial, o.budget, o.cycles, o.epochs, o.batch, o.lr) == (10000, 200, 200, 4, 30, 64, 0.01)
    assert len({run.seed for run in few}) == 50
    assert {run.dataset for run in made.runs} == {"cifar-10", "cifar-100"}


# --- an encoder that another run trained --------------------------------------------------------------------------------------


def test_the_encoder_may_be_a_run_that_is_needed(tmp_path):
    settings = {k: v for k, v in SHARED.items() if k != "network"}
    settings |= {"task": "features", "encoder": encoders.OF_RUN, "px": 0}
    encoder = [Run(TOY_STUDY, "digits", "pretrain", seed, {"network": "small"}) for seed in (0, 1)]
    made = [races.method_run(TOY_STUDY, "digits", "margin", 0, settings, {"encoder": one}) for one in encoder]
    store = Store(tmp_path)
    outcome = drive(made, store, workers=1, say=lambda line: None)
    assert not outcome.failed, outcome.failed
    rows = [[row for row in store.read(run).rows if row["kind"] == "test"] for run in made]
    assert [len(each) for each in rows] == [3, 3]
    hashes = [{row["features"] for row in each} for each in rows]
    assert len(hashes[0]) == len(hashes[1]) == 1
    assert hashes[0] != hashes[1]
    assert made[0].key != made[1].key
    with pytest.raises(BadRequest, match="has not reached it"):
        Features(made[0])
