from __future__ import annotations

from alnb.acquisition import score, select


@score("random")
def random(view):
    """(U,) the shared random order, the same for every method of a seed: larger = earlier in it."""
    return -view.priority


@select("random_again", nested=True)
def random_again(view, budget, rng):
    """A second Random with its own stream, the A/A arm: what a paired comparison shows when nothing differs.

    Drawn over the shared order, so that the order in which the pool happens to be stored does not matter.
    """
    import torch

    return view.priority.argsort().cpu()[torch.randperm(view.size, generator=rng)[:budget]]
