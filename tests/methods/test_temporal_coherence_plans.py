"""Chapter 2's profiles and claims: the paper's protocol to the letter, what the claims ask, and how they are told."""

import json
import re

import numpy as np
import pandas
import pytest

from alnb import acquisition, claims, plans, published
from alnb.audits import temporal_coherence as audits
from alnb.drawn import temporal_coherence as drawn
from alnb.methods import temporal_coherence as ch2
from alnb.metrics.detection import IOU
from alnb.tasks import detection
from alnb.tasks.training import recipe


def test_claims_ask_what_their_quotes_say():
    asked = claims.read("06_temporal_coherence").set_index("quote")
    similar = asked[asked.index.str.contains("similar performance")]
    assert similar["direction"].tolist() == ["equal", "equal"]
    assert (similar["band"] > 0).all()
    demanding = asked[asked.index.str.contains("computationally")].iloc[0]
    assert (demanding["metric"], demanding["direction"]) == ("timing.a_batch", "higher")
    assert demanding["metric"] in audits.SPECIAL


def test_the_stand_in_of_fig_2_5_is_asked_for_as_the_notebook_says():
    cells = json.loads((plans.FOLDER / "06_temporal_coherence.ipynb").read_text())["cells"]
    (text,) = ("".join(cell["source"]) for cell in cells if cell["id"] == "fig25-md")
    given = dict(re.findall(r"-p (\S+) (\w[\w-]*)", text))
    values = {key: plans.parse_override("06_temporal_coherence", key, value) for key, value in given.items()}
    runs = plans.plan("06_temporal_coherence", "laptop", values).runs
    assert set(given) == {"vid.like", "vid.dataset"}
    assert {run.dataset for run in runs if run.race == "vid"} == {"roads-vid"}
    assert [run.method for run in runs if run.race == "vid"] == [run.method for run in runs if run.race == "roads"]


def test_the_world_has_short_and_long_videos_of_which_a_tenth_is_asked():
    vid = [run for run in plans.plan("06_temporal_coherence", "world").runs if run.race == "vid"]
    o, size = vid[0].options, detection.pool_size(vid[0])
    _, frames = np.unique(detection._reels("roads-vid", o.videos, o.frames, o.test_every)[0].video, return_counts=True)
    assert sorted(frames)[:4] == [10, 21, 40, 60]
    assert round(100 * (o.initial + o.cycles * o.budget) / size) == 10
    assert {run.options.strategy["k"] for run in vid if not run.method.startswith("random") or run.method == "random_r"} == {3}
    asked = claims.read("06_temporal_coherence").query("race == 'vid'")
    assert asked["planned_world_seeds"].tolist() == [len({run.seed for run in vid})] * 4


@pytest.mark.parametrize("profile", ["world", "paper"])
def test_the_claim_of_all_baselines_on_videos_has_its_rivals_placebo_null_and_second_random(profile):
    runs = plans.plan("06_temporal_coherence", profile).runs
    ran = {race: {run.method for run in runs if run.race == race} for race in ("vid", "null")}
    asked = claims.read("06_temporal_coherence").query("race == 'vid'")
    assert ran["vid"] >= {"random", "random_again", "most_detections", "tc", *asked["comparator"], *asked["placebo"][:1]}
    assert asked["placebo"].tolist() == ["tc_shuffled", "", "", ""]
    assert asked["null_race"].tolist() == ["null", "", "", ""]
    assert profile == "paper" or ran["null"] >= {"tc", asked["comparator"].iloc[0]}


@pytest.mark.parametrize(("race", "dataset"), [("roads", "synthia-al"), ("vid", "imagenet-vid")])
def test_the_profile_paper_is_section_2_5_to_the_letter(race, dataset):
    printed = published.published("thesis")
    (fell,) = 1 / printed[printed["metric"] == "factor of the learning rate"]["value"]  # said of SYNTHIA-AL, and of no other
    printed = printed[printed["dataset"].isin(("", dataset)) & ~printed["metric"].str.startswith("share")]

    def row(metric, artefact="sec. 2.5.1"):
        (one,) = printed[(printed["artefact"] == artefact) & (printed["metric"] == metric)].itertuples()
        return one

    if race == "roads":
        table = printed[(printed["artefact"] == "Table 2.1") & (printed["metric"] == "frames")]
        frames = table[~table["setting"].str.contains("Test")]["value"].sum()
    else:
        several = printed[(printed["metric"] == "frames") & printed["setting"].str.contains("split=train")]
        (frames,) = several["value"]
    assert frames == {"roads": 96_000, "vid": 129_000}[race]
    runs = [run for run in plans.plan("06_temporal_coherence", "paper").runs if run.race == race]
    assert {run.dataset for run in runs} == {dataset}
    assert {run.seed for run in runs} == set(range(int(row("repetitions").value)))
    shares = published.settings(row("total budget").setting)  # per cent
    asking = [run for run in runs if run.method != "all_data"]
    for run in asking:
        o = run.options
        assert (o.initial, o.budget) == tuple(round(frames * int(shares[name]) / 100) for name in ("initial", "per_cycle"))
        further = "before" in run.needs  # Random goes on, so that labels saved can be told
        assert further or round(100 * (o.initial + o.cycles * o.budget) / frames) == row("total budget").value
        assert (o.initial_pool, o.initial_labels, o.start) == ("once", "random", "last")
        if "k" in acquisition.describe(run.method).parameters:
            k = {**acquisition.describe(run.method).parameters, **o.strategy}["k"]
            assert k == row("neighbours left out each way", "sec. 2.5.2").value
    for run in runs:
        o = run.options
        assert (o.lr, o.epochs) == (row("initial learning rate").value, row("epochs").value)
        drops = [int(digit) for digit in re.findall(r"\d+", row("epochs").note)]
        rates = [recipe(o).lr_at(epoch) for epoch in range(o.epochs)]
        assert rates == pytest.approx([o.lr * fell ** sum(epoch >= drop for drop in drops) for epoch in range(o.epochs)])
        assert (o.optimiser, o.schedule, o.momentum, o.nesterov) == ("sgd", "step", row("momentum").value, False)
        assert (o.batch, o.height, o.threshold) == tuple(row(m).value for m in ("batch size", "frame height", "score threshold"))
        assert (o.network, o.pretraining) == ("fasterrcnn_resnet50_fpn", "coco")
        assert (o.videos, o.frames, o.test_every) == (0, 0, 1)
    assert ch2.RULES["text"].reach == row("frames tracked each way", "Fig. 2.2").value
    assert row("overlap above").value == IOU
    everyone = set(drawn.ARMS_2_4C) if race == "roads" else {"random_r", *drawn.UNCERTAIN, "tc"}
    assert {run.method for run in runs} >= everyone | {"all_data"}


@pytest.mark.parametrize(("gap", "said"), [(0.0, "holds"), (0.05, "reversed"), (-0.05, "reversed")])
def test_similar_is_neither_better_nor_worse(gap, said):
    from alnb.intervals import difference, verdict

    values = gap + np.array([-0.001, 0.0, 0.001])
    one = claims.read("06_temporal_coherence").set_index("id").loc["thesis-2-4"]
    assert verdict(difference(values), one["band"], one["direction"]) == said


def test_seconds_of_a_batch_are_the_same_from_steps_and_from_a_record():
    about = {"race": "roads", "dataset": "roads-tiny", "world": True, "seed": 0}
    asked = [about | {"kind": "asked", "method": m} for m in ("tc", "random_r") for _ in range(2)]
    steps = [about | {"kind": "timing", "method": "tc", "choosing": s} for s in (2.0, 4.0, np.nan)]
    record = [about | {"kind": "timing", "method": "random_r", "choosing": 0.5}]
    spent = audits.seconds_a_batch(pandas.DataFrame(asked + steps + record)).droplevel(
        ["race", "dataset", "world", "seed"]
    )
    assert spent.to_dict() == {"tc": 3.0, "random_r": 0.25}
    assert audits.seconds_a_batch(
        pandas.DataFrame([about | {"kind": "timing", "method": "all_data", "seconds": 1.0}])
    ).empty
