"""What a set of runs can say: paired differences, their intervals, and a verdict for every claim.

The input is one tidy frame with a row per evaluation: `study, dataset, world, method, seed, cycle, labelled, accuracy`,
`kind == "accuracy"`, accuracy in percent. Nothing is resampled, so nothing here needs a seed: intervals are Student's t
over seeds, because a bootstrap of three to five seeds covers far less than it says.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np

from alnb.errors import BadRequest

LEVEL = 0.95
BASELINES = ("random", "random_again")
CEILING = "all_data"  # training on everything: shown beside the arms, never one of them
_RUN = ["dataset", "world", "method", "seed"]
_NEEDED = ("dataset", "world", "method", "seed", "cycle", "labelled", "accuracy")


class Incomplete(UserWarning):
    """Runs that do not reach the last cycle were left out of an endpoint."""


# --- the endpoint -------------------------------------------------------------------------------------------


def aubc(labelled, accuracy) -> float:
    """Area under the budget curve, in points of accuracy: the mean height of accuracy over labels.

    labelled, accuracy: (K,) in any order. Trapezoid with labels scaled to [0, 1] (as realistic-al, Lueth et al. 2023,
    and DeepAL+). Give it the cycles >= 1 only: cycle 0 is shared by all methods of a seed and can only dilute. The area
    over a single budget is its limit, that accuracy.
    """
    x, y = np.asarray(labelled, float), np.asarray(accuracy, float)
    if x.ndim != 1 or x.shape != y.shape or not len(x):
        raise BadRequest(f"aubc takes two lists of one length, at least one long; given {x.shape} and {y.shape}")
    order = np.argsort(x)
    x, y = x[order], y[order]
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise BadRequest("aubc takes finite numbers; a label count or an accuracy is missing")
    if len(x) == 1:
        return float(y[0])
    if (np.diff(x) <= 0).any():
        raise BadRequest("aubc takes one accuracy for each number of labels; a number of labels occurs twice")
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / (x[-1] - x[0]))


def accuracy_rows(frame):
    """The accuracy rows of a results frame, checked: one row per dataset, method, seed and cycle, one budget and one
    network in each dataset. What would be averaged silently (two profiles in one frame) is refused."""
    rows = frame
    if "kind" in rows:
        rows = rows[rows["kind"] == "accuracy"]
    missing = [name for name in _NEEDED if name not in rows]
    if missing:
        raise BadRequest(f"results need the columns {', '.join(_NEEDED)}; missing: {', '.join(missing)}")
    rows = rows.astype({"world": bool, "seed": int, "cycle": int, "labelled": int})
    key = ["dataset", "method", "seed", "cycle"]
    twice = rows[rows.duplicated(key) & (rows["cycle"] >= 1)]
    if len(twice):
        one = twice.iloc[0]
        raise BadRequest(
            f"{one.dataset}, {one.method}, seed {one.seed}, cycle {one.cycle} occurs more than once: keep "
            "the runs of one study and one profile"
        )
    for dataset, part in rows[rows["method"] != CEILING].groupby("dataset"):
        if part["world"].nunique() > 1:
            raise BadRequest(f"{dataset} is marked both real and stand-in")
        if "network" in part and part["network"].nunique() > 1:
            raise BadRequest(f"{dataset} mixes the networks {sorted(part['network'].unique())}: keep one profile")
        counts = part.groupby("cycle")["labelled"].agg(["min", "max"])
        for cycle, low, high in counts[counts["min"] != counts["max"]].itertuples():
            raise BadRequest(f"{dataset} has {low} and {high} labels at cycle {cycle}: keep the runs of one budget")
    outside = rows["accuracy"].notna() & ~rows["accuracy"].between(0, 100)
    if outside.any():
        raise BadRequest(f"accuracy is in percent, 0 to 100; given {rows.loc[outside, 'accuracy'].iloc[0]}")
    return rows


def horizon(rows, baselines=BASELINES) -> int:
    """The last cycle that counts in one dataset: the last one that any method but a Random baseline reached.

    Random runs some cycles further (`labels_saved` needs them); where only baselines ran, the shortest of them decides.
    """
    reached = rows[rows["cycle"] >= 1].groupby("method")["cycle"].max()
    others = reached[~reached.index.isin(baselines)]
    return int(others.max() if len(others) else reached.min())


def endpoint(frame, last: int | None = None, baselines=BASELINES):
    """One row per dataset, method and seed: `world, cycles, labelled, final, aubc`, over the cycles 1 ... last.

    last: the last cycle that counts, the same for all methods of a dataset; default: `horizon`, so in a grid that is
    still running give the planned one. A run counts only if it has an accuracy at *each* of these cycles. The others
    are left out with one `Incomplete` warning and listed in `.attrs["dropped"]` (dicts: dataset, method, seed,
    missing cycles). `final` is the accuracy at the last cycle, where `labelled` labels are known.
    """
    import pandas as pd

    rows = accuracy_rows(frame)
    if last is not None and last < 1:
        raise BadRequest(f"last is a cycle from 1 on; given {last}")
    found, dropped = [], []
    rows = rows[(rows["cycle"] >= 1) & (rows["method"] != CEILING)]
    for dataset, part in rows.groupby("dataset"):
        end = horizon(part, baselines) if last is None else last
        for (method, seed), run in part.groupby(["method", "seed"]):
            run = run[run["accuracy"].notna() & (run["cycle"] <= end)].sort_values("cycle")
            missing = sorted(set(range(1, end + 1)) - set(run["cycle"]))
            one = {"dataset": dataset, "method": method, "seed": int(seed)}
            if missing:
                dropped.append(one | {"missing": missing})
                continue
            found.append(one | {
                "world": bool(run["world"].iloc[0]), "cycles": end, "labelled": int(run["labelled"].iloc[-1]),
                "final": float(run["accuracy"].iloc[-1]), "aubc": aubc(run["labelled"], run["accuracy"]),
            })  # fmt: skip
    columns = ["dataset", "world", "method", "seed", "cycles", "labelled", "final", "aubc"]
    result = pd.DataFrame(found, columns=columns)
    result.attrs["dropped"] = dropped
    if dropped:
        warnings.warn(
            f"{len(dropped)} unfinished runs left out: " + "; ".join(map(left_out, dropped)), Incomplete, stacklevel=2
        )
    return result


def left_out(run: dict) -> str:
    """One dropped run of `endpoint` in words."""
    cycles = ", ".join(map(str, run["missing"]))
    return f"{run['dataset']} {run['method']} seed {run['seed']} (no cycle {cycles})"


# --- paired differences -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """The mean of n paired differences, in the unit of what was compared, with Student's t interval at `level`.

    n < 2 has no interval: sd, low, high, half_width and p are NaN (n = 0: the mean too). p is two-sided, unadjusted.
    """

    mean: float
    sd: float
    n: int
    low: float
    high: float
    half_width: float
    p: float
    level: float = LEVEL
    seeds: tuple = ()

    def at(self, level: float) -> Difference:
        """The same difference with its interval at another level."""
        from scipy.special import stdtrit

        half = self.sd / math.sqrt(self.n) * float(stdtrit(self.n - 1, (1 + level) / 2)) if self.n > 1 else math.nan
        return replace(self, low=self.mean - half, high=self.mean + half, half_width=half, level=level)

    def __str__(self) -> str:
        if self.n < 2:
            return "not run" if not self.n else f"{self.mean:+.2f} (n = 1, no interval)"
        return f"{self.mean:+.2f} +- {self.half_width:.2f} (n = {self.n})"


def difference(values, level: float = LEVEL, seeds=()) -> Difference:
    """The `Difference` of per-seed differences (n,). Differences that are all equal have a width of zero and p = 0,
    or 1 where they are all zero (two identical arms)."""
    from scipy.special import stdtr

    if not 0 < level < 1:
        raise BadRequest(f"level is between 0 and 1; given {level}")
    values = np.asarray(values, float)
    if not np.isfinite(values).all():
        raise BadRequest("a difference of a missing value cannot be taken")
    n, nan = len(values), math.nan
    if n < 2:
        return Difference(float(values[0]) if n else nan, nan, n, nan, nan, nan, nan, level, tuple(seeds))
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    p = float(2 * stdtr(n - 1, -abs(mean) / (sd / math.sqrt(n)))) if sd > 0 else float(mean == 0)
    return Difference(mean, sd, n, nan, nan, nan, p, level, tuple(seeds)).at(level)


def paired(frame, method: str, comparator: str = "", value: str = "aubc", level: float = LEVEL) -> Difference:
    """method - comparator, paired by joining on the seed: never by the order of rows.

    frame: results of one dataset, or their `endpoint`, or any frame with `method, seed` and the column `value`, one row
    per method and seed. Seeds that only one of the two has are left out. No comparator: `value` itself against 0.
    """
    if value not in frame:
        frame = endpoint(frame)
    _one_dataset(frame)

    def arm(name):
        part = frame[frame["method"] == name]
        if part["seed"].duplicated().any():
            raise BadRequest(f"{name} has more than one {value} for a seed")
        return part.set_index("seed")[value]

    gaps = arm(method)
    if comparator:
        gaps = gaps - arm(comparator)
    gaps = gaps.dropna().sort_index()
    return difference(gaps.to_numpy(float), level, [int(seed) for seed in gaps.index])


def _one_dataset(frame) -> None:
    if "dataset" in frame and frame["dataset"].nunique() > 1:
        raise BadRequest(f"a difference is taken within one dataset; given {sorted(frame['dataset'].unique())}")


def pairwise(frame, value: str = "aubc", level: float = LEVEL):
    """Every method against every other in one dataset, *row minus column*: `pairwise(f)["mean"]` is the matrix of mean
    differences; likewise "half_width", "p" (two-sided, of each pair alone, not adjusted) and "n" (seeds in common)."""
    import pandas as pd

    if value not in frame:
        frame = endpoint(frame)
    _one_dataset(frame)
    if frame.duplicated(["method", "seed"]).any():
        raise BadRequest(f"a method has more than one {value} for a seed")
    arms = frame.pivot(index="seed", columns="method", values=value)
    methods = list(arms)
    gaps = {(row, column): (arms[row] - arms[column]).dropna() for row in methods for column in methods}
    cells = {pair: difference(gap.to_numpy(float), level, gap.index.tolist()) for pair, gap in gaps.items()}
    parts = {}
    for what in ("mean", "half_width", "p", "n"):
        square = [[getattr(cells[row, column], what) for column in methods] for row in methods]
        parts[what] = pd.DataFrame(square, index=methods, columns=methods)
    for what in ("half_width", "p"):
        parts[what] = parts[what].mask(np.eye(len(methods), dtype=bool))
    return pd.concat(parts, axis=1)


# --- several claims -----------------------------------------------------------------------------------------


def holm(p) -> np.ndarray:
    """Holm's (1979) adjusted p values, in the order given: sorted ascending, the k-th of m is
    max over j <= k of min(1, (m - j + 1) p_(j)). NaN (a claim of the family that was not run) stays NaN and still
    counts in m: what is tested does not get easier because something planned is missing."""
    p = np.asarray(p, float)
    if ((p < 0) | (p > 1)).any():
        raise BadRequest(f"p values are between 0 and 1; given {p.tolist()}")
    adjusted = np.full(len(p), math.nan)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p, kind="stable")):
        if math.isnan(p[index]):
            break
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = largest
    return adjusted


def holm_intervals(differences, level: float = LEVEL) -> list[Difference]:
    """The differences of one family with Holm-adjusted intervals: t intervals at the level Holm's step assigns.

    The claim with the k-th smallest p of m is held at 1 - alpha / (m - k + 1); from the first one that is not rejected
    on, all keep that step's level, because there Holm stops. So an interval excludes 0 exactly when Holm rejects at
    alpha = 1 - level (tested), and verdicts control the family-wise error. The *decisions* are simultaneous; the joint
    coverage of the intervals of rejected claims is not claimed (that needs Bonferroni for all). m counts every claim
    of the family, also those not run.
    """
    differences, alpha = list(differences), 1 - level
    result, stopped = list(differences), None
    order = sorted(range(len(differences)), key=lambda i: (math.isnan(differences[i].p), differences[i].p))
    for rank, index in enumerate(order):
        share = alpha / (len(differences) - rank) if stopped is None else stopped
        if stopped is None and not differences[index].p <= share:
            stopped = share
        result[index] = differences[index].at(1 - share)
    return result


def verdict(difference: Difference, band: float = math.nan, direction: str = "higher") -> str:
    """One of "equivalent", "holds", "reversed", "cannot be told", read off the difference's interval.

    In this order: the whole interval strictly inside (-band, band): "equivalent", *even if it excludes 0*, because an
    effect shown to be smaller than what matters is not the claimed one; wholly on the claimed side of 0: "holds"; on
    the other: "reversed"; else, and without an interval (n < 2): "cannot be told". Ends that touch 0 or the band do
    not count. No band (NaN): never equivalent. direction: "higher" or "lower", what the claim says of the method.
    """
    if direction not in ("higher", "lower"):
        raise BadRequest(f"direction is higher or lower; given {direction!r}")
    if band < 0:
        raise BadRequest(f"a band of equivalence is not negative; given {band}")
    low, high = difference.low, difference.high
    if direction == "lower":
        low, high = -high, -low
    if -band < low and high < band:
        return "equivalent"
    if low > 0:
        return "holds"
    return "reversed" if high < 0 else "cannot be told"


# --- as the papers report it --------------------------------------------------------------------------------


def summary(frame):
    """Mean, sample deviation and number of seeds of the accuracy per dataset, method and budget, as papers print it.
    Every run counts here, also unfinished ones: n says how many."""
    rows = accuracy_rows(frame)
    keys = ["dataset", "world", "method", "cycle", "labelled"]
    return rows.groupby(keys)["accuracy"].agg(mean="mean", sd="std", n="count").reset_index()


def labels_saved(frame, method: str, comparator: str = "random", last: int | None = None):
    """Labels the comparator needs beyond the method's to reach the method's final accuracy; one row per seed.

    Columns: dataset, seed, accuracy (the method's, at its last counted cycle), labelled (there), needed (labels of the
    comparator at the *first* crossing of its linearly interpolated curve, cycle 0 and its further cycles included),
    saved = needed - labelled, bound: ">=" where the comparator never gets there (needed is its largest budget), "<="
    where its first budget is already enough, else "". The first crossing of a noisy curve favours the comparator.
    """
    import pandas as pd

    rows = accuracy_rows(frame).dropna(subset=["accuracy"])
    ends = endpoint(frame, last)
    result = []
    for end in ends[ends["method"] == method].itertuples():
        own = rows[(rows["dataset"] == end.dataset) & (rows["seed"] == end.seed) & (rows["method"] == comparator)]
        own = own.sort_values("labelled")
        if not len(own):
            continue
        needed, bound = _first_crossing(own["labelled"].to_numpy(float), own["accuracy"].to_numpy(float), end.final)
        saved = needed - end.labelled
        result.append((end.dataset, end.seed, end.final, end.labelled, needed, saved, bound))
    return pd.DataFrame(result, columns=["dataset", "seed", "accuracy", "labelled", "needed", "saved", "bound"])


def _first_crossing(x, y, target) -> tuple[float, str]:
    above = np.flatnonzero(y >= target)
    if not len(above):
        return float(x[-1]), ">="
    k = int(above[0])
    if k == 0:
        return float(x[0]), "" if y[0] == target else "<="
    return float(x[k - 1] + (target - y[k - 1]) / (y[k] - y[k - 1]) * (x[k] - x[k - 1])), ""


_BOUNDS = {">=": "never got there", "<=": "there from the start"}


def saved_text(saved) -> str:
    """The mean of `labels_saved` in words; with a bound in front where seeds are bounds themselves."""
    if not len(saved):
        return "not run"
    bounds = sorted(set(saved["bound"]) - {""})
    if len(bounds) > 1:
        return f"cannot be told (n = {len(saved)}: bounds on both sides)"
    mark = f"{bounds[0]} " if bounds else ""
    short = f", {int((saved['bound'] != '').sum())} {_BOUNDS[bounds[0]]}" if bounds else ""
    return f"{mark}{saved['saved'].mean():,.0f} labels (n = {len(saved)}{short})"


def overview(frame, baseline: str = "random", level: float = LEVEL):
    """One row per method of one dataset, greatest gain first: what a reader compares before believing.

    Columns: method, seeds; aubc, aubc_low, aubc_high (mean and t interval over seeds); final; gain, gain_low, gain_high
    (aubc minus the baseline's, paired by seed); saved (`saved_text`); choosing, watching (mean seconds per choice: in
    the strategy, and looking at the pool in the training before it, the shared first training apart; NaN where not
    measured); tied (mean share of a batch that the tie-break decided).
    """
    import pandas as pd

    ends = endpoint(frame)
    kinds = {kind: part for kind, part in frame.groupby("kind")}
    empty = pd.DataFrame(columns=["method", "cycle", "choosing", "watching", "tied_share"])
    choices, timings = kinds.get("choice", empty), kinds.get("timing", empty)
    rows = []
    for method, part in ends.groupby("method"):
        area, gain = difference(part["aubc"], level), paired(ends, method, baseline, "aubc", level)
        own, took = choices[choices["method"] == method], timings[timings["method"] == method]
        counts = {"choosing": len(own), "watching": int((own["cycle"] > 0).sum())}
        rows.append({
            "method": method, "seeds": area.n, "aubc": area.mean, "aubc_low": area.low, "aubc_high": area.high,
            "final": part["final"].mean(), "gain": gain.mean if method != baseline else math.nan, "gain_low": gain.low,
            "gain_high": gain.high, "gain_seeds": gain.n,
            "saved": saved_text(labels_saved(frame, method, baseline)) if method != baseline else "",
            **{name: took[name].sum(min_count=1) / n if n and name in took else math.nan for name, n in counts.items()},
            "tied": own["tied_share"].mean() if len(own) else math.nan,
        })  # fmt: skip
    order = lambda gains: gains.fillna(0)  # the baseline's own; an arm that shares no seed with it stands there too
    return pd.DataFrame(rows).sort_values("gain", ascending=False, ignore_index=True, key=order)


# --- the claims ledger --------------------------------------------------------------------------------------

SETTINGS = ("real data", "world", "null world", "placebo")
INTERIM = " (interim)"  # behind a verdict on fewer seeds than the claim planned: part of the text, so no table loses it
_LEDGER = ["id", "setting", "quote", "dataset", "method", "comparator", "metric", "difference", "low", "high", "seeds",
           "planned", "verdict", "kind", "direction", "sd", "half_width", "level", "p", "p_holm", "band",
           "published_effect", "aa_difference", "aa_low", "aa_high", "place", "note"]  # fmt: skip


def ledger(frame, claims, level: float = LEVEL, last: int | None = None):
    """One row per claim and setting, with the verdict that the results give today; the claims hold none.

    frame: results of one profile. claims: `published.claims(source, chapter)`, the claims of one notebook. Settings:
    "real data" (the claim's dataset), "world" and "null world" (the datasets its columns `world` and `null` name, in
    the latter it must not hold), "placebo" (method against the arm its column `placebo` names, on the real data if it
    ran there, else on the world). A setting that a claim does not name has no row; one without runs is "not run". On
    fewer seeds than the claim planned a verdict ends in `INTERIM`: "holds (interim)" can still change.

    The primary claims on real data with their placebos there, those on the world with theirs, and those on the null world
    are a family each for Holm: all of them, also those not run, so that a second Random is no second chance. Secondary
    claims keep the plain interval. An arm that ran with other options than a claim names ("vaal(steps=39062)" for
    "vaal") is that arm, if it is the only one of its strategy. The metric is a column of `endpoint` ("aubc", "final"),
    "<kind>.<column>" (that column of the rows of that kind, averaged per method and seed), or "<kind>.trend" (`trend`).
    Beside each difference between two arms stands the A/A arm of the same dataset, random_again - random, with its plain
    interval.

    last: as in `endpoint`, one for all datasets.
    """
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Incomplete)
        values = {metric: _values(frame, metric, last) for metric in set(claims["metric"]) | {"aubc"}}
    dropped = values["aubc"].attrs.get("dropped", [])
    asked = [_contrast(claim, setting, values, level) for claim in claims.to_dict("records") for setting in SETTINGS]
    asked = [one for one in asked if one]
    for where in ("real data", "world", "null world"):
        family = [one for one in asked if one["kind"] == "primary" and _family(one) == where]
        gaps = [one["gap"] for one in family]
        for one, gap, p in zip(family, holm_intervals(gaps, level), holm([gap.p for gap in gaps])):
            one["gap"], one["p_holm"] = gap, float(p)
    return pd.DataFrame([_row(one, values[one["metric"]], dropped, level) for one in asked], columns=_LEDGER)


def _family(one) -> str:
    if one["setting"] == "placebo":
        return "world" if one["is_world"] else "real data"
    return one["setting"]


def _arm(name: str, ran) -> str:
    """The arm of `ran` that a claim calls `name`: that one, else the only one of its strategy, with options if it has."""
    if name in ran:
        return name
    plain, bracket, _ = name.partition("(")
    others = [arm for arm in ran if arm.startswith(f"{plain}(") or (arm == plain and not bracket)]
    return others[0] if len(others) == 1 else name


def _values(frame, metric, last):
    """Per dataset, world, method and seed, one number: the column `metric`."""
    import pandas as pd

    kind, _, column = metric.partition(".")
    if not len(frame) or not (frame["kind"] == (kind if column else "accuracy")).any():
        return pd.DataFrame(columns=[*_RUN, metric])
    if not column:
        ends = endpoint(frame, last)
        if metric not in ends:
            raise BadRequest(f"metric {metric!r}; accepted: aubc, final, <kind>.<column>, <kind>.trend")
        return ends
    part = frame[frame["kind"] == kind]
    values = trend(part) if column == "trend" else part.groupby(_RUN)[column].mean()
    return values.rename(metric).reset_index()


def trend(histogram):
    """Does the share of correct samples rise or fall along a histogram? Spearman's rank correlation between the bins'
    lower edges and correct / samples, over the bins that hold a sample, averaged over cycles; per method and seed.

    histogram: rows with dataset, world, method, seed, cycle, low, samples, correct. -1: falls at every bin. NaN with
    fewer than three bins, or the same share in all.
    """
    import pandas as pd

    found = []
    for run, bins in histogram[histogram["samples"] > 0].groupby([*_RUN, "cycle"]):
        share = bins["correct"] / bins["samples"]
        known = len(bins) > 2 and share.nunique() > 1
        found.append((*run, bins["low"].rank().corr(share.rank()) if known else math.nan))
    return pd.DataFrame(found, columns=[*_RUN, "cycle", "trend"]).groupby(_RUN)["trend"].mean()


def _contrast(claim, setting, values, level):
    """The claim's difference in one setting, or None where the claim does not name that setting."""
    metric, comparator = claim["metric"], claim["comparator"]
    real, stand_in = (claim["dataset"], False), (claim["world"], True)
    frame = values[metric]
    if setting == "placebo":
        comparator = claim["placebo"]
        ran = (frame["dataset"] == claim["dataset"]) & (frame["method"] == comparator)
        dataset, world = real if ran.any() else stand_in
    else:
        dataset, world = {"real data": real, "world": stand_in, "null world": (claim["null"], True)}[setting]
    if not dataset or (setting == "placebo" and not comparator):
        return None
    part = frame[(frame["dataset"] == dataset) & (frame["world"] == world)]
    ran = set(part["method"])
    method, comparator = _arm(claim["method"], ran), comparator and _arm(comparator, ran)
    gap = paired(part, method, comparator, metric, level)
    planned = int(claim["planned_world_seeds" if world else "planned_seeds"])
    about = {"setting": setting, "dataset": dataset, "is_world": world, "method": method, "comparator": comparator}
    about |= {"planned": planned}
    return claim | about | {"gap": gap, "p_holm": math.nan}


def _row(one, values, dropped, level):
    gap, nan = one["gap"], math.nan
    said = verdict(gap, one["band"], one["direction"]) if gap.n else "not run"
    said += INTERIM * (0 < gap.n < one["planned"])
    part = values[(values["dataset"] == one["dataset"]) & (values["world"] == one["is_world"])]
    again = paired(part, *reversed(BASELINES), one["metric"], level) if one["comparator"] else difference([])
    concerned = [run for run in dropped if run["dataset"] == one["dataset"]]
    missing = [left_out(run) for run in concerned if run["method"] in (one["method"], one["comparator"])]
    notes = [one["note"]] * bool(one["note"])
    notes += ["left out, unfinished: " + "; ".join(missing)] * bool(missing)
    return one | {
        "difference": gap.mean, "sd": gap.sd, "low": gap.low, "high": gap.high, "half_width": gap.half_width,
        "level": gap.level if gap.n > 1 else nan, "p": gap.p, "seeds": gap.n,
        "verdict": said, "aa_difference": again.mean, "aa_low": again.low, "aa_high": again.high, "note": " | ".join(notes),
    }  # fmt: skip
