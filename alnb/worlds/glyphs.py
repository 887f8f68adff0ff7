"""Letters on coloured cards: 10, 100 or 200 classes, some of them easy, some rare."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alnb.datasets import Dataset, Info
from alnb.errors import BadRequest

# --- the letters -----------------------------------------------------------------------------------------------------

# Matplotlib's own text fonts. Not its placeholder font (every letter is a box), not its maths and symbol fonts (letters
# become symbols), not DejaVu Display (ornaments).
FONTS = tuple(
    """DejaVuSans DejaVuSans-Bold DejaVuSans-Oblique DejaVuSans-BoldOblique
    DejaVuSansMono DejaVuSansMono-Bold DejaVuSansMono-Oblique DejaVuSansMono-BoldOblique
    DejaVuSerif DejaVuSerif-Bold DejaVuSerif-Italic DejaVuSerif-BoldItalic
    STIXGeneral STIXGeneralBol STIXGeneralItalic STIXGeneralBolIta cmr10 cmss10 cmtt10 cmti10 cmb10""".split()
)

TEMPLATE = 64  # pixels a side; read without interpolation, so at least twice as fine as the letters drawn from it


def _letters(*ranges):
    return "".join(chr(code) for first, last in ranges for code in range(ord(first), ord(last) + 1))


_EUROPEAN = _letters("AZ", "az", "ΑΡ", "ΣΩ", "αω", "Ая")
CANDIDATES = {10: _letters("AZ"), 100: _EUROPEAN, 200: _EUROPEAN + _letters("ԱՖ", "աև", "აჰ", "ɐʯ")}

# What `choose` made of CANDIDATES: frozen, so that another version of FreeType changes pixels but never the classes.
LETTERS = {
    10: "ACHJKLQTVZ",
    100: "ABCDEFGIJLMNPQRSUVWYabdefghikmnoqrtuxzΓΔΘΚΞΠΣΤΨΩαβγδεζηιλμνξπςστυφχωБДЗИЙЛУФЧШЩЫЬЭЮЯвжйклмнрфцшщъьюя",
    200: "ABCDEFGIJLMNPQRSUVWYabdefghikmnoqrtuxzΓΔΘΚΞΠΣΤΨΩαβγδεζηιλμνξπςστυφχωБДЗИЙЛУФЧШЩЫЬЭЮЯвжйклмнрфцшщъьюя"*2,
}


def _path(font):
    from matplotlib import get_data_path

    return Path(get_data_path(), "fonts", "ttf", f"{font}.ttf")


@functools.cache
def _face(font):
    from PIL import ImageFont

    return ImageFont.truetype(str(_path(font)), 96, layout_engine=ImageFont.Layout.BASIC)


@functools.cache
def _known(font):
    """The code points a font has an outline for."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(_path(font))).get_charmap())


def template(letter: str, font: str, hollow: bool = False) -> np.ndarray:
    """(TEMPLATE, TEMPLATE) uint8 coverage; the letter's longer side fills the square. hollow: its contour only."""
    from PIL import Image, ImageChops, ImageDraw, ImageFilter

    left, top, right, bottom = _face(font).getbbox(letter)
    side = max(right - left, bottom - top) + 8
    canvas = Image.new("L", (side, side))
    at = ((side - right - left) // 2, (side - bottom - top) // 2)
    ImageDraw.Draw(canvas).text(at, letter, font=_face(font), fill=255)
    if hollow:
        canvas = ImageChops.subtract(canvas.filter(ImageFilter.MaxFilter(3)), canvas.filter(ImageFilter.MinFilter(5)))
    # Half the resolution and back: smooth enough to be read at single points.
    small = canvas.resize((TEMPLATE // 2, TEMPLATE // 2), Image.Resampling.BILINEAR)
    pixels = np.array(small.resize((TEMPLATE, TEMPLATE), Image.Resampling.BILINEAR))
    pixels[[0, -1]] = pixels[:, [0, -1]] = 0  # what is read outside the square is its border
    return pixels


@functools.lru_cache(maxsize=2)
def _bank(letters):
    """(templates (K, TEMPLATE, TEMPLATE) uint8, first (C,), fonts (C,)): letter c has `fonts[c]` templates from
    `first[c]` on, and as many hollow ones K / 2 later."""
    full, hollow, fonts = [], [], []
    for letter in letters:
        usable = [font for font in FONTS if ord(letter) in _known(font)]
        full += [template(letter, font) for font in usable]
        hollow += [template(letter, font, hollow=True) for font in usable]
        fonts.append(len(usable))
    return np.stack(full + hollow), np.cumsum([0] + fonts[:-1]), np.array(fonts)


# --- the mixture -----------------------------------------------------------------------------------------------------

MODES = ("easy", "medium", "rare")


@dataclass(frozen=True)
class Kind:
    """One sort of card. A range is what a uniform number is stretched to."""

    mode: int  # index into MODES
    share: float
    turn: tuple[float, float] = (0, 25)  # degrees, either way
    size: tuple[float, float] = (0.50, 0.78)  # of the letter's longer side, in image sides
    shift: float = 0.22  # largest distance from the middle along either axis, in half image sides
    contrast: tuple[float, float] = (0.28, 0.55)  # of luminance between letter and card
    texture: tuple[float, float] = (0.02, 0.12)  # amplitude of luminance
    noise: tuple[float, float] = (0.03, 0.08)  # standard deviation
    clutter: float = 3.0  # most pieces of other letters
    hollow: bool = False
    cover: tuple[float, float] = (0.0, 0.0)  # width of a bar across the letter, in letter sides


KINDS = {
    "near-duplicate": Kind(0, 0.45, turn=(0, 10), size=(0.62, 0.78), shift=0.10, contrast=(0.45, 0.6), noise=(0.02, 0.04), clutter=1.0),
    "medium": Kind(1, 0.37),
    "turned": Kind(2, 0.04, turn=(40, 65)),
    "small": Kind(2, 0.03, size=(0.30, 0.40), shift=0.5),
    "faint": Kind(2, 0.03, contrast=(0.10, 0.18)),
    "hollow": Kind(2, 0.04, hollow=True, contrast=(0.4, 0.6)),
    "covered": Kind(2, 0.04, cover=(0.25, 0.35)),
}  # fmt: skip
PROTOTYPES = 6  # designs a class shares among its near-duplicates
AMBIGUOUS = 0.02  # share of training cards that show two letters, either of which is the label
IMBALANCE = 10  # of the long tail: the largest class over the smallest


@dataclass(frozen=True)
class Preset:
    classes: int
    side: int = 32
    null: bool = False
    long_tail: bool = False


PRESETS = {f"glyphs-{classes}{suffix}": Preset(classes, **changes) for classes in (10, 100, 200) for suffix, changes in {
    "": {}, "-null": {"null": True}, "-long-tail": {"long_tail": True}, "-16px": {"side": 16}, "-64px": {"side": 64}}.items()}  # fmt: skip


# --- drawing ---------------------------------------------------------------------------------------------------------

PIECES = 3
SPLITS = {"train": 0, "test": 1}
_PROTOTYPES = 2  # the stream that prototypes are drawn from
_UNIFORMS = 64
_CHUNK = 128  # images at once: their floats fit into the cache


def _generator(seed, stream, index):
    return np.random.Generator(np.random.Philox(key=[seed, stream], counter=[0, 0, index, 0]))


def _pick(u, edges):
    """Which interval of the cumulative shares `edges` (last = 1) a uniform number falls into."""
    return np.minimum(np.searchsorted(edges, u, side="right"), len(edges) - 1)


def _stretch(u, kinds, kind, name):
    low, high = np.array([getattr(each, name) for each in kinds]).T
    return low[kind] + (high - low)[kind] * u


def _colour(hue, saturation, luminance):
    """(n, 3) RGB near a hue, moved to a luminance (Rec. 601)."""
    wheel = np.abs((hue[:, None] * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    rgb = 1 - saturation[:, None] * (1 - np.clip(wheel, 0, 1))
    have = 0.299 * rgb[:, 0] + 0.587 * rgb[:, 1] + 0.114 * rgb[:, 2]
    # Scaling keeps the hue; what would exceed white moves towards it.
    rgb = rgb * (luminance / have)[:, None]
    spill = 0.299 * np.clip(rgb[:, 0] - 1, 0, None) + 0.587 * np.clip(rgb[:, 1] - 1, 0, None) + 0.114 * np.clip(rgb[:, 2] - 1, 0, None)
    return np.clip(np.clip(rgb, 0, 1) + spill[:, None], 0, 1)


def _stamp(bank, which, turn, size, aspect, shear, x, y, side):
    """(n, side, side) float32 coverage of templates turned (radians), scaled, sheared and moved, read at pixel centres."""
    grid = ((np.arange(side) + 0.5) * (2 / side) - 1).astype(np.float32)
    cos, sin = np.cos(turn), np.sin(turn)
    rows = np.stack([cos / aspect + shear * sin, sin / aspect - shear * cos, -sin, cos], 1) / size[:, None]
    scale = TEMPLATE / 2
    coordinates = []
    for along_x, along_y in ((0, 1), (2, 3)):
        a, b = rows[:, along_x] * scale, rows[:, along_y] * scale
        c = scale - a * x - b * y
        a, b, c = (each.astype(np.float32)[:, None, None] for each in (a, b, c))
        position = (a * grid[None, None, :] + c) + b * grid[None, :, None]
        coordinates.append(np.clip(position, 0, TEMPLATE - 1).astype(np.intp))
    column, row = coordinates
    flat = (which * TEMPLATE**2)[:, None, None] + row * TEMPLATE + column
    return np.take(bank.reshape(-1), flat).astype(np.float32) * np.float32(1 / 255)


def _blend(images, coverage, colour, rows=slice(None)):
    """Paint `colour` (n, 3) over images (N, 3, S, S) where `coverage` (n, S, S) says."""
    under = images[rows]
    images[rows] = under + coverage[:, None] * (colour.astype(np.float32)[:, :, None, None] - under)


def render(preset: str, split: str, indices, seed: int = 0):
    if preset not in PRESETS:
        raise BadRequest(f"unknown glyphs preset {preset!r}: there are {', '.join(PRESETS)}")
    if split not in SPLITS:
        raise BadRequest(f"unknown split {split!r}: train or test")
    indices = np.asarray(indices, dtype=np.int64).reshape(-1)
    parts = [_render(PRESETS[preset], split, indices[at : at + _CHUNK], seed) for at in range(0, max(len(indices), 1), _CHUNK)]
    images, targets, kind, ambiguous = (np.concatenate(each) for each in zip(*parts))
    modes = np.array([each.mode for each in KINDS.values()])
    return images, targets, {"mode": modes[kind], "kind": kind, "ambiguous": ambiguous}


def _render(preset, split, indices, seed):
    n, kinds, names = len(indices), list(KINDS.values()), list(KINDS)
    side = max(preset.side, 32)
    letters = LETTERS[preset.classes]
    bank, first, fonts = _bank(letters)
    u, noise = np.empty((n, _UNIFORMS)), np.empty((n, 3, side, side), np.float32)
    for row, index in enumerate(indices):
        generator = _generator(seed, SPLITS[split], int(index))
        u[row] = generator.random(_UNIFORMS)
        generator.standard_normal(out=noise[row], dtype=np.float32)

    weights = IMBALANCE ** -np.linspace(0, 1, preset.classes) if preset.long_tail and split == "train" else np.ones(preset.classes)
    target = _pick(u[:, 0], np.cumsum(weights) / weights.sum())
    medium = names.index("medium")
    if preset.null:
        kind, ambiguous = np.full(n, medium), np.zeros(n, bool)
    else:
        kind = _pick(u[:, 1], np.cumsum([each.share for each in kinds]))
        ambiguous = (u[:, 2] < AMBIGUOUS) & (split == "train")
        kind[ambiguous] = medium
    # Near-duplicates: the looks (columns from 8 on) come from one of the class's prototypes.
    for row in np.flatnonzero(kind == 0):
        u[row, 8:] = _prototype(seed, int(target[row]) * PROTOTYPES + int(u[row, 3] * PROTOTYPES))

    def column(k):
        return u[:, k]

    # Pose
    sign = np.where(u[:, 8] < 0.5, -1, 1)
    turn = np.deg2rad(_stretch(u[:, 9], kinds, kind, "turn")) * sign + (u[:, 4] - 0.5) * 0.1
    size = _stretch(u[:, 10], kinds, kind, "size")
    aspect = 0.8 + 0.4 * u[:, 11]
    shear = (u[:, 12] - 0.5) * 0.5
    shift = np.array([each.shift for each in kinds])[kind]
    x = (2 * u[:, 13] - 1) * shift + (u[:, 5] - 0.5) * 0.08
    y = (2 * u[:, 14] - 1) * shift + (u[:, 6] - 0.5) * 0.08
    hollow = np.array([each.hollow for each in kinds])[kind]

    def chosen(classes):
        return first[classes] + (u[:, 15] * fonts[classes]).astype(np.int64) + hollow * (len(bank) // 2)

    # Colours
    card_light = 0.22 + 0.6 * u[:, 16]
    contrast = _stretch(u[:, 17], kinds, kind, "contrast")
    up = np.where(card_light + contrast > 0.97, False, np.where(card_light - contrast < 0.03, True, u[:, 18] < 0.5))
    letter_light = np.clip(card_light + np.where(up, contrast, -contrast), 0.03, 0.97)
    card_hue, letter_hue = u[:, 19], u[:, 20]
    faint = kind == names.index("faint")
    letter_hue = np.where(faint, card_hue + 0.15 * (letter_hue - 0.5), letter_hue)
    amplitude = _stretch(u[:, 21], kinds, kind, "texture")
    tint = card_hue + 0.3 * (u[:, 22] - 0.5)
    saturation = 0.25 + 0.55 * u[:, 23]
    one = _colour(card_hue, saturation, np.clip(card_light + amplitude, 0.05, 0.95)).astype(np.float32)
    two = _colour(tint, saturation, np.clip(card_light - amplitude, 0.05, 0.95)).astype(np.float32)
    ink = _colour(letter_hue, 0.2 + 0.7 * u[:, 24], letter_light)
    desk = _colour(u[:, 25], 0.4 * u[:, 26], 0.1 + 0.8 * u[:, 27])

    def wide(values):
        return values.astype(np.float32)[:, None, None]

    # Card: stripes, checks or marble between two shades
    grid = ((np.arange(side) + 0.5) * (2 / side) - 1).astype(np.float32)
    gx, gy = grid[None, None, :], grid[None, :, None]
    angle, frequency = np.pi * u[:, 28], 3 + 9 * u[:, 29]
    cos, sin = np.cos(angle) * frequency, np.sin(angle) * frequency
    across = np.sin(wide(-sin) * gx + wide(cos) * gy + wide(6.28 * u[:, 30]))
    pattern = (u[:, 31] * 3).astype(np.int64)
    along = np.sin(wide(cos) * gx + wide(sin) * gy + wide(6.28 * u[:, 32]) + wide(np.where(pattern == 2, 2.0, 0.0)) * across)
    texture = np.where((pattern == 1)[:, None, None], along * across, along) * np.float32(0.5) + np.float32(0.5)
    images = two[:, :, None, None] + texture[:, None] * (one - two)[:, :, None, None]
    # Desk: what is outside the turned card
    lean = turn * 0.5
    cos, sin = np.cos(lean), np.sin(lean)
    cx, cy, half = 0.15 * (u[:, 33] - 0.5), 0.15 * (u[:, 34] - 0.5), 0.86 + 0.2 * u[:, 35]
    dx, dy = gx - wide(cx), gy - wide(cy)
    reach = np.maximum(np.abs(wide(cos) * dx + wide(sin) * dy), np.abs(wide(cos) * dy - wide(sin) * dx))
    outside = np.clip((reach - wide(half)) * np.float32(side / 2) + np.float32(0.5), 0, 1)
    _blend(images, outside, desk)

    # Clutter: pieces of other letters around the rim
    pieces = np.array([each.clutter for each in kinds])[kind] * u[:, 36]
    for piece in range(PIECES):
        rows = np.flatnonzero(pieces > piece + 0.5)
        a, b, c, d, e, f, g = u[rows, 37 + 7 * piece : 44 + 7 * piece].T
        where = 2 * np.pi * a
        distance = 0.75 + 0.3 * b
        colour = _colour(e, 0.3 + 0.5 * f, 0.1 + 0.8 * g)
        stamp = _stamp(bank, (c * (len(bank) // 2)).astype(np.int64), 2 * np.pi * d, 0.25 + 0.2 * b, np.ones(len(rows)), np.zeros(len(rows)), np.cos(where) * distance, np.sin(where) * distance, side)
        _blend(images, stamp, colour, rows)

    # The letter; two of them where the label is ambiguous
    coverage = _stamp(bank, chosen(target), turn, size, aspect, shear, x, y, side)
    rows = np.flatnonzero(ambiguous)
    if len(rows):
        other = (target + 1 + (u[:, 58] * (preset.classes - 1)).astype(np.int64)) % preset.classes
        second = _stamp(bank, chosen(other)[rows], turn[rows], size[rows], aspect[rows], shear[rows], x[rows], y[rows], side)
        coverage[rows] = (coverage[rows] + second) * np.float32(0.5)
    _blend(images, coverage, ink)

    # A bar across the letter
    width = _stretch(u[:, 59], kinds, kind, "cover")
    rows = np.flatnonzero(width > 0)
    if len(rows):
        angle = np.pi * u[rows, 60]
        offset = (u[rows, 61] - 0.5) * 0.8 * size[rows]
        away = np.abs(wide(np.cos(angle)) * (gx - wide(x[rows])) + wide(np.sin(angle)) * (gy - wide(y[rows])) - wide(offset))
        bar = np.clip((wide(width[rows] * size[rows]) - away) * np.float32(side / 2) + np.float32(0.5), 0, 1)
        _blend(images, bar, desk[rows], rows)

    # Light from one side, and noise
    light = 1 + wide(0.5 * (u[:, 62] - 0.5)) * gx + wide(0.5 * (u[:, 63] - 0.5)) * gy
    images *= light[:, None]
    images += noise * wide(_stretch(u[:, 7], kinds, kind, "noise"))[:, None]
    if preset.side < side:
        images = (images[:, :, ::2, ::2] + images[:, :, 1::2, ::2] + images[:, :, ::2, 1::2] + images[:, :, 1::2, 1::2]) * np.float32(0.25)
    pixels = np.rint(np.clip(images, 0, 1) * np.float32(255)).astype(np.uint8)
    return pixels, target.astype(np.int64), kind, ambiguous


@functools.lru_cache(maxsize=4096)
def _prototype(seed, index):
    return _generator(seed, _PROTOTYPES, index).random(_UNIFORMS)[8:]


# --- the datasets ----------------------------------------------------------------------------------------------------

INFO = {
    name: Info(
        title=f"glyphs: {preset.classes} letters on cards, {preset.side} x {preset.side} pixels"
        + (", one difficulty (null)" if preset.null else "")
        + (f", long tail {IMBALANCE}:1" if preset.long_tail else ""),
        real=False,
        classes=preset.classes,
        source="embedded",
        terms="drawn by alnb (MIT) from fonts that matplotlib ships (DejaVu, STIX and BaKoMa licences)",
    )
    for name, preset in PRESETS.items()
}


def load(name: str, root: Path) -> Dataset:
    preset = PRESETS[name]
    train_images, train_targets, details = render(name, "train", range(TRAIN))
    test_images, test_targets, _ = render(name, "test", range(2000 if preset.classes == 10 else 5000))
    values = np.arange(256) / 255
    shares = np.stack([np.bincount(train_images[:, c].ravel(), minlength=256) for c in range(3)]) / train_images[:, 0].size
    mean = shares @ values
    std = np.sqrt(shares @ values**2 - mean**2)
    return Dataset(
        name=name,
        info=INFO[name],
        train_images=train_images,
        train_targets=train_targets,
        test_images=test_images,
        test_targets=test_targets,
        class_names=tuple(LETTERS[preset.classes]),
        mean=tuple(map(float, mean)),
        std=tuple(map(float, std)),
        crop=2 * preset.side // 16,
        flip=False,
        details=details,
    )


TRAIN = 12_000
