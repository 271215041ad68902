"""Timing a step, and the table of what was timed. Nothing here looks at how long things take."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from entreg_utils.experiments.throughput import Measured, Step

from entreg_utils.experiments import throughput
from entreg_utils.files import StorageError

STEP = Step("toy", 32, 4, "fp32", False, False)
ROW = Measured("a", STEP, 100.0, 10, "2.11", "2026-01-01", None)


def test_a_step_is_timed_in_turns_after_a_warm_up(monkeypatch):
    # a clock that jumps 1, 2 and 6 s over the timed steps: 4 images in a median of 2 s
    ticks = iter([0, 100, 101, 200, 202, 300, 306])  # the warm-up only begins
    clock = SimpleNamespace(perf_counter=lambda: next(ticks))
    monkeypatch.setattr(throughput, "time", clock)  # PyTorch reads the real one as well
    monkeypatch.setattr(throughput, "device_name", lambda device: "that one")
    row = throughput.measure(STEP, steps=3, warmup=1, device=torch.device("cpu"))
    assert (row.device, row.step, row.images_per_second, row.steps) == ("that one", STEP, 2.0, 3)
    assert row.torch == torch.__version__ and len(row.date) == len("2026-01-01")
    with pytest.raises(ValueError, match="steps=0"):
        throughput.measure(STEP, steps=0)


def test_bf16_and_threads(monkeypatch):
    autocasts, plain = [], torch.autocast

    def spied(*arguments, enabled):
        autocasts.append(enabled)
        return plain(*arguments, enabled=enabled)

    monkeypatch.setattr(torch, "autocast", spied)
    for precision in ("bf16", "fp32"):
        cpu = torch.device("cpu")
        throughput.measure(replace(STEP, precision=precision), steps=1, warmup=0, device=cpu)
    assert autocasts == [True, False]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert throughput.device_name(torch.device("cpu")).endswith(", 1 thread")
    finally:
        torch.set_num_threads(threads)


def test_the_table_keeps_one_row_for_each_step_of_a_device(tmp_path):
    path = tmp_path / "throughput.json"
    assert throughput.load(path) == []
    throughput.save([ROW, replace(ROW, device="b")], path)
    newer = replace(ROW, images_per_second=120.0, date="2026-02-01", load=0.5)
    throughput.save([newer, replace(ROW, step=replace(STEP, crop=64))], path)
    assert throughput.load(path) == [
        newer,
        replace(ROW, step=replace(STEP, crop=64)),
        replace(ROW, device="b"),
    ]


@pytest.mark.parametrize("text", ["{", "[]", '{"measured": [{"device": "a"}]}'])
def test_a_file_that_is_no_table_is_left_alone(tmp_path, text):
    path = tmp_path / "throughput.json"
    path.write_text(text)
    with pytest.raises(StorageError, match="is no table of throughput"):
        throughput.save([ROW], path)
    assert path.read_text() == text


def test_the_committed_table_says_where_each_number_comes_from():
    path = Path(__file__).parents[2] / "data" / "throughput.json"
    rows = throughput.load(path)
    assert len(rows) == len(json.loads(path.read_text())["measured"]) > 0
    for row in rows:
        assert row.images_per_second > 0 and row.steps >= 1 and row.device
        assert row.torch and row.date.startswith("20")


def test_steps_as_a_reader_says_them():
    assert str(STEP) == "toy at 32, batch 4, fp32"
    assert str(replace(STEP, large_map=True, compile=True)).endswith("fp32, large map, compiled")
