"""Detections of one thing in neighbouring frames, joined: links by their tracks, clusters of tracked boxes that met nothing."""

from __future__ import annotations

from alnb.learning.footage import Footage


def link(footage: Footage, boxes, where, theta: float):
    """Links (E, 2) between detections of one class: the tracked box of either overlaps the other by more than theta.

    boxes (D, S, 4), where (D, S): tracks as `learning.trackers` gives them. Beside the links, by detection and slot of its track,
    (D, S) bool: the tracked box met a detection; the detection has a link there.
    """
    import numpy as np

    from alnb.metrics.detection import overlaps, pairs

    reach = where.shape[1] // 2
    met, linked = np.zeros(where.shape, dtype=bool), np.zeros(where.shape, dtype=bool)
    d, slot = np.nonzero(where >= 0)
    kinds = int(footage.classes.max(initial=0)) + 1
    group = footage.frame * kinds + footage.classes
    order = np.argsort(group, kind="stable")
    found = [np.empty((0, 2), int)]
    for i, j in pairs(where[d, slot] * kinds + footage.classes[d], group[order]):
        near = overlaps(boxes[d[i], slot[i]], footage.boxes[order[j]]) > theta
        a, s, b = d[i[near]], slot[i[near]], order[j[near]]
        met[a, s] = linked[a, s] = linked[b, (s + reach) % (2 * reach)] = True
        found.append(np.stack([np.minimum(a, b), np.maximum(a, b)], 1))
    return np.unique(np.concatenate(found), axis=0), met, linked


def components(boxes, where, classes, theta: float):
    """(n,) cluster of each tracked box: connected components of the overlaps above theta, by frame and class."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    from alnb.metrics.detection import overlaps, pairs

    n, group = len(boxes), where * (int(classes.max(initial=0)) + 1) + classes
    order = np.argsort(group, kind="stable")
    of = np.arange(n)
    for i, j in pairs(group[order], group[order]):
        i, j = order[i[i < j]], order[j[i < j]]
        near = overlaps(boxes[i], boxes[j]) > theta
        _, first, cluster = np.unique(of, return_index=True, return_inverse=True)
        # an edge from each to the first of its cluster stands for all edges before: however crowded, memory is bounded
        ends = np.concatenate([i[near], np.arange(n)]), np.concatenate([j[near], first[cluster]])
        of = connected_components(coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(n, n)), directed=False)[1]
    return of


def leaders(boxes, where, classes, theta: float):
    """The same as the public code of thesis ch. 2: the first box of a frame takes all that it overlaps, whatever their class."""
    import numpy as np

    from alnb.metrics.detection import overlaps

    of = np.full(len(boxes), -1)
    for frame in np.unique(where):
        left = np.flatnonzero(where == frame)
        while len(left):
            near = overlaps(boxes[left[0]], boxes[left]) > theta
            near[0] = True
            of[left[near]], left = left[0], left[~near]
    return of
