"""SCAL: its rewards, losses and routing, and its study."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from alnb import published
from alnb.audits import scal as audits
from alnb.datasets import reid
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.learning import attention, augment
from alnb.methods import scal_runs
from alnb.methods import self_critical_attention as scal
from alnb.runs import Run
from alnb.store import Store
from alnb.tasks import attended, identities

DATA = "pedestrians-tiny"
TINY = {"network": "reid_small", "weights": "random", "height": 32, "width": 16, "identities": 4, "images": 2, "crop": 2,
        "epochs": 2, "lr": 2e-3, "reduction": 4}  # fmt: skip


def run(arm="spatial_critic", seed=0, **settings):
    return Run(scal.STUDY.name, DATA, arm, seed, TINY | settings)


def players(arm="spatial_critic", **settings):
    return scal.players(run(arm, **settings), 6, "cpu")[0]


def retrieval_of(network, data):
    return identities.retrieved(network, data, mean=data.mean, std=data.std, device="cpu", flip=True)


def batch(n=8, seed=0):
    images = torch.randn(n, 3, 32, 16, generator=torch.Generator().manual_seed(seed))
    return images, torch.arange(n) // 2


def copies(parameters):
    return [p.detach().clone() for p in parameters]


def moved(before, parameters):
    return [not torch.equal(a, b) for a, b in zip(before, parameters)]


# --- rewards and losses -----------------------------------------------------------------------------------------------


def test_rewards_are_equations_4_and_5():
    """By hand: right and better; right but no better; wrong though better; wrong and worse."""
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0], [1.0, 0.5], [1.0, 0.0]])
    without = torch.tensor([[1.0, 0.0], [2.0, 0.0], [1.0, 0.0], [1.0, 0.9]])
    R_c, R_a = scal.rewards(logits, without, torch.tensor([0, 0, 1, 1]))
    assert R_c.tolist() == [1, 1, 0, 0]
    assert R_a.tolist() == [1, 0, 1, 0]  # equal is no gain


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.7])
def test_the_classification_loss_is_pytorchs(epsilon):
    logits, y = torch.randn(9, 5), torch.randint(5, (9,))
    theirs = F.cross_entropy(logits, y, label_smoothing=epsilon)
    assert scal.classification_loss(logits, y, epsilon).item() == pytest.approx(theirs.item(), rel=1e-5)


@pytest.mark.parametrize("squared", [False, True])
def test_the_triplet_loss_is_the_hardest_of_all_triplets(squared):
    f, y = torch.randn(12, 4), torch.arange(12) // 3
    worst = []
    for i in range(12):
        gaps = []
        for p in range(12):
            for n in range(12):
                if p != i and y[p] == y[i] and y[n] != y[i]:
                    apart = [(f[i] - f[j]).norm().item() ** (2 if squared else 1) for j in (p, n)]
                    gaps.append(max(0.0, apart[0] - apart[1] + 0.3))
        worst.append(max(gaps))
    assert scal.triplet_loss(f, y, 0.3, squared).item() == pytest.approx(np.mean(worst), rel=1e-4)


def test_the_value_loss_is_equation_12_by_hand():
    critics = [lambda X, A: X.mean((1, 2, 3)) + A.sum(), lambda X, A: X.amax((1, 2, 3))]
    X, A = [torch.full((2, 1, 1, 1), 1.0), torch.full((2, 1, 1, 1), 3.0)], [torch.ones(1), torch.ones(1)]
    loss, V = scal.value_loss(critics, X, A, torch.tensor([[1.0], [2.0]]))
    assert V.tolist() == [[2, 3], [2, 3]]
    assert loss.item() == pytest.approx((1 + 4 + 0 + 1) / 4)


# --- the routing of algorithm 1 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("arm", ["spatial_critic", "channel_critic"])
def test_which_loss_reaches_which_player(arm):
    """J_cls and J_tri: psi and theta. J_cri: theta (and what it needs of phi, which is not moved by it). J_mse: phi."""
    made, (x, y) = players(arm), batch()
    seen = made.network(x)
    losses = {
        "J_cls": scal.classification_loss(seen.logits, y, 0.1), "J_tri": scal.triplet_loss(seen.f, y, 0.3),
        "J_cri": scal.critic_loss(made.network, made.critics, seen.X),
        "J_mse": scal.value_loss(made.critics, seen.X, seen.A, torch.ones(8, 1))[0],
    }  # fmt: skip
    players_ = {"psi": made.network.psi, "theta": made.network.theta, "phi": list(made.critics.parameters())}
    reached = {}
    for name, loss in losses.items():
        for player, parameters in players_.items():
            found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            reached[name, player] = sum(g is not None and bool(g.abs().sum() > 0) for g in found)
    assert reached["J_tri", "psi"] > 0
    assert reached["J_cls", "psi"] == len(players_["psi"])
    assert reached["J_cls", "theta"] == reached["J_tri", "theta"] == reached["J_cri", "theta"] == 10
    assert reached["J_cri", "psi"] == reached["J_mse", "psi"] == reached["J_mse", "theta"] == 0
    assert reached["J_cls", "phi"] == reached["J_tri", "phi"] == 0
    assert reached["J_mse", "phi"] >= len(players_["phi"]) - 5  # a branch may be silent at first


def test_each_critic_moves_the_agent_of_its_own_site_alone():
    made, (x, _) = players(), batch()
    X = made.network(x).X
    for site in range(5):
        value = made.critics[site](X[site].detach(), made.network.agents[site](X[site].detach())).mean()
        for other in range(5):
            found = torch.autograd.grad(
                value, list(made.network.agents[other].parameters()), retain_graph=True, allow_unused=True
            )
            assert all(g is not None for g in found) == (other == site)


def test_an_update_moves_psi_without_the_critic_and_phi_without_the_task():
    """The same step with and without the weight of J_cri: psi and phi end in the same bits, theta does not."""
    ends = {}
    for weight in (0.0, 0.3):
        made = players(critic_weight=weight, weight_decay=0.0)
        options, arm = run(critic_weight=weight, weight_decay=0.0).options, scal_runs.ARMS["spatial_critic"]
        scal.update(made, *batch(), options, arm, torch.Generator())
        ends[weight] = (copies(made.network.psi), copies(made.network.theta), copies(made.critics.parameters()))
    psi, theta, phi = zip(*ends.values())
    assert not any(moved(*psi))
    assert sum(moved(*theta)) > 5  # Adam's first step knows but the signs
    assert not any(moved(*phi))


def test_an_update_moves_every_player():
    made = players(weight_decay=0.0)
    before = [copies(some) for some in (made.network.psi, made.network.theta, made.critics.parameters())]
    told = scal.update(made, *batch(), run().options, scal_runs.ARMS["spatial_critic"], torch.Generator())
    after = (made.network.psi, made.network.theta, made.critics.parameters())
    assert all(any(moved(a, b)) for a, b in zip(before, after))
    assert not made.network.neck.bias.any()  # frozen
    assert {"J_cls", "J_tri", "J_cri", "J_mse", "R_sd", "V_R"} <= set(told)
    assert told["R"].item() == pytest.approx((told["R_c"] + told["R_a"]).item())
    assert told["R_c"] == told["right"]


def test_the_placebos_teach_the_critic_something_else():
    """Permuted: the same rewards on other images; constant: 1 for all. The task's losses are the same bits."""
    told = {name: scal.update(players(name), *batch(), run(name).options, scal_runs.ARMS[name], torch.Generator().manual_seed(0))
            for name in ("spatial_critic", "spatial_permuted", "spatial_constant")}  # fmt: skip
    assert len({one["J_mse"].item() for one in told.values()}) == 3
    assert len({(one["J_cls"].item(), one["J_tri"].item(), one["R"].item()) for one in told.values()}) == 1


def test_all_arms_of_a_seed_begin_with_the_same_psi():
    begun = [scal.untrained(run(arm), 6)[0] for arm in scal_runs.ARMS]
    for network in begun[1:]:
        assert not any(moved(begun[0].psi, network.psi))
    theta = [scal.untrained(run(arm), 6)[0].theta for arm in ("spatial", "spatial_critic")]
    assert not any(moved(*theta))
    assert all(moved(begun[0].psi[:1], scal.untrained(run("spatial", again=1), 6)[0].psi[:1]))


# --- the reference pass -----------------------------------------------------------------------------------------------


def test_the_reference_pass_has_no_attention_and_leaves_no_trace():
    made, (x, _) = players(), batch()
    network = made.network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    (found,) = scal.without_attention(network, x, "ones", "batch")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not found.requires_grad
    plain = scal.untrained(run("label_smoothing"), 6)[0].train()
    assert torch.allclose(found, plain(x).logits, atol=1e-5)
    (running,) = scal.without_attention(network, x, "ones", "running")
    assert torch.allclose(running, scal.untrained(run("label_smoothing"), 6)[0].eval()(x).logits, atol=1e-5)
    assert not torch.allclose(running, found, atol=1e-3)
    assert network.training


def test_the_other_references():
    made, (x, _) = players("channel_critic"), batch()
    network = made.network.eval()
    left_out = scal.without_attention(network, x, "leave_one_out", "running")
    assert len(left_out) == 5
    with torch.no_grad():
        third = network(x, lambda site, A: torch.ones_like(A) if site == 2 else A).logits
        mean = network(x, lambda site, A: torch.ones_like(A) * A.mean((1, 2, 3), keepdim=True)).logits
    assert torch.equal(left_out[2], third)
    assert torch.allclose(scal.without_attention(network, x, "mean", "running")[0], mean, atol=1e-6)
    how, (x, y) = {"reference": "leave_one_out"}, batch()
    arm, options = scal_runs.ARMS["channel_critic"], run("channel_critic", **how).options
    network = players("channel_critic", **how).network.train()
    with torch.no_grad(), attention.batch_statistics(network):
        p = lambda gate: network(x, gate).logits.softmax(1)[range(len(y)), y]
        each = [(p(lambda s, A: A) > p(lambda s, A, n=n: torch.ones_like(A) if s == n else A)).float() for n in range(5)]
    told = scal.update(players("channel_critic", **how), x, y, options, arm, torch.Generator())
    assert float(told["R_a"]) == pytest.approx(float(torch.stack(each).mean()))  # of five rewards an image
    assert len({float(one.mean()) for one in each}) > 1


# --- gradients, maps, correlations --------------------------------------------------------------------------------------


def test_the_gradient_norms_are_those_of_backward_and_leave_no_trace():
    made, (x, y) = players(), batch()
    before = {name: value.clone() for name, value in made.network.state_dict().items()}
    rows = scal.gradients(made, x, y, run().options, scal_runs.ARMS["spatial_critic"])
    assert all(torch.equal(value, before[name]) for name, value in made.network.state_dict().items())
    (0.3 * scal.critic_loss(made.network, made.critics, made.network(x).X)).backward()
    for row, agent in zip(rows, made.network.agents):
        norm = torch.cat([p.grad.flatten() for p in agent.parameters()]).norm().item()
        assert row["J_cri"] == pytest.approx(norm, rel=1e-4)
        assert row["J_cls"] > 0
    assert "J_cri" not in scal.gradients(players("channel"), x, y, run().options, scal_runs.ARMS["channel"])[0]


class Looking(torch.nn.Module):
    """A network of one site, that attends to every image's places at random; `at` is what it was shown last."""

    def forward(self, x):
        rng = torch.Generator().manual_seed(1)
        self.at, A = x, torch.rand(len(x), 1, *x.shape[2:], generator=rng)
        return SimpleNamespace(X=[torch.ones(len(x), 2, *x.shape[2:])], A=[A])


def test_a_critic_that_knows_the_masks_has_rank_correlation_one_and_one_with_others_masks_has_not():
    data = reid.load(DATA, size=(32, 16))
    look = {"mean": data.mean, "std": data.std, "device": "cpu"}
    network, every = Looking(), augment.normalise(data.query.images, data.mean, data.std)
    person = torch.from_numpy(reid.masks(DATA, "query", range(len(every)), (32, 16)))[:, 0].float()

    def inside(X, A, moved=0):
        rows = torch.cdist(network.at.flatten(1), every.flatten(1)).argmin(1)
        mask = person[rows].roll(moved, 0)
        return (A[:, 0] * mask).sum((1, 2)) / A[:, 0].sum((1, 2))

    rows = attended.measured(network, [inside], data, **look)
    (critic,) = (row for row in rows if row["kind"] == "critic")
    assert critic["rho_person"] == pytest.approx(1)
    shares = [row["person"] for row in rows if row["kind"] == "quality"]
    assert shares == pytest.approx([100 * row["V"] for row in rows if row["kind"] == "quality"], abs=1e-3)
    (site,) = (row for row in rows if row["kind"] == "attention")
    assert site["person"] == pytest.approx(np.mean(shares))
    assert site["area"] == pytest.approx(100 * float(person[[row["image"] for row in rows if row["kind"] == "quality"]].mean()))
    (other,) = (row for row in attended.measured(network, [lambda X, A: inside(X, A, 1)], data, **look) if row["kind"] == "critic")
    assert abs(other["rho_person"]) < 0.6


def test_example_pairs_are_one_person_in_two_cameras():
    data = reid.load(DATA, size=(32, 16))
    pairs = attended.example_pairs(data)
    assert len(pairs) == 3
    assert pairs == attended.example_pairs(data)
    for query, gallery in pairs:
        assert data.query.ids[query] == data.gallery.ids[gallery]
        assert data.query.cameras[query] != data.gallery.cameras[gallery]


# --- the study ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    runs = scal.grid({"dataset": DATA, "arms": ["cross_entropy", "flip", "spatial_critic"]}, **TINY)
    store = Store(tmp_path_factory.mktemp("store"))
    assert not drive(runs, store, workers=1).failed
    return runs, store, store.frame(runs)


def test_a_run_is_one_training_with_one_test(done):
    _, _, frame = done
    tests = frame[frame["kind"] == "test"]
    assert len(tests) == 3
    assert (tests["cycle"] == 1).all()
    assert tests["labelled"].nunique() == 1
    assert tests["mAP"].between(0, 100).all()
    assert set(frame.loc[frame["method"] == "spatial_critic", "kind"]) == {
        "epoch", "gradient", "test", "attention", "critic", "critic site", "quality", "example", "timing"}  # fmt: skip
    assert len(frame[(frame["kind"] == "example")]) == 6
    maps = frame.loc[frame["kind"] == "example", "map"].str.split()
    assert (maps.str.len() == 32 * 16).all()


def test_flip_is_the_same_training_tested_with_mirror_images(done):
    runs, store, frame = done
    assert "epoch" not in set(frame.loc[frame["method"] == "flip", "kind"])
    plain, flipped = (
        frame[(frame["kind"] == "test") & (frame["method"] == name)].iloc[0] for name in ("cross_entropy", "flip")
    )
    assert plain["mAP"] != flipped["mAP"]
    weights = store.final(runs[0]).blobs["network"]
    network = scal.untrained(runs[0], 24)[0]
    network.load_state_dict(weights)
    data = reid.load(DATA, size=(32, 16))
    assert retrieval_of(network, data)["mAP"] == flipped["mAP"]
    assert "network" not in store.final(runs[1]).blobs  # nobody starts from it


def test_retrieval_is_by_the_cosine_and_by_nothing_else(monkeypatch):
    """SCAL 3.4. The lengths of z, a factor for each image, change no ranking; and the scores are those of angles computed and
    ranked here, one query after the other. By Euclid's distance both are others."""
    from sklearn.metrics import average_precision_score

    data, arm = reid.load(DATA, size=(32, 16)), "label_smoothing"
    network = scal.untrained(run(arm), 24)[0].eval()
    found = retrieval_of(network, data)

    embed = network.embed
    mean, std = (torch.tensor(one).view(3, 1, 1) for one in (data.mean, data.std))

    def z(boxes):
        x = (boxes.images.float() / 255 - mean) / std
        with torch.no_grad():
            both = (embed(x) + embed(x.flip(3))) / 2
        return both.double().numpy()

    query, gallery = z(data.query), z(data.gallery)
    scores = {"cosine": [], "euclidean": []}
    for i, q in enumerate(query):
        same = data.gallery.ids == data.query.ids[i]
        there = (~(same & (data.gallery.cameras == data.query.cameras[i])) & (data.gallery.ids >= 0)).numpy()
        angle = gallery @ q / np.linalg.norm(gallery, axis=1) / np.linalg.norm(q)
        for name, near in (("cosine", angle), ("euclidean", -np.linalg.norm(gallery - q, axis=1))):
            if same.numpy()[there].any():
                scores[name].append(average_precision_score(same.numpy()[there], near[there]))
    assert found["mAP"] == pytest.approx(100 * np.mean(scores["cosine"]), abs=0.02)
    assert abs(found["mAP"] - 100 * np.mean(scores["euclidean"])) > 0.1  # so the test can tell

    def longer(x):
        return embed(x) * (1 + 50 * x.square().mean((1, 2, 3))[:, None])

    monkeypatch.setattr(network, "embed", longer)
    again = retrieval_of(network, data)
    assert {m.name: again[m.name] for m in scal.METRICS} == pytest.approx(
        {m.name: found[m.name] for m in scal.METRICS}, abs=0.02
    )


SOURCE = "pedestrians-tiny-source"


def test_a_cross_domain_run_is_a_training_tested_on_other_people(tmp_path):
    """Trained on the source alone, its images' statistics and its people included; restyled, on other images."""
    race = {"dataset": DATA, "source": SOURCE, "arms": ["label_smoothing", "channel_critic(restyled=True)"]}
    runs = scal.grid({}, to_duke=race, **TINY | {"epochs": 1})
    trained = [one.needs["trained"] for one in runs]
    assert [one.dataset for one in trained] == [SOURCE, "pedestrians-tiny-source-as-tiny"]
    (alone,) = scal.grid({"dataset": SOURCE, "arms": ["label_smoothing"]}, **TINY | {"epochs": 1})
    assert alone == trained[0]  # Table 3's training serves Table 6
    assert all(one.steps == 1 for one in runs)
    store = Store(tmp_path)
    assert not drive(runs, store, workers=1).failed
    rows = store.frame(runs)
    rows = rows[rows["kind"] == "test"].set_index("method")
    assert rows["labelled"].tolist() == [135, 135]
    assert rows["source"].tolist() == [one.dataset for one in trained]
    source, target = (reid.load(name, size=(32, 16)) for name in (SOURCE, DATA))
    network = scal.untrained(trained[0], source.train.identities)[0]
    network.load_state_dict(store.final(trained[0]).blobs["network"])
    look = dict(device="cpu", flip=True)
    found = identities.retrieved(network, target, mean=source.mean, std=source.std, **look)
    assert found["mAP"] == rows.loc["label_smoothing", "mAP"]
    assert found["mAP"] != identities.retrieved(network, target, mean=target.mean, std=target.std, **look)["mAP"]


def test_weights_that_were_not_kept_are_told():
    (one,) = scal.grid({}, to_duke={"dataset": DATA, "source": SOURCE, "arms": ["label_smoothing"]}, **TINY)
    with pytest.raises(BadRequest, match=r"label_smoothing seed 0 .* was done before its weights were kept"):
        scal.tested(one, {}, None, {})


@pytest.mark.parametrize(("race", "said"), [
    ({"arms": ["spatial"]}, "no arm 'spatial' across domains; accepted: label_smoothing, spatial_critic, channel_critic"),
    ({"arms": ["flip"]}, "no arm 'flip' across domains"),
    ({"source": DATA, "arms": ["label_smoothing"]}, "is the race's own dataset"),
    ({"source": "digits", "arms": ["label_smoothing"]}, "digits is a dataset of classification"),
    ({"source": "cuhk01", "arms": ["channel_critic(restyled=True)"]}, "nothing gives cuhk01 the style of pedestrians-tiny"),
    ({"source": "", "arms": ["channel_critic(restyled=True)"]}, "restyled = True does nothing there: the race names no source"),
    ({"arms": ["channel_critic(restyled=1)"]}, "restyled = 1 .*expected bool"),
    ({"arms": ["label_smoothing(source='pedestrians-duke')"]}, "source is no option of an arm"),
    ({"arms": ["label_smoothing"], "identities": 17}, "pedestrians-tiny-source has 16 people"),
])  # fmt: skip
def test_what_cannot_be_across_domains_is_refused(race, said):
    with pytest.raises(BadRequest, match=f"to_duke: .*{said}"):
        scal.grid({}, to_duke={"dataset": DATA, "source": SOURCE} | race, **TINY)


@pytest.mark.parametrize("arm", ["label_smoothing", "channel_permuted"])
def test_a_training_in_parts_is_the_whole_bit_for_bit(arm, monkeypatch, tmp_path):
    frames = []
    for seconds in (1e9, 1e-9):
        monkeypatch.setattr(scal_runs, "PART_SECONDS", seconds)
        (one,) = scal.grid({"dataset": DATA, "arms": [arm]}, **TINY | {"epochs": 3})
        store = Store(tmp_path / str(seconds))
        assert one.steps == (1 if seconds > 1 else 3)
        assert not drive([one], store, workers=1).failed
        frame = store.frame([one])
        frames.append(frame[frame["kind"] != "timing"].drop(columns=["step", "seconds"]).reset_index(drop=True))
    assert frames[0].equals(frames[1])


def test_gradients_are_looked_at_from_the_first_epoch_to_the_last():
    assert scal._looks(1) == [0]
    assert scal._looks(5) == [0, 1, 2, 3, 4]
    assert (scal._looks(160)[0], scal._looks(160)[-1], len(set(scal._looks(160)))) == (0, 159, 12)


def test_a_long_training_is_planned_in_steps_of_minutes_and_flip_in_one():
    world = {"network": "reid_small", "weights": "random", "height": 64, "width": 32}
    runs = scal.grid({"dataset": "pedestrians-market", "arms": ["channel_critic", "flip"], "seeds": 1}, **world)
    long, flip = ({run.method: run for run in runs}[arm] for arm in ("channel_critic", "flip"))
    assert scal.seconds(long) / long.steps <= scal_runs.PART_SECONDS
    assert flip.steps == 1


@pytest.mark.parametrize(("changed", "said"), [
    ({"identities": 25}, "pedestrians-tiny has 24 people"), ({"images": 1}, "images = 1: expected at least 2"),
    ({"smoothing": 1.0}, "smoothing = 1.0: expected a share"), ({"erasing": 1.5}, "erasing = 1.5"),
    ({"milestones": [0.5, 1.5]}, "between 0 and 1"), ({"weights": "imagenet"}, "accepted: weights = 'random'"),
    ({"reference": "no"}, "expected one of 'ones', 'mean', 'leave_one_out'"), ({"margin": -1.0}, "margin = -1.0"),
    ({"warmup": 9.0}, "warmup = 9.0"), ({"height": 8}, "height = 8: expected at least 16"),
])  # fmt: skip
def test_what_cannot_be_is_refused(changed, said):
    with pytest.raises(BadRequest, match=f"market: .*{said}"):
        scal.grid({"dataset": DATA, "arms": ["spatial"]}, **TINY | changed)


@pytest.mark.parametrize(("race", "said"), [
    ({"dataset": DATA, "arms": ["spatail"]}, "no arm 'spatail'; accepted: cross_entropy"),
    ({"dataset": DATA, "arms": ["spatial(height=32)"]}, "height is no option of an arm"),
    ({"dataset": DATA, "arms": ["spatial(budget=3)"]}, "unknown setting budget"),
    ({"dataset": "digits", "arms": ["spatial"]}, "digits is a dataset of classification"),
    ({"dataset": DATA, "arms": ["label_smoothing", "label_smoothing(value='joint')"]},
     "label_smoothing: value does nothing there; accepted by spatial_critic, channel_critic"),
    ({"dataset": DATA, "arms": ["channel(reference='mean')"]}, "channel: reference does nothing there"),
    ({"dataset": DATA, "arms": ["label_smoothing(reduction=2)"]}, "accepted by spatial, channel, spatial_critic"),
    ({"dataset": DATA, "arms": ["triplet(smoothing=0.2)"]}, "triplet: smoothing does nothing there"),
    ({"dataset": DATA, "arms": ["flip(margin=0.2, squared=True)"]}, "flip: margin, squared does nothing there"),
])  # fmt: skip
def test_what_no_arm_can_be_is_refused(race, said):
    with pytest.raises(BadRequest, match=said):
        scal.grid(race, **TINY)


CHANGED = {"margin": 0.9, "squared": True, "smoothing": 0.4, "reduction": 2, "critic_weight": 0.9, "value": "joint",
           "reference": "leave_one_out", "reference_norm": "running"}  # fmt: skip


@pytest.mark.parametrize("arm", ["cross_entropy", "triplet", "label_smoothing", "channel", "channel_critic"])
def test_what_an_arm_refuses_would_change_nothing_and_what_it_takes_changes_it(arm):
    """Of each setting that an arm can be without: one step with it and without, and whether all is the same bits after it."""

    def stepped(**changed):
        made = players(arm, **changed)
        told = scal.update(
            made, *batch(), run(arm, **changed).options, scal_runs.ARMS[arm], torch.Generator().manual_seed(0)
        )
        ends = [*made.network.parameters(), *(made.critics.parameters() if made.critics else ())]
        return torch.cat([one.detach().float().flatten() for one in (*ends, *(told[name] for name in sorted(told)))])

    plain, refused = stepped(), scal_runs.unused(scal_runs.ARMS[arm])
    for name, value in CHANGED.items():
        other = stepped(**{name: value})
        same = other.shape == plain.shape and torch.equal(other, plain)
        assert same == (name in refused), name


def test_imagenets_weights_are_looked_for_before_anything_starts(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(BadRequest, match="are not in torch's cache"):
        scal.prepare(Run(scal.STUDY.name, DATA, "spatial", 0), print)
    scal.prepare(run(), print)


def test_an_arm_is_named_by_its_options_and_flip_needs_the_same_training():
    race = {"dataset": DATA, "seeds": 2, "arms": ["channel_critic(value='joint')", "flip", "channel(seeds=1)"]}
    runs = scal.grid(race, **TINY)
    joint = "channel_critic(value='joint')"
    assert [one.arm or one.method for one in runs] == [joint, "flip", "channel", joint, "flip"]
    assert runs[1].needs["trained"].method == "cross_entropy"
    assert runs[1].needs["trained"].key == scal.grid(race | {"arms": ["cross_entropy"]}, **TINY)[0].key


def test_what_vanishes_is_told_in_decades():
    import pandas

    about = {"kind": "gradient", "race": "market", "dataset": DATA, "world": True, "method": "spatial", "seed": 0}
    norms = {1: (1e-3, 1e-2), 5: (1.0, 1e-1)}
    rows = [
        about | {"site": site, "epoch": e, "J_cls": norm} for site, two in norms.items() for e, norm in enumerate(two)
    ]
    (decades,) = audits.vanishing(pandas.DataFrame(rows))
    assert decades == pytest.approx(-2.0)  # -2.5 to -0.5


def test_what_V_knows_given_the_area_is_a_run_of_its_own_images():
    import pandas
    import torch

    from alnb.metrics.attention import partial_spearman

    about = {"race": "market", "dataset": DATA, "world": True, "kind": "quality"}
    drawn = {run: torch.rand(3, 20) for run in (("spatial_critic", 0), ("spatial_critic", 1), ("channel_critic", 0))}
    rows = [about | {"method": method, "seed": seed, "image": i, "V": V, "person": person, "area": area}
            for (method, seed), images in drawn.items() for i, (V, person, area) in enumerate(images.T.tolist())]  # fmt: skip
    rows.append(about | {"kind": "critic", "method": "spatial_critic", "seed": 0})
    values = audits.given_area(pandas.DataFrame(rows))
    assert values.droplevel(["race", "dataset", "world"]).to_dict() == pytest.approx(
        {run: partial_spearman(*images) for run, images in drawn.items()}
    )


NOTEBOOK = "08_self_critical_attention"


@pytest.mark.parametrize("profile", ["world", "paper"])
def test_a_profile_runs_every_seed_that_a_claim_plans(profile):
    """On the data of that profile: each arm, placebo and null race on as many seeds as are planned there; and what only a
    world knows is planned on no other data."""
    from alnb import claims, datasets, plans

    seeds = {}
    for one in plans.plan(NOTEBOOK, profile).runs:
        seeds.setdefault((one.race, one.method if not one.arm else one.arm), set()).add(one.seed)
        real = datasets.info(one.dataset).real
    assert real == (profile == "paper")
    assert real or all(("market", arm) in seeds for arm in audits.REPEATED)
    for claim in claims.read(NOTEBOOK).itertuples():
        planned = claim.planned_seeds if real else claim.planned_world_seeds
        if claim.metric.startswith(("critic.", "quality.", "attention.")):
            assert math.isnan(claim.planned_seeds), claim.id
        if math.isnan(planned):
            continue
        arms = [claim.method, claim.comparator, claim.placebo]
        asked = [(claim.race, arm) for arm in arms if arm]
        if claim.null_race and not real:
            asked += [(claim.null_race, arm) for arm in arms[:2] if arm]
        for where in asked:
            assert len(seeds[where]) >= planned, (claim.id, where)


def test_each_critic_is_held_against_both_placebos():
    from alnb import claims

    gains = claims.read(NOTEBOOK).query("metric == 'mAP.final' and race == 'market'")
    for kind in ("spatial", "channel"):
        own = gains[gains["method"] == f"{kind}_critic"]
        assert {f"{kind}_permuted", f"{kind}_constant"} <= {*own["placebo"], *own["comparator"]}


def test_that_V_measures_quality_has_a_rival_and_a_placebo_in_the_ledger():
    from alnb import claims

    table = claims.read(NOTEBOOK)
    said = table[table["quote"].str.contains("quantify the quality")]
    assert (said["metric"] == "quality.given_area").all()
    assert said["metric"].isin(audits.SPECIAL).all()
    assert dict(zip(said["method"], said["placebo"])) == {
        "spatial_critic": "spatial_permuted", "channel_critic": "channel_permuted"}  # fmt: skip


# --- printed numbers ----------------------------------------------------------------------------------------------------


def test_the_printed_tables_are_whole():
    frame = published.published("scal")
    count = frame.groupby("artefact").size()
    assert count[["Table 2", "Table 3", "Table 4", "Table 5", "Table 6"]].to_dict() == {
        "Table 2": 24 * 2 + 12 + 1, "Table 3": 19 * 2 + 10, "Table 4": 9 * 4 - 2, "Table 5": 16, "Table 6": 22}  # fmt: skip
    sums = frame.groupby(["artefact", "metric"])["value"].sum()
    assert sums["Table 5", "mAP"] == pytest.approx(687.8)
    assert sums["Table 5", "rank 1"] == pytest.approx(753.6)


def test_the_audit_finds_what_does_not_agree():
    table = published.audit("scal", checks=audits.CHECKS)
    failing = table[~table["agrees"].astype(bool)]
    found = dict(zip(failing["check"], failing["computed"]))
    expected = {
        "abstract: margin, rank 1, market-1501": 2.0, "abstract: margin, rank 1, cuhk03-np-detected": 7.4,
        "sec. 4.2, CUHK03, best alternative: margin, rank 1": 7.4, "competitive with SPGAN, mAP, market-1501 to": -5.3,
        "competitive with SPGAN, rank 1, market-1501 to": -10.7, "Table 1: identities, dukemtmc-reid": 1404,
        "Table 1: images, cuhk03-np, cuhk03-np-labelled": 14096,
        "Table 1: single query, market-1501": 1, "reference, ResNet": 10, "number in the name": 1501, "Table 6: rows of SCAL": 3,
    }  # fmt: skip
    for part, value in expected.items():
        assert [v for check, v in found.items() if part in check] == [pytest.approx(value)], part
    assert len(failing) == len(expected) + 2  # and the cameras of CUHK03, twice
    assert len(table) > 45
    both = table[table["check"].str.contains("split")]  # 767/700 and 1367/100
    assert both["computed"].tolist() == [1467, 1467]
    (official,) = table[table["check"] == "Table 1: images, market-1501"].itertuples()  # Zheng et al. 2015
    assert (official.computed, official.agrees) == (32668, True)
    assert "its queries are counted apart" in official.note
