"""The pool-based active-learning cycle: train, evaluate, choose, ask; again.

One step of a run is one cycle, or a part of one where a choice takes long. `Pool` owns what is labelled, the `View` is all
a strategy may look at, the task (alnb/tasks) brings data, model and metrics. Between steps the driver asks for the labels.
`loop` is the same without runs, steps and a store: start reading there. Which runs a notebook asks for is in alnb/races.py.

The first training of a seed is the same for every method, so it is a run of its own (FIRST): it leaves its weights and
what every epoch predicted for the pool, and each method's first step chooses from them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from alnb import acquisition
from alnb.errors import BadRequest
from alnb.runs import TRUTH, Run, Scalar, State, Step, numpy_stream, seed_globals, torch_stream

FIRST = "cycle_0"
ALL = "all_data"
RETRAINED = "retrained"
BEFORE = "before"


@dataclass(frozen=True)
class CycleSettings:
    """Sizes count samples. subset 0: every unlabelled sample is a candidate.

    initial_pool: the first labels differ from seed to seed, or are the same for all ("once").
    initial_labels: "random", "balanced" (as many of each class as can be), "reserved" (what the task's pool sets aside), or
    a strategy with its options, "latent_k_center(first=10)", which sees the whole pool through an untrained model.
    annotator: who answers, the dataset's own labels or a person of that name.
    start: each cycle's model begins from scratch or from the last cycle's weights. strategy: the options of the strategy,
    where they are not its defaults. selection: SHA-256 of the published selection that is retrained."""

    initial: int = 5000
    budget: int = 2500
    cycles: int = 4
    subset: int = 0
    initial_pool: Literal["per_seed", "once"] = "per_seed"
    initial_labels: str = "random"
    annotator: str = TRUTH
    start: Literal["scratch", "last"] = "scratch"
    strategy: dict[str, Scalar] = field(default_factory=dict)
    selection: str = ""


class Pool:
    """Which of `size` samples are labelled, in the order they were, and the shared random order of the others."""

    def __init__(self, size: int, labelled: list[int]):
        import numpy

        self.size, self.labelled = size, list(labelled)
        self.mask = numpy.zeros(size, dtype=bool)
        self.mask[self.labelled] = True
        if self.mask.sum() != len(self.labelled):
            raise BadRequest(
                f"the labelled set repeats a sample: {len(self.labelled)} labels, {self.mask.sum()} samples"
            )

    @classmethod
    def initial(cls, size: int, count: int, seed: int, once: bool, classes=None) -> Pool:
        """`count` samples at random: `once` draws the same ones for every seed (the thesis), else one draw per seed.
        `classes` (size,): as many of each class as there are, one class after the other in a random order."""
        import numpy

        if not 0 < count <= size:
            raise BadRequest(f"initial = {count}: expected 1 to {size}, the size of the pool")
        rng = numpy_stream(0 if once else seed, "initial pool")
        if classes is None:
            return cls(size, rng.choice(size, count, replace=False).tolist())
        order = rng.permutation(size)
        classes = numpy.asarray(classes)[order]
        names = rng.permutation(numpy.unique(classes))
        turn, place = numpy.empty(size, int), {name: i for i, name in enumerate(names)}
        for name in names:  # the k-th sample of a class is taken in round k
            own = classes == name
            turn[own] = numpy.arange(own.sum()) * len(names) + place[name]
        return cls(size, order[turn.argsort(kind="stable")][:count].tolist())

    def candidates(self, seed: int, cycle: int, subset: int = 0):
        """(U,) unlabelled samples in the random order of (seed, cycle), the first `subset` of them.

        The order ranks every sample of the pool before the labelled are left out, so it is the same for all methods
        of a seed: subsets, Random and ties are paired.
        """
        order = numpy_stream(seed, "candidates", cycle).permutation(self.size)
        unlabelled = order[~self.mask[order]]
        return unlabelled[:subset] if subset else unlabelled


class View:
    """What a strategy may look at: the candidates of one cycle, in the shared random order.

    Rows index the candidates. `size` of them are there; `priority` (U,) ranks them; the other fields are those that the
    task offers (`task.offers` says which, and their shapes), computed when they are first asked for.
    """

    def __init__(self, task, model, cycle: int, candidates, labelled, labels, record, oracle: bool):
        import torch

        self._offers, self._oracle = task.offers, oracle
        self._seen = task.look(model, cycle, candidates, labelled, labels, record)
        self.size, self.device, self.classes = len(candidates), task.device, getattr(task, "classes", None)
        self.priority = torch.arange(self.size, device=self.device)
        self.samples = task.rows[candidates]  # (U,) the candidates as the dataset numbers them: for figures

    def __getattr__(self, name: str):
        if name.startswith("_") or name not in self._offers:
            raise AttributeError(f"this task offers no {name!r} to a strategy; it offers {', '.join(self._offers)}")
        if name == "truth" and not self._oracle:
            raise PermissionError("only a strategy marked oracle=True may see the labels of the pool")
        return getattr(self._seen, name)


# --- in memory: the whole of active learning --------------------------------------------------------------------------


def loop(task, strategy, budget: int, cycles: int) -> Iterator[dict]:
    """Active learning with `strategy` (acquisition.get(name), or one of your own), one row of results a cycle.

    The rows of kind "test" of a stepped run are these, row for row: what a run adds is that it can stop and go on.
    """
    seed, options = task.run.seed, task.run.options
    pool, model = initial_pool(task), None
    for cycle in range(cycles + 1):
        seed_globals(task.run, cycle)
        labels, candidates = task.labels(pool.labelled, {}), pool.candidates(seed, cycle, options.subset)
        start = model if options.start == "last" else None  # else from scratch
        model, record = task.train(pool.labelled, labels, cycle, candidates, start=start)
        yield evaluation(task, model, cycle, pool.labelled)
        if cycle < cycles:
            view = View(task, model, cycle, candidates, pool.labelled, labels, record, strategy.oracle)
            choice = strategy.choose(view, budget, stream(task.run, strategy, cycle), **options.strategy)
            pool = Pool(task.size, pool.labelled + candidates[choice.rows].tolist())


def initial_pool(task) -> Pool:
    """The first labels of a run: see CycleSettings."""
    import torch

    options, seed = task.run.options, task.run.seed
    once, how = options.initial_pool == "once", options.initial_labels
    if how in ("random", "balanced"):
        classes = None if how == "random" else task.targets.cpu().numpy()
        return Pool.initial(task.size, options.initial, seed, once, classes)
    if how == "reserved":
        return Pool(task.size, task.reserved)
    name, own = acquisition.parse_arm(how)
    strategy, pool = acquisition.get(name), Pool(task.size, [])
    candidates = pool.candidates(0 if once else seed, 0)
    view = View(task, task.build(0), 0, candidates, [], task.labels([], {}), None, strategy.oracle)
    rng = torch_stream(0 if once else seed, f"initial {strategy.name}")
    with torch.no_grad():
        choice = strategy.choose(view, options.initial, rng, **own)
    return Pool(task.size, candidates[choice.rows].tolist())


def evaluation(task, model, cycle: int, labelled) -> dict:
    """The row of kind "test" of one cycle."""
    about = {"kind": "test", "cycle": cycle, "labelled": len(labelled), **task.cost(labelled)}
    return about | task.evaluate(model)


def stream(run: Run, strategy, cycle: int):
    """The generator of a strategy in one cycle."""
    return torch_stream(run.seed, f"strategy {strategy.name}", cycle)


# --- one step of a run ------------------------------------------------------------------------------------------------


@dataclass
class Now:
    """Where a run stands in one cycle: what `fit` and `after` are given. Samples are positions in the pool."""

    run: Run
    state: State
    task: Any
    strategy: Any
    cycle: int
    last: bool  # nothing is asked after it
    labelled: list[int]
    labels: Any
    candidates: Any  # (U,) in the shared random order

    def watched(self, strategy=None):
        """The candidates, if training must record them for the choice of this cycle; else None."""
        needs = set((strategy or self.strategy).needs)
        return self.candidates if needs & self.task.recorded else None


@dataclass
class Fitted:
    """What `fit` gives: the model that chooses and what its training recorded, rows of results, the candidates it may
    choose from, what later cycles start from (blobs) and know (data)."""

    model: Any
    record: dict | None
    rows: list[dict]
    candidates: Any = None  # default: all
    blobs: dict[str, dict] = field(default_factory=dict)
    data: dict = field(default_factory=dict)


def plain(now: Now) -> Fitted:
    """Train on what is labelled, from scratch or (`start`) from the last cycle's weights, and evaluate."""
    run, state, task = now.run, now.state, now.task
    goes_on = run.options.start == "last"
    if now.cycle == 0:
        first = state.needs[FIRST]
        rows = [row for row in first.rows if row["kind"] == "test"]
        model, record = task.restore(first.blobs["weights"]), first.blobs.get("record")
    elif state.index == 0 and goes_on:  # joins a run whose last model is kept
        kept = state.needs[BEFORE].blobs
        model, record, rows = task.restore(kept["weights"]), kept.get("record"), []
    elif state.index == 0 and not now.strategy.needs:  # joins a run, and needs no model to choose
        model, record, rows = None, None, []
    else:
        start = task.restore(state.blobs["weights"]) if goes_on else None
        watched = now.watched() if goes_on or not now.last else None  # a run that joins may choose from the last model
        model, record = task.train(now.labelled, now.labels, now.cycle, watched, start=start)
        rows = [evaluation(task, model, now.cycle, now.labelled)] if state.index else []
    blobs = {"weights": model.state_dict()} if goes_on else {}
    if now.last and record is not None:
        blobs["record"] = record
    return Fitted(model, record, rows, blobs=blobs)


def step(
    run: Run,
    state: State,
    task_type: Callable,
    *,
    fit: Callable[[Now], Fitted] = plain,
    after: Callable[[Now, View, Any, Fitted], tuple[list[dict], dict]] | None = None,
    strategy=None,
    ranked: Callable[[Now], int] = lambda now: 0,
) -> Step:
    """One cycle of `run`: train on what is labelled, evaluate, choose what to ask next.

    fit: what is trained, `plain` or a study's own (pseudo-labels, joint losses, a detector that is fine-tuned).
    after(now, view, choice, fitted) -> rows and data of the state: what a study keeps once the choice is made; it may
    look at the labels of the pool, for figures. strategy: who asks, the run's method if left out. ranked(now): how many
    candidates `after` wants in the order of the strategy, beyond the batch.
    """
    parts = acquisition.parts(run.method, run.options.strategy)
    index, done = divmod(state.index, len(parts))  # parts of this cycle's choice that are done
    if len(parts) > 1:  # dropout is that of a choice in one step
        seed_globals(run, index)
    task = task_type(run, state)
    options, cycle = run.options, index + offset(run)
    if run.method == ALL:
        model, _ = task.train(range(task.size), task.labels(range(task.size), {}), cycle)
        return Step([evaluation(task, model, cycle, range(task.size))], done=True)
    if run.method == FIRST:
        return _first(task)
    if run.method == RETRAINED:
        return _retrained(run, state, task)
    strategy = strategy or run.carry or state.carry or acquisition.get(run.method)
    own, answers = _known(run, state, cycle)
    labelled = _positions(task, own)
    candidates = Pool(task.size, labelled).candidates(run.seed, cycle, options.subset)
    labels = task.labels(labelled, dict(zip(_positions(task, answers), answers.values())))
    now = Now(run, state, task, strategy, cycle, cycle == options.cycles, labelled, labels, candidates)
    fitted = _fitted(state, task) if done else fit(now)
    data = {"labelled": own} | ({"answers": list(answers.items())} if answers else {}) | fitted.data
    if now.last:
        return Step(fitted.rows, data, blobs=_kept(run, fitted), done=True)
    left = candidates if fitted.candidates is None else fitted.candidates
    view = View(task, fitted.model, cycle, left, labelled, labels, fitted.record, strategy.oracle)
    part = None
    if len(parts) > 1:
        part = acquisition.Part(*parts[done], state.blobs[GAME] if done else None)
    choice, row = choose(now, view, ranked(now), part)
    if isinstance(choice, dict):
        return Step(fitted.rows, data, blobs=_going_on(fitted, choice), timings=task.timings)
    rows = [*fitted.rows, {**row, "cycle": cycle}]
    if after:
        more, known = after(now, view, choice, fitted)
        rows, data = rows + more, data | known
    queries = task.rows[left[choice.rows.numpy()]].tolist()
    return Step(rows, data, queries, fitted.blobs, timings=task.timings)


def _kept(run: Run, fitted: Fitted) -> dict:
    """A finished run leaves its weights only where another may go on from them."""
    return fitted.blobs if run.options.start == "last" else {}


# what a choice in parts leaves to the next one, beside what a cycle does
GAME, MODEL, RECORD, LEFT = "choosing", "choosing_model", "choosing_record", "choosing_from"


def _going_on(fitted: Fitted, game: dict) -> dict:
    """The blobs of a step that ends within a choice: what `fit` gave, so that it is not done again, and the strategy's."""
    import torch

    blobs = {**fitted.blobs, GAME: game, MODEL: fitted.model.state_dict()}
    if fitted.record is not None:
        blobs[RECORD] = fitted.record
    if fitted.candidates is not None:
        blobs[LEFT] = {"rows": torch.as_tensor(fitted.candidates)}
    return blobs


def _fitted(state: State, task) -> Fitted:
    """What `fit` gave in the step in which the choice began."""
    own = {name: blob for name, blob in state.blobs.items() if name not in (GAME, MODEL, RECORD, LEFT)}
    left = state.blobs[LEFT]["rows"].numpy() if LEFT in state.blobs else None
    data = {name: value for name, value in state.data.items() if name not in ("labelled", "answers")}
    return Fitted(task.restore(state.blobs[MODEL]), state.blobs.get(RECORD), [], left, own, data)


def choose(now: Now, view: View, ranked: int = 0, part=None):
    """The strategy's choice, or what a `part` of it leaves, and its row of results; the seconds it took go to
    timings["choosing"]."""
    began = time.perf_counter()
    options = now.run.options
    rng = stream(now.run, now.strategy, now.cycle)
    choice = now.strategy.choose(view, options.budget, rng, ranked=ranked, part=part, **options.strategy)
    now.task.timings["choosing"] = time.perf_counter() - began
    if isinstance(choice, dict):
        return choice, {}
    return choice, {"kind": "choice", "asked": options.budget, "tied_share": choice.tied_share}


def offset(run: Run) -> int:
    """The cycle that the first step of `run` is: 0, or the last one of the run it goes on from."""
    return run.needs[BEFORE].options.cycles if BEFORE in run.needs else 0


def trainings(run: Run) -> int:
    """The cycles of a run, the first and the last one's training among them."""
    return 1 if run.method in (FIRST, ALL) else run.options.cycles + 1 - offset(run)


def steps(run: Run) -> int:
    """One a cycle, but a step for each part of a choice that takes several; nothing is chosen in the last cycle."""
    return (trainings(run) - 1) * len(acquisition.parts(run.method, run.options.strategy)) + 1


def _known(run: Run, state: State, cycle: int) -> tuple[list[int], dict[int, Any]]:
    """What is labelled, as the dataset numbers it, and the answers where a human gave them."""
    if cycle == 0:
        return state.needs[FIRST].data["labelled"], {}
    if state.index == 0:  # goes on from a run that asked nothing in its last cycle
        done = state.needs[BEFORE].data
        return done["labelled"], dict(done.get("answers", []))
    labelled, answers = state.data["labelled"] + state.queries, dict(state.data.get("answers", []))
    if state.answers is not None:
        answers |= dict(zip(state.queries, state.answers, strict=True))
    elif run.options.annotator != TRUTH and state.queries:
        raise BadRequest(f"{run} asks {run.options.annotator}: give `drive` an oracle that answers")
    return labelled, answers


def _positions(task, own) -> list[int]:
    """Samples as the dataset numbers them -> their positions in the pool."""
    import numpy

    found = numpy.searchsorted(task.rows, list(own)).clip(max=task.size - 1)
    if len(own) and (wrong := [i for i, at in zip(own, found) if task.rows[at] != i]):
        raise BadRequest(f"sample {wrong[0]} is not in the pool of {task.size}")
    return found.tolist()


def _first(task) -> Step:
    pool = initial_pool(task)
    labels = task.labels(pool.labelled, {})
    watched = pool.candidates(task.run.seed, 0) if task.recorded else None
    model, record = task.train(pool.labelled, labels, 0, watched)
    rows = [evaluation(task, model, 0, pool.labelled)]
    blobs = {"weights": model.state_dict()} | ({"record": record} if record is not None else {})
    return Step(rows, {"labelled": task.rows[pool.labelled].tolist()}, blobs=blobs, done=True, timings=task.timings)


def _retrained(run: Run, state: State, task) -> Step:
    o, cycle = run.options, state.index
    if run.carry:
        own, answers, sizes = run.carry["labelled"], {}, run.carry["batches"]
    else:
        chosen = state.needs["selection"].data
        own, answers = chosen["labelled"], dict(chosen.get("answers", []))
        sizes = [o.initial] + [o.budget] * o.cycles
    own = own[: sum(sizes[: cycle + 1])]
    labelled = _positions(task, own)
    labels = task.labels(labelled, dict(zip(_positions(task, answers), answers.values())))
    model, _ = task.train(labelled, labels, cycle)
    return Step([evaluation(task, model, cycle, labelled)], {"labelled": own}, done=cycle == o.cycles)
