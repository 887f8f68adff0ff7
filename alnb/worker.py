"""One step of a run, where it is computed: in a worker, on a cluster, in this process."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

from alnb.machine import provenance, versions
from alnb.runs import Run, State, Step, seed_globals, study


def execute(task: bytes) -> dict:
    """Compute one step: unpickle (run, state, expected versions), call the study, return plain data.

    Never raises for what the study does wrong: {"error": traceback, "log": what it printed}.
    """
    import cloudpickle

    run, state, expected = cloudpickle.loads(task)
    if expected and expected != (here := versions()):
        differ = ", ".join(f"{k} {here[k]} (driver {expected[k]})" for k in here if here[k] != expected[k])
        what = f"RuntimeError: this worker has other versions: {differ}"
        return {"error": what, "what": what, "log": ""}
    return computed(run, state, study(run.study).step)


def computed(run: Run, state: State, step: Callable[[Run, State], Step]) -> dict:
    """`step(run, state)` as plain data: what the store writes, or the error."""
    import contextlib
    import io

    import torch

    log = io.StringIO()
    try:
        torch.set_num_threads(1)  # parallelism is between runs; equal bits need one thread
        state.blobs = _load(state.blobs)
        for needed in state.needs.values():
            needed.blobs = _load(needed.blobs)
        seed_globals(run, state.index)
        began = time.perf_counter()
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            made = step(run, state)
        timings = {"seconds": time.perf_counter() - began} | made.timings
        return {
            "rows": [{k: _plain(v) for k, v in row.items()} for row in made.rows],
            "queries": [_plain(q) for q in made.queries],
            "state": made.state,
            "done": bool(made.done),
            "blobs": {name: _dump(blob) for name, blob in made.blobs.items()},
            "provenance": provenance() | {"timings": timings},
        }
    except Exception as error:
        return {"error": traceback.format_exc(), "what": f"{type(error).__name__}: {error}", "log": log.getvalue()}


def _plain(value):
    """A JSON scalar for a numpy or torch one; None for a float that is not finite."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and value - value != 0 else value


def _dump(blob: dict) -> bytes:
    import io

    import torch

    file = io.BytesIO()
    torch.save(blob, file)
    return file.getvalue()


def _load(blobs: dict) -> dict:
    """Tensors travel as bytes that `weights_only` can read; in this process they are tensors already."""
    import io

    import torch

    return {
        name: torch.load(io.BytesIO(b), weights_only=True, map_location="cpu") if isinstance(b, bytes) else b
        for name, b in blobs.items()
    }
