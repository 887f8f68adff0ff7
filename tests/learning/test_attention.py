"""Agents and critic against hand-worked numbers, the network against the plain one, and what a second look leaves."""

import math

import pytest
import torch

from alnb.errors import BadRequest
from alnb.learning import networks
from alnb.learning.attention import Attentive, ChannelAgent, Critic, SpatialAgent, batch_statistics


def attentive(attention="spatial", classes=5):
    network = Attentive(networks.build("reid_small", classes, generator=torch.Generator().manual_seed(0)), (64, 32))
    torch.manual_seed(1)
    if attention:
        network.attend(attention, 4)
    return network


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_the_spatial_agent_is_equation_6():
    """Two channels of one row of two positions; W_1 = (1, -1), W_2 = (2, 3)'."""
    agent = SpatialAgent(2, 1, 2, r=2)
    with torch.no_grad():
        agent.W1.weight.copy_(torch.tensor([[1.0, -1.0]]))
        agent.W2.weight.copy_(torch.tensor([[2.0], [3.0]]))
    X = torch.tensor([[[[3.0, 1.0]], [[1.0, 0.0]]], [[[0.0, 1.0]], [[0.0, 1.0]]]])  # means (2, 0.5) and (0, 1)
    A = agent(X)
    assert A.shape == (2, 1, 1, 2)
    assert A[0].flatten().tolist() == pytest.approx([sigmoid(3.0), sigmoid(4.5)])
    assert A[1].flatten().tolist() == [0.5, 0.5]  # max(0, -1) = 0


def test_the_channel_agent_is_equation_7():
    agent = ChannelAgent(2, 1, 2, r=2)
    with torch.no_grad():
        agent.W1.weight.copy_(torch.tensor([[1.0, -1.0]]))
        agent.W2.weight.copy_(torch.tensor([[2.0], [-2.0]]))
    A = agent(torch.tensor([[[[3.0, 1.0]], [[1.0, 0.0]]]]))  # pooled (2, 0.5)
    assert A.shape == (1, 2, 1, 1)
    assert A.flatten().tolist() == pytest.approx([sigmoid(3.0), sigmoid(-3.0)])


@pytest.mark.parametrize(
    ("agent", "count"), [(SpatialAgent(7, 12, 8, 16), 2 * 96 * 6), (ChannelAgent(64, 12, 8, 16), 2 * 64 * 4)]
)
def test_agents_are_two_bottleneck_layers_without_bias(agent, count):
    assert sum(p.numel() for p in agent.parameters()) == count


def test_a_critic_as_printed_cannot_tell_whether_attention_fits_the_image():
    """V(X, A) = u(X) + w(A): the mixed difference is 0, with a hidden layer it is not."""
    torch.manual_seed(0)
    X, Y, A, B = torch.randn(4, 6, 16, 8), torch.randn(4, 6, 16, 8), torch.rand(4, 1, 16, 8), torch.rand(4, 1, 16, 8)
    for joint in (False, True):
        critic = Critic(6, 16 * 8, joint=joint)
        mixed = critic(X, A) - critic(X, B) - critic(Y, A) + critic(Y, B)
        assert critic(X, A).shape == (4,)
        assert bool((mixed.abs() > 1e-4).any()) == joint


def test_without_agents_it_is_the_plain_network():
    network, plain = attentive(""), networks.build("reid_small", 5, generator=torch.Generator().manual_seed(0))
    x = torch.randn(4, 3, 64, 32)
    seen = network.eval()(x)
    assert torch.equal(seen.logits, plain.eval()(x))
    assert torch.equal(network.embed(x), plain.embed(x))
    assert torch.equal(network.pooled(x), plain.pooled(x))
    assert seen.A == [None] * 5


@pytest.mark.parametrize("attention", ["spatial", "channel"])
def test_attention_of_ones_is_no_attention(attention):
    network, plain = attentive(attention).eval(), attentive("").eval()
    x = torch.randn(4, 3, 64, 32)
    ones = network(x, lambda site, A: torch.ones_like(A))
    assert torch.allclose(ones.f, plain(x).f, atol=1e-6)
    assert not torch.allclose(network(x).f, plain(x).f, atol=1e-3)


def test_each_site_passes_on_the_product_of_map_and_attention():
    network = attentive("spatial").eval()
    seen = network(torch.randn(2, 3, 64, 32))
    assert [tuple(X.shape[1:]) for X in seen.X] == network.shapes == [
        (16, 32, 16), (24, 32, 16), (48, 16, 8), (96, 8, 4), (128, 8, 4)]  # fmt: skip
    for site in range(4):
        assert torch.allclose(network.stages[site + 1](seen.X[site] * seen.A[site]), seen.X[site + 1], atol=1e-6)
    assert torch.allclose((seen.X[4] * seen.A[4]).mean((2, 3)), seen.f)


def test_theta_and_psi_are_all_that_is_trained_once_each():
    network = attentive("channel")
    theta, psi = ({id(p) for p in some} for some in (network.theta, network.psi))
    assert not theta & psi
    assert theta | psi == {id(p) for p in network.parameters() if p.requires_grad}
    assert len(theta) == 2 * 5


def test_a_look_by_batch_statistics_leaves_no_trace():
    network = attentive("spatial").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.randn(8, 3, 64, 32)
    with torch.no_grad(), batch_statistics(network):
        inside = network(x).logits
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training
    assert torch.equal(inside, network(x).logits)  # as training sees the batch
    assert not torch.equal(network.neck.running_mean, before["neck.running_mean"])


def test_a_network_of_other_stages_is_refused():
    plain = networks.build("reid_small", 5, generator=torch.Generator())
    plain.stages = plain.stages[:3]
    with pytest.raises(BadRequest, match="of 5 stages; ReIDSmall has 3"):
        Attentive(plain, (64, 32))


def test_the_five_sites_of_resnet_50_are_those_of_the_paper():
    """At 384 x 192, stride 1 in the last block; the agents' weights at r = 16, by hand."""
    with torch.device("meta"):  # shapes alone
        network = Attentive(networks.build("reid_resnet50", 10, generator=torch.Generator("cpu")), (384, 192))
    assert network.shapes == [(64, 96, 48), (256, 96, 48), (512, 48, 24), (1024, 24, 12), (2048, 24, 12)]
    for attention, widths in (("spatial", (4608, 4608, 1152, 288, 288)), ("channel", (64, 256, 512, 1024, 2048))):
        with torch.device("meta"):
            network.attend(attention, 16)
        assert [sum(p.numel() for p in agent.parameters()) for agent in network.agents] == [
            2 * n * (n // 16) for n in widths
        ]
