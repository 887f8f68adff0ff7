"""Where the results that are drawn come from: this machine's store or the records in git, a seed from one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from alnb import records
from alnb.plans import FROM_RECORDS
from alnb.runs import Run
from alnb.store import Store


def sourced(
    runs: Iterable[Run], profile: str, store: Store, say: Callable[[str], None] = print
) -> list[tuple[Run, list[dict]]]:
    """(run, steps) of what is done, each seed of a dataset from one source: from the store, or, where `profile` draws from
    records and the store lacks a run of it that they have, from whichever holds more of it, the records if as many. Runs of
    the seed that only the other holds are left out, which one line says; but for strategies of a cell, of which there can be
    no record."""
    pairs, seeds = [], {}
    for run in runs:
        progress = store.read(run)
        own = progress.steps if progress.done else None
        kept = records.steps(run) if profile in FROM_RECORDS else None
        pairs.append((run, own, kept))
        seeds.setdefault((run.dataset, run.seed), {})[run.key] = bool(own), bool(kept), run.carry is not None
    from_records = {}
    for place, members in seeds.items():
        ours, theirs, _ = map(sum, zip(*members.values()))
        lacks = any(kept and not own for own, kept, _ in members.values())
        from_records[place] = lacks and theirs >= ours
    chosen, left = [], {}
    for run, own, kept in pairs:
        place = run.dataset, run.seed
        steps = kept if from_records[place] else own
        if steps or (run.carry is not None and own):
            chosen.append((run, steps or own))
        elif own or kept:
            left[run.key] = place, "this machine's" if own else "recorded"
    if left:
        whose = " and ".join(f"{n} {which}" for which, n in Counter(which for _, which in left.values()).items())
        places = list(dict.fromkeys(f"{name} seed {seed}" for (name, seed), _ in left.values()))
        where = ", ".join(places[:3]) + f" and {len(places) - 3} more" * (len(places) > 3)
        say(f"left out: {whose} of the runs on {where}: a seed is drawn from one source, this machine or the records, whichever "
            "holds more of it (alnb records export adds this machine's to the records)")  # fmt: skip
    return chosen
