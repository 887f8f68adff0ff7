"""Batch-hard triplets against a loop, identity batches, smoothed labels, features; the networks with a BN neck."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from alnb.errors import BadRequest
from alnb.learning import networks, reid
from alnb.learning.losses import cross_entropy


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# --- batch-hard triplets ---


def triplets_by_loops(features, positive, negative, margin, squared):
    losses, power = [], 2 if squared else 1
    for i, anchor in enumerate(features.tolist()):
        apart = [math.dist(anchor, other) ** power for other in features.tolist()]
        same = [apart[j] for j in range(len(features)) if positive[i, j]]
        other = [apart[j] for j in range(len(features)) if negative[i, j]]
        gap = max(same) - min(other) + margin if same and other else None
        losses.append(0.0 if gap is None else max(gap, 0.0))
    return losses


@settings(max_examples=40)
@given(st.integers(0, 2**16), st.integers(1, 9), st.booleans())
def test_batch_hard_equals_a_loop_for_any_masks(seed, size, squared):
    g = generator(seed)
    features = torch.randn(size, 4, generator=g)
    sort = torch.randint(3, (size, size), generator=g)  # unknown, the same, another
    given = sort == 1, sort == 2
    found = reid.batch_hard(features, *given, 0.3, squared=squared)
    assert found.tolist() == pytest.approx(triplets_by_loops(features, *given, 0.3, squared), abs=1e-5)


def test_by_hand():
    """On a line at 0, 1, 3, 4.5; persons a, a, b, b: hardest positive and nearest negative of each are read off."""
    features = torch.tensor([[0.0], [1.0], [3.0], [4.5]])
    found = reid.batch_hard(features, *reid.masks_of(torch.tensor([0, 0, 1, 1])), 0.7)
    assert found.tolist() == pytest.approx([0.0, 0.0, 1.5 - 2 + 0.7, 0.0], abs=1e-6)
    found = reid.batch_hard(features, *reid.masks_of(torch.tensor([0, 1, 0, 1])), 0.5)
    assert found.tolist() == pytest.approx([3 - 1 + 0.5, 3.5 - 1 + 0.5, 3 - 1.5 + 0.5, 3.5 - 1.5 + 0.5], abs=1e-6)


def test_masks_of_labels_are_everyone_elses():
    positive, negative = reid.masks_of(torch.tensor([5, 7, 5]))
    assert positive.tolist() == [[False, False, True], [False, False, False], [True, False, False]]
    assert negative.tolist() == [[False, True, False], [True, False, True], [False, True, False]]


def test_unknown_pairs_move_nothing():
    """Answers about (0, 1) the same and (0, 2) another: box 3 and all other pairs are out of it."""
    features = torch.randn(4, 3, generator=generator(), requires_grad=True)
    positive, negative = torch.zeros(2, 4, 4, dtype=torch.bool)
    positive[0, 1] = negative[0, 2] = True
    losses = reid.batch_hard(features, positive, negative, 10.0)
    assert (losses > 0).tolist() == [True, False, False, False]
    assert reid.anchors(positive, negative).tolist() == [True, False, False, False]
    losses.sum().backward()
    assert (features.grad.abs().sum(1) > 0).tolist() == [True, True, True, False]


def test_gradients_are_finite_where_boxes_are_equal_and_where_nothing_is_known():
    features = torch.ones(4, 3, requires_grad=True)
    reid.batch_hard(features, *reid.masks_of(torch.tensor([0, 0, 1, 1])), 0.3).sum().backward()
    assert torch.isfinite(features.grad).all()
    features.grad = None
    nothing = torch.zeros(4, 4, dtype=torch.bool)
    losses = reid.batch_hard(features, nothing, nothing, 0.3)
    losses.sum().backward()
    assert losses.tolist() == [0.0] * 4
    assert features.grad.abs().sum() == 0


def test_masks_that_cannot_be_are_refused():
    features, yes = torch.zeros(3, 2), torch.ones(3, 3, dtype=torch.bool)
    with pytest.raises(BadRequest, match="marked the same person and another person"):
        reid.batch_hard(features, yes, yes, 0.3)
    with pytest.raises(BadRequest, match=r"masks \(3, 3\) and \(2, 2\): expected both \(3, 3\)"):
        reid.batch_hard(features, yes, yes[:2, :2], 0.3)


# --- smoothed labels ---


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothing_takes_from_the_right_class_what_it_gives_to_all(smoothing):
    logits, y = torch.randn(6, 5, generator=generator()), torch.tensor([0, 1, 2, 3, 4, 0])
    target = torch.full((6, 5), smoothing / 5)
    target[torch.arange(6), y] += 1 - smoothing
    expected = -(target * logits.log_softmax(1)).sum(1)
    torch.testing.assert_close(reid.smoothed_cross_entropy(logits, y, smoothing=smoothing), expected)
    if smoothing == 0:
        assert torch.equal(reid.smoothed_cross_entropy(logits, y, smoothing=0.0), cross_entropy(logits, y, 0, None))


# --- batches of identities ---


@settings(max_examples=40)
@given(st.lists(st.integers(1, 9), min_size=4, max_size=12), st.integers(2, 4), st.integers(2, 5), st.integers(0, 99))
def test_a_batch_holds_people_x_images_and_an_epoch_every_box_it_can(sizes, people, images, seed):
    labels = torch.cat([torch.full((n,), 3 * i) for i, n in enumerate(sizes)])
    batches = reid.identity_batches(labels, people, images, generator(seed))
    assert batches
    for batch in batches:
        assert sorted(Counter(labels[batch].tolist()).values()) == [images] * people
    groups = {3 * i: -(-n // images) for i, n in enumerate(sizes)}
    used = Counter(int(labels[batch[k * images]]) for batch in batches for k in range(people))
    left = [label for label in groups if used[label] < groups[label]]
    assert len(left) < people  # it ends when there are not enough
    whole = Counter(row for batch in batches for row in batch.tolist())
    for label in groups:
        if label not in left and sizes[label // 3] % images == 0:
            assert all(whole[row] == 1 for row in (labels == label).nonzero()[:, 0].tolist())


def test_batches_are_the_generators():
    labels = torch.arange(60) // 5
    one, same, other = (reid.identity_batches(labels, 4, 3, generator(seed)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one, same))
    assert not torch.equal(torch.cat(one), torch.cat(other))


def test_an_identity_with_one_box_fills_its_place_with_it():
    (batch,) = reid.identity_batches(torch.tensor([0, 1]), 2, 3, generator())
    assert sorted(batch.tolist()) == [0, 0, 0, 1, 1, 1]


def test_batches_that_cannot_be_are_refused():
    with pytest.raises(BadRequest, match="batches of 4 identities: there are only 2"):
        reid.identity_batches(torch.tensor([0, 1]), 4, 2, generator())
    with pytest.raises(BadRequest, match="1 identities x 4 boxes: expected at least 2 x 2"):
        reid.identity_batches(torch.tensor([0, 1]), 1, 4, generator())


# --- networks and features ---


def small(classes=5):
    network = networks.build("reid_small", classes, generator=generator())
    for norm in (m for m in network.modules() if isinstance(m, (torch.nn.BatchNorm2d, torch.nn.BatchNorm1d))):
        norm.running_mean.uniform_(-0.3, 0.3, generator=generator(1))
        norm.running_var.uniform_(0.5, 2, generator=generator(2))
    return network.eval()


@pytest.fixture(scope="module")
def resnet50():
    return networks.build("reid_resnet50", 7, generator=generator()).eval()


@pytest.mark.parametrize("name", ["reid_small", "reid_resnet50"])
def test_a_neck_has_no_bias_to_learn_and_the_classifier_none_at_all(name, resnet50):
    network = resnet50 if name == "reid_resnet50" else small()
    assert not network.neck.bias.requires_grad
    assert network.neck.bias.abs().sum() == 0
    assert network.head.bias is None
    assert len(network.stages) == 5


def test_the_necks_scale_is_learnt():
    network = networks.build("reid_small", 7, generator=generator()).train()
    x = torch.randn(4, 3, 64, 32, generator=generator(3))
    F.cross_entropy(network(x), torch.tensor([0, 1, 2, 3])).backward()
    assert network.neck.bias.grad is None
    assert network.neck.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("name", "size", "sites"),
    [
        ("reid_small", (64, 32), [(32, 16), (32, 16), (16, 8), (8, 4), (8, 4)]),
        ("reid_resnet50", (64, 32), [(16, 8), (16, 8), (8, 4), (4, 2), (4, 2)]),
    ],
)
def test_the_last_stage_keeps_its_resolution(name, size, sites, resnet50):
    network, x, seen = resnet50 if name == "reid_resnet50" else small(), torch.zeros(1, 3, *size), []
    with torch.no_grad():
        for stage in network.stages:
            seen.append(tuple((x := stage(x)).shape[2:]))
    assert seen == sites


def test_resnet50_has_the_published_number_of_weights_before_its_head(resnet50):
    assert sum(p.numel() for p in resnet50.stages.parameters()) == 23_508_032  # torchvision's 25,557,032 less its fc


def test_imagenet_weights_come_from_the_cache_or_not_at_all(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(BadRequest, match=r"torchvision:resnet50 are not in torch's cache .*resnet50-0676ba61.pth"):
        networks.build("reid_resnet50", 3, generator=generator(), weights="imagenet")
    with pytest.raises(BadRequest, match="weights = 'best': expected 'random' or 'imagenet'"):
        networks.build("reid_resnet50", 3, generator=generator(), weights="best")
    from torchvision import models

    from alnb.learning.encoders import torchvision

    body = models.resnet50()
    monkeypatch.setattr(torchvision, "state_dict", lambda name: body.state_dict())
    network = networks.build("reid_resnet50", 3, generator=generator(), weights="imagenet")
    assert torch.equal(network.stages[4][2].conv3.weight, body.layer4[2].conv3.weight)
    assert torch.equal(network.stages[0][0].weight, body.conv1.weight)


def test_features_are_before_or_after_the_neck_whatever_the_batch():
    network = small()
    images = torch.randint(256, (7, 3, 64, 32), generator=generator(4), dtype=torch.uint8)
    settings = dict(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
    f, z = (reid.extract(network, images, neck=neck, **settings) for neck in (False, True))
    x = (images / 255 - torch.tensor(settings["mean"])[:, None, None]) / torch.tensor(settings["std"])[:, None, None]
    with torch.no_grad():
        torch.testing.assert_close(f, network.pooled(x), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(z, network.neck(network.pooled(x)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(reid.extract(network, images, batch=2, **settings), z, rtol=1e-4, atol=1e-5)


def test_the_flip_test_sums_the_features_of_both_images_and_leaves_the_mode_alone():
    network = small().train()
    images = torch.randint(256, (3, 3, 64, 32), generator=generator(5), dtype=torch.uint8)
    settings = dict(mean=(0.5,) * 3, std=(0.25,) * 3)
    plain, mirrored = (reid.extract(network, each, **settings) for each in (images, images.flip(3)))
    both = reid.extract(network, images, flip=True, **settings)
    torch.testing.assert_close(both, plain + mirrored, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(reid.extract(network, images.flip(3), flip=True, **settings), both, rtol=1e-4, atol=1e-5)
    assert network.training
