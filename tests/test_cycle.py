"""The cycle on digits: pairing, budgets, what a strategy may see, a human's answers."""

import dataclasses

import numpy
import pytest
import torch

from alnb import acquisition, cycle
from alnb.cycle import Oracle, Pool, count_predictions
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.methods import label_dispersion as ch3
from alnb.runs import Run, numpy_stream
from alnb.store import Store
from alnb.tasks.classification import Classification

TINY = {"pool": 120, "initial": 20, "budget": 10, "cycles": 2, "epochs": 3, "batch": 32, "lr": 0.05, "network": "small"}


def grid(methods, seeds=(0,), **settings):
    return ch3.grid("digits", list(methods), list(seeds), **TINY | settings)


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
        accuracy = [row for row in store.read(run).rows if row["kind"] == "accuracy"]
        assert [row["labelled"] for row in accuracy] == [20, 30, 40]


def test_random_takes_the_first_of_the_shared_order_and_the_second_random_does_not(race):
    store, runs = race
    order = numpy_stream(0, "candidates", 0).permutation(120)
    unlabelled = [i for i in order.tolist() if i not in labelled(store, runs[0])[:20]]
    assert store.read(runs[0]).steps[0]["queries"] == unlabelled[:10]
    assert store.read(runs[1]).steps[0]["queries"] != unlabelled[:10]


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


def test_the_view_agrees_with_the_network_run_by_hand(setting):
    task, model, record, pool, candidates = setting
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


@pytest.mark.parametrize("name", sorted(acquisition.catalogue()))
def test_every_strategy_is_unmoved_by_the_inference_batch_size(setting, name, monkeypatch):
    from alnb.learning import engine

    strategy = acquisition.get(name)
    rng = lambda: torch.Generator().manual_seed(5)
    if "dropout_probabilities" in strategy.needs:
        monkeypatch.setattr(setting[0], "options", dataclasses.replace(setting[0].options, dropout=0.5))
    large = strategy.choose(view(setting, strategy.oracle), 15, rng()).rows
    plain = engine.infer
    monkeypatch.setattr(engine, "infer", lambda *args, **kwargs: plain(*args, **kwargs | {"batch": 7}))
    small = strategy.choose(view(setting, strategy.oracle), 15, rng()).rows
    assert len(set(large.tolist()) & set(small.tolist())) >= 14  # two equal scores may round apart


def test_counts_are_those_of_a_loop():
    predictions = torch.randint(0, 4, (9, 6), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    counts = count_predictions(predictions, 4)
    by_hand = [[int((predictions[:, x] == c).sum()) for c in range(4)] for x in range(6)]
    assert counts.tolist() == by_hand


def test_a_human_answers_classification_and_the_answers_train_the_network(tmp_path):
    runs = grid(["random"], annotator="asked")
    oracle = Oracle(lambda run, queries: [3] * len(queries))
    store = Store(tmp_path)
    assert not drive(runs, store, workers=1, oracle=oracle).failed
    assert oracle.asked == 20
    assert runs[0].key != grid(["random"])[0].key
    last = store.read(runs[0]).steps[-1]
    assert dict(last["state"]["answers"]) == {i: 3 for i in last["state"]["labelled"][20:]}
    truth = store.read(grid(["random"])[0])
    assert not truth.steps  # another question


def test_an_oracle_that_gives_too_few_answers_or_an_impossible_class_is_refused(tmp_path):
    run = grid(["random"], annotator="asked")
    with pytest.raises(BadRequest, match="10 queries got 1 answers"):
        drive(run, Store(tmp_path / "a"), workers=1, oracle=Oracle(lambda r, q: [1]))
    outcome = drive(run, Store(tmp_path / "b"), workers=1, oracle=Oracle(lambda r, q: [11] * len(q)), say=str)
    assert "expected 0 to 9" in outcome.failed[run[0]]
    outcome = drive(run, Store(tmp_path / "c"), workers=1, say=str)
    assert "asks a human" in outcome.failed[run[0]]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"budget": 51}, "more than the pool's 120"),
        ({"pool": 9999}, "the dataset has 1297"),
        ({"epochs": -1}, "epochs = -1"),
        ({"budget": 0}, "budget = 0"),
        ({"lr": "fast"}, "lr = 'fast'"),
        ({"network": "vgg"}, "network = 'vgg'.*'small', 'resnet18'"),
        ({"subset": 5}, "smaller than the budget"),
        ({"milestones": [60]}, "fractions of the epochs"),
        ({"epoch": 3}, "unknown setting epoch"),
    ],
)
def test_impossible_settings_are_refused_before_anything_runs(change, says):
    with pytest.raises(BadRequest, match=says):
        grid(["random"], **change)


def test_a_strategy_from_a_cell_races_under_its_own_name_and_editing_it_changes_its_key_alone(tmp_path):
    @acquisition.score("mine", needs=("probabilities",))
    def mine(view):
        return -view.probabilities.amax(1)

    before = grid(["mine", "least_confidence"])
    store = Store(tmp_path)
    assert not drive(before, store, workers=2).failed  # it travels to another process
    assert labelled(store, before[0]) == labelled(store, before[1])

    @acquisition.score("mine", needs=("probabilities",))
    def mine(view):
        return view.probabilities.amax(1)

    after = grid(["mine", "least_confidence"])
    assert before[0].key != after[0].key
    assert before[1].key == after[1].key
    assert after[0].method.startswith("mine@")


def test_the_shared_first_training_does_not_depend_on_what_comes_later():
    assert grid(["random"], budget=5)[0].needs[cycle.FIRST].key == grid(["margin"])[0].needs[cycle.FIRST].key
    assert grid(["random"], epochs=4)[0].needs[cycle.FIRST].key != grid(["random"])[0].needs[cycle.FIRST].key


def test_scoring_through_the_training_transform_is_a_switch():
    plain, moved = (Classification(grid(["random"], acquisition_transform=t)[0]) for t in ("test", "train"))
    some = numpy.arange(10)
    assert torch.equal(plain._acquisition_images(some, 0), plain.images[some])
    a = moved._acquisition_images(some, 0)
    assert not torch.equal(a, plain.images[some])
    assert torch.equal(a[3:4], moved._acquisition_images(some[3:4], 0))  # drawn per sample, not per batch
    assert not torch.equal(a, moved._acquisition_images(some, 1))


def test_a_run_is_named_so_that_a_log_can_be_read():
    assert str(Run("label_dispersion", "digits", "all_data", 3)).startswith("label_dispersion digits all_data seed 3 [")
