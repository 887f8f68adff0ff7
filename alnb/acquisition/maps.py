from __future__ import annotations

from alnb.acquisition import score


@score("map_entropy", needs=("map_entropies",), source="L2R-AL sec. IV-C and D, after Yoo and Kweon 2019")
def map_entropy(view):
    """(U,) the entropy of the softmax over the map, "entropy" of a regression. A map of small numbers has a softmax that is
    nearly flat, and the flatter the emptier: alnb/learning/density.py."""
    return view.map_entropies


@score("share_entropy", needs=("share_entropies",), source="control of L2R-AL sec. IV-D")
def share_entropy(view):
    """(U,) the entropy of the map divided by its sum: of where the people are, whatever their number."""
    return view.share_entropies


@score("largest_count", needs=("predicted_counts",), source="trivial rival of L2R-AL sec. IV-D")
def largest_count(view):
    """(U,) the predicted count: an image of many people has many errors, and a large loss."""
    return view.predicted_counts
