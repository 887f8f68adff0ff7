"""Source images in the style of a target, as a translator of your own made them (SPGAN's, CycleGAN's), to train on.

A folder below the root, one image for every training image of the source, under its name (a further `_word` at its end, and
another suffix, do no harm):

    restyled/market-1501-as-dukemtmc-reid/bounding_box_train/0002_c1s1_000451_03.jpg

Training is that folder; queries and gallery are the target's own. Nothing is downloaded. The name does not say which translator
made the images: keep what two of them give under two roots.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from alnb.datasets import Missing, reid

SIZE = reid.SIZE
_PAIRS = (("market-1501", "dukemtmc-reid"), ("dukemtmc-reid", "market-1501"))
PAIRS = {f"{source}-as-{target}": (source, target) for source, target in _PAIRS}
TRAIN = "bounding_box_train"
INFO = {
    name: replace(
        reid.INFO[source], title=f"{reid.INFO[source].title}; in the style of {target}", test=reid.INFO[target].test,
        source="your own translation of its images (SPGAN, Deng et al., CVPR 2018)",
        stand_in=f"{reid.INFO[source].stand_in}-as-{reid.INFO[target].stand_in.removeprefix('pedestrians-')}",
    )
    for name, (source, target) in PAIRS.items()
}  # fmt: skip


def folder(name: str, root: Path) -> Path:
    return root / "restyled" / name / TRAIN


def status(name: str, root: Path) -> tuple[str, str]:
    """("there" | "missing" | "damaged", text); by names, opens no image."""
    source, target = PAIRS[name]
    for each in (source, target):
        state, text = reid.status(each, root)
        if state != "there":
            return state, f"{name} wants {each}: {text}"
    where, layout = folder(name, root), reid.LAYOUTS[source]
    wanted = {path.stem for path, *_ in reid.listed(reid.place(source, root) / TRAIN, layout.pattern)}
    hint = (f"Expected: {len(wanted):,} images {where}/{layout.example}, named as {source}'s training images. "
            f"{INFO[name].stand_in} runs without them.")  # fmt: skip
    if not where.is_dir():
        return "missing", f"{name} is missing: no folder {where}. {hint}"
    try:
        found = [_original(path.stem, wanted) for path, *_ in reid.listed(where, layout.pattern)]
    except Missing as error:
        return "damaged", f"{name} is not what was expected: {error}. {hint}"
    lost, wrong = wanted - set(found), []
    if lost:
        wrong.append(f"{len(lost):,} of the source's images have none, as {min(lost)}")
    wrong += [f"{found.count(None):,} are of no training image of {source}"] * (None in found)
    wrong += [f"{len(found) - len(set(found)):,} are there twice"] * (not wrong and len(found) > len(set(found)))
    if wrong:
        return "damaged", f"{name} in {where} is not what was expected: {'; '.join(wrong)}. {hint}"
    return "there", f"{name} is in {where}, an image for each of {source}'s"


def _original(stem: str, wanted: set[str]) -> str | None:
    """The source's image that a file was made of."""
    while stem not in wanted and "_" in stem:
        stem = stem.rpartition("_")[0]
    return stem if stem in wanted else None


def draw(name: str, root: Path, size: tuple[int, int]) -> reid.ReID:
    """Raises Missing, as `alnb.datasets.reid.draw`."""
    state, text = status(name, root)
    if state != "there":
        raise Missing(text)
    source, target = PAIRS[name]
    train = reid.read(folder(name, root).parent, replace(reid.LAYOUTS[source], parts=(TRAIN,)), size)
    tested = replace(reid.LAYOUTS[target], parts=reid.LAYOUTS[target].parts[1:])
    rest = reid.read(reid.place(target, root), tested, size)
    return reid.gather(name, INFO[name], train + rest, reid.PROTOCOLS[reid.LAYOUTS[target].protocol])


def load(name: str, root: Path) -> reid.ReID:
    return reid.load(name, root)
