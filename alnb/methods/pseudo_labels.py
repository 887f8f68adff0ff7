"""Pseudo-labels beside queries: the two-model variant of label dispersion (thesis sec. 3.5), and CEAL.

Model A, trained on what the oracle labelled, labels the samples it is most certain of. Model B is trained on both and
asks the next queries among the rest. The pseudo-labelled samples return to the pool and are labelled anew each cycle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alnb import acquisition, cycle, datasets
from alnb.errors import BadRequest
from alnb.runs import Run, State, Step, Study, coerce, study, torch_stream
from alnb.tasks import accuracy, classification
from alnb.tasks.classification import Classification

TWO_MODELS, CEAL = "two_models", "ceal"


@dataclass(frozen=True)
class Settings(classification.Settings):
    """pseudo, query: strategies whose least score says which samples A is certain of, and whose greatest what B asks.

    share: pseudo-labelled samples, of the whole pool ("10% to 25% of the dataset").
    start: what a model is trained on from: the latest model before it, whichever that was (to the letter of sec. 3.5),
    the model of its own name (A from A, B from B), or scratch.
    delta, decay: CEAL labels what has less entropy than delta - decay * cycle, in nats (Wang et al. 2017: 0.005 and
    0.00033 on Caltech-256).
    """

    pseudo: str = "dispersion"
    query: str = "entropy"
    share: float = 0.10
    start: Literal["latest", "own", "scratch"] = "latest"
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


def two_models(run: Run, state: State) -> Step:
    """One cycle: A on the oracle's labels, B on those and A's pseudo-labels; B asks."""
    task, options, c = Classification(run), run.options, state.index
    labelled, labels, pool = _labelled(run, state, task)
    candidates, last = pool.candidates(run.seed, c, options.subset), c == options.cycles
    if c == 0:
        a, record = _first(task, state)
    else:
        wanted = _needs_record(options.pseudo)
        a, record = task.train(labelled, labels, c, candidates if wanted else None, start=_start(task, state, "A"))
    view = cycle.View(task, a, c, candidates, labelled, labels, record, oracle=False)
    count = _pseudo_count(options, task.size)
    chosen = certain(view, options.pseudo, count, torch_stream(run.seed, f"strategy {options.pseudo}", c))
    guessed = view.probabilities.argmax(1)[chosen.to(view.device)]
    rest = _without(candidates, chosen)
    b, record = task.train(
        *_joined(labelled, labels, candidates[chosen.numpy()], guessed), c,
        rest if not last and _needs_record(options.query) else None,
        member=1, start=a if options.start == "latest" else _start(task, state, "B"),
    )  # fmt: skip
    right = (guessed == task.targets[candidates[chosen.numpy()]]).float().mean().item()
    about = {"pseudo": count, "pseudo_right": 100 * right}
    rows = [_row(task, model, name, c, labelled) | about for name, model in (("A", a), ("B", b))]
    if last:
        return Step(rows, {"labelled": labelled}, done=True)
    view = cycle.View(task, b, c, rest, labelled, labels, record, oracle=False)
    choice, row = _asked(view, run, c, task.timings)
    rows.append({**row, "cycle": c})
    blobs = {} if options.start == "scratch" else {"A": a.state_dict(), "B": b.state_dict()}
    queries = [int(rest[row]) for row in choice.rows]
    return Step(rows, {"labelled": labelled}, queries, blobs, timings=task.timings)


def ceal(run: Run, state: State) -> Step:
    """One cycle of cost-effective active learning (Wang et al. 2017): one model, fine-tuned on the oracle's labels and
    on its own for the samples it is surest of, then asked what it is least sure of."""
    import torch

    task, options, c = Classification(run), run.options, state.index
    labelled, labels, pool = _labelled(run, state, task)
    candidates = pool.candidates(run.seed, c, options.subset)
    if c == 0:
        model, _ = _first(task, state)
        samples, guessed = [], []
    else:
        samples, guessed = state.data["pseudo"], state.data["guessed"]
        start = None if options.start == "scratch" else _start(task, state, "B")
        pseudo = torch.tensor(guessed, dtype=torch.long, device=task.device)
        model, _ = task.train(*_joined(labelled, labels, samples, pseudo), c, start=start)
    truth = task.targets[samples].tolist()
    right = 100 * sum(g == t for g, t in zip(guessed, truth)) / len(truth) if truth else float("nan")
    rows = [_row(task, model, "B", c, labelled) | {"pseudo": len(samples), "pseudo_right": right}]
    if c == options.cycles:
        return Step(rows, {"labelled": labelled}, done=True)
    view = cycle.View(task, model, c, candidates, labelled, labels, None, oracle=False)
    choice, row = _asked(view, run, c, task.timings)
    rows.append({**row, "cycle": c})
    asked = set(choice.rows.tolist())
    sure = [row for row in below(view, options.delta - options.decay * c).tolist() if row not in asked]
    data = {"labelled": labelled, "pseudo": [int(candidates[row]) for row in sure]}
    data["guessed"] = view.probabilities.argmax(1)[sure].tolist()
    queries = [int(candidates[row]) for row in choice.rows]
    return Step(rows, data, queries, {"B": model.state_dict()}, timings=task.timings)


def _labelled(run: Run, state: State, task):
    start = state.needs[cycle.FIRST].data["labelled"]
    labelled = state.data["labelled"] + state.queries if state.index else start
    return labelled, task.labels(labelled, {}), cycle.Pool(task.size, labelled)


def _first(task, state: State):
    blobs = state.needs[cycle.FIRST].blobs
    return task.restore(blobs["weights"]), blobs["record"]


def _start(task, state: State, name: str):
    """The network the model `name` is trained on from, None for scratch."""
    options = task.options
    if options.start == "scratch" or not state.blobs:
        return None
    return task.restore(state.blobs["B" if options.start == "latest" else name])


def _joined(labelled, labels, samples, guessed):
    import torch

    return [*labelled, *(int(sample) for sample in samples)], torch.cat([labels, guessed])


def _without(candidates, rows):
    import numpy

    return numpy.delete(candidates, rows.numpy())


def _asked(view, run: Run, c: int, timings: dict):
    query = run.options.query
    stream = torch_stream(run.seed, f"strategy {query}", c)
    return cycle.choose(acquisition.get(query), view, run.options.budget, stream, timings)


def _needs_record(strategy: str) -> bool:
    return bool(cycle.RECORDED & set(acquisition.describe(strategy).needs))


def _pseudo_count(options, size: int) -> int:
    return round(options.share * size)


def _row(task, model, name: str, c: int, labelled) -> dict:
    return {"kind": "accuracy", "cycle": c, "labelled": len(labelled), "model": name, **task.evaluate(model)}


# --- the study ----------------------------------------------------------------------------------------------------------


def step(run: Run, state: State) -> Step:
    return (ceal if run.method == CEAL else two_models)(run, state)


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core."""
    o, pool = run.options, _size(run)
    sizes = [o.initial + o.budget * c for c in range(o.cycles + 1)]
    if run.method == CEAL:
        return classification.seconds(run, [size * 1.3 for size in sizes[1:]], 0)
    pseudo = _pseudo_count(o, pool)
    watched = sum(pool - size for size in sizes[1:]) * _needs_record(o.pseudo)
    watched += sum(pool - pseudo - size for size in sizes[:-1]) * _needs_record(o.query)
    return classification.seconds(run, sizes[1:] + [size + pseudo for size in sizes], watched)


STUDY = Study("pseudo_labels", 1, step, Settings, lambda run: run.options.cycles + 1, seconds, accuracy)


def grid(
    dataset: str,
    pairs: Sequence[str],
    shares: Sequence[float],
    seeds: Sequence[int],
    first: str,
    settings: Mapping[str, Any],
) -> list[Run]:
    """The runs of sec. 3.5, seed by seed, starting from the first training of the study `first`.

    pairs: "<pseudo-label criterion>+<query criterion>", e.g. "dispersion+entropy", or "ceal". shares: of the pool, for
    each pair. settings: those of this study that all runs share. Raises BadRequest for what cannot be.
    """
    if not seeds:
        raise BadRequest(f"the pairs {', '.join(pairs)} have no seeds: give at least one")
    for what, values in (("pairs", pairs), ("shares", shares), ("seeds", seeds)):
        if len(set(values)) < len(values):
            raise BadRequest(f"{what} repeats {max(values, key=list(values).count)!r}")
    runs = []
    for seed in seeds:
        for pair in pairs:
            for share in [0.0] if pair == CEAL else shares:
                runs.append(_run(dataset, pair, share, seed, first, settings))
    return runs


def _run(dataset: str, pair: str, share: float, seed: int, first: str, settings: Mapping[str, Any]) -> Run:
    known = study(first).types
    needs = {cycle.FIRST: cycle.first_run(first, dataset, seed, {n: v for n, v in settings.items() if n in known})}
    if settings.get("annotator", "truth") != "truth":
        raise BadRequest(f"pair {pair!r}: annotator {settings['annotator']!r} is not for pairs; accepted: 'truth'")
    if pair == CEAL:
        run = Run(STUDY.name, dataset, CEAL, seed, settings, needs)
        if run.options.delta < 0 or run.options.decay < 0:
            raise BadRequest(f"delta = {run.options.delta}, decay = {run.options.decay}: expected 0 or more")
        return run
    pseudo, _, query = pair.partition("+")
    if not (pseudo and query):
        raise BadRequest(f"pair {pair!r}; accepted: {CEAL} or <pseudo-label criterion>+<query criterion>")
    for name in (pseudo, query):
        if acquisition.describe(name).oracle:
            raise BadRequest(f"pair {pair!r}: {name} sees the labels of the pool")
        if {"committee", "dropout_probabilities"} & set(acquisition.describe(name).needs):
            raise BadRequest(f"pair {pair!r}: {name} wants networks of its own; accepted: what one network gives")
    if acquisition.describe(pseudo).kind != "score":
        raise BadRequest(f"pair {pair!r}: {pseudo} gives no scores, so nothing says what it would ask last")
    share = coerce(share, float, "share")
    values = {**settings, "pseudo": pseudo, "query": query, "share": share}
    arm = f"{pair} {100 * share:g}%"
    run = Run(STUDY.name, dataset, TWO_MODELS, seed, values, needs, arm=arm)
    o = run.options
    size, labels = _size(run), o.initial + o.budget * o.cycles
    pseudo_labelled = _pseudo_count(o, size)
    if not 0 < pseudo_labelled <= size - labels:
        raise BadRequest(f"share = {share}: a pool of {size} has no room for it beside {labels} labels")
    if o.subset and pseudo_labelled + o.budget > o.subset:
        raise BadRequest(f"share = {share}: a subset of {o.subset} has no room for it beside {o.budget} queries")
    return run


def _size(run: Run) -> int:
    return run.options.pool or datasets.info(run.dataset).train


# --- results and figures ------------------------------------------------------------------------------------------------


def by_model(results):
    """The same rows with the model in the method's name, "dispersion+entropy 10% B": what figures and tables join. Rows
    that are of no one model (choices, timings) are B's, who asks."""
    two = (results["study"] == STUDY.name) & (results["method"] != CEAL)
    model = results["model"].fillna("B") if "model" in results else "B"
    return results.assign(method=results["method"].where(~two, results["method"] + " " + model))


def draw(results, beside: Sequence[str]):
    """Fig. 3.8 and 3.9. Left: accuracy of model B (full line) and A (dashed) of each pair, CEAL, and the arms `beside`.
    Right: the plain network trained from scratch on what each asked, so that only the queries differ. rows: `by_model`
    of one dataset."""
    from alnb.figures import looks, subplots

    rows = results[results["kind"] == "accuracy"]
    arms = _arms(rows)
    look = looks([*beside, *arms])
    fig, (left, right) = subplots(1, 2, figsize=(9, 4.2), sharey=True)
    for arm in beside:
        for ax in (left, right):
            _line(ax, rows, arm, arm, look[arm])
    for arm in arms:
        _line(left, rows, arm if arm == CEAL else f"{arm} B", arm, look[arm])
        _line(left, rows, f"{arm} A", "", look[arm] | {"ls": "--", "alpha": 0.6})
        _line(right, rows, f"{arm} retrained", arm, look[arm])
    left.set(xlabel="labelled", ylabel="test accuracy, %", title="models B (full) and A (dashed)")
    right.set(xlabel="labelled", title="the plain network on what each asked")
    left.legend(fontsize=8)
    return fig


def _arms(rows) -> list[str]:
    """ "ceal" and the pairs with their share, in the order of the rows."""
    own = rows.loc[rows["study"] == STUDY.name, "method"]
    return list(dict.fromkeys(arm if arm == CEAL else arm.rpartition(" ")[0] for arm in own))


def _line(ax, rows, method: str, label: str, look: dict) -> None:
    line = rows[rows["method"] == method].groupby("labelled")["accuracy"].agg(["mean", "std"])
    if len(line):
        ax.errorbar(line.index, line["mean"], yerr=line["std"], label=label, capsize=2, lw=1.5, ms=4, **look)


def table(results):
    """One row per pair and CEAL: pseudo-labels in the last cycle, the share of them that is right (mean over cycles),
    accuracy at the last budget of A, of B and of the plain network on the same queries, seeds."""
    import pandas

    rows = results[results["kind"] == "accuracy"]
    budget = rows.loc[rows["study"] == STUDY.name, "labelled"].max()
    last = rows[rows["labelled"] == budget].groupby("method")["accuracy"].mean()
    found = []
    for arm in _arms(rows):
        b = arm if arm == CEAL else f"{arm} B"
        own = rows[rows["method"] == b]
        pseudo = round(own.loc[own["labelled"] == budget, "pseudo"].mean())
        names = {"A": f"{arm} A", "B": b, "retrained": f"{arm} retrained"}
        found.append({"pair": arm, "pseudo-labels": pseudo, "% right": own["pseudo_right"].mean(),
                      **{column: last.get(name) for column, name in names.items()}, "seeds": own["seed"].nunique()})  # fmt: skip
    return pandas.DataFrame(found)


def describe(frame) -> str:
    """The rows of `table` in words."""

    def known(row):
        numbers = [("A", row["A"]), ("B", row["B"]), ("the plain network on its queries", row["retrained"])]
        return ", ".join(f"{name} {value:.1f} %" for name, value in numbers if value == value and value is not None)

    parts = [f"{row['pair']}: {known(row)}; {row['% right']:.1f} % of its pseudo-labels right"
             for row in frame.to_dict("records")]  # fmt: skip
    return f"Accuracy at the last budget. {'. '.join(parts)}."
