"""What a notebook's cells call; then one notebook for real, at `smoke`."""

import json
import subprocess
import sys

import nbformat
import pytest

from alnb import REPOSITORY, notebooks, plans
from alnb.errors import BadRequest

NAMES = plans.names()
FIRST = "01_label_dispersion"


@pytest.mark.parametrize("name", NAMES)
def test_sources_are_stripped_typed_and_short(name):
    content = nbformat.read(plans.FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(content)
    assert content.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in content.cells]
    assert len(set(ids)) == len(ids)
    for cell in content.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert len(cell.source.splitlines()) <= 40


def test_in_lab_a_profile_is_chosen_by_the_environment_and_an_edited_cell_wins(monkeypatch, capsys):
    monkeypatch.setenv("ALNB_PROFILE", "smoke")
    namespace = {name: p.default for name, p in plans.parameters(FIRST).items()} | {"epochs": 5}
    nb = notebooks.notebook(FIRST, namespace)
    assert (nb.profile, namespace["dataset"], namespace["epochs"]) == ("smoke-custom", "digits", 5)


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
        assert entry["real"]  # digits are scans,
        assert entry["plumbing"] == bool(entry["runs"]) or entry["datasets"] == ["digits"]  # and still no evidence
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
    plans.dataset_status.cache_clear()
    made = plans.plan(FIRST, "reduced")
    assert any(plans.records.steps(run) for run in made.runs)
    well, done = notebooks.execute(made, draw=True)
    plans.dataset_status.cache_clear()
    assert well, done["error"]
    assert done["computed"] == 0
    drawn = {
        entry["id"]: entry for entry in json.loads((tmp_path / "figures" / "reduced" / "manifest.json").read_text())
    }
    assert drawn["thesis-fig-3.6a"]["real"]
    assert "thesis-fig-3.1" not in drawn  # its photographs are not here


def test_a_misspelt_parameter_in_the_cell_is_refused(monkeypatch):
    monkeypatch.delenv("ALNB_PARAMETERS", raising=False)
    cell = dict.fromkeys(plans.parameters(FIRST), int)
    known = {name: parameter.default for name, parameter in plans.parameters(FIRST).items()}
    del cell["epochs"]
    with pytest.raises(BadRequest, match="has no parameter 'epoch'; did you mean 'epochs', which is missing"):
        notebooks.notebook(FIRST, known | {"epoch": 12, "__annotations__": cell | {"epoch": int}})
    later = known | {
        "__annotations__": dict.fromkeys(plans.parameters(FIRST), int) | {"epoch": int}
    }  # a cell's own name
    assert notebooks.notebook(FIRST, later).parameters == known


def test_a_seed_whose_runs_come_from_cpu_and_gpu_is_named():
    runs = plans.plan(FIRST, "smoke").runs[:3]
    step = lambda device: [{"provenance": {}}, {"provenance": {"device": device}}]
    assert notebooks.mixed_devices([(run, step("cpu")) for run in runs]) == {}
    pairs = list(zip(runs, map(step, ("cpu", "NVIDIA H200", "NVIDIA H200"))))
    assert notebooks.mixed_devices(pairs) == {"digits seed 0": ["cpu", "gpu"]}
    assert notebooks.mixed_devices(pairs[1:]) == {}
