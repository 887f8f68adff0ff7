"""Which runs a notebook asks for: races and their words, arms and their options, what was chosen elsewhere."""

import pytest

from alnb import acquisition, cycle, races
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.methods import label_dispersion as ch3
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
        ({"network": "vgg"}, "network = 'vgg'.*'resnet18'"),
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
        ("margin(network='resnet18')", "network is no option of an arm"),
        ("margin(tail='step', imbalance=0.1)", "tail is no option of an arm"),
        ("bald(5)", r"arm 'bald\(5\)'; accepted: name or name\(option=value"),
        ("blad(dropout=0.5)", "did you mean 'bald'"),
        ("vaal(steps=-1)", "vaal: steps = -1; accepted: a whole number from 1"),
        ("vaal(beta=-0.5)", "vaal: beta = -0.5; accepted: a number from 0"),
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


# --- races --------------------------------------------------------------------------------------------------------------

FEW = {"dataset": "digits", "arms": ["random", "margin"], "seeds": 2}


def races_of(few, *others, **settings):
    return ch3.grid(few, *others, **TINY | settings)


def told(runs):
    return [(run.race, run.arm or run.method, run.seed) for run in runs]


def test_runs_come_seed_by_seed_each_with_its_races_name():
    runs = races_of(FEW, {"dataset": "digits", "arms": ["entropy"], "seeds": 1, "epochs": 4})
    assert told(runs) == [
        ("few", "random", 0), ("few", "margin", 0), ("many", "entropy", 0), ("few", "random", 1), ("few", "margin", 1)
    ]  # fmt: skip
    assert [run.options.epochs for run in runs] == [3, 3, 4, 3, 3]
    assert [run.dataset for run in runs] == ["digits"] * 5


def test_a_race_that_is_empty_or_whose_dataset_is_is_left_out_and_all_of_them_are_refused():
    assert told(races_of(FEW, {}, {})) == told(races_of(FEW, {"dataset": "", "arms": ["entropy"]}))
    with pytest.raises(BadRequest, match=r"every race is left out \(few, many, null, trap, recipes\)"):
        races_of({}, {"dataset": ""})


def test_a_race_without_the_word_dataset_is_no_race_that_is_left_out():
    with pytest.raises(BadRequest, match="many: no dataset, in datset, arms; did you mean it by 'datset'"):
        races_of(FEW, {"datset": "digits", "arms": ["entropy"]})
    with pytest.raises(BadRequest, match="many: no dataset, in seeds"):
        races_of(FEW, {"seeds": 3})


def test_like_takes_what_a_race_does_not_say_itself():
    many = {"like": "few", "arms": ["entropy"], "epochs": 4}
    assert told(races_of(FEW, {"like": "few"})) == [
        (race, arm, seed) for seed in (0, 1) for race in ("few", "many") for arm in FEW["arms"]
    ]
    runs = races_of(FEW | {"subset": 30}, many, {"like": "many", "seeds": [1]})
    assert told(runs)[2] == ("many", "entropy", 0)
    assert [(run.options.subset, run.options.epochs) for run in runs if run.race != "few"] == [(30, 4)] * 3
    assert [run.seed for run in runs if run.race == "null"] == [1]


@pytest.mark.parametrize(
    ("many", "null", "says"),
    [
        ({"like": "fewer"}, {}, r"many: like 'fewer'; accepted: another race \(few, null, trap, recipes\)"),
        ({"like": "many", "seeds": 1}, {}, "many: like 'many'; accepted: another race"),
        (
            {"like": "null", "seeds": 1},
            {"like": "many", "seeds": 1},
            "like 'many'; accepted: another race.*in no circle",
        ),
    ],
)
def test_like_in_a_circle_or_of_nothing_is_refused(many, null, says):
    with pytest.raises(BadRequest, match=says) as refusal:
        races_of(FEW, many, null)
    assert "\n" not in str(refusal.value)


def test_more_arms_run_on_fewer_seeds():
    more = {"arms": ["entropy", "k_center(seeds=1)"], "seeds": 2}
    runs = races_of(FEW | {"seeds": 3, "more": more})
    seeds = {arm: [seed for _, a, seed in told(runs) if a == arm] for _, arm, _ in told(runs)}
    assert seeds == {"random": [0, 1, 2], "margin": [0, 1, 2], "entropy": [0, 1], "k_center": [0]}
    everywhere = races_of(FEW | {"seeds": 3, "more": {"arms": ["entropy"]}})
    assert sorted(run.seed for run in everywhere if run.method == "entropy") == [0, 1, 2]


def test_seeds_are_a_count_or_a_list_and_an_arm_takes_the_first_of_its_race():
    runs = races_of(FEW | {"seeds": [5, 3, 8], "arms": ["random", "margin(seeds=2)", "entropy(seeds=[8])"]})
    seeds = {arm: [seed for _, a, seed in told(runs) if a == arm] for arm in ("random", "margin", "entropy")}
    assert seeds == {"random": [3, 5, 8], "margin": [3, 5], "entropy": [8]}


def test_the_words_of_an_arm_are_no_part_of_its_label_or_key():
    arms = ["random(further=2, seeds=1)", "bald(seeds=1, dropout=0.5, retrain=True)", "all_data(seeds=1)"]
    runs = races_of(FEW | {"arms": arms})
    assert told(runs) == [
        ("few", "random", 0), ("few", "random", 0), ("few", "bald(dropout=0.5)", 0),
        ("few", "bald(dropout=0.5) retrained", 0), ("few", "all_data", 0),
    ]  # fmt: skip
    plain, further, bald, again, everything = runs
    assert plain.key == grid(["random"])[0].key
    assert further.key == races.further_run(plain, 2).key
    assert (further.options.cycles, further.steps) == (4, 3)
    assert bald.key == grid(["bald(dropout=0.5)"])[0].key
    assert again.needs == {"selection": bald}
    assert again.settings == {**plain.settings, "initial": again.options.initial}  # the plain network, without dropout
    assert (everything.method, everything.needs) == (cycle.ALL, {})
    assert grid(["random(retrain=False, further=0)"])[0].key == plain.key


def test_a_run_in_two_races_has_one_key_and_rows_in_both(tmp_path):
    store, runs = Store(tmp_path), races_of(FEW | {"seeds": 1}, FEW | {"seeds": 1, "arms": ["random"]})
    assert [run.race for run in runs] == ["few", "few", "many"]
    assert runs[0].key == runs[2].key
    assert runs[0] == runs[2]
    outcome = drive(runs, store, workers=1)
    assert outcome.computed == 1 + 2 * 3
    frame = store.frame(runs)
    rows = {race: part.drop(columns="race") for race, part in frame.groupby("race") if race == "many"}
    twice = frame[(frame["race"] == "few") & (frame["method"] == "random")].drop(columns="race")
    assert len(rows["many"]) == len(twice) > 6
    assert rows["many"].reset_index(drop=True).equals(twice.reset_index(drop=True))


def test_a_setting_of_the_race_beats_the_shared_one_and_an_arms_beats_both():
    runs = races_of(FEW | {"arms": ["random", "random(dropout=0.5)"], "seeds": 1, "dropout": 0.2}, dropout=0.1)
    assert [run.options.dropout for run in runs] == [0.2, 0.5]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"arms": []}, "arms is empty"),
        ({"arms": ["random", "random"]}, "arms repeats 'random'"),
        ({"arms": ["random", "random(seeds=1)"]}, "are the same run: give it once"),
        ({"more": {"arms": ["random"]}}, "are the same run: give it once"),
        ({"more": {"arms": ["entropy"], "epochs": 3}}, "more has 'epochs'; accepted: arms, seeds"),
        ({"more": {"seeds": 1}}, "more: arms is empty"),
        (
            {"more": {"arms": ["entropy"], "seeds": [7]}},
            r"more: seeds = \[7\]: the race has no seed 7; it has \[0, 1\]",
        ),
        ({"seeds": 0}, "seeds = 0: expected a count from 1"),
        ({"seeds": [1, 1]}, "seeds repeats 1"),
        ({"seeds": [-1]}, r"seeds = \[-1\]"),
        ({"seeds": []}, r"seeds = \[\]"),
        ({"seeds": "two"}, "seeds = 'two'.*expected int"),
        ({"arms": ["random(seeds=0)"]}, r"random\(seeds=0\): seeds = 0"),
        ({"arms": ["random(seeds=[4])"]}, r"random\(seeds=\[4\]\): seeds = \[4\]: the race has no seed 4"),
        ({"arms": ["random(further=-1)"]}, r"random\(further=-1\): further = -1"),
        ({"arms": ["random(further='two')"]}, r"further = 'two'.*expected int"),
        ({"arms": ["random(further=11)"]}, "more than the pool's 120"),
        ({"arms": ["random(retrain=1)"]}, r"random\(retrain=1\): retrain = 1.*expected bool"),
        ({"arms": ["all_data(epochs=3)"]}, r"all_data\(epochs=3\): all_data takes seeds and no other option"),
        ({"arms": ["margin(further=1)"]}, "only the plain random and random_again go further"),
        ({"arms": ["random(dropout=0.5, further=1)"]}, "only the plain random and random_again go further"),
        ({"arms": ["all_data(further=1)"]}, "all_data takes seeds and no other option"),
        ({"arms": ["randm"]}, "did you mean 'random'"),
        ({"dataset": "digit"}, "unknown dataset 'digit': did you mean digits"),
        ({"epoch": 3}, "unknown setting epoch"),
        ({"arms": "random"}, r"arms = 'random' \(str\): expected list"),
        ({"dataset": 3}, "dataset = 3"),
    ],
)
def test_a_race_that_cannot_be_is_refused_in_one_line_that_names_it(change, says):
    with pytest.raises(BadRequest, match=f"^few: .*{says}") as refusal:
        races_of(FEW | change)
    assert "\n" not in str(refusal.value)


# --- what the task offers -----------------------------------------------------------------------------------------------


@pytest.fixture
def of_a_cell(monkeypatch):
    """Strategies of a notebook cell, forgotten afterwards."""
    monkeypatch.setattr(acquisition, "local", {})


def test_a_strategy_that_needs_what_the_task_does_not_offer_is_refused_with_a_near_name(of_a_cell):
    @acquisition.score("mine", needs=("probabilitys",))
    def mine(view):
        return view.probabilitys[:, 0]

    says = (
        "few: mine needs 'probabilitys', which label_dispersion on digits does not offer; did you mean 'probabilities'"
    )
    with pytest.raises(BadRequest, match=says) as refusal:
        grid(["mine"])
    assert "\n" not in str(refusal.value)
    assert "embeddings" in str(refusal.value)  # and says what there is


def test_a_need_that_is_like_nothing_is_refused_with_what_there_is(of_a_cell):
    @acquisition.score("mine", needs=("predicted_loss",))  # another task may offer it
    def mine(view):
        return view.predicted_loss

    with pytest.raises(BadRequest, match=r"needs 'predicted_loss'.*does not offer; .*it offers probabilities, "):
        grid(["random", "mine"])


def test_what_a_pair_needs_is_checked_as_well(monkeypatch):
    import dataclasses

    from alnb import runs
    from alnb.methods import pseudo_labels

    blind = dataclasses.replace(pseudo_labels.STUDY, offers=lambda dataset: {"embeddings": "(U, D)"})
    monkeypatch.setattr(pseudo_labels, "STUDY", blind)
    runs.study.cache_clear()
    try:
        with pytest.raises(BadRequest, match=r"dispersion\+entropy: dispersion needs 'counts', which pseudo_labels"):
            grid(["dispersion+entropy"])
    finally:
        monkeypatch.undo()
        runs.study.cache_clear()
