"""Classification of frozen features: a network that nobody trains any more, and a linear head on what it sees.

Features are computed once for a dataset and an encoder (alnb/learning/frozen.py), so that a whole run takes seconds on one
core, on real photographs too. What it is not: the network learns nothing, and no image is ever cropped or mirrored, so
claims about the learning dynamics of deep networks are not tested by it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alnb import datasets
from alnb.errors import BadRequest
from alnb.machine import device
from alnb.runs import Run, State, stream
from alnb.tasks import classification
from alnb.tasks.classes import DECISIONS, OFFERS, Classes
from alnb.tasks.classification import check_recipe, recipe
from alnb.tasks.pool import PoolSettings, check_classes, pool_rows
from alnb.tasks.pool import check as check_pool

ENCODER = "encoder"  # the role of the run whose network encodes, in `needs`


@dataclass(frozen=True)
class Settings(classification.Settings):
    """A study's choice between images and their frozen features, and what the features are.

    encoder: see learning.encoders; "run": the network of the run that is needed as "encoder". px: images are resized to
    this side before it, 0: as they are. standardise: every feature has mean 0 and deviation 1 over the pool, else they are as
    the encoder gives them. head: "sgd", softmax regression by the recipe (epochs, batch, lr, ... as for
    images), or "svm", scikit-learn's LinearSVC, one class against the rest, with penalty svm_c. What is the network's own
    among the settings for images (network, precision, acquisition_transform) means nothing here.
    """

    task: Literal["images", "features"] = "images"
    encoder: str = "efficientnet-lite0"
    px: int = 128
    standardise: bool = True
    head: Literal["sgd", "svm"] = "sgd"
    svm_c: float = 5.0


OWN = ("encoder", "px", "standardise", "head", "svm_c")
OF_IMAGES = ("network", "precision", "acquisition_transform")
IN_THE_DUAL = 4  # up to so many labels a feature a line tells a class from the rest well; the primal solver then crawls
SECONDS = 0.016, 0.0007, 0.00006  # one core, 1,280 features, 1,000 samples: an epoch; a look, and a class more in it


def is_features(settings) -> bool:
    return getattr(settings, "task", "images") == "features"


def task_of(settings) -> type:
    """Classification of images or of features, whichever the settings choose."""
    return Features if is_features(settings) else classification.Classification


def check(run: Run) -> None:
    """BadRequest for a recipe that cannot train a head, or settings that mean nothing in the task that was chosen; images
    are checked by tasks.classification."""
    o = run.options
    if not is_features(o):
        if given := [name for name in OWN if name in run.description["settings"]]:
            raise BadRequest(f"{given[0]} = {getattr(o, given[0])!r}: only task = 'features' has it")
        return classification.check(o, run.dataset)
    if given := [name for name in OF_IMAGES if name in run.description["settings"]]:
        raise BadRequest(f"{given[0]} = {getattr(o, given[0])!r}: task = 'features' trains a linear head; leave it out")
    check_recipe(o)
    from alnb.learning import encoders

    datasets.check_task(run.dataset, "classification")
    if o.encoder == encoders.OF_RUN:
        if ENCODER not in run.needs:
            raise BadRequest(f"encoder = 'run': {run.study} needs no run as {ENCODER!r}")
    else:
        encoders.module(o.encoder)
        if (o.encoder == "given") == datasets.info(run.dataset).images:
            known = (
                "features: encoder = 'given', px = 0"
                if o.encoder != "given"
                else "images: another encoder than 'given'"
            )
            raise BadRequest(f"{run.dataset} holds {known}")
    for name, least in (("px", 0), ("batch", 1), ("smallest_batch", 1)):
        if getattr(o, name) < least:
            raise BadRequest(f"{name} = {getattr(o, name)}: expected at least {least}")
    if o.svm_c <= 0:
        raise BadRequest(f"svm_c = {o.svm_c}: expected above 0")
    if o.head == "svm":
        from alnb.acquisition import catalogue, describe

        known = run.method in catalogue()
        if known and (watched := Features.recorded & set(describe(run.method).needs)):
            raise BadRequest(f"{run.method} needs {min(watched)}: an SVM has no epochs; head = 'sgd' has")
        if o.dropout:
            raise BadRequest(f"dropout = {o.dropout}: an SVM has none; head = 'sgd' has")
    about = datasets.info(run.dataset)
    check_pool(o, about.train, about.classes)


def race(given: Mapping[str, Any]) -> dict[str, Any]:
    """A race as it is; one on features with the defaults of what is an image network's own, whatever others share."""
    own = {name: getattr(Settings, name) for name in OF_IMAGES} if given.get("task") == "features" else {}
    return own | given


def network(settings) -> str:
    """What is trained, in words."""
    head = "linear head" if settings.head == "sgd" else "linear SVM"
    return f"{head} on {settings.encoder}" + f", {settings.px} px" * bool(settings.px)


def mark(settings, stand_in: bool) -> str:
    """What every figure says that rests on such a run; "" for another."""
    if not is_features(settings):
        return ""
    pretrained = settings.encoder.partition(":")[0] in ("efficientnet-lite0", "torchvision")
    return "real data, " * (not stand_in) + f"frozen {'ImageNet ' * pretrained}features"


def prepare(run: Run, say) -> None:
    """Compute the features that runs like this one share, in a process of its own; not those of another run's network, nor
    what the dataset brings itself: these take no time where they are needed."""
    from alnb.learning import encoders, frozen

    if is_features(run.options) and run.options.encoder not in (encoders.OF_RUN, "given"):
        frozen.prepare(run.dataset, run.options.encoder, run.options.px, say)


def seconds(run: Run, labelled: Sequence[int], recorded: int) -> float:
    """Rough seconds on one core: one training per entry of `labelled`, `recorded` samples looked at every epoch; without
    those of the features, which all runs share."""
    an_epoch, a_look, a_class = SECONDS
    looks = recorded * (a_look + a_class * datasets.info(run.dataset).classes)
    return 0.2 * len(labelled) + run.options.epochs * (sum(labelled) * an_epoch + looks) / 1000


@functools.lru_cache(maxsize=1)
def _resident(dataset: str, encoder, pool: PoolSettings, seed: int, standardise: bool, where: str):
    """All training labels; rows, features and labels of the pool and the test set as tensors on the device, once per
    process; `standardise`: every feature has mean 0 and deviation 1 over the pool, which takes no label. The hash of the
    features comes last."""
    import torch

    from alnb.learning import frozen

    features = frozen.load(dataset, encoder, where)
    rows = pool_rows(pool, features.train_targets, seed)
    check_classes(dataset, features.train_targets[rows], datasets.info(dataset).classes)
    for attempt in (1, 2):
        try:
            train, test = features.rows("train", rows), features.rows("test")
            break
        except frozen.Damaged as why:
            if attempt == 2:
                raise
            features = frozen.again(features, dataset, encoder, where, why)
    if standardise:
        mean, std = train.mean(0, dtype="float64").astype("float32"), train.std(0, dtype="float64").astype("float32")
        std[std < 1e-6] = 1.0  # a feature that never changes
        for array in (train, test):
            array -= mean
            array /= std
    arrays = (train, features.train_targets[rows], test, features.test_targets)
    return features.train_targets, rows, *(torch.from_numpy(array).to(where) for array in arrays), features.sha256[: frozen.DIGITS]


class Features(Classes):
    """One run's features and head (see tasks.Task). Samples are positions in the pool; `embeddings` are the frozen features,
    standardised over the pool if the settings say so. A row of results says which they were: column `features`, the beginning
    of their SHA-256."""

    def __init__(self, run: Run, state: State | None = None):
        super().__init__(run, state, device())
        o = self.options
        pool = PoolSettings.of(o)
        seed = run.seed if pool.drawn_by == "seed" else 0
        loaded = _resident(run.dataset, self._encoder(state), pool, seed, o.standardise, self.device)
        self.train_targets, self.rows, self.x, self.targets, self.test_x, self.test_targets, self.sha256 = loaded
        self.size, self.classes = len(self.targets), datasets.info(run.dataset).classes
        if o.head == "svm":
            self.recorded = frozenset()
            self.offers = {name: shape for name, shape in OFFERS.items() if name not in Classes.recorded} | DECISIONS

    def _encoder(self, state: State | None):
        from alnb.learning import encoders

        o = self.options
        if o.encoder != encoders.OF_RUN:
            return encoders.find(o.encoder, o.px)
        if state is None or ENCODER not in state.needs:
            raise BadRequest(f"{self.run}: the run that it needs as {ENCODER!r} has not reached it")
        needed, data = self.run.needs[ENCODER], datasets.load(self.run.dataset)
        weights = state.needs[ENCODER].blobs["weights"]
        return encoders.of_run(needed.options.network, weights, data.mean, data.std, o.px)

    @functools.cached_property
    def images(self):
        """(size, 3, H, W) uint8: only what looks at images itself (VAAL) makes them be loaded."""
        import torch

        return torch.from_numpy(datasets.load(self.run.dataset).train_images[self.rows]).to(self.device)

    def build(self, cycle: int, member: int = 0):
        """The untrained head of a cycle."""
        from alnb.learning import networks

        init = self._stream("model init", cycle, member)
        network = networks.build("perceptron", self.classes, self.x.shape[1], hidden=0, generator=init)
        network.dropout = self.options.dropout
        return network

    def train(
        self, samples, labels, cycle: int, watched=None, *, member: int = 0, start=None
    ) -> tuple[Any, dict | None]:
        """See tasks.Task: a head, and what every epoch predicted for `watched`. An SVM has one solution: `start` is nothing
        to it, and `member` its order of coordinates."""
        from alnb.learning.feed import Tensors
        from alnb.learning.infer import TensorRecorder
        from alnb.learning.train import train

        network, x = self.build(cycle, member), self.x[list(samples)]
        if self.options.head == "svm":
            seed = stream(self.run.seed, f"svm, member {member}", cycle) % 2**31
            return _svm(network, x, labels, self.options.svm_c, seed).to(self.device).eval(), None
        if start is not None:
            network.load_state_dict(start.state_dict())
        recorder = None if watched is None else TensorRecorder(self.x[watched], self.classes)
        order = self._stream("data order", cycle, member)
        watch = recorder and self._timed(recorder)
        loss = self.loss(network, cycle, member)
        train(network, Tensors(x, labels), recipe(self.options), loss=loss, order=order, augment=None, after_epoch=watch)
        network.eval()
        if recorder is None:
            return network, None
        return network, self._record(recorder.predictions, recorder.mean_confidence, watched)

    def infer(self, network, samples, cycle: int):
        """Logits (n, C) fp32 and the features (n, D) of pool samples, eval mode; an SVM's logits are its margins."""
        import torch

        x = self.x[samples]
        with torch.no_grad():
            return network.eval()(x), x

    def features(self, network, samples, cycle: int):
        return self.x[samples]

    def evaluate(self, network) -> dict[str, Any]:
        """{"accuracy": percent of the test set, "features": which}."""
        import torch

        with torch.no_grad():
            right = network(self.test_x).argmax(1) == self.test_targets
        return {"accuracy": 100 * int(right.sum()) / len(right), "features": self.sha256}


def _svm(network, x, labels, c: float, seed: int):
    """`network`'s head with the weights of LinearSVC (squared hinge, one class against the rest). A class without a label
    has w = 0 and b = -1, which is that problem's solution where every sample is of the rest."""
    import torch
    from sklearn.svm import LinearSVC

    weight, bias = torch.zeros_like(network.head.weight), -torch.ones_like(network.head.bias)
    there = labels.unique().tolist()
    if len(there) > 1:
        dual = len(x) < IN_THE_DUAL * x.shape[1]
        machine = LinearSVC(C=c, dual=dual, max_iter=5000, random_state=seed).fit(x.cpu().numpy(), labels.cpu().numpy())
        coef, intercept = (torch.from_numpy(each).float() for each in (machine.coef_, machine.intercept_))
        if len(there) == 2:  # one machine, of the second class against the first
            coef, intercept = torch.cat([-coef, coef]), torch.cat([-intercept, intercept])
        weight[there], bias[there] = coef, intercept
    else:
        bias[there] = 1.0
    network.head.load_state_dict({"weight": weight, "bias": bias})
    return network
