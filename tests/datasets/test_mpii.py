"""The loader on a folder as SimpleBaselines' annotation of MPII lies."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from alnb import datasets
from alnb.datasets import Missing, mpii


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setattr(mpii, "SPLITS", {"train": 2, "valid": 1})
    mpii._parts.cache_clear()
    root = tmp_path / "mpii"
    (root / "images").mkdir(parents=True)
    (root / "annot").mkdir()
    pixels = np.zeros((300, 400, 3), np.uint8)
    pixels[98:102, 148:152] = 255  # about (150, 100), counted from 0
    Image.fromarray(pixels).save(root / "images" / "a.png")
    joints = [[151.0, 101.0]] * 15 + [[-1.0, -1.0]]
    person = {"image": "a.png", "center": [201.0, 101.0], "scale": 0.8, "joints": joints, "joints_vis": [1] * 15 + [0]}
    for split, count in mpii.SPLITS.items():
        (root / "annot" / f"{split}.json").write_text(json.dumps([person] * count))
    boxes = np.array([[100.0, 50.0], [103.0, 54.0]])[:, :, None]  # a diagonal of 5
    savemat(root / "annot" / "gt_valid.mat", {"headboxes_src": boxes})
    yield tmp_path
    mpii._parts.cache_clear()


def test_a_person_is_cut_out_and_scaled_with_its_joints_and_its_head(written):
    """1.25 * 200 * 0.8 = 200 pixels about (200, 100 + 12): from (100, 12), times 1.28."""
    poses = mpii.load("mpii", written)
    assert (len(poses.train), len(poses.test)) == (2, 1)
    one = poses.test[0]
    assert one.pixels.shape == (256, 256, 3)
    np.testing.assert_allclose(one.joints[0], [50 * 1.28, 88 * 1.28], rtol=1e-5)
    assert one.visible.tolist() == [True] * 15 + [False]
    assert one.head == pytest.approx(0.6 * 5 * 1.28)
    assert np.isnan(poses.train[0].head)
    light = one.pixels[..., 0].astype(float)
    at = np.arange(256) + 0.5
    middle = np.array([(light.sum(0) * at).sum(), (light.sum(1) * at).sum()]) / light.sum()
    np.testing.assert_allclose(middle, one.joints[0], atol=1)
    assert datasets.status("mpii", written)[0] == "there"


@pytest.mark.parametrize(
    ("lost", "said"),
    [("annot/valid.json", "there is no .*valid.json"), ("annot/gt_valid.mat", "there is no .*gt_valid.mat")],
)
def test_what_is_not_there_is_one_line(written, lost, said):
    (written / "mpii" / lost).unlink()
    with pytest.raises(Missing, match=f"mpii is missing: {said}.*Terms: .*figures runs without it"):
        mpii.load("mpii", written)


def test_what_is_damaged_is_one_line(written, tmp_path_factory):
    path = written / "mpii" / "annot" / "train.json"
    whole = path.read_text()
    for text, said in ((whole[:50], "is no such annotation"), (json.dumps(json.loads(whole)[:1]), "has 1 persons, not 2")):
        path.write_text(text)
        with pytest.raises(Missing, match=f"mpii is damaged: .*{said}"):
            mpii.load("mpii", written)
    with pytest.raises(Missing, match=r"mpii is missing: there is no .*images"):
        mpii.load("mpii", tmp_path_factory.mktemp("empty"))
    path.write_text(whole)
    poses = mpii.load("mpii", written)
    (written / "mpii" / "images" / "a.png").write_bytes(b"nothing")
    with pytest.raises(Missing, match="cannot be read as a picture"):
        poses.train[0]
