"""The artefacts of chapter 2, on frames made up by hand."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
from matplotlib.pyplot import close
from matplotlib.text import Text

from alnb import datasets, published
from alnb.drawn import road_scenes
from alnb.drawn import temporal_coherence as drawn
from alnb.methods import temporal_coherence as ch2
from tests.result_frames import results

ABOUT = {"study": "temporal_coherence", "dataset": "roads-tiny", "world": True, "race": "roads"}
CURVES = {
    ("random", 0): [0.2, 0.25], ("random", 1): [0.2, 0.27], ("random_r", 0): [0.2, 0.28], ("random_r", 1): [0.2, 0.29],
    ("tc", 0): [0.2, 0.3], ("tc", 1): [0.2, 0.31],
}  # fmt: skip


def frame():
    tests = results(CURVES, "roads-tiny", True, race="roads", study="temporal_coherence", metric="AP")
    tests["key"] = tests["method"] + tests["seed"].astype(str)
    tests["boxes"] = tests["labelled"] * 2.0
    rows = []
    for method, seed in CURVES:
        about = ABOUT | {"method": method, "seed": seed, "key": f"{method}{seed}", "cycle": 0}
        looking = {"detecting": 2.0, "choosing": 2.1} if method == "tc" else {"choosing": 0.01}
        rows += [about | {"kind": "asked", "boxes": 3.0}, about | {"kind": "timing"} | looking]
        if method != "tc":
            continue
        for order, right in (("in time", 6), ("shuffled", 3)):
            for error in ("fp", "fn"):
                own = about | {"kind": "errors", "order": order, "error": error}
                whole = {"true": 10, "estimated": 8, "right": right, "chance": 0.2, "rank": 0.5, "nonempty": 20}
                rows.append(own | {"sort": "all"} | whole)
                parts = {"flickers": {"right": 4, "estimated": 6}, "persistent": {"right": 2}}  # the second: a short report
                rows += [own | {"sort": sort, "true": 5} | part for sort, part in parts.items()]
        place = {"video": 0, "time": 1, "class": 0, "x0": 10.0, "y0": 12.0, "x1": 30.0, "y1": 40.0}
        rows += [about | {"kind": "box", "what": what} | place for what in ("truth", "detection", "fp")]
    return pandas.concat([tests, pandas.DataFrame(rows)], ignore_index=True)


FRAME = frame()
WORLD = datasets.load("roads-tiny")


def below(drawing):
    """The note under the figure, on one line."""
    return " ".join(drawing.figure.get_supxlabel().split())


@pytest.fixture(autouse=True)
def _closed():
    yield
    close("all")


def test_the_graph_of_the_worked_example_says_its_labels():
    shots = ch2.example()
    one = drawn.fig_2_2(shots, ch2.estimate(shots))
    assert "5 detections and 5 candidates in 5 frames" in one.alt
    assert "energy 2 says 4 TP, 1 FP, 4 TN, 1 FN; false: frame 2; missed: frame 2" in one.alt
    assert one.rows is None
    assert "FP and FN cost 1 each; no edge is cut; energy, the least: 2." in below(one)  # a dotted edge is named where there is one
    assert one.data["label"].tolist() == ["TP"] * 4 + ["FP"] + one.data["label"][5:].tolist()


def test_errors_found_are_told_frame_by_frame(capsys):
    one = drawn.fig_2_3(FRAME, WORLD)
    assert f"{WORLD.train[0].name} frame 1: 1 objects, 1 detections, 1 called false, 0 called missed" in one.alt
    assert len(one.figure.axes[0].patches) == 3
    assert drawn.fig_2_3(FRAME, None) is None
    assert drawn.fig_2_3(FRAME[FRAME["kind"] == "test"], WORLD) is None
    assert "its videos are not here" in capsys.readouterr().out


def test_estimates_are_pooled_over_cycles():
    one = drawn.errors_2(FRAME)
    own = one.data[(one.data["error"] == "fp") & (one.data["order"] == "in time")]
    whole = own[own["sort"] == "all"]
    assert whole["precision"].tolist() == [0.75, 0.75]
    assert whole["recall"].tolist() == [0.6, 0.6]
    assert own["sort"].tolist() == ["all", "flickers", "persistent"] * 2
    assert "frames in time: precision 0.75, recall 0.60, rank 0.50, precision of as many at random 0.20" in one.alt
    assert "those not linked: precision 0.67, recall 0.80, those linked: recall 0.40" in one.alt
    assert "those flicker: precision 0.67, recall 0.80, those persist: recall 0.40" in one.alt
    first = "0.50 false positives (50 % not linked), 0.50 false negatives (50 % flicker)"
    assert f"After the first training, a frame with an object: {first}" in one.alt
    assert "frames shuffled: precision 0.38" in one.alt


def test_what_false_positives_lie_on_is_drawn_where_a_world_tells_it():
    told = FRAME[(FRAME["kind"] == "errors") & (FRAME["error"] == "fp") & (FRAME["sort"] == "persistent")]
    own = [told.assign(sort=sort, true=n, right=right, estimated=right + 1)
           for sort, n, right in (("reflection", 4, 4), ("lookalike", 5, 2), ("elsewhere", 1, 0))]  # fmt: skip
    one = drawn.errors_2(pandas.concat([FRAME, *own]))
    part = one.data[(one.data["error"] == "fp") & (one.data["order"] == "in time") & (one.data["seed"] == 0)]
    assert part["sort"].tolist() == ["all", "reflection", "lookalike", "elsewhere", "flickers", "persistent"]
    assert "those on a reflection: precision 0.80, recall 1.00, those on a look-alike: precision 0.67, recall 0.40" in one.alt
    assert "0.50 false positives (40 % on a reflection, 50 % on a look-alike)" in one.alt
    titles = [ax.get_title(loc) for ax in one.figure.axes for loc in ("left", "center")]
    counts = "8 on a reflection, 10 on a look-alike, 2 elsewhere; 10 not linked, 10 linked"
    assert f"false positives: {counts}" in titles
    assert "false negatives: 10 flicker, 10 persist" in titles


def test_nothing_estimated_is_no_division():
    rows = FRAME[FRAME["kind"] == "errors"].assign(estimated=0, right=0, true=0, rank=np.nan)
    said = drawn.errors_2(rows).alt
    assert "at random" not in said
    assert "nan" not in said
    assert "false positives, frames in time: none" in said


def test_chance_is_weighted_as_the_precision_beside_it_and_of_its_own_order():
    """Two cycles of 30 and 10 calls with a chance of 0.1 and 0.5: at random 3 + 5 of 40 are right. Shuffled, 0.3 of all."""
    first = FRAME[(FRAME["kind"] == "errors") & (FRAME["seed"] == 0)]
    own = lambda cycle, estimated, chance: first.assign(cycle=cycle, estimated=estimated).assign(
        chance=np.where(first["order"] == "shuffled", 0.3, chance)
    )
    one = drawn.errors_2(pandas.concat([own(0, 30, 0.1), own(1, 10, 0.5)]))
    table = one.data[(one.data["error"] == "fn") & (one.data["sort"] == "all")].set_index("order")
    assert table.loc["in time", "chance"] == pytest.approx(0.2)
    assert table.loc["shuffled", "chance"] == pytest.approx(0.3)
    assert table.loc["in time", "precision"] == pytest.approx(12 / 40)
    assert "frames in time: precision 0.30" in one.alt
    assert one.alt.count("precision of as many at random 0.20") == one.alt.count("at random 0.30") == 2


def test_costs_are_those_of_a_batch_where_a_record_holds_the_sum():
    rows = FRAME[FRAME["method"] == "tc"]
    twice = pandas.concat([rows, rows[rows["kind"] == "asked"].assign(cycle=1)])
    assert "tc: 0.05 s beside 1.00 s of looking" in drawn.cost_2(twice).alt


def test_the_race_of_the_two_randoms_and_the_costs(capsys):
    assert "random_r 0.200 to 0.285" in drawn.fig_2_4a(FRAME).alt
    assert "tc: 0.10 s beside 2.00 s of looking, 3.0 boxes a frame" in drawn.cost_2(FRAME).alt
    assert "The first run of a process that sees a frame of a world pays" in below(drawn.cost_2(FRAME))
    assert "The first run" not in below(drawn.cost_2(FRAME.assign(world=False)))
    assert "The first run" not in below(drawn.cost_2(FRAME[FRAME["method"] != "tc"]))  # nobody looks
    alone = FRAME[FRAME["method"] == "tc"]
    assert drawn.fig_2_4a(alone) is None
    assert drawn.cost_2(FRAME[:0]) is None
    assert "did not run both" in capsys.readouterr().out


def test_the_data_are_counted():
    one = road_scenes.data_2(WORLD, 4)
    middle = [video.frame(video.length // 2) for video in WORLD.train[:: len(WORLD.train) // 4]]
    objects = one.data["class"] != road_scenes.LOOKALIKE
    assert objects.sum() == sum(len(frame.boxes) for frame in middle)
    assert (~objects).sum() == sum(len(video.decoys(video.length // 2)[0]) for video in WORLD.train[:: len(WORLD.train) // 4])
    assert one.rows["world"].all()
    assert road_scenes.data_2(None) is None


def test_eight_frames_that_follow_each_other():
    one = road_scenes.fig_1_3(WORLD)
    times = one.data.drop_duplicates("time")["time"].tolist()
    assert times == list(range(times[0], times[0] + 8)) or len(times) < 8  # a frame may be empty
    assert "8 consecutive frames of" in one.alt
    assert "from frame to frame a pixel changes by" in one.alt
    assert road_scenes.fig_1_3(None) is None


def test_weather_is_what_the_caption_says(capsys):
    for made, titles in ((road_scenes.fig_2_6, "night, city"), (road_scenes.fig_2_7, "rain, town")):
        one = made(WORLD)
        assert titles in one.alt
        assert "car" in one.alt
    bare = dataclasses.replace(WORLD, train=[SimpleNamespace()], test=[])
    assert road_scenes.fig_2_6(bare) is None
    assert "does not say which weather" in capsys.readouterr().out


def test_table_2_1_is_counted_beside_what_is_printed():
    printed = published.published("thesis", "Table 2.1")
    one = road_scenes.table_2_1(printed, WORLD)
    cell = one.data.set_index(["subset", "what"])
    assert tuple(cell.loc[("Default", "sequences"), ["published", "here"]]) == (150, 16)
    assert tuple(cell.loc[("Wheelchair", "wheelchair"), ["published", "here"]]) == (100, 100)
    assert cell.loc[("Night", "frames"), "here"] == sum(v.length for v in WORLD.train if v.subset == "night")
    assert np.isnan(cell.loc[("Night", "pedestrian"), "here"])
    assert "Default: 74,000 printed" in one.alt


def test_the_areas_and_conditions_of_table_2_1_are_shown_as_printed_and_as_here():
    printed = published.published("thesis", "Table 2.1")
    one = road_scenes.table_2_1(printed, WORLD)  # two sequences of the night: a city, a highway
    cell = one.data.set_index(["subset", "what"])
    assert tuple(cell.loc[("Default", "areas"), ["published", "here"]]) == ("C,H", "C,H")
    assert tuple(cell.loc[("Test (no WC)", "conditions"), ["published", "here"]]) == ("S,F,R,N", "S,F,R")
    assert "Test (no WC) conditions S,F,R,N printed, S,F,R here" in one.alt
    assert any(text.get_text() == "S,F,R,N / S,F,R" for text in one.figure.findobj(Text))


def arms(names, race="roads", dataset="roads-tiny"):
    curves = {(name, seed): [0.2, 0.25 + 0.01 * i + 0.005 * seed] for i, name in enumerate(names) for seed in (0, 1)}
    return results(curves, dataset, True, race=race, study="temporal_coherence", metric="AP")


def test_the_races_of_fig_2_4_and_2_5_hold_their_arms_and_say_what_is_missing(capsys):
    names = [*drawn.ARMS_2_4C, drawn.BY_TEMPLATE, "random"]
    rows = pandas.concat([arms(names), arms(["random_r(k=3)", "tc(k=3)", "entropy_r(k=3)"], "vid", "roads-vid")])
    for made, own in ((drawn.fig_2_4b, {"tc", drawn.BY_TEMPLATE}), (drawn.fig_2_4c, set(drawn.ARMS_2_4C)),
                      (drawn.fig_2_5, {"random_r(k=3)", "tc(k=3)", "entropy_r(k=3)"})):  # fmt: skip
        assert set(made(rows).data["method"]) == own
    few = arms(["tc", "random_r"])
    assert [made(few) for made in (drawn.fig_2_4b, drawn.fig_2_4c, drawn.fig_2_5)] == [None] * 3
    said = capsys.readouterr().out
    assert "TC did not run with both trackers" in said
    assert "no uncertainty baseline and no oracle ran" in said


def test_table_2_2_knows_the_baselines_by_their_names_here():
    printed = published.published("thesis", "Table 2.2")
    rows = arms([*drawn.ARMS_2_4C, drawn.BY_TEMPLATE])
    table = drawn.table_2_2(rows, printed, {"roads-tiny": "synthia-al"}).data
    ran = table[(table["n"] > 0) & (table["dataset"] == "synthia-al")]
    assert set(ran["method"]) == {*drawn.ARMS_2_4C, drawn.BY_TEMPLATE}
    assert ran.set_index("method").loc["margin_r", "published"] == 0.586
    assert ran.set_index("method").loc[drawn.BY_TEMPLATE, "published"] == 0.591


def test_table_2_2_has_its_relative_column():
    """In percent of all data, on the seed that both ran on; an arm with options stands for a printed method."""
    printed = published.published("thesis", "Table 2.2")
    about = {"race": "roads", "study": "temporal_coherence", "metric": "AP"}
    full = results({("all_data", 1): [0.5]}, "roads-tiny", True, labelled=[900], **about)
    rows = pandas.concat([arms(["random_r", "tc(k=3)", "random"]), full])
    one = drawn.table_2_2(rows, printed, {"roads-tiny": "synthia-al"})
    table = one.data[one.data["n"] > 0].set_index("method")
    assert table.loc["tc", ["published_relative", "our_relative", "relative_seeds"]].tolist() == [95.3, pytest.approx(53), 1]
    assert table.loc["random_r", "our_relative"] == pytest.approx(51)
    assert "here on roads-tiny, 95.3 and 53.0 % of all data" in one.alt
    without = drawn.table_2_2(arms(["random_r", "tc"]), printed, {"roads-tiny": "synthia-al"})
    assert without.data["our_relative"].isna().all()
    assert "of all data" not in without.alt
    assert drawn.table_2_2(arms(["random"]), printed, {"roads-tiny": "synthia-al"}) is None
