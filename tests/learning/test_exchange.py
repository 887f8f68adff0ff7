"""The loop with other parts than the plain ones: losses, outputs, order, precision, graphs."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tv

from alnb.errors import BadRequest
from alnb.learning import step
from alnb.learning.feed import Images
from alnb.learning.infer import infer
from alnb.learning.recipe import Recipe
from alnb.learning.train import train
from tests.learning.toy import MEAN, SHORT, STD, TRANSFORM, Flat, data, generator, network, run


def test_a_loss_knows_the_epoch_and_the_samples_and_its_mean_is_what_is_minimised():
    """Weighted by sample in the first epoch, not at all in the second: against autograd by hand."""
    images, targets = data(40)
    weights, seen = torch.rand(40, generator=generator(5)), []

    def loss(outputs, y, epoch, rows):
        seen.append((epoch, rows.clone(), torch.equal(y, targets[rows])))
        return F.cross_entropy(outputs, y, reduction="none") * (weights[rows] if epoch == 0 else 0)

    net, plain = Flat(), Flat()
    trained = run(net, images, targets, Recipe(2, 40, 0.1, 0.0, 0.0), loss=loss, crop=0, flip=False)
    x = tv.normalize(tv.to_dtype(images, torch.float32, scale=True), MEAN, STD)
    expected = (F.cross_entropy(plain(x), targets, reduction="none") * weights).mean()
    gradient, _ = torch.autograd.grad(expected, list(plain.parameters()))
    torch.testing.assert_close(net.head.weight, plain.head.weight - 0.1 * gradient, rtol=1e-4, atol=1e-6)
    assert trained.losses == [pytest.approx(expected.item(), rel=1e-5), 0]
    assert [epoch for epoch, _, _ in seen] == [0, 1]
    assert all(matches for _, _, matches in seen)
    assert all(sorted(rows.tolist()) == list(range(40)) for _, rows, _ in seen)
    assert trained.correct.shape == (2, 40)


class Count(nn.Module):
    """One number an image, in a dict: no logits of classes."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3 * 16 * 16, 1)

    def forward(self, x):
        return {"count": self.linear(x.flatten(1)).squeeze(1)}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_other_outputs_and_float_targets_are_trained_on_and_none_is_called_correct(precision):
    images, _ = data(64)
    y, seen = images.float().mean((1, 2, 3)) / 25, []

    def squared(outputs, y, epoch, rows):
        seen.append(outputs["count"].dtype)
        return (outputs["count"] - y).square()

    recipe = Recipe(20, 16, 1e-3, precision=precision, optimiser="adam")
    trained = run(Count(), images, y, recipe, loss=squared, crop=0, flip=False)
    assert trained.correct is None
    assert trained.losses[-1] < trained.losses[0] / 4
    assert set(seen) == {torch.float32}


@pytest.mark.parametrize("wrong", [lambda each: each.mean(), lambda each: each[:-1], lambda each: each[:, None]])
def test_a_loss_that_does_not_give_one_value_a_sample_is_refused(wrong):
    images, targets = data(20)
    loss = lambda outputs, y, epoch, rows: wrong(F.cross_entropy(outputs, y, reduction="none"))
    with pytest.raises(BadRequest, match=r"one value a sample, \(20,\); given \("):
        run(network(), images, targets, Recipe(1, 20), loss=loss)


def test_without_generators_samples_come_in_order_and_as_they_are():
    images, targets = data(40)
    one, other = Flat(), Flat()
    feed = Images(images, targets, mean=MEAN, std=STD, crop=2, flip=True)
    before = torch.get_rng_state()
    losses = train(one, feed, Recipe(3, 16, 0.01, milestones=()), order=None, augment=None).losses
    assert torch.equal(before, torch.get_rng_state())
    optimiser, expected = torch.optim.SGD(other.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4), []
    x = tv.normalize(tv.to_dtype(images, torch.float32, scale=True), MEAN, STD)
    for _ in range(3):
        total = 0.0
        for part in (slice(0, 16), slice(16, 32), slice(32, 40)):
            optimiser.zero_grad()
            loss = F.cross_entropy(other(x[part]), targets[part])
            loss.backward()
            optimiser.step()
            total += loss.item() * len(targets[part])
        expected.append(total / 40)
    assert losses == pytest.approx(expected, rel=1e-4)


def test_smallest_batch_is_the_recipes():
    images, targets = data(40)
    sizes = []
    for smallest in (8, 9):
        net = network()
        net.register_forward_hook(lambda module, args, output: sizes.append(len(output)))
        run(net, images, targets, Recipe(1, 16, smallest_batch=smallest))
    assert sizes == [16, 16, 8, 16, 24]


def test_the_head_is_fp32_under_bf16_in_training_and_in_inference():
    """The features are bf16, exactly; the logits are none."""
    images, targets = data(32)
    net, heads = network(), []
    net.head.register_forward_hook(lambda module, args, output: heads.append((args[0], output)))
    run(net, images, targets, replace(SHORT, epochs=1, precision="bf16"))
    infer(net, images, precision="bf16", **TRANSFORM)
    net.folded()
    with torch.autocast("cpu", torch.bfloat16):
        assert net(torch.zeros(2, 3, 16, 16)).dtype == torch.float32
    rounded = lambda x: torch.equal(x, x.bfloat16().float())
    assert len(heads) >= 3
    for features, logits in heads:
        assert features.dtype == logits.dtype == torch.float32
        assert rounded(features)
        assert not rounded(logits)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gpu_trains_by_graphs_as_the_cpu_does(precision, monkeypatch):
    images, targets = data(75)
    recipe = Recipe(epochs=8, batch=16, lr=0.02, precision=precision)
    steps, init = [], step.GraphedStep.__init__
    monkeypatch.setattr(step.GraphedStep, "__init__", lambda self, *a: (steps.append(self), init(self, *a))[1])
    expected = run(network(), images, targets, recipe).losses
    found = run(network(), images, targets, recipe, device="cuda").losses
    assert sorted(shape[0] for shape in steps[0].graphs) == [11, 16]
    assert found == pytest.approx(expected, rel=0.02 if precision == "fp32" else 0.1)
    eager = run(network(), images, targets, replace(recipe, optimiser="adam", lr=1e-3), device="cuda").losses
    assert eager[-1] < eager[0]
    assert len(steps) == 1
