from __future__ import annotations

from alnb.acquisition import score


@score(
    "margin",
    needs=("probabilities",),
    source="Scheffer, Decomain, Wrobel, Active hidden Markov models for information extraction, IDA 2001",
)
def margin(view):
    """(U,) second - best probability, at most 0: how close the two leading classes are."""
    best, second = view.probabilities.topk(2, dim=1).values.unbind(1)
    return second - best
