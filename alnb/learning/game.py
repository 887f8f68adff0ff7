"""A game of several networks that may stop and go on: what is kept of it between two steps of a run.

No generator is kept: who goes on makes the same generators, and draws again what the updates before drew.
"""

from __future__ import annotations

import torch

from alnb.errors import BadRequest


def kept(updates: int, networks, *optimisers) -> dict:
    """A nested dict of tensors: what `go_on` takes after so many `updates`. No copies."""
    states = {f"optimiser {i}": one.state() for i, one in enumerate(optimisers)}
    return {"updates": torch.tensor(updates), "networks": dict(networks.state_dict()), **states}


def go_on(state: dict | None, updates: int, networks, *optimisers) -> None:
    """Put networks and optimisers, made as they were at first, where `kept` left them; None: at the beginning. BadRequest for
    a state of another number of updates."""
    ended = int(state["updates"]) if state else 0
    if ended != updates:
        raise BadRequest(f"the game is to go on from update {updates}, its state ended at {ended}")
    if state:
        networks.load_state_dict(state["networks"])
        for i, one in enumerate(optimisers):
            one.load(state[f"optimiser {i}"])
