"""Re-identification that is labelled by pairs: two boxes, the same person or not. Boxes, network, features, fine-tuning
on pairwise answers, training on identities, evaluation.

It is no task of the pool-based cycle: what is asked is no sample but a pair, and one by one (methods of re-ID).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alnb.errors import BadRequest
from alnb.machine import device
from alnb.runs import Run, stream, torch_stream
from alnb.tasks import Metric

SOURCE = (
    "source"  # the method of a run that trains on a dataset whose identities are known, and the role it is needed in
)
EPOCHS_A_STEP = 20


@dataclass(frozen=True)
class Settings:
    """The network, how it is trained on the source, fine-tuned on answers, and measured.

    weights: what a ResNet starts from, "random" or "imagenet". neck: whether a BN neck stands between the pooled feature and
    the classifier, and retrieval compares what follows it. source_*: Adam on cross-entropy + batch-hard triplets, batches of
    people x boxes. margin: of the triplet loss, eq. 2, between features of length 1. tune_steps: updates after each block of
    queries, of tune_queries anchors each with up to `positives` and `negatives` boxes that are known to be and not to be
    theirs. mirror: half of the training boxes are mirrored. jitter: the deviation of the log gain of each colour channel of a
    training box: cameras differ in it. metric: d, between features of length 1, or whitened by the
    covariance of the pool's (Mahalanobis). ap: the estimator of average precision (metrics.reid). flip_prob: the share of pairs
    to which the truth gives the wrong answer.
    """

    network: str = "reid_resnet50"
    weights: Literal["random", "imagenet"] = "random"
    neck: bool = False
    height: int = 256
    width: int = 128
    source_epochs: int = 60
    source_lr: float = 5e-4
    people: int = 16
    boxes: int = 4
    margin: float = 0.2
    tune_steps: int = 200
    tune_lr: float = 5e-6
    tune_queries: int = 16
    positives: int = 2
    negatives: int = 3
    mirror: bool = True
    jitter: float = 0.0
    metric: Literal["euclidean", "whitened"] = "euclidean"
    ap: Literal["rectangle", "trapezoid"] = "rectangle"
    precision: Literal["fp32", "bf16"] = "fp32"
    flip_prob: float = 0.0


def check(o: Settings, dataset: str) -> None:
    """BadRequest for a dataset of another task, a network that is none of re-ID's, and sizes that cannot be."""
    from alnb import datasets
    from alnb.datasets import reid
    from alnb.learning import networks

    datasets.check_task(dataset, reid.TASK)
    if o.network not in (known := [name for name in networks.names("images") if name.startswith("reid_")]):
        raise BadRequest(f"network = {o.network!r}: expected one of {', '.join(map(repr, known))}")
    if o.weights == "imagenet" and o.network != "reid_resnet50":
        raise BadRequest(f"network {o.network!r} has no weights of ImageNet; accepted: weights = 'random'")
    reid.check_size((o.height, o.width))
    least = {
        "source_epochs": 1,
        "people": 2,
        "boxes": 2,
        "tune_steps": 0,
        "jitter": 0,
        "tune_queries": 1,
        "positives": 1,
        "negatives": 1,
    }
    for name, value in least.items():
        if getattr(o, name) < value:
            raise BadRequest(f"{name} = {getattr(o, name)}: expected at least {value}")
    if not 0 <= o.flip_prob < 1:
        raise BadRequest(f"flip_prob = {o.flip_prob}: expected a probability, 0 or more and under 1")
    for name in ("source_lr", "tune_lr", "margin"):
        if getattr(o, name) <= 0:
            raise BadRequest(f"{name} = {getattr(o, name)}: expected more than 0")


def check_source(source: str, dataset: str) -> None:
    """BadRequest for a source whose people are also those of `dataset`: their identities would be known before anything is
    asked. Worlds of one stream draw the same people (worlds.pedestrians.Preset), CUHK03-NP is one set of people cut out twice."""
    if source == dataset:
        raise BadRequest(
            f"source = {source!r} is the dataset itself: its identities would be known before anything is asked"
        )
    if _people(source) == _people(dataset):
        raise BadRequest(f"source = {source!r} shows the people of {dataset}, who would be known before anything is asked; "
                         "give one of other people")  # fmt: skip


def _people(dataset: str):
    """What two datasets of the same people have in common."""
    from alnb.worlds import pedestrians

    if dataset in pedestrians.PRESETS:
        return pedestrians.PRESETS[dataset].stream
    return dataset.removesuffix("-labelled").removesuffix("-detected")


def prepare(run: Run, say) -> None:
    """BadRequest where ImageNet's weights are wanted and not there, before anything starts."""
    if run.options.weights == "imagenet":
        from alnb.learning.encoders import torchvision

        torchvision.weights("resnet50")


def metrics(dataset: str) -> tuple[Metric, ...]:
    """What `Pairs.evaluate` gives, in per cent of the queries."""
    return tuple(Metric(name, "%", low=0, high=100) for name in ("mAP", "rank 1", "rank 5", "rank 10", "mINP"))


# --- what has been answered -------------------------------------------------------------------------------------------------


class Answers:
    """Which boxes are known to be one person and which are not, for `size` boxes; what nobody answered is unknown.

    The last answer to a pair counts, in whichever order it was asked. closure: what follows from the answers counts too (same
    as same is the same, not the same as same is another); against an answer it never stands.
    """

    def __init__(self, size: int, closure: bool = False):
        self.size, self.closure = size, closure
        self.given: dict[tuple[int, int], bool] = {}
        self._known = None

    def __len__(self) -> int:
        """Distinct pairs that were answered."""
        return len(self.given)

    def add(self, one: int, other: int, same: bool) -> None:
        if one == other:
            raise BadRequest(f"box {one} is asked about itself")
        self.given[min(one, other), max(one, other)] = bool(same)
        self._known = None

    def get(self, one: int, other: int) -> bool | None:
        """What was answered to the pair; None: nothing was."""
        return self.given.get((min(one, other), max(one, other)))

    def implied(self) -> dict[tuple[int, int], bool]:
        """The answers and, with `closure`, what follows from them."""
        if not self.closure:
            return self.given
        parent = list(range(self.size))

        def root(i):
            while parent[i] != i:
                parent[i] = parent[parent[i]]
                i = parent[i]
            return i

        for (i, j), same in self.given.items():
            if same:
                parent[root(i)] = root(j)
        groups: dict[int, list[int]] = {}
        for i in sorted({i for pair in self.given for i in pair}):
            groups.setdefault(root(i), []).append(i)
        found = {(i, j): True for group in groups.values() for n, i in enumerate(group) for j in group[n + 1 :]}
        for (i, j), same in self.given.items():
            one, other = root(i), root(j)
            if not same and one != other:
                found |= {(min(a, b), max(a, b)): False for a in groups[one] for b in groups[other]}
        return found | self.given

    def masks(self, rows):
        """(positive, negative), (B, B) bool each, of boxes rows (B,): known to be one person, known not to be."""
        import numpy as np
        import torch

        keys, same = self._sorted()
        rows = np.asarray(rows)
        asked = rows[:, None] * self.size + rows
        at = np.searchsorted(keys, asked).clip(max=max(len(keys) - 1, 0))
        there = keys[at] == asked if len(keys) else np.zeros(asked.shape, bool)
        positive = there & same[at] if len(keys) else there
        return torch.from_numpy(positive), torch.from_numpy(there & ~positive)

    def _sorted(self):
        """Keys i * size + j of all that is known, both ways, ascending, and whether it is the same person."""
        import numpy as np

        if self._known is None:
            pairs = self.implied()
            ij = np.array(list(pairs), np.int64).reshape(-1, 2)
            same = np.array(list(pairs.values()), bool)
            keys = np.concatenate([ij[:, 0] * self.size + ij[:, 1], ij[:, 1] * self.size + ij[:, 0]])
            order = keys.argsort()
            self._known = keys[order], np.concatenate([same, same])[order]
        return self._known

    def partners(self) -> dict[int, tuple[list[int], list[int]]]:
        """Box -> (known to be the same person, known to be another), of boxes that have both, in ascending order."""
        keys, same = self._sorted()
        found: dict[int, tuple[list[int], list[int]]] = {}
        for i, j, yes in zip((keys // self.size).tolist(), (keys % self.size).tolist(), same.tolist()):
            found.setdefault(i, ([], []))[0 if yes else 1].append(j)
        return {i: both for i, both in found.items() if both[0] and both[1]}


def logistic(d, same, ridge: float = 1e-6, steps: int = 50) -> tuple[float, float]:
    """(intercept, slope) of P(same | d) = 1 / (1 + exp(-(intercept + slope d))) of largest likelihood, by Newton's method; d
    (n,), same (n,) bool with both answers. The ridge keeps the slope finite where the two part."""
    import torch

    mean, scale = d.double().mean(), d.double().std().clamp_min(1e-12)
    x = torch.stack([torch.ones_like(d), (d - mean) / scale], 1).double()
    w, y, penalty = (
        torch.zeros(2, dtype=torch.float64),
        same.double(),
        ridge * len(d) * torch.eye(2, dtype=torch.float64),
    )
    for _ in range(steps):
        p = torch.sigmoid(x @ w)
        hessian = x.T @ (x * (p * (1 - p))[:, None]) + penalty
        move = torch.linalg.solve(hessian, x.T @ (y - p) - penalty @ w)
        w = w + move.clamp(-2, 2)
        if float(move.abs().max()) < 1e-10:
            break
    return float(w[0] - w[1] * mean / scale), float(w[1] / scale)


# --- the network and its data -------------------------------------------------------------------------------------------------


class Pairs:
    """One run's boxes and network. Boxes are numbered as in the dataset's training set."""

    def __init__(self, run: Run):
        from alnb.datasets import reid

        o = self.options = run.options
        self.run, self.device = run, device()
        self.data = reid.load(run.dataset, size=(o.height, o.width))
        self.boxes = self.data.train
        self.size, self.timings = len(self.boxes), {}
        self.look_with = {
            "mean": self.data.mean, "std": self.data.std, "device": self.device, "neck": o.neck, "precision": o.precision,
        }  # fmt: skip

    def build(self, classes: int) -> Any:
        """A network with a new head for so many identities."""
        from alnb.learning import networks

        o, init = self.options, torch_stream(self.run.seed, "model init")
        own = {"weights": o.weights} if o.weights != "random" else {}
        return networks.build(o.network, classes, 3, generator=init, **own).to(self.device)

    def restore(self, weights: dict, head: bool = False) -> Any:
        """The network of these weights. head: with the head, which is of the same identities; else that is left behind."""
        network = self.build(self.boxes.identities)
        own = weights if head else {name: value for name, value in weights.items() if not name.startswith("head.")}
        missing = network.load_state_dict(own, strict=False)
        if missing.unexpected_keys:
            raise BadRequest(f"these weights are of another network: they hold {missing.unexpected_keys[0]}")
        return network.to(self.device)

    # --- features

    def features(self, network, view: int = 0):
        """(n, D) fp32 on the CPU, of the pool: what d is the Euclidean distance of. view: 0 the boxes as they are, 1 mirrored,
        2 and more moved by up to a sixteenth of their height, at random but all alike."""
        import torch

        images = self.boxes.images
        if view == 1:
            images = images.flip(3)
        elif view:
            rng, most = torch_stream(self.run.seed, "a committee's view", view), max(1, self.options.height // 16)
            images = images.roll(tuple(torch.randint(-most, most + 1, (2,), generator=rng).tolist()), (2, 3))
        return self._measured(self._extract(network, images))

    def _extract(self, network, images):
        import torch

        from alnb.learning.reid import extract

        found = extract(network, images, **self.look_with).cpu()
        return torch.nn.functional.normalize(found, dim=1)

    def _measured(self, features, pool=None):
        """Features as `metric` compares them; pool: what the covariance is of, `features` themselves if left out."""
        import torch

        if self.options.metric == "euclidean":
            return features
        pool = (features if pool is None else pool).double()
        values, vectors = torch.linalg.eigh(torch.cov(pool.T))
        values = values.clamp_min(1e-3 * values[-1])
        whiten = vectors @ torch.diag(values.rsqrt()) @ vectors.T
        return ((features.double() - pool.mean(0)) @ whiten).float()

    def evaluate(self, network) -> dict[str, float]:
        """The metrics of `metrics` on queries and gallery."""
        from alnb.metrics import reid

        data = self.data
        return reid.evaluate(
            *self._tested(network), data.ids, data.cameras, distance="euclidean", ap=self.options.ap,
            single_shot=data.protocol.single_shot,
        )  # fmt: skip

    def _tested(self, network) -> list:
        """Features of queries and gallery, as they are compared."""
        found = [self._extract(network, part.images) for part in (self.data.query, self.data.gallery)]
        if self.options.metric == "euclidean":
            return found
        pool = self._extract(network, self.boxes.images)
        return [self._measured(each, pool) for each in found]

    # --- training

    def _forward(self, network, rows, rng):
        """(features for triplets, of length 1; logits) of boxes rows in training mode."""
        import torch

        from alnb.learning.augment import normalise
        from alnb.learning.modes import autocast

        images = self.boxes.images[rows].to(self.device)
        if self.options.mirror:
            turned = torch.rand(len(images), generator=rng).to(self.device) < 0.5
            images = torch.where(turned[:, None, None, None], images.flip(3), images)
        x = normalise(images, self.data.mean, self.data.std)
        if self.options.jitter:  # of the pixels, of which x is a linear function
            mean, std = (
                torch.tensor(each, device=self.device)[:, None, None] for each in (self.data.mean, self.data.std)
            )
            gain = (self.options.jitter * torch.randn(len(images), 3, 1, 1, generator=rng)).exp().to(self.device)
            x = ((x * std + mean) * gain).clamp(0, 1).sub(mean).div(std)
        with autocast(self.device, self.options.precision):
            pooled = network.pooled(x)
        pooled = pooled.float()
        logits = network.head(network.neck(pooled) if self.options.neck else pooled)
        return torch.nn.functional.normalize(pooled, dim=1), logits

    def tune(self, network, answers: Answers, block: int) -> dict:
        """Fine-tune by the triplet loss alone (DRAL eq. 2) on what is answered. A batch holds anchors with both a box of theirs
        and one that is not, and some of these; whoever has both in it takes the hardest of each among the *known* pairs. Returns
        loss (mean), anchors (boxes that can be one); without any nothing is learnt."""
        import torch

        o, partners = self.options, answers.partners()
        there, rng = sorted(partners), torch_stream(self.run.seed, "fine-tuning", block)

        def batches():
            while True:
                chosen = [there[i] for i in torch.randperm(len(there), generator=rng)[: o.tune_queries].tolist()]
                rows = dict.fromkeys(chosen)
                for one in chosen:
                    for boxes, most in zip(partners[one], (o.positives, o.negatives)):
                        drawn = torch.randperm(len(boxes), generator=rng)[:most].tolist()
                        rows |= dict.fromkeys(boxes[i] for i in drawn)
                yield torch.tensor(list(rows)), answers.masks(list(rows))

        return self._tune(network, batches(), len(there), rng)

    def tune_on(self, network, boxes: Sequence[int], block: int) -> dict:
        """The same where the identities of `boxes` are known, so that every pair of them is."""
        import torch

        from alnb.learning.reid import anchors, identity_batches, masks_of

        o, rng = self.options, torch_stream(self.run.seed, "fine-tuning", block)
        boxes, labels = torch.tensor(sorted(boxes)), self.boxes.labels
        known = labels[boxes]
        people = min(o.people, len(known.unique()))

        def batches():
            while True:
                for rows in identity_batches(known, people, o.boxes, rng):
                    rows = boxes[rows.unique()]
                    yield rows, masks_of(labels[rows])

        there = int(anchors(*masks_of(known)).sum())
        return self._tune(network, batches(), there if people > 1 else 0, rng)

    def _tune(self, network, batches, there: int, rng) -> dict:
        from alnb.learning.optimisers import Adam
        from alnb.learning.reid import anchors, batch_hard

        o, total = self.options, 0.0
        if not there or not o.tune_steps:
            return {"anchors": there}
        optimiser = Adam(network.parameters(), o.tune_lr)
        network.train()
        for _, (rows, masks) in zip(range(o.tune_steps), batches):
            features, _ = self._forward(network, rows, rng)
            positive, negative = (mask.to(self.device) for mask in masks)
            losses = batch_hard(features, positive, negative, o.margin)
            loss = losses.sum() / anchors(positive, negative).sum().clamp_min(1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item()
        optimiser.zero_grad()
        network.eval()
        return {"anchors": there, "loss": total / o.tune_steps}

    def train(self, network, batches: Iterable, optimiser, rng) -> float:
        """Steps of cross-entropy + batch-hard triplets on the true identities (DRAL eq. 1-3). batches: rows of boxes. The mean
        loss; the network is left in eval mode."""
        import torch

        from alnb.learning.reid import batch_hard, masks_of

        labels, total, taken = self.boxes.labels, 0.0, 0
        network.train()
        for rows in batches:
            features, logits = self._forward(network, rows, rng)
            own = labels[rows].to(self.device)
            cross = torch.nn.functional.cross_entropy(logits, own)
            loss = cross + batch_hard(features, *masks_of(own), self.options.margin).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total, taken = total + loss.item(), taken + 1
        optimiser.zero_grad()
        network.eval()
        return total / max(1, taken)

    def epoch(self, number: int) -> list:
        """Identity batches of one epoch."""
        from alnb.learning.reid import identity_batches

        rng = torch_stream(self.run.seed, "identity batches", number)
        return identity_batches(self.boxes.labels, self.options.people, self.options.boxes, rng)

    def matches(self, network, candidates: int) -> dict[str, float]:
        """P(same | d) = 1 / (1 + exp(-(intercept + slope d))) over the queries of the test set, people the network has not
        seen, and their nearest boxes of the gallery by the camera rule: what says how sure a distance is."""
        import torch

        d = torch.cdist(*self._tested(network))
        ids, cameras = self.data.ids, self.data.cameras
        same = ids[0][:, None] == ids[1]
        d[(same & (cameras[0][:, None] == cameras[1])) | (ids[1] < 0)] = torch.inf
        near = d.argsort(dim=1, stable=True)[:, : min(candidates, d.shape[1])]
        d, same = d.gather(1, near).flatten(), same.gather(1, near).flatten()
        d, same = d[d.isfinite()], same[d.isfinite()]
        if bool(same.all()) or not bool(same.any()):
            raise BadRequest(
                f"{self.run.dataset}: the nearest boxes of its queries are all of one answer; no logistic fits"
            )
        return dict(zip(("intercept", "slope"), logistic(d, same)))

    # --- the truth

    def truth(self, query) -> bool:
        """Whether the two boxes show one person; by `flip_prob`, for this pair always or never, the contrary."""
        i, j = sorted(query)
        same = bool(self.boxes.ids[i] == self.boxes.ids[j])
        flip = self.options.flip_prob
        return same != (flip > 0 and stream(self.run.seed, f"wrong answer {i} {j}") < flip * 2**63)


# --- what may be looked at when a question is chosen -----------------------------------------------------------------------------

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
        return self._more[name](self._left) if name in self._more else getattr(self, f"_{name}")()

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
