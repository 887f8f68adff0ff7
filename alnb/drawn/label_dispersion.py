"""The figures and tables of thesis chapter 3, one function an artefact: rows in, a `figures.Drawing` out.

`results` is what `nb.run` gave: the races "few" (ten classes), "many" and "null". What cannot be drawn is said, and None.
"""

from __future__ import annotations

from collections.abc import Sequence

from alnb import figures, statistics
from alnb.drawn import standard
from alnb.figures import PALETTE, Drawing
from alnb.methods import pseudo_labels
from alnb.methods.label_dispersion import BINS, ENOUGH, LAST_EPOCHS

PRINTED = ("random", "dispersion", "margin", "bald", "k_center", "core_set", "vaal")
RIVALS = ("random", "dispersion", "mean_confidence", "count_entropy", "late_dispersion", "qbc")

# --- single samples ---------------------------------------------------------------------------------------------------------


def fig_3_1(results, data) -> Drawing | None:
    """Fig. 3.1: four samples of the first seed with their last predictions, confidence and dispersion. data: the
    dataset they are of."""
    rows, where = standard.of_kind(results, "few", "example"), "few"
    if rows is None or data is None:
        return standard.left_out(where, "no runs of dispersion at this profile" if data else "the images are not here")
    rows = rows[rows["seed"] == rows["seed"].min()]
    fig, axes = figures.subplots(1, len(rows), figsize=(2.1 * len(rows), 3.1), squeeze=False)
    names, parts = data.class_names, []
    for ax, row in zip(axes[0], rows.to_dict("records")):
        last = _last_classes(row, names)
        ax.imshow(data.train_images[int(row["sample"])].transpose(1, 2, 0), interpolation="nearest")
        ax.set_title(f"({row['panel']}) true: {names[int(row['true'])]}")
        ax.set(xticks=[], yticks=[])
        said = f"confidence {row['confidence']:.2f}", f"dispersion {row['dispersion']:.2f}"
        ax.set_xlabel("\n".join([f"last {len(last)}: {' '.join(last)}", *said]))
        ax.grid(False)
        parts.append(
            f"({row['panel']}) a {names[int(row['true'])]}, last predicted {', '.join(last)}, {', '.join(said)}"
        )
    figures.note(fig, f"Seed {rows['seed'].iloc[0]}, after the first training; the last predictions, the latest last.")
    return Drawing(fig, rows, f"Samples of {data.name}: {'; '.join(parts)}.", rows)


def _last_classes(row: dict, names: Sequence[str]) -> list[str]:
    """Names of the classes predicted in the last epochs (up to five), the last one last."""
    epochs = (row.get(f"epoch_{t}") for t in range(1 - LAST_EPOCHS, 1))
    return [names[int(label)] for label in epochs if label is not None and label == label]


# --- dispersion and correctness ---------------------------------------------------------------------------------------------


def fig_3_3(results) -> Drawing | None:
    """Fig. 3.3: `_histograms` of many classes."""
    return _histograms(results, "many")


def fig_3_4(results) -> Drawing | None:
    """Fig. 3.4: `_histograms` of ten classes."""
    return _histograms(results, "few")


def _histograms(results, race: str) -> Drawing | None:
    """Bars, the share of the pool in each tenth of dispersion; line, the share of these that the model gets right. The
    pools of all seeds together; a panel a cycle."""
    rows, where = standard.of_kind(results, race, "histogram"), race
    if rows is None:
        return standard.left_out(where, "no runs of dispersion at this profile")
    cycles, parts = sorted(rows["cycle"].unique()), []
    fig, axes = figures.subplots(1, len(cycles), figsize=(max(4.6, 3.2 * len(cycles)), 3.2), sharey=True, squeeze=False)
    for ax, cycle in zip(axes[0], cycles):
        bins = _pooled(rows[rows["cycle"] == cycle])
        ax.bar(bins.index + 0.5 / BINS, bins["share"], width=0.9 / BINS, color=PALETTE[2], label="share of the pool")
        ax.plot(bins.index + 0.5 / BINS, bins["right"], color=PALETTE[0], marker="o", ms=4, label="of these, correct")
        ax.set(title=f"cycle {int(cycle)}", xlabel="dispersion", xlim=(0, 1), ylim=(0, 104), yticks=range(0, 101, 20),
               xticks=[0, 0.2, 0.4, 0.6, 0.8])  # fmt: skip
        line = ", ".join(
            f"{low:.1f}: {b.share:.0f} % of the pool, {b.right:.0f} % right" for low, b in bins.dropna().iterrows()
        )
        parts.append(f"cycle {int(cycle)}, by the lower edge of dispersion: {line}")
    axes[0, 0].set_ylabel("%")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center", fontsize=9)
    figures.note(
        fig, f"The pools of {figures.seeds(rows, 'race')} together; correct in those where a bar holds {ENOUGH} samples or more."
    )
    return Drawing(fig, rows, f"Bars and a line on {', '.join(rows['dataset'].unique())}. {'. '.join(parts)}.", rows)


def _pooled(rows):
    """By the lower edge of dispersion: `share`, % of the pool, and `right`, % of the samples in bins of ENOUGH or more."""
    bins = rows.groupby("low")[["samples", "correct"]].sum()
    told = rows[rows["samples"] >= ENOUGH].groupby("low")[["samples", "correct"]].sum()
    return bins.assign(share=100 * bins["samples"] / bins["samples"].sum(), right=100 * told["correct"] / told["samples"])


def fig_3_5a(results) -> Drawing | None:
    """Fig. 3.5a: `_informativeness`, ten classes."""
    return _informativeness(results, "few")


def fig_3_5b(results) -> Drawing | None:
    """Fig. 3.5b: `_informativeness`, many classes."""
    return _informativeness(results, "many")


def _informativeness(results, race: str) -> Drawing | None:
    """Accuracy of the first model on what each method would ask first, against the share of the pool it asks; Entropy, the
    plainest doubt, among them. Arms with dropout are left out: their first model is another one."""
    rows, where = standard.of_kind(results, race, "informativeness"), race
    shown = [*PRINTED, "entropy", "oracle"]
    order = [] if rows is None else [arm for arm in standard.ran(rows, shown) if "dropout=" not in arm]
    if not order:
        return standard.left_out(where, "no arm of the figure ran at this profile")
    rows = rows[rows["method"].isin(order)].assign(**{"% of the pool asked": 100 * rows["portion"]})
    x, y = "% of the pool asked", "accuracy"
    fig = figures.curves(rows, x, y, "method", order=order, low=0, high=100, beside="random",
                         label="accuracy on what is asked, %")  # fmt: skip
    figures.note(fig, f"{standard.means(rows)} Lower: more of what the model gets wrong.")
    said = figures.describe_curves(rows, x, y, "method", better="lower", name="the first model's accuracy, %,")
    return Drawing(fig, rows, said, rows)


# --- the race -----------------------------------------------------------------------------------------------------------------


def fig_3_6a(results) -> Drawing | None:
    """Fig. 3.6a: the arms that are printed, ten classes."""
    return standard.race(results, "few", arms=PRINTED)


def fig_3_6b(results) -> Drawing | None:
    """Fig. 3.6b: the arms that are printed, many classes."""
    return standard.race(results, "many", arms=PRINTED)


def rivals_3(results) -> Drawing | None:
    """Dispersion and the trivial quantities that look at the same epochs, ten classes."""
    rows = standard.chosen(results, "few")
    if len(standard.ran(rows, RIVALS)) < 3:  # Random and dispersion alone are no rivals
        return standard.left_out("few", "no rival of dispersion ran at this profile")
    return standard.race(results, "few", arms=RIVALS)


def table_3_1(results) -> Drawing | None:
    """Table 3.1: accuracy at the last budget (mean, sd, seeds) and relative to `all_data`, for few and many classes."""
    import pandas

    found, used = [], []
    for race in ("few", "many"):
        part = standard.chosen(results, race)
        part = part[part["kind"] == "test"]
        if part.empty:
            continue
        full = part.loc[part["method"] == statistics.CEILING, "accuracy"].mean()
        arms = part[part["method"] != statistics.CEILING]
        asked = (arms["cycle"] >= 1).any()
        last = arms[arms["cycle"] == statistics.horizon(arms)] if asked else arms  # Random may have gone on
        used.append(part)
        for method, runs in [
            *last.groupby("method", sort=False),
            *part[part["method"] == statistics.CEILING].groupby("method"),
        ]:
            mean = runs["accuracy"].mean()
            found.append({"race": race, "dataset": part["dataset"].iloc[0], "method": method, "labels": int(runs["labelled"].max()),
                          "acc": mean, "sd": runs["accuracy"].std(), "rel": 100 * mean / full, "seeds": len(runs)})  # fmt: skip
    if not found:
        return standard.left_out("few, many", "no runs at this profile")
    table = pandas.DataFrame(found).sort_values(["race", "acc"], ascending=[True, False], ignore_index=True)
    parts = [
        f"{r.dataset}, {r.method}: {r.acc:.2f} %" + (f", {r.rel:.1f} % of all data" if r.rel == r.rel else "")
        for r in table.itertuples()
    ]
    fig = figures.table(table)
    figures.note(
        fig, "acc: mean test accuracy over the seeds, %; sd: their deviation; rel: % of training on every label."
    )
    return Drawing(fig, table, f"Table of accuracy at the last budget. {'; '.join(parts)}.", pandas.concat(used))


def watching_3(results, race: str = "few") -> str:
    """What looking at the pool after every epoch took of dispersion's runs, in words."""
    rows = standard.in_race(results, race)
    spent = rows[(rows["kind"] == "timing") & (rows["method"] == "dispersion")] if len(rows) else rows
    if not len(spent) or "watching" not in spent or not (watching := spent["watching"].sum()) > 0:
        return f"{race}: what looking at the pool took of dispersion's runs was not timed here."
    rest = spent["seconds"].sum() - watching - spent["choosing"].sum()
    seconds = f"{watching:.0f} s of looking beside {rest:.0f} s of training and testing"
    return f"{race}: dispersion's runs spent {seconds}, {watching / rest:.0%} of it."


# --- section 3.5: pairs -------------------------------------------------------------------------------------------------------


def fig_3_8(results) -> Drawing | None:
    """Fig. 3.8: `_pairs` of ten classes."""
    return _pairs(results, "few")


def fig_3_9(results) -> Drawing | None:
    """Fig. 3.9: `_pairs` of many classes."""
    return _pairs(results, "many")


def _pairs(results, race: str) -> Drawing | None:
    """Left: accuracy of model B (full) and A (dashed) of each pair, CEAL, and the arms random and core-set. Right, where
    it ran: the plain network trained from scratch on what each asked, so that only the queries differ."""
    rows = _pair_rows(results, race)
    if rows is None:
        return standard.left_out(race, "no pairs at this profile")
    arms, beside = _pair_arms(rows), standard.ran(rows, ["random", "core_set"])
    rows = rows[rows["method"].isin([*beside, *(name for arm in arms for name in _names(arm).values())])]
    look = figures.looks([*beside, *arms])
    panels = 1 + rows["method"].isin([_names(arm)["retrained"] for arm in arms]).any()
    fig, axes = figures.subplots(1, panels, figsize=(4.6 * panels + 2.2, 4.4), sharey=True, squeeze=False)
    titles = ("models B (full) and A (dashed)", "the plain network on what each asked")
    for ax, title, model in zip(axes[0], titles, ("B", "retrained")):
        shown = {name: name for name in beside} | {_names(arm)[model]: arm for arm in arms}
        part = rows[rows["method"].isin(shown)]
        _draw(ax, part.assign(method=part["method"].replace(shown)), look)
        if model == "B":
            part = rows[rows["method"].isin([_names(arm)["A"] for arm in arms])]
            _draw(
                ax, part, {name: look[_arm(name)] | {"linestyle": "--"} for name in part["method"].unique()}, sd=False
            )
        ax.set(xlabel="labelled", ylabel="test accuracy, %", title=title)
    figures.beside_axes(fig, [*beside, *arms])
    counted = rows.assign(method=[_arm(name) for name in rows["method"]])
    figures.note(fig, standard.means(counted) + " A's bands are left out.")
    return Drawing(fig, rows, _pairs_in_words(_pair_table(rows)), rows)


def _draw(ax, rows, look, sd=True):
    there = [name for name in look if (rows["method"] == name).any()]
    figures.lines(ax, rows, "labelled", "accuracy", "method", look, there, sd=sd, low=0, high=100)


def pseudo_3(results) -> Drawing | None:
    """A row per pair and CEAL, ten classes: pseudo-labels in the last cycle, the share of them that is right (mean over
    cycles), accuracy at the last budget of A, of B and of the plain network on the same queries, seeds."""
    rows = _pair_rows(results, "few")
    if rows is None:
        return standard.left_out("few", "no pairs at this profile")
    table = _pair_table(rows)
    fig = figures.table(table)
    figures.note(fig, "Means over the seeds, %: test accuracy of A, of B, of the plain network on the same queries.")
    return Drawing(fig, table, _pairs_in_words(table), rows)


def _pair_rows(results, race: str):
    """The test rows of a race with its pairs, a model an arm; None where no pair ran."""
    rows = standard.in_race(standard.models(results), race)
    rows = rows[rows["kind"] == "test"] if len(rows) else rows
    return rows if len(rows) and (rows["study"] == pseudo_labels.STUDY.name).any() else None


def _pair_arms(rows) -> list[str]:
    """ "ceal" and the pairs with their share, in the order of the rows."""
    own = rows.loc[rows["study"] == pseudo_labels.STUDY.name, "method"]
    return list(dict.fromkeys(map(_arm, own)))


def _arm(method: str) -> str:
    """The pair of a model, or of what was retrained on its queries."""
    return method.removesuffix(standard.RETRAINED).removesuffix(" A").removesuffix(" B")


def _names(arm: str) -> dict[str, str]:
    """What the models of a pair, and the plain network on its queries, are called in the rows."""
    one = arm == pseudo_labels.CEAL
    return {"A": f"{arm} A", "B": arm if one else f"{arm} B", "retrained": f"{arm} retrained"}


def _pair_table(rows):
    import pandas

    budget = rows.loc[rows["study"] == pseudo_labels.STUDY.name, "labelled"].max()
    last = rows[rows["labelled"] == budget].groupby("method")["accuracy"].mean()
    found = []
    for arm in _pair_arms(rows):
        names = _names(arm)
        own = rows[rows["method"] == names["B"]]
        pseudo = own.loc[own["labelled"] == budget, "pseudo"].mean()
        found.append({"pair": arm, "pseudo-labels": pandas.NA if pseudo != pseudo else round(pseudo),
                      "% right": own["pseudo_right"].mean(),
                      **{column: last.get(name, float("nan")) for column, name in names.items()},
                      "seeds": own["seed"].nunique()})  # fmt: skip
    return pandas.DataFrame(found).astype({"pseudo-labels": "Int64"})


def _pairs_in_words(table) -> str:
    def known(row):
        numbers = [("A", row["A"]), ("B", row["B"]), ("the plain network on its queries", row["retrained"])]
        return ", ".join(f"{name} {value:.1f} %" for name, value in numbers if value == value)

    def right(row):
        return f"; {row['% right']:.1f} % of its pseudo-labels right" if row["% right"] == row["% right"] else ""

    parts = [f"{row['pair']}: {known(row)}{right(row)}" for row in table.to_dict("records")]
    return f"Accuracy at the last budget. {'. '.join(parts)}."
