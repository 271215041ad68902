"""``sweep(configs)``: many runs, on this machine or on a cluster, each loaded or trained."""

from __future__ import annotations

import builtins
import ctypes
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context

import torch
from tqdm.auto import tqdm

from entreg_utils import names
from entreg_utils.ahead import usable_cores
from entreg_utils.experiments import store
from entreg_utils.experiments.config import Config, own_code
from entreg_utils.experiments.provenance import pick_device
from entreg_utils.experiments.run import Run, run, title_of
from entreg_utils.fields import plain_numbers
from entreg_utils.files import variable

# Of mallopt(3), in glibc: blocks may not be mapped one by one, and freed memory stays.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_KEEP = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**28))

_ENDED = (
    "the system ended one of the processes, most often for want of memory, and all stop with it: "
    "give fewer jobs"
)


class SweepError(RuntimeError):
    """Some runs failed; the message lists them with their reasons, the others are stored."""


@plain_numbers
def sweep(
    configs: Iterable[Config],
    cluster: str | None = None,
    jobs: int | None = None,
    gpus: float | None = None,
    cpus: int = 1,
) -> list[Run]:
    """Run every config, or load it, and return the runs in the order of the configs.

    Missing runs are spread over ``jobs`` processes here, or are a Ray task each; the records are
    the same up to the rounding of other hardware. A failed run does not stop the others. Functions
    of a notebook, which no other process knows, are trained with in this one.

    Args:
        configs: equal ones are run once.
        cluster: None, this machine; ``"auto"``, the Ray cluster that it belongs to; ``"local"``, a
            Ray cluster of this machine alone; or an address, ``"host:port"``.
        jobs: here: processes side by side. Default on a CPU one a usable core (a small network
            trains faster as two processes of one thread than as one of two), else one.
        gpus: on a cluster: share of a GPU a run, 0..1; default one GPU when the cluster has any.
        cpus: on a cluster: cores, and threads, of each run.

    Raises:
        SweepError: at the end, when runs failed, with each one's reason.
        ClusterError: the cluster cannot be reached.
        ModuleNotFoundError: a cluster was asked for, and Ray is not installed.
        ValueError: fewer than one job or core, a GPU share that Ray cannot give, or an option of
            the cluster without one.
        StorageError: a record cannot be written here.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs={jobs}: give at least 1 process")
    if cluster is None and (gpus is not None or cpus != 1):
        raise ValueError("gpus and cpus are shares of a cluster: give a cluster as well")
    if cluster is not None and jobs is not None:
        raise ValueError("jobs are processes of this machine: on a cluster give cpus or gpus")
    configs = list(configs)
    missing = [config for config in dict.fromkeys(configs) if store.find(config) is None]
    here = [c for c in missing if not all(map(names.travels, own_code(c)))]
    away = [config for config in missing if config not in here]
    with Board(missing) as board:
        if away and cluster is None:
            with variable("TQDM_DISABLE", "1"):  # read by the processes to come: one bar is enough
                _train_all(away, jobs, board)
        elif away:
            from entreg_utils.experiments import cluster as ray_cluster  # Ray is an optional extra

            ray_cluster.train_all(away, cluster, gpus, cpus, board)
        for config in here:
            board.running([config])
            try:
                board.noted(_run_quietly(config))
            except (RuntimeError, ValueError) as error:
                board.ended(config, f"{type(error).__name__}: {error}")
            else:
                board.ended(config)
    if board.failures:
        lines = "\n".join(f"  {config.name}: {reason}" for config, reason in board.failures.items())
        done = len(set(configs)) - len(board.failures)
        raise SweepError(
            f"{len(board.failures)} of {len(set(configs))} runs failed, {done} are stored; the "
            f"same call tries only what is missing:\n{lines}"
        )
    return [run(config) for config in configs]


def _train_all(configs: list[Config], jobs: int | None, board: Board) -> None:
    cores = usable_cores()
    if jobs is None:
        jobs = cores if pick_device().type == "cpu" else 1
    jobs = min(jobs, len(configs))
    others = set(active_children())
    # spawn: a forked child of a process that has used its threads or its GPU may hang
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _prepare, (max(1, cores // jobs),))
    try:
        futures = {pool.submit(_run_there, c.to_dict(places=True)): c for c in configs}
        while futures:
            # the pool hands them out in this order, so the first ones are those that train
            board.running(list(futures.values())[:jobs])
            for future in wait(futures, return_when=FIRST_COMPLETED).done:
                config, error = futures.pop(future), future.exception()
                board.noted(() if error else future.result())
                reason = "" if error is None else f"{type(error).__name__}: {error}"
                board.ended(config, _ENDED if isinstance(error, BrokenProcessPool) else reason)
        pool.shutdown()
    except BaseException:  # Ctrl-C above all: do not start what has not begun
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(active_children()) - others:  # each left its last whole epoch behind
            child.terminate()
        raise


def _prepare(threads: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)  # for what a probe scores by threads
    torch.set_num_threads(threads)
    keep_memory()


def _run_there(settings: dict) -> list[str]:
    return _run_quietly(Config(**settings))


def _run_quietly(config: Config) -> list[str]:
    """Run without a bar; the warnings are returned, for processes that write at once would garble
    the lines of the board."""
    with warnings.catch_warnings(record=True) as said:
        run(config, progress=False)
    return [str(one.message) for one in said]


def keep_memory() -> bool:
    """Let this process keep freed memory for its next tensors, where the system is glibc's.

    By default glibc maps every large block from the system and returns it when it is freed: a
    training step asks for the same activations again, and each time the system clears every page
    (``python -m benchmarks --only memory``). For processes that only train and then end.

    Returns:
        Whether the setting took; elsewhere (macOS, Windows, musl) nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all([mallopt(name, value) == 1 for name, value in _KEEP])


class Board:
    """What a sweep shows while it works: a bar, or in a log a line for each change.

    ``failures`` holds the reasons of the runs that failed. ``stream`` is the standard error where
    none is given.
    """

    def __init__(self, configs: Iterable[Config], stream=None):
        self.failures: dict[Config, str] = {}
        self._noted: set[str] = set()
        self._state = dict.fromkeys(configs, "left")
        self._stream = sys.stderr if stream is None else stream
        # a log of carriage returns cannot be read; a notebook draws a bar and is no terminal
        self._lines = not (self._stream.isatty() or hasattr(builtins, "__IPYTHON__"))
        off = self._lines or not self._state
        self._bar = tqdm(total=len(self._state), desc="training", unit="run", disable=off)

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_) -> None:
        self._bar.close()

    def running(self, configs: Iterable[Config]) -> None:
        """Say which runs train now."""
        now = set(configs)
        for config, state in self._state.items():
            if (config in now) != (state == "running") and state not in ("done", "failed"):
                self._state[config] = "running" if config in now else "left"
                self._say(f"{'started' if config in now else 'lost'} {title_of(config)}")

    def ended(self, config: Config, failure: str = "") -> None:
        """Say that a run is stored, or why it failed; that stays on the screen."""
        self._state[config] = "failed" if failure else "done"
        line = f"{self._state[config]} {title_of(config)}"
        if failure:
            self.failures[config] = failure
            line += f": {failure}"
            if not self._lines:
                tqdm.write(line, file=self._stream)
        self._bar.update()
        self._say(line)

    def noted(self, warnings: Iterable[str]) -> None:
        """Show each warning of the runs once; that stays on the screen."""
        for line in dict.fromkeys(warnings):
            if line not in self._noted:
                self._noted.add(line)
                tqdm.write(f"note: {line}", file=self._stream)

    def _say(self, line: str) -> None:
        counts = Counter(self._state.values())
        known = ", ".join(f"{counts[s]} {s}" for s in ("done", "running", "failed", "left"))
        self._bar.set_postfix_str(f"{known} of {len(self._state)}")
        if self._lines:
            stamp, total = time.strftime("%H:%M:%S"), len(self._state)
            print(f"{stamp} {line} ({known} of {total})", file=self._stream, flush=True)
