"""The ledgers of several profiles as one line a claim."""

from alnb.glance import glance, tally


def row(setting, verdict, name="c1", **more):
    about = {"id": name, "setting": setting, "verdict": verdict, "quote": "better", "method": "margin", "comparator": "random"}
    return about | {"difference": "0.5", "low": "0.1", "high": "0.9", "seeds": "10", "planned": "10", "kind": "primary"} | more


def cells(ledgers):
    (entry,) = glance(ledgers)
    return [cell and (cell["verdict"], cell["profile"]) for cell in entry["cells"]]


def test_the_profile_nearest_to_the_paper_that_ran_speaks_and_whole_before_interim():
    ledgers = [
        ("paper", [row("real data", "not run"), row("world", "not run")]),
        ("reduced", [row("real data", "holds (interim)")]),
        ("frozen", [row("real data", "reversed")]),
        ("world", [row("world", "equivalent")]),
    ]
    assert cells(ledgers) == [("reversed", "frozen"), ("equivalent", "world"), None, None]
    assert cells(ledgers[:2]) == [("holds", "reduced"), ("not run", "paper"), None, None]


def test_of_interim_rows_that_of_most_seeds_speaks():
    ledgers = [
        ("frozen", [row("world", "holds (interim)", seeds="1")]),
        ("world", [row("world", "reversed (interim)", seeds="7")]),
        ("laptop", [row("world", "cannot be told (interim)", seeds="7")]),
    ]
    assert cells(ledgers)[1] == ("reversed", "world")
    assert cells(ledgers[:1])[1] == ("holds", "frozen")


def test_the_contrast_is_that_of_real_data_or_a_world_and_of_no_placebo():
    placebo = row("placebo", "holds", comparator="margin_permuted")
    world = row("world", "holds", method="margin(k=2)")
    real = row("real data", "not run", comparator="vaal")
    contrasts = [
        glance(ledgers)[0]["contrast"]
        for ledgers in ([("frozen", [placebo]), ("world", [world])], [("frozen", [placebo]), ("reduced", [real])],
                        [("frozen", [real, placebo]), ("world", [world])], [("frozen", [placebo])])
    ]  # fmt: skip
    assert contrasts == ["margin(k=2) − random", "margin − vaal", "margin(k=2) − random", "margin − margin_permuted"]


def test_null_scores_stand_where_a_null_world_would_and_say_so():
    ledger = [row("world", "holds"), row("null scores", "cannot be told", method="margin_permuted")]
    assert cells([("world", ledger)]) == [None, ("holds", "world"), ("cannot be told", "world"), None]
    (entry,) = glance([("world", ledger)])
    assert [cell and cell["named"] for cell in entry["cells"]] == [None, "", "null scores", None]
    assert [tally([entry], setting) for setting in ("null scores", "null world")] == ["1 cannot be told", ""]
    assert cells([("world", [*ledger, row("null world", "not run")])])[2] == ("not run", "world")


def test_primary_claims_stand_first_and_are_counted_by_setting():
    rows = [row("world", "holds", "a", kind="secondary"), row("world", "cannot be told (interim)", "b", seeds="3"),
            row("world", "holds", "c")]  # fmt: skip
    entries = glance([("world", rows)])
    assert [entry["id"] for entry in entries] == ["b", "c", "a"]
    assert entries[0]["cells"][1]["text"] == "+0.50 (0.10 to 0.90), 3 of 10 seeds"
    assert tally(entries, "world") == "2 hold, 1 cannot be told (1 interim)"
    assert tally(entries, "real data") == ""


def test_a_ledger_that_lacks_columns_does_no_harm():
    (entry,) = glance([("world", [{"id": "c1", "verdict": "holds"}])])
    assert entry["cells"] == [None] * 4
