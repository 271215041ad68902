"""``python -m entreg_utils COMMAND``: one thin door to what can be done from the command line.

A command is a function of a module that takes the words behind its name; the module is imported
only when it is called, so that ``doctor`` runs where half the packages are missing.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import warnings

from entreg_utils import __version__

# name: (module, function of it, what it does)
COMMANDS = {
    "data": ("data.fetch", "main", "make or fetch a data set, check it, and say where it is"),
    "run": ("commands", "run_command", "one training, loaded or done now, and its scores"),
    "sweep": ("commands", "sweep_command", "many runs, and the table they make"),
    "predict": ("predict.command", "main", "classes, maps, boxes and overlays of photographs"),
    "score": ("score.command", "main", "numbers for maps that exist, against boxes and masks"),
    "figures": ("figures.command", "main", "figures of the notebooks, as files"),
    "marks": ("checks.marks", "main", "the table of a class, from what checks.report() wrote"),
    "tutorial": ("tutorial", "main", "train the headline fresh and execute the notebooks"),
    "doctor": ("doctor", "main", "versions, device, and what is missing with its remedy"),
}
USAGE = "usage: python -m entreg_utils [--version] [--traceback] COMMAND ...\n\n{}\n\n{}"


def _help() -> str:
    lines = [f"  {name:10} {purpose}" for name, (_, _, purpose) in COMMANDS.items()]
    more = "python -m entreg_utils COMMAND --help says more; --traceback where an error came from."
    return USAGE.format("\n".join(lines), more)


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(_help())
        return 0 if argv else 2
    if argv[0] == "--version":
        print(f"entreg_utils {__version__}")
        return 0
    if argv[0] not in COMMANDS:
        print(f"error: no command {argv[0]!r}\n\n{_help()}", file=sys.stderr)
        return 2
    module, function, _ = COMMANDS[argv[0]]
    command = getattr(importlib.import_module(f"entreg_utils.{module}"), function)
    return command(argv[1:]) or 0


def _note(message, *_, **__) -> None:
    """A warning, for someone who asked for a result and not for a line of code."""
    print(f"note: {message}", file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status; errors end in one sentence on stderr.

    What the terminal cannot show is written as \\u20ac; a reader that leaves early, as ``| head``
    does, ends the command without a word (status 141, as the shell has it).
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return _status(sys.argv[1:] if argv is None else argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):  # Python flushes once more
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 141


def _status(argv: list[str]) -> int:
    if "--traceback" in argv:
        return _run([word for word in argv if word != "--traceback"])
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _note
            return _run(argv)
    except ImportError as error:
        message = f"{error}; `python -m entreg_utils doctor` says what is missing"
    except (RuntimeError, ValueError) as error:
        # ours (StorageError, TrainingError) by name, for their rooms import torch
        if isinstance(error, RuntimeError) and not type(error).__module__.startswith(__package__):
            raise
        message = str(error)
    except BrokenPipeError:
        raise
    except OSError as error:  # that no room foresaw: a disk, a name that is too long
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except KeyboardInterrupt:
        print("stopped; what was finished is kept, and the same command goes on", file=sys.stderr)
        return 130
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
