"""BADGE: ours beside the plain rule, growth, memory; `python -m tests.bench.test_badge_bench`: the full size, ours alone.

The rival is the technique of the public codes, re-written and fed the same arrays: the N x (C D) gradients are made, and
each pick passes over all of them.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import time

import pytest
import torch

from alnb.acquisition.badge import seeding
from tests.bench.interleave import ratio, seconds, slope

pytestmark = pytest.mark.bench


def factors(n, classes, dimensions, seed=0):
    """Errors p - e_c and embeddings as a linear head on features leaves them: clusters, some doubtful."""
    rng = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=rng)
    label = torch.randint(0, classes, (n,), generator=rng)
    embeddings = ((2 * draw(classes, 12)[label] + draw(n, 12)) @ draw(12, dimensions)).relu()
    logits = draw(n, classes) + 6 * torch.rand(n, 1, generator=rng) * torch.nn.functional.one_hot(label, classes)
    p = logits.softmax(1)
    return p - torch.nn.functional.one_hot(p.argmax(1), classes), embeddings


def materialised(errors, embeddings, budget, rng):
    gradients = (errors[:, :, None] * embeddings[:, None, :]).flatten(1)
    squared = gradients.square().sum(1)
    nearest, picks = torch.ones(len(gradients), dtype=torch.float64), []
    for turn in range(budget):
        noise = -torch.log1p(-torch.rand(len(gradients), dtype=torch.float64, generator=rng))
        picks.append(int((noise / nearest).argmin()))
        distance = squared + squared[picks[-1]] - 2 * (gradients @ gradients[picks[-1]])
        nearest = torch.minimum(nearest, distance.double()) if turn else distance.double()
        nearest.clamp_min_(0)[picks] = 0
    return picks


def test_it_is_faster_than_the_gradients_themselves():
    torch.set_num_threads(1)
    errors, embeddings = factors(6_000, 10, 512)
    seed = lambda: torch.Generator().manual_seed(1)
    ours, plain = seeding(errors, embeddings, 100, seed()), materialised(errors, embeddings, 100, seed())
    assert ours.tolist() == plain
    measured = ratio(
        lambda: materialised(errors, embeddings, 100, seed()), lambda: seeding(errors, embeddings, 100, seed()), pairs=3
    )
    print(
        f"\nBADGE materialised / ours, 6,000 x 10 x 512, 100 picks: {measured[0]:.1f}x ({measured[1]:.1f}-{measured[2]:.1f})"
    )
    assert measured[0] > 8


def test_its_time_grows_no_faster_than_candidates_and_budget():
    torch.set_num_threads(1)
    errors, embeddings = factors(16_000, 20, 256)
    sizes, budgets = [2_000, 4_000, 8_000, 16_000], [250, 500, 1_000, 2_000]
    draw = lambda n, b: seeding(errors[:n], embeddings[:n], b, torch.Generator().manual_seed(1))
    best = lambda n, b: min(seconds(lambda: draw(n, b)) for _ in range(3))
    best(2_000, 100)
    for name, (power, r2) in {
        "N": slope(sizes, [best(n, 500) for n in sizes]), "b": slope(budgets, [best(8_000, b) for b in budgets])
    }.items():  # fmt: skip
        print(f"\nBADGE growth: {name}^{power:.2f} (r2 {r2:.2f})")
        assert power < 1.3


def full_size():
    """CIFAR-100 as a pool of 45,000, 2,500 picks, one thread."""
    torch.set_num_threads(1)
    errors, embeddings = factors(45_000, 100, 512)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall = time.perf_counter()
    cpu = seconds(lambda: seeding(errors, embeddings, 2_500, torch.Generator().manual_seed(1)))
    wall = time.perf_counter() - wall
    given = (errors.numel() + embeddings.numel()) * 4 / 2**20
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"CPU s": cpu, "wall s": wall, "MiB above the arrays given": more, "MiB of these": given}


@pytest.mark.skipif("ALNB_FULL" not in os.environ or not sys.platform.startswith("linux"), reason="set ALNB_FULL=1")
def test_the_full_size():
    assert full_size()["MiB above the arrays given"] < 400


if __name__ == "__main__":
    print(
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}, 1 thread, load {os.getloadavg()[0]:.1f}"
    )
    print(", ".join(f"{name} {value:.1f}" for name, value in full_size().items()))
