"""Run or load: what is trained, what is loaded, and what is left when something goes wrong."""

import errno
import io
import json
import os
import shutil
import signal
import sys

import numpy as np
import pytest
import torch
from entreg_utils.experiments.runs import train

from entreg_utils import cam
from entreg_utils.experiments import Config, build, run, splits, store
from entreg_utils.files import StorageError, atomic_write, read_checked, sha256, write_checked
from entreg_utils.training import TrainingError, checkpoint, loop, summarise

STEPS = 3  # of an epoch of `tiny`


def flip_a_byte(path, position):
    raw = bytearray(path.read_bytes())
    raw[position] ^= 1
    path.write_bytes(raw)


def weights_of(record):
    return read_checked(record.with_suffix(".pt"))


# ---- what a run holds


def test_a_record_gives_back_config_history_metrics_and_maps(stored, tiny, training_forbidden):
    result = run(tiny)
    assert result.config == tiny
    assert result.history["epoch"].tolist() == [1, 2, 3]
    assert result.maps.shape == (3, 4, 8, 8)
    # The last epoch is the model whose final scores are the metrics.
    for name in ("accuracy", "entropy", "pxap", "gt_known", "top1_loc", "part", "body", "context"):
        assert result.history[f"test_{name}"].iloc[-1] == result.metrics[name]
    assert result.metrics["val_pxap"] == result.history["val_pxap"].iloc[-1]
    assert result.provenance["threads"] == 1 and result.provenance["seed"] == 0
    labels = splits(tiny)[2].labels
    for index, c in zip(result.panel, range(4), strict=True):  # the first image of each class
        assert labels[index] == c and c not in labels[:index]


def test_the_model_gives_the_recorded_metrics_and_maps(stored, tiny, training_forbidden):
    result = run(tiny)
    model = result.model()
    assert not model.training
    _, val, test = splits(tiny)
    again = {name: round(value, 5) for name, value in summarise(model, val, test).items()}
    assert again == result.metrics
    images = test.images[result.panel].float() / 255
    maps, _ = cam.class_activation_map(model, images, test.labels[result.panel])
    kept, span = result.maps[-1], np.ptp(maps.cpu().numpy(), axis=(1, 2), keepdims=True)
    assert (np.abs(kept - maps.cpu().numpy()) <= span * (0.5 / 255 + 1e-3)).all()


def test_the_untrained_model_depends_on_the_seed_alone(tiny):
    torch.manual_seed(99)
    state = torch.random.get_rng_state()
    first = build(tiny).state_dict()
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(1)
    second = build(tiny).state_dict()
    other = build(Config(seed=1, width=4)).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["stem.weight"], other["stem.weight"])


# ---- loaded, not trained


def test_a_stored_run_is_not_trained_again(stored, tiny, training_forbidden):
    before = stored.stat().st_mtime_ns
    assert run(tiny).provenance == json.loads(stored.read_text())["provenance"]
    assert train(tiny) == store.read(stored)
    assert stored.stat().st_mtime_ns == before


def test_equal_configs_are_one_run_however_they_are_written(stored, training_forbidden):
    fields = {"strength": 1, "num_train": np.int64(60), "part": 1, "momentum": np.float64(0.9)}
    small = dict(regularizer="kl_uniform", batch_size=20, epochs=3, image_size=32, width=4)
    assert run(Config(**small, **fields)).config == Config(**small, strength=1.0, num_train=60)


def test_committed_records_are_read_unless_everything_is_to_be_fresh(
    project, trained, tiny, monkeypatch, tmp_path
):
    shutil.copytree(trained, tmp_path / "project" / "data" / "runs")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "regularised_loss", None)
        committed = run(tiny)
        committed.model()  # its checkpoint lies beside the record
    assert not project.exists()
    monkeypatch.setenv("ENTREG_FRESH", "1")
    fresh = run(tiny, progress=False)
    assert fresh.weights_sha256 == committed.weights_sha256
    assert (project / f"{tiny.name}.json").exists()


# ---- damage is noticed


@pytest.mark.parametrize("damage", ["byte", "cut", "not json", "another run"])
def test_a_damaged_record_is_named_and_its_run_trained_again(stored, tiny, damage):
    if damage == "byte":  # a digit of a metric
        flip_a_byte(stored, stored.read_bytes().index(b'"metrics":{"accuracy":0.') + 24)
    elif damage == "cut":
        stored.write_bytes(stored.read_bytes()[:-100])
    elif damage == "not json":
        stored.write_text("[1]")
    else:
        record = store.read(stored) | {"config": Config(width=4, epochs=3).to_dict()}
        other = store.write(record, stored.parent)
        shutil.move(other, stored)
    before = weights_of(stored)
    with pytest.warns(UserWarning, match=f"record .*{tiny.name}.json .*was not read") as caught:
        result = run(tiny, progress=False)
    assert len(caught) == 1
    assert store.read(stored)["weights_sha256"] == result.weights_sha256 == sha256(before)


def test_a_damaged_committed_record_is_passed_over(project, trained, tiny, tmp_path):
    committed = shutil.copytree(trained, tmp_path / "project" / "data" / "runs")
    record = committed / f"{tiny.name}.json"
    flip_a_byte(record, 50)
    damaged = record.read_bytes()
    with pytest.warns(UserWarning, match="data/runs/.* is damaged and was not read"):
        run(tiny, progress=False)
    assert record.read_bytes() == damaged
    assert store.read(project / record.name) is not None


@pytest.mark.parametrize("damage", ["byte", "gone"])
def test_a_checkpoint_that_is_not_whole_is_trained_again(stored, tiny, damage, capsys, recwarn):
    result, checkpoint = run(tiny), stored.with_suffix(".pt")
    expected = weights_of(stored)
    if damage == "byte":
        flip_a_byte(checkpoint, 1000)
    else:
        checkpoint.unlink()
    model = result.model()
    assert f"{checkpoint.name} is not stored: training this run again" in capsys.readouterr().err
    assert weights_of(stored) == expected
    trained_head = torch.load(io.BytesIO(expected), weights_only=True)["head.weight"]
    assert torch.equal(model.head.weight.cpu(), trained_head)
    warned = [str(warning.message) for warning in recwarn]
    assert any(f"{checkpoint.name} is damaged" in text for text in warned) == (damage == "byte")


def test_weights_that_came_out_otherwise_on_this_machine_are_used_and_not_trained_twice(
    stored, tiny, capsys, monkeypatch, tmp_path
):
    # The committed record is of another machine, whose weights differ in a bit and did not come.
    committed = tmp_path / "project" / "data" / "runs"
    record = store.read(stored)
    store.write(record | {"weights_sha256": sha256(b"other")}, committed)
    shutil.rmtree(stored.parent)
    foreign = run(tiny)
    assert foreign.weights_sha256 == sha256(b"other")
    model = foreign.model()
    assert "training this run again" in capsys.readouterr().err
    monkeypatch.setattr(loop, "regularised_loss", None)
    again = foreign.model()
    assert "training" not in capsys.readouterr().err
    assert torch.equal(model.head.weight, again.head.weight)
    assert run(tiny).weights_sha256 == record["weights_sha256"]


# ---- interrupted and taken up again


def test_a_killed_run_ends_with_the_same_bytes(project, child, trained, tiny):
    process = child(tiny, f"step == {2 * STEPS + 2} and os.kill(os.getpid(), signal.SIGKILL)")
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    partial = project / f"{tiny.name}.partial"
    state = checkpoint.unpack(read_checked(partial), partial)
    assert [row["epoch"] for row in state["history"]] == [1, 2]
    assert store.find(tiny) is None
    assert count_steps(tiny) == STEPS  # only the third epoch
    assert not partial.exists()
    name = f"{tiny.name}.pt"
    assert (project / name).read_bytes() == (trained / name).read_bytes()
    records = [store.read(folder / f"{tiny.name}.json") for folder in (project, trained)]
    for record in records:
        del record["provenance"]
    assert records[0] == records[1]


def count_steps(config):
    """Run a config and count the steps that it trains."""
    plain, count = loop.regularised_loss, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "regularised_loss", lambda *a: (count.append(1), plain(*a))[1])
        run(config, progress=False)
    return len(count)


def test_ctrl_c_says_what_is_kept_and_the_same_call_finishes(project, child, trained, tiny):
    process = child(tiny, f"step == {STEPS + 2} and os.kill(os.getpid(), signal.SIGINT)")
    out, error = process.communicate(timeout=120)
    assert process.returncode != 0 and error.strip().endswith("KeyboardInterrupt")
    assert "stopped; kl_uniform 0.5 seed 0 keeps its last whole epoch, the same call goes on" in out
    assert (project / f"{tiny.name}.partial").exists()
    assert count_steps(tiny) == 2 * STEPS
    name = f"{tiny.name}.pt"
    assert (project / name).read_bytes() == (trained / name).read_bytes()


def test_ctrl_c_in_the_first_epoch_promises_nothing(project, tiny, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "regularised_loss", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tiny, progress=False)
    assert "had no whole epoch yet" in capsys.readouterr().out


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
    assert {path.suffix for path in project.iterdir()} == {".lock", ".partial", ".pt"}
    assert count_steps(tiny) == 0
    name = f"{tiny.name}.pt"
    assert (project / name).read_bytes() == (trained / name).read_bytes()


def test_a_partial_file_of_something_else_is_set_aside(project, tiny):
    partial = project / f"{tiny.name}.partial"
    write_checked(partial, b"no checkpoint")
    flip_a_byte(partial, 70)
    with pytest.warns(UserWarning, match="training starts anew: .* is damaged"):
        assert count_steps(tiny) == 3 * STEPS
    assert partial.with_name(partial.name + ".damaged").exists() and not partial.exists()


def test_a_run_that_diverges_leaves_no_record(project):
    config = Config(width=4, num_train=60, batch_size=20, image_size=32, learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"step \d+ \(epoch 1, .* nothing to keep"):
        run(config, progress=False)
    assert store.find(config) is None


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
    project.write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="cannot make .*results: .* ENTREG_RESULTS"):
        run(tiny)
    project.unlink()
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(StorageError, match="cannot write in .*results: Permission denied; make"):
        run(tiny)


def refuse(*_, **__):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
