"""What decides what a function of a notebook cell does, as a digest: its source, defaults and what it closes over."""

from __future__ import annotations

import builtins
import dis
import hashlib
import importlib
import inspect
import sys
import sysconfig
import textwrap
import types
from contextlib import suppress
from pathlib import Path

from alnb.errors import BadRequest


class Digest:
    """What `fingerprint` feeds: a SHA-256, and of the helper modules that enter it name -> SHA-256 of the file."""

    def __init__(self):
        self._made, self.helpers = hashlib.sha256(), {}
        self.update, self.hexdigest = self._made.update, self._made.hexdigest


def fingerprint(value, who, home, digest):
    """Feed `digest` all that decides what `value` does, for `who` of module `home`; BadRequest where unknowable.

    A function is its source, its defaults and what it closes over. A global would not be in the key of the run,
    could change unseen, and might not exist in another process.
    """
    if isinstance(value, types.FunctionType):
        try:
            digest.update(textwrap.dedent(inspect.getsource(value)).encode())
        except (OSError, TypeError):
            raise BadRequest(
                f"{who}: the source of {value.__qualname__} cannot be read; accepted: a function of a"
                " notebook cell or a file, not of exec or a bare prompt"
            ) from None
        if _of_a_library(value, home):
            return helper(value.__module__, digest)
        for name in sorted(_modules_imported(value.__code__)):
            helper(name, digest)
        for name in sorted(_globals_read(value.__code__)):
            if isinstance(module := value.__globals__.get(name), types.ModuleType):
                helper(module.__name__, digest)
            elif name in value.__globals__ or not hasattr(builtins, name):
                raise BadRequest(
                    f"{who} reads the global {name!r}; accepted: modules, arguments and defaults. Pass it"
                    f" as a default ({name}={name}), or import or define it inside the function"
                )
        for part in (
            value.__defaults__ or (),
            value.__kwdefaults__ or {},
            inspect.getclosurevars(value).nonlocals,
        ):
            if part:
                fingerprint(part, who, home, digest)
    elif isinstance(value, (type(None), bool, int, float, complex, str, bytes)):
        digest.update(repr(value).encode() + b";")
    elif isinstance(value, (list, tuple)):
        digest.update(f"{type(value).__name__} of {len(value)}:".encode())
        for item in value:
            fingerprint(item, who, home, digest)
    elif isinstance(value, dict) and all(isinstance(key, str) for key in value):
        digest.update(f"dict of {len(value)}:".encode())
        for key in sorted(value):
            fingerprint((key, value[key]), who, home, digest)
    elif isinstance(value, (types.ModuleType, types.BuiltinFunctionType)):
        digest.update(f"{getattr(value, '__module__', '')} {value.__name__};".encode())
        if isinstance(value, types.ModuleType):
            helper(value.__name__, digest)
    elif isinstance(getattr(value, "label", None), str):  # a strategy
        digest.update(value.label.encode() + b";")
    elif hasattr(value, "dtype") and hasattr(value, "__array__"):
        array = value.detach().cpu().numpy() if hasattr(value, "detach") else value
        digest.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    else:
        raise BadRequest(
            f"{who}: a default or enclosed value of type {type(value).__name__}; accepted: numbers,"
            " strings, lists, tuples, dicts with string keys, arrays, functions, modules, strategies"
        )


def helper(name, digest, seen=None):
    """Feed `digest` the source of a module of the user's own, and of those that it uses: they may change under a name that
    stays. What is installed (Python, libraries, alnb) is left to the versions. BadRequest for one that changed since it was
    first seen here: what is loaded, and runs, is still the old one, in the workers too."""
    seen = set() if seen is None else seen
    module = sys.modules.get(name)
    if module is None:
        with suppress(Exception):  # it fails, if it fails, where the function calls for it
            module = importlib.import_module(name)
    file = getattr(module, "__file__", None)
    if name in (*seen, "__main__") or not file or not file.endswith(".py") or _installed(file):
        return
    seen.add(name)
    body = Path(file).read_bytes()
    digest.helpers[name] = _as_first_seen(name, body)
    digest.update(name.encode() + b":" + body)
    for value in list(vars(module).values()):
        other = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
        if isinstance(other, str):
            helper(other, digest, seen)


_first_seen: dict[str, str] = {}  # module -> SHA-256 of its file when this process first looked at it


def _as_first_seen(name, body):
    made = hashlib.sha256(body).hexdigest()
    if _first_seen.setdefault(name, made) != made:
        raise BadRequest(f"the module {name} has changed since it was loaded, and its old code would run: restart the kernel")
    return made


def check_helpers(helpers):
    """BadRequest unless the helper modules of a strategy that arrives in this process, (name, SHA-256) each, are those that it was
    made with: a worker may have loaded them earlier, or later."""
    for name, made in helpers:
        if name not in _first_seen:
            _as_first_seen(name, Path(importlib.import_module(name).__file__).read_bytes())
        if _first_seen[name] != made:
            raise BadRequest(f"a worker has another version of the module {name}: restart the kernel, and a cluster's workers")


def _installed(file):
    places = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    own = Path(__file__).resolve().parent
    file = Path(file).resolve()
    return any(file.is_relative_to(Path(place).resolve()) for place in places) or file.is_relative_to(own)


def _modules_imported(code):
    """Names of the modules that `code`, and the functions in it, import."""
    names = {step.argval for step in dis.get_instructions(code) if step.opname == "IMPORT_NAME"} - {""}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _modules_imported(constant)
    return names


def _of_a_library(function, home):
    """Whether another process finds this function by importing its module."""
    module = sys.modules.get(function.__module__)
    return function.__module__ not in ("__main__", home) and getattr(module, function.__qualname__, None) is function


USES_A_GLOBAL = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "STORE_GLOBAL", "DELETE_GLOBAL"}


def _globals_read(code):
    """Names that `code`, and the functions and classes in it, take from the module."""
    steps = list(dis.get_instructions(code))
    # the body of a class looks its own names up as if they were global
    own = {step.argval for step in steps if step.opname == "STORE_NAME"} | {"__name__"}
    names = {step.argval for step in steps if step.opname in USES_A_GLOBAL} - own
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _globals_read(constant)
    return names
