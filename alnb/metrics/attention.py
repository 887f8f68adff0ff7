"""Where attention is: its share inside a mask, how much of it is an image's own, rank correlation."""

from __future__ import annotations

import math


def share_inside(maps, mask):
    """(B,) share of a map (B, H, W) within a mask (B, h, w) of 0 and 1, which is averaged over the map's places."""
    from torch.nn import functional as F

    part = F.adaptive_avg_pool2d(mask[:, None].float(), maps.shape[1:]).squeeze(1)
    return (maps * part).sum((1, 2)) / maps.sum((1, 2)).clamp_min(1e-12)


def own_share(A) -> float:
    """Which share of the variance of attentions (B, ...) is the image's own: 0 where all images get the same weights, 1 where
    no place (or channel) has a weight of its own that they share."""
    A = A.flatten(1).double()
    total = A.var(correction=0)
    return (A.var(0, correction=0).mean() / total).item() if total > 0 else math.nan


def spearman(a, b) -> float:
    """The rank correlation of two (n,), equals at their mean rank; NaN where one of them does not vary."""
    import numpy as np

    a, b = _ranks(a), _ranks(b)
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) and np.ptp(b) else math.nan


def partial_spearman(a, b, given) -> float:
    """The rank correlation of a and b (n,) that is left once the ranks of `given` (n,) are known: that of what a line through
    the ranks of `given` leaves of the two. NaN where nothing is left of one of them. Kendall 1942, of Spearman's rho."""
    ab, ac, bc = spearman(a, b), spearman(a, given), spearman(b, given)
    left = (1 - ac**2) * (1 - bc**2)
    return (ab - ac * bc) / math.sqrt(left) if left > 1e-12 else math.nan


def _ranks(values):
    import numpy as np

    values = np.round(values.double().cpu().numpy() if hasattr(values, "cpu") else np.asarray(values, float), 9)
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
