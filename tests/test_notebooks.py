"""Parameters, profiles and their refusals, all before a kernel starts; then one notebook for real, at `smoke`."""

import json
import subprocess
import sys
import time

import nbformat
import pytest
from papermill.inspection import inspect_notebook

from alnb import REPOSITORY, cli, notebooks
from alnb.errors import BadRequest
from alnb.notebooks import parse_parameters

NAMES = notebooks.names()
FIRST = "01_label_dispersion"


def refused(capsys, *arguments):
    began = time.process_time()
    assert cli.main(list(arguments)) == 2
    assert time.process_time() - began < 30  # no kernel, no training: process time of this test alone
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.count("\n") == 1
    return out.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "01", "-p", "epoch", "3"], "unknown parameter 'epoch'; did you mean epochs?"),
        (["run", "01", "-p", "epochs", "many"], "epochs = 'many' (str): expected int"),
        (["run", "01", "-p", "epochs", "-3"], "epochs = -3: expected at least 1"),
        (["run", "01", "-p", "methods", "[random, margn]"], "did you mean 'margin'"),
        (["run", "01", "-p", "dataset", "cifar"], "unknown dataset 'cifar': did you mean cifar-10"),
        (["run", "01", "-p", "budget", "5000"], "more than the pool's"),
        (["run", "01", "-p", "seeds", "[]"], "seeds of glyphs-10 is empty"),
        (["run", "01", "--profile", "papr"], "no profile 'papr'; did you mean paper?"),
        (["run", "99"], "no notebook '99': there are"),
        (["compute", "01", "--workers", "0"], "--workers 0: expected at least 1"),
        (["compute", "01", "-p", "network", "vgg"], "expected one of 'small', 'resnet18'"),
        (["data", "cifar-11"], "unknown dataset 'cifar-11'"),
        (["records", "import", "nothing.csv"], "nothing.csv is not a file of records"),
    ],
)
def test_a_bad_request_is_one_clear_line(capsys, arguments, says):
    assert says in refused(capsys, *arguments)


def test_paper_without_its_data_is_refused_with_where_to_get_it(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("ALNB_DATA", str(tmp_path))
    notebooks.dataset_status.cache_clear()
    monkeypatch.setattr(notebooks.records, "steps", lambda run, where=None: None)
    said = refused(capsys, "run", "01", "--profile", "paper")
    notebooks.dataset_status.cache_clear()
    for part in (
        "nothing can be drawn",
        "cifar-10 is missing",
        "alnb data cifar-10 --download",
        "glyphs-10 runs without",
    ):
        assert part in said


@pytest.mark.parametrize("content", ["- a list", "just words", "title: 3", "title: [unclosed"])
def test_a_yaml_that_is_no_mapping_is_refused(content, tmp_path, monkeypatch, capsys):
    (tmp_path / f"{FIRST}.yaml").write_text(content)
    monkeypatch.setattr(notebooks, "CONFIG", tmp_path)
    notebooks.config.cache_clear()
    said = refused(capsys, "run", "01")
    notebooks.config.cache_clear()
    assert f"{FIRST}.yaml" in said


@pytest.mark.parametrize(
    "source",
    [
        "x = 3",
        "x: int",
        "x: int = y",
        "x: dict = {}",
        "x, y = 1, 2",
        "x: int = 'three'",
        "x: int | None = 3",
        "import os",
    ],
)
def test_parameters_that_are_no_typed_literals_are_refused(source):
    with pytest.raises(BadRequest):
        parse_parameters(source, "a notebook")


def test_a_second_equals_sign_or_a_hash_in_a_string_keeps_its_parameter():
    found = parse_parameters('a: str = "x=1 # not a comment"  # is = one\nb: list[int] = [1, 2]', "a notebook")
    assert found["a"].default == "x=1 # not a comment"
    assert found["a"].help == "is = one"
    assert found["b"].default == [1, 2]


@pytest.mark.parametrize("name", NAMES)
def test_papermill_finds_the_parameters_that_we_find(name):
    assert set(inspect_notebook(notebooks.FOLDER / f"{name}.ipynb")) == set(notebooks.parameters(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_is_possible_and_every_artefact_is_drawn_by_a_cell(name):
    for profile in notebooks.profiles(name):
        assert notebooks.plan(name, profile).runs
    source = (notebooks.FOLDER / f"{name}.ipynb").read_text()
    for artefact in notebooks.config(name)["artefacts"]:
        assert f'\\"{artefact}\\"' in source


@pytest.mark.parametrize("name", NAMES)
def test_sources_are_stripped_typed_and_short(name):
    content = nbformat.read(notebooks.FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(content)
    assert content.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in content.cells]
    assert len(set(ids)) == len(ids)
    for cell in content.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert len(cell.source.splitlines()) <= 40


def test_laptop_asks_what_world_asks():
    for name in NAMES:
        if "world" in notebooks.profiles(name):
            world = {run.key for run in notebooks.plan(name, "world").runs}
            assert {run.key for run in notebooks.plan(name).runs} <= world


def test_an_override_makes_the_profile_custom_and_an_equal_value_does_not():
    assert notebooks.plan(FIRST, "smoke", {"epochs": 7}).label == "smoke-custom"
    assert notebooks.plan(FIRST, "smoke", {"dataset": "digits"}).label == "smoke"


def test_in_lab_a_profile_is_chosen_by_the_environment_and_an_edited_cell_wins(monkeypatch, capsys):
    monkeypatch.setenv("ALNB_PROFILE", "smoke")
    namespace = {name: p.default for name, p in notebooks.parameters(FIRST).items()} | {"epochs": 5}
    nb = notebooks.notebook(FIRST, namespace)
    assert (nb.profile, namespace["dataset"], namespace["epochs"]) == ("smoke-custom", "digits", 5)


QUICK = """
import sys, {module}
heavy = {{"torch", "torchvision", "matplotlib", "dask", "distributed", "papermill", "seaborn", "sklearn", "scipy"}}
print(",".join(sorted(heavy & set(sys.modules))))
"""


@pytest.mark.parametrize(
    "module", ["alnb", "alnb.cli", "alnb.notebooks", "alnb.methods.label_dispersion", "alnb.report"]
)
def test_what_must_be_quick_imports_nothing_heavy(module):
    done = subprocess.run(
        [sys.executable, "-c", QUICK.format(module=module)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_status_and_refusals_import_nothing_heavy():
    program = QUICK.format(module="alnb.cli") + (
        "\nfor arguments in (['status'], ['run', '01', '-p', 'epoch', '3'], ['data']):\n    alnb.cli.main(arguments)\n"
        "print('HEAVY ' + ','.join(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY "


TRAINS = """
import sys, tempfile
from alnb.executor import drive
from alnb.methods import label_dispersion as ch3
from alnb.store import Store
runs = ch3.grid("digits", ["k_center"], [0], pool=60, initial=10, budget=5, cycles=1, epochs=1, network="small")
assert not drive(runs, Store(tempfile.mkdtemp()), workers=1).failed
print(",".join(sorted({"dask", "distributed", "papermill", "cvxpy", "maxflow", "seaborn", "torchmetrics"} & set(sys.modules))))
"""


def test_what_trains_and_selects_imports_no_engine_and_no_notebook():
    done = subprocess.run([sys.executable, "-c", TRAINS], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_exercise_checks_say_what_is_wrong_and_never_raise(capsys):
    assert notebooks.check("a", 1.0, 1.0)
    assert not notebooks.check("b", None, 1.0)
    assert not notebooks.check("c", [1, 2], [1, 2, 3])
    assert not notebooks.check("d", "words", 1.0)
    assert not notebooks.check("e", 0.8, 0.9)
    said = capsys.readouterr().out
    assert "a: correct" in said
    assert "b: not solved yet" in said
    assert "the shape is (2,), expected (3,)" in said
    assert "e: you have 0.8, expected 0.9" in said


def test_the_notebook_at_smoke_draws_its_artefacts_and_a_second_run_computes_nothing(tmp_path):
    command = [sys.executable, "-m", "alnb.cli", "run", "01", "--profile", "smoke", "--workers", "1"]
    first = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert first.returncode == 0, first.stderr
    folder = tmp_path / "figures" / "smoke"
    manifest = json.loads((folder / "manifest.json").read_text())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for entry in manifest:
        assert len(entry["alt"]) > 20
        assert entry["real"]  # digits are scans
        assert all((folder / name).stat().st_size for name in entry["files"])
    assert {"thesis-fig-3.1", "thesis-fig-3.4", "thesis-fig-3.5a", "thesis-fig-3.6a", "thesis-table-3.1"} <= {
        entry["id"] for entry in manifest
    }
    page = (tmp_path / "executed" / "smoke" / f"{FIRST}.html").read_text()
    assert "No description has been provided" not in page
    second = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert "0 steps computed" in second.stdout
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    pictures = [name for name in before if name.endswith((".svg", ".png", ".csv"))]
    assert [name for name in pictures if before[name] != after[name]] == []


def test_a_profile_whose_data_is_absent_draws_what_the_records_hold(tmp_path, monkeypatch):
    monkeypatch.setenv("ALNB_DATA", str(tmp_path / "nothing"))
    notebooks.dataset_status.cache_clear()
    made = notebooks.plan(FIRST, "reduced")
    assert any(notebooks.records.steps(run) for run in made.runs)
    well, done = notebooks.execute(made, draw=True)
    notebooks.dataset_status.cache_clear()
    assert well, done["error"]
    assert done["computed"] == 0
    drawn = {
        entry["id"]: entry for entry in json.loads((tmp_path / "figures" / "reduced" / "manifest.json").read_text())
    }
    assert drawn["thesis-fig-3.6a"]["real"]
    assert "thesis-fig-3.1" not in drawn  # its photographs are not here
