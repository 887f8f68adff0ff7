"""What the sources say of alnb's own strategies, read without importing them."""

from __future__ import annotations

import ast
import functools
import os
from dataclasses import dataclass
from pathlib import Path

from alnb.errors import BadRequest


@dataclass(frozen=True)
class Entry:
    """What the source says of a strategy."""

    name: str
    module: str
    kind: str
    needs: tuple[str, ...]
    oracle: bool
    source: str
    nested: bool
    parameters: dict
    checked: bool = False  # beside it is a function check_<name>(**options)
    parted: str = ""


FOLDERS = ("acquisition", "methods")


def entries() -> dict[str, Entry]:
    """Name -> what its source says, of every strategy in alnb/acquisition/*.py and alnb/methods/*.py."""
    package = os.path.dirname(os.path.dirname(__file__))
    folders = [f"{package}/{name}" for name in FOLDERS]
    return _listed(package, *(os.stat(folder).st_mtime_ns for folder in folders if os.path.isdir(folder)))


@functools.lru_cache(maxsize=1)
def _listed(package, *changed):
    """What the folders hold, read again where a file came or went."""
    entries = {}
    for name in FOLDERS:
        for path in sorted(Path(package, name).glob("*.py")):
            for entry in _read(path, f"alnb.{name}.{path.stem}", path.stat().st_mtime_ns):
                if entry.name in entries:
                    both = f"{entries[entry.name].module} and {entry.module}"
                    raise BadRequest(f"two strategies are named {entry.name!r}, in {both}; accepted: one")
                entries[entry.name] = entry
    return dict(sorted(entries.items()))


@functools.cache
def _read(path, module, changed):
    found, body = [], ast.parse(path.read_text(encoding="utf-8")).body
    beside = {getattr(node, "name", "") for node in body}
    for node in body:
        for call in getattr(node, "decorator_list", ()):
            if not isinstance(call, ast.Call):
                continue
            kind = getattr(call.func, "id", getattr(call.func, "attr", None))
            if kind in ("score", "select"):
                try:
                    (name,) = map(ast.literal_eval, call.args)
                    given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
                    words = zip(node.args.kwonlyargs, node.args.kw_defaults)
                    options = {word.arg: ast.literal_eval(default) for word, default in words}
                except ValueError:
                    raise BadRequest(
                        f"{path.name}, line {call.lineno}: @{kind} with something computed; accepted: one"
                        " name, literal keywords and defaults, since this is read without running it"
                    ) from None
                needs = fields(given.get("needs", ()))
                nested = kind == "score" or given.get("nested", False)
                facts = (given.get("oracle", False), given.get("source", ""), nested, options)
                parted = given.get("parted", "")
                found.append(Entry(name, module, kind, needs, *facts, f"check_{name}" in beside, parted))
    return found


def fields(needs) -> tuple[str, ...]:
    """The fields of a view that a strategy names; one may stand without a tuple."""
    return (needs,) if isinstance(needs, str) else tuple(needs)
