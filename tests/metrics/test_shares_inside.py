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
