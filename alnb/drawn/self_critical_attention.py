"""The figures and tables of SCAL, one function an artefact: rows in, a `figures.Drawing` out.

`results` is what `nb.run` gave: the races "market" (the ablation) and "null". What cannot be drawn is said, and None.
"""

from __future__ import annotations

import math

from alnb import figures, statistics
from alnb.acquisition import parse_arm, write_arm
from alnb.audits import scal as audits
from alnb.drawn import seed_pairs, standard
from alnb.figures import PALETTE, Drawing
from alnb.intervals import difference
from alnb.methods.scal_runs import ARMS, BEFORE, plain_arm
from alnb.tasks.attended import MAP, example_pairs

NOTHING = "no runs at this profile"
SHOWN = ("mAP", "rank 1")
AGAIN = " again: the same arm with all chance drawn anew (A/A), so its gain is chance alone."
COLLAPSED = 0.05  # a deviation of the reward in a batch below which nothing is left to learn from
SHARES = {
    "rho_person": "person",
    "rho_accessory": "accessories",
    "rho_lift": "person / its area",
    "rho_area": "its area alone",
    "given_area": "person, given its area",
}

# --- the data -----------------------------------------------------------------------------------------------------------------


def data_8(data, people: int = 4) -> Drawing | None:
    """People as two cameras see them, and where the person and what they carry are, where a world knows."""
    import numpy as np
    import pandas

    from alnb.datasets import reid

    if data is None:
        return None
    pairs, size = example_pairs(data, people), tuple(data.train.images.shape[2:])
    masks = None if data.real else [reid.masks(data.name, split, [p[i] for p in pairs], size)
                                    for i, split in enumerate(("query", "gallery"))]  # fmt: skip
    shares, columns = [], 2 if masks else 1
    fig, axes = figures.subplots(2, columns * len(pairs), figsize=(1.1 * columns * len(pairs), 4.9), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for number, pair in enumerate(pairs):
        for i, boxes in enumerate((data.query, data.gallery)):
            ax = axes[i][columns * number]
            ax.imshow(boxes.images[pair[i]].permute(1, 2, 0).numpy())
            ax.set_title(f"{int(boxes.ids[pair[i]])}, camera {int(boxes.cameras[pair[i]]) + 1}", fontsize=8)
            if masks:
                person, accessory = masks[i][number]
                axes[i][2 * number + 1].imshow(person.astype(float) + accessory, cmap="Greys_r", vmin=0, vmax=2)
                shares.append(100 * person.mean())
    about = pandas.DataFrame([{"dataset": data.name, "world": not data.real, "person": p, "query": q, "gallery": g}
                              for p, (q, g) in enumerate(pairs)])  # fmt: skip
    said = f"; the person fills {min(shares):.0f} to {max(shares):.0f} % of a box" * bool(shares)
    numbers = f"{len(data.train):,} boxes of {data.train.identities} people to train on"
    numbers += f", {len(data.query):,} queries, {len(data.gallery):,} in the gallery"
    figures.note(
        fig,
        f"Above: query, below: gallery{', beside each its person (grey) and accessories (white)' * bool(masks)}. {numbers}.",
    )
    alt = f"{len(pairs)} people of {data.name}, each seen by two cameras{said}. {numbers}."
    return Drawing(fig, about, alt, about.assign(key=np.nan))


# --- Table 5 ------------------------------------------------------------------------------------------------------------------


def table_5(results, printed, race: str = "market") -> Drawing | None:
    """Table 5: each component's mAP and rank 1, printed and here, and what it adds to the arm before it, paired by seed with
    95 % t intervals. The placebos stand below; an A/A arm ("again") is compared with the arm that it repeats."""
    import pandas

    rows = _kind(results, race, "test")
    if rows is None:
        return standard.left_out(race, NOTHING)
    found = []
    for arm in _in_order(rows["method"].unique()):
        before = next((name for name in _before(arm) if (rows["method"] == name).any()), "")
        one = {"arm": arm, "over": before}
        for metric in SHOWN:
            theirs = printed[printed["metric"] == metric].set_index("method")["value"]
            ours = rows.loc[rows["method"] == arm, metric]
            one[f"{metric} printed"] = theirs.get(arm, math.nan)
            one[metric] = ours.mean()
            one[f"{metric} sd"] = ours.std()
            one["seeds"] = len(ours)
            one[f"{metric} gain printed"] = theirs.get(arm, math.nan) - theirs.get(before, math.nan)
            gap = statistics.paired(rows, arm, before, metric) if before else difference([])
            one |= {f"{metric} gain": gap.mean, f"{metric} gain low": gap.low, f"{metric} gain high": gap.high}
        found.append(one)
    table = pandas.DataFrame(found)
    shown = table[["arm", "seeds", "over"]].copy()
    for metric in SHOWN:
        shown[f"{metric}, printed"] = table[f"{metric} printed"]
        shown[f"{metric}, here"] = [seed_pairs.with_sd(m, s) for m, s in zip(table[metric], table[f"{metric} sd"])]
        shown[f"gain, printed{' ' * SHOWN.index(metric)}"] = table[f"{metric} gain printed"]
        shown[f"gain, here{' ' * SHOWN.index(metric)}"] = [seed_pairs.told(*values) for values in zip(
            table[f"{metric} gain"], table[f"{metric} gain low"], table[f"{metric} gain high"])]  # fmt: skip
    fig = figures.table(shown, decimals=1)
    figures.note(fig, f"%. Here: mean and deviation over {figures.seeds(rows)}; gain over the arm in `over`, paired by seed "
                      f"(95 % t interval). No deviation is printed.{AGAIN * ('again=' in ' '.join(table['arm']))}")  # fmt: skip
    parts = [_said(one) for one in found]
    return Drawing(fig, table, f"Table of the ablation on {standard.datasets_of(rows)}. {'; '.join(parts)}.", rows)


def _before(arm: str) -> list[str]:
    """What an arm is compared with, the first of these that ran: the very arm that it repeats, or the one it adds to, with
    the same options or with none."""
    name, options = parse_arm(arm)
    if options.pop("again", 0):
        return [write_arm(name, options)]
    return [write_arm(BEFORE[name], options), BEFORE[name]] if name in BEFORE else []


def _said(one) -> str:
    """A row of Table 5 in words, by mAP."""
    ours, printed = seed_pairs.with_sd(one["mAP"], one["mAP sd"]), one["mAP printed"]
    text = f"{one['arm']}: mAP {ours}" + (f" ({printed:.1f} printed)" if printed == printed else "")
    if not one["over"]:
        return text
    gain, printed = [one[f"mAP gain{part}"] for part in ("", " low", " high")], one["mAP gain printed"]
    return f"{text}, {seed_pairs.told(*gain)} on {one['over']}" + (
        f" (printed {printed:+.1f})" if printed == printed else ""
    )


# --- Fig. 4 -------------------------------------------------------------------------------------------------------------------


def fig_4(results, data=None, race: str = "market") -> Drawing | None:
    """Fig. 4: pairs of images of one person, beside each the attention learnt without and with the critic; the first seed
    that has both. data: the images; without, the maps alone. Below: how much of the attention falls on the person."""
    import numpy as np

    rows = _kind(results, race, "example")
    kinds = [] if rows is None else [k for k in ("spatial", "channel") if {k, f"{k}_critic"} <= set(rows["method"])]
    if not kinds:
        return standard.left_out(race, "Fig. 4 compares an attention with and without its critic; no pair of them ran")
    arms = [arm for kind in kinds for arm in (kind, f"{kind}_critic")]
    rows = rows[rows["method"].isin(arms)]
    seeds = rows.groupby("seed")["method"].nunique()
    rows = rows[rows["seed"] == seeds[seeds == len(arms)].index.min()] if (seeds == len(arms)).any() else rows[:0]
    if rows.empty:
        return standard.left_out(race, "no seed has all arms of Fig. 4")
    pairs = sorted(rows["pair"].unique())
    fig, axes = figures.subplots(
        len(kinds) * len(pairs), 6, figsize=(6.6, 1.95 * len(kinds) * len(pairs)), squeeze=False
    )
    for line, (kind, pair) in enumerate((kind, pair) for kind in kinds for pair in pairs):
        for half, split in enumerate(("query", "gallery")):
            part = rows[(rows["pair"] == pair) & (rows["split"] == split)].set_index("method")
            image = (
                None if data is None else getattr(data, split).images[int(part["row"].iloc[0])].permute(1, 2, 0).numpy()
            )
            for place, arm in enumerate(("", kind, f"{kind}_critic")):
                ax = axes[line][3 * half + place]
                ax.set(xticks=[], yticks=[])
                ax.grid(False)
                ax.set_anchor("C")
                if not line:
                    ax.set_title((split, "attention", "with critic")[place], fontsize=8)
                if image is not None:
                    height, width = image.shape[:2]
                    ax.imshow(image if not arm else np.repeat(image.mean(2, keepdims=True).astype(np.uint8), 3, 2))
                else:
                    height, width = MAP
                if arm:
                    map_ = np.array(part.loc[arm, "map"].split(), dtype=float).reshape(MAP)
                    ax.imshow(map_ / 99, cmap="inferno", alpha=0.65 if image is not None else 1, vmin=0, vmax=1,
                              extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="bilinear")  # fmt: skip
        axes[line][0].set_ylabel(f"{kind}, person {int(pair) + 1}", fontsize=8)
    said = _inside(results, race, arms)
    figures.note(fig, f"Seed {int(rows['seed'].iloc[0])}. Bright: much, each map over its largest value. Spatial: product of the "
                      f"five sites' A. Channel: size of the last site's signal. {said}")  # fmt: skip
    alt = f"Attention maps of {len(pairs)} pairs of images of {standard.datasets_of(rows)}, without and with the critic. {said}"
    return Drawing(fig, rows.drop(columns=[c for c in rows if rows[c].isna().all()]), alt.strip(), rows)


PLAIN = "label_smoothing"  # the same training without attention, whose features a channel arm's signal stands beside


def _inside(results, race, arms) -> str:
    """How much of the attention of each arm falls on the person, in words, beside what would without any skill: of a map of
    places, the person's share of the box; of a channel arm, whose map is the size of its features, that of features which
    no attention has touched. Nothing where no mask is known."""
    rows = _kind(results, race, "attention")
    if rows is None:
        return ""
    columns = [name for name in ("person", "area", "own") if name in rows]
    means = rows[rows["method"].isin([*arms, PLAIN])].groupby("method", sort=False)[columns].mean()
    there = [arm for arm in arms if arm in means.index]
    share = lambda some, what: ", ".join(f"{arm} {means.loc[arm, what]:.1f} %" for arm in some)
    places, channels = ([arm for arm in there if plain_arm(arm).startswith(kind)] for kind in ("spatial", "channel"))
    even = f"{means['area'].mean():.1f} %, as much as the person is of a box"
    parts = [f"of the attention: {share(places, 'person')} (the same everywhere: {even})"] * bool(places)
    untouched = share([PLAIN], "person") if PLAIN in means.index else f"{PLAIN} did not run"
    parts += [f"of the size of the signal: {share(channels, 'person')} (without attention: {untouched})"] * bool(channels)
    text = f"On the person falls, mean of the sites and all seeds, {'; '.join(parts)}."
    if "own" not in means or means.loc[there, "own"].isna().all():
        return text
    return f"{text} Of A's variance is the image's own, not the same for all: {share(there, 'own')}."


# --- does V measure the quality of attention? -----------------------------------------------------------------------------------


def critic(results, race: str = "market") -> Drawing | None:
    """V of test images against the share of their attention that falls on the person, one seed; and Spearman's rank
    correlation of V with that share, with that on accessories, and with what could explain it, over the seeds. Last what
    the ledger tests: what is left of the first once the area is known."""
    import pandas

    rows, images = _kind(results, race, "critic"), _kind(results, race, "quality")
    if rows is None:
        return standard.left_out(race, "no critic ran on a world, which knows where its people are")
    given = audits.given_area(images).reset_index()[["method", "seed", "given_area"]]
    rows = rows.merge(given, on=["method", "seed"], how="left")
    arms = _in_order(rows["method"].unique())
    fig, axes = figures.subplots(1, 2, figsize=(9.4, 3.8), width_ratios=[1, 1.2])
    looks, found = figures.looks(arms), []
    seed = images["seed"].min()
    for number, arm in enumerate(arms):
        part = images[(images["method"] == arm) & (images["seed"] == seed)]
        style = {k: looks[arm][k] for k in ("color", "marker")}
        axes[0].scatter(part["person"], part["V"], s=9, alpha=0.5, lw=0, label=arm, **style)
        for place, (column, name) in enumerate(SHARES.items()):
            values = rows.loc[rows["method"] == arm, column].dropna()
            gap = difference(values)
            low, high = max(gap.low, -1.0), min(gap.high, 1.0)  # no correlation lies beyond; of NaN, NaN
            found.append(
                {"method": arm, "what": name, "rho": gap.mean, "low": low, "high": high, "seeds": gap.n}
            )
            y = place + (number - (len(arms) - 1) / 2) * 0.7 / max(1, len(arms))
            reach = [[gap.mean - low], [high - gap.mean]] if low == low else None
            if gap.n:
                axes[1].errorbar(gap.mean, y, xerr=reach, capsize=2, ms=5, ls="none", **style)
    axes[0].set(xlabel="attention on the person, %", ylabel="V, mean of the sites")
    axes[0].legend(fontsize=8, markerscale=2)
    table = pandas.DataFrame(found)
    axes[1].axvline(0, color=PALETTE[0], lw=1)
    axes[1].set(xlabel="rank correlation with V", yticks=range(len(SHARES)), yticklabels=SHARES.values(),
                ylim=(len(SHARES) - 0.5, -0.5), xlim=(-1.05, 1.05), xticks=(-1, -0.5, 0, 0.5, 1))  # fmt: skip
    several = bool(table["seeds"].max() > 1)
    figures.note(fig, f"Left: seed {int(seed)}. Right: {figures.seeds(rows)}{', bar: 95 % t interval, cut at -1 and 1' * several}. "
                      "V against the attention on the person and on accessories; on the person over its area, the person's share "
                      "of the box; that area alone, with no attention at all. Last: on the person given its area, a partial "
                      "correlation, which is what the ledger tests: 0 where V follows the area alone.")  # fmt: skip
    parts = [
        f"{arm}: {', '.join(map(_rho, table[table['method'] == arm].dropna(subset='rho').itertuples()))}"
        for arm in arms
    ]
    where = standard.datasets_of(rows)
    said = f"Scatter of V against the attention on the person, and rank correlations of V on {where}. {'; '.join(parts)}."
    return Drawing(fig, table, said, rows)


def _rho(row) -> str:
    return f"{row.what} {row.rho:+.2f}" + (f" ({row.low:+.2f} to {row.high:+.2f})" if row.low == row.low else "")


# --- rewards, gradients -----------------------------------------------------------------------------------------------------------


def rewards(results, race: str = "market") -> Drawing | None:
    """The reward and what the critic makes of it, epoch by epoch: R_c, R_a, the deviation of R in a batch, that of V, and the
    correlation of the two. Where the deviation of R is near 0 the critic has nothing to learn from."""
    rows = _kind(results, race, "epoch")
    rows = rows if rows is None or "R" not in rows else rows[rows["R"].notna()]
    if rows is None or "R" not in rows or rows.empty:
        return standard.left_out(race, "no arm with a critic ran at this profile")
    panels = {"R_c": "recognised, R_c", "R_a": "better than without, R_a", "R_sd": "deviation of R", "V_sd": "deviation of V",
              "V_R": "correlation of V and R"}  # fmt: skip
    arms = _in_order(rows["method"].unique())
    fig, axes = figures.subplots(1, len(panels), figsize=(11.5, 3.0))
    with figures.style():
        for ax, (column, name) in zip(axes, panels.items()):
            figures.lines(ax, rows, "epoch", column, "method", figures.looks(arms), arms)
            ax.set(xlabel="epoch", ylabel="", title=name)
            ax.title.set_fontsize(9)
    for ax in axes:
        for line in ax.lines:
            line.set_markersize(2.5)
    figures.beside_axes(fig, arms)
    last = rows[rows["epoch"] == rows.groupby("method")["epoch"].transform("max")].groupby("method", sort=False)
    ends, over = last[list(panels)].mean(), int(rows["epoch"].max())
    flat = [arm for arm in arms if ends.loc[arm, "R_sd"] < COLLAPSED]
    note = (
        f"Mean of {figures.seeds(rows)}; band: one standard deviation. " if rows["seed"].nunique() > 1 else "One seed. "
    )
    parts = [
        f"{arm}: " + ", ".join(f"{name} {ends.loc[arm, column]:.2f}" for column, name in panels.items()) for arm in arms
    ]
    verdict = f"Collapsed at the end: {', '.join(flat)}." if flat else "No reward has collapsed."
    figures.note(fig, f"{note}{verdict} Of a placebo R is the true reward, which its critic is not taught.")
    said = f"Lines of the reward over {over} epochs on {standard.datasets_of(rows)}, at the end: {'; '.join(parts)}. {verdict}"
    keep = ["race", "dataset", "method", "seed", "epoch", *panels, "R", "V", "J_mse"]
    return Drawing(fig, rows[[c for c in keep if c in rows]], said, rows)


def gradients(results, race: str = "market") -> Drawing | None:
    """The norm of each loss's gradient at the five agents, as the losses are weighted: geometric mean over the epochs looked
    at and the seeds, a panel an arm. The paper says that the task's gradient vanishes on its way to the agents."""
    import numpy as np

    rows = _kind(results, race, "gradient")
    if rows is None:
        return standard.left_out(race, "no arm with attention ran at this profile")
    arms, losses = _in_order(rows["method"].unique()), [name for name in ("J_cls", "J_tri", "J_cri") if name in rows]
    fig, axes = figures.subplots(1, len(arms), figsize=(1.2 + 2.1 * len(arms), 3.1), sharey=True, squeeze=False)
    labels = {"J_cls": "$J_{cls}$", "J_tri": "$J_{tri}$", "J_cri": "$J_{cri}$, weighted"}
    marks, parts = {"J_cls": ("o", 2), "J_tri": ("s", 3), "J_cri": ("^", 6)}, []
    for ax, arm in zip(axes[0], arms):
        part, said = rows[rows["method"] == arm], []
        for name in losses:
            line = np.exp(np.log(part[name].clip(lower=1e-12)).groupby(part["site"]).mean()).dropna()
            if line.empty:
                continue
            marker, colour = marks[name]
            ax.plot(line.index, line.values, marker=marker, color=PALETTE[colour], ms=4, label=labels[name])
            said.append(f"{name} {line.iloc[0]:.2g} at the first site, {line.iloc[-1]:.2g} at the last")
        ax.set(yscale="log", xlabel="site", xticks=range(1, 6), title=arm)
        ax.title.set_fontsize(8)
        parts.append(f"{arm}: {', '.join(said)}")
    axes[0][0].set_ylabel("norm of the gradient")
    fuller = max(axes[0], key=lambda ax: len(ax.lines))
    fig.legend(*fuller.get_legend_handles_labels(), loc="outside right center", fontsize=8, frameon=False)
    epochs = sorted(rows["epoch"].astype(int).unique())
    figures.note(
        fig,
        f"First batches of the epochs {', '.join(map(str, epochs))}; geometric mean over them and {figures.seeds(rows)}.",
    )
    keep = ["race", "dataset", "method", "seed", "epoch", "site", *losses]
    return Drawing(fig, rows[keep], f"Gradient norms at the agents on {standard.datasets_of(rows)}. {'; '.join(parts)}.", rows)


# --- rows ---------------------------------------------------------------------------------------------------------------------


def _kind(results, race: str, kind: str):
    """Rows of one kind in a race, None where there are none."""
    rows = standard.in_race(results, race)
    rows = rows[rows["kind"] == kind] if len(rows) else rows
    return rows if len(rows) else None


def _in_order(names) -> list[str]:
    """Arms in the order of Table 5, an arm with options behind its plain one."""
    order = list(ARMS)
    return sorted(names, key=lambda name: (order.index(plain_arm(name)), name))
