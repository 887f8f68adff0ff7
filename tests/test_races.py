"""Which runs a notebook asks for: races and their words, arms and their options, what was chosen elsewhere."""

import pytest

from alnb import acquisition, cycle, races
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.runs import Run
from alnb.store import Store
from tests.tiny import TINY, grid


def labelled(store, run):
    return store.read(run).steps[-1]["state"]["labelled"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"budget": 51}, "more than the pool's 120"),
        ({"pool": 9999}, "the dataset has 1297"),
        ({"epochs": -1}, "epochs = -1"),
        ({"budget": 0}, "budget = 0"),
        ({"lr": "fast"}, "lr = 'fast'"),
        ({"network": "vgg"}, "network = 'vgg'.*'resnet18', 'small'"),
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


def test_a_run_is_named_so_that_a_log_can_be_read():
    assert str(Run("label_dispersion", "digits", "all_data", 3)).startswith("label_dispersion digits all_data seed 3 [")


def test_an_arms_name_is_in_the_frame_and_not_in_the_key():
    arms = ["bald(passes=5, dropout=0.5)", "bald( dropout=5e-1,passes=5.0 )", "bald(dropout=0.4)"]
    one, other, plain = (grid([arm])[0] for arm in arms)
    with pytest.raises(BadRequest, match="are the same run: give it once"):
        grid(arms)
    assert one.key == other.key != plain.key
    assert (one.arm, other.arm) == ("bald(passes=5, dropout=0.5)", "bald(dropout=0.5, passes=5.0)")
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
        ("margin(network='vgg')", "network = 'vgg'.*'resnet18', 'small'"),
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


def test_a_retrained_run_takes_the_recipe_of_its_source_but_not_its_strategys_options():
    source = grid(["qbc(members=3)"])[0]
    again = races.retrained_run(source)
    assert again.method == cycle.RETRAINED
    assert again.settings == {name: value for name, value in source.settings.items() if name != "strategy"}
    assert again.needs == {"selection": source}
    assert races.retrained_run(grid(["qbc(members=4)"])[0]).key != again.key


def selection(**change):
    about = {"dataset": "digits", "method": "theirs", "seed": 3, "pool": 120}
    return about | {"labelled": list(range(30, 70)), "batches": [20, 10, 10]} | change


def test_the_key_of_a_published_selection_is_its_samples_their_order_and_batches():
    key = lambda **change: races.retrained_selections("label_dispersion", [selection(**change)], TINY)[0].key
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
        races.retrained_selections("label_dispersion", [selection(**change)], TINY)
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
        races.retrained_selections("label_dispersion", [selection(**change)], TINY)


def test_a_selection_on_a_dataset_nobody_has_is_refused():
    with pytest.raises(BadRequest, match="unknown dataset 'figits': did you mean digits"):
        races.retrained_selections("label_dispersion", [selection(dataset="figits", pool=0)], TINY)
