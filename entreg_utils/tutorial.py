"""``make tutorial``: train the headline fresh, execute the notebooks, compare with the records.

The fresh runs lie in ``results/tutorial``; the notebooks read them there and the rest from the
records that come with the project. With ``--all`` everything of the drawn world is trained. A
tutorial that was interrupted goes on where it stopped; after a finished one the next call begins
anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import arg

from entreg_utils.files import atomic_write, own, project_root, results

RULES = """\
The drawn world, test split, last checkpoint, mean ± 95 % interval over four seeds; maps of the
true class, min-max; oracle: box threshold chosen on test, carried: on validation, 0.15: fixed."""
_DONE = "finished"


def main(argv: list[str]) -> int:
    """``python -m entreg_utils tutorial``."""

    def tutorial(
        jobs: Annotated[
            int | None,
            arg(help="trainings side by side", help_behavior_hint="(default: one a usable core)"),
        ] = None,
        all: Annotated[bool, arg(help="train every run of the drawn world, not the sweep")] = False,
        records: Annotated[
            bool, arg(help="for maintainers: train all, then replace data/runs by these records")
        ] = False,
    ) -> int:
        """Train the headline fresh, execute the notebooks, and say how near the records are."""
        return run(jobs, all or records, records)

    config = (tyro.conf.FlagCreatePairsOff,)
    return tyro.cli(tutorial, prog="python -m entreg_utils tutorial", args=argv, config=config)


def run(jobs: int | None, everything: bool, records: bool) -> int:
    """The tutorial; 0 when everything worked."""
    start, root = time.perf_counter(), project_root()
    folder = results("records" if records else "tutorial")
    if (folder / _DONE).exists():
        shutil.rmtree(folder)
    os.environ |= {"ENTREG_RESULTS": str(folder), "ENTREG_FRESH": "1"}

    from entreg_utils import analysis, data, experiments  # slow to import: only when needed
    from entreg_utils.experiments import grids

    configs = grids.ALL if everything else grids.SWEEP
    print(f"Training {len(configs)} small networks on the drawn world into {folder}")
    runs = experiments.sweep(configs, jobs=jobs)
    trained = time.perf_counter()
    report = analysis.report(runs[: len(grids.SWEEP)], data.load("toy", "test"))
    said = reproducibility(runs)
    if records:
        _replace_records(folder, root / "data" / "runs")
        readme = root / "README.md"
        text = with_block(readme.read_text(encoding="utf-8"), "headline", report)
        atomic_write(readme, with_block(text, "photographs", analysis.readme_block()))
    if not everything or records:
        del os.environ["ENTREG_FRESH"]  # what was not trained now comes from the records
    status = _notebooks(root, None if records else folder / "notebooks")
    if status:
        return status
    if records:
        from entreg_utils.figures import command

        pictures = own("results", "figures")
        command.write(["plane"], pictures)
        atomic_write(root / "data" / "headline.png", (pictures / "plane.png").read_bytes())
    atomic_write(folder / _DONE, "all runs trained\n")
    print(f"\n{RULES}\n\n{report}\n\n{said}")
    if not records:
        print(f"\nNotebooks: {folder / 'notebooks'}")
    end = time.perf_counter()
    print(
        f"Training took {(trained - start) / 60:.1f} min, all of it {(end - start) / 60:.1f} min."
    )
    return 0


def reproducibility(runs) -> str:
    """How near fresh runs are to the committed records of the same configs, and why not nearer."""
    from entreg_utils.analysis import HEADLINE
    from entreg_utils.experiments import store

    equal, largest, others, absent = 0, {}, set(), 0
    for one in runs:
        record = store.read(store.committed_folder() / f"{one.config.name}.json")
        if record is None:
            absent += 1
            continue
        equal += record["weights_sha256"] == one.weights_sha256
        for score, title in HEADLINE.items():
            change = abs(one.metrics[score] - record["metrics"][score])
            largest[title] = max(largest.get(title, 0.0), change)
        origin = record["provenance"]
        others |= {
            f"{name} {origin.get(name, 'not recorded')} there, {one.provenance[name]} here"
            for name in ("cpu", "capability", "torch", "threads", "device")
            if origin.get(name) != one.provenance[name]
        }
    compared = len(runs) - absent
    lines = [
        f"Reproducibility: {equal} of {compared} fresh runs have the weights of the committed "
        "records to the bit."
    ]
    lines += [f"{absent} have no committed record."] * bool(absent)
    if compared and equal < compared:
        scores = ", ".join(f"{title} {change:.3f}" for title, change in largest.items())
        why = "; ".join(sorted(others)) or "nothing that is recorded differs"
        lines.append(f"Largest difference of a run's score: {scores}. What differs: {why}.")
    return "\n".join(lines)


def _notebooks(root: Path, out: Path | None) -> int:
    print("Executing the notebooks")
    build = [sys.executable, str(root / "notebooks" / "build.py")]
    build += [] if out is None else ["--solved", "--out", str(out)]
    status = subprocess.run(build, env=os.environ).returncode
    if status:
        print(
            "A notebook failed (see above); the trained runs are kept and the same command goes on "
            "from there.",
            file=sys.stderr,
        )
    return status


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


def _replace_records(source: Path, target: Path) -> None:
    """Put the records of all grids and the few checkpoints that are committed into ``target``."""
    from entreg_utils.experiments import grids

    target.mkdir(parents=True, exist_ok=True)
    for old in [*target.glob("toy-*.json"), *target.glob("toy-*.pt")]:
        old.unlink()
    names = [f"{config.name}.json" for config in grids.ALL]
    names += [f"{config.name}.pt" for config in grids.CHECKPOINTS]
    for name in names:
        atomic_write(target / name, (source / name).read_bytes())
    print(f"{len(names)} files in {target}")
