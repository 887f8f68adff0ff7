"""Algorithm 1 of SRAAL: the first labels cover the pool, as a variational auto-encoder sees it (Zhang et al., CVPR 2020)."""

from __future__ import annotations

import math

from alnb.acquisition import select
from alnb.errors import BadRequest

SMALLEST = 8  # px, the shorter side of an image


@select(
    "latent_k_center",
    needs=("images",),
    source="SRAAL, algorithm 1",
    nested=True,
)
def latent_k_center(
    view,
    budget,
    rng,
    *,
    first: int = 1,
    steps: int = 150,
    batch: int = 32,
    width: int = 16,
    latent: int = 32,
    beta: float = 1.0,
    lr: float = 1e-3,
    flip: bool = False,
):
    """(budget,) rows, for `initial_labels`: the first I = `first` at random, then again and again the one farthest from all
    chosen, by the mean of its latent code (algorithm 1).

    The reconstructor is trained alone, on all of the pool, before (3.5); steps = 0: not at all. BadRequest for an option out
    of range, for images under 8 px and for a training that diverges.
    """
    from alnb.acquisition.k_center import greedy

    check_latent_k_center(
        first=first, steps=steps, batch=batch, width=width, latent=latent, beta=beta, lr=lr, flip=flip
    )
    shared = view.priority.argsort()
    images = view.images[shared.to(view.images.device)].to(view.device)
    codes = reconstructed(images, rng, steps, batch, width, latent, beta, lr, flip)
    first = min(first, budget)
    picks = list(range(first))  # the shared order is a random one
    if first < budget:
        picks += (greedy(codes[first:], codes[:first], budget - first)[0] + first).tolist()
    return shared[picks]


def check_latent_k_center(*, first, steps, batch, width, latent, beta, lr, flip):
    """BadRequest for an option out of range."""
    whole = {"first": (first, 1), "steps": (steps, 0), "batch": (batch, 2), "width": (width, 1), "latent": (latent, 1)}
    for name, (value, least) in whole.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise BadRequest(f"latent_k_center: {name} = {value!r}; accepted: a whole number from {least}")
    for name, value in {"lr": lr, "beta": beta}.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not number or value < 0 or (name == "lr" and value == 0):
            raise BadRequest(f"latent_k_center: lr = {lr!r}, beta = {beta!r}; accepted: numbers above 0, and from 0")
    if not isinstance(flip, bool):
        raise BadRequest(f"latent_k_center: flip = {flip!r}; accepted: True or False")


def reconstructed(images, rng, steps, batch, width, latent, beta, lr, flip=False):
    """(n, latent) fp32 mu(x) of images (n, 3, H, W) uint8, once the reconstructor was trained on them alone, eq. (1)."""
    import torch

    from alnb.learning.feed import keep_freed_memory
    from alnb.learning.networks import drawn_from
    from alnb.learning.optimisers import Adam
    from alnb.learning.vae import CHUNK, autoencoder, cropped, he, pixels, reconstruction_loss, sample, shuffled

    if images.ndim != 4 or min(images.shape[2:]) < SMALLEST:
        raise BadRequest(
            f"latent_k_center: images of shape {tuple(images.shape[1:])}; accepted: {SMALLEST} px or more a side"
        )
    with drawn_from(rng):
        vae = autoencoder(tuple(images.shape[1:]), width, latent)
        he(vae["encoder"][:-1])
    vae.to(images.device, memory_format=torch.channels_last)
    keep_freed_memory()
    adam, order = Adam(vae.parameters(), lr), shuffled(len(images), batch, rng, "fill")
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=True, deterministic=True, benchmark=False):
        for _ in range(steps):
            x = pixels(images, next(order), rng if flip else None)
            mu, logvar = vae["encoder"](x).chunk(2, 1)
            x_hat = cropped(vae["decoder"](sample(mu, logvar, rng)), x)
            adam.minimise(reconstruction_loss(x, x_hat, mu, logvar, beta))
    vae.eval()
    with torch.no_grad():
        rows = torch.arange(len(images)).split(CHUNK)
        codes = torch.cat([vae["encoder"](pixels(images, part)).chunk(2, 1)[0] for part in rows])
    if not bool(codes.isfinite().all()):
        raise BadRequest(f"latent_k_center: training diverged, mu(x) is not finite; lr {lr} is too high?")
    return codes
