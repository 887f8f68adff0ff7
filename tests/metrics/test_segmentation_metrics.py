"""Mean IoU against a count by sets of pixels and scikit-learn's Jaccard index."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import jaccard_score

from alnb.metrics.segmentation import confusion, mean_iou, pixel_accuracy


def test_by_hand():
    table = confusion(torch.tensor([0, 1, 1, 1, 0]), torch.tensor([0, 0, 1, 1, 255]), 3)
    assert table.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert mean_iou(table) == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)  # the third class nowhere occurs
    assert pixel_accuracy(table) == pytest.approx(75)


@pytest.mark.parametrize("seed", range(3))
def test_against_sets_and_scikit_learn(seed):
    g = torch.Generator().manual_seed(seed)
    true = torch.randint(0, 5, (4, 6, 7), generator=g)
    predicted = torch.where(torch.rand(true.shape, generator=g) < 0.5, true, torch.randint(0, 6, true.shape, generator=g))
    true[torch.rand(true.shape, generator=g) < 0.1] = 255
    parts = sum(confusion(predicted[i], true[i], 7) for i in range(4))
    told = []
    at = lambda values, c: set((values.flatten() == c).nonzero().flatten().tolist())
    counted = set((true.flatten() != 255).nonzero().flatten().tolist())
    for c in range(7):
        a, b = at(predicted, c) & counted, at(true, c)
        if a | b:
            told.append(len(a & b) / len(a | b))
    assert len(told) == 6
    assert mean_iou(parts) == pytest.approx(100 * sum(told) / 6)
    kept = true != 255
    theirs = jaccard_score(true[kept], predicted[kept], labels=range(6), average="macro")
    assert mean_iou(parts) == pytest.approx(100 * theirs)
