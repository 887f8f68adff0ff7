"""Worked examples show what is expected; exercises never do, and never raise."""

import json
import re

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alnb import plans
from alnb.errors import BadRequest
from alnb.exercises import check, exercise, handout, sealed


def test_worked_examples_say_what_differs_and_never_raise(capsys):
    assert check("a", 1.0, 1.0)
    assert not check("c", [1, 2], [1, 2, 3])
    assert not check("d", "words", 1.0)
    assert not check("e", 0.8, 0.9)
    said = capsys.readouterr().out
    assert "a: correct" in said
    assert "the shape is (2,), expected (3,)" in said
    assert "e: you have 0.8, expected 0.9" in said


def test_a_right_answer_is_told_from_a_wrong_one_and_neither_is_printed(capsys):
    seal = sealed(0.9, "a lesson")
    assert exercise("largest", 0.9, seal)
    assert exercise("largest", torch.tensor(0.9), seal)
    assert not exercise("largest", 0.8, seal, hint="Count again.")
    assert not exercise("largest", None, seal, hint="Count again.")
    said = capsys.readouterr().out
    assert "0.9" not in said
    assert "largest: not right yet. Count again." in said
    assert "largest: not solved yet. Count again." in said


def test_a_function_is_tried_on_every_input_and_the_wrong_one_is_named(capsys):
    seals = [sealed([1, 4], "x"), sealed([9], "y")]
    inputs = [([1, 2],), ([3],)]
    assert exercise("squares", lambda x: [i * i for i in x], seals, inputs=inputs)
    assert not exercise("squares", lambda x: [1, 4], seals, inputs=inputs)
    assert not exercise("squares", lambda x: 1 / 0, seals, "Multiply.", inputs)
    assert not exercise("squares", lambda x: None, seals, inputs=inputs)
    assert not exercise("squares", lambda x: numpy.zeros((2, 3)), seals, inputs=inputs)
    said = capsys.readouterr().out
    assert "squares, input 2 of 2: not right yet" in said
    assert "input 1 of 2: it raised ZeroDivisionError: division by zero. Multiply." in said
    assert "squares: not solved yet" in said
    assert "it has the shape (2, 3)" in said


@given(st.lists(st.floats(-1e6, 1e6), max_size=5), st.text(min_size=1, alphabet="abc"))
def test_a_seal_depends_on_value_and_salt_and_not_on_the_kind_of_number(values, salt):
    seal = sealed(values, salt)
    assert seal == sealed(numpy.array(values), salt) == sealed(torch.tensor(values, dtype=torch.float64), salt)
    assert seal != sealed([*values, 1.0], salt)
    assert seal != sealed(values, salt + "d")


class Awkward:
    """What a student may have by mistake: it cannot be compared, printed or made a number of."""

    shape = property(lambda self: 1 / 0)
    __array__ = __eq__ = __repr__ = lambda self, *_, **__: 1 / 0


MISTAKES = {
    "words": "words",
    "words in an array": numpy.array(["a", "b"]),
    "a tensor that wants a gradient": torch.ones(2, requires_grad=True),
    "a number too large": 10**400,
    "rows of two lengths": [[1], [2, 3]],
    "a function": len,
    "a dict": {"a": 1},
    "not a number": float("nan"),
    "infinite": [float("inf")] * 2,
    "complex": 1j,
    "awkward": Awkward(),
    "a class": Awkward,
}


@pytest.mark.parametrize("what", MISTAKES)
def test_whatever_is_given_nothing_is_raised_and_the_answer_is_not_printed(what, capsys):
    given = MISTAKES[what]
    seal = sealed([0.123, 0.456], "salt")
    assert not exercise("what", given, seal, "Look again.")
    assert not exercise("what", lambda x: given, [seal], "Look again.", [(1,)])
    assert not exercise("what", given, [seal], "Look again.", [(1,)])  # no function
    said = capsys.readouterr().out
    assert said.count("Look again.") == 3
    assert "0.123" not in said
    assert "0.456" not in said
    if what != "awkward":  # `check` prints what it is given
        assert not check("what", given, [0.123, 0.456])


def test_gradients_and_devices_make_no_answer_wrong():
    seal = sealed([1.0, 2.0])
    assert exercise("what", torch.tensor([1.0, 2.0], requires_grad=True), seal)
    assert exercise("what", [1.00001, 2], seal)  # four decimals
    assert not exercise("what", [1.001, 2], seal)
    assert check("what", torch.tensor([1.0, 2.0], requires_grad=True), [1, 2])
    assert exercise("a word", "margin", sealed("margin"))
    assert not exercise("a word", "entropy", sealed("margin"))


def test_notebooks_hold_seals_not_answers_and_functions_are_tried_on_several_inputs():
    found = 0
    for path in plans.FOLDER.glob("[0-9]*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            source = "".join(cell["source"])
            assert "sealed(" not in source, path.name
            if cell["cell_type"] == "code" and "exercise(" in source:
                seals = re.findall(r'"([^":]+:[0-9a-f]{16})"', source)
                assert len(set(seals)) == len(seals) >= (2 if "def " in source else 1), source
                found += len(seals)
    assert found


@pytest.mark.parametrize("name", plans.names())
def test_a_handout_is_the_notebook_without_its_solutions(name, tmp_path):
    source, target = plans.FOLDER / f"{name}.ipynb", tmp_path / "one.ipynb"
    count = handout(source, target)
    cells = ["".join(cell["source"]) for cell in json.loads(source.read_text())["cells"]]
    left = ["".join(cell["source"]) for cell in json.loads(target.read_text())["cells"]]
    assert count
    assert left == [cell for cell in cells if not cell.startswith("<details><summary>Solution")]
    assert sum("exercise(" in cell for cell in left) == sum("exercise(" in cell for cell in cells)
    with pytest.raises(BadRequest, match="File exists"):
        handout(source, target)
