"""The figure of the toy paper."""

from alnb.drawn import standard


def fig_1(results):
    """Error against minutes of labelling."""
    return standard.race(results, "bumps", x="minutes")
