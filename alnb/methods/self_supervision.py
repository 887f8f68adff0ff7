"""Self-supervised pre-training meets active learning (thesis ch. 5; Zolfaghari Bengar et al., ICCV workshops 2021).

A network is pre-trained on the whole pool without a label (alnb/methods/simsiam.py), frozen, and a linear head learns from
the few labels there are; active learning chooses them. The question is at which budget choosing pays, and what it pays
beside the pre-training itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from alnb import acquisition, cycle, datasets, published, races
from alnb.acquisition import describe, score
from alnb.cycle import ALL, CycleSettings
from alnb.errors import BadRequest
from alnb.runs import Run, State, Step, Study, coerce, study
from alnb.statistics import BASELINES
from alnb.tasks import classification, features, pool
from alnb.tasks.classes import DECISIONS, Classes

# --- the chapter's own strategy ---------------------------------------------------------------------------------------------


@score("svm_min_margin", needs=("decisions",), source="Tong, Koller 2001; thesis 5.4, SVM Min Margin")
def svm_min_margin(view):
    """(U,) minus the least |f_c(x)| over the classes c: asked first is what lies nearest to a decision boundary, of whichever
    class against the rest."""
    return -view.decisions.abs().amin(1)


# --- from which budget on active learning pays: Fig. 5.6 ---------------------------------------------------------------------


def crossing(budgets: Sequence[float], gains: Sequence[float]) -> float:
    """The budget above which active learning gains: where the gains, straight lines between budgets on a log scale, are last
    not above 0. 0.0: they are above 0 from the smallest budget on; inf: not even at the largest.

    budgets: ascending. BadRequest for others, or fewer than two.
    """
    ascending = all(a < b for a, b in pairwise(budgets)) and all(b > 0 for b in budgets)
    if len(budgets) != len(gains) or len(budgets) < 2 or not ascending:
        raise BadRequest(
            f"budgets {list(budgets)} and {len(gains)} gains: expected as many of both, two at least, ascending"
        )
    below = [i for i, gain in enumerate(gains) if not gain > 0]
    if not below:
        return 0.0
    if (last := below[-1]) == len(gains) - 1:
        return math.inf
    share = -gains[last] / (gains[last + 1] - gains[last])
    return budgets[last] * (budgets[last + 1] / budgets[last]) ** share


def thresholds(gains):
    """The crossing of each dataset and arm, from a frame with `dataset, classes, method, per_class, gain, low, high`, a row a
    budget: columns dataset, classes, method, budget, low, high (labels a class).

    low, high: where the upper and the lower end of the gains' 95 % t intervals are last not above 0. So above `high` every
    budget gains, each taken by itself, and from `low` to `high` not all of them do for certain; below `low`, where gains
    rise and fall, there may be budgets of either kind. NaN where a budget has no interval (one seed).
    """
    import pandas

    found = []
    for (dataset, classes, method), part in gains.groupby(["dataset", "classes", "method"], sort=False):
        part = part.sort_values("per_class")
        if len(part) < 2:
            continue
        at = [math.nan if part[name].isna().any() else crossing(list(part["per_class"]), list(part[name]))
              for name in ("gain", "high", "low")]  # fmt: skip
        found.append((dataset, classes, method, *at))
    return pandas.DataFrame(found, columns=["dataset", "classes", "method", "budget", "low", "high"])


def correlation(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Pearson's r and the two-sided p of no correlation, by Student's t with n - 2 degrees of freedom; NaN for p under three
    points, for both where one does not vary."""
    from scipy.stats import pearsonr

    if len(x) < 2 or len(set(x)) < 2 or len(set(y)) < 2:
        return math.nan, math.nan
    r, p = pearsonr(x, y)
    return float(r), float(p) if len(x) > 2 else math.nan


# --- the study --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings(CycleSettings, features.Settings):
    """Those of the cycle and of classification by features or images. As they stand: the chapter's linear head (lr 30, cosine,
    100 epochs, weight decay 0, batch 256) on features that are not standardised, of the SimSiam encoder that is needed;
    first labels balanced. svm_c: 5, as printed."""

    task: Literal["images", "features"] = "features"
    encoder: str = "run"
    px: int = 0
    standardise: bool = False
    initial_labels: str = "balanced"
    batch: int = 256
    lr: float = 30.0
    weight_decay: float = 0.0
    schedule: Literal["step", "cosine"] = "cosine"


def step(run: Run, state: State) -> Step:
    """One cycle: a head on frozen features, or, from scratch, the whole network."""
    return cycle.step(run, state, features.task_of(run.options))


HEAD = 0.03, 0.0002, 0.002  # one core, narrow features: a training; a step; an epoch of 1,000 samples


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core."""
    o, size = run.options, _size(run)
    take = _narrow if features.is_features(o) and o.encoder in (Settings.encoder, "given") else features.seconds
    take = take if features.is_features(o) else classification.seconds
    if run.method == ALL:
        return take(run, [size], 0)
    if run.method == cycle.FIRST:
        return take(run, [o.initial], size - o.initial)
    sizes = [o.initial + o.budget * c for c in range(o.cycles + 2 - cycle.trainings(run), o.cycles + 1)]
    recorded = run.method != cycle.RETRAINED and Classes.recorded & set(describe(run.method).needs)
    return take(run, sizes, sum(size - one for one in sizes[:-1]) if recorded else 0)


def _narrow(run: Run, labelled: Sequence[int], recorded: int) -> float:
    """`tasks.features.seconds` where features are a tenth as many as an ImageNet network's."""
    a_head, a_step, a_thousand = HEAD
    epochs = sum(-(-n // run.options.batch) * a_step + n / 1000 * a_thousand for n in labelled)
    return a_head * len(labelled) + run.options.epochs * epochs + features.seconds(run, [], recorded) / 10


def _size(run: Run) -> int:
    about = datasets.info(run.dataset)
    return pool.expected_size(run.options, about.train, about.classes)


def check(run: Run) -> None:
    """BadRequest for a recipe or sizes that cannot be, and for arms whose head or dataset has not what they look at."""
    features.check(run)
    races.check_cycles(run, _size(run))
    o = run.options
    if run.method not in acquisition.catalogue():
        return
    needs = set(describe(run.method).needs)
    if needs & set(DECISIONS) and not (features.is_features(o) and o.head == "svm"):
        raise BadRequest(f"{run.method} needs the decisions of an SVM: task = 'features', head = 'svm'")
    if "images" in needs and not datasets.info(run.dataset).images:
        raise BadRequest(f"{run.method} looks at images: {run.dataset} holds features")


def network(run: Run) -> str:
    """What is trained, in words."""
    if not features.is_features(run.options):
        return run.options.network
    if features.ENCODER not in run.needs:
        return features.network(run.options)
    head = "linear head" if run.options.head == "sgd" else "linear SVM"
    return f"{head} on SimSiam, {run.needs[features.ENCODER].options.network}"


STUDY = Study(
    "self_supervision", 1, step, Settings, cycle.steps, seconds, Classes.metrics,
    lambda dataset: {**Classes.offers, **DECISIONS}, check, network, prepare=features.prepare,
)  # fmt: skip

# --- the grid ---------------------------------------------------------------------------------------------------------------

SMALL_BUDGET = "1%"  # the least budget that all datasets of the chapter have
RUN = ["race", "dataset", "world", "method", "seed"]
FAMILIES = ("few", "svm", "scratch", "many", "many_svm", "many_scratch")
OWN_WORDS = ("budgets", "datasets", "per_class")


def grid(
    pretraining: Mapping[str, Any] = {},
    few: Mapping[str, Any] = {},
    svm: Mapping[str, Any] = {},
    scratch: Mapping[str, Any] = {},
    many: Mapping[str, Any] = {},
    many_svm: Mapping[str, Any] = {},
    many_scratch: Mapping[str, Any] = {},
    classes: Mapping[str, Any] = {},
    images: Sequence[int] = (),
    **shared,
) -> list[Run]:
    """Every run of the notebook (see alnb/races.py).

    pretraining: encoders by SimSiam, settings as in alnb/methods/simsiam.py. Heads never stand on an arm with options: the
    plain "simsiam" with these settings on the first seed, whether it is an arm or not, is trained on each dataset and pool
    that a race of heads has, serves all seeds there, and is listed in this race, so that it is drawn. few: ten classes, a
    linear head on frozen features; svm: an SVM in its place; scratch: the whole network trained from scratch; many, ...: the
    same with many classes. Each is a race for each of its `budgets`, in percent of the pool, as many labels first as in
    every cycle, called "few 1%". classes: a race for each of `datasets` and each number of labels `per_class`, called
    "features-10 x 4". images: whose views are shown.
    Raises BadRequest for what cannot be.
    """
    if pretraining and "dataset" not in pretraining:
        raise BadRequest(f"pretraining: no dataset, in {', '.join(pretraining)}; {{}} leaves it out")
    if pretraining.get("dataset"):
        size = pretraining.get("pool", shared.get("pool", 0)) or datasets.info(pretraining["dataset"]).train
        if wrong := [i for i in images if not 0 <= i < size]:
            raise BadRequest(f"images = {list(images)}: {wrong[0]} is not in the pool of {size}")
    asked = dict(zip(FAMILIES, (few, svm, scratch, many, many_svm, many_scratch)))
    every: dict[str, dict] = {}
    for name in FAMILIES:
        every |= by_budget(name, races.resolved(name, asked), shared)
    every |= by_classes(dict(classes))
    own = {name: value for name, value in pretraining.items() if name not in races.WORDS}
    seeds = races.counted(pretraining.get("seeds", 1), None, "pretraining: seeds")
    encoders = []
    if pretraining.get("dataset"):
        pooled = {"pool": shared["pool"]} if "pool" in shared else {}
        encoders = races.grid("simsiam", {"pretraining": pretraining}, pooled, study("simsiam").arm)
    elif not any(every.values()):
        raise BadRequest(f"every race is left out (pretraining, {', '.join(FAMILIES)}, classes): give one a dataset")

    def special(name, options, dataset, seed, settings):
        """The runs of an arm whose features are those of an encoder of ours (races.Special)."""
        options = dict(options)
        asks = {"task": Settings.task, "encoder": Settings.encoder, **settings}
        if asks["task"] != "features" or asks["encoder"] != Settings.encoder:
            return None
        if not pretraining.get("dataset"):
            raise BadRequest("encoder = 'run' is that of the race pretraining, which is left out")
        encoder = Run("simsiam", dataset, "simsiam", seeds[0], {"pool": settings.get("pool", 0)} | own)
        study("simsiam").check(encoder)
        needs = {features.ENCODER: encoder}
        further = coerce(options.pop("further", 0), int, f"{name}: further")
        if further < 0 or (further and (options or name not in BASELINES)):
            raise BadRequest(f"{name}: further = {further}: cycles, 0 or more, of {' and '.join(BASELINES)} alone")
        if name == ALL and options:
            raise BadRequest(f"{name} takes seeds and no other option")
        if name == ALL:
            return [races.all_data_run(STUDY.name, dataset, seed, settings, needs)]
        run = races.method_run(STUDY.name, dataset, acquisition.write_arm(name, options), seed, settings, needs)
        return [run] + [races.further_run(run, further)] * (further > 0)

    heads = races.grid(STUDY.name, every, shared, special) if any(every.values()) else []
    needed = {run.needs[features.ENCODER].key: run.needs[features.ENCODER] for run in heads if features.ENCODER in run.needs}
    for run in encoders:
        needed.pop(run.key, None)
    unseen = [Run(one.study, one.dataset, one.method, one.seed, one.settings, race="pretraining") for one in needed.values()]
    return encoders + unseen + heads


def by_budget(name: str, race: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, dict]:
    """A race of its own for each of `budgets`, percent of the pool: as many labels first as in every cycle."""
    race = dict(race)
    budgets = race.pop("budgets", None)
    if not race or race.get("dataset") == "":
        return {}
    budgets = _listed(f"{name}: budgets", budgets, float)
    _refuse_sizes(name, race, "budgets")
    size = race.get("pool", shared.get("pool", 0)) or datasets.info(race.get("dataset")).train
    found = {}
    for percent in budgets:
        labels = round(percent / 100 * size)
        if not 0 < percent <= 100 or labels < 1:
            raise BadRequest(
                f"{name}: budgets: {percent:g} % of a pool of {size}: expected one label at least, 100 % at most"
            )
        if (race_name := f"{name} {percent:g}%") in found:
            raise BadRequest(f"{name}: budgets = {budgets}: two of them are {percent:g} %; six digits tell them apart")
        found[race_name] = {**_apart(race), "initial": labels, "budget": labels}
    return found


def by_classes(race: dict[str, Any]) -> dict[str, dict]:
    """A race for each of `datasets` and each of `per_class`, labels of a class."""
    if not race:
        return {}
    _refuse_sizes("classes", race, "per_class")
    names = _listed("classes: datasets", race.pop("datasets", None), str)
    per_class = _listed("classes: per_class", race.pop("per_class", None), int)
    found = {}
    for dataset in names:
        for each in per_class:
            labels = each * datasets.info(dataset).classes
            found[f"{dataset} x {each}"] = {"dataset": dataset, **_apart(race), "initial": labels, "budget": labels}
    return found


def _refuse_sizes(name: str, race: Mapping[str, Any], word: str) -> None:
    """BadRequest for labels that a race gives beside the word that already says how many, first and in every cycle."""
    if given := [size for size in ("initial", "budget") if size in race]:
        raise BadRequest(f"{name}: {given[0]} = {race[given[0]]!r}: {word} says it, first labels and each cycle's alike")


def _listed(what: str, given, kind) -> list:
    values = coerce(given if given is not None else [], list[kind], what)
    if not values or min(values, key=lambda v: v if kind is not str else 1) in (0,) or len(set(values)) < len(values):
        raise BadRequest(f"{what} = {given!r}: expected a list of different ones, one at least")
    return values


def _apart(race: Mapping[str, Any]) -> dict[str, Any]:
    """A race without what only the other kind of training has, which it may have from a race that it is `like`."""
    if race.get("task", Settings.task) == "images":
        return {name: value for name, value in race.items() if name not in features.OWN}
    return {name: value for name, value in race.items() if name not in features.OF_IMAGES}


# --- what is special in the chapter's audit and claims ------------------------------------------------------------------------


def printed_shares(frame):
    """For `published.audit`: labels that are said to be saved (setting `share=`, percent, `of=`, images) as that share."""
    for row in frame[frame["metric"] == "labels saved by pre-training"].itertuples():
        setting = published.settings(row.setting)
        share, size = float(setting["share"]), float(setting["of"])
        note = f"{share:g} % of {size:,.0f} images; said to appear after {setting['after']} % are labelled"
        yield published.compared(row, share / 100 * size, note)


def printed_ranks(frame):
    """For `published.audit`: a rank among methods (setting `table=`, `training=`, `among=`) from the accuracies of that table."""
    for row in frame[frame["metric"] == "rank"].itertuples():
        setting = published.settings(row.setting)
        cells = _cells(frame, setting["table"], row.dataset, setting["training"])
        own, others = cells[row.method], {name: cells[name] for name in setting["among"].split(",")}
        note = f"{own:g} against {', '.join(f'{name} {value:g}' for name, value in others.items())}, at 50 % only"
        yield published.compared(row, 1 + sum(value > own for value in others.values()), note)


def printed_gains(frame):
    """For `published.audit`: what pre-training gains at the least, over the methods and datasets that a table prints both with
    it and without: agrees where that is above the printed number."""
    for row in frame[frame["metric"] == "least gain of pre-training"].itertuples():
        setting, gaps = published.settings(row.setting), {}
        for dataset in dict.fromkeys(
            frame.loc[(frame["artefact"] == row.artefact) & (frame["dataset"] != ""), "dataset"]
        ):
            ours, theirs = (_cells(frame, row.artefact, dataset, setting[side]) for side in ("training", "against"))
            gaps |= {f"{dataset} {name}": ours[name] - theirs[name] for name in ours if name in theirs}
        least, most = min(gaps.values()), max(gaps.values())
        note = f"{least:.1f} to {most:.1f} points over {len(gaps)} pairs at 50 %, where the gap is said to be closed"
        yield {"check": f"{row.artefact}: least gain of pre-training, points", "printed": row.value, "computed": least,
               "agrees": least > row.value, "note": note}  # fmt: skip


def printed_correlations(frame):
    """For `published.audit`: a correlation of so many `points=` against the least that, were there none, chance alone would
    reach with a probability of 5 %."""
    from scipy.stats import t

    for row in frame[frame["metric"] == "correlation"].itertuples():
        n = int(published.settings(row.setting)["points"])
        critical = float(t.ppf(0.975, n - 2))
        needed = critical / math.sqrt(n - 2 + critical**2)
        value = row.value * math.sqrt((n - 2) / (1 - row.value**2))
        p = 2 * float(t.sf(value, n - 2))
        yield {"check": f"{row.artefact}: correlation; chance alone reaches {needed:.3f} once in twenty", "printed": row.value,
               "computed": needed, "agrees": row.value >= needed,
               "note": f"{n} points leave {n - 2} degree of freedom: p = {p:.2f}"}  # fmt: skip


def _cells(frame, table, dataset, training) -> dict[str, float]:
    """Accuracy of each method in a printed table."""
    part = frame[(frame["artefact"] == table) & (frame["dataset"] == dataset) & (frame["metric"] == "accuracy")]
    kept = part[[published.settings(text)["training"] == training for text in part["setting"]]]
    return dict(zip(kept["method"], kept["value"]))


def both_ends(ours, theirs):
    """The endpoints (`statistics.endpoint`) of two sets of rows over the cycles that *both* reached, so that one that is still
    running is no shorter curve to be subtracted from; None where there is none, or their labels at the last of them differ."""
    from alnb.statistics import endpoint, horizon

    last = min(horizon(ours), horizon(theirs))
    if last < 1:
        return None
    ends = endpoint(ours, last), endpoint(theirs, last)
    return ends if ends[0]["labelled"].unique().tolist() == ends[1]["labelled"].unique().tolist() else None


def gain_of_pretraining(frame):
    """For claims ("test.gain_of_pretraining"): of each run of a race "few 1%", the area under its curve less that of the same
    strategy and seed in "scratch 1%", over the cycles that both races reached; of "many 1%" in "many_scratch 1%". A Series
    by race, dataset, world, method, seed."""
    import pandas

    tests, found = frame[frame["kind"] == "test"], []
    none = pandas.Series(dtype=float, index=pandas.MultiIndex.from_arrays([[]] * len(RUN), names=RUN), name="aubc")
    names = {"scratch ": "few ", "many_scratch ": "many "}
    for race in dict.fromkeys(tests["race"]):
        if (own := _renamed(race, names)) is None:
            continue
        if (sides := both_ends(tests[tests["race"] == own], tests[tests["race"] == race])) is None:
            continue
        ours, theirs = (ends.assign(race=own).set_index(RUN)["aubc"] for ends in sides)
        gain = (ours - theirs.reindex(ours.index)).dropna()
        found += [gain] * (len(gain) > 0)
    return pandas.concat(found) if found else none


def fall_of_the_gain(frame):
    """For claims ("test.fall_of_the_gain"): how much less pre-training gains at a budget than at SMALL_BUDGET: the
    `gain_of_pretraining` of the same strategy and seed in "few 1%" less that in "few 10%", listed under the latter; of many
    classes alike."""
    gains = gain_of_pretraining(frame)
    if not len(gains):
        return gains
    small = {(race.split()[0], *run): gain for (race, *run), gain in gains.items() if race.endswith(f" {SMALL_BUDGET}")}
    others = gains[[not race.endswith(f" {SMALL_BUDGET}") for race in gains.index.get_level_values("race")]]
    first = [small.get((race.split()[0], *run), math.nan) for race, *run in others.index]
    return (first - others).dropna()


def _renamed(race: str, names: Mapping[str, str]) -> str | None:
    return next((own + race.removeprefix(name) for name, own in names.items() if race.startswith(name)), None)


def claimed(results) -> dict:
    """The special metrics of the chapter's claims (claims.ledger), which look at other races than the claim's own."""
    return {
        "test.gain_of_pretraining": lambda rows: gain_of_pretraining(results),
        "test.fall_of_the_gain": lambda rows: fall_of_the_gain(results),
    }
