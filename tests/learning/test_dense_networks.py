"""Networks that answer with a linear map: their sizes, their maps, the weights they start from."""

from __future__ import annotations

import pytest
import torch

from alnb.errors import BadRequest
from alnb.learning import networks
from alnb.learning.encoders import torchvision
from alnb.learning.networks import drn_d22, simple_baseline


def build(name, classes=5):
    return networks.build(name, classes, generator=torch.Generator().manual_seed(0)).eval()


@pytest.mark.parametrize(("name", "stride"), [("dilated_small", 4), ("drn_d22", 8), ("pose_small", 4), ("simple_baseline", 4)])
def test_maps_blocks_and_the_folded_copy_agree(name, stride):
    network, x = build(name), torch.randn(1, 3, 32, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps, blocks = network(x), list(network.blocks(x))
        assert maps.shape == (1, 5, 32 // stride, 64 // stride)
        assert tuple(b.shape[1] for b in blocks) == network.widths
        assert torch.equal(maps, network.answer(network.upper(blocks[-1])))
        assert torch.equal(network.embed(x), blocks[-1].mean((2, 3)))
        assert torch.allclose(network.folded()(x), maps, atol=1e-4)


def test_the_published_numbers_of_weights():
    """DRN-D-22 with 19 classes, 15.89 M (its authors' layout, counted); SimpleBaselines' ResNet-50, 34.0 M (their Table 1)."""
    count = lambda name, classes: sum(p.numel() for p in build(name, classes).parameters()) / 1e6
    assert count("drn_d22", 19) == pytest.approx(15.89, abs=0.01)
    assert count("simple_baseline", 16) == pytest.approx(34.0, abs=0.05)


@pytest.mark.parametrize(
    ("module", "name", "file"),
    [(drn_d22, "drn_d22", drn_d22.WEIGHTS), (simple_baseline, "simple_baseline", "resnet50-0676ba61.pth")],
)
def test_weights_of_imagenet_are_taken_for_all_but_what_they_do_not_have(module, name, file, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torchvision, "weights", lambda option: "as if it were")  # made up, below
    with pytest.raises(BadRequest, match="not in torch's cache"):
        module.weights()
    network, folder = build(name), tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    prefix = "trunk." if name == "simple_baseline" else ""
    inner = {k.removeprefix(prefix): torch.full_like(v, 2) for k, v in network.state_dict().items() if k.startswith(prefix)}
    inner = {k: v for k, v in inner.items() if not k.startswith(("head", "up"))}
    torch.save(inner | {"fc.weight": torch.zeros(3)}, folder / file)
    result = network.load_state_dict(module.weights(), strict=False)
    assert not result.unexpected_keys
    assert all(key.startswith(("head", "up")) for key in result.missing_keys)


def test_dropout_drops_whole_channels_before_the_head_in_training_alone():
    network = build("dilated_small")
    network.dropout, x = 0.5, torch.randn(2, 3, 16, 16)
    fed = []
    network.head.register_forward_hook(lambda _, given, __: fed.append(given[0]))
    network(x)
    network.train()
    network(x)
    dropped = (fed[1] == 0).flatten(2).all(2).float().mean()
    assert 0.2 < float(dropped) < 0.9
    assert not (fed[0] == 0).flatten(2).all(2).float().mean() > 0.6
