from __future__ import annotations

from alnb.acquisition import score
from alnb.errors import BadRequest


@score("qbc", needs=("committee",), source="Seung, Opper, Sompolinsky, Query by committee, COLT 1992")
def qbc(view, *, members: int = 5):
    """(U,) variation ratio of a committee's votes, 1 - f / M: the share of `members` that differ from the modal class
    (Beluch et al. 2018, eq. 4).

    Label dispersion is the same ratio over the epochs of one network. There are at most M different scores, so ties
    decide much of a batch.
    """
    import torch

    votes = view.committee(members)
    f = (votes[:, :, None] == torch.arange(view.classes, device=votes.device)).sum(0).amax(1)
    return 1 - f / members


def check_qbc(*, members):
    """BadRequest for a committee that cannot disagree."""
    if not isinstance(members, int) or isinstance(members, bool) or members < 2:
        raise BadRequest(f"qbc: members = {members!r}; accepted: a whole number from 2")
