"""ShanghaiTech Part B: 716 photographs of streets in Shanghai and a point on every head, in the official layout.

    part_B (or part_B_final, ShanghaiTech/part_B)/
        train_data/  images/IMG_1.jpg ... IMG_400.jpg    ground-truth/GT_IMG_1.mat ...   (or ground_truth/)
        test_data/   images/IMG_1.jpg ... IMG_316.jpg    ground-truth/GT_IMG_1.mat ...

below ALNB_DATA. It is not ours to hand on, and there is no address to fetch it from without its authors' form: put it there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alnb import datasets
from alnb.datasets import Info, Missing, channel_statistics
from alnb.datasets.heads import TASK, Heads

SPLITS = {"train_data": 400, "test_data": 316}
FOLDERS = tuple(f"{above}{own}" for above in ("", "ShanghaiTech/", "ShanghaiTech_Crowd_Counting_Dataset/")
                for own in ("part_B", "part_B_final"))  # fmt: skip
TRUTH = ("ground-truth", "ground_truth")

INFO = {
    "shanghaitech-b": Info(
        title="ShanghaiTech Part B, 1024 x 768 px", real=True, classes=1,
        source="https://github.com/desenzhou/ShanghaiTechDataset", terms="for research, by its authors (Zhang et al., CVPR 2016)",
        note="9 to 578 people, a point on every head", stand_in="crowds", train=SPLITS["train_data"], test=SPLITS["test_data"],
        task=TASK,
    )
}  # fmt: skip


def _folder(root: Path) -> Path | None:
    return next((root / name for name in FOLDERS if (root / name).is_dir()), None)


def status(name: str, root: Path) -> tuple[str, str]:
    """("there" | "missing" | "damaged", one line): whether each split has its images, each with its heads."""
    about = INFO[name]
    folder = _folder(root)
    tree = f"expected {root}/part_B/{{train_data,test_data}}/images/IMG_<n>.jpg and ground-truth/GT_IMG_<n>.mat"
    hint = f"{tree}. Source: {about.source}. Terms: {about.terms}. {about.stand_in} runs without it."
    if folder is None:
        return "missing", f"{name} is missing: no part_B in {root} (set ALNB_DATA to look elsewhere); {hint}"
    for split, count in SPLITS.items():
        images = {path.stem for path in (folder / split / "images").glob("IMG_*.jpg")}
        heads = {path.stem.removeprefix("GT_") for truth in TRUTH for path in (folder / split / truth).glob("GT_IMG_*.mat")}
        if len(images) != count:
            return "damaged", f"{name} is damaged: {len(images)} of {count} images in {folder / split / 'images'}; {hint}"
        if lost := images - heads:
            return "damaged", f"{name} is damaged: no GT_{min(lost)}.mat in {folder / split}, {len(lost)} are missing; {hint}"
    return "there", f"{name} is in {folder}, 400 and 316 images"


def load(name: str, root: Path) -> Heads:
    """All of it, images in the order of their numbers. Raises Missing where it is absent or damaged."""
    state, text = status(name, root)
    if state != "there":
        raise Missing(text)
    folder, parts = _folder(root), []
    for split in SPLITS:
        paths = sorted((folder / split / "images").glob("IMG_*.jpg"), key=lambda path: int(path.stem.rpartition("_")[2]))
        images, points = zip(*(_read(name, path, folder / split) for path in paths))
        if len({image.shape for image in images}) > 1:
            raise Missing(f"{name} is damaged: images of {len({i.shape for i in images})} sizes in {folder / split}; expected one")
        parts += [np.stack(images), list(points)]
    return Heads(name, datasets.info(name), *parts, *channel_statistics(parts[0]), flip=True)


def _read(name: str, path: Path, split: Path):
    """(3, H, W) uint8 and (n, 2) float32 of one image. The .mat is MATLAB's image_info{1}.location, pixels counted from 1; some
    heads lie on the border, or just beyond it, and are brought back."""
    from PIL import Image
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    truth = next(file for folder in TRUTH if (file := split / folder / f"GT_{path.stem}.mat").is_file())
    try:
        with Image.open(path) as picture:
            image = np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
        about = loadmat(truth)["image_info"][0, 0][0, 0]
        points = np.asarray(about["location"], dtype=np.float32).reshape(-1, 2) - 1
    except (OSError, MatReadError, KeyError, IndexError, ValueError, TypeError) as error:
        raise Missing(f"{name} is damaged: {path.name} or {truth.name} in {split} cannot be read ({error})") from None
    edge = np.array([image.shape[2], image.shape[1]], np.float32)
    return image, np.clip(points, 0, edge - 0.01)
