"""What files may hold after an accident: configurations, notebooks, records, selections, claims, printed numbers.

Each gets one line that names it and exit code 2 (tests/test_bad_input.py does the same for the command line)."""

import json
import lzma

import nbformat
import pytest

from alnb import claims, plans, published, records
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.store import Store
from tests import toy_study
from tests.refusals import nothing_begins, one_line  # noqa: F401 (a fixture)

NAME = "01_label_dispersion"
DEEP = "[" * 20_000


pytestmark = pytest.mark.usefixtures("nothing_begins")


def as_bytes(body):
    return body if isinstance(body, bytes) else body.encode()


# --- nbconfig ---------------------------------------------------------------------------------------------------------------

HEAD = 'title: "A title"\nsource: "A source"\nmethod: label_dispersion\n'
WHOLE = HEAD + "profiles: {}\nartefacts: {}\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{n}: &{n} [{','.join([f'*{m}'] * 9)}]\n" for m, n in zip("abcdefgh", "bcdefghi"))
YAML = {
    "empty": "", "a list": "- 1\n", "words": "just words", "a number": "3", "unclosed": "title: [a\n", "a tab": "title: a\n\tb: c",
    "another encoding": WHOLE.encode("utf-16"), "no text": b"\xff\xfe\x00\xd8", "a NUL": WHOLE.replace("title", "ti\0tle"),
    "an object": WHOLE.replace('"A title"', "!!python/object/apply:os.system [x]"), "two documents": WHOLE + "---\n" + WHOLE,
    "an alias of nothing": WHOLE.replace('"A title"', "*nothing"), "itself": WHOLE.replace('"A title"', "&x [*x]"),
    "a bomb": BOMB + WHOLE.replace('"A title"', "*i"), "brackets": DEEP, "merge marks": "<<<<<<< HEAD\n" + WHOLE,
    "no title": WHOLE.replace("title", "titel"), "a number for a title": WHOLE.replace('"A title"', "3"),
    "no profiles": HEAD + "artefacts: {}\n", "profiles in a list": HEAD + "profiles: [smoke]\nartefacts: {}\n",
    "artefacts in a list": HEAD + "profiles: {}\nartefacts: [thesis-fig-3.1]\n",
    "a method that nobody has": WHOLE.replace("label_dispersion", "nothing"),
    "a method with a path": WHOLE.replace("label_dispersion", "../methods"),
    "a profile of a number": HEAD + "profiles: {smoke: 3}\nartefacts: {}\n",
    "a profile without a name": HEAD + "profiles: {null: {}}\nartefacts: {}\n",
    "a parameter that nobody has": HEAD + "profiles: {smoke: {epoch: 3}}\nartefacts: {}\n",
    "what YAML 1.1 reads as ten": HEAD + "profiles: {smoke: {epochs: 012}}\nartefacts: {}\n",
    "as ninety": HEAD + "profiles: {smoke: {epochs: 1:30}}\nartefacts: {}\n",
    "as eight": HEAD + "profiles: {smoke: {few.seeds: [010]}}\nartefacts: {}\n",
    "as a thousand": HEAD + "profiles: {smoke: {epochs: 1_000}}\nartefacts: {}\n",
    "a half of an epoch": HEAD + "profiles: {smoke: {epochs: 1.5}}\nartefacts: {}\n",
    "a rate that is no number": HEAD + "profiles: {smoke: {lr: .nan}}\nartefacts: {}\n",
    "a race of a number": HEAD + "profiles: {smoke: {few: 3}}\nartefacts: {}\n",
    "arms of a number": HEAD + "profiles: {smoke: {few.arms: [3]}}\nartefacts: {}\n",
    "seeds of a text": HEAD + "profiles: {smoke: {few.seeds: many}}\nartefacts: {}\n",
}  # fmt: skip


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Configurations and notebooks in folders of their own."""
    monkeypatch.setattr(plans, "CONFIG", tmp_path / "nbconfig")
    monkeypatch.setattr(plans, "FOLDER", tmp_path / "notebooks")
    for folder in (plans.CONFIG, plans.FOLDER):
        folder.mkdir()
    write_notebook([PARAMETERS])
    (plans.CONFIG / f"{NAME}.yaml").write_text(WHOLE)
    for cached in (plans.config, plans.parameters):
        cached.cache_clear()
    yield tmp_path
    for cached in (plans.config, plans.parameters):
        cached.cache_clear()


PARAMETERS = 'few: dict = {"dataset": "digits", "arms": ["random"]}\nlr: float = 0.1\nepochs: int = 1\n'


def write_notebook(sources, tags=("parameters",)):
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), plans.FOLDER / f"{NAME}.ipynb")


@pytest.mark.parametrize("what", YAML)
def test_a_configuration(elsewhere, capsys, what):
    (plans.CONFIG / f"{NAME}.yaml").write_bytes(as_bytes(YAML[what]))
    assert NAME in one_line(capsys, "run", "01")


# --- notebooks --------------------------------------------------------------------------------------------------------------

IPYNB = {
    "empty": "", "nothing": "null", "a list": "[]", "a dict": "{}", "cells of a number": '{"cells": 3}',
    "a cell of a number": '{"cells": [3]}', "a cell without metadata": '{"cells": [{"source": "x"}]}',
    "tags of a number": '{"cells": [{"source": "x", "metadata": {"tags": 3}}]}',
    "another encoding": '{"cells": []}'.encode("utf-16"),
    "a source of a number": '{"cells": [{"source": 3, "metadata": {"tags": ["parameters"]}}]}', "no cell": '{"cells": []}',
    "no text": b"\xff\xfe\x00", "brackets": DEEP, "merge marks": '<<<<<<< HEAD\n{"cells": []}\n>>>>>>> theirs',
    "a pointer": "version https://git-lfs.github.com/spec/v1\n",
}  # fmt: skip
CELL = {
    "two cells": [PARAMETERS, PARAMETERS], "a name without a value": ["lr: float"], "no type": ["lr = 3"],
    "an unknown type": ["lr: complex = 3"], "a call": ["lr: float = float(3)"], "a name": ["lr: float = x"],
    "half": ["lr: float = ("],
    "another type": ["lr: float = 'fast'"], "not a number": ["lr: float = 1e999"], "an attribute": ["a.b: int = 3"],
    "two at once": ["a, b = 1, 2"], "a statement": ["import os"], "brackets": [f"few: dict = {DEEP}"], "a NUL": ["lr: float = 3\0"],
    "a race of a list": ["few: dict = []"], "keys of numbers": ["few: dict = {1: 2}"],
    "keys of lists": ["few: dict = {[1]: 2}"],
    "an arm of a number": ["few: dict = {'arms': 3}"],
    "an indent": ["  lr: float = 3"],
}  # fmt: skip


@pytest.mark.parametrize("what", IPYNB)
def test_a_notebook(elsewhere, capsys, what):
    (plans.FOLDER / f"{NAME}.ipynb").write_bytes(as_bytes(IPYNB[what]))
    assert f"{NAME}.ipynb" in one_line(capsys, "run", "01")


@pytest.mark.parametrize("what", CELL)
def test_a_parameters_cell(elsewhere, capsys, what):
    write_notebook(CELL[what])
    one_line(capsys, "run", "01")


# --- records and selections -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """The bytes of a file of records, of the study tests.toy_study."""
    folder, runs = tmp_path_factory.mktemp("record"), toy_study.runs([0, 1])
    store = Store(folder / "store")
    drive(runs, store, workers=1, oracle=toy_study.human)
    records.export(runs, store, folder)
    return (folder / "tests.toy_study.csv").read_text()


def without(text, column):
    return "\n".join([text.splitlines()[0].replace(column, column[::-1]), *text.splitlines()[1:]])


RECORDS = {
    "empty": lambda text: "", "words": lambda text: "just words\n", "JSON": lambda text: "{}",
    "no text": lambda text: b"\xff\xfe\x00",
    "another encoding": lambda text: text.encode("utf-16"), "half a character": lambda text: text.encode() + b"\xe9\n",
    "cut": lambda text: text[: len(text) // 2], "a header alone": lambda text: text.splitlines()[0][:-2] + "\n",
    "no kind": lambda text: without(text, "kind"), "no checksum": lambda text: without(text, "sha256"),
    "another checksum": lambda text: text.replace('"sha256"', '"x"').replace('""0', '""1').replace(",1,", ",7,"),
    "a name of a spreadsheet": lambda text: text.replace(text.splitlines()[-1].split(",")[1], "#NAME?"),
    "not a number": lambda text: text.replace('"""pairs"""', "NaN", 1), "infinity": lambda text: text.replace('"""pairs"""',
    "Infinity", 1),
    "a cell too many": lambda text: text.rstrip("\n") + ",1\n", "merge marks": lambda text: "<<<<<<< HEAD\n" + text,
    "merge marks within": lambda text: text.replace("\n", "\n=======\n", 1), "a pointer": lambda text: "version https://git-lfs\n",
    "a NUL": lambda text: text[:-3] + "\0" + text[-3:], "brackets": lambda text: text.replace('"""pairs"""', DEEP, 1),
    "text for JSON": lambda text: text.replace('"""run"""', "run", 1), "a key of another": lambda text: text.replace("people",
    "others"),
    "semicolons": lambda text: text.replace(",", ";"), "lines twice": lambda text: text + "\n".join(text.splitlines()[1:]) + "\n",
}  # fmt: skip


@pytest.mark.parametrize("what", RECORDS)
def test_records_are_taken_whole_or_not_at_all(record, tmp_path, monkeypatch, capsys, what):
    monkeypatch.setattr(records, "folder", lambda: tmp_path / "ours")
    path = tmp_path / "tests.toy_study.csv"
    path.write_bytes(as_bytes(RECORDS[what](record)))
    if what == "a header alone":  # of which the last column lost its name's end
        path.write_text(record.splitlines()[0].partition(",")[2] + "\n")
    assert path.name in one_line(capsys, "records", "import", path)
    assert not list((tmp_path / "ours").glob("*.csv*"))


@pytest.mark.parametrize("name", ["nothing.csv", "os.csv", "alnb.cli.csv", "a b.csv", "..csv", "some.selections.json.xz"])
def test_records_of_no_study(record, tmp_path, capsys, name):
    (tmp_path / name).write_text(record)
    one_line(capsys, "records", "import", tmp_path / name)


ONE = {"dataset": "glyphs-10", "method": "margin", "seed": 0, "pool": 3000, "labelled": [1, 2, 3], "batches": [2, 1]}
SELECTIONS = {
    "empty.json": "", "list.json": "[1]", "number.json": "3", "bytes.json": bytes(range(256)), "deep.json": DEEP,
    "cut.json": json.dumps({"a": ONE})[:-9], "plain.json.xz": "{}",
    "cut.json.xz": lzma.compress(json.dumps({"a": ONE}).encode())[:-9],
    "of_numbers.json": '{"a": 3}', "null.json": '{"a": null}', "nan.json": json.dumps({"a": ONE | {"seed": float("nan")}}),
} | {
    f"{what}.json": json.dumps({"a": ONE | changed})
    for what, changed in {
        "twice": {"labelled": [1, 1, 2]}, "negative": {"labelled": [-1, 1, 2]}, "float": {"labelled": [0.5, 1, 2]},
        "text": {"labelled": "all"}, "true": {"labelled": [True, 2, 3]}, "batches": {"batches": [2, 2]}, "none": {"batches": []},
        "batch": {"batches": [4, -1]}, "seed": {"seed": "0"}, "pool": {"pool": -5}, "dataset": {"dataset": 3},
        "another": {"dataset": "nothing"}, "far": {"labelled": [1, 2, 3_000_000]},
    }.items()
}  # fmt: skip


@pytest.mark.parametrize("name", SELECTIONS)
def test_selections(tmp_path, capsys, name):
    (tmp_path / name).write_bytes(as_bytes(SELECTIONS[name]))
    one_line(capsys, "compute", "01", "--selections", tmp_path / name)


# --- claims and printed numbers -----------------------------------------------------------------------------------------------

TABLES = {
    "empty": lambda text: "", "words": lambda text: "just words\n", "a line": lambda text: "\n", "cut": lambda text: text[:-20],
    "another encoding": lambda text: text.encode("utf-16"), "half a character": lambda text: text.encode() + b"\xe9\n",
    "a column less": lambda text: without(text, "note"), "a column twice": lambda text: text.replace("note", "paper,note", 1),
    "a cell too many": lambda text: text.rstrip("\n") + ",1\n", "a cell too few": lambda text: text + "a,b\n",
    "a quote that stays open": lambda text: text + '"a,b\n', "merge marks": lambda text: "<<<<<<< HEAD\n" + text,
    "merge marks at the end": lambda text: text + ">>>>>>> theirs\n", "a pointer": lambda text: "version https://git-lfs\n",
    "semicolons": lambda text: text.replace(",", ";"), "a field too long": lambda text: text + "x" * 200_000 + "\n",
    "an empty line": lambda text: text + "\n", "rows gone to one": lambda text: text.replace("\n", " ") + "\n",
}  # fmt: skip
NUMBERS = ["#NAME?", "nan", "inf", "-inf", "1,5", "1e999", "12 %", "twelve", "--", "0x10"]


def put(tmp_path, monkeypatch, folder, source, change):
    text = (published.DATA / folder / f"{source}.csv").read_text(encoding="utf-8")
    (tmp_path / folder).mkdir()
    (tmp_path / folder / f"{source}.csv").write_bytes(as_bytes(change(text)))
    monkeypatch.setattr(published, "DATA", tmp_path)


def refused(read, source):
    with pytest.raises(BadRequest) as why:
        read(source)
    assert "\n" not in str(why.value)
    assert f"{source}.csv" in str(why.value)
    assert len(str(why.value)) < 700


@pytest.mark.parametrize(("folder", "source"), [("claims", NAME), ("published", "dral")])
@pytest.mark.parametrize("what", TABLES)
def test_a_table(tmp_path, monkeypatch, folder, source, what):
    put(tmp_path, monkeypatch, folder, source, TABLES[what])
    refused(claims.read if folder == "claims" else published.published, source)


def in_a_cell(column, value):
    """A change of a table: `value` in that column of its third row."""

    def change(text):
        import csv
        import io

        rows = list(csv.reader(io.StringIO(text)))
        rows[3][rows[0].index(column)] = value
        written = io.StringIO()
        csv.writer(written, lineterminator="\n").writerows(rows)
        return written.getvalue()

    return change


@pytest.mark.parametrize(("folder", "source", "column"), [("claims", NAME, "band"), ("published", "dral", "value")])
@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_of_a_table(tmp_path, monkeypatch, folder, source, column, number):
    put(tmp_path, monkeypatch, folder, source, in_a_cell(column, number))
    refused(claims.read if folder == "claims" else published.published, source)


@pytest.mark.parametrize(("column", "word"), [("kind", "first"), ("kind", ""), ("direction", "up"), ("direction", "Higher")])
def test_a_word_of_a_claim(tmp_path, monkeypatch, column, word):
    """Any other direction would be a claim that nothing can reverse."""
    put(tmp_path, monkeypatch, "claims", NAME, in_a_cell(column, word))
    refused(claims.read, NAME)


@pytest.mark.parametrize(("folder", "source"), [("claims", NAME), ("published", "dral")])
def test_a_byte_order_mark_and_lines_of_windows_change_nothing(tmp_path, monkeypatch, folder, source):
    read = claims.read if folder == "claims" else published.published
    plain = read(source)
    put(tmp_path, monkeypatch, folder, source, lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read(source).equals(plain)
