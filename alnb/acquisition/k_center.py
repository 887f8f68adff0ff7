"""Greedy k-center, or core-set, selection (Sener and Savarese 2018, Algorithm 1).

Ask next for the candidate farthest from everything labelled or already chosen. The largest distance left at the
end, the covering radius, is at most twice the smallest that any choice of `budget` candidates could leave
(Gonzalez 1985).

A pass over all candidates for every pick is bound by memory. But distances to the nearest centre only fall, so
picks can be made among the farthest quarter alone for as long as the best there stays above the first candidate
left out; then the others learn of these picks in one matrix product. A quarter of the quarter does the same for
the quarter. The picks are those of the plain rule, up to rounding.
"""

from __future__ import annotations

from alnb.acquisition import select
from alnb.errors import BadRequest

SMALL = 256
"""Up to so many candidates the whole distance matrix is made."""
SHARE = 4
"""The picks are made among the farthest 1/SHARE of the candidates."""
TILE = 1024
"""Rows and columns of a block of distances: what is held at once, besides a copy of the embeddings."""
SLACK = 32
"""A squared distance below SLACK * eps * |x|^2 is what rounding leaves of 0 (|x| after centring)."""


@select(
    "k_center",
    needs=("embeddings", "labelled_embeddings"),
    source="Sener, Savarese, Active learning for convolutional neural networks: a core-set approach, ICLR 2018",
    nested=True,
)
def k_center(view, budget, rng):
    """(budget,) rows, the farthest from the labelled first. Ties, and the first pick if nothing is labelled, follow
    the shared random order; `rng` is not used."""
    shared = view.priority.argsort()
    picks, _ = greedy(view.embeddings[shared], view.labelled_embeddings, budget)
    return shared[picks]


def greedy(candidates, labelled, budget: int):
    """The greedy picks among `candidates` (U, D), given `labelled` (L, D), L may be 0.

    Returns rows (budget,) int64 in the order picked, and the distance (budget,) of each to its nearest centre at
    that moment (inf for the first one if nothing is labelled), which never grows. The lowest row wins a tie.
    In float64 if the candidates are, else in float32. Time O(U (L + budget) D); memory: a copy of the candidates,
    another of the farthest quarter and O(U). BadRequest if a squared norm is not finite.
    """
    import torch

    dtype = torch.promote_types(candidates.dtype, torch.float32)
    points = candidates.to(dtype)
    centre = points.mean(0)  # distances do not move with the origin, their rounding errors do
    points = points - centre
    centres = labelled.to(dtype) - centre if len(labelled) else points[:0]
    squared = points.square().sum(1)
    if not (squared.isfinite().all() and centres.square().sum(1).isfinite().all()):
        raise BadRequest("k_center: embeddings whose squares are not finite; accepted: finite distances")
    nearest = squared.new_full((len(points),), float("inf"))
    _bring_closer(nearest, points, squared, centres)
    rows = torch.arange(len(points), device=points.device)
    picks, distances = _pick(points, squared, nearest, rows, (-1.0, 0), budget)
    return rows[picks], distances.sqrt()


def _pick(points, squared, nearest, rows, bound, budget):
    """Positions and squared distances of at most `budget` greedy picks, as long as they are above `bound`.

    `nearest` (n,): squared distance to the nearest centre, -1 for what is chosen. `rows` (n,): where these points
    stand in the whole, ascending. `bound`: (squared distance, -row) of the best point not among these n.
    """
    import torch

    if len(points) <= SMALL:
        return _pick_small(points, squared, nearest, rows, bound, budget)
    nearest = nearest.clone()
    found, distances, count = [], [], 0
    while count < budget:
        far = nearest.sort(descending=True, stable=True)
        if (float(far.values[0]), -int(rows[far.indices[0]])) <= bound:
            break
        left_out = len(points) // SHARE
        inner_bound = max(bound, (float(far.values[left_out]), -int(rows[far.indices[left_out]])))
        part = far.indices[:left_out].sort().values
        picks, distance = _pick(points[part], squared[part], nearest[part], rows[part], inner_bound, budget - count)
        picks = part[picks]
        found.append(picks)
        distances.append(distance)
        count += len(picks)
        if count < budget:
            _bring_closer(nearest, points, squared, points[picks])
            nearest[picks] = -1
    return (torch.cat(found), torch.cat(distances)) if found else (rows[:0], nearest[:0])


def _pick_small(points, squared, nearest, rows, bound, budget):
    """The plain rule on the full matrix of distances between few points, on the CPU."""
    import numpy as np
    import torch

    between = _without_rounding(squared[:, None] + squared - 2 * (points @ points.T), squared).cpu().numpy()
    nearest, place = nearest.cpu().numpy().copy(), rows.cpu().numpy()
    picks, distances = [], []
    while len(picks) < budget:
        best = int(nearest.argmax())  # the first of equals: the lowest row
        if (nearest[best], -place[best]) <= bound:
            break
        picks.append(best)
        distances.append(nearest[best])
        np.minimum(nearest, between[best], out=nearest)
        nearest[best] = -1
    return (
        torch.tensor(picks, dtype=torch.int64, device=points.device),
        torch.tensor(np.array(distances, nearest.dtype), device=points.device),
    )


def _bring_closer(nearest, points, squared, centres):
    """Lower `nearest` (n,), in place, to the squared distance to the nearest of `centres` (m, D), m >= 0."""
    import torch

    for i in range(0, len(points) if len(centres) else 0, TILE):
        rows = slice(i, i + TILE)
        closest = torch.stack(
            [
                torch.addmm(centre.square().sum(1), points[rows], centre.T, alpha=-2).amin(1)
                for centre in centres.split(TILE)
            ]
        ).amin(0)
        closest = _without_rounding(closest + squared[rows], squared[rows])
        torch.minimum(nearest[rows], closest, out=nearest[rows])


def _without_rounding(distances, squared):
    import torch

    return distances.where(distances > SLACK * torch.finfo(distances.dtype).eps * squared, 0)
