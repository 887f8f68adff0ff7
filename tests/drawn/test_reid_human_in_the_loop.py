"""The artefacts of DRAL, on frames made up by hand."""

import dataclasses
from types import SimpleNamespace

import numpy
import pandas
import pytest
import torch
from matplotlib.container import ErrorbarContainer
from matplotlib.pyplot import close

from alnb import published
from alnb.drawn import reid_human_in_the_loop as drawn
from alnb.drawn import reid_tables
from alnb.tasks import pair_answers
from tests import test_any_parameters as any_parameters

ABOUT = {"study": "reid_human_in_the_loop", "dataset": "pedestrians-tiny", "world": True, "network": "reid_small"}
ENDS = {
    ("market", "dral", 10): [10, 14, 20],
    ("market", "random", 10): [10, 13, 16],
    ("market, K = 3", "dral", 3): [10, 11, 12],
}


def frame(seeds=(0, 1)):
    rows = []
    for (race, method, k), curve in ENDS.items():
        for seed in seeds:
            own = ABOUT | {"race": race, "method": method, "seed": seed, "key": f"{race}{method}{seed}"}
            for cycle, value in enumerate(curve):
                ranks = {
                    "mAP": value + seed,
                    "rank 1": value + 5.0,
                    "rank 5": value + 9.0,
                    "rank 10": value + 12.0,
                    "mINP": 1.0,
                }
                spent = {"labelled": 5 * k * cycle, "questions": k, "share": 0.1 * cycle, "pairs": (5 * k - 1) * cycle}
                rows.append(own | {"kind": "test", "cycle": cycle} | ranks | spent)
            for cycle in (0, 1):
                answers = {"dral": "10" + "0" * (k - 2), "random": "0" * k}[method]
                more = {
                    "query": 1,
                    "reward": 0.2 if method == "dral" else 0.1,
                    "answers": answers,
                    "positives": answers.count("1"),
                    "cross_camera": answers.count("1") * (cycle == 0),
                }
                rows += [own | {"kind": "query", "cycle": cycle} | more for _ in range(5)]
    full = {
        "mAP": 30.0,
        "rank 1": 40.0,
        "rank 5": 50.0,
        "rank 10": 60.0,
        "labelled": 1000,
        "questions": 10,
        "share": 100.0,
    }
    own = ABOUT | {"race": "market", "method": "all_data", "key": "all"}
    rows += [own | {"seed": seed, "kind": "test", "cycle": 2} | full for seed in seeds]
    return pandas.DataFrame(rows)


FRAME = frame()


@pytest.fixture(autouse=True)
def _closed():
    yield
    close("all")


def test_the_worked_example_says_what_is_worked_out_by_hand():
    one = drawn.fig_3()
    row = one.data[one.data["row"] == "q"].set_index(["panel", "column"])["sim"]
    before = {f"g{k}": 1 - d / 9 for k, d in enumerate((2, 3, 3.5, 6, 7), 1)}  # the largest distance is 9
    to_g2 = {"g1": 1 - 4 / 9, "g3": 1 - 1 / 9, "g4": 1 - 8 / 9, "g5": 0}
    for name, value in before.items():
        assert row["before", name] == pytest.approx(value)
        if name != "g2":
            assert row["g2 is the same person", name] == pytest.approx((value + to_g2[name]) / 2)
            refused = max(value - to_g2[name], 0) if to_g2[name] > 0.4 else value
            assert row["g2 is somebody else", name] == pytest.approx(refused, abs=1e-6)
    assert (row["g2 is the same person", "g2"], row["g2 is somebody else", "g2"]) == (1, 0)
    assert "g2 1.00 (seen)" in one.alt


def test_fig_4_says_every_iteration():
    one = drawn.fig_4(FRAME, "market")
    assert "0: rank 1 15.0, mAP 10.5; 1: rank 1 19.0, mAP 14.5; 2: rank 1 25.0, mAP 20.5" in one.alt
    assert [bar.get_height() for bar in one.figure.axes[0].patches] == [10.5, 14.5, 20.5]
    assert drawn.fig_4(FRAME, "duke") is None


def test_fig_4_has_its_numbers_beside_the_error_bars_and_a_colour_for_each_metrics():
    """Rank 1 falls after iteration 1: its number stands below the line that comes from the left, the others above."""
    fallen = FRAME.assign(**{"rank 1": FRAME["rank 1"].where(FRAME["cycle"] != 2, 16.0)})
    ax = drawn.fig_4(fallen, "market").figure.axes[0]
    assert [(text.get_text(), text.get_ha(), text.get_va()) for text in ax.texts[3:]] == [
        ("15.0", "right", "bottom"), ("19.0", "right", "bottom"), ("16.0", "right", "top")]  # fmt: skip
    grey, green = (tuple(bars.lines[2][0].get_color()[0]) for bars in ax.containers if isinstance(bars, ErrorbarContainer))
    assert grey != green


def test_table_5_is_in_the_papers_order_and_beside_its_numbers(capsys):
    one = reid_tables.table_5(FRAME, published.published("dral", "Table 5"))
    assert one.data["method"].tolist() == ["source_only", "dral, K = 3", "dral, K = 10", "all_data"]
    assert one.data["answers"].tolist() == [0, 30, 100, 1000]
    assert one.data["mAP, printed"].tolist() == [18.96, 52.5, 66.26, 73.25]
    assert one.data["mAP"].tolist() == [10.5, 12.5, 20.5, 30.0]
    assert one.data["rank 5, printed"].tolist() == [62.32, 89.9, 94.27, 95.25]
    assert one.data["distinct pairs"].tolist()[:3] == [0, 28, 98]
    said = "dral, K = 3 (30 answers about 28 pairs) mAP 12.5, rank 1 17.0, mAP +2.0 less source_only, printed 52.5 and 75.48"
    assert f"{said} for market-1501" in one.alt
    assert reid_tables.table_5(FRAME[FRAME["method"] == "random"], published.published("dral", "Table 5")) is None
    assert "no runs" in capsys.readouterr().out


def test_table_5_shows_the_upper_bounds_control_and_nothing_else_does():
    full = FRAME[FRAME["method"] == "all_data"]
    both = pandas.concat([FRAME, full.assign(kind="equal updates", labelled=None, mAP=12.0)])
    one = reid_tables.table_5(both, published.published("dral", "Table 5"))
    assert one.data["method"].tolist()[-2:] == ["all_data", "all_data, an arm's updates"]
    assert (one.data["mAP"].tolist()[-2:], one.data["answers"].tolist()[-2:]) == ([30.0, 12.0], [1000, 1000])
    assert "all_data, an arm's updates (1000 answers) mAP 12.0, rank 1 40.0, mAP +1.5" in one.alt
    assert "all labels: 30.0." in drawn.cost(both, "market").alt


def test_the_cost_has_the_other_questions_as_lines_of_their_own_and_both_levels():
    one = drawn.cost(FRAME, "market")
    assert set(one.data["method"]) == {"dral", "random", "dral, K = 3"}
    assert "source model: 10.5." in one.alt
    assert "all labels: 30.0." in one.alt
    assert "from 0 to 100" in one.alt


def test_the_cost_says_what_its_levels_rest_on_and_how_often_fewer_questions_were_fine_tuned():
    """K = 3 ends at 30 answers after two blocks; by then K = 10 has had none, and one by 50."""
    one = figure_text(drawn.cost(FRAME[(FRAME["method"] != "all_data") | (FRAME["seed"] == 0)], "market", updates=30))
    assert "Dashed, means: source model, 2 seeds; all labels, one seed." in one
    assert "of 30 updates: dral, K = 3 has had 2 by 30 answers, dral 0 by 0 answers." in one
    late = FRAME.assign(labelled=FRAME["labelled"] * (1 + (FRAME["race"] == "market, K = 3")))  # 60 answers
    assert "a fine-tuning: dral, K = 3 has had 2 by 60 answers, dral 1 by 50 answers." in figure_text(drawn.cost(late, "market"))
    assert "fine-tuning" not in figure_text(drawn.cost(FRAME[FRAME["race"] == "market"], "market"))


def whole_boxes(mAP=17.0):
    own = FRAME[(FRAME["method"] == "random") & (FRAME["kind"] == "test")]
    return own.assign(race="market, whole boxes", labelled=4000, mAP=mAP)


def test_the_other_budget_is_a_level_where_it_ran():
    assert "random, whole boxes (4,000 pairs): 17.0." in drawn.cost(pandas.concat([FRAME, whole_boxes()]), "market").alt
    assert "whole boxes" not in drawn.cost(pandas.concat([FRAME, whole_boxes().assign(race="duke, whole boxes")]), "market").alt


def test_the_rivals_stand_as_printed_with_both_budgets_and_what_the_paper_lacks_below(capsys):
    """Table 2, line by line: quoted, active, this paper, then ours alone; each of our numbers the mean of its own rows."""
    again = FRAME[FRAME["method"] == "random"].assign(method="qbc(members=3)")
    greedy, frozen = (FRAME[FRAME["method"] == "random"].assign(method=name) for name in ("least_confidence", "dral_frozen"))
    full = FRAME[FRAME["method"] == "all_data"]
    bounds = [full.assign(race="market, all labels by triplet", mAP=25.0), full.assign(kind="equal updates", mAP=12.0)]
    frame_ = pandas.concat([FRAME, again, greedy, frozen, *bounds, whole_boxes(17.0)])
    printed = published.published("dral", "Table 2")
    one = reid_tables.table_2(frame_, printed)
    assert one.data["printed as"].tolist()[:20] == list(dict.fromkeys(printed["note"].str.removeprefix("printed as ").loc[
        printed["metric"] != "reference"]))  # fmt: skip
    assert one.data["arm"].tolist()[12:] == [
        "random", "least_confidence", "qbc(members=3)", "", "", "source_only", "all_data", "dral", "dral_frozen",
        "all_data, triplet alone", "all_data, an arm's updates"]  # fmt: skip
    assert (one.data["arm"][:12] == "").all()
    ours = one.data[one.data["arm"] != ""].set_index("arm")
    assert ours["mAP, pairs"].to_dict() == {
        "random": 16.5, "least_confidence": 16.5, "qbc(members=3)": 16.5, "source_only": 10.5, "all_data": 30.0, "dral": 20.5,
        "dral_frozen": 16.5, "all_data, triplet alone": 25.0, "all_data, an arm's updates": 12.0}  # fmt: skip
    assert ours["mAP, boxes"].dropna().to_dict() == {"random": 17.0}
    assert ours["rank 1, printed"]["dral"] == 84.2
    said = one.alt
    assert "dral: equal pairs mAP 20.5, rank 1 25.0, mAP +4.0 less random; printed 66.26 and 84.2" in said
    assert "random: equal pairs mAP 16.5, rank 1 21.0; whole boxes mAP 17.0, rank 1 21.0; printed 35.15 and 58.02" in said
    assert "GD, HVIL" in said
    assert "100 answers for every arm" in figure_text(one)
    assert reid_tables.table_3(frame_, published.published("dral", "Table 3")) is None
    assert "duke: no runs" in capsys.readouterr().out


def test_an_arm_is_less_random_on_the_seeds_that_both_have():
    """DRAL has seed 1 and 2 more than half of Random, at each of which it is better by 4 and 6; its own mean is worse."""
    ran = frame(range(3))
    own, end = (ran["method"] == "dral") & (ran["race"] == "market") & (ran["kind"] == "test"), ran["cycle"] == 2
    ran.loc[own & end & (ran["seed"] == 1), "mAP"] += 2
    ran.loc[(ran["method"] == "random") & (ran["kind"] == "test") & (ran["seed"] == 2), "mAP"] += 30
    ran = ran[~(own & (ran["seed"] == 2))]
    table = reid_tables.table_2(ran, published.published("dral", "Table 2")).data.set_index("arm")
    assert table.loc["dral", "mAP, pairs"] < table.loc["random", "mAP, pairs"]
    name = "mAP, pairs, less random"
    assert table.loc["dral", [name, f"{name}, n"]].tolist() == [5, 2]
    assert table.loc["dral", f"{name}, low"] == pytest.approx(5 - 12.7062)  # gaps 4 and 6: deviation sqrt(2), over sqrt(2)
    assert table.loc["all_data", f"{name}, n"] == 3
    assert table.loc["random", f"{name}, n"] == 0
    one = reid_tables.table_5(ran, published.published("dral", "Table 5"))
    over = one.data.set_index("method")
    name = "mAP, less source_only"
    assert over.loc["dral, K = 10", [name, f"{name}, n"]].tolist() == [11, 2]  # 10 and 12
    assert over.loc["dral, K = 3", f"{name}, n"] == over.loc["all_data", f"{name}, n"] == 2  # dral's source has no more
    assert over.loc["source_only", f"{name}, n"] == 0
    assert "dral, K = 10 (100 answers about 98 pairs) mAP 21.5, rank 1 25.0, mAP +11.0 (-1.7 to +23.7) less source_only" in one.alt
    assert "on the seeds that both have" in figure_text(one)


def test_the_rewards_are_means_of_fifths_of_a_block(capsys):
    one = drawn.rewards(FRAME, "market")
    own = one.data[(one.data["method"] == "dral") & (one.data["seed"] == 0)]
    assert own["questions asked"].tolist() == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert own["answers yes, %"].tolist() == [10.0] * 10
    assert "reward of a question, over the whole run: dral 0.200, random 0.100" in one.alt
    assert own["yes across cameras, %"].tolist() == [100.0] * 5 + [0.0] * 5
    assert "share of the yes that is across cameras, %: dral 50." in one.alt  # Random had no yes
    assert "Share of the yes that is across cameras, %: dral 50." in figure_text(one).replace("\n", " ")
    assert drawn.rewards(FRAME[FRAME["kind"] == "test"], "market") is None
    assert "no runs" in capsys.readouterr().out


def many_queries():
    """Two arms of 23 queries in two blocks, whose numbers are drawn."""
    rng, rows = numpy.random.default_rng(0), []
    for method in ("random", "dral"):
        for block, size in enumerate((12, 11)):
            for _ in range(size):  # blocks of other sizes, as where queries do not divide evenly
                positives = int(rng.integers(0, 6))
                numbers = {name: int(rng.integers(0, 4)) for name in ("again", "put", "given")}
                rows.append(ABOUT | numbers | {
                    "race": "market", "method": method, "seed": 0, "key": method, "kind": "query", "cycle": block, "query": 1,
                    "reward": float(rng.random()), "answers": "1" * positives + "0" * (10 - positives), "positives": positives,
                    "cross_camera": int(rng.integers(0, positives + 1)), "asked": "1",
                })  # fmt: skip
    return pandas.DataFrame(rows)


def as_kept(rows, annotator="truth"):
    run, parts = SimpleNamespace(options=SimpleNamespace(annotator=annotator)), []
    for _, block in rows.groupby(["key", "cycle"], sort=False):
        own = {name: block.iloc[0][name] for name in (*ABOUT, "race", "method", "seed", "key")}
        parts += [own | row for row in pair_answers.kept(run, block.to_dict("records"))]
    return parts


def test_rewards_are_drawn_alike_from_every_query_and_from_what_is_kept_of_them():
    whole = many_queries()
    few = pandas.DataFrame(as_kept(whole))
    assert len(few) == 2 * 2 * pair_answers.PARTS
    assert few.groupby("key")["queries"].sum().tolist() == [23, 23]
    one, other = drawn.rewards(whole, "market"), drawn.rewards(few, "market")
    shown = ["method", "part", "reward of a question", "answers yes, %", "questions asked", "yes across cameras, %"]
    pandas.testing.assert_frame_equal(one.data[shown], other.data[shown])
    assert one.alt == other.alt


def test_what_is_kept_stays_as_it_is_and_a_person_is_kept_answer_by_answer():
    whole = many_queries()
    assert as_kept(whole, annotator="ada") == whole.to_dict("records")
    run = SimpleNamespace(options=SimpleNamespace(annotator="truth"))
    block = [{"kind": "query", "cycle": 2, "answers": "10", "query": 7, "asked": "1 2", "reward": r, "positives": 1,
              "cross_camera": 0, "again": 1, "put": 2, "given": 2} for r in [0.1] * 9 + [0.4, 0.2]]  # fmt: skip
    assert pair_answers.kept(run, block[:10]) == block[:10]  # few
    block.append({"kind": "test", "mAP": 1.0})
    once = pair_answers.kept(run, block)
    assert [row["kind"] for row in once] == ["query"] * 5 + ["test"]
    assert [row["queries"] for row in once[:5]] == [3, 2, 2, 2, 2]
    assert once[4] == {"kind": "query", "cycle": 2, "queries": 2, "questions": 2, "reward": pytest.approx(0.3), "positives": 1.0,
                       "cross_camera": 0.0, "again": 1.0, "put": 2.0, "given": 2.0}  # fmt: skip
    assert pair_answers.kept(run, once) == once


def test_reward_and_accuracy_are_less_randoms_of_the_same_seed(capsys):
    """The ceiling gets more reward and ends lower; one seed of Random is missing for it."""
    seen = FRAME[(FRAME["method"] == "dral") & (FRAME["race"] == "market")].assign(method="greedy_reward")
    seen = seen.assign(reward=seen["reward"] + 0.1 * seen["seed"] + 0.05, mAP=13.0 + 3 * seen["seed"])
    one = drawn.ceiling(pandas.concat([frame((0, 1, 2)), seen]), "market")
    found = one.data.set_index("method")
    assert found.loc["dral", ["seeds", "reward", "mAP"]].tolist() == pytest.approx([3, 0.1, 4])
    assert found.loc["greedy_reward", ["seeds", "reward", "mAP"]].tolist() == pytest.approx([2, 0.2, -2])
    assert found.loc["greedy_reward", "mAP low"] == pytest.approx(-2 - 12.7062 * 1)  # gaps -3 and -1: 0.5 sqrt(2) sqrt(2)
    assert "dral: reward +0.100, mAP +4.0" in one.alt
    assert "sees the answer before it asks" in figure_text(one)
    assert drawn.ceiling(FRAME[FRAME["method"] != "random"], "market") is None
    assert "no arm stands beside random" in capsys.readouterr().out


def test_people_who_wear_the_same_are_shown_first_and_named():
    """Of a world: four rows that are one group, or hold one, as the world itself says; of other data no two are alike."""
    from alnb.datasets import reid
    from alnb.worlds import pedestrians

    groups = pedestrians.siblings(pedestrians.PRESETS["pedestrians-tiny"])[:, 0].tolist()
    pool = reid.load("pedestrians-tiny")
    one = drawn.data({}, pool)
    named = figure_text(one).partition("Siblings: ")[2].partition(". ")[0]
    people = [[int(who) for who in group.split(", ")] for group in named.split("; ")]
    assert all(len(group) > 1 and len({groups[who] for who in group}) == 1 for group in people)
    assert f"Siblings: {named}." in one.alt
    assert "Siblings" not in drawn.data({}, dataclasses.replace(pool, name="mine")).alt


def test_one_seed_has_no_band_and_no_bars():
    alone = frame([0])
    for one in (drawn.fig_4(alone, "market"), drawn.cost(alone, "market"), drawn.rewards(alone, "market")):
        assert "deviation" not in " ".join(text.get_text() for text in one.figure.texts)
    assert "t intervals" not in figure_text(drawn.ceiling(alone, "market"))
    assert "t intervals" in figure_text(drawn.ceiling(frame(range(3)), "market"))


def answered(clocked):
    own = ABOUT | {"race": "human", "method": "dral", "seed": 0, "key": "mine", "network": "reid_small", "cycle": 0}
    rows = [own | {"kind": "test", "mAP": 10.0, "step": 0}]
    for step, (query, asked, answers) in enumerate([(0, "1 2 3", "10?"), (3, "0 2", "?-")]):
        rows.append(own | {"kind": "query", "step": step, "query": query, "asked": asked, "answers": answers})
    rows += [own | {"kind": "answer", "step": step, "asked": asked, "seconds": seconds} for step, asked, seconds in clocked]
    return pandas.DataFrame(rows)


def test_whoever_answers_is_named_and_a_pair_that_is_not_put_again_is_no_answer():
    pool = SimpleNamespace(train=SimpleNamespace(ids=torch.tensor([7, 7, 7, 8])))
    loaded = []
    load = lambda name: loaded.append(name) or pool
    told = drawn.human(answered([]), load)
    assert told.alt.endswith("5 questions: 2 cannot tell, 1 same, 1 different, 1 skipped; 1 of 2 answers are not as labelled.")
    assert "The dataset's own labels answered" in figure_text(told)
    clocked = [(0, "[0, 1]", 2.0), (0, "[0, 2]", 4.0), (0, "[0, 3]", 3.0), (1, "[3, 2]", 5.0)]  # [3, 0] was not put again
    told = drawn.human(answered(clocked), load)
    assert "4 questions: 1 same, 1 different, 1 cannot tell, 1 skipped; 1 of 2" in told.alt
    assert told.alt.endswith("14 seconds in all, 3.5 at the median. 1 were not put again.")
    assert "labels answered" not in figure_text(told)
    assert told.data["seconds"].tolist()[:3] == [2, 4, 3]
    assert set(loaded) == {"pedestrians-tiny"}
    assert drawn.human(answered([]), lambda name: None) is None


def test_answers_of_no_time_have_a_row_each_and_a_run_that_waits_says_so(capsys):
    pool = SimpleNamespace(train=SimpleNamespace(ids=torch.tensor([7, 7, 7, 8])))
    ax = drawn.human(answered([]), lambda name: pool).figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["same", "different", "cannot tell", "skipped"]
    assert {round(bar.get_y() + 0.4, 6) for bar in ax.patches} == {0, 1, 2, 3}
    assert ax.get_ylabel() == "answer"
    mine = [SimpleNamespace(race="human")]
    assert drawn.human(FRAME, lambda name: pool, waiting=mine) is None
    assert "human: its run waits for answers; nb.annotate('human') asks" in capsys.readouterr().out
    assert drawn.human(FRAME, lambda name: pool, race="other", waiting=mine) is None
    assert "other: no runs" in capsys.readouterr().out


def figure_text(drawing):
    texts = drawing.figure.findobj(lambda one: hasattr(one, "get_text"))
    return " ".join(" ".join(text.get_text() for text in texts).split())


def test_without_the_data_there_is_no_picture_of_it():
    assert drawn.data({"dataset": "market-1501"}, None) is None


RACE = {"dataset": "pedestrians-tiny", "source": "pedestrians-tiny-source", "seeds": 1}
SMALL = {"queries": 8, "k_max": 3, "n_s": 10, "kappa": 4, "blocks": 2, "height": 32, "width": 16, "source_epochs": 1, "people": 4,
         "tune_steps": 1, "tune_queries": 4, "agent_steps": 1, "agent_batch": 8}  # fmt: skip


@pytest.mark.parametrize("overrides", [
    {"market": {}, "cuhk01": RACE | {"arms": ["random"]}},
    {"market": RACE | {"arms": ["dral(seen='row')", "dral_frozen", "nearest"]}, "costs": [3, 2],
     "whole": ["random", "graph_density"], "bounds": ["triplet"], "duke": {}},
])  # fmt: skip
def test_the_notebook_runs_to_its_end_on_other_races_and_arms(overrides, tmp_path, monkeypatch, capsys):
    name = "07_reid_human_in_the_loop"
    monkeypatch.setitem(any_parameters.SMALL, name, SMALL)
    any_parameters.test_it_runs_to_its_end_and_saves_what_can_be_drawn(name, overrides, tmp_path, monkeypatch, capsys)
