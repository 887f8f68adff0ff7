"""The training loop: a network, a feed and a recipe, and parts that may be exchanged.

The same loop runs on a CPU and on a GPU. At one thread on one CPU equal generators give equal bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from alnb.errors import BadRequest
from alnb.learning import optimisers
from alnb.learning.feed import Feed, batches, keep_freed_memory
from alnb.learning.losses import cross_entropy
from alnb.learning.modes import evaluating
from alnb.learning.recipe import Recipe
from alnb.learning.step import GraphedStep, Step


@dataclass(frozen=True)
class Trained:
    """What a training of T epochs on n samples leaves beside its weights.

    losses: mean loss of each epoch, before each step's update. correct: (T, n) bool on the device, whether a sample
    was classified correctly when it was presented in an epoch, before that step's update, as it was augmented; None
    where the network's outputs are no logits of classes. state: what `train(begin=...)` goes on from, a nested dict of
    tensors.
    """

    losses: list[float]
    correct: torch.Tensor | None
    state: dict


def train(
    network,
    feed: Feed,
    recipe: Recipe,
    *,
    loss=cross_entropy,
    order: torch.Generator | None,
    augment: torch.Generator | None,
    begin: int = 0,
    end: int | None = None,
    state: dict | None = None,
    after_epoch=None,
) -> Trained:
    """Train `network` in place on `feed.device`; the last epoch counts, never the best.

    loss: see `losses`. `order` shuffles each epoch, `augment` is what the feed draws from: CPU generators, so that a
    GPU sees the same batches; None: samples in the feed's order, or as they are. `after_epoch(epoch, network)` is
    called in eval mode, without gradients, after each epoch 0, 1, ... The network is left in train mode. The device is
    waited for once an epoch, for its loss.

    Epochs `begin` to `end` (default: the recipe's last) of the recipe are trained. To go on with a training that ended
    at `begin`: the same call, with the network as it was left, the `state` it gave, and both generators as they were
    *before* the first epoch; what the skipped epochs drew is drawn again, and the parts give the bits of the whole. Not
    so for dropout, which draws from the global generator: keep its state (`torch.get_rng_state`, or that of
    `torch.cuda`) where a part ends, and set it before the next.

    BadRequest for a part that does not exist or does not begin where `state` ended, for a later part with a loss that has a
    training of its own (`whole`: `loss_prediction.Beside`), which `state` does not hold, and for a loss that is not finite.
    """
    n, device, end = len(feed), feed.device, recipe.epochs if end is None else end
    _check(recipe, begin, end, state)
    if begin and getattr(loss, "whole", False):
        raise BadRequest(f"{type(loss).__name__} trains modules, too: it cannot go on from epoch {begin}: expected 0")
    keep_freed_memory()
    network.to(device, memory_format=torch.channels_last).train()
    lr = torch.tensor(recipe.lr, device=device)
    optimiser = optimisers.build(recipe, network.parameters(), lr)
    if state:
        optimiser.load(state["optimiser"])
    plain = loss is cross_entropy and recipe.optimiser == "sgd" and torch.device(device).type == "cuda"
    step = (GraphedStep if plain else Step)(network, optimiser, loss, device, recipe.precision)

    def draw():
        return (torch.arange(n) if order is None else torch.randperm(n, generator=order)), feed.draw(augment)

    for _ in range(begin):
        draw()
    losses, correct, parts = [], None, batches(n, recipe.batch, recipe.smallest_batch)
    for epoch in range(begin, end):
        rows, drawn = draw()
        rows, total = rows.to(device), torch.zeros((), device=device)
        for i, part in enumerate(parts):
            if i == 0 or epoch < recipe.warmup:
                lr.fill_(recipe.lr_at(epoch, (i + 1) / len(parts)))
            x, y = feed.batch(rows, part, drawn)
            value, right = step(x, y, epoch, rows[part])
            total += value * (part.stop - part.start)
            if right is not None:
                correct = torch.zeros(end - begin, n, dtype=torch.bool, device=device) if correct is None else correct
                correct[epoch - begin, rows[part]] = right
        losses.append(total.item() / n)
        if not math.isfinite(losses[-1]):
            raise BadRequest(
                f"loss became {losses[-1]} at epoch {epoch + 1} of {recipe.epochs}; lr {recipe.lr} is too high?"
            )
        if after_epoch is not None:
            with evaluating(network), torch.no_grad():
                after_epoch(epoch, network)
    optimiser.zero_grad()  # gradients, and the memory of the graphs that hold them
    return Trained(losses, correct, {"epoch": torch.tensor(end), "optimiser": optimiser.state()})


def _check(recipe, begin, end, state):
    if not 0 <= begin < end <= recipe.epochs:
        raise BadRequest(f"epochs {begin} to {end} of {recipe.epochs}: expected 0 <= begin < end <= {recipe.epochs}")
    ended = int(state["epoch"]) if state else 0
    if begin != ended:
        raise BadRequest(f"training is to go on from epoch {begin}, its state ended at {ended}")
