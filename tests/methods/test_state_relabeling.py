"""SRAAL: its formulas against hand-worked numbers, plain numpy and brute force, its game against what it is for."""

import itertools
import math
import types

import numpy as np
import pandas
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import entropy as scipy_entropy
from torch.nn import functional as F

from alnb import acquisition, published
from alnb.audits import sraal as audits
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.learning import vae
from alnb.methods import start_gain
from alnb.methods import state_relabeling as m
from alnb.store import Store
from tests.acquisition.toy_view import toy_view
from tests.result_frames import results

QUICK = {"steps": 40, "batch": 16, "width": 4, "latent": 8, "semantic": 8}
OPTIONS = acquisition.describe("sraal").parameters | QUICK
TINY = {"pool": 300, "initial": 30, "budget": 20, "cycles": 2, "epochs": 2, "batch": 32, "network": "small",
        "game_steps": 2, "game_batch": 8, "game_width": 2, "game_latent": 4}  # fmt: skip


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def noise(n, low, high, seed, side=8):
    return torch.randint(low, high, (n, 3, side, side), generator=generator(seed), dtype=torch.uint8)


def options(**changed):
    return m.Options(**OPTIONS | changed)


def rows(view, budget=50, seed=5, **changed):
    return acquisition.get("sraal").choose(view, budget, generator(seed), **QUICK | changed).rows


# --- the indicator, eq. (3) and (4) -------------------------------------------------------------------------------------

vectors = st.lists(st.floats(0.001, 1), min_size=2, max_size=12).map(lambda v: np.array(v) / sum(v))


def flattened(V):
    """V' of (4): the largest element of V, the others equal."""
    at, other = int(V.argmax()), (1 - V.max()) / (len(V) - 1)
    return np.where(np.arange(len(V)) == at, V.max(), other)


@given(vectors)
def test_the_indicator_is_equation_3_to_the_letter(V):
    if V.var() > 1e-9:
        letter = 1 - flattened(V).var() / V.var() * V.max()
        assert float(m.indicator(V[None])[0]) == pytest.approx(letter, abs=1e-6)
        assert m.min_var(V.max(), len(V)) == pytest.approx(flattened(V).var(), abs=1e-12)


@given(vectors, st.integers(0, 999))
def test_min_var_is_the_least_variance_of_all_vectors_with_that_maximum(V, seed):
    rest = np.random.default_rng(seed).dirichlet(np.ones(len(V) - 1), 50) * (1 - V.max())
    others = np.concatenate([np.full((50, 1), V.max()), rest], 1)
    others = others[rest.max(1, initial=0) <= V.max()]
    assert (others.var(1) >= m.min_var(V.max(), len(V)) - 1e-12).all()


@pytest.mark.parametrize(
    ("V", "score"),
    [
        ([0.6, 0.4, 0, 0], 1 - 0.6 * (0.35**2 + 3 * (0.25 - 0.4 / 3) ** 2) / (0.35**2 + 0.15**2 + 2 * 0.25**2)),
        ([0.5, 0.5] + [0] * 8, 7 / 9),
        ([0.4] + [0.6 / 9] * 9, 0.6),
        ([0, 1, 0], 0),
        ([0.25] * 4, 0.75),
        ([0.5, 0.5], 0.5),
    ],
)
def test_scores_by_hand(V, score):
    assert float(m.indicator([V])[0]) == pytest.approx(score, abs=1e-9)


@given(vectors)
def test_property_1_scores_are_in_0_and_1_without_1_and_0_only_of_the_sure(V):
    score = float(m.indicator(V[None])[0])
    assert 0 <= score < 1
    assert score > 0
    assert float(m.indicator(np.eye(len(V))[:1])[0]) == 0


@given(vectors, st.floats(0.01, 0.98), st.floats(0.01, 0.98))
def test_property_2_holds_at_a_fixed_shape_of_the_rest(shape, a, b):
    """V = (m, (1 - m) shape): a larger m scores less, wherever m is the largest."""
    low, high = sorted((a, b))
    made = [np.concatenate([[top], (1 - top) * shape]) for top in (low, high)]
    if high - low > 1e-3 and made[0].argmax() == 0 and low - 1 / len(made[0]) > 1e-3:
        scores = m.indicator(np.array(made))
        assert scores[1] < scores[0]


def test_property_2_fails_where_the_shape_of_the_rest_differs():
    two, flat = [0.5, 0.5] + [0.0] * 8, [0.4] + [0.6 / 9] * 9
    scores = m.indicator([two, flat])
    assert scores[0] > scores[1]
    assert max(two) > max(flat)


@given(vectors, st.floats(0, 1))
def test_property_3_holds_at_a_fixed_maximum(V, share):
    """The rest drawn towards its mean is less concentrated and scores less, as by 1 - m / (1 + (C - 1) / C R / d^2)."""
    m_, C = V.max(), len(V)
    rest = np.delete(V, V.argmax())
    calmer = share * rest + (1 - share) * rest.mean()
    both = m.indicator(np.array([np.concatenate([[m_], rest]), np.concatenate([[m_], calmer])]))
    assert both[1] <= both[0] + 1e-9
    if m_ - 1 / C > 1e-3:
        R = ((rest - rest.mean()) ** 2).sum()
        assert float(both[0]) == pytest.approx(1 - m_ / (1 + (C - 1) / C * R / (m_ - 1 / C) ** 2), abs=1e-6)


def test_property_3_fails_where_the_maximum_differs():
    """By hand: (.9, .1, 0, ...) has Var = (.64 + 8 * .01) / 10 = .072 and MINVar = (.64 + 9 * (.8 / 9)^2) / 10 = .64 / 9."""
    sharp, flat = [0.9, 0.1] + [0.0] * 8, [0.4] + [0.6 / 9] * 9
    scores = m.indicator([sharp, flat])
    assert scores.tolist() == pytest.approx([1 - 0.9 * (0.64 / 9) / 0.072, 0.6], abs=1e-9)
    concentrated = [np.var(V) / m.min_var(max(V), 10) for V in (sharp, flat)]  # what the paper measures it by
    assert concentrated[0] > concentrated[1] + 0.01


def test_the_indicator_of_pixels_is_the_mean_of_theirs_and_not_that_of_their_mean():
    """Two positions of four classes, by hand: (.6, .4, 0, 0) scores .637037, a sure one 0; their mean (.8, .2, 0, 0) another."""
    p = torch.tensor([[[[0.6, 0.4, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]], [[0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]]]])
    view = types.SimpleNamespace(pixels=lambda score: score(p))  # one network, two images of two positions
    assert acquisition.get("pixel_indicator")(view).tolist() == pytest.approx([0.6370370 / 2, 0.0], abs=1e-6)


def test_at_the_uniform_vector_the_limit_depends_on_the_direction_and_one_is_declared():
    C = 10
    raised, lowered = np.array([9.0] + [-1.0] * 9), np.array([1.0] * 9 + [-9.0])
    near = m.indicator(np.array([0.1 + 1e-4 * raised, 0.1 + 1e-4 * lowered]))
    assert near.tolist() == pytest.approx([1 - 1 / C, 1 - 1 / (C * (C - 1) ** 2)], abs=2e-3)
    assert float(m.indicator(np.full((1, C), 0.1))[0]) == 1 - 1 / C
    assert float(m.indicator(torch.zeros(1, C).softmax(1))[0]) == pytest.approx(1 - 1 / C)


def test_with_the_printed_sign_a_score_falls_below_0_and_with_the_codes_variance_the_sure_have_a_doubt():
    flat = [[0.4] + [0.6 / 9] * 9]
    assert float(m.indicator(flat, printed=True)[0]) == pytest.approx(1 - 0.4 * 0.034 / 0.01)
    assert float(m.indicator(np.eye(10)[:1], unbiased=True)[0]) == pytest.approx(1 / 10)


def test_what_classes_are_called_does_not_matter_to_a_bit():
    V = torch.rand(200, 7, generator=generator()).softmax(1)
    names = torch.rand(200, 7, generator=generator(1)).argsort(1)
    for score in (m.indicator, m.entropy, m.deviation):
        assert torch.equal(score(V), score(V.gather(1, names)))


@given(vectors)
def test_the_rivals_are_those_of_scipy_and_numpy_and_from_0_to_1(V):
    sure, C = np.eye(len(V))[0], len(V)
    assert float(m.entropy(V[None])[0]) == pytest.approx(scipy_entropy(V) / math.log(C))
    assert float(m.deviation(V[None])[0]) == pytest.approx(1 - V.std() / sure.std())
    for score in (m.entropy, m.deviation):
        assert score(np.array([sure, np.full(C, 1 / C)])).tolist() == pytest.approx([0, 1], abs=1e-7)


def test_the_new_states():
    V = torch.rand(50, 4, generator=generator()).softmax(1)
    assert m.relabelled(V, "none", None).tolist() == [1] * 50
    assert torch.equal(m.relabelled(V, "ours", None), m.indicator(V).float())
    rng = generator()
    dealt = m.relabelled(V, "permuted", rng)
    assert torch.equal(rng.get_state(), generator().get_state())  # the game's chance is not the placebo's
    assert not torch.equal(dealt, m.relabelled(V, "permuted", generator(1)))
    assert dealt.tolist() != m.indicator(V).float().tolist()
    assert sorted(dealt.tolist()) == sorted(m.indicator(V).float().tolist())


@pytest.mark.parametrize("V", [[0.5, 0.5], [[1.0]], [[0.7, 0.7]], [[1.5, -0.5]], [[float("nan"), 1.0]]])
def test_what_is_no_probability_is_refused(V):
    with pytest.raises(BadRequest, match=r"indicator: V of shape .*accepted: .N, C. probabilities"):
        m.indicator(V)


# --- losses -------------------------------------------------------------------------------------------------------------


def test_the_soft_reading_is_a_cross_entropy_with_the_states_and_the_adversary_wants_1():
    labelled, unlabelled, state = 3 * normal(6, seed=1), 3 * normal(9, seed=2), torch.rand(9, generator=generator())
    bce = F.binary_cross_entropy_with_logits
    soft = bce(labelled, torch.zeros(6)) + bce(unlabelled, state)
    torch.testing.assert_close(m.discriminator_loss(labelled, unlabelled, state), soft)
    squared = labelled.sigmoid().square().mean() + (unlabelled.sigmoid() - state).square().mean()
    torch.testing.assert_close(m.discriminator_loss(labelled, unlabelled, state, "squared"), squared)
    fooled = bce(labelled, torch.ones(6)) + bce(unlabelled, torch.ones(9))
    torch.testing.assert_close(m.adversarial_loss(labelled, unlabelled), fooled)


def test_the_printed_reading_is_5_where_it_has_a_value_and_its_tangent_beyond():
    labelled, unlabelled, state = normal(4, seed=1), torch.tensor([-3.0, -2.0]), torch.tensor([0.9, 0.5])
    letter = -labelled.sigmoid().log().mean() - (state - unlabelled.sigmoid()).log().mean()
    torch.testing.assert_close(m.discriminator_loss(labelled, unlabelled, state, "printed"), letter)
    beyond = torch.tensor([2.0], requires_grad=True)
    loss = m.discriminator_loss(labelled, beyond, torch.tensor([0.1]), "printed")
    assert math.isfinite(loss.item())
    assert torch.autograd.grad(loss, beyond)[0] > 0  # D is pushed down


@settings(max_examples=20)
@given(st.floats(0.05, 0.95), st.integers(1, 9), st.integers(1, 9))
def test_the_best_discriminator_of_each_reading(s, labelled, unlabelled):
    """Where a code has that many of either: the closed forms that the docstring states."""

    def best(reading, top):
        def loss(D):
            x = torch.tensor(D, dtype=torch.float64).logit()
            state = torch.full((unlabelled,), s, dtype=torch.float64)
            parts = [m.discriminator_loss(x[None], x[None] - 60, torch.zeros(1).double(), reading),
                     m.discriminator_loss(x[None] * 0 + far, x.expand(unlabelled), state, reading)]  # fmt: skip
            return float(labelled * parts[0] + unlabelled * parts[1])

        far = torch.tensor(60.0 if reading == "printed" else -60.0, dtype=torch.float64)
        return minimize_scalar(loss, bounds=(1e-4, top), method="bounded", options={"xatol": 1e-6}).x

    share = s * unlabelled / (unlabelled + labelled)
    if share < 0.97:
        assert best("soft", 0.999) == pytest.approx(share, abs=2e-3)
        assert best("squared", 0.999) == pytest.approx(share, abs=2e-3)

    def printed(D):
        x = torch.tensor(D, dtype=torch.float64).logit()
        return float(-labelled * F.logsigmoid(x) - unlabelled * math.log(s - D))

    found = minimize_scalar(printed, bounds=(1e-6, s - 1e-6), method="bounded", options={"xatol": 1e-7}).x
    assert found == pytest.approx(s * labelled / (unlabelled + labelled), abs=2e-3)


def test_the_target_loss_by_hand_and_its_weight():
    logits, y = normal(3, 4, seed=1), torch.tensor([0, 3, 1])
    mu, logvar = normal(3, 5, seed=2), normal(3, 5, seed=3)
    nll = -logits.log_softmax(1)[range(3), y].mean()
    torch.testing.assert_close(m.target_loss(logits, y, mu, logvar, 5.0), 5 * nll + vae.kl(mu, logvar).mean())


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(-4, 4), st.floats(0.05, 2)), min_size=2, max_size=5), st.integers(0, 99))
def test_no_code_is_better_by_2_as_printed_than_one_that_says_nothing(code, seed):
    """Images x, equally likely, q(z|x) = N(mu, sd^2) and classes y of theirs: with the best decoder there is, p(y|z), by
    quadrature, E[-log p(y|z)] + KL >= H(y). Nothing said, it is H(y)."""
    mu, sd = map(np.array, zip(*code))
    y = np.random.default_rng(seed).integers(0, 2, len(code))
    z = np.linspace(-14, 14, 4001)
    q = np.exp(-(((z - mu[:, None]) / sd[:, None]) ** 2) / 2) / (sd[:, None] * math.sqrt(2 * math.pi)) / len(mu)
    joint = np.array([q[y == c].sum(0) for c in (0, 1)])
    posterior = joint / joint.sum(0).clip(1e-300)
    nll = -(joint * np.log(posterior.clip(1e-300))).sum() * (z[1] - z[0])
    kl = float(vae.kl(torch.tensor(mu)[:, None], torch.tensor(2 * np.log(sd))[:, None]).mean())
    h = scipy_entropy(np.bincount(y, minlength=2) / len(y))
    assert nll + kl >= h - 1e-6


def test_the_reconstruction_of_the_published_code_is_a_mean():
    x, x_hat = torch.tensor([[[[1.0, -1.0]]], [[[0.0, 0.0]]]]), torch.zeros(2, 1, 1, 2)
    mu, logvar = torch.tensor([[2.0], [4.0]]), torch.zeros(2, 1)
    assert m.reconstruction_loss(x, x_hat, mu, logvar, 0.1, True).item() == pytest.approx(5 * 0.5 + 0.1 * 5)
    assert m.reconstruction_loss(x, x_hat, mu, logvar, 0.1).item() == pytest.approx(0.5 + 0.1 * 5)


def test_the_generators_loss_is_7():
    o = options()
    parts = m.networks((3, 8, 8), 4, o, generator())
    x, y = [normal(6, 3, 8, 8, seed=i).tanh() for i in (1, 2)], torch.tensor([0, 1, 2, 3, 0, 1])
    loss = lambda a, b, c: m.generator_loss(parts, x, y, generator(9), options(lambda1=a, lambda2=b, lambda3=c)).item()
    assert loss(0, 0, 0) == 0
    assert loss(2, 3, 4) == pytest.approx(2 * loss(1, 0, 0) + 3 * loss(0, 1, 0) + 4 * loss(0, 0, 1), rel=1e-5)
    codes = [code.chunk(2, 1) for code in vae.through(parts["encoder"], x, False)]
    fooled = m.adversarial_loss(*(parts["critic"](mu).squeeze(1) for mu, _ in codes)).item()
    assert loss(0, 0, 1) == pytest.approx(fooled, rel=1e-5)
    none = m.generator_loss(parts, x, y, generator(9), options(target_learner=False, lambda1=0, lambda3=0))
    assert none.item() == 0


def test_in_the_published_code_the_unlabelled_too_are_held_to_the_prior_in_the_learners_half():
    o = options(code=True, lambda1=0, lambda2=2.0, lambda3=0)
    parts = m.networks((3, 8, 8), 4, o, generator())
    x, y = [normal(6, 3, 8, 8, seed=i).tanh() for i in (1, 2)], torch.tensor([0, 1, 2, 3, 0, 1])
    (mu, logvar), other = [code.chunk(2, 1) for code in vae.through(parts["encoder"], x, True)]
    rng, half = generator(9), slice(8, None)
    z = vae.sample(mu, logvar, rng)[:, half]
    ours = m.target_loss(parts["learner"](z), y, mu[:, half], logvar[:, half], 5.0)
    theirs = vae.kl(*(value[:, half] for value in other)).mean()
    torch.testing.assert_close(m.generator_loss(parts, x, y, generator(9), o), 2 * (ours + theirs))


# --- the game -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def doubted():
    """Labelled: dark and bright; candidates: 60 dark, of which the target model is sure, and 60 bright, of which it is not."""
    images = torch.cat([noise(60, 0, 110, 1), noise(60, 145, 256, 2)])
    labelled = torch.cat([noise(20, 0, 110, 3), noise(20, 145, 256, 4)])
    V = torch.tensor([[0.97, 0.01, 0.01, 0.01], [0.45, 0.45, 0.05, 0.05]]).repeat_interleave(60, 0)
    y = torch.tensor([2, 1]).repeat_interleave(20)
    return toy_view(U=120).replaced(images=images, labelled_images=labelled, probabilities=V, labelled_targets=y)


def bright(chosen):
    return int((chosen >= 60).sum())


def test_it_asks_for_what_is_uncertain_by_its_indicator_and_the_printed_reading_for_the_opposite(doubted):
    assert bright(rows(doubted, 40)) >= 34
    assert bright(rows(doubted, 40, indicator="entropy")) >= 34
    assert bright(rows(doubted, 40, indicator="deviation")) >= 34
    assert bright(rows(doubted, 40, reading="squared")) >= 34
    assert bright(rows(doubted, 40, reading="printed")) <= 10
    without = [bright(rows(doubted, 40, seed=s, indicator=kind)) for kind in ("none", "permuted") for s in range(2)]
    assert min(without) < 30


def test_it_asks_for_what_is_unlike_the_labelled_where_doubt_is_alike(doubted):
    view = doubted.replaced(labelled_images=noise(40, 0, 110, 3), probabilities=torch.full((120, 4), 0.25))
    for changed in ({}, {"target_learner": False}, {"indicator": "none"}, {"flip": True}):
        assert bright(rows(view, 40, **changed)) >= 34


def test_the_target_learner_learns_and_its_half_of_the_code_is_left_out_without_it(doubted):
    view = doubted
    play = lambda **changed: m.play(view.images, view.probabilities, view.labelled_images, view.labelled_targets,
                                    generator(), options(**changed))  # fmt: skip
    played = play(steps=80, lr=3e-3)
    with torch.no_grad():
        mu = played.networks["encoder"](vae.pixels(view.images, torch.arange(120))).chunk(2, 1)[0]
        said = played.networks["learner"](mu[:, 8:]).argmax(1)
    assert mu.shape == (120, 16)
    assert played.classes[2] == 0  # the first label seen
    true = played.classes[torch.tensor([2, 1]).repeat_interleave(60)]
    assert (said == true).float().mean() > 0.95
    alone = play(target_learner=False, steps=1).networks
    assert "learner" not in alone
    assert alone["encoder"][-1].out_features == 16


def test_the_least_surely_labelled_come_first_and_equals_by_the_shared_order(doubted):
    shared = doubted.priority.argsort()
    sure = m.play(doubted.images[shared], doubted.probabilities[shared], doubted.labelled_images,
                  doubted.labelled_targets, generator(5), options()).sure  # fmt: skip
    chosen = rows(doubted, 120)
    assert sure[shared.argsort()[chosen]].diff().ge(0).all()
    same = doubted.replaced(images=noise(1, 0, 256, 1).repeat(120, 1, 1, 1))
    assert rows(same, 120, steps=1).tolist() == shared.tolist()


@pytest.fixture
def watched(monkeypatch, doubted):
    """Calls of the two losses in order: (name, batch of the labelled, their classes)."""
    calls, inner = [], (m.generator_loss, m.discriminator_loss)
    monkeypatch.setattr(
        m, "generator_loss", lambda p, x, y, rng, o: calls.append(("G", x[0], y)) or inner[0](p, x, y, rng, o)
    )
    monkeypatch.setattr(m, "discriminator_loss", lambda *a: calls.append(("D", None, None)) or inner[1](*a))
    return calls, lambda **changed: rows(doubted, 5, steps=3, **changed)


def test_turns_are_one_each_and_in_the_published_code_two_to_one(watched):
    calls, play = watched
    play()
    play(code=True)
    assert "".join(name for name, *_ in calls) == "GD" * 3 + "GGD" * 3


def test_the_game_of_the_placebo_differs_in_the_states_alone(monkeypatch, doubted):
    """The same networks, batches and noise; told one state for all, the same game to the bit."""
    told, inner = [], m.discriminator_loss
    monkeypatch.setattr(m, "discriminator_loss", lambda *a: told.append(a) or inner(*a))
    for kind in ("ours", "permuted"):
        rows(doubted, 5, steps=1, indicator=kind)
    (labelled, unlabelled, state, _), (same, alike, dealt, _) = told
    assert torch.equal(labelled, same)
    assert torch.equal(unlabelled, alike)
    assert not torch.equal(state, dealt)
    flat = doubted.replaced(probabilities=torch.full((120, 4), 0.25))
    assert torch.equal(rows(flat, 120), rows(flat, 120, indicator="permuted"))


def test_the_bug_of_the_published_code_keeps_the_labels_of_the_first_turn(watched):
    calls, play = watched
    for changed in ({"code": True}, {"code": True, "label_bug": True}):
        calls.clear()
        play(**changed)
        turns = [(x, y) for name, x, y in calls if name == "G"]
        stale = [torch.equal(one[1], two[1]) for one, two in zip(turns[::2], turns[1::2])]
        assert not any(torch.equal(one[0], two[0]) for one, two in itertools.pairwise(turns))
        assert all(stale) == ("label_bug" in changed)


def test_the_rate_falls_after_each_thirtieth(monkeypatch, doubted):
    from alnb.learning import optimisers

    rates, inner = [], optimisers.Adam.minimise
    monkeypatch.setattr(optimisers.Adam, "minimise", lambda self, loss: rates.append(self.lr) or inner(self, loss))
    rows(doubted, 5, steps=60, batch=2, decay=0.5, width=1)
    assert rates[::2] == rates[1::2]
    assert rates[::4] == pytest.approx([1e-3 * 0.5**i for i in range(30)])


def test_at_width_128_the_networks_are_the_published_ones():
    parts = m.networks((3, 32, 32), 100, options(width=128, latent=100, semantic=100), generator())
    shapes = lambda part: [tuple(p.shape) for p in part.parameters() if p.ndim == 2]
    assert shapes(parts["learner"]) == [(1024, 100), (256, 1024), (100, 256)]
    assert shapes(parts["critic"]) == [(512, 200), (512, 512), (512, 512), (512, 512), (1, 512)]
    assert parts["encoder"][-1].out_features == 400
    assert parts["decoder"][0].in_features == 100


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"steps": 0}, "steps = 0; accepted: a whole number from 1"),
        ({"semantic": 2.5}, "semantic = 2.5; accepted: a whole number"),
        ({"lambda2": -1}, "lambda2 = -1; accepted: a number from 0"),
        ({"decay": 0}, "decay = 0; accepted: a number above 0"),
        ({"annotation": float("nan")}, "annotation = nan; accepted: a number from 0"),
        ({"code": 1}, "code = 1; accepted: True or False"),
        ({"indicator": "theirs"}, "indicator = 'theirs'; accepted: ours, entropy, deviation, none, permuted"),
        ({"reading": "hard"}, "reading = 'hard'; accepted: soft, squared, printed"),
    ],
)
def test_it_refuses_an_option_out_of_range(changed, says):
    with pytest.raises(BadRequest, match=f"^sraal: {says}") as refusal:
        rows(toy_view(), 5, **changed)
    assert "\n" not in str(refusal.value)


def test_it_refuses_nothing_labelled_small_images_and_divergence():
    view = toy_view()
    with pytest.raises(BadRequest, match="sraal: nothing is labelled"):
        rows(view.replaced(labelled_images=view.labelled_images[:0], labelled_targets=view.labelled_targets[:0]), 5)
    with pytest.raises(BadRequest, match=r"sraal: images of shape .3, 7, 8.; accepted: .* 8 px or more"):
        rows(view.replaced(images=view.images[:, :, :7]), 5)
    with pytest.raises(BadRequest, match=r"sraal: training diverged.*lr 1e\+30 is too high"):
        rows(view, 5, lr=1e30)


# --- the study ----------------------------------------------------------------------------------------------------------

FEW = {"dataset": "digits", "seeds": 1, "arms": ["sraal", "sraal(indicator='none')", "random"]}
SCENES = {"dataset": "streets", "arms": ["random"], "pool": 20, "initial": 4, "budget": 4, "cycles": 1, "epochs": 1}


def test_the_options_of_the_game_are_in_the_key_and_not_in_the_name():
    runs, longer = m.grid(FEW, **TINY), m.grid(FEW, **TINY | {"game_steps": 3})
    assert [run.arm or run.method for run in runs] == ["sraal", "sraal(indicator='none')", "random"]
    assert [a.key == b.key for a, b in zip(runs, longer)] == [False, False, True]
    assert runs[0].options.strategy["steps"] == 2
    own = m.grid(FEW | {"arms": ["sraal(steps=5)"]}, **TINY)[0]
    assert own.options.strategy["steps"] == 5
    assert len({run.needs["cycle_0"].key for run in runs}) == 1


def test_a_race_may_play_a_game_of_its_own_and_what_is_like_it_does_too():
    many, start = {"like": "few", "game": {"steps": 7}}, {"like": "many", "arms": ["sraal", "sraal(steps=9)"]}
    runs = m.grid(FEW | {"arms": ["sraal"]}, many=many, start=start, scenes=SCENES | {"arms": ["sraal"]}, **TINY)
    assert [(run.race, run.options.strategy["steps"], run.arm or run.method) for run in runs] == [
        ("few", 2, "sraal"), ("many", 7, "sraal"), ("start", 7, "sraal"), ("start", 9, "sraal(steps=9)"), ("scenes", 2, "sraal"),
    ]  # fmt: skip
    lambdas = [run.options.strategy.get("lambda2", "default") for run in runs]
    assert lambdas == [*["default"] * 4, m.MAPS["lambda2"]]


def test_ll4al_comes_with_its_fair_pair_and_its_recipe_is_no_part_of_its_name():
    race = FEW | {"arms": ["random", "ll4al", "random_joint", "ll4al(joint=0.5, retrain=False)"]}
    own = {"joint_preset": "yoo", "joint_epochs": 5, "joint_milestones": [0.8]}
    runs = {run.arm or run.method: run for run in m.grid(race, **TINY | own)}
    assert list(runs) == ["random", "ll4al", "ll4al retrained", "random_joint", "ll4al(joint=0.5)"]
    for arm in ("ll4al", "random_joint"):
        o = runs[arm].options
        assert (runs[arm].study, o.epochs, o.milestones, o.module_optimiser) == ("learning_to_rank", 5, (0.8,), "target")
        assert (o.joint, o.joint_weight) == (0.6, 0.1)
    plain = runs["ll4al retrained"]
    assert plain.study == runs["random"].study == "state_relabeling"  # the same target model as everybody's
    assert plain.options.epochs == runs["random"].options.epochs == 2
    assert plain.needs["selection"] == runs["ll4al"]
    alike = m.grid(race, **TINY)
    assert [run.options.epochs for run in alike if run.method == "ll4al"] == [2, 2]
    with pytest.raises(BadRequest, match=r"few: ll4al.*preset 'mine'; accepted: 'l2r', 'yoo'"):
        m.grid(race, **TINY | {"joint_preset": "mine"})


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"game_steps": 0}, "sraal: steps = 0; accepted: a whole number from 1"),
        ({"few": FEW | {"arms": ["sraal(indicator='x')"]}}, "few: .*indicator = 'x'; accepted: ours"),
        ({"few": FEW | {"arms": ["sraal(stepz=1)"]}}, "stepz"),
        ({"start": {"like": "few", "initial_labels": "latent_k_center(firsts=1)"}}, "latent_k_center knows no firsts"),
        (
            {"start": {"like": "few", "initial_labels": "latent_k_center(first=0)"}},
            "start: latent_k_center: first = 0; accepted",
        ),
        (
            {"start": {"like": "few", "initial_labels": "latent_k_center(steps=-1)"}},
            "latent_k_center: steps = -1; accepted",
        ),
        ({"few": FEW | {"arms": ["vaal(steps=-1)"]}}, "few: vaal: steps = -1; accepted: a whole number from 1"),
        ({"few": FEW | {"arms": ["latent_k_center(first=0)"]}}, "few: latent_k_center: first = 0; accepted"),
        ({"game_stepz": 1}, "game_stepz"),
        ({"few": FEW | {"game": {"stepz": 1}}}, "few: game has stepz; accepted: options of sraal"),
        ({"many": FEW | {"game": 3}}, "many: game"),
        ({"scenes": {"datset": "streets", "arms": ["random"]}}, "scenes: no dataset, in datset, arms"),
        ({"scenes": {"like": "few"}}, "scenes: like 'few'"),
        ({"few": {"seeds": 2}, "scenes": SCENES}, "few: no dataset, in seeds"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(changed, says):
    with pytest.raises(BadRequest, match=says) as refusal:
        m.grid(**{"few": FEW} | TINY | changed)
    assert "\n" not in str(refusal.value)


def test_segmentation_runs_alone_and_images_alone():
    start = {"like": "few", "initial_labels": "latent_k_center", "arms": ["sraal"]}
    assert {run.race for run in m.grid({}, start=start, scenes=SCENES, **TINY)} == {"scenes"}
    assert {run.race for run in m.grid(FEW, start=start, scenes=SCENES | {"dataset": ""}, **TINY)} == {"few", "start"}


def test_the_rows_of_a_run_say_what_was_asked_and_the_start_is_algorithm_1(tmp_path):
    start = {"like": "few", "initial_labels": "latent_k_center(first=3, steps=2, batch=8, width=2, latent=4)"}
    runs = m.grid(FEW | {"arms": ["sraal", "indicator"]}, start=start | {"arms": ["sraal"]}, **TINY)
    store = Store(tmp_path)
    assert not drive(runs, store, workers=1).failed
    found = {(run.race, run.method): [r for r in store.read(run).rows if r["kind"] == "asked"] for run in runs}
    for asked in found.values():
        assert [row["cycle"] for row in asked] == [0, 1]
        assert all(0 <= row[name] < 1 for row in asked for name in ("indicator", "indicator_pool"))
        assert all(0 <= row[name] <= 100 for row in asked for name in ("wrong", "wrong_pool"))
    (sure, _), (game, _) = found["few", "indicator"], found["few", "sraal"]
    assert sure["indicator"] > sure["indicator_pool"]
    assert sure["indicator"] >= game["indicator"]  # the highest there are
    assert sure["indicator_pool"] == game["indicator_pool"]
    first = {run.race: store.read(run.needs["cycle_0"]).steps[-1]["state"]["labelled"] for run in runs}
    assert len(set(first["start"])) == 30
    assert set(first["start"]) != set(first["few"])


def test_the_two_starts_are_compared_seed_by_seed():
    curve = lambda *v: list(v)
    few = results({("sraal", 0): curve(40, 50, 60), ("sraal", 1): curve(50, 60, 70), ("sraal", 2): curve(60, 70, 80)},
                  "digits", True, race="few", study="state_relabeling")  # fmt: skip
    start = results({("sraal", 0): curve(54, 64, 74, 99), ("sraal", 1): curve(55, 65, 75, 99)},
                    "digits", True, race="start", study="state_relabeling")  # fmt: skip
    both = pandas.concat([few, start], ignore_index=True)
    assert start_gain.starts(both)[["seed", "few", "start"]].values.tolist() == [[0, 50, 64], [1, 60, 65]]
    metrics = start_gain.start_metrics(both)
    assert metrics["asked.start_gain"](both).tolist() == [14, 5]
    assert metrics["asked.start_spread"](both).tolist() == [0.5 - 5, 0.5 - 5]
    assert start_gain.start_metrics(few)["asked.start_gain"](few).empty
    assert start_gain.starts(few[:0]).empty


# --- on maps ------------------------------------------------------------------------------------------------------------


MAPS = m.Options(**OPTIONS | {"lambda1": 0.0, "lambda3": 0.0, "lambda2": 3.0, "annotation": 7.0})


def _labelled_maps():
    """Pixels (2, 3, 12, 10) of either pool, and maps of five classes, half of the first and a pixel of the second without one."""
    g = torch.Generator().manual_seed(4)
    x = [torch.rand(2, 3, 12, 10, generator=g) * 2 - 1 for _ in range(2)]
    y = torch.randint(0, 5, (2, 12, 10), generator=g)
    y[0, :6], y[1, 0, 0] = 255, 255
    return x, y


def test_on_maps_the_target_loss_is_the_mean_over_the_pixels_that_have_a_class():
    _, y = _labelled_maps()
    logits = torch.randn(2, 5, 12, 10, generator=torch.Generator().manual_seed(5))
    p = logits.double().softmax(1)
    each = [-math.log(p[i, y[i, a, b], a, b]) for i in range(2) for a in range(12) for b in range(10) if y[i, a, b] != 255]
    assert len(each) == 2 * 120 - 61
    nothing = torch.zeros(2, 3)  # a code that says nothing costs nothing
    assert float(m.target_loss(logits, y, nothing, nothing, annotation=7.0)) == pytest.approx(7 * np.mean(each), rel=1e-5)


def test_on_maps_the_learner_answers_at_every_pixel_and_its_loss_is_the_generators():
    """With lambda1 = lambda3 = 0, (7) is lambda2 times (2), which is done again here; a pixel without a class moves nothing."""
    x, y = _labelled_maps()
    parts = m.networks((3, 12, 10), 5, MAPS, torch.Generator().manual_seed(6), maps=True)
    assert not any(isinstance(layer, torch.nn.Conv2d) for layer in m.networks((3, 12, 10), 5, MAPS, torch.Generator())["learner"])
    told = parts["learner"](torch.zeros(1, MAPS.semantic))
    assert told.shape[:2] == (1, 5)
    assert all(has >= wants for has, wants in zip(told.shape[2:], (12, 10)))
    loss = m.generator_loss(parts, x, y, torch.Generator().manual_seed(7), MAPS)
    g = torch.Generator().manual_seed(7)
    (mu, logvar), other = (code.chunk(2, 1) for code in parts["encoder"](torch.cat(x)).split(2))
    z, _ = (vae.sample(*code, g) for code in ((mu, logvar), other))
    logits = parts["learner"](z[:, MAPS.latent :])[..., :12, :10]
    own = mu[:, MAPS.latent :], logvar[:, MAPS.latent :]
    kl = (own[0] ** 2 + own[1].exp() - own[1] - 1).sum(1).mean() / 2
    known = y != 255
    nll = -logits.log_softmax(1).gather(1, y.where(known, 0)[:, None])[:, 0][known].mean()
    assert float(loss.detach()) == pytest.approx(float((3 * (7 * nll + kl)).detach()), rel=1e-4)
    loss.backward()
    assert all(p.grad.abs().sum() == 0 for p in parts["critic"].parameters())
    assert parts["learner"][0].weight.grad.abs().sum() > 0


def test_the_papers_own_arithmetic_formulas_and_words():
    found = published.audit("sraal", checks=audits.CHECKS).set_index("check")["agrees"]
    failing = [check for check, agrees in found.items() if not agrees]
    assert len(failing) == 6
    assert {check[5:17] for check in failing if "property" in check} == {f"property ({i})" for i in (1, 2, 3)}
    assert any("caltech-101" in check for check in failing)  # 9,146 printed, 9,144 in the archive
    assert failing[0].startswith("eq. (4): MINVar, denominator 1 - C as printed")
    assert found["Table 1: least gain on sraal(indicator='entropy') is above 0"]
    assert found["sec. 4.1.1: gain, cifar-10, all_data"]


def test_every_number_of_table_1_is_there():
    table = published.published("sraal", "Table 1")
    assert table.groupby("method")["value"].apply(list).to_dict() == {
        "sraal": [55.0, 59.1, 62.3, 65.0, 66.9],
        "sraal(indicator='entropy')": [54.0, 58.2, 61.1, 64.5, 65.7],
        "sraal(indicator='deviation')": [54.1, 57.0, 59.4, 63.3, 64.1],
    }
