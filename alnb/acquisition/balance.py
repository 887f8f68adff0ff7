"""Choose `budget` of N samples that are cheap one by one and balanced together: the binary programme of thesis eq. 4.8,

    min_z  u'z + lam * ||omega - P'z||_1    subject to   sum_i z_i = budget,  z_i in {0, 1}

with u (N,) what a sample costs (minus its entropy), P (N, C) the probabilities of its classes and omega (C,) how many of
each class are wanted. `solve` is for use, `as_printed` states it to cvxpy in the paper's words, for small N.

It has N unknowns and only C + 1 rows, so the work is in its dual, which has C unknowns:

    g(y) = omega'y + sum of the `budget` smallest of u - P y,     |y_c| <= lam

is at most the optimum for every such y (weak duality, lam ||r||_1 = max y'r), and its largest value is that of the linear
relaxation. In turn: (1) smoothed, g is ascended by L-BFGS; (2) the relaxation is solved exactly on the samples whose
reduced cost u - P y - t is near 0, the others being sure, and again with those found wrong; at most C + 1 entries of z
are then fractional; (3) they are rounded, and pairs swapped while that helps; (4) a sample whose reduced cost exceeds the gap
left cannot change sides, so the few others make a tiny programme, which HiGHS proves within a number of nodes. No status is
trusted: the objective is computed from z, the bound of 1 to 3 is g(y), that of 4 is HiGHS's less its own tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass

from alnb.errors import BadRequest

TOLERANCE = 1e-6
"""Rows of P sum to one within this times C + 1 (fp32 softmax), and HiGHS's own tolerances on a bound."""
NEAR = 400
"""So many samples, and four for each class, of smallest reduced cost start the exact relaxation."""
ROUNDS = 40
"""Of the relaxation at most; each takes in what the one before found wrong."""
SIDE, PAIRS = 140, 200
"""Of step 3: so many samples on either side of the threshold are compared, and so many swaps two by two."""
KICKS, SMALL, KICKED = 100, 30_000, (30, 60)
"""Of step 3: where at most SMALL probabilities are of undecided samples, it starts anew from a disturbed choice, with KICKED for
SIDE and PAIRS, until KICKS in a row are in vain."""
FREE = 60
"""Above so many undecided samples step 4 is left out: with many classes in balance at once it would not end."""
NODES = 200
"""Of HiGHS's search in step 4 for each try. Never a limit in time: what is chosen must not depend on the machine."""


@dataclass(frozen=True)
class Selection:
    """rows (budget,) int64, the cheapest sample first; `objective` is computed from them; no choice of `budget` samples
    has less than `bound`. proven: the two are equal up to rounding, so this is an optimum. free: samples that were
    still undecided before the exact stage; `relaxed`: the bound of the linear relaxation."""

    rows: object
    objective: float
    bound: float
    proven: bool
    free: int
    relaxed: float

    @property
    def gap(self) -> float:
        """What may be lost at most, in the objective's unit."""
        return self.objective - self.bound


def wanted(counts, budget: int, ahead: int | None = None):
    """Omega (C,), how many samples of each class the next `budget` should bring: max((c b + b0) / C - n_i, 0).

    counts (C,): n_i, how many of class i are labelled. c b + b0 is what is labelled after this cycle, so the sum of `counts`
    plus `budget`; `ahead` gives another total. From equal counts it is budget / C for each class (4.5). Thesis eq. 4.3-4.5.
    """
    import numpy as np

    counts = np.asarray(counts, dtype=float)
    total = counts.sum() + budget if ahead is None else ahead
    return np.maximum(total / len(counts) - counts, 0.0)


def objective(rows, costs, probabilities, omega, lam: float) -> float:
    """What the choice `rows` costs: u'z + lam ||omega - P'z||_1, in float64."""
    import numpy as np

    chosen = np.asarray(probabilities, dtype=float)[rows]
    return float(np.asarray(costs, dtype=float)[rows].sum() + lam * np.abs(omega - chosen.sum(0)).sum())


def solve(costs, probabilities, omega, lam: float, budget: int, *, nodes: int = NODES) -> Selection:
    """The choice of least cost that we find, and how far from the least it can be at most. See the module.

    costs (N,), probabilities (N, C) whose rows sum to one, omega (C,) >= 0, lam >= 0, budget 1 to N; nodes 0: a quick
    answer, without the further starts of step 3 and without step 4. Deterministic; of equal samples the first is taken.
    Time about O(N C) for each of some hundred evaluations of the dual, memory a float64 copy of P. BadRequest for anything
    else.
    """
    import numpy as np

    u, p, omega = unnamed(*checked(costs, probabilities, omega, lam, budget))
    if lam == 0 or budget == len(u):
        rows = np.argsort(u, kind="stable")[:budget]
        value = objective(rows, u, p, omega, lam)
        return Selection(rows, value, value, True, 0, value)
    y = _ascend(u, p, omega, lam, budget)
    z, y, bound = _relaxation(u, p, omega, lam, budget, y)
    reduced = _reduced(u, p, y, budget)
    chosen = _rounded(z, reduced, budget)
    chosen, value = _searched(chosen, u, p, omega, lam, reduced, bound, KICKS if nodes else 0)
    relaxed = bound
    small = 1e-9 * max(1.0, abs(value))
    undecided = np.flatnonzero(np.abs(reduced) <= max(value - bound, small) + small)
    if nodes and value - bound > small and len(undecided) <= FREE:
        chosen, bound = _exact(chosen, u, p, omega, lam, undecided, bound, nodes)
        value = objective(np.flatnonzero(chosen), u, p, omega, lam)
    bound = min(bound, value)
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(u[rows], kind="stable")]
    proven = bool(value - bound <= max(TOLERANCE, small))
    return Selection(rows, value, float(bound), proven, len(undecided), float(min(relaxed, value)))


def checked(costs, probabilities, omega, lam, budget):
    """The programme's data as float64 arrays; BadRequest for what makes no sense."""
    import numpy as np

    u, p, omega = (np.ascontiguousarray(array, dtype=np.float64) for array in (costs, probabilities, omega))
    if u.ndim != 1 or p.ndim != 2 or omega.ndim != 1 or p.shape != (len(u), len(omega)) or not p.size:
        raise BadRequest(
            f"balance: costs {u.shape}, probabilities {p.shape}, omega {omega.shape}; accepted: (N,), (N, C), (C,)"
        )
    for name, array in (("costs", u), ("probabilities", p), ("omega", omega)):
        if not np.isfinite(array).all():
            raise BadRequest(f"balance: {name} hold {np.isnan(array).sum()} NaN; accepted: finite numbers")
    if (p < 0).any() or (np.abs(p.sum(1) - 1) > TOLERANCE * (p.shape[1] + 1)).any():
        raise BadRequest("balance: probabilities; accepted: 0 or more, each row's sum one")
    if (omega < 0).any():
        raise BadRequest(f"balance: omega has {omega.min():g}; accepted: 0 or more of each class")
    if not (isinstance(lam, int | float) and np.isfinite(lam) and lam >= 0):
        raise BadRequest(f"balance: lam = {lam!r}; accepted: a finite number, 0 or more")
    if not 1 <= budget <= len(u):
        raise BadRequest(f"balance: budget {budget} of {len(u)} samples; accepted: 1 to {len(u)}")
    return u, p, omega


def unnamed(u, p, omega):
    """The same with the classes in an order that their names have no part in, so that sums over them round alike."""
    import numpy as np

    weights = np.random.default_rng(0).uniform(1, 2, len(p))
    order = np.lexsort(((p * weights[:, None]).sum(0), omega))
    return u, np.ascontiguousarray(p[:, order]), omega[order]


def dual(y, u, p, omega, budget: int) -> float:
    """g(y), at most the optimum for every |y| <= lam."""
    import numpy as np

    costs = u - p @ y
    return float(omega @ y + np.partition(costs, budget - 1)[:budget].sum())


# --- (1) the smoothed dual ------------------------------------------------------------------------------------------------


def _ascend(u, p, omega, lam, budget):
    """(C,) near the maximum of g: with the `budget` smallest costs smoothed to z = sigmoid((t - cost) / mu), for falling mu."""
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import expit

    y, n = np.zeros(len(omega)), len(u)
    spread = max(float(u.std()), lam * float(p.std(0).max()), 1e-12)
    memory = {"t": 0.0}

    def negative(y, mu):
        costs = u - p @ y
        t = np.partition(costs, budget - 1)[budget - 1] if "mu" not in memory or memory["mu"] != mu else memory["t"]
        low, high = costs.min() - 40 * mu, costs.max() + 40 * mu
        for _ in range(60):  # Newton for sum z = budget, kept between bounds that hold the root
            z = expit((t - costs) / mu)
            off, slope = z.sum() - budget, (z * (1 - z)).sum() / mu
            if abs(off) < 1e-6 * budget:
                break
            low, high = (t, high) if off < 0 else (low, t)
            step = t - off / slope if slope > 0 else low
            t = step if low < step < high else (low + high) / 2
        memory.update(t=t, mu=mu)
        bend = np.where((z > 0) & (z < 1), -mu * (_xlogx(z) + _xlogx(1 - z)), 0.0).sum()
        value = omega @ y + costs @ z - t * off - bend
        return -value, p.T @ z - omega

    for share in (0.1, 0.02, 0.004):
        if n == budget:
            break
        found = minimize(negative, y, args=(share * spread,), jac=True, method="L-BFGS-B", bounds=[(-lam, lam)] * len(y),
                         options={"maxiter": 60, "ftol": 1e-9, "gtol": 1e-3 * budget / len(y)})  # fmt: skip
        y = np.clip(found.x, -lam, lam)
    return y


def _xlogx(z):
    from scipy.special import xlogy

    return xlogy(z, z)


# --- (2) the relaxation, exactly --------------------------------------------------------------------------------------------


def _reduced(u, p, y, budget):
    """(N,) costs less the threshold between the `budget` smallest and the others: negative = in, positive = out."""
    import numpy as np

    costs = u - p @ y
    inside, outside = np.partition(costs, [budget - 1, budget])[[budget - 1, budget]]
    return costs - (inside + outside) / 2


def _relaxation(u, p, omega, lam, budget, y):
    """(z (N,) in [0, 1], y (C,), g(y)) at the optimum of the relaxation, from a guess y: linear programmes over the samples
    near the threshold, the others kept where they are; those that are found on the wrong side join the next."""
    import numpy as np

    reduced = _reduced(u, p, y, budget)
    near = min(len(u), NEAR + 4 * len(omega))
    z = (reduced < 0).astype(float)
    part = np.argpartition(np.abs(reduced), near - 1)[:near]
    best, bound = y, dual(y, u, p, omega, budget)
    for _ in range(ROUNDS):
        part = np.sort(part)
        fixed = z.copy()
        fixed[part] = 0
        answer = _linear(u[part], p[part], omega - fixed @ p, lam, budget - fixed.sum())
        if answer is None:
            break
        z[part], y = answer
        y = np.clip(y, -lam, lam)
        here = dual(y, u, p, omega, budget)
        if here > bound:
            best, bound = y, here
        value = u @ z + lam * np.abs(omega - z @ p).sum()
        if value - bound <= 1e-9 * max(1.0, abs(value)):
            break
        reduced = _reduced(u, p, y, budget)
        wrong = np.flatnonzero((reduced < 0) != (z > 0.5))
        close = np.argpartition(np.abs(reduced), near - 1)[:near]
        part = np.union1d(np.union1d(wrong, close), np.flatnonzero((z > 0) & (z < 1)))
        near = min(len(u), 2 * near)
    return z, best, bound


def _linear(u, p, omega, lam, budget):
    """(z, y) of the relaxation over a few samples by HiGHS's dual simplex; None if it gave no answer."""
    import numpy as np
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, eye_array, hstack, vstack

    n, c = p.shape
    balance = hstack([csr_array(p.T), eye_array(c), -eye_array(c)])
    rows = vstack([balance, csr_array(np.r_[np.ones(n), np.zeros(2 * c)][None])]).tocsc()
    found = linprog(np.r_[u, np.full(2 * c, lam)], A_eq=rows, b_eq=np.r_[omega, budget],
                    bounds=[(0, 1)] * n + [(0, None)] * (2 * c), method="highs-ds", options={"presolve": False})  # fmt: skip
    if found.x is None:
        return None
    return np.clip(found.x[:n], 0, 1), found.eqlin.marginals[:c]


# --- (3) rounding and swaps -------------------------------------------------------------------------------------------------


def _rounded(z, reduced, budget):
    """(N,) bool: the `budget` largest z, of equals the smallest reduced cost, then the first."""
    import numpy as np

    z = np.where(z < 1e-9, 0.0, np.where(z > 1 - 1e-9, 1.0, z))
    chosen = np.zeros(len(z), dtype=bool)
    chosen[np.lexsort((np.arange(len(z)), reduced, -z))[:budget]] = True
    return chosen


def _searched(chosen, u, p, omega, lam, reduced, bound, kicks):
    """(chosen, objective) of `_swapped`, and of some more starts from it where few are undecided and the gap is not small:
    three of those nearest to the threshold are swapped at random, by a stream that is always the same."""
    import numpy as np

    best = _swapped(chosen, u, p, omega, lam, reduced, bound)
    value = objective(np.flatnonzero(best), u, p, omega, lam)
    rng, vain = np.random.default_rng(0), 0
    while vain < kicks and value - bound > 1e-4 * abs(value):
        undecided = np.abs(reduced) < value - bound
        inside, outside = np.flatnonzero(best & undecided), np.flatnonzero(~best & undecided)
        if (len(inside) + len(outside)) * p.shape[1] > SMALL or min(len(inside), len(outside)) < 3:
            break
        other = best.copy()
        for part in (inside, outside):
            near = part[np.argsort(np.abs(reduced[part]), kind="stable")[: KICKED[0]]]
            other[rng.choice(near, 3, replace=False)] ^= True
        other = _swapped(other, u, p, omega, lam, reduced, bound, *KICKED)
        here = objective(np.flatnonzero(other), u, p, omega, lam)
        better = here < value - 1e-12 * max(1.0, abs(value))
        best, value, vain = (other, here, 0) if better else (best, value, vain + 1)
    return best, value


def _swapped(chosen, u, p, omega, lam, reduced, bound, side=SIDE, pairs=PAIRS, rounds: int = 100):
    """Swap one that is in for one that is out, or two for two, while that lowers the objective, the best each time. What
    has a reduced cost beyond the gap cannot help; of the others those nearest to the threshold are looked at."""
    import numpy as np

    chosen = chosen.copy()
    residual = omega - p[chosen].sum(0)
    value = u[chosen].sum() + lam * np.abs(residual).sum()
    for _ in range(rounds):
        gap, length = value - bound, np.abs(residual).sum()
        inside, outside = np.flatnonzero(chosen & (reduced > -gap)), np.flatnonzero(~chosen & (reduced < gap))
        inside = inside[np.argsort(-reduced[inside], kind="stable")[:side]]
        outside = outside[np.argsort(reduced[outside], kind="stable")[:side]]
        if gap <= 0 or not len(inside) or not len(outside):
            break
        turned = p[outside][None] - p[inside][:, None]
        costs = u[outside][None] - u[inside][:, None]
        change = costs + lam * (np.abs(residual - turned).sum(2) - length)
        swaps = np.argsort(change, axis=None, kind="stable")[:pairs]
        i, o = np.unravel_index(swaps, change.shape)
        enough = -1e-12 * max(1.0, abs(value))
        if change[i[0], o[0]] < enough:
            i, o = i[:1], o[:1]
        else:  # no pair helps alone: two that do together
            both = residual - turned[i, o][:, None] - turned[i, o][None]
            double = costs[i, o][:, None] + costs[i, o] + lam * (np.abs(both).sum(2) - length)
            double[(i[:, None] == i) | (o[:, None] == o)] = np.inf
            first, second = np.unravel_index(double.argmin(), double.shape)
            if double[first, second] >= enough:
                break
            i, o = i[[first, second]], o[[first, second]]
        chosen[inside[i]], chosen[outside[o]] = False, True
        residual = omega - p[chosen].sum(0)
        value = u[chosen].sum() + lam * np.abs(residual).sum()
    return chosen


# --- (4) the exact stage ----------------------------------------------------------------------------------------------------


def _exact(chosen, u, p, omega, lam, free, bound, nodes):
    """(chosen, bound) after HiGHS searched all ways to choose among `free`, the others being proven to stay as they are."""
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array, eye_array, hstack, vstack

    fixed = chosen.copy()
    fixed[free] = False
    k, (n, c) = int(chosen[free].sum()), (len(free), p.shape[1])
    rest, paid = omega - p[fixed].sum(0), u[fixed].sum()
    balance = hstack([csr_array(p[free].T), eye_array(c), -eye_array(c)])
    rows = vstack([balance, csr_array(np.r_[np.ones(n), np.zeros(2 * c)][None])]).tocsc()
    found = milp(
        np.r_[u[free], np.full(2 * c, lam)], integrality=np.r_[np.ones(n), np.zeros(2 * c)],
        bounds=Bounds(0, np.r_[np.ones(n), np.full(2 * c, np.inf)]),
        constraints=LinearConstraint(rows, np.r_[rest, k], np.r_[rest, k]),
        options={"node_limit": nodes, "mip_rel_gap": 0.0},
    )  # fmt: skip
    value = objective(np.flatnonzero(chosen), u, p, omega, lam)
    if found.x is not None:
        other = fixed.copy()
        other[free[np.argsort(-found.x[:n], kind="stable")[:k]]] = True
        if objective(np.flatnonzero(other), u, p, omega, lam) < value:
            chosen = other
    least = found.mip_dual_bound
    if least is not None and np.isfinite(least):
        bound = max(bound, paid + least - TOLERANCE / 2)
    return chosen, bound


# --- as the paper prints it ---------------------------------------------------------------------------------------------------


def as_printed(costs, probabilities, omega, lam: float, budget: int, solver: str = "HIGHS") -> Selection:
    """Eq. 4.8 word for word, by cvxpy and one of its mixed-integer solvers: minutes from some thousand samples on.

    What the solver says of its answer is not believed: BadRequest where z is not binary or does not sum to the budget,
    and the bound is that of the relaxation, by `solve`.
    """
    import cvxpy as cp
    import numpy as np

    u, P, Omega = checked(costs, probabilities, omega, lam, budget)
    z = cp.Variable(len(u), boolean=True)
    cost = u @ z + lam * cp.norm1(Omega - P.T @ z)
    problem = cp.Problem(cp.Minimize(cost), [cp.sum(z) == budget])
    problem.solve(solver=solver)
    if z.value is None or np.abs(z.value - z.value.round()).max() > 1e-4 or round(z.value.sum(), 3) != budget:
        raise BadRequest(f"{solver}: {problem.status}, and no choice of {budget} samples came of it")
    rows = np.flatnonzero(z.value > 0.5)
    value, bound = objective(rows, u, P, Omega, lam), solve(u, P, Omega, lam, budget, nodes=0).bound
    rows = rows[np.argsort(u[rows], kind="stable")]
    bound = min(bound, value)
    return Selection(rows, value, bound, value - bound <= TOLERANCE, 0, bound)
