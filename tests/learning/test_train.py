"""The training loop against plain PyTorch, and the rules it promises."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tv

from alnb.errors import BadRequest
from alnb.learning.augment import draw
from alnb.learning.infer import Recorder, infer
from alnb.learning.recipe import Recipe
from tests.learning.toy import MEAN, SHORT, STD, TRANSFORM, Flat, data, generator, network, plainly, run


@pytest.mark.parametrize("nesterov", [False, True])
def test_training_is_sgd_on_torchvisions_augmentation_in_the_drawn_order(nesterov):
    images, targets = data(75)  # batches of 16, 16, 16, 16 and 11
    recipe = Recipe(epochs=3, batch=16, lr=0.1, weight_decay=0.01, nesterov=nesterov, milestones=(0.4,), gamma=0.5)
    ours, plain = network(), network()
    trained = run(ours, images, targets, recipe)

    optimizer = torch.optim.SGD(
        plain.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=nesterov, foreach=False
    )
    order, places, losses = generator(2), generator(3), []
    for epoch in range(3):
        optimizer.param_groups[0]["lr"] = 0.1 if epoch == 0 else 0.05
        rows = torch.randperm(75, generator=order)
        drawn = draw(75, 2, True, places)
        total = 0.0
        for start in range(0, 75, 16):
            at, here = rows[start : start + 16], drawn[:, start : start + 16].T.tolist()
            x = torch.stack(
                [
                    tv.crop(tv.pad(tv.horizontal_flip(i) if m else i, [2]), y, x, 16, 16)
                    for i, (m, y, x) in zip(images[at], here)
                ]
            )
            loss = F.cross_entropy(
                plain(tv.normalize(tv.to_dtype(x, torch.float32, scale=True), MEAN, STD)), targets[at]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(at)
        losses.append(total / 75)

    assert trained.losses == pytest.approx(losses, rel=1e-4)
    for (name, found), expected in zip(ours.state_dict().items(), plain.state_dict().values()):
        assert torch.allclose(found.float(), expected.float(), rtol=1e-3, atol=2e-4), name


def test_equal_generators_give_equal_bits_whatever_the_global_one():
    images, targets = data(60)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            net = network()
            recorder = Recorder(images, MEAN, STD, 5, device="cpu")
            losses = run(net, images, targets, after_epoch=recorder).losses
            found.append((losses, [*net.state_dict().values(), recorder.mean_confidence]))
    finally:
        torch.set_num_threads(threads)
    (losses, first), (again, second) = found
    assert losses == again
    assert all(torch.equal(a, b) for a, b in zip(first, second))


@pytest.mark.parametrize("other", [{"order": 9}, {"places": 9}])
def test_each_generator_matters(other):
    images, targets = data(60)
    assert run(network(), images, targets).losses != run(network(), images, targets, **other).losses


def test_watching_does_not_change_training():
    images, targets = data(60)
    watched, alone = network(), network()
    run(watched, images, targets, after_epoch=Recorder(images, MEAN, STD, 5, device="cpu"))
    run(alone, images, targets)
    assert all(torch.equal(a, b) for a, b in zip(watched.state_dict().values(), alone.state_dict().values()))


def test_the_hook_sees_eval_mode_without_gradients_after_each_epoch():
    images, targets = data(40)
    net, seen = network(), []

    def hook(epoch, watched):
        seen.append((epoch, watched is net, watched.training, torch.is_grad_enabled()))

    trained = run(net, images, targets, replace(SHORT, epochs=3), after_epoch=hook)
    assert seen == [(0, True, False, False), (1, True, False, False), (2, True, False, False)]
    assert net.training
    assert len(trained.losses) == 3


def test_an_eval_mode_network_is_trained_in_train_mode_and_train_mode_returns_after_the_hook():
    images, targets = data(40)
    net = network().eval()
    modes = []
    net.register_forward_hook(lambda module, args, output: modes.append(module.training))
    run(net, images, targets, after_epoch=lambda epoch, watched: None)
    assert modes
    assert all(modes)


def test_training_learns_what_can_be_learnt():
    images, targets = data(200, classes=2)
    images[targets == 1] //= 2
    net = network(classes=2)
    run(net, images, targets, Recipe(epochs=5, batch=32, lr=0.05))
    assert (infer(net, images, **TRANSFORM).argmax(1) == targets).float().mean() > 0.95


def test_a_network_that_does_not_learn_is_right_about_the_same_samples_in_every_epoch():
    images, targets = data(75)
    net = Flat()
    right = plainly(net, images).argmax(1) == targets
    correct = run(net, images, targets, Recipe(epochs=3, batch=16, lr=0.0), crop=0, flip=False).correct
    assert correct.dtype == torch.bool
    assert correct.shape == (3, 75)
    assert 5 < right.sum() < 70
    assert all(torch.equal(epoch, right) for epoch in correct)  # in the order given, however they were shuffled


def test_correct_is_what_the_network_said_before_the_step_that_it_was_shown_in():
    """One batch an epoch: what epoch t presents is judged by the weights that epoch t - 1 left."""
    images, targets = data(60)
    net, after = Flat(), []
    after.append(plainly(net, images).argmax(1) == targets)
    recipe = Recipe(epochs=4, batch=60, lr=0.01)
    look = lambda epoch, watched: after.append(plainly(watched, images).argmax(1) == targets)
    correct = run(net, images, targets, recipe, crop=0, flip=False, after_epoch=look).correct
    assert [epoch.tolist() for epoch in correct] == [epoch.tolist() for epoch in after[:-1]]
    assert len({tuple(epoch.tolist()) for epoch in after}) >= 3  # it did change its mind


@pytest.mark.parametrize("n", [75, 20, 5])
def test_correct_is_of_the_sample_as_it_was_augmented_in_each_batch(n):
    """Watched from outside: the logits of every batch, put back by the shuffle that `order` draws."""
    images, targets = data(n)
    net, logits = network(), []
    net.register_forward_hook(lambda module, args, output: logits.append(output.detach()))
    correct = run(net, images, targets, Recipe(epochs=3, batch=16, lr=0.05)).correct
    order, expected = generator(2), torch.zeros(3, n, dtype=torch.bool)
    seen = torch.cat(logits).argmax(1).view(3, n)
    for epoch in range(3):
        for place, sample in enumerate(torch.randperm(n, generator=order).tolist()):
            expected[epoch, sample] = seen[epoch, place] == targets[sample]
    assert torch.equal(correct, expected)
    assert 0 < expected.sum() < 3 * n


def test_dropout_in_training_follows_the_global_generator_and_no_dropout_leaves_it_alone():
    images, targets = data(60)

    def trained(p, seed):
        net = network()
        net.dropout = p
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        recorder = Recorder(images, MEAN, STD, 5, device="cpu")
        loss = run(net, images, targets, after_epoch=recorder).losses
        return loss, torch.equal(torch.get_rng_state(), before)

    (plain, untouched), (one, touched), (again, _), (other, _) = (
        trained(p, seed) for p, seed in ((0.0, 1), (0.5, 1), (0.5, 1), (0.5, 2))
    )
    assert (untouched, touched) == (True, False)
    assert one == again
    assert len({tuple(plain), tuple(one), tuple(other)}) == 3


def test_frozen_parameters_stay_as_they_are():
    images, targets = data(40)
    net = network()
    net.conv1.weight.requires_grad_(False)
    kept, head = net.conv1.weight.clone(), net.head.weight.clone()
    run(net, images, targets)
    assert torch.equal(net.conv1.weight, kept)
    assert not torch.equal(net.head.weight, head)


def test_a_loss_that_is_not_finite_is_refused_by_epoch_and_learning_rate():
    images, targets = data(40)
    with pytest.raises(BadRequest, match=r"loss became (nan|inf) at epoch \d+ of 9; lr 1e\+30 is too high\?"):
        run(network(), images, targets, Recipe(epochs=9, batch=16, lr=1e30))
