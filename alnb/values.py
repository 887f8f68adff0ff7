"""Values as users write them, on the command line and in nbconfig: what stands there, never what YAML 1.1 makes of it."""

from __future__ import annotations

import ast
import functools
import re
import typing
from typing import Any


def parse_value(text: str, kind: Any) -> Any:
    """`text` as `kind`: a text to the letter, a list cut at the commas outside of brackets and quotes, else a literal; what
    is none stays text, for the type to refuse. No YAML: there 5e-4 is a text and 012 is ten."""
    text = text.strip() if kind is not str else text
    if kind is str:
        return text
    if typing.get_origin(kind) is list:
        (inner,) = typing.get_args(kind)
        items = [_unquoted(item, inner) for item in _split(text)] if re.fullmatch(r"\[.*\]", text, re.DOTALL) else None
        return text if items is None else items
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        tree = ast.parse(text, mode="eval")
        return text if any(_is_dressed(node, text) for node in ast.walk(tree)) else ast.literal_eval(tree)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # {[1]: 2} is a TypeError
        return text


def _is_dressed(node: ast.AST, text: str) -> bool:
    """Whether a number is written as only a program would, 1_000 or 0x10: nbconfig knows none such."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, (int, float, complex)) or isinstance(node.value, bool):
        return False
    return not re.fullmatch(f"{PLAIN['int']}|{PLAIN['float']}", ast.get_source_segment(text, node) or "")


def _unquoted(item: str, kind: Any) -> Any:
    quoted = len(item) > 1 and item[0] == item[-1] and item[0] in "\"'"
    return item[1:-1] if quoted and kind is str else parse_value(item, kind)


def _split(text: str) -> list[str]:
    """The items of "[a, b(c=1, d=[2]), 'e, f']"."""
    items, depth, quote, item = [], 0, "", ""
    for mark in text[1:-1]:
        if quote:
            quote = "" if mark == quote else quote
        elif mark in "\"'":
            quote = mark
        depth += (mark in "([{") - (mark in ")]}") if not quote else 0
        if mark == "," and not depth and not quote:
            items, item = [*items, item.strip()], ""
        else:
            item += mark
    return [*items, item.strip()] if item.strip() else items  # a comma may stand behind the last


def load_yaml(text: str) -> Any:
    """`text` as YAML whose plain scalars are those of Python: 5e-4 is a number; 012, 1:30, yes and a date are texts, for the type
    to refuse. ValueError for what is no YAML."""
    import yaml

    try:
        return yaml.load(text, _loader())  # a safe one
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


PLAIN = {
    "bool": "true|false",
    "int": r"[-+]?(?:0|[1-9]\d*)",
    "float": r"[-+]?(?:(?:0|[1-9]\d*)\.\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:0|[1-9]\d*)[eE][-+]?\d+",
    "null": "~|null|",
    "merge": "<<",
}


@functools.cache
def _loader():
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict = {}

    for name, pattern in PLAIN.items():
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(f"^(?:{pattern})$"), None)
    return Loader
