"""CIFAR-10 and CIFAR-100 through torchvision, in the official python layout.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, 2009. Every
file is checked against its published md5 before torchvision unpickles it, so that a damaged one is named.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alnb.datasets import Dataset, Info, Missing, check_files

HOME = "https://www.cs.toronto.edu/~kriz/cifar.html"
TERMS = "no licence stated; cite Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009"

INFO = {
    "cifar-10": Info(
        title="CIFAR-10, 32 x 32 photographs",
        real=True,
        classes=10,
        source=HOME,
        terms=TERMS,
        note="50,000 training and 10,000 test images, 170 MB to download",
        stand_in="glyphs-10",
        train=50_000,
        test=10_000,
    ),
    "cifar-100": Info(
        title="CIFAR-100, 32 x 32 photographs",
        real=True,
        classes=100,
        source=HOME,
        terms=TERMS,
        note="50,000 training and 10,000 test images, fine labels, 169 MB to download",
        stand_in="glyphs-100",
        train=50_000,
        test=10_000,
    ),
}

# The files below root and their md5, as in torchvision's class tables (a test compares): kept here so that
# missing or damaged data is refused without the seconds that importing torchvision takes.
FILES = {
    "cifar-10": {
        "cifar-10-batches-py/data_batch_1": "c99cafc152244af753f735de768cd75f",
        "cifar-10-batches-py/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "cifar-10-batches-py/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "cifar-10-batches-py/data_batch_4": "634d18415352ddfa80567beed471001a",
        "cifar-10-batches-py/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "cifar-10-batches-py/test_batch": "40351d587109b95175f43aff81a1287e",
        "cifar-10-batches-py/batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
    "cifar-100": {
        "cifar-100-python/train": "16019d7e3df5f24257cddd939b257f8d",
        "cifar-100-python/test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "cifar-100-python/meta": "7973b15100ade9c7d40fb424638fde48",
    },
}

# Mean and standard deviation of the training set's channels, pixels in [0, 1].
STATISTICS = {
    "cifar-10": ((0.49140, 0.48216, 0.44653), (0.24703, 0.24349, 0.26159)),
    "cifar-100": ((0.50708, 0.48655, 0.44092), (0.26733, 0.25644, 0.27615)),
}


def _table(name):
    from torchvision import datasets

    return {"cifar-10": datasets.CIFAR10, "cifar-100": datasets.CIFAR100}[name]


def status(name: str, root: Path) -> tuple[str, str]:
    """("there" | "missing" | "damaged", text); reads every file that is there."""
    return check_files(name, root, FILES[name])


def load(name: str, root: Path) -> Dataset:
    """50,000 training and 10,000 test images, (N, 3, 32, 32). Raises Missing; never downloads."""
    state, text = status(name, root)
    if state != "there":
        raise Missing(text)
    train, test = (_table(name)(root, train=part, download=False) for part in (True, False))
    mean, std = STATISTICS[name]
    return Dataset(
        name=name,
        info=INFO[name],
        train_images=_channels_first(train.data),
        train_targets=np.asarray(train.targets, dtype=np.int64),
        test_images=_channels_first(test.data),
        test_targets=np.asarray(test.targets, dtype=np.int64),
        class_names=tuple(train.classes),
        mean=mean,
        std=std,
        crop=4,
        flip=True,
    )


def _channels_first(images):
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def download(name: str, root: Path) -> None:
    """Fetch and unpack the archive from its home by torchvision, then check every file. Raises Missing if one
    differs."""
    root.mkdir(parents=True, exist_ok=True)
    _table(name)(root, download=True)
    state, text = status(name, root)
    if state != "there":
        raise Missing(text)
