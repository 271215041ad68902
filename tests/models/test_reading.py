"""Files of weights as they are met: what is in them is found, or what is wrong is said."""

import argparse
import collections
import io
import os
import pathlib
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from entreg_utils.files import StorageError, write_checked
from entreg_utils.models import reading

STATE = {"conv.weight": torch.arange(600.0).reshape(2, 300), "conv.bias": torch.ones(2)}
OTHER = {"a": torch.ones(1)}
SUFFIXES = (".pth", ".safetensors", ".npz")


class OwnDict(dict):
    """A class of settings, as training programs have them."""


class Trap:
    def __init__(self, call, *arguments):
        self.given = call, arguments

    def __reduce__(self):
        return self.given


def content_of(state, suffix=".pth", **options):
    if suffix == ".safetensors":
        return safetensors.torch.save(state)
    buffer = io.BytesIO()
    np.savez(buffer, **state) if suffix == ".npz" else torch.save(state, buffer, **options)
    return buffer.getvalue()


def read(path, content):
    path.write_bytes(content)
    return reading.read(path)


def same(found):
    torch.testing.assert_close(found, STATE, rtol=0, atol=0)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["w.pth", "W.PTH.TAR", "w.safetensors", "w.npz", "w.ckpt"])
def test_the_content_says_what_a_file_is_and_not_its_name(tmp_path, suffix, name):
    found, called = read(tmp_path / name, content_of(STATE, suffix))
    same(found)
    assert called == str(tmp_path / name)


BESIDE = {
    "numbers": {"epoch": 3, "best": np.float64(0.5), "step": np.int64(7), "ok": np.True_},
    "arrays": {"curve": np.arange(3.0), "names": np.array(["a"]), "objects": np.array([{}, None])},
    "namespace": {"args": argparse.Namespace(lr=0.1, out=pathlib.Path("x"), seed=np.int32(1))},
    "dictionaries": {"log": collections.defaultdict(list, a=[1.0]), "cfg": OwnDict(lr=0.1)},
    "sequences": {"last": collections.deque([1, 2]), "rng": np.random.get_state(), "none": None},
    "optimizer": {"optimizer": torch.optim.Adam([nn.Parameter(torch.ones(2))]).state_dict()},
    "code": {"hook": Trap(open, "ran", "w"), "call": len, "kind": argparse.Namespace},
}


@pytest.mark.parametrize("old", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
def test_what_lies_beside_the_weights_is_passed_over_and_never_run(
    tmp_path, monkeypatch, beside, old
):
    monkeypatch.chdir(tmp_path)
    options = {"_use_new_zipfile_serialization": not old}
    for state in ({"state_dict": STATE, **beside}, {**STATE, **beside}):
        same(read(tmp_path / "w.pth.tar", content_of(state, **options))[0])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("state", "which"),
    [
        *(({key: STATE}, "") for key in reading.ENVELOPES),
        ({"state_dict": {"model": STATE}}, ""),
        ({"anything": STATE, "epoch": 3}, ""),
        ({"iteration": torch.tensor(3), "net": STATE}, ""),
        ({"ema": OTHER, "model": STATE}, " (its model, not ema)"),
        (
            {"state_dict_ema": OTHER, "state_dict": STATE, "teacher": OTHER},
            " (its state_dict, not state_dict_ema)",
        ),
        ({"model": None, "ema": STATE}, ""),
        ({"ema": {"module": STATE, "decay": 0.9}}, ""),
    ],
)
def test_envelopes_are_opened_and_the_one_that_is_taken_is_said(tmp_path, state, which):
    found, called = read(tmp_path / "w.pt", content_of(state))
    same(found)
    assert called == f"{tmp_path / 'w.pt'}{which}"


def test_arrays_of_other_programs(tmp_path):
    arrays = {"a": np.arange(3, dtype=">f4"), "words": np.array("x"), "h": np.ones(2, np.float16)}
    found, _ = read(tmp_path / "w.npz", content_of(arrays, ".npz"))
    assert found["a"].tolist() == [0, 1, 2] and found["h"].dtype == torch.float16
    assert set(found) == {"a", "h"}


def test_a_checkpoint_of_a_run_is_a_file_of_weights(tmp_path):
    write_checked(tmp_path / "run.pt", content_of({"model": STATE, "history": [{"epoch": 1}]}))
    same(reading.read(tmp_path / "run.pt")[0])


def archive(name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, "x")
    return buffer.getvalue()


NET = nn.Conv2d(3, 2, 1)
LEGACY = {"_use_new_zipfile_serialization": False}
TOUCH = Trap(pathlib.Path.touch, pathlib.Path("ran"))
REFUSED = {
    "empty": (b"", "begins with b''"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "begins with b'version https://g"),
    "page": (b"\n<!DOCTYPE html><html>404", r"begins with b'\\n<!DOCTYPE html>"),
    "other zip": (archive("w/readme.txt"), "RuntimeError"),
    "cut": (content_of(STATE)[:900], "RuntimeError: .*central directory"),
    "cut npz": (content_of(STATE, ".npz")[:900], "RuntimeError: .*central directory"),
    "cut safetensors": (content_of(STATE, ".safetensors")[:-60], "SafetensorError"),
    "cut legacy": (content_of(STATE, **LEGACY)[:-60], "unexpected EOF"),
    "module": (content_of(NET), "no tensors by their names in torch.nn.modules.conv.Conv2d"),
    "module, legacy": (content_of(NET, **LEGACY), "UnpicklingError"),
    "module in": (content_of({"model": NET, "epoch": 1}), "no tensors by their names"),
    "blocked": (content_of({"a": Trap(os.system, "true")}), "unsupported GLOBAL posix.system"),
    "method": (content_of({"a": TOUCH}), "Trying to call reduce for unrecognized function"),
    "list": (content_of(list(STATE.values())), "no tensors by their names in builtins.list"),
    "optimizer": (content_of({"optimizer": BESIDE["optimizer"]["optimizer"]}), "no tensors"),
    "twins": (content_of({"student": STATE, "teacher": STATE}), "weights under student, teacher"),
    "protocol": (content_of(STATE, pickle_protocol=4), "Unsupported operand"),
    "objects": (content_of({"state": np.array(STATE)}, ".npz"), "Object arrays cannot be loaded"),
    "void": (content_of({"a": np.zeros(2, "V2")}, ".npz"), "TypeError"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("suffix", [".pth", ".npz"])
def test_what_holds_no_weights_is_one_sentence(tmp_path, monkeypatch, name, suffix):
    monkeypatch.chdir(tmp_path)
    content, why = REFUSED[name]
    start = (
        rf"{tmp_path}/w{suffix} is damaged, holds no weights, or more than weights \(.*{why}.*\)"
    )
    with pytest.raises(StorageError, match=start) as error:
        read(tmp_path / f"w{suffix}", content)
    assert str(error.value).endswith("or save a plain state dict, model.state_dict()")
    assert "\n" not in str(error.value) and not (tmp_path / "ran").exists()


def test_files_that_are_not_there_or_of_another_kind(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "folder.pth").mkdir()
    for name in ("gone.pth", "folder.pth"):
        with pytest.raises(StorageError, match=f"there is no file {tmp_path}/{name}: give the pat"):
            reading.read(f"~/{name}")
    with pytest.raises(ValueError, match="ends in .pth, .pt, .pth.tar, .safetensors, .npz"):
        reading.read(tmp_path / "weights.h5")
