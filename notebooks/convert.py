"""From a source in py:percent to a notebook's cells, and whether the built files still match it.

``src/NN_topic.py`` is the only file that people edit. From it come ``NN_topic.ipynb`` and, where it
has exercises, the student's copy ``exercises/NN_topic.ipynb`` with its solutions taken out by tag.

In a cell tagged ``solution``, lines that start with ``#!`` are the student's code (mostly a
placeholder, ``#! answer = None``): the solved notebook drops them; the student's copy keeps the
comment lines at the top of the cell (``# Exercise: ...``) and these lines, without the mark.

What all notebooks share is added here: in the first cell the link to the glossary and what each
abbreviation of the notebook stands for; at the end of a student's copy the cell that writes what
was passed.
"""

import hashlib
import json
import re
import tomllib
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

HERE = Path(__file__).resolve().parent
MOST_LINES = 40
LINK = re.compile(r"\]\(([^)\s]+)\)")
OUTSIDE = re.compile(r"[a-z]+:|#|/")  # a web address, or a place on the same page
# Said of every notebook, whichever Python built it.
METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"file_extension": ".py", "name": "python"},
}
GLOSSARY = "**Words and symbols:** [glossary](../docs/glossary.md). {short}."
SHORT = {
    "WSOL": "weakly supervised object localisation",
    "CAM": "class activation map",
    "GAP": "global average pooling",
    "CE": "cross-entropy",
    "KL": "Kullback-Leibler divergence",
    "ER": "entropy regularisation",
    "LS": "label smoothing",
    "JSD": "Jensen-Shannon divergence",
    "nats": "unit of entropy, with the natural logarithm",
    "IoU": "intersection over union",
    "GT-known": "ground truth known, that is a map of the true class",
    "PxAP": "pixel average precision",
    "mPxAP": "mean of PxAP over classes",
    "PaS": "percentile as a standard",
    "IVR": "infer the value range",
    "HaS": "Hide-and-Seek",
    "ADL": "attention-based dropout layer",
    "RDAP": "region-based dropout with attention prior",
    "CUB": "Caltech-UCSD Birds",
    "VOC": "Visual Object Classes",
}
# Where the course is public ("" where it is not yet): one setting for notebooks and site.
REPOSITORY = tomllib.loads(HERE.with_name("pyproject.toml").read_text("utf-8"))["tool"]["course"][
    "repository"
]
ELSEWHERE = """# On Colab: fetch the course; only what is missing is installed.
import importlib.util

if importlib.util.find_spec("entreg_utils") is None:
    !git clone -q --depth 1 {repository} entreg
    %run entreg/docs/colab.py"""
COPY_NOTE = (
    "> **Your copy.** The cells that begin with `# Exercise` wait for you; the cell after each one"
    " checks your answer. It runs from top to bottom as it is."
)
SOLVED_NOTE = " The solved notebook: [{name}](../{name})."
REPORT = """\
# What you passed, as a file: for you, or for who marks it.
from entreg_utils import checks

checks.report(name="", notebook="{number}")  # put your name in"""


class BuildError(RuntimeError):
    """A source or its outputs break a rule of the course; the message names the cell."""


def read(source: Path) -> NotebookNode:
    """Cells of a source with their tags, before solutions are dealt with."""
    # Without comment_magics jupytext would turn `#! answer` into the shell command `! answer`.
    fmt = {"extension": ".py", "format_name": "percent", "comment_magics": False}
    notebook = jupytext.read(source, fmt=fmt)
    for index, cell in enumerate(notebook.cells):
        if len(cell.source.splitlines()) > MOST_LINES and cell.cell_type == "code":
            raise BuildError(f"{source.name}: cell {index} is over {MOST_LINES} lines; split it")
        if cell.cell_type == "code" and not cell.source.strip():
            raise BuildError(f"{source.name}: cell {index} is empty; remove it")
        cell.metadata = {"tags": list(cell.metadata["tags"])} if "tags" in cell.metadata else {}
    for cell in notebook.cells[:1]:
        if cell.cell_type == "markdown":
            cell.source += f"\n\n{glossary_line(notebook)}"
    return notebook


def glossary_line(notebook: NotebookNode) -> str:
    """The link to the glossary, and the abbreviations of the notebook that its head leaves open."""
    head = " ".join(notebook.cells[0].source.split()).lower()
    text = "\n".join(cell.source for cell in notebook.cells)
    used = [s for s in SHORT if re.search(rf"(?<![\w-]){s}(?![\w])", text)]
    told = [s for s in used if f"*{s.lower()}" in head or SHORT[s].split(",")[0].lower() in head]
    short = "; ".join(f"*{s}*: {SHORT[s]}" for s in used if s not in told)
    return GLOSSARY.format(short=short).replace(". .", ".")


def is_solution(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and "solution" in cell.metadata.get("tags", [])


def _assemble(cells: list[tuple[str, str, dict]], stem: str) -> NotebookNode:
    """A notebook of (type, source, metadata) with ids by position and no versions."""
    notebook = new_notebook()
    for index, (kind, text, metadata) in enumerate(cells):
        new_cell = new_code_cell if kind == "code" else new_markdown_cell
        name = hashlib.sha256(f"{stem}/{index}".encode()).hexdigest()[:8]
        notebook.cells.append(new_cell(text, id=name, metadata=metadata))
    notebook.metadata = METADATA
    return nbformat.from_dict(notebook)


def _elsewhere() -> list[tuple[str, str, dict]]:
    """The first cell, which makes a notebook run on Colab; none while there is no address."""
    text = ELSEWHERE.format(repository=REPOSITORY)
    return [("code", text, {"tags": ["elsewhere"]})] if REPOSITORY else []


def solved(source: Path) -> NotebookNode:
    """The notebook that readers open, not yet executed."""
    cells = []
    for cell in read(source).cells:
        lines = cell.source.splitlines()
        if is_solution(cell):
            lines = [line for line in lines if not line.startswith("#!")]
        cells.append((cell.cell_type, "\n".join(lines), cell.metadata))
    return _assemble([*cells[:1], *_elsewhere(), *cells[1:]], source.stem)


def student(source: Path) -> NotebookNode | None:
    """The student's copy; None where the source has no cell tagged ``solution``."""
    notebook = read(source)
    if not any(is_solution(cell) for cell in notebook.cells):
        return None
    cells = []
    for index, cell in enumerate(notebook.cells):
        text, metadata = cell.source, cell.metadata
        if is_solution(cell):
            lines = text.splitlines()
            code = [line.removeprefix("#!").removeprefix(" ") for line in lines if line[:2] == "#!"]
            if not code:
                raise BuildError(
                    f"{source.name}: cell {index} is tagged solution and has no line for the "
                    "student; add one such as `#! answer = None`"
                )
            lines = [line for line in lines if line[:2] != "#!"]
            body = next((i for i, line in enumerate(lines) if line[:1] != "#"), len(lines))
            text = "\n".join(lines[:body] + code)
            tags = ["exercise" if tag == "solution" else tag for tag in metadata["tags"]]
            metadata = {"tags": tags}
        elif cell.cell_type == "markdown":
            text = LINK.sub(lambda link: _relink(link[1], source), text)
        cells.append((cell.cell_type, text, metadata))
    note = ("markdown", COPY_NOTE + SOLVED_NOTE.format(name=f"{source.stem}.ipynb"), {})
    report = ("code", REPORT.format(number=source.stem[:2]), {"tags": ["report"]})
    cells[1:1] = [note, *_elsewhere()]
    return _assemble([*cells, report], f"{source.stem}/student")


def links(text: str) -> list[str]:
    """Files that a markdown text links to, as written, without their anchors."""
    return [target.split("#")[0] for target in LINK.findall(text) if not OUTSIDE.match(target)]


def _relink(target: str, source: Path) -> str:
    """A link as seen from ``exercises/``; a notebook that has a student's copy leads to that."""
    other = source.with_name(Path(target).stem + ".py")
    beside = "/" not in target and target.endswith(".ipynb") and other.is_file()
    stays = beside and any(is_solution(cell) for cell in read(other).cells)
    return f"]({target})" if stays or OUTSIDE.match(target) else f"](../{target})"


def render(notebook: NotebookNode) -> str:
    """The notebook as the text of its file."""
    return json.dumps(json.loads(nbformat.writes(notebook)), indent=1, sort_keys=True) + "\n"


def cells_of(notebook: NotebookNode) -> list[tuple]:
    """What a source decides about a notebook: ids, types, text and tags of the cells."""
    return [(cell.id, cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]


def out_of_step(source: Path, folder: Path = HERE) -> list[str]:
    """Ways in which the built files are not what ``source`` gives; [] when they are in step."""
    name, faults = f"{source.stem}.ipynb", []
    built, copy, expected = folder / name, folder / "exercises" / name, student(source)
    if not built.is_file():
        faults.append(f"{name} is not built")
    else:
        notebook = nbformat.read(built, as_version=4)
        if cells_of(notebook) != cells_of(solved(source)):
            faults.append(f"{name} is not what src/{source.name} gives")
        counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
        if counts != list(range(1, len(counts) + 1)):
            faults.append(f"{name} was not executed from top to bottom in a fresh kernel")
    if expected is None and copy.is_file():
        faults.append(f"exercises/{name} has no solution cell in its source; remove it")
    if expected is not None:
        if not copy.is_file() or copy.read_text(encoding="utf-8") != render(expected):
            faults.append(f"exercises/{name} is not what src/{source.name} gives")
    return faults


def orphans(folder: Path = HERE) -> list[str]:
    """Built notebooks whose source is gone."""
    files = sorted([*folder.glob("*.ipynb"), *folder.glob("exercises/*.ipynb")])
    lost = [file for file in files if not (folder / "src" / f"{file.stem}.py").is_file()]
    return [f"{file.relative_to(folder)} has no source; remove it" for file in lost]
