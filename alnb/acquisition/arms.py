"""How an arm of a race is written: a strategy's name, and options."""

from __future__ import annotations

import ast
import re

from alnb.errors import BadRequest


def parse_arm(arm: str) -> tuple[str, dict]:
    """An arm of a race, `name` or `name(option=value, ...)` with literal values -> the name and its options. A name may
    join two, `dispersion+entropy`.

    BadRequest for anything else. What name and options mean is for the strategy and the study to say.
    """
    form = re.fullmatch(r"([a-z][a-z0-9_]*(?:@[0-9a-f]{8}|\+[a-z][a-z0-9_]*)?)\s*(\(.*\))?", arm.strip())
    try:
        call = ast.parse(f"arm{form[2] or '()'}", mode="eval").body
        options = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
        # a(b=1)(c=2) is a call of a call; ast takes an option twice
        if call.args or None in options or not isinstance(call.func, ast.Name) or len(options) < len(call.keywords):
            raise ValueError
    except (SyntaxError, ValueError, TypeError, AttributeError):
        raise BadRequest(f"arm {arm!r}; accepted: name or name(option=value, ...), values literal") from None
    return form[1], options


def write_arm(name: str, options: dict) -> str:
    """The arm that `parse_arm` reads so: its name in every figure."""
    return name + f"({', '.join(f'{key}={value!r}' for key, value in options.items())})" * bool(options)
