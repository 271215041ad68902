"""``figures NAME``: the cell of that name, run with what it needs, becomes a file."""

import json
import re
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

from entreg_utils import __main__ as cli
from entreg_utils.figures import command

ROOT = Path(__file__).resolve().parents[2]
NAMED = sorted(set(re.findall(r"`figures (\w+)`", (ROOT / "README.md").read_text("utf-8"))))
TAG = re.compile(r'^# %%.*"figure:(\w+)"', re.MULTILINE)

CELLS = [
    ("markdown", "# A title\n\n## 1. Lines"),
    ("code", "import matplotlib.pyplot as plt\nfrom entreg_utils import figures\nRUNS = []"),
    ("code", "top = 3"),
    ("code", "raise RuntimeError('a check')\ntop = 4", "check"),
    (
        "code",
        "figure, axes = plt.subplots(figsize=(2, 1))\naxes.plot([0, top])\nRUNS.append(1)\n"
        "figures.show(figure, f'The line ends at {top}.')",
        "figure:line",
    ),
    ("markdown", "## 2. Others"),
    (
        "code",
        "sentence = f'{len(RUNS)} run'\nfigures.show((plt.figure(), sentence))",
        "figure:other",
    ),
    ("code", "print(top)", "figure:none"),
    ("code", "top / 0", "figure:broken"),
]


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """A project of one notebook."""
    cells = [
        {"cell_type": kind, "source": source.splitlines(True), "metadata": {"tags": tags}}
        for kind, source, *tags in CELLS
    ]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "07_one.ipynb").write_text(json.dumps({"cells": cells}))
    monkeypatch.setenv("ENTREG_ROOT", str(tmp_path))
    monkeypatch.delenv("ENTREG_RESULTS", raising=False)
    return tmp_path


def test_the_named_figures_are_written_with_their_sentences(notebooks, capsys):
    matplotlib.use("agg")  # as the command does
    before = dict(plt.rcParams)
    assert cli.main(["figures", "other", "line", "--out", str(notebooks / "out")]) == 0
    files = ["line.png", "other.png", "figures.md"]  # in the notebook's order
    assert capsys.readouterr().out.splitlines() == [str(notebooks / "out" / f) for f in files]
    assert sorted(path.name for path in (notebooks / "out").iterdir()) == sorted(files)
    assert (notebooks / "out" / "line.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    text = (notebooks / "out" / "figures.md").read_text("utf-8")
    part = "## line\n\n07_one.ipynb: 1. Lines\n\n![line](line.png)\n\nThe line ends at 3.\n\n"
    assert part in text
    assert text.endswith("07_one.ipynb: 2. Others\n\n![other](other.png)\n\n1 run\n")
    assert dict(plt.rcParams) == before and plt.get_fignums() == []


def test_they_go_to_the_results_and_equal_cells_give_equal_bytes(notebooks):
    picture, text = command.write(["line"])
    assert (picture, text.name) == (notebooks / "results" / "figures" / "line.png", "figures.md")
    first = picture.read_bytes()
    command.write(["line"])
    assert picture.read_bytes() == first


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("nope", "unknown figure 'nope': known are line, other, none, broken"),
        ("broken", "07_one.ipynb, code cell 7 failed: ZeroDivisionError: division by zero"),
        ("none", "07_one.ipynb, code cell 6 is none: it shows 0 figures, not 1"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence_and_no_file(notebooks, capsys, name, error):
    assert cli.main(["figures", "line", name, "--out", str(notebooks / "out")]) == 1
    assert capsys.readouterr().err == f"error: {error}\n"
    assert not (notebooks / "out").exists()


def test_list(notebooks, capsys):
    assert cli.main(["figures", "--list"]) == 0
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert lines[:2] == [["line", "07", "1. Lines"], ["other", "07", "2. Others"]]


def test_without_notebooks_there_are_no_figures(tmp_path):
    with pytest.raises(ValueError, match=f"no notebooks in {tmp_path}: build them with `make"):
        command.catalogue(tmp_path)


def test_each_name_stands_once_in_the_sources():
    tags = [
        tag for path in ROOT.glob("notebooks/src/*.py") for tag in TAG.findall(path.read_text())
    ]
    assert len(tags) == len(set(tags))
    assert NAMED and set(NAMED) <= set(tags)


@pytest.mark.parametrize("number", ["07", "10"])
def test_a_figure_of_readme_says_what_its_notebook_says(number):
    places = {n: p for n, p in command.catalogue(ROOT / "notebooks").items() if n in NAMED}
    own = {n: p.cell for n, p in places.items() if p.notebook.name.startswith(number)}
    notebook = next(ROOT.glob(f"notebooks/{number}_*.ipynb"))
    drawn = command.draw(notebook, own)
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert own
    for name, cell in own.items():
        shown = [output.get("data", {}) for output in code[cell]["outputs"]]
        (stored,) = ["".join(data["text/plain"]) for data in shown if "image/png" in data]
        assert drawn[name][1] == stored
