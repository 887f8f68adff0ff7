"""The numbers that DRAL's claims are about, against frames whose numbers are worked out by hand; and that each can be finished."""

from __future__ import annotations

from pathlib import Path

import pandas
import pytest
import yaml

from alnb import claims, published
from alnb.acquisition import parse_arm
from alnb.audits import dral_claims
from alnb.races import counted, resolved

NOTEBOOK = "07_reid_human_in_the_loop"
ABOUT = {"study": "reid_human_in_the_loop", "race": "market", "dataset": "d", "world": True, "kind": "test"}


def frame(*given):
    """Rows of (race, method, seed, cycle, rank 1)."""
    rows = [ABOUT | {"race": r, "method": m, "seed": s, "cycle": c, "rank 1": v} for r, m, s, c, v in given]
    return pandas.DataFrame(rows)


def found(values):
    """(race, method, seed) -> the number."""
    return {(i[0], i[3], i[4]): v for i, v in values.iloc[:, 0].items()}


ENDS = frame(
    ("market", "dral", 0, 0, 10.0), ("market", "dral", 0, 1, 25.0), ("market", "dral", 0, 2, 33.0),
    ("market", "dral", 0, 4, 60.0), ("market", "dral", 1, 0, 12.0), ("market", "dral", 1, 2, 29.0), ("market", "dral", 1, 4, 55.0),
    ("market", "all_data", 0, 4, 66.0), ("market", "random", 0, 4, 40.0), ("market, K = 3", "dral", 0, 4, 51.0),
    ("market, K = 5", "dral", 1, 4, 50.0), ("market, whole boxes", "random", 0, 4, 45.0),
    ("duke, whole boxes", "random", 1, 4, 1.0),
    ("market, whole boxes", "qbc", 1, 4, 2.0), ("market, all labels by triplet", "all_data", 1, 4, 99.0),
)  # fmt: skip


def test_the_shortfall_is_against_all_labels_of_the_same_seed_and_race():
    assert found(dral_claims.shortfall(ENDS)) == {("market", "dral", 0): 6.0, ("market", "random", 0): 26.0}
    assert found(dral_claims.excess_shortfall(ENDS)) == {("market", "dral", 0): 2.0, ("market", "random", 0): 22.0}  # around 4


def test_more_questions_are_held_against_three_of_the_same_arm_and_seed():
    assert found(dral_claims.by_questions(ENDS)) == {("market", "dral", 0): 9.0}


def test_whole_boxes_are_randoms_of_the_same_seed_in_the_race_beside():
    assert found(dral_claims.over_whole_boxes(ENDS)) == {
        ("market", "dral", 0): 15.0, ("market", "random", 0): -5.0, ("market", "all_data", 0): 21.0}  # fmt: skip


def test_the_first_two_iterations_gain_from_the_source_model_on():
    assert found(dral_claims.excess_first_two(ENDS)) == {("market", "dral", 0): 3.0, ("market", "dral", 1): -3.0}  # of 20


def test_every_special_number_has_its_own_column_and_every_claim_that_wants_one_finds_it():
    for name, function in dral_claims.SPECIAL.items():
        assert list(function(ENDS).columns) == [name.partition(".")[2]]
    named = {metric for metric in claims.read(NOTEBOOK)["metric"] if metric.startswith("test.")}
    assert named == set(dral_claims.SPECIAL)


@pytest.mark.parametrize(("short", "said"), [(30.8, "reversed"), (4.3, "equivalent"), (1.5, "holds")])
def test_around_four_per_cent_falling_holds_of_a_small_shortfall_and_of_no_other(short, said):
    ends = (("all_data", 60.0), ("dral", 60.0 - short))
    rows = [("market", m, s, 2, v + s / 100 * (m == "dral")) for s in range(10) for m, v in ends]
    asked = claims.read(NOTEBOOK).query("id == 'dral-8'")
    given = frame(*rows).assign(mAP=1.0, labelled=1, share=1.0)
    (row,) = claims.ledger(given, asked, special=dral_claims.SPECIAL).itertuples()
    assert row.verdict == said


def seeds_of(race, arm):
    """On how many seeds a race has the arm, among its arms or the further ones; 0 if it has not."""
    more = race.get("more", {})
    seeds = counted(race["seeds"], None, "seeds")
    for arms, own in ((race["arms"], seeds), (more.get("arms", []), counted(more.get("seeds", len(seeds)), seeds, "more"))):
        for text in arms:
            name, options = parse_arm(text)
            if name == arm and not set(options) - {"seeds"}:
                return len(counted(options.get("seeds", own), own, "seeds"))
    return 0


@pytest.mark.parametrize(("profile", "planned"), [("paper", "planned_seeds"), ("world", "planned_world_seeds")])
def test_each_claim_can_be_finished_at_the_profile_it_plans(profile, planned):
    """Every arm, placebo and race that a claim names has the seeds that it plans, and so has what its number is held against."""
    text = (Path(published.DATA).parent / "nbconfig" / f"{NOTEBOOK}.yaml").read_text()
    asked = yaml.safe_load(text)["profiles"][profile]
    asked = {"null" if name is None else name: value for name, value in asked.items()}
    for claim in claims.read(NOTEBOOK).itertuples():
        least = getattr(claim, planned)
        for name in [claim.race] + [claim.null_race] * (profile == "world" and claim.null_race != ""):
            race = resolved(name, asked)
            arms = {claim.method, claim.comparator} | ({claim.placebo} if name == claim.race else set())
            arms |= {"all_data"} if "shortfall" in claim.metric else set()
            assert min(seeds_of(race, arm) for arm in arms - {""}) >= least, (claim.id, name)
            if claim.metric == "test.over_whole_boxes":
                assert seeds_of({"seeds": race["seeds"], "arms": asked["whole"]}, "random") >= least
            assert claim.metric != "test.by_questions" or dral_claims.FEWER in asked["costs"]


def test_a_claim_over_all_methods_is_tested_on_each_benchmark():
    rows = claims.read(NOTEBOOK)
    for quote in ("DRAL outperforms all the other active learning methods", "all the active learning methods perform better"):
        own = rows[rows["quote"].str.startswith(quote)]
        by_race = {race: set(zip(own["metric"], own["method"], own["comparator"])) for race, own in own.groupby("race")}
        assert set(by_race) == {"market", "duke", "cuhk01"}
        assert by_race["market"] == by_race["duke"] == by_race["cuhk01"]
