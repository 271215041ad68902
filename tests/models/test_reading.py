"""Files of weights as they are met: what is in them is found, or what they are instead is named."""

import argparse
import collections
import io
import pathlib
import re
import tarfile
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


NET = nn.Conv2d(3, 2, 1)


class Trap:
    def __init__(self, call, *arguments):
        self.given = call, arguments

    def __reduce__(self):
        return self.given


def content_of(state, suffix=".pth", **options):
    if suffix == ".safetensors":
        return safetensors.torch.save(state)
    buffer = io.BytesIO()
    if suffix == ".npz":
        np.savez(buffer, **state)
    else:
        torch.save(state, buffer, **options)
    return buffer.getvalue()


def read(path, content):
    path.write_bytes(content)
    return reading.read(path)


def same(found):
    torch.testing.assert_close(found, STATE, rtol=0, atol=0)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["w.pth", "w.pt", "W.PTH.TAR", "w.safetensors", "w.npz", "w.ckpt"])
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
        found, _ = read(tmp_path / "w.pth.tar", content_of(state, **options))
        same(found)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("state", "which"),
    [
        *(({key: STATE}, "") for key in reading.ENVELOPES),
        ({"state_dict": {"model": STATE}}, ""),
        ({"anything": STATE, "epoch": 3}, ""),
        ({"iteration": torch.tensor(3), "net": STATE}, ""),
        (
            {"ema": OTHER, "model": STATE},
            "model, not ema",
        ),
        ({"params_ema": OTHER, "params": STATE}, "params, not params_ema"),
        (
            {"state_dict_ema": OTHER, "state_dict": STATE, "teacher": OTHER},
            "state_dict, not state_",
        ),
        ({"model": None, "ema": STATE}, ""),
        ({"ema": {"module": STATE, "decay": 0.9}}, ""),
    ],
)
def test_envelopes_are_opened_and_the_one_that_is_taken_is_said(tmp_path, state, which):
    found, called = read(tmp_path / "w.pt", content_of(state))
    same(found)
    assert which in called and ("its" in called) == bool(which)


def test_arrays_of_other_programs(tmp_path):
    arrays = {"a": np.arange(3, dtype=">f4"), "words": np.array("x"), "h": np.ones(2, np.float16)}
    found, _ = read(tmp_path / "w.npz", content_of(arrays, ".npz"))
    assert found["a"].tolist() == [0, 1, 2] and found["h"].dtype == torch.float16
    assert set(found) == {"a", "h"}
    half = {"a": torch.ones(2, dtype=torch.bfloat16)}
    for suffix in SUFFIXES[:2]:
        assert read(tmp_path / "w.pt", content_of(half, suffix))[0]["a"].dtype == torch.bfloat16


def test_a_checkpoint_of_a_run_is_a_file_of_weights(tmp_path):
    write_checked(tmp_path / "run.pt", content_of({"model": STATE, "history": [{"epoch": 1}]}))
    same(reading.read(tmp_path / "run.pt")[0])


def archive(name, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, content)
    return buffer.getvalue()


def tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        file.addfile(tarfile.TarInfo("pickle"))
    return buffer.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4665\nsize 46830571\n"
NO_ARRAY = "which is no array of numbers that PyTorch knows"
REFUSED = {
    "empty": (b"", "is empty"),
    "pointer": (LFS, "is a pointer of Git LFS, not the file itself: run `git lfs pull`"),
    "page": (b"\n<!DOCTYPE html><html>404", "is a web page, not weights"),
    "denied": (b'<?xml version="1.0"?><Error>AccessDenied</Error>', "is a web page"),
    "text": (b"Not Found", "is no file of weights, it begins with b'Not Found'"),
    "image": (b"\x89PNG\r\n\x1a\n" + bytes(300), "is no file of weights, it begins with"),
    "gzip": (b"\x1f\x8b\x08" + bytes(300), "is an archive: unpack it"),
    "tar": (tar(), "is an archive: unpack it"),
    "other zip": (archive("w/readme.txt", "x"), "is a ZIP archive without weights.*w/readme.txt"),
    "cut": (content_of(STATE)[:900], "ends too early, after 900 bytes"),
    "cut npz": (content_of(STATE, ".npz")[:900], "ends too early, after 900 bytes"),
    "cut safetensors": (content_of(STATE, ".safetensors")[:60], "ends too early, after 60 bytes"),
    "cut more": (content_of(STATE, ".safetensors")[:-60], "is damaged .*SafetensorError"),
    "cut legacy": (
        content_of(STATE, _use_new_zipfile_serialization=False)[:-60],
        "is damaged or holds more than weights",
    ),
    "script": (
        archive("w/constants.pkl", "x"),
        "is a TorchScript archive: save torch.jit.load.PATH..state_dict",
    ),
    "module": (
        content_of(NET),
        r"holds a whole pickled module \(torch.nn.modules.conv.Conv2d\): save a state dict",
    ),
    "module, legacy": (
        content_of(NET, _use_new_zipfile_serialization=False),
        "holds a whole pickled module: save",
    ),
    "module in": (content_of({"model": NET, "epoch": 1}), "holds a whole pickled module"),
    "object": (content_of(argparse.Namespace()), r"holds an object \(argparse.Namespace\) and no"),
    "blocked": (
        content_of({"a": Trap(__import__("os").system, "true")}),
        "wants to call posix.sys",
    ),
    "method": (
        content_of({"a": Trap(pathlib.Path.touch, pathlib.Path("ran"))}),
        "holds more than weights .UnpicklingError: Trying to call reduce for unrecognized function",
    ),
    "numbers": (content_of({"a": 1}), r"holds no tensors by their names \(dict\)"),
    "list": (content_of(list(STATE.values())), r"holds no tensors by their names \(list\)"),
    "optimizer": (content_of({"optimizer": BESIDE["optimizer"]["optimizer"]}), "holds no tensors"),
    "twins": (content_of({"student": STATE, "teacher": STATE}), "weights under student, teacher: "),
    "protocol": (content_of(STATE, pickle_protocol=4), "is of a pickle protocol that only"),
    "objects": (content_of({"state": np.array(STATE)}, ".npz"), f"has state, {NO_ARRAY}"),
    "void": (content_of({"a": np.zeros(2, "V2")}, ".npz"), f"has a, {NO_ARRAY}"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("suffix", [".pth", ".npz"])
def test_what_holds_no_weights_is_named_in_one_sentence(tmp_path, name, suffix):
    content, sentence = REFUSED[name]
    with pytest.raises(StorageError) as error:
        read(tmp_path / f"w{suffix}", content)
    assert re.match(rf"{re.escape(str(tmp_path))}/w{suffix} .*{sentence}", str(error.value))
    assert "\n" not in str(error.value)


def test_files_that_are_not_there_or_of_another_kind(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "w.pth").mkdir()
    for path, sentence in {
        "~/gone.pth": f"there is no file {tmp_path}/gone.pth: give the path of a file",
        "~/w.pth": f"{tmp_path}/w.pth is a folder: give the file of weights in it",
    }.items():
        with pytest.raises(StorageError, match=sentence):
            reading.read(path)
    with pytest.raises(ValueError, match="ends in .pth, .pt, .pth.tar, .safetensors, .npz"):
        reading.read(tmp_path / "weights.h5")
