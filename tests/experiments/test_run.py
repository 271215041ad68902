"""Run or load: what is trained, what is loaded, and what is left when something goes wrong."""

import errno
import io
import json
import math
import os
import shutil
import signal
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from entreg_utils import cam
from entreg_utils.experiments import Config, build, rescore, run, splits, store
from entreg_utils.experiments import run as run_function
from entreg_utils.experiments.run import train
from entreg_utils.experiments.watch import Log
from entreg_utils.files import StorageError, atomic_write, read_checked, sha256
from entreg_utils.training import View, evaluate, loop
from entreg_utils.training.guard import unpack
from tests.conftest import alike

STEPS = 3  # of an epoch of `tiny`
MODULE = sys.modules[run_function.__module__]


def flip_a_byte(path, position):
    raw = bytearray(path.read_bytes())
    raw[position] ^= 1
    path.write_bytes(raw)


def count_steps(config):
    """Run a config and count the steps that it trains."""
    plain, count = loop.regularised_loss, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "regularised_loss", lambda *a: (count.append(1), plain(*a))[1])
        run(config, progress=False)
    return len(count)


def killed_after(epoch, config):
    """Run until the given epoch is whole and then kill; what is left is a partial file."""
    plain = loop.save

    def stop(path, parts, rest):
        plain(path, parts, rest)
        if len(rest["history"]) == epoch:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            run(config, progress=False)


# ---- what a run holds


def test_the_untrained_network_is_the_seeds_with_a_class_for_each_of_the_data(tiny, voc):
    same, other = (build(replace(tiny, seed=seed)).stem.weight for seed in (0, 1))
    assert torch.equal(build(tiny).stem.weight, same) and not torch.equal(same, other)
    assert build(voc).head.out_features == 3
    assert build(voc, num_classes=7).head.out_features == 7
    birds = Config(dataset="cub", model="toy", head_outputs=5)
    assert build(birds, num_classes=4).head.out_features == 5
    with pytest.raises(ValueError, match="head_outputs=5"):
        build(birds, num_classes=200)


def test_a_stored_run_is_not_trained_again_and_gives_back_what_its_models_give(
    stored, tiny, training_forbidden
):
    before = stored.stat().st_mtime_ns
    result = run(tiny)
    assert train(tiny) == store.read(stored) and stored.stat().st_mtime_ns == before
    assert result.config == tiny and result.files == store.Files()
    assert result.history["epoch"].tolist() == [1, 2, 3]
    assert result.maps.shape == (3, 4, 8, 8)
    # The last epoch is the model whose final scores are the metrics.
    for name in ("accuracy", "entropy", "pxap", "gt_known", "top1_loc", "part", "body", "context"):
        assert result.history[f"test_{name}"].iloc[-1] == result.metrics[name]
    assert result.metrics["val_pxap"] == result.history["val_pxap"].iloc[-1]
    assert result.metrics["val_pxap_best"] == result.history["val_pxap"].max()
    assert result.outcomes["right"].mean() == pytest.approx(result.metrics["accuracy"], abs=1e-5)
    assert result.provenance["threads"] == 1 and result.provenance["seed"] == 0
    test = splits(tiny)[2]
    for which, end in (("last", ""), ("best", "_best")):
        model = result.model(which)
        assert not model.training
        for name, value in evaluate(model, test).items():
            assert round(value, 5) == result.metrics[name + end]
    images = test.images[result.panel].float() / 255
    maps = cam.class_activation_map(result.model(), images, test.labels[result.panel])[0]
    maps = maps.cpu().numpy()
    span = np.ptp(maps, axis=(1, 2), keepdims=True)
    assert (np.abs(result.maps[-1] - maps) <= span * (0.5 / 255 + 1e-3)).all()
    with pytest.raises(ValueError, match="no 'first' checkpoint: kept are last, best"):
        result.model("first")


def test_a_run_on_photographs_chooses_on_validation_and_says_its_files(voc, project):
    result = run(voc, progress=False)
    history, metrics = result.history, result.metrics
    assert not any(name.startswith("test_") for name in history)  # looked at once, at the end
    digest = result.selection.pop("weights_sha256")
    chosen = int(history["val_mpxap"].argmax()) + 1
    assert result.selection == {"criterion": "val_mpxap", "epoch": chosen}
    assert {"mpxap", "mpxap_best", "mean_ap", "constant_map"} <= set(metrics)
    assert "constant_map_best" not in metrics
    assert metrics["constant_map"] == pytest.approx(1 / 3, abs=0.01)  # each mask is a third
    result.selection["weights_sha256"] = digest
    test = View(splits(voc)[2], multilabel="softmax")
    for which, name in (("last", "mpxap"), ("best", "mpxap_best")):
        assert round(evaluate(result.model(which), test)["mpxap"], 5) == metrics[name]
    assert result.provenance["source"] == "made by a test"
    assert result.files == store.files_of(voc) and result.files.photographs
    # a log of one line an epoch stays beside the record
    path = store.path_of(voc)
    log = path.with_suffix(".jsonl").read_text().splitlines()
    assert [json.loads(line)["val_mpxap"] for line in log] == history["val_mpxap"].tolist()
    assert {own.suffix for own in project.iterdir()} == {".json", ".jsonl", ".lock", ".pt"}


def test_a_run_on_a_shoal_is_scored_as_voc_and_watched_as_the_drawn_world(project, tiny):
    config = replace(tiny, data=replace(tiny.data, dataset="shoal"), multilabel="sigmoid")
    result = run(replace(config, epochs=1), progress=False)
    assert result.config.name.startswith("shoal-") and not result.files
    assert result.selection["criterion"] == "val_mpxap" and result.config.data.is_drawn
    assert {"mean_ap", "mpxap", "max_box_acc", "constant_map"} <= set(result.metrics)
    assert not {"part", "accuracy", "reliance_part"} & set(result.metrics)
    for name in ("mean_ap", "entropy", "mpxap", "max_box_acc"):
        assert result.history[f"test_{name}"].tolist() == [result.metrics[name]]
    test = splits(result.config)[2]
    shares = [test.masks[test.pairs[:, 1] == c].float().mean().item() for c in range(8)]
    assert result.metrics["constant_map"] == pytest.approx(np.mean(shares), abs=1e-5)
    scores = evaluate(result.model(), View(test, multilabel="sigmoid"))
    assert scores["mpxap"] == pytest.approx(result.metrics["mpxap"], abs=1e-5)


# ---- loaded, not trained


def test_committed_records_are_read_unless_they_are_damaged(project, trained, tiny, monkeypatch):
    folder = shutil.copytree(trained, store.committed_folder(), dirs_exist_ok=True)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "regularised_loss", None)
        committed = run(tiny)
        committed.model()  # its checkpoint lies beside the record
    assert not project.exists()
    record = project / f"{tiny.name}.json"
    flip_a_byte(folder / record.name, 50)
    damaged = (folder / record.name).read_bytes()
    with pytest.warns(UserWarning, match="data/runs/.* is damaged and was not read") as caught:
        assert alike(run(tiny, progress=False).weights_sha256, committed.weights_sha256)
    assert (folder / record.name).read_bytes() == damaged and store.read(record) is not None
    assert len(caught) == 1


def test_other_photographs_and_other_weights_are_other_runs(one, photographs, project, monkeypatch):
    config = replace(one, epochs=1)
    assert count_steps(config) == 3 and count_steps(config) == 0
    before = run(config).files
    photographs(2)
    assert count_steps(config) == 3
    photographs(1)
    assert run(config).files == before
    monkeypatch.setattr(type(config.network), "weights_sha256", lambda network: "of others")
    assert count_steps(config) == 3
    assert run(config).files == replace(before, weights="of others")
    assert len(list(project.glob(f"{config.name}-*.json"))) == 3  # the old records stay


# ---- damage is noticed


@pytest.mark.parametrize(("which", "damage"), [("last", "byte"), ("best", "gone")])
def test_a_checkpoint_that_is_not_whole_is_trained_again(
    stored, tiny, which, damage, capsys, recwarn
):
    result, path = run(tiny), stored.with_suffix(".best.pt" if which == "best" else ".pt")
    expected = path.read_bytes()
    if damage == "byte":
        flip_a_byte(path, 1000)
    else:
        path.unlink()
    model = result.model(which)
    said = f"{tiny.name} has no checkpoint here: training it again"
    assert said in capsys.readouterr().err and alike(path.read_bytes(), expected)
    head = torch.load(io.BytesIO(path.read_bytes()[64:]), weights_only=True)["head.weight"]
    assert torch.equal(model.head.weight.cpu(), head)
    warned = [str(warning.message) for warning in recwarn]
    assert any(f"{path.name} is damaged" in text for text in warned) == (damage == "byte")


def test_weights_that_came_out_otherwise_on_this_machine_are_used_and_not_trained_twice(
    stored, tiny, capsys, monkeypatch
):
    # The committed record is of another machine, whose weights differ in a bit and did not come.
    record = store.read(stored)
    other = record | {"weights_sha256": sha256(b"other")}
    store.write(other, store.committed_folder() / stored.name)
    shutil.rmtree(stored.parent)
    foreign = run(tiny)
    assert foreign.weights_sha256 == sha256(b"other")
    model = foreign.model()
    assert "training it again" in capsys.readouterr().err
    monkeypatch.setattr(loop, "regularised_loss", None)
    again = foreign.model()
    assert "training" not in capsys.readouterr().err
    assert torch.equal(model.head.weight, again.head.weight)
    assert alike(run(tiny).weights_sha256, record["weights_sha256"])


# ---- interrupted and taken up again


def test_a_killed_run_ends_with_the_same_bytes(project, child, trained, tiny):
    process = child(tiny, f"step == {2 * STEPS + 2} and os.kill(os.getpid(), signal.SIGKILL)")
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    partial = project / f"{tiny.name}.partial"
    state = unpack(read_checked(partial), partial)
    assert [row["epoch"] for row in state["history"]] == [1, 2]
    assert store.find(tiny) is None
    assert count_steps(tiny) == STEPS  # only the third epoch
    assert not partial.exists()
    for name in (f"{tiny.name}.pt", f"{tiny.name}.best.pt"):
        assert alike((project / name).read_bytes(), (trained / name).read_bytes())
    assert alike(*(store.read(folder / f"{tiny.name}.json") for folder in (project, trained)))


def test_ctrl_c_says_what_is_kept_and_the_same_call_finishes(project, tiny, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "regularised_loss", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(tiny, progress=False)
    assert "had no whole epoch yet" in capsys.readouterr().out
    killed_after(1, tiny)
    said = "stopped; kl_uniform 0.5 seed 0 keeps its last whole epoch, the same call goes on"
    assert said in capsys.readouterr().out
    assert count_steps(tiny) == 2 * STEPS


def test_a_killed_run_of_several_classes_equals_an_unbroken_one(voc, monkeypatch, tmp_path):
    mixed = {"method": "cutmix", "erase_beta": 1.0, "erase_probability": 1.0}
    config = replace(voc, multilabel="sigmoid", regularizer="kl_uniform", strength=0.1, **mixed)
    run(config, progress=False)
    whole = store.find(config)
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path / "again"))
    killed_after(2, config)
    assert store.find(config) is None
    run(config, progress=False)
    assert alike(store.find(config), whole)


def test_a_full_disk_at_the_record_loses_no_epoch(project, trained, tiny, monkeypatch):
    def no_room(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full(path, content):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", no_room)
            return atomic_write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(store, "atomic_write", full)
        with pytest.raises(StorageError, match=f"no room for {tiny.name}.json .* free some space"):
            run(tiny, progress=False)
    assert {path.suffix for path in project.iterdir()} == {".lock", ".partial", ".pt", ".jsonl"}
    assert count_steps(tiny) == 0
    name = f"{tiny.name}.pt"
    assert alike((project / name).read_bytes(), (trained / name).read_bytes())


# ---- several processes, unwritable folders


def test_of_two_processes_one_trains_and_the_other_loads(
    project, child, tiny, tmp_path, monkeypatch
):
    """The child holds the lock in its first step until this process says that it waits."""
    begun, go = tmp_path / "begun", tmp_path / "go"
    wait = (
        f"Path({str(begun)!r}).touch()\n    while not os.path.exists({str(go)!r}): time.sleep(0.01)"
    )
    process = child(tiny, wait)
    while not begun.exists():
        assert process.poll() is None, process.stderr.read()
    said = []

    class Ear:
        def write(self, text):
            said.append(text)
            if "waiting for its record" in text:
                go.touch()

        def flush(self):
            pass

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", Ear())
        patch.setattr(loop, "regularised_loss", None)
        mine = run(tiny, progress=False)
    out, _ = process.communicate(timeout=120)
    assert "".join(said) == f"another process trains {tiny.name}: waiting for its record\n"
    assert out.strip() == mine.weights_sha256
    assert len(list(project.glob("*.json"))) == 1


def test_results_that_cannot_be_written_are_one_sentence(project, tiny, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    project.write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="cannot write .*results/.*json: .*ENTREG_RESULTS"):
        run(tiny)
    project.unlink()
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(StorageError, match="cannot write .*json: Permission denied; make"):
        run(tiny)


# ---- the log and the bar


def test_the_log_has_a_line_an_epoch_the_bar_moves_and_a_loss_above_chance_is_a_warning(
    tmp_path, capsys
):
    def report(losses, steps=60, first=1):
        progress = Log(tmp_path / "run.json", "title", len(losses), steps, "score", 2.0, True)
        with progress.bar:
            progress.step(steps * (first - 1) // len(losses) + 1, steps, math.nan)
            assert progress.bar.initial == steps * (first - 1) // len(losses)
            for epoch in range(first, len(losses) + 1):
                row = {"epoch": epoch, "loss": losses[epoch - 1], "score": 0.5, "maps": [[1.0]]}
                progress.step(steps * epoch // len(losses), steps, row["loss"])
                progress.epoch(row)
            progress.bar.refresh()
            assert progress.bar.n == progress.bar.total == steps

    with pytest.warns(UserWarning) as said:
        report([2.5, 1.999, 2.0])
    assert [str(one.message).partition(", what")[0] for one in said] == [
        f"title: after {epoch} epochs the training loss stays above 2" for epoch in (1, 3)
    ]
    shown = capsys.readouterr().err
    assert "60/60" in shown and "epoch=3/3, loss=2, score=0.5" in shown
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report([1.9, 2.5, 2.5])  # it was below once
        report([0.0, 2.5, 3.5], first=2)  # the log remembers the epochs before a kill
        lines = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
        assert [(line["epoch"], line["loss"]) for line in lines] == [(1, 1.9), (2, 2.5), (3, 3.5)]
        assert set(lines[0]) == {"epoch", "loss", "score", "seconds"}
        report([2.5, 2.5, 2.5], steps=9)  # too few steps to tell


# ---- a known network from a file, and finished runs at another size


def test_a_file_of_weights_is_trained_from_resumed_and_scored(birds, monkeypatch, tmp_path):
    config = replace(birds, epochs=2, head_factor=10.0, method="adl")
    config = replace(config, frozen_stages=2, watch_test=True)
    result = run(config, progress=False)
    whole, metrics = store.find(config), result.metrics
    name = birds.network.weights_file().name
    assert whole["config"]["weights"] == result.provenance["weights"] == name
    assert whole["files"]["weights"] == sha256(birds.network.weights_file().read_bytes())
    assert result.selection["criterion"] == "val_max_box_acc"
    wanted = {"max_box_acc", "max_box_acc_carried", "top1_loc", "top5_loc", "centre_box"}
    assert wanted <= set(metrics) and {"max_box_acc_best", "top1_loc_best"} <= set(metrics)
    assert metrics["max_box_acc_carried"] <= metrics["max_box_acc"]
    assert result.history["test_max_box_acc"].iloc[-1] == metrics["max_box_acc"]
    hits = result.outcomes["hits"]
    assert hits.shape == (len(splits(config)[2]), 1000)
    assert round(hits.mean(axis=0).max(), 5) == metrics["max_box_acc"]
    assert result.maps.shape == (2, 3, 4, 4)
    early = result.model().body.features[0][0].weight.cpu()
    assert torch.equal(early, build(config, 3).body.features[0][0].weight)
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path / "again"))
    killed_after(1, config)
    run(config, progress=False)
    assert alike(store.find(config), whole)


def test_a_finished_run_at_another_size_is_what_training_with_that_size_gives(
    one, monkeypatch, tmp_path
):
    source = run(one, progress=False)
    found = rescore(source, eval_size=48)
    other = replace(one, eval_size=48)
    with monkeypatch.context() as patch:
        patch.setenv("ENTREG_RESULTS", str(tmp_path / "again"))
        trained = run(other, progress=False)
    last = {n: v for n, v in trained.metrics.items() if not n.endswith("_best")}
    assert alike(found.metrics, last) and found.metrics != source.metrics
    assert alike(trained.weights_sha256, found.weights_sha256) and len(found.maps) == 1
    assert found.weights_sha256 == source.weights_sha256
    assert alike(found.outcomes["hits"], trained.outcomes["hits"])
    assert alike(found.maps[-1], trained.maps[-1])
    assert found.provenance["rescored"] == one.name
    assert list(found.history) == ["epoch", "loss"] and found.selection is None
    # its record is found, and not made twice
    monkeypatch.setattr(MODULE, "_train", lambda *_: pytest.fail("trained"))
    monkeypatch.setattr(
        sys.modules[rescore.__module__], "_scored", lambda *_: pytest.fail("scored")
    )
    assert run(other).metrics == found.metrics == rescore(source, eval_size=48).metrics
    found.model()  # its checkpoint lies beside it


def test_what_decides_the_training_is_no_rescoring(stored, tiny):
    source = run(tiny)
    with pytest.raises(ValueError, match="epochs decides what is trained: only eval_size, eval_"):
        rescore(source, epochs=3)
    with pytest.raises(ValueError, match="nothing is changed"):
        rescore(source)
    with pytest.raises(ValueError, match="rescore photographs"):
        rescore(source, sigma=0.2)
