"""The printed numbers of thesis chapter 2, held against each other: what `published.audit` is given for it."""

from __future__ import annotations

from alnb import published


def relative_ap(frame):
    """For `published.audit`: each "relative AP" against the quotient of the table's AP, which are rounded themselves; how many are
    that quotient rounded, and how many cut off; and "relative AP above" (the text's, setting `table=`)."""
    import math

    cells = frame[frame["metric"] == "AP"].set_index(["artefact", "dataset", "method"])["value"]
    rounded, cut, half = [], [], 0.0005
    for row in frame[frame["metric"] == "relative AP"].itertuples():
        a, full = (cells[row.artefact, row.dataset, method] for method in (row.method, "all_data"))
        value = 100 * a / full
        rounded.append(math.isclose(round(value, 1), row.value))
        cut.append(math.isclose(math.floor(10 * value + 1e-9) / 10, row.value))
        slack = 100 * (a + half) / (full - half) - value if row.method != "all_data" else 0.0
        yield published.compared(row, value, f"{a} / {full}", slack)
    if rounded:
        yield {"check": "Table 2.2: relative AP that are the quotient of the printed AP, rounded", "printed": len(rounded),
               "computed": sum(rounded), "agrees": all(rounded), "note": f"cut off after one decimal: {sum(cut)} are"}  # fmt: skip
    for row in frame[frame["metric"] == "relative AP above"].itertuples():
        where = published.settings(row.setting)["table"], row.dataset
        value = 100 * cells[*where, row.method] / cells[*where, "all_data"]
        yield {"check": f"{row.artefact}: relative AP of {row.method} is above", "printed": row.value, "computed": value,
               "agrees": value > row.value, "note": "by a few tenths of a point"}  # fmt: skip


def shares_of_frames(frame):
    """For `published.audit`: "share of the training frames" of a subset (setting `subset=`, `table=`) against the frames that
    the table prints."""
    cells = frame[(frame["artefact"] == "Table 2.1") & (frame["metric"] == "frames")]
    counted = {published.settings(row.setting)["subset"]: row.value for row in cells.itertuples()}
    whole = sum(value for name, value in counted.items() if not name.startswith("Test"))
    for row in frame[frame["metric"] == "share of the training frames"].itertuples():
        name = published.settings(row.setting)["subset"]
        yield published.compared(row, 100 * counted[name] / whole, f"{counted[name]:,.0f} of {whole:,.0f}", more=name)


CHECKS = [relative_ap, shares_of_frames]
