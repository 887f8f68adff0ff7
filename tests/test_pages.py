"""The pages that are made say what they are made from."""

import csv
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
    readme = (REPOSITORY / "README.md").read_text(**READ)
    lines = readme.split(pages.BEGIN)[1].split(pages.END)[0].strip().splitlines()
    assert 1 <= len(lines) <= pages.LINES
    for line in lines:
        quote = re.search("“(.*?)”", line)[1]
        assert quote in page


def test_findings_read_the_ledgers_and_put_the_clearest_into_the_readme(tmp_path, monkeypatch):
    monkeypatch.setenv("ALNB_FIGURES", str(tmp_path))
    rows = [
        {"id": name, "setting": "real data", "quote": f"claim {name}", "method": "margin", "comparator": "random",
         "kind": "primary", "verdict": verdict,
         "difference": mean, "low": low, "high": high, "seeds": 10, "planned": 10, "dataset": "cifar-10"}
        for name, verdict, mean, low, high in (("a", "holds", 0.5, 0.4, 0.6), ("b", "reversed", -2, -2.1, -1.9),
                                               ("c", "cannot be told", 0.1, -1, 1.2), ("d", "holds (interim)", 3, 2, 4))
    ]  # fmt: skip
    name = plans.names()[1]
    (tmp_path / "frozen").mkdir()
    with open(tmp_path / "frozen" / "x-extra-claims.csv", "w", newline="") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)
    (tmp_path / "frozen" / "manifest.json").write_text(f'[{{"notebook": "{name}", "id": "x-extra-claims"}}]')
    page, lines = pages.findings()
    assert [re.search("“(.*?)”", line)[1] for line in lines] == ["claim b", "claim a"]
    assert "does not hold: the opposite does" in lines[0]
    assert "Where it loses:\n\n- margin − random: -2.00 (-2.10 to -1.90), 10 seeds" in page
    assert page.count("| claim ") == 1 + 4
