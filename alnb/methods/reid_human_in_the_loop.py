"""Deep reinforcement active learning for re-identification, DRAL (Liu et al., ICCV 2019).

A network that knows other people looks at boxes nobody has labelled. Each box is a query once: an agent picks, one by one,
which of its nearest boxes a human is asked about, "the same person?". Each answer changes what the agent sees; a quarter of
the queries later the network is fine-tuned on the answers, and sees differently itself.

What the paper leaves open is a setting each, its trainable reading the default: alnb/methods/dral_runs.py, and the notebook's
last part.
"""

from __future__ import annotations

import functools
from collections.abc import Generator, Sequence

from alnb import acquisition
from alnb.acquisition import score, select
from alnb.cycle import ALL
from alnb.errors import BadRequest
from alnb.methods.dral_runs import NAME, Settings, check, questions, seconds, steps
from alnb.methods.dral_runs import grid as grid  # where the notebook looks for it
from alnb.runs import Run, State, Step, Study, answered, numpy_stream, torch_stream
from alnb.tasks import pairs
from alnb.tasks.pair_answers import SIGNS, SKIPPED, Answers, answered_in, checked, kept, question, remembered, total
from alnb.tasks.pair_training import trained_on_all, trained_on_source
from alnb.tasks.pair_views import OFFERS, Look, View
from alnb.tasks.pairs import SOURCE, Pairs

# --- the state: eq. 4-8. Node 0 is the query q, node k the candidate g_k; N = n_s + 1 -------------------------------------------


def similarity(d):
    """Sim (N, N): 1 - d / the largest d, and 0 on the diagonal. d (N, N) distances. Eq. 4."""
    sim = 1 - d / d.max().clamp_min(1e-12)
    return sim.fill_diagonal_(0)


def reciprocal(sim, kappa: int):
    """(N, N) bool: j is among the kappa most similar of i, and i among those of j; of equals the first. Eq. 5."""
    import torch

    own = sim.clone().fill_diagonal_(-torch.inf)
    near = own.argsort(dim=1, descending=True, stable=True)[:, :kappa]
    among = torch.zeros_like(sim, dtype=torch.bool).scatter_(1, near, True)
    return among & among.T


def sparse(sim, kappa: int):
    """S (N, N), what the agent observes: the similarities of reciprocal neighbours, 0 elsewhere."""
    return sim * reciprocal(sim, kappa)


def updated(sim, k: int, same: bool, left, thred: float, eq7: str = "candidates"):
    """Sim once the human has said whether q and g_k are the same. left (N,) bool: the candidates nobody has asked, k not
    among them. eq7 "printed": with Sim(q, g_k), which eq. 6 has just set to 1, in the place of Sim(g_k, g_i). Eq. 6-8."""
    import torch

    row = sim[0].clone()
    row[k] = 1.0 if same else 0.0  # (6)
    if same:
        other = sim[k] if eq7 == "candidates" else row[k]
        row = torch.where(left, (row + other) / 2, row)  # (7)
    else:
        row = torch.where(left & (sim[k] > thred), (row - sim[k]).clamp_min(0), row)  # (8)
    sim = sim.clone()
    sim[0] = sim[:, 0] = row
    return sim


# --- the reward: eq. 9 ----------------------------------------------------------------------------------------------------------


def rewards(d, X_p: Sequence[int], X_n: Sequence[int], m: float, *, soft: bool = False, missing: float = 1.0):
    """(N, 2): R of asking each node, should the answer be no (y = -1), and yes (y = 1). Eq. 9.

        R = [ m + y (max over X_p of d - min over X_n of d) ]_+

    d (N, N); X_p, X_n: nodes answered so far to be, and not to be, q's person. `missing` stands for the least distance to
    nobody; the largest to nobody is 0. soft: log(1 + exp(.)) for the hinge.
    """
    import torch

    far = d[:, list(X_p)].amax(1) if len(X_p) else torch.zeros(len(d))
    near = d[:, list(X_n)].amin(1) if len(X_n) else torch.full((len(d),), missing)
    value = m + torch.stack([near - far, far - near], 1)
    return torch.nn.functional.softplus(value) if soft else value.clamp_min(0)


class Episode:
    """One query and its pool, while the human answers.

    boxes: q and its n_s candidates, nearest first, as the dataset numbers them · distance (N, N) between them · order (n_s,) a
    random order of the candidates · o: settings.
    """

    def __init__(self, boxes: Sequence[int], distance, order, o: Settings):
        import torch

        self.boxes, self.distance, self.order, self.o = list(boxes), distance, order, o
        largest = distance.max().clamp_min(1e-12)
        self.d = distance / largest if o.scale == "largest" else distance
        self.sim = similarity(distance)
        self.left = torch.ones(len(boxes), dtype=torch.bool)
        self.left[0] = False
        self.answers = torch.zeros(len(boxes))
        self.X_p, self.X_n = [0] if o.first_positive == "query" else [], []

    @functools.cached_property
    def rewards(self):
        """(N, 2), see `rewards`."""
        return rewards(self.d, self.X_p, self.X_n, self.o.m, soft=self.o.margin_function == "softplus",
                       missing=self.o.no_negative)  # fmt: skip

    @functools.cached_property
    def state(self):
        """S_t as the agent is given it, one row of numbers (`Settings.seen`)."""
        import torch

        if self.o.seen == "full":
            N = len(self.sim)
            upper = self.sim[tuple(torch.triu_indices(N, N, 1))]
            far, near = (self.d[1:, list(x)] for x in (self.X_p, self.X_n))
            known = [far.amax(1) if self.X_p else torch.zeros(N - 1), near.amin(1) if self.X_n else torch.ones(N - 1)]
            return torch.cat([upper, self.answers[1:], *known])
        S = sparse(self.sim, self.o.kappa)
        if self.o.seen == "triangle":
            return S[tuple(torch.triu_indices(*S.shape, 1))]
        return S[0, 1:] if self.o.seen == "row" else S.flatten()

    def tell(self, k: int, same: bool | None) -> float:
        """The answer to (q, g_k) -> R_t, by what was known before it. Without one nothing is learnt, and R is 0."""
        self.left[k] = False
        if same not in (True, False):
            return 0.0
        R = float(self.rewards[k, int(same)])
        if self.o.updated == "sparse":
            self.sim = sparse(self.sim, self.o.kappa)
        self.sim = updated(self.sim, k, same, self.left, self.o.thred, self.o.eq7)
        self.answers[k] = 1.0 if same else -1.0
        (self.X_p if same else self.X_n).append(k)
        for name in ("rewards", "state"):
            self.__dict__.pop(name, None)
        return R


def inputs(o: Settings) -> int:
    """How many numbers `Episode.state` holds."""
    N = o.n_s + 1
    upper = N * (N - 1) // 2
    return {"sparse": N * N, "triangle": upper, "row": o.n_s, "full": upper + 3 * o.n_s}[o.seen]


# --- who picks: the agent (eq. 10), its placebo, its rivals; view: tasks.pair_views.OFFERS --------------------------------------


@select("dral", needs=("q_values", "exploring"), source="Liu et al. 2019, eq. 10")
def dral(view, budget, rng):
    """(budget,) rows of largest Q; with the chance `exploring` any. The agent learns from its rewards."""
    return _greedy(view, budget, rng)


@select("dral_frozen", needs=("q_values", "exploring"), source="placebo of Liu et al. 2019, eq. 10")
def dral_frozen(view, budget, rng):
    """(budget,) rows: as dral, of an agent that never learns."""
    return _greedy(view, budget, rng)


def _greedy(view, budget, rng):
    import torch

    shared = view.priority.argsort()
    if torch.rand((), generator=rng) < view.exploring:
        return shared[torch.randperm(view.size, generator=rng)[:budget]]
    return shared[view.q_values[shared].argsort(descending=True, stable=True)[:budget]]


@score("nearest", needs=("distances",), source="rival of Liu et al. 2019")
def nearest(view):
    """(U,) minus d: the candidates in the order of the network's own ranking, whatever is answered."""
    return -view.distances


@score("similarity_greedy", needs=("similarity",), source="rival of Liu et al. 2019: eq. 4-8 without an agent")
def similarity_greedy(view):
    """(U,) Sim(q, .), which the answers have moved: the most likely positive, and nothing is learnt."""
    return view.similarity


@score("graph_density", needs=("density",), source="Ebert, Fritz, Schiele, RALF, CVPR 2012: the paper's GD")
def graph_density(view):
    """(U,) how densely its neighbourhood is populated and how little of it was asked."""
    return view.density


@score("greedy_reward", needs=("rewards", "truth", "query_truth"), oracle=True, source="ceiling of Liu et al. 2019, eq. 9")
def greedy_reward(view):
    """(U,) the reward that the true answer would bring: the most a policy that looks one question ahead can get."""
    import torch

    no, yes = view.rewards.unbind(1)
    return torch.where(view.truth == view.query_truth, yes, no)


# --- algorithm 1 ---------------------------------------------------------------------------------------------------------------


def talk(run: Run, state: State) -> Generator[list[int], bool | None, Step]:
    """One step of a run. Of an arm, a block of queries: each asks K_max pairs [q, g_k], numbers of the dataset's training boxes,
    and is sent True (one person), False, None (cannot tell) or "skip"; then the network is fine-tuned on all answers so far."""
    if run.method == SOURCE:
        return trained_on_source(run, state)
    if run.method == ALL:
        return trained_on_all(run, state)
    o, task, number = run.options, Pairs(run), state.index
    strategy = run.carry or state.carry or acquisition.get(run.method)
    source = state.needs[SOURCE]
    network = task.restore(state.blobs["weights"] if number else source.blobs["weights"])
    look = Look(task, network, source.data["logistic"])
    answers, rows = remembered(task.size, state.rows, o.closure), []
    if number == 0:
        rows.append(task.measured(network, 0, 0, {"pairs": 0} | ({"put": 0} if o.budget == "pairs" else {})))
    if o.budget == "images":
        chosen = [int(box) for row in state.rows if row["kind"] == "picked" for box in row["boxes"].split()]
        picked = picks(run, look, strategy, chosen, number)
        rows.append({"kind": "picked", "cycle": number, "boxes": _text(picked)})
        chosen += picked
        spent = {"pairs": len(chosen) * (len(chosen) - 1) // 2}
        labelled, tuned, blobs = spent["pairs"], task.tune_on(network, chosen, number), {}
    else:
        asking = Asking(run, look, strategy, answers, state)
        for place, query in asking.queries:
            rows.append((yield from asking.about(place, query)))
        rows.append(asking.row())
        spent = {"pairs": len(answers), "put": total("put", state.rows, rows)}
        labelled = total("given", state.rows, rows)
        tuned, blobs = task.timed("tuning", task.tune, network, answers, number), asking.blobs()
    rows.append({"kind": "tuning", "cycle": number, **tuned})
    rows.append(task.measured(network, number + 1, labelled, spent))
    last = number + 1 == o.blocks
    return Step(rows, blobs={} if last else {"weights": network.state_dict(), **blobs}, done=last, timings=task.timings)


class Asking:
    """The questions of one block: who picks them, and what is learnt from their answers."""

    def __init__(self, run: Run, look: Look, strategy, answers: Answers, state: State):
        self.o = run.options
        self.run, self.look, self.strategy, self.answers = run, look, strategy, answers
        blocks, self.number = queries(run, look.task.size), state.index
        before = sum(map(len, blocks[: self.number]))
        self.first, self.queries = len(blocks[0]), list(enumerate(blocks[self.number].tolist(), before))
        self.agent = agent(run, state) if "q_values" in strategy.needs else None
        self.learner, self.losses, self.tied = torch_stream(run.seed, "agent", self.number), [], []
        # not asked again; what was skipped may be
        self.unclear = {frozenset(pair) for pair, said in answered_in(state.rows) if said is None}

    def about(self, place: int, query: int) -> Generator[list[int], bool | None, dict]:
        """Ask about one query, the `place`-th of the run; the row of kind "query" that tells it."""
        o, task = self.o, self.look.task
        boxes, distance = self.look.nearest(query, o.n_s, o.cross_camera_only)
        episode = Episode(boxes, distance, _order(self.run, query, o.n_s), o)
        # the placebo explores as the agent does: what they ask differs by what the agent has learnt, and by nothing else
        chance = "dral" if self.strategy.name == "dral_frozen" else self.strategy.name
        rng = torch_stream(self.run.seed, f"strategy {chance}", place)
        steps, gains, told, again, put = [], [], [], 0, []
        more = {"q_values": lambda left: self.agent.values(episode.state)[left - 1],
                "exploring": lambda left: exploring(o.epsilon, place, self.first)}  # fmt: skip
        for _ in range(o.k_max):
            before = (episode.state, episode.left[1:].clone()) if self.agent else ()
            view = View(self.look, episode, self.strategy.oracle, more)
            choice = task.timed("choosing", self.strategy.choose, view, 1, rng, **o.strategy)
            k = int(episode.left.nonzero()[choice.rows[0], 0])
            known, pair = self.answers.get(query, boxes[k]), frozenset((query, boxes[k]))
            if pair in self.unclear:
                same = None
            elif known is not None and o.repeats == "free":
                same = known
            else:
                same = checked((yield [query, boxes[k]]))
                put.append(same)
            if same is None:
                self.unclear.add(pair)
            elif same != SKIPPED:
                self.answers.add(query, boxes[k], same)
            if "density" in self.strategy.needs:
                self.look.graph.asked(boxes[k])
            gains.append(episode.tell(k, same))
            steps, told, again = [*steps, (*before, k)], [*told, same], again + (known is not None)
            self.tied.append(choice.tied_share)
        if self.agent:
            task.timed("choosing", self.learn, episode, steps, gains)
        asked = [boxes[k] for *_, k in steps]
        found = [box for box, same in zip(asked, told) if same is True]
        cameras = task.boxes.cameras
        return {
            "kind": "query", "cycle": self.number, "query": query, "asked": _text(asked),
            "answers": "".join(SIGNS[same] for same in told), "reward": sum(gains) / len(gains),
            "positives": len(found), "cross_camera": sum(int(cameras[box] != cameras[query]) for box in found),
            "again": again, "put": len(put), "given": sum(same in (True, False) for same in put),
        }  # fmt: skip

    def learn(self, episode: Episode, steps, gains) -> None:
        """Remember the episode and, unless the agent is the placebo, learn: "optimize pi" of algorithm 1."""
        import torch

        states, there, actions = zip(*steps)
        states, there = (*states, episode.state), (*there, episode.left[1:])
        self.agent.remember(torch.stack(states), torch.stack(there), torch.tensor(actions) - 1, torch.tensor(gains))
        if self.strategy.name != "dral_frozen":
            self.losses.append(self.agent.learn(self.o.agent_steps, self.learner))

    def row(self) -> dict:
        """The row of kind "choice", as every cycle has one. asked: pairs that were chosen, whoever knew the answer."""
        asked = len(self.queries) * self.o.k_max
        return {"kind": "choice", "cycle": self.number, "asked": asked, "tied_share": _mean(self.tied),
                "agent_loss": _mean(self.losses)}  # fmt: skip

    def blobs(self) -> dict:
        return {"agent": self.agent.state()} if self.agent else {}


def agent(run: Run, state: State):
    """The agent as the block before left it; at first with random weights."""
    from alnb.learning.dqn import Agent, Recipe

    o = run.options
    how = (o.agent_optimiser, o.agent_batch, o.replay, o.target_every, o.clip, o.agent_target)
    recipe = Recipe(o.gamma, o.agent_lr, *how)
    made = Agent(inputs(o), o.n_s, o.k_max, recipe, o.hidden, torch_stream(run.seed, "agent init"))
    if "agent" in state.blobs:
        made.load(state.blobs["agent"])
    return made


def exploring(epsilon: float, place: int, first: int):
    """() chance of a random question at the `place`-th query: from 1 down to epsilon over the `first` ones."""
    import torch

    return torch.tensor(max(epsilon, 1 - (1 - epsilon) * place / max(1, first)))


def queries(run: Run, size: int) -> list:
    """The blocks of queries: the pool's boxes in a random order, each once."""
    import numpy as np

    order = numpy_stream(run.seed, "queries").permutation(size)
    return np.array_split(order[: run.options.queries or size], run.options.blocks)


def picks(run: Run, look: Look, strategy, chosen: Sequence[int], number: int) -> list[int]:
    """The paper's budget of its rivals: the boxes, a share `images` of all by the last block, whose identities are known from
    then on. A box is worth what the pairs with its n_s nearest are on the mean; a strategy that looks at nothing takes the
    random order."""
    import torch

    o, size = run.options, look.task.size
    due = round(o.images * size * (number + 1) / o.blocks) - len(chosen)
    order = numpy_stream(run.seed, "queries").permutation(size)
    known = set(chosen)
    left = [box for box in order.tolist() if box not in known]
    if not strategy.needs:
        return left[:due]
    worth = []
    for box in left:
        episode = Episode(*look.nearest(box, o.n_s, o.cross_camera_only), _order(run, box, o.n_s), o)
        worth.append(strategy.function(View(look, episode, strategy.oracle, {}), **o.strategy).mean())
    return [left[i] for i in torch.stack(worth).argsort(descending=True, stable=True)[:due].tolist()]


def _order(run: Run, query: int, count: int):
    import torch

    return torch.randperm(count, generator=torch_stream(run.seed, f"candidates of {query}"))


def _text(boxes) -> str:
    return " ".join(map(str, boxes))


def _mean(values) -> float | None:
    known = [value for value in values if value is not None and value == value]
    return sum(known) / len(known) if known else None


# --- the study -------------------------------------------------------------------------------------------------------------------


def step(run: Run, state: State) -> Step:
    """`talk`, answered by the truth. BadRequest where somebody else is to answer."""
    if run.options.annotator != "truth":
        raise BadRequest(f"{run}: {run.options.annotator} answers, not the truth: it is to be asked question by question")
    return answered(talk(run, state), lambda query: Pairs(run).truth(query))


STUDY = Study(
    NAME, 2, step, Settings, steps, seconds, pairs.metrics, lambda dataset: OFFERS, check, prepare=pairs.prepare, talk=talk,
    question=question, questions=questions, kept=kept,
)  # fmt: skip
