"""Equations as pictures: those of all notebooks can be drawn, code is left alone, the page needs no network."""

import re

import nbformat
import pytest

from alnb import equations, headless, plans


@pytest.mark.parametrize("name", plans.names())
def test_every_equation_of_a_notebook_is_drawn(name):
    cells = nbformat.read(plans.FOLDER / f"{name}.ipynb", as_version=4).cells
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    latex = [found["alone"] or found["inline"] for text in texts for found in equations.MATH.finditer(equations.CODE.sub("", text))]
    lost = [one for one in latex if "<img" not in equations.picture(one)]
    assert latex
    assert lost == []
    left = [re.sub(r"<[^>]*>", "", equations.drawn(equations.CODE.sub("", text))) for text in texts]
    assert [text for text in left if re.search(r"\\[a-z]+", text)] == []


@pytest.mark.parametrize("text", ["costs $5 and $6", "`$x$`", "```\n$$x$$\n```", "a \\$ and a $", "$HOME/x and\n\n$y"])
def test_what_is_no_equation_stays(text):
    assert equations.drawn(text) == text


def test_an_equation_has_its_source_as_alternative_text_and_one_that_cannot_be_drawn_stays_readable():
    shown = equations.drawn(r"with $\frac{a}{b} < c$ and $\nonsense{x}$")
    assert 'alt="\\frac{a}{b} &lt; c"' in shown
    assert "<code>\\nonsense{x}</code>" in shown


@pytest.mark.parametrize(
    ("latex", "said"),
    [
        (r"a \le b \geq c \ge d \left( e", r"a \leq b \geq c \geq d \left( e"),
        (r"\lVert z \rVert_2 \tag{5.2}", r"\Vert  z \Vert _2 \qquad (5.2)"),
        (r"\tfrac12 \dfrac{1}{C} \big( x \Bigr)", r"\frac{1}{2} \frac{1}{C} ( x )"),
    ],
)
def test_what_mathtext_does_not_know_is_said_in_its_words(latex, said):
    assert equations.in_words_of_mathtext(latex) == said


def test_the_page_of_a_notebook_loads_nothing(tmp_path):
    cells = [nbformat.v4.new_markdown_cell(r"Let $$\sum_i x_i \tag{1}$$"), nbformat.v4.new_code_cell("1 + 1")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "one.ipynb")
    page = headless.render(tmp_path / "one.ipynb").read_text(encoding="utf-8")
    assert 'class="equation"' in page
    assert not re.findall(r"<script|@import|url\(['\"]?http|src=\"(?!data:)", page)
