"""Parts that re-identification trains with: batch-hard triplets, identity batches, smoothed labels, features.

The BN neck (Luo et al. 2019) is part of the networks: `pooled` gives f, which the triplet sees, `neck` makes z = BN(f)
without a bias, `head` classifies z without a bias. Retrieval compares z.
"""

from __future__ import annotations

import torch

from alnb.errors import BadRequest
from alnb.learning.augment import normalise
from alnb.learning.modes import autocast, evaluating


def batch_hard(features, positive, negative, margin: float, *, squared: bool = False):
    """(B,) triplet loss of each anchor with its farthest positive and its nearest negative: [margin + d_p - d_n]_+
    (Hermans et al. 2017).

    features (B, D), any floats; positive, negative (B, B) bool: row i says which are known to be anchor i's person, and
    which are known not to be; what is neither is unknown and not used. `masks_of(labels)` makes them of labels, a
    pairwise answer sets its own two entries. An anchor without a positive or without a negative has loss 0, no
    gradient, and no part in `anchors`. squared: of squared distances.
    """
    if positive.shape != negative.shape or positive.shape != (len(features), len(features)):
        shapes = f"{tuple(positive.shape)} and {tuple(negative.shape)}"
        raise BadRequest(f"masks {shapes}: expected both ({len(features)}, {len(features)})")
    if bool((positive & negative).any()):
        raise BadRequest("a pair is marked the same person and another person")
    apart = distances(features, squared)
    hardest = apart.where(positive, -torch.inf).amax(1)
    nearest = apart.where(negative, torch.inf).amin(1)
    usable = anchors(positive, negative)
    gap = torch.where(usable, hardest, 0.0) - torch.where(usable, nearest, 0.0) + margin
    return torch.where(usable, gap.clamp_min(0), 0.0)


def anchors(positive, negative):
    """(B,) bool: who has a positive and a negative."""
    return positive.any(1) & negative.any(1)


def masks_of(labels):
    """(positive, negative), (B, B) bool each, of labels (B,): the same but not itself, another."""
    same = labels[:, None] == labels
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same


def distances(features, squared: bool = False):
    """(B, B) Euclidean distances. Exact for near-duplicates too, which the difference of squares is not; the gradient
    where two are equal is 0."""
    found = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    return found.square() if squared else found


def smoothed_cross_entropy(outputs, y, epoch=0, rows=None, *, smoothing: float = 0.1):
    """(B,) nats: cross entropy with smoothing / C on every class and 1 - smoothing more on the right one (Szegedy et
    al. 2016; as `torch.nn.functional.cross_entropy(label_smoothing=...)`, one value a sample). A loss of `losses`."""
    log_p = outputs.log_softmax(1)
    truth = log_p.gather(1, y[:, None]).squeeze(1)
    return -((1 - smoothing) * truth + smoothing * log_p.mean(1))


def identity_batches(labels, people: int, images: int, generator: torch.Generator) -> list[torch.Tensor]:
    """One epoch of batches of `people` identities x `images` boxes each: row numbers, (people * images,) int64.

    labels (N,) of whole numbers. Every identity's boxes are shuffled and cut into groups of `images`, a last short one
    filled up from the same identity's boxes, with replacement where it has too few; each batch takes one group of
    `people` random identities that have one left, until fewer than `people` have: every box comes once an epoch, but
    for fillings and what that end leaves (BagTricks' RandomIdentitySampler). BadRequest for fewer identities.
    """
    if people < 2 or images < 2:
        raise BadRequest(f"batches of {people} identities x {images} boxes: expected at least 2 x 2")
    labels = torch.as_tensor(labels).cpu()
    distinct = labels.unique()
    if len(distinct) < people:
        raise BadRequest(f"batches of {people} identities: there are only {len(distinct)}")
    groups = []
    for one in distinct:
        own = (labels == one).nonzero()[:, 0]
        own = own[torch.randperm(len(own), generator=generator)]
        if short := -len(own) % images:
            own = torch.cat([own, own[torch.randint(len(own), (short,), generator=generator)]])
        groups.append(list(own.split(images)))
    batches, left = [], list(range(len(groups)))
    while len(left) >= people:
        chosen = [left[i] for i in torch.randperm(len(left), generator=generator)[:people].tolist()]
        batches.append(torch.cat([groups[i].pop() for i in chosen]))
        left = [i for i in left if groups[i]]
    return batches


def extract(network, images, *, mean, std, device="cpu", flip: bool = False, neck: bool = True, batch: int = 256,
            precision: str = "fp32") -> torch.Tensor:  # fmt: skip
    """Features (N, D) fp32 on the device, of images (N, 3, H, W) uint8, in eval mode.

    neck: after the BN neck (z), else before it (f). flip: the sum of those of the image and of its mirror image, which
    by the cosine distance is their mean (the flip test).
    """
    look = network.embed if neck else network.pooled
    parts = []
    with evaluating(network), torch.no_grad():
        network.to(device, memory_format=torch.channels_last)
        for part in images.split(batch):
            x = normalise(part.to(device), mean, std)
            with autocast(device, precision):
                found = look(x).float()
                if flip:
                    found = found + look(x.flip(3)).float()
            parts.append(found)
    return torch.cat(parts)
