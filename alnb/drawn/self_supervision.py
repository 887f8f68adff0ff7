"""The figures of thesis chapter 5, one function an artefact: rows in, a `figures.Drawing` out.

`results` is what `nb.run` gave: the race "pretraining" (SimSiam), and a race for each budget of a family, "few 1%" (a linear
head on frozen features, ten classes), "svm 1%", "scratch 1%", "many 1%" ..., and for each dataset and number of labels a
class, "features-10 x 4". What cannot be drawn is said, and None.
"""

from __future__ import annotations

import math

from alnb import figures, statistics
from alnb.drawn import standard
from alnb.figures import PALETTE, Drawing
from alnb.methods.self_supervision import both_ends, correlation, thresholds
from alnb.methods.simsiam import COLLAPSED, SIMSIAM

TRAININGS = {"": "linear head, pre-trained", "svm": "SVM, pre-trained", "scratch": "from scratch"}
SEEN = {"efficientnet-lite0": "ImageNet labels", "torchvision": "ImageNet labels", "given": "given features"}
LINES = {"": "-", "svm": ":", "scratch": "--"}
LEARNERS = ("entropy", "margin", "k_center", "vaal", "svm_min_margin")  # strategies that a threshold is asked of
NULL = "-null"  # the end of a world's name in which there is no structure to be found
PERCENT = "labels first, and a cycle, % of the pool"
NOTHING = "no runs at this profile"

# --- views ------------------------------------------------------------------------------------------------------------


def views_5(data, samples, policy) -> Drawing | None:
    """Fig. 1.6 with the chapter's own augmentations: a row a sample of the pool, a column a distortion alone, drawn as
    strong as it may come, then the two views that training pulls together. In words: mean difference of a pixel, 0 to 255."""
    import pandas
    import torch

    from alnb.learning import views
    from alnb.runs import torch_stream

    if data is None or not len(samples):
        return standard.left_out("pretraining", "the images are not here" if data is None else "no image is asked for")
    images = torch.from_numpy(data.train_images[list(samples)])
    drawn = views.draw(len(images), *images.shape[2:], policy, torch_stream(0, "views shown"))
    still = {name: torch.zeros_like(value) for name, value in drawn.items()}
    whole = torch.tensor([0, 0, *images.shape[2:]]).expand(len(images), 4)
    still |= {"box": whole, "order": drawn["order"], "factors": drawn["factors"], "sigma": drawn["sigma"]}
    every = torch.ones(len(images), dtype=torch.bool)
    shown = {"original": still, "crop": still | {"box": drawn["box"]}}
    shown |= {"flip": still | {"mirrored": every}} if policy.flip else {}
    shown |= {"colour": still | {"jittered": every}, "grey": still | {"grey": every}}
    shown |= {"blur": still | {"blurred": every}} if policy.blur_chance else {}
    for name in ("view 1", "view 2"):
        shown[name] = views.draw(len(images), *images.shape[2:], policy, torch_stream(0, name))
    pixels = {name: views.view(images, how) for name, how in shown.items()}
    fig, axes = figures.subplots(
        len(images), len(shown), figsize=(1.05 * len(shown), 1.05 * len(images) + 0.5), squeeze=False
    )
    rows, parts = [], []
    for line, sample in zip(range(len(images)), samples):
        for ax, (name, x) in zip(axes[line], pixels.items()):
            ax.imshow(x[line].permute(1, 2, 0).numpy(), interpolation="nearest", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            ax.set_title(name if line == 0 else "", fontsize=9)
            off = 255 * float((x[line] - pixels["original"][line]).abs().mean())
            rows.append({"dataset": data.name, "world": not data.info.real, "key": None, "sample": int(sample),
                         "view": name, "difference": off})  # fmt: skip
        far = ", ".join(f"{r['view']} {r['difference']:.0f}" for r in rows[-len(shown) + 1 :])
        parts.append(f"sample {sample}, {data.class_names[int(data.train_targets[sample])]}: {far}")
    table = pandas.DataFrame(rows)
    said = f"Augmented views of {data.name}, with their mean pixel difference to the original. {'; '.join(parts)}."
    return Drawing(fig, table, said, table)


# --- the pre-training, watched ----------------------------------------------------------------------------------------


def simsiam_5(results) -> Drawing | None:
    """Loss, k-NN accuracy and spread of the codes after each epoch: a line an arm, and a dataset where there are several. A
    spread of 0 is collapse; that of the plain arm's first seed, which heads stand on, is said in a line of its own."""
    rows = _race(results, "pretraining")
    rows = rows[rows["kind"] == "pretraining"] if len(rows) else rows
    if rows.empty:
        return standard.left_out("pretraining", NOTHING)
    if rows["dataset"].nunique() > 1:
        rows = rows.assign(method=rows["method"].astype(object) + ", " + rows["dataset"].astype(object))
    again = rows.drop_duplicates("key").groupby(["method", "seed"]).cumcount()  # one arm and seed on another pool
    more = rows["key"].map(dict(zip(rows.loc[again.index, "key"], again)))
    rows = rows.assign(method=rows["method"].where(more == 0, rows["method"].astype(object) + ", another pool"))
    panels = {"loss": "loss, eq. 5.1", "knn": "k-NN accuracy, %", "spread": "spread of the codes"}
    fig, axes = figures.subplots(1, 3, figsize=(10.2, 3.3))
    arms = list(rows["method"].unique())
    for ax, (column, name) in zip(axes, panels.items()):
        for place, arm in enumerate(arms):
            line = rows[rows["method"] == arm].groupby("epoch")[column].mean().dropna()
            style = {"color": PALETTE[place % len(PALETTE)], "ls": ("-", "--", ":")[place % 3]}
            ax.plot(line.index, line.values, lw=1.5, label=arm, **style)
        ax.set(xlabel="epoch", ylabel=name)
    axes[0].set_ylim(-1.05, 0.05)
    axes[2].set_ylim(0, max(1.1, float(rows["spread"].max()) * 1.05))
    axes[0].legend(fontsize=8, loc="upper right")
    ends = rows.sort_values("epoch").groupby("method", sort=False).last()
    first = rows[rows["epoch"] == 0].groupby("method")["knn"].mean()
    parts = [
        f"{arm}: after {ends.loc[arm, 'epoch']:.0f} epochs loss {ends.loc[arm, 'loss']:.2f}, k-NN "
        f"{first[arm]:.1f} to {ends.loc[arm, 'knn']:.1f} %, spread {ends.loc[arm, 'spread']:.2f}"
        + ", collapsed"
        * bool(ends.loc[arm, "spread"] < COLLAPSED)
        for arm in arms
    ]
    lost = _collapsed(rows)
    for words in lost:
        print(f"pretraining: {words}: heads on it see the same of every image")
    figures.note(fig, "k-NN uses every label, to watch: it chooses nothing. Spread: 1 over the sphere, 0 collapsed."
                      + f" Collapsed: {'; '.join(lost)}." * bool(lost))  # fmt: skip
    said = f"Lines against epochs of pre-training on {standard.datasets_of(rows)}. {'; '.join([*parts, *lost])}."
    return Drawing(fig, rows, said, rows)


def _collapsed(rows) -> list[str]:
    """The encoders of heads whose codes are one, in words."""
    plain = rows[rows["method"].str.partition(",")[0] == SIMSIAM]
    lost = []
    for (dataset, _), part in plain[plain["seed"] == plain["seed"].min()].groupby(["dataset", "key"], sort=False):
        end = part.sort_values("epoch")["spread"].iloc[-1]
        lost += [f"the encoder of the heads on {dataset} has collapsed, spread {end:.2f}"] * bool(end < COLLAPSED)
    return lost


# --- budgets ----------------------------------------------------------------------------------------------------------


def fig_5_3(results) -> Drawing | None:
    """Fig. 5.3: `_regimes` of ten classes."""
    return _regimes(results, "few")


def fig_5_4(results) -> Drawing | None:
    """Fig. 5.4: `_regimes` of many classes."""
    return _regimes(results, "many")


def _regimes(results, family: str) -> Drawing | None:
    """A panel a budget, test accuracy against labels: solid on frozen pre-trained features, dotted by an SVM on them, dashed
    from scratch; colour and marker say the strategy."""
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
    the cycles that both reached, paired by seed, against the budget."""
    import pandas

    tests = _family(results, family)
    if tests is None or not {"", "scratch"} <= set(tests["training"]):
        return standard.left_out(family, "no strategy ran both on frozen features and from scratch at this profile")
    found = []
    for percent, part in tests.groupby("percent"):
        if not {"", "scratch"} <= set(part["training"]):
            continue
        own = part.drop(columns="value")
        ends = both_ends(*(own[own["training"] == kind] for kind in ("", "scratch")))
        if ends is None:
            continue
        both = dict(zip(("", "scratch"), ends))
        for arm in [arm for arm in both[""]["method"].unique() if (both["scratch"]["method"] == arm).any()]:
            sides = [ends[ends["method"] == arm].assign(method=kind or "head") for kind, ends in both.items()]
            gap = statistics.paired(pandas.concat(sides).assign(race="both"), "head", "scratch")
            found.append({"percent": percent, "method": arm, "gain": gap.mean, "low": gap.low, "high": gap.high,
                          "seeds": gap.n})  # fmt: skip
    table = pandas.DataFrame(found)
    table = table[table["seeds"] > 0] if len(table) else table
    if table.empty:
        return standard.left_out(family, "no strategy finished both at one budget at this profile")
    arms = list(dict.fromkeys(table["method"]))
    look = figures.looks(arms)
    fig, ax = figures.subplots(figsize=(6.2, 3.6))
    for place, arm in enumerate(arms):
        _interval_line(
            ax, table[table["method"] == arm], "percent", look[arm] | {"label": arm}, place - (len(arms) - 1) / 2
        )
    ax.axhline(0, color="0.2", lw=0.8)
    ax.set(xlabel=PERCENT, ylabel="pre-trained less scratch, points of area")
    _log(ax, table["percent"])
    ax.legend(fontsize=8)
    most = int(table["seeds"].max())
    bars = "; bar: 95 % t interval" if most > 1 else ", so no interval"
    figures.note(fig, f"Paired by seed, {most} seed{'s' * (most > 1)}{bars}.")
    tests = tests[tests["percent"].isin(table["percent"]) & tests["training"].isin(("", "scratch"))]
    parts = [f"{r.percent:g} %, {r.method} {r.gain:+.1f}{_between(r)}" for r in table.itertuples()]
    about = "Area under the curve on frozen pre-trained features less that from scratch, points, on"
    said = f"{about} {standard.datasets_of(tests)}: {'; '.join(parts)}."
    return Drawing(fig, table, said, tests)


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
                      "there.")  # fmt: skip
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
        part = found[(found["method"] == arm) & (found["budget"] > 0) & found["budget"].map(math.isfinite)]
        if len(part) > 2:
            r, p = correlation(list(part["classes"]), list(part["budget"]))
            told.append(f"{arm}: r = {r:.2f} of {len(part)} crossings, p = {p:.2f}.")
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


def _race(results, race: str):
    return results[results["race"] == race] if len(results) else results


def _family(results, family: str):
    """Test rows of the races of a family, with `percent`, the budget, and `training`: "", "svm" or "scratch"; None where
    there are none."""
    import re

    form = re.compile(rf"{family}(?:_(svm|scratch))? ([\d.]+)%|(svm|scratch) ([\d.]+)%")
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
