"""A study that is no classification: it asks a scripted human, starts from another run's tensors, trains in steps.

It stands for the papers to come (re-ID pairs, boxes, sorters): nothing of the cycle, the tasks or the datasets is here.
"""

import os
import time
from dataclasses import dataclass

import torch

from alnb.runs import Run, Step, Study, torch_stream


@dataclass(frozen=True)
class Settings:
    rounds: int = 3
    parts: int = 2  # steps to train once
    answered: bool = True
    fault: str = ""


def step(run, state):
    o = run.options
    misbehave(o.fault, state)
    if run.method == "encoder":  # what others need: one training over several steps
        part = state.index
        weights = state.blobs.get("weights", {"w": torch.zeros(4)})["w"] + torch.randn(
            4, generator=torch_stream(run.seed, "encoder", part)
        )
        rows = [{"kind": "training", "part": part, "norm": weights.norm().item()}]
        return Step(rows, blobs={"weights": {"w": weights}}, done=part == o.parts - 1)
    seen = state.data.get("answers", []) + [list(pair) for pair in zip(state.queries, state.answers or [])]
    start = state.needs["encoder"].blobs["weights"]["w"].sum().item()
    rows = [{"kind": "pairs", "round": state.index, "same": sum(a == "yes" for _, a in seen), "start": start}]
    asked = [[run.seed, 10 * state.index + i] for i in range(2)]  # pairs of people: "the same person?"
    last = state.index == o.rounds
    return Step(rows, {"answers": seen}, [] if last else asked, done=last)


def misbehave(fault, state):
    """What tests ask for: die, raise, wait, by way of a file so that a second try may differ."""
    kind, _, path = fault.partition(":")
    if kind == "raise" and state.index == 1:
        print("about to raise")
        raise ValueError("the toy was told to raise")
    if kind == "die_once" and state.index == 1 and not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), 9)
    if kind == "die_always" and state.index == 1:
        os.kill(os.getpid(), 9)
    if kind == "slow":
        time.sleep(float(path))
    if kind == "count":  # one character per step that was computed, whatever became of it
        with open(path, "a") as file:
            file.write("x")


def human(run, queries):
    """The scripted human: two are the same person if the second number is even."""
    return ["yes" if query[1] % 2 == 0 else "no" for query in queries]


STUDY = Study(
    "toy", 1, step, Settings, lambda run: run.options.parts if run.method == "encoder" else run.options.rounds + 1
)


def runs(seeds=(0, 1), **settings):
    found = []
    for seed in seeds:
        encoder = Run("tests.toy_study", "people", "encoder", seed, settings)
        found.append(Run("tests.toy_study", "people", "pairs", seed, settings, {"encoder": encoder}))
    return found
