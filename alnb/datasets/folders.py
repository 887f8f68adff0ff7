"""A dataset of single files in folders: how its loader reads a picture, and says in one line what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alnb.datasets import Missing, info


class Folders:
    """The dataset `name`; tree: the files that are expected, in one line."""

    def __init__(self, name: str, tree: str):
        self.name, self.tree = name, tree

    def wrong(self, what: str, state: str = "damaged") -> Missing:
        """The error to raise: what is wrong, what is expected, where it comes from, its terms, what runs without it."""
        about = info(self.name)
        return Missing(
            f"{self.name} is {state}: {what}. Expected {self.tree} (set ALNB_DATA to look elsewhere). "
            f"Source: {about.source}. Terms: {about.terms}. {about.stand_in} runs without it."
        )

    def picture(self, path: Path, mode: str) -> np.ndarray:
        """(H, W, channels of `mode`) uint8; Missing for a file that is absent, cut short or no picture."""
        from PIL import Image

        try:
            with Image.open(path) as image:
                return np.asarray(image.convert(mode))
        except FileNotFoundError:
            raise self.wrong(f"there is no {path}") from None
        except (OSError, SyntaxError, ValueError) as error:  # PIL's word for a broken PNG is SyntaxError
            raise self.wrong(f"{path} cannot be read as a picture ({error})") from None

    def pairs(self, pictures: Path, labels: Path) -> list[str]:
        """The names, without suffix, that the files of both folders share; Missing where one has what the other lacks."""
        seen, told = ({path.stem: path for path in folder.iterdir() if path.is_file()} for folder in (pictures, labels))
        if lost := sorted(seen.keys() ^ told.keys()):
            lone = (seen | told)[lost[0]]
            more = f", and {len(lost) - 1} more like it" if len(lost) > 1 else ""
            raise self.wrong(f"{lone} has no partner in {labels if lost[0] in seen else pictures}{more}")
        return sorted(seen)
