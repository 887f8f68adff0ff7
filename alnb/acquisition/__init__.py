"""Acquisition strategies: arrays in, scores or rows out.

A strategy is one function with one decorator, in a file of alnb/acquisition or alnb/methods or in a notebook cell:

    @score("margin", needs=("probabilities",))
    def margin(view): ...                         # (U,) tensor, larger = ask first

    @select("k_center", needs=("embeddings", "labelled_embeddings"))
    def k_center(view, budget, rng): ...          # rows of the candidates, best first

`view` describes the U candidates of one cycle; a row is an index into them. Which fields it has is the task's matter
(`offers`, see alnb/tasks); always there are `size`, `device` and `priority`, (U,) distinct, smaller = first in the shared
random order. A grid refuses, before it starts, a strategy that needs what its task does not offer. What every strategy
owes its caller (exactly `budget` distinct rows, no NaN, ties settled by the shared random order) is checked in
one place, `Strategy.choose`. There is no list to edit: the catalogue is read from the sources, unimported.

What can be chosen about a strategy is a keyword-only argument with a literal default (`*, passes=50`); an arm of a
race sets it by name, `bald(passes=20)` (see `parse_arm`). A function `check_<name>(**options)` beside it, which every
strategy of alnb with numbers to choose has, lets a grid refuse what cannot be before anything runs.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import operator
import pickle
import re
import sys
import types
from dataclasses import dataclass

from alnb.acquisition import sources
from alnb.acquisition.arms import parse_arm, write_arm
from alnb.errors import BadRequest
from alnb.fingerprint import Digest, check_helpers, fingerprint

__all__ = [
    "PART", "Choice", "Part", "Strategy", "catalogue", "check_options", "describe", "get", "local", "parse_arm", "parts", "score",
    "select", "write_arm",
]  # fmt: skip

local: dict[str, Strategy] = {}
"""Strategies defined outside alnb, by name: in a notebook cell, which replaces its own when run again."""


@dataclass(frozen=True)
class Choice:
    """`rows`: (budget,) int64 tensor on the CPU, rows of the candidates, best first.

    `tied_share`: share of the batch whose place was decided by the tie-break, that is those at the cut-off score
    if more candidates have that score than were taken; NaN where a strategy gives rows, not scores.
    `ranking`: (n,) rows, of which `rows` is the beginning: all candidates by their score, or what `choose` was asked for
    beyond the batch; `scores`: (U,) on the CPU, None where a strategy gives rows.
    """

    rows: object
    tied_share: float
    ranking: object
    scores: object = None


@dataclass(frozen=True)
class Strategy:
    """`kind` is "score" or "select", `source` a citation, `parameters` its keyword-only arguments and their defaults.
    `nested`: a smaller batch is the beginning of a larger one, as for all scores. `label`, which the key of a run
    holds, is the name, or name@<8 hex of its source> for a strategy defined outside alnb. `parted`: see `select`.
    `helpers`: modules of the user's that it uses, and the SHA-256 of their files."""

    name: str
    kind: str
    function: types.FunctionType
    needs: tuple[str, ...]
    oracle: bool
    source: str
    nested: bool
    label: str
    parted: str = ""
    helpers: tuple[tuple[str, str], ...] = ()

    @functools.cached_property
    def parameters(self) -> dict:
        return dict(self.function.__kwdefaults__ or {})

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def choose(
        self, view, budget: int, rng, *, ranked: int = 0, part: Part | None = None, **parameters
    ) -> Choice | dict:
        """The `budget` candidates to label. `rng`: the torch.Generator (CPU) of this strategy and cycle. `ranked`: how
        many a figure wants ranked; asked of a nested strategy only, whose batch is the beginning of a larger one.
        `part`: what is to be done of a choice in parts, all of it if None; what it leaves, where it is not the last.

        Raises BadRequest for a budget outside 1..U, for NaN in what the strategy needs or gives, and for a result
        of the wrong shape, out of range or with a repeated row.
        """
        budget = self._checked_budget(budget, view.size)
        for field in self.needs:
            if not callable(value := getattr(view, field)) and _has_nan(value):
                raise self._refused(f"view.{field} holds NaN", "numbers only")
        if self.kind == "score":
            return self._best(self.function(view, **parameters), view, budget)
        wanted = max(budget, min(ranked, view.size)) if self.nested else budget
        given = self.function(view, wanted, rng, *[part] * (part is not None), **parameters)
        if part is not None and isinstance(given, dict):
            return given
        ranking = self._checked_rows(given, view.size, wanted)
        return Choice(ranking[:budget], float("nan"), ranking)

    def _refused(self, given, accepted):
        return BadRequest(f"strategy {self.label!r}: {given}; accepted: {accepted}")

    def _checked_budget(self, budget, size):
        try:
            number = 0 if isinstance(budget, bool) else operator.index(budget)
        except TypeError:
            number = 0
        if not 1 <= number <= size:
            raise self._refused(f"budget {budget!r} for {size} candidates", f"a whole number from 1 to {size}")
        return number

    def _best(self, scores, view, budget):
        scores = _tensor(scores).detach().to(view.priority.device)
        if scores.shape != (view.size,) or scores.is_complex():
            raise self._refused(
                f"gave scores of shape {tuple(scores.shape)}, {scores.dtype}",
                f"one real number per candidate, shape ({view.size},)",
            )
        if _has_nan(scores):
            raise self._refused(f"gave NaN for {int(scores.isnan().sum())} of {view.size} candidates", "numbers only")
        # a stable sort of the candidates in the shared random order is what settles ties
        shared = view.priority.argsort()
        best = scores[shared].sort(descending=True, stable=True)
        at_cut = best.values == best.values[budget - 1]
        taken, equal = int(at_cut[:budget].sum()), int(at_cut.sum())
        ranking = shared[best.indices].cpu()
        return Choice(ranking[:budget], taken / budget if equal > taken else 0.0, ranking, scores.cpu())

    def _checked_rows(self, rows, size, budget):
        import torch

        rows = _tensor(rows).detach().cpu()
        if rows.shape != (budget,) or rows.dtype == torch.bool or rows.is_floating_point() or rows.is_complex():
            raise self._refused(
                f"gave rows of shape {tuple(rows.shape)}, {rows.dtype}",
                f"{budget} whole numbers, shape ({budget},)",
            )
        rows = rows.to(torch.int64)
        if int(rows.min()) < 0 or int(rows.max()) >= size:
            raise self._refused(
                f"gave rows from {int(rows.min())} to {int(rows.max())}",
                f"0 to {size - 1}, they index the candidates",
            )
        if len(rows.unique()) < budget:
            raise self._refused(f"gave {len(rows.unique())} distinct rows", f"{budget}, each candidate once")
        return rows

    def __reduce_ex__(self, protocol):
        # alnb's own strategies travel by name; others by value, and are known by name where they arrive
        if self.label == self.name:
            return get, (self.name,)
        facts = (self.name, self.kind, self.needs, self.oracle, self.source, self.nested, self.label, self.parted)
        return _arrive, (_by_value(self.function), self.helpers, *facts)


def score(name: str, *, needs: tuple[str, ...] = (), oracle: bool = False, source: str = ""):
    """Decorator of `f(view) -> (U,)` scores, larger = ask first. `needs`: fields of the view; `source`: a citation.
    BadRequest where the parentheses are missing: @score takes a name."""
    return functools.partial(_strategy, _named(name, "score"), "score", needs, oracle, source, True, "")


def select(
    name: str, *, needs: tuple[str, ...] = (), oracle: bool = False, source: str = "", nested: bool = False, parted: str = ""
):  # fmt: skip
    """Decorator of `f(view, budget, rng) -> rows` of the candidates, best first. `nested`: see `Strategy`.

    parted: the option of f that counts the updates of a model of its own. With more than PART of them a choice takes several
    steps of a run. f takes then a fourth argument, part=None, the `Part` to be done, and gives what it leaves, a nested dict
    of tensors, where updates are left to do; the rows are the same, bit for bit, in however many parts.
    """
    return functools.partial(_strategy, _named(name, "select"), "select", needs, oracle, source, nested, parted)


PART = 1000  # updates in a step: some minutes of the published networks of VAAL and SRAAL on a GPU


@dataclass(frozen=True)
class Part:
    """Updates `begin` to `end` of a choice, and what the part before it left (None: it is the first)."""

    begin: int
    end: int
    state: dict | None = None


def parts(name: str, options: dict) -> list[tuple[int, int]]:
    """(begin, end) of each part of a choice; [(0, 0)], one, of a strategy that is not parted or has few updates, and of an
    arm that is no strategy."""
    about = _find_local(name) or sources.entries().get(name)
    updates = (about.parameters | dict(options))[about.parted] if about and about.parted else 0
    if updates <= PART:
        return [(0, 0)]
    return [(begin, min(begin + PART, updates)) for begin in range(0, updates, PART)]


def _named(name, kind):
    if isinstance(name, types.FunctionType):
        local.pop(name.__name__, None)  # as below: what was there before does not race in its place
        raise BadRequest(f'@{kind} stands without its name; accepted: @{kind}("{name.__name__}", needs=(...))')
    return name


# --- what alnb itself has -----------------------------------------------------------------------------------


def catalogue() -> dict[str, str]:
    """Name -> module of every strategy in alnb/acquisition/*.py and alnb/methods/*.py."""
    return {name: entry.module for name, entry in sources.entries().items()}


def describe(name: str) -> sources.Entry:
    """Needs, oracle mark, kind and citation of a strategy; BadRequest for an unknown name."""
    if found := _find_local(name):
        facts = (found.kind, found.needs, found.oracle, found.source, found.nested, found.parameters)
        return sources.Entry(found.label, found.function.__module__, *facts, {}, parted=found.parted)
    return sources.entries()[_known(name)]


def check_options(name: str, options: dict) -> None:
    """BadRequest for options that a strategy of alnb refuses by a function beside it, `check_<name>(**options)`, given all of
    them; so a grid refuses what would otherwise end its run. options: those that differ from the defaults."""
    if (about := describe(name)).checked:
        check = getattr(importlib.import_module(about.module), f"check_{about.name}")
        check(**about.parameters | dict(options))


def get(name: str) -> Strategy:
    """The strategy of that name, or of name@hash if defined outside alnb; BadRequest for an unknown one."""
    if found := _find_local(name):
        return found
    module = importlib.import_module(sources.entries()[_known(name)].module)
    return next(value for value in vars(module).values() if isinstance(value, Strategy) and value.name == name)


def _find_local(name):
    found = local.get(name.partition("@")[0])
    return found if found and name in (found.name, found.label) else None


NEAREST = 8  # names that a refusal lists


def _known(name):
    entries = sources.entries()
    if name in entries:
        return name
    names = [*entries, *local]
    near = difflib.get_close_matches(name, names, 1)
    nearest = difflib.get_close_matches(name, names, NEAREST, 0.0)
    hint = f"did you mean {near[0]!r}?" if near else f"accepted: {', '.join(nearest)} and {len(names) - len(nearest)} others"
    raise BadRequest(f"no strategy {name!r}; {hint}")


# --- what is defined outside, in a notebook cell ------------------------------------------------------------


def _strategy(name, kind, needs, oracle, source, nested, parted, function):
    needs = sources.fields(needs)
    local.pop(name, None) if isinstance(name, str) else None  # a definition that fails never races the one before it
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise BadRequest(f"strategy name {name!r}; accepted: lower-case letters, digits and _, a letter first")
    if not isinstance(function, types.FunctionType):
        raise BadRequest(f"strategy {name!r}: @{kind} takes a function, not {type(function).__name__}")
    for field in needs:
        if not isinstance(field, str) or not field.isidentifier():
            raise BadRequest(f"strategy {name!r} needs {field!r}; accepted: names of fields of the view")
    if "truth" in needs and not oracle:
        raise BadRequest(f"strategy {name!r} needs the true classes: only a strategy marked oracle=True may")
    wanted = ("view", "budget", "rng", "part")[: 1 if kind == "score" else 3 + bool(parted)]
    try:
        inspect.signature(function).bind(*wanted)
    except TypeError:
        wanted = f"({', '.join(wanted)})"
        raise BadRequest(f"strategy {name!r} takes {inspect.signature(function)}; accepted: {wanted}") from None
    if (function.__module__ or "").split(".")[0] == "alnb":
        return Strategy(name, kind, function, needs, oracle, source, nested, name, parted)
    if name in sources.entries():
        raise BadRequest(f"strategy name {name!r} is taken by {sources.entries()[name].module}; accepted: any other")
    digest = Digest()
    fingerprint(function, f"strategy {name!r}", function.__module__, digest)
    label = f"{name}@{digest.hexdigest()[:8]}"
    helpers = tuple(digest.helpers.items())
    strategy = local[name] = Strategy(name, kind, function, needs, oracle, source, nested, label, parted, helpers)
    return strategy


def _arrive(parcel, helpers, name, kind, *facts):
    check_helpers(helpers)
    strategy = local[name] = Strategy(name, kind, pickle.loads(parcel), *facts, helpers)
    return strategy


def _by_value(function):
    """A pickle of `function` that loads where its module cannot be imported."""
    import cloudpickle

    module = sys.modules.get(function.__module__)
    ours = module is not None and module.__name__ not in {"__main__", *cloudpickle.list_registry_pickle_by_value()}
    if ours:
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps(function)
    finally:
        if ours:
            cloudpickle.unregister_pickle_by_value(module)


def _tensor(values):
    """What a strategy gave as a tensor, whatever the order of an array's memory: argsort()[::-1] has it backwards."""
    import numpy
    import torch

    return torch.as_tensor(values.copy() if isinstance(values, numpy.ndarray) else values)


def _has_nan(tensor):
    return tensor.is_floating_point() and bool(tensor.isnan().any())
