"""The parts of a siamese network for self-supervised learning, and how its encoder is watched."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from alnb.learning.modes import fp32


class Siamese(nn.Module):
    """An encoder, `backbone` (networks.base.Network, whose head is unused) and `projector`, and a `predictor`.

    Two views (x1, x2) -> p1, p2, z1, z2, each (B, width): z by the encoder, p = predictor(z). Views pass one after the
    other, so batch norm has the statistics of either. Projector: `layers` linear layers, each with batch norm, ReLU but
    after the last; predictor: a bottleneck, or the identity (`predictor` False), with which SimSiam collapses. In fp32,
    whatever precision the backbone has. Chen and He 2021, section 3 and appendix D.
    """

    def __init__(self, backbone, width: int = 2048, bottleneck: int = 512, layers: int = 2, predictor: bool = True):
        super().__init__()
        self.backbone = backbone
        sizes = [backbone.head.in_features] + [width] * layers
        stages = [(nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()) for a, b in pairwise(sizes)]
        parts = [part for stage in stages for part in stage]
        self.projector = nn.Sequential(*parts[:-1])
        hidden = [nn.Linear(width, bottleneck, bias=False), nn.BatchNorm1d(bottleneck), nn.ReLU()]
        self.predictor = nn.Sequential(*hidden, nn.Linear(bottleneck, width)) if predictor else nn.Identity()
        for parameter in backbone.head.parameters():
            parameter.requires_grad_(False)

    def forward(self, views):
        z = [self._projected(self.backbone.embed(x)) for x in views]
        with fp32(z[0].device):
            return *(self.predictor(each) for each in z), *z

    def _projected(self, x):
        with fp32(x.device):
            return self.projector(x.float())


def knn_accuracy(bank, bank_labels, queries, labels, classes: int, k: int = 200, temperature: float = 0.1) -> float:
    """Percent of `queries` (M, D) whose class the k nearest of `bank` (N, D) say: cosine similarity s, a vote of weight
    exp(s / temperature) for each neighbour's label. Wu et al. 2018, section 3.4. k is cut to N."""
    bank = F.normalize(bank.float(), dim=1)
    right = 0
    for part in torch.arange(len(queries), device=queries.device).split(1000):
        near = (F.normalize(queries[part].float(), dim=1) @ bank.T).topk(min(k, len(bank)), dim=1)
        votes = torch.zeros(len(part), classes, device=queries.device)
        votes.scatter_add_(1, bank_labels[near.indices], ((near.values - 1) / temperature).exp())
        right += int((votes.argmax(1) == labels[part]).sum())
    return 100 * right / len(queries)


def spread(z) -> float:
    """The deviation over samples of z / |z|, z (N, d), mean over the d channels, times sqrt(d): near 1 where outputs spread
    over the sphere, 0 where all are one. Chen and He 2021, Fig. 2."""
    z = F.normalize(z.float(), dim=1)
    return float(z.std(0, correction=0).mean() * z.shape[1] ** 0.5)
