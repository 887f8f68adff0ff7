"""The figures and tables of L2R-AL, one function an artefact: rows in, a `figures.Drawing` out.

`results` is what `nb.run` gave: the races "few" (ten classes), "many" and "null", and those of other tasks, which `faces`, `poses`
and `counting` beside this module draw. What cannot be drawn is said, and None.
"""

from __future__ import annotations

from alnb import figures, statistics
from alnb.drawn import standard
from alnb.figures import GREY, PALETTE, Drawing
from alnb.methods.learning_to_rank import r_s, rk, two_systems

PRINTED = ("random", "vaal", "k_center", "entropy", "ll4al", "l2r")
RIVALS = (
    "random",
    "l2r",
    "l2r_exact",
    "l2r_permuted",
    "rank_all_features",
    "pairs_apart",
    "least_confidence",
    "true_loss",
)
JOINT = ("random", "random_joint", "random_joint(joint_weight=1.0)", "ll4al", "ll4al retrained")
NULLS = ("null", "counts_null", "poses_null")  # races without rare and ambiguous samples
FREE = {"_entropy": "entropy", "_p_max": "-log p_max"}  # signals that need no module
NOTHING = "no arm that predicts a loss ran at this profile"

# --- Fig. 2 -------------------------------------------------------------------------------------------------------------


def fig_2() -> Drawing:
    """Fig. 2: five losses and what two systems predict; the one of less squared error asks for the wrong sample."""
    import numpy as np
    import pandas
    import torch

    made = two_systems()
    true = made["ground truth"]
    fig, ax = figures.subplots(figsize=(6.4, 3.4))
    found = []
    for i, (name, values) in enumerate(made.items()):
        ax.bar(
            np.arange(len(values)) + 0.27 * (i - 1), values, 0.25, label=name, color=(GREY, PALETTE[1], PALETTE[5])[i]
        )
        ranks = [rk(torch.as_tensor(v)) for v in (true, values)]
        found.append({"system": name, "mse": float(((values - true) ** 2).mean()), "r_s": float(r_s(*ranks)),
                      "asked": "ABCDEFGH"[int(values.argmax())], "losses": " ".join(f"{v:.2f}" for v in values)})  # fmt: skip
    ax.set(xticks=range(len(true)), xticklabels=list("ABCDEFGH"[: len(true)]), ylabel="loss, nats")
    ax.grid(axis="x", visible=False)
    ax.legend()
    table = pandas.DataFrame(found)
    parts = [f"{r.system}: MSE {r.mse:.3f}, r_s {r.r_s:.2f}, asks {r.asked}" for r in table[1:].itertuples()]
    figures.note(fig, f"The largest true loss is {table['asked'].iloc[0]}'s. {'; '.join(parts)}.")
    said = (
        f"Bars of {len(true)} losses ({table['losses'].iloc[0]}), largest {table['asked'].iloc[0]}. {'; '.join(parts)}."
    )
    return Drawing(fig, table, said)


# --- what it asks for -----------------------------------------------------------------------------------------------------


def examples(results, data, race: str = "few") -> Drawing | None:
    """The candidates of most and of least predicted loss after the first training of the first seed, each with its true loss
    and that one's rank. data: the dataset they are of."""
    rows = standard.of_kind(results, race, "example")
    if rows is None or data is None:
        return standard.left_out(race, "l2r did not run at this profile" if data else "the images are not here")
    rows = rows[rows["seed"] == rows["seed"].min()]
    count = int(rows["place"].max()) + 1
    fig, axes = figures.subplots(2, count, figsize=(1.35 * count, 3.9), squeeze=False)
    for line, (end, part) in zip(axes, rows.groupby("end", sort=False)):
        for ax, row in zip(line, part.itertuples()):
            ax.imshow(data.train_images[int(row.sample)].transpose(1, 2, 0), interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.set_xlabel(f"{row.loss:.2f} nats\nrank {int(row.rank)}", fontsize=8)
            ax.grid(False)
        line[0].set_ylabel(f"{end}\npredicted", fontsize=9)
    total = int(rows["candidates"].iloc[0])
    mean = rows.groupby("end")["loss"].mean()
    figures.note(
        fig, f"Seed {rows['seed'].iloc[0]}: true loss, and its rank among {total} candidates ({total}: the largest)."
    )
    said = (
        f"Images of {data.name}: the {count} candidates of most predicted loss have a true loss of {mean['most']:.2f} nats on "
        f"average, the {count} of least {mean['least']:.2f}; true ranks of the former, of {total}: "
        f"{', '.join(str(int(r)) for r in rows.loc[rows['end'] == 'most', 'rank'])}."
    )
    return Drawing(fig, rows, said, rows)


# --- the race ----------------------------------------------------------------------------------------------------------------


def fig_4(results, race: str = "few") -> Drawing | None:
    """Fig. 4: the arms that are printed. LL4AL is on its own target, as there."""
    return standard.race(results, race, arms=PRINTED)


def rivals(results, race: str = "few") -> Drawing | None:
    """L2R-AL beside its placebo, its controls, confidence alone, and what a perfect module would ask."""
    rows = standard.chosen(results, race)
    if len(standard.ran(rows, RIVALS[1:])) < 2:
        return standard.left_out(race, "no rival of L2R-AL ran at this profile")
    return standard.race(results, race, arms=RIVALS)


def joint(results, race: str = "few") -> Drawing | None:
    """What LL4AL's joint loss does to the target, and what its selections are worth on the plain one."""
    rows = standard.in_race(results, race)
    if len(standard.ran(rows, JOINT[1:])) < 2:
        return standard.left_out(race, "LL4AL did not run beside a control at this profile")
    return standard.race(results, race, arms=JOINT)


def nulls(results) -> Drawing | None:
    """What each arm gains on Random where no sample is rare or ambiguous: area under the curve, paired by seed, with 95 % t
    intervals; positive is better, also for an error. No null of a claim about doubt: samples still differ in difficulty."""
    import pandas

    found, behind = [], []
    for race in NULLS:
        rows = standard.evaluations(results, race)
        if not len(rows) or not len(statistics.endpoint(rows)):
            continue
        unit = statistics.metric_of(rows).unit
        over = statistics.overview(rows).dropna(subset=["gain"])
        found += [
            {"race": race, "world": standard.datasets_of(rows), "arm": r.method, "gain": r.gain, "low": r.gain_low,
             "high": r.gain_high, "unit": "points" if unit == "%" else unit, "seeds": int(r.gain_seeds)}
            for r in over.itertuples() if r.method != statistics.baseline_of(rows)
        ]  # fmt: skip
        behind.append(rows)
    if not found:
        return standard.left_out(", ".join(NULLS), "no null world ran beside Random at this profile")
    table = pandas.DataFrame(found)
    fig = figures.table(table)
    figures.note(fig, "Area under the budget curve, gain on Random, paired by seed; 95 % t interval. Positive is better.")
    parts = [
        f"{r.arm} on {r.world} {r.gain:+.2f}" + (f" ({r.low:+.2f} to {r.high:+.2f})" if r.low == r.low else "") + f" {r.unit}"
        for r in table.itertuples()
    ]
    return Drawing(fig, table, f"Gains on Random in the null worlds: {'; '.join(parts)}.", pandas.concat(behind))


def on_one_target(results, race: str = "few") -> list[str]:
    """The arms to be ranked: of one that trains a target of its own (LL4AL) what it asked, on the plain target ("ll4al
    retrained"), where that ran; nothing but the choice differs then. (Random with the joint loss stays: it chooses nothing.)"""
    own = list(dict.fromkeys(standard.chosen(results, race)["method"]))
    there = set(standard.in_race(standard.models(results), race)["method"])
    return [again if (again := f"{arm}{standard.RETRAINED}") in there else arm for arm in own]


# --- ranks -------------------------------------------------------------------------------------------------------------------


def fig_5(results, race: str = "few") -> Drawing | None:
    """Fig. 5: Spearman's correlation of predicted and true losses on the test set, and, beside it, which share of the
    candidates of most loss is asked: a line a module, and two that need none, of L2R-AL's networks (else the first arm's)."""
    import pandas

    rows = standard.of_kind(results, race, "ranking")
    if rows is None:
        return standard.left_out(race, NOTHING)
    known = "l2r" if "l2r" in set(rows["method"]) else rows["method"].iloc[0]
    free = [
        rows[rows["method"] == known].assign(
            method=f"{name} ({known})", spearman=rows["spearman" + end], overlap=rows["overlap" + end]
        )
        for end, name in FREE.items()
    ]
    lines = pandas.concat([rows, *free], ignore_index=True)
    named = {
        "spearman": "Spearman's correlation with the true loss",
        "overlap": "share of the true top b that is asked",
    }
    fig, axes = figures.subplots(1, 2, figsize=(11.5, 4.0))
    order = list(dict.fromkeys(lines["method"]))
    for ax, low, (column, label) in zip(axes, (-1, 0), named.items()):
        figures.curves(lines, "labelled", column, "method", ax=ax, order=order, label=label, low=low, high=1)
    axes[0].set_title("on the test set")
    axes[1].set_title("on the candidates")
    figures.beside_axes(fig, order)
    figures.note(fig, standard.means(rows))
    said = " ".join(
        figures.describe_curves(lines, "labelled", column, "method", unit="", name=label)
        for column, label in named.items()
    )
    return Drawing(fig, lines, said, rows)


def ranks_gains(results, race: str = "few") -> Drawing | None:
    """Fig. 5 as numbers: the area under each of its lines (the mean over the cycles, which have a distance in common), and what
    L2R-AL's is above the others', paired by seed, with 95 % t intervals. Seeds whose arm has not finished are left out."""
    import pandas

    rows = standard.of_kind(results, race, "ranking")
    if rows is None or "l2r" not in set(rows["method"]):
        return standard.left_out(race, "l2r did not run at this profile")
    measures = {"spearman": "Spearman's correlation", "overlap": "share of the top b"}
    names = [name + end for name in measures for end in ("", *FREE)]
    each = rows.groupby(["method", "seed"], sort=False)
    areas = each[names].mean()[each["cycle"].nunique() == rows["cycle"].nunique()].reset_index()
    own = areas[areas["method"] == "l2r"]
    lines = [areas, *(own.assign(method=name, **{m: own[m + end] for m in measures}) for end, name in FREE.items())]
    areas = pandas.concat(lines, ignore_index=True)
    found = []
    for rival in dict.fromkeys([*FREE.values(), *areas["method"]]):
        for measure, name in measures.items():
            part = areas[areas["method"] == rival][measure]
            gap = statistics.paired(areas, "l2r", rival, measure, resolution=0.0)
            if rival != "l2r" and gap.n:
                found.append({"of": name, "l2r": own[measure].mean(), "rival": rival, "area": part.mean(), "l2r above": gap.mean,
                              "low": gap.low, "high": gap.high, "seeds": gap.n})  # fmt: skip
    if not found:
        return standard.left_out(race, "no run of l2r has finished")
    table = pandas.DataFrame(found).sort_values("of", kind="stable", ignore_index=True)
    fig = figures.table(table, decimals=3)
    figures.note(
        fig, "Means over the cycles; l2r above: paired by seed, 95 % t interval. -log p_max and entropy: on L2R-AL's own networks; "
        "LL4AL's module predicts the losses of a network of its own.",
    )  # fmt: skip
    parts = [
        f"{r['of']} {r['l2r above']:+.3f}" + (f" ({r['low']:+.3f} to {r['high']:+.3f})" if r["low"] == r["low"] else "")
        + f" on {r['rival']}, {r['seeds']} seed{'s' * (r['seeds'] != 1)}"
        for r in table.to_dict("records")
    ]  # fmt: skip
    said = f"How much better L2R-AL's module ranks the true losses on {standard.datasets_of(rows)}: {'; '.join(parts)}."
    return Drawing(fig, table, said, rows)


def ranks_beside(results, printed, race: str = "few") -> Drawing | None:
    """Fig. 5's last cycle as printed beside ours, and -log p_max on the same networks. printed: its rows of
    `published.published`."""
    import pandas

    rows = standard.of_kind(results, race, "ranking")
    if rows is None:
        return standard.left_out(race, NOTHING)
    rows = rows[rows["cycle"] == rows.groupby("method")["cycle"].transform("max")]
    numbers = printed[printed["metric"] == "spearman"].set_index("method")["value"]
    found = [
        {"method": arm, "printed": numbers.get(arm.partition("(")[0], float("nan")), "ours": part["spearman"].mean(),
         "-log p_max": part["spearman_p_max"].mean(), "n": part["seed"].nunique(), "labelled": int(part["labelled"].max())}
        for arm, part in rows.groupby("method", sort=False)
    ]  # fmt: skip
    table = pandas.DataFrame(found)
    name = ", ".join(sorted(rows["dataset"].unique()))
    fig = figures.table(table, decimals=3)
    figures.note(
        fig, f"Spearman's correlation with the true loss on the test set; printed for CIFAR-10, ours on {name}."
    )
    parts = [
        f"{r['method']}: " + f"{r['printed']:.3f} printed, " * bool(r["printed"] == r["printed"])
        + f"{r['ours']:.3f} here, -log p_max {r['-log p_max']:.3f}"
        for r in found
    ]  # fmt: skip
    return Drawing(fig, table, f"Correlations of Fig. 5 in the last cycle, ours on {name}. {'; '.join(parts)}.", rows)


def sorter(results) -> Drawing | None:
    """How far off a place is, as a share of a list: on lists held out, of each kind and length that the races rank, and on the
    modules' own predictions, race by race; by the sorter, by pairwise sigmoids, and by knowing nothing."""
    import pandas

    rows = results[results["kind"].isin(["sorter", "ranking"])] if len(results) else results
    held = rows[rows["kind"] == "sorter"] if len(rows) else rows
    if not len(held):
        return standard.left_out("sorters", "no arm that needs a sorter ran at this profile")
    of_race = held.groupby("race")["length"].first()
    held = held.drop_duplicates(["lists", "length"]).sort_values("length", ascending=False, kind="stable")
    names = {"error": "sorter", "error_exact": "pairwise sigmoids", "error_middle": "all in the middle"}
    table = held[["lists", "length", *names]].rename(columns=names)
    real = rows[rows["kind"] == "ranking"]
    real = real.dropna(subset=["error"]) if "error" in real else real[:0]
    found = [
        {"lists": f"{race}: predicted by {arm}", "length": of_race.get(race, held["length"].iloc[0]),
         "sorter": part["error"].mean(), "pairwise sigmoids": part["error_exact"].mean()}
        for (race, arm), part in real.groupby(["race", "method"], sort=False)
    ]  # fmt: skip
    table = pandas.concat([table, pandas.DataFrame(found)], ignore_index=True)
    table["length"] = table["length"].astype(int)
    fig = figures.table(table, decimals=3)
    figures.note(fig, "Mean distance between a given and the true place of a value, over the length of its list.")
    parts = [
        f"{r.lists}, {r.length:g} long: {r.sorter:.3f}" + (f", sigmoids {r._4:.3f}" if r._4 == r._4 else "")
        for r in table.itertuples()
    ]
    return Drawing(fig, table, f"Rank errors as a share of a list, sorter first. {'; '.join(parts)}.", rows)
