"""The figures: pure functions of their index, a fifth in rare poses, none in the null preset."""

import numpy as np

from alnb.worlds import figures


def test_an_image_is_a_function_of_its_index_and_its_joints_are_where_it_shows_them():
    one, two = figures.load("figures").train, figures.load("figures").train
    a, b = one[7], two[7]
    np.testing.assert_array_equal(a.pixels, b.pixels)
    np.testing.assert_array_equal(a.joints, b.joints)
    assert a.pixels.shape == (64, 64, 3)
    assert a.joints.shape == (16, 2)
    assert 3 < a.head < 7
    lengths = [np.linalg.norm(one[i].joints[1] - one[i].joints[2]) / one[i].head for i in range(5)]
    assert np.ptp(lengths) < 1e-3  # one figure, at several sizes


def test_a_fifth_is_rare_and_in_the_null_preset_none():
    plain, null = figures.load("figures"), figures.load("figures-null")
    kinds = [plain.train.kind(i) for i in range(1000)]
    assert 0.17 < np.mean([kind != "upright" for kind in kinds]) < 0.23
    assert set(kinds) == {"upright", *figures.RARE}
    assert {null.train.kind(i) for i in range(200)} == {"upright"}
    heads_up = [p.joints[9, 1] < p.joints[6, 1] for p in (null.train[i] for i in range(20))]
    assert all(heads_up)
