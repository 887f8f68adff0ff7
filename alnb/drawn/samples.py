"""Samples of a dataset, looked at."""

from __future__ import annotations

from alnb import figures
from alnb.drawn import standard
from alnb.figures import Drawing

SHOWN = 10  # classes
IN_WORDS = {2: "Two", 3: "Three"}


def of_classes(data, each: int) -> Drawing | None:
    """Two or three (`each`) samples of each of the first ten classes. data: what `nb.load` gave."""
    import pandas

    if data is None:
        return standard.left_out("data", "the images are not here")
    names = data.class_names[:SHOWN]
    fig, axes = figures.subplots(each, len(names), figsize=(0.8 * len(names), 0.2 + 0.9 * each), squeeze=False)
    for c, name in enumerate(names):
        for ax, i in zip(axes[:, c], (data.train_targets == c).nonzero()[0]):
            ax.imshow(data.train_images[i].transpose(1, 2, 0), interpolation="nearest")
        axes[0, c].set_title(name, fontsize=9 if max(map(len, names)) < 8 else 7)
    for ax in axes.flat:
        ax.set_axis_off()
    about = pandas.DataFrame([{"dataset": data.name, "world": not data.info.real, "key": None}])
    return Drawing(fig, about, f"{IN_WORDS[each]} samples each of the classes {', '.join(names)} of {data.name}.", about)
