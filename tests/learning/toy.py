"""Small networks, data and trainings for the tests of the engine, and what plain PyTorch says of them."""

import copy

import torch
from torch import nn
from torchvision.transforms.v2 import functional as tv

from alnb.learning import networks
from alnb.learning.feed import Images
from alnb.learning.recipe import Recipe
from alnb.learning.train import train

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


def run(net, images, targets, recipe=SHORT, order=2, places=3, *, crop=2, flip=True, device="cpu", **more):
    feed = Images(images, targets, mean=MEAN, std=STD, crop=crop, flip=flip, device=device)
    return train(net, feed, recipe, order=generator(order), augment=generator(places), **more)


def plainly(net, images):
    """Logits one image at a time with torchvision's normalisation: no folding, no batches, contiguous."""
    net = copy.deepcopy(net).to(memory_format=torch.contiguous_format).eval()
    with torch.no_grad():
        x = tv.normalize(tv.to_dtype(images, torch.float32, scale=True), MEAN, STD)
        return torch.cat([net(one[None]) for one in x])


def same(one, other):
    """Whether two nested dicts of tensors, or lists, are equal bit for bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


class Wrapped(nn.Module):
    """A network that has nothing but what the engine asks for: forward, embed and head."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.head = inner, inner.head

    def embed(self, x):
        return self.inner.embed(x)

    def forward(self, x):
        return self.inner(x)


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
