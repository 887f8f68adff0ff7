"""The figures of thesis chapter 5, one function an artefact: rows in, a `figures.Drawing` out.

`results` is what `nb.run` gave: the race "pretraining" (SimSiam), and a race for each budget of a family, "few 1%" (a linear
head on frozen features, ten classes), "svm 1%", "scratch 1%", "many 1%" ..., and for each dataset and number of labels a
class, "features-10 x 4". What cannot be drawn is said, and None.
"""

from __future__ import annotations

import itertools
import math

from alnb import figures, statistics
from alnb.drawn import standard
from alnb.figures import PALETTE, Drawing
from alnb.methods.pretraining_gain import both_ends
from alnb.methods.self_supervision import correlation, thresholds

TRAININGS = {
    "": "linear head, pre-trained", "svm": "SVM, pre-trained", "scratch": "from scratch", "fine_tuned": "fine-tuned, pre-trained",
    "untrained": "linear head, untrained", "second": "linear head, second encoder",
}  # fmt: skip
SEEN = {"efficientnet-lite0": "ImageNet labels", "torchvision": "ImageNet labels", "given": "given features"}
LINES = {"": "-", "svm": ":", "scratch": "--", "fine_tuned": "-.", "untrained": (0, (1, 4)), "second": (0, (8, 2, 2, 2))}
LEARNERS = ("entropy", "margin", "k_center", "vaal", "svm_min_margin")  # strategies that a threshold is asked of
NULL = "-null"  # the end of a world's name in which there is no structure to be found
PERCENT = "labels first, and a cycle, % of the pool"
NOTHING = "no runs at this profile"

# --- budgets ----------------------------------------------------------------------------------------------------------


def fig_5_3(results) -> Drawing | None:
    """Fig. 5.3: `_regimes` of ten classes."""
    return _regimes(results, "few")


def fig_5_4(results) -> Drawing | None:
    """Fig. 5.4: `_regimes` of many classes."""
    return _regimes(results, "many")


def fig_5_5(results) -> Drawing | None:
    """Fig. 5.5: `_regimes` of as many classes as Tiny ImageNet's."""
    return _regimes(results, "tiny")


def _regimes(results, family: str) -> Drawing | None:
    """A panel a budget, test accuracy against labels: solid on frozen pre-trained features, dotted by an SVM on them, dashed
    from scratch, other dashes for what else trained; colour and marker say the strategy."""
    tests = _family(results, family)
    if tests is None:
        return standard.left_out(family, NOTHING)
    budgets, arms = sorted(tests["percent"].unique()), list(dict.fromkeys(tests["method"]))
    look = figures.looks(arms)
    width = min(11.0, 2.6 + 2.4 * len(budgets))
    fig, axes = figures.subplots(1, len(budgets), figsize=(width, 3.9), sharey=True, squeeze=False)
    for ax, percent in zip(axes[0], budgets):
        part = tests[tests["percent"] == percent]
        for (kind, arm), line in part.groupby(["training", "method"], sort=False):
            line = line[line["cycle"] <= _last(part, kind)].groupby("labelled")["value"].mean()
            ax.plot(line.index, line.values, lw=1.3, ms=4, **look[arm] | {"linestyle": LINES[kind]})
        ax.set(xlabel="labels", title=f"{percent:g} %")
        ax.locator_params(axis="x", nbins=4)
    axes[0][0].set_ylabel("test accuracy, %")
    _legend(fig, arms, look, _trainings(tests))
    figures.note(fig, f"As many labels in each cycle as at first. Mean of {_seeds(tests)}.")
    return Drawing(fig, tests, _said(tests, budgets), tests)


def _trainings(tests) -> dict[str, str]:
    """TRAININGS that ran, in words: of a head on an encoder that is not SimSiam's, what that one has seen."""
    found = {}
    for kind in TRAININGS:
        networks = tests.loc[tests["training"] == kind, "network"]
        if len(networks):
            encoder = str(networks.iloc[0]).partition(" on ")[2].partition(",")[0].partition(":")[0]
            words = TRAININGS[kind]
            found[kind] = words.replace("pre-trained", SEEN[encoder]) if encoder in SEEN else words
    return found


def _last(part, kind: str) -> int:
    return int(statistics.horizon(part[part["training"] == kind]))


def _legend(fig, arms, look, trainings: dict[str, str]) -> None:
    from matplotlib.lines import Line2D

    marks = [Line2D([], [], **look[arm] | {"linestyle": "none"}, ms=5, label=arm) for arm in arms]
    marks += [Line2D([], [], color="0.3", ls=LINES[kind], label=name) for kind, name in trainings.items()]
    fig.legend(handles=marks, loc="outside right center", fontsize=8, frameon=False)


def _said(tests, budgets) -> str:
    parts, names = [], _trainings(tests)
    for percent in budgets:
        for kind, some in tests[tests["percent"] == percent].groupby("training", sort=False):
            some = some[some["cycle"] == _last(some, kind)]
            ends = some.groupby("method", sort=False)["value"].mean().sort_values(ascending=False)
            told = ", ".join(f"{arm} {value:.1f}" for arm, value in ends.items())
            parts.append(f"{percent:g} % a cycle, {names[kind]}, at {some['labelled'].iloc[0]} labels: {told}")
    about = f"Lines of test accuracy in % against labels on {standard.datasets_of(tests)}, mean of {_seeds(tests)}."
    return f"{about} {'; '.join(parts)}."


def gains_5(results, family: str = "few") -> Drawing | None:
    """What a strategy gains on Random, in points of area under the curve, against the budget: a panel a training, a line a
    strategy, bars 95 % t intervals, the second Random's shaded."""
    tests = _family(results, family)
    if tests is None:
        return standard.left_out(family, NOTHING)
    table = gains(tests, ["percent", "training"])
    if table.empty:
        return standard.left_out(family, "Random and another arm share no seed at this profile")
    names = _trainings(tests)
    kinds = [kind for kind in names if (table["training"] == kind).any()]
    arms = [arm for arm in dict.fromkeys(table["method"]) if arm not in statistics.BASELINES]
    look = figures.looks([*arms, "random_again"])
    fig, axes = figures.subplots(
        1, len(kinds), figsize=(2.4 + 2.9 * len(kinds), 3.8), sharex=True, sharey=True, squeeze=False
    )
    for ax, kind in zip(axes[0], kinds):
        part = table[table["training"] == kind]
        again = part[part["method"] == "random_again"]
        ax.fill_between(again["percent"], again["low"], again["high"], color=figures.GREY, alpha=0.18, lw=0)
        for place, arm in enumerate(arms):
            _interval_line(ax, part[part["method"] == arm], "percent", look[arm], place - (len(arms) - 1) / 2)
        ax.axhline(0, color="0.2", lw=0.8)
        ax.set(xlabel=PERCENT, title=names[kind])
        _log(ax, table["percent"])
    axes[0][0].set_ylabel("gain on Random, points of area")
    _legend(fig, arms, look, {})
    figures.note(fig, f"Paired by seed, {_seeds(tests)}; bar: 95 % t interval; shaded: a second Random's.")
    parts = [
        f"{names[r.training]}, {r.percent:g} %, {r.method} {r.gain:+.2f}{_between(r)}" for r in table.itertuples()
    ]
    said = f"Gain on Random in area under the curve, points, on {standard.datasets_of(tests)}: {'; '.join(parts)}."
    return Drawing(fig, table, said, tests)


def pretraining_gain_5(results, family: str = "few") -> Drawing | None:
    """What pre-training gains: the area under the curve on frozen features less that of the same strategy from scratch, over
    the cycles that both reached, paired by seed, against the budget; beside it, where they ran, the same of a second encoder, of
    the network fine-tuned end to end, and of a head on an untrained one: a panel each."""
    tests = _family(results, family)
    kinds = [kind for kind in ("", "second", "fine_tuned", "untrained") if tests is not None and (tests["training"] == kind).any()]
    if not kinds or not (tests["training"] == "scratch").any():
        return standard.left_out(family, "no strategy ran both on frozen features and from scratch at this profile")
    table = _less_scratch(tests, kinds)
    if table.empty:
        return standard.left_out(family, "no strategy finished both at one budget at this profile")
    names = _trainings(tests)
    kinds = [kind for kind in kinds if (table["training"] == kind).any()]
    arms = list(dict.fromkeys(table["method"]))
    look = figures.looks(arms)
    fig, axes = figures.subplots(1, len(kinds), figsize=(3.2 + 2.6 * len(kinds), 3.6), sharex=True, sharey=True, squeeze=False)
    for ax, kind in zip(axes[0], kinds):
        part = table[table["training"] == kind]
        for place, arm in enumerate(arms):
            style = look[arm] | {"label": arm}
            _interval_line(ax, part[part["method"] == arm], "percent", style, place - (len(arms) - 1) / 2)
        ax.axhline(0, color="0.2", lw=0.8)
        ax.set(xlabel=PERCENT, title=names[kind])
        _log(ax, table["percent"])
    axes[0][0].set_ylabel("less from scratch, points of area")
    axes[0][0].legend(fontsize=8)
    most = int(table["seeds"].max())
    bars = "; bar: 95 % t interval" if most > 1 else ", so no interval"
    figures.note(fig, f"Paired by seed, {most} seed{'s' * (most > 1)}{bars}.")
    tests = tests[tests["percent"].isin(table["percent"]) & tests["training"].isin([*kinds, "scratch"])]
    parts = [f"{names[r.training]}, {r.percent:g} %, {r.method} {r.gain:+.1f}{_between(r)}" for r in table.itertuples()]
    about = "Area under the curve less that of the same strategy from scratch, points, on"
    return Drawing(fig, table, f"{about} {standard.datasets_of(tests)}: {'; '.join(parts)}.", tests)


def _less_scratch(tests, kinds):
    """Rows of training, percent, method, gain, low, high, seeds: each of `kinds` against "scratch", over the cycles of both."""
    import pandas

    found = []
    for kind, (percent, part) in itertools.product(kinds, list(tests.groupby("percent"))):
        if not {kind, "scratch"} <= set(part["training"]):
            continue
        own = part.drop(columns="value")
        ends = both_ends(*(own[own["training"] == side] for side in (kind, "scratch")))
        if ends is None:
            continue
        for arm in [arm for arm in ends[0]["method"].unique() if (ends[1]["method"] == arm).any()]:
            sides = [each[each["method"] == arm].assign(method=name) for each, name in zip(ends, ("own", "scratch"))]
            gap = statistics.paired(pandas.concat(sides).assign(race="both"), "own", "scratch")
            if gap.n:
                found.append({"training": kind, "percent": percent, "method": arm, "gain": gap.mean, "low": gap.low,
                              "high": gap.high, "seeds": gap.n})  # fmt: skip
    return pandas.DataFrame(found)


def table_5_1(results, printed) -> Drawing | None:
    """Table 5.1: each strategy's accuracy at the most labels that its training ran with (column `labels`: a training that
    ran with fewer stands there with fewer), pre-trained and from scratch, beside the printed one. No difference to these is
    given: data, network and budgets are another's, unless this is the profile `paper`."""
    import pandas

    from alnb import published

    parts, used = [], []
    for family, dataset in (("few", "cifar-10"), ("many", "cifar-100")):
        tests = _family(results, family)
        if tests is None:
            continue
        names = _trainings(tests)
        for kind in names:
            part = tests[tests["training"] == kind]
            part = part[part["percent"] == part["percent"].max()]
            part = part[part["cycle"] == _last(part, kind)]
            used.append(part)
            there = printed[(printed["dataset"] == dataset) & (printed["metric"] == "accuracy")]
            wanted = {"": "pre-trained"}.get(kind, kind)
            there = there[[published.settings(text)["training"] == wanted for text in there["setting"]]]
            by = dict(zip(there["method"], there["value"]))
            for arm, values in part.groupby("method", sort=False)["value"]:
                parts.append({"printed for": dataset, "ran on": part["dataset"].iloc[0], "training": names[kind],
                              "arm": arm, "printed": by.get(arm.partition("(")[0], float("nan")), "ours": values.mean(),
                              "sd": values.std(), "labels": int(part["labelled"].iloc[0]), "seeds": len(values)})  # fmt: skip
    if not parts:
        return standard.left_out("few, many", NOTHING)
    table, rows = pandas.DataFrame(parts), pandas.concat(used)
    fig = figures.table(table, decimals=1)
    figures.note(fig, "Accuracy, %. Printed: 25,000 labels of CIFAR. ours: mean of the seeds, sd their deviation.")
    said = "; ".join(
        f"{r['arm']}, {r['training']}, on {r['ran on']}, {r['labels']:,} labels: {r['ours']:.1f}"
        + (f", printed {r['printed']:.1f} for {r['printed for']}" if r["printed"] == r["printed"] else "")
        for r in parts
    )
    return Drawing(fig, table, f"Table 5.1 beside these runs, accuracy in %. {said}.", rows)


# --- from which budget on ---------------------------------------------------------------------------------------------


def fig_5_6(results) -> Drawing | None:
    """Fig. 5.6: left, the gain of one strategy on Random against labels a class, a line a dataset; right, where it crosses 0
    (methods.self_supervision.crossing) against the number of classes, for each strategy; bars: where the ends of the gains'
    intervals cross, none with one seed; hollow: a null world. A point outside the shade: no crossing within the budgets that
    ran."""
    rows = _by_class(results)
    if rows is None:
        return standard.left_out("classes", NOTHING)
    table = gains(rows, ["dataset", "classes", "per_class"])
    table = table[table["method"].str.partition("(")[0].isin(LEARNERS)] if len(table) else table
    found = thresholds(table) if len(table) else table
    if not len(found):
        return standard.left_out("classes", "no strategy has two budgets beside Random's at this profile")
    arms = list(dict.fromkeys(found["method"]))
    look, shown = figures.looks(arms), arms[0]
    least, most = table["per_class"].min(), table["per_class"].max()
    fig, (left, right) = figures.subplots(1, 2, figsize=(10.2, 3.9))
    for place, (name, part) in enumerate(table[table["method"] == shown].groupby("dataset", sort=False)):
        null = name.endswith(NULL)
        line = {"color": PALETTE[(1 + place) % len(PALETTE)], "marker": "o", "label": name, "ls": ":" if null else "-"}
        _interval_line(left, part, "per_class", line, place)
    left.axhline(0, color="0.2", lw=0.8)
    left.set(xlabel="labels a class, first and a cycle", ylabel=f"{shown}: gain on Random, points of area")
    _log(left, table["per_class"])
    left.legend(fontsize=8)
    for place, arm in enumerate(arms):
        for null, part in found[found["method"] == arm].groupby(found["dataset"].str.endswith(NULL)):
            x = part["classes"] * (1 + 0.05 * (place - (len(arms) - 1) / 2)) * (1.3 if null else 1)
            y = part["budget"].clip(least / 1.6, most * 1.6)
            low, high = (part[end].fillna(part["budget"]).clip(least / 1.6, most * 1.6) for end in ("low", "high"))
            filled = {"label": f"{arm}, null world", "markerfacecolor": "none"} if null else {"label": arm}
            right.errorbar(x, y, yerr=[y - low.clip(upper=y), high.clip(lower=y) - y], capsize=3, ms=6, lw=1,
                           **look[arm] | {"linestyle": "none"} | filled)  # fmt: skip
    right.axhspan(least, most, color=figures.GREY, alpha=0.10, lw=0)
    right.set(
        yscale="log", xlabel="classes", ylabel="labels a class from which on it gains", ylim=(least / 2, most * 2)
    )
    _log(right, found["classes"])
    _ticks(right, sorted(table["per_class"].unique()), "y")
    right.legend(fontsize=8)
    bars = "no bars, one seed has no interval" if found["low"].isna().all() else "bars from 95 % t intervals"
    figures.note(fig, f"Paired by seed, {figures.seeds(rows)}; {bars}. Shaded: budgets that ran; a point outside: no crossing "
                      f"there. {' '.join(_correlations(found, arms))}")  # fmt: skip
    told = [f"{r.method}, {r.dataset}, {r.classes} classes: {_where(r.budget, least, most)}"
            + ("" if math.isnan(r.low) else f", {_where(r.low, least, most)} to {_where(r.high, least, most)}")
            for r in found.itertuples()]  # fmt: skip
    said = (
        f"Left: gain of {shown} on Random against labels a class. Right: labels a class from which on a strategy gains, and "
        f"its interval, on {standard.datasets_of(rows)}: {'; '.join(told)}. {' '.join(_correlations(found, arms))}"
    )
    return Drawing(fig, found, said.strip(), rows)


def _correlations(found, arms) -> list[str]:
    """Of classes and thresholds, null worlds left out, where at least three lie within the budgets; the thesis prints
    r = 0.99, of three."""
    told, found = [], found[~found["dataset"].str.endswith(NULL)]
    for arm in arms:
        own = found[found["method"] == arm]
        part = own[(own["budget"] > 0) & own["budget"].map(math.isfinite)]
        if len(part) > 2:
            r, p = correlation(list(part["classes"]), list(part["budget"]))
            left = f" ({len(own) - len(part)} outside of the budgets left out)" * (len(own) > len(part))
            told.append(f"{arm}: r = {r:.2f} of {len(part)} crossings{left}, p = {p:.2f}.")
    return told or ["Fewer than three crossings lie within the budgets, so no correlation."]


def _where(budget: float, least, most) -> str:
    return f"under {least}" if budget == 0 else f"over {most}" if math.isinf(budget) else f"{budget:.1f}"


# --- rows -------------------------------------------------------------------------------------------------------------


def gains(tests, by):
    """Rows of `by`, method, gain, low, high, seeds: the paired difference of the area with Random's, of rows that stand in
    one race for each value of `by`."""
    import pandas

    found = []
    for place, part in tests.groupby(by, sort=False):
        ends = _ends(part)
        if not (ends["method"] == "random").any():
            continue
        for arm in [arm for arm in ends["method"].unique() if arm != "random"]:
            gap = statistics.paired(ends, arm, "random")
            if gap.n:
                found.append(dict(zip(by, place)) | {"method": arm, "gain": gap.mean, "low": gap.low, "high": gap.high,
                                                    "seeds": gap.n})  # fmt: skip
    return pandas.DataFrame(found, columns=[*by, "method", "gain", "low", "high", "seeds"])


def _ends(part):
    return statistics.endpoint(part.drop(columns="value"))


def _family(results, family: str):
    """Test rows of the races of a family, with `percent`, the budget, and `training`, of TRAININGS; None where there are
    none."""
    import re

    kinds = "|".join(filter(None, TRAININGS))
    form = re.compile(rf"{family}(?:_({kinds}))? ([\d.]+)%|({kinds}) ([\d.]+)%")
    own = {}
    for race in dict.fromkeys(results["race"]) if len(results) else ():
        found = form.fullmatch(race)
        if found and (found[2] or family == "few"):
            own[race] = (found[1] or found[3] or "", float(found[2] or found[4]))
    rows = _tests(results, own)
    if rows is None:
        return None
    return rows.assign(training=[own[r][0] for r in rows["race"]], percent=[own[r][1] for r in rows["race"]])


def _by_class(results):
    """Test rows of the races by labels a class, with `per_class` and `classes`."""
    import re

    form, own = re.compile(r"(.+) x (\d+)"), {}
    for race in dict.fromkeys(results["race"]) if len(results) else ():
        if found := form.fullmatch(race):
            own[race] = int(found[2])
    rows = _tests(results, own)
    if rows is None:
        return None
    from alnb import datasets

    classes = {name: datasets.info(name).classes for name in rows["dataset"].unique()}
    return rows.assign(per_class=rows["race"].map(own), classes=rows["dataset"].map(classes))


def _tests(results, own):
    rows = standard.models(results)
    rows = rows[rows["race"].isin(own) & (rows["kind"] == "test")] if own else rows[:0]
    return statistics.test_rows(rows) if len(rows) else None


def _interval_line(ax, part, x: str, look, place: float) -> None:
    """A line with its intervals, moved sideways by its place so that bars do not hide each other."""
    part = part.sort_values(x)
    at, low, high = part[x] * 1.03**place, part["low"].fillna(part["gain"]), part["high"].fillna(part["gain"])
    ax.errorbar(at, part["gain"], yerr=[part["gain"] - low, high - part["gain"]], capsize=2, lw=1.3, ms=5, **look)


def _log(ax, values) -> None:
    """A logarithmic x axis with a tick for each of the values, and room beside them."""
    ax.set(xscale="log", xlim=(min(values) / 1.4, max(values) * 1.4))
    _ticks(ax, sorted(set(values)))


def _ticks(ax, values, axis: str = "x") -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    line = ax.xaxis if axis == "x" else ax.yaxis
    line.set_major_locator(FixedLocator(values))
    line.set_major_formatter(FixedFormatter([f"{value:g}" for value in values]))
    line.set_minor_locator(NullLocator())


def _seeds(tests) -> str:
    """Of a family: which arms, and which trainings, ran on fewer."""
    arms, trainings = tests["method"], tests["training"].map(_trainings(tests))
    few = tests.groupby("training")["seed"].nunique().nunique() > 1
    return figures.seeds(tests.assign(method=trainings if few else arms))


def _between(row) -> str:
    return f" ({row.low:+.2f} to {row.high:+.2f})" if row.low == row.low else ""
