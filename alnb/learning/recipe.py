"""How long, in which batches and at which learning rate a network is trained. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from alnb.errors import BadRequest


@dataclass(frozen=True)
class Recipe:
    """Batches, optimiser and learning rate of a training; the defaults are chapter 3's (thesis 3.4).

    schedule "step" multiplies lr by gamma at each of `milestones`, fractions of epochs; "cosine" lets it fall to 0 by
    half a cosine; "exponential" multiplies it by gamma after every epoch. Before, lr grows linearly, step by step, over
    the first `warmup` epochs, which may be a fraction.
    optimiser "sgd" reads momentum and nesterov, "adam" has PyTorch's betas; weight_decay is that of PyTorch's classes.
    A last batch under smallest_batch samples joins the one before it. precision "fp32" leaves PyTorch's own default
    for convolutions on a GPU (TF32); "bf16" is autocast with fp32 weights, batch statistics, head and loss.
    """

    epochs: int = 100
    batch: int = 256
    lr: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 5e-4
    nesterov: bool = False
    milestones: tuple[float, ...] = (0.6, 0.8)
    gamma: float = 0.2
    precision: str = "fp32"
    smallest_batch: int = 8
    schedule: str = "step"
    warmup: float = 0.0
    optimiser: str = "sgd"

    def __post_init__(self):
        if self.epochs < 1 or self.batch < 1:
            raise BadRequest(f"epochs and batch must be at least 1, given {self.epochs} and {self.batch}")
        for name, accepted in (("precision", ("fp32", "bf16")), ("schedule", SCHEDULES), ("optimiser", OPTIMISERS)):
            if (given := getattr(self, name)) not in accepted:
                raise BadRequest(f"{name} {given!r} is unknown: {' or '.join(accepted)}")
        if self.nesterov and not self.momentum:
            raise BadRequest("nesterov wants momentum, given 0")
        if not 0 <= self.warmup <= self.epochs:
            raise BadRequest(f"warmup = {self.warmup}: expected 0 to all {self.epochs} epochs")

    def lr_at(self, epoch: int, done: float = 1.0) -> float:
        """The learning rate of epoch 0, 1, ... at the step after which the share `done` of the epoch is done: it
        depends on the step in the warm-up alone."""
        lr = self.lr * SCHEDULES[self.schedule](self, epoch)
        return lr * (epoch + done) / self.warmup if epoch + done < self.warmup else lr


def step(recipe: Recipe, epoch: int) -> float:
    """gamma to the number of milestones that are behind."""
    return recipe.gamma ** sum(epoch >= round(m * recipe.epochs) for m in recipe.milestones)


def cosine(recipe: Recipe, epoch: int) -> float:
    """1 at epoch 0, down to 0 at the end that no epoch reaches (Loshchilov and Hutter 2017, without restarts)."""
    return (1 + math.cos(math.pi * epoch / recipe.epochs)) / 2


def exponential(recipe: Recipe, epoch: int) -> float:
    """gamma to the number of epochs done."""
    return recipe.gamma**epoch


SCHEDULES = {"step": step, "cosine": cosine, "exponential": exponential}
OPTIMISERS = ("sgd", "adam")
