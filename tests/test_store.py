import dataclasses
import hashlib
import json
import resource
import shutil
import subprocess
import sys
import warnings

import pytest

from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.runs import Run, canonical, study
from alnb.store import Busy, Store, is_world
from tests import toy_study


@pytest.fixture
def done(tmp_path):
    store, runs = Store(tmp_path / "s"), toy_study.runs([0])
    drive(runs, store, workers=1, oracle=toy_study.human)
    return store, runs[0]


def files(store):
    return {
        path.relative_to(store.root): path.read_bytes()
        for path in store.root.rglob("0*")
        if path.is_file() and "damaged" not in path.name
    }


def rows(store):
    return {
        name: json.loads(body)["rows"]
        for name, body in files(store).items()
        if name.suffix == ".json" and b"rows" in body
    }


def test_a_second_drive_computes_nothing_and_changes_no_file(done):
    store, run = done
    before = files(store)
    assert drive([run], store, workers=1).computed == 0
    assert files(store) == before


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"garbage", lambda b: b"[1, 2]",
                                    lambda b: b.replace(b'"same": ', b'"same": 1')])  # fmt: skip
@pytest.mark.parametrize("step", [0, 2])
def test_a_damaged_step_is_set_aside_with_a_warning_and_done_again(done, damage, step):
    store, run = done
    before = rows(store)
    path = store.folder(run) / f"000{step}.json"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match="set aside"):
        outcome = drive([run], store, workers=1, oracle=toy_study.human)
    assert not outcome.failed
    assert rows(store) == before
    assert path.with_name(path.name + ".damaged").exists()


def test_damaged_tensors_of_a_needed_run_are_computed_again_only_when_needed(done):
    store, run = done
    encoder = run.needs["encoder"]
    blob = store.folder(encoder) / "0001.weights.pt"
    good = blob.read_bytes()
    blob.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert drive([run], store, workers=1).computed == 0  # nothing starts from it
    other = toy_study.runs([0], rounds=1)[0]
    object.__setattr__(other, "needs", run.needs)
    with pytest.warns(UserWarning, match="weights.pt"):
        outcome = drive([other], store, workers=1, oracle=toy_study.human)
    assert outcome.computed == 1 + 2
    assert blob.read_bytes() == good


def test_only_the_last_two_steps_keep_their_tensors(tmp_path):
    store, run = Store(tmp_path / "s"), toy_study.runs([0], parts=5)[0].needs["encoder"]
    drive([run], store, workers=1)
    assert sorted(path.name for path in store.folder(run).glob("*.pt")) == ["0003.weights.pt", "0004.weights.pt"]


@pytest.mark.parametrize("moved", [("0004", "0000"), ("0003", "0001"), ("0002", "0003")])
def test_a_step_in_the_place_of_another_is_set_aside_and_done_again(tmp_path, moved):
    store, run = Store(tmp_path / "s"), toy_study.runs([0], rounds=5)[0]
    drive([run], store, workers=1, oracle=toy_study.human)
    before, (source, target) = rows(store), moved
    shutil.copy(store.folder(run) / f"{source}.json", store.folder(run) / f"{target}.json")
    with pytest.warns(UserWarning, match=f"it is step {int(source)}; set aside"):
        assert drive([run], store, workers=1, oracle=toy_study.human).computed == 1  # those that follow stand
    assert rows(store) == before


def test_what_follows_a_step_that_came_out_otherwise_is_done_again(tmp_path):
    store, run = Store(tmp_path / "s"), toy_study.runs([0], rounds=4)[0]
    drive([run], store, workers=1, oracle=toy_study.human)
    (store.folder(run) / "0001.json").unlink()
    (store.folder(run) / "0000.answers.json").write_text('{"answers": ["yes", "yes"]}')
    with pytest.warns(UserWarning, match="it follows another step 1 than the one that is here"):
        assert drive([run], store, workers=1, oracle=toy_study.human).computed == 4
    answers = store.read(run).state["answers"]
    assert [a for _, a in answers] == ["yes", "yes"] + 3 * ["yes", "no"]
    assert len(list(store.folder(run).glob("*.damaged"))) == 3


def test_answers_to_other_questions_are_asked_again(done):
    store, run = done
    path = store.folder(run) / "0002.answers.json"
    path.write_text(path.read_text().replace("[0, 20]", "[0, 99]"))
    before = rows(store)
    (store.folder(run) / "0003.json").unlink()
    with pytest.warns(UserWarning, match="does not answer"):
        assert drive([run], store, workers=1, oracle=toy_study.human).computed == 1
    assert rows(store) == before


def test_a_store_of_yesterday_whose_steps_hold_the_whole_state_is_read_and_goes_on(tmp_path):
    store, run = Store(tmp_path / "s"), toy_study.runs([0], rounds=3)[0]
    drive([run], store, workers=1, oracle=toy_study.human)
    today, progress = files(store), store.read(run)
    for path in store.folder(run).glob("000[012].json"):
        step = json.loads(path.read_bytes())
        step |= {"state": progress.until(step["index"] + 1).state}
        for name in ("before", "adds", "sha256"):
            del step[name]
        step["sha256"] = hashlib.sha256(canonical(step)).hexdigest()
        path.write_text(json.dumps(step))
    (store.folder(run) / "0003.json").unlink()
    assert drive([run], store, workers=1, oracle=toy_study.human).computed == 1
    assert store.read(run).state == progress.state
    assert store.read(run).rows == progress.rows
    assert set(files(store)) == set(today)


def test_what_was_read_stays_as_it_was_while_the_run_goes_on(tmp_path):
    store, run = Store(tmp_path / "s"), toy_study.runs([0], rounds=4)[0]
    drive([run], store, workers=1, oracle=toy_study.human)
    whole = [store.read(run).until(n).state for n in range(1, 6)]
    for path in store.folder(run).glob("000[1-4].json"):
        path.unlink()
    progress = store.read(run)
    while progress.steps[-1]["index"] < 4:
        n = len(progress.steps)
        step = dict(store.read(run).steps[-1]) | {"rows": [], "queries": [], "blobs": {}, "done": n == 4, "provenance": {}}
        store.write(run, n, step | {"state": whole[n]}, progress)
    assert [progress.until(n).state for n in range(1, 6)] == whole


def test_a_step_holds_what_it_adds_and_is_verified_once(tmp_path, monkeypatch):
    looked = []
    verified = Store._verified
    monkeypatch.setattr(Store, "_verified", lambda self, *a: looked.append(a[0]) or verified(self, *a))
    sizes = {}
    for rounds in (20, 200):
        store, run = Store(tmp_path / str(rounds)), toy_study.runs([0], rounds=rounds)[0]
        looked.clear()
        assert drive([run], store, workers=1, oracle=toy_study.human).computed == rounds + 3
        assert len(looked) <= 4  # the encoder's two, as what is needed
        sizes[rounds] = {p.name: p.stat().st_size for p in store.folder(run).glob("0*.json") if p.name[5] != "a"}
        assert len(store.read(run).state["answers"]) == 2 * rounds
    assert max(sizes[200].values()) < 1.1 * max(sizes[20].values())


def test_answers_of_a_human_are_kept_and_answers_that_do_not_fit_are_asked_again(done):
    store, run = done
    path = store.folder(run) / "0002.answers.json"
    assert json.loads(path.read_bytes())["answers"] == ["yes", "no"]
    before = rows(store)
    path.write_text('{"answers": ["yes"]}')
    (store.folder(run) / "0003.json").unlink()
    with pytest.warns(UserWarning, match="does not answer"):
        drive([run], store, workers=1, oracle=toy_study.human)
    assert rows(store) == before


def test_odd_files_in_a_run_s_folder_do_no_harm(done):
    store, run = done
    for name in ("notes.pt", "copy of 0003.A.pt", "0001 (1).json", ".DS_Store", "0000.json.txt"):
        (store.folder(run) / name).write_bytes(b"\x00what")
    (store.folder(run) / "0009.weights.pt").mkdir()
    before = rows(store)
    assert drive([run], store, workers=1).computed == 0
    (store.folder(run) / "0002.json").write_text("[" * 20_000)
    with pytest.warns(UserWarning, match="set aside"):
        assert not drive([run], store, workers=1, oracle=toy_study.human).failed
    assert rows(store) == before


def test_a_lock_that_is_a_folder_fails_its_run_alone(tmp_path):
    store, runs = Store(tmp_path / "s"), toy_study.runs([0, 1])
    (store.folder(runs[0]) / "lock").mkdir(parents=True)
    outcome = drive(runs, store, workers=1, oracle=toy_study.human, say=lambda line: None)
    assert runs[1] in outcome.done
    assert "its folder cannot be used (Is a directory" in outcome.failed[runs[0]]


def test_a_file_where_a_folder_should_be_is_one_clear_line(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "tests.toy_study").write_text("in the way")
    with pytest.raises(BadRequest, match="is a file; move it away"):
        drive(toy_study.runs([0]), Store(tmp_path / "s"), workers=1)


def test_a_file_size_limit_hit_while_writing_loses_nothing(done):
    store, run = done
    (store.folder(run) / "0003.json").unlink()
    before = files(store)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        outcome = drive([run], store, workers=1, oracle=toy_study.human, say=lambda line: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "could not be stored" in outcome.failed[run]
    assert files(store) == before
    assert not list(store.root.rglob("*.tmp"))
    assert drive([run], store, workers=1, oracle=toy_study.human).computed == 1


def test_a_run_that_another_process_holds_is_busy_and_says_whose(tmp_path):
    store, run = Store(tmp_path / "s"), toy_study.runs([0])[0]
    program = (
        "import sys, time; from alnb.store import Store; from tests import toy_study\n"
        f"lock = Store({str(tmp_path / 's')!r}).acquire(toy_study.runs([0])[0]); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Busy, match=f"PID {holder.pid}"):
            store.acquire(run)
    finally:
        holder.kill()
        holder.wait()
    store.acquire(run).release()  # freed with the process


def test_leftovers_of_a_killed_writer_are_swept(done):
    store, run = done
    leftover = store.folder(run) / "0003.json.4242.tmp"
    leftover.write_text("half")
    (store.folder(run) / "0003.json").unlink()
    drive([run], store, workers=1, oracle=toy_study.human)
    assert not leftover.exists()


def test_the_frame_is_tidy_and_holds_the_seconds_apart(done):
    store, run = done
    frame = store.frame([run, run.needs["encoder"]])
    assert list(frame["kind"].unique()) == ["pairs", "timing", "training"]
    assert (frame.loc[frame.kind == "timing", "seconds"] >= 0).all()
    assert frame.loc[frame.kind == "pairs", "same"].tolist() == [0, 1, 2, 3]


def test_a_step_whose_evaluation_is_of_the_old_kind_is_read_as_one_of_today_and_stays_as_it_is(done):
    store, _ = done
    rows = [{"kind": "accuracy", "cycle": 0, "accuracy": 50.0}, {"kind": "pairs", "same": 1}]
    result = {"rows": rows, "queries": [], "state": {}, "blobs": {}, "done": False, "provenance": {}}
    other = toy_study.runs([7])[0]
    with store.lock(other):
        store.write(other, 0, result)
    before = files(store)
    assert store.read(other).rows == [rows[0] | {"kind": "test"}, rows[1]]
    assert store.resume(other).rows == store.read(other).rows
    assert files(store) == before
    path = store.folder(other) / "0000.json"  # a kind that is renamed in the file is a change like any other
    path.write_bytes(path.read_bytes().replace(b'"kind": "accuracy"', b'"kind": "test"'))
    with pytest.warns(UserWarning, match="its checksum does not match"):
        assert store.read(other).steps == []


def test_the_frame_has_the_race_of_a_run_and_a_row_for_each_race_it_stands_in(done):
    store, run = done
    frame = store.frame([run, Run(run.study, run.dataset, run.method, run.seed, run.settings, run.needs, race="few")])
    assert frame["race"].unique().tolist() == ["", "few"]
    assert frame["key"].nunique() == 1
    assert (frame["race"] == "few").sum() * 2 == len(frame)
    for name in ("study", "dataset", "world", "race", "method", "seed", "key", "network", "step", "kind"):
        assert name in frame
        assert name in store.frame([])


def test_what_starts_from_a_stand_in_is_one():
    about = lambda dataset, needs={}: Run("label_dispersion", dataset, "cycle_0", 0, {}, needs)
    real, drawn = about("digits"), about("glyphs-10")
    assert not is_world(real)
    assert is_world(drawn)
    assert not is_world(about("cifar-10", {"source": real}))
    assert is_world(about("cifar-10", {"source": about("digits", {"source": drawn})}))
    assert is_world(about("people"))  # data of a study's own


def test_data_that_the_paper_draws_by_a_program_too_stand_in_for_nothing(monkeypatch):
    sequences = Run("tests.toy_study", "sequences", "encoder", 0)
    starts = Run("label_dispersion", "digits", "cycle_0", 0, {}, {"sorter": sequences})
    assert is_world(starts)
    monkeypatch.setattr(toy_study, "STUDY", dataclasses.replace(toy_study.STUDY, synthetic=True))
    study.cache_clear()
    assert not is_world(starts)
    study.cache_clear()
