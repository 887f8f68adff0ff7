"""What the greedy k-center choice costs, measured: CPU seconds and memory, pool by pool, in a process of its own.

    python -m alnb.acquisition.cost 2000 4000      a row of JSON a pool

Thesis 4.5.2, in a footnote: "Representativeness-based methods are infeasible on large datasets."
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

from alnb.errors import BadRequest

LARGE = 90_000  # Tiny ImageNet less its first labels
FEATURES = 512  # as ResNet-18 has
SHARE = 18  # 45,000 unlabelled, 2,500 asked for: thesis 4.5.1
SIZES = (2000, 4000, 8000, 16_000)


def k_center(sizes=SIZES):
    """A row a pool: `pool` samples of made-up features, a ninth as many labelled, `asked` of them, CPU `seconds` on one thread,
    `memory` in MiB above the features (NaN where the system does not tell), `matrix` what all distances would hold in fp32.

    BadRequest for a size under SHARE.
    """
    import os

    import pandas

    if bad := [size for size in sizes if size < SHARE]:
        raise BadRequest(f"cost of k-center: a pool of {bad[0]}; accepted: {SHARE} or more")
    command = [sys.executable, "-m", "alnb.acquisition.cost", *map(str, sizes)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    return pandas.DataFrame(map(json.loads, done.stdout.splitlines()))


def extrapolated(rows, column: str, size: int) -> tuple[float, float] | None:
    """(slope, value) of `column` of `k_center`'s rows at a pool of `size`, on the straight line through their logarithms; None
    where there are fewer than two, or one is not above 0."""
    import numpy as np

    if len(rows) < 2 or not (rows[column] > 0).all():
        return None
    slope, base = np.polyfit(np.log(rows["pool"]), np.log(rows[column]), 1)
    return float(slope), float(np.exp(base + slope * np.log(size)))


def _measure(size: int) -> dict:
    import torch

    from alnb.acquisition.k_center import greedy

    rng = torch.Generator().manual_seed(0)
    centres = torch.randn(50, FEATURES, generator=rng)
    points = centres[torch.randint(50, (size + size // 9,), generator=rng)]
    points = points + torch.randn(points.shape, generator=rng)
    pool, labelled = points[:size], points[size:]
    greedy(pool[:600], labelled[:60], 5)  # what only the first call costs
    before, began = _peak(reset=True), time.process_time()
    greedy(pool, labelled, size // SHARE)
    seconds, memory = time.process_time() - began, _peak() - before
    return {"pool": size, "labelled": len(labelled), "asked": size // SHARE, "features": FEATURES, "seconds": seconds,
            "memory": memory, "matrix": len(points) ** 2 * 4 / 2**20}  # fmt: skip


def _peak(reset: bool = False) -> float:
    """MiB that this process held at most, since a reset; Linux only."""
    try:
        if reset:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        with open("/proc/self/status") as file:
            return int(file.read().split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return float("nan")


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    for each in sys.argv[1:]:
        print(json.dumps(_measure(int(each))), flush=True)
