"""The machine and the versions a process computes with: what equal bits depend on."""

from __future__ import annotations

import functools
import math
import os
import re
from contextlib import suppress

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


def _paid(root: str = "/sys/fs/cgroup", own: str = "/proc/self/cgroup") -> float:
    """The cores that the limits come to of the groups this process is in, each within the one before: the least of them counts;
    infinite where there is none. Version 2, else version 1."""
    try:
        with open(own) as file:  # "0::/user.slice/a" or "4:cpu,cpuacct:/docker/a"
            groups = {kind: path for _, kind, path in (line.rstrip("\n").split(":", 2) for line in file)}
    except (OSError, ValueError):
        groups = {}
    least = math.inf
    for kind, path in groups.items() | {("", "/"), ("cpu", "/")}:
        names = ["cpu.max"] if not kind else ["cpu.cfs_quota_us", "cpu.cfs_period_us"] if "cpu" in kind.split(",") else []
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts) + 1):
            with suppress(OSError, ValueError):
                quota, period = _words(os.path.join(root, "cpu" * bool(kind), *parts[:depth]), names)
                if quota.isdigit() and int(period):
                    least = min(least, int(quota) / int(period))
    return least


def _words(folder: str, names: list[str]) -> list[str]:
    found = []
    for name in names:
        with open(os.path.join(folder, name)) as file:
            found += file.read().split()
    return found


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
