"""Sweeps: equal configs once, in order, one failure does not cost the others; and their board."""

import builtins
import inspect
import io
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import active_children

import pytest

from entreg_utils.ahead import usable_cores
from entreg_utils.experiments import Config, SweepError, run, store, sweep
from entreg_utils.experiments import sweep as sweep_function
from entreg_utils.experiments.sweep import Board, _train_all, keep_memory

MODULE = sys.modules[sweep_function.__module__]
RUNS = [Config(seed=seed) for seed in range(3)]


@pytest.fixture
def small(tiny):
    return replace(tiny, num_train=40, epochs=1)


@pytest.fixture
def trained_here(monkeypatch):
    """The configs that this process trains."""
    module = sys.modules[run.__module__]
    configs, plain = [], module._train
    monkeypatch.setattr(module, "_train", lambda c, *a: (configs.append(c), plain(c, *a))[1])
    return configs


OWN = "def pull(z):\n    return {} * z.softmax(1).square().sum(1)\n"
PROBE = "def probe(model, view, prediction):\n    return {'images': len(prediction.logits)}\n"


def test_two_processes_train_own_code_and_one_failure_does_not_cost_the_others(
    project, small, own_code, trained_here
):
    own_code("mine", OWN.format(1) + PROBE)
    bad = replace(small, learning_rate=1e30, epochs=3)
    own = replace(small, seed=1, regularizer="mine:pull", probes=["mine:probe"])
    with pytest.raises(SweepError) as caught:
        sweep([small, bad, own, small], jobs=2)
    first, line = str(caught.value).splitlines()
    assert first.startswith("1 of 3 runs failed, 2 are stored; the same call tries only")
    assert line.startswith(f"  {bad.name}: TrainingError: training stopped at step ")
    # What is stored is now loaded: in the order asked for, an equal config giving an equal run.
    runs = sweep([own, small, own])
    assert [result.config for result in runs] == [own, small, own]
    assert trained_here == [] and "mine" not in sys.modules
    assert {path.stem for path in project.glob("*.json")} == {small.name, own.name}
    assert runs[0].metrics["images"] == len(runs[0].outcomes["right"])
    # The cores are shared out among the processes.
    assert runs[0].provenance["threads"] == max(1, usable_cores() // 2)
    path = store.path_of(own)
    own_code("mine", OWN.format(2) + PROBE)
    assert store.find(own) is None  # another function, and another run
    assert set(store.read(path)["code"]) == {"mine:pull", "mine:probe"}  # the old record stays


def test_functions_that_do_not_travel_are_trained_with_in_this_process(
    project, small, trained_here, monkeypatch
):
    def probe(model, view, prediction):
        return {"images": len(prediction.logits)}

    away = []
    monkeypatch.setattr(MODULE, "_train_all", lambda configs, jobs, board: away.extend(configs))
    here, bad = replace(small, probes=[probe]), replace(small, probes=[lambda *_: 3])
    with pytest.raises(SweepError, match="1 of 3 runs failed.*\n.*ValueError: the probe .* gave 3"):
        sweep([here, small, bad], jobs=2)
    assert away == [small] and trained_here == [here, bad]
    assert run(here).metrics["images"] == 64


def test_warnings_of_the_runs_are_shown_by_the_board_and_each_once(monkeypatch):
    monkeypatch.setattr(
        MODULE, "run", lambda config, progress: warnings.warn("chance", stacklevel=1)
    )
    stream = io.StringIO()
    with Board(RUNS, stream) as board:
        for config in RUNS:
            board.noted(MODULE._run_quietly(config))
    assert stream.getvalue() == "note: chance\n"


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def ctrl_c():
    """Ctrl-C interrupts, also where the shell starts this process with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_the_processes(project, small, ctrl_c):
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
        _train_all(forever, 1, Board(forever, io.StringIO()))
    stop.set()
    # By the process table: the pool's own thread may have collected the exit code before us.
    deadline = time.monotonic() + 60
    while any(is_running(child.pid) for child in set(active_children()) - before):
        assert time.monotonic() < deadline, "a worker outlived the interrupted sweep"
        time.sleep(0.05)
    assert store.find(forever[0]) is None
    assert [path.stem for path in project.glob("*.partial")] == [forever[0].name]


def test_a_process_that_the_system_ends_is_a_reason_that_names_memory(project, small, monkeypatch):
    class Pool:
        outcomes = [BrokenProcessPool("terminated abruptly"), None]

        def __init__(self, *_):
            pass

        def submit(self, function, settings):
            future, error = Future(), self.outcomes.pop(0)
            future.set_exception(error) if error else future.set_result([])
            return future

        def shutdown(self):
            pass

    monkeypatch.setattr(MODULE, "ProcessPoolExecutor", Pool)
    log = io.StringIO()
    board = Board([small, RUNS[1]], log)
    _train_all([small, RUNS[1]], 2, board)
    assert list(board.failures) == [small]
    assert "want of memory" in board.failures[small] and "fewer jobs" in board.failures[small]
    assert log.getvalue().endswith("(1 done, 0 running, 1 failed, 0 left of 2)\n")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"jobs": 0}, "jobs=0: give at least 1 process"),
        ({"gpus": 0.5}, "shares of a cluster: give a cluster"),
        ({"cpus": 2}, "shares of a cluster: give a cluster"),
        ({"cluster": "auto", "jobs": 2}, "on a cluster give cpus or gpus"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(project, small, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        sweep([small], **options)
    assert not project.exists()


def test_a_stored_run_needs_no_cluster_and_nothing_to_do_starts_nothing(
    stored, tiny, training_forbidden, monkeypatch
):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert [run.config for run in sweep([tiny, tiny], cluster="auto", gpus=0.5)] == [tiny, tiny]
    assert sweep([]) == []


# ---- the board


def test_a_log_has_one_line_a_change_with_the_counts():
    log = io.StringIO()
    with Board(RUNS, log) as board:
        board.running(RUNS[:2])
        board.running(RUNS[:2])  # nothing new, nothing said
        board.ended(RUNS[0])
        board.running([])
        board.running([RUNS[1]])
        board.ended(RUNS[1], "TrainingError: no")
        board.running(RUNS[:2])  # late news of finished runs change nothing
    lines = [line[9:] for line in log.getvalue().splitlines()]  # without the time of day
    assert lines == [
        "started none 0 seed 0 (0 done, 1 running, 0 failed, 2 left of 3)",
        "started none 0 seed 1 (0 done, 2 running, 0 failed, 1 left of 3)",
        "done none 0 seed 0 (1 done, 1 running, 0 failed, 1 left of 3)",
        "lost none 0 seed 1 (1 done, 0 running, 0 failed, 2 left of 3)",
        "started none 0 seed 1 (1 done, 1 running, 0 failed, 1 left of 3)",
        "failed none 0 seed 1: TrainingError: no (1 done, 0 running, 1 failed, 1 left of 3)",
    ]
    assert board.failures == {RUNS[1]: "TrainingError: no"}


@pytest.mark.parametrize("where", ["terminal", "notebook"])
def test_a_screen_has_a_bar_and_above_it_what_failed(where, monkeypatch, capsys):
    screen = io.StringIO()
    if where == "terminal":
        screen.isatty = lambda: True
    else:
        monkeypatch.setattr(builtins, "__IPYTHON__", True, raising=False)
    with Board(RUNS, screen) as board:
        board.running([RUNS[0]])
        board.ended(RUNS[0], "no room")
        board.ended(RUNS[1])
    assert screen.getvalue() == "failed none 0 seed 0: no room\n"
    bar = capsys.readouterr().err
    assert "training" in bar and "1 done, 0 running, 1 failed, 1 left of 3" in bar


# ---- memory that a training process keeps


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_a_freed_block_is_not_returned_to_the_system():
    # In a child, since the setting lasts for as long as its process; without our imports, which
    # take far longer than the rest.
    code = (
        "import ctypes, sys\n"
        f"_KEEP = {MODULE._KEEP}\n{inspect.getsource(keep_memory)}"
        "def resident():\n"
        "    return int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        "took, before = keep_memory(), resident()\n"
        "block = b'x' * 2**27\n"
        "del block\n"
        "print(took, resident() - before > 2**26)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    took, kept = done.stdout.split()
    assert kept == took  # without glibc neither


def test_elsewhere_nothing_is_touched(monkeypatch):
    monkeypatch.setattr(MODULE.sys, "platform", "darwin")
    monkeypatch.setattr(MODULE.ctypes, "CDLL", lambda name: pytest.fail("loaded"))
    assert keep_memory() is False
