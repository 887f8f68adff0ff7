"""Augmentation: exactly torchvision's for given places, and in distribution."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torchvision.transforms.v2 import functional as tv

from alnb.learning import augment

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random_images(n, height, width, seed=1):
    return torch.randint(256, (n, 3, height, width), dtype=torch.uint8, generator=generator(seed))


def random_crop_flip(images, padding, flip, generator):
    """What a feed does in every epoch, on images in order."""
    drawn = augment.draw(len(images), padding, flip, generator)
    return augment.gather(augment.windows(images, padding, flip), torch.arange(len(images)), drawn)


def torchvision_crop(image, mirrored, y, x, padding):
    """By torchvision's functions alone: mirror, pad with zeros, crop to the first size."""
    image = tv.horizontal_flip(image) if mirrored else image
    return tv.crop(tv.pad(image, [padding]), y, x, *image.shape[-2:])


@pytest.mark.parametrize(("size", "padding"), [((6, 6), 2), ((5, 8), 1), ((4, 4), 4)])
def test_each_window_is_torchvisions_crop_of_the_padded_image(size, padding):
    images = random_images(3, *size)
    windows = augment.windows(images, padding, flip=True)
    for m, i, y, x in torch.cartesian_prod(*(torch.arange(k) for k in windows.shape[:4])).tolist():
        assert torch.equal(windows[m, i, y, x].permute(2, 0, 1), torchvision_crop(images[i], m, y, x, padding))


def test_a_batch_is_torchvisions_crops_at_the_places_drawn():
    images = random_images(50, 12, 10)
    mirrored, y, x = augment.draw(50, 3, True, generator(7)).tolist()
    batch = random_crop_flip(images, 3, True, generator(7))
    assert batch.dtype == torch.uint8
    assert batch.is_contiguous(memory_format=torch.channels_last)
    for got, image, *place in zip(batch, images, mirrored, y, x):
        assert torch.equal(got, torchvision_crop(image, *place, 3))


def test_gathered_rows_are_the_images_asked_for():
    images = random_images(9, 8, 8)
    rows, drawn = torch.tensor([4, 0, 4, 8]), torch.zeros(3, 4, dtype=torch.int64)
    assert torch.equal(augment.gather(augment.windows(images, 0, flip=False), rows, drawn), images[rows])


def outcomes(batch, image, padding):
    """How often each (row, column, mirrored) of pad, crop, mirror, torchvision's order, made the images of `batch`."""
    k = 2 * padding + 1
    cut = {(y, x): tv.crop(tv.pad(image, [padding]), y, x, *image.shape[-2:]) for y in range(k) for x in range(k)}
    known = {
        (*place, m): bytes((tv.horizontal_flip(c) if m else c).flatten().tolist())
        for place, c in cut.items()
        for m in (0, 1)
    }
    assert len(set(known.values())) == len(known)
    seen = [bytes(row) for row in batch.flatten(1).tolist()]
    return {place: seen.count(content) for place, content in known.items()}


def test_places_and_mirrors_are_uniform_as_torchvisions_are():
    n, padding = 10_000, 2
    image = torch.arange(1, 76, dtype=torch.uint8).view(3, 5, 5)
    batch = random_crop_flip(image.expand(n, -1, -1, -1), padding, True, generator(3))
    counts = outcomes(batch, image, padding)
    assert sum(counts.values()) == n
    assert stats.chisquare(list(counts.values())).pvalue > 0.01


def test_without_flip_nothing_is_mirrored_and_without_padding_nothing_moves():
    images = random_images(200, 5, 5)
    assert torch.equal(random_crop_flip(images, 0, False, generator()), images)
    image = torch.arange(1, 76, dtype=torch.uint8).view(3, 5, 5)
    counts = outcomes(random_crop_flip(image.expand(500, -1, -1, -1), 1, False, generator()), image, 1)
    assert all(count == 0 for (_, _, mirrored), count in counts.items() if mirrored)
    assert sum(counts.values()) == 500


def test_normalise_is_torchvisions_with_a_border_of_zero_pixels():
    images = random_images(4, 9, 7)
    images[:, :, 0] = 0
    expected = tv.normalize(tv.to_dtype(images, torch.float32, scale=True), MEAN, STD)
    for given in (images, images.contiguous(memory_format=torch.channels_last)):
        found = augment.normalise(given, MEAN, STD)
        assert found.dtype == torch.float32
        assert found.is_contiguous(memory_format=torch.channels_last)
        assert torch.allclose(found, expected, atol=2e-6, rtol=0)
    assert torch.allclose(found[:, 1, 0], torch.tensor(-0.48 / 0.24))
