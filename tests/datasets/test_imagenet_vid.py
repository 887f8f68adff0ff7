"""The loader on a small folder in ImageNet-VID's layout."""

import shutil

import numpy as np
import pytest
from PIL import Image

from alnb.datasets import Missing, imagenet_vid

CAR, BICYCLE, DOG = "n02958343", "n02834778", "n02084071"


def note(*objects):
    """An annotation; bndbox in the official, odd order."""
    each = "".join(
        f"<object><trackid>{track}</trackid><name>{name}</name><bndbox><xmax>{x1}</xmax><xmin>{x0}</xmin>"
        f"<ymax>{y1}</ymax><ymin>{y0}</ymin></bndbox><occluded>0</occluded><generated>0</generated></object>"
        for track, name, (x0, y0, x1, y1) in objects
    )
    return f"<annotation><folder>f</folder><size><width>40</width><height>30</height></size>{each}</annotation>"


VIDEOS = {  # a dog's video is of no interest; a car shows only later; one frame alone; a frame nobody annotated
    "train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000": [
        note(),
        note((7, CAR, (3, 4, 20, 15)), (8, DOG, (0, 0, 9, 9))),
    ],
    "train/ILSVRC2015_VID_train_0001/ILSVRC2015_train_00000001": [note((0, DOG, (0, 0, 9, 9)))],
    "train/ILSVRC2015_VID_train_0001/ILSVRC2015_train_00000002": [note((0, BICYCLE, (30, 2, 44, 12)))],
    "val/ILSVRC2015_val_00000000": [note((1, CAR, (1, 2, 3, 4))), note((2, DOG, (1, 2, 3, 4)))],
    "val/ILSVRC2015_val_00000001": [note((1, DOG, (1, 2, 3, 4)))],
}


@pytest.fixture
def root(tmp_path):
    for name, notes in VIDEOS.items():
        for t, text in enumerate(notes):
            for kind, suffix in (("Data", "JPEG"), ("Annotations", "xml")):
                path = tmp_path / "ILSVRC2015" / kind / "VID" / name / f"{t:06d}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                if kind == "Annotations":
                    path.write_text(text)
                else:
                    Image.new("RGB", (40, 30), (50 + t, 90, 120)).save(path)
    return tmp_path


def read(root):
    return imagenet_vid.load("imagenet-vid", root)


def test_the_three_classes_videos_boxes_by_tag_and_tracks(root):
    data = read(root)
    assert data.class_names == ("car", "bicycle", "motorcycle")
    assert [video.name.rpartition("_")[2] for video in data.train] == ["00000000", "00000002"]
    assert [video.name for video in data.test] == ["val/ILSVRC2015_val_00000000"]
    frame = data.train[0].frame(1)
    assert (frame.classes.tolist(), frame.tracks.tolist(), frame.boxes.tolist()) == ([0], [7], [[3, 4, 20, 15]])
    assert frame.rgb.shape == (30, 40, 3)
    assert frame.rgb.dtype == np.uint8
    assert data.train[0].frame(0).boxes.shape == (0, 4)
    one = data.train[1]
    assert one.length == 1
    assert one.frame(0).boxes.tolist() == [[30, 2, 40, 12]]  # cut at the image's edge
    assert (frame.forward, frame.depth, frame.instances) == (None,) * 3
    for t in (-1, 1):
        with pytest.raises(IndexError):
            one.frame(t)


def test_which_frames_may_be_asked_for(root):
    data = read(root)
    assert data.train[0].complete.tolist() == [False, True]
    assert data.test[0].complete.tolist() == [True, True]  # a dog alone: annotated, with none of the three
    name = f"{data.train[0].name}/000000"
    (root / "ILSVRC2015" / "complete.txt").write_text(f"{name} 1\n{data.test[0].name}/000000 0\n")
    data = read(root)
    assert data.train[0].complete.tolist() == [True, False]
    assert data.test[0].complete.tolist() == [False, False]


def test_the_official_lists_spare_the_search(root, monkeypatch):
    folder = root / "ILSVRC2015" / "ImageSets" / "VID"
    folder.mkdir(parents=True)
    for k in imagenet_vid.LISTS:
        text = "ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000 1\n" if k == 7 else ""
        (folder / f"train_{k}.txt").write_text(text)
    searched, real = [], imagenet_vid._holds_one
    monkeypatch.setattr(imagenet_vid, "_holds_one", lambda notes: searched.append(notes.name) or real(notes))
    assert [video.name.rpartition("_")[2] for video in read(root).train] == ["00000000"]
    assert all("val" in name for name in searched)


def spoil_nothing_there(home):
    shutil.rmtree(home)


def spoil_wrong_folder(home):
    shutil.rmtree(home / "Data" / "VID" / "train")


def spoil_no_notes(home):
    shutil.rmtree(next((home / "Annotations" / "VID" / "train").glob("*0000")))


def spoil_note(home):
    next((home / "Annotations" / "VID" / "train").rglob("*_00000000/000000.xml")).unlink()


def spoil_xml(home):
    for path in (home / "Annotations" / "VID" / "train").rglob("*.xml"):
        path.write_text(path.read_text()[:-25])


def spoil_box(home):
    for path in (home / "Annotations" / "VID" / "train").rglob("*.xml"):
        path.write_text(note((1, CAR, (1, 2, "wide", 4))))


def spoil_picture(home):
    for path in (home / "Data" / "VID" / "train").rglob("*.JPEG"):
        path.write_bytes(path.read_bytes()[:300])


def spoil_list(home):
    (home / "complete.txt").write_text("train/x/000000 perhaps\n")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoil_nothing_there, "imagenet-vid is missing: there is no folder"),
        (spoil_wrong_folder, "no video of car, bicycle, motorcycle in"),
        (spoil_no_notes, "there is no folder .*Annotations"),
        (spoil_note, "has no partner in"),
        (spoil_xml, "is no annotation"),
        (spoil_box, "is no annotation"),
        (spoil_picture, "cannot be read as a picture"),
        (spoil_list, "is not a path and 0 or 1"),
    ],
)
def test_bad_data_is_one_line_that_says_what_is_expected(root, spoil, says):
    spoil(root / "ILSVRC2015")
    with pytest.raises(Missing, match=says) as caught:
        read(root).train[0].frame(0)
    message = str(caught.value)
    assert "\n" not in message
    for part in ("ILSVRC2015/{Data,Annotations}/VID", "000000.xml", "ALNB_DATA", "image-net.org", "no redistribution",
                 "roads-vid runs without it"):  # fmt: skip
        assert part in message
