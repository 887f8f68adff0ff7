"""The programme of thesis eq. 4.8: ours beside open solvers on the same instances, in one process, one thread.

    python -m pytest -m bench tests/bench/test_balance_bench.py -s

A solver's objective is computed from the samples it gives. `SECONDS` limits each of them, not ours. Asserted: an objective that is
not worse by more than a thousandth (in small dense pools HiGHS, given a minute, finds a little less), a bound below both, and
time where it reached the same."""

import time

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, eye_array, hstack, vstack

from alnb.acquisition import balance
from tests.acquisition.test_balance import instance

SECONDS = 60
CASES = [(2_000, 10, 0.6), (2_000, 10, 3.0), (5_000, 10, 0.6), (5_000, 100, 2.0), (45_000, 10, 0.6), (45_000, 100, 2.0)]


def by_milp(u, p, omega, lam, budget):
    """scipy's HiGHS on the sparse programme: rows, or None."""
    n, c = p.shape
    classes = hstack([csr_array(p.T), eye_array(c), -eye_array(c)])
    rows = vstack([classes, csr_array(np.r_[np.ones(n), np.zeros(2 * c)][None])]).tocsc()
    found = milp(np.r_[u, np.full(2 * c, lam)], integrality=np.r_[np.ones(n), np.zeros(2 * c)],
                 bounds=Bounds(0, np.r_[np.ones(n), np.full(2 * c, np.inf)]),
                 constraints=LinearConstraint(rows, np.r_[omega, budget], np.r_[omega, budget]),
                 options={"time_limit": SECONDS})  # fmt: skip
    return None if found.x is None else np.flatnonzero(found.x[:n] > 0.5)


def seconds_of(call):
    began = time.process_time()
    result = call()
    return time.process_time() - began, result


@pytest.mark.bench
@pytest.mark.parametrize(("n", "c", "lam"), CASES)
def test_ours_is_never_worse_than_highs_and_knows_how_good_it_is(n, c, lam):
    u, p = instance(n, c, 0)
    budget = n // 18
    omega = np.full(c, budget / c)
    balance.solve(*instance(100, 3), np.ones(3), 1.0, 3)  # imports
    ours_s, ours = seconds_of(lambda: balance.solve(u, p, omega, lam, budget))
    theirs_s, rows = seconds_of(lambda: by_milp(u, p, omega, lam, budget))
    theirs = balance.objective(rows, u, p, omega, lam) if rows is not None else np.inf
    print(f"\nN {n}, C {c}, lambda {lam}: ours {ours_s:.2f} s, {ours.objective:.5f}, gap {ours.gap:.1e} "
          f"({ours.gap / abs(ours.objective):.0e}); HiGHS {theirs_s:.1f} s, {theirs:.5f}")  # fmt: skip
    assert ours.bound <= min(theirs, ours.objective) + 1e-6
    assert ours.objective <= theirs + 1e-3 * abs(ours.objective)
    if theirs <= ours.objective + 1e-9:
        assert theirs_s >= 5 * ours_s


@pytest.mark.bench
def test_time_grows_with_samples_and_classes_not_faster_than_they():
    def best(n, c):
        u, p = instance(n, c, 1)
        return min(seconds_of(lambda: balance.solve(u, p, np.full(c, n / 18 / c), 0.6, n // 18))[0] for _ in range(3))

    balance.solve(*instance(100, 3), np.ones(3), 1.0, 3)
    by_n = [best(n, 10) for n in (11_000, 22_000, 45_000, 90_000)]
    by_c = [best(20_000, c) for c in (10, 50, 100)]
    print(
        f"\nN 11,000 to 90,000, C 10: {', '.join(f'{s:.2f}' for s in by_n)} s; C 10, 50, 100: {', '.join(f'{s:.2f}' for s in by_c)}"
    )
    assert by_n[-1] < 16 * by_n[0]
