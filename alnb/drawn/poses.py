"""Pose's part of the figures of L2R-AL: what `nb.run` gave in, the race "poses", a `figures.Drawing` out."""

from __future__ import annotations

from alnb import figures
from alnb.datasets.poses import LIMBS
from alnb.drawn import standard
from alnb.figures import Drawing

RACE = "poses"
PRINTED = ("random", "heatmap_entropy", "k_center", "ll4al", "l2r")
SHOWN = 10  # images
SIDES = ("#E69F00", "#0072B2", "#FFFFFF")  # the person's right, left, and the trunk


def data(poses) -> Drawing | None:
    """The first images of the pool with their joints. poses: what `nb.load` gave."""
    import pandas

    if poses is None:
        return standard.left_out(RACE, "the images are not here")
    shown = [poses.train[i] for i in range(SHOWN)]
    fig, axes = figures.subplots(2, SHOWN // 2, figsize=(1.9 * SHOWN / 2, 4.1), squeeze=False)
    for ax, pose in zip(axes.flat, shown):
        ax.imshow(pose.pixels, interpolation="nearest", extent=(0, pose.pixels.shape[1], pose.pixels.shape[0], 0))
        for a, b in LIMBS:
            if pose.visible[a] and pose.visible[b]:
                side = 0 if {a, b} & {0, 1, 2, 10, 11, 12} else 1 if {a, b} & {3, 4, 5, 13, 14, 15} else 2
                ax.plot(*pose.joints[[a, b]].T, color=SIDES[side], lw=1.4)
        ax.set_axis_off()
    seen = sum(int(pose.visible.sum()) for pose in shown)
    figures.note(fig, "Orange: the person's right; blue: left.")
    about = pandas.DataFrame([{"dataset": poses.name, "world": not poses.info.real, "key": None}])
    return Drawing(
        fig, about, f"{SHOWN} images of {poses.name} with the skeletons of their joints, {seen} of {16 * SHOWN} annotated.", about
    )


def fig_7(results) -> Drawing | None:
    """Fig. 7: PCKh@0.5 against labelled images."""
    return standard.race(results, RACE, arms=PRINTED)


def rivals(results) -> Drawing | None:
    """L2R-AL beside its placebo and its control."""
    arms = ("random", "l2r", "l2r_permuted", "l2r_exact")
    if len(standard.ran(standard.chosen(results, RACE), arms[1:])) < 2:
        return standard.left_out(RACE, "no rival of L2R-AL ran at this profile")
    return standard.race(results, RACE, arms=arms)


def ranks(results) -> Drawing | None:
    """How well the module ranks the true losses of the test set, and how well the entropy of the heat maps does: Spearman's
    correlation by cycle, mean over the seeds of `l2r`."""
    rows = standard.of_kind(results, RACE, "ranking")
    if rows is None or "spearman_entropy" not in rows or not (rows["method"] == "l2r").any():
        return standard.left_out(RACE, "L2R-AL did not run at this profile")
    own = rows[rows["method"] == "l2r"]
    signals = {"spearman": "L2R-AL's module", "spearman_entropy": "entropy of the heat maps"}
    about = ["labelled", "seed", "dataset", "world", "key"]
    long = own.melt(about, list(signals), "signal", "correlation").replace({"signal": signals})
    fig = figures.curves(long, "labelled", "correlation", "signal", label="Spearman's correlation", low=-1, high=1)
    figures.note(fig, f"With the true losses of the test set; {standard.means(long, 'signal')}")
    said = figures.describe_curves(long, "labelled", "correlation", "signal", "")
    return Drawing(fig, long, said, own)
