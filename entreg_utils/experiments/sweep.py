"""``sweep(configs)``: many runs, on this machine or on a cluster, each loaded or trained."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children, get_context

import torch

from entreg_utils import names
from entreg_utils.ahead import usable_cores
from entreg_utils.experiments import store
from entreg_utils.experiments.config import Config, own_code
from entreg_utils.experiments.provenance import pick_device
from entreg_utils.experiments.run import Run, run
from entreg_utils.experiments.watch import Board, reason_of
from entreg_utils.fields import plain_numbers
from entreg_utils.files import variable

# Of mallopt(3), in glibc: blocks may not be mapped one by one, and freed memory stays.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_KEEP = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**28))


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
    with Board(len(missing)) as board:
        if away and cluster is None:
            with variable("TQDM_DISABLE", "1"):  # read by the processes to come: one bar is enough
                _train_all(away, jobs, board)
        elif away:
            from entreg_utils.experiments import cluster as ray_cluster  # Ray is an optional extra

            ray_cluster.train_all(away, cluster, gpus, cpus, board)
        for config in here:
            failure = ""
            try:
                board.noted(_run_quietly(config))
            except (RuntimeError, ValueError) as error:
                failure = reason_of(error)
            board.ended(config, failure)
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
        # the pool hands them out in this order, so the first ones are those that train
        board.follow(futures, lambda: jobs, lambda _, warnings: board.noted(warnings))
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
