"""Density maps: what a network that counts is trained for, and what its maps say."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from alnb.learning.augment import normalise
from alnb.learning.modes import autocast, evaluating


def density(points, height: int, width: int, sigma: float, window: int):
    """(height, width) fp32 people a pixel: a Gaussian of deviation `sigma` pixels on every head, points (n, 2) x and y, cut to
    `window` x `window` pixels around the head's pixel and to the image, and scaled so that each sums to 1.

    A Gaussian and its cuts are products of one along y and one along x, so the sum over heads is one matrix product.
    """
    points = torch.as_tensor(points, dtype=torch.float32).reshape(-1, 2)
    along = []
    for values, size in ((points[:, 1], height), (points[:, 0], width)):
        away = torch.arange(size) - values.floor().clamp(0, size - 1)[:, None]
        own = (-away.square() / (2 * sigma**2)).exp() * (away.abs() <= window // 2)
        along.append(own / own.sum(1, keepdim=True))
    return along[0].T @ along[1]


def enlarged(maps, height: int, width: int):
    """(B, 1, h, w) -> (B, height, width): every value where its block of pixels is, as the framework enlarges its maps."""
    return F.interpolate(maps, size=(height, width), mode="nearest").squeeze(1)


def squared_error(outputs, y, epoch, rows, scale: float = 100.0):
    """(B,) mean over the pixels of (map - scale density)^2, the loss of counting (see `learning.losses`). outputs (B, 1, h, w), y
    (B, H, W) densities, which are small numbers: so the C-3 framework multiplies them (its LOG_PARA is 100)."""
    return (enlarged(outputs, *y.shape[1:]) - scale * y).square().mean((1, 2))


def maps(network, images, *, mean, std, device, precision: str = "fp32", batch: int = 250):
    """(maps (N, h, w) fp32 as the network gives them, pooled features (N, D)) of images (N, C, H, W) uint8, in eval mode, by
    the test transform."""
    found, features = [], []
    with evaluating(network), torch.no_grad():
        network.to(device, memory_format=torch.channels_last)
        quick = network.folded() if torch.device(device).type == "cpu" else network
        for start in range(0, len(images), batch):
            with autocast(device, precision):
                *_, last = quick.blocks(normalise(images[start : start + batch].to(device), mean, std))
                found.append(quick.decode(last).float().squeeze(1))
                features.append((quick.body if hasattr(quick, "predictors") else quick).pooled(last).float())
    return torch.cat(found), torch.cat(features)


def counts(maps, pixels: int, scale: float = 100.0):
    """(N,) people in images of so many pixels, from maps (N, h, w): the sum of the enlarged map over `scale`."""
    return maps.double().mean((1, 2)) * pixels / scale


def entropies(maps, pixels: int):
    """(N,) nats: the entropy of the softmax over all `pixels` of the enlarged map, "applying the softmax to the output density
    map" (L2R-AL sec. IV-D). A block of equal pixels shares its cell's probability, which adds the logarithm of its size."""
    log_p = maps.double().flatten(1).log_softmax(1)
    cells = log_p.shape[1]
    return -(log_p.exp() * log_p).sum(1) + torch.log(torch.tensor(pixels / cells, dtype=torch.float64))


def share_entropies(maps, pixels: int):
    """The same of what share of the people is where, p = map / its sum: the control that does not forget the scale. 0 people:
    all alike."""
    cells = maps.double().clamp_min(0).flatten(1)
    total = cells.sum(1, keepdim=True)
    p = torch.where(total > 0, cells / total.clamp_min(1e-300), torch.full_like(cells, 1 / cells.shape[1]))
    return torch.special.entr(p).sum(1) + torch.log(torch.tensor(pixels / cells.shape[1], dtype=torch.float64))


class Densities:
    """A feed (see `learning.feed`): images (n, C, H, W) uint8 and their densities (n, H, W), cut and mirrored together.

    crop: (height, width) of a random part of each image, None: whole images. flip: mirrored with chance 1/2. Both stay where
    they are, a batch at a time goes to `device`.
    """

    def __init__(self, images, densities, *, mean, std, crop=None, flip: bool = False, device="cpu"):
        self.images, self.densities, self.mean, self.std = images, densities, mean, std
        self.whole = tuple(images.shape[2:])
        self.crop, self.flip, self.device = crop or self.whole, flip, device

    def __len__(self):
        return len(self.images)

    def draw(self, generator):
        """(3, n): mirrored or not, first row and column of the part."""
        n = len(self)
        if generator is None:
            return torch.zeros(3, n, dtype=torch.int64)
        free = [whole - part + 1 for whole, part in zip(self.whole, self.crop)]
        ends = [1 + self.flip, *free]
        return torch.cat([torch.randint(end, (1, n), generator=generator) for end in ends])

    def batch(self, rows, part, drawn):
        rows, (mirrored, top, left) = rows[part].to(self.images.device), drawn[:, part]
        x, y = self.images[rows], self.densities[rows]
        (high, wide), whole = self.crop, self.crop == self.whole
        if not whole:
            places = list(zip(top.tolist(), left.tolist()))
            x = torch.stack([one[:, i : i + high, j : j + wide] for one, (i, j) in zip(x, places)])
            y = torch.stack([one[i : i + high, j : j + wide] for one, (i, j) in zip(y, places)])
        turned = mirrored.bool().to(x.device)
        x = torch.where(turned[:, None, None, None], x.flip(3), x)
        y = torch.where(turned[:, None, None], y.flip(2), y)
        return normalise(x.to(self.device), self.mean, self.std), y.to(self.device)
