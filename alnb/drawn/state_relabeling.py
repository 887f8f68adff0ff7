"""The figures and tables of SRAAL, one function an artefact: rows in, a `figures.Drawing` out.

`results` is what `nb.run` gave: the races "few" (ten classes), "many", "start" (ten classes, the first labels by algorithm 1) and
"caltech". What cannot be drawn is said, and None.
"""

from __future__ import annotations

from collections.abc import Sequence

from alnb import figures, statistics
from alnb.drawn import standard
from alnb.figures import PALETTE, Drawing
from alnb.methods.start_gain import starts
from alnb.methods.state_relabeling import deviation, entropy, indicator
from alnb.published import settings

LL4AL = f"ll4al{standard.RETRAINED}"  # what it asked, on the plain target: "evaluated by the same target model"
PRINTED = ("random", "k_center", "core_set", "bald", "vaal", LL4AL, "sraal")
ABLATIONS = (
    "sraal",
    "sraal(indicator='none')",
    "sraal(target_learner=False)",
    "sraal(indicator='none', target_learner=False)",
)
NAMES = {"sraal": "Ours", "sraal(indicator='entropy')": "Entropy", "sraal(indicator='deviation')": "SD"}  # as Table 1 prints
INDICATORS = tuple(NAMES)
RIVALS = ("random", "sraal", "sraal(indicator='permuted')", "indicator", "entropy", "vaal")
STARTS = {"few": "random initial labels", "start": "k-center initial labels"}
NOTHING = "no runs at this profile"
OFFSET = 1  # the cycle of Table 1's first column, 20 %, less one: selection begins with 15 %

# --- the indicator ------------------------------------------------------------------------------------------------------


def indicator_5() -> Drawing:
    """Eq. (3) over the probabilities of three classes, the two others of Table 1 beside it, and along paths of ten classes:
    the rest flat, or all in one class, with the counterexamples to the second property, and (4) as printed."""
    import numpy as np
    import pandas
    import torch

    steps = 40
    a, b = np.array([(i, j) for i in range(steps + 1) for j in range(steps + 1 - i)]).T / steps
    V = torch.tensor(np.stack([a, b, 1 - a - b], 1).clip(0))
    fig, axes = figures.subplots(1, 4, figsize=(12.4, 3.3), width_ratios=[1, 1, 1, 1.5])
    for ax, (name, score) in zip(axes, {"(3)": indicator, "entropy": entropy, "1 - SD": deviation}.items()):
        x, y = (b + (1 - a - b) / 2), (1 - a - b) * np.sqrt(3) / 2
        drawn = ax.tricontourf(x, y, score(V).clamp(0, 1).numpy(), levels=np.linspace(0, 1, 11), cmap="cividis")
        ax.set(xticks=[], yticks=[], aspect="equal", title=f"{name}, 3 classes")
        ax.grid(False)
        ax.spines[:].set_visible(False)
    fig.colorbar(drawn, ax=axes[:3], shrink=0.7, label="score")
    C, m = 10, np.linspace(0.1001, 1, 300)
    flat = np.concatenate([m[:, None], np.repeat((1 - m[:, None]) / (C - 1), C - 1, 1)], 1)
    high = m[m >= 0.5]
    two = np.concatenate([high[:, None], 1 - high[:, None], np.zeros((len(high), C - 2))], 1)
    paths = {
        "rest flat": (m, indicator(flat).numpy()),
        "rest in one class": (high, indicator(two).numpy()),
        "rest flat, (4) as printed": (m, indicator(flat, printed=True).numpy()),
    }
    ax, lines = axes[3], []
    for (name, (x, y)), colour, style in zip(paths.items(), (PALETTE[5], PALETTE[6], "0.5"), ("-", "-", ":")):
        ax.plot(x, y, color=colour, ls=style, lw=1.6, label=name)
        lines.append(pandas.DataFrame({"path": name, "max": x, "score": y}))
    points = {"(.5, .5, 0, ...)": [0.5, 0.5] + [0.0] * 8, "(.4, flat)": [0.4] + [0.6 / 9] * 9, "uniform": [0.1] * 10}
    marks = pandas.DataFrame(
        [{"path": name, "max": max(v), "score": float(indicator([v])[0])} for name, v in points.items()]
    )
    ax.plot(marks["max"], marks["score"], "o", color="black", ms=5)
    for (name, x, y), (right, up) in zip(
        marks[["path", "max", "score"]].itertuples(index=False), ((8, 3), (-88, -12), (8, 6))
    ):
        ax.annotate(f"{name}: {y:.3f}", (x, y), xytext=(right, up), textcoords="offset points", fontsize=8)
    ax.set(xlabel="max(V), 10 classes", ylabel="score", ylim=(-1, 1.12), xlim=(0, 1.02))
    ax.legend(fontsize=8, loc="lower right")
    figures.note(
        fig, "Bright: uncertain. A larger maximum can score more, so that the second property holds for one shape "
        "of the rest only; with (4) as printed scores fall below 0. At the uniform vector (3) is 0 / 0: declared."
    )  # fmt: skip
    said = "; ".join(f"{r.path} {r.score:.3f}" for r in marks.itertuples())
    least = float(indicator([points["(.4, flat)"]], printed=True)[0])
    data = pandas.concat([*lines, marks], ignore_index=True)
    alt = (
        f"Three simplices of three classes, scored by eq. (3), by entropy and by 1 less the standard deviation, and the score "
        f"against the largest of ten probabilities. Points: {said}. With (4) as printed (.4, flat) scores {least:.2f}."
    )
    return Drawing(fig, data, alt, pandas.DataFrame([{"dataset": "formulas", "world": False, "key": None}]))


def asked_5(results, race: str = "few") -> Drawing | None:
    """What each arm asks for: the mean indicator of its batches, and how many percent of them the target model has wrong, beside
    all candidates; mean over cycles and seeds."""
    rows = standard.of_kind(results, race, "asked")
    if rows is None:
        return standard.left_out(race, NOTHING)
    rows = rows[rows["cycle"] < statistics.horizon(standard.evaluations(results, race))]
    if rows.empty:
        return standard.left_out(race, "no arm has finished a cycle")
    table = rows.groupby("method")[["indicator", "indicator_pool", "wrong", "wrong_pool"]].mean()
    table = table.sort_values("indicator").reset_index()
    fig, axes = figures.subplots(1, 2, figsize=(9.2, 0.34 * len(table) + 1.4), sharey=True)
    for ax, column, name in zip(axes, ("indicator", "wrong"), ("mean indicator", "wrong before they were labelled, %")):
        colours = [figures.looks([arm])[arm]["color"] for arm in table["method"]]
        ax.barh(table["method"], table[column], color=colours, height=0.6)
        for width, colour in ((3.5, "white"), (1.5, "0.2")):  # an edge of white, so that it shows on a black bar
            ax.plot(table[f"{column}_pool"], table["method"], "|", color=colour, ms=14, mew=width, zorder=3)
        ax.set(xlabel=name)
    figures.note(fig, f"Batches; line: all candidates of that arm. Mean over the cycles and {figures.seeds(rows)}.")
    parts = [
        f"{r.method} {r.indicator:.2f} (candidates {r.indicator_pool:.2f}), wrong {r.wrong:.0f} % ({r.wrong_pool:.0f} %)"
        for r in table.itertuples()
    ]
    return Drawing(fig, table, f"Bars of what is asked on {standard.datasets_of(rows)}: {'; '.join(parts)}.", rows)


# --- the race -----------------------------------------------------------------------------------------------------------


def fig_3a(results) -> Drawing | None:
    """Fig. 3, left: ten classes."""
    return _printed(results, "few")


def fig_3b(results) -> Drawing | None:
    """Fig. 3, right: many classes."""
    return _printed(results, "many")


def fig_4(results) -> Drawing | None:
    """Fig. 4: Caltech-101, few images of a class, and not of each as many."""
    return _printed(results, "caltech")


def _printed(results, race: str) -> Drawing | None:
    """The arms that are printed; LL4AL's questions on the plain target, its own where these did not run."""
    there = ll4al(results, race)
    return standard.race(results, race, arms=[there.get(arm, arm) for arm in PRINTED])


def ll4al(results, race: str) -> dict[str, str]:
    """{LL4AL: the arm of that race that stands for it}: the plain target on what it asked, else its own target; {} without it.
    An arm with options stands for the plain one."""
    rows = standard.in_race(standard.models(results), race)
    arms = [arm for arm in dict.fromkeys(rows["method"]) if arm.startswith("ll4al")] if len(rows) else []
    again = [arm for arm in arms if arm.endswith(standard.RETRAINED)]
    return {LL4AL: (again or arms)[0]} if arms else {}


def joint_5(results) -> Drawing | None:
    """What LL4AL's joint loss does to the target (Random with it, and without), and what its questions are worth without."""
    race = next((race for race in ("few", "many") if ll4al(results, race)), None)
    if race is None:
        return standard.left_out("few, many", "LL4AL did not run at this profile")
    return standard.race(results, race, arms=("random", "random_joint", "ll4al", *ll4al(results, race).values()))


def on_one_target(results, race: str = "few") -> list[str]:
    """The arms to be ranked, all on the plain target: the study's own, and LL4AL by what it asked, where that ran."""
    own = list(dict.fromkeys(standard.chosen(results, race)["method"]))
    return [*own, *(arm for arm in ll4al(results, race).values() if arm.endswith(standard.RETRAINED))]


def fig_7(results) -> Drawing | None:
    """Fig. 7: SRAAL without its indicator, its target learner and both; many classes, or ten where these did not run."""
    race = _race_of(results, ABLATIONS)
    if race is None:
        return standard.left_out("many, few", "no ablation of SRAAL ran beside it at this profile")
    return standard.race(results, race, arms=("random", *ABLATIONS))


def rivals_5(results) -> Drawing | None:
    """SRAAL beside its placebo, and the rivals that play no game: the indicator alone, entropy; and VAAL, without it."""
    race = _race_of(results, [name for name in RIVALS if name not in ("random", "vaal")])
    if race is None:
        return standard.left_out("many, few", "no rival of SRAAL ran beside it at this profile")
    return standard.race(results, race, arms=RIVALS)


def _race_of(results, arms: Sequence[str]) -> str | None:
    """The race in which most of the arms ran, and two of them at least; many classes where both have as many."""
    there = {race: set(standard.evaluations(results, race)["method"]) & set(arms) for race in ("many", "few")}
    race = max(there, key=lambda race: len(there[race]))
    return race if len(there[race]) > 1 else None


# --- the first labels ---------------------------------------------------------------------------------------------------


def fig_6(results, arm: str = "sraal") -> Drawing | None:
    """Fig. 6: the mean and, dotted, the standard deviation over the seeds from either start, cycle 0 among them; the same
    seeds."""
    import pandas

    both = starts(results)
    pairs = both[both["method"] == arm]
    if pairs.empty:
        return standard.left_out("few, start", f"{arm} did not run from both starts at this profile")
    parts = [standard.evaluations(results, race).assign(start=name, race=race) for race, name in STARTS.items()]
    rows = pandas.concat(parts)
    rows = rows[(rows["method"] == arm) & rows["seed"].isin(pairs["seed"])]
    rows = rows[rows["cycle"] <= rows.groupby("race")["cycle"].max().min()]
    metric = statistics.metric_of(rows)
    spread = rows.groupby(["start", "labelled"])["value"].std().rename("deviation").reset_index().dropna()
    fig, axes = figures.subplots(1, 2 if len(spread) else 1, figsize=(9.4 if len(spread) else 6.4, 3.8), squeeze=False)
    figures.curves(
        rows, "labelled", "value", "start", ax=axes[0, 0], label=metric.label, low=metric.low, high=metric.high
    )
    look = figures.looks(list(STARTS.values()))
    for name, part in spread.groupby("start"):
        line = {"color": look[name]["color"], "marker": look[name]["marker"]}
        axes[0, 1].plot(part["labelled"], part["deviation"], ls=":", label=name, **line)
    if len(spread):
        axes[0, 1].set(xlabel="labelled", ylabel="standard deviation over the seeds", ylim=(0, None))
    gain = statistics.difference((pairs["start"] - pairs["few"]).tolist())
    told = f"Area with cycle 0, k-center less random, paired by seed: {gain.mean:+.2f}"
    told += f" ({gain.low:+.2f} to {gain.high:+.2f})." if gain.low == gain.low else "."
    deviations = pairs[["few", "start"]].std()
    if gain.n > 1:
        told += f" Deviation of the area: {deviations['few']:.2f} at random, {deviations['start']:.2f} by k-center."
    figures.note(
        fig,
        f"{arm}, {figures.seeds(rows)}. {told} With twenty seeds deviations are told apart that differ about twofold.",
    )
    said = figures.describe_curves(
        rows.assign(**{metric.label: rows["value"]}), "labelled", metric.label, "start", metric.unit
    )
    return Drawing(fig, rows, f"{said} {told}", rows)


# --- the indicators of Table 1 ------------------------------------------------------------------------------------------


def table_1(results, printed) -> Drawing | None:
    """Table 1: SRAAL with each indicator, all that is printed and what ran here, cycle by cycle (20 % is the second), and what
    its own indicator gains on each other, paired by seed with 95 % t intervals. printed: its rows of `published.published`. No
    difference between printed and ours is given: data, network and budgets are another's, unless this is the profile `paper`."""
    import pandas

    nan = float("nan")
    race = _race_of(results, INDICATORS)
    tests = standard.evaluations(results, race) if race else results[:0]
    others = [arm for arm in INDICATORS[1:] if len(tests) and arm in set(tests["method"])]
    if not others or "sraal" not in set(tests["method"]):
        return standard.left_out("many, few", "no other indicator ran beside SRAAL's at this profile")
    last = int(statistics.horizon(tests))
    if not last:
        return standard.left_out(race, "no arm has finished a cycle")
    wide = printed.assign(cycle=printed.groupby("method").cumcount() + 1 + OFFSET)
    shares = dict(zip(wide["cycle"], (settings(text)["share"] for text in wide["setting"])))
    wide = wide.pivot(index="cycle", columns="method", values="value")
    found = []
    for cycle in sorted({*range(1, last + 1), *wide.index}):
        now = tests[(tests["cycle"] == cycle) & (cycle <= last)]
        for arm in INDICATORS:
            here, gap = now[now["method"] == arm]["value"], None
            if arm in others and len(here):
                gap = statistics.paired(now, "sraal", arm, "value", resolution=0.0)
            known = cycle in wide.index
            found.append({
                "printed at": shares.get(cycle, ""), "indicator": NAMES[arm], "printed": wide.loc[cycle, arm] if known else nan,
                "labels": now["labelled"].iloc[0] if len(now) else nan, "here": here.mean(), "seeds": here.count() or nan,
                "printed gain": wide.loc[cycle, "sraal"] - wide.loc[cycle, arm] if known and arm != "sraal" else nan,
                "gain here": gap.mean if gap else nan, "low": gap.low if gap else nan, "high": gap.high if gap else nan,
            })  # fmt: skip
    table = pandas.DataFrame(found).astype({"labels": "Int64", "seeds": "Int64"})  # whole, and none where nothing ran
    rows = tests[tests["method"].isin(["sraal", *others])]
    fig = figures.table(table)
    figures.note(
        fig, f"Accuracy, %; gain: points by which SRAAL's own indicator is above, with its 95 % t interval; race {race}, on "
        f"{standard.datasets_of(rows)}. Printed: of no named dataset, shares of its pool.",
    )  # fmt: skip
    parts = []
    for r in found:
        at = f"{r['printed at']} printed {r['printed']:.1f}" if r["printed"] == r["printed"] else ""
        here = f"{r['labels']:.0f} labels here {r['here']:.1f}" if r["here"] == r["here"] else ""
        gain = f"gain {r['gain here']:+.2f}" if r["gain here"] == r["gain here"] else ""
        gain += f" ({r['low']:+.2f} to {r['high']:+.2f})" if r["low"] == r["low"] else ""
        parts.append(f"{r['indicator']}: {', '.join(filter(None, (at, here, gain)))}")
    return Drawing(fig, table, f"Table 1 beside these runs on {standard.datasets_of(rows)}. {'; '.join(parts)}.", rows)
