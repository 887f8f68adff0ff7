import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from alnb import datasets
from alnb.errors import BadRequest

HEAVY = ("torch", "torchvision", "matplotlib", "sklearn", "scipy", "pandas")


def test_asking_what_exists_imports_nothing_heavy():
    code = (
        "import sys, alnb.datasets as d; [d.info(name) for name in d.names()]; "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_refusing_a_missing_dataset_imports_nothing_heavy(tmp_path):
    code = (
        "import sys, alnb.datasets as d\n"
        f"try: d.load('cifar-10', {str(tmp_path)!r})\n"
        f"except d.Missing: print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_hold_the_real_datasets_and_the_worlds():
    names = datasets.names()
    assert {"digits", "cifar-10", "cifar-100", "glyphs-10", "glyphs-10-null", "glyphs-200"} <= set(names)
    assert len(names) == len(set(names))
    real = [datasets.info(name).real for name in names]
    assert real == sorted(real, reverse=True)


def test_every_stand_in_is_an_embedded_dataset_with_as_many_classes():
    for name in datasets.names():
        about = datasets.info(name)
        if about.stand_in:
            other = datasets.info(about.stand_in)
            assert not other.real
            assert other.source == "embedded"
            assert other.task == about.task
            if about.task == "classification":
                assert other.classes == about.classes


def test_unknown_name_suggests_what_is_near():
    with pytest.raises(BadRequest, match=r"'cifar10'.*did you mean cifar-10") as caught:
        datasets.info("cifar10")
    assert "alnb data lists all" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(BadRequest, match="there are"):
        datasets.load("zzz")


def test_a_task_refuses_a_dataset_of_another_task():
    from alnb.tasks import classification

    datasets.check_task("glyphs-10", "classification")
    with pytest.raises(BadRequest, match=r"glyphs-10 is a dataset of classification, not of re-identification: there"):
        datasets.check_task("glyphs-10", "re-identification")
    with pytest.raises(BadRequest, match="pedestrians-tiny is a dataset of re-identification, not of classification"):
        classification.check(None, "pedestrians-tiny")


def test_a_name_served_twice_is_an_error(monkeypatch):
    found = datasets._modules.__wrapped__
    twin = SimpleNamespace(__name__="alnb.worlds.twin", INFO={"digits": None})
    real = datasets.importlib.import_module
    monkeypatch.setattr(
        datasets.importlib, "import_module", lambda name: twin if name == "alnb.worlds.glyphs" else real(name)
    )
    with pytest.raises(RuntimeError, match=r"'digits' is served by alnb\.datasets\.digits and alnb\.worlds\.twin"):
        found()


def test_load_keeps_the_last_two():
    first = datasets.load("digits")
    assert datasets.load("digits") is first
    datasets._load.cache_clear()
    assert datasets.load("digits") is not first


def test_root_comes_from_the_argument_then_the_environment_then_the_checkout(monkeypatch, tmp_path):
    monkeypatch.setenv("ALNB_DATA", str(tmp_path / "environment"))
    assert str(tmp_path / "environment") in datasets.status("cifar-10")[1]
    assert str(tmp_path / "argument") in datasets.status("cifar-10", tmp_path / "argument")[1]
    monkeypatch.delenv("ALNB_DATA")
    assert datasets.default_root().parts[-2:] == ("data", "downloads")
    assert (datasets.default_root().parents[1] / "alnb" / "datasets").is_dir()


def test_embedded_data_has_a_status_and_no_download():
    for name in ("digits", "glyphs-10"):
        assert datasets.status(name)[0] == "embedded"
        with pytest.raises(BadRequest, match="nothing to download"):
            datasets.download(name)


def test_examine_tells_absent_from_damaged(tmp_path):
    (tmp_path / "a").write_bytes(b"hello")
    hello = "5d41402abc4b2a76b9719d911017c592"
    assert datasets.examine(tmp_path, {"a": hello}) == ([], [])
    assert datasets.examine(tmp_path, {"a": "0" * 32}) == ([], [(tmp_path / "a", "0" * 32, hello)])
    assert datasets.examine(tmp_path, {"a": "0" * 32, "b": hello}) == ([tmp_path / "b"], [])


@pytest.mark.parametrize("name", ["digits", "glyphs-10"])
def test_a_loaded_dataset_is_what_its_description_says(name):
    data = datasets.load(name)
    assert data.info == datasets.info(name)
    assert len(data.class_names) == data.info.classes == len(set(data.class_names))
    for images, targets in ((data.train_images, data.train_targets), (data.test_images, data.test_targets)):
        assert images.dtype == np.uint8
        assert images.ndim == 4
        assert images.shape[1] == 3
        assert images.flags.c_contiguous
        assert targets.dtype == np.int64
        assert targets.shape == (len(images),)
        assert set(targets) == set(range(data.info.classes))
    pixels = data.train_images / 255
    np.testing.assert_allclose(data.mean, pixels.mean(axis=(0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(data.std, pixels.std(axis=(0, 2, 3)), atol=1e-6)
    assert all(len(column) == len(data.train_images) for column in data.details.values())


@pytest.mark.parametrize("value", [0, 13, 85, 255])
def test_images_that_do_not_vary_have_no_deviation_and_no_warning(value, recwarn):
    """The mean of squares less the square of the mean may come out below 0 by rounding."""
    mean, deviation = datasets.channel_statistics(np.full((7, 3, 5, 3), value, np.uint8))
    np.testing.assert_allclose(mean, value / 255)
    assert np.isfinite(deviation).all()
    np.testing.assert_allclose(deviation, 0, atol=1e-6)
    assert not recwarn.list


def test_channel_statistics_are_numpys():
    images = np.random.default_rng(0).integers(0, 256, (2300, 3, 4, 5), np.uint8)
    mean, deviation = datasets.channel_statistics(images)
    np.testing.assert_allclose(mean, (images / 255).mean((0, 2, 3)))
    np.testing.assert_allclose(deviation, (images / 255).std((0, 2, 3)))


def made(**change):
    """A dataset of three samples a part, two classes; `change` what is given."""
    images = change.get("images", np.zeros((3, 3, 8, 8), np.uint8))
    about = datasets.Info("t", True, change.get("classes", 2), "s", "t", images=change.get("kind", "images") == "images")
    targets = change.get("targets", np.array([0, 1, 1]))
    parts = {"train": (images, targets), "test": (np.array(images), np.array([0, 1, 1]))}
    if change.get("part") == "test":
        parts = {"train": (np.zeros((3, 3, 8, 8), np.uint8), np.array([0, 1, 1])), "test": (images, targets)}
    return datasets.Dataset("mine", about, *parts["train"], *parts["test"], ("a", "b"), (0.0,) * 3, (1.0,) * 3, 0, False)


FEATURES = {"kind": "features", "images": np.zeros((3, 5), np.float32)}


@pytest.mark.parametrize(("change", "says"), [
    ({"classes": 1}, "has 1 class: expected two or more"),
    ({"images": np.zeros((3, 8, 8, 3), np.uint8)}, r"\(3, 8, 8, 3\): expected uint8 \(N, 3, H, W\)"),
    ({"images": np.zeros((3, 3, 8, 8), np.float32)}, "float32"),
    ({"images": np.zeros((3, 3, 7, 9), np.uint8)}, "expected 8 px or more a side"),
    ({"images": np.zeros((3, 24), np.uint8)}, r"\(3, 24\)"),
    ({"targets": np.array([1, 2, 2])}, "targets are from 1 to 2: expected 0 to 1"),
    ({"targets": np.array([-1, 0, 1])}, "targets are from -1 to 1"),
    ({"targets": np.array([0.0, 1.0, 1.0])}, "targets float64"),
    ({"targets": np.array([0, 1])}, r"\(2,\): expected a whole number a sample"),
    ({"targets": np.array([[0], [1], [1]])}, r"\(3, 1\): expected"),
    ({"images": np.zeros((0, 3, 8, 8), np.uint8), "targets": np.zeros(0, int)}, "targets are none"),
    (FEATURES | {"images": np.zeros((3, 5), np.int64)}, r"int64 \(3, 5\): expected features"),
    (FEATURES | {"images": np.zeros((3, 5, 1), np.float32)}, r"\(3, 5, 1\): expected features"),
    (FEATURES | {"images": np.full((3, 5), np.nan, np.float32)}, "expected features"),
])  # fmt: skip
@pytest.mark.parametrize("part", ["train", "test"])
def test_a_dataset_that_is_none_is_refused_when_it_is_loaded(change, says, part):
    if part == "test" and change.get("kind") == "features":
        return
    with pytest.raises(BadRequest, match=says):
        datasets.validate(made(**change, part=part))


@pytest.mark.parametrize("change", [{}, {"images": np.zeros((3, 1, 8, 20), np.uint8)}, FEATURES,
                                    {"targets": np.array([0, 1, 1], np.uint8)}])  # fmt: skip
def test_a_dataset_that_is_one_is_taken(change):
    datasets.validate(made(**change))
