"""Videos: frames a second of the world, cuts a second, and what TC's reasoning adds to the detector's look at a pool."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from alnb import datasets
from alnb.learning import cut
from alnb.methods import temporal_coherence as ch2
from alnb.runs import Run
from alnb.tasks import detection
from alnb.worlds import roads
from tests.bench.interleave import ratio, seconds, slope

pytestmark = pytest.mark.bench


def test_a_frame_of_the_world_costs_no_more_than_its_pixels():
    """One road at 96 x 64, 192 x 128 and 384 x 256; beside it the flow to the next frame, which draws that one's ids."""
    sizes, plain, moved = [1, 2, 4], [], []
    for k in sizes:
        preset = dataclasses.replace(roads.PRESETS["roads-near"], width=96 * k, height=64 * k, least=36.0 * k * k)
        video = roads.make(preset, "roads-near").train[0]
        draw, flow = (lambda video=video, do=do: [do(video.frame(t)) for t in range(8)] for do in (id, lambda one: one.flow(1)))
        moved.append(ratio(flow, draw, pairs=3)[0])
        plain.append(min(seconds(draw) for _ in range(3)) / 8)
        print(f"\n{96 * k} x {64 * k}: {1 / plain[-1]:.0f} frames a CPU second, with flow to the next {moved[-1]:.2f}x the seconds")
    growth, _ = slope(np.square(sizes), plain)
    print(f"seconds ~ pixels^{growth:.2f}")
    assert growth < 1
    assert max(moved) < 1.5


def graphs(count=200, nodes=100, edges=150):
    rng = np.random.default_rng(0)
    for _ in range(count):
        candidate = np.arange(nodes) >= nodes // 2
        ends = np.unique(np.sort(rng.integers(0, nodes, (edges, 2)), 1), axis=0)
        yield candidate, ends[(ends[:, 0] < ends[:, 1]) & ~candidate[ends].all(1)]


def edge_by_edge(candidate, edges):
    """As one would write it first: a call a node and a call an edge."""
    import maxflow

    graph = maxflow.Graph[int](len(candidate), len(edges))
    graph.add_nodes(len(candidate))
    for i, one in enumerate(candidate.tolist()):
        graph.add_tedge(i, *((1, 0) if one else (0, 1)))
    for a, b in edges.tolist():
        graph.add_edge(a, b, 1, 1)
    graph.maxflow()
    return np.array([graph.get_segment(i) for i in range(len(candidate))], dtype=bool)


@pytest.mark.parametrize(("nodes", "least"), [(100, 0.7), (1000, 1.1)])
def test_cuts_beside_a_call_an_edge(nodes, least):
    """A pool is one graph of thousands of nodes; at a hundred what a call costs decides, and both are nearly alike."""
    pytest.importorskip("maxflow")
    many = list(graphs(20_000 // nodes, nodes, nodes * 3 // 2))
    whole = lambda: [cut.minimum(*one, 1, 1, False) for one in many]
    single = lambda: [edge_by_edge(*one) for one in many]
    assert all((a == b).all() for a, b in zip(whole(), single()))
    median, low, high = ratio(single, whole)
    each = 1e6 * min(seconds(whole) for _ in range(3)) / len(many)
    print(f"\ncuts of {nodes} nodes: {each:.0f} us each; a call an edge takes {median:.1f}x ({low:.1f}-{high:.1f})")
    assert median > least


def test_reasoning_beside_looking_on_a_pool_of_two_thousand_frames(monkeypatch):
    """The flow is computed once for all cycles, and is here before the clock runs, as the pictures are."""
    preset = dataclasses.replace(roads.PRESETS["roads-near"], sequences=(24, 14, 0, 0, 1, 0))
    world = roads.make(preset, "roads-near")
    monkeypatch.setattr(datasets, "load", lambda name: world)
    detection._reels.cache_clear()
    task = detection.Detection(Run("temporal_coherence", "roads-near", "tc", 0, {"network": "fasterrcnn_small", "threshold": 0.3}))
    samples = np.arange(2000)
    assert len(task.reel) >= len(samples)
    network = kept_detector(task)
    for i in samples:
        _ = task.reel[int(i)].image
    found = task.detect(network, task.reel, samples)
    place = task.reel.video[samples], task.reel.time[samples], samples, (96, 64)
    footage = detection.Footage(*place, *found, task.motion(samples))
    ch2.estimate(footage)
    median, low, high = ratio(lambda: ch2.estimate(footage), lambda: task.detect(network, task.reel, samples), pairs=3)
    errors, D = ch2.estimate(footage), len(footage.boxes)
    print(f"\n{len(samples)} frames, {D} detections, {len(errors.labels) - D} candidates: TC takes {100 * median:.1f} % of the "
          f"detector's look ({100 * low:.1f}-{100 * high:.1f}; aim 10)")  # fmt: skip
    assert median < 0.2
    detection._reels.cache_clear()


def kept_detector(task):
    from alnb import plans, records
    from alnb.runs import with_needs

    runs = with_needs(plans.plan("06_temporal_coherence", "laptop").runs)
    source = next(run for run in runs if run.method == ch2.PRETRAINED)
    network = task.build(0)
    network.load_state_dict(records.final(source).blobs["weights"])
    return network
