"""L2R-AL's Fig. 6, the gender of faces: rows in, a `figures.Drawing` out."""

from __future__ import annotations

from alnb import figures
from alnb.drawn import standard
from alnb.figures import Drawing

PRINTED = ("random", "vaal", "k_center", "entropy", "ll4al", "l2r")


def fig_6(results, race: str = "faces") -> Drawing | None:
    """Fig. 6: accuracy against labelled faces, of the arms that are printed."""
    return standard.race(results, race, arms=PRINTED)


def gallery(data, count: int = 8) -> Drawing | None:
    """The first training images of either class. data: the dataset of the race."""
    import pandas

    if data is None:
        return standard.left_out("faces", "its images are not here")
    fig, axes = figures.subplots(2, count, figsize=(1.15 * count, 3.0), squeeze=False)
    shown = []
    for label, (line, name) in enumerate(zip(axes, data.class_names)):
        own = (data.train_targets == label).nonzero()[0][:count]
        for ax, i in zip(line, own):
            ax.imshow(data.train_images[i].transpose(1, 2, 0), interpolation="nearest")
            shown.append({"sample": int(i), "class": name})
        for ax in line:
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
        line[0].set_ylabel(name)
    share = float((data.train_targets == 1).mean())
    figures.note(fig, f"The first {count} of {len(data.train_targets):,} training images of either class; {share:.0%} are male.")
    said = f"Two rows of {count} images of {data.name}, {' and '.join(data.class_names)}; {share:.0%} of all are male."
    about = pandas.DataFrame([{"dataset": data.name, "world": not data.info.real, "key": None}])
    return Drawing(fig, pandas.DataFrame(shown), said, about)
