"""What a notebook's cells call; then one notebook for real, at `smoke`."""

import json
import subprocess
import sys

import nbformat
import pytest

from alnb import REPOSITORY, acquisition, headless, notebooks, plans
from alnb.errors import BadRequest, Interrupted
from alnb.methods import label_dispersion as ch3

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
    assert (plans.profile_of(nb.profile), namespace["few"]["dataset"], namespace["epochs"]) == ("smoke", "digits", 5)
    assert nb.plan.changes == ["epochs 5"]


TRAINS = """
import sys, tempfile
from alnb.executor import drive
from alnb.methods import label_dispersion as ch3
from alnb.store import Store
runs = ch3.grid({"dataset": "digits", "arms": ["k_center"]}, pool=60, initial=10, budget=5, cycles=1, epochs=1, network="small")
assert not drive(runs, Store(tempfile.mkdtemp()), workers=1).failed
print(",".join(sorted({"dask", "distributed", "papermill", "cvxpy", "maxflow", "seaborn", "torchmetrics"} & set(sys.modules))))
"""


def test_what_trains_and_selects_imports_no_engine_and_no_notebook():
    done = subprocess.run([sys.executable, "-c", TRAINS], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


TWICE = NAMES[2::3]  # drawn again, to the same bytes: a third, for drawing is what takes the time
MEASURED = ("thesis-extra-cost-4", "thesis-extra-audit-4")  # seconds and megabytes of this machine, anew each time


@pytest.mark.parametrize("name", NAMES)
def test_at_smoke_every_artefact_is_drawn_and_a_second_run_computes_nothing(name, tmp_path, smoke_store, monkeypatch):
    """What smoke leaves out, nothing tests."""
    monkeypatch.setenv("ALNB_STORE", str(smoke_store))
    command = [sys.executable, "-m", "alnb.cli", "run", name, "--profile", "smoke", "--workers", "1"]
    first = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert first.returncode == 0, first.stderr
    assert "Unable to parse" not in first.stderr
    folder = tmp_path / "figures" / "smoke"
    manifest = json.loads((folder / "manifest.json").read_text())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {entry["id"] for entry in manifest} == set(plans.config(name)["artefacts"])
    for entry in manifest:
        assert len(entry["alt"]) > 20
        assert entry["plumbing"] or not entry["runs"]  # digits are scans, and still no evidence
        assert all((folder / file).stat().st_size for file in entry["files"])
    page = (tmp_path / "executed" / "smoke" / f"{name}.html").read_text()
    assert "No description has been provided" not in page
    if name not in TWICE:
        done = subprocess.run([*command[:3], "compute", *command[4:]], capture_output=True, text=True, cwd=REPOSITORY)
        assert " 0 in records, 0 missing" in done.stdout, done.stderr
        return
    second = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert "0 steps computed" in second.stdout
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    pictures = [file for file in before if file.endswith((".svg", ".png", ".csv")) and not file.startswith(MEASURED)]
    assert [file for file in pictures if before[file] != after[file]] == []


def test_a_profile_whose_data_is_absent_draws_what_the_records_hold(tmp_path, monkeypatch):
    monkeypatch.setenv("ALNB_DATA", str(tmp_path / "nothing"))
    plans.dataset_status.cache_clear()
    made = plans.plan(FIRST, "reduced")
    assert any(plans.records.steps(run) for run in made.runs)
    monkeypatch.setenv("ALNB_DRAW", "1")
    well, done = headless.execute(made)
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
    assert notebooks.mixed_machines([(run, step("cpu")) for run in runs]) == []
    pairs = list(zip(runs, map(step, ("cpu", "NVIDIA H200", "NVIDIA H200"))))
    (said,) = notebooks.mixed_machines(pairs)
    assert said.startswith("digits seed 0: runs are from cpu and gpu; differences within a seed are not of the method")
    assert notebooks.mixed_machines(pairs[1:]) == []


def test_a_seed_whose_runs_come_from_two_cpus_or_versions_is_named():
    runs = plans.plan(FIRST, "smoke").runs[:2]
    pairs = [(run, [{"provenance": {"cpu": cpu, "torch": "2.14.1"}}]) for run, cpu in zip(runs, ("A", "B"))]
    assert notebooks.mixed_machines(pairs) == [
        "digits seed 0: runs are from cpu A and cpu B; differences within a seed hold to rounding"
    ]


# --- a strategy of a cell -----------------------------------------------------------------------------------------------


@pytest.fixture
def cell(monkeypatch):
    """A notebook at `smoke`, its namespace, and a strategy that a cell of it defined."""
    monkeypatch.setattr(acquisition, "local", {})
    monkeypatch.setenv("ALNB_PROFILE", "smoke")
    namespace = {name: p.default for name, p in plans.parameters(FIRST).items()}
    nb = notebooks.notebook(FIRST, namespace)

    @acquisition.score("mine", needs=("probabilities",))
    def mine(view):
        return -view.probabilities.amax(1)

    namespace["mine"] = mine
    return nb, namespace


TINY = {"pool": 60, "initial": 20, "budget": 5, "cycles": 1, "epochs": 1, "network": "small"}


def test_a_name_that_is_a_plain_function_again_is_refused_and_its_old_strategy_does_not_race(cell):
    nb, namespace = cell
    runs = ch3.grid({"dataset": "digits", "arms": ["random", "mine"]}, **TINY)
    assert len(nb.run(runs, workers=1)["method"].unique()) == 2

    def mine(view):  # the cell again, its decorator left out
        return view.probabilities.amax(1)

    namespace["mine"] = mine
    with pytest.raises(
        BadRequest, match=r'mine is a plain function now; put @alnb.score\("mine", needs=\(...\)\) above'
    ):
        nb.run(ch3.grid({"dataset": "digits", "arms": ["random", "mine"]}, **TINY))
    nb.run(ch3.grid({"dataset": "digits", "arms": ["random"]}, **TINY), workers=1)  # which does not ask for it


def test_scores_that_are_all_equal_are_said(cell, capsys):
    nb, _ = cell

    @acquisition.score("flat", needs=())
    def flat(view):
        import torch

        return torch.full((view.size,), float("inf"))

    nb.run(ch3.grid({"dataset": "digits", "arms": ["random", "mine", "flat"]}, **TINY), workers=1)
    said = capsys.readouterr().out
    assert "flat: in 1 of 1 choices its best scores were all equal; the shared random order decided" in said
    assert "mine: in" not in said


def test_an_error_of_a_strategy_says_its_sentence_once(cell, capsys):
    nb, _ = cell

    @acquisition.score("faulty", needs=())
    def faulty(view):
        raise ValueError("the moon is full")

    nb.run(ch3.grid({"dataset": "digits", "seeds": 2, "arms": ["random", "faulty"]}, **TINY), workers=1)
    out, err = capsys.readouterr()
    assert (out + err).count("the moon is full") == 2  # in the line that says it, and as it stands in the cell
    assert "ValueError: the moon is full (and 1 more)" in out
    assert 'raise ValueError("the moon is full")' in out


@pytest.mark.parametrize(("race", "dataset"), [("", "points-arms"), ("null", "points-islands-null")])
def test_ones_own_strategy_is_raced_beside_random_in_one_call(cell, monkeypatch, race, dataset):
    """In a race that is like another too, which is not run for it."""
    monkeypatch.setattr(notebooks.Notebook, "show", lambda self, drawing: shown.append(drawing.alt))
    shown, name = [], "00_active_learning"
    short = {"epochs": 10, "first.cycles": 1, "first.seeds": 2, "islands.cycles": 1}
    nb = notebooks.Notebook(plans.plan(name, "smoke", short))
    results = nb.race("mine", race)
    assert results["dataset"].unique().tolist() == [dataset]
    assert results["race"].unique().tolist() == [race or "first"]
    assert sorted(results["method"].unique()) == ["mine", "random"]
    about = nb.parameters["islands" if race else "first"]
    first = results[(results["kind"] == "test") & (results["cycle"] == 0)]
    assert first["labelled"].unique().tolist() == [about["initial"]]
    assert sorted(results["seed"].unique()) == list(range(nb.parameters["null" if race else "first"]["seeds"]))
    assert len(shown) == 3
    assert all("mine" in alt for alt in shown)
    with pytest.raises(BadRequest, match=r"00_active_learning has no race 'many' at smoke-[0-9a-f]{8}: it has first"):
        nb.race("mine", "many")


def test_a_batch_that_ties_decided_whole_is_said(capsys):
    import pandas

    about = {"race": "few", "kind": "choice"}
    rows = [about | {"method": arm, "tied_share": share} for arm, share in (("mine", 1.0), ("mine", 0.2), ("margin", 0.9))]
    notebooks.say_ties(pandas.DataFrame([*rows, {"race": "few", "kind": "test", "method": "mine"}]))
    said = capsys.readouterr().out.splitlines()
    assert said == ["mine: in 1 of 2 choices its best scores were all equal; the shared random order decided"]
    notebooks.say_ties(pandas.DataFrame([{"race": "few", "kind": "test", "method": "mine"}]))
    assert capsys.readouterr().out == ""


def test_in_a_cell_a_users_error_and_an_interrupt_are_one_line():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    errors = {BadRequest("epochs = -3"): "BadRequest: epochs = -3", Interrupted("3 of 9 are kept"): "3 of 9 are kept"}
    for error, line in errors.items():
        shown = []
        shell._showtraceback = lambda kind, value, lines, shown=shown: shown.extend(lines)
        try:
            raise error
        except type(error):
            shell.showtraceback()
        assert shown == [line]


def test_runs_that_only_need_what_is_not_here_are_counted_too(capsys):
    """Trained on what is missing, tested on what is here: the runs are lost all the same, those of other data are not."""
    from alnb.methods import self_critical_attention as scal

    nb = notebooks.Notebook(plans.plan("08_self_critical_attention", "smoke"))
    here = {"dataset": "pedestrians-tiny", "seeds": 3, "arms": ["label_smoothing"]}
    across = here | {"dataset": "pedestrians-tiny-source", "source": "market-1501", "seeds": 2}
    runs = scal.grid(market=here, to_duke=across)
    now = plans.Standing([], [], [], runs, 0.0, {"market-1501": "no folder"})
    nb._announce(runs, now, [], 1)
    said = capsys.readouterr().out
    assert "not computed, 2 runs that need market-1501 (0 of 2 seeds are here): no folder" in said


def test_a_source_is_shown_in_letters_of_one_width(monkeypatch):
    """The pages that nbconvert writes give `pre` in an output the font of the text around it."""
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    notebooks.show(notebooks.drawing_only)
    (source,) = shown
    style, rest = source.data.split("<style>", 1)
    assert "monospace" in style
    assert "drawing_only" in rest


def test_an_estimate_counts_the_start_of_workers(capsys):
    nb = notebooks.Notebook(plans.plan(FIRST, "smoke"))
    runs = nb.plan.runs[:3]
    now = plans.Standing([], [], [], runs, 40.0, {})
    for workers, said in ((1, "about 40 s on 1 worker"), (2, f"about {20 + notebooks.STARTING} s on 2 workers")):
        nb._announce(runs, now, runs, workers)
        assert said in capsys.readouterr().out
