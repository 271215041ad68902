"""``make tutorial``: train everything fresh, execute the notebooks, print the headline.

Nothing committed is used: all runs are trained into ``results/tutorial`` and the notebooks read
them from there. A tutorial that was interrupted goes on where it stopped; after a finished one the
next call begins anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from entreg_utils.files import atomic_write, project_root

RULES = """\
The embedded world, test split, last checkpoint, mean ± 95 % interval over four seeds; maps of the
true class, min-max; oracle: box threshold chosen on test, carried: on validation, 0.15: fixed."""
_DONE = "finished"


def add_arguments(parser) -> None:
    """Options of the command."""
    parser.add_argument("--jobs", type=int, default=None, help="trainings side by side")
    parser.add_argument(
        "--records",
        action="store_true",
        help="for maintainers: only train, then replace data/runs by these records and checkpoints",
    )


def main(args) -> int:
    """Run the tutorial; 0 when everything worked."""
    start = time.perf_counter()
    root = project_root()
    folder = root / "results" / ("records" if args.records else "tutorial")
    if (folder / _DONE).exists():
        shutil.rmtree(folder)
    os.environ |= {"ENTREG_RESULTS": str(folder), "ENTREG_FRESH": "1"}

    import matplotlib

    from entreg_utils import data, experiments, figures  # slow to import: only when needed
    from entreg_utils.analysis import readme as reports
    from entreg_utils.analysis import tables
    from entreg_utils.experiments import grids
    from entreg_utils.figures import curves
    from entreg_utils.figures.command import write

    matplotlib.use("agg")  # files are written, no window is opened
    figures.use_style()

    print(f"Training {len(grids.ALL)} small networks on the embedded world into {folder}")
    runs = experiments.sweep(grids.ALL, jobs=args.jobs)[: len(grids.SWEEP)]
    report = tables.report(runs, data.load("toy", "test"))
    trained = time.perf_counter()
    if args.records:
        _replace_records(grids, folder, root / "data" / "runs")
        readme = root / "README.md"
        text = with_block(readme.read_text(encoding="utf-8"), "headline", report)
        atomic_write(readme, with_block(text, "photographs", reports.readme_block()))
        figure, _ = curves.plane(tables.final(runs), tables.history(runs))
        atomic_write(root / "data" / "headline.png", figures.png(figure))
    else:
        print("Executing the notebooks")
        build = [sys.executable, str(root / "notebooks" / "build.py"), "--solved"]
        status = subprocess.run([*build, "--out", str(folder / "notebooks")], env=os.environ)
        if status.returncode:
            print(
                f"A notebook failed (see above); the trained runs are kept in {folder} and the "
                "same command goes on from there.",
                file=sys.stderr,
            )
            return status.returncode
        write(out=folder / "figures")
    atomic_write(folder / _DONE, "all runs trained\n")

    print(f"\n{RULES}\n\n{report}")
    if not args.records:
        print(f"\nNotebooks: {folder / 'notebooks'}\nFigures:   {folder / 'figures'}")
    end = time.perf_counter()
    print(
        f"Training took {(trained - start) / 60:.1f} min, all of it {(end - start) / 60:.1f} min."
    )
    return 0


def with_block(text: str, name: str, report: str) -> str:
    """README's text with what stands between the two marks of block ``name`` replaced."""
    first, last = marks(name)
    before, _, rest = text.partition(first)
    _, _, after = rest.partition(last)
    if not after:
        raise ValueError(f"README.md has no block between {first} and {last}: put it back")
    return f"{before}{first}\n{report}\n{last}{after}"


def marks(name: str) -> tuple[str, str]:
    """The comments between which a block of README stands."""
    return f"<!-- {name}: written by make records -->", f"<!-- end of {name} -->"


def _replace_records(grids, source: Path, target: Path) -> None:
    """Put the records of all grids and the few checkpoints that are committed into ``target``."""
    target.mkdir(parents=True, exist_ok=True)
    for old in [*target.glob("toy-*.json"), *target.glob("toy-*.pt")]:
        old.unlink()
    names = [f"{config.name}.json" for config in grids.ALL]
    names += [f"{config.name}.pt" for config in grids.CHECKPOINTS]
    for name in names:
        atomic_write(target / name, (source / name).read_bytes())
    print(f"{len(names)} files in {target}")
