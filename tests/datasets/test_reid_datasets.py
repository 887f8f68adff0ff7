"""Re-identification's loaders, on generated folders of the official layouts: no photograph of anybody is in here."""

import dataclasses
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from alnb import datasets
from alnb.datasets import Missing, reid, reid_counts
from alnb.errors import BadRequest

REAL = sorted(reid.INFO)
FOLDERS = [name for name in REAL if name != "cuhk01"]


def image(path, shade, size=(64, 128)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 255 - shade, 7)).save(path)


def names_of(name):
    """A dozen boxes in the benchmark's own naming: part -> names."""
    if name == "market-1501":
        return {
            "bounding_box_train": ["0002_c1s1_000451_03.jpg", "0002_c1s1_000551_01.jpg", "0002_c3s1_000776_01.jpg",
                                   "0007_c2s3_070952_01.jpg", "0007_c2s2_070952_01.jpg"],
            "query": ["0001_c1s1_001051_00.jpg", "0003_c6s4_015641_00.jpg"],
            "bounding_box_test": ["-1_c1s1_000401_03.jpg", "0000_c1s1_000151_01.jpg", "0001_c2s1_000301_00.jpg",
                                  "0003_c1s6_015641_02.jpg", "-1_c6s4_018676_05.jpg"],
        }  # fmt: skip
    if name == "dukemtmc-reid":
        return {
            "bounding_box_train": ["0001_c2_f0046182.jpg", "0001_c2_f0046302.jpg", "0002_c8_f0046302.jpg"],
            "query": ["0005_c2_f0046985.jpg"],
            "bounding_box_test": ["0005_c5_f0051781.jpg", "0006_c1_f0051781.jpg"],
        }
    suffix = "png"
    return {
        "bounding_box_train": [f"0001_c1_1.{suffix}", f"0001_c2_6.{suffix}", f"0003_c1_2.{suffix}"],
        "query": [f"0002_c1_22.{suffix}", f"0002_c2_87.{suffix}"],
        "bounding_box_test": [f"0002_c1_23.{suffix}", f"0002_c2_88.{suffix}"],
    }


COUNTS = {
    "market-1501": {"train": (5, 2, 0), "query": (2, 2, 0), "gallery": (5, 2, 2)},
    "dukemtmc-reid": {"train": (3, 2, 0), "query": (1, 1, 0), "gallery": (2, 2, 0)},
    "cuhk03-np-labelled": {"train": (3, 2, 0), "query": (2, 1, 0), "gallery": (2, 1, 0)},
    "cuhk03-np-detected": {"train": (3, 2, 0), "query": (2, 1, 0), "gallery": (2, 1, 0)},
}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Writes a benchmark of a dozen boxes below tmp_path, and lets its layout expect as many."""

    def make(name):
        layout = dataclasses.replace(reid.LAYOUTS[name], counts=COUNTS[name])
        monkeypatch.setitem(reid.LAYOUTS, name, layout)
        for part, files in names_of(name).items():
            for shade, file in enumerate(files):
                image(tmp_path / layout.folder / part / file, 20 * shade)
        return tmp_path

    reid._load.cache_clear()
    return make


def test_the_expected_counts_are_the_published_ones():
    """Images of all splits; SCAL's Table 1 and DRAL 4.1 print these sums."""
    total = {name: sum(images for images, _, _ in reid.LAYOUTS[name].counts.values()) for name in FOLDERS}
    market = reid.LAYOUTS["market-1501"].counts
    assert market["train"][0] + market["gallery"][0] == 32_668
    assert market["gallery"][0] - market["gallery"][2] == 15_913
    assert total["dukemtmc-reid"] == 36_411
    assert (total["cuhk03-np-labelled"], total["cuhk03-np-detected"]) == (14_096, 14_097)
    assert [reid.LAYOUTS[name].counts["train"][1] for name in FOLDERS] == [767, 767, 702, 751]
    for name in FOLDERS:
        about, counts = datasets.info(name), reid.LAYOUTS[name].counts
        assert (about.train, about.test, about.classes) == (
            counts["train"][0],
            counts["gallery"][0],
            counts["train"][1],
        )


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_in_the_official_layout_is_read(made, name):
    root = made(name)
    assert datasets.status(name, root)[0] == "there"
    data = reid.load(name, root)
    assert data.real
    assert data.train.images.shape[1:] == (3, 256, 128)
    assert data.train.images.dtype == torch.uint8
    for split, (images, people, junk) in COUNTS[name].items():
        boxes = getattr(data, split)
        assert len(boxes) == len(boxes.images) == images
        assert boxes.identities == people
        assert int((boxes.ids == reid.JUNK).sum()) == junk
        assert int(boxes.cameras.min()) >= 0
    assert datasets.load(name, root) is data


def test_market_names_say_person_camera_and_passage(made):
    train = reid.load("market-1501", made("market-1501")).train
    # in the order of their names: 0002 c1s1 twice, 0002 c3s1, 0007 c2s2, 0007 c2s3
    assert train.ids.tolist() == [2, 2, 2, 7, 7]
    assert train.labels.tolist() == [0, 0, 0, 1, 1]
    assert train.cameras.tolist() == [0, 0, 2, 1, 1]
    assert train.tracks.tolist() == [0, 0, 1, 2, 3]
    assert [int(shade) for shade in train.images[:, 0, 0, 0]] == pytest.approx([0, 20, 40, 80, 60], abs=3)


def test_market_keeps_distractors_as_0_and_junk_as_minus_1(made):
    gallery = reid.load("market-1501", made("market-1501")).gallery
    assert gallery.ids.tolist() == [-1, -1, 0, 1, 3]


def test_size_is_height_and_width(made):
    root = made("cuhk03-np-labelled")
    assert reid.load("cuhk03-np-labelled", root, (96, 48)).query.images.shape == (2, 3, 96, 48)
    with pytest.raises(BadRequest, match=r"size = \(4, 2\): expected height and width, at least 16 pixels"):
        reid.load("cuhk03-np-labelled", root, (4, 2))


def test_an_archives_own_name_once_more_is_found(made, tmp_path):
    root = made("market-1501")
    inner = root / "aside" / reid.LAYOUTS["market-1501"].folder
    (root / "aside").mkdir()
    (root / reid.LAYOUTS["market-1501"].folder).rename(inner)
    (root / reid.LAYOUTS["market-1501"].folder).mkdir()
    inner.rename(root / reid.LAYOUTS["market-1501"].folder / inner.name)
    assert datasets.status("market-1501", root)[0] == "there"


# --- CUHK01 ---


@pytest.fixture
def campus(tmp_path, monkeypatch):
    monkeypatch.setattr(reid, "CUHK01_IDENTITIES", 7)
    monkeypatch.setattr(reid, "CUHK01_TRAIN", 3)
    for person in range(1, 8):
        for number in range(1, 5):
            image(tmp_path / "campus" / f"{person:04d}{number:03d}.png", 30 * person + number, (60, 160))
    reid._load.cache_clear()
    return tmp_path


def test_cuhk01_asks_with_both_boxes_of_camera_1_for_both_of_camera_2(campus):
    data = reid.load("cuhk01", campus)
    assert (data.train.identities, len(data.train)) == (3, 12)
    assert (data.query.identities, len(data.query), data.query.cameras.unique().tolist()) == (4, 8, [0])
    assert (data.gallery.identities, len(data.gallery), data.gallery.cameras.unique().tolist()) == (4, 8, [1])
    assert not set(data.train.ids.tolist()) & set(data.query.ids.tolist())
    assert data.query.ids.unique().tolist() == data.gallery.ids.unique().tolist()
    shades = data.query.images[:, 0, 0, 0].tolist()
    assert shades == [30 * int(who) + 1 + k % 2 for k, who in enumerate(data.query.ids)]


def test_cuhk01s_split_is_the_same_for_everyone_and_others_can_be_drawn(campus):
    first, again, other = (reid._cuhk01(campus / "campus", (16, 16), split) for split in (0, 0, 1))
    np.testing.assert_array_equal(first[0][1], again[0][1])
    assert set(first[0][1]) != set(other[0][1])


def test_cuhk01_with_an_image_missing_is_refused(campus):
    (campus / "campus" / "0003002.png").unlink()
    with pytest.raises(Missing, match="3 images of identity 3, expected 4"):
        reid.load("cuhk01", campus)


# --- what can be wrong ---


@pytest.mark.parametrize("name", REAL)
def test_a_missing_benchmark_shows_the_tree_it_expects_and_offers_no_download(name, tmp_path):
    state, text = datasets.status(name, tmp_path)
    assert state == "missing"
    assert reid.tree(name) in text
    assert datasets.info(name).stand_in in text
    assert "Nothing here downloads it" in text
    with pytest.raises(Missing, match="is missing: no folder"):
        reid.load(name, tmp_path)
    with pytest.raises(BadRequest, match="cannot be downloaded by a program"):
        datasets.download(name, tmp_path)


def test_dukes_withdrawal_is_stated(tmp_path):
    assert "withdrawn by its authors" in datasets.status("dukemtmc-reid", tmp_path)[1]


def test_wrong_counts_are_named_before_an_image_is_opened(made):
    root = made("market-1501")
    folder = root / "Market-1501-v15.09.15"
    (folder / "query" / "0003_c6s4_015641_00.jpg").unlink()
    (folder / "bounding_box_test" / "-1_c1s1_000401_03.jpg").write_bytes(b"never opened")
    state, text = datasets.status("market-1501", root)
    assert state == "damaged"
    assert "1 images in query, expected 2; 1 identities in query, expected 2." in text
    with pytest.raises(Missing, match="is not what was published"):
        reid.load("market-1501", root)


def test_the_folder_of_another_set_is_told(made, tmp_path):
    root = made("dukemtmc-reid")
    (root / "DukeMTMC-reID").rename(root / "Market-1501-v15.09.15")
    with pytest.raises(Missing, match="camera 8 in bounding_box_train, expected 1 to 6"):
        reid.load("market-1501", root)


def test_people_of_training_in_the_test_are_told(made):
    root = made("dukemtmc-reid")
    part = root / "DukeMTMC-reID" / "bounding_box_test"
    (part / "0006_c1_f0051781.jpg").rename(part / "0002_c1_f0051781.jpg")
    with pytest.raises(Missing, match="identity 2 is in training and test"):
        reid.load("dukemtmc-reid", root)


def test_a_name_that_says_nothing_is_told(made):
    root = made("market-1501")
    image(root / "Market-1501-v15.09.15" / "query" / "IMG_2041.jpg", 0)
    with pytest.raises(Missing, match=r"IMG_2041.jpg: its name does not say who and which camera"):
        reid.load("market-1501", root)


@pytest.mark.parametrize("content", [b"no image", b"\x89PNG\r\n\x1a\n"])
def test_an_unreadable_image_is_named(made, content):
    root = made("cuhk03-np-detected")
    (root / "cuhk03-np/detected/query/0002_c1_22.png").write_bytes(content)
    with pytest.raises(Missing, match=r"0002_c1_22.png cannot be read as an image"):
        reid.load("cuhk03-np-detected", root)


def test_a_truncated_image_is_named(made):
    root = made("cuhk03-np-detected")
    path = root / "cuhk03-np/detected/query/0002_c1_22.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(Missing, match=r"0002_c1_22.png cannot be read as an image"):
        reid.load("cuhk03-np-detected", root)


def test_files_that_are_no_images_are_passed_over(made):
    root = made("market-1501")
    (root / "Market-1501-v15.09.15" / "query" / "Thumbs.db").write_bytes(b"")
    assert datasets.status("market-1501", root)[0] == "there"


def test_what_is_no_benchmark_of_reidentification_is_refused():
    with pytest.raises(
        BadRequest, match="digits is a dataset of classification, not of re-identification: there are cuhk01"
    ):
        reid.load("digits")
    with pytest.raises(BadRequest, match=r"unknown dataset 'market1501': did you mean market-1501"):
        reid.load("market1501")
    with pytest.raises(BadRequest, match="market-1501 has no masks"):
        reid.masks("market-1501", "train", [0])


def test_refusals_import_no_torch(tmp_path):
    code = (
        "import sys\nfrom alnb.datasets import reid, Missing\n"
        f"try: reid.load('market-1501', {str(tmp_path)!r})\n"
        "except Missing: print('torch' in sys.modules, 'PIL' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


# --- boxes ---


def test_boxes_of_some_rows(made):
    train = reid.load("market-1501", made("market-1501")).train
    some = train.of(train.ids == 7)
    assert (len(some), some.identities, some.labels.tolist()) == (2, 1, [0, 0])
    assert torch.equal(some.images, train.images[3:])


def test_worlds_and_benchmarks_come_from_one_loader_in_one_shape():
    data = reid.load("pedestrians-tiny")
    assert datasets.load("pedestrians-tiny") is data
    assert not data.real
    assert data.train.images.shape[1:] == (3, 64, 32)
    assert len(data.train) == data.info.train
    assert len(data.gallery) == data.info.test
    assert data.train.identities == data.info.classes
    pixels = data.train.images.double() / 255
    assert data.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist(), abs=1e-6)
    assert data.std == pytest.approx(pixels.std((0, 2, 3), correction=0).tolist(), abs=1e-6)
    assert all(a <= b for a, b in pairwise(data.train.labels.tolist()))


# --- in the style of another, by a translator of the user's own ---

RESTYLED = "market-1501-as-dukemtmc-reid"


@pytest.fixture
def translated(made, tmp_path):
    """Writes Market-1501, DukeMTMC-reID and a translation of the first's training images."""
    made("market-1501"), made("dukemtmc-reid")
    folder = tmp_path / "restyled" / RESTYLED / "bounding_box_train"
    for shade, file in enumerate(names_of("market-1501")["bounding_box_train"]):
        image(folder / file, 200 + 5 * shade)
    return folder


def test_training_images_in_the_style_of_another_are_read_with_the_targets_test(translated, tmp_path):
    (translated / "0002_c1s1_000451_03.jpg").rename(translated / "0002_c1s1_000451_03_fake.png")  # as some translators name them
    assert datasets.status(RESTYLED, tmp_path) == ("there", f"{RESTYLED} is in {translated}, an image for each of market-1501's")
    data = reid.load(RESTYLED, tmp_path)
    source, target = (reid.load(one, tmp_path) for one in ("market-1501", "dukemtmc-reid"))
    assert data.train.ids.tolist() == source.train.ids.tolist()
    assert data.train.cameras.tolist() == source.train.cameras.tolist()
    assert torch.equal(data.gallery.images, target.gallery.images)
    assert torch.equal(data.query.ids, target.query.ids)
    assert int(data.train.images[:, 0].min()) > 190
    assert data.real


def test_a_translation_that_does_not_fit_is_told(translated, tmp_path):
    first, second, *_ = sorted(translated.iterdir())
    first.rename(translated / "0009_c1s1_000451_03.jpg")
    state, text = datasets.status(RESTYLED, tmp_path)
    assert state == "damaged"
    assert f"1 of the source's images have none, as {first.stem}; 1 are of no training image of market-1501" in text
    (translated / "0009_c1s1_000451_03.jpg").rename(first)
    image(translated / f"{second.stem}_again.jpg", 3)
    assert "1 are there twice" in datasets.status(RESTYLED, tmp_path)[1]
    with pytest.raises(Missing, match="1 are there twice"):
        reid.load(RESTYLED, tmp_path)


def test_a_translation_that_is_not_there_says_what_it_expects(translated, tmp_path):
    for file in translated.iterdir():
        file.unlink()
    translated.rmdir()
    state, text = datasets.status(RESTYLED, tmp_path)
    assert state == "missing"
    assert f"Expected: 5 images {translated}/0001_c1s1_001051_00.jpg" in text
    assert "pedestrians-market-as-duke runs without them" in text
    assert "\n" not in text
    assert datasets.status(RESTYLED, tmp_path / "nowhere")[1].startswith(f"{RESTYLED} wants market-1501: ")


def test_a_translated_image_that_cannot_be_read_is_named(translated, tmp_path):
    first = min(translated.iterdir())
    first.write_bytes(b"no image")
    with pytest.raises(Missing, match=f"{first.name} cannot be read as an image"):
        reid.load(RESTYLED, tmp_path)


# --- what is counted without opening an image ---


@pytest.mark.parametrize("name", FOLDERS)
def test_counts_are_those_of_what_is_loaded(made, name):
    root = made(name)
    data, found = reid.load(name, root), reid_counts.counted(name, root)
    boxes = (data.train, data.query, data.gallery)
    assert found["images"] == sum(map(len, boxes))
    assert found["cameras"] == len({int(c) for each in boxes for c in each.cameras})
    assert found["training identities"] == data.train.identities
    assert found["identities"] == data.train.identities + data.query.identities
    assert reid_counts.counted(name, root / "nowhere") is None


def test_a_worlds_counts_are_those_of_what_is_drawn():
    data = reid.load("pedestrians-tiny")
    assert reid_counts.counted("pedestrians-tiny") == {
        "identities": 44, "images": sum(map(len, (data.train, data.query, data.gallery))), "cameras": 3,
        "training identities": 24, "test identities": 20}  # fmt: skip
    for name in ("cuhk01", RESTYLED):
        with pytest.raises(BadRequest, match=f"{name} is not counted; accepted: market-1501"):
            reid_counts.counted(name)
