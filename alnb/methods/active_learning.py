"""Active learning from the beginning (thesis ch. 1): the pool-based cycle on points one can see, informative against
representative queries, samples that training forgets (Toneva et al. 2019), and augmented views.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alnb import cycle, datasets, races
from alnb.cycle import CycleSettings, Fitted, Now
from alnb.errors import BadRequest
from alnb.runs import Run, State, Step, Study, numpy_stream, stream
from alnb.tasks import classification
from alnb.tasks import points as plane
from alnb.tasks.classification import Classification
from alnb.tasks.points import Points
from alnb.worlds import points as worlds

FORGETTING = "forgetting"  # the method of a run that trains on every label of the pool and counts what it forgets
CLASSES = 5  # of which Fig. 1.4 shows samples
SHOWN = 6  # samples a class on either side of it

# --- forgetting: Toneva et al. 2019, definitions of section 3 --------------------------------------------------------


def forgetting_events(correct):
    """Forgetting events: right when last presented, wrong when presented now.

    correct (T, n) bool: was sample i classified correctly when it was presented in epoch t? Returns (n,) int64, at
    most T // 2. A sample that is never right has none; see `never_learnt`. Toneva et al. 2019, section 3.
    """
    before, now = correct[:-1], correct[1:]
    return (before & ~now).sum(0)


def never_learnt(correct):
    """(n,) bool: samples that were wrong at every presentation. They count as forgotten infinitely often."""
    return ~correct.any(0)


def forgettability(correct):
    """(n,) float: the number to sort by; the forgetting events, infinite for what was never learnt. 0: unforgettable."""
    return forgetting_events(correct).double().masked_fill(never_learnt(correct), float("inf"))


def forgetting_rows(correct, targets, parts: Sequence[str], seed: int) -> list[dict]:
    """Rows for Fig. 1.4 and its histogram. correct (T, n), targets (n,), parts: for each sample the part of the pool
    that the histogram counts it in. Ties in the order are broken at random, from `seed`."""
    import numpy

    events, count = forgettability(correct), forgetting_events(correct)
    ever = correct.any(0)
    first = correct.int().argmax(0)  # meant only where the sample was ever right
    tie = numpy_stream(seed, "ties").permutation(len(events))
    order = numpy.lexsort((tie, events.cpu().numpy()))  # unforgettable first
    rows = []
    for label in sorted({int(c) for c in targets})[:CLASSES]:
        ranked = [int(i) for i in order if targets[i] == label]
        for side, chosen in (("unforgettable", ranked[:SHOWN]), ("forgettable", ranked[::-1][:SHOWN])):
            for rank, i in enumerate(chosen):
                learnt = bool(ever[i])
                rows.append({
                    "kind": "forgetting", "side": side, "class": label, "rank": rank, "sample": i, "learnt": learnt,
                    "events": int(count[i]), "first_learnt": int(first[i]) + 1 if learnt else None,
                })  # fmt: skip
    counted: dict[tuple, int] = {}
    for part, value, learnt in zip(parts, count.tolist(), ever.tolist()):
        counted[part, learnt, value] = counted.get((part, learnt, value), 0) + 1
    rows += [
        {"kind": "forgetting_histogram", "part": part, "learnt": learnt, "events": value, "samples": samples}
        for (part, learnt, value), samples in sorted(counted.items())
    ]
    return rows


def _parts(data, rows) -> list[str]:
    """What each sample of the pool is, where a world knows it (easy, medium, rare, ambiguous); else "all"."""
    if "mode" not in data.details:
        return ["all"] * len(rows)
    from alnb.worlds.glyphs import MODES

    known = zip(data.details["mode"][rows], data.details["ambiguous"][rows])
    return ["ambiguous" if double else MODES[mode] for mode, double in known]


# --- augmented views ---------------------------------------------------------------------------------------------------


def augmented_views(image, seed: int) -> dict:
    """Name -> (3, H, W) uint8 tensor: the image, one distortion at a time, then all at once, twice: the two views that
    chapter 5 pulls together. image (3, H, W) uint8. The distortions are torchvision's, with SimCLR's strengths (Chen
    et al. 2020); a mirror image and a blur are always drawn where they are shown alone."""
    import torch
    from torchvision.transforms import v2

    height, width = image.shape[1:]
    crop = v2.RandomResizedCrop((height, width), scale=(0.2, 0.7), antialias=True)
    colour = v2.ColorJitter(0.4, 0.4, 0.4, 0.1)
    blur = v2.GaussianBlur(max(3, height // 10 * 2 - 1), sigma=(0.5, 2.0))
    every = v2.Compose([crop, v2.RandomHorizontalFlip(), v2.RandomApply([colour], 0.8), v2.RandomApply([blur], 0.5)])
    made = {"original": None, "cropping": crop, "flipping": v2.RandomHorizontalFlip(1.0), "blur": blur,
            "colour distortion": colour, "view 1": every, "view 2": every}  # fmt: skip
    views = {}
    for name, transform in made.items():
        with torch.random.fork_rng(devices=[]):  # torchvision draws from the global generator
            torch.default_generator.manual_seed(stream(seed, name))
            pixels = torch.as_tensor(image)
            views[name] = pixels if transform is None else transform(pixels)
    return views


# --- the study ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings(CycleSettings, plane.Settings, classification.Settings):
    """The cycle on points, and the training on images that is watched for what it forgets."""


def task(dataset: str) -> type:
    return Points if dataset in worlds.PRESETS else Classification


def step(run: Run, state: State) -> Step:
    """A training that is watched for what it forgets, or one cycle on points. Rows of a cycle also hold what it
    labelled anew and the weights of its classifier: all that its picture needs."""
    if run.method == FORGETTING:
        watched = Classification(run)
        network, _ = watched.train(range(watched.size), watched.targets, 0)
        targets = watched.targets.cpu().numpy()
        rows = forgetting_rows(network.presented.cpu(), targets, _parts(watched.data, watched.rows), run.seed)
        for row in rows:  # as the dataset numbers them: figures show its images
            if "sample" in row:
                row["sample"] = int(watched.rows[row["sample"]])
        return Step(rows, done=True)
    kept = []

    def fit(now: Now) -> Fitted:
        fitted = cycle.plain(now)
        kept.append(fitted.model)
        return fitted

    result = cycle.step(run, state, Points, fit=fit)
    joins = cycle.BEFORE in run.needs and state.index == 0  # the cycle that the run before it has shown
    if kept and not joins:
        from alnb.learning.networks.perceptron import to_text

        number = state.index + cycle.offset(run)
        labelled, about = result.state["labelled"], {"cycle": number}
        new = labelled if number == 0 else labelled[-run.options.budget :]
        result.rows.extend({"kind": "labelled", **about, "sample": sample} for sample in new)
        weights = {"hidden": run.options.hidden, "weights": to_text(kept[0])}
        result.rows.append({"kind": "classifier", **about, **weights})
    return result


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core."""
    if run.method == FORGETTING:
        return classification.seconds(run, [classification.pool_size(run)], 0)
    return plane.seconds(run, 1 if run.method in (cycle.FIRST, cycle.ALL) else run.options.cycles)


def steps(run: Run) -> int:
    return 1 if run.method == FORGETTING else cycle.steps(run)


def check(run: Run) -> None:
    """BadRequest for a recipe or sizes that cannot be."""
    if run.method == FORGETTING:
        return classification.check(run.options, run.dataset)
    if run.options.acquisition_transform != "test":
        raise BadRequest("acquisition_transform = 'train': points have no training transform; expected 'test'")
    plane.check(run.options, run.dataset)
    races.check_cycles(run, run.options.pool or worlds.size(run.dataset))


STUDY = Study(
    "active_learning", 1, step, Settings, steps, seconds,
    lambda dataset: task(dataset).metrics(dataset), lambda dataset: task(dataset).offers, check,
    lambda run: plane.network(run.options) if task(run.dataset) is Points else run.options.network,
)  # fmt: skip


def grid(
    first: Mapping[str, Any] = {},
    islands: Mapping[str, Any] = {},
    null: Mapping[str, Any] = {},
    watched: Mapping[str, Any] = {},
    images: Sequence[int] = (),
    **shared,
) -> list[Run]:
    """Every run of the notebook (see alnb/races.py): the training that is watched first, since it is the longest.

    first: the race of Fig. 1.1, islands and null those of Fig. 1.2, on points; watched: the images of Fig. 1.4 and 1.6,
    with settings of tasks.classification, of which `images` are shown. shared: settings of the races on points. Raises
    BadRequest for unknown names and impossible values.
    """
    if watched.get("dataset"):
        about = datasets.info(watched["dataset"])
        size = watched.get("pool", 0) or about.train
        if wrong := [i for i in images if not 0 <= i < size]:
            raise BadRequest(f"images = {list(images)}: {wrong[0]} is not in the pool of {size}")
    on_points = {name: race for name, race in (("first", first), ("islands", islands), ("null", null))}
    for race in on_points.values():
        if race.get("dataset"):
            worlds.size(race["dataset"])
    if not watched.get("dataset"):
        return races.grid(STUDY.name, on_points, shared)
    made = races.grid(STUDY.name, {"watched": watched}, {}, _forgetting)
    return made + (races.grid(STUDY.name, on_points, shared) if any(r.get("dataset") for r in on_points.values()) else [])


def _forgetting(name: str, options: Mapping, dataset: str, seed: int, settings: Mapping) -> list[Run]:
    if name != FORGETTING or options:
        raise BadRequest(f"arm {name!r}; accepted: {FORGETTING}")
    return [Run(STUDY.name, dataset, FORGETTING, seed, settings)]
