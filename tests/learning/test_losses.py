"""The plain loss: its gradient is that of PyTorch's mean to the bit, its values are one a sample."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from alnb.learning.losses import cross_entropy
from tests.learning.toy import generator


@settings(deadline=None)
@given(b=st.integers(1, 300), c=st.integers(2, 120), scale=st.sampled_from([0.1, 1.0, 30.0]), seed=st.integers(0, 99))
def test_the_mean_of_the_values_has_the_gradient_of_the_fused_mean_bit_for_bit(b, c, scale, seed):
    logits = (scale * torch.randn(b, c, generator=generator(seed))).requires_grad_()
    y = torch.randint(c, (b,), generator=generator(seed + 1))
    ours, theirs = cross_entropy(logits, y, 0, torch.arange(b)).mean(), F.cross_entropy(logits, y)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    (a,), (b) = torch.autograd.grad(ours, logits), torch.autograd.grad(theirs, logits)[0]
    assert torch.equal(a, b)


def test_a_value_is_what_the_sample_costs_alone_also_one_of_many_pixels():
    logits, y = torch.randn(6, 4, generator=generator(1)), torch.randint(4, (6,), generator=generator(2))
    each = cross_entropy(logits, y, 3, None)
    assert each.shape == (6,)
    assert each.tolist() == pytest.approx([F.cross_entropy(logits[[i]], y[[i]]).item() for i in range(6)], rel=1e-5)
    maps, masks = torch.randn(3, 4, 5, 2, generator=generator(3)), torch.randint(4, (3, 5, 2), generator=generator(4))
    each = cross_entropy(maps, masks, 0, None)
    assert each.shape == (3,)
    assert each.tolist() == pytest.approx([F.cross_entropy(maps[[i]], masks[[i]]).item() for i in range(3)], rel=1e-5)
    soft = logits.softmax(1)
    assert cross_entropy(logits, soft, 0, None).tolist() == pytest.approx(
        (-(soft * logits.log_softmax(1)).sum(1)).tolist(), rel=1e-5
    )
