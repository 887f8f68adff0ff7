"""What pre-training gains, race against race: the special metrics of the claims of thesis chapter 5."""

from __future__ import annotations

import math
from collections.abc import Mapping

SMALL_BUDGET = "1%"  # the least budget that all datasets of the chapter have
RUN = ["race", "dataset", "world", "method", "seed"]
FROM_SCRATCH = {
    "few": "scratch", "second": "scratch", "fine_tuned": "scratch", "untrained": "scratch",
    "many": "many_scratch", "many_fine_tuned": "many_scratch",
}  # fmt: skip
"""Races of networks that start from another one -> those from scratch at the same budget."""


def both_ends(ours, theirs):
    """The endpoints (`statistics.endpoint`) of two sets of rows over the cycles that *both* reached, so that one that is still
    running is no shorter curve to be subtracted from; None where there is none, or their labels at the last of them differ."""
    from alnb.statistics import endpoint, horizon

    last = min(horizon(ours), horizon(theirs))
    if last < 1:
        return None
    ends = endpoint(ours, last), endpoint(theirs, last)
    return ends if ends[0]["labelled"].unique().tolist() == ends[1]["labelled"].unique().tolist() else None


def gain_of_pretraining(frame):
    """For claims ("test.gain_of_pretraining"): of each run of a race "few 1%", the area under its curve less that of the same
    strategy and seed in "scratch 1%", over the cycles that both races reached; of "many 1%" in "many_scratch 1%"; of what
    else starts from a network, trained or not, alike (FROM_SCRATCH). A Series by race, dataset, world, method, seed."""
    return _less(frame, FROM_SCRATCH)


def gain_of_training_it(frame):
    """For claims ("test.gain_of_training_it"): `gain_of_pretraining` with a head on an untrained network in the place of the
    training from scratch: what of a frozen network's features is due to its having been trained."""
    return _less(frame, {"few": "untrained"})


def _less(frame, others: Mapping[str, str]):
    import pandas

    tests, found = frame[frame["kind"] == "test"], []
    none = pandas.Series(dtype=float, index=pandas.MultiIndex.from_arrays([[]] * len(RUN), names=RUN), name="aubc")
    for race in dict.fromkeys(tests["race"]):
        family, _, percent = race.partition(" ")
        if family not in others:
            continue
        sides = both_ends(*(tests[tests["race"] == name] for name in (race, f"{others[family]} {percent}")))
        if sides is None:
            continue
        ours, theirs = (ends.assign(race=race).set_index(RUN)["aubc"] for ends in sides)
        gain = (ours - theirs.reindex(ours.index)).dropna()
        found += [gain] * (len(gain) > 0)
    return pandas.concat(found) if found else none


def fall_of_the_gain(frame):
    """For claims ("test.fall_of_the_gain"): how much less pre-training gains at a budget than at SMALL_BUDGET: the
    `gain_of_pretraining` of the same strategy and seed in "few 1%" less that in "few 10%", listed under the latter; of many
    classes alike."""
    gains = gain_of_pretraining(frame)
    if not len(gains):
        return gains
    small = {(race.split()[0], *run): gain for (race, *run), gain in gains.items() if race.endswith(f" {SMALL_BUDGET}")}
    others = gains[[not race.endswith(f" {SMALL_BUDGET}") for race in gains.index.get_level_values("race")]]
    first = [small.get((race.split()[0], *run), math.nan) for race, *run in others.index]
    return (first - others).dropna()


def claimed(results) -> dict:
    """The special metrics of the chapter's claims (claims.ledger), which look at other races than the claim's own."""
    return {
        "test.gain_of_pretraining": lambda rows: gain_of_pretraining(results),
        "test.gain_of_training_it": lambda rows: gain_of_training_it(results),
        "test.fall_of_the_gain": lambda rows: fall_of_the_gain(results),
    }
