"""The widget without a browser: what it draws, what it is told, and the still picture of a headless notebook."""

import base64
import dataclasses
import io
import os
import time

import numpy
import pytest
from PIL import Image

import alnb.conversation as conversations
from alnb import annotate, notebooks, plans
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
    assert widget.message == "0 of 2 answered (run 2 of 2)"
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
    assert "answered (run 4 of 4)" not in widget.message  # it says that it is done
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


def test_progress_moves_with_every_answer(tmp_path):
    """And not with every thousand of them, when a step is finished."""
    widget = Annotator([toy_talk.run(annotator="ann", rounds=2, questions=2)], Store(tmp_path))
    seen = []
    for number in range(1, 5):
        drawn(widget, number)
        seen.append((widget.share, widget.message))
        said(widget, number, choice=0)
    drawn(widget, 4, "done")
    assert seen == [(n / 4, f"{n} of 4 answered") for n in range(4)]
    assert widget.share == 1


def test_a_study_that_does_not_say_how_many_it_asks_counts_its_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(conversations, "study", lambda name: dataclasses.replace(toy_talk.STUDY, questions=None))
    widget = Annotator([toy_talk.run(annotator="ann", rounds=2, questions=1)], Store(tmp_path))
    drawn(widget, 1)
    assert (widget.share, widget.message) == (0, "0 answered")
    said(widget, 1, choice=0)
    drawn(widget, 2)
    assert (widget.share, widget.message) == (0.5, "1 answered")
    widget.talk.close()


@pytest.fixture
def nb(tmp_path, monkeypatch):
    """A notebook at work, its cells run in the browser; `asked` are what it shows in a cell."""
    for name in ("STORE", "FIGURES", "EXECUTED"):
        monkeypatch.setenv(f"ALNB_{name}", str(tmp_path / name))
    monkeypatch.delenv("ALNB_PARAMETERS", raising=False)
    made = notebooks.Notebook(plans.plan("07_reid_human_in_the_loop", "smoke"))
    made.shown = []
    monkeypatch.setattr(made, "show", made.shown.append)
    return made


def test_a_race_that_waits_is_asked_in_a_widget_and_headless_drawn(nb, monkeypatch, capsys):
    nb._grid = {"human": [toy_talk.run(annotator="ann")]}
    widget = nb.annotate("human")
    assert isinstance(widget, Annotator)
    assert drawn(widget, 1)["text"].startswith("number ")
    assert nb.shown == []
    widget.talk.close()
    capsys.readouterr()
    monkeypatch.setenv("ALNB_PARAMETERS", "{}")
    assert nb.annotate("human") is None
    assert capsys.readouterr().out == "ann answers in JupyterLab\n"
    assert [drawing.alt.partition(":")[0] for drawing in nb.shown] == [widget.asked["text"].partition(":")[0]]


@pytest.mark.parametrize(("who", "said"), [("ann", "all questions are answered"), ("truth", "own labels answer; name")])
def test_a_race_that_is_answered_says_by_whom_and_shows_the_first_question(nb, capsys, who, said):
    run = toy_talk.run(annotator=who, rounds=1)
    talk = None if who == "truth" else conversations.Conversation(run, nb.store)
    while talk and talk.wait() == "asking":
        talk.answer(talk.number, True)
    nb._grid = {"human": [run]}
    assert nb.annotate("human") is None
    assert said in capsys.readouterr().out
    assert len(nb.shown) == 1


def test_a_race_that_is_left_out_asks_nothing(nb, capsys):
    assert nb.annotate("human") is None
    assert "nothing is asked in the race 'human'" in capsys.readouterr().out


def test_images_reach_the_browser_as_they_are_and_the_still_picture_says_what_is_asked():
    picture = numpy.arange(8 * 4 * 3, dtype=numpy.uint8).reshape(8, 4, 3)
    question = Question("The same?", (("query", picture), ("candidate", picture)), (("s", "same", True), ("d", "no", False)))
    source = annotate.drawn(question, "run/5")["images"][1]["source"]
    body = base64.b64decode(source.partition(",")[2])
    assert (numpy.asarray(Image.open(io.BytesIO(body))) == picture).all()
    drawing = annotate.still(question)
    assert drawing.alt == "The same? Images: query and candidate. Answers: s: same, d: no."
    assert len(drawing.figure.axes) == 2
