"""What is installed is what is declared: pyproject.toml, requirements.lock and environment.yml say the same."""

import re
import tomllib

import yaml

from alnb import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


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


def test_conda_installs_the_same_package_for_the_same_pythons():
    conda = yaml.safe_load((REPOSITORY / "environment.yml").read_text())["dependencies"]
    assert f"python{PROJECT['project']['requires-python']}" in conda
    assert {"pip": ["-e .[test]"]} in conda


def test_no_file_in_git_is_larger_than_a_megabyte_but_figures_and_records():
    import subprocess

    found = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    tracked = [REPOSITORY / name for name in found.stdout.split("\0") if name]
    large = [p for p in tracked if p.is_file() and p.stat().st_size > 2**20]
    assert [p for p in large if not {"figures", "records"} & set(p.parts)] == []
