"""Segmentation's part of the figures of SRAAL: what `nb.run` gave in, the race "scenes", a `figures.Drawing` out."""

from __future__ import annotations

from alnb import figures
from alnb.datasets.stills import CITYSCAPES, IGNORED
from alnb.drawn import standard
from alnb.figures import Drawing

RACE = "scenes"
PRINTED = ("random", "k_center", "pixel_bald", "pixel_qbc", "suggestive_annotation", "vaal", "sraal")
SHOWN = 6  # images
COLOURS = (
    "#804080", "#F423E8", "#464646", "#66669C", "#BE9999", "#999999", "#FAAA1E", "#DCDC00", "#6B8E23", "#98FB98", "#4682B4",
    "#DC143C", "#FF0000", "#00008E", "#000046", "#003C64", "#005064", "#0000E6", "#770B20",
)  # fmt: skip
"""Cityscapes' own, of its 19 classes."""


def data(stills) -> Drawing | None:
    """The first images of the pool, their maps below, in Cityscapes' colours; classes in the order of their share of the pixels
    of these. stills: what `nb.load` gave."""
    import numpy as np
    import pandas
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    if stills is None:
        return standard.left_out("scenes", "the images are not here")
    pairs = [stills.train[i] for i in range(SHOWN)]
    colours = np.ones((IGNORED + 1, 3))
    colours[: len(COLOURS)] = [to_rgb(colour) for colour in COLOURS]
    fig, axes = figures.subplots(2, SHOWN, figsize=(1.9 * SHOWN, 3.7), squeeze=False)
    for (top, below), (pixels, classes) in zip(axes.T, pairs):
        top.imshow(pixels, interpolation="nearest")
        below.imshow(colours[classes], interpolation="nearest")
    for ax in axes.flat:
        ax.set_axis_off()
    counts = np.bincount(np.concatenate([classes.ravel() for _, classes in pairs]), minlength=IGNORED + 1)
    shares = 100 * counts / counts.sum()
    order = [c for c in np.argsort(-counts[: len(CITYSCAPES)], kind="stable") if counts[c]]
    patches = [Patch(color=COLOURS[c], label=f"{CITYSCAPES[c]} {shares[c]:.1f} %") for c in order]
    fig.legend(handles=patches, ncols=5, loc="outside lower center", fontsize=8, frameon=False)
    table = pandas.DataFrame(
        {"class": [CITYSCAPES[c] for c in order], "share": shares[order], "dataset": stills.name, "world": not stills.info.real,
         "key": None}
    )  # fmt: skip
    told = ", ".join(f"{CITYSCAPES[c]} {shares[c]:.1f} %" for c in order[:6])
    return Drawing(
        fig, table, f"{SHOWN} images of {stills.name} above their maps of classes; most pixels are {told}.", table
    )


def fig_5(results) -> Drawing | None:
    """Fig. 5: mean IoU against labelled images."""
    return standard.race(standard.in_race(results, RACE), RACE, arms=PRINTED)


def areas(results) -> Drawing | None:
    """The area of each arm less Random's, seed by seed, with 95 % t intervals; all arms of the race."""
    return standard.gains(standard.in_race(results, RACE), RACE)


def pairs(results) -> Drawing | None:
    """Paired differences of the area, every arm of the race against every other."""
    return standard.pairs(standard.in_race(results, RACE), RACE)


def overview(results) -> Drawing | None:
    """Each arm of the race: area, labels saved, seconds of choosing, ties."""
    return standard.overview(standard.in_race(results, RACE), RACE)
