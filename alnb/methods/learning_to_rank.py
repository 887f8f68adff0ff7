"""Learning to rank for active learning, L2R-AL (Li, Liu, van de Weijer and Raducanu, ICPR 2020), and LL4AL, which it is
measured by (Yoo and Kweon, Learning loss for active learning, CVPR 2019).

A small module learns to predict the target network's loss on a sample, and what it expects to lose most on is asked. Only the
order of the predictions matters, so it is trained for their ranks. Modules and their training are in
alnb/learning/loss_prediction.py, ranks and the sorter in alnb/learning/sorting.py, its pretraining in methods/sorter.py.

It asks of any task that has a loss a sample: which one a run is of, its dataset says (`tasks.by_kind`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alnb import acquisition, cycle, datasets, races, tasks
from alnb.acquisition import describe, score
from alnb.cycle import CycleSettings, Fitted, Now
from alnb.errors import BadRequest
from alnb.runs import Run, State, Step, Study, coerce, study
from alnb.tasks import classification, features, loss_prediction
from alnb.tasks.loss_prediction import OFFERS, FeatureLossPrediction, LossPrediction, WithModules

# --- the method ---------------------------------------------------------------------------------------------------------


def rk(losses):
    """(..., d) ranks of losses, 1 for the least to d for the largest: "the higher the loss is, the higher the rank"."""
    from alnb.learning.sorting import ranks

    return ranks(losses)


def r_s(rk_tg, rk_pre):
    """Spearman's correlation of two lists of ranks (..., d) without ties, -1 to 1. L2R-AL eq. 3."""
    d = rk_tg.shape[-1]
    return 1 - 6 * (rk_tg - rk_pre).square().sum(-1) / (d * (d**2 - 1))


def ranking_loss(l_tg, l_pre, f_sort):
    """(1/d) || rk(l_tg) / d - f_sort(l_pre) ||^2 of the target's losses and the predicted ones (..., d), with a gradient in
    l_pre alone. L2R-AL eq. 5-6.

    f_sort gives ranks over d, so (6) is this times d^2, and by (3) r_s = 1 - 6 d^2 loss / (d^2 - 1) where f_sort is exact.
    """
    d = l_tg.shape[-1]
    return (rk(l_tg.detach()) / d - f_sort(l_pre)).square().mean(-1)


@score("l2r", needs=("predicted_losses",), source="L2R-AL sec. III-E")
def l2r(view):
    """(U,) the predicted loss: its rank is not needed to find the largest."""
    return view.predicted_losses


# --- LL4AL, controls, the placebo, the ceiling ------------------------------------------------------------------------------


@score("ll4al", needs=("predicted_losses",), source="Yoo, Kweon, Learning loss for active learning, CVPR 2019")
def ll4al(view):
    """(U,) the loss predicted from all blocks, by pairs; its training changes the target (`joint`)."""
    return view.predicted_losses


@score("rank_all_features", needs=("predicted_losses",), source="L2R-AL Fig. 5")
def rank_all_features(view):
    """(U,) LL4AL's module trained as L2R-AL's."""
    return view.predicted_losses


@score("pairs_apart", needs=("predicted_losses",), source="control of L2R-AL eq. 6")
def pairs_apart(view):
    """(U,) LL4AL's module and its pairs, but trained apart from the target: pairs or lists, all else equal."""
    return view.predicted_losses


@score("l2r_exact", needs=("predicted_losses",), source="control of L2R-AL eq. 5")
def l2r_exact(view):
    """(U,) L2R-AL with pairwise sigmoids in the place of the sorter: is a trained network needed to rank 64 numbers?"""
    return view.predicted_losses


@score("l2r_permuted", needs=("predicted_losses",), source="placebo of L2R-AL eq. 6")
def l2r_permuted(view):
    """(U,) L2R-AL told the losses of other samples of the batch."""
    return view.predicted_losses


@score("true_loss", needs=("log_probabilities", "truth"), oracle=True, source="ceiling of L2R-AL sec. III-E")
def true_loss(view):
    """(U,) the loss itself: what a perfect module would ask."""
    return -view.log_probabilities.gather(1, view.truth[:, None]).squeeze(1)


@dataclass(frozen=True)
class Module:
    """blocks: "last" or "all"; told: of the losses "ranks" by the sorter, exact "soft_ranks", or their order in "pairs"."""

    blocks: str = "last"
    told: str = "ranks"
    permuted: bool = False


MODULES = {
    "l2r": Module(),
    "l2r_exact": Module(told="soft_ranks"),
    "l2r_permuted": Module(permuted=True),
    "rank_all_features": Module("all"),
    "pairs_apart": Module("all", "pairs"),
    "ll4al": Module("all", "pairs"),
}
APART = tuple(name for name in MODULES if name != "ll4al")  # the target never hears of them, so they share one training
SORTER = "sorter"


class Ranking(WithModules):
    """What a task of images is with the modules of an arm, whatever its network is trained for. The first training has
    every module of APART, where it needs a sorter; a joint one has LL4AL's; a later cycle has its arm's."""

    @functools.cached_property
    def modules(self) -> dict[str, str]:
        run = self.run
        if run.method in (cycle.ALL, cycle.RETRAINED):
            names = ()
        elif self.options.joint:
            names = ("ll4al",)
        elif run.method == cycle.FIRST:
            names = APART if SORTER in run.needs else ()
        elif run.method in MODULES:
            names = (run.method,)
        else:  # a strategy written in a notebook
            names = ("l2r",) * ("predicted_losses" in (run.carry or describe(run.method)).needs)
        return {name: MODULES[name].blocks for name in names}

    def __init__(self, run: Run, state: State | None = None):
        super().__init__(run, state)
        self.sorter = None
        if state is not None and SORTER in state.needs:
            from alnb.learning.sorting import frozen

            self.sorter = frozen(run.needs[SORTER].options, state.needs[SORTER].blobs["weights"], self.device)

    def criterion(self, cycle: int, member: int):
        """The sum over the modules of what each is told of the batch."""
        import torch

        from alnb.learning.loss_prediction import pair_loss
        from alnb.learning.sorting import soft_ranks

        margin, dealt = self.options.margin, self._stream("placebo", cycle, member)

        def told(predicted, losses):
            total, listed = 0.0, []
            for name, l_pre in predicted.items():
                module, l_tg = MODULES[name], losses
                if module.permuted:
                    l_tg = losses[torch.randperm(len(losses), generator=dealt).to(losses.device)]
                if module.told == "pairs":
                    total = total + pair_loss(l_pre, l_tg, margin)
                elif module.told == "soft_ranks":
                    total = total + ranking_loss(l_tg, l_pre, soft_ranks)
                else:
                    listed.append((l_tg, l_pre))
            if listed:  # the sorter reads all lists at once
                total = total + ranking_loss(*map(torch.stack, zip(*listed)), self.sorter).sum()
            return total

        return told


class Ranked(Ranking, LossPrediction):
    """Classification, see tasks.Task."""


class RankedFeatures(Ranking, FeatureLossPrediction):
    """Classification of frozen features, see tasks.Task."""


BEYOND = {kind: module for kind, module in tasks.by_kind().items() if kind != classification.KIND}


def kind_of(dataset: str) -> str:
    """What a dataset is for; one that is not known here any more was of classes."""
    try:
        return datasets.info(dataset).task
    except BadRequest:
        return classification.KIND


@functools.cache
def task_of(kind: str) -> type:
    """The Task of a kind of data, with modules."""
    if kind not in BEYOND:
        return Ranked
    plain = BEYOND[kind].TASK
    return type(f"Ranked{plain.__name__}", (Ranking, plain), {"offers": plain.offers | OFFERS, "__doc__": plain.__doc__})


# --- Fig. 2: why ranks ----------------------------------------------------------------------------------------------------


def two_systems(samples: int = 5, seed: int = 2) -> dict:
    """L2R-AL's Fig. 2, computed: true losses, and predictions of a system 1, right but for the order of the two largest, which
    it sees close together, and of a system 2, a third of the truth. {"ground truth": (d,), "system 1", "system 2"} arrays."""
    from alnb.runs import numpy_stream

    true = numpy_stream(seed, "two systems").lognormal(0.0, 0.6, samples).round(2)
    first, second = (int(i) for i in (-true).argsort()[:2])
    middle = (true[first] + true[second]) / 2
    one = true.copy()
    one[first], one[second] = middle - 0.05, middle + 0.05
    return {"ground truth": true, "system 1": one, "system 2": true / 3}


# --- what Fig. 5 looks at: how well a signal ranks the true losses -----------------------------------------------------------


def fit(now: Now) -> Fitted:
    """`cycle.plain`, and a row of kind "ranking" where an arm asks by a module; at cycle 0 also what its sorter can do."""
    fitted = cycle.plain(now)
    if fitted.model is None or not now.task.modules or (now.run.options.joint and now.run.method not in MODULES):
        return fitted
    fitted.rows += rankings(now, fitted.model)
    if now.cycle == 0 and now.task.sorter is not None:
        needed = now.state.needs[SORTER].rows
        fitted.rows += [row | {"cycle": 0} for row in needed if row["kind"] == "sorter"]
    return fitted


def rankings(now: Now, model) -> list[dict]:
    """A row of kind "ranking": Spearman's correlation of the predicted with the true loss on the test set (Fig. 5),
    and of the `budget` candidates of most true loss the share that the module would ask, `overlap`; both also of the
    signals that need no module (`judged`); over_p_max, over_count: how much more `spearman` is than that of -log p_max, or
    of the predicted count. Of a module with a sorter, `error`: how far off, as a share of a list, its ranks of real
    predictions are. True labels are looked at for figures only. Of L2R-AL at cycle 0 also `examples`."""
    from alnb.learning.sorting import lists, soft_ranks, sorter_error
    from alnb.metrics.ranking import correlation, top_overlap

    task, o, row = now.task, now.run.options, {"kind": "ranking", "cycle": now.cycle, "labelled": len(now.labelled)}
    (name,) = task.modules
    seen = {}
    for where, samples in {"test": None, "pool": now.candidates}.items():
        free, true = task.judged(model, samples)
        seen[where] = {"": task.predicted_losses(model, task.given(samples))[name].cpu(), **free}, true
    asked = min(o.budget, len(now.candidates))
    for end in seen["test"][0]:
        row["spearman" + end] = correlation(seen["test"][0][end], seen["test"][1])
        row["overlap" + end] = top_overlap(seen["pool"][0][end], seen["pool"][1], asked)
    for free in ("_p_max", "_count"):  # the rival that needs no module
        if free in seen["test"][0]:
            row["over" + free] = row["spearman"] - row["spearman" + free]
    if MODULES[name].told == "ranks":
        listed = lists(seen["test"][0][""], o.batch).to(task.device)
        row |= {"error": sorter_error(task.sorter, listed), "error_exact": sorter_error(soft_ranks, listed)}
    pooled, true = seen["pool"][0][""], seen["pool"][1]
    return [row, *(examples(now, pooled, true) if name == "l2r" and now.cycle == 0 else [])]


def examples(now: Now, predicted, true, count: int = 6) -> list[dict]:
    """Rows of kind "example": the candidates of most and of least predicted loss, with the true one and its rank."""
    order, place = predicted.argsort(descending=True, stable=True), rk(true)
    ends = {"most": order[:count], "least": order.flip(0)[:count]}
    own = now.task.rows[now.candidates]
    return [
        {"kind": "example", "cycle": now.cycle, "end": end, "place": i, "sample": int(own[row]), "loss": float(true[row]),
         "rank": int(place[row]), "candidates": len(own)}
        for end, rows in ends.items() for i, row in enumerate(rows.tolist())
    ]  # fmt: skip


# --- the study ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings(
    CycleSettings, loss_prediction.Settings, features.Settings, *(module.Settings for module in BEYOND.values())
):  # fmt: skip
    """Those of the cycle, of classification, of images or of frozen features, of the modules, and of each task beyond."""


def step(run: Run, state: State) -> Step:
    task = RankedFeatures if features.is_features(run.options) else task_of(kind_of(run.dataset))
    return cycle.step(run, state, task, fit=fit)


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core; a step of the sorter: measured."""
    o, of = run.options, BEYOND.get(kind_of(run.dataset), classification)
    seconds_of = features.seconds if features.is_features(o) else of.seconds
    if run.method == cycle.ALL:
        return seconds_of(run, [of.pool_size(run)], 0)
    sizes = [o.initial] if run.method == cycle.FIRST else [
        o.initial + o.budget * c for c in range(o.cycles + 2 - cycle.trainings(run), o.cycles + 1)
    ]  # fmt: skip
    taken = seconds_of(run, sizes, 0)
    if SORTER in run.needs:
        each = study(SORTER).seconds(run.needs[SORTER]) / (lists := run.needs[SORTER].options).epochs / lists.lists
        taken += 6 * each * o.epochs * sum(sizes) / o.batch  # a list alone takes longer than one among many
    return taken


def check(run: Run) -> None:
    """BadRequest for a recipe or sizes that cannot be."""
    o, kind = run.options, kind_of(run.dataset)
    if kind in BEYOND:
        BEYOND[kind].check(o, run.dataset)
        loss_prediction.check_modules(o)
    else:
        features.check(run)
        loss_prediction.check(o)
    if features.is_features(o):
        _check_features(run, kind)
    races.check_cycles(run, BEYOND.get(kind, classification).pool_size(run))
    if o.joint and SORTER in run.needs:
        raise BadRequest(f"joint = {o.joint}: only ll4al and random_joint change the target")


def _check_features(run: Run, kind: str) -> None:
    """BadRequest for what has no sense beside a head on frozen features."""
    if kind in BEYOND:
        raise BadRequest(f"task = 'features': {run.dataset} is not of classes")
    if run.options.head == "svm":
        raise BadRequest("head = 'svm': modules are trained beside a network, step by step; head = 'sgd' has steps")
    if run.options.joint:
        raise BadRequest(f"joint = {run.options.joint}: frozen features learn nothing from it; pairs_apart is LL4AL's module there")


def network(run: Run) -> str:
    return features.network(run.options) if features.is_features(run.options) else run.options.network


JOINT = ("ll4al", "random_joint")
# how LL4AL's module is trained: in L2R-AL's comparison as L2R-AL's own, and in its own paper
PRESETS = {"l2r": "", "yoo": "target"}


def arm(
    first: str, name: str, options: Mapping[str, Any], dataset: str, seed: int, settings: Mapping[str, Any]
) -> list[Run] | None:  # fmt: skip
    """The runs of `ll4al` or `random_joint` (Random, the target trained by LL4AL's joint loss) on one seed; None for another
    arm (`races.Special`, once `first` is given). For the races of any study that classifies images:

        special = functools.partial(study("learning_to_rank").arm, STUDY.name)

    options: preset ("l2r": as the race's other modules, Adam unless it says otherwise; "yoo": SGD as the target), joint
    (share of the epochs, 0.6), retrain (default: True for ll4al: the plain target of the study `first` on what it asked),
    and settings of this study. settings: those of the race; what this study does not know is left out.
    """
    if name not in JOINT:
        return None
    options = dict(options)
    retrain = coerce(options.pop("retrain", name == "ll4al"), bool, f"{name}: retrain")
    text = acquisition.write_arm(name, options)
    preset = options.pop("preset", "l2r")
    if preset not in PRESETS:
        raise BadRequest(f"{text}: preset {preset!r}; accepted: {', '.join(map(repr, PRESETS))}")
    for common in races.COMMON:
        if common in options:
            raise BadRequest(f"{text}: {common} is no option of an arm; arms of one race have it in common")
    own = {n: v for n, v in settings.items() if n in STUDY.types}
    made = own | {"joint": 0.6, "module_optimiser": PRESETS[preset] or own.get("module_optimiser", "adam")} | options
    if not made["joint"]:
        raise BadRequest(f"{text}: joint = 0 is pairs_apart; accepted: a share of the epochs above 0")
    plain = races.method_run(STUDY.name, dataset, "random" if name == "random_joint" else name, seed, made)
    label = text if text != name else "random_joint" * (name == "random_joint")
    one = Run(plain.study, dataset, plain.method, seed, plain.settings, plain.needs, arm=label)
    return [one] + [races.retrained_run(one, first, settings=settings)] * retrain


STUDY = Study(
    "learning_to_rank", 1, step, Settings, cycle.steps, seconds,
    lambda dataset: task_of(kind_of(dataset)).metrics(dataset), lambda dataset: task_of(kind_of(dataset)).offers, check, network,
    arm=arm, prepare=features.prepare,
)  # fmt: skip


def grid(
    few: Mapping[str, Any],
    null: Mapping[str, Any] = {},
    sorter: str = "small",
    lengths: Sequence[int] = (),
    **shared,
) -> list[Run]:
    """Every run of the notebook (see alnb/races.py): `few` classes (CIFAR-10, or its stand-in), `null`, the world without
    the mechanism, and a race for each further dict among `shared`, of any task.

    sorter: a preset of alnb/methods/sorter.py for the arms of MODULES, of lists as long as a batch; lengths: sorters to be
    looked at beside. shared: settings of the cycle and of the task; a race of another task than classification takes none of
    them. Raises BadRequest for what cannot be.
    """
    study(SORTER).arm(sorter)  # an unknown preset is refused whatever arms there are
    given = {"few": few, "null": null} | {name: race for name, race in shared.items() if isinstance(race, Mapping)}
    shared = {name: value for name, value in shared.items() if name not in given}
    for where, given_there in {"": shared, **given}.items():
        if "joint" in given_there:
            raise BadRequest(f"{where}: joint is for ll4al and random_joint alone: ll4al(joint=0.6)".lstrip(": "))

    def special(name, options, dataset, seed, settings):
        if made := arm(STUDY.name, name, options, dataset, seed, settings):
            return made
        if name in (cycle.ALL, "random_joint") or "predicted_losses" not in describe(name).needs:
            return None
        values = settings | {n: v for n, v in options.items() if n in STUDY.types}
        (needed,) = study(SORTER).arm(sorter, values.get("batch", Settings.batch))
        return [
            races.method_run(
                STUDY.name, dataset, acquisition.write_arm(name, options), seed, settings, {SORTER: needed}
            )
        ]

    for name in given:
        race = races.resolved(name, given)
        if race.get("task") == "features":
            given[name] = features.race(race)
        elif race.get("dataset") and kind_of(race["dataset"]) in BEYOND:
            given[name] = {n: STUDY.defaults[n] for n in shared if n in STUDY.defaults} | race
    made = races.grid(STUDY.name, given, shared, special)
    return [run for length in dict.fromkeys(lengths) for run in study(SORTER).arm(sorter, length)] + made
