"""Crowds: each image a function of its number, heads within it, counts as they are said to be."""

import numpy as np
import pytest

from alnb import datasets
from alnb.worlds import crowds


@pytest.mark.parametrize("name", crowds.PRESETS)
def test_an_image_is_a_function_of_its_number_and_heads_lie_in_it(name):
    preset = crowds.PRESETS[name]
    for index in (0, 5):
        image, heads = crowds.draw(name, 0, index)
        again, same = crowds.draw(name, 0, index)
        np.testing.assert_array_equal(image, again)
        np.testing.assert_array_equal(heads, same)
        assert image.shape == (3, preset.height, preset.width)
        assert image.dtype == np.uint8
        assert ((heads >= 0) & (heads < (preset.width, preset.height))).all()
    assert not np.array_equal(crowds.draw(name, 1, 0)[0], crowds.draw(name, 0, 0)[0])


def counts(name, n=3000):
    return np.array([crowds.count_of(crowds.PRESETS[name], np.random.default_rng([1, i])) for i in range(n)])


def test_counts_are_log_normal_from_10_to_580_with_mean_120():
    found = counts("crowds")
    assert found.min() >= 10
    assert found.max() <= 580
    assert found.mean() == pytest.approx(120, abs=4)
    logs = np.log(found)
    assert logs.std() == pytest.approx(crowds.SPREAD, abs=0.06)
    assert abs(((logs - logs.mean()) ** 3).mean() / logs.std() ** 3) < 0.25


def test_in_the_null_world_all_images_have_about_as_many_people_and_one_camera():
    found = counts("crowds-null", 500)
    assert found.min() >= 108
    assert found.max() <= 132
    rows = [np.sort(crowds.draw("crowds-null", 0, i)[1][:, 1])[[0, -1]] for i in range(4)]
    assert np.ptp(np.array(rows)[:, 0]) < 6  # the farthest heads of all stand on one line


def test_heads_are_where_people_are_drawn(monkeypatch):
    """Without the people the picture differs at their heads, and hardly elsewhere in the sky."""
    with_them, heads = crowds.draw("crowds-null", 0, 3)
    monkeypatch.setattr(crowds, "_person", lambda *args: None)
    without, same = crowds.draw("crowds-null", 0, 3)
    np.testing.assert_array_equal(heads, same)
    changed = np.abs(with_them.astype(int) - without).max(0)
    x, y = heads.astype(int).T
    assert np.median(changed[y, x]) > 20
    assert changed[: int(heads[:, 1].min()) - 4].max() == 0


def test_the_dataset_says_what_it_is():
    about = datasets.info("crowds")
    assert (about.task, about.train, about.test, about.real) == ("counting", 400, 200, False)
    data = datasets.load("crowds-small")
    assert data.train_images.shape == (160, 3, 48, 64)
    assert len(data.train_points) == 160
