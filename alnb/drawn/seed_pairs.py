"""Two arms of a table on the seeds that both have: an arm's mean is over its own seeds, and arms may have other ones."""

from __future__ import annotations

from alnb import statistics
from alnb.intervals import Difference, difference


def less(rows, theirs, metric: str) -> Difference:
    """rows - theirs, paired by seed, with its 95 % t interval; of no seed where either is None or they share none. Both: one
    row a seed."""
    import pandas

    if rows is None or theirs is None:
        return difference([])
    named = {"ours": rows, "theirs": theirs}
    both = pandas.concat([part[["seed", metric]].assign(method=name) for name, part in named.items()])
    return statistics.paired(both, "ours", "theirs", metric)


def columns(name: str, gap: Difference) -> dict:
    """The difference as columns of a table's data."""
    return {name: gap.mean, f"{name}, low": gap.low, f"{name}, high": gap.high, f"{name}, n": gap.n}


def told(mean: float, low: float, high: float) -> str:
    """The difference with its interval where it has one; "" where there is no difference."""
    if mean != mean:
        return ""
    return f"{mean:+.1f}" + (f" ({low:+.1f} to {high:+.1f})" if low == low else "")


def with_sd(mean: float, sd: float) -> str:
    """A mean and its deviation over the seeds, where there is more than one; "" where there is none."""
    return "" if mean != mean else f"{mean:.1f}" + (f" ± {sd:.1f}" if sd == sd else "")
