"""The figures and tables of thesis chapter 1, one function an artefact: rows in, a `figures.Drawing` out.

`results` is what `nb.run` gave: the races "first" (three classes of points), "islands" and "null" (two), and "watched" (the
training that is watched for what it forgets). What cannot be drawn is said, and None.
"""

from __future__ import annotations

from alnb import figures, statistics
from alnb.drawn import standard
from alnb.drawn.plane import (
    GREEN,
    accuracy,
    describe_state,
    dots,
    draw_state,
    frame,
    labelled,
    picture,
    pool,
    scene,
    wrong,
)
from alnb.figures import Drawing
from alnb.worlds import points as worlds


def _shown(rows, most: int = 4) -> list[int]:
    """Cycles for the columns of a static figure: the first, the last, and what lies evenly between."""
    cycles = sorted({int(c) for c in rows.loc[rows["kind"] == "classifier", "cycle"]})
    places = {round(i * (len(cycles) - 1) / max(1, most - 1)) for i in range(most)}
    return [cycles[place] for place in sorted(places)]


def fig_1_1(results, most: int = 4) -> Drawing | None:
    """Fig. 1.1 from the runs of the first seed: a row per method (but the second Random), a column per cycle, `most` at
    most."""
    rows = standard.in_race(results, "first")
    rows = rows[rows["kind"].isin(["test", "labelled", "classifier"]) & (rows["method"] != "random_again")]
    if not (rows["kind"] == "classifier").any():
        return standard.left_out("first", "no runs at this profile")
    rows = rows[rows["seed"] == rows["seed"].min()]
    methods, cycles = list(rows["method"].unique()), _shown(rows, most)
    size = max(4.4, 2.1 * len(cycles)), 2.3 * len(methods)
    fig, axes = figures.subplots(len(methods), len(cycles), figsize=size, squeeze=False)
    for line, method in zip(axes, methods):
        run = rows[rows["method"] == method]
        for ax, cycle_ in zip(line, cycles):
            draw_state(ax, run, cycle_)
            row = accuracy(run, cycle_)
            ax.set_title(f"{row.labelled:.0f} labels: {row.accuracy:.0f} %", fontsize=9)
        line[0].set_ylabel(method)
    for ax, cycle_ in zip(axes[-1], cycles):
        ax.set_xlabel(f"cycle {cycle_}", fontsize=9)
    marks = "Large marks: labelled, a shape and a colour a class. Grey dots: unlabelled. Green rings: asked for next."
    figures.note(fig, f"One seed, {rows['seed'].iloc[0]}. {marks} Percent: test accuracy.")
    parts = [describe_state(rows[rows["method"] == m], c) for m in methods for c in cycles]
    said = (
        f"The pool-based cycle on {rows['dataset'].iloc[0]}, seed {rows['seed'].iloc[0]}: decision regions, labelled "
        f"points by class, unlabelled points grey, points asked for next ringed in green. {'; '.join(parts)}."
    )
    return Drawing(fig, rows[rows["kind"] == "test"], said, rows)


def race_1(results) -> Drawing | None:
    """Test accuracy against labels on the points of the first lesson."""
    return standard.race(results, "first")


def leads_1(results) -> str:
    """Whose gap to Random, mean over the seeds at each number of labels, is larger than the largest between Random and its copy,
    which nothing but chance makes; in words."""
    tests = standard.evaluations(results, "first")
    means = tests.groupby(["labelled", "method"])["value"].mean().unstack() if len(tests) else tests
    random, again = statistics.BASELINES
    if not {random, again} <= set(means):
        return "Random or its copy did not run: nothing here says how large a gap chance alone makes."
    gaps = means.sub(means[random], axis=0).drop(columns=random)
    chance = gaps.pop(again).abs().max()
    parts = [f"Random and its copy differ by up to {chance:.1f} points"]
    for arm, gap in gaps.items():
        for word, beyond in (("leads Random", gap[gap > chance]), ("trails it", gap[gap < -chance])):
            where = f"at {', '.join(f'{n:g}' for n in beyond.index)} labels, by up to {beyond.abs().max():.1f}"
            parts += [f"{arm} {word} by more {where}"] * (len(beyond) > 0)
        parts += [f"no gap of {arm} is larger"] * bool((gap.abs() <= chance).all())
    return "; ".join(parts) + "."


def browse(results, start: str = ""):
    """A slider over the cycles and a list of strategies beside the picture they choose, of the race "first", first seed.
    None, and a line, where there is none."""
    import ipywidgets

    rows = standard.in_race(results, "first")
    if not (rows["kind"] == "classifier").any():
        return standard.left_out("first", "no runs at this profile")
    rows = rows[rows["seed"] == rows["seed"].min()]
    methods = list(rows["method"].unique())
    last = int(rows.loc[rows["kind"] == "classifier", "cycle"].max())
    slider = ipywidgets.IntSlider(value=0, min=0, max=last, description="cycle")
    chosen = ipywidgets.Dropdown(
        options=methods, value=start if start in methods else methods[0], description="strategy"
    )
    shown = ipywidgets.HTML()

    def draw(_=None):
        shown.value = picture(rows[rows["method"] == chosen.value], slider.value)

    for control in (slider, chosen):
        control.observe(draw, "value")
    draw()
    return ipywidgets.VBox([ipywidgets.HBox([slider, chosen]), shown])


# --- Fig. 1.2 -----------------------------------------------------------------------------------------------------------

CRITERIA = {
    "margin": "informative", "k_center": "representative", "cluster_centres": "representative",
    "diverse_margin": "both", "random": "neither",
}  # fmt: skip


def _asks(method: str) -> str:
    return CRITERIA.get(method.partition("(")[0], "yours")


def criteria(results, both: str = "diverse_margin"):
    """One row per method and world (races "islands" and "null"): accuracy at the last budget (mean, sd), wrong points of
    the pool (mean), seeds with none wrong, and the accuracy of `both` minus this method's, paired by seed, with its 95 %
    t interval (left out where `both` did not run). Pandas frame."""
    import pandas

    made = []
    for race in ("islands", "null"):
        rows = standard.in_race(results, race)
        rows = rows[rows["kind"] == "test"]
        if rows.empty:
            continue
        last, step = rows[rows["cycle"] == rows["cycle"].max()], statistics.metric_of(rows, "accuracy").resolution
        for method, part in last.groupby("method", sort=False):
            values = part.set_index("seed")["accuracy"]
            line = {"dataset": part["dataset"].iloc[0], "method": method, "asks": _asks(method), "accuracy": values.mean(),
                    "sd": values.std(), "wrong": part["pool_errors"].mean(),
                    "none wrong": int((part["pool_errors"] == 0).sum()), "seeds": len(values)}  # fmt: skip
            gap = statistics.paired(last, both, method, "accuracy", resolution=step)
            if method != both and gap.n > 1:
                line |= {f"{both} minus it": gap.mean, "low": gap.low, "high": gap.high}
            made.append(line)
    return pandas.DataFrame(made)


def criteria_1(results) -> Drawing | None:
    """Informative, representative, both: over all seeds, on the world of Fig. 1.2 and the one without islands."""
    import pandas

    table = criteria(results)
    if table.empty:
        return standard.left_out("islands", "no runs at this profile")
    rows = pandas.concat([standard.in_race(results, race) for race in ("islands", "null")])
    fig = figures.table(table)
    figures.note(
        fig, "accuracy and its deviation sd: test set, %; low to high: 95 % t interval of the paired difference."
    )
    return Drawing(fig, table, describe_criteria(table), rows[rows["kind"] == "test"])


def describe_criteria(table) -> str:
    """The rows of `criteria` in words."""
    parts = []
    for r in table.to_dict("records"):
        gap = next((k for k in r if k.endswith(" minus it") and r[k] == r[k]), None)
        interval = f", {gap} {r[gap]:+.1f} ({r['low']:+.1f} to {r['high']:+.1f})" if gap else ""
        parts.append(
            f"{r['dataset']}, {r['method']}: {r['accuracy']:.1f} %, {r['wrong']:.1f} points of the pool wrong, none wrong "
            f"in {r['none wrong']} of {r['seeds']} seeds{interval}"
        )
    return f"What the criteria reach at the last budget. {'; '.join(parts)}."


def fig_1_2(results) -> Drawing | None:
    """Fig. 1.2: the pool, then a panel per method but Random: queried points green, first labels black, the classifier
    dashed. A point that the classifier gets wrong is crossed out in orange. Panels show the first seed, their titles all."""
    every = standard.in_race(results, "islands")
    every = every[every["kind"].isin(["test", "labelled", "classifier"])]
    methods = [m for m in every["method"].unique() if not m.startswith("random")] or list(every["method"].unique())
    every = every[every["method"].isin(methods)]
    if not (every["kind"] == "classifier").any():
        return standard.left_out("islands", "no runs at this profile")
    rows = every[every["seed"] == every["seed"].min()]
    methods = [m for m in methods if (rows["method"] == m).any()]
    table = criteria(every.assign(race="islands")).set_index("method")
    world = worlds.load(rows["dataset"].iloc[0])
    last = int(rows.loc[rows["kind"] == "classifier", "cycle"].max())
    across = min(3, 1 + len(methods))
    down = -(-(1 + len(methods)) // across)
    fig, axes = figures.subplots(down, across, figsize=(3.1 * across, 3.5 * down), squeeze=False)
    axes, parts = list(axes.flat), []
    for ax in axes[1 + len(methods) :]:
        ax.axis("off")
    first = rows[rows["method"] == methods[0]]
    pool(axes[0], world)
    dots(axes[0], world, labelled(first, 0, 0), 26, color="black", linewidths=0)
    axes[0].set_title(
        f"(a) the pool: {len(world.train_points)} points\nblack: first {len(labelled(first, 0, 0))} labels", fontsize=8
    )
    frame(axes[0])
    for place, (ax, method) in enumerate(zip(axes[1:], methods)):
        run = rows[rows["method"] == method]
        pool(ax, world)
        scene(ax, run, world, last, regions=False)
        missed = wrong(run, world, last)
        ax.scatter(*world.train_points[missed].T, s=22, color="#D55E00", marker="x", linewidths=1)
        dots(ax, world, labelled(run, 0, 0), 26, color="black", linewidths=0)
        dots(ax, world, labelled(run, 1, last), 34, color=GREEN, edgecolors="black", linewidths=0.4)
        row, told = accuracy(run, last), table.loc[method]
        mean = f"all seeds: {told['accuracy']:.0f}" + f" (sd {told['sd']:.0f})" * bool(told["seeds"] > 1) + " %"
        name = f"({chr(98 + place)}) {_asks(method)}: {method}"
        ax.set_title(f"{name}\ntest {row.accuracy:.0f} %, pool: {len(missed)} wrong; {mean}", fontsize=8)
        parts.append(f"({chr(98 + place)}) {_asks(method)}, {method}: {row.accuracy:.1f} % on the test set, "
                     f"{row.pool_errors:.0f} of the pool wrong")  # fmt: skip
    count = accuracy(first, last).labelled
    figures.note(
        fig, f"Panels: seed {rows['seed'].iloc[0]}; their titles: mean test accuracy of {figures.seeds(every)}."
    )
    said = (
        f"Circles and stars of {world.name}, seed {rows['seed'].iloc[0]}, {count:.0f} labels, the queried in green, the "
        f"classifier a dashed line, its mistakes orange crosses. (a) the pool; {'; '.join(parts)}. Over all seeds: "
        f"{describe_criteria(table.reset_index())}"
    )
    return Drawing(fig, every[every["kind"] == "test"], said, every)


# --- Fig. 1.4 and 1.6 ---------------------------------------------------------------------------------------------------


def _tiles(tiles, columns: float, lines: int, scale: float, above: float = 0.05):
    """One axis that holds images at (column, line) with a word below each: an axis an image would take ten times as
    long to lay out. tiles: (column, line, (3, H, W) uint8, word); above: room for a heading, in images."""
    fig, ax = figures.subplots(figsize=(scale * columns, scale * (1.2 * lines + above) + 0.35))
    for column, line, pixels, word in tiles:
        top = 1.2 * line
        ax.imshow(pixels.transpose(1, 2, 0), extent=(column, column + 0.94, top + 0.94, top), interpolation="nearest")
        ax.text(column + 0.47, top + 0.98, word, ha="center", va="top", fontsize=7)
    ax.set(xlim=(-0.1, columns), ylim=(1.2 * lines, -above))
    ax.set_aspect("equal")
    ax.set_axis_off()
    return fig, ax


def fig_1_4(results, data) -> Drawing | None:
    """Fig. 1.4: a row per class, the most unforgettable samples on the left, the most forgettable on the right; below
    each its forgetting events, or "never" if it was never learnt. The first seed; data: the dataset of "watched"."""
    rows = _watched(results, "forgetting")
    if rows is None or data is None:
        return standard.left_out("watched", "the images are not here" if data is None else "no runs at this profile")
    classes, shown = sorted(rows["class"].unique()), int(rows["rank"].max()) + 1
    right = shown + 0.6
    tiles = []
    for row in rows.to_dict("records"):
        column = row["rank"] + right * (row["side"] == "forgettable")
        word = f"{int(row['events'])}" if row["learnt"] else "never"
        tiles.append((column, classes.index(row["class"]), data.train_images[int(row["sample"])], word))
    fig, ax = _tiles(tiles, right + shown, len(classes), 0.68, above=0.4)
    for line, label in enumerate(classes):
        name = data.class_names[int(label)]
        ax.text(-0.15, 1.2 * line + 0.47, name, ha="right", va="center", fontsize=8)
    for start, side in ((0, "unforgettable"), (right, "forgettable")):
        ax.text(start + shown / 2, -0.12, side, ha="center", va="bottom", fontsize=10)
    figures.note(fig, f"One training, seed {rows['seed'].iloc[0]}. Below an image: its forgetting events.")
    return Drawing(fig, rows, describe_forgetting(rows, data), rows)


def describe_forgetting(rows, data) -> str:
    """The rows of Fig. 1.4 in words."""
    parts = []
    for label, part in rows.groupby("class"):
        most = part[part["side"] == "forgettable"].sort_values("rank")
        told = ", ".join(f"{int(r.events)}" if r.learnt else "never learnt" for r in most.itertuples())
        least = part.loc[part["side"] == "unforgettable", "events"].max()
        parts.append(f"{data.class_names[int(label)]}: {least:.0f} at most on the left, on the right {told}")
    return f"Samples of {data.name} by forgetting events, unforgettable left, forgettable right. {'; '.join(parts)}."


def _counts(rows):
    """(parts, events, table): samples by part and events, the never learnt in a last column of their own."""
    learnt = rows[rows["learnt"].astype(bool)]
    most = int(learnt["events"].max()) if len(learnt) else 0
    parts = [p for p in ("all", "easy", "medium", "rare", "ambiguous") if p in set(rows["part"])]
    table = {
        part: [
            int(learnt.loc[(learnt["part"] == part) & (learnt["events"] == e), "samples"].sum())
            for e in range(most + 1)
        ]
        + [int(rows.loc[(rows["part"] == part) & ~rows["learnt"].astype(bool), "samples"].sum())]
        for part in parts
    }
    return parts, most, table


WRITTEN = 24  # events: of more bars than that the numbers would overlap


def forgetting_1(results) -> Drawing | None:
    """Samples by number of forgetting events, stacked by what the world knows of them, and below as shares of each bar, where
    it knows something; the first seed."""
    import numpy

    rows = _watched(results, "forgetting_histogram")
    if rows is None:
        return standard.left_out("watched", "no runs at this profile")
    parts, most, table = _counts(rows)
    several, at = len(parts) > 1, [*range(most + 1), most + 2]
    counts = numpy.array([table[part] for part in parts], float)
    totals = counts.sum(0)
    shares = 100 * counts / numpy.maximum(totals, 1)
    fig, axes = figures.subplots(1 + several, 1, figsize=(6.4, 3.4 + 2.0 * several), sharex=True, squeeze=False)
    for ax, heights in zip(axes[:, 0], (counts, shares)):
        bottom = numpy.zeros(most + 2)
        for part, height, colour in zip(parts, heights, (2, 3, 1, 6)):
            ax.bar(at, height, bottom=bottom, color=figures.PALETTE[colour], label=part, width=0.85)
            bottom += height
    top, last = axes[0, 0], axes[-1, 0]
    if most <= WRITTEN:  # more bars leave no room for their numbers
        for x, total in zip(at, totals):
            top.text(x, total, f"{total:.0f}", ha="center", va="bottom", fontsize=8)
    stride = max(1, (most + 1) // 12)
    ticks = list(range(0, most + 1, stride))
    last.set_xticks([*ticks, most + 2], [*map(str, ticks), "never\nlearnt"])
    top.set_ylabel("samples")
    last.set_xlabel("forgetting events")
    if several:
        top.legend(title="cards")
        last.set_ylabel("share of the bar above, %")
    figures.note(fig, f"One training, seed {rows['seed'].iloc[0]}." + " Numbers: samples." * (most <= WRITTEN))
    return Drawing(fig, rows, describe_histogram(rows), rows)


def _watched(results, kind: str):
    """Rows of that kind of the first training that was watched; None where there is none."""
    rows = standard.in_race(results, "watched")
    rows = rows[rows["kind"] == kind].dropna(axis=1, how="all")
    return rows[rows["seed"] == rows["seed"].min()] if len(rows) else None


def describe_histogram(rows) -> str:
    """The histogram in words."""
    parts, _, table = _counts(rows)
    said = []
    for part in parts:
        total, steady, never = sum(table[part]), table[part][0], table[part][-1]
        mean = sum(e * n for e, n in enumerate(table[part][:-1])) / max(1, total - never)
        said.append(f"{part}: {total} samples, {100 * steady / total:.0f} % unforgettable, {never} never learnt, "
                    f"{mean:.1f} forgetting events on average among the learnt")  # fmt: skip
    return f"Histogram of forgetting events on {rows['dataset'].iloc[0]}. {'; '.join(said)}."


def fig_1_6(data, images) -> Drawing | None:
    """Fig. 1.6: a row per image of `images` (indices), a column per distortion (methods.active_learning.augmented_views).
    In words: how far each is from its original, as the mean difference of a pixel's channels, 0 to 255."""
    import pandas

    from alnb.methods.active_learning import augmented_views

    if data is None or not len(images):
        return standard.left_out("watched", "the images are not here" if data is None else "no image is asked for")
    views = [augmented_views(data.train_images[i], seed=i) for i in images]
    tiles = [
        (column, line, pixels.numpy(), name)
        for line, one in enumerate(views)
        for column, (name, pixels) in enumerate(one.items())
    ]
    fig = _tiles(tiles, len(views[0]), len(views), 1.25)[0]
    found = [
        {"dataset": data.name, "world": not data.info.real, "key": None, "sample": index, "view": name,
         "difference": (view.float() - one["original"].float()).abs().mean().item()}
        for index, one in zip(images, views) for name, view in one.items()
    ]  # fmt: skip
    table, parts = pandas.DataFrame(found), []
    for index in images:
        own = table[(table["sample"] == index) & (table["view"] != "original")]
        far = ", ".join(f"{r.view} {r.difference:.0f}" for r in own.itertuples())
        parts.append(f"sample {index}, a {data.class_names[int(data.train_targets[index])]}: {far}")
    said = f"Augmented views of {data.name}, with their mean pixel difference to the original. {'; '.join(parts)}."
    return Drawing(fig, table, said, table)
