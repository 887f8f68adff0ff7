"""Fig. 8 and why entropy fails, and Fig. 6, on frames made up by hand."""

import numpy as np
import pandas
import pytest
from matplotlib.pyplot import close
from scipy.stats import spearmanr

from alnb import published
from alnb.datasets import Dataset, Info
from alnb.datasets.heads import TASK, Heads
from alnb.drawn import counting, faces, standard
from tests.result_frames import results

CURVES = {("random", 0): [30, 24, 20], ("random", 1): [31, 25, 21], ("l2r", 0): [30, 22, 18], ("l2r", 1): [31, 23, 19],
          ("map_entropy", 0): [30, 29, 28], ("largest_count", 0): [30, 21, 18], ("l2r_permuted", 0): [30, 24, 21]}  # fmt: skip
ASKED = {"random": 30, "l2r": 60, "map_entropy": 10, "largest_count": 70, "l2r_permuted": 31}  # people an image


def frame():
    made = results(CURVES, "crowds-small", True, [20, 40, 60], "mae", race="counts", study="learning_to_rank", key="one")
    made["heads"] = [600 + 20 * cycle * ASKED[method] for method, cycle in zip(made["method"], made["cycle"])]
    return made


FRAME = frame()


def heads(seed=0, size=6):
    rng = np.random.default_rng(seed)
    points = [rng.uniform(4, 28, (n, 2)).astype(np.float32) for n in (3, 40, 12, 25, 8, 18)[:size]]
    images = np.zeros((size, 3, 32, 32), np.uint8)
    about = Info("crowds", False, 1, "embedded", "free", task=TASK)
    return Heads("crowds-small", about, images, points, images, points, (0.0,) * 3, (1.0,) * 3)


@pytest.fixture(autouse=True)
def _closed():
    yield
    close("all")


def test_figure_8_says_where_each_arm_ends_and_which_way_is_better():
    drawing = counting.fig_8(FRAME)
    assert "l2r 30.5 to 18.5 people" in drawing.alt
    assert "lowest at the end first: l2r" in drawing.alt
    assert "largest_count" not in drawing.alt  # not printed
    assert "largest_count" in counting.rivals(FRAME).alt
    assert "against heads" in counting.heads(FRAME).alt


def test_people_asked_for_are_those_that_came_with_each_batch():
    found = counting.asked(FRAME).set_index("method")["people"]
    assert found.to_dict() == pytest.approx(ASKED)


def test_a_maps_flatness_goes_with_the_people_in_it():
    data = heads()
    found = counting.flatness(data, 4.0, 15, 100.0)
    assert found["people"].tolist() == [3, 40, 12, 25, 8, 18]
    assert found["flat"].iloc[0] == pytest.approx(np.log(32 * 32))
    assert (found["below"] > 0).all()
    small = counting.flatness(data, 4.0, 15, 1.0)["below"]  # half the variance of the map
    from alnb.learning.density import density

    half = [float(density(points, 32, 32, 4.0, 15).double().var(correction=0)) / 2 for points in data.test_points]
    np.testing.assert_allclose(small, half, rtol=0.05)


def test_the_maps_say_what_was_asked():
    data = heads()
    drawing = counting.maps(FRAME, data, sigma=1.5, window=7, scale=1.0)
    rank = spearmanr(drawing.data["people"].dropna(), drawing.data["below"].dropna()).statistic
    assert f"people in the image: {rank:.3f}" in drawing.alt
    assert "fewest first: map_entropy 10, random 30" in drawing.alt
    assert counting.maps(FRAME, None) is None
    assert counting.maps(FRAME[FRAME["cycle"] == 0], data) is None


def test_what_did_not_run_is_said(capsys):
    other = FRAME[:0]
    assert counting.fig_8(other) is None
    assert counting.rivals(FRAME[FRAME["method"] == "random"]) is None
    assert counting.heads(other) is None
    assert faces.fig_6(other) is None
    assert faces.gallery(None) is None
    assert "no rival of L2R-AL ran" in capsys.readouterr().out


def test_printed_numbers_stand_beside_ours():
    printed = published.published("l2r-al", "Fig. 8")
    drawing = standard.beside(FRAME, printed, metric="mae", stand_ins={"crowds-small": "shanghaitech-b"})
    rows = drawing.data.set_index("method")
    assert rows.loc["l2r", "published"] == 10.43
    assert rows.loc["l2r", "our_gain"] == pytest.approx(-2)
    assert rows.loc["l2r", "sign"] == "same"
    assert pandas.isna(rows.loc["l2r", "difference"])  # a stand-in


def test_printed_numbers_of_a_task_that_did_not_run_are_left_out(capsys):
    assert standard.beside(FRAME, published.published("l2r-al", "Fig. 4")) is None
    assert "Fig. 4 beside ours: no metric accuracy on crowds-small" in capsys.readouterr().out


def test_figure_6_and_the_faces():
    made = results({("random", 0): [60, 70], ("l2r", 0): [60, 72]}, "faces-small", True, race="faces", study="learning_to_rank")
    assert "l2r 60.0 to 72.0 %" in faces.fig_6(made).alt
    images, targets = np.zeros((10, 3, 8, 8), np.uint8), np.array([0, 1, 0, 0, 1, 0, 1, 1, 0, 0])
    about = Info("faces", False, 2, "embedded", "free")
    data = Dataset("faces-small", about, images, targets, images, targets, ("female", "male"), (0.0,) * 3, (1.0,) * 3, 0, True)
    drawing = faces.gallery(data, 3)
    assert "40% of all are male" in drawing.alt
    assert drawing.data["sample"].tolist() == [0, 2, 3, 1, 4, 6]
