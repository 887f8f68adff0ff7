"""The gallery, read back with an HTML parser from a small folder of figures in which a good deal is amiss."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup
from PIL import Image

from alnb import plans, report
from alnb.errors import BadRequest

NAME = "01_dispersion"
ALT = 'Accuracy of "dispersion" stays < 90 % & ends at 63.20; it\'s <script>alert(1)</script> no more'
CAPTIONS = {
    "thesis-fig-3.6a": "Accuracy against labels, a < b",
    "thesis-fig-3.1": "Never drawn",
    "thesis-table-3.1": "Accuracy at the last budget",
    "thesis-fig-3.4": "Samples by dispersion",
    "thesis-extra-claims-3": "The claims of chapter 3",
    "thesis-extra-beside-3": "Table 3.1, printed and ours",
}
LONG = "cycle,accuracy\n" + "".join(f"{i},{50 + i}\n" for i in range(60))
TABLE = "method,accuracy,published\nrandom,63.123456,90.1\n<b>margin</b>,64.5,90.74\n"
LEDGER = (
    "id,difference,setting,low,verdict,note\n"
    "c1,0.51234567,real data,0.1,holds,rival: on purpose; more\n"
    "c2,0.1,real data,-0.2,cannot be told (interim),x\nc1,1e-07,world,,not run,\n"
)


def png(width=900, height=600):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress((b"\0" + bytes(width)) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def artefact(figures, profile, name, *, real, csv=LONG, notebook=NAME, image=None, **more):
    """Write an artefact as `Notebook.save` would, and return its manifest entry."""
    folder = figures / profile
    folder.mkdir(parents=True, exist_ok=True)
    for kind, body in (("png", image or png()), ("svg", b"<svg/>"), ("csv", csv.encode())):
        (folder / f"{name}.{kind}").write_bytes(body)
    entry = {
        "id": name, "alt": f"{ALT} ({profile})", "notebook": notebook, "profile": profile,
        "caption": CAPTIONS.get(name, name), "source": "thesis ch. 3", "real": real,
        "datasets": ["cifar-10" if real else "glyphs-10"], "runs": ["0123456789abcdef"] * 3, "seconds": 312.4,
        "computed_with": {"torch": ["2.14.1"], "cpu": ["Some CPU (AVX2)"], "device": ["cpu"]},
        "files": [f"{name}.png", f"{name}.svg", f"{name}.csv"],
    } | more  # fmt: skip
    manifest = folder / "manifest.json"
    entries = json.loads(manifest.read_text()) if manifest.exists() else []
    manifest.write_text(json.dumps([*entries, entry]))
    return entry


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Folders of figures and of executed notebooks; one notebook is known."""
    monkeypatch.setenv("ALNB_FIGURES", str(tmp_path / "figures"))
    monkeypatch.setenv("ALNB_EXECUTED", str(tmp_path / "data" / "exe cuted"))
    config = {"title": "Label <dispersion>", "source": "thesis ch. 3", "artefacts": CAPTIONS, "profiles": {}}

    def known(name):
        if name != NAME:
            raise BadRequest(f"nbconfig/{name}.yaml is missing")
        return config

    monkeypatch.setattr(plans, "names", lambda: [NAME])
    monkeypatch.setattr(plans, "config", known)
    return tmp_path


@pytest.fixture
def figures(place):
    return place / "figures"


@pytest.fixture
def filled(figures):
    artefact(figures, "laptop", "thesis-fig-3.6a", real=False)
    artefact(figures, "paper", "thesis-fig-3.6a", real=True)
    artefact(
        figures, "smoke", "thesis-fig-3.6a", real=True, datasets=["digits"]
    )  # as one drawn before `plumbing` was said
    artefact(figures, "world", "thesis-fig-3.6a", real=False)
    artefact(figures, "laptop", "thesis-table-3.1", real=False, csv=TABLE)
    artefact(figures, "world", "thesis-extra-claims-3", real=False, csv=LEDGER)
    artefact(figures, "laptop", "thesis-extra-beside-3", real=False, csv=TABLE)
    artefact(figures, "paper", "thesis-extra-beside-3", real=True, csv=TABLE)
    artefact(figures, "laptop", "thesis-fig-3.4", real=False)
    (figures / "laptop" / "thesis-fig-3.4.png").unlink()
    return figures


def note(place, profile, **more):
    """What a session of the notebook leaves behind."""
    folder = plans.executed_folder(profile)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.html").write_text("<html></html>")
    outcome = {"notebook": NAME, "profile": profile, "computed": 4, "seconds": 230.0, "failed": {}}
    outcome |= {"reruns": {}, "runs": {f"k{i}": f"ch3 glyphs-10 margin seed {i}" for i in range(8)}} | more
    (folder / f"{NAME}.outcome.json").write_text(json.dumps(outcome))


def written():
    return BeautifulSoup(report.write().read_text(encoding="utf-8"), "html.parser")


def text(element):
    return " ".join(element.get_text().split())


def labels(page, name):
    """Profiles of the versions of an artefact in its notebook's section, in their order."""
    articles = page.find("h3", id=name).find_next("div").find_all("article")
    return [re.search(r"profile (\w+)", text(article.h4))[1] for article in articles]


def alerts(page):
    return [text(one) for one in page.select(".alert")]


# --- the page as a whole ------------------------------------------------------------------------------------


def test_the_strongest_image_is_inside_the_page_the_others_are_beside_it_and_each_has_its_alt_text(filled):
    page = written()
    images = page.find_all("img")
    assert len(images) == 4  # nine drawn, four of them tables, one file lost
    for image in images:
        profile = image.find_parent("article")["id"].partition(".")[0]
        assert image["alt"] == f"{ALT} ({profile})"
        if profile == "paper":
            assert shown(image).tobytes() == Image.open(io.BytesIO(png())).convert("RGB").tobytes()
        else:
            assert image["src"] == f"{profile}/thesis-fig-3.6a.png"
        assert (image["width"], image["height"]) == ("576", "384")  # 150 pixels an inch, shown at 96


def shown(image):
    """The pixels of an <img>, whose kind is what it says."""
    kind, data = re.fullmatch(r"data:image/(\w+);base64,(.+)", image["src"]).groups()
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.format == kind.upper()
    return picture.convert("RGB")


def test_a_figure_takes_less_than_its_file_and_not_a_pixel_is_lost(figures):
    noise = Image.effect_noise((200, 100), 60)
    lines = Image.new("RGBA", (900, 600), "white")
    for x in range(0, 900, 7):
        lines.paste((x % 256, 90, 180, 255), (x, x // 3, x + 5, 599))
    for picture in (noise, lines, lines.quantize(16), noise.convert("LA")):
        body = io.BytesIO()
        picture.save(body, "PNG", compress_level=1)
        artefact(figures, "laptop", "thesis-fig-3.4", real=False, image=body.getvalue())
        image = written().find("img")
        assert shown(image).tobytes() == picture.convert("RGB").tobytes()
        assert len(image["src"]) < 4 / 3 * len(body.getvalue()) + 100
        (figures / "laptop" / "manifest.json").unlink()


def test_without_webp_a_figure_stands_as_it_was_drawn(filled, monkeypatch):
    monkeypatch.setattr("PIL.features.check", lambda what: False)
    assert [image["src"][:22] for image in written().select("img[src^=data]")] == ["data:image/png;base64,"]


def test_the_alt_text_can_be_read(filled):
    article = written().find("article", id="paper.thesis-fig-3.6a")
    assert text(article.details.p) == " ".join(f"{ALT} (paper)".split())


def test_nothing_comes_from_the_network_and_no_link_is_dead(filled, place):
    note(place, "laptop")
    page = written()
    assert not page.find_all(["script", "iframe", "object", "embed"])
    assert not page.select('link[rel="stylesheet"]')
    assert "url(" not in page.style.string
    assert "@import" not in page.style.string
    anchors = [element["id"] for element in page.find_all(id=True)]
    assert len(anchors) == len(set(anchors))
    links = [element[name] for name in ("src", "href") for element in page.find_all(attrs={name: True})]
    assert len(links) > 30
    for link in links:
        if link.startswith("#"):
            assert unquote(link[1:]) in anchors
        elif not link.startswith("data:"):
            assert not re.match(r"(\w+:|/)", link)
            assert (filled / unquote(link)).is_file(), link


def test_texts_are_escaped(filled):
    page = written()
    assert not page.find("script")
    assert text(page.find("h2", id=f"{NAME}-title")) == "Label <dispersion>"
    table = page.find("article", id="laptop.thesis-table-3.1").table
    assert text(table.find_all("tr")[2].td) == "<b>margin</b>"


def test_language_headings_and_skip_link(filled):
    page = written()
    assert page.html["lang"] == "en"
    assert page.body.a["href"] == "#main"
    assert page.find(id="main").name == "main"
    levels = [int(heading.name[1]) for heading in page.find_all(re.compile("h[1-6]"))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert all(scroll["tabindex"] == "0" and scroll["aria-label"] for scroll in page.select(".scroll"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_its_ground_contrast_as_wcag_aa_asks(scheme):
    css = Path(report.__file__).with_name("report.css.j2").read_text()
    parts = css.split("@media screen")[:2]
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w+)", part)) for part in parts)
    colour = light | (dark if scheme == "dark" else {})

    def luminance(name):
        digits = colour[name][1:]
        digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
        channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    pairs = [(ink, ground) for ink in ("ink", "soft", "link") for ground in ("page", "card")]
    for ink, ground in [*pairs, ("real-ink", "real"), ("stand-ink", "stand"), ("bad-ink", "bad")]:
        low, high = sorted((luminance(ink), luminance(ground)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)


def test_the_same_inputs_give_the_same_page_but_for_the_date(filled, place):
    note(place, "laptop", reruns={"k1": "equal"})
    first, second = (re.sub(r"<time>.*?</time>", "", report.write().read_text()) for _ in range(2))
    assert first == second
    assert not list(filled.glob(".*.tmp"))


def test_a_failed_write_leaves_the_old_page_and_nothing_beside_it(filled, monkeypatch):
    before = report.write().read_bytes()

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(report.os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        report.write()
    assert (filled / "gallery.html").read_bytes() == before
    assert not list(filled.glob(".*.tmp"))


def test_without_any_figure_everything_is_listed_as_not_drawn(figures):
    page = written()
    for name, caption in CAPTIONS.items():
        assert text(page.find("li", id=name)) == f"{name}: {caption}"
    assert "6 artefacts: 0 drawn on real data, 0 on stand-ins only, 6 not drawn yet." in text(page.header)


def test_another_folder_can_be_given(tmp_path, figures):
    artefact(tmp_path / "elsewhere", "laptop", "thesis-fig-3.6a", real=False)
    assert report.write(tmp_path / "elsewhere") == tmp_path / "elsewhere" / "gallery.html"
    assert not figures.exists()


def test_it_imports_neither_torch_nor_matplotlib(tmp_path):
    code = (
        "import sys; from alnb import report; report.write();"
        "print([m for m in ('torch', 'matplotlib', 'pandas', 'scipy', 'dask') if m in sys.modules])"
    )
    environment = os.environ | {"ALNB_FIGURES": str(tmp_path), "ALNB_EXECUTED": str(tmp_path)}
    done = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment)
    assert done.strip() == "[]"


# --- artefacts ----------------------------------------------------------------------------------------------


def test_real_data_stand_before_stand_ins_and_plumbing_comes_last_then_by_profile(filled):
    artefact(filled, "laptop-0a1b2c3d", "thesis-fig-3.6a", real=True, plumbing=True, datasets=["digits"])
    page = written()
    articles = page.find("h3", id="thesis-fig-3.6a").find_next("div").find_all("article")
    assert [article["id"].partition(".")[0] for article in articles] == [
        "paper", "world", "laptop", "laptop-0a1b2c3d", "smoke",
    ]  # fmt: skip
    badges = ["real data", "stand-in: glyphs-10", "stand-in: glyphs-10", "plumbing: digits", "plumbing: digits"]
    assert [text(article.h4.span) for article in articles] == badges
    assert ["never evidence" in text(a.h4) for a in articles] == [False, False, False, True, True]


def test_what_is_drawn_on_digits_alone_counts_as_plumbing_and_not_as_real(figures):
    artefact(figures, "smoke", "thesis-fig-3.6a", real=True, datasets=["digits"])
    page = written()
    assert "0 drawn on real data, 0 on stand-ins only, 1 as plumbing only, 5 not drawn yet" in text(page.header)
    head, row = page.find(id="contents").find_all("tr")
    columns = dict(zip(map(text, head.find_all("th")[1:]), map(text, row("td"))))
    assert columns["Figures and tables"] == "1 as plumbing only, 5 not drawn yet"


def test_a_trial_with_changed_values_wears_a_neutral_badge_and_proves_no_claim(filled):
    for name in ("thesis-fig-3.6a", "thesis-extra-claims-3"):
        artefact(filled, "world-0a1b2c3d", name, real=True, datasets=["cifar-10"], changed=["epochs 3"])
    page = written()
    article = page.find("article", id="world-0a1b2c3d.thesis-fig-3.6a")
    assert text(article.h4.span) == "changed by hand"
    assert "profile world-0a1b2c3d: epochs 3" in text(article.h4)
    assert "epochs 3" not in text(page.find("section", id="claims"))
    assert "changed by hand" in text(page.find("details", class_="names"))


def test_artefacts_keep_the_order_of_the_configuration_and_the_undrawn_follow(filled):
    ids = [heading.get("id") or text(heading) for heading in written().find(id=NAME).find_all("h3")]
    assert ids == [name for name in CAPTIONS if name != "thesis-fig-3.1"] + ["Not drawn yet"]


def test_a_notebook_names_where_each_artefact_was_drawn(filled):
    lines = written().find(id=NAME).find("details", class_="names").find_all("li")
    places = {text(line.span): {text(a): a["href"] for a in line.find_all("a")} for line in lines}
    assert places == {
        "thesis-fig-3.6a": {"real data": "#paper.thesis-fig-3.6a", "stand-in": "#world.thesis-fig-3.6a"},
        "thesis-fig-3.1": {"not drawn yet": "#thesis-fig-3.1"},
        "thesis-table-3.1": {"stand-in": "#laptop.thesis-table-3.1"},
        "thesis-fig-3.4": {"stand-in": "#laptop.thesis-fig-3.4"},
        "thesis-extra-claims-3": {"stand-in": "#world.thesis-extra-claims-3"},
        "thesis-extra-beside-3": {
            "real data": "#paper.thesis-extra-beside-3", "stand-in": "#laptop.thesis-extra-beside-3",
        },
    }  # fmt: skip


def test_a_glance_tells_verdicts_and_what_was_drawn(filled):
    cells = [text(cell) for cell in written().find(id="contents").tbody.tr.find_all("td")]
    assert cells == ["1 holds, 1 cannot be told (1 interim)", "1 not run",
                     "2 on real data, 3 on stand-ins only, 1 not drawn yet"]  # fmt: skip


def test_a_column_that_says_the_same_in_every_row_is_said_once(figures):
    names = [f"a_{i}" for i in range(8)]
    rows = [[str(10 * i + j) for i in range(8)] for j in range(3)]
    for row in rows:
        row[2], row[5], row[6] = "cifar-10", "", "<7>"
    table = "\n".join(",".join(line) for line in [names, *rows]) + "\n"
    artefact(figures, "laptop", "thesis-table-3.1", real=False, csv=table)
    article = written().find("article", id="laptop.thesis-table-3.1")
    assert "In every row: a_2 cifar-10, a_5 empty, a_6 <7>." in text(article)
    assert [text(cell) for cell in article.table.find_all("th")] == [names[i] for i in (0, 1, 3, 4, 7)]
    assert [text(cell) for cell in article.tbody.tr.find_all("td")] == ["0", "10", "30", "40", "70"]
    assert not article.has_attr("class")
    artefact(figures, "world", "thesis-table-3.1", real=False, csv=table.replace("cifar-10", "3", 1).replace("<7>", "8", 1)
             .replace("\n0,10,3,30,40,,", "\n0,10,3,30,40,1,"))  # fmt: skip
    assert written().find("article", id="world.thesis-table-3.1")["class"] == ["wide"]


def test_what_shows_the_same_stands_once(filled):
    for profile in ("smoke", "world"):
        artefact(filled, profile, "thesis-fig-3.4", real=False, alt="The same.", plumbing=False)
    (once,) = (a for a in written().find_all("article") if "The same." in text(a))
    assert "(the same at smoke)" in text(once.h4)


def test_a_table_is_no_picture(filled):
    page = written()
    for name in ("laptop.thesis-table-3.1", "world.thesis-extra-claims-3"):
        assert page.find("article", id=name).img is None
        assert page.find("article", id=name).table
    artefact(filled, "laptop", "thesis-extra-overview-3", real=False, csv=TABLE, table=True)
    assert written().find("article", id="laptop.thesis-extra-overview-3").img is None


def test_a_table_shows_its_csv_open_and_a_long_csv_only_its_length(filled):
    page = written()
    table = page.find("article", id="laptop.thesis-table-3.1")
    assert table.table.find_parent("details").has_attr("open")
    head, first, second = (list(map(text, row.find_all(["th", "td"]))) for row in table.find_all("tr"))
    assert head == ["method", "accuracy", "published"]
    assert first == ["random", "63.12", "90.1"]
    assert second == ["<b>margin</b>", "64.5", "90.74"]
    assert "Shortened here" in text(table)
    long = page.find("article", id="paper.thesis-fig-3.6a")
    assert long.table is None
    assert "The CSV behind it has 60 rows." in text(long)


def test_a_short_csv_is_shown_closed(figures):
    artefact(figures, "laptop", "thesis-fig-3.4", real=False, csv="\n".join(LONG.splitlines()[:41]))
    table = written().find("article", id="laptop.thesis-fig-3.4").table
    assert len(table.tbody.find_all("tr")) == 40
    assert not table.find_parent("details").has_attr("open")


def test_a_huge_table_is_cut_and_says_so(figures):
    rows = "".join(f"{i}\n" for i in range(report.MOST + 5))
    artefact(figures, "laptop", "thesis-table-3.1", real=False, csv="cycle\n" + rows)
    article = written().find("article", id="laptop.thesis-table-3.1")
    assert len(article.tbody.find_all("tr")) == report.MOST
    assert f"The first {report.MOST} of {report.MOST + 5} rows." in text(article)


@pytest.mark.parametrize(
    ("given", "places", "shown"),
    [
        ("63.123456", 2, "63.12"), ("90.1", 2, "90.1"), ("-0.00004", 4, "-4e-05"), ("1e-07", 4, "1e-07"),
        ("0.0", 2, "0.0"), ("15000", 2, "15000"), ("nan", 2, "nan"), ("12e45", 2, "12e45"),
        ("a" * 64, 2, "a" * 16 + "…"), ("0.00000", 4, "0.0000"),
    ],
)  # fmt: skip
def test_numbers_lose_decimals_but_never_gain_any_nor_become_zero(given, places, shown):
    assert report._cell(given, "x", places)[0] == shown


def test_provenance_is_said(filled):
    line = text(written().find("article", id="paper.thesis-fig-3.6a").find_all("p")[-1])
    computed = "Rests on 3 runs, 5 min of computing; torch 2.14.1; CPU Some CPU (AVX2); device cpu."
    assert line == f"{computed} PNG · SVG · CSV"


def test_an_error_reads_as_it_was_drawn_and_its_caption_is_the_heading(figures):
    alt = "Lines of test mae, px against labelled, lowest at the end first: margin 49.7 to 23.7 px."
    artefact(figures, "laptop", "thesis-fig-3.6a", real=False, csv="method,mae\nmargin,23.654321\n", alt=alt)
    page = written()
    article = page.find("article", id="laptop.thesis-fig-3.6a")
    assert article.img["alt"] == text(article.details.p) == alt
    assert [text(cell) for cell in article.table.find_all("td")] == ["margin", "23.65"]
    assert "accura" not in text(article)
    heading = page.find("h3", id="thesis-fig-3.6a")
    assert text(heading).startswith(CAPTIONS["thesis-fig-3.6a"])
    assert text(heading.span) == "thesis-fig-3.6a"


def test_a_wide_figure_has_a_row_of_its_own(figures):
    artefact(figures, "laptop", "thesis-fig-3.4", real=False, image=png(1800, 400))
    artefact(figures, "laptop", "thesis-fig-3.6a", real=False)
    page = written()
    assert page.find("article", id="laptop.thesis-fig-3.4")["class"] == ["wide"]
    assert not page.find("article", id="laptop.thesis-fig-3.6a").has_attr("class")


# --- the sections on top ------------------------------------------------------------------------------------


def test_claims_and_published_numbers_come_first_as_tables(filled):
    page = written()
    order = [section["id"] for section in page.main.find_all("section")]
    assert order == ["contents", "claims", "beside", NAME]
    claims = page.find(id="claims")
    rows = [[text(cell) for cell in row.find_all(["th", "td"])] for row in claims.find_all("tr")]
    assert rows[0] == ["Claim", "Real data", "World", "Null world", "Placebo"]
    assert rows[1][1:] == ["holds+0.51world", "not run", "–", "–"]
    first = claims.find("th", attrs={"scope": "row"})
    assert text(first.find("span", class_="soft")) == "rival: on purpose"  # what its note begins with stands under the quote
    assert rows[2][1:] == ["cannot be told (interim)+0.10world", "–", "–", "–"]
    assert [text(cell) for cell in claims.select(".interim")] == ["cannot be told (interim)"]
    ledger = page.find("article", id="world.thesis-extra-claims-3").table
    assert [text(cell) for cell in ledger.find_all("th")] == ["id", "setting", "verdict", "difference", "low", "note"]
    badges = [text(details.summary) for details in page.find(id="beside").find_all("details")]
    assert badges == ["real data cifar-10 · profile paper", "stand-in: glyphs-10 profile laptop"]


def test_claims_that_were_never_drawn_are_named_on_top(figures):
    artefact(figures, "laptop", "thesis-fig-3.6a", real=False)
    assert "thesis-extra-claims-3 not drawn yet" in text(written().find(id="claims"))


# --- sessions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        (["equal"] * 8, "re-run here: 8 of 8 equal"),
        (["equal"] * 6 + ["within a point"] * 2, "re-run here: 6 of 8 equal, 2 within a point"),
        (["equal"] * 3 + ["differs"] * 5, "re-run here: 3 of 8 equal, 5 differ"),
        (["equal", "within a point", "differs: accuracy by up to 3.10 points"],
         "re-run here: 1 of 3 equal, 1 within a point, 1 differs (5 more without a record)"),
        ([], "no record to compare with"),
    ],
)  # fmt: skip
def test_the_sentence_about_runs_done_again(verdicts, sentence):
    assert report.reruns_sentence({f"k{i}": verdict for i, verdict in enumerate(verdicts)}, 8) == sentence


def test_a_session_says_what_was_run_again_and_links_the_executed_notebook(filled, place):
    verdict = "differs: accuracy by up to 1.20 points"
    note(place, "laptop", reruns={"k0": "equal", "k1": verdict})
    note(place, "world")
    world, laptop = written().find(id=NAME).ul.find_all("li", recursive=False)
    assert "8 runs · 4 steps computed · 4 min · re-run here: 1 of 2 equal, 1 differs" in text(laptop)
    assert f"ch3 glyphs-10 margin seed 1 {verdict}" in text(laptop.ul)
    assert laptop.a["href"] == f"../data/exe%20cuted/laptop/{NAME}.html"
    assert "record" not in text(world)  # a profile that draws from records compares with none


def test_failures_are_shown_at_the_top_and_with_the_notebook(filled, place):
    note(place, "laptop", failed={"ch3 glyphs-10 k_center seed 1": "ValueError: loss became nan & <inf>"})
    page = written()
    assert any("Label <dispersion>, profile laptop: 1 failure." in line for line in alerts(page.header))
    expected = "Failed: ch3 glyphs-10 k_center seed 1: ValueError: loss became nan & <inf>"
    assert expected in alerts(page.find(id=NAME))


def test_a_notebook_that_stopped_is_a_failure_even_if_it_noted_nothing(filled):
    folder = plans.executed_folder("paper")
    folder.mkdir(parents=True)
    outputs = [{"output_type": "error", "ename": "KeyError", "evalue": "'margin'"}]
    executed = {"metadata": {"papermill": {"exception": True}}, "cells": [{"outputs": outputs}]}
    (folder / f"{NAME}.ipynb").write_text(json.dumps(executed))
    assert "Failed: the notebook stopped: KeyError: 'margin'" in alerts(written().find(id=NAME))
    executed["metadata"]["papermill"]["exception"] = None
    (folder / f"{NAME}.ipynb").write_text(json.dumps(executed))
    assert not any("stopped" in line for line in alerts(written()))


# --- what is amiss ------------------------------------------------------------------------------------------


def test_a_missing_or_broken_image_gives_a_note_in_its_place(filled):
    (filled / "paper" / "thesis-fig-3.6a.png").write_bytes(b"<html>no image, but an error page</html>")
    page = written()
    lost = page.find("article", id="laptop.thesis-fig-3.4")
    broken = page.find("article", id="paper.thesis-fig-3.6a")
    assert alerts(lost) == ["laptop/thesis-fig-3.4.png is missing: draw it again."]
    assert alerts(broken) == ["paper/thesis-fig-3.6a.png is no PNG image: draw it again."]
    assert lost.img is None
    assert broken.img is None
    assert "The CSV behind it has 60 rows." in text(broken)


@pytest.mark.parametrize("content", ["{broken", "null", '{"id": 1}', "\udcff", "", "[" * 20_000])
def test_an_unreadable_manifest_gives_a_note_and_the_rest_is_drawn(filled, content):
    (filled / "smoke" / "manifest.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    page = written()
    assert any(line.startswith("smoke/manifest.json cannot be read: ") for line in alerts(page.header))
    assert labels(page, "thesis-fig-3.6a") == ["paper", "world", "laptop"]


@pytest.mark.parametrize(
    "wrong", [{"real": None}, {"runs": 3}, {"alt": None}, {"computed_with": []}, {"id": 7}], ids=str
)
def test_an_entry_of_the_wrong_shape_is_left_out_with_a_note(filled, wrong):
    artefact(filled, "reduced", "thesis-fig-3.6a", **{"real": True} | wrong)
    page = written()
    ((field, value),) = wrong.items()
    (said,) = (line for line in alerts(page.header) if line.startswith("reduced/manifest.json: entry 1 "))
    assert said.endswith(f"{field} is {value!r}.")
    assert "reduced" not in labels(page, "thesis-fig-3.6a")


@pytest.mark.parametrize("content", ["{broken", "[]", '{"failed": []}', "[" * 20_000])
def test_an_unreadable_outcome_gives_a_note(filled, place, content):
    note(place, "laptop")
    (plans.executed_folder("laptop") / f"{NAME}.outcome.json").write_text(content)
    assert any(line.startswith(f"laptop/{NAME}.outcome.json ") for line in alerts(written().header))


def test_an_unreadable_csv_gives_a_note(filled):
    (filled / "laptop" / "thesis-table-3.1.csv").write_bytes(b"method\n\xff\xfe\n")
    (line,) = alerts(written().find("article", id="laptop.thesis-table-3.1"))
    assert line.startswith("laptop/thesis-table-3.1.csv cannot be read: ")


def test_rows_of_unequal_length_do_no_harm(figures):
    ragged = "id,note,verdict\nc1\nc2,x,holds,more\n\n"
    artefact(figures, "laptop", "thesis-extra-claims-3", real=False, csv=ragged)
    page = written()
    rows = page.find("article", id="laptop.thesis-extra-claims-3").tbody.find_all("tr")
    assert [[text(cell) for cell in row.find_all("td")] for row in rows[:2]] == [["c1"], ["c2", "holds", "x"]]
    assert page.find(id="claims").table


def test_what_no_configuration_names_is_still_shown(filled):
    artefact(filled, "laptop", "thesis-fig-9.9", real=False)
    artefact(filled, "laptop", "mine-fig-1", real=False, notebook="my own notebook")
    page = written()
    assert page.find("article", id="laptop.thesis-fig-9.9").img
    expected = f"thesis-fig-9.9 was drawn, but nbconfig/{NAME}.yaml does not name it."
    assert alerts(page.find(id=NAME))[0] == expected
    assert page.find(id="my_own_notebook").find("article", id="laptop.mine-fig-1").img
    assert any("my own notebook" in line for line in alerts(page.header))


def test_a_file_outside_the_folder_is_not_taken_in(filled, tmp_path):
    (tmp_path / "secret.png").write_bytes(png(10, 10))
    artefact(filled, "reduced", "thesis-fig-3.6a", real=True, files=["../../secret.png"])
    article = written().find("article", id="reduced.thesis-fig-3.6a")
    assert article.img is None
    assert alerts(article) == ["reduced/secret.png is missing: draw it again."]
