"""The audit of thesis chapter 2, and what is special in its claims, against arithmetic done by hand."""

import pandas
import pytest

from alnb import claims, published
from alnb.audits import temporal_coherence as audits
from tests.result_frames import results


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


CURVES = {("tc", 0): [0.1, 0.3, 0.4], ("tc", 1): [0.1, 0.33, 0.44], ("tc", 2): [0.1, 0.5, 0.6], ("random_r", 0): [0.1, 0.2, 0.2]}
ALL = {("all_data", 0): [0.4], ("all_data", 1): [0.55], ("all_data", 3): [0.5]}


def rows():
    """60, 115 and 200 labels of 1,000; Random runs a cycle further."""
    about = {"world": True, "race": "roads", "study": "temporal_coherence", "metric": "AP"}
    curves = CURVES | {("random", 0): [0.1, 0.2, 0.3, 0.4]}
    return pandas.concat([results(curves, "roads-near", labelled=[60, 115, 200, 300], **about),
                          results(ALL, "roads-near", labelled=[1000], **about)])  # fmt: skip


def test_relative_to_all_data_is_paired_by_seed():
    one = audits.relative_to_all(rows()).droplevel(["race", "dataset", "world"])
    assert one.to_dict() == pytest.approx({("random", 0): 0.75, ("random_r", 0): 0.5, ("tc", 0): 1.0, ("tc", 1): 0.8})
    early = audits.relative_to_all(rows(), most=12).droplevel(["race", "dataset", "world"])
    assert early.to_dict() == pytest.approx({("random", 0): 0.5, ("random_r", 0): 0.5, ("tc", 0): 0.75, ("tc", 1): 0.6})
    assert audits.relative_to_all(rows()[lambda frame: frame["method"] != "all_data"]).empty


def test_more_than_95_percent_by_12_percent_is_tested():
    (asked,) = (one for one in claims.read("06_temporal_coherence").to_dict("records") if "95%" in one["quote"])
    ledger = claims.ledger(rows(), pandas.DataFrame([asked]), special=audits.SPECIAL)
    (said,) = ledger.to_dict("records")
    assert (said["difference"], said["seeds"], said["planned"]) == (pytest.approx((0.75 + 0.6) / 2 - 0.95), 2, 3)
    assert asked["published_effect"] == pytest.approx(0.599 / 0.628 - 0.95, abs=5e-4)


def test_a_narrow_gap_is_the_printed_one_and_the_oracle_is_tested_too():
    asked = claims.read("06_temporal_coherence")
    narrow = asked[asked["quote"].str.startswith("The narrow gap")].set_index("comparator")
    assert set(narrow.index) == {"tc", "random_r"}
    assert narrow.loc["tc", "band"] <= narrow.loc["tc", "published_effect"] == pytest.approx(0.607 - 0.599)
    assert narrow.loc["random_r", ["direction", "published_effect"]].tolist() == ["higher", 0.029]
