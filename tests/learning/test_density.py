"""Density maps: against the plain sum over heads, what borders cut, what the softmax of a map says, feeds that move both."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from alnb.learning import density as dn
from alnb.learning import networks
from alnb.learning.networks.base import MapNetwork

POINTS = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 11)), max_size=30)
MEAN, STD = (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)


def by_hand(points, height, width, sigma, window):
    """fspecial's Gaussian around each head's pixel, cut to the image, scaled to 1, added up."""
    made, half = np.zeros((height, width)), window // 2
    for x, y in points:
        x, y = int(x), int(y)
        own = np.zeros((height, width))
        for i in range(max(0, y - half), min(height, y + half + 1)):
            for j in range(max(0, x - half), min(width, x + half + 1)):
                own[i, j] = np.exp(-((i - y) ** 2 + (j - x) ** 2) / (2 * sigma**2))
        made += own / own.sum()
    return made


@settings(deadline=None, max_examples=25)
@given(POINTS)
def test_a_density_is_a_gaussian_a_head_and_sums_to_their_number(points):
    made = dn.density(np.array(points, np.float32).reshape(-1, 2), 12, 20, 1.5, 7)
    assert float(made.sum()) == pytest.approx(len(points), abs=1e-4)
    np.testing.assert_allclose(made.numpy(), by_hand(points, 12, 20, 1.5, 7), atol=1e-5)


def test_the_loss_is_the_mean_over_the_pixels_of_the_enlarged_map():
    outputs, y = torch.rand(3, 1, 2, 3), torch.rand(3, 8, 12) / 50
    enlarged = np.kron(outputs[:, 0].numpy(), np.ones((1, 4, 4)))
    found = dn.squared_error(outputs, y, 0, None, scale=7.0)
    np.testing.assert_allclose(found.numpy(), ((enlarged - 7 * y.numpy()) ** 2).mean((1, 2)), rtol=1e-5)


def test_a_map_that_is_right_counts_right():
    y = dn.density(np.random.default_rng(0).uniform(4, 12, (9, 2)), 16, 16, 4.0, 15)
    assert float(dn.counts(100 * y[None], 256)) == pytest.approx(9, rel=1e-5)
    coarse = 100 * y.reshape(2, 8, 2, 8).mean((1, 3))  # blocks of 8 x 8 pixels
    assert float(dn.counts(coarse[None], 256)) == pytest.approx(9, rel=1e-5)


def test_entropies_are_those_of_the_enlarged_map():
    maps = torch.rand(4, 2, 3) * 5
    enlarged = np.kron(maps.numpy(), np.ones((1, 8, 8))).reshape(4, -1)
    e = np.exp(enlarged)
    np.testing.assert_allclose(dn.entropies(maps, 384), entropy(e, axis=1), rtol=1e-6)
    np.testing.assert_allclose(dn.share_entropies(maps, 384), entropy(enlarged, axis=1), rtol=1e-6)


def test_of_nobody_both_entropies_are_flat_and_of_few_the_softmax_nearly():
    flat = np.log(96)
    assert dn.entropies(torch.zeros(1, 8, 12), 96).item() == pytest.approx(flat)
    assert dn.share_entropies(torch.zeros(1, 8, 12), 96).item() == pytest.approx(flat)
    one = 0.05 * torch.rand(1, 8, 12, generator=torch.Generator().manual_seed(0))
    gap = flat - dn.entropies(one, 96).item()
    assert gap == pytest.approx(one.double().var(correction=0).item() / 2, rel=0.05)  # ln(HW) - H = Var / 2


def test_a_feed_cuts_and_mirrors_images_and_densities_together():
    images = torch.zeros(5, 3, 16, 24, dtype=torch.uint8)
    images[:, 0] = torch.arange(16)[:, None] * 10 + torch.arange(24)[None] % 10
    y = images[:, 0].float()  # as if the picture were its density
    feed = dn.Densities(images, y, mean=(0.0,) * 3, std=(1.0,) * 3, crop=(8, 16), flip=True)
    drawn = feed.draw(torch.Generator().manual_seed(1))
    x, target = feed.batch(torch.arange(5), slice(0, 5), drawn)
    assert x.shape == (5, 3, 8, 16)
    torch.testing.assert_close(x[:, 0] * 255, target)
    assert 0 < int(drawn[0].sum()) < 5  # some are mirrored
    for i, (mirrored, top, left) in enumerate(drawn.T.tolist()):
        part = y[i, top : top + 8, left : left + 16]
        torch.testing.assert_close(target[i], part.flip(1) if mirrored else part)
    whole, _ = feed.batch(torch.arange(5), slice(0, 5), feed.draw(None))
    assert whole.shape == (5, 3, 8, 16)


@pytest.mark.parametrize("name", networks.names("images to maps"))
def test_networks_answer_with_maps_an_eighth_of_the_image(name):
    network = networks.build(name, 1, generator=torch.Generator().manual_seed(0)).eval()
    assert isinstance(network, MapNetwork)
    x = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        assert network(x).shape[:2] == (2, 1)
        assert [b.shape[1] for b in network.blocks(x)] == list(network.widths)
        if name.startswith("counting"):
            assert network(x).shape == (2, 1, 4, 6)
        assert network.embed(x).shape == (2, network.widths[-1])
