"""How far a network's doubt can be believed: what thesis chapter 3 presumes.

The chapter starts from networks that are "overly confident about their predictions; making wrong predictions with high
certainty", and says that dispersion better resembles "the true uncertainty". Both can be measured on the candidates of the
shared first training, which these runs look at and train nothing: calibration of each score read as a confidence, how well
it finds the network's mistakes, and whether dispersion wants all T epochs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alnb import acquisition, cycle, races
from alnb.cycle import FIRST, CycleSettings
from alnb.errors import BadRequest
from alnb.metrics.attention import spearman
from alnb.metrics.calibration import auroc, calibration_error, reliability
from alnb.runs import Run, State, Step, Study, study
from alnb.tasks import classification, features
from alnb.tasks.classes import Classes, count_predictions

ARM = "doubt"
SURE = 0.9  # a confidence from which a mistake is one of "high certainty"
SNAPSHOTS = (10, 25, 50)  # epochs whose predictions dispersion may have to do with

CONFIDENCES = {
    "least_confidence": lambda score, classes: 1 - score,  # the largest probability of the last epoch
    "mean_confidence": lambda score, classes: 1 - score,  # the same, mean over the epochs
    "dispersion": lambda score, classes: 1 - score,  # the share of the epochs that voted for the modal class
    "late_dispersion": lambda score, classes: 1 - score,
    "margin": lambda score, classes: -score,  # p of the first class less p of the second
    "entropy": lambda score, classes: 1 - score / math.log(classes),
    "count_entropy": lambda score, classes: 1 - score / math.log(classes),
}
"""Score of a strategy -> what it says of how sure the network is, in [0, 1]. The first four read as a chance to be right; the
others are only put onto that scale."""

DRAWN = ("least_confidence", "mean_confidence", "dispersion")  # of which the bins are kept


# --- what is measured ---------------------------------------------------------------------------------------------------


def measured(view, correct) -> list[dict]:
    """Rows of kind "doubt", one a score: auroc (%, of finding mistakes), ece (points), excess (points: mean confidence less
    accuracy, above 0: overly confident), sure (%, share of the mistakes with a confidence of SURE or more); of kind
    "reliability", the bins of DRAWN. correct (U,) bool: whether the last epoch is right."""
    rows, right = [], 100 * correct.float().mean().item()
    for name, confident in CONFIDENCES.items():
        score = acquisition.get(name)(view)
        confidence = confident(score.double(), view.classes).clamp(0, 1)
        mistakes = confidence[~correct]
        rows.append({
            "kind": "doubt", "cycle": 0, "score": name, "auroc": auroc(score, ~correct), "accuracy": right,
            "ece": calibration_error(confidence, correct), "excess": 100 * confidence.mean().item() - right,
            "sure": 100 * (mistakes >= SURE).double().mean().item(),
        })  # fmt: skip
        if name in DRAWN:
            bins = (part for part in reliability(confidence, correct) if part["samples"])
            rows += [{"kind": "reliability", "cycle": 0, "score": name, **part} for part in bins]
    return rows


def snapshots(view, budget: int) -> list[dict]:
    """Rows of kind "overlap": dispersion over `epochs` of the T epochs, evenly spaced and ending with the last, against that
    over all T. shared (%, of the batch of `budget`), rank (Spearman, all candidates), tied (%, of the batch: decided by the
    shared random order)."""
    dispersion, T = acquisition.get("dispersion"), len(view.predictions)
    whole = dispersion.choose(view, budget, None)
    asked, rows = set(whole.rows.tolist()), []
    for epochs in sorted({n for n in SNAPSHOTS if n < T} | {T}):
        few = dispersion.choose(Snapshots(view, epochs), budget, None)
        shared = len(asked & set(few.rows.tolist())) / budget
        rows.append({"kind": "overlap", "cycle": 0, "epochs": epochs, "of": T, "shared": 100 * shared,
                     "rank": spearman(few.scores, whole.scores), "tied": 100 * few.tied_share})  # fmt: skip
    return rows


class Snapshots:
    """A view of the same candidates that saw the predictions of `epochs` epochs only."""

    def __init__(self, view, epochs: int):
        T = len(view.predictions)
        kept = [math.ceil(T * (i + 1) / epochs) - 1 for i in range(epochs)]
        self.size, self.device, self.priority, self.classes = view.size, view.device, view.priority, view.classes
        self.predictions = view.predictions[kept]
        self.counts = count_predictions(self.predictions, view.classes)


# --- the study ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings(CycleSettings, features.Settings):
    """Those of the first training that is looked at; of those of later cycles only the budget."""


def step(run: Run, state: State) -> Step:
    """Look, through the network of the shared first training, at the candidates of the first choice."""
    import numpy

    task, first = features.task_of(run.options)(run, state), state.needs[FIRST]
    labelled = numpy.searchsorted(task.rows, first.data["labelled"]).tolist()
    candidates = cycle.Pool(task.size, labelled).candidates(run.seed, 0)
    network = task.restore(first.blobs["weights"])
    view = cycle.View(
        task, network, 0, candidates, labelled, task.labels(labelled, {}), first.blobs["record"], oracle=False
    )
    correct = view.predictions[-1].long() == task.targets[candidates]
    return Step(measured(view, correct) + snapshots(view, run.options.budget), done=True)


def seconds(run: Run) -> float:
    """Rough seconds on one core: one look at the pool."""
    take = (features if features.is_features(run.options) else classification).seconds
    return 1 + take(run, [], classification.pool_size(run)) / run.options.epochs


def check(run: Run) -> None:
    """BadRequest for a recipe or sizes that cannot be, and for a head without epochs."""
    features.check(run)
    races.check_cycles(run, classification.pool_size(run))
    if run.options.head == "svm":
        raise BadRequest(f"{ARM}: an SVM has no epochs; head = 'sgd' has")


def arm(
    first: str, name: str, options: Mapping[str, Any], dataset: str, seed: int, settings: Mapping[str, Any]
) -> list[Run] | None:  # fmt: skip
    """The run of the arm "doubt" on one seed, None for another arm (`races.Special`, once `first`, the study whose first
    training is looked at, is given)."""
    if name != ARM:
        return None
    if options:
        raise BadRequest(f"{acquisition.write_arm(name, options)}: {min(options)} is no option of it; accepted: seeds")
    known = study(first).types
    needed = races.first_run(first, dataset, seed, {n: v for n, v in settings.items() if n in known})
    own = {n: v for n, v in settings.items() if n in STUDY.types and (n not in races.LATER or n == "budget")}
    return [Run(STUDY.name, dataset, ARM, seed, own, {FIRST: needed})]


STUDY = Study(
    "doubt", 1, step, Settings, lambda run: 1, seconds, Classes.metrics, lambda dataset: Classes.offers, check,
    lambda run: features.network(run.options) if features.is_features(run.options) else run.options.network,
    arm=arm, prepare=features.prepare,
)  # fmt: skip


# --- what is special in the chapter's claims ----------------------------------------------------------------------------


def by_score(column: str):
    """For `claims.ledger`: {"doubt.<column>": by_score(column)}. The scores stand in the place of arms, so that two of them
    are compared on the seeds of one network: a Series by race, dataset, world, method (the score), seed."""
    of_run = ["race", "dataset", "world", "method", "seed"]
    return lambda frame: (
        frame[frame["kind"] == "doubt"].assign(method=lambda rows: rows["score"]).groupby(of_run)[column].mean()
    )
