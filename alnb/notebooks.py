"""What the cells of a notebook call (`alnb.notebook`, `show`, `check`).

What a notebook is asked to do (parameters, profiles, runs) is in `alnb.plans`; how it is run headless in `alnb.headless`.
"""

from __future__ import annotations

import difflib
import inspect
import json
import os
import sys
import time
from html import escape
from typing import Any

from alnb import acquisition, datasets, plans, records
from alnb.errors import BadRequest, Interrupted
from alnb.executor import default_workers, drive
from alnb.races import resolved
from alnb.runs import TRUTH, Run, asks_a_person, study, with_needs
from alnb.sourcing import sourced
from alnb.store import Store, frame

STARTING = 5  # seconds until workers, each a process that imports torch, are there

# --- what a notebook holds -----------------------------------------------------------------------------------------------------


def notebook(name: str, namespace: dict[str, Any]) -> Notebook:
    """The first line of every notebook: `nb = alnb.notebook("01_label_dispersion", globals())`.

    Reads the parameters from `namespace` (what the cell says, or papermill put there). $ALNB_PROFILE chooses another
    profile: its values replace those the cell leaves at their defaults, and are written back to `namespace`.
    """
    profile = os.environ.get("ALNB_PROFILE", plans.LAPTOP)
    if "ALNB_PARAMETERS" in os.environ:  # `alnb run` says exactly
        overrides = json.loads(os.environ["ALNB_PARAMETERS"])
    else:
        known = plans.parameters(name)
        written = set(namespace.get("__annotations__", ()))  # the parameters cell, and what later cells annotate
        for word in sorted(written - set(known)):
            if written and (near := difflib.get_close_matches(word, set(known) - written, 1)):
                raise BadRequest(f"{name} has no parameter {word!r}; did you mean {near[0]!r}, which is missing?")
        overrides = {n: namespace[n] for n, p in known.items() if n in namespace and namespace[n] != p.default}
    made = plans.plan(name, profile, overrides)
    namespace.update(made.values)
    return Notebook(made, namespace)


class Notebook:
    """A notebook at work: `parameters`, `profile`, `run(runs)`, `save(id, drawing)`, `race("mine")`."""

    def __init__(self, made: plans.Plan, namespace: dict[str, Any] | None = None):
        from alnb import figures

        figures.plain()
        self._namespace = namespace or {}
        self.plan, self.name, self.profile, self.parameters = made, made.name, made.label, dict(made.values)
        self.config, self.store = plans.config(made.name), Store()
        self.failed: dict[Run, str] = {}
        self.waiting: list[Run] = []
        self._grid: dict[str, list[Run]] = {}
        self.folder = plans.figures_folder() / made.label
        self._began, self._computed, self._reruns, self._ran = time.time(), 0, {}, {}
        workers = os.environ.get("ALNB_CLUSTER") or f"{default_workers()} worker" + "s" * (default_workers() > 1)
        print(f"{self.name}: profile {self.profile}, {workers}, figures to {self.folder.name}/")

    def run(self, runs: list[Run], *, workers: int | None = None, oracle=None):
        """Do what is missing of `runs` and return one tidy frame of what is done.

        Says first what is done, recorded and missing and how long it will take. What failed is shown with its
        traceback and kept in `failed`; what cannot run for want of data is named. Raises if nothing is there to draw.
        """
        self._check_defined(runs)
        if oracle is None:
            plans.check_answerable(runs)
        self._grid |= {race: [run for run in runs if run.race == race] for race in {run.race for run in runs}}
        before = plans.standing(runs, self.plan.profile, self.store)
        runnable = [] if drawing_only() else [r for r in before.missing if not plans.lacks(r, before.lacking, self.store)]
        self._announce(runs, before, runnable, workers or default_workers())
        outcome = self._drive(runnable, workers, oracle) if runnable else None
        self.waiting = [run for run in runs if outcome and run in outcome.waiting]
        if self.waiting:
            who = " and ".join(sorted({run.options.annotator for run in self.waiting}))
            count = f"{len(self.waiting)} runs wait" if len(self.waiting) > 1 else "1 run waits"
            print(f"{count} for {who}'s answers: nb.annotate(race) asks")
        for run, why in (outcome.told() if outcome else {}).items():
            self._show_failure(run, why)
        pairs = sourced(runs, self.plan.profile, self.store)
        for run in runs:
            self._ran[run.key] = run
            if self.plan.profile not in plans.FROM_RECORDS and (verdict := records.compare(run, self.store)):
                self._reruns[run.key] = verdict
        if not pairs and self.waiting:
            raise BadRequest("nothing can be drawn before the questions are answered: nb.annotate(race)")
        if not pairs:
            reasons = [*before.lacking.values(), *(str(why) for why in self.failed.values())]
            raise BadRequest("no run is done, nothing can be drawn: " + " ".join(reasons))
        self._note()
        for line in mixed_machines(pairs):
            print(line)
        results = frame(pairs)
        for where, hashes in mixed_features(results).items():
            print(f"{where}: its runs rest on features that differ by rounding ({', '.join(hashes)})")
        say_ties(results)
        return results

    def _check_defined(self, runs: list[Run]) -> None:
        """BadRequest where a cell has defined a strategy's function anew and not made a strategy of it."""
        for name in {run.method.partition("@")[0] for run in runs if "@" in run.method}:
            if inspect.isfunction(self._namespace.get(name)):
                raise BadRequest(f'{name} is a plain function now; put @alnb.score("{name}", needs=(...)) above it')

    def annotate(self, race: str):
        """The questions of a race's runs that wait for a person, in a widget that may be left and opened again; headless, and
        where the dataset's own labels answer, a picture of the first question. Each answer is kept as it is given; when all
        are, run the grid's cell again."""
        from alnb import annotate
        from alnb.conversation import first_question

        runs = [run for run in self._grid.get(race, ()) if study(run.study).question]
        if not runs:
            print(f"nothing is asked in the race {race!r}: it is left out, or the grid has not run")
            return None
        todo = [run for run in runs if asks_a_person(run) and not self.store.read(run).done]
        if todo and "ALNB_PARAMETERS" not in os.environ:
            return annotate.Annotator(todo, self.store)
        who = runs[0].options.annotator
        truth = "the dataset's own labels answer; name an annotator to be asked"
        print(f"{who} answers in JupyterLab" if todo else truth if who == TRUTH else "all questions are answered")
        for run in todo or runs:
            try:
                question = first_question(run, self.store)
            except BadRequest as error:
                print(f"no picture of the first question: {error}")
                return None
            if question is not None:
                self.show(annotate.still(question))
                return None
        print(f"no arm of the race {race!r} asks question by question")
        return None

    def race(self, name: str, race: str = ""):
        """Your own strategy `name` in a race of this notebook (default: its first), beside Random: curve, paired
        difference and table at once. Only its own runs are computed. Returns the results."""
        from alnb.drawn import standard

        written = {key: self.parameters[key] for key, p in plans.parameters(self.name).items() if p.kind is dict}
        strategies = {*acquisition.catalogue(), *acquisition.local}
        ran = [run.race for run in self.plan.runs if run.method.partition("@")[0] in strategies]
        # those in which strategies race, in the order of the cell; "few 1%" is one that the cell's `few` makes
        races = [key for key in written if any(name.partition(" ")[0] == key for name in ran)]
        race = race or next(iter(races), "")
        if race not in races:
            raise BadRequest(f"{self.name} has no race {race!r} at {self.profile}: it has {', '.join(races) or 'none'}")
        own = resolved(race, written) | {"arms": list(dict.fromkeys(["random", name])), "more": {}}
        of_race = lambda name: name.partition(" ")[0] == race
        runs = plans.method(self.name).grid(**self.parameters | {race: own})
        results = self.run([run for run in runs if of_race(run.race)])
        for made in dict.fromkeys(filter(of_race, results["race"])):
            for drawn in (standard.race, standard.gains, standard.overview):
                if (drawing := drawn(results, made)) is not None:
                    self.show(drawing)
        return results

    def show(self, drawing) -> None:
        """Display a drawing that is no artefact, with its alt text."""
        import io

        import matplotlib.pyplot as plt

        from alnb import figures

        if drawing.figure.get_label() == figures.TABLE:
            plt.close(drawing.figure)
            self._put(figures.page(drawing.figure, drawing.alt))
            return
        picture = io.BytesIO()
        with figures.style():
            drawing.figure.savefig(picture, format="png", metadata={"Software": None})
        plt.close(drawing.figure)
        self._display(picture.getvalue(), drawing.alt)

    def load(self, which: str | dict):
        """The dataset of that name, or of a race; None, and a line that says why, where it is missing or left out: what
        needs no image can still be drawn."""
        name = which.get("dataset", "") if isinstance(which, dict) else which
        if not name:
            print("drawn without images: the race has no dataset")
            return None
        try:
            if datasets.info(name).images:
                return datasets.load(name)
            print(f"drawn without images: {name} holds features")
            return None
        except datasets.Missing as missing:
            print(f"drawn without images: {missing}")
            return None

    def _announce(self, runs, now: plans.Standing, runnable, workers: int) -> None:
        parts = [f"{len(now.done)} done"] + [f"{len(now.recorded)} in records"] * bool(now.recorded)
        parts += [f"{len(now.missing)} missing"]
        line = f"{len(set(runs))} runs: {', '.join(parts)}"
        if runnable:
            seconds = now.seconds / max(1, workers) + STARTING * (workers > 1)
            line += f"; about {plans.duration(seconds)} on {workers} worker{'s' * (workers > 1)}"
        print(line)
        if drawing_only() and now.missing:
            print("drawing only: what is missing is left out")
            return
        for name, text in now.lacking.items():
            of = {run for run in runs if name in {one.dataset for one in with_needs([run])}}
            lost = {run for run in of & set(now.missing) if plans.lacks(run, [name], self.store)}
            here, seeds = ({run.seed for run in some} for some in (of - lost, of))
            print(
                f"not computed, {len(lost)} runs that need {name} ({len(seeds & here)} of {len(seeds)} seeds are here): {text}"
            )

    def _drive(self, runnable, workers, oracle):
        from tqdm import tqdm

        todo = [run for run in with_needs(runnable) if not self.store.read(run).done and not asks_a_person(run)]
        total = sum(run.steps - len(self.store.read(run).steps) for run in todo)
        headless = "ALNB_PARAMETERS" in os.environ  # there each refresh is a line of the log
        with tqdm(total=total, unit="step", file=sys.stdout, mininterval=20 if headless else 1) as bar:

            def on_step(run, step):
                bar.set_postfix_str(f"{run.dataset} {run.method} seed {run.seed}", refresh=False)
                bar.update()

            try:
                outcome = drive(
                    runnable, self.store, workers=workers, cluster=os.environ.get("ALNB_CLUSTER"), oracle=oracle,
                    on_step=on_step, say=bar.write,
                )  # fmt: skip
            except KeyboardInterrupt:
                done = f"interrupted: {bar.n} of {total} steps are done and kept; run the cell again to go on"
                raise Interrupted(done) from None
        self.failed |= outcome.failed
        self._computed += outcome.computed
        return outcome

    def _show_failure(self, run: Run, why: str) -> None:
        """One of those that failed alike: why, and how it came to that, whose last line says the same."""
        error = self.store.read(run).error or {}
        print(f"FAILED {run}: {why}")
        above = error.get("error", "").rstrip().splitlines()[:-1]
        if above:
            print("    " + "\n    ".join(above))
        if log := error.get("log", ""):
            print("    it printed: " + log.rstrip().replace("\n", "\n    "))

    def save(self, artefact: str, drawing, *, show: bool = True):
        """Save what a function of `alnb.drawn` gave (figures.Drawing) and display it with its alt text.

        Its title is the caption of nbconfig; it names the data, a stand-in, what only tests the machinery (digits, the
        profile `smoke`), a reduced network or pool, bf16. None, which a drawing is that cannot be made, saves nothing.
        Returns the manifest entry.
        """
        from alnb import figures

        if artefact not in self.config["artefacts"]:
            raise BadRequest(f"{artefact!r} is not in nbconfig/{self.name}.yaml: {', '.join(self.config['artefacts'])}")
        if drawing is None:
            return None
        known = set(datasets.names())  # a study may have data of its own
        rows = drawing.rows
        names = [] if rows is None else sorted(rows["dataset"].dropna().unique())
        keys = [] if rows is None or "key" not in rows else sorted(rows["key"].dropna().unique())
        stand_in = rows is not None and bool(rows["world"].any())
        plumbing = any(datasets.info(name).plumbing for name in names if name in known)
        plumbing |= self.plan.profile == "smoke" and len(keys) > 0
        marks = [figures.STAND_IN] * stand_in + ["plumbing, never evidence"] * plumbing
        marks += [text for profile, text in plans.REDUCED.items() if profile == self.plan.profile]
        marks += ["bf16"] * any(getattr(self._ran[key].options, "precision", "") == "bf16" for key in keys if key in self._ran)
        marks += self._features(keys, stand_in)
        marks += [f"changed: {', '.join(self.plan.changes)}"] * bool(self.plan.changed)
        caption = self.config["artefacts"][artefact]
        figures.title(drawing.figure, caption, artefact, names, marks)
        about = {
            "notebook": self.name, "profile": self.profile, "caption": caption, "source": self.config["source"],
            "datasets": names, "real": not stand_in, "plumbing": plumbing, "runs": [key[:16] for key in keys],
            "changed": self.plan.changes,
            **self._computed_with(keys),
        }  # fmt: skip
        entry = figures.save(self.folder, artefact, drawing.figure, drawing.data, drawing.alt, about)
        if show:
            if drawing.figure.get_label() == figures.TABLE:
                self._put(figures.page(drawing.figure, drawing.alt, caption, artefact, names, marks))
            else:
                self._display((self.folder / f"{artefact}.png").read_bytes(), drawing.alt)
        import matplotlib.pyplot as plt

        plt.close(drawing.figure)
        return entry

    def _features(self, keys, stand_in: bool) -> list[str]:
        """What a figure must say if a run behind it was trained on frozen features, whatever the profile."""
        from alnb.tasks.features import mark

        return sorted({text for key in keys if key in self._ran and (text := mark(self._ran[key].options, stand_in))})

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
        return pandas.DataFrame({"this notebook": lines})

    @staticmethod
    def _put(html: str) -> None:
        from IPython.display import HTML, display

        display(HTML(html))

    def _display(self, body: bytes, alt: str) -> None:
        """A PNG as HTML: JupyterLab and nbconvert both drop the alt text of an image output."""
        from base64 import b64encode

        width = int.from_bytes(body[16:20], "big") * 2 // 3  # saved at 150 dots an inch, shown at 100
        source = f"data:image/png;base64,{b64encode(body).decode()}"
        self._put(f'<img alt="{escape(alt)}" width="{width}" style="max-width: 100%" src="{source}">')

    def _note(self) -> None:
        """What this session of the notebook did, for `alnb run` (its exit code) and the gallery."""
        path = plans.outcome_path(self.plan)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({
            "notebook": self.name, "profile": self.profile, "computed": self._computed,
            "seconds": round(time.time() - self._began, 1),
            "failed": {str(run): why for run, why in self.failed.items()},
            "runs": {key: str(run) for key, run in self._ran.items()}, "reruns": self._reruns,
        }, indent=1))  # fmt: skip


def mixed_machines(pairs) -> list[str]:
    """What must be said where (run, steps) of one seed, which are compared, come from several kinds of device, of CPU, or
    versions of torch or numpy; one line for each difference."""
    found: dict[tuple, dict[str, set]] = {}
    for run, steps in pairs:
        own = found.setdefault((run.dataset, run.seed), {what: set() for what in ("device", "cpu", "torch", "numpy")})
        for about in (step["provenance"] for step in steps):
            device = about.get("device")
            own["device"] |= {"cpu" if device == "cpu" else "gpu"} if device else set()
            for what in ("cpu", "torch", "numpy"):
                own[what] |= {f"{what} {about[what]}"} if about.get(what) else set()
    places: dict[tuple, list] = {}
    for place, seen in found.items():
        for what, kinds in seen.items():
            if len(kinds) > 1:
                places.setdefault((what, tuple(sorted(kinds))), []).append(place)
    lines = []
    for (what, kinds), where in places.items():
        names = ", ".join(f"{name} seed {seed}" for name, seed in where[:3]) + f" and {len(where) - 3} more" * (len(where) > 3)
        means = ("differences within a seed are not of the method alone" if what == "device" else
                 "differences within a seed hold to rounding")  # fmt: skip
        lines.append(f"{names}: runs are from {' and '.join(kinds)}; {means}")
    return lines


def mixed_features(results) -> dict[str, list[str]]:
    """ "<dataset>, <network> seed <n>" -> the hashes of the features behind its rows, where these are more than one."""
    if "features" not in results:
        return {}
    rows = results.dropna(subset=["features"]).groupby(["dataset", "network", "seed"])["features"].unique()
    mixed = {place: sorted(found) for place, found in rows.items() if len(found) > 1}
    return {f"{data}, {network} seed {seed}": found for (data, network, seed), found in mixed.items()}


def drawing_only() -> bool:
    """Whether `alnb reproduce` draws a profile from its records: nothing is computed then."""
    return os.environ.get("ALNB_DRAW") == "1"


SOURCE = "overflow-x: auto; white-space: pre; font-family: var(--jp-code-font-family, monospace)"  # Jupyter's own is proportional


def show(thing) -> None:
    """The live source of a function, class or strategy, highlighted, under its equation."""
    from IPython.display import HTML, Code, display

    function = getattr(thing, "function", thing)
    code = Code(data=inspect.getsource(function), language="python")
    display(HTML(f'<div style="{SOURCE}">{code._repr_html_()}</div>'))


def offers(study_name: str, dataset: str):
    """A frame: the fields that a strategy may ask of the view (needs=...), with their shapes."""
    import pandas

    fields = {"size": "U, the number of candidates", "priority": "(U,) int, the shared random order: smaller = earlier"}
    fields |= study(study_name).offers(dataset)
    return pandas.DataFrame({"field of the view": fields.keys(), "what it is": fields.values()}).style.hide(axis="index")


def say_ties(results) -> None:
    """One line for each arm of which a whole batch was decided by ties: its scores were all equal, or infinite."""
    if "tied_share" not in results:
        return
    choices = results[results["kind"] == "choice"]
    for (race, method), part in choices[choices["tied_share"] == 1].groupby(["race", "method"]):
        of = ((choices["race"] == race) & (choices["method"] == method)).sum()
        print(f"{method}: in {len(part)} of {of} choices its best scores were all equal; the shared random order decided")
