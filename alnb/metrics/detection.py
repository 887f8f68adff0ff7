"""Boxes against boxes: intersection over union, the matching of detections to truth, average precision. NumPy alone.

A box is x0 y0 x1 y1, in pixels, edges not pixels: its area is (x1 - x0)(y1 - y0). Many frames lie in one flat array: `frames`
(n,) says of each box which frame it is in.
"""

from __future__ import annotations

import numpy as np

IOU = 0.5  # thesis 2.3.1: a detection is correct if it overlaps an object by more


def overlaps(a, b):
    """(...,) intersection over union of the boxes a (..., 4) and b (..., 4), broadcast; 0 where a box has no area."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = sides.clip(0).prod(-1)
    either = area(a) + area(b) - both
    return np.divide(both, either, out=np.zeros_like(both), where=(both > 0) & (either > 0))


def area(boxes):
    """(...,) area of boxes (..., 4); 0 of one that is inside out."""
    return (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(-1)


def pairs(groups_a, groups_b, most: int = 1 << 21):
    """Yields (i, j), index arrays of all pairs with groups_a[i] == groups_b[j], at most about `most` of them at a time.

    groups_b (m,) int is sorted; groups_a (n,) int in any order. What is compared frame by frame needs no loop over frames,
    and memory is bounded however crowded one is.
    """
    groups_a, groups_b = np.asarray(groups_a), np.asarray(groups_b)
    first, last = np.searchsorted(groups_b, groups_a, "left"), np.searchsorted(groups_b, groups_a, "right")
    total = np.concatenate([[0], np.cumsum(last - first)])
    begin = 0
    while begin < len(groups_a):
        end = max(begin + 1, int(np.searchsorted(total, total[begin] + most, "right")) - 1)
        count = (last - first)[begin:end]
        i = np.repeat(np.arange(begin, end), count)
        yield (
            i,
            np.arange(len(i)) - np.repeat(total[begin:end] - total[begin], count) + np.repeat(first[begin:end], count),
        )
        begin = end


def match(frames, boxes, classes, scores, truth_frames, truth_boxes, truth_classes, threshold: float = IOU):
    """(n,) int: the object that each detection finds, -1 for none.

    Greedy and one to one, by falling score (the first of equals): a detection takes the free object of its frame and class
    that it overlaps most, by more than `threshold`. What is left without one is a false positive, duplicates among them; the
    objects that nobody took are the false negatives (thesis 2.3.1).
    """
    found, taken = np.full(len(boxes), -1), np.zeros(len(truth_boxes), dtype=bool)
    group = _groups(frames, classes, truth_frames, truth_classes)
    order = np.argsort(group[1], kind="stable")
    near: dict[int, list[tuple[float, int]]] = {}
    for i, j in pairs(group[0], group[1][order]):
        values = overlaps(boxes[i], truth_boxes[order[j]])
        for d, t, value in zip(i[values > threshold], order[j[values > threshold]], values[values > threshold]):
            near.setdefault(int(d), []).append((-value, int(t)))
    for d in np.argsort(-np.asarray(scores, dtype=float), kind="stable"):
        free = [pair for pair in near.get(int(d), ()) if not taken[pair[1]]]
        if free:
            found[d] = min(free)[1]
            taken[found[d]] = True
    return found


def _groups(frames, classes, other_frames, other_classes):
    """One number a (frame, class), for both sets of boxes."""
    both = np.concatenate([classes, other_classes]).astype(np.int64)
    step = both.max(initial=0) + 1
    return [
        np.asarray(f, dtype=np.int64) * step + np.asarray(c)
        for f, c in ((frames, classes), (other_frames, other_classes))
    ]


def average_precision(
    frames, boxes, classes, scores, truth_frames, truth_boxes, truth_classes, threshold: float = IOU, points: int = 0
) -> dict[int, float]:
    """Class -> average precision, 0 to 1, for each class that has an object.

    The area under the precision envelope over recall, at every recall there is (points = 0: all-point), or its mean at so
    many recalls from 0 to 1, as COCO does with 101. Detections below the thesis' score of 0.5 are the caller's to drop.
    """
    found = match(frames, boxes, classes, scores, truth_frames, truth_boxes, truth_classes, threshold)
    classes, scores, truth_classes = map(np.asarray, (classes, scores, truth_classes))
    result = {}
    for c in np.unique(truth_classes):
        own = np.flatnonzero(classes == c)
        right = found[own[np.argsort(-scores[own], kind="stable")]] >= 0
        result[int(c)] = _area(right, int((truth_classes == c).sum()), points)
    return result


def _area(right, objects: int, points: int) -> float:
    """right (n,) bool: whether the detections, best score first, are correct."""
    hits = np.cumsum(right)
    recall = hits / objects
    envelope = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    if points:
        at = np.searchsorted(recall, np.linspace(0, 1, points), side="left")
        return float(np.append(envelope, 0.0)[at].mean())
    return float((np.diff(recall, prepend=0.0) * envelope).sum())
