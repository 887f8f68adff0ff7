"""alnb compute --selections FILE: a network trained on what others chose, from the command line to the table it prints."""

import json
import lzma
import re
import subprocess
import sys

import pytest
import torch

from alnb import cli, cycle, plans, races, records
from alnb.methods import label_dispersion as ch3
from alnb.runs import Run
from alnb.store import Store
from alnb.tasks.classification import Classification

TINY = {"epochs": 3, "batch": 32, "smallest_batch": 8, "lr": 0.05, "network": "small"}
SIZES = {"pool": 100, "initial": 20, "budget": 10, "cycles": 1}  # the notebook's own, which the file overrules


def words(settings):
    return [word for name, value in settings.items() for word in ("-p", name, str(value))]


def one(**change):
    about = {"dataset": "digits", "method": "theirs", "seed": 0, "pool": 200}
    return about | {"labelled": list(range(60, 100)), "batches": [20, 15, 5]} | change


def written(path, content):
    body = json.dumps(content).encode()
    path.write_bytes(lzma.compress(body) if path.suffix == ".xz" else body)
    return path


def compute(path, *more):
    arguments = [
        "compute",
        "01",
        "--profile",
        "smoke",
        "--workers",
        "1",
        "-p",
        "few.seeds",
        "[0, 1]",
        "-p",
        "many",
        "{}",
    ]
    return cli.main([*arguments, *words(TINY | SIZES), *more, "--selections", str(path)])


def by_hand(selection):
    """Accuracy after each batch: the plain training, then every test image through the network and counted."""
    settings = TINY | {"pool": selection["pool"]}
    task = Classification(Run(ch3.STUDY.name, "digits", cycle.RETRAINED, selection["seed"], settings))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (task.data.mean, task.data.std))
    found = []
    for c in range(len(selection["batches"])):
        some = selection["labelled"][: sum(selection["batches"][: c + 1])]
        network, _ = task.train(some, task.targets[some], c)
        with torch.no_grad():
            predicted = network((task.test_images / 255 - mean) / std).argmax(1)
        found.append(100 * (predicted == task.test_targets).double().mean().item())
    return found


LINE = re.compile(r"(?:digits)?\s*(?:(\w+) retrained)?\s+(\d+)(?:\.0)?\s+(\d+\.\d+)\s+(\d+\.\d+|NaN)\s+(\d+)$")


def table_of(out):
    """(who chose, labels) -> (mean accuracy, seeds), as printed; a name stands only beside its first line."""
    table, name = {}, None
    for found in filter(None, map(LINE.match, out.splitlines())):
        name = found[1] or name
        table[name, int(found[2])] = float(found[3]), int(found[5])
    return table


@pytest.mark.parametrize("suffix", [".json", ".json.xz"])
def test_the_table_is_the_accuracy_of_the_network_on_what_they_chose(tmp_path, capsys, suffix):
    theirs = {"a": one(), "b": one(method="others", labelled=list(range(40))), "c": one(seed=1)}
    aside = {"d": one(seed=7), "e": one(dataset="glyphs-10", pool=0)}  # another seed, another dataset
    path = written(tmp_path / f"theirs{suffix}", theirs | aside)
    assert compute(path) == 0
    out = capsys.readouterr().out
    assert out.startswith("3 runs: ")
    assert len(re.findall(r"digits (?:theirs|others) retrained seed \d \[\w+\]: step \d of 3", out)) == 9

    first, second = by_hand(theirs["a"]), by_hand(theirs["c"])
    expected = {("theirs", n): ((a + b) / 2, 2) for n, a, b in zip((20, 35, 40), first, second)}
    expected |= {("others", n): (a, 1) for n, a in zip((20, 35, 40), by_hand(theirs["b"]))}
    table = table_of(out)
    assert table.keys() == expected.keys()
    for cell, (mean, count) in expected.items():
        assert table[cell] == (pytest.approx(mean, abs=0.006), count)

    assert compute(path) == 0
    again = capsys.readouterr().out
    assert "step 1 of" not in again  # nothing is computed twice
    assert table_of(again) == table


def test_what_a_run_exported_is_retrained_to_the_same_accuracies(tmp_path, capsys):
    """Random alters no training: its own selection, retrained from the command line, is that run again."""
    sizes = {"pool": 120, "initial": 20, "budget": 10, "cycles": 2}
    arguments = [*words(TINY | sizes), "-p", "few.arms", "[random]", "-p", "many", "{}", "-p", "few.seeds", "[0]"]
    assert cli.main(["compute", "01", "--profile", "smoke", "--workers", "1", *arguments]) == 0
    (run,), store = ch3.grid({"dataset": "digits", "arms": ["random"]}, **TINY, **sizes), Store()
    records.export([run], store, tmp_path)
    capsys.readouterr()
    assert compute(tmp_path / "label_dispersion.selections.json.xz", "-p", "few.seeds", "[0]") == 0
    own = [row["accuracy"] for row in store.read(run).rows if row["kind"] == "test"]
    printed = table_of(capsys.readouterr().out)
    assert printed.keys() == {("random", n) for n in (20, 30, 40)}
    assert [mean for mean, _ in printed.values()] == pytest.approx(own, abs=0.006)


def test_a_selection_given_twice_is_one_seed(tmp_path):
    made = plans.plan("01_label_dispersion", "smoke", {"few.seeds": [0, 1], "many": {}})
    once, twice = {"a": one(), "b": one(seed=1)}, {"a": one(), "b": one(seed=1), "c": one(), "d": one(seed=1)}
    runs = [cli._retraining(made, written(tmp_path / "a.json", known)) for known in (once, twice)]
    assert len(runs[0]) == 2
    assert [run.key for run in runs[1]] == [run.key for run in runs[0]]


def test_a_selection_is_trained_on_with_the_settings_of_its_race_and_of_the_one_it_is_like(tmp_path):
    path = written(tmp_path / "a.json", {"a": one(seed=5), "b": one(seed=0)})
    many = {"like": "few", "seeds": [5], "arms": ["random"], "epochs": 4}
    made = plans.plan("01_label_dispersion", "smoke", {"few.lr": 0.07, "few.seeds": [0], "many": many})
    told = {run.seed: (run.options.lr, run.options.epochs) for run in cli._retraining(made, path)}
    assert told == {0: (0.07, made.values["epochs"]), 5: (0.07, 4)}


# --- refusals -----------------------------------------------------------------------------------------------------------


def refused(capsys, path, *more):
    assert compute(path, *more) == cli.BAD
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("alnb: ")
    assert said.err.count("\n") == 1
    return said.err


def test_a_file_that_is_not_there_is_refused(tmp_path, capsys):
    assert "nothing.json: No such file or directory" in refused(capsys, tmp_path / "nothing.json")
    assert "Is a directory" in refused(capsys, tmp_path)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("rows.csv", b"key,kind\n1,run\n"),
        ("bytes.json", bytes(range(256))),
        ("empty.json", b""),
        ("plain.json.xz", b"{}"),
        ("cut.json.xz", lzma.compress(json.dumps({"a": one()}).encode())[:-10]),
        ("compressed.json", lzma.compress(b"{}")),
        ("list.json", b"[1, 2]"),
        ("number.json", b"3"),
        ("numbers.json", b'{"a": 3}'),
        ("missing.json", json.dumps({"a": {k: v for k, v in one().items() if k != "batches"}}).encode()),
        ("typed.json", json.dumps({"a": one(seed="0")}).encode()),
        ("half.json", json.dumps({"a": one(), "b": one(labelled="all")}).encode()),
    ],
)
def test_a_file_that_holds_no_selections_is_refused(tmp_path, capsys, name, body):
    path = tmp_path / name
    path.write_bytes(body)
    assert f"{name} is not a file of selections" in refused(capsys, path)


def test_a_file_without_a_selection_of_the_dataset_and_seeds_is_refused_with_what_it_has(tmp_path, capsys):
    path = written(tmp_path / "a.json", {"a": one(seed=7), "b": one(dataset="glyphs-10"), "c": one(seed=7)})
    said = refused(capsys, path)
    assert "holds no selection on digits seed 0, digits seed 1: it has digits seed 7, glyphs-10 seed 0" in said
    assert "digits seed 5: it has" in refused(capsys, path, "-p", "few.seeds", "[5]")


@pytest.mark.parametrize(
    "change",
    [
        {"labelled": [*range(60, 99), 60]},
        {"labelled": [*range(60, 99), 200]},
        {"batches": [20, 20, 5]},
        {"labelled": [*range(60, 99), "last"]},
        {"labelled": [], "batches": []},
    ],
)
def test_a_selection_that_does_not_fit_its_dataset_is_refused_before_anything_is_trained(tmp_path, capsys, change):
    path = written(tmp_path / "a.json", {"a": one(**change)})
    said = refused(capsys, path)
    assert "selection theirs seed 0 on digits" in said or f"{path.name} is not a file of selections" in said


def test_training_that_fails_is_said_and_is_exit_code_1(tmp_path, capsys):
    path = written(tmp_path / "a.json", {"a": one()})
    assert compute(path, "-p", "lr", "1.0e+30") == cli.FAILED
    assert "is too high?" in capsys.readouterr().err


def test_one_that_fails_does_not_hide_the_others(tmp_path, capsys, monkeypatch):
    """The table holds what was trained; the exit code says that not all was."""
    path, plain = written(tmp_path / "a.json", {"a": one(), "b": one(seed=1)}), Classification.train

    def fails(self, *args, **kwargs):
        if self.run.seed == 1:
            raise ValueError("out of memory")
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(Classification, "train", fails)
    assert compute(path) == cli.FAILED
    said = capsys.readouterr()
    assert "ValueError: out of memory" in said.err
    assert {seeds for _, seeds in table_of(said.out).values()} == {1}


def test_a_refusal_imports_neither_torch_nor_matplotlib(tmp_path):
    path = written(tmp_path / "a.json", {"a": one(batches=[1])})
    code = (
        "import sys; from alnb import cli\n"
        "for path in sys.argv[1:]:\n"
        "    assert cli.main(['compute', '01', '--profile', 'smoke', '--selections', path]) == 2\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(path), str(tmp_path / "none.json")], check=True)


def test_a_published_selection_is_never_taken_for_a_run_of_the_notebook():
    values = TINY | SIZES
    published = races.retrained_selections("label_dispersion", [one()], values)[0]
    own = races.retrained_run(ch3.grid({"dataset": "digits", "arms": ["random"]}, **values)[0])
    assert published.key != own.key
    assert len(published.description["settings"]["selection"]) == 64
