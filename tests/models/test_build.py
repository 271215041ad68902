"""``build`` by other names: timm, somebody's own function, a module as it is."""

import pytest
import torch
from torch import nn

from entreg_utils import models


def own(num_classes, width=2):
    body = nn.Conv2d(3, width, 3, 2, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*body, nn.Linear(width, num_classes))


def test_a_function_its_name_and_a_module(tmp_path, monkeypatch):
    (tmp_path / "mine_for_test.py").write_text(
        "from torch import nn\n\ndef small(classes):\n    return nn.Sequential(nn.Conv2d(3, 2, 3), "
        "nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
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
    ],
)
def test_what_cannot_be_built_is_one_clear_sentence(name, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        models.build(name, 4, **options)


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
    body, first = theirs.network.state_dict(), next(iter(theirs.network.state_dict()))
    torch.save({"other.weight": torch.zeros(1)} | body, path)
    with pytest.raises(ValueError, match="other.weight has no place here"):
        models.build(name, 4, weights=path)
    assert torch.equal(loaded.state_dict()[f"network.{first}"], body[first])


def test_timm_offline_is_one_sentence(monkeypatch):
    import timm

    def offline(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(models.weights.StorageError, match=r"cannot fetch .* of test_resnet"):
        models.build("timm:test_resnet", 4, pretrained=True)
