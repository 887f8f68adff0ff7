"""A race on digits whose trainings take a blink."""

from __future__ import annotations

from alnb.methods import label_dispersion as ch3

TINY = {"pool": 120, "initial": 20, "budget": 10, "cycles": 2, "epochs": 3, "batch": 32, "lr": 0.05, "network": "small"}


def grid(arms, seeds=(0,), **settings):
    """The runs of chapter 3's race `few` on digits; settings replace those of TINY."""
    return ch3.grid({"dataset": "digits", "arms": list(arms), "seeds": list(seeds)}, **TINY | settings)
