"""Features that are kept: computed once, in parts, gone on with, verified, compared with those of the records."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from alnb import REPOSITORY, datasets
from alnb.errors import BadRequest
from alnb.learning import frozen
from alnb.learning.encoders import Encoder, find

TOY = "tests.learning.toy_encoder"
DATA = "digits"  # 1,297 + 500 images


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("ALNB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(frozen, "DESCRIBED", tmp_path / "described")
    monkeypatch.setattr(frozen, "PART", 500)


def names(path):
    return sorted(each.name for each in path.iterdir())


def test_they_are_what_the_encoder_gives_one_image_at_a_time():
    encoder, data = find(TOY, 16), datasets.load(DATA)
    features = frozen.load(DATA, encoder)
    assert features.width == 24
    assert np.array_equal(features.test_targets, data.test_targets)
    network, rows = encoder.load(), np.array([0, 3, 499, 500, 1296])
    found = features.rows("train", rows)
    assert found.dtype == np.float32
    for row, values in zip(rows, found):
        x = torch.from_numpy(data.train_images[row][None]).float()
        x = torch.nn.functional.interpolate(x, size=(16, 16), mode="bicubic").clamp(0, 255)
        np.testing.assert_allclose(values, network(x)[0], rtol=2e-3, atol=1e-3)
    assert np.array_equal(features.rows("test"), features.rows("test", np.arange(500)))


def test_a_second_load_computes_nothing_and_its_name_is_what_decides_them():
    encoder = find(TOY, 16)
    first = frozen.load(DATA, encoder)
    refuses = replace(encoder, load=lambda: pytest.fail("computed again"))
    assert frozen.load(DATA, refuses).sha256 == first.sha256
    others = [find(TOY, 8), find(f"{TOY}:x", 16), replace(encoder, weights="0")]
    places = {frozen.folder(DATA, each) for each in [encoder, *others]} | {frozen.folder("glyphs-10", encoder)}
    assert len(places) == 5


class Stopped(Exception):
    pass


def test_what_was_stopped_is_gone_on_with_and_gives_the_same():
    encoder = find(TOY, 16)
    whole = frozen.load(DATA, encoder)
    about = json.loads((whole.path / "about.json").read_text())
    for path in whole.path.iterdir():
        path.unlink()
    said = []

    def say(line):
        said.append(line)
        if "1,000 of 1,797" in line:
            raise Stopped

    with pytest.raises(Stopped):
        frozen.load(DATA, encoder, say=say)
    assert len(names(whole.path)) == 2
    assert not frozen.known(DATA, encoder)
    said.clear()
    assert frozen.load(DATA, encoder, say=said.append).sha256 == whole.sha256 == about["sha256"]
    assert said[0].startswith(f"features of digits by {TOY} at 16 px: 797 images, once; about")
    assert said[1].endswith("0 s left")


def test_a_damaged_part_is_found_and_computed_again():
    encoder = find(TOY, 16)
    features = frozen.load(DATA, encoder)
    part = next(features.path.glob("train-001.*"))
    before = part.read_bytes()
    part.write_bytes(before[:-1] + b"x")
    assert features.rows("train", [3]).shape == (1, 24)  # what is not read is not looked at
    with pytest.raises(frozen.Damaged, match="train-001") as why:
        features.rows("train", [700])
    with pytest.warns(UserWarning, match="computed again"):
        again = frozen.again(features, DATA, encoder, "cpu", why.value)
    assert again.sha256 == features.sha256
    assert part.read_bytes() == before


def test_features_that_are_no_numbers_are_refused():
    class Wild(torch.nn.Module):
        def forward(self, x):
            return x.flatten(1) * 1e6

    encoder = Encoder("wild", "0", 0, 1e-4, Wild)
    with pytest.raises(BadRequest, match=r"shape \(500, 192\): expected \(images, D\), finite"):
        frozen.load(DATA, encoder)


def test_those_of_another_cpu_are_told_from_those_of_another_network():
    encoder = find(TOY, 16)
    first = frozen.load(DATA, encoder)
    described = frozen.keep(DATA, encoder)
    about = json.loads(described.read_text())
    assert described.stat().st_size < 5000

    def said(factor, weights=encoder.weights):
        for path in first.path.iterdir():
            path.unlink()
        network = encoder.load()
        moved = replace(encoder, load=lambda: torch.nn.Sequential(network, Scaled(factor)), weights=weights)
        lines = []
        frozen.compute(DATA, moved, say=lines.append)
        return lines[-1]

    assert said(1).endswith("equal to those of the records")
    assert "within 0.00" in said(1.001)
    with pytest.raises(BadRequest, match="not those of the records: off by"):
        said(1.1)
    described.write_text(json.dumps(about | {"weights": "0"}))
    with pytest.raises(BadRequest, match="of other weights"):
        said(1)


class Scaled(torch.nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


def test_two_that_ask_at_once_compute_them_once():
    command = [sys.executable, "-m", "alnb.learning.frozen", DATA, TOY, "16"]
    both = [subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(text.count("all there") for text in said) == [0, 1]


def test_prepared_in_a_process_of_its_own_whose_words_come_home():
    lines = []
    frozen.prepare(DATA, TOY, 16, lines.append)
    assert "1,797 images" in lines[0]
    assert "all there" in lines[-1]
    assert frozen.known(DATA, find(TOY, 16))
    frozen.prepare(DATA, TOY, 16, pytest.fail)
    with pytest.raises(BadRequest, match=r"alnb: cifar-10 is missing"):
        frozen.prepare("cifar-10", TOY, 16)


@pytest.mark.parametrize("arguments", [[], ["digits", TOY], ["digits", TOY, "large"], ["digit", TOY, "8"]])
def test_the_command_refuses_in_one_line(arguments, capsys):
    assert frozen.main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
