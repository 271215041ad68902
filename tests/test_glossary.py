"""The glossary: each word stands where it is said to be introduced, and every notebook links it."""

import re
from pathlib import Path

import convert
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
SOURCES = {path.stem: path for path in sorted((ROOT / "notebooks" / "src").glob("*.py"))}
TEXTS = {stem: path.read_text(encoding="utf-8") for stem, path in SOURCES.items()}
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
WORDS, SYMBOLS = ([r for r in ROWS if (r[0][:1] == "$") is symbol] for symbol in (False, True))
WORDS = [row for row in WORDS if row[0] != "word" and row[0] != "symbol"]
PLACE = re.compile(r"\[(\d\d)\]\(\.\./notebooks/(\1_\w+)\.ipynb\)(?:, section (\d+))?")


def section(text: str, number: str) -> str:
    """The text of a numbered section, prose and code, as one line."""
    found = re.search(rf"^# ## {number}\. .*?(?=^# ## |\Z)", text, re.M | re.S)
    assert found, f"no section {number}"
    return " ".join(re.sub(r"^# ?", "", found[0], flags=re.M).replace("*", "").split())


@pytest.mark.parametrize(("word", "meaning", "where"), WORDS, ids=[row[0] for row in WORDS])
def test_a_word_stands_where_it_is_introduced(word, meaning, where):
    places = PLACE.findall(where)
    assert places and len(places) == where.count("](")
    for _, stem, number in places:
        assert word.lower() in section(TEXTS[stem], number).lower(), f"{stem}, section {number}"


@pytest.mark.parametrize(("symbol", "meaning", "where"), SYMBOLS, ids=[r[0] for r in SYMBOLS])
def test_a_symbol_stands_where_it_is_introduced(symbol, meaning, where):
    places = PLACE.findall(where)
    assert places and len(places) == where.count("](")
    told = " ".join(section(TEXTS[stem], number) for _, stem, number in places)
    for letter in (one.strip() for one in symbol.strip("$").split(",")):
        name = {"\\varepsilon": "ε", "\\lambda": "λ"}.get(letter, letter.removeprefix("\\"))
        ways = rf"(?<![A-Za-z\\])({re.escape(letter)}|{re.escape(name)})(?![A-Za-z])"
        assert re.search(ways, told), letter


def test_no_word_and_no_symbol_stands_twice():
    for rows in (WORDS, SYMBOLS):
        names = [row[0] for row in rows]
        assert len(names) == len(set(names)) and all(len(row) == 3 for row in rows)


@pytest.mark.parametrize("stem", SOURCES)
def test_every_head_links_the_glossary(stem):
    for up, notebook in (("..", convert.solved), ("../..", convert.student)):
        made = notebook(SOURCES[stem])
        if made is not None:
            assert f"({up}/docs/glossary.md)" in made.cells[0].source


def test_the_head_says_what_the_abbreviations_of_its_notebook_stand_for():
    cells = [
        "# Title\n\nA Jensen-Shannon\ndivergence; *IVR*: a rule.",
        "The JSD, IVR, the **CAM** in nats, LSTM and ERROR.",
        "print('mPxAP')",
    ]
    notebook = new_notebook(cells=[new_markdown_cell(text) for text in cells])
    link = "**Words and symbols:** [glossary](../docs/glossary.md)."
    assert convert.glossary_line(notebook) == (
        f"{link} *CAM*: class activation map; *nats*: unit of entropy, with the natural logarithm; "
        "*mPxAP*: its mean over classes."
    )
    assert convert.glossary_line(new_notebook(cells=[new_markdown_cell("# None")])) == link


def test_the_glossary_has_every_abbreviation():
    for short in convert.SHORT:
        assert re.search(rf"\b{short.removesuffix('s')}s?\b", PAGE), short
