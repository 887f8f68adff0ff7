"""What every network of the engine has."""

from __future__ import annotations

import copy
from itertools import pairwise

from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from alnb.learning.modes import fp32


class Network(nn.Module):
    """Features, a linear head on them, and a faster copy of itself for inference.

    embed(x) gives the penultimate features (B, D) of what a feed gives; a network of blocks also has `blocks(x)`, their
    feature maps (B, C, H, W) one after the other, `widths`, the C of each, and pooled(map) -> (B, C), which of the last is
    what `embed` gives. `head` is the nn.Linear from D features to the
    logits (B, classes), in fp32 whatever precision the features have. A batch norm that is the next child of its module
    after a convolution must be fed by it. `dropout` is the probability with which a feature is dropped before the head
    in training.
    """

    head: nn.Linear
    dropout = 0.0
    widths: tuple[int, ...] = ()

    def forward(self, x):
        x = self.embed(x)
        with fp32(x.device):
            x = x.float()
            return self.head(F.dropout(x, self.dropout, self.training) if self.dropout else x)

    def pooled(self, features):
        return features.mean((2, 3))

    def folded(self) -> nn.Module:
        """A copy in eval mode with every batch norm folded into its convolution: the same function up to rounding."""
        network = copy.deepcopy(self).eval()
        for part in list(network.modules()):
            for (_, conv), (name, norm) in pairwise(list(part.named_children())):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    conv.weight, conv.bias = fuse_conv_bn_weights(
                        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
                    )
                    setattr(part, name, nn.Identity())
        return network


class MapNetwork(Network):
    """A network of blocks that answers with maps (B, K, h, w), such as densities or heatmaps, and has no head of classes:
    `decode(map of the last block)` makes them."""

    def decode(self, features):
        raise NotImplementedError

    def forward(self, x):
        *_, last = self.blocks(x)
        return self.decode(last)

    def embed(self, x):
        *_, last = self.blocks(x)
        return self.pooled(last)
