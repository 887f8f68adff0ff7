"""What is to be tested, and what the results say of it: the claims ledger.

`data/claims/<notebook>.csv` holds a notebook's claims, each a sentence of its source turned into a contrast with a
direction, written before the runs it is about. It names races; which datasets they are, real or stand-in, is in the
results. It holds no verdict: `ledger` computes them whenever it is drawn.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping

from alnb.errors import BadRequest
from alnb.intervals import LEVEL, Difference, difference, holm, holm_intervals, verdict
from alnb.statistics import BASELINES, Incomplete, endpoint, left_out, metric_of, on_a_list, paired, with_race

COLUMNS = ["id", "quote", "place", "kind", "metric", "race", "null_race", "method", "comparator", "placebo",
           "direction", "planned_seeds", "planned_world_seeds", "band", "published_effect", "pilot_half_width", "power",
           "power_half", "note"]  # fmt: skip
NUMBERS = [
    "planned_seeds",
    "planned_world_seeds",
    "band",
    "published_effect",
    "pilot_half_width",
    "power",
    "power_half",
]
WORDS = {"kind": ("primary", "secondary"), "direction": ("higher", "lower", "equal")}
OPTIONAL = ["power", "power_half"]  # columns that a file may leave out
PILOT_SEEDS = 5  # behind every pilot_half_width

SETTINGS = ("real data", "world", "null world", "placebo")
PERMUTED = "placebo"  # as a claim's null_race: no other world, but its own placebo in its own race
NULL_SCORES = "null scores"  # the setting of such a claim in which it must not hold: placebo - comparator
INTERIM = " (interim)"  # behind a verdict on fewer seeds than the claim planned: part of the text, so no table loses it
NO_VERDICT = "no verdict"  # of runs on a published list of samples (`on_a_list`): one comparison, however many seeds
LISTED = "one published list of samples: its seeds differ by training alone, so no interval"
_LEDGER = ["id", "setting", "quote", "race", "dataset", "method", "comparator", "metric", "difference", "low", "high",
           "seeds", "planned", "verdict", "excludes_half", "kind", "direction", "sd", "half_width", "level", "p",
           "p_holm", "band", "published_effect", "power", "power_half", "aa_difference", "aa_low", "aa_high", "place",
           "note", "at"]  # fmt: skip
_RUN = ["race", "dataset", "world", "method", "seed"]


# --- what is to be tested -----------------------------------------------------------------------------------


def read(notebook: str):
    """The claims of a notebook, as `ledger` takes them; none (an empty frame with the columns) where it has no file.

    Empty numbers are NaN: not planned there, no band (never equivalent), no printed effect, no pilot.
    """
    import pandas as pd

    from alnb.published import DATA, numbers, table

    if not (DATA / "claims" / f"{notebook}.csv").is_file():
        return pd.DataFrame(columns=COLUMNS)
    frame = table("claims", notebook)
    frame = frame.assign(**{name: "" for name in OPTIONAL if name not in frame})
    if sorted(frame) != sorted(COLUMNS):
        raise BadRequest(f"data/claims/{notebook}.csv has the columns {list(frame.columns)}; accepted: {COLUMNS}")
    for name in NUMBERS:
        frame[name] = numbers(frame[name], f"data/claims/{notebook}.csv: {name}", empty=True)
    for name, known in WORDS.items():
        for place, word in zip(frame["id"], frame[name]):
            if word not in known:
                raise BadRequest(f"data/claims/{notebook}.csv: {place}: {name} {word!r}; accepted: {', '.join(known)}")
    return frame[COLUMNS]


def family(claims) -> int:
    """How many hypotheses Holm counts: the primary claims, and those of their placebos."""
    primary = claims[claims["kind"] == "primary"]
    return len(primary) + int((primary["placebo"] != "").sum())


def power(effect: float, sd: float, n: int, family: int = 1, level: float = LEVEL) -> float:
    """The chance that a paired difference of `effect`, deviation `sd` over n seeds, is found on its own side of 0 in a
    family of that many at 1 - (1 - level) / family, the level that Holm gives its first: less than what it has if others
    are rejected before. Noncentral t. NaN for NaN."""
    from scipy.special import nctdtr, stdtrit

    if math.isnan(effect) or math.isnan(sd):
        return math.nan
    critical = float(stdtrit(n - 1, 1 - (1 - level) / family / 2))
    return 1 - float(nctdtr(n - 1, abs(effect) / (sd / math.sqrt(n)), critical))


def deviation(half_width: float, n: int = PILOT_SEEDS, level: float = LEVEL) -> float:
    """The deviation of a paired difference whose t interval over n seeds has that half-width: what a pilot measured."""
    from scipy.special import stdtrit

    return half_width * math.sqrt(n) / float(stdtrit(n - 1, (1 + level) / 2))


# --- what the results say -----------------------------------------------------------------------------------


def ledger(frame, claims, level: float = LEVEL, last: int | None = None, special: Mapping[str, Callable] | None = None,
           repeated: tuple[str, str] = BASELINES):  # fmt: skip
    """One row per claim and setting, with the verdict that the results give today; the claims hold none.

    frame: results of one profile. claims: `read(notebook)`. Settings: "real data" or "world", which of the two the rows
    of the claim's race say (where it did not run, the other rows: "world" if all are stand-ins); "null world", its
    `null_race`, in which it must not hold; "placebo", the method against the arm that its column `placebo` names, in
    its race. A claim about uncertainty itself has no null world, since there is doubt in every world: its null is its own
    scores permuted (null_race "placebo"), `NULL_SCORES`, the placebo against the comparator, where it must not hold either.
    A setting that a claim does not name, or for which it plans no seeds, has no row; one without runs is "not run".
    On fewer seeds than the claim planned a verdict ends in `INTERIM`: "holds (interim)" can still change. Runs on a published
    list of samples have `NO_VERDICT`.

    The primary claims on real data with their placebos there, those on a world with theirs, and those on nulls are
    a family each for Holm: all of them, also those not run, so that a second Random is no second chance. Secondary
    claims keep the plain interval. An arm that ran with other options than a claim names ("vaal(steps=39062)" for
    "vaal") is that arm, if it is the only one of its strategy.

    The metric is "aubc" or "final" of the primary metric, of another one ("mae.final"), "<kind>.<column>" (that column of
    the rows of that kind, averaged per run), or what `special` names: {"<kind>.<word>": function}, function(frame) -> a
    number per run, as a Series or a frame's column <word>, the index race, dataset, world, method, seed; a frame may
    hold its resolution beside it ("<word>_resolution") and, of a number that has ends, these ("<word>_from", "<word>_to"):
    no interval of it alone goes beyond. Called where there are rows of that kind.

    "<kind>.<column>@<other>", of a secondary claim: a claim over all of something, tested at each value of that other column
    (`weakest`); of an evaluation at each cycle but the first, which all arms share. `at`: where it stands worst.

    A difference keeps its sign, method - comparator; `direction` is what the source says of that number. Beside each
    difference between two arms stands the A/A arm of the same race, random_again - random, with its plain interval.
    repeated: another pair, where Random is no arm: (an arm, the same arm with all chance drawn anew).
    excludes_half: whether the interval shows that the difference is less than half of the published effect; None where
    nothing is published or there is no interval.

    last: as in `endpoint`, one for all races.
    """
    import pandas as pd

    if len(frame) and "race" not in frame:
        raise BadRequest("claims name races: these results have no column race")
    frame = with_race(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Incomplete)
        values = {}
        for metric in {*claims["metric"], "aubc"}:  # that of another race may not be there
            about = claims if metric == "aubc" else claims[claims["metric"] == metric]
            rows = frame[frame["race"].isin([*about["race"], *about["null_race"]])]
            values[metric] = _values(rows, metric, last, special or {})
    dropped = values["aubc"].attrs.get("dropped", [])
    asked = [_contrast(claim, setting, values, frame, level)
             for claim in claims.to_dict("records") for setting in (*SETTINGS[1:3], NULL_SCORES, SETTINGS[3])]  # fmt: skip
    asked = [one for one in asked if one]
    for where in ("real data", "world", "null"):
        members = [one for one in asked if one["kind"] == "primary" and _family(one) == where]
        gaps = [one["gap"] for one in members]
        for one, gap, p in zip(members, holm_intervals(gaps, level), holm([gap.p for gap in gaps])):
            one["gap"], one["p_holm"] = gap, float(p)
    return pd.DataFrame([_row(one, values[one["metric"]], dropped, level, repeated) for one in asked], columns=_LEDGER)


def _family(one) -> str:
    if one["setting"] in ("null world", NULL_SCORES):
        return "null"
    return "world" if one["is_world"] else "real data"


def _arm(name: str, ran) -> str:
    """The arm of `ran` that a claim calls `name`: that one, else the only one of its strategy ("vaal(steps=39062)" for "vaal"),
    and where the claim names options, the only one that has these with other numbers (subset=5000 for subset=500; one
    ablation is not another). Random is the plain one or none: with options it stands for another comparison."""
    plain, options, _ = name.partition("(")
    if name in ran or plain in BASELINES:
        return name
    others = [arm for arm in ran if arm.partition("(")[0] == plain]
    if options:
        others = [arm for arm in others if _but_numbers(arm) == _but_numbers(name)]
    return others[0] if len(others) == 1 and others[0] != plain else name


def _but_numbers(arm: str) -> dict:
    """The options of an arm, of numbers only that they are some."""
    from alnb.acquisition import parse_arm

    try:
        options = parse_arm(arm)[1]
    except BadRequest:  # "ll4al(preset='yoo') retrained"
        return {"": arm}
    return {name: value if isinstance(value, str | bool) else None for name, value in options.items()}


def _values(frame, metric, last, special):
    """Per race, dataset, world, method and seed, and value of what follows @, one number: the column `metric`, its
    resolution beside it if known."""
    import pandas as pd

    kind, _, column = metric.partition("@")[0].partition(".")
    each = list(filter(None, [metric.partition("@")[2]]))
    empty = pd.DataFrame(columns=[*_RUN, metric])
    if not len(frame):
        return empty
    if metric in ("aubc", "final") or (column in ("aubc", "final") and metric not in special):
        if not (frame["kind"] == "test").any():
            return empty
        ends = endpoint(frame, last, kind if column else "")
        known = {column: metric, f"{column}_resolution": f"{metric}_resolution"} if column else {}
        return ends.rename(columns=known)
    part = frame[frame["kind"] == kind]
    part = part[part["cycle"] >= 1] if kind == "test" and each else part
    if not column or (len(part) and metric not in special and not {column, *each} <= set(part)):
        raise BadRequest(f"metric {metric!r}; accepted: aubc, final, <metric>.final, <kind>.<column>, special ones "
                         f"({', '.join(special) or 'none'})")  # fmt: skip
    if not len(part):
        return empty
    if metric in special:
        values = special[metric](frame)
        values = values.to_frame(column) if values.ndim == 1 else values
    else:
        values = part.groupby([*_RUN, *each])[column].agg(["mean", "count"]).rename(columns={"mean": column})
        if kind == "test":
            values[f"{column}_resolution"] = metric_of(part, column).resolution / values["count"]
    named = {name: metric if name == column else metric + name.removeprefix(column) for name in values}
    return values.rename(columns=named).reset_index()


def _contrast(claim, setting, values, frame, level):
    """The claim's difference in one setting ("world": in its race, whatever that is), or None where it names none."""
    metric = claim["metric"]
    race = claim["null_race"] if setting == "null world" else claim["race"]
    comparator = claim["placebo"] if setting == "placebo" else claim["comparator"]
    own_null = claim["null_race"] == PERMUTED
    if not race or (setting == "placebo" and not comparator) or {"null world": own_null, NULL_SCORES: not own_null}.get(setting):
        return None
    ran = frame[frame["race"] == race]
    worlds = ran if len(ran) else frame
    is_world = bool(len(worlds)) and bool(worlds["world"].astype(bool).all())
    is_world |= setting == "null world" and not len(ran)
    part = values[metric][values[metric]["race"] == race]
    arms = set(part["method"])
    method = _arm(claim["placebo" if setting == NULL_SCORES else "method"], arms)
    comparator = comparator and _arm(comparator, arms)
    planned = claim["planned_world_seeds" if is_world else "planned_seeds"]
    if math.isnan(planned):
        return None
    about = {
        "setting": "real data" if setting == "world" and not is_world else setting, "race": race, "is_world": is_world,
        "dataset": part["dataset"].iloc[0] if len(part) else "", "method": method, "comparator": comparator,
        "planned": int(planned), "listed": on_a_list(ran),
    }  # fmt: skip
    each = metric.partition("@")[2]
    if not each:
        gap = paired(part, method, comparator, metric, level)
        return claim | about | {"gap": gap.alone() if about["listed"] else gap, "p_holm": math.nan, "at": None}
    gaps = {at: paired(some, method, comparator, metric, level) for at, some in part.groupby(each)} if len(part) else {}
    at, gap = weakest(gaps, claim["direction"], level)
    return claim | about | {"gap": gap.alone() if about["listed"] else gap, "p_holm": math.nan, "at": (each, at)}


def weakest(gaps: Mapping[float, Difference], direction: str, level: float = LEVEL) -> tuple[float, Difference]:
    """Where a claim that is made of all of `gaps` stands worst, by the t statistic, and that difference; NaN and none where
    none has a seed. On the claimed side it keeps its interval: if that one leaves 0 out, all do, and no correction is due
    (an intersection-union test, Berger 1982). On the other side it is the worst of k, and its interval that of Bonferroni."""
    if direction == "equal":
        raise BadRequest("direction equal: a claim at each (@) is higher or lower")
    sign = -1 if direction == "lower" else 1
    there = {at: gap for at, gap in gaps.items() if gap.n}
    if not there:
        return math.nan, difference([])

    def standing(at):
        gap = there[at]
        return sign * gap.mean / gap.half_width if gap.half_width > 0 else sign * gap.mean * (gap.n < 2)

    at = min(there, key=standing)
    return at, there[at].at(1 - (1 - level) / len(there)) if standing(at) < 0 else there[at]


def _row(one, values, dropped, level, repeated):
    gap, nan = one["gap"], math.nan
    said = verdict(gap, one["band"], one["direction"]) if gap.n else "not run"
    said += INTERIM * (0 < gap.n < one["planned"])
    said = NO_VERDICT if gap.n and one["listed"] else said
    part = values[values["race"] == one["race"]]
    each, at = one["at"] or ("", math.nan)
    part = part[part[each] == at] if each in part else part
    again = paired(part, *reversed(repeated), one["metric"], level) if one["comparator"] else difference([])
    concerned = [run for run in dropped if run["race"] == one["race"]]
    missing = [left_out(run) for run in concerned if run["method"] in (one["method"], one["comparator"])]
    notes = [one["note"]] * bool(one["note"])
    notes += [LISTED] * bool(gap.n and one["listed"])
    notes += ["left out, unfinished: " + "; ".join(missing)] * bool(missing)
    claimed = one["setting"] in ("real data", "world")
    low, high = gap.low, gap.high
    if not one["comparator"] and f"{one['metric']}_from" in part and len(part):
        low, high = max(low, part[f"{one['metric']}_from"].min()), min(high, part[f"{one['metric']}_to"].max())
    return one | {
        "difference": gap.mean, "sd": gap.sd, "low": low, "high": high, "half_width": gap.half_width,
        "level": gap.level if gap.n > 1 else nan, "p": gap.p, "seeds": gap.n, "verdict": said,
        "excludes_half": excludes_half(gap, one["published_effect"]) if claimed else None,
        "aa_difference": again.mean, "aa_low": again.low, "aa_high": again.high, "note": " | ".join(notes),
        "at": f"{each} {at:g}" if at == at else "",
    }  # fmt: skip


def excludes_half(gap: Difference, published: float) -> bool | None:
    """Whether the whole interval lies on the near side of half of the published effect; None where either is missing."""
    if math.isnan(published) or math.isnan(gap.half_width):
        return None
    return bool(gap.high < published / 2 if published > 0 else gap.low > published / 2)
