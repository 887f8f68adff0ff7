"""PCKh against a case worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alnb.metrics.pose import pckh


def test_by_hand():
    """Two images, heads of 10 and 20: half a head is 5 and 10 pixels. Of three joints that count, two are found."""
    joints, visible = np.zeros((2, 16, 2)), np.zeros((2, 16), bool)
    predicted = joints.copy()
    visible[0, [0, 6]] = visible[1, [0, 9]] = True
    predicted[0, 0] = 3, 4  # 5 away: on the edge, found
    predicted[0, 6] = 100, 0  # the pelvis does not count
    predicted[1, 0] = 6, 8  # 10 away of a head of 20: found
    predicted[1, 9] = 6, 8.1
    predicted[1, 15] = 100, 100  # not annotated
    assert pckh(predicted, joints, visible, [10, 20]) == pytest.approx(200 / 3)
    assert pckh(predicted, joints, visible, [9, 20]) == pytest.approx(100 / 3)
    assert pckh(predicted, joints, visible, [10, 20], share=1.0) == 100
    assert math.isnan(pckh(predicted, joints, np.zeros((2, 16), bool), [10, 20]))
