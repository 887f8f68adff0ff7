"""SYNTHIA-AL (thesis section 2.4) in its own layout, and whatever is written in it, such as `roads.write` does.

    synthia-al/{train,test}/<scene>/<DD-MM-YYYY_HH-MM-SS>/
        RGB/000101.png           640 x 480, RGBA
        labels_kitti/000101.txt  a line an object: type truncated occluded alpha left top right bottom h w l x y z ry
        Depth/ SemSeg/ InstanceSeg/   optional here, one PNG a frame

A video is one time's folder; one without `labels_kitti` is left out (the published archive has such). Types are read in
any case; what is none of the four classes (DontCare, Van, Truck, Bicycle, TrafficLight, ...) is dropped. Depth is
5000 (R + 256 G + 65536 B) / (2^24 - 1) metres. `SemSeg` holds a class in R; two tables of its numbers are about,
`SEMANTICS` has both. How `InstanceSeg` codes its ids is published nowhere: it is read as R + 256 G + 65536 B, and where
a labelled box is the hull of one id, that id less one is its track, else -1. There is no flow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from alnb.datasets import Info, Missing
from alnb.datasets.folders import Folders
from alnb.datasets.videos import Frame, Videos, clipped

CLASSES = ("car", "pedestrian", "cyclist", "wheelchair")
INFO = {
    "synthia-al": Info(
        title="SYNTHIA-AL, 640 x 480 synthetic road videos",
        real=True,
        classes=len(CLASSES),
        source="https://synthia-dataset.net/downloads",
        terms="CC BY-NC-SA 3.0 US; cite Zolfaghari Bengar et al., Temporal Coherence for Active Learning in Videos, 2019",
        note="197 training and 97 test videos at 25 frames a second; frames as printed in Table 2.1, in thousands",
        stand_in="roads",
        train=96_000,
        test=45_000,
        task="detection",
    )
}
FOLDERS = Folders(
    "synthia-al", "synthia-al/{train,test}/<scene>/<DD-MM-YYYY_HH-MM-SS>/{RGB/000101.png, labels_kitti/000101.txt}"
)
# Number in SemSeg -> Cityscapes' training id. "pixels": what loaders found in the pictures, Cityscapes' order plus one;
# "readme": the table that accompanies the older SYNTHIA sets.
SEMANTICS = {
    "pixels": {n + 1: n for n in range(19)},
    "readme": {1: 10, 2: 2, 3: 0, 4: 1, 5: 4, 6: 8, 7: 5, 8: 13, 9: 7, 10: 11, 11: 18, 22: 0},
}


class Recorded:
    """A video on disk; see `alnb.datasets.videos.Video`."""

    def __init__(self, folder: Path, semantics: str = "pixels"):
        self.folder, self.semantics = folder, semantics
        self.name = f"{folder.parent.name}/{folder.name}"
        self.stems = FOLDERS.pairs(folder / "RGB", folder / "labels_kitti")
        self.length = len(self.stems)
        self.complete = np.ones(self.length, bool)

    def frame(self, t: int) -> Frame:
        """Frame t, read anew. IndexError outside 0 <= t < length, Missing for a damaged file."""
        if not 0 <= t < self.length:
            raise IndexError(f"{self.name} has {self.length} frames, there is no frame {t}")
        stem = self.stems[t]
        rgb = FOLDERS.picture(self.folder / "RGB" / f"{stem}.png", "RGB")
        height, width = rgb.shape[:2]
        classes, boxes = labels(self.folder / "labels_kitti" / f"{stem}.txt")
        boxes, kept = clipped(boxes, width, height)
        return Stored(rgb, boxes[kept], classes[kept], lambda what: self._other(what, stem), SEMANTICS[self.semantics])

    def _other(self, what: str, stem: str) -> np.ndarray | None:
        path = self.folder / what / f"{stem}.png"
        return FOLDERS.picture(path, "RGB") if path.parent.is_dir() else None


class Stored(Frame):
    """A frame of which depth, semantics, instances and tracks are decoded when they are first asked for: training and choosing
    need pictures and boxes alone. read(folder) -> that picture (H, W, 3), None without the folder; table: of SEMANTICS."""

    def __init__(self, rgb, boxes, classes, read: Callable[[str], np.ndarray | None], table: Mapping[int, int]):
        super().__init__(rgb, boxes, classes)
        for name in ("tracks", "instances", "semantics", "depth"):
            del self.__dict__[name]  # else its None would hide what is decoded
        self._read, self._table = read, table

    @cached_property
    def depth(self):
        coded = self._read("Depth")
        return None if coded is None else (5000 * _number(coded).astype(np.float64) / (2**24 - 1)).astype(np.float32)

    @cached_property
    def semantics(self):
        coded, table = self._read("SemSeg"), np.full(256, 255, np.uint8)
        table[list(self._table)] = list(self._table.values())
        return None if coded is None else table[coded[..., 0]]

    @cached_property
    def instances(self):
        coded = self._read("InstanceSeg")
        return None if coded is None else _number(coded)

    @cached_property
    def tracks(self):
        ids = self.instances
        return None if ids is None else np.array([_owner(ids, box) for box in self.boxes], np.int64).reshape(-1)


def _number(rgb):
    return rgb.astype(np.int32) @ np.array([1, 256, 65536], np.int32)


def _owner(ids, box):
    """The track of the object whose hull is `box`, or -1."""
    x0, y0, x1, y1 = (round(float(edge)) for edge in box)
    inside = ids[y0:y1, x0:x1]
    for identity in np.unique(inside[inside > 0]):
        rows, cols = np.nonzero(ids == identity)
        if (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1) == (x0, y0, x1, y1):
            return int(identity) - 1
    return -1


def labels(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Classes (M,) int64 and boxes (M, 4) float32 of a label file: its objects of the four classes."""
    classes, boxes = [], []
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FOLDERS.wrong(f"{path} cannot be read ({error})") from None
    for n, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        try:
            if len(fields) < 15:
                raise ValueError
            box = [float(value) for value in fields[4:8]]
            if not np.isfinite(box).all():
                raise ValueError
        except ValueError:
            raise FOLDERS.wrong(f"{path}, line {n}: {line!r} has no 15 fields in KITTI's order") from None
        if fields[0].lower() in CLASSES:
            classes.append(CLASSES.index(fields[0].lower()))
            boxes.append(box)
    return np.array(classes, np.int64), np.array(boxes, np.float32).reshape(-1, 4)


def _read(root: Path) -> tuple[list[Recorded], list[Recorded], int]:
    """(train, test, videos without labels)."""
    home, parts, bare = root / "synthia-al", [], 0
    if not home.is_dir():
        raise FOLDERS.wrong(f"there is no folder {home}", "missing")
    for part in ("train", "test"):
        found = []
        for pictures in sorted(home.glob(f"{part}/*/*/RGB")):
            if (pictures.parent / "labels_kitti").is_dir():
                found.append(Recorded(pictures.parent))
            else:
                bare += 1
        found = [video for video in found if video.length]
        if not found:
            raise FOLDERS.wrong(f"no video with RGB and labels_kitti in {home / part}")
        parts.append(found)
    return *parts, bare


def status(name: str, root: Path) -> tuple[str, str]:
    """("there" | "missing" | "damaged", text); lists every folder, opens no picture."""
    try:
        train, test, bare = _read(root)
    except Missing as error:
        return "damaged" if "is damaged" in str(error) else "missing", str(error)
    left_out = f"; {bare} without labels are left out" if bare else ""
    return "there", f"{name} is in {root / 'synthia-al'}, {len(train)} training and {len(test)} test videos{left_out}"


def load(name: str, root: Path) -> Videos:
    """The videos below root / "synthia-al", frames read when asked for. Raises Missing."""
    train, test, _ = _read(root)
    return Videos(name, INFO[name], CLASSES, train, test)
