"""Where attention is, by hand and by scipy."""

import math

import pytest
import torch

from alnb.metrics import attention as metrics


def test_shares_inside_a_mask_by_hand():
    maps = torch.tensor([[[1.0, 3.0], [0.0, 4.0]]])
    mask = torch.zeros(1, 4, 4)
    mask[0, :2, 2:] = 1  # the upper right quarter
    mask[0, 2:, :2] = 1  # the lower left one
    assert metrics.share_inside(maps, mask).tolist() == pytest.approx([3 / 8])
    mask[0, :2, 2] = 0  # half of it
    assert metrics.share_inside(maps, mask).tolist() == pytest.approx([1.5 / 8])


def test_how_much_of_an_attention_is_the_images_own():
    same = torch.rand(1, 1, 4, 2).expand(5, 1, 4, 2)
    assert metrics.own_share(same) == pytest.approx(0)
    of_images = torch.rand(5, 1, 1, 1).expand(5, 1, 4, 2)
    assert metrics.own_share(of_images) == pytest.approx(1)
    assert metrics.own_share(torch.tensor([[[[0.0, 2.0]]], [[[2.0, 4.0]]]])) == pytest.approx(0.5)  # 1 of 2, by hand
    assert math.isnan(metrics.own_share(torch.ones(3, 2, 1, 1)))


def test_spearman_is_scipys_and_says_when_nothing_varies():
    from scipy.stats import spearmanr

    a, b = torch.randn(30), torch.randint(4, (30,)).float()
    assert metrics.spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert math.isnan(metrics.spearman(a, torch.ones(30)))


def test_what_is_left_given_a_third_is_the_correlation_of_the_residuals():
    """Against the other way to it: Pearson's of what least squares on the third's ranks leave of the ranks, ties and all."""
    import numpy as np
    from scipy.stats import pearsonr, rankdata

    rng = np.random.default_rng(0)
    for n in (12, 200):
        area = rng.integers(0, 9, n) / 8
        attention, V = area + 0.3 * rng.random(n), np.exp(area + rng.random(n))
        ranks = np.stack([rankdata(each) for each in (V, attention, area)])
        line = np.stack([np.ones(n), ranks[2]], 1)
        left = [each - line @ np.linalg.lstsq(line, each, rcond=None)[0] for each in ranks[:2]]
        found = metrics.partial_spearman(*(torch.from_numpy(each) for each in (V, attention, area)))
        assert found == pytest.approx(pearsonr(*left).statistic)


def test_what_a_third_explains_alone_is_nothing_and_what_it_hides_is_found():
    """By hand. V and attention each follow area and nothing else: 0, though both correlate. V is attention's rank with area's
    taken off: less rho than area has, and all of what is left."""
    area = torch.tensor([1.0, 1, 2, 2, 3, 3, 4, 4])
    a, b = (area + 0.1 * torch.tensor(signs) for signs in ([1, -1, 1, -1, 1, -1, 1, -1], [1, -1, -1, 1, 1, -1, -1, 1]))
    assert metrics.spearman(a, b) > 0.9
    assert metrics.partial_spearman(a, b, area) == pytest.approx(0, abs=1e-9)
    assert metrics.partial_spearman(a, a, area) == pytest.approx(1)
    assert metrics.spearman(a, a) - metrics.spearman(a, area) < 0.1  # a difference of correlations is no such thing
    assert math.isnan(metrics.partial_spearman(area, b, area))
    assert math.isnan(metrics.partial_spearman(torch.ones(8), b, area))
