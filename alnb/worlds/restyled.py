"""The people of one world in the colours of another: what stands in for style transfer between two cameras' worlds.

Wei et al. (PTGAN) and Deng et al. (SPGAN, both CVPR 2018) translate the images of a labelled source into the style of an
unlabelled target by a generative network, and train on what comes out. Here the simplest that deserves the name: each channel's
mean and deviation, camera by camera. A source box of camera s is given those of a camera t of the target,

    y = (x - mean_s) / std_s * std_t + mean_t

with t drawn anew for every box. Of the target its training boxes and their cameras are seen, never who they are. Training is the
source's, restyled; queries and gallery are the target's.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from alnb.datasets import Info, channel_statistics
from alnb.worlds import pedestrians

SIZE = pedestrians.SIZE
_BOTH_WAYS = (("market", "duke"), ("market", "duke-more"), ("market-small", "duke-small"), ("tiny-source", "tiny"))
PAIRS = {f"pedestrians-{a}-as-{b}": (f"pedestrians-{a}", f"pedestrians-{b}")
         for one, other in _BOTH_WAYS for a, b in ((one, other), (other, one))}  # fmt: skip


def _info(source: Info, target: Info) -> Info:
    short = [about.title.removeprefix("pedestrians, ") for about in (source, target)]
    return replace(source, title=f"pedestrians, {short[0]}; in the colours of: {short[1]}", test=target.test)


INFO = {name: _info(*(pedestrians.INFO[each] for each in pair)) for name, pair in PAIRS.items()}


def load(name: str, root: Path):
    """As `alnb.datasets.reid.ReID`. root is not used."""
    from alnb.datasets import reid

    return reid.load(name, root)


def draw(name: str, root: Path, size: tuple[int, int]):
    """The same at any size; uncached."""
    from alnb.datasets import reid

    source, target = (reid.load(each, root, size) for each in PAIRS[name])
    train = restyled(source.train.images.numpy(), source.train.cameras.numpy(),
                     target.train.images.numpy(), target.train.cameras.numpy())  # fmt: skip
    parts = [(train, source.train.ids, source.train.cameras, source.train.tracks)]
    parts += [(each.images.numpy(), each.ids, each.cameras, each.tracks) for each in (target.query, target.gallery)]
    return reid.gather(name, INFO[name], parts, target.protocol)


def restyled(images, cameras, style, style_cameras, seed: int = 0) -> np.ndarray:
    """(N, 3, H, W) uint8: `images` (N, 3, H, W) of `cameras` (N,) in the colours of the boxes `style` (M, 3, h, w) of
    `style_cameras` (M,), each of a camera drawn by `seed`. A channel that does not vary keeps no contrast."""
    cameras = np.asarray(cameras)
    (mean, std), (new_mean, new_std) = _statistics(images, cameras), _statistics(style, np.asarray(style_cameras))
    to = np.random.default_rng(seed).choice(sorted(new_mean), size=len(images))
    found = np.empty_like(images)
    for row, (image, camera, other) in enumerate(zip(images, cameras.tolist(), to.tolist())):
        gain = new_std[other] / np.maximum(std[camera], 1e-6)
        found[row] = np.rint(np.clip((image - mean[camera]) * gain + new_mean[other], 0, 255))
    return found


def _statistics(images, cameras) -> tuple[dict, dict]:
    """Mean and deviation (3, 1, 1) of each channel, 0 to 255, by camera."""
    both = {camera: channel_statistics(images[cameras == camera]) for camera in np.unique(cameras).tolist()}
    return tuple({camera: 255 * np.array(two[i])[:, None, None] for camera, two in both.items()} for i in range(2))


def masks(name: str, split: str, rows, size: tuple[int, int] | None = None) -> np.ndarray:
    """(n, 2, H, W) bool, see `alnb.datasets.reid.masks`."""
    return pedestrians.masks(PAIRS[name][split != "train"], split, rows, size)
