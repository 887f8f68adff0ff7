from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from alnb import acquisition
from alnb.acquisition import vaal as module
from alnb.errors import BadRequest
from alnb.learning import vae
from alnb.learning.optimisers import Adam
from tests.acquisition.toy_view import toy_view

QUICK = {"steps": 40, "batch": 16, "width": 4, "latent": 8}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def noise(n, low, high, seed, side=16):
    return torch.randint(low, high, (n, 3, side, side), generator=generator(seed), dtype=torch.uint8)


@pytest.fixture
def dark_and_bright():
    """Labelled: dark. Candidates: 60 dark, then 60 bright ones."""
    images = torch.cat([noise(60, 0, 110, 1), noise(60, 145, 256, 2)])
    return toy_view(U=120).replaced(images=images, labelled_images=noise(40, 0, 110, 3))


def choose(view, budget=50, seed=5, **options):
    return acquisition.get("vaal").choose(view, budget, generator(seed), **(QUICK | options)).rows


def trained(candidates, labelled, seed=0, **options):
    defaults = {"beta": 1.0, "adversary": 1.0, "lr": 1e-3}
    return module.certainty(candidates, labelled, generator(seed), **(defaults | QUICK | options))


# --- what it is for -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("flip", [False, True])
def test_it_asks_for_what_is_unlike_the_labelled(dark_and_bright, seed, flip):
    assert (choose(dark_and_bright, 40, seed=seed, flip=flip) >= 60).sum() >= 38


def test_least_surely_labelled_come_first(dark_and_bright):
    view = dark_and_bright
    shared = view.priority.argsort()
    sure = trained(view.images[shared], view.labelled_images, seed=5)
    chosen = choose(view, 120)
    assert sure[shared.argsort()[chosen]].diff().ge(0).all()


def test_equal_candidates_are_settled_by_the_shared_order():
    view = toy_view().replaced(images=noise(1, 0, 256, 1).repeat(60, 1, 1, 1), labelled_images=noise(12, 0, 256, 2))
    assert choose(view, 60, steps=1).tolist() == view.priority.argsort().tolist()


@pytest.mark.parametrize("options", [{}, {"flip": True}, {"quirks": True}, {"quirks": True, "flip": True}])
def test_a_seed_gives_one_answer_whatever_the_order_of_the_pool_and_another_seed_another(dark_and_bright, options):
    order = torch.randperm(120, generator=generator(9))
    first = choose(dark_and_bright, steps=5, **options)
    assert torch.equal(first, order[choose(dark_and_bright.permuted(order), steps=5, **options)])
    assert not torch.equal(first, choose(dark_and_bright, seed=6, steps=5, **options))


@pytest.mark.parametrize("shape", [(8, 8), (9, 13), (16, 16), (28, 28), (32, 16), (33, 47), (64, 64)])
def test_any_size_of_image_from_8_pixels(shape):
    candidates = torch.randint(0, 256, (20, 3, *shape), generator=generator(), dtype=torch.uint8)
    for quirks in (False, True):
        assert trained(candidates, candidates[:3], steps=2, quirks=quirks).shape == (20,)


def test_at_width_128_the_networks_are_the_published_ones():
    coder, critic = module.networks((3, 32, 32), 128, 32, generator())
    convolutions = [tuple(p.shape) for p in coder["encoder"].parameters() if p.ndim == 4]
    assert convolutions == [(128, 3, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4), (1024, 512, 4, 4)]
    back = [tuple(p.shape) for p in coder["decoder"].parameters() if p.ndim == 4]
    assert back == [(1024, 512, 4, 4), (512, 256, 4, 4), (256, 128, 4, 4), (3, 128, 1, 1)]
    assert coder["encoder"][-1].in_features == 1024 * 2 * 2
    assert coder["decoder"][0].out_features == 1024 * 4 * 4
    assert [p.shape[0] for p in critic.parameters() if p.ndim == 2] == [512, 512, 512, 512, 1]
    assert round(sum(p.numel() for p in coder.parameters()) / 1e6) == 23


# --- losses -------------------------------------------------------------------------------------------------


def test_the_published_loss_averages_errors_and_sums_kl():
    x, x_hat = torch.tensor([[[[1.0, -1.0]]], [[[0.0, 0.0]]]]), torch.zeros(2, 1, 1, 2)
    mu, logvar = torch.tensor([[2.0], [4.0]]), torch.zeros(2, 1)
    # errors 1, 1, 0, 0; KL 2 and 8
    assert module.published_loss(x, x_hat, mu, logvar, 0.1).item() == pytest.approx(0.5 + 0.1 * 10)
    assert vae.reconstruction_loss(x, x_hat, mu, logvar, 0.1).item() == pytest.approx(((1 + 0.2) + (0 + 0.8)) / 2)


def test_the_losses_of_the_game_are_cross_entropies_with_labelled_as_1():
    labelled, unlabelled = 3 * normal(6, seed=1), 3 * normal(9, seed=2)
    bce = F.binary_cross_entropy_with_logits
    ones, zeros = torch.ones_like, torch.zeros_like
    torch.testing.assert_close(
        module.discriminator_loss(labelled, unlabelled),
        bce(labelled, ones(labelled)) + bce(unlabelled, zeros(unlabelled)),
    )
    torch.testing.assert_close(
        module.adversarial_loss(labelled, unlabelled),
        bce(labelled, ones(labelled)) + bce(unlabelled, ones(unlabelled)),
    )


def test_the_discriminator_learns_which_codes_are_labelled():
    _, critic = module.networks((3, 8, 8), 4, 8, generator())
    labelled, unlabelled = normal(64, 8, seed=1) + 1, normal(64, 8, seed=2) - 1
    adam = Adam(critic.parameters(), 1e-2)
    for _ in range(50):
        adam.minimise(module.discriminator_loss(critic(labelled).squeeze(1), critic(unlabelled).squeeze(1)))
    assert (critic(labelled) > 0).float().mean() > 0.95
    assert (critic(unlabelled) < 0).float().mean() > 0.95


def test_the_adversary_is_a_weight_and_moves_the_encoder_towards_labelled():
    coder, critic = module.networks((3, 8, 8), 4, 8, generator())
    x = [noise(16, 0, 256, i, side=8) / 127.5 - 1 for i in (1, 2)]
    loss = lambda a: module.vae_loss(coder, critic, x, generator(), beta=1.0, adversary=a)
    assert (loss(2.0) - loss(0.0)).item() == pytest.approx(2 * (loss(1.0) - loss(0.0)).item(), rel=1e-3)
    weights = list(coder["encoder"].parameters())
    before = critic(coder["encoder"](torch.cat(x)).chunk(2, 1)[0]).mean()
    for p, g in zip(weights, torch.autograd.grad(loss(1e6), weights)):
        p.data -= 1e-3 * g / g.norm()
    after = critic(coder["encoder"](torch.cat(x)).chunk(2, 1)[0]).mean()
    assert after > before


# --- its start ----------------------------------------------------------------------------------------------


def test_networks_are_drawn_from_their_generator_alone():
    state = torch.get_rng_state()
    first, again, other = (module.networks((3, 8, 8), 4, 8, generator(seed))[0] for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters()))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters()))


def test_it_does_not_import_the_compiler():
    program = (
        "import sys, torch; from alnb.acquisition import vaal as m; x = torch.zeros(9, 3, 8, 8, dtype=torch.uint8);"
        "m.certainty(x, x[:2], torch.Generator(), steps=2, batch=2, width=2, latent=2, beta=1, adversary=1, lr=.1);"
        "print('torch._dynamo' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"


# --- the published code -------------------------------------------------------------------------------------


@pytest.fixture
def watched(monkeypatch):
    """Calls of the two losses and of the networks, in order: (name, sizes of the batches)."""
    calls = []

    def watch(name, sizes, module=module):
        inner = getattr(module, name)

        def outer(*args, **kwargs):
            calls.append((name, sizes(*args)))
            return inner(*args, **kwargs)

        monkeypatch.setattr(module, name, outer)

    watch("vae_loss", lambda vae, critic, x, rng: tuple(map(len, x)))
    watch("discriminator_loss", lambda a, b: (len(a), len(b)))
    watch("reconstruction_loss", lambda *_: None, vae)
    watch("published_loss", lambda *_: None)
    return calls


def test_its_steps_follow_the_algorithm_of_the_paper(watched):
    trained(noise(40, 0, 256, 1), noise(20, 0, 256, 2), steps=3)
    names = ["vae_loss", "reconstruction_loss", "reconstruction_loss", "discriminator_loss"]
    assert [name for name, _ in watched] == 3 * names
    assert {sizes for name, sizes in watched if name in ("vae_loss", "discriminator_loss")} == {(16, 16)}


def test_quirks_take_two_steps_of_the_published_loss_to_one_of_the_discriminator(watched):
    trained(noise(40, 0, 256, 1), noise(20, 0, 256, 2), steps=3, quirks=True)
    pair = ["vae_loss", "published_loss", "published_loss"]
    assert [name for name, _ in watched] == 3 * [*pair, *pair, "discriminator_loss"]
    # 40 candidates: 16, 16, 8 and again; 20 labelled: 16 and 4 dropped; D sees what the second VAE step saw
    assert [sizes[1] for name, sizes in watched if name == "vae_loss"] == [16, 16, 8, 16, 16, 8]
    assert [sizes[1] for name, sizes in watched if name == "discriminator_loss"] == [16, 16, 8]
    assert {sizes[0] for _, sizes in watched if sizes} == {16}


def test_quirks_pass_labelled_and_unlabelled_apart():
    coder, _ = module.networks((3, 8, 8), 4, 8, generator())
    dark, bright = torch.full((8, 3, 8, 8), -0.8) + 0.1 * normal(8, 3, 8, 8), 0.8 + 0.1 * normal(8, 3, 8, 8)
    together, apart = (vae.through(coder["encoder"], [dark, bright], flag) for flag in (False, True))
    torch.testing.assert_close(torch.cat(list(together)), coder["encoder"](torch.cat([dark, bright])))
    torch.testing.assert_close(apart[1], coder["encoder"](bright))
    assert not torch.allclose(together[1], apart[1], atol=0.1)


def test_quirks_score_in_shuffled_batches_that_share_statistics():
    coder, critic = module.networks((3, 8, 8), 4, 8, generator())
    images = noise(40, 0, 256, 1, side=8)
    score = lambda seed, flip, quirks, of=images: vae.judged(
        coder["encoder"], critic, of, 16, generator(seed), flip, quirks
    )
    assert torch.equal(score(0, True, False), score(1, True, False))
    torch.testing.assert_close(score(0, False, False, images[:5]), score(0, False, False)[:5])
    assert not coder["encoder"].training
    assert not torch.equal(score(0, False, True), score(1, False, True))
    assert not torch.equal(score(0, False, True), score(0, True, True))
    assert coder["encoder"].training


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 0}, "steps = 0; accepted: a whole number from 1"),
        ({"steps": 2.5}, "steps = 2.5; accepted: a whole number"),
        ({"batch": 1}, "batch = 1; accepted: a whole number from 2"),
        ({"width": True}, "width = True; accepted: a whole number from 1"),
        ({"latent": "32"}, "latent = '32'; accepted: a whole number from 1"),
        ({"beta": -1}, "beta = -1; accepted: a number from 0"),
        ({"adversary": float("nan")}, "adversary = nan; accepted: a number from 0"),
        ({"lr": 0}, "lr = 0; accepted: a number above 0"),
        ({"lr": "fast"}, "lr = 'fast'; accepted: a number above 0"),
        ({"flip": 1}, "flip = 1; accepted: True or False"),
        ({"quirks": "no"}, "quirks = 'no'; accepted: True or False"),
    ],
)
def test_it_refuses_an_option_out_of_range(options, says):
    with pytest.raises(BadRequest, match=f"^vaal: {says}") as refusal:
        choose(toy_view(), **options)
    assert "\n" not in str(refusal.value)


def test_it_refuses_nothing_labelled_small_images_and_divergence():
    view = toy_view()
    with pytest.raises(BadRequest, match="vaal: nothing is labelled"):
        choose(view.replaced(labelled_images=view.labelled_images[:0]))
    with pytest.raises(BadRequest, match=r"vaal: images of \(7, 8\) px; accepted: 8 px or more"):
        choose(view.replaced(images=view.images[:, :, :7]))
    with pytest.raises(BadRequest, match=r"vaal: training diverged.*lr 1e\+30 is too high"):
        choose(view, lr=1e30)
