"""The figures and tables of thesis chapter 2, one function an artefact: rows in, a `figures.Drawing` out.

`results` is what `nb.run` gave: the race "roads", and "null", where frames are in no order in time. `world` is what `nb.load`
gave (datasets.videos.Videos), None where its data is missing. What cannot be drawn is said, and None.
"""

from __future__ import annotations

from alnb import figures
from alnb.audits import temporal_coherence as audits
from alnb.drawn import standard
from alnb.drawn.road_scenes import box, legend, picture, rectangle
from alnb.figures import PALETTE, Drawing
from alnb.methods import temporal_coherence as ch2

THESIS = {"truth": "#F0E442", "detection": "#D62728", "fp": "#8E24AA", "fn": "#2CA02C"}  # the colours of Fig. 2.3
SAID = {"truth": "objects", "detection": "detections", "fp": "called false", "fn": "called missed"}
NOTHING = "no runs at this profile"

# --- the method -----------------------------------------------------------------------------------------------------------------


def fig_2_2(footage, errors) -> Drawing:
    """Fig. 2.2 of the worked example: above, what is in each frame; below, the graph and the labels of the minimum cut."""
    import numpy as np
    import pandas

    graph, F, D = errors.graph, len(footage.video), len(footage.boxes)
    names = np.array(["TP", "FP", "TN", "FN"])[errors.labels]
    fig = _figure(F)
    above, below = fig.subplots(2, 1, height_ratios=[1.0, 2.1])
    wide, high = footage.size
    for f in range(F):
        left = f * (wide + 8)
        above.add_patch(rectangle((left, 0, left + wide, high), "0.6", fill="#f4f4f4", lw=0.8))
        above.text(left + wide / 2, -4, f"t = {f}", ha="center", va="bottom", fontsize=9)
        for i in np.flatnonzero(graph.frame == f):
            place = graph.boxes[i] + [left, 0, left, 0]
            above.add_patch(rectangle(place, "#2CA02C" if i < D else "#D62728", ls="-" if i < D else "--", lw=1.6))
    above.set(xlim=(-4, F * (wide + 8)), ylim=(high + 4, -16), aspect="equal")
    below.set(xlim=(-0.6, F - 0.4), ylim=(-0.6, 2.6))
    # a row a kind of thing: what moves with the car, what does not
    place, cuts = {i: (graph.frame[i], _row(graph, i, D)) for i in range(len(graph.frame))}, 0
    for a, b in graph.edges.tolist():
        (xa, ya), (xb, yb) = place[a], place[b]
        agree = errors.labels[a] in (ch2.TP, ch2.FN)
        cut = agree != (errors.labels[b] in (ch2.TP, ch2.FN))
        cuts += cut
        bend = 0.0 if abs(xa - xb) <= 1 else 0.28
        below.annotate("", (xb, yb), (xa, ya), arrowprops={
            "arrowstyle": "-", "color": "#D55E00" if cut else "0.55", "lw": 1.2, "ls": ":" if cut else "-", "shrinkA": 11,
            "shrinkB": 11, "connectionstyle": f"arc3,rad={bend}"})  # fmt: skip
    for i, (x, y) in place.items():
        below.plot(
            x,
            y,
            marker="o" if i < D else "s",
            ms=20,
            mfc=COLOURS[names[i]],
            mec="#2CA02C" if i < D else "#D62728",
            mew=1.6,
        )
        below.text(x, y, names[i], ha="center", va="center", fontsize=8, color="black")
    for ax in (above, below):
        ax.axis("off")
    value = ch2.energy(errors.labels, graph.candidate, graph.edges)
    torn = "Dotted edges, FP and FN cost 1 each" if cuts else "FP and FN cost 1 each; no edge is cut"
    figures.note(fig, f"Circles, solid: detections. Squares, dashed: candidates. {torn}; energy, the least: {value:g}.")
    table = pandas.DataFrame(
        {"node": range(len(names)), "frame": graph.frame, "candidate": graph.candidate, "label": names}
    )
    counts = ", ".join(f"{(names == kind).sum()} {kind}" for kind in ("TP", "FP", "TN", "FN"))
    false, missed = (_frames(graph, names, kind) for kind in ("FP", "FN"))
    said = (
        f"Graph of {D} detections and {len(names) - D} candidates in {F} frames, {len(graph.edges)} edges. The cut of energy "
        f"{value:g} says {counts}; false: frame {false}; missed: frame {missed}."
    )
    return Drawing(fig, table, said)


COLOURS = {"TP": "#cfe8cf", "FP": "#d9b3e6", "TN": "#f2f2f2", "FN": "#7fd67f"}


def _figure(frames: int):
    import matplotlib.pyplot as plt

    with figures.style():
        return plt.figure(figsize=(1.75 * frames, 5.0))


def _row(graph, i: int, D: int) -> float:
    """Height of a node: nodes that share an edge with the first detection's component on top."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(graph.frame)
    of = connected_components(coo_array(([1] * len(graph.edges), graph.edges.T), shape=(n, n)), directed=False)[1]
    return 2.0 - 2.0 * (of[i] != of[0])


def _frames(graph, names, kind: str) -> str:
    return ", ".join(str(f) for f in graph.frame[names == kind]) or "none"


def fig_2_3(results, world, race: str = "roads") -> Drawing | None:
    """Fig. 2.3 in the thesis' colours: frames with most estimated errors after the shared first training, of the first seed."""
    rows = standard.of_kind(results, race, "box")
    if rows is None:
        return standard.left_out(race, "tc, whose errors are shown, did not run at this profile")
    if world is None:
        return standard.left_out(race, "its videos are not here")
    rows = rows[(rows["seed"] == rows["seed"].min()) & (rows["method"] == rows["method"].iloc[0])]
    frames_ = list(dict.fromkeys(zip(rows["video"].astype(int), rows["time"].astype(int))))
    wide = min(3, len(frames_))
    high = -(-len(frames_) // wide)
    fig, axes = figures.subplots(high, wide, figsize=(3.3 * wide, 2.45 * high + 0.3), squeeze=False)
    parts = []
    for ax, (video, time) in zip(axes.ravel(), frames_):
        of = world.train[video]
        picture(ax, of.frame(time).rgb, f"{of.name}, frame {time}")
        own = rows[(rows["video"] == video) & (rows["time"] == time)]
        for what, colour in THESIS.items():
            for place in own.loc[own["what"] == what, ["x0", "y0", "x1", "y1"]].to_numpy(float):
                box(ax, place, colour, lw=2.4 if what == "truth" else 1.5, ls="--" if what == "fn" else "-")
        counts = own["what"].value_counts()
        parts.append(
            f"{of.name} frame {time}: " + ", ".join(f"{counts.get(what, 0)} {said}" for what, said in SAID.items())
        )
    for ax in axes.ravel()[len(frames_) :]:
        ax.axis("off")
    legend(fig, {SAID[what]: (colour, "--" if what == "fn" else "-") for what, colour in THESIS.items()})
    figures.note(
        fig,
        f"Seed {rows['seed'].iloc[0]}, after the first training: the frames with most estimated errors, one a video.",
    )
    said = f"Frames of {rows['dataset'].iloc[0]} with boxes of objects, detections and estimated errors. {'; '.join(parts)}."
    return Drawing(fig, rows, said, rows)


# --- how good the estimates are -------------------------------------------------------------------------------------------------


def errors_2(results, race: str = "roads") -> Drawing | None:
    """Precision, recall and rank correlation a frame of the estimated errors against the true ones, of all and apart for each sort
    of error that the rows tell, with the frames in time and shuffled; all cycles of a seed together. Bar: from the lowest seed to
    the highest; a black line on the first precision: as many called in each cycle, but at random."""
    import pandas

    rows = standard.of_kind(results, race, "errors")
    if rows is None:
        return standard.left_out(race, "tc, whose estimates these are, did not run at this profile")
    rows = rows[rows["method"] == rows["method"].iloc[0]]
    sorts = {error: [sort for sort in NAMES[error] if sort in set(rows.loc[rows["error"] == error, "sort"])] for error in NAMES}
    made = [_pooled(group, sort) for group in rows.groupby(["error", "order", "seed"]) for sort in sorts[group[0][0]]]
    table = pandas.DataFrame(made)
    widest = max(map(len, sorts.values()))
    fig, axes = figures.subplots(2, 1, figsize=(max(8.2, 1.75 * widest), 6.2), sharey=True)
    parts = []
    for ax, (error, name) in zip(axes, (("fp", "false positives"), ("fn", "false negatives"))):
        of = table[table["error"] == error]
        parts += _measures(ax, of, name, {sort: NAMES[error][sort] for sort in sorts[error]})
        ax.set(xlim=(-0.8, 3.7 * widest - 0.9), title=_counts(name, error, of[of["order"] == "in time"], sorts[error]))
    axes[1].legend(fontsize=8)
    below = f"{figures.seeds(rows)}, all cycles together; bar: lowest to highest seed. Apart: as if other errors were not there."
    figures.note(fig, f"{below} {_first(rows)}".strip())
    said = f"Estimated against true errors on {standard.datasets_of(rows)}. {'; '.join(parts)}. {_first(rows)}".strip()
    return Drawing(fig, table, said, rows)


NAMES = {
    "fp": {"all": "all", "reflection": "on a reflection", "lookalike": "on a look-alike", "elsewhere": "elsewhere",
           "flickers": "not linked", "persistent": "linked"},
    "fn": {"all": "all", "flickers": "flicker", "persistent": "persist"},
}  # fmt: skip
"""What a sort of error is called. What false positives lie on, only a world knows, and the graph has no part in it; linked are
those that the graph itself has joined to another false one, so that to escape is half of what they are."""
MEASURES = ["precision", "recall", "rank"]
TICKS = 7.5  # points: at 8 "precision" and "recall" touch


def _measures(ax, table, name: str, sorts: dict[str, str]) -> list[str]:
    """Draws the bars of one kind of error; in words, a text for each order of the frames."""
    parts, places = [], [(sort, measure) for sort in sorts for measure in MEASURES]
    at = {place: i + 0.7 * (i // len(MEASURES)) for i, place in enumerate(places)}
    for shift, (order, colour) in zip((-0.19, 0.19), (("in time", PALETTE[3]), ("shuffled", figures.GREY))):
        own = table[table["order"] == order].set_index("sort")
        mean, low, high = ({(s, m): how(own.loc[[s], m]) for s, m in places} for how in (_mean, _low, _high))
        x = [at[place] + shift for place in places]
        heights = [0.0 if mean[p] != mean[p] else mean[p] for p in places]
        reach = [[0.0 if mean[p] != mean[p] else abs(end[p] - mean[p]) for p in places] for end in (low, high)]
        ax.bar(x, heights, 0.36, color=colour, label=f"frames {order}", yerr=reach, capsize=2)
        chance = own.loc[["all"], "chance"].mean()
        label = "as many at random" if order == "in time" else None
        ax.hlines(chance, x[0] - 0.19, x[0] + 0.19, color="black", lw=1.2, label=label, zorder=3)
        told = [f"{m} {mean['all', m]:.2f}" for m in MEASURES if mean["all", m] == mean["all", m]]
        told += [f"precision of as many at random {chance:.2f}"] * bool(chance == chance)
        for sort in list(sorts)[1:]:
            known = [f"{m} {mean[sort, m]:.2f}" for m in MEASURES if mean[sort, m] == mean[sort, m]]
            told += [f"those {sorts[sort]}: {', '.join(known)}"] * bool(known)
        parts.append(f"{name}, frames {order}: {', '.join(told) or 'none'}")
    ax.set(ylim=(min(0, ax.get_ylim()[0]), 1), ylabel="share, or correlation")
    ax.set_xticks(list(at.values()), [f"{m}\n{sorts[s] if m == 'recall' else ''}" for s, m in places], fontsize=TICKS)
    return parts


_mean, _low, _high = (lambda values: values.mean()), (lambda values: values.min()), (lambda values: values.max())


def _counts(name: str, error: str, table, sorts) -> str:
    true = table.groupby("sort")["true"].sum()
    told = [f"{true[sort]:.0f} {NAMES[error][sort]}" for sort in sorts[1:]]
    split = len(told) - 2  # before it, what they lie on: a second way to sort the same
    return f"{name}: {'; '.join(', '.join(part) for part in (told[:split], told[split:]) if part)}"


def _first(rows) -> str:
    """What the shared first training gets wrong, an unlabelled frame with an object; "" where that is not told."""
    first = rows[(rows["cycle"] == 0) & (rows["order"] == "in time")]
    if "nonempty" not in first or not first["nonempty"].sum():
        return ""
    parts = []
    for error, name in (("fp", "false positives"), ("fn", "false negatives")):
        true = first[first["error"] == error].groupby("sort")["true"].sum()
        shares = [sort for sort in ("reflection", "lookalike") if sort in true] or ["flickers"]
        told = ", ".join(f"{100 * true[sort] / true['all']:.0f} % {NAMES[error][sort]}" for sort in shares if true["all"])
        rate = true["all"] / first.loc[(first["error"] == error) & (first["sort"] == "all"), "nonempty"].sum()
        parts.append(f"{rate:.2f} {name}" + f" ({told})" * bool(told))
    return f"After the first training, a frame with an object: {', '.join(parts)}."


def _pooled(group, sort: str) -> dict:
    """One seed's counts over all cycles -> its shares, and the mean of its rank correlations. chance: the precision expected of as
    many as are estimated in each cycle, called at random: the mean of the cycles' own, weighted as the precision beside it is."""
    (error, order, seed), part = group
    share = lambda a, b: a / b if b else float("nan")
    own = part[part["sort"] == sort].reindex(columns=[*part, *({"rank", "estimated"} - {*part})])
    known = own["estimated"].notna().any()
    made = {"error": error, "order": order, "seed": seed, "sort": sort} | {n: own[n].sum() for n in ("true", "right")}
    made |= {"estimated": own["estimated"].sum() if known else float("nan"), "rank": own["rank"].mean()}
    made |= {"precision": share(made["right"], made["estimated"]) if known else float("nan")}
    made |= {"recall": share(made["right"], made["true"])}
    return made | {"chance": share((own["estimated"] * own["chance"]).sum(), made["estimated"]) if sort == "all" else float("nan")}


# --- the race -------------------------------------------------------------------------------------------------------------------


def fig_2_4a(results, race: str = "roads") -> Drawing | None:
    """Fig. 2.4a: Random with and without temporal representativeness."""
    rows = standard.chosen(results, race)
    if len(standard.ran(rows, ("random", "random_r"))) < 2:
        return standard.left_out(race, "Random did not run both with and without representativeness")
    return standard.race(results, race, arms=("random", "random_r"))


BY_TEMPLATE = "tc(tracker='template')"


def fig_2_4b(results, race: str = "roads") -> Drawing | None:
    """Fig. 2.4b: TC by optical flow and by the other tracker, here a template's where the thesis has SiamFC."""
    if len(standard.ran(standard.chosen(results, race), ("tc", BY_TEMPLATE))) < 2:
        return standard.left_out(race, "TC did not run with both trackers")
    return standard.race(results, race, arms=("tc", BY_TEMPLATE))


UNCERTAIN = ("least_confidence_r", "margin_r", "entropy_r")
ARMS_2_4C = ("random_r", *UNCERTAIN, "oracle_fp", "oracle_fn", "tc")


def fig_2_4c(results, race: str = "roads") -> Drawing | None:
    """Fig. 2.4c: baselines, oracles and TC."""
    if not set(standard.ran(standard.chosen(results, race), ARMS_2_4C[1:-1])):
        return standard.left_out(race, "no uncertainty baseline and no oracle ran at this profile")
    return standard.race(results, race, arms=ARMS_2_4C)


def fig_2_5(results, race: str = "vid") -> Drawing | None:
    """Fig. 2.5: TC against the uncertainty baselines and Random on ImageNet-VID, or what stands in for it."""
    if not len(standard.chosen(results, race)):
        return standard.left_out(race, NOTHING)
    return standard.race(results, race, arms=("random_r", *UNCERTAIN, "tc"))


PRINTED_AS = {"least_confidence": "least_confidence_r", "margin": "margin_r", "entropy": "entropy_r", "tc_siamfc": BY_TEMPLATE}
"""The thesis includes temporal representativeness "for all evaluated methods"; its SiamFC is a template's tracker here."""


def table_2_2(results, printed, stand_ins) -> Drawing | None:
    """Table 2.2: AP as printed and here, by the names of our arms, and what it is of that of all data, in percent: here the mean
    over the seeds that both ran on."""
    from alnb import published

    printed = printed.assign(method=printed["method"].replace(PRINTED_AS))
    tests = results[results["kind"] == "test"] if len(results) else results
    table = published.beside(printed, tests, metric="AP", stand_ins=stand_ins, reference="random_r")
    there = table["n"] > 0
    if not there.any():
        return standard.left_out("Table 2.2 beside ours", "none of its methods ran at this profile")
    relative = printed[printed["metric"] == "relative AP"].set_index(["dataset", "method"])["value"]
    ours = (100 * audits.relative_to_all(tests)).rename("relative").reset_index()
    own = [_of_arm(ours, tests, row) for row in table.itertuples()]
    table = table.assign(
        published_relative=[relative[row.dataset, row.method] for row in table.itertuples()],
        our_relative=[one.mean() for one in own], relative_seeds=[len(one) for one in own],
    )  # fmt: skip
    shown = table[there].assign(seeds=table["n"])
    shown = shown.assign(**{name: shown[name].map(_percent) for name in ("published_relative", "our_relative")})
    shown = shown[["dataset", "method", "published", "published_relative", "ours", "sd", "seeds", "our_relative", "ran_on",
                   "difference", "published_gain", "our_gain"]]  # fmt: skip
    fig = figures.table(shown.dropna(axis=1, how="all"), decimals=3)
    below = "ours: mean of the seeds, sd their deviation. relative: to all data, on the seeds that both ran on."
    figures.note(fig, f"{below} A difference only where data, network and budgets match.")
    parts = [f"{r.method}: {r.published} printed for {r.dataset}, {r.ours:.3f} here on {r.ran_on}"
             + (f", {r.published_relative:.1f} and {r.our_relative:.1f} % of all data" if r.relative_seeds else "")
             for r in table[there].itertuples()]  # fmt: skip
    absent = table.loc[~there & ~table["method"].isin(table.loc[there, "method"]), "method"]
    left = ", ".join(dict.fromkeys(absent)) or "none"
    said = f"Table 2.2 as printed beside these runs. {'; '.join(parts)}. Not run here: {left}."
    return Drawing(fig, table, said, tests[tests["dataset"].isin(table.loc[there, "ran_on"])])


def _of_arm(values, tests, row):
    """Those of `values` (of `audits.relative_to_all`, a column) that are of the arm which stands for a row of Table 2.2."""
    arm = standard.ran(tests[(tests["race"] == row.race) & (tests["dataset"] == row.ran_on)], [row.method])
    there = (values["race"] == row.race) & (values["dataset"] == row.ran_on) & values["method"].isin(arm)
    return values.loc[there, "relative"]


def _percent(value) -> str | None:
    return f"{value:.1f} %" if value == value else None


PAYS = " The first run of a process that sees a frame of a world pays in looking for drawing it: compare the rest."


def cost_2(results, race: str = "roads") -> Drawing | None:
    """What choosing a batch costs an arm, in seconds, of which the detector's look at the pool, and how many boxes a frame that
    is asked holds."""
    import pandas

    rows = standard.chosen(results, race)
    tests = rows[rows["kind"] == "test"] if len(rows) else rows
    if not len(tests):
        return standard.left_out(race, NOTHING)
    found = []
    for arm in dict.fromkeys(tests["method"]):
        spent = rows[(rows["method"] == arm) & (rows["kind"] == "timing")]
        asked = rows[(rows["method"] == arm) & (rows["kind"] == "asked")]
        if not len(asked):
            continue
        total = lambda name, spent=spent: spent[name].sum(min_count=1) if name in spent else float("nan")
        looking, choosing = (total(name) / len(asked) for name in ("detecting", "choosing"))  # records hold sums
        rest = choosing - (looking if looking == looking else 0)
        found.append({"arm": arm, "looking, s": looking, "the rest, s": rest, "rest of looking, %": 100 * rest / looking,
                      "boxes a frame": asked["boxes"].mean()})  # fmt: skip
    if not found:
        return standard.left_out(race, "no arm has finished a cycle")
    table = pandas.DataFrame(found)
    fig = figures.table(table.dropna(axis=1, how="all"))
    below = "Means of a batch. looking: the detector on the pool. the rest: flow, tracks, graph, cut and choice."
    figures.note(fig, below + PAYS * (bool(rows["world"].all()) and bool(table["looking, s"].notna().any())))
    parts = [f"{r['arm']}: {r['the rest, s']:.2f} s"
             + (f" beside {r['looking, s']:.2f} s of looking" if r["looking, s"] == r["looking, s"] else "")
             + f", {r['boxes a frame']:.1f} boxes a frame" for r in found]  # fmt: skip
    return Drawing(fig, table, f"Cost of choosing a batch on {standard.datasets_of(rows)}. {'; '.join(parts)}.", rows)
