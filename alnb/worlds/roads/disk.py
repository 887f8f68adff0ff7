"""Writes videos of the world as SYNTHIA-AL lies on disk, so that `alnb.datasets.synthia_al` reads both."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alnb.datasets.videos import Frame, Videos

FIRST = 101  # the number of a video's first frame: it is not 0 in the original either


def write(videos: Videos, root: str | Path, every: int = 1) -> Path:
    """Write the world `videos` to root / "synthia-al" and return that folder; every: keep every so many frames only.

    PNG files are lossless: what is read back has the same pixels, boxes, classes, tracks, ids and semantics; depth to
    0.3 mm, what is farther than 5 km at 5 km. Flow and amodal boxes have no place in the layout.
    """
    home = Path(root).expanduser() / "synthia-al"
    for part, some in (("train", videos.train), ("test", videos.test)):
        for n, video in enumerate(some):
            folder = home / part / scene_name(video) / f"01-01-2019_{n // 3600:02d}-{n // 60 % 60:02d}-{n % 60:02d}"
            for each in ("RGB", "Depth", "SemSeg", "InstanceSeg", "labels_kitti", "calib_kitti"):
                (folder / each).mkdir(parents=True, exist_ok=True)
            for t in range(0, video.length, every):
                _write_frame(folder, f"{FIRST + t:06d}", video.frame(t), videos.class_names)
                (folder / "calib_kitti" / f"{FIRST + t:06d}.txt").write_text(_calibration(video))
    return home


def scene_name(video) -> str:
    """The name of a scene's folder: as the original's, its numbers the subset's spawning probabilities."""
    p, b, c, wc = video.spawn
    return (
        f"test5_{video.length}segs_weather_{'SFWRN'.index(video.condition)}_spawn_{video.number}_"
        f"roadTexture_{('city', 'town', 'highway').index(video.area)}_P_{p}_C_{c}_B_{b}_WC_{wc}"
    )


def _write_frame(folder: Path, stem: str, frame: Frame, class_names) -> None:
    from PIL import Image

    def save(what, pixels):
        Image.fromarray(pixels).save(folder / what / f"{stem}.png", compress_level=1)

    opaque = np.full((*frame.rgb.shape[:2], 1), 255, np.uint8)
    save("RGB", np.concatenate([frame.rgb, opaque], 2))
    save("Depth", _bytes(np.round(np.minimum(frame.depth.astype(np.float64), 5000) / 5000 * (2**24 - 1))))
    save("SemSeg", _bytes(np.where(frame.semantics < 19, frame.semantics.astype(np.int64) + 1, 0)))
    save("InstanceSeg", _bytes(frame.instances))
    lines = []
    for box, whole, cls in zip(frame.boxes, frame.amodal, frame.classes):
        lines.append(_line(frame, box, whole, class_names[cls]))
    (folder / "labels_kitti" / f"{stem}.txt").write_text("".join(line + "\n" for line in lines))


def _bytes(number):
    number = number.astype(np.int64)
    return np.stack([number & 255, number >> 8 & 255, number >> 16 & 255], 2).astype(np.uint8)


def _line(frame, box, whole, name):
    """KITTI's 15 fields. Occlusion is 0, 1 or 2 by how much of the box inside the image is left; sizes and places in
    space are not known here and 0, as KITTI's tools allow."""
    height, width = frame.rgb.shape[:2]
    inside = np.clip(whole, 0, [width, height, width, height])
    area = lambda edges: max((edges[2] - edges[0]) * (edges[3] - edges[1]), 1e-6)
    truncated = np.clip(1 - area(inside) / area(whole), 0, 1)
    share = area(box) / area(inside)
    occluded = 0 if share > 0.9 else 1 if share > 0.5 else 2
    edges = " ".join(f"{edge:.2f}" for edge in box)
    return f"{name.capitalize()} {truncated:.2f} {occluded} 0 {edges} 0 0 0 0 0 0 0"


def _calibration(video) -> str:
    preset = video.preset
    f = preset.focal * preset.width
    row = f"{f:g} 0 {preset.width / 2:g} 0 0 {f:g} {preset.height / 2:g} 0 0 0 1 0"
    return "".join(f"P{n}: {row}\n" for n in range(4)) + "R0_rect: 1 0 0 0 1 0 0 0 1\n"
