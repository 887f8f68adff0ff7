"""The loader on a small folder in Tiny ImageNet's layout."""

import numpy as np
import pytest
from PIL import Image

from alnb import datasets
from alnb.datasets import Missing, tiny_imagenet

WNIDS = ["n02124075", "n01443537", "n04067472"]  # as wnids.txt has them, in no order
TEST = [("val_0.JPEG", "n04067472"), ("val_1.JPEG", "n01443537")]


def colour(wnid, i):
    return (10 * WNIDS.index(wnid) + 20, 100 + i, 200)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Three classes of eleven images, two test images: the official numbers are set to these."""
    for name, value in {"CLASSES": 3, "A_CLASS": 11, "TEST": 2}.items():
        monkeypatch.setattr(tiny_imagenet, name, value)
    home = tmp_path / "tiny-imagenet-200"
    for wnid in WNIDS:
        (home / "train" / wnid / "images").mkdir(parents=True)
        (home / "train" / wnid / f"{wnid}_boxes.txt").write_text("")
        for i in range(11):
            grey = Image.new("L", (64, 64), 77) if (wnid, i) == (WNIDS[0], 3) else None
            picture = grey or Image.new("RGB", (64, 64), colour(wnid, i))
            picture.save(home / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", quality=100)
    (home / "val" / "images").mkdir(parents=True)
    (home / "test" / "images").mkdir(parents=True)
    for name, wnid in TEST:
        Image.new("RGB", (64, 64), colour(wnid, 0)).save(home / "val" / "images" / name)
    (home / "val" / "val_annotations.txt").write_text("".join(f"{n}\t{w}\t0\t0\t63\t63\n" for n, w in TEST))
    (home / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
    (home / "words.txt").write_text("n01443537\tgoldfish, Carassius auratus\nn99\tnothing\nn02124075\tEgyptian cat\n")
    return tmp_path


def test_images_classes_names_and_the_validation_set_as_test(root):
    data = tiny_imagenet.load("tiny-imagenet", root)
    assert data.class_names == ("goldfish", "Egyptian cat", "n04067472")  # by id; one has no name
    assert data.train_images.shape == (33, 3, 64, 64)
    assert data.train_targets.tolist() == [0] * 11 + [1] * 11 + [2] * 11
    assert data.test_targets.tolist() == [2, 0]
    first = data.train_images[:11, :, 30, 30]  # in the order of their numbers, 10 after 9
    assert np.abs(first - np.array([colour("n01443537", i) for i in range(11)])).max() <= 3
    assert data.train_images[11 + 3, :, 5, 5].tolist() == [77, 77, 77]  # grey
    assert data.mean == pytest.approx(data.train_images.mean((0, 2, 3)) / 255, abs=1e-6)
    assert data.std == pytest.approx(data.train_images.std((0, 2, 3)) / 255, abs=1e-6)
    assert (data.crop, data.flip) == (8, True)
    assert tiny_imagenet.status("tiny-imagenet", root)[0] == "there"


def test_the_numbers_are_the_official_ones():
    about = datasets.info("tiny-imagenet")
    assert (about.classes, about.train, about.test) == (200, 100_000, 10_000)
    assert datasets.info(about.stand_in).classes == about.classes


def broken(what, home):
    picture = home / "train" / WNIDS[1] / "images" / f"{WNIDS[1]}_4.JPEG"
    if what == "an image is missing":
        picture.unlink()
    elif what == "an image is cut":
        picture.write_bytes(picture.read_bytes()[:100])
    elif what == "an image is large":
        Image.new("RGB", (65, 64)).save(picture)
    elif what == "a test image is missing":
        (home / "val" / "images" / "val_1.JPEG").unlink()
    elif what == "an unknown class":
        (home / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn00000000\t0\t0\t1\t1\n")
    elif what == "no annotations":
        (home / "val" / "val_annotations.txt").unlink()
    elif what == "a class is missing":
        (home / "wnids.txt").write_text(WNIDS[0])
    else:
        (home / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn01443537\t0\t0\t1\t1\n")


@pytest.mark.parametrize(("what", "says"), [
    ("an image is missing", "has 10 images, not 11"), ("an image is cut", r"_4.JPEG cannot be read"),
    ("an image is large", "is 65 x 64, not 64 x 64"),
    ("a test image is missing", "1 of 2 test images not found, the first .*val_1"),
    ("an unknown class", "names no class of wnids.txt"), ("no annotations", "there is no .*val_annotations.txt"),
    ("a class is missing", "has 1 classes, not 3"), ("too few test images", "has 1 images, not 2"),
])  # fmt: skip
def test_what_is_damaged_is_named(root, what, says):
    broken(what, root / "tiny-imagenet-200")
    with pytest.raises(Missing, match=rf"tiny-imagenet is damaged: .*{says}.*glyphs-200 runs without it"):
        tiny_imagenet.load("tiny-imagenet", root)
    if "cut" not in what and "large" not in what:
        assert tiny_imagenet.status("tiny-imagenet", root)[0] == "damaged"


def test_what_is_missing_says_where_it_was_looked_for_and_how_to_get_it(tmp_path):
    with pytest.raises(Missing, match=r"tiny-imagenet is missing: there is no .*wnids.txt.*Source: .*Terms: .*--download"):
        tiny_imagenet.load("tiny-imagenet", tmp_path)
    assert tiny_imagenet.status("tiny-imagenet", tmp_path)[0] == "missing"


def test_a_download_is_of_the_archive_whose_md5_is_known_and_is_looked_at(root, monkeypatch, tmp_path):
    import torchvision.datasets.utils as utils

    asked = []
    monkeypatch.setattr(utils, "download_and_extract_archive", lambda *given, **more: asked.append((given, more)))
    tiny_imagenet.download("tiny-imagenet", root)
    assert asked == [((tiny_imagenet.HOME, str(root)), {"md5": tiny_imagenet.MD5})]
    with pytest.raises(Missing, match="is missing"):
        tiny_imagenet.download("tiny-imagenet", tmp_path / "elsewhere")
