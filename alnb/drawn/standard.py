"""What every paper has, one line each in a notebook: race, gains, pairs, overview, beside, audit, claims.

Each takes what `nb.run` gave and returns a `figures.Drawing`, or None after one printed line that says why it cannot be
drawn. No arm, dataset, metric or direction is assumed; Random and its copies are known by their role (`statistics`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from alnb import figures, statistics
from alnb.errors import BadRequest
from alnb.figures import Drawing

if TYPE_CHECKING:
    import pandas

RETRAINED = " retrained"  # the end of an arm's name: the plain task on what another arm asked, that arm's control
NOTHING = "no runs at this profile"

# --- rows -------------------------------------------------------------------------------------------------------------


def left_out(where: str, why: str) -> None:
    """Say in one line why a drawing is not there."""
    print(f"{where or 'left out'}: {why}")


def in_race(results, race: str = ""):
    """Rows of one race; "": the first one with an evaluation. A frame without the column is one race."""
    if "race" not in results:
        return results
    if not race:
        named = results.loc[results["kind"] == "test", "race"] if "kind" in results else results["race"]
        return results[results["race"] == named.iloc[0]] if len(named) else results[:0]
    return results[results["race"] == race]


def models(results):
    """The rows with a method a model, "dispersion+entropy 10% B", where a run evaluates several (column `model`). Rows
    of such a run that are of no one model, its choices and timings, are the last model's, which asks."""
    if "model" not in results or not results["model"].notna().any():
        return results
    runs = results.groupby("key" if "key" in results else ["method", "seed"])["model"]
    several, last = runs.transform("nunique") > 1, runs.transform("last")
    named = results["method"].astype(object) + " " + results["model"].fillna(last).astype(object)
    return results.assign(method=results["method"].astype(object).where(~several, named))


def ran(rows, names: Sequence[str]) -> list[str]:
    """For each strategy of `names` the arm that ran: the plain one, else the first with options, "bald(dropout=0.5)"."""
    there = list(rows["method"].unique()) if "method" in rows else []
    first = lambda name: next((arm for arm in there if arm.startswith(f"{name}(")), None)
    return list(dict.fromkeys(arm for name in names if (arm := name if name in there else first(name))))


def chosen(results, race: str = "", arms: Sequence[str] | None = None):
    """Rows of one race that stand in one comparison: those of `arms` (`ran`), else every arm of the notebook's own study
    (Random's, else the first row's) but what was retrained on another arm's queries."""
    rows = in_race(models(results), race)
    if arms is not None:
        return rows[rows["method"].isin(ran(rows, arms))] if len(rows) else rows
    return _own(rows, results)


def _own(rows, results):
    if len(rows) and "study" in rows:
        random = results.loc[results["method"].isin(statistics.BASELINES), "study"]
        single = results["model"].isna().groupby(results["study"], sort=False).all() if "model" in results else None
        plain = single[single].index if single is not None else results["study"]  # not those of several models
        rows = rows[rows["study"] == next(iter([*random, *plain, *results["study"]]))]
    return rows[~rows["method"].str.endswith(RETRAINED)] if len(rows) else rows


def means(rows, by: str = "method") -> str:
    """What a line and its band are, in words."""
    if rows.groupby(by)["seed"].nunique().max() < 2:
        return "One seed, so no band."
    return f"Mean of {figures.seeds(rows, by)}; band: one standard deviation over the seeds, up and down."


def of_kind(results, race: str, kind: str):
    """Rows of that kind in that race, without columns that are empty there; None where there are none."""
    rows = in_race(results, race)
    rows = rows[rows["kind"] == kind].dropna(axis=1, how="all") if len(rows) else rows
    return rows if len(rows) else None


def evaluations(results, race: str):
    """The race's evaluations but those of the ceiling, the metric in `value`; empty where there are none."""
    rows = chosen(results, race)
    rows = rows[rows["method"] != statistics.CEILING] if len(rows) else rows
    known = len(rows) and (rows["kind"] == "test").any()
    return statistics.test_rows(rows).dropna(subset=["value"]) if known else rows[:0]


def datasets_of(rows) -> str:
    """Their names, in alphabetical order."""
    return ", ".join(sorted(rows["dataset"].unique()))


def _tests(rows, race: str, metric: str):
    """(rows of the arms with the metric in `value`, the metric); (None, why) where there are none."""
    if not len(rows) or not (rows["kind"] == "test").any():
        return None, NOTHING
    try:
        known = statistics.metric_of(rows, metric)
    except BadRequest as error:  # a race of another task
        return None, str(error)
    tests = statistics.test_rows(rows, known.name).dropna(subset=["value"])
    return (tests, known) if len(tests) else (None, f"no {known.name} at this profile")


def _name(race: str, rows) -> str:
    return race or (rows["race"].iloc[0] if len(rows) and "race" in rows else "") or "this race"


def _points(metric) -> str:
    """The unit of a difference."""
    return "points" if metric.unit == "%" else metric.unit or metric.name


# --- drawings -----------------------------------------------------------------------------------------------------------


def race(
    results, race: str = "", metric: str = "", arms: Sequence[str] | None = None, x: str = "labelled"
) -> Drawing | None:
    """The metric ("": the primary one) against `x`, a column of the test rows: a line an arm, mean and deviation over the
    seeds. What training on every label reaches is said below."""
    rows = chosen(results, race, arms)
    where = _name(race, rows)
    tests, known = _tests(rows, where, metric)
    if tests is None:
        return left_out(where, known)
    lines = tests[tests["method"] != statistics.CEILING]
    if x not in lines or not lines[x].notna().any():
        return left_out(where, f"no row has {x}")
    spent = lines.groupby(["method", "cycle"])[x].transform("mean")  # where seeds spend differently
    lines = lines.assign(**{x: spent, known.label: lines["value"]})
    fig = figures.curves(
        lines, x, known.label, "method", order=None if arms is None else ran(lines, arms), low=known.low,
        high=known.high, beside=statistics.baseline_of(lines) or "",
    )  # fmt: skip
    said = figures.describe_curves(lines, x, known.label, "method", known.unit, known.better)
    below, full = means(lines), tests[tests["method"] == statistics.CEILING]
    below += " Lower is better." if known.better == "lower" else ""
    if len(full):
        n = figures.places(full["value"])
        reached = f"Every label: {full['value'].mean():.{n}f} {known.unit}".rstrip() + f" ({figures.seeds(full)})."
        below, said = f"{below} {reached}", f"{said} {reached}"
    figures.note(fig, below)
    return Drawing(fig, lines, said, tests)


def _compared(results, race: str, metric: str, arms: Sequence[str] | None):
    """(rows, their endpoint, the metric, the race's name), or a line and None."""
    rows = chosen(results, race, arms)
    where = _name(race, rows)
    tests, known = _tests(rows, where, metric)
    if tests is None:
        return left_out(where, known)
    ends = statistics.endpoint(rows, value=known.name)
    if not len(ends):
        return left_out(where, "no arm has finished a cycle")
    return rows[rows["method"] != statistics.CEILING], ends, known, where


def gains(results, race: str = "", metric: str = "", arms: Sequence[str] | None = None) -> Drawing | None:
    """Area under the budget curve, what each arm improves on Random, seed by seed, with 95 % t intervals; shaded, the
    interval of the second Random. Positive is better, also for an error."""
    found = _compared(results, race, metric, arms)
    if found is None:
        return None
    rows, ends, known, where = found
    baseline = statistics.baseline_of(ends)
    if baseline is None:
        return left_out(where, "Random did not run, so nothing can be said to gain on it")
    over = statistics.overview(rows, value=known.name)
    table = over[over["method"] != baseline].dropna(subset=["gain"])
    if table.empty:
        return left_out(where, f"no arm shares a seed with {baseline}")
    several = table["gain_seeds"] > 1
    table = table[several] if several.any() else table
    again = table[table["method"].isin(statistics.BASELINES)]
    band = (again["gain_low"].iloc[0], again["gain_high"].iloc[0]) if len(again) else None
    unit, n = _points(known), _decimals(over)
    fig = figures.forest(
        table, label="method", mean="gain", low="gain_low", high="gain_high", band=band,
        x=f"area under the curve: gain on {baseline}, {unit}"
        + " (what an error is less by: to the right is better)" * (known.better == "lower"),
    )  # fmt: skip
    counted = ends[ends["method"].isin(table["method"])]
    shaded = f" Shaded: that of {again['method'].iloc[0]}." if band else ""
    known_low = table["gain_low"].notna().any()
    interval = f"; bar: 95 % t interval.{shaded}" if known_low else "; no interval." if several.any() else ", so no interval."
    figures.note(fig, f"Paired by seed, {figures.seeds(counted)}{interval}")
    parts = [
        f"{g.method} {_signed(g.gain, n)} ({_interval(g.gain_low, g.gain_high, n)}{g.gain_seeds} seeds)"
        if g.gain_seeds > 1 else f"{g.method} {_signed(g.gain, n)} (one seed)"
        for g in table.itertuples()
    ]  # fmt: skip
    said = (
        f"Gain in area under the curve of {known.label} on {baseline}, in {unit}, positive is better, on "
        f"{datasets_of(rows)}, with 95 % t intervals, best first: {'; '.join(parts)}."
    )
    return Drawing(fig, over, said, _behind(rows))


def pairs(results, race: str = "", metric: str = "", arms: Sequence[str] | None = None) -> Drawing | None:
    """Paired differences of the area under the budget curve, every arm against every other, best first."""
    import pandas

    found = _compared(results, race, metric, arms)
    if found is None:
        return None
    rows, ends, known, where = found
    table = statistics.pairwise(ends)
    order, unit = list(table.index), _points(known)
    if len(order) < 2:
        return left_out(where, "one arm alone has no pair")
    mean, half = table["mean"], table["half_width"]
    n = _decimals(ends)
    fig = figures.matrix(mean, half, better=known.better, unit=unit, decimals=n)
    interval = "±: half the 95 % t interval of each pair alone, bold where it leaves out 0, pale where not"
    figures.note(fig, f"Area, paired by seed, {figures.seeds(ends)}; blue: the row is better. {interval}.")
    best, *rest = order
    parts = []
    for other in rest:
        gap, width = mean.loc[best, other], half.loc[best, other]
        if gap == gap:
            parts.append(f"{best} minus {other}: {_signed(gap, n)}" + (f" +- {width:.{n}f}" if width == width else ""))
    data = pandas.DataFrame(
        [{"method": row, "against": column} | {what: table[what].loc[row, column] for what in ("mean", "half_width", "p", "n")}
         for row in order for column in order if row != column]
    )  # fmt: skip
    first = "highest" if known.better == "higher" else "lowest"
    said = (
        f"Matrix of paired differences in area under the curve of {known.label}, in {unit}, on {datasets_of(rows)}, {first} "
        f"first; its first row: {'; '.join(parts)}."
    )
    return Drawing(fig, data, said, _behind(rows))


def overview(results, race: str = "", metric: str = "", arms: Sequence[str] | None = None) -> Drawing | None:
    """What an arm gains and costs: area and its t interval, labels saved, seconds of choosing and watching, the share of a
    batch that ties decided; by the paired gain on Random, else by area, best first. Columns that nothing is known of are
    left out."""
    import pandas

    found = _compared(results, race, metric, arms)
    if found is None:
        return None
    rows, ends, known, _ = found
    over = statistics.overview(rows, value=known.name)
    n = _decimals(over)
    area = [
        f"{r.aubc:.{n}f}" + f" ({r.aubc_low:.{n}f} to {r.aubc_high:.{n}f})" * (r.aubc_low == r.aubc_low)
        for r in over.itertuples()
    ]
    table = pandas.DataFrame(
        {"arm": over["method"], "seeds": over["seeds"], f"area, {known.unit}".removesuffix(", "): area,
         "labels saved": over["saved"], "choosing, s": over["choosing"], "watching, s": over["watching"],
         "tied": over["tied"]}
    )  # fmt: skip
    table = table[[c for c in table if (table[c].notna() & (table[c] != "")).any()]]
    fig = figures.table(table)
    baseline = statistics.baseline_of(ends)
    order = "area" if baseline is None else f"gain in area on {baseline} over common seeds"
    figures.note(
        fig, "area: mean under the curve (95 % t interval over the seeds). Seconds, for one batch, and tied: means."
        + " Tied: the share of a batch that was drawn by lot among equal scores." * ("tied" in table) + f" Order: {order}."
    )  # fmt: skip
    parts = [
        f"{r.method}: area {r.aubc:.{n}f}" + f", {r.saved} saved" * bool(r.saved)
        + ", the baseline" * (r.method == baseline) + (f", {r.choosing:.2f} s choosing" if r.choosing == r.choosing else "")
        for r in over.itertuples()
    ]  # fmt: skip
    said = f"Table of the arms on {datasets_of(rows)} by area under the curve of {known.label}; best first by {order}."
    return Drawing(fig, over, f"{said} {'; '.join(parts)}.", rows)


def beside(results, printed: pandas.DataFrame, **options) -> Drawing | None:
    """Printed numbers and ours. printed: from `published.published`; options: of `published.beside` (stand_ins, network,
    reference, metric)."""
    from alnb import published

    rows = models(results)
    rows = _own(rows, results)
    rows = rows[rows["kind"] == "test"] if len(rows) else rows
    name = ", ".join(dict.fromkeys(printed["artefact"]))
    try:
        table = published.beside(printed, rows, **options)
    except BadRequest as error:  # only races of another task ran
        return left_out(f"{name} beside ours", str(error))
    there = table[table["n"] > 0]
    if there.empty:
        return left_out(f"{name} beside ours", "none of its methods ran at this profile")
    columns = ["dataset", "method", "published", "ours", "sd", "n", "ran_on", "difference", "published_gain",
               "our_gain"]  # fmt: skip
    fig = figures.table(there[columns].dropna(axis=1, how="all"), decimals=max(2, figures.places(there["published"])))
    figures.note(
        fig, "ours: mean of n seeds, sd their deviation. A difference only where data, network and budgets match."
    )
    parts = [
        f"{r.method}: {r.published} printed for {r.dataset}, {r.ours:.{max(2, figures.places([r.ours]))}f} here on {r.ran_on}"
        for r in there.itertuples()
    ]
    missing = table.loc[(table["n"] == 0) & ~table["method"].isin(there["method"]), "method"]
    absent = ", ".join(dict.fromkeys(missing)) or "none"
    rows = rows[rows["dataset"].isin(there["ran_on"])]
    return Drawing(
        fig, table, f"{name} as printed beside these runs. {'; '.join(parts)}. Not run here: {absent}.", rows
    )


def audit(source: str, *scope, **options) -> Drawing | None:
    """The source's own arithmetic, done again: what fails, in words and as a table (all of it, where nothing fails).
    scope, options: of `published.audit`."""
    import pandas

    from alnb import published

    table = published.audit(source, *scope, **options)
    if table.empty:
        return left_out(f"audit of {source}", "no number that can be computed again")
    failing = table[~table["agrees"].astype(bool)]
    listed = failing if len(failing) else table
    shown = pandas.DataFrame([
        {"check": r.check} | _apart(r.printed, r.computed) | {"note": r.note if isinstance(r.note, str) else ""}
        for r in listed.itertuples()
    ])  # fmt: skip
    fig = figures.table(shown if (shown["note"] != "").any() else shown.drop(columns="note"))
    figures.note(fig, f"{len(table)} checks, {len(failing)} fail{': those shown' if len(failing) else ''}.")
    printed = lambda number: "no number printed" if number != number else f"printed {number}"
    parts = [f"{r.check}: {printed(r.printed)}, computed {_apart(r.printed, r.computed)['computed']}" for r in failing.itertuples()]
    said = f"{len(table)} checks of printed numbers, {len(failing)} fail" + f": {'; '.join(parts)}" * bool(parts) + "."
    about = pandas.DataFrame([{"dataset": figures.PRINTED_NUMBERS, "world": False, "key": None}])
    return Drawing(fig, table, said, about)


def _apart(printed: float, computed: float) -> dict[str, str]:
    """Both with as many decimals as they have, two at most, three below 2, or four where fewer would show two numbers as one;
    "" for none."""
    known = [number for number in (printed, computed) if number == number]
    enough = lambda n: all(abs(round(number, n) - number) < 1e-9 for number in known)
    most = 3 if max(map(abs, known), default=0) < 2 else 2
    n = next((n for n in range(most) if enough(n)), most)
    while n < 4 and printed != computed and f"{printed:.{n}f}" == f"{computed:.{n}f}":
        n += 1
    texts = (f"{number:.{n}f}" if number == number else "" for number in (printed, computed))
    return dict(zip(("printed", "computed"), texts))


def claims(results, notebook: str, **options) -> Drawing | None:
    """The claims of a notebook and what these runs say of them, the beginning of each claim's note (to its first semicolon)
    beside its first verdict. options: of `claims.ledger`. What holds in a null, where it should not, is said below the table."""
    import pandas

    from alnb import claims as ledgers

    rows = models(results)
    asked = ledgers.read(notebook)
    ledger = ledgers.ledger(rows, asked, **options)
    there = ledger[ledger["verdict"] != "not run"]
    if there.empty:
        return left_out(f"claims of {notebook}", "none was put to the test at this profile")
    shown = pandas.DataFrame([
        {"id": r.id, "setting": r.setting, "data": r.dataset, "difference": f"{r.method} - {r.comparator or 0}",
         "in": r.metric.partition("@")[0] + f" at {r.at}" * bool(r.at), "is": _told(r),
         "seeds": f"{r.seeds} of {r.planned}", "verdict": _verdict(r), "note": r.note.partition(";")[0]}
        for r in there.itertuples()
    ])  # fmt: skip
    shown["note"] = shown["note"].mask(shown["id"].duplicated(), "")
    shown = shown if (shown["note"] != "").any() else shown.drop(columns="note")
    quotes = there["quote"].mask(there["quote"] == there["quote"].shift(), "")
    fig = figures.table(shown, wrap=36, above=[f"“{quote}”" if quote else "" for quote in quotes])
    odd = there[there["setting"].str.startswith("null") & there["verdict"].str.startswith("holds")]
    mine = {ledgers.NULL_SCORES: "with its scores permuted"}
    held = [f"{r.id} holds {mine.get(r.setting, f'on {r.dataset}')} too, {_told(r)}" for r in odd.itertuples()]
    where = f" Where it should not: {'; '.join(held)}." if held else ""
    figures.note(
        fig, "Differences are paired by seed, with 95 % t intervals (none is shown for two seeds); those of primary claims are "
        f"Holm's. World: the stand-in.{where}"
    )
    parts = [f"{r.id} ({r.setting}, {r.dataset}): {_verdict(r)}" for r in there.itertuples()]
    said = (
        f"{len(asked)} claims; {len(ledger) - len(there)} rows have no runs at this profile. {'; '.join(parts)}.{where}"
    )
    return Drawing(fig, there, said, rows[rows["kind"] == "test"])


def _verdict(claim) -> str:
    """With what the interval says of the printed effect, where it is short of half of it."""
    half = f", less than half of the printed {claim.published_effect:g}" if claim.excludes_half in (True,) else ""
    return f"{claim.verdict}{half}"


def _told(claim) -> str:
    """Difference and interval with as many decimals as the claim's band has, two at least. Two seeds have an interval, with one
    degree of freedom, that says nothing, the less at Holm's level: it stays in the data."""
    n = max(2, math.ceil(-math.log10(claim.band) - 1e-9)) if claim.band > 0 else 2
    interval = f" ({claim.low:+.{n}f} to {claim.high:+.{n}f})" if claim.low == claim.low and claim.seeds > 2 else ""
    return f"{claim.difference:+.{n}f}{interval}"


def _decimals(areas) -> int:
    """Decimals that areas and their differences are told with."""
    return max(2, figures.places(areas["aubc"]))


def _signed(value: float, decimals: int) -> str:
    """With its sign, and nothing below zero that rounds to it."""
    return f"{round(value, decimals) + 0.0:+.{decimals}f}"


def _interval(low: float, high: float, decimals: int) -> str:
    """ "+1.20 to +3.40, ", or nothing where there is none."""
    return f"{_signed(low, decimals)} to {_signed(high, decimals)}, " if low == low else ""


def _behind(rows):
    return rows[rows["kind"] == "test"]
