from __future__ import annotations

from alnb.acquisition import score


@score("heatmap_entropy", needs=("heatmap_entropies",), source="Yoo and Kweon, CVPR 2019, sec. 4.3; L2R-AL sec. IV-C")
def heatmap_entropy(view):
    """(U,) the entropy of the softmax over each joint's map, mean over the joints. A map of values between 0 and 1 has a softmax
    that is nearly flat, whatever it shows: of 64 x 64 a sure peak is 8.3154 nats and an empty map 8.3178."""
    return view.heatmap_entropies
