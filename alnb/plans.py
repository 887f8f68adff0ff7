"""What a notebook is asked to do, without a notebook: its parameters, its profiles, the runs that these come to.

The parameters are the annotated literals of the one cell tagged `parameters`; as they stand they are the profile
`laptop`. nbconfig/<notebook>.yaml holds the other profiles as overrides, and the captions of the artefacts. Whatever
cannot be is refused here, before a kernel starts.
"""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import importlib.util
import json
import os
import re
import reprlib
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alnb import REPOSITORY, datasets, records
from alnb.errors import BadRequest
from alnb.races import WORDS
from alnb.runs import TRUTH, WAIT, Run, Study, canonical, coerce, study, truth, with_needs
from alnb.store import Store
from alnb.values import load_yaml, parse_value

PROFILES = {  # from the quickest to the paper's own; a YAML may name others
    "smoke": "seconds, tests the machinery; never evidence",
    "laptop": "the default: embedded data, minutes on two cores",
    "world": "the embedded stand-in with every arm and seed: hours",
    "frozen": "real photographs through a frozen ImageNet network, a linear head: minutes",
    "reduced": "real data, a small network and pool: hours",
    "reduced-resnet18": "real data, the paper's network in bf16, a small pool: minutes of a GPU",
    "paper-bf16": "the paper's protocol in bf16, its main arms: an hour of a GPU",
    "paper": "the paper's protocol on its real data: wants a GPU",
}
LAPTOP = "laptop"
REDUCED = {"reduced": "reduced: small net and pool", "reduced-resnet18": "reduced: small pool"}  # what their figures say
FROM_RECORDS = tuple(PROFILES)[2:]  # profiles that draw what records hold and compute only the rest
BRIEF = 60  # characters of a changed value in a title
FOLDER = REPOSITORY / "notebooks"
CONFIG = REPOSITORY / "nbconfig"


# --- names, parameters, profiles --------------------------------------------------------------------------------------------


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("[0-9]*.ipynb"))


def resolve(given: str) -> str:
    """The notebook called `given`: its name, its file, or the beginning of its name, if that is one notebook's only."""
    stem = Path(given).stem if given.endswith(".ipynb") else given.zfill(2) if given.isdecimal() else given
    fitting = [name for name in names() if name == stem] or [name for name in names() if name.startswith(stem)]
    if len(fitting) != 1:
        raise BadRequest(f"no notebook {given!r}: there are {', '.join(names())}" if not fitting else
                         f"{given!r} could be {' or '.join(fitting)}")  # fmt: skip
    return fitting[0]


@dataclass(frozen=True)
class Parameter:
    kind: Any  # int, float, str, bool, list[one of these], or dict: a race
    default: Any
    help: str


_KINDS = {"int": int, "float": float, "str": str, "bool": bool}
_KINDS |= {f"list[{name}]": list[kind] for name, kind in _KINDS.items()}
_KINDS["dict"] = dict


@functools.cache
def parameters(name: str) -> dict[str, Parameter]:
    """The typed parameters of a notebook, read from its source."""
    path = FOLDER / f"{name}.ipynb"
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        tagged = ["".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", [])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadRequest(f"{path.name} is no notebook ({type(error).__name__}: {error})") from None
    if len(tagged) != 1:
        raise BadRequest(f"{path.name} has {len(tagged)} cells tagged 'parameters': expected one")
    return parse_parameters(tagged[0], path.name)


def parse_parameters(source: str, where: str) -> dict[str, Parameter]:
    """`name: type = literal  # help`, one a line; BadRequest for anything else."""
    found, lines = {}, source.splitlines()
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise BadRequest(f"{where}: parameters cell: {error}") from None
    for node in body:
        shown = lines[node.lineno - 1].strip()
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None):
            raise BadRequest(f"{where}: parameters cell: {shown!r} is not `name: type = literal`")
        kind = _KINDS.get(ast.unparse(node.annotation))
        if kind is None:
            raise BadRequest(f"{where}: parameters cell: {shown!r}: types are {', '.join(_KINDS)}")
        try:
            value = ast.literal_eval(node.value)
        except (ValueError, TypeError):
            raise BadRequest(f"{where}: parameters cell: {shown!r}: the value is not a literal") from None
        comment = lines[node.end_lineno - 1].partition("  # ")[2]
        found[node.target.id] = Parameter(kind, _typed(value, kind, node.target.id), comment.strip())
    return found


def _typed(value: Any, kind: Any, where: str) -> Any:
    """`value` as `kind`; the words of a race are checked as well (alnb/races.py), its settings when its runs are made."""
    if kind is not dict:
        return coerce(value, kind, where)
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise BadRequest(f"{where} = {value!r}: expected a race, {{'dataset': ..., 'seeds': ..., 'arms': [...]}}, or {{}}")
    return {key: _word(item, key, f"{where}.{key}") for key, item in value.items()}


def _word(value: Any, key: str, where: str) -> Any:
    if key == "seeds":
        return coerce(value, list[int] if isinstance(value, list) else int, where)
    if key == "more":
        return _typed(value, dict, where)
    return coerce(value, WORDS[key], where) if key in WORDS else value


def _changed(name: str, base: dict[str, Any], values: dict[str, Any], where: str) -> dict[str, Any]:
    """`base` with `values` in their declared types. A race replaces the whole race; `few.seeds` changes one entry of it.
    BadRequest names what is unknown or of the wrong type, and what is accepted."""
    known, changed = parameters(name), dict(base)
    for key, value in values.items():
        race, dot, entry = key.partition(".")
        if race not in known or (dot and (known[race].kind is not dict or not entry)):
            near = difflib.get_close_matches(race, known, 1)
            hint = f"did you mean {near[0]}? " if near and near[0] != race else ""
            raise BadRequest(f"{where}: unknown parameter {key!r}; {hint}{name} has {', '.join(known)}")
        if dot:
            changed[race] = changed[race] | _typed({entry: value}, dict, f"{where}: {race}")
        else:
            changed[key] = _typed(value, known[key].kind, f"{where}: {key}")
    return changed


@functools.cache
def config(name: str) -> dict:
    """nbconfig/<name>.yaml: title, source, method, profiles (name -> overrides), artefacts (id -> caption)."""
    path = CONFIG / f"{name}.yaml"
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadRequest(f"{path} is missing: every notebook has one") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BadRequest(f"{path.name} is not YAML: {' '.join(str(error).split())}") from None
    expected = {"title": str, "source": str, "method": str, "profiles": dict, "artefacts": dict}
    if not isinstance(content, dict):
        raise BadRequest(f"{path.name} holds a {type(content).__name__}: expected a mapping with {', '.join(expected)}")
    for key, kind in expected.items():
        if not isinstance(content.get(key), kind):
            raise BadRequest(f"{path.name}: {key} should be a {kind.__name__}, is {_shown(content.get(key))}")
    _check_names(content, path.name)
    for profile, overrides in content["profiles"].items():
        if isinstance(overrides, dict) and None in overrides:  # YAML reads the race `null` as nothing
            overrides = content["profiles"][profile] = {"null" if k is None else k: v for k, v in overrides.items()}
        if not isinstance(overrides, dict) or not all(isinstance(key, str) for key in overrides):
            raise BadRequest(f"{path.name}: profile {profile} should map names of parameters, is {_shown(overrides)}")
        _changed(name, _defaults(name), overrides, f"{path.name}, profile {profile}")
    return content


def _shown(value: Any) -> str:
    """A value of whatever size, shortened."""
    short = reprlib.Repr()
    short.maxlevel = 2
    return short.repr(value)


def _check_names(content: dict, where: str) -> None:
    """BadRequest for profiles, artefacts or captions that are no texts, and a method that is no module."""
    for what, kind in (("profiles", object), ("artefacts", str)):
        for key, value in content[what].items():
            if not isinstance(key, str) or not isinstance(value, kind):
                raise BadRequest(f"{where}: {what}: {_shown(key)}: {_shown(value)}; expected texts")
    known = content["method"]
    if not known.isidentifier() or importlib.util.find_spec(f"alnb.methods.{known}") is None:
        raise BadRequest(f"{where}: method {_shown(known)} is no module of alnb/methods")


def profiles(name: str) -> list[str]:
    return [LAPTOP, *config(name)["profiles"]]


def parse_override(name: str, key: str, text: str) -> Any:
    """A value from the command line as its declared type: 5, 5e-4, true, glyphs-10, [random, bald(passes=20, dropout=0.5)]."""
    race, _, entry = key.partition(".")
    kind = parameters(name)[race].kind if race in parameters(name) else str
    if entry:  # seeds and most settings of a race are literals; words of WORDS, and texts, have their own types
        kind = {"seeds": None}.get(entry, WORDS.get(entry, str if entry in _texts(name) else None))
    return parse_value(text, kind)


def _texts(name: str) -> set[str]:
    """Settings of the studies that a notebook's method has that are texts: 7 is a name there."""
    used = {one.name: one for one in vars(method(name)).values() if isinstance(one, Study)}
    hints = [typing.get_type_hints(one.settings) for one in used.values()]
    return {key for own in hints for key, kind in own.items() if kind is str}


@dataclass(frozen=True)
class Plan:
    """A notebook at a profile with overrides: its parameters, where its figures go, its runs. changed: the values that are
    not the profile's own."""

    name: str
    profile: str
    values: dict[str, Any]
    changed: dict[str, Any]

    @property
    def label(self) -> str:
        """The profile, and a digest of what was changed: two trials never share a folder."""
        if not self.changed:
            return self.profile
        return f"{self.profile}-{hashlib.sha256(canonical(self.changed)).hexdigest()[:8]}"

    @functools.cached_property
    def changes(self) -> list[str]:
        """What was changed, in words: "epochs 3", "few.seeds 1", "many left out"."""
        base, said = profile_values(self.name, self.profile), []
        for name, value in self.changed.items():
            if isinstance(value, dict) and value and base[name]:
                entries = [key for key in {**base[name], **value} if base[name].get(key) != value.get(key)]
                said += [f"{name}.{key} {_brief(value[key]) if key in value else 'left out'}" for key in entries]
            else:
                said.append(f"{name} {'left out' if value == {} else _brief(value)}")
        return said

    @functools.cached_property
    def runs(self) -> list[Run]:
        return method(self.name).grid(**self.values)


def _defaults(name: str) -> dict[str, Any]:
    return {key: parameter.default for key, parameter in parameters(name).items()}


def profile_values(name: str, profile: str) -> dict[str, Any]:
    """The parameters of a profile, nothing changed."""
    return _changed(name, _defaults(name), config(name)["profiles"].get(profile, {}), f"profile {profile}")


def profile_of(label: str) -> str:
    """The profile of a label: of "world-0a1b2c3d" and of "world", world."""
    return re.sub(r"-[0-9a-f]{8}$", "", label)


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= BRIEF else text[: BRIEF - 1] + "…"


def method(name: str):
    """The module of alnb.methods that the notebook is about."""
    return importlib.import_module(f"alnb.methods.{config(name)['method']}")


def plan(name: str, profile: str = LAPTOP, overrides: dict[str, Any] | None = None) -> Plan:
    """What a profile and overrides come to; raises BadRequest for what cannot be, before anything is started."""
    if profile not in profiles(name):
        near = difflib.get_close_matches(profile, profiles(name), 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise BadRequest(f"{name} has no profile {profile!r}; {hint}it has {', '.join(profiles(name))}")
    base = profile_values(name, profile)
    values = _changed(name, base, overrides or {}, name)
    made = Plan(name, profile, values, {key: value for key, value in values.items() if value != base[key]})
    made.runs  # noqa: B018  impossible values are refused here
    return made


@dataclass
class Standing:
    """How far the runs of a plan are."""

    done: list[Run]  # in the store
    recorded: list[Run]  # in the records, not in the store
    failed: list[Run]  # tried, not done
    missing: list[Run]  # neither, `failed` among them
    seconds: float  # rough seconds of one core for what is missing
    lacking: dict[str, str]  # dataset -> what is missing or damaged, for missing runs that need it


def standing(runs: list[Run], profile: str, store: Store) -> Standing:
    """Where runs stand; records count for profiles that draw from them."""
    use_records = profile in FROM_RECORDS
    runs = list({run.key: run for run in runs}.values())  # one may stand in several races
    done, recorded, failed, missing, begun = [], [], [], [], {}
    for run in runs:
        progress = store.read(run)
        begun[run] = len(progress.steps)
        if progress.done:
            done.append(run)
        elif use_records and records.steps(run):
            recorded.append(run)
        else:
            missing.append(run)
            failed += [run] if progress.error else []
    absent = set(missing)
    todo = [run for run in with_needs(missing) if run in absent or not _there(run, store)]
    begun |= {run: len(store.read(run).steps) for run in todo if run not in begun}  # what others need
    seconds = sum(study(run.study).seconds(run) * (1 - begun[run] / run.steps) for run in todo)
    lacking = {}
    for name in sorted({run.dataset for run in todo}):
        state, text = dataset_status(name)
        if state in ("missing", "damaged"):
            lacking[name] = text
    return Standing(done, recorded, failed, missing, seconds, lacking)


def recorded(runs: Iterable[Run]) -> list[Run]:
    """Those of which there is a record."""
    return [run for run in {run.key: run for run in runs}.values() if records.steps(run)]


def check_writable(*folders: Path) -> None:
    """BadRequest for a folder that cannot be made or written, before anything is computed for it."""
    import tempfile

    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            where = "; ALNB_STORE, ALNB_FIGURES and ALNB_EXECUTED choose others"
            raise BadRequest(f"{folder} cannot be written ({error.strerror or error}){where}") from None


def check_answerable(runs: Iterable[Run]) -> None:
    """BadRequest for runs that a person is to answer whose study has no way to ask one."""
    for run in runs:
        if truth(run, []) is WAIT and study(run.study).question is None:
            raise BadRequest(f"{run.study} cannot ask {run.options.annotator}: expected annotator = {TRUTH!r}, or an oracle "
                             "that answers, nb.run(..., oracle=...)")  # fmt: skip


def _there(run: Run, store: Store) -> bool:
    """Whether what others start from is here: in the store, or kept beside a record."""
    return store.read(run).done or records.starts_from(run)


def lacks(run: Run, lacking: Iterable[str], store: Store) -> bool:
    """Whether `run`, or a run it needs that is not done, is on a dataset that is not here."""
    todo = (one for one in with_needs([run]) if one == run or not _there(one, store))
    return any(one.dataset in lacking for one in todo)


@functools.lru_cache(maxsize=32)
def dataset_status(name: str) -> tuple[str, str]:
    try:
        return datasets.status(name)
    except BadRequest:  # a study with data of its own
        return "embedded", ""


def refuse_if_nothing_to_draw(made: Plan, store: Store) -> None:
    """A profile whose data is absent and of which no run is known: one clear line, before a kernel starts."""
    now = standing(made.runs, made.profile, store)
    if now.lacking and not now.done and not now.recorded and all(lacks(run, now.lacking, store) for run in now.missing):
        raise BadRequest("nothing can be drawn: " + " ".join(now.lacking.values()))


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 360_000 else f"{seconds / 3600:,.0f} h"


# --- where what a plan makes is kept ----------------------------------------------------------------------------------------------


def figures_folder() -> Path:
    """$ALNB_FIGURES, else figures/ of the repository."""
    return Path(os.environ.get("ALNB_FIGURES") or REPOSITORY / "figures")


def executed_folder(label: str) -> Path:
    """Where executed notebooks and what they did are kept: $ALNB_EXECUTED, else data/executed."""
    return Path(os.environ.get("ALNB_EXECUTED") or REPOSITORY / "data" / "executed") / label


def outcome_path(made: Plan) -> Path:
    return executed_folder(made.label) / f"{made.name}.outcome.json"
