"""Ranking losses, the sorter's training, the games' step and k-center on codes, each beside the plain way, in one process:

    python -m pytest -m bench tests/bench/test_ranking_bench.py -s

Gated at no more than half of what was measured on an idle core.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from alnb.acquisition import describe, k_center
from alnb.learning import sorting, vae
from alnb.methods import learning_to_rank as l2r
from alnb.methods import state_relabeling as sraal
from alnb.methods.sorter import Settings
from tests.bench.interleave import ratio

D, LISTS = 64, 2_000


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def told(name, measured):
    median, low, high = measured
    print(f"\n{name}: {median:.1f}x ({low:.1f}-{high:.1f})")
    return median


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def sorter():
    return sorting.Sorter(Settings.hidden, Settings.layers, Settings.scale).requires_grad_(False)


@pytest.mark.bench
def test_three_lists_at_once_beside_one_after_the_other():
    f_sort, tg = sorter(), torch.rand(3, D, generator=generator())
    pre = torch.randn(3, D, generator=generator(1)).requires_grad_()
    one = lambda: [l2r.ranking_loss(a, b, lambda x: f_sort(x[None])[0]) for a, b in zip(tg, pre)]
    apart = lambda: [torch.stack(one()).sum().backward() for _ in range(20)]
    together = lambda: [l2r.ranking_loss(tg, pre, f_sort).sum().backward() for _ in range(20)]
    assert told("ranking loss of three modules, one sorter pass", ratio(apart, together)) > 1.2


@pytest.mark.bench
def test_lists_for_the_sorter_beside_a_dataset_that_makes_them_one_by_one():
    """SoDeep's code draws a list a sample in numpy and has a loader put batches together."""

    class Lists(torch.utils.data.Dataset):
        rng = np.random.default_rng(0)

        def __len__(self):
            return LISTS

        def __getitem__(self, index):
            kinds = (lambda: self.rng.uniform(-1, 1, D), lambda: self.rng.normal(size=D),
                     lambda: self.rng.permutation(np.linspace(-1, 1, D)))  # fmt: skip
            x = kinds[self.rng.integers(3)]()
            return torch.tensor(x, dtype=torch.float32), torch.tensor(x.argsort().argsort() + 1, dtype=torch.float32) / D

    f_sort = sorting.Sorter(Settings.hidden, Settings.layers, Settings.scale)
    feed, loader = sorting.Sequences(LISTS, D), torch.utils.data.DataLoader(Lists(), 256)

    def ours():
        for start in range(0, LISTS, 256):
            feed.batch(None, slice(start, min(start + 256, LISTS)), 7)

    assert told("making the sorter's lists", ratio(lambda: list(loader), ours)) > 3

    def trained(batches):
        for x, y in batches:
            F.l1_loss(f_sort(x), y).backward()

    made = lambda: (feed.batch(None, slice(start, start + 256), 7) for start in range(0, 512, 256))
    plain = lambda: ((x, y) for _, (x, y) in zip(range(2), loader))
    told("two steps of the sorter's training, all in", ratio(lambda: trained(plain()), lambda: trained(made()), 3))


@pytest.mark.bench
def test_a_step_of_the_game_beside_one_fed_by_a_loader():
    from PIL import Image
    from torchvision import transforms

    o = sraal.Options(**describe("sraal").parameters | {"steps": 6})
    images = torch.randint(0, 256, (600, 3, 32, 32), dtype=torch.uint8, generator=generator())
    V, y = torch.rand(400, 10, generator=generator(1)).softmax(1), torch.randint(0, 10, (200,), generator=generator(2))
    as_pixels = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)])

    class Pictures(torch.utils.data.Dataset):
        def __init__(self, images, other):
            self.images, self.other = [Image.fromarray(one.permute(1, 2, 0).numpy()) for one in images], other

        def __len__(self):
            return len(self.images)

        def __getitem__(self, index):
            return as_pixels(self.images[index]), self.other[index]

    labelled, unlabelled = Pictures(images[:200], y), Pictures(images[200:], sraal.indicator(V).float())

    def plain():
        parts = sraal.networks((3, 32, 32), 10, o, generator())
        phi = torch.optim.Adam([p for name, part in parts.items() if name != "critic" for p in part.parameters()], o.lr)
        psi = torch.optim.Adam(parts["critic"].parameters(), o.lr)
        feeds = [torch.utils.data.DataLoader(each, o.batch, shuffle=True) for each in (labelled, unlabelled)]
        for _, (x, classes), (other, state) in zip(range(o.steps), *feeds):
            phi.zero_grad()
            sraal.generator_loss(parts, [x, other], classes, generator(), o).backward()
            phi.step()
            with torch.no_grad():
                codes = [code.chunk(2, 1)[0] for code in vae.through(parts["encoder"], [x, other], False)]
            psi.zero_grad()
            sraal.discriminator_loss(*(parts["critic"](mu).squeeze(1) for mu in codes), state, o.reading).backward()
            psi.step()

    few = images[200:232], V[:32]  # what is scored at the end is no part of a step
    ours = lambda: sraal.play(*few, images[:200], y, generator(), o)
    assert told("six steps of SRAAL's game", ratio(plain, ours, 3)) > 0.5


@pytest.mark.bench
def test_k_center_on_codes_beside_all_distances():
    codes = torch.randn(6_000, 32, generator=generator())
    known, rest = codes[:100], codes[100:]

    def plain():
        distances = torch.cdist(codes, codes)
        near, picks = distances[100:, :100].amin(1), []
        for _ in range(300):
            picks.append(int(near.argmax()))
            near = torch.minimum(near, distances[100:, 100 + picks[-1]])
        return picks

    assert plain() == k_center.greedy(rest, known, 300)[0].tolist()
    told("k-center on 6,000 codes of 32, 300 picks", ratio(plain, lambda: k_center.greedy(rest, known, 300), 3))
