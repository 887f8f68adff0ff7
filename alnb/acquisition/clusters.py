"""Batches from clusters: one candidate near each centre of a k-means, so that no two say the same.

Over all candidates alike the centres stand for the data: representative. Over the most uncertain ones, each weighted
by its uncertainty, the batch is informative and spread out (Zhdanov 2019).
"""

from __future__ import annotations

from alnb.acquisition import select
from alnb.errors import BadRequest

LEAST = 1e-6  # weight of a candidate the network has no doubt about: k-means wants some weight in every cluster


@select("cluster_centres", needs=("embeddings",), source="Xu et al., Representative sampling, ECIR 2003")
def cluster_centres(view, budget, rng):
    """(budget,) rows, the candidates next to the centres of `budget` clusters, the largest cluster first."""
    import torch

    shared = view.priority.argsort()
    points = view.embeddings[shared]
    return shared[nearest_to_centres(points, torch.ones(len(points)), budget, rng).to(shared.device)]


@select(
    "diverse_margin",
    needs=("probabilities", "embeddings"),
    source="Zhdanov, Diverse mini-batch active learning, arXiv:1901.05954, 2019",
)
def diverse_margin(view, budget, rng, *, beta: int = 10):
    """(budget,) rows: of the beta * budget candidates of least margin, those next to the centres of a k-means in which
    a candidate weighs 1 - margin. beta 1 is margin itself; ties follow the shared random order."""
    check_diverse_margin(beta=beta)
    shared = view.priority.argsort()
    best, second = view.probabilities[shared].topk(2, dim=1).values.unbind(1)
    doubt = 1 - (best - second)
    kept = doubt.sort(descending=True, stable=True).indices[: beta * budget]
    picks = nearest_to_centres(view.embeddings[shared[kept]], doubt[kept], budget, rng)
    return shared[kept[picks.to(kept.device)]]


def check_diverse_margin(*, beta):
    """BadRequest for fewer candidates than a batch."""
    if beta < 1:
        raise BadRequest(f"diverse_margin: beta = {beta}: expected at least 1")


def nearest_to_centres(points, weights, count: int, rng):
    """(count,) distinct rows of `points` (n, D), n >= count: next to each centre of a k-means with `weights` (n,), the
    cluster of most weight first; a row that is taken leaves the next nearest. Starts are k-means++ drawn from `rng`."""
    import warnings

    import torch
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    seed = int(torch.randint(2**31 - 1, (), generator=rng))
    points = points.detach().cpu().double()
    weights = weights.detach().cpu().double().clamp_min(LEAST)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different points than clusters is no error here
        means = KMeans(count, n_init=1, random_state=seed).fit(points.numpy(), sample_weight=weights.numpy())
    heavy = torch.zeros(count, dtype=torch.double).index_add_(0, torch.from_numpy(means.labels_).long(), weights)
    distances = torch.cdist(torch.from_numpy(means.cluster_centers_), points)
    picks = torch.empty(count, dtype=torch.int64)
    for place, cluster in enumerate(heavy.sort(descending=True, stable=True).indices):
        picks[place] = distances[cluster].argmin()
        distances[:, picks[place]] = float("inf")
    return picks
