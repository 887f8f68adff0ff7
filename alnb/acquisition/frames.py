"""Choosing frames of videos: neighbours of what is labelled teach little, and long videos crowd out short ones.

What all frame strategies share: temporal representativeness, "which prevents selecting the k neighbors in both directions of
already labeled frames" (thesis 2.5.2), and per-video sampling, which the thesis names and its public code defines.
"""

from __future__ import annotations

from alnb.acquisition import select
from alnb.errors import BadRequest


def apart(view, scores, budget: int, k: int = 1, per_video: bool = True):
    """(budget,) rows of the frames with the largest `scores` (U,) that lie more than k frames from each other and from what
    is labelled, in the same video; equals in the shared random order.

    per_video: each video ranks its own frames, and the batch takes the first of every video, then the second, ..., the
    videos in the shared random order (as the public code of thesis ch. 2). Where no frame is left, k is one less, and so on:
    a batch is always full, and a smaller one begins a larger one. view.tied_share is then the share of it that the shared
    order decided (`tied`). BadRequest for k < 0 and for NaN.
    """
    import numpy as np
    import torch

    check_apart(k)
    priority, scores = view.priority.cpu().numpy(), np.asarray(scores, dtype=float)
    if wrong := int(np.isnan(scores).sum()):
        raise BadRequest(f"the scores of {wrong} of {len(scores)} frames are NaN: detections with numbers only, please")
    order = np.lexsort((priority, -scores))  # best first
    video, time = view.video.cpu().numpy(), view.time.cpu().numpy()
    taken: dict[int, set[int]] = {}
    for v, t in zip(view.labelled_video.tolist(), view.labelled_time.tolist()):
        taken.setdefault(v, set()).add(t)
    first = {int(v): i for i, v in reversed(list(enumerate(video[np.argsort(priority)])))}  # the videos' shared order
    chosen, left = [], order.tolist()
    for near in range(k, -1, -1):
        rounds, ranks, beyond = [], {}, []
        for row in left:
            v, t = int(video[row]), int(time[row])
            times = taken.setdefault(v, set())
            if any(t + d in times for d in range(-near, near + 1)):
                beyond.append(row)
                continue
            times.add(t)
            ranks[v] = ranks.get(v, -1) + 1
            rounds.append((ranks[v], first[v], row))
        chosen += [row for *_, row in (sorted(rounds) if per_video else rounds)]
        left = beyond
        if len(chosen) >= budget:
            break
    chosen = (chosen + left)[:budget]
    view.tied_share = tied(scores, video if per_video else np.zeros_like(video), chosen)
    return torch.tensor(chosen, device=view.device)


def tied(scores, video, chosen) -> float:
    """Share of the frames `chosen` whose place the shared order decided: of a score that a frame left in their video has too."""
    import numpy as np

    left = np.ones(len(scores), dtype=bool)
    left[chosen] = False
    others = set(zip(video[left].tolist(), scores[left].tolist()))
    return sum((v, s) in others for v, s in zip(video[chosen].tolist(), scores[chosen].tolist())) / max(len(chosen), 1)


@select(
    "random_r", needs=("video", "time", "labelled_video", "labelled_time"), source="thesis 2.5.2, Random+R", nested=True
)
def random_r(view, budget, rng, *, k: int = 1, per_video: bool = True):
    """(budget,) rows at random, apart in time and spread over the videos: Random with temporal representativeness."""
    return apart(view, -view.priority.cpu().numpy(), budget, k, per_video)


def check_random_r(*, k, per_video) -> None:
    """BadRequest for an option out of range."""
    check_apart(k)


def check_apart(k: int) -> None:
    """BadRequest for a number of neighbouring frames that is none."""
    if k < 0:
        raise BadRequest(f"k = {k}: expected a number of neighbouring frames, 0 or more")
