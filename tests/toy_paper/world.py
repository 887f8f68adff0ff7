"""Noisy bumps on a line: a world of scalar regression."""

import numpy

from alnb.datasets import Info

INFO = {"bumps": Info("noisy bumps on a line", False, 0, "embedded", "MIT", train=200, test=300)}


def load(name, root=None):
    """x (N,), y (N,) of the pool, then of the test set."""
    rng = numpy.random.default_rng(5)
    height = lambda x: numpy.sin(9 * x * x)
    x, test = rng.random(200) ** 3, numpy.linspace(0, 1, 300)  # few samples where the bumps are narrow
    return x, height(x) + 0.05 * rng.standard_normal(200), test, height(test)
