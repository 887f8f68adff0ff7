"""CMC, mAP and mINP against a reference that ranks by sorting tuples, one query after the other."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

import alnb
from alnb.errors import BadRequest
from alnb.metrics import reid

# --- an independent reference ---


def ranking(query, gallery, who, whose, camera, cameras, chosen=None):
    """Whether each gallery box that counts is a match, nearest first."""
    counted = [
        (math.dist(query, box), j)
        for j, box in enumerate(gallery)
        if whose[j] != -1 and not (whose[j] == who and cameras is not None and cameras[j] == camera)
        if chosen is None or j in chosen
    ]
    return [whose[j] == who for _, j in sorted(counted)]


def reference(query, gallery, ids, cameras, ap):
    """rank 1, 5, 10, mAP, mINP in per cent."""
    found = []
    for i, one in enumerate(query):
        camera, all_cameras = (None, None) if cameras is None else (cameras[0][i], cameras[1])
        hits = ranking(one, gallery, ids[0][i], ids[1], camera, all_cameras)
        ranks = [rank for rank, hit in enumerate(hits, 1) if hit]
        if not ranks:
            continue
        terms = []
        for n, rank in enumerate(ranks, 1):
            before = (n - 1) / (rank - 1) if rank > 1 else 1.0
            terms.append(n / rank if ap == "rectangle" else (n / rank + before) / 2)
        found.append([*(ranks[0] <= k for k in (1, 5, 10)), sum(terms) / len(terms), len(ranks) / ranks[-1]])
    return [100 * sum(column) / len(found) for column in zip(*found)] if found else None


@st.composite
def cases(draw):
    queries, boxes = draw(st.integers(1, 6)), draw(st.integers(1, 14))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, 4, queries), rng.integers(-1, 4, boxes)
    cameras = (rng.integers(0, 3, queries), rng.integers(0, 3, boxes)) if draw(st.booleans()) else None
    # whole numbers of few values: many equal distances, exact in float32
    query, gallery = (rng.integers(0, 4, (n, 2)).astype(np.float32) for n in (queries, boxes))
    return query, gallery, ids, cameras, draw(st.sampled_from(reid.ESTIMATORS)), draw(st.integers(1, 7))


@settings(max_examples=120)
@given(cases())
def test_all_metrics_equal_the_reference_on_random_cases(case):
    query, gallery, ids, cameras, ap, chunk = case
    expected = reference(query, gallery, ids, cameras, ap)
    if expected is None:
        with pytest.raises(BadRequest, match=f"none of the {len(query)} queries has a match|holds junk alone"):
            reid.evaluate(query, gallery, ids, cameras, ap=ap, chunk=chunk)
        return
    found = reid.evaluate(query, gallery, ids, cameras, ap=ap, chunk=chunk)
    assert list(found) == ["rank 1", "rank 5", "rank 10", "mAP", "mINP"]
    assert list(found.values()) == pytest.approx(expected, abs=1e-9)


def problem(seed=0, queries=40, boxes=300, people=20, width=8):
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, people + 1, queries), rng.integers(-1, people + 1, boxes)
    centres = rng.standard_normal((people + 2, width))
    query, gallery = (centres[own] + 0.8 * rng.standard_normal((len(own), width)) for own in ids)
    cameras = rng.integers(0, 4, queries), rng.integers(0, 4, boxes)
    return query.astype(np.float32), gallery.astype(np.float32), ids, cameras


def test_rectangles_are_scikit_learns_average_precision():
    query, gallery, ids, cameras = problem()
    values = reid.per_query(query, gallery, ids, cameras)
    for i, ap in enumerate(values["ap"].tolist()):
        counts = (ids[1] != -1) & ~((ids[1] == ids[0][i]) & (cameras[1] == cameras[0][i]))
        distance = np.linalg.norm(gallery[counts].astype(np.float64) - query[i], axis=1)
        assert ap == pytest.approx(average_precision_score(ids[1][counts] == ids[0][i], -distance), abs=1e-6)


# --- by hand ---

HAND = dict(  # gallery in order of distance 1 ... 6 from the query at 0, of person 7 in camera 0
    query_features=[[0.0]],
    gallery_features=[[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]],
    ids=([7], [-1, 7, 0, 7, 8, 7]),  # junk, own camera, distractor, match, another, match
    cameras=([0], [1, 0, 1, 1, 0, 2]),
)


def by_hand(**changes):
    return reid.evaluate(**{k: torch.tensor(v) if "features" in k else v for k, v in (HAND | changes).items()})


def test_junk_and_the_own_camera_do_not_count_and_a_distractor_does():
    # what counts: distractor, match, another, match -> ranks 2 and 4
    found = by_hand()
    assert found == pytest.approx(
        {"rank 1": 0, "rank 5": 100, "rank 10": 100, "mAP": 100 * (1 / 2 + 2 / 4) / 2, "mINP": 50}
    )
    trapezoid = ((1 / 2 + 0 / 1) / 2 + (2 / 4 + 1 / 3) / 2) / 2
    assert by_hand(ap="trapezoid")["mAP"] == pytest.approx(100 * trapezoid)


def test_without_cameras_the_own_camera_counts():
    found = by_hand(cameras=None)  # own, distractor, match, another, match -> ranks 1, 3, 5
    assert found["rank 1"] == 100
    assert found["mAP"] == pytest.approx(100 * (1 + 2 / 3 + 3 / 5) / 3)


def test_a_gallery_shorter_than_the_rank_list_has_all_ranks():
    assert by_hand(ranks=(1, 2, 50)) == pytest.approx(
        {"rank 1": 0, "rank 2": 100, "rank 50": 100, "mAP": 50, "mINP": 50}
    )


def test_it_says_by_which_rules():
    two = dict(query_features=[[0.0], [0.0]], ids=([7, 9], HAND["ids"][1]), cameras=([0, 0], HAND["cameras"][1]))
    assert by_hand(**two).said == (
        "2 queries, 1 of them without a match and not counted, 6 gallery boxes of which 1 junk and 1 distractors, "
        "the own person in the own camera left out, features as given, Euclidean, AP by rectangles"
    )
    other = by_hand(cameras=None, distance="cosine", single_shot=True, repetitions=3)
    assert str(other).startswith("rank 1 ")
    assert other.said.endswith("no camera rule, features normalised, cosine, one gallery box an identity, 3 times")


def test_a_query_without_a_match_is_in_no_mean_and_said_to_be_invalid():
    two = dict(query_features=[[0.0], [0.0]], ids=([7, 9], HAND["ids"][1]), cameras=([0, 0], HAND["cameras"][1]))
    assert by_hand(**two) == by_hand()
    values = reid.per_query(**{k: torch.tensor(v) if "features" in k else v for k, v in (HAND | two).items()})
    assert values["valid"].tolist() == [True, False]
    assert values["first"].tolist() == [2, 0]


def test_equal_distances_keep_the_gallerys_order():
    one = dict(query_features=torch.zeros(1, 3), gallery_features=torch.zeros(40, 3), ids=([1], [2] * 39 + [1]))
    assert reid.per_query(**one)["first"].tolist() == [40]
    one["ids"] = ([1], [1] + [2] * 39)
    assert reid.per_query(**one)["first"].tolist() == [1]


# --- distances ---


def test_cosine_ignores_length_and_euclidean_does_not():
    features = dict(query_features=torch.tensor([[1.0, 0.0]]), gallery_features=torch.tensor([[9.0, 1.0], [1.0, 0.9]]))
    assert reid.evaluate(**features, ids=([1], [1, 2]), distance="cosine")["rank 1"] == 100
    assert reid.evaluate(**features, ids=([1], [1, 2]), distance="euclidean")["rank 1"] == 0


def test_cosine_is_euclidean_on_normalised_features_and_does_not_change_what_it_is_given():
    query, gallery, ids, cameras = problem(1)
    kept = gallery.copy()
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (query, gallery)]
    assert reid.evaluate(query, gallery, ids, cameras, distance="cosine") == pytest.approx(
        reid.evaluate(*unit, ids, cameras), abs=1e-9
    )
    np.testing.assert_array_equal(gallery, kept)


@pytest.mark.parametrize("single_shot", [False, True])
def test_the_chunk_changes_nothing(single_shot):
    given = problem(2)
    one, other = (reid.evaluate(*given, chunk=chunk, single_shot=single_shot) for chunk in (1, 1000))
    assert one == pytest.approx(other, abs=1e-12)


@settings(max_examples=20)
@given(st.integers(0, 2**16))
def test_the_order_of_queries_and_gallery_changes_nothing(seed):
    query, gallery, ids, cameras = problem(3)
    rng = np.random.default_rng(seed)
    q, g = rng.permutation(len(query)), rng.permutation(len(gallery))
    turned = reid.evaluate(query[q], gallery[g], (ids[0][q], ids[1][g]), (cameras[0][q], cameras[1][g]))
    assert turned == pytest.approx(reid.evaluate(query, gallery, ids, cameras), abs=1e-9)


def peak(queries, chunk):
    """The most bytes that tensors take at once while so many queries meet 2,000 boxes."""
    rng = np.random.default_rng(0)
    query, gallery = (rng.standard_normal((n, 4)).astype(np.float32) for n in (queries, 2000))
    ids, cameras = [rng.integers(1, 50, n) for n in (queries, 2000)], [np.zeros(queries, int), np.ones(2000, int)]
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as seen:
        reid.evaluate(query, gallery, ids, cameras, chunk=chunk)
    told = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(itertools.accumulate(event.nbytes() for event in sorted(told, key=lambda event: event.start_ns())))


def test_memory_is_bounded_by_the_chunk():
    """Eight times the queries take no more of it; in one chunk they take what they are."""
    few, many, at_once = peak(64, 32), peak(512, 32), peak(512, 512)
    assert many < 1.2 * few
    assert at_once > 8 * many


# --- one gallery box an identity ---


def test_single_shot_averages_over_draws_of_one_box_an_identity():
    """Person 1 has a near and a far box, person 2 one between: right in half of the draws."""
    given = dict(query_features=torch.tensor([[0.0]]), gallery_features=torch.tensor([[1.0], [3.0], [2.0]]))
    found = reid.evaluate(**given, ids=([1], [1, 1, 2]), single_shot=True, repetitions=400)
    assert found["rank 1"] == pytest.approx(50, abs=8)
    assert found["rank 5"] == 100
    assert found["mAP"] == pytest.approx(found["rank 1"] + (100 - found["rank 1"]) / 2)
    one = reid.per_query(**given, ids=([1], [1, 1, 2]), single_shot=True, repetitions=400)
    assert set(one["first"].flatten().tolist()) == {1, 2}
    assert torch.equal(one["inp"], one["ap"])  # one match: both are 1 / rank


def test_single_shot_draws_only_what_counts():
    """Of the query's person only the box of another camera may be drawn: 1 never loses its only match."""
    given = dict(query_features=torch.tensor([[0.0]]), gallery_features=torch.tensor([[0.1], [1.0], [2.0]]))
    found = reid.evaluate(**given, ids=([1], [1, 1, 2]), cameras=([0], [0, 1, 0]), single_shot=True, repetitions=30)
    assert found == {"rank 1": 100, "rank 5": 100, "rank 10": 100, "mAP": 100, "mINP": 100}


def test_single_shot_is_the_seeds():
    given = problem(4)
    first, again, other = (reid.evaluate(*given, single_shot=True, repetitions=2, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


@settings(max_examples=30)
@given(st.integers(0, 1000))
def test_single_shot_equals_the_reference_on_what_was_drawn(seed):
    query, gallery, ids, cameras = problem(seed, queries=5, boxes=25, people=4)
    values = reid.per_query(query, gallery, ids, cameras, single_shot=True, repetitions=1, seed=seed)
    draw = torch.rand(1, int((ids[1] != -1).sum()), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)[
        0
    ]
    priority = dict(zip(np.flatnonzero(ids[1] != -1).tolist(), draw.tolist()))
    for i in range(5):
        best = {}
        for j in priority:
            if ids[1][j] == ids[0][i] and cameras[1][j] == cameras[0][i]:
                continue
            if ids[1][j] not in best or priority[j] < priority[best[ids[1][j]]]:
                best[ids[1][j]] = j
        hits = ranking(query[i], gallery, ids[0][i], ids[1], cameras[0][i], cameras[1], set(best.values()))
        expected = hits.index(True) + 1 if True in hits else 0
        assert values["first"][0, i].item() == expected


# --- bad input ---


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"query_features": [[0.0, 1.0]]}, r"\(1, 2\) and gallery \(6, 1\): expected \(Q, D\) and \(G, D\)"),
        ({"gallery_features": [[math.nan]] * 6}, "features of the gallery hold NaN or infinity"),
        ({"query_features": [[math.inf]]}, "features of the queries hold NaN or infinity"),
        ({"ids": ([7], [1, 2])}, r"ids \(1,\) and \(2,\): expected \(1,\) and \(6,\)"),
        ({"ids": None}, "ids: expected two, of the queries and of the gallery"),
        ({"ids": [7]}, "ids: expected two, of the queries and of the gallery"),
        ({"cameras": ([0.5], [0] * 6)}, "cameras are whole numbers, given torch.float32"),
        ({"ids": ([0], [0] * 6)}, "a query is somebody: identities of queries are above 0"),
        ({"ids": ([5], [7] * 6)}, "none of the 1 queries has a match"),
        ({"distance": "manhattan"}, "'manhattan': expected euclidean or cosine"),
        ({"ap": "11-point"}, "'11-point': expected rectangle or trapezoid"),
        ({"chunk": 0}, "chunk = 0"),
        ({"query_features": np.zeros((0, 1))}, "0 queries and 6 gallery boxes"),
        ({"ids": ([7], [-1] * 6)}, "the gallery holds junk alone"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_in_one_line(changes, says):
    given = {k: torch.as_tensor(v) if "features" in k else v for k, v in (HAND | changes).items()}
    with pytest.raises(BadRequest, match=says) as caught:
        reid.evaluate(**given)
    assert "\n" not in str(caught.value)


def test_users_reach_it_as_alnb_evaluate_and_importing_alnb_stays_free_of_torch():
    assert alnb.evaluate is reid.evaluate
    code = "import sys, alnb; assert 'torch' not in sys.modules; alnb.evaluate; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
