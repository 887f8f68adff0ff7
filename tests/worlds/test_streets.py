"""The street scenes: pure functions of their index, a shuffled pool, one kind of scene in the null preset."""

import numpy as np

from alnb import datasets
from alnb.datasets.stills import IGNORED
from alnb.worlds import streets


def test_an_image_is_a_function_of_its_index_and_every_frame_occurs_once():
    one, two = streets.load("streets"), streets.load("streets")
    a, b = one.train[17], two.train[17]
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])
    assert a[0].shape == (48, 64, 3)
    assert a[1].shape == (48, 64)
    assert sorted(one.train.order) == list(range(datasets.info("streets").train))
    assert len(one.test) == datasets.info("streets").test
    classes = set(np.unique([one.train[i][1] for i in range(12)]))
    assert {0, 1, 2, 8, 10, 13} <= classes <= {*range(19), IGNORED}


def test_the_null_preset_has_one_kind_of_scene_and_the_plain_one_rare_ones():
    plain, null = streets.load("streets"), streets.load("streets-null")
    assert {(v.area, v.condition) for v in null.train.videos + null.test.videos} == {streets.NULL}
    night = [np.mean([v.condition == "N" for v in part.videos]) for part in (plain.train, plain.test)]
    assert 0.1 < night[0] < 0.15 < 0.24 < night[1] < 0.26
    assert not np.array_equal(plain.train[3][0], null.train[3][0])
