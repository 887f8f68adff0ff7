"""What of DRAL may be chosen, what a run costs, and which runs notebook 07 asks for: its races and the arms in them.

The paper itself, equation by equation, is in alnb/methods/reid_human_in_the_loop.py.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from alnb import acquisition, datasets, races
from alnb.cycle import ALL
from alnb.errors import BadRequest
from alnb.runs import TRUTH, Run, Scalar, coerce
from alnb.statistics import BASELINES
from alnb.tasks import pairs
from alnb.tasks.pair_training import EPOCHS_A_STEP
from alnb.tasks.pairs import SOURCE

NAME = "reid_human_in_the_loop"  # of the study

# --- what may be chosen -----------------------------------------------------------------------------------------------------------


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
    its updates after each query; agent_target: what follows a question is worth the target network's largest Q, or ("returns")
    what followed. epsilon: the last chance of a random question, to which it falls from 1 over the first block. start: what
    training on all labels starts from; bound_*: its epochs, Adam's rate (as many updates as an arm has, at
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
    agent_target: Literal["max", "returns"] = "max"
    epsilon: float = 0.1
    start: Literal["source", "scratch"] = "source"
    bound_epochs: int = 60
    bound_lr: float = 5e-4
    bound_loss: Literal["both", "triplet"] = "both"
    strategy: dict[str, Scalar] = field(default_factory=dict)


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


# --- what it costs ----------------------------------------------------------------------------------------------------------------


def steps(run: Run) -> int:
    o = run.options
    epochs = {SOURCE: o.source_epochs, ALL: o.bound_epochs}
    return math.ceil(epochs[run.method] / EPOCHS_A_STEP) if run.method in epochs else o.blocks


def questions(run: Run) -> int:
    """What whoever answers an arm is asked, at most: free repeats and what was not to be told are not put again."""
    return (run.options.queries or datasets.info(run.dataset).train) * run.options.k_max


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


QUESTION, ACTION, AGENT_STEP, POOL = 6e-4, 7e-4, 5.5e-3, 2e-3  # seconds on one core: tests/bench, and a development seed


# --- which runs -------------------------------------------------------------------------------------------------------------------

ASKING = {f.name for f in dataclasses.fields(Settings)} - {f.name for f in dataclasses.fields(pairs.Settings)}
TUNING = {"tune_steps", "tune_lr", "tune_queries", "positives", "negatives", "ap", "flip_prob"}
OF_ALL = {"start", "bound_epochs", "bound_lr", "bound_loss"}  # what concerns training on all labels alone
BOUND = {"tune_steps", "tune_lr", "blocks", "ap"} | OF_ALL  # what of all of them concerns it
OF_AGENT = {"gamma", "agent_optimiser", "agent_lr", "agent_steps", "agent_batch", "replay", "target_every", "clip",
            "agent_target", "epsilon", "hidden", "seen"}  # fmt: skip
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
    return races.grid(NAME, asked, shared, _runs)


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
    needs = {SOURCE: Run(NAME, source, SOURCE, seed, known)}
    check(needs[SOURCE])
    label = arm if options else ""
    if name == ALL and options:
        raise BadRequest(f"{arm}: all_data takes seeds and no other option")
    if name == ALL:
        settings = {n: v for n, v in settings.items() if n not in (ASKING | TUNING) - BOUND}
        return [Run(NAME, dataset, ALL, seed, settings, needs)]
    about = acquisition.describe(name)
    own = {n: coerce(v, type(about.parameters[n]), f"{name}: {n}") for n, v in options.items() if n in about.parameters}
    if idle := sorted(_unused(about.needs) & (set(options) - set(own))):
        raise BadRequest(f"{arm}: {name} does not use {idle[0]}, so this would be the same arm again")
    settings = {n: v for n, v in settings.items() if n not in OF_ALL}
    settings |= {n: v for n, v in options.items() if n not in own}
    if changed := {n: v for n, v in own.items() if v != about.parameters[n]}:
        settings["strategy"] = changed
    carry = acquisition.get(name) if "@" in about.name else None  # of a notebook cell: it travels by value
    run = Run(NAME, dataset, about.name, seed, settings, needs, carry, label)
    races.check_offered(run, about.needs, arm)
    if run.options.budget == "images" and ((about.needs and about.kind != "score") or "q_values" in about.needs):
        raise BadRequest(f"{arm} chooses questions one by one; budget = 'images' takes strategies that score, and random")
    return [run]


def _unused(needs: Sequence[str]) -> set[str]:
    """Settings that change nothing for an arm that looks at these fields of the view."""
    agent = "q_values" in needs
    return set() if agent else OF_AGENT | (set() if "similarity" in needs else OF_STATE)
