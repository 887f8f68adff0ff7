"""The cycle on digits: pairing, budgets, what a strategy may see, a human's answers, what goes on from what."""

import copy
import dataclasses
import types

import numpy
import pytest
import torch
from scipy import special, stats

from alnb import acquisition, cycle, plans, races, records, selections
from alnb.cycle import Pool
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.methods import class_balance, label_dispersion, learning_to_rank, state_relabeling
from alnb.runs import WAIT, numpy_stream, torch_stream
from alnb.store import Store
from alnb.tasks.classes import count_predictions
from alnb.tasks.classification import Classification
from tests.tiny import TINY, grid


@pytest.fixture(scope="module")
def race(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("race"))
    runs = grid(["random", "random_again", "margin", "dispersion"], seeds=[0, 1])
    assert not drive(runs, store, workers=1).failed
    return store, runs


def labelled(store, run):
    return store.read(run).steps[-1]["state"]["labelled"]


def test_every_method_of_a_seed_starts_from_the_same_training_and_seeds_differ(race):
    store, runs = race
    first = {run.seed: set() for run in runs}
    for run in runs:
        first[run.seed].add(tuple(labelled(store, run)[:20]))
        shared = store.read(run.needs[cycle.FIRST]).rows[0]
        assert store.read(run).rows[0] == shared
    assert [len(found) for found in first.values()] == [1, 1]
    assert first[0] != first[1]


def test_each_cycle_asks_for_exactly_its_budget_of_new_samples(race):
    store, runs = race
    for run in runs:
        steps = store.read(run).steps
        assert [len(step["queries"]) for step in steps] == [10, 10, 0]
        final = labelled(store, run)
        assert len(set(final)) == len(final) == 40
        assert final[20:30] == steps[0]["queries"]
        accuracy = [row for row in store.read(run).rows if row["kind"] == "test"]
        assert [row["labelled"] for row in accuracy] == [20, 30, 40]


def test_random_takes_the_first_of_the_shared_order_and_the_second_random_does_not(race):
    store, runs = race
    order = numpy_stream(0, "candidates", 0).permutation(120)
    unlabelled = [i for i in order.tolist() if i not in labelled(store, runs[0])[:20]]
    assert store.read(runs[0]).steps[0]["queries"] == unlabelled[:10]
    assert store.read(runs[1]).steps[0]["queries"] != unlabelled[:10]


@pytest.mark.parametrize("method", ["random", "dispersion"])
def test_a_run_that_goes_on_is_the_rest_of_a_longer_run(race, method):
    store, runs = race
    before = next(run for run in runs if run.method == method)
    further = races.further_run(before, 2)
    longer = grid([method], cycles=4)[0]
    assert further.steps == 3
    assert not drive([further, longer], store, workers=1).failed
    assert labelled(store, further) == labelled(store, longer)
    accuracy = {name: [row for row in store.read(run).rows if row["kind"] == "test"]
                for name, run in (("before", before), ("further", further), ("longer", longer))}  # fmt: skip
    assert accuracy["before"] + accuracy["further"] == accuracy["longer"]


@pytest.mark.parametrize("study", [label_dispersion, class_balance, learning_to_rank, state_relabeling])
def test_random_goes_further_in_every_study_though_it_has_no_model_to_look_with(study, tmp_path):
    few = {"dataset": "digits", "seeds": 1, "arms": ["random(further=1)"]}
    runs, store = study.grid(few, **TINY | {"cycles": 1, "epochs": 1}), Store(tmp_path)
    assert not drive(runs, store, workers=1).failed
    tests = [row["labelled"] for run in runs for row in store.read(run).rows if row["kind"] == "test"]
    assert tests == [20, 30, 40]


def test_the_subset_is_a_prefix_of_one_order_whatever_is_labelled():
    a, b = Pool(50, [1, 2, 3]), Pool(50, [1, 2, 40])
    whole_a, whole_b = a.candidates(7, 1).tolist(), b.candidates(7, 1).tolist()
    assert a.candidates(7, 1, 9).tolist() == whole_a[:9]
    assert [i for i in whole_a if i != 40] == [i for i in whole_b if i != 3]
    assert whole_a != a.candidates(7, 2).tolist()


def test_the_initial_pool_is_drawn_once_or_per_seed():
    per_seed = {tuple(Pool.initial(100, 10, seed, once=False).labelled) for seed in range(5)}
    once = {tuple(Pool.initial(100, 10, seed, once=True).labelled) for seed in range(5)}
    assert (len(per_seed), len(once)) == (5, 1)


@pytest.fixture(scope="module")
def setting():
    run = grid(["entropy"])[0]
    task = Classification(run)
    pool = Pool.initial(task.size, 20, 0, once=False)
    candidates = pool.candidates(0, 0)
    model, record = task.train(pool.labelled, task.labels(pool.labelled, {}), 0, candidates)
    return task, model, record, pool, candidates


def view(setting, oracle=False, candidates=None, record=...):
    task, model, kept, pool, all_of_them = setting
    candidates = all_of_them if candidates is None else candidates
    labels = task.labels(pool.labelled, {})
    record = kept if record is ... else record
    return cycle.View(task, model, 0, candidates, pool.labelled, labels, record, oracle)


def by_hand(task, model, samples):
    """Features and logits of pool samples, the network run plainly in eval mode."""
    pixels = task.images[list(samples)].float() / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (task.data.mean, task.data.std))
    with torch.no_grad():
        embedded = model.eval().embed((pixels - mean) / std)
        return types.SimpleNamespace(embedded=embedded, logits=model.head(embedded))


def test_the_view_agrees_with_the_network_run_by_hand(setting):
    task, model, _, _, candidates = setting
    seen = view(setting)
    pixels = task.images[candidates].float() / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (task.data.mean, task.data.std))
    with torch.no_grad():
        logits = model.eval()((pixels - mean) / std)
    torch.testing.assert_close(seen.probabilities, logits.softmax(1), atol=1e-4, rtol=1e-3)
    assert (seen.predictions[-1] == seen.probabilities.argmax(1)).float().mean() > 0.99
    assert seen.counts.sum(1).unique().tolist() == [TINY["epochs"]]
    assert seen.labelled_embeddings.shape == (20, seen.embeddings.shape[1])
    assert seen.images.shape == (100, 3, 8, 8)


def test_a_view_of_a_subset_is_a_part_of_the_view_of_all(setting):
    *_, candidates = setting
    whole, part = view(setting), view(setting, candidates=candidates[:17])
    torch.testing.assert_close(part.probabilities, whole.probabilities[:17], atol=1e-5, rtol=1e-4)
    assert torch.equal(part.predictions, whole.predictions[:, :17])


def test_the_labels_of_the_pool_are_for_oracles_only(setting):
    with pytest.raises(PermissionError):
        view(setting).truth  # noqa: B018
    assert len(view(setting, oracle=True).truth) == 100


def test_what_was_not_recorded_is_refused_by_name(setting):
    with pytest.raises(BadRequest, match="needs=\\('predictions',\\)"):
        view(setting, record=None).counts  # noqa: B018


OF_IMAGES = [name for name in sorted(acquisition.catalogue())
             if set(acquisition.describe(name).needs) <= set(Classification.offers)]  # fmt: skip


@pytest.mark.parametrize("name", OF_IMAGES)
def test_every_strategy_is_unmoved_by_the_inference_batch_size(setting, name, monkeypatch):
    from alnb.learning import infer as inference

    strategy = acquisition.get(name)
    rng = lambda: torch.Generator().manual_seed(5)
    if "dropout_probabilities" in strategy.needs:
        monkeypatch.setattr(setting[0], "options", dataclasses.replace(setting[0].options, dropout=0.5))
    large = strategy.choose(view(setting, strategy.oracle), 15, rng()).rows
    plain = inference.infer
    monkeypatch.setattr(inference, "infer", lambda *args, **kwargs: plain(*args, **kwargs | {"batch": 7}))
    small = strategy.choose(view(setting, strategy.oracle), 15, rng()).rows
    assert len(set(large.tolist()) & set(small.tolist())) >= 14  # two equal scores may round apart


def test_counts_are_those_of_a_loop():
    predictions = torch.randint(0, 4, (9, 6), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    counts = count_predictions(predictions, 4)
    by_hand = [[int((predictions[:, x] == c).sum()) for c in range(4)] for x in range(6)]
    assert counts.tolist() == by_hand


def test_a_human_answers_classification_and_the_answers_train_the_network(tmp_path):
    runs = grid(["random"], annotator="asked")
    asked = []
    store = Store(tmp_path)

    def three(run, queries):
        asked.extend(queries)
        return [3] * len(queries)

    assert not drive(runs, store, workers=1, oracle=three).failed
    assert len(asked) == len(set(asked)) == 20
    assert runs[0].key != grid(["random"])[0].key
    last = store.read(runs[0]).steps[-1]
    assert dict(last["state"]["answers"]) == {i: 3 for i in last["state"]["labelled"][20:]}
    truth = store.read(grid(["random"])[0])
    assert not truth.steps  # another question


def test_an_oracle_that_gives_too_few_answers_or_an_impossible_class_is_refused(tmp_path):
    run = grid(["random"], annotator="asked")
    with pytest.raises(BadRequest, match="10 queries got 1 answers"):
        drive(run, Store(tmp_path / "a"), workers=1, oracle=lambda r, q: [1])
    outcome = drive(run, Store(tmp_path / "b"), workers=1, oracle=lambda r, q: [11] * len(q), say=str)
    assert "expected 0 to 9" in outcome.failed[run[0]]
    outcome = drive(run, Store(tmp_path / "c"), workers=1, oracle=lambda r, q: None, say=str)
    assert "asks asked: give `drive` an oracle" in outcome.failed[run[0]]


def test_a_notebook_refuses_a_person_where_nobody_could_ask():
    plans.check_answerable(grid(["random"]))
    with pytest.raises(BadRequest, match="label_dispersion cannot ask ann: expected annotator = 'truth'"):
        plans.check_answerable(grid(["random"], annotator="ann"))


def test_a_run_that_nobody_answers_yet_is_parked_and_goes_on_with_the_answers(tmp_path):
    (run, plain), store = grid(["random", "margin"], annotator="asked"), Store(tmp_path)
    truth, *_ = grid(["random"])
    outcome = drive([run, plain, truth], store, workers=1)
    assert outcome.waiting == [run, plain]
    assert outcome.done == [run.needs[cycle.FIRST], truth]
    assert not outcome.failed
    assert len(store.read(run).steps) == 1
    with store.lock(run):  # it holds nothing while it waits
        pass
    patience = iter([[3] * 10, WAIT])
    assert drive([run], store, workers=1, oracle=lambda r, q: next(patience)).waiting == [run]
    assert len(store.read(run).steps) == 2
    assert drive([run], store, workers=1, oracle=lambda r, q: [3] * 10).done == [run]
    whole = Store(tmp_path / "whole")
    drive([run], whole, workers=1, oracle=lambda r, q: [3] * 10)
    assert whole.read(run).rows == store.read(run).rows


def test_scoring_through_the_training_transform_is_a_switch():
    plain, moved = (Classification(grid(["random"], acquisition_transform=t)[0]) for t in ("test", "train"))
    some = numpy.arange(10)
    assert torch.equal(plain._acquisition_images(some, 0), plain.images[some])
    a = moved._acquisition_images(some, 0)
    assert not torch.equal(a, plain.images[some])
    assert torch.equal(a[3:4], moved._acquisition_images(some[3:4], 0))  # drawn per sample, not per batch
    assert not torch.equal(a, moved._acquisition_images(some, 1))


# --- subsets, MC dropout, committees ------------------------------------------------------------------------------------


def test_random_on_a_subset_chooses_what_random_chooses(tmp_path):
    store, runs = Store(tmp_path), grid(["random", "random(subset=15)"])
    assert not drive(runs, store, workers=1).failed
    assert len({tuple(labelled(store, run)) for run in runs}) == 1
    assert runs[0].key != runs[1].key
    assert runs[1].needs[cycle.FIRST].key == runs[0].needs[cycle.FIRST].key
    accuracy = store.frame(runs).query("kind == 'test'")
    assert accuracy["method"].unique().tolist() == ["random", "random(subset=15)"]
    assert accuracy.groupby("method")["accuracy"].agg(list).map(tuple).nunique() == 1


@pytest.fixture(scope="module")
def dropping():
    """A trained network with dropout, and its task."""
    task = Classification(grid(["bald(dropout=0.5)"])[0])
    pool = Pool.initial(task.size, 20, 0, once=False)
    torch.manual_seed(0)  # training's dropout
    model, record = task.train(pool.labelled, task.labels(pool.labelled, {}), 0, pool.candidates(0, 0))
    return task, model, record, pool, pool.candidates(0, 0)


def bare(model):
    """The network with a head that passes features on, so that what a pass dropped can be read."""
    found = copy.deepcopy(model)
    found.head = torch.nn.Linear(128, 128)
    found.head.weight.data, found.head.bias.data = torch.eye(128), torch.zeros(128)
    return found


@pytest.mark.parametrize("p", [0.5, 0.2])
def test_a_pass_has_one_mask_for_all_candidates(dropping, monkeypatch, p):
    task, model, *_ = dropping
    monkeypatch.setattr(task, "options", dataclasses.replace(task.options, dropout=p))
    samples, features = numpy.arange(60), by_hand(task, model, range(60)).embedded
    seen = task.infer_dropout(bare(model), samples, 0, 100)  # (100, 60, 128)
    kept = (seen > 0).any(1)  # (100, 128)
    torch.testing.assert_close(seen, features * kept[:, None] / (1 - p), atol=1e-4, rtol=1e-3)
    shown = kept[:, (features > 1e-3).any(0)].float()
    assert shown.mean().item() == pytest.approx(1 - p, abs=0.03)  # deviation at most 0.006
    assert len(kept.unique(dim=0)) == 100  # every pass its own
    assert torch.equal(task.infer_dropout(bare(model), samples, 0, 100), seen)
    assert not torch.equal(task.infer_dropout(bare(model), samples, 1, 100), seen)


def test_equal_candidates_have_equal_probabilities_in_every_pass(dropping, monkeypatch):
    task = dropping[0]
    images = task.images.clone()
    images[70] = images[50]
    monkeypatch.setattr(task, "images", images)
    candidates = numpy.array([50, 90, 70, 91])
    p = view(dropping, candidates=candidates).dropout_probabilities(20)
    assert p.shape == (20, 4, 10)
    assert p.dtype == torch.float32
    torch.testing.assert_close(p.sum(2), torch.ones(20, 4))
    assert torch.equal(p[:, 0], p[:, 2])
    assert not torch.equal(p[:, 0], p[:, 1])
    assert all(not torch.equal(p[0], p[k]) for k in range(1, 20))
    alone = view(dropping, candidates=candidates[:1]).dropout_probabilities(20)
    torch.testing.assert_close(alone[:, 0], p[:, 0], atol=1e-5, rtol=1e-4)  # whatever else is a candidate


def test_batch_norm_is_in_eval_mode_under_dropout_and_stays_as_it_was(dropping):
    """The mean over many masks of the logits is the plain logits: the head is linear in the features of eval mode."""
    task, model, *_ = dropping
    before = copy.deepcopy(model.state_dict())
    model.train()
    try:
        logits = task.infer_dropout(model, numpy.arange(40), 0, 3000)
        assert model.training
    finally:
        model.eval()
    plain = by_hand(task, model, range(40)).logits
    error = logits.std(0) / 3000**0.5
    assert ((logits.mean(0) - plain).abs() < 6 * error + 1e-4).all()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_mc_dropout_leaves_the_global_generator_alone(dropping):
    task, model, *_ = dropping
    torch.manual_seed(3)
    before = torch.get_rng_state()
    task.infer_dropout(model, numpy.arange(5), 0, 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_mc_dropout_wants_dropout_and_two_passes(setting, dropping, tmp_path):
    with pytest.raises(BadRequest, match=r"trained with dropout: give the arm, e\.g\., dropout=0\.5"):
        view(setting).dropout_probabilities(5)
    for passes in (1, 0, -3):
        with pytest.raises(BadRequest, match=f"passes = {passes}: expected at least 2"):
            view(dropping).dropout_probabilities(passes)
    with pytest.raises(BadRequest, match=r"bald wants a network trained with dropout: bald\(dropout=0\.5\)"):
        grid(["bald"])
    assert not drive(grid(["bald(passes=2, dropout=0.5)"]), Store(tmp_path), workers=1).failed


def test_bald_in_a_race_asks_what_its_passes_disagree_on(dropping):
    """Its choice, from softmax and scipy over the masks of `infer_dropout`."""
    task, model, _, _, candidates = dropping
    logits = task.infer_dropout(model, candidates, 0, 9).double().numpy()
    p = special.softmax(logits, axis=2)
    expected = stats.entropy(p.mean(0), axis=1) - stats.entropy(p, axis=2).mean(0)
    chosen = acquisition.get("bald").choose(view(dropping), 10, None, passes=9).rows.tolist()
    rest = [row for row in range(len(candidates)) if row not in chosen]
    assert min(expected[chosen]) >= max(expected[rest]) - 1e-5
    assert max(expected) > 1e-3


def test_a_committee_is_the_network_itself_and_others_that_differ(setting, monkeypatch):
    task, model, _, pool, candidates = setting
    trained, plain = [], Classification.train

    def watched(self, indices, labels, *args, **kwargs):
        trained.append((list(indices), labels.tolist(), kwargs, plain(self, indices, labels, *args, **kwargs)[0]))
        return trained[-1][3], None

    monkeypatch.setattr(Classification, "train", watched)
    before = copy.deepcopy(model.state_dict())
    votes = view(setting).committee(4)
    assert votes.shape == (4, len(candidates))
    networks = [model, *(about[3] for about in trained)]
    assert len(networks) == 4
    for vote, network in zip(votes, networks):
        assert vote.tolist() == by_hand(task, network, candidates).logits.argmax(1).tolist()
    weights = [network.conv1.weight for network in networks]
    assert all(not torch.equal(weights[i], weights[j]) for i in range(4) for j in range(i))
    for indices, labels, *_ in trained:
        assert indices == pool.labelled
        assert labels == task.targets[pool.labelled].tolist()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(view(setting).committee(3), votes[:3])  # the same members again
    assert len({tuple(vote.tolist()) for vote in votes}) > 1


def test_the_members_of_a_committee_differ_in_their_weights_and_in_the_order_of_their_data(setting):
    task, *_ = setting
    for name in ("model init", "data order", "augmentation"):
        drawn = [torch.rand(5, generator=task._stream(name, 0, member)).tolist() for member in range(4)]
        assert len({tuple(numbers) for numbers in drawn}) == 4
        assert drawn[0] == torch.rand(5, generator=torch_stream(0, name, 0)).tolist()  # the network's own


@pytest.mark.parametrize("members", [1, 0, -2])
def test_a_committee_wants_two_members(setting, members):
    with pytest.raises(BadRequest, match=f"members = {members}: expected at least 2"):
        view(setting).committee(members)


# --- what others chose, on the plain network ----------------------------------------------------------------------------


def accuracies(store, run):
    return [row["accuracy"] for row in store.read(run).rows if row["kind"] == "test"]


@pytest.mark.parametrize("arm", ["random", "random(dropout=0.5, subset=15)"])
def test_retraining_what_a_run_chose_equals_that_run_to_the_bit(tmp_path, arm):
    """Random alters no training, so its retrained run and its published selection are the run itself once more."""
    store, (run,) = Store(tmp_path / "store"), grid([arm])
    again = races.retrained_run(run)
    assert not drive([run, again], store, workers=1).failed
    assert len(accuracies(store, run)) == 3
    assert accuracies(store, again) == accuracies(store, run)
    assert again.steps == 3

    records.export([run], store, tmp_path / "records")
    (one,) = selections.of_study(tmp_path / "records", run.study).values()
    values = {"few": {"dataset": "digits", "arms": ["margin"]}, "artefacts": 3, **TINY, "pool": 99, "cycles": 9}
    values |= {"dropout": run.options.dropout, "initial": 1, "budget": 1}
    (published,) = races.retrained_selections(run.study, [one], values)
    assert (published.options.pool, published.options.initial, published.options.budget) == (120, 20, 10)
    assert not drive([published], store, workers=1).failed
    assert accuracies(store, published) == accuracies(store, run)
    assert labelled(store, published) == labelled(store, run)
    assert store.frame([again, published])["method"].unique().tolist() == [f"{arm} retrained"]


def test_a_published_selection_of_unequal_batches_is_trained_on_batch_by_batch(tmp_path):
    sizes = [12, 3, 20, 5]
    about = {"dataset": "digits", "method": "theirs", "seed": 3, "pool": 120}
    chosen = about | {"labelled": list(range(30, 70)), "batches": sizes}
    (run,) = races.retrained_selections("label_dispersion", [chosen], TINY)
    store = Store(tmp_path)
    assert not drive([run], store, workers=1).failed
    assert [row["labelled"] for row in store.read(run).rows] == numpy.cumsum(sizes).tolist()
    progress = store.read(run)
    assert [progress.until(n + 1).state["labelled"] for n in range(4)] == [
        list(range(30, 30 + n)) for n in numpy.cumsum(sizes)
    ]
    assert (run.seed, run.arm) == (3, "theirs retrained")


# --- the first labels ---------------------------------------------------------------------------------------------------


def first_labels(store, **settings):
    (run,) = grid(["random"], **settings)
    assert not drive([run.needs[cycle.FIRST]], store, workers=1).failed
    return store.read(run.needs[cycle.FIRST]).steps[-1]["state"]["labelled"]


def test_random_first_labels_are_the_draw_they_always_were(tmp_path):
    store = Store(tmp_path)
    plain = numpy_stream(0, "initial pool").choice(120, 20, replace=False).tolist()
    assert first_labels(store) == first_labels(store, initial_labels="random") == plain
    assert first_labels(store, initial_pool="once", initial_labels="random") == plain
    assert grid(["random"], initial_labels="random")[0].key == grid(["random"])[0].key
    keys = {
        grid(["random"], initial_labels=how)[0].needs[cycle.FIRST].key for how in ("random", "balanced", "k_center")
    }
    assert len(keys) == 3


@pytest.mark.parametrize("count", [10, 17, 20])
def test_balanced_first_labels_are_as_many_of_each_class_as_can_be(tmp_path, count):
    targets = Classification(grid(["random"])[0]).targets
    chosen = [first_labels(Store(tmp_path), initial=count, initial_labels="balanced", seeds=[s]) for s in (0, 1)]
    for labelled in chosen:
        assert len(set(labelled)) == len(labelled) == count
        counts = targets[labelled].bincount(minlength=10)
        assert counts.max() - counts.min() <= 1
    assert chosen[0] != chosen[1]
    once = [first_labels(Store(tmp_path), initial=count, initial_labels="balanced", initial_pool="once", seeds=[s])
            for s in (0, 1)]  # fmt: skip
    assert once[0] == once[1] == chosen[0]


def test_balanced_labels_of_classes_that_run_out_are_all_of_them_and_then_the_others():
    classes = numpy.array([0] * 3 + [1] * 40 + [2] * 57)
    for seed in range(5):
        labelled = Pool.initial(100, 33, seed, once=False, classes=classes).labelled
        assert len(set(labelled)) == 33
        assert numpy.bincount(classes[labelled]).tolist() == [3, 15, 15]
        assert numpy.bincount(classes[labelled[:9]]).tolist() == [3, 3, 3]
    drawn = {tuple(Pool.initial(100, 3, seed, once=False, classes=classes).labelled) for seed in range(9)}
    assert len(drawn) > 5  # and which of a class is drawn


def test_first_labels_by_a_strategy_are_its_choice_from_the_whole_pool_through_an_untrained_network(tmp_path):
    """k-center from scikit-free distances: each next sample is the one farthest from those before it."""
    labelled = first_labels(Store(tmp_path), initial_labels="k_center")
    assert len(set(labelled)) == len(labelled) == 20
    task = Classification(grid(["random"])[0])
    embedded = by_hand(task, task.build(0), range(120)).embedded.double()
    covered = torch.cdist(embedded, embedded[labelled[:1]]).amin(1)
    for sample in labelled[1:]:
        assert covered[sample] >= covered.max() - 1e-4
        covered = torch.minimum(covered, (embedded - embedded[sample]).norm(dim=1))
    other = first_labels(Store(tmp_path), initial_labels="k_center", seeds=[1])
    assert other != labelled
    with pytest.raises(BadRequest, match="looks through a network that differs from seed to seed"):
        grid(["random"], initial_labels="k_center", initial_pool="once")
    with pytest.raises(BadRequest, match="sees the labels of the pool"):
        grid(["random"], initial_labels="oracle")
    assert first_labels(Store(tmp_path), initial_labels="random_again") != first_labels(Store(tmp_path))


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("dispersion", "needs counts, and nothing is trained yet"),
        ("late_dispersion", "needs predictions, and nothing is trained yet"),
        ("qbc", "needs committee, and nothing is trained yet"),
        ("bald", "initial_labels = 'bald' wants a network with dropout"),
        ("k_centr", "did you mean 'k_center'"),
        ("k_center(first=3)", "initial_labels = 'k_center.first=3.': k_center knows no first; it has no option"),
        ("latent_k_center(first='x')", "initial_labels = .*: first = 'x'.*expected int"),
        ("by_hand", "initial_labels = 'by_hand' is of a notebook cell"),
    ],
)
def test_first_labels_by_what_cannot_choose_them_are_refused_before_anything_runs(how, says, monkeypatch):
    @acquisition.score("by_hand")
    def by_hand(view):
        return -view.priority

    monkeypatch.setattr(acquisition, "local", {"by_hand": by_hand})
    with pytest.raises(BadRequest, match=says) as refusal:
        grid(["random"], initial_labels=how)
    assert "\n" not in str(refusal.value)


# --- a run that goes on from its last weights ---------------------------------------------------------------------------


@pytest.mark.parametrize("arm", ["random", "dispersion"])
def test_weights_go_on_from_cycle_to_cycle_and_a_further_run_joins_them(tmp_path, monkeypatch, arm):
    plain, began = Classification.train, []

    def watched(self, samples, labels, c, watched=None, **kwargs):
        start = kwargs.get("start")
        model, record = plain(self, samples, labels, c, watched, **kwargs)
        began.append((self.run.key, c, start and copy.deepcopy(start.state_dict()), copy.deepcopy(model.state_dict())))
        return model, record

    monkeypatch.setattr(Classification, "train", watched)
    store = Store(tmp_path)
    (run,), (longer,) = grid([arm], start="last"), grid([arm], start="last", cycles=4)
    further = races.further_run(run, 2)
    assert not drive([run, further, longer], store, workers=1).failed
    equal = lambda a, b: all(torch.equal(a[name], b[name]) for name in b)
    first = store.final(run.needs[cycle.FIRST]).blobs["weights"]
    for key in (run.key, longer.key):
        before = first
        for _, c, start, end in [one for one in began if one[0] == key]:
            assert equal(start, before), c
            assert not equal(end, before)
            before = end
    assert [c for key, c, *_ in began if key == further.key] == [3, 4]
    assert labelled(store, further) == labelled(store, longer)
    rows = {name: [row for row in store.read(one).rows if row["kind"] == "test"]
            for name, one in (("run", run), ("further", further), ("longer", longer))}  # fmt: skip
    assert rows["run"] + rows["further"] == rows["longer"]
    scratch = grid([arm])[0]
    assert not drive([scratch], store, workers=1).failed
    assert store.read(scratch).rows[0] == rows["run"][0]
    assert [row["accuracy"] for row in store.read(scratch).rows if row["kind"] == "test"][1:] != [
        row["accuracy"] for row in rows["run"]
    ][1:]


def test_start_is_not_in_the_key_of_cycle_0_and_in_that_of_every_later_cycle():
    scratch, last = grid(["margin"])[0], grid(["margin"], start="last")[0]
    assert scratch.needs[cycle.FIRST].key == last.needs[cycle.FIRST].key
    assert scratch.key != last.key
    assert grid(["margin"], start="scratch")[0].key == scratch.key
    with pytest.raises(BadRequest, match=r"start = 'first'.*'scratch', 'last'"):
        grid(["margin"], start="first")


def test_only_a_run_that_goes_on_leaves_weights(tmp_path):
    store, (scratch,), (last,) = Store(tmp_path), grid(["random"]), grid(["random"], start="last")
    assert not drive([scratch, last], store, workers=1).failed
    assert [set(step["blobs"]) for step in store.read(scratch).steps] == [set()] * 3
    assert [set(step["blobs"]) for step in store.read(last).steps] == [{"weights"}] * 3


def test_what_a_run_chose_that_went_on_is_retrained_from_scratch():
    again = races.retrained_run(grid(["random"], start="last")[0])
    assert again.options.start == "scratch"
