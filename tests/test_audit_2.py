"""The audit of thesis chapter 2, against arithmetic done by hand."""

import pytest

from alnb import published
from alnb.audits import temporal_coherence as audits


@pytest.fixture(scope="module")
def table():
    return published.audit("thesis", "2", checks=audits.CHECKS).set_index("check")


def test_the_relative_column_is_cut_off_not_rounded(table):
    one = table.loc["Table 2.2: relative AP that are the quotient of the printed AP, rounded"]
    assert (one["printed"], one["agrees"]) == (15, False)
    assert pytest.approx(0.95064, abs=1e-5) == 0.597 / 0.628  # printed 95.0
    assert "cut off after one decimal: 15 are" in one["note"]


def test_shares_of_the_text_against_the_table(table):
    shares = table[table.index.str.contains("share of the training frames")]
    assert shares["computed"].round(1).tolist() == [77.1, 17.7, 3.1, 2.1]  # of 74 + 17 + 3 + 2 = 96 thousand
    assert shares["agrees"].tolist() == [False, False, True, True]
    assert "of the sequences 76.1 %" in shares["note"].iloc[0]  # 150 of 197


def test_lengths_and_ranks_hold(table):
    lengths = table[table.index.str.contains("mean length")]
    assert lengths["computed"].iloc[0] == pytest.approx(74_000 / 150 / 25)
    assert lengths["agrees"].all()
    above = table[table.index.str.contains("baselines that TC is above")]
    assert above["computed"].tolist() == [4, 4]
    assert above["note"].str.contains("entropy, by 0.002").tolist() == [True, False]
    assert table[table.index.str.contains("total budget")]["agrees"].all()
