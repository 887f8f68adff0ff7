"""Whether a confidence is one: expected calibration error, and how well a score finds mistakes."""

from __future__ import annotations

import math

BINS = 10


def calibration_error(confidence, correct, bins: int = BINS) -> float:
    """Expected calibration error in points, 100 sum_b n_b / n |accuracy_b - mean confidence_b| over `bins` equal ranges
    (i / bins, (i + 1) / bins]; 0 falls into the first. confidence (n,) in [0, 1], correct (n,) bool. NaN where n = 0.
    Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017, eq. 5."""
    parts = reliability(confidence, correct, bins)
    n = sum(part["samples"] for part in parts)
    return sum(abs(100 * part["correct"] - part["confidence"]) for part in parts) / n if n else math.nan


def reliability(confidence, correct, bins: int = BINS) -> list[dict]:
    """The bins of `calibration_error`: low, high, samples, correct (counts), confidence (their sum, in percent)."""
    import torch

    confidence, correct = confidence.double().cpu(), correct.cpu()
    place = ((confidence * bins - 1e-9).ceil().long() - 1).clamp(0, bins - 1)  # 1e-9: 0.3 * 10 belongs below 3
    sums = [torch.zeros(bins, dtype=torch.double).index_add_(0, place, x) for x in (correct.double(), 100 * confidence)]
    samples = place.bincount(minlength=bins).tolist()
    return [
        {"low": b / bins, "high": (b + 1) / bins, "samples": samples[b], "correct": int(sums[0][b]),
         "confidence": sums[1][b].item()}
        for b in range(bins)
    ]  # fmt: skip


def auroc(scores, wrong) -> float:
    """The chance, in percent, that a mistake has a larger score than a hit; equal scores count half (Mann and Whitney 1947).
    scores (n,), wrong (n,) bool. 50: the score knows nothing of mistakes. NaN where all are right, or all wrong."""
    from sklearn.metrics import roc_auc_score

    wrong = wrong.cpu().numpy()
    return (
        100 * float(roc_auc_score(wrong, scores.double().cpu().numpy())) if 0 < wrong.sum() < len(wrong) else math.nan
    )
