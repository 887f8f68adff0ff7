"""An encoder outside the package: six random filters, whose mean response over a quarter of the image is a feature."""

import hashlib

import torch
from torch import nn

SECONDS = 1e-4


def weights(option=""):
    return hashlib.sha256(f"toy {option}".encode()).hexdigest()


def load(option, px):
    filters = torch.randn(6, 3, 3, 3, generator=torch.Generator().manual_seed(len(option)))

    class Toy(nn.Module):
        def forward(self, x):
            response = torch.conv2d(x / 128 - 1, filters, padding=1).relu()
            return nn.functional.adaptive_avg_pool2d(response, 2).flatten(1)

    return Toy().eval()
