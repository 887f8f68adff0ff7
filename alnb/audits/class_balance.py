"""The printed numbers of thesis chapter 4, held against its words: what `published.audit` is given for that chapter."""

from __future__ import annotations

from alnb import published


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
        said = f"{row.artefact}: least gain, " + ", ".join(
            filter(None, (row.dataset, row.method, setting.get("imbalance")))
        )
        yield {"check": said, "printed": row.value, "computed": min(cells), "agrees": min(cells) >= row.value,
               "note": f"least of {len(cells)} gains in {setting['table']}"}  # fmt: skip


def _cells(frame, table, dataset, method, imbalance=None, cycle_=None) -> list[float]:
    part = frame[(frame["artefact"] == table) & (frame["metric"] == "gain")]
    part = part[(part["dataset"] == dataset) & ((part["method"] == method) | (not method))]
    settings = [published.settings(text) for text in part["setting"]]
    kept = [imbalance in (None, s["imbalance"]) and cycle_ in (None, s["cycle"]) for s in settings]
    return part.loc[kept, "value"].tolist()


CHECKS = (mean_gains, least_gains)
