"""People of one world in the colours of another's cameras."""

import numpy as np
import pytest
import torch

from alnb import datasets
from alnb.datasets import reid
from alnb.worlds import restyled

NAME = "pedestrians-tiny-source-as-tiny"


def noise(n, mean, spread, seed):
    """(n, 3, 8, 4) uint8, far from black and white."""
    pixels = np.random.default_rng(seed).uniform(mean - spread, mean + spread, (n, 3, 8, 4))
    return pixels.astype(np.uint8)


def test_a_pixel_by_hand():
    """Mean 100 and deviation 20 become 160 and 10: one deviation above is 170. What is beyond white stays white."""
    dark, light = (np.tile(np.array(two, np.uint8), (1, 3, 1, 1)) for two in ([[80, 120]], [[150, 170]]))
    assert restyled.restyled(dark, [0], light, [0])[0, 1].tolist() == [[150, 170]]
    dark, light = (np.tile(np.array(two, np.uint8), (1, 3, 1, 1)) for two in ([[98, 98, 98, 106]], [[200, 255, 255, 255]]))
    assert restyled.restyled(dark, [0], light, [0]).max() == 255


def test_each_camera_gets_the_mean_and_deviation_of_the_one_that_is_drawn_for_it():
    images = np.concatenate([noise(30, 90, 20, 0), noise(30, 140, 10, 1)])
    cameras = np.repeat([0, 5], 30)
    style = noise(40, 120, 40, 2)
    found = restyled.restyled(images, cameras, style, np.full(40, 3)).astype(float)
    for camera in (0, 5):
        part = found[cameras == camera]
        np.testing.assert_allclose(part.mean((0, 2, 3)), style.mean((0, 2, 3)), atol=0.5)
        np.testing.assert_allclose(part.std((0, 2, 3)), style.std((0, 2, 3)), atol=0.5)
    assert np.corrcoef(found[0].ravel(), images[0].ravel())[0, 1] > 0.99  # the same picture


def test_every_camera_of_the_target_is_drawn_and_chance_is_the_seeds():
    images, style = noise(60, 90, 20, 0), np.concatenate([noise(5, 60, 10, 1), noise(5, 200, 10, 2)])
    to = np.repeat([1, 4], 5)
    found = restyled.restyled(images, np.zeros(60), style, to)
    bright = (found.mean((1, 2, 3)) > 130).mean()
    assert 0.25 < bright < 0.75
    assert np.array_equal(found, restyled.restyled(images, np.zeros(60), style, to))
    assert not np.array_equal(found, restyled.restyled(images, np.zeros(60), style, to, seed=1))


def test_a_channel_without_contrast_is_the_new_mean():
    flat = np.full((2, 3, 4, 4), 7, np.uint8)
    assert set(restyled.restyled(flat, [0, 0], noise(20, 100, 5, 0), np.zeros(20)).ravel().tolist()) <= {99, 100}


def test_training_is_the_sources_and_the_test_the_targets():
    source, target, data = (reid.load(one) for one in ("pedestrians-tiny-source", "pedestrians-tiny", NAME))
    assert torch.equal(data.train.ids, source.train.ids)
    assert torch.equal(data.train.cameras, source.train.cameras)
    assert not torch.equal(data.train.images, source.train.images)
    for split in ("query", "gallery"):
        assert torch.equal(getattr(data, split).images, getattr(target, split).images)
        assert torch.equal(getattr(data, split).ids, getattr(target, split).ids)
    gap = [abs(np.array(one.mean) - target.mean).max() for one in (source, data)]
    assert gap[1] < gap[0]
    assert data.mean != source.mean
    about = datasets.info(NAME)
    assert (about.train, about.test, about.classes) == (len(data.train), len(data.gallery), data.train.identities)
    assert not about.real
    assert about.plumbing
    np.testing.assert_array_equal(reid.masks(NAME, "query", [0, 3]), reid.masks("pedestrians-tiny", "query", [0, 3]))
    np.testing.assert_array_equal(reid.masks(NAME, "train", [1]), reid.masks("pedestrians-tiny-source", "train", [1]))


@pytest.mark.parametrize("name", restyled.INFO)
def test_every_pair_has_its_worlds(name):
    source, target = (datasets.info(one) for one in restyled.PAIRS[name])
    about = datasets.info(name)
    assert (about.train, about.classes, about.test) == (source.train, source.classes, target.test)
