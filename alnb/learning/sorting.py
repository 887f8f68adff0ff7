"""Ranks, and three ways to them that have a gradient or not: counting, pairwise sigmoids, a recurrent network.

Ranks are ascending: of d values the least has rank 1 and the largest d. What is trained has them divided by d, so that
lists of different lengths weigh the same. (SoDeep, Engilberge et al. 2019, counts from the largest down: d + 1 less ours.)
"""

from __future__ import annotations

import torch
from torch import nn

from alnb.errors import BadRequest

SCALES = ("standardised", "squashed", "raw")


def ranks(x):
    """(..., d) -> (..., d) float in x's dtype, rk: 1 for the least value to d for the largest; of equal values the first is
    the lower."""
    return x.argsort(dim=-1, stable=True).argsort(dim=-1).add(1).to(x.dtype)


def standardised(x):
    """(..., d) with mean 0 and deviation 1 along the last axis: ranks do not change, and a list of losses is where a sorter
    has been trained. A list of equal values is all 0."""
    centred = x - x.mean(-1, keepdim=True)
    return centred / centred.square().mean(-1, keepdim=True).add(1e-12).sqrt()


def soft_ranks(x, slope: float = 6.8):
    """(..., d) ranks over d with a gradient and without a network: 1/2 + sum_j sigmoid(slope (x_i - x_j) / deviation), over d.

    As the slope grows they tend to `ranks`(x) / d, where no two values are equal. SoDeep's "exact" sorter; its slope.
    """
    x = standardised(x)
    return (slope * (x[..., :, None] - x[..., None, :])).sigmoid().sum(-1).add(0.5) / x.shape[-1]


class Sorter(nn.Module):
    """SoDeep's bidirectional GRU: a list of values (B, d) -> ranks over d (B, d), the sigmoid of the sum of a place's states.

    Any length is accepted; it is good at those it was trained on. scale: what is done to a list before it is read,
    "standardised", or "squashed" to sigmoid(x / 2 + 1) as in SoDeep's code, or nothing, "raw". It depends on the order of the
    list, as an exact ranking does not. On a GPU it is frozen in training mode: cuDNN has no gradient in eval mode.
    """

    def __init__(self, hidden: int = 64, layers: int = 1, scale: str = "standardised"):
        super().__init__()
        if scale not in SCALES:
            raise BadRequest(f"scale {scale!r} is unknown: one of {', '.join(SCALES)}")
        self.gru = nn.GRU(1, hidden, layers, bidirectional=True, batch_first=True)
        self.scale = scale

    def forward(self, x):
        if self.scale == "standardised":
            x = standardised(x)
        elif self.scale == "squashed":
            x = (x / 2 + 1).sigmoid()
        states, _ = self.gru(x[..., None])
        return states.sum(-1).sigmoid()


def frozen(settings, weights: dict, device="cpu") -> Sorter:
    """The trained sorter of `settings` (hidden, layers, scale), which nothing trains further, in training mode."""
    sorter = Sorter(settings.hidden, settings.layers, settings.scale)
    sorter.load_state_dict(weights)
    return sorter.requires_grad_(False).to(device)


def rank_error(predicted, values) -> float:
    """Mean |predicted - rk(values) / d| over lists (..., d): how far a place is off, as a share of d. SoDeep's L1 loss."""
    return (predicted - ranks(values) / values.shape[-1]).abs().mean().item()


# --- what a sorter is trained on --------------------------------------------------------------------------------------------


def _uniform(n, d, rng):
    return torch.rand(n, d, generator=rng) * 2 - 1


def _normal(n, d, rng):
    return torch.randn(n, d, generator=rng)


def _even(n, d, rng):
    """Evenly spaced values from one number in (0, 1) to another, up or down, shuffled."""
    ends = torch.rand(n, 2, 1, generator=rng)
    line = ends[:, 0] + (ends[:, 1] - ends[:, 0]) * torch.linspace(0, 1, d)
    return line.gather(1, torch.rand(n, d, generator=rng).argsort(1))


def _ordered(n, d, rng):
    """The same, not shuffled."""
    ends = torch.rand(n, 2, 1, generator=rng)
    return ends[:, 0] + (ends[:, 1] - ends[:, 0]) * torch.linspace(0, 1, d)


def _whole(n, d, rng):
    """Evenly spaced from -1 to 1, shuffled."""
    return torch.linspace(-1, 1, d).expand(n, d).gather(1, torch.rand(n, d, generator=rng).argsort(1))


FAMILIES = {"uniform": _uniform, "normal": _normal, "even": _even, "ordered": _ordered, "whole": _whole}


def sequences(n: int, d: int, rng, family: str = ""):
    """(n, d) lists like SoDeep's, not in its shares: `family` of FAMILIES, "joined" (the beginning of one of the five and
    the end of another, cut at a random place), or a random one for each list; "sodeep": its own (`sodeep_lists`). rng: CPU
    generator."""
    if family == SODEEP:
        return sodeep_lists(n, d, rng)
    if family in FAMILIES:
        return FAMILIES[family](n, d, rng)
    made = torch.stack([draw(n, d, rng) for draw in FAMILIES.values()])
    which = torch.randint(len(FAMILIES), (2, n), generator=rng)
    first, second = (made[one, torch.arange(n)] for one in which)
    cut = torch.randint(1, max(2, d), (n, 1), generator=rng)
    if family != "joined":
        cut = torch.where(torch.rand(n, 1, generator=rng) < JOINED, cut, torch.tensor(d))
    elif d < 2:
        raise BadRequest(f"lists of {d}: nothing can be joined")
    return torch.where(torch.arange(d) < cut, first, second)


JOINED = 0.4  # of the lists: as many as in SoDeep, four of its ten types
SODEEP, TYPES = "sodeep", 10


def sodeep_lists(n: int, d: int, rng, kind: int | None = None):
    """(n, d) lists of SoDeep's published code (dataset.py): of its type `kind`, or of one in 0 to 9 for each, all as likely.

    0 and 1: uniform in (-1, 1). 2: normal. 3: even steps from one number in (0, 1) to another, which is left out; 4: those
    shuffled. 5 and 6: s uniform values, then normal ones; 7: s uniform, then uniform; 8: s of even steps, shuffled, then
    uniform, with s any of 1 to d. 9: even steps from -1 to 1, not shuffled, so always the same list.
    """
    types = torch.randint(TYPES, (n, 1), generator=rng) if kind is None else torch.full((n, 1), kind)
    uniform, other, normal = _uniform(n, d, rng), _uniform(n, d, rng), _normal(n, d, rng)
    split = torch.randint(1, d + 1, (n, 1), generator=rng)
    start, end = torch.rand(n, 2, 1, generator=rng).unbind(1)
    place, at, chance = torch.arange(d), torch.arange(d) / d, torch.rand(n, d, generator=rng)
    shuffled = chance.argsort(1)
    # of type 8 only the first s places hold even steps: the order of these s is that of their chances
    first = chance.masked_fill(place >= split, 2.0).argsort(1)
    made = {
        **dict.fromkeys((0, 1), uniform),
        2: normal,
        3: start + (end - start) * at,
        4: start + (end - start) * shuffled / d,
        **dict.fromkeys((5, 6), uniform.where(place < split, normal)),
        7: uniform.where(place < split, other),
        8: (start + (end - start) * first / split).where(place < split, uniform),
        9: (2 * at - 1).expand(n, d),
    }
    lists = torch.empty(n, d)
    for one, values in made.items():
        lists = values.where(types == one, lists)
    return lists


class Sequences:
    """A feed (see `learning.feed`) of `size` new lists of d values an epoch, each with its ranks over d.

    What chance draws for an epoch is one number, from which each batch makes its lists: to pass over an epoch costs nothing,
    so that a training may stop anywhere and go on. family: of `sequences`.
    """

    def __init__(self, size: int, d: int, device="cpu", family: str = ""):
        self.size, self.d, self.device, self.family = size, d, device, family

    def __len__(self):
        return self.size

    def draw(self, generator):
        return int(torch.randint(2**62, (), generator=generator)) if generator is not None else 0

    def batch(self, rows, part, drawn):
        rng = torch.Generator().manual_seed((drawn + part.start) % 2**63)
        x = sequences(part.stop - part.start, self.d, rng, self.family).to(self.device)
        return x, ranks(x) / self.d


def lists(values, d: int):
    """(N,) -> (N // d, d), as they come; of fewer than d one list."""
    return values[: len(values) // d * d].reshape(-1, d) if len(values) >= d else values[None]


def sorter_error(f_sort, l_pre) -> float:
    """How far off, as a share of a list, the ranks of a sorter are on real predicted losses (n, d)."""
    with torch.no_grad():
        return rank_error(f_sort(l_pre), l_pre)
