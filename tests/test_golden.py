"""Results that change without a new REVISION are caught: tiny runs of a study against tests/golden/<study>.csv.

Which runs these are is in <study>.yaml beside it: parameters of the `grid` of the method module that it names. What a run
asked for is in <study>.selections.json.xz. To write a study's anew after a change of results (and of its revision):
ALNB_GOLDEN=write python -m pytest tests/test_golden.py

On a GPU (ALNB_DEVICE=cuda) the runs have to end with rows of these kinds, not with these values: after a few steps of a
small network its rounding has become 2 to 18 points (state_relabeling on an H200).
"""

import importlib
import os
import pkgutil
from pathlib import Path

import pytest
import yaml

from alnb import methods, records, selections
from alnb.executor import drive
from alnb.machine import device
from alnb.runs import Run
from alnb.store import Store

GOLDEN = Path(__file__).parent / "golden"
STUDIES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))


def runs(study: str) -> list[Run]:
    asked = yaml.safe_load((GOLDEN / f"{study}.yaml").read_text())
    method = importlib.import_module(f"alnb.methods.{asked.pop('method')}")
    return [run for run in method.grid(**asked) if run.study == study]


def test_every_study_has_a_golden_run():
    modules = (importlib.import_module(f"alnb.methods.{m.name}") for m in pkgutil.iter_modules(methods.__path__))
    assert {module.STUDY.name for module in modules if hasattr(module, "STUDY")} == set(STUDIES)


@pytest.mark.parametrize("study", STUDIES)
def test_the_golden_runs_give_what_they_gave(study, tmp_path, monkeypatch):
    monkeypatch.setenv("ALNB_DATA", str(tmp_path / "data"))  # where features are kept; what these runs see is embedded
    store, asked = Store(tmp_path / "store"), runs(study)
    assert asked
    assert not drive(asked, store, workers=1).failed
    if os.environ.get("ALNB_GOLDEN") == "write":
        (GOLDEN / f"{study}.csv").unlink(missing_ok=True)
        records.export(asked, store, GOLDEN)
    verdicts = {str(run): records.compare(run, store, GOLDEN) for run in asked}
    assert None not in verdicts.values(), "another key: a new revision or setting wants a new golden run"
    if device() != "cpu":
        assert all(_shape(store.read(run).steps) == _shape(records.steps(run, GOLDEN)) for run in asked)
        return
    assert set(verdicts.values()) <= {"equal", "within a point"}
    if set(verdicts.values()) == {"equal"}:
        records.export(asked, store, tmp_path)
        assert selections.of_study(tmp_path, study) == selections.of_study(GOLDEN, study)


def _shape(steps: list[dict]) -> list:
    return [(step["index"], [row["kind"] for row in step["rows"]]) for step in steps]


def test_a_golden_row_that_is_another_is_seen(tmp_path):
    """Were a result to change by three percent of the test set, the comparison would say so, on any CPU."""
    (run,), store = runs("active_learning"), Store(tmp_path / "store")
    assert not drive([run], store, workers=1).failed
    ((key, (about, *rows)),) = records._lines(GOLDEN / "active_learning.csv")[0].items()
    last = max(i for i, row in enumerate(rows) if row["kind"] == "test")
    rows[last] = rows[last] | {"accuracy": rows[last]["accuracy"] - 3}
    records._write(tmp_path / "active_learning.csv", {key: [about | {"sha256": records._digest(rows)}, *rows]})
    assert records.compare(run, store, tmp_path).startswith("differs: accuracy by up to ")
