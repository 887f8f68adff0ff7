"""What SRAAL's first labels gain, race against race: the special metrics of its claims."""

from __future__ import annotations

from alnb import statistics


def start_metrics(results) -> dict:
    """For `claims.ledger`, of each run of the race "start" beside the same arm and seed of "few", areas under the curve with
    cycle 0: "asked.start_gain", the difference; "asked.start_spread", that of the distances from the median of their arm,
    negative where the start of algorithm 1 spreads less (Brown and Forsythe's test is one of such distances)."""
    both = starts(results)
    away = {race: (both[race] - both.groupby("method")[race].transform("median")).abs() for race in ("few", "start")}
    found = both.assign(start_gain=both["start"] - both["few"], start_spread=away["start"] - away["few"])
    found = found.set_index(["race", "dataset", "world", "method", "seed"])
    return {f"asked.{name}": lambda frame, name=name: found[name] for name in ("start_gain", "start_spread")}


def starts(results):
    """A row for each arm and seed that ran in both races, "few" and "start": their areas, with cycle 0, over the cycles that
    both have, in the columns of these names; race is "start"."""
    import pandas

    columns = ["race", "dataset", "world", "method", "seed", "few", "start"]
    rows = (
        results[results["race"].isin(["few", "start"]) & (results["kind"] == "test")]
        if "race" in results
        else results[:0]
    )
    rows = rows[rows["method"] != statistics.CEILING] if len(rows) else rows
    if set(rows["race"] if len(rows) else ()) != {"few", "start"}:
        return pandas.DataFrame(columns=columns)
    rows = statistics.test_rows(rows).dropna(subset=["value"])
    end = int(rows.groupby(["race", "method"])["cycle"].max().min())
    found = []
    for (method, seed), part in rows[rows["cycle"] <= end].groupby(["method", "seed"]):
        runs = {race: run.drop_duplicates("cycle") for race, run in part.groupby("race")}
        if len(runs) == 2 and all(len(run) == end + 1 for run in runs.values()):
            areas = {race: statistics.aubc(run["labelled"], run["value"]) for race, run in runs.items()}
            about = {
                "race": "start",
                "dataset": runs["start"]["dataset"].iloc[0],
                "world": bool(runs["start"]["world"].iloc[0]),
            }
            found.append(about | {"method": method, "seed": int(seed)} | areas)
    return pandas.DataFrame(found, columns=columns)
