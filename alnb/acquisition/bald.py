from __future__ import annotations

from alnb.acquisition import score
from alnb.errors import BadRequest


@score(
    "bald", needs=("dropout_probabilities",), source="Gal, Islam, Ghahramani, Deep Bayesian active learning, ICML 2017"
)
def bald(view, *, passes: int = 50):
    """(U,) mutual information in nats between the class and the weights: H[mean_k p_k] - mean_k H[p_k] over `passes`
    dropout masks (Houlsby et al. 2011, eq. 2). High where each mask is sure and the masks disagree.

    The network must have been trained with dropout; what that alone brings is shown by Random on the same network.
    """
    p = view.dropout_probabilities(passes)
    return _entropy(p.mean(0)) - _entropy(p).mean(0)


def check_bald(*, passes):
    """BadRequest for masks that cannot disagree."""
    if not isinstance(passes, int) or isinstance(passes, bool) or passes < 2:
        raise BadRequest(f"bald: passes = {passes!r}; accepted: a whole number from 2")


def _entropy(p):
    import torch

    # 0 where p underflows to 0; summed in the order of size, whatever the classes are called
    return -torch.xlogy(p, p).sort(-1).values.sum(-1)
