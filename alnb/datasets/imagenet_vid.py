"""ImageNet-VID's cars, bicycles and motorcycles (thesis section 2.5) in the official layout.

    ILSVRC2015/Data/VID/{train/ILSVRC2015_VID_train_0000/<video>, val/<video>}/000000.JPEG
    ILSVRC2015/Annotations/VID/  the same, 000000.xml
    ILSVRC2015/ImageSets/VID/train_{1..30}.txt   optional: which videos hold which class, spares a search

Every video with an object of the three classes counts: 795 for training, 87 of the validation set as the test, the
thesis says; other classes' objects are dropped. The thesis discarded by hand the frames "that had missing annotations"
and its list is not published: here a frame may be asked for (`complete`) if its file names an object of any class, or as
`ILSVRC2015/complete.txt` says, lines of `train/<...>/<video>/000000 1` (0: not), which other frames then default to.
What may not be asked for stays in its video, to be tracked through. There are tracks, no masks, no depth, no flow.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np

from alnb.datasets import Info, Missing
from alnb.datasets.folders import Folders
from alnb.datasets.videos import Frame, Videos, clipped

WORDNET = {"n02958343": "car", "n02834778": "bicycle", "n03790512": "motorcycle"}
CLASSES = tuple(WORDNET.values())
LISTS = (4, 7, 19)  # ImageSets/VID/train_k.txt of bicycle, car and motorcycle: the 30 classes in alphabetical order
INFO = {
    "imagenet-vid": Info(
        title="ImageNet-VID, videos with cars, bicycles and motorcycles",
        real=True,
        classes=len(CLASSES),
        source="https://image-net.org/challenges/LSVRC/2015/",
        terms="ImageNet's terms of access: research and teaching, no redistribution; cite Russakovsky et al., ILSVRC, 2015",
        note="795 training and 87 test videos; frames as the thesis counts them, in thousands, after its cleaning",
        stand_in="roads-vid",
        train=129_000,
        test=14_000,
        task="detection",
    )
}
FOLDERS = Folders(
    "imagenet-vid",
    "ILSVRC2015/{Data,Annotations}/VID/{train/ILSVRC2015_VID_train_0000/<video>, val/<video>}/{000000.JPEG, 000000.xml}",
)


class Recorded:
    """A video on disk; see `alnb.datasets.videos.Video`."""

    def __init__(self, pictures: Path, notes: Path, name: str, verified: dict[str, bool] | None):
        self.pictures, self.notes, self.name, self.verified = pictures, notes, name, verified
        self.stems = FOLDERS.pairs(pictures, notes)
        self.length = len(self.stems)

    @functools.cached_property
    def complete(self) -> np.ndarray:
        """(length,) bool: whether a frame may be asked for; reads every annotation of the video."""
        if self.verified is not None:
            return np.array([self.verified.get(f"{self.name}/{stem}", False) for stem in self.stems])
        return np.array([bool(objects(self.notes / f"{stem}.xml", any_class=True)) for stem in self.stems])

    def frame(self, t: int) -> Frame:
        """Frame t, read anew. IndexError outside 0 <= t < length, Missing for a damaged file."""
        if not 0 <= t < self.length:
            raise IndexError(f"{self.name} has {self.length} frames, there is no frame {t}")
        (picture,) = self.pictures.glob(f"{self.stems[t]}.*")
        rgb = FOLDERS.picture(picture, "RGB")
        found = objects(self.notes / f"{self.stems[t]}.xml")
        boxes, kept = clipped([box for _, _, box in found], rgb.shape[1], rgb.shape[0])
        classes, tracks = (np.array([one[n] for one in found], np.int64)[kept] for n in (0, 1))
        return Frame(rgb, boxes[kept], classes, tracks)


def objects(path: Path, any_class: bool = False) -> list[tuple[int, int, list[float]]]:
    """(class, track, [x0, y0, x1, y1]) of an annotation's objects; `any_class`: those of other classes too, as -1."""
    from xml.etree import ElementTree

    try:
        found = []
        for one in ElementTree.parse(path).getroot().iter("object"):
            name = one.findtext("name", "").strip()
            if name in WORDNET or any_class:
                box = [float(one.find("bndbox").findtext(edge)) for edge in ("xmin", "ymin", "xmax", "ymax")]
                cls = CLASSES.index(WORDNET[name]) if name in WORDNET else -1
                found.append((cls, int(one.findtext("trackid")), box))
        return found
    except (OSError, ElementTree.ParseError, AttributeError, TypeError, ValueError) as error:
        raise FOLDERS.wrong(f"{path} is no annotation ({error})") from None


def _holds_one(notes: Path) -> bool:
    """Whether any annotation of a video names one of the classes."""
    wanted = re.compile("|".join(WORDNET).encode())
    return any(wanted.search(path.read_bytes()) for path in sorted(notes.glob("*.xml")))


def _listed(home: Path) -> set[str] | None:
    """The training videos that the official lists give for the three classes; None without the lists."""
    paths = [home / "ImageSets" / "VID" / f"train_{k}.txt" for k in LISTS]
    if not all(path.is_file() for path in paths):
        return None
    lines = [line.split() for path in paths for line in path.read_text().splitlines() if line.strip()]
    return {fields[0] for fields in lines if fields[-1] != "-1" and fields[-1] != "0"}


def _verified(home: Path) -> dict[str, bool] | None:
    path = home / "complete.txt"
    if not path.is_file():
        return None
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    if bad := [fields for fields in lines if len(fields) != 2 or fields[1] not in ("0", "1")]:
        raise FOLDERS.wrong(f"{path}: {' '.join(bad[0])!r} is not a path and 0 or 1")
    return {name: flag == "1" for name, flag in lines}


def _read(root: Path) -> tuple[list[Recorded], list[Recorded]]:
    home = root / "ILSVRC2015"
    if not home.is_dir():
        raise FOLDERS.wrong(f"there is no folder {home}", "missing")
    verified, listed, parts = _verified(home), _listed(home), []
    for part, pattern in (("train", "*/*"), ("val", "*")):
        found = []
        for pictures in sorted((home / "Data" / "VID" / part).glob(pattern)):
            if not pictures.is_dir():
                continue
            short = pictures.relative_to(home / "Data" / "VID" / part).as_posix()
            notes = home / "Annotations" / "VID" / part / short
            if part == "train" and listed is not None and short not in listed:
                continue
            if not notes.is_dir():
                raise FOLDERS.wrong(f"there is no folder {notes}")
            if (part == "train" and listed is not None) or _holds_one(notes):
                found.append(Recorded(pictures, notes, f"{part}/{short}", verified))
        found = [video for video in found if video.length]
        if not found:
            raise FOLDERS.wrong(f"no video of {', '.join(CLASSES)} in {home / 'Data' / 'VID' / part}")
        parts.append(found)
    return tuple(parts)


def status(name: str, root: Path) -> tuple[str, str]:
    """("there" | "missing" | "damaged", text); lists every folder, opens no picture."""
    try:
        train, test = _read(root)
    except Missing as error:
        return "damaged" if "is damaged" in str(error) else "missing", str(error)
    return "there", f"{name} is in {root / 'ILSVRC2015'}, {len(train)} training and {len(test)} test videos"


def load(name: str, root: Path) -> Videos:
    """The videos with one of the three classes, frames read when asked for. Raises Missing."""
    return Videos(name, INFO[name], CLASSES, *_read(root))
