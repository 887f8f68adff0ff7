"""One race written for several budgets: `budgets`, in percent of the pool, or `per_class`, in labels of a class.

As many labels come first as in every cycle. `at` says in what some of these races differ. A study's `grid` turns what it is given
into races (alnb/races.py) by these two functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alnb import datasets
from alnb.errors import BadRequest
from alnb.runs import coerce


def by_budget(name: str, race: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, dict]:
    """A race of its own for each of `budgets`, percent of the pool: as many labels first as in every cycle. `at` says in what
    some differ, {"10": {"arms": [...]}}."""
    race = dict(race)
    budgets, changes = race.pop("budgets", None), race.pop("at", {})
    if not race or race.get("dataset") == "":
        return {}
    budgets = _listed(f"{name}: budgets", budgets, float)
    size = race.get("pool", shared.get("pool", 0)) or datasets.info(race.get("dataset")).train
    changed = _changes(name, changes, [f"{percent:g}" for percent in budgets])
    found = {}
    for percent in budgets:
        own, labels = race | changed.get(f"{percent:g}", {}), round(percent / 100 * size)
        _refuse_sizes(name, own, "budgets")
        if not 0 < percent <= 100 or labels < 1:
            raise BadRequest(
                f"{name}: budgets: {percent:g} % of a pool of {size}: expected one label at least, 100 % at most"
            )
        if (race_name := f"{name} {percent:g}%") in found:
            raise BadRequest(f"{name}: budgets = {budgets}: two of them are {percent:g} %; six digits tell them apart")
        found[race_name] = {**own, "initial": labels, "budget": labels}
    return found


def by_classes(race: dict[str, Any]) -> dict[str, dict]:
    """A race for each of `datasets` and each of `per_class`, labels of a class. `at` says in what some datasets differ,
    {"features-200": {"per_class": [1, 2]}}."""
    if not race:
        return {}
    names = _listed("classes: datasets", race.pop("datasets", None), str)
    changed, found = _changes("classes", race.pop("at", {}), names), {}
    for dataset in names:
        own = race | changed.get(dataset, {})
        _refuse_sizes("classes", own, "per_class")
        for each in _listed("classes: per_class", own.pop("per_class", None), int):
            labels = each * datasets.info(dataset).classes
            found[f"{dataset} x {each}"] = {"dataset": dataset, **own, "initial": labels, "budget": labels}
    return found


def _changes(name: str, given, known: list[str]) -> dict[str, dict]:
    changes = {
        str(key): coerce(value, dict, f"{name}: at") for key, value in coerce(given, dict, f"{name}: at").items()
    }
    if lost := [key for key in changes if key not in known]:
        raise BadRequest(f"{name}: at has {lost[0]!r}; accepted: {', '.join(known)}")
    return changes


def _refuse_sizes(name: str, race: Mapping[str, Any], word: str) -> None:
    """BadRequest for labels that a race gives beside the word that already says how many, first and in every cycle."""
    if given := [size for size in ("initial", "budget") if size in race]:
        raise BadRequest(
            f"{name}: {given[0]} = {race[given[0]]!r}: {word} says it, first labels and each cycle's alike"
        )


def _listed(what: str, given, kind) -> list:
    values = coerce(given if given is not None else [], list[kind], what)
    if not values or min(values, key=lambda v: v if kind is not str else 1) in (0,) or len(set(values)) < len(values):
        raise BadRequest(f"{what} = {given!r}: expected a list of different ones, one at least")
    return values
