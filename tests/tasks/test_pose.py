"""Pose: heat maps, their peaks, the loss and what moves with an image, against arithmetic done here."""

from __future__ import annotations

import math

import pytest
import torch

from alnb.datasets.poses import JOINTS, MIRRORED
from alnb.errors import BadRequest
from alnb.methods import learning_to_rank
from alnb.runs import Run
from alnb.tasks import pose

TINY = {"pool": 20, "network": "pose_small", "batch": 4, "smallest_batch": 2, "epochs": 1, "optimiser": "adam", "lr": 0.01}


def run(method="random", **settings):
    return Run("learning_to_rank", "figures", method, 0, TINY | {"initial": 6, "budget": 4, "cycles": 1} | settings)


def test_a_heat_map_is_a_bell_about_the_nearest_position_and_nothing_beyond_three_deviations():
    joints = torch.full((1, 16, 2), 30.0)
    joints[0, 0] = torch.tensor([9.9, 18.1])  # positions 2.475 and 4.525: at 2 and 5
    joints[0, 1] = torch.tensor([-40.0, 10.0])
    visible = torch.ones(1, 16, dtype=torch.bool)
    visible[0, 2] = False
    maps, weight = pose.heatmaps(joints, visible, 16, 4.0, 1.0)
    assert maps[0, 0, 5, 2] == 1
    assert float(maps[0, 0, 6, 4]) == pytest.approx(math.exp(-5 / 2))
    assert float(maps[0, 0, 5, 5]) == pytest.approx(math.exp(-9 / 2))
    assert maps[0, 0, 5, 6] == 0
    assert weight[0, :4].tolist() == [1, 0, 0, 1]
    assert float(maps[0, 1:3].abs().sum()) == 0


def test_a_peak_is_found_a_quarter_towards_its_larger_neighbour():
    maps = torch.zeros(1, 16, 5, 6)
    maps[0, 0, 2, 3], maps[0, 0, 2, 4], maps[0, 0, 1, 3] = 1.0, 0.5, 0.2
    maps[0, 1, 0, 0], maps[0, 1, 1, 0] = 1.0, 0.5  # at the corner: no neighbour, no step
    found = pose.located(maps)
    assert found[0, 0].tolist() == [3.25, 1.75]
    assert found[0, 1].tolist() == [0, 0]


def test_the_entropies_that_explain_why_they_fail():
    """A flat map of 64 x 64 has log 4096 = 8.3178 nats; a sure peak takes less than three thousandths off it."""
    maps, _ = pose.heatmaps(torch.full((1, 16, 2), 128.0), torch.ones(1, 16, dtype=torch.bool), 64, 4.0, 2.0)
    assert float(pose.entropies(torch.zeros(1, 16, 64, 64))) == pytest.approx(math.log(4096))
    assert float(pose.entropies(maps)) == pytest.approx(8.3154, abs=2e-4)


def test_the_loss_is_half_the_mean_square_over_what_is_annotated():
    g = torch.Generator().manual_seed(0)
    out, target = torch.rand(2, 16, 3, 3, generator=g), torch.rand(2, 16, 3, 3, generator=g)
    weight = torch.ones(2, 16)
    weight[1, 4:] = 0
    each = pose.squared_error(out, (target, weight), 0, None)
    assert float(each[0]) == pytest.approx(float((out[0] - target[0]).square().mean() / 2), rel=1e-5)
    assert float(each[1]) == pytest.approx(float((out[1, :4] - target[1, :4]).square().mean() / 2 * 4 / 16), rel=1e-5)


def test_joints_move_with_their_image():
    """A bright square is drawn about one joint; after any mirror, turn and scale it is still where the joint is said to be, and
    right has become left in the mirror."""
    joints = torch.full((1, 16, 2), 32.0)
    joints[0, 10] = torch.tensor([20.0, 40.0])
    images = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    images[..., 38:42, 18:22] = 255
    visible = torch.ones(1, 16, dtype=torch.bool)
    for mirrored in (False, True):
        for turn, factor in ((0.0, 1.0), (0.5, 1.0), (-0.4, 1.2)):
            given = torch.tensor([mirrored]), torch.tensor([turn]), torch.tensor([factor])
            image, moved, _ = pose.moved(images, joints, visible, *given)
            light = image[0, 0].float()
            at = torch.arange(64) + 0.5
            middle = torch.stack([(light.sum(0) * at).sum(), (light.sum(1) * at).sum()]) / light.sum()
            assert torch.allclose(moved[0, 15 if mirrored else 10], middle, atol=0.3)
    assert [JOINTS[j].replace("left", "right") for j in MIRRORED] == [j.replace("left", "right") for j in JOINTS]
    assert all(MIRRORED[MIRRORED[j]] == j for j in range(16))


def test_it_trains_with_a_module_and_shows_what_it_offers():
    task = learning_to_rank.task_of("pose")(run("ll4al", joint=0.5))
    labels = task.labels(range(6), {0: [None] * 16})
    assert not labels[1][0].any()
    network, _ = task.train(range(6), labels, 0)
    view = task.look(network, 0, list(range(6, 20)), list(range(6)), labels, None)
    assert view.predicted_losses.shape == view.heatmap_entropies.shape == (14,)
    assert view.embeddings.shape == (14, 64)
    free, losses = task.judged(network, list(range(6, 20)))
    assert torch.allclose(free["_entropy"], view.heatmap_entropies)
    assert losses.shape == (14,)
    assert 0 <= task.evaluate(network)["PCKh@0.5"] <= 100
    assert task.cost([0, 1])["joints"] <= 32
    with pytest.raises(BadRequest, match="expected sixteen joints"):
        task.labels([0], {0: [(1, 2)]})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"network": "small"}, "network = 'small': expected one of"),
        ({"weights": "imagenet"}, "'pose_small' has no weights of ImageNet"),
        ({"dropout": 0.5}, "a pose has no class and its network no dropout"),
        ({"heat": 0.0}, "expected above 0"),
        ({"pool": 2001}, "figures has 2000"),
        ({"initial_labels": "balanced"}, "a pose has no class"),
    ],
)
def test_what_cannot_be_is_refused(settings, said):
    one = run(**settings)
    with pytest.raises(BadRequest, match=said):
        pose.check(one.options, one.dataset)


def test_a_module_is_trained_by_a_rate_and_milestones_of_its_own():
    """L2R-AL sec. IV-C: SGD from 0.05, 0.005 after 110 of 140 epochs, whatever the target's rate."""
    about = {"epochs": 140, "module_optimiser": "sgd", "module_lr": 0.05, "module_milestones": (110 / 140,), "joint": 0.5}
    task = learning_to_rank.task_of("pose")(run("ll4al", **about))
    beside = task.loss(task.build(0), 0)
    assert [round(beside.rate(epoch), 6) for epoch in (0, 109, 110, 139)] == [0.05, 0.05, 0.005, 0.005]
    assert type(beside.optimiser).__name__ == "SGD"
    with pytest.raises(BadRequest, match="module_milestones"):
        learning_to_rank.check(run("ll4al", module_milestones=(1.5,)))
