"""Tiny ImageNet in its official layout: 200 of ImageNet's classes, photographs of 64 x 64.

    tiny-imagenet-200/wnids.txt                     the classes, one a line
                      words.txt                     optional: their names
                      train/<wnid>/images/*.JPEG    500 a class
                      val/images/*.JPEG             10,000, and val/val_annotations.txt: file, class, box, by tabs

The official test set has no labels: the validation set is the test here. Thesis 4.5.1 speaks of "90K images for training and
10K for testing"; the official training set has 100,000, and these are what is loaded. Every file is looked for and the
annotations are read whenever the dataset is; a picture that cannot be decoded is named when it is loaded. All of it takes
1.4 GB of memory.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alnb.datasets import Dataset, Info, Missing, channel_statistics

HOME = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"  # of the archive
PIXELS, A_CLASS, CLASSES, TEST = 64, 500, 200, 10_000

INFO = {
    "tiny-imagenet": Info(
        title="Tiny ImageNet, 64 x 64 photographs",
        real=True,
        classes=CLASSES,
        source=HOME,
        terms="ImageNet's terms of access: research and teaching, no redistribution; made for Stanford's course CS231n",
        note="100,000 training and 10,000 test images (the official validation set), 248 MB to download",
        stand_in="glyphs-200",
        train=CLASSES * A_CLASS,
        test=TEST,
    )
}


def _wrong(what: str, state: str = "damaged") -> Missing:
    about = INFO["tiny-imagenet"]
    fetch = "`alnb data tiny-imagenet --download`"
    return Missing(
        f"tiny-imagenet is {state}: {what} (set ALNB_DATA to look elsewhere). Source: {about.source}. Terms: {about.terms}. "
        f"To get it: {fetch}. {about.stand_in} runs without it."
    )


def _listed(root: Path) -> tuple[list[str], list[Path], list[int], list[Path], list[int]]:
    """Classes by their WordNet ids; paths and classes of the training and of the test images. Raises Missing."""
    home = root / "tiny-imagenet-200"
    if not (home / "wnids.txt").is_file():
        raise _wrong(f"there is no {home / 'wnids.txt'}", "missing")
    wnids = sorted((home / "wnids.txt").read_text().split())
    if len(wnids) != CLASSES:
        raise _wrong(f"{home / 'wnids.txt'} has {len(wnids)} classes, not {CLASSES}")
    train, train_targets = [], []
    for label, wnid in enumerate(wnids):
        own = sorted((home / "train" / wnid / "images").glob("*.JPEG"), key=_number)
        if len(own) != A_CLASS:
            raise _wrong(f"{home / 'train' / wnid / 'images'} has {len(own)} images, not {A_CLASS}")
        train += own
        train_targets += [label] * len(own)
    notes, label_of = home / "val" / "val_annotations.txt", {wnid: label for label, wnid in enumerate(wnids)}
    if not notes.is_file():
        raise _wrong(f"there is no {notes}")
    lines = [line.split("\t") for line in notes.read_text().splitlines() if line.strip()]
    if odd := [line for line in lines if len(line) < 2 or line[1] not in label_of]:
        raise _wrong(f"{notes}: {' '.join(odd[0])!r} names no class of wnids.txt")
    test = [home / "val" / "images" / line[0] for line in lines]
    there = {path.name for path in (home / "val" / "images").glob("*.JPEG")}
    if absent := [path for path in test if path.name not in there]:
        raise _wrong(f"{len(absent)} of {len(test)} test images not found, the first {absent[0]}")
    if len(test) != TEST:
        raise _wrong(f"{notes} has {len(test)} images, not {TEST:,}")
    return wnids, train, train_targets, test, [label_of[line[1]] for line in lines]


def _number(path: Path) -> int:
    """The 17 of n01443537_17.JPEG, so that the order of the images is that of their numbers."""
    number = path.stem.rpartition("_")[2]
    return int(number) if number.isdigit() else -1


def status(name: str, root: Path) -> tuple[str, str]:
    """("there" | "missing" | "damaged", text); lists every folder, opens no picture."""
    try:
        _, train, _, test, _ = _listed(root)
    except Missing as error:
        return "damaged" if "is damaged" in str(error) else "missing", str(error)
    return "there", f"{name} is in {root / 'tiny-imagenet-200'}, {len(train):,} training and {len(test):,} test images"


def load(name: str, root: Path) -> Dataset:
    """100,000 training and 10,000 test images, (N, 3, 64, 64), grey ones as RGB; classes in the order of their ids. Raises
    Missing; never downloads."""
    wnids, train, train_targets, test, test_targets = _listed(root)
    images = _read(train)
    mean, std = channel_statistics(images)
    return Dataset(
        name=name,
        info=INFO[name],
        train_images=images,
        train_targets=np.array(train_targets, np.int64),
        test_images=_read(test),
        test_targets=np.array(test_targets, np.int64),
        class_names=_names(root / "tiny-imagenet-200" / "words.txt", wnids),
        mean=mean,
        std=std,
        crop=8,  # the share of the side that CIFAR's 4 pixels are
        flip=True,
    )


def _read(paths: list[Path]) -> np.ndarray:
    """(N, 3, 64, 64) uint8."""
    from PIL import Image

    images = np.empty((len(paths), 3, PIXELS, PIXELS), np.uint8)
    for i, path in enumerate(paths):
        try:
            with Image.open(path) as picture:
                rgb = np.asarray(picture.convert("RGB"))
        except (OSError, SyntaxError) as error:
            raise _wrong(f"{path} cannot be read ({error})") from None
        if rgb.shape != (PIXELS, PIXELS, 3):
            raise _wrong(f"{path} is {rgb.shape[1]} x {rgb.shape[0]}, not {PIXELS} x {PIXELS}")
        images[i] = rgb.transpose(2, 0, 1)
    return images


def _names(words: Path, wnids: list[str]) -> tuple[str, ...]:
    """What words.txt calls each class first; without it, or where it lacks one, the id."""
    known = {}
    if words.is_file():
        for line in words.read_text(encoding="utf-8").splitlines():
            wnid, _, text = line.partition("\t")
            known[wnid] = text.partition(",")[0].strip()
    return tuple(known.get(wnid) or wnid for wnid in wnids)


def download(name: str, root: Path) -> None:
    """Fetch the archive from its home, check its md5 and unpack it. Raises Missing if it is not whole."""
    from torchvision.datasets.utils import download_and_extract_archive

    root.mkdir(parents=True, exist_ok=True)
    download_and_extract_archive(HOME, str(root), md5=MD5)
    state, text = status(name, root)
    if state != "there":
        raise Missing(text)
