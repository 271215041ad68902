"""Build the notebooks from their sources: ``python notebooks/build.py [NN ...]``.

Each source is executed from top to bottom in a fresh kernel and written to ``NN_topic.ipynb``; its
student's copy is run through as well, unsolved, and written without outputs (see ``convert.py``).
Files are replaced whole or not at all, and only when every rule is met: no error, nothing on
stderr, no memory address and no path of this machine in an output, no text of a figure below the
contrast 4.5, at most 1.5 MB.

The same source gives the same file, byte for byte: cell ids come from positions, and neither times
nor versions are stored. Of a widget, the picture that its output carries is stored, with its
sentence under it as under any figure: without a kernel its controls would move, and the picture
not follow. A widget without a picture is refused: use ``entreg_utils.widgets.Explorer``.
"""

import argparse
import copy
import os
import re
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import nbformat
from convert import METADATA, BuildError, orphans, out_of_step, render, solved, student
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from tqdm import tqdm

from entreg_utils.files import StorageError, atomic_write, expand

HERE = Path(__file__).resolve().parent
MOST_BYTES = 1_500_000
CELL_SECONDS = 900  # a cell may train a few networks; every other one ends within seconds
VIEW = "application/vnd.jupyter.widget-view+json"


def execute(notebook: NotebookNode, folder: Path = HERE) -> NotebookNode:
    """A copy of the notebook with every cell run in order in a fresh kernel of this Python.

    A message between client and kernel is lost now and then, and both wait; a cell that takes
    longer than :data:`CELL_SECONDS` therefore has the notebook begun again, twice at most.

    Args:
        folder: the kernel's working folder.

    Raises:
        BuildError: a cell raises or takes too long, or its kernel dies.
    """
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this Python's kernel before the user's own
    os.environ["TQDM_DISABLE"] = "1"  # a bar would stand in an output where this machine is slow
    os.environ["ENTREG_CONTRAST"] = "1"  # a figure with a text that cannot be read is refused
    for _ in range(3):
        executed = copy.deepcopy(notebook)
        client = NotebookClient(
            executed,
            timeout=CELL_SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            record_timing=False,
        )
        try:
            client.execute()
            for cell in executed.cells:
                if cell.cell_type == "code":
                    cell.outputs = joined(cell.outputs)
            return executed
        except CellTimeoutError:
            continue
        except CellExecutionError as error:
            raise BuildError(f"a cell failed:\n{error}") from None
        except DeadKernelError as error:
            raise BuildError(f"the kernel died (out of memory?): {error}") from None
    raise BuildError(f"a cell took longer than {CELL_SECONDS} s, three times")


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs in which prints that follow each other are one; a picture between two stays there."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if kept and output.get("name", 0) == kept[-1].get("name"):
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def tidy(notebook: NotebookNode, name: str) -> NotebookNode:
    """Refuse outputs that would differ or mislead; put its picture in the place of a widget."""
    homes = HERE.parent, Path(os.path.expanduser("~"))  # which stays ~ where there is none
    private = [str(path) for path in homes if len(path.parts) > 1]
    for index, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        for output in cell.outputs:
            where = f"{name}: code cell {index}"
            if output.output_type == "error":
                raise BuildError(f"{where} raises {output.ename}: {output.evalue}")
            if output.get("name") == "stderr":
                raise BuildError(f"{where} writes to stderr: {output.text.strip()[:300]}")
            text = output.get("text", "") + str(output.get("data", {}).get("text/plain", ""))
            if re.search(r" at 0x[0-9a-f]{6,}", text):
                raise BuildError(f"{where} prints a memory address, which differs each time")
            if any(path in text for path in private):
                raise BuildError(f"{where} prints a path of this machine")
        cell.outputs = [part for output in cell.outputs for part in _still(output, name)]
    notebook.metadata = nbformat.from_dict(METADATA)  # execution adds versions and widgets' state
    text = nbformat.writes(notebook)
    if len(text.encode()) > MOST_BYTES:
        raise BuildError(f"{name}: {len(text.encode()) / 1e6:.2f} MB, over 1.5 MB; fewer figures")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    return notebook


def _still(output: NotebookNode, name: str) -> list[NotebookNode]:
    """The output as it is; of a widget, its picture and the printed sentence."""
    if output.get("data", {}).pop(VIEW, None) is None:
        return [output]
    if "image/png" not in output.data:
        raise BuildError(
            f"{name}: a widget has no picture for a page without a kernel; use Explorer"
        )
    sentence = textwrap.fill(output.data["text/plain"], 76, break_on_hyphens=False) + "\n"
    return [output, new_output("stream", name="stdout", text=sentence)]


def build(source: Path, out: Path = HERE, folder: Path = HERE, students: bool = True) -> None:
    """Build both notebooks of one source, and write them.

    The student's copy is run too, unsolved, and not stored: it must reach its end.

    Raises:
        BuildError: a rule is broken; nothing is written then.
        StorageError: a file cannot be written.
    """
    name, students_copy = f"{source.stem}.ipynb", student(source) if students else None
    notebook = tidy(execute(solved(source), folder), name)
    if students_copy is not None:
        (out / "exercises").mkdir(parents=True, exist_ok=True)
        tidy(execute(student(source), out / "exercises"), f"exercises/{name}")
        atomic_write(out / "exercises" / name, render(students_copy))
    atomic_write(out / name, render(notebook))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build notebooks/*.ipynb from notebooks/src/*.py.")
    parser.add_argument("numbers", nargs="*", metavar="NN", help="numbers such as 02; all if none")
    parser.add_argument("--out", type=expand, default=HERE, help="folder for the built notebooks")
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 if out of step")
    parser.add_argument("--solved", action="store_true", help="leave the student copies out")
    parser.add_argument("--jobs", type=int, default=1, help="notebooks built at the same time")
    args = parser.parse_args(argv)
    sources = sorted((HERE / "src").glob("[0-9][0-9]_*.py"))
    unknown = set(args.numbers) - {source.name[:2] for source in sources}
    if unknown or not sources:
        parser.error(f"no source in {HERE / 'src'} for {' '.join(sorted(unknown)) or 'any number'}")
    chosen = [item for item in sources if not args.numbers or item.name[:2] in args.numbers]
    if args.check:
        faults = orphans(args.out) if not args.numbers else []
        for source in chosen:
            faults += out_of_step(source, args.out)
        print("\n".join(faults) or f"{len(chosen)} notebooks are in step with their sources")
        return 1 if faults else 0
    # Kernels that run side by side share the cores instead of fighting over them.
    threads = max(1, (os.cpu_count() or 1) // max(1, args.jobs))
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    failures = []
    with ProcessPoolExecutor(max_workers=max(1, args.jobs)) as pool:
        jobs = {
            pool.submit(build, source, args.out, HERE, not args.solved): source for source in chosen
        }
        with tqdm(total=len(jobs), unit="notebook") as bar:
            for job in as_completed(jobs):
                try:
                    job.result()
                except (BuildError, StorageError) as error:
                    failures.append(f"{jobs[job].name}: {error}")
                bar.set_postfix_str(jobs[job].stem)
                bar.update()
    for line in sorted(failures):
        print("failed:", line, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
