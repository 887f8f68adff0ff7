"""BADGE: batches of gradients that are large and unlike one another (Ash et al. 2020).

A candidate stands where the gradient of its loss does, taken at the output layer and at the class c it is given by the
network itself: g = (p - e_c) (x) h, with p its probabilities, h its embedding. Large where the network is in doubt, and
two candidates are far apart if either differ. A batch is the seeding of k-means++ (Arthur and Vassilvitskii 2007) on these:
each pick is drawn with probability proportional to D^2, the squared distance to the nearest pick before it.

g has C x D numbers. But <g, g'> = <p - e_c, p' - e_c'> <h, h'>, so distances need the two factors alone.

Nor does every pick need every distance. To draw with probability w / sum w is to hold a race: with E independent,
exponential, the least E / w wins. D^2 only falls, so a time from an old D^2 is at most the true one. Those that
lead by their old times get their true ones, until one of these wins; all others learn of the picks BLOCK at a
time, in one matrix product. The picks are those of the plain rule with the same E, up to rounding.
"""

from __future__ import annotations

from alnb.acquisition import select
from alnb.errors import BadRequest

BLOCK = 64
"""Picks that wait at most until all candidates learn of them."""
LEADERS = 64
"""Candidates whose true time is computed at once."""
TILE = 2048
"""Candidates of a block of distances: what is held at once, besides a copy of both factors."""
SLACK = 32
"""A squared distance below SLACK * eps * |g|^2 is what rounding leaves of 0."""


@select(
    "badge",
    needs=("probabilities", "embeddings"),
    source="Ash et al., Deep batch active learning by diverse, uncertain gradient lower bounds, ICLR 2020",
    nested=True,
)
def badge(view, budget, rng, *, largest_first: bool = False):
    """(budget,) rows in the order drawn. largest_first: the first pick has the largest gradient, as in the authors' code; else
    it is drawn from all alike, as in k-means++ and their paper. Where no candidate is left that differs from all
    picks, the shared random order settles the rest."""
    import torch

    shared = view.priority.argsort()
    errors = view.probabilities[shared].to(torch.promote_types(view.probabilities.dtype, torch.float32))
    guess = errors.argmax(1, keepdim=True)
    errors.scatter_(1, guess, 0)  # p_c - 1 is minus the others' sum, exact where p_c rounds to 1
    errors.scatter_(1, guess, -errors.sum(1, keepdim=True))
    picks = seeding(errors, view.embeddings[shared].to(errors.dtype), budget, rng, largest_first=largest_first)
    return shared[picks]


def seeding(errors, embeddings, budget: int, rng, *, largest_first: bool = False):
    """Rows (budget,) int64, distinct, that k-means++ draws as centres of the points errors (n, C) (x) embeddings (n, D), n >=
    budget, both of one floating dtype. rng: a torch.Generator on the CPU; each pick takes n numbers of it.

    Time O(n budget (C + D)) in matrix products, the rest O(n budget); memory: O(n) besides the factors.
    BadRequest if a squared norm is not finite.
    """
    import torch

    squared = errors.square().sum(1) * embeddings.square().sum(1)
    if not squared.isfinite().all():
        raise BadRequest("badge: gradients whose squares are not finite; accepted: finite distances")
    n = len(squared)
    nearest = torch.full_like(squared, float("inf"), dtype=torch.float64)
    picks, seen = [], 0  # all candidates have learned of the first `seen` picks
    while len(picks) < budget:
        noise = _exponential(n, rng).to(squared.device)
        if picks:
            pick = _winner(noise, nearest, errors, embeddings, squared, picks[seen:])
        else:
            pick = int((squared == squared.max()).nonzero()[0] if largest_first else noise.argmin())
        if pick is None:
            break
        picks.append(pick)
        if len(picks) - seen == min(BLOCK, seen + 1):
            for i in range(0, n, TILE):
                _bring_closer(nearest, slice(i, i + TILE), errors, embeddings, squared, picks[seen:])
            seen = len(picks)
        nearest[pick] = 0
    left = torch.ones(n, dtype=torch.bool)
    left[picks] = False
    return torch.cat([torch.tensor(picks), left.nonzero()[: budget - len(picks), 0]]).to(squared.device)


def _exponential(n, rng):
    """(n,) float64, above 0: E of mean 1 from uniform numbers, which all builds of torch draw alike."""
    import torch

    uniform = torch.rand(n, dtype=torch.float64, generator=rng)
    return uniform.neg_().log1p_().neg_().clamp_min_(torch.finfo(torch.float64).tiny)


def _winner(noise, nearest, errors, embeddings, squared, waiting):
    """The row of least noise / D^2; None if all D^2 are 0. `nearest` (n,), lowered in place where it is looked at, holds D^2
    but for the `waiting` picks."""
    times = noise / nearest
    while True:
        before = times.topk(min(LEADERS, len(times)), largest=False)
        leaders = before.indices
        _bring_closer(nearest, leaders, errors, embeddings, squared, waiting)
        now = noise[leaders] / nearest[leaders]
        times[leaders] = now
        best = int(now.argmin())
        if now[best] <= before.values[-1]:  # nobody else is ahead of it, even by an old time
            return int(leaders[best]) if now[best] < float("inf") else None


def _bring_closer(nearest, rows, errors, embeddings, squared, picks):
    """Lower `nearest`, in place, at `rows` to the squared distance to the nearest of `picks`."""
    import torch

    if not picks:
        return
    inner = (errors[rows] @ errors[picks].T) * (embeddings[rows] @ embeddings[picks].T)
    closest = torch.add(squared[picks], inner, alpha=-2).amin(1) + squared[rows]
    closest = closest.where(closest > SLACK * torch.finfo(closest.dtype).eps * squared[rows], 0)
    nearest[rows] = torch.minimum(nearest[rows], closest.double())
