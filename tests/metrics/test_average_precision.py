"""Overlap, matching and average precision against plain loops, hand-worked numbers and, where it is installed, pycocotools."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alnb.metrics.detection import average_precision, match, overlaps, pairs


def scene(seed, frames=6, classes=3):
    """Objects, and detections that are shifted copies, doubles and inventions, with scores that are all different."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for frame in range(frames):
        for _ in range(rng.integers(0, 6)):
            corner, size, c = rng.uniform(0, 60, 2), rng.uniform(6, 25, 2), rng.integers(classes)
            box = [*corner, *(corner + size)]
            truth.append((frame, box, c))
            for _ in range(rng.integers(0, 3)):
                found.append(
                    (frame, np.array(box) + rng.normal(0, 2, 4), c if rng.random() < 0.9 else rng.integers(classes))
                )
        for _ in range(rng.integers(0, 3)):
            corner = rng.uniform(0, 60, 2)
            found.append((frame, [*corner, *(corner + rng.uniform(6, 25, 2))], rng.integers(classes)))
    arrays = [[np.array([row[k] for row in rows]).reshape(shape) for k, shape in ((0, -1), (1, (-1, 4)), (2, -1))]
              for rows in (found, truth)]  # fmt: skip
    frames_, boxes, classes_ = arrays[0]
    return frames_.astype(int), boxes, classes_.astype(int), rng.permutation(len(boxes)) / 100 + 0.01, *arrays[1]


def plain_iou(a, b):
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(wide, 0) * max(high, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def plain_ap(frames, boxes, classes, scores, tf, tb, tc, recalls):
    """The envelope at each of `recalls`, from the definition: the best precision among cut-offs that reach the recall."""
    values = {}
    for c in sorted(set(tc)):
        objects, taken, hits, curve = sum(tc == c), set(), 0, []
        for n, d in enumerate(sorted((i for i in range(len(boxes)) if classes[i] == c), key=lambda i: -scores[i]), 1):
            best = max(
                (t for t in range(len(tb)) if tf[t] == frames[d] and tc[t] == c and t not in taken
                 and plain_iou(boxes[d], tb[t]) > 0.5),
                key=lambda t: plain_iou(boxes[d], tb[t]), default=None,
            )  # fmt: skip
            if best is not None:
                taken.add(best)
                hits += 1
            curve.append((hits / objects, hits / n))
        wanted = recalls or [k / objects for k in range(1, objects + 1)]
        best = [max((p for r, p in curve if r >= at), default=0) for at in wanted]
        values[int(c)] = sum(best) / len(wanted)
    return values


def test_overlap_by_hand():
    assert overlaps([0, 0, 2, 2], [1, 1, 3, 3]) == pytest.approx(1 / 7)
    assert overlaps([0, 0, 2, 2], [2, 0, 4, 2]) == 0  # they touch
    assert overlaps([0, 0, 0, 2], [0, 0, 0, 2]) == 0  # no area
    assert overlaps([3, 3, 1, 1], [0, 0, 4, 4]) == 0  # inside out


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=20), st.lists(st.integers(0, 5), max_size=20), st.integers(1, 9))
def test_pairs_are_those_of_equal_groups(a, b, most):
    b = sorted(b)
    found = [pair for i, j in pairs(np.array(a, int), np.array(b, int), most) for pair in zip(i.tolist(), j.tolist())]
    assert sorted(found) == [(i, j) for i in range(len(a)) for j in range(len(b)) if a[i] == b[j]]


def test_a_duplicate_and_a_wrong_class_are_no_matches():
    box = np.array([[0.0, 0, 10, 10]] * 4)
    found = match([0, 0, 0, 1], box, [1, 1, 2, 1], [0.6, 0.9, 0.8, 0.9], [0], box[:1], [1])
    assert found.tolist() == [-1, 0, -1, -1]


def test_average_precision_by_hand():
    """Two objects; right, wrong, right: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1. All-point: (1 + 2/3) / 2."""
    truth = np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    boxes = np.array([truth[0], [40, 40, 50, 50], truth[1]])
    given_ = ([0, 0, 0], boxes, [0, 0, 0], [0.9, 0.8, 0.7], [0, 0], truth, [0, 0])
    assert average_precision(*given_) == {0: pytest.approx(5 / 6)}
    assert average_precision(*given_, points=101) == {0: pytest.approx((51 + 50 * 2 / 3) / 101)}
    assert average_precision([], np.empty((0, 4)), [], [], [0, 0], truth, [0, 1]) == {0: 0.0, 1: 0.0}
    assert average_precision(*given_[:4], [], np.empty((0, 4)), []) == {}


@pytest.mark.parametrize("seed", range(25))
def test_average_precision_is_the_definition(seed):
    given_ = scene(seed)
    assert average_precision(*given_) == pytest.approx(plain_ap(*given_, None))
    recalls = np.linspace(0, 1, 101).tolist()
    assert average_precision(*given_, points=101) == pytest.approx(plain_ap(*given_, recalls))


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_that_of_pycocotools(seed):
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    frames, boxes, classes, scores, tf, tb, tc = scene(100 + seed, frames=20)
    as_coco = lambda b: [float(v) for v in (b[0], b[1], b[2] - b[0], b[3] - b[1])]
    reference = coco.COCO()
    with contextlib.redirect_stdout(io.StringIO()):
        reference.dataset = {
            "info": {}, "images": [{"id": i} for i in range(20)], "categories": [{"id": c} for c in range(3)],
            "annotations": [{"id": i + 1, "image_id": int(f), "bbox": as_coco(b), "area": 1.0, "iscrowd": 0, "category_id": int(c)}
                            for i, (f, b, c) in enumerate(zip(tf, tb, tc))],
        }  # fmt: skip
        reference.createIndex()
        found = reference.loadRes([{"image_id": int(f), "bbox": as_coco(b), "score": float(s), "category_id": int(c)}
                                   for f, b, c, s in zip(frames, boxes, classes, scores)])  # fmt: skip
        judge = COCOeval(reference, found, "bbox")
        judge.params.iouThrs = np.array([0.5])
        judge.evaluate()
        judge.accumulate()
    expected = judge.eval["precision"][0, :, :, 0, -1].mean(0)
    ours = average_precision(frames, boxes, classes, scores, tf, tb, tc, points=101)
    assert [ours[c] for c in range(3)] == pytest.approx(expected.tolist())
