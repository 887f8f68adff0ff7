"""Label dispersion: when deep learners change their mind (thesis ch. 3; Zolfaghari Bengar et al., CAIP 2021).

The classes a network predicts for an unlabelled sample, epoch after epoch, are y^1 .. y^T. If they keep changing, the
network is unsure, however confident its last softmax is: that sample is asked first.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alnb import cycle, published, races
from alnb.acquisition import describe, score, select, work
from alnb.cycle import CycleSettings, Fitted, Now
from alnb.errors import BadRequest
from alnb.runs import Run, State, Step, Study, coerce, study
from alnb.tasks import classification, features
from alnb.tasks.classes import Classes, count_predictions

# --- the method ---------------------------------------------------------------------------------------------------------


def dispersion(counts):
    """Label dispersion, 1 - f_x / T: the share of epochs whose prediction is not the modal class.

    counts (U, C): how often class c was predicted for sample x over T epochs, sum_t 1[y^t = c]. Returns (U,) floats
    in [0, 1 - 1/min(C, T)]. Thesis eq. 3.1-3.2.
    """
    T = counts.sum(1)
    f_x = counts.max(1).values  # the predictions that fall into the modal class c*
    return 1 - f_x / T


@score("dispersion", needs=("counts",), source="thesis eq. 3.1")
def by_dispersion(view):
    """(U,) larger = ask first. Ties are many, since dispersion is a multiple of 1/T."""
    return dispersion(view.counts)


@select("dispersion_permuted", needs=("counts",), source="placebo of thesis eq. 3.1", nested=True)
def dispersion_permuted(view, budget, rng):
    """(budget,) rows: the same scores, the largest first, each dealt to another candidate at random, with the place that a tie
    gave it: a tie settled after the deal would fall to who is first in the shared order, as Random's choice does. What
    dispersion would be if it knew nothing of its samples: its costs, no signal."""
    import torch

    shared = view.priority.argsort().cpu()
    largest = dispersion(view.counts).cpu()[shared].sort(descending=True, stable=True).indices
    return shared[torch.randperm(view.size, generator=rng)[largest[:budget]]]


# --- its trivial rivals: what could explain the same gain ---------------------------------------------------------------


@score("mean_confidence", needs=("mean_confidence",), source="rival of thesis eq. 3.1")
def mean_confidence(view):
    """Least confidence averaged over the same epochs: is it the changing label, or only the averaging?"""
    return 1 - view.mean_confidence


@score("count_entropy", needs=("counts",), source="rival of thesis eq. 3.1")
def count_entropy(view):
    """Entropy in nats of the counts as a distribution over classes: is it the modal class, or any spread?"""
    counts = view.counts.sort(1).values  # equal counts of other classes tie in bits
    p = counts / counts.sum(1, keepdim=True)
    return -(p * p.clamp_min(1e-12).log()).sum(1)


@score("late_dispersion", needs=("predictions",), source="rival of thesis eq. 3.1")
def late_dispersion(view, *, share: float = 0.25):
    """Dispersion over the last `share` of the epochs: every sample wavers early on, when the network knows nothing."""
    check_late_dispersion(share=share)
    last = view.predictions[-max(1, round(share * len(view.predictions))) :]
    return dispersion(count_predictions(last, view.classes))


def check_late_dispersion(*, share):
    """BadRequest for a share of the epochs that is none."""
    if not 0 < share <= 1:
        raise BadRequest(f"late_dispersion: share = {share}: expected above 0, up to 1")


# --- what the figures of the chapter look at, after the choice ------------------------------------------------------------

BINS = 10
ENOUGH = 10  # samples of a bin: the share of hits among fewer says nothing
LAST_EPOCHS = 5
CONFIDENT = 0.9
PORTIONS = (0.05, 0.10, 0.15, 0.20, 0.25, 0.30)


def ranked(now: Now) -> int:
    """How many candidates Fig. 3.5 wants in the order of the strategy: at cycle 0, the largest portion."""
    return max(_portions(len(now.candidates))) if now.cycle == 0 else 0


def analyse(now: Now, view, choice, fitted: Fitted) -> tuple[list[dict], dict]:
    """Rows for Fig. 3.1, 3.3, 3.4 (dispersion's runs, cycles 0 to 2) and 3.5 (every method, at the shared cycle 0)."""
    rows, truth = [], now.task.targets[now.candidates]
    if now.cycle == 0 and now.task.recorded:
        rows += informativeness(view, truth, choice) if now.strategy.nested else []
    if now.run.method == "dispersion" and now.cycle <= 2:
        d, correct = dispersion(view.counts), view.predictions[-1] == truth
        rows += histogram(d, correct, now.cycle)
    if now.run.method == "dispersion" and now.cycle == 0:
        rows += examples(view, truth, d, correct)
    return rows, {}


def histogram(d, correct, cycle_: int) -> list[dict]:
    """How many samples fall in each tenth of dispersion, and how many of those the last epoch classifies correctly."""
    bins = (d * BINS + 1e-6).long().clamp_max(BINS - 1)  # 1e-6: 1 - 45/50 belongs to the bin that starts at 0.1
    return [
        {"kind": "histogram", "cycle": cycle_, "low": b / BINS, "high": (b + 1) / BINS,
         "samples": int((bins == b).sum()), "correct": int(correct[bins == b].sum())}
        for b in range(BINS)
    ]  # fmt: skip


def informativeness(view, truth, choice) -> list[dict]:
    """Accuracy of the model on the samples the method would ask first, for growing portions of the pool (Fig. 3.5): of a
    strategy whose choice is a ranking, so that a smaller batch is the beginning of a larger one."""
    asked = _portions(view.size)
    correct = view.predictions[-1] == truth
    ranking = correct[choice.ranking.to(correct.device)]
    return [
        {"kind": "informativeness", "portion": portion, "asked": n, "accuracy": 100 * ranking[:n].float().mean().item()}
        for portion, n in zip(PORTIONS, asked)
    ]  # fmt: skip


def _portions(size: int) -> list[int]:
    return [max(1, round(portion * size)) for portion in PORTIONS]


def examples(view, truth, d, correct) -> list[dict]:
    """Fig. 3.1: (a) a correct, confident sample of least dispersion; (b-d) wrong ones the last epoch is sure of, of
    greatest dispersion among those, as many as there are. Each with the classes of the last five epochs."""
    confidence = view.probabilities.amax(1)
    sure = ~correct & (confidence >= CONFIDENT)
    if sure.sum() < 3 and not correct.all():  # a weak network is rarely sure: its most confident mistakes
        threshold = confidence[~correct].sort(descending=True).values[:10].min()
        sure = ~correct & (confidence >= threshold)
    steady = (d - confidence * correct).argmin()
    changing = (d * sure - (~sure).float()).argsort(descending=True)[: min(3, int(sure.sum()))]
    rows = []
    for panel, row in zip("abcd", [int(steady), *changing.tolist()]):
        last = view.predictions[-LAST_EPOCHS:, row].tolist()
        rows.append({
            "kind": "example", "panel": panel, "sample": int(view.samples[row]), "true": int(truth[row]),
            "confidence": confidence[row].item(), "dispersion": d[row].item(),
            **{f"epoch_{t + 1 - len(last)}": label for t, label in enumerate(last)},
        })  # fmt: skip
    return rows


# --- the study ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings(CycleSettings, features.Settings):
    """Those of the cycle, of classification, and of its task: images, or frozen features of them."""


def step(run: Run, state: State) -> Step:
    return cycle.step(run, state, features.task_of(run.options), after=analyse, ranked=ranked)


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core."""
    o, pool = run.options, classification.pool_size(run)
    take = (features if features.is_features(o) else classification).seconds
    if run.method == cycle.ALL:
        return take(run, [pool], 0)
    if run.method == cycle.RETRAINED:
        return take(run, [o.initial + o.budget * c for c in range(o.cycles + 1)], 0)
    if run.method == cycle.FIRST:
        return take(run, [o.initial], pool - o.initial)
    sizes = [o.initial + o.budget * c for c in range(o.cycles + 2 - cycle.trainings(run), o.cycles + 1)]
    recorded = Classes.recorded & set(describe(run.method).needs)
    choosing = work.seconds(run, [size - o.budget for size in sizes], pool, take)
    return take(run, sizes, sum(pool - size for size in sizes[:-1]) if recorded else 0) + choosing


def check(run: Run) -> None:
    """BadRequest for a recipe or sizes that cannot be."""
    features.check(run)
    races.check_cycles(run, classification.pool_size(run))


def network(run: Run) -> str:
    return features.network(run.options) if features.is_features(run.options) else run.options.network


STUDY = Study(
    "label_dispersion", 1, step, Settings, cycle.steps, seconds,
    Classes.metrics, lambda dataset: Classes.offers, check, network, prepare=features.prepare,
)  # fmt: skip


def grid(
    few: Mapping[str, Any],
    many: Mapping[str, Any] = {},
    null: Mapping[str, Any] = {},
    trap: Mapping[str, Any] = {},
    recipes: Mapping[str, Any] = {},
    pair_start: str = "latest",
    delta: float = 0.005,
    decay: float = 0.00033,
    **shared,
) -> list[Run]:
    """Every run of the notebook (see alnb/races.py): `few` classes (CIFAR-10, or its stand-in), `many`; `null`, the world
    without rare and ambiguous samples, where no claim about them should hold; `trap`, a world where asking by doubt should
    lose; `recipes`, arms with other batch sizes and learning rates. A race with task = "features" takes of the shared
    settings what is not an image network's own.

    Arms of section 3.5 ("dispersion+entropy(share=0.1)", "ceal") are those of the study pseudo_labels, which pair_start,
    delta and decay are for; the arm "doubt" is that of the study doubt, which looks and asks nothing. shared: settings of the
    cycle and of classification. Raises BadRequest for what cannot be.
    """
    own = {"pair_start": pair_start, "delta": delta, "decay": decay}
    own = {name: coerce(value, study("pseudo_labels").types[name], name) for name, value in own.items()}
    pairs = functools.partial(study("pseudo_labels").arm, STUDY.name, own)

    def special(*about):
        looks = study("doubt").arm(STUDY.name, *about)
        return pairs(*about) if looks is None else looks

    every = {"few": few, "many": many, "null": null, "trap": trap, "recipes": recipes}
    every = {name: features.race(races.resolved(name, every)) for name in every}
    return races.grid(STUDY.name, every, shared, special)


# --- what is special in the chapter's claims and audit --------------------------------------------------------------------


def trend(histogram):
    """Does the share of correct samples rise or fall along dispersion (Fig. 3.3, 3.4)? Spearman's rank correlation
    between the bins' lower edges and correct / samples, over the bins that the figures' lines rest on (ENOUGH samples of the
    run or more), averaged over cycles.

    histogram: results with rows of kind "histogram". Returns a frame over race, dataset, world, method, seed: `trend`
    (-1: falls at every bin; NaN with fewer than three bins, or the same share in all), its ends `trend_from` and `trend_to`,
    and `trend_resolution`, its step: two neighbours exchanged change rho by 12 / (n (n^2 - 1)) in one of the cycles.
    """
    import pandas

    of_run, found = ["race", "dataset", "world", "method", "seed"], []
    bins = histogram[(histogram["kind"] == "histogram") & (histogram["samples"] >= ENOUGH)]
    for run, part in bins.groupby([*of_run, "cycle"]):
        share, n = part["correct"] / part["samples"], len(part)
        known = n > 2 and share.nunique() > 1
        rho = part["low"].rank().corr(share.rank()) if known else float("nan")
        found.append((*run, rho, 12 / (n * (n * n - 1)) if known else float("nan")))
    rows = pandas.DataFrame(found, columns=[*of_run, "cycle", "trend", "step"])
    runs = rows.groupby(of_run).agg(trend=("trend", "mean"), step=("step", "min"), cycles=("trend", "count"))
    runs = runs.assign(trend_resolution=runs["step"] / runs["cycles"], trend_from=-1.0, trend_to=1.0)
    return runs.drop(columns=["step", "cycles"])


def granularity(frame):
    """For `published.audit`: a dispersion over T epochs (setting `epochs=`) is a multiple of 1 / T."""
    for row in frame[frame["metric"] == "dispersion"].itertuples():
        epochs = float(published.settings(row.setting)["epochs"])
        off = round(row.value * epochs)
        note = f"a multiple of 1 / {epochs:g}: {off} of {epochs:g} epochs off the mode (none off gives 0)"
        yield published.compared(row, off / epochs, note)
