"""What else heads may stand on in chapter 5, and networks go on from: the untrained encoder, another one, end to end."""

from __future__ import annotations

import pandas
import pytest
import torch

from alnb import datasets
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.methods import pretraining_gain, simsiam
from alnb.methods import self_supervision as ch5
from alnb.runs import Run, State
from alnb.store import Store
from tests.result_frames import results

PRETRAINING = {"dataset": "digits", "arms": ["simsiam"], "network": "small", "width": 16, "bottleneck": 4, "epochs": 1,
               "batch": 32}  # fmt: skip
FEW = {"dataset": "digits", "seeds": 1, "budgets": [10], "arms": ["random", "entropy"]}
SCRATCH = {"like": "few", "task": "images", "network": "small", "epochs": 2, "lr": 0.05, "batch": 32}
UNTRAINED = {"like": "few", "starts_from": "simsiam(epochs=0)"}
SECOND = {"like": "few", "starts_from": "simsiam(seeds=[1])"}
FINE_TUNED = {"like": "scratch", "starts_from": "simsiam"}
ALL = {"few": FEW, "scratch": SCRATCH, "fine_tuned": FINE_TUNED, "untrained": UNTRAINED, "second": SECOND}


def grid(**changed):
    return ch5.grid(**{"pretraining": PRETRAINING, "pool": 150, "cycles": 1, "epochs": 3} | ALL | changed)


def encoder(**options):
    settings = {name: value for name, value in PRETRAINING.items() if name not in ("dataset", "arms")}
    return Run("simsiam", "digits", "simsiam", 0, {"pool": 150} | settings | options)


def test_each_race_starts_from_its_own_encoder_and_all_are_listed():
    made = grid()
    listed = [(run.arm or run.method, run.seed) for run in made if run.race == "pretraining"]
    assert listed == [("simsiam", 0), ("simsiam(epochs=0)", 0), ("simsiam", 1)]
    starts = {run.race: run.needs.get("encoder") for run in made if run.race != "pretraining"}
    assert starts["few 10%"] == starts["fine_tuned 10%"] == encoder()
    assert starts["untrained 10%"] == encoder(epochs=0)
    assert (starts["second 10%"].seed, starts["second 10%"].settings) == (1, starts["few 10%"].settings)
    assert starts["scratch 10%"] is None
    shown = {run.race: ch5.network(run) for run in made if run.race != "pretraining"}
    assert shown == {
        "few 10%": "linear head on SimSiam, small", "scratch 10%": "small", "fine_tuned 10%": "small from SimSiam",
        "untrained 10%": "linear head on untrained, small", "second 10%": "linear head on SimSiam seed 1, small",
    }  # fmt: skip


def test_a_race_that_says_nothing_of_its_encoder_keeps_its_keys():
    plain = {run.key for run in grid(fine_tuned={}, untrained={}, second={})}
    assert plain < {run.key for run in grid()}
    same = grid(few=FEW | {"starts_from": "simsiam"}, fine_tuned={}, untrained={}, second={}, scratch={})
    assert {run.key for run in same} < plain


def test_a_race_like_heads_on_another_encoder_is_left_out():
    given = {"dataset": "features-10", "encoder": "given", "arms": ["random"]}
    made = grid(few=FEW | given, scratch={}, fine_tuned={}, second={})
    assert {run.race for run in made} == {"pretraining", "few 10%"}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"second": SECOND | {"starts_from": "simsiam(seeds=2)"}}, "accepted: simsiam, with options of its own, and one seed"),
        ({"second": SECOND | {"starts_from": "byol"}}, "second 10%: starts_from = 'byol'; accepted: simsiam"),
        ({"untrained": UNTRAINED | {"starts_from": "simsiam(depth=3)"}}, "unknown setting depth"),
        ({"fine_tuned": FINE_TUNED | {"network": "resnet18"}}, "'resnet18' cannot go on from a pre-trained 'small'"),
        ({"few": FEW | {"starts_from": "simsiam", "encoder": "given", "dataset": "features-10"}}, "leave one of the two out"),
        ({"pretraining": {}, "few": {}, "scratch": {}, "untrained": {}, "second": {},
          "fine_tuned": SCRATCH | FEW | {"like": "few", "starts_from": "simsiam"}}, "pretraining, which is left out"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(changed, says):
    with pytest.raises(BadRequest, match=says) as refused:
        grid(**changed)
    assert "\n" not in str(refused.value)


def test_an_untrained_encoder_has_the_weights_it_was_drawn_with_and_the_pools_statistics(tmp_path):
    run, store = encoder(epochs=0), Store(tmp_path)
    assert run.steps == 1
    assert not drive([run], store, workers=1).failed
    weights, drawn = store.final(run).blobs["weights"], simsiam.siamese(run, 10).backbone
    assert all(torch.equal(weights[name], value) for name, value in drawn.named_parameters())
    data = datasets.load("digits")
    x = (torch.from_numpy(data.train_images[:150]) / 255 - torch.tensor(data.mean).view(1, -1, 1, 1)) / torch.tensor(
        data.std
    ).view(1, -1, 1, 1)
    first = drawn.conv1(x).detach()
    torch.testing.assert_close(weights["norm1.running_mean"], first.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(weights["norm1.running_var"], first.var((0, 2, 3)), rtol=1e-4, atol=1e-5)
    assert [row["kind"] for row in store.read(run).rows] == ["pretraining", "encoder"]
    assert not store.read(run).rows[-1]["collapsed"]


def test_statistics_of_several_batches_weigh_alike(monkeypatch):
    monkeypatch.setattr(simsiam, "MEASURED", 40)
    network, data = simsiam.siamese(encoder(), 10), datasets.load("digits")
    images = torch.from_numpy(data.train_images[:81])  # 27 each, no batch of one
    simsiam.measure(network, images, data.mean, data.std)
    whole = simsiam.siamese(encoder(), 10)
    monkeypatch.setattr(simsiam, "MEASURED", 81)
    simsiam.measure(whole, images, data.mean, data.std)
    torch.testing.assert_close(network.backbone.norm1.running_mean, whole.backbone.norm1.running_mean)


def test_a_fine_tuned_network_goes_on_from_the_encoder_in_every_cycle_with_a_new_head(tmp_path):
    store = Store(tmp_path)
    assert not drive([encoder()], store, workers=1).failed
    body = store.final(encoder()).blobs["weights"]
    (run,) = (one for one in grid() if one.race == "fine_tuned 10%" and one.method == "entropy")
    task = ch5.task_of(run)(run, State(needs={"encoder": store.final(encoder())}))
    heads = []
    for cycle in (0, 1):
        begun = task.build(cycle).state_dict()
        assert all(torch.equal(begun[name], value) for name, value in body.items() if not name.startswith("head."))
        heads.append(begun["head.weight"])
    assert not torch.equal(*heads)
    trained, _ = task.train(range(60), task.targets[:60], 0)
    assert not torch.equal(trained.state_dict()["conv1.weight"], body["conv1.weight"])  # end to end
    with pytest.raises(BadRequest, match="has not reached it"):
        ch5.task_of(run)(run)


def test_all_of_them_run_side_by_side(tmp_path):
    made, store = grid(), Store(tmp_path)
    assert not drive(made, store, workers=1).failed
    for run in made:
        if run.study == ch5.STUDY.name and run.method == "entropy":
            assert [row["cycle"] for row in store.read(run).rows if row["kind"] == "test"] == [0, 1]


def test_gains_of_the_controls_are_against_their_own_partners():
    about = {"study": "self_supervision", "dataset": "digits", "world": True}
    at = {"few 1%": 60, "scratch 1%": 20, "untrained 1%": 45, "fine_tuned 1%": 50, "second 1%": 59}
    frame = pandas.concat(
        [results({("random", 0): [0, value, value]}, race=race, **about) for race, value in at.items()]
    )
    found = pretraining_gain.gain_of_pretraining(frame).droplevel([1, 2, 3, 4]).to_dict()
    assert found == {"few 1%": 40, "untrained 1%": 25, "fine_tuned 1%": 30, "second 1%": 39}
    assert pretraining_gain.claimed(frame)["test.gain_of_training_it"](None).tolist() == [15]
