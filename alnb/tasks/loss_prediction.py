"""Modules that predict a network's loss, beside any task of images: the view then has `predicted_losses`.

`WithModules` is put before a task (`class Mine(WithModules, Counting)`), which has `build(cycle, member)`, `loss(network, cycle,
member)`, `_acquisition_images(samples, cycle)`, `look_with` and a network that shows its blocks; `LossPrediction` is that of
classification.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from alnb.errors import BadRequest
from alnb.runs import Run, State
from alnb.tasks import classification
from alnb.tasks.classification import Classification
from alnb.tasks.features import Features
from alnb.tasks.training import recipe


@dataclass(frozen=True)
class ModuleSettings:
    """The modules and how they are trained, beside the target network and by an optimiser of their own.

    module_hidden: units a block. module_optimiser: Adam at the constant rate module_lr, the target's, rate, schedule and all,
    or SGD with momentum 0.9 from module_lr, a tenth at each of module_milestones, shares of the epochs. joint: share of the
    epochs, from the first, in which the modules' loss times joint_weight trains the target too (0: never). The modules' own
    update is of the loss times joint_weight as well, joint or not: nothing to Adam, to SGD a rate that many times as large.
    margin: of LL4AL's pairs.
    """

    module_hidden: int = 128
    module_optimiser: Literal["adam", "target", "sgd"] = "adam"
    module_lr: float = 1e-3
    module_milestones: tuple[float, ...] = ()
    joint: float = 0.0
    joint_weight: float = 1.0
    margin: float = 1.0


@dataclass(frozen=True)
class Settings(classification.Settings, ModuleSettings):
    """Classification with modules. border: zeros around an image before its random crop (-1: the dataset's own)."""

    border: int = -1


def check(settings: Settings) -> None:
    """BadRequest for modules beside a classification that cannot be; its own recipe is checked by its task."""
    check_modules(settings)
    if settings.border < -1:
        raise BadRequest(f"border = {settings.border}: expected pixels, 0 or more, or -1 for the dataset's own")


def check_modules(settings: ModuleSettings) -> None:
    """BadRequest for modules that cannot be trained."""
    if settings.module_hidden < 1:
        raise BadRequest(f"module_hidden = {settings.module_hidden}: expected at least 1")
    if settings.module_lr <= 0:
        raise BadRequest(f"module_lr = {settings.module_lr}: expected above 0")
    if not all(0 < m < 1 for m in settings.module_milestones):
        raise BadRequest(f"module_milestones = {settings.module_milestones}: expected shares of the epochs, between 0 and 1")
    if not 0 <= settings.joint <= 1:
        raise BadRequest(f"joint = {settings.joint}: expected a share of the epochs, 0 to 1")
    for name in ("joint_weight", "margin"):
        if getattr(settings, name) < 0:
            raise BadRequest(f"{name} = {getattr(settings, name)}: expected 0 or more")


OFFERS = {"predicted_losses": "(U,) float, larger = more loss; what the arm's module says, in no unit"}


class WithModules:
    """See tasks.Task. A study's own task says which `modules` a run has, {name: blocks they look at, "last" or "all"}, and
    their `criterion`; a run without any is the plain task, weight for weight."""

    @functools.cached_property
    def modules(self) -> dict[str, str]:
        return {}

    def criterion(self, cycle: int, member: int):
        """({name: predictions (B,)}, losses (B,)) -> what the modules' training minimises."""
        raise NotImplementedError

    def build(self, cycle: int, member: int = 0):
        return self._with(self.modules, super().build(cycle, member), cycle, member)

    def _with(self, modules, body, cycle: int, member: int = 0):
        from alnb.learning.loss_prediction import Predicting, Predictor
        from alnb.learning.networks import drawn_from

        if not modules:
            return body
        if not body.widths:
            raise BadRequest(f"network {self.options.network!r} does not show its blocks: it has no `widths`")
        predictors = {}
        for name, blocks in modules.items():
            widths = body.widths if blocks == "all" else body.widths[-1:]
            with drawn_from(self._stream(f"module {name} init", cycle, member)):
                alpha = 0.0 if blocks == "all" else 0.01
                predictors[name] = Predictor(widths, self.options.module_hidden, alpha)
        network = Predicting(body, predictors)
        network.dropout = body.dropout
        return network

    def loss(self, network, cycle: int, member: int = 0):
        from alnb.learning import optimisers
        from alnb.learning.loss_prediction import Beside

        if not self.modules:
            return super().loss(network, cycle, member)
        o, target = self.options, recipe(self.options)
        network.to(self.device)  # before its optimiser holds on to the weights
        parameters = list(network.predictors.parameters())
        if o.module_optimiser == "adam":
            optimiser, rate = optimisers.Adam(parameters, o.module_lr), lambda epoch: o.module_lr
        elif o.module_optimiser == "sgd":
            changed = {"lr": o.module_lr, "milestones": o.module_milestones, "gamma": 0.1, "momentum": 0.9, "schedule": "step"}
            own = dataclasses.replace(target, optimiser="sgd", **changed)
            optimiser, rate = optimisers.build(own, parameters, own.lr), own.lr_at
        else:
            optimiser, rate = optimisers.build(target, parameters, o.lr), target.lr_at
        return Beside(
            network, self.criterion(cycle, member), optimiser, rate, round(o.joint * o.epochs), o.joint_weight,
            own=super().loss(network, cycle, member),
        )  # fmt: skip

    def restore(self, weights: dict):
        """The network that another step left; of its modules those of this run are kept."""
        named = dict.fromkeys(key.split(".")[1] for key in weights if key.startswith("predictors."))
        network = self._with({name: self._blocks(weights, name) for name in named}, super().build(0), 0)
        network.load_state_dict(weights)
        for name in set(named) - set(self.modules):
            del network.predictors[name]
        return network.to(self.device).eval()

    @staticmethod
    def _blocks(weights, name: str) -> str:
        return "all" if f"predictors.{name}.blocks.1.weight" in weights else "last"

    def predicted_losses(self, network, images) -> dict:
        """{module: (N,)} of images (N, 3, H, W) uint8, see `learning.loss_prediction.predict`."""
        from alnb.learning.loss_prediction import predict

        return predict(network, images, **self.look_with)

    def given(self, samples=None):
        """What the network is given of samples of the pool, as they are; None: of the test set."""
        return self.test_images if samples is None else self.images[samples]

    def look(self, model, cycle: int, candidates, labelled, labels, record) -> Seen:
        return Seen(super().look(model, cycle, candidates, labelled, labels, record), self, model, cycle, candidates)


class Seen:
    """What a task shows of the candidates, `seen`, and `predicted_losses`."""

    def __init__(self, seen, task: WithModules, model, cycle: int, candidates):
        self._seen, self._task, self._model, self._cycle, self._candidates = seen, task, model, cycle, candidates

    def __getattr__(self, name: str):
        return getattr(self._seen, name)

    @functools.cached_property
    def predicted_losses(self):
        modules: Sequence[str] = list(getattr(self._model, "predictors", {}))
        if len(modules) != 1:
            raise BadRequest(f"this model carries {len(modules)} modules that predict its loss: expected one")
        images = self._task._acquisition_images(self._candidates, self._cycle)
        return self._task.predicted_losses(self._model, images)[modules[0]]


class LossPrediction(WithModules, Classification):
    """Classification with modules."""

    offers = Classification.offers | OFFERS

    def __init__(self, run: Run, state: State | None = None):
        super().__init__(run, state)
        if self.options.border >= 0:
            self.data = dataclasses.replace(self.data, crop=self.options.border)

    def judged(self, model, samples=None):
        """({signal: (N,)}, losses (N,)) of samples of the pool, None: of the test set; on the CPU, double."""
        from alnb.learning.infer import infer

        of_test = self.test_images, self.test_targets
        images, targets = of_test if samples is None else (self.images[samples], self.targets[samples])
        logits = infer(model, images, **self.look_with)
        return signals(logits), losses(logits, targets)


class FeatureLossPrediction(WithModules, Features):
    """Classification of frozen features with modules, whose one block is what the head is given."""

    offers = Features.offers | OFFERS

    def given(self, samples=None):
        return self.test_x if samples is None else self.x[samples]

    def judged(self, model, samples=None):
        """As `LossPrediction.judged`."""
        import torch

        with torch.no_grad():
            logits = model.eval()(self.given(samples))
        return signals(logits), losses(logits, self.test_targets if samples is None else self.targets[samples])

    def predicted_losses(self, network, x) -> dict:
        """{module: (N,)} of features x (N, D)."""
        import torch

        with torch.no_grad():
            pooled = network.eval().pools(x)
            return {name: one(pooled) for name, one in network.predictors.items()}

    def _acquisition_images(self, samples, cycle: int):
        return self.x[samples]

    def _blocks(self, weights, name: str) -> str:
        return self.modules.get(name, "last")  # one block either way: only the slope of its module differs


def signals(logits) -> dict:
    """What can be had without a module, (N,) each, larger = less sure: entropy in nats, and -log p_max."""
    log_p = logits.double().log_softmax(1).cpu()
    return {"_entropy": -(log_p.exp() * log_p).sum(1), "_p_max": -log_p.amax(1)}


def losses(logits, targets):
    """(N,) cross-entropy, nats."""
    from torch.nn import functional as F

    return F.cross_entropy(logits.double(), targets, reduction="none").cpu()
