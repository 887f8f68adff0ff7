"""Deep reinforcement active learning for re-identification, DRAL (Liu et al., ICCV 2019).

A network that knows other people looks at boxes nobody has labelled. Each box is a query once: an agent picks, one by one,
which of its nearest boxes a human is asked about, "the same person?". Each answer changes what the agent sees; a quarter of
the queries later the network is fine-tuned on the answers, and sees differently itself.

What the paper leaves open is a setting each, its trainable reading the default (`Settings`, and the notebook's last part).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alnb import acquisition, datasets, published, races
from alnb.acquisition import score, select
from alnb.cycle import ALL
from alnb.errors import BadRequest
from alnb.runs import Run, State, Step, Study, answered, coerce, numpy_stream, study, torch_stream
from alnb.tasks import pairs
from alnb.tasks.pairs import EPOCHS_A_STEP, SOURCE, Answers, Pairs

# --- the state: eq. 4-8. Node 0 is the query q, node k the candidate g_k; N = n_s + 1 -------------------------------------------


def similarity(d):
    """Sim (N, N): 1 - d / the largest d, and 0 on the diagonal. d (N, N) distances. Eq. 4."""
    sim = 1 - d / d.max().clamp_min(1e-12)
    return sim.fill_diagonal_(0)


def reciprocal(sim, kappa: int):
    """(N, N) bool: j is among the kappa most similar of i, and i among those of j; of equals the first. Eq. 5."""
    import torch

    own = sim.clone().fill_diagonal_(-torch.inf)
    near = own.argsort(1, descending=True, stable=True)[:, :kappa]
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
        """The answer to (q, g_k) -> R_t, by what was known before it. None, "cannot tell": nothing is learnt, R is 0."""
        self.left[k] = False
        if same is None:
            return 0.0
        R = float(self.rewards[k, int(same)])
        if self.o.updated == "sparse":
            self.sim = sparse(self.sim, self.o.kappa)
        self.sim = updated(self.sim, k, same, self.left, self.o.thred, self.o.eq7)
        self.answers[k] = 1.0 if same else -1.0
        (self.X_p if same else self.X_n).append(k)
        self.__dict__.pop("rewards", None)
        return R


def inputs(o: Settings) -> int:
    """How many numbers `Episode.state` gives."""
    N = o.n_s + 1
    upper = N * (N - 1) // 2
    return {"sparse": N * N, "triangle": upper, "row": o.n_s, "full": upper + 3 * o.n_s}[o.seen]


# --- who picks: the agent (eq. 10), its placebo, its rivals ----------------------------------------------------------------------

OFFERS = {
    "distances": "(U,) float, d(q, g), as the network measures it",
    "similarity": "(U,) float, Sim(q, g) after the answers so far",
    "q_values": "(U,) float, Q(S, a) of the agent",
    "exploring": "() float, the chance of a random question",
    "probabilities": "(U, 2) float, that they are two people, and one: a logistic of d, fitted on the source",
    "log_probabilities": "(U, 2) float",
    "committee": "function: (members) -> (members, U) int, 1 for one person: by the boxes, mirrored boxes and parts of them",
    "density": "(U,) float, graph density of g among all boxes, less what its neighbours that were asked had",
    "embeddings": "(U, D) float, features of the candidates",
    "labelled_embeddings": "(L, D) float, features of q and of what was answered",
    "rewards": "(U, 2) float, R of eq. 9 should the answer be no, and yes",
    "truth": "(U,) int, identities of the candidates: for strategies marked oracle=True only",
    "query_truth": "() int, that of q: likewise",
}
"""U candidates of one query that nobody has asked. The view also has `classes`, 2."""


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


class View:
    """What a strategy may look at: the candidates of one query that nobody has asked (OFFERS)."""

    classes, device = 2, "cpu"

    def __init__(self, episode: Episode, block: Block, oracle: bool):
        self._episode, self._block, self._oracle = episode, block, oracle
        self._left = episode.left.nonzero()[:, 0]
        self.size, self.priority = len(self._left), episode.order[self._left - 1].argsort().argsort()

    def __getattr__(self, name: str):
        if name.startswith("_") or name not in OFFERS:
            raise AttributeError(f"re-identification by pairs offers no {name!r}; it offers {', '.join(OFFERS)}")
        raise AttributeError(name)

    @property
    def distances(self):
        return self._episode.distance[0, self._left]

    @property
    def similarity(self):
        return self._episode.sim[0, self._left]

    @property
    def rewards(self):
        return self._episode.rewards[self._left]

    @property
    def q_values(self):
        return self._block.agent.values(self._episode.state())[self._left - 1]

    @property
    def exploring(self):
        import torch

        return torch.tensor(self._block.exploring)

    @property
    def log_probabilities(self):
        return self._block.log_probabilities(self.distances)

    @property
    def probabilities(self):
        return self.log_probabilities.exp()

    @property
    def committee(self):
        return lambda members: self._block.committee(members, self._boxes(self._left), self._episode.boxes[0])

    @property
    def density(self):
        return self._block.density[self._boxes(self._left)]

    @property
    def embeddings(self):
        return self._block.features[self._boxes(self._left)]

    @property
    def labelled_embeddings(self):
        asked = (~self._episode.left).nonzero()[:, 0]
        return self._block.features[self._boxes(asked)]

    @property
    def truth(self):
        return self._true(self._boxes(self._left))

    @property
    def query_truth(self):
        return self._true(self._episode.boxes[0])

    def _true(self, boxes):
        if not self._oracle:
            raise PermissionError("only a strategy marked oracle=True may see who is who")
        return self._block.task.boxes.ids[boxes]

    def _boxes(self, nodes):
        return [self._episode.boxes[k] for k in nodes.tolist()]


# --- algorithm 1 -----------------------------------------------------------------------------------------------------------------


class Block:
    """A quarter of the queries, between two looks of the network: its features, and what strategies may ask of them."""

    def __init__(self, task: Pairs, network, agent, logistic: Mapping[str, float], number: int):
        self.task, self.network, self.agent, self.number = task, network, agent, number
        self.features, self.exploring, self._logistic = task.features(network), 0.0, logistic

    def log_probabilities(self, d):
        """(U, 2) of distances (U,)."""
        import torch

        z = self._logistic["intercept"] + self._logistic["slope"] * d
        return torch.nn.functional.logsigmoid(torch.stack([-z, z], 1))

    @functools.cached_property
    def density(self):
        """(n,) graph density; `asked` lowers it."""
        self._graph = graph(self.features, self.task.options.neighbours)
        return self._graph.sum(1) / (self._graph > 0).sum(1).clamp_min(1)

    def asked(self, box: int) -> None:
        if "density" in self.__dict__:
            linked = self._graph[box] > 0
            self.density[linked] -= self.density[box].clone()
            self.density[box] = -torch_inf()

    @functools.cached_property
    def _views(self):
        return []

    def committee(self, members: int, candidates: Sequence[int], query: int):
        """(members, U) int, whether each member believes q and the candidate to be one person."""
        import torch

        while len(self._views) < members:
            self._views.append(self.task.seen_otherwise(self.network, len(self._views)))
        votes = []
        for features in self._views[:members]:
            d = (features[candidates] - features[query]).norm(dim=1)
            votes.append(self.log_probabilities(d).argmax(1))
        return torch.stack(votes)

    def episode(self, query: int) -> Episode:
        """q and the n_s boxes nearest to it, of other cameras only where `cross_camera_only`."""
        import torch

        task, o = self.task, self.task.options
        d = (self.features - self.features[query]).norm(dim=1)
        d[query] = torch.inf
        if o.cross_camera_only:
            d[task.boxes.cameras == task.boxes.cameras[query]] = torch.inf
        if (there := int(d.isfinite().sum())) < o.n_s:
            raise BadRequest(f"box {query} of {task.run.dataset} has {there} boxes to be compared with; n_s = {o.n_s}")
        boxes = [query, *d.argsort(stable=True)[: o.n_s].tolist()]
        own = self.features[boxes]
        distance = torch.cdist(own, own, compute_mode="donot_use_mm_for_euclid_dist")
        order = torch.randperm(o.n_s, generator=torch_stream(task.run.seed, f"candidates of {query}"))
        return Episode(boxes, distance, order, o)


def graph(features, neighbours: int):
    """(n, n) weights of the symmetric graph of nearest neighbours, exp(-d^2 / 2 s^2), s the mean distance along an edge; 0
    where there is none. Ebert et al. 2012."""
    import torch

    d = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
    near = d.argsort(1, stable=True)[:, : min(neighbours, len(d) - 1)]
    edge = torch.zeros_like(d, dtype=torch.bool).scatter_(1, near, True)
    edge |= edge.T.clone()
    s = d[edge].mean()
    return torch.where(edge, (-d.square() / (2 * s * s)).exp(), 0.0)


def talk(run: Run, state: State) -> Generator[list[int], bool | None, Step]:
    """One block of algorithm 1: each of its queries asks K_max pairs [q, g_k], numbers of the dataset's training boxes, and is
    sent True (one person), False, or None (cannot tell); then the network is fine-tuned on all answers so far, and measured."""
    import torch

    o, task, number = run.options, Pairs(run), state.index
    strategy = run.carry or state.carry or acquisition.get(run.method)
    source = state.needs[SOURCE]
    network = task.restore(state.blobs["weights"] if number else source.blobs["weights"])
    answers = known(task.size, state.rows, o.closure)
    agent = _agent(run, state) if "q_values" in strategy.needs else None
    rows = [] if number else [_evaluated(task, network, answers, 0)]
    block, learnt, tied = Block(task, network, agent, source.data["logistic"], number), [], []
    learner = torch_stream(run.seed, "agent", number)
    blocks = queries(run, task.size)
    done = sum(map(len, blocks[:number]))
    for place, query in enumerate(blocks[number], done):
        block.exploring = exploration(o, place, len(blocks[0]))
        episode, rng = block.episode(query), torch_stream(run.seed, f"strategy {strategy.name}", place)
        states, there, actions, gains, told, again = [], [], [], [], [], 0
        for _ in range(o.k_max):
            if agent:
                states, there = [*states, episode.state()], [*there, episode.left[1:].clone()]
            began = time.perf_counter()
            choice = strategy.choose(View(episode, block, strategy.oracle), 1, rng, **o.strategy)
            _took(task, began)
            k = int(episode.left.nonzero()[choice.rows[0], 0])
            candidate = episode.boxes[k]
            same = answers.get(query, candidate)
            again += same is not None
            if same is None or o.repeats == "asked":
                same = checked((yield [query, candidate]))
            if same is not None:
                answers.add(query, candidate, same)
            block.asked(candidate)
            actions, gains, told = [*actions, k], [*gains, episode.tell(k, same)], [*told, same]
        if agent:
            began = time.perf_counter()
            states, there = [*states, episode.state()], [*there, episode.left[1:].clone()]
            agent.remember(torch.stack(states), torch.stack(there), torch.tensor(actions) - 1, torch.tensor(gains))
            if strategy.name != "dral_frozen":
                learnt.append(agent.learn(o.agent_steps, learner))
            _took(task, began)
        tied.append(choice.tied_share)
        asked = [episode.boxes[k] for k in actions]
        rows.append(_told(task, number, query, asked, told, gains, again))
    began = time.perf_counter()
    tuned = task.tune(network, answers, number)
    task.timings["tuning"] = time.perf_counter() - began
    last = number + 1 == o.blocks
    rows.append({"kind": "choice", "cycle": number, "asked": len(blocks[number]) * o.k_max, "tied_share": _mean(tied)})
    rows.append({"kind": "tuning", "cycle": number, "agent_loss": _mean(learnt), **tuned})
    rows.append(_evaluated(task, network, answers, number + 1))
    blobs = {} if last else {"weights": network.state_dict()} | ({"agent": agent.state()} if agent else {})
    return Step(rows, blobs=blobs, done=last, timings=task.timings)
