"""Data of your own: a folder of images, or features, by one command; then it is a dataset like any other."""

import zlib

import numpy as np
import pytest
from PIL import Image

from alnb import cli, datasets
from alnb.datasets import own
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.methods import label_dispersion as ch3
from alnb.store import Store
from alnb.tasks import features


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("ALNB_DATA", str(tmp_path / "data"))
    datasets._load.cache_clear()
    features._resident.cache_clear()
    yield tmp_path / "data"
    own.INFO.clear()
    datasets._modules.cache_clear()


def picture(path, colour, size=(20, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def birds(folder, count=10):
    for i in range(count):
        picture(folder / "wren" / f"{i}.png", (200 + i, 0, 0))
        picture(folder / "auk" / "more" / f"{i}.PNG", (0, 0, 200 + i), (10, 30))
    (folder / "notes").mkdir()
    return folder


def arrays(folder, n=60, labels="text"):
    folder.mkdir()
    rng = np.random.default_rng(1)
    targets = np.arange(n) % 3
    np.save(folder / "features.npy", rng.normal(size=(n, 5)) + 4 * np.eye(5)[targets])
    np.save(folder / "targets.npy", np.array(["cat", "ant", "bee"])[targets] if labels == "text" else targets)
    return folder


def test_a_folder_of_images_a_class_is_a_dataset(tmp_path):
    name = own.add("birds", birds(tmp_path / "birds"), px=8)
    assert name.startswith("birds@")
    assert name in datasets.names()
    data = datasets.load(name)
    assert data.class_names == ("auk", "wren")
    assert data.train_images.shape == (16, 3, 8, 8)
    assert data.test_images.shape == (4, 3, 8, 8)
    assert np.bincount(data.test_targets).tolist() == [2, 2]
    red = data.train_images[:, 0].mean((1, 2)) > 100
    assert np.array_equal(red, data.train_targets == 1)
    assert datasets.info(name).train == 16
    assert datasets.status(name)[0] == "there"
    assert own.add("birds", tmp_path / "birds", px=8) == name
    picture(tmp_path / "birds" / "auk" / "one.png", (9, 9, 9))
    assert own.add("birds", tmp_path / "birds", px=8) != name


def test_a_split_of_ones_own_is_kept(tmp_path):
    for part, count in (("train", 3), ("test", 2)):
        for label, name in enumerate(("a", "b")):
            for i in range(count):
                picture(tmp_path / "x" / part / name / f"{i}.jpg", (100 * label, 50, 50))
    data = datasets.load(own.add("x", tmp_path / "x", px=8))
    assert sorted(data.train_targets) == [0, 0, 0, 1, 1, 1]
    assert data.test_targets.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("labels", ["text", "numbers"])
def test_features_of_ones_own_are_raced_as_they_are(tmp_path, labels):
    name = own.add("mine", arrays(tmp_path / "mine", labels=labels))
    data = datasets.load(name)
    assert data.class_names == (("ant", "bee", "cat") if labels == "text" else ("0", "1", "2"))
    assert data.train_images.shape == (48, 5)
    race = {"dataset": name, "task": "features", "encoder": "given", "px": 0, "arms": ["margin"]}
    (run,) = ch3.grid(race, pool=0, initial=6, budget=6, cycles=2, epochs=20, lr=0.1)
    store = Store(tmp_path / "store")
    assert not drive([run], store, workers=1, say=lambda line: None).failed
    rows = [row for row in store.read(run).rows if row["kind"] == "test"]
    assert rows[-1]["accuracy"] > 80
    with pytest.raises(BadRequest, match="holds features, no images: give the race task = 'features'"):
        ch3.grid({"dataset": name, "arms": ["margin"]}, initial=6, budget=6)
    with pytest.raises(BadRequest, match="holds features: encoder = 'given'"):
        ch3.grid(race | {"encoder": "pixels"}, initial=6, budget=6)


def test_given_test_features_are_kept(tmp_path):
    for part, n in (("train", 6), ("test", 4)):
        (tmp_path / "f").mkdir(exist_ok=True)
        np.save(tmp_path / "f" / f"{part}_features.npy", np.arange(2 * n).reshape(n, 2))
        np.save(tmp_path / "f" / f"{part}_targets.npy", np.arange(n) % 2 + 5)
    data = datasets.load(own.add("f", tmp_path / "f"))
    assert data.class_names == ("5", "6")
    assert data.test_images.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert data.test_targets.tolist() == [0, 1, 0, 1]


def wrong(folder, what):
    if what == "empty":
        folder.mkdir()
    elif what == "one class":
        picture(folder / "a" / "1.png", (0, 0, 0))
    elif what == "no image":
        birds(folder)
        (folder / "auk" / "0.jpg").write_text("text")
    elif what == "single":
        birds(folder)
        picture(folder / "owl" / "1.png", (0, 0, 0))
    else:
        arrays(folder)
        x, y = np.load(folder / "features.npy"), np.load(folder / "targets.npy")
        if what == "nan":
            x[3, 3] = np.nan
        if what == "shape":
            x = x[:, :, None]
        if what == "short":
            y = y[:-1]
        if what == "floats":
            y = np.linspace(0, 1, len(x))
        np.save(folder / "features.npy", x)
        np.save(folder / "targets.npy", y)
        if what == "lost":
            (folder / "targets.npy").unlink()
    return folder


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("empty", "expected a folder a class"), ("one class", "at least two"), ("no image", "0.jpg cannot be read"),
        ("single", "one sample"), ("nan", "expected finite"), ("shape", r"\(60, 5, 1\); expected finite \(N, D\)"),
        ("short", r"expected \(60,\) numbers or texts"), ("floats", "float64"), ("lost", "targets.npy cannot be read"),
    ],
)  # fmt: skip
def test_what_is_no_data_is_refused_in_one_line_and_nothing_is_kept(tmp_path, root, capsys, what, says):
    folder = wrong(tmp_path / "given", what)
    assert cli.main(["data", "given", "--add", str(folder)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    with pytest.raises(BadRequest, match=says):
        own.add("given", folder)
    assert not list(root.glob("own/*"))


def crc(path):
    """A PNG of which a chunk's checksum is wrong."""
    body = bytearray(path.read_bytes())
    body[29] ^= 1
    path.write_bytes(body)


def bomb(path):
    """One that says it has more pixels than PIL takes."""
    body = bytearray(path.read_bytes())
    body[16:24] = (60_000).to_bytes(4) * 2
    body[29:33] = zlib.crc32(body[12:29]).to_bytes(4)
    path.write_bytes(body)


@pytest.mark.parametrize("damage", [crc, bomb])
def test_an_image_that_its_decoder_refuses_is_named(tmp_path, damage):
    damage(birds(tmp_path / "birds") / "wren" / "3.png")
    with pytest.raises(BadRequest, match=r"wren/3.png cannot be read as an image"):
        own.add("birds", tmp_path / "birds")


@pytest.mark.parametrize("about", ["", "[1]", "{}", "[" * 20_000, '{"holds": "images", "train": "x"}', "\ud800"])
def test_what_is_damaged_in_the_store_is_left_out_with_a_warning(tmp_path, root, about):
    kept = own.add("birds", birds(tmp_path / "birds"), px=8)
    (root / "own" / "mine@12345678").mkdir()
    (root / "own" / "mine@12345678" / "about.json").write_text(about, errors="surrogatepass")
    with pytest.warns(UserWarning, match=r"mine@12345678.about.json cannot be read .*; add its data again"):
        assert list(own._info()) == [kept]


def test_data_sorted_by_class_is_mixed_once_and_for_all(tmp_path):
    name = own.add("birds", birds(tmp_path / "birds"), px=8)
    data = datasets.load(name)
    assert sorted(data.train_targets) != data.train_targets.tolist()
    assert own.add("again", tmp_path / "birds", px=8).partition("@")[2] == name.partition("@")[2]
    red = data.train_images[:, 0].mean((1, 2)) > 100
    assert np.array_equal(red, data.train_targets == 1)


def test_a_pool_that_lacks_a_class_is_refused_before_anything_is_trained(tmp_path, root):
    """As another's data, or a package's, may come: sorted by class."""
    name = own.add("mine", arrays(tmp_path / "mine"))
    folder = root / "own" / name
    x, y = (np.load(folder / f"{each}.npy") for each in ("train", "train_targets"))
    order = y.argsort(kind="stable")
    parts = x[order], y[order], np.load(folder / "test.npy"), np.load(folder / "test_targets.npy")
    for each, array in zip(own.ARRAYS, parts):
        np.save(folder / f"{each}.npy", array)
    sorted_name = f"mine@{own._digest(['ant', 'bee', 'cat'], parts)[:8]}"
    folder.rename(root / "own" / sorted_name)
    own.INFO.update(own._info())
    datasets._modules.cache_clear()
    race = {"dataset": sorted_name, "task": "features", "encoder": "given", "px": 0, "arms": ["random"]}
    runs = [ch3.grid(race, pool=pool, initial=6, budget=6, cycles=1, epochs=1)[0] for pool in (30, 40)]
    outcome = drive(runs, Store(tmp_path / "store"), workers=1, say=lambda line: None)
    assert [run.settings["pool"] for run in outcome.done] == [40, 40]
    said = set(outcome.failed.values())
    assert any("the pool of 30 samples has none of 1 of the 3 classes (the first: 2)" in why for why in said)


def test_a_name_or_folder_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(BadRequest, match="expected letters"):
        own.add("my birds@1", tmp_path)
    with pytest.raises(BadRequest, match="is no folder"):
        own.add("birds", tmp_path / "nowhere")


def test_what_was_changed_since_is_refused(tmp_path, root):
    name = own.add("mine", arrays(tmp_path / "mine"))
    values = np.load(root / "own" / name / "train.npy")
    np.save(root / "own" / name / "train.npy", values + 1)
    with pytest.raises(datasets.Missing, match="damaged: it holds what would be called"):
        datasets.load(name)
    (root / "own" / name / "test.npy").unlink()
    assert datasets.status(name)[0] == "missing"
    with pytest.raises(datasets.Missing, match="add it again, `alnb data mine --add FOLDER`"):
        datasets.load(name)


def test_the_command_says_what_it_is_called_and_how_to_try_it(tmp_path, capsys):
    assert cli.main(["data", "birds", "--add", str(birds(tmp_path / "birds")), "--px", "16"]) == 0
    said = capsys.readouterr().out
    assert "16 training and 4 test samples of 2 classes" in said
    assert "alnb run 01 --profile frozen" in said
    assert cli.main(["data", "--add", str(tmp_path)]) == 2
