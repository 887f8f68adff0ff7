"""Cityscapes through torchvision, in the official layout, below the downloads:

    cityscapes/leftImg8bit/{train,val}/<city>/<city>_000000_000019_leftImg8bit.png
    cityscapes/gtFine/{train,val}/<city>/<city>_000000_000019_gtFine_labelIds.png

The pool is the training set, the test set is `val`, since the labels of `test` are not public. (SRAAL counts 3,475 frames,
both together, and does not say what it evaluates on.) Label ids become the 19 training classes, others none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alnb.datasets import Info, Missing
from alnb.datasets.folders import Folders
from alnb.datasets.stills import CITYSCAPES, IGNORED, Stills

INFO = {
    "cityscapes": Info(
        title="Cityscapes, 2048 x 1024 photographs of streets, fine annotation",
        real=True,
        classes=19,
        source="https://www.cityscapes-dataset.com",
        terms="Cityscapes' own: no commercial use, no redistribution; an account is needed",
        note="2,975 training and 500 validation images (leftImg8bit_trainvaltest.zip, gtFine_trainvaltest.zip), 11 GB",
        stand_in="streets",
        train=2975,
        test=500,
        task="segmentation",
    )
}
SPLITS = {"train": 2975, "val": 500}
FOLDERS = Folders("cityscapes", "cityscapes/{leftImg8bit,gtFine}/{train,val}/<city>/*_{leftImg8bit,gtFine_labelIds}.png")


class Read:
    """One split; item i is read when it is asked for. Images by city and name, as they sort."""

    def __init__(self, table):
        self.files = sorted(zip(table.images, (target for (target,) in table.targets)))
        self.to_train = np.full(256, IGNORED, np.uint8)
        for one in table.classes:
            if 0 <= one.train_id < len(CITYSCAPES):
                self.to_train[one.id] = one.train_id

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i: int):
        pixels, ids = (FOLDERS.picture(path, mode) for path, mode in zip(self.files[i], ("RGB", "L")))
        return pixels, self.to_train[ids]


def status(name: str, root: Path) -> tuple[str, str]:
    """("there" | "missing" | "damaged", text); counts files, reads none."""
    base, counts = root / name, {}
    for split, count in SPLITS.items():
        for folder, end in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")):
            if not (base / folder / split).is_dir():
                return "missing", str(FOLDERS.wrong(f"there is no {base / folder / split}", "missing"))
            counts[folder, split] = {p.name.removesuffix(f"_{end}.png") for p in (base / folder / split).glob(f"*/*_{end}.png")}
        pictures, labels = counts["leftImg8bit", split], counts["gtFine", split]
        if lost := sorted(pictures ^ labels):
            return "damaged", str(FOLDERS.wrong(f"{lost[0]} of {split} has a picture or labels, not both"))
        if len(pictures) != count:
            return "damaged", str(FOLDERS.wrong(f"{len(pictures)} of {count} images of {split}"))
    return "there", f"{name} is in {base}, {sum(SPLITS.values())} images with labels"


def load(name: str, root: Path) -> Stills:
    """2,975 images to choose from and 500 to be evaluated on; nothing is read yet. Raises Missing; never downloads."""
    state, text = status(name, root)
    if state != "there":
        raise Missing(text)
    from torchvision.datasets import Cityscapes

    train, test = (Read(Cityscapes(root / name, split=split, mode="fine", target_type="semantic")) for split in SPLITS)
    return Stills(name, INFO[name], CITYSCAPES, train, test, crop=0, flip=True)
