"""Estimated errors against true ones, on counts made by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import spearmanr

from alnb.metrics.detection import overlaps
from alnb.metrics.errors import ON, against_truth, found_around, lies_on, spearman

BOX = [10.0, 10, 30, 30]
FAR = [60.0, 10, 80, 30]


def scene(tracks=0):
    """Four frames of one object, found in 0, 1 and 3; a look-alike is found in all of them; frame 3 is no candidate."""
    row = np.array([0, 1, 2, -1])
    frame = np.array([0, 1, 3, 0, 1, 2, 3])
    boxes = np.array([BOX] * 3 + [FAR] * 4)
    shots = SimpleNamespace(video=np.zeros(4, int), time=np.arange(4), row=row, frame=frame, boxes=boxes, classes=np.zeros(7, int),
                            scores=np.full(7, 0.9))  # fmt: skip
    truth = SimpleNamespace(
        frame=np.arange(4), boxes=np.array([BOX] * 4), classes=np.zeros(4, int), tracks=np.full(4, tracks)
    )
    graph = SimpleNamespace(
        frame=np.append(frame, [2, 1]), boxes=np.vstack([boxes, [BOX, BOX]]), classes=np.zeros(9, int)
    )
    links = np.array([[0, 1], [3, 4], [4, 5], [5, 6]])
    return shots, truth, graph, links


def test_shares_and_sorts():
    shots, truth, graph, links = scene()
    called = np.zeros(9, bool)
    called[[0, 3, 6, 7, 8]] = (
        True  # a true one, a false one, one in a frame that is no candidate; a right place, a wrong one
    )
    fp, fp_flickers, fp_stays, fn, fn_flickers, fn_stays = against_truth(shots, truth, graph, called, links)
    assert (fp["true"], fp["estimated"], fp["right"], fp["precision"], fp["recall"]) == (
        3,
        2,
        1,
        0.5,
        pytest.approx(1 / 3),
    )
    assert fp["chance"] == 3 / 5
    assert (fp_flickers["true"], fp_stays["true"], fp_stays["right"]) == (0, 3, 1)
    assert "recall" not in fp_flickers
    assert (fn["true"], fn["estimated"], fn["right"], fn["precision"], fn["recall"]) == (1, 2, 1, 0.5, 1)
    assert (fn_flickers["true"], fn_flickers["right"], fn_stays["true"]) == (1, 1, 0)
    assert fn["chance"] == 0.5
    assert "rank" not in fp  # one false detection in each frame: nothing to correlate
    assert fn["rank"] == pytest.approx(spearmanr([0, 0, 1], [0, 1, 1])[0])


def test_apart_the_other_sort_is_left_out():
    """Three persistent false detections, one called, beside a true one: precision 1 / 2. The missed object flickers: of two
    places one is right, so 1 / 2 of those that flicker, 0 / 1 of those that persist."""
    shots, truth, graph, links = scene(tracks=5)
    called = np.zeros(9, bool)
    called[[0, 3, 7, 8]] = True
    shots.row[3] = 3
    truth.tracks[:] = 5
    fp, fp_flickers, fp_stays, fn, fn_flickers, fn_stays = against_truth(shots, truth, graph, called, links, apart=True)
    assert (fp["nonempty"], fn["nonempty"]) == (4, 4)
    assert (fp_stays["estimated"], fp_stays["right"], fp_stays["precision"]) == (2, 1, 0.5)
    assert (fp_flickers["estimated"], fp_flickers["right"], fp_flickers["precision"]) == (1, 0, 0)
    assert (fn_flickers["true"], fn_flickers["estimated"], fn_flickers["precision"]) == (1, 2, 0.5)
    assert fn_flickers["rank"] == pytest.approx(spearmanr([0, 0, 1, 0], [0, 1, 1, 0])[0])
    assert (fn_stays["true"], fn_stays["estimated"], fn_stays["precision"]) == (0, 1, 0)
    assert "rank" not in fn_stays


def test_what_false_detections_lie_on_is_not_asked_of_the_links():
    """Of the look-alike's four detections, all of them linked, the world says: a reflection in frame 0, a thing in 1, nothing in 2;
    frame 3 is no candidate. Of three false ones two are called, and one of these is on the reflection."""
    shots, truth, graph, links = scene()
    called = np.zeros(9, bool)
    called[[3, 5]] = True
    off = np.add([FAR], [1, 0, 1, 0])
    shown = {0: (off, np.array([True])), 1: (off, np.array([False])), 2: (np.empty((0, 4)), np.empty(0, bool))}
    shown[3] = shown[2]
    rows = against_truth(shots, truth, graph, called, links, apart=True, decoys=shown.__getitem__)
    fp = {row["sort"]: row for row in rows if row["error"] == "fp"}
    assert list(fp) == ["all", "flickers", "persistent", "reflection", "lookalike", "elsewhere"]
    assert [fp[sort]["true"] for sort in fp] == [3, 0, 3, 1, 1, 1]
    assert [fp[sort]["right"] for sort in ("reflection", "lookalike", "elsewhere")] == [1, 0, 1]
    assert [fp[sort]["recall"] for sort in ("reflection", "lookalike", "elsewhere")] == [1, 0, 1]
    assert [fp[sort]["estimated"] for sort in ("reflection", "lookalike", "elsewhere")] == [1, 0, 1]
    assert [row["sort"] for row in rows if row["error"] == "fn"] == ["all", "flickers", "persistent"]


def plain_lies_on(box, boxes, fleeting, objects):
    """The definition, one box after the other."""
    best, kind = ON, "elsewhere"
    for other, name in [*zip(boxes, np.where(fleeting, "reflection", "lookalike")), *((o, "elsewhere") for o in objects)]:
        if (over := float(overlaps(box, other))) > best:
            best, kind = over, name
    return kind


@pytest.mark.parametrize("seed", range(4))
def test_what_a_detection_lies_on_is_what_it_overlaps_most(seed):
    rng = np.random.default_rng(seed)
    some = lambda n: np.hstack([corner := rng.uniform(0, 40, (n, 2)), corner + rng.uniform(8, 30, (n, 2))])
    shots = SimpleNamespace(frame=np.repeat(np.arange(5), 6), boxes=some(30))
    truth = SimpleNamespace(frame=np.repeat(np.arange(5), 2), boxes=some(10))
    shown = {f: (some(3), rng.random(3) < 0.5) for f in range(1, 5)} | {0: (np.empty((0, 4)), np.empty(0, bool))}
    false = rng.random(30) < 0.8
    found = lies_on(shots, truth, false, shown.__getitem__)
    for d in np.flatnonzero(false):
        f = shots.frame[d]
        expected = plain_lies_on(shots.boxes[d], *shown[f], truth.boxes[truth.frame == f])
        assert [name for name, of in found.items() if of[d]] == [expected]
    assert all(of[false].any() for of in found.values())


def test_without_tracks_nothing_is_found_around():
    shots, truth, *_ = scene(tracks=-1)
    assert not found_around(shots, truth, np.array([True, True, False, True])).any()
    shots, truth, *_ = scene(tracks=5)
    assert found_around(shots, truth, np.array([True, True, False, True])).tolist() == [False, False, True, False]


def test_nothing_there_is_no_division():
    empty = SimpleNamespace(frame=np.empty(0, int), boxes=np.empty((0, 4)), classes=np.empty(0, int), tracks=np.empty(0, int),
                            video=np.zeros(2, int), time=np.arange(2), row=np.arange(2), scores=np.empty(0))  # fmt: skip
    rows = against_truth(empty, empty, empty, np.empty(0, bool), np.empty((0, 2), int))
    assert [row["true"] for row in rows] == [0] * 6
    assert np.isnan(spearman([], []))


@pytest.mark.parametrize("seed", range(5))
def test_rank_correlation_is_scipys(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 4, (2, 30))
    assert spearman(a, b) == pytest.approx(spearmanr(a, b)[0])
