"""CelebA, its attribute Male: 202,599 aligned photographs of faces in the official layout, resized to 64 x 64.

    celeba/                     (as torchvision.datasets.CelebA unpacks it)
        img_align_celeba/000001.jpg ...
        list_attr_celeba.txt    (a count, the 40 names, then a line an image: its name and 40 times 1 or -1)
        list_eval_partition.txt (a line an image: its name and 0 training, 1 validation, 2 test)

below ALNB_DATA. Its terms allow research alone and nobody to hand it on, so nothing here fetches it. The split of images into
training and test is the official one; the validation set is not used. What is read is kept beside it as two arrays, 2.4 GB, since
182,732 JPEGs take minutes: celeba/alnb-64.npz, made once.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from alnb import datasets
from alnb.datasets import Dataset, Info, Missing, channel_statistics

SIDE = 64
ATTRIBUTE = "Male"
SPLITS = {"train": (0, 162_770), "test": (2, 19_962)}
FOLDER, ATTRIBUTES, PARTITION, KEPT = "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt", f"alnb-{SIDE}.npz"

INFO = {
    "celeba": Info(
        title="CelebA, male or not, 64 x 64 px", real=True, classes=2,
        source="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html", terms="for non-commercial research, not to be handed on",
        note="the official training and test images; 42 % male", stand_in="faces", train=SPLITS["train"][1],
        test=SPLITS["test"][1],
    )
}  # fmt: skip


def status(name: str, root: Path) -> tuple[str, str]:
    """("there" | "missing" | "damaged", one line): whether the lists are there and count the official numbers of images, and the
    first and the last image are."""
    about, folder = INFO[name], root / "celeba"
    tree = f"expected {folder}/{{{FOLDER}/000001.jpg ..., {ATTRIBUTES}, {PARTITION}}}"
    hint = f"{tree}. Source: {about.source}. Terms: {about.terms}. {about.stand_in} runs without it."
    absent = [path for path in (folder / ATTRIBUTES, folder / PARTITION, folder / FOLDER) if not path.exists()]
    if absent:
        return "missing", f"{name} is missing: no {absent[0]} (root {root}; set ALNB_DATA to look elsewhere); {hint}"
    try:
        parts = _partition(folder)
    except ValueError as error:
        return "damaged", f"{name} is damaged: {folder / PARTITION} ({error}); {hint}"
    for split, (code, count) in SPLITS.items():
        own = [image for image, part in parts.items() if part == code]
        if len(own) != count:
            return "damaged", f"{name} is damaged: {len(own)} of {count} {split} images in {folder / PARTITION}; {hint}"
        if lost := [image for image in (own[0], own[-1]) if not (folder / FOLDER / image).is_file()]:
            return "damaged", f"{name} is damaged: no {folder / FOLDER / lost[0]}; {hint}"
    return "there", f"{name} is in {folder}, {SPLITS['train'][1]:,} and {SPLITS['test'][1]:,} images"


def _partition(folder: Path) -> dict[str, int]:
    lines = (line.split() for line in (folder / PARTITION).read_text().splitlines() if line.strip())
    return {image: int(part) for image, part in lines}


def _male(folder: Path) -> dict[str, int]:
    """Image -> 1 for male, 0 for not. ValueError for lists that are none."""
    _, names, *lines = (folder / ATTRIBUTES).read_text().splitlines()
    place = names.split().index(ATTRIBUTE) + 1
    found = {}
    for words in (line.split() for line in lines if line.strip()):
        if words[place] not in ("1", "-1"):
            raise ValueError(f"{words[0]}: {words[place]!r}, expected 1 or -1")
        found[words[0]] = int(words[place] == "1")
    return found


def load(name: str, root: Path) -> Dataset:
    """The training and the test images, in the order of their numbers. Raises Missing where they are absent or damaged."""
    state, text = status(name, root)
    if state != "there":
        raise Missing(text)
    folder = root / "celeba"
    try:
        male, parts = _male(folder), _partition(folder)
        files = {split: [image for image, part in parts.items() if part == code] for split, (code, _) in SPLITS.items()}
        targets = {split: np.array([male[image] for image in own], np.int64) for split, own in files.items()}
    except (ValueError, KeyError, IndexError) as error:
        raise Missing(f"{name} is damaged: {folder / ATTRIBUTES} ({error})") from None
    images = _kept(folder) or {split: _read(name, folder, own) for split, own in files.items()}
    if not (folder / KEPT).is_file():
        _keep(folder, images)
    mean, std = channel_statistics(images["train"])
    return Dataset(name, datasets.info(name), images["train"], targets["train"], images["test"], targets["test"],
                   ("not male", "male"), mean, std, crop=0, flip=True)  # fmt: skip


def _read(name: str, folder: Path, files: list[str]):
    """(n, 3, SIDE, SIDE) uint8: all of the aligned photograph, 178 x 218, resized."""
    from PIL import Image

    images = np.empty((len(files), 3, SIDE, SIDE), np.uint8)
    for i, file in enumerate(files):
        try:
            with Image.open(folder / FOLDER / file) as picture:
                small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        except OSError as error:
            raise Missing(f"{name} is damaged: {folder / FOLDER / file} cannot be read ({error})") from None
        images[i] = np.asarray(small).transpose(2, 0, 1)
    return images


def _kept(folder: Path):
    """What an earlier load left, None where it is not there or not whole."""
    try:
        with np.load(folder / KEPT) as kept:
            found = {split: kept[split] for split in SPLITS}
            return found if all(len(found[split]) == count for split, (_, count) in SPLITS.items()) else None
    except (OSError, ValueError, KeyError):
        return None


def _keep(folder: Path, images) -> None:
    """Leave it for the next load; a folder that cannot be written to is no error."""
    aside = folder / f"{os.getpid()}-{KEPT}"
    try:
        np.savez(aside, **images)
        aside.replace(folder / KEPT)
    except OSError:
        aside.unlink(missing_ok=True)
