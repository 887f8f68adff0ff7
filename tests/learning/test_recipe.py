"""Recipes: learning rates against PyTorch's schedulers, and what cannot be."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from alnb.errors import BadRequest
from alnb.learning.recipe import Recipe


def rates(scheduler, steps, lr=0.02):
    """What a scheduler, made for an optimiser, sets before each of `steps` steps."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    schedule, found = scheduler(optimizer), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize(("epochs", "milestones"), [(100, (0.6, 0.8)), (15, (0.6, 0.8)), (200, (0.8,)), (7, ())])
def test_step_is_multisteplr(epochs, milestones):
    recipe = Recipe(epochs=epochs, milestones=milestones)
    at = [round(m * epochs) for m in milestones]
    expected = rates(lambda o: lr_scheduler.MultiStepLR(o, at, recipe.gamma), epochs)
    assert [recipe.lr_at(epoch) for epoch in range(epochs)] == pytest.approx(expected)


@pytest.mark.parametrize("epochs", [1, 7, 100])
def test_cosine_is_cosineannealinglr(epochs):
    recipe = Recipe(epochs=epochs, schedule="cosine")
    expected = rates(lambda o: lr_scheduler.CosineAnnealingLR(o, epochs), epochs)
    assert [recipe.lr_at(epoch) for epoch in range(epochs)] == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["step", "cosine"])
@pytest.mark.parametrize(("warmup", "steps"), [(4, 1), (2.5, 10), (0.5, 8)])
def test_warm_up_is_linearlr_step_by_step_on_either_schedule(schedule, warmup, steps):
    """`steps` steps an epoch; PyTorch's scheduler counts steps, its first rate is that of ours after one."""
    epochs, warm = 10, round(warmup * steps)
    recipe, plain = (Recipe(epochs, schedule=schedule, milestones=(0.2,), warmup=w) for w in (warmup, 0))
    if warm > 1:
        linear = lambda o: lr_scheduler.LinearLR(o, start_factor=1 / warm, total_iters=warm - 1)
        factors = rates(linear, epochs * steps, lr=1.0)
    else:
        factors = [1.0] * epochs * steps
    places = [(epoch, (i + 1) / steps) for epoch in range(epochs) for i in range(steps)]
    expected = [plain.lr_at(epoch) * factor for (epoch, _), factor in zip(places, factors)]
    assert [recipe.lr_at(*place) for place in places] == pytest.approx(expected)


@given(
    epochs=st.integers(1, 60), schedule=st.sampled_from(["step", "cosine"]), share=st.floats(0, 1),
    done=st.floats(0, 1, exclude_min=True),
)  # fmt: skip
def test_rates_are_never_negative_nor_above_lr_and_past_the_warm_up_the_step_does_not_matter(
    epochs, schedule, share, done
):
    recipe = Recipe(epochs, schedule=schedule, warmup=share * epochs)
    for epoch in range(epochs):
        assert 0 <= recipe.lr_at(epoch, done) <= recipe.lr
        if epoch >= recipe.warmup:
            assert recipe.lr_at(epoch, done) == recipe.lr_at(epoch)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"epochs": 0}, "at least 1, given 0"),
        ({"batch": 0}, "at least 1"),
        ({"precision": "fp8"}, "fp32 or bf16"),
        ({"schedule": "poly"}, "schedule 'poly' is unknown: step or cosine"),
        ({"optimiser": "lion"}, "optimiser 'lion' is unknown: sgd or adam"),
        ({"nesterov": True, "momentum": 0.0}, "nesterov wants momentum"),
        ({"epochs": 5, "warmup": 6}, "warmup = 6: expected 0 to all 5 epochs"),
        ({"warmup": -1}, "warmup = -1"),
    ],
)
def test_impossible_recipes_are_refused(settings, says):
    with pytest.raises(BadRequest, match=says):
        Recipe(**settings)


def test_a_recipe_and_its_refusals_need_no_torch():
    program = "import sys; from alnb.learning.recipe import Recipe; Recipe(); print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"


def test_exponential_is_exponentiallr():
    recipe = Recipe(epochs=9, schedule="exponential", gamma=0.995)
    expected = rates(lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.995), 9)
    assert [recipe.lr_at(epoch) for epoch in range(9)] == pytest.approx(expected)
