"""What is told of a choice in notebook 06, once it is made: the boxes it cost, and how estimated errors fare against true ones."""

from __future__ import annotations

from dataclasses import replace

from alnb.cycle import Fitted, Now
from alnb.learning.footage import Footage
from alnb.methods import temporal_coherence as ch2
from alnb.metrics.errors import against_truth
from alnb.runs import torch_stream

SHOWN = 6  # frames of Fig. 2.3


def told(now: Now, view, choice, fitted: Fitted) -> tuple[list[dict], dict]:
    """Rows of kind "asked", the boxes a frame of the batch; of tc also of kind "errors", how the estimated errors fare against the
    true ones, with the frames in their order and shuffled, and at cycle 0 of kind "box" (Fig. 2.3). The labels of the pool are
    looked at for figures only."""
    boxes = now.task.cost(now.candidates[choice.rows.numpy()])["boxes"] / len(choice.rows)
    rows = [{"kind": "asked", "cycle": now.cycle, "boxes": boxes}]
    if now.strategy.name != "tc":
        return rows, {}
    given, whole = {**now.strategy.parameters, **now.run.options.strategy}, now.run.options.report == "full"
    rules = ch2.chosen_rules(given["rules"], given["ties"])
    footage = view.detections()
    truth = now.task.truth(now.task.reel, now.task.samples(footage))
    errors = ch2.estimate(footage, rules, given["tracker"])
    mixed, place = footage.shuffled(torch_stream(now.run.seed, "shuffled frames", now.cycle))
    links = errors.graph.edges[(errors.graph.edges < len(footage.boxes)).all(1)]
    for order, one in (("in time", errors), ("shuffled", in_order(ch2.estimate(mixed, rules, given["tracker"]), place))):
        called = (one.labels == ch2.FP) | (one.labels == ch2.FN)
        for row in against_truth(footage, truth, one.graph, called, links, apart=whole):
            own = one is errors and row["sort"] == "all"  # what nothing is said of is no better than chance
            gain = {"gain_precision": row.get("precision", row["chance"]) - row["chance"]} if own else {}
            rows.append({"kind": "errors", "cycle": now.cycle, "order": order, **row, **gain})
    return rows + (shown(footage, truth, errors) if now.cycle == 0 else []), {}


def in_order(errors: ch2.Errors, place) -> ch2.Errors:
    """Errors of shuffled footage, told of the frames as they were."""
    import numpy as np

    back = np.argsort(place)
    graph = replace(errors.graph, frame=back[errors.graph.frame])
    return replace(errors, graph=graph, fp=errors.fp[place], fn=errors.fn[place])


def shown(footage: Footage, truth, errors: ch2.Errors) -> list[dict]:
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
          for what, own in (("fp", errors.labels == ch2.FP), ("fn", (errors.labels == ch2.FN) & candidate))),
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
