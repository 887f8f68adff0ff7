"""The widget without a browser: what it draws, what it is told, and the still picture of a headless notebook."""

import base64
import io
import os
import time

import numpy
import pytest
from PIL import Image

import alnb.conversation as conversations
from alnb import annotate
from alnb.annotate import Annotator
from alnb.runs import Question
from alnb.store import Store
from tests import toy_talk
from tests.test_conversation import in_a_thread


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(conversations, "_spawned", in_a_thread)


def numbered(widget, number):
    return f"{widget.talk.run.key[:8]}/{number}"


def drawn(widget, number=None, status="asking"):
    until = time.time() + 30
    while time.time() < until:
        if widget.status == status and widget.asked.get("number") == numbered(widget, number or widget.talk.number):
            return widget.asked
        time.sleep(0.01)
    raise AssertionError(f"{widget.asked.get('number')} is {widget.status}: {widget.message}")


def said(widget, number=0, **content):
    widget._heard(widget, content | {"number": numbered(widget, number)}, [])


def short(seed, **settings):
    return toy_talk.run(seed, annotator="ann", rounds=1, **{"questions": 2} | settings)


def test_runs_are_asked_one_after_the_other_and_a_second_click_counts_for_nothing(tmp_path):
    store, runs = Store(tmp_path), [short(0), short(1)]
    widget = Annotator(runs, store)
    asked = drawn(widget, 1)
    assert [choice["key"] for choice in asked["choices"]] == ["s", "d", "c", "k"]
    assert (widget.status, widget.given, widget.undoable) == ("asking", 0, False)
    first = numbered(widget, 1)
    said(widget, 1, choice=0, seconds=2)
    said(widget, 1, choice=0, seconds=0.1)
    drawn(widget, 2)
    assert (widget.given, widget.undoable) == (1, True)
    said(widget, undo=True)
    drawn(widget, 3)
    assert (widget.given, widget.undoable) == (0, False)
    said(widget, 3, choice=9)
    assert widget.given == 0
    for number in (3, 4):
        drawn(widget, number)
        said(widget, number, choice=1, seconds=1)
    drawn(widget, 1)
    assert store.read(runs[0]).done
    assert widget.message == "0 answered (run 2 of 2)"
    widget._heard(widget, {"number": first, "choice": 0}, [])  # late, of the first run
    assert widget.talk.given == 0
    for number in (1, 2):
        drawn(widget, number)
        said(widget, number, choice=2)
    drawn(widget, 2, "done")
    assert widget.status == "done"
    assert [row["said"] for row in store.read(runs[1]).rows] == ["cannot tell"] * 2


def test_runs_that_are_done_or_asked_elsewhere_are_passed_over_and_said(tmp_path):
    store, runs = Store(tmp_path), [short(seed, questions=1) for seed in range(4)]
    with conversations.Conversation(runs[1], store) as talk:
        talk.wait()
        talk.answer(talk.number, True)
        assert talk.wait() == "done"
    hold = store.acquire(runs[2])
    widget = Annotator(runs, store)
    drawn(widget, 1)
    said(widget, 1, choice=0)
    until = time.time() + 30
    while widget.talk.run != runs[3] and time.time() < until:
        time.sleep(0.01)
    drawn(widget, 1)
    assert f"PID {os.getpid()} asks it already" in widget.message
    assert store.read(runs[0]).done
    said(widget, 1, choice=0)
    drawn(widget, 1, "done")
    assert "1 answered (run 4 of 4)" not in widget.message  # it says that it is done
    assert widget.message.startswith("Done: 1 answered")
    hold.release()


def test_an_answer_that_cannot_be_kept_is_said_and_those_before_it_are(tmp_path, monkeypatch):
    store, run = Store(tmp_path), short(0, questions=3)
    widget = Annotator([run], store)
    drawn(widget, 1)
    said(widget, 1, choice=0)
    drawn(widget, 2)
    before = (store.folder(run) / "0000.asked.jsonl").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        said(widget, 2, choice=0)
    assert widget.status == "failed"
    assert "could not be kept (No space left on device)" in widget.message
    assert (store.folder(run) / "0000.asked.jsonl").read_bytes() == before
    widget = Annotator([run], store)
    drawn(widget, 1)
    assert widget.given == 1
    widget.talk.close()


def test_images_reach_the_browser_as_they_are_and_the_still_picture_says_what_is_asked():
    picture = numpy.arange(8 * 4 * 3, dtype=numpy.uint8).reshape(8, 4, 3)
    question = Question("The same?", (("query", picture), ("candidate", picture)), (("s", "same", True), ("d", "no", False)))
    source = annotate.drawn(question, "run/5")["images"][1]["source"]
    body = base64.b64decode(source.partition(",")[2])
    assert (numpy.asarray(Image.open(io.BytesIO(body))) == picture).all()
    drawing = annotate.still(question)
    assert drawing.alt == "The same? Images: query and candidate. Answers: s: same, d: no."
    assert len(drawing.figure.axes) == 2
