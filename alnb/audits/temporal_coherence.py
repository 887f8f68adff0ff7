"""The printed numbers of thesis chapter 2, held against each other: what `published.audit` is given for it; and what is special in
the chapter's claims."""

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
    the table prints, and in the note against its sequences."""
    frames, sequences = _by_subset(frame, "frames"), _by_subset(frame, "sequences")
    whole, videos = (sum(n for name, n in of.items() if not name.startswith("Test")) for of in (frames, sequences))
    for row in frame[frame["metric"] == "share of the training frames"].itertuples():
        name = published.settings(row.setting)["subset"]
        note = f"{frames[name]:,.0f} of {whole:,.0f}; of the sequences {100 * sequences[name] / videos:.1f} %"
        yield published.compared(row, 100 * frames[name] / whole, note, more=name)


def _by_subset(frame, metric: str) -> dict[str, float]:
    cells = frame[(frame["artefact"] == "Table 2.1") & (frame["metric"] == metric)]
    return {published.settings(row.setting)["subset"]: row.value for row in cells.itertuples()}


def lengths_of_sequences(frame):
    """For `published.audit`: the mean length of a subset's sequences, from Table 2.1 and the frames a second, lies between the
    printed shortest and longest; a length that is uniform between them has a mean of their middle."""
    (rate,), (low,), (high,) = (
        frame.loc[(frame["artefact"] == "sec. 2.4") & (frame["metric"] == metric), "value"]
        for metric in ("frames a second", "shortest sequence", "longest sequence")
    )
    frames, sequences = _by_subset(frame, "frames"), _by_subset(frame, "sequences")
    for name, n in sequences.items():
        mean = frames[name] / n / rate
        yield {"check": f"Table 2.1: mean length of a sequence, s, {name}", "printed": (low + high) / 2, "computed": mean,
               "agrees": low <= mean <= high, "note": f"printed: the middle of {low:g} to {high:g} s"}  # fmt: skip


def tc_is_above(frame):
    """For `published.audit`: "our TC method outperforms all three uncertainty based methods and the random baseline", and in VID
    "all the baselines": by the table's AP, of runs whose deviation is not printed."""
    cells = frame[(frame["artefact"] == "Table 2.2") & (frame["metric"] == "AP")]
    baselines = ("random_r", "least_confidence", "margin", "entropy")
    for dataset, rows in cells.groupby("dataset", sort=False):
        values = rows.set_index("method")["value"]
        leads = {name: values["tc"] - values[name] for name in baselines}
        nearest = min(leads, key=leads.get)
        yield {"check": f"Table 2.2, {dataset}: baselines that TC is above", "printed": len(leads),
               "computed": sum(lead > 0 for lead in leads.values()), "agrees": all(lead > 0 for lead in leads.values()),
               "note": f"the nearest, {nearest}, by {leads[nearest]:.3f} of AP; no deviation is printed"}  # fmt: skip


CHECKS = [relative_ap, shares_of_frames, lengths_of_sequences, tc_is_above]


# --- what is special in the claims ------------------------------------------------------------------------------------------------

RUN = ["race", "dataset", "world", "method", "seed"]


def seconds_a_batch(frame):
    """Per run (RUN), the seconds that choosing a batch took, the detector's look at the pool among them: their sum over its
    batches, as records hold no more than sums."""
    frame = frame.reindex(columns=list(dict.fromkeys([*frame, "choosing"])))
    batches = frame[frame["kind"] == "asked"].groupby(RUN).size()
    took = frame[frame["kind"] == "timing"].groupby(RUN)["choosing"].sum(min_count=1)
    return (took / batches).dropna()


def relative_to_all(frame, most: int = 100):
    """Per run (RUN), its AP over that of `all_data` on the same seed: Table 2.2's relative column, as a share. At the last cycle
    that counts (`statistics.horizon`) with at most so many percent of the pool labelled, rounded as the thesis does. Runs of seeds
    that `all_data` did not run on have none."""
    from alnb import statistics

    tests = statistics.test_rows(frame, "AP").dropna(subset=["value"])
    place = ["race", "dataset", "seed"]
    whole = tests[tests["method"] == statistics.CEILING].set_index(place)[["value", "labelled"]].add_suffix("_of_all")
    arms = tests[(tests["method"] != statistics.CEILING) & (tests["cycle"] >= 1)]
    ends = {race: statistics.horizon(part) for race, part in arms.groupby("race")}
    arms = arms[arms["cycle"] <= arms["race"].map(ends)].join(whole, on=place, how="inner")
    arms = arms[(100 * arms["labelled"] / arms["labelled_of_all"]).round() <= most]
    last = arms[arms["value_of_all"] > 0].sort_values("cycle").groupby(RUN).last()
    return last["value"] / last["value_of_all"]


def above_95_by_12(frame):
    """Per run, by how much "more than 95% of performance [...] by annotating only 12% of the data" is exceeded, as a share."""
    return relative_to_all(frame, most=12) - 0.95


SPECIAL = {"timing.a_batch": seconds_a_batch, "test.above_95_by_12": above_95_by_12}  # metrics of the claims (claims.ledger)
