"""What a preset of the world is, and which there are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from alnb.errors import BadRequest

SIZE = (64, 32)  # height and width, pixels
SPLITS = ("train", "query", "gallery")
PERSON, JUNK, DISTRACTOR = range(3)  # kinds of boxes


@dataclass(frozen=True)
class Preset:
    """One world. Presets of one stream have the same people, cameras and passages."""

    title: str
    stream: int
    cameras: int = 6
    train: int = 150  # identities
    test: int = 120
    seen: tuple[int, int] = (3, 6)  # how many cameras a person passes
    frames: tuple[int, int] = (2, 4)  # boxes of a passage
    again: float = 0.3  # chance of a second passage of the same camera
    siblings: float = 0.25  # share of groups that are more than one person
    occluded: float = 0.25  # share of passages behind something
    crowded: float = 0.35  # share of passages with a second pedestrian
    jitter: float = 0.06  # sd of a box's shift and scale, in box sides
    cast: float = 0.08  # sd of the log gain of a camera's colour channels
    grey: float = 0.4  # share of clothes without colour
    winter: float = 0.3  # share of coats and jackets
    junk: float = 0.12  # boxes in the gallery, as shares of its boxes of people
    distractors: float = 0.15
    both: bool = True  # queries from every camera; else camera 1 asks camera 2


_MARKET = Preset("six cameras before a market", 1)
_CUHK03 = Preset("two cameras of a campus", 4, cameras=2, train=300, test=100, seen=(2, 2), frames=(2, 4), again=0.0,
                 siblings=0.1, occluded=0.1, crowded=0.1, cast=0.03, junk=0.0, distractors=0.0, winter=0.4,
                 grey=0.3)  # fmt: skip
PRESETS = {
    "pedestrians-market": _MARKET,
    "pedestrians-market-no-siblings": replace(_MARKET, siblings=0.0, title=_MARKET.title + ", no two alike"),
    "pedestrians-market-no-occluders": replace(_MARKET, occluded=0.0, crowded=0.0, title=_MARKET.title + ", nobody hidden"),
    "pedestrians-market-easy": replace(_MARKET, siblings=0.1, occluded=0.1, crowded=0.15, jitter=0.03, cast=0.04,
                                       title=_MARKET.title + ", on a quiet day"),
    "pedestrians-market-hard": replace(_MARKET, siblings=0.36, occluded=0.32, crowded=0.42, jitter=0.075, cast=0.095,
                                       title=_MARKET.title + ", in a crowd"),
    "pedestrians-duke": Preset("eight cameras of a campus", 2, cameras=8, seen=(2, 5), frames=(2, 5), occluded=0.3,
                               crowded=0.25, cast=0.05, grey=0.5, winter=0.6, junk=0.0, distractors=0.25),
    "pedestrians-cuhk01": Preset("two cameras, two boxes each", 3, cameras=2, train=200, test=160, seen=(2, 2), frames=(2, 2),
                                 again=0.0, jitter=0.02, occluded=0.1, crowded=0.15, junk=0.0, distractors=0.0,
                                 grey=0.3, both=False),
    "pedestrians-cuhk03-labelled": replace(_CUHK03, jitter=0.01, title=_CUHK03.title + ", tight boxes"),
    "pedestrians-cuhk03-detected": replace(_CUHK03, jitter=0.05, title=_CUHK03.title + ", a detector's boxes"),
    "pedestrians-tiny": replace(_MARKET, stream=5, cameras=3, train=24, test=20, seen=(2, 3), frames=(2, 3), siblings=0.15,
                                occluded=0.1, crowded=0.15, cast=0.04, title="three cameras, few people, for smoke tests"),
}  # fmt: skip

# more people, without whom plain training on duke stays below what a baseline should have; fewer, for lessons of minutes, and
# other people than the tiny world's to start from
PRESETS |= {
    "pedestrians-duke-more": replace(PRESETS["pedestrians-duke"], train=300, title="eight cameras of a campus, more people"),
    "pedestrians-market-small": replace(_MARKET, train=60, test=60, title=_MARKET.title + ", fewer people"),
    "pedestrians-duke-small": replace(PRESETS["pedestrians-duke"], train=100, test=30,
                                      title="eight cameras of a campus, fewer people"),
    "pedestrians-tiny-source": replace(PRESETS["pedestrians-tiny"], stream=6, train=16, test=8,
                                       title="other people, for smoke tests"),
}  # fmt: skip


def preset_of(name: str) -> Preset:
    """BadRequest for a name that does not exist."""
    if name not in PRESETS:
        raise BadRequest(f"unknown world of pedestrians {name!r}: there are {', '.join(PRESETS)}")
    return PRESETS[name]

