"""The runs in data/records: whole, and each still the answer to what some profile asks, so that no key drifts unseen."""

import hashlib

import pytest

from alnb import plans, records, selections
from alnb.runs import canonical, with_needs

STUDIES = sorted(path.stem for path in records.folder().glob("*.csv"))
# kept under the old rule of the last batch, which `world` has left: numbers of two rules are not in one figure; and arms of it
# that `world` has no more (BALD's first network). They go when `world` is whole.
OLD = {
    ("01_label_dispersion", "world"): {
        "few.smallest_batch": 8, "null.smallest_batch": 8, "null.seeds": 10,
        "few.arms": ["random(further=2)", "random_again", "margin", "entropy", "k_center", "dispersion", "mean_confidence",
                     "count_entropy", "late_dispersion", "all_data(seeds=3)"],
        "few.more": {"seeds": 5, "arms": [
            "bald(dropout=0.5)", "random(dropout=0.5)", "qbc", "vaal", "core_set(subset=500)", "k_center(subset=500)",
            "dispersion+entropy", "ceal", "entropy+entropy", "entropy+dispersion", "dispersion+random", "random+entropy",
        ]},
    },
}  # fmt: skip

ASKS_NOTHING = ("cycle_0", "all_data", "retrained", "forgetting", "pretrained")


@pytest.fixture(scope="module")
def asked():
    """Short keys of all runs that a profile of a notebook asks for, by study."""
    found = {}
    for name in plans.names():
        for profile in plans.profiles(name):
            for overrides in ({}, OLD.get((name, profile))):
                for run in with_needs(plans.plan(name, profile, overrides).runs):
                    found.setdefault(run.study, {})[run.key[: records.SHORT]] = run
    return found


@pytest.mark.filterwarnings("error")  # of a checksum that does not match
@pytest.mark.parametrize("study", STUDIES)
def test_every_kept_run_is_asked_for_by_a_profile_under_its_key(study, asked):
    kept = records.load(study)
    assert kept
    lost = {key: steps[0]["about"] for key, steps in kept.items() if key not in asked[study]}
    assert not lost
    for key, steps in kept.items():
        about, run = steps[0]["about"], asked[study][key]
        assert {name: about[name] for name in ("dataset", "method", "seed", "settings", "needs")} == {
            name: run.description[name] for name in ("dataset", "method", "seed", "settings", "needs")
        }
        assert [step["index"] for step in steps] == list(range(run.steps))


@pytest.mark.parametrize("study", STUDIES)
def test_a_key_is_the_hash_of_what_the_record_says_was_asked(study):
    for key, steps in records.load(study).items():
        about = steps[0]["about"]
        said = {"study": study} | {n: about[n] for n in ("revision", "dataset", "method", "seed", "settings", "needs")}
        assert hashlib.sha256(canonical(said)).hexdigest()[: records.SHORT] == key


@pytest.mark.parametrize("study", [study for study in STUDIES if selections.of_study(records.folder(), study)])
def test_every_kept_selection_is_that_of_a_kept_run_with_its_batches(study, asked):
    """Of a run that goes on: the first labels, the batches of the run before it, its own."""
    kept, chosen = records.load(study), selections.of_study(records.folder(), study)
    assert set(chosen) <= set(kept)
    further = 0
    for key, one in chosen.items():
        run, o = asked[study][key], asked[study][key].options
        further += "before" in run.needs
        assert (one["dataset"], one["seed"], one["pool"]) == (run.dataset, run.seed, getattr(o, "pool", 0))
        assert one["method"] == (run.arm or run.method)
        assert one["batches"] == [o.initial] + [o.budget] * o.cycles
        assert len(set(one["labelled"])) == len(one["labelled"]) == sum(one["batches"])
        assert [row["labelled"] for row in kept[key][-1]["rows"] if row["kind"] == "test"][-1] == len(one["labelled"])
    asks = {key for key in kept if asked[study][key].method not in ASKS_NOTHING}
    assert set(chosen) == asks
    assert bool(further) == any("before" in asked[study][key].needs for key in kept)
