"""Tables 1 to 4 and 6 of SCAL, on frames made up by hand."""

import math

import pandas
import pytest
from matplotlib.pyplot import close

from alnb import published
from alnb.audits import scal as audits
from alnb.datasets import reid
from alnb.drawn import scal_tables as tables

RESTYLED = "channel_critic(restyled=True)"


def rows(race, dataset, arms):
    """arms: name -> (mAP, rank 1, rank 5) of seed 0, 1, ..."""
    return [
        {"study": "self_critical_attention", "race": race, "dataset": dataset, "world": True, "method": method, "seed": seed,
         "key": f"{race}{method}{seed}", "kind": "test", "cycle": 1, "labelled": 200, "mAP": ap, "rank 1": first, "rank 5": fifth}
        for method, seeds in arms.items() for seed, (ap, first, fifth) in enumerate(seeds)
    ]  # fmt: skip


FRAME = pandas.DataFrame(
    rows("market", "pedestrians-market", {"label_smoothing": [(40, 50, 60), (44, 52, 62)], "triplet": [(1, 1, 1)] * 3,
                                          "channel_critic": [(45, 55, 65), (47, 55, 67)]})
    + rows("detected", "pedestrians-cuhk03-detected", {"spatial_critic": [(30, 31, 32)]})
    + rows("to_duke", "pedestrians-duke", {
        "label_smoothing": [(10, 20, 30), (12, 20, 30)], "spatial_critic(value='joint')": [(7, 8, 9)],
        "channel_critic": [(11, 21, 31), (15, 23, 33)], RESTYLED: [(17, 27, 37)]})
)  # fmt: skip


def printed(number):
    return published.published("scal", f"Table {number}")


@pytest.fixture(autouse=True)
def _closed():
    yield
    close("all")


def test_table_1_has_the_printed_the_official_and_the_counted(tmp_path):
    one = tables.table_1(printed(1), tmp_path)
    table = one.data.set_index(["dataset", "from"])
    assert table.loc[("dukemtmc-reid", "printed"), "identities"] == 1402
    assert table.loc[("dukemtmc-reid", "official"), "identities"] == 1404
    assert table.loc[("cuhk03-np-detected", "official"), "images"] == 14_097
    assert table.loc[("pedestrians-market", "drawn here"), "training identities"] == 150
    assert table.loc[("market-1501", "printed"), ["query", "boxes"]].tolist() == ["SS", "Hand/DPM"]
    assert "folder here" not in table.index.get_level_values("from")
    assert "Not here: market-1501, dukemtmc-reid, cuhk03-np-labelled, cuhk03-np-detected." in one.alt
    assert one.rows["world"].all()
    assert "dukemtmc-reid (official): 1,404 identities, 36,411 images" in one.alt


def test_table_1_counts_what_the_races_of_the_profile_use_too(tmp_path):
    races = {
        "market": {"dataset": "pedestrians-market", "seeds": 2}, "duke": {}, "epochs": 10, "null": {"like": "market"},
        "to_duke": {"dataset": "pedestrians-tiny-source", "source": "pedestrians-tiny"}, "labelled": {"dataset": "nothing"},
    }  # fmt: skip
    one = tables.table_1(printed(1), tmp_path, races)
    table = one.data.set_index("dataset")
    assert one.data["dataset"].tolist()[-2:] == ["pedestrians-tiny-source", "pedestrians-tiny"]
    assert (one.data["dataset"] == "pedestrians-market").sum() == 1
    assert table.loc["pedestrians-tiny", "from"] == "drawn here"
    pool = reid.load("pedestrians-tiny")
    assert table.loc["pedestrians-tiny", "images"] == len(pool.train) + len(pool.query) + len(pool.gallery)
    assert "The runs of this profile use pedestrians-market, pedestrians-tiny-source, pedestrians-tiny, nothing." in one.alt
    assert "pedestrians-tiny" in set(one.rows["dataset"])


def test_table_2_quotes_others_and_puts_ours_beside_scals():
    one = tables.table_2(FRAME, printed(2))
    table = one.data.set_index("method")
    assert len(table) == 24 + 1
    assert table.loc["SPReID", ["from", "network"]].tolist() == ["[12]", "resnet152"]
    assert table.loc["SCAL (channel)", ["mAP, printed", "mAP, here", "mAP, n"]].tolist() == [89.3, 46, 2]
    assert table.loc["no attention", "mAP, here"] == 42
    assert table.loc["no attention", ["mAP, printed"]].isna().all()
    assert table["mAP, here"].notna().sum() == 2
    assert "SCAL (channel): mAP 46.0 ± 1.4 (printed 89.3), rank 1 55.0 ± 0.0 (printed 95.8)" in one.alt
    assert "23 rows of printed numbers alone" in one.alt  # SCAL (spatial) did not run
    assert "triplet" not in one.figure.get_supxlabel()


def test_table_4_is_of_two_kinds_of_boxes():
    table = tables.table_4(FRAME, printed(4)).data.set_index("method")
    spatial = table.loc["SCAL (spatial)"]
    assert spatial[["labelled mAP, printed", "detected mAP, printed", "detected mAP, here"]].tolist() == [71.5, 68.2, 30]
    assert table.loc["SCAL (spatial)", "labelled mAP, n"] == 0
    assert table.loc[["PCB+RPP"], "labelled mAP, printed"].isna().all()  # printed as -


def test_table_6_goes_both_ways_and_knows_the_restyled_source():
    one = tables.table_6(FRAME, printed(6))
    table = one.data.set_index("method")
    assert list(table.index)[:2] == ["PTGAN", "SPGAN"]
    assert table.loc["no attention", ["M→D mAP, printed", "M→D mAP, here", "D→M mAP, printed"]].tolist() == [13.1, 11, 18.8]
    assert table.loc["SCAL (channel), restyled source", ["M→D rank 1, printed", "M→D rank 1, here"]].tolist() == [48.4, 27]
    assert table.loc["spatial_critic(value='joint')", "M→D mAP, here"] == 7  # an arm of one's own is a row of its own
    assert table["D→M mAP, n"].sum() == 0
    assert table.loc["no attention", "over"] == ""
    assert table.loc["SCAL (channel)", ["over", "M→D mAP, gain", "M→D mAP, gain, n"]].tolist() == ["no attention", 2, 2]
    restyled = table.loc["SCAL (channel), restyled source"]  # seed 0 alone: 17 - 11, not 17 less the mean of two seeds
    assert restyled[["over", "M→D mAP, gain", "M→D mAP, gain, n"]].tolist() == ["SCAL (channel)", 6, 1]
    assert math.isnan(restyled["M→D mAP, gain, low"])
    assert "SCAL (channel): M→D mAP 13.0 ± 2.8, +2.0 (-10.7 to +14.7) on no attention (printed 16.4)" in one.alt
    assert "the colours of the target's cameras" in one.figure.get_supxlabel().replace("\n", " ")


@pytest.mark.parametrize(("draw", "number"), [(tables.table_2, 2), (tables.table_3, 3), (tables.table_4, 4), (tables.table_6, 6)])
def test_what_did_not_run_is_said(draw, number, capsys):
    assert draw(FRAME[FRAME["method"] == "triplet"], printed(number)) is None
    assert "no runs at this profile" in capsys.readouterr().out


def test_the_official_counts_are_those_the_audit_holds_table_1_against():
    table = published.audit("scal", checks=[audits.statistics_of_data]).set_index("check")["computed"]
    assert table["Table 1: images, dukemtmc-reid"] == tables.official("dukemtmc-reid")["images"]
    assert table["Table 1: identities, dukemtmc-reid"] == tables.official("dukemtmc-reid")["identities"]
