"""CelebA: on a generated folder of its layout, whole and damaged."""

import numpy as np
import pytest
from PIL import Image

from alnb import datasets
from alnb.datasets import Missing, celeba

FILES = {"000001.jpg": (0, 1), "000002.jpg": (0, -1), "000003.jpg": (1, 1), "000004.jpg": (2, -1)}  # part, Male


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setattr(celeba, "SPLITS", {"train": (0, 2), "test": (2, 1)})
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    lines = ["4", "5_o_Clock_Shadow Male Young"]
    for i, (name, (_, male)) in enumerate(FILES.items()):
        Image.new("RGB", (178, 218), (60 * i, 0, 0)).save(folder / "img_align_celeba" / name)
        lines.append(f"{name} -1 {male:2d}  1")
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    (folder / "list_eval_partition.txt").write_text("".join(f"{name} {part}\n" for name, (part, _) in FILES.items()))
    return tmp_path


def test_the_layout_is_read_and_kept(written):
    data = celeba.load("celeba", written)
    assert data.train_images.shape == (2, 3, 64, 64)
    assert data.train_targets.tolist() == [1, 0]
    assert data.test_targets.tolist() == [0]
    assert data.test_images[0, 0].mean() == pytest.approx(180, abs=3)  # the fourth: the validation image is left out
    (written / "celeba/img_align_celeba/000002.jpg").write_bytes(b"gone")
    again = celeba.load("celeba", written)  # from what was kept
    np.testing.assert_array_equal(again.train_images, data.train_images)


def test_what_is_absent_or_damaged_is_said_in_one_line(written):
    with pytest.raises(Missing, match=r"is missing: no .*list_attr_celeba.txt.*img_align_celeba/000001.jpg.*faces runs without it"):
        celeba.load("celeba", written / "elsewhere")
    (written / "celeba/img_align_celeba/000001.jpg").write_bytes(b"no JPEG")
    with pytest.raises(Missing, match=r"000001.jpg cannot be read"):
        celeba.load("celeba", written)
    (written / "celeba/list_attr_celeba.txt").write_text("4\n5_o_Clock_Shadow Young\n000001.jpg 1 1\n")
    with pytest.raises(Missing, match=r"damaged: .*list_attr_celeba.txt"):
        celeba.load("celeba", written)
    (written / "celeba/list_eval_partition.txt").write_text("000001.jpg 0\n")
    with pytest.raises(Missing, match="1 of 2 train images"):
        celeba.load("celeba", written)


def test_the_official_counts():
    about = datasets.info("celeba")
    assert (about.train, about.test, about.stand_in) == (162_770, 19_962, "faces")
