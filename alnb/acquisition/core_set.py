"""Robust k-center, the core-set selection of Sener and Savarese (2018, Algorithm 2): greedy picks made better.

Choose `budget` of the candidates so that all but Xi candidates are as near as can be to one that is chosen or
labelled. Greedy leaves at most twice the smallest covering radius there is; here that smallest one is found. Do
`budget` balls of radius delta suffice? is a mixed integer programme: u_j = 1 if j is chosen, xi_i = 1 if i is left out,

    sum_j u_j <= budget,  sum_i xi_i <= Xi,  xi_i + sum_{j: |x_i - x_j| <= delta} u_j >= 1  for i beyond delta of all s0

with s0 the labelled. It is the paper's Feasible(b, s0, delta, Xi) without the assignments w_ij <= u_j, which follow
from u. As there, delta is bisected over the distances that occur, so the last one is exact. HiGHS answers, limited in
the nodes of its search tree, never in time: what is chosen must not depend on the speed of a machine.

The authors' code (Python 2, Gurobi) leaves no candidate out, has one labelled image and no value for its upper bound.
"""

from __future__ import annotations

from alnb.acquisition import select
from alnb.acquisition.k_center import greedy
from alnb.errors import BadRequest

MOST = 5000
"""Candidates at most: all distances between them are held (0.2 GB), and each is an unknown of the programme. Seconds up to
2,000 candidates with a hundred labelled or more."""
ROUNDING = 1e-9
"""What rounding may take: the start of the bisection is lowered by this share."""


@select(
    "core_set",
    needs=("embeddings", "labelled_embeddings"),
    source="Sener, Savarese, Active learning for convolutional neural networks: a core-set approach, ICLR 2018",
    nested=False,
)
def core_set(view, budget, rng, *, outliers: float = 1e-4, nodes: int = 10):
    """(budget,) rows, in the order in which k_center would pick them among themselves: the farthest from the labelled
    first. Ties follow the shared random order; `rng` is not used.

    outliers: share of the candidates that may stay uncovered, Xi = floor(outliers * U). The paper's 1e-4 comes to one
    candidate in 10,000, so to none of MOST. nodes: how many HiGHS may search at one radius (see `robust_k_center`).
    BadRequest for more than MOST candidates and for options out of range.
    """
    check_core_set(outliers=outliers, nodes=nodes)
    if view.size > MOST:
        raise BadRequest(
            f"core_set: {view.size} candidates; accepted: {MOST} at most. Give the arm a subset of the pool, as in"
            " core_set(subset=500), or take k_center"
        )
    spare = int(outliers * view.size + ROUNDING)  # 0.29 * 100 is 28.999999999999996
    shared = view.priority.argsort()
    points, labelled = view.embeddings[shared], view.labelled_embeddings
    rows, _, _ = robust_k_center(points, labelled, budget, spare=spare, nodes=nodes)
    return shared[rows.to(shared.device)]


def check_core_set(*, outliers, nodes):
    """BadRequest for an option out of range."""
    if isinstance(outliers, bool) or not isinstance(outliers, (int, float)) or not 0 <= outliers <= 0.5:
        raise BadRequest(f"core_set: outliers = {outliers!r}: expected a share of the candidates from 0 to 0.5")
    if isinstance(nodes, bool) or not isinstance(nodes, int) or nodes < 1:
        raise BadRequest(f"core_set: nodes = {nodes!r}: expected a whole number, at least 1")


def robust_k_center(candidates, labelled, budget: int, *, spare: int = 0, nodes: int = 10):
    """The `budget` of `candidates` (U, D) that with `labelled` (L, D), L may be 0, best cover all but `spare` of them.

    Returns their rows (budget,) int64 on the CPU, in greedy order; the covering radius, within which of these or of the
    labelled all but `spare` candidates are; and whether it is proven the smallest. It is not if HiGHS gave up a radius
    after `nodes` nodes. That one is then held to be too small and the search goes on above it; greedy's radius is the
    worst that can come out. Distances are in float64, and one equal to the radius is covered. 0 <= spare < U.
    Memory O(U^2). Time: below a second at U = 500 with a hundred or more labelled; minutes are possible where hardly
    any are, since then each ball holds much of the pool. BadRequest if a squared norm is not finite.
    """
    import numpy as np
    import torch

    points = candidates.detach().cpu().double()
    given = labelled.detach().cpu().double().reshape(-1, points.shape[1])
    picks, _ = greedy(points, given, min(budget + spare + 1, len(points)))
    between, nearest = _distances(points.numpy(), given.numpy())
    best = picks[:budget].numpy()
    radius = _radius(between, nearest, best, spare)
    # so many picks, `apart` from each other and the labelled, cannot all be covered by balls of less than half of it
    apart = _apart(between, nearest, picks.numpy()) if len(picks) > budget + spare else 0
    radii = np.unique(np.concatenate([between.ravel(), nearest]))
    radii = radii[(radii >= apart / 2 * (1 - ROUNDING)) & (radii <= radius)]
    low, high, proven = 0, len(radii) - 1, True
    while low < high:
        middle = (low + high) // 2
        rows, decided = _cover(between, nearest, radii[middle], budget, spare, nodes)
        if rows is None:
            low, proven = middle + 1, proven and decided
        else:
            best = rows
            radius = _radius(between, nearest, best, spare)
            high = int(np.searchsorted(radii, radius))
    if len(best) < budget:
        left = np.setdiff1d(np.arange(len(points)), best)
        more, _ = greedy(points[left], torch.cat([given, points[best]]), budget - len(best))
        best = np.concatenate([best, left[more.numpy()]])
    best = np.sort(best)
    order, _ = greedy(points[best], given, budget)
    return torch.from_numpy(best)[order], float(_radius(between, nearest, best, spare)), proven


def _cover(between, nearest, delta, budget, spare, nodes):
    """Rows of at most `budget` candidates that leave at most `spare` uncovered at `delta`, None if none were found; and
    whether that is certain."""
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array, eye_array, hstack

    open_rows = nearest > delta
    near = between[open_rows] <= delta
    useful = np.flatnonzero(near.any(0))
    n, m = len(useful), len(near)
    chosen, left_out = np.repeat([1.0, 0.0], [n, m]), np.repeat([0.0, 1.0], [n, m])
    answer = milp(
        chosen,  # any answer will do, but looking for few balls finds one sooner
        integrality=chosen,  # with whole u_j the xi_i may as well be real
        bounds=Bounds(0, np.where(chosen, 1, min(spare, 1))),
        constraints=[
            LinearConstraint(hstack([csr_array(near[:, useful].astype(float)), eye_array(m)]), lb=1),
            LinearConstraint(np.stack([chosen, left_out]), ub=[budget, spare]),
        ],
        options={"node_limit": nodes, "mip_rel_gap": 1e9},  # the gap: stop at the first answer
    )
    if answer.x is None:
        return None, answer.status == 2  # infeasible
    rows = useful[answer.x[:n] > 0.5]
    if len(rows) > budget or _radius(between, nearest, rows, spare) > delta:
        return None, False  # a cover only within the tolerances of the solver
    return rows, True


def _distances(points, labelled):
    """(U, U) between the candidates; (U,) to the nearest labelled one, inf if there is none."""
    import numpy as np
    from scipy.spatial.distance import cdist

    nearest = cdist(points, labelled).min(1) if len(labelled) else np.full(len(points), np.inf)
    return cdist(points, points), nearest


def _radius(between, nearest, rows, spare):
    """What all but `spare` candidates are within, of the labelled or of `rows`."""
    import numpy as np

    distances = np.minimum(nearest, between[rows].min(0, initial=np.inf))
    return np.partition(distances, -1 - spare)[-1 - spare]


def _apart(between, nearest, picks):
    """The least distance among `picks`, and between them and the labelled."""
    import numpy as np

    inner = between[np.ix_(picks, picks)] + np.diag(np.full(len(picks), np.inf))
    return min(inner.min(), nearest[picks].min())
