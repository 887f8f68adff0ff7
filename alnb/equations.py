"""Equations of an executed notebook as pictures, so that its page shows them without a network and without a script.

matplotlib's mathtext draws them; it knows most of LaTeX's mathematics, and what notebooks write beyond it is said in its
words first. What it cannot draw stays as it was written, in a typewriter's letters.
"""

from __future__ import annotations

import functools
import re
from base64 import b64encode
from html import escape

SIZE = 11.5  # points, of the text around it
SAID = [  # LaTeX -> what mathtext knows
    (r"\\tag\{([^}]*)\}", r"\\qquad (\1)"),
    (r"\\operatorname\*", r"\\operatorname"),
    (r"\\([lr])(V|v)ert(?![a-zA-Z])", lambda m: r"\Vert " if m[2] == "V" else "|"),
    (r"\\[dt]frac(?![a-zA-Z])", r"\\frac"),
    (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
    (r"\\[bB]igg?[lr]?(?![a-zA-Z])\s*", ""),
    (r"\\(g|l)e(?![a-zA-Z])", r"\\\1eq"),
    (r"\\mid(?![a-zA-Z])", r"\\,|\\,"),
]
CODE = re.compile(r"(```.*?```|``.*?``|`[^`\n]*`)", re.DOTALL)
MATH = re.compile(r"\$\$(?P<alone>.+?)\$\$|(?<![\\$])\$(?P<inline>(?!\s)(?:[^$\n]|\n(?!\s*\n))+?(?<!\s))\$(?!\d)", re.DOTALL)


def in_words_of_mathtext(latex: str) -> str:
    text = " ".join(latex.split())
    for pattern, known in SAID:
        text = re.sub(pattern, known, text)
    return text


@functools.cache
def picture(latex: str) -> str:
    """An <img> of an equation, its source as the alternative text; <code> of the source where it cannot be drawn."""
    import io

    from matplotlib.mathtext import math_to_image

    drawn = io.BytesIO()
    try:
        depth = math_to_image(f"${in_words_of_mathtext(latex)}$", drawn, dpi=72, format="svg", prop=_font())
    except ValueError:
        return f"<code>{escape(latex)}</code>"
    source = b64encode(re.sub(rb"<metadata>.*?</metadata>", b"", drawn.getvalue(), flags=re.DOTALL)).decode()
    width, height = re.search(rb'width="([\d.]+)pt" height="([\d.]+)pt"', drawn.getvalue()).groups()
    style = f"width: {float(width):.2f}pt; height: {float(height):.2f}pt; vertical-align: {-depth:.2f}pt"
    alt = escape(" ".join(latex.split()))
    return f'<img class="equation" alt="{alt}" style="{style}" src="data:image/svg+xml;base64,{source}">'


def _font():
    from matplotlib.font_manager import FontProperties

    return FontProperties(size=SIZE, math_fontfamily="cm")


def drawn(markdown: str) -> str:
    """Markdown with its equations as pictures; code is left alone."""

    def one(found: re.Match) -> str:
        if found["alone"]:
            return f'\n\n<p style="text-align: center">{picture(found["alone"])}</p>\n\n'
        return picture(found["inline"])

    parts = CODE.split(markdown)
    return "".join(part if i % 2 else MATH.sub(one, part) for i, part in enumerate(parts))
