"""A run on a node: what it hands over, what it leaves behind, and why it may refuse."""

import io

import pytest
import torch

from entreg_utils.experiments import Config, node, run, store
from entreg_utils.files import sha256
from entreg_utils.training import loop


@pytest.fixture
def scratch(project, monkeypatch, tmp_path):
    monkeypatch.setenv("ENTREG_SCRATCH", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


@pytest.fixture
def small(tiny):
    return Config(**tiny.to_dict() | {"num_train": 40, "epochs": 2})


def test_what_is_handed_over_is_what_run_stores_here(project, scratch, small):
    outcome = node.train_here(small.to_dict(), small.name, 1, 0)
    assert set(outcome) == {"record", "files"} and not project.exists()
    assert list(scratch.iterdir()) == []
    run(small, progress=False)
    here = store.find(small)
    same = set(here) - {"provenance"}
    assert {k: outcome["record"][k] for k in same} == {k: here[k] for k in same}
    ((name, content),) = outcome["files"].items()
    assert content == (project / name).read_bytes()
    weights = content[64:]
    assert sha256(weights) == here["weights_sha256"]
    assert "head.weight" in torch.load(io.BytesIO(weights), weights_only=True)


def test_threads_are_the_cores_of_the_run(scratch, small):
    outcome = node.train_here(small.to_dict(), small.name, 2, 0)
    assert outcome["record"]["provenance"]["threads"] == 2


def test_an_interrupted_run_goes_on_in_the_same_folder(scratch, small, monkeypatch):
    plain, steps = loop.regularised_loss, []

    def dies_in_the_second_epoch(*arguments):
        steps.append(1)
        if len(steps) == 4:
            raise RuntimeError("the power is off")
        return plain(*arguments)

    monkeypatch.setattr(loop, "regularised_loss", dies_in_the_second_epoch)
    outcome = node.train_here(small.to_dict(), small.name, 1, 0)
    assert outcome["failure"].startswith("RuntimeError: the power is off [on ")
    assert (scratch / small.name / f"{small.name}.partial").exists()
    again = node.train_here(small.to_dict(), small.name, 1, 0)
    assert len(steps) == 4 + 2  # the first epoch's two steps were not made again
    monkeypatch.setattr(loop, "regularised_loss", plain)
    unbroken = node.train_here(small.to_dict(), small.name, 1, 0)
    assert again["record"]["weights_sha256"] == unbroken["record"]["weights_sha256"]


def test_a_node_with_another_version_says_so(scratch, small):
    for content, name in ((small.to_dict(), "toy-x"), ({"unheard": 1}, small.name)):
        outcome = node.train_here(content, name, 1, 0)
        assert "another version of entreg_utils: install the same" in outcome["failure"]


def test_a_gpu_that_torch_cannot_use_is_no_reason_to_train_on_the_cpu(scratch, small, monkeypatch):
    monkeypatch.setattr(node, "pick_device", lambda: torch.device("cpu"))
    outcome = node.train_here(small.to_dict(), small.name, 1, 0.5)
    assert "a GPU that PyTorch there cannot use" in outcome["failure"]
    assert not scratch.exists()


def test_each_user_has_a_folder_of_their_own(monkeypatch, tmp_path):
    monkeypatch.delenv("ENTREG_SCRATCH", raising=False)
    monkeypatch.setattr(node.tempfile, "gettempdir", lambda: str(tmp_path))
    folders = set()
    for user in (7, 8):
        monkeypatch.setattr(node.os, "getuid", lambda user=user: user, raising=False)
        folders.add(node.scratch_folder())
    assert {folder.parent for folder in folders} == {tmp_path} and len(folders) == 2
