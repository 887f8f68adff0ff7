"""The pages that are made say what they are made from."""

import csv
import json
import re

from alnb import REPOSITORY, pages, plans

READ = {"encoding": "utf-8"}


def test_reference_and_deviations_are_current():
    assert (pages.DOCS / "reference.md").read_text(**READ) == pages.reference()
    assert (pages.DOCS / "deviations.md").read_text(**READ) == pages.deviations()


def test_findings_are_made_from_the_records_that_are_kept():
    """`make reproduce`, then `python -m alnb.pages`."""
    page = (pages.DOCS / "findings.md").read_text(**READ)
    assert page.endswith(f"Evidence {pages.evidence()}.\n")


def test_readme_s_findings_say_what_stands_in_the_page_of_all():
    page = (pages.DOCS / "findings.md").read_text(**READ)
    readme = (REPOSITORY / "README.md").read_text(**READ)
    lines = readme.split(pages.BEGIN)[1].split(pages.END)[0].strip().splitlines()
    assert 1 <= len(lines) <= pages.LINES
    verdicts = {said: verdict for verdict, said in pages.SAID.items()}
    chapters = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", page, re.M | re.S))
    for line in lines:
        name, quote, contrast, said, text, where, profile = re.match(
            r"- `(\d\d)` “(.*?)” \((.*?)\): \*\*(.*?)\*\*, (.*), (\S+) at `(.*?)`", line
        ).groups()
        claim = re.escape(f"| {quote}") + r"(<br>.*?)? \| " + re.escape(contrast) + r"(, [^|]*)? \| "
        cell = f"**{verdicts.get(said, said)}**<br>{text}<br>{where}, {profile} |"
        rows = [row for row in chapters[plans.config(plans.resolve(name))["title"]].splitlines() if re.match(claim, row)]
        assert any(cell in row for row in rows), (line, rows)


def ledger_of(folder, name, rows):
    """A ledger as `nb.save` leaves it: (id, verdict, difference, low, high) and what more a row says."""
    about = {"setting": "real data", "method": "margin", "comparator": "random", "kind": "primary", "metric": "aubc",
             "seeds": 10, "planned": 10, "dataset": "cifar-10", "note": ""}  # fmt: skip
    rows = [
        about | {"id": id_, "quote": f"claim {id_}", "verdict": verdict, "difference": mean, "low": low, "high": high} | more
        for id_, verdict, mean, low, high, more in rows
    ]
    with open(folder / f"{name}-extra-claims.csv", "w", newline="") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)
    return {"notebook": name, "id": f"{name}-extra-claims"}


def test_findings_read_the_ledgers_and_readme_takes_claims_in_their_order_whatever_came_of_them(tmp_path, monkeypatch):
    monkeypatch.setenv("ALNB_FIGURES", str(tmp_path))
    monkeypatch.setattr(pages, "LINES", 4)
    one, two = plans.names()[1:3]
    order = {one: ["c", "b", "e", "f", "a"], two: ["g"]}
    monkeypatch.setattr(pages.claims, "read", lambda name: {"id": order.get(name, [])})
    (tmp_path / "frozen").mkdir()
    manifest = [
        ledger_of(tmp_path / "frozen", one, [
            ("a", "holds", 0.5, 0.4, 0.6, {}), ("b", "reversed", -2, -2.1, -1.9, {}), ("c", "cannot be told", 0.1, -1, 1.2, {}),
            ("d", "holds (interim)", 3, 2, 4, {}), ("e", "holds", 9, 8, 10, {"kind": "secondary"}),
            ("f", "holds", 9, 8, 10, {"metric": "mistakes"}), ("g", "not run", "", "", "", {}),
            ("h", "holds", -5, -6, -4, {"kind": "secondary", "note": "rival: on purpose; more"}),
            ("i", "reversed", 7, 6, 8, {"kind": "secondary"}), ("i", "holds", 1, 0.5, 2, {"setting": "null scores"}),
        ]),
        ledger_of(tmp_path / "frozen", two, [("g", "equivalent", 0.01, -0.1, 0.1, {})]),
    ]  # fmt: skip
    (tmp_path / "frozen" / "manifest.json").write_text(json.dumps(manifest))
    page, lines = pages.findings()
    assert [re.search("“(.*?)”", line)[1] for line in lines] == ["claim c", "claim b", "claim a", "claim g"]
    assert ["**cannot be told**" in lines[0], "the opposite does" in lines[1], "alike" in lines[3]] == [True] * 3
    lost = page.split("Where it loses:")[1].split("#")[0]  # one that is claimed to lose, none whose loss is claimed and not found
    assert re.findall("^- margin − random, aubc: (.*?) ", lost, re.M) == ["-2.00", "-5.00"]
    assert "claim h<br>*rival: on purpose*" in page
    assert page.count("| claim ") == 2 + 10
    assert "| null scores: **holds**<br>+1.00 (0.50 to 2.00), 10 seeds" in page
    assert "; null scores: 1 holds." in page
    entries = {name: pages.glance(pages.ledgers(name)) for name in (one, two)}
    assert [(name, entry["id"]) for name, entry in pages.leading(entries, 2)] == [(one, "c"), (two, "g")]
