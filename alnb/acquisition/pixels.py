"""Uncertainty of a map: what a score says of a position, averaged over the positions of an image.

Probabilities come as (members, u, P, C): of networks or dropout masks, images, positions and classes.
"""

from __future__ import annotations

from alnb.acquisition import score
from alnb.errors import BadRequest


def entropy(p):
    """(u,) of (members, u, P, C): the entropy in nats of the members' mean, mean over positions."""
    return _entropy(p.mean(0)).mean(1)


def disagreement(p):
    """(u,) of (members, u, P, C): the entropy of the mean less the mean entropy, in nats, mean over positions. Of dropout masks
    it is BALD's mutual information, of a committee its Jensen-Shannon divergence."""
    return (_entropy(p.mean(0)) - _entropy(p).mean(0)).mean(1)


def _entropy(p):
    import torch

    # 0 where p underflows to 0; summed in the order of size, whatever the classes are called
    return -torch.xlogy(p, p).sort(-1).values.sum(-1)


@score("pixel_entropy", needs=("pixels",), source="Shannon 1948; rival of what follows")
def pixel_entropy(view):
    """(U,) mean entropy of an image's positions: one look of the target model."""
    return view.pixels(entropy)


@score("pixel_bald", needs=("pixel_passes",), source="Gal, Islam, Ghahramani, ICML 2017, position by position")
def pixel_bald(view, *, passes: int = 20):
    """(U,) MC dropout: mutual information between class and weights, mean over positions. The network must have been trained
    with dropout; what that alone brings is shown by Random on the same network."""
    return view.pixel_passes(passes, disagreement)


def check_pixel_bald(*, passes):
    """BadRequest for masks that cannot disagree."""
    if passes < 2:
        raise BadRequest(f"pixel_bald: passes = {passes}: expected at least 2")


@score("pixel_qbc", needs=("pixel_committee",), source="Kuo et al., Cost-sensitive active learning, MICCAI 2018")
def pixel_qbc(view, *, members: int = 3):
    """(U,) query by committee: the Jensen-Shannon divergence of networks that differ in their streams, mean over positions."""
    return view.pixel_committee(members, False, disagreement)


def check_pixel_qbc(*, members):
    """BadRequest for a committee that cannot disagree."""
    if members < 2:
        raise BadRequest(f"pixel_qbc: members = {members}: expected at least 2")
