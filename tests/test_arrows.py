"""Who imports whom, read from the sources, imports inside functions too: arrows run one way, and in no circle."""

import ast

import pytest

from alnb import REPOSITORY, plans

# notebooks -> drawn -> audits -> methods -> cycle -> tasks, acquisition -> learning, datasets, worlds -> metrics
HEIGHT = {
    "metrics": 0, "datasets": 1, "worlds": 1, "learning": 1, "acquisition": 2, "tasks": 2, "cycle": 3, "races": 3, "budgets": 3,
    "methods": 4, "audits": 5, "drawn": 6,
}  # fmt: skip
OF_PAPERS = ("methods", "audits", "drawn")
ABOVE_PAPERS = {("notebooks", "drawn")}  # nb.race draws the race it has run


def imports(sources: dict[str, str]) -> dict[str, set[str]]:
    """Module -> the modules of `sources` that it imports anywhere in its text."""
    found = {}
    for module, text in sources.items():
        own = found[module] = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                own |= {alias.name for alias in node.names} & set(sources)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{module}, line {node.lineno}: a relative import"
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    own |= {inner} if inner in sources else {node.module} & set(sources)
    return found


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other, the first again at the end; [] where there are none."""
    done: set[str] = set()

    def from_here(module, path):
        if module in path:
            return [*path[path.index(module) :], module]
        if module not in done:
            for other in sorted(graph[module]):
                if around := from_here(other, [*path, module]):
                    return around
            done.add(module)
        return []

    return next(filter(None, (from_here(module, []) for module in sorted(graph))), [])


def part(module: str) -> str:
    """alnb.methods.simsiam -> methods; alnb.cycle -> cycle."""
    return [*module.split("."), ""][1]


def wrong(graph: dict[str, set[str]]) -> list[str]:
    """Arrows that run up, or from one paper into another. What one method alone imports, and no notebook has for its own, is a
    part of it."""
    found = []
    papers = {f"alnb.methods.{plans.config(name)['method']}" for name in plans.names()}

    def is_a_part(module):
        return module not in papers and sum(module in graph[m] for m in graph if part(m) == "methods") == 1

    for module, others in graph.items():
        for other in others:
            here, there = part(module), part(other)
            between = here in HEIGHT and there in HEIGHT
            up = between and HEIGHT[there] > HEIGHT[here]
            of_a_paper = there in OF_PAPERS and here not in OF_PAPERS and (here, there) not in ABOVE_PAPERS
            if up or of_a_paper or (here == there == "methods" and not is_a_part(other)):
                found.append(f"{module} -> {other}")
    return sorted(found)


@pytest.fixture(scope="module")
def graph():
    sources = {}
    for path in sorted((REPOSITORY / "alnb").rglob("*.py")):
        names = path.relative_to(REPOSITORY).with_suffix("").parts
        sources[".".join(names[:-1] if names[-1] == "__init__" else names)] = path.read_text(encoding="utf-8")
    return imports(sources)


def test_no_modules_import_each_other_not_even_inside_a_function(graph):
    assert circle(graph) == []


def test_arrows_run_one_way_and_no_method_imports_another(graph):
    assert wrong(graph) == []


def test_what_the_whole_house_stands_on_is_there(graph):
    assert {part(module) for module in graph} >= set(HEIGHT)
    assert "alnb.learning.train" in graph["alnb.tasks.classification"]  # an import inside a function


@pytest.mark.parametrize(
    ("sources", "round", "runs_wrong"),
    [
        ({"alnb.tasks.a": "def f():\n    from alnb.tasks import b", "alnb.tasks.b": "import alnb.tasks.a"},
         ["alnb.tasks.a", "alnb.tasks.b", "alnb.tasks.a"], []),
        ({"alnb.tasks.a": "def f():\n    from alnb.cycle import step", "alnb.cycle": ""}, [], ["alnb.tasks.a -> alnb.cycle"]),
        ({"alnb.runs": "from alnb.methods import a", "alnb.methods.a": ""}, [], ["alnb.runs -> alnb.methods.a"]),
        ({"alnb.methods.a": "from alnb.methods.simsiam import f", "alnb.methods.simsiam": "",
          "alnb.methods.b": "import alnb.methods.simsiam"}, [],
         ["alnb.methods.a -> alnb.methods.simsiam", "alnb.methods.b -> alnb.methods.simsiam"]),
        ({"alnb.methods.a": "from alnb.methods.class_balance import f", "alnb.methods.class_balance": ""}, [],
         ["alnb.methods.a -> alnb.methods.class_balance"]),
        ({"alnb.methods.a": "from alnb.methods.part import f", "alnb.methods.part": ""}, [], []),
        ({"alnb.methods.a": "from alnb import cycle", "alnb.cycle": "import torch"}, [], []),
    ],
)  # fmt: skip
def test_a_circle_and_an_arrow_that_runs_up_are_told(sources, round, runs_wrong):
    found = imports(sources)
    assert circle(found) == round
    assert wrong(found) == runs_wrong
