"""How errors that were estimated without labels fare against the true ones."""

from __future__ import annotations

import numpy as np

from alnb.metrics.detection import match, overlaps

SHOWN = 6  # frames of `shown`
ON = 0.1  # overlap above which a false detection lies on something: Hoiem et al. 2012, their errors of localisation


def against_truth(footage, truth, graph, called, links, apart: bool = False, decoys=None) -> list[dict]:
    """Two rows ("fp", "fn") and more of each (`sort`): of the candidates' frames, how many errors there are (`true`), are
    estimated, and are estimated rightly; precision, recall, and rank, Spearman's correlation of the counts a frame.

    footage, truth: of tasks.detection. graph: nodes, the detections first, then places where an object may have been missed, with
    frame, boxes, classes (N,); called (N,) bool: said to be an error. A place is right if it overlaps an object of its class that
    was missed. links (E, 2): pairs of detections of one thing in time. sort: a false detection that is linked to another one, or
    a missed object that is not found in both neighbouring frames, is "persistent", else it "flickers". Of false detections that
    split is the graph's own, by which they were called: with decoys(frame) -> boxes (K, 4), fleeting (K,) bool, what a frame of
    a world shows that only looks like an object, there are also the sorts of `lies_on`, which no link decides. chance: the
    precision of calling every detection false, or every place missed. apart: precision and rank of each sort too, as if other
    errors, and what was rightly said of them, were not there; and the frames with an object, `nonempty`.
    """
    here, D = footage.row >= 0, len(footage.boxes)
    objects = truth.frame, truth.boxes, truth.classes
    found = match(footage.frame, footage.boxes, footage.classes, footage.scores, *objects)
    seen = np.isin(np.arange(len(truth.boxes)), found)
    false, missed = (found < 0) & here[footage.frame], ~seen & here[truth.frame]
    said = called & here[graph.frame]
    lasting = np.zeros(D, dtype=bool)
    lasting[links[(found[links] < 0).all(1)].ravel()] = True
    everything = here[footage.frame].sum()
    sorts = _by_time(lasting) | (lies_on(footage, truth, false, decoys) if decoys else {})
    fp = _fares("fp", false, false & said[:D], sorts, said[:D].sum(), false.sum() / max(everything, 1))

    place, lost = np.arange(D, len(called)), np.flatnonzero(missed)
    place, lost_objects = place[here[graph.frame[place]]], [part[lost] for part in objects]
    right = lambda p: match(graph.frame[p], graph.boxes[p], graph.classes[p], np.zeros(len(p)), *lost_objects)
    guessed = place[called[place]]
    hits, met = right(guessed), np.zeros(len(truth.boxes), dtype=bool)
    met[lost[hits[hits >= 0]]] = True
    chance = (right(place) >= 0).sum() / max(len(place), 1)
    stays = _by_time(~found_around(footage, truth, seen))
    fn = _fares("fn", missed, met, stays, len(guessed), chance)

    frames = np.flatnonzero(here)
    count = lambda of: np.bincount(of, minlength=len(here))[frames]
    told = footage.frame[said[:D]], graph.frame[guessed]
    parts = (footage.frame, false, false & said[:D], sorts), (truth.frame, missed, met, stays)
    for rows, told_, (at, true, right_, own_sorts) in zip((fp, fn), told, parts):
        rows[0] |= {"frames": len(frames), "rank": spearman(count(at[true]), count(told_))}
        rows[0] |= {"nonempty": int((count(truth.frame) > 0).sum())} if apart else {}
        for row, own in zip(rows[1:], own_sorts.values()) if apart else ():
            n = len(told_) - int((right_ & ~own).sum())
            row |= {"estimated": n, "precision": row["right"] / n if n else float("nan")}
            row |= {"rank": spearman(count(at[true & own]), count(told_) - count(at[right_ & ~own]))}
    return [{name: value for name, value in row.items() if value == value} for row in fp + fn]


def _by_time(lasting) -> dict:
    return {"flickers": ~lasting, "persistent": lasting}


def lies_on(footage, truth, false, decoys) -> dict:
    """{"reflection", "lookalike", "elsewhere": (D,) bool}: what of its frame each detection overlaps most, if by more than ON: what
    looks like an object for this one frame, what does so and stays, or else an object, or nothing. Asked of `false` (D,) only,
    for `decoys` (see `against_truth`) are drawn."""
    of = np.full(len(footage.boxes), 2)
    for f in np.unique(footage.frame[false]).tolist():
        own = np.flatnonzero(false & (footage.frame == f))
        (boxes, fleeting), objects = decoys(f), truth.boxes[truth.frame == f]
        kinds = np.concatenate([np.where(fleeting, 0, 1), np.full(len(objects), 2), [2]])  # the last: nothing
        over = overlaps(footage.boxes[own, None], np.concatenate([boxes, objects]))
        of[own] = kinds[np.pad(np.where(over > ON, over, 0), ((0, 0), (0, 1)), constant_values=ON / 2).argmax(1)]
    return {name: of == kind for kind, name in enumerate(("reflection", "lookalike", "elsewhere"))}


def _fares(error, true, right, sorts, estimated, chance):
    share = lambda a, b: float(a / b) if b else float("nan")
    whole = {"true": int(true.sum()), "estimated": int(estimated), "right": int(right.sum()), "chance": float(chance)}
    fares = {"precision": share(right.sum(), estimated), "recall": share(right.sum(), true.sum())}
    rows = [{"error": error, "sort": "all", **whole, **fares}]
    for sort, of in sorts.items():
        n, hit = int((true & of).sum()), int((right & of).sum())
        rows.append({"error": error, "sort": sort, "true": n, "right": hit, "recall": share(hit, n)})
    return rows


def found_around(footage, truth, seen):
    """(M,) bool: whether the object is detected in the frame before and in the frame after; False where the data has no tracks."""
    times = list(zip(footage.video[truth.frame].tolist(), truth.tracks.tolist(), footage.time[truth.frame].tolist()))
    found = {key for key, hit in zip(times, seen.tolist()) if hit and key[1] >= 0}
    return np.array([(v, k, t - 1) in found and (v, k, t + 1) in found for v, k, t in times], dtype=bool)


def shown(footage, truth, graph, false, missed) -> list[dict]:
    """Boxes of the candidates' frames with most estimated errors (then, with most objects), one a video and at most SHOWN: a row
    each, video, time, what ("truth", "detection", "fp", "fn"), class, x0, y0, x1, y1 in pixels.

    graph: as in `against_truth`; false, missed (N,) bool: detections that are called false, places said to hide an object.
    """
    F = len(footage.row)
    estimated, objects = (np.bincount(of, minlength=F) for of in (graph.frame[false | missed], truth.frame))
    chosen: dict[int, int] = {}
    for f in np.lexsort((-objects, -estimated)).tolist():
        if footage.row[f] >= 0 and objects[f] + estimated[f]:
            chosen.setdefault(int(footage.video[f]), f)
    parts = (
        ("truth", truth.frame, truth.boxes, truth.classes),
        ("detection", footage.frame, footage.boxes, footage.classes),
        *((what, graph.frame[own], graph.boxes[own], graph.classes[own]) for what, own in (("fp", false), ("fn", missed))),
    )
    return [
        {"video": video, "time": int(footage.time[f]), "what": what, "class": int(classes[i]),
         **dict(zip(("x0", "y0", "x1", "y1"), (round(float(v), 2) for v in boxes[i])))}
        for video, f in list(chosen.items())[:SHOWN]
        for what, frame, boxes, classes in parts
        for i in np.flatnonzero(frame == f)
    ]  # fmt: skip


def spearman(a, b) -> float:
    """Rank correlation of (n,) and (n,), ties at their mean rank; NaN where one does not vary."""
    from scipy.stats import rankdata

    a, b = (rankdata(values) if len(values) else np.empty(0) for values in (a, b))
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 1 and a.std() and b.std() else float("nan")
