"""How the benches time: ratios of process CPU seconds, interleaved in one process, and growth slopes.

Seconds differ between machines and, on a shared one, between minutes; a ratio of two things timed in turn differs much
less. Benches gate a ratio at no more than half of what was measured, and a growth by its slope, never by seconds.
"""

from __future__ import annotations

import statistics
import time

import numpy as np


def seconds(f) -> float:
    """CPU seconds of this process (all its threads) for one call of `f`."""
    start = time.process_time()
    f()
    return time.process_time() - start


def ratio(a, b, pairs: int = 5) -> tuple[float, float, float]:
    """How many times longer `a` takes than `b`: (median, lowest, highest) over `pairs` timed A, B, A, B, ...

    Both are called once before, untimed. Something of a millisecond or less should loop inside the function given.
    """
    a(), b()
    ratios = [seconds(a) / max(seconds(b), 1e-9) for _ in range(pairs)]
    return statistics.median(ratios), min(ratios), max(ratios)


def slope(sizes, seconds) -> tuple[float, float]:
    """The exponent p of seconds ~ sizes^p by least squares in logarithms, and its r^2; at least three sizes."""
    x, y = np.log(np.asarray(sizes, float)), np.log(np.asarray(seconds, float))
    if len(x) < 3:
        raise ValueError(f"a slope needs at least three sizes, given {len(x)}")
    fit = np.polyfit(x, y, 1)
    rest = ((y - np.polyval(fit, x)) ** 2).sum()
    return float(fit[0]), float(1 - rest / ((y - y.mean()) ** 2).sum())
