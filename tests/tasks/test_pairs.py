"""Re-identification by pairs: what is known of answers against brute force, the fine-tuning's loss and its reach, density."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alnb.errors import BadRequest
from alnb.learning import reid
from alnb.learning.augment import normalise
from alnb.learning.logistic import logistic
from alnb.learning.optimisers import Adam
from alnb.methods import reid_human_in_the_loop as dral
from alnb.tasks.pair_answers import Answers
from alnb.tasks.pair_views import Graph, Look
from alnb.tasks.pairs import Pairs
from tests.methods.test_reid_human_in_the_loop import RACE, TINY

# --- answers --------------------------------------------------------------------------------------------------------------------

PAIRS = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.booleans()).filter(lambda a: a[0] != a[1]), max_size=25
)


@given(PAIRS)
def test_masks_and_partners_are_the_answers_looked_up(given_):
    known, told = Answers(8), {}
    for i, j, same in given_:
        known.add(i, j, same)
        told[frozenset((i, j))] = same
    rows = [3, 1, 7, 0]
    positive, negative = known.masks(rows)
    for a, i in enumerate(rows):
        for b, j in enumerate(rows):
            said = told.get(frozenset((i, j))) if i != j else None
            assert (bool(positive[a, b]), bool(negative[a, b])) == (said is True, said is False)
    assert len(known) == len(told)
    both = {
        i: tuple([j for j in range(8) if told.get(frozenset((i, j))) is yes and j != i] for yes in (True, False))
        for i in range(8)
    }
    assert known.partners() == {i: lists for i, lists in both.items() if lists[0] and lists[1]}


def implied(given_, size):
    """What follows from answers, to a fixed point: no answer is ever overruled."""
    known = {}
    for i, j, same in given_:
        known[i, j] = known[j, i] = same
    group = [{i} for i in range(size)]
    for (i, j), same in known.items():
        if same and group[i] is not group[j]:
            joined = group[i] | group[j]
            for one in joined:
                group[one] = joined
    found = {(i, j): True for i in range(size) for j in group[i] if i != j}
    for (i, j), same in known.items():
        if not same and group[i] is not group[j]:
            found |= {pair: False for a in group[i] for b in group[j] for pair in ((a, b), (b, a))}
    return found | known


@given(PAIRS)
def test_with_closure_what_follows_is_known_and_no_answer_is_overruled(given_):
    known = Answers(8, closure=True)
    for i, j, same in given_:
        known.add(i, j, same)
    positive, negative = known.masks(range(8))
    right = implied(given_, 8)
    for i, j in itertools.product(range(8), repeat=2):
        assert (bool(positive[i, j]), bool(negative[i, j])) == (right.get((i, j)) is True, right.get((i, j)) is False)


def test_an_annotator_who_contradicts_himself_is_taken_at_his_last_word():
    known = Answers(3)
    known.add(0, 1, True)
    known.add(1, 0, False)
    assert (known.get(0, 1), len(known)) == (False, 1)
    with pytest.raises(BadRequest, match="box 2 is asked about itself"):
        known.add(2, 2, True)


# --- fine-tuning ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def task():
    return Pairs(dral.grid(RACE | {"arms": ["random"]}, **TINY | {"mirror": False, "tune_steps": 1})[0])


def test_one_step_is_the_gradient_of_equation_2_on_known_pairs_alone(task):
    """Anchor 0 knows 1 to be the same and 2, 3 to be others; 4 and 5 are unknown to all and stay out of the batch."""
    known = Answers(task.size)
    for one, other, same in [(0, 1, True), (0, 2, False), (0, 3, False), (4, 5, True)]:
        known.add(one, other, same)
    ours, plain = task.build(4), task.build(4)
    optimiser = Adam(plain.parameters(), task.options.tune_lr)
    told = task.tune(ours, known, 0)
    plain.train()
    x = task.boxes.images[[0, 1, 2, 3]]
    features = torch.nn.functional.normalize(plain.pooled(normalise(x, task.data.mean, task.data.std)), dim=1)
    d = (features[0] - features).detach().norm(dim=1).tolist()
    nearest = 2 + int(d[2] > d[3])
    loss = (features[0] - features[1]).norm() - (features[0] - features[nearest]).norm() + task.options.margin
    loss.clamp_min(0).backward()
    optimiser.step()
    assert told == {"anchors": 1, "loss": pytest.approx(max(0, d[1] - min(d[2:]) + task.options.margin), abs=1e-4)}
    for (name, a), (_, b) in zip(ours.named_parameters(), plain.named_parameters()):
        # Adam's first update is lr times the sign of the gradient: where that is nothing, rounding decides
        assert float(((a - b).abs() > 2e-5).float().mean()) < 0.01, name
    assert not ours.training


def test_refusals_alone_teach_nothing_and_move_nothing(task):
    known, network = Answers(task.size), task.build(4)
    for other in range(1, 9):
        known.add(0, other, False)
    before = [p.clone() for p in network.parameters()]
    assert task.tune(network, known, 0) == {"anchors": 0}
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters()))


def test_a_source_model_leaves_its_head_behind(task):
    network = task.build(16)
    assert task.restore(network.state_dict()).head.out_features == task.boxes.identities
    with pytest.raises(BadRequest, match="another network: they hold extra"):
        task.restore(network.state_dict() | {"extra": torch.zeros(1)})


# --- what is looked at ----------------------------------------------------------------------------------------------------------


def test_features_have_length_one_or_no_correlation(task):
    network = task.build(4)
    assert task.features(network).norm(dim=1).tolist() == pytest.approx([1.0] * task.size, abs=1e-5)
    object.__setattr__(task.options, "metric", "whitened")
    try:
        x = torch.randn(400, 5, generator=torch.Generator().manual_seed(1)) * torch.tensor([1.0, 2, 3, 4, 5])
        white = task._measured(x)
        assert torch.allclose(torch.cov(white.T), torch.eye(5), atol=1e-3)
        difference = (x[0] - x[1]).double()
        mahalanobis = (difference @ torch.linalg.inv(torch.cov(x.double().T)) @ difference).sqrt()
        assert float((white[0] - white[1]).norm()) == pytest.approx(float(mahalanobis), rel=1e-3)
        assert set(task.evaluate(network)) == {"mAP", "rank 1", "rank 5", "rank 10", "mINP"}
    finally:
        object.__setattr__(task.options, "metric", "euclidean")


def test_the_nearest_are_the_nearest_and_the_logistic_is_a_logistic(task):
    network = task.build(4)
    fitted = task.matches(network, 8)
    look = Look(task, network, fitted)
    boxes, distance = look.nearest(5, 10)
    d = np.linalg.norm(look.features.numpy() - look.features[5].numpy(), axis=1)
    assert boxes[0] == 5
    assert d[boxes[1:]].tolist() == pytest.approx(sorted(d)[1:11], abs=1e-5)
    assert torch.allclose(distance, reid.distances(look.features[boxes]), atol=2e-3)
    p = look.log_probabilities(torch.tensor([0.1, 0.9])).exp()
    assert torch.allclose(p.sum(1), torch.ones(2))
    assert float(p[0, 1]) == pytest.approx(1 / (1 + np.exp(-(fitted["intercept"] + 0.1 * fitted["slope"]))))
    votes = look.committee(4, 5, boxes[1:])
    assert votes.shape == (4, 10)
    assert votes[0].tolist() == (look.log_probabilities(distance[0, 1:]).argmax(1)).tolist()


def test_queries_without_a_match_fit_no_logistic(task, monkeypatch):
    """Where nobody of the queries is in the gallery, and where everybody is one person."""
    network, data = task.build(4), task.data
    for ids in (data.gallery.ids + 10_000, torch.zeros_like(data.gallery.ids)):
        query = data.query if ids.any() else dataclasses.replace(data.query, ids=torch.zeros_like(data.query.ids))
        cameras = torch.full_like(data.gallery.cameras, 99)
        gallery = dataclasses.replace(data.gallery, ids=ids, cameras=cameras)
        monkeypatch.setattr(task, "data", dataclasses.replace(data, query=query, gallery=gallery))
        with pytest.raises(BadRequest, match="are all of one answer; no logistic fits"):
            task.matches(network, 8)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 14), st.integers(1, 4), st.integers(1, 6))
def test_density_is_the_mean_weight_of_a_boxs_edges(seed, n, neighbours, chunk):
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))
    graph = Graph(x, neighbours, chunk)
    d = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    near = [sorted((j for j in range(n) if j != i), key=lambda j: float(d[i, j]))[:neighbours] for i in range(n)]
    edges = [[j for j in range(n) if j != i and (j in near[i] or i in near[j])] for i in range(n)]
    scale = np.mean([float(d[i, j]) for i in range(n) for j in edges[i]])
    weight = lambda i, j: np.exp(-(float(d[i, j]) ** 2) / (2 * scale**2))
    right = [np.mean([weight(i, j) for j in edges[i]]) for i in range(n)]
    assert graph.density.tolist() == pytest.approx(right, abs=1e-4)
    graph.asked(2)
    left = [right[i] - right[2] * (i == 2 or i in edges[2]) for i in range(n)]
    assert graph.density.tolist() == pytest.approx(left, abs=1e-4)


def test_the_logistic_is_scikit_learns():
    from sklearn.linear_model import LogisticRegression

    rng = torch.Generator().manual_seed(0)
    d = torch.rand(500, generator=rng)
    same = torch.rand(500, generator=rng) < torch.sigmoid(3 - 8 * d)
    theirs = LogisticRegression(C=1e6, tol=1e-10, max_iter=1000).fit(d[:, None].numpy(), same.numpy())
    assert logistic(d, same) == pytest.approx((theirs.intercept_[0], theirs.coef_[0, 0]), rel=1e-3)
    intercept, slope = logistic(d, d < 0.5)  # they part: finite, and steep
    assert -intercept / slope == pytest.approx(0.5, abs=0.02)
    assert -1e4 < slope < -50
