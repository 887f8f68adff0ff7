"""Strategies that look at a frame's detections one by one: doubt, crowds, and the oracles that know each error.

All ask for frames apart in time and spread over the videos, "for all evaluated methods" (thesis 2.6.1): see `frames.apart`. A frame
without a detection is asked last, of which the thesis says nothing.
"""

from __future__ import annotations

from alnb.acquisition import frames, select
from alnb.errors import BadRequest

OVER = ("mean", "sum", "max")


def per_frame(footage, values, over: str):
    """(U,) one number a candidate, from `values` (D,) of the detections: "mean", "sum" or "max"; -inf where there is none."""
    import numpy as np

    F = len(footage.video)
    count = np.bincount(footage.frame, minlength=F)
    if over == "max":
        told = np.full(F, -np.inf)
        np.maximum.at(told, footage.frame, values)
    else:
        told = np.bincount(footage.frame, values, F) / (np.maximum(count, 1) if over == "mean" else 1)
    return footage.of_candidates(np.where(count > 0, told, -np.inf))


@select(
    "least_confidence_r",
    needs=("detections", "video", "time", "labelled_video", "labelled_time"),
    source="thesis 2.5.2, Least confidence; Lewis and Gale 1994",
    nested=True,
)
def least_confidence_r(view, budget, rng, *, over: str = "mean", k: int = 1):
    """(budget,) rows whose detections have the lowest largest class probability, the background's apart, on average."""
    footage = view.detections()
    doubt = 1 - footage.probabilities[:, 1:].max(1, initial=0)
    return frames.apart(view, per_frame(footage, doubt, over), budget, k)


@select(
    "entropy_r",
    needs=("detections", "video", "time", "labelled_video", "labelled_time"),
    source="thesis 2.5.2, Entropy",
    nested=True,
)
def entropy_r(view, budget, rng, *, over: str = "mean", k: int = 1):
    """(budget,) rows by the entropy of their detections' whole softmax, the background's share among it, on average."""
    import numpy as np
    from scipy.special import xlogy

    footage = view.detections()
    p = np.sort(footage.probabilities.astype(float), 1)  # the sum does not hang on the order of the classes
    return frames.apart(view, per_frame(footage, -xlogy(p, p).sum(1), over), budget, k)


@select(
    "margin_r",
    needs=("detections", "video", "time", "labelled_video", "labelled_time"),
    source="thesis 2.5.2, Margin sampling; Brust et al. 2019",
    nested=True,
)
def margin_r(view, budget, rng, *, reading: str = "brust", k: int = 1):
    """(budget,) rows by the gap p1 - p2 between the two largest probabilities of a detection, the background's among them.

    reading: "brust" sums (1 - (p1 - p2))^2 over a frame's detections, most first, as the cited source does. "printed" sums the
    gaps, least first: the words of the thesis, by which the emptiest frames win.
    """
    import numpy as np

    footage = view.detections()
    gap = np.diff(np.sort(footage.probabilities.astype(float), 1)[:, -2:], axis=1)[:, 0]
    if reading == "brust":
        return frames.apart(view, per_frame(footage, (1 - gap) ** 2, "sum"), budget, k)
    least = footage.of_candidates(-np.bincount(footage.frame, gap, len(footage.video)))
    return frames.apart(view, least, budget, k)


@select(
    "most_detections",
    needs=("detections", "video", "time", "labelled_video", "labelled_time"),
    source="trivial rival of thesis 2.3.2",
    nested=True,
)
def most_detections(view, budget, rng, *, k: int = 1):
    """(budget,) rows with the most detections: errors are counted a frame, so crowded frames have more of them."""
    import numpy as np

    footage = view.detections()
    count = footage.of_candidates(np.bincount(footage.frame, minlength=len(footage.video)))
    return frames.apart(view, count, budget, k)


@select(
    "oracle_fp",
    needs=("detections", "truth", "video", "time", "labelled_video", "labelled_time"),
    oracle=True,
    source="thesis 2.3.1, Oracle (FP)",
    nested=True,
)
def oracle_fp(view, budget, rng, *, overlap: float = 0.5, k: int = 1):
    """(budget,) rows with the most false positives: detections that overlap no object of their class by more than `overlap` (the
    public code: 0.75) that no detection of a higher score has taken."""
    return frames.apart(view, _true_errors(view, overlap)[0], budget, k)


@select(
    "oracle_fn",
    needs=("detections", "truth", "video", "time", "labelled_video", "labelled_time"),
    oracle=True,
    source="thesis 2.3.1, Oracle (FN)",
    nested=True,
)
def oracle_fn(view, budget, rng, *, overlap: float = 0.5, k: int = 1):
    """(budget,) rows with the most objects that no detection has found."""
    return frames.apart(view, _true_errors(view, overlap)[1], budget, k)


def _true_errors(view, overlap):
    """False positives and false negatives (U,) of each candidate."""
    import numpy as np

    from alnb.metrics.detection import match

    footage, truth = view.detections(), view.truth()
    objects = truth.frame, truth.boxes, truth.classes
    found = match(footage.frame, footage.boxes, footage.classes, footage.scores, *objects, threshold=overlap)
    missed = np.ones(len(truth.boxes), dtype=bool)
    missed[found[found >= 0]] = False
    at = footage.frame[found < 0], truth.frame[missed]
    return [footage.of_candidates(np.bincount(frame, minlength=len(footage.video))) for frame in at]


# --- what a grid refuses ----------------------------------------------------------------------------------------------------------


def _one_of(name, given, accepted) -> None:
    if given not in accepted:
        raise BadRequest(f"{name} = {given!r}: expected one of {', '.join(map(repr, accepted))}")


def check_least_confidence_r(over, k) -> None:
    frames.check_apart(k)
    _one_of("over", over, OVER)


def check_entropy_r(over, k) -> None:
    frames.check_apart(k)
    _one_of("over", over, OVER)


def check_margin_r(reading, k) -> None:
    frames.check_apart(k)
    _one_of("reading", reading, ("brust", "printed"))


def check_most_detections(k) -> None:
    frames.check_apart(k)


def check_oracle_fp(overlap, k) -> None:
    frames.check_apart(k)
    if not 0 <= overlap < 1:
        raise BadRequest(f"overlap = {overlap}: expected a share, 0 or more and under 1")


def check_oracle_fn(overlap, k) -> None:
    check_oracle_fp(overlap, k)
