"""Views: each operation torchvision's own for given choices, the choices torchvision's in distribution."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as tv

from alnb.errors import BadRequest
from alnb.learning import views
from alnb.learning.views import Policy


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(n, height=20, width=20, seed=1):
    return torch.randint(256, (n, 3, height, width), dtype=torch.uint8, generator=generator(seed))


def torchvision_view(image, one):
    """(3, H, W) fp32: SimSiam's transforms with these choices, by torchvision's functions alone."""
    top, left, height, width = one["box"].tolist()
    x = tv.resized_crop(image.float() / 255, top, left, height, width, list(image.shape[1:]), antialias=True)
    change = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)
    for operation in one["order"].tolist() if one["jittered"] else ():
        x = change[operation](x, float(one["factors"][operation]))
    x = tv.rgb_to_grayscale(x, 3) if one["grey"] else x
    if one["blurred"]:
        x = tv.gaussian_blur(x, [views.kernel(side) for side in x.shape[:0:-1]], [float(one["sigma"])] * 2)
    return tv.horizontal_flip(x) if one["mirrored"] else x


@pytest.mark.parametrize(("height", "width"), [(20, 20), (40, 64), (9, 16)])
def test_a_view_is_what_torchvision_makes_of_the_same_choices(height, width):
    images, policy = pictures(60, height, width), Policy(jitter=(0.8, 0.9, 0.7, 0.5), grey_chance=0.3)
    drawn = views.draw(60, height, width, policy, generator(3))
    assert all(drawn[name].any() and not drawn[name].all() for name in ("mirrored", "jittered", "grey", "blurred"))
    made = views.view(images, drawn)
    for i, image in enumerate(images):
        assert made[i] == pytest.approx(
            torchvision_view(image, {name: value[i] for name, value in drawn.items()}), abs=2e-5
        )


def test_grey_images_have_no_hue_to_turn():
    images = pictures(5)[:, :1].expand(-1, 3, -1, -1)
    drawn = views.draw(
        5, 20, 20, Policy(jitter=(0.0, 0.0, 0.0, 0.5), jitter_chance=1.0, grey_chance=0, blur_chance=0), generator()
    )
    made = views.view(images, drawn)
    assert made[:, 0] == pytest.approx(made[:, 2], abs=1e-6)


@pytest.mark.parametrize(("height", "width", "scale"), [(32, 32, 0.2), (12, 40, 0.5), (64, 20, 0.9)])
def test_crops_are_torchvisions_in_distribution(height, width, scale):
    n = 3000
    ours = views.boxes(n, height, width, scale, generator(5))
    image = torch.empty(3, height, width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        theirs = torch.tensor([RandomResizedCrop.get_params(image, [scale, 1.0], list(views.RATIO)) for _ in range(n)])
    for column in range(4):
        assert stats.ks_2samp(ours[:, column].tolist(), theirs[:, column].tolist()).pvalue > 0.001
    area = [(box[:, 2] * box[:, 3]).tolist() for box in (ours, theirs)]
    assert stats.ks_2samp(*area).pvalue > 0.001
    assert (ours[:, 0] + ours[:, 2]).max() <= height
    assert (ours[:, 1] + ours[:, 3]).max() <= width
    assert ours.min() >= 0


def test_chances_factors_and_orders_are_torchvisions():
    n, policy = 20_000, Policy(jitter=(0.4, 0.4, 1.5, 0.1), grey_chance=0.2, jitter_chance=0.8, blur_chance=0.5)
    drawn = views.draw(n, 8, 8, policy, generator(2))
    for name, chance in (("mirrored", 0.5), ("jittered", 0.8), ("grey", 0.2), ("blurred", 0.5)):
        assert stats.binomtest(int(drawn[name].sum()), n, chance).pvalue > 0.001
    ranges = [(0.6, 1.4), (0.6, 1.4), (0.0, 2.5), (-0.1, 0.1)]  # torchvision: [max(0, 1 - s), 1 + s], [-h, h]
    for column, (low, high) in enumerate(ranges):
        assert stats.kstest(drawn["factors"][:, column].double().tolist(), "uniform", (low, high - low)).pvalue > 0.001
    assert stats.kstest(drawn["sigma"].double().tolist(), "uniform", (0.1, 1.9)).pvalue > 0.001
    orders = [tuple(order) for order in drawn["order"].tolist()]
    assert stats.chisquare([orders.count(order) for order in set(orders)]).pvalue > 0.001
    assert len(set(orders)) == 24
    assert not views.draw(50, 8, 8, Policy(flip=False), generator())["mirrored"].any()


def test_a_feed_gives_two_views_of_the_images_asked_for():
    feed = views.Views(pictures(12), Policy(), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    rows, part = torch.randperm(12, generator=generator(4)), slice(3, 8)
    drawn = feed.draw(generator(9))
    (first, second), which = feed.batch(rows, part, drawn)
    assert which.tolist() == rows[3:8].tolist()
    own = {name: value[part] for name, value in drawn[1].items()}
    mean, std = torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1), torch.tensor([0.2, 0.3, 0.4]).view(1, 3, 1, 1)
    assert torch.equal(second, (views.view(pictures(12)[rows[part]], own) - mean) / std)
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    "images", [torch.zeros(0, 3, 8, 8, dtype=torch.uint8), torch.zeros(2, 3, 8, 8), torch.zeros(2, 5)]
)
def test_what_is_no_image_is_refused(images):
    with pytest.raises(BadRequest, match="views are made of images"):
        views.Views(images, Policy(), mean=(0, 0, 0), std=(1, 1, 1))
