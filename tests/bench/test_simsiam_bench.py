"""SimSiam: two views of a batch and a whole step, beside torchvision's transforms one image at a time, as the public code does.

The rival is a minimal re-write: PIL images, torchvision's transforms with the chapter's strengths, a DataLoader without worker
processes, then the same networks and PyTorch's own SGD. One thread, CPU seconds.
"""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from alnb.learning import networks
from alnb.learning.recipe import Recipe
from alnb.learning.siamese import Siamese
from alnb.learning.train import train
from alnb.learning.views import Policy, Views
from alnb.methods.simsiam import L
from tests.bench.interleave import ratio

pytestmark = pytest.mark.bench

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
IMAGES, BATCH = 1_024, 128


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def synthetic():
    return torch.randint(256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=generator(1))


def siamese():
    return Siamese(networks.build("small", 10, generator=generator()), 256, 64)


class Pairs(Dataset):
    """Two views of each image."""

    def __init__(self, images):
        self.arrays = images.permute(0, 2, 3, 1).contiguous().numpy()
        colours = transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)
        self.transform = transforms.Compose([
            transforms.RandomResizedCrop(32, (0.2, 1.0)), transforms.RandomApply([colours], 0.8),
            transforms.RandomGrayscale(0.2), transforms.RandomApply([transforms.GaussianBlur(3, (0.1, 2.0))], 0.5),
            transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize(MEAN, STD),
        ])  # fmt: skip

    def __len__(self):
        return len(self.arrays)

    def __getitem__(self, i):
        image = Image.fromarray(self.arrays[i])
        return self.transform(image), self.transform(image)


def loader():
    return DataLoader(Pairs(synthetic()), batch_size=BATCH, shuffle=True)


def feed():
    return Views(synthetic(), Policy(), mean=MEAN, std=STD)


def say(what, measured):
    print(f"\nSimSiam, {what}: {measured[0]:.1f}x ({measured[1]:.1f}-{measured[2]:.1f})")


def test_two_views_of_a_batch_are_made_faster_than_image_by_image():
    batches, own, rows = loader(), feed(), torch.arange(IMAGES)

    def theirs():
        for _ in batches:
            pass

    def ours():
        drawn = own.draw(generator())
        for i in range(0, IMAGES, BATCH):
            own.batch(rows, slice(i, i + BATCH), drawn)

    measured = ratio(theirs, ours, pairs=3)
    say("two views, PIL and torchvision / ours", measured)
    assert measured[0] > 2


def test_an_epoch_is_faster_than_a_plain_loop_on_it():
    batches, network = loader(), siamese()
    steps = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], 0.03, momentum=0.9, weight_decay=5e-4)
    cosine = torch.nn.CosineSimilarity(dim=1)

    def theirs():
        network.train()
        for x1, x2 in batches:
            p1, p2, z1, z2 = network((x1, x2))
            loss = -(cosine(p1, z2.detach()).mean() + cosine(p2, z1.detach()).mean()) / 2
            steps.zero_grad()
            loss.backward()
            steps.step()

    own, recipe = siamese(), Recipe(epochs=1, batch=BATCH, lr=0.03, momentum=0.9, weight_decay=5e-4)

    def ours():
        train(
            own,
            feed(),
            recipe,
            loss=lambda outputs, y, epoch, rows: L(*outputs),
            order=generator(2),
            augment=generator(3),
        )

    measured = ratio(theirs, ours, pairs=3)
    say("an epoch, plain PyTorch / ours", measured)
    assert measured[0] > 1.2
