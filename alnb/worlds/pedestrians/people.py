"""What people look like, and who shares what with whom."""

from __future__ import annotations

import functools

import numpy as np

from alnb.worlds.pedestrians.presets import Preset
from alnb.worlds.pedestrians.walks import GROUP, OWN, SIBLINGS, between, generator

CARRIED = ("nothing", "backpack", "handbag", "cross-strap")
PATTERNS = ("plain", "stripes", "pinstripes", "checks", "two halves")
TROUSERS, SHORTS, SKIRT = range(3)
CAP, BEANIE = range(2)  # further numbers: no hat
_SKIN = np.array([[0.96, 0.80, 0.69], [0.88, 0.67, 0.53], [0.72, 0.50, 0.36], [0.50, 0.33, 0.23], [0.34, 0.22, 0.16]])
_HAIR = np.array([[0.08, 0.07, 0.07], [0.20, 0.13, 0.09], [0.36, 0.23, 0.13], [0.66, 0.50, 0.28], [0.55, 0.54, 0.52],
                  [0.48, 0.20, 0.10]])  # fmt: skip
_PLAIN_LEGS = np.array([[0.08, 0.08, 0.10], [0.16, 0.18, 0.28], [0.22, 0.30, 0.46], [0.36, 0.46, 0.62], [0.30, 0.30, 0.31],
                        [0.58, 0.50, 0.38], [0.78, 0.76, 0.72]])  # fmt: skip
_MOST = 4  # people in a group of siblings


@functools.lru_cache(maxsize=16)
def siblings(preset: Preset, seed: int = 0) -> np.ndarray:
    """(identities + 1, 2) int64: of identity 1, 2, ... its group's number and its place in it. No group is in training
    and test."""
    found = [(0, 0)]
    for last in (preset.train, preset.train + preset.test):
        while (identity := len(found)) <= last:
            alone, size = generator(seed, preset, SIBLINGS, identity).random(2)
            size = 1 if alone >= preset.siblings else min(between((2, _MOST), size), last - identity + 1)
            found += [(identity, place) for place in range(size)]
    return np.array(found, np.int64)


def _rgb(hue, saturation, value):
    wheel = np.clip(np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    return value * (1 - saturation * (1 - wheel))


def _apart(colour, ground):
    """The colour, darker or lighter where it would not be seen on the ground."""
    weights = np.array([0.299, 0.587, 0.114])
    if abs(float(weights @ (colour - ground))) > 0.2:
        return colour
    return 0.35 * colour if weights @ ground > 0.5 else 0.65 + 0.35 * colour


@functools.lru_cache(maxsize=8192)
def person_of(preset, seed, identity):
    """What an identity looks like: names to numbers and to colours (3,). What siblings share comes first."""
    group, place = siblings(preset, seed)[identity]
    u = iter(generator(seed, preset, GROUP, group).random(48))
    own = iter(generator(seed, preset, OWN, identity).random(32))

    def cloth(u):
        grey, hue, saturation, value = next(u) < preset.grey, next(u), next(u), next(u)
        return _rgb(
            hue, 0.05 if grey else 0.3 + 0.55 * saturation, 0.06 + 0.86 * value**1.3 if grey else 0.25 + 0.6 * value
        )

    top, bottom, second = cloth(u), cloth(u), cloth(u)
    plain, which = next(u) < 0.6, int(next(u) * len(_PLAIN_LEGS))
    winter, legs, pattern, sort = next(u) < preset.winter, next(u), next(u), next(u)
    sleeves, coat, opened = next(u), next(u), next(u)
    found = {
        "tall": 0.93 + 0.12 * next(u), "wide": 0.9 + 0.35 * next(u),
        "skin": _SKIN[int(next(u) * len(_SKIN))], "hair": _HAIR[int(next(u) * len(_HAIR))],
        "top": top, "bottom": _PLAIN_LEGS[which] if plain else bottom, "second": second,
        "pattern": 0 if pattern < 0.55 else 1 + int(sort * (len(PATTERNS) - 1)), "period": 0.08 + 0.05 * next(u),
        "long_sleeves": winter or sleeves < 0.45, "coat": winter and coat < 0.5, "open": winter and opened < 0.6,
        "legs": TROUSERS if winter or legs < 0.6 else SHORTS if legs < 0.82 else SKIRT,
    }  # fmt: skip
    return found | {
        "carried": (int(next(u) * len(CARRIED)) + place) % len(CARRIED),  # so that no two siblings carry the same
        "bag": _apart(cloth(own), top), "shoes": cloth(own), "hat": int(next(own) * 5), "hat_colour": cloth(own),
        "scarf": next(own) < 0.2, "scarf_colour": cloth(own), "long_hair": next(own) < 0.35,
        "logo": next(own) < 0.5, "logo_colour": _apart(cloth(own), top),
    }  # fmt: skip


def columns(dicts, rows=slice(None)):
    """Dicts of numbers and colours as one dict of float32 columns."""
    return {key: np.array([each[key] for each in dicts], np.float32)[rows] for key in dicts[0]}
