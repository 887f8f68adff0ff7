"""SoDeep's sorter, trained on synthetic lists: a study of its own, whose weights others start from (L2R-AL sec. III-B;
Engilberge et al., SoDeep: a sorting deep net to learn ranking loss surrogates, CVPR 2019).

The network and the lists are in alnb/learning/sorting.py. SoDeep's own lists and schedule, 400 epochs of 360,000 of them, are
a hundred hours on a core (preset "sodeep"); what is kept in data/weights was trained for minutes, on lists like them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from alnb.errors import BadRequest
from alnb.runs import Run, State, Step, Study, torch_stream

DATA = "sequences"
LENGTHS = (64, 32, 4)  # L2R-AL sec. IV: CIFAR-10 and CelebA, MPII, ShanghaiTech
HELD_OUT = 512  # lists a family
STEP = 2.5e-3  # one core: a step, however short its lists are


@dataclass(frozen=True)
class Settings:
    """length: of the lists. hidden, layers, scale: of learning.sorting.Sorter. epochs of `lists` new lists in batches of
    `batch`, Adam at lr, halved every `halve` epochs. parts: steps of the run. drawn: "like" SoDeep's lists, in other shares
    (`sequences`), or as its code draws them, "sodeep" (`sodeep_lists`)."""

    length: int = 64
    hidden: int = 64
    layers: int = 1
    scale: Literal["standardised", "squashed", "raw"] = "standardised"
    epochs: int = 40
    lists: int = 6400
    batch: int = 64
    lr: float = 3e-3
    halve: int = 8
    parts: int = 4
    drawn: Literal["like", "sodeep"] = "like"


PRESETS = {
    "tiny": {"hidden": 16, "epochs": 6, "lists": 640, "halve": 3, "parts": 1},
    "small": {},
    "sodeep": {"hidden": 32, "layers": 6, "scale": "squashed", "epochs": 400, "lists": 360_000, "batch": 256,
               "lr": 1e-3, "halve": 70, "parts": 400, "drawn": "sodeep"},
}  # fmt: skip


def arm(preset: str = "small", length: int = 64) -> list[Run]:
    """The run of one of PRESETS for lists of `length`, which a study asks for as `study("sorter").arm(...)`. BadRequest for
    an unknown preset."""
    if preset not in PRESETS:
        raise BadRequest(f"sorter = {preset!r}: expected one of {', '.join(map(repr, PRESETS))}")
    made = Run(STUDY.name, DATA, "gru", 0, PRESETS[preset] | {"length": length})
    check(made)
    return [made]


def absolute(outputs, y, epoch, rows):
    """(B,) how far a place of a list is off, as a share of its length: SoDeep's loss (see `learning.losses`)."""
    return (outputs - y).abs().mean(1)


def step(run: Run, state: State) -> Step:
    """The epochs of one part, from where the last part ended."""
    from alnb.learning.networks import drawn_from
    from alnb.learning.recipe import Recipe
    from alnb.learning.sorting import Sequences, Sorter
    from alnb.learning.train import train
    from alnb.machine import device

    o, part = run.options, state.index
    with drawn_from(torch_stream(run.seed, "model init")):
        sorter = Sorter(o.hidden, o.layers, o.scale)
    if state.blobs:
        sorter.load_state_dict(state.blobs["weights"])
    halvings = tuple(at / o.epochs for at in range(o.halve, o.epochs, o.halve))
    recipe = Recipe(
        epochs=o.epochs, batch=o.batch, lr=o.lr, weight_decay=0.0, milestones=halvings, gamma=0.5, optimiser="adam"
    )
    begin, end = (o.epochs * at // o.parts for at in (part, part + 1))
    trained = train(
        sorter, Sequences(o.lists, o.length, device(), _own(o)), recipe, loss=absolute, order=None,
        augment=torch_stream(run.seed, "lists"), begin=begin, end=end, state=state.blobs.get("training"),
    )  # fmt: skip
    rows = [
        {"kind": "sorting", "epoch": begin + i + 1, "loss": loss, "length": o.length}
        for i, loss in enumerate(trained.losses)
    ]
    weights = {name: value.cpu() for name, value in sorter.state_dict().items()}
    if part + 1 < o.parts:
        return Step(rows, blobs={"weights": weights, "training": trained.state})
    return Step(rows + held_out(sorter, o.length, run.seed, _own(o)), blobs={"weights": weights}, done=True)


def _own(o: Settings) -> str:
    """The family of `sequences` that a sorter is trained on; "": a random one for each list."""
    return "sodeep" if o.drawn == "sodeep" else ""


def held_out(sorter, length: int, seed: int, own: str = "") -> list[dict]:
    """Rows of kind "sorter": the rank error on HELD_OUT lists of each family, and of its `own`, that it was not trained on,
    of the sorter, of pairwise sigmoids (`soft_ranks`), and of knowing nothing (every place in the middle)."""
    import torch

    from alnb.learning.sorting import FAMILIES, rank_error, sequences, soft_ranks

    rows = []
    for family in [*FAMILIES, *["joined"] * (length > 1), *[own] * bool(own)]:
        x = sequences(HELD_OUT, length, torch_stream(seed, f"held-out {family}"), family)
        with torch.no_grad():
            ours = sorter(x.to(next(sorter.parameters()).device)).cpu()
        middle = torch.full_like(x, (length + 1) / 2 / length)
        errors = {"error": ours, "error_exact": soft_ranks(x), "error_middle": middle}
        rows.append(
            {"kind": "sorter", "lists": family, "length": length} | {n: rank_error(p, x) for n, p in errors.items()}
        )
    return rows


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one idle core: measured, per value and layer, at 64 units, and per step."""
    o = run.options
    return o.epochs * (
        9e-6 * o.lists * o.length * o.layers * (0.3 + 0.7 * o.hidden / 64) + STEP * -(-o.lists // o.batch)
    )


def check(run: Run) -> None:
    """BadRequest for sizes that cannot be."""
    o = run.options
    for name, least in (
        ("length", 2),
        ("hidden", 1),
        ("layers", 1),
        ("epochs", 1),
        ("lists", 1),
        ("batch", 1),
        ("halve", 1),
    ):
        if getattr(o, name) < least:
            raise BadRequest(f"{name} = {getattr(o, name)}: expected at least {least}")
    if not 1 <= o.parts <= o.epochs:
        raise BadRequest(f"parts = {o.parts}: expected 1 to the {o.epochs} epochs")
    if o.lr <= 0:
        raise BadRequest(f"lr = {o.lr}: expected above 0")


STUDY = Study(
    "sorter", 1, step, Settings, lambda run: run.options.parts, seconds, check=check, arm=arm,
    network=lambda run: f"GRU {run.options.hidden} x {run.options.layers}", synthetic=True,
)  # fmt: skip
