"""Deep reinforcement active learning for re-identification, DRAL (Liu et al., ICCV 2019).

A network that knows other people looks at boxes nobody has labelled. Each box is a query once: an agent picks, one by one,
which of its nearest boxes a human is asked about, "the same person?". Each answer changes what the agent sees; a quarter of
the queries later the network is fine-tuned on the answers, and sees differently itself.

What the paper leaves open is a setting each, its trainable reading the default (`Settings`, and the notebook's last part).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from alnb import acquisition, datasets, races
from alnb.acquisition import score, select
from alnb.cycle import ALL
from alnb.errors import BadRequest
from alnb.runs import TRUTH, Run, Scalar, State, Step, Study, answered, coerce, numpy_stream, torch_stream
from alnb.statistics import BASELINES
from alnb.tasks import pairs
from alnb.tasks.pair_answers import SIGNS, SKIPPED, Answers, answered_in, checked, question, remembered, total
from alnb.tasks.pair_training import EPOCHS_A_STEP, trained_on_all, trained_on_source
from alnb.tasks.pair_views import OFFERS, Look, View
from alnb.tasks.pairs import SOURCE, Pairs

# --- settings ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings(pairs.Settings):
    """What the paper says (first group), what it leaves open, its trainable reading the default.

    blocks: after each, the network is fine-tuned and measured. queries: so many boxes are one, 0: all. budget: pairs, k_max a
    query; or, as the paper gives its rivals, a share of the boxes (`images`), of which every pair is then known. annotator:
    "truth", or who answers. eq7: see `updated`; updated: eq. 6-8 change all of Sim, or what of it the agent saw. seen: all of
    S, one of its triangles, its query's row, or (a variant) all of Sim, the answers, and the distances that eq. 9 is made of.
    scale: d of eq. 9 over the largest, as in eq. 4, or as it is. first_positive: X_p holds q at first, or nobody.
    no_negative: the least distance to nobody. margin_function: [.]_+. repeats: a pair that was answered is asked anew, or its
    answer is taken for free. closure: answers imply others (pair_answers.Answers). agent_*: see learning.dqn.Recipe; agent_steps of
    its updates after each query. epsilon: the last chance of a random question, to which it falls from 1 over the first
    block. start: what training on all labels starts from; bound_*: its epochs, Adam's rate (as many updates as an arm has, at
    tune_lr, are its control, no bound) and losses: "triplet" is the one that an arm's fine-tuning has, alone. strategy: options
    of who picks.
    """

    k_max: int = 10
    n_s: int = 30
    kappa: int = 15
    thred: float = 0.4
    m: float = 0.2
    blocks: int = 4
    hidden: tuple[int, ...] = (256, 256, 256)

    queries: int = 0
    budget: Literal["pairs", "images"] = "pairs"
    images: float = 0.2
    annotator: str = "truth"
    eq7: Literal["candidates", "printed"] = "candidates"
    updated: Literal["dense", "sparse"] = "dense"
    seen: Literal["sparse", "triangle", "row", "full"] = "sparse"
    scale: Literal["largest", "none"] = "largest"
    first_positive: Literal["query", "nobody"] = "query"
    no_negative: float = 1.0
    margin_function: Literal["hinge", "softplus"] = "hinge"
    cross_camera_only: bool = False
    repeats: Literal["asked", "free"] = "asked"
    closure: bool = False
    gamma: float = 0.99
    agent_optimiser: Literal["adam", "sgd"] = "adam"
    agent_lr: float = 1e-3
    agent_steps: int = 10
    agent_batch: int = 64
    replay: int = 10_000
    target_every: int = 200
    clip: float = 10.0
    epsilon: float = 0.1
    start: Literal["source", "scratch"] = "source"
    bound_epochs: int = 60
    bound_lr: float = 5e-4
    bound_loss: Literal["both", "triplet"] = "both"
    strategy: dict[str, Scalar] = field(default_factory=dict)


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
        rng = torch_stream(self.run.seed, f"strategy {self.strategy.name}", place)
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
    recipe = Recipe(o.gamma, o.agent_lr, o.agent_optimiser, o.agent_batch, o.replay, o.target_every, o.clip)
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


def steps(run: Run) -> int:
    o = run.options
    epochs = {SOURCE: o.source_epochs, ALL: o.bound_epochs}
    return math.ceil(epochs[run.method] / EPOCHS_A_STEP) if run.method in epochs else o.blocks


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core."""
    from alnb.learning import networks

    o, about = run.options, datasets.info(run.dataset)
    train, forward = (each / 1000 for each in networks.cost(o.network))
    test = 1.3 * about.test  # the gallery, and the queries
    if run.method == SOURCE:
        return o.source_epochs * about.train * train + 2 * test * forward
    batch = o.people * o.boxes if run.method == ALL else o.tune_queries * (1 + o.positives + o.negatives / 2)
    tuning = o.blocks * o.tune_steps * batch * train
    if run.method == ALL:
        return tuning * (o.bound_loss == "both") + o.bound_epochs * about.train * train + 2 * test * forward
    looking = tuning + o.blocks * (test + about.train) * forward
    if o.budget == "images":
        return looking + o.blocks * about.train * POOL * (run.method not in BASELINES)
    queries, agent = o.queries or about.train, run.method in ("dral", "dral_frozen")
    learning = o.agent_steps * AGENT_STEP * (run.method == "dral")
    return looking + queries * (o.k_max * (QUESTION + agent * ACTION) + learning)


QUESTION, ACTION, AGENT_STEP, POOL = 5e-4, 6e-4, 5e-3, 2e-3  # seconds on one core: see tests/bench


def check(run: Run) -> None:
    """BadRequest for sizes and settings that cannot be."""
    o, size = run.options, datasets.info(run.dataset).train
    pairs.check(o, run.dataset)
    if run.method in (SOURCE, ALL) and o.people > (there := datasets.info(run.dataset).classes):
        raise BadRequest(f"people = {o.people}: {run.dataset} has {there} people to train on")
    if run.method == SOURCE:
        return
    pairs.check_source(run.needs[SOURCE].dataset, run.dataset)
    least = {"k_max": 1, "n_s": 2, "kappa": 1, "blocks": 1, "thred": 0, "m": 0, "queries": 0, "gamma": 0, "agent_steps": 0,
             "agent_batch": 1, "replay": 1, "target_every": 1, "clip": 0, "epsilon": 0, "bound_epochs": 1}  # fmt: skip
    most = {"k_max": o.n_s, "n_s": size - 1, "kappa": o.n_s, "queries": size, "gamma": 1, "epsilon": 1,
            "blocks": o.queries or size}  # fmt: skip
    for name in least | most:
        low, high = least[name], most.get(name, math.inf)
        if not low <= getattr(o, name) <= high:
            raise BadRequest(f"{name} = {getattr(o, name)}: expected {low} to {high}" if high < math.inf else
                             f"{name} = {getattr(o, name)}: expected at least {low}")  # fmt: skip
    if o.agent_lr <= 0 or any(width < 1 for width in o.hidden):
        raise BadRequest(f"agent_lr = {o.agent_lr}, hidden = {list(o.hidden)}: expected numbers above 0")
    if o.bound_lr <= 0:
        raise BadRequest(f"bound_lr = {o.bound_lr}: expected more than 0")
    if o.budget == "images":
        if not 0 < o.images <= 1:
            raise BadRequest(f"images = {o.images}: expected a share of the boxes, above 0, up to 1")
        if o.annotator != "truth":
            raise BadRequest(f"budget = 'images' knows whole identities, which {o.annotator} is not asked about; expected 'pairs'")


STUDY = Study(
    "reid_human_in_the_loop", 2, step, Settings, steps, seconds, pairs.metrics, lambda dataset: OFFERS, check,
    prepare=pairs.prepare, talk=talk, question=question,
)  # fmt: skip

ASKING = {f.name for f in dataclasses.fields(Settings)} - {f.name for f in dataclasses.fields(pairs.Settings)}
TUNING = {"tune_steps", "tune_lr", "tune_queries", "positives", "negatives", "ap", "flip_prob"}
OF_ALL = {"start", "bound_epochs", "bound_lr", "bound_loss"}  # what concerns training on all labels alone
BOUND = {"tune_steps", "tune_lr", "blocks", "ap"} | OF_ALL  # what of all of them concerns it
OF_AGENT = {"gamma", "agent_optimiser", "agent_lr", "agent_steps", "agent_batch", "replay", "target_every", "clip", "epsilon",
            "hidden", "seen"}  # fmt: skip
OF_STATE = {"eq7", "updated", "thred", "kappa"}  # what nobody sees who looks at no Sim
COMMON = {"k_max", "n_s", "blocks", "queries", "budget", "images", "annotator", "network", "weights", "neck", "height", "width",
          "metric", "ap", "source_epochs", "source_lr"}  # fmt: skip


def grid(
    market: Mapping[str, Any] = {},
    duke: Mapping[str, Any] = {},
    cuhk01: Mapping[str, Any] = {},
    null: Mapping[str, Any] = {},
    human: Mapping[str, Any] = {},
    costs: Sequence[int] = (),
    whole: Sequence[str] = (),
    bounds: Sequence[str] = (),
    annotator: str = TRUTH,
    **shared,
) -> list[Run]:
    """Every run of the notebook (see alnb/races.py). market, duke, cuhk01: a race each, its `source` the dataset that its
    network knows; null: where pairs differ in nothing that is hard; human: the race that `annotator` answers, the truth or a
    person of that name. Further races of each of the first three (see `beside`): costs, further K_max of dral; whole, arms
    that run again with the budget in boxes; bounds, further losses of all_data. Raises BadRequest for what cannot be."""
    asked = {"market": market, "duke": duke, "cuhk01": cuhk01, "null": null}
    who = human.get("annotator", annotator)
    if not isinstance(who, str) or who != who.strip() or not who or (who != TRUTH and who.lower() == TRUTH):
        raise BadRequest(f"annotator = {who!r}: expected {TRUTH!r}, or a name without spaces around it")
    asked["human"] = {**human, "annotator": who} if human else {}
    for name in ("market", "duke", "cuhk01"):
        if (race := races.resolved(name, asked)).get("dataset"):
            asked |= _further(name, race, race.get("k_max", shared.get("k_max", Settings.k_max)), costs, whole, bounds)
    return races.grid(STUDY.name, asked, shared, _runs)


def beside(race: str, what: str) -> str:
    """The name of a further race: "market, K = 3", "market, whole boxes", "market, all labels by triplet"."""
    return f"{race}, {what}"


COST, WHOLE, BOUND_BY = "K = {}", "whole boxes", "all labels by {}"


def _further(name: str, race: Mapping[str, Any], k_max: int, costs, whole, bounds) -> dict[str, dict]:
    """What stands beside a race. An arm that is not in it has no further race."""
    found = {}
    if costs and (alone := _alone(name, race, "dral")):
        found |= {beside(name, COST.format(cost)): {**alone, "k_max": cost} for cost in costs if cost != k_max}
    if bounds and (alone := _alone(name, race, ALL)):
        found |= {beside(name, BOUND_BY.format(loss)): {**alone, "bound_loss": loss} for loss in bounds}
    if whole:
        plain = {key: value for key, value in race.items() if key != "more"}
        found[beside(name, WHOLE)] = {**plain, "arms": list(whole), "budget": "images"}
    return found


def _alone(name: str, race: Mapping[str, Any], arm: str) -> dict | None:
    """The race with one arm alone, on the seeds it has there: among the arms, else among `more`; None where it is in neither."""
    more = race.get("more") or {}
    plain = {key: value for key, value in race.items() if key != "more"}
    seeds = {key: value for key, value in more.items() if key == "seeds"}
    for arms, fewer in ((race.get("arms", ()), {}), (more.get("arms", ()), seeds)):
        own = [text for text in arms if text.partition("(")[0].strip() == arm]
        if own and fewer:
            try:
                among = races.counted(race.get("seeds", 1), None, "seeds")
                fewer = {"seeds": races.counted(fewer["seeds"], among, "more: seeds")}
            except BadRequest as error:
                raise BadRequest(f"{name}: {error}") from None
        if own:
            return plain | fewer | {"arms": own[:1]}
    return None


def _runs(name: str, options: Mapping, dataset: str, seed: int, settings: Mapping) -> list[Run]:
    """The run of an arm: training on all labels, or whoever picks the questions; both start from the source model."""
    settings = dict(settings)
    source = coerce(settings.pop("source", ""), str, "source")
    arm = acquisition.write_arm(name, dict(options))
    if not source:
        raise BadRequest("no source: give the race the dataset whose identities the first network knows, source = ...")
    if wrong := sorted(COMMON & set(options)):
        raise BadRequest(f"{arm}: {wrong[0]} is no option of an arm; arms of one race have it in common")
    if name != ALL and (wrong := sorted(OF_ALL & set(options))):
        raise BadRequest(f"{arm}: {wrong[0]} is about {ALL}; give it to the race")
    known = {n: v for n, v in settings.items() if n not in (ASKING | TUNING) - {"n_s"}}
    needs = {SOURCE: Run(STUDY.name, source, SOURCE, seed, known)}
    check(needs[SOURCE])
    label = arm if options else ""
    if name == ALL and options:
        raise BadRequest(f"{arm}: all_data takes seeds and no other option")
    if name == ALL:
        settings = {n: v for n, v in settings.items() if n not in (ASKING | TUNING) - BOUND}
        return [Run(STUDY.name, dataset, ALL, seed, settings, needs)]
    about = acquisition.describe(name)
    own = {n: coerce(v, type(about.parameters[n]), f"{name}: {n}") for n, v in options.items() if n in about.parameters}
    if idle := sorted(_unused(about.needs) & (set(options) - set(own))):
        raise BadRequest(f"{arm}: {name} does not use {idle[0]}, so this would be the same arm again")
    settings = {n: v for n, v in settings.items() if n not in OF_ALL}
    settings |= {n: v for n, v in options.items() if n not in own}
    if changed := {n: v for n, v in own.items() if v != about.parameters[n]}:
        settings["strategy"] = changed
    carry = acquisition.get(name) if "@" in about.name else None  # of a notebook cell: it travels by value
    run = Run(STUDY.name, dataset, about.name, seed, settings, needs, carry, label)
    races.check_offered(run, about.needs, arm)
    if run.options.budget == "images" and ((about.needs and about.kind != "score") or "q_values" in about.needs):
        raise BadRequest(f"{arm} chooses questions one by one; budget = 'images' takes strategies that score, and random")
    return [run]


def _unused(needs: Sequence[str]) -> set[str]:
    """Settings that change nothing for an arm that looks at these fields of the view."""
    agent = "q_values" in needs
    return set() if agent else OF_AGENT | (set() if "similarity" in needs else OF_STATE)
