import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets as official

from alnb import datasets
from alnb.datasets import Missing, cifar

CLASSES = {"cifar-10": official.CIFAR10, "cifar-100": official.CIFAR100}
REAL = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """(root, pixels): both datasets in their official layout, four images a file, md5 tables adjusted."""
    rng = np.random.default_rng(0)
    pixels = {}
    for name, table in CLASSES.items():
        labels, sums = ("labels" if name == "cifar-10" else "fine_labels"), {}
        for path in cifar.FILES[name]:
            file = Path(path).name
            if "meta" in file:
                content = {table.meta["key"]: [f"class {k}" for k in range(cifar.INFO[name].classes)]}
            else:
                data = pixels[name, file] = rng.integers(0, 256, (4, 3072), dtype=np.uint8)
                content = {labels: [3, 1, 4, 1], "data": data}
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_bytes(pickle.dumps(content))
            sums[path] = hashlib.md5((tmp_path / path).read_bytes()).hexdigest()
        monkeypatch.setitem(cifar.FILES, name, sums)
        named = {Path(path).name: md5 for path, md5 in sums.items()}
        for part in ("train_list", "test_list"):
            monkeypatch.setattr(table, part, [[file, named[file]] for file, _ in getattr(table, part)])
        monkeypatch.setattr(table, "meta", table.meta | {"md5": named[table.meta["filename"]]})
    return tmp_path, pixels


@pytest.mark.parametrize("name", CLASSES)
def test_md5_table_is_torchvisions(name):
    table = CLASSES[name]
    published = [*table.train_list, *table.test_list, [table.meta["filename"], table.meta["md5"]]]
    assert cifar.FILES[name] == {f"{table.base_folder}/{file}": md5 for file, md5 in published}


@pytest.mark.parametrize("name", CLASSES)
def test_official_layout_is_read_in_order(tiny, name):
    root, pixels = tiny
    data = datasets.load(name, root)
    train = [pixels[name, file] for file, _ in CLASSES[name].train_list]
    np.testing.assert_array_equal(data.train_images.reshape(-1, 3072), np.concatenate(train))
    np.testing.assert_array_equal(data.train_targets, [3, 1, 4, 1] * len(train))
    assert data.test_images.shape == (4, 3, 32, 32)
    assert data.class_names[1] == "class 1"
    assert (data.crop, data.flip, data.details) == (4, True, {})
    assert datasets.status(name, root)[0] == "there"


def test_missing_data_says_what_where_whence_and_what_to_do_instead(tmp_path):
    with pytest.raises(Missing) as caught:
        datasets.load("cifar-100", tmp_path)
    message = str(caught.value)
    for part in (
        "cifar-100 is missing",
        "3 of 3 files",
        str(tmp_path / "cifar-100-python" / "train"),
        "ALNB_DATA",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "no licence stated",
        "Krizhevsky",
        "`alnb data cifar-100 --download`",
        "glyphs-100 runs without it",
    ):
        assert part in message
    assert "\n" not in message
    assert datasets.status("cifar-100", tmp_path) == ("missing", message)


def test_one_absent_file_is_named(tiny):
    root, _ = tiny
    (root / "cifar-10-batches-py" / "data_batch_4").unlink()
    with pytest.raises(Missing, match="one file not found") as caught:
        datasets.load("cifar-10", root)
    assert "data_batch_4" in str(caught.value)


def test_one_flipped_byte_is_named_with_both_md5(tiny):
    root, _ = tiny
    path = root / "cifar-10-batches-py" / "data_batch_3"
    body = bytearray(path.read_bytes())
    body[-40] ^= 1
    path.write_bytes(body)
    with pytest.raises(Missing, match="cifar-10 is damaged") as caught:
        datasets.load("cifar-10", root)
    message = str(caught.value)
    assert str(path) in message
    assert cifar.FILES["cifar-10"]["cifar-10-batches-py/data_batch_3"] in message
    assert hashlib.md5(body).hexdigest() in message
    assert "data_batch_2" not in message
    assert datasets.status("cifar-10", root) == ("damaged", message)


def test_a_damaged_file_is_never_unpickled(tiny):
    root, _ = tiny

    class Trap:
        def __reduce__(self):
            return (Path.touch, (root / "sprung",))

    (root / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(Missing, match="test_batch"):
        datasets.load("cifar-10", root)
    assert not (root / "sprung").exists()


def test_load_never_downloads_and_download_does(tiny, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(official.CIFAR10, "download", lambda self: asked.append(str(self.root)))
    root, _ = tiny
    with pytest.raises(Missing):
        datasets.load("cifar-10", tmp_path / "elsewhere")
    assert asked == []
    datasets.download("cifar-10", root)
    assert asked == [str(root)]


def test_a_download_that_brings_the_wrong_bytes_is_refused(tiny, monkeypatch):
    root, _ = tiny
    monkeypatch.setitem(cifar.FILES["cifar-10"], "cifar-10-batches-py/test_batch", "0" * 32)
    monkeypatch.setattr(official.CIFAR10, "download", lambda self: None)
    with pytest.raises(Missing, match="0000000000"):
        datasets.download("cifar-10", root)


@pytest.mark.skipif(not REAL.is_dir(), reason="shared/data is not beside this checkout")
@pytest.mark.parametrize("name", CLASSES)
def test_the_real_data(name, tmp_path):
    subprocess.run([sys.executable, REAL / "unpack", name, tmp_path], check=True, stdout=subprocess.DEVNULL)
    data = datasets.load(name, tmp_path)
    datasets._load.cache_clear()  # 180 MB
    assert data.train_images.shape == (50_000, 3, 32, 32)
    assert data.test_images.shape == (10_000, 3, 32, 32)
    for targets, each in ((data.train_targets, 50_000), (data.test_targets, 10_000)):
        np.testing.assert_array_equal(np.bincount(targets), each // data.info.classes)
    assert data.class_names[0] == {"cifar-10": "airplane", "cifar-100": "apple"}[name]
    for stored, computed in zip((data.mean, data.std), datasets.channel_statistics(data.train_images)):
        np.testing.assert_allclose(stored, computed, atol=5.1e-6)
    path = tmp_path / next(iter(cifar.FILES[name]))
    with open(path, "r+b") as stream:
        stream.seek(1_000_000)
        byte = stream.read(1)[0]
        stream.seek(1_000_000)
        stream.write(bytes([byte ^ 128]))
    state, text = datasets.status(name, tmp_path)
    assert state == "damaged"
    assert str(path) in text
