"""Class-balanced active learning, CBAL (thesis ch. 4; Zolfaghari Bengar et al., WACV 2022).

A pool with a long tail gives batches with a long tail, and a network that knows the frequent classes. So each batch is
asked to be cheap (uncertain, or far from what is labelled) and balanced at once, by what the network believes the classes
of its samples to be. The programme itself is in alnb/acquisition/balance.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alnb import cycle, races
from alnb.acquisition import balance, bald, describe, get, select, vaal, work
from alnb.acquisition.balanced_greedy import greedy
from alnb.cycle import CycleSettings, Fitted, Now
from alnb.errors import BadRequest
from alnb.runs import Run, State, Step, Study
from alnb.tasks import classification, features, weighted
from alnb.tasks.classes import Classes

# --- the method ---------------------------------------------------------------------------------------------------------


def required(view, budget: int):
    """Omega(c) (C,): how many of each class the next batch should hold, from the labels so far. Thesis eq. 4.3-4.5."""
    n = view.labelled_targets.bincount(minlength=view.classes)
    return balance.wanted(n.cpu().numpy(), budget)


def informative(log_probabilities):
    """(U = (P * log P) 1 (N,), minus the entropy in nats; P (N, C)), in float64 on the CPU. Thesis eq. 4.1, 4.6, 4.7."""
    log_p = log_probabilities.double().cpu().clamp_min(-1e4)
    log_p = log_p - log_p.sort(1).values.logsumexp(1, keepdim=True)  # equal in bits, whatever the classes are called
    P = log_p.exp()
    return (P * log_p).sort(1).values.sum(1).numpy(), P.numpy()


@select("entropy_cb", needs=("log_probabilities", "labelled_targets"), source="thesis eq. 4.8")
def entropy_cb(view, budget, rng, *, lam: float = 0.6):
    """(budget,) rows, the most uncertain first: entropy and balance in one programme; lam as its public code on CIFAR-10."""
    shared = view.priority.argsort()
    U, P = informative(view.log_probabilities[shared])
    return shared[_rows(balance.solve(U, P, required(view, budget), lam, budget).rows, shared)]


@select(
    "vaal_cb",
    needs=("images", "labelled_images", "log_probabilities", "labelled_targets"),
    source="thesis eq. 4.9",
    parted="steps",
)
def vaal_cb(
    view, budget, rng, part=None, *, lam: float = 0.15, steps: int = 150, batch: int = 32, width: int = 16, latent: int = 32,
    beta: float = 1.0, adversary: float = 1.0, lr: float = 1e-3, flip: bool = False, quirks: bool = False,
):  # fmt: skip
    """(budget,) rows of least z'u + lam ||Omega - P'z||_1 with u = D(mu(x)) in [0, 1], how sure VAAL's discriminator is that
    an image is labelled: the least sure first. Options beside lam: those of `vaal`, which asks for the same at lam = 0.
    part: see `select`; the programme is solved after the last. lam: by the paper's rule on a development seed of glyphs-10, as
    bald_cb's; the chapter gives none."""
    shared, images = view.priority.argsort(), view.images
    candidates = images[shared.to(images.device)].to(view.device)
    options = dict(steps=steps, batch=batch, width=width, latent=latent, beta=beta, adversary=adversary, lr=lr)
    labelled = view.labelled_images.to(view.device)
    sure = vaal.certainty(candidates, labelled, rng, **options, flip=flip, quirks=quirks, part=part)
    if isinstance(sure, dict):
        return sure
    return _balanced(sure.double().sigmoid().cpu().numpy(), view, shared, budget, lam)


def check_vaal_cb(*, lam, **options):
    """BadRequest for an option out of range."""
    vaal.check_vaal(**options)
    _check_lam(lam)


@select("bald_cb", needs=("dropout_probabilities", "log_probabilities", "labelled_targets"), source="thesis 4.4.1, BALD")
def bald_cb(view, budget, rng, *, lam: float = 0.15, passes: int = 50):
    """(budget,) rows of least z'u + lam ||Omega - P'z||_1 with u minus the mutual information of `bald`, in nats; P is that of
    the network without dropout, as in eq. 4.1."""
    shared = view.priority.argsort()
    information = get("bald")(view, passes=passes)
    return _balanced(-information[shared].double().cpu().numpy(), view, shared, budget, lam)


def check_bald_cb(*, lam, passes):
    """BadRequest for an option out of range."""
    bald.check_bald(passes=passes)
    _check_lam(lam)


def check_entropy_cb(*, lam):
    """BadRequest for a lambda that is none."""
    _check_lam(lam)


def check_entropy_cb_permuted(*, lam):
    """BadRequest for a lambda that is none."""
    _check_lam(lam)


def check_k_center_cb(*, lam):
    """BadRequest for a lambda that is none."""
    _check_lam(lam)


def _check_lam(lam):
    if not (math.isfinite(lam) and lam >= 0):
        raise BadRequest(f"lam = {lam!r}; accepted: a finite number, 0 or more")


def _balanced(u, view, shared, budget, lam):
    """(budget,) rows by the programme with costs u (U,), in the shared order."""
    _, P = informative(view.log_probabilities[shared])
    return shared[_rows(balance.solve(u, P, required(view, budget), lam, budget).rows, shared)]


@select(
    "k_center_cb",
    needs=("embeddings", "labelled_embeddings", "log_probabilities", "labelled_targets"),
    source="thesis algorithm 2",
    nested=False,
)
def k_center_cb(view, budget, rng, *, lam: float = 0.5):
    """(budget,) rows in the order picked. lam as its public code, which divides 5 (ten classes) and 50 (100) by C."""
    shared = view.priority.argsort()
    _, P = informative(view.log_probabilities[shared])
    labelled, omega = view.labelled_embeddings, required(view, budget)
    return shared[_rows(greedy(view.embeddings[shared], labelled, P, omega, lam, budget), shared)]


def _rows(rows, like):
    import torch

    return torch.as_tensor(rows, device=like.device)


# --- the chapter's variant, trivial rivals, the placebo, the ceiling --------------------------------------------------------


@select(
    "entropy_pseudo", needs=("log_probabilities", "labelled_targets"), source="thesis 4.5.2, Entropy L1 Pseudo Label"
)
def entropy_pseudo(view, budget, rng):
    """(budget,) rows: of each predicted class as many as Omega says, by entropy; what is left, by entropy alone."""
    return _by_predicted_class(view, budget, 1.0)


@select("entropy_topped_up", needs=("log_probabilities", "labelled_targets"), source="rival of thesis eq. 4.8")
def entropy_topped_up(view, budget, rng, *, least: float = 0.5):
    """(budget,) rows of Entropy, but each predicted class has at least the share `least` of what Omega says: no programme."""
    check_entropy_topped_up(least=least)
    return _by_predicted_class(view, budget, least)


def check_entropy_topped_up(*, least):
    """BadRequest for a share that is none."""
    if not 0 <= least <= 1:
        raise BadRequest(f"entropy_topped_up: least = {least}: expected a share from 0 to 1")


def _by_predicted_class(view, budget, share):
    shared = view.priority.argsort()
    U, P = informative(view.log_probabilities[shared])
    return shared[_rows(quotas(-U, P.argmax(1), share * required(view, budget), budget), shared)]


def quotas(scores, classes, omega, budget: int):
    """(budget,) rows: the first floor(omega_c) of each class c in `classes` (N,) by `scores` (N,), then the others, each
    part by its scores; the first of equals."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    place = np.empty(len(order), dtype=int)
    for c in range(len(omega)):
        own = order[classes[order] == c]
        place[own] = np.arange(len(own))
    beyond = place + 1 > omega[classes]
    return np.lexsort((np.arange(len(order)), -scores, beyond))[:budget]


@select("entropy_cb_permuted", needs=("log_probabilities", "labelled_targets"), source="placebo of thesis eq. 4.8")
def entropy_cb_permuted(view, budget, rng, *, lam: float = 0.6):
    """(budget,) rows: as entropy_cb, with the rows of P, but not the entropies, dealt to other samples at random."""
    import torch

    shared = view.priority.argsort()
    U, P = informative(view.log_probabilities[shared])
    dealt = torch.randperm(view.size, generator=rng).numpy()
    return shared[_rows(balance.solve(U, P[dealt], required(view, budget), lam, budget).rows, shared)]


@select("balanced_random", needs=("labelled_targets", "truth"), oracle=True, source="ceiling of thesis ch. 4")
def balanced_random(view, budget, rng):
    """(budget,) rows at random, in the shared order, that bring the *true* classes as near to equal as they can be."""
    import numpy as np

    shared = view.priority.argsort()
    truth = view.truth[shared].cpu().numpy()
    have = view.labelled_targets.bincount(minlength=view.classes).cpu().numpy()
    would_be = np.empty(len(truth))
    for c in range(view.classes):
        own = np.flatnonzero(truth == c)
        would_be[own] = have[c] + np.arange(len(own))
    return shared[_rows(np.lexsort((np.arange(len(truth)), would_be))[:budget], shared)]


# --- how lambda is chosen -------------------------------------------------------------------------------------------------

LAMBDAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 2.5, 3.0)  # the paper: (0, 3)


def smallest_lambda(curve, tolerance: float = 0.02) -> float:
    """The paper's rule, "the smallest lambda after which the L1 loss does not diminish further": the first from which on it
    stays within `tolerance` of what there is to win, the loss at the smallest lambda less its least.

    curve: {lambda: L1 loss}, from *predicted* P at cycle 0 of a development seed. BadRequest for fewer than two.
    """
    if len(curve) < 2:
        raise BadRequest(f"{len(curve)} values of lambda; expected two at least")
    names = sorted(curve)
    least = min(curve.values())
    enough = least + tolerance * (curve[names[0]] - least)
    above = [i for i, name in enumerate(names) if curve[name] > enough]
    return names[min(above[-1] + 1, len(names) - 1)] if above else names[0]


# --- what the figures of the chapter look at, after the choice ------------------------------------------------------------


def l1_score(counts) -> float:
    """How far counts (C,) are from equal, 0 (equal) to 1 (all of one class): |n - mean|_1 over 2 b (C - 1) / C. Thesis
    eq. 4.10."""
    import numpy as np

    n = np.asarray(counts, dtype=float)
    b, C = n.sum(), len(n)
    return float(np.abs(n - b / C).sum() / (2 * b * (C - 1) / C))


def l1_floor(available, labels: int) -> float:
    """The least `l1_score` of `labels` labels where a class has no more than available (C,): what the short ones lack of an
    equal share is missing there and too much elsewhere."""
    import numpy as np

    C = len(available)
    lacking = np.maximum(labels / C - np.asarray(available, dtype=float), 0).sum()
    return float(2 * lacking / (2 * labels * (C - 1) / C))


def analyse(now: Now, view, choice, fitted: Fitted) -> tuple[list[dict], dict]:
    """Rows of kind "balance" (Fig. 4.2, 4.3, 4.8-4.10), "programme" (arms of eq. 4.8) and, of entropy's run at cycle 0,
    "lambda" (Fig. 4.4). True classes are looked at for figures only."""
    import numpy as np

    C, truth = now.task.classes, now.task.targets[now.candidates].cpu().numpy()
    have = now.labels.bincount(minlength=C).cpu().numpy()
    batch = np.bincount(truth[choice.rows.numpy()], minlength=C)
    rows = [{
        "kind": "balance", "cycle": now.cycle, "l1": l1_score(batch), "l1_labelled": l1_score(have + batch),
        "batch": _text(batch), "labelled_classes": _text(have + batch), "left": _text(np.bincount(truth, minlength=C)),
    }]  # fmt: skip
    if now.strategy.name == "entropy_cb":
        rows.append(programme(now, view, choice.rows.numpy()))
    if now.strategy.name == "entropy" and now.cycle == 0:
        rows += trade_off(view, truth, have, now.run.options.budget)
    return rows, {}


def _text(counts) -> str:
    """Counts of the classes in one cell of a table."""
    return " ".join(map(str, counts.tolist()))


def counts(text: str) -> list[int]:
    """`_text`, read."""
    return [int(n) for n in text.split()]


def programme(now: Now, view, rows) -> dict:
    """The row of kind "programme": what the choice costs, and the bound of the relaxation, below which no choice is."""
    options = now.run.options
    lam = options.strategy.get("lam", now.strategy.parameters["lam"])
    (U, P), omega = informative(view.log_probabilities), required(view, options.budget)
    value = balance.objective(rows, U, P, omega, lam)
    bound = min(balance.solve(U, P, omega, lam, options.budget, nodes=0).bound, value)
    known = {"objective": value, "bound": bound, "gap": value - bound}
    return {"kind": "programme", "cycle": now.cycle, "lam": lam, **known}


def trade_off(view, truth, have, budget: int) -> list[dict]:
    """Rows of kind "lambda": for each of LAMBDAS, and for Entropy by pseudo-labels, the batch's entropy (the figure's
    entropy loss, turned), its L1 loss by predicted P, and the L1 score of all labels by true classes."""
    import numpy as np

    shared = view.priority.argsort()
    (U, P), omega = informative(view.log_probabilities[shared]), required(view, budget)
    truth = truth[shared.cpu().numpy()]
    chosen = {lam: balance.solve(U, P, omega, lam, budget, nodes=0).rows for lam in LAMBDAS}
    named = [("entropy_cb", lam, rows) for lam, rows in chosen.items()]
    named.append(("entropy_pseudo", None, quotas(-U, P.argmax(1), omega, budget)))
    return [
        {"kind": "lambda", "rule": rule, **({} if lam is None else {"lam": lam}), "entropy": float(-U[rows].sum()),
         "l1_loss": float(np.abs(omega - P[rows].sum(0)).sum()),
         "l1_labelled": l1_score(have + np.bincount(truth[rows], minlength=len(omega)))}
        for rule, lam, rows in named
    ]  # fmt: skip


# --- the study ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings(CycleSettings, weighted.Settings):
    """Those of the cycle, of classification and of its task: images or frozen features, with or without weights of the
    classes in the loss, with or without pre-training; the chapter's pool is in tail, imbalance, tail_classes and reserved."""


def step(run: Run, state: State) -> Step:
    return cycle.step(run, state, weighted.task_of(run.options), after=analyse)


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core."""
    o, size = run.options, classification.pool_size(run)
    take = (features if features.is_features(o) else classification).seconds
    if run.method == cycle.ALL:
        return take(run, [size], 0)
    if run.method == cycle.FIRST:
        return take(run, [o.initial], size - o.initial)
    sizes = [o.initial + o.budget * c for c in range(o.cycles + 2 - cycle.trainings(run), o.cycles + 1)]
    if run.method == cycle.RETRAINED:
        return take(run, sizes, 0)
    recorded = Classes.recorded & set(describe(run.method).needs)
    choosing = work.seconds(run, [one - o.budget for one in sizes], size, take)
    return take(run, sizes, sum(size - one for one in sizes[:-1]) if recorded else 0) + choosing


def check(run: Run) -> None:
    """BadRequest for a recipe or sizes that cannot be."""
    weighted.check(run)
    races.check_cycles(run, classification.pool_size(run))


def network(run: Run) -> str:
    return features.network(run.options) if features.is_features(run.options) else run.options.network


STUDY = Study(
    "class_balance", 1, step, Settings, cycle.steps, seconds,
    Classes.metrics, lambda dataset: Classes.offers, check, network, prepare=weighted.prepare,
)  # fmt: skip

LISTED = {"pool": 0, "tail": "none", "imbalance": 1.0, "tail_classes": "fixed"}  # what a race on a published list does not share
RACES = ("few", "even", "severe", "many", "many_even", "many_severe", "large", "large_even", "large_severe")


def grid(
    few: Mapping[str, Any],
    even: Mapping[str, Any] = {},
    severe: Mapping[str, Any] = {},
    many: Mapping[str, Any] = {},
    many_even: Mapping[str, Any] = {},
    many_severe: Mapping[str, Any] = {},
    large: Mapping[str, Any] = {},
    large_even: Mapping[str, Any] = {},
    large_severe: Mapping[str, Any] = {},
    **shared,
) -> list[Run]:
    """Every run of the notebook (see alnb/races.py). Ten classes with a tail (`few`), without (`even`, where balance has
    nothing to repair) and with a severe one (`severe`); the same with many classes and with Tiny ImageNet's 200. The first
    labels of all are `initial` samples, of each class as many, set aside before the tail. A race with a `split` has the samples
    of a published list for its pool, the last `initial` of them labelled first. Raises BadRequest for what cannot be.
    """
    given = (few, even, severe, many, many_even, many_severe, large, large_even, large_severe)
    asked = dict(zip(RACES, given))
    for where, given in {"": shared, **asked}.items():
        for name in {"reserved", "initial_labels"} & set(given):
            raise BadRequest(f"{where}: {name} is not for this chapter: `initial` samples are set aside, balanced".lstrip(": "))
    asked = {name: features.race(races.resolved(name, asked)) for name in asked}
    for race in filter(None, asked.values()):
        race |= {
            "reserved": race.get("initial", shared.get("initial", CycleSettings.initial)),
            "initial_labels": "reserved",
        }
    for where, race in asked.items():
        if race.get("split"):
            if given := [name for name in LISTED if name in race]:
                raise BadRequest(f"{where}: split = {race['split']!r} is the pool: it takes no {given[0]} beside it")
            race |= LISTED
    return races.grid(STUDY.name, asked, shared)
