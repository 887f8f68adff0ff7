"""Self-critical attention learning, SCAL (Chen, Lin, Ren, Lu and Zhou, ICCV 2019).

An attention agent learns from the loss of the task alone, by a long way; so a critic is trained to foretell how much the
attention helps, and the agent is pushed to what the critic values. Agents and critic are in alnb/learning/attention.py; here
is what they are trained by, in the paper's symbols: theta the agents, phi the critics, psi all else. Its arms and settings are
in alnb/methods/scal_runs.py.

No choice of labels and no cycle: a run is one training, its comparison one number at its end. Its rows of kind "test" stand
at cycle 1, so that an area under a curve is that number.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alnb import datasets
from alnb.errors import BadRequest
from alnb.methods.scal_runs import KEPT, NAME, TRAINED, Arm, Settings, arm_of, check, seconds, steps
from alnb.methods.scal_runs import grid as grid  # where the notebook looks for it
from alnb.runs import Run, State, Step, Study, torch_stream
from alnb.tasks.identities import METRICS, prepare, recipe, retrieved, scaled_by

if TYPE_CHECKING:
    from alnb.learning.attention import Players

# --- rewards and losses -------------------------------------------------------------------------------------------------


def rewards(logits, without, y):
    """(R_c, R_a), each (B,) of 0 and 1: whether the person is recognised with attention; whether the probability of the true
    one is greater than without. logits, without (B, K), y (B,). SCAL eq. 4, 5."""
    p, reference = (given.softmax(1).gather(1, y[:, None]).squeeze(1) for given in (logits, without))
    return (logits.argmax(1) == y).float(), (p > reference).float()


def classification_loss(logits, y, epsilon: float):
    """J_cls: cross entropy against the truth with a share epsilon spread over all K people. SCAL eq. 9 (epsilon = 0), 10."""
    from alnb.learning.reid import smoothed_cross_entropy

    return smoothed_cross_entropy(logits, y, smoothing=epsilon).mean()


def triplet_loss(f, y, margin: float, squared: bool = False):
    """J_tri: each sample with the farthest of its own person and the nearest of another in the batch. SCAL eq. 8, whose
    distances are squared; its mining is not printed, and its authors' later code has plain distances."""
    from alnb.learning.reid import batch_hard, masks_of

    return batch_hard(f, *masks_of(y), margin, squared=squared).mean()


def critic_loss(network, critics, X):
    """J_cri = -V(X, A), mean over sites and batch. X is a constant: only theta is reached, each agent by its own critic.
    SCAL eq. 11."""
    maps = [one.detach() for one in X]
    values = [critic(one, agent(one)) for critic, agent, one in zip(critics, network.agents, maps)]
    return -sum(value.mean() for value in values) / len(values)


def value_loss(critics, X, A, R):
    """(J_mse = (V(X, A) - R)^2, V (B, sites)): the mean over sites and batch. X and A are constants: only phi is reached. R
    (B, 1), or (B, sites) where each site has a reward of its own. SCAL eq. 12."""
    import torch

    V = torch.stack([critic(x.detach(), a.detach()) for critic, x, a in zip(critics, X, A)], 1)
    return (V - R).square().mean(), V


def without_attention(network, x, reference: str, norm: str) -> list:
    """Logits (B, K) of the same weights without their attention, the p(X) of eq. 5: a list of one, or one a site.

    reference: "ones" (each A is 1), "mean" (each A is its mean over the image, so that its scale stays), "leave_one_out"
    (one site after the other has A = 1). norm: "batch", by the statistics of this batch and without a trace, or "running",
    by those of evaluation.
    """
    import torch

    from alnb.learning.attention import SITES, batch_statistics
    from alnb.learning.modes import evaluating

    def ones(only=None):
        return lambda site, A: A if only not in (None, site) else torch.ones_like(A)

    gates = {
        "ones": [ones()],
        "mean": [lambda site, A: A.mean((1, 2, 3), keepdim=True)],
        "leave_one_out": [ones(site) for site in range(SITES)],
    }[reference]
    with torch.no_grad(), (batch_statistics if norm == "batch" else evaluating)(network):
        return [network(x, gate).logits for gate in gates]


# --- training ----------------------------------------------------------------------------------------------------------


def untrained(run: Run, classes: int, device: str = "cpu"):
    """The network before its training and its critics (None without). All arms of a seed begin with the same psi."""
    import torch

    from alnb.learning import attention, networks
    from alnb.learning.networks import drawn_from

    o, arm = run.options, arm_of(run)
    how = {"weights": o.weights} if o.network == "reid_resnet50" else {}
    plain = networks.build(o.network, classes, generator=_stream(run, "model init"), **how)
    network = attention.Attentive(plain, (o.height, o.width))
    critics = None
    with drawn_from(_stream(run, "agents init")):
        if arm.attention:
            network.attend(arm.attention, o.reduction)
    with drawn_from(_stream(run, "critic init")):
        if arm.critic:
            critics = network.critics(joint=o.value == "joint").to(device, memory_format=torch.channels_last)
    return network.to(device, memory_format=torch.channels_last), critics


def players(run: Run, classes: int, device: str) -> tuple[Players, Any]:
    """The players of a run and the learning rate, a 0-d tensor that both optimisers read."""
    import torch

    from alnb.learning import optimisers
    from alnb.learning.attention import Players

    network, critics = untrained(run, classes, device)
    lr, about = torch.tensor(run.options.lr, device=device), recipe(run.options)
    main = optimisers.build(about, network.psi + network.theta, lr)
    second = None if critics is None else optimisers.build(about, critics.parameters(), lr)
    return Players(network, critics, main, second), lr


def update(players: Players, x, y, options: Settings, arm: Arm, rng) -> dict:
    """One step of algorithm 1 on a batch: psi by J_cls + J_tri, theta by J_cri as well, phi by J_mse. Returns what happened,
    0-d tensors by name. rng: deals the rewards of the placebo."""
    import torch

    network, critics = players.network, players.critics
    seen = network(x)
    J_cls = classification_loss(seen.logits, y, options.smoothing if arm.smooth else 0.0)
    J_tri = triplet_loss(seen.f, y, options.margin, options.squared) if arm.triplet else J_cls.new_zeros(())
    right = (seen.logits.argmax(1) == y).float()
    told = {"J_cls": J_cls, "J_tri": J_tri, "right": right.mean()}
    if critics is None:
        players.main.minimise(J_cls + J_tri)
        return {name: value.detach() for name, value in told.items()}
    with torch.no_grad():
        references = without_attention(network, x, options.reference, options.reference_norm)
        both = [rewards(seen.logits, without, y) for without in references]
        R_c, R_a = (torch.stack(each, 1) for each in zip(*both))
    R = R_c + R_a
    taught = R
    if arm.critic == "permuted":
        taught = R[torch.randperm(len(R), generator=rng).to(R.device)]
    elif arm.critic == "constant":
        taught = torch.ones_like(R)
    J_mse, V = value_loss(critics, seen.X, seen.A, taught)
    J_cri = critic_loss(network, critics, seen.X)
    players.main.minimise(J_cls + J_tri + options.critic_weight * J_cri)
    players.second.minimise(J_mse)
    told |= {"J_cri": J_cri, "J_mse": J_mse, "R_c": R_c.mean(), "R_a": R_a.mean(), "R": R.mean(), "R_sd": R.std()}
    told |= {"V": V.mean(), "V_sd": V.mean(1).std(), "V_R": _correlation(V.mean(1), R.mean(1))}
    return {name: value.detach() for name, value in told.items()}


def _correlation(a, b):
    """Pearson's, 0 where one of the two does not vary."""
    a, b = a - a.mean(), b - b.mean()
    return (a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12)


def gradients(players: Players, x, y, options: Settings, arm: Arm) -> list[dict]:
    """A row of kind "gradient" a site: the norm of each loss's gradient, as it is weighted, at that site's agent. Leaves no
    trace in the network."""
    import torch

    from alnb.learning.attention import batch_statistics

    network = players.network
    with batch_statistics(network):
        seen = network(x)
        losses = {"J_cls": classification_loss(seen.logits, y, options.smoothing if arm.smooth else 0.0)}
        if arm.triplet:
            losses["J_tri"] = triplet_loss(seen.f, y, options.margin, options.squared)
        if players.critics is not None:
            losses["J_cri"] = options.critic_weight * critic_loss(network, players.critics, seen.X)
    rows = [{"kind": "gradient", "site": site + 1} for site in range(len(network.agents))]
    for name, loss in losses.items():
        found = iter(torch.autograd.grad(loss, network.theta, retain_graph=True))
        for row, agent in zip(rows, network.agents):
            row[name] = math.sqrt(sum(next(found).square().sum().item() for _ in agent.parameters()))
    return rows


def train(run: Run, data, made: Players, lr, begin: int, end: int) -> list[dict]:
    """Train epochs `begin` to `end` in place; the rows of kind "epoch" and "gradient". Every epoch draws from streams of its
    own, so a training that goes on equals one that never stopped, bit for bit."""
    import torch

    from alnb.learning.identities import IdentityFeed

    o, arm = run.options, arm_of(run)
    about, scale = recipe(o), dict(zip(("mean", "std"), scaled_by(o, data)))
    stream = functools.partial(_stream, run)
    feed = IdentityFeed(data.train, o.identities, o.images, crop=o.crop, erasing=o.erasing, device=lr.device,
                        stream=stream, **scale)  # fmt: skip
    made.network.train()
    rows, looks = [], set(_looks(o.epochs))
    for epoch in range(begin, end):
        told, deal = [], stream("deal", epoch)
        for share, x, y in feed.epoch(epoch):
            lr.fill_(about.lr_at(epoch, share))
            if not told and epoch in looks and arm.attention:
                rows += [row | {"epoch": epoch + 1} for row in gradients(made, x, y, o, arm)]
            told.append(update(made, x, y, o, arm, deal))
        names = list(told[0])
        means = torch.stack([torch.stack([one[name] for name in names]) for one in told]).mean(0).tolist()
        rows.append({"kind": "epoch", "epoch": epoch + 1, **dict(zip(names, means))})
        if not math.isfinite(rows[-1]["J_cls"]):
            raise BadRequest(
                f"the loss became {rows[-1]['J_cls']} in epoch {epoch + 1} of {o.epochs}; lr {o.lr} is too high?"
            )
    return rows


def _stream(run: Run, name: str, epoch: int = 0):
    return torch_stream(run.seed, f"{name}, again {run.options.again}" if run.options.again else name, epoch)


LOOKS = 12


def _looks(epochs: int) -> list[int]:
    """The epochs at whose first batch gradients are looked at: the first, the last, and up to ten between."""
    count = min(LOOKS, epochs)
    return [round(i * (epochs - 1) / max(1, count - 1)) for i in range(count)]


# --- the study --------------------------------------------------------------------------------------------------------


def device() -> str:
    from alnb.tasks.classification import device

    return device()


def step(run: Run, state: State) -> Step:
    import torch

    from alnb.datasets import reid
    from alnb.tasks import attended

    o, arm, where = run.options, arm_of(run), device()
    data = reid.load(run.dataset, size=(o.height, o.width))
    look = dict(zip(("mean", "std"), scaled_by(o, data))) | {"device": where}
    if TRAINED in run.needs:
        return Step([tested(run, state.needs[TRAINED].blobs, data, look)], done=True)
    made, lr = players(run, data.train.identities, where)
    begin = state.data.get("epoch", 0)
    if begin:
        made.load(state.blobs)
    end = min(o.epochs, begin + math.ceil(o.epochs / steps(run)))
    rows = train(run, data, made, lr, begin, end)
    if end < o.epochs:
        return Step(rows, {"epoch": end}, blobs=made.state())
    rows.append(retrieved(made.network, data, flip=arm.flip, **look))
    if not data.real:
        rows += attended.measured(made.network, made.critics, data, **look)
    if arm.attention:
        rows += attended.examples(made.network, data, spatial=arm.attention == "spatial", **look)
    kept = {"network": made.network.state_dict(), "scale": {name: torch.tensor(look[name]) for name in ("mean", "std")}}
    return Step(rows, {"epoch": end}, blobs=kept if run.method in KEPT else {}, done=True)


def tested(run: Run, blobs: Mapping[str, dict], data, look: dict) -> dict:
    """The row of kind "test" of a run that trains nothing: "flip" on the data of its training, or a training on other people
    (`source`), whose images' mean and deviation are taken too. SCAL sec. 4.4: "both images and labels in the test-domain are
    unseen"."""
    trained = run.needs[TRAINED]
    if "network" not in blobs:
        raise BadRequest(f"{trained} was done before its weights were kept: delete it and run again")
    people, flip = datasets.info(trained.dataset), arm_of(run).flip
    network, _ = untrained(trained, people.classes, look["device"])
    network.load_state_dict(blobs["network"])
    if trained.dataset == run.dataset:
        return retrieved(network, data, flip=flip, **look)
    scale = {name: value.tolist() for name, value in blobs["scale"].items()}
    return retrieved(network, data, flip=flip, **look | scale) | {"labelled": people.train, "source": trained.dataset}


STUDY = Study(
    NAME, 2, step, Settings, steps, seconds, lambda dataset: METRICS, check=check, prepare=prepare,
)  # fmt: skip
