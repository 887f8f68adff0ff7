"""Random erasing (Zhong et al. 2020): a rectangle of an image is taken out."""

from __future__ import annotations

import math

import torch

TRIES = 10  # rectangles that are drawn before one that fits is given up, as in torchvision


def erase(images, chance: float, generator: torch.Generator, area=(0.02, 0.33), aspect=(0.3, 3.3)):
    """(B, C, H, W) normalised images, with `chance` each a rectangle of it 0, which is the mean.

    area: its share of the image, uniform; aspect: height to width, uniform in the logarithm. Equal in distribution to
    torchvision's RandomErasing(p, area, aspect, value=0) (tested). Draws as much for every batch of a size.
    """
    n, (height, width) = len(images), images.shape[2:]
    hit = torch.rand(n, generator=generator) < chance
    share = torch.empty(n, TRIES).uniform_(*area, generator=generator) * height * width
    ratio = torch.empty(n, TRIES).uniform_(*map(math.log, aspect), generator=generator).exp()
    h, w = (share * ratio).sqrt().round(), (share / ratio).sqrt().round()
    fits = (h < height) & (w < width)
    first = fits.float().argmax(1, keepdim=True)
    h, w = (each.gather(1, first).squeeze(1) for each in (h, w))
    top, left = (torch.rand(2, n, generator=generator) * torch.stack([height - h + 1, width - w + 1])).floor()
    y, x = torch.arange(height)[:, None], torch.arange(width)
    inside = (y >= top[:, None, None]) & (y < (top + h)[:, None, None])
    inside = inside & (x >= left[:, None, None]) & (x < (left + w)[:, None, None])
    inside = inside & (hit & fits.any(1))[:, None, None]
    return images.masked_fill(inside[:, None].to(images.device), 0.0)
