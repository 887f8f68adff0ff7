"""Acquisition strategies: arrays in, scores or rows out.

A strategy is one function with one decorator, in a file of `alnb/acquisition` or `alnb/methods`, or in a notebook cell:

    @score("margin", needs=("probabilities",))
    def margin(view): ...                         # (U,) tensor, larger = ask first

    @select("k_center", needs=("embeddings", "labelled_embeddings"))
    def k_center(view, budget, rng): ...          # rows of the candidates, best first

`view` describes the U candidates of one cycle (see `FIELDS`); a row is an index into them. What every strategy owes its
caller (exactly `budget` distinct rows, no NaN, ties settled by the shared random order) is checked in one place,
`Strategy.choose`. There is no list to edit: the catalogue is read from the sources, without importing them.
"""
from __future__ import annotations

import ast
import builtins
import difflib
import dis
import functools
import hashlib
import importlib
import inspect
import operator
import re
import textwrap
import types
from dataclasses import dataclass
from pathlib import Path

from alnb.errors import BadRequest

# What a strategy may need. U candidates, C classes, D features, T epochs of this cycle's training, L labelled samples.
# `size`, `classes`, `device` and `priority` ((U,) distinct, smaller = first in the shared random order) are always there.
FIELDS = {
    "probabilities": "(U, C) float, softmax",
    "log_probabilities": "(U, C) float, log-softmax",
    "embeddings": "(U, D) float, penultimate features",
    "predictions": "(T, U) int, class predicted after each epoch, last epoch last",
    "counts": "(U, C) int, how often each class was predicted over the T epochs",
    "mean_confidence": "(U,) float, mean over the T epochs of the largest probability",
    "images": "(U, 3, H, W) uint8",
    "labelled_embeddings": "(L, D) float",
    "labelled_targets": "(L,) int",
    "truth": "(U,) int, true classes: for strategies marked oracle=True only",
}

local: dict[str, Strategy] = {}
"""Strategies defined outside alnb (a notebook cell, a script), by name; running a cell again replaces its entry."""


@dataclass(frozen=True)
class Choice:
    rows: object
    """(budget,) int64 tensor on the CPU: rows of the candidates, best first."""
    tied_share: float
    """Share of the batch whose place was decided by the tie-break; NaN where the strategy gives rows, not scores."""


@dataclass(frozen=True)
class Strategy:
    name: str
    kind: str
    """"score" or "select"."""
    function: types.FunctionType
    needs: tuple[str, ...] = ()
    oracle: bool = False
    source: str = ""
    """Citation."""
    label: str = ""
    """The name, or name@<8 hex of its source> for a strategy defined outside alnb: what a run's key holds."""

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def choose(self, view, budget: int, rng) -> Choice:
        """The `budget` candidates to label, best first. `rng`: the torch.Generator of this strategy and cycle.

        Raises BadRequest for a budget outside 1..U, for NaN in what the strategy needs or gives, and for a result of
        the wrong shape, out of range or with a repeated row.
        """
        budget = self._checked_budget(budget, view.size)
        for field in self.needs:
            if _has_nan(getattr(view, field)):
                raise BadRequest(f"strategy {self.label!r}: view.{field} holds NaN; accepted: numbers only")
        if self.kind == "score":
            return self._best(self.function(view), view, budget)
        return Choice(self._checked_rows(self.function(view, budget, rng), view.size, budget), float("nan"))

    def _checked_budget(self, budget, size):
        try:
            number = operator.index(budget)
        except TypeError:
            number = 0
        if isinstance(budget, bool) or not 1 <= number <= size:
            raise BadRequest(f"strategy {self.label!r}: budget {budget!r} for {size} candidates; accepted: a whole number"
                             f" from 1 to {size}")
        return number

    def _best(self, scores, view, budget):
        import torch

        scores = torch.as_tensor(scores).detach().to(view.priority.device)
        if scores.shape != (view.size,) or scores.is_complex():
            raise BadRequest(f"strategy {self.label!r} gave scores of shape {tuple(scores.shape)} and type {scores.dtype};"
                             f" accepted: one real number per candidate, shape ({view.size},)")
        if scores.dtype == torch.bool:
            scores = scores.to(torch.uint8)
        if _has_nan(scores):
            raise BadRequest(f"strategy {self.label!r} gave NaN for {int(scores.isnan().sum())} of {view.size} candidates;"
                             " accepted: numbers only")
        # a stable sort of the candidates in the shared random order is what settles ties
        shared = view.priority.argsort()
        best = scores[shared].sort(descending=True, stable=True)
        at_cut = best.values == best.values[budget - 1]
        taken, equal = int(at_cut[:budget].sum()), int(at_cut.sum())
        return Choice(shared[best.indices[:budget]].cpu(), taken / budget if equal > taken else 0.0)

    def _checked_rows(self, rows, size, budget):
        import torch

        rows = torch.as_tensor(rows).detach().cpu()
        if rows.shape != (budget,) or rows.is_floating_point() or rows.is_complex() or rows.dtype == torch.bool:
            raise BadRequest(f"strategy {self.label!r} gave rows of shape {tuple(rows.shape)} and type {rows.dtype};"
                             f" accepted: {budget} whole numbers, shape ({budget},)")
        rows = rows.to(torch.int64)
        if int(rows.min()) < 0 or int(rows.max()) >= size:
            raise BadRequest(f"strategy {self.label!r} gave a row outside 0..{size - 1}: rows index the candidates")
        if len(rows.unique()) < budget:
            raise BadRequest(f"strategy {self.label!r} gave {len(rows.unique())} distinct rows; accepted: {budget}")
        return rows

    def __reduce_ex__(self, protocol):
        # alnb's own strategies travel by name; others by value, and are known by name where they arrive
        if self.label == self.name:
            return get, (self.name,)
        return _arrive, (self.name, self.kind, self.function, self.needs, self.oracle, self.source, self.label)


def score(name: str, *, needs: tuple[str, ...] = (), oracle: bool = False, source: str = ""):
    """Decorator of `f(view) -> (U,)` scores, larger = ask first. `needs`: names of `FIELDS`; `source`: citation."""
    return functools.partial(_strategy, name, "score", needs, oracle, source)


def select(name: str, *, needs: tuple[str, ...] = (), oracle: bool = False, source: str = ""):
    """Decorator of `f(view, budget, rng) -> rows` of the candidates, best first; `rng` is a CPU torch.Generator."""
    return functools.partial(_strategy, name, "select", needs, oracle, source)


# ---------------------------------------------------------------------------------------------- what alnb itself has

@dataclass(frozen=True)
class Entry:
    """What the source says of a strategy, read without importing it."""
    name: str
    module: str
    kind: str
    needs: tuple[str, ...]
    oracle: bool
    source: str


def catalogue() -> dict[str, str]:
    """Name -> module of every strategy in alnb/acquisition/*.py and alnb/methods/*.py."""
    return {name: entry.module for name, entry in _entries().items()}


def describe(name: str) -> Entry:
    """Needs, oracle mark, kind and citation of a strategy; BadRequest for an unknown name."""
    if found := _find_local(name):
        return Entry(found.label, found.function.__module__, found.kind, found.needs, found.oracle, found.source)
    return _entries()[_known(name)]


def get(name: str) -> Strategy:
    """The strategy of that name (or name@hash, if it was defined outside alnb); BadRequest for an unknown one."""
    if found := _find_local(name):
        return found
    module = importlib.import_module(_entries()[_known(name)].module)
    return next(value for value in vars(module).values() if isinstance(value, Strategy) and value.name == name)


def _find_local(name):
    found = local.get(name.partition("@")[0])
    return found if found and name in (found.name, found.label) else None


def _known(name):
    entries = _entries()
    if name in entries:
        return name
    names = [*entries, *local]
    near = difflib.get_close_matches(name, names, 1)
    raise BadRequest(f"no strategy {name!r}; " + (f"did you mean {near[0]!r}? " if near else "")
                     + f"accepted: {', '.join(sorted(names))}")


def _entries():
    package = Path(__file__).parent.parent
    entries = {}
    for folder in ("acquisition", "methods"):
        for path in sorted((package / folder).glob("*.py")):
            for entry in _read(path, f"alnb.{folder}.{path.stem}", path.stat().st_mtime_ns):
                if entry.name in entries:
                    raise BadRequest(f"two strategies are named {entry.name!r}: in {entries[entry.name].module} and in"
                                     f" {entry.module}")
                entries[entry.name] = entry
    return dict(sorted(entries.items()))


@functools.lru_cache(maxsize=None)
def _read(path, module, changed):
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for call in getattr(node, "decorator_list", ()):
            if not isinstance(call, ast.Call):
                continue
            kind = getattr(call.func, "id", getattr(call.func, "attr", None))
            if kind in ("score", "select"):
                try:
                    name, = map(ast.literal_eval, call.args)
                    given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
                except ValueError:
                    raise BadRequest(f"{path.name}, line {call.lineno}: @{kind} takes one name and literal keywords") from None
                found.append(Entry(name, module, kind, _names(given.get("needs", ())), given.get("oracle", False),
                                   given.get("source", "")))
    return found


# ------------------------------------------------------------------------------- what is defined outside (in a cell)

def _strategy(name, kind, needs, oracle, source, function):
    needs = _names(needs)
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise BadRequest(f"strategy name {name!r}; accepted: lower-case letters, digits and _, a letter first")
    if not isinstance(function, types.FunctionType):
        raise BadRequest(f"strategy {name!r}: @{kind} takes a function, not {type(function).__name__}")
    for field in needs:
        if field not in FIELDS:
            raise BadRequest(f"strategy {name!r} needs {field!r}; accepted: {', '.join(FIELDS)}")
    if "truth" in needs and not oracle:
        raise BadRequest(f"strategy {name!r} needs the true classes: only a strategy marked oracle=True may")
    try:
        inspect.signature(function).bind(*("view", "budget", "rng")[:1 if kind == "score" else 3])
    except TypeError:
        wanted = "(view)" if kind == "score" else "(view, budget, rng)"
        raise BadRequest(f"strategy {name!r}: @{kind} calls it with {wanted}, which its arguments do not fit") from None
    if function.__module__.split(".")[0] == "alnb":
        return Strategy(name, kind, function, needs, oracle, source, name)
    if name in _entries():
        raise BadRequest(f"strategy {name!r}: {_entries()[name].module} has that name already; choose another")
    digest = hashlib.sha256()
    _fingerprint(function, f"strategy {name!r}", digest)
    return _arrive(name, kind, function, needs, oracle, source, f"{name}@{digest.hexdigest()[:8]}")


def _arrive(*fields):
    strategy = local[fields[0]] = Strategy(*fields)
    return strategy


def _names(needs):
    return (needs,) if isinstance(needs, str) else tuple(needs)


def _fingerprint(value, who, digest):
    """Feed `digest` all that decides what `value` does; BadRequest where that cannot be known.

    A function is its source, its defaults and what it closes over; any other global could change unseen, would not be
    in the key of the run, and might not exist in another process.
    """
    if isinstance(value, types.FunctionType):
        try:
            digest.update(textwrap.dedent(inspect.getsource(value)).encode())
        except (OSError, TypeError):
            raise BadRequest(f"{who}: the source of {value.__qualname__} cannot be read; define it in a notebook cell or a"
                             " file, not by exec or at a bare prompt") from None
        for name in sorted(_globals_read(value.__code__)):
            if not isinstance(value.__globals__.get(name), types.ModuleType) and (
                    name in value.__globals__ or not hasattr(builtins, name)):
                raise BadRequest(f"{who} reads the global {name!r}; accepted: modules, arguments and defaults. Pass it as a"
                                 f" default ({name}={name}), or import or define it inside the function")
        closed = {name: cell.cell_contents for name, cell in zip(value.__code__.co_freevars, value.__closure__ or ())}
        for part in (value.__defaults__ or (), value.__kwdefaults__ or {}, closed):
            if part:
                _fingerprint(part, who, digest)
    elif isinstance(value, (type(None), bool, int, float, complex, str, bytes)):
        digest.update(repr(value).encode())
    elif isinstance(value, (list, tuple)):
        digest.update(f"{type(value).__name__} of {len(value)}:".encode())
        for item in value:
            _fingerprint(item, who, digest)
    elif isinstance(value, dict) and all(isinstance(key, str) for key in value):
        digest.update(f"dict of {len(value)}:".encode())
        for key in sorted(value):
            _fingerprint((key, value[key]), who, digest)
    elif isinstance(value, (types.ModuleType, types.BuiltinFunctionType)):
        digest.update(f"{getattr(value, '__module__', '')} {value.__name__}".encode())
    elif isinstance(value, Strategy):
        digest.update(value.label.encode())
    elif hasattr(value, "dtype") and hasattr(value, "__array__"):
        array = value.detach().cpu().numpy() if hasattr(value, "detach") else value
        digest.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    else:
        raise BadRequest(f"{who}: a default or enclosed value of type {type(value).__name__}; accepted: numbers, strings,"
                         " lists, tuples, dicts with string keys, arrays, tensors, functions, modules, strategies")


def _globals_read(code):
    names = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME",
             "STORE_GLOBAL", "DELETE_GLOBAL")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _globals_read(constant)
    return names


def _has_nan(tensor):
    return tensor.is_floating_point() and bool(tensor.isnan().any())
