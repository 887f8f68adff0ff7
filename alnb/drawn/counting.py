"""L2R-AL's Fig. 8, counting people, and why entropy fails there: rows in, a `figures.Drawing` out."""

from __future__ import annotations

from alnb import figures
from alnb.drawn import standard
from alnb.figures import GREY, PALETTE, Drawing

PRINTED = ("random", "map_entropy", "k_center", "ll4al", "l2r")
SHOWN = 4  # images beside their maps


def fig_8(results, race: str = "counts") -> Drawing | None:
    """Fig. 8: the mean absolute error of the count against labelled images, of the arms that are printed."""
    return standard.race(results, race, arms=PRINTED)


def rivals(results, race: str = "counts") -> Drawing | None:
    """L2R-AL beside its placebo, the trivial rival, and entropy that does not forget the scale."""
    arms = ("random", "l2r", "l2r_permuted", "l2r_exact", "largest_count", "share_entropy")
    if len(standard.ran(standard.chosen(results, race), arms[1:])) < 2:
        return standard.left_out(race, "no rival of L2R-AL ran at this profile")
    return standard.race(results, race, arms=arms)


def heads(results, race: str = "counts") -> Drawing | None:
    """The same error against what a person has to mark: an image of many people is dearer than one of few."""
    return standard.race(results, race, x="heads")


def flatness(data, sigma: float, window: int, scale: float):
    """A frame of the test images: `people`, and by how much the entropy of the softmax over the true density map (times `scale`,
    as the network gives it) is below that of a flat map, `below`, in nats; `share`: that of the map over its sum."""
    import pandas
    import torch

    from alnb.learning.density import density, entropies, share_entropies

    high, wide = data.test_images.shape[2:]
    made = torch.stack([density(points, high, wide, sigma, window) for points in data.test_points])
    flat = torch.log(torch.tensor(float(high * wide), dtype=torch.float64))
    people = [len(points) for points in data.test_points]
    below, share = (flat - of(scale * made, high * wide) for of in (entropies, share_entropies))
    return pandas.DataFrame({"people": people, "below": below.numpy(), "share": share.numpy(), "flat": float(flat)})


def asked(rows):
    """A frame of arms: people an image that was asked for, mean over cycles and seeds, the first labels left out."""
    tests = rows[(rows["kind"] == "test") & rows["heads"].notna()].sort_values("cycle")
    tests = tests[tests["method"] != "all_data"]
    new = tests.groupby(["method", "seed"])[["heads", "labelled"]].diff()
    tests = tests.assign(people=new["heads"] / new["labelled"]).dropna(subset=["people"])
    return tests.groupby("method", sort=False)["people"].mean().reset_index()


def maps(
    results, data, race: str = "counts", sigma: float = 4.0, window: int = 15, scale: float = 100.0, most: int = 60
) -> Drawing | None:
    """Why entropy fails on a regression. Above: images from the emptiest to the fullest, the first test images of each. Below:
    how far the softmax over each true density map is from flat, against the people in it; and how many people are in what each
    arm asked for. data: the dataset of the race. most: test images that are looked at."""
    import dataclasses

    import pandas

    rows = standard.chosen(results, race)
    if data is None or not len(rows) or "heads" not in rows or not (rows["cycle"] >= 1).any():
        return standard.left_out(race, "no counting at this profile, or its images are not here")
    data = dataclasses.replace(data, test_images=data.test_images[:most], test_points=data.test_points[:most])
    table, per_arm = flatness(data, sigma, window, scale), asked(rows)
    order = table["people"].argsort(kind="stable").to_numpy()
    chosen = order[[round(i * (len(order) - 1) / (SHOWN - 1)) for i in range(SHOWN)]]
    with figures.style():
        import matplotlib.pyplot as plt

        fig = plt.figure(figsize=(10.5, 6.2))
    above, below = fig.subfigures(2, 1, height_ratios=[2, 3])
    for ax, i in zip(above.subplots(1, SHOWN), chosen):
        ax.imshow(data.test_images[i].transpose(1, 2, 0), interpolation="nearest")
        ax.plot(*(data.test_points[i].T - 0.5), ".", color=PALETTE[6], ms=2)
        ax.set(xticks=[], yticks=[])
        ax.set_xlabel(f"{table['people'][i]} people\nflat - {table['below'][i]:.3f} nats", fontsize=9)
        ax.grid(False)
    left, right = below.subplots(1, 2)
    left.plot(table["people"], table["below"], "o", ms=4, color=PALETTE[5])
    left.set(xlabel="people in the image", ylabel=f"entropy below that of a flat map\n({table['flat'][0]:.2f} nats)")
    per_arm = per_arm.sort_values("people")
    right.barh(per_arm["method"], per_arm["people"], color=[figures.look(arm)["color"] for arm in per_arm["method"]])
    mean = float(table["people"].mean())
    right.axvline(mean, color=GREY, lw=1, ls="--")
    right.set(xlabel="people an image that was asked for")
    right.grid(axis="y", visible=False)
    rank = float(table[["people", "below"]].corr("spearman").iloc[0, 1])
    figures.note(
        fig, f"Dots: heads. Left: {len(table)} test images and their true density maps, times {scale:g} as a network gives them; "
        f"Spearman's correlation with the people in them {rank:.3f}. Dashed: mean of these images. Right: "
        f"means over cycles and {figures.seeds(rows[rows['kind'] == 'test'])}.",
    )  # fmt: skip
    parts = [f"{r.method} {r.people:.0f}" for r in per_arm.itertuples()]
    said = (
        f"On {len(table)} images of {data.name} the entropy of the softmax over the true density map is at most "
        f"{table['below'].max():.3f} nats below {table['flat'][0]:.2f}, that of a flat map; Spearman's correlation of what it is "
        f"below with the people in the image: {rank:.3f}. People an image asked for, fewest first: {', '.join(parts)}; "
        f"{mean:.0f} in these images."
    )
    both = pandas.concat([table, per_arm.rename(columns={"people": "people_asked"})], ignore_index=True)
    return Drawing(fig, both, said, rows[rows["kind"] == "test"])
