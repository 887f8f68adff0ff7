"""What a benchmark of re-identification holds, counted without opening an image."""

from __future__ import annotations

from pathlib import Path

from alnb import datasets
from alnb.datasets import reid
from alnb.errors import BadRequest


def counted(name: str, root: str | Path | None = None) -> dict[str, int] | None:
    """{"identities", "images", "cameras", "training identities", "test identities"}; None where the data is not there, or not
    whole. Images are those of training, query and gallery; distractors are no identity. CUHK01, whose split is drawn, is not
    counted: BadRequest for it and for what is no benchmark of these."""
    datasets.check_task(name, reid.TASK)
    found = _listed(name, datasets._root(root)) if name in reid.LAYOUTS else _drawn(name)
    if found is None:
        return None
    train, query, gallery = found
    people = [{who for who, _ in part if who > reid.DISTRACTOR} for part in (train, query + gallery)]
    tested = {who for who, _ in query}
    return {
        "identities": len(people[0] | tested), "images": sum(map(len, found)),
        "cameras": len({camera for part in found for _, camera in part}),
        "training identities": len(people[0]), "test identities": len(tested),
    }  # fmt: skip


def _listed(name, root):
    """(identity, camera) of each box, a list a split, by the files' names; None where they are not as published."""
    if reid.status(name, root)[0] != "there":
        return None
    folder, layout = reid.place(name, root), reid.LAYOUTS[name]
    return [[(who, camera) for _, who, camera, _ in reid.listed(folder / part, layout.pattern)] for part in layout.parts]


def _drawn(name):
    module = datasets._module(name)
    if not hasattr(module, "table"):
        raise BadRequest(f"{name} is not counted; accepted: {', '.join(reid.LAYOUTS)}, and worlds of pedestrians")
    tables = [module.table(name, split) for split in reid.SPLITS]
    return [list(zip(one.ids.tolist(), one.cameras.tolist())) for one in tables]
