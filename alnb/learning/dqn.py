"""A deep Q-network whose actions run out: episodes of one length, a replay memory, a target network (Mnih et al. 2015).

An action that is no longer there is masked wherever a largest value is taken: when acting, and in the target. Everything
is on the CPU: an agent with a few hundred thousand weights that acts once a question gains nothing from a GPU.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from alnb.learning import optimisers
from alnb.learning.networks import drawn_from


@dataclass(frozen=True)
class Recipe:
    """gamma: discount · batch: transitions a step · replay: transitions kept, the newest · target_every: steps after which
    the target network takes the weights · clip: largest norm of a gradient, 0: any · optimiser: "adam" or "sgd", plain ·
    target: what Q is drawn to, "max" (`targets`) or "returns" (`returns`)."""

    gamma: float = 0.99
    lr: float = 1e-3
    optimiser: str = "adam"
    batch: int = 64
    replay: int = 10_000
    target_every: int = 200
    clip: float = 10.0
    target: str = "max"


def q_network(inputs: int, hidden: Sequence[int], actions: int, generator: torch.Generator) -> nn.Sequential:
    """(B, inputs) states -> (B, actions) values: linear layers of the widths `hidden` with ReLU, a linear head."""
    widths, layers = [inputs, *hidden], []
    with drawn_from(generator):
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(widths[-1], actions))


def targets(rewards, last, next_values, next_there, gamma: float):
    """(B,) R + gamma max_a' Q(s', a') over the actions that are there in s'; R alone where the episode ends.

    rewards (B,), last (B,) bool, next_values (B, A) of the target network, next_there (B, A) bool.
    """
    best = next_values.masked_fill(~next_there, -torch.inf).amax(1)
    return rewards + gamma * torch.where(last, 0.0, best)


def returns(rewards, t, gamma: float):
    """(B,) R_t + gamma R_t+1 + ... to the end of each episode, as it came: rewards (B, T), t (B,). No value of the network's own
    is in it, so that its errors are not learnt from, as they are by `targets` where most actions of a state are never tried."""
    ahead = torch.arange(rewards.shape[1]) - t[:, None]
    return (rewards * torch.where(ahead < 0, 0.0, gamma ** ahead.clamp_min(0))).sum(1)


class Agent:
    """Q(s, a) for states of `inputs` numbers and `actions` actions, learnt from episodes of `length` actions each."""

    def __init__(self, inputs: int, actions: int, length: int, recipe: Recipe, hidden, generator: torch.Generator):
        self.recipe, self.length = recipe, length
        self.network = q_network(inputs, hidden, actions, generator)
        self.target, self.taken = copy.deepcopy(self.network), 0
        kind = {"adam": optimisers.Adam, "sgd": optimisers.SGD}[recipe.optimiser]
        self.optimiser = kind(self.network.parameters(), recipe.lr)
        most, self.seen = max(1, recipe.replay // length), 0
        self.replay = {
            "states": torch.empty(most, length + 1, inputs, dtype=torch.float16),
            "there": torch.empty(most, length + 1, actions, dtype=torch.bool),
            "actions": torch.empty(most, length, dtype=torch.int64), "rewards": torch.empty(most, length),
        }  # fmt: skip

    @property
    def episodes(self) -> int:
        """How many are remembered."""
        return min(self.seen, len(self.replay["actions"]))

    @torch.no_grad()
    def values(self, state):
        """(A,) Q(state, .) of a state (inputs,)."""
        return self.network(state.half().float()[None])[0]  # as the memory will give it back

    def remember(self, states, there, actions, rewards) -> None:
        """An episode: states (T + 1, inputs) of numbers from -1 to 1 or so, kept in half precision, there (T + 1, A) bool,
        actions (T,), rewards (T,). The oldest are forgotten."""
        place = self.seen % len(self.replay["actions"])
        for name, values in (("states", states), ("there", there), ("actions", actions), ("rewards", rewards)):
            self.replay[name][place] = values
        self.seen += 1

    def learn(self, steps: int, generator: torch.Generator) -> float | None:
        """`steps` updates on transitions drawn with replacement: Huber loss between Q(s, a) and what the recipe's
        `target` is. The mean loss;
        None, and no update, as long as fewer transitions are known than a batch has."""
        recipe, kept, total = self.recipe, self.replay, 0.0
        known = self.episodes * self.length
        if known < recipe.batch or not steps:
            return None
        for _ in range(steps):
            at = torch.randint(known, (recipe.batch,), generator=generator)
            episode, t = at // self.length, at % self.length
            wanted = returns(kept["rewards"][episode], t, recipe.gamma) if recipe.target == "returns" else self._ahead(episode, t)
            self.optimiser.zero_grad()
            value = self.network(kept["states"][episode, t].float()).gather(1, kept["actions"][episode, t][:, None])[:, 0]
            loss = F.smooth_l1_loss(value, wanted)
            loss.backward()
            if recipe.clip:
                nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip)
            self.optimiser.step()
            self.taken += 1
            if self.taken % recipe.target_every == 0:
                self.target.load_state_dict(self.network.state_dict())
            total += loss.item()
        return total / steps

    @torch.no_grad()
    def _ahead(self, episode, t):
        """`targets` of transitions of the memory."""
        kept = self.replay
        following = self.target(kept["states"][episode, t + 1].float())
        last, there = t == self.length - 1, kept["there"][episode, t + 1]
        return targets(kept["rewards"][episode, t], last, following, there, self.recipe.gamma)

    def state(self) -> dict:
        """A nested dict of tensors from which `load` goes on, bit for bit."""
        replay = {name: values[: self.episodes].clone() for name, values in self.replay.items()}
        return {
            "network": self.network.state_dict(), "target": self.target.state_dict(), "replay": replay,
            "optimiser": self.optimiser.state(), "taken": torch.tensor(self.taken), "seen": torch.tensor(self.seen),
        }  # fmt: skip

    def load(self, state: dict) -> None:
        """Go on where `state()` was taken; of an agent of the same sizes."""
        self.network.load_state_dict(state["network"])
        self.target.load_state_dict(state["target"])
        self.optimiser.load(state["optimiser"])
        self.taken, self.seen = int(state["taken"]), int(state["seen"])
        for name, values in state["replay"].items():
            self.replay[name][: len(values)] = values
