"""What k-center costs is measured in a process of its own."""

import sys

import pytest

from alnb.acquisition import cost
from alnb.drawn import class_balance_extra as drawn
from alnb.errors import BadRequest


def test_a_row_a_pool_with_what_the_full_matrix_would_hold():
    rows = cost.k_center((360, 720, 1800))
    assert rows["pool"].tolist() == [360, 720, 1800]
    assert rows["asked"].tolist() == [20, 40, 100]
    assert (rows["seconds"] > 0).all()
    assert rows["matrix"].tolist() == pytest.approx([400**2 * 4 / 2**20, 800**2 * 4 / 2**20, 2000**2 * 4 / 2**20])
    if sys.platform.startswith("linux"):
        assert (rows["memory"] >= 0).all()
    one = drawn.cost_4(rows)
    assert "1,800 samples" in one.alt
    assert "no run" not in one.alt


def test_a_pool_of_nothing_is_refused():
    with pytest.raises(BadRequest, match="a pool of 17; accepted: 18 or more"):
        cost.k_center((17,))
