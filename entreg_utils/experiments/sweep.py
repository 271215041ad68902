"""``sweep(configs)``: many runs, side by side, each loaded or trained."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context

import torch
from tqdm.auto import tqdm

from entreg_utils.experiments import store
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.runs import Run, run


class SweepError(RuntimeError):
    """Some runs failed; the message lists them with their reasons, the others are stored."""


def sweep(configs: Iterable[Config], cluster=None, jobs: int | None = None) -> list[Run]:
    """Run every config, or load it, and return the runs in the order of the configs.

    What has to be trained is spread over ``jobs`` processes (default: one per core on a CPU, one
    with an accelerator). A small network trains faster as two single-threaded processes than as
    one with two threads. A failed run does not stop the others.

    Args:
        configs: equal ones are run once.
        cluster: None, this machine.

    Raises:
        SweepError: at the end, when runs failed, with each one's reason.
        ValueError: a cluster was asked for, or fewer than one job.
    """
    if cluster is not None:
        raise ValueError(f"cluster={cluster!r}: sweeps run on this machine, use cluster=None")
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs={jobs}: give at least 1 process")
    configs = list(configs)
    missing = [config for config in dict.fromkeys(configs) if store.find(config) is None]
    failures = _train_all(missing, jobs) if missing else {}
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
    failures: dict[Config, str] = {}
    others = set(active_children())
    # spawn: a forked child of a process that has used its threads or its GPU may hang
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _limit_threads, (max(1, cores // jobs),))
    bar = tqdm(total=len(configs), desc="training", unit="run")
    try:
        futures = {pool.submit(_run_quietly, config): config for config in configs}
        for future in as_completed(futures):
            error = future.exception()
            if error is not None:
                failures[futures[future]] = f"{type(error).__name__}: {error}"
            bar.update()
        pool.shutdown()
    except BaseException:  # Ctrl-C above all: do not start what has not begun
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(active_children()) - others:  # each left its last whole epoch on the disk
            child.terminate()
        raise
    finally:
        bar.close()
    return failures


def _limit_threads(threads: int) -> None:
    torch.set_num_threads(threads)


def _run_quietly(config: Config) -> None:
    run(config, progress=False)
