"""Which runs a notebook asks for: its races, their arms and seeds.

A race is a small dict: `{"dataset": "glyphs-10", "seeds": 2, "arms": ["margin", "random(further=2)", "all_data(seeds=1)"]}`.
Its words are WORDS; any further key is a setting in which it differs from the other races. A study's own `grid` may take more
words and turn them into these (`budgets`, `per_class`, `at`: alnb/budgets.py). An arm is a strategy
by name with options, of the strategy, of the run, or one of these words, which say what is done with it:

    seeds=3          on the first three seeds of the race only (or a list of them)
    further=2        two more cycles, of plain Random only, so that "labels saved" can be told
    retrain=True     also the plain model, trained from scratch on what the arm chose

`all_data` trains on every label of the pool. A race that is {}, or whose dataset is "", is left out.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from alnb import acquisition, datasets
from alnb.cycle import ALL, BEFORE, FIRST, RETRAINED, CycleSettings
from alnb.errors import BadRequest
from alnb.runs import Run, canonical, coerce, study
from alnb.statistics import BASELINES

MOST_SEEDS = 10_000  # of a race: each is a run of every arm
WORDS = {"dataset": str, "seeds": list[int], "arms": list[str], "more": dict, "like": str}  # seeds: or how many
LATER = ("budget", "cycles", "subset", "annotator", "start", "strategy", "selection")  # not in the first training's key
CYCLIC = ("initial", "initial_pool", "initial_labels", *LATER)  # nor in that of a training on all data
COMMON = (
    "strategy", "selection", "annotator", "pool", "tail", "imbalance", "tail_classes", "reserved", "split", "initial",
    "budget", "cycles", "initial_pool", "initial_labels", "network", "task", "encoder", "px", "standardise", "head",
)  # fmt: skip
"""Settings that all arms of a race have in common, or they could not be compared: no arm has one among its options."""

TRAINED = ("network", "task", "encoder", "px", "standardise", "head")  # those of COMMON that say what is trained

Special = Callable[..., "list[Run] | None"]
"""special(name, options, dataset, seed, settings) -> the runs of an arm that is no strategy, None if it is one."""


# --- races ------------------------------------------------------------------------------------------------------------


def grid(study_name: str, races: Mapping[str, Mapping], shared: Mapping[str, Any], special: Special | None = None) -> list[Run]:
    """The runs of `races` (name -> race), each with its race's name; seed by seed, so that what is cut short is paired.

    shared: settings of every race. A run may stand in several races: it is then listed once for each. Raises BadRequest
    for what cannot be, naming the race.
    """
    runs: list[Run] = []
    for name, race in races.items():
        race = resolved(name, races)
        if not race or race.get("dataset") == "":
            continue
        try:
            runs += _runs(study_name, name, race, shared, special)
        except datasets.Missing:
            raise
        except BadRequest as error:
            raise BadRequest(f"{name}: {error}") from None
    if not runs:
        raise BadRequest(f"every race is left out ({', '.join(races)}): give one a dataset")
    return sorted(runs, key=lambda run: run.seed)


def resolved(name: str, races: Mapping[str, Mapping], seen: tuple = ()) -> dict:
    """A race with what it takes from the one that it is `like`; {}, left out, where that one is and it has no dataset."""
    race = dict(races[name])
    model = race.pop("like", None)
    if model is None:
        return race
    if model not in races or model in (*seen, name):
        others = ", ".join(other for other in races if other != name)
        raise BadRequest(f"{name}: like {model!r}; accepted: another race ({others}), in no circle")
    whole = resolved(model, races, (*seen, name))
    return whole | race if whole or "dataset" in race else {}


def _runs(study_name, name, race, shared, special) -> list[Run]:
    settings = {**shared, **{key: value for key, value in race.items() if key not in WORDS}}
    if "dataset" not in race:
        near = difflib.get_close_matches("dataset", race, 1)
        hint = f"; did you mean it by {near[0]!r}?" if near else ""
        raise BadRequest(f"no dataset, in {', '.join(race)}{hint}")
    dataset = coerce(race["dataset"], str, "dataset")
    seeds = counted(race.get("seeds", 1), None, "seeds")
    more = dict(race.get("more") or {})
    arms = [(arm, seeds) for arm in _listed("arms", race.get("arms", ()))]
    if more:
        fewer = counted(more.pop("seeds", len(seeds)), seeds, "more: seeds")
        arms += [(arm, fewer) for arm in _listed("more: arms", more.pop("arms", ()))]
        if more:
            raise BadRequest(f"more has {', '.join(map(repr, more))}; accepted: arms, seeds")
    runs: list[Run] = []
    for arm, on in arms:
        runs += _arm(study_name, arm, dataset, on, settings, special)
    named: dict[str, Run] = {}
    for run in runs:
        study(run.study).check(run)
        if run.key in named:
            raise BadRequest(f"{named[run.key]} and {run} are the same run: give it once")
        named[run.key] = run
    return [_in_race(run, name) for run in runs]


def _in_race(run: Run, race: str) -> Run:
    return Run(run.study, run.dataset, run.method, run.seed, run.settings, run.needs, run.carry, run.arm, race)


def _listed(what: str, values) -> list[str]:
    values = coerce(values, list[str], what)
    if not values:
        raise BadRequest(f"{what} is empty: give at least one")
    if len(set(values)) < len(values):
        raise BadRequest(f"{what} repeats {max(values, key=values.count)!r}")
    return values


def counted(value, among: Sequence[int] | None, what: str) -> list[int]:
    """Seeds given as a count or a list: the first so many of `among` (None: of 0, 1, ...)."""
    if isinstance(value, int | float) and value > MOST_SEEDS:
        raise BadRequest(f"{what} = {value!r}: expected at most {MOST_SEEDS:,}")
    if isinstance(value, (list, tuple)):
        chosen = coerce(list(value), list[int], what)
        if lost := set(chosen) - set(chosen if among is None else among):
            raise BadRequest(f"{what} = {chosen}: the race has no seed {min(lost)}; it has {list(among)}")
    else:
        count = coerce(value, int, what)
        chosen = list(range(count)) if among is None else list(among[: max(count, 0)])
    if not chosen or min(chosen) < 0:
        raise BadRequest(f"{what} = {value!r}: expected a count from 1, or a list of seeds from 0")
    if len(set(chosen)) < len(chosen):
        raise BadRequest(f"{what} repeats {max(chosen, key=chosen.count)}")
    return chosen


def _arm(study_name, text, dataset, seeds, settings, special) -> list[Run]:
    """The runs of one arm, on each of its seeds."""
    name, options = acquisition.parse_arm(text)
    seeds = counted(options.pop("seeds", list(seeds)), seeds, f"{text}: seeds")
    if special and (made := [special(name, options, dataset, seed, settings) for seed in seeds])[0] is not None:
        return [run for runs in made for run in runs]
    retrain = coerce(options.pop("retrain", False), bool, f"{text}: retrain") if name != ALL else False
    runs = []
    for seed in seeds:
        runs += (made := plain_arm(study_name, name, options, dataset, seed, settings))
        runs += [retrained_run(made[0], settings=settings)] * retrain
    return runs


# --- the runs of an arm -----------------------------------------------------------------------------------------------


def plain_arm(
    study_name: str, name: str, options: Mapping[str, Any], dataset: str, seed: int, settings: Mapping[str, Any],
    needs: Mapping[str, Run] = {},
) -> list[Run]:  # fmt: skip
    """The runs of an arm on one seed, first the one of its own: a strategy with options, `further` cycles of plain Random, or
    `all_data`. needs: further runs that all of them start from."""
    text, options = acquisition.write_arm(name, options), dict(options)
    further = coerce(options.pop("further", 0), int, f"{text}: further")
    if further < 0:
        raise BadRequest(f"{text}: further = {further}: expected a number of cycles, 0 or more")
    if name == ALL:
        if options or further:
            raise BadRequest(f"{text}: all_data takes seeds and no other option")
        return [all_data_run(study_name, dataset, seed, settings, needs)]
    if further and (options or name not in BASELINES):
        raise BadRequest(f"{text}: only the plain {' and '.join(BASELINES)} go further, for the others to be measured by")
    run = method_run(study_name, dataset, acquisition.write_arm(name, options), seed, settings, needs)
    return [run] + [further_run(run, further)] * bool(further)


def first_run(run_study: str, dataset: str, seed: int, settings: Mapping[str, Any], needs: Mapping[str, Run] = {}) -> Run:
    """The training every method of a seed starts from; what only later cycles use is not in its key."""
    return Run(run_study, dataset, FIRST, seed, {n: v for n, v in settings.items() if n not in LATER}, needs)


def all_data_run(run_study: str, dataset: str, seed: int, settings: Mapping[str, Any], needs: Mapping[str, Run] = {}) -> Run:
    """The same recipe on every label of the pool: what relative performance is relative to."""
    return Run(run_study, dataset, ALL, seed, {n: v for n, v in settings.items() if n not in CYCLIC}, needs)


def method_run(
    run_study: str, dataset: str, arm: str, seed: int, settings: Mapping[str, Any], needs: Mapping[str, Run] = {}
) -> Run:
    """The cycles of one arm, from the shared first training on; `needs`: further runs that both start from.

    An arm is a strategy with options of its own, or of the run: `bald(passes=20, dropout=0.5)`, `random(subset=500)`.
    BadRequest for a strategy nobody has, for one that needs what the task does not offer, and for options neither it nor
    the study knows.
    """
    method, options = acquisition.parse_arm(arm)
    about = acquisition.describe(method)
    carry = acquisition.get(method) if "@" in about.name else None  # written in a notebook cell: travels by value
    for name in COMMON:
        if name in options:
            raise BadRequest(f"{arm}: {name} is no option of an arm; arms of one race have it in common")
    own = {name: value for name, value in options.items() if name in about.parameters}
    own = {name: coerce(value, type(about.parameters[name]), f"{method}: {name}") for name, value in own.items()}
    acquisition.check_options(method, own)
    settings = {**settings, **{name: value for name, value in options.items() if name not in own}}
    if changed := {name: value for name, value in own.items() if value != about.parameters[name]}:
        settings["strategy"] = changed
    try:
        first = first_run(run_study, dataset, seed, settings, needs)
        run = Run(run_study, dataset, about.name, seed, settings, {FIRST: first, **needs}, carry, arm if options else "")
    except BadRequest as error:
        raise BadRequest(f"{arm}: {error}" if options else str(error)) from None
    check_offered(run, about.needs, arm)
    if "dropout_probabilities" in about.needs and not getattr(run.options, "dropout", 1):
        raise BadRequest(f"{arm} wants a network trained with dropout: {method}(dropout=0.5)")
    return run


def check_offered(run: Run, needs: Iterable[str], arm: str) -> None:
    """BadRequest for an arm that needs a field of the view which the run's task does not offer."""
    offers = study(run.study).offers(run.dataset)
    for field in needs:
        if field not in offers:
            near = difflib.get_close_matches(field, offers, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise BadRequest(
                f"{arm} needs {field!r}, which {run.study} on {run.dataset} does not offer; {hint}it offers "
                f"{', '.join(offers) or 'nothing'}"
            )


def further_run(before: Run, cycles: int) -> Run:
    """`cycles` more cycles of a finished run, its rows joining on: how many labels Random needs to catch up."""
    settings = {**before.settings, "cycles": before.options.cycles + cycles}
    needs = {role: run for role, run in before.needs.items() if role not in (FIRST, BEFORE)}
    return Run(
        before.study, before.dataset, before.method, before.seed, settings, {BEFORE: before, **needs}, before.carry, before.arm
    )  # fmt: skip


def retrained_run(
    source: Run, study_name: str = "", needs: Mapping[str, Run] = {}, settings: Mapping[str, Any] | None = None
) -> Run:
    """The plain network of a study (default: the source's), trained from scratch on what `source` chose: whether a
    method that changes the training also chose better. settings: the plain ones, where `source` has options of its own."""
    name, settings = study_name or source.study, source.settings if settings is None else settings
    known = study(name).types
    settings = {n: v for n, v in settings.items() if n in known and n not in ("strategy", "selection", "start")}
    arm = f"{source.arm or source.method} retrained"
    return Run(name, source.dataset, RETRAINED, source.seed, settings, {"selection": source, **needs}, arm=arm)


def retrained_selections(study_name: str, selections: Iterable[Mapping], values: Mapping[str, Any]) -> list[Run]:
    """Runs that train a network on published selections (see alnb.selections), whatever network chose them.

    values: parameters of a notebook; those that are settings of the study say how to train, sizes come from the
    selection. BadRequest for a selection that does not fit its dataset.
    """
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
        # what is labelled is all that such a run sees of its pool, whatever tail or reserve that had
        own = {n: v for n, v in values.items() if n in known and (n not in COMMON or n in TRAINED)}
        settings = own | {"pool": one["pool"], "cycles": len(sizes) - 1}
        settings |= {"initial": sizes[0], "budget": max(sizes[1:], default=1)}
        settings["selection"] = hashlib.sha256(canonical([labelled, sizes])).hexdigest()
        carry = {"labelled": labelled, "batches": sizes}
        arm = f"{one['method']} retrained"
        runs.append(Run(study_name, one["dataset"], RETRAINED, one["seed"], settings, carry=carry, arm=arm))
    return runs


def check_cycles(run: Run, pool: int) -> None:
    """BadRequest if the cycles of a run ask for more labels than its pool of `pool` samples holds, if sizes make no
    sense, or if its first labels are to be chosen by what cannot choose them."""
    o: CycleSettings = run.options
    if run.method == ALL:
        return
    for name, least in (("initial", 1), ("budget", 1), ("cycles", 0), ("subset", 0)):
        if getattr(o, name) < least:
            raise BadRequest(f"{name} = {getattr(o, name)}: expected at least {least}")
    if (asked := o.initial + o.budget * o.cycles) > pool:
        raise BadRequest(
            f"initial {o.initial} + {o.cycles} x budget {o.budget} = {asked} labels: more than the pool's {pool}"
        )
    if 0 < o.subset < o.budget:
        raise BadRequest(f"subset = {o.subset}: smaller than the budget of {o.budget}")
    if o.initial_labels == "reserved":
        if (aside := getattr(o, "reserved", 0)) != o.initial:
            raise BadRequest(f"initial_labels = 'reserved': initial = {o.initial}, reserved = {aside}; give one number")
    elif o.initial_labels not in ("random", "balanced"):
        name, own = acquisition.parse_arm(o.initial_labels)
        about = acquisition.describe(name)
        needs = set(about.needs)
        for option, value in own.items():
            if option not in about.parameters:
                known = ", ".join(about.parameters) or "no option"
                raise BadRequest(f"initial_labels = {o.initial_labels!r}: {name} knows no {option}; it has {known}")
            own[option] = coerce(value, type(about.parameters[option]), f"initial_labels = {o.initial_labels!r}: {option}")
        acquisition.check_options(name, own)
        if "@" in about.name:  # its source is not in the key, and it does not travel
            raise BadRequest(f"initial_labels = {o.initial_labels!r} is of a notebook cell; accepted: a strategy of alnb")
        if about.oracle:
            raise BadRequest(f"initial_labels = {o.initial_labels!r} sees the labels of the pool")
        if o.initial_pool == "once":
            raise BadRequest(f"initial_labels = {o.initial_labels!r} looks through a network that differs from seed to seed; "
                             "accepted: initial_pool = 'per_seed'")  # fmt: skip
        check_offered(run, needs, f"initial_labels = {o.initial_labels!r}")
        if "dropout_probabilities" in needs and not getattr(o, "dropout", 1):
            raise BadRequest(f"initial_labels = {o.initial_labels!r} wants a network with dropout: give dropout, e.g., 0.5")
        if trained := needs & {"predictions", "counts", "mean_confidence", "committee", "labelled_targets", "labelled_images"}:
            raise BadRequest(f"initial_labels = {o.initial_labels!r} needs {min(trained)}, and nothing is trained yet")
