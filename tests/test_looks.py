"""One look a method: known ones stay, no two of the catalogue are alike, no two of a race have one colour."""

import subprocess
import sys
from itertools import combinations

import pytest

from alnb import acquisition, figures, looks, plans

CATALOGUE = sorted({looks.plain(name) for name in acquisition.catalogue()})


def test_the_looks_that_readers_know_do_not_change():
    known = {"random": ("#000000", "o"), "margin": ("#E69F00", "s"), "entropy": ("#56B4E9", "^"), "dispersion": ("#D55E00", "D")}
    assert {name: (figures.look(name)["color"], figures.look(name)["marker"]) for name in known} == known


def test_no_two_of_the_catalogue_share_colour_and_marker_nor_any_two_that_stand_in_races():
    names = sorted({*CATALOGUE, *looks._PLACES})
    places = {name: looks._place(name) for name in names}
    assert len(set(places.values())) == len(names)
    assert [name for name in names if places[name][0] == 0] == ["random"]  # black is Random's alone


@pytest.mark.parametrize("notebook", plans.names())
def test_no_two_methods_of_one_race_share_a_colour(notebook):
    alike = set()
    for profile in plans.profiles(notebook):
        races = {}
        for run in plans.plan(notebook, profile).runs:
            races.setdefault(run.race, set()).add(looks.plain(run.arm or run.method))
        for race, names in races.items():
            alone = sorted(name for name in names if "+" not in name)
            assert len(alone) <= len(looks.PALETTE), "more methods than colours"
            alike |= {(race, *two) for two in combinations(alone, 2) if looks._place(two[0])[0] == looks._place(two[1])[0]}
    assert not alike, "give them places in alnb/looks.py"


def test_what_is_not_in_the_table_takes_a_place_that_is_free_whatever_else_is_new(monkeypatch):
    new = [f"new_{i}" for i in range(25)]
    monkeypatch.setattr(acquisition, "catalogue", lambda: dict.fromkeys([*CATALOGUE, *new], "alnb.acquisition.new"))
    places = {name: looks._place(name) for name in [*CATALOGUE, *new, "mine"]}
    assert len(set(places.values())) == len(places)
    assert not {places["mine"], *(places[name] for name in new)} & set(looks._PLACES.values())


def test_a_method_has_one_look_whoever_is_drawn_beside_it():
    every = figures.looks([*acquisition.catalogue(), "mine"])
    assert len({(one["color"], one["marker"], one["fillstyle"]) for one in every.values()}) == len(every)
    assert all(one == figures.look(name) for name, one in every.items())
    code = "from alnb import figures; print(figures.look('mine'))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == str(every["mine"])


def test_options_and_controls_look_like_their_strategy_with_another_marker():
    plain, options, placebo = (figures.look(n) for n in ("bald", "bald(dropout=0.5)", "bald_permuted"))
    assert plain["color"] == options["color"] == placebo["color"]
    assert plain["marker"] == options["marker"] == placebo["marker"]
    assert [one["fillstyle"] for one in (plain, options, placebo)] == ["full", "bottom", "none"]
    assert options["linestyle"] != plain["linestyle"]
    assert figures.look("bald(placebo=True)")["fillstyle"] == "none"
    assert figures.look("random_again")["fillstyle"] == "none"
    two = figures.looks(["bald(dropout=0.5)", "bald(dropout=0.3)"])
    assert two["bald(dropout=0.5)"] != two["bald(dropout=0.3)"]
    pair = figures.look("margin+qbc 10%")
    assert (pair["color"], pair["marker"]) == (figures.look("margin")["color"], figures.look("qbc")["marker"])
