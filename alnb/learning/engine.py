"""The training engine: SGD on images that stay on the device, and inference over a pool.

The same loop runs on a CPU and on a GPU; a GPU also gets the whole step (forward, backward, SGD) as one CUDA graph for
each batch size. At one thread on one CPU equal generators give equal bits.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.nn import functional as F
from torch.optim.sgd import sgd

from alnb.errors import BadRequest
from alnb.learning.augment import draw, gather, normalise, windows

SMALLEST_BATCH = 8  # a last batch under this joins the one before it: its batch statistics would be noise
EAGER_STEPS = 3  # of a batch size before its CUDA graph is captured: kernels are chosen, momentum exists
KEPT_BYTES = 31 << 20  # just under the largest block (32 MiB) whose release teaches glibc to keep freed memory


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum and a step schedule; the defaults are chapter 3's (thesis 3.4).

    milestones are fractions of epochs, at each of which lr is multiplied by gamma. precision "fp32" leaves PyTorch's
    own default for convolutions on a GPU (TF32); "bf16" is autocast with fp32 weights, batch statistics and loss.
    """

    epochs: int = 100
    batch: int = 256
    lr: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 5e-4
    nesterov: bool = False
    milestones: tuple[float, ...] = (0.6, 0.8)
    gamma: float = 0.2
    precision: str = "fp32"

    def __post_init__(self):
        if self.epochs < 1 or self.batch < 1:
            raise BadRequest(f"epochs and batch must be at least 1, given {self.epochs} and {self.batch}")
        if self.precision not in ("fp32", "bf16"):
            raise BadRequest(f"precision {self.precision!r} is unknown: fp32 or bf16")

    def lr_at(self, epoch: int) -> float:
        """The learning rate of epoch 0, 1, ..."""
        return self.lr * self.gamma ** sum(epoch >= round(m * self.epochs) for m in self.milestones)


def batches(n: int, size: int, smallest: int = SMALLEST_BATCH) -> list[slice]:
    """Consecutive slices of `size` that cover n; a last one under `smallest` samples joins the one before it."""
    starts = list(range(0, n, size))
    if len(starts) > 1 and n - starts[-1] < smallest:
        starts.pop()
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], n])]


def _autocast(device, precision):
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)


class SGD:
    """PyTorch's fused SGD update, bit for bit `torch.optim.SGD(fused=True)`, called as a function.

    The class would import PyTorch's compiler when it is made: six seconds of every process. lr is a 0-d tensor on the
    device, so that a captured step reads it anew.
    """

    def __init__(self, parameters, lr, recipe: Recipe):
        self.parameters, self.lr, self.recipe = [p for p in parameters if p.requires_grad], lr, recipe
        self.momenta = [None] * len(self.parameters)

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self):
        sgd(
            self.parameters,
            [parameter.grad for parameter in self.parameters],
            self.momenta,
            lr=self.lr,
            momentum=self.recipe.momentum,
            weight_decay=self.recipe.weight_decay,
            nesterov=self.recipe.nesterov,
            dampening=0,
            maximize=False,
            has_sparse_grad=False,
            fused=True,
        )


class _Step:
    """One SGD step, (x, y) -> mean loss (0-d) and which samples were right before it (B,), on the device, unread; on a
    GPU a graph for each batch size."""

    def __init__(self, network, optimizer, device, precision):
        self.network, self.optimizer, self.device, self.precision = network, optimizer, device, precision
        self.taken, self.graphs = {}, {}

    def eager(self, x, y):
        self.optimizer.zero_grad()
        with _autocast(self.device, self.precision):
            logits = self.network(x)
        loss = F.cross_entropy(logits.float(), y)
        loss.backward()
        self.optimizer.step()
        return loss.detach(), logits.detach().argmax(1) == y

    def __call__(self, x, y):
        if x.device.type != "cuda":
            return self.eager(x, y)
        size = len(y)
        if size not in self.graphs:
            self.taken[size] = self.taken.get(size, 0) + 1
            if self.taken[size] <= EAGER_STEPS:
                return self._aside(x, y)
            self.graphs[size] = self._capture(x, y)
        graph, graph_x, graph_y, result = self.graphs[size]
        graph_x.copy_(x)
        graph_y.copy_(y)
        graph.replay()
        return result  # the next replay overwrites it, later in the same stream than its reader

    def _aside(self, x, y):
        """An eager step on a side stream, which capturing asks for beforehand; the streams wait for each other."""
        side = torch.cuda.Stream(x.device)
        side.wait_stream(torch.cuda.current_stream(x.device))
        with torch.cuda.stream(side):
            result = self.eager(x, y)
        torch.cuda.current_stream(x.device).wait_stream(side)
        return result

    def _capture(self, x, y):
        """Record the step with copies of x and y as its inputs: nothing is computed before the first replay."""
        x, y, graph = x.clone(), y.clone(), torch.cuda.CUDAGraph()
        self.optimizer.zero_grad()  # so that the gradients live in the graph's own memory
        with torch.cuda.graph(graph):
            result = self.eager(x, y)
        return graph, x, y, result


def train(
    network,
    images,
    targets,
    recipe: Recipe,
    *,
    mean,
    std,
    crop: int,
    flip: bool,
    order: torch.Generator,
    augment: torch.Generator,
    device,
    after_epoch=None,
    smallest: int = SMALLEST_BATCH,
) -> dict:
    """Train `network` in place for `recipe.epochs`; the last epoch counts, never the best.

    images (n, C, H, W) uint8 and targets (n,) int64 are moved to the device once. `order` shuffles each epoch,
    `augment` draws crops (zero padding of `crop` pixels) and flips: CPU generators, so that a GPU sees the same
    batches. Dropout, if any, draws from the global generator. `after_epoch(epoch, network)` is called in eval mode,
    without gradients, after each epoch 0, 1, ... The network is left in train mode, on the device.

    Returns {"loss": mean training loss of each epoch, "correct": (T, n) bool on the device, whether a sample was
    classified correctly when it was presented in epoch t, before that step's update, as it was augmented}. The device
    is waited for once an epoch, for that loss.
    BadRequest for images that are not uint8, none of them, or a loss that is not finite.
    """
    n = len(targets)
    if n == 0 or len(images) != n:
        raise BadRequest(f"training takes as many images as targets, at least one: given {len(images)} and {n}")
    if images.dtype != torch.uint8:
        raise BadRequest(f"images must be uint8, given {images.dtype}")
    torch.empty(KEPT_BYTES, dtype=torch.uint8)  # released at once: else each step may fault its memory in anew
    network.to(device, memory_format=torch.channels_last).train()
    crops, targets = windows(images.to(device), crop, flip), targets.to(device)
    lr = torch.tensor(recipe.lr, device=device)
    optimizer = SGD(network.parameters(), lr, recipe)
    step = _Step(network, optimizer, device, recipe.precision)
    losses, correct = [], torch.zeros(recipe.epochs, n, dtype=torch.bool, device=device)
    for epoch in range(recipe.epochs):
        lr.fill_(recipe.lr_at(epoch))
        rows = torch.randperm(n, generator=order).to(device)
        drawn = draw(n, crop, flip, augment).to(device)
        total = torch.zeros((), device=device)
        for part in batches(n, recipe.batch, smallest):
            x = normalise(gather(crops, rows[part], drawn[:, part]), mean, std)
            loss, right = step(x, targets[rows[part]])
            total += loss * (part.stop - part.start)
            correct[epoch, rows[part]] = right
        losses.append(total.item() / n)
        if not math.isfinite(losses[-1]):
            raise BadRequest(
                f"loss became {losses[-1]} at epoch {epoch + 1} of {recipe.epochs}; lr {recipe.lr} is too high?"
            )
        if after_epoch is not None:
            with _evaluating(network), torch.no_grad():
                after_epoch(epoch, network)
    optimizer.zero_grad()  # gradients, and the memory of the graphs that hold them
    return {"loss": losses, "correct": correct}


@contextmanager
def _evaluating(network):
    """Eval mode, and afterwards the mode that was."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def infer(
    network, images, *, mean, std, device, batch: int | None = None, embeddings: bool = False, precision: str = "fp32"
):
    """Logits fp32 (N, C) on the device, and with `embeddings` also the penultimate features (N, D).

    images (N, C, H, W) uint8, anywhere, best in channels_last; eval mode and the test transform (normalisation
    alone). Up to rounding the result depends neither on `batch` (250 on a CPU, whose caches it suits, else 1,000)
    nor on the other images; on a CPU batch norms are folded into convolutions. The network is moved to the device,
    its mode left as it was.
    """
    on_cpu = torch.device(device).type == "cpu"
    batch = batch or (250 if on_cpu else 1000)
    n, head = len(images), network.head
    logits = torch.empty(n, head.out_features, device=device)
    features = torch.empty(n, head.in_features, device=device) if embeddings else None
    with _evaluating(network), torch.no_grad(), _autocast(device, precision):
        network.to(device, memory_format=torch.channels_last)
        if on_cpu and hasattr(network, "folded"):
            network = network.folded()
        for start in range(0, n, batch):
            part = slice(start, start + batch)
            x = normalise(images[part].to(device), mean, std)
            if embeddings:
                features[part] = x = network.embed(x)
                logits[part] = network.head(x)
            else:
                logits[part] = network(x)
    return (logits, features) if embeddings else logits


class Recorder:
    """An `after_epoch` hook for `train`: what every epoch predicts for a pool, with the test transform.

    images (N, C, H, W) uint8. After T epochs: `predictions` (T, N) uint8 (int16 above 256 classes), the class of
    the largest logit; `mean_confidence` (N,) fp32, the mean over the epochs of the largest probability.
    """

    def __init__(self, images, mean, std, classes: int, *, device, batch: int | None = None, precision: str = "fp32"):
        self.images = images.to(device, memory_format=torch.channels_last)
        self.dtype = torch.uint8 if classes <= 256 else torch.int16
        self.settings = dict(mean=mean, std=std, device=device, batch=batch, precision=precision)
        self._predictions, self._confidence = [], torch.zeros(len(images), device=device)

    def __call__(self, epoch: int, network) -> None:
        logits = infer(network, self.images, **self.settings)
        best, predicted = logits.max(1)
        self._predictions.append(predicted.to(self.dtype))
        self._confidence += (best - logits.logsumexp(1)).exp()

    @property
    def predictions(self) -> torch.Tensor:
        return torch.stack(self._predictions)

    @property
    def mean_confidence(self) -> torch.Tensor:
        return self._confidence / len(self._predictions)
