"""Trackers, by name: where a detection's box is in the frames around its own. One file each, found by itself.

    the docstring's first line          what it is
    track(footage, reach)               -> boxes (D, 2 reach, 4), each detection in the next `reach` frames, then in those before
                                        it, and the frames (D, 2 reach) they are in, -1 where the video ends or the box's centre
                                        has left the image. The size of a box never changes.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path

from alnb.errors import BadRequest


@functools.cache
def names() -> list[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def get(name: str):
    """The function `track` of that tracker; BadRequest for an unknown name."""
    if name not in names():
        raise BadRequest(f"tracker = {name!r}: expected one of {', '.join(map(repr, names()))}")
    return importlib.import_module(f"{__name__}.{name}").track
