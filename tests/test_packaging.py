"""What is installed is what is declared: pyproject.toml, requirements.lock and environment.yml say the same."""

import re
import subprocess
import sys
import tomllib

import yaml

from alnb import REPOSITORY, plans

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
CONDA = {  # where conda-forge has another name, or where its name of PyPI's brings more than we need
    "cvxpy": "cvxpy-base", "dask": "dask-core",
    "jupyter-core": "jupyter_core", "matplotlib": "matplotlib-base", "nbconvert": "nbconvert-core",
    "playwright": "playwright-python", "torch": "pytorch",
}  # fmt: skip


def names(requirements):
    return {re.match(r"[A-Za-z0-9_.-]+", line).group().lower().replace("_", "-") for line in requirements}


def locked():
    return [
        line for line in (REPOSITORY / "requirements.lock").read_text().splitlines() if line and line[0] not in " #"
    ]


def test_the_lock_pins_everything_that_is_declared():
    declared = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["test"]
    assert names(declared) <= names(locked())
    assert all("==" in line for line in locked())


def test_the_lock_holds_a_pair_of_torch_and_torchvision_that_match():
    pairs = PROJECT["tool"]["uv"]["constraint-dependencies"]
    assert set(pairs) <= {line.partition(" ;")[0] for line in locked()}


def test_conda_installs_what_pyproject_declares_within_the_same_bounds_and_pip_alnb_alone():
    conda = yaml.safe_load((REPOSITORY / "environment.yml").read_text())["dependencies"]
    declared = {
        f"python{PROJECT['project']['requires-python']}",
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["test"],
    }
    at_conda = {CONDA.get(name := re.match(r"[\w.-]+", line).group(), name) + line[len(name) :] for line in declared}
    packages = [line for line in conda if isinstance(line, str)]
    assert len(set(packages)) == len(packages)
    assert set(packages) - {"pip"} == at_conda
    assert [line for line in conda if not isinstance(line, str)] == [{"pip": ["-e ."]}]


def test_no_file_in_git_is_larger_than_a_megabyte_but_figures_and_records():
    import subprocess

    found = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    tracked = [REPOSITORY / name for name in found.stdout.split("\0") if name]
    large = [p for p in tracked if p.is_file() and p.stat().st_size > 2**20]
    assert [p for p in large if not {"figures", "records"} & set(p.parts)] == []


def test_the_filter_that_strips_notebooks_changes_none_that_is_committed():
    """Else git would show a fresh clone's notebooks as modified."""
    for path in plans.FOLDER.glob("[0-9]*.ipynb"):
        command = [sys.executable, "-m", "nbstripout", "--keep-id"]
        assert subprocess.run(command, input=path.read_bytes(), capture_output=True, check=True).stdout == path.read_bytes(), path
