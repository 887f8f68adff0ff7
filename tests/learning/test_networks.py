"""Networks: how they are found, their size, what they accept, where their randomness comes from, and the folded copy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from alnb.errors import BadRequest
from alnb.learning import networks
from alnb.learning.networks.base import Network


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def unsettled(network, seed=1):
    """The network with batch-norm statistics and affine weights that are not the trivial initial ones, in eval mode."""
    g = generator(seed)
    for norm in (m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        for tensor, low, high in (
            (norm.running_mean, -1, 1),
            (norm.running_var, 0.5, 2),
            (norm.weight, -1, 1),
            (norm.bias, -1, 1),
        ):
            tensor.data.uniform_(low, high, generator=g)
    return network.eval()


@pytest.mark.parametrize(("name", "weights"), [("small", 94_762), ("resnet18", 11_173_962)])
def test_ten_classes_take_the_published_number_of_weights(name, weights):
    network = networks.build(name, 10, generator=generator())
    assert sum(p.numel() for p in network.parameters()) == weights


def test_every_network_has_features_head_and_logits_that_agree():
    x = torch.randn(3, 3, 32, 32, generator=generator(1))
    for name in networks.names("images"):
        network = networks.build(name, 7, generator=generator()).eval()
        features = network.embed(x)
        assert features.shape == (3, network.head.in_features)
        assert network(x).shape == (3, 7)
        assert torch.equal(network(x), network.head(features))


@pytest.mark.parametrize("name", ["small", "resnet18"])
def test_the_last_of_the_blocks_is_what_the_features_are_pooled_from(name):
    network = networks.build(name, 7, generator=generator()).eval()
    x = torch.randn(2, 3, 32, 32, generator=generator(1))
    maps = list(network.blocks(x))
    assert tuple(features.shape[1] for features in maps) == network.widths
    assert torch.equal(network.pooled(maps[-1]), network.embed(x))


@pytest.mark.parametrize("pixels", [8, 11, 15, 16, 28, 32, 64])
def test_small_accepts_8_to_64_pixels_and_strides_from_16_on(pixels):
    network = networks.build("small", 10, generator=generator())
    x = torch.randn(2, 3, pixels, pixels, generator=generator(1))
    assert network(x).shape == (2, 10)
    assert network.conv1(x).shape[-1] == (pixels if pixels < 16 else -(-pixels // 2))


def test_small_equals_relu_before_pooling_to_the_bit_in_logits_and_gradients():
    network = unsettled(networks.build("small", 10, generator=generator())).train()
    x = torch.randn(16, 3, 32, 32, generator=generator(1))

    def as_published(x):
        for i in "123":
            x = F.relu(getattr(network, f"norm{i}")(getattr(network, f"conv{i}")(x)))
            x = F.max_pool2d(x, 2)
        return network.head(x.mean((2, 3)))

    def logits_and_gradients(f):
        network.zero_grad()
        logits = f(x)
        logits.square().sum().backward()
        return [logits, *(p.grad for p in network.parameters())]

    for ours, published in zip(logits_and_gradients(network), logits_and_gradients(as_published)):
        assert torch.equal(ours, published)


def test_resnet18_keeps_full_resolution_up_to_its_second_stage():
    network, seen = networks.build("resnet18", 10, generator=generator()).eval(), []
    for layer in (network.body.layer1, network.body.layer4):
        layer.register_forward_hook(lambda module, args, output: seen.append(tuple(output.shape)))
    network(torch.zeros(1, 3, 32, 32))
    assert seen == [(1, 64, 32, 32), (1, 512, 4, 4)]


def test_resnet18_starts_its_stem_as_torchvision_starts_every_convolution():
    body = networks.build("resnet18", 10, generator=generator()).body
    for conv in (body.conv1, body.layer4[1].conv2):  # He et al. 2015 by fan out: std = sqrt(2 / (9 outputs))
        assert conv.weight.std().item() == pytest.approx((2 / (9 * conv.out_channels)) ** 0.5, rel=0.05)


@pytest.mark.parametrize("name", networks.names("images"))
def test_initialisation_comes_from_the_given_generator_alone(name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = networks.build(name, 10, generator=generator()).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    again = networks.build(name, 10, generator=generator()).state_dict()
    other = networks.build(name, 10, generator=generator(1)).state_dict()
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


@pytest.mark.parametrize("name", networks.names("images"))
def test_folded_copy_is_the_same_function_without_batch_norms(name):
    network = unsettled(networks.build(name, 10, generator=generator()))
    kept = {k: v.clone() for k, v in network.state_dict().items()}
    x = torch.randn(4, 3, 32, 32, generator=generator(2))
    folded = network.train().folded()
    with torch.no_grad():
        expected, found = network.eval()(x), folded(x)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    assert all(torch.equal(kept[k], v) for k, v in network.state_dict().items())


def test_unknown_network_is_refused_with_what_there_is():
    with pytest.raises(BadRequest, match=r"'lenet' is unknown: one of dilated_small, .*perceptron, .*resnet18, .*small"):
        networks.build("lenet", 10, generator=generator())


# --- dropout before the head --------------------------------------------------------------------------------------------


def dropping(features, p):
    """A network whose logits are its features after dropout: the head passes them on."""
    network = networks.build("small", features.shape[1], generator=generator())
    network.head.weight.data, network.head.bias.data = torch.eye(features.shape[1]), torch.zeros(features.shape[1])
    network.embed, network.dropout = lambda x: features, p
    return network


@pytest.mark.parametrize("p", [0.2, 0.5, 0.8])
def test_dropout_drops_single_features_in_training_and_keeps_their_expectation(p):
    features = torch.rand(400, 128, generator=generator(1)) + 0.5
    torch.manual_seed(0)
    seen = dropping(features, p).train()(None)
    kept = seen != 0
    torch.testing.assert_close(seen, features * kept / (1 - p), rtol=1e-5, atol=1e-6)
    assert kept.float().mean().item() == pytest.approx(1 - p, abs=0.01)  # deviation at most 0.0022 of 51,200
    assert seen.mean().item() == pytest.approx(features.mean().item(), abs=0.05)
    assert len(kept.unique(dim=0)) == 400  # a mask for each sample, not one for the batch


@pytest.mark.parametrize("name", networks.names("images"))
def test_dropout_is_for_training_alone(name):
    network = networks.build(name, 7, generator=generator()).eval()
    x = torch.randn(3, 3, 8, 8, generator=generator(1))
    assert network.dropout == 0.0
    with torch.no_grad():
        plain, features = network(x), network.embed(x)
        network.dropout = 0.5
        assert torch.equal(network(x), plain)
        assert torch.equal(network.embed(x), features)
        torch.testing.assert_close(network.folded()(x), plain, rtol=1e-4, atol=1e-4)
        torch.manual_seed(0)
        trained = network.train()(x)
        assert not torch.equal(trained, network(x))


@pytest.mark.parametrize(("p", "training", "draws"), [(0.0, True, False), (0.5, False, False), (0.5, True, True)])
def test_the_global_generator_is_drawn_from_only_where_something_is_dropped(p, training, draws):
    network = networks.build("small", 7, generator=generator()).train(training)
    network.dropout = p
    torch.manual_seed(0)
    before = torch.get_rng_state()
    network(torch.randn(8, 3, 8, 8, generator=generator(1)))
    assert torch.equal(torch.get_rng_state(), before) is not draws


def test_dropout_is_no_weight_and_of_one_network_alone():
    one, other = (networks.build("small", 7, generator=generator(seed)) for seed in (0, 1))
    names = set(one.state_dict())
    one.dropout = 0.5
    assert set(one.state_dict()) == names
    assert other.dropout == Network.dropout == 0.0


# --- found by themselves ------------------------------------------------------------------------------------------------


def test_each_says_what_it_is_fed_what_it_is_and_what_it_costs():
    assert {"resnet18", "small"} <= set(networks.names("images"))
    assert "perceptron" in networks.names("vectors")
    assert networks.names() == sorted(networks.names("images") + networks.names("vectors") + networks.names("images to maps"))
    assert networks.cost("small") == (0.39, 0.11)
    for name in networks.names():
        about = networks.about(name)
        assert 10 < len(about.description) < 100
        assert about.cost[0] > about.cost[1] > 0


TINY = '''"""One convolution: the smallest there is."""

import torch

from alnb.learning.networks.base import Network

INPUT = "images"
COST = (0.1, 0.05)


class Tiny(Network):
    def __init__(self, classes, channels=3, width=4):
        super().__init__()
        self.convolution, self.head = torch.nn.Conv2d(channels, width, 3), torch.nn.Linear(width, classes)

    def embed(self, x):
        return self.convolution(x).mean((2, 3))
'''

PROGRAM = """
import sys
from alnb.learning import networks
assert networks.__file__.startswith(sys.argv[1]), networks.__file__
assert {"resnet18", "small", "tiny"} <= set(networks.names("images"))
assert networks.cost("tiny") == (0.1, 0.05)
assert networks.about("tiny").description == "One convolution: the smallest there is."
assert "torch" not in sys.modules
import torch
net = networks.build("tiny", 5, 1, width=6, generator=torch.Generator().manual_seed(0))
assert net(torch.zeros(2, 1, 9, 9)).shape == (2, 5)
"""


def copied(folder):
    """A copy of the package, and the environment of a process that imports it."""
    shutil.copytree(Path(networks.__file__).parents[2], folder / "alnb", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "alnb" / "learning" / "networks", os.environ | {"PYTHONPATH": str(folder)}


def test_a_file_is_a_network_and_names_and_costs_are_read_without_torch(tmp_path):
    where, environment = copied(tmp_path)
    (where / "tiny.py").write_text(TINY)
    subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], env=environment, cwd=tmp_path, check=True)


def test_a_file_that_does_not_say_what_it_costs_is_named(tmp_path):
    where, environment = copied(tmp_path)
    (where / "tiny.py").write_text(TINY.replace("COST", "PRICE"))
    program = "from alnb.learning import networks; networks.names()"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert "tiny.py: a network's file has a docstring, INPUT and COST" in done.stderr
