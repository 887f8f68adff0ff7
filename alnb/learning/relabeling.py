"""What SRAAL's game is played with: its options, its networks, and what it leaves. The game itself, its losses and what the options
mean are in alnb/methods/state_relabeling.py."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from alnb.errors import BadRequest

INDICATORS = ("ours", "entropy", "deviation", "none", "permuted")
READINGS = ("soft", "squared", "printed")
SMALLEST = 8  # px, the shorter side of an image


@dataclass(frozen=True)
class Options:
    """Of the strategy `sraal`, which says what they are."""

    indicator: str
    target_learner: bool
    reading: str
    steps: int
    batch: int
    width: int
    latent: int
    semantic: int
    lr: float
    decay: float
    lambda1: float
    lambda2: float
    lambda3: float
    annotation: float
    beta: float
    flip: bool
    code: bool
    label_bug: bool

    def __post_init__(self):
        whole = {"steps": 1, "batch": 2, "width": 1, "latent": 1, "semantic": 1}
        for name, least in whole.items():
            if not isinstance(value := getattr(self, name), int) or isinstance(value, bool) or value < least:
                raise BadRequest(f"sraal: {name} = {value!r}; accepted: a whole number from {least}")
        for name in ("lr", "decay", "lambda1", "lambda2", "lambda3", "annotation", "beta"):
            value, above = getattr(self, name), name in ("lr", "decay")
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            if not number or value < 0 or (above and value == 0):
                raise BadRequest(f"sraal: {name} = {value!r}; accepted: a number {'above' if above else 'from'} 0")
        for name in ("target_learner", "flip", "code", "label_bug"):
            if not isinstance(value := getattr(self, name), bool):
                raise BadRequest(f"sraal: {name} = {value!r}; accepted: True or False")
        for name, known in (("indicator", INDICATORS), ("reading", READINGS)):
            if (value := getattr(self, name)) not in known:
                raise BadRequest(f"sraal: {name} = {value!r}; accepted: {', '.join(known)}")

    @property
    def codes(self) -> int:
        """Values of a code: the reconstructor's, and the target learner's, if there is one."""
        return self.latent + (self.semantic if self.target_learner else 0)


@dataclass(frozen=True)
class Played:
    """What a game leaves: sure (U,) fp32, logit of "labelled" of each candidate; state (U,), what D was told; the networks,
    "encoder", "decoder", "learner", "critic"; classes (C,), the learner's outputs by the names of the classes."""

    sure: Any
    state: Any
    networks: Any
    classes: Any


def networks(shape, classes: int, o: Options, rng, maps: bool = False):
    """Encoder, images of `shape` (channels, H, W) -> (B, 2 (latent + semantic): mu, logvar), decoder from the first `latent`,
    learner from the other `semantic` to (B, classes) logits, critic D from all, (B, 1) logits. One draw from `rng`. `maps`: the
    learner is a decoder, too, to logits at every pixel ("a segmentation model for semantic segmentation", 3.2).

    The two FC modules of the encoder are one layer: the rows of its matrix do not know each other. At width 128 the learner
    is the code's 100-1024-256-C, the critic its 512-512-512-512-1.
    """
    from torch import nn

    from alnb.learning.networks import drawn_from
    from alnb.learning.vae import autoencoder, he, perceptron

    whole = o.codes
    with drawn_from(rng):
        parts = autoencoder(shape, o.width, o.latent)
        parts["encoder"][-1] = nn.Linear(parts["encoder"][-1].in_features, 2 * whole)
        parts["critic"] = perceptron(whole, *[4 * o.width] * 4, 1)
        if o.target_learner and maps:
            parts["learner"] = autoencoder((classes, *shape[1:]), o.width, o.semantic)["decoder"]
        elif o.target_learner:
            parts["learner"] = perceptron(o.semantic, 8 * o.width, 2 * o.width, classes)
            he(parts["learner"][:-1])
        he([*parts["encoder"][:-1], *parts["critic"]])
    return parts


def by_appearance(y, classes: int):
    """(C,) the learner's output for each class, in the order in which labels first name them, so that nothing hangs on what
    classes are called; and y (L,) so renamed."""
    import torch

    seen = dict.fromkeys(y.tolist())
    order = [*seen, *(c for c in range(classes) if c not in seen)]
    named = torch.empty(classes, dtype=torch.int64, device=y.device)
    named[torch.tensor(order, device=y.device)] = torch.arange(classes, device=y.device)
    return named, named[y]
