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
    """How well each arm's module ranks the true losses of the test set, and how well the entropy of the heat maps does, on
    L2R-AL's networks (else the first arm's): Spearman's correlation by cycle."""
    import pandas

    rows = standard.of_kind(results, RACE, "ranking")
    if rows is None:
        return standard.left_out(RACE, "no arm that predicts a loss ran at this profile")
    known = "l2r" if "l2r" in set(rows["method"]) else rows["method"].iloc[0]
    own = rows[rows["method"] == known]
    lines = pandas.concat([rows, own.assign(method=f"entropy ({known})", spearman=own["spearman_entropy"])], ignore_index=True)
    label = "Spearman's correlation with the true loss"
    fig, ax = figures.subplots(figsize=(6.4, 4.0))
    figures.curves(lines, "labelled", "spearman", "method", ax=ax, label=label, low=-1, high=1)
    figures.note(fig, f"On the test set. {standard.means(lines, 'method')}")
    said = figures.describe_curves(lines, "labelled", "spearman", "method", unit="", name=label)
    return Drawing(fig, lines, said, rows)
