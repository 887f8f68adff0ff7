"""The masked deep Q-network against Bellman's equation solved by hand, by a table, and by torch.optim."""

import pytest
import torch

from alnb.learning import dqn
from alnb.learning.dqn import Agent, Recipe


def agent(recipe=None, inputs=3, actions=3, length=2, seed=0, hidden=(16,)):
    recipe = recipe or Recipe(batch=8)
    return Agent(inputs, actions, length, recipe, hidden, torch.Generator().manual_seed(seed))


def fill(one, episodes=12, seed=1):
    rng = torch.Generator().manual_seed(seed)
    for _ in range(episodes):
        there = torch.ones(3, 3, dtype=torch.bool)
        actions = torch.randperm(3, generator=rng)[:2]
        there[1:, actions[0]] = False
        there[2:, actions[1]] = False
        one.remember(torch.rand(3, 3, generator=rng), there, actions, torch.rand(2, generator=rng))
    return one


def test_targets_by_hand():
    values = torch.tensor([[1.0, 5.0, 2.0], [1.0, 5.0, 2.0], [9.0, 9.0, 9.0]])
    there = torch.tensor([[True, True, True], [True, False, True], [False, False, False]])
    rewards, last = torch.tensor([1.0, 1.0, 0.5]), torch.tensor([False, False, True])
    assert dqn.targets(rewards, last, values, there, 0.5).tolist() == [3.5, 2.0, 0.5]  # 5, the masked 5, the end


def test_returns_by_hand():
    rewards = torch.tensor([[1.0, 2.0, 4.0]] * 3)
    assert dqn.returns(rewards, torch.tensor([0, 1, 2]), 0.5).tolist() == [1 + 1 + 1, 2 + 2, 4]
    assert dqn.returns(rewards, torch.tensor([0, 1, 2]), 0.0).tolist() == [1, 2, 4]


def test_drawn_to_returns_its_values_stay_where_drawn_to_the_largest_they_run_away():
    """Rewards of 0 to 2 in states that say nothing, ten a game, gamma 0.9: no value is above 2 / (1 - 0.9) = 20, the mean of the
    first is 6.5. Of thirty actions most are never tried in a state, and the largest of their errors is learnt from."""
    found = {}
    for target in ("max", "returns"):
        recipe = Recipe(gamma=0.9, lr=3e-3, batch=64, target_every=10, clip=0.0, target=target)
        one = agent(recipe, inputs=6, actions=30, length=10, hidden=(32,))
        rng = torch.Generator().manual_seed(3)
        for _ in range(20):
            there, actions = torch.ones(11, 30, dtype=torch.bool), torch.randint(30, (10,), generator=rng)
            one.remember(torch.rand(11, 6, generator=rng), there, actions, 2 * torch.rand(10, generator=rng))
        one.learn(400, rng)
        found[target] = one.values(torch.full((6,), 0.5)).amax().item()
    assert found["returns"] < 10
    assert found["max"] > 20


def test_it_learns_the_values_that_a_table_gives():
    """Two questions out of three, rewards 0, 1 and 2 by action: Q(0, a) = r_a + gamma max of the other two."""
    recipe = Recipe(gamma=0.5, lr=3e-3, batch=32, target_every=20, clip=0.0)
    one = agent(recipe, inputs=4, hidden=(32,))
    rng, gain = torch.Generator().manual_seed(2), torch.tensor([0.0, 1.0, 2.0])
    for _ in range(60):
        a, b = torch.randperm(3, generator=rng)[:2].tolist()
        there, states = torch.ones(3, 3, dtype=torch.bool), torch.zeros(3, 4)
        there[1:, a], there[2:, b] = False, False
        states[:, :3], states[:, 3] = 1 - there.float(), torch.arange(3) / 2
        one.remember(states, there, torch.tensor([a, b]), gain[[a, b]])
    one.learn(900, rng)
    assert one.values(torch.zeros(4)).tolist() == pytest.approx([0 + 0.5 * 2, 1 + 0.5 * 2, 2 + 0.5 * 1], abs=0.08)
    assert one.values(torch.tensor([0.0, 0, 1, 0.5]))[:2].tolist() == pytest.approx([0.0, 1.0], abs=0.08)


@pytest.mark.parametrize(("name", "theirs"), [("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)])
def test_a_step_is_the_gradient_of_the_huber_loss_clipped(name, theirs):
    recipe = Recipe(batch=8, optimiser=name, lr=0.05, clip=0.01)
    one = fill(agent(recipe))
    plain = dqn.q_network(3, (16,), 3, torch.Generator().manual_seed(0))
    at = torch.randint(24, (8,), generator=torch.Generator().manual_seed(5))
    kept, e, t = one.replay, at // 2, at % 2
    with torch.no_grad():
        following = plain(kept["states"][e, t + 1].float())
        y = [
            float(kept["rewards"][i, j])
            + (0.99 * max(following[n, k].item() for k in range(3) if kept["there"][i, j + 1, k]) if j == 0 else 0)
            for n, (i, j) in enumerate(zip(e.tolist(), t.tolist()))
        ]  # fmt: skip
    value = plain(kept["states"][e, t].float())[range(8), kept["actions"][e, t]]
    gap = (value - torch.tensor(y)).abs()
    loss = torch.where(gap < 1, gap * gap / 2, gap - 0.5).mean()
    optimiser = theirs(plain.parameters(), lr=0.05)
    loss.backward()
    norm = torch.cat([p.grad.flatten() for p in plain.parameters()]).norm()
    for p in plain.parameters():
        p.grad *= 0.01 / norm
    optimiser.step()
    assert one.learn(1, torch.Generator().manual_seed(5)) == pytest.approx(loss.item(), rel=1e-5)
    for ours, other in zip(one.network.parameters(), plain.parameters()):
        assert torch.allclose(ours, other, atol=1e-5)


def test_stopped_and_loaded_it_goes_on_with_the_same_bits():
    whole, first = fill(agent()), fill(agent())
    whole.learn(300, torch.Generator().manual_seed(7))
    rng = torch.Generator().manual_seed(7)
    first.learn(120, rng)
    second = agent(seed=9)
    second.load(first.state())
    second.learn(180, rng)
    assert all(torch.equal(a, b) for a, b in zip(whole.network.parameters(), second.network.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(whole.target.parameters(), second.target.parameters()))


def test_the_memory_forgets_the_oldest_and_is_empty_at_first():
    one = agent(Recipe(batch=8, replay=6))  # three episodes of two
    assert one.learn(5, torch.Generator()) is None
    for i in range(5):
        one.remember(
            torch.full((3, 3), float(i)),
            torch.ones(3, 3, dtype=torch.bool),
            torch.zeros(2, dtype=torch.int64),
            torch.zeros(2),
        )
    assert one.episodes == 3
    assert sorted(one.replay["states"][:, 0, 0].tolist()) == [2, 3, 4]
    assert len(one.state()["replay"]["actions"]) == 3
