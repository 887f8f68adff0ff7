"""How well a signal ranks samples by something else: in all, and at the top."""

from __future__ import annotations


def correlation(signal, true) -> float:
    """Spearman's, with ties, of two (N,); 0 where one of them is the same for all."""
    from scipy.stats import spearmanr

    if signal.amin() == signal.amax() or true.amin() == true.amax():
        return 0.0
    return float(spearmanr(signal.numpy(), true.numpy()).statistic)


def top_overlap(signal, true, b: int) -> float:
    """Of the b samples of largest true loss (N,), the share that is also among the b of largest signal (N,)."""
    first, second = (set(values.argsort(descending=True, stable=True)[:b].tolist()) for values in (signal, true))
    return len(first & second) / b
