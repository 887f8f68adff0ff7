"""Parameters, profiles and what runs they come to."""

import pytest
from papermill.inspection import inspect_notebook

from alnb import plans
from alnb.errors import BadRequest
from alnb.plans import parse_parameters

NAMES = plans.names()
FIRST = "01_label_dispersion"


@pytest.mark.parametrize(
    "source",
    [
        "x = 3",
        "x: int",
        "x: int = y",
        "x: dict = {}",
        "x, y = 1, 2",
        "x: int = 'three'",
        "x: int | None = 3",
        "import os",
    ],
)
def test_parameters_that_are_no_typed_literals_are_refused(source):
    with pytest.raises(BadRequest):
        parse_parameters(source, "a notebook")


def test_a_second_equals_sign_or_a_hash_in_a_string_keeps_its_parameter():
    found = parse_parameters('a: str = "x=1 # not a comment"  # is = one\nb: list[int] = [1, 2]', "a notebook")
    assert found["a"].default == "x=1 # not a comment"
    assert found["a"].help == "is = one"
    assert found["b"].default == [1, 2]


@pytest.mark.parametrize("name", NAMES)
def test_papermill_finds_the_parameters_that_we_find(name):
    assert set(inspect_notebook(plans.FOLDER / f"{name}.ipynb")) == set(plans.parameters(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_is_possible_and_every_artefact_is_drawn_by_a_cell(name):
    for profile in plans.profiles(name):
        assert plans.plan(name, profile).runs
    source = (plans.FOLDER / f"{name}.ipynb").read_text()
    for artefact in plans.config(name)["artefacts"]:
        assert f'\\"{artefact}\\"' in source


def test_laptop_asks_what_world_asks():
    for name in NAMES:
        if "world" in plans.profiles(name):
            world = {run.key for run in plans.plan(name, "world").runs}
            assert {run.key for run in plans.plan(name).runs} <= world


def test_an_override_makes_the_profile_custom_and_an_equal_value_does_not():
    assert plans.plan(FIRST, "smoke", {"epochs": 7}).label == "smoke-custom"
    assert plans.plan(FIRST, "smoke", {"dataset": "digits"}).label == "smoke"


@pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (600, "10 min"), (9000, "2.5 h"), (7.2e7, "20,000 h")])
def test_a_duration_is_rounded_to_what_it_is_worth(seconds, words):
    assert plans.duration(seconds) == words
