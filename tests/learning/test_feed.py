"""Feeds: batches against torchvision, a mask that moves with its image, and the rule of the last batch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as tv

from alnb.errors import BadRequest
from alnb.learning import augment
from alnb.learning.feed import Images, Tensors, batches
from alnb.learning.recipe import Recipe
from alnb.learning.train import train
from tests.learning.toy import MEAN, STD, data, generator


def feed_of(images, targets, crop=2, flip=True):
    return Images(images, targets, mean=MEAN, std=STD, crop=crop, flip=flip)


def test_a_batch_is_torchvisions_crops_of_the_rows_of_its_part_at_the_places_drawn():
    images, targets = data(30, size=12)
    feed, rows = feed_of(images, targets), torch.randperm(30, generator=generator(1))
    drawn = feed.draw(generator(5))
    assert torch.equal(drawn, augment.draw(30, 2, True, generator(5)))
    x, y = feed.batch(rows, slice(10, 17), drawn)
    for place, one, target in zip(range(10, 17), x, y):
        mirrored, top, left = drawn[:, place].tolist()
        image = images[rows[place]]
        image = tv.crop(tv.pad(tv.horizontal_flip(image) if mirrored else image, [2]), top, left, 12, 12)
        expected = tv.normalize(tv.to_dtype(image, torch.float32, scale=True), MEAN, STD)
        torch.testing.assert_close(one, expected, atol=2e-6, rtol=0)
        assert target == targets[rows[place]]


def test_without_a_generator_images_are_only_normalised():
    images, targets = data(9)
    feed = feed_of(images, targets, crop=4)
    x, y = feed.batch(torch.arange(9), slice(0, 9), feed.draw(None))
    torch.testing.assert_close(x, augment.normalise(images, MEAN, STD), atol=0, rtol=0)
    assert torch.equal(y, targets)


@pytest.mark.parametrize(
    ("images", "targets", "says"),
    [
        (data(0)[0], data(0)[1], "at least one: given 0 and 0"),
        (data(9)[0], data(8)[1], "given 9 and 8"),
        (data(9)[0].float(), data(9)[1], "uint8, given torch.float32"),
    ],
)
def test_impossible_training_sets_are_refused(images, targets, says):
    with pytest.raises(BadRequest, match=says):
        feed_of(images, targets)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (3, 2)])
def test_tensors_must_pair(x, y):
    with pytest.raises(BadRequest, match=f"given {x} and {y}"):
        Tensors(torch.zeros(x, 2), torch.zeros(y))


def test_tensors_come_as_they_are():
    x, y = torch.randn(8, 2, generator=generator(1)), torch.arange(8)
    feed = Tensors(x, y)
    state = generator(3)
    assert feed.draw(state) is None
    assert torch.equal(state.get_state(), generator(3).get_state())
    rows = torch.tensor([5, 1, 0, 7, 2, 3, 4, 6])
    found_x, found_y = feed.batch(rows, slice(1, 4), None)
    assert torch.equal(found_x, x[[1, 0, 7]])
    assert found_y.tolist() == [1, 0, 7]
    assert len(feed) == 8


# --- what belongs to an image moves with it ------------------------------------------------------------------------------


class Masked:
    """Images and a mask of classes for each, cut at the same places: what a segmentation's feed looks like."""

    device = "cpu"

    def __init__(self, images, masks, crop):
        self.crop, self.images = crop, augment.windows(images, crop, True)
        self.masks = augment.windows(masks[:, None], crop, True)

    def __len__(self):
        return self.images.shape[1]

    def draw(self, generator):
        return augment.draw(len(self), self.crop, True, generator)

    def batch(self, rows, part, drawn):
        at = rows[part], drawn[:, part]
        x = augment.normalise(augment.gather(self.images, *at), (0.0,) * 3, (1 / 255,) * 3)
        return x, augment.gather(self.masks, *at)[:, 0].long()


class PerPixel(torch.nn.Module):
    """Class scores of each pixel by a 1 x 1 convolution, (B, 2, H, W)."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 2, 1)
        torch.nn.init.zeros_(self.layer.weight)
        torch.nn.init.zeros_(self.layer.bias)

    def forward(self, x):
        return self.layer(x / 255)


def test_a_mask_moves_with_its_image_and_a_network_of_pixels_trains_in_the_same_loop():
    images = torch.randint(1, 256, (40, 3, 10, 10), dtype=torch.uint8, generator=generator(1))
    masks = (images[:, 0] > 127).to(torch.uint8)
    feed, seen = Masked(images, masks, crop=3), []

    class Watched(Masked):
        def batch(self, *at):
            x, y = super().batch(*at)
            seen.append((x, y))
            return x, y

    net = PerPixel()
    trained = train(
        net, Watched(images, masks, 3), Recipe(12, 16, 2.0), order=generator(2), augment=generator(3)
    )  # the plain cross-entropy: a sample's loss is the mean over its pixels
    assert len(feed) == 40
    moved = sum(int((x[:, 0] == 0).any()) for x, _ in seen)
    assert moved == len(seen) == 12 * 3
    assert all(torch.equal(y, (x[:, 0] > 127).long()) for x, y in seen)
    assert trained.correct is None
    with torch.no_grad():
        right = net(augment.normalise(images, (0.0,) * 3, (1 / 255,) * 3)).argmax(1) == masks
    assert right.float().mean() > 0.9


# --- batches --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "size", "lengths"),
    [
        (64, 16, [16, 16, 16, 16]),
        (72, 16, [16, 16, 16, 16, 8]),
        (71, 16, [16, 16, 16, 23]),
        (65, 64, [65]),
        (3, 64, [3]),
        (7, 4, [7]),
        (20, 4, [4, 4, 4, 8]),
        (0, 4, []),
    ],
)
def test_a_last_batch_under_eight_joins_the_one_before(n, size, lengths):
    assert [part.stop - part.start for part in batches(n, size)] == lengths


@given(n=st.integers(1, 400), size=st.integers(1, 150), smallest=st.integers(0, 60))
def test_batches_cover_all_in_order_are_of_the_size_and_none_but_a_lone_one_is_smaller_than_the_smallest(
    n, size, smallest
):
    found = batches(n, size, smallest)
    lengths = [part.stop - part.start for part in found]
    assert [i for part in found for i in range(part.start, part.stop)] == list(range(n))
    assert all(length == size for length in lengths[:-1])
    assert lengths[-1] <= size + min(max(0, smallest - 1), size)
    assert len(found) == 1 or lengths[-1] >= min(smallest, size)
    if n % size == 0 and size >= smallest:
        assert lengths == [size] * (n // size)
    if n % size >= smallest and n % size:
        assert lengths[-1] == n % size
