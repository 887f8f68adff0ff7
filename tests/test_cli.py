"""What the command line says: help and status for a newcomer, refusals in one line, all of it quick."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from alnb import REPOSITORY, __version__, cli, headless, machine, plans, records, reproduce, status
from alnb.errors import BadRequest
from alnb.runs import with_needs
from alnb.store import Store

FIRST = "01_label_dispersion"


def refused(capsys, *arguments):
    assert cli.main(list(arguments)) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.count("\n") == 1
    return out.err


REFUSED = [
    (["run", "01", "-p", "epoch", "3"], "unknown parameter 'epoch'; did you mean epochs?"),
    (["run", "01", "-p", "epochs", "many"], "epochs = 'many' (str): expected int"),
    (["run", "01", "-p", "epochs", "-3"], "epochs = -3: expected at least 1"),
    (["run", "01", "-p", "few.arms", "[random, margn]"], "did you mean 'margin'"),
    (["run", "01", "-p", "few.dataset", "cifar"], "unknown dataset 'cifar': did you mean cifar-10"),
    (["run", "01", "-p", "budget", "5000"], "more than the pool's"),
    (["run", "01", "-p", "few.seeds", "[]"], "few: seeds = []: expected a count from 1, or a list of seeds"),
    (["run", "01", "-p", "few.arms", "[margin, entropy(passes=3)]"], "unknown setting passes"),
    (["run", "01", "-p", "fwe.seeds", "2"], "unknown parameter 'fwe.seeds'; did you mean few?"),
    (["run", "01", "--profile", "papr"], "no profile 'papr'; did you mean paper?"),
    (["run", "99"], "no notebook '99': there are"),
    (["compute", "01", "--workers", "0"], "--workers 0: expected 1 to 1,024"),
    (["compute", "01", "-p", "network", "vgg"], "'resnet18'"),
    (["data", "cifar-11"], "unknown dataset 'cifar-11'"),
    (["records", "import", "nothing.csv"], "nothing.csv is not a file of records"),
    (["run", "01", "--cluster", ""], "--cluster '': expected tcp://127.0.0.1:PORT or tls://HOST:PORT"),
    (["run", "01", "--cluster", "tcp://127.0.0.1"], "expected tcp://127.0.0.1:PORT"),
    (["reproduce", "01", "--cluster", "tcp://10.0.0.1:8786"], "use tls:// off loopback"),
    (["compute", "01", "--selections", ""], ": Is a directory"),
    (["compute", "01", "--recompute", "--selections", "x.json"], "give one of them"),
]


@pytest.mark.parametrize(("arguments", "says"), REFUSED)
def test_a_bad_request_is_one_clear_line(capsys, arguments, says):
    assert says in refused(capsys, *arguments)


@pytest.mark.parametrize("given", ["abc", "0", "-1", "1.5"])
def test_a_number_of_workers_that_cannot_be_is_refused_before_a_kernel_starts(capsys, monkeypatch, given):
    monkeypatch.setenv("ALNB_WORKERS", given)
    assert f"ALNB_WORKERS={given}: expected a whole number from 1" in refused(capsys, "run", "01", "--profile", "smoke")


@pytest.mark.parametrize("name", ["ALNB_STORE", "ALNB_FIGURES", "ALNB_EXECUTED"])
def test_a_folder_that_is_a_file_is_refused_before_anything_is_computed(capsys, monkeypatch, tmp_path, name):
    (tmp_path / "file").touch()
    monkeypatch.setenv(name, str(tmp_path / "file" / "below"))
    assert "cannot be written (Not a directory)" in refused(capsys, "run", "01", "--profile", "smoke")


def test_its_version_is_said(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert (end.value.code, capsys.readouterr().out) == (0, f"alnb {__version__}\n")


def test_a_download_without_a_network_is_one_line(capsys, monkeypatch, tmp_path):
    from urllib.error import URLError

    def offline(name, root):
        raise URLError("Temporary failure in name resolution")

    monkeypatch.setenv("ALNB_DATA", str(tmp_path))
    monkeypatch.setattr("alnb.datasets.cifar.download", offline)
    said = refused(capsys, "data", "cifar-10", "--download")
    assert "cifar-10 could not be fetched from " in said
    assert "Temporary failure in name resolution" in said


def test_a_store_that_is_read_only_is_refused_before_anything_is_computed(capsys, monkeypatch):
    def read_only(dir):
        raise OSError(30, "Read-only file system", str(dir))

    monkeypatch.setattr("tempfile.TemporaryFile", read_only)
    for command in ("run", "compute"):
        assert "cannot be written (Read-only file system)" in refused(capsys, command, "01", "--profile", "smoke")


def test_lab_finds_its_own_kernel_and_folders_with_spaces(tmp_path):
    """`make lab` in an environment that names others'."""
    made = tmp_path / "v"
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "jupyter").write_text("#!/bin/sh\nenv\n")
    (made / "bin" / "jupyter").chmod(0o755)
    (made / ".ready").touch()
    env = os.environ | {"JUPYTER_PATH": "/theirs", "ALNB_STORE": "a store/of mine", "ALNB_DATA": "/b c"}
    env.pop("ALNB_EXECUTED", None)
    command = ["make", "--silent", f"VENV={made}", "lab"]
    said = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=True).stdout.splitlines()
    assert f"ALNB_STORE={REPOSITORY}/a store/of mine" in said
    assert "ALNB_DATA=/b c" in said
    assert "JUPYTER_PREFER_ENV_PATH=1" in said
    assert not [line for line in said if line.startswith(("JUPYTER_PATH=", "ALNB_EXECUTED="))]


@pytest.mark.parametrize("content", ["", "[" * 20_000, '[{"notebook": 3}]', "3"])
def test_a_manifest_that_cannot_be_read_is_named_and_the_others_are_told(capsys, monkeypatch, tmp_path, content):
    monkeypatch.setenv("ALNB_FIGURES", str(tmp_path))
    entry = {"id": "a", "notebook": FIRST, "profile": "world", "datasets": ["digits"], "real": False}
    for label, text in (("smoke", content), ("world", json.dumps([entry]))):
        (tmp_path / label).mkdir()
        (tmp_path / label / "manifest.json").write_text(text)
    assert status.drawn(FIRST) == {"a": ["world (stand-in: digits)"]}
    told = f"{tmp_path}/smoke/manifest.json cannot be read"
    assert capsys.readouterr().err.count(told) == (content != '[{"notebook": 3}]')


def test_folders_given_by_a_relative_path_are_those_of_who_called(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in machine.FOLDERS:
        monkeypatch.setenv(name, "here")
    assert cli.main(["data", "digits"]) == 0
    assert {os.environ[name] for name in machine.FOLDERS} == {str(tmp_path / "here")}


def test_a_full_disk_is_one_line_and_exit_code_1():
    with open("/dev/full", "w") as full:
        said = subprocess.run([sys.executable, "-m", "alnb.cli", "data"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (said.returncode, said.stderr) == (1, "alnb: No space left on device\n")


SMALL = ["compute", "01", "--profile", "smoke", "--workers", "1", "-p", "many", "{}", "-p", "few.arms", "[random]",
         "-p", "few.seeds", "1", "-p", "cycles", "1"]  # fmt: skip


def small_runs():
    return plans.plan(FIRST, "smoke", {"many": {}, "few.arms": ["random"], "few.seeds": 1, "cycles": 1}).runs


def test_computing_goes_on_when_nobody_reads_what_it_says(tmp_path):
    command = " ".join(f"'{word}'" for word in [sys.executable, "-m", "alnb.cli", *SMALL])
    env = os.environ | {"ALNB_STORE": str(tmp_path)}
    said = subprocess.run(["bash", "-c", f"set -o pipefail; {command} | head -1"], env=env, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert all(Store(tmp_path).read(run).done for run in small_runs())


def test_records_are_computed_again_and_compared(tmp_path, monkeypatch, capsys):
    store, where = tmp_path / "store", tmp_path / "records"
    monkeypatch.setenv("ALNB_STORE", str(store))
    monkeypatch.setattr(records, "folder", lambda: where)
    assert cli.main(SMALL) == 0
    runs = small_runs()
    different = len({run.key for run in runs})  # some stand in two races
    assert records.export(runs, Store(store)).added == different
    needed = len({run.key for run in with_needs(runs)})
    records.export(with_needs(runs), Store(store))
    for _ in range(2):  # on the machine that exported them, and once more
        capsys.readouterr()
        assert cli.main([*SMALL, "--recompute"]) == 0
        said = capsys.readouterr().out
        assert f"{needed} runs: 0 done, 0 in records, {needed} missing" in said
        assert f"{needed} records computed again: {needed} equal" in said
        assert said.count(": step ") == sum(run.steps for run in {run.key: run for run in with_needs(runs)}.values())
    assert not list((store / "recomputed").glob("*/*"))


def test_paper_without_its_data_is_refused_with_where_to_get_it(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("ALNB_DATA", str(tmp_path))
    plans.dataset_status.cache_clear()
    monkeypatch.setattr(plans.records, "steps", lambda run, where=None: None)
    said = refused(capsys, "run", "01", "--profile", "paper")
    plans.dataset_status.cache_clear()
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
    monkeypatch.setattr(plans, "CONFIG", tmp_path)
    plans.config.cache_clear()
    said = refused(capsys, "run", "01")
    plans.config.cache_clear()
    assert f"{FIRST}.yaml" in said


QUICK = """
import sys, {module}
heavy = {{"torch", "torchvision", "matplotlib", "seaborn", "dask", "distributed", "papermill", "sklearn", "scipy", "pandas",
          "joblib", "IPython", "nbconvert", "zmq"}}
print(",".join(sorted(heavy & set(sys.modules))))
"""


@pytest.mark.parametrize(
    "module", ["alnb", "alnb.cli", "alnb.plans", "alnb.notebooks", "alnb.methods.label_dispersion", "alnb.report"]
)
def test_what_must_be_quick_imports_nothing_heavy(module):
    done = subprocess.run(
        [sys.executable, "-c", QUICK.format(module=module)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_help_status_and_refusals_import_nothing_heavy():
    asked = [["status"], ["status", "01"], ["data"], *(arguments for arguments, _ in REFUSED)]
    program = QUICK.format(module="alnb.cli") + (
        f"for arguments in {asked!r}:\n    alnb.cli.main(arguments)\n"
        "    print('HEAVY', arguments, sorted(heavy & set(sys.modules)))\n"
        "import atexit\natexit.register(lambda: print('HEAVY', '--help', sorted(heavy & set(sys.modules))))\n"
        "alnb.cli.main(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    said = [line for line in done.stdout.splitlines() if line.startswith("HEAVY")]
    assert said == [f"HEAVY {arguments} []" for arguments in [*asked, "--help"]]


# --- for a newcomer -----------------------------------------------------------------------------------------


def test_without_a_command_the_help_is_shown(capsys):
    assert cli.main([]) == 2
    shown = capsys.readouterr().err
    assert all(word in shown for word in ("first steps:", "alnb status", "exit codes:", *plans.PROFILES))


def manifest(folder, **more):
    (folder / "smoke").mkdir(parents=True, exist_ok=True)
    entry = {"id": "thesis-fig-3.1", "notebook": FIRST, "profile": "smoke", "datasets": ["digits"], "real": True}
    (folder / "smoke" / "manifest.json").write_text(json.dumps([entry | more]))


def test_status_says_for_each_profile_what_is_done_and_what_to_do_next(capsys):
    assert cli.main(["status"]) == 0
    shown = capsys.readouterr().out
    for name in plans.names():
        assert f"{name}: {plans.config(name)['title']}\n" in shown
        assert f"  0 of {len(plans.config(name)['artefacts'])} figures and tables drawn\n" in shown
    count = len(plans.plan(FIRST).runs)
    assert f"{count} runs: 0 done, {count} missing, about " in shown
    assert "alnb run 00" in shown


def test_status_of_one_notebook_lists_its_artefacts_and_what_they_were_drawn_on(capsys, tmp_path):
    manifest(tmp_path / "figures", plumbing=True)
    assert cli.main(["status", "01"]) == 0
    shown = capsys.readouterr().out
    captions = plans.config(FIRST)["artefacts"]
    assert all(f"  {artefact}: {caption}\n" in shown for artefact, caption in captions.items())
    assert "      smoke (plumbing: digits)\n" in shown
    assert shown.count("not drawn yet") == len(captions) - 1


def test_a_profile_that_cannot_be_run_does_not_hide_the_others(capsys, monkeypatch):
    real = plans.plan

    def broken(name, profile=plans.LAPTOP, overrides=None):
        if profile == "smoke":
            raise BadRequest("no strategy 'magic'")
        return real(name, profile, overrides)

    monkeypatch.setattr(plans, "plan", broken)
    assert cli.main(["status", "01"]) == 2
    shown = capsys.readouterr().out
    assert "cannot be run: no strategy 'magic'" in shown
    assert shown.count(" runs: ") == len(plans.profiles(FIRST)) - 1


@pytest.mark.parametrize(
    ("profile", "datasets"), [("reduced", {"cifar-10"}), ("world", {"glyphs-10", "glyphs-10-null", "glyphs-10-trap", "glyphs-100"})]
)
def test_an_export_keeps_a_stand_ins_runs_for_the_profile_world_only(monkeypatch, capsys, profile, datasets):
    taken = []
    monkeypatch.setattr("alnb.records.export", lambda runs, store, **more: taken.extend(runs) or records.Exported(len(taken)))
    assert cli.main(["records", "export", "00" if profile == "reduced" else "01", "--profile", profile]) == 0
    assert {run.dataset for run in taken} == datasets


def test_reproduce_draws_the_profiles_of_which_more_is_known_than_what_laptop_computes(monkeypatch):
    laptop, drawn = set(plans.plan("00_active_learning").runs), []
    nothing = plans.Standing([], [], [], [], 0.0, {})

    def standing(runs, profile, store):
        forgetting = [run for run in runs if profile == "reduced" and run.dataset == "cifar-10"]
        return dataclasses.replace(nothing, done=[run for run in runs if run in laptop], recorded=forgetting)

    monkeypatch.setattr(plans, "standing", standing)
    monkeypatch.setattr(headless, "told", lambda made, **options: drawn.append(made.profile) or 0)
    monkeypatch.setattr(reproduce, "draw", lambda some, at_once: drawn.extend(("drawn", made.profile) for made in some) or 1)
    monkeypatch.setattr(cli, "report", lambda options: drawn.append("gallery"))
    assert cli.main(["reproduce", "00"]) == 1  # the worst of all
    assert drawn == ["laptop", ("drawn", "reduced"), "gallery"]
