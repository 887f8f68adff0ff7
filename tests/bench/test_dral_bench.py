"""DRAL: the agent's questions about a query, beside the same written plainly.

The rival is what a reader of the paper would write: numpy and lists, sets of neighbours, entry by entry where the equations
are. Both ask the same pairs. What the agent learns afterwards is the same arithmetic for both, and stands apart.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from alnb import acquisition
from alnb.methods import reid_human_in_the_loop as dral
from alnb.runs import State
from alnb.tasks.pair_answers import Answers
from alnb.tasks.pair_views import Look
from tests.bench.interleave import ratio, seconds, slope

pytestmark = pytest.mark.bench
RACE = {"dataset": "pedestrians-market", "source": "pedestrians-duke", "seeds": 1, "arms": ["dral"]}
QUERIES = 24


def asking(n: int, width: int = 128, agent_steps: int = 0):
    """Asking about `n` boxes of random features, eight a person."""
    rng = torch.Generator().manual_seed(0)
    features = torch.randn(n // 8, 1, width, generator=rng) + 1.2 * torch.randn(n // 8, 8, width, generator=rng)
    features = torch.nn.functional.normalize(features.reshape(-1, width), dim=1)
    boxes = SimpleNamespace(ids=torch.arange(len(features)) // 8, cameras=torch.arange(len(features)) % 4)
    (run,) = dral.grid(RACE, network="reid_small", queries=QUERIES, blocks=1, agent_steps=agent_steps)
    timed = lambda name, function, *given, **more: function(*given, **more)
    task = SimpleNamespace(features=lambda network: features, boxes=boxes, size=len(features), timed=timed, run=run)
    return dral.Asking(run, Look(task, None, {}), acquisition.get("dral"), Answers(len(features)), State())


def ours(made):
    """The pairs asked about all queries."""
    asked = []
    for place, query in made.queries:
        talk, answer = made.about(10 + place, query), None
        try:
            while True:
                asked.append(tuple(talk.send(answer)))
                answer = bool(made.look.task.boxes.ids[asked[-1][0]] == made.look.task.boxes.ids[asked[-1][1]])
        except StopIteration:
            pass
    return asked


def plainly(made, choices=None):
    """The same by lists and loops; choices: what exploring chose, to be asked in its place."""
    o, x, ids = made.o, made.look.features.numpy(), made.look.task.boxes.ids.tolist()
    network, memory, asked, N = made.agent.network, [], [], o.n_s + 1
    for _, query in made.queries:
        d = np.sqrt(((x - x[query]) ** 2).sum(1))
        order = [i for i in np.argsort(d, kind="stable").tolist() if i != query]
        boxes = [query, *order[: o.n_s]]
        d = np.array([[np.linalg.norm(x[i] - x[j]) for j in boxes] for i in boxes])
        d = d / d.max()
        sim = (1 - d) * (1 - np.eye(N))
        left, X_p, X_n = list(range(1, N)), [0], []

        def state(sim):
            near = [set(sorted((j for j in range(N) if j != i), key=lambda j: -sim[i, j])[: o.kappa]) for i in range(N)]
            rows = [[sim[i, j] if j in near[i] and i in near[j] else 0.0 for j in range(N)] for i in range(N)]
            return torch.tensor(rows, dtype=torch.float32).flatten()

        seen = state(sim)
        for t in range(o.k_max):
            with torch.no_grad():
                q = network(seen[None])[0]
            k = boxes.index(choices[len(asked)][1]) if choices else max(left, key=lambda i: float(q[i - 1]))
            left.remove(k)
            asked.append((query, boxes[k]))
            y = 1 if ids[query] == ids[boxes[k]] else -1
            near = min((d[k, j] for j in X_n), default=1.0)
            reward = max(0.0, o.m + y * (max(d[k, j] for j in X_p) - near))
            sim[0, k] = sim[k, 0] = max(y, 0)
            for i in left:
                if y > 0:
                    sim[0, i] = (sim[0, i] + sim[k, i]) / 2
                elif sim[k, i] > o.thred:
                    sim[0, i] = max(sim[0, i] - sim[k, i], 0)
                sim[i, 0] = sim[0, i]
            (X_p if y > 0 else X_n).append(k)
            then = state(sim)
            memory.append((seen, k - 1, reward, then, [i - 1 for i in left], t == o.k_max - 1))
            seen = then
    return asked


def test_a_question_costs_what_its_equations_cost_written_plainly():
    """At 31 nodes there is little to win: what a step costs is the agent's learning, which is printed."""
    made, again = asking(2_600), asking(2_600)
    choices = ours(made)
    assert len(choices) == QUERIES * 10 == len(set(choices))
    again.look.features = again.look.features.double()  # the same nearest boxes, whatever rounds
    assert plainly(again, choices) == choices
    measured = ratio(lambda: plainly(again, choices), lambda: ours(made), pairs=5)
    learner = asking(2_600, agent_steps=5)
    ours(learner)
    asks, learns = (1000 * seconds(lambda one=one: ours(one)) / QUERIES for one in (made, learner))
    print(f"\nDRAL, a query of 10 questions in 2,600 boxes: {asks:.0f} ms, plain / ours {measured[0]:.1f}x "
          f"({measured[1]:.1f}-{measured[2]:.1f}); five updates of the agent: {learns - asks:.0f} ms")  # fmt: skip
    assert measured[0] > 0.45


def test_a_query_costs_no_more_than_its_pool_has_boxes():
    sizes, used = (4_000, 16_000, 64_000), []
    for n in sizes:
        made = asking(n)
        ours(made)
        used.append(seconds(lambda made=made: ours(made)) / QUERIES)
    p, r = slope(sizes, used)
    each = ", ".join(f"{1000 * s:.1f} ms in {n:,}" for n, s in zip(sizes, used))
    print(f"\nDRAL, a query of 10 questions: {each}; n^{p:.2f}, r2 {r:.2f}")
    assert p < 1.2
