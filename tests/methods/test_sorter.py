"""SoDeep's sorter as a study: what its run leaves, that it stops and goes on, what it refuses."""

import copy

import pytest
import torch

from alnb import records
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.learning import sorting
from alnb.methods import sorter
from alnb.runs import Run, State
from alnb.store import Store, is_world

TINY = {"length": 8, "hidden": 4, "epochs": 4, "lists": 96, "batch": 32, "halve": 2}


def run(**settings):
    return Run("sorter", sorter.DATA, "gru", 0, TINY | settings)


def test_a_run_in_parts_leaves_the_weights_of_a_run_in_one(tmp_path):
    stores = {parts: Store(tmp_path / str(parts)) for parts in (1, 3)}
    left = {}
    for parts, store in stores.items():
        assert not drive([run(parts=parts)], store, workers=1).failed
        left[parts] = store.final(run(parts=parts))
    one, three = (left[parts].blobs["weights"] for parts in (1, 3))
    assert all(torch.equal(one[name], three[name]) for name in one)
    losses = {p: [r["loss"] for r in stores[p].read(run(parts=p)).rows if r["kind"] == "sorting"] for p in (1, 3)}
    assert losses[1] == losses[3]
    assert [row for row in left[1].rows if row["kind"] == "sorter"] == [
        row for row in left[3].rows if row["kind"] == "sorter"
    ]


def test_a_part_goes_on_from_what_was_stored_and_from_nothing_else():
    first = sorter.step(run(parts=2), State())
    assert set(first.blobs) == {"weights", "training"}
    assert not first.done
    state = State(1, first.state, blobs=copy.deepcopy(first.blobs))
    last = sorter.step(run(parts=2), state)
    assert last.done
    assert set(last.blobs) == {"weights"}  # all that others start from
    assert [row["epoch"] for row in first.rows + last.rows if row["kind"] == "sorting"] == [1, 2, 3, 4]


def test_held_out_errors_are_those_of_the_three_ways():
    torch.manual_seed(0)
    rows = sorter.held_out(sorting.Sorter(4), 8, 0)
    assert {row["lists"] for row in rows} == {*sorting.FAMILIES, "joined"}
    for row in rows:
        assert row["error_middle"] == pytest.approx(sum(abs(i - 4.5) for i in range(1, 9)) / 64)  # by hand: 2 of 8
        assert row["error_exact"] < row["error"]  # untrained
    whole = next(row for row in rows if row["lists"] == "whole")
    assert whole["error_exact"] < 0.02


def test_the_rates_are_halved_as_sodeeps_step_says(monkeypatch):
    from alnb.learning import train as engine

    seen = []
    monkeypatch.setattr(engine, "train", lambda network, feed, recipe, **kwargs: seen.append(recipe) or 1 / 0)
    for preset in ("sodeep", "small"):
        with pytest.raises(ZeroDivisionError):
            sorter.step(sorter.arm(preset, 64)[0], State())
    sodeep = seen[0]
    assert (sodeep.epochs, sodeep.batch, sodeep.lr, sodeep.optimiser) == (400, 256, 1e-3, "adam")
    for epoch in (0, 69, 70, 139, 140, 399):
        assert sodeep.lr_at(epoch) == pytest.approx(1e-3 * 0.5 ** (epoch // 70))


def test_the_preset_sodeep_alone_learns_from_sodeeps_own_lists(monkeypatch):
    seen, inner = [], sorting.sequences
    monkeypatch.setattr(
        sorting, "sequences", lambda n, d, rng, family="": seen.append(family) or inner(n, d, rng, family)
    )
    assert [sorter.arm(preset)[0].options.drawn for preset in sorter.PRESETS] == ["like", "like", "sodeep"]
    rows = {}
    for drawn in ("like", "sodeep"):
        seen.clear()
        rows[drawn] = sorter.step(run(parts=1, epochs=1, drawn=drawn), State()).rows
        assert set(seen[: 96 // 32]) == {"" if drawn == "like" else "sodeep"}
    named = {drawn: [row["lists"] for row in made if row["kind"] == "sorter"] for drawn, made in rows.items()}
    assert named["sodeep"] == [*named["like"], "sodeep"]


@pytest.mark.parametrize("length", sorter.LENGTHS)
def test_the_sorters_of_the_paper_are_small_enough_to_keep(length):
    (small,) = sorter.arm("small", length)
    o = small.options
    weights = sorting.Sorter(o.hidden, o.layers, o.scale).state_dict()
    assert sum(value.numel() * 4 for value in weights.values()) < 1 << 20
    assert sorter.seconds(small) < 300
    sodeep = sorter.arm("sodeep", length)[0].options
    assert sum(p.numel() for p in sorting.Sorter(sodeep.hidden, sodeep.layers).parameters()) == pytest.approx(
        100_800, abs=100
    )


def test_synthetic_lists_stand_in_for_nothing():
    assert not is_world(run())
    assert not is_world(Run("learning_to_rank", "digits", "cycle_0", 0, {}, {"sorter": run()}))


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"length": 1}, "length = 1"), ({"hidden": 0}, "hidden = 0"), ({"parts": 5}, "parts = 5"), ({"lr": 0.0}, "lr = 0.0"),
     ({"scale": "log"}, "scale = 'log'"), ({"halve": 0}, "halve = 0")],
)  # fmt: skip
def test_sizes_that_cannot_be_are_refused(settings, said):
    with pytest.raises(BadRequest, match=said):
        sorter.check(run(**settings))


def test_an_unknown_preset_is_refused():
    with pytest.raises(BadRequest, match=r"sorter = 'large'.*'small'"):
        sorter.arm("large")


def test_short_lists_do_not_make_a_step_free():
    """4,000 steps on lists of 4 were measured to take twice what their values alone would."""
    one, few = (sorter.seconds(run(length=4, hidden=64, epochs=40, lists=6400, batch=batch)) for batch in (64, 6400))
    assert one - few == pytest.approx((4000 - 40) * sorter.STEP)
    assert 1.5 < one / few < 3


@pytest.mark.parametrize(("preset", "length"), [("small", 64), ("small", 32), ("small", 4), ("tiny", 32)])
def test_every_sorter_that_is_kept_ranks(preset, length):
    """On lists held out, of each family, a place is off by less than a third of what one in the middle would be."""
    (made,) = sorter.arm(preset, length)
    rows = [row for kept in records.steps(made) for row in kept["rows"] if row["kind"] == "sorter"]
    assert {row["lists"] for row in rows} == {*sorting.FAMILIES, "joined"}
    for row in rows:
        assert row["error"] < row["error_middle"] / 3, row
        assert row["error_middle"] == pytest.approx(0.25, abs=0.01)
