"""The modes a network runs in: eval for a look at it, bf16 for its body, fp32 for its head."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext

import torch


@contextmanager
def evaluating(network):
    """Eval mode, and afterwards the mode that was."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def autocast(device, precision: str):
    """bf16 where `precision` says so; without autocast's cache, which a CUDA graph may not use."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, torch.bfloat16, cache_enabled=False)


def fp32(device: torch.device):
    """Full precision inside of `autocast`: what comes in is still to be made `.float()`."""
    if not torch.is_autocast_enabled(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False, cache_enabled=False)
