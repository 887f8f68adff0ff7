"""Self-supervised pre-training meets active learning (thesis ch. 5; Zolfaghari Bengar et al., ICCV workshops 2021).

A network is pre-trained on the whole pool without a label (alnb/methods/simsiam.py), frozen, and a linear head learns from
the few labels there are; active learning chooses them. The question is at which budget choosing pays, and what it pays
beside the pre-training itself.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from alnb import acquisition, budgets, cycle, datasets, races
from alnb.acquisition import describe, score
from alnb.cycle import ALL, CycleSettings
from alnb.errors import BadRequest
from alnb.runs import Run, State, Step, Study, coerce, study
from alnb.tasks import classification, features
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


class FineTuned(classification.Classification):
    """Classification of images by a network that goes on from that of the run it needs, in every cycle anew, and trains end to
    end; its head is a new one. Thesis 5.4: "we start from the pretrained self-supervised backbone"."""

    def __init__(self, run: Run, state: State | None = None):
        super().__init__(run, state)
        if state is None or features.ENCODER not in state.needs:
            raise BadRequest(f"{run}: the run that it needs as {features.ENCODER!r} has not reached it")
        weights = state.needs[features.ENCODER].blobs["weights"]
        self.body = {name: value for name, value in weights.items() if not name.startswith("head.")}

    def build(self, cycle: int, member: int = 0):
        """The network before a training: pre-trained but for its head."""
        network = super().build(cycle, member)
        network.load_state_dict(network.state_dict() | self.body)
        return network


def task_of(run: Run) -> type:
    """A head on frozen features, or the whole network, from scratch or from the weights of the run that is needed."""
    if features.is_features(run.options):
        return features.Features
    return FineTuned if features.ENCODER in run.needs else classification.Classification


def step(run: Run, state: State) -> Step:
    """One cycle: a head on frozen features, or the whole network."""
    return cycle.step(run, state, task_of(run))


HEAD = (
    0.03,
    0.0002,
    0.0012,
    0.00002,
)  # one core, narrow features: a training; a step; 1,000 samples an epoch, and a class more
WIDE = 0.011, 0.0002  # 1,280 features: 1,000 samples an epoch, and a class more
PICK = {"k_center": 2.2e-8, "badge": 9e-8}  # of 1,280 features: a pick, for each candidate
LOOK, COPY = 6e-6, 2e-5  # the same: a candidate seen by a strategy; by one that looks at its features
NARROW = 0.15  # what narrow features, those of an encoder of ours or given, take of it
NARROW_ENCODERS = (Settings.encoder, "given")
VAAL = 12.0  # a choice
SVM = 0.0003  # a label, for each class


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core."""
    o, size = run.options, classification.pool_size(run)
    narrow = features.is_features(o) and o.encoder in NARROW_ENCODERS
    of_features = _svm if o.head == "svm" else _narrow if narrow else _wide
    take = of_features if features.is_features(o) else classification.seconds
    if run.method == ALL:
        return take(run, [size], 0)
    if run.method == cycle.FIRST:
        return take(run, [o.initial], size - o.initial)
    sizes = [o.initial + o.budget * c for c in range(o.cycles + 2 - cycle.trainings(run), o.cycles + 1)]
    if run.method == cycle.RETRAINED:
        return take(run, sizes, 0)
    needs = set(describe(run.method).needs)
    recorded = sum(size - one for one in sizes[:-1]) if Classes.recorded & needs else 0
    a_candidate = LOOK * bool(needs) + COPY * ("embeddings" in needs) + PICK.get(run.method, 0) * o.budget
    choosing = sum((size - n + o.budget) * a_candidate for n in sizes) * (NARROW if narrow else 1)
    return take(run, sizes, recorded) + choosing + VAAL * len(sizes) * (run.method == "vaal")


def _narrow(run: Run, labelled: Sequence[int], recorded: int) -> float:
    """`tasks.features.seconds` where features are a tenth as many as an ImageNet network's."""
    a_head, a_step, a_thousand, a_class = HEAD
    a_thousand += a_class * datasets.info(run.dataset).classes
    epochs = sum(-(-n // run.options.batch) * a_step + n / 1000 * a_thousand for n in labelled)
    return a_head * len(labelled) + run.options.epochs * epochs + features.seconds(run, [], recorded) / 10


def _wide(run: Run, labelled: Sequence[int], recorded: int) -> float:
    """The same where they are an ImageNet network's."""
    a_thousand, a_class = WIDE
    epochs = sum(labelled) / 1000 * (a_thousand + a_class * datasets.info(run.dataset).classes)
    return run.options.epochs * epochs + features.seconds(run, [0] * len(labelled), recorded)


def _svm(run: Run, labelled: Sequence[int], recorded: int) -> float:
    """LinearSVC, a machine a class; it records nothing."""
    scale = NARROW if run.options.encoder in NARROW_ENCODERS else 1
    return sum(0.1 + SVM * scale * n * datasets.info(run.dataset).classes for n in labelled)


def check(run: Run) -> None:
    """BadRequest for a recipe or sizes that cannot be, and for arms whose head or dataset has not what they look at."""
    features.check(run)
    races.check_cycles(run, classification.pool_size(run))
    o = run.options
    if not features.is_features(o) and features.ENCODER in run.needs:
        trained = run.needs[features.ENCODER].options.network
        if o.network != trained:
            raise BadRequest(f"network = {o.network!r} cannot go on from a pre-trained {trained!r}; give that one")
    if run.method not in acquisition.catalogue():
        return
    needs = set(describe(run.method).needs)
    if needs & set(DECISIONS) and not (features.is_features(o) and o.head == "svm"):
        raise BadRequest(f"{run.method} needs the decisions of an SVM: task = 'features', head = 'svm'")
    if "images" in needs and not datasets.info(run.dataset).images:
        raise BadRequest(f"{run.method} looks at images: {run.dataset} holds features")


def network(run: Run) -> str:
    """What is trained, in words."""
    o = run.options
    if features.ENCODER not in run.needs:
        return features.network(o) if features.is_features(o) else o.network
    encoder = run.needs[features.ENCODER]
    origin = ("SimSiam" if encoder.options.epochs else "untrained") + f" seed {encoder.seed}" * (encoder.seed > 0)
    if not features.is_features(o):
        return f"{o.network} from {origin}"
    return f"{'linear head' if o.head == 'sgd' else 'linear SVM'} on {origin}, {encoder.options.network}"


STUDY = Study(
    "self_supervision", 1, step, Settings, cycle.steps, seconds, Classes.metrics,
    lambda dataset: {**Classes.offers, **DECISIONS}, check, network, prepare=features.prepare,
    selections=False,
)  # fmt: skip

# --- the grid ---------------------------------------------------------------------------------------------------------------

FAMILIES = (
    "few", "svm", "scratch", "fine_tuned", "untrained", "second", "many", "many_svm", "many_scratch", "many_fine_tuned",
    "tiny", "tiny_svm", "tiny_scratch",
)  # fmt: skip
SIMSIAM = "simsiam"  # the study of the encoders, and its method
START = "starts_from"  # a race's word: the arm of the pre-training that its networks go on from


def grid(
    pretraining: Mapping[str, Any] = {}, classes: Mapping[str, Any] = {}, images: Sequence[int] = (), **shared
) -> list[Run]:
    """Every run of the notebook (see alnb/races.py).

    pretraining: encoders by SimSiam, settings as in alnb/methods/simsiam.py. Heads stand on the plain "simsiam" with these
    settings on the first seed, whether it is an arm or not; a race's `starts_from` names another, "simsiam(epochs=0)" or
    "simsiam(seeds=[1])", and is what a race of whole networks goes on from, if it has one. That encoder is trained on each
    dataset and pool that a race has, serves all seeds there, and is listed in this race, so that it is drawn.

    shared: settings of every race, and the races of FAMILIES. few: ten classes, a linear head on frozen features; svm: an SVM in
    its place; scratch: the whole network trained from scratch; fine_tuned: it goes on from the pre-trained one, end to end;
    untrained: a linear head on a network that nothing was taught; second: on another encoder; many, ...: the same with many
    classes; tiny, ...: with those of Tiny ImageNet. Each is a race for each of its `budgets`, in percent of the pool, as many
    labels first as in every cycle, called "few 1%".

    classes: a race for each of `datasets` and each number of labels `per_class`, called "features-10 x 4". images: whose
    views are shown. Raises BadRequest for what cannot be.
    """
    asked = {name: shared.pop(name, {}) for name in FAMILIES}
    _check_pretraining(pretraining, images, shared.get("pool", 0))
    every: dict[str, dict] = {}
    for name in FAMILIES:
        race = races.resolved(name, asked)
        if START in race and "encoder" not in asked[name] and race.get("encoder", Settings.encoder) != Settings.encoder:
            race = {}  # like heads on an encoder that is not of the pre-training: left out with it
        every |= budgets.by_budget(name, race, shared)
    every = {name: _apart(race) for name, race in (every | budgets.by_classes(dict(classes))).items()}
    encoders = []
    if pretraining.get("dataset"):
        pooled = {"pool": shared["pool"]} if "pool" in shared else {}
        encoders = races.grid(SIMSIAM, {"pretraining": pretraining}, pooled, study(SIMSIAM).arm)
    elif not any(every.values()):
        raise BadRequest(f"every race is left out (pretraining, {', '.join(FAMILIES)}, classes): give one a dataset")
    special = functools.partial(_arm, pretraining)
    runs = races.grid(STUDY.name, every, shared, special) if any(every.values()) else []
    return encoders + _unlisted(encoders, runs) + runs


def _check_pretraining(pretraining: Mapping[str, Any], images: Sequence[int], pool: int) -> None:
    """BadRequest for a race of encoders without a dataset, and for images that are not in its pool; `pool`: the shared one."""
    if pretraining and "dataset" not in pretraining:
        raise BadRequest(f"pretraining: no dataset, in {', '.join(pretraining)}; {{}} leaves it out")
    if pretraining.get("dataset"):
        size = pretraining.get("pool", pool) or datasets.info(pretraining["dataset"]).train
        if wrong := [i for i in images if not 0 <= i < size]:
            raise BadRequest(f"images = {list(images)}: {wrong[0]} is not in the pool of {size}")


def _arm(pretraining, name, options, dataset, seed, settings) -> list[Run] | None:
    """The runs of an arm that starts from an encoder of ours (races.Special, once `pretraining` is given)."""
    settings = dict(settings)
    start = settings.pop(START, None)
    asks = {"task": Settings.task, "encoder": Settings.encoder, **settings}
    heads = asks["task"] == "features"
    if start is None and not (heads and asks["encoder"] == Settings.encoder):
        return None
    if heads and asks["encoder"] != Settings.encoder:
        raise BadRequest(f"{START} = {start!r}: these heads stand on {asks['encoder']!r}; leave one of the two out")
    needs = {features.ENCODER: encoder_of(pretraining, start or SIMSIAM, dataset, settings.get("pool", 0))}
    return races.plain_arm(STUDY.name, name, options, dataset, seed, settings, needs)


def _unlisted(encoders: list[Run], runs: list[Run]) -> list[Run]:
    """The encoders that `runs` need beside those listed, in the race pretraining, so that they are drawn."""
    needed = {
        run.needs[features.ENCODER].key: run.needs[features.ENCODER] for run in runs if features.ENCODER in run.needs
    }
    for run in encoders:
        needed.pop(run.key, None)
    return [dataclasses.replace(one, race="pretraining") for one in needed.values()]


def encoder_of(pretraining: Mapping[str, Any], arm: str, dataset: str, pool: int) -> Run:
    """The encoder that heads on `dataset` and its pool start from: an arm of the race pretraining, "simsiam(epochs=0)", where
    `seeds` says which one, by itself the first of the race. BadRequest for what is none."""
    if not pretraining.get("dataset"):
        raise BadRequest("encoder = 'run' is that of the race pretraining, which is left out")
    name, options = acquisition.parse_arm(coerce(arm, str, START))
    seeds = races.counted(pretraining.get("seeds", 1), None, "pretraining: seeds")[:1]
    seeds = races.counted(options.pop("seeds", seeds), None, f"{START} = {arm!r}: seeds")
    if name != SIMSIAM or len(seeds) > 1:
        raise BadRequest(f"{START} = {arm!r}; accepted: {SIMSIAM}, with options of its own, and one seed, seeds=[1]")
    own = {name: value for name, value in pretraining.items() if name not in races.WORDS}
    settings = {"pool": pool} | own | options
    encoder = Run(
        SIMSIAM, dataset, SIMSIAM, seeds[0], settings, arm=acquisition.write_arm(name, options) if options else ""
    )
    study(SIMSIAM).check(encoder)
    return encoder


def _apart(race: Mapping[str, Any]) -> dict[str, Any]:
    """A race without what only the other kind of training has, which it may have from a race that it is `like`."""
    if race.get("task", Settings.task) == "images":
        return {name: value for name, value in race.items() if name not in features.OWN}
    return {name: value for name, value in race.items() if name not in features.OF_IMAGES}
