"""Object detection in the frames of videos: a detector that goes on from the last cycle's weights, AP, boxes as the cost.

A sample is a frame whose annotation is complete; others are tracked through, never asked for, trained or tested on. The dataset
numbers the frames of its training videos one video after the other; `rows` says which of them the pool holds. Targets move with
their image (`Frames`). What strategies see is in `OFFERS`: the detections of candidates and of their neighbours, labelled ones
too, and how the image moves between frames.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alnb import datasets
from alnb.errors import BadRequest
from alnb.learning import flow as flows
from alnb.learning.footage import Footage, Truth
from alnb.machine import device
from alnb.runs import Run, State, torch_stream
from alnb.tasks import Metric
from alnb.tasks.reels import Frames, Reel
from alnb.tasks.training import TrainingSettings, check_recipe, recipe

OFFERS = {
    "detections": "function: () -> Footage, the detections of candidates and their neighbours, and how the image moves",
    "video": "(U,) int, which video a candidate is of",
    "time": "(U,) int, which frame of it",
    "labelled_video": "(L,) int",
    "labelled_time": "(L,) int",
    "truth": "function: () -> Truth, the objects of the frames of `detections`: for strategies marked oracle=True only",
}
"""U candidates, L labelled. The view also has `classes`, without the background."""

SOURCE = "source"  # the needed run whose detector ours starts from
NEIGHBOURS = 3  # frames before and after a candidate that are looked at too


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """videos, frames: the pool is the first `frames` frames of `videos` training videos, evenly spread over their list (which goes
    subset by subset), 0: all; test_every: of the test videos, one frame in so many is looked at. network: a file of
    learning/detectors. height: what frames are resized to, 0: not. threshold: lower scores are dropped (thesis 2.5.1).

    pretraining: a world of other assets that the detector is trained on first, for pretraining_epochs on pretraining_frames
    frames at pretraining_lr (a run of its own), or "coco", or "" for none. flow: the world's own, or one of learning/flow.
    """

    network: str = "fasterrcnn_resnet50_fpn"
    videos: int = 0
    frames: int = 0
    test_every: int = 1
    height: int = 0
    threshold: float = 0.5
    batch: int = 12
    smallest_batch: int = 1
    optimiser: Literal["sgd", "adam"] = "sgd"
    schedule: Literal["step", "cosine"] = "step"
    precision: Literal["fp32", "bf16"] = "fp32"
    flow: Literal["exact", "dis", "raft"] = "exact"
    pretraining: str = ""
    pretraining_frames: int = 0
    pretraining_epochs: int = 10
    pretraining_lr: float = 0.001


def check(settings: Settings, dataset: str) -> None:
    """BadRequest for a detector, a training, a part of the videos or a source that cannot be."""
    from alnb.learning import detectors

    datasets.check_task(dataset, "detection")
    detectors.cost(settings.network)
    check_recipe(settings)
    least = {"videos": 0, "frames": 0, "test_every": 1, "height": 0, "batch": 1, "smallest_batch": 1, "pretraining_frames": 0,
             "pretraining_epochs": 1}  # fmt: skip
    for name, lowest in least.items():
        if getattr(settings, name) < lowest:
            raise BadRequest(f"{name} = {getattr(settings, name)}: expected at least {lowest}")
    if not 0 <= settings.threshold < 1:
        raise BadRequest(f"threshold = {settings.threshold}: expected a score, 0 or more and under 1")
    if settings.pretraining_lr <= 0:
        raise BadRequest(f"pretraining_lr = {settings.pretraining_lr}: expected above 0")
    if settings.network == "fasterrcnn_small" and (settings.pretraining == "coco" or settings.height):
        raise BadRequest(
            "fasterrcnn_small has no COCO weights and resizes nothing: give it pretraining on a world, height = 0"
        )
    if settings.pretraining not in ("", "coco"):
        check_source(settings.pretraining, dataset)


def check_source(source: str, dataset: str) -> None:
    """BadRequest for a source whose detector does not fit `dataset`, or that shows the very videos whose labels are to be asked."""
    from alnb.worlds import roads

    datasets.check_task(source, "detection")
    if source == dataset or roads.same_streets(source, dataset):
        raise BadRequest(
            f"pretraining = {source!r} has the videos of {dataset}, labels and all: expected a world of others"
        )
    ours, theirs = datasets.info(dataset).classes, datasets.info(source).classes
    if ours != theirs:
        raise BadRequest(f"pretraining = {source!r} has {theirs} classes, {dataset} has {ours}: expected as many")


def prepare(run: Run, tracks: bool) -> None:
    """BadRequest, before anything starts, for what is not installed or not there: COCO's weights, and where the run tracks
    detections, OpenCV or a flow that the data has itself."""
    from alnb.learning import detectors

    o = run.options
    if o.pretraining == "coco":
        detectors.check_coco(o.network)
    if not tracks:
        return
    flows.check(o.flow)
    if o.flow == "exact" and not _has_flow(run.dataset):
        raise BadRequest(NO_FLOW.format(run.dataset))


NO_FLOW = "{} has no optical flow of its own: give flow = 'dis' or 'raft'"


@functools.lru_cache(maxsize=8)
def _has_flow(name: str) -> bool:
    return datasets.load(name).train[0].frame(0).flow is not None


# --- frames -----------------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=2)
def _reels(name: str, videos: int, frames: int, test_every: int) -> tuple[Reel, Reel]:
    """The pool's and the test set's, once per process."""
    world = datasets.load(name)
    return Reel(world.train, frames, spread=videos), Reel(world.test, every=test_every)


def pool_size(run: Run) -> int:
    """Frames of the pool, without drawing one."""
    o = run.options
    if not o.videos and not o.frames:
        return datasets.info(run.dataset).train
    return len(_reels(run.dataset, o.videos, o.frames, o.test_every)[0].complete)


# --- the task ---------------------------------------------------------------------------------------------------------------------


class Detection:
    """One run's videos and detector (see tasks.Task). Samples are positions in the pool, `frames` (size,) their places in the
    reel, which holds the frames between them too."""

    offers: Mapping[str, str] = OFFERS
    recorded: frozenset[str] = frozenset()

    @staticmethod
    def metrics(dataset: str) -> tuple[Metric, ...]:
        """AP@0.5, all-point, mean over the classes that the test set has, 0 to 1 as the thesis prints it."""
        return (Metric("AP", low=0, high=1),)

    def __init__(self, run: Run, state: State | None = None):
        self.run, self.options, self.device = run, run.options, device()
        self.timings: dict[str, float] = {}
        self.source = state.needs.get(SOURCE) if state else None
        o = self.options
        self.reel, self.test = _reels(run.dataset, o.videos, o.frames, o.test_every)
        self.frames = self.reel.complete
        self.rows, self.size = self.reel.rows[self.frames], len(self.frames)
        self.classes = datasets.info(run.dataset).classes

    def labels(self, samples: Sequence[int], answers: Mapping[int, Any]):
        """[(boxes (m, 4), classes (m,)) of each sample]: a human's, a list of (x0, y0, x1, y1, class), else the dataset's."""
        import numpy as np

        known = []
        for sample in samples:
            if sample in answers:
                given = np.asarray(answers[sample], dtype=float).reshape(-1, 5)
                if ((given[:, 4] < 0) | (given[:, 4] >= self.classes) | (given[:, 2:4] <= given[:, :2]).any(1)).any():
                    raise BadRequest(
                        f"answer to frame {sample}: expected x0 < x1, y0 < y1, class 0 to {self.classes - 1}"
                    )
                known.append((given[:, :4].astype(np.float32), given[:, 4].astype(np.int64)))
            else:
                shot = self.reel[int(self.frames[sample])]
                known.append((shot.boxes, shot.classes))
        return known

    def cost(self, samples: Sequence[int]) -> dict[str, float]:
        """{"boxes": that the dataset has there: those to be drawn, also where a person answered with more or fewer}."""
        return {"boxes": sum(len(self.reel[int(self.frames[sample])].boxes) for sample in samples)}

    def build(self, cycle: int):
        """The detector before a label of this dataset: the source's, COCO's or a fresh one."""
        from alnb.learning import detectors

        o, (_, high, wide) = self.options, self.reel[0].image.shape
        network = detectors.build(
            o.network, self.classes, (wide, high), height=o.height, coco=o.pretraining == "coco",
            generator=torch_stream(self.run.seed, "model init", cycle),
        )  # fmt: skip
        if self.source is not None:
            network.load_state_dict(self.source.blobs["weights"])
        return network.to(self.device).eval()

    def train(self, samples, labels, cycle: int, watched=None, *, member: int = 0, start=None):
        """See tasks.Task; from `start`, else from `build`. Nothing is recorded."""
        from alnb.learning.detectors._faster_rcnn import total
        from alnb.learning.train import train

        network = self.build(cycle) if start is None else start
        feed = Frames(self.reel, self.frames[list(samples)].tolist(), *zip(*labels), self.device)
        names = [f"{name}, member {member}" if member else name for name in ("data order", "augmentation")]
        order, augment = (torch_stream(self.run.seed, name, cycle) for name in names)
        trained = train(network, feed, recipe(self.options), loss=total, order=order, augment=augment)
        network.losses = trained.losses
        return network.eval(), None

    def restore(self, weights: dict):
        """The detector of the shared first training, or of the cycle before."""
        source, self.source = self.source, None
        network = self.build(0)
        self.source = source
        network.load_state_dict(weights)
        return network.to(self.device).eval()

    def detect(self, network, reel, samples):
        """The detections of `samples` of a reel: place (D,) among them, boxes (D, 4), classes (D,), scores (D,), probabilities
        (D, 1 + C). Frames of one size are looked at together."""
        import numpy as np
        import torch

        began, found = time.perf_counter(), []
        for part in np.array_split(np.asarray(samples, dtype=int), max(1, -(-len(samples) // 16))):
            images = [reel[int(i)].image for i in part]
            of = {}
            for shape in dict.fromkeys(image.shape for image in images):
                same = [i for i, image in enumerate(images) if image.shape == shape]
                batch = torch.stack([images[i] for i in same]).to(self.device).float() / 255
                of |= zip(same, network.detect(batch, self.options.threshold))
            found += [of[i] for i in range(len(images))]
        place = np.repeat(np.arange(len(found)), [len(one.boxes) for one in found])
        empty = {"boxes": (0, 4), "classes": (0,), "scores": (0,), "probabilities": (0, self.classes + 1)}
        arrays = [
            torch.cat([getattr(one, name) for one in found]).cpu().numpy() if found else np.empty(shape)
            for name, shape in empty.items()
        ]  # fmt: skip
        self.timings["detecting"] = self.timings.get("detecting", 0.0) + time.perf_counter() - began
        return place, *arrays

    def samples(self, footage: Footage):
        """(F,) places in the reel of its frames."""
        import numpy as np

        place = lambda about: about.video * (int(self.reel.time.max()) + 1) + about.time
        return np.searchsorted(place(self.reel), place(footage))

    def truth(self, reel, samples) -> Truth:
        """The objects in `samples` of a reel; `frame` is their place among them."""
        import numpy as np

        known = []
        for i in samples:  # one by one: no image is kept for the sake of its boxes
            shot = reel[int(i)]
            known.append((shot.boxes, shot.classes, shot.tracks))
        frame = np.repeat(np.arange(len(known)), [len(boxes) for boxes, *_ in known])
        join = lambda k, shape: np.concatenate([np.empty(shape), *(of[k] for of in known)])
        return Truth(frame, join(0, (0, 4)), join(1, 0).astype(int), join(2, 0).astype(int))

    def evaluate(self, network) -> dict[str, float]:
        """{"AP": mean over the classes of the test set}."""
        from alnb.metrics.detection import average_precision

        samples = self.test.complete
        truth, timings = self.truth(self.test, samples), dict(self.timings)
        place, boxes, classes, scores, _ = self.detect(network, self.test, samples)
        self.timings = timings  # "detecting" is the pool's
        values = average_precision(place, boxes, classes, scores, truth.frame, truth.boxes, truth.classes)
        return {"AP": sum(values.values()) / len(values) if values else 0.0}

    def look(self, model, cycle: int, candidates, labelled, labels, record: dict | None) -> Seen:
        return Seen(self, model, candidates, labelled)

    def motion(self, samples):
        """`Footage.motion` for frames that are places in `samples` of the pool's reel."""
        import numpy as np

        def move(frames, direction, points):
            v, order = np.empty((len(frames), 2)), np.argsort(frames, kind="stable")
            for own in np.split(order, np.flatnonzero(np.diff(frames[order])) + 1) if len(order) else ():
                v[own] = flows.sampled(self._flow(int(samples[frames[own[0]]]), direction), points[own])
            return v

        return move

    def picture(self, sample: int):
        """(H, W, 3) uint8, of a place in the pool's reel."""
        return self.reel[int(sample)].image.permute(1, 2, 0).numpy()

    def _flow(self, sample: int, direction: int):
        shot = self.reel[sample]
        if self.options.flow != "exact":
            if direction not in shot.estimated:  # kept for all cycles where its frame is
                other = self.reel[sample + direction].image
                shot.estimated[direction] = flows.estimate(self.options.flow, shot.image, other)
            return shot.estimated[direction]
        flow = shot.forward if direction > 0 else shot.backward
        if flow is None:
            raise BadRequest(NO_FLOW.format(self.run.dataset))
        return flow


class Seen:
    """What `OFFERS` names, of one cycle's candidates, computed once when asked for."""

    def __init__(self, task: Detection, model, candidates, labelled):
        self._task, self._model = task, model  # candidates and labelled: places in the reel from here on
        self._candidates, self._labelled = task.frames[candidates], task.frames[list(labelled)]

    def _of(self, what, samples):
        import torch

        return torch.from_numpy(what[samples]).to(self._task.device)

    @property
    def video(self):
        return self._of(self._task.reel.video, self._candidates)

    @property
    def time(self):
        return self._of(self._task.reel.time, self._candidates)

    @property
    def labelled_video(self):
        return self._of(self._task.reel.video, self._labelled)

    @property
    def labelled_time(self):
        return self._of(self._task.reel.time, self._labelled)

    @functools.cached_property
    def _samples(self):
        """Places in the reel of the candidates and of the frames of their videos that are near one, in order."""
        import numpy as np

        reel, near = self._task.reel, set()
        for i in self._candidates.tolist():
            near.update(range(max(0, i - NEIGHBOURS), min(len(reel), i + NEIGHBOURS + 1)))
        near = np.array(sorted(near), dtype=int)
        of = {
            video: reel.time[self._candidates[reel.video[self._candidates] == video]]
            for video in np.unique(reel.video[near])
        }
        own = [len(of[v]) > 0 and abs(of[v] - t).min() <= NEIGHBOURS for v, t in zip(reel.video[near], reel.time[near])]
        return near[np.array(own, dtype=bool)]

    @functools.cached_property
    def _footage(self) -> Footage:
        import numpy as np

        task, samples = self._task, self._samples
        row = np.full(len(task.reel), -1)
        row[self._candidates] = np.arange(len(self._candidates))
        found = task.detect(self._model, task.reel, samples)
        size = task.reel.sizes[samples]
        size = tuple(size[0].tolist()) if (size == size[0]).all() else size
        about = task.reel.video[samples], task.reel.time[samples], row[samples], size
        return Footage(*about, *found, task.motion(samples), lambda frame: task.picture(samples[frame]))

    def detections(self) -> Footage:
        return self._footage

    def truth(self) -> Truth:
        return self._task.truth(self._task.reel, self._samples)


# --- the detector that a run starts from ------------------------------------------------------------------------------------------


def pretrain(task: Detection):
    """A detector trained on `pretraining_frames` random frames of another set of assets that hold an object, 0: all of them."""
    import torch

    most = task.options.pretraining_frames or task.size
    order = torch.randperm(task.size, generator=torch_stream(task.run.seed, "initial pool")).tolist()
    chosen = list(itertools.islice((i for i in order if task.cost([i])["boxes"]), most))
    return task.train(chosen, task.labels(chosen, {}), 0)[0]


def seconds(run: Run, labelled: Sequence[int], looked_at: int) -> float:
    """Rough seconds on one core: one training per entry of `labelled`, each tested, and so many frames looked at."""
    from alnb.learning import detectors

    info = datasets.info(run.dataset)
    train, look = detectors.cost(run.options.network, info.frame)
    tested = info.test / run.options.test_every * len(labelled)
    return (run.options.epochs * sum(labelled) * train + (tested + looked_at) * look) / 1000
