"""Pose's part of the figures of L2R-AL: what `nb.run` gave in, the race "poses", a `figures.Drawing` out."""

from __future__ import annotations

from alnb import figures
from alnb.datasets.poses import LIMBS
from alnb.drawn import standard
from alnb.figures import Drawing

RACE = "poses"
PRINTED = ("random", "heatmap_entropy", "k_center", "ll4al", "l2r")
SHOWN = 10  # images
SIDE = 64  # positions of a map, a side, as SimpleBaselines' for images of 256 x 256
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


def guesses(at, heat: float) -> dict:
    """{what a network may say of one joint: its map (SIDE, SIDE)}, the joint being at position at (2,): as it should, as sure but
    elsewhere, torn between the two, low and wide about the right place, and nothing. The first is the target itself."""
    import torch

    from alnb.tasks.pose import heatmaps

    def bell(place, wide=heat):
        return heatmaps(torch.as_tensor(place).float()[None, None], torch.ones(1, 1, dtype=torch.bool), SIDE, 1.0, wide)[0][0, 0]

    right, elsewhere = bell(at), bell((SIDE - at[0], SIDE - at[1]))
    return {
        "right and sure": right,
        "wrong and sure": elsewhere,
        "torn between two": (right + elsewhere) / 2,
        "right, unsure": 0.3 * bell(at, 3 * heat),
        "nothing": torch.zeros_like(right),
    }


def maps(results, at=(20.0, 18.0), heat: float = 2.0) -> Drawing:
    """What entropy tells apart and what it cannot: what may be said of one joint, each with the entropy of its softmax and its
    true loss. results: for how entropy ranked the losses of networks that did run, which is another matter."""
    import pandas

    from alnb.tasks.pose import entropies, squared_error

    made = guesses(at, heat)
    target = (made["right and sure"][None, None], made["nothing"].new_ones(1, 1))
    table = pandas.DataFrame([
        {"map": name, "entropy": float(entropies(one[None, None])), "loss": float(squared_error(one[None, None], target, 0, None))}
        for name, one in made.items()
    ])  # fmt: skip
    fig, axes = figures.subplots(1, len(made), figsize=(2.2 * len(made), 3.1), squeeze=False)
    for ax, one, row in zip(axes[0], made.values(), table.itertuples()):
        ax.imshow(one.numpy(), vmin=0, vmax=1, cmap="cividis")
        ax.plot(*at, "+", color=SIDES[0], ms=8)
        ax.set(xticks=[], yticks=[], title=row.map)
        ax.set_xlabel(f"entropy {row.entropy:.4f} nats\nloss {1000 * row.loss:.2f} / 1000", fontsize=9)
        ax.grid(False)
    ranks = float(table[["entropy", "loss"]].corr("spearman").iloc[0, 1])
    told = f"Spearman's correlation of the two in these five {ranks:.2f}"
    rows = standard.of_kind(results, RACE, "ranking")
    if rows is not None:
        own = rows.drop_duplicates(["seed", "cycle", "method"])["spearman_entropy"]
        told += f"; on the test set, of the networks that ran, {own.min():.2f} to {own.max():.2f}"
    figures.note(fig, f"Maps of {SIDE} x {SIDE}, 0 (dark) to 1; cross: the joint. {told}.")
    said = "; ".join(f"{r.map}: entropy {r.entropy:.4f} nats, loss {1000 * r.loss:.2f} / 1000" for r in table.itertuples())
    about = pandas.DataFrame([{"dataset": "formulas", "world": False, "key": None}]) if rows is None else rows
    return Drawing(fig, table, f"Five heat maps of one joint. {said}. {told}.", about)


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
