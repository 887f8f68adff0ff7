"""How a notebook is run headless: papermill in a fresh kernel, and its page."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from alnb import plans
from alnb.errors import FAILED, OK


def execute(made: plans.Plan, *, workers: int | None = None, cluster: str | None = None) -> tuple[bool, dict]:
    """Run a notebook by papermill in a fresh kernel; returns whether all went well, and what it did.

    The executed notebook and its HTML go to data/executed/<profile>/. A run that failed, or a cell, makes it False.
    """
    import logging

    import papermill
    from jupyter_core.paths import jupyter_runtime_dir
    from traitlets.config import Config

    folder, outcome = plans.executed_folder(made.label), plans.outcome_path(made)
    folder.mkdir(parents=True, exist_ok=True)
    outcome.unlink(missing_ok=True)
    target = folder / f"{made.name}.ipynb"
    for logger in ("papermill", "papermill.translators"):
        logging.getLogger(logger).addFilter(_no_inspection)
    environment = {
        "ALNB_PROFILE": made.profile,
        "ALNB_PARAMETERS": json.dumps(made.values),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    environment |= {"ALNB_WORKERS": str(workers)} if workers else {}
    environment |= {"ALNB_CLUSTER": cluster} if cluster else {}
    before = {name: os.environ.get(name) for name in [*environment, "JUPYTER_PATH"]}
    os.environ.update(environment)
    os.environ.pop("JUPYTER_PATH", None)  # a `python3` there would run in place of this one
    error = ""
    # a socket file has no port to lose to another kernel
    runtime = jupyter_runtime_dir()
    manager = {"transport": "tcp"}
    if os.name == "posix" and len(os.fsencode(runtime)) < LONGEST_RUNTIME:
        Path(runtime).mkdir(parents=True, exist_ok=True)
        _sweep(Path(runtime))
        manager = {"transport": "ipc", "ip": f"{runtime}/alnb-{os.getpid()}-{time.time_ns()}"}
    try:
        papermill.execute_notebook(
            plans.FOLDER / f"{made.name}.ipynb", target, parameters=made.values, kernel_name="python3",
            cwd=plans.FOLDER, progress_bar=False, log_output=True, stderr_file=sys.stderr, stdout_file=sys.stdout,
            config=Config({"KernelManager": manager}),
        )  # fmt: skip
    except papermill.PapermillExecutionError as failure:
        error = f"cell {failure.exec_count}: {failure.ename}: {failure.evalue}"
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    try:
        done = json.loads(outcome.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # no news is no good news
        done = {"failed": {}, "computed": 0}
        error = error or f"a way that left no word of what was done in {outcome}"
    if target.is_file():
        render(target)
    return not error and not done["failed"], done | {"error": error}


def told(made: plans.Plan, *, workers: int | None = None, cluster: str | None = None) -> int:
    """`execute`, and print how it went; the exit code."""
    began = time.time()
    well, done = execute(made, workers=workers, cluster=cluster)
    print(f"{made.name}, {made.label}: {done['computed']} steps computed, {time.time() - began:.0f} s, "
          f"figures in {plans.figures_folder() / made.label}")  # fmt: skip
    for name, why in done["failed"].items():
        print(f"alnb: failed: {name}: {why}", file=sys.stderr)
    if done["error"]:
        print(f"alnb: the notebook stopped in {done['error']}", file=sys.stderr)
    return OK if well else FAILED


LONGEST_RUNTIME = 60  # bytes of the folder: the whole path of a socket may have 107


def _sweep(runtime: Path) -> None:
    """Take away the sockets of an `alnb run` that was killed."""
    for path in runtime.glob("alnb-*"):
        pid = path.name.split("-")[1]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            path.unlink(missing_ok=True)


def _no_inspection(record) -> bool:
    """Papermill reads one line a parameter and warns of a race that takes several; `plans` has checked them all."""
    return not str(record.msg).startswith(("Unable to parse line", "Passed unknown parameter"))


OFFLINE = """{%- extends 'index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}"""


def render(path: Path) -> Path:
    """The executed notebook as one HTML page beside it, which needs no network: equations are pictures, no script is loaded."""
    import nbformat
    from nbconvert import HTMLExporter

    from alnb import equations

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = equations.drawn(cell.source)
    notebook.metadata.pop("widgets", None)
    body, _ = HTMLExporter(embed_images=True, raw_template=OFFLINE).from_notebook_node(notebook)
    page = path.with_suffix(".html")
    page.write_text(body, encoding="utf-8")
    return page
