"""The loader on a folder of Cityscapes' official layout."""

import numpy as np
import pytest
from PIL import Image

from alnb import datasets
from alnb.datasets import Missing, cityscapes


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setattr(cityscapes, "SPLITS", {"train": 2, "val": 1})
    rng, made = np.random.default_rng(0), {}
    for split, city, count in (("train", "ulm", 1), ("train", "aachen", 1), ("val", "lindau", 1)):
        for i in range(count):
            stem = f"{city}_{i:06d}_000019"
            pixels, ids = rng.integers(0, 256, (4, 8, 3), np.uint8), rng.integers(0, 34, (4, 8)).astype(np.uint8)
            for folder, end, array in (("leftImg8bit", "leftImg8bit", pixels), ("gtFine", "gtFine_labelIds", ids)):
                where = tmp_path / "cityscapes" / folder / split / city
                where.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(where / f"{stem}_{end}.png")
            made[split, city] = pixels, ids
    return tmp_path, made


def test_what_lies_in_the_official_layout_is_read_city_by_city_as_training_classes(written):
    root, made = written
    stills = cityscapes.load("cityscapes", root)
    assert (len(stills.train), len(stills.test)) == (2, 1)
    table = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13, 27: 14, 28: 15,
             31: 16, 32: 17, 33: 18}  # labels.py of the official scripts  # fmt: skip
    first, second = stills.train[0], stills.train[1]
    for item, key in ((first, ("train", "aachen")), (second, ("train", "ulm")), (stills.test[0], ("val", "lindau"))):
        pixels, ids = made[key]
        np.testing.assert_array_equal(item[0], pixels)
        np.testing.assert_array_equal(item[1], np.vectorize(lambda i: table.get(i, 255))(ids))
        assert item[1].dtype == np.uint8
    assert datasets.status("cityscapes", root)[0] == "there"


def test_what_is_not_there_or_damaged_is_one_line(written, tmp_path_factory):
    root, _ = written
    with pytest.raises(Missing, match=r"cityscapes is missing: there is no .*Source: https.*Terms: .*streets runs without it"):
        cityscapes.load("cityscapes", tmp_path_factory.mktemp("empty"))
    lost = next((root / "cityscapes/gtFine/train/ulm").iterdir())
    data = lost.read_bytes()
    lost.write_bytes(data[:20])
    with pytest.raises(Missing, match="cannot be read as a picture"):
        cityscapes.load("cityscapes", root).train[1]
    lost.unlink()
    with pytest.raises(Missing, match="ulm_000000_000019 of train has a picture or labels, not both"):
        cityscapes.load("cityscapes", root)
