"""DRAL's printed numbers and words, held against each other: what `published.audit` is given for that paper."""

from __future__ import annotations

import itertools
import math

from alnb import published

TABLES = ("Table 2", "Table 3", "Table 4", "Table 5")
RANKS = ("rank 1", "rank 5", "rank 10")
EACH = ("cameras", "images an identity and camera")
MEASURED_HERE = ("source_only", "all_data", "dral", "random", "qiu", "qbc", "gd")  # what the authors ran themselves


def printed_twice(frame):
    """For `published.audit`: a number that stands in two tables is one number."""
    part = frame[frame["artefact"].isin(TABLES) & frame["metric"].isin(["mAP", *RANKS])]
    part = part[~part["setting"].isin(["k_max=3", "k_max=5"])]
    for _, rows in part.groupby(["dataset", "method", "metric"], sort=False):
        first, *others = rows.itertuples()
        for other in others:
            yield published.compared(other, first.value, f"{first.artefact} prints {first.value:g}")


def shares_of_queries(frame):
    """For `published.audit`: a rank-k of the authors' own is a whole number of queries. Of CUHK01, where their number is not
    printed, the queries are taken to be both boxes of one camera of each test identity."""
    part = frame[frame["artefact"].isin(TABLES) & frame["metric"].isin(RANKS) & frame["method"].isin(MEASURED_HERE)]
    for dataset, rows in part.groupby("dataset", sort=False):
        queries, why = _number(frame, dataset, "queries"), "as printed"
        if queries is None:
            queries = 2 * _number(frame, dataset, "test identities")
            why = f"both boxes of one camera; {_several_matches(frame, dataset)}"
        rows = rows.drop_duplicates(["method", "setting", "metric", "value"]).drop_duplicates(
            ["method", "metric", "value"]
        )
        odd = [row for row in rows.itertuples() if not _is_share(row, queries)]
        named = ", ".join(f"{row.method} {row.metric} {row.value:g} ({row.artefact})" for row in odd) or "none is not"
        yield {"check": f"{dataset}: rank-k that are shares of {queries:g} queries", "printed": len(rows),
               "computed": len(rows) - len(odd), "agrees": not odd, "note": f"{why}; {named}"}  # fmt: skip


def _several_matches(frame, dataset: str) -> str:
    """With one match a query mAP is the mean of 1 / its rank, and so never below rank 1."""
    part = frame[(frame["dataset"] == dataset) & frame["artefact"].isin(TABLES) & frame["method"].isin(MEASURED_HERE)]
    part = part[part["metric"].isin(["mAP", "rank 1"])]
    both = part.pivot_table(index=["artefact", "method", "setting"], columns="metric", values="value").dropna()
    below = int((both["mAP"] < both["rank 1"]).sum())
    return f"mAP is below rank 1 in {below} of {len(both)} rows, so a query has more than one match"


def _is_share(row, of: float) -> bool:
    nearest = 100 * round(row.value * of / 100) / of
    return abs(nearest - row.value) <= 0.5 * 10.0**-row.decimals + 1e-9


def leads(frame):
    """For `published.audit`: what DRAL leads by, over the best of a style or the one that the text calls second best."""
    for row in frame[frame["metric"].isin(["lead", "lead on the second best"])].itertuples():
        setting = published.settings(row.setting)
        table = frame[(frame["artefact"] == setting["table"]) & (frame["metric"] == setting["metric"])]
        ours = _value(table, "dral")
        styles = [published.settings(text).get("style") for text in table["setting"]]
        rivals = table[[style == setting.get("style", "active") for style in styles]].sort_values("value")
        best, second = rivals["method"].iloc[-1], rivals["value"].iloc[-1]
        other = setting.get("against", best)
        where = ", whose row stands beside the active methods" * (other == "dml")
        note = f"over {other}{where}; the second best is {best}, {ours - second:.2f} behind"
        yield published.compared(row, ours - _value(table, other), note)


def gains_by_questions(frame):
    """For `published.audit`: what more questions a query gain, and what is missing to all labels, against Table 5."""
    for row in frame[frame["metric"].isin(["gain by questions", "shortfall"])].itertuples():
        setting = published.settings(row.setting)
        table = frame[(frame["artefact"] == setting["table"]) & (frame["metric"] == setting["metric"])]
        table = table[table["dataset"] == row.dataset]
        at = {published.settings(text).get("k_max", method): value for text, method, value in
              zip(table["setting"], table["method"], table["value"])}  # fmt: skip
        high, low = (
            (at[setting["to"]], at[setting["from"]]) if "to" in setting else (at["all_data"], at[setting["k_max"]])
        )
        yield published.compared(row, high - low, f"{high:g} - {low:g}")


def monotone_in_k(frame):
    """For `published.audit`: with more questions a query, no rank-k and no mAP of Table 5 falls."""
    part = frame[(frame["artefact"] == "Table 5") & (frame["method"] == "dral") & frame["metric"].isin(["mAP", *RANKS])]
    for (dataset, metric), rows in part.groupby(["dataset", "metric"], sort=False):
        known = sorted((int(published.settings(row.setting)["k_max"]), row.value) for row in rows.itertuples())
        for (fewer, before), (more, after) in itertools.pairwise(known):
            if after < before:
                check = f"Table 5: {metric} with K = {more}, {dataset}, is no less than with {fewer}"
                note = f"{before:g} with {fewer} questions, {after:g} with {more}"
                yield {"check": check, "printed": after, "computed": before, "agrees": False, "note": note}


def annotation_shares(frame):
    """For `published.audit`: which share of all pairs 10 n are, which number of boxes a fifth, and of pairs."""
    for row in frame[frame["metric"] == "share of pairs asked"].itertuples():
        if row.dataset:
            n, k = _boxes(frame, row.dataset), float(published.settings(row.setting)["k_max"])
            yield published.compared(row, 200 * k / (n - 1), f"{k:g} n of n (n - 1) / 2, n = {n:,.0f}")
        else:
            yield published.compared(row, 20 * 20 / 100, "20 % of the images, so 20 % of 20 % of the pairs")
    for row in frame[frame["metric"] == "images asked"].itertuples():
        n = _boxes(frame, row.dataset)
        yield published.compared(row, 0.2 * n, f"20 % of {n:,.0f}; the other datasets' are rounded to the nearest")


def counted(frame):
    """For `published.audit`: images of CUHK01 and of DukeMTMC-reID, approaches named, iterations run."""
    for row in frame[(frame["metric"] == "images") & (frame["dataset"] != "market-1501")].itertuples():
        parts = [_number(frame, row.dataset, name) for name in ("training images", "queries", "gallery images")]
        if None in parts:
            parts = [math.prod(_number(frame, row.dataset, name) for name in ("identities", *EACH))]
        yield published.compared(row, sum(parts), " + ".join(f"{part:,.0f}" for part in parts))
    tables = frame[frame["artefact"].isin(TABLES)]
    unlabelled = tables[[published.settings(text).get("style") == "unlabelled" for text in tables["setting"]]]
    (row,) = frame[frame["metric"] == "approaches compared"].itertuples()
    named = unlabelled.loc[unlabelled["artefact"] == "Table 2", "method"].nunique()
    yield published.compared(row, named, f"those of Table 2; {unlabelled['method'].nunique()} names in three tables")
    (row,) = frame[frame["metric"] == "iterations until it is flat"].itertuples()
    (ran,) = frame[frame["metric"] == "iterations"].itertuples()
    yield {"check": f"{row.artefact}: iterations run, to see it flat after {row.value:g}", "printed": row.value,
           "computed": ran.value, "agrees": row.value < ran.value, "note": f"the setting is {ran.value:g} iterations"}  # fmt: skip


def cited(frame):
    """For `published.audit`: one name, one reference; one reference, one name; no row is another's of another dataset."""
    refs = frame[frame["metric"] == "reference"]
    for method, rows in refs.groupby("method", sort=False):
        for last in list(rows.itertuples())[1:]:
            first = rows.iloc[0]
            yield {"check": f"reference of {method}, {last.artefact} and {first['artefact']}", "printed": last.value,
                   "computed": first["value"], "agrees": last.value == first["value"], "note": "one name, one source"}  # fmt: skip
    for number, rows in refs.groupby("value", sort=False):
        names = list(dict.fromkeys(rows["method"]))
        if len(names) > 1 and "hvil" not in names:
            yield {"check": f"names of reference [{number:g}]", "printed": len(names), "computed": 1, "agrees": False,
                   "note": f"one source is {' and '.join(names)}"}  # fmt: skip
    cells = frame[frame["artefact"].isin(TABLES[:3]) & frame["metric"].isin(RANKS)]
    rows = {key: part for key, part in cells.groupby(["artefact", "method"], sort=False)}
    for one, other in itertools.combinations(rows, 2):
        a, b = (rows[key].set_index("metric") for key in (one, other))
        if one[0] == other[0] or len(a) < 3 or len(b) < 3:
            continue
        half = [0.5 * 10.0 ** -min(a["decimals"][rank], b["decimals"][rank]) + 1e-9 for rank in RANKS]
        if all(abs(a["value"][rank] - b["value"][rank]) <= h for rank, h in zip(RANKS, half)):
            yield {"check": f"{other[1]} on {b['dataset'].iloc[0]}, rank 1, is a row of its own", "printed": b["value"]["rank 1"],
                   "computed": a["value"]["rank 1"], "agrees": False,
                   "note": f"all three ranks are those of {one[1]} on {a['dataset'].iloc[0]}, {one[0]}"}  # fmt: skip


CHECKS = (printed_twice, shares_of_queries, leads, gains_by_questions, monotone_in_k, annotation_shares, counted, cited)


def _number(frame, dataset: str, metric: str) -> float | None:
    found = frame.loc[
        (frame["dataset"] == dataset) & (frame["metric"] == metric) & (frame["artefact"] == "sec. 4.1"), "value"
    ]
    return float(found.iloc[0]) if len(found) else None


def _boxes(frame, dataset: str) -> float:
    """Training images, or what identities, cameras and images of each come to."""
    n = _number(frame, dataset, "training images")
    if n is None:
        n = math.prod(_number(frame, dataset, name) for name in ("training identities", *EACH))
    return n


def _value(table, method: str) -> float:
    return float(table.loc[table["method"] == method, "value"].iloc[0])
