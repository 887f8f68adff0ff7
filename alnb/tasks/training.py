"""What every task that trains by gradient descent has among its settings: epochs, learning rate, schedule, dropout."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from alnb.errors import BadRequest
from alnb.learning.recipe import Recipe


@dataclass(frozen=True)
class TrainingSettings:
    """SGD with momentum and a step schedule (see learning.recipe.Recipe); milestones are fractions of epochs. dropout:
    probability on the features before the head, in training (BALD keeps it on for its passes)."""

    epochs: int = 100
    lr: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 5e-4
    nesterov: bool = False
    milestones: tuple[float, ...] = (0.6, 0.8)
    gamma: float = 0.2
    dropout: float = 0.0


def check_recipe(settings: TrainingSettings) -> None:
    """BadRequest for epochs, rates or dropout that make no sense, whatever is trained."""
    for name, least in (("epochs", 1), ("lr", 0.0), ("weight_decay", 0.0), ("gamma", 0.0)):
        if getattr(settings, name) < least:
            raise BadRequest(f"{name} = {getattr(settings, name)}: expected at least {least}")
    if not all(0 < m < 1 for m in settings.milestones):
        raise BadRequest(f"milestones = {settings.milestones}: expected fractions of the epochs, between 0 and 1")
    if not 0 <= settings.momentum < 1 or (settings.nesterov and not settings.momentum):
        raise BadRequest(f"momentum = {settings.momentum}: expected 0 or more, under 1, and above 0 with nesterov")
    if settings.lr == 0:
        raise BadRequest("lr = 0: nothing would be learnt")
    if not 0 <= settings.dropout < 1:
        raise BadRequest(f"dropout = {settings.dropout}: expected a probability, 0 or more and under 1")


def recipe(settings, **own) -> Recipe:
    """The recipe that `settings` say, by the names that they share with `Recipe`; `own`: what they do not say, or not so."""
    names = [f.name for f in dataclasses.fields(Recipe) if hasattr(settings, f.name)]
    return Recipe(**{name: getattr(settings, name) for name in names} | own)
