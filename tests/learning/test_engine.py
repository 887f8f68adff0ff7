"""The engine against plain PyTorch, and the rules it promises."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tv

from alnb.errors import BadRequest
from alnb.learning import augment, engine, networks
from alnb.learning.engine import Recipe, Recorder, batches, infer, train

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
TRANSFORM = {"mean": MEAN, "std": STD, "device": "cpu"}
SHORT = Recipe(epochs=2, batch=16, lr=0.05)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def data(n, size=16, classes=5, seed=1):
    g = generator(seed)
    images = torch.randint(256, (n, 3, size, size), dtype=torch.uint8, generator=g)
    return images, torch.randint(classes, (n,), generator=g)


def network(classes=5, seed=0):
    return networks.build("small", classes, generator=generator(seed))


def run(net, images, targets, recipe=SHORT, order=2, places=3, **more):
    settings = {"crop": 2, "flip": True, **TRANSFORM, **more}
    return train(net, images, targets, recipe, order=generator(order), augment=generator(places), **settings)


class Wrapped(nn.Module):
    """A network that has nothing but what the engine asks for: forward, embed and head."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.head = inner, inner.head

    def embed(self, x):
        return self.inner.embed(x)

    def forward(self, x):
        return self.inner(x)


def plainly(net, images, recipe=None):
    """Logits one image at a time with torchvision's normalisation: no folding, no batches, contiguous."""
    net = copy.deepcopy(net).to(memory_format=torch.contiguous_format).eval()
    with torch.no_grad():
        x = tv.normalize(tv.to_dtype(images, torch.float32, scale=True), MEAN, STD)
        return torch.cat([net(one[None]) for one in x])


@pytest.mark.parametrize("nesterov", [False, True])
def test_training_is_sgd_on_torchvisions_augmentation_in_the_drawn_order(nesterov):
    images, targets = data(75)  # batches of 16, 16, 16, 16 and 11
    recipe = Recipe(epochs=3, batch=16, lr=0.1, weight_decay=0.01, nesterov=nesterov, milestones=(0.4,), gamma=0.5)
    ours, plain = network(), network()
    history = run(ours, images, targets, recipe)

    optimizer = torch.optim.SGD(
        plain.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=nesterov, foreach=False
    )
    order, places, losses = generator(2), generator(3), []
    for epoch in range(3):
        optimizer.param_groups[0]["lr"] = 0.1 if epoch == 0 else 0.05
        rows = torch.randperm(75, generator=order)
        drawn = augment.draw(75, 2, True, places)
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

    assert history["loss"] == pytest.approx(losses, rel=1e-4)
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
            losses = run(net, images, targets, after_epoch=recorder)["loss"]
            found.append((losses, [*net.state_dict().values(), recorder.mean_confidence]))
    finally:
        torch.set_num_threads(threads)
    (losses, first), (again, second) = found
    assert losses == again
    assert all(torch.equal(a, b) for a, b in zip(first, second))


@pytest.mark.parametrize("other", [{"order": 9}, {"places": 9}])
def test_each_generator_matters(other):
    images, targets = data(60)
    assert run(network(), images, targets)["loss"] != run(network(), images, targets, **other)["loss"]


def test_watching_does_not_change_training():
    images, targets = data(60)
    watched, alone = network(), network()
    run(watched, images, targets, after_epoch=Recorder(images, MEAN, STD, 5, device="cpu"))
    run(alone, images, targets)
    assert all(torch.equal(a, b) for a, b in zip(watched.state_dict().values(), alone.state_dict().values()))


@pytest.mark.parametrize(("epochs", "milestones"), [(100, (0.6, 0.8)), (15, (0.6, 0.8)), (200, (0.8,)), (7, ())])
def test_learning_rate_drops_at_milestones_as_multisteplr(epochs, milestones):
    recipe = Recipe(epochs=epochs, milestones=milestones)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=recipe.lr)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [round(m * epochs) for m in milestones], recipe.gamma)
    for epoch in range(epochs):
        assert recipe.lr_at(epoch) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize(
    ("n", "size", "lengths"),
    [
        (64, 16, [16, 16, 16, 16]),
        (72, 16, [16, 16, 16, 16, 8]),
        (71, 16, [16, 16, 16, 23]),
        (65, 64, [65]),
        (3, 64, [3]),
        (7, 4, [7]),
        (20, 4, [4, 4, 4, 8]),
        (0, 4, []),
    ],
)
def test_a_last_batch_under_eight_joins_the_one_before(n, size, lengths):
    found = batches(n, size)
    assert [part.stop - part.start for part in found] == lengths
    assert [i for part in found for i in range(part.start, part.stop)] == list(range(n))


def test_the_hook_sees_eval_mode_without_gradients_after_each_epoch():
    images, targets = data(40)
    net, seen = network(), []

    def hook(epoch, watched):
        seen.append((epoch, watched is net, watched.training, torch.is_grad_enabled()))

    history = run(net, images, targets, replace(SHORT, epochs=3), after_epoch=hook)
    assert seen == [(0, True, False, False), (1, True, False, False), (2, True, False, False)]
    assert net.training
    assert len(history["loss"]) == 3


def test_an_eval_mode_network_is_trained_in_train_mode_and_train_mode_returns_after_the_hook():
    images, targets = data(40)
    net = network().eval()
    modes = []
    net.register_forward_hook(lambda module, args, output: modes.append(module.training))
    run(net, images, targets, after_epoch=lambda epoch, watched: None)
    assert modes
    assert all(modes)


@pytest.mark.parametrize("training", [True, False])
def test_inference_uses_eval_mode_and_leaves_mode_and_weights_alone(training):
    images, targets = data(40)
    net = network()
    run(net, images, targets)
    net.train(training)
    kept = {k: v.clone() for k, v in net.state_dict().items()}
    found = infer(net, images, **TRANSFORM)
    assert net.training is training
    assert all(torch.equal(kept[k], v) for k, v in net.state_dict().items())
    assert torch.allclose(found, plainly(net, images), atol=1e-4)


@pytest.mark.parametrize("wrap", [lambda net: net, Wrapped])
def test_inference_depends_neither_on_the_batch_size_nor_on_company(wrap):
    images, targets = data(61)
    net = network()
    run(net, images, targets)
    net = wrap(net)
    expected = plainly(net, images)
    for batch in (None, 1, 7, 61, 1000):
        assert torch.allclose(infer(net, images, batch=batch, **TRANSFORM), expected, atol=1e-4)
    assert torch.allclose(infer(net, images[40:45], **TRANSFORM), expected[40:45], atol=1e-4)


def test_inference_gives_features_beside_logits_and_serves_an_empty_pool():
    images, _ = data(30)
    net = network()
    logits, features = infer(net, images, embeddings=True, batch=8, **TRANSFORM)
    assert features.shape == (30, 128)
    assert logits.dtype == features.dtype == torch.float32
    assert torch.allclose(net.head(features), logits, atol=1e-5)
    assert torch.allclose(infer(net, images, **TRANSFORM), logits, atol=1e-5)
    assert infer(net, images[:0], **TRANSFORM).shape == (0, 5)


def test_what_inference_returns_may_be_trained_on():
    images, targets = data(30)
    _, features = infer(network(), images, embeddings=True, **TRANSFORM)
    probe = nn.Linear(128, 5)
    F.cross_entropy(probe(features), targets).backward()
    assert probe.weight.grad.abs().sum() > 0


def test_bf16_is_close_to_fp32_and_returns_fp32():
    images, targets = data(40)
    net = network()
    full, half = (infer(net, images, precision=p, **TRANSFORM) for p in ("fp32", "bf16"))
    assert half.dtype == torch.float32
    assert not torch.equal(full, half)
    assert torch.allclose(full, half, atol=0.05)
    trained = run(net, images, targets, replace(SHORT, precision="bf16"))["loss"]
    assert trained == pytest.approx(run(network(), images, targets)["loss"], rel=0.05)
    assert all(p.dtype == torch.float32 for p in net.parameters())


def test_recorder_keeps_what_brute_force_finds_after_every_epoch():
    images, targets = data(50)
    pool, _ = data(33, seed=8)
    recorder, expected = Recorder(pool, MEAN, STD, 5, device="cpu"), []

    def both(epoch, net):
        expected.append(plainly(net, pool).softmax(1))
        recorder(epoch, net)

    run(network(), images, targets, replace(SHORT, epochs=3), after_epoch=both)
    probabilities = torch.stack(expected)  # (T, N, C)
    assert recorder.predictions.dtype == torch.uint8
    assert torch.equal(recorder.predictions.long(), probabilities.argmax(2))
    assert torch.allclose(recorder.mean_confidence, probabilities.amax(2).mean(0), atol=1e-5)


def test_recorder_counts_past_256_classes():
    net = network(classes=300)
    with torch.no_grad():
        net.head.bias[299] = 100.0
    recorder = Recorder(data(4)[0], MEAN, STD, 300, device="cpu")
    recorder(0, net)
    assert recorder.predictions.dtype == torch.int16
    assert recorder.predictions.tolist() == [[299] * 4]


def test_training_learns_what_can_be_learnt():
    images, targets = data(200, classes=2)
    images[targets == 1] //= 2
    net = network(classes=2)
    run(net, images, targets, Recipe(epochs=5, batch=32, lr=0.05))
    assert (infer(net, images, **TRANSFORM).argmax(1) == targets).float().mean() > 0.95


class Flat(nn.Module):
    """Pixels into a linear head: no batch statistics, so that what it says of a sample is the sample's alone."""

    def __init__(self, classes=5, size=16):
        super().__init__()
        self.head = nn.Linear(3 * size * size, classes)
        nn.init.normal_(self.head.weight, std=0.01, generator=generator(4))
        nn.init.zeros_(self.head.bias)

    def embed(self, x):
        return x.flatten(1)

    def forward(self, x):
        return self.head(self.embed(x))


def test_a_network_that_does_not_learn_is_right_about_the_same_samples_in_every_epoch():
    images, targets = data(75)
    net = Flat()
    right = plainly(net, images).argmax(1) == targets
    correct = run(net, images, targets, Recipe(epochs=3, batch=16, lr=0.0), crop=0, flip=False)["correct"]
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
    correct = run(net, images, targets, recipe, crop=0, flip=False, after_epoch=look)["correct"]
    assert [epoch.tolist() for epoch in correct] == [epoch.tolist() for epoch in after[:-1]]
    assert len({tuple(epoch.tolist()) for epoch in after}) >= 3  # it did change its mind


@pytest.mark.parametrize("n", [75, 20, 5])
def test_correct_is_of_the_sample_as_it_was_augmented_in_each_batch(n):
    """Watched from outside: the logits of every batch, put back by the shuffle that `order` draws."""
    images, targets = data(n)
    net, logits = network(), []
    net.register_forward_hook(lambda module, args, output: logits.append(output.detach()))
    correct = run(net, images, targets, Recipe(epochs=3, batch=16, lr=0.05))["correct"]
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
        loss = run(net, images, targets, after_epoch=recorder)["loss"]
        return loss, torch.equal(torch.get_rng_state(), before)

    (plain, untouched), (one, touched), (again, _), (other, _) = (
        trained(p, seed) for p, seed in ((0.0, 1), (0.5, 1), (0.5, 1), (0.5, 2))
    )
    assert (untouched, touched) == (True, False)
    assert one == again
    assert len({tuple(plain), tuple(one), tuple(other)}) == 3


def test_watching_and_inference_are_without_dropout():
    images, targets = data(60)
    net, seen = network(), []
    net.dropout = 0.5
    recorder = Recorder(images, MEAN, STD, 5, device="cpu")

    def both(epoch, watched):
        before = torch.get_rng_state()
        recorder(epoch, watched)
        assert torch.equal(torch.get_rng_state(), before)
        seen.append(plainly(watched, images).argmax(1))

    run(net, images, targets, after_epoch=both)
    assert torch.equal(recorder.predictions.long(), torch.stack(seen))
    assert torch.allclose(infer(net, images, **TRANSFORM), plainly(net, images), atol=1e-4)


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


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"epochs": 0}, "at least 1, given 0"), ({"batch": 0}, "at least 1"), ({"precision": "fp8"}, "fp32 or bf16")],
)
def test_impossible_recipes_are_refused(settings, says):
    with pytest.raises(BadRequest, match=says):
        Recipe(**settings)


@pytest.mark.parametrize(
    ("images", "targets", "says"),
    [
        (data(0)[0], data(0)[1], "at least one: given 0 and 0"),
        (data(9)[0], data(8)[1], "given 9 and 8"),
        (data(9)[0].float(), data(9)[1], "uint8, given torch.float32"),
    ],
)
def test_impossible_training_sets_are_refused(images, targets, says):
    with pytest.raises(BadRequest, match=says):
        run(network(), images, targets)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gpu_trains_by_graphs_as_the_cpu_does(precision, monkeypatch):
    images, targets = data(75)
    recipe = Recipe(epochs=8, batch=16, lr=0.02, precision=precision)
    steps, init = [], engine._Step.__init__
    monkeypatch.setattr(engine._Step, "__init__", lambda self, *a: (steps.append(self), init(self, *a))[1])
    expected = run(network(), images, targets, recipe)["loss"]
    found = run(network(), images, targets, recipe, device="cuda")["loss"]
    assert sorted(steps[1].graphs) == [11, 16]
    assert found == pytest.approx(expected, rel=0.02 if precision == "fp32" else 0.1)
