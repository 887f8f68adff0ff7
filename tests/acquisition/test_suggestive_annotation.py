"""Suggestive annotation and the scores of pixels against brute force and arithmetic done by hand."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from alnb import acquisition
from alnb.acquisition import pixels, suggestive_annotation
from alnb.errors import BadRequest
from tests.acquisition.toy_view import toy_view


def test_cover_by_hand_and_within_its_bound_of_the_best():
    alike = torch.tensor([[0.9, 0.8, 0.5, 0.0], [0.9, 0.8, 0.0, 0.1], [0.0, 0.0, 0.5, 0.9]])
    assert suggestive_annotation.cover(alike, 2).tolist() == [0, 2]
    for seed in range(5):
        g = torch.Generator().manual_seed(seed)
        s = torch.rand(7, 12, generator=g)
        total = lambda rows, s=s: float(s[list(rows)].amax(0).sum())
        best = max(map(total, itertools.combinations(range(7), 3)))
        found = suggestive_annotation.cover(s, 3).tolist()
        assert len(set(found)) == 3
        assert best * (1 - 1 / math.e) <= total(found) <= best


def test_it_chooses_among_the_most_uncertain_and_factor_1_takes_them_all():
    view = toy_view(seed=2)
    uncertain = view.pixel_committee(4, True, suggestive_annotation.variance).argsort(descending=True)
    strategy, rng = acquisition.get("suggestive_annotation"), torch.Generator()
    assert set(strategy.choose(view, 6, rng).rows.tolist()) <= set(uncertain[:12].tolist())
    assert set(strategy.choose(view, 6, rng, factor=1.0).rows.tolist()) == set(uncertain[:6].tolist())
    with pytest.raises(BadRequest, match=r"factor = 0\.5: expected a number from 1"):
        strategy.choose(view, 6, rng, factor=0.5)


def test_disagreement_and_entropy_by_hand():
    """Two members, one image, two positions: at one they are sure of different classes, at the other agree on a half each."""
    p = torch.tensor([[[[1.0, 0.0], [0.5, 0.5]]], [[[0.0, 1.0], [0.5, 0.5]]]])
    assert float(pixels.entropy(p)) == pytest.approx(math.log(2))
    assert float(pixels.disagreement(p)) == pytest.approx(math.log(2) / 2)
    assert float(suggestive_annotation.variance(p)) == pytest.approx(0.25 / 2)
