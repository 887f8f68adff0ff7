"""Thesis chapter 2: its energy by brute force, its worked example, its graph against plain loops, its rows by hand."""

import dataclasses
import functools
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alnb.acquisition import check_options, get
from alnb.errors import BadRequest
from alnb.learning import cut, links
from alnb.learning.footage import Truth
from alnb.learning.trackers.flow import track as by_flow
from alnb.methods import temporal_coherence as ch2
from alnb.methods.temporal_coherence import FN, FP, TN, TP
from alnb.metrics import detection as metrics
from alnb.metrics.errors import against_truth, shown
from tests.acquisition.toy_view import toy_view
from tests.toy_footage import footage, random_footage

TEXT = ch2.RULES["text"]


def random_graph(seed, most=6):
    """Up to `most` detections and candidates; an edge between two of them, never between two candidates."""
    rng = np.random.default_rng(seed)
    d, c = rng.integers(1, most + 1), rng.integers(0, most + 1)
    edges = [(a, b) for a in range(d) for b in range(a + 1, d + c) if rng.random() < 0.4]
    return np.arange(d + c) >= d, np.array(edges, int).reshape(-1, 2)


def brute(candidate, edges):
    """The least E over all 4^N labellings (those of infinite energy left out), and every labelling that has it."""
    options = [(TN, FN) if one else (TP, FP) for one in candidate]
    scored = [(ch2.energy(labels, candidate, edges), labels) for labels in itertools.product(*options)]
    least = min(value for value, _ in scored)
    return least, [labels for value, labels in scored if value == least]


def test_the_infinities_leave_two_labels():
    assert ch2.energy([TN], [False], []) == ch2.energy([FN], [False], []) == float("inf")
    assert ch2.energy([TP], [True], []) == ch2.energy([FP], [True], []) == float("inf")
    assert [ch2.energy([x], [False], []) for x in (TP, FP)] == [ch2.energy([x], [True], []) for x in (TN, FN)] == [0, 1]


@pytest.mark.parametrize("library", ["scipy", "maxflow"])
@pytest.mark.parametrize("seed", range(40))
def test_the_cut_is_the_least_of_all_labellings(seed, library, monkeypatch):
    if library == "maxflow":
        pytest.importorskip("maxflow")
    real = cut.minimum
    monkeypatch.setattr(cut, "minimum", lambda *args: real(*args, library=library))
    candidate, edges = random_graph(seed, most=4)
    _, best = brute(candidate, edges)
    objects = lambda labels: sum(label in (TP, FN) for label in labels)
    flips = lambda labels: sum(label in (FP, FN) for label in labels)
    found = {ties: tuple(ch2.minimise(candidate, edges, ties=ties).tolist()) for ties in ch2.TIES}
    assert set(found.values()) <= set(best)
    assert objects(found["absent"]) == min(map(objects, best))
    assert objects(found["present"]) == max(map(objects, best))
    fewest = [labels for labels in best if flips(labels) == min(map(flips, best))]
    assert found["conservative"] in fewest
    assert objects(found["conservative"]) == min(map(objects, fewest))


def test_ties_are_common_and_go_where_they_are_sent():
    """A detection and one candidate: E = 1 for true and empty (the edge), false (the detection), both present (the candidate)."""
    candidate, edges = [False, True], [(0, 1)]
    assert brute(candidate, edges) == (1, [(TP, TN), (TP, FN), (FP, TN)])
    assert [ch2.minimise(candidate, edges, ties=t).tolist() for t in ch2.TIES] == [[TP, TN], [FP, TN], [TP, FN]]
    with pytest.raises(BadRequest, match="ties = 'random'"):
        ch2.minimise(candidate, edges, ties="random")


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_both_libraries_cut_large_graphs_alike(seed, ties):
    pytest.importorskip("maxflow")
    rng = np.random.default_rng(seed)
    n, candidate = 3000, rng.random(3000) < 0.4
    edges = np.unique(np.sort(rng.integers(0, n, (9000, 2)), 1), axis=0)
    edges = edges[(edges[:, 0] < edges[:, 1]) & ~(candidate[edges].all(1))]
    cuts = [cut.minimum(candidate, edges, 3, 2, ties, library) for library in ("maxflow", "scipy")]
    assert (cuts[0] == cuts[1]).all()
    assert 0 < cuts[0].sum() < n


def chain(n, seed):
    """n detections one after the other, most of them with a candidate: ties of every sort."""
    hung = np.flatnonzero(np.random.default_rng(seed).random(n) < 0.6)
    edges = np.concatenate([np.stack([np.arange(n - 1), np.arange(1, n)], 1), np.stack([hung, n + np.arange(len(hung))], 1)])
    return np.arange(n + len(hung)) >= n, edges


@pytest.mark.parametrize("library", ["scipy", "maxflow"])
@pytest.mark.parametrize("ties", ch2.TIES)
def test_each_component_is_cut_as_if_alone_however_large_the_whole(ties, library, monkeypatch):
    """In all the capacities are beyond 2^31, of which no one is: a pool as large as ImageNet-VID's."""
    if library == "maxflow":
        pytest.importorskip("maxflow")
    real = cut.minimum
    monkeypatch.setattr(cut, "minimum", lambda *args: real(*args, library=library))
    chains = [chain(n, seed) for seed, n in enumerate([12_000, 9000, 300, 300] + [5, 2] * 2000)]
    start = np.cumsum([0] + [len(candidate) for candidate, _ in chains])
    candidate = np.concatenate([one for one, _ in chains])
    edges = np.concatenate([one + begin for (_, one), begin in zip(chains, start)])
    K = np.bincount(np.repeat(np.arange(len(chains)), np.diff(start))).max() + 1
    assert len(candidate) * (K + 1) + 2 * len(edges) * K > 2**31
    whole = ch2.minimise(candidate, edges, ties=ties)
    for (own, joined), begin, end in list(zip(chains, start, start[1:]))[1:30]:
        assert (whole[begin:end] == ch2.minimise(own, joined, ties=ties)).all()


def test_thousands_of_detections_in_each_of_neighbouring_frames_are_one_large_graph():
    rng = np.random.default_rng(0)
    n = 60_001
    whole = ch2.minimise(np.zeros(n, bool), np.stack([np.arange(n - 1), np.arange(1, n)], 1))
    assert (whole == TP).all()
    corners = rng.uniform(0, 150, (3, 2000, 2))
    found = [(t, [*corner, *(corner + 12)], c % 20) for t in range(3) for c, corner in enumerate(corners[t])]
    errors = ch2.estimate(footage([3], found, size=(170, 170), classes=20))
    assert (len(errors.fp), errors.graph.candidate.sum() > 0, (errors.labels[:6000] == TP).any()) == (3, True, True)
    with pytest.raises(BadRequest, match=r"weight 1073741824.*under 2\^31"):
        ch2.minimise([False, False], [(0, 1)], weight=2**30, ties="absent")


@pytest.mark.parametrize("reach", [2, 3])
@pytest.mark.parametrize("ties", ch2.TIES)
def test_the_worked_example(reach, ties):
    errors = ch2.estimate(ch2.example(), dataclasses.replace(TEXT, reach=reach, ties=ties))
    assert errors.fp.tolist() == errors.fn.tolist() == [0, 0, 1, 0, 0]
    graph, least = errors.graph, brute(errors.graph.candidate, errors.graph.edges)
    assert least == (2, [tuple(errors.labels.tolist())])
    (missed,) = np.flatnonzero(errors.labels == FN)
    assert graph.boxes[missed].tolist() == [18, 20, 38, 40]
    assert graph.frame[missed] == 2
    if reach == 3:
        links = {tuple(sorted(graph.frame[e])) for e in graph.edges.tolist() if max(e) < 5}
        assert links == {(0, 1), (0, 3), (1, 3), (1, 4), (3, 4)}
        assert graph.candidate.sum() == 5


@pytest.mark.parametrize(("length", "ties", "expected"), [
    (1, "conservative", (1, 0)), (5, "conservative", (5, 0)), (6, "absent", (6, 0)), (6, "present", (0, 6)),
    (7, "present", (0, 6)), (7, "conservative", (0, 4)), (7, "absent", (0, 4)),
])  # fmt: skip
def test_a_lonely_object_of_few_frames_is_called_false(length, ties, expected):
    """Seen for L frames amid empty ones: E = min(L, 6), so it is false up to 5; beyond, its ends are missed, of which the
    outermost candidate, with one detection to support it, could go either way."""
    shots = footage([20], [(6 + t, [40, 20, 60, 40], 1) for t in range(length)])
    errors = ch2.estimate(shots, dataclasses.replace(TEXT, ties=ties))
    assert ch2.energy(errors.labels, errors.graph.candidate, errors.graph.edges) == min(length, 6)
    assert (errors.fp.sum(), errors.fn.sum()) == expected


def plain_graph(shots, rules):
    """Links and unmatched tracked boxes from the definition, standing still."""
    from tests.metrics.test_average_precision import plain_iou

    D, links, loose = len(shots.boxes), set(), []
    video = shots.video[shots.frame]
    near = lambda a, b: video[a] == video[b] and 0 < abs(shots.frame[a] - shots.frame[b]) <= rules.reach
    for a in range(D):
        for b in range(a + 1, D):
            if (
                near(a, b)
                and shots.classes[a] == shots.classes[b]
                and plain_iou(shots.boxes[a], shots.boxes[b]) > rules.theta
            ):
                links.add((a, b))
    for a in range(D):
        for step in [*range(1, rules.reach + 1), *range(-1, -rules.reach - 1, -1)]:
            j = shots.frame[a] + step
            if not (0 <= j < len(shots.video)) or shots.video[j] != shots.video[shots.frame[a]]:
                continue
            if not any({a} < set(pair) and shots.frame[sum(pair) - a] == j for pair in links):
                loose.append((a, int(j)))
    return links, loose


@pytest.mark.parametrize("seed", range(6))
def test_links_and_candidates_are_the_definition(seed):
    shots = random_footage(seed)
    expected_links, loose = plain_graph(shots, TEXT)
    graph = ch2.build(shots, *by_flow(shots, TEXT.reach))
    D = len(shots.boxes)
    assert {tuple(e) for e in graph.edges.tolist() if max(e) < D} == expected_links
    support = {(a, int(graph.frame[b])) for a, b in graph.edges.tolist() if b >= D}
    assert support == set(loose)
    for c in range(D, len(graph.frame)):  # the mean of its members, here as large as their detections
        members = graph.edges[graph.edges[:, 1] == c, 0]
        assert graph.boxes[c] == pytest.approx(shots.boxes[members].mean(0))
        assert set(shots.classes[members]) == {graph.classes[c]}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(ch2.TIES))
def test_reversing_time_and_renaming_classes_change_no_count(seed, ties):
    shots, rules = random_footage(seed), dataclasses.replace(TEXT, ties=ties)
    before = ch2.estimate(shots, rules)
    F = len(shots.video)
    video = shots.video[::-1]
    moved = {"frame": F - 1 - shots.frame, "video": video.max() - video, "time": _times(video)}
    other = dataclasses.replace(shots, **moved, classes=np.array([2, 0, 1])[shots.classes])
    after = ch2.estimate(other, rules)
    assert after.fp[::-1].tolist() == before.fp.tolist()
    assert after.fn[::-1].tolist() == before.fn.tolist()


def _times(video):
    return np.concatenate([np.arange((video == v).sum()) for v in dict.fromkeys(video.tolist())])


def test_videos_do_not_touch():
    both = random_footage(3, (7, 8))
    whole, cut = ch2.estimate(both), both.frame < 7
    alone = [
        dataclasses.replace(
            both, frame=both.frame[own] - begin, boxes=both.boxes[own], classes=both.classes[own],
            video=both.video[part], time=both.time[part], row=both.row[part],
        )
        for own, part, begin in ((cut, slice(0, 7), 0), (~cut, slice(7, 15), 7))
    ]  # fmt: skip
    assert whole.fp.tolist() == [n for one in alone for n in ch2.estimate(one).fp.tolist()]


def test_what_cannot_be_tracked():
    """One frame; no detection; a box that leaves the image; a flow that is no number; hundreds in one frame."""
    assert ch2.estimate(footage([1], [(0, [0, 0, 9, 9], 0)])).labels.tolist() == [TP]
    assert ch2.estimate(footage([4], [])).fp.tolist() == [0, 0, 0, 0]
    leaving = footage([4], [(0, [100, 20, 118, 40], 0)], motion=lambda f, s, p: np.full((len(f), 2), [8.0, 0]))
    _, where = by_flow(leaving, 3)
    assert where.tolist() == [[1, -1, -1, -1, -1, -1]]  # its centre is at 117 of 120, then beyond
    lost = footage([4], [(0, [10, 20, 30, 40], 0)], motion=lambda f, s, p: np.full((len(f), 2), np.nan))
    assert (by_flow(lost, 3)[1] == -1).all()
    twins = footage([6], [(t, [10, 20, 30, 40], 0) for t in range(6)])  # duplicated frames: nothing moves, nothing is doubted
    assert ch2.estimate(twins, dataclasses.replace(TEXT, ties="present")).fp.sum() == 0
    outside = footage([3], [(t, [-15, 20, 5, 40], 0) for t in range(3)])  # its centre is outside from the first: it is not tracked
    assert (by_flow(outside, 3)[1] == -1).all()
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (1500, 2))
    crowd = footage([3], [(1, [*corner, *(corner + 12)], 0) for corner in corners])
    errors = ch2.estimate(crowd)
    assert errors.fp.sum() + errors.fn.sum() <= 1502
    assert len(errors.labels) > 1500


def test_flow_moves_the_box_and_keeps_its_size():
    boxes, where = by_flow(ch2.example(), 3)
    assert boxes[0, :3].tolist() == [[14, 20, 34, 40], [18, 20, 38, 40], [22, 20, 42, 40]]
    assert where[0].tolist() == [1, 2, 3, -1, -1, -1]
    assert where[3].tolist() == [-1, -1, -1, 3, 2, 1]


@pytest.mark.parametrize("seed", range(8))
def test_an_edge_of_weight_two_counts_twice(seed):
    candidate, edges = random_graph(seed, most=3)
    _, best = brute(candidate, np.concatenate([edges, edges]))
    for ties in ch2.TIES:
        assert tuple(ch2.minimise(candidate, edges, 2, ties).tolist()) in best


def test_unmatched_by_its_own_track_or_by_any_link():
    """The way back meets the first detection, the way forth misses the second: they are linked, but its track met nothing."""
    motion = lambda frames, direction, points: np.tile([0.0 if direction > 0 else -20.0, 0], (len(frames), 1))
    shots = footage([2], [(0, [10, 10, 30, 30], 1), (1, [30, 10, 50, 30], 1)], motion=motion)
    by_link, by_own = (ch2.build(shots, *by_flow(shots, 3), dataclasses.replace(TEXT, matched=how)) for how in ("link", "own"))
    assert (by_link.candidate.tolist(), by_link.edges.tolist()) == ([False, False], [[0, 1]])
    assert (by_own.candidate.tolist(), by_own.edges.tolist()) == ([False, False, True], [[0, 1], [0, 2]])
    assert (by_own.frame[2], by_own.classes[2], by_own.boxes[2].tolist()) == (1, 1, [10, 10, 30, 30])


def test_clusters_of_three_boxes_by_hand():
    """The second overlaps the first by .8 and is of another class, the third by .6."""
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 6]], float)
    where, classes = np.zeros(3, int), np.array([0, 1, 0])
    assert links.leaders(boxes, where, classes, 0.75).tolist() == [0, 0, 2]
    assert links.leaders(boxes, where, classes, 0.5).tolist() == [0, 0, 0]
    assert links.leaders(boxes, np.array([0, 1, 0]), classes, 0.5).tolist() == [0, 1, 0]  # in another frame
    assert links.components(boxes, where, classes, 0.75).tolist() == [0, 1, 2]
    assert links.components(boxes, where, classes, 0.5).tolist() == [0, 1, 0]


def test_clusters_do_not_depend_on_how_many_pairs_are_compared_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    corners, where, classes = rng.uniform(0, 40, (60, 2)), rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    boxes = np.concatenate([corners, corners + 12], 1)
    whole = links.components(boxes, where, classes, 0.4)
    monkeypatch.setattr(metrics, "pairs", functools.partial(metrics.pairs, most=1))
    assert links.components(boxes, where, classes, 0.4).tolist() == whole.tolist()
    assert np.bincount(whole).max() > 2


def test_the_published_code_is_a_preset():
    rules = ch2.chosen_rules("authors-2019")
    assert rules == ch2.Rules(3, 0.5, "own", "leader", 0.75, 2, "absent")
    assert ch2.estimate(ch2.example(), rules).fp.tolist() == [0, 0, 1, 0, 0]
    assert ch2.chosen_rules("text", "present").ties == "present"
    assert ch2.chosen_rules("authors-2019", "", 0.7, 2) == dataclasses.replace(rules, theta=0.7, reach=2)
    wrongs = {
        "errors = 'tp'": {"errors": "tp"}, "authors-2019": {"rules": "mine"}, "'flow', 'template'": {"tracker": "siamfc"},
        "theta = 1.0": {"theta": 1.0}, "reach = 4": {"reach": 4},
    }  # fmt: skip
    for said, wrong in wrongs.items():
        with pytest.raises(BadRequest, match=said):
            check_options("tc", wrong)


# --- the strategies -------------------------------------------------------------------------------------------------------------


def chosen(name, view, budget=10, **options):
    return get(name).choose(view, budget, torch.Generator().manual_seed(1), **options).rows


def expected(view, count, budget):
    """`budget` rows with the largest count (U,): of each video the best, then of each the second, ...; equals, and the videos of
    a round, in the shared order. For k = 0."""
    place, videos = view.priority.tolist(), view.video.tolist()
    ranked = {v: sorted((r for r in range(view.size) if videos[r] == v), key=lambda r: (-count[r], place[r])) for v in set(videos)}
    order = sorted(ranked, key=lambda v: min(place[r] for r in ranked[v]))
    rounds = [ranked[v][i] for i in range(view.size) for v in order if i < len(ranked[v])]
    return rounds[:budget]


def counted(shots, errors, labels):
    """(U,) nodes of a candidate's frame with one of `labels`, one by one."""
    count = [0] * int(shots.row.max() + 1)
    for frame, label in zip(errors.graph.frame.tolist(), errors.labels.tolist()):
        if label in labels and shots.row[frame] >= 0:
            count[shots.row[frame]] += 1
    return count


def test_tc_asks_for_the_frames_with_most_errors():
    view = toy_view(U=100)
    shots = view.detections()
    errors, asked = ch2.estimate(shots), {}
    for kind, labels in {"fp": [FP], "fn": [FN], "both": [FP, FN]}.items():
        asked[kind] = chosen("tc", view, errors=kind, k=0).tolist()
        assert asked[kind] == expected(view, counted(shots, errors, labels), 10)
    assert len(set(map(tuple, asked.values()))) == 3
    apart = chosen("tc", view)
    times = {(int(view.video[r]), int(view.time[r])) for r in apart}
    labelled = set(zip(view.labelled_video.tolist(), view.labelled_time.tolist()))
    assert not any(
        (v, t + d) in times - {(v, t)} | labelled for v, t in times for d in (-1, 0, 1) if (v, t + d) != (v, t)
    )


@pytest.mark.parametrize(("given", "rules", "tracker"), [
    ({"rules": "authors-2019"}, ch2.RULES["authors-2019"], "flow"),
    ({"ties": "absent"}, dataclasses.replace(TEXT, ties="absent"), "flow"),
    ({"ties": "present"}, dataclasses.replace(TEXT, ties="present"), "flow"),
    ({"theta": 0.9}, dataclasses.replace(TEXT, theta=0.9), "flow"),
    ({"reach": 1}, dataclasses.replace(TEXT, reach=1), "flow"),
    ({"tracker": "template"}, TEXT, "template"),
])  # fmt: skip
def test_an_option_of_tc_changes_what_is_asked(given, rules, tracker):
    scenery = np.random.default_rng(0).uniform(0, 255, (60, 120, 3)).astype(np.uint8)
    view = toy_view(5, U=40 if tracker == "template" else 100)
    seen = dataclasses.replace(view.detections(), picture=lambda t: np.roll(scenery, 4 * t, 1))  # to flow all stands still
    view = view.replaced(detections=lambda: seen)
    asked = chosen("tc", view, 20, k=0, **given).tolist()
    assert asked == expected(view, counted(seen, ch2.estimate(seen, rules, tracker), [FP]), 20)
    assert asked != chosen("tc", view, 20, k=0).tolist()


def test_the_placebo_destroys_what_moves():
    """Objects that cross 20 frames: in time all are true; shuffled, their tracks meet nothing."""
    found = [(t, [2 + 5 * t, 20, 14 + 5 * t, 30], 0) for t in range(20)]
    shots = footage([20], found, motion=lambda f, s, p: np.full((len(f), 2), [5.0 * s, 0]))
    mixed, place = shots.shuffled(torch.Generator().manual_seed(3))
    assert ch2.estimate(shots).fp.sum() == 0
    assert ch2.estimate(mixed).fp.sum() > 10
    assert sorted(place.tolist()) == list(range(20))
    assert chosen("tc_shuffled", toy_view(U=60)).shape == (10,)


def test_most_detections_are_most():
    view = toy_view(U=60)
    count = view.detections().of_candidates(np.bincount(view.detections().frame, minlength=72))
    assert count[chosen("most_detections", view, 5, k=0)].min() >= np.sort(count)[-20]


# --- what the figures look at -----------------------------------------------------------------------------------------------------


def test_what_is_shown_of_the_worked_example():
    shots = ch2.example()
    errors = ch2.estimate(shots)
    boxes = shown(shots, car(), errors.graph, errors.labels == FP, errors.labels == FN)
    assert [row["what"] for row in boxes] == ["truth", "detection", "fp", "fn"]
    assert {row["time"] for row in boxes} == {2}


def car():
    boxes = [[10 + 4 * t, 20, 30 + 4 * t, 40] for t in range(5)]
    return Truth(np.arange(5), np.array(boxes, float), np.zeros(5, int), np.zeros(5, int))


def test_estimated_errors_of_the_worked_example_are_right():
    shots = ch2.example()
    errors = ch2.estimate(shots)
    called = (errors.labels == FP) | (errors.labels == FN)
    links = errors.graph.edges[(errors.graph.edges < 5).all(1)]
    rows = against_truth(shots, car(), errors.graph, called, links)
    whole = {row["error"]: row for row in rows if row["sort"] == "all"}
    for row in whole.values():
        assert (row["true"], row["estimated"], row["right"], row["precision"], row["recall"]) == (1, 1, 1, 1, 1)
        assert row["rank"] == pytest.approx(1)
    assert (whole["fp"]["chance"], whole["fn"]["chance"]) == (1 / 5, 1 / 5)
    sorts = {(row["error"], row["sort"]): row["true"] for row in rows}
    assert sorts["fp", "flickers"] == sorts["fn", "flickers"] == 1  # one frame, seen before and after
    assert sorts["fp", "persistent"] == sorts["fn", "persistent"] == 0


def test_shuffled_errors_are_told_in_order():
    shots = random_footage(5)
    mixed, place = shots.shuffled(torch.Generator().manual_seed(0))
    told = ch2.estimate(mixed).in_order(place)
    assert told.graph.frame[: len(shots.frame)].tolist() == shots.frame.tolist()
    assert told.fp.tolist() == np.bincount(told.graph.frame[told.labels == FP], minlength=len(shots.video)).tolist()
