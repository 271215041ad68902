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
from entreg_utils.experiments.sweep import _train_all, keep_memory
from entreg_utils.experiments.watch import Board

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
        _train_all(forever, 1, Board(3, io.StringIO()))
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


def done(outcome):
    """What a pool gives for a run that ended, with a result or an error."""
    future = Future()
    failed = isinstance(outcome, Exception)
    future.set_exception(outcome) if failed else future.set_result(outcome)
    return future


def test_a_log_has_one_line_a_run_with_the_counts_and_each_warning_once(monkeypatch):
    def warn(config, progress):
        warnings.warn("chance", stacklevel=1)

    monkeypatch.setattr(MODULE, "run", warn)
    log, said = io.StringIO(), MODULE._run_quietly(RUNS[0])
    with Board(4, log) as board:
        both = {done(said): RUNS[0], done(said): RUNS[0]}
        board.follow(both, lambda: 2, lambda _, said: board.noted(said))
        broken = {done(BrokenProcessPool("terminated abruptly")): RUNS[1]}
        board.follow(broken, lambda: 2, pytest.fail)
        board.follow({done("no room"): RUNS[2]}, lambda: 2, lambda _, said: said)
    lines = log.getvalue().splitlines()
    memory = "the system ended one of the processes, most often for want of memory, and all stop "
    assert lines[0] == "note: chance"
    assert [line[9:] for line in lines[1:]] == [  # without the time of day
        "done none 0 seed 0 (1 done, 1 running, 0 failed, 2 left of 4)",
        "done none 0 seed 0 (2 done, 0 running, 0 failed, 2 left of 4)",
        f"failed none 0 seed 1: {memory}with it: give fewer jobs (2 done, 0 running, 1 failed, 1 "
        "left of 4)",
        "failed none 0 seed 2: no room (2 done, 0 running, 2 failed, 0 left of 4)",
    ]
    assert list(board.failures) == RUNS[1:]


@pytest.mark.parametrize("where", ["terminal", "notebook"])
def test_a_screen_has_a_bar_and_above_it_what_failed(where, monkeypatch, capsys):
    screen = io.StringIO()
    if where == "terminal":
        screen.isatty = lambda: True
    else:
        monkeypatch.setattr(builtins, "__IPYTHON__", True, raising=False)
    with Board(3, screen) as board:
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
