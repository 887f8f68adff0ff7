"""Segmentation's part of the artefacts of SRAAL, on frames and maps made up by hand."""

import types

import numpy as np
import pytest
from matplotlib.pyplot import close

from alnb.datasets.stills import CITYSCAPES, IGNORED
from alnb.drawn import scenes
from tests.result_frames import results

CURVES = {
    ("random", 0): [30, 40, 50], ("random", 1): [32, 42, 50], ("sraal", 0): [30, 44, 54], ("sraal", 1): [32, 44, 52],
    ("vaal(steps=8)", 0): [30, 41, 51], ("pixel_entropy", 0): [30, 45, 55], ("all_data", 0): [70],
}  # fmt: skip
FRAME = results(CURVES, "streets", True, metric="mean IoU", race="scenes", study="scenes")
FRAME["key"] = FRAME["method"] + FRAME["seed"].astype(str)
OTHER = results({("random", 0): [1, 2, 3]}, "glyphs-10", True, race="few", study="state_relabeling").assign(key="few")


@pytest.fixture(autouse=True)
def _closed():
    yield
    close("all")


def test_images_stand_above_their_maps_and_shares_leave_out_what_has_no_class():
    """Of each map three pixels of road, one of sky, and one that has none: 3 and 1 of 5 pixels."""
    road, sky = CITYSCAPES.index("road"), CITYSCAPES.index("sky")
    pair = np.zeros((1, 5, 3), np.uint8), np.array([[road, road, sky, IGNORED, road]], np.uint8)
    stills = types.SimpleNamespace(name="streets", train=[pair] * scenes.SHOWN, info=types.SimpleNamespace(real=False))
    one = scenes.data(stills)
    assert one.data["class"].tolist() == ["road", "sky"]
    assert one.data["share"].tolist() == pytest.approx([60.0, 20.0])
    assert one.data["world"].all()
    assert "most pixels are road 60.0 %, sky 20.0 %" in one.alt
    below = one.figure.axes[scenes.SHOWN].images[0].get_array()
    assert below[0, 3].tolist() == [1, 1, 1]  # white
    assert below[0, 0].tolist() == pytest.approx([0x80 / 255, 0x40 / 255, 0x80 / 255])
    assert scenes.data(None) is None


def test_figure_5_has_the_printed_arms_and_the_others_all():
    assert set(scenes.fig_5(FRAME).data["method"]) == {"random", "sraal", "vaal(steps=8)"}
    gains = scenes.areas(FRAME).data.set_index("method")["gain"]  # by hand: areas 45, 46; 49, 48
    assert gains["sraal"] == pytest.approx(3.0)
    assert "sraal" in scenes.pairs(FRAME).alt
    over = scenes.overview(FRAME)
    assert set(over.data["method"]) == {"random", "sraal", "vaal(steps=8)", "pixel_entropy"}
    assert "mean IoU" in over.alt


@pytest.mark.parametrize("draw", [scenes.fig_5, scenes.areas, scenes.pairs, scenes.overview])
def test_what_cannot_be_drawn_is_said(draw, capsys):
    assert draw(OTHER) is None
    assert capsys.readouterr().out.strip()
