"""Person re-identification: boxes with identities and cameras, and the four benchmarks in their official layouts.

    root/Market-1501-v15.09.15/{bounding_box_train,query,bounding_box_test}/0001_c1s1_001051_00.jpg
    root/DukeMTMC-reID/{bounding_box_train,query,bounding_box_test}/0001_c2_f0046182.jpg
    root/cuhk03-np/{labeled,detected}/{bounding_box_train,query,bounding_box_test}/0001_c1_1.png
    root/campus/0001001.png                     CUHK01: identity, image; images 1-2 are camera 1, 3-4 camera 2

Nothing here is ever downloaded: the datasets show people, most of whom were never asked. Whoever holds one under its
terms puts the folder there. The worlds (`alnb.worlds.pedestrians`) give the same `ReID` and can be written in Market's
layout, which `read` reads.

Identities (as in Market-1501): 1, 2, ... are people; 0 is a distractor, a box of nobody who is asked for, which stays
in the gallery as a wrong answer; -1 is junk, a bad box of somebody, which no metric counts.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alnb import datasets
from alnb.datasets import Info, Missing, channel_statistics
from alnb.errors import BadRequest

if TYPE_CHECKING:
    import torch

JUNK, DISTRACTOR = -1, 0
SIZE = (256, 128)  # height and width that photographs are resized to
SUFFIXES = (".jpg", ".jpeg", ".png")
TASK = "re-identification"
SPLITS = ("train", "query", "gallery")


@dataclass(frozen=True)
class Boxes:
    """N images, each a box around a person as a detector or a human drew it. Treat the tensors as read-only."""

    images: torch.Tensor  # (N, 3, H, W) uint8
    ids: torch.Tensor  # (N,) int64; see above
    cameras: torch.Tensor  # (N,) int64, from 0
    tracks: torch.Tensor  # (N,) int64: equal for near-duplicates, boxes of one person in one passage of one camera

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labels(self) -> torch.Tensor:
        """(N,) int64: the identities as classes 0, 1, ... in the order of their numbers."""
        return self.ids.unique(return_inverse=True)[1]

    @property
    def identities(self) -> int:
        """How many people, without junk and distractors."""
        return int((self.ids.unique() > DISTRACTOR).sum())

    def of(self, rows) -> Boxes:
        """The boxes `rows`, (n,) int64 or bool."""
        return Boxes(self.images[rows], self.ids[rows], self.cameras[rows], self.tracks[rows])


@dataclass(frozen=True)
class Protocol:
    """How the benchmark is evaluated, in words. None of those here asks for a single gallery image an identity, which
    `alnb.metrics.reid.evaluate` can."""

    text: str


@dataclass(frozen=True)
class ReID:
    """A re-identification benchmark in memory: no identity of `train` is in `query` or `gallery`."""

    name: str
    info: Info
    train: Boxes
    query: Boxes
    gallery: Boxes
    protocol: Protocol
    mean: tuple[float, float, float]  # of the training boxes' channels, pixels in [0, 1]
    std: tuple[float, float, float]

    @property
    def real(self) -> bool:
        return self.info.real

    @property
    def ids(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(of the queries, of the gallery), as `evaluate` takes them."""
        return self.query.ids, self.gallery.ids

    @property
    def cameras(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.query.cameras, self.gallery.cameras


def load(name: str, root: str | Path | None = None, size: tuple[int, int] | None = None) -> ReID:
    """The benchmark or the world called `name`; the last two are kept in memory.

    root: folder of the data; default `ALNB_DATA`, else data/downloads. size: height and width in pixels; default 256 x
    128 for photographs, 64 x 32 for worlds. BadRequest for a name that is none of re-ID, Missing where the data is
    absent or is not what it should be.
    """
    datasets.check_task(name, TASK)
    module = datasets._module(name)
    return _load(module, name, datasets._root(root), check_size(size or module.SIZE))


@functools.lru_cache(maxsize=2)
def _load(module, name, root, size):
    return module.draw(name, root, size)


def check_size(size) -> tuple[int, int]:
    """(height, width) as whole numbers, or BadRequest."""
    if len(size) != 2 or min(size) < 16:
        raise BadRequest(f"size = {tuple(size)}: expected height and width, at least 16 pixels each")
    return int(size[0]), int(size[1])


def masks(name: str, split: str, rows, size: tuple[int, int] | None = None) -> np.ndarray:
    """(n, 2, H, W) bool of the boxes `rows` of a world's split: where the person is seen, and where what they carry or
    wear beside their clothes is. BadRequest for real data, which has no masks."""
    datasets.check_task(name, TASK)
    if datasets.info(name).real:
        raise BadRequest(f"{name} has no masks: only a world knows where its people are")
    return datasets._module(name).masks(name, split, rows, size)


def gather(name: str, info: Info, parts, protocol: Protocol) -> ReID:
    """A ReID of numpy arrays: parts is (images, ids, cameras, tracks) of train, query and gallery."""
    import torch

    train, query, gallery = (
        Boxes(torch.from_numpy(images), *(torch.from_numpy(np.asarray(each, np.int64)) for each in rest))
        for images, *rest in parts
    )
    mean, std = channel_statistics(parts[0][0])
    return ReID(name, info, train, query, gallery, protocol, mean, std)


# --- folders ------------------------------------------------------------------------------------------------


PROTOCOLS = {
    "market": Protocol("single query; boxes of the query's own person and camera, and junk, do not count"),
    "cuhk01": Protocol("both boxes of camera 1 are queries, both of camera 2 their gallery"),
}


@dataclass(frozen=True)
class Layout:
    """What a benchmark's folder holds."""

    folder: str  # below root, may lie one level deeper under the same name
    protocol: str
    counts: dict[str, tuple[int, int, int]]  # split -> images, identities (people), junk
    cameras: int
    parts: tuple[str, str, str] = ("bounding_box_train", "query", "bounding_box_test")
    example: str = "0001_c1s1_001051_00.jpg"
    pattern: str = r"(-?\d+)_c(\d+)(?:s(\d+))?.*"  # identity, camera from 1, sequence where there is one


CUHK01_IDENTITIES, CUHK01_TRAIN = 971, 485
WITHDRAWN = (
    "withdrawn by its authors in 2019, for privacy; nothing here fetches it, and it serves only those who hold it "
    "lawfully"
)
LAYOUTS = {
    "market-1501": Layout(
        "Market-1501-v15.09.15", "market",
        {"train": (12_936, 751, 0), "query": (3_368, 750, 0), "gallery": (19_732, 750, 3_819)}, 6,
    ),
    "dukemtmc-reid": Layout(
        "DukeMTMC-reID", "market",
        {"train": (16_522, 702, 0), "query": (2_228, 702, 0), "gallery": (17_661, 1_110, 0)}, 8,
        example="0001_c2_f0046182.jpg",
    ),
    "cuhk03-np-labelled": Layout(
        "cuhk03-np/labeled", "market",
        {"train": (7_368, 767, 0), "query": (1_400, 700, 0), "gallery": (5_328, 700, 0)}, 2,
        example="0001_c1_1.png",
    ),
    "cuhk03-np-detected": Layout(
        "cuhk03-np/detected", "market",
        {"train": (7_365, 767, 0), "query": (1_400, 700, 0), "gallery": (5_332, 700, 0)}, 2,
        example="0001_c1_1.png",
    ),
}  # fmt: skip


def _info(name, title, classes, train, test, stand_in, source, terms) -> Info:
    return Info(title=title, real=True, classes=classes, source=source, terms=terms, train=train, test=test,
                stand_in=stand_in, task=TASK)  # fmt: skip


INFO = {
    "market-1501": _info(
        "market-1501", "Market-1501, people before a supermarket", 751, 12_936, 19_732, "pedestrians-market",
        "https://zheng-lab.cecs.anu.edu.au/Project/project_reid.html", "research only, on the authors' conditions",
    ),
    "dukemtmc-reid": _info(
        "dukemtmc-reid", "DukeMTMC-reID, people on a campus", 702, 16_522, 17_661, "pedestrians-duke",
        "your own copy", WITHDRAWN,
    ),
    "cuhk01": _info(
        "cuhk01", "CUHK01, people on a campus, two cameras", 485, 1_940, 972, "pedestrians-cuhk01",
        "https://www.ee.cuhk.edu.hk/~xgwang/CUHK_identification.html", "research only, on the authors' conditions",
    ),
    "cuhk03-np-labelled": _info(
        "cuhk03-np-labelled", "CUHK03-NP, boxes drawn by hand", 767, 7_368, 5_328, "pedestrians-cuhk03-labelled",
        "https://github.com/zhunzhong07/person-re-ranking", "research only, on the authors' conditions",
    ),
    "cuhk03-np-detected": _info(
        "cuhk03-np-detected", "CUHK03-NP, boxes of a detector", 767, 7_365, 5_332, "pedestrians-cuhk03-detected",
        "https://github.com/zhunzhong07/person-re-ranking", "research only, on the authors' conditions",
    ),
}  # fmt: skip


def draw(name: str, root: Path, size: tuple[int, int]) -> ReID:
    """A real benchmark, read from its folder; its counts are verified before an image is opened. Raises Missing."""
    state, text = status(name, root)
    if state != "there":
        raise Missing(text)
    folder = place(name, root)
    if name == "cuhk01":
        return gather(name, INFO[name], _cuhk01(folder, size), PROTOCOLS["cuhk01"])
    return gather(name, INFO[name], read(folder, LAYOUTS[name], size), PROTOCOLS[LAYOUTS[name].protocol])


def read(folder: str | Path, layout: Layout = LAYOUTS["market-1501"], size: tuple[int, int] = SIZE):
    """(images, ids, cameras, tracks) of train, query and gallery of any folder in Market-1501's layout.

    Images are resized to `size` by bicubic interpolation. Raises Missing for a folder that lacks a part, a name that
    does not say identity and camera, and an image that cannot be read.
    """
    folder = Path(folder)
    return [_read(folder / part, layout, check_size(size)) for part in layout.parts]


def listed(folder: Path, pattern: str) -> list[tuple[Path, int, int, tuple]]:
    """Images of a folder as (path, identity, camera from 0, passage), in the order of their names."""
    found = []
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES):
        match = re.fullmatch(pattern, path.stem)
        if not match:
            raise Missing(f"{path}: its name does not say who and which camera, as 0001_c1s1_001051_00.jpg does")
        identity, camera, passage = match.groups()
        found.append((path, int(identity), int(camera) - 1, (int(identity), int(camera), passage)))
    return found


def _read(folder, layout, size):
    if not folder.is_dir():
        raise Missing(f"{folder} is no folder")
    return _stack(listed(folder, layout.pattern), folder, size)


def _stack(found, folder, size):
    """Arrays of what was listed."""
    if not found:
        raise Missing(f"{folder} holds no image")
    from PIL import Image

    images = np.empty((len(found), 3, *size), np.uint8)
    for row, (path, *_) in enumerate(found):
        try:
            with Image.open(path) as picture:
                whole = picture.convert("RGB")
        except (OSError, SyntaxError) as error:  # Pillow's word for a broken PNG
            raise Missing(f"{path} cannot be read as an image ({error})") from None
        if whole.size != size[::-1]:
            whole = whole.resize(size[::-1], Image.Resampling.BICUBIC)
        images[row] = np.asarray(whole).transpose(2, 0, 1)
    _, ids, cameras, passages = zip(*found)
    order = {passage: at for at, passage in enumerate(dict.fromkeys(passages))}
    return images, np.array(ids), np.array(cameras), np.array([order[passage] for passage in passages])


def tree(name: str) -> str:
    """The folder tree that the loader of a real benchmark expects, one line an entry."""
    if name == "cuhk01":
        return "campus/\n    0001001.png   (identity 1 to 971, image 1 to 4: 3,884 files)"
    layout = LAYOUTS[name]
    lines = [layout.folder + "/"]
    for part, (images, *_) in zip(layout.parts, layout.counts.values()):
        lines.append(f"    {part}/{layout.example}   ({images:,} files)")
    return "\n".join(lines)


def place(name: str, root: Path) -> Path:
    """Where the benchmark's folder is, or would be."""
    folder = "campus" if name == "cuhk01" else LAYOUTS[name].folder
    inner = root / folder.split("/")[0] / folder  # archives often hold their own name once more
    return inner if inner.is_dir() else root / folder


def status(name: str, root: Path) -> tuple[str, str]:
    """("there" | "missing" | "damaged", text); counts files, identities and junk by their names, opens no image."""
    about, folder = INFO[name], place(name, root)
    hint = f"Source: {about.source}. Terms: {about.terms}. Nothing here downloads it. {about.stand_in} runs without it."
    expected = f"Expected:\n{tree(name)}\n{hint}"
    parts = [folder] if name == "cuhk01" else [folder / part for part in LAYOUTS[name].parts]
    if absent := [part for part in parts if not part.is_dir()]:
        where = f"no folder {absent[0]} (root {root}; set ALNB_DATA to look elsewhere)"
        return "missing", f"{name} is missing: {where}. {expected}"
    try:
        wrong = _wrong_cuhk01(folder) if name == "cuhk01" else _wrong(folder, LAYOUTS[name])
    except Missing as error:
        wrong = [str(error)]
    if wrong:
        return "damaged", f"{name} in {folder} is not what was published: {'; '.join(wrong)}. {expected}"
    return "there", f"{name} is in {folder}, counts as published"


def _wrong(folder, layout):
    """What differs from the published counts, one text each."""
    wrong, people = [], {}
    for split, part in zip(SPLITS, layout.parts):
        found = listed(folder / part, layout.pattern)
        own = Counter(identity for _, identity, _, _ in found)
        people[split] = {identity for identity in own if identity > DISTRACTOR}
        given = len(found), len(people[split]), own[JUNK]
        for what, expected, count in zip(("images", "identities", "junk boxes"), layout.counts[split], given):
            if count != expected:
                wrong.append(f"{count:,} {what} in {part}, expected {expected:,}")
        if found and (last := max(camera for _, _, camera, _ in found)) >= layout.cameras:
            wrong.append(f"camera {last + 1} in {part}, expected 1 to {layout.cameras}")
    if both := people["train"] & (people["query"] | people["gallery"]):
        wrong.append(f"identity {min(both)} is in training and test")
    return wrong


def _wrong_cuhk01(folder):
    own = Counter(identity for _, identity, _, _ in _listed_cuhk01(folder))
    wrong = [f"{len(own)} identities, expected {CUHK01_IDENTITIES}"] * (len(own) != CUHK01_IDENTITIES)
    if odd := [identity for identity, images in own.items() if images != 4]:
        wrong.append(f"{own[odd[0]]} images of identity {odd[0]}, expected 4")
    return wrong


def _listed_cuhk01(folder):
    found = []
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES):
        match = re.fullmatch(r"(\d{4})(\d{3})", path.stem)
        if not match:
            raise Missing(f"{path}: its name is not four digits of identity and three of image, as 0001001.png is")
        identity, image = map(int, match.groups())
        found.append((path, identity, (image - 1) // 2, (identity, (image - 1) // 2)))
    return found


def _cuhk01(folder, size, split=0):
    """Train, query, gallery: 485 identities drawn with seed `split`; torchreid's protocol, whose draw is unseeded."""
    images, ids, cameras, tracks = _stack(_listed_cuhk01(folder), folder, size)
    training = np.random.default_rng(split).permutation(np.unique(ids))[:CUHK01_TRAIN]
    train = np.isin(ids, training)
    rows = train, ~train & (cameras == 0), ~train & (cameras == 1)
    return [(images[own], ids[own], cameras[own], tracks[own]) for own in rows]
