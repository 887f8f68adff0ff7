"""Variational adversarial active learning, VAAL (Sinha, Ebrahimi and Darrell 2019).

Two networks play over images alone: neither labels nor the task's network are asked. A variational auto-encoder maps
an image x to q(z|x) = N(mu, diag exp(logvar)) and back; a discriminator D tells from mu(x) whether x is labelled; the
auto-encoder wants D to take everything for labelled. Asked next is what D finds least like the labelled.

The published networks are wide: convolutions of width, 2, 4 and 8 width channels and hidden layers of 4 width, where
theirs is 128 (23 million weights at 32 px), trained for 39,062 steps of 128 at lr 5e-4 (code, CIFAR). The defaults are
for one CPU core, 12 s at 32 px. With 600 labelled of five classes only, candidates of the other five are then found
with an area under the ROC of 0.8 on glyphs and 0.6 on CIFAR-10.
"""

from __future__ import annotations

import math

from alnb.acquisition import select
from alnb.errors import BadRequest

SMALLEST = 8  # px, the shorter side of an image


@select(
    "vaal",
    needs=("images", "labelled_images"),
    source="Sinha, Ebrahimi, Darrell, Variational adversarial active learning, ICCV 2019",
    nested=True,
    parted="steps",
)
def vaal(
    view,
    budget,
    rng,
    part=None,
    *,
    steps: int = 150,
    batch: int = 32,
    width: int = 16,
    latent: int = 32,
    beta: float = 1.0,
    adversary: float = 1.0,
    lr: float = 1e-3,
    flip: bool = False,
    quirks: bool = False,
):
    """(budget,) rows: the candidates of smallest D(mu(x)), least surely labelled first (Algorithm 2).

    The networks are made and trained anew at every choice; `certainty` says how, and what the options are. Ties
    follow the shared random order. part: see `select`. BadRequest if nothing is labelled, for an option out of range, for
    images under 8 px and for a training that diverges.
    """
    options = dict(steps=steps, batch=batch, width=width, latent=latent, beta=beta, adversary=adversary, lr=lr)
    shared = view.priority.argsort()
    images = view.images
    candidates = images[shared.to(images.device)].to(view.device)
    labelled = view.labelled_images.to(view.device)
    sure = certainty(candidates, labelled, rng, **options, flip=flip, quirks=quirks, part=part)
    if isinstance(sure, dict):
        return sure
    return shared[sure.sort(stable=True).indices.to(shared.device)[:budget]]


def certainty(
    candidates, labelled, rng, *, steps, batch, width, latent, beta, adversary, lr, flip=False, quirks=False, part=None
):  # fmt: skip
    """(U,) fp32 logit of D(mu(x)) of the candidates (U, 3, H, W) uint8 after the game against the labelled
    (L, 3, H, W) uint8 on the same device: large = surely labelled. Of a `part` of the game that is not the last, its state.

    A step is one Adam update of the auto-encoder by `vae_loss`, then one of D by `discriminator_loss` (Algorithm 1),
    on `batch` labelled and `batch` unlabelled images in one pass, so that batch norm does not tell them apart. Each
    set is shuffled, used up and shuffled again. `latent`: size of z; `beta`, `adversary`: weights in `vae_loss`; `lr`:
    of both Adams; `flip`: mirror training images with chance 1/2, as published but nothing for letters. Scored in
    eval mode, unmirrored. `rng`: CPU generator, all chance is drawn from it.

    quirks=True does what the published code does and the paper does not say:
    - the squared error is a mean over batch and pixels, KL a sum over batch and dimensions: z collapses to the prior;
    - two updates of the auto-encoder, each on fresh images, to one of D, which sees the images of the second;
    - labelled and unlabelled images pass apart, batch norm uses the statistics of either;
    - an epoch of the labelled loses its last short batch, an epoch of the candidates keeps it (fewer labelled than
      `batch` make one short batch here, an endless loop there);
    - candidates are scored in training mode, in shuffled batches whose statistics they share, mirrored if `flip`.
    What it does to the task's network, which it trains in the same loop (and evaluates in eval mode for good), to the
    splits of the data and to the number of steps (50,000 * 100 / batch, however few are labelled) has no place here.

    BadRequest as `vaal`.
    """
    import torch

    from alnb.learning.feed import keep_freed_memory
    from alnb.learning.game import go_on, kept
    from alnb.learning.optimisers import Adam
    from alnb.learning.vae import drawn_again, judged, pixels, shuffled, through

    check_vaal(steps=steps, batch=batch, width=width, latent=latent, beta=beta, adversary=adversary, lr=lr, flip=flip,
               quirks=quirks)  # fmt: skip
    _check_images(candidates, labelled)
    vae, critic = networks(tuple(candidates.shape[1:]), width, latent, rng)
    for network in (vae, critic):
        network.to(candidates.device, memory_format=torch.channels_last)
    keep_freed_memory()
    feeds = [
        (labelled, shuffled(len(labelled), batch, rng, "drop" if quirks else "fill")),
        (candidates, shuffled(len(candidates), batch, rng, "keep" if quirks else "fill")),
    ]
    phi, psi = Adam(vae.parameters(), lr), Adam(critic.parameters(), lr)
    begin, end = (part.begin, part.end) if part else (0, steps)
    both, turns = torch.nn.ModuleDict({"vae": vae, "critic": critic}), 2 if quirks else 1
    go_on(part and part.state, begin, both, phi, psi)
    for _ in range(begin * turns):
        drawn_again([order for _, order in feeds], rng, latent, flip)
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, benchmark=False):
        for _ in range(begin, end):
            for _ in range(turns):
                x = [pixels(images, next(rows), rng if flip else None) for images, rows in feeds]
                phi.minimise(vae_loss(vae, critic, x, rng, beta=beta, adversary=adversary, quirks=quirks))
            with torch.no_grad():
                codes = through(vae["encoder"], x, quirks)
            psi.minimise(discriminator_loss(*(critic(code.chunk(2, 1)[0]).squeeze(1) for code in codes)))
        if end < steps:
            return kept(end, both, phi, psi)
        sure = judged(vae["encoder"], critic, candidates, batch, rng, flip, quirks)
    if not bool(sure.isfinite().all()):
        raise BadRequest(f"vaal: training diverged, D(mu(x)) is not finite; lr {lr} is too high?")
    return sure


# --- losses -------------------------------------------------------------------------------------------------


def vae_loss(vae, critic, x, rng, *, beta, adversary, quirks=False):
    """L_VAE (eq. 4) of x = [labelled, unlabelled] pixels (B, 3, H, W): lambda_1 L_trd + lambda_2 L_adv, with lambda_1
    = 1 as in the paper and lambda_2 = `adversary`. z is drawn from q(z|x) by `rng`, D sees mu."""
    from alnb.learning.vae import cropped, reconstruction_loss, sample, through

    codes = [code.chunk(2, 1) for code in through(vae["encoder"], x, quirks)]
    z = [sample(*code, rng) for code in codes]
    elbo = published_loss if quirks else reconstruction_loss
    pairs = zip(x, through(vae["decoder"], z, quirks), codes)
    trd = sum(elbo(pixels, cropped(back, pixels), *code, beta) for pixels, back, code in pairs)
    adv = adversarial_loss(*(critic(mu).squeeze(1) for mu, _ in codes))
    return trd + adversary * adv


def published_loss(x, x_hat, mu, logvar, beta):
    """One half of L_trd (eq. 1) in the published code: the mean of the squared errors, beta times the sum of all KL."""
    from alnb.learning.vae import kl

    return (x - x_hat).square().mean() + beta * kl(mu, logvar).sum()


def adversarial_loss(labelled, unlabelled):
    """L_adv (eq. 2) for logits (B,) of D: both should be taken for labelled."""
    from alnb.learning.vae import surprise

    return surprise(labelled) + surprise(unlabelled)


def discriminator_loss(labelled, unlabelled):
    """L_D (eq. 3) for logits (B,) of D: -E[log D] of the labelled, -E[log(1 - D)] of the unlabelled."""
    from alnb.learning.vae import surprise

    return surprise(labelled) + surprise(-unlabelled)


# --- networks -----------------------------------------------------------------------------------------------


def networks(shape, width: int, latent: int, rng):
    """The auto-encoder (see `learning.vae.autoencoder`) for images of `shape` (channels, H, W), and D, (B, latent) ->
    (B, 1). He's initialisation before a ReLU and in D, else PyTorch's: one draw from `rng`."""
    from alnb.learning.networks import drawn_from
    from alnb.learning.vae import autoencoder, he, perceptron

    with drawn_from(rng):
        vae = autoencoder(shape, width, latent)
        critic = perceptron(latent, *[4 * width] * 4, 1)
        he([*vae["encoder"][:-1], *critic])
    return vae, critic


def check_vaal(*, steps, batch, width, latent, beta, adversary, lr, flip, quirks):
    """BadRequest for an option out of range."""
    whole = {"steps": (steps, 1), "batch": (batch, 2), "width": (width, 1), "latent": (latent, 1)}
    for name, (value, least) in whole.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise BadRequest(f"vaal: {name} = {value!r}; accepted: a whole number from {least}")
    for name, value in {"beta": beta, "adversary": adversary, "lr": lr}.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not number or value < 0 or (name == "lr" and value == 0):
            raise BadRequest(f"vaal: {name} = {value!r}; accepted: a number {'above' if name == 'lr' else 'from'} 0")
    for name, value in {"flip": flip, "quirks": quirks}.items():
        if not isinstance(value, bool):
            raise BadRequest(f"vaal: {name} = {value!r}; accepted: True or False")


def _check_images(candidates, labelled):
    if candidates.ndim != 4:
        raise BadRequest(f"vaal wants images, (U, channels, H, W), not candidates of shape {tuple(candidates.shape)}")
    if len(labelled) == 0:
        raise BadRequest("vaal: nothing is labelled; accepted: at least one labelled image to compare with")
    if min(candidates.shape[2:]) < SMALLEST:
        raise BadRequest(f"vaal: images of {tuple(candidates.shape[2:])} px; accepted: {SMALLEST} px or more a side")
