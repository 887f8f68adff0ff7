"""The gallery in a browser: nothing of it lies beside the screen, wide or narrow."""

import os
import shutil

import pytest

from alnb import report
from tests.test_report import artefact, figures, filled, note, place, png  # noqa: F401 (fixtures)

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: make setup")

pytestmark = pytest.mark.alone
WIDE = "method,a,b,c,d,e,f,g,h\n" + f"k_center(subset=500),{','.join(['-0.123456 to 0.123456'] * 8)}\n" * 4


@pytest.mark.parametrize("width", [1300, 390])
def test_a_filled_gallery_is_no_wider_than_the_screen(filled, place, width):  # noqa: F811
    artefact(filled, "laptop", "thesis-extra-wide", real=False, csv=WIDE, image=png(1800, 400))
    note(place, "laptop", failed={"ch3 glyphs-10 margin seed 3": "a" * 200}, reruns={"k3": "differs: accuracy by up to 3 points"})
    page = report.write()
    with playwright.sync_playwright() as started:
        found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
        path = next(found, started.chromium.executable_path)
        if not os.path.exists(path):
            pytest.skip("no browser (Debian: apt-get install chromium)")
        browser = started.chromium.launch(executable_path=path)
        opened = browser.new_page(viewport={"width": width, "height": 900})
        opened.goto(page.as_uri())
        opened.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        reach, seen = opened.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        browser.close()
    assert reach <= seen
