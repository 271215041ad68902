"""The board of a sweep, as a terminal and as a log would get it."""

import io
import os
import re
import shutil
from dataclasses import replace

import pytest
from entreg_utils.experiments.board import Board, duration, group_of

from entreg_utils.experiments import Config

RUNS = [Config(seed=seed) for seed in range(3)]
OTHERS = [replace(config, method="has") for config in RUNS[:2]]


class Terminal(io.StringIO):
    """A screen that understands what the board draws with: up so many lines, and clear."""

    def isatty(self):
        return True

    def screen(self):
        shown = ""
        for text in re.split(r"(\x1b\[\d+F\x1b\[J)", self.getvalue()):
            up = re.fullmatch(r"\x1b\[(\d+)F\x1b\[J", text)
            if up:
                lines = shown.splitlines(keepends=True)
                assert shown.endswith("\n") and int(up[1]) <= len(lines)
                shown = "".join(lines[: -int(up[1])])
            else:
                shown += text
        return shown.splitlines()


def test_a_log_has_one_line_a_change_with_the_counts():
    time = [0.0]
    log = io.StringIO()
    with Board(RUNS, log, clock=lambda: time[0]) as board:
        board.running({RUNS[0]: "a", RUNS[1]: "b"})
        board.running({RUNS[0]: "a", RUNS[1]: "b"})  # nothing new, nothing said
        time[0] = 60.0
        board.done(RUNS[0])
        board.running({})
        board.running({RUNS[1]: "a, attempt 2"})
        board.failed(RUNS[1], "TrainingError: no")
        board.running({RUNS[0]: "a", RUNS[1]: "a"})  # late news of finished runs change nothing
    names = [config.name for config in RUNS]
    lines = [line[9:] for line in log.getvalue().splitlines()]  # without the time of day
    assert lines == [
        f"started {names[0]} on a (0 done, 2 running, 0 failed, 1 left of 3)",
        f"started {names[1]} on b (0 done, 2 running, 0 failed, 1 left of 3)",
        # one run in a minute: two more minutes
        f"done {names[0]} (1 done, 1 running, 0 failed, 1 left of 3, about 2 min left)",
        f"lost {names[1]}: it will be started again (1 done, 0 running, 0 failed, 2 left of 3, "
        "about 2 min left)",
        f"started {names[1]} on a, attempt 2 (1 done, 1 running, 0 failed, 1 left of 3, "
        "about 2 min left)",
        f"failed {names[1]}: TrainingError: no (1 done, 0 running, 1 failed, 1 left of 3, "
        "about 30 s left)",
    ]
    assert board.failures == {RUNS[1]: "TrainingError: no"}
    assert board.unfinished() == [RUNS[2]]


def test_a_terminal_shows_one_table_and_above_it_what_failed(monkeypatch):
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((100, 30)))
    screen = Terminal()
    with Board([*RUNS, *OTHERS], screen, clock=lambda: 0.0) as board:
        board.running({RUNS[0]: "", OTHERS[0]: ""})
        board.failed(RUNS[0], "no room")
        board.done(OTHERS[0])
    assert screen.screen() == [
        f"failed {RUNS[0].name}: no room",
        "                done  running   failed     left",
        "toy toy cam        0        0        1        2",
        "toy toy has        1        0        0        1",
        "all runs           1        0        1        3, about 0 s left",
    ]


@pytest.mark.parametrize("size", [(30, 40), (100, 6)])
def test_what_does_not_fit_a_small_terminal_is_cut_not_scrolled(monkeypatch, size):
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size(size))
    many = [replace(RUNS[0], method=m) for m in ("cam", "has", "cutmix", "adl", "rdap")]
    screen = Terminal()
    with Board(many, screen, clock=lambda: 0.0) as board:
        for config in many:
            board.running({config: ""})
    lines = screen.screen()
    assert max(map(len, lines)) < size[0] and len(lines) <= size[1] - 2
    assert lines[-1].startswith("all runs")


def test_groups_and_durations():
    assert group_of(OTHERS[0]) == "toy toy has"
    seconds = (0, 89, 90, 5399, 5400, 47 * 3600, 72 * 3600)
    assert [duration(value) for value in seconds] == [
        "0 s",
        "89 s",
        "2 min",
        "90 min",
        "1.5 h",
        "47.0 h",
        "3.0 days",
    ]
