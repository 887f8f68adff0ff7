"""What networks that answer with a linear map of their features have in common."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from alnb.learning.modes import fp32
from alnb.learning.networks.base import MapNetwork


class Dense(MapNetwork):
    """A `MapNetwork` whose maps are a 1 x 1 convolution, `head`, of what `upper` makes of the last block, in fp32 whatever
    precision that has. `dropout`: the probability with which a whole channel of it is dropped in training."""

    head: nn.Conv2d

    def upper(self, features):
        """(B, D, h, w) what the head is fed."""
        return features

    def answer(self, x):
        """(B, K, h, w) fp32 of what `upper` gave."""
        with fp32(x.device):
            x = x.float()
            return self.head(F.dropout2d(x, self.dropout, self.training) if self.dropout else x)

    def decode(self, features):
        return self.answer(self.upper(features))
