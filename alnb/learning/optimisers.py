"""PyTorch's fused SGD and Adam, bit for bit `torch.optim.SGD(fused=True)` and `Adam(fused=True)`, called as functions:
the classes would import PyTorch's compiler when one is made, six seconds of every process.

`lr` is a float or a 0-d tensor on the device, which a captured step reads anew. Frozen parameters are left alone, and
those that a loss does not reach in the step in which it does not.
"""

from __future__ import annotations

import torch
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from alnb.errors import BadRequest
from alnb.learning.recipe import Recipe


class Optimiser:
    """What SGD and Adam share. `kept`: what is remembered of each parameter, by name; a list in the parameters' order."""

    kept: dict[str, list[torch.Tensor]]

    def __init__(self, parameters, lr):
        self.parameters, self.lr = [p for p in parameters if p.requires_grad], lr

    def zero_grad(self) -> None:
        """Forget the gradients, and their memory."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """One update by the gradients that `backward` left."""
        self._step([parameter.grad for parameter in self.parameters])

    def minimise(self, loss) -> None:
        """One update of these parameters alone, whatever else `loss` depends on: for games of several networks."""
        gradients = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        self._step([_laid_out_as(parameter, g) for parameter, g in zip(self.parameters, gradients)])

    @torch.no_grad()
    def _step(self, gradients):
        at = [i for i, gradient in enumerate(gradients) if gradient is not None]
        kept = [[values[i] for i in at] for values in self.kept.values()]
        self.update([self.parameters[i] for i in at], [gradients[i] for i in at], *kept)

    def state(self) -> dict:
        """What a later training goes on from: {name: {position of the parameter: tensor}}, no copies."""
        return {name: {str(i): value for i, value in enumerate(values)} for name, values in self.kept.items()}

    def load(self, state: dict) -> None:
        """Take a copy of what `state()` gave. BadRequest if it is of another optimiser or of other parameters."""
        if set(state) != set(self.kept):
            raise BadRequest(f"this state holds {sorted(state)}, {type(self).__name__} keeps {sorted(self.kept)}")
        for name, values in self.kept.items():
            given = [state[name].get(str(i)) for i in range(len(values))]
            if len(state[name]) != len(values) or any(
                one is None or one.shape != value.shape for one, value in zip(given, values)
            ):
                raise BadRequest(f"this state's {name} are of other parameters")
            for value, one in zip(values, given):
                value.copy_(one)


class SGD(Optimiser):
    """v <- momentum v + (g + weight_decay p); p <- p - lr v, or lr (g + weight_decay p + momentum v) by Nesterov."""

    def __init__(self, parameters, lr, *, momentum=0.0, weight_decay=0.0, nesterov=False):
        super().__init__(parameters, lr)
        self.settings = {"momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
        self.kept = {"momenta": [torch.zeros_like(p) for p in self.parameters]} if momentum else {}

    def update(self, parameters, gradients, momenta=None):
        fixed = {"dampening": 0, "maximize": False, "has_sparse_grad": False, "fused": True}
        momenta = momenta or [None] * len(parameters)
        sgd(parameters, gradients, momenta, lr=self.lr, **self.settings, **fixed)


class Adam(Optimiser):
    """Kingma and Ba 2015; weight decay, if any, is added to the gradient, as in PyTorch's Adam."""

    def __init__(self, parameters, lr, *, betas=(0.9, 0.999), weight_decay=0.0):
        super().__init__(parameters, lr)
        self.settings = {"beta1": betas[0], "beta2": betas[1], "weight_decay": weight_decay}
        means, squares = ([torch.zeros_like(p) for p in self.parameters] for _ in range(2))
        steps = [torch.zeros((), device=p.device) for p in self.parameters]
        self.kept = {"means": means, "squares": squares, "steps": steps}

    def update(self, parameters, gradients, means, squares, steps):
        fixed = {"amsgrad": False, "maximize": False, "eps": 1e-8, "fused": True}
        adam(parameters, gradients, means, squares, [], steps, lr=self.lr, **self.settings, **fixed)


def _laid_out_as(parameter, gradient):
    """The gradient in the parameter's memory format, as `backward` leaves it: the fused updates go by memory."""
    if gradient is None or gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


def build(recipe: Recipe, parameters, lr) -> Optimiser:
    """The optimiser that the recipe names."""
    if recipe.optimiser == "adam":
        return Adam(parameters, lr, weight_decay=recipe.weight_decay)
    return SGD(parameters, lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, nesterov=recipe.nesterov)
