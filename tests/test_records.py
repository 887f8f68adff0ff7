import dataclasses

import pytest

from alnb import races, records, runs, selections
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.store import Store
from tests import toy_study
from tests.tiny import grid

STUDY = "tests.toy_study"


@pytest.fixture
def kept(tmp_path):
    store, runs = Store(tmp_path / "store"), toy_study.runs([0, 1])
    drive(runs, store, workers=1, oracle=toy_study.human)
    where = tmp_path / "records"
    assert records.export(runs, store, where).added == 2
    return store, runs, where


def test_a_record_gives_the_rows_of_the_store(kept):
    store, runs, where = kept
    for run in runs:
        found = records.steps(run, where)
        assert [step["rows"] for step in found] == [step["rows"] for step in store.read(run).steps]
        assert records.compare(run, store, where) == "equal"


def test_a_study_says_what_is_kept_of_its_rows(tmp_path, monkeypatch):
    store, run, where = Store(tmp_path / "store"), toy_study.runs([0])[0], tmp_path / "records"
    drive(store=store, runs=[run], workers=1, oracle=toy_study.human)
    short = lambda run, rows: rows[-1:]
    monkeypatch.setattr(records, "study_of", lambda name: dataclasses.replace(runs.study(name), kept=short))
    assert records.export([run], store, where).added == 1
    assert [row for step in records.steps(run, where) for row in step["rows"]] == [
        step["rows"][-1] for step in store.read(run).steps
    ]
    assert records.export([run], store, where).equal == 1
    assert records.compare(run, store, where) == "equal"


def test_exporting_again_changes_nothing_and_keeps_what_is_no_longer_in_the_store(kept, tmp_path):
    store, runs, where = kept
    before = (where / f"{STUDY}.csv").read_bytes()
    assert records.export(runs, store, where) == records.Exported(equal=2)
    assert records.export(runs, Store(tmp_path / "empty"), where) == records.Exported()
    assert (where / f"{STUDY}.csv").read_bytes() == before


def test_selections_are_kept_apart_in_order(kept):
    store, runs, where = kept
    selection = selections.of_study(where, STUDY)[runs[0].key[: records.SHORT]]
    asked = [query for step in store.read(runs[0]).steps for query in step["queries"]]
    assert selection["labelled"] == asked
    assert selection["batches"][0] == 0
    assert sum(selection["batches"]) == len(asked)
    assert (selection["dataset"], selection["seed"]) == (runs[0].dataset, runs[0].seed)


def test_a_record_whose_rows_were_changed_is_left_out_with_a_warning_and_refused_on_import(kept, tmp_path):
    _, runs, where = kept
    path = where / f"{STUDY}.csv"
    lines = path.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if '"pairs"' in line and '"run"' not in line)
    lines[at] = lines[at].replace(",2,", ",7,").replace(",1,", ",7,").replace(",0,", ",7,", 1)
    damaged = tmp_path / "theirs" / path.name
    damaged.parent.mkdir()
    damaged.write_text("\n".join(lines) + "\n")
    with pytest.warns(UserWarning, match="checksum"):
        assert [records.steps(run, damaged.parent) is None for run in runs].count(True) == 1
    with pytest.raises(BadRequest, match="checksum"):
        records.import_file(damaged, tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


def test_an_import_adds_what_is_new_once(kept, tmp_path):
    store, runs, where = kept
    ours = tmp_path / "ours"
    records.export(runs[:1], store, ours)
    assert records.import_file(where / f"{STUDY}.csv", ours) == 1
    assert records.import_file(where / f"{STUDY}.csv", ours) == 0
    assert all(records.steps(run, ours) for run in runs)


def test_several_files_are_taken_together_or_none(kept, tmp_path):
    store, runs, where = kept
    halves, ours = (tmp_path / "a", tmp_path / "b"), tmp_path / "ours"
    for half, part in zip(halves, (runs[:1], runs[1:])):
        records.export(part, store, half)
    files = [half / f"{STUDY}.csv" for half in halves]
    whole = files[1].read_text()
    files[1].write_text(whole.replace(runs[1].key[:16], "0" * 16))
    with pytest.raises(BadRequest, match="00000000 is not the key"):
        records.import_files(files, ours)
    assert not ours.exists()
    files[1].write_text(whole)
    assert records.import_files(files, ours) == [1, 1]
    assert selections.of_study(ours, STUDY) == selections.of_study(where, STUDY)


def test_an_import_that_cannot_be_written_leaves_what_was_there(kept, tmp_path, monkeypatch):
    store, runs, where = kept
    ours = tmp_path / "ours"
    records.export(runs[:1], store, ours)
    before = {path.name: path.read_bytes() for path in ours.iterdir()}

    def full(path, lines):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records, "_write", full)
    for target in (ours, tmp_path / "anew"):
        with pytest.raises(OSError, match="No space"):
            records.import_file(where / f"{STUDY}.csv", target)
    assert {path.name: path.read_bytes() for path in ours.iterdir()} == before
    assert not list((tmp_path / "anew").glob("*.csv*"))


@pytest.mark.parametrize("change", [{"dataset": "nothing"}, {"seed": 77}])
def test_a_selection_of_another_run_is_refused_and_nothing_is_taken(kept, tmp_path, change):
    _, _, where = kept
    path = selections.path_of(where, STUDY)
    known = selections.read(path)
    first = next(iter(known))
    selections.write(path, known | {first: known[first] | change})
    with pytest.raises(BadRequest, match=f"selection of {first} is not that of its record: {next(iter(change))}"):
        records.import_file(where / f"{STUDY}.csv", tmp_path / "ours")
    assert not list((tmp_path / "ours").glob("*.csv*"))


def test_a_selection_beyond_the_training_set_is_another():
    lines = [{"kind": "run", "dataset": "digits", "seed": 0}]
    asked = {"dataset": "digits", "seed": 0, "labelled": [3, 1296]}
    assert records._another(lines, asked) == ""
    assert records._another(lines, asked | {"labelled": [3, 1297]}) == "position 1297 of 1,297"
    assert records._another(lines, asked | {"labelled": [[3, 5000]]}) == "position 5000 of 1,297"


def test_a_result_that_changed_is_told(kept, tmp_path):
    _, runs, where = kept
    changed = Store(tmp_path / "changed")
    drive(runs, changed, workers=1, oracle=lambda run, queries: ["no"] * len(queries))
    assert records.compare(runs[0], changed, where) == "differs"
    assert records.compare(toy_study.runs([5])[0], changed, where) is None


def test_the_seconds_of_a_run_are_kept_as_sums_over_its_steps(kept):
    store, runs, where = kept
    steps = store.read(runs[0]).steps
    took = records.steps(runs[0], where)[-1]["provenance"]["timings"]
    assert set(took) == {name for step in steps for name in step["provenance"]["timings"]} & set(records.TIMINGS)
    assert took["seconds"] == pytest.approx(sum(step["provenance"]["timings"]["seconds"] for step in steps), abs=0.01)


# --- what was written before an evaluation was of kind "test" -----------------------------------------------------------


@pytest.fixture
def old(tmp_path):
    """A run of today, and its record as it was once written: an evaluation was of kind "accuracy"."""
    store, (run,), where = Store(tmp_path / "store"), grid(["random"], cycles=1), tmp_path / "records"
    assert not drive([run], store, workers=1).failed
    records.export([run], store, where)
    path = where / f"{run.study}.csv"
    ((key, (about, *rows)),) = records._lines(path)[0].items()
    rows = [row | {"kind": "accuracy"} if row["kind"] == "test" else row for row in rows]
    assert sum(row["kind"] == "accuracy" for row in rows) == 2
    records._write(path, {key: [about | {"sha256": records._digest(rows)}, *rows]})
    return store, run, path


def test_an_old_record_is_read_as_one_of_today(old):
    store, run, path = old
    assert '"accuracy"""' in path.read_text()
    found = records.steps(run, path.parent)
    assert [step["rows"] for step in found] == [step["rows"] for step in store.read(run).steps]
    assert "accuracy" not in {row["kind"] for step in found for row in step["rows"]}
    assert records.compare(run, store, path.parent) == "equal"


def test_an_old_record_is_read_only_after_its_checksum(old):
    """Of the rows as they stand in the file: renaming a kind there is a change like any other."""
    _, run, path = old
    path.write_text(path.read_text().replace('"""accuracy"""', '"""test"""'))
    with pytest.warns(UserWarning, match="do not match their checksum"):
        assert records.steps(run, path.parent) is None


def test_exporting_over_an_old_record_changes_nothing_and_an_import_takes_it_as_it_is(old, tmp_path):
    store, run, path = old
    before = path.read_bytes()
    assert records.export([run], store, path.parent) == records.Exported(equal=1)
    assert path.read_bytes() == before
    assert records.import_file(path, tmp_path / "ours") == 1
    assert (tmp_path / "ours" / path.name).read_bytes() == before
    assert records.compare(run, store, tmp_path / "ours") == "equal"


# --- the batches of a run that goes on ----------------------------------------------------------------------------------


def test_the_selection_of_a_further_run_has_the_batches_of_the_run_before_it(tmp_path):
    store, (run,) = Store(tmp_path / "store"), grid(["random"])
    further = races.further_run(run, 2)
    again = races.further_run(further, 1)
    assert not drive([again], store, workers=1).failed
    records.export([run, further, again], store, tmp_path)
    kept = selections.of_study(tmp_path, run.study)
    batches = {one: kept[one.key[: records.SHORT]]["batches"] for one in (run, further, again)}
    assert batches == {run: [20, 10, 10], further: [20, 10, 10, 10, 10], again: [20, 10, 10, 10, 10, 10]}
    for one in batches:
        assert kept[one.key[: records.SHORT]]["labelled"] == store.read(one).steps[-1]["state"]["labelled"]


def test_retraining_the_selection_of_a_further_run_gives_its_curve_from_the_first_labels_on(tmp_path):
    store, (run,) = Store(tmp_path / "store"), grid(["random"])
    further = races.further_run(run, 1)
    assert not drive([further], store, workers=1).failed
    records.export([further], store, tmp_path)
    (one,) = selections.of_study(tmp_path, run.study).values()
    (retrained,) = races.retrained_selections(run.study, [one], run.settings)
    assert not drive([retrained], store, workers=1).failed
    rows = lambda wanted: [row for row in store.read(wanted).rows if row["kind"] == "test"]
    assert rows(retrained) == rows(run) + rows(further)


def test_a_record_under_another_key_than_its_own_is_no_record(kept, tmp_path):
    """Two keys swapped would serve one run as the other."""
    _, runs, where = kept
    path = where / f"{STUDY}.csv"
    one, other = (run.key[: records.SHORT] for run in runs[:2])
    text = path.read_text()
    path.write_text(text.replace(one, "?").replace(other, one).replace("?", other))
    with pytest.warns(UserWarning, match="is not the key of what it says; left out"):
        assert records.steps(runs[0], where) is None
    with pytest.raises(BadRequest):
        records.import_file(path, tmp_path / "elsewhere")


# --- files that people, editors and other programs have touched ----------------------------------------------------------


def damage(text: str, what: str) -> bytes:
    """The text of a file of records after an accident."""
    lines = text.splitlines()
    last = lines[-1].split(",")
    edits = {
        "cut": text[: len(text) // 2],
        "cell": "\n".join([*lines[:-1], ",".join([last[0], "#NAME?", *last[2:]])]),
        "nan": text.replace('"""pairs"""', "NaN", 1),
        "merge": "\n".join([lines[0], "<<<<<<< HEAD", *lines[1:], ">>>>>>> theirs"]),
        "pointer": "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "column": "\n".join([lines[0].replace("kind", "sort"), *lines[1:]]),
        "more": text.replace(lines[-1], lines[-1] + ",1"),
        "nul": text.replace(last[0], last[0] + "\0", 1),
        "brackets": text.replace('"""pairs"""', "[" * 200_000, 1),
        "empty": "",
    }
    encoded = {"utf-16": text.encode("utf-16"), "latin": text.encode() + b"\xff\xe9,1\n"}
    return encoded.get(what) or edits[what].encode()


DAMAGES = ["cut", "cell", "nan", "merge", "pointer", "column", "more", "nul", "brackets", "empty", "utf-16", "latin"]


@pytest.mark.parametrize("what", DAMAGES)
def test_a_touched_file_is_warned_of_gives_no_wrong_record_and_is_imported_not_at_all(kept, tmp_path, what):
    store, runs, where = kept
    path = where / f"{STUDY}.csv"
    path.write_bytes(damage(path.read_text(), what))
    with pytest.warns(UserWarning, match="left out|none of its records is used"):
        found = {run: records.steps(run, where) for run in runs}
    for run, steps in found.items():
        assert steps is None or [s["rows"] for s in steps] == [s["rows"] for s in store.read(run).steps]
    with pytest.raises(BadRequest, match=path.name):
        records.import_file(path, tmp_path / "ours")
    assert not list((tmp_path / "ours").glob("*.csv*"))


def test_a_spreadsheets_byte_order_mark_changes_nothing(kept):
    _, runs, where = kept
    path = where / f"{STUDY}.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert all(records.steps(run, where) for run in runs)


def test_an_export_mends_a_damaged_record_and_writes_nothing_over_lines_that_it_cannot_read(kept):
    store, runs, where = kept
    path = where / f"{STUDY}.csv"
    whole = path.read_bytes()
    path.write_text(path.read_text().replace('"""yes"""', '"""maybe"""').replace(",1,", ",7,"))
    with pytest.warns(UserWarning, match="checksum"):
        assert records.export(runs, store, where).added == 2
    assert path.read_bytes() == whole
    path.write_bytes(merged := damage(whole.decode(), "merge"))
    with pytest.raises(BadRequest, match="mend these lines"):
        records.export(runs, store, where)
    assert path.read_bytes() == merged


def test_other_results_replace_what_is_kept_only_when_asked_to(kept, tmp_path):
    _, runs, where = kept
    before = (where / f"{STUDY}.csv").read_bytes()
    changed = Store(tmp_path / "changed")
    drive(runs, changed, workers=1, oracle=lambda run, queries: ["no"] * len(queries))
    told = records.export(runs, changed, where)
    assert told == records.Exported(differing=2)
    assert "--replace" in str(told)
    assert (where / f"{STUDY}.csv").read_bytes() == before
    assert records.export(runs, changed, where, replace=True) == records.Exported(replaced=2)
    assert records.compare(runs[0], changed, where) == "equal"


def test_exports_at_once_lose_nothing(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    store, runs, where = Store(tmp_path / "store"), toy_study.runs(range(8)), tmp_path / "records"
    drive(runs, store, workers=1, oracle=toy_study.human)
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda run: records.export([run], store, where), runs))
    assert sum(one.added for one in told) == 8 == len(records.load(STUDY, where))
    assert len(selections.of_study(where, STUDY)) == 8
    assert {path.name for path in where.iterdir()} == {".lock", f"{STUDY}.csv", f"{STUDY}.selections.json.xz"}


def test_an_import_takes_the_selections_or_nothing_and_only_those_of_its_records(kept, tmp_path):
    _, runs, where = kept
    beside = selections.path_of(where, STUDY)
    whole = selections.read(beside)
    selections.write(beside, whole | {"0" * 16: whole[runs[0].key[: records.SHORT]]})
    records.import_file(where / f"{STUDY}.csv", tmp_path / "ours")
    assert selections.of_study(tmp_path / "ours", STUDY) == whole
    selections.write(beside, {key: one | {"labelled": one["labelled"][::-1] * 2} for key, one in whole.items()})
    with pytest.raises(BadRequest, match="labelled should be different positions"):
        records.import_file(where / f"{STUDY}.csv", tmp_path / "others")
    assert not list((tmp_path / "others").glob("*.csv"))


def test_a_file_that_is_called_as_no_study_is_refused(kept, tmp_path):
    _, _, where = kept
    other = tmp_path / "my_runs.csv"
    other.write_bytes((where / f"{STUDY}.csv").read_bytes())
    with pytest.raises(BadRequest, match="no study is called my_runs"):
        records.import_file(other, tmp_path / "ours")


def test_selections_that_would_fill_the_memory_or_hang_are_refused(tmp_path, monkeypatch):
    import lzma
    import os

    monkeypatch.setattr(selections, "LARGEST", 1 << 20)
    bomb, pipe = tmp_path / "bomb.json.xz", tmp_path / "pipe.json"
    bomb.write_bytes(lzma.compress(b" " * (4 << 20) + b"{}"))
    os.mkfifo(pipe)
    with pytest.raises(BadRequest, match="inflates to more than 1 MiB"):
        selections.read(bomb)
    with pytest.raises(BadRequest, match="is not a file"):
        selections.read(pipe)
