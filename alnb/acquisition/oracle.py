from __future__ import annotations

from alnb.acquisition import score


@score("oracle", needs=("probabilities", "truth"), oracle=True)
def oracle(view):
    """(U,) 1 where the network is wrong, else 0: it reads the labels, the others must not.

    A reference, not an upper bound: to label mistakes first need not be the best batch. Among the mistakes, and
    after them, the shared random order decides, as for every tie.
    """
    return (view.probabilities.argmax(dim=1) != view.truth).float()
