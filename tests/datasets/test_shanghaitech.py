"""ShanghaiTech Part B: on generated folders of its layout, whole and damaged."""

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from alnb import datasets
from alnb.datasets import Missing, shanghaitech

FEW = {"train_data": 3, "test_data": 2}
HEADS = {1: [(1.0, 1.0), (40.5, 20.25)], 2: [], 3: [(48.7, 32.0)]}  # MATLAB's: from 1; the last beyond the border


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setattr(shanghaitech, "SPLITS", FEW)
    for split, count in FEW.items():
        folder = tmp_path / "part_B" / split
        (folder / "images").mkdir(parents=True)
        truth = folder / ("ground-truth" if split == "train_data" else "ground_truth")
        truth.mkdir()
        for k in range(1, count + 1):
            Image.new("RGB", (48, 32), (10 * k, 0, 0)).save(folder / "images" / f"IMG_{k}.jpg")
            location = np.array(HEADS[k], float).reshape(-1, 2)
            inner = np.array([[(location, np.array([[len(location)]]))]], dtype=[("location", "O"), ("number", "O")])
            outer = np.empty((1, 1), dtype=object)
            outer[0, 0] = inner
            savemat(truth / f"GT_IMG_{k}.mat", {"image_info": outer})
    return tmp_path


def test_the_layout_is_read(written):
    data = shanghaitech.load("shanghaitech-b", written)
    assert data.train_images.shape == (3, 3, 32, 48)
    assert data.test_images.shape == (2, 3, 32, 48)
    np.testing.assert_allclose(data.train_points[0], [(0, 0), (39.5, 19.25)])
    assert data.train_points[1].shape == (0, 2)
    np.testing.assert_allclose(data.train_points[2], [(47.7, 31.0)], atol=0.02)
    assert [round(float(image[0].mean()) / 10) for image in data.train_images] == [1, 2, 3]  # in the order of their numbers


def test_what_is_absent_or_damaged_is_said_in_one_line(written):
    with pytest.raises(Missing, match=r"is missing: no part_B in .*train_data,test_data.*images/IMG_<n>.jpg.*crowds runs without"):
        shanghaitech.load("shanghaitech-b", written / "elsewhere")
    (written / "part_B/train_data/ground-truth/GT_IMG_2.mat").write_bytes(b"no MATLAB file")
    with pytest.raises(Missing, match=r"IMG_2.jpg or GT_IMG_2.mat in .* cannot be read"):
        shanghaitech.load("shanghaitech-b", written)
    (written / "part_B/train_data/ground-truth/GT_IMG_2.mat").unlink()
    with pytest.raises(Missing, match=r"no GT_IMG_2.mat in .*, 1 are missing"):
        shanghaitech.load("shanghaitech-b", written)
    (written / "part_B/test_data/images/IMG_2.jpg").unlink()
    (written / "part_B/train_data/ground-truth/GT_IMG_2.mat").touch()
    with pytest.raises(Missing, match="1 of 2 images in"):
        shanghaitech.load("shanghaitech-b", written)


def test_the_official_counts():
    assert shanghaitech.SPLITS == {"train_data": 400, "test_data": 316}
    assert datasets.info("shanghaitech-b").train == 400
