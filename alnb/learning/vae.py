"""The parts of a convolutional variational auto-encoder: networks, losses, the shuffled pixels they are fed, and what a
game against a critic of its codes shares.

It maps an image x to q(z|x) = N(mu, diag exp(logvar)) and back. Kingma and Welling 2014; the networks are VAAL's.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import nn
from torch.nn import functional as F

CHUNK = 256  # images encoded at once when all are scored


def autoencoder(shape, width: int, latent: int) -> nn.ModuleDict:
    """Encoder, images of `shape` (channels, H, W) -> (B, 2 latent: mu, logvar), and decoder, (B, latent) -> images.

    Four strided 4 x 4 convolutions of width, 2, 4 and 8 width channels and three transposed back, fewer under 32 px
    so that 2 px remain; the decoder's image may exceed an odd H or W. PyTorch's initialisation, from the global
    generator; what ReLUs follow is meant for `he`: `he(parts["encoder"][:-1])`.
    """
    channels, height, breadth = shape
    depth = min(4, min(height, breadth).bit_length() - 2)
    widths = [width << i for i in range(depth)]
    down, up = [], []
    for before, after in zip([channels, *widths], widths):
        down += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    for before, after in zip(widths[:0:-1], widths[-2::-1]):
        up += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    low = (height >> depth) * (breadth >> depth) * widths[-1]
    start = (widths[-1], -(-height >> depth - 1), -(-breadth >> depth - 1))
    encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(low, 2 * latent))
    decoder = nn.Sequential(
        nn.Linear(latent, math.prod(start)), nn.Unflatten(1, start), *up, nn.Conv2d(width, channels, 1)
    )
    return nn.ModuleDict({"encoder": encoder, "decoder": decoder})


def perceptron(*sizes: int) -> nn.Sequential:
    """Linear layers from sizes[0] to sizes[-1] values, a ReLU between two; PyTorch's initialisation."""
    layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def he(layers) -> None:
    """He's initialisation before a ReLU of every convolution and linear layer in `layers`, biases 0."""
    for layer in layers:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def sample(mu, logvar, generator):
    """(B, latent) z drawn from q(z|x)."""
    noise = torch.randn(mu.shape, generator=generator).to(mu.device)
    return mu + noise * (logvar / 2).exp()


def kl(mu, logvar):
    """(B,) KL(N(mu, diag exp(logvar)) || N(0, 1)) in nats, for (B, latent) each."""
    return (mu.square() + logvar.exp() - logvar - 1).sum(1) / 2


def reconstruction_loss(x, x_hat, mu, logvar, beta):
    """-E[log p(x|z)] + beta KL(q(z|x) || p(z)) in nats an image, mean over the batch, for p(x|z) = N(x_hat, 1) on
    pixels in [-1, 1], up to its constant."""
    return ((x - x_hat).square().flatten(1).sum(1) / 2 + beta * kl(mu, logvar)).mean()


def surprise(logits):
    """-E[log D] of logits (B,) of D, nats."""
    return F.softplus(-logits).mean()  # -log sigmoid


def cropped(x_hat, x):
    """The decoder's image at the size of x (..., H, W)."""
    return x_hat[..., : x.shape[-2], : x.shape[-1]]


def shuffled(n: int, batch: int, generator, short: str):
    """Endless batches of rows of n images, each row once an epoch, reshuffled. A short batch at the end of an epoch is
    filled up from the next one ("fill"), kept ("keep") or dropped, unless it is the only one ("drop")."""
    left = torch.empty(0, dtype=torch.int64)
    while True:
        if short == "fill":
            while len(left) < batch:
                left = torch.cat([left, torch.randperm(n, generator=generator)])
            yield left[:batch]
            left = left[batch:]
        else:
            parts = torch.randperm(n, generator=generator).split(batch)
            yield from parts[:-1] if short == "drop" and 0 < n % batch < n else parts


def pixels(images, rows, generator=None):
    """Images (n, C, H, W) uint8 at `rows` (B,) -> (B, C, H, W) fp32 in [-1, 1]; mirrored with chance 1/2 if there is
    a `generator`."""
    x = images[rows.to(images.device)].contiguous(memory_format=torch.channels_last).float() / 127.5 - 1
    if generator is None:
        return x
    mirrored = torch.rand(len(rows), generator=generator) < 0.5
    return torch.where(mirrored.to(x.device)[:, None, None, None], x.flip(3), x)


def drawn_again(orders, generator, size: int, flip: bool, apart: bool = True) -> None:
    """Draw what a turn of a game draws and forget it: rows of either set, by `shuffled`, what is mirrored (`pixels`), and codes
    of `size` values (`sample`). apart: each set's rows and mirrors, then the other's; else the rows of both first."""
    rows = []
    for order in orders:
        rows.append(next(order))
        if flip and apart:
            torch.rand(len(rows[-1]), generator=generator)
    for at in rows if flip and not apart else ():
        torch.rand(len(at), generator=generator)
    for at in rows:
        torch.randn(len(at), size, generator=generator)


def through(network, batches, apart: bool):
    """What the network makes of each batch, in one pass for all or, `apart`, one for each: batch norm tells then which."""
    if apart:
        return [network(batch) for batch in batches]
    return network(torch.cat(batches)).split([len(batch) for batch in batches])


@torch.no_grad()
def judged(encoder, critic, images, batch: int, generator, flip: bool, training: bool):
    """(n,) logit of the critic on mu(x) of images (n, C, H, W) uint8, in eval mode; `training`: in training mode and
    shuffled batches, whose statistics they share, mirrored if `flip`, as the public codes of VAAL and SRAAL do."""
    n = len(images)
    rows = torch.randperm(n, generator=generator) if training else torch.arange(n)
    encoder.train(training)
    logits = torch.empty(n, device=images.device)
    for part in rows.split(batch if training else CHUNK):
        mu, _ = encoder(pixels(images, part, generator if training and flip else None)).chunk(2, 1)
        logits[part.to(logits.device)] = critic(mu).squeeze(1)
    return logits
