"""Ask where an ensemble disagrees."""

from alnb.acquisition import score


@score("spread", needs=("ensemble",), source="toy")
def spread(view):
    """(U,) deviation of the members' predictions."""
    return view.ensemble.std(0)
