import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from alnb import datasets


def test_the_split_is_stratified_and_loses_nothing():
    data = datasets.load("digits")
    assert data.train_images.shape == (1297, 3, 8, 8)
    assert data.test_images.shape == (500, 3, 8, 8)
    everyone = np.concatenate([data.train_images, data.test_images])[:, 0].reshape(-1, 64)
    original = np.rint(load_digits().data * 255 / 16).astype(np.uint8)
    np.testing.assert_array_equal(np.sort(everyone, axis=0), np.sort(original, axis=0))
    shares = np.bincount(data.train_targets) / 1297 - np.bincount(data.test_targets) / 500
    assert np.abs(shares).max() < 0.005


def test_channels_are_copies_and_targets_belong_to_their_images():
    data = datasets.load("digits")
    assert (data.train_images == data.train_images[:, :1]).all()
    assert data.train_images.max() == 255
    model = LogisticRegression(max_iter=200).fit(data.train_images[:, 0].reshape(-1, 64) / 255, data.train_targets)
    assert model.score(data.test_images[:, 0].reshape(-1, 64) / 255, data.test_targets) > 0.93


def test_it_is_real_but_no_evidence():
    about = datasets.info("digits")
    assert about.real
    assert about.plumbing
    data = datasets.load("digits")
    assert (data.crop, data.flip) == (1, False)
