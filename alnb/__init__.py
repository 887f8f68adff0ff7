"""alnb: reproducible deep active learning, one notebook a paper.

`import alnb` is quick: what is listed in `_HOME` is imported when it is first used.
"""

from pathlib import Path

__version__ = "0.1.0"

REPOSITORY = Path(__file__).resolve().parent.parent

_HOME = {
    "notebook": "notebooks", "show": "notebooks", "offers": "notebooks", "evaluate": "metrics.reid",
    "check": "exercises", "exercise": "exercises", "sealed": "exercises", "loop": "cycle",
    "score": "acquisition", "select": "acquisition",
    "curves": "figures", "table": "figures",
    "Run": "runs", "Study": "runs", "Step": "runs", "Store": "store", "drive": "executor",
}  # fmt: skip

__all__ = ["REPOSITORY", *_HOME]


def __getattr__(name: str):
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"alnb.{_HOME[name]}"), name)
    raise AttributeError(f"module 'alnb' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_HOME])
