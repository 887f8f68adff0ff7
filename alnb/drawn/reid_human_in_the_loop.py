"""The artefacts of DRAL: rows in, a drawing out (see alnb.figures); its tables are in `reid_tables`. What every paper has is in
`alnb.drawn.standard`."""

from __future__ import annotations

from collections.abc import Sequence

from alnb import figures, statistics
from alnb.drawn import standard
from alnb.drawn.reid_tables import AGENT, NOTHING, evaluated, mean_of, priced, questions_of
from alnb.figures import Drawing
from alnb.intervals import difference
from alnb.methods.dral_runs import WHOLE, beside
from alnb.methods.reid_human_in_the_loop import reciprocal, similarity, updated
from alnb.tasks.pair_answers import PARTS, part_of

BESIDE = 0.12  # iterations from rank 1's error bar to mAP's
SEVERAL = 3  # seeds from which on an interval is drawn: of two it is wider than the figure

# --- the data ---------------------------------------------------------------------------------------------------------------------


def data(race, pool, people: int = 4, each: int = 8) -> Drawing | None:
    """Boxes of `people` identities, a row each, siblings first where a world has some. pool: datasets.reid.ReID, None where it
    is missing; race: its parameters."""
    import pandas

    if pool is None:
        return None
    boxes, names = pool.train, pool.train.ids.unique().tolist()
    counts = {one: int((boxes.ids == one).sum()) for one in names if one > 0}
    groups = _siblings(pool, [one for one in counts if counts[one] > 1])
    chosen = [one for group in sorted(groups, key=len, reverse=True) for one in group][:people]
    fig, axes = figures.subplots(len(chosen), each, figsize=(0.62 * each + 0.9, 1.2 * len(chosen)), squeeze=False)
    for line, one in zip(axes, chosen):
        own = (boxes.ids == one).nonzero()[:, 0]
        shown = own[[int(i * len(own) / each) for i in range(min(each, len(own)))]]
        for ax in line:
            ax.axis("off")
        for ax, box in zip(line, shown.tolist()):
            ax.imshow(boxes.images[box].permute(1, 2, 0).numpy())
            ax.set_title(f"c{int(boxes.cameras[box]) + 1}", fontsize=7, pad=2)
        line[0].text(-0.25, 0.5, one, transform=line[0].transAxes, ha="right", va="center", fontsize=8)
    counted = pandas.DataFrame({"identity": list(counts), "boxes": list(counts.values())}).assign(
        dataset=pool.name, world=not pool.real, key=None
    )
    several = [len(boxes.cameras[boxes.ids == one].unique()) for one in counts]
    alike = [", ".join(map(str, own)) for group in groups if len(own := [one for one in group if one in chosen]) > 1]
    alike = f"Siblings: {'; '.join(alike)}. " * bool(alike)
    figures.note(fig, f"A row a person, c its camera. {alike}Would you tell all rows apart?")
    said = (
        f"Boxes of {len(chosen)} people of {pool.name}, a row each. {alike}"
        f"The pool holds {len(boxes)} boxes of {len(counts)} people, {sum(counts.values()) / len(counts):.1f} each, "
        f"by {sum(several) / len(several):.1f} of {len(boxes.cameras.unique())} cameras."
    )
    return Drawing(fig, counted, said, counted[["dataset", "world", "key"]])


def _siblings(pool, people: Sequence[int]) -> list[list[int]]:
    """The people in groups who wear the same and differ in details, as a world knows; of real data each is one of their own."""
    from alnb.worlds import pedestrians

    preset, groups = pedestrians.PRESETS.get(pool.name), {}
    known = None if preset is None else pedestrians.siblings(preset)[:, 0].tolist()
    for one in people:
        groups.setdefault(one if known is None else known[one], []).append(one)
    return list(groups.values())


# --- the state --------------------------------------------------------------------------------------------------------------------

EXAMPLE = (  # distances of q, g1 ... g5; g2 and g3 are alike, so are g4 and g5
    (0.0, 2.0, 3.0, 3.5, 6.0, 7.0),
    (2.0, 0.0, 4.0, 4.5, 7.0, 8.0),
    (3.0, 4.0, 0.0, 1.0, 8.0, 9.0),
    (3.5, 4.5, 1.0, 0.0, 7.5, 8.5),
    (6.0, 7.0, 8.0, 7.5, 0.0, 1.5),
    (7.0, 8.0, 9.0, 8.5, 1.5, 0.0),
)
ASKED, KAPPA, THRED = 2, 3, 0.4


def fig_3() -> Drawing:
    """Fig. 3: Sim of a query and five candidates, then after the human has said yes, and after no, to g2; what the agent
    observes, the reciprocal neighbours, on yellow. thred as in the paper, kappa 3."""
    import pandas
    import torch

    sim = similarity(torch.tensor(EXAMPLE))
    left = torch.tensor([k not in (0, ASKED) for k in range(len(sim))])
    after = {word: updated(sim, ASKED, same, left, THRED) for word, same in (("yes", True), ("no", False))}
    panels = {"before": sim, f"g{ASKED} is the same person": after["yes"], f"g{ASKED} is somebody else": after["no"]}
    names = ["q", *(f"g{k}" for k in range(1, len(sim)))]
    fig, axes = figures.subplots(1, 3, figsize=(10.2, 3.3))
    rows, said = [], []
    for ax, (name, values) in zip(axes, panels.items()):
        seen = reciprocal(values, KAPPA)
        ax.imshow(seen.numpy(), cmap="YlOrBr", vmin=0, vmax=4)
        for i, j in torch.cartesian_prod(torch.arange(len(sim)), torch.arange(len(sim))).tolist():
            moved = bool(values[i, j] != sim[i, j])
            ax.text(
                j, i, f"{values[i, j]:.2f}", ha="center", va="center", fontsize=8, weight="bold" if moved else "normal"
            )
            rows.append(
                {
                    "panel": name,
                    "row": names[i],
                    "column": names[j],
                    "sim": float(values[i, j]),
                    "seen": bool(seen[i, j]),
                }
            )
        ax.set(title=name, xticks=range(len(sim)), yticks=range(len(sim)), xticklabels=names, yticklabels=names)
        ax.set_xlabel(" ", fontsize=5)  # square panels leave the note no room
        ax.grid(False)
        ax.tick_params(length=0)
        own = ", ".join(
            f"{n} {v:.2f}" + " (seen)" * bool(s) for n, v, s in zip(names[1:], values[0, 1:].tolist(), seen[0, 1:])
        )
        said.append(f"{name}: {own}")
    figures.note(
        fig, f"Bold: what the answer has changed (eq. 6-8). Yellow: what the agent observes, kappa {KAPPA} (eq. 5)."
    )
    return Drawing(fig, pandas.DataFrame(rows), f"Three matrices of Sim; the query's row {'; '.join(said)}.")


# --- accuracy ---------------------------------------------------------------------------------------------------------------------


def fig_4(results, race: str) -> Drawing | None:
    """Fig. 4: rank 1 (line) and mAP (bars) of DRAL after each iteration, a block of queries and a fine-tuning; mean over the
    seeds. Iteration 0: the source model."""
    rows = evaluated(results, race, AGENT)
    if rows is None:
        return standard.left_out(race, f"{AGENT} did not run at this profile")
    means = rows.groupby("cycle")[["mAP", "rank 1"]].mean()
    fig, ax = figures.subplots(figsize=(5.2, 3.4))
    several, spread = rows["seed"].nunique() > 1, rows.groupby("cycle")[["mAP", "rank 1"]].std()
    bars = ax.bar(means.index, means["mAP"], width=0.5, color="#a9d18e", label="mAP")
    for bar, value in zip(bars, means["mAP"]):  # at its foot: the line may cross it anywhere else
        ax.annotate(f"{value:.1f}", (bar.get_x() + bar.get_width() / 2, 0), (0, 4), textcoords="offset points", ha="center",
                    fontsize=8, weight="bold")  # fmt: skip
    ax.plot(means.index, means["rank 1"], color="0.45", marker="o", label="rank 1")
    falls = means["rank 1"].diff() < 0
    for cycle, value in means["rank 1"].items():  # left of the error bars, and on the other side of the line that comes from there
        ax.annotate(f"{value:.1f}", (cycle, value), (-5, -4 if falls[cycle] else 4), textcoords="offset points", ha="right",
                    va="top" if falls[cycle] else "bottom", fontsize=8, color="0.25")  # fmt: skip
    if several:
        for x, metric, colour in ((means.index, "rank 1", "0.3"), (means.index + BESIDE, "mAP", "#2e6b10")):
            ax.errorbar(x, means[metric], yerr=spread[metric], fmt="none", ecolor=colour, capsize=2, lw=1.2)
    top = 1.25 * float((means + spread.fillna(0)).to_numpy().max())  # room for the numbers and the legend
    ax.set(xlabel="iteration", ylabel="%", xticks=means.index, ylim=(0, top or 1))
    ax.legend(fontsize=8, loc="upper left")
    k = questions_of(rows)
    bars = " Error bars, grey of rank 1 and green of mAP: one standard deviation." * several
    figures.note(fig, f"{figures.seeds(rows)}; {k} questions a query.{bars}")
    parts = [f"{int(c)}: rank 1 {r['rank 1']:.1f}, mAP {r['mAP']:.1f}" for c, r in means.iterrows()]
    about = f"Rank 1 and mAP in per cent of DRAL on {standard.datasets_of(rows)} by iteration, {mean_of(rows)}"
    said = f"{about}. {'; '.join(parts)}."
    return Drawing(fig, rows, said, rows)


def cost(results, race: str, metric: str = "mAP", updates: int = 0) -> Drawing | None:
    """The metric against the answers given: the arms at the race's K_max, DRAL also at the others; dashed, what the source
    model has and what all labels reach. updates: of a fine-tuning, for the note; 0: not said."""
    import pandas

    own = evaluated(results, race)
    if own is None:
        return standard.left_out(race, NOTHING)
    arms = own[own["method"] != statistics.CEILING]
    parts, agent, tuned = [arms], evaluated(results, race, AGENT), []
    for name in priced(results, race):
        if (rows := evaluated(results, name, AGENT)) is not None:
            parts.append(rows.assign(method=f"{AGENT}, K = {questions_of(rows)}"))
            tuned += [] if agent is None else [_tuned(parts[-1], agent)]
    rows, x, y = pandas.concat(parts), "answers", f"test {metric}, %"
    rows = rows.assign(**{x: rows["labelled"], y: rows[metric]})
    fig = figures.curves(rows, x, y, "method", low=0, high=100, beside=statistics.baseline_of(rows) or "")
    behind = {"source model": rows[rows["cycle"] == 0].drop_duplicates("seed")}
    full = own[own["method"] == statistics.CEILING]
    if len(full):
        behind["all labels"] = full
    whole = evaluated(results, beside(race, WHOLE), statistics.BASELINES[0])
    if whole is not None:
        last = whole[whole["cycle"] == whole["cycle"].max()]
        behind[f"random, whole boxes ({int(last['labelled'].max()):,} pairs)"] = last
    levels = {word: some[metric].mean() for word, some in behind.items()}
    for word, level in levels.items():
        fig.axes[0].axhline(level, color="0.5", ls="--", lw=0.9)
        fig.axes[0].annotate(word, (1, level), (-2, 3), xycoords=("axes fraction", "data"), textcoords="offset points",
                             ha="right", fontsize=8, color="0.4")  # fmt: skip
    share = own.loc[own["method"] != statistics.CEILING, "share"].max()
    dashed = "; ".join(f"{word.partition(' (')[0]}, {figures.seeds(some, 'dataset')}" for word, some in behind.items())
    each = f" of {updates} updates" * bool(updates)
    often = f" A block of queries ends with a fine-tuning{each}: {'; '.join(tuned)}." * bool(tuned)
    most = f" The most answers are {share:.2g} % of all pairs."
    figures.note(fig, f"{standard.means(rows)} Dashed, means: {dashed}.{most}{often}")
    said = figures.describe_curves(rows, x, y, "method") + "".join(f" {word}: {v:.1f}." for word, v in levels.items())
    return Drawing(fig, rows, said, own)


def _tuned(fewer, agent) -> str:
    """How often the agent of fewer questions a query was fine-tuned by its last answers, and the other by as many at most."""
    last = fewer.loc[fewer["cycle"].idxmax()]
    before = agent[agent["labelled"] <= last["labelled"]]
    other = before.loc[before["cycle"].idxmax()]
    times = lambda row: f"{int(row['cycle'])} by {int(row['labelled']):,} answers"
    return f"{last['method']} has had {times(last)}, {other['method']} {times(other)}"


# --- the agent --------------------------------------------------------------------------------------------------------------------


def rewards(results, race: str, arms: Sequence[str] | None = None) -> Drawing | None:
    """The reward (eq. 9) of a question, and how often the answer is yes, over the run: an agent that learns should leave those
    behind that do not. Means of a fifth of a block; dashed, where the network is fine-tuned and distances are new. In words, the
    share of the yes that is across cameras, which is what a network has to learn."""
    rows = standard.chosen(results, race, arms)
    rows = rows[rows["kind"] == "query"] if len(rows) else rows
    if not len(rows):
        return standard.left_out(race, NOTHING)
    told, k = _told(rows)
    own = told.groupby([rows["key"], rows["cycle"]])
    block = int(own.sum().iloc[0])
    part = part_of(own.cumsum() - told, own.transform("sum")) + PARTS * (rows["cycle"] - rows["cycle"].min()).astype(int)
    x, panels = (
        "questions asked",
        {"reward of a question": rows["reward"], "answers yes, %": 100 * rows["positives"] / k},
    )
    fig, axes = figures.subplots(1, 2, figsize=(10.4, 3.9))
    counts = {name: rows[name] * told for name in ("positives", "cross_camera")}
    rows, said = rows.assign(part=part, **panels, **counts), []
    ends = {**{name: "mean" for name in panels}, "positives": "sum", "cross_camera": "sum", "reward": "mean"}
    means = rows.groupby(["dataset", "method", "seed", "key", "part"], sort=False).agg(ends).reset_index()
    means[x] = ((means["part"] + 1) * block / PARTS * k.iloc[0]).round().astype(int)
    for ax, y in zip(axes, panels):
        figures.curves(means, x, y, "method", ax=ax, low=0)
        for number in range(1, rows["cycle"].nunique()):
            ax.axvline(number * block * k.iloc[0], color="0.3", lw=1.1, ls=(0, (4, 3)), zorder=0)
        whole = (rows[y] * told).groupby(rows["method"]).sum() / told.groupby(rows["method"]).sum()
        whole = whole.sort_values(ascending=False)
        said.append(
            f"{y}, over the whole run: "
            + ", ".join(f"{arm} {v:.3f}" if v < 1 else f"{arm} {v:.1f}" for arm, v in whole.items())
        )
    means["yes across cameras, %"] = 100 * means["cross_camera"] / means["positives"].where(means["positives"] > 0)
    sums = rows.groupby("method", sort=False)[["cross_camera", "positives"]].sum().query("positives > 0")
    across = ", ".join(f"{arm} {100 * one.cross_camera / one.positives:.0f}" for arm, one in sums.iterrows())
    across = f"share of the yes that is across cameras, %: {across}" if across else "nothing was answered yes"
    said.append(across)
    figures.beside_axes(fig, list(rows["method"].unique()))
    dashed = "Dashed: the network is fine-tuned, and distances are new."
    figures.note(fig, f"{standard.means(means)} {dashed} {across[0].upper()}{across[1:]}.")
    about = f"Lines against questions asked, to {means[x].max()}, on {standard.datasets_of(rows)}, {mean_of(rows)}. "
    return Drawing(fig, means, about + "; ".join(said) + ".", rows)


def _told(rows):
    """Of how many queries a row of kind "query" tells, and how many questions each of these had: a kept row is a mean
    (`pair_answers.kept`)."""
    one, each = rows["reward"] * 0 + 1, rows.get("answers", rows["reward"]).astype(str).str.len()
    if "queries" in rows:
        one, each = rows["queries"].fillna(one), rows["questions"].where(rows["queries"].notna(), each)
    return one.astype(int), each


def ceiling(results, race: str, metric: str = "mAP") -> Drawing | None:
    """What an arm's questions brought, the mean reward (eq. 9), and what the network had of them, the metric in the end; both
    less Random's of the same seed. Whether the reward can carry the claim at all: the arm that gets the most of it should
    end highest."""
    import pandas

    rows, tests, base = standard.chosen(results, race), evaluated(results, race), statistics.BASELINES[0]
    asked = rows[rows["kind"] == "query"] if len(rows) else rows
    arms = [] if not len(asked) or tests is None else [arm for arm in asked["method"].unique() if arm != base]
    if not arms or not (asked["method"] == base).any():
        return standard.left_out(race, f"no arm stands beside {base}")
    last = tests[tests["cycle"] == tests["cycle"].max()]
    ends = asked.groupby(["method", "seed"])["reward"].mean().reset_index()  # of parts, too, which are of one size
    ends = ends.merge(last[["method", "seed", metric]], on=["method", "seed"])
    found, looks = [], figures.looks(arms)
    fig, ax = figures.subplots(figsize=(6.6, 4.2))
    for arm in arms:
        own = ends[ends["method"].isin([arm, base])].pivot(index="seed", columns="method").dropna()
        gaps = {name: own[name][arm] - own[name][base] for name in ("reward", metric)}
        x, y = (difference(gap) for gap in gaps.values())
        style = {name: value for name, value in looks[arm].items() if name != "linestyle"}
        ax.scatter(*gaps.values(), s=10, alpha=0.35, lw=0, color=style["color"], marker=style["marker"])
        reach = {side: [[gap.mean - gap.low], [gap.high - gap.mean]] for side, gap in (("xerr", x), ("yerr", y))}
        ax.plot(x.mean, y.mean, ms=8, ls="none", label=arm, **style)
        if x.n >= SEVERAL:
            ax.errorbar(x.mean, y.mean, **reach, fmt="none", ecolor=style["color"], capsize=2, lw=1)
        found.append({"method": arm, "seeds": x.n, "reward": x.mean, "reward low": x.low, "reward high": x.high,
                      metric: y.mean, f"{metric} low": y.low, f"{metric} high": y.high})  # fmt: skip
    for line in (ax.axhline, ax.axvline):
        line(0, color=figures.PALETTE[0], lw=1, zorder=0)
    ax.locator_params(axis="x", nbins=6)
    ax.set(xlabel=f"reward of a question, less {base}'s", ylabel=f"{metric} in the end, less {base}'s, points")
    figures.beside_axes(fig, arms)
    sees = " greedy_reward sees the answer before it asks: what a policy that looks one question ahead could get at most."
    most = max(one["seeds"] for one in found)
    marks = "; small marks: each alone" * (most > 1) + "; bars: 95 % t intervals" * (most >= SEVERAL)
    figures.note(fig, f"{figures.seeds(last[last['method'].isin(arms)])}{marks}." + sees * ("greedy_reward" in arms))
    parts = [f"{one['method']}: reward {_between(one, 'reward', 3)}, {metric} {_between(one, metric, 1)}" for one in found]
    said = f"Reward of a question and {metric} in the end, less {base}'s of the same seed, on {standard.datasets_of(rows)}"
    return Drawing(fig, pandas.DataFrame(found), f"{said}. {'; '.join(parts)}.", pandas.concat([asked, last]))


def _between(one, name: str, places: int) -> str:
    low, high = one[f"{name} low"], one[f"{name} high"]
    return f"{one[name]:+.{places}f}" + (f" ({low:+.{places}f} to {high:+.{places}f})" if low == low else "")


# --- whoever answers -------------------------------------------------------------------------------------------------------------

SAID = {"1": "same", "0": "different", "?": "cannot tell", "-": "skipped"}


def human(results, load, race: str = "human", waiting=()) -> Drawing | None:
    """The answers of a race, one by one, in the order given: what was said, whether the pool's labels say so too, and the
    seconds a person took; each seed of each arm after the other. load(name) gives a datasets.reid.ReID, None where it is
    missing. waiting: the runs that wait for a person's answers."""
    import json

    import pandas

    rows = standard.chosen(results, race)
    told = rows[rows["kind"] == "query"].sort_values(["method", "seed", "step"], kind="stable") if len(rows) else rows
    if not len(told) and any(run.race == race for run in waiting):
        return standard.left_out(race, f"its run waits for answers; nb.annotate({race!r}) asks, then run the grid's cell again")
    pool = load(told["dataset"].iloc[0]) if len(told) else None
    if pool is None:
        return standard.left_out(race, NOTHING)
    clocked = rows[rows["kind"] == "answer"].sort_values("step", kind="stable")
    left = {key: [(json.loads(a), s) for a, s in zip(part["asked"], part["seconds"])] for key, part in clocked.groupby("key")}
    ids, given = pool.train.ids, []
    for row in told.to_dict("records"):
        about = {name: row[name] for name in ("race", "dataset", "world", "method", "seed", "key", "step")}
        for box, sign in zip(row["asked"].split(), row["answers"]):
            pair = [int(row["query"]), int(box)]
            clock = left.get(row["key"])
            put = clock is None or bool(clock and clock[0][0] == pair)  # a pair that nobody can tell is not put again
            seconds = clock.pop(0)[1] if clock and put else float("nan")
            same = bool(ids[pair[0]] == ids[pair[1]])
            given.append(about | {"said": SAID[sign], "truth": SAID["01"[same]], "put": put, "seconds": seconds})
    every = pandas.DataFrame(given)
    answers = every[every["put"]].reset_index(drop=True)
    timed = len(clocked) > 0  # a person answered
    sure = answers[answers["said"].isin(["same", "different"])]
    wrong = int((sure["said"] != sure["truth"]).sum())
    fig, ax = figures.subplots(figsize=(8.2, 2.8))
    words = [word for word in SAID.values() if (answers["said"] == word).any()]
    foot = answers["said"].map(lambda word: 0.0 if timed else words.index(word) - 0.4)  # untimed: a row an answer
    heights = answers["seconds"] if timed else pandas.Series(0.8, answers.index)
    for word, colour, hatch in zip(SAID.values(), figures.PALETTE[1:], ("", "", "..", "//")):
        here = answers.index[answers["said"] == word]
        if len(here):
            ax.bar(here + 1, heights[here], width=0.85, bottom=foot[here], color=colour, hatch=hatch, edgecolor="white", lw=0,
                   label=word)  # fmt: skip
    if len(off := sure.index[sure["said"] != sure["truth"]]):
        ax.plot(off + 1, foot[off] + heights[off] * 1.05, "kx", ms=6, ls="", label="not as labelled")
    ax.set(xlabel="question", ylabel="seconds" if timed else "answer")
    if not timed:
        ax.set_yticks(range(len(words)), words)
        ax.set_ylim(-0.6, len(words) - 0.4)
    if timed or len(off):  # else each row has its name
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    took = f", {heights.sum():.0f} seconds in all, {heights.median():.1f} at the median" if timed else ""
    counts = ", ".join(f"{n} {word}" for word, n in answers["said"].value_counts().items())
    again = f" {len(every) - len(answers)} were not put again." if len(every) > len(answers) else ""
    said = f"{len(answers)} questions: {counts}; {wrong} of {len(sure)} answers are not as labelled{took}.{again}"
    figures.note(fig, said if timed else f"{said} The dataset's own labels answered, in no time.")
    return Drawing(fig, every, f"A bar a question on {standard.datasets_of(rows)}. {said}", told)
