"""SRAAL's printed numbers and formulas, held against each other: what `published.audit` is given for that paper."""

from __future__ import annotations

from alnb import published
from alnb.datasets import caltech
from alnb.methods.state_relabeling import indicator, min_var


def formulas(frame):
    """For `published.audit`: what eq. (3) and (4) give, against what is said of them (rows of 3.3, metric "score"). The vectors
    are ours: ten classes; one at .4 and the others flat, two at .5, and one at .9 and all the rest in another."""
    flat, half, sharp = [[0.4] + [0.6 / 9] * 9], [[0.5, 0.5] + [0.0] * 8], [[0.9, 0.1] + [0.0] * 8]
    V, at = "V = (.4, .067, ... .067)", frame[frame["artefact"] == "eq. (4)"]
    if not len(at):
        return
    import numpy

    yield _said(
        "eq. (4): MINVar, denominator 1 - C as printed, is Var(V')",
        round(float(numpy.var(flat)), 6),
        min_var(0.4, 10, True),
        V,
    )
    yield _said("eq. (4): MINVar, denominator C - 1, is Var(V')", round(float(numpy.var(flat)), 6), min_var(0.4, 10), V)
    least = round(float(indicator(flat, printed=True)[0]), 6)
    yield {"check": "3.3, property (1) with (4) as printed: the score is 0 at least", "printed": 0.0, "computed": least,
           "agrees": least >= 0, "note": V}  # fmt: skip
    low, high, third = (round(float(indicator(V)[0]), 6) for V in (flat, half, sharp))
    yield {"check": "3.3, property (2): a larger maximum, .5 for .4, scores less", "printed": low, "computed": high,
           "agrees": high < low, "note": f"{V} scores {low:.3f}, (.5, .5, 0, ... 0) scores {high:.3f}"}  # fmt: skip
    yield {"check": "3.3, property (3): a rest all in one class, for a flat one, scores more", "printed": low, "computed": third,
           "agrees": third > low, "note": f"{V} scores {low:.3f}, (.9, .1, 0, ... 0) scores {third:.3f}"}  # fmt: skip


def _said(what: str, printed: float, computed: float, note: str) -> dict:
    return {
        "check": what,
        "printed": printed,
        "computed": computed,
        "agrees": abs(printed - computed) < 1e-6,
        "note": note,
    }


def sizes(frame):
    """For `published.audit`: images of a dataset, as training plus test images and as classes times images per class."""
    for row in frame[frame["metric"] == "images"].itertuples():
        own = frame[frame["dataset"] == row.dataset].set_index("metric")["value"]
        for first, second, by in (("training images", "test images", "+"), ("classes", "images per class", "x")):
            if first in own and second in own:
                a, b = own[first], own[second]
                yield published.compared(
                    row, a + b if by == "+" else a * b, f"{a:,.0f} {by} {b:,.0f}", more=f"{first} {by} {second}"
                )


def archive(frame):
    """For `published.audit`: how many pictures Caltech-101 has, against those of its archive, its background among them."""
    for row in frame[(frame["dataset"] == "caltech-101") & (frame["metric"] == "all images")].itertuples():
        note = f"{caltech.PICTURES:,} of the categories + {caltech.CLUTTER} of {caltech.BACKGROUND}"
        yield published.compared(row, caltech.PICTURES + caltech.CLUTTER, note)


def orders(frame):
    """For `published.audit`: which methods the text calls better than another (metric "better than", setting `against=`): none
    can be better than itself."""
    for artefact, part in frame[frame["metric"] == "better than"].groupby("artefact"):
        itself = part["method"] == [published.settings(text)["against"] for text in part["setting"]]
        said = "; ".join(part.loc[itself, "note"])
        yield {"check": f"{artefact}: statements that one method is better than another", "printed": len(part),
               "computed": int((~itself).sum()), "agrees": not itself.any(), "note": said}  # fmt: skip


def table_gains(frame):
    """For `published.audit`: "outperforms ... under different sampling ratios": the least that SRAAL's own indicator gains in
    Table 1 on each of the others is above 0."""
    table = frame[frame["artefact"] == "Table 1"]
    share = [published.settings(text)["share"] for text in table["setting"]]
    wide = table.assign(share=share).pivot(index="share", columns="method", values="value") if len(table) else table
    for other in (name for name in wide if name != "sraal"):
        gains = wide["sraal"] - wide[other]
        yield {"check": f"Table 1: least gain on {other} is above 0", "printed": 0.0, "computed": float(gains.min()),
               "agrees": bool(gains.min() > 0), "note": f"at {gains.idxmin()}; of {len(gains)} ratios"}  # fmt: skip


CHECKS = (formulas, sizes, archive, orders, table_gains)
