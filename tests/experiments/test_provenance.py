"""Where a record says it comes from."""

import hashlib

import pytest
import torch

from entreg_utils import models
from entreg_utils.experiments import Config
from entreg_utils.experiments.provenance import pick_device, provenance, weights_file
from entreg_utils.files import StorageError

PLAIN = {
    *("commit", "seed", "device", "threads", "python", "torch", "numpy", "system", "seconds"),
}


def test_a_toy_record_says_no_more_than_before():
    origin = provenance(Config(seed=3), 1.26)
    assert set(origin) - {"gpu"} == PLAIN
    assert (origin["seed"], origin["seconds"]) == (3, 1.3)
    assert origin["device"] == str(pick_device()) and origin["torch"] == torch.__version__


def test_weights_are_named_with_their_digest(tmp_path, monkeypatch):
    path = tmp_path / "data" / "weights" / "w.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    monkeypatch.setenv("ENTREG_ROOT", str(tmp_path))
    digest = hashlib.sha256(b"weights").hexdigest()
    for name in ("w.pth", str(path), "/elsewhere/w.pth"):
        assert weights_file(name) == path
        origin = provenance(Config(model="resnet18", weights=name), 0)
        assert origin["weights"] == {"file": "w.pth", "sha256": digest}
    with pytest.raises(StorageError, match="weights='v.pth': there is no such file, nor .*data/w"):
        weights_file("v.pth")


def test_published_weights_erasing_and_split_are_named():
    config = Config(dataset="cub", model="resnet18", pretrained=True, method="rdap")
    origin = provenance(config, 0, source="official split")
    assert origin["weights"] == {"published": models.PUBLISHED["resnet18"]}
    assert origin["source"] == "official split"
    assert origin["erasing"] == {
        "method": "rdap",
        "square": 0.35,
        "rate": 0.5,
        "points": ["stage3.0", "stage4.0", "last"],
    }
