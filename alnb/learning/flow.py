"""How the image moves from one frame to the next: dense optical flow, by name.

`exact` is what a generated world knows of itself. `dis` is OpenCV's dense inverse search, `raft` torchvision's small RAFT; both
stand in for the PWC-Net of thesis ch. 2, whose weights no package ships. A flow is (H, W, 2), pixels x y.
"""

from __future__ import annotations

import functools

from alnb.errors import BadRequest

FLOWS = ("exact", "dis", "raft")
EXTRA = "opencv-python-headless: pip install -e .[flow]"


def check(name: str) -> None:
    """BadRequest where what estimates the flow `name` is not here: OpenCV, or the weights of RAFT."""
    if name == "dis":
        _opencv()
    elif name == "raft":
        _raft_weights()


def estimate(name: str, a, b):
    """(H, W, 2) half precision: from image a to image b, (3, H, W) uint8 tensors of one size. BadRequest as `check`."""
    return {"dis": dis, "raft": raft}[name](a, b)


def dis(a, b):
    """OpenCV's dense inverse search, preset `fast` (Kroeger et al., ECCV 2016)."""
    cv2 = _opencv()
    grey = [cv2.cvtColor(image.permute(1, 2, 0).contiguous().numpy(), cv2.COLOR_RGB2GRAY) for image in (a, b)]
    return cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(*grey, None).astype("float16")


def raft(a, b):
    """torchvision's small RAFT (Teed and Deng, ECCV 2020) on frames of at least 128 pixels a side, padded to multiples of 8."""
    import torch
    from torch.nn.functional import interpolate, pad

    network, (_, high, wide) = _raft(), a.shape
    scale = max(1.0, 128 / min(high, wide))  # its pyramid of correlations wants so many
    size = round(high * scale), round(wide * scale)
    with torch.no_grad():
        pair = interpolate(torch.stack([a, b]).float() / 127.5 - 1, size, mode="bilinear", align_corners=False)
        pair = pad(pair, (0, -size[1] % 8, 0, -size[0] % 8), mode="replicate")
        found = network(pair[:1], pair[1:])[-1][:, :, : size[0], : size[1]]
        found = interpolate(found, (high, wide), mode="bilinear", align_corners=False)[0]
    found = found * torch.tensor([wide / size[1], high / size[0]])[:, None, None]
    return found.permute(1, 2, 0).numpy().astype("float16")


def _opencv():
    try:
        import cv2
    except ImportError:
        raise BadRequest(f"flow = 'dis' wants OpenCV, which is not installed ({EXTRA})") from None
    return cv2


def _raft_weights():
    """torchvision's weights, their file on disk; BadRequest where it is not: nothing is fetched unasked."""
    from pathlib import Path

    import torch
    from torchvision.models.optical_flow import Raft_Small_Weights

    known = Raft_Small_Weights.DEFAULT
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(known.url).name
    if not path.is_file():
        raise BadRequest(f"flow = 'raft': RAFT's weights are missing: put {known.url} at {path}")
    return known


@functools.lru_cache(maxsize=1)
def _raft():
    from torchvision.models.optical_flow import raft_small

    return raft_small(weights=_raft_weights(), progress=False).eval()  # reads that file


def sampled(flow, points):
    """(n, 2) the flow (H, W, 2) at points (n, 2) x y, bilinear; pixel i covers i to i + 1, outside is the nearest pixel."""
    import numpy as np

    limit = np.array([flow.shape[1] - 1, flow.shape[0] - 1])
    at = (np.asarray(points, dtype=float) - 0.5).clip(0, limit)
    low = np.floor(at).astype(int).clip(0, np.maximum(limit - 1, 0))
    high, (u, v) = np.minimum(low + 1, limit), (at - low).T[..., None]
    corner = lambda x, y: flow[y[:, 1], x[:, 0]].astype(float)
    top = corner(low, low) * (1 - u) + corner(high, low) * u
    bottom = corner(low, high) * (1 - u) + corner(high, high) * u
    return top * (1 - v) + bottom * v
