"""L2R-AL's printed numbers and words, held against each other: what `published.audit` is given for that paper."""

from __future__ import annotations

from alnb import published
from alnb.methods.learning_to_rank import r_s


def orders(frame):
    """For `published.audit`: what the text says of two arms (metric "order": 1 the one is above the other, 0 it is not;
    settings `than=`, `in=` of which figure, `of=` which metric) against the two numbers it gives."""
    for row in frame[frame["metric"] == "order"].itertuples():
        setting = published.settings(row.setting)
        there = frame[(frame["artefact"] == setting["in"]) & (frame["metric"] == setting["of"])]
        numbers = there.set_index("method")["value"]
        gap = numbers[row.method] - numbers[setting["than"]]
        agrees = (gap > 0) == bool(row.value)
        yield {"check": f"{row.artefact}: {row.method} above {setting['than']}, {setting['in']}", "printed": row.value,
               "computed": gap, "agrees": agrees, "note": "1: said to be above, 0: not; computed: by how much"}  # fmt: skip


def extremes(frame):
    """For `published.audit`: "if the ranks are same in every dimension, the value is 1, otherwise -1" (metric "otherwise")
    against (3) for two neighbours of four exchanged."""
    import torch

    for row in frame[frame["metric"] == "otherwise"].itertuples():
        true, near = torch.arange(1.0, 5), torch.tensor([2.0, 1, 3, 4])
        worst = float(r_s(true, true.flip(0)))
        yield published.compared(
            row, float(r_s(true, near)), f"two neighbours of four exchanged; only all turned gives {worst:g}"
        )


CHECKS = (orders, extremes)
