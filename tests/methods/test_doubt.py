"""What a network's doubt is worth, measured on digits, against scikit-learn and the counts done again."""

import math

import numpy
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

from alnb import cycle
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.methods import doubt
from alnb.methods import label_dispersion as ch3
from alnb.metrics.calibration import calibration_error
from alnb.runs import State
from alnb.store import Store
from alnb.tasks.classification import Classification
from tests.acquisition.toy_view import toy_view

TINY = {
    "pool": 150,
    "initial": 20,
    "budget": 15,
    "cycles": 2,
    "epochs": 20,
    "batch": 16,
    "lr": 0.02,
    "network": "small",
}


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """The run, what its first training left, its rows."""
    (run,), store = ch3.grid({"dataset": "digits", "arms": ["doubt"]}, **TINY), Store(tmp_path_factory.mktemp("doubt"))
    assert not drive([run], store, workers=1).failed
    return run, store.final(run.needs[cycle.FIRST]), store.read(run).rows


def test_scores_are_measured_on_the_candidates_of_the_first_choice(looked):
    run, first, rows = looked
    task = Classification(run)
    unlabelled = sorted(set(range(150)) - set(first.data["labelled"]))
    y = first.blobs["record"]["predictions"][:, first.blobs["record"]["rows"][unlabelled]].numpy()
    wrong = y[-1] != task.targets[unlabelled].numpy()
    assert 0 < wrong.sum() < len(wrong)
    d = 1 - stats.mode(y, axis=0).count / len(y)
    p = task.infer(task.restore(first.blobs["weights"]), unlabelled, 0)[0].double().softmax(1).numpy()
    by_hand = {"dispersion": d, "least_confidence": 1 - p.max(1), "entropy": stats.entropy(p, axis=1),
               "margin": numpy.sort(p, 1)[:, -2] - numpy.sort(p, 1)[:, -1]}  # fmt: skip
    found = {row["score"]: row for row in rows if row["kind"] == "doubt"}
    assert set(found) == set(doubt.CONFIDENCES)
    for name, score in by_hand.items():
        assert found[name]["auroc"] == pytest.approx(100 * roc_auc_score(wrong, score), abs=1e-3), name
    for name, sure in {"dispersion": 1 - d, "least_confidence": p.max(1), "margin": -by_hand["margin"],
                       "entropy": 1 - by_hand["entropy"] / math.log(10)}.items():  # fmt: skip
        row = found[name]
        assert row["ece"] == pytest.approx(calibration_error(torch.tensor(sure), torch.tensor(~wrong)), abs=1e-3), name
        assert row["excess"] == pytest.approx(100 * (sure.mean() - (~wrong).mean()), abs=1e-3)
        assert row["sure"] == pytest.approx(100 * (sure[wrong] >= doubt.SURE).mean(), abs=1e-6)
    bins = [row for row in rows if row["kind"] == "reliability" and row["score"] == "dispersion"]
    assert sum(row["samples"] for row in bins) == 130
    assert sum(row["correct"] for row in bins) == (~wrong).sum()


def test_snapshots_are_evenly_spaced_end_with_the_last_epoch_and_rank_alone(looked):
    rows = [row for row in looked[2] if row["kind"] == "overlap"]
    assert [(row["epochs"], row["of"]) for row in rows] == [(10, 20), (20, 20)]
    assert rows[1] == rows[1] | {"shared": 100.0, "rank": pytest.approx(1)}
    assert 0 < rows[0]["shared"] < 100
    view = toy_view(U=50, T=30)
    few = doubt.Snapshots(view, 10)
    assert torch.equal(few.predictions, view.predictions[2::3])
    assert torch.equal(few.predictions[-1], view.predictions[-1])
    assert torch.equal(doubt.Snapshots(view, 30).counts, view.counts)
    odd = doubt.Snapshots(toy_view(T=7), 3).predictions
    assert torch.equal(odd, toy_view(T=7).predictions[[2, 4, 6]])
    asked = [stats.mode(v.predictions.numpy(), axis=0).count / len(v.predictions) for v in (few, view)]
    order = [sorted(range(50), key=lambda i, f=f: (f[i], view.priority[i].item()))[:8] for f in asked]
    (row, _) = [row for row in doubt.snapshots(view, 8) if row["epochs"] in (10, 30)]
    assert row["shared"] == 100 * len(set(order[0]) & set(order[1])) / 8
    assert row["rank"] == pytest.approx(stats.spearmanr(*asked).statistic)


def test_a_network_that_errs_nowhere_has_nothing_to_be_found():
    rows = doubt.measured(toy_view(), torch.ones(60, dtype=torch.bool))
    assert all(math.isnan(row["auroc"]) and math.isnan(row["sure"]) for row in rows if row["kind"] == "doubt")


def test_the_arm_shares_the_first_training_of_the_others_and_nothing_of_later_cycles():
    few = {"dataset": "digits", "arms": ["margin", "doubt"]}
    margin, look = ch3.grid(few, **TINY)
    longer = ch3.grid(few, **TINY | {"cycles": 3})[1]
    assert look.needs[cycle.FIRST].key == margin.needs[cycle.FIRST].key
    assert look.key == longer.key
    assert look.key != ch3.grid(few, **TINY | {"budget": 16})[1].key
    frozen = {"dataset": "digits", "arms": ["doubt"], "task": "features", "encoder": "pixels", "px": 0}
    assert ch3.grid(frozen, **TINY)[0].options.task == "features"
    with pytest.raises(BadRequest, match=r"doubt\(passes=3\): passes is no option of it"):
        ch3.grid({"dataset": "digits", "arms": ["doubt(passes=3)"]}, **TINY)
    with pytest.raises(BadRequest, match="an SVM has no epochs"):
        ch3.grid(frozen | {"head": "svm"}, **TINY)


def test_by_score_lets_scores_stand_for_arms():
    import pandas

    about = {"kind": "doubt", "race": "few", "dataset": "digits", "world": False, "method": "doubt"}
    rows = [
        about | {"seed": s, "score": name, "auroc": 70 + 5 * (name == "margin") + s}
        for s in (0, 1)
        for name in ("margin", "entropy")
    ]
    values = doubt.by_score("auroc")(pandas.DataFrame(rows))
    assert values.to_dict() == {("few", "digits", False, name, s): 70 + 5 * (name == "margin") + s
                                for name in ("margin", "entropy") for s in (0, 1)}  # fmt: skip


def test_it_resumes_from_a_state_that_came_through_the_store(looked):
    run, first, rows = looked
    step = doubt.step(run, State(needs={cycle.FIRST: first}))
    assert step.done
    assert [row["kind"] for row in step.rows] == [row["kind"] for row in rows]
