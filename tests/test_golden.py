"""Results that change without a new REVISION are caught: one tiny run a study against tests/golden/<study>.csv.

To write it anew after a change of results (and of the study's revision): ALNB_GOLDEN=write python -m pytest tests/test_golden.py
"""

import importlib
import os
import pkgutil
from pathlib import Path

import pytest

from alnb import methods, records
from alnb.executor import drive
from alnb.methods import active_learning, label_dispersion, pseudo_labels
from alnb.runs import Run
from alnb.store import Store

GOLDEN = Path(__file__).parent / "golden"
TINY = {"pool": 200, "initial": 30, "budget": 20, "cycles": 2, "epochs": 5, "batch": 32, "lr": 0.05, "network": "small"}

RUNS = {
    "label_dispersion": label_dispersion.grid("digits", ["dispersion"], [0], **TINY)[0],
    "pseudo_labels": pseudo_labels.grid("digits", ["dispersion+entropy"], [0.2], [0], "label_dispersion", TINY)[0],
    "active_learning": active_learning.grid("points-arms", ["diverse_margin"], [0], cycles=2)[0],
}


def test_every_study_has_a_golden_run():
    modules = (importlib.import_module(f"alnb.methods.{m.name}") for m in pkgutil.iter_modules(methods.__path__))
    assert {module.STUDY.name for module in modules if hasattr(module, "STUDY")} == set(RUNS)


@pytest.mark.parametrize("study", sorted(RUNS))
def test_the_golden_run_gives_what_it_gave(study, tmp_path):
    run: Run = RUNS[study]
    store = Store(tmp_path)
    assert not drive([run], store, workers=1).failed
    if os.environ.get("ALNB_GOLDEN") == "write":
        (GOLDEN / f"{study}.csv").unlink(missing_ok=True)
        records.export([run], store, GOLDEN)
        (GOLDEN / f"{study}.selections.json.xz").unlink()
    verdict = records.compare(run, store, GOLDEN)
    assert verdict is not None, "another key: a new revision or setting wants a new golden run"
    assert verdict in ("equal", "within a point")
