"""SCAL: what attention, its critic and a restyled source cost, beside the plain training of the same batch."""

from __future__ import annotations

import pytest
import torch

from alnb.datasets import reid
from alnb.learning import networks
from alnb.methods import scal_runs
from alnb.methods import self_critical_attention as scal
from alnb.runs import Run
from alnb.worlds import restyled
from tests.bench.interleave import ratio, seconds

pytestmark = pytest.mark.bench

WORLD = {"network": "reid_small", "weights": "random", "height": 64, "width": 32, "identities": 16, "reduction": 4}


def updates(arm: str, count: int = 2, **settings):
    """A function that makes `count` steps of algorithm 1 on a batch of 64 boxes."""
    run = Run(scal.STUDY.name, "pedestrians-market", arm, 0, WORLD | settings)
    made, _ = scal.players(run, 150, "cpu")
    x, y = torch.randn(64, 3, 64, 32).to(memory_format=torch.channels_last), torch.arange(64) // 4
    deal = torch.Generator()

    def steps():
        for _ in range(count):
            scal.update(made, x, y, run.options, scal_runs.ARMS[arm], deal)

    return steps


LEFT_OUT = {"reference": "leave_one_out"}


@pytest.mark.parametrize(("arm", "settings"), [("spatial", {}), ("channel_critic", {}), ("channel_critic", LEFT_OUT)])
def test_what_a_step_costs_is_what_the_estimate_says(arm, settings):
    plain, other = (Run(scal.STUDY.name, "pedestrians-market", name, 0, WORLD | own | {"epochs": 50})
                    for name, own in (("label_smoothing", {}), (arm, settings)))  # fmt: skip
    expected = scal.seconds(other) / scal.seconds(plain)
    measured = ratio(updates(arm, **settings), updates("label_smoothing"), pairs=3)
    spread = f"{measured[0]:.2f}x ({measured[1]:.2f}-{measured[2]:.2f})"
    print(f"\n{arm} {settings} / label_smoothing: {spread}, planned {expected:.2f}x")
    assert expected / 2 < measured[0] < expected * 2


def test_boxes_a_second_restyled():
    source, target = (reid.load(f"pedestrians-{name}") for name in ("market-small", "duke-small"))
    given = (source.train.images.numpy(), source.train.cameras.numpy(), target.train.images.numpy(), target.train.cameras.numpy())
    count, took = len(given[0]), seconds(lambda: restyled.restyled(*given))
    epoch = count * networks.cost("reid_small")[0] / 1000
    print(f"\nrestyled: {count / took:.0f} boxes a CPU second, {took / epoch:.2f} of an epoch of training on them")
    assert took < epoch
