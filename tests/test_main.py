"""The command line: lazy rooms, errors in one sentence, exit statuses."""

import os
import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest

from entreg_utils import __main__ as cli
from entreg_utils import __version__
from entreg_utils.data import DATASETS
from entreg_utils.experiments import SweepError
from entreg_utils.files import StorageError
from entreg_utils.training import TrainingError


@pytest.fixture
def room(monkeypatch):
    """A command `try` whose function a test sets, and one whose module does not exist."""
    module = SimpleNamespace(tries=lambda argv: None)
    monkeypatch.setitem(sys.modules, "entreg_utils.room", module)
    table = {"try": ("room", "tries", "tries it"), "lost": ("nowhere", "main", "is lost")}
    monkeypatch.setattr(cli, "COMMANDS", table)
    return module


def fails(error):
    def command(argv):
        raise error

    return command


def test_words_reach_the_room_and_its_status_comes_back(room):
    room.tries = len
    assert cli.main(["try", "--eps", "0.3"]) == 2
    room.tries = lambda argv: None
    assert cli.main(["try"]) == 0


@pytest.mark.parametrize(("words", "status"), [([], 2), (["--help"], 0), (["-h"], 0)])
def test_help_lists_every_command_and_imports_none(room, words, status, capsys):
    assert cli.main(words) == status
    printed = capsys.readouterr().out
    assert "tries it" in printed and "is lost" in printed and "--traceback" in printed
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"entreg_utils {__version__}\n"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ValueError("eps is 2; take 0 to 1"), 1, "error: eps is 2; take 0 to 1"),
        (StorageError("no room"), 1, "error: no room"),
        (TrainingError("stopped at step 3"), 1, "error: stopped at step 3"),
        (SweepError("1 of 2 runs failed"), 1, "error: 1 of 2 runs failed"),
        (OSError("no device"), 1, "error: no device"),
        (OSError(36, "File name too long", "xx"), 1, "error: xx: File name too long"),
        (KeyboardInterrupt(), 130, "stopped; what was finished is kept, and the same command"),
    ],
)
def test_an_expected_error_is_one_sentence(room, capsys, error, status, said):
    room.tries = fails(error)
    assert cli.main(["try"]) == status
    printed = capsys.readouterr().err
    assert printed.startswith(said) and printed.count("\n") == 1


def test_a_missing_package_and_an_unknown_command(room, capsys):
    assert cli.main(["lost"]) == 1
    assert "`python -m entreg_utils doctor` says what is missing" in capsys.readouterr().err
    assert cli.main(["nope"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: no command 'nope'\n") and "tries it" in error


def test_an_error_of_someone_else_and_a_traceback_on_demand_are_not_hidden(room):
    room.tries = fails(RuntimeError("out of memory"))
    with pytest.raises(RuntimeError, match="out of memory"):
        cli.main(["try"])
    room.tries = fails(ValueError("eps"))
    with pytest.raises(ValueError, match="eps"):
        cli.main(["--traceback", "try"])


def test_a_warning_is_a_note(room, capsys):
    room.tries = lambda argv: warnings.warn("the cache was damaged", stacklevel=1)
    before = warnings.showwarning
    assert cli.main(["try"]) == 0
    assert capsys.readouterr().err == "note: the cache was damaged\n"
    assert warnings.showwarning is before


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_of_the_course_has_its_help(name, capsys):
    try:
        status = cli.main([name, "--help"])
    except SystemExit as stop:
        status = stop.code
    assert status == 0
    assert f"python -m entreg_utils {name}" in capsys.readouterr().out


def test_the_module_runs_and_passes_its_status_on():
    words = [sys.executable, "-m", "entreg_utils", "data"]
    answer = subprocess.run(words, capture_output=True, text=True)
    assert answer.returncode == 1
    known = ", ".join([*DATASETS, "folder:PATH"])
    assert answer.stderr == f"error: name a data set ({known}), or ask for --list\n"


# ours, one that exits, a long one, one whose own error meets no reader either
@pytest.mark.parametrize(
    ("words", "both"),
    [("--help", False), ("data --help", False), ("doctor", False), ("doctor", True), ("no", True)],
)
def test_a_reader_that_leaves_early_ends_it_without_a_word(words, both):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "entreg_utils", *words.split()]
    answer = subprocess.run(command, stdout=writing, stderr=writing if both else subprocess.PIPE)
    os.close(writing)
    assert (answer.returncode, answer.stderr) == (141, None if both else b"")


@pytest.mark.parametrize(
    ("coding", "shown"), [("ascii", rb"donn\xe9es \u03b5 0"), ("latin-1", b"donn\xe9es \\u03b5 0")]
)
def test_what_a_terminal_cannot_show_loses_nothing_else(coding, shown):
    command = [sys.executable, "-m", "entreg_utils", "donn\u00e9es \u03b5 0"]
    environment = os.environ | {"PYTHONIOENCODING": coding}
    answer = subprocess.run(command, capture_output=True, env=environment)
    assert answer.returncode == 2 and shown in answer.stderr.partition(b"\n")[0]
