"""Trainings of pair-wise re-identification that know every identity: the source model, the upper bound and its control."""

from __future__ import annotations

import itertools

from alnb.runs import Run, State, Step, torch_stream
from alnb.tasks.pairs import SOURCE, Pairs

EPOCHS_A_STEP = 20


def trained_on_source(run: Run, state: State) -> Step:
    """The network trained on another dataset's identities (eq. 1-3), some epochs a step; and how sure its distances are."""
    o, task = run.options, Pairs(run)
    network, optimiser, rows, end = _epochs(run, task, state, o.source_epochs, o.source_lr)
    if end < o.source_epochs:
        return Step(rows, blobs={"weights": network.state_dict(), "optimiser": optimiser.state()})
    rows.append({"kind": "source", "epoch": end, **task.evaluate(network)})
    return Step(rows, {"logistic": task.matches(network, o.n_s)}, blobs={"weights": network.state_dict()}, done=True)


def trained_on_all(run: Run, state: State) -> Step:
    """The upper bound: every identity of the pool is known; cross-entropy + triplets (or, by `bound_loss`, these alone), some
    epochs a step, from the same source (or from scratch). With both losses its first step also has its control, the row of kind
    "equal updates": all that is known too, but only as many updates as an arm has, and as small ones. At the paper's 5e-6 these
    would leave the bound where it began."""
    o, task = run.options, Pairs(run)
    rows = [] if state.index or o.bound_loss != "both" else [_equal_updates(run, task, state)]
    network, optimiser, trained, end = _epochs(run, task, state, o.bound_epochs, o.bound_lr)
    rows += trained
    if end < o.bound_epochs:
        blobs = {"weights": network.state_dict(), "optimiser": optimiser.state()}
        return Step(rows, blobs=blobs, timings=task.timings)
    every = task.size * (task.size - 1) // 2
    rows.append(task.measured(network, o.blocks, every, {"pairs": every}))
    return Step(rows, done=True, timings=task.timings)


def _equal_updates(run: Run, task: Pairs, state: State) -> dict:
    from alnb.learning.optimisers import Adam

    o, network = run.options, _begun(run, task, state)
    rng = torch_stream(run.seed, "fine-tuning", 0)
    batches = (rows for epoch in itertools.count() for rows in task.epoch(epoch))
    batches = itertools.islice(batches, o.blocks * o.tune_steps)
    loss = task.train(network, batches, Adam(network.parameters(), o.tune_lr), rng)
    return {"kind": "equal updates", "cycle": o.blocks, "loss": loss, **task.evaluate(network)}


def _begun(run: Run, task: Pairs, state: State):
    """What training on identities starts from."""
    if run.method != SOURCE and run.options.start == "source":
        return task.restore(state.needs[SOURCE].blobs["weights"])
    return task.build(task.boxes.identities)


def _epochs(run: Run, task: Pairs, state: State, epochs: int, lr: float):
    """(network, optimiser, a row an epoch, the epoch it ends before): one step of a training on identities."""
    from alnb.learning.optimisers import Adam

    begin = state.index * EPOCHS_A_STEP
    network = task.restore(state.blobs["weights"], head=True) if begin else _begun(run, task, state)
    optimiser = Adam(network.parameters(), lr)
    if begin:
        optimiser.load(state.blobs["optimiser"])
    end, rows = min(begin + EPOCHS_A_STEP, epochs), []
    cross = run.method == SOURCE or run.options.bound_loss == "both"
    for epoch in range(begin, end):
        rng = torch_stream(run.seed, f"{run.method} training", epoch)
        loss = task.train(network, task.epoch(epoch), optimiser, rng, cross=cross)
        rows.append({"kind": run.method, "epoch": epoch, "loss": loss})
    return network, optimiser, rows, end
