"""The pool-based active-learning cycle: train, evaluate, choose, ask; again.

One step of a run is one cycle. `Pool` owns what is labelled, the `View` is all a strategy may look at, the task
(alnb/tasks) brings data, network and metric. Between steps the driver asks the `Oracle`.

The first training of a seed is the same for every method, so it is a run of its own (`first_run`): it leaves its
weights and what every epoch predicted for the pool, and each method's first step chooses from them.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from alnb import acquisition
from alnb.errors import BadRequest
from alnb.runs import Run, Scalar, State, Step, canonical, coerce, numpy_stream, study, torch_stream

FIRST = "cycle_0"
ALL = "all_data"
RETRAINED = "retrained"
BEFORE = "before"
SIZES = ("pool", "initial", "budget", "cycles", "initial_pool")
RECORDED = {"predictions", "counts", "mean_confidence"}  # what training must record, epoch by epoch


@dataclass(frozen=True)
class CycleSettings:
    """Sizes count samples. pool 0: the whole training set; subset 0: every unlabelled sample is a candidate.
    strategy: the options of the strategy, where they are not its defaults. selection: SHA-256 of the published
    selection that is retrained."""

    pool: int = 0
    initial: int = 5000
    budget: int = 2500
    cycles: int = 4
    subset: int = 0
    initial_pool: Literal["per_seed", "once"] = "per_seed"
    annotator: Literal["truth", "asked"] = "truth"
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
    def initial(cls, size: int, count: int, seed: int, once: bool) -> Pool:
        """`count` samples at random: `once` draws the same ones for every seed (the thesis), else one draw per seed."""
        if not 0 < count <= size:
            raise BadRequest(f"initial = {count}: expected 1 to {size}, the size of the pool")
        rng = numpy_stream(0 if once else seed, "initial pool")
        return cls(size, rng.choice(size, count, replace=False).tolist())

    def candidates(self, seed: int, cycle: int, subset: int = 0):
        """(U,) indices of unlabelled samples in the random order of (seed, cycle), the first `subset` of them.

        The order ranks every sample of the pool before the labelled are left out, so it is the same for all methods
        of a seed: subsets, Random and ties are paired.
        """
        order = numpy_stream(seed, "candidates", cycle).permutation(self.size)
        unlabelled = order[~self.mask[order]]
        return unlabelled[:subset] if subset else unlabelled


class Oracle:
    """Answers queries and counts them. Without `ask` the dataset's own labels answer (None stands for them);
    ask(run, queries) -> one answer per query, in order."""

    def __init__(self, ask: Callable[[Run, list], list] | None = None):
        self.ask, self.asked = ask, 0

    def __call__(self, run: Run, queries: list) -> list | None:
        self.asked += len(queries)
        if self.ask is None:
            return None
        answers = list(self.ask(run, queries))
        if len(answers) != len(queries):
            raise BadRequest(f"{run}: {len(queries)} queries got {len(answers)} answers")
        return answers


class View:
    """What a strategy may look at: the candidates of one cycle, fp32 tensors on `device`, computed once when asked for.

    Rows index the candidates, which stand in the shared random order. See `acquisition.FIELDS` for shapes.
    """

    def __init__(self, task, model, cycle: int, candidates, labelled, labels, record, oracle: bool):
        import torch

        self._task, self._model, self._cycle, self._candidates = task, model, cycle, candidates
        self._labelled, self._labels, self._record, self._oracle = labelled, labels, record, oracle
        self.size, self.classes, self.device = len(candidates), task.classes, task.device
        self._committees: dict[int, Any] = {}
        self.priority = torch.arange(self.size, device=self.device)
        self.labelled_targets = torch.as_tensor(labels, device=self.device)

    @functools.cached_property
    def _outputs(self):
        return self._task.infer(self._model, self._candidates, self._cycle)

    @functools.cached_property
    def log_probabilities(self):
        return self._outputs[0].float().log_softmax(1)

    @functools.cached_property
    def probabilities(self):
        return self._outputs[0].float().softmax(1)

    @property
    def embeddings(self):
        return self._outputs[1]

    @functools.cached_property
    def labelled_embeddings(self):
        return self._task.infer(self._model, self._labelled, self._cycle)[1]

    @property
    def samples(self):
        """(U,) the candidates' indices in the pool: for figures; a strategy's rows index the candidates."""
        return self._candidates

    @property
    def images(self):
        return self._task.images[self._candidates]

    @property
    def labelled_images(self):
        return self._task.images[self._labelled]

    def dropout_probabilities(self, passes: int):
        """(passes, U, C): as if `passes` networks looked, each with one dropout mask for all candidates."""
        logits = self._task.infer_dropout(self._model, self._candidates, self._cycle, passes)
        return logits.float().softmax(2)

    def committee(self, members: int):
        """(members, U) classes: the network itself, then others trained alike from other random streams."""
        if members not in self._committees:
            about = self._labelled, self._labels, self._candidates, self._cycle
            self._committees[members] = self._task.committee(self._model, members, *about)
        return self._committees[members]

    def _recorded(self, name):
        if self._record is None:
            raise BadRequest(f"nothing was recorded in training: declare needs=({name!r},) with the strategy")
        rows = self._record["rows"]
        return self._record[name][..., rows[self._candidates]].to(self.device)

    @functools.cached_property
    def predictions(self):
        return self._recorded("predictions")

    @functools.cached_property
    def mean_confidence(self):
        return self._recorded("mean_confidence")

    @functools.cached_property
    def counts(self):
        return count_predictions(self.predictions, self.classes)

    @property
    def truth(self):
        if not self._oracle:
            raise PermissionError("only a strategy marked oracle=True may see the labels of the pool")
        return self._task.targets[self._candidates]


def count_predictions(predictions, classes: int):
    """(T, U) classes predicted after each epoch -> (U, C) int64: how often each class was."""
    import torch

    predictions = predictions.long()
    counts = torch.zeros(predictions.shape[1], classes, dtype=torch.long, device=predictions.device)
    return counts.scatter_add_(1, predictions.T, torch.ones_like(predictions.T))


# --- the runs of a grid -------------------------------------------------------------------------------------------------


def first_run(run_study: str, dataset: str, seed: int, settings: Mapping[str, Any]) -> Run:
    """The training every method of a seed starts from; what only later cycles use is not in its key."""
    later = ("budget", "cycles", "subset", "annotator", "strategy", "selection")
    return Run(run_study, dataset, FIRST, seed, {n: v for n, v in settings.items() if n not in later})


def all_data_run(run_study: str, dataset: str, seed: int, settings: Mapping[str, Any]) -> Run:
    """The same recipe on every label of the pool: what relative performance is relative to."""
    cyclic = ("initial", "budget", "cycles", "subset", "annotator", "initial_pool", "strategy", "selection")
    return Run(run_study, dataset, ALL, seed, {n: v for n, v in settings.items() if n not in cyclic})


def method_run(run_study: str, dataset: str, arm: str, seed: int, settings: Mapping[str, Any]) -> Run:
    """The cycles of one arm, from the shared first training on.

    An arm is a strategy with options of its own, or of the run: `bald(passes=20, dropout=0.5)`, `random(subset=500)`.
    BadRequest for a strategy nobody has, and for options neither it nor the study knows.
    """
    method, options = acquisition.parse_arm(arm)
    about = acquisition.describe(method)
    carry = acquisition.get(method) if "@" in about.name else None  # written in a notebook cell: travels by value
    for name in ("strategy", "selection", "annotator", *SIZES):
        if name in options:
            raise BadRequest(f"{arm}: {name} is no option of an arm; arms of one race have it in common")
    own = {name: value for name, value in options.items() if name in about.parameters}
    own = {name: coerce(value, type(about.parameters[name]), f"{method}: {name}") for name, value in own.items()}
    settings = {**settings, **{name: value for name, value in options.items() if name not in own}}
    if changed := {name: value for name, value in own.items() if value != about.parameters[name]}:
        settings["strategy"] = changed
    try:
        needs = {FIRST: first_run(run_study, dataset, seed, settings)}
        run = Run(run_study, dataset, about.name, seed, settings, needs, carry, arm if options else "")
    except BadRequest as error:
        raise BadRequest(f"{arm}: {error}" if options else str(error)) from None
    if "dropout_probabilities" in about.needs and not getattr(run.options, "dropout", 1):
        raise BadRequest(f"{arm} wants a network trained with dropout: {method}(dropout=0.5)")
    return run


def further_run(before: Run, cycles: int) -> Run:
    """`cycles` more cycles of a finished run, its rows joining on: how many labels Random needs to catch up."""
    settings = {**before.settings, "cycles": before.options.cycles + cycles}
    return Run(
        before.study, before.dataset, before.method, before.seed, settings, {BEFORE: before}, before.carry, before.arm
    )


def retrained_run(source: Run, study_name: str = "") -> Run:
    """The plain network of a study (default: the source's), trained from scratch on what `source` chose: whether a
    method that changes the training also chose better."""
    name = study_name or source.study
    settings = {
        n: v for n, v in source.settings.items() if n in study(name).types and n not in ("strategy", "selection")
    }
    arm = f"{source.arm or source.method} retrained"
    return Run(name, source.dataset, RETRAINED, source.seed, settings, {"selection": source}, arm=arm)


def retrained_selections(study_name: str, selections: Iterable[Mapping], values: Mapping[str, Any]) -> list[Run]:
    """Runs that train a network on published selections (see records.selections), whatever network chose them.

    values: parameters of a notebook; those that are settings of the study say how to train, sizes come from the
    selection. BadRequest for a selection that does not fit its dataset.
    """
    from alnb import datasets

    known, runs = study(study_name).types, []
    for one in selections:
        labelled, sizes = list(one["labelled"]), list(one["batches"])
        whole = datasets.info(one["dataset"]).train
        size = min(one["pool"] or whole, whole)
        sound = all(isinstance(n, int) for n in (*labelled, *sizes)) and all(n > 0 for n in sizes) and len(sizes) > 0
        sound = sound and sum(sizes) == len(labelled) == len(set(labelled)) and all(0 <= i < size for i in labelled)
        if not sound:
            raise BadRequest(
                f"selection {one['method']} seed {one['seed']} on {one['dataset']}: {len(labelled)} samples in batches "
                f"of {sizes}; expected distinct samples of the pool of {size}, and batches that add up"
            )
        settings = {n: v for n, v in values.items() if n in known} | {"pool": one["pool"], "cycles": len(sizes) - 1}
        settings |= {"initial": sizes[0], "budget": max(sizes[1:], default=1)}
        settings["selection"] = hashlib.sha256(canonical([labelled, sizes])).hexdigest()
        carry = {"labelled": labelled, "batches": sizes}
        arm = f"{one['method']} retrained"
        runs.append(Run(study_name, one["dataset"], RETRAINED, one["seed"], settings, carry=carry, arm=arm))
    return runs


def check_sizes(settings: CycleSettings, pool: int) -> None:
    """BadRequest if the cycles ask for more labels than the pool of `pool` samples holds, or sizes make no sense."""
    for name, least in (("pool", 0), ("initial", 1), ("budget", 1), ("cycles", 0), ("subset", 0)):
        if getattr(settings, name) < least:
            raise BadRequest(f"{name} = {getattr(settings, name)}: expected at least {least}")
    size = settings.pool or pool
    if size > pool:
        raise BadRequest(f"pool = {size}: the dataset has {pool} training samples")
    if (asked := settings.initial + settings.budget * settings.cycles) > size:
        raise BadRequest(
            f"initial {settings.initial} + {settings.cycles} x budget {settings.budget} = {asked} labels: "
            f"more than the pool's {size}"
        )
    if 0 < settings.subset < settings.budget:
        raise BadRequest(f"subset = {settings.subset}: smaller than the budget of {settings.budget}")


def steps(run: Run) -> int:
    return 1 if run.method in (FIRST, ALL) else run.options.cycles + 1 - _offset(run)


def _offset(run: Run) -> int:
    """The cycle that the first step of `run` is: 0, or the last one of the run it goes on from."""
    return run.needs[BEFORE].options.cycles if BEFORE in run.needs else 0


# --- one step -------------------------------------------------------------------------------------------------------------


def step(run: Run, state: State, task_type, analyse: Callable | None = None) -> Step:
    """One cycle of `run`: train on what is labelled, evaluate, choose what to ask next.

    `analyse(view, truth, run, cycle) -> rows` may look at the labels of the pool, for figures, after the choice.
    """
    task = task_type(run)
    options, cycle = run.options, state.index + _offset(run)
    if run.method == ALL:
        model, _ = task.train(range(task.size), task.targets, cycle, None)
        return Step([_accuracy(task, model, cycle, task.size)], done=True)
    if run.method == FIRST:
        return _first(run, task)
    if run.method == RETRAINED:
        return _retrained(run, state, task)
    strategy = run.carry or state.carry or acquisition.get(run.method)
    if cycle == 0:
        start = state.needs[FIRST]
        labelled, answers = start.data["labelled"], {}
        model, record = task.restore(start.blobs["weights"]), start.blobs["record"]
        rows = [row for row in start.rows if row["kind"] == "accuracy"]
    elif state.index == 0:  # goes on from a run that asked nothing in its last cycle
        done = state.needs[BEFORE].data
        labelled, answers = done["labelled"], dict(done.get("answers", []))
    else:
        labelled, answers = state.data["labelled"] + state.queries, dict(state.data.get("answers", []))
        if state.answers is not None:
            answers |= dict(zip(state.queries, state.answers, strict=True))
        elif options.annotator == "asked":
            raise BadRequest(f"{run} asks a human: give `drive` an oracle that answers")
    pool = Pool(task.size, labelled)
    candidates = pool.candidates(run.seed, cycle, options.subset)
    labels = task.labels(labelled, answers)
    last = cycle == options.cycles
    if cycle > 0:
        wanted = not last and RECORDED & set(strategy.needs)
        model, record, rows = None, None, []
        if state.index or strategy.needs:
            model, record = task.train(labelled, labels, cycle, candidates if wanted else None)
        if state.index:
            rows = [_accuracy(task, model, cycle, len(labelled))]
    data = {"labelled": labelled} | ({"answers": list(answers.items())} if answers else {})
    if last:
        return Step(rows, data, done=True)
    view = View(task, model, cycle, candidates, labelled, labels, record, strategy.oracle)
    stream = torch_stream(run.seed, f"strategy {strategy.name}", cycle)
    choice, row = choose(strategy, view, options.budget, stream, task.timings, **options.strategy)
    rows.append({**row, "cycle": cycle})
    if analyse:
        rows += analyse(view, task.targets[candidates], run, cycle, strategy)
    return Step(rows, data, [int(candidates[row]) for row in choice.rows], timings=task.timings)


def choose(strategy, view: View, budget: int, rng, timings: dict[str, float], **parameters):
    """The strategy's choice and its row of results; the seconds it took go to timings["choosing"]."""
    began = time.perf_counter()
    choice = strategy.choose(view, budget, rng, **parameters)
    timings["choosing"] = time.perf_counter() - began
    return choice, {"kind": "choice", "asked": budget, "tied_share": choice.tied_share}


def _first(run: Run, task) -> Step:
    options = run.options
    pool = Pool.initial(task.size, options.initial, run.seed, options.initial_pool == "once")
    candidates = pool.candidates(run.seed, 0)
    model, record = task.train(pool.labelled, task.labels(pool.labelled, {}), 0, candidates)
    rows = [_accuracy(task, model, 0, len(pool.labelled))]
    blobs = {"weights": model.state_dict(), "record": record}
    return Step(rows, {"labelled": pool.labelled}, blobs=blobs, done=True, timings=task.timings)


def _retrained(run: Run, state: State, task) -> Step:
    o, cycle = run.options, state.index
    if run.carry:
        labelled, answers, sizes = run.carry["labelled"], {}, run.carry["batches"]
    else:
        chosen = state.needs["selection"].data
        labelled, answers = chosen["labelled"], dict(chosen.get("answers", []))
        sizes = [o.initial] + [o.budget] * o.cycles
    labelled = labelled[: sum(sizes[: cycle + 1])]
    model, _ = task.train(labelled, task.labels(labelled, answers), cycle)
    return Step([_accuracy(task, model, cycle, len(labelled))], {"labelled": labelled}, done=cycle == o.cycles)


def _accuracy(task, model, cycle: int, labelled: int) -> dict:
    return {"kind": "accuracy", "cycle": cycle, "labelled": labelled, **task.evaluate(model)}
