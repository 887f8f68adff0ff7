"""Chapter 5's printed numbers, held against each other and against its words: what `published.audit` is given for it."""

from __future__ import annotations

import math

from alnb import published


def printed_shares(frame):
    """For `published.audit`: labels that are said to be saved (setting `share=`, percent, `of=`, images) as that share."""
    for row in frame[frame["metric"] == "labels saved by pre-training"].itertuples():
        setting = published.settings(row.setting)
        share, size = float(setting["share"]), float(setting["of"])
        note = f"{share:g} % of {size:,.0f} images; said to appear after {setting['after']} % are labelled"
        yield published.compared(row, share / 100 * size, note)


def printed_ranks(frame):
    """For `published.audit`: a rank among methods (setting `table=`, `training=`, `among=`) from the accuracies of that table."""
    for row in frame[frame["metric"] == "rank"].itertuples():
        setting = published.settings(row.setting)
        cells = _cells(frame, setting["table"], row.dataset, setting["training"])
        own, others = cells[row.method], {name: cells[name] for name in setting["among"].split(",")}
        note = f"{own:g} against {', '.join(f'{name} {value:g}' for name, value in others.items())}, at 50 % only"
        yield published.compared(row, 1 + sum(value > own for value in others.values()), note)


def printed_gains(frame):
    """For `published.audit`: what pre-training gains at the least, over the methods and datasets that a table prints both with
    it and without: agrees where that is above the printed number."""
    for row in frame[frame["metric"] == "least gain of pre-training"].itertuples():
        setting, gaps = published.settings(row.setting), {}
        for dataset in dict.fromkeys(
            frame.loc[(frame["artefact"] == row.artefact) & (frame["dataset"] != ""), "dataset"]
        ):
            ours, theirs = (_cells(frame, row.artefact, dataset, setting[side]) for side in ("training", "against"))
            gaps |= {f"{dataset} {name}": ours[name] - theirs[name] for name in ours if name in theirs}
        least, most = min(gaps.values()), max(gaps.values())
        note = f"{least:.1f} to {most:.1f} points over {len(gaps)} pairs at 50 %, where the gap is said to be closed"
        yield {"check": f"{row.artefact}: least gain of pre-training, points", "printed": row.value, "computed": least,
               "agrees": least > row.value, "note": note}  # fmt: skip


def printed_correlations(frame):
    """For `published.audit`: a correlation of so many `points=` against the least that, were there none, chance alone would
    reach with a probability of 5 %."""
    from scipy.stats import t

    for row in frame[frame["metric"] == "correlation"].itertuples():
        n = int(published.settings(row.setting)["points"])
        critical = float(t.ppf(0.975, n - 2))
        needed = critical / math.sqrt(n - 2 + critical**2)
        value = row.value * math.sqrt((n - 2) / (1 - row.value**2))
        p = 2 * float(t.sf(value, n - 2))
        yield {"check": f"{row.artefact}: correlation, times 100; chance alone reaches {100 * needed:.1f} once in twenty",
               "printed": 100 * row.value, "computed": 100 * needed, "agrees": row.value >= needed,
               "note": f"{n} points leave {n - 2} degree of freedom: p = {p:.2f}"}  # fmt: skip


def printed_regimes(frame):
    """For `published.audit`: a budget that is called low (under so many percent) is said to gain nothing from active learning, so
    none from which it gains on a pre-trained network may lie under it."""
    low = frame[frame["metric"] == "budget under which a regime is called low"]
    for row in _gaining(frame):
        for limit in low["value"]:
            check = f"{row.artefact}: from which budget active learning gains, {row.dataset}; low is under {limit:g} %"
            yield {"check": check,
                   "printed": row.value, "computed": limit, "agrees": row.value >= limit,
                   "note": "active learning is said to offer no benefit where the budget is low"}  # fmt: skip


def printed_thresholds(frame):
    """For `published.audit`: the labels a class from which active learning is said to gain in the text, of the dataset with the
    most classes against that with the fewest: they are to rise with the classes (Fig. 5.6)."""
    sizes = {(row.dataset, row.metric): row.value for row in frame.itertuples() if row.metric == "classes"}
    images = frame[(frame["metric"] == "images") & (frame["setting"] == "split=training")].set_index("dataset")["value"]
    a_class = {
        row.dataset: row.value / 100 * images[row.dataset] / sizes[row.dataset, "classes"] for row in _gaining(frame)
    }
    ranked = sorted(a_class, key=lambda dataset: sizes[dataset, "classes"])
    if len(ranked) > 1:
        few, many = ranked[0], ranked[-1]
        check = f"Fig. 5.6: labels a class from which active learning gains, {many} above {few}"
        yield {"check": check, "printed": a_class[few],
               "computed": a_class[many], "agrees": a_class[many] > a_class[few],
               "note": "a cycle, by the text (of many classes: at the least); the figure prints no number"}  # fmt: skip


def printed_ends(frame):
    """For `published.audit`: labels said to be saved after so many percent (settings `after=`, `share=`): training from scratch
    gets there with both together, which is to be the budget at which the gap is said to close."""
    closes = frame[(frame["metric"] == "budget at which the gap closes") & (frame["dataset"] == "")]["value"]
    for row in frame[frame["metric"] == "labels saved by pre-training"].itertuples():
        setting = published.settings(row.setting)
        both = float(setting["after"]) + float(setting["share"])
        for end in closes:
            check = f"{row.artefact}: where from scratch catches up, % of the pool, {row.dataset}"
            yield {"check": check, "printed": end, "computed": both, "agrees": both == end,
                   "note": f"{setting['after']} % labelled and {setting['share']} % saved"}  # fmt: skip


def _gaining(frame):
    found = frame[frame["metric"] == "budget from which active learning gains"]
    return found[found["setting"].str.contains("training=pre-trained")].itertuples()


def _cells(frame, table, dataset, training) -> dict[str, float]:
    """Accuracy of each method in a printed table."""
    part = frame[(frame["artefact"] == table) & (frame["dataset"] == dataset) & (frame["metric"] == "accuracy")]
    kept = part[[published.settings(text)["training"] == training for text in part["setting"]]]
    return dict(zip(kept["method"], kept["value"]))


CHECKS = [
    printed_shares, printed_ranks, printed_gains, printed_correlations, printed_regimes, printed_thresholds, printed_ends,
]  # fmt: skip
