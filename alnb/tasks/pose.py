"""Human pose: a heat map for each of sixteen joints, the squared error of an image's maps, PCKh.

A sample is an image of one person, cropped and scaled so that the person fills it. Joints move with the image: mirrored, turned,
scaled. The target of a joint is a Gaussian of height 1 about its place in the map, which has a position for every few pixels;
joints that are not annotated, or whose Gaussian is outside of the map, weigh nothing (Xiao, Wu and Wei, ECCV 2018).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alnb import datasets
from alnb.datasets.poses import MIRRORED
from alnb.errors import BadRequest
from alnb.runs import Run, State
from alnb.tasks import Metric, classification, dense
from alnb.tasks.training import check_recipe

KIND = "pose"

OFFERS = {
    "embeddings": "(U, D) float, features of the last block, mean over positions",
    "labelled_embeddings": "(L, D) float",
    "heatmap_entropies": "(U,) float, nats: of the softmax over each joint's map, mean over the joints",
    "images": "(U, 3, H, W) uint8",
    "labelled_images": "(L, 3, H, W) uint8",
    "truth": "(U, 16, 2) float, where the joints are: for strategies marked oracle=True only",
}
"""U candidates, D features, L labelled."""


@dataclass(frozen=True)
class Settings(classification.Settings):
    """Of classification's: network (one that answers with maps), batch, precision, smallest_batch, pool and the recipe.

    optimiser, schedule: see learning.recipe.Recipe. weights: what a ResNet starts from. heat: deviation of a joint's Gaussian,
    positions of the map. rotation: degrees, and scaling, share, that a training image is turned and scaled by: normal with this
    deviation, at most twice it (of scaling at most once), turned in three of five images; 0: not.
    """

    optimiser: Literal["sgd", "adam"] = "sgd"
    schedule: Literal["step", "cosine", "exponential"] = "step"
    weights: Literal["random", "imagenet"] = "random"
    heat: float = 1.0
    rotation: float = 0.0
    scaling: float = 0.0


def check(settings: Settings, dataset: str) -> None:
    """BadRequest for a recipe that cannot train, a network that gives no maps, and what only classes have."""
    datasets.check_task(dataset, KIND)
    dense.check_network(settings.network)
    dense.check_weights(settings)
    check_recipe(settings)
    for name, least in (("batch", 2), ("smallest_batch", 1), ("rotation", 0), ("scaling", 0)):
        if getattr(settings, name) < least:
            raise BadRequest(f"{name} = {getattr(settings, name)}: expected at least {least}")
    if settings.heat <= 0 or settings.scaling >= 1:
        raise BadRequest(f"heat = {settings.heat}, scaling = {settings.scaling}: expected above 0, and under 1")
    for name in ("dropout", "tail", "reserved", "split", "acquisition_transform"):
        if getattr(settings, name) != (default := getattr(classification.Settings, name)):
            given = f"{name} = {getattr(settings, name)!r}"
            raise BadRequest(f"{given}: a pose has no class and its network no dropout; accepted: {default!r}")
    if getattr(settings, "initial_labels", "random") in ("balanced", "reserved"):
        raise BadRequest(f"initial_labels = {settings.initial_labels!r}: a pose has no class; accepted: random")
    if not 0 <= settings.pool <= (most := datasets.info(dataset).train):
        raise BadRequest(f"pool = {settings.pool}: {dataset} has {most} training images; 0 means all")


def seconds(run: Run, labelled: Sequence[int], recorded: int) -> float:
    """Rough seconds on one core: one training per entry of `labelled`."""
    from alnb.learning import networks

    return run.options.epochs * sum(labelled) * networks.cost(run.options.network)[0] / 1000


pool_size = dense.pool_size


@functools.lru_cache(maxsize=2)
def _resident(name: str, part: str, most: int):
    """images (n, 3, H, W) uint8, joints (n, 16, 2), visible (n, 16) and heads (n,) of the first so many, once per process."""
    import numpy as np
    import torch

    items = getattr(datasets.load(name), part)
    poses = [items[i] for i in range(most or len(items))]
    images = torch.from_numpy(np.stack([pose.pixels for pose in poses])).permute(0, 3, 1, 2)
    joints, visible = (torch.from_numpy(np.stack([getattr(pose, what) for pose in poses])) for what in ("joints", "visible"))
    heads = torch.tensor([pose.head for pose in poses])
    return images.contiguous(memory_format=torch.channels_last), joints.float(), visible, heads


# --- heat maps ----------------------------------------------------------------------------------------------------------


def heatmaps(joints, visible, side: int, stride: float, heat: float):
    """Targets (B, 16, side, side) and weights (B, 16) of joints (B, 16, 2) in pixels: exp(-|p - mu|^2 / 2 heat^2) within 3 heat
    of mu, the nearest position. A joint weighs 1 if it is annotated and part of its Gaussian is on the map, else 0."""
    import torch

    mu = (joints / stride + 0.5).floor()
    reach = 3 * heat
    at = torch.arange(side, device=joints.device)
    away = (at - mu[..., None]).square()  # (B, 16, 2, side): of columns, then of rows
    near = away <= (reach + 1e-6) ** 2
    bell = (-away / (2 * heat**2)).exp() * near
    inside = near.any(3).all(2)
    weight = (visible & inside).float()
    return bell[:, :, 1, :, None] * bell[:, :, 0, None, :] * weight[..., None, None], weight


def located(maps):
    """(B, 16, 2) x y of the largest value of each map (B, 16, h, w), a quarter towards the larger neighbour, in positions."""
    import torch

    w = maps.shape[3]
    best = maps.flatten(2).argmax(2)
    y, x = best // w, best % w
    padded = torch.nn.functional.pad(maps, (1, 1, 1, 1), value=-math.inf)
    rows = torch.arange(maps.shape[0], device=maps.device)[:, None]
    each = torch.arange(maps.shape[1], device=maps.device)[None]
    look = lambda dy, dx: padded[rows, each, y + 1 + dy, x + 1 + dx]
    step = lambda after, before: (after - before).nan_to_num(0.0).sign() * (after.isfinite() & before.isfinite())
    return torch.stack([x + 0.25 * step(look(0, 1), look(0, -1)), y + 0.25 * step(look(1, 0), look(-1, 0))], 2)


def entropies(maps):
    """(B,) nats: the entropy of the softmax over each map (B, 16, h, w), mean over the joints."""
    log_p = maps.flatten(2).double().log_softmax(2)
    return -(log_p.exp() * log_p).sum(2).mean(1)


def squared_error(outputs, y, epoch, rows):
    """(B,) half the mean over joints and positions of the squared difference of outputs (B, 16, h, w) and the targets, both
    times a joint's weight; y: (targets, weights)."""
    target, weight = y
    return 0.5 * (weight[..., None, None] * (outputs - target)).square().flatten(1).mean(1)


class Joints:
    """The feed: images with their joints, mirrored with chance 1/2 (and then right is left), turned and scaled together about
    the middle; bilinear, zeros come in from outside. y: (targets, weights), see `heatmaps`."""

    def __init__(self, images, joints, visible, *, mean, std, stride: float, heat: float, rotation: float, scaling: float, device):
        self.images, self.joints, self.visible = (each.to(device) for each in (images, joints, visible))
        self.mean, self.std, self.device = mean, std, device
        self.stride, self.heat, self.rotation, self.scaling = stride, heat, rotation, scaling

    def __len__(self):
        return len(self.images)

    def draw(self, generator):
        """(3, n): mirrored or not, radians, factor."""
        import torch

        n = len(self)
        if generator is None:
            return torch.stack([torch.zeros(n), torch.zeros(n), torch.ones(n)]).to(self.device)
        mirrored = (torch.rand(n, generator=generator) < 0.5).float()
        turn = torch.randn(n, generator=generator).clamp(-2, 2) * math.radians(self.rotation)
        turn = turn * (torch.rand(n, generator=generator) < 0.6)
        factor = 1 + torch.randn(n, generator=generator).clamp(-1, 1) * self.scaling
        return torch.stack([mirrored, turn, factor]).to(self.device)

    def batch(self, rows, part, drawn):
        from alnb.learning import augment

        at, (mirrored, turn, factor) = rows[part], drawn[:, part]
        images, joints, visible = moved(self.images[at], self.joints[at], self.visible[at], mirrored > 0, turn, factor)
        side = round(images.shape[2] / self.stride)
        return augment.normalise(images, self.mean, self.std), heatmaps(joints, visible, side, self.stride, self.heat)


def moved(images, joints, visible, mirrored, turn, factor):
    """images (B, 3, S, S), joints (B, 16, 2), visible (B, 16) of images mirrored or not (B,), then turned by `turn` (B,) radians
    and scaled by `factor` (B,) about their middle. Pixel i covers i to i + 1, a joint is a point. Images that are neither turned
    nor scaled keep their bits."""
    import torch
    from torch.nn import functional as F

    side = images.shape[3]
    swapped = list(MIRRORED)
    other = joints[:, swapped] * joints.new_tensor([-1.0, 1.0]) + joints.new_tensor([float(side), 0.0])
    joints = torch.where(mirrored[:, None, None], other, joints)
    visible = torch.where(mirrored[:, None], visible[:, swapped], visible)
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    if bool((turn == 0).all()) and bool((factor == 1).all()):
        return images, joints, visible
    cos, sin = turn.cos(), turn.sin()
    forward = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1) * factor[:, None, None]
    joints = (joints - side / 2) @ forward.mT + side / 2
    back = torch.linalg.inv(forward)
    grid = F.affine_grid(torch.cat([back, back.new_zeros(len(back), 2, 1)], 2), list(images.shape), align_corners=False)
    turned = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return turned.round().clamp(0, 255).to(torch.uint8), joints, visible & ((joints >= 0) & (joints < side)).all(2)


# --- the task -----------------------------------------------------------------------------------------------------------


class Pose(dense.Dense):
    """One run's images, joints and network (see tasks.Task). Samples are positions in the pool."""

    offers = OFFERS
    outputs = 16

    @staticmethod
    def metrics(dataset: str) -> tuple[Metric, ...]:
        return (Metric("PCKh@0.5", "%", low=0, high=100),)

    def __init__(self, run: Run, state: State | None = None):
        import numpy as np

        super().__init__(run, state)
        self.images, self.joints, self.visible, _ = _resident(run.dataset, "train", pool_size(run))
        self.test_images = self._test[0]
        self.size, self.rows = len(self.images), np.arange(len(self.images))
        self.mean, self.std = datasets.channel_statistics(self.images.numpy())
        self.look_with = {"mean": self.mean, "std": self.std, "device": self.device, "precision": self.options.precision}

    @property
    def _test(self):
        return _resident(self.run.dataset, "test", 0)

    @functools.cached_property
    def stride(self) -> float:
        """Pixels that a position of the network's map stands for."""
        import torch

        with torch.no_grad():
            side = self.build(0).eval()(torch.zeros(1, *self.images.shape[1:])).shape[3]
        return self.images.shape[3] / side

    def labels(self, samples, answers) -> Any:
        """(joints (n, 16, 2), visible (n, 16)): a human's, sixteen (x, y) or None where a joint is not to be seen, or the
        dataset's. BadRequest for what is neither."""
        joints, visible = self.joints[list(samples)].clone(), self.visible[list(samples)].clone()
        for i, sample in enumerate(samples):
            if sample not in answers:
                continue
            given = answers[sample]
            if len(given) != 16 or any(point is not None and len(point) != 2 for point in given):
                raise BadRequest(f"answer to image {sample}: expected sixteen joints, each (x, y) or None")
            for j, point in enumerate(given):
                visible[i, j] = point is not None
                if point is not None:
                    joints[i, j] = joints.new_tensor(point)
        return joints, visible

    def cost(self, samples: Sequence[int]) -> dict[str, float]:
        """{"joints": that are annotated}."""
        return {"joints": int(self.visible[list(samples)].sum())}

    def _acquisition_images(self, samples, cycle: int):
        return self.images[samples]

    def feed(self, samples, labels):
        o = self.options
        return Joints(
            self.images[list(samples)], *labels, mean=self.mean, std=self.std, stride=self.stride, heat=o.heat,
            rotation=o.rotation, scaling=o.scaling, device=self.device,
        )  # fmt: skip

    def loss(self, network, cycle: int, member: int = 0):
        return squared_error

    def looked(self, network, images):
        """(maps (n, 16, h, w), pooled features (n, D)) on the CPU."""
        import torch

        parts, body = [], getattr(network, "body", network)
        for _, decoded, pooled in self.swept(network, images):
            with torch.no_grad():
                parts.append((body.answer(decoded).cpu(), pooled.cpu()))
        return tuple(map(torch.cat, zip(*parts)))

    def judged(self, network, samples=None):
        """({signal: (N,)}, losses (N,)) of samples of the pool, None: of the test set; on the CPU, double. The signal that needs
        no module: the entropy of the maps."""
        images, joints, visible, _ = self._test
        if samples is not None:
            images, joints, visible = self.images[samples], self.joints[samples], self.visible[samples]
        maps, _ = self.looked(network, images)
        target = heatmaps(joints, visible, maps.shape[3], images.shape[3] / maps.shape[3], self.options.heat)
        return {"_entropy": entropies(maps)}, squared_error(maps, target, 0, None).double()

    def look(self, model, cycle: int, candidates, labelled, labels, record) -> Seen:
        return Seen(self, model, candidates, labelled)

    def evaluate(self, network) -> dict[str, float]:
        """Percent of the annotated joints of the test set, pelvis and thorax left out, found within half a head."""
        from alnb.metrics.pose import pckh

        images, joints, visible, heads = self._test
        maps, _ = self.looked(network, images)
        predicted = located(maps) * (images.shape[3] / maps.shape[3])
        return {"PCKh@0.5": pckh(predicted.numpy(), joints.numpy(), visible.numpy(), heads.numpy())}


class Seen:
    """What OFFERS names, of one cycle's candidates; computed when it is first asked for."""

    def __init__(self, task: Pose, model, candidates, labelled):
        self._task, self._model, self._candidates, self._labelled = task, model, candidates, labelled

    @functools.cached_property
    def _outputs(self):
        return self._task.looked(self._model, self._task.images[self._candidates])

    @property
    def embeddings(self):
        return self._outputs[1].to(self._task.device)

    @functools.cached_property
    def labelled_embeddings(self):
        return self._task.looked(self._model, self._task.images[self._labelled])[1].to(self._task.device)

    @functools.cached_property
    def heatmap_entropies(self):
        return entropies(self._outputs[0]).to(self._task.device)

    @property
    def images(self):
        return self._task.images[self._candidates]

    @property
    def labelled_images(self):
        return self._task.images[self._labelled]

    @property
    def truth(self):
        return self._task.joints[self._candidates]


TASK = Pose
