"""The committed notebooks: what their sources give, run in order, without noise, small enough."""

from pathlib import Path

import build
import convert
import nbformat
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"

SOURCES = sorted((FOLDER / "src").glob("*.py"))
BUILT = sorted([*FOLDER.glob("*.ipynb"), *FOLDER.glob("exercises/*.ipynb")])


def test_there_are_notebooks_and_each_has_a_source():
    assert SOURCES, "notebooks/src is empty"
    assert convert.orphans(FOLDER) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_in_step_with_the_source(source):
    assert convert.out_of_step(source, FOLDER) == [], "run `make notebooks`"


@pytest.mark.parametrize("path", BUILT, ids=lambda path: str(path.relative_to(FOLDER)))
def test_clean_and_small_and_links_between_pages_lead_somewhere(path):
    assert path.stat().st_size <= build.MOST_BYTES
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for target in convert.links(cell.source):
                assert (path.parent / target).exists(), f"{path.name} links to {target}"
    build.tidy(notebook, path.name)  # raises where an output is refused
