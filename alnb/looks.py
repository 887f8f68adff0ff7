"""One look a method, in the whole collection: colour, marker and line, by its name alone."""

from __future__ import annotations

import re
import zlib

# Okabe and Ito's colours, then Tol's muted ones: the first ten are told apart with any common colour blindness, and a
# marker stands beside every colour
PALETTE = [
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#999933", "#882255", "#44AA99",
    "#332288", "#AA4499", "#117733", "#661100", "#DDCC77", "#6699CC",
]  # fmt: skip
GREY = "#7F7F7F"
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*", "<", ">"]

# colour and marker, as places in PALETTE and MARKERS: these strategies stand side by side in many figures
_FIXED = {
    "random": (0, 0), "margin": (1, 1), "entropy": (2, 2), "k_center": (3, 4), "vaal": (5, 8), "dispersion": (6, 3),
    "bald": (8, 6), "core_set": (9, 5), "qbc": (4, 9), "least_confidence": (7, 7), "mean_confidence": (10, 1),
    "count_entropy": (12, 2), "late_dispersion": (11, 4), "cluster_centres": (13, 8), "diverse_margin": (5, 9),
    "oracle": (14, 5), "ceal": (4, 7), "dispersion+entropy": (6, 2), "entropy+entropy": (2, 9),
    "entropy+dispersion": (5, 3), "dispersion+random": (1, 0), "random+entropy": (8, 4),
}  # fmt: skip
_CONTROLS = {"again", "placebo", "permuted", "shuffled", "frozen"}  # a word of the name: its signal is destroyed


def look(name: str) -> dict:
    """Colour, marker and line of a method, the same in every figure of every notebook, whoever else is drawn.

    An arm with options looks like its strategy, dashed and its marker half filled; a control (random_again, a placebo)
    has a hollow marker. A strategy that is not known here takes a look by the letters of its name, among those that no
    known one has; a pair "a+b" a's colour and b's marker.
    """
    plain, bracket, _ = name.partition("(")
    whole = plain.partition(" ")[0]
    words = whole.split("_")
    kept = "_".join(word for word in words if word not in _CONTROLS) or whole
    colour, marker = _place(kept)
    control = bool(_CONTROLS & {*words, *re.findall(r"[a-z]+", name)})
    shade = GREY if control and kept == "random" else PALETTE[colour]
    made = {"color": shade, "marker": MARKERS[marker], "linestyle": "--" if bracket else "-"}
    fill = "none" if control else "bottom" if bracket else "full"
    return made | {"fillstyle": fill, "markerfacecoloralt": "white"}


def _place(name: str) -> tuple[int, int]:
    """Places of a method in PALETTE and MARKERS; zlib's checksum is the same in every process, `hash` is not."""
    if name in _FIXED:
        return _FIXED[name]
    first, plus, second = name.partition("+")
    if plus:
        return _place(first)[0], _place(second)[1]
    taken = set(_FIXED.values())
    free = [(c, m) for m in range(len(MARKERS)) for c in range(1, len(PALETTE)) if (c, m) not in taken]
    return free[zlib.crc32(name.encode()) % len(free)]


def looks(names) -> dict[str, dict]:
    """name -> `look`; where two names of the list would look alike, the later in the alphabet takes another line and
    marker."""
    made, seen = {}, set()
    for name in sorted(names):
        one, step = look(name), 0
        while (seal := tuple(one.values())) in seen:
            step += 1
            marker = MARKERS[(MARKERS.index(look(name)["marker"]) + step) % len(MARKERS)]
            one = one | {"marker": marker, "linestyle": (":", "-.", "--")[step % 3]}
        seen.add(seal)
        made[name] = one
    return {name: made[name] for name in names}
