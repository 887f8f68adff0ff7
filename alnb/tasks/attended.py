"""What is looked at in a trained attention: how much of it falls on the person, whether its critic knows, the maps themselves.

Where the person is, and what they carry, only a world knows (`alnb.datasets.reid.masks`).
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from alnb.datasets import reid
from alnb.learning.augment import normalise
from alnb.learning.modes import evaluating
from alnb.metrics.attention import own_share, share_inside, spearman
from alnb.runs import numpy_stream

LOOKED_AT = 200  # queries whose attention is measured
PAIRS = 3  # shown in Fig. 4
MAP = (32, 16)  # places at which the maps of Fig. 4 are kept


def attended(seen) -> tuple[list, list]:
    """Of each site, where the attention is and where the signal that it passes on is: maps (B, H, W), not negative.

    A spatial agent's attention is A. A channel agent's has no place, so there it is the signal G = X A too, its size averaged
    over channels; so it is without an agent, where A is 1.
    """
    passed = [X if A is None else X * A for X, A in zip(seen.X, seen.A)]
    signal = [G.abs().mean(1) for G in passed]
    spatial = [A is not None and A.shape[1] == 1 for A in seen.A]
    return [A[:, 0] if own else G for A, own, G in zip(seen.A, spatial, signal)], signal


def measured(network, critics, data, *, mean, std, device: str) -> list[dict]:
    """Rows about the attention of a world's test images, shares in percent; critics: None without.

    "attention", a site: share of attention and of the signal inside person and accessories, and `own_share`. "quality", an
    image: its V and its shares, means over the sites. "critic": Spearman's rank correlation of these V with the shares;
    "critic site": the same of each site's own.
    """
    chosen = numpy_stream(0, f"looked at, {data.name}").permutation(len(data.query))[:LOOKED_AT]
    masks = torch.from_numpy(reid.masks(data.name, "query", chosen, tuple(data.query.images.shape[2:]))).to(device)
    person, accessory = masks[:, 0], masks[:, 1]
    with evaluating(network), torch.no_grad():
        seen = network(normalise(data.query.images[chosen].to(device), mean, std))
        maps, signal = attended(seen)
        V = None if critics is None else torch.stack([c(X, A) for c, X, A in zip(critics, seen.X, seen.A)], 1)
    shares = {
        "person": torch.stack([share_inside(one, person) for one in maps], 1),
        "accessory": torch.stack([share_inside(one, accessory) for one in maps], 1),
        "signal": torch.stack([share_inside(one, person) for one in signal], 1),
    }
    area = person.float().mean((1, 2))
    rows, area_of_all = [], 100 * area.mean().item()
    for site, A in enumerate(seen.A):
        inside = {name: 100 * value[:, site].mean().item() for name, value in shares.items()}
        own = {} if A is None else {"own": 100 * own_share(A)}
        rows.append(
            {"kind": "attention", "site": site + 1, **inside, **own, "area": area_of_all, "images": len(chosen)}
        )
    if V is None:
        return rows
    whole = {name: torch.cat([value.mean(1, keepdim=True), value], 1) for name, value in shares.items()}
    values = torch.cat([V.mean(1, keepdim=True), V], 1)
    for site in range(values.shape[1]):
        v = values[:, site]
        found = {f"rho_{name}": spearman(v, value[:, site]) for name, value in whole.items()}
        found |= {
            "rho_lift": spearman(v, whole["person"][:, site] / area.clamp_min(1e-6)),
            "rho_area": spearman(v, area),
        }
        where = {"kind": "critic site", "site": site} if site else {"kind": "critic"}
        rows.append(where | {"V": v.mean().item(), "V_sd": v.std().item(), **found})
    columns = {"V": values[:, 0], "area": 100 * area} | {name: 100 * value[:, 0] for name, value in whole.items()}
    for i in range(len(chosen)):
        rows.append({"kind": "quality", "image": int(chosen[i]), **{k: v[i].item() for k, v in columns.items()}})
    return rows


def example_pairs(data, pairs: int = PAIRS) -> list[tuple[int, int]]:
    """(row of the query, row of the gallery) of the same person in another camera, of `pairs` people, the same for all runs
    on the data."""
    rng, found, people = numpy_stream(0, f"examples, {data.name}"), [], set()
    for query in rng.permutation(len(data.query)).tolist():
        person, camera = int(data.query.ids[query]), int(data.query.cameras[query])
        there = ((data.gallery.ids == person) & (data.gallery.cameras != camera)).nonzero()[:, 0]
        if person not in people and len(there):
            found.append((query, int(there[int(rng.integers(len(there)))])))
            people.add(person)
        if len(found) == pairs:
            break
    return found


def examples(network, data, *, mean, std, device: str, spatial: bool) -> list[dict]:
    """Rows of kind "example": for each image of `example_pairs` the map of its attention, whole numbers to 99 in the order of
    rows, `MAP` places. Spatial: the product of all sites, what is left of a place after the five gates; else the signal of
    the last site, what f is the mean of."""
    rows = []
    for number, pair in enumerate(example_pairs(data)):
        for split, boxes, at in zip(("query", "gallery"), (data.query, data.gallery), pair):
            with evaluating(network), torch.no_grad():
                maps, _ = attended(network(normalise(boxes.images[[at]].to(device), mean, std)))
            sized = [F.interpolate(one[:, None], MAP, mode="bilinear", align_corners=False)[0, 0] for one in maps]
            whole = torch.stack(sized).log().sum(0).exp() if spatial else sized[-1]
            whole = (99 * whole / whole.max().clamp_min(1e-12)).round().int().flatten().tolist()
            rows.append(
                {"kind": "example", "pair": number, "split": split, "row": at, "map": " ".join(map(str, whole))}
            )
    return rows
