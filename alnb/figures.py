"""Artefacts: a figure or table with an id, its data, its alt text, and where it came from.

`save` writes <id>.png, .svg, .csv and .json into a folder, and rebuilds the folder's manifest.json from the .json
sidecars. The same data gives the same bytes, PNG and SVG, with the same matplotlib.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alnb.errors import BadRequest
from alnb.looks import GREY, PALETTE, look, looks

if TYPE_CHECKING:
    from collections.abc import Sequence

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


STYLE = {
    "figure.figsize": (6.4, 4.0), "figure.dpi": 110, "savefig.dpi": 150, "figure.constrained_layout.use": True,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3, "legend.frameon": False,
    "font.size": 10, "axes.titlesize": 11, "svg.hashsalt": "alnb", "svg.fonttype": "path",
}  # fmt: skip
STAND_IN = "STAND-IN DATA"
TABLE = "table"  # label of a figure that shows its frame cell by cell


def plain() -> None:
    """matplotlib as it comes, whatever a matplotlibrc of the user's says: what is added to a figure once it is there (a legend,
    markers, a text) asks for it."""
    import matplotlib

    matplotlib.rcdefaults()


@contextmanager
def style():
    """The house style, for figures drawn by hand: `with alnb.figures.style(): fig, ax = plt.subplots()`."""
    import matplotlib.pyplot as plt

    with plt.style.context(["default", STYLE]):
        yield


def subplots(*args, **kwargs):
    """pyplot.subplots in the house style."""
    import matplotlib.pyplot as plt

    with style():
        return plt.subplots(*args, **kwargs)


# --- what every figure says ------------------------------------------------------------------------------------------


def title(fig: Figure, caption: str, artefact: str, datasets, marks=()) -> None:
    """The caption as the figure's title, wrapped; small beneath it the id, the data and `marks` (`STAND_IN`, the
    profile's). The figure grows by what they need, so that they meet no axes' title. Call it once, last."""
    import textwrap

    wide, high = fig.get_size_inches()
    small = _beneath(artefact, datasets, marks)
    blocks = [(textwrap.wrap(caption, max(20, int(wide / 0.082))), 11, 0.19, "#000000")]
    blocks.append((textwrap.wrap(small, max(20, int(wide / 0.064))), 8, 0.145, _colour(marks)))
    above = 0.14 + sum(len(lines) * each for lines, _, each, _ in blocks)
    fig.set_size_inches(wide, high + above)
    place = high + above - 0.06
    for lines, size, each, colour in blocks:
        for line in lines:
            fig.text(0.08 / wide, place / (high + above), line, ha="left", va="top", fontsize=size, color=colour)
            place -= each
    fig.set_layout_engine("constrained", rect=(0, 0, 1, high / (high + above)))


def _colour(marks) -> str:
    return "#a04000" if STAND_IN in marks else "#505050"


def _beneath(artefact: str, datasets, marks) -> str:
    return "  ·  ".join(filter(None, [artefact, ", ".join(datasets), *marks]))


def note(fig: Figure, text: str) -> None:
    """A small line below the axes: how many seeds, and what a bar or a band means. The figure grows by what it needs."""
    import textwrap

    wide, high = fig.get_size_inches()
    lines = textwrap.wrap(text, max(20, int(wide / 0.068)))
    fig.set_size_inches(wide, high + 0.1 + 0.14 * len(lines))
    fig.supxlabel("\n".join(lines), fontsize=8, color="#505050", x=0.5)
    fig.set_layout_engine("constrained", h_pad=0.08)


def seeds(rows, by: str = "method") -> str:
    """How many seeds the rows rest on, in words: "10 seeds", "10 seeds (qbc, vaal: 5)", "one seed"; "5 to 10 seeds" where
    more than six have fewer. A name that holds a comma outside of brackets stands in quotes."""
    counts = rows.groupby(by, sort=False)["seed"].nunique() if len(rows) else {}
    if not len(counts):
        return "no seed"
    most = counts.max()
    if (counts < most).sum() > 6:
        return f"{counts.min()} to {most} seeds"
    fewer = [
        f"{', '.join(map(_quoted, counts[counts == n].index))}: {n}" for n in sorted(set(counts) - {most}, reverse=True)
    ]
    said = "one seed" if most == 1 else f"{most} seeds"
    return said + f" ({'; '.join(fewer)})" * bool(fewer)


def _quoted(name) -> str:
    import re

    return f'"{name}"' if re.search(r"[,;:]", re.sub(r"\(.*\)", "", str(name))) else str(name)


def places(values) -> int:
    """Decimals that numbers of this size are worth: 83.1, 5.28, 0.341."""
    largest = max((abs(v) for v in values if v == v and abs(v) < math.inf), default=0)
    return 1 if largest <= 0 else min(6, max(1, 2 - math.floor(math.log10(largest))))


# --- drawings ----------------------------------------------------------------------------------------------------------

SQUASHED = 0.6  # of the height: less than this is left to the others
PALE = 0.25  # of its colour, where an interval holds 0
SHORT = 16  # letters of a cell that are kept on one line
CROWD = 4  # more lines than this have their legend beside the axes


def apart(lines: dict[str, tuple[float, float]], kept: str = "") -> list[str]:
    """The arms that squash the rest: the fewest, at most a third of all, all lowest or all highest, without which the
    others span less than `SQUASHED` of the height. lines: name -> (lowest, highest) mean. `kept` is never one of them: what
    all are compared with stands among them. [] where there are none."""

    def height(names):
        return max(lines[n][1] for n in names) - min(lines[n][0] for n in names)

    low, high = sorted(lines, key=lambda n: lines[n][0]), sorted(lines, key=lambda n: -lines[n][1])
    for count in range(1, len(lines) // 3 + 1):
        for order in (low, high):
            others = order[count:]
            if kept not in order[:count] and len(others) > 1 and height(others) < SQUASHED * height(order):
                return [name for name in lines if name in order[:count]]
    return []


def curves(
    results: pandas.DataFrame, x: str, y: str, by: str, *, ax=None, order=None, sd: bool = True,
    low: float = -math.inf, high: float = math.inf, label: str = "", beside: str = "",
) -> Figure:  # fmt: skip
    """Mean of `y` over the seeds against `x`, a line per value of `by` (order of first appearance), its band one standard
    deviation over the seeds, cut at `low` and `high`. Rows that lack x or y are left out. Returns the figure.

    label: of the y axis. Arms that squash the rest (`apart`) have a panel of their own, with the line `beside` in it for
    comparison; not on an `ax` that is given.
    """
    rows = results.dropna(subset=[x, y])
    if rows.empty:
        raise BadRequest(f"no row has both {x} and {y}: nothing to draw")
    order = [name for name in (order if order is not None else rows[by].unique()) if (rows[by] == name).any()]
    means = rows.groupby([by, x])[y].mean()
    alone = apart({n: (means[n].min(), means[n].max()) for n in order}, beside) if ax is None else []
    panels = [[name for name in order if name not in alone]]
    panels += [[name for name in order if name in (*alone, beside)]] if alone else []
    with style():
        if ax is None:
            crowd = len(order) > CROWD
            size = (6.4 + 3.4 * bool(alone) + 2 * crowd, 4.0)
            fig, axes = subplots(1, len(panels), figsize=size, squeeze=False, width_ratios=[3, 2][: len(panels)])
        else:
            fig, axes = ax.figure, [[ax]]
        for panel, names in zip(axes[0], panels):
            lines(panel, rows, x, y, by, looks(order), names, sd, low, high)
            panel.set(xlabel=x, ylabel=label or y)
            panel.legend(fontsize=9)
        if alone:
            axes[0][1].set_title("on a scale of its own" if len(alone) == 1 else "on a scale of their own")
            axes[0][1].set_ylabel("")
        if ax is None and crowd:
            beside_axes(fig, order)
    return fig


def beside_axes(fig: Figure, order) -> None:
    """One legend right of all axes in place of theirs, in that order; each name once."""
    found = {}
    for ax in fig.axes:
        found = dict(zip(*ax.get_legend_handles_labels()[::-1])) | found
        if ax.get_legend():
            ax.get_legend().remove()
    names = [name for name in order if name in found]
    fig.legend([found[name] for name in names], names, loc="outside right center", fontsize=9, frameon=False)


def lines(ax, rows, x, y, by, look, names, sd=True, low=-math.inf, high=math.inf) -> None:
    """`curves` on an `ax` that is there: the lines `names`, in the looks that `look` gives them."""
    import matplotlib.pyplot as plt
    import seaborn

    def band(values):
        mean, deviation = values.mean(), values.std()
        return max(low, mean - deviation), min(high, mean + deviation)

    for name in names:
        part = rows[rows[by] == name]
        several = sd and (part.groupby(x)[y].count() > 1).all()
        seaborn.lineplot(
            part, x=x, y=y, ax=ax, label=name, errorbar=band if several else None, err_kws={"alpha": 0.12, "lw": 0},
            lw=1.5, ms=6, mec=look[name]["color"], **look[name],
        )  # fmt: skip
    if (rows[x] % 1 == 0).all():  # labels are counted
        ax.xaxis.set_major_locator(plt.MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def describe_curves(
    results: pandas.DataFrame, x: str, y: str, by: str, unit: str = "%", better: str = "higher", name: str = ""
) -> str:
    """Alt text of `curves`: where each line starts and ends, best first: highest, or lowest where lower is better.
    name: what y is called, if not by its column."""
    rows = results.dropna(subset=[x, y])
    count = rows["seed"].nunique()
    means = rows.groupby([by, x])[y].mean()
    sign = -1 if better == "higher" else 1
    n, space = places(means), f" {unit}" if unit else ""
    ends = {name: means[name] for name in rows[by].unique()}
    lines = [
        f"{arm} {line.iloc[0]:.{n}f} to {line.iloc[-1]:.{n}f}{space}"
        for arm, line in sorted(ends.items(), key=lambda item: sign * item[1].iloc[-1])
    ]
    start, end = rows[x].min(), rows[x].max()
    names = ", ".join(sorted(rows["dataset"].unique()))
    runs = f"mean of {seeds(rows, by)}" if count > 1 else "one seed"
    first = "highest" if better == "higher" else "lowest"
    return (
        f"Lines of {name or y} against {x} from {start:g} to {end:g} on {names}, {runs}, {first} at the end first: "
        f"{'; '.join(lines)}."
    )


def forest(rows: pandas.DataFrame, *, label: str, mean: str, low: str, high: str, x: str, band=None) -> Figure:
    """A dot and its interval per row, the first row on top, against the line of no difference; `x` names the axis.
    band: (low, high) shaded over the whole height: what no difference looks like."""
    import textwrap

    rows = rows.dropna(subset=[mean])
    if rows.empty:
        raise BadRequest(f"no row has a {mean}: nothing to draw")
    fig, ax = subplots(figsize=(6.4, 1.2 + 0.3 * len(rows)))
    if band is not None and band[0] == band[0]:
        ax.axvspan(*band, color=GREY, alpha=0.18, lw=0)
    for place, row in enumerate(rows.to_dict("records")):
        known = row[low] == row[low]
        reach = [[row[mean] - row[low]], [row[high] - row[mean]]] if known else None
        own = look(row[label]) | {"linestyle": "none"}
        ax.errorbar(row[mean], place, xerr=reach, capsize=3, ms=6, **own)
    ax.axvline(0, color=PALETTE[0], lw=1)
    ax.set(yticks=range(len(rows)), yticklabels=rows[label], xlabel="\n".join(textwrap.wrap(x, 64)), ylim=(len(rows) - 0.5, -0.5))
    return fig


def matrix(means: pandas.DataFrame, half_widths: pandas.DataFrame, *, better: str = "higher", unit: str = "",
           decimals: int = 2) -> Figure:  # fmt: skip
    """Row minus column in colour and in numbers, with the half-width of the interval beneath; bold where the interval
    leaves out 0, and pale where not. One scale, the same on either side of 0; blue: the row is better."""
    import numpy
    import seaborn

    names, values = list(means.index), means.to_numpy(float)
    own = numpy.eye(len(names), dtype=bool) | numpy.isnan(values)
    reach = max([1e-9, *abs(values[~own])])

    def text(mean, half):
        return f"{mean:+.{decimals}f}" + (f"\n±{half:.{decimals}f}" if half == half else "")

    halves = half_widths.loc[names, names].to_numpy(float)
    said = numpy.array([[text(m, h) for m, h in zip(*pair)] for pair in zip(values, halves)]).reshape(values.shape)
    told = abs(values) > halves  # where there is no interval nothing is told
    side = max(4.2, 1.8 + 0.62 * len(names))
    fig, ax = subplots(figsize=(side + 1.6, side))
    with style():
        seaborn.heatmap(
            numpy.where(told, values, PALE * values), annot=said, fmt="", mask=own, vmin=-reach, vmax=reach,
            cmap="RdBu" if better == "higher" else "RdBu_r", square=True, ax=ax, xticklabels=names, yticklabels=names,
            annot_kws={"fontsize": 8}, cbar_kws={"label": "row minus column" + f", {unit}" * bool(unit), "shrink": 0.7},
        )  # fmt: skip
    for cell, (i, j) in zip(ax.texts, numpy.argwhere(~own)):
        cell.set_weight("bold" if told[i, j] else "normal")
    ax.tick_params(length=0)
    ax.set_xticks(ax.get_xticks(), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(ax.get_yticks(), names, rotation=0)
    ax.grid(False)
    return fig


def table(frame: pandas.DataFrame, *, decimals: int = 2, wrap: int = 46, above: Sequence[str] = ()) -> Figure:
    """A frame drawn as a table, so that a table too has a picture; numbers with `decimals` places, blanks for NaN; texts to
    the left, in lines of `wrap` letters. above: a sentence for each row, "" for none, that `page` has and the picture lacks."""
    import textwrap

    def text(value):
        return "\n".join(textwrap.wrap(_cell(value, decimals), wrap))

    lines = [[str(c) for c in frame.columns], *([text(v) for v in row] for row in frame.itertuples(index=False))]
    widest = [max(len(part) for row in lines for part in row[i].split("\n")) for i in range(len(frame.columns))]
    words = [any(isinstance(v, str) for v in frame.iloc[:, i]) for i in range(len(frame.columns))]
    tall = [max(cell.count("\n") for cell in row) + 1 for row in lines]
    edges = [sum(n + 3 for n in widest[:i]) for i in range(len(widest) + 1)]
    down = [sum(0.55 + n for n in tall[:i]) for i in range(len(tall) + 1)]
    fig, ax = subplots(figsize=(max(4, 0.077 * edges[-1]), 0.16 + 0.165 * down[-1]))
    fig.set_label(TABLE)
    fig.shown = frame, decimals, words, above  # what `page` makes of it
    ax.set(xlim=(0, edges[-1]), ylim=(down[-1], 0))
    ax.axis("off")
    for row, (top, bottom, cells) in enumerate(zip(down, down[1:], lines)):
        shade = "#e8eef4" if row == 0 else "#ffffff" if row % 2 else "#f6f6f6"
        ax.axhspan(top, bottom, color=shade, lw=0)
        for cell, left, right, word in zip(cells, edges, edges[1:], words):
            x, side = (left + 1, "left") if word else (right - 1.5, "right")
            ax.text(x, (top + bottom) / 2, cell, ha=side, va="center", fontsize=9)
    return fig


def page(fig: Figure, alt: str, caption: str = "", artefact: str = "", datasets=(), marks=()) -> str:
    """What `table` drew, as HTML: legible at any width, read aloud cell by cell; the rest as in `title`."""
    from html import escape

    frame, decimals, words, above = fig.shown

    def cell(kind: str, text: str, word: bool) -> str:
        style = f' style="text-align: left{"; white-space: nowrap" * (len(text) <= SHORT)}"' if word else ""
        return f"<{kind}{style}>{escape(text)}</{kind.split()[0]}>"

    rows = []
    for i, row in enumerate(frame.itertuples(index=False)):
        if i < len(above) and above[i]:
            rows.append(f'<td colspan="{len(words)}" style="text-align: left"><em>{escape(above[i])}</em></td>')
        rows.append("".join(cell("td", _cell(value, decimals), word) for value, word in zip(row, words)))
    head = "".join(cell('th scope="col"', str(name), word) for name, word in zip(frame.columns, words))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<figure style="margin: 0; overflow-x: auto"><figcaption><b>{escape(caption)}</b><br/>'
        f'<small style="color: {_colour(marks)}">{escape(_beneath(artefact, datasets, marks))}</small></figcaption>'
        f'<table aria-label="{escape(alt)}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"<small>{escape(' '.join(fig.get_supxlabel().split()))}</small></figure>"
    )


def _cell(value, decimals: int) -> str:
    """A value of a table: floats with `decimals` places, from a hundred on as the whole numbers that they are; blank for NaN."""
    from pandas import isna
    from pandas.api.types import is_float

    if isna(value):
        return ""
    if not is_float(value):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 and float(value).is_integer() else f"{value:.{decimals}f}"


def markdown(frame: pandas.DataFrame, decimals: int = 2) -> str:
    """A frame as a table in Markdown: floats with `decimals` places, blanks for NaN."""

    def text(value):
        return " ".join(_cell(value, decimals).split()).replace("|", "\\|")

    rows = [list(frame.columns), ["---"] * len(frame.columns), *frame.itertuples(index=False)]
    return "".join(f"| {' | '.join(map(text, row))} |\n" for row in rows)


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
        fig.set_layout_engine("none")  # it stays as laid out: doing so again is a quarter of the time
        _write(folder / f"{artefact}.svg", lambda path: fig.savefig(path, format="svg", metadata={"Date": None}))
    _write(folder / f"{artefact}.csv", lambda path: data.to_csv(path, index=False))
    kinds = ["png", "svg", "csv"]
    if fig.get_label() == TABLE:
        kinds.append("md")
        _write(folder / f"{artefact}.md", lambda path: path.write_text(markdown(data), encoding="utf-8"))
    about = about | {"table": fig.get_label() == TABLE}
    entry = {"id": artefact, "alt": alt, **about, "files": [f"{artefact}.{kind}" for kind in kinds]}
    _write(folder / f"{artefact}.json", lambda path: path.write_text(json.dumps(entry, indent=1, sort_keys=True)))
    rebuild(folder)
    return entry


def rebuild(folder: Path) -> list[dict]:
    """manifest.json of `folder` from the sidecars of its artefacts, in order of id. One process at a time: notebooks that
    are drawn side by side share a folder, and who writes last must have seen the sidecars of all."""
    from filelock import FileLock

    with FileLock(folder / ".manifest.lock"):
        entries = []
        for path in sorted(folder.glob("*.json")):
            if path.name != "manifest.json":
                try:
                    entries.append(json.loads(path.read_text(encoding="utf-8")))
                except (OSError, ValueError, RecursionError) as error:
                    warnings.warn(f"{path} cannot be read ({error}); draw its artefact again", stacklevel=3)
        body = json.dumps(entries, indent=1, sort_keys=True)
        _write(folder / "manifest.json", lambda path: path.write_text(body + "\n"))
    return entries


PRINTED_NUMBERS = "printed numbers"  # what stands for a dataset where a source's own numbers are drawn


def evidence(entry: dict) -> str:
    """What kind of evidence the artefact of a manifest entry is: real, stand-in, formula (worked examples, formulas, and
    what a paper prints: no data is behind it), custom (a profile with changed values) or plumbing."""
    if entry.get("plumbing", entry["profile"].startswith("smoke")):  # what was drawn before entries said it
        return "plumbing"
    if entry.get("changed"):
        return "custom"
    if set(entry["datasets"]) <= {PRINTED_NUMBERS}:
        return "formula"
    return "real" if entry["real"] else "stand-in"


def _write(path: Path, write) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(aside)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
