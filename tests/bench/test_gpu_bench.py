"""A training step of ResNet-18 on a GPU: the usual fp32 loop, ours in fp32 and bf16, eager and as CUDA graphs.

Seconds are of the wall, the GPU waited for, of what runs side by side in one session; beside them the matrix rate that the
same card gives in the same minute. `pytest -m bench -s tests/bench/test_gpu_bench.py` prints them; without a GPU it skips.
"""

from __future__ import annotations

import statistics
import time

import pytest
import torch
from torch.nn import functional as F

from alnb.learning import networks
from alnb.learning import step as steps
from alnb.learning.feed import Images
from alnb.learning.infer import infer
from alnb.learning.recipe import Recipe
from alnb.learning.train import train

pytestmark = [pytest.mark.bench, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")]

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
IMAGES = 128 * 80
TRAINING, FORWARD = 3.33e9, 1.11e9  # operations an image, two a multiplication (FlopCounterMode)


def generator():
    return torch.Generator().manual_seed(0)


def synthetic():
    images = torch.randint(256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=generator())
    return images.cuda(), torch.randint(10, (IMAGES,), generator=generator()).cuda()


def seconds(f) -> float:
    torch.cuda.synchronize()
    began = time.perf_counter()
    f()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def usual():
    """What public code does, but for its loader: fp32, channels first, eager, a loss read every step."""
    network, (images, targets) = networks.build("resnet18", 10, generator=generator()).cuda(), synthetic()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
    shape = torch.tensor(MEAN, device="cuda")[:, None, None], torch.tensor(STD, device="cuda")[:, None, None]

    def epoch():
        for x, y in zip(images.split(128), targets.split(128)):
            optimiser.zero_grad()
            loss = F.cross_entropy(network((x / 255 - shape[0]) / shape[1]), y)
            loss.backward()
            optimiser.step()
            loss.item()

    return epoch


def ours(precision: str, batch: int = 128, epochs: int = 1):
    network, (images, targets) = networks.build("resnet18", 10, generator=generator()), synthetic()
    feed = Images(images, targets, mean=MEAN, std=STD, crop=4, flip=True, device="cuda")
    recipe = Recipe(epochs=epochs, batch=batch, lr=0.02, precision=precision)
    return lambda: train(network, feed, recipe, order=generator(), augment=generator())


def looking(batch: int):
    network, (images, _) = networks.build("resnet18", 10, generator=generator()), synthetic()
    images = images.contiguous(memory_format=torch.channels_last)
    return lambda: infer(network, images, mean=MEAN, std=STD, device="cuda", batch=batch, precision="bf16")


def matrix_rate() -> float:
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    (a @ b).sum().item()
    return 10 * 2 * 8192**3 / seconds(lambda: [a @ b for _ in range(10)])


def rate(f, images: int, times: int = 3) -> float:
    f()
    return images / statistics.median(seconds(f) for _ in range(times))


def test_the_graphed_bf16_step_is_quicker_than_the_usual_loop(monkeypatch):
    whole = matrix_rate()
    found = {"usual, fp32": rate(usual(), IMAGES)}
    with monkeypatch.context() as patched:
        patched.setattr(steps, "EAGER_STEPS", 10**9)
        found["ours, fp32, eager"] = rate(ours("fp32"), IMAGES)
        found["ours, bf16, eager"] = rate(ours("bf16"), IMAGES)
    found["ours, fp32, graph"] = rate(ours("fp32", epochs=3), 3 * IMAGES)
    found["ours, bf16, graph"] = rate(ours("bf16", epochs=3), 3 * IMAGES)
    found["ours, bf16, graph, batch 512"] = rate(ours("bf16", 512, epochs=3), 3 * IMAGES)
    print(f"\n{torch.cuda.get_device_name()}: {whole / 1e12:.0f} TFLOP/s in bf16 matrices")
    for what, images in found.items():
        print(f"{what}: {images:,.0f} images/s, {100 * images * TRAINING / whole:.0f} % of the matrix rate")
    for batch in (250, 1000, 2500, 5000):
        images = rate(looking(batch), IMAGES)
        print(f"a look, bf16, batch {batch}: {images:,.0f} images/s, {100 * images * FORWARD / whole:.0f} %")
    assert found["ours, bf16, graph"] > 1.5 * found["usual, fp32"]
    assert found["ours, bf16, graph"] > found["ours, bf16, eager"]
