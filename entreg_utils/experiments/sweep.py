"""``sweep(configs)``: many runs, on this machine or on a cluster, each loaded or trained."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context

import torch

from entreg_utils.experiments import store
from entreg_utils.experiments.board import Board
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.memory import keep_memory
from entreg_utils.experiments.runs import Run, run


class SweepError(RuntimeError):
    """Some runs failed; the message lists them with their reasons, the others are stored."""


def sweep(
    configs: Iterable[Config],
    cluster: str | None = None,
    jobs: int | None = None,
    gpus: float | None = None,
    cpus: int = 1,
) -> list[Run]:
    """Run every config, or load it, and return the runs in the order of the configs.

    On this machine, what has to be trained is spread over ``jobs`` processes (default: one per core
    on a CPU, one with an accelerator). A small network trains faster as two single-threaded
    processes than as one with two threads. On a cluster each run is one Ray task; a run whose node
    is lost is trained again on another, and its record is written here, once. A failed run does not
    stop the others. Either way the records are the same, up to the rounding of other hardware.

    Args:
        configs: equal ones are run once.
        cluster: None, this machine; ``"auto"``, the Ray cluster that this machine belongs to;
            ``"local"``, a Ray cluster of this machine alone, for as long as the sweep lasts; or the
            address of a cluster, ``"host:port"``.
        jobs: on this machine: processes side by side.
        gpus: on a cluster: share of a GPU that each run takes, 0..1, such as 0.25; default one GPU
            when the cluster has any.
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
        raise ValueError("gpus and cpus are shares of a cluster: give cluster= as well")
    if cluster is not None and jobs is not None:
        raise ValueError("jobs are processes of this machine: on a cluster give cpus or gpus")
    configs = list(configs)
    missing = [config for config in dict.fromkeys(configs) if store.find(config) is None]
    failures = {}
    if missing and cluster is None:
        failures = _train_all(missing, jobs)
    elif missing:
        from entreg_utils.experiments import cluster as ray_cluster  # needs Ray, an optional extra

        failures = ray_cluster.train_all(missing, cluster, gpus, cpus)
    if failures:
        lines = "\n".join(f"  {config.name}: {reason}" for config, reason in failures.items())
        done = len(set(configs)) - len(failures)
        raise SweepError(
            f"{len(failures)} of {len(set(configs))} runs failed, {done} are stored; the same call "
            f"tries only what is missing:\n{lines}"
        )
    return [run(config) for config in configs]


def _train_all(configs: list[Config], jobs: int | None) -> dict[Config, str]:
    cores = os.cpu_count() or 1
    if jobs is None:
        jobs = 1 if torch.cuda.is_available() or torch.backends.mps.is_available() else cores
    jobs = min(jobs, len(configs))
    others = set(active_children())
    # spawn: a forked child of a process that has used its threads or its GPU may hang
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _limit_threads, (max(1, cores // jobs),))
    with Board(configs) as board:
        try:
            futures = {pool.submit(_run_quietly, config): config for config in configs}
            while futures:
                # the pool hands them out in this order, so the first ones are those that train
                board.running(dict.fromkeys(board.unfinished()[:jobs], ""))
                for future in wait(futures, return_when=FIRST_COMPLETED).done:
                    _note(board, futures.pop(future), future.exception())
            pool.shutdown()
        except BaseException:  # Ctrl-C above all: do not start what has not begun
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(active_children()) - others:  # each left its last whole epoch behind
                child.terminate()
            raise
    return board.failures


def _note(board: Board, config: Config, error: BaseException | None) -> None:
    if error is None:
        board.done(config)
    elif isinstance(error, BrokenProcessPool):
        board.failed(
            config,
            "the system ended one of the processes, most often for want of memory, and all stop "
            "with it: give fewer jobs",
        )
    else:
        board.failed(config, f"{type(error).__name__}: {error}")


def _limit_threads(threads: int) -> None:
    torch.set_num_threads(threads)
    keep_memory()


def _run_quietly(config: Config) -> None:
    run(config, progress=False)
