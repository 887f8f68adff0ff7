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
        yield {"check": f"{row.artefact}: correlation; chance alone reaches {needed:.3f} once in twenty", "printed": row.value,
               "computed": needed, "agrees": row.value >= needed,
               "note": f"{n} points leave {n - 2} degree of freedom: p = {p:.2f}"}  # fmt: skip


def _cells(frame, table, dataset, training) -> dict[str, float]:
    """Accuracy of each method in a printed table."""
    part = frame[(frame["artefact"] == table) & (frame["dataset"] == dataset) & (frame["metric"] == "accuracy")]
    kept = part[[published.settings(text)["training"] == training for text in part["setting"]]]
    return dict(zip(kept["method"], kept["value"]))


CHECKS = [printed_shares, printed_ranks, printed_gains, printed_correlations]
