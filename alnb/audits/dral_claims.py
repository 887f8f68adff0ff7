"""Numbers that DRAL's claims are about and no column holds: what `claims.ledger` is given as `special` for that paper.

Each takes a frame of results and gives one number per run of an arm, index race, dataset, world, method, seed.
"""

from __future__ import annotations

from alnb import published, statistics
from alnb.methods.dral_runs import COST, WHOLE, beside

INDEX = ["race", "dataset", "world", "method", "seed"]
SAME = ["race", "dataset", "seed"]
FEWER = 3  # the least K_max of Table 5


def shortfall(frame):
    """The rank 1 that every label reaches less that of an arm in the end, of the same seed."""
    last = _last(frame)
    full = last[last["method"] == statistics.CEILING]
    return _less(full, last[last["method"] != statistics.CEILING], "shortfall", sign=-1)


def excess_shortfall(frame):
    """`shortfall` less the number that sec. 4.4 prints for all three datasets."""
    return (shortfall(frame) - _printed("sec. 4.4", "shortfall")).rename(columns={"shortfall": "excess_shortfall"})


def by_questions(frame):
    """Rank 1 in the end less that of the same arm, of the same seed, with K_max = 3 (Table 5; sec. 4.4)."""
    last = _last(frame)
    fewer = _beside(last, COST.format(FEWER))
    return _less(fewer, last, "by_questions", on=[*SAME, "method"])


def over_whole_boxes(frame):
    """Rank 1 in the end less that of Random of the same seed with the paper's budget of its rivals: sec. 4.3's comparison."""
    last = _last(frame)
    rivals = _beside(last[last["method"] == statistics.BASELINES[0]], WHOLE)
    return _less(rivals, last, "over_whole_boxes")


def excess_first_two(frame):
    """Rank 1 after the second iteration less that of the source model, less the least that sec. 4.5 says."""
    rows = frame[frame["kind"] == "test"]
    after, before = (rows[rows["cycle"] == cycle].set_index(INDEX)["rank 1"] for cycle in (2, 0))
    gain = (after - before).dropna() - _printed("sec. 4.5", "gain of the first two iterations, least")
    return gain.to_frame("excess_first_two")


def _last(frame):
    """Rank 1 after the last iteration of each run, column `rank 1` beside INDEX."""
    rows = frame[frame["kind"] == "test"].sort_values("cycle", kind="stable")
    return rows.groupby(INDEX)["rank 1"].last().reset_index()


def _beside(last, what: str):
    """The rows of races of that name, under the name of the race that they stand beside."""
    end = beside("", what)
    rows = last[last["race"].str.endswith(end)]
    return rows.assign(race=rows["race"].str.removesuffix(end))


def _less(other, last, word: str, on=SAME, sign: int = 1):
    """`last` less what `other` has where `on` is equal; what has no other is left out."""
    joined = last.join(other.set_index(on)["rank 1"].rename("other"), on=on).dropna(subset=["other"])
    return joined.assign(**{word: sign * (joined["rank 1"] - joined["other"])}).set_index(INDEX)[[word]]


def _printed(place: str, metric: str) -> float:
    """The one number that is printed there."""
    rows = published.published("dral", place)
    (value,) = rows.loc[rows["metric"] == metric, "value"].unique()
    return value


SPECIAL = {"test.excess_shortfall": excess_shortfall, "test.by_questions": by_questions,
           "test.over_whole_boxes": over_whole_boxes, "test.excess_first_two": excess_first_two}  # fmt: skip
