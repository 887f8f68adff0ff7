"""Letters of the fonts that matplotlib ships: which classes a world of letters has, and what they look like.

`LETTERS` are the classes of `glyphs`: frozen, chosen so that no two look alike (`choose`). `bank_of` gives a template of each in
each font; `stamp` puts templates into images.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

# Matplotlib's own text fonts. Not its placeholder font (every letter is a box), not its maths and symbol
# fonts (letters become symbols), not DejaVu Display (ornaments).
FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmr10", "cmss10", "cmtt10", "cmti10", "cmb10"),
)
TEMPLATE = 64  # pixels a side; read without interpolation, so finer than the letters drawn from it


def _letters(*ranges):
    return "".join(chr(code) for first, last in ranges for code in range(ord(first), ord(last) + 1))


_ALPHABETS = _letters("AZ", "az", "ΑΡ", "ΣΩ", "αω", "Ая", "ԱՖ", "աև", "აჰ")  # Latin to Armenian and Georgian
_PHONETIC = _letters("ɐʯ")
CANDIDATES = {10: _letters("AZ"), 100: _ALPHABETS, 200: _ALPHABETS + _PHONETIC}

# What `choose` made of CANDIDATES: frozen, so another version of FreeType moves pixels, never the classes.
LETTERS = {
    10: "ACJMPQSWYZ",
    100: ("ACMRUVWZafjkrstxΓΚΞΡΣΩαβγεζλμνπςτχψЖЗЛЦШЩЪЮейчыяԴԵԷԸԹԽԾԿՀՁՃՆՇՉՊՋՌՎՐՒՓՔՖթխհղճմշչպտցւֆևაგკორტუფღყჩჭხჯჰ"),
    200: (
        "ACFNQUVWXkstyzΔΚΞΣΤΩβγεζηλμνξπρςτψωДЖИЙЛРЧШЩЬЭЮЯбвйкмцъы"
        "ԱԳԵԶԷԸԹԺԻԽԾՀՁՂՃՅՆՇՈՉՊՌՎՐՒՓՔՖբզըթիխծկհձճմյնշչջռվտւփքֆևაგდვლოპრტუფქღყშჩცძწჭხჯჰ"
        "ɐɑɔɕɖɘəɚɜɝɠɡɢɣɤɧɨɬɭɮɰɱɲɳɶɷɸɹɻɽɾɿʀʁʂʄʅʇʉʊʋʌʍʎʏʐʑʒʔʖʗʘʚʛʝʞʠʢʣʤʦʧʨʩʪʫʬʭ"
    ),
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


def fonts_of(letter: str) -> list[str]:
    """The fonts that have the letter: up to 21 for Latin, at least 8 for every class."""
    return [font for font in FONTS if ord(letter) in _known(font)]


def template(letter: str, font: str, hollow: bool = False) -> np.ndarray:
    """(TEMPLATE, TEMPLATE) uint8 coverage; the letter's longer side fills the square. hollow: its contour
    only."""
    from PIL import Image, ImageDraw

    left, top, right, bottom = _face(font).getbbox(letter)
    side = max(right - left, bottom - top) + 8
    canvas = Image.new("L", (side, side))
    at = ((side - right - left) // 2, (side - bottom - top) // 2)
    ImageDraw.Draw(canvas).text(at, letter, font=_face(font), fill=255)
    if hollow:
        solid = np.array(canvas)
        canvas = Image.fromarray(_over(np.maximum, solid, 1) - _over(np.minimum, solid, 2))
    # Half the resolution and back: smooth enough to be read at single points.
    small = canvas.resize((TEMPLATE // 2, TEMPLATE // 2), Image.Resampling.BILINEAR)
    pixels = np.array(small.resize((TEMPLATE, TEMPLATE), Image.Resampling.BILINEAR))
    pixels[[0, -1]] = pixels[:, [0, -1]] = 0  # what is read outside the square is its border
    return pixels


def _over(extreme, pixels, reach):
    """The largest (smallest) pixel of the square of side 2 reach + 1 around each."""
    for axis in (0, 1):
        pixels = extreme.reduce([np.roll(pixels, by, axis) for by in range(-reach, reach + 1)])
    return pixels


@functools.cache
def bank_of(letters):
    """(templates (2K, TEMPLATE, TEMPLATE) uint8, first (C,), count (C,)): letter c has `count[c]` templates,
    one a font, from `first[c]` on, and their hollow twins K later."""
    fonts = [fonts_of(letter) for letter in letters]
    count = np.array([len(each) for each in fonts])
    templates = [
        template(letter, font, hollow)
        for hollow in (False, True)
        for letter, usable in zip(letters, fonts)
        for font in usable
    ]
    return np.stack(templates), np.cumsum(count) - count, count


_COMPARED = (
    *("DejaVuSans", "DejaVuSans-BoldOblique", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Italic"),
    *("STIXGeneral", "STIXGeneralItalic", "cmr10", "cmtt10", "cmti10"),
)


def gaps(letters: str) -> np.ndarray:
    """(C, C) how far apart letters look at their closest: 1 - the largest cosine between a template of one
    and a template of the other, over ten fonts, when one is turned up to 30 degrees, stretched and sheared.
    The diagonal is inf.

    Latin A, Greek Alpha and Cyrillic A are at 0, and so are some pairs that only meet in italics (Cyrillic te
    and Latin m).
    """
    found = [
        (row, template(letter, font))
        for row, letter in enumerate(letters)
        for font in fonts_of(letter)
        if font in _COMPARED
    ]
    owner, bank = np.array([row for row, _ in found]), np.stack([pixels for _, pixels in found])
    first = np.searchsorted(owner, np.arange(len(letters)))
    n = len(bank)

    def looks(turn, aspect, shear):
        pose = (np.full(n, each) for each in (np.deg2rad(turn), 0.9, aspect, shear, 0.0, 0.0))
        flat = stamp(bank, np.arange(n), *pose, side=20).reshape(n, -1)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    upright, closest = looks(0, 1, 0), np.zeros((len(letters), len(letters)))
    for turn in (-30, -15, 0, 15, 30):
        for aspect in (0.8, 1, 1.2):
            for shear in (-0.25, 0, 0.25):
                cosine = upright @ looks(turn, aspect, shear).T
                cosine = np.maximum.reduceat(np.maximum.reduceat(cosine, first, axis=0), first, axis=1)
                closest = np.maximum(closest, cosine)
    gap = 1 - np.maximum(closest, closest.T)
    np.fill_diagonal(gap, np.inf)
    return gap


def choose(candidates: str, classes: int) -> str:
    """The first candidate, then greedily the one farthest from those chosen (Gonzalez 1985), in the
    candidates' order."""
    gap = gaps(candidates)
    chosen, distance = [0], gap[0].copy()
    while len(chosen) < classes:
        distance[chosen] = -np.inf
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, gap[chosen[-1]])
    return "".join(candidates[row] for row in sorted(chosen))


# --- putting them into images -------------------------------------------------------------------------------


def grid(side):
    """x (1, 1, side) and y (1, side, 1) of the pixel centres: the image is [-1, 1] squared."""
    centres = ((np.arange(side) + 0.5) * (2 / side) - 1).astype(np.float32)
    return centres[None, None, :], centres[None, :, None]


def stamp(bank, which, turn, size, aspect, shear, x, y, side):
    """(n, side, side) float32 coverage: templates `which`, sheared, stretched, scaled, turned (radians),
    moved to (x, y)."""
    gx, gy = grid(side)
    cos, sin, scale = np.cos(turn), np.sin(turn), TEMPLATE / 2 / size

    def position(along_x, along_y):
        """Where in the template each pixel's centre comes from, along one axis."""
        along_x, along_y = scale * along_x, scale * along_y
        start = TEMPLATE / 2 - along_x * x - along_y * y
        place = (wide(along_x) * gx + wide(start)) + wide(along_y) * gy
        return np.clip(place, 0, TEMPLATE - 1).astype(np.intp)

    column = position(cos / aspect + shear * sin, sin / aspect - shear * cos)
    row = position(-sin, cos)
    pixels = np.take(bank.reshape(-1), (which * TEMPLATE**2)[:, None, None] + row * TEMPLATE + column)
    return pixels.astype(np.float32) * np.float32(1 / 255)


def wide(values):
    return values.astype(np.float32)[:, None, None]
