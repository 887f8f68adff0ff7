"""SimSiam (Chen and He, CVPR 2021), the self-supervised pre-training of thesis ch. 5: two views of an image are to look alike.

A run leaves an encoder; runs of other studies start from it, by `needs`. No label is looked at but by the k-nearest-neighbour
accuracy that watches the training: it chooses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from alnb import datasets
from alnb.errors import BadRequest
from alnb.learning.recipe import Recipe
from alnb.runs import Run, State, Step, Study, torch_stream
from alnb.tasks import training

SIMSIAM = "simsiam"  # the method of its runs
PART = 10  # epochs of a step: a few minutes of a GPU at most
MEASURED = 256  # images whose statistics an untrained encoder's batch norms are given at once
COLLAPSED = 0.1  # spread under which the encoder says the same of every image; no head should stand on it

# --- the method -----------------------------------------------------------------------------------------------------------


def D(p, z):
    """(B,) negative cosine similarity of p and z (B, d), -1 where they point one way. Thesis eq. 5.2."""
    from torch.nn import functional as F

    return -(F.normalize(p, dim=1) * F.normalize(z, dim=1)).sum(1)


def L(p1, p2, z1, z2, stop_gradient: bool = True):
    """(B,) symmetric loss of two views: each one's prediction p against the other's code z, which stands still: no gradient
    reaches it. Thesis eq. 5.1; without the stop-gradient one code for all images is as good as any."""
    if stop_gradient:
        z1, z2 = z1.detach(), z2.detach()
    return D(p1, z2) / 2 + D(p2, z1) / 2


# --- the study --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """The recipe of Chen and He for CIFAR (appendix D). The thesis deviates (5.4): weight_decay 1e-4, blur 0.5.

    lr = base_lr * batch / 256, a cosine after `warmup` epochs. width, bottleneck, layers: of projector and predictor, see
    learning.siamese. crop: smallest share of the area; brightness, contrast, saturation, hue: strengths, changed with chance
    `jitter`; grey, blur: chances; flip: not where the dataset says that a mirror image is of another class. pool: the first
    so many training images, 0 all. stop_gradient, predictor: False takes out what keeps the codes from collapsing.
    epochs: 0 leaves the weights as they were drawn, and batch norm the statistics of the pool: a control to whom nothing was
    taught. neighbours, temperature: of the accuracy that watches.
    """

    pool: int = 0
    network: str = "resnet18"
    width: int = 2048
    bottleneck: int = 512
    layers: int = 2
    epochs: int = 800
    batch: int = 512
    base_lr: float = 0.03
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.0
    smallest_batch: int = 64
    precision: Literal["fp32", "bf16"] = "fp32"
    crop: float = 0.2
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    jitter: float = 0.8
    grey: float = 0.2
    blur: float = 0.0
    flip: bool = True
    stop_gradient: bool = True
    predictor: bool = True
    neighbours: int = 200
    temperature: float = 0.1


def policy(settings: Settings, flips: bool):
    """What may happen to a view; flips: whether the dataset's images may be mirrored."""
    from alnb.learning.views import Policy

    o = settings
    colours = (o.brightness, o.contrast, o.saturation, o.hue)
    return Policy(o.crop, o.flip and flips, colours, o.jitter, o.grey, o.blur)


def step(run: Run, state: State) -> Step:
    """PART epochs of the training. Rows of kind "pretraining" hold, after each epoch (0: before the first), its loss, the
    k-NN accuracy in percent of the test set, and the spread of the codes; the last of kind "encoder" says whether these
    collapsed."""
    import torch

    from alnb.learning.infer import infer
    from alnb.learning.siamese import knn_accuracy, spread
    from alnb.learning.train import train
    from alnb.learning.views import Views
    from alnb.machine import device

    o, data, where = run.options, datasets.load(run.dataset), device()
    pool = slice(o.pool or None)
    images, bank, test, truth = (
        torch.from_numpy(array).to(where)
        for array in (data.train_images[pool], data.train_targets[pool], data.test_images, data.test_targets)
    )
    looks = {"mean": data.mean, "std": data.std, "device": where, "precision": o.precision, "embeddings": True}
    network, rows = siamese(run, data.info.classes), []
    if state.index:
        network.load_state_dict(state.blobs["siamese"])
    network.to(where)

    def watch(epoch, network):
        with torch.no_grad():
            known, seen = (infer(network.backbone, some, **looks)[1] for some in (images, test))
            near = knn_accuracy(known, bank, seen, truth, data.info.classes, o.neighbours, o.temperature)
            rows.append(
                {"kind": "pretraining", "epoch": epoch + 1, "knn": near, "spread": spread(network.projector(seen))}
            )

    if not o.epochs:
        measure(network, images, data.mean, data.std)
    if not state.index:
        watch(-1, network.eval())
    if not o.epochs:
        return _done(rows, network)
    begin, end = state.index * PART, min((state.index + 1) * PART, o.epochs)
    order, augment = (torch_stream(run.seed, f"simsiam {name}") for name in ("order", "views"))
    trained = train(
        network, Views(images, policy(o, data.flip), mean=data.mean, std=data.std, device=where), recipe(o),
        loss=lambda outputs, y, epoch, rows: L(*outputs, o.stop_gradient), order=order, augment=augment, begin=begin,
        end=end, state=state.blobs.get("training"), after_epoch=watch,
    )  # fmt: skip
    for row, loss in zip(rows[-len(trained.losses) :], trained.losses):
        row["loss"] = loss
    if end < o.epochs:
        return Step(rows, blobs={"siamese": network.state_dict(), "training": trained.state})
    return _done(rows, network)


def _done(rows: list[dict], network) -> Step:
    last = {"knn": rows[-1]["knn"], "spread": rows[-1]["spread"], "collapsed": rows[-1]["spread"] < COLLAPSED}
    return Step([*rows, {"kind": "encoder", **last}], blobs={"weights": network.backbone.state_dict()}, done=True)


def measure(network, images, mean, std) -> None:
    """Give the batch norms of an encoder and its projector the statistics of `images` (N, C, H, W) uint8, N >= 2: the mean
    over even batches of MEASURED at most. No weight changes."""
    import torch

    for part in (*network.backbone.modules(), *network.projector.modules()):
        if isinstance(part, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None  # all batches weigh alike
    network.train()
    centre, scale = (torch.tensor(each, device=images.device).view(1, -1, 1, 1) for each in (mean, std))
    with torch.no_grad():
        for some in images.tensor_split(-(-len(images) // MEASURED)):
            network.projector(network.backbone.embed((some / 255 - centre) / scale))


def siamese(run: Run, classes: int):
    """The untrained network of a run."""
    from alnb.learning import networks
    from alnb.learning.siamese import Siamese

    o, init = run.options, torch_stream(run.seed, "simsiam init")
    backbone = networks.build(o.network, classes, generator=init)
    with networks.drawn_from(init):
        return Siamese(backbone, o.width, o.bottleneck, o.layers, o.predictor)


def recipe(o: Settings) -> Recipe:
    return training.recipe(o, lr=o.base_lr * o.batch / 256, schedule="cosine")


def steps(run: Run) -> int:
    return max(1, -(-run.options.epochs // PART))


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core: two views an image, their making, and two looks an epoch."""
    from alnb.learning import networks

    o, about = run.options, datasets.info(run.dataset)
    train, forward = networks.cost(o.network)
    size = o.pool or about.train
    views = 2 * (train + 0.15 + 6e-8 * o.width * (o.width + 2 * o.bottleneck))
    return (o.epochs * size * views + (o.epochs + 1) * (size + about.test) * forward) / 1000


def check(run: Run) -> None:
    """BadRequest for a recipe, views or a pool that cannot be."""
    from alnb.learning import networks

    o, about = run.options, datasets.info(run.dataset)
    if not about.images:
        raise BadRequest(f"{run.dataset} holds features: SimSiam wants images")
    if o.network not in networks.names("images"):
        known = ", ".join(map(repr, networks.names("images")))
        raise BadRequest(f"network = {o.network!r}: expected one of {known}")
    least = {"width": 1, "bottleneck": 1, "layers": 1, "epochs": 0, "batch": 2, "smallest_batch": 2, "neighbours": 1}
    for name, low in least.items():
        if getattr(o, name) < low:
            raise BadRequest(f"{name} = {getattr(o, name)}: expected at least {low}")
    for name in ("base_lr", "temperature", "crop"):
        if getattr(o, name) <= 0:
            raise BadRequest(f"{name} = {getattr(o, name)}: expected above 0")
    for name in ("brightness", "contrast", "saturation", "weight_decay"):
        if getattr(o, name) < 0:
            raise BadRequest(f"{name} = {getattr(o, name)}: expected 0 or more")
    for name, high in (("crop", 1), ("jitter", 1), ("grey", 1), ("blur", 1), ("hue", 0.5)):
        if not 0 <= getattr(o, name) <= high:
            raise BadRequest(f"{name} = {getattr(o, name)}: expected 0 to {high}")
    if not 0 <= o.momentum < 1:
        raise BadRequest(f"momentum = {o.momentum}: expected 0 or more, under 1")
    if not 0 <= o.warmup <= o.epochs:
        raise BadRequest(f"warmup = {o.warmup}: expected 0 to all {o.epochs} epochs")
    if not 0 <= o.pool <= about.train or 0 < o.pool < 2:
        raise BadRequest(f"pool = {o.pool}: the dataset has {about.train} training samples; 0 means all")


def arm(name: str, options, dataset: str, seed: int, settings) -> list[Run]:
    """The run of an arm "simsiam" or "simsiam(stop_gradient=False)" (races.Special)."""
    if name != SIMSIAM:
        raise BadRequest(f"arm {name!r}; accepted: {SIMSIAM}, with options of its own")
    from alnb.acquisition import write_arm

    return [Run(STUDY.name, dataset, SIMSIAM, seed, {**settings, **options}, arm=write_arm(name, options))]


STUDY = Study("simsiam", 1, step, Settings, steps, seconds, check=check, arm=arm)


def grid(pretraining, **shared) -> list[Run]:
    """The encoders of a race, of one dataset (see alnb/races.py)."""
    from alnb import races

    return races.grid(STUDY.name, {"pretraining": pretraining}, shared, arm)
