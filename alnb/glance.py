"""The ledgers of a notebook's profiles as one table that can be taken in at a glance: a line a claim, a cell a setting."""

from __future__ import annotations

from collections import Counter

from alnb.claims import INTERIM, NULL_SCORES, SETTINGS

REVERSE = "reversed"
NOT_RUN = "not run"
VERDICTS = ("holds", "equivalent", REVERSE, "cannot be told", NOT_RUN)
MORE = ("place", "band", "published_effect", "power", "power_half", "note")  # folded away


def glance(ledgers: list[tuple[str, list[dict]]]) -> list[dict]:
    """One entry a claim, primary ones first: id, quote, contrast, metric, kind, caveat (its note's beginning), more (name, text),
    cells (one of `SETTINGS` each, None where the claim says nothing of it; one of "null world" may be of `NULL_SCORES`, which
    a claim has in its place: `named` says so).

    ledgers: (profile, rows of its ledger as texts), the nearest to the paper first. A cell is of the first profile that
    ran the claim there on as many seeds as it planned, else of the one that ran it on most. The contrast is that of the first
    cell that ran, on real data or a world: that of a null or a placebo is another.
    """
    claims: dict[str, dict] = {}
    for profile, rows in ledgers:
        for row in rows:
            claim = claims.setdefault(row.get("id", ""), {"about": row, "found": {}})
            claim["found"].setdefault(row.get("setting", ""), []).append((profile, row))
    entries = []
    for name, claim in claims.items():
        about, found = claim["about"], claim["found"]
        found["null world"] = found.get("null world") or found.get(NULL_SCORES, [])
        believed = [_believed(found.get(setting, [])) for setting in SETTINGS]
        cells = [one and _cell(*one) for one in believed]
        more = [(field.replace("_", " "), about[field]) for field in MORE if about.get(field)]
        own = [row for _, row in filter(None, believed[:2])]
        of = next((row for row in own if row.get("verdict") != NOT_RUN), (own or [about])[0])
        contrast = " − ".join(filter(None, [of.get("method"), of.get("comparator")]))
        told = {field: about.get(field, "") for field in ("quote", "race", "metric", "kind")}
        told["caveat"] = about.get("note", "").partition("; ")[0]
        entries.append({"id": name, **told, "contrast": contrast, "more": more, "cells": cells})
    return sorted(entries, key=lambda entry: entry["kind"] != "primary")


def _believed(found: list[tuple[str, dict]]) -> tuple[str, dict] | None:
    """The profile and row to be believed first of those of several profiles."""
    if not found:
        return None
    ran = [one for one in found if one[1].get("verdict") != NOT_RUN]
    whole = [one for one in ran if not one[1].get("verdict", "").endswith(INTERIM)]
    return whole[0] if whole else max(ran, key=lambda one: _number(one[1].get("seeds")) or 0, default=found[0])


def _cell(profile: str, row: dict) -> dict:
    said, setting = row.get("verdict", ""), row.get("setting", "")
    verdict = said.removesuffix(INTERIM)
    return {"verdict": verdict, "interim": said != verdict, "class": verdict.replace(" ", "-"), "profile": profile,
            "text": "" if verdict == NOT_RUN else _difference(row), "dataset": row.get("dataset", ""),
            "setting": setting, "named": setting * (setting not in SETTINGS), "low": _number(row.get("low")),
            "high": _number(row.get("high"))}  # fmt: skip


def _difference(row: dict) -> str:
    """ "+0.51 (0.12 to 0.90), 10 seeds", or "2 of 10 seeds"."""
    mean, low, high = (_number(row.get(name)) for name in ("difference", "low", "high"))
    if mean is None:
        return ""
    places = 2 if abs(mean) < 10 else 1
    reach = f" ({low:.{places}f} to {high:.{places}f})" if low is not None and high is not None else ""
    seeds, planned = (_number(row.get(name)) for name in ("seeds", "planned"))
    of = f" of {planned:.0f}" if seeds is not None and planned is not None and seeds < planned else ""
    count = "" if seeds is None else f", {seeds:.0f}{of} seed" + "s" * (seeds != 1 or bool(of))
    return f"{mean:+.{places}f}{reach}{count}"


def _number(text) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def tally(entries: list[dict], setting: str) -> str:
    """ "3 hold, 1 reversed, 4 cannot be told (2 interim), 2 not run": the verdicts of the claims in a setting."""
    cells = [cell for entry in entries for cell in entry["cells"] if cell and cell["setting"] == setting]
    counts = Counter(cell["verdict"] for cell in cells)
    interim = Counter(cell["verdict"] for cell in cells if cell["interim"])
    parts = []
    for verdict in (*VERDICTS, *sorted(set(counts) - set(VERDICTS))):
        if n := counts[verdict]:
            said = {"holds": "hold" if n > 1 else "holds"}.get(verdict, verdict)
            parts.append(f"{n} {said}" + f" ({interim[verdict]} interim)" * bool(interim[verdict]))
    return ", ".join(parts)
