"""Pseudo-labels beside queries: the two-model variant of label dispersion (thesis sec. 3.5), and CEAL.

Model A, trained on what the oracle labelled, labels the samples it is most certain of. Model B is trained on both and
asks the next queries among the rest. The pseudo-labelled samples return to the pool and are labelled anew each cycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from alnb import acquisition, cycle, races
from alnb.cycle import CycleSettings, Fitted, Now
from alnb.errors import BadRequest
from alnb.runs import Run, State, Step, Study, coerce, study, torch_stream
from alnb.tasks import classification
from alnb.tasks.classification import Classification

TWO_MODELS, CEAL = "two_models", "ceal"


@dataclass(frozen=True)
class Settings(CycleSettings, classification.Settings):
    """pseudo, query: strategies whose least score says which samples A is certain of, and whose greatest what B asks.

    share: pseudo-labelled samples, of the whole pool ("10% to 25% of the dataset"); 0: B is A, trained as long again on the
    same labels, the control of what the second training brings.
    pair_start: what a model is trained on from: the latest model before it, whichever that was (to the letter of sec.
    3.5), the model of its own name (A from A, B from B), or scratch.
    delta, decay: CEAL labels what has less entropy than delta - decay * cycle, in nats (Wang et al. 2017: 0.005 and
    0.00033 on Caltech-256).
    """

    pseudo: str = "dispersion"
    query: str = "entropy"
    share: float = 0.10
    pair_start: Literal["latest", "own", "scratch"] = "latest"
    delta: float = 0.005
    decay: float = 0.00033


# --- the method ---------------------------------------------------------------------------------------------------------


def certain(view, criterion: str, count: int, rng):
    """(count,) rows of the candidates that the strategy `criterion` would ask last, the most certain first."""
    strategy = acquisition.get(criterion)
    return strategy.choose(view, view.size, rng).rows.flip(0)[:count]


def below(view, delta: float):
    """Rows of the candidates whose entropy is less than `delta` nats: CEAL's high-confidence samples."""
    return (acquisition.get("entropy")(view) < delta).nonzero().flatten().cpu()


def fit_two(now: Now) -> Fitted:
    """One cycle: A on the oracle's labels, B on those and A's pseudo-labels; B asks among the rest."""
    run, task, options, c = now.run, now.task, now.run.options, now.cycle
    if c == 0:
        a, record = _first(now)
    else:
        watched = now.watched(acquisition.get(options.pseudo))
        a, record = task.train(now.labelled, now.labels, c, watched, start=_start(now, "A"))
    view = cycle.View(task, a, c, now.candidates, now.labelled, now.labels, record, oracle=False)
    count = _pseudo_count(options, task.size)
    chosen = certain(view, options.pseudo, count, torch_stream(run.seed, f"strategy {options.pseudo}", c))
    guessed = view.probabilities.argmax(1)[chosen.to(view.device)]
    pseudo, rest = now.candidates[chosen.numpy()], _without(now.candidates, chosen)
    b, record = task.train(
        *_joined(now, pseudo, guessed), c,
        rest if not now.last and now.watched() is not None else None,
        member=1, start=a if options.pair_start == "latest" else _start(now, "B"),
    )  # fmt: skip
    right = (guessed == task.targets[pseudo]).float().mean().item() if count else float("nan")
    about = {"pseudo": count, "pseudo_right": 100 * right}
    rows = [_row(now, model, name) | about for name, model in (("A", a), ("B", b))]
    blobs = {} if options.pair_start == "scratch" else {"A": a.state_dict(), "B": b.state_dict()}
    return Fitted(b, record, rows, rest, blobs)


def fit_ceal(now: Now) -> Fitted:
    """One cycle of cost-effective active learning (Wang et al. 2017): one model, fine-tuned on the oracle's labels and
    on its own for the samples it is surest of (`sure_of`)."""
    import torch

    task, data = now.task, now.state.data
    if now.cycle == 0:
        model, _ = _first(now)
        samples, guessed = [], []
    else:
        samples, guessed = data["pseudo"], data["guessed"]
        pseudo = torch.tensor(guessed, dtype=torch.long, device=task.device)
        model, _ = task.train(*_joined(now, samples, pseudo), now.cycle, start=_start(now, "B"))
    truth = task.targets[samples].tolist()
    right = 100 * sum(g == t for g, t in zip(guessed, truth)) / len(truth) if truth else float("nan")
    rows = [_row(now, model, "B") | {"pseudo": len(samples), "pseudo_right": right}]
    return Fitted(model, None, rows, blobs={"B": model.state_dict()})


def sure_of(now: Now, view, choice, fitted: Fitted) -> tuple[list[dict], dict]:
    """What CEAL labels itself for its next training, once it is known what the oracle is asked: positions in the pool and
    the classes."""
    o, asked = now.run.options, set(choice.rows.tolist())
    sure = [row for row in below(view, o.delta - o.decay * now.cycle).tolist() if row not in asked]
    pseudo = [int(now.candidates[row]) for row in sure]
    return [], {"pseudo": pseudo, "guessed": view.probabilities.argmax(1)[sure].tolist()}


def _first(now: Now):
    blobs = now.state.needs[cycle.FIRST].blobs
    return now.task.restore(blobs["weights"]), blobs["record"]


def _start(now: Now, name: str):
    """The network the model `name` is trained on from, None for scratch."""
    how = now.run.options.pair_start
    if how == "scratch" or not now.state.blobs:
        return None
    return now.task.restore(now.state.blobs["B" if how == "latest" else name])


def _joined(now: Now, samples, guessed):
    import torch

    return [*now.labelled, *(int(sample) for sample in samples)], torch.cat([now.labels, guessed])


def _without(candidates, rows):
    import numpy

    return numpy.delete(candidates, rows.numpy())


def _pseudo_count(options, size: int) -> int:
    return round(options.share * size)


def _row(now: Now, model, name: str) -> dict:
    return cycle.evaluation(now.task, model, now.cycle, now.labelled) | {"model": name}


# --- the study ----------------------------------------------------------------------------------------------------------


def step(run: Run, state: State) -> Step:
    fit, after = (fit_ceal, sure_of) if run.method == CEAL else (fit_two, None)
    strategy = acquisition.get(run.options.query)
    return cycle.step(run, state, Classification, fit=fit, after=after, strategy=strategy)


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core."""
    o, pool = run.options, classification.pool_size(run)
    sizes = [o.initial + o.budget * c for c in range(o.cycles + 1)]
    if run.method == CEAL:
        return classification.seconds(run, [size * 1.3 for size in sizes[1:]], 0)
    pseudo, recorded = _pseudo_count(o, pool), lambda name: bool(
        Classification.recorded & set(acquisition.describe(name).needs)
    )  # fmt: skip
    watched = sum(pool - size for size in sizes[1:]) * recorded(o.pseudo)
    watched += sum(pool - pseudo - size for size in sizes[:-1]) * recorded(o.query)
    return classification.seconds(run, sizes[1:] + [size + pseudo for size in sizes], watched)


def check(run: Run) -> None:
    """BadRequest for a recipe, sizes or a share that cannot be."""
    o, pool = run.options, classification.pool_size(run)
    classification.check(o, run.dataset)
    races.check_cycles(run, pool)
    if o.delta < 0 or o.decay < 0:
        raise BadRequest(f"delta = {o.delta}, decay = {o.decay}: expected 0 or more")
    if o.start != "scratch":
        raise BadRequest(f"start = {o.start!r} is not for pairs; accepted: pair_start")
    if o.annotator != "truth":
        raise BadRequest(f"annotator {o.annotator!r} is not for pairs; accepted: 'truth'")
    pseudo, labels = _pseudo_count(o, pool), o.initial + o.budget * o.cycles
    if run.method == TWO_MODELS and not 0 <= pseudo <= pool - labels:
        raise BadRequest(f"share = {o.share}: a pool of {pool} has no room for it beside {labels} labels")
    if run.method == TWO_MODELS and o.subset and pseudo + o.budget > o.subset:
        raise BadRequest(f"share = {o.share}: a subset of {o.subset} has no room for it beside {o.budget} queries")


def arm(
    first: str, own: Mapping[str, Any], name: str, options: Mapping[str, Any], dataset: str, seed: int, settings: Mapping[str, Any]
) -> list[Run] | None:  # fmt: skip
    """The runs of an arm of section 3.5 on one seed, None for another arm (`races.Special`, once `first` and `own` are given).

    name: "<pseudo-label criterion>+<query criterion>", e.g. "dispersion+entropy", or "ceal". options: share, of the pool
    (default 0.1), retrain (default True): also the plain network on what the pair asked. first: the study whose first
    training the pair starts from. own: settings of this study that all its runs share.
    """
    if name != CEAL and "+" not in name:
        return None
    options = dict(options)
    retrain = coerce(options.pop("retrain", True), bool, f"{name}: retrain")
    text = acquisition.write_arm(name, options)
    if extra := set(options) - ({"share"} if name != CEAL else set()):
        raise BadRequest(f"{text}: {min(extra)} is no option of it; accepted: {'' if name == CEAL else 'share, '}retrain")
    values = {**settings, **own}
    known = study(first).types
    needs = {cycle.FIRST: races.first_run(first, dataset, seed, {n: v for n, v in settings.items() if n in known})}
    if name == CEAL:
        run = Run(STUDY.name, dataset, CEAL, seed, values, needs)
    else:
        pseudo, _, query = name.partition("+")
        _check_pair(name, pseudo, query)
        share = coerce(options.get("share", Settings.share), float, f"{name}: share")
        values |= {"pseudo": pseudo, "query": query, "share": share}
        run = Run(STUDY.name, dataset, TWO_MODELS, seed, values, needs, arm=f"{name} {100 * share:g}%")
        for criterion in (pseudo, query):
            races.check_offered(run, acquisition.describe(criterion).needs, f"{name}: {criterion}")
    return [run] + [races.retrained_run(run, first)] * retrain


def _check_pair(pair: str, pseudo: str, query: str) -> None:
    for name in (pseudo, query):
        if acquisition.describe(name).oracle:
            raise BadRequest(f"pair {pair!r}: {name} sees the labels of the pool")
        if {"committee", "dropout_probabilities"} & set(acquisition.describe(name).needs):
            raise BadRequest(f"pair {pair!r}: {name} wants networks of its own; accepted: what one network gives")
    if acquisition.describe(pseudo).kind != "score":
        raise BadRequest(f"pair {pair!r}: {pseudo} gives no scores, so nothing says what it would ask last")


STUDY = Study(
    "pseudo_labels", 1, step, Settings, lambda run: run.options.cycles + 1, seconds,
    Classification.metrics, lambda dataset: Classification.offers, check, arm=arm,
)  # fmt: skip


# --- what is special in the chapter's claims ----------------------------------------------------------------------------


def second_training(frame):
    """For claims ("test.b_over_a"): of each pair, the area under B's curve less that under A's. Of two pairs, one of them a
    control that trains twice too (share 0, or pseudo-labels of samples drawn at random), the difference of these is what the
    pseudo-labels of certain samples bring.

    frame: results with a method a model, "dispersion+entropy 10% B". A Series over race, dataset, world, method (the pair),
    seed."""
    import pandas

    from alnb.statistics import endpoint

    of_run, ends = ["race", "dataset", "world", "method", "seed"], {}
    tests = frame[frame["kind"] == "test"]
    for model in "AB":
        rows = tests[tests["method"].str.endswith(f" {model}")]
        if rows.empty:
            return pandas.Series(dtype=float, index=pandas.MultiIndex.from_arrays([[]] * len(of_run), names=of_run))
        ends[model] = endpoint(rows.assign(method=rows["method"].str[:-2])).set_index(of_run)["aubc"]
    return (ends["B"] - ends["A"]).dropna()
