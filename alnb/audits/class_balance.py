"""The printed numbers of thesis chapter 4, held against its words: what `published.audit` is given for that chapter."""

from __future__ import annotations

import itertools
import math

from alnb import published
from alnb.acquisition import cost

HOUR = 3600


def mean_gains(frame):
    """For `published.audit`: a gain "on average" (metric "mean gain", setting `table=`, `imbalance=`, of one method and
    dataset) against the mean of the gains of that table."""
    for row in frame[frame["metric"] == "mean gain"].itertuples():
        setting = published.settings(row.setting)
        cells = _cells(frame, setting["table"], row.dataset, row.method, setting["imbalance"])
        note = f"mean of {', '.join(f'{value:g}' for value in cells)}"
        yield published.compared(row, sum(cells) / len(cells), note)


def least_gains(frame):
    """For `published.audit`: "over x" and "improves in all" (metric "least gain", setting `table=`, and of `imbalance=` and
    `cycle=` what is meant) against the least gain of that table: agrees where that is not below the printed one."""
    for row in frame[frame["metric"] == "least gain"].itertuples():
        setting = published.settings(row.setting)
        cells = _cells(frame, setting["table"], row.dataset, row.method, setting.get("imbalance"), setting.get("cycle"))
        factor = f"IF {setting['imbalance']}" if "imbalance" in setting else ""
        said = f"{row.artefact}: least gain, " + ", ".join(filter(None, (row.dataset, row.method, factor)))
        yield {"check": said, "printed": row.value, "computed": min(cells), "agrees": min(cells) >= row.value,
               "note": f"least of {len(cells)} gains in {setting['table']}"}  # fmt: skip


def growing_gains(frame):
    """For `published.audit`: what is said to grow. Metric "least step" (setting `table=`, `imbalance=`): the least rise of the
    gain from one cycle to the next. Metric "least rise" (setting `table=`, `imbalance=`, several by `/`, and `from=`): the least
    rise of the mean gain from the imbalance factor `from` to any of the others. Agrees where that is not below the printed one."""
    for row in frame[frame["metric"].isin(["least step", "least rise"])].itertuples():
        setting = published.settings(row.setting)
        gains = {i: _cells(frame, setting["table"], row.dataset, row.method, i) for i in setting["imbalance"].split("/")}
        if row.metric == "least step":
            (cells,) = gains.values()
            found, note = min(b - a for a, b in itertools.pairwise(cells)), ", ".join(f"{value:g}" for value in cells)
        else:
            before = _cells(frame, setting["table"], row.dataset, row.method, setting["from"])
            means = {i: sum(cells) / len(cells) for i, cells in {setting["from"]: before, **gains}.items()}
            found = min(means[i] for i in gains) - means[setting["from"]]
            note = "; ".join(f"IF {i}: {mean:.2f}" for i, mean in means.items())
        yield {"check": f"{row.artefact}: {row.metric} of the gain, {row.dataset}, {row.method}", "printed": row.value,
               "computed": found, "agrees": found >= row.value, "note": f"{setting['table']}: {note}"}  # fmt: skip


def shares_of_images(frame):
    """For `published.audit`: "10% more annotation equivalent to 5K images" is that share of the training images."""
    images = frame[frame["metric"] == "training images"].set_index("dataset")["value"]
    for row in frame[frame["metric"] == "annotation saved"].itertuples():
        same = (frame["artefact"] == row.artefact) & (frame["dataset"] == row.dataset) & (frame["setting"] == row.setting)
        for saved in frame[same & (frame["metric"] == "labels saved")].itertuples():
            yield published.compared(
                saved, row.value / 100 * images[row.dataset], f"{row.value:g} % of {images[row.dataset]:,.0f}"
            )


def infeasible(costs):
    """A check for `published.audit`: the footnote "Representativeness-based methods are infeasible on large datasets", against
    what the greedy k-center was measured to cost (`costs`: rows of acquisition.cost.k_center). Taken for infeasible: a choice
    that takes HOUR seconds of one core at the size of Tiny ImageNet, which is extrapolated; the footnote gives no number."""

    def check(frame):
        if grown := cost.extrapolated(costs, "seconds", cost.LARGE):
            slope, seconds = grown
            yield {"check": f"footnote of sec. 4.5.2: k-center infeasible, seconds of a choice from {cost.LARGE:,}",
                   "printed": math.nan, "computed": seconds, "agrees": seconds >= HOUR,
                   "note": f"measured up to {costs['pool'].max():,} made-up samples of {cost.FEATURES} features, beyond as "
                           f"N^{slope:.1f}; ResNet-101 has 2,048; infeasible would be an hour of one core"}  # fmt: skip

    return check


def _cells(frame, table, dataset, method, imbalance=None, cycle_=None) -> list[float]:
    part = frame[(frame["artefact"] == table) & (frame["metric"] == "gain")]
    part = part[(part["dataset"] == dataset) & ((part["method"] == method) | (not method))]
    settings = [published.settings(text) for text in part["setting"]]
    kept = [imbalance in (None, s["imbalance"]) and cycle_ in (None, s["cycle"]) for s in settings]
    return part.loc[kept, "value"].tolist()


CHECKS = (mean_gains, least_gains, growing_gains, shares_of_images)
