"""Data of your own, taken in by one command: `alnb data NAME --add FOLDER`.

FOLDER holds images in a folder a class, or features:

    FOLDER/<class>/*.jpg                           a fifth of each class is held out for the test set, or
    FOLDER/train/<class>/*.jpg, FOLDER/test/...
    FOLDER/features.npy, targets.npy               (N, D) floats and (N,) labels, numbers or texts; or
    FOLDER/train_features.npy, train_targets.npy, test_features.npy, test_targets.npy

Images are cut to their middle square and resized to px x px. What comes of it lies in $ALNB_DATA/own and is called
NAME@<8 hex of what it holds>: in a run's key the data is named by what it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from pathlib import Path

import numpy as np

from alnb import datasets
from alnb.datasets import Dataset, Info, Missing, channel_statistics
from alnb.errors import BadRequest

HELD_OUT = 5  # one of so many of each class is for the test set
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff")
ARRAYS = ("train", "train_targets", "test", "test_targets")


def _info() -> dict[str, Info]:
    """What was taken in below the default root; what is damaged there is left out, with a warning."""
    found = {}
    for path in sorted(datasets.default_root().glob("own/*/about.json")):
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            images, train, test = about["holds"] == "images", int(about["train"]), int(about["test"])
            found[path.parent.name] = Info(
                title=f"your own {about['holds']}", real=True, classes=len(about["class_names"]), source=str(about["source"]),
                terms="your own", train=train, test=test, images=images,
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            warnings.warn(f"{path} cannot be read ({type(error).__name__}); add its data again", stacklevel=2)
    return found


INFO = _info()


def add(name: str, source: str | Path, px: int = 128) -> str:
    """Take in what `source` holds and return what it is called from now on. BadRequest, one line, for what is no data."""
    source = Path(source).expanduser()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise BadRequest(f"{name!r}: expected letters, digits, - and _")
    if not source.is_dir():
        raise BadRequest(f"{source} is no folder")
    if px < datasets.SMALLEST:
        raise BadRequest(f"px = {px}: expected at least {datasets.SMALLEST}")
    holds = "features" if list(source.glob("*features.npy")) else "images"
    read = _features if holds == "features" else lambda folder: _images(folder, px)
    parts, class_names = read(source)
    # a pool is the first so many: in the order of the folders it would lack classes
    order = np.random.default_rng(0).permutation(len(parts[0]))
    parts = parts[0][order], parts[1][order], *parts[2:]
    digest = _digest(class_names, parts)
    full = f"{name}@{digest[:8]}"
    target = datasets.default_root() / "own" / full
    target.mkdir(parents=True, exist_ok=True)
    for each, array in zip(ARRAYS, parts):
        aside = target / f"{each}.tmp.npy"
        np.save(aside, array, allow_pickle=False)
        os.replace(aside, target / f"{each}.npy")
    about = {"holds": holds, "class_names": class_names, "sha256": digest, "source": str(source.resolve()),
             "train": len(parts[0]), "test": len(parts[2])}  # fmt: skip
    aside = target / "about.tmp"
    aside.write_text(json.dumps(about, indent=1))
    aside.replace(target / "about.json")
    INFO.clear()
    INFO.update(_info())
    datasets._modules.cache_clear()
    return full


def _digest(class_names: list[str], parts) -> str:
    digest = hashlib.sha256(json.dumps(class_names).encode())
    for array in parts:
        digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _images(source: Path, px: int):
    """(train, targets, test, targets), class names."""
    if (source / "train").is_dir() and (source / "test").is_dir():
        names = _classes(source / "train")
        if lost := set(_classes(source / "test")) - set(names):
            raise BadRequest(f"{source / 'test'} has a class that train has not: {min(lost)}")
        train, test = (_read_images(source / part, names, px) for part in ("train", "test"))
        return (*train, *test), names
    names = _classes(source)
    images, targets = _read_images(source, names, px)
    return _split(images, targets), names


def _classes(source: Path) -> list[str]:
    names = sorted(path.name for path in source.iterdir() if path.is_dir() and _pictures(path))
    if len(names) < 2:
        raise BadRequest(f"{source}: expected a folder a class, at least two, with images in them, or features.npy")
    return names


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _read_images(source: Path, names: list[str], px: int):
    from PIL import Image, ImageOps

    images, targets = [], []
    for label, name in enumerate(names):
        for path in _pictures(source / name):
            try:
                with Image.open(path) as picture:
                    upright = ImageOps.exif_transpose(picture).convert("RGB")
                    square = ImageOps.fit(upright, (px, px), Image.Resampling.BICUBIC)
            except Exception as error:  # a decoder's own: PIL raises SyntaxError, DecompressionBombError, struct.error
                raise BadRequest(f"{path} cannot be read as an image ({error})") from None
            images.append(np.asarray(square).transpose(2, 0, 1))
            targets.append(label)
    return np.stack(images), np.array(targets, np.int64)


def _features(source: Path):
    def both(part: str):
        found = []
        for what in ("features", "targets"):
            path = source / f"{part}{what}.npy"
            try:
                found.append(np.load(path, allow_pickle=False))
            except (OSError, ValueError, EOFError) as error:
                raise BadRequest(f"{path} cannot be read ({error})") from None
        features, targets = found
        if features.ndim != 2 or features.dtype.kind not in "fiu" or not np.isfinite(features).all():
            raise BadRequest(f"{source / part}features.npy: {features.dtype} {features.shape}; expected finite (N, D)")
        if targets.shape != (len(features),) or targets.dtype.kind not in "iuU":
            raise BadRequest(
                f"{source / part}targets.npy: {targets.dtype} {targets.shape}; expected ({len(features)},) numbers or texts"
            )
        return features.astype(np.float32), targets

    if (source / "features.npy").is_file():
        features, targets = both("")
        names, targets = np.unique(targets, return_inverse=True)
        parts = _split(features, targets.astype(np.int64))
    else:
        (train, own), (test, held) = both("train_"), both("test_")
        names = np.unique(own)
        if train.shape[1] != test.shape[1]:
            raise BadRequest(f"{source}: {train.shape[1]} features in train, {test.shape[1]} in test")
        if lost := set(held.tolist()) - set(names.tolist()):
            raise BadRequest(f"{source}: test has a class that train has not: {min(lost)}")
        parts = train, np.searchsorted(names, own), test, np.searchsorted(names, held)
    if len(names) < 2:
        raise BadRequest(f"{source}: all labels are {names[0]!r}; expected at least two classes")
    return parts, [str(name) for name in names]


def _split(values, targets):
    """A fifth of each class, drawn once and for all, is the test set."""
    order, test = np.random.default_rng(0).permutation(len(targets)), np.zeros(len(targets), bool)
    for label in np.unique(targets):
        own = order[targets[order] == label]
        if len(own) < 2:
            raise BadRequest(f"class {label} has one sample: expected two or more, one of them for the test set")
        test[own[: max(1, len(own) // HELD_OUT)]] = True
    return values[~test], targets[~test], values[test], targets[test]


def status(name: str, root: Path) -> tuple[str, str]:
    """("there" | "missing", text)."""
    folder = root / "own" / name
    if all((folder / f"{each}.npy").is_file() for each in ARRAYS):
        return "there", f"{name} is in {folder}"
    return "missing", f"{name} is missing in {root}: add it again, `alnb data {name.partition('@')[0]} --add FOLDER`"


def load(name: str, root: Path) -> Dataset:
    """Images (N, 3, px, px) uint8, or features (N, D) float32 in their place. Raises Missing, also where they are not what
    their name says."""
    state, text = status(name, root)
    if state != "there":
        raise Missing(text)
    about = json.loads((root / "own" / name / "about.json").read_text())
    parts = [np.load(root / "own" / name / f"{each}.npy", allow_pickle=False) for each in ARRAYS]
    digest = _digest(about["class_names"], parts)[:8]
    if digest != name.rpartition("@")[2]:
        raise Missing(f"{name} is damaged: it holds what would be called {digest}; add it again")
    images = about["holds"] == "images"
    mean, std = channel_statistics(parts[0]) if images else ((0.0,) * 3, (1.0,) * 3)
    return Dataset(name, INFO[name], *parts, tuple(about["class_names"]), mean, std,
                   parts[0].shape[-1] // 8 if images else 0, images)  # fmt: skip
