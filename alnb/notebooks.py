"""Notebooks with profiles: their parameters, what `alnb.notebook` gives a cell, and how one is run headless.

The parameters are the annotated literals of the one cell tagged `parameters`; as they stand they are the profile
`laptop`. nbconfig/<notebook>.yaml holds the other profiles as overrides, and the captions of the artefacts.
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import json
import os
import sys
import time
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from alnb import REPOSITORY, datasets, records
from alnb.errors import BadRequest
from alnb.executor import default_workers, drive
from alnb.runs import Run, coerce, study, with_needs
from alnb.store import Store, frame

LAPTOP = "laptop"
FROM_RECORDS = ("world", "reduced", "paper")  # profiles that draw what records hold and compute only the rest
FOLDER = REPOSITORY / "notebooks"
CONFIG = REPOSITORY / "nbconfig"


def figures_folder() -> Path:
    """$ALNB_FIGURES, else figures/ of the repository."""
    return Path(os.environ.get("ALNB_FIGURES") or REPOSITORY / "figures")


# --- names, parameters, profiles --------------------------------------------------------------------------------------------


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("[0-9]*.ipynb"))


def resolve(given: str) -> str:
    """The notebook called `given`: its name, its file, or the beginning of its name, if that is one notebook's only."""
    stem = Path(given).stem if given.endswith(".ipynb") else given
    fitting = [name for name in names() if name == stem] or [name for name in names() if name.startswith(stem)]
    if len(fitting) != 1:
        raise BadRequest(f"no notebook {given!r}: there are {', '.join(names())}" if not fitting else
                         f"{given!r} could be {' or '.join(fitting)}")  # fmt: skip
    return fitting[0]


@dataclass(frozen=True)
class Parameter:
    kind: Any  # int, float, str, bool or list[one of these]
    default: Any
    help: str


_KINDS = {"int": int, "float": float, "str": str, "bool": bool}
_KINDS |= {f"list[{name}]": list[kind] for name, kind in _KINDS.items()}


@functools.cache
def parameters(name: str) -> dict[str, Parameter]:
    """The typed parameters of a notebook, read from its source."""
    path = FOLDER / f"{name}.ipynb"
    cells = json.loads(path.read_text())["cells"]
    tagged = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
    if len(tagged) != 1:
        raise BadRequest(f"{path.name} has {len(tagged)} cells tagged 'parameters': expected one")
    return parse_parameters("".join(tagged[0]["source"]), path.name)


def parse_parameters(source: str, where: str) -> dict[str, Parameter]:
    """`name: type = literal  # help`, one a line; BadRequest for anything else."""
    found, lines = {}, source.splitlines()
    for node in ast.parse(source).body:
        shown = lines[node.lineno - 1].strip()
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None):
            raise BadRequest(f"{where}: parameters cell: {shown!r} is not `name: type = literal`")
        kind = _KINDS.get(ast.unparse(node.annotation))
        if kind is None:
            raise BadRequest(f"{where}: parameters cell: {shown!r}: types are {', '.join(_KINDS)}")
        try:
            value = ast.literal_eval(node.value)
        except ValueError:
            raise BadRequest(f"{where}: parameters cell: {shown!r}: the value is not a literal") from None
        comment = lines[node.end_lineno - 1].partition("  # ")[2]
        found[node.target.id] = Parameter(kind, coerce(value, kind, node.target.id), comment.strip())
    return found


@functools.cache
def config(name: str) -> dict:
    """nbconfig/<name>.yaml: title, source, method, profiles (name -> overrides), artefacts (id -> caption)."""
    import yaml

    path = CONFIG / f"{name}.yaml"
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise BadRequest(f"{path} is missing: every notebook has one") from None
    except yaml.YAMLError as error:
        raise BadRequest(f"{path.name} is not YAML: {' '.join(str(error).split())}") from None
    expected = {"title": str, "source": str, "method": str, "profiles": dict, "artefacts": dict}
    if not isinstance(content, dict):
        raise BadRequest(f"{path.name} holds a {type(content).__name__}: expected a mapping with {', '.join(expected)}")
    for key, kind in expected.items():
        if not isinstance(content.get(key), kind):
            raise BadRequest(f"{path.name}: {key} should be a {kind.__name__}, is {content.get(key)!r}")
    for profile, overrides in content["profiles"].items():
        if not isinstance(overrides, dict):
            raise BadRequest(f"{path.name}: profile {profile} should be a mapping, is {overrides!r}")
        _check_values(name, overrides, f"{path.name}, profile {profile}")
    return content


def profiles(name: str) -> list[str]:
    return [LAPTOP, *config(name)["profiles"]]


def _check_values(name: str, values: dict, where: str) -> dict:
    """`values` in the declared types; BadRequest names what is unknown or of the wrong type, and what is accepted."""
    known, checked = parameters(name), {}
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise BadRequest(f"{where}: unknown parameter {key!r}; {hint}{name} has {', '.join(known)}")
        checked[key] = coerce(value, known[key].kind, f"{where}: {key}")
    return checked


def parse_override(name: str, key: str, text: str) -> Any:
    """A value from the command line, as its parameter's type: 50, 0.1, true, glyphs-10, [random, margin]."""
    import yaml

    known = parameters(name)
    if key in known and known[key].kind is str:
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


@dataclass(frozen=True)
class Plan:
    """A notebook at a profile with overrides: its parameters, where its figures go, its runs."""

    name: str
    profile: str
    values: dict[str, Any]
    custom: bool

    @property
    def label(self) -> str:
        return self.profile + ("-custom" if self.custom else "")

    @functools.cached_property
    def runs(self) -> list[Run]:
        return method(self.name).grid(**self.values)


def method(name: str):
    """The module of alnb.methods that the notebook is about."""
    return importlib.import_module(f"alnb.methods.{config(name)['method']}")


def plan(name: str, profile: str = LAPTOP, overrides: dict[str, Any] | None = None) -> Plan:
    """What a profile and overrides come to; raises BadRequest for what cannot be, before anything is started."""
    if profile not in profiles(name):
        near = difflib.get_close_matches(profile, profiles(name), 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise BadRequest(f"{name} has no profile {profile!r}; {hint}it has {', '.join(profiles(name))}")
    base = {key: parameter.default for key, parameter in parameters(name).items()}
    base |= _check_values(name, config(name)["profiles"].get(profile, {}), f"profile {profile}")
    values = base | _check_values(name, overrides or {}, name)
    made = Plan(name, profile, values, values != base)
    made.runs  # noqa: B018  impossible values are refused here
    return made


@dataclass
class Standing:
    """How far the runs of a plan are."""

    done: list[Run]  # in the store
    recorded: list[Run]  # in the records, not in the store
    failed: list[Run]  # tried, not done
    missing: list[Run]  # neither, `failed` among them
    seconds: float  # rough seconds of one core for what is missing
    lacking: dict[str, str]  # dataset -> what is missing or damaged, for missing runs that need it


def standing(runs: list[Run], profile: str, store: Store) -> Standing:
    """Where runs stand; records count for profiles that draw from them."""
    use_records = profile in FROM_RECORDS
    done, recorded, failed, missing = [], [], [], []
    for run in runs:
        progress = store.read(run)
        if progress.done:
            done.append(run)
        elif use_records and records.steps(run):
            recorded.append(run)
        else:
            missing.append(run)
            failed += [run] if progress.error else []
    todo = [run for run in with_needs(missing) if run in missing or not store.read(run).done]
    seconds = sum(study(run.study).seconds(run) * (1 - len(store.read(run).steps) / run.steps) for run in todo)
    lacking = {}
    for name in sorted({run.dataset for run in missing}):
        state, text = dataset_status(name)
        if state in ("missing", "damaged"):
            lacking[name] = text
    return Standing(done, recorded, failed, missing, seconds, lacking)


@functools.lru_cache(maxsize=32)
def dataset_status(name: str) -> tuple[str, str]:
    try:
        return datasets.status(name)
    except BadRequest:  # a study with data of its own
        return "embedded", ""


def refuse_if_nothing_to_draw(made: Plan, store: Store) -> None:
    """A profile whose data is absent and of which no run is known: one clear line, before a kernel starts."""
    now = standing(made.runs, made.profile, store)
    if now.lacking and not now.done and not now.recorded and {run.dataset for run in now.missing} <= set(now.lacking):
        raise BadRequest("nothing can be drawn: " + " ".join(now.lacking.values()))


def duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


# --- what a notebook holds -----------------------------------------------------------------------------------------------------


def notebook(name: str, namespace: dict[str, Any]) -> Notebook:
    """The first line of every notebook: `nb = alnb.notebook("01_label_dispersion", globals())`.

    Reads the parameters from `namespace` (what the cell says, or papermill put there). $ALNB_PROFILE chooses another
    profile: its values replace those the cell leaves at their defaults, and are written back to `namespace`.
    """
    profile = os.environ.get("ALNB_PROFILE", LAPTOP)
    if "ALNB_PARAMETERS" in os.environ:  # `alnb run` says exactly
        overrides = json.loads(os.environ["ALNB_PARAMETERS"])
    else:
        known = parameters(name)
        overrides = {n: namespace[n] for n, p in known.items() if n in namespace and namespace[n] != p.default}
    made = plan(name, profile, overrides)
    namespace.update(made.values)
    return Notebook(made)


class Notebook:
    """A notebook at work: `parameters`, `profile`, `run(runs)`, `save(id, figure, data, alt)`."""

    def __init__(self, made: Plan):
        self.plan, self.name, self.profile, self.parameters = made, made.name, made.label, dict(made.values)
        self.config, self.store = config(made.name), Store()
        self.failed: dict[Run, str] = {}
        self.folder = figures_folder() / made.label
        self._began, self._computed, self._reruns, self._ran = time.time(), 0, {}, {}
        workers = os.environ.get("ALNB_CLUSTER") or f"{default_workers()} worker" + "s" * (default_workers() > 1)
        print(f"{self.name}: profile {self.profile}, {workers}, figures to {self.folder.name}/")

    def run(self, runs: list[Run], *, workers: int | None = None, oracle=None):
        """Do what is missing of `runs` and return one tidy frame of what is done.

        Says first what is done, recorded and missing and how long it will take. What failed is shown with its
        traceback and kept in `failed`; what cannot run for want of data is named. Raises if nothing is there to draw.
        """
        before = standing(runs, self.plan.profile, self.store)
        runnable = [run for run in before.missing if run.dataset not in before.lacking and not drawing_only()]
        self._announce(runs, before, runnable, workers or default_workers())
        outcome = self._drive(runnable, workers, oracle) if runnable else None
        for run, why in (outcome.failed if outcome else {}).items():
            self._show_failure(run, why)
        pairs = []
        for run in runs:
            progress = self.store.read(run)
            steps = progress.steps if progress.done else records.steps(run) if run in before.recorded else None
            pairs += [(run, steps)] if steps else []
            self._ran[run.key] = run
            if self.plan.profile not in FROM_RECORDS and (verdict := records.compare(run, self.store)):
                self._reruns[run.key] = verdict
        if not pairs:
            reasons = [*before.lacking.values(), *(str(why) for why in self.failed.values())]
            raise BadRequest("no run is done, nothing can be drawn: " + " ".join(reasons))
        self._note()
        return frame(pairs)

    def load(self, name: str):
        """The dataset; None, and a line that says why, where it is missing: what needs no image can still be drawn."""
        try:
            return datasets.load(name)
        except datasets.Missing as missing:
            print(f"drawn without images: {missing}")
            return None

    def _announce(self, runs, now: Standing, runnable, workers: int) -> None:
        parts = [f"{len(now.done)} done"] + [f"{len(now.recorded)} in records"] * bool(now.recorded)
        parts += [f"{len(now.missing)} missing"]
        line = f"{len(runs)} runs: {', '.join(parts)}"
        if runnable:
            line += f"; about {duration(now.seconds / max(1, workers))} on {workers} worker{'s' * (workers > 1)}"
        print(line)
        if drawing_only() and now.missing:
            print("drawing only: what is missing is left out")
            return
        for name, text in now.lacking.items():
            lost = [run for run in now.missing if run.dataset == name]
            seeds, all_seeds = ({r.seed for r in some if r.dataset == name} for some in (lost, runs))
            print(
                f"not computed, {len(lost)} runs on {name} ({len(all_seeds - seeds)} of {len(all_seeds)} seeds are here): {text}"
            )

    def _drive(self, runnable, workers, oracle):
        from tqdm import tqdm

        todo = [run for run in with_needs(runnable) if not self.store.read(run).done]
        total = sum(run.steps - len(self.store.read(run).steps) for run in todo)
        headless = "ALNB_PARAMETERS" in os.environ  # there each refresh is a line of the log
        with tqdm(total=total, unit="step", file=sys.stderr, mininterval=20 if headless else 1) as bar:

            def on_step(run, step):
                bar.set_postfix_str(f"{run.dataset} {run.method} seed {run.seed}", refresh=False)
                bar.update()

            outcome = drive(
                runnable, self.store, workers=workers, cluster=os.environ.get("ALNB_CLUSTER"), oracle=oracle,
                on_step=on_step, say=bar.write,
            )  # fmt: skip
        self.failed |= outcome.failed
        self._computed += outcome.computed
        return outcome

    def _show_failure(self, run: Run, why: str) -> None:
        error = self.store.read(run).error or {}
        print(f"FAILED {run}: {why}")
        if text := error.get("error", ""):
            print("    " + text.rstrip().replace("\n", "\n    "))
        if log := error.get("log", ""):
            print("    it printed: " + log.rstrip().replace("\n", "\n    "))

    def save(self, artefact: str, fig, results, alt: str, *, data=None, show: bool = True):
        """Save an artefact and display it with its alt text.

        results: the rows it rests on, as `run` gave them (or a part): they say which runs, which data, real or
        stand-in. data: what is drawn, if that is another frame. A stand-in is named in the title. Returns the entry.
        """
        from alnb import figures

        if artefact not in self.config["artefacts"]:
            raise BadRequest(f"{artefact!r} is not in nbconfig/{self.name}.yaml: {', '.join(self.config['artefacts'])}")
        names = sorted(results["dataset"].dropna().unique())
        stand_in = bool(results["world"].any())
        caption = self.config["artefacts"][artefact]
        title = f"{artefact}  ·  {', '.join(names)}" + ("  ·  STAND-IN DATA" if stand_in else "")
        notes = [datasets.info(name).note for name in names if name in datasets.names()]
        title += "  ·  plumbing, never evidence" if any("never evidence" in note for note in notes) else ""
        title += "  ·  reduced: small net and pool" if self.plan.profile == "reduced" else ""
        fig.suptitle(title, fontsize=9, color="#a04000" if stand_in else "#404040")
        keys = sorted(results["key"].dropna().unique())
        about = {
            "notebook": self.name, "profile": self.profile, "caption": caption, "source": self.config["source"],
            "datasets": names, "real": not stand_in, "runs": [key[:16] for key in keys], **self._computed_with(keys),
        }  # fmt: skip
        entry = figures.save(self.folder, artefact, fig, results if data is None else data, alt, about)
        if show:
            self._display(self.folder / f"{artefact}.png", alt)
        import matplotlib.pyplot as plt

        plt.close(fig)
        return entry

    def _computed_with(self, keys) -> dict:
        """Versions, devices and seconds of the runs an artefact rests on."""
        seen, seconds = {}, 0.0
        for run in (self._ran[key] for key in keys if key in self._ran):
            progress = self.store.read(run)
            for step in progress.steps if progress.done else records.steps(run) or []:
                about = step["provenance"]
                seconds += about.get("timings", {}).get("seconds", 0.0)
                for what in ("torch", "numpy", "cpu", "device"):
                    if about.get(what):
                        seen.setdefault(what, set()).add(about[what])
        return {"computed_with": {what: sorted(values) for what, values in seen.items()}, "seconds": round(seconds, 1)}

    def provenance(self):
        """A frame: with what the runs of this notebook were computed, and how long it took."""
        import pandas

        about = self._computed_with(sorted(self._ran))
        lines = {what: "; ".join(map(str, values)) for what, values in about["computed_with"].items()}
        lines |= {
            "runs": len(self._ran),
            "seconds of computing": about["seconds"],
            "steps computed now": self._computed,
        }
        return pandas.DataFrame({"": lines})

    @staticmethod
    def _display(picture: Path, alt: str) -> None:
        """As HTML: JupyterLab and nbconvert both drop the alt text of an image output."""
        from base64 import b64encode

        from IPython.display import HTML, display

        body = picture.read_bytes()
        width = int.from_bytes(body[16:20], "big") * 2 // 3  # saved at 150 dots an inch, shown at 100
        source = f"data:image/png;base64,{b64encode(body).decode()}"
        display(HTML(f'<img alt="{escape(alt)}" width="{width}" style="max-width: 100%" src="{source}">'))

    def _note(self) -> None:
        """What this session of the notebook did, for `alnb run` (its exit code) and the gallery."""
        path = outcome_path(self.plan)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({
            "notebook": self.name, "profile": self.profile, "computed": self._computed,
            "seconds": round(time.time() - self._began, 1),
            "failed": {str(run): why for run, why in self.failed.items()},
            "runs": {key: str(run) for key, run in self._ran.items()}, "reruns": self._reruns,
        }, indent=1))  # fmt: skip


def drawing_only() -> bool:
    """Whether `alnb reproduce` draws a profile from its records: nothing is computed then."""
    return os.environ.get("ALNB_DRAW") == "1"


def executed_folder(label: str) -> Path:
    """Where executed notebooks and what they did are kept: $ALNB_EXECUTED, else data/executed."""
    return Path(os.environ.get("ALNB_EXECUTED") or REPOSITORY / "data" / "executed") / label


def outcome_path(made: Plan) -> Path:
    return executed_folder(made.label) / f"{made.name}.outcome.json"


def show(thing) -> None:
    """The live source of a function, class or strategy, highlighted, under its equation."""
    import inspect

    from IPython.display import Code, display

    function = getattr(thing, "function", thing)
    display(Code(data=inspect.getsource(function), language="python"))


def check(what: str, given, expected, tolerance: float = 1e-9) -> bool:
    """Exercise check: prints whether `given` is `expected`, and what is wrong if not; never raises. None is unsolved."""
    import numpy

    if given is None:
        print(f"{what}: not solved yet (expected {type(expected).__name__})")
        return False
    try:
        yours, right = numpy.asarray(given, dtype=float), numpy.asarray(expected, dtype=float)
        if yours.shape != right.shape:
            print(f"{what}: the shape is {yours.shape}, expected {right.shape}")
            return False
        good = bool(numpy.allclose(yours, right, atol=tolerance, rtol=tolerance))
    except (TypeError, ValueError):
        good = given == expected
    print(f"{what}: correct" if good else f"{what}: you have {given}, expected {expected}")
    return good


# --- headless ---------------------------------------------------------------------------------------------------------------------


def execute(
    made: Plan, *, workers: int | None = None, cluster: str | None = None, draw: bool = False
) -> tuple[bool, dict]:
    """Run a notebook by papermill in a fresh kernel; returns whether all went well, and what it did.

    draw: compute nothing, draw what store and records hold.
    The executed notebook and its HTML go to data/executed/<profile>/. A run that failed, or a cell, makes it False.
    """
    import papermill
    from jupyter_core.paths import jupyter_runtime_dir
    from traitlets.config import Config

    folder = executed_folder(made.label)
    folder.mkdir(parents=True, exist_ok=True)
    outcome_path(made).unlink(missing_ok=True)
    target = folder / f"{made.name}.ipynb"
    environment = {
        "ALNB_PROFILE": made.profile,
        "ALNB_PARAMETERS": json.dumps(made.values),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    environment |= {"ALNB_WORKERS": str(workers)} if workers else {}
    environment |= {"ALNB_CLUSTER": cluster} if cluster else {}
    environment |= {"ALNB_DRAW": "1"} if draw else {}
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    error = ""
    # a socket file has no port to lose to another kernel; its path may be 107 characters long
    short = os.name == "posix" and len(jupyter_runtime_dir()) < 60
    try:
        papermill.execute_notebook(
            FOLDER / f"{made.name}.ipynb", target, parameters=made.values, kernel_name="python3",
            cwd=FOLDER, progress_bar=False, log_output=True, stderr_file=sys.stderr, stdout_file=sys.stdout,
            config=Config({"KernelManager": {"transport": "ipc" if short else "tcp"}}),
        )  # fmt: skip
    except papermill.PapermillExecutionError as failure:
        error = f"cell {failure.exec_count}: {failure.ename}: {failure.evalue}"
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    done = json.loads(outcome_path(made).read_text()) if outcome_path(made).is_file() else {"failed": {}, "computed": 0}
    if target.is_file():
        render(target)
    return not error and not done["failed"], done | {"error": error}


def render(path: Path) -> Path:
    """The executed notebook as one HTML page beside it."""
    import nbformat
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter(embed_images=True).from_notebook_node(nbformat.read(path, as_version=4))
    page = path.with_suffix(".html")
    page.write_text(body)
    return page
