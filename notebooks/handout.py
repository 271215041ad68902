"""What a lecturer hands to a class: ``make handout DIR=path``, ``python notebooks/handout.py DIR``.

DIR gets the student's copies of the notebooks, without solutions and without links to them, the
glossary, the package with the committed records, and a README that says how to start: all that it
takes to work there, but for the packages of ``requirements.txt``. A notebook that is in DIR already
and differs stays as it is, with what a student did in it; everything else is brought up to date.
"""

import argparse
import re
import sys
from pathlib import Path

from convert import COPY_NOTE, HERE, OUTSIDE, SOLVED_NOTE, render, solved, student

from entreg_utils.files import StorageError, atomic_write, expand

ROOT = HERE.parent
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
OWN_CODE = ("notebooks/maxsup.py", "notebooks/stage_energy.py")  # what notebooks 08 and 09 import
WITH = (  # it is a small checkout: the package finds its records, and writes results, beside itself
    *("entreg_utils/**/*.py", "entreg_utils/**/*.toml", "pyproject.toml", "setup.py"),
    *("requirements.txt", "constraints.txt", "LICENSE", "data/README.md", "data/*.json"),
    *("data/runs/*.json", "data/runs/*.pt", *OWN_CODE),
)
README = """\
# Entropy and localisation: exercises

Python 3.11 or newer; about 7 GB on Linux, where torch brings its CUDA libraries. In this folder,
once:

    python3 -m venv .venv
    .venv/bin/python -m pip install -c constraints.txt -e ".[photo]"

and to start, each time:

    .venv/bin/python -m jupyterlab 00_start_here.ipynb

What the notebooks ask for is stored, so nothing is trained unless you turn a knob. The cells that
begin with `# Exercise` wait for you. The last cell of a notebook writes what you passed to the
folder `marks`: hand that file in, with the notebook. When something does not work:
`.venv/bin/python -m entreg_utils doctor`.
"""


def notebooks() -> dict[str, str]:
    """Name and text of each notebook: the student's copy, or all of one that has no exercises."""
    sources = sorted((HERE / "src").glob("[0-9][0-9]_*.py"))
    made = {source.stem: student(source) or solved(source) for source in sources}
    for stem, notebook in made.items():
        seen = SOLVED_NOTE.format(name=f"{stem}.ipynb")
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                if cell.source.startswith(COPY_NOTE):
                    cell.source = cell.source.removesuffix(seen)
                cell.source = relinked(cell.source)
            elif "report" in cell.metadata.get("tags", ()):
                cell.source = cell.source.replace("checks.report(", 'checks.report("marks", ')
    return {f"{stem}.ipynb": render(notebook) for stem, notebook in made.items()}


def relinked(text: str) -> str:
    """Links to what is in the handout lead there; of others within the project the words stay."""
    here = {f"{path.stem}.ipynb": f"{path.stem}.ipynb" for path in HERE.glob("src/*.py")}
    here |= {Path(file).name: file for file in OWN_CODE}
    here["glossary.md"] = "glossary.md"

    def link(found: re.Match) -> str:
        words, target = found.groups()
        if OUTSIDE.match(target):
            return found[0]
        file, hash_, place = target.partition("#")
        name = Path(file).name
        return f"[{words}]({here[name]}{hash_}{place})" if name in here else words

    return LINK.sub(link, text)


def rest() -> dict[str, bytes]:
    """Path and content of all that is no notebook."""
    found = [
        path for pattern in WITH for path in ROOT.glob(pattern) if "_project" not in path.parts
    ]
    files = {str(path.relative_to(ROOT)): path.read_bytes() for path in found}
    glossary = relinked((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))
    return files | {"glossary.md": glossary.encode(), "README.md": README.encode()}


def hand_out(folder: Path) -> list[str]:
    """Write the handout; the names of the notebooks that were there, differ, and were kept.

    Raises:
        StorageError: the folder is there and is no handout, or a file cannot be written.
    """
    readme, empty = folder / "README.md", not folder.exists()
    if folder.is_dir():
        empty = not any(folder.iterdir())
    if not empty and not (readme.is_file() and readme.read_bytes()[:99] == README.encode()[:99]):
        raise StorageError(f"{folder} is there and is no handout: name a new or empty folder")
    kept = []
    for name, content in (rest() | {k: v.encode() for k, v in notebooks().items()}).items():
        place = folder / name
        same = place.is_file() and place.read_bytes() == content
        if not same and place.is_file() and name.endswith(".ipynb"):
            kept.append(name)
        elif not same:
            atomic_write(place, content)
    return kept


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the exercises for a class to a folder.")
    parser.add_argument("folder", metavar="DIR", type=expand, help="new, empty, or a handout")
    folder = parser.parse_args(argv).folder
    try:
        kept = hand_out(folder)
    except StorageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{folder} holds the notebooks, the package and a README; hand out the whole folder")
    if kept:
        print("kept as they were, for they differ:", *kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())
