"""The engine beside the usual way to train in PyTorch: PIL transforms, one image at a time, by a DataLoader.

The rival is a minimal re-write of what LL4AL (main.py:223-226), VAAL, CBAL and DeepAL+ do, with no worker
processes as in LL4AL, fed the same images. One thread, CPU seconds.
`pytest -m bench -s tests/bench/test_engine_bench.py` prints the ratios.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from alnb.learning import augment, networks
from alnb.learning.feed import Images
from alnb.learning.infer import infer
from alnb.learning.recipe import Recipe
from alnb.learning.train import train
from tests.bench.interleave import ratio, seconds, slope

pytestmark = pytest.mark.bench

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
FEED, EPOCH, BATCH = 10_000, 2_000, 64


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def synthetic(n):
    g = generator(1)
    return torch.randint(256, (n, 3, 32, 32), dtype=torch.uint8, generator=g), torch.randint(10, (n,), generator=g)


class PILImages(Dataset):
    """As torchvision's CIFAR10: an array of images, each made a PIL image and transformed when asked for."""

    def __init__(self, images, targets, random):
        self.arrays, self.targets = images.permute(0, 2, 3, 1).contiguous().numpy(), targets.tolist()
        places = [transforms.RandomHorizontalFlip(), transforms.RandomCrop(32, padding=4)] if random else []
        self.transform = transforms.Compose([*places, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

    def __len__(self):
        return len(self.arrays)

    def __getitem__(self, i):
        return self.transform(Image.fromarray(self.arrays[i])), self.targets[i]


def loader(n, random=True):
    return DataLoader(PILImages(*synthetic(n), random), batch_size=BATCH, shuffle=random)


def loader_feeds():
    batches = loader(FEED)

    def epoch():
        for _ in batches:
            pass

    return epoch


def engine_feeds(n=FEED):
    crops = augment.windows(synthetic(n)[0], 4, True)  # once a training, as the rival's array

    def epoch():
        rows, drawn = torch.randperm(n, generator=generator()), augment.draw(n, 4, True, generator())
        for start in range(0, n, BATCH):
            part = slice(start, start + BATCH)
            augment.normalise(augment.gather(crops, rows[part], drawn[:, part]), MEAN, STD)

    return epoch


def loader_trains():
    network, batches = networks.build("small", 10, generator=generator()), loader(EPOCH)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)

    def epoch():
        for x, y in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(network(x), y)
            loss.backward()
            optimizer.step()
            loss.item()

    return epoch


def engine_trains(n=EPOCH):
    network, (images, targets) = networks.build("small", 10, generator=generator()), synthetic(n)
    recipe = Recipe(epochs=1, batch=BATCH)
    feed = lambda: Images(images, targets, mean=MEAN, std=STD, crop=4, flip=True)
    return lambda: train(network, feed(), recipe, order=generator(), augment=generator())


def loader_infers():
    network, batches = networks.build("small", 10, generator=generator()).eval(), loader(EPOCH, random=False)

    def pool():
        with torch.no_grad():
            return torch.cat([network(x) for x, _ in batches])

    return pool


def engine_infers(n=EPOCH):
    network, (images, _) = networks.build("small", 10, generator=generator()), synthetic(n)
    images = images.contiguous(memory_format=torch.channels_last)  # as Recorder keeps its pool
    return lambda: infer(network, images, mean=MEAN, std=STD, device="cpu")


# what, theirs, ours, images, gate: at most half of the measured ratio
PAIRS = {
    "feeding": (loader_feeds, engine_feeds, FEED, 10),
    "training": (loader_trains, engine_trains, EPOCH, 1.2),
    "inference": (loader_infers, engine_infers, EPOCH, 2),
}


@pytest.mark.parametrize("what", PAIRS)
def test_the_engine_is_quicker_than_a_pil_loader(what):
    theirs, ours, n, gate = PAIRS[what]
    theirs, ours = theirs(), ours()
    median, low, high = ratio(theirs, ours)
    ms = [1e6 * min(seconds(f) for _ in range(2)) / n for f in (theirs, ours)]
    print(f"\n{what}: {median:.1f}x ({low:.1f}-{high:.1f}); ms per 1,000 images {ms[0]:.0f} and {ms[1]:.1f}")
    assert median > gate


def test_preparing_the_crops_costs_less_than_one_epoch_of_a_pil_loader():
    images, _ = synthetic(FEED)
    median, low, high = ratio(loader_feeds(), lambda: augment.windows(images, 4, True), pairs=2)
    print(f"\npreparing the crops: {median:.0f}x less than one epoch of the loader ({low:.0f}-{high:.0f})")
    assert median > 5


@pytest.mark.parametrize("what", [engine_feeds, engine_trains, engine_infers])
def test_cost_grows_linearly_with_the_images(what):
    sizes = [500, 1000, 2000, 4000]
    jobs = [what(n) for n in sizes]
    exponent, r2 = slope(sizes, np.min([[seconds(job) for job in jobs] for _ in range(3)], axis=0))
    print(f"\n{what.__name__}: seconds ~ N^{exponent:.2f} (r2 {r2:.3f})")
    assert exponent < 1.3


@pytest.mark.parametrize("who", ["loader", "engine"])
@pytest.mark.parametrize("what", PAIRS)
def test_seconds(what, who, benchmark):
    benchmark.group = f"{what}, {PAIRS[what][2]:,} images"
    benchmark._timer = time.process_time
    benchmark.pedantic(PAIRS[what][who == "engine"](), rounds=2, warmup_rounds=1)
