"""``python -m entreg_utils COMMAND``: one thin door to the rooms that have a command.

A command is a module with ``add_arguments(parser)`` and ``main(args) -> int | None``; it is
imported only when it is called, so that ``doctor`` runs where half the packages are missing.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import warnings

from entreg_utils import __version__

PURPOSE = "Data, training, figures and set-up of the course, from the command line."
# name: (module with add_arguments and main, what it does)
COMMANDS = {
    "data": (
        "entreg_utils.data.command",
        "make or fetch a data set, check it, and say where it is",
    ),
    "run": ("entreg_utils.experiments.command", "one training, loaded or done now, its scores"),
    "sweep": ("entreg_utils.experiments.sweep_command", "many runs, and the table they make"),
    "figures": ("entreg_utils.figures.command", "the figures of the sweep, as files"),
    "tutorial": ("entreg_utils.tutorial", "train everything fresh and execute the notebooks"),
    "doctor": ("entreg_utils.doctor", "versions, device, and what is missing with its remedy"),
}


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Help that names a default only where there is one to name."""

    def _get_help_string(self, action):
        none = action.default is None or action.default is False
        return action.help if none else super()._get_help_string(action)


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m entreg_utils", description=PURPOSE)
    parser.add_argument("--version", action="version", version=f"entreg_utils {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where an error came from")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module_name, purpose) in COMMANDS.items():
        child = commands.add_parser(
            name,
            help=purpose,
            description=purpose[0].upper() + purpose[1:] + ".",
            formatter_class=_Defaults,
        )
        if name == chosen:
            module = importlib.import_module(module_name)
            module.add_arguments(child)
            child.set_defaults(main=module.main)
    return parser


def _run(argv: list[str]) -> int:
    chosen = next((word for word in argv if not word.startswith("-")), None)
    args = _parser(chosen).parse_args(argv)
    return args.main(args) or 0


def _note(message, *_, **__) -> None:
    """A warning, for someone who asked for a result and not for a line of code."""
    print(f"note: {message}", file=sys.stderr)


def _is_ours(error: RuntimeError) -> bool:
    """StorageError, TrainingError, SweepError: told apart by name, for their rooms import torch."""
    return type(error).__module__.startswith("entreg_utils.")


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status; errors end in one sentence on stderr."""
    argv = sys.argv[1:] if argv is None else argv
    if "--traceback" in argv:
        return _run(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _note
            return _run(argv)
    except ImportError as error:
        message = f"{error}; `python -m entreg_utils doctor` says what is missing"
    except (RuntimeError, ValueError) as error:
        if isinstance(error, RuntimeError) and not _is_ours(error):
            raise
        message = str(error)
    except KeyboardInterrupt:
        print("stopped; what was finished is kept, and the same command goes on", file=sys.stderr)
        return 130
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
