"""Temporal coherence for active learning in videos, TC (thesis ch. 2; Zolfaghari Bengar et al., ICCV workshops 2019).

What a detector says of one frame should agree with what it says of the next. Detections are tracked to their neighbours, linked
where they meet, and where they meet nothing a candidate is put: perhaps an object that was missed. An energy on this graph is
minimised exactly by one cut; it calls detections false and candidates missed. The frames with most estimated errors are asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from alnb import acquisition, cycle, published, races
from alnb.acquisition import frames, select
from alnb.cycle import CycleSettings, Fitted, Now
from alnb.errors import BadRequest
from alnb.runs import Run, State, Step, Study, coerce, torch_stream
from alnb.statistics import BASELINES
from alnb.tasks import detection
from alnb.tasks.detection import Detection, Footage

# --- the energy: thesis eq. 2.1-2.4 --------------------------------------------------------------------------------------------

TP, FP, TN, FN = range(4)  # the order of (2.4)
INF = float("inf")
PHI_D = {TP: 0, TN: INF, FP: 1, FN: INF}  # (2.2), of a detection
PHI_C = {TP: INF, TN: 0, FP: INF, FN: 1}  # (2.3), of a candidate
PSI = ((0, 1, 1, 0), (1, 0, 0, 1), (1, 0, 0, 1), (0, 1, 1, 0))  # (2.4), of two connected variables


def energy(labels, candidate, edges) -> float:
    """E of a labelling, to the letter: (2.1). labels (N,) of TP, FP, TN, FN; candidate (N,) bool; edges: pairs of nodes."""
    phi = sum((PHI_C if is_candidate else PHI_D)[int(label)] for label, is_candidate in zip(labels, candidate))
    return phi + sum(PSI[int(labels[a])][int(labels[b])] for a, b in edges)


def minimise(candidate, edges, weight: int = 1, ties: str = "conservative"):
    """(N,) labels of the least energy. candidate (N,) bool; edges (E, 2) int, each once; weight: that of (2.4), 1 as printed.

    The infinities leave two labels a node: with x = 1 where an object is said to be present (TP, FN) and 0 where none is (FP,
    TN), a node pays 1 where x contradicts the detector and an edge pays where its ends differ: one minimum cut.
    Several labellings may be equally good (ties): "absent" takes of them the one with fewest objects, "present" that with
    most, "conservative" one with fewest nodes that contradict the detector ("in principle we trust" it), and of these absent.
    BadRequest for unknown ties, and where a graph is too large for 32-bit capacities.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if ties not in TIES:
        raise BadRequest(f"ties = {ties!r}: expected one of {', '.join(map(repr, TIES))}")
    candidate, edges = np.asarray(candidate, dtype=bool), np.asarray(edges, dtype=np.int64).reshape(-1, 2)
    n = len(candidate)
    unary, pairwise = 1, weight
    if ties == "conservative" and len(
        edges
    ):  # first the energy, then, at a K-th of it, the contradictions of a component
        joined = coo_array((np.ones(len(edges), np.int8), edges.T), shape=(n, n))
        K = int(np.bincount(connected_components(joined, directed=False)[1]).max()) + 1
        unary, pairwise = K + 1, K * weight
    if (total := n * unary + 2 * len(edges) * pairwise) >= 2**31:
        raise BadRequest(f"{n} nodes and {len(edges)} edges: capacities of {total} in all; accepted: under 2^31")
    present = _cut(candidate, edges, unary, pairwise, most=ties == "present") if len(edges) else ~candidate
    return np.where(candidate, np.where(present, FN, TN), np.where(present, TP, FP))


TIES = ("conservative", "absent", "present")


def _cut(candidate, edges, unary: int, pairwise: int, most: bool, library: str = ""):
    """(N,) bool: present, in a minimum cut; the largest such set if `most`, else the smallest. library: "maxflow" (PyMaxflow,
    the thesis') or "scipy"; "": the first that is installed."""
    import numpy as np

    try:
        if library == "scipy":
            raise ImportError
        import maxflow
    except ImportError:
        if library == "maxflow":
            raise
        return _cut_by_scipy(candidate, edges, unary, pairwise, most)
    graph = maxflow.Graph[int](len(candidate), len(edges))
    nodes = graph.add_grid_nodes(len(candidate))
    # what could go either way stays on the source's side: that is where "present" is, if most are wanted
    to_source, to_sink = np.where(candidate != most, unary, 0), np.where(candidate != most, 0, unary)
    graph.add_grid_tedges(nodes, to_source, to_sink)
    capacity = np.full(len(edges), pairwise)
    graph.add_edges(*np.ascontiguousarray(edges.T), capacity, capacity)
    graph.maxflow()
    return graph.get_grid_segments(nodes) != most


def _cut_by_scipy(candidate, edges, unary: int, pairwise: int, most: bool):
    """The same: source absent, sink present; what can reach the sink in the residual graph is the smallest present set."""
    import numpy as np
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    n = len(candidate)
    source, sink, nodes = n, n + 1, np.arange(n)
    tails = np.concatenate([np.where(candidate, source, nodes), edges[:, 0], edges[:, 1]])
    heads = np.concatenate([np.where(candidate, nodes, sink), edges[:, 1], edges[:, 0]])
    capacity = np.concatenate([np.full(n, unary), np.full(2 * len(edges), pairwise)]).astype(np.int32)
    whole = csr_array((capacity, (tails, heads)), shape=(n + 2, n + 2))
    residual = whole - maximum_flow(whole, source, sink).flow
    residual.data = (residual.data > 0).astype(np.int8)
    residual.eliminate_zeros()
    start, graph = (source, residual) if most else (sink, residual.T.tocsr())
    reached = np.zeros(n + 2, dtype=bool)
    reached[breadth_first_order(graph, start, return_predecessors=False)] = True
    return ~reached[:n] if most else reached[:n]


# --- the graph: tracks, links, candidates --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rules:
    """What thesis 2.3.2 leaves open. reach: frames that a detection is tracked, each way ("in practice we use three").
    theta: overlap above which a tracked box meets a detection. A tracked box is unmatched if its detection has no link into that
    frame ("link"), or if it meets none itself ("own"). clusters: of unmatched boxes with overlap above theta_c, their connected
    components by class, at their mean box ("components"), or greedily around the first box, whatever its class ("leader").
    weight: of an edge. ties: see `minimise`."""

    reach: int = 3
    theta: float = 0.5
    matched: Literal["link", "own"] = "link"
    clusters: Literal["components", "leader"] = "components"
    theta_c: float = 0.5
    weight: int = 1
    ties: str = "conservative"


RULES = {
    "text": Rules(),
    "authors-2019": Rules(matched="own", clusters="leader", theta_c=0.75, weight=2, ties="absent"),
}
"""authors-2019: what the public code (agonzgarc/ADL, March 2019) does; an edge added from both its ends counts twice."""


@dataclass(frozen=True)
class Graph:
    """N nodes, the D detections first, then the candidates; frame (N,), boxes (N, 4), classes (N,), edges (E, 2) int."""

    candidate: Any
    frame: Any
    boxes: Any
    classes: Any
    edges: Any


def by_flow(footage: Footage, reach: int):
    """The optical-flow tracker: the motion vector at a box's centre moves the box, frame by frame (thesis, "Object tracker").

    -> boxes (D, 2 reach, 4), each detection in the next `reach` frames, then in those before it, and the frames (D, 2 reach)
    they are in, -1 where the video ends or the centre has left the image. The size of a box never changes.
    """
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


TRACKERS = {"flow": by_flow}


def build(footage: Footage, boxes, where, rules: Rules = RULES["text"]) -> Graph:
    """The graph of thesis 2.3.2 (Fig. 2.2) from the tracks `boxes`, `where` of its detections, for all videos at once."""
    import numpy as np

    links, met, linked = link(footage, boxes, where, rules.theta)
    unmatched = (where >= 0) & ~(linked if rules.matched == "link" else met)
    d, slot = np.nonzero(unmatched)
    of = (_components if rules.clusters == "components" else _leaders)(
        boxes[d, slot], where[d, slot], footage.classes[d], rules.theta_c
    )
    names, first, cluster = np.unique(of, return_index=True, return_inverse=True)
    C, D = len(names), len(footage.boxes)
    centres = boxes[d, slot][first]
    if rules.clusters == "components" and C:
        size = np.bincount(cluster, minlength=C)
        centres = np.stack([np.bincount(cluster, side, C) / size for side in boxes[d, slot].T], 1)
    support = np.unique(np.stack([d, D + cluster], 1), axis=0) if C else np.empty((0, 2), int)
    return Graph(
        np.arange(D + C) >= D,
        np.concatenate([footage.frame, where[d, slot][first]]),
        np.concatenate([footage.boxes, centres]),
        np.concatenate([footage.classes, footage.classes[d][first]]),
        np.concatenate([links, support]),
    )


def link(footage: Footage, boxes, where, theta: float):
    """Links (E, 2) between detections of one class: the tracked box of either overlaps the other by more than theta. Beside
    them, by detection and slot of its track, (D, S) bool: the tracked box met a detection; the detection has a link there."""
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


def _components(boxes, where, classes, theta: float):
    """(n,) cluster of each tracked box: connected components of the overlaps above theta, by frame and class."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    from alnb.metrics.detection import overlaps, pairs

    n, group = len(boxes), where * (int(classes.max(initial=0)) + 1) + classes
    order = np.argsort(group, kind="stable")
    joined = coo_array((n, n), dtype=np.int8)
    for i, j in pairs(group[order], group[order]):
        i, j = order[i[i < j]], order[j[i < j]]
        near = overlaps(boxes[i], boxes[j]) > theta
        joined = joined + coo_array((np.ones(near.sum(), np.int8), (i[near], j[near])), shape=(n, n))
    return connected_components(joined, directed=False)[1] if n else np.empty(0, int)


def _leaders(boxes, where, classes, theta: float):
    """The same as the public code does it: the first box of a frame takes all that it overlaps, whatever their class."""
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


@dataclass(frozen=True)
class Errors:
    """What the graph says of F frames: labels (N,) of its nodes, estimated false positives and negatives (F,) a frame."""

    graph: Graph
    labels: Any
    fp: Any
    fn: Any

    def count(self, errors: str):
        return {"fp": self.fp, "fn": self.fn, "both": self.fp + self.fn}[errors]


def estimate(footage: Footage, rules: Rules = RULES["text"], tracker: str = "flow") -> Errors:
    """The errors of a detector that temporal coherence tells, without any label: thesis 2.3.2."""
    import numpy as np

    graph = build(footage, *TRACKERS[tracker](footage, rules.reach), rules)
    labels = minimise(graph.candidate, graph.edges, rules.weight, rules.ties)
    fp, fn = (np.bincount(graph.frame[labels == kind], minlength=len(footage.video)) for kind in (FP, FN))
    return Errors(graph, labels, fp, fn)


def example() -> Footage:
    """The worked example: a car moves 4 px a frame for five frames and is missed in the third, where something is invented."""
    import numpy as np

    found = [(t, [10 + 4 * t, 20, 30 + 4 * t, 40]) for t in (0, 1, 3, 4)] + [(2, [80, 20, 96, 36])]

    def motion(frames, direction, points):  # only the left half of the picture moves
        return np.where(points[:, :1] < 60, [[4.0 * direction, 0.0]], 0.0)

    frame, boxes = (np.array(part) for part in zip(*found))
    F, D = np.arange(5), len(found)
    of = np.zeros(D, int), np.full(D, 0.9), np.tile([0.1, 0.9], (D, 1))
    return Footage(np.zeros(5, int), F, F, (110, 60), frame, boxes.astype(float), *of, motion)


# --- the strategies ------------------------------------------------------------------------------------------------------------


@select(
    "tc",
    needs=("detections", "video", "time", "labelled_video", "labelled_time"),
    source="thesis 2.3.2, Temporal Coherence",
    nested=True,
)
def tc(
    view, budget, rng, *, errors: str = "fp", rules: str = "text", ties: str = "", tracker: str = "flow", k: int = 1
):
    """(budget,) rows with the most estimated errors, apart in time. errors: "fp" as the thesis, "fn" or "both"; ties: those of
    the rules if left out."""
    known = chosen_rules(errors, rules, ties, tracker)
    footage = view.detections()
    return frames.apart(view, footage.of_candidates(estimate(footage, known, tracker).count(errors)), budget, k)


@select(
    "tc_shuffled",
    needs=("detections", "video", "time", "labelled_video", "labelled_time"),
    source="placebo of thesis 2.3.2",
    nested=True,
)
def tc_shuffled(view, budget, rng, *, errors: str = "fp", rules: str = "text", k: int = 1):
    """(budget,) rows as tc would choose were the frames of each video in a random order: nothing is coherent in time."""
    known, footage = chosen_rules(errors, rules, "", "flow"), view.detections()
    mixed, place = footage.shuffled(rng)
    return frames.apart(view, footage.of_candidates(estimate(mixed, known).count(errors)[place]), budget, k)


@select(
    "most_detections",
    needs=("detections", "video", "time", "labelled_video", "labelled_time"),
    source="trivial rival of thesis 2.3.2",
    nested=True,
)
def most_detections(view, budget, rng, *, k: int = 1):
    """(budget,) rows with the most detections: errors are counted a frame, so crowded frames have more of them."""
    import numpy as np

    footage = view.detections()
    return frames.apart(
        view, footage.of_candidates(np.bincount(footage.frame, minlength=len(footage.video))), budget, k
    )


def chosen_rules(errors: str, rules: str, ties: str, tracker: str) -> Rules:
    """The rules that options of `tc` name. BadRequest for what is none."""
    for name, given, accepted in (
        ("errors", errors, ("fp", "fn", "both")), ("rules", rules, RULES), ("ties", ties, ("", *TIES)),
        ("tracker", tracker, TRACKERS),
    ):  # fmt: skip
        if given not in accepted:
            raise BadRequest(f"{name} = {given!r}: expected one of {', '.join(map(repr, accepted))}")
    return replace(RULES[rules], ties=ties) if ties else RULES[rules]


# --- what the figures look at, after the choice ---------------------------------------------------------------------------------

SHOWN = 6  # frames of Fig. 2.3


def analyse(now: Now, view, choice, fitted: Fitted) -> tuple[list[dict], dict]:
    """Rows of kind "asked", the boxes a frame of the batch; of tc also of kind "errors", how the estimated errors fare against the
    true ones, with the frames in their order and shuffled, and at cycle 0 of kind "box" (Fig. 2.3). The labels of the pool are
    looked at for figures only."""
    boxes = now.task.cost(now.candidates[choice.rows.numpy()])["boxes"] / len(choice.rows)
    rows = [{"kind": "asked", "cycle": now.cycle, "boxes": boxes}]
    if now.strategy.name != "tc":
        return rows, {}
    from alnb.metrics.errors import against_truth

    given = {**now.strategy.parameters, **now.run.options.strategy}
    rules = chosen_rules(given["errors"], given["rules"], given["ties"], given["tracker"])
    footage = view.detections()
    truth = now.task.truth(now.task.reel, now.task.samples(footage))
    errors = estimate(footage, rules, given["tracker"])
    mixed, place = footage.shuffled(torch_stream(now.run.seed, "shuffled frames", now.cycle))
    links = errors.graph.edges[(errors.graph.edges < len(footage.boxes)).all(1)]
    for order, one in (("in time", errors), ("shuffled", in_order(estimate(mixed, rules), place))):
        for row in against_truth(footage, truth, one.graph, (one.labels == FP) | (one.labels == FN), links):
            own = one is errors and row["sort"] == "all"  # what nothing is said of is no better than chance
            gain = {"gain_precision": row.get("precision", row["chance"]) - row["chance"]} if own else {}
            rows.append({"kind": "errors", "cycle": now.cycle, "order": order, **row, **gain})
    return rows + (shown(footage, truth, errors) if now.cycle == 0 else []), {}


def in_order(errors: Errors, place) -> Errors:
    """Errors of shuffled footage, told of the frames as they were."""
    import numpy as np

    back = np.argsort(place)
    return replace(
        errors, graph=replace(errors.graph, frame=back[errors.graph.frame]), fp=errors.fp[place], fn=errors.fn[place]
    )


def shown(footage: Footage, truth, errors: Errors) -> list[dict]:
    """Rows of kind "box": truth, detections, estimated false positives and negatives of the frames with most of them (then, with
    most objects), one a video and at most SHOWN."""
    import numpy as np

    objects, chosen = np.bincount(truth.frame, minlength=len(footage.row)), {}
    for f in np.lexsort((-objects, -(errors.fp + errors.fn))).tolist():
        if footage.row[f] >= 0 and objects[f] + errors.fp[f] + errors.fn[f]:
            chosen.setdefault(int(footage.video[f]), f)
    at, D = errors.graph, len(footage.boxes)
    candidate = np.arange(len(at.frame)) >= D
    parts = (
        ("truth", truth.frame, truth.boxes, truth.classes),
        ("detection", footage.frame, footage.boxes, footage.classes),
        *((what, at.frame[own], at.boxes[own], at.classes[own])
          for what, own in (("fp", errors.labels == FP), ("fn", (errors.labels == FN) & candidate))),
    )  # fmt: skip
    return [
        {"kind": "box", "cycle": 0, "video": video, "time": int(footage.time[f]), "what": what, "class": int(classes[i]),
         **dict(zip(("x0", "y0", "x1", "y1"), (round(float(v), 2) for v in boxes[i])))}
        for video, f in list(chosen.items())[:SHOWN]
        for what, frame, boxes, classes in parts
        for i in np.flatnonzero(frame == f)
    ]  # fmt: skip


def seconds_a_batch(frame):
    """Per run (race, dataset, world, method, seed), the seconds that choosing a batch took, the detector's look at the pool among
    them: their sum over its batches, as records hold no more than sums."""
    about = ["race", "dataset", "world", "method", "seed"]
    frame = frame.reindex(columns=list(dict.fromkeys([*frame, "choosing"])))
    batches = frame[frame["kind"] == "asked"].groupby(about).size()
    took = frame[frame["kind"] == "timing"].groupby(about)["choosing"].sum(min_count=1)
    return (took / batches).dropna()


SPECIAL = {"timing.a_batch": seconds_a_batch}  # metrics of the claims (claims.ledger)


# --- the study ------------------------------------------------------------------------------------------------------------------

PRETRAINED = "pretrained"


@dataclass(frozen=True)
class Settings(CycleSettings, detection.Settings):
    """Those of the cycle and of detection; each cycle goes on from the last one's weights, "faster convergence than fine-tuning
    the initial model or from scratch" (thesis 2.5.1)."""

    start: Literal["scratch", "last"] = "last"


def step(run: Run, state: State) -> Step:
    if run.method == PRETRAINED:
        task = Detection(run, state)
        network = detection.pretrain(task)
        rows = [{"kind": "pretraining", "epoch": i, "loss": loss} for i, loss in enumerate(network.losses)]
        return Step(rows, blobs={"weights": network.state_dict()}, done=True, timings=task.timings)
    return cycle.step(run, state, Detection, after=analyse)


def steps(run: Run) -> int:
    return 1 if run.method == PRETRAINED else cycle.steps(run)


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core."""
    o, size = run.options, detection.pool_size(run)
    if run.method == PRETRAINED:
        return detection.seconds(run, [o.pretraining_frames or size], 0)
    if run.method == cycle.ALL:
        return detection.seconds(run, [size], 0)
    if run.method == cycle.FIRST:
        return detection.seconds(run, [o.initial], 0)
    last = o.cycles + 1
    sizes = [o.initial + o.budget * c for c in range(last - run.steps + 1, last)]
    looks = "detections" in acquisition.describe(run.method).needs
    return detection.seconds(run, sizes, size * len(sizes) * looks)


def check(run: Run) -> None:
    """BadRequest for a detector, sizes or options that cannot be."""
    o = run.options
    detection.check(o, run.dataset)
    if run.method == PRETRAINED:
        return
    if o.initial_labels in ("balanced", "reserved"):
        raise BadRequest(
            f"initial_labels = {o.initial_labels!r}: a frame has no one class; accepted: 'random' or a strategy"
        )
    given = {"errors": "fp", "rules": "text", "ties": "", "tracker": "flow"} | o.strategy
    chosen_rules(*(given[name] for name in ("errors", "rules", "ties", "tracker")))
    if given.get("k", 0) < 0:
        raise BadRequest(f"k = {given['k']}: expected a number of neighbouring frames, 0 or more")
    races.check_cycles(run, detection.pool_size(run))


def prepare(run: Run, say) -> None:
    """BadRequest, before anything starts, where weights, or what a strategy that tracks detections needs, are not there."""
    chooses = run.method not in (PRETRAINED, cycle.ALL, cycle.FIRST)
    detection.prepare(run, chooses and "rules" in acquisition.describe(run.method).parameters)


STUDY = Study(
    "temporal_coherence", 1, step, Settings, steps, seconds,
    Detection.metrics, lambda dataset: Detection.offers, check, prepare=prepare,
)  # fmt: skip

INHERITED = (
    "network",
    "batch",
    "smallest_batch",
    "optimiser",
    "momentum",
    "weight_decay",
    "nesterov",
    "precision",
    "height",
)


def source_run(settings: Mapping[str, Any]) -> Run | None:
    """The run that trains the detector on the world `pretraining`, the same for every seed; None where there is none."""
    o = STUDY.settings(**{name: value for name, value in settings.items() if name in STUDY.types})
    if o.pretraining in ("", "coco"):
        return None
    own = {name: settings[name] for name in INHERITED if name in settings}
    own |= {"epochs": o.pretraining_epochs, "lr": o.pretraining_lr, "schedule": "cosine"}
    own["pretraining_frames"] = o.pretraining_frames
    return Run(STUDY.name, o.pretraining, PRETRAINED, 0, own)


SHARED = {"videos", "frames", "test_every", "height", "threshold", "pretraining", "pretraining_frames", "pretraining_epochs",
          "pretraining_lr"}  # fmt: skip


def _arm(name: str, options: Mapping[str, Any], dataset: str, seed: int, settings: Mapping[str, Any]) -> list[Run]:
    """The runs of an arm on one seed (`races.Special`): every arm's first training starts from the pre-trained detector."""
    source, options = source_run(settings), dict(options)
    for given in SHARED & set(options):
        raise BadRequest(f"{name}: {given} is no option of an arm; arms of one race have it in common")
    needs = {detection.SOURCE: source} if source else {}
    if name == cycle.ALL:
        if options:
            raise BadRequest(f"{acquisition.write_arm(name, options)}: all_data takes seeds and no other option")
        return [races.all_data_run(STUDY.name, dataset, seed, settings, needs)]
    further = coerce(options.pop("further", 0), int, f"{name}: further")
    if further < 0 or (further and (options or name not in BASELINES)):
        raise BadRequest(
            f"{name}: further = {further}: only the plain {' and '.join(BASELINES)} go further, 0 or more cycles"
        )
    run = races.method_run(STUDY.name, dataset, acquisition.write_arm(name, options), seed, settings, needs)
    return [run] + [races.further_run(run, further)] * bool(further)


def grid(roads: Mapping[str, Any], null: Mapping[str, Any] = {}, **shared) -> list[Run]:
    """Every run of the notebook (see alnb/races.py): videos of roads, and the same where frames are in no order in time.
    Raises BadRequest for what cannot be."""
    return races.grid(STUDY.name, {"roads": roads, "null": null}, shared, _arm)


# --- what is special in the chapter's audit -------------------------------------------------------------------------------------


def relative_ap(frame):
    """For `published.audit`: each "relative AP" against the quotient of the table's AP, which are rounded themselves; how many are
    that quotient rounded, and how many cut off; and "relative AP above" (the text's, setting `table=`)."""
    import math

    cells = frame[frame["metric"] == "AP"].set_index(["artefact", "dataset", "method"])["value"]
    rounded, cut, half = [], [], 0.0005
    for row in frame[frame["metric"] == "relative AP"].itertuples():
        a, full = (cells[row.artefact, row.dataset, method] for method in (row.method, "all_data"))
        value = 100 * a / full
        rounded.append(math.isclose(round(value, 1), row.value))
        cut.append(math.isclose(math.floor(10 * value + 1e-9) / 10, row.value))
        slack = 100 * (a + half) / (full - half) - value if row.method != "all_data" else 0.0
        yield published.compared(row, value, f"{a} / {full}", slack)
    if rounded:
        yield {"check": "Table 2.2: relative AP that are the quotient of the printed AP, rounded", "printed": len(rounded),
               "computed": sum(rounded), "agrees": all(rounded), "note": f"cut off after one decimal: {sum(cut)} are"}  # fmt: skip
    for row in frame[frame["metric"] == "relative AP above"].itertuples():
        where = published.settings(row.setting)["table"], row.dataset
        value = 100 * cells[*where, row.method] / cells[*where, "all_data"]
        yield {"check": f"{row.artefact}: relative AP of {row.method} is above", "printed": row.value, "computed": value,
               "agrees": value > row.value, "note": "by a few tenths of a point"}  # fmt: skip


def shares_of_frames(frame):
    """For `published.audit`: "share of the training frames" of a subset (setting `subset=`, `table=`) against the frames that
    the table prints."""
    cells = frame[(frame["artefact"] == "Table 2.1") & (frame["metric"] == "frames")]
    counted = {published.settings(row.setting)["subset"]: row.value for row in cells.itertuples()}
    whole = sum(value for name, value in counted.items() if not name.startswith("Test"))
    for row in frame[frame["metric"] == "share of the training frames"].itertuples():
        name = published.settings(row.setting)["subset"]
        yield published.compared(row, 100 * counted[name] / whole, f"{counted[name]:,.0f} of {whole:,.0f}", more=name)
