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

import itertools
import math

from alnb.acquisition import select
from alnb.errors import BadRequest

SMALLEST = 8  # px, the shorter side of an image
CHUNK = 256  # images encoded at once when all are scored


@select(
    "vaal",
    needs=("images", "labelled_images"),
    source="Sinha, Ebrahimi, Darrell, Variational adversarial active learning, ICCV 2019",
    nested=True,
)
def vaal(
    view,
    budget,
    rng,
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
    follow the shared random order. BadRequest if nothing is labelled, for an option out of range, for images under
    8 px and for a training that diverges.
    """
    options = dict(steps=steps, batch=batch, width=width, latent=latent, beta=beta, adversary=adversary, lr=lr)
    shared = view.priority.argsort()
    images = view.images
    candidates = images[shared.to(images.device)].to(view.device)
    sure = certainty(candidates, view.labelled_images.to(view.device), rng, **options, flip=flip, quirks=quirks)
    return shared[sure.sort(stable=True).indices.to(shared.device)[:budget]]


def certainty(candidates, labelled, rng, *, steps, batch, width, latent, beta, adversary, lr, flip=False, quirks=False):
    """(U,) fp32 logit of D(mu(x)) of the candidates (U, 3, H, W) uint8 after the game against the labelled
    (L, 3, H, W) uint8 on the same device: large = surely labelled.

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

    from alnb.learning.engine import KEPT_BYTES

    _check(candidates, labelled, steps, batch, width, latent, beta, adversary, lr, flip, quirks)
    vae, critic = networks(tuple(candidates.shape[1:]), width, latent, rng)
    for part in (vae, critic):
        part.to(candidates.device, memory_format=torch.channels_last)
    torch.empty(KEPT_BYTES, dtype=torch.uint8)  # released at once, see there: a quarter of the time at 32 px
    feeds = [
        (labelled, feed(len(labelled), batch, rng, "drop" if quirks else "fill")),
        (candidates, feed(len(candidates), batch, rng, "keep" if quirks else "fill")),
    ]
    phi, psi = Adam(vae.parameters(), lr), Adam(critic.parameters(), lr)
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, benchmark=False):
        for _ in range(steps):
            for _ in range(2 if quirks else 1):
                x = [_pixels(images, next(rows), rng if flip else None) for images, rows in feeds]
                phi.step(vae_loss(vae, critic, x, rng, beta=beta, adversary=adversary, quirks=quirks))
            with torch.no_grad():
                codes = _through(vae["encoder"], x, quirks)
            psi.step(discriminator_loss(*(critic(code.chunk(2, 1)[0]).squeeze(1) for code in codes)))
        sure = _score(vae["encoder"], critic, candidates, batch, rng, flip, quirks)
    if not bool(sure.isfinite().all()):
        raise BadRequest(f"vaal: training diverged, D(mu(x)) is not finite; lr {lr} is too high?")
    return sure


# --- losses -------------------------------------------------------------------------------------------------


def vae_loss(vae, critic, x, rng, *, beta, adversary, quirks=False):
    """L_VAE (eq. 4) of x = [labelled, unlabelled] pixels (B, 3, H, W): lambda_1 L_trd + lambda_2 L_adv, with lambda_1
    = 1 as in the paper and lambda_2 = `adversary`. z is drawn from q(z|x) by `rng`, D sees mu."""
    import torch

    codes = [code.chunk(2, 1) for code in _through(vae["encoder"], x, quirks)]
    noise = [torch.randn(mu.shape, generator=rng).to(mu.device) for mu, _ in codes]
    z = [mu + epsilon * (logvar / 2).exp() for (mu, logvar), epsilon in zip(codes, noise)]
    elbo = published_loss if quirks else reconstruction_loss
    pairs = zip(x, _through(vae["decoder"], z, quirks), codes)
    trd = sum(elbo(pixels, _cropped(back, pixels), *code, beta) for pixels, back, code in pairs)
    adv = adversarial_loss(*(critic(mu).squeeze(1) for mu, _ in codes))
    return trd + adversary * adv


def reconstruction_loss(x, x_hat, mu, logvar, beta):
    """One half of L_trd (eq. 1): -E[log p(x|z)] + beta KL(q(z|x) || p(z)) in nats an image, mean over the batch, for
    p(x|z) = N(x_hat, 1) on pixels in [-1, 1], up to its constant."""
    return ((x - x_hat).square().flatten(1).sum(1) / 2 + beta * kl(mu, logvar)).mean()


def published_loss(x, x_hat, mu, logvar, beta):
    """The same half in the published code: the mean of the squared errors, beta times the sum of all KL."""
    return (x - x_hat).square().mean() + beta * kl(mu, logvar).sum()


def kl(mu, logvar):
    """(B,) KL(N(mu, diag exp(logvar)) || N(0, 1)) in nats, for (B, latent) each."""
    return (mu.square() + logvar.exp() - logvar - 1).sum(1) / 2


def adversarial_loss(labelled, unlabelled):
    """L_adv (eq. 2) for logits (B,) of D: both should be taken for labelled."""
    return _surprise(labelled) + _surprise(unlabelled)


def discriminator_loss(labelled, unlabelled):
    """L_D (eq. 3) for logits (B,) of D: -E[log D] of the labelled, -E[log(1 - D)] of the unlabelled."""
    return _surprise(labelled) + _surprise(-unlabelled)


def _surprise(logits):
    from torch.nn import functional as F

    return F.softplus(-logits).mean()  # -log sigmoid


# --- networks and what they are fed -------------------------------------------------------------------------


def networks(shape, width: int, latent: int, rng):
    """The auto-encoder, a ModuleDict of encoder (B, 2 latent: mu, logvar) and decoder, and D, (B, latent) -> (B, 1).

    For images of `shape` (channels, H, W): four strided 4 x 4 convolutions and three transposed back, fewer under
    32 px so that 2 px remain; the decoder's image may exceed an odd H or W. He's initialisation before a ReLU and in
    D, else PyTorch's: one draw from `rng`, the global generator is left alone.
    """
    import torch
    from torch import nn

    channels, height, breadth = shape
    depth = min(4, min(height, breadth).bit_length() - 2)
    widths = [width << i for i in range(depth)]
    seed = int(torch.randint(2**62, (), generator=rng))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
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
        sizes = [latent, *[4 * width] * 4]
        hidden = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
        critic = nn.Sequential(*hidden, nn.Linear(4 * width, 1))
        for layer in [*down, *critic]:
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
    return nn.ModuleDict({"encoder": encoder, "decoder": decoder}), critic


def feed(n: int, batch: int, rng, short: str):
    """Endless batches of rows of n images, each row once an epoch, reshuffled. A short batch at the end of an epoch is
    filled up from the next one ("fill"), kept ("keep") or dropped, unless it is the only one ("drop")."""
    import torch

    left = torch.empty(0, dtype=torch.int64)
    while True:
        if short == "fill":
            while len(left) < batch:
                left = torch.cat([left, torch.randperm(n, generator=rng)])
            yield left[:batch]
            left = left[batch:]
        else:
            parts = torch.randperm(n, generator=rng).split(batch)
            yield from parts[:-1] if short == "drop" and 0 < n % batch < n else parts


class Adam:
    """PyTorch's fused Adam update, bit for bit `torch.optim.Adam(fused=True)`, called as a function: the class would
    import PyTorch's compiler."""

    def __init__(self, parameters, lr: float):
        import torch

        self.parameters, self.lr = list(parameters), lr
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.steps = [torch.zeros((), device=p.device) for p in self.parameters]

    def step(self, loss):
        """One update of these parameters alone, whatever else `loss` depends on."""
        import torch
        from torch.optim.adam import adam

        gradients = torch.autograd.grad(loss, self.parameters)
        with torch.no_grad():
            adam(
                self.parameters, list(gradients), self.means, self.squares, [], self.steps,
                fused=True, amsgrad=False, maximize=False, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0, lr=self.lr,
            )  # fmt: skip


def _score(encoder, critic, candidates, batch, rng, flip, quirks):
    """(U,) logit of D(mu(x)), in eval mode, but with `quirks` in training mode and shuffled batches."""
    import torch

    n = len(candidates)
    rows = torch.randperm(n, generator=rng) if quirks else torch.arange(n)
    encoder.train(quirks)
    sure = torch.empty(n, device=candidates.device)
    with torch.no_grad():
        for part in rows.split(batch if quirks else CHUNK):
            mu, _ = encoder(_pixels(candidates, part, rng if quirks and flip else None)).chunk(2, 1)
            sure[part.to(sure.device)] = critic(mu).squeeze(1)
    return sure


def _pixels(images, rows, rng=None):
    """Images (n, 3, H, W) uint8 at `rows` (B,) -> (B, 3, H, W) fp32 in [-1, 1]; mirrored with chance 1/2 if `rng`."""
    import torch

    x = images[rows.to(images.device)].contiguous(memory_format=torch.channels_last).float() / 127.5 - 1
    if rng is None:
        return x
    mirrored = torch.rand(len(rows), generator=rng) < 0.5
    return torch.where(mirrored.to(x.device)[:, None, None, None], x.flip(3), x)


def _through(network, batches, apart):
    """What the network makes of each batch, in one pass for all or, `apart`, one for each."""
    import torch

    if apart:
        return [network(batch) for batch in batches]
    return network(torch.cat(batches)).split([len(batch) for batch in batches])


def _cropped(x_hat, x):
    return x_hat[..., : x.shape[2], : x.shape[3]]


def _check(candidates, labelled, steps, batch, width, latent, beta, adversary, lr, flip, quirks):
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
    if candidates.ndim != 4:
        raise BadRequest(f"vaal wants images, (U, channels, H, W), not candidates of shape {tuple(candidates.shape)}")
    if len(labelled) == 0:
        raise BadRequest("vaal: nothing is labelled; accepted: at least one labelled image to compare with")
    if min(candidates.shape[2:]) < SMALLEST:
        raise BadRequest(f"vaal: images of {tuple(candidates.shape[2:])} px; accepted: {SMALLEST} px or more a side")
