"""Augmentation batched on the device, from uint8 to normalised fp32.

Equal in distribution to torchvision's RandomCrop(size, padding) + RandomHorizontalFlip + ToTensor + Normalize.
The zero border is added in pixel space, before normalisation, so that after it the border is -mean/std and not 0.
"""

from __future__ import annotations

from functools import lru_cache

import torch


def windows(images: torch.Tensor, padding: int, flip: bool) -> torch.Tensor:
    """Every crop of every image, as one strided view: (1 + flip, N, 2 padding + 1, 2 padding + 1, H, W, C) uint8.

    images (N, C, H, W). Entry [m, i, y, x] is image i, mirrored if m is 1, within its border of zeros, cut at row y
    and column x. In memory there are only the padded images, and beside them their mirror images: with these made
    once, a random flip is part of the gather that crops anyway.
    """
    n, c, h, w = images.shape
    places, row = 2 * padding + 1, (w + 2 * padding) * c
    padded = images.new_zeros(1 + flip, n, h + 2 * padding, w + 2 * padding, c)
    inside = padded[:, :, padding : padding + h, padding : padding + w]
    inside[0] = images.permute(0, 2, 3, 1)
    if flip:
        inside[1] = inside[0].flip(2)
    return padded.as_strided((1 + flip, n, places, places, h, w, c), (*padded.stride()[:2], row, c, row, c, 1))


def draw(n: int, padding: int, flip: bool, generator: torch.Generator) -> torch.Tensor:
    """(3, n) int64 on the CPU: mirrored or not (1/2 each), row and column of the crop (uniform in 0..2 padding)."""
    mirrored = torch.randint(1 + flip, (1, n), generator=generator)
    return torch.cat([mirrored, torch.randint(2 * padding + 1, (2, n), generator=generator)])


def gather(windows: torch.Tensor, rows: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    """(B, C, H, W) uint8, channels_last: the windows that `drawn` (3, B) names of the images `rows` (B,)."""
    mirrored, y, x = drawn
    at = (mirrored, rows, y, x)
    if windows.device.type != "cpu":
        return windows[at].permute(0, 3, 1, 2)
    # numpy copies runs of bytes, torch goes byte by byte: a tenth of the time
    return torch.from_numpy(windows.numpy()[tuple(index.numpy() for index in at)]).permute(0, 3, 1, 2)


def normalise(images: torch.Tensor, mean, std) -> torch.Tensor:
    """(B, C, H, W) uint8 -> fp32 channels_last, (x / 255 - mean) / std per channel. Quickest from channels_last."""
    scale, shift = _affine(tuple(mean), tuple(std), *images.shape[2:], images.device)
    return torch.addcmul(shift, images.contiguous(memory_format=torch.channels_last).float(), scale)


@lru_cache(maxsize=16)
def _affine(mean, std, height, width, device):
    """Scale and shift as whole channels_last images: three values broadcast over pixels take five times as long."""
    values = torch.tensor([[1 / (255 * s) for s in std], [-m / s for m, s in zip(mean, std)]], device=device)
    return [v.expand(1, height, width, -1).contiguous().permute(0, 3, 1, 2) for v in values]
