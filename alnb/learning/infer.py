"""Inference over a pool, and what every epoch of a training said of it."""

from __future__ import annotations

import torch

from alnb.learning.augment import normalise
from alnb.learning.modes import autocast, evaluating


def infer(
    network, images, *, mean, std, device, batch: int | None = None, embeddings: bool = False, precision: str = "fp32"
):
    """Logits fp32 (N, C) on the device, and with `embeddings` also the penultimate features (N, D).

    images (N, C, H, W) uint8, anywhere, best in channels_last; eval mode and the test transform (normalisation
    alone). The network has `embed` and `head`; the head is fp32 whatever `precision` its features have. Up to rounding
    the result depends neither on `batch` (250 on a CPU, whose caches it suits, else 1,000) nor on the other images; on
    a CPU batch norms are folded into convolutions. The network is moved to the device, its mode left as it was.
    """
    on_cpu = torch.device(device).type == "cpu"
    batch = batch or (250 if on_cpu else 1000)
    n, head = len(images), network.head
    logits = torch.empty(n, head.out_features, device=device)
    features = torch.empty(n, head.in_features, device=device) if embeddings else None
    with evaluating(network), torch.no_grad():
        network.to(device, memory_format=torch.channels_last)
        if on_cpu and hasattr(network, "folded"):
            network = network.folded()
        for start in range(0, n, batch):
            part = slice(start, start + batch)
            with autocast(device, precision):
                x = network.embed(normalise(images[part].to(device), mean, std)).float()
            logits[part] = network.head(x)
            if embeddings:
                features[part] = x
    return (logits, features) if embeddings else logits


class Recorder:
    """An `after_epoch` hook for `train`: what every epoch predicts for a pool, with the test transform.

    images (N, C, H, W) uint8. After T epochs: `predictions` (T, N) uint8 (int16 above 256 classes), the class of
    the largest logit; `mean_confidence` (N,) fp32, the mean over the epochs of the largest probability.
    """

    def __init__(self, images, mean, std, classes: int, *, device, batch: int | None = None, precision: str = "fp32"):
        self.images = images.to(device, memory_format=torch.channels_last) if images.dim() == 4 else images
        self.dtype = torch.uint8 if classes <= 256 else torch.int16
        self.settings = dict(mean=mean, std=std, device=device, batch=batch, precision=precision)
        self._predictions, self._confidence = [], torch.zeros(len(images), device=device)

    def look(self, network) -> torch.Tensor:
        return infer(network, self.images, **self.settings)

    def __call__(self, epoch: int, network) -> None:
        logits = self.look(network)
        best, predicted = logits.max(1)
        self._predictions.append(predicted.to(self.dtype))
        self._confidence += (best - logits.logsumexp(1)).exp()

    @property
    def predictions(self) -> torch.Tensor:
        return torch.stack(self._predictions)

    @property
    def mean_confidence(self) -> torch.Tensor:
        return self._confidence / len(self._predictions)


class TensorRecorder(Recorder):
    """The same for samples x (N, ...) that a network is fed as they are: features of a frozen one."""

    def __init__(self, x, classes: int):
        super().__init__(x, None, None, classes, device=x.device)

    def look(self, network):
        return network(self.images)
