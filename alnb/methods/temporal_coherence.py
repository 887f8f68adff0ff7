"""Temporal coherence for active learning in videos, TC (thesis ch. 2; Zolfaghari Bengar et al., ICCV workshops 2019).

What a detector says of one frame should agree with what it says of the next. Detections are tracked to their neighbours, linked
where they meet, and where they meet nothing a candidate is put: perhaps an object that was missed. An energy on this graph is
minimised exactly by one cut; it calls detections false and candidates missed. The frames with most estimated errors are asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from alnb import acquisition, cycle, races
from alnb.acquisition import frames, select
from alnb.cycle import CycleSettings, Fitted, Now
from alnb.errors import BadRequest
from alnb.learning import cut, trackers
from alnb.learning import links as linking
from alnb.learning.footage import Footage
from alnb.runs import Run, State, Step, Study, torch_stream
from alnb.tasks import detection
from alnb.tasks.detection import Detection

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
    BadRequest for unknown ties, and where a component is too large for 32-bit capacities: thousands of detections a frame, and
    the pool of ImageNet-VID, are not.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if ties not in TIES:
        raise BadRequest(f"ties = {ties!r}: expected one of {', '.join(map(repr, TIES))}")
    candidate, edges = np.asarray(candidate, dtype=bool), np.asarray(edges, dtype=np.int64).reshape(-1, 2)
    n = len(candidate)
    unary, pairwise = 1, weight
    if ties == "conservative" and len(edges):
        # first the energy, then, at a K-th of it, the contradictions: a component's own K, for each is cut as if alone
        joined = coo_array((np.ones(len(edges), np.int8), edges.T), shape=(n, n))
        of = connected_components(joined, directed=False)[1]
        K = np.bincount(of)[of] + 1
        unary, pairwise = K + 1, K[edges[:, 0]] * weight
    if (largest := int(2 * np.max(pairwise))) >= 2**31:  # what an edge can hold where flow one way is undone the other
        raise BadRequest(f"{n} nodes, edges of weight {weight}: a capacity of {largest}; accepted: under 2^31")
    present = cut.minimum(candidate, edges, unary, pairwise, ties == "present") if len(edges) else ~candidate
    return np.where(candidate, np.where(present, FN, TN), np.where(present, TP, FP))


TIES = ("conservative", "absent", "present")


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


def build(footage: Footage, boxes, where, rules: Rules = RULES["text"]) -> Graph:
    """The graph of thesis 2.3.2 (Fig. 2.2) from the tracks `boxes`, `where` of its detections, for all videos at once."""
    import numpy as np

    links, met, linked = linking.link(footage, boxes, where, rules.theta)
    unmatched = (where >= 0) & ~(linked if rules.matched == "link" else met)
    d, slot = np.nonzero(unmatched)
    cluster_by = linking.components if rules.clusters == "components" else linking.leaders
    of = cluster_by(boxes[d, slot], where[d, slot], footage.classes[d], rules.theta_c)
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


@dataclass(frozen=True)
class Errors:
    """What the graph says of F frames: labels (N,) of its nodes, estimated false positives and negatives (F,) a frame."""

    graph: Graph
    labels: Any
    fp: Any
    fn: Any

    def count(self, errors: str):
        return {"fp": self.fp, "fn": self.fn, "both": self.fp + self.fn}[errors]

    def in_order(self, place) -> Errors:
        """Of shuffled footage, told of the frames as they were (`Footage.shuffled`)."""
        import numpy as np

        graph = replace(self.graph, frame=np.argsort(place)[self.graph.frame])
        return replace(self, graph=graph, fp=self.fp[place], fn=self.fn[place])


def estimate(footage: Footage, rules: Rules = RULES["text"], tracker: str = "flow") -> Errors:
    """The errors of a detector that temporal coherence tells, without any label: thesis 2.3.2."""
    import numpy as np

    graph = build(footage, *trackers.get(tracker)(footage, rules.reach), rules)
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
    view, budget, rng, *, errors: str = "fp", rules: str = "text", ties: str = "", tracker: str = "flow", theta: float = 0.0,
    reach: int = 0, k: int = 1,
):
    """(budget,) rows with the most estimated errors, apart in time. errors: "fp" as the thesis, "fn" or "both"; ties, theta,
    reach: those of the rules if left out."""
    footage = view.detections()
    found = estimate(footage, chosen_rules(rules, ties, theta, reach), tracker)
    return frames.apart(view, footage.of_candidates(found.count(errors)), budget, k)


@select(
    "tc_shuffled",
    needs=("detections", "video", "time", "labelled_video", "labelled_time"),
    source="placebo of thesis 2.3.2",
    nested=True,
)
def tc_shuffled(view, budget, rng, *, errors: str = "fp", rules: str = "text", k: int = 1):
    """(budget,) rows as tc would choose were the frames of each video in a random order: nothing is coherent in time."""
    footage = view.detections()
    mixed, place = footage.shuffled(rng)
    found = estimate(mixed, chosen_rules(rules))
    return frames.apart(view, footage.of_candidates(found.count(errors)[place]), budget, k)


def check_tc(errors, rules, ties, tracker, theta, reach, k) -> None:
    """BadRequest for options that are none."""
    frames.check_apart(k)
    for name, given, accepted in (
        ("errors", errors, ("fp", "fn", "both")), ("rules", rules, RULES), ("ties", ties, ("", *TIES)),
        ("tracker", tracker, trackers.names()),
    ):  # fmt: skip
        if given not in accepted:
            raise BadRequest(f"{name} = {given!r}: expected one of {', '.join(map(repr, accepted))}")
    if not 0 <= theta < 1:
        raise BadRequest(f"theta = {theta}: expected an overlap under 1; 0: that of the rules")
    if not 0 <= reach <= detection.NEIGHBOURS:
        raise BadRequest(f"reach = {reach}: expected up to {detection.NEIGHBOURS}, which are looked at; 0: that of the rules")


def check_tc_shuffled(errors, rules, k) -> None:
    check_tc(errors, rules, "", "flow", 0, 0, k)


def chosen_rules(rules: str, ties: str = "", theta: float = 0.0, reach: int = 0) -> Rules:
    """The rules of that name, with other `ties`, `theta` and `reach` unless these are "" or 0."""
    own = {name: value for name, value in (("ties", ties), ("theta", theta), ("reach", reach)) if value}
    return replace(RULES[rules], **own)


# --- what the figures look at, after the choice -----------------------------------------------------------------------------------


def analyse(now: Now, view, choice, fitted: Fitted) -> tuple[list[dict], dict]:
    """Rows of kind "asked", the boxes a frame of the batch; of tc also of kind "errors", how the estimated errors fare against the
    true ones, with the frames in their order and shuffled, and at cycle 0 of kind "box" (Fig. 2.3). The labels of the pool are
    looked at for figures only."""
    from alnb.metrics.errors import against_truth, shown

    boxes = now.task.cost(now.candidates[choice.rows.numpy()])["boxes"] / len(choice.rows)
    rows = [{"kind": "asked", "cycle": now.cycle, "boxes": boxes}]
    if now.strategy.name != "tc":
        return rows, {}
    given, report = {**now.strategy.parameters, **now.run.options.strategy}, now.run.options.report
    rules = chosen_rules(*(given[name] for name in ("rules", "ties", "theta", "reach")))
    footage = view.detections()
    reel, samples = now.task.reel, now.task.samples(footage)
    truth, decoys = now.task.truth(reel, samples), lambda frame: reel.decoys(int(samples[frame]))
    more = {"apart": report != "short", "decoys": decoys if report == "sources" and reel.knows_decoys else None}
    errors = estimate(footage, rules, given["tracker"])
    mixed, place = footage.shuffled(torch_stream(now.run.seed, "shuffled frames", now.cycle))
    links = errors.graph.edges[(errors.graph.edges < len(footage.boxes)).all(1)]
    for order, one in (("in time", errors), ("shuffled", estimate(mixed, rules, given["tracker"]).in_order(place))):
        called = (one.labels == FP) | (one.labels == FN)
        for row in against_truth(footage, truth, one.graph, called, links, **more):
            own = one is errors and row["sort"] == "all"  # what nothing is said of is no better than chance
            gain = {"gain_precision": row.get("precision", row["chance"]) - row["chance"]} if own else {}
            rows.append({"kind": "errors", "cycle": now.cycle, "order": order, **row, **gain})
    boxes = shown(footage, truth, errors.graph, errors.labels == FP, errors.labels == FN) if now.cycle == 0 else []
    return rows + [{"kind": "box", "cycle": 0, **box} for box in boxes], {}


# --- the study ------------------------------------------------------------------------------------------------------------------

PRETRAINED = "pretrained"


@dataclass(frozen=True)
class Settings(CycleSettings, detection.Settings):
    """Those of the cycle and of detection; each cycle goes on from the last one's weights, "faster convergence than fine-tuning
    the initial model or from scratch" (thesis 2.5.1). report: "full" also tells which share of a batch ties decided, and precision
    and rank correlation of estimated errors apart for those that flicker and those that persist; "sources" also by what false
    detections lie on, a reflection or a look-alike, where the data is a world that knows (it draws these frames again)."""

    start: Literal["scratch", "last"] = "last"
    report: Literal["short", "full", "sources"] = "short"


def step(run: Run, state: State) -> Step:
    if run.method == PRETRAINED:
        task = Detection(run, state)
        network = detection.pretrain(task)
        rows = [{"kind": "pretraining", "epoch": i, "loss": loss} for i, loss in enumerate(network.losses)]
        return Step(rows, blobs={"weights": network.state_dict()}, done=True, timings=task.timings)
    return _chosen(run, state)


def _chosen(run: Run, state: State) -> Step:
    """A step of the cycle; in all but a short report with the ties that `frames.apart` found."""
    views = []

    def after(now, view, choice, fitted):
        views.append(view)
        return analyse(now, view, choice, fitted)

    made = cycle.step(run, state, Detection, after=after)
    if views and run.options.report != "short":
        (row,) = (row for row in made.rows if row["kind"] == "choice")
        row["tied_share"] = vars(views[0]).get("tied_share", row["tied_share"])
    return made


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
    sizes = [o.initial + o.budget * c for c in range(last - cycle.trainings(run) + 1, last)]
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
    races.check_cycles(run, detection.pool_size(run))


def prepare(run: Run, say) -> None:
    """BadRequest, before anything starts, where weights, or what a strategy that tracks detections needs, are not there."""
    chooses = run.method not in (PRETRAINED, cycle.ALL, cycle.FIRST)
    known = acquisition.describe(run.method).parameters if chooses else {}
    detection.prepare(run, "rules" in known and run.options.strategy.get("tracker", "flow") == "flow")


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
          "pretraining_lr", "report"}  # fmt: skip


def _arm(name: str, options: Mapping[str, Any], dataset: str, seed: int, settings: Mapping[str, Any]) -> list[Run]:
    """The runs of an arm on one seed (`races.Special`): every arm's first training starts from the pre-trained detector."""
    source = source_run(settings)
    for given in SHARED & set(options):
        raise BadRequest(f"{name}: {given} is no option of an arm; arms of one race have it in common")
    return races.plain_arm(STUDY.name, name, options, dataset, seed, settings, {detection.SOURCE: source} if source else {})


def grid(
    roads: Mapping[str, Any], null: Mapping[str, Any] = {}, vid: Mapping[str, Any] = {}, **shared
) -> list[Run]:
    """Every run of the notebook (see alnb/races.py): videos of roads, the same where frames are in no order in time, and short
    and long videos of three classes (ImageNet-VID). Raises BadRequest for what cannot be."""
    return races.grid(STUDY.name, {"roads": roads, "null": null, "vid": vid}, shared, _arm)
