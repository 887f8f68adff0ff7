"""Suggestive annotation (Yang, Zhang, Chen, Zhang and Chen, MICCAI 2017): uncertain images first, of these the representative.

A committee, each member trained on a bootstrap sample of the labels, says which images are uncertain: the variance of their
probabilities. Of the most uncertain, twice the batch as in the paper (16 and 8), those are taken that together cover the
unlabelled images best: F(S) = sum over them of the largest cosine similarity to one of S, grown greedily, which has at least
1 - 1/e of what can be had.
"""

from __future__ import annotations

import math

from alnb.acquisition import select
from alnb.errors import BadRequest


def variance(p):
    """(u,) of (members, u, P, C): variance over the members, mean over positions and classes; members weigh alike."""
    return p.var(0, correction=0).sort(-1).values.mean(-1).mean(1)


def cover(similarity, budget: int):
    """(budget,) rows of `similarity` (K, U), candidates by what they stand for: greedily the one that adds most to the sum over
    U of the largest similarity; of equal ones the first."""
    import torch

    best = torch.zeros(similarity.shape[1], dtype=similarity.dtype, device=similarity.device)
    rows: list[int] = []
    for _ in range(budget):
        gains = (similarity - best).clamp_min(0).sum(1)
        gains[rows] = -1
        rows.append(int(gains.argmax()))
        best = torch.maximum(best, similarity[rows[-1]])
    return torch.tensor(rows)


@select(
    "suggestive_annotation",
    needs=("pixel_committee", "embeddings"),
    source="Yang, Zhang, Chen, Zhang, Chen, Suggestive annotation, MICCAI 2017",
)
def suggestive_annotation(view, budget, rng, *, members: int = 4, factor: float = 2.0):
    """(budget,) rows. members of the committee (the paper: 4); factor: how many times the batch is looked at for cover. An image
    is described by the target model's features (the paper: a member's). Ties follow the shared random order. BadRequest for
    options out of range."""
    import torch

    check_suggestive_annotation(members=members, factor=factor)
    shared = view.priority.argsort()
    uncertain = view.pixel_committee(members, True, variance)[shared].sort(descending=True, stable=True).indices
    uncertain = uncertain[: min(round(factor * budget), view.size)].sort().values
    features = torch.nn.functional.normalize(view.embeddings[shared].double(), dim=1)
    return shared[uncertain[cover(features[uncertain] @ features.T, budget).to(uncertain.device)]]


def check_suggestive_annotation(*, members, factor):
    """BadRequest for a committee that cannot disagree, and for fewer images than a batch."""
    if members < 2:
        raise BadRequest(f"suggestive_annotation: members = {members}: expected at least 2")
    if not 1 <= factor < math.inf:
        raise BadRequest(f"suggestive_annotation: factor = {factor}: expected a number from 1")
