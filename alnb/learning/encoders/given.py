"""Features that the dataset brings itself (`alnb data NAME --add`), as they are."""

from __future__ import annotations

import hashlib

SECONDS = 1e-6


def weights(option: str = "") -> str:
    return hashlib.sha256(b"given").hexdigest()


def load(option: str, px: int):
    import torch

    return torch.nn.Identity()
