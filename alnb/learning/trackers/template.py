"""By its looks: what is in the box is looked for around its last place, by normalised cross-correlation.

The second kind of tracker of thesis Fig. 2.4b, where SiamFC (Bertinetto et al., ECCV workshops 2016) correlates features of a
network; no package ships its weights, so here pixels are correlated. As there, the template is that of the first frame throughout,
it is looked for near where it was last, and nothing is kept from one cycle to the next.
"""

from __future__ import annotations

import functools

from alnb.errors import BadRequest
from alnb.learning.footage import Footage

POINTS = 24  # of a template, a side: of larger boxes every second pixel is looked at, every third, ...
SEARCH = 0.5  # of the box's longer side: how far it may move between two frames ...
LEAST, MOST = 4, 24  # ... but so many pixels in any case, and no more


def track(footage: Footage, reach: int):
    """See `learning.trackers`; grey values of the footage's `picture`. A box without any texture stays where it is. BadRequest
    for footage without pictures."""
    import numpy as np

    if footage.picture is None:
        raise BadRequest("tracker = 'template' wants pictures, which this footage has not: give tracker = 'flow'")
    D = len(footage.boxes)
    boxes, where = np.full((D, 2 * reach, 4), np.nan), np.full((D, 2 * reach), -1)

    @functools.lru_cache(maxsize=4 * reach + 2)
    def grey(frame):
        return footage.picture(frame).astype(np.float32).mean(2)

    for d in np.argsort(footage.frame, kind="stable").tolist():
        template = Template(grey(int(footage.frame[d])), footage.boxes[d])
        for direction in (1, -1):
            at, box = int(footage.frame[d]), footage.boxes[d].astype(float)
            for m in range(reach):
                if not footage.goes_on(np.array([at]), direction)[0]:
                    break
                at += direction
                box = box + np.tile(template.moved(grey(at), box), 2)
                centre = (box[:2] + box[2:]) / 2
                if not ((centre >= 0) & (centre <= footage.sizes[at])).all():
                    break
                slot = m if direction > 0 else reach + m
                boxes[d, slot], where[d, slot] = box, at
    return boxes, where


class Template:
    """The grey values of a box, less their mean, at every `step`-th pixel; what is outside the image repeats its border."""

    def __init__(self, grey, box):
        import numpy as np

        wide, high = np.maximum(np.round(np.asarray(box[2:] - box[:2], dtype=float)), 1).astype(int).tolist()
        self.shape, self.step = (high, wide), -(-max(wide, high) // POINTS)
        self.radius = min(max(round(SEARCH * max(wide, high)), LEAST), MOST)
        values = self._windows(grey, box, 0)[0, 0]
        self.values = values - values.mean()
        self.norm = float(np.sqrt((self.values**2).sum()))

    def _windows(self, grey, box, radius: int):
        """(2 radius + 1, 2 radius + 1, rows, columns): what the box shows, moved by so many pixels down and to the right."""
        import numpy as np

        around = [np.arange(-radius, n + radius) for n in self.shape]
        (high, wide), (x, y) = grey.shape, np.round(box[:2]).astype(int)
        region = grey[(y + around[0]).clip(0, high - 1)][:, (x + around[1]).clip(0, wide - 1)]
        return np.lib.stride_tricks.sliding_window_view(region, self.shape)[..., :: self.step, :: self.step]

    def moved(self, grey, box):
        """(2,) pixels x y from `box` to where it correlates most, the nearest of equals."""
        import numpy as np

        if self.norm < 1e-3:
            return np.zeros(2)
        windows, n = self._windows(grey, box, self.radius), self.values.size
        mean, square = (np.einsum("ijkl->ij", part) / n for part in (windows, windows**2))
        spread = np.sqrt(np.maximum(square - mean**2, 0) * n)
        likeness = np.einsum("ijkl,kl->ij", windows, self.values) / np.maximum(spread * self.norm, 1e-3)
        away = np.arange(-self.radius, self.radius + 1)
        likeness = likeness - 1e-6 * (away[:, None] ** 2 + away**2)
        down, right = np.unravel_index(likeness.argmax(), likeness.shape)
        return np.array([away[right], away[down]], dtype=float)
