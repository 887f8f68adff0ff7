"""What was asked: a `Run` and its key, the `Study` that answers it, the random streams both draw from.

A run is named by what it asks, never by how it is computed: device, workers and paths are not in its key. Two runs
with the same key ask the same question, so their rows may be reused wherever they were computed.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import json
import math
import typing
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alnb.errors import BadRequest

if TYPE_CHECKING:
    import numpy
    import torch

    from alnb.tasks import Metric


# --- settings: typed, with defaults -----------------------------------------------------------------------------

Scalar = int | float | str | bool


def coerce(value: Any, kind: Any, name: str) -> Any:
    """`value` as the declared type `kind` (int, float, str, bool, list[...], tuple[..., ...], dict[str, ...]) or BadRequest.

    50.0 is the int 50 and 1 the float 1.0, so that equal questions have equal keys; "50" is neither.
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (list, tuple):
        if isinstance(value, (list, tuple)):
            return origin(coerce(item, inner[0], f"an item of {name}") for item in value)
    elif origin is dict:
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {key: coerce(item, inner[1], f"{name}[{key!r}]") for key, item in value.items()}
    elif kind is Scalar:
        if isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value)):
            return value
    elif origin is typing.Literal:
        if value in inner:
            return value
        raise BadRequest(f"{name} = {value!r}: expected one of {', '.join(map(repr, inner))}")
    elif kind is bool:
        if isinstance(value, bool):
            return value
    elif kind is int:
        if isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0:
            return int(value)
    elif kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    elif isinstance(value, kind):
        return value
    shown = getattr(kind, "__name__", str(kind)) if origin is None else str(kind)
    if origin is list:
        shown += f", such as [{'random, margin' if inner[0] is str else '1, 2'}]"
    shown += " that is finite" * (kind is float and isinstance(value, float))
    raise BadRequest(f"{name} = {value!r} ({type(value).__name__}): expected {shown}")


# --- studies ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """What one step returns.

    rows: flat dicts of JSON scalars, `kind` names their sort · state: JSON, given to the next step · queries: what the
    oracle is asked before the next step · blobs: name -> nested dict of tensors, kept only as long as a later step or
    another run starts from them · done: no step follows · timings: seconds by name (not part of the result).
    """

    rows: list[dict]
    state: dict = field(default_factory=dict)
    queries: list = field(default_factory=list)
    blobs: dict[str, dict] = field(default_factory=dict)
    done: bool = False
    timings: dict[str, float] = field(default_factory=dict)


@dataclass
class State:
    """What a step starts from: the last step's state, queries and blobs, the answers, the runs it `needs`.

    `answers` is None where the oracle is the dataset's own labels; else one answer per query, in order. `rows` are
    those of all steps so far.
    """

    index: int = 0
    data: dict = field(default_factory=dict)
    queries: list = field(default_factory=list)
    answers: list | None = None
    blobs: dict[str, dict] = field(default_factory=dict)
    rows: list[dict] = field(default_factory=list)
    needs: dict[str, State] = field(default_factory=dict)
    carry: Any = None


@dataclass(frozen=True)
class Question:
    """A query as a person sees it: images (H, W, 3) uint8 with their captions, a text, and what can be answered.

    choices: (key, label, answer) each, the key pressed for it, what its button says, what the study is told (JSON)."""

    text: str
    images: tuple[tuple[str, Any], ...]
    choices: tuple[tuple[str, str, Any], ...]


TRUTH = "truth"
WAIT = object()
"""What an oracle returns that has no answer yet: the run is parked."""


def truth(run: Run, queries: list) -> Any:
    """The oracle unless another is given: None, for the dataset's own labels, or WAIT where the setting `annotator` names a
    person."""
    return None if getattr(run.options, "annotator", TRUTH) == TRUTH else WAIT


def asks_a_person(run: Run) -> bool:
    """Whether a person answers `run`, question by question."""
    return study(run.study).talk is not None and truth(run, []) is WAIT


@dataclass(frozen=True)
class Study:
    """How runs of one name are answered. `revision` is bumped when their results change.

    step(run, state) -> Step · settings: a dataclass of typed defaults · steps(run): how many steps are planned ·
    seconds(run): rough seconds on one core, for the estimate before a grid starts · metrics(dataset): what its rows of
    kind "test" hold, the primary one first (tasks.Metric) · offers(dataset): the fields that its strategies may need, with
    their shapes · check(run): BadRequest for settings that cannot be · network(run): what is trained, for the column `network` ·
    arm: runs of arms that are no strategy, which another study's races may have (races.Special) · prepare(run, say): make
    what runs share and is kept apart from them (features), before any starts, telling `say` how far it is · talk(run,
    state): `step` as a generator that asks one question at a time, for when somebody else answers: it yields a query (JSON),
    is sent its answer (JSON) and returns the Step. With the same answers its rows are those of `step` · question(run,
    query): what a person sees of a query (Question) · questions(run): how many whoever answers it is asked, at most ·
    synthetic: its data of its own are drawn by a program in the paper too (a sorter's sequences), so that they stand in for
    nothing · selections: whether what its runs asked for is kept with their records (alnb/selections.py); not where it is as
    quickly asked anew · kept(run, rows): what records keep of a step's rows, and of rows kept so already the same.
    """

    name: str
    revision: int
    step: Callable[[Run, State], Step]
    settings: type
    steps: Callable[[Run], int]
    seconds: Callable[[Run], float] = lambda run: 0.0
    metrics: Callable[[str], tuple[Metric, ...]] = lambda dataset: ()
    offers: Callable[[str], Mapping[str, str]] = lambda dataset: {}
    check: Callable[[Run], None] = lambda run: None
    network: Callable[[Run], str] = lambda run: getattr(run.options, "network", "")
    arm: Callable[..., list[Run] | None] | None = None
    prepare: Callable[[Run, Callable[[str], None]], None] = lambda run, say: None
    talk: Callable[[Run, State], Generator[Any, Any, Step]] | None = None
    question: Callable[[Run, Any], Question] | None = None
    questions: Callable[[Run], int] | None = None
    synthetic: bool = False
    selections: bool = True
    kept: Callable[[Run, list[dict]], list[dict]] = lambda run, rows: rows

    @functools.cached_property
    def types(self) -> dict[str, Any]:
        return typing.get_type_hints(self.settings)

    @functools.cached_property
    def defaults(self) -> dict[str, Any]:
        made = self.settings()
        return {f.name: getattr(made, f.name) for f in dataclasses.fields(self.settings)}


def answered(talk: Generator[Any, Any, Step], truth: Callable[[Any], Any]) -> Step:
    """The Step of a generator that asks (`Study.talk`), each of its queries answered by `truth(query)`."""
    answer = None
    while True:
        try:
            query = talk.send(answer)
        except StopIteration as end:
            return end.value
        answer = truth(query)


@functools.cache
def study(name: str) -> Study:
    """The `STUDY` of alnb/methods/<name>.py, or of a dotted module path (a study outside the package)."""
    module = importlib.import_module(name if "." in name else f"alnb.methods.{name}")
    return module.STUDY


# --- runs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Run:
    """One question: a study, a dataset, a method, a seed, settings, and the runs whose final state it starts from.

    `carry` is an object that travels with the run to the worker (a strategy written in a notebook cell); its identity
    is in `method`, so it is no part of the key. `arm` is what figures call the run, where that says more than its
    method; `race` names the comparison of a notebook it stands in: neither is in the key. Raises BadRequest for unknown
    settings and wrong types.
    """

    study: str
    dataset: str
    method: str
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, Run] = field(default_factory=dict)
    carry: Any = field(default=None, repr=False)
    arm: str = ""
    race: str = ""

    def __post_init__(self):
        known = study(self.study)
        if unknown := sorted(set(self.settings) - set(known.types)):
            raise BadRequest(f"unknown setting {', '.join(unknown)}: {self.study} knows {', '.join(known.types)}")
        values = {name: coerce(value, known.types[name], name) for name, value in self.settings.items()}
        object.__setattr__(self, "settings", values)
        object.__setattr__(self, "seed", coerce(self.seed, int, "seed"))

    @functools.cached_property
    def options(self) -> Any:
        """The settings with their defaults, as the study's dataclass."""
        return study(self.study).settings(**self.settings)

    @functools.cached_property
    def description(self) -> dict:
        """The JSON that is hashed: settings equal to their default are left out, so a new option changes no key."""
        known = study(self.study)
        settings = {n: v for n, v in self.settings.items() if v != known.defaults[n]}
        needs = {role: run.key for role, run in self.needs.items()}
        return {
            "study": known.name, "revision": known.revision, "dataset": self.dataset, "method": self.method,
            "seed": self.seed, "settings": settings, "needs": needs,
        }  # fmt: skip

    @functools.cached_property
    def key(self) -> str:
        """SHA-256 of the canonical JSON of the description."""
        return hashlib.sha256(canonical(self.description)).hexdigest()

    @property
    def steps(self) -> int:
        return study(self.study).steps(self)

    def __eq__(self, other):
        return isinstance(other, Run) and self.key == other.key

    def __hash__(self):
        return hash(self.key)

    def __str__(self):
        return f"{self.study} {self.dataset} {self.arm or self.method} seed {self.seed} [{self.key[:8]}]"

    def __getstate__(self):  # cached values are derived again where the run arrives
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def canonical(value: Any) -> bytes:
    """One byte string per JSON value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def with_needs(runs: Iterable[Run]) -> list[Run]:
    """The runs and all they need, each once, a needed run before the first that needs it."""
    ordered: dict[str, Run] = {}

    def add(run: Run):
        for needed in run.needs.values():
            add(needed)
        ordered.setdefault(run.key, run)

    for run in runs:
        add(run)
    return list(ordered.values())


# --- random streams -------------------------------------------------------------------------------------------------


def stream(seed: int, name: str, cycle: int = 0) -> int:
    """A 63-bit seed for the stream `name` of `cycle`: independent streams, so no generator is ever saved."""
    digest = hashlib.sha256(f"{seed}/{name}/{cycle}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def numpy_stream(seed: int, name: str, cycle: int = 0) -> numpy.random.Generator:
    import numpy

    return numpy.random.default_rng(stream(seed, name, cycle))


def torch_stream(seed: int, name: str, cycle: int = 0, device: str = "cpu") -> torch.Generator:
    import torch

    return torch.Generator(device).manual_seed(stream(seed, name, cycle))


def seed_globals(run: Run, index: int) -> None:
    """Seed the global generators for one step (dropout, library code); everything of ours takes explicit ones."""
    import random

    import numpy
    import torch

    value = stream(run.seed, "global", index)
    random.seed(value)
    numpy.random.seed(value % 2**32)
    torch.manual_seed(value)
