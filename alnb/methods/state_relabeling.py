"""State-relabeling adversarial active learning, SRAAL (Zhang et al., CVPR 2020).

VAAL asks next what a discriminator takes for unlabelled, and to it all unlabelled images are alike. SRAAL tells it more: the
state of an unlabelled image is not 1 but how uncertain the target model is about it, eq. (3), and the codes that are judged
know the labels as well as the pixels, since a target learner shares the encoder, eq. (2). The parts of the auto-encoder are
in alnb/learning/vae.py, the options and networks of the game in alnb/learning/relabeling.py. Equations are the paper's; where it
cannot be followed to the letter, `sraal` says what is done.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alnb import cycle, races
from alnb.acquisition import describe, parse_arm, score, select, work, write_arm
from alnb.cycle import CycleSettings, Fitted, Now
from alnb.datasets.stills import IGNORED
from alnb.errors import BadRequest
from alnb.learning.relabeling import SMALLEST, Options, Played, by_appearance, networks
from alnb.runs import Run, State, Step, Study, coerce, study, torch_stream
from alnb.tasks import classification
from alnb.tasks.classes import Classes

# --- the online uncertainty indicator -----------------------------------------------------------------------------------

FLAT = 1e-12  # a variance below it, probabilities within 1e-6 of each other, counts as none


def min_var(m, C: int, printed: bool = False):
    """MINVar(V), eq. (4): the variance of V', whose largest element is that of V, m, and whose others are all
    (1 - m) / (C - 1); `printed`: with the denominator 1 - C, as it stands there, which is no variance of V'."""
    other = (1 - m) / ((1 - C) if printed else (C - 1))
    return ((1 / C - m) ** 2 + (C - 1) * (1 / C - other) ** 2) / C


def indicator(V, *, printed: bool = False, unbiased: bool = False):
    """(N,) float64, how uncertain probabilities V (N, C) are, eq. (3): 1 - MINVar(V) / Var(V) * max(V), in [0, 1).

    At the uniform vector the fraction is 0 / 0, and what it tends to depends on the direction: here it is 1, which gives
    1 - 1 / C, the limit along the vectors with one class raised. printed: see `min_var`. unbiased: Var with C - 1 below, as
    the authors' code, so that a sure prediction has 1 / C and not 0. BadRequest for what is no (N, C) of probabilities.
    """
    import torch

    V = torch.as_tensor(V, dtype=torch.float64)
    if V.ndim != 2 or V.shape[1] < 2 or bool((V < 0).any()) or not bool(((V.sum(1) - 1).abs() < 1e-3).all()):
        raise BadRequest(
            f"indicator: V of shape {tuple(V.shape)}; accepted: (N, C) probabilities of two classes or more"
        )
    V = V.sort(1).values  # summed in the order of size, whatever the classes are called
    C, m, var = V.shape[1], V[:, -1], V.var(1, correction=int(unbiased))
    ratio = (min_var(m, C, printed) / var).where(var > FLAT, torch.ones_like(var))
    return 1 - (ratio if printed else ratio.clamp(max=1.0)) * m


def entropy(V):
    """(N,) the entropy of V (N, C) over its largest, log C: Table 1's rival of the indicator, in [0, 1]."""
    import torch

    V = torch.as_tensor(V, dtype=torch.float64).sort(1).values
    return -torch.xlogy(V, V).sum(1) / math.log(V.shape[1])


def deviation(V):
    """(N,) one less the standard deviation of V (N, C) over its largest, that of a sure prediction: Table 1's other rival,
    turned so that 1 is uncertain (which the paper does not say)."""
    import torch

    V = torch.as_tensor(V, dtype=torch.float64).sort(1).values
    C = V.shape[1]
    return 1 - V.std(1, correction=0) / (math.sqrt(C - 1) / C)


def relabelled(V, kind: str, rng, unbiased: bool = False):
    """(U,) fp32 the new state of the unlabelled, from V (U, C). "none": the plain 1; "permuted": the placebo, the indicators
    of others, dealt by a generator of its own from the seed of `rng`, so that a game with it draws what one without draws."""
    import torch

    if kind == "none":
        return torch.ones(len(V), device=V.device)
    state = {"entropy": entropy, "deviation": deviation}.get(kind, lambda V: indicator(V, unbiased=unbiased))(V)
    if kind == "permuted":
        dealt = torch_stream(rng.initial_seed(), "sraal placebo")
        state = state[torch.randperm(len(state), generator=dealt).to(state.device)]
    return state.float()


@score("indicator", needs=("probabilities",), source="rival of SRAAL: eq. (3) alone, and no game")
def by_indicator(view):
    """(U,) the indicator itself."""
    return indicator(view.probabilities)


@score("pixel_indicator", needs=("pixels",), source="rival of SRAAL on maps: eq. (3) at every position, then their mean")
def by_pixel_indicator(view):
    """(U,) the mean over an image's positions of their indicators, where SRAAL has the indicator of their mean."""
    return view.pixels(lambda p: indicator(p[0].flatten(0, 1)).reshape(p.shape[1:3]).mean(1))


# --- losses -------------------------------------------------------------------------------------------------------------

FLOOR = 1e-3  # of the difference in the printed (5)


def discriminator_loss(labelled, unlabelled, state, reading: str = "soft"):
    """L_D, eq. (5), from logits of D on codes of the labelled (B,) and the unlabelled (B,) and the new state (B,) of these.

    soft: D predicts the state: cross-entropy with 0 for the labelled, with `state` for the unlabelled; the text of 3.3, and
    the authors' code. At a code that a share u of the unlabelled and l of the labelled have, its best D is s u / (u + l).
    squared: the same by squared errors of D.
    printed: -E[log D(z_L)] - E[log(state - D(z_U))], where D is what is likely labelled. It has no value from D = state on,
    and its best D is s l / (u + l), so that what is certain looks *un*labelled: the opposite of what the text wants. The
    difference is floored at 1e-3, where the log goes on as its tangent.
    """
    import torch
    from torch.nn import functional as F

    from alnb.learning.vae import surprise

    if reading == "soft":
        return surprise(-labelled) + F.binary_cross_entropy_with_logits(unlabelled, state)
    if reading == "squared":
        return labelled.sigmoid().square().mean() + (unlabelled.sigmoid() - state).square().mean()
    gap = state - unlabelled.sigmoid()
    log = torch.where(gap > FLOOR, gap.clamp_min(FLOOR).log(), math.log(FLOOR) + gap / FLOOR - 1)
    return surprise(labelled) - log.mean()


def adversarial_loss(labelled, unlabelled):
    """L_adv, eq. (6): -E[log D(z_L)] - E[log D(z_U)] of logits (B,): both alike, and D's 1 for both."""
    from alnb.learning.vae import surprise

    return surprise(labelled) + surprise(unlabelled)


def reconstruction_loss(x, x_hat, mu, logvar, beta: float = 1.0, published: bool = False):
    """-L_UIR of one pool, eq. (1), whose right-hand side is a bound to maximise and which (7) adds to a loss: hence the
    minus. Nats an image, mean over the batch. published: the authors' code, 5 times the mean squared error, plus KL."""
    from alnb.learning import vae

    if published:
        return 5 * (x - x_hat).square().mean() + beta * vae.kl(mu, logvar).mean()
    return vae.reconstruction_loss(x, x_hat, mu, logvar, beta)


def target_loss(logits, y, mu, logvar, annotation: float = 5.0):
    """-L_STL, eq. (2), of logits (B, C) of p(y | z) and classes y (B,): annotation * -E[log p(y|z)] + KL(q(z|x) || p(z)). Of
    maps, (B, C, H, W) and (B, H, W), the mean of -log p over the pixels that have a class: (2) as printed, for pixels that are
    independent given z, is `annotation` = H W.

    With `annotation` 1, as printed, no code is better than one that says nothing: KL >= I(x; z) >= H(y) - E[-log p(y|z)],
    so that the sum is H(y) at least, which q = p has (tested). The authors' code has 5.
    """
    from torch.nn import functional as F

    from alnb.learning import vae

    return annotation * F.cross_entropy(logits, y, ignore_index=IGNORED) + vae.kl(mu, logvar).mean()


# --- the game -----------------------------------------------------------------------------------------------------------


@select(
    "sraal",
    needs=("images", "labelled_images", "labelled_targets", "probabilities"),
    source="Zhang, Li, Yang, Wang, Zha, Huang, State-relabeling adversarial active learning, CVPR 2020",
    nested=True,
    parted="steps",
)
def sraal(
    view,
    budget,
    rng,
    part=None,
    *,
    indicator: str = "ours",
    target_learner: bool = True,
    reading: str = "soft",
    steps: int = 150,
    batch: int = 32,
    width: int = 16,
    latent: int = 16,
    semantic: int = 16,
    lr: float = 1e-3,
    decay: float = 1.0,
    lambda1: float = 1.0,
    lambda2: float = 10.0,
    lambda3: float = 1.0,
    annotation: float = 5.0,
    beta: float = 1.0,
    flip: bool = False,
    code: bool = False,
    label_bug: bool = False,
):
    """(budget,) rows, what D takes for labelled least surely first (3.4). Ties follow the shared random order. part: see
    `acquisition.select`.

    indicator: the state of the unlabelled: "ours" (3), "entropy", "deviation" (Table 1), "none" (1 for all), "permuted".
    target_learner=False: the code is the reconstructor's alone. reading: of (5), see `discriminator_loss`. steps of batch
    labelled and batch unlabelled images at Adam's lr, times `decay` after each thirtieth of them. width: as VAAL's, 128 is the
    published one; latent, semantic: sizes of the codes of reconstructor and target learner (100 and 100 in the code).
    lambda1 to lambda3: (7); annotation: see `target_loss`; beta: weight of KL in (1); flip: mirror training images.

    code=True does what the authors' game does and the paper does not say: the losses' scales (`reconstruction_loss`), two
    updates of the generator to one of D, so 2 `steps` of them, the pools passed apart, the unbiased variance in (3),
    candidates scored in training mode in shuffled batches. label_bug=True, too: the second update has fresh images and the
    first one's labels. Not as the code, with it or without: there the indicator's model is one of its own (200 epochs,
    batch 250, lr 0.1 throughout), here the target model; there images in the game are cropped at random from a border of 4
    zeros and standardised by the means and deviations of the data, here in [-1, 1] and mirrored at most.

    BadRequest if nothing is labelled, for an option out of range, for images under 8 px and for a training that diverges.
    """
    options = Options(indicator, target_learner, reading, steps, batch, width, latent, semantic, lr, decay, lambda1, lambda2,
                      lambda3, annotation, beta, flip, code, label_bug)  # fmt: skip
    shared = view.priority.argsort()
    V = view.probabilities[shared].to(view.device)
    candidates = view.images[shared.to(view.images.device)].to(view.device)
    labelled = view.labelled_images.to(view.device)
    played = play(candidates, V, labelled, view.labelled_targets.to(view.device), rng, options, part)
    if isinstance(played, dict):
        return played
    sure = played.sure
    return shared[sure.sort(stable=True).indices.to(shared.device)[:budget]]


def check_sraal(**options):
    """BadRequest for an option out of range."""
    Options(**options)


def play(candidates, V, labelled, y, rng, o: Options, part=None) -> Played | dict:
    """Generator against discriminator, in turn: candidates (U, 3, H, W) uint8 with V (U, C), labelled (L, 3, H, W) uint8 with
    classes y (L,), or maps of them (L, H, W), all on one device; all chance is drawn from `rng`, a CPU generator. Of a `part`
    that is not the last, its state."""
    import torch

    from alnb.learning.feed import keep_freed_memory
    from alnb.learning.game import go_on, kept
    from alnb.learning.optimisers import Adam
    from alnb.learning.vae import drawn_again, judged, pixels, shuffled, through

    if candidates.ndim != 4 or min(candidates.shape[2:]) < SMALLEST:
        raise BadRequest(
            f"sraal: images of shape {tuple(candidates.shape[1:])}; accepted: (C, H, W), {SMALLEST} px or more"
        )
    if len(labelled) == 0:
        raise BadRequest("sraal: nothing is labelled; accepted: at least one labelled image to compare with")
    state = relabelled(V, o.indicator, rng, unbiased=o.code)
    maps = y.ndim > 1
    named, y = (torch.arange(V.shape[1]), y) if maps else by_appearance(y, V.shape[1])
    parts = networks(tuple(candidates.shape[1:]), V.shape[1], o, rng, maps)
    parts.to(candidates.device, memory_format=torch.channels_last)
    keep_freed_memory()
    turns = 2 if o.code else 1
    feeds = [
        (labelled, shuffled(len(labelled), o.batch, rng, "drop" if o.code else "fill")),
        (candidates, shuffled(len(candidates), o.batch, rng, "keep" if o.code else "fill")),
    ]
    psi = Adam(parts["critic"].parameters(), o.lr)
    phi = Adam([p for name, part in parts.items() if name != "critic" for p in part.parameters()], o.lr)
    begin, end = (part.begin, part.end) if part else (0, o.steps)
    go_on(part and part.state, begin, parts, phi, psi)
    for _ in range(begin * turns):
        drawn_again([order for _, order in feeds], rng, o.codes, o.flip, apart=False)
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=True, deterministic=True, benchmark=False):
        for step in range(begin, end):
            phi.lr = psi.lr = o.lr * o.decay ** (30 * step // o.steps)
            for turn in range(turns):
                rows = [next(order) for _, order in feeds]
                x = [pixels(images, at, rng if o.flip else None) for (images, _), at in zip(feeds, rows)]
                if turn == 0 or not o.label_bug:
                    classes = y[rows[0].to(y.device)].long()
                phi.minimise(generator_loss(parts, x, classes, rng, o))
            with torch.no_grad():
                codes = [code.chunk(2, 1)[0] for code in through(parts["encoder"], x, o.code)]
            logits = [parts["critic"](mu).squeeze(1) for mu in codes]
            psi.minimise(discriminator_loss(*logits, state[rows[1].to(state.device)], o.reading))
        if end < o.steps:
            return kept(end, parts, phi, psi)
        logit = judged(parts["encoder"], parts["critic"], candidates, o.batch, rng, o.flip, o.code)
    if not bool(logit.isfinite().all()):
        raise BadRequest(f"sraal: training diverged, D(mu(x)) is not finite; lr {o.lr} is too high?")
    return Played(logit if o.reading == "printed" else -logit, state, parts.eval(), named)


def generator_loss(parts, x, y, rng, o: Options):
    """L_G, eq. (7), of x = [labelled, unlabelled] pixels (B, 3, H, W) and the classes y (B,) of the first: lambda1 L_UIR +
    lambda2 L_STL + lambda3 L_adv, the first two turned (`reconstruction_loss`). z is drawn by `rng`, D sees mu."""
    from alnb.learning.vae import cropped, kl, sample, through

    codes = [code.chunk(2, 1) for code in through(parts["encoder"], x, o.code)]
    loss = o.lambda3 * adversarial_loss(*(parts["critic"](mu).squeeze(1) for mu, _ in codes))
    z = [sample(*code, rng) for code in codes]
    back = through(parts["decoder"], [one[:, : o.latent] for one in z], o.code)
    for pixels, x_hat, (mu, logvar) in zip(x, back, codes):
        uir = mu[:, : o.latent], logvar[:, : o.latent]
        loss = loss + o.lambda1 * reconstruction_loss(pixels, cropped(x_hat, pixels), *uir, o.beta, o.code)
    if o.target_learner:
        stl = [value[:, o.latent :] for value in codes[0]]
        told = parts["learner"](z[0][:, o.latent :])
        told = cropped(told, y) if y.ndim > 1 else told
        loss = loss + o.lambda2 * target_loss(told, y, *stl, o.annotation)
    if o.code and o.target_learner:  # there the unlabelled, too, are held to the prior in the learner's half
        loss = loss + o.lambda2 * kl(*(value[:, o.latent :] for value in codes[1])).mean()
    return loss


# --- what the figures look at, after the choice -------------------------------------------------------------------------


def analyse(now: Now, view, choice, fitted: Fitted) -> tuple[list[dict], dict]:
    """A row of kind "asked": the mean indicator of the batch and of all candidates, and how many percent of either the target
    model has wrong (true classes are looked at for figures only). None where nothing was trained: a run that goes on from the
    end of another's."""
    if fitted.model is None:
        return [], {}
    V, rows = view.probabilities, choice.rows
    state = indicator(V).cpu()
    wrong = 100 * (V.argmax(1) != now.task.targets[now.candidates]).double().cpu()
    found = {"indicator": state, "wrong": wrong}
    means = {name: float(values[rows].mean()) for name, values in found.items()}
    means |= {f"{name}_pool": float(values.mean()) for name, values in found.items()}
    return [{"kind": "asked", "cycle": now.cycle, **means}], {}


# --- the study ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings(CycleSettings, classification.Settings):
    """Those of the cycle and of image classification: the target model is the plain network, whoever chooses."""


def step(run: Run, state: State) -> Step:
    return cycle.step(run, state, classification.Classification, after=analyse)


def seconds(run: Run) -> float:
    """Rough seconds of a whole run on one core."""
    o, size = run.options, classification.pool_size(run)
    if run.method == cycle.ALL:
        return classification.seconds(run, [size], 0)
    if run.method == cycle.FIRST:
        named = o.initial_labels not in ("random", "balanced", "reserved")
        name, own = parse_arm(o.initial_labels)
        first = work.game(describe(name).parameters | own) if named else 0
        return first + classification.seconds(run, [o.initial], size - o.initial)
    sizes = [o.initial + o.budget * c for c in range(o.cycles + 2 - cycle.trainings(run), o.cycles + 1)]
    if run.method == cycle.RETRAINED:
        return classification.seconds(run, sizes, 0)
    choosing = work.seconds(run, [n - o.budget for n in sizes], size, classification.seconds)
    return choosing + classification.seconds(run, sizes, 0)


def check(run: Run) -> None:
    """BadRequest for a recipe or sizes that cannot be."""
    classification.check(run.options, run.dataset)
    races.check_cycles(run, classification.pool_size(run))


STUDY = Study(
    "state_relabeling", 1, step, Settings, cycle.steps, seconds, Classes.metrics, lambda dataset: Classes.offers, check
)

SCENES = "scenes"
GAME = ("steps", "batch", "width", "latent", "lr", "decay", "lambda2", "flip", "code")
JOINT = {"weight": 0.1, "preset": "l2r", "epochs": 0, "milestones": ()}
MAPS = {"lambda2": 1.0, "annotation": 200.0}  # of the game on labelled maps, sized on development seed 1000


def grid(
    few: Mapping[str, Any],
    many: Mapping[str, Any] = {},
    start: Mapping[str, Any] = {},
    caltech: Mapping[str, Any] = {},
    scenes: Mapping[str, Any] = {},
    **shared,
) -> list[Run]:
    """Every run of the notebook (see alnb/races.py): ten classes (`few`), many, ten with the first labels of algorithm 1
    (`start`), Caltech-101, or a stand-in with few images of a class and not of each as many; `scenes`: segmentation, of the
    study of that name, which takes nothing shared.

    Among shared, game_steps ... (GAME): options that all arms of SRAAL have in common, unless one says otherwise (`sraal`;
    game_latent: of both codes; on maps MAPS in the place of two of them); they are no part of an arm's name; "game" in a race:
    its own. joint_weight ... (JOINT): the same for `ll4al` and `random_joint` (Random, on LL4AL's target), see
    `arm` in methods/learning_to_rank.py, which trains them; epochs 0 and no milestones: the target's. What `ll4al` asks trains
    the plain target too. Raises BadRequest for what cannot be.
    """
    game = {name: shared.pop(f"game_{name}") for name in GAME if f"game_{name}" in shared}
    game |= {"semantic": game["latent"]} if "latent" in game else {}
    theirs = {name: shared.pop(f"joint_{name}", default) for name, default in JOINT.items()}
    joint = {"joint_weight": theirs["weight"], "preset": theirs["preset"]}
    joint |= {name: theirs[name] for name in ("epochs", "milestones") if theirs[name]}

    def sraal_arm(of, common, name, options, dataset, seed, settings):
        run = races.method_run(of, dataset, write_arm(name, common | options), seed, settings)
        return [dataclasses.replace(run, arm=write_arm(name, options) if options else "")]

    def of_images(common, name, options, dataset, seed, settings):
        if name == "sraal":
            return sraal_arm(STUDY.name, common, name, options, dataset, seed, settings)
        label = write_arm(name, {option: value for option, value in options.items() if option != "retrain"})
        made = study("learning_to_rank").arm(STUDY.name, name, joint | options, dataset, seed, settings)
        return made and [dataclasses.replace(run, arm=label + " retrained" * (run.method == cycle.RETRAINED)) for run in made]

    def of_scenes(common, name, options, dataset, seed, settings):
        return sraal_arm(SCENES, common, name, options, dataset, seed, settings) if name == "sraal" else None

    images, runs = {"few": few, "many": many, "start": start, "caltech": caltech}, []
    for name, race in [*((name, races.resolved(name, images)) for name in images), (SCENES, dict(scenes))]:
        own = coerce(race.pop("game", {}), dict, f"{name}: game")
        if unknown := sorted(set(own) - set(describe("sraal").parameters)):
            raise BadRequest(f"{name}: game has {', '.join(unknown)}; accepted: options of sraal")
        if not race or race.get("dataset") == "":
            continue
        if name == SCENES:
            runs += races.grid(SCENES, {name: race}, {}, functools.partial(of_scenes, game | MAPS | own))
        else:
            runs += races.grid(STUDY.name, {name: race}, shared, functools.partial(of_images, game | own))
    return sorted(runs, key=lambda run: run.seed) or races.grid(STUDY.name, images, shared)  # which says that none is left
