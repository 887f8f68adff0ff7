"""What the tasks that answer with a map share, segmentation and pose: settings, network, training, a look at many images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alnb import datasets
from alnb.errors import BadRequest
from alnb.machine import device
from alnb.runs import TRUTH, Run, State, torch_stream
from alnb.tasks.training import TrainingSettings, check_recipe, recipe

CHUNK = 64  # images looked at at once on a CPU; four times as many elsewhere


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """pool: the first so many training images, 0 all of them. network: one that answers with maps. weights: what it starts from,
    "imagenet" for those that its file knows. A last batch under smallest_batch joins the one before it."""

    network: str = "dilated_small"
    pool: int = 0
    batch: int = 8
    smallest_batch: int = 4
    optimiser: Literal["sgd", "adam"] = "sgd"
    schedule: Literal["step", "cosine"] = "step"
    precision: Literal["fp32", "bf16"] = "fp32"
    weights: Literal["random", "imagenet"] = "random"


def check(settings: Settings, dataset: str, task: str) -> None:
    """BadRequest for a network, a training or a pool that cannot be, or for labels that nobody could give here."""
    datasets.check_task(dataset, task)
    check_network(settings.network)
    check_recipe(settings)
    for name in ("batch", "smallest_batch"):
        if getattr(settings, name) < 1:
            raise BadRequest(f"{name} = {getattr(settings, name)}: expected at least 1")
    if not 0 <= settings.pool <= (there := datasets.info(dataset).train):
        raise BadRequest(f"pool = {settings.pool}: {dataset} has {there} training images; 0 means all")
    check_weights(settings)
    if getattr(settings, "annotator", TRUTH) != TRUTH:
        raise BadRequest(f"annotator = {settings.annotator!r}: nothing here shows a person what {task} asks for")
    if getattr(settings, "initial_labels", "random") in ("balanced", "reserved"):
        raise BadRequest(f"initial_labels = {settings.initial_labels!r}: an image of {task} has no class; accepted: random")


def check_network(name: str) -> None:
    """BadRequest for a network that does not answer with maps."""
    from alnb.learning import networks

    if name not in (known := networks.names("images to maps")):
        raise BadRequest(f"network = {name!r}: expected one of {', '.join(map(repr, known))}")


def check_weights(settings) -> None:
    """BadRequest for a network whose file knows no weights of ImageNet, where these are asked for. Whether they are here is said
    when it is built, as for a dataset."""
    from alnb.learning import networks

    if settings.weights == "imagenet" and not networks.about(settings.network).pretrained:
        raise BadRequest(f"network = {settings.network!r} has no weights of ImageNet: give it weights = 'random'")


def _file(network: str):
    import importlib

    return importlib.import_module(f"alnb.learning.networks.{network}")


def pool_size(run: Run) -> int:
    return run.options.pool or datasets.info(run.dataset).train


class Dense:
    """The base of these tasks (see tasks.Task), which set images (n, 3, H, W) uint8, mean, std, rows, size, outputs, and have
    `feed`, `loss`, `labels`, `look` and `evaluate`."""

    recorded: frozenset[str] = frozenset()
    images: Any
    mean: Sequence[float]
    std: Sequence[float]
    outputs: int

    def __init__(self, run: Run, state: State | None = None):
        self.run, self.options, self.device, self.timings = run, run.options, device(), {}

    def feed(self, samples: Sequence[int], labels) -> Any:
        """A feed (learning.feed) of pool samples with these labels."""
        raise NotImplementedError

    def loss(self, network, cycle: int, member: int = 0) -> Callable:
        """What training minimises (learning.losses)."""
        raise NotImplementedError

    def cost(self, samples: Sequence[int]) -> dict[str, float]:
        return {}

    def build(self, cycle: int, member: int = 0):
        """The network of a cycle before its training."""
        from alnb.learning import networks

        o, init = self.options, self._stream("model init", cycle, member)
        network = networks.build(o.network, self.outputs, self.images.shape[1], generator=init)
        if o.weights == "imagenet":
            network.load_state_dict(_file(o.network).weights(), strict=False)
        network.dropout = o.dropout
        return network

    def train(self, samples, labels, cycle: int, watched=None, *, member: int = 0, start=None):
        """See tasks.Task; nothing is recorded."""
        from alnb.learning.train import train

        network = self.build(cycle, member)
        if start is not None:
            network.load_state_dict(start.state_dict())
        order, augment = (self._stream(name, cycle, member) for name in ("data order", "augmentation"))
        train(
            network, self.feed(samples, labels), recipe(self.options), loss=self.loss(network, cycle, member), order=order,
            augment=augment,
        )  # fmt: skip
        return network.eval(), None

    def restore(self, weights: dict):
        network = self.build(0)
        network.load_state_dict(weights)
        return network.to(self.device).eval()

    def swept(self, network, images) -> Iterator[tuple[slice, Any, Any]]:
        """Of images (n, 3, H, W) uint8, part by part: which they are, what the head is fed (b, D, h, w), and the pooled
        features (b, D'), fp32, in eval mode."""
        import torch

        from alnb.learning.augment import normalise
        from alnb.learning.modes import autocast, evaluating

        on_cpu = self.device == "cpu"
        step = CHUNK if on_cpu else 4 * CHUNK
        network = getattr(network, "body", network).to(self.device, memory_format=torch.channels_last)  # without modules
        quick = network.folded() if on_cpu else network
        for start in range(0, len(images), step):
            part = slice(start, min(start + step, len(images)))
            with evaluating(quick), torch.no_grad(), autocast(self.device, self.options.precision):
                *_, last = quick.blocks(normalise(images[part].to(self.device), self.mean, self.std))
                found = quick.upper(last).float(), quick.pooled(last).float()
            yield part, *found  # outside of these modes, or what is done with a part would be in them

    def _stream(self, name: str, cycle: int, member: int = 0):
        return torch_stream(self.run.seed, f"{name}, member {member}" if member else name, cycle)
