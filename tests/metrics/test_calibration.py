"""ECE and AUROC against hand-worked numbers, brute force over pairs and bins, and torchmetrics."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alnb.metrics.calibration import auroc, calibration_error, reliability

samples = st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=60)  # equal scores are frequent


def test_a_hand_worked_calibration_error():
    confidence, right = torch.tensor([0.95, 0.95, 0.65, 0.65, 0.0]), torch.tensor([1, 0, 1, 1, 1]).bool()
    # 2 samples off by 45 points, 2 by 35, 1 by 100
    assert calibration_error(confidence, right) == pytest.approx((2 * 45 + 2 * 35 + 100) / 5)
    assert calibration_error(torch.tensor([0.5, 0.5]), torch.tensor([True, False])) == 0
    assert math.isnan(calibration_error(torch.zeros(0), torch.zeros(0).bool()))


@given(samples, st.integers(1, 15))
def test_the_calibration_error_against_bins_by_brute_force(pairs, bins):
    confidence, right = torch.tensor([c / 40 for c, _ in pairs], dtype=torch.double), [r for _, r in pairs]
    total = 0.0
    for b in range(bins):
        own = [
            (c, r)
            for (c, r) in pairs
            if (b / bins < c / 40 - 1e-12 or (b == 0 and c == 0)) and c / 40 <= (b + 1) / bins + 1e-12
        ]
        if own:
            total += abs(sum(r for _, r in own) - sum(c / 40 for c, _ in own))
    assert calibration_error(confidence, torch.tensor(right), bins) == pytest.approx(100 * total / len(pairs), abs=1e-6)
    assert sum(part["samples"] for part in reliability(confidence, torch.tensor(right), bins)) == len(pairs)


def test_the_calibration_error_is_that_of_torchmetrics():
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification")
    rng = torch.Generator().manual_seed(0)
    confidence = torch.rand(500, generator=rng)
    right = torch.rand(500, generator=rng) < confidence**2
    theirs = 100 * torchmetrics.binary_calibration_error(confidence, right.long(), n_bins=10, norm="l1").item()
    assert calibration_error(confidence, right) == pytest.approx(theirs, abs=1e-3)


@given(samples)
def test_auroc_is_the_share_of_pairs_that_are_in_order(pairs):
    scores, wrong = torch.tensor([float(s) for s, _ in pairs]), torch.tensor([w for _, w in pairs])
    bad, good = scores[wrong].tolist(), scores[~wrong].tolist()
    found = auroc(scores, wrong)
    if not bad or not good:
        assert math.isnan(found)
    else:
        wins = sum((b > g) + (b == g) / 2 for b in bad for g in good)
        assert found == pytest.approx(100 * wins / (len(bad) * len(good)))
