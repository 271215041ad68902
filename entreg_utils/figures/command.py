"""``python -m entreg_utils figures``: the figures of the sweeps as PNG files, and what they say."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib

from entreg_utils.figures import birds, gallery
from entreg_utils.figures.style import png, use_style
from entreg_utils.files import atomic_write, project_root

GALLERY, TITLES = gallery.GALLERY | birds.GALLERY, gallery.TITLES | birds.TITLES
RULES = (
    "Test split, last checkpoint, maps of the true class, min-max per image. Bands and bars are "
    "95 % Student intervals over seeds. Every number below is computed from what is plotted."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "example: figures strengths plane --out /tmp/figures. The runs come from the store; "
        "`python -m entreg_utils sweep --grid ALL` trains those of the embedded world that are not "
        "in it, `sweep cub30_epsilon` and its like those of photographs."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(GALLERY)}; all when left out"
    )
    parser.add_argument("--out", type=Path, default=default_folder(), help="folder of the files")
    parser.add_argument("--list", action="store_true", help="name the figures and stop")


def default_folder() -> Path:
    """Where the figures go when no folder is named."""
    return project_root() / "results" / "figures"


def main(args: argparse.Namespace) -> int:
    """Draw the figures and print each file with its sentence; 0."""
    if args.list:
        for name, title in TITLES.items():
            print(f"{name:16} {title}")
        return 0
    matplotlib.use("agg")  # files only: no window is opened, nor needed
    for path in write_all(args.out, args.names or None):
        print(path)
    return 0


def write_all(out_dir: Path | str, names: Sequence[str] | None = None) -> list[Path]:
    """Write ``NAME.png`` for each name (default: all) and ``figures.md`` with their sentences.

    Returns:
        The paths of the pictures in the order of the gallery, then that of ``figures.md``.

    Raises:
        ValueError: an unknown name, or runs that are not stored.
        StorageError: a file cannot be written; what was there before stays.
    """
    unknown = [name for name in names or () if name not in GALLERY]
    if unknown:
        raise ValueError(f"unknown figure {unknown[0]!r}: known are {', '.join(GALLERY)}")
    out_dir, world, photographs = Path(out_dir), gallery.Story(), birds.Birds()
    paths, text = [], ["# Figures of the sweeps", RULES]
    with matplotlib.rc_context():
        use_style()
        for name in GALLERY:
            if names is not None and name not in names:
                continue
            figure, sentence = GALLERY[name](world if name in gallery.GALLERY else photographs)
            paths.append(atomic_write(out_dir / f"{name}.png", png(figure)))
            text += [f"## {TITLES[name]}", f"![{TITLES[name]}]({name}.png)", sentence]
    return [*paths, atomic_write(out_dir / "figures.md", "\n\n".join(text) + "\n")]
