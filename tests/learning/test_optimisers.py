"""SGD and Adam against torch.optim's own, bit for bit, and their state."""

import copy
import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from alnb.errors import BadRequest
from alnb.learning.optimisers import SGD, Adam, build
from alnb.learning.recipe import Recipe
from tests.learning.toy import data, generator, network, same

KINDS = {
    "sgd": (SGD, torch.optim.SGD, {}),
    "momentum, decay": (SGD, torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.01}),
    "nesterov": (SGD, torch.optim.SGD, {"momentum": 0.8, "weight_decay": 0.01, "nesterov": True}),
    "adam": (Adam, torch.optim.Adam, {}),
    "adam, decay": (Adam, torch.optim.Adam, {"weight_decay": 0.01, "betas": (0.8, 0.95)}),
}


@pytest.fixture(scope="module")
def batch():
    images, targets = data(24)
    return images.contiguous(memory_format=torch.channels_last).float() / 127.5 - 1, targets


def net():
    return network().to(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lr", [0.01, torch.tensor(0.01)], ids=["float", "tensor"])
def test_each_is_torchs_own_fused_one_to_the_bit(kind, lr, batch):
    """On a network with convolutions in channels_last, one of whose parts is frozen; the rate halves on the way."""
    mine, theirs, settings = KINDS[kind]
    one, other = net(), net()
    for each in (one, other):
        each.norm2.weight.requires_grad_(False)
    own, held = copy.copy(lr), copy.copy(lr)
    ours = mine(one.parameters(), own, **settings)
    reference = theirs([p for p in other.parameters() if p.requires_grad], lr=held, fused=True, **settings)
    for i in range(6):
        if i == 3:
            ours.lr = own / 2
            reference.param_groups[0]["lr"] = held / 2
        ours.zero_grad()
        F.cross_entropy(one(batch[0]), batch[1]).backward()
        ours.step()
        reference.zero_grad()
        F.cross_entropy(other(batch[0]), batch[1]).backward()
        reference.step()
    assert same(one.state_dict(), other.state_dict())
    assert not torch.equal(one.head.weight, net().head.weight)


@pytest.mark.parametrize("kind", KINDS)
def test_and_plain_torchs_up_to_rounding(kind):
    mine, theirs, settings = KINDS[kind]
    ours, others = ([torch.randn(4, 3, generator=generator(i), requires_grad=True) for i in (1, 2)] for _ in range(2))
    optimiser, reference = mine(ours, 0.01, **settings), theirs(others, lr=0.01, foreach=False, **settings)
    loss = lambda a, b, i: (torch.randn(5, 4, generator=generator(i)) @ (a + b.tanh())).square().mean()
    for i in range(10):
        optimiser.zero_grad()
        loss(*ours, i).backward()
        optimiser.step()
        reference.zero_grad()
        loss(*others, i).backward()
        reference.step()
    for a, b in zip(ours, others):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_minimise_moves_its_own_parameters_alone_as_backward_and_step_do(kind, batch):
    mine, _, settings = KINDS[kind]
    one, other, rival = net(), net(), torch.nn.Linear(5, 5)
    kept = copy.deepcopy(rival.state_dict())
    ours, plain = mine(one.parameters(), 0.01, **settings), mine(other.parameters(), 0.01, **settings)
    for _ in range(4):
        ours.minimise(F.cross_entropy(rival(one(batch[0])), batch[1]))
        plain.zero_grad()
        F.cross_entropy(rival(other(batch[0])), batch[1]).backward()
        plain.step()
    assert same(one.state_dict(), other.state_dict())
    assert same(rival.state_dict(), kept)
    assert all(p.grad is None for p in one.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_loss_does_not_reach_stays_and_moves_where_it_is_reached(kind):
    """As in PyTorch's plain classes: the fused SGD fails where a parameter with momentum meets one without."""
    mine, theirs, settings = KINDS[kind]
    ours, others = ([torch.full((3,), 2.0, requires_grad=True) for _ in range(2)] for _ in range(2))
    optimiser, reference = mine(ours, 0.1, **settings), theirs(others, lr=0.1, foreach=False, **settings)
    for reached in ([0], [0, 1], [1], [0, 1]):
        before = [p.tolist() for p in ours]
        for pair, each in ((ours, optimiser), (others, reference)):
            each.zero_grad()
            sum(pair[i].square().sum() for i in reached).backward()
            each.step()
        for i, (a, b) in enumerate(zip(ours, others)):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=0)
            assert (a.tolist() == before[i]) is (i not in reached)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_is_a_nested_dict_of_tensors_from_which_another_goes_on(kind, batch):
    mine, _, settings = KINDS[kind]
    one = net()
    first = mine(one.parameters(), 0.01, **settings)

    def go(network, optimiser, steps):
        for _ in range(steps):
            optimiser.minimise(F.cross_entropy(network(batch[0]), batch[1]))

    go(one, first, 3)
    other = net()
    other.load_state_dict(one.state_dict())
    state = first.state()
    assert all(isinstance(value, torch.Tensor) for values in state.values() for value in values.values())
    assert all(type(name) is str for values in state.values() for name in values)
    second = mine(other.parameters(), 0.01, **settings)
    second.load(state)
    before = copy.deepcopy(state)
    go(other, second, 3)
    assert same(state, before)
    go(one, first, 3)
    assert same(one.state_dict(), other.state_dict())


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_in_another_memory_format_is_taken_by_position(kind):
    mine, _, settings = KINDS[kind]
    weight, factor = torch.randn(4, 3, 2, 2, generator=generator(1)), torch.randn(4, 3, 2, 2, generator=generator(2))
    one, other = (weight.clone(memory_format=f) for f in (torch.channels_last, torch.contiguous_format))
    for each in (one, other):
        mine([each.requires_grad_()], 0.1, **settings).minimise((each * factor).sum())
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert not torch.equal(one, weight)


def test_a_state_of_something_else_is_refused():
    parameters = [torch.zeros(3, requires_grad=True), torch.zeros(2, requires_grad=True)]
    sgd, adam = SGD(parameters, 0.1, momentum=0.9), Adam(parameters, 0.1)
    with pytest.raises(BadRequest, match="holds \\['means', 'squares', 'steps'\\], SGD keeps \\['momenta'\\]"):
        sgd.load(adam.state())
    for others in (parameters[:1], [*parameters, parameters[0]], parameters[::-1]):
        with pytest.raises(BadRequest, match="momenta are of other parameters"):
            sgd.load(SGD(others, 0.1, momentum=0.9).state())


def test_a_recipe_names_its_optimiser_with_its_settings():
    parameters = [torch.zeros(1, requires_grad=True)]
    sgd = build(Recipe(momentum=0.7, weight_decay=0.3, nesterov=True), parameters, 0.1)
    assert type(sgd) is SGD
    assert sgd.settings == {"momentum": 0.7, "weight_decay": 0.3, "nesterov": True}
    adam = build(Recipe(optimiser="adam", weight_decay=0.3), parameters, 0.1)
    assert type(adam) is Adam
    assert adam.settings == {"beta1": 0.9, "beta2": 0.999, "weight_decay": 0.3}


def test_they_do_not_import_the_compiler():
    program = (
        "import sys, torch; from alnb.learning.optimisers import SGD, Adam; p = torch.zeros(2, requires_grad=True)\n"
        "for kind in (SGD, Adam): kind([p], .1).minimise(p.sum())\n"
        "print('torch._dynamo' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"
