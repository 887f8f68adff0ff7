"""The figures and tables of thesis chapter 2, one function an artefact: rows in, a `figures.Drawing` out.

`results` is what `nb.run` gave: the race "roads", and "null", where frames are in no order in time. `world` is what `nb.load`
gave (datasets.videos.Videos), None where its data is missing. What cannot be drawn is said, and None.
"""

from __future__ import annotations

from alnb import figures
from alnb.drawn import standard
from alnb.figures import PALETTE, Drawing
from alnb.methods import temporal_coherence as ch2

THESIS = {"truth": "#F0E442", "detection": "#D62728", "fp": "#8E24AA", "fn": "#2CA02C"}  # the colours of Fig. 2.3
SAID = {"truth": "objects", "detection": "detections", "fp": "called false", "fn": "called missed"}
NOTHING = "no runs at this profile"

# --- the data -------------------------------------------------------------------------------------------------------------------


def data_2(world, shown: int = 8) -> Drawing | None:
    """A frame from the middle of some training videos, evenly chosen, with what is visible of each object in its box."""
    import pandas

    if world is None:
        return standard.left_out("roads", "its videos are not here")
    videos = [world.train[i * len(world.train) // shown] for i in range(min(shown, len(world.train)))]
    fig, axes = figures.subplots(2, -(-len(videos) // 2), figsize=(2.35 * -(-len(videos) // 2), 3.8), squeeze=False)
    rows = []
    for ax, video in zip(axes.ravel(), videos):
        frame = video.frame(video.length // 2)
        _picture(ax, frame.rgb, video.name)
        for box, kind in zip(frame.boxes, frame.classes):
            _box(ax, box, PALETTE[1 + int(kind)])
            rows.append({"video": video.name, "time": video.length // 2, "class": world.class_names[int(kind)]})
    for ax in axes.ravel()[len(videos) :]:
        ax.axis("off")
    data = pandas.DataFrame(rows or [{"video": video.name} for video in videos])
    kinds = data["class"].value_counts() if "class" in data else {}
    counted = ", ".join(f"{n} {kind}" for kind, n in kinds.items()) or "nothing"
    _legend(fig, {name: (PALETTE[1 + i], "-") for i, name in enumerate(world.class_names)})
    figures.note(fig, f"The middle frame of {len(videos)} of {len(world.train)} training videos.")
    said = f"{len(videos)} frames of road scenes from {world.name}, with boxes around {counted}."
    return Drawing(
        fig, data, said, pandas.DataFrame([{"dataset": world.name, "world": not world.info.real, "key": None}])
    )


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
        above.add_patch(_rectangle((left, 0, left + wide, high), "0.6", fill="#f4f4f4", lw=0.8))
        above.text(left + wide / 2, -4, f"t = {f}", ha="center", va="bottom", fontsize=9)
        for i in np.flatnonzero(graph.frame == f):
            box = graph.boxes[i] + [left, 0, left, 0]
            above.add_patch(_rectangle(box, "#2CA02C" if i < D else "#D62728", ls="-" if i < D else "--", lw=1.6))
    above.set(xlim=(-4, F * (wide + 8)), ylim=(high + 4, -16), aspect="equal")
    below.set(xlim=(-0.6, F - 0.4), ylim=(-0.6, 2.6))
    # a row a kind of thing: what moves with the car, what does not
    place = {i: (graph.frame[i], _row(graph, i, D)) for i in range(len(graph.frame))}
    for a, b in graph.edges.tolist():
        (xa, ya), (xb, yb) = place[a], place[b]
        agree = errors.labels[a] in (ch2.TP, ch2.FN)
        cut = agree != (errors.labels[b] in (ch2.TP, ch2.FN))
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
    below_text = "Circles, solid: detections. Squares, dashed: candidates. Dotted edges, FP and FN cost 1 each; energy, the least: "
    figures.note(fig, f"{below_text}{value:g}.")
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
        _picture(ax, of.frame(time).rgb, f"{of.name}, frame {time}")
        own = rows[(rows["video"] == video) & (rows["time"] == time)]
        for what, colour in THESIS.items():
            for box in own.loc[own["what"] == what, ["x0", "y0", "x1", "y1"]].to_numpy(float):
                _box(ax, box, colour, lw=2.4 if what == "truth" else 1.5, ls="--" if what == "fn" else "-")
        counts = own["what"].value_counts()
        parts.append(
            f"{of.name} frame {time}: " + ", ".join(f"{counts.get(what, 0)} {said}" for what, said in SAID.items())
        )
    for ax in axes.ravel()[len(frames_) :]:
        ax.axis("off")
    _legend(fig, {SAID[what]: (colour, "--" if what == "fn" else "-") for what, colour in THESIS.items()})
    figures.note(
        fig,
        f"Seed {rows['seed'].iloc[0]}, after the first training: the frames with most estimated errors, one a video.",
    )
    said = f"Frames of {rows['dataset'].iloc[0]} with boxes of objects, detections and estimated errors. {'; '.join(parts)}."
    return Drawing(fig, rows, said, rows)


# --- how good the estimates are -------------------------------------------------------------------------------------------------


def errors_2(results, race: str = "roads") -> Drawing | None:
    """Precision and recall of the estimated errors against the true ones, with the frames in time and shuffled, all cycles of a
    seed together; bar: from the lowest seed to the highest. A black line on each precision: had as many been called in each
    cycle, but at random."""
    import pandas

    rows = standard.of_kind(results, race, "errors")
    if rows is None:
        return standard.left_out(race, "tc, whose estimates these are, did not run at this profile")
    rows = rows[rows["method"] == rows["method"].iloc[0]]
    table = pandas.DataFrame([made for made in map(_pooled, rows.groupby(["error", "order", "seed"])) if made])
    fig, axes = figures.subplots(1, 2, figsize=(8.6, 3.6), sharey=True)
    parts = []
    for ax, (error, name) in zip(axes, (("fp", "false positives"), ("fn", "false negatives"))):
        own = table[table["error"] == error]
        for shift, (order, colour) in zip((-0.19, 0.19), (("in time", PALETTE[3]), ("shuffled", figures.GREY))):
            part = own.loc[own["order"] == order, MEASURES]
            mean = part.mean()
            reach = [mean - part.min(), part.max() - mean]
            at = [x + shift for x in range(4)]
            chance = own.loc[own["order"] == order, "chance"].mean()
            label = "as many at random" if order == "in time" else None
            ax.hlines(chance, at[0] - 0.19, at[0] + 0.19, color="black", lw=1.2, label=label, zorder=3)
            ax.bar(at, mean.fillna(0), 0.36, color=colour, label=f"frames {order}", yerr=reach, capsize=2)
            told = [f"{m} {mean[m]:.2f}" for m in MEASURES if mean[m] == mean[m]]
            told += [f"precision of as many at random {chance:.2f}"] * bool(chance == chance)
            parts.append(f"{name}, frames {order}: {', '.join(told) or 'none'}")
        counts = own.loc[own["order"] == "in time", "true"].sum()
        rank = own.loc[own["order"] == "in time", "rank"].mean()
        ranked = f"{rank:.2f}" if rank == rank else "not defined"
        ax.set(
            xticks=range(4), ylim=(0, 1), title=f"{name} ({counts:.0f})", xlabel=f"rank correlation a frame: {ranked}"
        )
        ax.set_xticklabels(["precision", "recall", "of those\nthat flicker", "of those\nthat persist"], fontsize=9)
        parts.append(f"rank correlation {ranked}")
    axes[0].set_ylabel("share")
    axes[0].legend(fontsize=8)
    figures.note(
        fig, f"{figures.seeds(rows)}, all cycles together; bar: lowest to highest seed. Right: recall of two sorts."
    )
    return Drawing(fig, table, f"Estimated against true errors on {standard.datasets_of(rows)}. {'; '.join(parts)}.", rows)


MEASURES = ["precision", "recall", "recall, flickers", "recall, persistent"]


def _pooled(group) -> dict:
    """One seed's counts over all cycles -> its shares. chance: the precision expected of as many as are estimated in each cycle,
    called at random: the mean of the cycles' own, weighted as the precision beside it is."""
    (error, order, seed), part = group
    share = lambda a, b: a / b if b else float("nan")
    whole = part[part["sort"] == "all"]
    made = {"error": error, "order": order, "seed": seed} | {n: whole[n].sum() for n in ("true", "estimated", "right")}
    made |= {"rank": whole["rank"].mean() if "rank" in whole else float("nan")}
    made |= {"chance": share((whole["estimated"] * whole["chance"]).sum(), made["estimated"])}
    made |= {"precision": share(made["right"], made["estimated"]), "recall": share(made["right"], made["true"])}
    for sort in ("flickers", "persistent"):
        own = part[part["sort"] == sort]
        made[f"recall, {sort}"] = share(own["right"].sum(), own["true"].sum())
    return made


# --- the race -------------------------------------------------------------------------------------------------------------------


def fig_2_4a(results, race: str = "roads") -> Drawing | None:
    """Fig. 2.4a: Random with and without temporal representativeness."""
    rows = standard.chosen(results, race)
    if len(standard.ran(rows, ("random", "random_r"))) < 2:
        return standard.left_out(race, "Random did not run both with and without representativeness")
    return standard.race(results, race, arms=("random", "random_r"))


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
    figures.note(
        fig, "Means of a batch. looking: the detector on the pool. the rest: flow, tracks, graph, cut and choice."
    )
    parts = [f"{r['arm']}: {r['the rest, s']:.2f} s"
             + (f" beside {r['looking, s']:.2f} s of looking" if r["looking, s"] == r["looking, s"] else "")
             + f", {r['boxes a frame']:.1f} boxes a frame" for r in found]  # fmt: skip
    return Drawing(fig, table, f"Cost of choosing a batch on {standard.datasets_of(rows)}. {'; '.join(parts)}.", rows)


# --- rows -----------------------------------------------------------------------------------------------------------------------


def _legend(fig, keys) -> None:
    """Right of all axes. keys: name -> (colour, line)."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, lw=2, ls=line, label=name) for name, (colour, line) in keys.items()]
    fig.legend(handles=handles, loc="outside right center", fontsize=9, frameon=False)


def _picture(ax, rgb, title: str) -> None:
    ax.imshow(rgb, interpolation="nearest", extent=(0, rgb.shape[1], rgb.shape[0], 0))
    ax.set_title(title, fontsize=8)
    ax.axis("off")


def _box(ax, box, colour, **how) -> None:
    ax.add_patch(_rectangle(box, colour, **{"lw": 1.4} | how))


def _rectangle(box, colour, fill="none", **how):
    from matplotlib.patches import Rectangle

    return Rectangle((box[0], box[1]), box[2] - box[0], box[3] - box[1], ec=colour, fc=fill, **how)
