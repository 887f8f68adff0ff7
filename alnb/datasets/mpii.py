"""MPII Human Pose in the official layout of its images, with the annotation that SimpleBaselines made of it:

    mpii/images/015601864.jpg
    mpii/annot/train.json, valid.json      [{"image", "center" [x, y], "scale", "joints" 16 x [x, y], "joints_vis" [16]}, ...]
    mpii/annot/gt_valid.mat                headboxes_src (2, 2, N): of the persons of valid.json, in their order

These are the splits of L2R-AL and LL4AL: 22,246 persons of the training images and 2,958 held out of them, since MPII's own test
set has no public annotation. Pixels are counted from 1 there, from 0 here. A person is cut out as a square of 1.25 * 200 *
scale pixels, whose middle is 15 * scale below the annotated one, and scaled to 256 pixels (Xiao, Wu and Wei, ECCV 2018).
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np

from alnb.datasets import Info, Missing
from alnb.datasets.folders import Folders
from alnb.datasets.poses import Pose, Poses

INFO = {
    "mpii": Info(
        title="MPII Human Pose, photographs of people, sixteen joints each",
        real=True,
        classes=16,
        source="http://human-pose.mpi-inf.mpg.de (images); github.com/microsoft/human-pose-estimation.pytorch (annot)",
        terms="simplified BSD licence; cite Andriluka, Pishchulin, Gehler, Schiele, CVPR 2014",
        note="22,246 and 2,958 persons, 12 GB of images",
        stand_in="figures",
        train=22_246,
        test=2_958,
        task="pose",
    )
}
SIDE = 256
SPLITS = {"train": 22_246, "valid": 2_958}
FOLDERS = Folders("mpii", "mpii/images/*.jpg and mpii/annot/{train.json,valid.json,gt_valid.mat}")


class Read:
    """One split; item i is cut out of its photograph when it is asked for. heads (N,): NaN where none is known."""

    def __init__(self, root: Path, persons: list[dict], heads):
        self.images, self.persons, self.heads = root / "images", persons, heads

    def __len__(self):
        return len(self.persons)

    def __getitem__(self, i: int) -> Pose:
        from PIL import Image

        person, path = self.persons[i], self.images / self.persons[i]["image"]
        scale = float(person["scale"])
        middle = np.array(person["center"], float) - 1 + [0, 15 * scale]
        side = 1.25 * 200 * scale
        corner, factor = middle - side / 2, SIDE / side
        photograph = Image.fromarray(FOLDERS.picture(path, "RGB"))
        box = (*corner, *(corner + side))
        cut = photograph.transform((SIDE, SIDE), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR)
        joints = (np.array(person["joints"], float) - 1 - corner) * factor
        visible = np.array(person["joints_vis"], bool) & ((joints >= 0) & (joints < SIDE)).all(1)
        return Pose(np.asarray(cut), joints.astype(np.float32), visible, float(self.heads[i] * factor))


def _annotation(root: Path, split: str) -> list[dict]:
    path = root / "annot" / f"{split}.json"
    try:
        persons = json.loads(path.read_text())
        for person in persons:
            if np.shape(person["joints"]) != (16, 2) or len(person["joints_vis"]) != 16 or len(person["center"]) != 2:
                raise ValueError("a person without a center and sixteen joints")
            if not person["image"] or not float(person["scale"]) > 0:
                raise ValueError("a person without image and scale")
    except FileNotFoundError:
        raise FOLDERS.wrong(f"there is no {path}", "missing") from None
    except (ValueError, KeyError, TypeError) as error:
        raise FOLDERS.wrong(f"{path} is no such annotation ({error})") from None
    if len(persons) != SPLITS[split]:
        raise FOLDERS.wrong(f"{path} has {len(persons)} persons, not {SPLITS[split]}")
    return persons


def _heads(root: Path, count: int):
    """(count,) 0.6 of the diagonal of each head's box, in pixels of the photograph."""
    from scipy.io import loadmat

    path = root / "annot" / "gt_valid.mat"
    if not path.is_file():
        raise FOLDERS.wrong(f"there is no {path}", "missing")
    try:
        boxes = loadmat(path)["headboxes_src"]
        lengths = 0.6 * np.linalg.norm(boxes[1] - boxes[0], axis=0)
    except (ValueError, KeyError, TypeError, NotImplementedError, OSError) as error:
        raise FOLDERS.wrong(f"{path} holds no boxes of heads ({error})") from None
    if lengths.shape != (count,) or not (lengths > 0).all():
        raise FOLDERS.wrong(f"{path} has boxes of heads of shape {boxes.shape}, expected (2, 2, {count}), none empty")
    return lengths


def status(name: str, root: Path) -> tuple[str, str]:
    """("there" | "missing" | "damaged", text); reads the annotation, and no image."""
    try:
        _parts(name, root)
    except Missing as missing:
        return "missing" if " is missing" in str(missing) else "damaged", str(missing)
    return "there", f"{name} is in {root / name}, {sum(SPLITS.values())} persons"


@functools.lru_cache(maxsize=1)
def _parts(name: str, root: Path):
    base = root / name
    if not (base / "images").is_dir():
        raise FOLDERS.wrong(f"there is no {base / 'images'}", "missing")
    train, valid = (_annotation(base, split) for split in SPLITS)
    return Read(base, train, np.full(len(train), np.nan)), Read(base, valid, _heads(base, len(valid)))


def load(name: str, root: Path) -> Poses:
    """22,246 persons to choose from and 2,958 to be evaluated on; no image is read yet. Raises Missing."""
    return Poses(name, INFO[name], *_parts(name, root))
