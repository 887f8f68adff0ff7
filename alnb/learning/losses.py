"""Losses: what a training minimises. A loss is any function

    loss(outputs, y, epoch, rows) -> (B,)      one value a sample

of what the network says of a batch (in fp32, also under bf16; tensors, or dicts, lists and tuples of them), the feed's
y, the epoch 0, 1, ... and which samples of the feed they are, (B,) int64. A training takes a batch's mean. A loss that
has weights of its own, like a predictor of losses, belongs into the network; one that mixes samples (a contrastive
one, a sorter) gives each its share.
"""

from __future__ import annotations

from torch.nn import functional as F


def cross_entropy(outputs, y, epoch, rows):
    """Nats. outputs (B, C, ...) logits, y (B, ...) int64 classes or outputs' shape of probabilities; mean over what
    a sample holds beside its classes, such as pixels.

    The mean over the batch has the gradient of `F.cross_entropy(outputs, y)` bit for bit (tested).
    """
    each = F.cross_entropy(outputs, y, reduction="none")
    return each.flatten(1).mean(1) if each.ndim > 1 else each
