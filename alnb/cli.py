"""The command line: alnb run | compute | reproduce | status | records | data | report."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time

from alnb import __version__
from alnb.errors import BAD, FAILED, OK, BadRequest


class Shown(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog):
        super().__init__(prog, indent_increment=1)  # else argparse breaks the line after `reproduce`


class Parser(argparse.ArgumentParser):
    def error(self, message):
        """One line, as for every other request that cannot be."""
        example = ": -p epochs 5 -p few.arms '[random, margin]'" * message.startswith("argument -p:")
        raise BadRequest(f"{message}{example} ({self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    from alnb import plans

    profiles = "\n".join(f"  {name:16} {text}" for name, text in plans.PROFILES.items())
    top = Parser(
        prog="alnb",
        formatter_class=Shown,
        description="Reproducible deep active learning: one notebook a paper, every figure and table from one command.",
        epilog=f"""first steps:
  alnb status                   what there is, what is done and how long the rest takes
  alnb run 01 --profile smoke   a whole notebook in seconds, figures in figures/smoke
  alnb reproduce                everything that needs no download, then the gallery

profiles, how much a notebook computes (alnb status says which a notebook has):
{profiles}

exit codes: 0 all well, 1 some run failed, 2 the request cannot be served (one line says why)""",
    )
    top.add_argument("--version", action="version", version=f"alnb {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    def command(name, text, handler, notebook=None):
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", formatter_class=Shown)
        sub.set_defaults(handler=handler)
        if notebook:
            which = {1: "", "?": "; all if left out", "*": "; all if left out"}[notebook]
            text = f"its name or the beginning of it: 01{which}"
            sub.add_argument("notebook", nargs=notebook, metavar="NOTEBOOK", help=text)
        return sub

    _plan_options(command("run", "run a notebook from top to bottom and write its figures", run, 1))
    _compute_options(command("compute", "do the runs of a notebook and draw nothing; interrupt it at will", compute, 1))
    _executor_options(command("reproduce", "run notebooks on embedded data, then write the gallery", reproduce, "*"))
    command("status", "what is done and missing; with NOTEBOOK also its figures and tables", status, "?")
    _records_options(command("records", "keep finished runs in data/records, or take in another's", records))
    _data_options(command("data", "datasets: which are here, terms, download", data))
    command("report", "write figures/gallery.html of every figure and table drawn so far", report)
    sub = command("handout", "a copy of a notebook for a class, without the solutions of its exercises", handout, 1)
    sub.add_argument("--out", metavar="FILE", help="where (default: NOTEBOOK.handout.ipynb, here)")
    return top


def _executor_options(sub) -> None:
    sub.add_argument("--workers", type=int, metavar="N", help="processes (default: the cores; 1 with a GPU)")
    sub.add_argument("--cluster", metavar="ADDRESS", help="a Dask scheduler: tcp://127.0.0.1:8786 or tls://...")


def _plan_options(sub) -> None:
    from alnb import plans

    sub.add_argument("--profile", default="laptop", help=f"{', '.join(plans.PROFILES)} (default: laptop)")
    sub.add_argument(
        "-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
        help="override one parameter: -p epochs 5 -p few.arms '[random, margin]'",
    )  # fmt: skip
    _executor_options(sub)


def _compute_options(sub) -> None:
    _plan_options(sub)
    sub.add_argument(
        "--selections", metavar="FILE",
        help="instead: train the notebook's network (-p network ...) on what the runs in FILE chose, on its dataset and seeds",
    )  # fmt: skip
    sub.add_argument(
        "--recompute", action="store_true", help="instead: compute the runs that are kept in the records, and compare"
    )


def _records_options(sub) -> None:
    sub.add_argument("action", choices=["export", "import"])
    sub.add_argument("what", nargs="+", metavar="WHAT", help="export: notebooks; import: files")
    sub.add_argument(
        "--profile", default="world", help="export: whose runs (default world); of others only those on real data"
    )
    sub.add_argument(
        "--weights", action="store_true", help="export: also the weights, up to 1 MB a run, that other runs start from"
    )
    sub.add_argument(
        "--replace", action="store_true", help="export: where this machine's results differ from those kept, keep these"
    )


def _data_options(sub) -> None:
    sub.add_argument("name", nargs="?", metavar="NAME", help="one dataset; exit code 2 if it is not here")
    sub.add_argument(
        "--download", action="store_true", help="fetch it from its own home; the only thing that uses the net"
    )
    sub.add_argument(
        "--add", metavar="FOLDER",
        help="take in data of your own as NAME: images in a folder a class, or features.npy and targets.npy",
    )  # fmt: skip
    sub.add_argument("--px", type=int, default=128, metavar="N", help="--add: images become N x N pixels (default 128)")


def main(arguments: list[str] | None = None) -> int:
    try:
        from alnb.machine import whole_folders

        whole_folders()
        for stream in (sys.stdout, sys.stderr):  # what a Latin-1 terminal cannot show must not end the work
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        top = parser()
        for argument in sys.argv[1:] if arguments is None else arguments:
            _check_argument(argument)
        options = top.parse_args(arguments)
        if not options.command:
            top.print_help(sys.stderr)
            return BAD
        code = options.handler(options)
        sys.stdout.flush()
        return code
    except BadRequest as error:
        said = re.sub(LONG_WORD, lambda word: f"{word[0][:80]}...{word[0][-20:]}", str(error))
        print(f"alnb: {said}", file=sys.stderr)
        return BAD
    except KeyboardInterrupt:
        print("alnb: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `alnb status | head`
        _unheard()
        return OK
    except OSError as error:  # a full disk, a folder that is read-only or a file
        _unheard()
        print(f"alnb: {error.strerror or error}" + f": {error.filename}" * bool(error.filename), file=sys.stderr)
        return FAILED


LONG_WORD = r"\S{300,}"  # a name of so many letters need not stand whole in a refusal


def _check_argument(text: str) -> None:
    """BadRequest for what would tear a line of what is said about it."""
    if not text.isprintable():
        raise BadRequest(f"an argument holds a line break or another mark that cannot be seen: {text!r:.80}")


def _unheard() -> None:
    """Nobody reads, or nothing can hold, what is printed from here on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(text: str) -> None:
    """Print; a reader who has gone away does not stop the work."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _unheard()


def _plan(options):
    from alnb import plans

    _check_executor(options)
    name = plans.resolve(options.notebook[0])
    overrides = {key: plans.parse_override(name, key, text) for key, text in options.parameters}
    return plans.plan(name, options.profile, overrides)


def _check_executor(options) -> None:
    from alnb.executor import MOST_WORKERS, check_cluster, default_workers
    from alnb.machine import check_device

    if options.workers is not None and not 1 <= options.workers <= MOST_WORKERS:
        raise BadRequest(f"--workers {options.workers}: expected 1 to {MOST_WORKERS:,}")
    address = options.cluster if options.cluster is not None else os.environ.get("ALNB_CLUSTER") or None
    if address is not None:
        check_cluster(address)
    default_workers()
    check_device()


def run(options) -> int:
    from alnb import headless, plans
    from alnb.store import Store

    made, store = _plan(options), Store()
    plans.refuse_if_nothing_to_draw(made, store)
    plans.check_writable(store.root, plans.figures_folder() / made.label, plans.executed_folder(made.label))
    return headless.told(made, workers=options.workers, cluster=options.cluster)


def compute(options) -> int:
    from alnb import plans
    from alnb.runs import with_needs
    from alnb.store import Store

    made, store = _plan(options), Store()
    if options.recompute and options.selections is not None:
        raise BadRequest("--recompute is about the runs of a profile, --selections about others: give one of them")
    runs = made.runs if options.selections is None else _retraining(made, options.selections)
    plans.check_answerable(runs)
    plans.check_writable(store.root)
    if options.recompute:  # apart from what was computed before, which would be compared with itself
        runs, store = plans.recorded(with_needs(runs)), Store(store.root / "recomputed")
    now = plans.standing(runs, plans.LAPTOP if options.recompute else made.profile, store)
    runnable = [r for r in now.missing if not plans.lacks(r, now.lacking, store)]
    for text in now.lacking.values():
        print(f"alnb: {text}", file=sys.stderr)
    if now.missing and not runnable:
        return BAD
    print(f"{len(set(runs))} runs: {len(now.done)} done, {len(now.recorded)} in records, {len(now.missing)} missing; "
          f"about {plans.duration(now.seconds)} of one core")  # fmt: skip
    if not runnable:
        if options.selections is not None:
            _print_metrics(store.frame(runs))
        return _compare(runs, store) if options.recompute else OK
    from alnb.executor import drive

    began = time.time()

    def on_step(run, step):
        took = step["provenance"]["timings"]["seconds"]
        _tell(f"[{plans.duration(time.time() - began)}] {run}: step {step['index'] + 1} of {run.steps}, {took:.1f} s")

    outcome = drive(runnable, store, workers=options.workers, cluster=options.cluster, on_step=on_step)
    if outcome.waiting:
        print(f"{len(outcome.waiting)} of the runs wait for a person's answers: nb.annotate(race) in the notebook asks")
    for failed, why in outcome.told().items():
        above = (store.read(failed).error or {}).get("error", "").rstrip().splitlines()[:-1]  # the last line says why again
        print("\n".join([f"alnb: failed: {failed}: {why}", *above]), file=sys.stderr)
    if options.selections is not None:
        _print_metrics(store.frame(runs))
    differ = _compare(runs, store) if options.recompute else OK
    return FAILED if outcome.failed else BAD if now.lacking else differ


def _compare(runs, store) -> int:
    """How runs that were computed here compare with their records; FAILED where one differs. What was compared is taken out
    of the `store`: asked once more, it is computed once more."""
    import shutil
    from collections import Counter

    from alnb import records as kept

    said = {run: kept.compare(run, store) for run in runs}
    counts = Counter(text.partition(":")[0] for text in said.values() if text)
    _tell(f"{sum(counts.values())} records computed again: {', '.join(f'{n} {what}' for what, n in counts.items()) or 'none'}")
    differ = {run: text for run, text in said.items() if text and text.startswith("differs")}
    for run, text in differ.items():
        print(f"alnb: {run}: {text}", file=sys.stderr)
    for run in (run for run, text in said.items() if text):
        shutil.rmtree(store.folder(run), ignore_errors=True)
    return FAILED if differ else OK


def _retraining(made, path):
    """The runs that train the plan's network on the selections of a file, those on the dataset and seeds of a race."""
    from alnb import plans, races, selections

    known, wanted = [], {}
    for one in selections.read(path).values():
        known += [one] if one not in known else []  # given twice it is still one seed
    every = {name: value for name, value in made.values.items() if isinstance(value, dict)}
    for name, run in {run.race: run for run in made.runs}.items():
        seeds = {run.seed for run in made.runs if run.race == name}
        own = {key: value for key, value in races.resolved(name, every).items() if key not in races.WORDS}
        for place, one in enumerate(known):
            if place not in wanted and one["dataset"] == run.dataset and one["seed"] in seeds:
                wanted[place] = one, made.values | own
    if not wanted:
        held = sorted({(one["dataset"], one["seed"]) for one in known})
        asked = ", ".join(sorted({f"{run.dataset} seed {run.seed}" for run in made.runs}))
        raise BadRequest(f"{path} holds no selection on {asked}: "
                         f"it has {', '.join(f'{name} seed {seed}' for name, seed in held)}")  # fmt: skip
    study = plans.method(made.name).STUDY.name
    return [run for one, settings in wanted.values() for run in races.retrained_selections(study, [one], settings)]


def _print_metrics(frame) -> None:
    """Mean, deviation and count over the seeds of what the runs' tasks measure."""
    from alnb import statistics

    if not (frame["kind"] == "test").any():
        return
    rows = statistics.test_rows(frame)
    table = rows.groupby(["dataset", "method", "labelled"])["value"].agg(["mean", "std", "count"]).round(2)
    print(table.to_string())


def reproduce(options) -> int:
    from alnb import plans
    from alnb import reproduce as whole

    _check_executor(options)
    chosen = [plans.resolve(name) for name in options.notebook] or plans.names()
    code = whole.reproduce(chosen, workers=options.workers, cluster=options.cluster)
    report(options)
    return code


def status(options) -> int:
    from alnb import plans
    from alnb import status as standing

    one = options.notebook is not None
    return standing.tell([plans.resolve(options.notebook)] if one else plans.names(), artefacts=one)


def records(options) -> int:
    from alnb import plans
    from alnb import records as kept
    from alnb.runs import with_needs
    from alnb.store import Store, is_world

    if options.action == "import":
        for path, new in zip(options.what, kept.import_files(options.what)):
            print(f"{path}: {new} new runs")
        return OK
    for given in options.what:
        made = plans.plan(plans.resolve(given), options.profile)
        runs = with_needs(made.runs)
        if options.profile != "world":  # a stand-in's runs there are laptop's, which computes them anyway
            runs = [run for run in runs if not is_world(run)]
        told = kept.export(runs, Store(), weights=options.weights, replace=options.replace)
        print(f"{made.name}, {options.profile}: {told}; in {kept.folder()}")
    return OK


def data(options) -> int:
    from alnb import datasets

    if options.add:
        return _add(options)
    worst = OK
    for name in datasets.names() if options.name is None else [options.name]:
        about = datasets.info(name)
        if options.download:
            if options.name is None:
                raise BadRequest("--download wants the name of one dataset")
            datasets.download(name)
        state, text = datasets.status(name)
        kind = "plumbing" if about.plumbing else "real" if about.real else "stand-in"
        print(f"{name:16} {state:8} {about.title}; {kind}; {about.terms}")
        if state in ("missing", "damaged") or options.name:
            print(f"{'':16} {text}")
        if options.name and state in ("missing", "damaged"):
            worst = BAD
    return worst


def _add(options) -> int:
    from alnb import datasets
    from alnb.datasets import own

    if not options.name:
        raise BadRequest("--add wants a name: alnb data NAME --add FOLDER")
    name = own.add(options.name, options.add, options.px)
    about = datasets.info(name)
    encoder = "" if about.images else ", 'encoder': 'given', 'px': 0"
    print(f"{name}: {about.train:,} training and {about.test:,} test samples of {about.classes} classes")
    asked = max(about.classes, min(200, about.train // 20))
    print(f"""try it: alnb run 01 --profile frozen -p pool 0 -p initial {asked} -p budget {asked} -p many '{{}}' \\
  -p few "{{'dataset': '{name}', 'task': 'features'{encoder}, 'seeds': 5, 'arms': ['random', 'margin', 'dispersion']}}" """)
    return OK


def report(options) -> int:
    from alnb import report as gallery

    print(f"gallery: {gallery.write()}")
    return OK


def handout(options) -> int:
    from pathlib import Path

    from alnb import exercises, plans

    name = plans.resolve(options.notebook[0])
    target = Path(f"{name}.handout.ipynb" if options.out is None else options.out)
    count = exercises.handout(plans.FOLDER / f"{name}.ipynb", target)
    print(f"{target}: {count} solutions left out")
    return OK


if __name__ == "__main__":
    sys.exit(main())
