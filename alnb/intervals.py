"""Areas, intervals and verdicts: numbers in, what may be said of them out. Nothing here knows a frame, a metric or a claim.

Nothing is resampled, so nothing here needs a seed: intervals are Student's t over seeds, because a bootstrap of three to
five seeds covers far less than it says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from alnb.errors import BadRequest

LEVEL = 0.95
NOISE = 1e-12  # relative: what differs by less is equal but for the rounding of its arithmetic


def aubc(x, y) -> float:
    """Area under the budget curve, in the metric's unit: the mean height of the metric over labels (or another cost).

    x, y: (K,) in any order. Trapezoid with x scaled to [0, 1] (as realistic-al, Lueth et al. 2023, and DeepAL+). Give
    it the cycles >= 1 only: cycle 0 is shared by all methods of a seed and can only dilute. The area over a single
    budget is its limit, that value.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 1 or x.shape != y.shape or not len(x):
        raise BadRequest(f"aubc takes two lists of one length, at least one long; given {x.shape} and {y.shape}")
    order = np.argsort(x)
    x, y = x[order], y[order]
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise BadRequest("aubc takes finite numbers; a label count or a value is missing")
    if len(x) == 1:
        return float(y[0])
    if (np.diff(x) <= 0).any():
        raise BadRequest("aubc takes one value for each number of labels; a number of labels occurs twice")
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / (x[-1] - x[0]))


def aubc_resolution(x, resolution: float) -> float:
    """The smallest step of an area whose values are multiples of `resolution`: `resolution` times the greatest common
    divisor of its trapezoid weights. r / (2 (K - 1)) over K evenly spaced budgets; 0 (unknown) where x is not whole."""
    x = np.asarray(x, float)
    if len(x) == 1:
        return resolution
    if (x % 1).any():
        return 0.0
    ends = np.concatenate([x[:1], x, x[-1:]]).astype(int)
    return resolution * int(np.gcd.reduce(ends[2:] - ends[:-2])) / (2 * int(x[-1] - x[0]))


# --- one difference -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """The mean of n paired differences, in the unit of what was compared, with Student's t interval at `level`.

    n < 2 has no interval: sd, low, high, half_width and p are NaN (n = 0: the mean too). p is two-sided, unadjusted.
    """

    mean: float
    sd: float
    n: int
    low: float
    high: float
    half_width: float
    p: float
    level: float = LEVEL
    seeds: tuple = ()

    def at(self, level: float) -> Difference:
        """The same difference with its interval at another level."""
        from scipy.special import stdtrit

        half = self.sd / math.sqrt(self.n) * float(stdtrit(self.n - 1, (1 + level) / 2)) if self.n > 1 else math.nan
        return replace(self, low=self.mean - half, high=self.mean + half, half_width=half, level=level)

    def alone(self) -> Difference:
        """The same mean as of one comparison, whatever its n: its values are no sample, so they have no interval."""
        return replace(self, sd=math.nan, low=math.nan, high=math.nan, half_width=math.nan, p=math.nan)

    def __str__(self) -> str:
        if not self.n:
            return "not run"
        if math.isnan(self.half_width):
            return f"{self.mean:+.2f} (n = {self.n}, no interval)"
        return f"{self.mean:+.2f} +- {self.half_width:.2f} (n = {self.n})"


def difference(values, level: float = LEVEL, seeds=(), resolution: float = 0.0, scale: float = 0.0) -> Difference:
    """The `Difference` of per-seed differences (n,).

    resolution: the smallest step such a difference can take (0: unknown). Values are rounded to it, and the deviation is
    never taken below resolution / sqrt(12), that of the rounding itself (uniform within a step): values on a lattice
    stand for any within half a step, so equal ones have not shown a smaller scatter than that. Without this floor equal
    gaps, at two seeds as likely as step / (2 sqrt(pi) sd), are infinitely significant whatever they are: of ledgers of
    twenty null claims on 500 test images a third said something false; with it no more than the 5 % they may (tested).

    Without a resolution equal values say nothing of their scatter: sd and interval are NaN, p = 1. Equal is what differs
    by NOISE of `scale` or less, the size of what was subtracted (default: of the differences); so is a mean equal to 0.
    """
    from scipy.special import stdtr

    if not 0 < level < 1:
        raise BadRequest(f"level is between 0 and 1; given {level}")
    values, nan = np.asarray(values, float), math.nan
    if not np.isfinite(values).all():
        raise BadRequest("a difference of a missing value cannot be taken")
    if resolution > 0:
        values = np.round(values / resolution) * resolution
    n, noise = len(values), NOISE * max(scale, np.abs(values).max(initial=0))
    mean = float(values.mean()) if n else nan
    mean = 0.0 if abs(mean) <= noise else mean
    if n < 2:
        return Difference(mean, nan, n, nan, nan, nan, nan, level, tuple(seeds))
    sd = max(float(values.std(ddof=1)), resolution / math.sqrt(12))
    if not resolution and np.ptp(values) <= noise:
        sd = nan
    p = 1.0 if math.isnan(sd) else float(2 * stdtr(n - 1, -abs(mean) / (sd / math.sqrt(n))))
    return Difference(mean, sd, n, nan, nan, nan, p, level, tuple(seeds)).at(level)


# --- several claims -----------------------------------------------------------------------------------------


def holm(p) -> np.ndarray:
    """Holm's (1979) adjusted p values, in the order given: sorted ascending, the k-th of m is
    max over j <= k of min(1, (m - j + 1) p_(j)). NaN (a claim of the family that was not run) stays NaN and still
    counts in m: what is tested does not get easier because something planned is missing."""
    p = np.asarray(p, float)
    if ((p < 0) | (p > 1)).any():
        raise BadRequest(f"p values are between 0 and 1; given {p.tolist()}")
    adjusted = np.full(len(p), math.nan)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p, kind="stable")):
        if math.isnan(p[index]):
            break
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = largest
    return adjusted


def holm_intervals(differences, level: float = LEVEL) -> list[Difference]:
    """The differences of one family with Holm-adjusted intervals: t intervals at the level Holm's step assigns.

    The claim with the k-th smallest p of m is held at 1 - alpha / (m - k + 1); from the first one that is not rejected
    on, all keep that step's level, because there Holm stops. So an interval excludes 0 exactly when Holm rejects at
    alpha = 1 - level (tested), and the family-wise error of rejecting zero ("holds", "reversed") is alpha. The *decisions*
    are simultaneous; the joint coverage of the intervals of rejected claims is not claimed (that needs Bonferroni for
    all). m counts every claim of the family, also those not run.

    Nor does Holm's sentence hold for "equivalent". An effect as large as the band is called that in 2.5 % of cases, as a
    single claim; of families of twenty such effects (ten seeds, deviation two thirds of the band) 16 % hold one
    (simulated: tested), because each zero that is rejected narrows the intervals of the rest.
    """
    differences, alpha = list(differences), 1 - level
    result, stopped = list(differences), None
    order = sorted(range(len(differences)), key=lambda i: (math.isnan(differences[i].p), differences[i].p))
    for rank, index in enumerate(order):
        share = alpha / (len(differences) - rank) if stopped is None else stopped
        if stopped is None and not differences[index].p <= share:
            stopped = share
        result[index] = differences[index].at(1 - share)
    return result


def verdict(difference: Difference, band: float = math.nan, direction: str = "higher") -> str:
    """One of "equivalent", "holds", "reversed", "cannot be told", read off the difference's interval.

    In this order: the whole interval strictly inside (-band, band): "equivalent", *even if it excludes 0*, because an
    effect shown to be smaller than what matters is not the claimed one; wholly on the claimed side of 0: "holds"; on
    the other: "reversed"; else, and without an interval (n < 2): "cannot be told". Ends that touch 0 or the band do
    not count. No band (NaN): never equivalent. direction: "higher" or "lower", what the claim says of the method, or "equal":
    then it "holds" where it would be equivalent, and is "reversed" where the whole interval lies beyond the band.
    """
    if direction not in ("higher", "lower", "equal"):
        raise BadRequest(f"direction is higher, lower or equal; given {direction!r}")
    if band < 0:
        raise BadRequest(f"a band of equivalence is not negative; given {band}")
    low, high = difference.low, difference.high
    if direction == "lower":
        low, high = -high, -low
    if -band < low and high < band:
        return "holds" if direction == "equal" else "equivalent"
    if direction == "equal":
        return "reversed" if low > band or high < -band else "cannot be told"
    if low > 0:
        return "holds"
    return "reversed" if high < 0 else "cannot be told"
