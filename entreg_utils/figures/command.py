"""``figures NAME``: figures of the notebooks as PNG files, and what they say.

A figure's name is a tag of the cell that draws it, ``figure:NAME``. That cell is run with those
before it in its notebook, here and without a kernel.
"""

import contextlib
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NamedTuple

import matplotlib
import tyro
from tyro.conf import Positional, arg

from entreg_utils.figures.style import captured, png
from entreg_utils.files import atomic_write, expand, results, shipped

RULE = (
    "Each figure is drawn by the cell of the notebook that is named with it, from the stored runs; "
    "every number in its sentence is computed from what is plotted."
)


class Place(NamedTuple):
    """Where a figure is drawn: the notebook, the code cell's position, the heading above it."""

    notebook: Path
    cell: int
    heading: str


def catalogue(folder: Path | None = None) -> dict[str, Place]:
    """Every figure by its name, in the order of the notebooks in ``folder`` (the course's);
    ValueError: there are no built ones."""
    folder = folder or shipped("notebooks")
    notebooks, places = sorted(folder.glob("[0-9][0-9]_*.ipynb")), {}
    if not notebooks:
        raise ValueError(f"there are no notebooks in {folder}: build them with `make notebooks`")
    for notebook in notebooks:
        heading, code = "", 0
        for kind, source, tags in _cells(notebook):
            if kind == "markdown":
                titles = [line.lstrip("# ") for line in source.splitlines() if line[:1] == "#"]
                heading = titles[-1] if titles else heading
                continue
            for tag in tags:
                if tag.startswith("figure:"):
                    places[tag.removeprefix("figure:")] = Place(notebook, code, heading)
            code += 1
    return places


def write(names: Iterable[str] = (), out: Path | str | None = None) -> list[Path]:
    """Write ``NAME.png`` for each name (none: all) and ``figures.md`` with their sentences.

    Args:
        out: the folder of the files; ``figures`` among the results by default.

    Returns:
        The paths of the pictures in the order of the notebooks, then that of ``figures.md``.

    Raises:
        ValueError: an unknown name, a cell that fails, or one that does not show one figure.
        StorageError: a file cannot be written; what was there before stays.
    """
    places, names = catalogue(), list(names)
    for name in names:
        if name not in places:
            raise ValueError(f"unknown figure {name!r}: known are {', '.join(places)}")
    chosen = {name: place for name, place in places.items() if not names or name in names}
    drawn: dict[str, tuple[bytes, str]] = {}
    for notebook in dict.fromkeys(place.notebook for place in chosen.values()):
        own = {name: place.cell for name, place in chosen.items() if place.notebook == notebook}
        drawn |= draw(notebook, own)
    out, text = expand(out) if out else results("figures"), ["# Figures of the notebooks", RULE]
    for name, (notebook, _, heading) in chosen.items():
        text += [f"## {name}", f"{notebook.name}: {heading}", f"![{name}]({name}.png)"]
        text += [drawn[name][1]]
    paths = [atomic_write(out / f"{name}.png", drawn[name][0]) for name in chosen]
    return [*paths, atomic_write(out / "figures.md", "\n\n".join(text) + "\n")]


def draw(notebook: Path, cells: dict[str, int]) -> dict[str, tuple[bytes, str]]:
    """(PNG, sentence) of figures, given their code cells by name; the notebook's cells run once."""
    code = [(source, tags) for kind, source, tags in _cells(notebook) if kind == "code"]
    namespace, drawn = {"__name__": "__main__"}, {}
    with matplotlib.rc_context():
        for index, (source, tags) in enumerate(code[: max(cells.values()) + 1]):
            if "check" in tags:  # says whether an exercise is solved: no figure depends on it
                continue
            place = f"{notebook.name}, code cell {index + 1}"
            names = [name for name, cell in cells.items() if cell == index]
            with captured() as shown, contextlib.redirect_stdout(io.StringIO()):
                try:
                    exec(compile(source, place, "exec"), namespace)
                except Exception as error:  # a cell may raise anything
                    reason = f"{type(error).__name__}: {error}"
                    raise ValueError(f"{place} failed: {reason}") from error
                if names and len(shown) != 1:
                    raise ValueError(f"{place} is {names[0]}: it shows {len(shown)} figures, not 1")
                drawn |= {name: (png(shown[0][0]), shown[0][1]) for name in names}
    return drawn


def _cells(notebook: Path) -> list[tuple[str, str, list[str]]]:
    """Type, source and tags of each cell."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [(c["cell_type"], "".join(c["source"]), c["metadata"].get("tags", [])) for c in cells]


def main(argv: list[str]) -> int:
    """``python -m entreg_utils figures``."""

    def figures(
        names: Positional[tuple[str, ...]] = (),
        out: Annotated[
            Path | None,
            arg(help="folder of the files", help_behavior_hint="(default: results/figures)"),
        ] = None,
        list: Annotated[bool, arg(help="name the figures and stop")] = False,
    ) -> int:
        """Figures of the notebooks as files, with the sentences that read them.

        Example: figures strengths plane --out /tmp/figures

        Args:
            names: see --list; all when left out.
        """
        if list:
            for name, place in catalogue().items():
                print(f"{name:18} {place.notebook.stem[:2]}  {place.heading}")
            return 0
        matplotlib.use("agg")  # files only: no window is opened, nor needed
        print(*write(names, out), sep="\n")
        return 0

    config = (tyro.conf.FlagCreatePairsOff,)
    return tyro.cli(figures, prog="python -m entreg_utils figures", args=argv, config=config)
