"""The questions of a run in a notebook: images beside each other, one key or button an answer.

A thin view of alnb/conversation.py, which holds the run: a tab may be closed, a cell run again, a kernel restarted.
"""

from __future__ import annotations

import base64
import io
import threading
from pathlib import Path

import anywidget
import traitlets

from alnb.conversation import ASKING, DONE, FAILED, THINKING, Conversation, conversation
from alnb.errors import BadRequest
from alnb.runs import Question, Run
from alnb.store import Store

FOLDER = Path(__file__).parent


class Annotator(anywidget.AnyWidget):
    """Asks the questions of `runs`, one run after the other, until all are done.

    `asked` is what the browser draws: number (of the run and of the question), text, images, choices; the browser sends back
    the number it answers, so that a second click on the same question counts for nothing.
    """

    _esm = FOLDER / "annotate.js"
    _css = FOLDER / "annotate.css"
    asked = traitlets.Dict().tag(sync=True)
    status = traitlets.Unicode(THINKING).tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)
    given = traitlets.Int(0).tag(sync=True)
    share = traitlets.Float(0.0).tag(sync=True)
    undoable = traitlets.Bool(False).tag(sync=True)

    def __init__(self, runs: list[Run], store: Store | None = None):
        super().__init__()
        self.runs, self.store, self._at = list(runs), store or Store(), 0
        self.talk: Conversation | None = None
        self._drawing = threading.RLock()  # the study answers from another thread
        self._passed: list[str] = []  # why runs were passed over
        self._opening = False
        self.on_msg(self._heard)
        self._open()

    def _open(self) -> None:
        """The first run, from here on, that can be asked; what another process asks is passed over."""
        with self._drawing:  # a question may come before the conversation is ours to draw
            while True:
                last = self._at + 1 == len(self.runs)
                self._opening = True
                try:
                    self.talk = conversation(self.runs[self._at], self.store, self._changed)
                except BadRequest as error:
                    self._passed.append(str(error))
                    if last:
                        self.status, self.message = FAILED, f"Stopped: {'; '.join(self._passed)}"
                        return
                else:
                    if last or self.talk.status != DONE:
                        return self._draw(self.talk)
                finally:
                    self._opening = False
                self._at += 1

    def _heard(self, _, content: dict, buffers) -> None:
        """An answer, by its place among the choices, or the wish to take the last one back."""
        talk = self.talk
        if content.get("undo"):
            talk.undo()
            return
        question, (run, _, number) = talk.question(), str(content["number"]).partition("/")
        if question is not None and run == talk.run.key[:8] and 0 <= int(content["choice"]) < len(question.choices):
            seconds = max(0.0, float(content.get("seconds", 0)))
            talk.answer(int(number), question.choices[int(content["choice"])][2], seconds)

    def _changed(self) -> None:
        with self._drawing:
            if self.talk is not None and not self._opening:  # one about a done run says so while it is opened
                self._draw(self.talk)

    def _draw(self, talk: Conversation) -> None:
        if talk.status == DONE and self._at + 1 < len(self.runs):
            self._at += 1
            return self._open()
        notes = "".join(f" ({note})" for note in (*self._passed, talk.said) if note)
        of = f" (run {self._at + 1} of {len(self.runs)})" if len(self.runs) > 1 else ""
        with self.hold_sync():
            if talk.status == ASKING:
                self.asked = drawn(talk.question(), f"{talk.run.key[:8]}/{talk.number}")
            self.given, self.share, self.undoable = talk.given, talk.share, talk.given > talk.finished
            given = f"{talk.given} of {talk.questions} answered" if talk.questions else f"{talk.given} answered"
            self.message = {
                ASKING: f"{given}{of}",
                THINKING: f"{given}{of}; the model is learning from them",
                DONE: f"Done: {talk.given} answered. Run the cell of the grid again to draw the results.",
                FAILED: f"Stopped: {talk.why}",
            }.get(talk.status, f"{talk.given} answered, all kept. Run this cell again to go on.") + notes
            self.status = talk.status


def drawn(question: Question, number: str) -> dict:
    """A question as JSON for the browser, its images as PNG."""
    from PIL import Image

    images = []
    for caption, picture in question.images:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "png")
        source = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
        images.append({"caption": caption, "source": source})
    choices = [{"key": key, "label": label} for key, label, _ in question.choices]
    return {"number": number, "text": question.text, "images": images, "choices": choices}


def still(question: Question):
    """The question as a figures.Drawing that is no artefact, for a notebook that runs headless."""
    from alnb import figures

    fig, axes = figures.subplots(1, len(question.images), figsize=(1.7 * len(question.images) + 1, 3.6), squeeze=False)
    for ax, (caption, picture) in zip(axes[0], question.images):
        ax.imshow(picture)
        ax.set(xticks=[], yticks=[], xlabel=caption)
    keys = ", ".join(f"{key}: {label}" for key, label, _ in question.choices)
    fig.suptitle(question.text, fontsize=10)
    figures.note(fig, f"As a person is asked it in JupyterLab ({keys}).")
    captions = " and ".join(caption for caption, _ in question.images)
    return figures.Drawing(fig, None, f"{question.text} Images: {captions}. Answers: {keys}.", None)
