"""The detection task: what a detector is asked, how targets move, what strategies see, what it refuses."""

import dataclasses
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch

from alnb import acquisition, cycle, datasets, plans, records
from alnb.datasets.videos import Frame, Videos
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.learning import detectors, flow
from alnb.learning.flow import sampled
from alnb.learning.footage import Footage
from alnb.learning.trackers.flow import track as by_flow
from alnb.methods import temporal_coherence as ch2
from alnb.runs import Run, with_needs
from alnb.store import Store
from alnb.tasks import detection, reels
from alnb.tasks.detection import Detection
from alnb.tasks.reels import Frames, Reel
from alnb.worlds import roads
from tests.toy_footage import footage as footage_of

TINY = {"videos": 2, "frames": 8, "test_every": 120, "network": "fasterrcnn_small", "epochs": 1, "batch": 4, "optimiser": "adam",
        "lr": 0.001, "initial": 4, "budget": 3, "cycles": 2, "threshold": 0.05}  # fmt: skip


def run(method="tc", seed=0, **settings):
    return Run("temporal_coherence", "roads-tiny", method, seed, TINY | settings)


@pytest.fixture(scope="module")
def task():
    return Detection(run())


def untrained(seed=0):
    """A detector whose scores are spread out."""
    network = detectors.build("fasterrcnn_small", 3, (96, 64), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        network.rcnn.roi_heads.box_predictor.cls_score.weight.mul_(30)
    return network.eval()


# --- the detector -----------------------------------------------------------------------------------------------------------------


def test_detections_are_torchvisions_with_the_whole_softmax_beside_them():
    network = untrained()
    images = torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = network.rcnn(list(images))
    found = network.detect(images, 0.0)
    assert sum(len(one.boxes) for one in found) > 10
    for ours, theirs in zip(found, expected):
        assert torch.allclose(ours.boxes, theirs["boxes"])
        assert torch.allclose(ours.scores, theirs["scores"])
        assert torch.equal(ours.classes + 1, theirs["labels"])
        assert torch.allclose(ours.probabilities.sum(1), torch.ones(len(ours.boxes)))
        assert torch.equal(ours.probabilities.gather(1, ours.classes[:, None] + 1)[:, 0], ours.scores)
    assert all((one.scores > 0.5).all() for one in network.detect(images, 0.5))


def test_a_diverged_detector_is_named():
    network = untrained()
    with torch.no_grad():
        network.rcnn.roi_heads.box_predictor.cls_score.bias.fill_(float("nan"))
    with pytest.raises(BadRequest, match="scores are NaN"):
        network.detect(torch.rand(1, 3, 64, 96), 0.5)


def test_an_unknown_detector_and_coco_weights_that_are_not_here(tmp_path, monkeypatch):
    with pytest.raises(BadRequest, match=r"'yolo'.*'fasterrcnn_resnet50_fpn', 'fasterrcnn_small'"):
        detectors.cost("yolo")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(BadRequest, match="COCO weights are missing: put https://"):
        detectors.build("fasterrcnn_resnet50_fpn", 3, (96, 64), coco=True, generator=torch.Generator())


def test_every_frame_is_resized_to_one_height():
    from torchvision.models.detection.transform import GeneralizedRCNNTransform

    from alnb.learning.detectors import fasterrcnn_resnet50_fpn
    from alnb.learning.detectors._faster_rcnn import ToHeight

    mean = std = (0.5, 0.5, 0.5)
    ours, theirs = ToHeight(30, mean, std).eval(), GeneralizedRCNNTransform(30, 10**5, mean, std).eval()
    wide, high = (torch.rand(3, *size, generator=torch.Generator().manual_seed(1)) for size in ((48, 64), (64, 48)))
    assert torch.equal(ours([wide])[0].tensors, theirs([wide])[0].tensors)
    boxes = torch.tensor([[8.0, 16, 24, 64]])
    seen, ((target),) = ours.train()([high], [{"boxes": boxes}])
    assert seen.image_sizes == [(30, 22)]
    assert target["boxes"][0].tolist() == pytest.approx([8 * 22 / 48, 16 * 30 / 64, 24 * 22 / 48, 30])
    with torch.device("meta"):
        resized, plain = (fasterrcnn_resnet50_fpn.build(3, (96, 64), height).transform for height in (300, 0))
    assert (type(resized), resized.height, resized.image_mean) == (ToHeight, 300, plain.image_mean)
    assert (plain.min_size, plain.max_size) == ((64,), 96)


def test_a_larger_frame_costs_more_and_one_whose_size_is_not_known_what_was_timed():
    small, none = (detectors.cost("fasterrcnn_small", frame) for frame in (detectors.FRAME, None))
    assert small == none
    wide, high = detectors.FRAME
    step, look = detectors.cost("fasterrcnn_small", (4 * wide, 4 * high))
    assert small[0] < step < 16 * small[0]
    assert step / look == pytest.approx(small[0] / small[1])
    preset = roads.PRESETS["roads-vid"]
    assert datasets.info("roads-vid").frame == (preset.width, preset.height)


# --- frames -----------------------------------------------------------------------------------------------------------------------


def test_boxes_move_with_their_image(task):
    sample = next(i for i in range(task.size) if len(task.reel[i].boxes))
    shot = task.reel[sample]
    feed = Frames(task.reel, [sample], [shot.boxes], [shot.classes], "cpu")
    plain, mirrored = (feed.batch(torch.tensor([0]), slice(0, 1), torch.tensor([flip])) for flip in (False, True))
    image, other = plain[0][0][0], mirrored[0][0][0]
    assert torch.equal(image.flip(2), other)
    box, turned = plain[1][0]["boxes"][0].int().tolist(), mirrored[1][0]["boxes"][0].int().tolist()
    cut = lambda x, b: x[:, b[1] : b[3], b[0] : b[2]]
    assert torch.equal(cut(image, box).flip(2), cut(other, turned))
    assert plain[1][0]["labels"].tolist() == (shot.classes + 1).tolist()
    assert plain[0][1] is plain[1]


def test_flow_between_pixels_is_bilinear():
    flow = np.zeros((2, 3, 2))
    flow[..., 0], flow[..., 1] = [[0, 1, 2], [0, 1, 2]], [[0, 0, 0], [10, 10, 10]]
    points = [[0.5, 0.5], [1.0, 1.0], [2.5, 1.5], [-9, 99]]  # pixel (0, 0) has its middle at (0.5, 0.5)
    assert sampled(flow, points).tolist() == [[0, 0], [0.5, 5], [2, 10], [0, 10]]


def test_a_reel_numbers_frames_as_the_dataset_and_keeps_what_fits(monkeypatch):
    world = datasets.load("roads-tiny")
    reel = Reel(world.train[:3], most=5, every=2)
    assert reel.video.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert reel.time.tolist() == [0, 2, 4] * 3
    first = world.train[0].length
    assert reel.rows.tolist() == [
        0,
        2,
        4,
        first,
        first + 2,
        first + 4,
        *(first + world.train[1].length + t for t in (0, 2, 4)),
    ]
    assert Reel(world.train, most=1, spread=4).video.tolist() == [0, 6, 12, 18]  # of 24
    assert Reel(world.train, most=1, spread=4).rows[1] == sum(video.length for video in world.train[:6])
    assert reel[0] is reel[0]
    monkeypatch.setattr(reels, "KEPT_BYTES", 0)
    assert reel[1] is not reel[1]
    assert torch.equal(reel[1].image, reel[1].image)


def test_the_flow_of_the_world_carries_a_box_along():
    """The tracked box of an object overlaps the object's own box in the next frame: for most of those that are seen well."""
    from alnb.metrics.detection import area, overlaps

    task, hits = Detection(run(videos=12, frames=3)), []
    samples = np.arange(task.size)
    truth = task.truth(task.reel, samples)
    footage = Footage(
        task.reel.video,
        task.reel.time,
        samples,
        (96, 64),
        truth.frame,
        truth.boxes,
        truth.classes,
        None,
        None,
        task.motion(samples),
    )
    boxes, where = by_flow(footage, 1)
    for i in np.flatnonzero((where[:, 0] >= 0) & (area(truth.boxes) > 50)):
        same = (truth.frame == where[i, 0]) & (truth.tracks == truth.tracks[i])
        hits += [overlaps(boxes[i, 0], box) > 0.5 for box in truth.boxes[same]]
    assert len(hits) > 10
    assert np.mean(hits) > 0.7


# --- what strategies see ----------------------------------------------------------------------------------------------------------


def test_neighbours_are_looked_at_too_and_other_frames_are_not(task):
    candidates, labelled = np.array([6, 0]), [5, 15]
    view = cycle.View(task, untrained_of(task), 0, candidates, labelled, task.labels(labelled, {}), None, False)
    footage = view.detections()
    assert list(zip(footage.video.tolist(), footage.time.tolist())) == [
        (0, t) for t in range(8)
    ]  # 6 and 0, three each side
    assert footage.row.tolist() == [1, -1, -1, -1, -1, -1, 0, -1]
    assert task.samples(footage).tolist() == list(range(8))
    assert footage.of_candidates(np.arange(8)).tolist() == [6, 0]
    assert (view.video.tolist(), view.time.tolist()) == ([0, 0], [6, 0])
    assert (view.labelled_video.tolist(), view.labelled_time.tolist()) == ([0, 12], [5, 7])
    assert footage.size == (96, 64)
    assert footage.goes_on(np.array([6, 7, 0]), 1).tolist() == [True, False, True]
    assert footage.goes_on(np.array([6, 7, 0]), -1).tolist() == [True, True, False]
    assert footage.probabilities.shape == (len(footage.boxes), task.classes + 1)
    with pytest.raises(PermissionError):
        view.truth()
    truth = task.truth(task.reel, task.samples(footage))
    assert len(truth.boxes) == sum(len(task.reel[i].boxes) for i in range(8))


def untrained_of(task):
    network = task.build(0)
    with torch.no_grad():
        network.rcnn.roi_heads.box_predictor.cls_score.weight.mul_(30)
    return network


def test_labels_cost_boxes_and_a_human_may_give_them(task):
    assert task.cost([0, 3]) == {"boxes": len(task.reel[0].boxes) + len(task.reel[3].boxes)}
    ((boxes, classes), none) = task.labels([0, 1], {0: [[1, 2, 30, 40, 1]], 1: []})
    assert (boxes.tolist(), classes.tolist()) == ([[1, 2, 30, 40]], [1])
    assert none[0].shape == (0, 4)
    for wrong in ([[1, 2, 1, 40, 1]], [[1, 2, 30, 40, 9]]):
        with pytest.raises(BadRequest, match="answer to frame 0"):
            task.labels([0], {0: wrong})


def test_a_perfect_detector_has_an_average_precision_of_one(task, monkeypatch):
    truth = task.truth(task.test, range(len(task.test)))
    perfect = truth.frame, truth.boxes, truth.classes, np.ones(len(truth.boxes)), None
    monkeypatch.setattr(task, "detect", lambda *_: perfect)
    assert task.evaluate(None) == {"AP": 1.0}


# --- videos as they come: frames without annotation, several sizes, no flow -------------------------------------------------------


class Film:
    """A video whose frame t is `shade` + t all over, with one box that says t; the frames in `bare` are not annotated."""

    def __init__(self, name, length, size, bare=(), shade=0):
        self.name, self.length, self.size, self.shade = name, length, size, shade
        self.complete = ~np.isin(np.arange(length), bare)

    def frame(self, t):
        wide, high = self.size
        boxes = [[2, 3, 20 + t, 30]] * bool(self.complete[t])
        rgb = np.full((high, wide, 3), self.shade + t, np.uint8)
        return Frame(rgb, np.array(boxes, np.float32).reshape(-1, 4), np.zeros(len(boxes), np.int64))


@pytest.fixture
def films(monkeypatch):
    train = [Film("a", 5, (96, 64), bare=[1, 2]), Film("b", 4, (64, 80), bare=[0], shade=100)]
    test = [Film("c", 3, (64, 96), bare=[1]), Film("d", 2, (96, 64))]
    data = Videos("roads-tiny", datasets.info("roads-tiny"), roads.CLASSES, train, test)
    monkeypatch.setattr(datasets, "load", lambda name: data)
    detection._reels.cache_clear()
    yield Detection(run(videos=0, frames=9, test_every=1, flow="dis", threshold=0.0))
    detection._reels.cache_clear()


def test_frames_without_annotation_are_passed_but_never_asked_trained_or_tested_on(films, monkeypatch):
    assert films.rows.tolist() == [0, 3, 4, 6, 7, 8]
    assert detection.pool_size(films.run) == films.size == 6
    assert films.cost(range(6)) == {"boxes": 6}
    assert [boxes[0, 2] for boxes, _ in films.labels([1, 3], {})] == [23, 21]
    trained = []
    monkeypatch.setattr(Frames, "__init__", lambda self, reel, samples, *_: trained.extend(samples) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        films.train([1, 5], films.labels([1, 5], {}), 0)
    assert trained == [3, 8]
    tested = films.truth(films.test, films.test.complete)
    assert tested.frame.tolist() == [0, 1, 2, 3]
    perfect = tested.frame, tested.boxes, tested.classes, np.ones(4), None
    looked = []
    monkeypatch.setattr(films, "detect", lambda network, reel, samples: looked.extend(samples) or perfect)
    assert films.evaluate(None) == {"AP": 1.0}
    assert looked == [0, 2, 3, 4]


def test_the_objects_of_many_frames_are_told_without_keeping_their_images(films, monkeypatch):
    alive, most = weakref.WeakSet(), [0]
    monkeypatch.setattr(reels, "KEPT_BYTES", 0)
    real = reels.Shot.of

    def of(frame):
        shot = real(frame)
        alive.add(shot.image)
        most[0] = max(most[0], len(alive))
        return shot

    monkeypatch.setattr(reels.Shot, "of", of)
    truth = films.truth(films.reel, np.arange(9))
    assert truth.boxes[:, 2].tolist() == [20, 23, 24, 21, 22, 23]
    assert truth.tracks.tolist() == [-1] * 6
    assert most[0] <= 2


def test_neighbours_without_annotation_are_tracked_through_and_each_frame_has_its_own_size(films):
    candidates, labelled = np.array([5, 1]), [0]
    view = cycle.View(films, untrained_of(films), 0, candidates, labelled, films.labels(labelled, {}), None, False)
    footage = view.detections()
    assert list(zip(footage.video.tolist(), footage.time.tolist())) == [(0, t) for t in range(5)] + [
        (1, t) for t in range(4)
    ]
    assert footage.row.tolist() == [-1, -1, -1, 1, -1, -1, -1, -1, 0]
    assert footage.sizes.tolist() == [[96, 64]] * 5 + [[64, 80]] * 4
    assert films.samples(footage).tolist() == list(range(9))
    assert (view.video.tolist(), view.time.tolist(), view.labelled_time.tolist()) == ([1, 0], [3, 3], [0])
    tall = footage.frame >= 5
    assert tall.any()
    assert footage.boxes[tall, 2].max() <= 64
    assert footage.boxes[tall, 3].max() > 64


def test_frames_of_several_sizes_are_looked_at_as_each_alone(films):
    network, mixed = untrained_of(films), [0, 5, 1, 6, 7]
    place, boxes, *_ = films.detect(network, films.reel, mixed)
    assert len(boxes) > 5
    for n, i in enumerate(mixed):
        own = films.detect(network, films.reel, [i])[1]
        np.testing.assert_allclose(boxes[place == n], own, atol=1e-3)


def test_a_box_leaves_the_image_where_its_own_frame_ends():
    shots = footage_of(
        [2, 2], [(0, [70, 10, 90, 30], 0), (2, [70, 10, 90, 30], 0)], size=np.repeat([[96, 64], [78, 64]], 2, 0)
    )
    assert by_flow(shots, 1)[1][:, 0].tolist() == [1, -1]


@pytest.mark.parametrize(("room", "calls"), [(reels.KEPT_BYTES, 1), (0, 2)])
def test_estimated_flow_is_kept_while_there_is_room_for_its_frame(films, monkeypatch, room, calls):
    made = []
    monkeypatch.setattr(reels, "KEPT_BYTES", room)
    monkeypatch.setattr(
        flow, "dis", lambda a, b: made.append((int(a.max()), int(b.max()))) or np.zeros((64, 96, 2), np.float16)
    )
    move = films.motion(np.arange(9))
    for _ in range(2):
        move(np.array([3]), -1, np.array([[5.0, 5.0]]))
    assert made == [(3, 2)] * calls


# --- runs -------------------------------------------------------------------------------------------------------------------------


def test_stepped_runs_are_the_loop_and_go_on_from_the_last_weights(tmp_path):
    runs = ch2.grid({"dataset": "roads-tiny", "arms": ["random_r"]}, **TINY)
    store = Store(tmp_path)
    assert not drive(runs, store, workers=1).failed
    rows = [row for step in store.read(runs[0]).steps for row in step["rows"] if row["kind"] == "test"]
    plain = list(cycle.loop(Detection(runs[0]), acquisition.get("random_r"), 3, 2))
    assert rows == plain
    assert [row["labelled"] for row in rows] == [4, 7, 10]
    assert rows[0]["boxes"] <= rows[1]["boxes"] <= rows[2]["boxes"]


def test_a_full_report_tells_more_of_the_same_choices(tmp_path):
    told_of = lambda report: ch2.grid({"dataset": "roads-tiny", "arms": ["tc"]}, **TINY | {"cycles": 1, "report": report})[0]
    short, full = told_of("short"), told_of("full")
    assert short.key != full.key
    store = Store(tmp_path)
    assert not drive([short, full], store, workers=1).failed
    steps = [store.read(one).steps for one in (short, full)]
    asked = [[step["queries"] for step in each] for each in steps]
    assert asked[0] == asked[1]
    rows = [[row for step in each for row in step["rows"]] for each in steps]
    tied = [next(row for row in each if row["kind"] == "choice").get("tied_share") for each in rows]
    assert tied[0] is None or tied[0] != tied[0]
    assert 0 <= tied[1] <= 1
    told = [{name for row in each if row["kind"] == "errors" for name in row} for each in rows]
    assert told[1] - told[0] >= {"nonempty"}
    records.export([full], store, tmp_path / "records")  # with the seconds that the detector looked
    assert records.steps(full, tmp_path / "records")[-1]["provenance"]["timings"]["detecting"] > 0


def test_every_arm_starts_from_one_detector_of_another_world():
    world = {"pretraining": "roads-assets", "pretraining_frames": 10, "pretraining_epochs": 2}
    runs = ch2.grid(
        {"dataset": "roads-tiny", "seeds": 2, "arms": ["tc", "random(further=1)", "all_data"]}, **TINY | world
    )
    sources = {
        one.needs[detection.SOURCE]
        for run in runs
        for one in (run, *run.needs.values())
        if detection.SOURCE in one.needs
    }
    assert len(sources) == 1
    (source,) = sources
    assert (source.dataset, source.method, source.seed, source.options.epochs) == ("roads-assets", ch2.PRETRAINED, 0, 2)
    assert len(runs) == 8  # a further run of Random beside it
    assert all(run.options.start == "last" for run in runs)


def test_the_kept_detector_is_what_profiles_start_from_and_finds_what_it_was_trained_to_find():
    """On videos of its own world that it has not seen."""
    sources = {profile: one for profile in ("smoke", "laptop", "world")
               for run in plans.plan("06_temporal_coherence", profile).runs
               for one in with_needs([run]) if one.method == ch2.PRETRAINED}  # fmt: skip
    kept = sources["laptop"]
    assert kept == sources["world"] == sources["smoke"]
    assert records.starts_from(kept)
    task = Detection(dataclasses.replace(kept, settings={**kept.settings, "videos": 1, "frames": 1}))
    network = task.build(0)
    network.load_state_dict(records.final(kept).blobs["weights"])
    assert task.evaluate(network)["AP"] > 0.2


def test_pretraining_takes_frames_that_hold_an_object(monkeypatch):
    task = Detection(run(ch2.PRETRAINED, videos=6, frames=4, pretraining_frames=5))
    monkeypatch.setattr(task, "train", lambda samples, labels, cycle: (samples, None))
    chosen = detection.pretrain(task)
    assert len(set(chosen)) == 5
    assert all(len(task.reel[i].boxes) for i in chosen)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"network": "small"}, "network = 'small'"),
        ({"videos": -1}, "videos = -1"),
        ({"test_every": 0}, "test_every = 0"),
        ({"threshold": 1.0}, "threshold = 1.0"),
        ({"pretraining": "coco"}, "no COCO weights"),
        ({"pretraining": "nowhere"}, "unknown dataset 'nowhere'"),
        ({"pretraining_lr": 0.0}, "pretraining_lr"),
        ({"pretraining": "glyphs-10"}, "glyphs-10 is a dataset of classification, not of detection"),
        ({"pretraining": "roads-vid"}, "pretraining = 'roads-vid' has 3 classes, roads-tiny has 4"),
        ({"pretraining": "roads-tiny"}, "pretraining = 'roads-tiny' has the videos of roads-tiny"),
        ({"pretraining": "roads-tiny-null"}, "pretraining = 'roads-tiny-null' has the videos of roads-tiny"),
        ({"pretraining": "roads-full"}, "pretraining = 'roads-full' has the videos of roads-tiny"),
        ({"initial": 15}, "more than the pool's 16"),
        ({"initial_labels": "balanced"}, "a frame has no one class"),
        ({"flow": "magic"}, "flow = 'magic'"),
        ({"report": "long"}, "report = 'long'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_drawn(wrong, said):
    with pytest.raises(BadRequest, match=said):
        ch2.grid({"dataset": "roads-tiny", "arms": ["random"]}, **TINY | wrong)


def test_a_dataset_of_another_task_is_refused():
    with pytest.raises(BadRequest, match="glyphs-10 is a dataset of classification, not of detection"):
        ch2.grid({"dataset": "glyphs-10", "arms": ["random"]}, **TINY)


def test_what_is_missing_is_said_before_anything_starts(tmp_path, monkeypatch):
    """Only to the runs that it concerns: those that track, and those that start from COCO."""
    lines = []
    asked = ch2.grid({"dataset": "roads-tiny", "arms": ["random_r", "most_detections", "tc"]}, **TINY | {"flow": "dis"})
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setattr(detection, "_has_flow", lambda name: False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    prepared = lambda run: ch2.STUDY.prepare(run, lines.append)
    for free in [*asked[:2], *asked[2].needs.values()]:
        prepared(free)
    with pytest.raises(BadRequest, match="wants OpenCV"):
        prepared(asked[2])
    with pytest.raises(BadRequest, match="roads-tiny has no optical flow of its own: give flow = 'dis'"):
        prepared(run())
    prepared(run(strategy={"tracker": "template"}))  # it looks at pictures
    with pytest.raises(BadRequest, match="RAFT's weights are missing: put https://"):
        prepared(run(flow="raft"))
    with pytest.raises(BadRequest, match="COCO weights are missing"):
        prepared(run("random", network="fasterrcnn_resnet50_fpn", pretraining="coco"))
    outcome = drive(asked[2:], Store(tmp_path / "store"), workers=1)
    assert "wants OpenCV" in outcome.failed[asked[2]]
    monkeypatch.undo()
    assert detection._has_flow("roads-tiny")


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ("tc(errors='tp')", "errors = 'tp'"), ("tc(k=-1)", "k = -1"), ("margin", "does not offer"),
        ("random(retrain=True)", "retrain"),
        ("tc(further=1)", "only the plain random"),
        ("tc(videos=1)", "videos is no option of an arm"), ("all_data(k=1)", "all_data takes seeds"),
        ("margin_r(reading='text')", "reading = 'text'"), ("tc(tracker='siamfc')", "tracker = 'siamfc'"),
        ("tc(report='full')", "report is no option of an arm"),
    ],
)  # fmt: skip
def test_arms_that_cannot_be(arm, said):
    with pytest.raises(BadRequest, match=said):
        ch2.grid({"dataset": "roads-tiny", "arms": [arm]}, **TINY)


def test_a_plan_is_made_without_torch():
    code = (
        "import sys; from alnb import plans; [plans.plan('06_temporal_coherence', p).runs for p in ('smoke', 'world', 'paper')];"
        "print(','.join({'torch', 'matplotlib', 'maxflow', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_what_is_read_from_disk_is_a_pool_like_any_other(tmp_path, monkeypatch):
    """SYNTHIA-AL's layout has no flow: a run is trained and looked at, and what needs motion says how to have it."""
    from alnb.worlds.roads import disk

    preset = dataclasses.replace(roads.PRESETS["roads-tiny"], sequences=(1, 0, 0, 0, 1, 0), seconds=(0.5, 0.5))
    disk.write(roads.make(preset), tmp_path)
    monkeypatch.setenv("ALNB_DATA", str(tmp_path))
    settings = {name: value for name, value in TINY.items() if name not in ("videos", "frames", "test_every")}
    task = Detection(Run("temporal_coherence", "synthia-al", "tc", 0, settings | {"threshold": 0.0}))
    assert (task.size, len(task.test)) == (5, 5)
    network, _ = task.train([0, 2], task.labels([0, 2], {}), 0)
    assert 0 <= task.evaluate(network)["AP"] <= 1
    view = cycle.View(task, network, 0, np.array([1, 3, 4]), [0, 2], None, None, False)
    assert get_rows("most_detections", view) <= {0, 1, 2}
    with pytest.raises(BadRequest, match="synthia-al has no optical flow of its own: give flow = 'dis'"):
        get_rows("tc", view)


def get_rows(name, view):
    return set(acquisition.get(name).choose(view, 2, torch.Generator()).rows.tolist())


def test_one_label_of_a_frame_without_objects_trains(task):
    empty = [(np.empty((0, 4), np.float32), np.empty(0, np.int64))] * 2
    network, record = task.train([0, 1], empty, 0)
    assert record is None
    assert np.isfinite(network.losses).all()
    with pytest.raises(BadRequest, match="at least one frame"):
        Frames(task.reel, [], [], [], "cpu")
