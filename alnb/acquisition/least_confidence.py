from __future__ import annotations

from alnb.acquisition import score


@score(
    "least_confidence",
    needs=("probabilities",),
    source="Lewis and Gale, A sequential algorithm for training text classifiers, SIGIR 1994",
)
def least_confidence(view):
    """(U,) 1 - max_c p_c: how unsure the network is of its own answer."""
    return 1 - view.probabilities.amax(dim=1)
