"""What class balance gains, arm against arm and race against race: the special metrics of the claims of thesis chapter 4."""

from __future__ import annotations

from collections.abc import Callable, Iterable

PAIRS = {"entropy_cb": "entropy", "k_center_cb": "k_center", "vaal_cb": "vaal", "bald_cb": "bald"}
"""A strategy with class balance -> the same without."""
EVEN = {
    "few": "even", "severe": "even", "many": "many_even", "many_severe": "many_even", "large": "large_even",
    "large_severe": "large_even",
}  # fmt: skip
"""A race with a tail -> the one without."""
RUN = ["race", "dataset", "world", "method", "seed"]
COLUMNS = ["final", "aubc", "above_random"]


def counterpart(arm: str, ran: Iterable[str]) -> str | None:
    """The arm of `ran` that `arm` is with balance added: the plain one, else the first with options; None where none ran."""
    name, there = PAIRS.get(arm.partition("(")[0]), list(ran)
    return name if name in there else next((one for one in there if name and one.startswith(f"{name}(")), None)


def gains(results, race: str, last: int | None = None):
    """What balance gains in one race: a row for each arm with balance and seed that ran without it too, `RUN` its index.

    Columns, in points: final and aubc, the arm's less its counterpart's (`statistics.endpoint`, up to the cycle `last`);
    above_random, the counterpart's area less Random's, NaN where that did not run.
    """
    import pandas

    from alnb import statistics

    none = pandas.DataFrame(columns=[*RUN, *COLUMNS]).set_index(RUN)
    rows = results[(results["race"] == race) & (results["kind"] == "test")] if "race" in results else results[:0]
    if not len(rows):
        return none
    ends, found = statistics.endpoint(rows, last), []
    arms = {arm: part.set_index("seed") for arm, part in ends.groupby("method")}
    for arm, own in arms.items():
        plain = arms.get(counterpart(arm, arms))
        if plain is None:
            continue
        gap = (own[["final", "aubc"]] - plain[["final", "aubc"]]).dropna()
        random = arms[statistics.BASELINES[0]]["aubc"] if statistics.BASELINES[0] in arms else float("nan")
        about = {"race": race, "dataset": own["dataset"].iloc[0], "world": bool(own["world"].iloc[0]), "method": arm}
        found.append(gap.assign(above_random=plain["aubc"] - random, **about).reset_index())
    return pandas.concat(found).set_index(RUN)[COLUMNS] if found else none


def beyond_a_point(found):
    """For claims ("test.beyond_a_point"): the gain at the last budget less one point; above 0 where it is "over 1 %"."""
    return found["final"] - 1


def beyond_what_it_improves(found):
    """For claims ("test.beyond_what_it_improves"): the gain in area less what the arm without balance gains on Random; 0 where
    the two are "comparable"."""
    return (found["aubc"] - found["above_random"]).dropna()


def of_the_tail(results, race: str):
    """For claims ("test.of_the_tail"): the gain in area in a race with a tail less that of the same arm and seed without one,
    over the cycles that both reached."""
    from alnb.statistics import horizon

    races = [race, EVEN.get(race, "")]
    tests = results[results["kind"] == "test"] if "race" in results else results[:0]
    reached = [horizon(tests[tests["race"] == name]) if len(tests) else 0 for name in races]
    if not min(reached):
        return gains(results[:0], race)["aubc"].astype(float)
    ours, even = (gains(results, name, min(reached))["aubc"] for name in races)
    without = even.droplevel(["race", "dataset", "world"])
    return ours - without.reindex(ours.index.droplevel(["race", "dataset", "world"])).to_numpy()


def claimed(results) -> dict[str, Callable]:
    """The special metrics of the chapter's claims (claims.ledger), which look at other arms and races than the claim's own."""
    import pandas

    def each(one):
        def metric(rows):
            parts = [part for race in dict.fromkeys(rows["race"]) if len(part := one(race).dropna())]
            return pandas.concat(parts) if parts else gains(results[:0], "")["aubc"].astype(float)

        return metric

    return {
        "test.beyond_a_point": each(lambda race: beyond_a_point(gains(results, race))),
        "test.beyond_what_it_improves": each(lambda race: beyond_what_it_improves(gains(results, race))),
        "test.of_the_tail": each(lambda race: of_the_tail(results, race)),
    }
