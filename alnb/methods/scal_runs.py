"""The arms of SCAL's ablation, what may be chosen of them, what a run costs, and which runs notebook 08 asks for.

The paper itself, loss by loss, is in alnb/methods/self_critical_attention.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from alnb import datasets, races
from alnb.acquisition import write_arm
from alnb.errors import BadRequest
from alnb.runs import Run, coerce
from alnb.tasks.identities import IdentitySettings, check_identities

NAME = "self_critical_attention"  # of the study

# --- arms -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arm:
    """What is trained: a column of Table 5, or a placebo. `flip`: whether the test averages an image and its mirror image."""

    triplet: bool = True
    smooth: bool = True
    attention: str = ""
    critic: str = ""  # "scal", or a placebo: "permuted", rewards dealt to other images of the batch; "constant"
    flip: bool = True


ARMS = {
    "cross_entropy": Arm(triplet=False, smooth=False, flip=False),
    "flip": Arm(triplet=False, smooth=False),  # the same training, tested with the mirror image
    "triplet": Arm(smooth=False),
    "label_smoothing": Arm(),
    "spatial": Arm(attention="spatial"),
    "channel": Arm(attention="channel"),
    "spatial_critic": Arm(attention="spatial", critic="scal"),
    "channel_critic": Arm(attention="channel", critic="scal"),
    "spatial_permuted": Arm(attention="spatial", critic="permuted"),
    "channel_permuted": Arm(attention="channel", critic="permuted"),
    "spatial_constant": Arm(attention="spatial", critic="constant"),
    "channel_constant": Arm(attention="channel", critic="constant"),
}
BEFORE = {  # what an arm adds to
    "flip": "cross_entropy", "triplet": "flip", "label_smoothing": "triplet", "spatial": "label_smoothing",
    "channel": "label_smoothing", "spatial_critic": "spatial", "channel_critic": "channel", "spatial_permuted": "spatial",
    "channel_permuted": "channel", "spatial_constant": "spatial", "channel_constant": "channel",
}  # fmt: skip
TRAINED = "trained"  # the role of the training that "flip" and a cross-domain test start from
TRANSFERRED = ("label_smoothing", "spatial_critic", "channel_critic")  # Table 6
KEPT = ("cross_entropy", *TRANSFERRED)  # arms whose weights are kept at their end


# --- settings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings(IdentitySettings):
    """As printed, where it is; else as said in the notebook's section "Where it breaks".

    reduction: r of the agents. critic_weight: of J_cri. value: the critic's last layer as printed, or with a hidden layer
    before ("joint"). reference, reference_norm: see `without_attention`. again: a number that draws all chance anew, for an A/A
    arm.
    """

    critic_weight: float = 0.3
    reduction: int = 16
    value: Literal["printed", "joint"] = "printed"
    reference: Literal["ones", "mean", "leave_one_out"] = "ones"
    reference_norm: Literal["batch", "running"] = "batch"
    again: int = 0


COMMON = ("network", "weights", "height", "width", "source")  # arms of one race have these in common
OF_THE_CRITIC = ("critic_weight", "value", "reference", "reference_norm")


def arm_of(run: Run) -> Arm:
    return ARMS[run.method]


def plain_arm(name: str) -> str:
    """An arm's name without its options."""
    return name.partition("(")[0]


def unused(arm: Arm) -> set[str]:
    """Settings that do nothing to an arm's training."""
    parts = (
        (arm.triplet, ("margin", "squared")),
        (arm.smooth, ("smoothing",)),
        (arm.attention, ("reduction",)),
        (arm.critic, OF_THE_CRITIC),
    )
    return {name for there, names in parts if not there for name in names}


# --- what a run costs -------------------------------------------------------------------------------------------------

PART_SECONDS = 200  # a step, as it is planned
PLACES = {"reid_small": 64 * 32, "reid_resnet50": 256 * 128}  # pixels that a network's COST is of


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core."""
    from alnb.learning import networks

    o, arm, about = run.options, arm_of(run), datasets.info(run.dataset)
    larger = o.height * o.width / PLACES[o.network]
    training, forward = (each * larger / 1000 for each in networks.cost(o.network))
    tests = 1.2 * forward * about.test * (1 + arm.flip)
    if TRAINED in run.needs:
        return tests
    passes = (5 if o.reference == "leave_one_out" else 1) * bool(arm.critic)
    each = training * (1 + 0.33 * bool(arm.attention) + 0.68 * bool(arm.critic)) + 1.5 * forward * passes
    return o.epochs * about.train * each + tests


def steps(run: Run) -> int:
    return 1 if TRAINED in run.needs else min(run.options.epochs, math.ceil(seconds(run) / PART_SECONDS))


def check(run: Run) -> None:
    """BadRequest for data and settings that cannot be."""
    from alnb.datasets import reid

    o = run.options
    datasets.check_task(run.dataset, reid.TASK)
    check_identities(run.needs.get(TRAINED, run))
    for name, least in (("reduction", 1), ("again", 0), ("critic_weight", 0)):
        if getattr(o, name) < least:
            raise BadRequest(f"{name} = {getattr(o, name)}: expected at least {least}")


# --- which runs -------------------------------------------------------------------------------------------------------

RACES = ("market", "null", "duke", "labelled", "detected", "to_duke", "to_market")


def grid(market: Mapping[str, Any], null: Mapping[str, Any] = {}, duke: Mapping[str, Any] = {}, labelled: Mapping[str, Any] = {},
         detected: Mapping[str, Any] = {}, to_duke: Mapping[str, Any] = {}, to_market: Mapping[str, Any] = {},
         **shared) -> list[Run]:  # fmt: skip
    """Every run of the notebook (see alnb/races.py): the ablation on Market-1501 or its stand-in (Tables 2, 5), and on a null
    world without what attention could leave out; the other benchmarks (Tables 3, 4: CUHK03 labelled, detected); and what was
    trained on one tested on another (Table 6). An arm is one of `ARMS`; its options are settings.

    A cross-domain race names its `source`, a dataset; its arms may be `restyled=True`: trained on the source's images in the
    target's style. Raises BadRequest for what cannot be.
    """
    given = dict(zip(RACES, (market, null, duke, labelled, detected, to_duke, to_market)))
    return races.grid(NAME, given, shared, _arm)


def _arm(name: str, options: Mapping[str, Any], dataset: str, seed: int, settings: Mapping[str, Any]) -> list[Run]:
    """The run of an arm on one seed (`races.Special`)."""
    if name not in ARMS:
        raise BadRequest(f"no arm {name!r}; accepted: {', '.join(ARMS)}")
    for common in COMMON:
        if common in options:
            raise BadRequest(f"{name}: {common} is no option of an arm; arms of one race have it in common")
    if idle := sorted(unused(ARMS[name]) & set(options)):  # else a second arm of equal bits
        able = [other for other in ARMS if not unused(ARMS[other]) & set(idle)]
        raise BadRequest(f"{name}: {', '.join(idle)} does nothing there; accepted by {', '.join(able)}")
    values, text = {**settings, **options}, write_arm(name, dict(options)) if options else ""
    source, restyled = values.pop("source", ""), coerce(values.pop("restyled", False), bool, f"{name}: restyled")
    if source:
        needs = {TRAINED: _trained(name, source, restyled, dataset, seed, values)}
    elif restyled:
        raise BadRequest(f"{name}: restyled = True does nothing there: the race names no source")
    else:
        needs = {TRAINED: Run(NAME, dataset, "cross_entropy", seed, values)} if name == "flip" else {}
    return [Run(NAME, dataset, name, seed, values, needs, arm=text)]


def _trained(name: str, source: str, restyled: bool, target: str, seed: int, values: Mapping[str, Any]) -> Run:
    """The training that a cross-domain test starts from."""
    from alnb.datasets import reid

    if name not in TRANSFERRED:
        raise BadRequest(f"no arm {name!r} across domains; accepted: {', '.join(TRANSFERRED)}")
    datasets.check_task(coerce(source, str, "source"), reid.TASK)
    if source == target:
        raise BadRequest(f"source = {source!r} is the race's own dataset; expected another")
    if restyled:
        styled = f"{source}-as-{target.removeprefix('pedestrians-')}"
        if styled not in datasets.names():
            there = [one for one in datasets.names() if "-as-" in one]
            raise BadRequest(f"restyled = True: nothing gives {source} the style of {target}; there are {', '.join(there)}")
        source = styled
    return Run(NAME, source, name, seed, values)
