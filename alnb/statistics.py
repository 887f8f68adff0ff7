"""What a set of runs can say: paired differences, their intervals, a verdict for each.

The input is one tidy frame (`nb.run`): a row of kind "test" is an evaluation with `dataset, world, method, seed, cycle,
labelled` and the task's metrics by their own names. `metric_of` says what a metric is and which direction is better;
nothing else here assumes either. A difference is always method - comparator, in the metric's own unit; where a word is
said (best first, gain), direction is applied. Runs of one `race` are compared, a frame without that column is one race.
The arithmetic is in `alnb.intervals`; this is its door.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from alnb.errors import BadRequest
from alnb.intervals import LEVEL, Difference, aubc, aubc_resolution, difference
from alnb.intervals import holm as holm
from alnb.intervals import holm_intervals as holm_intervals
from alnb.intervals import verdict as verdict

if TYPE_CHECKING:
    from alnb.tasks import Metric

LIST = "published_list"  # a column of its own: rows of a kind may have a `split`
BASELINES = ("random", "random_again")
CEILING = "all_data"  # training on everything: shown beside the arms, never one of them
PLACE = ["race", "dataset"]
_RUN = [*PLACE, "method", "seed"]
_NEEDED = ("dataset", "world", "method", "seed", "cycle", "labelled")
_ENDPOINT = ["race", "dataset", "world", "method", "seed", "cycles", "labelled", "final", "aubc",
             "final_resolution", "aubc_resolution", "metric", "better"]  # fmt: skip

_OVERVIEW = ["method", "seeds", "aubc", "aubc_low", "aubc_high", "final", "gain", "gain_low", "gain_high", "gain_seeds",
             "saved", "choosing", "watching", "tied"]  # fmt: skip


class Incomplete(UserWarning):
    """Runs that do not reach the last cycle were left out of an endpoint."""


# --- metrics and their rows ---------------------------------------------------------------------------------


def metric_of(frame, name: str = "") -> Metric:
    """The metric `name` ("": the primary one) of the results of one dataset, as their study declares it. The only place
    that knows where metrics are declared. Without a column `study`: classification's."""
    from alnb import runs
    from alnb.tasks.classes import accuracy

    if not len(frame):
        raise BadRequest("no results, so no metric")
    dataset = frame["dataset"].iloc[0]
    known = runs.study(frame["study"].iloc[0]).metrics if "study" in frame else accuracy
    known = known(dataset)
    found = [metric for metric in known if metric.name == name] if name else known[:1]
    if not found:
        there = ", ".join(metric.name for metric in known) or "none"
        raise BadRequest(f"no metric {name or '(primary)'} on {dataset}; there is: {there}")
    return found[0]


def baseline_of(frame) -> str | None:
    """The plain Random arm, if it ran: what gains are counted from."""
    return BASELINES[0] if len(frame) and (frame["method"] == BASELINES[0]).any() else None


def test_rows(frame, metric: str = ""):  # noqa: PT028 no test
    """The evaluations of a results frame, checked, with their `race` ("" where the frame has none) and the metric's
    number in the further column `value`.

    metric: its name; "": the primary one of each race. Races that do not have it are left out. Checked: one row per
    race, method, seed and cycle; one budget and one network in each race; numbers in the metric's range.
    What would be averaged silently (two profiles in one frame) is refused.
    """
    rows = frame[frame["kind"] == "test"] if "kind" in frame else frame
    missing = [name for name in _NEEDED if name not in rows]
    if missing:
        raise BadRequest(f"results need the columns {', '.join(_NEEDED)}; missing: {', '.join(missing)}")
    rows = with_race(rows).astype({"world": bool, "seed": int, "cycle": int, "labelled": int})
    twice = rows[rows.duplicated([*_RUN, "cycle"]) & (rows["cycle"] >= 1)]
    if len(twice):
        one = twice.iloc[0]
        raise BadRequest(
            f"{one.race or one.dataset}, {one.method}, seed {one.seed}, cycle {one.cycle} occurs more than once: keep "
            "the runs of one study and one profile"
        )
    value, held, problem = np.full(len(rows), math.nan), np.zeros(len(rows), bool), None
    for where, part in rows.groupby(PLACE).indices.items():
        try:
            known = metric_of(rows.iloc[part], metric)
        except BadRequest as error:
            problem = error
            continue
        _check(rows.iloc[part], " ".join(filter(None, where)), known)
        value[part], held[part] = rows[known.name].iloc[part], True
    if problem and not held.any():
        raise problem
    return rows.assign(value=value)[held]


test_rows.__test__ = False  # its name is no test's


def on_a_list(frame) -> bool:
    """Whether some of it is of a published list of samples (PoolSettings.split): one pool and one set of first labels, so
    that its seeds differ by training alone, are no sample of what happens elsewhere, and have no interval."""
    return bool(len(frame)) and LIST in frame and bool(frame[LIST].fillna("").astype(bool).any())


def with_race(frame):
    """The frame with a column `race`, "" where it has none."""
    return frame.assign(race=frame["race"].fillna("") if "race" in frame else "")


def _check(part, where, metric) -> None:
    if metric.name not in part:
        raise BadRequest(f"{where}: results need the column {metric.name}")
    outside = part[metric.name].notna() & ~part[metric.name].between(metric.low, metric.high)
    if outside.any():
        given = part.loc[outside, metric.name].iloc[0]
        unit = f" in {metric.unit}" * bool(metric.unit)
        raise BadRequest(f"{metric.name} is{unit}, {metric.low:g} to {metric.high:g}; given {given}")
    part = part[part["method"] != CEILING]
    if part["world"].nunique() > 1:
        raise BadRequest(f"{where} is marked both real and stand-in")
    if "network" in part and part["network"].nunique() > 1:
        raise BadRequest(f"{where} mixes the networks {sorted(part['network'].unique())}: keep one profile")
    counts = part.groupby("cycle")["labelled"].agg(["min", "max"])
    for cycle, low, high in counts[counts["min"] != counts["max"]].itertuples():
        raise BadRequest(f"{where} has {low} and {high} labels at cycle {cycle}: keep the runs of one budget")


# --- the endpoint -------------------------------------------------------------------------------------------


def horizon(rows, baselines=BASELINES) -> int:
    """The last cycle that counts in one race: the last one that any method but a Random baseline reached.

    Random runs some cycles further (`labels_saved` needs them); where only baselines ran, the shortest of them decides.
    """
    reached = rows[rows["cycle"] >= 1].groupby("method")["cycle"].max()
    if reached.empty:
        return 0
    others = reached[~reached.index.isin(baselines)]
    return int(others.max() if len(others) else reached.min())


def endpoint(frame, last: int | None = None, value: str = "", x: str = "labelled"):
    """One row per race, dataset, method and seed: `world, cycles, labelled, final, aubc`, over the cycles 1 ... last.

    last: the last cycle that counts, the same for all methods of a race; default: `horizon`, so in a grid that is still
    running give the planned one. A run counts only if it has a value at *each* of these cycles. The others are left out
    with one `Incomplete` warning and listed in `.attrs["dropped"]` (dicts: race, dataset, method, seed, missing cycles).
    value: the metric's name; "": the primary one. `final` is its value at the last cycle, where `labelled` labels are
    known. `metric`, `better`: its name and direction; `final_resolution`, `aubc_resolution`: the smallest step of each.

    x: what is spent: "labelled", "cost", any column of the test rows that grows from cycle to cycle (boxes, pairs), or
    one of the timing rows, summed up to there (seconds). Where runs of a race spend differently, all are taken over the
    range they share, between evaluations on straight lines; `final` is then the value at the end of that range.
    """
    import pandas as pd

    rows = test_rows(frame, value)
    rows = rows.assign(spent=_spent(frame, rows, x))
    if last is not None and last < 1:
        raise BadRequest(f"last is a cycle from 1 on; given {last}")
    found, dropped = [], []
    rows = rows[(rows["cycle"] >= 1) & (rows["method"] != CEILING)]
    for (race, dataset), part in rows.groupby(PLACE):
        end = horizon(part) if last is None else last
        runs = []
        for (method, seed), run in part.groupby(["method", "seed"]):
            run = run[run["value"].notna() & (run["cycle"] <= end)].sort_values("cycle")
            missing = sorted(set(range(1, end + 1)) - set(run["cycle"]))
            one = {"race": race, "dataset": dataset, "method": method, "seed": int(seed)}
            if missing:
                dropped.append(one | {"missing": missing})
            else:
                runs.append((one | {"world": bool(run["world"].iloc[0]), "cycles": end,
                                    "labelled": int(run["labelled"].iloc[-1])}, run))  # fmt: skip
        found += _areas(runs, metric_of(part, value), x)
    result = pd.DataFrame(found, columns=_ENDPOINT)
    if on_a_list(frame):
        result[LIST] = result["race"].map(rows.groupby("race")[LIST].first())
    result.attrs["dropped"] = dropped
    if dropped:
        warnings.warn(
            f"{len(dropped)} unfinished runs left out: " + "; ".join(map(left_out, dropped)), Incomplete, stacklevel=2
        )
    return result


def _spent(frame, rows, x):
    """(rows,) what each test row's run had spent by then."""
    if x in rows and rows[x].notna().any():
        return rows[x].to_numpy(float)
    took = frame[frame["kind"] == "timing"] if "kind" in frame else frame[:0]
    if not len(took) or x not in took or "step" not in rows:
        raise BadRequest(f"results have no column {x}")
    # a run that goes on from another counts its steps anew, and follows it in the frame
    run = [*_RUN, "key"] if "key" in took and "key" in rows else _RUN
    took, order = with_race(took), dict.fromkeys(map(tuple, with_race(rows)[run].itertuples(index=False)))
    place = {key: number for number, key in enumerate(order)}
    took = took.assign(place=[place.get(tuple(key), len(place)) for key in took[run].itertuples(index=False)])
    took = took.sort_values(["place", "step"], kind="stable")
    took = took.assign(spent=took.groupby(_RUN)[x].cumsum())
    return rows.merge(took[[*run, "step", "spent"]], on=[*run, "step"], how="left")["spent"].to_numpy(float)


def _areas(runs, metric, x):
    """The endpoint's rows of one race; runs: (about, its rows in order of the cycles)."""
    curves = [(run["spent"].to_numpy(), run["value"].to_numpy(float)) for _, run in runs]
    for (one, _), (spent, _) in zip(runs, curves):
        if not (np.diff(spent) > 0).all() or np.isnan(spent).any():
            raise BadRequest(f"{x} is missing or does not grow from cycle to cycle: {left_out(one)}")
    same = len({tuple(spent) for spent, _ in curves}) <= 1
    start, end = (max(c[0][0] for c in curves), min(c[0][-1] for c in curves)) if curves else (0, 0)
    if not same and start >= end:
        raise BadRequest(f"no range of {x} that all runs of {runs[0][0]['race'] or runs[0][0]['dataset']} share")
    for (one, _), (spent, value) in zip(runs, curves):
        step = metric.resolution
        if not same:
            inner = spent[(spent > start) & (spent < end)]
            points = np.array([start, *inner, end])
            spent, value, step = points, np.interp(points, spent, value), 0.0
        yield one | {
            "final": float(value[-1]), "aubc": aubc(spent, value), "final_resolution": step,
            "aubc_resolution": aubc_resolution(spent, step), "metric": metric.name, "better": metric.better,
        }  # fmt: skip


def left_out(run: dict) -> str:
    """A run of `endpoint` in words, with the cycles it lacks if it was dropped."""
    where = " ".join(filter(None, (run["race"], run["dataset"])))
    lacks = f" (no cycle {', '.join(map(str, run['missing']))})" if "missing" in run else ""
    return f"{where} {run['method']} seed {run['seed']}{lacks}"


# --- paired differences -------------------------------------------------------------------------------------


def paired(frame, method: str, comparator: str = "", value: str = "aubc", level: float = LEVEL,
           resolution: float | None = None) -> Difference:  # fmt: skip
    """method - comparator, paired by joining on the seed: never by the order of rows.

    frame: results of one race, or their `endpoint`, or any frame with `method, seed` and the column `value`, one row per
    method and seed. Seeds that only one of the two has are left out. No comparator: `value` itself against 0. No interval
    where `on_a_list`.
    resolution: of `value`, default: the column "<value>_resolution" (the finer one, where the arms' differ), else 0.
    """
    frame = _one_race(frame, value)
    arms = [frame[frame["method"] == name] for name in filter(None, (method, comparator))]
    for name, arm in zip((method, comparator), arms):
        if arm["seed"].duplicated().any():
            raise BadRequest(f"{name} has more than one {value} for a seed")
    if resolution is None:
        resolution = min((_resolution(arm, value) for arm in arms if len(arm)), default=0.0)
    ours, *theirs = (arm.set_index("seed")[value].astype(float) for arm in arms)
    gap = _gap(ours, theirs[0] if theirs else 0.0, level, resolution)
    return gap.alone() if on_a_list(frame) else gap


def _resolution(frame, value) -> float:
    known = f"{value}_resolution"
    return float(np.nan_to_num(frame[known].min())) if known in frame else 0.0


def _gap(ours, theirs, level, resolution) -> Difference:
    """ours - theirs: Series over seeds, or a number."""
    gaps = (ours - theirs).dropna().sort_index()
    scale = float(ours.reindex(gaps.index).abs().max()) if len(gaps) else 0.0
    return difference(gaps.to_numpy(float), level, [int(seed) for seed in gaps.index], resolution, scale)


def _one_race(frame, value):
    """The frame, or its endpoint if it has no column `value`; refused where it is of several races."""
    frame = frame if value in frame else endpoint(frame)
    for name in PLACE:
        if name in frame and frame[name].nunique() > 1:
            raise BadRequest(f"methods are compared within one {name}; given {sorted(frame[name].unique())}")
    return frame


def pairwise(frame, value: str = "aubc", level: float = LEVEL):
    """Every method against every other in one race, *row minus column*, the best first: `pairwise(f)["mean"]` is the
    matrix of mean differences; likewise "half_width", "p" (two-sided, of each pair alone, not adjusted) and "n" (seeds
    in common)."""
    import pandas as pd

    frame = _one_race(frame, value)
    if frame.duplicated(["method", "seed"]).any():
        raise BadRequest(f"a method has more than one {value} for a seed")
    arms = frame.pivot(index="seed", columns="method", values=value).astype(float)
    lower = "better" in frame and (frame["better"] == "lower").any()
    methods = list(arms.mean().sort_values(ascending=lower, kind="stable").index)
    step = _resolution(frame, value)
    cells = {(row, column): _gap(arms[row], arms[column], level, step) for row in methods for column in methods}
    parts = {}
    if on_a_list(frame):
        cells = {pair: gap.alone() for pair, gap in cells.items()}
    for what in ("mean", "half_width", "p", "n"):
        square = [[getattr(cells[row, column], what) for column in methods] for row in methods]
        parts[what] = pd.DataFrame(square, index=methods, columns=methods)
    for what in ("half_width", "p"):
        parts[what] = parts[what].mask(np.eye(len(methods), dtype=bool))
    return pd.concat(parts, axis=1)


# --- as the papers report it --------------------------------------------------------------------------------


def summary(frame, value: str = ""):
    """Mean, sample deviation and number of seeds of a metric per race, method and budget, as papers print it; at each
    cycle the best first. Every run counts here, also unfinished ones: n says how many."""
    import pandas as pd

    keys = ["race", "dataset", "world", "method", "cycle", "labelled"]
    parts = [pd.DataFrame(columns=[*keys, "mean", "sd", "n"])]
    for _, part in test_rows(frame, value).groupby(PLACE):
        table = part.groupby(keys)["value"].agg(mean="mean", sd="std", n="count").reset_index()
        lower = metric_of(part, value).better == "lower"
        parts.append(table.sort_values(["cycle", "mean"], ascending=[True, lower], kind="stable"))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def labels_saved(frame, method: str, comparator: str = BASELINES[0], last: int | None = None, value: str = ""):
    """Labels the comparator needs beyond the method's to be as good as the method is in the end; one row per seed.

    Columns: race, dataset, seed, final (the method's, at its last counted cycle), labelled (there), needed (labels of
    the comparator at the *first* crossing of its linearly interpolated curve, cycle 0 and its further cycles included;
    downwards where lower is better), saved = needed - labelled, bound: ">=" where the comparator never gets there
    (needed is its largest budget, `reach`), "<=" where its first budget is already enough, else "". The first crossing of a
    noisy curve favours the comparator.
    """
    return _saved(test_rows(frame, value), endpoint(frame, last, value), method, comparator)


def _saved(rows, ends, method, comparator):
    import pandas as pd

    rows = rows[(rows["method"] == comparator) & rows["value"].notna()].sort_values("labelled")
    curves = {run: part for run, part in rows.groupby([*PLACE, "seed"])}
    result = []
    for end in ends[ends["method"] == method].itertuples():
        own = curves.get((end.race, end.dataset, end.seed))
        if own is not None:
            sign = -1 if end.better == "lower" else 1
            height = sign * own["value"].to_numpy(float)
            needed, bound = _first_crossing(own["labelled"].to_numpy(float), height, sign * end.final)
            one = (end.race, end.dataset, end.seed, end.final, end.labelled)
            result.append((*one, needed, needed - end.labelled, bound, own["labelled"].max()))
    return pd.DataFrame(result, columns=[*PLACE, "seed", "final", "labelled", "needed", "saved", "bound", "reach"])


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


def _told(saved) -> str:
    """`saved_text`, but "" where it says nothing: no seed of the comparator got there, so that only where it stopped is told;
    or none went further than the method, so that labels can only be lost."""
    capped = (saved["bound"] == ">=").all() or (saved["reach"] <= saved["labelled"]).all()
    return "" if len(saved) and capped else saved_text(saved)


def overview(frame, baseline: str = "", level: float = LEVEL, value: str = ""):
    """One row per method of one race, the best first: what a reader compares before believing.

    Columns: method, seeds; aubc, aubc_low, aubc_high (mean and t interval over seeds); final; gain, gain_low, gain_high
    (the *improvement* of aubc on the baseline's, paired by seed: positive is better in either direction), gain_seeds;
    saved (`saved_text`; "" where it is only the cap, or no further cycles could tell); choosing, watching (mean seconds
    per choice: in the strategy, and looking at the pool in the training before it, the shared first training apart; NaN
    where not measured); tied (mean share of a batch that the tie-break decided). baseline: default `baseline_of`. If it did
    not run, gains are NaN, saved is "", and the order is by area.
    """
    import pandas as pd

    baseline = baseline or baseline_of(frame) or ""
    rows, ends = test_rows(frame, value), endpoint(frame, value=value)
    _one_race(ends, "aubc")
    kinds = frame["kind"] if "kind" in frame else pd.Series("test", frame.index)
    choices, timings = frame[kinds == "choice"], frame[kinds == "timing"]
    found, lower = [], (ends["better"] == "lower").any()
    for method, part in ends.groupby("method"):
        area = difference(part["aubc"], level, (), part["aubc_resolution"].min())
        area = area.alone() if on_a_list(part) else area
        gap = paired(ends, method, baseline or "-", "aubc", level) if method != baseline else difference([])
        gain = (-gap.mean, -gap.high, -gap.low) if lower else (gap.mean, gap.low, gap.high)
        own, took = choices[choices["method"] == method], timings[timings["method"] == method]
        counts = {"choosing": len(own), "watching": int((own["cycle"] > 0).sum())}
        against = baseline and method != baseline
        found.append({
            "method": method, "seeds": area.n, "aubc": area.mean, "aubc_low": area.low, "aubc_high": area.high,
            "final": part["final"].mean(), "gain": gain[0], "gain_low": gain[1], "gain_high": gain[2],
            "gain_seeds": gap.n, "saved": _told(_saved(rows, ends, method, baseline)) if against else "",
            **{name: took[name].sum(min_count=1) / n if n and name in took else math.nan for name, n in counts.items()},
            "tied": own["tied_share"].mean() if len(own) else math.nan,
        })  # fmt: skip
    table = pd.DataFrame(found, columns=_OVERVIEW)
    if table["gain"].isna().all():
        return table.sort_values("aubc", ascending=lower, ignore_index=True)
    order = lambda gains: gains.fillna(0)  # the baseline's own; an arm that shares no seed with it stands there too
    return table.sort_values("gain", ascending=False, ignore_index=True, key=order)
