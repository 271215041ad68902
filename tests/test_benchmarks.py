"""The benchmark: what it computes, on tiny sizes. Nothing here looks at how long things take."""

import json
import os
import sys
from collections import defaultdict
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from benchmarks import __main__ as bench
from benchmarks import photographs, predicting, scoring, throughput, timing, training
from benchmarks.timing import Row
from entreg_utils import losses, models
from entreg_utils.experiments import Config, cost
from entreg_utils.files import results


@pytest.fixture
def turns(monkeypatch):
    """Replaces ``in_turns`` of a module by one that makes each call once and says what is given."""

    def replace(module, seconds):
        def fake(calls, repeats, **options):
            for call in calls.values():
                call()
            return {name: np.full(repeats, seconds[name]) for name in calls}

        monkeypatch.setattr(module, "in_turns", fake)

    return replace


def test_turns_alternate_and_each_is_warmed_up(monkeypatch):
    order, before = [], (torch.get_num_threads(), cv2.getNumThreads())
    clock, threads = [0.0], []

    def call(name, seconds):
        def run():
            order.append(name)
            threads.append((torch.get_num_threads(), cv2.getNumThreads()))
            clock[0] += seconds

        return run

    make = timing.Timer
    monkeypatch.setattr(timing, "Timer", lambda *a, **k: make(*a, **k, timer=lambda: clock[0]))
    seconds = timing.in_turns({"a": call("a", 3.0), "b": call("b", 0.5)}, repeats=3, threads=2)
    assert "".join(order) == "aabb" + "bbaa" + "aabb"
    assert seconds["a"].tolist() == [3] * 3 and seconds["b"].tolist() == [0.5] * 3
    assert set(threads) == {(2, 1)}
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before


def test_ratios_are_within_turns_and_the_table_says_whether_a_target_is_met():
    # ratios 2, 2, 20: the median of the pairs is 2, that of the medians would be 4
    seconds = {"a": np.array([2.0, 20, 20]), "b": np.array([1.0, 10, 1])}
    assert timing.paired_ratio(seconds, "a", "b") == 2
    rows = [Row("fast", 1.5, "s", 3, "<= 2 s", True), Row("slow", 2.5, "s", 1, "<= 2 s", False)]
    lines = [line.split() for line in timing.table([*rows, Row("x", 1234.5, "x", 9)]).splitlines()]
    assert lines[0] == ["fast", "1.5", "s", "n=3", "<=", "2", "s", "met"]
    assert lines[1][-1] == "MISSED" and lines[2] == ["x", "1234", "x", "n=9"]


SMALL = {"cams": scoring.smooth_maps(2), "size": 64, "thresholds": 20}
BOXES = {1: 0.1, 2: 0.05, "plain": 1.4, "floor": 0.02}
HARD = defaultdict(lambda: 0.6, usual=0.9)
LITTLE = {"side": 32, "batch": 2}
PHOTOGRAPHS = {"name": "resnet18", "batch": 2, "resize": 40, "crop": 32, "workers": 0}


@pytest.mark.parametrize(
    ("part", "options", "seconds", "values", "met"),
    [
        (training.painting, {"counts": {"val": 2}}, {"paint": 2.5}, [2.5], [True]),
        (scoring.maps, LITTLE | {"width": 2}, {"cam": 0.3, "forward": 0.2}, [1.5], [False]),
        # 0.1 s for two images; 14 and 28 times faster than the loop; 5 times the preparation
        (scoring.boxes, SMALL, BOXES, [50, 14, 28, 5] * 2, [None, False, True, None] * 2),
        # 0.6 s for each, and 0.9 s for nine usual ones
        (scoring.hard_maps, {"size": 32}, HARD, [6] * 22, [False] * 22),
        # 2 x 64 x 64 in 0.5 s; four images in 0.2 s
        (scoring.pixels, {"images": 2, "size": 64}, {"pixels": 0.5}, [0.016384], [False]),
        (photographs.epoch, PHOTOGRAPHS, {"plain": 0.6, "ours": 0.2}, [20, 3], None),
        (training.folding, LITTLE, {"apart": 0.6, "folded": 0.4}, [1.5], [None]),
    ],
)
def test_rows_are_made_of_the_seconds(turns, part, options, seconds, values, met):
    turns(sys.modules[part.__module__], seconds)
    rows = part(**options)
    assert [row.value for row in rows] == pytest.approx(values)
    assert met is None or [row.met for row in rows] == met


def test_a_step_is_a_step_of_training():
    seen = []

    def loss(logits, target):
        seen.append(losses.objective(logits, target, "none"))
        return seen[-1]

    step = training.step_of(models.build("toy", 8, width=2), 32, 4, loss)
    for _ in range(30):
        step()
    assert seen[-1] < 0.99 * seen[0]  # the four images are being learned


@pytest.mark.parametrize("rule", ["largest", "all"])
def test_the_plain_count_by_hand(rule, monkeypatch):
    # a bright 3x3 block in 8x8: at every tau < 1 its box is 2, 2, 5, 5 (x1 = x0 + w)
    cam = np.zeros((1, 8, 8), dtype=np.float32)
    cam[0, 2:5, 2:5] = 1
    right = scoring.plain_counts(cam, np.array([[2, 2, 5, 5]]), rule, 4, 8)
    # against 2, 2, 4, 4, nine of sixteen pixels: right at 0.3 and 0.5
    tight = scoring.plain_counts(cam, np.array([[2, 2, 4, 4]]), rule, 4, 8)
    assert right.tolist() == [[1] * 4] * 3 and tight.tolist() == [[1] * 4, [1] * 4, [0] * 4]
    monkeypatch.setattr(scoring, "plain_counts", lambda *_: np.full((3, 20), -1))
    with pytest.raises(ValueError, match="count differently"):
        scoring.boxes(**SMALL)


def test_memory_is_that_of_many_over_few(monkeypatch):
    def run(command, **_):
        return SimpleNamespace(stdout=f"{100 + 3 * int(command[-2]) * int(command[-1])}\n")

    monkeypatch.setattr("subprocess.run", run)
    one, two = scoring.memory(0, 3)
    assert (one.value, one.met, two.value, two.met) == (1.09, True, 1.18, False)


def test_scores_beside_a_pass_are_those_after_it(turns, monkeypatch):
    turns(scoring, {"both": 2.0, "apart": 2.5, "pass": 1.6})
    small = {"name": "toy", "count": 8, "side": 32, "repeats": 1, "width": 2}
    rate, apart, alone = scoring.meanwhile(**small)
    assert (rate.value, apart.value, alone.value) == pytest.approx((4, 0.8, 1.25))
    assert [apart.met, alone.met] == ([True, False] if torch.cuda.is_available() else [None] * 2)
    hits = iter(np.eye(2, 8, dtype=bool))
    monkeypatch.setattr(scoring.Tally, "add", lambda own, _: setattr(own, "hits", next(hits)))
    with pytest.raises(ValueError, match="count differently"):
        scoring.meanwhile(**small | {"count": 1})


def test_a_fresh_run_trains_in_a_store_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path))
    seen = {}

    def run(config, progress):
        seen.update(config=config, folder=results(), fresh=os.environ["ENTREG_FRESH"])

    monkeypatch.setattr(training.experiments, "run", run)
    training.fresh_run()
    assert (seen["config"], seen["fresh"]) == (Config(), "1")
    assert seen["folder"] != tmp_path and not seen["folder"].exists()
    assert results() == tmp_path


def test_predict_stands_beside_decoding_and_a_pass(turns):
    turns(predicting, {"predict": 3.0, "plain": 2.0})
    rate, ratio = predicting.speed("timm:test_resnet", count=3, repeats=1)
    assert (rate.value, ratio.value, ratio.met) == (1, 1.5, False)


def test_the_command_prints_all_or_one(monkeypatch, capsys):
    parts = {name: lambda name=name: [Row(name, 1.0, "s", 2)] for name in bench.PARTS}
    monkeypatch.setattr(bench, "PARTS", parts)
    assert bench.main([]) == 0
    head, *lines, _ = capsys.readouterr().out.splitlines()
    left_out = set() if torch.cuda.is_available() else {"photographs_128", "maps_resnet50"}
    assert "cores" in head
    assert [line.split()[0] for line in lines] == [name for name in parts if name not in left_out]
    assert bench.main(["--only", "pixels"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()][1:-1] == ["pixels"]
    with pytest.raises(SystemExit):
        bench.main(["--only", "pixel"])
    assert "invalid choice: 'pixel'" in capsys.readouterr().err


def test_throughput_replaces_a_row_of_its_device_and_keeps_the_others(tmp_path, monkeypatch):
    step = cost.Step("mobilenet_v2", 32, 2, "fp32", False, False)
    other = cost.Measured("another device", step, 1.0, 3, "2", "2026-01-01", None)
    old = other._replace(device=throughput.device_name())
    rows = [row._asdict() | {"step": step._asdict()} for row in (other, old)]
    path = tmp_path / "throughput.json"
    path.write_text(json.dumps({"measured": rows}))
    monkeypatch.setattr(throughput, "steps_of_plans", lambda: [step])
    assert throughput.main(str(path)) == 0
    first, second = json.loads(path.read_text())["measured"]
    assert first == rows[0] and second["step"] == step._asdict()
    assert second["images_per_second"] > 0 and second["date"] != "2026-01-01"
    read = cost.Measured(**(second | {"step": cost.Step(**second["step"])}))  # as cost.load does
    assert read.device == throughput.device_name()


def test_each_kind_of_step_in_the_plans_is_measured_once():
    steps = throughput.steps_of_plans()
    assert len(steps) == len(set(steps))
    assert {step.model for step in steps} >= {"preresnet18", "seresnet50", "resnet50"}
