"""Trackers: found by name, and a template that is followed exactly where it moves by whole pixels."""

import dataclasses

import numpy as np
import pytest

from alnb.errors import BadRequest
from alnb.learning import trackers
from alnb.learning.trackers.template import Template
from tests.toy_footage import footage

STEP = 3, -1  # pixels a frame


def moving(length=5, at=1, box=(20, 14, 34, 24), seed=0):
    """A textured scene that moves as a whole, one detection in frame `at`."""
    scene = np.random.default_rng(seed).uniform(0, 255, (60, 120, 3)).astype(np.uint8)
    shots = footage([length], [(at, list(box), 0)], motion=lambda f, s, p: np.tile(np.multiply(STEP, s), (len(f), 1)))
    return dataclasses.replace(shots, picture=lambda t: np.roll(scene, (STEP[1] * t, STEP[0] * t), (0, 1)))


def test_they_are_found_by_name():
    assert trackers.names() == ["flow", "template"]
    with pytest.raises(BadRequest, match="tracker = 'siamfc': expected one of 'flow', 'template'"):
        trackers.get("siamfc")


@pytest.mark.parametrize("box", [(20, 14, 34, 24), (30, 5, 90, 50)])  # the second is looked at every third pixel
def test_both_follow_what_moves_as_a_whole(box):
    shots = moving(box=box)
    (by_flow, a), (by_template, b) = (trackers.get(name)(shots, 3) for name in ("flow", "template"))
    assert a.tolist() == b.tolist() == [[2, 3, 4, 0, -1, -1]]
    np.testing.assert_allclose(by_template, by_flow)


def test_correlation_is_that_of_numpy():
    rng = np.random.default_rng(1)
    first, second = rng.uniform(0, 255, (2, 40, 50)).astype(np.float32)
    box = np.array([20.0, 10, 28, 16])
    template = Template(first, box)
    best = max(
        (np.corrcoef(first[10:16, 20:28].ravel(), second[10 + y : 16 + y, 20 + x : 28 + x].ravel())[0, 1], (x, y))
        for x in range(-4, 5) for y in range(-4, 5)
    )  # fmt: skip
    assert tuple(template.moved(second, box)) == best[1]


def test_without_texture_it_stays_and_of_equals_the_nearest_is_taken():
    flat = np.full((40, 50), 90, np.float32)
    assert Template(flat, np.array([10.0, 10, 20, 20])).moved(flat, np.array([10.0, 10, 20, 20])).tolist() == [0, 0]
    stripes = np.tile(np.array([0, 0, 255, 255] * 20, np.float32), (40, 1))  # every fourth pixel the same
    box = np.array([30.0, 10, 42, 20])
    assert Template(stripes, box).moved(np.roll(stripes, 1, 1), box).tolist() == [1, 0]


def test_a_box_that_leaves_the_image_ends_there_and_so_does_the_video():
    shots = moving(length=4, at=0, box=(107, 14, 119, 24))  # its centre: 113, 116, 119, 122 of 120
    for name in trackers.names():
        assert trackers.get(name)(shots, 3)[1].tolist() == [[1, 2, -1, -1, -1, -1]]
    shots = moving(length=1, at=0)
    assert (trackers.get("template")(shots, 3)[1] == -1).all()
    with pytest.raises(BadRequest, match="wants pictures"):
        trackers.get("template")(footage([2], [(0, [1, 1, 9, 9], 0)]), 1)


def test_shuffled_footage_shows_shuffled_pictures():
    import torch

    shots = moving()
    mixed, place = shots.shuffled(torch.Generator().manual_seed(2))
    for f in range(5):
        assert np.array_equal(mixed.picture(int(place[f])), shots.picture(f))
