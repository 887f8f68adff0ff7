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

# Colour and marker, as places in PALETTE and MARKERS, of what stands in a race of a notebook at any profile: no two have both, and
# no two of one race a colour, pairs of models ("a+b") aside. A strategy that is not here takes a place that is free; where it then
# shares a colour in a race, tests/test_looks.py says so.
_PLACES = {
    "all_data": (15, 0), "badge": (15, 7), "balanced_random": (4, 2), "bald": (8, 6), "bald_cb": (7, 9), "ceal": (7, 0),
    "channel": (5, 0), "channel_constant": (1, 4), "channel_critic": (4, 5), "cluster_centres": (13, 8), "core_set": (9, 5),
    "count_entropy": (12, 2), "cross_entropy": (15, 2), "dispersion": (6, 3), "dispersion+entropy": (6, 2),
    "dispersion+random": (1, 0), "diverse_margin": (5, 9), "doubt": (13, 2), "dral": (6, 1), "entropy": (2, 2),
    "entropy+dispersion": (5, 3),
    "entropy+entropy": (2, 9), "entropy_cb": (10, 7), "entropy_pseudo": (12, 1), "entropy_r": (3, 1),
    "entropy_topped_up": (11, 3), "flip": (9, 4), "forgetting": (11, 8), "graph_density": (11, 9), "greedy_reward": (3, 2),
    "gru": (6, 5), "heatmap_entropy": (4, 8), "indicator": (7, 3), "k_center": (3, 4), "k_center_cb": (14, 3), "l2r": (12, 6),
    "l2r_exact": (10, 3), "label_smoothing": (3, 3), "largest_count": (5, 1), "late_dispersion": (11, 4),
    "latent_k_center": (13, 6), "least_confidence": (7, 7), "least_confidence_r": (6, 9), "ll4al": (1, 5),
    "map_entropy": (8, 0), "margin": (1, 1), "margin_r": (13, 5), "mean_confidence": (10, 1), "most_detections": (14, 7),
    "nearest": (13, 4), "oracle": (14, 5), "oracle_fn": (12, 3), "oracle_fp": (10, 2), "pairs_apart": (11, 2),
    "pixel_bald": (12, 7), "pixel_entropy": (8, 2), "pixel_indicator": (11, 7), "pixel_qbc": (10, 9), "qbc": (4, 9),
    "random": (0, 0), "random+entropy": (8, 4), "random_joint": (9, 1), "random_r": (2, 5), "rank_all_features": (13, 9),
    "share_entropy": (14, 2), "similarity_greedy": (1, 3), "simsiam": (12, 0), "spatial": (12, 8), "spatial_constant": (10, 6),
    "spatial_critic": (13, 7), "sraal": (6, 7), "suggestive_annotation": (2, 1), "svm_min_margin": (7, 8), "tc": (8, 1),
    "triplet": (7, 1), "true_loss": (14, 1), "vaal": (5, 8), "vaal_cb": (13, 1),
}  # fmt: skip
_CONTROLS = {"again", "placebo", "permuted", "shuffled", "frozen"}  # a word of the name: its signal is destroyed


def look(name: str) -> dict:
    """Colour, marker and line of a method, the same in every figure of every notebook, whoever else is drawn.

    An arm with options looks like its strategy, dashed and its marker half filled; a control (random_again, a placebo)
    has a hollow marker. A strategy of the catalogue that is not in the table takes a free look by the letters of its name, one
    from a notebook's cell what then is free; a pair "a+b" a's colour and b's marker.
    """
    strategy = plain(name)
    colour, marker = _place(strategy)
    control = bool(_CONTROLS & set(re.findall(r"[a-z]+", name)))
    shade = GREY if control and strategy == "random" else PALETTE[colour]
    options = "(" in name
    made = {"color": shade, "marker": MARKERS[marker], "linestyle": "--" if options else "-"}
    fill = "none" if control else "bottom" if options else "full"
    return made | {"fillstyle": fill, "markerfacecoloralt": "white"}


def plain(name: str) -> str:
    """The strategy that an arm looks like: its name without options, words after it, and those of a control."""
    whole = name.partition("(")[0].partition(" ")[0]
    return "_".join(word for word in whole.split("_") if word not in _CONTROLS) or whole


def _place(name: str) -> tuple[int, int]:
    """Places of a method in PALETTE and MARKERS."""
    if name in _PLACES:
        return _PLACES[name]
    first, plus, second = name.partition("+")
    if plus:
        return _place(first)[0], _place(second)[1]
    from alnb import acquisition

    taken = dict(_PLACES)
    for other in sorted({plain(each) for each in acquisition.catalogue()} - set(_PLACES)):
        taken[other] = _free(other, set(taken.values()))
    return taken[name] if name in taken else _free(name, set(taken.values()))


def _free(name: str, taken: set) -> tuple[int, int]:
    """One of the places that nobody has, by zlib's checksum: that is the same in every process, `hash` is not."""
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
