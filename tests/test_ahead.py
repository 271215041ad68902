"""Threads a few items ahead: order, memory, exceptions, bars, and how many threads there are."""

import itertools
import os
import threading

import pytest

from entreg_utils import ahead as module
from entreg_utils import machine
from entreg_utils.ahead import ahead, usable_threads
from entreg_utils.machine import usable_cores


@pytest.mark.parametrize(("threads", "window"), [(1, None), (2, None), (5, None), (3, 7)])
def test_results_keep_the_order_of_the_items_and_few_are_taken(threads, window):
    taken, given, places = [], [], set()

    def items():
        for index in range(200):
            taken.append(index)
            yield index

    def square(index):
        places.add(threading.get_ident())
        return index**2

    for result in ahead(square, items(), threads, window=window):
        given.append(result)
        assert len(taken) - len(given) <= (window or 2 * threads) * (threads > 1)
    assert given == [index**2 for index in range(200)]
    assert threads > 1 or places == {threading.get_ident()}  # one thread is none
    assert threading.get_ident() not in places or threads == 1


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("where", ["function", "items", "caller"])
def test_what_is_raised_leaves_at_once_and_no_thread_stays(threads, where):
    begun, before, closed = [], threading.active_count(), []

    def items():
        try:
            for index in itertools.count():
                if where == "items" and index == 5:
                    raise KeyError(index)
                yield index
        finally:
            closed.append(1)

    def call(index):
        begun.append(index)
        if where == "function" and index == 5:
            raise KeyError(index)
        return index

    with pytest.raises(KeyError, match="5"):
        for result in (results := ahead(call, items(), threads)):
            if where == "caller" and result == 5:
                results.close()  # as it is when what loops over it ends
                raise KeyError(result)
    assert len(begun) <= 5 + 2 * threads + 2 and threading.active_count() == before
    assert closed or threads == 1


def test_threads_that_cannot_be_are_refused_before_anything_is_done():
    with pytest.raises(ValueError, match="threads=0: give at least 1"):
        ahead(print, [1], threads=0)


def test_a_bar_comes_after_two_seconds_and_not_without_a_title(monkeypatch):
    made, clock = [], iter(range(100))
    bar = module.tqdm

    def remember(**options):
        made.append(options)
        return bar(**options | {"disable": True})

    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(module, "tqdm", remember)
    assert [*ahead(abs, [1, -2], 2, "maps")] == [1, 2] and not made
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    assert [*ahead(abs, range(5), 2, "maps")] == [*range(5)]
    assert made == [{"desc": "maps", "unit": "image", "total": 5, "initial": 3, "leave": False}]
    assert [*ahead(abs, iter(range(5)))] == [*range(5)]
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert [*ahead(abs, range(5), 1, "maps")] == [*range(5)]
    assert len(made) == 1


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
    ],
)
def test_cores_are_those_of_the_process_and_of_its_container(tmp_path, monkeypatch, files, cores):
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert usable_cores() == cores  # the machine may have more
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


@pytest.mark.parametrize(
    ("asked", "threads"), [(None, 8), ("1", 1), ("3,2", 3), ("64", 8), ("0", 8), ("x", 8)]
)
def test_no_more_threads_than_openmp_is_given(monkeypatch, asked, threads):
    monkeypatch.setattr(module, "usable_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert usable_threads() == threads
