"""Every notebook as a person meets it: JupyterLab in Chromium, Run All Cells at `smoke`, figures with their alt text."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

from alnb import REPOSITORY
from alnb.conversation import Conversation
from alnb.executor import drive
from alnb.methods import reid_human_in_the_loop as dral
from alnb.store import Store

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: make setup")

pytestmark = pytest.mark.alone
FOLDER = REPOSITORY / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("[0-9]*.ipynb"))
TOKEN = secrets.token_hex()
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},  # asks at the first start
}
SERVER = """
import os, signal, sys, threading

def end_with_whoever_holds_the_pipe():
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=end_with_whoever_holds_the_pipe, daemon=True).start()
from jupyterlab.labapp import main
main()
"""
SETTLED = """([cells, ran]) => {  // a dialog (as of a dead kernel), or: all cells are there, none waits, the kernel is idle
    const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputArea-prompt")].map(p => p.textContent);
    const status = document.querySelector("#jp-main-statusbar").textContent;  // the notebook's own says idle too early
    return document.querySelector(".jp-Dialog") || (
        prompts.filter(p => p.includes("[")).length === cells && !prompts.some(p => p.includes("*")) &&
        prompts.some(p => /\\d/.test(p)) === ran && status.includes("| Idle"));
}"""
SAID = '.jp-Dialog, [data-mime-type="application/vnd.jupyter.stderr"]'  # tracebacks too
IMAGES = "all => all.map(image => [image.alt, image.complete && image.naturalWidth > 0])"


class Lab:
    """A JupyterLab on a free port of loopback: it serves copies of the notebooks; runs go to `store`, all else that is written
    to `folder`."""

    def __init__(self, folder, store):
        self.executed, self.served = folder / "executed", folder / "served"
        self.served.mkdir()
        for name in NAMES:
            shutil.copy(FOLDER / f"{name}.ipynb", self.served)
        for name, values in SETTINGS.items():
            path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(values))
        places = {
            "ALNB_FIGURES": "figures", "ALNB_EXECUTED": "executed", "IPYTHONDIR": "ipython",
            "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }  # fmt: skip
        settings = {
            "ALNB_PROFILE": "smoke",
            "ALNB_STORE": str(store),
            "ALNB_WORKERS": "1",
            "JUPYTER_PREFER_ENV_PATH": "1",
            "JUPYTER_TOKEN": TOKEN,
            "PYTHONPATH": str(REPOSITORY),
        }
        options = ["--no-browser", "--ip=127.0.0.1", "--port=0", f"--notebook-dir={self.served}"]
        options += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ALNB_")}
        self.log = folder / "server.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVER, *options, "--LabApp.news_url=None"],
                env=inherited | {name: str(folder / place) for name, place in places.items()} | settings,
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            self.url = self._wait(folder / "runtime")
        except BaseException:
            self.close()
            raise

    def _wait(self, runtime, seconds=120):
        """Its address, from the file it writes once it listens."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            for path in runtime.glob("jpserver-*.json"):
                with contextlib.suppress(ValueError):  # half written
                    return json.loads(path.read_text())["url"]
            time.sleep(0.1)
        raise AssertionError(f"JupyterLab does not start:\n{self.log.read_text()[-3000:]}")

    def api(self, method, path):
        request = urllib.request.Request(
            f"{self.url}api/{path}", method=method, headers={"Authorization": f"token {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def close_kernels(self):
        for session in self.api("GET", "sessions"):
            self.api("DELETE", f"sessions/{session['id']}")

    def close(self):
        """Ends the server, which ends its kernels; a kernel whose server was killed ends by itself."""
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium, else one that Playwright has downloaded."""
    with playwright.sync_playwright() as started:
        names = ("chromium", "chromium-browser", "google-chrome")
        path = next(filter(None, map(shutil.which, names)), started.chromium.executable_path)
        if not os.path.exists(path):
            pytest.skip(f"no browser: none of {', '.join(names)} is on PATH (Debian: apt-get install chromium)")
        opened = started.chromium.launch(executable_path=path)
        playwright.expect.set_options(timeout=180_000)  # a busy machine
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory, smoke_store):
    with contextlib.closing(Lab(tmp_path_factory.mktemp("lab"), smoke_store)) as server:
        yield server


@pytest.fixture
def page(browser, lab):
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, bypass_csp=True)
    opened = context.new_page()
    opened.set_default_timeout(120_000)
    yield opened
    context.close()
    lab.close_kernels()


@contextlib.contextmanager
def shown_on_failure(page, lab, folder):
    """What goes wrong inside is raised with what the page and the server say; a screenshot is left in `folder`."""
    try:
        yield
    except (AssertionError, playwright.Error) as failure:
        said, picture = [f"{type(failure).__name__}: {failure}"], folder / "page.png"
        with contextlib.suppress(playwright.Error):  # a page that is gone shows nothing
            said += [f"the page says: {text[-2000:]}" for text in page.locator(SAID).all_text_contents()]
            said += ["prompts: " + " ".join(page.locator(".jp-CodeCell .jp-InputArea-prompt").all_text_contents())]
            page.screenshot(path=picture)
            said += [f"screenshot: {picture}"]
        raise AssertionError("\n".join([*said, f"the server says: {lab.log.read_text()[-1500:]}"])) from failure


@pytest.mark.parametrize("name", NAMES)
def test_run_all_in_the_browser_draws_every_figure_with_its_alt_text(name, lab, page, tmp_path):
    code = sum(cell.cell_type == "code" for cell in read(FOLDER / f"{name}.ipynb"))
    with shown_on_failure(page, lab, tmp_path):
        page.goto(f"{lab.url}lab/workspaces/{name}/tree/{name}.ipynb?token={TOKEN}")
        page.locator("#jp-main-statusbar").wait_for()
        page.wait_for_function(SETTLED, arg=[code, False])
        choose(page, "Run", "Run All Cells")
        page.wait_for_function(SETTLED, arg=[code, True], timeout=300_000)
        assert page.locator(".jp-Dialog").count() == 0
        with page.expect_response(lambda answer: answer.request.method == "PUT" and "/api/contents/" in answer.url):
            choose(page, "File", "Save Notebook")
        ran = [cell for cell in read(lab.served / f"{name}.ipynb") if cell.cell_type == "code"]
        outputs = [output for cell in ran for output in cell.outputs]
        assert [f"{o.ename}: {o.evalue}" for o in outputs if o.output_type == "error"] == []
        assert all(cell.execution_count for cell in ran)
        outcome = json.loads((lab.executed / "smoke" / f"{name}.outcome.json").read_text())
        assert outcome["failed"] == {}

        images = page.locator(".jp-OutputArea-output img").evaluate_all(IMAGES)
        assert len(images) >= 5
        assert [alt for alt, drawn in images if not drawn] == []
        assert [alt for alt, _ in images if len(alt) < 20 or alt.startswith("No description")] == []
        if name.startswith("00"):
            move_the_slider(page)


ASKING = """
from alnb.annotate import Annotator
from alnb.methods import reid_human_in_the_loop as dral
from alnb.store import Store
Annotator(dral.grid(**{asked!r}), Store({store!r}))
"""
DRAL = {
    "human": {"dataset": "pedestrians-tiny", "source": "pedestrians-tiny-source", "arms": ["dral"]}, "annotator": "ada",
    "queries": 2, "k_max": 5, "blocks": 2, "n_s": 12, "kappa": 6, "network": "reid_small", "height": 32, "width": 16,
    "source_epochs": 1, "people": 4, "tune_steps": 2, "hidden": [16], "agent_steps": 1, "agent_batch": 4,
}  # fmt: skip
TWICE = """root => new Promise(done => {  // a click, and 150 ms after the next question is drawn another at the same place
    const press = () => root.querySelector(".choices button").dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 1 }));
    const drawn = new MutationObserver(() => { drawn.disconnect(); setTimeout(() => { press(); done(); }, 150); });
    drawn.observe(root.querySelector(".text"), { childList: true });
    press();
})"""


def test_ten_answers_clicked_and_typed_are_those_of_a_script_and_a_closed_tab_goes_on(lab, page, tmp_path):
    """Of a run of DRAL: ten pairs, an answer each, and the network learns between the fifth and the sixth."""
    (run,), store, script = dral.grid(**DRAL), Store(tmp_path / "asked"), Store(tmp_path / "script")
    assert not drive([run.needs["source"]], store, workers=1).failed
    shutil.copytree(store.root, script.root)
    cell = nbformat.v4.new_code_cell(ASKING.format(asked=DRAL, store=str(store.root)))
    made = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    nbformat.write(made, lab.served / "asking.ipynb")
    box, said = page.locator(".alnb-annotate"), []

    def opened():
        page.goto(f"{lab.url}lab/workspaces/asking/tree/asking.ipynb?token={TOKEN}")
        page.locator("#jp-main-statusbar").wait_for()
        page.wait_for_function(SETTLED, arg=[1, False])
        choose(page, "Run", "Run All Cells")
        playwright.expect(box).to_have_attribute("data-status", "asking")

    def give(answer, how):
        said.append(answer)
        how()
        if len(said) < 10:
            playwright.expect(box.locator(".message")).to_have_text(f"{len(said)} of 10 answered")
            playwright.expect(box).to_have_attribute("data-status", "asking")

    def button(label):
        page.wait_for_timeout(350)  # a question that was just drawn takes no click
        return box.get_by_role("button", name=label)

    with shown_on_failure(page, lab, tmp_path):
        opened()
        assert [image[1] for image in box.locator("img").evaluate_all(IMAGES)] == [True, True]
        page.wait_for_timeout(350)
        give(True, lambda: box.evaluate(TWICE))
        page.wait_for_timeout(350)
        playwright.expect(box.locator(".message")).to_have_text("1 of 10 answered")  # the second click is none
        give(False, lambda: button("different").dblclick())
        for key, answer in (("s", True), ("c", None)):  # a click leaves the focus to the keys
            give(answer, lambda key=key: page.keyboard.press(key))
        button("undo").click()
        playwright.expect(box.locator(".message")).to_have_text("3 of 10 answered")
        playwright.expect(box).to_have_attribute("data-status", "asking")
        assert said.pop() is None
        give("skip", lambda: page.keyboard.press("k"))
        page.goto("about:blank")  # the tab is closed, and opened again
        opened()
        assert box.locator(".message").inner_text() == "4 of 10 answered"
        for i in range(6):
            give(i % 2 == 0, lambda i=i: box.press("s" if i % 2 == 0 else "d"))
        playwright.expect(box).to_have_attribute("data-status", "done")
        playwright.expect(box.locator(".message")).to_contain_text("10 answered")
    talk, answers = Conversation(run, script), iter(said)
    while talk.wait() == "asking":
        talk.answer(talk.number, next(answers))
    rows = store.read(run).rows
    assert rows == script.read(run).rows
    signs = {True: "1", False: "0", None: "?", "skip": "-"}
    assert "".join(row["answers"] for row in rows if row["kind"] == "query") == "".join(signs[answer] for answer in said)
    seconds = [one["seconds"] for step in store.read(run).steps for one in step["provenance"]["answered"]]
    assert len(seconds) == 10
    assert min(seconds) > 0


def read(path):
    return nbformat.read(path, as_version=4).cells


def choose(page, menu, item):
    page.locator(".lm-MenuBar-item").get_by_text(menu, exact=True).click()
    page.locator(".lm-Menu-item").get_by_text(item, exact=True).click()


def move_the_slider(page):
    """One to the right by keyboard: the number beside it and the picture beneath change."""
    output = page.locator(".jp-OutputArea-output").filter(has=page.locator(".widget-slider", has_text="cycle"))
    picture, number = output.locator("img"), output.locator(".widget-readout")
    before = picture.get_attribute("src")
    playwright.expect(number).to_have_text("0")
    output.get_by_role("slider").press("ArrowRight")
    playwright.expect(number).to_have_text("1")
    playwright.expect(picture).not_to_have_attribute("src", before)
    playwright.expect(picture).to_have_js_property("complete", True)
