from __future__ import annotations

from alnb.acquisition import score


@score("entropy", needs=("log_probabilities",), source="Settles, Active learning literature survey, 2009")
def entropy(view):
    """(U,) -sum_c p_c log p_c in nats, 0 to log C.

    From log p, since p log p of a softmax that underflowed is 0 * -inf = NaN; p = 0 to the letter adds 0. Summed in the
    order of size, so that probabilities that are equal but for the names of the classes tie in bits.
    """
    log_p = view.log_probabilities.clamp_min(-1e4).sort(dim=1).values
    return -(log_p.exp() * log_p).sum(dim=1)
