"""What a student passed, as a file, and the table of a class: ``python -m entreg_utils marks``.

Every check leaves its outcome in the session, which is the kernel of one notebook. :func:`report`
writes the session as JSON, with a digest of what it says. The digest tells of a file that was cut
short or edited by hand; whoever reads this module can make another one, so it is no proof.
"""

import getpass
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro
from tyro.conf import Positional, arg

from entreg_utils import files
from entreg_utils.checks.check import NONE, SESSION, WORDS, passing
from entreg_utils.files import StorageError, atomic_write

NO_REPORT = "is no report of checks.report()"


def report(path: Path | str | None = None, name: str = "", notebook: str = "") -> None:
    """Write what the checks of this session saw as JSON, and print one sentence.

    What an earlier report in the same file says was passed stays passed. Where no exercise has an
    answer yet, nothing is written.

    Args:
        path: the file, which ends in ``.json``, or a folder for ``NAME_NOTEBOOK.json``; by default
            the folder ``marks`` of this reader's results.
        name: the student's; by default ``ENTREG_STUDENT``, and where that is not set the login's.
        notebook: its number, such as ``"02"``; keeps its exercises apart from those of others.

    Raises:
        StorageError: the file cannot be written, or is something else than this student's report.
    """
    if not any(entry["attempts"] for entry in SESSION.values()):
        print("No exercise has an answer yet, so there is nothing to write down.")
        return
    name = _line(name) or _line(os.environ.get("ENTREG_STUDENT", "")) or _login()
    path = files.results("marks") if path is None else files.path_from(path, "path")
    if path.suffix != ".json":
        path /= re.sub(r"\W+", "_", f"{name} {notebook}".strip()) + ".json"
    exercises = {exercise: dict(entry) for exercise, entry in SESSION.items()}
    if path.exists():
        before = read(path)
        if (before["name"], before["notebook"]) != (name, notebook):
            whose = f"the report of {before['name']} on notebook {before['notebook'] or '(none)'}"
            raise StorageError(f"{path} is {whose}: give another path")
        kept = {k: e for k, e in before["exercises"].items() if e["passed"] or k not in exercises}
        exercises |= kept
    body = {"name": name, "notebook": notebook, "exercises": exercises}
    atomic_write(path, json.dumps(body | {"digest": _digest(body)}, indent=1) + "\n")
    passed = sum(entry["passed"] for entry in exercises.values())
    print(f"{name}: {passed} of {len(exercises)} exercises passed. The file:\n{path}")


def read(path: Path | str) -> dict:
    """A report's ``name``, ``notebook``, and ``exercises``: entries of a session, by name.

    Raises:
        StorageError: the file is no report, or says something else than was written.
    """
    try:
        body = files.parsed(files.read_bytes(path) or b"")
    except ValueError:
        body = None
    if not isinstance(body, dict) or set(body) != {"name", "notebook", "exercises", "digest"}:
        raise StorageError(f"{path} {NO_REPORT}")
    if body.pop("digest") != _digest(body):
        why = "was changed after it was written, and does not count: delete it, and report() again"
        raise StorageError(f"{path} {why}")
    return body


def class_table(folder: Path | str) -> tuple[pd.DataFrame, dict[str, str], list[str]]:
    """The marks in the reports below a folder, the most frequent slips, and what was odd.

    Returns:
        A row a student; a column a notebook and exercise, 1 passed, 0 not yet, empty not handed in;
        last ``passed``, the sum. By column, the row of ``words.toml`` that met most wrong answers.
        A sentence for each file that was changed or comes twice, and for those that are no report.

    Raises:
        StorageError: no report in it.
    """
    rows, slips, seen, odd, strangers = [], {}, {}, [], []
    for path in sorted(files.expand(folder).rglob("*.json")):
        try:
            told = read(path)
        except StorageError as error:
            (strangers if NO_REPORT in str(error) else odd).append(str(error))
            continue
        name, notebook = _line(told["name"]), _line(told["notebook"])
        first = seen.setdefault((name, notebook), path)
        if first != path:
            odd.append(f"{path} is of {name}, as {first} is: what is passed in either counts")
        for exercise, entry in told["exercises"].items():
            title = f"{notebook} {exercise}".strip()
            order = [*WORDS].index(exercise) if exercise in WORDS else len(WORDS)
            rows.append((name, notebook, order, title, int(entry["passed"])))
            fine = {NONE, *passing(WORDS.get(exercise, {}))}
            wrong = {kind: count for kind, count in entry["said"].items() if kind not in fine}
            slips.setdefault(title, Counter()).update(wrong)
    odd += strangers[:1] + [f"{len(strangers) - 1} more files are no report"] * (len(strangers) > 1)
    if not rows:
        raise StorageError(f"{folder} holds no report: {'; '.join(odd[:3]) or 'no .json in it'}")
    long = pd.DataFrame(rows, columns=["student", "notebook", "order", "title", "passed"])
    titles = long.sort_values(["notebook", "order", "title"]).title.unique()
    table = long.pivot_table("passed", "student", "title", aggfunc="max")[titles].astype("Int64")
    most = {title: slips[title].most_common(1) for title in titles}
    most = {title: f"{top[0][0]}, {top[0][1]} times" for title, top in most.items() if top}
    return table.rename_axis(columns=None).assign(passed=table.sum(axis=1)), most, odd


def main(argv: list[str]) -> int:
    """``python -m entreg_utils marks``."""

    def command(
        folder: Positional[Path],
        csv: Annotated[Path | None, arg(help="write the table to this file, too")] = None,
    ) -> int:
        """The table of a class, from the files that checks.report() wrote.

        A row a student, a column an exercise: 1 passed, 0 not yet, empty not handed in. Below it
        the slip that the checks met most often (a row of words.toml), and what was odd.

        Args:
            folder: all .json files in it and below it are read.
        """
        table, slips, odd = class_table(folder)
        lines = [table.to_string(line_width=79, na_rep="")]
        lines += [f"most frequent slip, {name}: {slip}" for name, slip in slips.items()]
        print("\n".join(lines + [f"note: {sentence}" for sentence in odd]))
        if csv is not None:
            atomic_write(csv, table.to_csv())
        return 0

    return tyro.cli(command, prog="python -m entreg_utils marks", args=argv)


def _line(text) -> str:
    """In one line, without a sign at its begin that a spreadsheet would compute."""
    return " ".join(str(text).split()).lstrip("=+-@ ")


def _login() -> str:
    try:
        return _line(getpass.getuser()) or "nobody"
    except (OSError, KeyError, ImportError):  # a container whose user has no name
        return "nobody"


def _digest(body: dict) -> str:
    return files.sha256(json.dumps(body, sort_keys=True).encode())
