"""The artefacts of chapter 5, on frames made up by hand."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
from matplotlib.pyplot import close

from alnb import datasets, published
from alnb.drawn import pretraining as pretrained
from alnb.drawn import self_supervision as drawn
from alnb.learning.views import Policy
from tests.result_frames import results

STUDY = {"study": "self_supervision", "world": True}
PLAIN = {
    ("random", 0): [50, 60, 70],
    ("random", 1): [50, 62, 72],
    ("entropy", 0): [50, 58, 70],
    ("entropy", 1): [50, 61, 71],
}


def race(name, curves=PLAIN, more=0.0, dataset="digits", network="head", start=100):
    moved = {arm: [value + more * (cycle > 0) for cycle, value in enumerate(curve)] for arm, curve in curves.items()}
    frame = results(moved, dataset, race=name, network=network, labelled=[start, 2 * start, 3 * start], **STUDY)
    return frame.assign(key=name + frame["method"] + frame["seed"].astype(str))


def pretraining():
    about = {
        "kind": "pretraining",
        "race": "pretraining",
        "study": "simsiam",
        "dataset": "digits",
        "world": True,
        "seed": 0,
    }
    lines = {"simsiam": [(None, 50, 0.3), (-0.5, 60, 0.9), (-0.7, 70, 1.0)]}
    lines["simsiam(stop_gradient=False)"] = [(None, 50, 0.3), (-1.0, 40, 0.0)]
    return pandas.DataFrame(
        [about | {"method": arm, "key": arm, "epoch": epoch, "loss": loss, "knn": knn, "spread": spread}
         for arm, values in lines.items() for epoch, (loss, knn, spread) in enumerate(values)]
    )  # fmt: skip


def by_class():
    frames = []
    for name, gains in (("features-10", (-2, 1, 3)), ("features-20", (-2, -1, 1)), ("features-50", (-3, -2, -1))):
        for per_class, gain in zip((1, 4, 16), gains):
            curves = {("random", seed): [0, 50, 60 + seed] for seed in (0, 1, 2)}
            curves |= {("entropy", seed): [0, 50 + gain, 60 + seed + gain + 0.1 * seed] for seed in (0, 1, 2)}
            frames.append(race(f"{name} x {per_class}", curves, dataset=name, start=per_class * 10))
    return pandas.concat(frames)


FRAME = pandas.concat([
    pretraining(), race("few 1%", start=30), race("few 10%", start=300, more=10), race("svm 10%", start=300, more=12),
    race("scratch 10%", {arm: curve for arm, curve in PLAIN.items() if arm[1] == 0}, start=300, network="small"),
    race("many 1%", dataset="features-20"), by_class(),
], ignore_index=True)  # fmt: skip


@pytest.fixture(autouse=True)
def _closed():
    yield
    close("all")


def test_a_panel_a_budget_and_a_line_a_training_and_arm():
    one = drawn.fig_5_3(FRAME)
    assert [ax.get_title() for ax in one.figure.axes] == ["1 %", "10 %"]
    assert [len(ax.lines) for ax in one.figure.axes] == [2, 6]
    assert "10 % a cycle, linear head, pre-trained, at 900 labels: random 81.0, entropy 80.5" in one.alt
    assert "from scratch, at 900 labels: random 70.0, entropy 70.0" in one.alt
    assert "mean of 2 seeds (from scratch: 1)" in one.alt
    assert {line.get_linestyle() for line in one.figure.axes[1].lines} == {"-", ":", "--"}
    assert drawn.fig_5_4(FRAME).rows["dataset"].unique().tolist() == ["features-20"]
    assert drawn.fig_5_4(FRAME[FRAME["race"] != "many 1%"]) is None


def test_gains_are_paired_and_each_training_has_its_own_random():
    one = drawn.gains_5(FRAME)
    table = one.data.set_index(["percent", "training", "method"])["gain"]
    assert table[(1.0, "", "entropy")] == pytest.approx(-1.0)  # areas: -1 and -1 by hand
    assert table[(10.0, "scratch", "entropy")] == pytest.approx(-1.0)
    assert "SVM, pre-trained, 10 %, entropy -1.00" in one.alt


def test_what_pretraining_gains_is_of_the_same_strategy_and_seed():
    one = drawn.pretraining_gain_5(FRAME)
    assert sorted(one.data[["percent", "method", "seeds"]].values.tolist()) == [
        [10.0, "entropy", 1],
        [10.0, "random", 1],
    ]
    assert one.data["gain"].tolist() == pytest.approx([10, 10])
    assert drawn.pretraining_gain_5(FRAME[FRAME["race"] != "scratch 10%"]) is None
    running = FRAME[(FRAME["race"] != "scratch 10%") | (FRAME["cycle"] < 2)]
    assert drawn.pretraining_gain_5(running).data["gain"].tolist() == pytest.approx([10, 10])  # of cycle 1 alone


def test_the_threshold_rises_with_the_classes_and_what_is_not_reached_is_said():
    one = drawn.fig_5_6(FRAME)
    found = one.data.set_index("classes")["budget"]
    assert found[10] == pytest.approx(2.52, abs=0.05)
    assert 4 < found[20] < 16
    assert np.isinf(found[50])
    assert "entropy, features-50, 50 classes: over 16" in one.alt
    assert "no correlation" in one.alt
    assert drawn.fig_5_6(FRAME[~FRAME["race"].str.contains(" x ")]) is None


def test_a_threshold_of_one_seed_has_no_interval():
    one = drawn.fig_5_6(FRAME[FRAME["seed"] == 0])
    assert one.data["low"].isna().all()
    assert one.data["high"].isna().all()
    assert "entropy, features-50, 50 classes: over 16." in one.alt
    assert ", over 16 to over 16" not in one.alt
    assert "no bars, one seed has no interval" in " ".join(text.get_text() for text in one.figure.texts)


def test_two_datasets_of_as_many_classes_are_two_lines_and_a_null_world_is_hollow_and_correlates_with_nothing():
    null = by_class().query("dataset == 'features-10'")
    null = null.assign(dataset="features-10-null", race=null["race"].str.replace("features-10", "features-10-null"))
    one = drawn.fig_5_6(pandas.concat([FRAME, null], ignore_index=True))
    left, right = one.figure.axes
    lines = [bars.get_label() for bars in left.containers]
    assert lines == ["features-10", "features-20", "features-50", "features-10-null"]
    assert all(len(bars[0].get_xdata()) == 3 for bars in left.containers)  # no zigzag
    assert [bars.get_label() for bars in right.containers] == ["entropy", "entropy, null world"]
    assert [bars[0].get_markerfacecolor() == "none" for bars in right.containers] == [False, True]
    assert "entropy, features-10-null, 10 classes: 2.5" in one.alt
    assert "Fewer than three crossings" in one.alt  # those of 10 and 20 classes: the null's is none


def test_the_collapsed_encoder_of_heads_is_said(capsys):
    assert pretrained.simsiam_5(FRAME)
    assert capsys.readouterr().out == ""  # an arm that no head stands on may collapse
    flat = pretraining().assign(spread=0.01)
    one = pretrained.simsiam_5(flat)
    said = "the encoder of the heads on digits has collapsed, spread 0.01"
    assert capsys.readouterr().out == f"pretraining: {said}: heads on it see the same of every image\n"
    assert said in one.alt
    assert said in " ".join(text.get_text() for text in one.figure.texts).replace("\n", " ")


def test_an_untrained_encoder_is_a_point_and_said_to_be_untrained():
    plain = pretraining().query("method == 'simsiam' and epoch == 0")
    one = pretrained.simsiam_5(pandas.concat([FRAME, plain.assign(method="simsiam(epochs=0)", key="u", knn=41.0)]))
    assert "simsiam(epochs=0): not trained, k-NN 41.0 %, spread 0.30" in one.alt
    assert [line.get_marker() for line in one.figure.axes[1].lines] == ["", "", "o"]


def test_what_starts_from_a_network_has_a_panel_each_beside_the_head_and_its_own_line_in_the_figure():
    more = [race(f"{kind} 10%", start=300, more=by) for kind, by in (("fine_tuned", 4), ("untrained", -3), ("second", 9))]
    frame = pandas.concat([FRAME, *more], ignore_index=True)
    one = drawn.pretraining_gain_5(frame)
    assert one.data.groupby("training", sort=False)["gain"].mean().to_dict() == pytest.approx(
        {"": 10, "second": 9, "fine_tuned": 4, "untrained": -3}
    )
    assert [ax.get_title() for ax in one.figure.axes] == [
        "linear head, pre-trained", "linear head, second encoder", "fine-tuned, pre-trained", "linear head, untrained"]  # fmt: skip
    assert "fine-tuned, pre-trained, 10 %, random +4.0" in one.alt
    styles = {line.get_linestyle() for line in drawn.fig_5_3(frame).figure.axes[1].lines}
    assert "-." in styles
    assert len(drawn.fig_5_3(frame).figure.axes[1].lines) == 12


def test_figure_5_5_is_that_of_the_family_tiny():
    one = drawn.fig_5_5(pandas.concat([FRAME, race("tiny 2%", dataset="features-50")], ignore_index=True))
    assert one.rows["dataset"].unique().tolist() == ["features-50"]
    assert drawn.fig_5_5(FRAME) is None


def test_encoders_of_two_datasets_are_two_lines():
    other = pretraining().query("method == 'simsiam'").assign(dataset="glyphs-10", key="other", knn=20.0)
    one = pretrained.simsiam_5(pandas.concat([FRAME, other], ignore_index=True))
    assert "simsiam, glyphs-10: after 2 epochs loss -0.70, k-NN 20.0 to 20.0 %" in one.alt
    assert "simsiam, digits: after 2 epochs loss -0.70, k-NN 50.0 to 70.0 %" in one.alt
    assert len(one.figure.axes[0].lines) == 3
    pools = pretrained.simsiam_5(pandas.concat([FRAME, other.assign(dataset="digits")], ignore_index=True))
    assert "simsiam, another pool: after 2 epochs loss -0.70, k-NN 20.0 to 20.0 %" in pools.alt
    assert "simsiam: after 2 epochs loss -0.70, k-NN 50.0 to 70.0 %" in pools.alt


def test_heads_on_an_encoder_that_saw_labels_are_not_called_pretrained_as_simsiams_are():
    frame = FRAME.assign(network=FRAME["network"].replace("head", "linear head on efficientnet-lite0, 128 px"))
    for one in (drawn.fig_5_3(frame), drawn.gains_5(frame), drawn.table_5_1(frame, published.published("thesis", "Table 5.1"))):
        assert "linear head, ImageNet labels" in one.alt
        assert "pre-trained" not in one.alt
    simsiam = FRAME.assign(network=FRAME["network"].replace("head", "linear head on SimSiam, small"))
    assert "linear head, pre-trained" in drawn.fig_5_3(simsiam).alt


def test_collapse_is_seen_in_words():
    one = pretrained.simsiam_5(FRAME)
    assert "simsiam(stop_gradient=False): after 1 epochs loss -1.00, k-NN 50.0 to 40.0 %, spread 0.00, collapsed." in one.alt
    assert pretrained.simsiam_5(FRAME[FRAME["race"] != "pretraining"]) is None


def test_the_printed_table_stands_beside_the_largest_budget():
    one = drawn.table_5_1(FRAME, published.published("thesis", "Table 5.1"))
    table = one.data.set_index(["printed for", "training", "arm"])
    ours = table.loc[("cifar-10", "linear head, pre-trained", "entropy")]
    assert [ours["printed"], ours["ours"], ours["labels"]] == pytest.approx([91.1, 80.5, 900])
    assert table.loc[("cifar-10", "from scratch", "entropy"), "printed"] == 90.8
    assert np.isnan(table.loc[("cifar-10", "from scratch", "random"), "printed"])
    assert table.loc[("cifar-100", "linear head, pre-trained", "entropy"), "ours"] == 70.5


def test_each_training_stands_in_the_table_at_the_most_labels_that_it_ran_with():
    one = drawn.table_5_1(pandas.concat([FRAME, race("svm 1%", start=30)]), published.published("thesis", "Table 5.1"))
    assert set(one.data.loc[one.data["printed for"] == "cifar-10", "labels"]) == {900}
    less = pandas.concat([FRAME[FRAME["race"] != "svm 10%"], race("svm 1%", start=30)])
    one = drawn.table_5_1(less, published.published("thesis", "Table 5.1"))
    labels = one.data[one.data["printed for"] == "cifar-10"].groupby("training")["labels"].first().to_dict()
    assert labels == {"linear head, pre-trained": 900, "SVM, pre-trained": 90, "from scratch": 900}
    assert "entropy, SVM, pre-trained, on digits, 90 labels: 70.5" in one.alt
    assert "entropy, linear head, pre-trained, on digits, 900 labels: 80.5, printed 91.1 for cifar-10" in one.alt


def test_views_are_shown_of_any_images_and_said_to_be_left_out_of_none(capsys):
    data = datasets.load("digits")
    one = pretrained.views_5(data, [0, 3], Policy())
    assert one.data["view"].unique().tolist() == [
        "original",
        "crop",
        "flip",
        "colour",
        "grey",
        "blur",
        "view 1",
        "view 2",
    ]
    assert one.data.loc[one.data["view"] == "original", "difference"].tolist() == [0, 0]
    assert "flip" not in pretrained.views_5(data, [0], Policy(flip=False, blur_chance=0)).data["view"].tolist()
    assert pretrained.views_5(None, [0], Policy()) is None
    assert pretrained.views_5(data, [], Policy()) is None
    assert "no image is asked for" in capsys.readouterr().out
