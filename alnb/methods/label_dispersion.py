"""Label dispersion: when deep learners change their mind (thesis ch. 3; Zolfaghari Bengar et al., CAIP 2021).

The classes a network predicts for an unlabelled sample, epoch after epoch, are y^1 .. y^T. If they keep changing, the
network is unsure, however confident its last softmax is: that sample is asked first.
"""

from __future__ import annotations

from collections.abc import Sequence

from alnb import cycle, datasets, published, statistics
from alnb.acquisition import describe, score
from alnb.errors import BadRequest
from alnb.methods import pseudo_labels
from alnb.runs import Run, State, Step, Study, torch_stream
from alnb.tasks import accuracy, classification
from alnb.tasks.classification import Classification

# --- the method ---------------------------------------------------------------------------------------------------------


def dispersion(counts):
    """Label dispersion, 1 - f_x / T: the share of epochs whose prediction is not the modal class.

    counts (U, C): how often class c was predicted for sample x over T epochs, sum_t 1[y^t = c]. Returns (U,) floats
    in [0, 1 - 1/min(C, T)]. Thesis eq. 3.1-3.2.
    """
    T = counts.sum(1)
    f_x = counts.max(1).values  # the predictions that fall into the modal class c*
    return 1 - f_x / T


@score("dispersion", needs=("counts",), source="thesis eq. 3.1")
def by_dispersion(view):
    """(U,) larger = ask first. Ties are many, since dispersion is a multiple of 1/T."""
    return dispersion(view.counts)


# --- its trivial rivals: what could explain the same gain ---------------------------------------------------------------


@score("mean_confidence", needs=("mean_confidence",), source="rival of thesis eq. 3.1")
def mean_confidence(view):
    """Least confidence averaged over the same epochs: is it the changing label, or only the averaging?"""
    return 1 - view.mean_confidence


@score("count_entropy", needs=("counts",), source="rival of thesis eq. 3.1")
def count_entropy(view):
    """Entropy in nats of the counts as a distribution over classes: is it the modal class, or any spread?"""
    p = view.counts / view.counts.sum(1, keepdim=True)
    return -(p * p.clamp_min(1e-12).log()).sum(1)


@score("late_dispersion", needs=("predictions",), source="rival of thesis eq. 3.1")
def late_dispersion(view, *, share: float = 0.25):
    """Dispersion over the last `share` of the epochs: every sample wavers early on, when the network knows nothing."""
    if not 0 < share <= 1:
        raise BadRequest(f"late_dispersion: share = {share}: expected above 0, up to 1")
    last = view.predictions[-max(1, round(share * len(view.predictions))) :]
    return dispersion(cycle.count_predictions(last, view.classes))


# --- what the figures of the chapter look at, after the choice ------------------------------------------------------------

BINS = 10
LAST_EPOCHS = 5
CONFIDENT = 0.9
PORTIONS = (0.05, 0.10, 0.15, 0.20, 0.25, 0.30)


def analyse(view, truth, run: Run, cycle_: int, strategy) -> list[dict]:
    """Rows for Fig. 3.1, 3.3, 3.4 (dispersion's runs, cycles 0 to 2) and 3.5 (every method, at the shared cycle 0)."""
    rows = []
    if cycle_ == 0:
        rows += informativeness(view, truth, run, strategy)
    if run.method == "dispersion" and cycle_ <= 2:
        d, correct = dispersion(view.counts), view.predictions[-1] == truth
        rows += histogram(d, correct, cycle_)
    if run.method == "dispersion" and cycle_ == 0:
        rows += examples(view, truth, d, correct)
    return rows


def histogram(d, correct, cycle_: int) -> list[dict]:
    """How many samples fall in each tenth of dispersion, and how many of those the last epoch classifies correctly."""
    bins = (d * BINS + 1e-6).long().clamp_max(BINS - 1)  # 1e-6: 1 - 45/50 belongs to the bin that starts at 0.1
    return [
        {"kind": "histogram", "cycle": cycle_, "low": b / BINS, "high": (b + 1) / BINS,
         "samples": int((bins == b).sum()), "correct": int(correct[bins == b].sum())}
        for b in range(BINS)
    ]  # fmt: skip


def informativeness(view, truth, run: Run, strategy) -> list[dict]:
    """Accuracy of the model on the samples the method would ask first, for growing portions of the pool (Fig. 3.5)."""
    if not strategy.nested:  # its choice is no ranking
        return []
    correct = view.predictions[-1] == truth
    asked = [max(1, round(portion * view.size)) for portion in PORTIONS]
    rng = torch_stream(run.seed, f"strategy {strategy.name}")
    ranking = correct[strategy.choose(view, asked[-1], rng, **run.options.strategy).rows.to(correct.device)]
    return [
        {"kind": "informativeness", "portion": portion, "asked": n, "accuracy": 100 * ranking[:n].float().mean().item()}
        for portion, n in zip(PORTIONS, asked)
    ]


def examples(view, truth, d, correct) -> list[dict]:
    """Fig. 3.1: (a) a correct, confident sample of least dispersion; (b-d) wrong ones the last epoch is sure of, of
    greatest dispersion among those, as many as there are. Each with the classes of the last five epochs."""
    confidence = view.probabilities.amax(1)
    sure = ~correct & (confidence >= CONFIDENT)
    if sure.sum() < 3 and not correct.all():  # a weak network is rarely sure: its most confident mistakes
        threshold = confidence[~correct].sort(descending=True).values[:10].min()
        sure = ~correct & (confidence >= threshold)
    steady = (d - confidence * correct).argmin()
    changing = (d * sure - (~sure).float()).argsort(descending=True)[: min(3, int(sure.sum()))]
    rows = []
    for panel, row in zip("abcd", [int(steady), *changing.tolist()]):
        last = view.predictions[-LAST_EPOCHS:, row].tolist()
        rows.append({
            "kind": "example", "panel": panel, "sample": int(view.samples[row]), "true": int(truth[row]),
            "confidence": confidence[row].item(), "dispersion": d[row].item(),
            **{f"epoch_{t + 1 - len(last)}": label for t, label in enumerate(last)},
        })  # fmt: skip
    return rows


# --- the arms of a figure -------------------------------------------------------------------------------------------------

PRINTED = ("random", "dispersion", "margin", "bald", "k_center", "core_set", "vaal")
RIVALS = ("random", "dispersion", "mean_confidence", "count_entropy", "late_dispersion", "qbc")


def arms(rows, names: Sequence[str]) -> list[str]:
    """For each strategy of `names` the arm that ran: the plain one, else the one with options, "bald(dropout=0.5)"."""
    ran = list(rows["method"].unique())
    first = lambda name: next((arm for arm in ran if arm == name or arm.startswith(f"{name}(")), None)
    return [name if name in ran else first(name) for name in names if name in ran or first(name)]


def single_model(results):
    """The rows of sec. 3.4: without the pairs of sec. 3.5 and what was retrained on their queries."""
    return results[(results["study"] == STUDY.name) & ~results["method"].str.endswith(" retrained")]


# --- the figures ----------------------------------------------------------------------------------------------------------


def draw_examples(rows, data):
    """Fig. 3.1: the samples, their last predictions, confidence and dispersion. rows: kind "example" of one run; data:
    the dataset they index."""
    from alnb.figures import subplots

    fig, axes = subplots(1, len(rows), figsize=(2.1 * len(rows), 3.1), squeeze=False)
    names = data.class_names
    for ax, row in zip(axes[0], rows.to_dict("records")):
        ax.imshow(data.train_images[int(row["sample"])].transpose(1, 2, 0), interpolation="nearest")
        ax.set_title(f"({row['panel']}) true: {names[int(row['true'])]}")
        ax.set(xticks=[], yticks=[])
        last = _last_classes(row, names)
        ax.set_xlabel(
            f"last {len(last)}: {' '.join(last)}\nconfidence {row['confidence']:.2f}\ndispersion {row['dispersion']:.2f}"
        )
        ax.grid(False)
    return fig


def _last_classes(row: dict, names: Sequence[str]) -> list[str]:
    """Names of the classes predicted in the last epochs (up to five), the last one last."""
    epochs = (row.get(f"epoch_{t}") for t in range(1 - LAST_EPOCHS, 1))
    return [names[int(label)] for label in epochs if label is not None and label == label]


def describe_examples(rows, data) -> str:
    names, parts = data.class_names, []
    for row in rows.to_dict("records"):
        last = ", ".join(_last_classes(row, names))
        parts.append(f"({row['panel']}) a {names[int(row['true'])]}, last predicted {last}, confidence "
                     f"{row['confidence']:.2f}, dispersion {row['dispersion']:.2f}")  # fmt: skip
    return f"Samples of {data.name}: {'; '.join(parts)}."


def draw_histograms(rows):
    """Fig. 3.3 and 3.4: bars, the share of the pool in each tenth of dispersion; line, the share the model gets right.
    rows: kind "histogram" of any number of seeds, pooled."""
    from alnb.figures import PALETTE, subplots

    cycles = sorted(rows["cycle"].unique())
    fig, axes = subplots(1, len(cycles), figsize=(3.2 * len(cycles), 3.2), sharey=True, squeeze=False)
    for ax, cycle_ in zip(axes[0], cycles):
        bins = _pooled(rows[rows["cycle"] == cycle_])
        ax.bar(bins.index + 0.5 / BINS, bins["share"], width=0.9 / BINS, color=PALETTE[2], label="samples")
        ax.plot(bins.index + 0.5 / BINS, bins["right"], color=PALETTE[0], marker="o", ms=4, label="correct")
        ax.set(title=f"cycle {int(cycle_)}", xlabel="dispersion", xlim=(0, 1), ylim=(0, 100))
    axes[0, 0].set_ylabel("% of the pool; % correct")
    axes[0, -1].legend()
    return fig


def _pooled(rows):
    bins = rows.groupby("low")[["samples", "correct"]].sum()
    bins["share"] = 100 * bins["samples"] / bins["samples"].sum()
    bins["right"] = 100 * bins["correct"] / bins["samples"].where(bins["samples"] >= 10)  # fewer say nothing
    return bins


def describe_histograms(rows) -> str:
    parts = []
    for cycle_, part in rows.groupby("cycle"):
        bins = _pooled(part).dropna()
        line = ", ".join(f"{low:.1f}: {b.share:.0f} % of the pool, {b.right:.0f} % right" for low, b in bins.iterrows())
        parts.append(f"cycle {int(cycle_)}, by the lower edge of dispersion: {line}")
    return f"Bars and a line on {', '.join(rows['dataset'].unique())}. {'. '.join(parts)}."


def table_3_1(results):
    """Accuracy at the last budget (mean, sd, seeds) and relative to `all_data`; thesis Table 3.1. One row per dataset
    and method."""
    accuracy = results[results["kind"] == "accuracy"]
    rows = []
    for dataset, part in accuracy.groupby("dataset", sort=False):
        full = part.loc[part["method"] == cycle.ALL, "accuracy"].mean()
        arms = part[part["method"] != cycle.ALL]
        last = arms[arms["cycle"] == statistics.horizon(arms)]  # Random may have gone on
        for method, runs in [(cycle.ALL, part[part["method"] == cycle.ALL]), *last.groupby("method", sort=False)]:
            if len(runs):
                mean = runs["accuracy"].mean()
                rows.append({"dataset": dataset, "method": method, "labels": int(runs["labelled"].max()), "acc": mean,
                             "sd": runs["accuracy"].std(), "rel": 100 * mean / full, "seeds": len(runs)})  # fmt: skip
    import pandas

    return pandas.DataFrame(rows).sort_values(["dataset", "acc"], ascending=[True, False], ignore_index=True)


def describe_table_3_1(table) -> str:
    """The table's rows in words."""
    parts = [
        f"{r.dataset}, {r.method}: {r.acc:.2f} %" + (f", {r.rel:.1f} % of all data" if r.rel == r.rel else "")
        for r in table.itertuples()
    ]
    return f"Table of accuracy at the last budget. {'; '.join(parts)}."


# --- the study ----------------------------------------------------------------------------------------------------------


def step(run: Run, state: State) -> Step:
    return cycle.step(run, state, Classification, analyse)


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core."""
    o = run.options
    pool = o.pool or datasets.info(run.dataset).train
    if run.method == cycle.ALL:
        return classification.seconds(run, [pool], 0)
    if run.method == cycle.RETRAINED:
        return classification.seconds(run, [o.initial + o.budget * c for c in range(o.cycles + 1)], 0)
    if run.method == cycle.FIRST:
        return classification.seconds(run, [o.initial], pool - o.initial)
    sizes = [o.initial + o.budget * c for c in range(o.cycles + 2 - run.steps, o.cycles + 1)]
    recorded = cycle.RECORDED & set(describe(run.method).needs)
    return classification.seconds(run, sizes, sum(pool - size for size in sizes[:-1]) if recorded else 0)


STUDY = Study("label_dispersion", 1, step, classification.Settings, cycle.steps, seconds, accuracy)


def grid(
    dataset: str,
    methods: Sequence[str],
    seeds: Sequence[int],
    dataset_100: str = "",
    methods_100: Sequence[str] = (),
    seeds_100: Sequence[int] = (),
    pool_100: int = 0,
    initial_100: int = 5000,
    budget_100: int = 2500,
    dataset_null: str = "",
    methods_null: Sequence[str] = ("random", "random_again", "margin", "dispersion"),
    seeds_null: Sequence[int] = (),
    seeds_all: Sequence[int] = (),
    further: int = 0,
    methods_more: Sequence[str] = (),
    seeds_more: Sequence[int] = (),
    pairs: Sequence[str] = (),
    pairs_100: Sequence[str] = (),
    shares: Sequence[float] = (0.10,),
    seeds_pairs: Sequence[int] = (),
    seeds_pairs_100: Sequence[int] = (),
    retrain: bool = False,
    start: str = "latest",
    delta: float = 0.005,
    decay: float = 0.00033,
    **settings,
) -> list[Run]:
    """Every run of the notebook, seed by seed: what is cut short is still paired.

    `dataset` has few classes (CIFAR-10, or its stand-in), `dataset_100` many and sizes of its own, `dataset_null` is
    the world without the mechanism, where no claim should hold; "" leaves one out. `seeds_all` also train on every
    label; Random goes on for `further` cycles. `methods_more` are further arms of `dataset` on seeds of their own.
    `pairs`, `pairs_100` (on `dataset_100`), `shares`, `start`, `delta` and `decay` are those of sec. 3.5
    (methods.pseudo_labels); `retrain` trains the plain network on what they chose. `settings` are those of
    tasks.classification. Raises BadRequest for unknown names and impossible sizes.
    """
    many = settings | {"pool": pool_100, "initial": initial_100, "budget": budget_100}
    races = [(dataset, methods, seeds, settings)]
    races += [(dataset_100, methods_100, seeds_100, many)] if dataset_100 else []
    races += [(dataset_null, methods_null, seeds_null, settings)] if dataset_null else []
    runs = []
    for name, arms, chosen, values in races:
        _check(name, arms, chosen)
        for seed in chosen:
            runs += [cycle.method_run(STUDY.name, name, arm, seed, values) for arm in arms]
            if seed in seeds_all and name != dataset_null:
                runs.append(cycle.all_data_run(STUDY.name, name, seed, values))
    if further:
        plain = [run for run in runs if (run.dataset, run.method, run.arm) == (dataset, "random", "")]
        runs += [cycle.further_run(run, further) for run in plain]
    if methods_more:
        _check(dataset, methods_more, seeds_more)
        runs += [cycle.method_run(STUDY.name, dataset, arm, s, settings) for s in seeds_more for arm in methods_more]
    if lost := set(seeds_all) - {*seeds, *(seeds_100 if dataset_100 else [])}:
        raise BadRequest(f"seeds_all has {sorted(lost)}, which no race has")
    if further and not any(run.method == "random" for run in runs):
        raise BadRequest("further: no plain random is there to go on")
    if pairs_100 and not dataset_100:
        raise BadRequest("pairs_100: dataset_100 is empty")
    for run in runs:
        if run.method != cycle.ALL:
            cycle.check_sizes(run.options, datasets.info(run.dataset).train)
        classification.check(run.options)
    own = {"start": start, "delta": delta, "decay": decay}
    races = [(dataset, pairs, seeds_pairs, settings), (dataset_100, pairs_100, seeds_pairs_100, many)]
    for name, asked, chosen, values in races:
        if name and asked:
            two = pseudo_labels.grid(name, asked, shares, chosen, STUDY.name, values | own)
            runs += two + [cycle.retrained_run(run, STUDY.name) for run in two if retrain]
    names: dict[str, str] = {}
    for run in runs:
        if run.key in names:
            raise BadRequest(f"{names[run.key]} and {run} are the same run: give it once")
        names[run.key] = str(run)
    return sorted(runs, key=lambda run: run.seed)


def _check(dataset: str, methods: Sequence[str], seeds: Sequence[int]) -> None:
    for what, values in (("methods", methods), ("seeds", seeds)):
        if not values:
            raise BadRequest(f"{what} of {dataset} is empty: give at least one")
        if len(set(values)) < len(values):
            raise BadRequest(f"{what} of {dataset} repeats {max(values, key=list(values).count)!r}")


# --- what is special in the chapter's claims and audit --------------------------------------------------------------------


def trend(histogram):
    """Does the share of correct samples rise or fall along dispersion (Fig. 3.3, 3.4)? Spearman's rank correlation
    between the bins' lower edges and correct / samples, over the bins that hold a sample, averaged over cycles.

    histogram: results with rows of kind "histogram". Returns a frame over race, dataset, world, method, seed: `trend`
    (-1: falls at every bin; NaN with fewer than three bins, or the same share in all) and `trend_resolution`, its
    step: two neighbours exchanged change rho by 12 / (n (n^2 - 1)) in one of the cycles.
    """
    import pandas

    of_run, found = ["race", "dataset", "world", "method", "seed"], []
    bins = histogram[(histogram["kind"] == "histogram") & (histogram["samples"] > 0)]
    for run, part in bins.groupby([*of_run, "cycle"]):
        share, n = part["correct"] / part["samples"], len(part)
        known = n > 2 and share.nunique() > 1
        rho = part["low"].rank().corr(share.rank()) if known else float("nan")
        found.append((*run, rho, 12 / (n * (n * n - 1)) if known else float("nan")))
    rows = pandas.DataFrame(found, columns=[*of_run, "cycle", "trend", "step"])
    runs = rows.groupby(of_run).agg(trend=("trend", "mean"), step=("step", "min"), cycles=("trend", "count"))
    return runs.assign(trend_resolution=runs["step"] / runs["cycles"])[["trend", "trend_resolution"]]


def granularity(frame):
    """For `published.audit`: a dispersion over T epochs (setting `epochs=`) is a multiple of 1 / T."""
    for row in frame[frame["metric"] == "dispersion"].itertuples():
        epochs = float(published.settings(row.setting)["epochs"])
        off = round(row.value * epochs)
        note = f"a multiple of 1 / {epochs:g}: {off} of {epochs:g} epochs off the mode (none off gives 0)"
        yield published.compared(row, off / epochs, note)
