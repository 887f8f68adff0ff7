"""A choice that takes several steps of a run asks what it asks in one, bit for bit."""

import io

import pytest
import torch

from alnb import acquisition, cycle
from alnb.acquisition import Part
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.learning import game
from alnb.learning.optimisers import Adam
from alnb.methods import state_relabeling
from alnb.store import Store
from tests.acquisition.toy_view import toy_view

GAMES = {
    "vaal": {"steps": 6, "batch": 7, "width": 2, "latent": 4},
    "vaal_cb": {"steps": 6, "batch": 7, "width": 2, "latent": 4, "lam": 0.4},
    "sraal": {"steps": 6, "batch": 7, "width": 2, "latent": 4, "semantic": 4, "decay": 0.9},
}
WAYS = [{}, {"flip": True}, {"flip": True, "quirks": True}]
TINY = {"pool": 200, "initial": 30, "budget": 20, "cycles": 2, "epochs": 2, "batch": 32, "network": "small", "dropout": 0.3,
        "game_steps": 5, "game_batch": 8, "game_width": 2, "game_latent": 4}  # fmt: skip


def generator():
    return torch.Generator().manual_seed(5)


def carried(state):
    """The state as a later step finds it."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("breaks", [[3], [1, 5]])
def test_three_and_three_updates_are_six_bit_for_bit(name, way, breaks, monkeypatch):
    strategy, view = acquisition.get(name), toy_view()
    options = GAMES[name] | {("code" if option == "quirks" and name == "sraal" else option): on for option, on in way.items()}
    seen, judged = [], __import__("alnb.learning.vae", fromlist=["judged"]).judged
    monkeypatch.setattr("alnb.learning.vae.judged", lambda *given: seen.append(judged(*given)) or seen[-1])
    whole = strategy.choose(view, 20, generator(), **options).rows
    state, ends = None, [*breaks, 6]
    for begin, end in zip([0, *breaks], ends):
        part = strategy.choose(view, 20, generator(), part=Part(begin, end, state), **options)
        state = carried(part) if end < 6 else None
    assert torch.equal(part.rows, whole)
    assert torch.equal(*seen)  # and so what D says of each
    other = strategy.choose(view, 20, generator(), **options | {"steps": 5})
    assert not torch.equal(seen[-1], seen[0])
    assert len(other.rows) == 20


def test_a_part_goes_on_where_the_one_before_ended():
    strategy, view = acquisition.get("vaal"), toy_view()
    state = strategy.choose(view, 5, generator(), part=Part(0, 2), **GAMES["vaal"])
    with pytest.raises(BadRequest, match="to go on from update 3, its state ended at 2"):
        strategy.choose(view, 5, generator(), part=Part(3, 6, state), **GAMES["vaal"])


def test_going_on_leaves_the_state_it_was_given_as_it_was():
    network = torch.nn.Linear(2, 1)
    adam = Adam(network.parameters(), 0.1)
    adam.minimise(network(torch.ones(1, 2)).sum())
    state = carried(game.kept(1, network, adam))
    other = torch.nn.Linear(2, 1)
    again = Adam(other.parameters(), 0.1)
    game.go_on(state, 1, other, again)
    for _ in range(2):
        for part, one in ((network, adam), (other, again)):
            one.minimise(part(torch.ones(1, 2)).square().sum())
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters()))
    assert int(state["updates"]) == 1
    assert not torch.equal(state["networks"]["weight"], other.weight)


def test_parts_are_of_so_many_updates_and_only_of_what_plays():
    assert acquisition.parts("vaal", {"steps": 2500}) == [(0, 1000), (1000, 2000), (2000, 2500)]
    assert acquisition.parts("vaal", {}) == acquisition.parts("random", {}) == acquisition.parts("cycle_0", {}) == [(0, 0)]
    assert len(acquisition.parts("sraal", {"steps": 1000})) == 1


def test_a_run_whose_choices_take_several_steps_has_the_rows_of_one_whose_do_not(tmp_path, monkeypatch):
    race = {"dataset": "digits", "arms": ["sraal", "vaal(steps=3, batch=8, width=2, latent=4)"]}
    runs = state_relabeling.grid(race, **TINY)
    whole = Store(tmp_path / "whole")
    assert not drive(runs, whole, workers=1).failed
    assert [run.steps for run in runs] == [3, 3]
    seconds = [state_relabeling.seconds(run) for run in runs]
    monkeypatch.setattr(acquisition, "PART", 2)
    assert [run.steps for run in runs] == [2 * 3 + 1, 2 * 2 + 1]
    assert [state_relabeling.seconds(run) for run in runs] == seconds
    parted = Store(tmp_path / "parted")
    assert drive(runs, parted, workers=1).computed == 7 + 5 + 1
    for run in runs:
        assert parted.read(run).rows == whole.read(run).rows
        asked = [step["queries"] for step in parted.read(run).steps if step["queries"]]
        assert asked == [step["queries"] for step in whole.read(run).steps if step["queries"]]
    (folder,) = {parted.folder(runs[0])}
    for path in sorted(folder.glob("000[3-6]*")):  # lost in the middle of the second choice: gone on with from its third part
        path.unlink()
    again = Store(tmp_path / "parted")
    assert drive(runs[:1], again, workers=1).computed > 0
    assert again.read(runs[0]).rows == whole.read(runs[0]).rows
    assert cycle.trainings(runs[0]) == 3
