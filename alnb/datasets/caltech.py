"""Caltech-101 in its official layout: a folder a class, all 102 of them.

Source: L. Fei-Fei, R. Fergus and P. Perona, Learning generative visual models from few training examples, CVPR workshop,
2004. torchvision's class leaves BACKGROUND_Google out; papers that speak of 9,146 images count it. The archive holds 9,144
pictures: 8,677 of the 101 categories and 467 of the background.

Below the root: caltech101/101_ObjectCategories/<class>/image_0001.jpg, ... (where torchvision unpacks it; caltech-101/ too).

It has no split of its own, so that the split is part of the name: `caltech-101` trains on 80 of 100 pictures, `-70` and `-90`
on so many, all drawn at random, once and for all; `-30each` on 30 of each class, the usual protocol of its authors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alnb.datasets import Dataset, Info, Missing, channel_statistics

HOME = "https://data.caltech.edu/records/mzrjq-6wc02"
FOLDERS = ("caltech101", "caltech-101")
INSIDE = "101_ObjectCategories"
BACKGROUND = "BACKGROUND_Google"
CATEGORIES, PICTURES, CLUTTER = 101, 8_677, 467  # categories, their pictures, and those of the background
PX = 220  # a side: "resized to 220x220" (SRAAL sec. 4.1), whatever their shape was
SPLITS = {"caltech-101": 0.8, "caltech-101-70": 0.7, "caltech-101-90": 0.9, "caltech-101-30each": 30}


def _trained_on(name: str) -> int:
    share = SPLITS[name]
    return share * (CATEGORIES + 1) if isinstance(share, int) else round(share * (PICTURES + CLUTTER))


INFO = {
    name: Info(
        title=f"Caltech-101 with its background class, {PX} x {PX} photographs",
        real=True,
        classes=CATEGORIES + 1,
        source=HOME,
        terms="CC BY 4.0",
        note=f"{_trained_on(name):,} training and {PICTURES + CLUTTER - _trained_on(name):,} test images, 137 MB to download",
        train=_trained_on(name),
        test=PICTURES + CLUTTER - _trained_on(name),
    )
    for name in SPLITS
}


def _found(root: Path) -> tuple[Path | None, dict[str, list[Path]]]:
    """The folder of the classes, and the pictures of each, in the order of names."""
    for folder in FOLDERS:
        if (inside := root / folder / INSIDE).is_dir():
            own = sorted(path for path in inside.iterdir() if path.is_dir())
            return inside, {path.name: sorted(path.glob("image_*.jpg")) for path in own}
    return None, {}


def status(name: str, root: Path) -> tuple[str, str]:
    """("there" | "missing" | "damaged", text); counts the pictures, without opening them."""
    inside, classes = _found(root)
    fetch = f"To get it: `alnb data {name} --download`. glyphs-100, with a tail, runs without it."
    if inside is None:
        return "missing", (
            f"{name} is missing: no {FOLDERS[0]}/{INSIDE} (root {root}; set ALNB_DATA to look elsewhere). "
            f"Source: {HOME}. Terms: {INFO[name].terms}. {fetch}"
        )
    expected = {"categories": CATEGORIES, "pictures in them": PICTURES, f"pictures in {BACKGROUND}": CLUTTER}
    own = {each: paths for each, paths in classes.items() if each != BACKGROUND}
    counts = len(own), sum(map(len, own.values())), len(classes.get(BACKGROUND, ()))
    wrong = [f"{found:,} {what}, expected {right:,}" for (what, right), found in zip(expected.items(), counts) if found != right]
    if wrong:
        return "damaged", f"{name} is damaged: {inside} holds {'; '.join(wrong)}. Delete it. {fetch}"
    return "there", f"{name} is in {inside}, {sum(counts[1:]):,} pictures, none of them checked"


def load(name: str, root: Path) -> Dataset:
    """Images (N, 3, 220, 220), grey ones as three channels alike. Raises Missing, also for a picture that cannot be read."""
    from PIL import Image

    state, text = status(name, root)
    if state != "there":
        raise Missing(text)
    _, classes = _found(root)
    paths = [path for own in classes.values() for path in own]
    targets = np.repeat(np.arange(len(classes)), [len(own) for own in classes.values()])
    images = np.empty((len(paths), 3, PX, PX), np.uint8)
    for i, path in enumerate(paths):
        try:
            with Image.open(path) as picture:
                resized = picture.convert("RGB").resize((PX, PX), Image.Resampling.BILINEAR)
        except OSError as error:
            raise Missing(f"{name} is damaged: {path} cannot be read ({error}). Delete it, then get it again") from None
        images[i] = np.asarray(resized).transpose(2, 0, 1)
    train = trained_on(targets, SPLITS[name])
    mean, std = channel_statistics(images[train])
    return Dataset(
        name, INFO[name], images[train], targets[train], images[~train], targets[~train], tuple(classes), mean, std,
        crop=PX // 8, flip=True,
    )  # fmt: skip


def trained_on(targets, split: float | int):
    """(N,) bool, the training part of pictures with classes `targets` (N,), drawn once and for all: a share of all of them,
    or, of a whole number, so many of each class."""
    order, train = np.random.default_rng(0).permutation(len(targets)), np.zeros(len(targets), bool)
    if isinstance(split, int):
        for label in np.unique(targets):
            train[order[targets[order] == label][:split]] = True
    else:
        train[order[: round(split * len(targets))]] = True
    return train


def download(name: str, root: Path) -> None:
    """Fetch and unpack the archive by torchvision, which checks its md5, then count the pictures. Raises Missing if they are
    not all there."""
    from torchvision.datasets import Caltech101

    root.mkdir(parents=True, exist_ok=True)
    Caltech101(root, download=True)
    state, text = status(name, root)
    if state != "there":
        raise Missing(text)
