"""A paper, a task, a strategy and a dataset are added to a copy of the house, a file each, and no other file is touched:
scalar regression, whose error is better the lower it is, from the cycle to the gallery."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from alnb import REPOSITORY

PARTS = Path(__file__).parent / "toy_paper"
PLACES = {
    "world.py": "alnb/worlds/bumps.py", "task.py": "alnb/tasks/regression.py", "strategy.py": "alnb/acquisition/spread.py",
    "method.py": "alnb/methods/toy_paper.py", "drawn.py": "alnb/drawn/toy_paper.py", "config.yaml": "nbconfig/99_toy_paper.yaml",
    "claims.csv": "data/claims/99_toy_paper.csv", "published.csv": "data/published/toy.csv",
}  # fmt: skip


def alnb(house, *words, code=0):
    command = [sys.executable, "-m", "alnb.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=house, env=os.environ | {"PYTHONPATH": str(house)})
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """The copy, with the paper in it, its notebook run at laptop and its gallery written."""
    house = tmp_path_factory.mktemp("house")
    for name in ("alnb", "nbconfig", "notebooks"):
        shutil.copytree(REPOSITORY / name, house / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("claims", "published"):
        shutil.copytree(REPOSITORY / "data" / name, house / "data" / name)
    before = {path: path.read_bytes() for path in house.rglob("*") if path.is_file()}
    for part, place in PLACES.items():
        assert not (house / place).exists()
        shutil.copy(PARTS / part, house / place)
    cells = [cell.partition("\n") for cell in (PARTS / "notebook.py").read_text().split("# %%")[1:]]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(body.strip()) for _, _, body in cells])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book.cells[0].metadata["tags"] = [cells[0][0].strip()]
    nbformat.write(book, house / "notebooks" / "99_toy_paper.ipynb")
    os.environ.update({f"ALNB_{name}": str(house / "out" / name.lower()) for name in ("STORE", "FIGURES", "EXECUTED")})
    said = alnb(house, "run", "99", "--workers", "1")
    assert "FAILED" not in said
    alnb(house, "report")
    assert all(path.read_bytes() == body for path, body in before.items())  # nothing that was there is touched
    return house


@pytest.fixture(autouse=True)
def its_own_folders(house, own_folders, monkeypatch):
    for name in ("STORE", "FIGURES", "EXECUTED"):
        monkeypatch.setenv(f"ALNB_{name}", str(house / "out" / name.lower()))


@pytest.fixture
def artefacts(house):
    return {entry["id"]: entry for entry in json.loads((house / "out/figures/laptop/manifest.json").read_text())}


def rows(house, artefact):
    with open(house / f"out/figures/laptop/{artefact}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_paper_is_a_few_small_files():
    source = [line for path in PARTS.glob("*.py") for line in path.read_text().splitlines() if line.strip()]
    assert len(source) < 140


def test_every_artefact_is_drawn_and_is_a_stand_in_with_alt_text(house, artefacts):
    assert len(artefacts) == 6
    for entry in artefacts.values():
        assert not entry["real"]
        assert len(entry["alt"]) > 30
        assert all((house / "out/figures/laptop" / name).stat().st_size for name in entry["files"])


def test_less_error_is_better_wherever_a_word_is_said(house, artefacts):
    curves = artefacts["toy-fig-1"]["alt"]
    assert "lowest at the end first" in curves
    assert "minutes" in curves
    assert "highest" not in curves
    over = {row["method"]: row for row in rows(house, "toy-extra-overview")}
    less = {arm: float(row["aubc"]) < float(over["random"]["aubc"]) for arm, row in over.items() if arm != "random"}
    assert less["spread"]  # the world is made so that asking pays
    for arm, better in less.items():
        assert (float(over[arm]["gain"]) > 0) == better
    areas = [float(row["aubc"]) for row in rows(house, "toy-extra-overview")]
    gains = [float(row["gain"] or 0) for row in rows(house, "toy-extra-overview")]
    assert gains == sorted(gains, reverse=True)
    assert areas[0] == min(areas)


def test_the_ledger_and_the_printed_numbers_know_the_direction(house):
    claim = {row["setting"]: row for row in rows(house, "toy-extra-claims")}
    assert float(claim["world"]["difference"]) < 0
    assert claim["world"]["verdict"] in ("holds", "cannot be told")  # "lower" is what the claim says
    printed = {row["method"]: row for row in rows(house, "toy-extra-beside")}
    assert printed["spread"]["sign"] == "same"


def test_records_of_an_error_are_kept_compared_and_taken_in(house):
    assert "added, 0 replaced" in alnb(house, "records", "export", "99", "--profile", "world")
    lines = (house / "data/records/toy_paper.csv").read_text()
    assert '""mae""' not in lines
    assert ",mae" in lines.splitlines()[0]
    program = (
        "from alnb import plans, records; from alnb.store import Store\n"
        "print({records.compare(run, Store()) for run in plans.plan('99_toy_paper').runs})"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=house, env=os.environ | {"PYTHONPATH": str(house)})
    assert done.stdout.strip() == "{'equal'}", done.stderr


def test_the_gallery_shows_the_paper(house):
    page = (house / "out/figures/gallery.html").read_text()
    assert "A toy paper: scalar regression" in page
    assert "Error against minutes of labelling" in page


def test_a_strategy_that_needs_what_the_task_does_not_offer_is_refused_before_anything_runs(house):
    said = alnb(house, "run", "99", "-p", "bumps.arms", "[random, entropy]", code=2)
    assert said.strip().endswith("it offers ensemble")
    assert "entropy needs 'log_probabilities', which toy_paper on bumps does not offer" in said
