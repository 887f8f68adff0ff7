"""The perceptron: trained on points as they stand, and its weights as text."""

import pytest
import torch

from alnb.errors import BadRequest
from alnb.learning import networks
from alnb.learning.feed import Tensors
from alnb.learning.networks.perceptron import from_text, to_text
from alnb.learning.recipe import Recipe
from alnb.learning.train import train
from tests.learning.toy import generator


def build(channels, hidden, classes):
    return networks.build("perceptron", classes, channels, hidden=hidden, generator=generator(2))


@pytest.mark.parametrize("hidden", [0, 5])
def test_training_on_all_points_at_once_is_torchs_own_sgd(hidden):
    """Against torch.optim.SGD and autograd, step by step, with the step schedule."""
    x, y = torch.randn(20, 2, generator=generator(1)), torch.arange(20) % 3
    recipe = Recipe(40, 20, 0.2, 0.9, 1e-3)
    network, other = (build(2, hidden, 3) for _ in range(2))
    losses = train(network, Tensors(x, y), recipe, order=None, augment=None).losses
    sgd, wanted = torch.optim.SGD(other.parameters(), lr=0.2, momentum=0.9, weight_decay=1e-3), []
    for epoch in range(40):
        sgd.param_groups[0]["lr"] = recipe.lr_at(epoch)
        sgd.zero_grad()
        hidden_units = torch.tanh(x @ other.layer.weight.T + other.layer.bias) if hidden else x
        logits = hidden_units @ other.head.weight.T + other.head.bias
        loss = torch.nn.functional.cross_entropy(logits, y)
        loss.backward()
        sgd.step()
        wanted.append(loss.item())
    assert losses == pytest.approx(wanted, abs=1e-5)
    for ours, theirs in zip(network.parameters(), other.parameters()):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_weights_survive_as_text_bit_for_bit_and_other_shapes_are_refused():
    network = build(2, 7, 3)
    again = from_text(to_text(network), 2, 7, 3)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters()))
    with pytest.raises(BadRequest, match="do not fill"):
        from_text(to_text(network), 2, 8, 3)


def test_a_rate_that_diverges_and_no_samples_are_refused():
    network = build(2, 0, 2)
    with pytest.raises(BadRequest, match="at least one"):
        Tensors(torch.zeros(0, 2), torch.zeros(0).long())
    feed = Tensors(1e30 * torch.ones(2, 2), torch.tensor([0, 1]))
    with pytest.raises(BadRequest, match="too high"):
        train(network, feed, Recipe(50, 2, 1e9), order=None, augment=None)
