"""PCKh: percent of the joints that are found within a share of the head's length (Andriluka et al., CVPR 2014). NumPy alone."""

from __future__ import annotations

import numpy as np

LEFT_OUT = (6, 7)  # pelvis and thorax: MPII's own mean leaves them out


def pckh(predicted, joints, visible, heads, share: float = 0.5) -> float:
    """Percent of the annotated joints, all images together, whose prediction is no farther than `share` of the image's head.

    predicted, joints (N, 16, 2); visible (N, 16) bool; heads (N,) lengths, 0.6 of the diagonal of the head's box. NaN where no
    joint counts.
    """
    counts = np.array(visible, dtype=bool)
    counts[:, list(LEFT_OUT)] = False
    away = np.linalg.norm(np.asarray(predicted, float) - np.asarray(joints, float), axis=2)
    found = away <= share * np.asarray(heads, float)[:, None]
    return float(100 * found[counts].mean()) if counts.any() else float("nan")
