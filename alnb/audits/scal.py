"""SCAL's printed numbers and words, held against each other, and what is special in its claims: what `published.audit` and
`claims.ledger` are given for that paper."""

from __future__ import annotations

from alnb import published
from alnb.methods.scal_runs import ARMS
from alnb.tasks.identities import METRICS


def margins(frame):
    """For `published.audit`: a stated lead ("margin, mAP"; setting `table=`, `against=` a method, "best": the best row of
    that table that is not the paper's own, or "best of <group>")."""
    for row in frame[frame["metric"].str.startswith("margin, ")].itertuples():
        setting, metric = published.settings(row.setting), row.metric.removeprefix("margin, ")
        own, rival = _printed(frame, setting["table"], row.dataset, metric), setting["against"]
        if rival.startswith("best"):
            among = _printed(
                frame, setting["table"], row.dataset, metric, rival.removeprefix("best").removeprefix(" of ")
            )
            rival = max((name for name in among if name not in ARMS), key=among.get)
        note = f"{own[row.method]:g} of {row.method} - {own[rival]:g} of {rival}"
        yield published.compared(row, own[row.method] - own[rival], note, more=f"over {setting['against']}")


def competitive(frame):
    """For `published.audit`: "competitive" (metric "competitive, mAP"; setting `table=`, `source=`; a value of points behind
    at most) against the best of the paper's own rows without the rival's images: agrees where that is no further behind."""
    for row in frame[frame["metric"].str.startswith("competitive, ")].itertuples():
        setting, metric = published.settings(row.setting), row.metric.removeprefix("competitive, ")
        there = _printed(frame, setting["table"], row.dataset, metric)
        best = max((name for name in there if name in ARMS), key=there.get)
        lead = there[best] - there[row.method]
        yield {"check": f"{row.artefact}: competitive with {row.method}, {metric}, {setting['source']} to {row.dataset}",
               "printed": row.value, "computed": lead, "agrees": lead >= -row.value - 1e-9,
               "note": f"{there[best]:g} of {best} - {there[row.method]:g}"}  # fmt: skip


def _printed(frame, table, dataset, metric, group: str = "") -> dict[str, float]:
    part = frame[(frame["artefact"] == table) & (frame["dataset"] == dataset) & (frame["metric"] == metric)]
    part = part[[published.settings(text).get("group", group) == group or not group for text in part["setting"]]]
    return dict(zip(part["method"], part["value"]))


def repeated(frame):
    """For `published.audit`: a number of the paper's own methods that a second place prints, against the first."""
    known = {m.name for m in METRICS}
    own = frame[frame["method"].isin(ARMS) & frame["metric"].isin(known) & (frame["artefact"] != "Table 6")]
    for _, part in own.groupby(["dataset", "method", "metric"], sort=False):
        first, *others = part.itertuples()
        for row in others:
            yield published.compared(row, first.value, f"{first.artefact} prints {first.value:g}")


def counted(frame):
    """For `published.audit`: how many methods a table compares with, against its rows ("methods counted"; `table=`, `group=`)."""
    for row in frame[frame["metric"] == "methods counted"].itertuples():
        setting = published.settings(row.setting)
        part = frame[(frame["artefact"] == setting["table"]) & (frame["dataset"] == row.dataset)]
        rows = part.loc[
            [published.settings(text).get("group") == setting["group"] for text in part["setting"]], "method"
        ]
        note = f"{setting['group']} rows of {setting['table']}"
        yield published.compared(row, rows.nunique(), note, more=setting["group"])


QUERIES_APART = ("market-1501",)  # whose queries are drawn by hand, no detections, and not among its official count


def statistics_of_data(frame):
    """For `published.audit`: Table 1 against itself (people to train and to test on make all people) and against the official
    counts of the datasets, which the loaders verify; images as a dataset's authors count them (`QUERIES_APART`)."""
    from alnb.datasets.reid import LAYOUTS

    table = frame[frame["artefact"] == "Table 1"]
    for dataset, part in table.groupby("dataset", sort=False):
        rows = {row.metric: row for row in part.itertuples()}
        train, test = rows["training identities"].value, rows["test identities"].value
        yield published.compared(rows["identities"], train + test, f"{train:g} to train on + {test:g} to test on")
        for name in [one for one in LAYOUTS if one.startswith(dataset)]:
            layout = LAYOUTS[name]
            counts = {split: numbers[0] for split, numbers in layout.counts.items()}
            if name in QUERIES_APART:
                del counts["query"]
            note = " + ".join(f"{count} {split}" for split, count in counts.items()) + f" of {name}"
            note += "; its queries are counted apart" * (name in QUERIES_APART)
            yield published.compared(rows["images"], sum(counts.values()), note, more=name * (name != dataset))
            note = f"as {name} numbers them" + "; the first release has five pairs of views" * name.startswith("cuhk03")
            yield published.compared(rows["cameras"], layout.cameras, note, more=name * (name != dataset))


def splits(frame):
    """For `published.audit`: people to train and to test on that the text names, against all people of Table 1."""
    people = frame[(frame["artefact"] == "Table 1") & (frame["metric"] == "identities")]
    named = frame[frame["artefact"].str.startswith("sec.") & frame["metric"].isin(["training identities", "test identities"])]
    for (artefact, dataset, _), part in named.groupby(["artefact", "dataset", "setting"], sort=False):
        (row,) = people[people["dataset"].str.startswith(dataset)].itertuples()
        train, test = part["value"]
        yield published.compared(row, train + test, f"{artefact}: {train:g} + {test:g}", more=f"split {train:g}/{test:g}")


def said_twice(frame):
    """For `published.audit`: what two places say of one thing: single query or not, a reference's number, a dataset's name."""
    for metric in ("single query", "reference", "number in the name"):
        for _, part in frame[frame["metric"] == metric].groupby(["dataset", "method"], sort=False):
            *others, last = part.sort_values("value", kind="stable").itertuples()
            for other in others:
                row, right = (other, last) if metric != "reference" else (last, other)
                yield published.compared(row, right.value, f"{right.artefact}: {right.note}", more=row.note)


def named(frame):
    """For `published.audit`: the paper's own rows of Table 6 that are printed under its own name, against all of them."""
    rows = frame[(frame["artefact"] == "Table 6") & frame["method"].str.contains("_critic")]
    rows = rows.drop_duplicates("method")
    right = int(rows["note"].str.contains("SCAL").sum())
    yield {"check": "Table 6: rows of SCAL printed under that name", "printed": right, "computed": float(len(rows)),
           "agrees": right == len(rows), "note": ", ".join(rows["note"])}  # fmt: skip


CHECKS = (margins, competitive, repeated, counted, statistics_of_data, splits, said_twice, named)


def vanishing(frame):
    """For `claims.ledger` ("gradient.vanishing"): decades from the norm of J_cls at the last agent to that at the first, mean
    over the epochs looked at; negative where it gets less on its way back."""
    import numpy as np

    rows = frame[frame["kind"] == "gradient"]
    run = ["race", "dataset", "world", "method", "seed"]
    decades = rows.assign(decades=np.log10(rows["J_cls"].clip(lower=1e-12))).groupby([*run, "site"])["decades"].mean()
    return (decades.xs(1, level="site") - decades.xs(rows["site"].max(), level="site")).rename("vanishing")


def given_area(frame):
    """For `claims.ledger` ("quality.given_area"): whether V ranks images by the share of their attention on the person, given the
    person's share of the box, which needs no attention: the partial rank correlation over a run's images. A difference of two
    correlations with V is no test of it: where attention follows the area, both may be large and V know nothing else."""
    rows = frame[frame["kind"] == "quality"]
    run = rows.groupby(["race", "dataset", "world", "method", "seed"])
    return run[["V", "person", "area"]].apply(_given_area).rename("given_area")


def _given_area(images) -> float:
    from alnb.metrics.attention import partial_spearman

    return partial_spearman(*(images[name].to_numpy(float) for name in ("V", "person", "area")))


REPEATED = ("label_smoothing", "label_smoothing(again=1)")  # the A/A arm of `claims.ledger`
SPECIAL = {"gradient.vanishing": vanishing, "quality.given_area": given_area}
