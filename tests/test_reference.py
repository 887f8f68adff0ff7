"""The page of what a notebook calls says what the docstrings say."""

from alnb import REPOSITORY, reference


def test_the_page_is_current():
    assert (REPOSITORY / "docs" / "reference.md").read_text(encoding="utf-8") == reference.text()
