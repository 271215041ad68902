"""``build`` by any name, and ``Network``: what it builds, its file, and what both refuse."""

import hashlib

import pytest
import timm
import torch
from torch import nn

from entreg_utils import models
from entreg_utils.files import StorageError
from entreg_utils.models import Network, factory

PHOTO = {"model": "resnet18"}


def own(num_classes, width=2):
    body = nn.Conv2d(3, width, 3, 2, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*body, nn.Linear(width, num_classes))


def test_a_function_its_name_and_a_module(own_code):
    own_code(
        "mine_for_test",
        "from torch import nn\n\ndef small(classes):\n    return nn.Sequential(nn.Conv2d(3, 2, 3), "
        "nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, classes))\n",
    )
    named = models.build("mine_for_test:small", 4)
    assert named.num_classes == 4 and named.linear_head
    assert models.build(own, 4, width=5).forward_features(torch.rand(1, 3, 9, 9)).shape[1] == 5
    module = own(4)
    assert models.build(module, 4).network is module
    assert models.build(module, 3).num_classes == 4  # more outputs than classes do no harm
    assert models.build(lambda classes: models.build("toy", classes), 4).head.out_features == 4


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("vgg", {}, "unknown model 'vgg': known are toy, .*, timm:NAME, module:function"),
        ("timm:resnet1", {}, "timm has no model 'resnet1': it has .*resnet"),
        ("timm:tf_efficientnet_lite", {}, "it has .*tf_efficientnet_lite0"),
        ("no_such_module:net", {}, "model 'no_such_module:net' cannot be imported"),
        (own, {"pretrained": True}, "own brings its own weights"),
        (own(3), {}, "has 3 outputs, but 4 classes are asked for"),
        (lambda classes: own(1000), {}, "has 1000 outputs, but 4 classes are asked for"),
        (own, {"statistics": "caffe"}, "unknown statistics='caffe': use imagenet or half"),
        ("resnet18", {"width": 3}, "no option 'width': it has large_map, statistics"),
        ("toy", {"large_map": True}, "toy has no option 'large_map': it has width"),
        ("toy", {"weights": "a.pth"}, "toy has no option 'weights': it has width"),
        ("toy", {"pretrained": True}, "no published weights for 'toy': leave pretrained out"),
        ("toy", {"width": 0}, "width=0: give a whole number in 1..10000"),
        ("toy", {"num_classes": 1}, "num_classes=1: give a whole number in 2..1000000"),
        ("resnet18", {"pretrained": True, "weights": "a.pth"}, "are two sources of weights: give"),
        ("preresnet18", {"pretrained": True, "statistics": "imagenet"}, "come with their statist"),
    ],
)
def test_what_cannot_be_built_is_one_clear_sentence(name, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        models.build(name, **{"num_classes": 4} | options)


@pytest.mark.parametrize("name", [own, "timm:test_resnet"])
def test_files_of_weights_are_in_the_networks_own_keys(tmp_path, name):
    theirs = models.build(name, 4)
    path = tmp_path / "w.pth"
    for state in (theirs.network.state_dict(), theirs.state_dict()):
        torch.save(state, path)
        loaded = models.build(name, 4, weights=path)
        assert loaded.weights_note == f"{path}: body and classifier taken over"
        torch.testing.assert_close(loaded.state_dict(), theirs.state_dict(), rtol=0, atol=0)
    other = models.build(name, 6, weights=path)
    assert "head new (its classifier has 4 classes, 6 wanted)" in other.weights_note
    assert other.num_classes == len(other.head.weight) == 6


def test_timm_offline_is_one_sentence_and_a_network_without_strides_is_left_as_it_is(monkeypatch):
    with torch.device("meta"):
        assert factory._of_timm("vgg11", 3, False, {}).features[0].stride == (1, 1)  # pools alone

    def offline(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(StorageError, match=r"cannot fetch .* of test_resnet"):
        models.build("timm:test_resnet", 4, pretrained=True)


# ---- as a part of a run's settings


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
    monkeypatch.setattr("entreg_utils.models.factory.project_root", lambda: tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "data" / "weights" / "w.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"content")
    for name in (path, str(path), "w.pth", "elsewhere/w.pth", "~/data/weights/w.pth"):
        network = Network(**PHOTO, weights=name)
        assert network.weights_file() == path
        assert network.weights_sha256() == hashlib.sha256(b"content").hexdigest()
    assert Network(**PHOTO, weights=path) == Network(**PHOTO, weights=str(path))
    with pytest.raises(StorageError, match="weights='v.pth': there is no file v.pth, nor .*v.pth"):
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
