"""Every command that README shows is run, in folders of its own.

How, by what it begins with: `alnb` goes through the command line as it is written, up to the two places where minutes are
spent. What `run` would give to a kernel is noted (tests/test_notebooks.py runs every notebook); of what `compute` would drive
the first training alone is computed, on two epochs, but for a network that takes minutes (SLOW). FILE, FOLDER and NAME stand
for something small that is there. `make` says what it would do (`make -n`). What uses the network or a cluster is read by its
own parser and not run; what no parser here reads is in ELSEWHERE, each with what is checked of it instead.
"""

import argparse
import json
import re
import shlex
import subprocess
import tomllib
from types import SimpleNamespace

import numpy
import pytest
import yaml

from alnb import REPOSITORY, __version__, acquisition, cli, datasets, executor, headless, plans, records, selections
from alnb.datasets import own
from alnb.methods import label_dispersion as ch3
from alnb.runs import Run
from alnb.store import Store

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PROGRAMS = ("alnb", "make", "pip", "conda", "source", "dask", "export", "python")
NETWORK = ("--download", "--cluster")
SLOW = ("resnet18",)
REFUSED = {"alnb run 01 --profile paper"}  # politely, where the data is not here


FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[str]:
    return [text for name, text in FENCED.findall(README) if name == language]


def commands() -> list[str]:
    """The commands of README, those in blocks, in a block's comments and, where they are whole, between backticks, each once."""
    found = []
    for line in "".join(blocks("")).splitlines():
        found.append(shlex.join(shlex.split(line, comments=True)))
        comment = line.partition("  #")[2].split(";")
        found += [text.partition(":")[0].strip() for text in comment if text.strip().startswith(("alnb ", "make "))]
    found += [span for span in re.findall(r"`([^`\n]+)`", FENCED.sub("", README)) if len(span.split()) > 1 + ("alnb" in span)]
    return list(dict.fromkeys(one for one in found if one.split(" ")[0] in PROGRAMS))


def of(*programs):
    return [one for one in commands() if one.split(" ")[0] in programs]


def test_readme_shows_commands_of_every_kind():
    assert len(of("alnb")) >= 12
    assert {one.split(" ")[0] for one in commands()} == set(PROGRAMS) - {"python"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to be in, without data, with records of its own, a FILE of selections and a FOLDER of features."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALNB_DATA", str(tmp_path / "data"))
    kept = selections.of_study(records.folder(), "label_dispersion")
    kept = {key: one for key, one in kept.items() if one["dataset"] == "glyphs-10" and one["seed"] == 0}
    (tmp_path / "FILE").write_text(json.dumps(kept))
    monkeypatch.setattr(records, "folder", lambda: tmp_path / "records")
    (tmp_path / "records").mkdir()
    (tmp_path / "FOLDER").mkdir()
    rng = numpy.random.default_rng(0)
    numpy.save(tmp_path / "FOLDER" / "features.npy", rng.normal(size=(40, 3)))
    numpy.save(tmp_path / "FOLDER" / "targets.npy", numpy.arange(40) % 2)
    plans.dataset_status.cache_clear()
    yield tmp_path
    plans.dataset_status.cache_clear()
    own.INFO.clear()
    datasets._modules.cache_clear()


@pytest.fixture
def done(monkeypatch):
    """What was given to a kernel, and what was driven."""
    noted, drive = SimpleNamespace(plans=[], runs=[]), executor.drive

    def execute(made, **given):
        noted.plans.append(made)
        return True, {"computed": 0, "failed": {}, "error": ""}

    def driven(runs, store, **given):
        noted.runs += runs
        if runs[0].options.network in SLOW:
            return executor.Outcome()
        asked = next(iter(runs[0].needs.values()), runs[0])
        short = Run(asked.study, asked.dataset, asked.method, asked.seed, asked.settings | {"epochs": 2, "pool": 400})
        return drive([short], store, **given | {"workers": 1})

    monkeypatch.setattr(headless, "execute", execute)
    monkeypatch.setattr(executor, "drive", driven)
    return noted


def words_of(command):
    return ["mine" if word == "NAME" else word for word in shlex.split(command)[1:]]


@pytest.mark.parametrize("command", [one for one in of("alnb") if not set(NETWORK) & set(one.split())])
def test_a_command_of_alnb_runs_as_it_is_written(command, here, done, capsys):
    asked, words = cli.parser().parse_args(words_of(command)), words_of(command)
    assert cli.main(words) == (cli.BAD if command in REFUSED else cli.OK), capsys.readouterr().err
    said = capsys.readouterr()
    assert said.out or command in REFUSED
    if command in REFUSED:
        assert said.err.startswith("alnb: nothing can be drawn: ")
    elif asked.command == "run":
        (made,) = done.plans
        assert (made.name[:2], made.profile, len(made.changed)) == (words[1], asked.profile, bool(asked.parameters) * 2)
    elif asked.command == "compute" and not asked.recompute:
        assert done.runs
        assert asked.selections or len(list(Store().root.glob("*/*/0000.json"))) == 1


@pytest.mark.parametrize("command", [one for one in of("alnb") if set(NETWORK) & set(one.split())])
def test_what_needs_a_network_or_a_cluster_is_read_and_planned(command):
    asked = cli.parser().parse_args(words_of(command))
    if asked.command == "data":
        assert datasets.info(asked.name).title
    else:
        assert cli._plan(asked).runs  # with its address checked


@pytest.mark.parametrize("command", of("make"))
def test_make_has_what_readme_asks_of_it(command, tmp_path):
    words = shlex.split(command)
    said = subprocess.run(
        [words[0], "-n", f"VENV={tmp_path}", *words[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "requirements.lock" in said.stdout
    assert ("https://download.pytorch.org/whl/cpu" in said.stdout) == ("CPU=1" in words)
    if "CPU=1" in words:
        assert f"-r {tmp_path}/cpu.lock" in said.stdout
        assert "-r requirements.lock" not in said.stdout


@pytest.mark.parametrize("command", of("dask"))
def test_dask_knows_the_options_it_is_given(command):
    from distributed.cli import dask_scheduler, dask_worker

    _, what, *words = shlex.split(command)
    {"scheduler": dask_scheduler, "worker": dask_worker}[what].main.make_context(what, words)


def _pip(words):
    options = argparse.ArgumentParser()
    options.add_argument("--index-url")
    options.add_argument("-e", dest="editable")
    options.add_argument("packages", nargs="*")
    asked = options.parse_args(words[1:])
    extra = re.fullmatch(r"\.(?:\[(\w+)\])?", asked.editable or ".")[1]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert extra is None or extra in project["optional-dependencies"]
    declared = {re.match(r"[\w-]+", line).group() for line in project["dependencies"]}
    assert set(asked.packages) <= declared
    return words[0] == "install"


ELSEWHERE = {
    "pip": _pip,  # the extra is one of pyproject.toml, the packages are declared there
    "conda": lambda words: (REPOSITORY / words[words.index("-f") + 1]).is_file(),  # tests/test_packaging.py reads it
    "source": lambda words: words == [".venv/bin/activate"],  # which every virtual environment has
    "export": lambda words: all(re.fullmatch(r"DASK_[A-Z_]+=\w+", word) for word in words),  # tests/test_cluster.py uses them
}


@pytest.mark.parametrize("command", of(*ELSEWHERE))
def test_what_is_not_run_here_names_what_is_there(command):
    program, *words = shlex.split(command)
    assert ELSEWHERE[program](words)


def test_the_strategy_that_readme_writes_races(monkeypatch):
    monkeypatch.setattr(acquisition, "local", {})
    (block,) = blocks("python")
    import alnb

    raced = []
    exec(compile(block, "README.md", "exec"), {"alnb": alnb, "nb": SimpleNamespace(race=raced.append)})
    assert raced == ["mine"]
    assert [run.method[:5] for run in ch3.grid({"dataset": "digits", "arms": ["mine"]}, initial=20, budget=5)] == ["mine@"]


def test_what_is_to_be_cited_is_what_citation_cff_says():
    cff = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    (block,) = blocks("bibtex")
    entries = [dict(re.findall(r"^  (\w+) += \{(.*)\}", entry, re.MULTILINE)) for entry in block.split("\n@")]
    assert entries[0]["version"] == cff["version"] == __version__
    assert [entry["title"] for entry in entries] == [cff["title"], *(one["title"] for one in cff["references"])]
    for entry, one in zip(entries[1:], cff["references"]):
        names = [f"{person['family-names']}, {person['given-names']}" for person in one["authors"]]
        assert (entry["author"].split(" and "), int(entry["year"])) == (names, one["year"])
