"""The widget without a browser: what it draws, what it is told, and the still picture of a headless notebook."""

import base64
import io
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


def drawn(widget, number=None, status="asking"):
    until = time.time() + 30
    while (widget.status, widget.asked.get("number")) != (status, number or widget.talk.number) and time.time() < until:
        time.sleep(0.01)
    return widget.asked


def said(widget, **content):
    widget._heard(widget, content, [])


def test_runs_are_asked_one_after_the_other_and_a_second_click_counts_for_nothing(tmp_path):
    store, runs = Store(tmp_path), [toy_talk.run(seed, annotator="ann", rounds=1, questions=2) for seed in (0, 1)]
    widget = Annotator(runs, store)
    asked = drawn(widget, 1)
    assert asked["number"] == 1
    assert [choice["key"] for choice in asked["choices"]] == ["s", "d", "c", "k"]
    assert (widget.status, widget.given, widget.undoable) == ("asking", 0, False)
    said(widget, number=1, choice=0, seconds=2)
    said(widget, number=1, choice=0, seconds=0.1)
    drawn(widget, 2)
    assert (widget.given, widget.undoable, widget.asked["number"]) == (1, True, 2)
    said(widget, undo=True)
    drawn(widget, 3)
    assert (widget.given, widget.undoable) == (0, False)
    said(widget, number=3, choice=9)
    assert widget.given == 0
    for number in (3, 4):
        drawn(widget, number)
        said(widget, number=number, choice=1, seconds=1)
    drawn(widget, 1)
    assert store.read(runs[0]).done
    assert widget.message == "0 answered (run 2 of 2)"
    for number in (1, 2):
        drawn(widget, number)
        said(widget, number=number, choice=2)
    drawn(widget, 2, "done")
    assert widget.status == "done"
    assert [row["said"] for row in store.read(runs[1]).rows] == ["cannot tell"] * 2


def test_images_reach_the_browser_as_they_are_and_the_still_picture_says_what_is_asked():
    picture = numpy.arange(8 * 4 * 3, dtype=numpy.uint8).reshape(8, 4, 3)
    question = Question("The same?", (("query", picture), ("candidate", picture)), (("s", "same", True), ("d", "no", False)))
    source = annotate.drawn(question, 5)["images"][1]["source"]
    body = base64.b64decode(source.partition(",")[2])
    assert (numpy.asarray(Image.open(io.BytesIO(body))) == picture).all()
    drawing = annotate.still(question)
    assert drawing.alt == "The same? Images: query and candidate. Answers: s: same, d: no."
    assert len(drawing.figure.axes) == 2
