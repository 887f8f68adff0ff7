"""The pixels themselves, in [0, 1]: what a head gets without any network. The smallest encoder there can be."""

from __future__ import annotations

import hashlib

SECONDS = 1e-4


def weights(option: str = "") -> str:
    return hashlib.sha256(b"pixels").hexdigest()


def load(option: str, px: int):
    import torch

    class Pixels(torch.nn.Module):
        def forward(self, x):
            return x.flatten(1) / 255

    return Pixels().eval()
