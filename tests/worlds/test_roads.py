"""The road world: its geometry is checked against itself (flow against depth and ids), its counts against Table 2.1."""

import hashlib
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alnb import datasets
from alnb.errors import BadRequest
from alnb.tasks.reels import Reel
from alnb.worlds import roads
from alnb.worlds.roads import actors, assets, draw, view
from alnb.worlds.roads.scene import CLASSES, Blocks, Scene, Thing

TINY = roads.PRESETS["roads-tiny"]
CLEAN = replace(TINY, width=192, height=128, ghosts=0.0, flicker=0.0, noise=0.0)


@pytest.fixture(scope="module")
def world():
    return roads.load("roads-tiny")


@pytest.fixture(scope="module")
def clean():
    """Without chance from frame to frame, at twice the size."""
    return roads.make(CLEAN)


def warped(image, flow):
    """(image at every pixel's place + flow, bilinear; whether that lies inside)."""
    height, width = image.shape[:2]
    v, u = np.mgrid[:height, :width]
    x, y = u + flow[..., 0], v + flow[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    x0, y0 = np.clip(np.floor(x).astype(int), 0, width - 2), np.clip(np.floor(y).astype(int), 0, height - 2)
    fx, fy = np.clip(x - x0, 0, 1), np.clip(y - y0, 0, 1)
    if image.ndim == 3:
        fx, fy = fx[..., None], fy[..., None]
    top = image[y0, x0] * (1 - fx) + image[y0, x0 + 1] * fx
    return top * (1 - fy) + (image[y0 + 1, x0] * (1 - fx) + image[y0 + 1, x0 + 1] * fx) * fy, inside


def nearest(image, flow):
    height, width = image.shape[:2]
    v, u = np.mgrid[:height, :width]
    v, u = np.round(v + flow[..., 1]).astype(int), np.round(u + flow[..., 0]).astype(int)
    return image[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)]


# --- a frame is a pure function of (seed, subset, sequence, frame) ---


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 23), st.floats(0, 1))
def test_a_frame_does_not_depend_on_what_was_drawn_before(world, number, at):
    video = world.train[number]
    t = int(at * (video.length - 1))
    alone = roads.make(TINY).train[number].frame(t)
    np.random.seed(t)
    other = world.train[(number + 1) % 24]
    other.frame(t % other.length)
    again = video.frame(t)
    for what in (
        "rgb",
        "instances",
        "semantics",
        "depth",
        "boxes",
        "amodal",
        "classes",
        "tracks",
        "forward",
        "backward",
    ):
        np.testing.assert_array_equal(getattr(alone, what), getattr(again, what), what)


def test_seeds_subsets_sequences_and_frames_differ(world):
    frames = [world.train[0].frame(0), world.train[0].frame(1), world.train[2].frame(0), world.test[0].frame(0),
              roads.make(replace(TINY, seed=1)).train[0].frame(0)]  # fmt: skip
    assert len({hashlib.sha256(frame.rgb.tobytes()).digest() for frame in frames}) == len(frames)


def test_what_a_frame_holds(world):
    for video in (world.train[0], world.train[-1], world.test[-1]):
        frame = video.frame(video.length - 1)
        assert (frame.rgb.shape, frame.rgb.dtype) == ((64, 96, 3), np.uint8)
        for what, kind in (("instances", np.int32), ("semantics", np.uint8), ("depth", np.float32)):
            assert (getattr(frame, what).shape, getattr(frame, what).dtype) == ((64, 96), kind)
        for what in (frame.forward, frame.backward):
            assert (what.shape, what.dtype) == ((64, 96, 2), np.float32)
            assert np.isfinite(what).all()
        for what, kind in ((frame.boxes, np.float32), (frame.amodal, np.float32)):
            assert what.dtype == kind
            assert what.shape == (len(frame.classes), 4)
        assert frame.classes.dtype == frame.tracks.dtype == np.int64
        assert set(np.unique(frame.semantics)) <= {*range(19), 255}
        for t in (-1, video.length):
            with pytest.raises(IndexError, match="there is no frame"):
                video.frame(t)


# --- geometry ---


@pytest.mark.parametrize("number", [0, 1, 2, 7, 16, 18, 20, 22])
def test_flow_leads_to_the_same_thing_at_the_depth_it_then_has(clean, number):
    """Independent of how anything looks: a pixel's point, moved by ego and own motion, is where the next frame has it."""
    video = clean.train[number]
    for t in (3, video.length // 2):
        frame = video.frame(t)
        for step, flow in ((1, frame.forward), (-1, frame.backward)):
            other = video.frame(t + step)
            ids, inside = nearest(other.instances, flow), warped(frame.depth, flow)[1]
            same = inside & (ids == frame.instances) & (frame.depth < 60)
            # What is not the same thing lies at an edge or is covered or uncovered: few pixels.
            assert (ids != frame.instances)[inside].mean() < 0.05
            depth = nearest(other.depth, flow)
            ego = video.scene.ego(t + step)[1] - video.scene.ego(t)[1]
            still = same & (frame.instances == 0) & (np.abs(depth - (frame.depth - ego)) < 0.15 * frame.depth)
            assert still.sum() > 0.9 * (same & (frame.instances == 0)).sum()
            error = (depth - (frame.depth - ego))[still] / frame.depth[still]
            assert abs(np.median(error)) < 0.005
            back, _ = warped(other.flow(-step), flow)  # there and back again
            closed = np.abs(back + flow).max(2)[still]
            assert np.quantile(closed, 0.9) < 0.1 + 0.05 * np.abs(flow).max(2)[still].max()


@pytest.mark.parametrize("number", [0, 2, 5, 16, 22])
def test_flow_warps_the_next_frame_onto_this_one(clean, number):
    video, apart, moved, on_things = clean.train[number], [], [], []
    for t in range(2, video.length - 2, 12):
        frame = video.frame(t)
        for step in (1, -1):
            other, flow = video.frame(t + step), frame.flow(step)
            back, inside = warped(other.rgb.astype(np.float32), flow)
            visible = inside & (nearest(other.instances, flow) == frame.instances)
            visible &= np.abs(nearest(other.depth, flow) - frame.depth) < 0.3 * frame.depth
            now = frame.rgb.astype(np.float32)
            apart.append(np.abs(back - now)[visible].mean())
            moved.append(np.abs(other.rgb - now)[visible].mean())
            things = visible & (frame.instances > 0)
            if things.sum() > 60:
                on_things.append(np.abs(back - now)[things].mean() / np.abs(other.rgb - now)[things].mean())
    assert np.mean(apart) < 0.5 * np.mean(moved)
    if on_things and video.area != "highway":
        assert np.mean(on_things) < 0.6


def scene_of(*things, frames=9):
    """A highway without anything but `things`."""
    made = roads.Sequence(replace(CLEAN, sequences=(2, 0, 0, 0, 0, 0)), "default", 1, frames).scene
    blank = replace(made.blocks, z1=made.blocks.z0 - 1e6)
    return Scene(
        "highway", "S", frames, 25.0, (0,), 10.0, np.zeros(6), list(things), blank, np.zeros(0), np.ones(3), 0, {}
    )


def car(x, z, **path):
    return Thing("vehicle", x, z, np.full((1, 3), 128, np.float32), 0, vehicle=assets.VEHICLES[0][0], **path)


def person(x, z, **path):
    return Thing("pedestrian", x, z, np.full((7, 3), 90, np.float32), 1, **path)


def test_the_nearer_hides_the_farther_in_whatever_order_they_are_listed():
    x = 6.6
    near, far, between = car(x, 12.0), car(x + 2.2, 25.0), person(x + 1.5, 18.0)
    for order in ([near, far, between], [between, far, near], [far, between, near]):
        scene = scene_of(*order)
        to = draw.draw(scene, 0, 192, 128, 1.4)[1]
        whole = {}
        for k, thing in enumerate(order):
            alone = scene_of(thing)
            whole[k + 1] = draw.draw(alone, 0, 192, 128, 1.4)[1]
        # At every pixel that any of them covers alone, the one that is nearest there is seen.
        depth = np.stack([np.where(one.instances > 0, one.depth, np.inf) for one in whole.values()])
        covered = np.isfinite(depth).any(0)
        np.testing.assert_array_equal(to.instances[covered], depth.argmin(0)[covered] + 1)
        np.testing.assert_allclose(to.depth[covered], depth.min(0)[covered], rtol=1e-5)
        assert len(np.unique(to.instances[covered])) == 3


def test_a_wall_hides_what_is_behind_it():
    scene = scene_of(person(9.0, 30.0))
    assert (draw.draw(scene, 0, 192, 128, 1.4)[1].instances > 0).any()
    wall = {
        "x": [8.0],
        "z0": [15.0],
        "z1": [25.0],
        "height": [4.0],
        "roof": [0.0],
        "deep": [5.0],
        "colour": [[90, 90, 90]],
    }
    made = {name: np.array(value, np.float32) for name, value in wall.items()}
    scene.blocks = Blocks(**made, style=np.zeros(1, int), semantics=np.array([3], np.uint8))
    cam, to, _ = draw.draw(scene, 0, 192, 128, 1.4)
    assert not to.instances.any()
    rows, cols = np.nonzero(to.semantics == 3)
    right = (cols + 0.5 - cam.cx) / cam.f  # its front is met at 15 m, its side where x = 8
    np.testing.assert_allclose(to.depth[rows, cols], np.maximum(15, (8 - cam.x) / right), rtol=1e-5)
    top = (4 - view.EYE) / to.depth[rows, cols] * cam.f
    assert (cam.cy - rows - 0.5 <= top).all()
    assert len(rows) > 400


def test_the_sky_turns_with_the_camera_alone(clean):
    video = clean.train[1]
    frame = video.frame(4)
    before, after = (view.camera(video.scene, t, 192, 128, 1.4) for t in (4, 5))
    assert before.cx != after.cx
    sky = frame.semantics == 10
    assert sky.sum() > 1000
    np.testing.assert_allclose(
        frame.forward[sky], [[after.cx - before.cx, after.cy - before.cy]] * sky.sum(), atol=1e-4
    )


def test_a_car_ahead_is_where_a_pinhole_puts_it():
    scene = scene_of(car(6.6 + 1.0, 20.0, vz=0.0))
    cam, to, places = draw.draw(scene, 0, 192, 128, 1.4)
    ids, hulls, amodal = draw.boxes(scene, cam, to, places, 5)
    assert ids.tolist() == [1]
    shape, f = assets.VEHICLES[0][0], 1.4 * 192
    rear = 20 - shape.length / 2  # the camera stands at z = 0
    x = 6.6 + 1.0 - cam.x
    left, right = cam.cx + f * (x - shape.width / 2) / rear, cam.cx + f * (x + shape.width / 2) / rear
    bottom = cam.cy + f * (view.EYE - assets.CLEAR) / rear
    np.testing.assert_allclose(hulls[0, [0, 2, 3]], [left, right, bottom], atol=1.1)
    np.testing.assert_allclose(amodal[0, [0, 2, 3]], [left, right, bottom], atol=1.1)
    assert np.median(to.depth[to.instances == 1]) == pytest.approx(rear, abs=0.4)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 6.28), st.floats(7, 40), st.floats(-3, 3))
def test_a_turned_car_is_the_hull_of_its_solids(heading, z, x):
    """Rays against planes, held against the convex hull of the body's projected corners."""
    scene = scene_of(car(6.6 + x, z))
    cam = view.camera(scene, 0, 192, 128, 1.4)
    to = draw.empty(np.zeros((128, 192, 3), np.float32))
    thing = scene.things[0]
    actors.vehicle(cam, to, thing, 6.6 + x, z, heading, 1, draw.looks.LOOKS["S"])
    whole = draw._extent(thing, cam, 6.6 + x, z, heading)
    rows, cols = np.nonzero(to.instances)
    if whole[2] < 1 or whole[0] > 191:
        return
    clipped = np.clip(whole, 0, [192, 128, 192, 128])
    found = np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1])
    assert (found[:2] >= clipped[:2] - 1.01).all()  # never outside
    assert (found[2:] <= clipped[2:] + 1.01).all()
    slack = 1.5 + 0.18 * (
        whole[2] - whole[0]
    )  # the box of height and width is not reached everywhere: cabins are narrower
    np.testing.assert_allclose(found[[0, 2]], clipped[[0, 2]], atol=slack)


# --- annotations ---


def test_boxes_are_the_hulls_of_the_ids_that_can_be_seen(world):
    seen = 0
    for video in world.train[::3]:
        for t in range(0, video.length, 17):
            frame = video.frame(t)
            count = np.bincount(frame.instances.ravel())
            assert (frame.tracks + 1).tolist() == [k for k in range(1, len(count)) if count[k] > TINY.seeable]
            for box, whole, cls, track in zip(frame.boxes, frame.amodal, frame.classes, frame.tracks):
                rows, cols = np.nonzero(frame.instances == track + 1)
                assert box.tolist() == [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]
                assert (whole[:2] <= box[:2]).all()
                assert (whole[2:] >= box[2:]).all()
                assert video.scene.things[track].cls == cls
                seen += 1
    assert seen > 20


def test_semantics_agree_with_classes(world):
    meant = {"car": {13}, "pedestrian": {11}, "cyclist": {12, 18}, "wheelchair": {11}}
    for video in (world.train[0], world.train[-1], world.test[-1]):
        frame = video.frame(video.length // 2)
        for cls, track in zip(frame.classes, frame.tracks):
            assert set(frame.semantics[frame.instances == track + 1]) <= meant[CLASSES[cls]]
        assert not set(frame.semantics[frame.instances == 0]) & {11, 12, 13, 18}


def test_a_track_is_one_thing_of_one_class_that_moves_smoothly(world):
    video, before = world.train[16], {}
    for t in range(video.length):
        frame = video.frame(t)
        for cls, track, box in zip(frame.classes, frame.tracks, frame.amodal):
            if track in before and before[track][2] == t - 1:
                assert before[track][0] == cls
                centre, last = (box[:2] + box[2:]) / 2, before[track][1]
                assert np.abs(centre - last).max() < 0.4 * max(box[2] - box[0], box[3] - box[1]) + 4
            before[track] = cls, (box[:2] + box[2:]) / 2, t
    assert before


def test_neighbouring_frames_are_alike_and_others_are_not(world):
    videos = world.train[::4]
    near = [np.abs(v.frame(9).rgb - v.frame(10).rgb.astype(float)).mean() for v in videos]
    far = [np.abs(a.frame(9).rgb - b.frame(9).rgb.astype(float)).mean() for a, b in itertools.pairwise(videos)]
    assert np.mean(near) < 0.5 * np.mean(far)


# --- what is generated ---


def test_the_full_world_is_table_2_1():
    rows = {row["subset"]: row for row in roads.table(roads.load("roads-full"))}
    printed = {  # sequences, thousands of frames, areas, conditions, P(Pe/Cy/Ca/Wh)
        "Default": (150, 74, "C,H", "S,W,F,R", (30, 20, 35, 0)),
        "Town": (36, 17, "T", "S,W,F,R", (30, 20, 35, 0)),
        "Night": (6, 3, "C,H", "N", (0, 0, 35, 0)),
        "Wheelchair": (5, 2, "C,T", "S", (20, 20, 0, 100)),
        "Test (no WC)": (85, 40, "C,H,T", "S,F,R,N", (30, 20, 35, 0)),
        "Test (WC)": (12, 5, "C,T", "S", (20, 20, 0, 100)),
    }
    assert list(rows) == list(printed)
    for subset, (sequences, thousands, areas, conditions, spawn) in printed.items():
        row = rows[subset]
        assert (row["sequences"], row["areas"], row["conditions"]) == (sequences, areas, conditions)
        assert row["frames"] / 1000 == pytest.approx(
            thousands, rel=0.45 if sequences < 20 else 0.07
        )  # lengths are random
        assert row["shortest"] >= 10
        assert row["longest"] <= 30
        for name, p in zip(("pedestrian", "cyclist", "car", "wheelchair"), spawn):
            assert row[f"p_{name}"] == p
            places, spawned = row[f"places_{name}"], row[f"spawned_{name}"]
            if p in (0, 100):
                assert spawned == places * p / 100
            else:
                assert abs(spawned / places - p / 100) < 4 * np.sqrt(p / 100 * (1 - p / 100) / places)


def test_the_counts_of_a_description_are_those_of_the_videos():
    for name, about in roads.INFO.items():
        made = datasets.load(name)
        assert about.train == sum(video.length for video in made.train)
        assert about.test == sum(video.length for video in made.test)
        assert len(made.class_names) == about.classes
        assert about.task == "detection"
        assert len({video.name for video in made.train + made.test}) == len(made.train) + len(made.test)


def test_highways_and_nights_have_cars_only(world):
    for video in world.train + world.test:
        if video.area == "highway" or video.condition == "N":
            assert {thing.cls for thing in video.scene.things} <= {-1, 0}


def test_other_assets_share_no_vehicle_and_no_colour():
    first, second = ({thing.vehicle for video in roads.load(name).train for thing in video.scene.things if thing.vehicle}
                     for name in ("roads-tiny", "roads-assets"))  # fmt: skip
    assert len(first) == len(second) == 4
    assert not first & second
    for table in (assets.PAINTS, assets.CLOTHES):
        assert np.abs(table[0][:, None] - table[1][None]).max(2).min() > 10


def test_the_null_has_the_same_frames_in_no_order(world):
    null = roads.load("roads-tiny-null")
    for whole, mixed in ((world.train, null.train), (world.test, null.test)):
        assert [video.length for video in whole] == [video.length for video in mixed]
        there = {(video.name, t) for video in whole for t in range(video.length)}
        assert {(video.name, t) for each in mixed for video, t in each.frames} == there
    near = [abs(t - s) for each in null.train for (a, s), (b, t) in itertools.pairwise(each.frames) if a is b]
    assert len(near) < 0.15 * null.info.train
    source, t = null.train[3].frames[5]
    np.testing.assert_array_equal(null.train[3].frame(5).rgb, source.frame(t).rgb)


def test_objects_of_two_videos_have_two_tracks_where_frames_are_mixed():
    null, names = roads.load("roads-tiny-null"), {}
    for shuffled in null.train[:4]:
        for t, (video, at) in list(enumerate(shuffled.frames))[:12]:
            mixed, own = shuffled.frame(t), video.frame(at)
            np.testing.assert_array_equal(mixed.boxes, own.boxes)
            for mine, theirs in zip(mixed.tracks.tolist(), own.tracks.tolist()):
                assert names.setdefault(mine, (video.name, theirs)) == (video.name, theirs)
                np.testing.assert_array_equal(mixed.instances == mine + 1, own.instances == theirs + 1)
            np.testing.assert_array_equal(mixed.instances > 0, own.instances > 0)
    assert len({theirs for _, theirs in names.values()}) < len(names)  # as their videos number them, some are the same


def test_shuffled_videos_end():
    null = roads.load("roads-tiny-null")
    with pytest.raises(IndexError):
        null.train[3].frame(null.train[3].length)


def test_harder_and_easier(world):
    """What the fields of difficulty do, each alone."""
    video = roads.make(replace(TINY, ghosts=0.0, flicker=0.0, noise=0.0)).train[0]
    still = video.frame(5)
    twin = lambda **changed: roads.make(replace(video.preset, **changed)).train[0].frame(5)
    haunted = twin(ghosts=5.0)
    assert np.abs(haunted.rgb - still.rgb.astype(float)).max() > 30
    np.testing.assert_array_equal(haunted.instances, still.instances)  # nobody is there
    assert np.abs(twin(noise=3.0).rgb - still.rgb.astype(float)).mean() > 2
    false = ("pillar", "hydrant", "poster", "bin")
    things = {}
    for chance in (0.0, 0.5, 1.0):
        made = roads.make(replace(TINY, lookalikes=chance)).train
        things[chance] = sum(thing.kind in false for each in made for thing in each.scene.things)
    assert things[0.0] == 0
    assert things[1.0] == pytest.approx(2 * things[0.5], rel=0.15)
    pale = roads.make(replace(TINY, contrast=0.0)).train
    assert np.ptp([thing.colours for video in pale for thing in video.scene.things if thing.cls > 0]) == 0


def test_glare_hides_a_participant_for_one_frame_and_changes_no_label():
    """The same frames with and without: labels are equal, what is veiled is pale, and the frame after shows it again."""
    quiet = replace(roads.PRESETS["roads-near"], ghosts=0.0, flicker=0.0, noise=0.0)
    bright, plain = (roads.make(replace(quiet, glare=glare)) for glare in (0.3, 0.0))
    veiled, pale = [], []
    for t in range(8, 28):
        a, b = bright.train[0].frame(t), plain.train[0].frame(t)
        assert a.boxes.tolist() == b.boxes.tolist()
        assert np.array_equal(a.instances, b.instances)
        for box, track in zip(a.boxes.astype(int), a.tracks):
            cut = slice(box[1], box[3]), slice(box[0], box[2])
            off = np.abs(a.rgb[cut].astype(int) - b.rgb[cut]).mean()
            veiled.append((int(track), t, off > 25))
            pale += [a.rgb[cut].mean() > b.rgb[cut].mean()] * bool(off > 25)
    share = np.mean([one for *_, one in veiled])
    assert 0.1 < share < 0.7
    assert all(pale)
    again = {(k, t) for k, t, one in veiled if not one}
    assert any((k, t + 1) in again for k, t, one in veiled if one)


def test_more_places_to_walk_are_more_who_walk():
    few = replace(roads.PRESETS["roads-near"], sequences=(8, 4, 0, 0, 4, 0))
    count = lambda walkers: sum(row["places_pedestrian"] for row in roads.table(roads.make(replace(few, walkers=walkers))))
    assert count(0.3) > 2 * count(1.0)  # crossings are as they were


def test_decoys_are_where_the_picture_differs():
    """A reflection's box holds all that changes with it; a thing's box lies on scenery and stays with its place."""
    plain = replace(TINY, ghosts=0.0, flicker=0.0, noise=0.0, lookalikes=1.0)
    with_, without = (roads.make(replace(plain, ghosts=n)).train[0] for n in (1.0, 0.0))
    reflections = 0
    for t in range(0, 30, 2):
        boxes, fleeting = with_.decoys(t)
        changed = (with_.frame(t).rgb != without.frame(t).rgb).any(2)
        for x0, y0, x1, y1 in boxes[fleeting].astype(int):
            changed[y0:y1, x0:x1] = False
            reflections += 1
        assert not changed.any()
        frame = with_.frame(t)
        for x0, y0, x1, y1 in boxes[~fleeting].astype(int):
            assert (frame.instances[y0:y1, x0:x1] == 0).any()
    assert reflections > 5
    assert (~fleeting).any()
    null = roads.load("roads-tiny-null").train[0]
    video, t = null.frames[3]
    np.testing.assert_array_equal(null.decoys(3)[0], video.decoys(t)[0])
    reel = Reel(roads.load("roads-tiny").train, 8, every=2, spread=3)
    assert reel.knows_decoys
    np.testing.assert_array_equal(reel.decoys(5)[0], reel.videos[reel.video[5]].decoys(2)[0])
    assert reel.decoys(5) is reel.decoys(5)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"sequences": (1, 2)}, "expected 6 counts"),
        ({"seconds": (5, 2)}, "the shorter first"),
        ({"width": 8}, "at least 32 x 32"),
        ({"contrast": -1.0}, "contrast"),
        ({"assets": 2}, "assets"),
    ],
)
def test_what_cannot_be_is_refused(changed, says):
    with pytest.raises(BadRequest, match=says):
        roads.make(replace(TINY, **changed))


@pytest.mark.parametrize("use", [roads.table, lambda videos: roads.write(videos, "nowhere")])
def test_shuffled_frames_have_no_table_and_no_folder(use):
    with pytest.raises(BadRequest, match="roads-tiny-null: expected videos of the roads with their frames in order"):
        use(roads.load("roads-tiny-null"))


def test_an_unknown_preset_is_refused():
    with pytest.raises(BadRequest, match=r"there are roads-near, .*roads-tiny"):
        roads.load("roads-huge")
