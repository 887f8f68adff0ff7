"""A person answers a run question by question: kept at once, gone on with after a restart, with the rows of the truth."""

import dataclasses
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from types import SimpleNamespace

import pytest

import alnb.conversation as conversations
from alnb import REPOSITORY
from alnb.conversation import Conversation, conversation, first_question
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.store import Store
from tests import toy_talk


class Thread(threading.Thread):
    """In place of the process, which takes seconds to start."""

    def terminate(self):
        pass


def in_a_thread():
    ours, theirs = multiprocessing.Pipe()
    thread = Thread(target=conversations._think, args=(theirs,), daemon=True)
    thread.start()
    return ours, thread


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "s")


@pytest.fixture
def process():
    """For tests that want the process."""


@pytest.fixture(autouse=True)
def quick(request, monkeypatch):
    if "process" not in request.fixturenames:
        monkeypatch.setattr(conversations, "_spawned", in_a_thread)


def test_a_run_whose_folder_cannot_be_used_is_one_line(store):
    run = toy_talk.run()
    (store.folder(run) / "lock").mkdir(parents=True)
    with pytest.raises(BadRequest, match=r"its folder cannot be used \(Is a directory"):
        Conversation(run, store)


def go_on(talk, answers=None, at_most=99):
    """Answer as the truth would, or with `answers` one after the other; how many were given."""
    given = 0
    while given < at_most and talk.wait() == "asking":
        said = toy_talk.same(talk.query) if answers is None else answers[given]
        assert talk.answer(talk.number, said, seconds=1.5)
        given += 1
    return given


def rows(store, run):
    return store.read(run).rows


def by_the_truth(tmp_path, **settings):
    store, run = Store(tmp_path / "truth"), toy_talk.run(**settings)
    assert not drive([run], store, workers=1).failed
    return store.read(run)


def test_a_run_that_asks_a_person_is_parked_and_answered_with_the_rows_of_the_truth(tmp_path, store, process):
    run = toy_talk.run(annotator="ann")
    assert run.key != toy_talk.run().key != toy_talk.run(annotator="bob").key
    assert drive([run], store, workers=1).waiting == [run]
    talk = Conversation(run, store)
    assert go_on(talk) == 6
    assert talk.wait() == "done"
    truth = by_the_truth(tmp_path)
    assert rows(store, run) == truth.rows
    assert store.read(run).state == truth.state
    assert drive([run], store, workers=1).done == [run]
    frame = store.frame([run])
    assert frame.loc[frame["kind"] == "answer", "seconds"].tolist() == [1.5] * 6


def test_each_answer_is_kept_as_it_is_given_and_another_conversation_goes_on_with_the_next_question(tmp_path, store):
    run = toy_talk.run(annotator="ann")
    for _ in range(3):  # the kernel is started again after each two answers
        talk = Conversation(run, store)
        given = talk.given
        go_on(talk, at_most=2)
        assert talk.wait() in ("asking", "done")
        assert talk.given == given + 2
        talk.close()
    assert store.read(run).done
    assert rows(store, run) == by_the_truth(tmp_path).rows
    talk = Conversation(run, store)
    assert talk.status == "done"
    assert talk.given == 6
    assert not talk.undo()


@pytest.mark.alone
def test_a_killed_process_loses_no_answer(tmp_path, store):
    run = toy_talk.run(annotator="ann")
    program = (
        "import os, signal; from alnb.conversation import Conversation; from alnb.store import Store\n"
        "from tests import toy_talk; from tests.test_conversation import go_on\n"
        "if __name__ == '__main__':\n"
        f"    talk = Conversation(toy_talk.run(annotator='ann'), Store({str(store.root)!r}))\n"
        "    go_on(talk, at_most=4); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": "."})
    assert ended.returncode == -signal.SIGKILL
    talk = Conversation(run, store)
    assert talk.wait() == "asking"
    assert talk.given == 4
    assert go_on(talk) == 2
    assert talk.wait() == "done"
    assert rows(store, run) == by_the_truth(tmp_path).rows


def test_a_line_that_was_not_written_to_its_end_is_asked_again(tmp_path, store):
    run = toy_talk.run(annotator="ann")
    talk = Conversation(run, store)
    go_on(talk, at_most=2)
    talk.wait()
    talk.close()
    path = store.folder(run) / "0000.asked.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    talk = Conversation(run, store)
    assert talk.wait() == "asking"
    assert talk.given == 1
    assert len(path.read_text().splitlines()) == 1
    go_on(talk)
    assert talk.wait() == "done"
    assert rows(store, run) == by_the_truth(tmp_path).rows


@pytest.mark.parametrize("damage", ["garbage\n", "[]\n", '{"answer": true}\n'])
def test_an_unreadable_line_is_set_aside_and_it_and_what_follows_is_asked_again(store, damage):
    run = toy_talk.run(annotator="ann")
    talk = Conversation(run, store)
    go_on(talk, at_most=2)
    talk.wait()
    talk.close()
    path = store.folder(run) / "0000.asked.jsonl"
    first, second = path.read_text().splitlines(keepends=True)
    path.write_text(first + damage + second)
    with pytest.warns(UserWarning, match="line 2 is unreadable"):
        talk = Conversation(run, store)
    assert talk.wait() == "asking"
    assert talk.given == 1
    assert path.read_text() == first
    assert path.with_name(path.name + ".damaged").exists()
    talk.close()


def test_answers_to_other_questions_are_asked_again(store):
    run = toy_talk.run(annotator="ann")
    talk = Conversation(run, store)
    go_on(talk, at_most=2)
    talk.wait()
    talk.close()
    path = store.folder(run) / "0000.asked.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["query"][1] += 1
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.warns(UserWarning, match="1 answers are to other questions"):
        (talk := Conversation(run, store)).wait()
    assert talk.status == "asking"
    assert talk.given == 1
    talk.close()


def test_the_log_that_loses_lines_is_set_aside_whole_each_time(store):
    run = toy_talk.run(annotator="ann")
    talk = Conversation(run, store)
    go_on(talk, at_most=2)
    talk.wait()
    talk.close()
    path = store.folder(run) / "0000.asked.jsonl"
    whole = path.read_bytes()
    store.forget_asked(run, 0, 1)
    assert len(store.asked(run, 0)) == 1
    store.forget_asked(run, 0, 0)
    assert store.asked(run, 0) == []
    kept = [other.read_bytes() for other in sorted(path.parent.glob("*.damaged*"))]
    assert kept == [whole, whole.splitlines(keepends=True)[0]]


def test_a_full_disk_at_the_end_of_a_block_is_called_by_its_name(store, monkeypatch):
    run = toy_talk.run(annotator="ann")
    talk = Conversation(run, store)
    go_on(talk, at_most=2)
    talk.wait()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", full)
        talk.answer(talk.number, True)
        assert talk.wait() == "failed"
    assert "No space left on device; what was answered is kept" in talk.why
    talk = Conversation(run, store)
    assert talk.wait() == "asking"
    assert talk.finished == 3
    talk.close()


def test_an_answer_is_taken_back_within_its_step_alone(tmp_path, store):
    run = toy_talk.run(annotator="ann")
    talk = Conversation(run, store)
    assert talk.wait() == "asking"
    assert not talk.undo()
    first = talk.query
    talk.answer(talk.number, not toy_talk.same(first))
    talk.wait()
    assert talk.undo()
    assert talk.wait() == "asking"
    assert talk.query == first
    assert talk.given == 0
    assert go_on(talk, at_most=3) == 3
    assert talk.wait() == "asking"
    assert talk.finished == 3
    assert not talk.undo()
    go_on(talk)
    assert talk.wait() == "done"
    assert rows(store, run) == by_the_truth(tmp_path).rows


def test_a_double_click_answers_once(store):
    talk = Conversation(toy_talk.run(annotator="ann"), store)
    talk.wait()
    number = talk.number
    assert talk.answer(number, True)
    assert not talk.answer(number, True)
    assert talk.wait() == "asking"
    assert talk.given == 1
    assert not talk.answer(number, False)
    talk.close()


def test_cannot_tell_and_skip_reach_the_study_as_they_were_said(store):
    run = toy_talk.run(annotator="ann", rounds=1)
    talk = Conversation(run, store)
    go_on(talk, answers=["cannot tell", "skip", True])
    assert talk.wait() == "done"
    assert [row["said"] for row in rows(store, run)] == ["cannot tell", "skip", "True"]


def test_who_holds_the_run_is_said_and_the_same_process_goes_on_with_its_own(store):
    run = toy_talk.run(annotator="ann")
    talk = Conversation(run, store)
    with pytest.raises(BadRequest, match=f"PID {os.getpid()} asks it already"):
        Conversation(run, store)
    assert conversation(run, store) is talk
    assert drive([run], store, workers=1).waiting == [run]  # nobody waits for a person
    assert talk.wait() == "asking"
    asked = talk.question().text
    talk.close()
    assert first_question(run, store).text == asked
    Conversation(run, store).close()


def test_what_the_study_does_wrong_is_kept_with_the_answers(store):
    run = toy_talk.run(annotator="ann", fault="raise")
    talk = Conversation(run, store)
    go_on(talk)
    assert talk.wait() == "failed"
    assert "told to raise" in talk.why
    assert "Traceback" in store.read(run).error["error"]
    assert len(store.asked(run, 0)) == 2


@pytest.mark.alone
def test_a_process_that_dies_is_said_and_loses_nothing(tmp_path, store, process):
    run = toy_talk.run(annotator="ann")
    talk = Conversation(run, store)
    go_on(talk, at_most=1)
    talk.wait()
    os.kill(talk._process.pid, signal.SIGKILL)
    deadline = time.time() + 20
    while talk.status != "failed" and time.time() < deadline:
        time.sleep(0.05)
    assert talk.status == "failed"
    assert "is kept" in talk.why
    talk = Conversation(run, store)
    go_on(talk)
    assert talk.wait() == "done"
    assert rows(store, run) == by_the_truth(tmp_path).rows


def test_what_cannot_be_asked_is_refused(store):
    from tests import toy_study

    with pytest.raises(BadRequest, match="asks nothing question by question"):
        Conversation(toy_study.runs([0])[0], store)
    run = toy_talk.run(annotator="ann")
    object.__setattr__(run, "needs", {"encoder": toy_study.runs([0])[0].needs["encoder"]})
    with pytest.raises(BadRequest, match="is not done: run the grid first"):
        Conversation(run, store)


def counted(monkeypatch):
    """(messages sent to where the study thinks, by kind; what the study was made to ask), as they go on."""
    sent, put, spawned = Counter(), [], conversations._spawned

    def asking(run, state):
        talk, answer = toy_talk.talk(run, state), None
        while True:
            try:
                query = talk.send(answer)
            except StopIteration as end:
                return end.value
            put.append(query)
            answer = yield query

    def counting():
        pipe, thread = spawned()

        def send(message):
            sent[message[0]] += 1
            pipe.send(message)

        return SimpleNamespace(send=send, recv=pipe.recv, close=pipe.close), thread

    monkeypatch.setattr(conversations, "_spawned", counting)
    monkeypatch.setattr(conversations, "study", lambda name: dataclasses.replace(toy_talk.STUDY, talk=asking))
    return sent, put


def test_an_answer_costs_the_same_after_many(store, monkeypatch):
    run = toy_talk.run(annotator="ann", rounds=2, questions=1000)
    sent, put = counted(monkeypatch)
    talk, sizes = Conversation(run, store), []
    path = store.folder(run) / "0000.asked.jsonl"
    for _ in range(1000):
        before = path.stat().st_size if path.exists() else 0
        go_on(talk, at_most=1)
        sizes.append(path.stat().st_size - before)
    assert max(sizes) < 1.2 * min(sizes[:10])  # one line each: nothing is written again
    assert talk.wait() == "asking"
    assert talk.finished == 1000
    assert sent == {"task": 2, "answer": 1000}  # a step each, an answer each: nothing is begun again
    assert len(put) == 1001
    talk.close()
