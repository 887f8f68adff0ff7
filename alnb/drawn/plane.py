"""Points in the plane, drawn: what the learner of one run holds after a cycle, from its rows alone."""

from __future__ import annotations

import base64
import io
from html import escape

from alnb import figures
from alnb.worlds import points as worlds

GREEN = "#009E73"
COLOURS = ("#0072B2", "#E69F00", "#CC79A7")
MARKERS = ("o", "*", "^")


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
    """The test row of one run after cycle `cycle_`."""
    return rows[(rows["kind"] == "test") & (rows["cycle"] == cycle_)].iloc[0]


def scene(ax, rows, world, cycle_: int, *, regions: bool):
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
    frame(ax)


def frame(ax):
    """No ticks, one scale."""
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.grid(False)


def _palette(world):
    import numpy
    from matplotlib.colors import to_rgb

    return numpy.array([to_rgb(c) for c in COLOURS[: world.classes]])


def dots(ax, world, indices, size=16, **look):
    """Points of the pool, marked by their class."""
    for c in range(world.classes):
        part = [i for i in indices if world.train_targets[i] == c]
        ax.scatter(*world.train_points[part].T, s=size * (2.0 if MARKERS[c] == "*" else 1), marker=MARKERS[c], **look)


def draw_state(ax, rows, cycle_: int) -> None:
    """What the learner of one run holds in a cycle: its regions, the unlabelled as grey dots, the labelled by class, and
    ringed in green what it asks for next."""
    world = worlds.load(rows["dataset"].iloc[0])
    scene(ax, rows, world, cycle_, regions=True)
    known, asked = labelled(rows, 0, cycle_), labelled(rows, cycle_ + 1, cycle_ + 1)
    rest = sorted(set(range(len(world.train_points))) - set(known))
    ax.scatter(*world.train_points[rest].T, s=3, color="#9a9a9a", linewidths=0)
    for c in range(world.classes):
        part = [i for i in known if world.train_targets[i] == c]
        dots(ax, world, part, 20, color=COLOURS[c], edgecolors="black", linewidths=0.5)
    ax.scatter(*world.train_points[asked].T, s=70, facecolors="none", edgecolors=GREEN, linewidths=1.6)


def describe_state(rows, cycle_: int) -> str:
    """`draw_state` in words."""
    row, asked = accuracy(rows, cycle_), labelled(rows, cycle_ + 1, cycle_ + 1)
    told = f"asks for {len(asked)} more" if asked else "asks for no more"
    return (
        f"{row.method}, cycle {cycle_}: {row.labelled:.0f} labels, {row.accuracy:.1f} % right on the test set, {told}"
    )


def picture(rows, cycle_: int):
    """One state of one run as an HTML image with its words as alt text and caption."""
    import matplotlib.pyplot as plt

    fig, ax = figures.subplots(figsize=(4.6, 4.6))
    draw_state(ax, rows, cycle_)
    said, body = describe_state(rows, cycle_), io.BytesIO()
    with figures.style():
        fig.savefig(body, format="png", dpi=110)
    plt.close(fig)
    source = f"data:image/png;base64,{base64.b64encode(body.getvalue()).decode()}"
    return f'<figure><img alt="{escape(said)}" src="{source}"><figcaption>{escape(said)}</figcaption></figure>'


def pool(ax, world):
    """Every point of the pool, hollow."""
    dots(ax, world, range(len(world.train_points)), 13, facecolors="none", edgecolors="#8a8a8a", linewidths=0.6)


def wrong(run, world, cycle_: int) -> list[int]:
    """Pool indices that the classifier of one run gets wrong after a cycle."""
    import torch

    with torch.no_grad():
        said = classifier(run, cycle_)(torch.from_numpy(world.train_points)).argmax(1).numpy()
    return (said != world.train_targets).nonzero()[0].tolist()
