"""Features of a frozen network, computed once for a dataset and an encoder and kept beside the downloads.

    $ALNB_DATA/features/<id>/           id: a hash of dataset, encoder, its weights, px, torch's major version
        test-000.<sha256>.npy ...       float16 (PART or fewer, D), each named by what it holds: a part that does not verify
        train-000.<sha256>.npy ...      is computed again
        targets.npz                     labels of both
        about.json                      written last: all is there. `sha256`: of all parts

One process computes, under a file lock; what it was stopped at is gone on with. Half precision keeps a feature to a
thousandth of itself, and lets most values be equal on another CPU.

A description of features that records rest on lies in data/features/<dataset>.<encoder>.<px>.json, with a sample of them:
what another CPU or torch computes is compared with it, `TOLERANCE` standard deviations of a feature being the most that a
value may be off.

`python -m alnb.learning.frozen DATASET ENCODER PX` computes them and says how far it is; with --keep it also writes the
description.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alnb import REPOSITORY
from alnb.errors import BadRequest
from alnb.learning.encoders import Encoder, find

PART = 1000  # images
BATCH = 32  # images at once: what fits a CPU's cache
TOLERANCE = 0.02  # of a feature's standard deviation, beyond a step of half precision
SAMPLE = 16, 64  # images of the test set and features of the sample
DIGITS = 16  # of a hash, in names

Say = Callable[[str], None]


# --- where they are ----------------------------------------------------------------------------------------------------


def identity(dataset: str, encoder: Encoder) -> dict[str, Any]:
    """What decides the features, but for rounding."""
    about = {"dataset": dataset, "encoder": encoder.name, "weights": encoder.weights, "px": encoder.px}
    return about | {"torch": _torch_major()}


@functools.cache
def _torch_major() -> int:
    from importlib.metadata import version

    return int(version("torch").partition(".")[0])


def folder(dataset: str, encoder: Encoder) -> Path:
    from alnb.datasets import default_root

    body = json.dumps(identity(dataset, encoder), sort_keys=True).encode()
    return default_root() / "features" / hashlib.sha256(body).hexdigest()[:DIGITS]


def known(dataset: str, encoder: Encoder) -> bool:
    return (folder(dataset, encoder) / "about.json").is_file()


def words(dataset: str, encoder: Encoder) -> str:
    return f"features of {dataset} by {encoder.name}" + f" at {encoder.px} px" * bool(encoder.px)


@dataclass(frozen=True)
class Features:
    """Those of one dataset. sha256: of all of them. train_targets (N,), test_targets (M,) int64."""

    path: Path
    sha256: str
    width: int
    train_targets: Any
    test_targets: Any

    def rows(self, split: str, rows=None):
        """(n, D) float32 of "train" or "test", `rows` ascending (default: all); only the parts that hold them are read,
        and verified. Raises Damaged."""
        import numpy as np

        size = len(self.train_targets if split == "train" else self.test_targets)
        rows = np.arange(size) if rows is None else np.asarray(rows)
        found = np.empty((len(rows), self.width), np.float32)
        for number in np.unique(rows // PART):
            here = rows // PART == number
            found[here] = _read(self.path, split, int(number))[rows[here] % PART]
        return found


class Damaged(Exception):
    """A part does not verify."""


def _read(path: Path, split: str, number: int):
    import numpy as np

    found = sorted(path.glob(f"{split}-{number:03d}.*.npy"))
    if not found:
        raise Damaged(f"{path}: {split}-{number:03d} is missing")
    body = found[0].read_bytes()
    if hashlib.sha256(body).hexdigest()[:DIGITS] != found[0].name.split(".")[1]:
        raise Damaged(str(found[0]))
    return np.load(io.BytesIO(body), allow_pickle=False)


def load(dataset: str, encoder: Encoder, device: str = "cpu", say: Say = lambda line: None) -> Features:
    """The features, computed first where they are not here. BadRequest where encoder or dataset cannot be had."""
    import numpy as np

    compute(dataset, encoder, device, say)
    path = folder(dataset, encoder)
    about = json.loads((path / "about.json").read_text())
    with np.load(path / "targets.npz", allow_pickle=False) as targets:
        return Features(path, about["sha256"], about["width"], targets["train"], targets["test"])


def again(features: Features, dataset: str, encoder: Encoder, device: str, why: Damaged) -> Features:
    """After `rows` raised Damaged: what does not verify is computed anew."""
    warnings.warn(f"{why}: damaged, computed again", stacklevel=2)
    (features.path / "about.json").unlink(missing_ok=True)
    return load(dataset, encoder, device)


# --- computing them ------------------------------------------------------------------------------------------------------


def compute(dataset: str, encoder: Encoder, device: str = "cpu", say: Say = lambda line: None) -> None:
    """Compute what is missing of the features; returns at once where all is there. See `load`."""
    from filelock import FileLock

    path = folder(dataset, encoder)
    if known(dataset, encoder):
        return
    path.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not known(dataset, encoder):  # another process was quicker
            _compute(dataset, encoder, device, path, say)


def _compute(dataset, encoder, device, path, say):
    import numpy as np

    from alnb import datasets
    from alnb.machine import provenance

    data = datasets.load(dataset)
    images = {"test": data.test_images, "train": data.train_images}
    parts = [(split, k) for split, all_ in images.items() for k in range(-(-len(all_) // PART))]
    missing = [part for part in parts if not _verifies(path, *part)]
    left = sum(len(images[split][k * PART : (k + 1) * PART]) for split, k in missing)
    title = words(dataset, encoder)
    say(f"{title}: {left:,} images, once; about {_minutes(left * encoder.seconds / _threads())}")
    network = encoder.load().to(device) if missing else None
    began, done = time.monotonic(), 0
    for split, k in missing:
        some = images[split][k * PART : (k + 1) * PART]
        _write(path, split, k, _embed(network, some, encoder.px, device))
        done += len(some)
        if done < left:
            rest = (time.monotonic() - began) / done * (left - done)
            say(f"{title}: {done:,} of {left:,} images, about {_minutes(rest)} left")
    targets = io.BytesIO()
    np.savez(targets, train=data.train_targets, test=data.test_targets)
    _replace(path / "targets.npz", targets.getvalue())
    named = [_file(path, *part).name for part in parts]
    about = identity(dataset, encoder) | {
        "sha256": hashlib.sha256("\n".join(named).encode()).hexdigest(), "train": len(images["train"]),
        "test": len(images["test"]), "width": _read(path, *parts[0]).shape[1], "computed_with": provenance(),
    }  # fmt: skip
    about["compared"] = compare(about, _sample(path))
    _replace(path / "about.json", json.dumps(about, indent=1).encode())
    say(f"{title}: all there, SHA-256 {about['sha256'][:DIGITS]}" + f", {about['compared']}" * bool(about["compared"]))


def _embed(network, images, px: int, device: str):
    """(n, D) float16 of images (n, 3, H, W) uint8, resized bicubically to px where they are of another size."""
    import torch
    from torch.nn import functional as F

    found = []
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            x = torch.from_numpy(images[start : start + BATCH]).to(device).float()
            if px and x.dim() == 4 and x.shape[2:] != (px, px):
                x = F.interpolate(x, size=(px, px), mode="bicubic", antialias=px < x.shape[2]).clamp(0, 255)
            x = x.to(memory_format=torch.channels_last) if x.dim() == 4 else x
            found.append(network(x).float().half().cpu())
    found = torch.cat(found)
    if found.dim() != 2 or not found.isfinite().all():
        raise BadRequest(
            f"the encoder gave features of shape {tuple(found.shape)}: expected (images, D), finite, under 65,504"
        )
    return found.numpy()


def _write(path: Path, split: str, number: int, values) -> None:
    import numpy as np

    body = io.BytesIO()
    np.save(body, values, allow_pickle=False)
    digest = hashlib.sha256(body.getvalue()).hexdigest()[:DIGITS]
    _replace(path / f"{split}-{number:03d}.{digest}.npy", body.getvalue())


def _verifies(path: Path, split: str, number: int) -> bool:
    """Whether a part is there; one that is damaged is removed."""
    try:
        _read(path, split, number)
    except Damaged:
        for wrong in path.glob(f"{split}-{number:03d}.*.npy"):
            wrong.unlink()
        return False
    return True


def _file(path: Path, split: str, number: int) -> Path:
    return next(path.glob(f"{split}-{number:03d}.*.npy"))


def _replace(path: Path, body: bytes) -> None:
    aside = path.with_name(path.name + ".tmp")
    with open(aside, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


# --- other CPUs, other versions ---------------------------------------------------------------------------------------------


DESCRIBED = REPOSITORY / "data" / "features"


def _described(about: dict) -> Path:
    name = f"{about['dataset']}.{about['encoder'].replace(':', '-').replace('/', '-')}.{about['px']}.json"
    return DESCRIBED / name


def _sample(path: Path):
    """(16, 64) of the first test images, and (2, 64) mean and deviation of these features over the part."""
    import numpy as np

    images, columns = SAMPLE
    part = _read(path, "test", 0).astype(np.float32)
    part = part[:, :: max(1, part.shape[1] // columns)][:, :columns]
    return part[:images], np.stack([part.mean(0), part.std(0)])


def compare(about: dict, sample) -> str:
    """What these features are beside those that are described: "equal to those of the records", "within ...", or "" where
    none are. BadRequest where they differ by more than `TOLERANCE`, or come from other weights."""
    import numpy as np

    path = _described(about)
    if not path.is_file():
        return ""
    theirs = json.loads(path.read_text())
    if theirs["weights"] != about["weights"]:
        raise BadRequest(f"{path.name} describes features of other weights ({theirs['weights'][:8]})")
    if theirs["sha256"] == about["sha256"]:
        return "equal to those of the records"
    values = np.frombuffer(base64.b64decode(theirs["sample"]), "<f2").reshape(sample[0].shape).astype(np.float32)
    beyond = np.maximum(abs(values - sample[0]) - abs(values) / 1024, 0)  # a step of half precision is no difference
    off = float((beyond / np.maximum(sample[1][1], 1e-3)).max())
    if off > TOLERANCE:
        raise BadRequest(
            f"these features are not those of the records: off by {off:.3f} standard deviations of a feature, at most "
            f"{TOLERANCE} is rounding ({path.name})"
        )
    return f"within {off:.4f} standard deviations of those of the records"


def keep(dataset: str, encoder: Encoder) -> Path:
    """Describe the features that are here in data/features, for others to compare theirs with."""
    path = folder(dataset, encoder)
    about = json.loads((path / "about.json").read_text())
    about["sample"] = base64.b64encode(_sample(path)[0].astype("<f2").tobytes()).decode()
    about.pop("compared")
    target = _described(about)
    target.parent.mkdir(parents=True, exist_ok=True)
    _replace(target, json.dumps(about, indent=1).encode() + b"\n")
    return target


# --- as a process of its own ---------------------------------------------------------------------------------------------------


def prepare(dataset: str, name: str, px: int, say: Say = lambda line: None) -> None:
    """Compute features on all cores, in a process of its own; each line it says goes to `say`. BadRequest: its last one."""
    import subprocess

    encoder = find(name, px)
    if known(dataset, encoder):
        return
    env = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    env["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)  # where an encoder elsewhere is found
    command = [sys.executable, "-m", "alnb.learning.frozen", dataset, name, str(px)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        line = ""
        try:
            for line in process.stdout:
                say(line.rstrip())
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise BadRequest(line.strip())


def main(arguments: list[str]) -> int:
    from alnb.machine import device

    values = [value for value in arguments if value != "--keep"]
    try:
        if len(values) != 3 or not values[2].isdigit():
            raise BadRequest("expected DATASET ENCODER PX [--keep]")
        encoder = find(values[1], int(values[2]))
        compute(values[0], encoder, device(), lambda line: print(line, flush=True))
        if len(values) < len(arguments):
            print(f"described in {keep(values[0], encoder)}")
    except BadRequest as error:
        print(f"alnb: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
