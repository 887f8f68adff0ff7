"""Tables 1 to 4 and 6 of SCAL: printed numbers beside what ran here. Rows in, a `figures.Drawing` out.

Rows of other methods are the paper's own quotations: none of them was run, there or here.
"""

from __future__ import annotations

import math

from alnb import figures, published
from alnb.acquisition import parse_arm
from alnb.drawn import seed_pairs, standard
from alnb.errors import BadRequest
from alnb.figures import Drawing

OWN = {"label_smoothing": "no attention", "spatial_critic": "SCAL (spatial)", "channel_critic": "SCAL (channel)"}
RESTYLED = "channel_critic+SPGAN"  # as data/published names it
QUOTED = "Rows with a reference are quoted by the paper from there; none was run here."
NOTHING = "no runs at this profile"

# --- Table 1 ------------------------------------------------------------------------------------------------------------------

STAND_INS = {
    "market-1501": {"market-1501": "pedestrians-market"},
    "dukemtmc-reid": {"dukemtmc-reid": "pedestrians-duke-more"},
    "cuhk03-np": {"cuhk03-np-labelled": "pedestrians-cuhk03-labelled", "cuhk03-np-detected": "pedestrians-cuhk03-detected"},
}  # fmt: skip
STATISTICS = ("identities", "images", "cameras", "training identities", "test identities")


def table_1(printed, root=None, races=None) -> Drawing:
    """Table 1: the datasets' statistics as printed, as published by the datasets' authors (which the loaders verify), as
    counted in the folders that are here, of the worlds that stand in, and of what else the races of the profile use. printed:
    `published("scal", "Table 1")`; races: the notebook's parameters."""
    import pandas

    from alnb.datasets import reid, reid_counts

    rows, found = [], []
    for dataset, pairs in STAND_INS.items():
        part = printed[printed["dataset"] == dataset].set_index("metric")["value"]
        numbers = {name: part[name] for name in STATISTICS}
        rows.append({"dataset": dataset, "from": "printed", **numbers, **_printed_as(printed, dataset)})
        for name, stand_in in pairs.items():
            rows.append({"dataset": name, "from": "official", **official(name), "query": "single"})
            for one, source in ((name, "folder here"), (stand_in, "drawn here")):
                if (numbers := reid_counts.counted(one, root)) is not None:
                    rows.append({"dataset": one, "from": source, **numbers, "query": "single"})
                    found.append({"dataset": one, "world": source == "drawn here", "key": math.nan})
    used = _used(races or {})
    for name in used:
        if name not in {one["dataset"] for one in rows} and (numbers := _counted(name, root)) is not None:
            source = "folder here" if name in reid.LAYOUTS else "drawn here"
            rows.append({"dataset": name, "from": source, **numbers, "query": "single"})
            found.append({"dataset": name, "world": source == "drawn here", "key": math.nan})
    table = pandas.DataFrame(rows)
    shown = table.fillna("")
    for name in STATISTICS:
        shown[name] = [f"{value:,.0f}" for value in table[name]]
    fig = figures.table(shown)
    absent = [name for pairs in STAND_INS.values() for name in pairs if name not in {one["dataset"] for one in found}]
    missing = f" Not here: {', '.join(absent)}." if absent else ""
    missing += f" The runs of this profile use {', '.join(used)}." if used else ""
    figures.note(fig, "Images: training, query and gallery; the paper's 32,668 of Market-1501 leave its 3,368 queries out. "
                      "Query, as printed: SQ is read as single query, SS the paper does not explain. "
                      f"Official counts are verified whenever a folder is loaded.{missing}")  # fmt: skip
    said = []
    for one in rows:
        numbers = ", ".join(f"{one[name]:,.0f} {name}" for name in STATISTICS)
        said.append(f"{one['dataset']} ({one['from']}): {numbers}")
    return Drawing(fig, table, f"Table of the datasets' statistics. {'; '.join(said)}.{missing}", pandas.DataFrame(found))


def _used(races) -> list[str]:
    """The datasets that the races of a notebook's parameters are trained or tested on."""
    names = [race[key] for race in races.values() if isinstance(race, dict) for key in ("dataset", "source") if key in race]
    return list(dict.fromkeys(names))


def _counted(name: str, root):
    """`reid_counts.counted`; None of what it does not count."""
    from alnb.datasets import reid_counts

    try:
        return reid_counts.counted(name, root)
    except BadRequest:
        return None


def _printed_as(printed, dataset: str) -> dict[str, str]:
    """The last two lines of Table 1 for a dataset: test setting and labelling, as its note says them."""
    (note,) = printed.loc[(printed["dataset"] == dataset) & (printed["metric"] == "single query"), "note"]
    query, labelling = (part.rpartition(" ")[2] for part in note.split("; ")[-2:])
    return {"query": query, "boxes": labelling}


def official(name: str) -> dict[str, int]:
    """The statistics of a real benchmark by the counts that its loader verifies."""
    from alnb.datasets import reid

    layout = reid.LAYOUTS[name]
    train, test = layout.counts["train"][1], layout.counts["query"][1]
    images = sum(count for count, _, _ in layout.counts.values())
    return dict(zip(STATISTICS, (train + test, images, layout.cameras, train, test)))


# --- Tables 2 to 4 ------------------------------------------------------------------------------------------------------------


def table_2(results, printed) -> Drawing | None:
    """Table 2: Market-1501. printed: `published("scal", "Table 2")`."""
    return _against_others(results, printed, {"market": "market-1501"}, ("mAP", "rank 1", "rank 5"))


def table_3(results, printed) -> Drawing | None:
    """Table 3: DukeMTMC-reID."""
    return _against_others(results, printed, {"duke": "dukemtmc-reid"}, ("mAP", "rank 1", "rank 5"))


def table_4(results, printed) -> Drawing | None:
    """Table 4: CUHK03, labelled and detected boxes."""
    races = {"labelled": "cuhk03-np-labelled", "detected": "cuhk03-np-detected"}
    return _against_others(results, printed, races, ("mAP", "rank 1"))


def _against_others(results, printed, races: dict[str, str], metrics) -> Drawing | None:
    """The printed rows of all methods, and beside SCAL's the mean and deviation of what ran in the race of that dataset; below
    them the same training without attention, which these tables do not have."""
    tests = _tests(results, races)
    tests = tests if tests is None else tests[tests["method"].isin(OWN)]
    if tests is None or tests.empty:
        return standard.left_out(" and ".join(races), NOTHING)
    found, printed = [], printed[printed["method"] != ""]
    for method in [*dict.fromkeys(printed["method"]), "label_smoothing"]:
        theirs = printed[printed["method"] == method]
        one = {"method": OWN.get(method, method), **_of_whom(theirs)}
        for race, dataset in races.items():
            where = f"{dataset.rpartition('-')[2]} " if len(races) > 1 else ""
            for metric in metrics:
                cell = theirs[(theirs["dataset"] == dataset) & (theirs["metric"] == metric)]["value"]
                ours = tests[(tests["race"] == race) & (tests["method"] == method)][metric]
                one |= _pair(f"{where}{metric}", cell.iloc[0] if len(cell) else math.nan, ours)
        found.append(one)
    return _drawing(found, tests, "Table of published methods beside SCAL", QUOTED)


def _of_whom(rows) -> dict:
    """Where a printed row comes from and on which network, as texts."""
    if rows.empty:
        return {"from": "here", "network": ""}
    first = rows.iloc[0]
    reference = first["note"].rpartition("reference ")[2] if first["note"].startswith("quoted") else "SCAL"
    return {"from": reference, "network": published.settings(first["setting"]).get("network", "").removeprefix("reid_")}


def _pair(name: str, printed: float, ours) -> dict:
    return {f"{name}, printed": printed, f"{name}, here": ours.mean(), f"{name}, sd": ours.std(), f"{name}, n": len(ours)}


# --- Table 6 ------------------------------------------------------------------------------------------------------------------

DOMAINS = {"to_duke": ("market-1501", "dukemtmc-reid", "M→D"), "to_market": ("dukemtmc-reid", "market-1501", "D→M")}
OVER = {RESTYLED: "channel_critic"}  # what a row's gain is over: the same training on images as they are, else no attention


def table_6(results, printed) -> Drawing | None:
    """Table 6: trained on one benchmark, tested on the other, both ways; and trained on the source's images in the target's
    style, which the paper has of SPGAN: a user's folder on real data, statistics of the cameras' colours on a world. Arms
    have other seeds, so each has beside its mean what it gains over another on the seeds that both have."""
    tests = _tests(results, DOMAINS)
    if tests is None:
        return standard.left_out(" and ".join(DOMAINS), NOTHING)
    arms = {arm: _transferred(arm) for arm in tests["method"].unique()}
    found = []
    for method in [*dict.fromkeys(printed["method"]), *[arm for arm in arms.values() if arm not in set(printed["method"])]]:
        theirs = printed[printed["method"] == method]
        name = "SCAL (channel), restyled source" if method == RESTYLED else OWN.get(method, method)
        over = OVER.get(method, "label_smoothing")
        one = {"method": name, **_of_whom(theirs), "over": OWN[over] * (method in arms.values() and method != over)}
        del one["network"]
        for race, (source, target, short) in DOMAINS.items():
            for metric in ("mAP", "rank 1"):
                there = theirs["setting"].str.contains(f"source={source};") & (theirs["dataset"] == target)
                cell = theirs[there & (theirs["metric"] == metric)]["value"]
                here = tests[tests["race"] == race]
                ours, other = (here[here["method"].map(arms) == arm] for arm in (method, over))
                one |= _pair(f"{short} {metric}", cell.iloc[0] if len(cell) else math.nan, ours[metric])
                gap = seed_pairs.less(ours, other if one["over"] else None, metric)
                one |= seed_pairs.columns(f"{short} {metric}, gain", gap)
        found.append(one)
    how = "the colours of the target's cameras" if tests["world"].all() else "images that the user gave"
    note = f"gain: on the method in `over`, on the seeds that both have (95 % t interval). {QUOTED} No image of the target is "
    note += f"trained on; restyled: {how}; printed there: SPGAN's."
    return _drawing(found, tests, "Table of cross-domain tests", note)


def _transferred(arm: str) -> str:
    """An arm of a cross-domain race as data/published names it."""
    name, options = parse_arm(arm)
    restyled = options.pop("restyled", False)
    return RESTYLED if restyled and name == "channel_critic" and not options else arm


# --- rows ---------------------------------------------------------------------------------------------------------------------


def _tests(results, races):
    rows = results[results["race"].isin(list(races)) & (results["kind"] == "test")] if len(results) else results
    return rows if len(rows) else None


def _drawing(found, tests, what: str, note: str) -> Drawing:
    """found: rows of "method", "from" and, by `_pair`, printed and own numbers."""
    import pandas

    table = pandas.DataFrame(found)
    names = [column.removesuffix(", printed") for column in table if column.endswith(", printed")]
    columns = {column: table[column] for column in table if ", " not in column}
    for name in names:
        columns[name] = table[f"{name}, printed"]
        ours = zip(table[f"{name}, here"], table[f"{name}, sd"])
        columns["here" + " " * names.index(name)] = [seed_pairs.with_sd(*values) for values in ours]
        if f"{name}, gain" in table:
            gaps = zip(*(table[f"{name}, gain{end}"] for end in ("", ", low", ", high")))
            if any(gains := [seed_pairs.told(*gap) for gap in gaps]):
                columns["gain" + " " * names.index(name)] = gains
    fig = figures.table(pandas.DataFrame(columns), decimals=1)
    where = standard.datasets_of(tests)
    figures.note(fig, f"%. First what is printed, then here: mean and deviation over {figures.seeds(tests)}, on {where}. {note}")
    said = []
    for one in found:
        both = [f"{name} {seed_pairs.with_sd(one[f'{name}, here'], one[f'{name}, sd'])}{_gained(one, name)}"
                f"{_printed(one[f'{name}, printed'])}" for name in names if one[f"{name}, n"]]  # fmt: skip
        said += [f"{one['method']}: {', '.join(both)}"] if both else []
    others = sum(not any(one[f"{name}, n"] for name in names) for one in found)
    alt = f"{what}, {others} rows of printed numbers alone. Here, on {where}: {'; '.join(said)}."
    return Drawing(fig, table, alt, tests)


def _gained(one, name) -> str:
    gap = seed_pairs.told(*(one.get(f"{name}, gain{end}", math.nan) for end in ("", ", low", ", high")))
    return f", {gap} on {one['over']}" if gap else ""


def _printed(value) -> str:
    return f" (printed {value:.1f})" if value == value else ""
