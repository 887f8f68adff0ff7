"""The pictures of chapter 1, drawn from rows alone, and their words: active_learning.py makes the rows."""

from __future__ import annotations

import base64
import io
from html import escape

from alnb.worlds import points as worlds

GREEN = "#009E73"
COLOURS = ("#0072B2", "#E69F00", "#CC79A7")
MARKERS = ("o", "*", "^")

# --- the cycle on points ---------------------------------------------------------------------------------------------------


def classifier(rows, cycle_: int):
    """The perceptron of one run after cycle `cycle_`, from its rows."""
    from alnb.learning.networks.perceptron import from_text

    row = rows[(rows["kind"] == "classifier") & (rows["cycle"] == cycle_)].iloc[0]
    world = worlds.load(row["dataset"])
    return from_text(row["weights"], 2, int(row["hidden"]), world.classes)


def labelled(rows, first: int, last: int) -> list[int]:
    """Pool indices that one run labelled in cycles `first` to `last`; 0: the first labels. What cycle c asks for is
    labelled in cycle c + 1."""
    part = rows[(rows["kind"] == "labelled") & rows["cycle"].between(first, last)]
    return part["sample"].astype(int).tolist()


def accuracy(rows, cycle_: int):
    """The accuracy row of one run after cycle `cycle_`."""
    return rows[(rows["kind"] == "accuracy") & (rows["cycle"] == cycle_)].iloc[0]


def _scene(ax, rows, world, cycle_: int, *, regions: bool):
    """The classifier on the box around the pool: its regions in colour, or its border alone, dashed."""
    import numpy
    import torch

    low, high = world.train_points.min(0) - 0.25, world.train_points.max(0) + 0.25
    x, y = numpy.meshgrid(*(numpy.linspace(low[i], high[i], 160, dtype=numpy.float32) for i in (0, 1)))
    with torch.no_grad():
        logits = classifier(rows, cycle_)(torch.from_numpy(numpy.stack([x.ravel(), y.ravel()], 1)))
    best = logits.argmax(1).reshape(x.shape).numpy()
    if regions:
        ax.imshow(_palette(world)[best], extent=(low[0], high[0], low[1], high[1]), origin="lower", alpha=0.22)
    for c in range(world.classes if world.classes > 2 else 1):  # the border of two classes is drawn once
        others = torch.cat([logits[:, :c], logits[:, c + 1 :]], 1).amax(1)
        lead = (logits[:, c] - others).reshape(x.shape).numpy()
        if lead.min() < 0 < lead.max():
            line = "solid" if regions else (0, (5, 3))
            ax.contour(x, y, lead, [0], colors="#404040", linewidths=0.9 if regions else 1.3, linestyles=[line])
    _frame(ax)


def _frame(ax):
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.grid(False)


def _palette(world):
    import numpy
    from matplotlib.colors import to_rgb

    return numpy.array([to_rgb(c) for c in COLOURS[: world.classes]])


def _dots(ax, world, indices, size=16, **look):
    """Points of the pool, marked by their class."""
    for c in range(world.classes):
        part = [i for i in indices if world.train_targets[i] == c]
        ax.scatter(*world.train_points[part].T, s=size * (2.0 if MARKERS[c] == "*" else 1), marker=MARKERS[c], **look)


def draw_state(ax, rows, cycle_: int) -> None:
    """What the learner of one run holds in a cycle: its regions, the unlabelled as grey dots, the labelled by class, and
    ringed in green what it asks for next."""
    world = worlds.load(rows["dataset"].iloc[0])
    _scene(ax, rows, world, cycle_, regions=True)
    known, asked = labelled(rows, 0, cycle_), labelled(rows, cycle_ + 1, cycle_ + 1)
    rest = sorted(set(range(len(world.train_points))) - set(known))
    ax.scatter(*world.train_points[rest].T, s=3, color="#9a9a9a", linewidths=0)
    for c in range(world.classes):
        part = [i for i in known if world.train_targets[i] == c]
        _dots(ax, world, part, 20, color=COLOURS[c], edgecolors="black", linewidths=0.5)
    ax.scatter(*world.train_points[asked].T, s=70, facecolors="none", edgecolors=GREEN, linewidths=1.6)


def describe_state(rows, cycle_: int) -> str:
    row, asked = accuracy(rows, cycle_), labelled(rows, cycle_ + 1, cycle_ + 1)
    told = f"asks for {len(asked)} more" if asked else "asks for no more"
    return (
        f"{row.method}, cycle {cycle_}: {row.labelled:.0f} labels, {row.accuracy:.1f} % right on the test set, {told}"
    )


def _shown(rows, most: int = 4) -> list[int]:
    """Cycles for the columns of a static figure: the first, the last, and what lies evenly between."""
    cycles = sorted({int(c) for c in rows.loc[rows["kind"] == "classifier", "cycle"]})
    places = {round(i * (len(cycles) - 1) / max(1, most - 1)) for i in range(most)}
    return [cycles[place] for place in sorted(places)]


def draw_cycles(rows, most: int = 4):
    """Fig. 1.1 from runs: a row per method, a column per cycle. rows: of one world and one seed."""
    from alnb.figures import subplots

    methods, cycles = list(rows["method"].unique()), _shown(rows, most)
    fig, axes = subplots(len(methods), len(cycles), figsize=(2.1 * len(cycles), 2.3 * len(methods)), squeeze=False)
    for line, method in zip(axes, methods):
        run = rows[rows["method"] == method]
        for ax, cycle_ in zip(line, cycles):
            draw_state(ax, run, cycle_)
            row = accuracy(run, cycle_)
            ax.set_title(f"{row.labelled:.0f} labels: {row.accuracy:.0f} %", fontsize=9)
        line[0].set_ylabel(method)
    for ax, cycle_ in zip(axes[-1], cycles):
        ax.set_xlabel(f"cycle {cycle_}", fontsize=9)
    return fig


def describe_cycles(rows, most: int = 4) -> str:
    parts = [describe_state(rows[rows["method"] == m], c) for m in rows["method"].unique() for c in _shown(rows, most)]
    return (
        f"The pool-based cycle on {rows['dataset'].iloc[0]}, seed {rows['seed'].iloc[0]}: decision regions, labelled "
        f"points by class, unlabelled points grey, points asked for next ringed in green. {'; '.join(parts)}."
    )


def picture(rows, cycle_: int):
    """One state of one run as an HTML image with its words as alt text and caption."""
    import matplotlib.pyplot as plt

    from alnb.figures import style, subplots

    fig, ax = subplots(figsize=(4.6, 4.6))
    draw_state(ax, rows, cycle_)
    said, body = describe_state(rows, cycle_), io.BytesIO()
    with style():
        fig.savefig(body, format="png", dpi=110)
    plt.close(fig)
    source = f"data:image/png;base64,{base64.b64encode(body.getvalue()).decode()}"
    return f'<figure><img alt="{escape(said)}" src="{source}"><figcaption>{escape(said)}</figcaption></figure>'


def browse(rows, start: str = ""):
    """A slider over the cycles and a list of strategies beside the picture they choose. rows: of one world and seed."""
    import ipywidgets

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


def criteria(rows, both: str = "diverse_margin"):
    """One row per world and method: accuracy at the last budget (mean, sd), wrong points of the pool (mean), seeds with
    none wrong, and the accuracy of `both` minus this method's, paired by seed, with its 95 % t interval. Pandas frame."""
    import pandas

    from alnb.statistics import difference

    rows = rows[rows["kind"] == "accuracy"]
    last = rows[rows["cycle"] == rows.groupby("dataset")["cycle"].transform("max")]
    made = []
    for (dataset, method), part in last.groupby(["dataset", "method"], sort=False):
        values = part.set_index("seed")["accuracy"]
        line = {"dataset": dataset, "method": method, "asks": _asks(method), "accuracy": values.mean(),
                "sd": values.std(), "wrong": part["pool_errors"].mean(), "none wrong": int((part["pool_errors"] == 0).sum()),
                "seeds": len(values)}  # fmt: skip
        other = last[(last["dataset"] == dataset) & (last["method"] == both)].set_index("seed")["accuracy"]
        paired = (other - values).dropna()
        if method != both and len(paired) > 1:
            d = difference(paired.tolist())
            line |= {f"{both} minus it": d.mean, "low": d.low, "high": d.high}
        made.append(line)
    return pandas.DataFrame(made)


def describe_criteria(table) -> str:
    parts = []
    for r in table.to_dict("records"):
        gap = next((k for k in r if k.endswith(" minus it") and r[k] == r[k]), None)
        interval = f", {gap} {r[gap]:+.1f} ({r['low']:+.1f} to {r['high']:+.1f})" if gap else ""
        parts.append(
            f"{r['dataset']}, {r['method']}: {r['accuracy']:.1f} %, {r['wrong']:.1f} points of the pool wrong, none wrong "
            f"in {r['none wrong']} of {r['seeds']} seeds{interval}"
        )
    return f"What the criteria reach at the last budget. {'; '.join(parts)}."


def draw_criteria(rows, methods, seed: int):
    """Fig. 1.2: the pool, then a panel per method: queried points green, first labels black, the classifier dashed. A
    point that the classifier gets wrong is crossed out in red. rows: of one world, all seeds; panels show `seed`."""
    from alnb.figures import subplots

    table = criteria(rows).set_index("method")
    rows = rows[rows["seed"] == seed]
    world = worlds.load(rows["dataset"].iloc[0])
    last, pool = int(rows.loc[rows["kind"] == "classifier", "cycle"].max()), range(len(world.train_points))
    across = min(3, 1 + len(methods))
    down = -(-(1 + len(methods)) // across)
    fig, axes = subplots(down, across, figsize=(3 * across, 3.4 * down), squeeze=False)
    axes = axes.flat
    for ax in axes[1 + len(methods) :]:
        ax.axis("off")
    first = rows[rows["method"] == methods[0]]
    _pool(axes[0], world, pool)
    _dots(axes[0], world, labelled(first, 0, 0), 26, color="black", linewidths=0)
    axes[0].set_title(f"(a) the pool: {len(pool)} points\nblack: first {len(labelled(first, 0, 0))} labels", fontsize=9)
    _frame(axes[0])
    for letter, ax, method in zip("bcdefg", axes[1:], methods):
        run = rows[rows["method"] == method]
        _pool(ax, world, pool)
        _scene(ax, run, world, last, regions=False)
        wrong = _wrong(run, world, last)
        ax.scatter(*world.train_points[wrong].T, s=22, color="#D55E00", marker="x", linewidths=1)
        _dots(ax, world, labelled(run, 0, 0), 26, color="black", linewidths=0)
        _dots(ax, world, labelled(run, 1, last), 34, color=GREEN, edgecolors="black", linewidths=0.4)
        row, all_seeds = accuracy(run, last), table.loc[method]
        mean = f"{all_seeds['seeds']} seeds: {all_seeds['accuracy']:.0f} ± {all_seeds['sd']:.0f} %"
        name = f"({letter}) {_asks(method)}: {method}"
        ax.set_title(f"{name}\ntest {row.accuracy:.0f} %, pool: {len(wrong)} wrong; {mean}", fontsize=9)
    return fig


def _pool(ax, world, pool):
    _dots(ax, world, pool, 13, facecolors="none", edgecolors="#8a8a8a", linewidths=0.6)


def _wrong(run, world, cycle_: int) -> list[int]:
    import torch

    with torch.no_grad():
        said = classifier(run, cycle_)(torch.from_numpy(world.train_points)).argmax(1).numpy()
    return (said != world.train_targets).nonzero()[0].tolist()


def describe_panels(rows, methods, seed: int) -> str:
    told = describe_criteria(criteria(rows[rows["method"].isin(methods)]))
    rows = rows[rows["seed"] == seed]
    last = int(rows.loc[rows["kind"] == "classifier", "cycle"].max())
    found = [(m, accuracy(rows[rows["method"] == m], last)) for m in methods]
    parts = [
        f"({letter}) {_asks(m)}, {m}: {r.accuracy:.1f} % on the test set, {r.pool_errors:.0f} of the pool wrong"
        for letter, (m, r) in zip("bcdefg", found)
    ]
    return (
        f"Circles and stars of {rows['dataset'].iloc[0]}, seed {rows['seed'].iloc[0]}, {found[0][1].labelled:.0f} labels, "
        f"the queried in green, the classifier a dashed line, its mistakes red crosses. (a) the pool; "
        f"{'; '.join(parts)}. Over all seeds: {told}"
    )


# --- Fig. 1.4 and 1.6 ---------------------------------------------------------------------------------------------------


def _tiles(tiles, columns: float, lines: int, scale: float, above: float = 0.05):
    """One axis that holds images at (column, line) with a word below each: an axis an image would take ten times as
    long to lay out. tiles: (column, line, (3, H, W) uint8, word); above: room for a heading, in images."""
    from alnb.figures import subplots

    fig, ax = subplots(figsize=(scale * columns, scale * (1.2 * lines + above) + 0.35))
    for column, line, pixels, word in tiles:
        top = 1.2 * line
        ax.imshow(pixels.transpose(1, 2, 0), extent=(column, column + 0.94, top + 0.94, top), interpolation="nearest")
        ax.text(column + 0.47, top + 0.98, word, ha="center", va="top", fontsize=7)
    ax.set(xlim=(-0.1, columns), ylim=(1.2 * lines, -above))
    ax.set_aspect("equal")
    ax.set_axis_off()
    return fig, ax


def draw_forgetting(rows, data):
    """Fig. 1.4: a row per class, the most unforgettable samples on the left, the most forgettable on the right; below
    each its forgetting events, or "never" if it was never learnt. rows: kind "forgetting" of one seed."""
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
        ax.text(-0.15, 1.2 * line + 0.47, name, ha="right", va="center", fontsize=9)
    for start, side in ((0, "unforgettable"), (right, "forgettable")):
        ax.text(start + shown / 2, -0.12, side, ha="center", va="bottom", fontsize=10)
    return fig


def describe_forgetting(rows, data) -> str:
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


def draw_histogram(rows):
    """Samples by number of forgetting events, stacked by what the world knows of them. rows: kind
    "forgetting_histogram" of one seed."""
    import numpy

    from alnb.figures import PALETTE, subplots

    parts, most, table = _counts(rows)
    fig, ax = subplots(figsize=(6.4, 3.4))
    bottom, at = numpy.zeros(most + 2), [*range(most + 1), most + 2]
    for part, colour in zip(parts, (PALETTE[2], PALETTE[3], PALETTE[1], PALETTE[6])):
        ax.bar(at, table[part], bottom=bottom, color=colour, label=part, width=0.85)
        bottom += table[part]
    stride = max(1, (most + 1) // 12)
    ticks = list(range(0, most + 1, stride))
    ax.set_xticks([*ticks, most + 2], [*map(str, ticks), "never\nlearnt"])
    ax.set(xlabel="forgetting events", ylabel="samples")
    if len(parts) > 1:
        ax.legend(title="cards")
    return fig


def describe_histogram(rows) -> str:
    parts, _, table = _counts(rows)
    said = []
    for part in parts:
        total, steady, never = sum(table[part]), table[part][0], table[part][-1]
        mean = sum(e * n for e, n in enumerate(table[part][:-1])) / max(1, total - never)
        said.append(f"{part}: {total} samples, {100 * steady / total:.0f} % unforgettable, {never} never learnt, "
                    f"{mean:.1f} forgetting events on average among the learnt")  # fmt: skip
    return f"Histogram of forgetting events on {rows['dataset'].iloc[0]}. {'; '.join(said)}."


def draw_views(views):
    """Fig. 1.6: a row per image, a column per distortion. views: list of what `augmented_views` gave."""
    tiles = [
        (column, line, pixels.numpy(), name)
        for line, one in enumerate(views)
        for column, (name, pixels) in enumerate(one.items())
    ]
    return _tiles(tiles, len(views[0]), len(views), 1.25)[0]


def describe_views(views, data, images) -> str:
    """The views in words: how far each is from its original, as the mean difference of a pixel's channels, 0 to 255."""
    parts = []
    for index, one in zip(images, views):
        far = [f"{name} {(v.float() - one['original'].float()).abs().mean():.0f}" for name, v in one.items()]
        parts.append(f"sample {index}, a {data.class_names[int(data.train_targets[index])]}: {', '.join(far[1:])}")
    return f"Augmented views of {data.name}, with their mean pixel difference to the original. {'; '.join(parts)}."
