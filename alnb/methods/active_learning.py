"""Active learning from the beginning (thesis ch. 1): the pool-based cycle on points one can see, informative against
representative queries, samples that training forgets (Toneva et al. 2019), and augmented views.
"""

from __future__ import annotations

from collections.abc import Sequence

from alnb import cycle, datasets
from alnb.errors import BadRequest
from alnb.runs import Run, State, Step, Study, numpy_stream, stream
from alnb.tasks import accuracy, classification
from alnb.tasks import points as plane
from alnb.tasks.classification import Classification
from alnb.tasks.points import Points, Settings
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


def _parts(data, size: int) -> list[str]:
    """What each sample of the pool is, where a world knows it (easy, medium, rare, ambiguous); else "all"."""
    if "mode" not in data.details:
        return ["all"] * size
    from alnb.worlds.glyphs import MODES

    known = zip(data.details["mode"][:size], data.details["ambiguous"][:size])
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


def step(run: Run, state: State) -> Step:
    """A training that is watched for what it forgets, or one cycle on points. Rows of a cycle also hold what it
    labelled anew and the weights of its classifier: all that its picture needs."""
    if run.method == FORGETTING:
        task = Classification(run)
        network, _ = task.train(range(task.size), task.targets, 0)
        targets = task.targets.cpu().numpy()
        rows = forgetting_rows(network.presented.cpu(), targets, _parts(task.data, task.size), run.seed)
        return Step(rows, done=True)
    task = Points(run)
    result = cycle.step(run, state, lambda run: task)
    if run.method not in (cycle.FIRST, cycle.ALL):
        from alnb.learning.networks.perceptron import to_text

        labelled, about = result.state["labelled"], {"cycle": state.index}
        new = labelled if state.index == 0 else labelled[-run.options.budget :]
        result.rows.extend({"kind": "labelled", **about, "sample": sample} for sample in new)
        weights = {"hidden": run.options.hidden, "weights": to_text(task.network)}
        result.rows.append({"kind": "classifier", **about, **weights})
    return result


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core."""
    if run.method == FORGETTING:
        return classification.seconds(run, [run.options.pool or datasets.info(run.dataset).train], 0)
    return plane.seconds(run, 1 if run.method in (cycle.FIRST, cycle.ALL) else run.options.cycles)


def steps(run: Run) -> int:
    return 1 if run.method == FORGETTING else cycle.steps(run)


STUDY = Study("active_learning", 1, step, Settings, steps, seconds, accuracy)


def grid(
    points: str = "",
    methods: Sequence[str] = (),
    seeds: Sequence[int] = (),
    initial: int = 9,
    budget: int = 6,
    cycles: int = 6,
    points_2: str = "",
    points_null: str = "",
    methods_2: Sequence[str] = (),
    beta_2: int = 0,
    seeds_2: Sequence[int] = (),
    initial_2: int = 6,
    budget_2: int = 6,
    cycles_2: int = 2,
    steps: int = 200,
    lr_points: float = 0.3,
    hidden: int = 16,
    dataset: str = "",
    seeds_forgetting: Sequence[int] = (0,),
    pool: int = 0,
    images: Sequence[int] = (0,),
    **recipe,
) -> list[Run]:
    """Every run of the notebook: the training that is watched first, since it is the longest, then seed by seed.

    `points` is the world of Fig. 1.1, `points_2` and `points_null` those of Fig. 1.2, `dataset` the images of Fig. 1.4
    and 1.6, of which `images` are shown; "" leaves one out. `beta_2`: one more arm of Fig. 1.2, diverse_margin with that
    beta; 0: none. `recipe`: network, epochs, batch, ... of tasks.classification, for the images. Raises BadRequest for
    unknown names and impossible values.
    """
    runs = []
    if dataset:
        about, settings = datasets.info(dataset), {"pool": pool, **recipe}
        size = pool or about.train
        if not 0 <= pool <= about.train:
            raise BadRequest(f"pool = {pool}: {dataset} has {about.train} training samples; 0 means all")
        if wrong := [i for i in images if not 0 <= i < size]:
            raise BadRequest(f"images = {list(images)}: {wrong[0]} is not in the pool of {size}")
        _check("seeds_forgetting", seeds_forgetting)
        runs += [Run(STUDY.name, dataset, FORGETTING, seed, settings) for seed in seeds_forgetting]
        classification.check(runs[0].options)
    if beta_2 < 0:
        raise BadRequest(f"beta_2 = {beta_2}: expected at least 1, or 0 to leave it out")
    methods_2 = [*methods_2, *([f"diverse_margin(beta={beta_2})"] if beta_2 else [])]
    about = {"epochs": steps, "lr": lr_points, "weight_decay": 1e-3, "hidden": hidden}
    sizes = {"initial": initial, "budget": budget, "cycles": cycles}
    sizes_2 = {"initial": initial_2, "budget": budget_2, "cycles": cycles_2}
    for name, arms, chosen, size, which in (
        (points, methods, seeds, sizes, ""), (points_2, methods_2, seeds_2, sizes_2, "_2"),
        (points_null, methods_2, seeds_2, sizes_2, "_2"),
    ):  # fmt: skip
        if name:
            _check(f"methods{which}", arms)
            _check(f"seeds{which}", chosen)
            cycle.check_sizes(Run(STUDY.name, name, cycle.ALL, 0, size).options, worlds.size(name))
            made = [cycle.method_run(STUDY.name, name, arm, seed, about | size) for seed in chosen for arm in arms]
            plane.check(made[0].options)
            runs += made
    if not runs:
        raise BadRequest("points, points_2, points_null and dataset are all empty: give at least one")
    return runs


def _check(what: str, values: Sequence) -> None:
    if not values:
        raise BadRequest(f"{what} is empty: give at least one")
    if len(set(values)) < len(values):
        raise BadRequest(f"{what} repeats {max(values, key=list(values).count)!r}")
