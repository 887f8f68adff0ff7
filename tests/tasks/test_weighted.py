"""The loss that weighs the classes, against scikit-learn's weights and PyTorch's weighted cross-entropy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F

from alnb.errors import BadRequest
from alnb.learning.encoders import torchvision as cache
from alnb.methods import class_balance as ch4
from alnb.tasks import features, weighted
from tests.methods.test_class_balance import TINY


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_the_weights_are_scikit_learns_balanced_ones(labels):
    labels = torch.tensor(labels)
    weights, there = weighted.balanced_weights(labels, 7), labels.unique().numpy()
    assert weights[there].tolist() == pytest.approx(compute_class_weight("balanced", classes=there, y=labels.numpy()))
    assert weights[[c for c in range(7) if c not in there]].tolist() == [0] * (7 - len(there))
    assert weights[labels].mean() == pytest.approx(1)
    shares = [weights[labels][labels == c].sum() for c in there]
    assert shares == pytest.approx([len(labels) / len(there)] * len(there), rel=1e-5)  # all classes weigh alike


def test_the_loss_is_pytorchs_weighted_cross_entropy_and_plain_where_classes_are_equal():
    rng = torch.Generator().manual_seed(0)
    outputs, y = torch.randn(12, 3, generator=rng), torch.tensor([0] * 7 + [1] * 4 + [2])
    weights = weighted.balanced_weights(y, 3)
    mine = weighted.weighted_cross_entropy(outputs, y, 0, None, weights=weights)
    assert mine.tolist() == pytest.approx(F.cross_entropy(outputs, y, weight=weights, reduction="none").tolist())
    even = torch.arange(12) % 3
    assert weighted.balanced_weights(even, 3).tolist() == [1.0, 1.0, 1.0]


def task(**settings):
    race = {"dataset": "digits", "seeds": 1, "arms": ["random"]}
    run = next(run for run in ch4.grid(race, **TINY | settings) if run.method == "random")
    return run, weighted.task_of(run.options)(run)


def predicted(**settings):
    """How often the rare class is predicted on the pool by a network trained on labels with a tail."""
    _, one = task(epochs=12, lr=0.05, **settings)
    targets = one.targets.numpy()
    rows = np.concatenate([np.flatnonzero(targets == c)[: 4 if c == 3 else 30] for c in range(10)]).tolist()
    network, _ = one.train(rows, one.labels(rows, {}), 0)
    left = np.setdiff1d(np.arange(one.size), rows)
    return int((one.infer(network, left, 0)[0].argmax(1) == 3).sum())


def test_a_rare_class_is_predicted_more_often_with_weights():
    assert predicted(class_weights="balanced", tail="none", pool=600) > predicted(tail="none", pool=600)


def test_with_equal_labels_the_training_is_the_plain_one_bit_for_bit():
    (_, plain), (_, own) = task(), task(class_weights="balanced")
    rows = plain.reserved
    first, second = (one.train(rows, one.labels(rows, {}), 0)[0].state_dict() for one in (plain, own))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_no_weights_are_no_part_of_a_key_and_change_no_task():
    run, one = task()
    again, _ = task(class_weights="none")
    other, two = task(class_weights="balanced")
    assert run.key == again.key != other.key
    assert type(one) is features.task_of(run.options)
    assert isinstance(two, weighted.Weighted)
    assert isinstance(two, features.task_of(run.options))


def test_an_arm_may_bring_it_and_random_gets_it_too():
    arms = ["random", "random(class_weights='balanced')", "entropy(class_weights='balanced')"]
    runs = ch4.grid({"dataset": "digits", "seeds": 1, "arms": arms}, **TINY)
    firsts = {run.needs["cycle_0"].key for run in runs if "balanced" in run.arm}
    assert len(firsts) == 1
    assert {run.options.class_weights for run in runs} == {"none", "balanced"}


def test_a_machine_without_such_a_loss_refuses_it():
    race = {"dataset": "features-10", "task": "features", "encoder": "given", "px": 0, "head": "svm", "arms": ["random"]}
    with pytest.raises(BadRequest, match="class_weights = 'balanced': an SVM has another loss"):
        ch4.grid(race, **{k: v for k, v in TINY.items() if k != "network"}, class_weights="balanced")
    with pytest.raises(BadRequest, match="class_weights"):
        ch4.grid({"dataset": "digits", "seeds": 1, "arms": ["random"]}, **TINY, class_weights="some")


# --- a network as ImageNet left it ------------------------------------------------------------------------------------


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """A cache of torch.hub with ResNet-101's weights, made up: every number of the body is that of a seed, the head's are 9."""
    from torchvision.models import ResNet101_Weights, resnet101

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    cache.weights.cache_clear()
    torch.manual_seed(3)
    known = {name: value.clone() for name, value in resnet101().state_dict().items()}
    known["fc.weight"].fill_(9.0)
    file = tmp_path / "checkpoints" / ResNet101_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    file.parent.mkdir()
    torch.save(known, file)
    monkeypatch.setattr(cache, "weights", lambda option: "as if it were")
    return known


def test_a_pretrained_network_has_imagenets_body_and_a_head_of_its_own(cached):
    run, one = task(network="resnet101", pretrained="imagenet")
    network, plain = one.build(0), features.task_of(run.options)(run).build(0)
    own = network.body.state_dict()
    assert all(torch.equal(own[name], cached[name]) for name in own)
    assert torch.equal(network.head.weight, plain.head.weight)  # drawn by the run's own stream
    assert not torch.equal(plain.body.conv1.weight, network.body.conv1.weight)


def test_without_the_weights_it_is_refused_before_anything_is_trained(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    cache.weights.cache_clear()
    race = {"dataset": "digits", "seeds": 1, "arms": ["random"]}
    run = ch4.grid(race, **TINY | {"network": "resnet101"}, pretrained="imagenet")[0]
    with pytest.raises(BadRequest, match=r"weights of torchvision:resnet101 are not in torch's cache .*; to fetch them"):
        ch4.STUDY.prepare(run, print)


@pytest.mark.parametrize(("settings", "says"), [
    ({}, "network = 'small' has no such weights; of resnet101 there are some"),
    ({"dataset": "features-10", "task": "features", "encoder": "given", "px": 0}, "task = 'features' trains a linear head"),
])  # fmt: skip
def test_what_nobody_pretrained_is_refused(settings, says):
    with pytest.raises(BadRequest, match=says):
        ch4.grid({"dataset": "digits", "seeds": 1, "arms": ["random"], **settings}, **TINY, pretrained="imagenet")
