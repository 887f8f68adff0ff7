"""The parts of a variational auto-encoder against torch.distributions, and how its images come up."""

import itertools

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from alnb.learning import vae
from tests.learning.toy import generator


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def test_kl_is_that_of_torch():
    mu, logvar = normal(7, 5, seed=1), normal(7, 5, seed=2)
    theirs = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(torch.zeros(5), torch.ones(5))).sum(1)
    torch.testing.assert_close(vae.kl(mu, logvar), theirs)
    assert vae.kl(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 0


def test_the_bound_is_that_of_a_unit_gaussian():
    x, x_hat = normal(4, 3, 8, 8, seed=1), normal(4, 3, 8, 8, seed=2)
    mu, logvar = normal(4, 5, seed=3), normal(4, 5, seed=4)
    constant = -Normal(torch.tensor(0.0), torch.tensor(1.0)).log_prob(torch.tensor(0.0)) * 3 * 8 * 8
    theirs = -Normal(x_hat, torch.ones(())).log_prob(x).sum((1, 2, 3)) - constant + 2.5 * vae.kl(mu, logvar)
    torch.testing.assert_close(vae.reconstruction_loss(x, x_hat, mu, logvar, 2.5), theirs.mean())


@pytest.mark.parametrize(("n", "batch"), [(10, 4), (12, 4), (3, 8), (1, 2)])
def test_every_image_comes_up_once_an_epoch(n, batch):
    take = lambda short, count: list(itertools.islice(vae.shuffled(n, batch, generator(), short), count))
    full = take("fill", 3 * n)
    assert {len(part) for part in full} == {batch}
    for epoch in torch.cat(full).split(n)[:-1]:
        assert sorted(epoch.tolist()) == list(range(n))
    kept = take("keep", 2 * -(-n // batch))
    assert sorted(torch.cat(kept).tolist()) == sorted([*range(n)] * 2)
    dropped = take("drop", 5)
    assert {len(part) for part in dropped} == {min(n, batch)}
    assert all(len(part.unique()) == len(part) for part in dropped)


def test_half_of_the_images_are_mirrored_where_that_is_asked_for():
    images = torch.randint(256, (400, 3, 8, 8), generator=generator(1), dtype=torch.uint8)
    rows = torch.arange(400)
    plain, mirrored = vae.pixels(images, rows), vae.pixels(images, rows, generator())
    torch.testing.assert_close(plain, images / 127.5 - 1)
    same, turned = ((mirrored == x).flatten(1).all(1) for x in (plain, plain.flip(3)))
    assert (same ^ turned).all()
    assert 160 < turned.sum() < 240


def test_a_code_is_drawn_around_its_mean_with_its_deviation_from_the_generator_alone():
    mu, logvar = torch.tensor([[3.0, -1.0]]).expand(20_000, 2), torch.tensor([[0.0, 2.0]]).expand(20_000, 2)
    before = torch.get_rng_state()
    z = vae.sample(mu, logvar, generator(1))
    assert torch.equal(before, torch.get_rng_state())
    torch.testing.assert_close(z.mean(0), mu[0], atol=0.08, rtol=0)
    torch.testing.assert_close(z.var(0), logvar[0].exp(), rtol=0.05, atol=0)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 9, 13), (3, 33, 47), (3, 64, 64)])
def test_the_decoder_gives_back_at_least_the_size_of_the_image(shape):
    coder, x = vae.autoencoder(shape, 4, 6), normal(2, *shape)
    mu, logvar = coder["encoder"](x).chunk(2, 1)
    assert mu.shape == logvar.shape == (2, 6)
    assert vae.cropped(coder["decoder"](mu), x).shape == x.shape
