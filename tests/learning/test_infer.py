"""Inference over a pool, and the recorder of every epoch, against one image at a time."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from alnb.learning.infer import Recorder, infer
from tests.learning.toy import MEAN, SHORT, STD, TRANSFORM, Wrapped, data, network, plainly, run


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
    trained = run(net, images, targets, replace(SHORT, precision="bf16")).losses
    assert trained == pytest.approx(run(network(), images, targets).losses, rel=0.05)
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
