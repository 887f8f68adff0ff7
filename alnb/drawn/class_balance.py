"""The figures and tables of thesis chapter 4, one function an artefact: rows in, a `figures.Drawing` out.

`results` is what `nb.run` gave: the races "few" (ten classes with a tail), "even" (without), "severe", the same of many
classes ("many", "many_even", "many_severe") and of more ("large", "large_even", "large_severe"). What cannot be drawn is
said, and None.
"""

from __future__ import annotations

from collections.abc import Sequence

from alnb import figures, statistics
from alnb.drawn import standard
from alnb.figures import PALETTE, Drawing
from alnb.methods.balance_gains import PAIRS
from alnb.methods.class_balance import counts, l1_floor, l1_score, smallest_lambda

PRINTED = ("random", "entropy", "entropy_cb", "k_center", "k_center_cb", "vaal", "vaal_cb", "core_set")
LARGE_ARMS = ("random", "entropy", "entropy_cb", "bald", "bald_cb")
TRADE = (
    "random",
    "entropy",
    "entropy_cb",
    "entropy_pseudo",
    "entropy_topped_up",
    "entropy_cb_permuted",
    "balanced_random",
)
FACTORS = {"severe": "0.1", "few": "0.3", "even": "1"}  # which imbalance factor of Table 4.1 a race stands beside
MANY = {"many_severe": "0.1", "many": "0.3", "many_even": "1"}  # of Table 4.2
LARGE = {"large_severe": "0.1", "large": "0.3", "large_even": "1"}  # of Table 4.3
NOTHING = "no runs at this profile"

# --- the data -----------------------------------------------------------------------------------------------------------------


def data_4(results, race: str = "few") -> Drawing | None:
    """What is left to choose from, class by class, most frequent first, after the first labels were set aside; the first
    seed."""
    rows = standard.of_kind(results, race, "balance")
    if rows is None:
        return standard.left_out(race, NOTHING)
    rows = rows[(rows["seed"] == rows["seed"].min()) & (rows["cycle"] == rows["cycle"].min())].head(1)
    left = sorted(counts(rows["left"].iloc[0]), reverse=True)
    fig, ax = figures.subplots(figsize=(5.6, 2.9))
    ax.bar(range(len(left)), left, color=PALETTE[1])
    ax.set(xlabel="class, most frequent first", ylabel="unlabelled samples", xticks=[])
    said = f"{left[0]} samples of the most frequent class, {left[-1]} of the rarest; L1 score {l1_score(left):.2f}"
    figures.note(fig, f"Seed {rows['seed'].iloc[0]}: {said}.")
    return Drawing(fig, rows, f"Bars of the pool of {rows['dataset'].iloc[0]} by class, descending: {said}.", rows)


# --- which classes are chosen ---------------------------------------------------------------------------------------------------


def fig_4_2(results) -> Drawing | None:
    """Fig. 4.2: `_distributions` of Random, Entropy and k-center beside the pool, ten classes."""
    return _distributions(results, "few", ("random", "entropy", "k_center"))


def fig_4_3(results) -> Drawing | None:
    """Fig. 4.3: `_distributions` of Entropy and k-center with and without class balance, ten classes."""
    return _distributions(results, "few", ("entropy", "entropy_cb", "k_center", "k_center_cb"))


def fig_4_8(results) -> Drawing | None:
    """Fig. 4.8: `_distributions` of many classes without a tail."""
    return _distributions(results, "many_even", ("entropy", "entropy_cb", "k_center", "k_center_cb"))


def fig_4_9(results) -> Drawing | None:
    """Fig. 4.9: `_distributions` of many classes with a tail."""
    return _distributions(results, "many", ("entropy", "entropy_cb", "k_center", "k_center_cb"))


def fig_4_10(results) -> Drawing | None:
    """Fig. 4.10: `_distributions` of many classes with a severe tail."""
    return _distributions(results, "many_severe", ("entropy", "entropy_cb", "k_center", "k_center_cb"))


def _distributions(results, race: str, arms: Sequence[str]) -> Drawing | None:
    """All that is labelled after each cycle, class by class: a row of panels an arm, a column a cycle, mean over the seeds;
    classes in the order of the pool, most frequent first. Line: equal shares, and what there is of a class where that is
    less. Above: the L1 score, and where shares cannot be equal the least there can be (`l1_floor`)."""
    import numpy as np

    rows = standard.of_kind(results, race, "balance")
    order = [] if rows is None else standard.ran(rows, arms)
    if not order:
        return standard.left_out(race, NOTHING if rows is None else "no arm of the figure ran at this profile")
    rows = rows[rows["method"].isin(order)]
    rows = rows[rows["cycle"] <= statistics.horizon(standard.evaluations(results, race)) - 1]
    cycles, parts = sorted(rows["cycle"].unique()), []
    size = (1.9 * len(cycles) + 1.2, 1.35 * len(order) + 0.9)
    fig, axes = figures.subplots(len(order), len(cycles), figsize=size, sharex=True, sharey="col", squeeze=False)
    first = rows[rows["cycle"] == cycles[0]].groupby("seed")["left"].first()
    there, short = _available(rows), {}
    for line, arm in zip(axes, order):
        scores = []
        for ax, cycle in zip(line, cycles):
            part = rows[(rows["method"] == arm) & (rows["cycle"] == cycle)]
            pools = [np.argsort(-np.array(counts(first[seed])), kind="stable") for seed in part["seed"]]
            mean = np.mean([np.array(counts(t))[by] for t, by in zip(part["labelled_classes"], pools)], axis=0)
            ax.bar(
                range(len(mean)), mean, width=1.0 if len(mean) > 20 else 0.8, color=figures.looks([arm])[arm]["color"]
            )
            ax.axhline(mean.mean(), color="0.2", lw=0.8, ls="--")
            most = np.mean([there[seed][by] for seed, by in zip(part["seed"], pools)], axis=0)
            least = np.mean([l1_floor(there[seed], sum(counts(t))) for seed, t in zip(part["seed"], part["labelled_classes"])])
            if least > 0:
                at = np.flatnonzero(most < mean.mean())
                ax.hlines(most[at], at - 0.5, at + 0.5, color="0.2", lw=1.5)
                short[int(cycle) + 1] = least
            title = f"cycle {int(cycle) + 1}: L1 {part['l1_labelled'].mean():.2f}"
            ax.set(xticks=[], title=title + f" (least {least:.2f})" * bool(least > 0))
            ax.title.set_fontsize(9)
            scores.append(f"{part['l1_labelled'].mean():.2f}")
        line[0].set_ylabel(arm, fontsize=9)
        parts.append(f"{arm} {', '.join(scores)}")
    fig.supxlabel("class, the pool's most frequent first", fontsize=9)
    below = f"All labels after a cycle; mean of {figures.seeds(rows)}. Dashed: as many of each class."
    figures.note(fig, below + " Solid: all there is of a class; least: the L1 score that leaves." * bool(short))
    where = standard.datasets_of(rows)
    said = f"Bars of the labelled classes on {where}. L1 score after each cycle (0: balanced): {'; '.join(parts)}."
    said += _lacking(short)
    return Drawing(fig, rows, said, rows)


def _available(rows) -> dict:
    """Seed -> (C,) samples that its pool has of each class, the labelled among them: what was there at the first choice."""
    import numpy as np

    rows = rows[rows["cycle"] == rows["cycle"].min()]
    held = lambda row: np.array(counts(row.labelled_classes)) - counts(row.batch) + counts(row.left)
    return {seed: np.max([held(row) for row in part.itertuples()], axis=0) for seed, part in rows.groupby("seed")}


def _lacking(short: dict) -> str:
    """Of {cycle: least L1 score}, where shares cannot be equal."""
    least = ", ".join(f"{score:.2f} after cycle {cycle}" for cycle, score in sorted(short.items()))
    return f" The pool lacks samples of its rare classes for equal shares: the least there can be is {least}." * bool(short)


def balance_severe_4(results) -> Drawing | None:
    """`balance_4` with a severe tail, where the pool may hold too few of the rare classes for equal shares."""
    return balance_4(results, "severe")


def balance_4(results, race: str = "few") -> Drawing | None:
    """The L1 score of all labels (eq. 4.10) against their number: a line an arm. Dotted, where shares cannot be equal: the
    least there can be (`l1_floor`)."""
    rows = standard.of_kind(results, race, "balance")
    if rows is None:
        return standard.left_out(race, NOTHING)
    tests = standard.evaluations(results, race)
    after = tests.assign(cycle=tests["cycle"] - 1)[["key", "cycle", "labelled"]]
    rows = rows.drop(columns="labelled", errors="ignore").merge(after, on=["key", "cycle"])
    rows = rows[rows["cycle"] < statistics.horizon(tests)]
    if rows.empty:
        return standard.left_out(race, "no arm has finished a cycle")
    x, y = "labelled", "L1 score of all labels"
    rows = rows.assign(**{y: rows["l1_labelled"]})
    fig = figures.curves(rows, x, y, "method", low=0, high=1, beside=statistics.baseline_of(rows) or "")
    there = _available(rows)
    floor = rows.assign(least=[l1_floor(there[r.seed], sum(counts(r.labelled_classes))) for r in rows.itertuples()])
    floor = floor.groupby(["cycle", x])["least"].mean().reset_index()
    short = {int(row.cycle) + 1: row.least for row in floor.itertuples() if row.least > 0}
    below = standard.means(rows) + " 0: as many of each class; 1: all of one."
    if short:
        for ax in fig.axes:
            ax.plot(floor[x], floor["least"], color="0.2", ls=":", lw=1.5)
        below += " Dotted: the least there can be."
    figures.note(fig, below)
    said = figures.describe_curves(rows, x, y, "method", unit="", better="lower")
    return Drawing(fig, rows, said + _lacking(short), rows)


# --- lambda ---------------------------------------------------------------------------------------------------------------------


def fig_4_4(results) -> Drawing | None:
    """Fig. 4.4: entropy, L1 loss (by predicted P) and L1 score (by true classes) of the first batch against lambda, mean
    over the seeds; many classes, or ten where these did not run. Level lines: Entropy, and Entropy by pseudo-labels. Marked:
    the lambda that the paper's rule picks of these seeds, and the one that Entropy-CB ran with."""
    race = next((one for one in ("many", "few") if standard.of_kind(results, one, "lambda") is not None), None)
    if race is None:
        return standard.left_out("many, few", "Entropy's first choice, which the curve is of, did not run at this profile")
    rows = standard.of_kind(results, race, "lambda")
    solved = standard.of_kind(results, race, "programme")
    arms = [] if solved is None else sorted(solved["lam"].unique())
    sweep, pseudo = rows[rows["rule"] == "entropy_cb"], rows[rows["rule"] == "entropy_pseudo"]
    panels = {"entropy": "entropy of the batch, nats", "l1_loss": "L1 loss, predicted", "l1_labelled": "L1 score, true"}
    picked = smallest_lambda(sweep.groupby("lam")["l1_loss"].mean().to_dict())
    colour = {arm: look["color"] for arm, look in figures.looks(["entropy_cb", "entropy", "entropy_pseudo"]).items()}
    fig, axes = figures.subplots(1, 3, figsize=(9.6, 3.2))
    for ax, (column, name) in zip(axes, panels.items()):
        line = sweep.groupby("lam")[column].mean()
        ax.plot(line.index, line.values, color=colour["entropy_cb"], marker="o", ms=4, label="Entropy-CB")
        ax.axhline(line.iloc[0], color=colour["entropy"], ls="--", lw=1.2, label="Entropy")
        ax.axhline(pseudo[column].mean(), color=colour["entropy_pseudo"], ls=":", lw=1.5, label="by pseudo-labels")
        ax.axvline(picked, color="0.5", lw=0.8)
        for lam in arms:
            ax.axvline(lam, color=colour["entropy_cb"], lw=0.8, ls="-.")
        ax.set(xlabel="lambda", ylabel=name)
    axes[0].legend(fontsize=8)
    ran = ", ".join(f"{lam:g}" for lam in arms)
    below = f"The first batch of {figures.seeds(rows)}, mean. Grey: lambda = {picked:g}, what the rule picks here."
    figures.note(fig, below + f" Dash-dotted: {ran}, what Entropy-CB ran with." * bool(arms))
    ends = [f"{name} from {sweep.groupby('lam')[c].mean().iloc[0]:.2f} to {sweep.groupby('lam')[c].mean().iloc[-1]:.2f}"
            for c, name in panels.items()]  # fmt: skip
    said = (
        f"Three curves against lambda from 0 to {sweep['lam'].max():g} on {standard.datasets_of(rows)}: {'; '.join(ends)}; by "
        f"pseudo-labels {', '.join(f'{pseudo[c].mean():.2f}' for c in panels)}. The rule picks {picked:g}."
    ) + f" Entropy-CB ran with {ran}." * bool(arms)
    return Drawing(fig, rows, said, rows)


# --- the race -------------------------------------------------------------------------------------------------------------------


def fig_4_5a(results) -> Drawing | None:
    """Fig. 4.5a: ten classes, no tail."""
    return standard.race(results, "even", arms=PRINTED)


def fig_4_5b(results) -> Drawing | None:
    """Fig. 4.5b: ten classes with a tail."""
    return standard.race(results, "few", arms=PRINTED)


def fig_4_5c(results) -> Drawing | None:
    """Fig. 4.5c: ten classes with a severe tail."""
    return standard.race(results, "severe", arms=PRINTED)


def fig_4_6a(results) -> Drawing | None:
    """Fig. 4.6a: many classes, no tail."""
    return standard.race(results, "many_even", arms=PRINTED)


def fig_4_6b(results) -> Drawing | None:
    """Fig. 4.6b: many classes with a tail."""
    return standard.race(results, "many", arms=PRINTED)


def fig_4_6c(results) -> Drawing | None:
    """Fig. 4.6c: many classes with a severe tail."""
    return standard.race(results, "many_severe", arms=PRINTED)


def fig_4_7(results) -> Drawing | None:
    """Fig. 4.7: Entropy, by pseudo-labels, and CB; many classes, or ten where these did not run."""
    arms = ("entropy", "entropy_pseudo", "entropy_cb")
    ran = {race: standard.ran(standard.in_race(results, race), arms) for race in ("many", "few")}
    race = next((race for race, names in ran.items() if "entropy_pseudo" in names), None)
    if race is None:
        return standard.left_out("many, few", "Entropy by pseudo-labels did not run at this profile")
    return standard.race(results, race, arms=arms)


def fig_4_11a(results) -> Drawing | None:
    """Fig. 4.11a: 200 classes, no tail."""
    return standard.race(results, "large_even", arms=LARGE_ARMS)


def fig_4_11b(results) -> Drawing | None:
    """Fig. 4.11b: 200 classes with a tail."""
    return standard.race(results, "large", arms=LARGE_ARMS)


def fig_4_11c(results) -> Drawing | None:
    """Fig. 4.11c: 200 classes with a severe tail."""
    return standard.race(results, "large_severe", arms=LARGE_ARMS)


def rivals_4(results) -> Drawing | None:
    """Entropy-CB beside its trivial rival, its placebo and what true labels could do, ten classes."""
    rows = standard.chosen(results, "few")
    if len(standard.ran(rows, TRADE[3:])) < 1:
        return standard.left_out("few", "no rival of Entropy-CB ran at this profile")
    return standard.race(results, "few", arms=TRADE)


# --- the gains ------------------------------------------------------------------------------------------------------------------


def table_4_1(results, printed) -> Drawing | None:
    """Table 4.1: `_gains` of ten classes. printed: its rows of `published.published`."""
    return _gains(results, printed, FACTORS)


def table_4_2(results, printed) -> Drawing | None:
    """Table 4.2: `_gains` of many classes."""
    return _gains(results, printed, MANY)


def table_4_3(results, printed) -> Drawing | None:
    """Table 4.3: `_gains` of 200 classes."""
    return _gains(results, printed, LARGE)


def _gains(results, printed, races) -> Drawing | None:
    """What class balance gains cycle by cycle, paired by seed with 95 % t intervals, beside the printed gain. No difference
    between the two is given: data, network and budgets are another's, unless this is the profile `paper`."""
    import pandas

    from alnb import published

    found, used = [], []
    for race, factor in races.items():
        tests = standard.evaluations(results, race)
        for name, plain in PAIRS.items():
            both = [arm for each in (name, plain) for arm in standard.ran(tests, [each])] if len(tests) else []
            if len(both) < 2:
                continue
            used.append(tests[tests["method"].isin(both)])
            for cycle in range(1, int(statistics.horizon(tests)) + 1):
                gap = statistics.paired(tests[tests["cycle"] == cycle], *both, "value", resolution=0.0)
                place = {"imbalance": factor, "cycle": str(cycle)}.items()
                own = printed[(printed["method"] == name) & (printed["metric"] == "gain")]
                at = [row.value for row in own.itertuples() if published.settings(row.setting).items() >= place]
                found.append({"IF": factor, "arm": both[0], "cycle": cycle, "printed": at[0] if at else float("nan"),
                              "ours": gap.mean, "low": gap.low, "high": gap.high, "seeds": gap.n})  # fmt: skip
    table = pandas.DataFrame(found)
    if not len(table) or not table["seeds"].any():
        return standard.left_out(", ".join(races), "no arm ran both with and without class balance at this profile")
    table = table[table["seeds"] > 0]
    rows, name = pandas.concat(used), printed["artefact"].iloc[0]
    fig = figures.table(table)
    figures.note(
        fig, f"Points gained on the same arm without balance; 95 % t interval over the seeds; on {standard.datasets_of(rows)}."
    )
    parts = [
        f"IF {r.IF}, {r.arm}, cycle {r.cycle}: {r.ours:+.2f}"
        + (f" ({r.low:+.2f} to {r.high:+.2f})" if r.low == r.low else "")
        + (f", printed {r.printed:+.2f}" if r.printed == r.printed else "")
        for r in table.itertuples()
    ]  # fmt: skip
    return Drawing(fig, table, f"{name} beside these runs on {standard.datasets_of(rows)}. {'; '.join(parts)}.", rows)
