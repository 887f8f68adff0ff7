"""k-center: ours beside the two usual techniques, growth, memory; `python -m tests.bench.test_k_center_bench`: full size.

The rivals are minimal re-writes of a technique, fed the same arrays:
`full_matrix`, all distances at once, then rows and columns deleted and appended at every step (as Sener and Savarese's
compute_distance_mat.py and the k-center of DeepAL+ and CBAL do); `incremental`, one matrix-vector product a pick.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from alnb.acquisition.k_center import _bring_closer, greedy
from tests.bench.interleave import ratio, seconds, slope

pytestmark = pytest.mark.bench


def features(kind, n, dimensions=512, seed=0):
    """ "noise": isotropic, where all distances are alike. "clusters": 100 clusters of 12 intrinsic dimensions, ReLU."""
    rng = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=rng)
    if kind == "noise":
        return draw(n, dimensions)
    inner = 2 * draw(100, 12)[torch.randint(0, 100, (n,), generator=rng)] + draw(n, 12)
    return (inner @ draw(12, dimensions)).relu()


def all_distances(points):
    products = points @ points.T
    squares = np.array(products.diagonal()).reshape(-1, 1)
    return np.sqrt(np.maximum(-2 * products + squares + squares.T, 0))


def full_matrix_steps(distances, labelled, budget):
    """`labelled` (n,) bool, set at every pick."""
    columns = distances[~labelled, :][:, labelled]
    for _ in range(budget):
        row = columns.min(axis=1).argmax()
        pick = np.arange(len(labelled))[~labelled][row]
        labelled[pick] = True
        columns = np.delete(columns, row, 0)
        columns = np.append(columns, distances[~labelled, pick][:, None], axis=1)
    return labelled


def full_matrix(pool, labelled, budget):
    points = np.concatenate([pool.numpy(), labelled.numpy()])
    return full_matrix_steps(all_distances(points), np.arange(len(points)) >= len(pool), budget)


def first_distances(pool, labelled):
    squared = pool.square().sum(1)
    nearest = torch.full((len(pool),), float("inf"))
    _bring_closer(nearest, pool, squared, labelled)
    return nearest, squared


def incremental(pool, labelled, budget, first=None):
    """Begins with our own blocked distances to the labelled (`first`, if given), so that only the picking differs."""
    nearest, squared = first or first_distances(pool, labelled)
    nearest, picks = nearest.clone(), []
    for _ in range(budget):
        pick = int(nearest.argmax())
        picks.append(pick)
        torch.minimum(nearest, squared + squared[pick] - 2 * (pool @ pool[pick]), out=nearest)
        nearest[pick] = -1
    return picks


def say(what, measured):
    print(f"\nk-center {what}: {measured[0]:.1f}x ({measured[1]:.1f}-{measured[2]:.1f})")


def test_it_is_faster_than_the_full_distance_matrix():
    points = features("clusters", 10_000)
    pool, labelled = points[:9_000], points[9_000:]
    measured = ratio(lambda: full_matrix(pool, labelled, 50), lambda: greedy(pool, labelled, 50), pairs=3)
    say("full matrix / ours, 9,000 + 1,000 labelled, 50 picks", measured)
    assert measured[0] > 10


@pytest.mark.parametrize("kind", ["noise", "clusters"])
def test_it_is_faster_than_a_product_per_pick(kind):
    points = features(kind, 10_000)
    pool, labelled = points[:9_000], points[9_000:]
    measured = ratio(lambda: incremental(pool, labelled, 500), lambda: greedy(pool, labelled, 500), pairs=3)
    say(f"incremental / ours, {kind}, 9,000 + 1,000 labelled, 500 picks", measured)
    assert measured[0] > 2.5


@pytest.mark.parametrize("kind", ["noise", "clusters"])
def test_its_time_grows_no_faster_than_candidates_and_budget(kind):
    points = features(kind, 24_064)
    pool, labelled = points[:24_000], points[24_000:]
    sizes, budgets = [3_000, 6_000, 12_000, 24_000], [375, 750, 1_500, 3_000]
    best = lambda n, b: min(seconds(lambda: greedy(pool[:n], labelled, b)) for _ in range(3))
    best(3_000, 100)
    with_size = slope(sizes, [best(n, 500) for n in sizes])
    with_budget = slope(budgets, [best(12_000, b) for b in budgets])
    for name, (power, r2) in {"N": with_size, "b": with_budget}.items():
        print(f"\nk-center growth, {kind}: {name}^{power:.2f} (r2 {r2:.2f})")
    assert with_size[0] < 1.3
    assert with_budget[0] < 1.3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_it_needs_a_small_part_of_the_memory():
    ours, matrix = extra_mebibytes("greedy"), extra_mebibytes("full_matrix")
    print(f"\nk-center memory above the arrays given, 10,000 points: ours {ours:.0f} MiB, full matrix {matrix:.0f} MiB")
    assert ours < matrix / 10


def extra_mebibytes(technique):
    """Peak resident memory that picking adds to a fresh process holding torch and the features.

    The kernel's own mark of this process: ru_maxrss would start from the peak of the process that launched it.
    """
    code = (
        "from tests.bench.test_k_center_bench import *; points = features('clusters', 10_000)\n"
        "peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1024\n"
        f"{technique}(points[:600], points[600:700], 5); open('/proc/self/clear_refs', 'w').write('5')\n"
        f"before = peak(); {technique}(points[:9_000], points[9_000:], 50); print(peak() - before)"
    )
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif("ALNB_FULL" not in os.environ, reason="about three minutes and 3 GB: set ALNB_FULL=1")
def test_the_full_size():
    for row in full_size():
        assert row["incremental / ours"] > 3
        assert row["full matrix / ours"] > 50


def full_size():
    """The thesis' CIFAR size, one thread."""
    torch.set_num_threads(1)
    return [beside_each_other(kind, N=45_000, L=5_000, b=2_500, D=512) for kind in ("noise", "clusters")]


def beside_each_other(kind, N, L, b, D):
    points = features(kind, N + L, D)
    pool, labelled = points[:N].contiguous(), points[N:].contiguous()
    first = first_distances(pool, labelled)
    wall = time.perf_counter()
    ours = seconds(lambda: greedy(pool, labelled, b))
    wall = time.perf_counter() - wall
    beginning = min(seconds(lambda: greedy(pool, labelled, 1)) for _ in range(2))
    product_per_pick = seconds(lambda: incremental(pool, labelled, b, first))
    matrix = extrapolated_full_matrix(points.numpy(), b, L / (N + L))
    return {
        "features": kind, "N": N, "labelled": L, "b": b, "D": D,
        "ours, CPU s": ours, "of it picking": ours - beginning, "ours, wall s": wall,
        "incremental, CPU s": beginning + product_per_pick, "full matrix, CPU s": matrix,
        "incremental / ours": (beginning + product_per_pick) / ours,
        "incremental / ours, picking": product_per_pick / (ours - beginning), "full matrix / ours": matrix / ours,
    }  # fmt: skip


def extrapolated_full_matrix(points, budget, share, n=10_000):
    """CPU seconds at all of `points`, from n of them, `share` labelled, and 20 steps.

    Both parts touch N^2 numbers. That flatters the rival: a step's columns grow with the picks, and its measured slope
    is steeper than 2, since the smaller matrices still fit a cache.
    """
    some, labelled = points[:: len(points) // n][:n], np.arange(n) < share * n
    kept = []
    making = seconds(lambda: kept.append(all_distances(some)))
    stepping = seconds(lambda: full_matrix_steps(kept[0], labelled, 20)) / 20
    return (making + budget * stepping) * (len(points) / n) ** 2


if __name__ == "__main__":
    results = full_size()
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, numpy {np.__version__}, 1 thread,"
          f" load {os.getloadavg()[0]:.1f}")  # fmt: skip
    print("| " + " | ".join(results[0]) + " |\n|" + "---|" * len(results[0]))
    for result in results:
        print("| " + " | ".join(f"{v:.1f}" if isinstance(v, float) else f"{v}" for v in result.values()) + " |")
