"""Re-identification that is labelled by pairs: two boxes, the same person or not. Boxes, network, features, fine-tuning
on pairwise answers, training on identities, evaluation.

It is no task of the pool-based cycle: what is asked is no sample but a pair, and one by one (methods of re-ID). What was
answered is in `pair_answers`, what a strategy may look at in `pair_views`, trainings on known people in `pair_training`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alnb.errors import BadRequest
from alnb.machine import device
from alnb.runs import Run, stream, torch_stream
from alnb.tasks import Metric
from alnb.tasks.pair_answers import Answers

SOURCE = "source"  # the method of a run that trains on people who are known, and the role that it is needed in


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
        )  # fmt: skip

    def measured(self, network, cycle: int, labelled: int, more: Mapping[str, int]) -> dict:
        """The row of kind "test". labelled: answers given so far, same or different, about `pairs` different pairs, `share` of
        all pairs, in per cent; `put`: the questions they took; `questions`: K_max."""
        share = 100 * labelled / (self.size * (self.size - 1) / 2)
        about = {"kind": "test", "cycle": cycle, "labelled": labelled, "questions": self.options.k_max, **more, "share": share}
        return about | self.timed("measuring", self.evaluate, network)

    def timed(self, name: str, function, *given, **more):
        """function(*given, **more), its seconds added to `timings`."""
        began = time.perf_counter()
        found = function(*given, **more)
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - began
        return found

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

    def train(self, network, batches: Iterable, optimiser, rng, *, cross: bool = True) -> float:
        """Steps of cross-entropy + batch-hard triplets on the true identities (DRAL eq. 1-3); cross False: of triplets alone
        (eq. 2), which leaves the head as it is. batches: rows of boxes. The mean loss; the network is left in eval mode."""
        import torch

        from alnb.learning.reid import batch_hard, masks_of

        labels, total, taken = self.boxes.labels, 0.0, 0
        network.train()
        for rows in batches:
            features, logits = self._forward(network, rows, rng)
            own = labels[rows].to(self.device)
            loss = torch.nn.functional.cross_entropy(logits, own) if cross else 0.0
            loss = loss + batch_hard(features, *masks_of(own), self.options.margin).mean()
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

        from alnb.learning.logistic import logistic

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
