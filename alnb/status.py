"""`alnb status`: what is done, recorded, missing and drawn, in words. Imports neither torch nor matplotlib."""

from __future__ import annotations

import json
import sys

from alnb import figures, plans
from alnb.errors import BAD, OK, BadRequest
from alnb.store import Store


def tell(names: list[str], artefacts: bool) -> int:
    """Print how the profiles of these notebooks stand; artefacts: also their figures and tables. BAD if a profile cannot be."""
    store, code = Store(), OK
    for name in names:
        about = plans.config(name)
        print(f"{name}: {about['title']}")
        width = max(map(len, plans.profiles(name)))
        for profile in plans.profiles(name):
            try:
                line = in_words(plans.plan(name, profile), store)
            except BadRequest as error:  # a profile that cannot be must not hide the others
                line, code = f"cannot be run: {error}", BAD
            print(f"  {profile:{width}}  {line}")
        there = drawn(name)
        if not artefacts:
            count = sum(artefact in there for artefact in about["artefacts"])
            print(f"  {count} of {len(about['artefacts'])} figures and tables drawn")
            continue
        print("\nFigures and tables, and the profiles that drew them:")
        for artefact, caption in about["artefacts"].items():
            print(f"  {artefact}: {caption}\n      {'; '.join(there.get(artefact, ['not drawn yet']))}")
    which = names[0].partition("_")[0] if names else "NOTEBOOK"
    print(f"""
done: in {store.root}; recorded: kept in data/records, need no computing; missing: still to compute.
Times are rough and for one CPU core. What each profile is: alnb --help.
alnb run {which} computes what is missing at `laptop` and draws; alnb status {which} lists its figures and tables.""")
    return code


def in_words(made, store) -> str:
    """126 runs: 120 done, 4 recorded, 2 missing (1 failed when last tried), about 3 min; no data: cifar-10"""
    now = plans.standing(made.runs, made.profile, store)
    if not now.missing:
        parts = ["all done"] if not now.recorded else [f"{len(now.done)} done"] * bool(now.done)
        parts += [f"{len(now.recorded)} recorded"] * bool(now.recorded)
    else:
        parts = [f"{len(now.done)} done"] + [f"{len(now.recorded)} recorded"] * bool(now.recorded)
        failed = f" ({len(now.failed)} failed when last tried)" if now.failed else ""
        parts += [f"{len(now.missing)} missing{failed}", f"about {plans.duration(now.seconds)} to compute"]
    text = f"{len(set(made.runs))} runs: {', '.join(parts)}"
    return text + (f"; data not here: {', '.join(now.lacking)} (alnb data)" if now.lacking else "")


def drawn(name: str) -> dict[str, list[str]]:
    """artefact -> with which profile a notebook's artefacts were drawn, and on what: laptop (stand-in: glyphs-10)."""
    found = {}
    for path in sorted(plans.figures_folder().glob("*/manifest.json")):
        try:
            for entry in json.loads(path.read_text(encoding="utf-8")):
                if entry["notebook"] == name:
                    said = f"{entry['profile']} ({figures.evidence(entry)}: {', '.join(entry['datasets'])})"
                    found.setdefault(entry["id"], []).append(said)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            print(f"alnb: {path} cannot be read ({type(error).__name__}); running its notebooks writes it anew", file=sys.stderr)
    return found
