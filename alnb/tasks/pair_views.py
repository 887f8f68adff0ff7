"""What may be looked at when a question about a pair is chosen: candidates of one query, through a network."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alnb.errors import BadRequest
from alnb.tasks.pairs import Pairs

OFFERS = {
    "distances": "(U,) float, d(q, g) as the network measures it",
    "similarity": "(U,) float, Sim(q, g) after the answers so far",
    "rewards": "(U, 2) float, what the answers no and yes would bring",
    "q_values": "(U,) float, Q(S, a) of the agent",
    "exploring": "() float, the chance of a random question",
    "probabilities": "(U, 2) float, that q and g are two people, and one: a logistic of d, fitted on the source",
    "log_probabilities": "(U, 2) float",
    "committee": "function: (members) -> (members, U) int, 1: one person; by the boxes, mirrored, moved by some pixels",
    "density": "(U,) float, how densely g's neighbourhood is populated and how little of it was asked",
    "embeddings": "(U, D) float, features of the candidates",
    "labelled_embeddings": "(L, D) float, features of q and of the candidates that were asked",
    "truth": "(U,) int, identities of the candidates: for strategies marked oracle=True only",
    "query_truth": "() int, that of q: likewise",
}
"""U candidates of one query that nobody has asked. The view also has `classes`, 2."""


class Look:
    """What a network sees of the pool between two fine-tunings. logistic: what `Pairs.matches` gave; features: (n, D)."""

    def __init__(self, task: Pairs, network, logistic: Mapping[str, float]):
        self.task, self.network, self.logistic = task, network, logistic
        self.features = task.features(network)
        self._squares = self.features.square().sum(1)
        self._views: list[Any] = []

    def nearest(self, query: int, count: int, cross_camera_only: bool = False):
        """(boxes, distance): the query and the `count` boxes nearest to it, nearest first; (count + 1, count + 1) between
        all of them. BadRequest where there are fewer."""
        import torch

        d = self._squares - 2 * (self.features @ self.features[query])  # squared, but for |q|^2: it ranks
        d[query] = torch.inf
        if cross_camera_only:
            d[self.task.boxes.cameras == self.task.boxes.cameras[query]] = torch.inf
        if (there := int(d.isfinite().sum())) < count:
            raise BadRequest(
                f"box {query} of {self.task.run.dataset} has {there} boxes to be compared with; n_s = {count}"
            )
        near = d.argsort(stable=True)[:count]
        exact = (self.features[near] - self.features[query]).norm(dim=1)
        boxes = [query, *near[exact.argsort(stable=True)].tolist()]
        own = self.features[boxes]
        return boxes, torch.cdist(own, own, compute_mode="donot_use_mm_for_euclid_dist")

    def log_probabilities(self, d):
        """(U, 2) of distances (U,)."""
        import torch

        z = self.logistic["intercept"] + self.logistic["slope"] * d
        return torch.nn.functional.logsigmoid(torch.stack([-z, z], 1))

    def committee(self, members: int, query: int, candidates: Sequence[int]):
        """(members, U) int: whether each member takes q and the candidate for one person."""
        import torch

        while len(self._views) < members:
            self._views.append(self.task.features(self.network, len(self._views)))
        d = [(view[list(candidates)] - view[query]).norm(dim=1) for view in self._views[:members]]
        return torch.stack([self.log_probabilities(one).argmax(1) for one in d])

    @functools.cached_property
    def graph(self) -> Graph:
        return Graph(self.features)


class Graph:
    """The symmetric graph of `neighbours` nearest neighbours among features (n, D), an edge's weight exp(-d^2 / 2 s^2) with s
    the mean distance along an edge; `density` (n,) is the mean weight of a box's edges (Ebert et al. 2012)."""

    def __init__(self, features, neighbours: int = 10, chunk: int = 1024):
        import torch

        n, near = len(features), []
        for start in range(0, n, chunk):
            part = features[start : start + chunk]
            d = torch.cdist(part, features, compute_mode="donot_use_mm_for_euclid_dist")
            d[torch.arange(len(part)), start + torch.arange(len(part))] = torch.inf
            near.append(d.argsort(dim=1, stable=True)[:, : min(neighbours, n - 1)])
        near = torch.cat(near)
        one, other = torch.arange(n).repeat_interleave(near.shape[1]), near.flatten()
        keys = torch.cat([one * n + other, other * n + one]).unique()  # ascending: by box
        one, self._other = keys // n, keys % n
        d = (features[one] - features[self._other]).norm(dim=1)
        weight = (-d.square() / (2 * d.mean() ** 2)).exp()
        counts = one.bincount(minlength=n)
        self._starts = [0, *counts.cumsum(0).tolist()]
        self.density = torch.zeros(n).index_add_(0, one, weight) / counts.clamp_min(1)

    def asked(self, box: int) -> None:
        """Its own density, and that of its neighbours, is less by what it had."""
        linked = self._other[self._starts[box] : self._starts[box + 1]].tolist()
        self.density[[box, *linked]] -= self.density[box].clone().clamp_min(0)


class View:
    """What a strategy may look at (OFFERS): the candidates of one query that nobody has asked, in `priority` a random order.

    episode: has boxes, distance, sim, rewards, left and order (methods of re-ID). more: further fields, called when asked for.
    """

    classes, device = 2, "cpu"

    def __init__(self, look: Look, episode, oracle: bool, more: Mapping[str, Callable[[Any], Any]]):
        self._look, self._episode, self._oracle, self._more = look, episode, oracle, more
        self._left = episode.left.nonzero()[:, 0]
        self._boxes = [episode.boxes[k] for k in self._left.tolist()]
        self.size, self.priority = len(self._left), episode.order[self._left - 1].argsort().argsort()

    def __getattr__(self, name: str):
        if name.startswith("_") or name not in OFFERS:
            raise AttributeError(
                f"re-identification by pairs offers no {name!r} to a strategy; it offers {', '.join(OFFERS)}"
            )
        if name in ("truth", "query_truth") and not self._oracle:
            raise PermissionError("only a strategy marked oracle=True may see who is who")
        value = self._more[name](self._left) if name in self._more else getattr(self, f"_{name}")()
        self.__dict__[name] = value  # a view is of one question: nothing it has can change
        return value

    def _distances(self):
        return self._episode.distance[0, self._left]

    def _similarity(self):
        return self._episode.sim[0, self._left]

    def _rewards(self):
        return self._episode.rewards[self._left]

    def _log_probabilities(self):
        return self._look.log_probabilities(self._distances())

    def _probabilities(self):
        return self._log_probabilities().exp()

    def _committee(self):
        return lambda members: self._look.committee(members, self._episode.boxes[0], self._boxes)

    def _density(self):
        return self._look.graph.density[self._boxes]

    def _embeddings(self):
        return self._look.features[self._boxes]

    def _labelled_embeddings(self):
        asked = (~self._episode.left).nonzero()[:, 0].tolist()
        return self._look.features[[self._episode.boxes[k] for k in asked]]

    def _truth(self):
        return self._look.task.boxes.ids[self._boxes]

    def _query_truth(self):
        return self._look.task.boxes.ids[self._episode.boxes[0]]
