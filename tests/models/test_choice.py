"""``Network``: what it builds, the file that it begins with, and what it refuses."""

import hashlib

import pytest
import torch

from entreg_utils import models
from entreg_utils.files import StorageError
from entreg_utils.models import Network

PHOTO = {"model": "resnet18"}


def test_the_seed_alone_decides_and_the_global_generator_is_left_alone():
    state = torch.get_rng_state()
    first, again, other = (Network(width=4).build(3, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(first.state_dict(), again.state_dict(), rtol=0, atol=0)
    assert not torch.equal(first.stem.weight, other.stem.weight)
    torch.manual_seed(1)
    assert torch.equal(models.build("toy", 3, width=4).stem.weight, first.stem.weight)


def test_every_field_reaches_the_network(tmp_path):
    path = tmp_path / "w.pth"
    torch.save(models.build("resnet18", 5).state_dict(), path)
    network = Network(**PHOTO, weights=str(path), large_map=True, statistics="half", freeze_bn=True)
    model = network.build(5, 0)
    assert model.weights_note.startswith(str(path)) and model.stride == 8
    assert model.mean.tolist() == [0.5] * 3 and model.batchnorm_frozen
    assert network.build(5, 0, with_weights=False).weights_note == ""
    frozen = Network(**PHOTO, weights=str(path), frozen_stages=2, head_outputs=7).build(5, 0)
    assert frozen.frozen_stages == 2 and frozen.num_classes == 7
    assert Network(model=lambda classes: models.build("toy", classes)).build(3, 0).num_classes == 3


def test_the_file_is_a_path_or_lies_in_data_weights(tmp_path, monkeypatch):
    assert Network().weights_file() is None and Network().weights_sha256() == ""
    monkeypatch.setattr("entreg_utils.models.choice.project_root", lambda: tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "data" / "weights" / "w.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"content")
    for name in (path, str(path), "w.pth", "elsewhere/w.pth", "~/data/weights/w.pth"):
        network = Network(**PHOTO, weights=name)
        assert network.weights_file() == path
        assert network.weights_sha256() == hashlib.sha256(b"content").hexdigest()
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(StorageError, match="folder.pth is a folder: give the file of weights in"):
        Network(**PHOTO, weights=tmp_path / "folder.pth").weights_file()
    assert Network(**PHOTO, weights=path) == Network(**PHOTO, weights=str(path))
    with pytest.raises(StorageError, match="weights='v.pth': there is no such file, nor .*v.pth"):
        Network(**PHOTO, weights="v.pth").weights_sha256()


@pytest.mark.parametrize("name", models.MODELS)
def test_erasing_points_are_those_of_the_built_network(name):
    assert Network(model=name).erasing_points() == tuple(models.build(name, 2).erasing_points())
    assert Network(model="timm:resnet18").erasing_points() is None


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"model": "vgg"}, "unknown model 'vgg': known are toy, .*timm:NAME, module:function"),
        ({"model": 3}, "model=3: give a name or a function"),
        ({"width": 0}, "width=0: give a whole number of at least 1"),
        (PHOTO | {"width": 8}, "width belongs to the toy network: leave it out"),
        ({"pretrained": True}, "pretrained belongs to the networks for photographs: the toy"),
        ({"weights": "w.pth"}, "weights belongs to the networks for photographs"),
        ({"statistics": "half"}, "statistics belongs to the networks for photographs"),
        ({"large_map": True}, "large_map belongs to the course's networks for photographs"),
        ({"model": "timm:vgg11", "large_map": True}, "large_map belongs to the course's"),
        ({"model": "a:b", "pretrained": True}, "pretrained has no meaning for own code"),
        (PHOTO | {"statistics": "caffe"}, "unknown statistics 'caffe': known are published, ima"),
        (PHOTO | {"pretrained": True, "weights": "a.pth"}, "are two sources of weights"),
        (PHOTO | {"pretrained": True, "statistics": "half"}, "come with their statistics"),
        (PHOTO | {"weights": "w.h5"}, "weights='w.h5': use a file that ends in .pth, .pt"),
        (PHOTO | {"pretrained": True, "frozen_stages": 4}, "frozen_stages=4: give 0 to 3"),
        (PHOTO | {"frozen_stages": 1}, "here they begin at random: give weights or pretrained"),
        ({"head_outputs": 1}, "head_outputs=1: give 0, one a class, or at least 2"),
    ],
)
def test_what_cannot_work_is_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        Network(**fields)


def test_fewer_outputs_than_classes_are_refused():
    network = Network(head_outputs=4)
    network.check_classes(4)
    for refuse in (network.check_classes, lambda classes: network.build(classes, 0)):
        with pytest.raises(ValueError, match="head_outputs=4: give 0, one a class, or at least 5"):
            refuse(5)
