"""Faces: each image a function of its number; the prior; several cues, of which none tells alone."""

import numpy as np
import pytest

from alnb import datasets
from alnb.worlds import faces


def test_an_image_is_a_function_of_its_number():
    image, male = faces.draw("faces", 0, 7)
    again, same = faces.draw("faces", 0, 7)
    np.testing.assert_array_equal(image, again)
    assert male == same
    assert image.shape == (3, 64, 64)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, faces.draw("faces-small", 0, 7)[0])  # the first of the larger one
    assert not np.array_equal(image, faces.draw("faces", 1, 7)[0])


def cues(name, n=4000):
    rng = np.random.default_rng(3)
    male = rng.random(n) < 0.5
    return male, np.array([list(faces.cues(bool(m), faces.PRESETS[name], rng).values()) for m in male])


def test_cues_are_correlated_and_none_tells_alone():
    male, found = cues("faces")
    assert (np.corrcoef(found.T)[np.triu_indices(7, 1)] > 0.15).all()
    alone = ((found > 0) == male[:, None]).mean(0)
    together = ((found @ list(faces.CUES.values()) > 0) == male).mean()
    assert alone.max() < 0.92
    assert together > 0.96
    shuffled = np.array([np.corrcoef(found[male].T)[np.triu_indices(7, 1)]])
    assert (np.abs(shuffled) < 0.35).all()  # within a gender they say little of each other


def test_in_the_null_world_all_show_their_gender_alike():
    spread = {name: (lambda m, f: f[m].mean(1).std())(*cues(name)) for name in ("faces", "faces-null")}
    assert spread["faces-null"] < 0.85 * spread["faces"]


def test_the_dataset_has_celebas_prior():
    data = datasets.load("faces-small")
    assert data.train_images.shape == (600, 3, 64, 64)
    assert data.train_targets.mean() == pytest.approx(0.42, abs=0.05)
    assert data.class_names == ("female", "male")
