"""What a reviewer of thesis chapter 3 would ask for: calibration, snapshots, class balance, other recipes, a trap.

`results` is what `nb.run` gave; `asked` what `alnb.asked.asked` did. What cannot be drawn is said, and None.
"""

from __future__ import annotations

from alnb import figures, statistics
from alnb.drawn import standard
from alnb.figures import PALETTE, Drawing
from alnb.methods import doubt
from alnb.methods.label_dispersion import ENOUGH

RACES = ("few", "many")
MEASURES = ("auroc", "ece", "excess", "sure")

# --- calibration ------------------------------------------------------------------------------------------------------------


def calibration_3(results) -> Drawing | None:
    """A row of panels a race. Left, how often the network is right where it says so, of three confidences; middle, how well
    each score finds its mistakes; right, expected calibration error, and by how much confidence exceeds accuracy."""
    import pandas

    rows = {race: part for race in RACES if (part := standard.of_kind(results, race, "doubt")) is not None}
    if not rows:
        return standard.left_out("few, many", 'the arm "doubt" did not run at this profile')
    size = 9.8, 0.9 + 3.1 * len(rows)
    fig, axes = figures.subplots(len(rows), 3, figsize=size, squeeze=False, width_ratios=[1.1, 1, 1])
    tables = []
    for panels, (race, part) in zip(axes, rows.items()):
        table = _told(part).sort_values("auroc", ascending=False)
        _reliability(panels[0], standard.of_kind(results, race, "reliability"), part)
        _dots(panels[1], table, "auroc", "AUROC of its mistakes, %")
        _dots(panels[2], table, "ece", "calibration error (dot),\nexcess (cross), points", "excess")
        panels[1].axvline(50, color=PALETTE[0], lw=1)
        panels[2].axvline(0, color=PALETTE[0], lw=1)
        panels[2].set_yticklabels([])  # those of the middle
        tables.append(table.assign(race=race, dataset=part["dataset"].iloc[0]))
    whole, counted = pandas.concat(tables, ignore_index=True), pandas.concat(rows.values())
    figures.note(
        fig,
        f"The candidates of the first choice, {figures.seeds(counted, 'race')}; bars: one standard deviation. Bins of {ENOUGH} "
        "samples or more. Excess: mean confidence less accuracy; above 0 the network is overly confident. Entropies and "
        "margin are put onto the scale of a confidence, and are none.",
    )
    parts = [
        f"{r.dataset}, {r.score}: AUROC {r.auroc:.1f} %, calibration error {r.ece:.1f} points, confidence {r.excess:+.1f} "
        f"points above accuracy, {r.sure:.0f} % of its mistakes at {doubt.SURE:.0%} or surer"
        for r in whole.itertuples()
    ]
    said = f"Reliability, and how well each score finds the first network's mistakes, best first. {'; '.join(parts)}."
    return Drawing(fig, whole, said, counted)


def _told(rows):
    """Mean over the seeds of each measure, its deviation ("auroc_sd") and their number; a row a score."""
    rows = rows.reindex(
        columns=[*rows.columns, *({*MEASURES} - {*rows})]
    )  # those that no seed has: no mistake, no AUROC
    groups = rows.groupby("score")
    table = groups[list(MEASURES)].mean().join(groups[list(MEASURES)].std().add_suffix("_sd"))
    return table.assign(seeds=groups["seed"].nunique()).reset_index()


def _reliability(ax, bins, about):
    sums = bins.groupby(["score", "low"])[["samples", "correct", "confidence"]].sum()
    sums = sums[sums["samples"] >= ENOUGH]
    for score in doubt.DRAWN:
        if score in sums.index.get_level_values(0):
            part = sums.loc[score]
            share = part["confidence"] / part["samples"], 100 * part["correct"] / part["samples"]
            ax.plot(*share, label=score, ms=4, lw=1.4, **figures.look(score))
    ax.plot([0, 100], [0, 100], color=PALETTE[0], lw=1)
    ax.set(xlim=(0, 102), ylim=(0, 102), xlabel="confidence, %", ylabel=f"{about['dataset'].iloc[0]}: right, %")
    ax.legend(fontsize=8)


def _dots(ax, table, measure, name, crossed=""):
    for place, row in enumerate(table.to_dict("records")):
        look = figures.look(row["score"]) | {"linestyle": "none"}
        sd = row[f"{measure}_sd"]
        ax.errorbar(row[measure], place, xerr=sd if sd == sd else None, capsize=2, ms=5, **look)
        if crossed:
            ax.plot(row[crossed], place, **(look | {"marker": "x"}))
    ax.set(yticks=range(len(table)), ylim=(len(table) - 0.5, -0.5), xlabel=name)
    ax.set_yticklabels(table["score"], fontsize=9)


def snapshots_3(results) -> Drawing | None:
    """A row a race and number of epochs that dispersion looked at: what of the batch it shares with dispersion over all of
    them, rank correlation over all candidates, share of the batch that ties decided."""
    import pandas

    rows = [part for race in RACES if (part := standard.of_kind(results, race, "overlap")) is not None]
    if not rows:
        return standard.left_out("few, many", 'the arm "doubt" did not run at this profile')
    rows = pandas.concat(rows)
    rows = rows.assign(rank=rows["rank"] if "rank" in rows else float("nan"))
    groups = rows.groupby(["race", "dataset", "of", "epochs"], sort=False)
    table = (
        groups[["shared", "rank", "tied"]]
        .mean()
        .join(groups["seed"].nunique())
        .reset_index()
        .astype({"of": int, "epochs": int})
    )
    parts = [
        f"{r.dataset}, {r.epochs} of {r.of} epochs: {r.shared:.0f} % of the batch in common, rank correlation {r.rank:.3f}, "
        f"{r.tied:.0f} % of the batch decided by ties"
        for r in table.itertuples()
    ]
    named = {"of": "T", "epochs": "looked at", "shared": "batch in common, %", "rank": "rank correlation",
             "tied": "decided by ties, %", "seed": "seeds"}  # fmt: skip
    table[["shared", "tied"]] = table[["shared", "tied"]].round().astype("Int64")  # percent of a batch
    table = table.rename(columns=named)
    fig = figures.table(table.drop(columns="race"), decimals=3)
    about = "Dispersion over so many of the T epochs, evenly spaced, against that over all; of one training each."
    figures.note(fig, f"{about} Means over the seeds.")
    return Drawing(fig, table, f"How many epochs dispersion wants. {'; '.join(parts)}.", rows)


# --- what was asked -----------------------------------------------------------------------------------------------------------


def balance_3(asked, race: str = "few") -> Drawing | None:
    """Class balance of what each arm asks: L1 score of a batch (0: all classes alike, 1: one alone), mean over the batches of a
    run, a dot an arm with the 95 % t interval over the seeds; shaded, Random's."""
    runs = _per_run(asked, race, ["l1", "largest", "absent"])
    if runs is None:
        return standard.left_out(race, "what was asked is not known at this profile")
    table = _intervals(runs, "l1").sort_values("mean", ignore_index=True)
    others = runs.groupby("method")[["largest", "absent"]].mean()
    table = table.join(others, on="method")
    random = table[table["method"] == statistics.BASELINES[0]]
    band = (random["low"].iloc[0], random["high"].iloc[0]) if len(random) else None
    fig = figures.forest(table, label="method", mean="mean", low="low", high="high", band=band,
                         x="L1 score of a batch: 0, all classes alike; 1, one class alone")  # fmt: skip
    fig.axes[0].set_xlim(left=0)
    shaded = " Shaded: Random's." * bool(band)
    figures.note(fig, f"Mean over the batches of a run, {figures.seeds(runs)}; bar: 95 % t interval.{shaded}")
    parts = [
        f"{r.method} {r.mean:.3f}, its largest class {r.largest:.0f} % of a batch, {r.absent:.1f} classes absent"
        for r in table.itertuples()
    ]
    said = (
        f"L1 score of the batches asked on {standard.datasets_of(runs)}, the most balanced first: {'; '.join(parts)}."
    )
    return Drawing(fig, table, said, runs)


def _per_run(asked, race, columns):
    """One row a run of the race's arms, the mean over its batches; None where there is none."""
    if not len(asked) or not (asked["race"] == race).any():
        return None
    rows = standard.chosen(asked, race)
    return rows.groupby(["race", "dataset", "world", "method", "seed", "key"], sort=False)[columns].mean().reset_index()


def _intervals(runs, column):
    import pandas

    found = []
    for method, part in runs.groupby("method", sort=False):
        gap = statistics.difference(part[column])
        ends = min(max(gap.low, 0.0), 1.0), max(min(gap.high, 1.0), 0.0)  # of a score from 0 to 1
        found.append({"method": method, "mean": gap.mean, "low": ends[0], "high": ends[1], "seeds": gap.n})
    return pandas.DataFrame(found)


def trap_3(results, asked) -> Drawing | None:
    """The race in the world where doubt is worth nothing, and which share of its batches each arm spent on cards of no class."""
    drawing = standard.race(results, "trap")
    if drawing is None:
        return None
    runs = _per_run(asked, "trap", ["blank"])
    if runs is None or runs["blank"].isna().all():
        return drawing
    spent = runs.groupby("method", sort=False)["blank"].mean()
    said = (
        "Of what was asked, cards of no class: "
        + ", ".join(f"{method} {share:.0f} %" for method, share in spent.items())
        + "."
    )
    below = " ".join(drawing.figure._supxlabel.get_text().split())
    figures.note(drawing.figure, f"{below} {said}")
    return Drawing(drawing.figure, drawing.data, f"{drawing.alt} {said}", drawing.rows)


# --- other recipes ------------------------------------------------------------------------------------------------------------


def recipes_3(results, method: str = "dispersion") -> Drawing | None:
    """Dispersion less Random in area under the budget curve, both trained by the same recipe: a row a recipe."""
    import pandas

    rows = standard.evaluations(results, "recipes")
    ends = statistics.endpoint(rows) if len(rows) else rows
    found = []
    for arm in dict.fromkeys(ends["method"] if len(ends) else []):
        other = arm.replace(method, statistics.BASELINES[0], 1)
        if arm.partition("(")[0] == method and (gap := statistics.paired(ends, arm, other)).n:
            recipe = arm.removeprefix(method).strip("()") or "as the other races"
            found.append({"arm": arm, "recipe": recipe, "gain": gap.mean, "low": gap.low, "high": gap.high, "seeds": gap.n,
                          "random": ends.loc[ends["method"] == other, "aubc"].mean()})  # fmt: skip
    if not found:
        return standard.left_out("recipes", f"no recipe was raced by {method} and Random at this profile")
    table = pandas.DataFrame(found)
    fig = figures.forest(table, label="arm", mean="gain", low="low", high="high",
                         x=f"area under the curve: {method} less Random of the same recipe, points")  # fmt: skip
    fig.axes[0].set_yticklabels(table["recipe"])
    interval = "; bar: 95 % t interval." if (table["seeds"] > 1).any() else ", so no interval."
    figures.note(fig, f"Paired by seed, {figures.seeds(rows)}{interval}")
    parts = [
        f"{r.recipe}: {r.gain:+.2f}" + (f" ({r.low:+.2f} to {r.high:+.2f}, {r.seeds} seeds)" if r.low == r.low else " (one seed)")
        + f", Random at {r.random:.1f}"
        for r in table.itertuples()
    ]  # fmt: skip
    said = f"{method} less Random in area, points, on {standard.datasets_of(rows)}, by recipe: {'; '.join(parts)}."
    return Drawing(fig, table, said, rows)
