"""Real datasets in their official layouts, and the worlds that stand in for them, behind one `load(name)`.

Every module of `alnb.datasets` and `alnb.worlds` that has

    INFO: dict[str, Info]                     what it serves, by name
    load(name, root) -> Dataset               root: pathlib.Path; for another task (`Info.task`) what its tasks take
    status(name, root) -> (state, text)       optional; without it the data is embedded
    download(name, root)                      optional; without it there is nothing to fetch

is found by itself. Importing such a module must stay cheap: no torch, no matplotlib, no scikit-learn at
module level.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib
import os
import pkgutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from alnb.errors import BadRequest


@dataclass(frozen=True)
class Info:
    """What there is to know about a dataset before it is loaded."""

    title: str
    real: bool  # False for what is drawn by a program
    classes: int
    source: str  # address, or "embedded"
    terms: str  # licence or terms of use
    note: str = ""
    stand_in: str = ""  # the embedded dataset that runs without this one
    train: int = 0  # training samples, the largest pool
    test: int = 0  # test samples
    images: bool = True  # False: features (N, D) stand in the place of the images
    frame: tuple[int, int] | None = None  # (width, height) of its images, where that is known and tells what they cost
    plumbing: bool = False  # real or not, it only shows that the machinery runs: never evidence
    task: str = "classification"  # what its targets are for, "detection" (of videos, counted in frames), "re-identification"


@dataclass
class Dataset:
    """A classification dataset in memory. `load` caches it: treat the arrays as read-only.

    Pool-based active learning draws its pool from the training set; the test set is only ever evaluated on.
    """

    name: str
    info: Info
    train_images: np.ndarray  # (N, 3, H, W) uint8
    train_targets: np.ndarray  # (N,) int64
    test_images: np.ndarray  # (M, 3, H, W) uint8
    test_targets: np.ndarray  # (M,) int64
    class_names: tuple[str, ...]
    mean: tuple[float, float, float]  # of the training set's channels, pixels scaled to [0, 1]
    std: tuple[float, float, float]
    crop: int  # zero padding of the random crop, pixels
    flip: bool  # whether a horizontal flip keeps the class
    details: dict[str, np.ndarray] = field(default_factory=dict)  # facts of a world per training sample


class Missing(BadRequest):
    """The data of a known dataset is not there, or is damaged."""


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of (N, 3, H, W) uint8 images, pixels in [0, 1]."""
    total, squares = np.zeros((2, images.shape[1]), np.int64)
    for part in np.array_split(images, len(images) // 1000 + 1):
        total += part.sum(axis=(0, 2, 3), dtype=np.int64)
        squares += np.square(part, dtype=np.uint16).sum(axis=(0, 2, 3), dtype=np.int64)
    mean, square = (each / (255**power * images[:, 0].size) for power, each in ((1, total), (2, squares)))
    return tuple(mean.tolist()), tuple(np.sqrt(np.maximum(square - mean**2, 0)).tolist())  # rounding may leave less than 0


# --- what exists --------------------------------------------------------------------------------------------


@functools.cache
def _modules() -> dict:
    """name -> module that serves it."""
    found = {}
    for package in ("alnb.datasets", "alnb.worlds"):
        for entry in pkgutil.iter_modules(importlib.import_module(package).__path__, package + "."):
            module = importlib.import_module(entry.name)
            for name in getattr(module, "INFO", {}):
                if name in found:
                    raise RuntimeError(f"dataset {name!r} is served by {found[name].__name__} and {module.__name__}")
                found[name] = module
    return found


def _module(name):
    modules = _modules()
    if name not in modules:
        near = difflib.get_close_matches(str(name), modules, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names()[:6])} and others;"
        raise BadRequest(f"unknown dataset {name!r}: {hint} alnb data lists all")
    return modules[name]


def names() -> list[str]:
    """Every dataset that can be asked for, real ones first."""
    return sorted(_modules(), key=lambda name: (not _modules()[name].INFO[name].real, name))


def info(name: str) -> Info:
    """What `name` is. Raises BadRequest for an unknown name."""
    return _module(name).INFO[name]


LISTED = 12  # names that a refusal lists


def check_task(name: str, task: str) -> None:
    """BadRequest for a dataset whose targets are for another task."""
    if info(name).task != task:
        known = [each for each in names() if info(each).task == task]
        more = f" and {len(known) - LISTED} others (alnb data)" * (len(known) > LISTED)
        raise BadRequest(f"{name} is a dataset of {info(name).task}, not of {task}: there are {', '.join(known[:LISTED])}{more}")


# --- where it is --------------------------------------------------------------------------------------------


def default_root() -> Path:
    """ALNB_DATA, else data/downloads of this checkout."""
    return Path(os.environ.get("ALNB_DATA") or Path(__file__).resolve().parents[2] / "data" / "downloads")


def _root(root) -> Path:
    return Path(root).expanduser() if root is not None else default_root()


def examine(root: Path, files: dict[str, str]) -> tuple[list[Path], list[tuple[Path, str, str]]]:
    """Check files against their md5.

    files: path below root -> md5 in hexadecimal. Returns (absent paths, damaged files as (path, expected,
    found)). Where something is absent nothing is read.
    """
    absent = [root / path for path in files if not (root / path).is_file()]
    damaged = []
    if not absent:
        for path, expected in files.items():
            with open(root / path, "rb") as stream:
                found = hashlib.file_digest(stream, "md5").hexdigest()
            if found != expected:
                damaged.append((root / path, expected, found))
    return absent, damaged


def check_files(name: str, root: Path, files: dict[str, str]) -> tuple[str, str]:
    """(state, text) of a dataset made of `files` (see `examine`), for a loader's `status`; where the state is
    not "there", the text is the one line that its `load` raises Missing with."""
    about = info(name)
    absent, damaged = examine(root, files)
    module = _module(name)
    stand_in = f" {about.stand_in} runs without it." if about.stand_in else ""
    fetch = f"`alnb data {name} --download`" if hasattr(module, "download") else f"follow {about.source}"
    if absent:
        count = f"{len(absent)} of {len(files)} files" if len(absent) > 1 else "one file"
        return "missing", (
            f"{name} is missing: {count} not found, the first {absent[0]} "
            f"(root {root}; set ALNB_DATA to look elsewhere). Source: {about.source}. "
            f"Terms: {about.terms}. To get it: {fetch}.{stand_in}"
        )
    if damaged:
        each = "; ".join(f"{path} should have md5 {expected} and has {found}" for path, expected, found in damaged)
        return "damaged", f"{name} is damaged: {each}. Delete it, then {fetch}.{stand_in}"
    return "there", f"{name} is in {root}, {len(files)} files, md5 as published"


# --- what is done with it -----------------------------------------------------------------------------------


@functools.lru_cache(maxsize=2)
def _load(name: str, root: Path) -> Dataset:
    loaded = _module(name).load(name, root)
    if isinstance(loaded, Dataset):
        validate(loaded)
    return loaded


SMALLEST = 8  # px, the shorter side of an image: what the smallest network can halve as often as it does


def validate(data: Dataset) -> None:
    """BadRequest for a dataset that is not what tasks take: uint8 images (N, C, H, W) of 8 px or more, or finite features
    (N, D), and a whole number in 0 .. classes - 1 for each; two classes or more."""
    classes = data.info.classes
    if classes < 2:
        raise BadRequest(f"{data.name} has {classes} class: expected two or more")
    for part in ("train", "test"):
        images, targets = getattr(data, f"{part}_images"), getattr(data, f"{part}_targets")
        what = f"{data.name}: {part} images {images.dtype} {images.shape}"
        if data.info.images:
            if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
                raise BadRequest(f"{what}: expected uint8 (N, 3, H, W), the channels before the pixels")
            if min(images.shape[2:]) < SMALLEST:
                raise BadRequest(f"{what}: expected {SMALLEST} px or more a side")
        elif images.ndim != 2 or not np.issubdtype(images.dtype, np.floating) or not np.isfinite(images).all():
            raise BadRequest(f"{what}: expected features, finite floats (N, D)")
        if targets.shape != images.shape[:1] or not np.issubdtype(targets.dtype, np.integer):
            raise BadRequest(f"{data.name}: {part} targets {targets.dtype} {targets.shape}: expected a whole number a sample")
        if len(targets) == 0 or targets.min() < 0 or targets.max() >= classes:
            reach = f"from {targets.min()} to {targets.max()}" if len(targets) else "none"
            raise BadRequest(f"{data.name}: {part} targets are {reach}: expected 0 to {classes - 1}")


def load(name: str, root: str | Path | None = None) -> Dataset:
    """The dataset called `name`; the last two are kept in memory.

    root: folder of the downloads; default `ALNB_DATA`, else data/downloads. Raises BadRequest for an unknown
    name and Missing where the data is absent or damaged; never downloads.
    """
    return _load(name, _root(root))


def status(name: str, root: str | Path | None = None) -> tuple[str, str]:
    """("embedded" | "there" | "missing" | "damaged", one line of text). Reads and checks every file of real
    data."""
    module = _module(name)
    if hasattr(module, "status"):
        return module.status(name, _root(root))
    return "embedded", f"{name} needs no download: {info(name).title}"


def download(name: str, root: str | Path | None = None) -> None:
    """Fetch `name` from its own home. Only ever called because a user asked for it."""
    module = _module(name)
    if not hasattr(module, "download"):
        if status(name, root)[0] == "embedded":
            raise BadRequest(f"{name} is embedded: there is nothing to download")
        raise BadRequest(f"{name} cannot be downloaded by a program: see {info(name).source}")
    try:
        module.download(name, _root(root))
    except OSError as error:  # no network, a refusing server, a full disk
        about = info(name)
        raise BadRequest(f"{name} could not be fetched from {about.source} ({error}); terms: {about.terms}") from None
    _load.cache_clear()
