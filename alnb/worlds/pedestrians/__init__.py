"""People seen by several cameras: a world for re-identification, drawn by numpy.

Every box is a pure function of (world, identity, camera, frame): it does not depend on what else is drawn, in which
order, or how many.

What makes it hard, and what a method can use
- siblings: in market half of the people belong to groups of two to four that share build, hair colour and clothes, and differ in
  details: what they carry (never the same), hat, scarf, shoes, hair, a logo.
- cameras: each has its own cast, gamma, light, blur, noise, compression and street, and a direction that people mostly
  walk in.
- views: from the front a logo is seen and a backpack is two straps; from behind it is the other way round.
- passages: a person's boxes of one walk past one camera are near-duplicates, numbered as one track.
- occluders and second pedestrians cover or crowd; a detector's boxes are shifted and scaled.
- junk (a third to two thirds of a right box: IoU 0.2 to 0.5) and distractors (less) in the gallery, as Market defines
  them.

Presets stand in for a benchmark each: market, duke (eight cameras; more coats and grey, other streets), cuhk01 (two
views of two boxes each), cuhk03 with labelled (tight) and detected boxes of the same people. The nulls take a mechanism
away: no siblings; nobody hidden or crowded. market-easy and market-hard have less and more of all of it (siblings, occluders,
second pedestrians, jitter, casts) before the same streets. `pedestrians-tiny` is for smoke tests.

How hard it is: tuned with plain cross entropy alone (`reid_small` from scratch, Adam 3.5e-3, one epoch of warm-up, then
a cosine, batch 64, crop of 4, flip; cosine distance of z with the flip test), on the development seed 1000 of world and
training, blind to attention, triplets and selection. Per cent, and CPU seconds of the training on one core:

    preset                 people  boxes  epochs  rank 1  rank 5   mAP  seconds
    market                    150  2,613      20    54.4    77.6  46.7       42
    market, more people       450  7,911      10    67.4    84.6  60.3       62
    market-no-siblings        150  2,613      15    75.5    88.6  62.1       31
    duke                      150  2,365      15    42.2    62.8  37.7       28
    cuhk01                    200    800      30    53.8    79.4  64.0       19
    cuhk03-labelled           300  1,819      18    51.5    73.0  60.8       26
    cuhk03-detected           300  1,819      18    44.5    66.0  53.2       25
    market-no-occluders       150  2,613      15    64.3    87.3  59.5       30
Of market's wrong nearest boxes three quarters are of the query's own camera, half are siblings, a tenth distractors.
With three times the siblings' share and twice the casts rank 1 was 13. One seed each, 427 to 526 queries (cuhk01 320,
cuhk03 200): two points, three there, are noise.

As notebook 08 trains at its profile `world` (batches of 16 people with 4 boxes, a rate that falls in steps, erasing but on duke),
training seed 1000 on world 0, with the mirror image; cross entropy, then with triplets and smoothed labels:

    preset                 people  boxes  epochs  rank 1   mAP  rank 1   mAP
    market                    150  2,594      16    45.1  38.8    49.3  41.6
    market-no-siblings        150  2,594      16    70.1  56.5    72.0  58.1
    market-no-occluders       150  2,594      16    60.8  52.5    65.3  59.2
    market-easy               150  2,594      16    78.7  70.3    84.7  77.5
    market-hard               150  2,594      16    41.8  32.2    37.1  31.1
    duke                      150  2,372      18    38.5  33.7
    duke-more                 300  4,705       9    42.4  36.4    52.4  45.9
    cuhk03-labelled           300  1,803      16    57.0  66.0    77.0  82.7
    cuhk03-detected           300  1,803      16    52.5  60.6    65.5  73.4
Notebook 07 has the network of another preset go on with all labels of this one, its upper bound; likewise at `world`, seed 1000.
Its training from nothing (cross entropy and triplets), the bound by both losses, and by triplets alone:

    market                    150  2,594            54.5  44.0    56.7  46.9    62.5  52.2
    duke                      150  2,372            42.7  37.0    56.8  48.8    61.5  52.5
    cuhk01                    200    800                          69.1  74.6    67.2  76.0
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alnb.datasets import Info
from alnb.worlds.pedestrians.people import siblings
from alnb.worlds.pedestrians.presets import DISTRACTOR, JUNK, PERSON, PRESETS, SIZE, SPLITS, Preset
from alnb.worlds.pedestrians.scenes import render
from alnb.worlds.pedestrians.walks import Table, table

__all__ = [
    "COUNTS", "DISTRACTOR", "INFO", "JUNK", "PERSON", "PRESETS", "SIZE", "SPLITS", "Preset", "Table", "draw", "load", "masks",
    "render", "siblings", "table", "write",
]  # fmt: skip

# Boxes of training and gallery (a test compares): counted here so that asking what exists takes no time.
COUNTS = {
    "pedestrians-market": (2_594, 2_025),
    "pedestrians-market-no-siblings": (2_594, 2_025),
    "pedestrians-market-no-occluders": (2_594, 2_025),
    "pedestrians-market-easy": (2_594, 2_025),
    "pedestrians-market-hard": (2_594, 2_025),
    "pedestrians-duke": (2_372, 1_838),
    "pedestrians-cuhk01": (800, 320),
    "pedestrians-cuhk03-labelled": (1_803, 407),
    "pedestrians-cuhk03-detected": (1_803, 407),
    "pedestrians-tiny": (183, 142),
}  # fmt: skip
COUNTS |= {"pedestrians-duke-more": (4_705, 1_988), "pedestrians-market-small": (1_033, 1_014)}
COUNTS |= {"pedestrians-duke-small": (1_535, 498), "pedestrians-tiny-source": (135, 56)}


def _info(name, preset):
    train, gallery = COUNTS[name]
    return Info(title=f"pedestrians, {preset.title}", real=False, classes=preset.train, source="embedded",
                terms="drawn here (MIT)", train=train, test=gallery, task="re-identification",
                plumbing=name.startswith("pedestrians-tiny"))  # fmt: skip


INFO = {name: _info(name, preset) for name, preset in PRESETS.items()}


def load(name: str, root: Path):
    """World 0 of a preset as `alnb.datasets.reid.ReID`. root is not used."""
    from alnb.datasets import reid

    return reid.load(name, root)


def draw(name: str, root: Path, size: tuple[int, int]):
    """The same at any size; uncached."""
    from alnb.datasets import reid

    parts = []
    for split in SPLITS:
        boxes = table(name, split)
        images = render(name, boxes.identities, boxes.cameras, boxes.frames, boxes.kinds, size=size)
        parts.append((images, boxes.ids, boxes.cameras, boxes.tracks))
    return reid.gather(name, INFO[name], parts, reid.PROTOCOLS["market" if PRESETS[name].both else "cuhk01"])


def write(name: str, folder: str | Path, *, seed: int = 0, size: tuple[int, int] = SIZE) -> None:
    """A world as PNG files in Market-1501's layout, which `alnb.datasets.reid.read` reads back to the bit."""
    from PIL import Image

    for split, part in zip(SPLITS, ("bounding_box_train", "query", "bounding_box_test")):
        boxes, target = table(name, split, seed), Path(folder, part)
        target.mkdir(parents=True, exist_ok=True)
        images = render(name, boxes.identities, boxes.cameras, boxes.frames, boxes.kinds, seed=seed, size=size)
        for image, who, camera, frame in zip(images, boxes.ids.tolist(), boxes.cameras.tolist(), boxes.frames.tolist()):
            whose = f"{who:04d}" if who >= 0 else "-1"
            path = target / f"{whose}_c{camera + 1}s{frame // 100 + 1:04d}_{frame % 100:06d}_00.png"
            Image.fromarray(image.transpose(1, 2, 0)).save(path)


def masks(name: str, split: str, rows, size: tuple[int, int] | None = None) -> np.ndarray:
    """(n, 2, H, W) bool, see `alnb.datasets.reid.masks`."""
    boxes = table(name, split)
    picked = (each[rows] for each in (boxes.identities, boxes.cameras, boxes.frames, boxes.kinds))
    return render(name, *picked, size=size or SIZE, masks=True)
