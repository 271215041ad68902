"""The benchmark: what it computes, on tiny sizes. Nothing here looks at how long things take."""

import contextlib
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks import __main__ as bench
from benchmarks import finetuning, maps, photographs, scoring, timing, training
from benchmarks.timing import Row
from entreg_utils import cam, losses, models
from entreg_utils.experiments import Config, store
from entreg_utils.training import fit

STEP = {"batch": 4, "side": 32, "width": 2}


def test_turns_alternate_and_warm_up_is_not_counted():
    order = []
    seconds = timing.in_turns(
        {"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3, 1
    )
    assert "".join(order) == "abbaabba"
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}


def test_a_call_is_timed_by_itself(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])

    def takes(seconds):
        return lambda: clock.__setitem__(0, clock[0] + seconds)

    seconds = timing.in_turns({"slow": takes(3.0), "fast": takes(0.5)}, repeats=2)
    assert seconds["slow"].tolist() == [3, 3] and seconds["fast"].tolist() == [0.5, 0.5]
    assert timing.paired_ratio(seconds, "slow", "fast") == 6


def test_the_ratio_is_within_turns():
    # ratios 2, 2, 20: the median of the pairs is 2, that of the medians would be 4
    seconds = {"a": np.array([2.0, 20, 20]), "b": np.array([1.0, 10, 1])}
    assert timing.paired_ratio(seconds, "a", "b") == 2


def test_threads_are_put_back():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), timing.threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_the_table_says_whether_a_target_is_met():
    rows = [
        Row("fast", 1.5, "s", 3, "<= 2 s", True),
        Row("slow", 2.5, "s", 1, "<= 2 s", False),
        Row("free", 1234.5, "x", 20),
    ]
    lines = [line.split() for line in timing.table(rows).splitlines()]
    assert lines[0] == ["fast", "1.5", "s", "n=3", "<=", "2", "s", "met"]
    assert lines[1][-1] == "MISSED"
    assert lines[2] == ["free", "1234", "x", "n=20"]


def test_painting_paints_every_split(monkeypatch):
    painted = []
    monkeypatch.setattr(training, "generate", lambda *a: painted.append(a[1:]))
    (row,) = training.painting({"train": 3, "val": 2}, repeats=2)
    assert painted == [("train", 3), ("val", 2)] * 3  # once to warm up
    assert row.name == "painting 5 images" and row.repeats == 2
    monkeypatch.undo()
    assert training.painting({"val": 2}, repeats=1)[0].value > 0


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_step_is_a_step_of_training(channels_last):
    seen = []

    def loss(logits, target):
        seen.append(losses.objective(logits, target, "none"))
        return seen[-1]

    step = training.stepper(loss, channels_last=channels_last, **STEP)
    with timing.threads(1):
        for _ in range(30):
            step()
    assert seen[-1] < 0.99 * seen[0]  # the four images are being learned


def test_training_rows_have_both_layouts_and_threads(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(training, "in_turns", turns({"1": 0.3, "2": 0.15}, lambda name: name[-1]))
    rows = {row.name: row.value for row in training.training_steps(repeats=2, **STEP)}
    # three steps of four images in 0.3 s
    assert rows["training, channels_last, threads: 1"] == pytest.approx(40)
    assert rows["training, contiguous, threads: 2"] == pytest.approx(80)
    assert rows["contiguous against channels_last, threads: 1"] == 1
    assert rows["one thread against two, channels_last"] == pytest.approx(2)
    assert torch.get_num_threads() == before


def turns(seconds, key=lambda name: name):
    """An ``in_turns`` that makes each call once and then says what is given."""

    def fake(calls, repeats, warmup=2):
        for call in calls.values():
            call()
        return {name: np.full(repeats, seconds[key(name)]) for name in calls}

    return fake


def test_regularisers_are_compared_with_plain_cross_entropy(monkeypatch):
    seconds = dict.fromkeys(training.NAMES, 1.0) | {"plain": 1.0, "kl_uniform": 1.015, "jsd": 1.5}
    monkeypatch.setattr(training, "in_turns", turns(seconds))
    rows = training.regularisers(repeats=2, **STEP)
    steps = {row.name.split()[2].strip(","): row for row in rows[::2]}
    assert set(steps) == set(losses.REGULARIZERS)
    assert steps["kl_uniform"].value == pytest.approx(1.5) and steps["kl_uniform"].met is True
    assert steps["jsd"].value == pytest.approx(50) and steps["jsd"].met is None
    assert steps["none"].value == 0
    # ten losses alone took 0.015 s longer, a step takes 1 s: 0.15 %
    alone = rows[rows.index(steps["kl_uniform"]) + 1]
    assert alone.value == pytest.approx(0.15) and alone.met is True


def test_every_regulariser_is_timed_with_its_term():
    logits, target = torch.randn(4, 8), torch.arange(4)
    plain = torch.nn.functional.cross_entropy(logits, target)
    for name in training.NAMES:
        value = training._objective(name)(logits, target)
        assert bool(torch.isclose(value, plain)) == (name == "none")


SMALL = {"repeats": 2, "batch": 2, "side": 32, "width": 2}


def test_the_cam_rows_are_ratios(monkeypatch, capsys):
    seconds = {"cam": 0.3, "forward": 0.2, "pytorch_grad_cam": 0.6, "torchcam": 0.9}
    monkeypatch.setattr(maps, "in_turns", turns(seconds))
    monkeypatch.setattr(maps, "_grad_cam", lambda *_: lambda: None)
    monkeypatch.setattr(maps, "_torch_cam", lambda *_: lambda: None)
    monkeypatch.setattr(maps.importlib.util, "find_spec", lambda name: True)
    rows = maps.maps(**SMALL)
    assert [row.value for row in rows] == pytest.approx([1.5, 2, 3])
    assert [row.met for row in rows] == [False, False, None]
    monkeypatch.setattr(maps.importlib.util, "find_spec", lambda name: None)
    assert len(maps.maps(**SMALL)) == 1
    assert capsys.readouterr().out.count("is not installed") == 2


@pytest.mark.parametrize(
    ("library", "make"), [("pytorch_grad_cam", "_grad_cam"), ("torchcam", "_torch_cam")]
)
def test_the_other_libraries_compute_a_cam(library, make):
    pytest.importorskip(library)
    model = models.build("toy", 3, width=4).eval()
    images, classes = torch.rand(2, 3, 32, 32), torch.tensor([2, 0])
    ours = cam.class_activation_map(model, images, classes)[0]
    with contextlib.ExitStack() as stack:
        found = getattr(maps, make)(stack, model, images, classes)()
    found = torch.as_tensor(np.asarray(found[0] if isinstance(found, list) else found))
    if found.shape == ours.shape:  # min-maxed, at the map's own size
        low, high = (f(ours, dim=(1, 2), keepdim=True) for f in (torch.amin, torch.amax))
        assert torch.allclose(found, (ours - low) / (high - low), atol=1e-4)
    else:  # rectified, resized: peaks where ours peaks
        peak = found.flatten(1).argmax(1)
        cell = torch.stack([peak // 32, peak % 32], 1) // (32 // ours.shape[-1])
        best = ours.flatten(1).argmax(1)
        expected = torch.stack([best // ours.shape[-1], best % ours.shape[-1]], 1)
        assert (cell - expected).abs().max() <= 1


@pytest.mark.parametrize("rule", ["largest", "all"])
def test_the_plain_count_by_hand(rule):
    # a bright 3x3 block in 8x8: at every tau < 1 its box is 2, 2, 5, 5 (x1 = x0 + w)
    cam = np.zeros((1, 8, 8), dtype=np.float32)
    cam[0, 2:5, 2:5] = 1
    right = scoring.plain_counts(cam, np.array([[2, 2, 5, 5]]), rule, 4, 8)
    # against 2, 2, 4, 4, nine of sixteen pixels: right at 0.3 and 0.5
    tight = scoring.plain_counts(cam, np.array([[2, 2, 4, 4]]), rule, 4, 8)
    assert right.tolist() == [[1] * 4] * 3 and tight.tolist() == [[1] * 4, [1] * 4, [0] * 4]


def test_boxes_agree_with_the_loop_and_complain_when_they_do_not(monkeypatch):
    small = {"cams": scoring.smooth_maps(2, 5), "size": 64, "thresholds": 50, "repeats": 1}
    rows = scoring.boxes(**small)
    assert [row.unit for row in rows] == ["ms/image", "x", "x", "x"] * 2
    assert all(row.value > 0 for row in rows)
    monkeypatch.setattr(scoring, "plain_counts", lambda *_: np.full((3, 50), -1))
    with pytest.raises(ValueError, match="count differently"):
        scoring.boxes(**small)


def test_box_and_pixel_units(monkeypatch):
    seconds = {1: 0.1, 2: 0.05, "plain": 1.4, "floor": 0.02, "pixels": 0.5}
    monkeypatch.setattr(scoring, "in_turns", turns(seconds))
    rows = scoring.boxes(scoring.smooth_maps(2), size=64, thresholds=20, repeats=1)[:4]
    # 0.1 s for two images; 14 and 28 times faster than the loop; 5 times the resize
    assert [row.value for row in rows] == pytest.approx([50, 14, 28, 5])
    assert [row.met for row in rows] == [None, False, True, None]
    (row,) = scoring.pixels(images=2, size=64, repeats=1)
    assert row.value == pytest.approx(0.016384) and row.met is False  # 2 x 64 x 64 in 0.5 s


def test_stored_maps_are_spread_over_the_file(tmp_path):
    np.savez(tmp_path / "maps.npz", cams=np.arange(9.0).reshape(9, 1, 1), boxes_224=np.eye(9, 4))
    cams, true = scoring.stored_maps(tmp_path / "maps.npz", 3)
    assert cams.ravel().tolist() == [0, 4, 8] and np.array_equal(true, np.eye(9, 4)[[0, 4, 8]])


def test_compiling_is_the_first_call_less_that_of_a_process_with_a_cache(monkeypatch):
    calls = []

    def run(command, env, **_):
        calls.append(env["NUMBA_CACHE_DIR"])
        return SimpleNamespace(stdout=f"{7.5 if len(calls) == 1 else 0.5}\n")

    monkeypatch.setattr(scoring.subprocess, "run", run)
    compiling, later = scoring.first_call()
    assert (compiling.value, compiling.met, later.value) == (7.0, False, 0.5)
    assert len(calls) == 2 and calls[0] == calls[1] != os.environ.get("NUMBA_CACHE_DIR")


def test_photographs_are_trained_on_by_both_loops(monkeypatch):
    monkeypatch.setattr(photographs, "in_turns", turns({"plain": 0.6, "ours": 0.2}))
    seen = []
    monkeypatch.setattr(photographs, "fit", lambda *args: seen.append(args) or fit(*args))
    rows = photographs.training("resnet18", 2, 2, 1, resize=40, crop=32, workers=0)
    assert [row.value for row in rows] == pytest.approx([20, 3])  # four images in 0.2 s
    (_, cached, recipe) = seen[0]
    assert cached.images.shape == (4, 3, 40, 40) and recipe.crop == 32


def test_folding_compares_the_same_step_in_both_forms(monkeypatch):
    monkeypatch.setattr(finetuning, "in_turns", turns({"apart": 0.6, "folded": 0.4}))
    (row,) = finetuning.folding(repeats=1, side=32, batch=2)
    assert row.value == pytest.approx(1.5)
    gradients = []
    for folded in (True, False):
        step = finetuning.stepper(folded, side=32, batch=2)
        step()
        closed = dict(zip(step.__code__.co_freevars, step.__closure__, strict=True))
        model = closed["model"].cell_contents
        kinds = {type(module).__name__ for module in model.modules()}
        assert ("FoldedConv" in kinds) == folded
        gradients.append(model.head.weight.grad)
    assert torch.allclose(*gradients, atol=1e-6)


def test_memory_is_kept_in_the_child_that_is_asked_to(monkeypatch):
    asked, kept = [], []

    def run(command, **_):
        asked.append(command[-1])
        return SimpleNamespace(stdout="0.3\n" if command[-1] == "kept" else "0.6\n")

    monkeypatch.setattr(finetuning.subprocess, "run", run)
    (row,) = finetuning.memory(repeats=2)
    assert row.value == 2 and asked == ["kept", "returned", "returned", "kept"]
    monkeypatch.setattr(finetuning, "keep_memory", lambda: kept.append(1))
    for how in ("returned", "kept"):
        assert finetuning.main(how, steps=1, side=32, batch=2) > 0
    assert kept == [1]


def test_a_fresh_run_trains_in_a_store_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path))
    monkeypatch.delenv("ENTREG_FRESH", raising=False)
    seen = {}

    def run(config, progress):
        seen.update(config=config, folders=store.folders())

    monkeypatch.setattr(training.experiments, "run", run)
    (row,) = training.fresh_run()
    assert seen["config"] == Config()
    assert len(seen["folders"]) == 1 and seen["folders"][0] != tmp_path
    assert not seen["folders"][0].exists()
    assert store.folders() == [tmp_path, store.committed_folder()]
    assert row.target == "<= 15 s" and row.repeats == 1


def test_loading_is_timed_for_what_is_stored(monkeypatch):
    stored, asked = [Config(seed=1), Config(seed=3)], []
    monkeypatch.setattr(training.store, "find", lambda config: config in stored or None)
    monkeypatch.setattr(training.experiments, "sweep", lambda configs: asked.append(configs))
    (row,) = training.stored_sweep([Config(seed=s) for s in range(4)], repeats=2)
    assert asked == [stored] * 3 and row.name == "loading 2 stored runs"
    assert training.stored_sweep([Config(seed=9)]) == []


def test_the_command_prints_all_and_writes_json(tmp_path, monkeypatch, capsys):
    def part(name):
        return lambda: [Row(name, 1.0, "s", 2)]

    names = [name for name in bench.PARTS if name != "stored_sweep"]
    monkeypatch.setattr(bench, "PARTS", {name: part(name) for name in names})
    bench.PARTS["stored_sweep"] = lambda: []
    path = tmp_path / "bench.json"
    assert bench.main(["--json", str(path), "--quick"]) == 0
    printed = capsys.readouterr().out
    assert "cores" in printed and "no stored run to load" in printed
    rows = json.loads(path.read_text())["rows"]
    left_out = {"fresh_run"} | (set() if torch.cuda.is_available() else {"photographs_128"})
    assert [row["name"] for row in rows] == [name for name in names if name not in left_out]
    assert rows[0] == {
        "name": "painting", "value": 1.0, "unit": "s", "repeats": 2, "target": "", "met": None
    }  # fmt: skip
    assert bench.main([]) == 0
    assert "fresh_run" in capsys.readouterr().out
    assert bench.main(["--only", "pixels"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:-1]] == ["pixels"]
    with pytest.raises(SystemExit, match="no part 'pixel'"):
        bench.main(["--only", "pixel"])
