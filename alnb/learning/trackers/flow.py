"""By optical flow: the motion at a box's centre moves the box, frame by frame (thesis 2.3.2, "Object tracker")."""

from __future__ import annotations

from alnb.learning.footage import Footage


def track(footage: Footage, reach: int):
    """See `learning.trackers`; the flow is the footage's `motion`."""
    import numpy as np

    D, sizes = len(footage.boxes), footage.sizes
    boxes, where = np.full((D, 2 * reach, 4), np.nan), np.full((D, 2 * reach), -1)
    for direction in (1, -1):
        at, box = footage.frame.copy(), footage.boxes.astype(float)
        alive = np.ones(D, dtype=bool)
        for m in range(reach):
            alive &= footage.goes_on(at, direction)
            d = np.flatnonzero(alive)
            centre = (box[d, :2] + box[d, 2:]) / 2
            v = footage.motion(at[d], direction, centre)
            box[d] += np.tile(v, 2)
            at[d] += direction
            centre = centre + v
            alive[d] = ((centre >= 0) & (centre <= sizes[at[d]])).all(1)  # not a number: not inside
            d = np.flatnonzero(alive)
            slot = m if direction > 0 else reach + m
            boxes[d, slot], where[d, slot] = box[d], at[d]
    return boxes, where
