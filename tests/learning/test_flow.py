"""Optical flow by name: what is computed is in the frame's own pixels, and what is missing is said."""

import sys

import numpy as np
import pytest
import torch

from alnb.errors import BadRequest
from alnb.learning import flow


def pair(dx=3, dy=-2, size=(64, 96)):
    """A smooth random texture, and the same moved by so many pixels."""
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.uniform(0, 255, (1, 1, size[0] // 4, size[1] // 4))).float()
    scene = torch.nn.functional.interpolate(noise, size, mode="bicubic").clamp(0, 255)[0].byte().expand(3, -1, -1)
    return scene, torch.roll(scene, (dy, dx), (1, 2))


def test_raft_tells_pixels_of_the_frame_whatever_size_it_looks_at(monkeypatch):
    """64 x 96 is looked at at 128 x 192: what the network calls 6 pixels is 3."""
    looked = []

    def network(a, b):
        looked.append(a.shape)
        return [torch.tensor([6.0, -4.0])[None, :, None, None].expand(1, 2, *a.shape[2:])]

    monkeypatch.setattr(flow, "_raft", lambda: network)
    found = flow.estimate("raft", *pair())
    assert looked == [(1, 3, 128, 192)]
    assert found.shape == (64, 96, 2)
    np.testing.assert_allclose(found, np.broadcast_to([3.0, -2.0], found.shape))
    assert flow.estimate("raft", *pair(size=(130, 150))).shape == (130, 150, 2)
    assert looked[1] == (1, 3, 136, 152)  # padded to multiples of eight


def test_raft_is_torchvisions(monkeypatch):
    """With weights at hand it would be this network: built here without, to see that the frames fit it."""
    from torchvision.models.optical_flow import raft_small

    monkeypatch.setattr(flow, "_raft", lambda: raft_small(weights=None).eval())
    assert np.isfinite(flow.estimate("raft", *pair()).astype(float)).all()


def test_dense_inverse_search_finds_what_moves():
    pytest.importorskip("cv2", reason="pip install -e .[flow]")
    found = flow.estimate("dis", *pair()).astype(float)[16:-16, 16:-16].reshape(-1, 2)
    assert np.abs(np.median(found, 0) - [3, -2]).max() < 0.3


def test_what_is_missing_is_said(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(BadRequest, match=r"flow = 'dis' wants OpenCV, which is not installed \(.*pip install"):
        flow.check("dis")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(BadRequest, match="flow = 'raft': RAFT's weights are missing: put https://"):
        flow.check("raft")
    flow.check("exact")
