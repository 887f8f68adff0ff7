"""The machine and the versions a process computes with: what equal bits depend on."""

from __future__ import annotations

import functools
import os


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def versions() -> dict[str, str]:
    """What must be the same on driver and worker."""
    import torch

    import alnb

    return {"alnb": alnb.__version__, "torch": torch.__version__.split("+")[0]}


@functools.cache
def provenance() -> dict:
    """What a step was computed with: versions, CPU type, device, threads."""
    import platform

    import numpy
    import torch

    return versions() | {
        "python": platform.python_version(), "numpy": numpy.__version__, "cpu": cpu_type(),
        "device": device_name(), "threads": torch.get_num_threads(),
    }  # fmt: skip


@functools.cache
def cpu_type() -> str:
    """The CPU's model and the vector instructions torch uses on it: bits are equal only within one type."""
    import platform

    import torch

    try:
        with open("/proc/cpuinfo") as file:
            model = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model} ({torch.backends.cpu.get_cpu_capability()})"


def device() -> str:
    """The device of this process: $ALNB_DEVICE, else CUDA where there is one."""
    import torch

    return os.environ.get("ALNB_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")


def device_name() -> str:
    import torch

    return torch.cuda.get_device_name() if device().startswith("cuda") else "cpu"
