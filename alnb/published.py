"""What the papers print: their numbers, ours beside them, and the arithmetic their own numbers fail.

`data/published/<source>.csv` holds every printed number (`paper, artefact, dataset, method, setting, metric, value,
unit, note`), with `setting` as "key=value; key=value". Nothing in this file knows a paper: the checks of `audit` follow from
the metrics and settings of the rows, and what only one paper knows its module in `alnb.methods` passes.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from alnb.errors import BadRequest

DATA = Path(__file__).resolve().parents[1] / "data"
COLUMNS = ["paper", "artefact", "dataset", "method", "setting", "metric", "value", "unit", "note"]


def published(source: str, artefact: str | None = None):
    """The printed numbers of a source, of one artefact ("Table 3.1") or of all.

    Columns as in the file; `value` is a float, and `decimals` says how many decimals are printed (which a float
    forgets: 79.50), so half a unit of the last one bounds the rounding.
    """
    frame = table("published", source)
    if list(frame.columns) != COLUMNS:
        raise BadRequest(f"data/published/{source}.csv has the columns {list(frame.columns)}; accepted: {COLUMNS}")
    frame["decimals"] = [len(text.partition(".")[2]) for text in frame["value"]]
    frame["value"] = numbers(frame["value"], f"data/published/{source}.csv: value")
    if artefact is None:
        return frame
    if artefact not in set(frame["artefact"]):
        raise BadRequest(f"{source} has no {artefact!r}; it has {', '.join(dict.fromkeys(frame['artefact']))}")
    return frame[frame["artefact"] == artefact].reset_index(drop=True)


def settings(text: str) -> dict[str, str]:
    """The setting of a row as a dict: "labelled=15000; network=resnet18" has two keys."""
    pairs = [part.partition("=") for part in text.split(";") if part.strip()]
    return {key.strip(): value.strip() for key, _, value in pairs}


def table(folder: str, source: str):
    """data/<folder>/<source>.csv as texts; BadRequest names what there is."""
    import pandas as pd

    path = DATA / folder / f"{source}.csv"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in (DATA / folder).glob("*.csv")))
        raise BadRequest(f"no data/{folder}/{source}.csv; there is: {there}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        if not text.endswith("\n"):
            raise ValueError("it ends in the middle of a line: was it cut?")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        if wrong := [n for n, row in enumerate(rows, 1) if len(row) != len(rows[0])]:
            raise ValueError(f"row {wrong[0]} has {len(rows[wrong[0] - 1])} cells where the first has {len(rows[0])}")
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise BadRequest(f"data/{folder}/{source}.csv cannot be read ({type(error).__name__}: {error})") from None
    return pd.DataFrame(rows[1:], columns=rows[0], dtype=object)


def numbers(texts, where: str, empty: bool = False) -> list[float]:
    """The texts of a column as floats, an empty one as NaN where `empty`; BadRequest names the first that is none."""
    found = []
    for place, text in enumerate(texts):
        try:
            found.append(math.nan if empty and not text else float(text))
        except ValueError:
            found.append(math.nan)
        if math.isinf(found[-1]) or (math.isnan(found[-1]) and (text or not empty)):
            raise BadRequest(f"{where} of row {place + 2} is {str(text)[:40]!r}: expected a number" + " or nothing" * empty)
    return found


# --- ours beside published ----------------------------------------------------------------------------------

_BESIDE = ["artefact", "dataset", "method", "published", "ours", "sd", "n", "race", "ran_on", "data", "labelled",
           "difference", "why", "published_gain", "our_gain", "sign", "published_rank", "our_rank"]  # fmt: skip


def beside(
    printed, ours, metric: str = "accuracy", *, network: str | None = None, stand_ins: dict[str, str] | None = None,
    reference: str = "random",
):  # fmt: skip
    """The printed numbers of a metric with ours beside them; one row per printed number and race it was run in.

    printed: from `published`; its rows of that metric. ours: a results frame (`statistics`), any number of races.
    network: ours, where the frame has no such column. stand_ins: {our world: dataset it stands for}.

    `ours` (mean), `sd`, `n` seeds, `race`, `ran_on`, `data` ("real" or "stand-in"), `labelled`: at the printed number of
    labels if we have it, else at our last counted cycle. `difference` only where dataset, network and labels match; else
    `why` says what does not. A printed method that only ran with options ("bald(dropout=0.5)" for bald) is that arm, and
    `why` names it. Gains over `reference`, differences in the metric's unit, are compared everywhere: `published_gain`,
    `our_gain` (joined on the seed; NaN where the reference did not run), `sign` ("same" or "opposite"), and the ranks
    of the gains among the methods that both have (1 = best, the smallest where lower is better).
    """
    import pandas as pd

    from alnb import statistics

    stand_ins = stand_ins or {}
    printed = printed[printed["metric"] == metric]
    rows = statistics.test_rows(ours, metric) if len(ours) else pd.DataFrame(columns=statistics.PLACE)
    places = list(dict.fromkeys(rows[statistics.PLACE].itertuples(index=False, name=None)))
    result = []
    for (artefact, dataset, _), part in printed.groupby(["artefact", "dataset", "setting"], sort=False):
        base = part.loc[part["method"] == reference, "value"]
        for race, name in [one for one in places if stand_ins.get(one[1], one[1]) == dataset] or [("", "")]:
            own = rows[(rows["race"] == race) & (rows["dataset"] == name)]
            known = statistics.metric_of(own, metric) if len(own) else None
            own = _named_as_printed(own) if len(own) else own
            block = []
            for theirs in part.itertuples():
                gain = theirs.value - float(base.iloc[0]) if len(base) and theirs.method != reference else math.nan
                one = {
                    "artefact": artefact, "dataset": dataset, "method": theirs.method, "published": theirs.value,
                    "race": race, "ran_on": name, "data": "", "labelled": None, "n": 0, "why": "not run",
                    "published_gain": gain, "sign": "",
                }  # fmt: skip
                block.append(one | _ours(theirs, own, network) | _our_gain(theirs, gain, own, reference, known))
            both = [one for one in block if "our_gain" in one]
            best = -1 if known and known.better == "lower" else 1
            for rank, gain in (("published_rank", "published_gain"), ("our_rank", "our_gain")):
                for one in both:
                    one[rank] = 1 + sum(best * other[gain] > best * one[gain] for other in both)
            result += block
    frame = pd.DataFrame(result, columns=_BESIDE)
    whole = ["labelled", "published_rank", "our_rank"]
    return frame.astype(dict.fromkeys(whole, "Int64"))


def _named_as_printed(rows):
    """An arm with options under its strategy's name, the arm itself in `run_as`; not where the plain strategy, or another
    arm of it, ran too."""
    from alnb.acquisition import parse_arm

    arms = list(rows["method"].unique())
    plain = {arm: parse_arm(arm)[0] for arm in arms if arm.endswith(")")}
    single = {arm: name for arm, name in plain.items() if [*arms, *plain.values()].count(name) == 1}
    return rows.assign(run_as=rows["method"], method=rows["method"].replace(single))


def _counted(rows, labels):
    """Rows at the printed number of labels if we have it, else at our last counted cycle (all_data: its own)."""
    from alnb import statistics

    if (rows["labelled"] == labels).any():
        return rows[rows["labelled"] == labels]
    arms = rows[rows["method"] != statistics.CEILING]
    last = statistics.horizon(arms) if (arms["cycle"] >= 1).any() else 0
    return rows[(rows["cycle"] == last) | (rows["method"] == statistics.CEILING)]


def _ours(theirs, rows, network):
    setting = settings(theirs.setting)
    labels = float(setting.get("labelled", "nan"))
    at = _counted(rows, labels) if len(rows) else rows
    at = at[at["method"] == theirs.method].dropna(subset=["value"]) if len(at) else at
    if not len(at):
        return {}
    world, used = bool(at["world"].iloc[0]), int(at["labelled"].iloc[0])
    network = at["network"].iloc[0] if "network" in at else network
    why = [f"stand-in, not {theirs.dataset}"] * world
    if network is None or network != setting.get("network"):
        why.append(f"network {network or 'not stated'}, printed {setting.get('network', 'not stated')}")
    if (arm := at["run_as"].iloc[0]) != theirs.method:
        why.append(f"run as {arm}")
    if used != labels:
        why.append(f"{used:,} labels, printed {setting.get('labelled', 'not stated')}")
    mean = float(at["value"].mean())
    return {
        "ours": mean, "sd": float(at["value"].std()), "n": len(at), "data": "stand-in" if world else "real",
        "labelled": used, "why": "; ".join(why), "difference": math.nan if why else mean - theirs.value,
    }  # fmt: skip


def _our_gain(theirs, gain, rows, reference, metric):
    from alnb import statistics

    if math.isnan(gain) or not len(rows):
        return {}
    at = _counted(rows, float(settings(theirs.setting).get("labelled", "nan")))
    ours = statistics.paired(at, theirs.method, reference, "value", resolution=metric.resolution)
    if not ours.n:
        return {}
    sign = "" if not ours.mean * gain else "same" if ours.mean * gain > 0 else "opposite"
    return {"our_gain": ours.mean, "sign": sign}


# --- the audit ----------------------------------------------------------------------------------------------


def audit(source: str, artefacts: str | Sequence[str] | None = None, checks: Sequence[Callable] = ()):
    """The arithmetic of a source's printed numbers, done again: columns check, printed, computed, agrees, note.

    artefacts: which numbers; a chapter ("3": Table 3.1, Fig. 3.6, sec. 3.4.1), a list of artefacts, or None: all.

    What is checked follows from the rows: a table with "accuracy" and "relative accuracy" (does each ratio follow from
    all_data, and if not, from which denominator); "relative accuracy", "gain" and "labels saved" that the text gives
    (setting `table=`, `against=`) against that table; "total budget" (setting `initial=`, `per_cycle=`, `cycles=`).
    checks: more of them, what only one paper knows; each takes the frame of numbers and yields rows (`compared`).
    Numbers agree if they can be equal before rounding; `within=` in a setting widens that to what its wording allows.
    """
    import pandas as pd

    frame = published(source)
    if artefacts is not None:
        frame = frame[[_within(artefact, artefacts) for artefact in frame["artefact"]]].reset_index(drop=True)
        if not len(frame):
            raise BadRequest(f"{source} has no number of {artefacts!r}")
    found = [check(frame) for check in (_ratios, _shares, _gains, _labels_saved, _budgets, *checks)]
    return pd.DataFrame(
        [row for rows in found for row in rows], columns=["check", "printed", "computed", "agrees", "note"]
    )


def _within(artefact, wanted) -> bool:
    if not isinstance(wanted, str):
        return artefact in wanted
    number = re.search(r"\d[\d.]*", artefact)
    return bool(number) and f"{number[0].rstrip('.')}.".startswith(f"{wanted.rstrip('.')}.")


def denominators(numerators, percentages, half_numerator=0.005, half_percentage=0.005) -> tuple[float, float]:
    """The interval of denominators from which every rounded percentage follows (low > high: there is none).

    Each entry bounds it by (a -+ half) / (r +- half) * 100, both printed numbers being rounded; these are intersected.
    """
    low = max((a - half_numerator) / (r + half_percentage) * 100 for a, r in zip(numerators, percentages))
    high = min((a + half_numerator) / (r - half_percentage) * 100 for a, r in zip(numerators, percentages))
    return low, high


def _half(row) -> float:
    """Half a unit of the last printed decimal, or what the wording allows."""
    return float(settings(row.setting).get("within", 0.5 * 10.0**-row.decimals))


def _cell(frame, table, dataset, method, metric):
    there = (frame["artefact"] == table) & (frame["dataset"] == dataset)
    found = frame[there & (frame["method"] == method) & (frame["metric"] == metric)]
    if len(found) != 1:
        raise BadRequest(f"{table} has {len(found)} numbers for {metric} of {method} on {dataset}; one is needed")
    return next(found.itertuples())


def _name(row, more=""):
    return f"{row.artefact}: " + ", ".join(filter(None, (row.metric, row.dataset, row.method, more)))


def compared(row, computed: float, note: str, slack: float = 0.0, more: str = "") -> dict:
    """A row of the audit: the printed number of `row` against the computed one."""
    agrees = abs(row.value - computed) <= _half(row) + slack + 1e-9
    return {"check": _name(row, more), "printed": row.value, "computed": computed, "agrees": agrees, "note": note}


def _ratios(frame):
    tables = frame[(frame["metric"] == "relative accuracy") & (frame["method"] == "all_data")]
    for table, dataset in tables[["artefact", "dataset"]].itertuples(index=False):
        full = _cell(frame, table, dataset, "all_data", "accuracy")
        part = frame[(frame["artefact"] == table) & (frame["dataset"] == dataset) & (frame["method"] != "all_data")]
        numerators, percentages = [], []
        for method in part["method"].unique():
            accuracy = _cell(frame, table, dataset, method, "accuracy")
            ratio = _cell(frame, table, dataset, method, "relative accuracy")
            computed = 100 * accuracy.value / full.value
            rounding = 100 * (accuracy.value + _half(accuracy)) / (full.value - _half(full)) - computed
            yield compared(ratio, computed, f"{accuracy.value} / {full.value}", rounding)
            numerators.append(accuracy.value)
            percentages.append(ratio.value)
        low, high = denominators(numerators, percentages, _half(accuracy), _half(ratio))
        agrees = low <= high and low - _half(full) <= full.value <= high + _half(full)
        note = f"all {len(numerators)} relative accuracies follow from a denominator in [{low:.3f}, {high:.3f}]"
        if low > high:
            note = "no single denominator gives all relative accuracies"
        yield {
            "check": f"{table}: denominator of relative accuracy, {dataset}", "printed": full.value,
            "computed": round((low + high) / 2, full.decimals) if low <= high else math.nan, "agrees": agrees,
            "note": note,
        }  # fmt: skip


def _text(frame, metric):
    """The numbers that the text gives for a table, and their settings."""
    for row in frame[frame["metric"] == metric].itertuples():
        setting = settings(row.setting)
        if "table" in setting:
            yield row, setting


def _shares(frame):
    for row, setting in _text(frame, "relative accuracy"):
        where = setting["table"], row.dataset
        accuracy, full = (_cell(frame, *where, method, "accuracy").value for method in (row.method, "all_data"))
        ratio = _cell(frame, *where, row.method, "relative accuracy").value
        yield compared(row, 100 * accuracy / full, f"{accuracy} / {full}; the table prints {ratio}")


def _gains(frame):
    for row, setting in _text(frame, "gain"):
        where, methods = (setting["table"], row.dataset), (row.method, setting["against"])
        ours, theirs = (_cell(frame, *where, method, "accuracy").value for method in methods)
        ratio, error = 100 * (ours / theirs - 1), 100 * (ours - theirs) / (100 - theirs)
        note = f"{ours} - {theirs} points; as a ratio {ratio:.2f} %, of the error {error:.1f} %"
        yield compared(row, ours - theirs, note)


def _labels_saved(frame):
    for row, setting in _text(frame, "labels saved"):
        where, methods = (setting["table"], row.dataset), (row.method, setting["against"], "all_data")
        ours, other, full = (_cell(frame, *where, method, "accuracy") for method in methods)
        first, last = (float(settings(cell.setting)["labelled"]) for cell in (other, full))
        most = (ours.value - other.value) / (full.value - other.value) * (last - first)
        yield {
            "check": _name(row, "upper bound"), "printed": row.value, "computed": most, "agrees": row.value <= most,
            "note": f"a concave curve of {setting['against']} reaches {ours.value} before its chord from {first:,.0f} "
                    f"to {last:,.0f} labels does: not contradicted, not shown either",
        }  # fmt: skip
        size = frame.loc[(frame["metric"] == "training images") & (frame["dataset"] == row.dataset), "value"]
        if "gain" in setting and len(size):
            images = float(setting["gain"]) / 100 * size.iloc[0]
            note = (
                f"{setting['gain']} % of {size.iloc[0]:,.0f} training images: where these agree, the gain is likely "
                "one in labels, not in accuracy"
            )
            yield compared(row, images, note, more="as the gain's share of the training set")


def _budgets(frame):
    for row in frame[frame["metric"] == "total budget"].itertuples():
        first, each, cycles = (float(settings(row.setting)[key]) for key in ("initial", "per_cycle", "cycles"))
        yield compared(row, first + cycles * each, f"{first:g} + {cycles:g} x {each:g}")
