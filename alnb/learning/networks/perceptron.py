"""A perceptron of one hidden layer, or none: points in the plane, a linear head on frozen features."""

from __future__ import annotations

import base64

import torch
from torch import nn

from alnb.errors import BadRequest
from alnb.learning.networks.base import Network

INPUT = "vectors"
COST = (0.005, 0.0003)


class Perceptron(Network):
    """`hidden` tanh units on vectors of `channels` numbers; without any it is logistic regression, and its features
    are the input."""

    def __init__(self, classes: int, channels: int, hidden: int = 16):
        super().__init__()
        self.layer = nn.Linear(channels, hidden) if hidden else nn.Identity()
        self.hidden, self.widths = hidden, (hidden or channels,)
        self.head = nn.Linear(hidden or channels, classes)

    def embed(self, x):
        return self.layer(x).tanh() if self.hidden else x

    def blocks(self, x):
        """Its one block has vectors in the place of maps."""
        yield self.embed(x)

    def pooled(self, features):
        return features


def to_text(network: Perceptron) -> str:
    """All weights as text, bit for bit: small enough for a row of results."""
    flat = torch.cat([p.detach().float().cpu().flatten() for p in network.parameters()])
    return base64.b64encode(flat.numpy().astype("<f4").tobytes()).decode()


def from_text(text: str, inputs: int, hidden: int, classes: int) -> Perceptron:
    """The perceptron that `to_text` wrote, in eval mode on the CPU. BadRequest if the text is of another shape."""
    flat = torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32)
    network = Perceptron(classes, inputs, hidden)
    if flat.numel() != sum(p.numel() for p in network.parameters()):
        raise BadRequest(
            f"{flat.numel()} weights do not fill {inputs} inputs, {hidden} hidden units, {classes} classes"
        )
    nn.utils.vector_to_parameters(flat, network.parameters())
    return network.eval()
