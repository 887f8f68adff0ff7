"""Views of an image for self-supervised learning, batched on the device: torchvision's RandomResizedCrop, ColorJitter,
RandomGrayscale, GaussianBlur and RandomHorizontalFlip, in distribution, in the order of SimSiam's code.

Pixels are floats in [0, 1] from the crop on: torchvision rounds them to 256 levels after each step, these do not. An image
keeps its size, so a crop is only ever enlarged, and interpolation is two products with matrices of hat functions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from alnb.errors import BadRequest

TRIES = 10  # of a crop that fits, as torchvision's
RATIO = 3 / 4, 4 / 3
GREY = 0.2989, 0.587, 0.114  # torchvision's weights of red, green and blue
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


@dataclass(frozen=True)
class Policy:
    """What may happen to a view: chances and strengths of thesis 5.4, which are SimSiam's.

    scale: smallest share of the area a crop may have (largest: 1). jitter: brightness, contrast, saturation, hue; changed
    with chance jitter_chance. blur: chance of a Gaussian blur, its deviation uniform in blur_sigma, its kernel a tenth of
    the side (3 pixels at least), as Chen et al. 2020. flip: whether a mirror image, with chance 1/2, is one of the class.
    """

    scale: float = 0.2
    flip: bool = True
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1)
    jitter_chance: float = 0.8
    grey_chance: float = 0.2
    blur_chance: float = 0.5
    blur_sigma: tuple[float, float] = (0.1, 2.0)


# --- chance ---------------------------------------------------------------------------------------------------------------


def draw(n: int, height: int, width: int, policy: Policy, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """One view's random choices for n images, on the CPU: box (n, 4) top, left, height, width; mirrored, jittered, grey,
    blurred (n,) bool; factors (n, 4) of the colours; order (n, 4), which colour operation comes when; sigma (n,)."""

    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(shape, generator=generator)

    strengths = torch.tensor(policy.jitter)
    factors = 2 * torch.rand(n, 4, generator=generator) - 1
    lowest = (1 - strengths[:3]).clamp_min(0)
    centre, reach = (1 + strengths[:3] + lowest) / 2, (1 + strengths[:3] - lowest) / 2
    factors = torch.cat([centre + reach * factors[:, :3], strengths[3] * factors[:, 3:]], 1)
    chance = torch.rand(4, n, generator=generator)
    return {
        "box": boxes(n, height, width, policy.scale, generator), "mirrored": (chance[0] < 0.5) & policy.flip,
        "jittered": chance[1] < policy.jitter_chance, "grey": chance[2] < policy.grey_chance,
        "blurred": chance[3] < policy.blur_chance, "factors": factors,
        "order": torch.rand(n, 4, generator=generator).argsort(1), "sigma": uniform(*policy.blur_sigma, n),
    }  # fmt: skip


def boxes(n: int, height: int, width: int, scale: float, generator: torch.Generator) -> torch.Tensor:
    """(n, 4) int64 top, left, height and width of crops: area uniform in [scale, 1] of the image's, ratio log-uniform in
    RATIO, the first of TRIES that fits; else the largest middle crop whose ratio is allowed."""
    area = height * width * (scale + (1 - scale) * torch.rand(n, TRIES, generator=generator, dtype=torch.float64))
    low, high = map(math.log, RATIO)
    ratio = (low + (high - low) * torch.rand(n, TRIES, generator=generator, dtype=torch.float64)).exp()
    w, h = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()
    fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
    first = fits.int().argmax(1, keepdim=True)
    h, w = h.gather(1, first)[:, 0], w.gather(1, first)[:, 0]
    own = width / height
    middle_h = height if own >= RATIO[0] else round(width / RATIO[0])
    middle_w = width if own <= RATIO[1] else round(height * RATIO[1])
    lost = ~fits.any(1)
    h, w = h.masked_fill(lost, middle_h), w.masked_fill(lost, middle_w)
    place = torch.rand(2, n, generator=generator, dtype=torch.float64)
    top, left = (place[0] * (height - h + 1)).long(), (place[1] * (width - w + 1)).long()
    top, left = top.where(~lost, (height - h) // 2), left.where(~lost, (width - w) // 2)
    return torch.stack([top, left, h, w], 1)


# --- what is done -----------------------------------------------------------------------------------------------------------


def view(images: torch.Tensor, drawn: dict[str, torch.Tensor]) -> torch.Tensor:
    """(B, 3, H, W) fp32 in [0, 1] of images (B, 3, H, W) uint8, changed as drawn (`draw`, on the images' device)."""
    x = resized_crop(images.float() / 255, drawn["box"], drawn["mirrored"])
    x = jittered(x, drawn["factors"], drawn["order"], drawn["jittered"])
    if bool(drawn["grey"].any()):
        x = torch.where(drawn["grey"].view(-1, 1, 1, 1), _grey(x), x)
    rows = drawn["blurred"].nonzero()[:, 0]
    if len(rows):
        x = x.index_copy(0, rows, blur(x[rows], drawn["sigma"][rows]))
    return x


def resized_crop(x: torch.Tensor, box: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
    """(B, C, H, W): the crop `box` (B, 4) of each image of x (B, C, H, W), bilinearly enlarged to the image's own size,
    mirrored where `mirrored` (B,) says so. torchvision's `resized_crop`, whose antialiasing does nothing to what grows."""
    top, left, height, width = box.unbind(1)
    rows = _hats(top, height, x.shape[2])
    columns = _hats(left, width, x.shape[3])
    columns = torch.where(mirrored.view(-1, 1, 1), columns.flip(1), columns)
    return torch.einsum("bih,bchw,bjw->bcij", rows, x, columns)


def _hats(start: torch.Tensor, length: torch.Tensor, size: int) -> torch.Tensor:
    """(B, size, size): how much of each pixel of a line is in each of the `size` that the stretch becomes."""
    place = torch.arange(size, device=start.device) + 0.5
    at = (place * (length / size).unsqueeze(1) - 0.5).clamp_min(0).minimum((length - 1).unsqueeze(1).float())
    at = at + start.unsqueeze(1)
    return (1 - (at.unsqueeze(2) - torch.arange(size, device=start.device)).abs()).clamp_min(0)


def jittered(x: torch.Tensor, factors: torch.Tensor, order: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """x (B, 3, H, W) where `which` (B,): its colours changed by `factors` (B, 4), in each image's own `order` (B, 4)."""
    x = x.clone()
    for turn in range(4):
        for operation, change in enumerate((_brighter, _contrasted, _saturated, _turned)):
            rows = (which & (order[:, turn] == operation)).nonzero()[:, 0]
            if len(rows):
                x[rows] = change(x[rows], factors[rows, operation].view(-1, 1, 1, 1))
    return x


def _grey(x):
    red, green, blue = x.unbind(1)
    return (GREY[0] * red + GREY[1] * green + GREY[2] * blue).unsqueeze(1)


def _brighter(x, factor):
    return (x * factor).clamp_(0, 1)


def _contrasted(x, factor):
    return (x * factor + (1 - factor) * _grey(x).mean((1, 2, 3), keepdim=True)).clamp_(0, 1)


def _saturated(x, factor):
    return (x * factor + (1 - factor) * _grey(x)).clamp_(0, 1)


def _turned(x, by):
    """The hue turned by `by` turns: RGB to hue, saturation, value and back, by torchvision's formulas."""
    value, least = x.amax(1), x.amin(1)
    spread = value - least
    grey = spread == 0
    share = spread / torch.where(grey, 1, value)
    red, green, blue = ((value.unsqueeze(1) - x) / torch.where(grey, 1, spread).unsqueeze(1)).unbind(1)
    is_red, is_green = x[:, 0] == value, x[:, 1] == value
    hue = torch.where(is_red, blue - green, torch.where(is_green, 2 + red - blue, 4 + green - red))
    hue = (torch.where(grey, 0, hue) / 6 + by[:, :, 0, 0].unsqueeze(2)) % 1
    # the channel n of 5, 3, 1 is value (1 - share max(0, min(k, 4 - k, 1))), k = (n + 6 hue) mod 6
    k = (torch.tensor([5.0, 3.0, 1.0], device=x.device).view(1, 3, 1, 1) + 6 * hue.unsqueeze(1)) % 6
    return value.unsqueeze(1) * (1 - share.unsqueeze(1) * k.minimum(4 - k).clamp(0, 1))


def blur(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """x (B, C, H, W) blurred, each image by its own sigma (B,) pixels; reflected at the border, as torchvision's."""
    return torch.einsum("bih,bchw,bjw->bcij", _gauss(sigma, x.shape[2]), x, _gauss(sigma, x.shape[3]))


def kernel(side: int) -> int:
    """Odd width of the blur's kernel in pixels: a tenth of the side, 3 at least."""
    return max(3, 2 * (side // 20) + 1)


def _gauss(sigma, side):
    """(B, side, side): the blur of a line as a matrix."""
    reach = kernel(side) // 2
    if reach >= side:
        raise BadRequest(f"images of {side} pixels a side are too small to be blurred: 2 at least")
    offsets = torch.arange(-reach, reach + 1, device=sigma.device)
    weights = (-0.5 * (offsets / sigma.unsqueeze(1)).square()).exp()
    weights = weights / weights.sum(1, keepdim=True)
    at = (torch.arange(side, device=sigma.device).unsqueeze(1) + offsets).abs()
    at = torch.where(at > side - 1, 2 * (side - 1) - at, at).expand(len(sigma), -1, -1)
    matrix = torch.zeros(len(sigma), side, side, device=sigma.device)
    return matrix.scatter_add_(2, at, weights.unsqueeze(1).expand_as(at))


# --- a feed (see learning.feed) -----------------------------------------------------------------------------------------------


class Views:
    """Two views of each image: x = (x1, x2), each (B, 3, H, W) normalised and channels_last; y is which images they are.

    images (n, 3, H, W) uint8 are taken to `device` once. BadRequest for none, or others.
    """

    def __init__(self, images, policy: Policy, *, mean, std, device="cpu"):
        if len(images) == 0 or images.ndim != 4 or images.dtype != torch.uint8:
            raise BadRequest(
                f"views are made of images (n, 3, H, W) uint8; given {tuple(images.shape)}, {images.dtype}"
            )
        self.images, self.policy, self.device = images.to(device), policy, device
        self.mean, self.std = (torch.tensor(value, device=device).view(1, 3, 1, 1) for value in (mean, std))

    def __len__(self):
        return len(self.images)

    def draw(self, generator):
        size = self.images.shape[2:]
        return [draw(len(self), *size, self.policy, generator) for _ in range(2)]

    def batch(self, rows, part, drawn):
        images, found = self.images[rows[part]], []
        for one in drawn:
            here = {name: value[part].to(self.device) for name, value in one.items()}
            x = (view(images, here) - self.mean) / self.std
            found.append(x.contiguous(memory_format=torch.channels_last))
        return tuple(found), rows[part]
