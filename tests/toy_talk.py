"""A study that asks question by question, as re-ID does: each question depends on the answers so far, and on chance."""

from dataclasses import dataclass

import numpy
import torch

from alnb.runs import Question, Run, Step, Study, answered


@dataclass(frozen=True)
class Settings:
    rounds: int = 2
    questions: int = 3
    annotator: str = "truth"
    fault: str = ""


def talk(run, state):
    o, said = run.options, []
    for _ in range(o.questions):
        noise = int(torch.randint(1000, ()))  # of the global generator: seeded anew for each step
        query = [state.index, noise, sum(answer is True for _, answer in said)]
        answer = yield query
        if o.fault == "raise" and len(said) == 1:
            raise ValueError("the toy was told to raise")
        said.append((query, answer))
    rows = [{"kind": "pair", "round": state.index, "noise": q[1], "said": str(answer)} for q, answer in said]
    past = state.data.get("said", []) + [[q, a] for q, a in said]
    return Step(rows, {"said": past}, done=state.index == o.rounds - 1)


def same(query) -> bool:
    return query[1] % 2 == 0


def step(run, state):
    return answered(talk(run, state), same)


def question(run, query):
    picture = numpy.full((8, 4, 3), query[1] % 256, numpy.uint8)
    choices = (("s", "same", True), ("d", "different", False), ("c", "cannot tell", "cannot tell"), ("k", "skip", "skip"))
    return Question(f"number {query[1]}: even?", (("query", picture), ("candidate", picture)), choices)


STUDY = Study("toy_talk", 1, step, Settings, lambda run: run.options.rounds, talk=talk, question=question,
              questions=lambda run: run.options.rounds * run.options.questions)  # fmt: skip


def run(seed=0, **settings):
    return Run("tests.toy_talk", "people", "pairs", seed, settings)
