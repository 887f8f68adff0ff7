"""Caltech-101 on a generated copy of its official layout: three categories and the background."""

import numpy as np
import pytest
from PIL import Image

from alnb import datasets
from alnb.datasets import Missing, caltech

COUNTS = {"BACKGROUND_Google": 5, "accordion": 4, "ant": 6, "yin_yang": 10}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The root; a picture of class c has the colour (40 c, i, 0) but for the first ant, which is grey, and none is square."""
    for c, (name, count) in enumerate(COUNTS.items()):
        folder = tmp_path / "caltech101" / "101_ObjectCategories" / name
        folder.mkdir(parents=True)
        for i in range(count):
            grey = name == "ant" and i == 0
            picture = Image.new("L" if grey else "RGB", (9, 14), 90 if grey else (40 * c, i, 0))
            picture.save(folder / f"image_{i + 1:04d}.jpg", quality=100)
    (tmp_path / "caltech101" / "101_ObjectCategories" / "BACKGROUND_Google" / "tmp").write_text("not a picture")
    for name, value in {"CATEGORIES": 3, "PICTURES": 20, "CLUTTER": 5, "PX": 8}.items():
        monkeypatch.setattr(caltech, name, value)
    datasets._load.cache_clear()
    yield tmp_path
    datasets._load.cache_clear()


def test_the_background_is_a_class_and_every_picture_stands_on_one_side_of_the_split(tiny):
    assert datasets.status("caltech-101", tiny)[0] == "there"
    data = datasets.load("caltech-101", tiny)
    assert data.class_names == tuple(COUNTS)
    assert data.train_images.shape == (20, 3, 8, 8)
    assert data.test_images.shape == (5, 3, 8, 8)
    images = np.concatenate([data.train_images, data.test_images])
    targets = np.concatenate([data.train_targets, data.test_targets])
    assert np.bincount(targets).tolist() == list(COUNTS.values())
    grey = (images == images[:, :1]).all((1, 2, 3))
    assert (targets[grey & (images[:, 0, 0, 0] > 80)] == 2).all()
    coloured = images[~grey][:, 0].mean((1, 2))
    assert np.abs(coloured - 40 * targets[~grey]).max() < 6
    assert (data.crop, data.flip) == (1, True)
    np.testing.assert_allclose(data.mean, (data.train_images / 255).mean((0, 2, 3)), atol=1e-6)


def test_the_split_is_a_part_of_the_name(tiny, monkeypatch):
    monkeypatch.setitem(caltech.SPLITS, "caltech-101-30each", 3)
    assert np.bincount(datasets.load("caltech-101-30each", tiny).train_targets).tolist() == [3, 3, 3, 3]
    assert len(datasets.load("caltech-101-90", tiny).train_images) == round(0.9 * 25)
    again = caltech.trained_on(np.arange(50) % 5, 0.8)
    assert (again == caltech.trained_on(np.arange(50) % 5, 0.8)).all()
    assert again.sum() == 40


def test_what_is_known_before_it_is_loaded():
    about = {name: datasets.info(name) for name in caltech.SPLITS}
    assert {info.train + info.test for info in about.values()} == {9144}
    assert about["caltech-101"].train == 7315
    assert about["caltech-101-30each"].train == 30 * 102
    assert {info.classes for info in about.values()} == {102}


def test_missing_data_says_what_where_whence_and_what_to_do_instead(tmp_path):
    with pytest.raises(Missing) as caught:
        datasets.load("caltech-101", tmp_path)
    for part in ("caltech-101 is missing", str(tmp_path), "data.caltech.edu", "CC BY 4.0", "`alnb data caltech-101 --download`",
                 "glyphs-100, with a tail, runs without it"):  # fmt: skip
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_picture_too_few_or_broken_is_refused_in_one_line(tiny):
    ants = tiny / "caltech101" / "101_ObjectCategories" / "ant"
    (ants / "image_0003.jpg").write_bytes(b"no picture")
    with pytest.raises(Missing, match=r"caltech-101 is damaged: .*image_0003.jpg cannot be read"):
        datasets.load("caltech-101", tiny)
    (ants / "image_0003.jpg").unlink()
    with pytest.raises(Missing, match=r"holds 19 pictures in them, expected 20\. Delete it") as caught:
        datasets.load("caltech-101", tiny)
    assert "\n" not in str(caught.value)


def test_without_the_background_it_is_not_the_papers(tiny):
    background = tiny / "caltech101" / "101_ObjectCategories" / "BACKGROUND_Google"
    background.rename(tiny / "elsewhere")
    assert "0 pictures in BACKGROUND_Google, expected 5" in datasets.status("caltech-101", tiny)[1]
