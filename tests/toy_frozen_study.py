"""A study whose heads see features of a network that another run of it left: what chapter 5 does, without the training."""

from alnb import cycle
from alnb.learning import networks
from alnb.methods import label_dispersion as ch3
from alnb.runs import Run, State, Step, Study
from alnb.tasks import features
from alnb.tasks.features import Features
from tests.learning.toy import generator


def step(run: Run, state: State) -> Step:
    """`pretrain` leaves a network; else one cycle on its features."""
    if run.method == "pretrain":
        network = networks.build(run.options.network, 10, generator=generator(run.seed))
        return Step([{"kind": "note"}], blobs={"weights": network.state_dict()}, done=True)
    return cycle.step(run, state, Features)


STUDY = Study(
    __name__, 1, step, ch3.Settings, lambda run: 1 if run.method == "pretrain" else cycle.steps(run), check=features.check,
    offers=lambda dataset: Features.offers, metrics=Features.metrics,
)  # fmt: skip
