"""Doubt, crowds and oracles over a frame's detections, by hand; and which places ties decide."""

import dataclasses

import numpy as np
import pytest
import torch

from alnb.acquisition import check_options, detections, frames, get
from alnb.errors import BadRequest
from alnb.learning.footage import Truth
from tests.acquisition.test_frames import Seen
from tests.toy_footage import footage

P = np.array([[0.1, 0.8, 0.1], [0.4, 0.5, 0.1], [0.05, 0.05, 0.9], [0.3, 0.6, 0.1]])  # background first
A, B, C = [10, 10, 20, 20], [40, 10, 50, 20], [70, 10, 80, 20]


class View(Seen):
    """Four frames of one video, far apart: two detections, one, one, none."""

    def __init__(self, probabilities=P, truth=None, **how):
        super().__init__([0] * 4, [0, 10, 20, 30], **how)
        shots = footage([4], [(0, A, 0), (0, B, 0), (1, A, 1), (2, A, 0)], classes=2)
        self._shots = dataclasses.replace(shots, probabilities=probabilities, scores=probabilities[:, 1:].max(1))
        self._truth, self.classes = truth, 2

    def detections(self):
        return self._shots

    def truth(self):
        return self._truth


def order(name, view, **options):
    return get(name).choose(view, view.size, torch.Generator(), **options).rows.tolist()


def test_what_is_told_of_a_frame():
    shots, values = View().detections(), np.array([0.2, 0.6, 0.5, 0.1])
    assert detections.per_frame(shots, values, "mean").tolist() == [0.4, 0.5, 0.1, -np.inf]
    assert detections.per_frame(shots, values, "sum") == pytest.approx([0.8, 0.5, 0.1, -np.inf])
    assert detections.per_frame(shots, values, "max").tolist() == [0.6, 0.5, 0.1, -np.inf]


def test_least_confidence_by_hand():
    assert order("least_confidence_r", View()) == [2, 0, 1, 3]  # .4; mean of .2 and .5; .1; nothing there
    assert order("least_confidence_r", View(), over="max") == [0, 2, 1, 3]


def test_entropy_is_that_of_the_whole_softmax():
    from scipy.stats import entropy

    each = [entropy(p) for p in P]
    told = {0: (each[0] + each[1]) / 2, 1: each[2], 2: each[3]}
    assert order("entropy_r", View()) == [*sorted(told, key=told.get, reverse=True), 3]


def test_margin_as_its_source_and_as_its_words():
    """1 - gap: .3 and .9, .15, .7: the sums of squares are .9, .0225, .49."""
    assert order("margin_r", View()) == [0, 2, 1, 3]
    assert order("margin_r", View(), reading="printed") == [3, 2, 0, 1]  # gaps 0, .3, .8, .85: the empty frame wins


def test_oracles_count_true_errors():
    """Frame 0: one right, one beside nothing; 1: the right box of another class; 2: overlaps by 2/3; 3: two missed."""
    boxes = [A, A, [10, 10, 20, 25], B, C]
    truth = Truth(np.array([0, 1, 2, 3, 3]), np.array(boxes, float), np.array([0, 0, 0, 1, 1]), np.arange(5))
    view = View(truth=truth, priority=[3, 2, 1, 0])
    assert order("oracle_fp", view) == [1, 0, 3, 2]  # 1, 1, 0, 0
    assert order("oracle_fn", view) == [3, 1, 2, 0]  # 2, 1, 0, 0
    assert order("oracle_fp", view, overlap=0.75) == [2, 1, 0, 3]
    assert order("oracle_fn", view, overlap=0.75) == [3, 2, 1, 0]


def test_nan_is_refused():
    broken = P.copy()
    broken[2] = np.nan
    for name in ("least_confidence_r", "entropy_r", "margin_r"):
        with pytest.raises(BadRequest, match="scores of 1 of 4 frames are NaN"):
            order(name, View(broken))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("least_confidence_r", {"over": "median"}, "over = 'median': expected one of 'mean', 'sum', 'max'"),
        ("entropy_r", {"over": ""}, "over = ''"),
        ("margin_r", {"reading": "text"}, "reading = 'text': expected one of 'brust', 'printed'"),
        ("oracle_fp", {"overlap": 1.0}, "overlap = 1.0"),
        ("oracle_fn", {"overlap": -0.1}, "overlap = -0.1"),
    ],
)
def test_options_that_cannot_be(name, options, said):
    with pytest.raises(BadRequest, match=said):
        check_options(name, options)


def test_ties_are_those_that_another_frame_could_have_had():
    video = np.array([0, 0, 0, 1, 1])
    assert frames.tied(np.array([1, 1, 0, 2, 1]), video, [0, 3]) == 0.5  # 1 could have stood for 0, nothing for 3
    assert frames.tied(np.array([1, 1, 0, 2, 1]), video, [0, 1, 3]) == 0
    assert frames.tied(np.array([1, 1, 0, 2, 1]), np.zeros(5), [0, 3]) == 0.5
    assert frames.tied(np.ones(5), video, []) == 0
    view = Seen([0] * 6, range(0, 60, 10))
    frames.apart(view, [1, 1, 1, 5, 0, 0], 2)
    assert view.tied_share == 0.5
