"""Parameters, profiles and what runs they come to."""

import pytest
from papermill.inspection import inspect_notebook

from alnb import plans, published, statistics
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


def test_every_claim_can_be_told_by_some_profile():
    """Its arms run together in a plan, on the seeds it planned for the stand-in; what nobody plans has no `world`."""
    arms = {}
    for profile in ("world", "reduced", "paper"):
        for run in plans.plan(FIRST, profile).runs:
            name = run.arm or run.method
            for model in [" A", " B"] if run.method == "two_models" else [""]:
                arms.setdefault((profile, run.dataset), {}).setdefault(name + model, set()).add(run.seed)
    for claim in published.claims("thesis", chapter=3).to_dict("records"):
        for setting, dataset in (("real", claim["dataset"]), ("world", claim["world"]), ("null", claim["null"])):
            if not dataset:
                continue
            places = [ran for (_, name), ran in arms.items() if name == dataset]
            wanted = [name for name in (claim["method"], claim["comparator"], claim["placebo"]) if name]
            found = [[ran.get(statistics._arm(name, ran), set()) for name in wanted] for ran in places]
            together = max((len(set.intersection(*seeds)) for seeds in found), default=0)
            assert together >= (1 if setting == "real" else claim["planned_world_seeds"]), (claim["id"], setting)
