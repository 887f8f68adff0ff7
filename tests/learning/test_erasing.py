"""Random erasing against torchvision's, in distribution."""

import torch

from alnb.learning.erasing import erase


def erased(images):
    return (images == 0).all(1)  # (B, H, W)


def test_as_often_and_as_much_as_torchvision():
    from torchvision.transforms import RandomErasing

    images = torch.ones(3000, 3, 64, 32)
    ours = erased(erase(images, 0.5, torch.Generator().manual_seed(0)))
    torch.manual_seed(0)
    theirs = RandomErasing(0.5, value=0)
    theirs = erased(torch.stack([theirs(one) for one in images]))
    for which in (ours, theirs):
        assert abs(which.any((1, 2)).float().mean() - 0.5) < 0.03
    hit = [which[which.any((1, 2))].float() for which in (ours, theirs)]
    areas = [one.mean((1, 2)).sort().values for one in hit]
    assert abs(areas[0].mean() - areas[1].mean()) < 0.01
    quantiles = [one.quantile(torch.tensor([0.1, 0.5, 0.9])) for one in areas]
    assert (quantiles[0] - quantiles[1]).abs().max() < 0.025
    tall = [(one.amax(2).sum(1) / one.amax(1).sum(1)).log() for one in hit]
    assert abs(tall[0].mean() - tall[1].mean()) < 0.08
    assert abs(tall[0].std() - tall[1].std()) < 0.08
    places = [one.mean(0) for one in hit]
    assert (places[0] - places[1]).abs().max() < 0.08


def test_a_rectangle_of_the_image_is_0_and_nothing_else_changes():
    images = torch.rand(50, 3, 20, 30) + 1
    out = erase(images, 1.0, torch.Generator().manual_seed(1))
    for mask in erased(out):
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert mask.sum() == len(rows) * len(columns)
    assert torch.equal(out[~erased(out)[:, None].expand_as(out)], images[~erased(out)[:, None].expand_as(out)])
    assert torch.equal(erase(images, 0.0, torch.Generator()), images)


def test_it_draws_as_much_whatever_the_chance():
    a, b = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    erase(torch.rand(4, 3, 8, 8), 0.0, a)
    erase(torch.rand(4, 3, 16, 8), 0.9, b)
    assert torch.equal(torch.rand(3, generator=a), torch.rand(3, generator=b))
