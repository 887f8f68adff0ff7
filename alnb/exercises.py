"""What checks a reader: worked examples, which show what is expected, and exercises, which never do."""

from __future__ import annotations

import hashlib

from alnb.errors import BadRequest


def check(what: str, given, expected, tolerance: float = 1e-9) -> bool:
    """A worked example: prints whether `given` is `expected`, and what differs if not; never raises."""
    good, why = _same(given, expected, tolerance)
    print(f"{what}: correct" if good else f"{what}: {why}")
    return good


def _same(given, expected, tolerance) -> tuple[bool, str]:
    import numpy

    yours, right = _numbers(given), _numbers(expected)
    if yours is None or right is None:
        try:
            good = bool(given == expected)
        except Exception:  # arrays of words, or whatever a student's object does
            good = False
    elif yours.shape != right.shape:
        return False, f"the shape is {yours.shape}, expected {right.shape}"
    else:
        good = bool(numpy.allclose(yours, right, atol=tolerance, rtol=tolerance))
    return good, f"you have {given}, expected {expected}"


def _numbers(value):
    """`value` as an array of floats, None if it is none."""
    import numpy

    try:
        return numpy.asarray(value.detach().cpu() if hasattr(value, "detach") else value, dtype=float)
    except Exception:  # numpy and torch raise of every kind here: too large, ragged, words
        return None


def exercise(what: str, given, answers: str | list[str], hint: str = "", inputs: list[tuple] | None = None) -> bool:
    """An exercise: prints whether `given` is right, and a hint if not, but never the answer; never raises.

    given: a value, or a function that is tried on each tuple of arguments in `inputs`; None, or a function that gives
    None, is unsolved. answers: what `sealed` makes of the right value, one for each of the inputs.
    """
    seals, tries = ([answers], [None]) if inputs is None else (answers, inputs)
    for number, (seal, arguments) in enumerate(zip(seals, tries, strict=True), 1):
        where = f"{what}, input {number} of {len(tries)}" if inputs else what
        try:
            value = given if arguments is None else given(*arguments)
            right = value is not None and sealed(value, seal.partition(":")[0]) == seal
        except Exception as error:  # a student's function may raise anything
            print(f"{where}: it raised {type(error).__name__}: {error}. {hint}".rstrip())
            return False
        if value is None:
            print(f"{what}: not solved yet. {hint}".rstrip())
            return False
        if not right:
            print(f"{where}: not right yet{_shape(value)}. {hint}".rstrip())
            return False
    print(f"{what}: correct")
    return True


def sealed(value, salt: str = "alnb") -> str:
    """What an exercise keeps of its answer: a salted hash of the value, its numbers rounded to four decimals."""
    import numpy

    numbers = _numbers(value)
    if numbers is None:
        text = repr(value)
    else:
        rounded = numpy.round(numbers, 4) + 0.0  # no -0.0
        text = f"{rounded.shape} {rounded.tolist()}"
    return f"{salt}:{hashlib.sha256(f'{salt} {text}'.encode()).hexdigest()[:16]}"


def _shape(value) -> str:
    numbers = _numbers(value)
    return f" (it has the shape {numbers.shape})" if numbers is not None and numbers.ndim else ""


SOLUTION = "<details><summary>Solution"  # how the cell of a solution begins


def handout(source, target) -> int:
    """Write a copy of the notebook at `source` without its solutions to `target`; how many there were. BadRequest where
    there is none, or something already lies at `target`."""
    import nbformat

    notebook = nbformat.read(source, as_version=4)
    kept = [cell for cell in notebook.cells if not cell.source.startswith(SOLUTION)]
    count = len(notebook.cells) - len(kept)
    if not count:
        raise BadRequest(f"{source.name} has no solutions to leave out")
    notebook.cells = kept
    try:
        with open(target, "x", encoding="utf-8") as file:
            nbformat.write(notebook, file)
    except OSError as error:
        raise BadRequest(f"{target}: {error.strerror}; --out FILE writes elsewhere") from None
    return count
