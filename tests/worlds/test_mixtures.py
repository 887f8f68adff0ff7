"""The world of feature mixtures: always the same, harder with more classes, learnt by labels drawn at random."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from alnb import datasets
from alnb.errors import BadRequest
from alnb.worlds import features as world


def accuracy(name, per_class, seed=1000):
    """Percent of the test set, of a logistic regression on so many samples of each class."""
    data = datasets.load(name)
    order = np.random.default_rng(seed).permutation(len(data.train_targets))
    labels = data.train_targets[order]
    chosen = np.concatenate([order[labels == c][:per_class] for c in range(data.info.classes)])
    mean, std = data.train_images.mean(0), data.train_images.std(0)
    model = LogisticRegression(C=0.1, max_iter=200).fit(
        (data.train_images[chosen] - mean) / std, data.train_targets[chosen]
    )
    return 100 * model.score((data.test_images - mean) / std, data.test_targets)


def test_random_labels_teach_and_all_of_them_reach_95():
    few, more, many, all_ = (accuracy("features-10", n) for n in (1, 8, 64, world.PER_CLASS))
    assert 30 < few < 65
    assert few + 20 < more < 93
    assert more + 4 < many
    assert all_ > 95


def test_more_classes_are_harder():
    assert accuracy("features-50", 4) < accuracy("features-10", 4) - 10


@pytest.mark.parametrize("name", ["features-20", "features-20-null"])
def test_sizes_are_those_that_are_announced(name):
    data = datasets.load(name)
    assert data.train_images.shape == (data.info.train, world.DIMENSIONS)
    assert data.test_images.shape == (data.info.test, world.DIMENSIONS)
    assert np.bincount(data.train_targets).tolist() == [world.PER_CLASS] * 20
    assert data.train_images.dtype == np.float32
    assert np.isfinite(data.train_images.astype(np.float16)).all()


def test_a_class_is_a_function_of_its_number_and_of_nothing_else():
    few, many = (world.mixture(world.Preset(classes), 5, 0) for classes in (3, 7))
    for label in range(3):
        ours, theirs = (x[y == label] for x, y in (few, many))
        assert np.array_equal(np.sort(ours, 0), np.sort(theirs, 0))
    assert not np.array_equal(*(world.mixture(world.Preset(3), 5, split)[0] for split in (0, 1)))


def test_the_world_is_stretched_and_its_null_is_round():
    """Share of the variance within a class along its ten widest directions."""

    def share(name):
        data = datasets.load(name)
        x = data.train_images[data.train_targets == 0]
        values = np.linalg.eigvalsh(np.cov(x.T))[::-1]
        return values[:10].sum() / values.sum()

    assert share("features-10") > 0.45
    assert share("features-10-null") < 0.25


def test_clusters_are_unequal():
    weights = world.RARITY ** np.arange(world.CLUSTERS)
    assert weights[-1] / weights.sum() < 0.06


def test_what_is_no_world_is_refused():
    with pytest.raises(BadRequest, match="expected two classes"):
        world.mixture(world.Preset(1), 5, 0)
    with pytest.raises(BadRequest, match="did you mean features-10"):
        datasets.info("features-11")
