"""The tables of DRAL, printed numbers beside ours, and the rows that its artefacts rest on."""

from __future__ import annotations

from alnb import figures, published, statistics
from alnb.audits.dral import RANKS
from alnb.drawn import seed_pairs, standard
from alnb.figures import Drawing
from alnb.methods.dral_runs import BOUND_BY, COST, WHOLE, beside

PRINTED = {"market": "market-1501", "duke": "dukemtmc-reid", "cuhk01": "cuhk01"}  # what a race stands beside
AGENT, NOTHING = "dral", "no runs at this profile"
METRICS = ("mAP", *RANKS)
PAIRED = ("mAP", "rank 1")  # of which differences are shown
EQUAL = f"{statistics.CEILING}, an arm's updates"  # the control of the upper bound
NAMES = {"qiu": "least_confidence", "gd": "graph_density"}  # the paper's names of strategies that have another here
STYLES = {"unlabelled": "quoted", "active": "active", "ours": "this paper"}

# --- rows -------------------------------------------------------------------------------------------------------------------------


def evaluated(results, race: str, arm: str = ""):
    """The race's evaluations, of one arm (or the one of its strategy that ran with options); None where there are none."""
    rows = standard.chosen(results, race)
    rows = rows[rows["kind"] == "test"] if len(rows) else rows
    if arm and len(rows):
        names = standard.ran(rows, [arm])
        rows = rows[rows["method"] == names[0]] if names else rows[:0]
    return rows.dropna(axis=1, how="all") if len(rows) else None


def priced(results, race: str) -> list[str]:
    """Races of the same with another K_max."""
    return [name for name in results["race"].unique() if name.startswith(beside(race, COST.format("")))]


def questions_of(rows) -> int:
    """K_max, by what was asked: answers of the first iteration over its queries."""
    return int(rows["questions"].max())


def _printed(printed, dataset: str, metric: str, method: str, k_max: str | None) -> float:
    part = printed[(printed["dataset"] == dataset) & (printed["metric"] == metric) & (printed["method"] == method)]
    values = [v for v, text in zip(part["value"], part["setting"]) if published.settings(text).get("k_max") == k_max]
    return values[0] if values else float("nan")


def mean_of(rows) -> str:
    return f"mean of {figures.seeds(rows)}" if rows["seed"].nunique() > 1 else "one seed"


# --- tables ----------------------------------------------------------------------------------------------------------------------


def table_2(results, printed) -> Drawing | None:
    """Table 2, what stands for Market-1501; see `_rivals`."""
    return _rivals(results, "market", printed)


def table_3(results, printed) -> Drawing | None:
    """Table 3, what stands for DukeMTMC-reID."""
    return _rivals(results, "duke", printed)


def table_4(results, printed) -> Drawing | None:
    """Table 4, what stands for CUHK01."""
    return _rivals(results, "cuhk01", printed)


def _rivals(results, race: str, printed) -> Drawing | None:
    """A table of rivals, line by line as printed (quoted: others' numbers, never run here), then what the paper lacks. Ours
    twice: with the same number of pairs for all, the main comparison, and with the paper's budget of its rivals, every pair of
    a share of the boxes; each with what it has over Random of the same budget on the seeds that both have. printed: its rows
    of `published.published`."""
    import pandas

    own, whole = evaluated(results, race), evaluated(results, beside(race, WHOLE))
    if own is None:
        return standard.left_out(race, NOTHING)
    ours, asked = _ends(own), int(own.loc[own["method"] != statistics.CEILING, "labelled"].max())
    ours |= _bounds(results, race)
    boxes = {} if whole is None else {arm: rows for arm, rows in _ends(whole).items() if arm != "source_only"}
    of_boxes = "" if whole is None else f"; whole boxes: every pair of some, {int(whole['labelled'].max()):,}"
    lines = []
    for method, rows in printed.groupby("method", sort=False):
        arm = next(iter(standard.ran(own, [NAMES.get(method, method)])), NAMES.get(method, method))
        name = rows["note"].iloc[0].removeprefix("printed as ")
        style = STYLES[published.settings(rows["setting"].iloc[0])["style"]]
        lines.append((style, name, arm, rows.set_index("metric")["value"]))
    there = {arm for _, _, arm, _ in lines}
    lines += [("not printed", "", arm, {}) for arm in dict.fromkeys([*ours, *boxes]) if arm not in there]
    found, baseline = [], statistics.BASELINES[0]
    for style, name, arm, theirs in lines:
        one = {"style": style, "printed as": name, "arm": arm if arm in ours or arm in boxes else ""}
        one |= {f"{metric}, printed": theirs.get(metric) for metric in METRICS}
        for budget, ends in (("pairs", ours), ("boxes", boxes)):
            rows = ends.get(arm)
            one[f"seeds, {budget}"] = 0 if rows is None else rows["seed"].nunique()
            for metric in METRICS:
                one[f"{metric}, {budget}"] = None if rows is None else rows[metric].mean()
                one[f"{metric}, {budget}, sd"] = None if rows is None else rows[metric].std()
                gap = seed_pairs.less(rows, None if arm == baseline else ends.get(baseline), metric)
                one |= seed_pairs.columns(f"{metric}, {budget}, less {baseline}", gap)
        found.append(one)
    table = pandas.DataFrame(found)
    cells = lambda kind, n: [
        "  ".join("-" if v != v else f"{v:.{n}f}" for v in row) * any(v == v for v in row)
        for row in table[[f"{metric}, {kind}" for metric in METRICS]].astype(float).itertuples(index=False)
    ]
    shown = table[["style", "printed as", "arm"]].copy()
    shown["printed: mAP, R-1, R-5, R-10"] = cells("printed", 2)
    budgets = {"pairs": "equal pairs", "boxes": "whole boxes"}
    for number, (kind, word) in enumerate(budgets.items()):
        if kind == "pairs" or boxes:
            shown[f"here, {word}"] = cells(kind, 1)
            shown["seeds" + " " * number] = [n or "" for n in table[f"seeds, {kind}"]]
            for metric in PAIRED:
                name = f"{metric}, {kind}, less {baseline}"
                values = zip(*(table[column] for column in (name, f"{name}, low", f"{name}, high")))
                if any(gaps := [seed_pairs.told(*each) for each in values]):
                    shown[f"{metric} less {baseline}" + " " * number] = gaps
    fig = figures.table(shown)
    where = standard.datasets_of(own)
    paired = f" less {baseline}: on the seeds that both have, 95 % t interval, of the same budget." * (baseline in ours)
    figures.note(fig, f"Here: per cent, means over an arm's own seeds, on {where}; equal pairs: {asked:,} answers for every arm "
                 f"(bounds: all){of_boxes}.{paired} quoted: others' numbers, with labels of another kind.")  # fmt: skip
    said = []
    for r in found:
        parts = []
        for kind, word in budgets.items():
            if r[f"seeds, {kind}"]:
                name = f"mAP, {kind}, less {baseline}"
                gap = seed_pairs.told(*(r[column] for column in (name, f"{name}, low", f"{name}, high")))
                parts.append(f"{word} mAP {r[f'mAP, {kind}']:.1f}, rank 1 {r[f'rank 1, {kind}']:.1f}"
                             + f", mAP {gap} less {baseline}" * bool(gap))  # fmt: skip
        if parts and r["mAP, printed"] is not None:
            parts.append(f"printed {r['mAP, printed']:g} and {r['rank 1, printed']:g}")
        said += [f"{r['arm']}: {'; '.join(parts)}"] if parts else []
    quoted = ", ".join(r["printed as"] for r in found if not r["arm"])
    used = pandas.concat([*ours.values(), *boxes.values()])
    about = f"{printed['artefact'].iloc[0]} beside these runs on {where}"
    return Drawing(fig, table, f"{about}. {'. '.join(said)}. Quoted alone: {quoted}.", used)


def _ends(tests) -> dict:
    """Arm -> its rows after the last iteration; source_only: those before the first, of every arm the same model."""
    tests = tests.sort_values("cycle")
    found = {arm: rows.groupby("seed").tail(1) for arm, rows in tests.groupby("method", sort=False)}
    return {"source_only": tests[tests["cycle"] == 0].drop_duplicates("seed"), **found}


def _bounds(results, race: str) -> dict:
    """Further bounds: all labels by the triplet loss alone, and what no bound is, all labels by an arm's updates."""
    found, start = {}, beside(race, BOUND_BY.format(""))
    for name in (name for name in results["race"].unique() if name.startswith(start)):
        if (rows := evaluated(results, name, statistics.CEILING)) is not None:
            found[f"{statistics.CEILING}, {name.removeprefix(start)} alone"] = rows
    control = standard.of_kind(results, race, "equal updates")
    return found if control is None else found | {EQUAL: control}


def _lines(results, race: str):
    """(method, K, its last test rows) of Table 5, in its order."""
    own = evaluated(results, race)
    arm = evaluated(results, race, AGENT)
    if own is None or arm is None:
        return
    yield "source_only", 0, arm[arm["cycle"] == 0]
    lines = [(questions_of(arm), arm)]
    lines += [
        (questions_of(rows), rows)
        for name in priced(results, race)
        if (rows := evaluated(results, name, AGENT)) is not None
    ]
    for k, rows in sorted(lines, key=lambda line: line[0]):
        yield AGENT, k, rows[rows["cycle"] == rows["cycle"].max()]
    full = own[own["method"] == statistics.CEILING]
    if len(full):
        yield statistics.CEILING, 0, full
        for name, rows in _bounds(results, race).items():
            known = {column: full[column].iloc[0] for column in ("labelled", "pairs") if column in full}
            yield name, 0, rows.assign(**known)


def table_5(results, printed) -> Drawing | None:
    """Table 5: the source model as it is, DRAL by questions a query, all labels; printed and ours, and what ours have over the
    source model of the same seed. printed: its rows of `published.published`. No difference to the printed is given: data and
    network are another's, unless this is the profile `paper`."""
    import pandas

    found, used = [], []
    for race, dataset in PRINTED.items():
        for name, k, rows in (lines := list(_lines(results, race))):
            used.append(rows)
            source = None if name == "source_only" else lines[0][2]
            place = {"method": name, "k_max": str(k) if name == AGENT else None}
            one = {"stands beside": dataset, "ran on": rows["dataset"].iloc[0], "method": name + f", K = {k}" * (name == AGENT),
                   "answers": int(rows["labelled"].iloc[0]), "distinct pairs": rows["pairs"].mean() if "pairs" in rows else None,
                   "seeds": rows["seed"].nunique()}  # fmt: skip
            for metric in METRICS:
                theirs = _printed(printed, dataset, metric, **place)
                one |= {f"{metric}, printed": theirs, metric: rows[metric].mean(), f"{metric}, sd": rows[metric].std()}
                one |= seed_pairs.columns(f"{metric}, less source_only", seed_pairs.less(rows, source, metric))
            found.append(one)
    if not found:
        return standard.left_out(", ".join(PRINTED), NOTHING)
    table, rows = pandas.DataFrame(found), pandas.concat(used)
    shown = table[["stands beside", "ran on", "method", "answers", "distinct pairs", "seeds"]].copy()
    shown["distinct pairs"] = ["" if n != n else round(n) for n in shown["distinct pairs"].astype(float)]
    for metric in METRICS:
        pairs = zip(table[f"{metric}, printed"], table[metric])
        shown[f"{metric}: printed | ours"] = [(f"{a:g}" if a == a else "-") + f" | {b:.1f}" for a, b in pairs]
    for metric in PAIRED:
        name = f"{metric}, less source_only"
        values = zip(*(table[column] for column in (name, f"{name}, low", f"{name}, high")))
        shown[f"{metric} less source_only"] = [seed_pairs.told(*each) for each in values]
    fig = figures.table(shown)
    figures.note(fig, "distinct pairs: one may be asked from both sides; mean over the seeds. "
                 "ours: mean over an arm's own seeds, per cent; less source_only: on the seeds that both have, 95 % t "
                 "interval. source_only: the printed Baseline; all_data: UpperBound; "
                 f"{EQUAL}: its control, no bound; triplet alone: by the one loss that an arm has.")  # fmt: skip
    parts = []
    for r in found:
        beside = f", printed {r['mAP, printed']:g} and {r['rank 1, printed']:g} for {r['stands beside']}"
        beside *= r["mAP, printed"] == r["mAP, printed"]
        name = "mAP, less source_only"
        gap = seed_pairs.told(r[name], r[f"{name}, low"], r[f"{name}, high"])
        gap = f", mAP {gap} less source_only" * bool(gap)
        fewer = (r["distinct pairs"] or 0) < r["answers"]
        pairs = f" about {r['distinct pairs']:,.0f} pairs" if fewer and r["distinct pairs"] else ""
        parts.append(f"{r['method']} ({r['answers']} answers{pairs}) mAP {r['mAP']:.1f}, rank 1 {r['rank 1']:.1f}{gap}{beside}")
    return Drawing(fig, table, f"Table 5 beside these runs on {standard.datasets_of(rows)}. {'; '.join(parts)}.", rows)
