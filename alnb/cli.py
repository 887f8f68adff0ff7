"""The command line: alnb run | compute | reproduce | status | records | data | report."""

from __future__ import annotations

import argparse
import os
import sys
import time

from alnb.errors import BadRequest

OK, FAILED, BAD = 0, 1, 2


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="alnb",
        description="Reproducible deep active learning: nine notebooks, every figure and table from one command.",
        epilog="Exit codes: 0 all well, 1 some run failed, 2 the request cannot be served (one line says why).",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, text, handler, notebook=None):
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        sub.set_defaults(handler=handler)
        if notebook:
            sub.add_argument("notebook", nargs=notebook, metavar="NOTEBOOK", help="its name or the beginning of it: 01")
        return sub

    def plan_options(sub):
        sub.add_argument("--profile", default="laptop", help="laptop (default), smoke, world, reduced, paper")
        sub.add_argument(
            "-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
            help="override one parameter: -p epochs 5 -p methods '[random, margin]'",
        )  # fmt: skip
        executor_options(sub)

    def executor_options(sub):
        sub.add_argument("--workers", type=int, metavar="N", help="processes (default: the cores; 1 with a GPU)")
        sub.add_argument("--cluster", metavar="ADDRESS", help="a Dask scheduler: tcp://127.0.0.1:8786 or tls://...")

    plan_options(command("run", "run a notebook headless and write its figures", run, 1))
    sub = command("compute", "do a notebook's runs, without the notebook", compute, 1)
    plan_options(sub)
    sub.add_argument(
        "--selections", metavar="FILE",
        help="instead: train the notebook's network (-p network ...) on what the runs in FILE chose, on its dataset and seeds",
    )  # fmt: skip
    executor_options(command("reproduce", "run notebooks on embedded data, draw the gallery", reproduce, "*"))
    command("status", "notebooks, their artefacts and how many of their runs are done", status, "?")
    sub = command("records", "runs worth keeping, in data/records", records)
    sub.add_argument("action", choices=["export", "import"])
    sub.add_argument("what", nargs="+", metavar="WHAT", help="export: notebooks; import: files")
    sub.add_argument("--profile", default="world", help="export: whose runs (default world)")
    sub = command("data", "datasets: what is there, what is missing, terms, verification", data)
    sub.add_argument("name", nargs="?")
    sub.add_argument(
        "--download", action="store_true", help="fetch it from its own home; the only thing that uses the net"
    )
    command("report", "write the HTML gallery of every artefact drawn so far", report)
    return top


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return options.handler(options)
    except BadRequest as error:
        print(f"alnb: {error}", file=sys.stderr)
        return BAD
    except KeyboardInterrupt:
        print("alnb: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `alnb status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _plan(options):
    from alnb import notebooks

    if options.workers is not None and options.workers < 1:
        raise BadRequest(f"--workers {options.workers}: expected at least 1")
    name = notebooks.resolve(options.notebook[0])
    overrides = {key: notebooks.parse_override(name, key, text) for key, text in options.parameters}
    return notebooks.plan(name, options.profile, overrides)


def run(options) -> int:
    from alnb import notebooks
    from alnb.store import Store

    made = _plan(options)
    notebooks.refuse_if_nothing_to_draw(made, Store())
    return _execute(made, options)


def _execute(made, options, draw: bool = False) -> int:
    from alnb import notebooks

    began = time.time()
    well, done = notebooks.execute(made, workers=options.workers, cluster=options.cluster, draw=draw)
    print(f"{made.name}, {made.label}: {done['computed']} steps computed, {time.time() - began:.0f} s, "
          f"figures in {notebooks.figures_folder() / made.label}")  # fmt: skip
    for name, why in done["failed"].items():
        print(f"alnb: failed: {name}: {why}", file=sys.stderr)
    if done["error"]:
        print(f"alnb: the notebook stopped in {done['error']}", file=sys.stderr)
    return OK if well else FAILED


def compute(options) -> int:
    from alnb import notebooks
    from alnb.store import Store

    made, store = _plan(options), Store()
    runs = _retraining(made, options.selections) if options.selections else made.runs
    now = notebooks.standing(runs, made.profile, store)
    runnable = [r for r in now.missing if r.dataset not in now.lacking]
    for text in now.lacking.values():
        print(f"alnb: {text}", file=sys.stderr)
    if now.missing and not runnable:
        return BAD
    print(f"{len(runs)} runs: {len(now.done)} done, {len(now.recorded)} in records, {len(now.missing)} missing; "
          f"about {notebooks.duration(now.seconds)} of one core")  # fmt: skip
    if not runnable:
        if options.selections:
            _print_accuracy(store.frame(runs))
        return OK
    from alnb.executor import drive

    began = time.time()

    def on_step(run, step):
        took = step["provenance"]["timings"]["seconds"]
        print(
            f"[{notebooks.duration(time.time() - began)}] {run}: step {step['index'] + 1} of {run.steps}, {took:.1f} s"
        )
        sys.stdout.flush()

    outcome = drive(runnable, store, workers=options.workers, cluster=options.cluster, on_step=on_step)
    for failed, why in outcome.failed.items():
        print(f"alnb: failed: {failed}: {why}\n{(store.read(failed).error or {}).get('error', '')}", file=sys.stderr)
    if options.selections:
        _print_accuracy(store.frame(runs))
    return FAILED if outcome.failed else BAD if now.lacking else OK


def _retraining(made, path):
    """The runs that train the plan's network on the selections of a file, those on its dataset and seeds."""
    from alnb import cycle, notebooks
    from alnb import records as kept

    known = list(kept.read_selections(path).values())
    wanted = [one for one in known if one["dataset"] == made.values["dataset"] and one["seed"] in made.values["seeds"]]
    if not wanted:
        held = sorted({(one["dataset"], one["seed"]) for one in known})
        raise BadRequest(f"{path} holds no selection on {made.values['dataset']} with seeds {made.values['seeds']}: "
                         f"it has {', '.join(f'{name} seed {seed}' for name, seed in held)}")  # fmt: skip
    return cycle.retrained_selections(notebooks.method(made.name).STUDY.name, wanted, made.values)


def _print_accuracy(frame) -> None:
    rows = frame[frame["kind"] == "accuracy"]
    table = rows.groupby(["dataset", "method", "labelled"])["accuracy"].agg(["mean", "std", "count"]).round(2)
    print(table.to_string())


def reproduce(options) -> int:
    from alnb import notebooks
    from alnb.store import Store

    chosen = [notebooks.resolve(name) for name in options.notebook] or notebooks.names()
    code, store = OK, Store()
    for name in chosen:
        code = max(code, _execute(notebooks.plan(name), options))
    for name in chosen:  # then every profile of which something is known, computing nothing
        for profile in notebooks.FROM_RECORDS:
            if profile in notebooks.profiles(name):
                made = notebooks.plan(name, profile)
                now = notebooks.standing(made.runs, profile, store)
                if now.recorded or now.done:
                    code = max(code, _execute(made, options, draw=True))
    report(options)
    return code


def status(options) -> int:
    from alnb import notebooks
    from alnb.store import Store

    store = Store()
    for name in [notebooks.resolve(options.notebook)] if options.notebook else notebooks.names():
        about = notebooks.config(name)
        print(f"{name}: {about['title']}")
        for profile in notebooks.profiles(name):
            now = notebooks.standing(notebooks.plan(name, profile).runs, profile, store)
            parts = [f"{len(now.done)} done"] + [f"{len(now.recorded)} in records"] * bool(now.recorded)
            parts += [f"{len(now.failed)} failed"] * bool(now.failed) + [f"{len(now.missing)} missing"]
            if now.missing:
                parts.append(f"about {notebooks.duration(now.seconds)} of one core")
            if now.lacking:
                parts.append(f"without data: {', '.join(now.lacking)}")
            print(f"  {profile:8} runs: {', '.join(parts)}")
        for artefact, caption in about["artefacts"].items():
            drawn = [f"{e['profile']} ({'real' if e['real'] else 'stand-in'}: {', '.join(e['datasets'])})"
                     for e in _drawn() if e["id"] == artefact]  # fmt: skip
            print(f"  {artefact:20} {caption}\n{'':23}{'; '.join(drawn) or 'not drawn yet'}")
    return OK


def _drawn() -> list[dict]:
    import json

    from alnb import notebooks

    paths = sorted(notebooks.figures_folder().glob("*/manifest.json"))
    return [entry for path in paths for entry in json.loads(path.read_text())]


def records(options) -> int:
    from alnb import notebooks
    from alnb import records as kept
    from alnb.store import Store

    if options.action == "import":
        for path in options.what:
            print(f"{path}: {kept.import_file(path)} new runs")
        return OK
    for given in options.what:
        made = notebooks.plan(notebooks.resolve(given), options.profile)
        from alnb.runs import with_needs

        count = kept.export(with_needs(made.runs), Store())
        print(f"{made.name}, {options.profile}: {count} runs added or changed in {kept.folder()}")
    return OK


def data(options) -> int:
    from alnb import datasets

    worst = OK
    for name in [options.name] if options.name else datasets.names():
        about = datasets.info(name)
        if options.download:
            if not options.name:
                raise BadRequest("--download wants the name of one dataset")
            datasets.download(name)
        state, text = datasets.status(name)
        print(f"{name:16} {state:8} {about.title}; {'real' if about.real else 'stand-in'}; {about.terms}")
        if state in ("missing", "damaged") or options.name:
            print(f"{'':16} {text}")
        if options.name and state in ("missing", "damaged"):
            worst = BAD
    return worst


def report(options) -> int:
    from alnb import report as gallery

    print(f"gallery: {gallery.write()}")
    return OK


if __name__ == "__main__":
    sys.exit(main())
