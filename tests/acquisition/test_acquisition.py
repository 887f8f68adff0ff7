from __future__ import annotations

import inspect
import keyword
import subprocess
import sys

import numpy
import pytest
import torch
from hypothesis import given as given_
from hypothesis import settings
from hypothesis import strategies as st

from alnb import acquisition
from alnb.acquisition import Strategy, score, select
from alnb.errors import BadRequest
from tests.acquisition.toy_view import toy_view


@pytest.fixture(autouse=True)
def forget_local_strategies():
    yield
    acquisition.local.clear()


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def given(values, kind="score"):
    """A strategy of alnb's own kind whose function gives `values`, whatever it is asked."""
    return Strategy("given", kind, lambda *_: values, (), False, "", kind == "score", "given")


NAMES = ["a global, which no strategy of a cell may read"]

# --- choose -------------------------------------------------------------------------------------------------------------


def test_the_largest_scores_are_chosen_best_first():
    choice = given(torch.tensor([0.1, 3.0, -1.0, 2.0])).choose(toy_view(U=4), 3, rng())
    assert choice.rows.tolist() == [1, 3, 0]
    assert choice.tied_share == 0.0


def test_ties_follow_the_shared_random_order():
    view = toy_view(U=6).replaced(priority=torch.tensor([5, 3, 0, 1, 2, 4]))
    choice = given(torch.tensor([7.0, 7, 1, 7, 1, 7])).choose(view, 3, rng())
    assert choice.rows.tolist() == [3, 1, 5]
    assert choice.tied_share == 1.0


@pytest.mark.parametrize(("budget", "share"), [(1, 0.0), (2, 1 / 2), (3, 2 / 3), (4, 0.0), (5, 1 / 5), (6, 0.0)])
def test_tied_share_is_that_of_the_cut_off_score_if_some_with_it_are_left_out(budget, share):
    scores = torch.tensor([9.0, 5, 5, 5, 1, 1])
    assert given(scores).choose(toy_view(U=6), budget, rng()).tied_share == pytest.approx(share)


def test_a_choice_keeps_scores_and_the_whole_ranking_so_that_no_figure_chooses_again():
    scores = torch.tensor([0.1, 3.0, -1.0, 2.0, 3.0])
    view = toy_view(U=5).replaced(priority=torch.tensor([0, 4, 1, 2, 3]))
    choice = given(scores).choose(view, 2, rng())
    assert choice.ranking.tolist() == [4, 1, 3, 0, 2]
    assert choice.rows.tolist() == [4, 1]
    assert torch.equal(choice.scores, scores)
    rows = given(torch.tensor([4, 1]), "select").choose(view, 2, rng())
    assert rows.scores is None
    assert rows.ranking.tolist() == rows.rows.tolist() == [4, 1]


@pytest.mark.parametrize(("nested", "asked"), [(True, 4), (False, 2)])
def test_more_is_ranked_only_by_what_is_nested(nested, asked):
    wanted = []

    def first(view, budget, rng):
        wanted.append(budget)
        return torch.arange(budget)

    choice = Strategy("given", "select", first, (), False, "", nested, "given").choose(
        toy_view(U=5), 2, rng(), ranked=4
    )
    assert wanted == [asked]
    assert choice.ranking.tolist() == list(range(asked))
    assert choice.rows.tolist() == [0, 1]


def test_infinite_integer_and_boolean_scores_are_scores():
    inf = float("inf")
    assert given(torch.tensor([0.0, -inf, inf])).choose(toy_view(U=3), 3, rng()).rows.tolist() == [2, 0, 1]
    assert given(torch.tensor([2**60, 2**60 + 1, 0])).choose(toy_view(U=3), 2, rng()).rows.tolist() == [1, 0]
    assert given(torch.tensor([False, True, False])).choose(toy_view(U=3), 1, rng()).rows.tolist() == [1]


@pytest.mark.parametrize(
    ("scores", "complaint"),
    [
        (torch.tensor([0.0, float("nan"), 1.0]), "gave NaN for 1 of 3"),
        (torch.zeros(3, 1), r"scores of shape \(3, 1\)"),
        (torch.zeros(4), r"scores of shape \(4,\)"),
        (torch.zeros(3, dtype=torch.complex64), "complex64"),
    ],
)
def test_bad_scores_are_refused(scores, complaint):
    with pytest.raises(BadRequest, match=f"'given': .*{complaint}"):
        given(scores).choose(toy_view(U=3), 2, rng())


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([1, 1], "gave 1 distinct rows"),
        ([0, 3], "rows from 0 to 3"),
        ([-1, 0], "rows from -1 to 0"),
        ([0], r"rows of shape \(1,\)"),
        ([0, 1, 2], r"rows of shape \(3,\)"),
        (torch.tensor([0.0, 1.0]), "float32"),
        (torch.tensor([True, False]), "bool"),
    ],
)
def test_bad_rows_are_refused(rows, complaint):
    with pytest.raises(BadRequest, match=f"'given': .*{complaint}"):
        given(rows, "select").choose(toy_view(U=3), 2, rng())


@pytest.mark.parametrize("give", [
    lambda x: x.argsort()[::-1], lambda x: x.argsort()[::-1].astype("int32"), lambda x: list(x.argsort()[::-1]),
    lambda x: torch.tensor(x).argsort(descending=True), lambda x: torch.tensor(x).argsort(descending=True).to(torch.uint8),
])  # fmt: skip
def test_rows_may_come_from_numpy_backwards_or_in_another_whole_type(give):
    rows = give(numpy.array([0.1, 0.9, 0.5]))
    assert given(rows, "select").choose(toy_view(U=3), 3, rng()).rows.tolist() == [1, 2, 0]


def test_scores_may_be_numpy_s_backwards():
    choice = given(numpy.array([0.5, 0.9, 0.1])[::-1]).choose(toy_view(U=3), 2, rng())
    assert choice.rows.tolist() == [1, 2]


def test_rows_are_given_in_the_order_chosen():
    choice = given([2, 0], "select").choose(toy_view(U=3), 2, rng())
    assert choice.rows.tolist() == [2, 0]
    assert choice.tied_share != choice.tied_share


# --- the catalogue ------------------------------------------------------------------------------------------------------


def test_the_catalogue_is_read_without_importing_torch():
    code = (
        "import sys; from alnb import acquisition as a; assert {'margin', 'k_center', 'random'} <= set(a.catalogue());"
        "assert a.describe('margin').needs == ('probabilities',); assert a.describe('oracle').oracle;"
        "assert not {'torch', 'matplotlib', 'pandas', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_new_file_with_a_strategy_is_found_by_itself(tmp_path, monkeypatch):
    for folder in ("acquisition", "methods"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(acquisition.sources, "__file__", str(tmp_path / "acquisition" / "sources.py"))
    assert acquisition.catalogue() == {}
    source = 'import nowhere\n@alnb.score("mine", needs=("counts",), source="me 2020")\ndef f(view): ...\n'
    (tmp_path / "methods" / "paper.py").write_text(source)
    (tmp_path / "acquisition" / "other.py").write_text('@select("other")\ndef g(view, budget, rng): ...\n')
    assert acquisition.catalogue() == {"mine": "alnb.methods.paper", "other": "alnb.acquisition.other"}
    entry = acquisition.describe("mine")
    assert (entry.kind, entry.needs, entry.oracle, entry.source) == ("score", ("counts",), False, "me 2020")

    (tmp_path / "acquisition" / "twice.py").write_text('@score("mine")\ndef h(view): ...\n')
    with pytest.raises(
        BadRequest, match=r"two strategies are named 'mine', in alnb.acquisition.twice and alnb.methods"
    ):
        acquisition.catalogue()


def test_a_decorator_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "acquisition").mkdir()
    monkeypatch.setattr(acquisition.sources, "__file__", str(tmp_path / "acquisition" / "sources.py"))
    (tmp_path / "acquisition" / "odd.py").write_text('NEEDS = ("counts",)\n@score("odd", needs=NEEDS)\ndef f(v): ...\n')
    with pytest.raises(BadRequest, match=r"odd\.py, line 2"):
        acquisition.catalogue()


@pytest.mark.parametrize("ask", [acquisition.get, acquisition.describe])
def test_an_unknown_name_is_refused_with_what_there_is(ask):
    with pytest.raises(BadRequest, match=r"no strategy 'margn'; did you mean 'margin'\?$"):
        ask("margn")


# --- arms: a strategy with options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arm", "name", "options"),
    [
        ("random", "random", {}),
        ("random()", "random", {}),
        (" bald(passes=5, dropout=0.5) ", "bald", {"passes": 5, "dropout": 0.5}),
        ("bald (passes = 5,)", "bald", {"passes": 5}),
        ("k_center(subset=500)", "k_center", {"subset": 500}),
        ("mine@0123abcd(k=-2)", "mine@0123abcd", {"k": -2}),
        ("mine@0123abcd", "mine@0123abcd", {}),
        ("a1(precision='bf16', network=\"small\")", "a1", {"precision": "bf16", "network": "small"}),
        ("a(text='),(=')", "a", {"text": "),(="}),
        ("a(text='it\\'s')", "a", {"text": "it's"}),
        ("a(nesterov=True, milestones=[0.5, 0.75], m=(0.5,), none=None)", "a",
         {"nesterov": True, "milestones": [0.5, 0.75], "m": (0.5,), "none": None}),
    ],
)  # fmt: skip
def test_an_arm_is_a_name_and_its_options(arm, name, options):
    found = acquisition.parse_arm(arm)
    assert found == (name, options)
    assert [type(value) for value in found[1].values()] == [type(value) for value in options.values()]


@pytest.mark.parametrize(
    "arm",
    [
        "", " ", "()", "Random", "1st", "_random", "random_again!", "random,margin", "random random", "random#",
        "bald(", "bald)", "bald(passes=5", "bald(passes=5))", "bald(5)", "bald(passes)", "bald(passes:5)", "bald(passes=)",
        "bald(passes==5)", "bald(*[1])", "bald(**{'passes': 5})", "bald(passes=five)", "bald(passes=2*25)",
        "bald(passes=int(5))", "bald(dropout=0,5)", "bald[passes=5]", "bald(passes=5) + 1", "bald(passes=5) # five",
        "mine@012(k=1)", "mine@0123ABCD", "@0123abcd", "bald(passes=5)\nmargin", "bald(passes=\x00)",
        "bald(passes=open('/etc/passwd'))", "bald(passes=5).real", "bald(passes=5)[0]", "bald(passes=5) if 1 else (2)",
    ],
)  # fmt: skip
def test_an_arm_that_cannot_be_read_is_refused_in_one_line_that_says_how(arm):
    with pytest.raises(BadRequest) as refusal:
        acquisition.parse_arm(arm)
    said = str(refusal.value)
    assert said.startswith("arm ")
    assert "name or name(option=value, ...)" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "arm", ["bald(passes=5)(dropout=0.5)", "bald(passes=5).x(dropout=0.5)", "bald(5)(dropout=0.5)"]
)
def test_options_in_two_pairs_of_brackets_are_refused_not_dropped(arm):
    with pytest.raises(BadRequest, match="accepted: name or name"):
        acquisition.parse_arm(arm)


def test_an_option_given_twice_is_refused_as_python_refuses_it():
    with pytest.raises(SyntaxError, match="repeated"):
        eval("dict(subset=10, subset=20)")
    with pytest.raises(BadRequest, match="subset"):
        acquisition.parse_arm("random(subset=10, subset=20)")


@settings(max_examples=40, deadline=None)
@given_(
    st.from_regex("[a-z][a-z0-9_]{0,9}", fullmatch=True),
    st.dictionaries(
        st.from_regex("[a-z][a-z_]{0,7}", fullmatch=True).filter(lambda word: not keyword.iskeyword(word)),
        st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.text()),
        max_size=4,
    ),
)
def test_what_is_written_as_an_arm_is_read_as_it_was(name, options):
    if keyword.iskeyword(name):
        return
    arm = f"{name}({', '.join(f'{word}={value!r}' for word, value in options.items())})"
    assert acquisition.parse_arm(arm) == (name, options)


def test_the_options_of_a_strategy_are_read_from_its_source_and_are_those_it_takes():
    for name in acquisition.catalogue():
        strategy = acquisition.get(name)
        words = inspect.signature(strategy.function).parameters.values()
        takes = {word.name: word.default for word in words if word.kind is word.KEYWORD_ONLY}
        assert strategy.parameters == acquisition.describe(name).parameters == takes
    assert acquisition.get("bald").parameters == {"passes": 50}
    assert acquisition.get("margin").parameters == {}


def test_options_of_a_cell_are_those_of_its_function(cell):
    mine = cell(arguments=", *, k=3", value="k * view.probabilities[:, 0]")
    assert mine.parameters == acquisition.describe("mine").parameters == {"k": 3}
    view = toy_view(U=6)
    up, down = (mine.choose(view, 6, rng(), **words).rows.tolist() for words in ({}, {"k": -1}))
    assert up == down[::-1]


def test_a_default_that_is_computed_is_refused_where_the_catalogue_reads_it(tmp_path, monkeypatch):
    (tmp_path / "acquisition").mkdir()
    monkeypatch.setattr(acquisition.sources, "__file__", str(tmp_path / "acquisition" / "sources.py"))
    file = tmp_path / "acquisition" / "odd.py"
    file.write_text('@score("odd")\ndef f(view, *, k=2 * 3): ...\n')
    with pytest.raises(BadRequest, match=r"odd\.py, line 1: .* literal keywords and defaults"):
        acquisition.catalogue()
    file.write_text('@score("odd")\ndef f(view, *, k=-0.5, words=("a", "b")): ...\n')
    assert acquisition.describe("odd").parameters == {"k": -0.5, "words": ("a", "b")}


def test_scores_are_nested_and_rows_where_they_say_so(tmp_path, monkeypatch):
    (tmp_path / "acquisition").mkdir()
    monkeypatch.setattr(acquisition.sources, "__file__", str(tmp_path / "acquisition" / "sources.py"))
    (tmp_path / "acquisition" / "three.py").write_text(
        '@score("scores")\ndef a(view): ...\n'
        '@select("rows")\ndef b(view, budget, rng): ...\n'
        '@select("prefix", nested=True)\ndef c(view, budget, rng): ...\n'
    )
    assert {name: acquisition.describe(name).nested for name in ("scores", "rows", "prefix")} == {
        "scores": True, "rows": False, "prefix": True,
    }  # fmt: skip
    assert score("mine")(lambda view: 1).nested
    assert not select("other")(lambda view, budget, rng: 1).nested
    assert select("third", nested=True)(lambda view, budget, rng: 1).nested


# --- strategies defined outside alnb ------------------------------------------------------------------------------------

# Text that a test runs as a file of its own, so that one source can be varied and run again like a notebook cell.
CELL = """
import torch
from alnb import score, select
{before}
@score("mine", needs=("probabilities",))
def mine(view{arguments}):
    return {value}
"""


@pytest.fixture
def cell(tmp_path):
    count = iter(range(100))

    def run(source=None, *, before="", arguments="", value="-view.probabilities.amax(1)"):
        path = tmp_path / f"cell_{next(count)}.py"
        path.write_text(source or CELL.format(before=before, arguments=arguments, value=value))
        names = {"__name__": "__main__"}
        exec(compile(path.read_text(), str(path), "exec"), names)
        return names["mine"]

    return run


def test_the_label_is_the_name_and_the_hash_of_the_source(cell):
    mine = cell()
    assert mine.name == "mine"
    assert len(mine.label) == len("mine@") + 8
    assert cell().label == mine.label
    assert cell(before="\n\nother = 3\n").label == mine.label
    assert cell(value="view.probabilities.amax(1)").label != mine.label


def test_it_is_found_by_name_and_by_label_until_its_cell_changes(cell):
    mine = cell()
    assert acquisition.get("mine") is acquisition.get(mine.label) is acquisition.local["mine"] is mine
    assert acquisition.describe("mine").name == mine.label
    assert acquisition.describe("mine").needs == ("probabilities",)
    changed = cell(value="view.probabilities.amax(1)")
    assert acquisition.get("mine") is changed
    with pytest.raises(BadRequest, match=mine.label):
        acquisition.get(mine.label)
    assert "mine" not in acquisition.catalogue()


def test_it_chooses_like_any_other(cell):
    view = toy_view()
    expected = acquisition.get("least_confidence").choose(view, 9, rng())
    assert cell().choose(view, 9, rng()).rows.tolist() == expected.rows.tolist()


@pytest.mark.parametrize(
    "value",
    [
        "view.probabilities.amax(1) * factor",
        "[factor * p for p in view.probabilities.amax(1)]",
        "(lambda p: factor * p)(view.probabilities.amax(1))",
        "type('T', (), {'f': lambda self: factor})().f()",
    ],
)
def test_a_global_is_refused_by_name(cell, value):
    with pytest.raises(BadRequest, match=r"'mine' reads the global 'factor'; .*default \(factor=factor\)"):
        cell(before="factor = 2.0", value=value)
    assert "mine" not in acquisition.local


@pytest.mark.parametrize(
    ("before", "name"),
    [("", "undefined"), ("def helper(x): return x", "helper"), ("sum = max", "sum"), ("from math import log", "log")],
)
def test_functions_shadowed_builtins_and_unknown_names_are_globals_too(cell, before, name):
    with pytest.raises(BadRequest, match=f"reads the global '{name}'"):
        cell(before=before, value=f"{name}(view)")


def test_a_global_written_or_read_in_a_class_is_refused(cell):
    body = "@select('mine')\ndef mine(view, budget, rng):\n    {}\n    return range(budget)\n"
    for line in ("global seen; seen = 1", "class A:\n        x = factor"):
        with pytest.raises(BadRequest, match=r"reads the global '(seen|factor)'"):
            cell("from alnb import select\nfactor = 1\n" + body.format(line))


def test_modules_builtins_own_functions_and_classes_are_free(cell):
    source = """
import torch, torch.nn as nn
from alnb import select

@select("mine", needs=("embeddings",))
def mine(view, budget, rng, *, scale=2.0):
    import math
    from torch import argsort
    class Model(nn.Module):
        size = 3
        half = size / 2
        def __init__(self):
            super().__init__()
            self.scale = scale * math.pi
        def forward(self, x):
            return torch.relu(x).sum(1) * self.scale * len(range(3))
    def helper(x):
        return argsort(Model()(x), descending=True)
    return helper(view.embeddings)[:budget]
"""
    assert cell(source).choose(toy_view(), 5, rng()).rows.shape == (5,)


def test_the_hash_covers_defaults(cell):
    def label(value, **more):
        return cell(before=f"import numpy as np\nk = {value}", arguments=", k=k", **more).label

    values = ["1", "2", "1.0", "'1'", "(1, 23)", "(12, 3)", "[1, 23]", "None", "{'a': 1}", "{'a': 2}", "torch",
              "np.zeros(5000)", "np.eye(1, 5000, 2500)[0]", "torch.zeros(3)", "torch.ones(3)"]  # fmt: skip
    labels = [label(value) for value in values]
    assert len(set(labels)) == len(values)
    assert labels == [label(value) for value in values]


def test_the_hash_covers_helpers_given_as_defaults_and_checks_their_globals(cell):
    def label(body):
        return cell(before=f"w = 2\ndef helper(x): return {body}", arguments=", helper=helper", value="helper(1)").label

    assert label("x") == label("x")
    assert label("x") != label("-x")
    with pytest.raises(BadRequest, match="reads the global 'w'"):
        label("w * x")


def test_the_hash_covers_what_is_enclosed(cell):
    source = """
from alnb import score
def make(k):
    @score("mine")
    def mine(view): return k * view.priority
    return mine
mine = make({})
"""
    assert cell(source.format(1)).label != cell(source.format(-1)).label
    assert cell(source.format(1)).label == cell(source.format(1)).label


def test_a_default_whose_content_cannot_be_known_is_refused(cell):
    with pytest.raises(BadRequest, match="'mine': a default or enclosed value of type object"):
        cell(arguments=", k=object()")


def test_a_function_of_a_library_may_be_a_default(cell):
    mine = cell(before="from torch.nn.functional import softmax", arguments=", f=softmax", value="f(view)")
    assert mine.label.startswith("mine@")


def test_without_a_source_it_is_refused_clearly():
    names = {"__name__": "__main__"}
    with pytest.raises(BadRequest, match=r"'mine': the source of mine cannot be read; accepted: .* notebook cell"):
        exec("from alnb import score\n@score('mine')\ndef mine(view): return 1", names)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: score("margin")(lambda view: 1), "'margin' is taken by alnb.acquisition.margin"),
        (lambda: score("Mine!")(lambda view: 1), "strategy name 'Mine!'"),
        (lambda: score("mine@12")(lambda view: 1), "strategy name 'mine@12'"),
        (
            lambda: score("mine", needs=("of the view",))(lambda view: 1),
            "needs 'of the view'; accepted: names of fields",
        ),
        (lambda: score("mine", needs=(3,))(lambda view: 1), "needs 3; accepted: names of fields"),
        (lambda: score("mine", needs=("truth",))(lambda view: 1), "only a strategy marked oracle=True"),
        (lambda: score("mine")(lambda view, budget: 1), r"takes \(view, budget\); accepted: \(view\)"),
        (lambda: select("mine")(lambda view: 1), r"takes \(view\); accepted: \(view, budget, rng\)"),
        (lambda: score("mine")(3), "takes a function, not int"),
    ],
)
def test_what_cannot_be_a_strategy_is_refused_where_it_is_defined(make, complaint):
    with pytest.raises(BadRequest, match=complaint):
        make()


def defined(rank=1.0):
    @score("mine", needs=("probabilities",))
    def mine(view, rank=rank):
        return rank * view.probabilities[:, 0]

    return mine


def without_a_name():
    @score
    def mine(view):
        return 1


@pytest.mark.parametrize(
    "again",
    [
        without_a_name,
        lambda: score("mine", needs=("truth",))(lambda view: 1),
        lambda: score("mine")(lambda view, budget: 1),
        lambda: select("mine")(lambda view: 1),
        lambda: score("mine", needs=(3,))(lambda view: 1),
        lambda: score("mine")(3),
        lambda: score("mine")(lambda view: NAMES),
    ],
)
def test_a_definition_that_fails_removes_the_one_before_it(again):
    defined()
    assert acquisition.get("mine")
    with pytest.raises(BadRequest):
        again()
    assert "mine" not in acquisition.local
    with pytest.raises(BadRequest, match="no strategy 'mine'"):
        acquisition.describe("mine")


@pytest.mark.parametrize("kind", ["score", "select"])
def test_a_decorator_without_parentheses_is_refused_with_what_it_wants(kind):
    def mine(view):
        return 1

    with pytest.raises(BadRequest, match=rf'@{kind} stands without its name; accepted: @{kind}\("mine", needs='):
        getattr(acquisition, kind)(mine)


def test_a_definition_replaces_the_one_before_it_and_another_name_does_not():
    first = defined()
    second = defined(2.0)
    assert acquisition.get("mine") is second
    assert first.label != second.label
    with pytest.raises(BadRequest, match="no strategy"):
        acquisition.get(first.label)
    score("other")(lambda view: view.priority)
    assert acquisition.get("mine") is second


def test_one_need_may_be_given_as_a_string():
    assert score("mine", needs="counts")(lambda view: 1).needs == ("counts",)


@pytest.mark.parametrize("pickler", ["pickle", "cloudpickle"])
def test_it_travels_by_value_to_a_process_that_does_not_have_its_module(tmp_path, pickler):
    (tmp_path / "homework.py").write_text(
        "import math\nfrom alnb import score\n"
        "def helper(x): return -x\n"
        "@score('mine', needs=('counts',))\n"
        "def mine(view, k=3.0, f=helper): return f(view.counts) * k * math.floor(2.5)\n"
    )
    send = (
        f"import sys, {pickler}; sys.path.insert(0, sys.argv[1]); import homework;"
        f"sys.stdout.buffer.write({pickler}.dumps([homework.mine]))"
    )
    parcel = subprocess.run([sys.executable, "-c", send, str(tmp_path)], check=True, capture_output=True).stdout
    receive = (
        "import sys, pickle, types; mine, = pickle.loads(sys.stdin.buffer.read()); assert 'homework' not in sys.modules\n"
        "from alnb import acquisition; assert acquisition.get(mine.label) is mine and mine.label.startswith('mine@')\n"
        "print(mine.needs, mine.kind, mine(types.SimpleNamespace(counts=7)))"
    )
    answer = subprocess.run([sys.executable, "-c", receive], check=True, input=parcel, capture_output=True).stdout
    assert answer.decode() == "('counts',) score -42.0\n"


def test_alnbs_own_strategies_travel_by_name():
    import pickle

    parcel = pickle.dumps(acquisition.get("margin"))
    assert len(parcel) < 100
    assert pickle.loads(parcel) is acquisition.get("margin")


def test_a_notebook_cell_has_a_source():
    """As ipykernel runs it: IPython compiles a cell from memory and keeps its text for `inspect`."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    run = lambda text: shell.run_cell(text, store_history=False).raise_error()
    run("import alnb")
    run("@alnb.score('mine')\ndef mine(view):\n    return -view.priority\nfirst = mine.label")
    run("@alnb.score('mine')\ndef mine(view):\n    return view.priority\nsecond = mine.label")
    assert shell.user_ns["first"] != shell.user_ns["second"] == acquisition.local["mine"].label
    with pytest.raises(BadRequest, match="global 'factor'"):
        run("factor = 2\n@alnb.score('mine')\ndef mine(view):\n    return factor * view.priority")
