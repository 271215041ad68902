"""Where a record says it comes from."""

from types import SimpleNamespace

import torch

from entreg_utils import models
from entreg_utils.experiments import Config, provenance
from entreg_utils.experiments.provenance import device_name, pick_device

PLAIN = {"commit", "seed", "device", "cpu", "capability", "threads", "python", "torch", "numpy"}
PLAIN |= {"system", "seconds"}


def test_a_record_says_machine_versions_seed_and_time(one_thread, monkeypatch):
    origin = provenance.provenance(Config(seed=3), 1.26)
    assert set(origin) - {"gpu", "tf32"} == PLAIN
    assert (origin["seed"], origin["seconds"], origin["threads"]) == (3, 1.3, 1)
    assert origin["device"] == str(pick_device()) and origin["torch"] == torch.__version__
    assert origin["capability"] == torch.backends.cpu.get_cpu_capability() and origin["cpu"]
    if pick_device().type == "cpu":
        assert device_name().endswith(", 1 thread")
    gpu = SimpleNamespace(is_available=lambda: True, get_device_name=lambda *_: "A GPU")
    with monkeypatch.context() as patch:
        patch.setattr(provenance.torch, "cuda", gpu)
        assert pick_device() == torch.device("cuda") and device_name() == "A GPU"
        assert provenance.provenance(Config(), 0)["gpu"] == "A GPU"


def test_weights_and_split_are_named_and_outside_a_checkout_there_is_no_commit(
    tmp_path, monkeypatch
):
    path = tmp_path / "w.pth"
    path.write_bytes(b"weights")
    own = Config(dataset="cub", model="resnet18", weights=str(path))
    assert provenance.provenance(own, 0)["weights"] == "w.pth"
    config = Config(dataset="cub", model="resnet18", pretrained=True)
    origin = provenance.provenance(config, 0, source="official split")
    assert origin["weights"] == models.PUBLISHED["resnet18"]
    assert origin["source"] == "official split"
    monkeypatch.setenv("ENTREG_ROOT", str(tmp_path))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.provenance(Config(), 0)["commit"] == "not a git checkout"
    monkeypatch.setenv("PATH", "")  # no git at all
    assert provenance.provenance(Config(), 0)["commit"] == "not a git checkout"
