"""Re-identification's metrics: CMC, mean average precision, mINP.

Every query ranks the gallery by distance. What does not count is taken out of its ranking first: junk (identity -1),
and, by the camera rule, the gallery boxes of the query's own identity in the query's own camera, which are its
neighbours on the same film. Distractors (identity 0) stay: they are wrong answers. A query whose ranking then holds no
match is left out of every mean (Zheng et al., ICCV 2015, and everyone since).

With the matches of a query at ranks r_1 < ... < r_m
- CMC at rank k: the share of queries with r_1 <= k
- AP by rectangles: mean over i of i / r_i (scikit-learn, torchreid, fast-reid, BagTricks)
- AP by trapezoids: mean over i of (i / r_i + (i - 1) / (r_i - 1)) / 2, with 1 for the second term at r_i = 1 (the
  benchmark's own Matlab code, layumi's); a little lower
- INP: m / r_m (Ye et al. 2021)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alnb.errors import BadRequest

if TYPE_CHECKING:
    import torch

JUNK, DISTRACTOR = -1, 0  # as in Market-1501, and in alnb.datasets.reid
RANKS = (1, 5, 10)
DISTANCES = ("euclidean", "cosine")
ESTIMATORS = ("rectangle", "trapezoid")


class Scores(dict):
    """Names to per cent; `said`, which printing shows too, is how they came about."""

    said: str

    def __str__(self):
        return ", ".join(f"{name} {value:.2f}" for name, value in self.items()) + f" ({self.said})"


def evaluate(
    query_features, gallery_features, ids, cameras=None, *, distance: str = "euclidean", ap: str = "rectangle",
    single_shot: bool = False, repetitions: int = 10, seed: int = 0, ranks: tuple[int, ...] = RANKS, chunk: int = 256,
) -> Scores:  # fmt: skip
    """{"rank 1", "rank 5", "rank 10", "mAP", "mINP"} in per cent; `print` also says by which rules.

    query_features (Q, D), gallery_features (G, D): tensors or arrays of finite numbers. ids, cameras: two (Q,) and (G,)
    of whole numbers each; without cameras there is no camera rule. distance "euclidean" takes the features as they are,
    "cosine" normalises them first. ap: the estimator. single_shot: every repetition draws one gallery box of each
    identity that counts, mean over the repetitions (CUHK03's first protocol); AP is then 1 / r_1. Memory grows with
    chunk x G. Equal distances are ranked in the gallery's order.

    BadRequest for shapes that do not fit, and where no query has a match.
    """
    import torch

    values = per_query(query_features, gallery_features, ids, cameras, distance=distance, ap=ap,
                       single_shot=single_shot, repetitions=repetitions, seed=seed, chunk=chunk)  # fmt: skip
    first, valid = values["first"], values["valid"]
    if not bool(valid.any()):
        raise BadRequest(f"none of the {valid.shape[-1]} queries has a match in the gallery that counts")
    found = {f"rank {k}": (first[valid] <= k).double().mean() for k in ranks}
    found |= {"mAP": values["ap"][valid].mean(), "mINP": values["inp"][valid].mean()}
    scores = Scores({name: 100 * float(value) for name, value in found.items()})
    whose = torch.as_tensor(ids[1])
    lost = int((~valid).reshape(-1, valid.shape[-1]).all(0).sum())
    scores.said = ", ".join([
        f"{valid.shape[-1]:,} queries" + f", {lost:,} of them without a match and not counted" * (lost > 0),
        f"{len(whose):,} gallery boxes of which {int((whose == JUNK).sum()):,} junk and "
        f"{int((whose == DISTRACTOR).sum()):,} distractors",
        "no camera rule" if cameras is None else "the own person in the own camera left out",
        "features normalised, cosine" if distance == "cosine" else "features as given, Euclidean",
        f"AP by {ap}s" if not single_shot else f"one gallery box an identity, {repetitions} times",
    ])  # fmt: skip
    return scores


def per_query(
    query_features, gallery_features, ids, cameras=None, *, distance="euclidean", ap="rectangle", single_shot=False,
    repetitions=10, seed=0, chunk=256,
) -> dict[str, torch.Tensor]:  # fmt: skip
    """What `evaluate` takes the means of, of every query: "first" rank of a match int64, "ap" and "inp" in [0, 1]
    float64, "valid" bool: whether there is a match at all (else 0). (Q,), or (repetitions, Q) with single_shot."""
    import torch

    if distance not in DISTANCES:
        raise BadRequest(f"distance = {distance!r}: expected {' or '.join(DISTANCES)}")
    if ap not in ESTIMATORS:
        raise BadRequest(f"ap = {ap!r}: expected {' or '.join(ESTIMATORS)}")
    if chunk < 1 or repetitions < 1:
        raise BadRequest(f"chunk = {chunk}, repetitions = {repetitions}: expected at least 1")
    query, gallery = _features(query_features, gallery_features)
    query_ids, gallery_ids = _numbers("ids", ids, len(query), len(gallery), query.device)
    query_cameras, gallery_cameras = _numbers("cameras", cameras, len(query), len(gallery), query.device)
    if bool((query_ids <= DISTRACTOR).any()):
        raise BadRequest("a query is somebody: identities of queries are above 0 (0: distractor, -1: junk)")
    kept = gallery_ids != JUNK
    if not bool(kept.any()):
        raise BadRequest("the gallery holds junk alone (identity -1)")
    gallery, gallery_ids = gallery[kept], gallery_ids[kept]
    gallery_cameras = gallery_cameras[kept] if gallery_cameras is not None else None
    if distance == "cosine":
        query, gallery = (torch.nn.functional.normalize(each, dim=1) for each in (query, gallery))

    priorities = None
    if single_shot:  # the box of an identity with the smallest number is the one that is drawn
        generator = torch.Generator().manual_seed(seed)
        priorities = torch.rand(repetitions, len(gallery), generator=generator, dtype=torch.float64).to(query.device)
    parts = []
    for start in range(0, len(query), chunk):
        part = slice(start, start + chunk)
        distances = squared_distances(query[part], gallery)
        same = gallery_ids == query_ids[part, None]
        left_out = torch.zeros_like(same)
        if query_cameras is not None:
            left_out = same & (gallery_cameras == query_cameras[part, None])
        if priorities is None:
            parts.append(_summary(match_ranks(distances, same, left_out), ap))
            continue
        drawn = (left_out | ~_drawn(gallery_ids, left_out, one) for one in priorities)
        each = [_summary(match_ranks(distances, same, rest), ap) for rest in drawn]
        parts.append({name: torch.stack([one[name] for one in each]) for name in each[0]})
    return {name: torch.cat([part[name] for part in parts], dim=-1) for name in parts[0]}


def squared_distances(a, b):
    """(n, m) squared Euclidean distances of (n, D) and (m, D), not below 0."""
    return (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp_min(0)


def match_ranks(distances, same, left_out):
    """(q, M) int64: the ranks 1, 2, ... of each query's matches in ascending order, filled up with 0; M the most of any.

    distances (q, G), same (q, G) bool: whose box is a match, left_out (q, G) bool: what does not count. Distances are
    sorted, boxes are not: a match's rank is one more than the number of boxes that are nearer, or as near and before it
    in the gallery. Sorting values alone is twenty times quicker than sorting positions, on a CPU.
    """
    import numpy as np
    import torch

    distances = distances.masked_fill(left_out, torch.inf)
    on_cpu = distances.device.type == "cpu"
    ordered = torch.from_numpy(np.sort(distances.numpy(), axis=1)) if on_cpu else distances.sort(dim=1).values
    hits = same & ~left_out
    number = hits.sum(1)
    rows, columns = hits.nonzero(as_tuple=True)
    place = torch.arange(len(rows), device=rows.device) - (number.cumsum(0) - number)[rows]
    values = distances.new_full((len(distances), max(1, int(number.max()))), torch.inf)
    values[rows, place] = distances[rows, columns]
    nearer = torch.searchsorted(ordered, values)
    ranks = (nearer + 1)[rows, place]
    equal = torch.searchsorted(ordered, values, right=True)[rows, place] - nearer[rows, place]
    for tied in (equal > 1).nonzero()[:, 0].split(256):
        as_near = distances[rows[tied]] == values[rows[tied], place[tied], None]
        before = torch.arange(distances.shape[1], device=rows.device) < columns[tied, None]
        ranks[tied] += (as_near & before).sum(1)
    far = distances.shape[1] + 1
    found = torch.full(values.shape, far, device=rows.device)
    found[rows, place] = ranks
    found = found.sort(dim=1).values
    return found.where(found < far, 0)


def _summary(ranks, ap):
    """first, ap, inp and valid of each query, of its matches' ranks (q, M), filled up with 0."""
    import torch

    total = (ranks > 0).sum(1)
    so_far = torch.arange(1, ranks.shape[1] + 1, device=ranks.device, dtype=torch.float64)
    precision = so_far / ranks.clamp_min(1)
    if ap == "trapezoid":
        before = ((so_far - 1) / (ranks - 1).clamp_min(1)).where(ranks > 1, 1.0)
        precision = (precision + before) / 2
    return {
        "first": ranks[:, 0], "ap": (precision * (ranks > 0)).sum(1) / total.clamp_min(1),
        "inp": total.double() / ranks.amax(1).clamp_min(1), "valid": total > 0,
    }  # fmt: skip


def _drawn(gallery_ids, left_out, priority):
    """(q, G) bool: of each identity the box with the smallest priority among those that count for the query."""
    import torch

    distinct, group = gallery_ids.unique(return_inverse=True)
    masked = priority.where(~left_out, 2.0)
    best = torch.full((len(left_out), len(distinct)), 2.0, dtype=priority.dtype, device=priority.device)
    best.scatter_reduce_(1, group.expand_as(masked), masked, "amin")
    return (masked == best[:, group]) & ~left_out


def _features(query, gallery):
    import torch

    query, gallery = torch.as_tensor(query), torch.as_tensor(gallery)
    if query.ndim != 2 or gallery.ndim != 2 or query.shape[1] != gallery.shape[1]:
        raise BadRequest(
            f"features of queries {tuple(query.shape)} and gallery {tuple(gallery.shape)}: expected (Q, D) and (G, D)"
        )
    if not len(query) or not len(gallery):
        raise BadRequest(f"{len(query)} queries and {len(gallery)} gallery boxes: expected at least one of each")
    for name, each in (("queries", query), ("gallery", gallery)):
        if not bool(torch.isfinite(each).all()):
            raise BadRequest(f"features of the {name} hold NaN or infinity")
    return query.float(), gallery.float()


def _numbers(name, pair, queries, gallery, device):
    import torch

    if pair is None and name == "cameras":
        return None, None
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise BadRequest(f"{name}: expected two, of the queries and of the gallery")
    found = [torch.as_tensor(each) for each in pair]
    if [tuple(each.shape) for each in found] != [(queries,), (gallery,)]:
        shapes = " and ".join(str(tuple(each.shape)) for each in found)
        raise BadRequest(f"{name} {shapes}: expected ({queries},) and ({gallery},), one for every feature")
    if any(each.is_floating_point() or each.is_complex() for each in found):
        raise BadRequest(f"{name} are whole numbers, given {found[0].dtype} and {found[1].dtype}")
    return [each.to(device, torch.int64) for each in found]
