"""Parameters, profiles and what runs they come to."""

import re

import pytest

from alnb import claims, datasets, plans, races
from alnb.errors import BadRequest
from alnb.methods.doubt import CONFIDENCES
from alnb.plans import parse_parameters
from alnb.store import Store
from alnb.values import load_yaml, parse_value

NAMES = plans.names()
FIRST = "01_label_dispersion"


@pytest.mark.parametrize(
    "source",
    [
        "x = 3",
        "x: int",
        "x: int = y",
        "x: dict = []",
        "x: dict = {1: 2}",
        "x: dict = {'seeds': 'two'}",
        "x: dict = {'seeds': [0, 'one']}",
        "x: dict = {'arms': 'random'}",
        "x: dict = {'dataset': 3}",
        "x: dict = {'more': ['random']}",
        "x: list[dict] = [{}]",
        "x, y = 1, 2",
        "x: int = 'three'",
        "x: int | None = 3",
        "import os",
    ],
)
def test_parameters_that_are_no_typed_literals_are_refused(source):
    with pytest.raises(BadRequest):
        parse_parameters(source, "a notebook")


def test_a_second_equals_sign_or_a_hash_in_a_string_keeps_its_parameter():
    found = parse_parameters('a: str = "x=1 # not a comment"  # is = one\nb: list[int] = [1, 2]', "a notebook")
    assert found["a"].default == "x=1 # not a comment"
    assert found["a"].help == "is = one"
    assert found["b"].default == [1, 2]


def test_a_race_may_take_several_lines():
    source = "a: dict = {  # the race\n  'dataset': 'digits',\n  'arms': ['random(further=2)'],\n}\nb: int = 3"
    found = parse_parameters(source, "a notebook")
    assert found["a"].default == {"dataset": "digits", "arms": ["random(further=2)"]}
    assert found["b"].default == 3


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_is_possible_and_every_artefact_is_drawn_by_a_cell(name):
    for profile in plans.profiles(name):
        assert plans.plan(name, profile).runs
    source = (plans.FOLDER / f"{name}.ipynb").read_text()
    for artefact in plans.config(name)["artefacts"]:
        assert f'\\"{artefact}\\"' in source


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_of_real_data_runs_nothing_on_a_stand_in(name):
    """A race that a profile does not name it has from `laptop`, and in the ledgers its few seeds on a stand-in would stand
    before the kept ones of `world`. A study's own points are the same at every profile."""
    for profile in set(plans.profiles(name)) - {"smoke", "laptop", "world"}:
        used = {run.dataset for run in plans.plan(name, profile).runs} & set(datasets.names())
        assert not [dataset for dataset in sorted(used) if not datasets.info(dataset).real], profile


def test_laptop_asks_what_world_asks_or_is_a_preset_of_its_own():
    """Runs of `laptop` that `world` keeps too are compared with its records; a notebook may have a smaller preset, which its
    YAML then names."""
    for name in NAMES:
        if "world" in plans.profiles(name):
            world = {run.key for run in plans.plan(name, "world").runs}
            own = {run.key for run in plans.plan(name).runs}
            assert own <= world or "laptop: " in (plans.CONFIG / f"{name}.yaml").read_text()


def test_a_notebook_may_be_called_by_its_number():
    assert plans.resolve("1") == plans.resolve("01") == plans.resolve(f"{FIRST}.ipynb") == FIRST


def test_an_override_makes_the_profile_custom_and_an_equal_value_does_not():
    made = plans.plan(FIRST, "smoke", {"epochs": 7})
    assert re.fullmatch("smoke-[0-9a-f]{8}", made.label)
    assert made.changes == ["epochs 7"]
    assert plans.profile_of(made.label) == plans.profile_of("smoke") == "smoke"
    assert plans.plan(FIRST, "smoke", {"few.dataset": "digits"}).label == "smoke"
    assert plans.plan(FIRST, "smoke", {"few.seeds": 1}).changes == ["few.seeds 1"]
    assert plans.plan(FIRST, "smoke", {"many": {}}).changes == ["many left out"]


def test_two_trials_never_share_a_folder_and_the_same_trial_always_does():
    labels = [plans.plan(FIRST, "smoke", {"epochs": n, "few.seeds": 1}).label for n in (7, 8, 7)]
    assert labels[0] == labels[2] != labels[1]
    assert plans.plan(FIRST, "smoke", {"few.seeds": 1, "epochs": 7}).label == labels[0]


def test_a_long_value_is_cut_where_it_is_named():
    (said,) = plans.plan(FIRST, "smoke", {"few.arms": ["random", "margin", "entropy", "dispersion", "k_center"]}).changes
    assert said.startswith("few.arms ['random', 'margin'")
    assert len(said) <= len("few.arms ") + plans.BRIEF


def test_a_profile_replaces_a_race_whole_and_a_dotted_entry_changes_one():
    laptop, smoke = plans.plan("00_active_learning").values, plans.plan("00_active_learning", "smoke").values
    assert smoke["watched"] == {"dataset": "digits", "arms": ["forgetting"], "pool": 400, "network": "small",
                                "epochs": 8, "batch": 64, "lr": 0.05}  # fmt: skip
    assert smoke["first"] == laptop["first"] | {"seeds": 1, "cycles": 3, "arms": ["random", "margin"]}
    assert plans.plan("00_active_learning", overrides={"first": {}}).values["first"] == {}


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ({"fwe.seeds": 2}, "unknown parameter 'fwe.seeds'; did you mean few"),
        ({"epochs.seeds": 2}, "unknown parameter 'epochs.seeds'"),
        ({"few.": 2}, "unknown parameter 'few.'"),
        ({"few.seeds": "two"}, r"few.seeds = 'two' \(str\): expected int"),
        ({"few.seeds": 0}, "seeds = 0: expected a count from 1"),
        ({"few.seeds": [0, 0]}, "seeds repeats 0"),
        ({"few.arms": []}, "few: arms is empty"),
        ({"few.arms": ["random", "random"]}, "few: arms repeats 'random'"),
        ({"few.arms": ["random(further=-1)"]}, "further = -1"),
        ({"few.colour": "red"}, "few: .*unknown setting colour"),
        ({"few": 3}, "few = 3: expected a race"),
        ({"few": {}}, "every race is left out"),
        ({"few.dataset": "digitz"}, "did you mean digits"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(override, says):
    with pytest.raises(BadRequest, match=says) as refusal:
        plans.plan(FIRST, "smoke", override)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("5", int, 5), ("5e-4", float, 5e-4), ("true", bool, True), ("False", bool, False), ("glyphs-10", str, "glyphs-10"),
        ("12", str, "12"), ("012", int, "012"), ("1:30", int, "1:30"), ("[010]", list[int], ["010"]), ("[1, 2]", list[int], [1, 2]),
        ("[random, bald(passes=20, dropout=0.5)]", list[str], ["random", "bald(passes=20, dropout=0.5)"]),
        ("['a, b', \"c\"]", list[str], ["a, b", "c"]), ("[]", list[str], []), ("[0.3, 5e-1]", list[float], [0.3, 0.5]),
        ("random", list[str], "random"), ("{'dataset': 'digits'}", dict, {"dataset": "digits"}), ("nan", float, "nan"),
    ],
)  # fmt: skip
def test_a_value_of_the_command_line_is_read_by_its_declared_type(text, kind, value):
    assert parse_value(text, kind) == value


def test_a_number_is_plain_on_the_command_line_as_in_nbconfig():
    for text in ("1_000", "0x10", "0o7", "0b1", "1_0.5", "1j", "[1_000]", "{'pool': 0x10}"):
        assert parse_value(text, int) == text
    for text in ("-5", "+5", "5e-4", "1.", ".5", "-0.5e+3", "{'pool': 10, 'arms': ['bald(passes=1_0)']}"):
        assert not isinstance(parse_value(text, float), str)


def test_a_setting_of_a_race_that_is_a_text_is_read_as_one():
    assert plans.parse_override("07_reid_human_in_the_loop", "market.annotator", "7") == "7"
    assert plans.parse_override(FIRST, "few.network", "7") == "7"
    assert plans.parse_override(FIRST, "few.pool", "7") == 7
    assert plans.parse_override(FIRST, "few.seeds", "[7]") == [7]


def test_nbconfig_reads_the_numbers_of_python_and_leaves_the_rest_to_its_type():
    """Not YAML 1.1, where 5e-4 is a text, and 012, 1:30, yes and a date are not."""
    assert load_yaml("[5e-4, 1., .5, -3, 0, 1e3]") == [5e-4, 1.0, 0.5, -3, 0, 1e3]
    assert load_yaml("[true, false, null, ~, '3']") == [True, False, None, None, "3"]
    texts = ["012", "1:30", "0x10", "1_000", "yes", "off", "2001-12-14", ".inf", "0b1", "+.e1"]
    assert load_yaml(f"[{', '.join(texts)}]") == texts
    assert load_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}}


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("epochs", "012", r"epochs = '012' \(str\): expected int"),
        ("epochs", "5e-1", r"epochs = 0\.5 \(float\): expected int"),
        ("epochs", "", r"epochs = ''"),
        ("lr", "fast", "lr = 'fast'"),
        ("few.epochs", "012", "epochs = '012'.*expected int"),
        ("few.seeds", "[010]", r"few\.seeds = '\[010\]' \(str\)"),
        ("few.arms", "random", r"few\.arms = 'random' \(str\)"),
        ("few.arms", "[random, bald(passes=20]", r"arm 'bald\(passes=20'"),
        ("few.arms", "[random,, margin]", "arm ''"),
        ("few", "digits", "few = 'digits': expected a race"),
        ("few", "{'seeds': 'two'}", "few.seeds = 'two'"),
    ],
)
def test_a_value_that_is_not_of_its_type_is_refused_where_it_stands(key, text, says):
    with pytest.raises(BadRequest, match=says) as refusal:
        plans.plan(FIRST, "smoke", {key: plans.parse_override(FIRST, key, text)})
    assert "\n" not in str(refusal.value)


def test_a_run_in_two_races_is_counted_once_where_runs_are_counted(tmp_path, capsys):
    from alnb import status

    made = plans.plan(FIRST, "smoke", {"many": {"like": "few"}, "trap": {}, "recipes": {}})
    assert len(made.runs) == 2 * len(set(made.runs))
    assert status.in_words(made, Store(tmp_path)).startswith(
        f"{len(set(made.runs))} runs: 0 done, {len(set(made.runs))} missing"
    )


def test_entries_of_a_race_are_read_by_their_words():
    read = lambda key, text: plans.parse_override(FIRST, key, text)
    assert read("few.seeds", "5") == 5
    assert read("few.seeds", "[0, 3]") == [0, 3]
    assert read("few.dataset", "123") == "123"
    assert read("few.arms", "[margin, random(further=2)]") == ["margin", "random(further=2)"]
    assert read("few.network", "resnet18") == "resnet18"
    assert read("few.lr", "1e-3") == 1e-3


@pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (600, "10 min"), (9000, "2.5 h"), (7.2e7, "20,000 h")])
def test_a_duration_is_rounded_to_what_it_is_worth(seconds, words):
    assert plans.duration(seconds) == words


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_can_be_told_by_some_profile(name):
    """Its arms run together in its race, on the seeds it planned: for the stand-in, and where it is primary on real data too; what
    nobody plans there is blank."""
    arms = {}
    for profile in set(plans.profiles(name)) & set(plans.FROM_RECORDS):
        for run in plans.plan(name, profile).runs:
            called = run.arm or run.method
            names = [called] + [f"{called} {model}" for model in "AB" if run.method == "two_models"]
            names += CONFIDENCES if run.study == "doubt" else []  # whose scores stand in the place of arms
            for one in names:
                arms.setdefault((run.race, profile), {}).setdefault(one, set()).add(run.seed)
    for claim in claims.read(name).to_dict("records"):
        null = "" if claim["null_race"] == claims.PERMUTED else claim["null_race"]  # in the claim's own race: its placebo
        for race, world in ((claim["race"], True), (claim["race"], False), (null, True)):
            planned = claim["planned_world_seeds" if world else "planned_seeds"]
            if not race or planned != planned:
                continue
            places = [ran for (where, profile), ran in arms.items() if where == race and (profile == "world") == world]
            placebo = claim["placebo"] if race == claim["race"] else ""  # on a null world nobody asks it
            wanted = [one for one in (claim["method"], claim["comparator"], placebo) if one]
            found = [[ran.get(claims._arm(one, ran), set()) for one in wanted] for ran in places]
            together = max((len(set.intersection(*seeds)) for seeds in found), default=0)
            assert together >= (planned if world or claim["kind"] == "primary" else 1), (claim["id"], race)


def test_a_run_may_stand_in_several_races_and_is_counted_once(tmp_path):

    made = plans.plan(FIRST, "smoke", {"many": {"like": "few"}, "trap": {}, "recipes": {}})
    by_race = {race: {run.key for run in made.runs if run.race == race} for race in ("few", "many")}
    assert by_race["few"] == by_race["many"]
    assert len(plans.standing(made.runs, "smoke", Store(tmp_path)).missing) == len(by_race["few"])
    assert races.WORDS.keys() == {"dataset", "seeds", "arms", "more", "like"}
