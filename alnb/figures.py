"""Artefacts: a figure or table with an id, its data, its alt text, and where it came from.

`save` writes <id>.png, .svg, .csv and .json into a folder, and rebuilds the folder's manifest.json from the .json
sidecars. The same data gives the same bytes, PNG and SVG, with the same matplotlib.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alnb.errors import BadRequest

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """What a function of `alnb.drawn` gives and `nb.save` takes: a figure, the frame behind it, what it shows in words.

    rows: the results it rests on (they say which runs, which data, real or stand-in); None: it rests on no run.
    """

    figure: Figure
    data: pandas.DataFrame
    alt: str
    rows: pandas.DataFrame | None = None


# Okabe and Ito's palette, told apart with any common colour blindness; black first, for the baseline
PALETTE = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#999933", "#882255", "#44AA99"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*", "<", ">"]
STYLE = {
    "figure.figsize": (6.4, 4.0), "figure.dpi": 110, "savefig.dpi": 150, "figure.constrained_layout.use": True,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3, "legend.frameon": False,
    "font.size": 10, "axes.titlesize": 11, "svg.hashsalt": "alnb", "svg.fonttype": "path",
}  # fmt: skip


@contextmanager
def style():
    """The house style, for figures drawn by hand: `with alnb.figures.style(): fig, ax = plt.subplots()`."""
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        yield


def looks(names) -> dict[str, dict]:
    """name -> colour and marker, the same for the same list in every figure of a notebook."""
    return {
        name: {"color": PALETTE[i % len(PALETTE)], "marker": MARKERS[(i + i // len(PALETTE)) % len(MARKERS)]}
        for i, name in enumerate(names)  # up to a hundred are told apart
    }


def subplots(*args, **kwargs):
    """pyplot.subplots in the house style."""
    import matplotlib.pyplot as plt

    with style():
        return plt.subplots(*args, **kwargs)


def curves(results: pandas.DataFrame, x: str, y: str, by: str, *, ax=None, order=None, sd: bool = True) -> Figure:
    """Mean of `y` over the seeds against `x`, a line per value of `by` (order of first appearance), bars of one
    standard deviation over the seeds. Rows that lack x or y are left out. Returns the figure."""
    import matplotlib.pyplot as plt

    rows = results.dropna(subset=[x, y])
    if rows.empty:
        raise BadRequest(f"no row has both {x} and {y}: nothing to draw")
    order = list(order if order is not None else rows[by].unique())
    with style():
        if ax is None:
            _, ax = plt.subplots()
        for name, look in looks(order).items():
            line = rows[rows[by] == name].groupby(x)[y].agg(["mean", "std"])
            if line.empty:
                continue
            error = line["std"] if sd and line["std"].notna().all() else None
            ax.errorbar(line.index, line["mean"], yerr=error, label=name, capsize=2, lw=1.5, ms=5, **look)
        ax.set(xlabel=x, ylabel=y)
        if (rows[x] % 1 == 0).all():  # labels are counted
            ax.xaxis.set_major_locator(plt.MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        ax.legend()
    return ax.figure


def describe_curves(results: pandas.DataFrame, x: str, y: str, by: str, unit: str = "%") -> str:
    """Alt text of `curves`: where each line starts and ends, best first."""
    rows = results.dropna(subset=[x, y])
    seeds = rows["seed"].nunique()
    means = rows.groupby([by, x])[y].mean()
    ends = {name: means[name] for name in rows[by].unique()}
    lines = [
        f"{name} {line.iloc[0]:.1f} to {line.iloc[-1]:.1f} {unit}"
        for name, line in sorted(ends.items(), key=lambda item: -item[1].iloc[-1])
    ]
    low, high = rows[x].min(), rows[x].max()
    names = ", ".join(sorted(rows["dataset"].unique()))
    runs = f"mean of {seeds} seeds" if seeds > 1 else "one seed"
    return f"Lines of {y} against {x} from {low:g} to {high:g} on {names}, {runs}, highest at the end first: {'; '.join(lines)}."


def forest(rows: pandas.DataFrame, *, label: str, mean: str, low: str, high: str, x: str) -> Figure:
    """A dot and its interval per row, the first row on top, against the line of no difference; `x` names the axis."""
    rows = rows.dropna(subset=[mean])
    if rows.empty:
        raise BadRequest(f"no row has a {mean}: nothing to draw")
    fig, ax = subplots(figsize=(6.4, 1.2 + 0.3 * len(rows)))
    for place, row in enumerate(rows.to_dict("records")):
        known = row[low] == row[low]
        reach = [[row[mean] - row[low]], [row[high] - row[mean]]] if known else None
        ax.errorbar(row[mean], place, xerr=reach, fmt="o", color=PALETTE[5], capsize=3, ms=5)
    ax.axvline(0, color=PALETTE[0], lw=1)
    ax.set(yticks=range(len(rows)), yticklabels=rows[label], xlabel=x, ylim=(len(rows) - 0.5, -0.5))
    return fig


def matrix(means: pandas.DataFrame, half_widths: pandas.DataFrame) -> Figure:
    """Row minus column in colour and in numbers, with the half-width of the interval beneath; bold where the interval
    leaves out 0."""
    names, values = list(means.index), means.to_numpy(float)
    reach = max(1e-9, float(abs(values[values == values]).max()))
    side = 1.6 + 0.62 * len(names)
    fig, ax = subplots(figsize=(side + 1, side))
    ax.imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach)
    for i, row in enumerate(names):
        for j, column in enumerate(names):
            mean, half = means.loc[row, column], half_widths.loc[row, column]
            if i == j or mean != mean:
                continue
            text = f"{mean:+.1f}" + (f"\n±{half:.1f}" if half == half else "")
            weight = "bold" if abs(mean) > half else "normal"
            shade = "white" if abs(mean) > 0.6 * reach else "black"
            ax.text(j, i, text, ha="center", va="center", fontsize=7, color=shade, weight=weight)
    ax.set(xticks=range(len(names)), yticks=range(len(names)), yticklabels=names)
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right")
    ax.grid(False)
    return fig


def table(frame: pandas.DataFrame, *, decimals: int = 2) -> Figure:
    """A frame drawn as a table, so that a table too has a picture; numbers with `decimals` places, blanks for NaN."""
    import matplotlib.pyplot as plt
    from pandas.api.types import is_float

    def text(value):
        if is_float(value):
            return "" if value != value else f"{value:.{decimals}f}"
        return str(value)

    cells = [[text(v) for v in row] for row in frame.itertuples(index=False)]
    widths = [max(len(text) for text in (str(c), *(row[i] for row in cells))) + 2 for i, c in enumerate(frame.columns)]
    with style():
        fig, ax = plt.subplots(figsize=(max(4, 0.085 * sum(widths)), 0.55 + 0.27 * (len(cells) + 1)))
        ax.axis("off")
        drawn = ax.table(
            cells, colLabels=[str(c) for c in frame.columns], loc="center", cellLoc="center",
            colWidths=[w / sum(widths) for w in widths],
        )  # fmt: skip
        drawn.auto_set_font_size(False)
        drawn.set_fontsize(9)
        drawn.scale(1, 1.25)
        for (row, _), cell in drawn.get_celld().items():
            cell.set_linewidth(0)
            cell.set_facecolor("#e8eef4" if row == 0 else "#ffffff" if row % 2 else "#f6f6f6")
    return fig


def save(folder: Path, artefact: str, fig: Figure, data: pandas.DataFrame, alt: str, about: dict) -> dict:
    """Write the artefact into `folder` and return its manifest entry. `about` is what the entry says beside files and
    alt text. BadRequest without alt text or data."""
    if not alt.strip():
        raise BadRequest(f"{artefact} has no alt text: say in words what its data show, with their numbers")
    if data.empty:
        raise BadRequest(f"{artefact} has no data behind it")
    folder.mkdir(parents=True, exist_ok=True)
    with style():
        _write(folder / f"{artefact}.png", lambda path: fig.savefig(path, format="png", metadata={"Software": None}))
        _write(folder / f"{artefact}.svg", lambda path: fig.savefig(path, format="svg", metadata={"Date": None}))
    _write(folder / f"{artefact}.csv", lambda path: data.to_csv(path, index=False))
    entry = {"id": artefact, "alt": alt, **about, "files": [f"{artefact}.{kind}" for kind in ("png", "svg", "csv")]}
    _write(folder / f"{artefact}.json", lambda path: path.write_text(json.dumps(entry, indent=1, sort_keys=True)))
    rebuild(folder)
    return entry


def rebuild(folder: Path) -> list[dict]:
    """manifest.json of `folder` from the sidecars of its artefacts, in order of id. One process at a time: notebooks that
    are drawn side by side share a folder, and who writes last must have seen the sidecars of all."""
    from filelock import FileLock

    with FileLock(folder / ".manifest.lock"):
        paths = [path for path in sorted(folder.glob("*.json")) if path.name != "manifest.json"]
        entries = [json.loads(path.read_text()) for path in paths]
        body = json.dumps(entries, indent=1, sort_keys=True)
        _write(folder / "manifest.json", lambda path: path.write_text(body + "\n"))
    return entries


def evidence(entry: dict) -> str:
    """What kind of evidence the artefact of a manifest entry is: real, stand-in or plumbing."""
    smoke = entry["profile"].removesuffix("-custom") == "smoke"
    if entry.get("plumbing", smoke):  # what was drawn before entries said it
        return "plumbing"
    return "real" if entry["real"] else "stand-in"


def _write(path: Path, write) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(aside)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
