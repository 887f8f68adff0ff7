"""A small perceptron for points in the plane, trained on all its samples at once: no batches, no augmentation."""

from __future__ import annotations

import base64
import math

import torch
from torch import nn
from torch.nn import functional as F

from alnb.errors import BadRequest
from alnb.learning.engine import SGD, Recipe
from alnb.learning.networks import Network


class Perceptron(Network):
    """One hidden layer of `hidden` tanh units; without any it is logistic regression, and its features the input."""

    def __init__(self, inputs: int, hidden: int, classes: int):
        super().__init__()
        self.layer = nn.Linear(inputs, hidden) if hidden else nn.Identity()
        self.hidden = hidden
        self.head = nn.Linear(hidden or inputs, classes)

    def embed(self, x):
        return self.layer(x).tanh() if self.hidden else x


def build(inputs: int, hidden: int, classes: int, *, generator: torch.Generator) -> Perceptron:
    """A freshly initialised perceptron on the CPU; the global generator is left as it was."""
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Perceptron(inputs, hidden, classes)


def fit(network: Perceptron, x, y, recipe: Recipe, after_epoch=None) -> list[float]:
    """Gradient descent with momentum on the cross-entropy of x (n, inputs), y (n,); an epoch is one step.

    `after_epoch(epoch, network)` is called in eval mode without gradients. Returns the loss before each step and
    leaves the network in train mode. BadRequest for no samples, or a loss that is not finite.
    """
    if len(y) == 0 or len(x) != len(y):
        raise BadRequest(f"training takes as many points as targets, at least one: given {len(x)} and {len(y)}")
    lr = torch.tensor(recipe.lr, device=x.device)
    optimizer, losses = SGD(network.to(x.device).parameters(), lr, recipe), []
    for epoch in range(recipe.epochs):
        network.train()
        lr.fill_(recipe.lr_at(epoch))
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise BadRequest(f"loss became {losses[-1]} at step {epoch + 1}; lr {recipe.lr} is too high?")
        if after_epoch is not None:
            network.eval()
            with torch.no_grad():
                after_epoch(epoch, network)
    optimizer.zero_grad()
    return losses


def to_text(network: Perceptron) -> str:
    """All weights as text, bit for bit: small enough for a row of results."""
    flat = torch.cat([p.detach().float().cpu().flatten() for p in network.parameters()])
    return base64.b64encode(flat.numpy().astype("<f4").tobytes()).decode()


def from_text(text: str, inputs: int, hidden: int, classes: int) -> Perceptron:
    """The perceptron that `to_text` wrote, in eval mode on the CPU. BadRequest if the text is of another shape."""
    flat = torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32)
    network = Perceptron(inputs, hidden, classes)
    if flat.numel() != sum(p.numel() for p in network.parameters()):
        raise BadRequest(
            f"{flat.numel()} weights do not fill {inputs} inputs, {hidden} hidden units, {classes} classes"
        )
    nn.utils.vector_to_parameters(flat, network.parameters())
    return network.eval()
