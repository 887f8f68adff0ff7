"""Modules that predict a loss: LL4AL's pairs by hand and by a plain loop, what a module may move and what it may not."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from alnb.errors import BadRequest
from alnb.learning import loss_prediction as lp
from alnb.learning import networks, optimisers
from alnb.learning.infer import infer
from alnb.learning.recipe import Recipe
from alnb.learning.train import train
from tests.learning import toy

KINDS = {"last": 1, "all": 3}


def predicting(kinds=("last", "all"), seed=0):
    body = toy.network(seed=seed)
    torch.manual_seed(7)
    made = {kind: lp.Predictor(body.widths[-KINDS[kind] :], 8, 0.01 if kind == "last" else 0.0) for kind in kinds}
    return lp.Predicting(body, made)


def beside(network, criterion=None, **options):
    optimiser = optimisers.Adam(list(network.predictors.parameters()), 1e-3)
    squares = lambda predicted, losses: sum((one - losses).square().mean() for one in predicted.values())
    return lp.Beside(network, criterion or squares, optimiser, lambda epoch: 0.01, **options)


def trained(network, loss=None, epochs=2, **recipe):
    images, targets = toy.data(40)
    feed = toy.Images(images, targets, mean=toy.MEAN, std=toy.STD, crop=2, flip=True)
    made = Recipe(epochs=epochs, batch=16, lr=0.05, **recipe)
    given_ = {} if loss is None else {"loss": loss}
    train(network, feed, made, order=toy.generator(3), augment=toy.generator(4), **given_)
    return network


# --- the module ----------------------------------------------------------------------------------------------------------


def test_the_module_of_one_block_is_linear_leaky_relu_linear():
    torch.manual_seed(0)
    module = lp.Predictor((5,), hidden=3, alpha=0.01)
    x = torch.randn(4, 5)
    hidden = x @ module.blocks[0].weight.T + module.blocks[0].bias
    by_hand = torch.where(hidden > 0, hidden, 0.01 * hidden) @ module.last.weight.T + module.last.bias
    assert torch.allclose(module([torch.zeros(4, 9), x]), by_hand[:, 0])  # the last of the blocks


def test_the_module_of_all_blocks_joins_them():
    torch.manual_seed(0)
    module = lp.Predictor((5, 2), hidden=3, alpha=0.0)
    x, y = torch.randn(4, 5), torch.randn(4, 2)
    joined = torch.cat([F.relu(module.blocks[0](x)), F.relu(module.blocks[1](y))], 1)
    assert torch.allclose(module([x, y]), module.last(joined)[:, 0])


@pytest.mark.parametrize("name", ["small", "resnet18"])
def test_a_network_with_modules_says_what_the_network_says(name):
    body = networks.build(name, 5, generator=toy.generator()).eval()
    module = lp.Predictor(body.widths, 4)
    network = lp.Predicting(body, {"a": module}).eval()
    images, _ = toy.data(6, size=16)
    plain, features = infer(body, images, embeddings=True, **toy.TRANSFORM)
    logits, same = infer(network, images, embeddings=True, **toy.TRANSFORM)
    assert torch.equal(plain, logits)
    assert torch.equal(features, same)
    x = torch.randn(6, 3, 16, 16)
    assert torch.equal(body(x), network(x))
    found = lp.predict(network, images, batch=4, **toy.TRANSFORM)["a"]
    from alnb.learning.augment import normalise

    with torch.no_grad():
        pooled = [maps.mean((2, 3)) for maps in body.blocks(normalise(images, toy.MEAN, toy.STD))]
        assert torch.allclose(found, module(pooled), atol=1e-5)


# --- LL4AL's pairs ---------------------------------------------------------------------------------------------------------


def plain_pairs(predicted, losses, margin):
    total, n = 0.0, len(predicted)
    for i in range(n // 2):
        j = n - 1 - i
        sign = 1 if losses[i] > losses[j] else -1
        total += max(0.0, -sign * (predicted[i] - predicted[j]) + margin)
    return total / (n // 2)


def test_pairs_by_hand():
    # (0, 3): losses 2 > 1, predictions 3 - 1 = 2: max(0, 1 - 2) = 0 · (1, 2): 0 < 5, 1 - 1.5: max(0, 1 - 0.5) = 0.5
    found = lp.pair_loss(torch.tensor([3.0, 1.0, 1.5, 1.0]), torch.tensor([2.0, 0.0, 5.0, 1.0]), 1.0)
    assert found.item() == pytest.approx(0.25)
    # equal losses count as -1: i should be the lower
    assert lp.pair_loss(torch.tensor([1.0, 0.0]), torch.tensor([2.0, 2.0]), 1.0).item() == pytest.approx(2)
    # the middle of five has no pair
    odd = torch.tensor([1.0, 2, 3, 4, 5])
    more = odd.clone()
    more[2] = 100
    assert lp.pair_loss(odd, odd, 1.0) == lp.pair_loss(more, odd, 1.0)


@given(st.integers(0, 10**6), st.integers(2, 20), st.floats(0, 3))
def test_pairs_are_those_of_a_loop(seed, n, margin):
    g = toy.generator(seed)
    predicted, losses = torch.randn(n, generator=g), torch.randint(4, (n,), generator=g).float()
    assert lp.pair_loss(predicted, losses, margin).item() == pytest.approx(
        plain_pairs(predicted.tolist(), losses.tolist(), margin), abs=1e-5
    )


# --- beside the network ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", [{}, {"optimiser": "adam", "weight_decay": 1e-3}, {"nesterov": True}])
def test_modules_move_and_the_network_is_bit_for_bit_what_it_is_without_them(recipe):
    plain, network = trained(toy.network(), **recipe), predicting()
    before = copy.deepcopy(network.predictors.state_dict())
    trained(network, beside(network), **recipe)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, network.body.state_dict()[name]), name
    assert all(not torch.equal(before[name], value) for name, value in network.predictors.state_dict().items())


def test_a_module_is_what_it_is_alone_whoever_is_trained_beside():
    both, alone = predicting(), predicting(("last",))
    alone.predictors["last"].load_state_dict(both.predictors["last"].state_dict())
    trained(both, beside(both))
    trained(alone, beside(alone))
    for name, value in alone.predictors["last"].state_dict().items():
        assert torch.allclose(value, both.predictors["last"].state_dict()[name], atol=1e-6)


def test_the_first_step_is_adams_on_the_losses_of_the_batch():
    network = predicting(("last",)).train()
    x, y = torch.randn(8, 3, 16, 16), torch.arange(8) % 5
    module = copy.deepcopy(network.predictors["last"])
    outputs = network(x)
    with torch.no_grad():
        losses, pooled = F.cross_entropy(outputs, y, reduction="none"), [s.detach() for s in network.seen]
    loss = beside(network)
    assert torch.equal(loss(outputs, y, 0, torch.arange(8)).detach(), losses)
    adam = torch.optim.Adam(module.parameters(), 0.01)
    (module(pooled) - losses).square().mean().backward()
    adam.step()
    for ours, theirs in zip(network.predictors["last"].parameters(), module.parameters()):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_weight_is_a_rate_to_sgd_also_where_nothing_is_joint():
    x, y = torch.randn(8, 3, 16, 16), torch.arange(8) % 5

    def module(rate, weight):
        network = predicting(("last",)).train()
        optimiser = optimisers.SGD(list(network.predictors.parameters()), rate)
        squares = lambda predicted, losses: (predicted["last"] - losses).square().mean()
        lp.Beside(network, squares, optimiser, lambda epoch: rate, weight=weight)(network(x), y, 0, torch.arange(8))
        return list(network.predictors.parameters())

    for a_tenth, slower, whole in zip(module(0.1, 0.1), module(0.01, 1.0), module(0.1, 1.0)):
        assert torch.allclose(a_tenth, slower, atol=1e-7)
        assert not torch.allclose(a_tenth, whole, atol=1e-4)


def test_a_joint_loss_ends_with_its_epochs_and_has_the_whole_gradient_before():
    x, y = torch.randn(8, 3, 16, 16), torch.arange(8) % 5

    def gradients(epoch, joint, weight=0.5):
        network = predicting(("all",)).train()
        loss = beside(
            network, lambda predicted, losses: lp.pair_loss(predicted["all"], losses), joint=joint, weight=weight
        )
        loss(network(x), y, epoch, torch.arange(8)).mean().backward()
        return [p.grad for p in network.body.parameters()], [p.grad for p in network.predictors.parameters()]

    def plain(weight):
        network = predicting(("all",)).train()
        outputs = network(x)
        each = F.cross_entropy(outputs, y, reduction="none")
        whole = each.mean() + weight * lp.pair_loss(network.predictors["all"](network.seen), each.detach())
        whole.backward()
        return [p.grad for p in network.body.parameters()]

    alone, with_pairs = plain(0.0), plain(0.5)
    for epoch, joint, expected in ((0, 0, alone), (2, 3, with_pairs), (3, 3, alone)):
        body, modules = gradients(epoch, joint)
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(body, expected))
        assert all(g is None for g in modules)  # they are their own optimiser's
    assert not all(torch.allclose(a, b) for a, b in zip(alone, with_pairs))


def test_a_joint_training_moves_the_network_and_one_that_never_begins_does_not():
    plain, none, joint = trained(toy.network()), predicting(("all",)), predicting(("all",))
    trained(none, beside(none, joint=0))
    trained(joint, beside(joint, joint=1))
    same = lambda network: all(torch.equal(v, network.body.state_dict()[n]) for n, v in plain.state_dict().items())
    assert same(none)
    assert not same(joint)


def test_a_training_with_modules_does_not_go_on_in_the_middle():
    """The modules' Adam, and what a placebo draws, are in no state: as good as a fresh start is refused, not passed off as one."""
    images, targets = toy.data(40)
    feed = toy.Images(images, targets, mean=toy.MEAN, std=toy.STD, crop=2, flip=True)
    network, made = predicting(("last",)), Recipe(epochs=2, batch=16, lr=0.05)
    streams = lambda: {"order": toy.generator(3), "augment": toy.generator(4)}
    half = train(network, feed, made, loss=beside(network), end=1, **streams())
    with pytest.raises(BadRequest, match="cannot go on from epoch 1: expected 0"):
        train(network, feed, made, loss=beside(network), begin=1, state=half.state, **streams())
