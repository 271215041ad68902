"""The command line: lazy rooms, errors in one sentence, exit statuses."""

import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest

from entreg_utils import __main__ as cli
from entreg_utils.data import DATASETS
from entreg_utils.experiments import SweepError
from entreg_utils.files import StorageError
from entreg_utils.training import TrainingError


@pytest.fixture
def room(monkeypatch):
    """A command `try` whose main a test sets, and one whose module does not exist."""
    module = SimpleNamespace(
        add_arguments=lambda parser: parser.add_argument("--eps", type=float, default=0.5),
        main=lambda args: None,
    )
    monkeypatch.setitem(sys.modules, "entreg_utils_room", module)
    table = {"try": ("entreg_utils_room", "tries"), "lost": ("entreg_utils_lost", "is lost")}
    monkeypatch.setattr(cli, "COMMANDS", table)
    return module


def fails(error):
    def main(args):
        raise error

    return main


def test_arguments_reach_the_room_and_its_status_comes_back(room):
    room.main = lambda args: round(10 * args.eps)
    assert cli.main(["try", "--eps", "0.3"]) == 3
    assert cli.main(["try"]) == 5
    room.main = lambda args: None
    assert cli.main(["try"]) == 0


def test_help_lists_every_command_and_imports_none(room, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert "tries" in printed and "is lost" in printed


@pytest.mark.parametrize(
    "error",
    [
        ValueError("eps is 2; take 0 to 1"),
        StorageError("no room"),
        TrainingError("training stopped at step 3"),
        SweepError("1 of 2 runs failed"),
    ],
)
def test_an_expected_error_is_one_sentence(room, capsys, error):
    room.main = fails(error)
    assert cli.main(["try"]) == 1
    assert capsys.readouterr().err == f"error: {error}\n"


def test_an_error_of_someone_else_is_not_hidden(room):
    room.main = fails(RuntimeError("out of memory"))
    with pytest.raises(RuntimeError, match="out of memory"):
        cli.main(["try"])


def test_a_warning_is_a_note(room, capsys):
    room.main = lambda args: warnings.warn("the cache was damaged", stacklevel=1)
    before = warnings.showwarning
    assert cli.main(["try"]) == 0
    assert capsys.readouterr().err == "note: the cache was damaged\n"
    assert warnings.showwarning is before


def test_help_names_a_default_only_where_there_is_one(room, capsys):
    def add_arguments(parser):
        parser.add_argument("--eps", type=float, default=0.0, help="a strength")
        parser.add_argument("--out", help="a folder")
        parser.add_argument("--fresh", action="store_true", help="anew")

    room.add_arguments = add_arguments
    with pytest.raises(SystemExit):
        cli.main(["try", "--help"])
    printed = capsys.readouterr().out
    assert "a strength (default: 0.0)\n" in printed
    assert "a folder\n" in printed and "anew\n" in printed


@pytest.mark.parametrize("name", ["data", "run", "sweep", "figures", "doctor"])
def test_every_command_of_the_course_has_its_help(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"])
    assert stop.value.code == 0
    assert f"python -m entreg_utils {name}" in capsys.readouterr().out


def test_the_module_runs_and_passes_its_status_on():
    words = [sys.executable, "-m", "entreg_utils", "data"]
    answer = subprocess.run(words, capture_output=True, text=True)
    assert answer.returncode == 1
    known = ", ".join(DATASETS)
    assert answer.stderr == f"error: name a data set, one of {known}, or ask for --list\n"


def test_traceback_on_demand(room):
    room.main = fails(ValueError("eps"))
    with pytest.raises(ValueError, match="eps"):
        cli.main(["--traceback", "try"])


def test_a_missing_package_points_to_the_doctor(room, capsys):
    assert cli.main(["lost"]) == 1
    assert "`python -m entreg_utils doctor` says what is missing" in capsys.readouterr().err


def test_ctrl_c(room, capsys):
    room.main = fails(KeyboardInterrupt())
    assert cli.main(["try"]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_an_unknown_command_is_refused(room, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["nope"])
    assert stop.value.code == 2
    assert "'nope'" in capsys.readouterr().err
