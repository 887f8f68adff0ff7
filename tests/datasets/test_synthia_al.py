"""The loader on folders that the world writes in SYNTHIA-AL's layout."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from alnb import datasets
from alnb.datasets import Missing, synthia_al
from alnb.worlds import roads
from alnb.worlds.roads import disk

SMALL = replace(roads.PRESETS["roads-tiny"], sequences=(1, 0, 0, 1, 1, 0), seconds=(0.3, 0.5), ghosts=0.0)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    world = roads.make(SMALL)
    return world, roads.write(world, tmp_path_factory.mktemp("written")).parent


@pytest.fixture
def copy(written, tmp_path):
    shutil.copytree(written[1] / "synthia-al", tmp_path / "synthia-al")
    return tmp_path


def read(root):
    return synthia_al.load("synthia-al", root)


def test_what_was_written_is_read_back(written):
    world, root = written
    back = read(root)
    assert back.class_names == world.class_names
    for drawn, stored in ((world.train, back.train), (world.test, back.test)):
        assert len(drawn) == len(stored)
        for video in drawn:
            (twin,) = (each for each in stored if each.name.startswith(disk.scene_name(video)))
            assert twin.length == video.length
            for t in (0, video.length - 1):
                a, b = video.frame(t), twin.frame(t)
                for what in ("rgb", "instances", "semantics", "boxes", "classes", "tracks"):
                    np.testing.assert_array_equal(getattr(a, what), getattr(b, what), what)
                    assert getattr(a, what).dtype == getattr(b, what).dtype
                np.testing.assert_allclose(np.minimum(a.depth, 5000), b.depth, atol=3e-4)
                assert b.forward is None
                assert b.amodal is None
    assert sum(len(video.frame(0).boxes) for video in back.train) > 0


def test_depth_and_classes_of_the_layout_by_hand(copy):
    video = read(copy).train[0]
    stem = video.stems[0]
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[0, 0], pixels[0, 1], pixels[0, 2] = (1, 0, 0), (0, 1, 0), (255, 255, 255)
    Image.fromarray(pixels).save(video.folder / "Depth" / f"{stem}.png")
    pixels[0, :3, 0] = 1, 14, 22
    Image.fromarray(pixels).save(video.folder / "SemSeg" / f"{stem}.png")
    frame = video.frame(0)
    unit = 5000 / (2**24 - 1)
    np.testing.assert_allclose(frame.depth[0, :4], [unit, 256 * unit, 5000, 0], rtol=1e-6)
    assert frame.semantics[0, :3].tolist() == [0, 13, 255]  # road, car, none
    video.semantics = "readme"
    assert video.frame(0).semantics[0, :3].tolist() == [10, 255, 0]  # sky, none, lane marking


def test_types_in_any_case_boxes_cut_to_the_image_and_no_optional_folder(copy):
    video = read(copy).train[0]
    for what in ("Depth", "SemSeg", "InstanceSeg"):
        shutil.rmtree(video.folder / what)
    rest = "0.00 0 0 {} 0 0 0 0 0 0 0"
    lines = [
        "CAR " + rest.format("-5.5 10 20 90"),
        "DontCare " + rest.format("0 0 5 5"),
        "Van " + rest.format("0 0 5 5"),
        "wheelchair " + rest.format("30 10 40.5 20"),
        "Pedestrian " + rest.format("200 10 240 20"),  # outside
        "",
    ]
    (video.folder / "labels_kitti" / f"{video.stems[0]}.txt").write_text("\n".join(lines))
    frame = video.frame(0)
    assert frame.classes.tolist() == [0, 3]
    assert frame.boxes.tolist() == [[0, 10, 20, 64], [30, 10, 40.5, 20]]
    assert (frame.depth, frame.semantics, frame.instances, frame.tracks) == (None,) * 4


def test_training_decodes_the_picture_alone_and_the_rest_when_asked(copy, monkeypatch):
    from alnb.tasks.reels import Shot

    video, opened, real = read(copy).train[0], [], synthia_al.FOLDERS.picture
    monkeypatch.setattr(
        synthia_al.FOLDERS, "picture", lambda path, mode: opened.append(path.parent.name) or real(path, mode)
    )
    shot = Shot.of(video.frame(0))
    assert opened == ["RGB"]
    assert len(shot.tracks) == len(shot.boxes)
    assert opened == ["RGB", "InstanceSeg"]
    frame = video.frame(0)
    assert (frame.depth.dtype, frame.semantics.dtype, frame.depth is frame.depth) == (np.float32, np.uint8, True)
    assert opened == ["RGB", "InstanceSeg", "RGB", "Depth", "SemSeg"]


def test_a_video_of_one_frame_and_a_frame_without_objects(copy):
    video = read(copy).train[0]
    for stem in video.stems[1:]:
        (video.folder / "RGB" / f"{stem}.png").unlink()
        (video.folder / "labels_kitti" / f"{stem}.txt").unlink()
    (video.folder / "labels_kitti" / f"{video.stems[0]}.txt").write_text("")
    again = read(copy).train[0]
    assert again.length == 1
    frame = again.frame(0)
    assert frame.boxes.shape == (0, 4)
    assert frame.classes.shape == frame.tracks.shape == (0,)
    for t in (1, -1):
        with pytest.raises(IndexError, match="1 frames"):
            again.frame(t)


def test_a_video_without_labels_is_left_out_and_said(copy):
    shutil.rmtree(read(copy).train[0].folder / "labels_kitti")
    assert len(read(copy).train) == 1
    state, text = synthia_al.status("synthia-al", copy)
    assert state == "there"
    assert "1 without labels are left out" in text


def spoil_nothing_there(root):
    shutil.rmtree(root / "synthia-al")


def spoil_wrong_folder(root):
    shutil.rmtree(root / "synthia-al" / "train")
    (root / "synthia-al" / "train" / "images").mkdir(parents=True)


def spoil_label(root):
    next((root / "synthia-al" / "train").rglob("labels_kitti/*.txt")).unlink()


def spoil_picture(root):
    for path in (root / "synthia-al" / "train").rglob("RGB/*.png"):
        path.write_bytes(path.read_bytes()[:900])


def spoil_line(root):
    for path in (root / "synthia-al" / "train").rglob("labels_kitti/*.txt"):
        path.write_text("Car 0 0 0 1 2 nan 4 0 0 0 0 0 0 0\n")


def spoil_short_line(root):
    for path in (root / "synthia-al" / "train").rglob("labels_kitti/*.txt"):
        path.write_text("Car 0 0 0 1 2\n")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoil_nothing_there, "synthia-al is missing: there is no folder"),
        (spoil_wrong_folder, "no video with RGB and labels_kitti in"),
        (spoil_label, "has no partner in"),
        (spoil_picture, "cannot be read as a picture"),
        (spoil_line, "line 1: .* has no 15 fields"),
        (spoil_short_line, "line 1: .* has no 15 fields"),
    ],
)
def test_bad_data_is_one_line_that_says_what_is_expected(copy, spoil, says):
    spoil(copy)
    with pytest.raises(Missing, match=says) as caught:
        datasets._module("synthia-al").load("synthia-al", copy).train[0].frame(0)
    message = str(caught.value)
    assert "\n" not in message
    for part in ("synthia-al/{train,test}/<scene>", "labels_kitti", "ALNB_DATA", "synthia-dataset.net", "CC BY-NC-SA",
                 "roads runs without it"):  # fmt: skip
        assert part in message
    if spoil not in (spoil_picture, spoil_line, spoil_short_line):
        assert synthia_al.status("synthia-al", copy) == (message.split(" is ")[1].split(":")[0], message)
