"""The machine and the versions a process computes with: what equal bits depend on."""

from __future__ import annotations

import functools
import math
import os
import re

from alnb.errors import BadRequest

FOLDERS = ("ALNB_STORE", "ALNB_FIGURES", "ALNB_EXECUTED", "ALNB_DATA")  # variables that name one


def whole_folders() -> None:
    """Make what the user calls his folders absolute, once: a notebook's kernel works in another folder."""
    for name in FOLDERS:
        if given := os.environ.get(name):
            os.environ[name] = os.path.abspath(os.path.expanduser(given))


def cores() -> int:
    """The cores this process may use: those it is let run on, and no more than its cgroup pays for."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(own, _paid())))


def _paid(root: str = "/sys/fs/cgroup") -> float:
    """The cores that a container's limit comes to; infinite where there is none. Version 2, else version 1."""
    def read(*path):
        with open(os.path.join(root, *path)) as file:
            return file.read().split()

    try:
        quota, period = read("cpu.max")
    except (OSError, ValueError):
        try:
            (quota,), (period,) = read("cpu", "cpu.cfs_quota_us"), read("cpu", "cpu.cfs_period_us")
        except (OSError, ValueError):
            return math.inf
    return int(quota) / int(period) if quota.isdigit() and int(period) else math.inf


def has_gpu() -> bool:
    """Whether a GPU is given to this process, without importing torch: a container may see any one of several."""
    return any(name[6:].isdigit() for name in os.listdir("/dev") if name.startswith("nvidia")) if os.path.isdir("/dev") else False


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


def check_device() -> None:
    """BadRequest for an ALNB_DEVICE that is none, or a GPU where this process is given none; without importing torch."""
    given = os.environ.get("ALNB_DEVICE") or "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d{1,3})?", given):
        raise BadRequest(f"ALNB_DEVICE={given}: expected cpu, cuda or cuda:N")
    if given != "cpu" and not has_gpu():
        raise BadRequest(f"ALNB_DEVICE={given}: this process is given no GPU")


def device() -> str:
    """The device of this process: $ALNB_DEVICE, else CUDA where there is one."""
    import torch

    return os.environ.get("ALNB_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")


def device_name() -> str:
    import torch

    return torch.cuda.get_device_name() if device().startswith("cuda") else "cpu"
