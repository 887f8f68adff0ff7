"""The cycle on digits: pairing, budgets, what a strategy may see, a human's answers."""

import copy
import dataclasses
import types

import numpy
import pytest
import torch
from scipy import special, stats

from alnb import acquisition, cycle, records
from alnb.cycle import Oracle, Pool, count_predictions
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.methods import label_dispersion as ch3
from alnb.runs import Run, numpy_stream, torch_stream
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


@pytest.mark.parametrize("method", ["random", "dispersion"])
def test_a_run_that_goes_on_is_the_rest_of_a_longer_run(race, method):
    store, runs = race
    before = next(run for run in runs if run.method == method)
    further = cycle.further_run(before, 2)
    longer = grid([method], cycles=4)[0]
    assert further.steps == 3
    assert not drive([further, longer], store, workers=1).failed
    assert labelled(store, further) == labelled(store, longer)
    accuracy = {name: [row for row in store.read(run).rows if row["kind"] == "accuracy"]
                for name, run in (("before", before), ("further", further), ("longer", longer))}  # fmt: skip
    assert accuracy["before"] + accuracy["further"] == accuracy["longer"]


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


@pytest.mark.parametrize("name", sorted(acquisition.catalogue()))
def test_every_strategy_is_unmoved_by_the_inference_batch_size(setting, name, monkeypatch):
    from alnb.learning import infer as module

    strategy = acquisition.get(name)
    rng = lambda: torch.Generator().manual_seed(5)
    if "dropout_probabilities" in strategy.needs:
        monkeypatch.setattr(setting[0], "options", dataclasses.replace(setting[0].options, dropout=0.5))
    large = strategy.choose(view(setting, strategy.oracle), 15, rng()).rows
    plain = module.infer
    monkeypatch.setattr(module, "infer", lambda *args, **kwargs: plain(*args, **kwargs | {"batch": 7}))
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
    def mine(view):  # noqa: F811  as in a cell that is run again
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


# --- arms, MC dropout, committees ---------------------------------------------------------------------------------------


def test_random_on_a_subset_chooses_what_random_chooses(tmp_path):
    store, runs = Store(tmp_path), grid(["random", "random(subset=15)"])
    assert not drive(runs, store, workers=1).failed
    assert len({tuple(labelled(store, run)) for run in runs}) == 1
    assert runs[0].key != runs[1].key
    assert runs[1].needs[cycle.FIRST].key == runs[0].needs[cycle.FIRST].key
    accuracy = store.frame(runs).query("kind == 'accuracy'")
    assert accuracy["method"].unique().tolist() == ["random", "random(subset=15)"]
    assert accuracy.groupby("method")["accuracy"].agg(list).map(tuple).nunique() == 1


def test_an_arms_name_is_in_the_frame_and_not_in_the_key():
    arms = ["bald(passes=5, dropout=0.5)", "bald( dropout=5e-1,passes=5.0 )", "bald(dropout=0.4)"]
    one, other, plain = (grid([arm])[0] for arm in arms)
    with pytest.raises(BadRequest, match="are the same run: give it once"):
        grid(arms)
    assert one.key == other.key != plain.key
    assert (one.arm, other.arm) == ("bald(passes=5, dropout=0.5)", "bald( dropout=5e-1,passes=5.0 )")
    assert (plain.arm, grid(["random"])[0].arm) == ("bald(dropout=0.4)", "")
    assert one.method == other.method == plain.method == "bald"
    assert one.options.strategy == {"passes": 5}
    assert one.options.dropout == 0.5
    assert str(one).startswith("label_dispersion digits bald(passes=5, dropout=0.5) seed 0 [")


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ("bald(dropout=0.5)", "bald(dropout=0.5, passes=50.0)"),
        ("qbc", "qbc(members=5)"),
        ("late_dispersion", "late_dispersion(share=0.25)"),
        ("random", "random(dropout=0.0, subset=0)"),
    ],
)
def test_options_equal_to_their_defaults_change_no_key(plain, said):
    assert grid([plain])[0].key == grid([said])[0].key
    assert grid([plain])[0].needs[cycle.FIRST].key == grid([said])[0].needs[cycle.FIRST].key


def test_an_option_of_the_strategy_leaves_the_first_training_shared_and_one_of_the_network_does_not():
    first = lambda arm: grid([arm])[0].needs[cycle.FIRST].key
    assert first("qbc(members=3)") == first("random")
    assert first("random(dropout=0.5)") == first("bald(dropout=0.5, passes=5)") != first("random")
    keys = [grid([arm])[0].key for arm in ("qbc", "qbc(members=3)", "qbc(members=4)", "random", "random(dropout=0.5)")]
    assert len(set(keys)) == 5


@pytest.mark.parametrize(
    ("arm", "says"),
    [
        ("bald(passes='many')", "bald: passes = 'many'.*expected int"),
        ("bald(passes=5.5)", "bald: passes = 5.5"),
        ("bald(passes=True)", "bald: passes = True"),
        ("bald(passes=None)", "bald: passes = None"),
        ("qbc(members=[5])", r"qbc: members = \[5\]"),
        ("late_dispersion(share='a quarter')", "late_dispersion: share = 'a quarter'.*expected float"),
        ("bald(dropout='half')", r"bald\(dropout='half'\): dropout = 'half'"),
        ("random(subset='all')", r"random\(subset='all'\): subset = 'all'"),
        ("random(passes=5)", r"random\(passes=5\): unknown setting passes"),
        ("margin(network='vgg')", "network = 'vgg'.*'small', 'resnet18'"),
        ("bald(5)", r"arm 'bald\(5\)'; accepted: name or name\(option=value"),
        ("blad(dropout=0.5)", "did you mean 'bald'"),
    ],
)
def test_an_arm_that_cannot_be_is_refused_in_one_line_before_anything_runs(arm, says):
    with pytest.raises(BadRequest, match=says) as refusal:
        grid([arm])
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("arm", "says"),
    [
        ("bald(dropout=1.5)", "dropout = 1.5"),
        ("random(subset=5)", "smaller than the budget"),
        ("random(budget=51)", "budget is no option of an arm"),
        ("random(epochs=0)", "epochs = 0"),
        ("random(milestones=[60])", "fractions of the epochs"),
    ],
)
def test_sizes_and_recipe_of_an_arm_are_checked_as_those_of_the_grid_are(arm, says):
    with pytest.raises(BadRequest, match=says):
        grid([arm])


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
    return [row["accuracy"] for row in store.read(run).rows if row["kind"] == "accuracy"]


@pytest.mark.parametrize("arm", ["random", "random(dropout=0.5, subset=15)"])
def test_retraining_what_a_run_chose_equals_that_run_to_the_bit(tmp_path, arm):
    """Random alters no training, so its retrained run and its published selection are the run itself once more."""
    store, (run,) = Store(tmp_path / "store"), grid([arm])
    again = cycle.retrained_run(run)
    assert not drive([run, again], store, workers=1).failed
    assert len(accuracies(store, run)) == 3
    assert accuracies(store, again) == accuracies(store, run)
    assert again.steps == 3

    records.export([run], store, tmp_path / "records")
    (one,) = records.selections(tmp_path / "records", run.study).values()
    values = {"dataset": "digits", "methods": ["margin"], "seeds": [0], "artefacts": 3, **TINY, "pool": 99, "cycles": 9}
    values |= {"dropout": run.options.dropout, "initial": 1, "budget": 1}
    (published,) = cycle.retrained_selections(run.study, [one], values)
    assert (published.options.pool, published.options.initial, published.options.budget) == (120, 20, 10)
    assert not drive([published], store, workers=1).failed
    assert accuracies(store, published) == accuracies(store, run)
    assert labelled(store, published) == labelled(store, run)
    assert store.frame([again, published])["method"].unique().tolist() == [f"{arm} retrained"]


def test_a_retrained_run_takes_the_recipe_of_its_source_but_not_its_strategys_options():
    source = grid(["qbc(members=3)"])[0]
    again = cycle.retrained_run(source)
    assert again.method == cycle.RETRAINED
    assert again.settings == {name: value for name, value in source.settings.items() if name != "strategy"}
    assert again.needs == {"selection": source}
    assert cycle.retrained_run(grid(["qbc(members=4)"])[0]).key != again.key


def selection(**change):
    about = {"dataset": "digits", "method": "theirs", "seed": 3, "pool": 120}
    return about | {"labelled": list(range(30, 70)), "batches": [20, 10, 10]} | change


def test_a_published_selection_of_unequal_batches_is_trained_on_batch_by_batch(tmp_path):
    sizes = [12, 3, 20, 5]
    (run,) = cycle.retrained_selections("label_dispersion", [selection(batches=sizes)], TINY)
    store = Store(tmp_path)
    assert not drive([run], store, workers=1).failed
    assert [row["labelled"] for row in store.read(run).rows] == numpy.cumsum(sizes).tolist()
    assert [step["state"]["labelled"] for step in store.read(run).steps] == [
        list(range(30, 30 + n)) for n in numpy.cumsum(sizes)
    ]
    assert (run.seed, run.arm) == (3, "theirs retrained")


def test_the_key_of_a_published_selection_is_its_samples_their_order_and_batches():
    key = lambda **change: cycle.retrained_selections("label_dispersion", [selection(**change)], TINY)[0].key
    keys = [
        key(), key(labelled=list(range(70, 30, -1))), key(batches=[20, 5, 15]), key(labelled=list(range(31, 71))),
        key(seed=4), key(pool=0),
    ]  # fmt: skip
    assert len(set(keys)) == 6
    assert key(method="otherwise called") == keys[0]  # who chose is a name, not a question


@pytest.mark.parametrize(
    "change",
    [
        {"labelled": [*range(30, 69), 30]},
        {"labelled": [*range(30, 69), 120]},
        {"labelled": [*range(30, 69), -1]},
        {"labelled": list(range(30, 69))},
        {"batches": [20, 10, 9]},
        {"batches": [20, 10, 10, 10]},
        {"pool": 0, "labelled": [*range(30, 69), 1297]},
        {"pool": 60},
    ],
)
def test_a_selection_that_does_not_fit_is_refused_in_one_line(change):
    with pytest.raises(
        BadRequest, match=r"selection theirs seed 3 on digits: .*; expected distinct samples"
    ) as refusal:
        cycle.retrained_selections("label_dispersion", [selection(**change)], TINY)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "change",
    [
        {"pool": 2000, "labelled": [*range(30, 69), 1999]},  # digits has 1,297
        {"batches": [-10, 40, 10]},
        {"batches": [0, 20, 20]},  # nothing to train on in cycle 0
        {"labelled": [], "batches": []},
        {"labelled": [*range(30, 69), "a"]},
        {"labelled": [*range(30, 69), 70.5]},
        {"batches": [20, 10, "ten"]},
    ],
)
def test_a_selection_that_is_none_is_refused_not_failed_on(change):
    with pytest.raises(BadRequest):
        cycle.retrained_selections("label_dispersion", [selection(**change)], TINY)


def test_a_selection_on_a_dataset_nobody_has_is_refused():
    with pytest.raises(BadRequest, match="unknown dataset 'figits': did you mean digits"):
        cycle.retrained_selections("label_dispersion", [selection(dataset="figits", pool=0)], TINY)
