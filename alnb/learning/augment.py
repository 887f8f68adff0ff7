"""Augmentation batched on the device, from uint8 to normalised fp32.

Equal in distribution to torchvision's RandomCrop(size, padding) + RandomHorizontalFlip + ToTensor + Normalize: the zero
border is added in pixel space, before normalisation, so that after it the border is -mean/std and not 0.
"""
from __future__ import annotations

import torch
from torch.nn import functional as F


def pad(images: torch.Tensor, padding: int) -> torch.Tensor:
    """(N, C, H, W) uint8 with `padding` pixels of 0 on each side."""
    return F.pad(images, [padding] * 4) if padding else images


def draw(n: int, padding: int, flip: bool, generator: torch.Generator) -> torch.Tensor:
    """(3, n) int64 on the generator's device: crop row and column in 0..2*padding, uniform, and whether to flip (1/2)."""
    at = torch.randint(2 * padding + 1, (2, n), generator=generator, device=generator.device)
    flipped = torch.randint(2 if flip else 1, (1, n), generator=generator, device=generator.device)
    return torch.cat([at, flipped])


def crop_flip(padded: torch.Tensor, rows: torch.Tensor, drawn: torch.Tensor, padding: int) -> torch.Tensor:
    """(B, C, H, W): `padded[rows]`, each cropped at its own place and then mirrored where drawn says so.

    padded (N, C, H + 2 padding, W + 2 padding) contiguous; rows (B,); drawn (3, B) as `draw` gives it. The crops are one
    gather from a strided view that holds every window of every image without copying any.
    """
    n, c, h, w = padded.shape
    k = 2 * padding
    windows = padded.as_strided((n, c, k + 1, k + 1, h - k, w - k), (c * h * w, h * w, w, 1, w, 1))
    y, x, flipped = drawn
    crops = windows[rows, :, y, x]
    return torch.where(flipped.bool()[:, None, None, None], crops.flip(-1), crops)


def random_crop_flip(images: torch.Tensor, padding: int, flip: bool, generator: torch.Generator) -> torch.Tensor:
    """(B, C, H, W) like `images`: each zero-padded, cropped back to its size at random, mirrored with chance 1/2."""
    rows = torch.arange(len(images), device=images.device)
    drawn = draw(len(images), padding, flip, generator).to(images.device)
    return crop_flip(pad(images, padding).contiguous(), rows, drawn, padding)


def normalise(images: torch.Tensor, mean, std) -> torch.Tensor:
    """(B, C, H, W) uint8 -> fp32 channels_last, (x / 255 - mean) / std per channel, as ToTensor and Normalize give it."""
    scale = [1 / (255 * s) for s in std]
    shift = [-m / s for m, s in zip(mean, std)]
    as_channels = lambda values: torch.tensor(values, device=images.device).view(1, -1, 1, 1)  # noqa: E731
    x = images.to(torch.float32, memory_format=torch.channels_last)
    return x.mul_(as_channels(scale)).add_(as_channels(shift))
