"""Videos made up by hand: constant flow, a few objects that move with it, a detector that errs."""

import numpy as np

from alnb.learning.footage import Footage

NO_MOTION = lambda frames, direction, points: np.zeros((len(frames), 2))


def footage(lengths, found, *, size=(120, 60), motion=NO_MOTION, classes=3, row=None):
    """found: (frame, box, class) of each detection, frames counted through all videos."""
    video = np.repeat(np.arange(len(lengths)), lengths)
    time = np.concatenate([np.arange(n) for n in lengths])
    frame, boxes, of = ([one[k] for one in found] for k in range(3))
    probabilities = np.full((len(found), classes + 1), 0.2)
    return Footage(
        video, time, np.arange(len(video)) if row is None else row, size, np.array(frame, dtype=int),
        np.array(boxes, dtype=float).reshape(-1, 4), np.array(of, dtype=int), np.full(len(found), 0.8), probabilities, motion,
    )  # fmt: skip


def random_footage(seed, lengths=(12, 9, 5), classes=3, miss=0.25, invent=0.4, row=None):
    """Objects that stand, jittered detections of them with gaps, and inventions."""
    rng = np.random.default_rng(seed)
    found, start = [], 0
    for length in lengths:
        objects = [(rng.uniform(0, 90), rng.uniform(0, 40), rng.integers(classes)) for _ in range(rng.integers(1, 4))]
        for t in range(length):
            for x, y, c in objects:
                if rng.random() > miss:
                    found.append((start + t, np.array([x, y, x + 16, y + 12]) + rng.normal(0, 0.6, 4), c))
            if rng.random() < invent:
                x, y = rng.uniform(0, 90), rng.uniform(0, 40)
                found.append((start + t, [x, y, x + 14, y + 10], rng.integers(classes)))
        start += length
    return footage(lengths, found, classes=classes, row=row)
