"""Sweeps: equal configs once, in order, and one failure does not cost the others."""

import io
import os
import signal
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import active_children

import pytest
from entreg_utils.experiments.board import Board

from entreg_utils.experiments import SweepError, store, sweep
from entreg_utils.experiments.sweep import _note, _train_all


@pytest.fixture
def small(tiny):
    return replace(tiny, num_train=40, epochs=1)


def test_a_failing_run_is_listed_and_the_others_are_stored_in_order(
    project, small, training_counted
):
    bad = replace(small, learning_rate=1e30, epochs=3)
    other = replace(small, seed=1)
    with pytest.raises(SweepError) as caught:
        sweep([small, bad, other, small], jobs=2)
    first, line = str(caught.value).splitlines()
    assert first.startswith("1 of 3 runs failed, 2 are stored; the same call tries only")
    assert line.startswith(f"  {bad.name}: TrainingError: training stopped at step ")
    # What is stored is now loaded: in the order asked for, an equal config giving an equal run.
    runs = sweep([other, small, other])
    assert [result.config for result in runs] == [other, small, other]
    assert training_counted == []
    assert {path.stem for path in project.glob("*.json")} == {small.name, other.name}
    # The cores are shared out among the processes.
    assert runs[0].provenance["threads"] == max(1, (os.cpu_count() or 1) // 2)


@pytest.fixture
def training_counted(monkeypatch):
    from entreg_utils.experiments import runs

    plain, trained = runs._train, []
    monkeypatch.setattr(runs, "_train", lambda *a: (trained.append(a), plain(*a))[1])
    return trained


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_ends_the_processes(project, small):
    """An interrupt that reaches this process alone, as a notebook's stop button sends it."""
    forever = [replace(small, epochs=10_000, seed=seed) for seed in range(3)]
    before = set(active_children())

    def interrupt():
        while not any(project.glob("*.partial")) and not stop.wait(0.05):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    stop = threading.Event()
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        _train_all(forever, jobs=1)
    stop.set()
    # By the process table: the pool's own thread may have collected the exit code before us.
    deadline = time.monotonic() + 60
    while any(is_running(child.pid) for child in set(active_children()) - before):
        assert time.monotonic() < deadline, "a worker outlived the interrupted sweep"
        time.sleep(0.05)
    assert store.find(forever[0]) is None
    assert [path.stem for path in project.glob("*.partial")] == [forever[0].name]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"jobs": 0}, "jobs=0: give at least 1 process"),
        ({"gpus": 0.5}, "shares of a cluster: give cluster="),
        ({"cpus": 2}, "shares of a cluster: give cluster="),
        ({"cluster": "auto", "jobs": 2}, "on a cluster give cpus or gpus"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(project, small, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        sweep([small], **options)
    assert not project.exists()


def test_a_stored_run_needs_no_cluster(stored, tiny, training_forbidden, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert [run.config for run in sweep([tiny, tiny], cluster="auto", gpus=0.5)] == [tiny, tiny]


def test_a_process_that_the_system_ends_is_a_reason_that_names_memory(project, small):
    board = Board([small, replace(small, seed=1)], stream=io.StringIO())
    _note(board, small, BrokenProcessPool("A process in the process pool was terminated abruptly"))
    _note(board, replace(small, seed=1), None)
    (reason,) = board.failures.values()
    assert "want of memory" in reason and "fewer jobs" in reason


def test_nothing_to_do_starts_nothing(project):
    assert sweep([]) == []
