"""What the networks of re-identification share: five stages, pooling, a BN neck."""

from __future__ import annotations

from torch import nn

from alnb.learning.networks.base import Network


class Necked(Network):
    """Five `stages`, f = their output's mean over positions, z = BN(f) without a bias, logits of z without a bias.

    The triplet loss sees f = pooled(x), the classifier and retrieval z = embed(x) = neck(f) (Luo et al. 2019). Whoever
    puts something between the stages (attention) runs them one by one.
    """

    stages: nn.ModuleList
    neck: nn.BatchNorm1d

    def finish(self, width: int, classes: int) -> None:
        """Neck and head for features of `width` numbers."""
        self.neck, self.head = nn.BatchNorm1d(width), nn.Linear(width, classes, bias=False)
        self.neck.bias.requires_grad_(False)
        nn.init.normal_(self.head.weight, std=0.001)

    def pooled(self, x):
        for stage in self.stages:
            x = stage(x)
        return x.mean((2, 3))

    def embed(self, x):
        return self.neck(self.pooled(x))
