"""``make tutorial``: train the headline fresh, execute the notebooks, compare with the records.

The fresh runs lie in ``results/tutorial``; the notebooks read them there and the rest from the
records that come with the project. With ``--all`` everything of the drawn world is trained. A
tutorial that was interrupted goes on where it stopped; after a finished one the next call begins
anew.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import arg

from entreg_utils.files import atomic_write, checkout, results

RULES = """\
The drawn world, test split, last checkpoint, mean ± 95 % interval over four seeds; maps of the
true class, min-max; oracle: box threshold chosen on test, carried: on validation, 0.15: fixed."""
_DONE = "finished"
_MATTERS = ("cpu", "capability", "torch", "threads", "device")  # to the last bits of a run


def main(argv: list[str]) -> int:
    """``python -m entreg_utils tutorial``."""

    def tutorial(
        jobs: Annotated[int | None, arg(help_behavior_hint="(default: one a usable core)")] = None,
        all: bool = False,
    ) -> int:
        """Train the headline fresh, execute the notebooks, and say how near the records are.

        Args:
            jobs: trainings side by side
            all: train every run of the drawn world, not the sweep
        """
        return run(jobs, all)

    config = (tyro.conf.FlagCreatePairsOff,)
    return tyro.cli(tutorial, prog="python -m entreg_utils tutorial", args=argv, config=config)


def run(jobs: int | None, everything: bool) -> int:
    """The tutorial; 0 when everything worked. ValueError: there are no sources of notebooks."""
    # kernels start elsewhere: for them a relative folder would be another
    start, folder, root = time.perf_counter(), results("tutorial").absolute(), checkout()
    if root is None:
        raise ValueError(
            "an installed package has no sources of notebooks: clone the repository and run "
            "`make tutorial` there"
        )
    begin(folder)

    from entreg_utils import analysis, data, experiments  # slow to import: only when needed
    from entreg_utils.experiments import grids

    configs = grids.ALL if everything else grids.SWEEP
    print(f"Training {len(configs)} small networks on the drawn world into {folder}", flush=True)
    runs = experiments.sweep(configs, jobs=jobs)
    trained = time.perf_counter() - start
    report = analysis.report(runs[: len(grids.SWEEP)], data.load("toy", "test"))
    if not everything:
        del os.environ["ENTREG_FRESH"]  # what was not trained now comes from the records
    if status := notebooks(root, folder / "notebooks"):
        return status
    end(folder)
    print(f"\n{RULES}\n\n{report}\n\n{reproducibility(runs)}")
    print(f"\nNotebooks: {folder / 'notebooks'}")
    took = time.perf_counter() - start
    print(f"Training took {trained / 60:.1f} min, all of it {took / 60:.1f} min.")
    return 0


def begin(folder: Path) -> None:
    """Make ``folder`` the results, empty unless it is of a tutorial that was interrupted."""
    if (folder / _DONE).exists():
        shutil.rmtree(folder)
    os.environ |= {"ENTREG_RESULTS": str(folder), "ENTREG_FRESH": "1"}


def end(folder: Path) -> None:
    """Say there that all is done: the next one begins anew."""
    atomic_write(folder / _DONE, "all runs trained\n")


def reproducibility(runs) -> str:
    """How near fresh runs are to the committed records of the same configs, and why not nearer."""
    import pandas as pd

    from entreg_utils.analysis import HEADLINE
    from entreg_utils.experiments import store

    folder = store.committed_folder()
    fresh = [(one, store.read(folder / f"{one.config.name}.json")) for one in runs]
    pairs = [(one, record) for one, record in fresh if record is not None]
    equal = sum(record["weights_sha256"] == one.weights_sha256 for one, record in pairs)
    lines = [
        f"Reproducibility: {equal} of {len(pairs)} fresh runs have the weights of the committed "
        "records to the bit."
    ]
    if absent := len(fresh) - len(pairs):
        lines.append(f"{absent} have no committed record.")
    if equal < len(pairs):
        here = pd.DataFrame([one.metrics for one, _ in pairs])
        there = pd.DataFrame([record["metrics"] for _, record in pairs])
        apart = (here - there).abs().max().reindex(HEADLINE).dropna()
        scores = ", ".join(f"{HEADLINE[score]} {most:.3f}" for score, most in apart.items())
        others = {
            f"{name} {record['provenance'].get(name, 'not recorded')} there, {own} here"
            for one, record in pairs
            for name, own in one.provenance.items()
            if name in _MATTERS and record["provenance"].get(name) != own
        }
        why = "; ".join(sorted(others)) or "nothing that is recorded differs"
        lines.append(f"Largest difference of a run's score: {scores}. What differs: {why}.")
    return "\n".join(lines)


def notebooks(root: Path, out: Path | None = None) -> int:
    """Execute them, solved into ``out`` or in their place as they are committed; 0 for success."""
    print("Executing the notebooks", flush=True)
    build = [sys.executable, str(root / "notebooks" / "build.py")]
    build += [] if out is None else ["--solved", "--out", str(out)]
    status = subprocess.run(build, env=os.environ).returncode
    if status:
        kept = "the trained runs are kept and the same command goes on from there"
        print(f"A notebook failed (see above); {kept}.", file=sys.stderr)
    return status
