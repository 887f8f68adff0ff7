"""Segmentation: what moves with an image, the loss and the fields of the view against arithmetic done here."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from alnb.acquisition import pixels
from alnb.cycle import Pool, View
from alnb.errors import BadRequest
from alnb.runs import Run
from alnb.tasks import segmentation
from alnb.tasks.segmentation import Maps, Segmentation, pixel_cross_entropy

TINY = {"pool": 24, "initial": 6, "budget": 4, "cycles": 1, "epochs": 1, "batch": 4, "smallest_batch": 2, "lr": 0.1}


def task(**settings):
    return Segmentation(Run("scenes", "streets", "random", 0, TINY | settings))


@pytest.fixture(scope="module")
def seen():
    made = task(dropout=0.2)
    pool = Pool(made.size, list(range(6)))
    labels = made.labels(pool.labelled, {})
    network, record = made.train(pool.labelled, labels, 0)
    candidates = pool.candidates(0, 0)
    return made, network, View(made, network, 0, candidates, pool.labelled, labels, record, False), candidates


def test_a_map_moves_with_its_image():
    """Images whose every pixel says its class: after any crop and flip it still does; the border has none."""
    g = torch.Generator().manual_seed(0)
    maps = torch.randint(0, 19, (5, 12, 10), generator=g, dtype=torch.uint8)
    maps[0, 0, 0] = 255
    images = (maps[:, None] + 1).repeat(1, 3, 1, 1)
    feed = Maps(images, maps, mean=(0.0,) * 3, std=(1 / 255,) * 3, crop=3, flip=True, device="cpu")
    rows = torch.arange(5)
    for _ in range(4):
        x, y = feed.batch(rows, slice(0, 5), feed.draw(g))
        told = torch.where(y == 255, 0, y + 1).float()
        assert y.dtype == torch.int64
        assert torch.equal(x[:, 0].round(), told)
    x, y = feed.batch(rows, slice(0, 5), feed.draw(None))
    assert torch.equal(y.to(torch.uint8), maps)


def test_the_loss_is_the_mean_over_the_labelled_pixels_of_an_image():
    g = torch.Generator().manual_seed(1)
    logits, y = torch.randn(2, 3, 2, 2, generator=g), torch.randint(0, 3, (2, 4, 4), generator=g)
    y[0, :2] = 255
    each = pixel_cross_entropy(logits, y, 0, None)
    large = F.interpolate(logits, size=(4, 4), mode="bilinear", align_corners=False).log_softmax(1)
    expected = [-large[i, y[i][a, b], a, b] for i in range(1) for a in range(2, 4) for b in range(4)]
    assert each[0] == pytest.approx(float(torch.stack(expected).mean()), abs=1e-6)
    assert float(pixel_cross_entropy(logits[:1], torch.full((1, 4, 4), 255), 0, None)) == 0


def test_the_fields_of_the_view_agree_with_the_network(seen):
    made, network, view, candidates = seen
    from alnb.learning.augment import normalise

    with torch.no_grad():
        p = network(normalise(made.images[candidates], made.mean, made.std)).softmax(1)
    assert torch.allclose(view.probabilities, p.mean((2, 3)), atol=1e-5)
    h = -torch.xlogy(p, p).sum(1).mean((1, 2))
    assert torch.allclose(view.pixels(pixels.entropy), h, atol=1e-4)
    assert view.embeddings.shape == (18, 32)
    assert view.labelled_targets.shape == (6, 48, 64)
    assert torch.is_grad_enabled()


def test_one_committee_of_one_network_agrees_and_masks_do_not(seen):
    _, _, view, candidates = seen
    assert (view.pixel_passes(4, pixels.disagreement) > 0).all()
    assert torch.equal(view.pixel_passes(4, pixels.entropy), view.pixel_passes(4, pixels.entropy))
    others = view.pixel_committee(2, True, lambda p: torch.full((p.shape[1],), float(len(p))))
    assert others.tolist() == [2.0] * len(candidates)
    with pytest.raises(BadRequest, match="members = 1: expected at least 2"):
        view.pixel_committee(1, False, pixels.entropy)


def test_a_committees_members_differ_and_the_first_of_the_plain_one_is_the_target(seen):
    made, network, view, candidates = seen
    answers = {}
    for bootstrap in (False, True):
        found = []
        view.pixel_committee(2, bootstrap, lambda p: found.append(p) or p[0].mean((1, 2)))  # noqa: B023
        answers[bootstrap] = torch.cat(found, 1)
    with torch.no_grad():
        decoded = [network.answer(one) for _, one, _ in made.swept(network, made.images[candidates])]
    target = torch.cat(decoded).softmax(1).flatten(2).mT
    assert torch.allclose(answers[False][0], target, atol=1e-6)
    others = (answers[False][1], *answers[True])  # trained from other streams; each on a bootstrap sample
    for i, one in enumerate(others):
        for other in (target, *others[:i]):
            assert float((one - other).abs().max()) > 1e-3


def test_passes_without_dropout_are_refused():
    made = task(pool=10)
    view = View(made, made.build(0), 0, [7, 8, 9], [0], made.labels([0], {}), None, False)
    with pytest.raises(BadRequest, match="wants a network trained with dropout"):
        view.pixel_passes(3, pixels.entropy)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"network": "small"}, "network = 'small': expected one of .*'dilated_small'"),
        ({"pool": 601}, "pool = 601: streets has 600"),
        ({"height": 4}, "height = 4: expected 0"),
        ({"batch": 0}, "batch = 0: expected at least 1"),
        ({"weights": "imagenet"}, "'dilated_small' has no weights of ImageNet"),
        ({"annotator": "ann"}, "nothing here shows a person"),
        ({"initial_labels": "balanced"}, "an image of segmentation has no class"),
    ],
)
def test_what_cannot_be_is_refused(settings, said):
    run = Run("scenes", "streets", "random", 0, TINY | settings)
    with pytest.raises(BadRequest, match=said.replace("(", r"\(")):
        segmentation.check(run.options, run.dataset)
    with pytest.raises(BadRequest, match="cifar-10 is a dataset of classification"):
        segmentation.check(run.options, "cifar-10")
