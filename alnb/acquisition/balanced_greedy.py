"""Thesis algorithm 2: picks one by one, each far from what is labelled and of a class that is still wanted."""

from __future__ import annotations

from alnb.acquisition import balance

TILE = 4096
"""Candidates looked at together."""
AHEAD = 32
"""So many of the best candidates have their distances to all others computed with those of a pick."""
ROUNDING = 1e-13
"""A squared distance below it times |x|^2 is what rounding leaves of 0."""


def greedy(candidates, labelled, P, omega, lam: float, budget: int):
    """(budget,) rows of `candidates` (N, D) by thesis algorithm 2: again and again the one of least

        -d_j + lam || omega - P_j - P'z ||_1

    where d_j is the distance to the nearest of `labelled` (L, D) and of what is chosen, z. Only the residual r = omega - P'z
    is kept, so memory is O(N AHEAD + C) beside the inputs and a float64 copy of them: neither the N x L distances nor the
    N x C differences are held. The lowest row wins a tie; with nothing labelled, balance alone makes the first pick. Time
    O(N (L + budget) (D + C)).
    """
    import numpy as np
    import torch

    x, u = candidates.double().cpu(), torch.zeros(len(candidates), dtype=torch.float64)
    _, P, omega = balance.unnamed(*balance.checked(u.numpy(), P, omega, lam, budget))
    P, residual = torch.from_numpy(P), torch.from_numpy(omega)
    x = x - (centre := x.mean(0))  # distances do not move with the origin, their rounding does
    squared = x.square().sum(1)
    d = torch.full((len(x),), torch.inf, dtype=torch.float64)
    for centres in (labelled.double().cpu() - centre).split(256) if len(labelled) else ():
        for part in range(0, len(x), TILE):
            d[part : part + TILE] = d[part : part + TILE].minimum(torch.cdist(x[part : part + TILE], centres).amin(1))
    chosen, cost, ahead = [], torch.empty_like(d), {}
    for _ in range(budget):
        for part in range(0, len(x), TILE):
            cost[part : part + TILE] = (residual - P[part : part + TILE]).abs_().sum(1)
        near = d if chosen or len(labelled) else torch.zeros_like(d)
        cost.mul_(lam).sub_(near)
        cost[chosen] = torch.inf
        pick = int(cost.argmin())
        chosen.append(pick)
        residual = residual - P[pick]
        if pick not in ahead:  # distances to those that are nearly as good, in one product: they are often next
            near = torch.cat([torch.tensor([pick]), cost.topk(min(AHEAD, len(x)), largest=False).indices])
            ahead = dict(zip(near.tolist(), (x[near] @ x.T)))
        here = squared + squared[pick] - 2 * ahead[pick]
        here = here.where(here > ROUNDING * squared, 0)
        d = d.minimum(here.sqrt_())
    return np.array(chosen)
