"""The artefacts of SCAL, on frames made up by hand."""

import pandas
import pytest
from matplotlib.pyplot import close

from alnb import published
from alnb.audits import scal as audits
from alnb.datasets import reid
from alnb.drawn import self_critical_attention as drawn

ABOUT = {
    "study": "self_critical_attention",
    "dataset": "pedestrians-tiny",
    "world": True,
    "race": "market",
    "network": "reid_small",
}
MAP_ = {  # mAP and rank 1 of seeds 0 and 1
    "cross_entropy": [(40, 50), (42, 52)], "flip": [(41, 51), (43, 52)], "label_smoothing": [(45, 55), (47, 55)],
    "spatial": [(46, 56), (50, 58)], "spatial_critic": [(46.5, 56), (50.1, 59)], "spatial_permuted": [(46, 57)],
    "spatial_critic(value='joint')": [(47, 56), (51, 60)],
}  # fmt: skip
EXAMPLE = " ".join(str(i % 100) for i in range(32 * 16))


def frame():
    rows = []
    for method, seeds in MAP_.items():
        for seed, (ap, first) in enumerate(seeds):
            about = ABOUT | {"method": method, "seed": seed, "key": f"{method}{seed}", "step": 0}
            rows.append(
                about
                | {
                    "kind": "test",
                    "cycle": 1,
                    "labelled": 205,
                    "mAP": ap,
                    "rank 1": first,
                    "rank 5": 80,
                    "rank 10": 90,
                    "mINP": 20,
                }
            )
            if "spatial" not in method:
                continue
            has = "spatial_" in method
            for site in range(1, 6):
                rows.append(
                    about
                    | {"kind": "attention", "site": site, "person": 30.0 + 2 * has, "area": 27.0, "own": 4.0 + has}
                )
                rows.append(about | {"kind": "gradient", "site": site, "epoch": 1, "J_cls": 10.0**-site, "J_tri": 1.0,
                                     **({"J_cri": 0.01} if has else {})})  # fmt: skip
            for number in range(3):
                for split in ("query", "gallery"):
                    rows.append(
                        about | {"kind": "example", "pair": number, "split": split, "row": number, "map": EXAMPLE}
                    )
            if has:
                rho = {"rho_person": 0.3 + 0.2 * seed, "rho_accessory": 0.1, "rho_lift": None, "rho_area": 0.25}
                rows.append(about | {"kind": "critic", "V": 1.0, "V_sd": 0.1, **rho})
                rows += [
                    about
                    | {"kind": "quality", "image": i, "V": 1 + 0.1 * i, "person": 20.0 + (-1) ** seed * i, "area": 20.0 + i % 2}
                    for i in range(5)
                ]
                collapsed = 0.01 if "permuted" in method else 0.5
                rows += [about | {"kind": "epoch", "epoch": e, "R_c": 0.5, "R_a": 0.6, "R": 1.1, "R_sd": collapsed, "V": 1.0,
                                  "V_sd": 0.1, "V_R": 0.2 * e, "J_mse": 0.3} for e in (1, 2)]  # fmt: skip
    return pandas.DataFrame(rows)


FRAME = frame()
TABLE = published.published("scal", "Table 5")


@pytest.fixture(autouse=True)
def _closed():
    yield
    close("all")


def only(*methods):
    return FRAME[FRAME["method"].isin(methods)]


def test_table_5_pairs_each_arm_with_the_one_before_it():
    one = drawn.table_5(FRAME, TABLE)
    table = one.data.set_index("arm")
    assert list(table.index) == [*list(MAP_)[:5], "spatial_critic(value='joint')", "spatial_permuted"]
    assert table.loc["flip", "over"] == "cross_entropy"
    assert table.loc["label_smoothing", "over"] == ""  # triplet did not run
    assert table.loc["spatial", "mAP gain"] == pytest.approx((1 + 3) / 2)
    assert table.loc["spatial_critic(value='joint')", "over"] == "spatial"
    assert table.loc["spatial_permuted", "mAP gain"] == pytest.approx(0)
    assert table.loc["spatial_critic", "mAP gain printed"] == pytest.approx(1.3)
    assert table.loc["spatial", "rank 1 gain printed"] == pytest.approx(0.8)
    assert table["mAP printed"].isna().sum() == 2  # a placebo, and an arm with options
    assert "spatial_critic: mAP 48.3 ± 2.5 (88.9 printed), +0.3 (-2.2 to +2.8) on spatial (printed +1.3)" in one.alt


def test_the_arm_that_repeats_another_is_compared_with_it():
    """A/A: its gain is what chance gives, not what the component gives over the arm before it."""
    joint, parts = "spatial_critic(value='joint')", [FRAME]
    for arm, like, gap in (
        ("triplet", "label_smoothing", -3.0),
        ("label_smoothing(again=1)", "label_smoothing", 0.5),
        ("spatial_critic(value='joint', again=2)", joint, 0.25),
    ):
        part = FRAME[(FRAME["method"] == like) & (FRAME["kind"] == "test")]
        parts.append(part.assign(method=arm, mAP=part["mAP"] + gap))
    one = drawn.table_5(pandas.concat(parts), TABLE)
    table = one.data.set_index("arm")
    assert table.loc["label_smoothing", "over"] == "triplet"
    assert table.loc["label_smoothing(again=1)", "over"] == "label_smoothing"
    assert table.loc["label_smoothing(again=1)", "mAP gain"] == pytest.approx(0.5)
    assert table.loc["spatial_critic(value='joint', again=2)", "over"] == joint
    assert drawn.AGAIN in one.figure.get_supxlabel()
    assert drawn.AGAIN not in drawn.table_5(FRAME, TABLE).figure.get_supxlabel()


def test_fig_4_shows_both_attentions_of_each_pair_and_says_where_they_are():
    data = reid.load("pedestrians-tiny")
    for images in (data, None):
        one = drawn.fig_4(FRAME, images)
        assert len(one.figure.axes) == 3 * 6
        assert "of the attention: spatial 30.0 %, spatial_critic 32.0 % (the same everywhere: 27.0 %, as much as" in one.alt
        assert "not the same for all: spatial 4.0 %, spatial_critic 5.0 %" in one.alt
        assert [len(ax.images) for ax in one.figure.axes[:3]] == ([1, 2, 2] if images else [0, 1, 1])
    (map_,) = one.figure.axes[1].images
    assert map_.get_array()[0, :3].tolist() == pytest.approx([0, 1 / 99, 2 / 99])


def test_a_channel_arms_signal_stands_beside_features_that_no_attention_touched():
    parts = [FRAME]
    for arm, like, person in (("channel", "spatial", 44.0), ("channel_critic", "spatial_critic", 45.0)):
        part = FRAME[(FRAME["method"] == like) & FRAME["kind"].isin(["attention", "example"])]
        parts.append(part.assign(method=arm, person=person))
    both = pandas.concat(parts)
    said = "of the size of the signal: channel 44.0 %, channel_critic 45.0 % (without attention: "
    assert f"{said}label_smoothing did not run)" in drawn.fig_4(both).alt
    plain = FRAME[(FRAME["method"] == "spatial") & (FRAME["kind"] == "attention")]
    plain = plain.assign(method="label_smoothing", person=43.0, own=None)
    one = drawn.fig_4(pandas.concat([both, plain]))
    assert f"{said}label_smoothing 43.0 %)" in one.alt
    assert "of the attention: spatial 30.0 %, spatial_critic 32.0 % (the same everywhere: 27.0 %" in one.alt
    assert "label_smoothing nan" not in one.alt  # it has no A
    assert "of the attention" not in drawn.fig_4(pandas.concat([parts[1], parts[2], plain])).alt


def test_the_critic_is_correlated_over_the_seeds():
    one = drawn.critic(FRAME)
    table = one.data.set_index(["method", "what"])
    assert table.loc[("spatial_critic", "person"), "rho"] == pytest.approx(0.4)
    assert table.loc[("spatial_critic", "person / its area"), "seeds"] == 0  # V or the share did not vary
    assert "spatial_critic: person +0.40 (-0.87 to +1.00), accessories +0.10" in one.alt
    assert table[["low", "high"]].abs().max().max() <= 1  # where a t interval leaves what a correlation can be, it is cut
    own = [audits.given_area(FRAME).xs(("spatial_critic", seed), level=["method", "seed"]).iloc[0] for seed in (0, 1)]
    assert own == pytest.approx([1, -1])
    assert table.loc[("spatial_critic", "person, given its area"), "rho"] == pytest.approx(0, abs=1e-9)
    assert [t.get_text() for t in one.figure.axes[1].get_yticklabels()] == list(drawn.SHARES.values())
    assert "spatial_permuted: person +0.30, " in one.alt  # one seed, no interval


def test_a_collapsed_reward_is_named():
    one = drawn.rewards(FRAME)
    assert "Collapsed at the end: spatial_permuted" in one.alt
    assert "correlation of V and R 0.40" in one.alt
    assert "No reward has collapsed" in drawn.rewards(only("spatial_critic")).alt
    assert len(one.figure.axes) == 5


def test_gradients_are_told_at_the_first_and_the_last_site():
    one = drawn.gradients(FRAME)
    assert (
        "spatial: J_cls 0.1 at the first site, 1e-05 at the last, J_tri 1 at the first site, 1 at the last;" in one.alt
    )
    assert "J_cri 0.01 at the first site" in one.alt
    assert len(one.figure.axes) == 4


def test_the_data_are_shown_with_their_masks():
    data = reid.load("pedestrians-tiny")
    one = drawn.data_8(data)
    assert len(one.figure.axes) == 16
    assert f"{len(data.train)} boxes of 24 people to train on" in one.alt
    assert drawn.data_8(None) is None


@pytest.mark.parametrize(("draw", "methods", "said"), [
    (lambda f: drawn.table_5(f, TABLE), (), "no runs at this profile"),
    (drawn.fig_4, ("spatial", "label_smoothing"), "no pair of them ran"),
    (drawn.critic, ("spatial",), "no critic ran on a world"),
    (drawn.rewards, ("spatial", "label_smoothing"), "no arm with a critic"),
    (drawn.gradients, ("cross_entropy", "flip"), "no arm with attention"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_said(draw, methods, said, capsys):
    assert draw(only(*methods)) is None
    assert said in capsys.readouterr().out


def test_fig_4_takes_a_seed_that_has_both():
    part = FRAME[~((FRAME["method"] == "spatial") & (FRAME["seed"] == 0))]
    assert "Seed 1." in drawn.fig_4(part).figure.get_supxlabel()
